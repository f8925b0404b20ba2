"""Cilium's policies, layers 3 and 4: who is selected, what is denied, what is allowed; layer 7, names and groups outside are unknown.

A deny decides before any allow; who is selected is isolated in that direction, unless ``enableDefaultDeny`` says otherwise; Kubernetes' own policies
add to what is allowed.  Prefixes mean what is outside the cluster: pods have identities.  An empty rule matches nothing.
Source: https://docs.cilium.io/en/stable/security/policy/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from engine.cluster.selectors import both, either, selects
from engine.inet import family_of, in_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod
    from engine.cluster.policies import End, Packet
    from engine.facts import Fact

SPACE: Final = "io.kubernetes.pod.namespace"
OF_SPACE: Final = "io.cilium.k8s.namespace.labels."
ACCOUNT: Final = "io.cilium.k8s.policy.serviceaccount"
FILTERED: Final = r"(?:.*\.)?(?:kubernetes|k8s)\.io/|pod-template-|controller-revision-hash|annotation|etcd_node"
"""Labels that make no identity unless the agent is told so: what selects by them is unknown."""
KEPT: Final = ("app.kubernetes.io/", SPACE, OF_SPACE)
DIRECT: Final = {"egress": "to", "ingress": "from"}
PEERS: Final = ("Endpoints", "CIDR", "CIDRSet", "Entities", "Nodes", "Groups", "FQDNs", "Services")
ECHO: Final = {4: frozenset({"8", "EchoRequest", "Echo"}), 6: frozenset({"128", "EchoRequest"})}


def counts(cluster: Cluster) -> bool:
    """Whether cilium's policies count here: where something else surely enforces policies, they are left-overs."""
    return cluster.enforcer in {"", "cilium"}


def _setting(cluster: Cluster, name: str) -> str:
    """An option of the agent; "" = not seen."""
    config = cluster.config("kube-system", "cilium-config") if cluster.enforcer == "cilium" else None
    return str((config.get("data") or {}).get(name, "")) if config is not None else ""


def idle(cluster: Cluster) -> bool:
    """Whether the agent was told to let everything through."""
    return _setting(cluster, "enable-policy") == "never" or _setting(cluster, "policy-audit-mode") == "true"


# --- whom policies select ------------------------------------------------------------------------------------------------


def applies(cluster: Cluster, side: str, pod: Pod, policy: Fact) -> bool | None:
    """Whether a CiliumNetworkPolicy has rules for a pod in a direction."""
    del cluster
    if policy.get("flavour") == "cilium" and policy.get("namespace") != pod.namespace:
        return False
    return either(_selects(rule, pod) for rule in _rules(policy) if rule.get(side) or rule.get(f"{side}Deny"))


def isolates(side: str, pod: Pod, policy: Fact) -> bool | None:
    """Whether one of the policy's rules for the pod denies what nobody allows."""
    rules = (rule for rule in _rules(policy) if rule.get(side) or rule.get(f"{side}Deny"))
    return either(_selects(rule, pod) for rule in rules if _default(rule).get(side) is not False)


