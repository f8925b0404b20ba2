"""Calico's own policies: tiers, order, selectors, and the rules that allow, deny, pass or log.

Only what concerns pods is evaluated: policies for host endpoints before the translation of addresses (``preDNAT``, ``doNotTrack``) do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.cluster import admin, cilium, expressions
from engine.cluster.policies import ALLOW, DENY, EGRESS, INGRESS, NEXT, PASS, has_port
from engine.cluster.selectors import both, either
from engine.inet import family_of, in_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod
    from engine.cluster.policies import End, Packet
    from engine.facts import Fact

DEFAULT = "default"
KUBERNETES_ORDER = 1000.0
"""Order of Kubernetes' own policies among calico's."""
FLAVOURS = ("kubernetes", "calico", "calico-global", "cilium", "cilium-global", *admin.FLAVOURS)
WIDE = frozenset({"calico-global", "cilium-global", *admin.FLAVOURS})
"""Flavours whose policies have no namespace."""
TIERS = {**dict.fromkeys(admin.BEFORE, "adminnetworkpolicy"), **dict.fromkeys(admin.AFTER, "baselineadminnetworkpolicy")}
"""Tiers of calico's that hold the policies of administrators; newer releases call them kube-admin and kube-baseline."""
ADMIN_ORDER = 1000.0
"""Order of the first of these tiers, unless the tier itself was seen; the other one is behind the default tier."""
ACTIONS = {"allow": ALLOW, "deny": DENY, "pass": PASS, "log": NEXT}


def tiers(cluster: Cluster, namespace: str) -> list[list[Fact]]:
    """Policies that may select pods of a namespace, in the order in which they are asked, tier by tier."""
    grouped: dict[str, list[Fact]] = {}
    for flavour in FLAVOURS:
        for policy in cluster.policies_in("" if flavour in WIDE else namespace, flavour):
            if not flavour.startswith("cilium") or cilium.counts(cluster):
                grouped.setdefault(TIERS.get(flavour) or str(policy.get("spec", {}).get("tier") or DEFAULT), []).append(policy)
    orders = {TIERS["admin"]: ADMIN_ORDER} | {str(f.get("name")): _number(f.get("order")) for f in cluster.facts.of_kind("calico_tier")}
    # The default tier is the last one unless its order says otherwise, but for the baseline of administrators.
    last = [DEFAULT, TIERS["admin-baseline"]]
    names = sorted(grouped, key=lambda name: (orders.get(name, float("inf")), last.index(name) + 1 if name in last else 0, name))
    return [sorted(grouped[name], key=_order) for name in names]


def _order(policy: Fact) -> tuple[float, str]:
    if policy.get("flavour") in admin.FLAVOURS:
        return admin.priority(policy), str(policy.get("name"))
    if not str(policy.get("flavour")).startswith("calico"):
        return KUBERNETES_ORDER, f"knp.default.{policy.get('name')}"
    return _number(policy.get("spec", {}).get("order")), str(policy.get("name"))


