"""What the objects say of a flow, as facts for the rules."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cluster.flows import called, facts_of, needed
from engine.facts import Fact, Source
from engine.walk.trace import Flow
from tests.engine.cluster.conftest import cluster, ends, held, namespace, node, pod, policy, seen, service

IP = "10.96.0.20"
DB = {"app": "db"}


def small(*more: Fact, listed: bool = True) -> Any:
    """A client, a database behind a Service, two nodes."""
    behind = ends("shop/db", "10.1.2.9", port=5432).having(ready=({"address": "10.1.2.9", "pod": "db-0", "node_name": "n2"},))
    return cluster(
        node("n1", "10.0.0.1"), node("n2", "10.0.0.2"), namespace("shop"),
        pod("shop/web-1", "10.1.1.5", {"app": "web"}, dns_policy="ClusterFirst", owner="ReplicaSet/web"),
        pod("shop/db-0", "10.1.2.9", DB, "n2", ports=({"port": 5432, "protocol": "TCP"},)), service("shop/db", IP, DB, (5432, 5432)), behind,
        *more, listed=listed,
    )


def flow(dst: str = IP, port: int = 5432, **more: Any) -> Flow:
    """A flow of the client."""
    return Flow("n1", "", "10.1.1.5", dst, port, "tcp", "shop/web-1", "db")._replace(**more)


def one(facts: list[Fact], kind: str) -> Fact:
    """The only fact of a kind."""
    found = [f for f in facts if f.kind == kind]
    assert len(found) == 1, found
    return found[0]


def test_service_flow() -> None:
    """Who may get the connection, on whose stack it is asked, and with the Service's own line."""
    fact = one(facts_of(small(), flow(), 3), "service_flow")
    wanted = {"flow": 3, "service": "db", "via": "cluster-ip", "port": 5432, "eligible": ("10.1.2.9:5432",), "eligible_count": 1, "ready": 1}
    assert fact.fields.items() >= {**wanted, "selected": 1}.items()
    assert (fact.node, fact.stack, "lack" in fact.fields, "undeclared" in fact.fields) == ("n1", "host", False, False)


def test_addresses_that_are_not_ready() -> None:
    """Their number is told where they were listed; the table of Endpoints shows ready ones only, and none of them is no number of the others."""
    table = Fact("endpoints", {"namespace": "shop", "service": "db", "ready": (), "ports": (), "slice": False})
    whole = ends("shop/db", not_ready=("10.1.2.9",), port=5432)
    for shown, number in ((table, None), (whole, 1)):
        made = cluster(node("n1", "10.0.0.1"), pod("shop/web-1", "10.1.1.5", {"app": "web"}), service("shop/db", IP, DB, (5432, 5432)), shown)
        fact = one(facts_of(made, flow(), 0), "service_flow")
        assert (fact.get("ready"), fact.get("not_ready")) == (0, number)


def test_no_service() -> None:
    """A flow to a pod is no Service's; without Kubernetes objects nothing is said at all."""
    assert [f.kind for f in facts_of(small(), flow("10.1.2.9"), 0)] == ["pod_sends"]
    assert facts_of(cluster(), flow(), 0) == []


def test_port_that_is_not_offered() -> None:
    """The Service is known, the port is not."""
    fact = one(facts_of(small(), flow(port=80), 0), "service_flow")
    assert (fact.get("port"), fact.get("offers"), fact.get("known")) == (None, ("5432/tcp",), True)


