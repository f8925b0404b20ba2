"""Operations on what gives pods their addresses: leases, ranges of nodes, plug-ins, and what Services claim."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, ClassVar

from engine.facts import HOST, Fact
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import FactBase

LEASES = "/var/lib/cni/networks"


class _NotModelled(Operation):
    """A change whose effect shows in a cluster only: controllers, kubelets and agents act on it."""

    def apply(self, facts: FactBase) -> FactBase | None:
        """Not modelled."""
        del facts
        return None


class CniCleanLeases(Operation):
    """Remove leases of host-local that no pod holds; pods that waited for an address are made at the kubelet's next try."""

    NAME: ClassVar[str] = "cni.clean-leases"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "network": Parameter("name of the network, which is the folder's"),
        "addresses": Parameter("leases that nobody holds, separated by blanks; all of them, if there are no more than are named", required=False),
        "count": Parameter("how many there are", required=False),
    }

    @property
    def folder(self) -> str:
        """Where the leases lie."""
        return f"{LEASES}/{self.text('network').replace('/', '_')}"

    def commands(self) -> tuple[str, ...]:
        """Each by its name, or, where there are many, all whose sandbox the runtime does not know."""
        named = self.text("addresses").split()
        if named and len(named) >= int(self.text("count") or len(named)):
            return (shlex.join(["rm", "-f", "--", *(f"{self.folder}/{address}" for address in named)]),)
        keep = 'printf "%s\\n" "$ids" | grep -qxF "$(head -n1 "$f" | tr -d "\\r")" || rm -f -- "$f"'
        # No list of sandboxes, no removal: a runtime that does not answer would make every lease look stale.
        return (f'ids=$(crictl pods -q --no-trunc) && [ -n "$ids" ] && for f in {shlex.quote(self.folder)}/[0-9]*; do {keep}; done',)

    def verify(self) -> tuple[str, ...]:
        """How many are left."""
        return (f"ls {shlex.quote(self.folder)} | grep -c '^[0-9]'",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The listing without them."""
        gone = set(self.text("addresses").split())
        change: dict[int, Fact | None] = {}
        for fact in facts.at("cni_leases", self.site.node, HOST):
            if fact.get("network") == self.text("network"):
                change[id(fact)] = fact.having(addresses=tuple(a for a in fact.get("addresses", ()) if a not in gone))
        return facts.swap(change) if change and gone else None


class NodeRejoin(_NotModelled):
    """Let a node register anew, whereupon the controller manager gives it a range that is free; its pods are made elsewhere, then anew."""

    NAME: ClassVar[str] = "node.rejoin"
    RISK: ClassVar[str] = "high"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"node_name": Parameter("Kubernetes node")}

    def commands(self) -> tuple[str, ...]:
        """Empty it, delete the object, take the old bridge away, restart the kubelet."""
        node = shlex.quote(self.text("node_name"))
        return (
            f"kubectl drain {node} --ignore-daemonsets --delete-emptydir-data",
            f"kubectl delete node {node}",
            f"ip link del cni0; rm -rf {LEASES}/cbr0; systemctl restart kubelet  # on {self.text('node_name')}",
        )

    def verify(self) -> tuple[str, ...]:
        """The ranges of all nodes."""
        return ("kubectl get nodes -o custom-columns=NAME:.metadata.name,CIDR:.spec.podCIDR",)


class NodePodCidr(_NotModelled):
    """Give a node that has no range one: the field can be set once."""

    NAME: ClassVar[str] = "node.pod-cidr"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"node_name": Parameter("Kubernetes node"), "cidr": Parameter("range that no other node has")}

    def commands(self) -> tuple[str, ...]:
        """``kubectl patch node``."""
        body = json.dumps({"spec": {"podCIDR": self.text("cidr"), "podCIDRs": [self.text("cidr")]}}, separators=(",", ":"))
        return (shlex.join(["kubectl", "patch", "node", self.text("node_name"), "-p", body]),)

    def verify(self) -> tuple[str, ...]:
        """The field."""
        return (shlex.join(["kubectl", "get", "node", self.text("node_name"), "-o", "jsonpath={.spec.podCIDR}"]),)


class CniReinstall(_NotModelled):
    """Have the network plug-in's agent write its configuration and its programs again."""

    NAME: ClassVar[str] = "cni.reinstall"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "agent": Parameter("namespace/name of the DaemonSet", required=False), "plugin": Parameter("program that is missing", required=False),
        "file": Parameter("configuration that is set aside", required=False),
    }

    def commands(self) -> tuple[str, ...]:
        """Bring the file back, install the programs, or restart the agent."""
        file = self.text("file")
        made: list[str] = []
        if file:
            wanted = next((file[: file.rindex(s) + len(s)] for s in (".conflist", ".conf", ".json") if s in file), f"{file}.conflist")
            made.append(shlex.join(["mv", file, wanted]))
        if self.text("plugin"):
            made.append("dnf install -y containernetworking-plugins  # Debian: apt-get install --reinstall containernetworking-plugins")
        space, _, name = self.text("agent").partition("/")
        if name and not file:
            made.append(shlex.join(["kubectl", "rollout", "restart", "-n", space, f"daemonset/{name}"]))
        return tuple(made) or ("# apply the manifest of the network plug-in again: kubectl apply -f FILE",)

    def verify(self) -> tuple[str, ...]:
        """What is there."""
        return ("ls /etc/cni/net.d /opt/cni/bin",)


