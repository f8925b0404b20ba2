"""The whole run, from files to a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import NorouteError
from engine.findings import Question, Standing, Verdict
from engine.pipeline import diagnose, evidence_of, fact_base, plausible, question_of, trace
from engine.request import Request
from engine.walk.trace import Flow
from tests.engine.walk.world import LOOPBACK, RULES, SOCKETS, World, lan

if TYPE_CHECKING:
    from pathlib import Path


def written(world: World, folder: Path) -> Path:
    """A world as a folder of command outputs, a subfolder a node."""
    for each in world.stacks.values():
        place = folder / each.node
        place.mkdir(parents=True)
        devices = list(each.devices.values())
        parameters = {
            "net.ipv4.ip_forward": 0,
            "net.ipv4.conf.all.rp_filter": 0,
            **{f"net.ipv4.conf.{d.name}.rp_filter": 0 for d in devices},
            **each.parameters,
        }
        outputs = {
            "ip -d addr": LOOPBACK + "".join(d.printed() for d in devices),
            "ip route show table all": "\n".join([*each.routing, *(line for d in devices for line in d.connected())]),
            "ip rule": RULES,
            "iptables-save": "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT",
            "sysctl -a": "\n".join(f"{k} = {v}" for k, v in parameters.items()),
            "ss -lntup": SOCKETS,
            **each.outputs,
        }
        for command, text in outputs.items():
            (place / command.replace(" ", "_")).write_text(text + "\n", encoding="utf-8")
    return folder


def request(folder: Path) -> Request:
    """A question about the usual flow."""
    return Request(symptom="connection timeout", bundles=(folder,), from_="client", to="10.2.0.2", port=80, protocol="tcp")


def test_healthy(tmp_path: Path) -> None:
    """Evidence of a healthy network gives no fault, with the walk that shows it."""
    report = diagnose(request(written(lan(), tmp_path)))
    assert report.verdict is Verdict.NO_FAULT_FOUND
    assert [each.client_sees for each in report.traces] == ["connected"]


def test_cause(tmp_path: Path) -> None:
    """A fault is found by the built-in rules, shown by its line in its file."""
    world = lan()
    world.stack("router").filter("-A FORWARD -d 10.2.0.2/32 -j DROP")
    report = diagnose(request(written(world, tmp_path)))
    assert report.verdict is Verdict.CAUSE_FOUND
    assert report.findings[0].node == "router"
    assert any(line.text == "-A FORWARD -d 10.2.0.2/32 -j DROP" and line.source.endswith("iptables-save") for line in report.findings[0].evidence)
    assert report.question.error_class == "timeout"


def test_trace(tmp_path: Path) -> None:
    """The walk alone, without rules, is the same walk."""
    world = lan()
    world.stack("router").filter("-A FORWARD -d 10.2.0.2/32 -j DROP")
    folder = written(world, tmp_path)
    (walked,) = trace(request(folder))
    assert walked.client_sees == "timeout"
    assert walked.request == diagnose(request(folder)).traces[0].request


def test_warnings_reach_the_report(tmp_path: Path) -> None:
    """What the reader could not use is said in the report."""
    folder = written(lan(), tmp_path)
    (folder / "router" / "ip_neigh").write_text("this is no neighbour table\n", encoding="utf-8")
    assert any("ip_neigh" in warning for warning in diagnose(request(folder)).warnings)


def test_unreadable(tmp_path: Path) -> None:
    """Input that cannot be used is an error with one line, not a report."""
    with pytest.raises(NorouteError):
        diagnose(request(tmp_path / "nothing"))


def test_this_node() -> None:
    """Without a bundle this very node is read."""
    evidence = evidence_of(Request(node="here", netns=("host",)))
    facts = fact_base(evidence)
    assert {fact.node for fact in facts.of_kind("link")} == {"here"}
    assert facts.of_kind("netfilter_rule") is not None


def test_question_with_ends(tmp_path: Path) -> None:
    """Ends that were named make one flow."""
    asked = request(written(lan(), tmp_path))
    (flow,) = question_of(asked, fact_base(evidence_of(asked))).flows
    assert (flow.node, flow.dst, flow.port) == ("client", "10.2.0.2", 80)


def test_flows_between_strangers_are_not_meant() -> None:
    """Of several flows, those between stacks that no wire joins are left out; a single one is kept, whatever it is."""
    world = lan()
    world.stack("far", "pod").device("dummy0", "203.0.113.9/24", kind="dummy")
    near, far, out = (Flow("client", "host", "", dst, 80, "tcp") for dst in ("10.2.0.2", "203.0.113.9", "8.8.8.8"))
    network = world.network()
    assert plausible(Question("", "", (near, far, out)), network).flows == (near, out)
    assert plausible(Question("", "", (far,)), network).flows == (far,)
    assert plausible(Question("", "", (far, far)), network).flows == (far, far)


@pytest.mark.parametrize(("symptom", "standing"), [("the new node is broken", Standing.UNDECIDED), ("", Standing.LATENT)])
def test_not_ruled_out(symptom: str, standing: Standing, tmp_path: Path) -> None:
    """A fault that no walk shows to be off the path may be what was complained of; where nobody complained, it is just there."""
    pods = "NAME                READY   STATUS    RESTARTS   AGE   IP           NODE   NOMINATED NODE   READINESS GATES\n"
    pods += "calico-node-7xk2p   0/1     Running   0          2m    192.0.2.11   n1     <none>           <none>\n"
    (tmp_path / "kubectl_get_pods_-n_kube-system_-o_wide").write_text(pods, encoding="utf-8")
    (tmp_path / "n1").mkdir()
    (tmp_path / "n1" / "sysctl").write_text("net.ipv4.conf.all.rp_filter = 2\n", encoding="utf-8")
    report = diagnose(Request(symptom, (tmp_path,)))
    assert [(f.id, f.standing) for f in report.findings] == [("rp-filter-loose-unsupported", standing)]
    assert report.verdict is Verdict.INSUFFICIENT_EVIDENCE


def test_words_that_were_not_understood(tmp_path: Path) -> None:
    """A pod that the text names in passing is meant where nothing else of the cluster is."""
    head = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: agent2\n  namespace: shop\n"
    spec = "spec:\n  hostNetwork: true\n  dnsPolicy: ClusterFirst\n  nodeName: n1\n  containers:\n  - name: a\n    image: a\n"
    status = "status:\n  phase: Running\n  hostIP: 192.0.2.9\n  podIP: 192.0.2.9\n"
    (tmp_path / "pod.yaml").write_text(head + spec + status, encoding="utf-8")
    report = diagnose(Request("nslookup: can't resolve 'till': Name does not resolve from the hostNetwork pod agent2", (tmp_path,)))
    assert [(f.id, f.standing) for f in report.findings] == [("dns-policy-hostnetwork", Standing.ROOT_CAUSE)]


TABLES = {
    "kubectl_get_endpoints_-A": "NAMESPACE   NAME   ENDPOINTS   AGE\nshop        db     <none>      3d\n",
    "kubectl_get_svc_-A_-o_wide": (
        "NAMESPACE   NAME   TYPE        CLUSTER-IP    EXTERNAL-IP   PORT(S)    AGE   SELECTOR\n"
        "shop        db     ClusterIP   10.96.33.21   <none>        5432/TCP   3d    app=db\n"
    ),
    "kubectl_get_pods_-A_-o_wide": (
        "NAMESPACE   NAME                    READY   STATUS             RESTARTS      AGE   IP            NODE   NOMINATED NODE   READINESS GATES\n"
        "shop        web-6d4cf56db6-7xk2p   1/1     Running            0             3d    10.244.1.12   kw1    <none>           <none>\n"
        "shop        db-0                    0/1     CrashLoopBackOff   14 (2m ago)   3d    10.244.2.7    kw2    <none>           <none>\n"
    ),
}


def test_a_service_without_endpoints_in_tables(tmp_path: Path) -> None:
    """What the tables show is said, nothing that they do not; the fault is the Service's, not a node's; commands that tell more are named."""
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    report = diagnose(Request("web cannot reach db: i/o timeout", (tmp_path,), lang="zh"))
    (found,) = [f for f in report.findings if f.standing is Standing.ROOT_CAUSE]
    assert (found.id, found.node, found.shared) == ("service-no-endpoints", "kw1", True)
    said = {"en": ("not in the evidence", "Its selector is app=db"), "zh": ("证据中没有该 Service 的选择器", "选择器是 app=db")}
    for lang, (unseen, selector) in said.items():
        told = found.explanation[lang]
        assert selector in told
        assert unseen not in told
        assert "0 not ready" not in told
        assert "未就绪 0" not in told
    commands = [m.command for m in report.missing]
    labels, pod, log = "get pods -n shop --show-labels", "describe pod -n shop db-0", "logs --previous -n shop db-0"
    assert [c for c in commands if c.startswith("kubectl")] == [f"kubectl {c}" for c in (labels, pod, log)]


def test_unnamed_ports_are_read_as_such(tmp_path: Path) -> None:
    """A port that a pod declares without a name is called unnamed."""
    service = "metadata: {name: web, namespace: shop}\nspec:\n  {type: ClusterIP, clusterIP: 10.96.33.23, selector: {app: web}, "
    service += "ports: [{port: 80, targetPort: 8000}]}"
    pod = "metadata: {name: web-1, namespace: shop, labels: {app: web}}\nspec:\n  {nodeName: kw1, "
    pod += "containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}"
    status = 'status: {phase: Running, podIP: 10.244.1.12, conditions: [{type: Ready, status: "True"}]}'
    client = "metadata: {name: cart-1, namespace: shop, labels: {app: cart}}\nspec: {nodeName: kw1, containers: [{name: cart, image: cart}]}"
    behind = "metadata: {name: web, namespace: shop}\nsubsets: [{addresses: [{ip: 10.244.1.12}], ports: [{port: 8000, protocol: TCP}]}]"
    pods = [f"kind: Pod\n{pod}\n{status}", f"kind: Pod\n{client}\n{status.replace('1.12', '1.13')}"]
    docs = [f"kind: Service\n{service}", *pods, f"kind: Endpoints\n{behind}"]
    (tmp_path / "all.yaml").write_text("\n---\n".join(f"apiVersion: v1\n{doc}" for doc in docs), encoding="utf-8")
    report = diagnose(Request("cart cannot reach web: connection refused", (tmp_path,), lang="zh"))
    (found,) = [f for f in report.findings if f.id == "service-port-mismatch"]
    assert found.title["en"].endswith("declares port 80/tcp (unnamed)")
    assert found.title["zh"].endswith("声明的端口是 80/tcp（未命名）")
    assert all("-=" not in text for text in found.explanation.values())


@pytest.mark.parametrize(("target", "asked"), [("8.8.8.8", False), ("10.9.9.53", True)])
def test_nobody_is_sent_to_public_servers(target: str, asked: bool, tmp_path: Path) -> None:
    """The state of a machine of one's own is asked for; of a public server nobody can collect any."""
    text = "[root@app1 ~]# ip -br addr\nlo  UNKNOWN  127.0.0.1/8\neth0  UP  10.1.2.3/24\n[root@app1 ~]# ip route\ndefault via 10.1.2.1 dev eth0\n"
    text += "10.1.2.0/24 dev eth0 proto kernel scope link src 10.1.2.3\n"
    text += "[root@app1 ~]# iptables -S\n-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT\n"
    (tmp_path / "ticket.txt").write_text(text, encoding="utf-8")
    report = diagnose(Request(f"app1 cannot reach {target} port 53: i/o timeout", (tmp_path,)))
    assert any(m.node == target and m.command.startswith("diagnose collect") for m in report.missing) is asked
    assert all("packet filter" not in m.why["en"] for m in report.missing)
