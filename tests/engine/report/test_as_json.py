"""The JSON contract, schema_version 1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from engine.findings import Verified
from engine.report.as_json import render_json, render_traces_json
from engine.walk.trace import Line

if TYPE_CHECKING:
    from engine.findings import Report
    from engine.walk.trace import Trace

TOP = {"schema_version", "tool", "lang", "question", "verdict", "mismatch", "findings", "traces", "missing_evidence", "warnings"}


def test_contract(found: Report) -> None:
    """Every promised field is there under its name, with its type."""
    document = json.loads(render_json(found, "en"))
    assert set(document) == TOP
    assert document["schema_version"] == 1
    assert document["verdict"] == "cause-found"
    flow = document["question"]["flows"][0]
    assert {key: flow[key] for key in ("from", "to", "port", "protocol")} == {"from": "pod-a", "to": "db (10.2.0.9)", "port": 5432, "protocol": "tcp"}
    finding = document["findings"][0]
    assert (finding["rule"], finding["standing"], finding["certainty"], finding["node"]) == ("docker-forward-drop", "root-cause", "proven", "n1")
    assert finding["evidence"][0] == {"node": "n1", "stack": "host", "source": "nodes/n1/iptables-save", "line": 12, "text": ":FORWARD DROP [0:0]"}
    remedy = finding["remedies"][0]
    assert remedy["commands"][0] == "iptables -I DOCKER-USER -i cni0 -j ACCEPT"
    assert (remedy["node"], remedy["risk"], remedy["verified"], len(remedy["undo"])) == ("n1", "low", "restores-flow", 1)


@pytest.mark.parametrize("verified", Verified)
def test_what_a_remedy_does_is_told_in_the_three_words_of_the_format(found: Report, verified: Verified) -> None:
    """``verified`` is one of three words, whatever else the model showed; that the fault is gone is a field of its own."""
    finding = found.findings[0]
    changed = found._replace(findings=(finding._replace(remedies=(finding.remedies[0]._replace(verified=verified),)),))
    remedy = json.loads(render_json(changed))["findings"][0]["remedies"][0]
    assert remedy["verified"] in {"restores-flow", "no-effect", "not-checked"}
    assert (remedy["verified"] == "restores-flow") == (verified is Verified.RESTORES_FLOW)
    assert remedy["removes_fault"] == (verified in {Verified.RESTORES_FLOW, Verified.REMOVES_FAULT})


def test_trace_contract(found: Report, clean: Report) -> None:
    """A trace holds flow, client_sees, request with hops and steps, and a reply or null."""
    trace = json.loads(render_json(found))["traces"][0]
    assert trace["client_sees"] == "timeout"
    assert trace["request"]["disposition"] == "dropped"
    assert trace["reply"] is None
    hop = trace["request"]["hops"][1]
    assert set(hop) == {"node", "stack", "in_device", "out_device", "packet", "steps"}
    assert set(hop["steps"][1]) == {"what", "summary", "verdict", "lines"}
    assert json.loads(render_json(clean))["traces"][0]["reply"] == {"disposition": "delivered", "hops": []}


def test_missing_evidence(undecided: Report) -> None:
    """Missing evidence names node, command and why."""
    document = json.loads(render_json(undecided))
    assert document["missing_evidence"] == [{"node": "n2", "command": "ip route show table all", "why": "the way back is not known"}]
    assert document["verdict"] == "insufficient-evidence"


def test_texts_are_in_the_chosen_language(found: Report) -> None:
    """Title and explanation are strings of the chosen language; English stands in for what was not translated."""
    finding = json.loads(render_json(found, "zh"))["findings"][0]
    assert finding["title"] == "n1 上 docker 把 FORWARD 策略设为 DROP"
    untranslated = found._replace(findings=(found.findings[0]._replace(title={"en": "only English"}),))
    assert json.loads(render_json(untranslated, "zh"))["findings"][0]["title"] == "only English"


def test_values_survive_and_cannot_steer_a_terminal(found: Report) -> None:
    """Control characters are escaped in the text, and the parsed value is exactly what was collected."""
    nasty = "\x1b[2J\x9b\u202e\ud800 ok"
    bad = found.findings[0]._replace(evidence=(Line("n1", "host", "f", 1, nasty),))
    text = render_json(found._replace(findings=(bad,)))
    assert not any(c in text for c in "\x1b\x9b\u202e\ud800")
    assert json.loads(text)["findings"][0]["evidence"][0]["text"] == nasty


def test_traces_alone(trace: Trace) -> None:
    """``diagnose trace --format json`` has the same traces, without findings."""
    document = json.loads(render_traces_json((trace,)))
    assert set(document) == {"schema_version", "tool", "traces"}
    assert document["traces"][0]["flow"]["port"] == 5432