class CniPortmap(_NotModelled):
    """Add the plug-in that publishes host ports to a chain; pods that are there keep what they were made with."""

    NAME: ClassVar[str] = "cni.add-portmap"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "file": Parameter("configuration"), "namespace": Parameter("of the pod"), "pod": Parameter("pod that asks for the port"),
    }

    def commands(self) -> tuple[str, ...]:
        """Write the chain with one plug-in more, then make the pod anew."""
        name = self.text("file")
        file = name if name.startswith("/") else f"/etc/cni/net.d/{name}"
        edit = '.plugins += [{"type": "portmap", "capabilities": {"portMappings": true}}]'
        path = shlex.quote(file)
        return (
            f"cp -p {path} {path}.before && jq {shlex.quote(edit)} {path}.before > {path}",
            shlex.join(["kubectl", "delete", "pod", "-n", self.text("namespace"), self.text("pod")]),
        )

    def undo(self) -> tuple[str, ...]:
        """The file as it was."""
        name = self.text("file")
        path = shlex.quote(name if name.startswith("/") else f"/etc/cni/net.d/{name}")
        return (f"mv {path}.before {path}",)

    def persist(self) -> tuple[str, ...]:
        """Who writes the file."""
        return ("# the network plug-in's agent writes the file anew: change its ConfigMap (kube-flannel-cfg: cni-conf.json) as well",)

    def verify(self) -> tuple[str, ...]:
        """The chains of host ports."""
        return ("iptables -t nat -S | grep HOSTPORT",)


class ServiceExternalIp(_NotModelled):
    """Take an address out of a Service's external IPs."""

    NAME: ClassVar[str] = "service.drop-external-ip"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "namespace": Parameter("of the Service"), "service": Parameter("name of the Service"), "address": Parameter("address to take out"),
    }

    def _addresses(self) -> list[str]:
        wanted = (self.text("namespace"), self.text("service"))
        found = (f for f in self.site.facts.of_kind("service") if (f.get("namespace"), f.get("name")) == wanted)
        return [str(a) for f in found for a in f.get("external_ips", ())]

    def _patch(self, addresses: list[str]) -> str:
        body: Any = json.dumps({"spec": {"externalIPs": addresses or None}}, separators=(",", ":"))
        return shlex.join(["kubectl", "patch", "service", "-n", self.text("namespace"), self.text("service"), "--type", "merge", "-p", body])

    def commands(self) -> tuple[str, ...]:
        """``kubectl patch`` with the other addresses."""
        return (self._patch([a for a in self._addresses() if a != self.text("address")]),)

    def undo(self) -> tuple[str, ...]:
        """All of them."""
        before = self._addresses()
        return (self._patch(before),) if before else ()


class CalicoRestart(_NotModelled):
    """Restart calico's agent on a node: BIRD reads its peers anew."""

    NAME: ClassVar[str] = "calico.restart"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"node_name": Parameter("Kubernetes node")}

    def commands(self) -> tuple[str, ...]:
        """Delete its pod, wherever calico was installed."""
        query = ["get", "pods", "-A", "-l", "k8s-app=calico-node", "--field-selector", f"spec.nodeName={self.text('node_name')}"]
        shown = shlex.join(["kubectl", *query, "-o", 'jsonpath={range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{"\\n"}{end}'])
        return (f'{shown} | while read -r ns pod; do kubectl delete pod -n "$ns" "$pod"; done',)

    def verify(self) -> tuple[str, ...]:
        """Every session is established."""
        return ("calicoctl node status",)


class PodmanReload(_NotModelled):
    """Have podman write the rules of its running containers anew."""

    NAME: ClassVar[str] = "podman.reload"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {}

    def commands(self) -> tuple[str, ...]:
        """Of all containers: a firewall takes away the rules of all."""
        return ("podman network reload --all",)

    def verify(self) -> tuple[str, ...]:
        """The chains are there."""
        return ("iptables-save -t nat | grep -E 'CNI-|NETAVARK'",)


class ToolInstall(_NotModelled):
    """Install a program that a node lacks."""

    NAME: ClassVar[str] = "program.install"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "package": Parameter("name of the package with rpm"), "debian": Parameter("name of the package with dpkg"),
        "program": Parameter("what it brings"),
    }

    def commands(self) -> tuple[str, ...]:
        """With the package manager that is there."""
        rpm, deb = shlex.quote(self.text("package")), shlex.quote(self.text("debian"))
        return (f"dnf install -y {rpm}  # Debian: apt-get install -y {deb}",)

    def undo(self) -> tuple[str, ...]:
        """Remove it."""
        return (f"dnf remove -y {shlex.quote(self.text('package'))}",)

    def verify(self) -> tuple[str, ...]:
        """Where it is."""
        return (f"command -v {shlex.quote(self.text('program'))}",)
