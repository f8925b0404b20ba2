"""Flows whose port nobody named: a conclusion counts only if it holds whatever the port.

The flow is walked again to other ports: those that the rules on its path speak of, and one that nothing speaks of.  What a finding rests on
(the drop, the translation …) must be there each time.  What waits on a port never does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine.findings import Missing
from engine.schema import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.facts import Fact
    from engine.model import Network
    from engine.walk.trace import Flow, Trace

MAX_SPOKEN = 4
"""Ports of rules that are tried."""
UNSPOKEN = 47319
"""A port without a service (IANA)."""
OF_THE_PORT = frozenset({"flow", "seq", "port", "protocol", "sport", "dport", "size", "client_sees", "guessed"})
"""Fields in which the same event differs from port to port."""
AT_THE_PORT = frozenset({"socket", "queue"})
"""``drop.by`` of what only a port can do."""


def arrives(trace: Trace) -> bool:
    """Whether the request gets to the socket that it asks for, or would ask for, and the answer comes back."""
    return trace.client_sees == "connected" or _unheard(trace)


def _unheard(trace: Trace) -> bool:
    """Whether the only fault is that nobody waits on a port that was a guess."""
    drops = [f for f in trace.facts if f.kind == "drop" and "size" not in f.fields]
    return trace.flow.guessed and bool(drops) and all(f.get("by") == "socket" and f.get("direction") == "request" for f in drops)


def holds(facts: Iterable[Fact], network: Network, trace: Trace, walk: Callable[[Flow], Trace]) -> bool:
    """Whether what a match rests on is there whatever the port of the flow that was walked."""
    rests = [f for f in facts if f.kind != "flow" and _walked(f)]
    if any(f.kind == "bound" or f.get("by") in AT_THE_PORT for f in rests):
        return False
    if not trace.flow.size and any(map(_of_size, rests)):
        return False  # nobody spoke of sizes, and TCP agrees on those that pass
    for port in others(network, trace):
        again = walk(trace.flow._replace(port=port, protocol="udp" if trace.flow.protocol == "udp" else "tcp"))
        small = [f for f in rests if not _of_size(f)]
        if _unheard(again) and len(small) < len(rests):
            rests = small  # No full packets go where nobody listens.
        elif arrives(again) != arrives(trace):
            return False
        if not {_event(f) for f in rests} <= {_event(f) for f in again.facts}:
            return False
    return True


def _of_size(fact: Fact) -> bool:
    """Whether it happens to full packets only, or to what a router says of them."""
    return "size" in fact.fields or fact.kind == "narrow" or fact.get("direction") == "error"


def others(network: Network, trace: Trace) -> Sequence[int]:
    """Other ports to try: those that rules on the path name, and one that none does."""
    places = dict.fromkeys((f.node, f.stack) for f in trace.facts if f.kind in {"hop", "arrival", "drop"})
    specs = (
        rule.spec
        for place in places
        for table in network.facts.at("netfilter_table", *place)
        for chain in table.get("chains", ())
        for rule in chain.rules
        if "port" in rule.spec
    )
    named = dict.fromkeys(number for spec in specs for number in _ports(spec) if number != trace.flow.port)
    return [*list(named)[:MAX_SPOKEN], UNSPOKEN]


def _ports(spec: str) -> list[int]:
    """First ports of the destinations that a rule's words name."""
    found = re.search(r"(?:--dports?|--destination-ports?|\bdport) \{? ?(\d{1,5})", spec)
    return [int(found[1])] if found and 0 < int(found[1]) < 1 << 16 else []


def _walked(fact: Fact) -> bool:
    kind = KINDS.get(fact.kind)
    return kind is not None and kind.origin == "walk"


def _event(fact: Fact) -> tuple[Any, ...]:
    """What happened where, apart from the port."""
    fields = sorted((name, repr(value)) for name, value in fact.fields.items() if name not in OF_THE_PORT)
    return fact.kind, fact.node, fact.stack, tuple(fields)


def which_port(traces: Iterable[Trace]) -> list[Missing]:
    """The question for the port, for flows that die and whose port was a guess."""
    open_ = [t.flow for t in traces if t.flow.guessed and t.client_sees != "connected"]
    if not open_:
        return []
    guess = ", ".join(dict.fromkeys(f"{f.protocol}/{f.port}" if f.port else "a ping" for f in open_))
    spoken = guess.replace("a ping", "ping")
    why = {
        "en": f"which port? Neither the question nor the evidence names it; {guess} is a guess, ask again with --port and its number",
        "zh": f"哪个端口？问题和证据都没有说明；{spoken} 只是猜测，请用 --port 加端口号再问一次",
    }
    return [Missing("", "", why)]
