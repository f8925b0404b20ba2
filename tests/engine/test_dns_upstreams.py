"""Servers of names that ask others: which flows a question about a name from outside adds, and what is known of whom they ask."""

from __future__ import annotations

from typing import Any

import pytest

from engine.dns_upstreams import asked_after, dns_upstream
from engine.facts import HOST, Fact, FactBase
from engine.forwarders import for_name, upstreams_of, where
from engine.model import build
from engine.question import understand
from engine.walk.trace import Flow

OBJECT = "configmap kube-system/coredns"
PORTS = ({"name": "dns", "port": 53, "protocol": "UDP"},)


def address(node: str, value: str, stack: str = HOST) -> Fact:
    """An address of a card."""
    return Fact("address", {"device": "eth0", "address": value, "prefixlen": 24, "family": 4, "scope": "global"}, node, stack)


def forwarder(*upstreams: str, file: str = OBJECT, node: str = "", program: str = "coredns", zone: str = ".") -> Fact:
    """A configuration that forwards."""
    return Fact("dns_forwarder", {"program": program, "file": file, "zone": zone, "port": 53, "upstreams": upstreams}, node)


def resolv(*servers: str, node: str = "n1", file: str = "/etc/resolv.conf", stack: str = HOST) -> Fact:
    """A resolv.conf."""
    return Fact("dns_config", {"nameservers": servers, "search": (), "options": (), "file": file}, node, stack)


def kubernetes() -> list[Fact]:
    """A node with a pod of CoreDNS, and the Service that leads to it."""
    name = {"namespace": "kube-system"}
    return [
        Fact("k8s_node", {"name": "n1", "addresses": ("10.20.0.11",), "pod_cidrs": ("10.244.1.0/24",)}),
        address("n1", "10.20.0.11"),
        Fact("pod", {**name, "name": "coredns-x1", "full": "kube-system/coredns-x1", "ips": ("10.244.1.4",), "node_name": "n1", "phase": "Running"}),
        Fact("pod", {"namespace": "shop", "name": "web", "full": "shop/web", "ips": ("10.244.1.9",), "node_name": "n1", "phase": "Running"}),
        Fact("service", {**name, "name": "kube-dns", "type": "ClusterIP", "cluster_ips": ("10.96.0.10",), "ports": PORTS, "selector": {"a": "b"}}),
        Fact("endpoints", {**name, "service": "kube-dns", "ready": ({"address": "10.244.1.4"},), "not_ready": (), "ports": PORTS, "slice": True}),
        *(Fact("collected", {"what": what, "scope": "all"}) for what in ("pods", "services")),
    ]


def asked(symptom: str, *facts: Fact) -> list[tuple[str, str, int, str]]:
    """Forwarded flows of a question: who asks whom, at which port, on whose behalf."""
    flows = understand(symptom, FactBase(facts), from_="web").flows
    return [(f.from_name, f.dst, f.port, f.behalf) for f in flows if f.behalf]


@pytest.mark.parametrize("symptom", ["web: lookup api.example.org: SERVFAIL", "web cannot resolve external names", "web 解析不了外部域名"])
def test_a_name_from_outside_is_asked_of_the_upstream_servers(symptom: str) -> None:
    """CoreDNS' pod asks every server of its configuration in turn."""
    found = asked(symptom, *kubernetes(), forwarder("10.20.0.2", "10.20.0.3#5353"))
    assert found == [("kube-system/coredns-x1", "10.20.0.2", 53, OBJECT), ("kube-system/coredns-x1", "10.20.0.3", 5353, OBJECT)]


@pytest.mark.parametrize(
    "symptom",
    [
        "web cannot resolve kube-dns.kube-system.svc.cluster.local", "web cannot resolve kube-dns.kube-system",
        "web cannot resolve db", "web cannot resolve names",
    ],
)
def test_a_name_of_the_cluster_is_not(symptom: str) -> None:
    """CoreDNS answers it itself; of names in general nothing says that they are from outside."""
    assert asked(symptom, *kubernetes(), forwarder("10.20.0.2")) == []


def test_zones() -> None:
    """Only a forwarder of the name's zone sends it on."""
    inner = forwarder("10.20.0.7", zone="corp.example")
    assert [for_name(inner, name) for name in ("db.corp.example", "corp.example", "notcorp.example", "")] == [True, True, False, False]
    assert for_name(forwarder("10.20.0.2"), "db.corp.example")
    assert asked("web cannot resolve api.example.org", *kubernetes(), inner) == []


def test_a_machine_asks_for_itself_and_others() -> None:
    """A dnsmasq is asked at its machine's address; one that runs elsewhere, or a server beyond the evidence, adds nothing."""
    own = forwarder("10.20.0.53", file="/etc/dnsmasq.conf", node="n1", program="dnsmasq")
    other = forwarder("10.20.0.54", file="/etc/dnsmasq.conf", node="n2", program="dnsmasq")
    base = [address("n1", "10.20.0.11"), address("n1", "10.1.0.5", "web"), own, other]
    symptom = "web cannot resolve api.example.org"
    assert asked(symptom, *base, resolv("10.20.0.11", stack="web")) == [("n1", "10.20.0.53", 53, "/etc/dnsmasq.conf of n1")]
    assert asked(symptom, *base, resolv("192.0.2.53", stack="web")) == []


