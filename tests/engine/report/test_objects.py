"""What the API's objects say of who reaches whom, in words."""

from __future__ import annotations

import json

import pytest

from engine.facts import Fact, Source
from engine.matrix import ByObjects, Options
from engine.matrix.classes import Member
from engine.matrix.objects import Barred
from engine.report.objects import render_objects, render_objects_json

WEB = tuple(Member(f"pod/shop/web-{n}", "pod", "n1", None, n, f"10.1.1.{n}") for n in range(1, 6))
DB = (Member("pod/shop/db", "pod", "n2", None, 9, "10.1.2.9"),)
POLICY = Fact("network_policy", {"flavour": "admin"}, source=Source("cluster/policies.yaml"), line=7, shown="admin policy no-db priority 3")
NOBODY = ByObjects(Options(), 6, 2, 1, 40, (), (), (), (), (), "calico", ())
DENIED = Barred(WEB, DB, 5, "ingress", ("no-db",), "all", POLICY)
OPEN = Barred(DB, WEB, 5, "", (), "all", None, "kubectl get networkpolicies -A -o yaml")


def test_nothing_wrong() -> None:
    """That the data plane was not seen is said first, what collects it last; nothing says that something connects."""
    text = render_objects(NOBODY)
    assert text.startswith("2 nodes, 6 pods, 1 Service ports, 40 pairs, by the API's objects alone\nThe data plane was not seen")
    assert "--daemonset-manifest" in text.splitlines()[-1]
    assert "--script" in text.splitlines()[-1]
    assert "No policy that was given turns anybody away" in text


def test_whom_policies_turn_away() -> None:
    """Senders, targets, the direction, the policy and its line; of what is open the command that tells."""
    text = render_objects(NOBODY._replace(barred=(DENIED,), open=(OPEN,)))
    assert "Turned away by policies: 5 pairs" in text
    assert "pod/shop/web-3, 2 more" in " ".join(text.split())
    assert "ingress of no-db: admin policy no-db priority 3   [cluster/policies.yaml:7]" in text
    assert "this tells: kubectl get networkpolicies -A -o yaml" in text
    assert "No policy that was given" not in text
    assert "(some endpoints)" in render_objects(NOBODY._replace(barred=(DENIED._replace(share="some"),)))


@pytest.mark.parametrize(
    ("name", "words"),
    [("calico", "enforced by calico"), ("cilium", "eBPF"), ("none", "they turn nobody away"), ("", "What enforces policies is not in the evidence")],
)
def test_who_enforces(name: str, words: str) -> None:
    """Who makes the policies count is said with them; of cilium that its programs stay hidden."""
    assert words in render_objects(NOBODY._replace(barred=(DENIED,), enforcer=name))


def test_what_else_the_objects_tell() -> None:
    """Services without endpoints and why, nodes, ranges, listings that were not given; in both languages."""
    lacking = Fact("service_backends", {"full": "shop/db", "port": 80, "protocol": "tcp", "lack": "no-pod", "selector": "app=x"})
    ends = {"written": "10.96.0.0/12", "said_by": "node n1", "other_written": "10.96.0.0/16", "other_said_by": "servicecidr k", "what": "pod-service"}
    found = NOBODY._replace(lacking=(lacking,), unready=("n2",), clashes=(Fact("cidr_clash", ends),), unlisted=("kubectl get pods -A -o yaml",))
    text = render_objects(found)
    for words in ("svc/shop/db:80: its selector app=x fits no pod", "not ready: n2", "10.96.0.0/12 (node n1) and 10.96.0.0/16", "get pods -A"):
        assert words in text
    assert "选择器 app=x 没有匹配任何 Pod" in render_objects(found, "zh")
    told = json.loads(render_objects_json(found._replace(barred=(DENIED,)), "en"))
    assert (told["seen"], told["summary"]) == ("objects", {"pairs": 40, "denied": 5, "undecided": 0})
    assert told["denied"][0]["evidence"]["line"] == 7
    assert told["services_without_endpoints"][0]["lack"] == "no-pod"
