"""Operations on sizes: the MTU of a device, and the MSS that TCP connections through a node agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import RuleError
from engine.facts import HOST, ChainText, Fact, FactBase, RuleLine
from engine.remedies.base import Operation, Parameter, Site
from engine.remedies.netfilter import IptablesAppend

if TYPE_CHECKING:
    from collections.abc import Mapping

VXLAN_HEADERS = 50
"""Octets by which a VXLAN device's MTU must stay below its lower device's (``vxlan_change_mtu``); 70 over IPv6."""
MADE_BY_RUNTIMES = ("veth", "docker", "br-", "cni", "cali", "podman", "flannel", "vxlan", "tunl", "lxc")
"""Beginnings of the names of devices that a container runtime or a CNI plug-in makes anew."""


class LinkMtu(Operation):
    """Set the MTU of a device."""

    NAME: ClassVar[str] = "link.mtu"
    RISK: ClassVar[str] = "low"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"dev": Parameter("device"), "mtu": Parameter("octets")}

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` for an MTU that IPv4 does not allow or that the kernel would refuse for this device."""
        super().__init__(parameters, site)
        text = self.text("mtu")
        if not text.isdecimal() or not 68 <= int(text) <= 65535:
            message = f"operation {self.NAME}: no MTU: {text!r}"
            raise RuleError(message)
        self.mtu = int(text)
        now = self._now(site.facts)
        lower = next((f for f in self._links(site.facts) if now is not None and f.get("name") == now.get("vxlan_device")), None)
        if lower is not None and lower.get("mtu") and self.mtu > lower.get("mtu") - VXLAN_HEADERS:
            message = f"operation {self.NAME}: {self.text('dev')} cannot have more than {lower.get('mtu') - VXLAN_HEADERS}"
            raise RuleError(message)

    def _links(self, facts: FactBase) -> list[Fact]:
        return list(facts.at("link", self.site.node, self.site.stack))

    def _now(self, facts: FactBase) -> Fact | None:
        return next((f for f in self._links(facts) if f.get("name") == self.text("dev") and f.get("mtu")), None)

    def _line(self, mtu: int) -> str:
        return self.site.shell("ip", "link", "set", "dev", self.text("dev"), "mtu", str(mtu))

    def commands(self) -> tuple[str, ...]:
        """``ip link set mtu``."""
        return (self._line(self.mtu),)

    def undo(self) -> tuple[str, ...]:
        """The MTU that it had, if that was seen."""
        now = self._now(self.site.facts)
        return (self._line(now.get("mtu")),) if now is not None else ()

    def persist(self) -> tuple[str, ...]:
        """Where the MTU of such a device is configured."""
        device = self.text("dev")
        if self.site.stack != HOST or device.startswith(MADE_BY_RUNTIMES):
            return (
                "# the device is made anew with its container or by its network plug-in; tell what makes it:",
                f'#   docker: "mtu": {self.mtu} in daemon.json; other networks when made: -o com.docker.network.driver.mtu={self.mtu}',
                f'#   CNI: "mtu": {self.mtu} in /etc/cni/net.d; flannel follows its card at its next start; calico: veth_mtu in calico-config',
            )
        return (
            "# what configures the device sets it back at the next boot; tell it:",
            f"#   netplan: mtu: {self.mtu}    networkd: MTUBytes={self.mtu}    NetworkManager: nmcli con mod NAME 802-3-ethernet.mtu {self.mtu}",
        )

    def verify(self) -> tuple[str, ...]:
        """The device's line."""
        return (self.site.shell("ip", "link", "show", "dev", self.text("dev")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The device with its MTU; a bridge follows the smallest of its ports unless somebody set its own (``br_mtu_auto_adjust``)."""
        now = self._now(facts)
        if now is None:
            return None
        change: dict[int, Fact | None] = {id(f): f.having(mtu=self.mtu) for f in self._links(facts) if f.get("name") == self.text("dev")}
        master = now.get("master")
        ports = {f.get("name"): f.get("mtu") for f in self._links(facts) if master and f.get("master") == master and f.get("mtu")}
        bridge = [f for f in self._links(facts) if master and f.get("name") == master and f.get("type", "bridge") == "bridge"]
        if ports and all(f.get("mtu") == min(ports.values()) for f in bridge):
            ports[now.get("name")] = self.mtu
            change |= {id(f): f.having(mtu=min(ports.values())) for f in bridge}
        return facts.swap(change)


HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


class MssClamp(IptablesAppend):
    """Let a node that routes between two sizes lower the MSS of connections that are set up through it."""

    NAME: ClassVar[str] = "tcp.clamp-mss"
    RISK: ClassVar[str] = "low"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "mss": Parameter("MSS to set; that of the way out and the way back if absent", required=False),
        "chain": Parameter("chain of table mangle; FORWARD if absent", required=False),
        "family": Parameter("4 or 6; 4 if absent", required=False),
    }

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` for what is no MSS."""
        mss = str(parameters.get("mss") or "").strip()
        if mss and not (mss.isdecimal() and 88 <= int(mss) <= 65495):
            message = f"operation {self.NAME}: no MSS: {mss!r}"
            raise RuleError(message)
        how = f"--set-mss {mss}" if mss else "--clamp-mss-to-pmtu"
        rule = f"-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS {how}"
        chain = str(parameters.get("chain") or "FORWARD")
        super().__init__({**parameters, "table": "mangle", "chain": chain, "rule": rule}, site)

    @property
    def program(self) -> str:
        """The program whose tables were dumped: mangle itself may not have been loaded."""
        if self._fact(self.site.facts) is not None:
            return super().program
        base = "iptables" if self.family == 4 else "ip6tables"
        said = " ".join(f"{f.source.command} {f.source.name}" for f in self._tables(self.site.facts))
        return next((f"{base}-{backend}" for backend in ("legacy", "nft") if f"tables-{backend}" in said), base)

    def _tables(self, facts: FactBase) -> list[Fact]:
        here = facts.at("netfilter_table", self.site.node, self.site.stack)
        return [f for f in here if f.get("family", 4) == self.family]

    def _listed(self, facts: FactBase) -> Fact | None:
        """That every table was listed, so that mangle is known to be empty."""
        here = facts.at("collected", self.site.node, self.site.stack)
        wanted = {"what": "netfilter", "scope": "all"}
        return next((f for f in here if all(f.get(k) == v for k, v in wanted.items()) and f.get("family", self.family) == self.family), None)

    def verify(self) -> tuple[str, ...]:
        """The rules of the chain."""
        return (self.site.shell(self.program, "-w", "-t", "mangle", "-S", self.chain),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The chain with the rule; the command loads the table where it was not there yet."""
        listed = self._listed(facts)
        if self._fact(facts) is not None or listed is None:
            return super().apply(facts)
        if any(f.get("table") == "mangle" for f in self._tables(facts)):
            return None
        chains = tuple(ChainText(name, "ACCEPT", rules=[RuleLine(0, r) for r in self.rules if name == self.chain]) for name in HOOKS)
        like = next(iter(self._tables(facts)), listed)
        fields = {"family": self.family, "table": "mangle", "chains": chains}
        if like.get("backend"):
            fields["backend"] = like.get("backend")
        return facts.plus([Fact("netfilter_table", fields, self.site.node, self.site.stack, like.source)])
