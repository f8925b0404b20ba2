"""The model's decisions beside the kernel's own trace of the same packet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from collectors.evidence import read
from engine.facts import FactBase
from engine.model import build
from engine.walk import walk
from engine.walk.confirm import commands, compare
from engine.walk.trace import Flow, Trace

RECORDING = Path(__file__).parents[2] / "recordings" / "xtables-monitor" / "router"


def walked(port: int, *, without: str = "") -> tuple[Trace, FactBase]:
    """A walk through the recorded router; ``without`` leaves rules with that text out of the model."""
    evidence = read([RECORDING])
    facts = []
    for fact in evidence.facts:
        if without and fact.kind == "netfilter_table":
            chains = tuple(replace(c, rules=tuple(r for r in c.rules if without not in r.spec)) for c in fact.fields["chains"])
            facts.append(fact.having(chains=chains))
        else:
            facts.append(fact)
    base = FactBase(tuple(facts))
    return walk(build(base), Flow("", "", "10.71.0.2", "10.72.0.2", port, "tcp")), base


@pytest.mark.parametrize(("port", "where"), [(5432, "filter FORWARD"), (80, "nat PREROUTING")])
def test_model_agrees_with_the_recorded_kernel(port: int, where: str) -> None:
    """Each decision that the kernel traced is the one that the model took: user chain, policy, translation."""
    trace, facts = walked(port)
    rows = compare(trace, facts.of_kind("kernel_trace"))
    assert where in {r.where for r in rows}
    assert {r.agrees for r in rows} == {True}


def test_a_model_that_differs_is_told() -> None:
    """Take the rule out of the model, and the comparison shows the kernel's rule against the model's policy."""
    trace, facts = walked(5432, without="no db for you")
    (row,) = [r for r in compare(trace, facts.of_kind("kernel_trace")) if r.where == "filter FORWARD"]
    assert row.agrees is False
    assert "LOGDROP" in row.kernel


def test_a_flow_that_was_not_traced() -> None:
    """The trace of another packet says nothing of this one."""
    trace, facts = walked(81)
    assert {r.agrees for r in compare(trace, facts.of_kind("kernel_trace"))} == {None}


def test_commands_are_narrow_and_taken_back() -> None:
    """The TRACE rule names both ends, the protocol and the port; what is inserted is deleted by the same words."""
    trace, facts = walked(5432)
    (watch,) = commands(trace, build(facts))
    assert watch.start == ("iptables -w -t raw -I PREROUTING -s 10.71.0.2 -d 10.72.0.2 -p tcp --dport 5432 -j TRACE",)
    assert watch.stop == tuple(c.replace(" -I ", " -D ") for c in watch.start)
    assert watch.watch == "xtables-monitor --trace"
