"""Operations on CNI configurations and the pods that they made."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, ClassVar

from engine.facts import HOST, Fact, FactBase
from engine.inet import BITS, family_of, prefix, to_int, to_text
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

NET_D = "/etc/cni/net.d"
"""Default folder of CNI configurations (containerd, CRI-O, dockershim)."""


class CniRetireConfig(Operation):
    """Take a CNI configuration out of the runtime's sight, and recreate the pod that it made.

    The model gives the pod an address of the other network: a port on that network's bridge, and a default route to its gateway.
    """

    NAME: ClassVar[str] = "cni.retire-config"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "file": Parameter("configuration file to disable"),
        "address": Parameter("address of the pod to recreate"),
        "pod_stack": Parameter("stack of that pod in the evidence"),
        "subnet": Parameter("the node's right pod subnet, its gateway address kept (10.244.1.1/24), if known", required=False),
    }

    @property
    def path(self) -> str:
        """The configuration's path on the node."""
        file = self.text("file")
        return file if file.startswith("/") else f"{NET_D}/{file.rpartition('/')[2]}"

    def commands(self) -> tuple[str, ...]:
        """Rename the file (runtimes read only .conf, .conflist and .json), then delete the pod so that its owner makes a new one."""
        path = shlex.quote(self.path)
        return (f"mv {path} {shlex.quote(self.path + '.disabled')}", self._delete_pod())

    def _delete_pod(self) -> str:
        pod = self._api_pod()
        if pod is not None:
            return f"kubectl delete pod -n {shlex.quote(pod[0])} {shlex.quote(pod[1])}"
        address = self.text("address")
        query = '{range .items[?(@.status.podIP=="' + address + '")]}{.metadata.namespace}{" "}{.metadata.name}{"\\n"}{end}'
        return f'kubectl get pods -A -o jsonpath={shlex.quote(query)} | while read -r ns pod; do kubectl delete pod -n "$ns" "$pod"; done'

    def _api_pod(self) -> tuple[str, str] | None:
        for fact in self.site.facts.of_kind("pod"):
            if self.text("address") in (fact.fields.get("ips") or ()):
                return str(fact.fields.get("namespace", "default")), str(fact.fields["name"])
        return None

    def undo(self) -> tuple[str, ...]:
        """Rename it back; pods keep the addresses they have."""
        return (f"mv {shlex.quote(self.path + '.disabled')} {shlex.quote(self.path)}",)

    def persist(self) -> tuple[str, ...]:
        """The package brings the file back with its next update."""
        return (
            "# the package that brought the file (podman, cri-o, containernetworking) restores it on update: remove the package if nobody uses it",
        )

    # --- effect ---------------------------------------------------------------------------------------------------

    def apply(self, facts: FactBase) -> FactBase | None:
        """The facts after the kubelet made the pod anew in the other network; ``None`` if that network's bridge is not in the evidence."""
        place = self._new_place(facts)
        if place is None:
            return None
        bridge, gateway, length = place
        address = self._free(facts, f"{gateway}/{length}")
        change: dict[int, Fact | None] = {}
        pod = self.text("pod_stack")
        for fact in facts.facts:
            if fact.node != self.site.node:
                continue
            if self.text("file") and fact.kind == "cni_config" and str(fact.fields.get("file", "")).endswith(self.path.rpartition("/")[2]):
                change[id(fact)] = None
            elif fact.stack == pod:
                self._remake(fact, change, address, gateway, length)
        self._move_port(facts, change, bridge)
        return facts.swap(change)

    def _new_place(self, facts: FactBase) -> tuple[str, str, int] | None:
        """Bridge, gateway and prefix length of the right network."""
        subnet = self.text("subnet")
        if not subnet:
            return None
        net = prefix(subnet)
        for fact in facts.at("address", self.site.node, HOST):
            get = fact.fields.get
            if get("family", 4) == net.family and net.holds(to_int(fact.fields["address"])) and get("prefixlen", 32) < BITS[net.family]:
                return str(get("device", "")), str(fact.fields["address"]), int(get("prefixlen", net.length))
        return None

    @staticmethod
    def _free(facts: FactBase, subnet: str) -> str:
        """The highest host address of the subnet that nothing in the evidence has."""
        net = prefix(subnet)
        taken = {f.fields["address"] for f in facts.of_kind("address")}
        value = net.last - 1
        while to_text(value, net.family) in taken:
            value -= 1
        return to_text(value, net.family)

    def _remake(self, fact: Fact, change: dict[int, Fact | None], address: str, gateway: str, length: int) -> None:
        old = self.text("address")
        if fact.kind == "address" and fact.fields.get("address") == old:
            change[id(fact)] = fact.having(address=address, prefixlen=length, broadcast=None, shown="")
        elif fact.kind == "route" and fact.fields.get("family", 4) == family_of(address):
            change[id(fact)] = self._remade_route(fact, address, gateway, length)

    def _remade_route(self, fact: Fact, address: str, gateway: str, length: int) -> Fact | None:
        get = fact.fields.get
        if str(get("table", "main")) in {"local", "255"}:
            return (
                fact
                if str(get("dst", "")).startswith("127.")
                else fact.having(dst=f"{address}/{BITS[family_of(address)]}", src=address)
                if get("type") == "local"
                else None
            )
        if get("gateway"):
            return fact.having(gateway=gateway, src=None)
        return fact.having(dst=str(prefix(f"{address}/{length}")), src=address)

    def _move_port(self, facts: FactBase, change: dict[int, Fact | None], bridge: str) -> None:
        """Enslave the pod's host-side veth to the right bridge, which thereby has a carrier."""
        ends = {f.fields.get("peer_index") for f in facts.at("link", self.site.node, self.text("pod_stack")) if f.fields.get("name") != "lo"}
        for fact in facts.at("route", self.site.node, HOST):
            if fact.fields.get("device") == bridge and "linkdown" in fact.fields.get("flags", ()):
                change[id(fact)] = fact.having(flags=tuple(f for f in fact.fields["flags"] if f != "linkdown"))
        for fact in facts.at("link", self.site.node, HOST):
            if fact.fields.get("name") == bridge:
                change[id(fact)] = fact.having(up=True, carrier=True)
            elif fact.fields.get("index") in ends and fact.fields.get("peer_index") is not None:
                change[id(fact)] = fact.having(master=bridge)
                ports = [p for p in facts.at("bridge_port", self.site.node, HOST) if p.fields.get("device") == fact.fields.get("name")]
                change.update({id(p): p.having(master=bridge) for p in ports})


class CniRecreatePod(CniRetireConfig):
    """Recreate a pod whose network configuration is gone; its owner makes it anew with the configuration that is there."""

    NAME: ClassVar[str] = "cni.recreate-pod"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {name: about for name, about in CniRetireConfig.PARAMETERS.items() if name != "file"}

    def commands(self) -> tuple[str, ...]:
        """``kubectl delete pod``."""
        return (self._delete_pod(),)

    def undo(self) -> tuple[str, ...]:
        """Nothing brings the old address back."""
        return ()

    def persist(self) -> tuple[str, ...]:
        """A pod is made once."""
        return ()
