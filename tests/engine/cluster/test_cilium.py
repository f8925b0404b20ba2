"""CiliumNetworkPolicy: layers 3 and 4 as its documentation tells them, and what stays unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.cluster.policies import allowed, end_at, judge
from engine.facts import Fact
from tests.engine.cluster.conftest import cluster, ends, namespace, node, pod, policy, service

if TYPE_CHECKING:
    from engine.cluster import Cluster

WEB, DB, TOOL, NODE, OTHER, OUTSIDE = "10.1.1.5", "10.1.2.9", "10.1.1.7", "10.0.0.2", "10.0.0.1", "203.0.113.9"
SELECTED = {"endpointSelector": {"matchLabels": {"app": "db"}}}


def small(*more: Fact, agent: bool = True) -> Cluster:
    """Two namespaces, three pods, two nodes, cilium's agent."""
    agents = [Fact("workload", {"type": "DaemonSet", "namespace": "kube-system", "name": "cilium"})] if agent else []
    return cluster(
        node("n1", OTHER),
        node("n2", NODE),
        namespace("shop"),
        namespace("ops", team="ops"),
        pod("shop/web", WEB, {"app": "web", "pod-template-hash": "abc"}, service_account="web"),
        pod("shop/db", DB, {"app": "db"}, "n2", ports=({"port": 5432, "protocol": "TCP", "name": "pg"},)),
        pod("ops/tool", TOOL, {"app": "tool"}),
        service("default/kubernetes", "10.96.0.1", None, (443, 6443)),
        ends("default/kubernetes", OTHER, port=6443),
        *agents,
        *more,
    )


def verdict(made: Cluster, source: str, target: str = DB, port: int = 5432, protocol: str = "tcp") -> bool | None:
    """Whether both ends let a connection through."""
    return allowed(judge(made, end_at(made, source), end_at(made, target), port, protocol))


def ingress(*rules: Any, **more: Any) -> Fact:
    """A policy for the database."""
    return policy("shop/c", {**SELECTED, "ingress": list(rules), **more}, "cilium")


def config(**data: str) -> Fact:
    """The agent's ConfigMap."""
    return Fact("kube_config", {"namespace": "kube-system", "name": "cilium-config", "data": data})


def test_isolation() -> None:
    """A rule isolates in its direction; an empty one allows nothing, an empty list is no rule; ``enableDefaultDeny: false`` isolates nobody."""
    assert verdict(small(ingress({})), WEB) is False
    assert verdict(small(ingress()), WEB) is True
    assert verdict(small(ingress({}, enableDefaultDeny={"ingress": False})), WEB) is True
    assert verdict(small(ingress({}, enableDefaultDeny={"egress": False})), WEB) is False
    assert verdict(small(ingress({})), WEB, TOOL) is True
    assert verdict(small(policy("ops/c", {**SELECTED, "ingress": [{}]}, "cilium")), WEB) is True
    assert verdict(small(policy("c", {**SELECTED, "ingress": [{}]}, "cilium-global")), WEB) is False
    assert verdict(small(policy("c", {"nodeSelector": {}, "ingress": [{}]}, "cilium-global")), WEB) is True
    several = Fact("network_policy", {"flavour": "cilium", "namespace": "shop", "name": "c", "specs": ({**SELECTED, "ingress": [{}]},)})
    assert verdict(small(several), WEB) is False


