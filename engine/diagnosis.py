"""From matches to findings: which cause stops the flow, how sure that is, and what the model says of each remedy.

Pure: facts, question and rules in, findings out.  The what-if changes facts, rebuilds the model, and walks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.complaint import complaint
from engine.errors import RuleError
from engine.facts import HOST, Fact, FactBase
from engine.findings import Certainty, Finding, Missing, RemedyPlan, Standing, Verdict, Verified, at_cluster
from engine.inference.engine import Match, infer
from engine.inference.suppression import suppressed
from engine.missing import missing
from engine.model import Network, build
from engine.remedies import OPERATIONS, Site
from engine.schema import KINDS
from engine.walk import walk
from engine.walk.recorder import line_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.findings import Question
    from engine.remedies import Operation
    from engine.rulebase.model import RemedySpec, Rule
    from engine.walk.trace import Flow, Line, Trace

FALLBACKS = frozenset({"flow-stopped", "dns-service-unreachable"})
"""Rules that say where a packet ends, and for whom, where no failure mode explains it; they give way to every other finding on the same drop."""

RELAYED = "[resolver]"
"""How docker begins what it says of a look-up that it passed on for a container."""

DATA = 200
"""Octets of the first data packet that is walked after a handshake: any network passes it by size."""

DNS = 53

MAX_FAULTS = 4
"""Faults one behind the other that are looked for by mending and walking on."""

WIRE_KINDS = ("dead_link", "loose_port", "bare_bridge", "duplicate", "vanished")
"""Derived facts that name the device at fault, which may be on another stack than where the packet ended."""

MACHINE_KINDS = ("path_mismatch", "lease_mismatch")
"""Computed facts that name the machine at fault."""

PATH_KINDS = frozenset(
    {"service_flow", "policy_denies", "proxy_gap", "pod_sends", "own_balancer", "dns_upstream"}
    | {"drop", "nat", "no_nat", "left_evidence", "rule_seen", "hop", "arrival", "depends", "lookup", "other_way", "limit", "marked", "nat_skipped"}
    | {"tunnelled", "narrow"}
) | {*WIRE_KINDS, "silent_neighbor"}
"""Derived facts that put a finding on the flow's path."""

COMPARABLE = frozenset({"timeout", "EHOSTUNREACH", "ENETUNREACH", "ECONNREFUSED", "EPERM", "EACCES", "EINVAL", "ENOPROTOOPT", "EADDRNOTAVAIL"})
"""Error classes that the walk can predict."""


BEYOND = frozenset({"narrow", "service_flow", "policy_denies", "pod_sends", "dns_upstream"})
"""Derived facts of faults that may be seen without the packet's end: mended, they are gone, and the flow is as open as before."""

SIZE_CLASSES = frozenset({"", "timeout", "slow", "reset", "intermittent", "EMSGSIZE"})
"""Error classes that fit a flow whose small packets pass and whose full ones do not."""


