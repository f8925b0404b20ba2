"""What a node's proxy has, beside what the API asks for: what is told of it, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.kube_proxy import Service, save
from collectors.evidence import read_files
from engine.cluster import Cluster
from engine.computed import EXPANDERS
from engine.facts import HOST, Fact, FactBase
from engine.model import build
from engine.proxy.gaps import Proxies, facts_of
from engine.walk.trace import Flow

DB = Service("shop/db:pg", "10.96.7.7", 5432, ("10.244.1.8:5432", "10.244.1.9:5432"))
OTHER = Service("shop/cache", "10.96.7.8", 6379, ("10.244.3.9:6379",))
EMPTY = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
LINK = """\
2: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default
    link/ether 00:11:22:33:44:56 brd ff:ff:ff:ff:ff:ff
"""


def service(**more: Any) -> Fact:
    """The Service shop/db."""
    port = {"name": "pg", "port": 5432, "target_port": 5432, "protocol": "TCP"}
    fields = {"namespace": "shop", "name": "db", "type": "ClusterIP", "cluster_ips": ("10.96.7.7",), "ports": (port,), "selector": {"app": "db"}}
    return Fact("service", {**fields, **more})


def endpoints(*ready: str, not_ready: tuple[str, ...] = ()) -> Fact:
    """Its EndpointSlice."""
    fields: dict[str, Any] = {"namespace": "shop", "service": "db", "slice": True, "ports": ({"name": "pg", "port": 5432, "protocol": "TCP"},)}
    fields["ready"] = tuple({"address": a} for a in ready)
    return Fact("endpoints", {**fields, "not_ready": tuple({"address": a} for a in not_ready)})


def node(name: str) -> Fact:
    """A Node object."""
    return Fact("k8s_node", {"name": name, "addresses": (), "pod_cidrs": ()})


def proxy_pod(name: str, where: str, phase: str = "Running") -> Fact:
    """A pod of kube-proxy."""
    fields = {"namespace": "kube-system", "name": name, "phase": phase, "ready": phase == "Running", "ips": (), "host_network": True}
    return Fact("pod", {**fields, "node_name": where} if where else fields)


LISTED = Fact("collected", {"what": "pods", "scope": "all"})
BOTH = ("10.244.1.8", "10.244.1.9")


def base(rules: dict[str, str], *objects: Fact) -> FactBase:
    """Evidence: iptables of some nodes, and API objects."""
    files: dict[str, bytes] = {}
    for name, text in rules.items():
        files |= {f"nodes/{name}/iptables-save": text.encode(), f"nodes/{name}/ip_link": LINK.encode()}
    return FactBase((*(read_files(files).facts if files else ()), *objects), EXPANDERS)


def gaps(facts: FactBase, sender: str = "n2", dst: str = "10.96.7.7", port: int = 5432) -> list[dict[str, Any]]:
    """Fields of what is told of a flow to the Service."""
    flow = Flow(node=sender, stack=HOST, src="", dst=dst, port=port, protocol="tcp", from_name="web", to_name="db")
    return [dict(f.fields) for f in facts_of(Proxies(build(facts), Cluster(facts)), flow, 0)]


def told(found: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some fields of each."""
    return [tuple(each.get(name) for name in names) for each in found]


def test_what_agrees_with_the_api_is_no_gap() -> None:
    """All backends there, in whatever order, and others of the cluster too: nothing."""
    facts = base({"n1": save([DB, OTHER]), "n2": save([OTHER, DB])}, node("n1"), node("n2"), service(), endpoints(*reversed(BOTH)))
    assert gaps(facts) == []


def test_a_service_that_is_not_there() -> None:
    """It is missing, with the backends that it should have."""
    facts = base({"n1": save([DB, OTHER]), "n2": save([OTHER])}, node("n1"), node("n2"), service(), endpoints(*BOTH))
    found = gaps(facts)
    assert told(found, "what", "service", "programmed", "elsewhere", "other") == [("missing", "shop/db", 1, 2, "n1")]
    assert set(found[0]["eligible"]) == {"10.244.1.8:5432", "10.244.1.9:5432"}


def test_a_service_without_ready_backends_need_not_be_there() -> None:
    """kube-proxy writes no chain for it: its refusal, or nothing, is right."""
    nobody = Service("shop/db:pg", "10.96.7.7", 5432, ())
    for rules in (save([OTHER]), save([OTHER, nobody])):
        assert gaps(base({"n2": rules}, node("n2"), service(), endpoints(not_ready=BOTH))) == []


def test_a_refusal_that_is_out_of_date() -> None:
    """Backends are ready, and the node still turns connections away."""
    nobody = Service("shop/db:pg", "10.96.7.7", 5432, ())
    assert told(gaps(base({"n2": save([OTHER, nobody])}, node("n2"), service(), endpoints(*BOTH))), "what", "ready") == [("rejected", 2)]


