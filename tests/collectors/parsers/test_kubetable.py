"""Tables of kubectl and calicoctl show a part of what JSON says, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.parsers.kubectl import parse
from collectors.place import Place
from engine.facts import Source

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded


TABLES = {
    "kubectl get pods -A -o wide": ("pod", "namespace", "name"),
    "kubectl get services -A -o wide": ("service", "namespace", "name"),
    "kubectl get nodes -o wide": ("k8s_node", "name"),
    "calicoctl get ippools -o wide": ("ippool", "name"),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_agrees_with_the_document(recorded: Recorded, table: str) -> None:
    """Column by column (ports lack names and targets, external addresses come in another order)."""
    kind, *key = TABLES[table]
    facts, reference = recorded.parse(parse, table, "kubectl"), recorded.parse(parse, table.replace("wide", "json"), "kubectl")
    assert recorded.disagreements(reference, facts, kind, key, ("ports", "external_ips") if kind == "service" else ()) == []
    assert recorded.covered(facts) == recorded.covered(reference)
    assert recorded.unparsed(facts) == 0


def test_services(recorded: Recorded) -> None:
    """Ports with node ports, external addresses, external names."""
    facts = recorded.parse(parse, "kubectl get services -A -o wide", "kubectl")
    ports = ({"port": 80, "protocol": "TCP", "node_port": 30080}, {"port": 9100, "protocol": "TCP"})
    assert recorded.only(facts, "service", name="web").fields.items() >= {"ports": ports, "external_ips": ("203.0.113.80", "198.51.100.80")}.items()
    assert recorded.only(facts, "service", name="outside").get("external_name") == "db.example.com"


def test_endpoints(recorded: Recorded) -> None:
    """``<none>`` is an empty list; a list that was cut is unknown."""
    facts = recorded.parse(parse, "kubectl get endpoints -A", "kubectl")
    web = {"ready": ({"address": "10.244.1.5"},), "ports": ({"port": 8080},)}
    assert recorded.only(facts, "endpoints", service="web").fields.items() >= web.items()
    assert recorded.only(facts, "endpoints", service="kube-dns").get("ready") == ()
    assert "ready" not in recorded.only(facts, "endpoints", service="many").fields


def test_namespaces_and_unknown_tables(recorded: Recorded) -> None:
    """Without a NAMESPACE column the option tells; tables of other resources are passed over; other text is counted."""
    text = "NAME      READY   STATUS      RESTARTS   AGE\npod/job   0/1     Completed   0          1d\n\nNAME   DATA   AGE\nx      1      1d\n"
    facts = recorded.text(parse, text, "kubectl get all -n batch")
    assert recorded.only(facts, "pod").fields == {"namespace": "batch", "name": "job", "full": "batch/job", "phase": "Succeeded", "ready": False}
    assert recorded.covered(recorded.text(parse, "No resources found\n", "kubectl get pods -A")) == {("pods", "all", 0)}
    facts = recorded.text(parse, "The connection to the server was refused\n", "kubectl get pods -A")
    assert recorded.unparsed(facts) == 1
    assert recorded.covered(facts) == set()
    slices = "NAME    ADDRESSTYPE   PORTS   ENDPOINTS    AGE\nweb-x   IPv4          8080    10.244.1.5   5d\n"
    assert recorded.text(parse, slices) == []


def test_namespaces_policies_workloads_events(recorded: Recorded) -> None:
    """Tables of the other resources that tell something of a network."""
    spaces = recorded.text(parse, "NAME      STATUS   AGE   LABELS\nshop      Active   1d    kubernetes.io/metadata.name=shop,team=web\n")
    assert recorded.only(spaces, "namespace").get("labels") == {"kubernetes.io/metadata.name": "shop", "team": "web"}
    policies = recorded.text(parse, "NAMESPACE   NAME   POD-SELECTOR   AGE\nshop        deny   app=db         1d\n")
    known = {"flavour": "kubernetes", "namespace": "shop", "name": "deny"}
    assert recorded.only(policies, "network_policy").fields == {**known, "pod_selector": {"matchLabels": {"app": "db"}}}
    for text, selector in (("<none>", {}), ("app in (a,b)", None)):
        table = f"NAMESPACE   NAME   POD-SELECTOR   AGE\nshop        deny   {text:12}   1d\n"
        assert recorded.only(recorded.text(parse, table), "network_policy").get("pod_selector") == selector
    daemons = "NAMESPACE     NAME         DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR   AGE\n"
    daemons += "kube-system   kube-proxy   3         3         2       3            2           <none>          1d\n"
    assert recorded.only(recorded.text(parse, daemons), "workload").fields.items() >= {"type": "DaemonSet", "desired": 3, "ready": 2,
        "available": 2}.items()
    deployments = "NAME   READY   UP-TO-DATE   AVAILABLE   AGE\nweb    1/3     3            1           1d\n"
    assert recorded.only(recorded.text(parse, deployments), "workload").fields.items() >= {"type": "Deployment", "desired": 3, "ready": 1}.items()
    events = "LAST SEEN   TYPE      REASON      OBJECT      MESSAGE\n2m          Warning   Unhealthy   pod/web-1   Readiness probe failed\n"
    assert recorded.only(recorded.text(parse, events), "k8s_event").fields.items() >= {"object": "Pod/web-1", "reason": "Unhealthy",
        "last": "2m"}.items()
    calico = "NAME   ASN       IPV4          IPV6\nn1     (64512)   10.0.0.1/24\n"
    assert recorded.only(recorded.text(parse, calico), "calico_node").fields == {"name": "n1", "ipv4": "10.0.0.1/24", "as_number": "64512"}


def test_a_pod_that_has_trouble(recorded: Recorded) -> None:
    """The status column is the reason; restarts are counted."""
    head = "NAME   READY   STATUS             RESTARTS       AGE   IP           NODE\n"
    facts = recorded.text(parse,
        head + "a      0/1     CrashLoopBackOff   14 (2m ago)    1d    10.244.1.5   n1\n"
        "b      1/1     Terminating        0              1d    <none>       n1\n")
    assert recorded.only(facts, "pod", name="a").fields.items() >= {"reason": "CrashLoopBackOff", "restarts": 14, "ips": ("10.244.1.5",)}.items()
    assert recorded.only(facts, "pod", name="b").fields.items() >= {"terminating": True, "ips": ()}.items()


@pytest.mark.parametrize(("status", "phase"), [("Evicted", "Failed"), ("OutOfcpu", "Failed"), ("Completed", "Succeeded"), ("CrashLoopBackOff", None)])
def test_what_ended_a_pod_stands_for_its_phase(recorded: Recorded, status: str, phase: str | None) -> None:
    """Kubectl prints the reason where a kubelet ended a pod; of a container's trouble the phase is not known."""
    text = f"NAME   READY   STATUS   RESTARTS   AGE   IP   NODE\nweb   0/1   {status}   0   3d   <none>   n1\n"
    (pod,) = (f for f in recorded.text(parse, text, "kubectl get pods -o wide") if f.kind == "pod")
    assert pod.get("phase") == phase


