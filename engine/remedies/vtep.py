"""Operations on the ends of VXLAN tunnels: what peers hold of them, and their own MAC.

What restarting the agent does to the peers: flannel ``pkg/backend/vxlan/vxlan_network.go`` (handleSubnetEvents), felix ``vxlan_mgr.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from zlib import crc32

from engine.facts import HOST, Fact
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import FactBase
    from engine.overlays.vteps import Vtep

AGENTS = {"flannel": ("flanneld", "kube-flannel"), "calico": ("calico-node", "calico-node")}
"""Program → its service, and how the names of its pods begin."""


def neighbor_of(facts: FactBase, node: str, device: str, address: str) -> Fact | None:
    """A machine's neighbour entry."""
    here = facts.at("neighbor", node, HOST)
    return next((f for f in here if f.fields.get("device") == device and f.fields.get("address") == address), None)


def fdb_of(facts: FactBase, node: str, device: str, mac: str) -> Fact | None:
    """A machine's forwarding database entry for a MAC."""
    return next(
        (f for f in facts.at("fdb", node, HOST) if f.fields.get("device") == device and f.fields.get("mac") == mac and f.fields.get("dst")), None
    )


def learned(facts: FactBase, node: str, device: str, address: str, mac: str, dst: str) -> FactBase:  # noqa: PLR0917 - a machine, and a VTEP
    """Facts with a machine's entries for a VTEP set: ``ip neigh replace``, ``bridge fdb replace``."""
    change: dict[int, Fact | None] = {}
    added: list[Fact] = []
    if address:
        old = neighbor_of(facts, node, device, address)
        if old is not None:
            change[id(old)] = _shown(old.having(mac=mac, state="PERMANENT"), f"{address} dev {device} lladdr {mac} PERMANENT")
        else:
            fields: dict[str, Any] = {"address": address, "device": device, "mac": mac, "state": "PERMANENT", "proxy": False}
            fields["family"] = 6 if ":" in address else 4
            added.append(Fact("neighbor", fields, node, HOST, shown=f"{address} dev {device} lladdr {mac} PERMANENT"))
    entry = fdb_of(facts, node, device, mac)
    shown = f"{mac} dev {device} dst {dst} self permanent"
    if entry is not None:
        change[id(entry)] = _shown(entry.having(dst=dst, permanent=True), shown)
    else:
        made = {"mac": mac, "device": device, "dst": dst, "self": True, "permanent": True, "flags": ()}
        added.append(Fact("fdb", made, node, HOST, shown=shown))
    return facts.swap(change, added)


def _shown(fact: Fact, text: str) -> Fact:
    return Fact(fact.kind, fact.fields, fact.node, fact.stack, fact.source, 0, text)


class VtepLearn(Operation):
    """Set what a machine holds of another one's VTEP."""

    NAME: ClassVar[str] = "vtep.learn"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "device": Parameter("VXLAN device of the machine"),
        "address": Parameter("overlay address of the other one's; the forwarding database alone if absent", required=False),
        "mac": Parameter("MAC of the other one's device"),
        "dst": Parameter("address at which it takes tunnel packets"),
        "program": Parameter("flannel or calico, where one of them writes the entries", required=False),
    }

    def commands(self) -> tuple[str, ...]:
        """``ip neigh replace`` and ``bridge fdb replace``."""
        return tuple(self._lines(self.text("mac"), self.text("dst")))

    def _lines(self, mac: str, dst: str) -> Iterator[str]:
        if self.text("address"):
            yield self._neighbor(mac, "permanent")
        yield self._entry(mac, dst, "replace")

    def _neighbor(self, mac: str, state: str) -> str:
        return self.site.shell("ip", "neigh", "replace", self.text("address"), "lladdr", mac, "dev", self.text("device"), "nud", state)

    def _entry(self, mac: str, dst: str, verb: str) -> str:
        words = ["self", "permanent"] if verb == "replace" else ["self"]
        return self.site.shell("bridge", "fdb", verb, mac, "dev", self.text("device"), "dst", dst, *words)

    def undo(self) -> tuple[str, ...]:
        """What was there, as far as it was observed."""
        facts, node, device, lines = self.site.facts, self.site.node, self.text("device"), []
        entry = fdb_of(facts, node, device, self.text("mac"))
        if entry is None:
            lines.append(self._entry(self.text("mac"), self.text("dst"), "del"))
        elif entry.fields["dst"] != self.text("dst"):
            lines.append(self._entry(self.text("mac"), str(entry.fields["dst"]), "replace"))
        if self.text("address"):
            old = neighbor_of(facts, node, device, self.text("address"))
            if old is None or not old.fields.get("mac"):
                lines.append(self.site.shell("ip", "neigh", "del", self.text("address"), "dev", device))
            else:
                lines.append(self._neighbor(str(old.fields["mac"]), "permanent" if old.fields.get("state") == "PERMANENT" else "stale"))
        return tuple(lines)

    def persist(self) -> tuple[str, ...]:
        """The program writes these entries anew; it must be told the right MAC."""
        program = self.text("program")
        if program not in AGENTS:
            return ("# put both commands where this machine's tunnel is configured; they are lost with the device",)
        return (f"# {AGENTS[program][0]} writes these entries from what the other node announces: let it announce anew (restart it there)",)

    def verify(self) -> tuple[str, ...]:
        """Both entries."""
        device = self.text("device")
        return (self.site.shell("ip", "neigh", "show", "dev", device), self.site.shell("bridge", "fdb", "show", "dev", device))

    def apply(self, facts: FactBase) -> FactBase | None:
        """The facts with the entries."""
        return learned(facts, self.site.node, self.text("device"), self.text("address"), self.text("mac"), self.text("dst"))