def test_backends_that_are_gone_and_backends_that_lack() -> None:
    """What is no backend is stale; one that merely is not ready any more is not called gone."""
    rules = {"n2": save([DB])}
    gone = gaps(base(rules, node("n2"), service(), endpoints("10.244.1.8")))
    assert told(gone, "what", "wrong", "lacks") == [("stale", ("10.244.1.9:5432",), None)]
    assert gaps(base(rules, node("n2"), service(), endpoints("10.244.1.8", not_ready=("10.244.1.9",)))) == []
    lacks = gaps(base(rules, node("n2"), service(), endpoints(*BOTH, "10.244.1.10")))
    assert told(lacks, "what", "wrong", "lacks") == [("lacking", None, ("10.244.1.10:5432",))]


def test_endpoints_that_were_not_seen_prove_nothing_stale() -> None:
    """Without EndpointSlices only a Service that is not there at all is a gap."""
    assert gaps(base({"n2": save([DB])}, node("n2"), service())) == []
    assert told(gaps(base({"n2": save([OTHER])}, node("n2"), service())), "what") == [("missing",)]


def test_the_other_nodes_stand_in_for_the_api() -> None:
    """Without objects, what all others have and this one has not is missing; a machine outside of the cluster lacks nothing."""
    rules = {"n1": save([DB, OTHER]), "n2": EMPTY, "n3": save([DB, OTHER])}
    assert told(gaps(base(rules)), "what", "service", "programmed", "elsewhere") == [("missing", "shop/db", 0, 2)]
    assert gaps(base({**rules, "n3": save([OTHER])})) == []
    outside = read_files({f"nodes/{n}/iptables-save": t.encode() for n, t in rules.items()})
    assert gaps(FactBase(outside.facts, EXPANDERS)) == []


@pytest.mark.parametrize(
    ("pods", "state"),
    [
        ((proxy_pod("kube-proxy-a", "n1"),), "missing"),
        ((proxy_pod("kube-proxy-a", "n1"), proxy_pod("kube-proxy-b", "", "Pending")), "pending"),
        ((proxy_pod("kube-proxy-a", "n1"), proxy_pod("kube-proxy-b", "n2", "Failed")), "crashed"),
    ],
)
def test_the_api_alone_shows_a_proxy_that_does_not_run(pods: tuple[Fact, ...], state: str) -> None:
    """Without the node's own state, the pod of kube-proxy there tells."""
    objects = (node("n1"), node("n2"), service(), endpoints(*BOTH), LISTED, *pods)
    assert told(gaps(base({}, *objects)), "what", "pod_state") == [("unseen", state)]
    states = {f.node: f.get("pod_state") for f in base({}, *objects).of_kind("proxy_state")}
    assert states == {"n1": "running", "n2": state}


def test_a_listing_of_pods_alone_shows_it_to_a_pod_that_sends() -> None:
    """Neither Nodes nor machines were given: the pod's own row tells its node, on which the proxy's pod has ended."""
    sender = Fact("pod", {"namespace": "shop", "name": "web", "phase": "Running", "ready": True, "ips": ("10.244.2.4",), "node_name": "n2"})
    flow = Flow(node="", stack="", src="", dst="10.96.7.7", port=5432, protocol="tcp", from_name="shop/web", to_name="db")
    for phase, seen in (("Failed", [("n2", "crashed")]), ("Running", [])):
        facts = base({}, service(), endpoints(*BOTH), LISTED, sender, proxy_pod("kube-proxy-a", "n1"), proxy_pod("kube-proxy-b", "n2", phase))
        found = facts_of(Proxies(build(facts), Cluster(facts)), flow, 0)
        assert [(f.node, f.get("pod_state")) for f in found] == seen


def test_a_cluster_without_kube_proxy_is_left_alone() -> None:
    """Where no node runs one (an eBPF data plane, or pods that were not listed whole), nothing is concluded."""
    objects = (node("n1"), node("n2"), service(), endpoints(*BOTH))
    assert gaps(base({}, *objects, LISTED)) == []
    assert gaps(base({}, *objects, proxy_pod("kube-proxy-a", "n1"))) == []
    cilium = Fact("kube_config", {"namespace": "kube-system", "name": "cilium-config", "data": {"kube-proxy-replacement": "true"}})
    assert gaps(base({"n2": EMPTY}, *objects, cilium)) == []


def test_a_service_of_another_proxy_is_not_compared() -> None:
    """The label service-proxy-name takes a Service away from kube-proxy."""
    labelled = service(labels={"service.kubernetes.io/service-proxy-name": "mine"})
    assert gaps(base({"n2": save([OTHER])}, node("n2"), labelled, endpoints(*BOTH))) == []


def test_a_dump_that_was_cut_proves_nothing() -> None:
    """Of a table that is not whole, a Service that is not there is unknown."""
    whole = save([OTHER])
    assert gaps(base({"n2": whole[: whole.rindex("-A KUBE-SEP")]}, node("n2"), service(), endpoints(*BOTH))) == []