def _number(value: Any) -> float:
    """An order; without one it comes last."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("inf")


def applies(cluster: Cluster, side: str, pod: Pod, policy: Fact) -> bool | None:
    """Whether a policy isolates a pod in a direction."""
    spec = policy.get("spec", {})
    if side not in types_of(spec) or spec.get("preDNAT") or spec.get("doNotTrack"):
        return False
    here: bool | None = True
    if policy.get("flavour") == "calico-global" and spec.get("namespaceSelector"):
        here = _namespace(cluster, str(spec["namespaceSelector"]), pod.namespace)
    account = None if spec.get("serviceAccountSelector") else True
    return both((here, account, expressions.holds(str(spec.get("selector") or "all()"), labels_of(cluster, pod))))


def types_of(spec: Mapping[str, Any]) -> frozenset[str]:
    """Directions of a policy: as it says, else those that it has rules for, else ingress."""
    said = spec.get("types")
    if said:
        return frozenset(str(each).lower() for each in said)
    egress = {EGRESS} if spec.get("egress") else set()
    return frozenset(egress | ({INGRESS} if spec.get("ingress") or not egress else set()))


def labels_of(cluster: Cluster, pod: Pod) -> Mapping[str, str] | None:
    """Labels as calico's selectors see them: the pod's own, and what calico adds."""
    del cluster
    if pod.labels is None:
        return None
    account = pod.fact.get("service_account")
    added = {"projectcalico.org/namespace": pod.namespace, "projectcalico.org/orchestrator": "k8s"}
    return {**pod.labels, **added, **({"projectcalico.org/serviceaccount": account} if account else {})}


def _namespace(cluster: Cluster, selector: str, namespace: str) -> bool | None:
    labels = cluster.namespace_labels(namespace)
    own = {"projectcalico.org/name": namespace, "kubernetes.io/metadata.name": namespace}
    if labels is None:
        return expressions.holds(selector, own) if expressions.keys(selector) <= own.keys() else None
    return expressions.holds(selector, {**own, **labels})


def outcomes(cluster: Cluster, packet: Packet, policy: Fact) -> set[str]:
    """What a policy that applies may do with a packet: its first rule that matches decides."""
    found: set[str] = set()
    for rule in policy.get("spec", {}).get(packet.side) or ():
        answer = _matches(cluster, packet, policy, rule) if isinstance(rule, dict) else None
        action = ACTIONS.get(str(rule.get("action", "")).lower(), NEXT) if isinstance(rule, dict) else NEXT
        if answer is False or action == NEXT:
            continue
        found.add(action)
        if answer:
            return found
    return found | {NEXT}


def _matches(cluster: Cluster, packet: Packet, policy: Fact, rule: Mapping[str, Any]) -> bool | None:
    source, target = (packet.own, packet.peer) if packet.side == EGRESS else (packet.peer, packet.own)
    family = family_of(packet.peer.address) if packet.peer.address else 0
    return both((
        rule.get("ipVersion") in (None, family) if family else None if rule.get("ipVersion") else True,
        rule.get("protocol") is None or str(rule["protocol"]).lower() in (packet.protocol, _numbers().get(packet.protocol)),
        rule.get("notProtocol") is None or str(rule["notProtocol"]).lower() not in (packet.protocol, _numbers().get(packet.protocol)),
        rule.get("icmp") is None or (None if packet.protocol == "icmp" else False),
        None if rule.get("http") else True,
        _entity(cluster, policy, rule.get("source") or {}, source),
        _entity(cluster, policy, rule.get("destination") or {}, target),
        _ports(packet, rule.get("destination") or {}),
        None if (rule.get("source") or {}).get("ports") or (rule.get("source") or {}).get("notPorts") else True,
    ))


def _numbers() -> dict[str, str]:
    return {"tcp": "6", "udp": "17", "icmp": "1", "sctp": "132"}


def _entity(cluster: Cluster, policy: Fact, entity: Mapping[str, Any], end: End) -> bool | None:
    """Whether an end is what ``source`` or ``destination`` describe."""
    unknown = entity.get("serviceAccounts") or entity.get("services") or entity.get("domains")
    return both((
        _nets(entity.get("nets"), end) if entity.get("nets") else True,
        _not(_nets(entity.get("notNets"), end)) if entity.get("notNets") else True,
        _selected(cluster, policy, entity, end),
        _not(_selector(cluster, str(entity["notSelector"]), end)) if entity.get("notSelector") else True,
        None if unknown else True,
    ))


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _nets(nets: Any, end: End) -> bool | None:
    if not end.address:
        return None
    try:
        return any(in_prefix(end.address, str(net)) for net in nets)
    except (ValueError, TypeError):
        return None


def _selected(cluster: Cluster, policy: Fact, entity: Mapping[str, Any], end: End) -> bool | None:
    """Whether the selectors hold; those of a namespaced policy mean its own namespace unless they name others."""
    selector, spaces = entity.get("selector"), entity.get("namespaceSelector")
    if not selector and not spaces:
        return True
    if end.pod is None:
        return _in_network_set(cluster, policy, str(selector or "all()"), str(spaces or ""), end)
    here: bool | None = True
    if spaces:
        here = False if "global()" in str(spaces) else _namespace(cluster, str(spaces), end.pod.namespace)
    elif policy.get("flavour") == "calico":
        here = end.pod.namespace == policy.get("namespace")
    return both((here, _selector(cluster, str(selector), end) if selector else True))


def _selector(cluster: Cluster, selector: str, end: End) -> bool | None:
    return expressions.holds(selector, labels_of(cluster, end.pod)) if end.pod is not None else False


def _in_network_set(cluster: Cluster, policy: Fact, selector: str, spaces: str, end: End) -> bool | None:
    """Whether an end that is no pod is in a network set that the selector means."""
    del policy
    sets = [f for f in cluster.facts.of_kind("network_set") if not spaces or bool(f.get("namespace")) == ("global()" not in spaces)]
    return either(both((expressions.holds(selector, f.get("labels", {})), _nets(f.get("nets", ()), end))) for f in sets)


def _ports(packet: Packet, entity: Mapping[str, Any]) -> bool | None:
    """Whether the receiver's port is among those of the rule."""
    wanted, unwanted = entity.get("ports"), entity.get("notPorts")
    return both((
        either(_is_port(packet, each) for each in wanted) if wanted else True,
        _not(either(_is_port(packet, each) for each in unwanted)) if unwanted else True,
    ))


def _is_port(packet: Packet, wanted: Any) -> bool | None:
    """A number, a range ``80:90``, or a name."""
    if isinstance(wanted, int) or str(wanted).isdecimal():
        return int(wanted) == packet.port
    first, colon, last = str(wanted).partition(":")
    if colon and first.isdecimal() and last.isdecimal():
        return int(first) <= packet.port <= int(last)
    return has_port(packet.receiver, str(wanted), packet.port, packet.protocol)


def names_of(policies: Sequence[Fact]) -> tuple[str, ...]:
    """``namespace/name`` of policies, plain names for those of the whole cluster."""
    return tuple("/".join(filter(None, (str(p.get("namespace") or ""), str(p.get("name"))))) for p in policies)