def test_a_table_that_lost_its_alignment(recorded: Recorded) -> None:
    """Pasted through a chat: two spaces part the cells, or single ones where each cell is one word."""
    head = "NAME    READY   STATUS    RESTARTS   AGE   IP           NODE\n"
    facts = recorded.text(parse, f"{head}web-with-a-long-name-1  1/1  Running  2 (3h ago)  1d  10.244.1.5  node1\n"
        "web-with-a-long-name-2 1/1 Running 0 1d 10.244.1.6 node2\n")
    assert [(f.get("ips"), f.get("node_name")) for f in facts if f.kind == "pod"] == [(("10.244.1.5",), "node1"), (("10.244.1.6",), "node2")]


def test_lines_of_another_output() -> None:
    """What follows a table without a prompt of its own is no row of it, however many words it has."""
    text = (
        "NAME    READY   STATUS    RESTARTS   AGE   IP           NODE   NOMINATED NODE   READINESS GATES\n"
        "db-0    1/1     Running   0          9h    10.31.3.10   n3     <none>           <none>\n"
        "Connection to 10.31.3.10 5432 port [tcp/postgresql] succeeded!\n"
    )
    facts = parse(Source("pasted", text, "kubectl get pods -o wide"), Place("n1"))
    assert [f.get("name") for f in facts if f.kind == "pod"] == ["db-0"]
    assert [f.get("count") for f in facts if f.kind == "unparsed"] == [1]


