"""Whether the model and the kernel agree on a probe."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.walk.trace import Disposition
from tests.fuzz.helper import Moved
from tests.fuzz.kernel import LONG, KernelError
from tests.fuzz.model import predict, read
from tests.fuzz.scenario import FIRST_SPORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.fuzz.kernel import Outcome, Target
    from tests.fuzz.model import Course, Place, Prediction
    from tests.fuzz.scenario import Probe, Scenario

AGREE = "agree"
DEPENDS = "depends"
ENDING = frozenset({"DROP", "REJECT"})
LATER = frozenset({"INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
"""Chains of iptables that a packet for a group to which a stack does not belong never gets to."""
REFILL = 1.05
"""Seconds until the kernel has earned the right to one more ICMP error about an unroutable packet (``ip_error``: five at first, then one a second a
source; there is no switch for one namespace)."""


@dataclass(frozen=True, slots=True)
class Result:
    """Verdict on one probe."""

    kind: str
    """``agree``, ``depends``, or the class of the disagreement."""
    probe: Probe
    told: str = ""
    """For a person: what each side says."""

    @property
    def disagrees(self) -> bool:
        """Whether model and kernel contradict each other."""
        return self.kind not in {AGREE, DEPENDS}


def run(kernel: Target, scenario: Scenario) -> Iterator[Result]:
    """Build a scenario, model it, and compare probe by probe; raises :class:`KernelError` if it cannot be built."""
    kernel.build(scenario)
    restores = [line for line in kernel.refused if "-restore" in line or "ipset" in line or "nft -f" in line or "ipvsadm" in line or "wg: " in line]
    if restores:
        raise KernelError("; ".join(restores))
    network = read(kernel.collect())
    restless = any(stack.wireguard for stack in scenario.stacks.values())
    for at, probe in enumerate(scenario.probes):
        sport = FIRST_SPORT + 3 * at
        prediction, outcome = predict(network, probe, sport), kernel.send(probe, sport)
        kind = judge(probe, prediction, outcome, restless=restless)
        for again in (1, 2):
            if kind in {AGREE, DEPENDS}:
                break
            # A busy machine may have answered late, and what earlier probes left behind (neighbours, connections) is not in the evidence: ask again,
            # patiently; then once more without the memory of the first probes.
            if _rationed(prediction):
                time.sleep(REFILL)
            if again == 2:
                kernel.forget()
            kernel.settle()
            prediction, outcome = predict(network, probe, sport + again), kernel.send(probe, sport + again, LONG)
            kind = judge(probe, prediction, outcome, restless=restless)
        yield Result(kind, probe, "" if kind in {AGREE, DEPENDS} else tell(probe, prediction, outcome))


def judge(probe: Probe, prediction: Prediction, outcome: Outcome, *, restless: bool = False) -> str:
    """``agree``, ``depends``, or the class of the disagreement.

    ``restless``: some device sends by itself (WireGuard asks for a handshake again every five seconds), so any rule may count any time.
    """
    if prediction.trace.depends or not prediction.complete:
        return DEPENDS
    found = [_by_course(probe, course, outcome, restless=restless) for course in prediction.courses]
    if AGREE in found:
        return AGREE
    # Of several courses the one is told that came nearest.
    return next((kind for kind in found if not kind.startswith("sees")), found[0])


def _by_course(probe: Probe, course: Course, outcome: Outcome, *, restless: bool) -> str:
    if course.sees != outcome.sees:
        return f"sees: {course.sees}, kernel {outcome.sees}"
    return _by_rule(probe, course, outcome, restless=restless) or _by_source(course, outcome) or AGREE


def _rationed(prediction: Prediction) -> bool:
    """Whether the client waits for an ICMP error that the kernel sends only now and then."""
    return any(course.request.disposition is Disposition.NO_ROUTE and course.reply is not None for course in prediction.courses)


def _by_rule(probe: Probe, course: Course, outcome: Outcome, *, restless: bool) -> str:
    moved = {(m.stack, m.table, m.chain, m.number) for m in outcome.moved}
    # Policies of native chains do not count.
    if not {place for place in course.ended_by if place[3] or " " not in place[1]} <= moved:
        return "rule: another one ended the packet"
    if not course.translated_by <= moved:
        return "rule: another one translated the packet"
    ending = {(m.stack, m.table, m.chain, m.number) for m in outcome.moved if m.target in ENDING and m.stack not in _overheard(course, outcome)}
    if ":" in probe.dst and ending and {place[0] for place in ending} <= {place[0] for place in course.translated_by}:
        return ""  # after DNAT of a bridged packet IPv6 sends redirects, and no parameter keeps it from that: other packets than the flow's
    lost = restless or (course.reply is not None and (course.astray or course.reply.disposition is not Disposition.DELIVERED))
    if ":" in probe.dst and Disposition.NEIGHBOR_FAILED in {course.request.disposition, course.reply.disposition if course.reply else None}:
        return ""  # questions for a neighbour that does not exist pass the same rules
    # ICMP errors about lost answers and lost errors are not walked: the client never learns of them.
    if outcome.sees != "connected" and probe.protocol != "tcp" and not lost and not course.ended_by and ending and not _lost_outside(course):
        return "rule: an unforeseen one ended the packet"
    return ""


def _overheard(course: Course, outcome: Outcome) -> set[str]:
    """Stacks that no packet of the flow came to, but whose PREROUTING a flooded question for an IPv6 neighbour on their segment did."""
    further = {m.stack for m in outcome.moved if m.chain in LATER}
    return set(course.bystanders - further)


def _lost_outside(course: Course) -> bool:
    """Whether the outer packet of a tunnel was lost: errors about it are not walked, for the client never learns of them."""
    return any(step.what in {"encapsulate", "device"} and step.verdict == "drop" for hop in course.request.hops for step in hop.steps)


def _by_source(course: Course, outcome: Outcome) -> str:
    if outcome.source and course.sources and outcome.source not in course.sources:
        return "source: another address reached the server"
    return ""


def tell(probe: Probe, prediction: Prediction, outcome: Outcome) -> str:
    """Both sides in words."""
    lines = [str(probe), f"  kernel: {outcome.sees} {outcome.source}", *(f"    counted {m}" for m in sorted(outcome.moved) if isinstance(m, Moved))]
    for course in prediction.courses[:4]:
        lines.append(f"  model: {course.sees} {','.join(sorted(course.sources))}")
        lines += [f"    ended by {_shown(p)}" for p in sorted(course.ended_by)] + [
            f"    translated by {_shown(p)}" for p in sorted(course.translated_by)
        ]
        for way, walked in (("request", course.request), ("reply", course.reply)):
            for hop in walked.hops if walked else ():
                lines.append(f"    {way} {hop.stack} {hop.in_device or '-'} > {hop.out_device or '-'}: {hop.packet}")
                lines += [f"      {step.verdict} {step.summary}" for step in hop.steps]
    return "\n".join(lines)


def _shown(place: Place) -> str:
    stack, table, chain, number = place
    return f"{stack}: {table} {chain} {number or 'policy'}"


def disagreements(results: Iterable[Result]) -> list[Result]:
    """Those that contradict."""
    return [result for result in results if result.disagrees]
