"""The main command at work: ask the pipeline, print the report."""

from __future__ import annotations

from typing import Any

from engine.cli.options import request_of
from engine.cli.output import columns, emit, use_colour
from engine.errors import ExitStatus
from engine.findings import Verdict

STATUS = {
    Verdict.NO_FAULT_FOUND: ExitStatus.NO_FAULT,
    Verdict.CAUSE_FOUND: ExitStatus.CAUSE_FOUND,
    Verdict.INSUFFICIENT_EVIDENCE: ExitStatus.UNDECIDED,
}


def answer(values: dict[str, Any]) -> int:
    """Diagnose, print, and return the exit status."""
    from engine import pipeline
    from engine.report import render

    report = pipeline.diagnose(request_of(values))
    output = values["output"]
    text = render(report, values["form"], values["lang"], verbose=values["verbose"], width=columns(output), colour=use_colour(output))
    emit(text, output)
    return STATUS[report.verdict]
