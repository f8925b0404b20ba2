"""The report for programs: ``schema_version`` 1, to which fields are only ever added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine import __version__
from engine.findings import Verified
from engine.report.clean import is_unsafe
from engine.report.remarks import in_language
from engine.report.strings import pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings import Finding, RemedyPlan, Report
    from engine.walk.confirm import Comparison, Watch
    from engine.walk.trace import Flow, Hop, Line, Step, Trace, Unknown, Walked

SCHEMA_VERSION = 1


def render_json(report: Report, lang: str = "en") -> str:
    """The report as a JSON document, indented, with a line end."""
    return dump(report_document(report, lang))


def render_traces_json(traces: Sequence[Trace], kernel: tuple[Sequence[Watch], Sequence[Comparison]] | None = None) -> str:
    """Walks alone, as in ``traces`` of a report; ``kernel`` adds the commands that trace them in the kernel, and what such a trace said."""
    document: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "tool": _tool(), "traces": [trace_document(t) for t in traces]}
    if kernel is not None:
        document["kernel"] = {"watch": [w._asdict() for w in kernel[0]], "decisions": [c._asdict() for c in kernel[1]]}
    return dump(document)


def dump(document: Any) -> str:
    """JSON text in which no character can steer a terminal."""
    import json

    text = json.dumps(document, ensure_ascii=False, indent=2)
    return "".join(f"\\u{ord(c):04x}" if c != "\n" and is_unsafe(c) else c for c in text) + "\n"


def _tool() -> dict[str, str]:
    return {"name": "noroute", "version": __version__}


def report_document(report: Report, lang: str) -> dict[str, Any]:
    """The report as plain data."""
    question = report.question
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": _tool(),
        "lang": lang,
        "question": {
            "symptom": question.symptom,
            "error_class": question.error_class,
            "flows": [_flow(f) for f in question.flows],
            "assumptions": [pick(a.text, lang) for a in question.assumptions],
            "mentioned": list(question.mentioned),
        },
        "verdict": report.verdict.value,
        "mismatch": pick(report.mismatch, lang) if report.mismatch else None,
        "findings": [_finding(f, lang) for f in report.findings],
        "traces": [trace_document(t) for t in report.traces],
        "missing_evidence": [{"node": m.node, "command": m.command, "why": pick(m.why, lang)} for m in report.missing],
        "warnings": list(report.warnings),
    }


def _finding(finding: Finding, lang: str) -> dict[str, Any]:
    return {
        "rule": finding.id,
        "standing": finding.standing.value,
        "certainty": finding.certainty.value,
        "node": finding.node,
        "stack": finding.stack,
        "layer": finding.layer,
        "severity": finding.severity,
        "title": pick(finding.title, lang),
        "explanation": pick(finding.explanation, lang),
        "evidence": [_line(e) for e in finding.evidence],
        "remedies": [_remedy(r, lang) for r in finding.remedies],
        "references": list(finding.references),
        "flows": list(finding.flows),
    }


def _remedy(remedy: RemedyPlan, lang: str) -> dict[str, Any]:
    return {
        "node": remedy.node,
        "title": pick(remedy.title, lang),
        "runs_on": remedy.runs_on,
        "commands": [in_language(command, lang) for command in remedy.commands],
        "persist": [in_language(command, lang) for command in remedy.persist],
        "verify": list(remedy.verify),
        "undo": [in_language(command, lang) for command in remedy.undo],
        "risk": remedy.risk,
        # The format knows three answers of whether the flow lives; that the fault itself is gone is told beside them.
        "verified": (Verified.NOT_CHECKED if remedy.verified is Verified.REMOVES_FAULT else remedy.verified).value,
        "removes_fault": remedy.verified in {Verified.RESTORES_FLOW, Verified.REMOVES_FAULT},
        "note": pick(remedy.note, lang) if remedy.note else None,
    }


def _line(line: Line) -> dict[str, Any]:
    return {"node": line.node, "stack": line.stack, "source": line.source, "line": line.line, "text": line.text}


def _flow(flow: Flow) -> dict[str, Any]:
    return {
        "from": flow.from_name or flow.src or flow.node,
        "to": flow.to_name or flow.dst,
        "port": flow.port,
        "protocol": flow.protocol,
        "guessed": flow.guessed,
        "node": flow.node,
        "stack": flow.stack,
        "src": flow.src,
        "dst": flow.dst,
        "size": flow.size,
    }


def trace_document(trace: Trace) -> dict[str, Any]:
    """One walk as plain data."""
    return {
        "flow": _flow(trace.flow),
        "client_sees": trace.client_sees,
        "request": _walked(trace.request),
        "reply": _walked(trace.reply) if trace.reply is not None else None,
        "depends": [_unknown(u) for u in trace.depends],
        "assumed": [_unknown(u) for u in trace.assumed],
        "branches": [{"condition": when, "share": share, "client_sees": outcome} for when, share, outcome in trace.branches],
    }


def _unknown(unknown: Unknown) -> dict[str, Any]:
    return {"node": unknown.node, "stack": unknown.stack, "what": unknown.what, "command": unknown.command, "why": unknown.why}


def _walked(walked: Walked) -> dict[str, Any]:
    return {"disposition": walked.disposition.value, "hops": [_hop(h) for h in walked.hops]}


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "node": hop.node,
        "stack": hop.stack,
        "in_device": hop.in_device,
        "out_device": hop.out_device,
        "packet": hop.packet,
        "steps": [_step(s) for s in hop.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return {"what": step.what, "summary": step.summary, "verdict": step.verdict, "lines": [_line(entry) for entry in step.lines]}
