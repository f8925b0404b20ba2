"""``kubectl describe``: what people paste most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import sections
from collectors.parsers.kubectl import parse
from collectors.place import Place
from engine.facts import Fact, Source

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

COMMAND = "kubectl describe pod svc networkpolicy endpointslice node"


@pytest.fixture(scope="module")
def facts(recorded: Recorded) -> list[Fact]:
    """Everything that the recorded descriptions tell."""
    return recorded.parse(parse, COMMAND, "kubectl")


def test_all_is_understood(recorded: Recorded, facts: list[Fact]) -> None:
    """No line is left; nothing is claimed to be a whole listing; the text is recognised without its name."""
    assert recorded.unparsed(facts) == 0
    assert recorded.covered(facts) == set()
    assert [s.format for s in sections("paste.txt", recorded.source(COMMAND, "kubectl").text)] == ["kubernetes"]


def test_pod(recorded: Recorded, facts: list[Fact]) -> None:
    """Address, node, labels, probe, readiness; names of ports that are not printed are said to be unknown."""
    web = recorded.only(facts, "pod", name="web-7d4b9-x2x")
    assert web.fields.items() >= {"namespace": "shop", "ips": ("10.244.1.6",), "node_name": "node1", "host_ip": "192.168.1.11",
        "ready": False}.items()
    assert web.fields.items() >= {"host_network": False, "phase": "Running", "restarts": 3, "ports_unnamed": True}.items()
    assert web.get("labels") == {"app": "web", "pod-template-hash": "7d4b9"}
    assert web.get("probes")[0].startswith("http-get http://:8080/healthz")
    event = recorded.only(facts, "k8s_event", object="Pod/web-7d4b9-x2x")
    assert (event.get("reason"), event.get("count"), event.get("last")) == ("Unhealthy", 50, "2m")
    assert "connection refused" in event.get("message")


def test_pod_in_its_nodes_network(recorded: Recorded, facts: list[Fact]) -> None:
    """A pod with its node's address lives there; newer versions name ports; a container that waits says why."""
    pod = recorded.only(facts, "pod", name="dns-test")
    assert pod.fields.items() >= {"host_network": True, "reason": "ImagePullBackOff", "phase": "Pending"}.items()
    assert pod.get("ports") == ({"port": 53, "protocol": "UDP", "name": "dns", "host_port": 5353}, {"port": 53, "protocol": "TCP", "name": "dns-tcp"})
    assert "ports_unnamed" not in pod.fields


def test_service(recorded: Recorded, facts: list[Fact]) -> None:
    """Ports with names, targets and node ports; the ready endpoints of each port."""
    web = recorded.only(facts, "service")
    assert web.get("ports") == (
        {"port": 80, "protocol": "TCP", "name": "http", "target_port": "http", "node_port": 30080},
        {"port": 9100, "protocol": "TCP", "name": "metrics", "target_port": 9100, "node_port": 30910},
    )
    assert web.fields.items() >= {"type": "NodePort", "cluster_ips": ("10.96.20.30",), "selector": {"app": "web", "tier": "front"}}.items()
    behind = [f for f in facts if f.kind == "endpoints" and f.text.startswith("endpoints of service")]
    assert [(len(f.get("ready")), f.get("ports")) for f in behind] == [(0, ()), (2, ({"port": 9100, "protocol": "TCP", "name": "metrics"},))]


def test_other_kinds_of_services(recorded: Recorded) -> None:
    """Headless, external name, load balancer; a list of endpoints that is cut tells nothing."""
    text = "Name:  {0}\nNamespace:  shop\nLabels:  <none>\nSelector:  app={0}\nType:  {1}\nIP:  {2}\n{3}Session Affinity:  ClientIP\n"
    many = "Port:  <unset>  80/TCP\nTargetPort:  80/TCP\nEndpoints:  10.244.1.5:80,10.244.1.6:80 + 3 more...\n"
    found = recorded.text(parse, text.format("a", "ClusterIP", "None", many))
    assert recorded.only(found, "service").fields.items() >= {"cluster_ips": ("None",), "affinity": "ClientIP"}.items()
    assert [f for f in found if f.kind == "endpoints"] == []
    named = recorded.text(parse, text.format("b", "ExternalName", "", "External Name:  db.example.com\n"))
    assert recorded.only(named, "service").get("external_name") == "db.example.com"
    balanced = text.format("c", "LoadBalancer", "10.96.0.5", "External IPs:  192.0.2.9\nLoadBalancer Ingress:  198.51.100.4 (VIP)\n")
    balancer = recorded.only(recorded.text(parse, balanced), "service")
    assert balancer.fields.items() >= {"external_ips": ("192.0.2.9",), "ingress_ips": ("198.51.100.4",)}.items()
    six = "Port:  <unset>  80/TCP\nEndpoints:  [fd00::5]:80\n"
    assert recorded.only(recorded.text(parse, text.format("d", "ClusterIP", "fd00:96::5", six)),
        "endpoints").get("ready") == ({"address": "fd00::5"},)


