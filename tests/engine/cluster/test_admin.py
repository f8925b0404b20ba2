"""AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy as their API tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.cluster.policies import allowed, end_at, judge
from engine.facts import Fact
from tests.engine.cluster.conftest import cluster, namespace, node, pod, policy

if TYPE_CHECKING:
    from engine.cluster import Cluster

WEB, DB, TOOL, OUTSIDE = "10.1.1.5", "10.1.2.9", "10.1.1.7", "203.0.113.9"
DATABASE = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "db"}}}}
EVERYBODY: dict[str, Any] = {"namespaces": {}}
SHOP = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
CLOSED = policy("shop/closed", {"podSelector": {}, "policyTypes": ["Ingress"]})
OPEN = policy("shop/open", {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]})


def small(*more: Fact) -> Cluster:
    """Two namespaces, three pods, two nodes, one of them with a label."""
    return cluster(
        node("n1", "10.0.0.1"),
        node("n2", "10.0.0.2", labels={"role": "edge"}),
        namespace("shop"),
        namespace("ops", team="ops"),
        pod("shop/web", WEB, {"app": "web"}),
        pod("shop/db", DB, {"app": "db"}, "n2", ports=({"port": 5432, "protocol": "TCP", "name": "pg"},)),
        pod("ops/tool", TOOL, {"app": "tool"}),
        *more,
    )


def verdict(made: Cluster, source: str, target: str = DB, port: int = 5432, protocol: str = "tcp") -> bool | None:
    """Whether both ends let a connection through."""
    return allowed(judge(made, end_at(made, source), end_at(made, target), port, protocol))


def rule(action: str, *peers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A rule for ingress."""
    return {"action": action, "from": list(peers), **more}


def admin(name: str, priority: int, *rules: Any, flavour: str = "admin", subject: Any = None) -> Fact:
    """A policy about ingress of the database."""
    return policy(name, {"priority": priority, "subject": subject or DATABASE, "ingress": list(rules)}, flavour)


def test_asked_before_network_policies() -> None:
    """What an administrator allows no NetworkPolicy denies, and the other way round; Pass and no match leave it to them."""
    assert verdict(small(admin("a", 5, rule("Allow", EVERYBODY)), CLOSED), TOOL) is True
    assert verdict(small(admin("a", 5, rule("Deny", EVERYBODY)), OPEN), TOOL) is False
    assert verdict(small(admin("a", 5, rule("Pass", EVERYBODY)), CLOSED), TOOL) is False
    assert verdict(small(admin("a", 5, rule("Pass", EVERYBODY)), OPEN), TOOL) is True
    assert verdict(small(admin("a", 5, rule("Allow", SHOP)), CLOSED), TOOL) is False
    assert verdict(small(admin("a", 5, rule("Deny", SHOP))), TOOL) is True


def test_priorities() -> None:
    """The lowest priority is asked first; Pass skips all further policies of the tier; of one priority any may come first."""
    deny, take = rule("Deny", EVERYBODY), rule("Allow", EVERYBODY)
    assert verdict(small(admin("a", 9, deny), admin("b", 3, take)), TOOL) is True
    assert verdict(small(admin("a", 3, deny), admin("b", 9, take)), TOOL) is False
    assert verdict(small(admin("a", 3, rule("Pass", EVERYBODY)), admin("b", 9, deny)), TOOL) is True
    assert verdict(small(admin("a", 3, deny), admin("b", 3, take)), TOOL) is None
    assert verdict(small(admin("a", 3, rule("Deny", SHOP)), admin("b", 3, take)), TOOL) is True
    made = small(admin("a", 3, deny), admin("b", 3, deny))
    into = judge(made, end_at(made, TOOL), end_at(made, DB), 5432)[1]
    assert (into.allowed, into.decider) == (False, made.policies[0])


def test_rules_in_order() -> None:
    """The first rule that matches decides; a direction without rules is not touched."""
    assert verdict(small(admin("a", 3, rule("Allow", SHOP), rule("Deny", EVERYBODY))), WEB) is True
    assert verdict(small(admin("a", 3, rule("Allow", SHOP), rule("Deny", EVERYBODY))), TOOL) is False
    assert verdict(small(policy("a", {"priority": 1, "subject": EVERYBODY, "egress": []}, "admin")), TOOL) is True


def test_baseline() -> None:
    """The baseline is asked last: for pods that no NetworkPolicy isolates."""
    base = admin("default", 0, rule("Deny", EVERYBODY), flavour="admin-baseline")
    assert verdict(small(base), TOOL) is False
    assert verdict(small(base, OPEN), TOOL) is True
    assert verdict(small(base, admin("a", 1, rule("Allow", EVERYBODY))), TOOL) is True
    assert verdict(small(base, admin("a", 1, rule("Pass", EVERYBODY))), TOOL) is False
    assert verdict(small(admin("default", 0, rule("Allow", EVERYBODY), flavour="admin-baseline"), CLOSED), TOOL) is False