class AnnouncingAgent(Operation):
    """What operations share that end with a restart of the overlay's agent: it announces its VTEP, and the peers write their entries."""

    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "device": Parameter("VXLAN device of the machine"),
        "program": Parameter("flannel or calico; flannel if absent", required=False),
        "at": Parameter("who it is to be done on, where that is no machine of the evidence", required=False),
    }

    def word(self, name: str) -> str:
        """A parameter as it may stand in a comment: on one line."""
        return " ".join(self.text(name).split())

    def _lines(self, *lines: str) -> tuple[str, ...]:
        return (f"# run on {self.word('at')}:", *lines) if self.text("at") else lines

    def _restart(self) -> str:
        service, pods = AGENTS.get(self.text("program"), AGENTS["flannel"])
        for pod in self.site.facts.of_kind("pod"):
            get = pod.fields.get
            if str(get("name", "")).startswith(pods) and get("node_name") == self.site.node:
                return self.site.shell("kubectl", "-n", str(get("namespace", "")), "delete", "pod", str(get("name")))
        return self.site.shell("systemctl", "restart", service)

    def verify(self) -> tuple[str, ...]:
        """The device's MAC; the peers must hold the same."""
        return (self.site.shell("ip", "-d", "link", "show", "dev", self.text("device")),)

    def _vtep(self, facts: FactBase) -> Vtep | None:
        from engine.overlays import machines, vteps

        here = (v for v in vteps.own(machines.machines(facts)) if v.owner == self.site.node and v.device == self.text("device"))
        return next(here, None)

    def _announce(self, facts: FactBase) -> FactBase | None:
        """Facts with the entries of all peers as the agent has them written; ``None`` if the device was not seen."""
        from engine.overlays import machines, vteps

        mine = self._vtep(facts)
        if mine is None or not mine.outer or self.text("at"):
            return None
        for peer in vteps.own(machines.machines(facts)):
            if peer.vni != mine.vni or peer.owner == mine.owner:
                continue
            for address in sorted(mine.inner):
                facts = learned(facts, peer.owner, peer.device, address, mine.mac, mine.outer)
        return facts


class VtepAnnounce(AnnouncingAgent):
    """Restart the agent of the overlay, which announces the MAC and the address that its device has."""

    NAME: ClassVar[str] = "vtep.announce"

    def commands(self) -> tuple[str, ...]:
        """Its pod deleted, or its service restarted."""
        return self._lines(self._restart())

    def persist(self) -> tuple[str, ...]:
        """What changes the MAC behind the agent's back."""
        return (
            "# systemd-udevd must not give the device another MAC: a file /etc/systemd/network/50-overlay.link with",
            f"#   [Match] OriginalName={self.word('device').partition('.')[0]}*  [Link] MACAddressPolicy=none",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The peers' entries."""
        return self._announce(facts)


class VtepNewMac(AnnouncingAgent):
    """Give the device a MAC that no other has, then restart the agent, which announces it."""

    NAME: ClassVar[str] = "vtep.new-mac"

    @property
    def mac(self) -> str:
        """A locally administered address made of the machine's name; the same each time."""
        number = crc32(f"{self.text('at', self.site.node)} {self.text('device')}".encode())
        return "02:1e:" + ":".join(f"{number >> shift & 255:02x}" for shift in (24, 16, 8, 0))

    def _set(self, mac: str) -> str:
        return self.site.shell("ip", "link", "set", "dev", self.text("device"), "address", mac)

    def commands(self) -> tuple[str, ...]:
        """``ip link set address``, and the restart."""
        return self._lines(self._set(self.mac), self._restart())

    def undo(self) -> tuple[str, ...]:
        """The old MAC again."""
        mine = self._vtep(self.site.facts)
        return (self._set(mine.mac), self._restart()) if mine is not None and not self.text("at") else ()

    def persist(self) -> tuple[str, ...]:
        """A cloned machine has the identity of the one it was cloned from: udev makes MACs of it."""
        match = f"[Match] OriginalName={self.word('device').partition('.')[0]}*"
        return (
            "# systemd-udevd makes the MACs of virtual devices of /etc/machine-id (MACAddressPolicy=persistent): clones get equal ones. On a clone:",
            "#   rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup, and reboot",
            f"# or leave such MACs to the kernel: /etc/systemd/network/50-overlay.link with {match} [Link] MACAddressPolicy=none",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The device with its new MAC, and the peers' entries."""
        here = facts.at("link", self.site.node, HOST)
        links = [f for f in here if f.fields.get("name") == self.text("device")]
        changed = facts.swap({id(f): _shown(f.having(mac=self.mac), f"{self.text('device')} link/ether {self.mac}") for f in links})
        return self._announce(changed) if links else None
