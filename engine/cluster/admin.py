"""Policies of administrators: AdminNetworkPolicy, BaselineAdminNetworkPolicy, and ClusterNetworkPolicy, which takes the place of both.

The first tier is asked before NetworkPolicies, the baseline after them, for pods that none of them isolates.  In a tier policies go by priority (the
lowest first), in a policy rules by their place; the first that matches allows, denies, or passes to the next tier.  A policy that matches nothing
changes nothing.  Source: https://network-policy-api.sigs.k8s.io/reference/spec/
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from engine.cluster.selectors import both, either, selects
from engine.inet import in_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod
    from engine.cluster.policies import End, Packet
    from engine.facts import Fact

BEFORE = ("admin", "cluster-admin")
AFTER = ("admin-baseline", "cluster-baseline")
FLAVOURS = (*BEFORE, *AFTER)
ENFORCED_BY = frozenset({"", "calico", "ovn-kubernetes", "antrea", "kube-network-policies"})
"""What makes such policies count, as far as it is known; others may leave them without effect."""
ACTIONS = {"Allow": "allow", "Accept": "allow", "Deny": "deny", "Pass": "pass"}
SELECTOR = frozenset({"matchLabels", "matchExpressions"})


def priority(policy: Fact) -> float:
    """Place of a policy in its tier; the one baseline of a cluster has none."""
    value = policy.get("spec", {}).get("priority")
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else 0.0


def ranks(tier: Iterable[Fact]) -> Iterator[list[Fact]]:
    """A tier's policies in the order in which they are asked; of those of one priority any may be the first, as the API says."""
    for (_, name), group in groupby(tier, key=lambda f: (priority(f), "") if f.get("flavour") in FLAVOURS else (0.0, str(id(f)))):
        del name
        yield list(group)


def applies(cluster: Cluster, side: str, pod: Pod, policy: Fact) -> bool | None:
    """Whether a policy has rules for a direction, and the pod for its subject."""
    spec = policy.get("spec", {})
    return bool(spec.get(side)) and _is_pod(cluster, spec.get("subject"), pod)


def _is_pod(cluster: Cluster, wanted: Any, pod: Pod) -> bool | None:
    """Whether a pod is what ``namespaces`` or ``pods`` describe; ``None`` for a way of saying it that is not known."""
    if not isinstance(wanted, dict) or len(wanted) != 1:
        return None
    (kind, told), *_ = wanted.items()
    if kind == "namespaces":
        return _in_space(cluster, told, pod)
    if kind != "pods" or not isinstance(told, dict):
        return None
    return both((_in_space(cluster, told.get("namespaceSelector") or {}, pod), selects(told.get("podSelector") or {}, pod.labels)))


def _in_space(cluster: Cluster, selector: Any, pod: Pod) -> bool | None:
    if not isinstance(selector, dict) or not selector.keys() <= SELECTOR:
        return None
    return cluster.namespace_selected(selector, pod.namespace)


def outcomes(cluster: Cluster, packet: Packet, policy: Fact) -> set[str]:
    """What a policy that applies may do with a packet: its first rule that matches decides."""
    found = set() if cluster.enforcer in ENFORCED_BY else {"next"}
    for rule in policy.get("spec", {}).get(packet.side) or ():
        if not isinstance(rule, dict):
            return found | {"allow", "deny"}
        answer = both((_some_peer(cluster, packet, rule), _some_port(packet, rule)))
        if answer is False:
            continue
        action = ACTIONS.get(str(rule.get("action")))
        found |= {action} if action else {"allow", "deny"}
        if answer and action:
            return found
    return found | {"next"}


def _some_peer(cluster: Cluster, packet: Packet, rule: Mapping[str, Any]) -> bool | None:
    peers = rule.get("to" if packet.side == "egress" else "from")
    return either(_is_peer(cluster, packet.peer, peer) for peer in peers) if isinstance(peers, list | tuple) and peers else None


def _is_peer(cluster: Cluster, end: End, peer: Any) -> bool | None:
    """Whether the other end is a peer; networks also mean what is inside the cluster, pods in their node's network are nodes."""
    if not isinstance(peer, dict) or len(peer) != 1:
        return None
    (kind, told), *_ = peer.items()
    if kind in {"namespaces", "pods"}:
        return False if end.pod is None else _is_pod(cluster, peer, end.pod)
    if kind == "nodes":
        node = cluster.nodes.get(end.node)
        return False if end.pod is not None or node is None else selects(told, node.labels)
    return _in_networks(end.address, told) if kind == "networks" else None


def _in_networks(address: str, networks: Any) -> bool | None:
    if not address or not isinstance(networks, list | tuple):
        return None
    try:
        return any(in_prefix(address, str(network)) for network in networks)
    except ValueError:
        return None


def _some_port(packet: Packet, rule: Mapping[str, Any]) -> bool | None:
    """Whether the port is among a rule's; a rule that names none means every protocol."""
    wanted = rule.get("ports") or rule.get("protocols")
    if not wanted:
        return True
    return either(_is_port(packet, each) for each in wanted) if isinstance(wanted, list | tuple) else None


def _is_port(packet: Packet, wanted: Any) -> bool | None:
    """``portNumber``, ``portRange``, ``namedPort``; of a ClusterNetworkPolicy ``tcp: {destinationPort: …}``, ``destinationNamedPort``."""
    from engine.cluster.policies import has_port

    if not isinstance(wanted, dict) or len(wanted) != 1:
        return None
    (kind, told), *_ = wanted.items()
    if kind in {"namedPort", "destinationNamedPort"}:
        return has_port(packet.receiver, str(told), packet.port, packet.protocol)
    if not isinstance(told, dict):
        return None
    if kind in {"tcp", "udp", "sctp"}:
        return kind == packet.protocol and _holds(packet.port, told.get("destinationPort") or {"range": {"start": 1, "end": 65535}})
    same = str(told.get("protocol") or "TCP").lower() == packet.protocol
    if kind == "portNumber":
        return same and _holds(packet.port, {"number": told.get("port")})
    return same and _holds(packet.port, {"range": told}) if kind == "portRange" else None


def _holds(port: int, wanted: Any) -> bool | None:
    """Whether ``number`` or ``range`` holds a port."""
    told = wanted if isinstance(wanted, dict) else {}
    span = told.get("range")
    first, last = (span.get("start"), span.get("end")) if isinstance(span, dict) else (told.get("number"), told.get("number"))
    return first <= port <= last if isinstance(first, int) and isinstance(last, int) else None
