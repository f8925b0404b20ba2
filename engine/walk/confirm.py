"""The model's path and the kernel's packet trace side by side.

``commands`` says how to have the kernel trace the very packet that was walked; ``compare`` lays what xtables-monitor printed onto the walk.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from engine.model.netfilter.words import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.facts import Fact
    from engine.model import Network
    from engine.model.stack import NetStack
    from engine.walk.trace import Flow, Hop, Step, Trace

PACKET = re.compile(r"(\w+)(?: \S+)? \[?([0-9a-f.:*]+?)\]?(?::(\d+))? > \[?([0-9a-f.:]+?)\]?(?::(\d+))?\Z")
"""How a hop prints its packet."""

FINAL = frozenset({"ACCEPT", "DROP", "REJECT", "QUEUE", "STOLEN"})


class Watch(NamedTuple):
    """Commands on one stack that make the kernel trace a flow, and take the tracing away again."""

    node: str
    stack: str
    start: tuple[str, ...]
    watch: str
    stop: tuple[str, ...]


class Comparison(NamedTuple):
    """One decision: what the model says and what the kernel did."""

    node: str
    stack: str
    where: str
    """``filter FORWARD``"""
    model: str
    kernel: str
    agrees: bool | None
    """``None``: the kernel's trace does not speak of it."""
    line: int = 0
    """Line of the kernel's decision in the trace output."""


def commands(trace: Trace, network: Network) -> tuple[Watch, ...]:
    """TRACE rules for every stack of the request that has a packet filter, narrow enough to trace this flow alone."""
    found: dict[tuple[str, str], Watch] = {}
    for at, hop in enumerate(trace.request.hops):
        stack = network.stack(hop.node, hop.stack)
        packet = PACKET.search(hop.packet)
        if stack is None or packet is None or (hop.node, hop.stack) in found or not stack.netfilter.tables:
            continue
        chain = "OUTPUT" if at == 0 and trace.flow.node else "PREROUTING"
        found[hop.node, hop.stack] = _watch(stack, chain, trace.flow, packet)
    return tuple(found.values())


def _watch(stack: NetStack, chain: str, flow: Flow, packet: re.Match[str]) -> Watch:
    source = [] if packet[2] in {"*", ""} else ["-s", packet[2]]
    port = ["--dport", packet[5]] if packet[5] and flow.protocol in {"tcp", "udp"} else []
    rule = [chain, *source, "-d", packet[4], "-p", flow.protocol, *port, "-j", "TRACE"]
    six = "6" if ":" in packet[4] else ""
    legacy = all(t.backend == "legacy" for t in stack.netfilter.tables)
    program = f"ip{six}tables-legacy" if legacy else f"ip{six}tables"
    prefix = f"{stack.entry} " if stack.entry else ""
    watch = "dmesg --follow | grep TRACE:" if legacy else "xtables-monitor --trace"
    line = shlex.join
    start, stop = (f"{prefix}{line([program, '-w', '-t', 'raw', action, *rule])}" for action in ("-I", "-D"))
    return Watch(stack.node, stack.name, (start,), f"{prefix}{watch}", (stop,))


def compare(trace: Trace, facts: Iterable[Fact]) -> tuple[Comparison, ...]:
    """Every netfilter decision of the request beside the kernel's; nothing for stacks without a trace."""
    events: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        events.setdefault((fact.node, fact.stack), []).append(fact)
    rows: list[Comparison] = []
    for hop in trace.request.hops:
        seen = events.get((hop.node, hop.stack))
        if seen:
            rows.extend(_hop(hop, _same_flow(hop, seen)))
    return tuple(rows)


def _same_flow(hop: Hop, events: Sequence[Fact]) -> list[Fact]:
    """Events of the first traced packet that is the walked one: equal protocol, destination and port where it entered the stack."""
    packet = PACKET.search(hop.packet)
    if packet is None:
        return []
    for fact in events:
        get = fact.fields.get
        port = int(packet[5]) if packet[5] else None
        if get("dst") == packet[4] and get("protocol") == packet[1] and (port is None or get("dport") == port) and packet[2] in {"*", get("src")}:
            return [f for f in events if f.fields.get("packet") == get("packet")]
    return []


def _hop(hop: Hop, events: Sequence[Fact]) -> Iterable[Comparison]:
    for step in hop.steps:
        if "base" in step.detail:
            yield _decision(hop, step, _ending(events, str(step.detail["table"]), str(step.detail["base"])))


def _ending(events: Sequence[Fact], table: str, base: str) -> Fact | None:
    """The event that ended a base chain: from its first event on, through user chains, to a policy or a final verdict."""
    inside = False
    last: Fact | None = None
    for fact in events:
        get = fact.fields.get
        if get("table") != table:
            if inside:
                break
            continue
        inside = inside or get("chain") == base
        if inside:
            last = fact
            if get("event") == "policy" or get("verdict") in FINAL:
                break
    return last


def _decision(hop: Hop, step: Step, event: Fact | None) -> Comparison:
    detail = step.detail
    where = f"{detail['table']} {detail['base']}"
    model = f"policy {detail['decision']}" if detail["policy"] else f"{detail['chain']}: {detail['spec']}"
    if event is None:
        return Comparison(hop.node, hop.stack, where, model, "", None)
    get = event.fields.get
    rule = get("spec") or f"rule {get('number', '')}"
    kernel = f"policy {get('verdict', '')}".strip() if get("event") == "policy" else f"{get('chain')}: {rule}"
    if bool(detail["policy"]) != (get("event") == "policy"):
        agrees = False
    elif detail["policy"]:
        agrees = get("verdict") in {None, detail["decision"]}
    else:
        agrees = get("chain") == detail["chain"] and (get("spec") is None or split(str(get("spec"))) == split(str(detail["spec"])))
    return Comparison(hop.node, hop.stack, where, model, kernel, agrees, event.line)
