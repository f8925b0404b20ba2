"""What programs saw, beside what the model predicts."""

from __future__ import annotations

import pytest

from engine.contradictions import contradictions
from engine.diagnosis import Diagnoser
from engine.facts import HOST, Fact, Source
from engine.findings import Question
from engine.rulebase.loader import load
from engine.walk.trace import Flow
from tests.engine.walk.world import World, lan

FLOW = Flow("client", HOST, "", "10.2.0.2", 80, "tcp")


def seen(outcome: str, **other: object) -> Fact:
    """An attempt on the flow."""
    fields = {"program": "nc", "address": "10.2.0.2", "port": 80, "protocol": "tcp", "outcome": outcome} | other
    return Fact("observed", fields, "client", HOST, Source("pasted.txt"), 2)


def world(*, drops: bool) -> World:
    """A server behind a router, which may drop what is forwarded."""
    made = lan()
    made.stack("server").listens("tcp 0.0.0.0:80")
    made.stack("router").filter(FORWARD="DROP" if drops else "ACCEPT")
    return made


@pytest.mark.parametrize(("drops", "saw", "told"), [
    (False, "connected", False), (False, "reset", False), (False, "timeout", True), (False, "failed", True), (False, "ECONNREFUSED", True),
    (True, "timeout", False), (True, "failed", False), (True, "connected", True), (True, "ECONNREFUSED", True), (True, "EMSGSIZE", False),
])
def test_outcomes(drops: bool, saw: str, told: bool) -> None:
    """A warning names the line, the outcome and the prediction where they differ, and only there."""
    evidence = world(drops=drops).facts().plus([seen(saw)])
    warnings = Diagnoser(Question("", "", (FLOW,)), evidence, load(()).rules).run().warnings
    said = [w for w in warnings if "the model predicts otherwise" in w]
    assert bool(said) == told
    assert all(f"10.2.0.2 tcp/80 {saw} (pasted.txt:2)" in w for w in said)


def test_other_flows() -> None:
    """Another port, address or machine contradicts nothing."""
    facts = world(drops=False).facts()
    traces = Diagnoser(Question("", "", (FLOW,)), facts, ()).run().traces
    others = [seen("timeout", port=81), seen("timeout", address="10.2.0.3"), seen("timeout", protocol="udp"), seen("timeout").at("server", HOST)]
    assert contradictions(facts.plus(others), traces) == []
    assert len(contradictions(facts.plus([seen("timeout"), seen("timeout")]), traces)) == 1