def test_network_policy(recorded: Recorded, facts: list[Fact]) -> None:
    """The specification, as the API has it."""
    assert recorded.only(facts, "network_policy").fields == {
        "flavour": "kubernetes", "namespace": "shop", "name": "allow-front",
        "spec": {
            "podSelector": {"matchLabels": {"app": "db"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "ports": [{"port": 6379, "protocol": "TCP"}, {"port": 8000, "protocol": "TCP", "endPort": 9000}],
                    "from": [
                        {"namespaceSelector": {"matchLabels": {"project": "myproject"}}, "podSelector": {"matchLabels": {"role": "frontend"}}},
                        {"ipBlock": {"cidr": "172.17.0.0/16", "except": ["172.17.1.0/24"]}},
                    ],
                },
                {"from": [{"podSelector": {"matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"},
                ]}}]},
            ],
        },
    }


def test_policies_that_isolate_or_open(recorded: Recorded) -> None:
    """``<none>`` in place of rules isolates; ``<any>`` opens; names and exotic selectors are kept."""
    head = "Name:  p\nNamespace:  shop\nCreated on:  2024-01-01\nLabels:  <none>\nAnnotations:  <none>\nSpec:\n"
    closed = head + (
        "  PodSelector:     <none> (Allowing the specific traffic to all pods in this namespace)\n"
        "  Allowing ingress traffic:\n    <none> (Selected pods are isolated for ingress connectivity)\n"
        "  Not affecting egress traffic\n  Policy Types: Ingress\n"
    )
    assert recorded.only(recorded.text(parse, closed), "network_policy").get("spec") == {"podSelector": {}, "ingress": [], "policyTypes": ["Ingress"]}
    opened = head + (
        "  PodSelector:     has,k notin (v)\n  Not affecting ingress traffic\n  Allowing egress traffic:\n"
        "    To Port: dns/UDP\n    To Port: <any> (traffic allowed to all ports)\n    To: <any> (traffic not restricted by destination)\n"
        "  Policy Types: Egress\n"
    )
    spec = recorded.only(recorded.text(parse, opened), "network_policy").get("spec")
    assert spec["egress"] == [{"ports": [{"port": "dns", "protocol": "UDP"}]}]
    assert spec["podSelector"]["matchExpressions"] == [{"key": "has", "operator": "Exists"}, {"key": "k", "operator": "NotIn", "values": ["v"]}]


def test_endpoints(recorded: Recorded, facts: list[Fact]) -> None:
    """Of slices and of the older objects, with readiness, pod and node."""
    one = recorded.only(facts, "endpoints", name="web-abc")
    assert one.fields.items() >= {"service": "web", "slice": True, "ready": (), "ports": ({"port": 8080, "protocol": "TCP", "name": "http"},)}.items()
    assert one.get("not_ready") == ({"address": "10.244.1.6", "node_name": "node1", "pod": "web-7d4b9-x2x"},)
    old = recorded.only(facts, "endpoints", name="web")
    assert (old.get("ready"), old.get("not_ready")) == (({"address": "10.244.1.7"},), ({"address": "10.244.1.6"},))
    leaving = (
        "Name:  s\nNamespace:  shop\nLabels:  kubernetes.io/service-name=web\nAddressType:  IPv4\nPorts:  <unset>\nEndpoints:\n"
        "  - Addresses:  10.244.1.6\n    Conditions:\n      Ready:    false\n      Serving:  true\n      Terminating: true\n"
    )
    made = recorded.only(recorded.text(parse, leaving), "endpoints")
    assert made.get("not_ready") == ({"address": "10.244.1.6", "serving": True, "terminating": True},)
    empty = "Name:  web\nNamespace:  shop\nLabels:  <none>\nSubsets:\nEvents:  <none>\n"
    assert recorded.only(recorded.text(parse, empty), "endpoints").fields.items() >= {"ready": (), "not_ready": (), "slice": False}.items()


