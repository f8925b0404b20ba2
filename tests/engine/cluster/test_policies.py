"""NetworkPolicy as its documentation tells it, and what cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.cluster.policies import LIST_LABELS, LIST_NAMESPACES, LIST_POLICIES, allowed, end_at, end_of, enforcer, judge
from engine.facts import HOST, ChainText, Fact
from tests.engine.cluster.conftest import cluster, namespace, node, pod, policy

if TYPE_CHECKING:
    from engine.cluster import Cluster

DB = {"podSelector": {"matchLabels": {"app": "db"}}}


def small(*more: Fact, listed: bool = True) -> Cluster:
    """Two namespaces, three pods, two nodes."""
    return cluster(
        node("n1", "10.0.0.1"),
        node("n2", "10.0.0.2"),
        namespace("shop"),
        namespace("ops", team="ops"),
        pod("shop/web", "10.1.1.5", {"app": "web"}),
        pod("shop/db", "10.1.2.9", {"app": "db"}, "n2", ports=({"port": 5432, "protocol": "TCP", "name": "pg"},)),
        pod("ops/tool", "10.1.1.7", {"app": "tool"}),
        *more,
        listed=listed,
    )


def verdict(made: Cluster, source: str, target: str = "10.1.2.9", port: int = 5432, protocol: str = "tcp") -> bool | None:
    """Whether both ends let a connection through."""
    return allowed(judge(made, end_at(made, source), end_at(made, target), port, protocol))


def ingress(*rules: dict[str, Any], **more: Any) -> Fact:
    """A policy for the database."""
    return policy("shop/p", {**DB, "ingress": list(rules), **more})


WEB, TOOL, OUTSIDE = "10.1.1.5", "10.1.1.7", "203.0.113.9"


def test_no_policy() -> None:
    """Pods that no policy selects take everything."""
    assert verdict(small(), WEB) is True


def test_isolated() -> None:
    """A selected pod takes only what some rule allows; an empty rule allows all, no rule none."""
    assert verdict(small(ingress()), WEB) is False
    assert verdict(small(ingress({})), WEB) is True
    assert verdict(small(ingress()), WEB, TOOL) is True


@pytest.mark.parametrize(
    ("peer", "web", "tool", "outside"),
    [
        ({"podSelector": {}}, True, False, False),
        ({"podSelector": {"matchLabels": {"app": "tool"}}}, False, False, False),
        ({"namespaceSelector": {}}, True, True, False),
        ({"namespaceSelector": {"matchLabels": {"team": "ops"}}}, False, True, False),
        ({"namespaceSelector": {"matchLabels": {"team": "ops"}}, "podSelector": {"matchLabels": {"app": "web"}}}, False, False, False),
        ({"ipBlock": {"cidr": "203.0.113.0/24"}}, False, False, True),
        ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.1.0.0/16"]}}, False, False, True),
        ({"ipBlock": {"cidr": "10.1.1.0/24", "except": ["10.1.1.7/32"]}}, True, False, False),
    ],
)
def test_peers(peer: dict[str, Any], web: bool, tool: bool, outside: bool) -> None:
    """A podSelector means this namespace, with namespaceSelector those; blocks have exceptions; addresses outside match no selector."""
    made = small(ingress({"from": [peer]}))
    assert [verdict(made, source) for source in (WEB, TOOL, OUTSIDE)] == [web, tool, outside]


@pytest.mark.parametrize(
    ("port", "answer"),
    [
        ({"port": 5432}, True),
        ({"port": 5432, "protocol": "UDP"}, False),
        ({"port": "pg"}, True),
        ({"port": "http"}, False),
        ({"port": 5000, "endPort": 6000}, True),
        ({"port": 5000, "endPort": 5431}, False),
        ({"protocol": "TCP"}, True),
    ],
)
def test_ports(port: dict[str, Any], answer: bool) -> None:
    """Numbers, ranges, names of the receiving pod's ports; TCP if none is said."""
    assert verdict(small(ingress({"ports": [port]})), WEB) is answer


