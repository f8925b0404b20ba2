"""The report as an outline of headings, paragraphs, lists and code: what the markdown and HTML renderers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.findings import Standing, Verdict
from engine.report.clean import block, line
from engine.report.remarks import in_language
from engine.report.strings import pick, say, sees
from engine.report.text import assumed, flow_text, located, mend_head, render_trace, where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.findings import Finding, RemedyPlan, Report
    from engine.walk.trace import Line


class Part(NamedTuple):
    """One element of the outline."""

    kind: str
    """``title`` | ``cause`` | ``heading`` | ``subheading`` | ``paragraph`` | ``list`` | ``code`` | ``table``"""
    text: str = ""
    items: tuple[str, ...] = ()
    cells: tuple[tuple[str, str], ...] = ()
    """Rows of a table: origin and text of evidence."""


def outline(report: Report, lang: str) -> Iterator[Part]:
    """Elements in reading order."""
    causes = [f for f in report.findings if f.standing is Standing.ROOT_CAUSE]
    yield Part("title", f"diagnose: {say(f'verdict-{report.verdict.value}', lang)}")
    if report.question.symptom:
        yield Part("paragraph", f"{say('question', lang)}{say('colon', lang)}{line(report.question.symptom)}")
    for number, finding in enumerate(causes, 1):
        yield from _cause(finding, number if len(causes) > 1 else 0, lang)
    if not causes:
        no_fault = report.verdict is Verdict.NO_FAULT_FOUND
        yield Part("cause", say(("no-fault" if report.traces else "no-fault-flowless") if no_fault else "undecided", lang))
    if report.mismatch:
        yield Part("paragraph", f"{say('mismatch', lang)}{say('colon', lang)}{line(pick(report.mismatch, lang))}")
    yield from _rest(report, lang)


def _cause(finding: Finding, number: int, lang: str) -> Iterator[Part]:
    label = say("cause-n", lang, n=number) if number else say("cause", lang)
    yield Part("cause", f"{label}{say('colon', lang)}{line(pick(finding.title, lang))}")
    place = located(finding, lang)
    yield Part("paragraph", line(f"{place}{say(f'certainty-{finding.certainty.value}', lang)} [{finding.id}]"))
    yield from (Part("paragraph", line(p)) for p in pick(finding.explanation, lang).split("\n") if p.strip())
    if finding.evidence:
        yield Part("heading", say("proof", lang))
        yield Part("table", cells=tuple(_cell(e) for e in finding.evidence))
    for remedy in finding.remedies:
        yield from _remedy(remedy, lang)


def _cell(item: Line) -> tuple[str, str]:
    number = f":{item.line}" if item.line else ""
    return line(f"{where(item.node, item.stack)}: {item.source}{number}"), line(item.text)


def _remedy(remedy: RemedyPlan, lang: str) -> Iterator[Part]:
    head = mend_head(remedy, remedy.node, lang)
    yield Part("heading", line(f"{head}{say('colon', lang)}{pick(remedy.title, lang)}"))
    risk = say(f"risk-{remedy.risk}", lang) if remedy.risk in {"low", "medium", "high"} else line(remedy.risk)
    yield Part("paragraph", f"{say(f'verified-{remedy.verified.value}', lang)} {say('risk', lang, risk=risk)}")
    if remedy.note:
        yield Part("paragraph", line(pick(remedy.note, lang)))
    yield from _code(remedy.commands, lang)
    for key, commands in (("persist", remedy.persist), ("verify", remedy.verify), ("undo", remedy.undo)):
        if commands:
            yield Part("subheading", say(key, lang))
            yield from _code(commands, lang)


def _code(commands: Sequence[str], lang: str) -> Iterator[Part]:
    if commands:
        yield Part("code", "\n".join(block(in_language(c, lang)) for c in commands))


def _rest(report: Report, lang: str) -> Iterator[Part]:
    for key, standing in (("suspected", Standing.UNDECIDED), ("contributing", Standing.CONTRIBUTING), ("latent", Standing.LATENT)):
        found = [line(f"{pick(f.title, lang)} ({where(f.node, f.stack)}, {f.id})") for f in report.findings if f.standing is standing]
        yield from _listed(key, found, lang)
    walked = [f"{flow_text(t.flow)}{say('colon', lang)}{say('client-sees', lang, what=sees(t.client_sees, lang))}" for t in report.traces]
    yield from _listed("walked", walked, lang)
    yield from _listed("assumed", [line(text) for text in assumed(report, lang)], lang)
    if report.missing:
        yield Part("heading", say("missing", lang))
        places = [f" ({m.node})" if m.node else "" for m in report.missing]
        needs = zip(report.missing, places, strict=True)
        told = [(f"# {line(pick(m.why, lang))}{place}", in_language(m.command, lang)) for m, place in needs]
        yield from _code(["\n".join(filter(None, pair)) for pair in told], lang)
    yield from _listed("warnings", [line(w) for w in report.warnings], lang)
    if report.traces:
        yield Part("heading", say("trace", lang))
        yield Part("code", render_trace(report.traces, lang).rstrip("\n"))


def _listed(key: str, items: Sequence[str], lang: str) -> Iterator[Part]:
    if items:
        yield Part("heading", say(key, lang))
        yield Part("list", items=tuple(dict.fromkeys(items)))
