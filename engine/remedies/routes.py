"""Operations on routes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.facts import Fact, FactBase
from engine.inet import family_of, in_prefix, prefix, to_int
from engine.model.fib import ENDING_TYPES
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def words_of(fact: Fact) -> list[str]:
    """Words of ``ip route add`` that make a route as it was observed."""
    get = fact.get
    words = [get("type")] if get("type", "unicast") != "unicast" else []
    words.append("default" if get("dst") in {"0.0.0.0/0", "::/0"} else get("dst"))
    usual = {"table": "main", "scope": "global", "protocol": "boot"}
    fields = {name: value for name, value in fact.fields.items() if usual.get(name) != value}
    hops = get("nexthops") or ()
    if not hops:
        words += _way(fields)
    words += _pairs(fields, ("table", "table"), ("protocol", "proto"), ("scope", "scope"), ("src", "src"), ("metric", "metric"), ("mtu", "mtu"))
    for hop in hops:
        words += ["nexthop", *_way(hop), *_pairs(hop, ("weight", "weight"))]
    return words


def _way(hop: Mapping[str, Any]) -> list[str]:
    return [*_pairs(hop, ("gateway", "via"), ("device", "dev")), *(["onlink"] if hop.get("onlink") else [])]


def _pairs(fields: Mapping[str, Any], *names: tuple[str, str]) -> list[str]:
    return [word for field, name in names if fields.get(field) for word in (name, str(fields[field]))]


_USUAL = frozenset({("table", "main"), ("metric", "0"), ("scope", "global"), ("proto", "boot")})
"""What need not be said on a command line."""


class _Route(Operation):
    """What adding and deleting share."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dst": Parameter("destination prefix"),
        "via": Parameter("gateway", required=False),
        "dev": Parameter("device", required=False),
        "table": Parameter("routing table; main if absent", required=False),
        "type": Parameter("unicast if absent; unreachable, blackhole, prohibit, broadcast", required=False),
        "metric": Parameter("metric; 0 if absent", required=False),
        "src": Parameter("preferred source", required=False),
        "scope": Parameter("scope, where it is not the usual one", required=False),
        "proto": Parameter("protocol: who made it", required=False),
        "probe": Parameter("address to verify with; one of the prefix if absent", required=False),
    }

    @property
    def dst(self) -> str:
        """Canonical destination prefix."""
        return str(prefix(self.text("dst")))

    def _words(self, *without: str) -> list[str]:
        kind = self.text("type")
        words = [kind] if kind and kind != "unicast" else []
        words.append("default" if self.dst in {"0.0.0.0/0", "::/0"} else self.dst)
        for name in ("via", "dev", "table", "metric", "proto", "scope", "src"):
            if name not in without and self.text(name) and (name, self.text(name)) not in _USUAL:
                words += [name, self.text(name)]
        return words

    def _line(self, action: str) -> str:
        family = ["-6"] if family_of(self.dst) == 6 else []
        return self.site.shell("ip", *family, "route", action, *self._words())

    def _device(self, facts: FactBase) -> str:
        """The given device, or the one whose subnet holds the gateway."""
        via = self.text("via")
        return self.text("dev") if self.text("dev") or not via else self._towards(facts, via)

    def _towards(self, facts: FactBase, via: str) -> str:
        """The device whose subnet holds a gateway."""
        for fact in facts.at("address", self.site.node, self.site.stack):
            net = prefix(f"{fact.fields['address']}/{fact.fields.get('prefixlen', 32)}")
            if net.family == family_of(via) and net.holds(to_int(via)) and fact.fields.get("device") != "lo":
                return str(fact.fields.get("device", ""))
        return ""

    def verify(self) -> tuple[str, ...]:
        """Ask the kernel which way it goes; of another table what is in it, for a policy rule may lead there only some packets."""
        target, table = self.text("probe"), self.text("table")
        family = ["-6"] if family_of(self.dst) == 6 else []
        if table and ("table", table) not in _USUAL:
            return (self.site.shell("ip", *family, "route", "show", "table", table),)
        if not target and prefix(self.dst).length == 0:
            return (self.site.shell("ip", *family, "route", "show", "default"),)
        return (self.site.shell("ip", "route", "get", target or self.dst.partition("/")[0]),)


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
        """Where each distribution keeps routes; nothing for a container's stack, whose routes its runtime makes."""
        if self.site.entry:
            return ()
        device = self._device(self.site.facts) or "DEVICE"
        via = self.text("via")
        words = " ".join(self._words("dev"))
        table = self.text("table") if ("table", self.text("table")) not in _USUAL else ""
        managed = " ".join(filter(None, (self.dst, via, f"table={table}" if table else "")))
        listed = ", ".join(filter(None, (f"to: {self.dst}", f"via: {via}" if via else "", f"table: {table}" if table else "")))
        return (
            "# a route made by hand is lost at the next reboot; keep it where this machine's routes come from:",
            f"#   NetworkManager: nmcli connection modify <connection of {device}> +ipv{family_of(self.dst)}.routes '{managed}'",
            f"#   ifcfg: echo '{words} dev {device}' >> /etc/sysconfig/network-scripts/route-{device}",
            f"#   netplan: routes: [{{{listed}}}] under {device}",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The table with the route; ``None`` where the kernel would refuse: a gateway that is not on-link, a route that is there already."""
        device = self._device(facts)
        blocking = self.text("type", "unicast") in ENDING_TYPES
        if (not device and not blocking) or self._twin(facts) or not self._reaches(facts, device):
            return None
        fields = {
            "table": self.text("table", "main"),
            "type": self.text("type", "unicast") or "unicast",
            "dst": self.dst,
            "metric": int(self.text("metric") or 0),
            "protocol": self.text("proto") or "boot",
            "scope": self.text("scope") or ("global" if self.text("via") or blocking else "link"),
            "family": family_of(self.dst),
        }
        words = self._words()
        if not blocking:
            fields["device"] = device
            words += [] if "dev" in words else ["dev", device]
        if self.text("via"):
            fields["gateway"] = self.text("via")
        if self.text("src"):
            fields["src"] = self.text("src")
        return facts.plus([Fact("route", fields, self.site.node, self.site.stack, shown=" ".join(words))])

    def _twin(self, facts: FactBase) -> bool:
        """Whether the table has a route to the same prefix with the same metric (EEXIST)."""
        table, metric = self.text("table", "main"), self.text("metric") or "0"
        here = facts.at("route", self.site.node, self.site.stack)
        return any(f.get("dst") == self.dst and str(f.get("table", "main")) == table and str(f.get("metric") or 0) == metric for f in here)

    def _reaches(self, facts: FactBase, device: str) -> bool:
        """Whether the gateway is on-link on the device, as far as addresses and routes tell."""
        via = self.text("via")
        if not via:
            return True
        here = self.site.node, self.site.stack
        nets = [f"{f.get('address')}/{f.get('prefixlen', 32)}" for f in facts.at("address", *here) if f.get("device") == device]
        direct = [f for f in facts.at("route", *here) if f.get("device") == device and not f.get("gateway")]
        nets += [str(f.get("dst")) for f in direct if f.get("type", "unicast") == "unicast"]
        return not nets or any(in_prefix(via, net) for net in nets)


class RouteDelete(_Route):
    """Delete a route."""

    NAME: ClassVar[str] = "route.delete"
    RISK: ClassVar[str] = "medium"

    def commands(self) -> tuple[str, ...]:
        """``ip route del``."""
        return (self._line("del"),)

    def undo(self) -> tuple[str, ...]:
        """``ip route add`` with all that the route had."""
        fact = self._found(self.site.facts)
        if fact is None:
            return (self._line("add"),)
        family = ["-6"] if family_of(self.dst) == 6 else []
        return (self.site.shell("ip", *family, "route", "add", *words_of(fact)),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The table without the route."""
        fact = self._found(facts)
        return facts.swap({id(fact): None}) if fact is not None else None

    def _found(self, facts: FactBase) -> Fact | None:
        for fact in facts.at("route", self.site.node, self.site.stack):
            get = fact.fields.get
            same = (
                get("dst") == self.dst
                and str(get("table", "main")) == self.text("table", "main")
                and get("gateway", "") == self.text("via", get("gateway", ""))
                and str(get("metric") or 0) == (self.text("metric") or str(get("metric") or 0))
            )
            if (
                same
                and get("device", "") == self.text("dev", get("device", ""))
                and get("type", "unicast") == (self.text("type") or get("type", "unicast"))
            ):
                return fact
        return None


class RouteReplace(RouteDelete):
    """Give a route of the main table another gateway; all else it has stays."""

    NAME: ClassVar[str] = "route.replace"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dst": Parameter("destination prefix"),
        "dev": Parameter("device of the route now", required=False),
        "via": Parameter("its gateway now, where it has one", required=False),
        "new_via": Parameter("the gateway to give it"),
    }

    def _new(self, facts: FactBase) -> Fact | None:
        """The route as it is to be; ``None`` if it is not there, or the gateway is not on-link (the kernel would refuse)."""
        old, gateway = self._found(facts), self.text("new_via")
        device = self._towards(facts, gateway)
        if old is None or not device:
            return None
        return old.having(gateway=gateway, device=device, scope="global", src=None, nexthops=None)

    def commands(self) -> tuple[str, ...]:
        """``ip route replace``, with all that the kernel tells routes of one prefix apart by."""
        new = self._new(self.site.facts)
        words = words_of(new) if new is not None else [self.dst, "via", self.text("new_via")]
        return (self._replace(words),)

    def undo(self) -> tuple[str, ...]:
        """``ip route replace`` with what the route was."""
        old = self._found(self.site.facts)
        return (self._replace(words_of(old)),) if old is not None else ()

    def _replace(self, words: Sequence[str]) -> str:
        family = ["-6"] if family_of(self.dst) == 6 else []
        return self.site.shell("ip", *family, "route", "replace", *words)

    def persist(self) -> tuple[str, ...]:
        """The wrong route stands in some configuration."""
        address = self.dst.partition("/")[0]
        return (
            f"# the route to {self.dst} comes from this machine's configuration; give it the gateway {self.text('new_via')} there too:",
            f"#   grep -rn {address} /etc/sysconfig/network-scripts /etc/netplan /etc/network /etc/NetworkManager/system-connections",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The table with the route changed."""
        old, new = self._found(facts), self._new(facts)
        if old is None or new is None:
            return None
        return facts.swap({id(old): replace(new, shown=" ".join(words_of(new)))})


class RouteSource(RouteDelete):
    """Give a route of the main table another preferred source; what this machine sends by it bears that address, unless a program chose one."""

    NAME: ClassVar[str] = "route.source"
    RISK: ClassVar[str] = "low"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dst": Parameter("destination prefix"),
        "dev": Parameter("device of the route", required=False),
        "via": Parameter("its gateway, where it has one", required=False),
        "source": Parameter("the address to prefer: one of this machine's"),
    }

    def _line_with(self, fact: Fact) -> str:
        family = ["-6"] if family_of(self.dst) == 6 else []
        return self.site.shell("ip", *family, "route", "replace", *words_of(fact))

    def commands(self) -> tuple[str, ...]:
        """``ip route replace`` with all that the route has, as far as it was observed, and the other ``src``."""
        old = self._found(self.site.facts) or Fact("route", {"dst": self.dst, "device": self.text("dev"), "gateway": self.text("via")})
        return (self._line_with(old.having(src=self.text("source"))),)

    def undo(self) -> tuple[str, ...]:
        """``ip route replace`` with what the route was."""
        old = self._found(self.site.facts)
        return (self._line_with(old),) if old is not None else ()

    def persist(self) -> tuple[str, ...]:
        """The kernel makes connected routes anew, with the first address, whenever the device is configured."""
        return (f"# lasts until {self.text('dev') or 'the device'} is configured again: take the other address out of its configuration",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The table with the changed route; ``None`` if the route is not there or the address is not this stack's (EINVAL)."""
        old = self._found(facts)
        own = any(f.get("address") == self.text("source") for f in facts.at("address", self.site.node, self.site.stack))
        if old is None or not own:
            return None
        new = old.having(src=self.text("source"))
        return facts.swap({id(old): replace(new, shown=" ".join(words_of(new)))})
