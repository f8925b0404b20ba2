"""Joining objects, their several prints, and the nodes of the evidence."""

from __future__ import annotations

from time import process_time

from engine.cluster import Cluster
from engine.cluster.inventory import pod_range_of
from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase
from tests.engine.cluster.conftest import cluster, ends, held, namespace, node, pod, policy, seen, service


def test_prints_of_one_object() -> None:
    """A table and YAML of one pod are one pod: each tells what the other leaves out, and the fuller one is cited."""
    table = Fact("pod", {"namespace": "shop", "name": "web", "ips": ("10.1.1.5",), "node_name": "n1"}, line=2)
    more = {"labels": {"app": "web"}, "phase": "Running", "ready": True, "host_network": False}
    full = Fact("pod", {"namespace": "shop", "name": "web", **more}, line=40)
    made = cluster(table, full)
    web = made.pods["shop", "web"]
    assert (web.ips, web.labels, web.fact.line, len(made.pods)) == (("10.1.1.5",), {"app": "web"}, 40, 1)


def test_names_of_nodes() -> None:
    """A Kubernetes node is joined to the evidence by name, by hostname (long or short), by its hostname label, else by an address of its own."""
    made = cluster(
        node("n1", "10.0.0.1"), node("n2.example", "10.0.0.2"), node("ip-10-0-0-3", "10.0.0.3"), node("n4", "10.0.0.4"),
        node("fourth", "10.0.0.5").having(labels={"kubernetes.io/hostname": "box5"}),
        held("n1", "10.0.0.1"), held("n1", "172.17.0.1"), Fact("host", {"hostname": "N2"}, "second"), held("third", "10.0.0.3"),
        held("third", "172.17.0.1"),
        Fact("netns", {"name": "host"}, "n1"), Fact("netns", {"name": "host"}, "box5"),
    )
    assert [made.host_of(name) for name in ("n1", "n2.example", "ip-10-0-0-3", "n4", "fourth")] == ["n1", "second", "third", "", "box5"]
    third = made.node_of("third")
    assert third is not None
    assert third.name == "ip-10-0-0-3"
    assert made.node_of("elsewhere") is None
    assert made.host_of("unheard") == ""
    assert (made.node_at("10.0.0.3"), made.node_at("172.17.0.1"), made.node_at("10.9.9.9")) == (third, None, None)


def test_node_by_its_own_address() -> None:
    """An address that only a node's own state shows is that node's."""
    made = cluster(node("n1", "10.0.0.1"), held("n1", "10.0.0.1"), held("n1", "192.168.50.1"), Fact("netns", {"name": "host"}, "n1"))
    found = made.node_at("192.168.50.1")
    assert found is not None
    assert found.name == "n1"


def test_nodes_that_only_pods_name() -> None:
    """A pod's nodeName is a node, if nothing else is known of it."""
    made = cluster(pod("shop/web", "10.1.1.5", {}, "n9"))
    assert made.nodes["n9"].fact is None


def test_pods() -> None:
    """By address, node, namespace, labels and stack; those in the host's network have no address of their own."""
    made = cluster(
        node("n1", "10.0.0.1"), pod("shop/web", "10.1.1.5", {"app": "web"}), pod("kube-system/agent", "10.0.0.1", {}, host_network=None),
        pod("shop/done", "10.1.1.6", {"app": "web"}, phase="Succeeded"), held("n1", "10.1.1.5", "web-ns"), held("n1", "10.0.0.1"),
        Fact("netns", {"name": "host"}, "n1"),
    )
    assert [p.full for p in made.pods_at("10.1.1.5")] == ["shop/web"]
    assert made.pods_at("10.0.0.1") == made.pods_at("10.1.1.6") == ()
    assert made.on_host(made.pods["kube-system", "agent"])
    assert {p.name for p in made.pods_on("n1")} == {"web", "agent", "done"}
    assert [p.name for p in made.pods_selected("shop", {"app": "web"})] == ["web"]
    assert made.pods_selected("shop", {}) == ()
    assert made.stack_of(made.pods["shop", "web"]) == ("n1", "web-ns")
    assert made.stack_of(made.pods["kube-system", "agent"]) == ("n1", "host")
    assert made.labels_known("shop")
    assert not cluster(pod("shop/web", "", None)).labels_known("shop")


def test_an_address_that_pods_of_a_node_share_is_the_nodes() -> None:
    """Tables show neither hostNetwork nor, alone, whose address it is; two nodes that gave one address away are another matter."""
    proxy, agent = (pod(f"kube-system/{name}", "10.0.0.1", None, host_network=None) for name in ("kube-proxy-x", "agent-x"))
    made = cluster(proxy, agent, pod("shop/web", "10.1.1.5", None, host_network=None), pod("shop/far", "10.1.1.5", None, at="n2", host_network=None))
    assert [p.name for p in made.pods.values() if made.on_host(p)] == ["kube-proxy-x", "agent-x"]
    assert made.pods_at("10.0.0.1") == ()


def test_names_of_ports_that_a_print_hides() -> None:
    """``kubectl describe`` may leave out the names of ports: then they are not known."""
    ports = ({"port": 80, "protocol": "TCP", "host_port": 8080},)
    assert cluster(pod("shop/web", "10.1.1.5", {}, ports=ports, ports_unnamed=True)).pods["shop", "web"].ports is None
    known = cluster(pod("shop/web", "10.1.1.5", {}, ports=ports)).pods["shop", "web"].ports or ()
    assert [(p.port, p.host_port) for p in known] == [(80, 8080)]


