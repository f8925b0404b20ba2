"""Calico's policies: tiers, order, rules, and where Kubernetes' own stand among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.cluster.calico import names_of, tiers
from engine.cluster.policies import allowed, end_at, judge
from engine.facts import Fact
from tests.engine.cluster.conftest import cluster, namespace, pod, policy

if TYPE_CHECKING:
    from engine.cluster import Cluster

WEB, DB, TOOL = "10.1.1.5", "10.1.2.9", "10.1.1.7"


def small(*more: Fact) -> Cluster:
    """Two namespaces, three pods."""
    return cluster(
        namespace("shop", env="prod"), namespace("ops"), pod("shop/web", WEB, {"app": "web"}, service_account="web"),
        pod("shop/db", DB, {"app": "db"}, ports=({"port": 5432, "protocol": "TCP", "name": "pg"},)), pod("ops/tool", TOOL, {"app": "tool"}), *more,
    )


def verdict(made: Cluster, source: str = WEB, target: str = DB, port: int = 5432, protocol: str = "tcp") -> bool | None:
    """Whether both ends let a connection through."""
    return allowed(judge(made, end_at(made, source), end_at(made, target), port, protocol))


def rule(action: str, source: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A rule of ingress."""
    return {"action": action, **({"source": source} if source else {}), **more}


def calico(*rules: dict[str, Any], name: str = "shop/p", flavour: str = "calico", **spec: Any) -> Fact:
    """A policy for the database."""
    return policy(name, {"selector": "app == 'db'", "types": ["Ingress"], "ingress": list(rules), **spec}, flavour)


def test_first_match_decides() -> None:
    """Rules are asked in order; Log goes on; a pod that is selected and met by no rule is denied."""
    assert verdict(small(calico(rule("Deny"), rule("Allow")))) is False
    assert verdict(small(calico(rule("Log"), rule("Allow"), rule("Deny")))) is True
    assert verdict(small(calico())) is False
    assert verdict(small(calico()), target=TOOL) is True


def test_order() -> None:
    """The lower order is asked first; Kubernetes' own policies stand at 1000; one without an order comes last."""
    deny, allow = calico(rule("Deny"), name="shop/a", order=20), calico(rule("Allow"), name="shop/b", order=10)
    assert verdict(small(deny, allow)) is True
    own = policy("shop/k8s", {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{}]})
    assert verdict(small(own, calico(rule("Deny"), order=999))) is False
    assert verdict(small(own, calico(rule("Deny"), order=1001))) is True
    assert verdict(small(own, calico(rule("Deny")))) is True


def test_tiers() -> None:
    """A tier is left by Pass, or because nothing in it selects the pod; its end denies; the default tier is last."""
    tier = Fact("calico_tier", {"name": "security", "order": 10.0})
    allow = calico(rule("Allow"), name="shop/allow")
    passing = calico(rule("Pass"), name="security.p", flavour="calico-global", tier="security")
    assert verdict(small(tier, allow, passing)) is True
    assert verdict(small(tier, passing)) is True
    ending = calico(rule("Allow", {"nets": ["192.0.2.0/24"]}), name="security.p", flavour="calico-global", tier="security")
    assert verdict(small(tier, allow, ending)) is False
    made = small(tier, allow, passing)
    assert [[p.get("name") for p in each] for each in tiers(made, "shop")] == [["security.p"], ["allow"]]


@pytest.mark.parametrize(
    ("source", "web", "tool"),
    [
        ({"selector": "app == 'web'"}, True, False),
        ({"selector": "has(app)"}, True, False),
        ({"namespaceSelector": "projectcalico.org/name == 'ops'"}, False, True),
        ({"namespaceSelector": "env == 'prod'", "selector": "app == 'web'"}, True, False),
        ({"notSelector": "app == 'web'"}, False, True),
        ({"nets": ["10.1.1.0/28"]}, True, True),
        ({"notNets": ["10.1.1.5/32"]}, False, True),
        ({"selector": "projectcalico.org/serviceaccount == 'web'"}, True, False),
        ({"namespaceSelector": "global()"}, False, False),
    ],
)
def test_sources(source: dict[str, Any], web: bool, tool: bool) -> None:
    """A namespaced policy's selector means its own namespace unless it names others."""
    made = small(calico(rule("Allow", source)))
    assert [verdict(made, WEB), verdict(made, TOOL)] == [web, tool]