def test_egress() -> None:
    """Egress isolates the sender, also towards Services' DNS and the world; policyTypes decide, else the presence of egress rules."""
    web = {"podSelector": {"matchLabels": {"app": "web"}}}
    only_db = {**web, "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}]}]}
    made = small(policy("shop/out", {**only_db, "policyTypes": ["Egress"]}))
    assert verdict(made, WEB) is True
    assert verdict(made, WEB, OUTSIDE, 443) is False
    assert verdict(made, TOOL, WEB, 80) is True
    closed = small(policy("shop/out", only_db))
    assert verdict(closed, TOOL, WEB, 80) is False
    assert verdict(small(policy("shop/out", {**web, "policyTypes": ["Egress"]})), WEB) is False


def test_policies_add_up() -> None:
    """What one policy allows another does not take away."""
    assert verdict(small(policy("shop/a", DB), policy("shop/b", {**DB, "ingress": [{}]})), WEB) is True


def test_nodes() -> None:
    """A node reaches its own pods whatever is said (probes); another node is an address; pods in the host's network are not selected."""
    own = pod("shop/agent", "10.0.0.1", {"app": "db"}, "n1", host_network=True)
    made = small(ingress(), own)
    assert verdict(made, "10.0.0.2") is True
    assert verdict(made, "10.0.0.1") is False
    assert verdict(made, WEB, "10.0.0.1") is True
    assert end_of(made, made.pods["shop", "agent"]).pod is None
    assert end_of(made, made.pods["shop", "db"]).address == "10.1.2.9"


def test_ruling() -> None:
    """A denial names the policies that isolate the pod, and no decider where none allows."""
    made = small(ingress({"from": [{"podSelector": {}}]}))
    out, into = judge(made, end_at(made, TOOL), end_at(made, "10.1.2.9"), 5432)
    assert (out.side, out.allowed, into.side, into.allowed) == ("egress", True, "ingress", False)
    assert into.pod is not None
    assert into.pod.full == "shop/db"
    assert [p.get("name") for p in into.policies] == ["p"]
    assert into.decider is None
    assert judge(made, end_at(made, WEB), end_at(made, "10.1.2.9"), 5432)[1].decider is into.policies[0]


def test_unknown() -> None:
    """Policies, labels and namespaces that nobody saw make the answer open, and the command that would settle it is said."""
    bare = small(listed=False)
    rulings = judge(bare, end_at(bare, WEB), end_at(bare, "10.1.2.9"), 5432)
    assert [(r.allowed, r.settle) for r in rulings] == [(None, LIST_POLICIES)] * 2
    spaces = cluster(
        pod("shop/db", "10.1.2.9", {"app": "db"}), pod("ops/tool", TOOL, {}),
        policy("shop/p", {**DB, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]}]}),
    )
    into = judge(spaces, end_at(spaces, TOOL), end_at(spaces, "10.1.2.9"), 5432)[1]
    assert (into.allowed, into.settle) == (None, LIST_NAMESPACES)
    table = cluster(namespace("shop"), pod("shop/db", "10.1.2.9", None), pod("shop/web", WEB, {}), ingress())
    into = judge(table, end_at(table, WEB), end_at(table, "10.1.2.9"), 5432)[1]
    assert (into.allowed, into.settle) == (None, LIST_LABELS)


def test_only_the_name_of_a_policy() -> None:
    """What a policy of which a table was printed allows is open; a pod that it does not select is free of it."""
    fields = {"flavour": "kubernetes", "namespace": "shop", "name": "allow-web"}
    for selector, web_into_db in (({"matchLabels": {"app": "db"}}, None), ({}, None), (None, None), ({"matchLabels": {"app": "x"}}, True)):
        printed = fields | ({"pod_selector": selector} if selector is not None else {})
        made = small(Fact("network_policy", printed))
        into = judge(made, end_at(made, WEB), end_at(made, "10.1.2.9"), 5432)[1]
        assert into.allowed is web_into_db
        assert into.settle == ("kubectl get networkpolicies -n shop -o yaml" if web_into_db is None else "")


def test_bad_values() -> None:
    """A block that is no prefix, and a receiver whose ports were not seen, are unknown rather than a no."""
    assert verdict(small(ingress({"from": [{"ipBlock": {"cidr": "everything"}}]})), WEB) is None
    made = cluster(pod("shop/db", "10.1.2.9", {"app": "db"}, ports=None), pod("shop/web", WEB, {}), ingress({"ports": [{"port": "pg"}]}))
    assert verdict(made, WEB) is None
    nameless = small(policy("shop/out", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": "pg"}]}]}))
    assert verdict(nameless, WEB, OUTSIDE, 5432) is False
    assert judge(made, end_at(made, WEB)._replace(address=""), end_at(made, "10.1.2.9"), 5432)[0].allowed is True


def test_own_name_of_a_namespace() -> None:
    """Every namespace bears its name as a label, seen or not."""
    spec = {**DB, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ops"}}}]}]}
    made = cluster(pod("shop/db", "10.1.2.9", {"app": "db"}), pod("ops/tool", TOOL, {}), pod("shop/web", WEB, {}), policy("shop/p", spec))
    assert (verdict(made, TOOL), verdict(made, WEB)) == (True, False)


def test_enforcer() -> None:
    """Agents are known by their DaemonSets, pods or chains; flannel alone enforces nothing."""
    assert enforcer(small()) == ""
    assert enforcer(small(pod("kube-flannel/kube-flannel-ds-x1", "10.0.0.1", {}))) == "none"
    assert enforcer(small(pod("kube-system/calico-node-x1", "10.0.0.1", {}))) == "calico"
    assert enforcer(small(Fact("workload", {"type": "DaemonSet", "namespace": "kube-system", "name": "cilium"}))) == "cilium"
    table = Fact("netfilter_table", {"table": "filter", "chains": (ChainText("WEAVE-NPC"),)}, "n1", HOST)
    assert enforcer(small(table)) == "weave"