@pytest.mark.parametrize(
    ("peer", "answers"),
    [
        ({"namespaces": {"matchLabels": {"team": "ops"}}}, (True, False, True, True)),
        ({"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "tool"}}}}, (True, False, True, True)),
        ({"nodes": {"matchExpressions": [{"key": "role", "operator": "Exists"}]}}, (True, True, False, True)),
        ({"networks": ["203.0.113.0/24", "10.1.1.7/32"]}, (True, False, True, False)),
        ({"domainNames": ["*.example.com"]}, (None, None, None, None)),
        ({"services": {}}, (None, None, None, None)),
        ({}, (None, None, None, None)),
    ],
)
def test_peers(peer: dict[str, Any], answers: tuple[bool | None, ...]) -> None:
    """Namespaces and pods, nodes by their labels, networks also inside the cluster; names and what is new are unknown."""
    spec = {"priority": 1, "subject": {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}},
        "egress": [{"action": "Deny", "to": [peer]}]}
    made = small(policy("a", spec, "admin"))
    assert tuple(verdict(made, WEB, target, 80) for target in (DB, TOOL, "10.0.0.2", OUTSIDE)) == answers


@pytest.mark.parametrize(
    ("port", "answer"),
    [
        ({"portNumber": {"protocol": "TCP", "port": 5432}}, False),
        ({"portNumber": {"protocol": "UDP", "port": 5432}}, True),
        ({"portNumber": {"port": 80}}, True),
        ({"portRange": {"start": 5000, "end": 6000}}, False),
        ({"portRange": {"protocol": "TCP", "start": 5433, "end": 6000}}, True),
        ({"namedPort": "pg"}, False),
        ({"namedPort": "http"}, True),
        ({"somethingNew": 1}, None),
    ],
)
def test_ports(port: dict[str, Any], answer: bool | None) -> None:
    """Number, range, name on the receiving pod; TCP if no protocol is said."""
    assert verdict(small(admin("a", 1, rule("Deny", EVERYBODY, ports=[port]))), TOOL) is answer


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ({"tcp": {"destinationPort": {"number": 5432}}}, False),
        ({"tcp": {"destinationPort": {"range": {"start": 1, "end": 80}}}}, True),
        ({"udp": {"destinationPort": {"number": 5432}}}, True),
        ({"destinationNamedPort": "pg"}, False),
        ({"tcp": {}}, False),
    ],
)
def test_cluster_network_policy(protocol: dict[str, Any], answer: bool) -> None:
    """The newer kind says Accept and names ports by protocol; its baseline tier is asked behind NetworkPolicies."""
    made = small(admin("c", 1, rule("Deny", EVERYBODY, protocols=[protocol]), flavour="cluster-admin"))
    assert verdict(made, TOOL) is answer
    base = admin("b", 1, rule("Deny", EVERYBODY, protocols=[protocol]), flavour="cluster-baseline")
    assert verdict(small(base, OPEN), TOOL) is True
    assert verdict(small(admin("d", 0, rule("Accept", EVERYBODY), flavour="cluster-admin"), CLOSED), TOOL) is True


def test_subject() -> None:
    """Pods in their node's network are no subjects, a subject said in another way is unknown."""
    hosted = pod("shop/agent", "10.0.0.1", {"app": "db"}, "n1", host_network=True)
    assert verdict(small(admin("a", 1, rule("Deny", EVERYBODY)), hosted), TOOL, "10.0.0.1") is True
    assert verdict(small(admin("a", 1, rule("Deny", EVERYBODY), subject={"namespaceSelector": {}})), TOOL) is None
    assert verdict(small(admin("a", 1, rule("Deny", EVERYBODY), subject={"namespaces": {"sameLabels": ["a"]}})), TOOL) is None
    assert verdict(small(admin("a", 1, "Deny")), TOOL) is None
    assert verdict(small(admin("a", 1, rule("Refuse", EVERYBODY))), TOOL) is None


def test_who_enforces() -> None:
    """Where something else than is known to do so enforces policies, whether these count is open."""
    deny = admin("a", 1, rule("Deny", EVERYBODY))
    assert verdict(small(deny, pod("kube-system/calico-node-x1", "10.0.0.1", {})), TOOL) is False
    assert verdict(small(deny, pod("kube-system/kube-router-x1", "10.0.0.1", {})), TOOL) is None
    assert verdict(small(deny, pod("kube-system/kube-router-x1", "10.0.0.1", {}), CLOSED), TOOL) is False


def test_among_tiers_of_calico() -> None:
    """A tier of a lower order is asked before the administrators', the default tier after them."""
    front = Fact("calico_tier", {"name": "front", "order": 10.0})
    spec = {"tier": "front", "types": ["Ingress"], "ingress": [{"action": "Allow"}]}
    deny = admin("a", 1, rule("Deny", EVERYBODY))
    assert verdict(small(deny, front, policy("front.x", spec, "calico-global")), TOOL) is True
    assert verdict(small(deny, policy("x", {**spec, "tier": "default"}, "calico-global")), TOOL) is False