class Diagnosis(NamedTuple):
    """Outcome for a question."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    traces: tuple[Trace, ...]
    missing: tuple[Missing, ...]
    mismatch: Mapping[str, str] | None
    warnings: tuple[str, ...] = ()


class State(NamedTuple):
    """The model at one point of the what-if: facts, network, and the walks on it."""

    facts: FactBase
    network: Network
    traces: tuple[Trace, ...]
    matches: tuple[Match, ...]

    @property
    def seen(self) -> FactBase:
        """Evidence and what the walks derived from it."""
        return self.facts.plus(f for t in self.traces for f in t.facts)


@dataclass(slots=True)
class Candidate:
    """A match on its way to becoming a finding."""

    match: Match
    flows: tuple[int, ...]
    standing: Standing
    plans: list[RemedyPlan] = field(default_factory=list)
    mended: FactBase | None = None
    """Facts after the first remedy that has an effect on the model."""
    restores: bool = False
    together: bool = False
    """The flow lives once this and the following faults are mended."""

    @property
    def rule(self) -> Rule:
        """The rule that fired."""
        return self.match.rule


class Diagnoser:
    """Answers one question on one body of evidence."""

    def __init__(self, question: Question, facts: FactBase, rules: Sequence[Rule], lang: str = "en", network: Network | None = None) -> None:
        self.question = question
        self.rules = rules
        self.languages = ("en",) if lang == "en" else ("en", lang)
        self.warnings: list[str] = []
        """Rules whose templates or remedies could not be used, said once each."""
        self.start = self._state(facts, network or build(facts))

    def _state(self, facts: FactBase, network: Network) -> State:
        traces = tuple(self._walk(network, flow, number) for number, flow in enumerate(self.question.flows))
        state = State(facts, network, traces, ())
        return state._replace(matches=tuple(self._infer(state)))

    def _walk(self, network: Network, flow: Flow, number: int) -> Trace:
        """Walk a flow; what the Kubernetes objects say of it joins the facts."""
        from engine.cluster_facts import facts_of

        trace = self._walked(network, flow, number)
        return trace._replace(facts=(*trace.facts, *facts_of(network, flow, number, trace.facts)))

    def _walked(self, network: Network, flow: Flow, number: int) -> Trace:
        """Walk a flow; if it lives, its first data too (a filter may let a handshake pass and stop what follows).

        If the symptom does not speak against it, full packets as well: what stops only them joins the facts.
        """
        error = self.question.error_class
        trace = walk(network, flow, number, error)
        if trace.client_sees != "connected" and not flow.size:
            return trace
        from engine.walk.sizes import lost_when_full, walk_full, with_remedy

        if trace.client_sees != "connected":
            return with_remedy(network, flow, number, error, trace)

        if flow.protocol == "tcp":
            data = walk_full(network, flow._replace(size=DATA), number, error)
            if data.client_sees == "timeout":
                return data
        if error not in SIZE_CLASSES:
            return trace

        return trace._replace(facts=(*trace.facts, *lost_when_full(network, flow, number, error)))

    def _infer(self, state: State) -> list[Match]:
        from engine import veiled

        matches, said = veiled.split(infer(self.rules, state.seen.plus(complaint(self.question, state.network))), veiled.nodes(state.facts))
        self.warnings += said
        gone = suppressed(matches)
        kept = [m for i, m in enumerate(matches) if i not in gone]
        explained = {id(f) for m in kept if m.rule.id not in FALLBACKS for f in m.facts() if f.kind == "drop"}
        spoken = {n for m in kept if m.rule.id not in FALLBACKS and _on_path(m) for n in _flows(m)}
        # Of what another node would send through a tunnel only a known fault counts: its answers and listeners are nobody's complaint.
        spoken |= {n for n, flow in enumerate(self.question.flows) if flow.outer}
        return [m for m in kept if m.rule.id not in FALLBACKS or not (explained & {id(f) for f in m.facts()} or spoken & set(_flows(m)))]

    # --- the answer -----------------------------------------------------------------------------------------------

    def run(self) -> Diagnosis:
        """Findings best first, verdict, and what is missing."""
        candidates = self._candidates(self.start)
        for candidate in candidates:
            self._plan(candidate, self.start)
        candidates = _unexplained(candidates)
        self._rank_roots(candidates)
        later = self._walk_on(candidates)
        findings = [self._finding(c, self.start) for c in candidates] + later
        findings.sort(key=_order)
        from engine.contradictions import contradictions

        self.warnings += contradictions(self.start.facts, self.start.traces)
        mismatch = self._mismatch(findings)
        causes = [f for c in candidates if c.standing is Standing.ROOT_CAUSE for f in c.match.facts()]
        gaps = missing(self.question, self.start.network, self.start.traces, causes or None)
        return Diagnosis(self._verdict(findings), tuple(findings), self.start.traces, gaps, mismatch, tuple(dict.fromkeys(self.warnings)))

    def _candidates(self, state: State) -> list[Candidate]:
        return [Candidate(m, _flows(m), self._standing(m, state)) for m in state.matches]

    def _standing(self, match: Match, state: State) -> Standing:
        said = match.branch.standing
        flows = _flows(match)
        if not said and not _on_path(match):
            return Standing.LATENT
        traces = [state.traces[n] for n in flows]
        if traces and all(_outcome(t, match) == "connected" for t in traces):
            return self._harmless(match, said)
        if flows and self._open(match, traces):
            return Standing.UNDECIDED
        if traces and self._guessed(match, traces, state):
            return Standing.UNDECIDED
        return Standing(said) if said else Standing.ROOT_CAUSE if traces else Standing.LATENT

    def _guessed(self, match: Match, traces: Sequence[Trace], state: State) -> bool:
        """Whether the match rests on ports that nobody named: on another port there may be no fault."""
        from engine import guesses

        def held(trace: Trace, number: int) -> bool:
            about = [f for f in match.facts() if f.fields.get("flow") == number]
            return not trace.flow.guessed or guesses.holds(about, state.network, trace, lambda flow: self._walk(state.network, flow, number))

        if self.question.error_class in {"ECONNREFUSED", "reset"} and all(t.flow.guessed and t.client_sees != "ECONNREFUSED" for t in traces):
            return True  # somebody answered: that was another port, or another machine
        return not any(held(trace, number) for trace, number in zip(traces, _flows(match), strict=True))

    def _harmless(self, match: Match, said: str) -> Standing:
        """What a fault is worth on flows that live.

        Translated sources are what was complained of, or may be what stops the flow beyond the model (a server's own list).
        """
        error = self.question.error_class
        if any(f.kind in {"limit", "vanished", "tunnelled"} for f in match.facts()):
            # What strikes one packet and spares the next, or happens beyond both nodes, no walk shows: the rule itself weighs it against the symptom.
            return Standing(said) if said else Standing.LATENT
        translated = any(f.kind == "nat" for f in match.facts())
        if error == "wrong-source" and translated:
            return Standing(said) if said else Standing.ROOT_CAUSE
        if said and error in COMPARABLE:
            return Standing.CONTRIBUTING if Standing(said) is Standing.ROOT_CAUSE else Standing(said)
        return Standing(said) if said else Standing.LATENT

    @staticmethod
    def _open(match: Match, traces: Sequence[Trace]) -> bool:
        """Whether the flow may live as it is: it dies at the bound drop only if something was as nobody saw it."""
        if any(t.client_sees == "connected" and _outcome(t, match) == "depends" for t in traces):
            return True
        dies = any(f.kind == "drop" for f in match.facts())
        lives = any(not share and sees == "connected" for t in traces for _, share, sees in t.branches)
        return dies and lives

    # --- what-if --------------------------------------------------------------------------------------------------

    def _plan(self, candidate: Candidate, state: State) -> None:
        """Render every remedy and try it on the model."""
        for spec in candidate.rule.remedies:
            try:
                operation, site = self._operation(spec, candidate.match, state)
                if operation is None or site is None:
                    continue
                verified, mended = self._try(operation, candidate, state)
                candidate.plans.append(self._remedy(spec, operation, site, candidate.match, verified))
            except (RuleError, ValueError) as error:
                self.warnings.append(f"rule {candidate.rule.id}: remedy {spec.op} left out: {error}")
                continue
            candidate.restores = candidate.restores or verified is Verified.RESTORES_FLOW
            if mended is not None and candidate.mended is None:
                candidate.mended = mended
        if candidate.restores:
            # Whoever pastes the first commands must not be handed those that are known not to do.
            candidate.plans.sort(key=lambda plan: plan.verified is Verified.NO_EFFECT)

    def _operation(self, spec: RemedySpec, match: Match, state: State) -> tuple[Operation | None, Site | None]:
        from engine import templates

        extra = {"branch": match.branch.name}
        if spec.when and templates.render(spec.when, match.bindings, extra).strip().lower() != "true":
            return None, None
        given = {k: rendered(v, match, extra) for k, v in spec.parameters.items()}
        place = match.bindings.get(str(given.pop("on", ""))) or main_of(match)
        stack = state.network.stack(place.node, place.stack)
        site = Site(state.facts, place.node, place.stack, stack.entry if stack is not None else "")
        return OPERATIONS[spec.op](given, site), site

    def _try(self, operation: Operation, candidate: Candidate, state: State) -> tuple[Verified, FactBase | None]:
        if candidate.standing is Standing.LATENT or not candidate.flows:
            return Verified.NOT_CHECKED, None
        changed = operation.apply(state.facts)
        if changed is None:
            return Verified.NOT_CHECKED, None
        network = build(changed, state.network)
        traces = {n: self._walk(network, self._flow_after(n, state.network, network), n) for n in candidate.flows}
        failing = [n for n in candidate.flows if state.traces[n].client_sees != "connected"] or list(candidate.flows)
        lives = all(_lives(traces[n], candidate.match) for n in failing)
        # An open walk does not show that the flow dies.
        may_live = lives or all(_lives(traces[n], candidate.match) or _outcome(traces[n], candidate.match) == "depends" for n in failing)
        beyond = any(f.kind in BEYOND for f in candidate.match.facts())
        gone = (may_live or beyond) and not self._fires_again(candidate, changed, traces)
        if lives and gone:
            return Verified.RESTORES_FLOW, changed
        if beyond and gone:
            return Verified.NOT_CHECKED, None  # the fault is gone; what it does to the flow shows beyond the evidence
        moved = any(_deaths(traces[n]) != _deaths(state.traces[n]) or traces[n].client_sees != state.traces[n].client_sees for n in failing)
        shown = Verified.REMOVES_FAULT if gone else Verified.NOT_CHECKED if may_live and not lives else Verified.NO_EFFECT
        return shown, changed if moved else None

    def _flow_after(self, number: int, before: Network, after: Network) -> Flow:
        """The flow, with a source address that still exists (a recreated pod has another), to the name server that is asked then."""
        flow = _asked_after(self.question.flows[number], before, after)
        if not flow.src:
            return flow
        from engine.inet import family_of, to_int

        stack = after.stack(flow.node, flow.stack)
        value, family = to_int(flow.src), family_of(flow.src)
        old = before.stack(flow.node, flow.stack)
        owned = old is not None and old.own(value, family) is not None
        return flow._replace(src="") if owned and stack is not None and stack.own(value, family) is None else flow

    def _fires_again(self, candidate: Candidate, changed: FactBase, traces: Mapping[int, Trace]) -> bool:
        """Whether the same rule still finds its fault on these flows after the change."""
        seen = changed.plus(f for t in traces.values() for f in t.facts)
        needed = [r for r in self.rules if r.derive or r.id == candidate.rule.id]
        same = [m for m in infer(needed, seen) if m.rule.id == candidate.rule.id and set(_flows(m)) & set(candidate.flows)]
        return any(m.branch.name == candidate.match.branch.name and main_of(m).node == main_of(candidate.match).node for m in same)

    def _remedy(self, spec: RemedySpec, operation: Operation, site: Site, match: Match, verified: Verified) -> RemedyPlan:
        from engine import templates

        title = {
            lang: templates.render(spec.title.get(lang) or spec.title.get("en", ""), match.bindings, {"branch": match.branch.name})
            for lang in self.languages
        }
        commands = operation.commands()
        if site.stack != HOST and not site.entry and not all(at_cluster(command) for command in commands):
            # A folder shows that the namespace exists, not how to get into it.
            inside = f"# run inside the network namespace of {site.stack} on {site.node}: nsenter -t <pid> -n, or ip netns exec <name>"
            commands = (" ".join(inside.split()), *commands)
        plan = RemedyPlan(site.node, title, commands, operation.undo(), operation.RISK, verified, operation.persist(), operation.verify())
        return plan._replace(stack=site.stack)

    # --- several faults -------------------------------------------------------------------------------------------

    @staticmethod
    def _rank_roots(candidates: list[Candidate]) -> None:
        """A cause whose mending restores a flow outranks what the same flow also met: those become contributing or latent."""
        restored = {n for c in candidates if c.standing is Standing.ROOT_CAUSE and c.restores for n in c.flows}
        for candidate in candidates:
            if candidate.standing is Standing.ROOT_CAUSE and candidate.flows and not candidate.restores and set(candidate.flows) <= restored:
                candidate.standing = Standing.CONTRIBUTING if any(f.kind == "drop" for f in candidate.match.facts()) else Standing.LATENT

    def _walk_on(self, candidates: list[Candidate]) -> list[Finding]:
        """Mend the first fault on the model, walk on, and name what would stop the flow next."""
        found: list[Finding] = []
        chain = [c for c in candidates if c.standing is Standing.ROOT_CAUSE and not c.restores and c.mended is not None][:1]
        known = {(c.rule.id, main_of(c.match).node, main_of(c.match).stack) for c in candidates}
        while chain and len(found) < MAX_FAULTS:
            last = chain[-1]
            assert last.mended is not None  # noqa: S101 - only candidates with an effect enter the chain
            state = self._state(last.mended, build(last.mended, self.start.network))
            following = [c for c in self._candidates(state) if c.standing is Standing.ROOT_CAUSE and set(c.flows) & set(last.flows)]
            following = [c for c in following if (c.rule.id, main_of(c.match).node, main_of(c.match).stack) not in known]
            if not following:
                break
            for candidate in following:
                self._plan(candidate, state)
                known.add((candidate.rule.id, main_of(candidate.match).node, main_of(candidate.match).stack))
            following.sort(key=lambda c: not c.restores)
            step = following[0]
            restored = step.restores
            step.standing = Standing.CONTRIBUTING
            found.append(self._finding(step, state))
            if restored:
                for link in chain:
                    link.together = True
                break
            if step.mended is None:
                break
            chain.append(step)
        return found

    # --- findings -------------------------------------------------------------------------------------------------

    def _finding(self, candidate: Candidate, state: State) -> Finding:
        from engine import templates

        rule, match = candidate.rule, candidate.match
        main = main_of(match)
        alone = {Verified.NO_EFFECT, Verified.REMOVES_FAULT} if candidate.together else set()
        plans = tuple(self._with_others(p) if p.verified in alone else p for p in candidate.plans)
        extra: dict[str, Any] = {"branch": match.branch.name, "remedies": plans}
        try:
            title = {lang: templates.title(rule, match.branch, lang, match.bindings) for lang in self.languages}
            explanation = {lang: templates.cause(rule, lang, match.bindings, extra) + _halves(match, state, lang) for lang in self.languages}
        except RuleError as error:
            # A team's template that fails on this evidence must not take the finding away, let alone the report.
            self.warnings.append(f"rule {rule.id}: {error}")
            title, explanation = {"en": rule.id}, {"en": ""}
        return Finding(
            rule.id,
            candidate.standing,
            self._certainty(candidate, state),
            main.node,
            main.stack,
            title,
            explanation,
            _evidence(match) or _listing(match, state),
            plans,
            rule.severity,
            rule.layer,
            rule.references,
            candidate.flows,
            _of_objects(main),
            _is_told(match),
        )

    @staticmethod
    def _with_others(plan: RemedyPlan) -> RemedyPlan:
        note = {
            "en": "Restores the flow together with what is printed below for the next fault on this path.",
            "zh": "与下面“同一路径上的下一个问题”的修复一起执行后，流量恢复。",
        }
        return plan._replace(verified=Verified.RESTORES_FLOW, note=note)

    def _certainty(self, candidate: Candidate, state: State) -> Certainty:
        if candidate.standing is Standing.LATENT:
            return Certainty.LIKELY
        if candidate.standing is Standing.UNDECIDED:
            return Certainty.POSSIBLE
        traces = [state.traces[n] for n in candidate.flows]
        visible = all(not t.depends and not t.assumed for t in traces) and not state.facts.of_kind("obfuscated")
        dies = all(_outcome(t, candidate.match) not in {"connected", "depends"} for t in traces)
        wrong = self.question.error_class in {"wrong-source", "wrong-server"}
        if visible and (dies or wrong) and (candidate.restores or candidate.together) and not self._contradicts(candidate, state):
            return Certainty.PROVEN
        return Certainty.LIKELY

    def _contradicts(self, candidate: Candidate, state: State) -> bool:
        """Whether the symptom names an error that the walk predicts for none of the candidate's flows."""
        said = self.question.error_class
        if said not in COMPARABLE:
            return False
        return all(_outcome(state.traces[n], candidate.match) != said for n in candidate.flows)

    def _mismatch(self, findings: Sequence[Finding]) -> Mapping[str, str] | None:
        said = self.question.error_class
        roots = [f for f in findings if f.standing is Standing.ROOT_CAUSE and f.flows]
        if said not in COMPARABLE or not roots:
            return None
        predicted = sorted({self.start.traces[n].client_sees for f in roots for n in f.flows} - {"depends", "connected"})
        if not predicted or said in predicted:
            return None
        told = ", ".join(predicted)
        return {
            "en": f"The symptom says {said}, this cause makes the client see {told}: there may be another fault, or the error was read elsewhere.",
            "zh": f"症状描述为 {said}, 而该原因会让客户端看到 {told}: 可能还有别的故障, 或者报错来自别处。",
        }

    def _verdict(self, findings: Sequence[Finding]) -> Verdict:
        if any(f.standing is Standing.ROOT_CAUSE for f in findings):
            return Verdict.CAUSE_FOUND
        asked = [t for t in self.start.traces if not t.flow.outer] or self.start.traces
        if not asked or any(t.client_sees != "connected" for t in asked):
            return Verdict.INSUFFICIENT_EVIDENCE
        return Verdict.NO_FAULT_FOUND

def _listing(match: Match, state: State) -> tuple[Line, ...]:
    """What shows that something is missing: the list of sockets; the end of the chain that would hold a translation."""
    closed = next((f for f in match.facts() if f.kind == "drop" and f.get("by") == "socket"), None)
    if closed is not None:
        here = (f for f in state.facts.of_kind("collected") if (f.node, f.stack, f.get("what")) == (closed.node, closed.stack, "sockets"))
        from engine.walk.trace import Line

        listed = next((f for f in here if f.source.name), None)
        return (Line(listed.node, listed.stack, listed.source.name, 0, listed.source.command or "sockets"),) if listed is not None else ()
    bare = next((f for f in match.facts() if f.kind == "no_nat"), None)
    if bare is None:
        return ()
    chains = (c for c in state.facts.of_kind("netfilter_chain") if (c.node, c.stack) == (bare.node, bare.stack))
    family = 6 if ":" in str(bare.get("dst")) else 4
    ends = [c for c in chains if (c.get("table"), c.get("name"), c.get("family", 4)) == ("nat", "POSTROUTING", family)]
    return tuple(line for c in ends[:1] for line in line_of(c))


def _unexplained(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Without the findings that a root cause of the same flows explains (``suppresses``)."""
    roots = [c for c in candidates if c.standing is Standing.ROOT_CAUSE]

    def explained(candidate: Candidate) -> bool:
        return bool(candidate.flows) and any(
            candidate.rule.id in root.rule.suppresses and set(candidate.flows) <= set(root.flows) and (root.restores or not candidate.restores)
            for root in roots
        )

    return [c for c in candidates if not explained(c)]


def _asked_after(flow: Flow, before: Network, after: Network) -> Flow:
    """A look-up goes to the server that the sender's resolv.conf (or what it forwards by) names after the change."""
    if flow.behalf:
        from engine.dns_upstreams import asked_after

        return asked_after(flow, before.facts, after.facts)
    was, now = (_nameservers(network, flow) for network in (before, after))
    return flow._replace(dst=now[0], to_name=now[0]) if flow.port == DNS and flow.dst in was and now and flow.dst not in now else flow


def _nameservers(network: Network, flow: Flow) -> list[str]:
    return [str(s) for f in network.facts.at("dns_config", flow.node, flow.stack) for s in f.get("nameservers", ())]


def _outcome(trace: Trace, match: Match) -> str:
    """What the client sees of what a match is about: of full packets, if it binds what stops them on a flow that lives otherwise."""
    if trace.client_sees != "connected" or not any(f.kind == "drop" and "size" in f.fields for f in match.facts()):
        return trace.client_sees
    sizes = [str(f.fields.get("client_sees", "timeout")) for f in trace.facts if f.kind == "drop" and "size" in f.fields]
    return sizes[0] if sizes else "connected"


def _lives(trace: Trace, match: Match) -> bool:
    """Whether what a match is about gets through; where the port was a guess, to wherever a program may wait."""
    from engine.guesses import arrives

    return _outcome(trace, match) == "connected" or (trace.client_sees != "connected" and arrives(trace))


def rendered(value: Any, match: Match, extra: Mapping[str, Any]) -> Any:
    """A parameter of a remedy with its templates filled; raises :class:`RuleError`."""
    from engine import templates

    if isinstance(value, str):
        return templates.render(value, match.bindings, extra)
    if isinstance(value, (list, tuple)):
        return [rendered(v, match, extra) for v in value]
    return value


def _flows(match: Match) -> tuple[int, ...]:
    """Numbers of the flows that a match speaks of."""
    return tuple(sorted({int(f.fields["flow"]) for f in match.facts() if "flow" in f.fields and _origin(f) == "walk"}))


def _origin(fact: Fact) -> str:
    kind = KINDS.get(fact.kind)
    return kind.origin if kind is not None else ""


def _on_path(match: Match) -> bool:
    return any(f.kind in PATH_KINDS for f in match.bindings.values())


def _of_objects(main: Fact) -> bool:
    """Whether a fault is in the Service itself, which is the same for every node."""
    return main.kind == "service_flow" and bool(main.get("lack") or main.get("undeclared") or "port" not in main.fields)


def _is_told(match: Match) -> bool:
    """Whether a match repeats what a client was told, or docker's resolver for it, and knows no more."""
    logs = [f for f in match.facts() if f.kind == "component_log"]
    if logs and all(RELAYED in str(f.get("text")) for f in logs) and {f.kind for f in match.facts()} <= {"component_log", "symptom"}:
        return True
    reports = [f for f in match.facts() if f.kind == "icmp_report"]
    more = {f.kind for f in match.facts()} - {"icmp_report", "flow", "symptom"}
    return bool(reports) and not more and all(f.get("seen_by") == "ping" for f in reports)


def main_of(match: Match) -> Fact:
    """The bound fact that places the finding: the one that the rule names, else the device at fault, else where the packet ends or is changed."""
    if match.rule.on in match.bindings:
        return match.bindings[match.rule.on]
    facts = list(match.bindings.values())
    for kind in (*WIRE_KINDS, *MACHINE_KINDS, "drop", "nat", "nat_skipped", "rule_seen", "no_nat", "left_evidence"):
        for fact in facts:
            if fact.kind == kind:
                return fact
    return next((f for f in facts if f.node), facts[0])


def _halves(match: Match, state: State, lang: str) -> str:
    """What is known of the Service that a finding's flow asks for, as one more paragraph: whether it or its backends fail."""
    halves = [] if any(f.kind == "service_half" for f in match.facts()) else [
        f for n in _flows(match) for f in state.traces[n].facts if f.kind == "service_half"
    ]
    if not halves:
        return ""
    from engine.service_halves import told

    return f"\n{told(halves[0])[lang]}"


def _deaths(trace: Trace) -> list[tuple[object, ...]]:
    """Where a walk ended: node, stack and deciding line of every drop."""
    names = ("by", "table", "chain", "spec", "in_device", "out_device", "direction")
    return [(f.node, f.stack, *(f.fields.get(n) for n in names)) for f in trace.facts if f.kind == "drop"]


def _evidence(match: Match) -> tuple[Line, ...]:
    """Lines of the bound facts, in the order of the rule's patterns, each once."""
    lines: dict[tuple[str, int, str], Line] = {}
    for fact in match.bindings.values():
        for line in line_of(fact):
            if line.text or line.source:
                lines.setdefault((line.source, line.line, line.text), line)
    return tuple(lines.values())


_STANDINGS = (Standing.ROOT_CAUSE, Standing.CONTRIBUTING, Standing.UNDECIDED, Standing.LATENT)
_CERTAINTIES = (Certainty.PROVEN, Certainty.LIKELY, Certainty.POSSIBLE)
_SEVERITIES = ("critical", "high", "medium", "low")


def _order(finding: Finding) -> tuple[int, int, int, bool, int, str]:
    """Place of a finding: what a walk met on its way comes before what is only known to be wrong somewhere."""
    restores = any(r.verified is Verified.RESTORES_FLOW for r in finding.remedies)
    severity = _SEVERITIES.index(finding.severity) if finding.severity in _SEVERITIES else len(_SEVERITIES)
    walked = bool(finding.flows)
    return _STANDINGS.index(finding.standing), not restores, _CERTAINTIES.index(finding.certainty), not walked, severity, finding.id
