"""Who reaches whom by the API's objects alone, against every pair of pods asked by itself."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from engine.cluster.policies import allowed, end_of, judge
from engine.matrix import Options
from engine.matrix.objects import LIST_ENDPOINTS, by_objects, unseen
from engine.model import build
from tests.engine.cluster.conftest import cluster, ends, held, namespace, node, pod, policy, seen, service

if TYPE_CHECKING:
    from engine.cluster import Cluster
    from engine.facts import Fact
    from engine.matrix import ByObjects

PORTS = (80, 5432, 8080)
DB = {"podSelector": {"matchLabels": {"app": "db"}}}


def answered(made: Cluster, **options: Any) -> ByObjects:
    """What the objects say."""
    return by_objects(build(made.facts), made, Options(**options))


def pairs(blocks: Any) -> set[tuple[str, str]]:
    """Every pair of some blocks."""
    found = [(a.name, b.name) for block in blocks for a in block.sources for b in block.targets if a is not b]
    assert len(found) == len(set(found))
    assert len(found) == sum(block.pairs for block in blocks)
    return set(found)


def some(random: Random) -> list[Fact]:
    """Pods in two namespaces with a few labels, and policies of several flavours that mean some of them."""
    spaces = ("shop", "ops")
    labels = [{"app": random.choice(("web", "db", "tool")), "pod-template-hash": str(n), "tier": random.choice("ab")} for n in range(9)]
    facts: list[Fact] = [node("n1", "10.0.0.1"), node("n2", "10.0.0.2"), namespace("shop", team="a"), namespace("ops", team="b")]
    for n, each in enumerate(labels):
        ports = ({"port": random.choice(PORTS), "protocol": "TCP", "name": "main"},)
        facts.append(pod(f"{random.choice(spaces)}/p{n}", f"10.1.{n % 3}.{n + 1}", each, f"n{n % 2 + 1}", ports=ports))

    def selector() -> dict[str, Any]:
        return random.choice(({}, {"matchLabels": {"app": random.choice(("web", "db"))}}, {"matchLabels": {"tier": "a"}}))

    def peer() -> dict[str, Any]:
        block = {"ipBlock": {"cidr": "10.1.0.0/22", "except": [f"10.1.{random.randrange(3)}.0/24"]}}
        return random.choice(({"podSelector": selector()}, {"namespaceSelector": {"matchLabels": {"team": "b"}}}, block))

    for n in range(random.choice((1, 2, 3))):
        port = random.choice(({}, *({"ports": [each]} for each in ({"port": random.choice(PORTS)}, {"port": "main"}, {"port": 80, "endPort": 6000}))))
        side, word = random.choice((("ingress", "from"), ("egress", "to")))
        spec = {"podSelector": selector(), "policyTypes": [side.title()], side: [{word: [peer()], **port}]}
        facts.append(policy(f"{random.choice(spaces)}/k{n}", spec))
    if random.random() < 0.5:
        rules = [{"action": random.choice(("Allow", "Deny", "Pass")), "from": [{"namespaces": {"matchLabels": {"team": random.choice("ab")}}}]}]
        facts.append(policy("adm", {"priority": 3, "subject": {"namespaces": {}}, "ingress": rules}, "admin"))
    return facts


@pytest.mark.parametrize("seed", range(40))
def test_classes_are_every_pair(seed: int) -> None:
    """Whatever the policies are: a pair is turned away if it is on each and every port, and on the port that is asked for."""
    made = cluster(*some(Random(seed)))  # noqa: S311 - nothing is secret here
    for options, tried in ((Options(), (1, 79, 80, 81, 5432, 5999, 6000, 6001, 8080, 9999)), (Options(5432, "tcp"), (5432,))):
        wanted = set()
        for one in made.pods.values():
            for other in made.pods.values():
                protocols = ("tcp",) if options.port else ("tcp", "udp")
                asked = [(end_of(made, one), end_of(made, other), port, protocol) for port in tried for protocol in protocols]
                if one is not other and all(allowed(judge(made, *each)) is False for each in asked):
                    wanted.add((f"pod/{one.full}", f"pod/{other.full}"))
        assert pairs(answered(made, port=options.port, protocol=options.protocol).barred) == wanted


def small(*more: Fact, listed: bool = True) -> Cluster:
    """Two applications on two nodes, and a Service."""
    return cluster(
        node("n1", "10.0.0.1"), node("n2", "10.0.0.2"), namespace("shop"),
        pod("shop/web-1", "10.1.1.5", {"app": "web"}), pod("shop/web-2", "10.1.1.6", {"app": "web"}),
        pod("shop/db", "10.1.2.9", {"app": "db"}, "n2", ports=({"port": 5432, "protocol": "TCP", "name": "pg"},)),
        service("shop/db", "10.96.0.9", {"app": "db"}, (5432, 5432)), ends("shop/db", "10.1.2.9", port=5432),
        *more,
        listed=listed,
    )  # fmt: skip


def test_nothing_wrong() -> None:
    """A healthy cluster: nobody is turned away, nothing lacks, nothing is missing."""
    found = answered(small())
    assert (found.barred, found.open, found.lacking, found.unready, found.clashes, found.unlisted) == ((), (), (), (), (), ())
    assert (found.pods, found.nodes, found.services, found.pairs) == (3, 2, 1, 9)


def test_whom_policies_turn_away() -> None:
    """The pods, and the Service in front of them; one block for equal senders, with the policy that decides."""
    found = answered(small(policy("shop/closed", {**DB, "policyTypes": ["Ingress"], "ingress": []})))
    assert pairs(found.barred) == {(f"pod/shop/web-{n}", target) for n in (1, 2) for target in ("pod/shop/db", "svc/shop/db:5432")} | {
        ("pod/shop/db", "svc/shop/db:5432")}  # fmt: skip
    assert {(block.side, block.policies) for block in found.barred} == {("ingress", ("shop/closed",))}
    only = answered(small(policy("shop/closed", {**DB, "policyTypes": ["Ingress"]})), targets=("svc/shop/db",), sources=("pod/shop/web-1",))
    assert pairs(only.barred) == {("pod/shop/web-1", "svc/shop/db:5432")}
    bare = answered(small(policy("shop/closed", {**DB, "policyTypes": ["Ingress"]})), services=False)
    assert {target for _, target in pairs(bare.barred)} == {"pod/shop/db"}


def test_some_endpoints() -> None:
    """Of a Service of which policies close a part some connections are turned away."""
    second = pod("shop/db-2", "10.1.2.10", {"app": "db", "closed": "yes"}, "n2")
    closed = policy("shop/closed", {"podSelector": {"matchLabels": {"closed": "yes"}}, "policyTypes": ["Ingress"]})
    found = answered(small(second, ends("shop/db", "10.1.2.10", port=5432, name=""), closed), sources=("pod/shop/web-1",), targets=("svc/shop/db",))
    assert [(block.share, block.policies) for block in found.barred] == [("some", ("shop/closed",))]


def test_what_else_the_objects_tell() -> None:
    """Services without endpoints and why, nodes that are not ready, ranges that overlap."""
    empty = service("shop/shop", "10.96.0.8", {"app": "nobody"}, (80, 80))
    sick = node("n3", "10.0.0.3", ready=False, pod_cidrs=("10.244.1.0/24",))
    found = answered(small(empty, sick, node("n4", "10.0.0.4", pod_cidrs=("10.244.1.0/24",))))
    assert [(f.get("full"), f.get("lack")) for f in found.lacking] == [("shop/shop", "no-pod")]
    assert found.unready == ("n3",)
    assert [fact.get("what") for fact in found.clashes] == ["duplicate"]


def test_what_is_not_told() -> None:
    """Without the listings nothing is said for certain, and the commands that print them are named."""
    found = answered(small(listed=False))
    assert found.barred == ()
    assert {block.settle for block in found.open} == {"kubectl get networkpolicies -A -o yaml"}
    assert LIST_ENDPOINTS in found.unlisted
    assert len(found.unlisted) == 5
    partly = answered(cluster(node("n1", "10.0.0.1"), *seen("nodes", "pods", "services", "networkpolicies", "endpointslices"), listed=False))
    assert partly.unlisted == ("kubectl get namespaces -o yaml",)


def test_nobody_enforces() -> None:
    """Where nothing enforces policies they turn nobody away."""
    flannel = pod("kube-flannel/kube-flannel-ds-x1", "10.0.0.1", {}, host_network=True)
    found = answered(small(policy("shop/closed", {**DB, "policyTypes": ["Ingress"]}), flannel))
    assert (found.enforcer, found.barred, found.open) == ("none", (), ())


def test_a_node_that_was_seen() -> None:
    """The state of one node is enough for the walk to be asked instead."""
    assert unseen(build(small().facts))
    assert not unseen(build(small(held("n1", "10.0.0.1")).facts))