def test_services() -> None:
    """By every address that leads to them; EndpointSlices count before Endpoints; a backend's pod and node are found by its address."""
    made = cluster(
        pod("shop/web", "10.1.1.5", {}), service("shop/web", "10.96.0.20", {}, (80, 80), external_ips=("192.0.2.7",)),
        service("shop/none", "", {}, (80, 80), cluster_ips=("None",)),
        ends("shop/web", "10.1.1.5", "10.1.1.9"), ends("shop/web", "10.9.9.9").having(slice=False),
    )
    web = made.services["shop", "web"]
    assert [s.name for s in made.services_at("192.0.2.7")] == ["web"]
    assert [(b.address, b.pod, b.node) for b in made.backends(web) or ()] == [("10.1.1.5", "shop/web", "n1"), ("10.1.1.9", "", "")]
    assert [s.name for s in made.services_of("10.1.1.5")] == ["web"]
    assert (made.services["shop", "none"].headless, made.backends(made.services["shop", "none"])) == (True, ())
    said = {"address": "10.1.1.5", "pod": "web-1", "node_name": "n3"}
    named = cluster(service("shop/web", "", {}, (80, 80)), ends("shop/web").having(ready=(said,)))
    assert [(b.pod, b.node) for b in named.backends(named.services["shop", "web"]) or ()] == [("shop/web-1", "n3")]


def test_the_dns_service_of_a_table() -> None:
    """A table shows no selector, but every distribution's DNS Service has the same; other Services, and pods that were not seen, are not guessed."""
    unseen = tuple(f for f in seen() if f.get("what") != "endpointslices")
    dns, web = service("kube-system/kube-dns", "10.96.0.10", None, (53, None)), service("kube-system/web", "10.96.0.11", None, (80, None))
    serving = pod("kube-system/coredns-1", "10.1.1.9", {"k8s-app": "kube-dns"})
    made = Cluster(FactBase([dns, web, serving, *unseen], EXPANDERS))
    backends = made.backends(made.services["kube-system", "kube-dns"])
    assert backends is not None
    assert [(b.address, [p.port for p in b.ports]) for b in backends] == [("10.1.1.9", [53])]
    assert made.backends(made.services["kube-system", "web"]) is None
    bare = Cluster(FactBase([dns, *unseen], EXPANDERS))
    assert bare.backends(bare.services["kube-system", "kube-dns"]) is None


def test_policies_namespaces_and_the_rest() -> None:
    """By place and flavour; labels of namespaces are unknown where they were not seen."""
    made = cluster(
        namespace("shop"), Fact("namespace", {"name": "ops", "phase": "Active"}), policy("shop/p", {}), policy("g", {}, "calico-global"),
        Fact("ippool", {"name": "default", "cidr": "10.1.0.0/16"}),
        Fact("workload", {"type": "DaemonSet", "namespace": "kube-system", "name": "kube-proxy"}),
    )
    assert [p.get("name") for p in made.policies_in("shop")] == ["p"]
    assert [p.get("name") for p in made.policies_in("", "calico-global")] == ["g"]
    assert made.namespace_labels("ops") is None
    assert made.namespace_selected({"matchLabels": {"team": "x"}}, "ops") is None
    assert made.namespace_selected({}, "ops") is True
    assert [f.get("name") for f in made.workloads("DaemonSet")] == ["kube-proxy"]
    assert len(made.workloads()) == 1
    assert made.workloads("Deployment") == ()
    assert made.config("kube-system", "kube-proxy") is None
    assert made.listed("pods", "shop")
    assert not Cluster(FactBase([])).known


def test_range_of_a_pod() -> None:
    """The narrowest range that holds an address."""
    made = cluster(node("n1", "10.0.0.1").having(pod_cidrs=("10.1.1.0/24",)), Fact("ippool", {"name": "default", "cidr": "10.1.0.0/16"}))
    found = pod_range_of(made, "10.1.1.5")
    assert found is not None
    assert found.cidr == "10.1.1.0/24"
    assert pod_range_of(made, "10.9.0.1") is None


def test_size() -> None:
    """A cluster of 100 nodes, 3,000 pods and 1,000 Services is indexed well within a second."""
    facts = [node(f"n{n}", f"10.0.0.{n + 1}") for n in range(100)]
    facts += [pod(f"ns{p % 40}/a{p % 1000}-{p}", f"10.64.{p % 100}.{p // 100 + 2}", {"app": f"a{p % 1000}"}, f"n{p % 100}") for p in range(3000)]
    facts += [service(f"ns{s % 40}/a{s}", f"10.96.{s // 250}.{s % 250 + 1}", {"app": f"a{s}"}, (80, 8080)) for s in range(1000)]
    facts += [ends(f"ns{s % 40}/a{s}", *(f"10.64.{p % 100}.{p // 100 + 2}" for p in (s, s + 1000, s + 2000))) for s in range(1000)]
    base = FactBase([*facts, *seen()], EXPANDERS)
    began = process_time()
    assert len(base.of_kind("service_backends")) == 1000
    assert process_time() - began < 1.0