def _default(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    said = rule.get("enableDefaultDeny")
    return said if isinstance(said, dict) else {}


def _rules(policy: Fact) -> Iterator[Mapping[str, Any]]:
    spec, more = policy.get("spec"), policy.get("specs")
    yield from (each for each in (spec, *(more or ())) if isinstance(each, dict))


def _selects(rule: Mapping[str, Any], pod: Pod) -> bool | None:
    """Whether ``endpointSelector`` holds; rules for nodes select no pod."""
    selector = rule.get("endpointSelector")
    return _holds(selector, pod, None) if isinstance(selector, dict) else False


def _holds(selector: Mapping[str, Any], pod: Pod, cluster: Cluster | None) -> bool | None:
    """Whether a selector holds for a pod's identity; labels of another source than Kubernetes, and those that may be filtered, are unknown."""
    wanted = {_plain(key): value for key, value in (selector.get("matchLabels") or {}).items()}
    expressions = [{**e, "key": _plain(str(e.get("key")))} for e in selector.get("matchExpressions") or () if isinstance(e, dict)]
    keys = [*wanted, *(str(e["key"]) for e in expressions)]
    if any(":" in key or (re.match(FILTERED, key) and not key.startswith(KEPT)) for key in keys):
        return None
    labels = _labels(pod, cluster, of_space=any(key.startswith(OF_SPACE) for key in keys))
    return selects({"matchLabels": wanted, "matchExpressions": expressions}, labels)


def _labels(pod: Pod, cluster: Cluster | None, *, of_space: bool) -> dict[str, str] | None:
    """Labels of a pod's identity; ``None`` where those that are asked for were not seen."""
    if pod.labels is None:
        return None
    spaces = cluster.namespace_labels(pod.namespace) if cluster is not None and of_space else None
    if of_space and spaces is None:
        return None
    account = pod.fact.get("service_account")
    own = {**pod.labels, SPACE: pod.namespace, **({ACCOUNT: str(account)} if account else {})}
    return own | {f"{OF_SPACE}{key}": value for key, value in (spaces or {}).items()}


def _plain(key: str) -> str:
    return key.removeprefix("k8s:").removeprefix("any:")


# --- what their rules do -------------------------------------------------------------------------------------------------


def denials(cluster: Cluster, packet: Packet, pod: Pod) -> tuple[set[str], Fact | None]:
    """Whether some policy denies: the policy if one surely does, and else "deny" among the outcomes if one may."""
    outcomes: set[str] = set()
    if not counts(cluster):
        return outcomes, None
    for policy in (*cluster.policies_in(pod.namespace, "cilium"), *cluster.policies_in("", "cilium-global")):
        answer = _some_rule(cluster, packet, pod, policy, f"{packet.side}Deny")
        if answer:
            return {"deny"}, policy
        outcomes |= {"deny"} if answer is None else set()
    return outcomes, None


def permits(cluster: Cluster, packet: Packet, pod: Pod, policy: Fact) -> bool | None:
    """Whether one of a policy's rules allows the packet."""
    return _some_rule(cluster, packet, pod, policy, packet.side)


def _some_rule(cluster: Cluster, packet: Packet, pod: Pod, policy: Fact, name: str) -> bool | None:
    return either(
        both((_selects(rule, pod), either(_matches(cluster, packet, policy, each) for each in rule[name] if isinstance(each, dict))))
        for rule in _rules(policy)
        if isinstance(rule.get(name), list | tuple)
    )


def _matches(cluster: Cluster, packet: Packet, policy: Fact, rule: Mapping[str, Any]) -> bool | None:
    way = DIRECT[packet.side]
    if not rule or rule.get(f"{way}Requires"):
        return None if rule else False
    mode = (rule.get("authentication") or {}).get("mode") if isinstance(rule.get("authentication"), dict) else None
    told = {kind: rule[f"{way}{kind}"] for kind in PEERS if f"{way}{kind}" in rule}
    return both((_is_peer(cluster, packet, policy, told), _is_port(packet, rule), None if mode == "required" else True))


def _is_peer(cluster: Cluster, packet: Packet, policy: Fact, told: Mapping[str, Any]) -> bool | None:
    """Whether the other end is among a rule's peers; a rule that names no kind of them means everybody."""
    if not told:
        return True
    if len(told) > 1:
        return None  # not every release takes this
    (kind, peers), *_ = told.items()
    if not isinstance(peers, list | tuple) or (not peers and kind != "Endpoints"):
        return None
    end = packet.peer
    if kind == "Endpoints":
        return either(_is_endpoint(cluster, end, policy, each) for each in peers)
    if kind == "Entities":
        return either(_is_entity(cluster, packet, str(each)) for each in peers)
    if kind in {"CIDR", "CIDRSet"}:
        return both((cidrs_mean(cluster, end), either(_in_cidr(end, each) for each in peers)))
    if kind == "Services":
        return either(_behind(cluster, end, policy, each) for each in peers)
    # Names, groups of a cloud's machines: identities of what is outside; nodes by their labels.
    return False if end.pod is not None or (kind == "Nodes" and _outside(cluster, end)) else None


def _is_endpoint(cluster: Cluster, end: End, policy: Fact, selector: Any) -> bool | None:
    """Whether a pod is selected: in the policy's own namespace, unless the selector speaks of namespaces itself."""
    if not isinstance(selector, dict):
        return None
    keys = {*(selector.get("matchLabels") or {}), *(str(e.get("key")) for e in selector.get("matchExpressions") or () if isinstance(e, dict))}
    if any(key.startswith("reserved:") for key in keys):
        return None
    if end.pod is None:
        # Nodes and the world are reserved identities: without labels of Kubernetes', but among everything.
        return False if keys or policy.get("flavour") == "cilium" else None
    spaced = policy.get("flavour") != "cilium" or any(_plain(key) == SPACE or _plain(key).startswith(OF_SPACE) for key in keys)
    return both((spaced or end.pod.namespace == policy.get("namespace"), _holds(selector, end.pod, cluster)))


def _outside(cluster: Cluster, end: End) -> bool | None:
    """Whether an end is outside the cluster; ``None`` for an address that may be some device's of it."""
    from engine.cluster.inventory import pod_range_of

    if end.pod is not None or end.node:
        return False
    whole = cluster.listed("nodes") and cluster.listed("pods")
    return True if end.address and whole and pod_range_of(cluster, end.address) is None else None


def cidrs_mean(cluster: Cluster, end: End) -> bool | None:
    """Whether prefixes may mean an end at all: never a pod, a node only if the agent is told so (``policy-cidr-match-mode: nodes``)."""
    if end.pod is not None:
        return False
    if end.node:
        return True if "nodes" in _setting(cluster, "policy-cidr-match-mode") else None
    return True if _outside(cluster, end) else None


def _in_cidr(end: End, wanted: Any) -> bool | None:
    block = wanted if isinstance(wanted, dict) else {"cidr": wanted}
    if not end.address or "cidr" not in block:
        return None  # a group of prefixes is an object of its own
    try:
        return in_prefix(end.address, str(block["cidr"])) and not any(in_prefix(end.address, str(each)) for each in block.get("except") or ())
    except ValueError:
        return None


def _is_entity(cluster: Cluster, packet: Packet, entity: str) -> bool | None:
    end, outside = packet.peer, _outside(cluster, packet.peer)
    if entity == "all":
        return True
    if entity == "cluster":
        return None if outside is None else not outside
    if entity.startswith("world"):
        family = {"world-ipv4": 4, "world-ipv6": 6}.get(entity, family_of(end.address))
        return outside and family == family_of(end.address)
    if entity in {"host", "remote-node"}:
        if end.pod is not None or not end.node:
            return None if outside is None else False
        return (end.node == packet.own.node) == (entity == "host") if packet.own.node else None
    if entity == "kube-apiserver":
        service = cluster.services.get(("default", "kubernetes"))
        behind = cluster.backends(service) if service is not None else None
        return None if behind is None else any(b.address == end.address for b in behind)
    return None


def _behind(cluster: Cluster, end: End, policy: Fact, wanted: Any) -> bool | None:
    """Whether a pod is behind a Service that is called by its name and has a selector."""
    named = wanted.get("k8sService") if isinstance(wanted, dict) else None
    if not isinstance(named, dict):
        return None
    space = str(named.get("namespace") or policy.get("namespace") or "")
    service = cluster.services.get((space, str(named.get("serviceName"))))
    if service is None or not service.selector:
        return None
    if end.pod is None:
        return False
    return both((end.pod.namespace == space, selects({"matchLabels": service.selector}, end.pod.labels)))


# --- ports ---------------------------------------------------------------------------------------------------------------


def _is_port(packet: Packet, rule: Mapping[str, Any]) -> bool | None:
    """Whether the port is among a rule's, and nothing more is asked for that only a proxy sees."""
    ports, echoes = rule.get("toPorts"), rule.get("icmps")
    if not ports and not echoes:
        return True
    if packet.protocol == "icmp":
        return either(_is_echo(packet, each) for group in echoes or () if isinstance(group, dict) for each in group.get("fields") or ())
    return either(both((_among(packet, each), _unproxied(each))) for each in ports or () if isinstance(each, dict))


def _is_echo(packet: Packet, field: Any) -> bool | None:
    if not isinstance(field, dict):
        return None
    family = 6 if field.get("family") == "IPv6" else 4
    return family == family_of(packet.peer.address) and str(field.get("type")) in ECHO[family]


def _among(packet: Packet, group: Mapping[str, Any]) -> bool | None:
    ports = group.get("ports")
    return True if not ports else either(_one(packet, each) for each in ports if isinstance(each, dict))


def _one(packet: Packet, wanted: Mapping[str, Any]) -> bool | None:
    from engine.cluster.policies import has_port

    if str(wanted.get("protocol") or "ANY").lower() not in {"any", packet.protocol}:
        return False
    port = str(wanted.get("port") or "0")
    if not port.isdecimal():
        return has_port(packet.receiver, port, packet.port, packet.protocol)
    last = wanted.get("endPort")
    return int(port) == 0 or int(port) <= packet.port <= (last if isinstance(last, int) and last else int(port))


def _unproxied(group: Mapping[str, Any]) -> bool | None:
    """Whether a connection to these ports is let through whatever is said on it; a rule that takes every name of DNS asks for nothing."""
    if any(group.get(name) for name in ("terminatingTLS", "originatingTLS", "serverNames", "listener")):
        return None
    rules = group.get("rules")
    if not rules:
        return True
    names = rules.get("dns") if isinstance(rules, dict) and set(rules) == {"dns"} else None
    return True if any(isinstance(each, dict) and each.get("matchPattern") == "*" for each in names or ()) else None