@pytest.mark.parametrize(
    ("rule", "answers"),
    [
        ({"fromEndpoints": [{}]}, (True, False, False, False)),
        ({"fromEndpoints": [{"matchLabels": {"k8s:app": "web"}}]}, (True, False, False, False)),
        ({"fromEndpoints": [{"matchLabels": {"app": "tool"}}]}, (False, False, False, False)),
        ({"fromEndpoints": [{"matchLabels": {"app": "tool", "k8s:io.kubernetes.pod.namespace": "ops"}}]}, (False, True, False, False)),
        ({"fromEndpoints": [{"matchLabels": {"io.cilium.k8s.namespace.labels.team": "ops"}}]}, (False, True, False, False)),
        ({"fromEndpoints": [{"matchLabels": {"io.cilium.k8s.policy.serviceaccount": "web"}}]}, (True, False, False, False)),
        ({"fromEndpoints": []}, (False, False, False, False)),
        ({"fromEndpoints": [{"matchLabels": {"pod-template-hash": "abc"}}]}, (None, False, False, False)),
        ({"fromEndpoints": [{"matchLabels": {"reserved:host": ""}}]}, (None, None, None, None)),
        ({"fromEntities": ["world"]}, (False, False, False, True)),
        ({"fromEntities": ["world-ipv6"]}, (False, False, False, False)),
        ({"fromEntities": ["cluster"]}, (True, True, True, False)),
        ({"fromEntities": ["all"]}, (True, True, True, True)),
        ({"fromEntities": ["remote-node"]}, (False, False, True, False)),
        ({"fromEntities": ["host"]}, (False, False, False, False)),
        ({"fromEntities": ["kube-apiserver"]}, (False, False, True, False)),
        ({"fromEntities": ["health"]}, (None, None, None, None)),
        ({"fromCIDR": ["0.0.0.0/0"]}, (False, False, None, True)),
        ({"fromCIDRSet": [{"cidr": "203.0.113.0/24", "except": ["203.0.113.9/32"]}]}, (False, False, False, False)),
        ({"fromCIDRSet": [{"cidrGroupRef": "friends"}]}, (False, False, None, None)),
        ({"fromEndpoints": [{}], "fromEntities": ["world"]}, (None, None, None, None)),
        ({"fromRequires": [{}]}, (None, None, None, None)),
        ({"fromEndpoints": [{}], "authentication": {"mode": "required"}}, (None, False, False, False)),
    ],
)
def test_peers(rule: dict[str, Any], answers: tuple[bool | None, ...]) -> None:
    """Endpoints of the own namespace, entities, prefixes of what is outside; two kinds in one rule, groups and filtered labels are unknown."""
    made = small(ingress(rule))
    assert tuple(verdict(made, source) for source in (WEB, TOOL, OTHER, OUTSIDE)) == answers


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ([{"ports": [{"port": "5432", "protocol": "TCP"}]}], True),
        ([{"ports": [{"port": "5432"}]}], True),
        ([{"ports": [{"port": "5432", "protocol": "UDP"}]}], False),
        ([{"ports": [{"port": "5000", "endPort": 6000, "protocol": "TCP"}]}], True),
        ([{"ports": [{"port": "5000", "endPort": 5431}]}], False),
        ([{"ports": [{"port": "pg", "protocol": "TCP"}]}], True),
        ([{"ports": [{"port": "http"}]}], False),
        ([{"ports": [{"port": "0", "protocol": "TCP"}]}], True),
        ([{"ports": [{"port": "5432"}], "rules": {"http": [{"method": "GET"}]}}], None),
        ([{"ports": [{"port": "5432"}], "rules": {"dns": [{"matchPattern": "*"}]}}], True),
        ([{"ports": [{"port": "5432"}], "rules": {"dns": [{"matchName": "a.b"}]}}], None),
        ([{"ports": [{"port": "80"}], "rules": {"http": [{}]}}], False),
        ([{"ports": [{"port": "5432"}], "serverNames": ["a.b"]}], None),
        ([], True),
    ],
)
def test_ports(told: list[dict[str, Any]], answer: bool | None) -> None:
    """Numbers, ranges, names; no protocol means any; what a proxy decides is unknown, all names of DNS are not."""
    assert verdict(small(ingress({"fromEntities": ["all"], "toPorts": told})), WEB) is answer


def test_ports_alone_mean_everybody() -> None:
    """A rule with ports and no peers allows them to all; one for ICMP lets nothing else through."""
    assert verdict(small(ingress({"toPorts": [{"ports": [{"port": "5432"}]}]})), OUTSIDE) is True
    echo = {"icmps": [{"fields": [{"type": 8, "family": "IPv4"}]}]}
    assert (verdict(small(ingress(echo)), WEB), verdict(small(ingress(echo)), WEB, DB, 0, "icmp")) == (False, True)
    assert verdict(small(ingress({"toPorts": [{"ports": [{"port": "0"}]}]})), WEB, DB, 0, "icmp") is False


