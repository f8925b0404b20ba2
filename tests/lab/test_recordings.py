"""The labs' hand-made recordings give the same answers as the labs themselves, without root."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from engine.findings import Standing, Verdict
from engine.pipeline import diagnose
from engine.request import Request
from tests.lab.record import LABS, RECORDINGS
from tests.lab.scenario import Scenario, load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.findings import Report

RECORDED = [scenario for scenario in map(load, sorted(LABS.glob("*.yaml"))) if scenario.record]
HEALTHY = [(s, state.name) for s in RECORDED for state in sorted((RECORDINGS / s.name).glob("*")) if state.name != "broken"]


@cache
def answer(bundle: Path, symptom: str, options: tuple[str, ...]) -> Report:
    """Diagnose a folder of command outputs."""
    said = dict(zip(options[::2], options[1::2], strict=True))
    port = int(said["--port"]) if "--port" in said else None
    return diagnose(Request(symptom, (bundle,), from_=said.get("--from"), to=said.get("--to"), port=port))


def asked(scenario: Scenario, state: str) -> tuple[str, Sequence[str]]:
    """Symptom and options that go with a state."""
    alike = {each.name: each for each in scenario.look_alikes}.get(state)
    return (alike.symptom, alike.options) if alike else (scenario.symptom, scenario.options)


def test_every_lab_is_recorded() -> None:
    """Each lab that asks for a recording has one of its broken state."""
    assert RECORDED
    assert all((RECORDINGS / scenario.name / "broken").is_dir() for scenario in RECORDED)


@pytest.mark.parametrize("scenario", RECORDED, ids=lambda scenario: scenario.name)
def test_broken(scenario: Scenario) -> None:
    """The broken state's first finding is the lab's root cause on its node, and the walk predicts what the client saw."""
    report = answer(RECORDINGS / scenario.name / "broken", scenario.symptom, tuple(scenario.options))
    assert report.traces[0].client_sees == (scenario.predicted or scenario.traffic.broken)
    assert [(f.id, f.node, f.standing) for f in report.findings[:1]] == [(scenario.id, scenario.finding_node, Standing.ROOT_CAUSE)]


@pytest.mark.parametrize(("scenario", "state"), HEALTHY, ids=[f"{s.name}-{state}" for s, state in HEALTHY])
def test_healthy(scenario: Scenario, state: str) -> None:
    """A healthy state, and one that only resembles the fault, gives no cause."""
    symptom, options = asked(scenario, state)
    report = answer(RECORDINGS / scenario.name / state, symptom, tuple(options))
    assert report.traces[0].client_sees == scenario.traffic.healthy
    assert report.verdict is Verdict.NO_FAULT_FOUND
