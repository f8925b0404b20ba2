"""The walk of one flow: request, answer, and what the client makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine.facts import HOST
from engine.inet import BITS, family_of, to_int, to_text
from engine.model.fib import Key
from engine.model.ipvs import KUBE_DEVICE
from engine.model.links import UNREAL, is_overlay
from engine.model.network import Network, Port
from engine.model.packet import ICMP, Packet
from engine.phrases import phrase
from engine.walk import homeward
from engine.walk.choices import Asked, Choices, replays
from engine.walk.complained import settled
from engine.walk.entered import seen_entering
from engine.walk.errors import seen_as
from engine.walk.icmp import RESET_SIZE, answer_mark, attached, error_packet
from engine.walk.layer2 import source_prefix
from engine.walk.place import At, End
from engine.walk.recorder import Recorder, line_of
from engine.walk.routing import find_way, forwarding, source_for
from engine.walk.sockets import embedded, keeps_free, known, listeners, queue_full, takes
from engine.walk.trace import Disposition, Flow, Hop, Trace, Unknown, Walked
from engine.walk.walker import Walker

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.stack import NetStack

CARDS = frozenset({"ether", "vlan", "bond"})
"""Types of devices that lead to a wire outside of the machine."""
CLIENT_PORT = 40000
"""Source port of walked flows: an ordinary ephemeral one."""


ONLY_SYN = 8
"""Octets of options that only a SYN has: MSS, window scale, permission of selective acknowledgements."""


class Run(NamedTuple):
    """Outcome of one replay."""

    sees: str
    request: Walked
    reply: Walked | None
    facts: tuple[Fact, ...]
    assumed: tuple[Unknown, ...]
    open: tuple[Unknown, ...] = ()
    """Unknowns that leave this very run without an answer."""


def walk(network: Network, flow: Flow, number: int = 0, error_class: str = "") -> Trace:
    """Walk a flow and its answer; every unknown is followed both ways, and reported only if it changes what the client sees."""
    if flow.size and flow.protocol == "tcp":
        from engine.walk.sizes import walk_full

        return walk_full(network, flow, number, error_class)
    return follow(network, flow, number, error_class, Journey)


def follow(network: Network, flow: Flow, number: int, error_class: str, kind: type[Journey]) -> Trace:
    """Walk a flow by a kind of journey, once for each answer to each unknown."""
    runs = settled(list(replays(lambda choices: kind(network, flow, number, choices, error_class).run())), error_class)
    first, first_asked = runs[0]
    outcomes = {run.sees for run, _ in runs}
    # A question with one answer ends the walk: the routes of a stack were not collected.
    ended_by = [one.unknown for one in first_asked if len(one.options) == 1 and one.unknown is not None] if first.sees == "depends" else []
    depends: dict[tuple[str, str, str], Unknown] = {(u.node, u.stack, u.what): u for u in (*first.open, *ended_by)}
    branches: list[tuple[str, str, str]] = []
    for run, asked in runs[1:]:
        if run.sees == first.sees or not asked:
            continue
        turned = _turned(asked, first_asked)
        if turned is None:
            continue
        if turned.unknown is not None:
            depends.setdefault((turned.unknown.node, turned.unknown.stack, turned.unknown.what), turned.unknown)
        share = turned.shares[turned.chosen] if turned.shares else ""
        branches.append((turned.options[turned.chosen], share, run.sees))
    sees = first.sees if len(outcomes) == 1 else "depends"
    facts = (*first.facts, *_summary(network, flow, number, sees, first, tuple(depends.values()), error_class))
    if first.sees != "connected":
        from engine.walk.ways import ways

        facts = (*facts, *ways(network, first.facts))
    from engine.walk.wires import wires

    facts = (*facts, *wires(network, facts))
    if flow.port:
        from engine.walk.listening import bound

        facts = (*facts, *bound(network, facts))
    if sees in {"connected", "depends"}:
        from engine.walk.limits import limits
        from engine.walk.vanished import vanished

        facts = (*facts, *limits(network, facts), *vanished(network, facts))
    return Trace(flow, sees, first.request, first.reply, tuple(depends.values()), first.assumed, facts, tuple(dict.fromkeys(branches)))


def _turned(asked: list[Asked], first: list[Asked]) -> Asked | None:
    """The choice by which a run left the first run's way."""
    for at, one in enumerate(asked):
        if at >= len(first) or first[at].key != one.key or first[at].chosen != one.chosen:
            return one
    return None


