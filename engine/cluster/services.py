"""What a packet to a Service means, and which of its backends may get it on a node.

Sources: the Service API, kube-proxy's ``pkg/proxy/topology.go`` (which endpoints count) and ``pkg/proxy/iptables/proxier.go`` (clients inside
the cluster are not bound by ``externalTrafficPolicy: Local``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.cluster.objects import target_port
from engine.cluster.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Backend, Pod, Service, ServicePort


__all__ = ["Choice", "Lack", "Meaning", "Passed", "Target", "backend_port", "choose", "lack", "meant", "selected", "target_port", "traffic_policy"]


class Meaning(NamedTuple):
    """A Service that an address and port stand for."""

    service: Service
    port: ServicePort | None
    """``None``: the address is the Service's, the port is none of its ports."""
    via: str
    """cluster-ip | node-port | load-balancer-ip | external-ip"""


class Target(NamedTuple):
    """A backend that a new connection may be given to."""

    address: str
    port: int
    """0 = the same as asked for, or not known."""
    backend: Backend


class Passed(NamedTuple):
    """A backend that gets no new connection."""

    backend: Backend
    why: str
    """not-ready | terminating | other-node | no-port"""


class Choice(NamedTuple):
    """Among which backends a node chooses."""

    known: bool
    """Whether the Service's endpoints were seen; without them both lists are empty and mean nothing."""
    eligible: tuple[Target, ...]
    passed: tuple[Passed, ...]
    policy: str
    """Cluster | Local: the traffic policy that counts for this packet."""


def meant(cluster: Cluster, dst: str, port: int, protocol: str = "tcp") -> Meaning | None:
    """The Service that a packet to an address and port is for; ``None`` if that is no Service's."""
    found = [(service, _port(service, port, protocol)) for service in cluster.services_at(dst)]
    if found:
        service, matched = next((each for each in found if each[1] is not None), found[0])
        via = "cluster-ip" if dst in service.cluster_ips else "load-balancer-ip" if dst in service.ingress_ips else "external-ip"
        return Meaning(service, matched, via)
    by_port = cluster.service_on_node_port(port, protocol) if cluster.node_at(dst) is not None else None
    if by_port is None:
        return None
    return Meaning(by_port, next(p for p in by_port.ports if (p.node_port, p.protocol) == (port, protocol)), "node-port")


def _port(service: Service, port: int, protocol: str) -> ServicePort | None:
    return next((p for p in service.ports if (p.port, p.protocol) == (port, protocol)), None)


def backend_port(port: ServicePort, backend: Backend) -> int | None:
    """Number of a Service port on a backend by its endpoints, 0 if several may be meant; ``None`` if they have no such port."""
    named = [p for p in backend.ports if p.name == port.name and p.protocol == port.protocol]
    if not named and not any(p.name for p in backend.ports):
        # A table shows no names; one port is the one that is meant, of several the number tells.
        alike = [p for p in backend.ports if p.protocol == port.protocol]
        named = alike if len(alike) == 1 else [p for p in alike if p.port == (port.port if port.target is None else port.target)]
        if not named and alike and not isinstance(port.target, int):
            return 0  # one of them, but nothing tells which
    return named[0].port if named else None


def traffic_policy(meaning: Meaning, *, outside: bool) -> str:
    """The traffic policy that counts: clients inside the cluster reach all backends even under ``externalTrafficPolicy: Local``."""
    if meaning.via == "cluster-ip":
        return meaning.service.internal_policy
    return meaning.service.external_policy if outside else "Cluster"


def choose(cluster: Cluster, meaning: Meaning, node: str = "", *, outside: bool = False) -> Choice:
    """Backends among which the Kubernetes node ``node`` chooses ("" = any node); ``outside`` = the client is not in the cluster."""
    policy = traffic_policy(meaning, outside=outside)
    backends = cluster.backends(meaning.service)
    if backends is None or meaning.port is None:
        return Choice(meaning.port is None, (), (), policy)
    eligible: list[Target] = []
    leaving: list[Target] = []
    passed: list[Passed] = []
    for backend in backends:
        number = backend_port(meaning.port, backend)
        why = "no-port" if number is None else "other-node" if policy == "Local" and node and backend.node not in ("", node) else ""
        target = Target(backend.address, number or 0, backend)
        if why:
            passed.append(Passed(backend, why))
        elif backend.ready or meaning.service.publish_not_ready:
            eligible.append(target)
        elif backend.terminating and backend.serving:
            leaving.append(target)
        else:
            passed.append(Passed(backend, "not-ready"))
    # Only where nobody else is left do those count that end and still answer.
    rest = [] if eligible else leaving
    passed += [Passed(t.backend, "terminating") for t in leaving if t not in rest]
    return Choice(known=True, eligible=(*eligible, *rest), passed=tuple(passed), policy=policy)


