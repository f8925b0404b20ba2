"""Packets that the model delivers and the wire does not: conntrack of one node waits for an answer to what the next node never saw.

Clouds and hypervisors let a port send only with its own addresses.  Nothing on either node shows it, but the connection tables of both, taken while
somebody tries, do: the sender's has an entry without an answer, the receiver's has none (the request is lost), or one with an answer (the answer is).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.model.network import Network
    from engine.model.stack import NetStack


class Crossing(NamedTuple):
    """A walked packet on the wire between two nodes."""

    sender: NetStack
    out: str
    receiver: NetStack
    into: str
    src: str
    dst: str


def vanished(network: Network, facts: Sequence[Fact]) -> list[Fact]:
    """``vanished`` facts of a flow that lives on the model."""
    flow = next((f for f in facts if f.kind == "flow"), None)
    if flow is None or flow.fields.get("client_sees") != "connected":
        return []
    found = [fact for crossing in _crossings(network, facts) for fact in _lost(crossing, flow)]
    return found[:1]


def _crossings(network: Network, facts: Sequence[Fact]) -> Iterator[Crossing]:
    """Where the request goes from one node's own stack to another's: the hop before each arrival, with the source as it arrived."""
    last: Fact | None = None
    for fact in facts:
        if fact.kind == "hop" and fact.fields.get("direction") == "request":
            last = fact
        if fact.kind != "arrival" or last is None or last.node == fact.node or HOST not in {last.stack, fact.stack}:
            continue
        sender, receiver = network.stack(last.node, last.stack), network.stack(fact.node, fact.stack)
        if sender is not None and receiver is not None:
            get = fact.fields.get
            yield Crossing(sender, str(last.fields.get("out_device")), receiver, str(get("device")), str(get("src")), str(last.fields.get("dst")))


def _lost(crossing: Crossing, flow: Fact) -> Iterator[Fact]:
    """What both tables say of the same connections; a later one that was answered shows that what waits is left from before."""
    sender, receiver, src, dst = crossing.sender, crossing.receiver, crossing.src, crossing.dst
    mine = _entries(sender, src, dst, flow)
    if not mine or not all(e.fields.get("unreplied") for e in mine) or not receiver.collected("conntrack") or not sender.collected("conntrack"):
        return
    there = _entries(receiver, src, dst, flow)
    ports = {e.fields.get("reply_dport") for e in mine}
    answered = [e for e in there if not e.fields.get("unreplied") and e.fields.get("sport") in ports]
    # A machine without rules that ask for connections tracks none: its empty table says nothing of what arrives.
    tracks = any(e.fields.get("family", 4) == (6 if ":" in dst else 4) for e in receiver.facts("conntrack"))
    if not there and tracks and not _own(sender, crossing.out, src):
        yield _made(flow, sender, mine[0], direction="request", device=crossing.out, src=src, dst=dst, to_node=receiver.node)
    elif answered and not _own(receiver, crossing.into, dst):
        yield _made(flow, receiver, answered[0], direction="reply", device=crossing.into, src=dst, dst=src, to_node=sender.node)


def _entries(stack: NetStack, src: str, dst: str, flow: Fact) -> list[Fact]:
    """Connections of the flow's kind that are on the wire as from ``src`` to ``dst``: as they came in, or as they go out."""
    protocol, port = flow.fields.get("protocol"), flow.fields.get("port")
    found: list[Fact] = []
    for entry in stack.facts("conntrack"):
        get = entry.fields.get
        ends = {(get("src"), get("dst"), get("dport")), (get("reply_dst"), get("reply_src"), get("reply_sport"))}
        if get("protocol") == protocol and any(
            (a, b) == (src, dst) and (protocol == "icmp" or c == port or get("dport") == port) for a, b, c in ends
        ):
            found.append(entry)
    return found


def _own(stack: NetStack, device: str, text: str) -> bool:
    """Whether an address is the card's own, the one that a cloud gave it: the first of its subnet."""
    return any(
        a.text == text and not a.secondary and a.prefixlen < (128 if a.family == 6 else 32)
        for a in stack.addresses_of(device, 6 if ":" in text else 4)
    )


def _made(flow: Fact, stack: NetStack, entry: Fact, **fields: Any) -> Fact:
    family = 6 if ":" in str(fields["src"]) else 4
    own = next((a.text for a in stack.addresses_of(fields["device"], family) if a.scope == "global"), "")
    told = {"flow": flow.fields["flow"], "address": own, "mac": stack.link(fields["device"]).mac, **fields}
    return Fact("vanished", told, stack.node, stack.name, entry.source, entry.line, entry.shown)