ROWS: dict[str, tuple[str, dict[str, object]]] = {
    "kubectl get pods -n shop | grep web": ("web-1   0/1   Running   3 (2m ago)   41m", {"full": "shop/web-1", "ready": False}),
    "kubectl get po -A -owide --show-labels|grep web": (
        "shop   web-1   1/1   Running   0   10m   10.1.0.5   n1   <none>   <none>   app=web",
        {"full": "shop/web-1", "ips": ("10.1.0.5",), "node_name": "n1", "labels": {"app": "web"}},
    ),
    "kubectl get po -o wide | grep web": ("web-1   1/1   Running   0   10m   10.1.0.5   n1", {"name": "web-1", "node_name": "n1"}),
    "kubectl get svc -n shop | grep web": ("web   ClusterIP   10.96.4.4   <none>   80/TCP   5d", {"cluster_ips": ("10.96.4.4",)}),
    "kubectl get ns -A --show-labels | grep sh": ("shop   Active   11d   team=shop", {"name": "shop", "labels": {"team": "shop"}}),
    "kubectl get no | grep n1": ("n1   NotReady   worker   5d   v1.28.3", {"name": "n1", "ready": False}),
}


@pytest.mark.parametrize("command", ROWS)
def test_rows_without_a_header(command: str) -> None:
    """Who searches a table loses its header: the command line tells the columns, and nothing is claimed to be whole."""
    line, fields = ROWS[command]
    (fact,) = parse(Source("x", line + "\n", command), Place("n1"))
    assert fields.items() <= fact.fields.items()


@pytest.mark.parametrize("line", ["web-1 is broken again", "web-1   Running   0   10m", "web-1   so   what   0   10m"])
def test_what_is_no_row(line: str) -> None:
    """A line without the cells of that table is not understood."""
    assert [f.kind for f in parse(Source("x", line + "\n", "kubectl get pods | grep web"), Place("n1"))] == ["unparsed"]


def test_a_table_before_a_document() -> None:
    """What stands in front of YAML may be a table; the YAML is read all the same."""
    table = "NAME    STATUS   AGE   LABELS\nshop    Active   11d   <none>\n"
    text = table + "```yaml\napiVersion: v1\nkind: Namespace\nmetadata: {name: till, labels: {a: b}}\n"
    facts = [f for f in parse(Source("x", text, "kubectl get ns --show-labels"), Place("n1")) if f.kind == "namespace"]
    assert [(f.get("name"), f.line) for f in facts] == [("shop", 2), ("till", 4)]


def test_services_of_old_versions() -> None:
    """Before Kubernetes 1.8 the table had no types."""
    text = "NAME       CLUSTER-IP   EXTERNAL-IP   PORT(S)         AGE\nkube-dns   10.0.0.10    <none>        53/UDP,53/TCP   2d\n"
    (fact,) = [f for f in parse(Source("x", text, "kubectl get svc -n kube-system"), Place("n1")) if f.kind == "service"]
    assert (fact.get("namespace"), fact.get("cluster_ips"), fact.get("type"), len(fact.get("ports"))) == ("kube-system", ("10.0.0.10",), None, 2)


def test_a_table_that_was_not_read_lists_nothing() -> None:
    """Of columns that nobody knows nothing follows; kubectl's own word that there is none does."""
    assert not parse(Source("x", "NAME   WHATEVER\nweb    1\n", "kubectl get svc -A"), Place("n1"))
    none = parse(Source("x", "No resources found\n", "kubectl get svc -A"), Place("n1"))
    assert [(f.kind, f.get("what")) for f in none] == [("collected", "services")]