def test_lack() -> None:
    """Why nobody is behind it, with the pod that looks meant and a selector that would fit it."""
    trouble: dict[str, Any] = {"ready": False, "reason": "CrashLoopBackOff", "message": "back-off", "probes": ("tcp-socket :5432",)}
    made = cluster(
        pod("shop/db-0", "10.1.2.9", {"app": "db", "tier": "data"}, **trouble),
        service("shop/db", IP, {"app": "postgres", "tier": "data"}, (5432, 5432)), ends("shop/db"),
    )
    fact = one(facts_of(made, flow(), 0), "service_flow")
    wanted = {"lack": "no-pod", "pod": "shop/db-0", "fitting": "app=db,tier=data", "pod_reason": "CrashLoopBackOff", "pod_probe": "tcp-socket :5432"}
    assert fact.fields.items() >= wanted.items()
    bare = cluster(pod("shop/db-0", "10.1.2.9", {"name": "db"}), service("shop/db", IP, {"app": "db"}, (5432, 5432)), ends("shop/db"))
    assert one(facts_of(bare, flow(), 0), "service_flow").get("fitting") == "name=db"
    strange = cluster(pod("shop/db-0", "10.1.2.9", {"x": "db"}), service("shop/db", IP, {"app": "db"}, (5432, 5432)), ends("shop/db"))
    assert one(facts_of(strange, flow(), 0), "service_flow").get("fitting") is None


def test_undeclared() -> None:
    """The target is among no selected pod's declared ports; a pod that declares none says nothing."""
    ports = ({"port": 8080, "protocol": "TCP", "name": "http"},)
    made = cluster(pod("shop/db-0", "10.1.2.9", DB, ports=ports), service("shop/db", IP, DB, (5432, 5432)), ends("shop/db", "10.1.2.9", port=5432))
    fact = one(facts_of(made, flow(), 0), "service_flow")
    assert (fact.get("undeclared"), fact.get("pod_ports"), fact.get("pod_port")) == (True, ("http=8080/tcp",), 8080)
    silent = cluster(pod("shop/db-0", "10.1.2.9", DB), service("shop/db", IP, DB, (5432, 5432)), ends("shop/db", "10.1.2.9", port=5432))
    assert "undeclared" not in one(facts_of(silent, flow(), 0), "service_flow").fields


@pytest.mark.parametrize(("target", "told"), [(5432, True), ("pg", None)])
def test_undeclared_by_description(target: int | str, told: bool | None) -> None:
    """A description without names of ports tells that a number is none of them, and nothing of a name."""
    described = pod("shop/db-0", "10.1.2.9", DB, ports=({"port": 8080, "protocol": "TCP"},), ports_unnamed=True)
    made = cluster(described, service("shop/db", IP, DB, (5432, target)), ends("shop/db", "10.1.2.9", port=5432))
    assert one(facts_of(made, flow(), 0), "service_flow").get("undeclared") is told


@pytest.mark.parametrize(("ports", "told"), [((3000,), 3000), ((3000, 5432), None), ((), None)])
def test_undeclared_by_template(ports: tuple[int, ...], told: int | None) -> None:
    """Where no pod was listed, the template of the pods that a Service selects tells what they declare; one without ports tells nothing."""
    fields = {"type": "Deployment", "namespace": "shop", "name": "db", "template_labels": {**DB, "tier": "x"}}
    made = Fact("workload", fields | {"ports": tuple({"port": number, "protocol": "TCP"} for number in ports)})
    found = one(facts_of(cluster(service("shop/db", IP, DB, (5432, 5432)), made, listed=False), flow(), 0), "service_flow")
    assert (found.get("pod_port"), found.get("template"), found.get("pod")) == ((told, True, "deployment shop/db") if told else (None, None, None))


def test_node_port_from_outside() -> None:
    """A client outside asks a node: that node decides, and Local passes over the others' backends."""
    ports = ({"port": 5432, "target_port": 5432, "protocol": "TCP", "node_port": 30432},)
    made = small(service("shop/db", IP, DB, ports=ports, external_policy="Local", labels={}, annotations={}))
    asked = Flow("", "", "203.0.113.10", "10.0.0.1", 30432, "tcp")
    fact = one(facts_of(made, asked, 0), "service_flow")
    wanted = {"via": "node-port", "policy": "Local", "eligible_count": 0, "elsewhere": 1, "elsewhere_nodes": ("n2",), "node_port": 30432}
    assert fact.fields.items() >= wanted.items()
    assert fact.node == "n1"
    assert one(facts_of(made, asked._replace(node="laptop"), 0), "service_flow").node == "n1"
    assert one(facts_of(made, asked._replace(dst="10.0.0.2"), 0), "service_flow").get("eligible_count") == 1


