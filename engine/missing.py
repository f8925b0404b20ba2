"""What evidence would settle the question, and where to collect it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from engine.facts import HOST
from engine.findings import Missing
from engine.inet import is_address
from engine.phrases import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import Fact, FactBase
    from engine.findings import Question
    from engine.model import Network
    from engine.walk.trace import Trace, Unknown

PUBLIC_RESOLVERS = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "114.114.114.114", "223.5.5.5", "2001:4860:4860::8888"})
"""Servers that nobody who asks can log in to, even if the question names them."""


def missing(question: Question, network: Network, traces: Sequence[Trace], causes: Sequence[Fact] | None) -> tuple[Missing, ...]:
    """What to collect, each command once for each node, the first reason given for it.

    ``causes`` are the facts that the root causes rest on; None where no root cause was found, when what is open is asked for as well.
    """
    from engine.guesses import which_port

    found = [
        *(which_port(traces) if causes is None else ()),
        *question.missing,
        *_open_in_walks(question, network, traces),
        *(_open_in_objects(network.facts, traces) if causes is None else ()),
        *_empty_services(network.facts, causes or ()),
    ]
    first: dict[tuple[str, str], Missing] = {}
    for gap in found:
        first.setdefault((gap.node, gap.command), gap)
    return tuple(first.values())


def _open_in_walks(question: Question, network: Network, traces: Sequence[Trace]) -> Iterator[Missing]:
    """What the walks could not see, and what they took for granted."""
    for trace in traces:
        for unknown in (*trace.depends, *trace.assumed):
            gap = _gap(unknown, network, assumed=unknown in trace.assumed)
            if gap.command and not _elsewhere(unknown, question, network.facts):
                yield gap


def _elsewhere(unknown: Unknown, question: Question, facts: FactBase) -> bool:
    """Whether it asks for the state of somebody else's server: a public address that is none of a node, and that the symptom does not name."""
    from ipaddress import ip_address

    address = unknown.node
    if not is_address(address) or not ip_address(address).is_global:
        return False
    nodes = {a for f in facts.of_kind("k8s_node") for a in f.get("addresses") or ()}
    return address in PUBLIC_RESOLVERS or (address not in nodes and address not in question.symptom)


def _open_in_objects(facts: FactBase, traces: Sequence[Trace]) -> list[Missing]:
    """What the Kubernetes objects leave open of flows whose outcome is open."""
    unknown = [t for t in traces if t.client_sees == "depends"]
    if not unknown or not (facts.of_kind("pod") or facts.of_kind("service")):
        return []
    from engine.cluster import Cluster
    from engine.cluster.flows import needed

    cluster = Cluster(facts)
    return [Missing(need.node, need.command, {"en": need.en, "zh": need.zh}) for t in unknown for need in needed(cluster, t.flow, t.facts)]


def _empty_services(facts: FactBase, causes: Sequence[Fact]) -> list[Missing]:
    """Why nobody is ready behind a Service that is a cause: what its repair begins with."""
    lacking = [f for f in causes if f.kind in {"service_flow", "service_backends"} and f.get("lack")]
    if not lacking:
        return []
    from engine.cluster import Cluster
    from engine.cluster.lacking import looks

    cluster = Cluster(facts)
    return [Missing(need.node, need.command, {"en": need.en, "zh": need.zh}) for fact in lacking for need in looks(cluster, fact)]


def _gap(unknown: Unknown, network: Network, *, assumed: bool) -> Missing:
    """An unknown of a walk, with the command as it is typed on that node."""
    stack = network.stack(unknown.node, unknown.stack)
    command = unknown.command
    if command and stack is not None and unknown.stack != HOST:
        command = f"{stack.entry} {command}" if stack.entry else _inside(unknown.stack, command)
    tail = (" (assumed harmless)", "（已按无害处理）") if assumed else ("", "")
    place = unknown.node if unknown.stack == HOST else f"{unknown.node}/{unknown.stack}"
    why = {"en": unknown.why, "zh": spoken(unknown.why, "zh")}
    if unknown.line is not None and unknown.line.text.strip():
        # Which rule it is about: the reason alone ("not modelled") could be anybody's.
        rule, origin = unknown.line.text.strip(), f"{unknown.line.source}:{unknown.line.line}" if unknown.line.line else unknown.line.source
        what = {"en": unknown.what, "zh": spoken(unknown.what, "zh")}
        why = {"en": f"{origin}: {rule} — {what['en']}: {why['en']}", "zh": f"{origin}：{rule} — {what['zh']}：{why['zh']}"}
    return Missing(unknown.node, command, {"en": f"{why['en']}{tail[0]}", "zh": f"{place}：{why['zh']}{tail[1]}"})


def _inside(stack: str, command: str) -> str:
    """A command in a namespace of which a folder shows the name, but not how to get into it."""
    return f"ip netns exec {shlex.quote(stack)} {command}  # or: nsenter -t <pid of {' '.join(stack.split())}> -n {command}"