def _summary(  # noqa: PLR0917 - private, called once
    network: Network, flow: Flow, number: int, sees: str, run: Run, depends: tuple[Unknown, ...], error_class: str
) -> list[Fact]:
    from engine.facts import Fact

    sender = network.stack(flow.node, flow.stack)
    holders = network.holders(to_int(flow.dst), family_of(flow.dst)) if flow.dst else []
    fields: dict[str, object] = {
        "flow": number,
        "src": flow.src or _source(run),
        "dst": flow.dst,
        "port": flow.port,
        "protocol": flow.protocol,
        "client_sees": sees,
        "guessed": flow.guessed,
        "error_class": error_class,
    }
    if len(holders) == 1:
        fields |= {"target_node": holders[0].node, "target_stack": holders[0].name}
    node, stack = (sender.node, sender.name) if sender else (flow.node, flow.stack)
    found = [Fact("flow", fields, node, stack)]
    found += [Fact("depends", {"flow": number, "direction": "request", "on": u.what, "command": u.command}, u.node, u.stack) for u in depends]
    return found


def _source(run: Run) -> str:
    """Source address that the kernel would choose, from the first hop written down."""
    for fact in run.facts:
        if fact.kind in {"hop", "drop"} and fact.fields.get("src"):
            return str(fact.fields["src"])
    return ""


