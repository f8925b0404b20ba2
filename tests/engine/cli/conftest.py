"""Run the command in this process, with a pipeline that answers as told."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import engine
from engine.cli.app import program
from engine.findings import Missing, Question, Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from engine.request import Request

    Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Runs ``diagnose`` with arguments."""

    def invoke(*args: str, **kwargs: Any) -> Result:
        return CliRunner().invoke(program, args, prog_name="diagnose", **kwargs)

    return invoke


class FakePipeline(SimpleNamespace):
    """Answers every request alike, and remembers it."""

    def __init__(self) -> None:
        super().__init__(requests=[], verdict=Verdict.NO_FAULT_FOUND, raises=None, traces=())

    def diagnose(self, request: Request) -> Report:
        """A report with the verdict that the test set."""
        self.requests.append(request)
        if self.raises is not None:
            raise self.raises
        missing = (Missing("n1", "ip route", {"en": "x", "zh": "y"}),) if self.verdict is Verdict.INSUFFICIENT_EVIDENCE else ()
        return Report(Question(request.symptom, "", ()), self.verdict, (), (), missing, ())

    def trace_with_kernel(self, request: Request) -> tuple[Any, ...]:
        """The traces that the test set, with nothing of the kernel's."""
        self.requests.append(request)
        return tuple(self.traces), (), ()


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    """Stands where :mod:`engine.pipeline` does: these tests are about the command line alone."""
    fake = FakePipeline()
    monkeypatch.setitem(sys.modules, "engine.pipeline", fake)
    monkeypatch.setattr(engine, "pipeline", fake, raising=False)
    return fake