def selected(cluster: Cluster, service: Service) -> tuple[Pod, ...] | None:
    """Active pods that the Service's selector selects; ``None`` if selector, pods or labels were not seen."""
    if not service.selector:
        return None
    found = cluster.pods_selected(service.namespace, service.selector)
    return found if found or cluster.labels_known(service.namespace) else None


# --- why nothing is behind a Service --------------------------------------------------------------------------------------


class Lack(NamedTuple):
    """Why a Service port has no ready backend."""

    why: str
    """no-selector | no-pod | other-namespace | not-ready | no-address | port-name | other-ports | unknown"""
    pods: tuple[Pod, ...] = ()
    """Pods that it is about: those selected that are not ready, or those that the selector nearly fits."""


def lack(cluster: Cluster, service: Service, port: ServicePort) -> Lack | None:
    """Why no backend of a port is ready; ``None`` if one is, or if the endpoints were not seen."""
    backends = cluster.backends(service)
    if backends is None or service.type == "ExternalName":
        return None
    usable = [b for b in backends if backend_port(port, b) is not None]
    if any(b.ready or (b.terminating and b.serving) or service.publish_not_ready for b in usable):
        return None
    if service.selector is None:
        return Lack("unknown", _namesakes(cluster, service))
    if not service.selector:
        return Lack("other-ports" if backends else "no-selector")
    pods = selected(cluster, service)
    if pods:
        return _of_selected(port, pods, any(b.ready for b in backends))
    if pods is None:
        return Lack("not-ready" if usable else "unknown", _namesakes(cluster, service))
    return _elsewhere(cluster, service)


def _of_selected(port: ServicePort, pods: Sequence[Pod], ready_elsewhere: bool) -> Lack:
    nameless = tuple(p for p in pods if p.ports is not None and target_port(port, p) is None)
    if isinstance(port.target, str) and len(nameless) == len(pods):
        return Lack("port-name", nameless)
    without = tuple(p for p in pods if not p.ips)
    if len(without) == len(pods):
        return Lack("no-address", without)
    return Lack("other-ports" if ready_elsewhere else "not-ready", tuple(p for p in pods if p.ready is not True) or tuple(pods))


def _namesakes(cluster: Cluster, service: Service) -> tuple[Pod, ...]:
    """Pods that are not ready and are called as the Service is: all that can be said where selector or labels were not seen."""
    return tuple(p for p in cluster.pods_in(service.namespace) if p.active and p.ready is False and p.name.startswith(f"{service.name}-"))


def _elsewhere(cluster: Cluster, service: Service) -> Lack:
    """The pods that a selector which fits none was meant for: in another namespace, or with nearly these labels."""
    wanted = service.selector or {}
    abroad = tuple(p for p in cluster.pods.values() if p.active and p.namespace != service.namespace and matches(wanted, p.labels))
    if abroad:
        return Lack("other-namespace", abroad)
    scored = [(_likeness(service, p), p) for p in cluster.pods_in(service.namespace) if p.active]
    best = max((score for score, _ in scored), default=0)
    return Lack("no-pod", tuple(p for score, p in scored if score == best) if best else ())


def _likeness(service: Service, pod: Pod) -> int:
    """How much a pod looks like what a selector was meant for: equal labels, equal values, a like name."""
    labels, wanted = pod.labels or {}, service.selector or {}
    equal = sum(labels.get(key) == value for key, value in wanted.items())
    values = sum(value in labels.values() for value in wanted.values())
    keys = sum(key in labels for key in wanted)
    return 4 * equal + 2 * values + 3 * pod.name.startswith(f"{service.name}-") + (1 if keys and (equal or values) else 0)
