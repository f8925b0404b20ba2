"""Failure modes that no lab shows: small folders of evidence, each with the question that goes with it.

``tests/recordings/bundles/ID/question.yaml`` holds the symptom, the options, and the node that the finding is about (by state, where they
differ); beside it are states:
``broken…`` must name the id first, ``healthy…`` (which looks almost like it) must name nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.findings import Report, Standing
from engine.pipeline import diagnose
from engine.request import Request

BUNDLES = Path(__file__).resolve().parents[1] / "recordings" / "bundles"
STATES = sorted(state for mode in BUNDLES.iterdir() for state in mode.iterdir() if state.is_dir())


def named(state: Path) -> str:
    """A state's test id."""
    return f"{state.parent.name}-{state.name}"


def answer(state: Path) -> tuple[dict[str, Any], Report]:
    """The question that goes with a state, and the report."""
    question = yaml.safe_load((state.parent / "question.yaml").read_text(encoding="utf-8"))
    asked = Request(question["symptom"], (state,), from_=question.get("from"), to=question.get("to"), port=question.get("port"))
    return question, diagnose(asked)


def test_every_mode_has_both() -> None:
    """Each mode has a broken state and a healthy one: a rule that always fires, or never, must not pass."""
    kinds = {mode.name: {state.name.partition("-")[0] for state in mode.iterdir() if state.is_dir()} for mode in BUNDLES.iterdir()}
    assert kinds
    assert all(found == {"broken", "healthy"} for found in kinds.values()), kinds


@pytest.mark.parametrize("state", [s for s in STATES if s.name.startswith("broken")], ids=named)
def test_broken(state: Path) -> None:
    """The mode is the first root cause, on the node that the question names."""
    question, report = answer(state)
    node = question["node"] if isinstance(question["node"], str) else question["node"][state.name]
    assert [(f.id, f.node, f.standing) for f in report.findings[:1]] == [(state.parent.name, node, Standing.ROOT_CAUSE)]


@pytest.mark.parametrize("state", [s for s in STATES if s.name.startswith("healthy")], ids=named)
def test_healthy(state: Path) -> None:
    """A healthy twin gives no finding."""
    assert answer(state)[1].findings == ()
