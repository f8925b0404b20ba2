"""Operations on routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.facts import Fact, FactBase
from engine.inet import family_of, prefix, to_int
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Route(Operation):
    """What adding and deleting share."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dst": Parameter("destination prefix"),
        "via": Parameter("gateway", required=False),
        "dev": Parameter("device", required=False),
        "table": Parameter("routing table; main if absent", required=False),
        "type": Parameter("unicast if absent; unreachable, blackhole, prohibit", required=False),
    }

    @property
    def dst(self) -> str:
        """Canonical destination prefix."""
        return str(prefix(self.text("dst")))

    def _words(self) -> list[str]:
        kind = self.text("type")
        words = [kind] if kind and kind != "unicast" else []
        words.append("default" if self.dst in {"0.0.0.0/0", "::/0"} else self.dst)
        for name in ("via", "dev", "table"):
            if self.text(name) and not (name == "table" and self.text(name) == "main"):
                words += [name, self.text(name)]
        return words

    def _line(self, action: str) -> str:
        family = ["-6"] if family_of(self.dst) == 6 else []
        return self.site.shell("ip", *family, "route", action, *self._words())

    def _device(self, facts: FactBase) -> str:
        """The given device, or the one whose subnet holds the gateway."""
        via = self.text("via")
        if self.text("dev") or not via:
            return self.text("dev")
        for fact in facts.at("address", self.site.node, self.site.stack):
            net = prefix(f"{fact.fields['address']}/{fact.fields.get('prefixlen', 32)}")
            if net.family == family_of(via) and net.holds(to_int(via)) and fact.fields.get("device") != "lo":
                return str(fact.fields.get("device", ""))
        return ""

    def verify(self) -> tuple[str, ...]:
        """Ask the kernel which way it goes."""
        return (self.site.shell("ip", "route", "get", self.dst.partition("/")[0]),)


class RouteAdd(_Route):
    """Add a route."""

    NAME: ClassVar[str] = "route.add"

    def commands(self) -> tuple[str, ...]:
        """``ip route add``."""
        return (self._line("add"),)

    def undo(self) -> tuple[str, ...]:
        """``ip route del``."""
        return (self._line("del"),)

    def persist(self) -> tuple[str, ...]:
        """Where each distribution keeps routes."""
        device = self._device(self.site.facts) or "DEVICE"
        via = self.text("via")
        words = " ".join(self._words())
        return (
            "# a route made by hand is lost at the next reboot; keep it where this machine's routes come from:",
            f"#   NetworkManager: nmcli connection modify <connection of {device}> +ipv4.routes '{self.dst} {via}'",
            f"#   ifcfg: echo '{words} dev {device}' >> /etc/sysconfig/network-scripts/route-{device}",
            f"#   netplan: routes: [{{to: {self.dst}, via: {via}}}] under {device}",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The table with the route; ``None`` if the gateway is not on-link (the kernel would refuse)."""
        device = self._device(facts)
        if not device:
            return None
        fields = {
            "table": self.text("table", "main"),
            "type": self.text("type", "unicast") or "unicast",
            "dst": self.dst,
            "device": device,
            "metric": 0,
            "protocol": "boot",
            "scope": "global" if self.text("via") else "link",
            "family": family_of(self.dst),
        }
        if self.text("via"):
            fields["gateway"] = self.text("via")
        return facts.plus([Fact("route", fields, self.site.node, self.site.stack, shown=f"{' '.join(self._words())} dev {device}")])


class RouteDelete(_Route):
    """Delete a route."""

    NAME: ClassVar[str] = "route.delete"
    RISK: ClassVar[str] = "medium"

    def commands(self) -> tuple[str, ...]:
        """``ip route del``."""
        return (self._line("del"),)

    def undo(self) -> tuple[str, ...]:
        """``ip route add``."""
        return (self._line("add"),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The table without the route."""
        for fact in facts.at("route", self.site.node, self.site.stack):
            get = fact.fields.get
            same = (
                get("dst") == self.dst
                and str(get("table", "main")) == self.text("table", "main")
                and get("gateway", "") == self.text("via", get("gateway", ""))
            )
            if (
                same
                and get("device", "") == self.text("dev", get("device", ""))
                and get("type", "unicast") == (self.text("type") or get("type", "unicast"))
            ):
                return facts.swap({id(fact): None})
        return None
