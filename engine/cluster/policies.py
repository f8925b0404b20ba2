"""Whether network policies let a connection through: the sender's egress and the receiver's ingress, answered with yes, no, or unknown.

The port is the one on the receiving pod (policies are applied behind the translation of a Service's address).  Established connections are let
through whatever the policies say.  Source: the NetworkPolicy API, https://kubernetes.io/docs/concepts/services-networking/network-policies/;
calico's order of tiers and policies, https://docs.tigera.io/calico/latest/network-policy/policy-tiers/tiered-policy; the policies of administrators
that are asked before and after them, https://network-policy-api.sigs.k8s.io/reference/spec/ (:mod:`engine.cluster.admin`).
"""

from __future__ import annotations

import re
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.cluster.selectors import both, either, selects
from engine.inet import family_of, in_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod
    from engine.facts import Fact

EGRESS, INGRESS = "egress", "ingress"
KUBERNETES = "kubernetes"
"""Flavour of Kubernetes' own policies."""
ALLOW, DENY, PASS, NEXT = "allow", "deny", "pass", "next"
"""What a policy does with a packet: decides, hands it to the next tier, or has no rule for it."""

LIST_POLICIES = "kubectl get networkpolicies -A -o yaml"
LIST_NAMESPACES = "kubectl get namespaces -o yaml"
LIST_PODS = "kubectl get pods -A -o yaml"
LIST_LABELS = "kubectl get pods -A -o wide --show-labels"
ENFORCERS = {
    "calico-node": "calico", "canal": "calico", "cilium": "cilium", "weave-net": "weave", "kube-router": "kube-router", "antrea-agent": "antrea",
    "ovnkube-node": "ovn-kubernetes", "kube-network-policies": "kube-network-policies", "romana": "romana",
}
"""DaemonSets (or pods) that make policies count → what they are called."""
AGENT = re.compile(r"cilium-[a-z0-9]{5}")
"""Pods of cilium's DaemonSet."""
CHAINS = {
    "cali-FORWARD": "calico", "KUBE-NWPLCY-DEFAULT": "kube-router", "KUBE-ROUTER-FORWARD": "kube-router", "WEAVE-NPC": "weave",
    "CILIUM_FORWARD": "cilium",
}
"""Chains that do so on a node."""


class End(NamedTuple):
    """One end of a connection as policies see it."""

    address: str
    pod: Pod | None = None
    """``None`` for a node (pods in the host's network count as their node) and for what is outside the cluster."""
    node: str = ""
    """Kubernetes node that it is (or that its pod is on)."""


class Ruling(NamedTuple):
    """What the policies of one end say."""

    side: str
    """egress (of the sender) | ingress (of the receiver)"""
    allowed: bool | None
    """``None`` = the evidence does not tell."""
    pod: Pod | None = None
    """The pod whose policies they are; ``None`` where none can apply."""
    policies: tuple[Fact, ...] = ()
    """Policies that select the pod for this direction."""
    decider: Fact | None = None
    """The policy that decided, where one did; a pod that is isolated and allowed by nobody has no decider."""
    settle: str = ""
    """Command that would tell, if ``allowed`` is unknown."""


class Packet(NamedTuple):
    """A connection as the policies of one end are asked about it."""

    side: str
    own: End
    peer: End
    receiver: Pod | None
    """Pod that the connection is for: named ports are its."""
    port: int
    protocol: str


def end_at(cluster: Cluster, address: str) -> End:
    """What an address is to the policies."""
    pod = next(iter(cluster.pods_at(address)), None)
    if pod is not None:
        return End(address, pod, pod.node)
    node = cluster.node_at(address)
    return End(address, None, node.name if node is not None else "")


def end_of(cluster: Cluster, pod: Pod, family: int = 4) -> End:
    """A pod as an end."""
    address = next((ip for ip in pod.ips if family_of(ip) == family), "")
    return End(address, None if cluster.on_host(pod) else pod, pod.node)


def judge(cluster: Cluster, source: End, target: End, port: int, protocol: str = "tcp") -> tuple[Ruling, Ruling]:
    """What the policies say of a new connection: of the sender's egress, and of the receiver's ingress."""
    return (
        _side(cluster, Packet(EGRESS, source, target, target.pod, port, protocol)),
        _side(cluster, Packet(INGRESS, target, source, target.pod, port, protocol)),
    )


def allowed(rulings: Iterable[Ruling]) -> bool | None:
    """Whether both ends let the connection through."""
    return both(ruling.allowed for ruling in rulings)


def enforcer(cluster: Cluster) -> str:
    """What makes policies count in this cluster: a name, ``none`` (flannel alone does not), or "" if the evidence does not tell."""
    return cluster.enforcer


