"""The whole run: evidence → facts → question → walk → rules → findings → report.  The only module that sees both ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.facts import FactBase
from engine.findings import Certainty, Report, Standing, Verdict
from engine.inet import family_of, to_int

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.evidence import Evidence
    from engine.diagnosis import Diagnosis
    from engine.findings import Finding, Question
    from engine.matrix import ByObjects, Matrix, Options
    from engine.model import Network
    from engine.request import Request
    from engine.rulebase.model import Rule
    from engine.walk.confirm import Comparison, Watch
    from engine.walk.trace import Flow, Trace


def evidence_of(request: Request) -> Evidence:
    """Read the bundles, or this node if none is given."""
    if request.bundles:
        from collectors.evidence import read

        return read(request.bundles, request.stacks)
    from collectors.live import CollectOptions, snapshot

    return snapshot(CollectOptions(node=request.node or "", netns=request.netns or None))


def fact_base(evidence: Evidence) -> FactBase:
    """Facts with the kinds that are computed on demand."""
    from engine.computed import EXPANDERS

    return FactBase(evidence.facts, EXPANDERS)


def question_of(request: Request, facts: FactBase) -> Question:
    """Understand the symptom in the light of the evidence."""
    from engine.question import understand

    node = request.node if request.bundles else None
    return understand(request.symptom, facts, from_=request.from_, to=request.to, port=request.port, protocol=request.protocol, node=node)


def plausible(question: Question, network: Network) -> Question:
    """Of several flows that a vague word stands for, those between stacks that some wire joins.

    A kernel may hold namespaces of other people's networks; they are not meant.
    """
    if len(question.flows) < 2:
        return question
    joined = tuple(f for f in question.flows if _may_meet(f, network))
    return question._replace(flows=joined) if joined else question


def _may_meet(flow: Flow, network: Network) -> bool:
    sender = network.stack(flow.node, flow.stack)
    holders = {(s.node, s.name) for s in network.holders(to_int(flow.dst), family_of(flow.dst))}
    return sender is None or not holders or bool(holders & network.joined(sender))


def diagnose(request: Request) -> Report:
    """Answer a question; raises :class:`~engine.errors.NorouteError` for input that cannot be used."""
    from engine import compiled
    from engine.diagnosis import Diagnoser
    from engine.model import build
    from engine.rulebase.loader import load

    rulebase = load(request.rules)
    evidence = evidence_of(request)
    facts = fact_base(evidence)
    network = build(facts)
    question = plausible(question_of(request, facts), network)
    outcome = Diagnoser(question, facts, rulebase.rules, request.lang, network).run()
    if request.bundles and (outcome.verdict is Verdict.INSUFFICIENT_EVIDENCE or _is_shallow(outcome)):
        completed = _completed(request, facts, rulebase.rules)
        if completed is not None and (outcome.verdict is not Verdict.CAUSE_FOUND or completed[1].verdict is Verdict.CAUSE_FOUND):
            question, outcome = completed
        outcome = _not_ruled_out(question, outcome)
    compiled.keep(rulebase.rules)
    warnings = (*(w.head() for w in rulebase.warnings), *evidence.warnings, *outcome.warnings, *_misread(network))
    return Report(question, outcome.verdict, outcome.findings, outcome.traces, outcome.missing, warnings, outcome.mismatch)


def _is_shallow(outcome: Diagnosis) -> bool:
    """Whether the only causes say where packets end, and no failure mode why: the rest of the node may tell."""
    from engine.diagnosis import FALLBACKS

    roots = [f for f in outcome.findings if f.standing is Standing.ROOT_CAUSE]
    return bool(roots) and all(f.told or f.id in FALLBACKS for f in roots)


def _completed(request: Request, facts: FactBase, rules: Sequence[Rule]) -> tuple[Question, Diagnosis] | None:
    """The answer on evidence that was completed by what every such machine has; ``None`` if that leads to no cause that was shown.

    Only what the evidence itself shows counts: a cause without a line of it is one that was supposed.
    """
    from collectors.containers import merged
    from engine.diagnosis import FALLBACKS, Diagnoser
    from engine.model import build
    from engine.suppose.completion import suppose

    supposed = suppose(facts, request.symptom)
    if not supposed.facts:
        return None
    whole = FactBase(merged(supposed.beside(facts.facts)), facts.expanders)
    network = build(whole)
    question = plausible(question_of(request, whole), network)
    outcome = Diagnoser(question, whole, rules, request.lang, network).run()
    shown = tuple(
        f._replace(certainty=Certainty.LIKELY if f.certainty is Certainty.PROVEN else f.certainty)
        for f in outcome.findings
        if f.standing is Standing.ROOT_CAUSE and _is_shown(f) and f.id not in FALLBACKS and not _contradicted(f, question, outcome)
    )
    if not shown:
        # Causes of flows whose port nobody named stay what they are: possible ones, of an error that somebody named.
        held = tuple(f for f in outcome.findings if f.standing is Standing.UNDECIDED and _is_shown(f) and f.id not in FALLBACKS)
        held = tuple(f for f in held if f.flows and all(question.flows[n].guessed for n in f.flows) and not _contradicted(f, question, outcome))
        question = question._replace(assumptions=(*question.assumptions, *supposed.assumptions))
        return (question, outcome._replace(findings=held)) if held and question.error_class else None
    # What explains a client's error counts for more than the error; what a program says itself, for more than the walk of a flow that was guessed.
    shown = tuple(f for f in shown if not f.told) or shown
    shown = tuple(f for f in shown if not f.flows) or shown
    question = question._replace(assumptions=(*question.assumptions, *supposed.assumptions))
    return question, outcome._replace(findings=shown, verdict=Verdict.CAUSE_FOUND, missing=())


def _is_shown(finding: Finding) -> bool:
    """Whether a line of the evidence, not only of what was supposed, supports a finding."""
    return any(line.source for line in finding.evidence)


def _contradicted(finding: Finding, question: Question, outcome: Diagnosis) -> bool:
    """Whether the client reported another error than the walk predicts for every flow of a finding: too much to suppose at once."""
    from engine.diagnosis import COMPARABLE

    sees = {outcome.traces[number].client_sees for number in finding.flows if not question.flows[number].outer}
    # ping counts what was lost; why, busybox never tells.  What is too big for a ping stalls a connection.
    lost = {"EMSGSIZE"} if question.error_class == "timeout" else set()
    lost |= {"EHOSTUNREACH"} if question.error_class == "timeout" and re.search(r"100 ?% (?:packet )?loss|丢包", question.symptom) else set()
    return bool(sees) and question.error_class in COMPARABLE and not sees & {question.error_class, "depends", "connected", *lost}


def _not_ruled_out(question: Question, outcome: Diagnosis) -> Diagnosis:
    """Faults that no walk showed to be off the path may be what was complained of, where nothing else is."""
    walked = any(trace.client_sees != "depends" for trace in outcome.traces)
    if not question.symptom or walked or any(finding.standing is not Standing.LATENT for finding in outcome.findings):
        return outcome
    findings = tuple(f._replace(standing=Standing.UNDECIDED, certainty=Certainty.POSSIBLE) for f in outcome.findings)
    return outcome._replace(findings=findings)


def _misread(network: Network) -> list[str]:
    """What was not understood of the nftables rulesets that the walks read."""
    return [text for stack in network.stacks.values() if "nftables" in vars(stack) for text in stack.nftables.warnings]


def trace(request: Request) -> tuple[Trace, ...]:
    """Walk the flows of a question without any rule."""
    return trace_with_kernel(request)[0]


def trace_with_kernel(request: Request) -> tuple[tuple[Trace, ...], tuple[Watch, ...], tuple[Comparison, ...]]:
    """Walks, the commands that have the kernel trace the same packets, and what a collected kernel trace says of each decision."""
    from engine.model import build
    from engine.walk import walk
    from engine.walk.confirm import commands, compare

    facts = fact_base(evidence_of(request))
    network = build(facts)
    question = plausible(question_of(request, facts), network)
    traces = tuple(walk(network, flow, number, question.error_class) for number, flow in enumerate(question.flows))
    watches = tuple(dict.fromkeys(w for t in traces for w in commands(t, network)))
    events = facts.of_kind("kernel_trace")
    return traces, watches, tuple(row for t in traces for row in compare(t, events)) if events else ()


def matrix(request: Request, options: Options) -> Matrix | ByObjects:
    """Who reaches whom in all the evidence; what the API's objects say of it, where no node's own state was given."""
    import gc

    from engine.cluster import Cluster
    from engine.matrix import matrix as answered
    from engine.matrix.objects import by_objects, unseen
    from engine.model import build

    # Millions of tuples live to the end and hold no cycles: looking for garbage among them again and again costs a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        facts = fact_base(evidence_of(request))
        network, cluster = build(facts), Cluster(facts)
        return by_objects(network, cluster, options) if cluster.known and unseen(network) else answered(network, cluster, options)
    finally:
        if collects:
            gc.enable()