class Journey:
    """One replay."""

    def __init__(self, network: Network, flow: Flow, number: int, choices: Choices, error_class: str) -> None:
        self.network = network
        self.flow = flow
        self.recorder = Recorder(number)
        self.walker = Walker(network, choices, self.recorder)
        self.walker.any_port = not flow.sport
        self.choices = choices
        self.error_class = error_class
        self.open: list[Unknown] = []
        self.outside = False
        """The sender's own stack is not in the evidence."""
        self.delivered: End | None = None
        """End of the request, if it arrived."""

    def run(self) -> Run:
        """Request, then whatever comes back."""
        start = self._start()
        if start is None:
            unknown = Unknown("", "", "sender", "", phrase("no-party"))
            self.open.append(unknown)
            return self._done("depends", Walked(Disposition.LEFT_EVIDENCE, ()), None)
        if self._addressless(start):
            return self._done("depends", Walked(Disposition.DEPENDS, ()), None)
        end = homeward.carry_in(self.walker, start) if self.outside else self.walker.carry(start)
        request = Walked(end.disposition, self.recorder.turn("reply"))
        sees, reply = self._after(end)
        return self._done(sees, request, reply)

    def _addressless(self, start: At) -> bool:
        """Whether the sender needs an address of its own, and none was looked for: no finding, but a question."""
        stack, packet = start.stack, start.packet
        if start.how != "output" or packet.src or stack.addresses or stack.collected("addresses"):
            return False
        way = find_way(stack, self.walker.key(packet), self.choices)
        if way.type not in {"unicast", "local"} or source_for(stack, way, packet.family, packet.dst) is not None:
            return False
        who = stack.node if stack.is_host else stack.name
        self.open.append(Unknown(stack.node, stack.name, "addresses", "ip address", phrase("addresses-unseen", where=who)))
        return True

    def _done(self, sees: str, request: Walked, reply: Walked | None) -> Run:
        facts = tuple(f.having(client_sees=sees) if f.kind == "drop" else f for f in self.recorder.facts)
        return Run(sees, request, reply, facts, tuple(self.recorder.assumed.values()), tuple(self.open))

    # --- start ----------------------------------------------------------------------------------------------------

    def _packet(self) -> Packet:
        flow = self.flow
        family = family_of(flow.dst)
        # Nobody sends to an address of the other family: who was named may do so from one that was not.
        source = to_int(flow.src) if flow.src and family_of(flow.src) == family else 0
        size = flow.size or (60 if family == 4 else 80)
        sport = flow.sport or CLIENT_PORT
        if flow.protocol == "icmp":
            return Packet(
                family,
                source,
                to_int(flow.dst),
                "icmp" if family == 4 else "icmpv6",
                sport,
                0,
                icmp_type=8 if family == 4 else 128,
                size=size,
                loose=not flow.size,
            )
        flags = frozenset({"SYN"}) if flow.protocol == "tcp" else frozenset()
        return Packet(family, source, to_int(flow.dst), flow.protocol, sport, flow.port, flags, size=size, loose=not flow.size and not flags)

    def _start(self) -> At | None:
        packet = self._packet()
        stack = self.network.stack(self.flow.node, self.flow.stack) if self.flow.node else None
        if stack is not None:
            return At(stack, "", packet, "output")
        # A sender whose stack was not collected (a container known by name and address only) enters from its wire.
        self.outside = True
        return self._from_outside(packet) if packet.src else None

    def _from_outside(self, packet: Packet) -> At | None:
        """A sender that was not collected: its packet arrives where answers to it would be delivered on-link.

        Where such packets were seen to come in, they do.  Where no stack is on its link, it arrives at the target: by the card whose subnet has
        the address that it asks for, for that is where routers send it, else on the device by which the target would answer.
        """
        near, seen = self._nearest(packet), seen_entering(self.network, packet)
        if seen is not None and (near is None or near[0] is seen[0]):
            near = seen
        if near is not None:
            stack, device = near
            return At(stack, device, packet, "frame", Port(stack, stack.link(device)))
        holders = self.network.holders(packet.dst, packet.family)
        if holders and not any(s.is_host for s in holders) and (gate := self._by_gateway(packet)) is not None:
            return gate  # what a container is sent passes its node
        for stack in [s for s in holders if s.is_host] or holders:
            found = stack.fib.lookup(Key(packet.family, packet.src, packet.dst))
            device = found.route.hops[0].device if found.route is not None else ""
            own = stack.own(packet.dst, packet.family)
            if own is not None and own.prefixlen < BITS[own.family] - 1 and stack.link(own.device).type in CARDS and stack.is_host:
                device = own.device
            # Nothing comes in by a device that only holds addresses.
            device = device or (own.device if own is not None and stack.link(own.device).type not in UNREAL and own.device != KUBE_DEVICE else "")
            if device:
                return At(stack, device, packet, "frame", Port(stack, stack.link(device)))
        return None if holders else self._by_gateway(packet)

    def _by_gateway(self, packet: Packet) -> At | None:
        """Where a packet for a machine that was not collected enters: at the stack that the machine hangs on, by the device that leads back."""
        for stack in self.network.stacks.values():
            there = stack.fib.lookup(Key(packet.family, packet.dst))
            back = stack.fib.lookup(Key(packet.family, packet.src))
            if not stack.is_host or there.route is None or back.route is None or there.type != "unicast" or back.type != "unicast":
                continue
            out, device = there.route.hops[0], back.route.hops[0].device
            if not out.gateway and there.route.dst.length and device and device != out.device:
                return At(stack, device, packet, "frame", Port(stack, stack.link(device)))
        return None

    def _nearest(self, packet: Packet) -> tuple[NetStack, str] | None:
        """The stack with the most specific on-link route to the sender.

        Of equal ones the target's own (they share a wire), else one that forwards.
        """
        best: tuple[int, bool, bool, NetStack, str] | None = None
        for stack in self.network.stacks.values():
            if self.flow.node and stack.node != self.flow.node:
                continue
            found = stack.fib.lookup(Key(packet.family, packet.src))
            route = found.route
            if route is None or route.type != "unicast" or route.hops[0].gateway or not route.dst.length or not route.hops[0].device:
                continue
            # Others than the machine itself have a neighbour outside by the tunnel alone that ends in them.
            if not stack.is_host and not is_overlay(stack.link(route.hops[0].device)):
                continue
            forwards = forwarding(stack, route.hops[0].device, packet.family).on is not False
            rank = (route.dst.length, stack.own(packet.dst, packet.family) is not None, forwards)
            if best is None or rank > best[:3]:
                best = (*rank, stack, route.hops[0].device)
        return best[3:] if best else None

    # --- answers --------------------------------------------------------------------------------------------------

    def _after(self, end: End) -> tuple[str, Walked | None]:
        if end.disposition is Disposition.DELIVERED:
            return self._answered(end)
        if end.disposition is Disposition.DEPENDS:
            return "depends", None
        if end.disposition is Disposition.LEFT_EVIDENCE:
            return self._beyond(end)
        if end.error:
            return self._refused(end)
        return end.errno or "timeout", None

    def _answered(self, end: End) -> tuple[str, Walked | None]:
        packet = end.packet
        closed = packet.protocol in {"tcp", "udp"} and not self._listens(end)
        if not closed and (self._reserved(end) or (packet.protocol == "tcp" and self._queue_full(end))):
            return "timeout", None
        if closed and packet.protocol == "udp":
            return self._refused(replace(end, error="icmp-port-unreachable" if packet.family == 4 else "icmp6-port-unreachable"))
        if closed and packet.family == 6 and packet.src == 1 and not any(a.value == packet.dst for a in end.stack.addresses_of("lo", 6)):
            # The reset to ::1 is routed out by the device of the address that was asked, and ::1 is not there (tcp_v6_send_response).
            self._note_closed(end)
            return "timeout", None
        if packet.protocol in ICMP and self._echo_ignored(end):
            return "timeout", None
        self.delivered = end
        answer = self._reply_to(packet, end.stack, reset=closed)
        if answer.icmp_type == 129 and end.stack.fib.lookup(Key(6, packet.dst, iif=end.device)).type == "anycast":
            answer = replace(answer, src=0)  # an address of the stack's own choice (icmpv6_echo_reply)
        back = self.walker.carry(At(end.stack, "", answer, "output", any_source=packet.listener > 0))
        walked = Walked(back.disposition, self.recorder.turn("done"))
        sees = self._arrived(back, "ECONNREFUSED" if closed else "connected")
        entry = end.state.entry if end.state is not None else None
        if sees == "connected" and packet.listener and entry is not None and entry.diverted not in {None, packet.tuple()}:
            # TPROXY looks for the connection under the addresses from before the translation: the client's ACK goes astray.
            sees = "ECONNRESET"
        elif sees == "connected" and packet.protocol == "tcp" and self._ack_is_reset(end):
            sees = "ECONNRESET"
        if closed and sees == "ECONNREFUSED":
            self._note_closed(end)
        return sees, walked

    def _ack_is_reset(self, end: End) -> bool:
        """Whether the client's ACK misses the connection of its SYN, or a rule takes it otherwise, and is answered by a reset.

        It is shorter, bears other flags, its connection is known, and random rules throw their dice anew.
        """
        start = None if self.outside else self._start()
        if start is None:
            return False
        kept = self.recorder
        self.recorder = self.walker.recorder = Recorder(kept.flow)
        ack = replace(start.packet, tcp_flags=frozenset({"ACK"}), size=start.packet.size - ONLY_SYN, mss=0)
        there = self.walker.carry(replace(start, packet=ack))
        if there.disposition is Disposition.DELIVERED and (there.stack is not end.stack or there.packet.tuple() != end.packet.tuple()):
            there = replace(there, error="tcp-reset")
        reset = there.error == "tcp-reset" and self._refused(there)[0] == "ECONNREFUSED"
        self.recorder = self.walker.recorder = kept
        return reset

    def _reply_to(self, packet: Packet, stack: NetStack, *, reset: bool) -> Packet:
        flags = frozenset({"RST", "ACK"} if reset else {"SYN", "ACK"}) if packet.protocol == "tcp" else frozenset()
        kind = {8: 0, 128: 129}.get(packet.icmp_type, -1)
        ports = (packet.sport, packet.dport) if packet.protocol in {"icmp", "icmpv6"} else (packet.dport, packet.sport)
        size = RESET_SIZE + 20 * (packet.family == 6) if reset and packet.protocol == "tcp" else packet.size
        # The kernel's own echo replies may be fragmented (icmp_sk_init); they and its resets bear the type of service of what they answer.
        free = packet.protocol in ICMP
        tos = packet.tos if free or reset else 0
        ends = packet.family, packet.dst, packet.src, packet.protocol
        mark = answer_mark(stack, packet, kernel=reset)
        return Packet(*ends, *ports, flags, kind, mark=mark, size=size, df=not free, tos=tos, loose=packet.loose)

    def _arrived(self, back: End, good: str) -> str:
        """What the client sees when the answer ended so."""
        if back.disposition is Disposition.LEFT_EVIDENCE:
            if self.outside:
                return good
            src = to_text(back.packet.dst, back.packet.family)
            self.open.append(
                Unknown(
                    back.stack.node,
                    back.stack.name,
                    phrase("way-back"),
                    f"ip route get {src}",
                    phrase("answer-leaves", src=src, device=back.device),
                )
            )
            return "depends"
        if back.disposition is Disposition.DEPENDS:
            return "depends"
        if back.disposition is not Disposition.DELIVERED:
            return "timeout"
        return good if self._is_mine(back) else "timeout"

    def _is_mine(self, back: End) -> bool:
        """Whether the client's socket takes the answer: it must come from where the request was sent to, and be for where that came from."""
        packet, family = back.packet, back.packet.family
        src = to_text(packet.src, family)
        at_home = (back.stack.node, back.stack.name) == (self.flow.node, self.flow.stack)
        expected = packet.src == to_int(self.flow.dst) and (packet.protocol in ICMP or packet.sport == self.flow.port)
        if not at_home or not expected:
            where = f"{src}:{packet.sport}" if packet.sport else src
            text = phrase("answer-from-other", where=where, dst=self.flow.dst, port=self.flow.port)
        elif packet.protocol in ICMP or (packet.dst, packet.dport) == self._client():
            return True
        else:
            source, port = self._client()
            where = f"{to_text(packet.dst, family)}:{packet.dport}"
            text = phrase("answer-to-other", where=where, own=f"{to_text(source, family)}:{port}")
        self.recorder.direction = "reply"
        self.recorder.fact(
            "drop",
            back.stack,
            (),
            None,
            by="socket",
            effect="dropped",
            hook="",
            src=src,
            dst=to_text(packet.dst, family),
            sport=packet.sport,
            dport=packet.dport,
            protocol=packet.protocol,
            in_device=back.device,
            out_device="",
        )
        self.recorder.step("socket", text, "drop")
        return False

    def _refused(self, end: End) -> tuple[str, Walked | None]:
        """An ICMP error or a reset goes back to the sender."""
        protocol = end.packet.protocol
        failed = end.errno if end.at_sender else ""
        if failed and end.disposition is Disposition.REJECTED:
            return failed, None
        self.recorder.direction = "error"
        start = self._bridged_reset(end)
        if start is None:
            reset = end.error == "tcp-reset"
            start = At(end.stack, "", error_packet(end), "output", state=attached(end), heard_on=end.in_device, any_source=reset)
        back = self.walker.carry(start)
        walked = Walked(back.disposition, self.recorder.turn("done"))
        if end.disposition is Disposition.DELIVERED:
            self.recorder.direction = "request"
            self._note_closed(end)
        if failed:
            return failed, walked  # send() fails, whatever becomes of the error
        good = seen_as(end.error, protocol)
        if back.disposition is Disposition.LEFT_EVIDENCE and self.outside:
            return good, walked
        if back.disposition in {Disposition.LEFT_EVIDENCE, Disposition.DEPENDS}:
            return "depends", walked
        if not self.outside and (back.stack.node, back.stack.name) != (self.flow.node, self.flow.stack):
            return "timeout", walked
        return (good if back.disposition is Disposition.DELIVERED and self._is_told(back.packet) else "timeout"), walked

    def _bridged_reset(self, end: End) -> At | None:
        """A reset about what came by a bridge leaves by the port it came in by, past netfilter and as it is (``nf_send_reset``).

        So does all that chains of netdev and bridge tell of what they reject (``nft_reject_netdev.c``).
        """
        port = end.stack.links.get(end.turned or (end.physin if end.error == "tcp-reset" else ""))
        peer = self.network.peer(Port(end.stack, port)) if port is not None else None
        if peer is None or peer.link.master:
            return None
        return At(peer.stack, peer.link.name, error_packet(end), "frame", peer)

    def _client(self) -> tuple[int, int]:
        """Address and port of the client's socket."""
        sent = next((f for f in self.recorder.facts if f.kind in {"hop", "drop"} and f.fields.get("src")), None)
        source = to_int(self.flow.src or (str(sent.fields["src"]) if sent is not None else self.flow.dst))
        return source, self.flow.sport or CLIENT_PORT

    def _is_told(self, error: Packet) -> bool:
        """Whether the client's socket takes the error: it must speak of what the client sent, with every translation undone."""
        client, inner = self._client(), error.inner
        server = (to_int(self.flow.dst), self.flow.port)
        if inner is None:
            return (error.src, error.sport) == server and (self.outside or (error.dst, error.dport) == client)
        if inner.protocol in ICMP:
            return inner.dst == server[0] and (self.outside or inner.src == client[0])
        return (inner.dst, inner.dport) == server and (self.outside or (inner.src, inner.sport) == client)

    # --- sockets --------------------------------------------------------------------------------------------------

    def _listens(self, end: End) -> bool:
        stack, packet = end.stack, end.packet
        if packet.listener or embedded(stack, packet):
            return True
        found = listeners(stack, packet.protocol, packet.dport)
        fitting = next((s for s in found if takes(s, packet, end.device)), None)
        if fitting is not None:
            return True
        if known(stack, packet.protocol):
            return False
        who = stack.node if stack.is_host else stack.name
        letter = "t" if packet.protocol == "tcp" else "u"
        unknown = Unknown(
            stack.node,
            stack.name,
            "sockets",
            f"ss -ln{letter}p",
            phrase("listener-unseen", protocol=packet.protocol, port=packet.dport, who=who),
        )
        return self.choices.ask(("socket", stack.node, stack.name, packet.dport), ("listens", "closed"), unknown) == 0

    def _reserved(self, end: End) -> bool:
        """Whether the listener only keeps a published port from others: it takes what comes, and no program ever reads it."""
        stack, packet = end.stack, end.packet
        fitting = [s for s in listeners(stack, packet.protocol, packet.dport) if takes(s, packet, end.device)]
        containers = self.network.facts.at("container", stack.node, HOST) if fitting else ()
        if not fitting or not all(keeps_free(stack, s, containers) for s in fitting):
            return False
        self.recorder.direction = "request"
        text = phrase("reserved", process=fitting[0].fields["process"], port=packet.dport)
        self.recorder.step("socket", text, "drop", line_of(fitting[0]))
        self._note_socket(end, fitting[0], "socket", "dropped")
        return True

    def _queue_full(self, end: End) -> bool:
        """Whether every listener that would take the connection has as many waiting as it said: then the SYN is dropped (``tcp_conn_request``)."""
        stack, packet = end.stack, end.packet
        fitting = [s for s in listeners(stack, packet.protocol, packet.dport) if takes(s, packet, end.device)]
        if not fitting or not all(queue_full(s) for s in fitting):
            return False
        waiting, backlog = fitting[0].fields["recv_q"], fitting[0].fields["send_q"]
        self.recorder.direction = "request"
        text = phrase("queue-full", port=packet.dport, waiting=waiting, backlog=backlog)
        self.recorder.step("socket", text, "drop", line_of(fitting[0]))
        self._note_socket(end, fitting[0], "queue", "dropped")
        return True

    def _echo_ignored(self, end: End) -> bool:
        """Whether a parameter has the stack answer no pings (``icmp_echo``, ``icmpv6_rcv``)."""
        key = "net.ipv4.icmp_echo_ignore_all" if end.packet.family == 4 else "net.ipv6.icmp.echo_ignore_all"
        if not end.stack.sysctl(key):
            return False
        fact = end.stack.sysctls.get(key)
        self.recorder.direction = "request"
        self.recorder.step("socket", phrase("echo-ignored", key=key), "drop", line_of(fact))
        self._note_socket(end, fact, "echo-ignored", "dropped")
        return True

    def _note_closed(self, end: End) -> None:
        found = listeners(end.stack, end.packet.protocol, end.packet.dport)
        self.recorder.direction = "request"
        self._note_socket(end, found[0] if found else None, "socket", "rejected")

    def _note_socket(self, end: End, origin: Fact | None, by: str, effect: str) -> None:
        packet, stack = end.packet, end.stack
        family = packet.family
        self.recorder.fact(
            "drop",
            stack,
            line_of(origin),
            origin,
            by=by,
            effect=effect,
            hook="",
            src=to_text(packet.src, family),
            dst=to_text(packet.dst, family),
            sport=packet.sport,
            dport=packet.dport,
            protocol=packet.protocol,
            in_device=end.device,
            out_device="",
            source_prefix=source_prefix(self.network, packet.src, family, to_text(packet.src, family)),
        )

    # --- outside --------------------------------------------------------------------------------------------------

    def _beyond(self, end: End) -> tuple[str, Walked | None]:
        """The request left the evidence: nothing is known of its end, but an answer can be walked from where the request left."""
        packet, family = end.packet, end.packet.family
        dst, src = to_text(packet.dst, family), to_text(packet.src, family)
        target = self.flow.to_name or dst
        self.open.append(
            Unknown(
                target,
                "host",
                phrase("evidence-of", dst=dst),
                "diagnose collect -o bundle.tar.gz",
                phrase("target-unseen", src=src, dst=dst, node=end.stack.node, device=end.device, target=dst),
            )
        )
        port = end.left_by
        if port is None:
            return "depends", None
        answer = self._reply_to(packet, port.stack, reset=False)
        if end.state is None:
            tunnelled = homeward.back(self.walker, end, answer)
            if tunnelled is None:
                return "depends", None
            back = tunnelled
        else:
            back = self.walker.carry(At(port.stack, port.link.name, answer, "frame", self._station(port)))
        walked = Walked(back.disposition, self.recorder.turn("done"))
        died = back.disposition not in {Disposition.DELIVERED, Disposition.LEFT_EVIDENCE, Disposition.DEPENDS}
        if died or (back.disposition is Disposition.DELIVERED and not self._is_mine(back)):
            self.open.clear()
            return "timeout", walked
        return "depends", walked

    def _station(self, port: Port) -> Port:
        """Whom the answer to a request that left by ``port`` is sent to on that wire: the stack that routed it there, which a bridge may hide."""
        sent = self.walker.sent_by
        if sent is not None and sent[0] is not port.stack:
            return Port(sent[0], sent[0].link(sent[1]))
        master = port.link.master
        return Port(port.stack, port.stack.link(master if master and port.stack.is_bridge(master) else port.link.name))


def hops_of(trace: Trace) -> tuple[Hop, ...]:
    """All hops of a trace, request first."""
    return (*trace.request.hops, *(trace.reply.hops if trace.reply else ()))