def find_enforcer(cluster: Cluster) -> str:
    """The same, looked for."""
    names = [str(f.get("name", "")) for f in cluster.workloads("DaemonSet")] + [p.name for p in cluster.pods.values() if "-" in p.name]
    for prefix, name in ENFORCERS.items():
        if any(each == prefix or each.startswith(f"{prefix}-") for each in names):
            return name
    for table in cluster.facts.of_kind("netfilter_table"):
        if table.get("table") == "filter":
            found = next((CHAINS[chain.name] for chain in table.get("chains", ()) if chain.name in CHAINS), "")
            if found:
                return found
    return "none" if any("flannel" in each for each in names) else ""


# --- one end -------------------------------------------------------------------------------------------------------------


def _side(cluster: Cluster, packet: Packet) -> Ruling:
    """The ruling of one end's policies."""
    side, pod = packet.side, packet.own.pod
    if pod is None or (packet.side == INGRESS and packet.peer.node == pod.node and packet.peer.pod is None and pod.node):
        # Policies select pods only, and a node always reaches its own (the kubelet's probes).
        return Ruling(side, allowed=True)
    return tiers(cluster, packet, pod)


def tiers(cluster: Cluster, packet: Packet, pod: Pod) -> Ruling:
    """Ask the policies tier by tier; those of Kubernetes itself are in calico's default tier."""
    from engine.cluster import calico, cilium

    if cilium.idle(cluster):
        return Ruling(packet.side, allowed=True)
    outcomes, decider = cilium.denials(cluster, packet, pod)
    applying: list[Fact] = [decider] if decider is not None else []
    for tier in calico.tiers(cluster, pod.namespace) if decider is None else ():
        found, decided, chosen = _tier(cluster, packet, pod, tier)
        applying += chosen
        decider = decided or decider
        outcomes |= found - {PASS}
        if PASS not in found:
            break
    else:
        # Nothing more applies: the pod is not isolated in this direction.
        outcomes |= {ALLOW} if decider is None else set()
    verdict = outcomes == {ALLOW} if len(outcomes) == 1 else None
    if verdict is True and decider is None and not _complete(cluster, pod.namespace):
        verdict = None
    return Ruling(packet.side, verdict, pod, tuple(applying), decider, _settle(cluster, pod, applying) if verdict is None else "")


def _tier(cluster: Cluster, packet: Packet, pod: Pod, tier: Iterable[Fact]) -> tuple[set[str], Fact | None, list[Fact]]:
    """Outcomes that are possible in one tier, the policy that surely decided, and those that select the pod."""
    from engine.cluster import admin

    outcomes: set[str] = set()
    applying: list[Fact] = []
    isolated: bool | None = False
    for rank in admin.ranks(tier):
        certain: list[tuple[Fact, set[str]]] = []
        for policy in rank:
            applies = _applies(cluster, packet, pod, policy)
            if applies is False:
                continue
            isolated = either((isolated, both((applies, _isolates(packet, pod, policy)))))
            applying += [policy] if applies else []
            found = _outcomes(cluster, packet, pod, policy) | ({NEXT} if applies is None else set())
            outcomes |= found - {NEXT}
            certain += [(policy, found)] if NEXT not in found else []
        if certain:
            decided = certain[0][0] if len(outcomes) == 1 and outcomes != {PASS} else None
            return outcomes, decided, applying
    # Who is isolated and allowed by nobody is denied; who is not goes on to the next tier.
    outcomes |= {True: {DENY}, False: {PASS}, None: {DENY, PASS}}[isolated]
    return outcomes, None, applying


def _applies(cluster: Cluster, packet: Packet, pod: Pod, policy: Fact) -> bool | None:
    """Whether a policy has a say in the pod's connections in the packet's direction."""
    from engine.cluster import admin, calico, cilium

    flavour = str(policy.get("flavour"))
    if flavour == KUBERNETES:
        if "spec" not in policy.fields:
            # A table shows whom it selects at the most: the direction is open.
            return False if selects(policy.get("pod_selector"), pod.labels) is False else None
        spec = policy.get("spec", {})
        return both((packet.side in types_of(spec), selects(spec.get("podSelector") or {}, pod.labels)))
    if flavour in admin.FLAVOURS:
        return admin.applies(cluster, packet.side, pod, policy)
    if flavour.startswith("calico"):
        return calico.applies(cluster, packet.side, pod, policy)
    return cilium.applies(cluster, packet.side, pod, policy)


def _isolates(packet: Packet, pod: Pod, policy: Fact) -> bool | None:
    """Whether a policy that applies denies what nobody allows."""
    from engine.cluster import admin, cilium

    flavour = str(policy.get("flavour"))
    if flavour.startswith("cilium"):
        return cilium.isolates(packet.side, pod, policy)
    return flavour not in admin.FLAVOURS