def test_upstreams_of_a_file() -> None:
    """CoreDNS reads the node's resolv.conf, or the one that the kubelet is told of; its own loopback is another matter."""
    facts = [resolv("127.0.0.53", "10.20.0.2"), resolv("10.20.0.3", file="/run/systemd/resolve/resolv.conf")]
    kubelet = Fact("kubelet", {"resolv_conf": "/run/systemd/resolve/resolv.conf"}, "n1")

    def found(base: list[Fact], one: Fact) -> list[tuple[str, int, str]]:
        return [(up.address, up.port, up.protocol) for up in upstreams_of(FactBase(base), one, "n1", "coredns")]

    assert found(facts, forwarder("/etc/resolv.conf")) == [("10.20.0.2", 53, "udp")]
    assert found([*facts, kubelet], forwarder("/etc/resolv.conf")) == [("10.20.0.3", 53, "udp")]
    assert found(facts, forwarder("/etc/resolv.conf", program="dnsmasq", file="/etc/dnsmasq.conf", node="n1")) == []
    assert found([], forwarder("10.20.0.9#853", "fd00::53")) == [("10.20.0.9", 853, "tcp"), ("fd00::53", 53, "udp")]


def upstream(flow: Flow, *facts: Fact, sees: str = "depends") -> dict[str, Any]:
    """Fields of the fact of a forwarded flow; {} without one."""
    network = build(FactBase(facts))
    found = dns_upstream(network, flow, 1, [Fact("flow", {"flow": 1, "client_sees": sees}, "n1")])
    return dict(found[0].fields) if found else {}


def sent(dst: str, behalf: str = OBJECT) -> Flow:
    """What CoreDNS sends for others."""
    return Flow("n1", "", "10.244.1.4", dst, 53, "udp", "kube-system/coredns-x1", dst, behalf=behalf)


def test_nobody_in_the_cluster() -> None:
    """An address of the cluster's own ranges that no pod and no Service has is nobody's; any other may be somebody's."""
    data = {"ClusterConfiguration": "networking:\n  serviceSubnet: 10.96.0.0/12\n"}
    said = Fact("kube_config", {"namespace": "kube-system", "name": "kubeadm-config", "data": data})
    targets = ("10.96.0.99", "10.244.1.77", "10.96.0.10", "192.0.2.53")
    found = [upstream(sent(dst), *kubernetes(), said, forwarder(*targets)).get("nobody") for dst in targets]
    assert found == ["service", "pod", "", ""]
    assert upstream(sent("10.96.0.99"), said, forwarder(*targets))["nobody"] == ""


def test_whom_it_could_ask_instead() -> None:
    """A server that the machines ask, which is none that it asks already, no loopback and no Service."""
    facts = [*kubernetes(), forwarder("10.20.0.2", "10.20.0.3"), resolv("127.0.0.53", "10.96.0.10", "10.20.0.3", "10.20.0.4")]
    assert upstream(sent("10.20.0.2"), *facts)["other"] == "10.20.0.4"
    assert upstream(sent("10.20.0.2"), *facts[:-1])["other"] == ""


def test_the_log_of_coredns() -> None:
    """Only an error about this very server counts."""
    def log(end: str) -> Fact:
        text = f"plugin/errors: 2 a.example. a: read udp 10.244.1.4:4->{end}: i/o timeout"
        return Fact("component_log", {"program": "coredns", "text": text}, "n1")

    base = [*kubernetes(), forwarder("10.20.0.2", "fd00::53")]
    ends = ("10.20.0.2:53", "10.20.0.22:53", "10.20.0.2:5353")
    assert [upstream(sent("10.20.0.2"), *base, log(end))["logged"] for end in ends] == [True, False, False]
    assert upstream(sent("fd00::53"), *base, log("[fd00::53]:53"))["logged"] is True


def test_other_flows() -> None:
    """Whoever asks for itself, or by a configuration that is gone, is no forwarder."""
    assert upstream(sent("10.20.0.2", ""), forwarder("10.20.0.2")) == {}
    assert upstream(sent("10.20.0.9"), forwarder("10.20.0.2")) == {}


def test_the_server_after_a_change() -> None:
    """The flow goes to the server that the configuration has then; one that is still asked stays."""
    before, after = FactBase([forwarder("10.20.0.2", "10.20.0.3")]), FactBase([forwarder("10.20.0.9", "10.20.0.3")])
    assert where(before.of_kind("dns_forwarder")[0]) == OBJECT
    assert [asked_after(sent(dst), before, after).dst for dst in ("10.20.0.2", "10.20.0.3", "192.0.2.1")] == ["10.20.0.9", "10.20.0.3", "192.0.2.1"]
