"""Walks with packets as large as the ends of a flow would send them.

A handshake passes where full segments die.  The walk is that of the small packets, then one full packet in each direction through the state that
they built; an ICMP
error that arrives makes its sender send smaller ones, as path MTU discovery does (RFC 1191, RFC 8201).

Source: Linux ``net/ipv4/tcp_output.c`` (tcp_sync_mss, tcp_advertise_mss), ``tcp_ipv4.c`` (tcp_v4_mtu_reduced), ``tcp_timer.c`` (tcp_mtu_probing),
``udp.c``.
Measured on Linux 6.18: a full segment is min(MSS of the other end, own route's MTU - 40) + 40 octets; TCP gets over fragmentation-needed without an
error, ``ping -M do`` and
UDP sockets that insist on DF see EMSGSIZE, others send fragments; where the error is filtered, small transfers pass and full segments are repeated
until the connection
times out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine.facts import HOST
from engine.inet import family_of, to_int
from engine.model.fib import Key
from engine.model.links import TUNNEL_TYPES
from engine.walk import narrow
from engine.walk.icmp import attached, error_packet
from engine.walk.journey import Journey, Run, follow
from engine.walk.mtu import HEADERS, LEAST, MOST, route_mtu
from engine.walk.place import At
from engine.walk.routing import find_way
from engine.walk.trace import Disposition, Walked

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.network import Network
    from engine.model.packet import Packet
    from engine.model.stack import NetStack
    from engine.walk.choices import Choices
    from engine.walk.place import End
    from engine.walk.trace import Flow, Trace

MAX_LESSONS = 8
"""ICMP errors about the size that one sender learns from; a way with more narrow places than that does not exist."""
LARGE = 576
"""Packets up to this size pass every network of IPv4 (RFC 791)."""
PROBED = 1024
"""MSS that a sender falls back to where ``tcp_mtu_probing`` is on and nothing answers (``tcp_base_mss``)."""


def walk_full(network: Network, flow: Flow, number: int = 0, error_class: str = "") -> Trace:
    """Walk the small packets of a flow, then data of both ends; ``client_sees`` is ``timeout`` where they are lost for good.

    Data packets are full ones, or of at most ``flow.size`` octets if that is set.
    """
    return follow(network, flow, number, error_class, _Sized)


def full_size(network: Network, flow: Flow) -> Flow:
    """The flow with the size of the largest packet that its client would send: a full TCP segment, or a datagram that fills the route's MTU.

    Unchanged if the small packets of the flow do not get there and back.
    """
    found: list[int] = []

    class Sizing(_Sized):
        def _transfer(self) -> tuple[str, Walked, Walked | None]:
            found.append(self.request_size())
            return super()._transfer()

    follow(network, flow._replace(size=0), 0, "", Sizing)
    return flow._replace(size=found[0]) if found else flow


def lost_when_full(network: Network, flow: Flow, number: int = 0, error_class: str = "") -> tuple[Fact, ...]:
    """``drop`` facts (with ``size``) of a flow whose small packets pass and whose full ones do not; nothing where all MTUs are alike."""
    if not _uneven(network):
        return ()
    trace = walk_full(network, flow._replace(size=0), number, error_class)
    if trace.client_sees == "connected":
        return ()
    trace = with_remedy(network, flow, number, error_class, trace)
    return tuple(f.having(client_sees=trace.client_sees) for f in trace.facts if f.kind == "drop")


def with_remedy(network: Network, flow: Flow, number: int, error_class: str, trace: Trace) -> Trace:
    """A walk of full packets, its drops for their size with the size that passes, and every device that is too narrow."""
    if not any(_too_big(fact) for fact in trace.facts):
        return trace
    passes = _that_passes(network, flow, number, error_class, trace)
    if passes is None:
        return trace
    facts = (f.having(passes=passes.size, narrow_devices=passes.places) if _too_big(f) else f for f in trace.facts)
    return trace._replace(facts=tuple(facts))


def _too_big(fact: Fact) -> bool:
    return fact.kind == "drop" and bool(fact.get("by") == "too-big" and fact.get("mtu") and fact.get("direction") != "error")


class _Passes(NamedTuple):
    """What gets through where full packets do not."""

    size: int
    """Octets of the largest packet of either end that does."""
    places: tuple[str, ...]
    """Devices that are too narrow for a full one, with their MTU, in the order in which smaller and smaller packets meet them."""


def _that_passes(network: Network, flow: Flow, number: int, error_class: str, trace: Trace) -> _Passes | None:
    """The largest packets that pass every device of the way; ``None`` if they die of anything else than their size."""
    places: dict[str, None] = {}
    for _ in range(MAX_LESSONS):
        drops = [f for f in trace.facts if _too_big(f)]
        sizes = [_fitting(network, drop, places) for drop in drops]
        if not sizes or min(sizes) < LEAST[family_of(flow.dst)]:
            return None
        trace = walk_full(network, flow._replace(size=min(sizes)), number, error_class)
        if trace.client_sees == "connected":
            return _Passes(min(sizes), tuple(places))
    return None


def _fitting(network: Network, drop: Fact, places: dict[str, None]) -> int:
    """Octets of a packet that the device passes which dropped a larger one; the device joins ``places``."""
    stack = network.stack(drop.node, drop.stack)
    own = stack.link(str(drop.get("device"))).mtu if stack is not None and drop.get("device") in stack.links else 0
    limit = min(int(drop.get("mtu")), own or int(drop.get("mtu")))
    where = drop.node if drop.stack == HOST else f"{drop.node}/{drop.stack}"
    places[f"{drop.get('device')} on {where} ({limit})"] = None
    return limit - int(drop.get("overhead", 0))


def _uneven(network: Network) -> bool:
    """Whether devices or routes differ in size at all, or tunnels add to it."""
    sizes: set[int] = set()
    for stack in network.stacks.values():
        links = [link for link in stack.links.values() if link.type != "loopback" and link.name != "lo" and link.up is not False]
        if any(link.type in TUNNEL_TYPES for link in links):
            return True
        sizes |= {link.mtu for link in links if link.mtu} | {route.mtu for route in stack.fib.routes if route.mtu}
    return len(sizes) > 1


class _Sized(Journey):
    """One replay: the small packets, then data of both ends."""

    small: tuple[Packet, NetStack, Packet] | None = None
    """The request as it arrived, the stack that it arrived at, and the answer as it arrived."""

    def __init__(self, network: Network, flow: Flow, number: int, choices: Choices, error_class: str) -> None:
        super().__init__(network, flow._replace(size=0), number, choices, error_class)
        self.asked_size = flow.size or MOST
        self.walker.sized = True
        self.walker.large = self.asked_size > LARGE and flow.size > 0
        self.lessons = 0

    edge: End | None = None
    """Where a request of which nothing more is known left the evidence."""

    def run(self) -> Run:
        """The small walk; if it is alive, the transfer; if it leaves the evidence, what the client sends up to there."""
        run = super().run()
        if run.sees == "depends" and self.edge is not None and self.walker.large:
            return self._upload(run, self.edge)
        if run.sees != "connected" or self.small is None:
            return run
        sees, request, reply = self._transfer()
        return self._done(sees, request, reply)

    def _upload(self, run: Run, edge: End) -> Run:
        """A full packet of the client's, towards an end that may take any: it dies before it leaves the evidence, or nothing is known of it."""
        self.small = edge.packet, edge.stack, replace(self._reply_to(edge.packet, edge.stack, reset=False), mss=0)
        self.recorder.turn("request")
        alive, request = self._send(reply=False, size=min(self.asked_size, self.request_size()))
        if alive:
            return run
        self.open.clear()
        return self._done("timeout", request, None)

    def _transfer(self) -> tuple[str, Walked, Walked | None]:
        self.recorder.turn("request")
        alive, request = self._send(reply=False, size=min(self.asked_size, self.request_size()))
        self.recorder.direction = "reply"
        back, reply = self._send(reply=True, size=min(self.asked_size, self.reply_size()))
        return "connected" if alive and back else "timeout", request, reply

    # --- the small walk -------------------------------------------------------------------------------------------

    def _packet(self) -> Packet:
        packet = super()._packet()
        sender = self.network.stack(self.flow.node, self.flow.stack)
        if packet.protocol != "tcp":
            return packet
        offered = self._mtu(sender, packet.dst, packet.family) if sender is not None else 1500
        return replace(packet, mss=offered - HEADERS[packet.family])

    def _reply_to(self, packet: Packet, stack: NetStack, *, reset: bool) -> Packet:
        answer = super()._reply_to(packet, stack, reset=reset)
        if packet.protocol != "tcp" or "SYN" not in answer.tcp_flags:
            return answer
        return replace(answer, mss=self._mtu(stack, packet.src, packet.family) - HEADERS[packet.family])

    def _arrived(self, back: End, good: str) -> str:
        sees = super()._arrived(back, good)
        if sees == "connected" and self.delivered is not None:
            self.small = (self.delivered.packet, self.delivered.stack, back.packet)
        return sees

    def _after(self, end: End) -> tuple[str, Walked | None]:
        if end.disposition in {Disposition.LEFT_EVIDENCE, Disposition.DEPENDS} and self.walker.large and end.packet.mss:
            narrow.note(self.network, self.recorder, end.packet.mss + HEADERS[end.packet.family])
        if end.disposition is Disposition.LEFT_EVIDENCE:
            self.edge = end
        return super()._after(end)

    def _mtu(self, stack: NetStack, dst: int, family: int) -> int:
        way = find_way(stack, Key(family, dst), self.choices)
        return route_mtu(stack, way, family)

    # --- full packets ---------------------------------------------------------------------------------------------

    def request_size(self) -> int:
        """Octets of the largest packet that the client sends."""
        assert self.small is not None  # noqa: S101 - asked only of walks that are alive
        answer = self.small[2]
        sender = self.network.stack(self.flow.node, self.flow.stack)
        own = self._mtu(sender, to_int(self.flow.dst), answer.family) if sender is not None else 1500
        return self._largest(own, answer)

    def reply_size(self) -> int:
        """Octets of the largest packet that the server sends."""
        assert self.small is not None  # noqa: S101 - asked only of walks that are alive
        request, server, _ = self.small
        return self._largest(self._mtu(server, request.src, request.family), request)

    @staticmethod
    def _largest(own: int, heard: Packet) -> int:
        return min(own, heard.mss + HEADERS[heard.family], MOST) if heard.mss else min(own, MOST)

    def _send(self, *, reply: bool, size: int) -> tuple[bool, Walked]:
        """Send a packet of so many octets, smaller ones after each lesson; whether one arrives, and how the last of them went."""
        while True:
            told = len(self.recorder.facts)
            end = self.walker.carry(self._data(reply=reply, size=size))
            walked = Walked(end.disposition, self.recorder.turn("reply" if reply else "request"))
            lost = end.disposition is Disposition.TOO_BIG
            if not lost:
                # Whatever the reason for which only the full packet dies (a match on its length), it dies.
                return end.disposition in {Disposition.DELIVERED, Disposition.LEFT_EVIDENCE, Disposition.DEPENDS}, walked
            self.lessons += 1
            if self.lessons > MAX_LESSONS:
                return False, walked
            if self._learns(end, reply=reply) and LEAST[end.packet.family] <= end.mtu < size:
                size = end.mtu
            elif self._probes(reply=reply, size=size, family=end.packet.family):
                size = PROBED + HEADERS[end.packet.family]
            else:
                return False, walked
            # What the sender gets over is no fault.
            self.recorder.facts[told:] = [f for f in self.recorder.facts[told:] if f.kind != "drop"]
            self.recorder.direction = "reply" if reply else "request"

    def _data(self, *, reply: bool, size: int) -> At:
        assert self.small is not None  # noqa: S101 - only walks that are alive send data
        request, server, _ = self.small
        start = self._start()
        assert start is not None  # noqa: S101 - the small walk started there
        flags = frozenset({"ACK"}) if request.protocol == "tcp" else frozenset()
        sender = server if reply else self.network.stack(self.flow.node, self.flow.stack)
        free = sender is not None and request.family == 4 and bool(sender.sysctl("net.ipv4.ip_no_pmtu_disc"))
        if not reply:
            return replace(start, packet=replace(start.packet, size=size, tcp_flags=flags, mss=0, df=not free))
        answer = self._reply_to(request, server, reset=False)
        sent = replace(answer, size=size, tcp_flags=flags, mss=0, df=answer.df and not free)
        return At(server, "", sent, "output", any_source=request.listener > 0)

    def _learns(self, end: End, *, reply: bool) -> bool:
        """Whether the sender of a packet hears that it was too big."""
        if end.at_sender:
            return bool(end.errno)
        if not end.error:
            return False
        assert self.small is not None  # noqa: S101 - only walks that are alive send data
        self.recorder.direction = "error"
        back = self.walker.carry(At(end.stack, "", error_packet(end), "output", state=attached(end)))
        self.recorder.turn("error")
        if not reply and self.outside:
            return back.disposition in {Disposition.LEFT_EVIDENCE, Disposition.DELIVERED}
        sender = self.small[1] if reply else self.network.stack(self.flow.node, self.flow.stack)
        return back.disposition is Disposition.DELIVERED and back.stack is sender

    def _probes(self, *, reply: bool, size: int, family: int) -> bool:
        """Whether TCP finds the size out by itself: slowly, after some repetitions."""
        assert self.small is not None  # noqa: S101 - only walks that are alive send data
        sender = self.small[1] if reply else self.network.stack(self.flow.node, self.flow.stack)
        probing = sender is not None and bool(sender.sysctl("net.ipv4.tcp_mtu_probing"))
        return probing and self.flow.protocol == "tcp" and size > PROBED + HEADERS[family]
