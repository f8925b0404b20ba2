"""The report on a terminal, for tired people: the cause first, then the proof, then commands that can be pasted as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.findings import Standing, Verdict
from engine.phrases import spoken
from engine.report.clean import block, line
from engine.report.layout import pad, wrap
from engine.report.remarks import in_language
from engine.report.strings import answer, pick, say, sees, stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.findings import Finding, RemedyPlan, Report
    from engine.walk.trace import Flow, Hop, Line, Trace, Walked

MAX_LINES = 12
"""Evidence lines that are shown for one finding."""
MAX_FLOWS = 6
"""Flows that are listed unless --verbose is given."""

STYLES = {"cause": "bold red", "good": "bold green", "open": "bold yellow", "head": "bold", "dim": "dim", "command": "cyan", "drop": "red", "": ""}
"""Style of a row → style of the terminal."""


class Row(NamedTuple):
    """One line of output."""

    text: str
    style: str = ""


def render_text(report: Report, lang: str = "en", *, verbose: bool = False, width: int = 0, colour: bool = False) -> str:
    """The whole report; ``width`` 0 leaves long lines whole, ``colour`` adds terminal sequences (by rich)."""
    page = _Page(report, lang, width, verbose=verbose)
    return _coloured(list(page.rows())) if colour else "".join(f"{row.text}\n" for row in page.rows())


def render_trace(traces: Sequence[Trace], lang: str = "en", *, width: int = 0, colour: bool = False) -> str:
    """The walks hop by hop, with the lines of evidence that decided."""
    rows = [row for number, trace in enumerate(traces, 1) for row in (*trace_rows(number, trace, lang, width), Row(""))][:-1]
    return _coloured(rows) if colour else "".join(f"{row.text}\n" for row in rows)


def _coloured(rows: Sequence[Row]) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    out = StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", highlight=False, emoji=False, markup=False)
    for row in rows:
        console.print(Text(row.text, style=STYLES[row.style]), soft_wrap=True)
    return out.getvalue()


class _Page:
    """Sections of the report in the order in which they are read."""

    def __init__(self, report: Report, lang: str, width: int, *, verbose: bool) -> None:
        self.report = report
        self.lang = lang
        self.width = width
        self.verbose = verbose
        self.causes = [f for f in report.findings if f.standing is Standing.ROOT_CAUSE]

    def rows(self) -> Iterator[Row]:
        """Every line; never two blank ones in a row, and none at the end."""
        blank = False
        for row in self._sections():
            if blank and row.text:
                yield Row("")
            blank = not row.text
            if row.text:
                yield row

    def _sections(self) -> Iterator[Row]:
        for number, finding in enumerate(self.causes, 1):
            yield from self._finding(finding, number)
        if not self.causes:
            yield from self._without_cause()
        yield from self._briefly("suspected", Standing.UNDECIDED)
        yield from self._briefly("contributing", Standing.CONTRIBUTING)
        yield from self._briefly("latent", Standing.LATENT)
        yield from self._walked()
        yield from self._listed("assumed", assumed(self.report, self.lang))
        if self.causes or self.report.verdict is Verdict.NO_FAULT_FOUND:
            yield from self._missing("missing")
        yield from self._listed("warnings", self.report.warnings)
        if self.verbose:
            yield from self._hops()

    def _say(self, key: str, **values: object) -> str:
        return say(key, self.lang, **values)

    def _wrapped(self, text: str, indent: str = "  ", style: str = "") -> Iterator[Row]:
        for paragraph in text.split("\n"):
            cleaned = line(paragraph.strip())
            yield from (Row(part, style) for part in wrap(cleaned, self.width, indent)) if cleaned else ()

    def _head(self, text: str) -> Iterator[Row]:
        yield Row("")
        yield Row(line(text), "head")

    # --- causes ---------------------------------------------------------------------------------------------------

    def _finding(self, finding: Finding, number: int) -> Iterator[Row]:
        label = self._say("cause") if len(self.causes) == 1 else self._say("cause-n", n=number)
        if number > 1:
            yield Row("")
        yield from self._wrapped(f"{label}{self._say('colon')}{pick(finding.title, self.lang)}", "", "cause")
        place = located(finding, self.lang)
        yield from self._wrapped(f"{place}{self._say(f'certainty-{finding.certainty.value}')} [{finding.id}]", "  ", "dim")
        explanation = pick(finding.explanation, self.lang)
        if explanation.strip():
            yield Row("")
            yield from self._wrapped(explanation)
        if number == 1 and self.report.mismatch:
            yield from self._wrapped(f"{self._say('mismatch')}{self._say('colon')}{pick(self.report.mismatch, self.lang)}")
        yield from self._proof(finding.evidence)
        for place_, remedy in enumerate(finding.remedies):
            yield from self._remedy(remedy, first=place_ == 0)
        if self.verbose and finding.references:
            yield from self._listed("references", finding.references)

    def _proof(self, evidence: Sequence[Line]) -> Iterator[Row]:
        if not evidence:
            return
        yield from self._head(self._say("proof"))
        kept = evidence if self.verbose else evidence[:MAX_LINES]
        yield from evidence_rows(kept, "  ", several=len({(e.node, e.stack) for e in evidence}) > 1)
        if len(evidence) > len(kept):
            yield Row("  " + self._say("more-lines", n=len(evidence) - len(kept)), "dim")

    def _remedy(self, remedy: RemedyPlan, *, first: bool) -> Iterator[Row]:
        title = pick(remedy.title, self.lang)
        place = where(remedy.node, remedy.stack)
        head = mend_head(remedy, place, self.lang)
        at = self._say("runs-cluster") if remedy.runs_on == "cluster" else self._say("on-node", node=place)
        placed = f"{title} ({at})" if remedy.node or remedy.runs_on == "cluster" else title
        yield from self._head(f"{head}{self._say('colon')}{title}" if first else self._say("alternative", title=placed))
        risk = self._say("risk", risk=self._say(f"risk-{remedy.risk}") if remedy.risk in {"low", "medium", "high"} else line(remedy.risk))
        yield from self._wrapped(f"{self._say(f'verified-{remedy.verified.value}')} {risk}", "  ", "dim")
        if remedy.note:
            yield from self._wrapped(pick(remedy.note, self.lang))
        yield from self._commands(remedy.commands)
        for key, commands in (("persist", remedy.persist), ("verify", remedy.verify), ("undo", remedy.undo)):
            if commands:
                yield Row("  " + self._say(key) + self._say("colon").rstrip())
                yield from self._commands(commands)

    def _commands(self, commands: Sequence[str]) -> Iterator[Row]:
        """Bare lines between blank ones, so that they can be copied as they are."""
        if not commands:
            return
        yield Row("")
        for command in commands:
            yield from (Row(part, "command") for part in block(in_language(command, self.lang)).split("\n"))
        yield Row("")

    # --- no cause -------------------------------------------------------------------------------------------------

    def _without_cause(self) -> Iterator[Row]:
        if self.report.verdict is Verdict.NO_FAULT_FOUND:
            yield Row(self._say("no-fault" if self.report.traces else "no-fault-flowless"), "good")
        else:
            yield Row(self._say("undecided"), "open")
        if self.report.mismatch:
            yield from self._wrapped(f"{self._say('mismatch')}{self._say('colon')}{pick(self.report.mismatch, self.lang)}")
        if self.report.verdict is Verdict.INSUFFICIENT_EVIDENCE:
            yield from self._missing("undecided-next")

    def _missing(self, key: str) -> Iterator[Row]:
        if not self.report.missing:
            return
        yield from self._head(self._say(key))
        for need in self.report.missing:
            place = f" ({self._say('on-node', node=need.node)})" if need.node else ""
            yield from self._wrapped(f"# {pick(need.why, self.lang)}{place}", "", "dim")
            if need.command:
                yield from (Row(part, "command") for part in block(in_language(need.command, self.lang)).split("\n"))

    # --- the rest -------------------------------------------------------------------------------------------------

    def _briefly(self, key: str, standing: Standing) -> Iterator[Row]:
        found = [f for f in self.report.findings if f.standing is standing]
        if found:
            yield from self._head(self._say(key))
        for finding in found:
            place = f"{where(finding.node, finding.stack)}, " if finding.node else ""
            yield from self._wrapped(f"- {pick(finding.title, self.lang)} ({place}{finding.id})", "  ")
            if standing is Standing.CONTRIBUTING and finding.remedies:
                # It has to be mended as well: its commands belong to the answer.
                yield from self._remedy(finding.remedies[0], first=True)

    def _listed(self, key: str, items: Sequence[str]) -> Iterator[Row]:
        if items:
            yield from self._head(self._say(key))
        for item in dict.fromkeys(items):
            yield from self._wrapped(f"- {item}", "  ")

    def _walked(self) -> Iterator[Row]:
        traces = self.report.traces
        if not traces:
            return
        yield from self._head(self._say("walked"))
        shown = traces if self.verbose else traces[:MAX_FLOWS]
        for trace in shown:
            result = self._say("client-sees", what=sees(trace.client_sees, self.lang))
            yield from self._wrapped(f"- {flow_text(trace.flow)}{self._say('colon')}{result}")
            for condition, share, outcome in trace.branches:
                when = answer(condition, self.lang)
                said = self._say("outcome", when=f"{when} ({share})" if share else when, what=sees(outcome, self.lang))
                yield from self._wrapped(f"- {said}", "    ")
        if len(traces) > len(shown):
            yield Row("  " + self._say("more-flows", n=len(traces) - len(shown)), "dim")
        if not self.verbose:
            yield Row("  " + self._say("more-detail"), "dim")

    def _hops(self) -> Iterator[Row]:
        if self.report.traces:
            yield from self._head(self._say("trace"))
        for number, trace in enumerate(self.report.traces, 1):
            yield from trace_rows(number, trace, self.lang, self.width)


def mend_head(remedy: RemedyPlan, place: str, lang: str) -> str:
    """The heading of a remedy: where its commands are typed."""
    if remedy.runs_on == "cluster":
        return say("mend-cluster", lang)
    if not remedy.node:
        return say("mend-here", lang)
    return say("mend-both" if remedy.runs_on == "both" else "mend", lang, node=place)


def assumed(report: Report, lang: str) -> list[str]:
    """What the question and the walks took for granted, each once."""
    walked = [f"{where(u.node, u.stack)}{say('colon', lang)}{spoken(u.why or u.what, lang)}" for trace in report.traces for u in trace.assumed]
    return list(dict.fromkeys([pick(a.text, lang) for a in report.question.assumptions] + walked))


def located(finding: Finding, lang: str) -> str:
    """Where a finding is, before its certainty: on a node, in the cluster for what every node takes from the API, or not said."""
    if finding.node and not finding.shared:
        return say("on-node", lang, node=where(finding.node, finding.stack)) + say("comma", lang)
    return say("in-cluster", lang) + say("comma", lang) if finding.shared or finding.layer == "service" else ""


def where(node: str, stack: str) -> str:
    """A stack as people write it: the node alone for its own stack."""
    return f"{node}/{stack}" if stack not in {"", "host"} else node


def flow_text(flow: Flow) -> str:
    """A flow on one line: ``pod-a → db (10.2.0.9) tcp/5432``."""
    sender = flow.from_name or flow.src or where(flow.node, flow.stack)
    conversation = f"{flow.protocol}/{flow.port}" if flow.port else flow.protocol
    return line(f"{sender} → {flow.to_name or flow.dst} {conversation}")


def evidence_rows(evidence: Sequence[Line], indent: str, *, several: bool) -> Iterator[Row]:
    """Lines of evidence as ``file:line  text``; the place in front where there are several places."""
    origins = []
    for item in evidence:
        number = f":{item.line}" if item.line else ""
        place = f"{where(item.node, item.stack)}: " if several and item.node and item.node not in item.source else ""
        origins.append(line(f"{place}{item.source}{number}"))
    widest = 48
    columns = min(max((len(o) for o in origins), default=0), widest)
    for origin, item in zip(origins, evidence, strict=True):
        yield Row(f"{indent}{pad(origin, columns)}  {line(item.text)}".rstrip())


# --- hop by hop ----------------------------------------------------------------------------------------------------------


def trace_rows(number: int, trace: Trace, lang: str, width: int) -> Iterator[Row]:
    """One walk: hops, decisions, and the lines that decided."""
    result = say("client-sees", lang, what=sees(trace.client_sees, lang))
    yield Row(f"{say('flow', lang, n=number)}{say('colon', lang)}{flow_text(trace.flow)}", "head")
    yield from (Row(part) for part in wrap(result, width, "  "))
    yield from _direction("request", trace.request, lang)
    if trace.reply is not None:
        yield from _direction("reply", trace.reply, lang)
    for unknown in trace.depends:
        told = say("colon", lang).join((where(unknown.node, unknown.stack), spoken(unknown.what, lang), spoken(unknown.why, lang)))
        yield Row(line(f"  ? {told}"), "open")
        if unknown.command:
            yield Row(f"      {line(unknown.command)}", "command")


def _direction(key: str, walked: Walked, lang: str) -> Iterator[Row]:
    yield Row(f"  {say(key, lang)}{say('colon', lang)}{say(f'disposition-{walked.disposition.value}', lang)}")
    for number, hop in enumerate(walked.hops, 1):
        yield from _hop(number, hop, lang)


def _hop(number: int, hop: Hop, lang: str) -> Iterator[Row]:
    way = f"{hop.in_device or '·'} > {hop.out_device or '·'}"
    yield Row(line(f"    {number}. {where(hop.node, hop.stack)}  [{way}]  {hop.packet}"))
    for step in hop.steps:
        style = "drop" if step.verdict in {"drop", "reject"} else ""
        verdict, what = say(f"step-{step.verdict}", lang), stage(step.what, lang)
        yield Row(line(f"       {pad(verdict, 8)}{pad(what, 13)}{spoken(step.summary, lang)}"), style)
        yield from evidence_rows(step.lines, " " * 17, several=False)