def test_addresses_of_ipv6() -> None:
    """An IPv6 backend is written with brackets."""
    made = cluster(service("shop/db", "fd00:96::20", {}, (5432, 5432)), ends("shop/db", "fd00:1::9", port=5432))
    assert one(facts_of(made, flow("fd00:96::20"), 0), "service_flow").get("eligible") == ("[fd00:1::9]:5432",)


def test_denial() -> None:
    """The policies of the pod that is really asked (behind the Service), on its node, with the policy's line."""
    closed = policy("shop/closed", {"podSelector": {"matchLabels": DB}, "policyTypes": ["Ingress"]})
    fact = one(facts_of(small(closed, held("n2", "10.1.2.9", "db-ns")), flow(), 0), "policy_denies")
    wanted = {
        "side": "ingress", "pod": "db-0", "policies": ("shop/closed",), "decided": "isolated", "share": "all", "peer_kind": "pod",
        "peer_name": "shop/web-1", "peer_labels": "app=web",
        "peer_namespace_labels": "kubernetes.io/metadata.name=shop", "service": "shop/db", "port": 5432,
    }
    assert fact.fields.items() >= wanted.items()
    assert (fact.node, fact.stack) == ("n2", "host")
    direct = one(facts_of(small(closed), flow("10.1.2.9"), 0), "policy_denies")
    assert (direct.node, "service" in direct.fields) == ("n2", False)


OTHERS = [{"podSelector": {"matchLabels": {"app": "other"}}}]


@pytest.mark.parametrize(("ingress", "sides"), [
    ([], ["ingress"]),
    ([{"ports": [{"port": 8080}]}], []),
    ([{"ports": [{"port": 8080}], "from": OTHERS}], ["ingress"]),
])  # fmt: skip
def test_denial_at_any_port(ingress: list[dict[str, Any]], sides: list[str]) -> None:
    """A table prints no target port: a backend counts as denied only if no port that a policy names lets the flow in."""
    closed = policy("shop/closed", {"podSelector": {"matchLabels": DB}, "policyTypes": ["Ingress"], "ingress": ingress})
    backend, client = pod("shop/db-0", "10.1.2.9", DB, "n2"), pod("shop/web-1", "10.1.1.5", {"app": "web"}, "n1")
    made = cluster(backend, client, service("shop/db", IP, DB, (80, None)), closed, *seen("pods"), listed=False)
    assert [f.get("side") for f in facts_of(made, flow(port=80), 0) if f.kind == "policy_denies"] == sides


def test_denial_of_a_guess() -> None:
    """A port that nobody told is denied only if every port is: the one that was guessed may not be the one that was asked for."""
    open_ = policy("shop/db", {"podSelector": {"matchLabels": DB}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 5432}]}]})
    shut = policy("shop/db", {"podSelector": {"matchLabels": DB}, "policyTypes": ["Ingress"]})
    for closed, sides in ((open_, []), (shut, ["ingress"])):
        told = facts_of(small(closed), flow("10.1.2.9", 3306, guessed=True), 0)
        assert [f.get("side") for f in told if f.kind == "policy_denies"] == sides


def test_some_backends_are_denied() -> None:
    """A Service of which one backend is isolated fails now and then."""
    other = pod("shop/db-1", "10.1.2.10", {"app": "db", "old": "yes"}, "n2")
    closed = policy("shop/closed", {"podSelector": {"matchLabels": {"old": "yes"}}, "policyTypes": ["Ingress"]})
    more = ends("shop/db", "10.1.2.10", port=5432)
    assert one(facts_of(small(closed, other, more), flow(), 0), "policy_denies").get("share") == "some"


