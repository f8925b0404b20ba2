"""Operations on the addresses at which nodes take tunnel packets."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.facts import HOST, Fact, FactBase
from engine.remedies.base import Parameter
from engine.remedies.vtep import AnnouncingAgent

if TYPE_CHECKING:
    from collections.abc import Mapping


class TunnelSource(AnnouncingAgent):
    """Have a node take tunnel packets at another address of its own, and its agent announce that."""

    NAME: ClassVar[str] = "tunnel.source"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "device": Parameter("tunnel device, where there is one of the node's own", required=False),
        "program": Parameter("flannel or calico, where one of them runs the tunnel", required=False),
        "old": Parameter("the address now"),
        "address": Parameter("the address to use"),
        "iface": Parameter("the card that has it", required=False),
        "network": Parameter("the network that the nodes share", required=False),
        "at": Parameter("who it is to be done on, where that is no machine of the evidence", required=False),
    }

    def _link(self, facts: FactBase) -> Fact | None:
        here = facts.at("link", self.site.node, HOST)
        named = (f for f in here if f.fields.get("name") == self.text("device") and f.fields.get("vxlan_id") is not None)
        return next(named, None) if not self.text("at") else None

    def commands(self) -> tuple[str, ...]:
        """The agent's option, the device as it then is, and the restart."""
        if self.text("program") == "calico":
            method = f"cidr={self.text('network')}" if self.text("network") else f"interface={self.text('iface') or '<card>'}"
            return self._lines(self.site.shell("kubectl", "-n", "kube-system", "set", "env", "ds/calico-node", f"IP_AUTODETECTION_METHOD={method}"))
        option = f"--iface={self.word('iface') or self.word('address')}"
        said = (
            f"# give flanneld the option {option} first (FLANNEL_OPTIONS in /etc/sysconfig/flanneld, or args of the DaemonSet kube-flannel-ds),",
            "# or it makes the device anew as it was",
        )
        device = self._set(self.text("address"), self.text("iface"), self.site.facts)
        if self.text("program") == "flannel":
            return self._lines(*said, *device, self._restart())
        return self._lines(
            *device, "# on every peer: bridge fdb replace <MAC of the device> dev <tunnel> dst " + self.text("address") + " self permanent"
        )

    def _set(self, address: str, iface: str, facts: FactBase) -> tuple[str, ...]:
        link = self._link(facts)
        if link is None:
            return ()
        words = ["type", "vxlan", "id", str(link.fields["vxlan_id"]), "local", address, *(["dev", iface] if iface else [])]
        return (self.site.shell("ip", "link", "set", "dev", self.text("device"), *words),)

    def undo(self) -> tuple[str, ...]:
        """The old address and card."""
        link = self._link(self.site.facts)
        if self.text("program") == "calico":
            return self._lines(self.site.shell("kubectl", "-n", "kube-system", "set", "env", "ds/calico-node", "IP_AUTODETECTION_METHOD-"))
        if link is None:
            return ()
        lines = self._set(self.text("old"), str(link.fields.get("vxlan_device", "")), self.site.facts)
        return (*lines, self._restart()) if self.text("program") == "flannel" else lines

    def persist(self) -> tuple[str, ...]:
        """The agent's own configuration."""
        if self.text("program") == "calico":
            return ("# the DaemonSet keeps it; with the operator: spec.calicoNetwork.nodeAddressAutodetectionV4 of the Installation",)
        return (
            f"# the option --iface={self.word('iface') or self.word('address')} of flanneld keeps it (or --iface-regex)",
            f"# behind a translation: kubectl annotate node {self.word('at') or self.site.node} flannel.alpha.coreos.com/public-ip-overwrite=ADDRESS",
        )

    def verify(self) -> tuple[str, ...]:
        """The device, and the way to a peer."""
        return (self.site.shell("ip", "-d", "link", "show", "dev", self.text("device")),) if self.text("device") else ("kubectl get nodes -o yaml",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The device with its new address and the peers' entries; routes by the old address go by the new one."""
        if self.text("at"):
            return None
        link, old, new = self._link(facts), self.text("old"), self.text("address")
        changes: dict[int, Fact | None] = {}
        if link is not None:
            shown = f"{self.text('device')} vxlan id {link.fields['vxlan_id']} local {new}"
            for f in facts.at("link", self.site.node, HOST):
                if f.fields.get("name") == self.text("device") and "vxlan_id" in f.fields:
                    moved = f.having(vxlan_local=new, vxlan_device=self.text("iface") or f.fields.get("vxlan_device"))
                    changes[id(f)] = Fact(f.kind, moved.fields, f.node, f.stack, f.source, 0, shown)
        for f in facts.of_kind("route"):
            if f.node != self.site.node and f.fields.get("gateway") == old and f.fields.get("protocol") == "bird":
                changes[id(f)] = Fact("route", {**f.fields, "gateway": new}, f.node, f.stack, f.source, 0, f"{f.fields.get('dst')} via {new}")
        if not changes:
            return None
        changed = facts.swap(changes)
        return self._announce(changed) if link is not None else changed