def test_deny_comes_first() -> None:
    """A deny decides before whatever policy allows, Kubernetes' own too; one that may match leaves the answer open."""
    deny = ingress(ingressDeny=[{"fromEndpoints": [{"matchLabels": {"app": "web"}}]}])
    take = policy("shop/k", {"podSelector": {}, "ingress": [{}]})
    assert verdict(small(deny, take), WEB) is False
    assert verdict(small(deny, take), TOOL) is True
    assert verdict(small(deny), TOOL) is False
    made = small(deny, take)
    ruling = judge(made, end_at(made, WEB), end_at(made, DB), 5432)[1]
    assert ruling.decider is not None
    assert ruling.decider.get("flavour") == "cilium"
    open_ = policy("shop/d", {**SELECTED, "ingressDeny": [{"fromEntities": ["health"]}]}, "cilium")
    assert verdict(small(open_, take), WEB) is None


def test_adds_to_network_policies() -> None:
    """What a NetworkPolicy isolates cilium's may allow, and the other way round; its blocks mean no pods, and nodes only if told so."""
    closed = policy("shop/k", {"podSelector": {}, "policyTypes": ["Ingress"]})
    assert verdict(small(closed, ingress({"fromEntities": ["cluster"]})), TOOL) is True
    assert verdict(small(policy("shop/k", {"podSelector": {}, "ingress": [{}]}), ingress({})), TOOL) is True
    block = policy("shop/k", {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]})
    assert [verdict(small(block), source) for source in (WEB, OTHER, OUTSIDE)] == [False, None, True]
    told = config(**{"policy-cidr-match-mode": "nodes"})
    assert verdict(small(block, told), OTHER) is True


def test_egress() -> None:
    """Services by their name, names of the world and the world itself; DNS as everybody allows it."""
    front = {"endpointSelector": {"matchLabels": {"app": "web"}}}

    def out(rule: dict[str, Any], *more: Fact) -> Cluster:
        return small(policy("shop/e", {**front, "egress": [rule]}, "cilium"), *more)

    named = {"toServices": [{"k8sService": {"serviceName": "db", "namespace": "shop"}}]}
    made = out(named, service("shop/db", "10.96.0.9", {"app": "db"}, (5432, 5432)))
    assert [verdict(made, WEB, target) for target in (DB, TOOL, OUTSIDE)] == [True, False, False]
    assert verdict(out(named), WEB) is None
    names = out({"toFQDNs": [{"matchName": "example.com"}]})
    assert [verdict(names, WEB, target, 443) for target in (DB, OUTSIDE)] == [False, None]
    assert verdict(out({"toEntities": ["world"]}), WEB, OUTSIDE, 443) is True
    assert verdict(out({"toNodes": [{}]}), WEB, NODE, 443) is None
    assert verdict(out({"toGroups": [{}]}), WEB, DB) is False


def test_agent() -> None:
    """An agent told to enforce nothing lets all through; where another one enforces, cilium's objects are left-overs."""
    assert verdict(small(ingress({}), config(**{"enable-policy": "never"})), WEB) is True
    assert verdict(small(ingress({}), config(**{"policy-audit-mode": "true"})), WEB) is True
    assert verdict(small(ingress({}), config(**{"enable-policy": "default"})), WEB) is False
    calico = pod("kube-system/calico-node-x1", OTHER, {}, host_network=True)
    assert verdict(small(ingress({}), calico, agent=False), WEB) is True


def test_addresses_of_nobody() -> None:
    """An address in the range of pods that no pod has may be a device of the cluster: neither outside nor inside for certain."""
    ranged = node("n3", "10.0.0.3", pod_cidrs=("10.1.0.0/16",))
    made = small(ingress({"fromEntities": ["world"]}), ranged)
    assert verdict(made, "10.1.9.9") is None
    assert verdict(small(ingress({"fromEntities": ["cluster"]}), ranged), "10.1.9.9") is None


def test_settling() -> None:
    """What a proxy decides only the agent can tell: the command asks it."""
    made = small(ingress({"toPorts": [{"ports": [{"port": "5432"}], "rules": {"http": [{}]}}]}))
    into = judge(made, end_at(made, WEB), end_at(made, DB), 5432)[1]
    assert (into.allowed, into.settle.partition(" -- ")[0]) == (None, "kubectl exec -n kube-system ds/cilium")