def test_egress_and_strangers() -> None:
    """A sender's own policies; peers outside and nodes are told by their address."""
    closed = policy("shop/out", {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"]})
    outside = one(facts_of(small(closed), flow("203.0.113.9", 443), 0), "policy_denies")
    assert (outside.get("side"), outside.get("peer_kind"), outside.get("peer"), outside.get("pod")) == ("egress", "outside", "203.0.113.9", "web-1")
    to_node = one(facts_of(small(closed), flow("10.0.0.2", 22), 0), "policy_denies")
    assert (to_node.get("peer_kind"), to_node.get("peer_name")) == ("node", "n2")


def test_nobody_enforces() -> None:
    """Under flannel alone a policy is a piece of paper; ICMP is nobody's either."""
    closed = policy("shop/closed", {"podSelector": {}, "policyTypes": ["Ingress"]})
    unlabelled = cluster(service("shop/db", IP, DB, (5432, 5432)), pod("shop/web-1", "10.1.1.5", None), listed=False)
    assert "kubectl get pods -A -o wide --show-labels" in [n.command for n in needed(unlabelled, flow(), [])]
    flannel = pod("kube-flannel/kube-flannel-ds-1", "10.0.0.1", {}, host_network=True)
    assert [f.kind for f in facts_of(small(closed, flannel), flow(), 0)] == ["service_flow", "pod_sends"]
    assert [f.kind for f in facts_of(small(closed), flow("10.1.2.9", 0, protocol="icmp"), 0)] == ["pod_sends"]


def test_sender() -> None:
    """By the walked address, by the flow's own, by name (a pod in its node's network), else the node."""
    sent = Fact("flow", {"flow": 0, "src": "10.1.1.5"})
    assert one(facts_of(small(), flow(src="", from_name=""), 0, [sent]), "pod_sends").get("name") == "web-1"
    agent = pod("kube-system/agent", "10.0.0.1", {}, host_network=True, dns_policy="ClusterFirst")
    fact = one(facts_of(small(agent), flow(src="10.0.0.1", from_name="kube-system/agent"), 0), "pod_sends")
    assert (fact.get("host_network"), fact.get("dns_policy")) == (True, "ClusterFirst")
    assert [f.kind for f in facts_of(small(), flow(src="", from_name="n1"), 0)] == ["service_flow"]
    assert [f.kind for f in facts_of(small(), flow(src="192.0.2.1", from_name="n1"), 0)] == ["service_flow"]
    named = facts_of(small(), flow(src=""), 0)
    assert one(named, "pod_sends").get("name") == "web-1"


def test_own_balancer() -> None:
    """The control plane's endpoint that nobody of the cluster holds, asked by one of those behind it; or a load balancer's address."""
    config = Fact("kube_config", {"namespace": "kube-system", "name": "kubeadm-config",
                                  "data": {"ClusterConfiguration": "controlPlaneEndpoint: 10.0.0.100:6443\n"}})
    api = service("default/kubernetes", "10.96.0.1", {}, (443, 6443))
    made = small(config, api, ends("default/kubernetes", "10.0.0.1", "10.0.0.3", port=6443))
    vip = Flow("n1", "", "10.0.0.1", "10.0.0.100", 6443, "tcp", "n1")
    assert one(facts_of(made, vip, 0), "own_balancer").fields.items() >= {"sender": "10.0.0.1", "by": "control-plane"}.items()
    assert [f.kind for f in facts_of(made, vip._replace(src="10.0.0.2", node="n2"), 0)] == []
    assert [f.kind for f in facts_of(made, vip._replace(dst="10.0.0.99"), 0)] == []
    balanced = small(service("shop/db", IP, DB, (5432, 5432), ingress_ips=("198.51.100.7",), proxied_ips=("198.51.100.7",), labels={},
        annotations={}))
    own = Flow("n2", "", "10.1.2.9", "198.51.100.7", 5432, "tcp", "shop/db-0")
    assert one(facts_of(balanced, own, 0), "own_balancer").get("by") == "service"
    given = ({"port": 5432, "protocol": "TCP", "target_port": 5432, "node_port": 30432},)
    ports = {"ports": given, "ingress_ips": ("198.51.100.7",), "proxied_ips": ("198.51.100.7",), "labels": {}, "annotations": {}}
    web = Flow("n1", "", "10.1.1.5", "198.51.100.7", 5432, "tcp", "shop/web-1")
    every = one(facts_of(small(service("shop/db", IP, DB, **ports)), web, 0), "own_balancer")
    assert (every.get("by"), every.get("sender"), every.get("backends"), every.get("alone")) == ("nodes", "10.0.0.1", ("10.0.0.1", "10.0.0.2"), False)
    # Under a Local policy only the node of the backend is asked, which is another one.
    near = small(service("shop/db", IP, DB, external_policy="Local", **ports))
    assert not [f for f in facts_of(near, web, 0) if f.kind == "own_balancer"]
    passed_over = node("n3", "10.0.0.3", labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""})
    asks = web._replace(node="n3", src="10.0.0.3", from_name="n3")
    assert not [f for f in facts_of(small(service("shop/db", IP, DB, **ports), passed_over), asks, 0) if f.kind == "own_balancer"]
    usual = small(service("shop/db", IP, DB, (5432, 5432), ingress_ips=("198.51.100.7",), labels={}, annotations={}))
    assert [f.kind for f in facts_of(usual, own, 0)] == ["service_flow", "pod_sends"]


def test_trouble() -> None:
    """Why a pod is not ready: its container's state, else its probe's last answer, else its node."""
    said = {"type": "Warning", "reason": "Unhealthy", "message": "HTTP probe failed with statuscode: 401"}
    probe = Fact("k8s_event", {"namespace": "shop", "object": "Pod/web", **said})
    pull = Fact("k8s_event", {"namespace": "shop", "object": "Pod/web", "type": "Warning", "reason": "BackOff", "message": "back-off"})
    fine = Fact("k8s_event", {"namespace": "shop", "object": "Pod/web", "type": "Normal", "reason": "Pulled", "message": "ok"})
    silent, down = pod("shop/web", "10.1.1.5", {}, ready=False), node("n1", "10.0.0.1", ready=False)
    crashing = pod("shop/web", "10.1.1.5", {}, ready=False, reason="CrashLoopBackOff", message="m")

    def told(*facts: Fact) -> tuple[str, str]:
        made = cluster(*facts)
        return made.trouble(made.pods["shop", "web"])

    assert told(silent, probe, pull, fine) == ("Unhealthy", "HTTP probe failed with statuscode: 401")
    assert told(silent, pull, fine) == ("BackOff", "back-off")
    assert told(crashing, probe) == ("CrashLoopBackOff", "m")
    assert told(silent, down) == ("NodeNotReady", "node n1 is not ready")
    assert told(silent, fine) == ("", "")


def test_nodes_without_a_backend() -> None:
    """Under a Local policy, which ready nodes hold none: a load balancer that asks them loses its connections."""
    made = small(service("shop/db", IP, DB, (5432, 5432), ingress_ips=("198.51.100.7",), external_policy="Local", labels={}, annotations={}))
    asked = Flow("", "", "203.0.113.10", "198.51.100.7", 5432, "tcp")
    assert one(facts_of(made, asked, 0), "service_flow").get("bare_nodes") == ("n1",)
    assert one(facts_of(made, flow(), 0), "service_flow").get("bare_nodes") == ()


def test_called() -> None:
    """Words of a question name pods by their owner's name and Services by theirs, in a namespace where they say so."""
    headless = service("shop/cache", "", {"app": "cache"}, (6379, 6379), cluster_ips=("None",))
    agent = pod("ops/agent-x1", "10.0.0.1", {}, host_network=True)
    facts = small(headless, agent, ends("shop/cache")).facts
    assert called(facts, ["web", "svc/db"]) == {"pods": ("shop/web-1",), "services": ("shop/db",)}
    assert called(facts, ["pod/db"]) == {"pods": ("shop/db-0",), "services": ()}
    assert called(facts, ["cache.shop.svc.cluster.local"])["unresolvable"] == "shop/cache"
    assert called(facts, ["pod/ops/agent"]) == {"pods": ("ops/agent-x1",), "services": (), "unresolving": "ops/agent-x1"}
    assert called(facts, ["shop/agent", "db.ops"]) == {"pods": (), "services": ()}


def test_needed() -> None:
    """What would settle an open flow: endpoints, policies, the sender's node; nothing where no object is known."""
    assert [n.command for n in needed(small(), flow(), [])] == ["diagnose collect -o n1.tar.gz"]
    assert needed(small(held("n1", "10.0.0.1"), Fact("netns", {"name": "host"}, "n1")), flow(), []) == []
    blind = cluster(service("shop/db", IP, DB, (5432, 5432)), pod("shop/web-1", "10.1.1.5", {}), listed=False)
    assert [n.command.split(" -")[0] for n in needed(blind, flow(), [])] == [
        "kubectl get endpointslices", "kubectl get networkpolicies", "diagnose collect",
    ]
    flannel = pod("kube-flannel/kube-flannel-ds-1", "10.0.0.1", {}, host_network=True)
    assert all("networkpolicies" not in n.command for n in needed(small(flannel, listed=False), flow(), []))
    assert needed(cluster(), flow(), []) == needed(small(), flow(protocol="icmp"), []) == []


def test_backends_view() -> None:
    """One fact a port of every Service; nothing without Services."""
    assert [f.get("full") for f in small().facts.of_kind("service_backends")] == ["shop/db"]
    assert cluster().facts.of_kind("service_backends") == []


def test_sender_seen_inside_a_pod_without_address() -> None:
    """What a shell inside a pod showed is that pod's, of which a command line told the name and labels: policies judge it by these."""
    ingress = {"podSelector": {"matchLabels": DB}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"run": "access"}}}]}]}
    box = Fact("pod", {"namespace": "shop", "name": "box", "full": "shop/box", "ips": (), "labels": {"app": "box"}})
    asked = flow(node="", stack="box", src="", from_name="box")
    assert one(facts_of(small(policy("shop/p", ingress), box), asked, 0), "policy_denies").get("peer_name") == "shop/box"
    allowed = box.having(labels={"run": "access"})
    assert not [f for f in facts_of(small(policy("shop/p", ingress), allowed), asked, 0) if f.kind == "policy_denies"]


