"""Kubernetes objects: JSON, YAML and tables of the same cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from collectors.parsers.kubectl import parse
from collectors.place import Place
from engine.facts import Source

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

COMMANDS = [
    "kubectl get nodes -o json",
    "kubectl get pods -A -o json",
    "kubectl get services -A -o json",
    "kubectl get endpoints -A -o json",
    "kubectl get endpointslices -A -o json",
    "kubectl get configmaps -n kube-system -o json",
    "calicoctl get ippools -o json",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_yaml_gives_the_facts_of_json(recorded: Recorded, command: str) -> None:
    """As one list, as several documents, and as a bare list of objects."""
    source = recorded.source(command, "kubectl")
    facts = recorded.parse(parse, command, "kubectl")
    document = json.loads(source.text)
    items = document["items"]
    whole = recorded.text(parse, yaml.safe_dump(document), command)
    assert [fact.fields for fact in whole] == [fact.fields for fact in facts]
    assert [fact.text for fact in whole] == [fact.text for fact in facts]
    several = recorded.text(parse, "---\n" + yaml.safe_dump_all(items), command)
    assert [fact.fields for fact in several] == [fact.fields for fact in facts]
    bare = recorded.text(parse, yaml.safe_dump(items, sort_keys=True), command)
    assert [fact.fields for fact in bare] == [fact.fields for fact in facts]


def test_nodes(recorded: Recorded) -> None:
    """InternalIP first; a node without a pod CIDR has an empty list, not none."""
    facts = recorded.parse(parse, "kubectl get nodes -o json", "kubectl")
    node = recorded.only(facts, "k8s_node", name="node1")
    assert node.fields.items() >= {"addresses": ("192.0.2.5", "203.0.113.5"), "pod_cidrs": ("10.244.1.0/24",), "ready": True}.items()
    assert node.fields["annotations"]["flannel.alpha.coreos.com/public-ip"] == "192.0.2.5"
    assert node.text == "node node1 192.0.2.5 203.0.113.5 podCIDR 10.244.1.0/24"
    assert recorded.only(facts, "k8s_node", name="node2").fields.items() >= {"pod_cidrs": (), "ready": False}.items()
    assert recorded.covered(facts) == {("nodes", "all", 0)}


def test_pods(recorded: Recorded) -> None:
    """Addresses, node, host network, ports, owner; what the API does not say is absent."""
    facts = recorded.parse(parse, "kubectl get pods -A -o json", "kubectl")
    web = recorded.only(facts, "pod", name="web-7d4b9")
    assert web.fields.items() >= {"namespace": "default", "ips": ("10.244.1.5",), "node_name": "node1", "phase": "Running"}.items()
    assert web.fields.items() >= {"host_network": False, "ready": True, "dns_policy": "ClusterFirst", "owner": "ReplicaSet/web"}.items()
    assert web.fields["ports"] == ({"port": 8080, "protocol": "TCP", "name": "http", "host_port": 18080},)
    assert recorded.only(facts, "pod", name="kube-proxy-abcde").get("host_network") is True
    pending = recorded.only(facts, "pod", name="coredns-0")
    assert pending.get("ips") == ()
    assert not {"node_name", "ready", "owner"} & pending.fields.keys()
    assert recorded.covered(facts) == {("pods", "all", 0)}


def test_services(recorded: Recorded) -> None:
    """What the load balancer gave is kept apart from externalIPs; an old object without clusterIPs has its clusterIP."""
    facts = recorded.parse(parse, "kubectl get services -A -o json", "kubectl")
    web = recorded.only(facts, "service", name="web")
    assert web.fields["ports"] == (
        {"port": 80, "target_port": "http", "protocol": "TCP", "name": "http", "node_port": 30080},
        {"port": 9100, "target_port": 9100, "protocol": "TCP", "name": "metrics"},
    )
    assert web.fields.items() >= {"type": "LoadBalancer", "external_ips": ("198.51.100.80",), "external_policy": "Local"}.items()
    assert web.get("ingress_ips") == ("203.0.113.80",)
    assert recorded.only(facts, "service", name="kube-dns").get("cluster_ips") == ("10.96.0.10",)
    outside = {"external_name": "db.example.com", "cluster_ips": (), "ports": ()}
    assert recorded.only(facts, "service", name="outside").fields.items() >= outside.items()


def test_endpoints_and_slices(recorded: Recorded) -> None:
    """Ready and unready addresses; a Service without any has a fact that says so; an unknown condition is ready."""
    facts = recorded.parse(parse, "kubectl get endpoints -A -o json", "kubectl")
    web = recorded.only(facts, "endpoints", service="web")
    assert web.fields["ready"] == ({"address": "10.244.1.5", "node_name": "node1", "pod": "web-7d4b9"},)
    assert web.fields["not_ready"] == ({"address": "10.244.2.7", "node_name": "node2"},)
    assert recorded.only(facts, "endpoints", service="kube-dns").fields.items() >= {"ready": (), "not_ready": (), "slice": False}.items()
    facts = recorded.parse(parse, "kubectl get endpointslices -A -o json", "kubectl")
    web = recorded.only(facts, "endpoints", service="web")
    assert [each["address"] for each in web.fields["ready"]] == ["10.244.1.5", "10.244.3.8"]
    assert [each["address"] for each in web.fields["not_ready"]] == ["10.244.2.7"]
    assert web.fields["ports"] == ({"name": "http", "port": 8080, "protocol": "TCP"},)
    assert web.text == "endpointslice default/web-abc ready 10.244.1.5,10.244.3.8 not ready 10.244.2.7 ports 8080"
    assert recorded.only(facts, "endpoints", service="kube-dns").get("ready") == ()


def test_calico_pools_and_configuration(recorded: Recorded) -> None:
    """Calicoctl's and kubectl's pools read alike; a ConfigMap keeps its data."""
    facts = recorded.parse(parse, "calicoctl get ippools -o json", "kubectl")
    default = {"cidr": "192.168.0.0/16", "nat_outgoing": True, "disabled": False, "ipip": "Always", "vxlan": "Never", "block_size": 26}
    assert recorded.only(facts, "ippool", name="default-ipv4-ippool").fields.items() >= default.items()
    assert recorded.only(facts, "ippool", name="old").fields.items() >= {"disabled": True, "nat_outgoing": False, "ipip": "Never"}.items()
    assert recorded.covered(facts) == {("ippools", "all", 0)}
    facts = recorded.parse(parse, "kubectl get configmaps -n kube-system -o json", "kubectl")
    assert "forward . /etc/resolv.conf" in recorded.only(facts, "kube_config", name="coredns").fields["data"]["Corefile"]
    assert recorded.covered(facts) == {("configmaps", "kube-system", 0)}


@pytest.mark.parametrize(
    ("command", "covered"),
    [
        ("kubectl get pods -A -o json", {("pods", "all", 0)}),
        ("kubectl get po --all-namespaces -o=json", {("pods", "all", 0)}),
        ("kubectl -n web get pods,svc -o json", {("pods", "web", 0), ("services", "web", 0)}),
        # The namespace of a person's context: what else was printed tells it.
        ("kubectl get pods -o json", {("pods", "", 0)}),
        ("kubectl get no -o json", {("nodes", "all", 0)}),
        ("kubectl get ippools.crd.projectcalico.org -o json", {("ippools", "all", 0)}),
        ("kubectl get pod web -o json", set()),
        ("kubectl get pod/web -o json", set()),
        ("kubectl get pods -A -l app=web -o json", set()),
        ("kubectl get pods -A -o json | jq .", set()),
        ("", set()),
    ],
)
def test_what_an_empty_list_covers(recorded: Recorded, command: str, covered: set[object]) -> None:
    """The command line says which resources of which namespace do not exist."""
    assert recorded.covered(recorded.text(parse, '{"apiVersion": "v1", "kind": "List", "items": []}', command)) == covered


def test_without_a_command_line(recorded: Recorded) -> None:
    """Objects of several namespaces are taken for all; those of one namespace for that one; a single object for nothing."""
    text = recorded.source("kubectl get pods -A -o json", "kubectl").text
    assert recorded.covered(recorded.text(parse, text)) == {("pods", "all", 0)}
    items = json.loads(text)["items"]
    bare = [{key: item[key] for key in item if key not in {"kind", "apiVersion"}} for item in items[:2]]
    one = {"kind": "PodList", "apiVersion": "v1", "items": bare}
    facts = recorded.text(parse, json.dumps(one))
    assert recorded.covered(facts) == {("pods", "default", 0)}
    assert len([fact for fact in facts if fact.kind == "pod"]) == 2
    assert recorded.covered(recorded.text(parse, json.dumps(items[0]))) == set()
    chunk = {**one, "metadata": {"continue": "token"}}
    assert recorded.covered(recorded.text(parse, json.dumps(chunk), "kubectl get pods -A -o json")) == set()


def test_warnings_and_breaks(recorded: Recorded) -> None:
    """Lines before the document are counted; a broken document covers nothing."""
    source = recorded.source("kubectl get nodes -o json", "kubectl")
    facts = recorded.text(parse, "Warning: deprecated\n" + source.text, "kubectl get nodes -o json")
    assert recorded.unparsed(facts) == 1
    assert recorded.only(facts, "k8s_node", name="node2")
    facts = recorded.text(parse, source.text[:400], "kubectl get nodes -o json")
    assert recorded.unparsed(facts) > 0
    assert recorded.covered(facts) == set()
    text = "W0101 some warning\napiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n---\nkind: [\n"
    facts = recorded.text(parse, text, "kubectl get nodes -o yaml")
    assert recorded.only(facts, "k8s_node", name="n1").line == 2
    assert recorded.unparsed(facts) == 2
    assert recorded.covered(facts) == set()


def test_other_kinds_are_passed_over(recorded: Recorded) -> None:
    """Neither facts nor complaints."""
    assert recorded.text(parse, '{"kind": "Secret", "metadata": {"name": "x"}}') == []


def test_what_kubeadm_was_told() -> None:
    """The configuration file of ``kubeadm init`` tells the cluster's ranges, as the ConfigMap that comes of it; one without ranges tells nothing."""
    head = "apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\n"
    ranges = "networking:\n  dnsDomain: cluster.local\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/12\n"
    (fact,) = [f for f in parse(Source("init.yaml", head + ranges), Place("n1")) if f.kind == "kube_config"]
    assert (fact.get("name"), fact.get("data")) == ("kubeadm-config", {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/12"})
    assert not [f for f in parse(Source("init.yaml", head), Place("n1")) if f.kind == "kube_config"]
