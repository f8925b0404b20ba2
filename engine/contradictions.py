"""What client programs saw, beside what the model predicts for the same flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact, FactBase
    from engine.walk.trace import Trace

INCOMPARABLE = frozenset({"EMSGSIZE", "unresolved", "resolved"})
"""Outcomes that are no word on the flow that is walked."""


def contradictions(facts: FactBase, traces: Sequence[Trace]) -> list[str]:
    """Every attempt that ended otherwise than the walk of the same flow, each once."""
    from engine.question.observed import outcome_of

    attempts = [f for f in facts.of_kind("observed") if f.get("outcome") not in INCOMPARABLE]
    said = [
        f"what {outcome_of(attempt)}, the model predicts otherwise: {trace.client_sees}; "
        "something that decides is not in the evidence, or has changed since"
        for trace in traces
        for attempt in attempts
        if _same(attempt, trace) and not _agree(str(attempt.get("outcome")), trace.client_sees)
    ]
    return list(dict.fromkeys(said))


def _same(attempt: Fact, trace: Trace) -> bool:
    """Whether an attempt was the flow that was walked."""
    flow = trace.flow
    asked = (attempt.get("address"), attempt.get("port", 0), attempt.get("protocol"))
    return (attempt.node, attempt.stack) == (flow.node, flow.stack) and asked == (flow.dst, flow.port, flow.protocol)


def _agree(saw: str, predicted: str) -> bool:
    """Whether an outcome is what the walk says; a connection that is reset was one, and who only failed says no more than that."""
    if predicted == "depends":
        return True
    if saw == "failed":
        return predicted != "connected"
    return predicted == ("connected" if saw == "reset" else saw)