@pytest.mark.parametrize(("selector", "denied"), [
    ({"matchLabels": DB}, True), ({}, True), ({"matchLabels": {**DB, "tier": "x"}}, False),
    ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, False),
])  # fmt: skip
def test_pods_that_only_a_selector_tells_of(selector: dict[str, Any], denied: bool) -> None:
    """A Service's selector tells labels of the pods behind it that nobody listed; policies that ask for others leave it open."""
    rule = {"podSelector": selector, "ingress": [{"from": [{"podSelector": {"matchLabels": {"run": "access"}}}]}]}
    sender = pod("shop/web-1", "10.1.1.5", {"app": "web"})
    made = cluster(sender, service("shop/db", IP, DB, (5432, 5432)), ends("shop/db", "10.1.2.9", port=5432), policy("shop/p", rule), listed=False)
    found = [f for f in facts_of(made, flow(), 0) if f.kind == "policy_denies"]
    assert [f.get("pod") for f in found] == ["db-*"] * denied


def test_a_translated_sender_is_judged_as_it_arrives() -> None:
    """A node translates what leaves it: other nodes see the new source, its own pods the old one; what was supposed counts for none."""
    ingress = {"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}
    changed = {"flow": 0, "type": "source", "direction": "request", "before": "10.1.1.5", "after": "10.1.1.0"}
    made = small(policy("shop/p", ingress), pod("shop/box", "10.1.1.5", {"app": "web"}))
    asked = flow("10.1.2.9", src="10.1.1.5")
    assert not [f for f in facts_of(made, asked, 0) if f.kind == "policy_denies"]
    seen = Source("iptables-save")
    denied = one(facts_of(made, asked, 0, [Fact("nat", changed, "n1", source=seen)]), "policy_denies")
    assert (denied.get("side"), denied.get("peer"), denied.get("peer_kind")) == ("ingress", "10.1.1.0", "outside")
    for harmless in (Fact("nat", changed, "n2", source=seen), Fact("nat", changed, "n1")):
        assert not [f for f in facts_of(made, asked, 0, [harmless]) if f.kind == "policy_denies"]