def test_nodes_namespaces_and_workloads(recorded: Recorded, facts: list[Fact]) -> None:
    """Addresses and ranges of nodes; labels of namespaces; how many pods there should be."""
    node = recorded.only(facts, "k8s_node")
    assert node.fields.items() >= {"name": "node1", "addresses": ("192.168.1.11",), "pod_cidrs": ("10.244.0.0/24",), "ready": True}.items()
    assert node.get("taints") == ("node-role.kubernetes.io/control-plane:NoSchedule",)
    assert node.get("annotations") == {"flannel.alpha.coreos.com/public-ip": "10.0.2.15"}
    assert recorded.only(facts, "namespace").get("labels") == {"kubernetes.io/metadata.name": "shop", "team": "web"}
    proxy, web = recorded.only(facts, "workload", type="DaemonSet"), recorded.only(facts, "workload", type="Deployment")
    assert [(f.get("desired"), f.get("available")) for f in (proxy, web)] == [(3, 2), (3, 1)]
    assert web.get("probes")[0].startswith("http-get")


def test_tables_in_front(recorded: Recorded) -> None:
    """What was pasted in front of a description, without a prompt, is read as well."""
    table = "NAME    READY   STATUS    RESTARTS   AGE   IP           NODE\nweb-1   1/1     Running   0          1d    10.244.1.5   node1\n\n"
    text = table + "Name:  shop\nLabels:  a=b\nStatus:  Active\n"
    found = recorded.text(parse, text)
    assert recorded.only(found, "pod").get("ips") == ("10.244.1.5",)
    assert recorded.only(found, "namespace").get("labels") == {"a": "b"}


def test_arguments_are_kept_of_components_only(recorded: Recorded) -> None:
    """Command lines of the cluster's own pods, without what may be a secret; those of others are nobody's business."""
    text = (
        "Name:  p\nNamespace:  {}\nPriority:  0\nNode:  n1/10.0.0.1\nLabels:  <none>\nStatus:  Running\nContainers:\n  c:\n"
        "    Command:\n      kube-controller-manager\n      --cluster-cidr=10.244.0.0/16\n      --token=abc\n"
    )
    kept = recorded.only(recorded.text(parse, text.format("kube-system")), "pod").get("args")
    assert kept == ("kube-controller-manager", "--cluster-cidr=10.244.0.0/16")
    assert "args" not in recorded.only(recorded.text(parse, text.format("shop")), "pod").fields


def test_unknown_objects(recorded: Recorded) -> None:
    """Descriptions of other kinds are passed over."""
    assert recorded.text(parse, "Name:  x\nNamespace:  shop\nData\n====\n") == []


@given(st.text(alphabet=st.sampled_from("abN:- \n<>/,1."), max_size=300))
def test_any_text(text: str) -> None:
    """Never raises, whatever follows a name."""
    parse(Source("pasted", f"Name:  x\nNamespace:  y\nType:  z\nSelector:  q\nSpec:\n{text}"), Place("n1"))


BARE = """\
stuck since an hour:

Events:
  Type     Reason                  Age                From                         Message
  ----     ------                  ----               ----                         -------
  Normal   Scheduled               32s                default-scheduler            Successfully assigned shop/web-1 to node-a
  Warning  FailedCreatePodSandBox  31s (x4 over 40s)  kubelet, node-a.example.org  Failed create pod sandbox: no addresses left
"""


def test_events_alone() -> None:
    """Where only the events of a description were pasted, their own words tell the pod, and who says so is no part of the message."""
    assert [s.format for s in sections("pasted.txt", BARE)] == ["kubernetes"]
    scheduled, failed = parse(Source("pasted.txt", BARE), Place("n1"))
    assert (scheduled.get("object"), scheduled.get("namespace"), failed.get("object"), failed.get("count")) == ("Pod/web-1", "shop", "Pod/web-1", 4)
    assert failed.get("message") == "Failed create pod sandbox: no addresses left"
    assert failed.line == 7


def test_a_row_of_events_alone() -> None:
    """One row is enough, indented or not; the sandbox's message names the pod as name_namespace."""
    row = 'Warning  FailedCreatePodSandBox  4m10s (x4 over 4m13s)   kubelet  failed to set up pod "web-1_shop" network: no addresses left\n'
    assert [s.format for s in sections("pasted.txt", row)] == ["kubernetes"]
    (event,) = parse(Source("pasted.txt", row), Place("n1"))
    assert (event.get("object"), event.get("namespace")) == ("Pod/web-1", "shop")