def test_global() -> None:
    """A policy of the whole cluster selects by namespace too, and its selectors mean pods of every namespace."""
    everywhere = calico(rule("Allow", {"selector": "app == 'tool'"}), name="g", flavour="calico-global")
    assert [verdict(small(everywhere), WEB), verdict(small(everywhere), TOOL)] == [False, True]
    elsewhere = calico(name="g", flavour="calico-global", namespaceSelector="projectcalico.org/name == 'ops'")
    assert verdict(small(elsewhere)) is True
    hosts = calico(rule("Deny"), name="g", flavour="calico-global", preDNAT=True, applyOnForward=True)
    assert verdict(small(hosts)) is True


@pytest.mark.parametrize(
    ("destination", "answer"),
    [
        ({"ports": [5432]}, True),
        ({"ports": ["5000:6000"]}, True),
        ({"ports": ["pg"]}, True),
        ({"ports": [80, "http"]}, False),
        ({"notPorts": [5432]}, False),
        ({"notPorts": [80]}, True),
        ({"services": {"name": "db"}}, None),
    ],
)
def test_destinations(destination: dict[str, Any], answer: bool | None) -> None:
    """Ports by number, range or name; what is not modelled leaves the answer open."""
    assert verdict(small(calico(rule("Allow", destination=destination)))) is answer


def test_protocols() -> None:
    """By name or number; ICMP details, layer 7 and source ports are not modelled."""
    assert verdict(small(calico(rule("Allow", protocol="TCP")))) is True
    assert verdict(small(calico(rule("Allow", protocol=17)))) is False
    assert verdict(small(calico(rule("Allow", notProtocol="UDP")))) is True
    assert verdict(small(calico(rule("Allow", ipVersion=6)))) is False
    assert verdict(small(calico(rule("Allow", http={"methods": ["GET"]})))) is None
    assert verdict(small(calico(rule("Allow", icmp={"type": 8})))) is False
    assert verdict(small(calico(rule("Allow", {"ports": [1024]})))) is None
    assert verdict(small(calico("nonsense"))) is False  # type: ignore[arg-type]  # hostile evidence


def test_egress() -> None:
    """In egress the destination is the peer; types follow from the rules where they are not said."""
    spec = {"selector": "app == 'web'", "egress": [{"action": "Allow", "destination": {"selector": "app == 'db'"}}]}
    made = small(policy("shop/out", spec, "calico"))
    assert verdict(made) is True
    assert verdict(made, WEB, TOOL) is False
    assert verdict(made, TOOL, WEB) is True


def test_network_sets() -> None:
    """Addresses outside are selected by the labels of the sets that hold them."""
    known = Fact("network_set", {"name": "offices", "labels": {"kind": "office"}, "nets": ("198.51.100.0/24",)})
    made = small(known, calico(rule("Allow", {"selector": "kind == 'office'"}), name="g", flavour="calico-global"))
    assert [verdict(made, "198.51.100.7"), verdict(made, "203.0.113.7")] == [True, False]


def test_unseen_namespaces() -> None:
    """A namespace whose labels nobody saw still has its name."""
    made = cluster(
        pod("shop/db", DB, {"app": "db"}), pod("ops/tool", TOOL, {}), calico(rule("Allow", {"namespaceSelector": "projectcalico.org/name == 'ops'"}))
    )
    assert verdict(made, TOOL) is True
    made = cluster(pod("shop/db", DB, {"app": "db"}), pod("ops/tool", TOOL, {}), calico(rule("Allow", {"namespaceSelector": "env == 'prod'"})))
    assert verdict(made, TOOL) is None
    accounts = small(calico(name="g", flavour="calico-global", serviceAccountSelector="a == 'b'"))
    assert verdict(accounts) is None


def test_names() -> None:
    """With their namespace, where they have one."""
    assert names_of([policy("shop/p", {}), policy("g", {}, "calico-global")]) == ("shop/p", "g")
