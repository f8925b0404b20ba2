"""Nodes, pods, Services and their backends as values; each keeps the fact that it was read from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact

FINISHED = frozenset({"Succeeded", "Failed"})
"""Phases of pods that have given their address back."""


class Node(NamedTuple):
    """A Kubernetes node."""

    name: str
    addresses: tuple[str, ...] = ()
    """InternalIP first."""
    pod_cidrs: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None
    """``None`` = not seen (a table)."""
    ready: bool | None = None
    host: str = ""
    """The node's name in the evidence; "" = its own state was not given."""
    fact: Fact | None = None
    """``None`` for a node that only its pods name."""


class PodPort(NamedTuple):
    """A port that a pod's specification names."""

    name: str
    port: int
    protocol: str
    """tcp | udp | sctp"""
    host_port: int = 0


class Pod(NamedTuple):
    """A pod."""

    namespace: str
    name: str
    fact: Fact
    ips: tuple[str, ...] = ()
    node: str = ""
    """Kubernetes node; "" = not scheduled, or not seen."""
    host_network: bool | None = None
    phase: str = ""
    ready: bool | None = None
    labels: Mapping[str, str] | None = None
    """``None`` = not seen (a table without ``--show-labels``)."""
    ports: tuple[PodPort, ...] | None = None
    """``None`` = not seen."""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def full(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def active(self) -> bool:
        """Whether the pod may hold its address."""
        return self.phase not in FINISHED


class ServicePort(NamedTuple):
    """A port of a Service."""

    name: str
    port: int
    protocol: str
    """tcp | udp | sctp"""
    target: int | str | None
    """``targetPort``: a number, or a name that each pod resolves for itself; ``None`` = not seen (a table)."""
    node_port: int = 0


class Service(NamedTuple):
    """A Service."""

    namespace: str
    name: str
    fact: Fact
    type: str = "ClusterIP"
    cluster_ips: tuple[str, ...] = ()
    """Addresses only: empty for a headless one."""
    headless: bool = False
    external_ips: tuple[str, ...] = ()
    """``spec.externalIPs``; of a table also the load balancer's."""
    ingress_ips: tuple[str, ...] = ()
    """Addresses that the load balancer gave (``status.loadBalancer.ingress``)."""
    proxied_ips: tuple[str, ...] = ()
    """Those of them that kube-proxy leaves to the load balancer (``ipMode: Proxy``)."""
    ports: tuple[ServicePort, ...] = ()
    selector: Mapping[str, str] | None = None
    """Empty = no selector, the endpoints are somebody's own; ``None`` = not seen."""
    internal_policy: str = "Cluster"
    external_policy: str = "Cluster"
    affinity: str = ""
    """``ClientIP`` or ``None``; "" = not seen."""
    external_name: str = ""
    publish_not_ready: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name

    @property
    def full(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


class EndpointPort(NamedTuple):
    """A port of an EndpointSlice (or of a subset of an Endpoints object)."""

    name: str
    port: int
    """0 = every port."""
    protocol: str


class Backend(NamedTuple):
    """An address behind a Service."""

    address: str
    ports: tuple[EndpointPort, ...]
    node: str = ""
    """Kubernetes node that it is on; "" = not said."""
    pod: str = ""
    """``namespace/name``; "" = not said."""
    ready: bool = True
    """A condition that is absent counts as ready, as the API says."""
    serving: bool = True
    terminating: bool = False
    fact: Fact | None = None


class Range(NamedTuple):
    """An address range of the cluster."""

    cidr: str
    what: str
    """pod | service"""
    said_by: str
    """Where it is written: ``kubeadm-config``, ``node n1``, ``ippool default`` …"""
    fact: Fact


class ProxyMode(NamedTuple):
    """How Services are done on a node."""

    mode: str
    """iptables | ipvs | nftables | ebpf | kube-router; "" = the evidence does not tell"""
    seen: bool
    """Whether the node's own state shows it; else its configuration says so."""
    fact: Fact | None = None


def protocol_of(text: object) -> str:
    """Protocol as the walk names it."""
    return str(text or "TCP").lower()


def addresses_of(values: object) -> tuple[str, ...]:
    """The addresses among some texts (``None`` of a headless Service is none)."""
    return tuple(str(v) for v in values if is_address(str(v))) if isinstance(values, list | tuple) else ()


def target_port(port: ServicePort, pod: Pod) -> int | None:
    """Number of a Service port's target on a pod; ``None`` if the pod has no port of that name, or if its ports were not seen."""
    if isinstance(port.target, int):
        return port.target
    if port.target is None:
        return None
    if port.target.isdecimal():
        return int(port.target)
    return next((p.port for p in pod.ports or () if (p.name, p.protocol) == (port.target, port.protocol)), None)