def _outcomes(cluster: Cluster, packet: Packet, pod: Pod, policy: Fact) -> set[str]:
    """What a policy that applies may do with the packet."""
    from engine.cluster import admin, calico, cilium

    flavour = str(policy.get("flavour"))
    if flavour.startswith("calico"):
        return calico.outcomes(cluster, packet, policy)
    if flavour in admin.FLAVOURS:
        return admin.outcomes(cluster, packet, policy)
    if flavour == KUBERNETES and "spec" not in policy.fields:
        return {ALLOW, NEXT}
    answer = permits(cluster, packet, policy) if flavour == KUBERNETES else cilium.permits(cluster, packet, pod, policy)
    return {ALLOW} if answer else {NEXT} if answer is False else {ALLOW, NEXT}


def _complete(cluster: Cluster, namespace: str) -> bool:
    """Whether all policies were seen that may select the pods of a namespace."""
    return cluster.listed("networkpolicies", namespace)


def _settle(cluster: Cluster, pod: Pod, applying: Iterable[Fact]) -> str:
    if not _complete(cluster, pod.namespace):
        return LIST_POLICIES
    if any("spec" not in policy.fields for policy in cluster.policies_in(pod.namespace)):
        return f"kubectl get networkpolicies -n {quote(pod.namespace)} -o yaml"
    if pod.labels is None:
        return LIST_LABELS
    if any(str(policy.get("flavour")).startswith("cilium") for policy in applying):
        # Layer 7, names and the state of its programs: the agent of the pod's node alone tells.
        agents = (p.name for p in cluster.pods_on(pod.node) if p.namespace == "kube-system" and AGENT.fullmatch(p.name))
        return f"kubectl exec -n kube-system {next(agents, 'ds/cilium')} -- hubble observe --verdict DROPPED --pod {quote(pod.full)}"
    return LIST_NAMESPACES if not cluster.namespaces else LIST_PODS


# --- Kubernetes' own policies --------------------------------------------------------------------------------------------


def types_of(spec: Mapping[str, Any]) -> frozenset[str]:
    """Directions in which a policy isolates: Ingress always unless ``policyTypes`` says otherwise, Egress if it has egress rules."""
    said = spec.get("policyTypes")
    if isinstance(said, list | tuple) and said:
        return frozenset(str(each).lower() for each in said)
    return frozenset({INGRESS, EGRESS} if spec.get("egress") else {INGRESS})


def permits(cluster: Cluster, packet: Packet, policy: Fact) -> bool | None:
    """Whether one of a policy's rules lets the packet through."""
    rules = policy.get("spec", {}).get(packet.side)
    peers = "to" if packet.side == EGRESS else "from"
    namespace = str(policy.get("namespace", ""))
    return either(
        both((_some_peer(cluster, packet, rule.get(peers), namespace), _some_port(packet, rule.get("ports"))))
        for rule in (rules if isinstance(rules, list | tuple) else ())
        if isinstance(rule, dict)
    )


def _some_peer(cluster: Cluster, packet: Packet, peers: Any, namespace: str) -> bool | None:
    """Whether the other end is among a rule's peers; a rule that names none means everybody."""
    if not peers:
        return True
    return either(_is_peer(cluster, packet.peer, peer, namespace) for peer in peers if isinstance(peer, dict))


def _is_peer(cluster: Cluster, end: End, peer: Mapping[str, Any], namespace: str) -> bool | None:
    from engine.cluster import cilium

    block = peer.get("ipBlock")
    if isinstance(block, dict):
        return both((_in_block(end.address, block), cilium.cidrs_mean(cluster, end) if enforcer(cluster) == "cilium" else True))
    pod = end.pod
    if pod is None:
        return False
    spaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
    here = pod.namespace == namespace if spaces is None else cluster.namespace_selected(spaces, pod.namespace)
    return both((here, selects(pods or {}, pod.labels)))


def _in_block(address: str, block: Mapping[str, Any]) -> bool | None:
    if not address:
        return None
    try:
        return in_prefix(address, str(block.get("cidr"))) and not any(in_prefix(address, str(each)) for each in block.get("except") or ())
    except ValueError:
        return None


def _some_port(packet: Packet, ports: Any) -> bool | None:
    """Whether the port is among a rule's ports; a rule that names none means every port."""
    if not ports:
        return True
    return either(_is_port(packet, each) for each in ports if isinstance(each, dict))


def _is_port(packet: Packet, wanted: Mapping[str, Any]) -> bool | None:
    if str(wanted.get("protocol") or "TCP").lower() != packet.protocol:
        return False
    port = wanted.get("port")
    if port is None:
        return True
    if isinstance(port, int) or str(port).isdecimal():
        last = wanted.get("endPort")
        return int(port) <= packet.port <= (int(last) if isinstance(last, int) else int(port))
    return has_port(packet.receiver, str(port), packet.port, packet.protocol)


def has_port(pod: Pod | None, name: str, port: int, protocol: str) -> bool | None:
    """Whether a name of a port stands for this number on a pod; an end that is no pod has no such names."""
    if pod is None:
        return False
    if pod.ports is None:
        return None
    return any((p.name, p.port, p.protocol) == (name, port, protocol) for p in pod.ports)
