"""Operations on VXLAN devices: what cannot be changed on a device that exists is changed by making it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import RuleError
from engine.inet import family_of, is_address
from engine.remedies.base import Operation, Parameter, Site
from engine.remedies.routes import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import Fact, FactBase

MAX_PORT = 65535
MAX_VNI = (1 << 24) - 1
KEPT = frozenset({"PERMANENT", "NOARP"})
"""States of neighbour entries that somebody set by hand."""
ANY_MAC = "00:00:00:00:00:00"
"""Of the entry that ``remote`` makes by itself."""


class VxlanRecreate(Operation):
    """Make a VXLAN device anew with another VNI or UDP port, and give it back what goes with it: addresses, routes, entries, its bridge."""

    NAME: ClassVar[str] = "vxlan.recreate"
    RISK: ClassVar[str] = "high"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dev": Parameter("device"),
        "vni": Parameter("VNI that it shall have"),
        "port": Parameter("UDP port that it shall have"),
    }

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` for what is no VNI or no port."""
        super().__init__(parameters, site)
        for name, most in (("vni", MAX_VNI), ("port", MAX_PORT)):
            if not self.text(name).isdecimal() or not 0 < int(self.text(name)) <= most:
                message = f"operation {self.NAME}: no {name}: {self.text(name)!r}"
                raise RuleError(message)

    def _links(self, facts: FactBase) -> list[Fact]:
        here = facts.at("link", self.site.node, self.site.stack)
        return [f for f in here if f.get("name") == self.text("dev") and f.get("type") == "vxlan"]

    def _made(self, vni: str, port: str) -> tuple[str, ...]:
        """The lines that take the device away and make it with a VNI and a port; nothing where the evidence does not show it."""
        links = self._links(self.site.facts)
        if not links:
            return ()
        told: dict[str, Any] = {name: value for fact in links for name, value in fact.fields.items()}
        device, shell = self.text("dev"), self.site.shell
        words = ["id", vni, *_ends(told), "dstport", port, *(["nolearning"] if told.get("vxlan_learning") is False else [])]
        mac = ["address", str(told["mac"])] if told.get("mac") else []
        mtu = ["mtu", str(told["mtu"])] if told.get("mtu") else []
        lines = [shell("ip", "link", "del", device), shell("ip", "link", "add", device, *mac, *mtu, "type", "vxlan", *words)]
        lines += [shell("ip", "link", "set", device, "master", str(told["master"]))] if told.get("master") else []
        return (*lines, *self._addresses(), shell("ip", "link", "set", device, "up"), *self._rest())

    def _here(self, kind: str) -> list[Fact]:
        return [f for f in self.site.here(kind) if f.get("device") == self.text("dev")]

    def _addresses(self) -> Iterator[str]:
        for fact in self._here("address"):
            if fact.get("scope") == "global":
                yield self.site.shell("ip", "address", "add", f"{fact.get('address')}/{fact.get('prefixlen')}", "dev", self.text("dev"))

    def _rest(self) -> Iterator[str]:
        """Routes by the device that the kernel does not make of its addresses, then the entries that somebody wrote."""
        for fact in self._here("route"):
            if fact.get("type", "unicast") == "unicast" and fact.get("protocol") != "kernel" and fact.get("table", "main") != "local":
                family = ["-6"] if family_of(str(fact.get("dst")).partition("/")[0]) == 6 else []
                yield self.site.shell("ip", *family, "route", "replace", *words_of(fact))
        for fact in self._here("neighbor"):
            if fact.get("state") in KEPT and fact.get("mac"):
                words = (str(fact.get("address")), "lladdr", str(fact.get("mac")), "dev", self.text("dev"), "nud", "permanent")
                yield self.site.shell("ip", "neigh", "replace", *words)
        for fact in self._here("fdb"):
            if fact.get("dst") and fact.get("permanent") and fact.get("mac") != ANY_MAC:
                yield self.site.shell("bridge", "fdb", "append", str(fact.get("mac")), "dev", self.text("dev"), "dst", str(fact.get("dst")))

    def commands(self) -> tuple[str, ...]:
        """``ip link del`` and ``ip link add``, then all that went with the device; of one that was not seen, first what it has."""
        return self._made(self.text("vni"), self.text("port")) or self.verify()

    def undo(self) -> tuple[str, ...]:
        """The same with the values that it had."""
        was = next(((f.get("vxlan_id"), f.get("vxlan_port")) for f in self._links(self.site.facts)), (None, None))
        return self._made(str(was[0]), str(was[1])) if None not in was else ()

    def persist(self) -> tuple[str, ...]:
        """Whoever makes the device must be told."""
        return (
            "# whoever makes the device makes it as before at the next start; change it there too:",
            "#   flannel: Backend.VNI and Backend.Port in net-conf.json (ConfigMap kube-flannel-cfg)",
            "#   calico: vxlanVNI and vxlanPort of FelixConfiguration",
            "#   systemd-networkd: VNI= and DestinationPort= of the .netdev file    netplan, ifupdown: the tunnel's section",
        )

    def verify(self) -> tuple[str, ...]:
        """VNI and port of the device."""
        return (self.site.shell("ip", "-d", "link", "show", "dev", self.text("dev")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The device with its new values, without what was learned of neighbours behind it; ``None`` if the evidence does not show it."""
        links = self._links(facts)
        if not links:
            return None
        change: dict[int, Fact | None] = {id(f): f.having(vxlan_id=int(self.text("vni")), vxlan_port=int(self.text("port"))) for f in links}
        learned = (f for f in facts.at("neighbor", self.site.node, self.site.stack) if f.get("device") == self.text("dev"))
        change |= {id(f): None for f in learned if f.get("state") not in KEPT}
        return facts.swap(change)


def _ends(told: Mapping[str, Any]) -> Iterator[str]:
    """The words of a device's own address, its peer or group, and the card that it sends by."""
    names = (("local", "vxlan_local"), ("remote", "vxlan_remote"), ("dev", "vxlan_device"))
    for word, name in names:
        value = str(told.get(name) or "")
        if value and word == "remote" and is_address(value) and _multicast(value):
            yield from ("group", value)
        elif value:
            yield from (word, value)


def _multicast(address: str) -> bool:
    return address.lower().startswith("ff") if ":" in address else 224 <= int(address.partition(".")[0]) <= 239
