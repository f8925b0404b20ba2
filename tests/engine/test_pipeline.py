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
