"""The packet at IPVS's netfilter functions.

Source: Linux ``net/netfilter/ipvs/ip_vs_core.c`` (ip_vs_in_hook, ip_vs_out_hook, ip_vs_leave), ``ip_vs_xmit.c``, ``ip_vs_nfct.c``.
Measured on Linux 6.1: a request is taken after filter INPUT (a local one after nat OUTPUT, before filter OUTPUT), is routed to the server,
passes OUTPUT once more and POSTROUTING, but never FORWARD.  With ``vs.conntrack=0`` it is untracked from there on.  The server's answer passes
FORWARD (or INPUT) with its own source, as a packet that conntrack does not know if ``vs.conntrack=0``, and has the virtual address after it.
Not modelled: ``snat_reroute`` with policy routes by source, connections that were there before, synchronisation, ``cache_bypass``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine.inet import to_text
from engine.model.fib import Key
from engine.model.ipvs import KUBE_DEVICE
from engine.model.packet import Packet, State, Tuple
from engine.phrases import phrase
from engine.walk import tunnels
from engine.walk.place import At, End
from engine.walk.recorder import line_of
from engine.walk.routing import find_way
from engine.walk.trace import Disposition, Unknown

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.ipvs import Server, Service
    from engine.model.stack import NetStack
    from engine.walk.netfilter import Passage
    from engine.walk.routing import Way
    from engine.walk.walker import Walker

NO_SERVER = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}
NO_ROUTE = {4: "icmp-host-unreachable", 6: "icmp6-addr-unreachable"}
CONNTRACK = "net.ipv4.vs.conntrack"


class Connection(NamedTuple):
    """A connection that IPVS gave to a server."""

    asked: Tuple
    """The request as the client sent it."""
    sent: Tuple
    """The request as the server gets it."""
    server: Server


def handle(walker: Walker, at: At, passage: Passage, hook: str) -> At | End | None:
    """IPVS on INPUT, FORWARD or OUTPUT; ``None`` = the packet, perhaps rewritten, goes on along the hook."""
    connections = walker.virtual.setdefault((at.stack.node, at.stack.name), [])
    packet = passage.packet
    if packet.error:
        _error(connections, passage)
        return None
    own = packet.tuple()
    for connection in connections:
        if connection.server.forward == "masq" and own == connection.sent.inverted():
            passage.packet = packet.with_tuple(connection.asked.inverted())
            walker.recorder.step("nat", f"ipvs: {passage.packet}", "rewrite", line_of(connection.server.fact))
            return None
    return None if hook == "FORWARD" else _request(walker, at, passage, hook, connections)


def _error(connections: list[Connection], passage: Passage) -> None:
    """An ICMP error about a packet that a server got: what it speaks of becomes what the client sent, and it comes from the virtual address."""
    packet = passage.packet
    for connection in connections:
        if connection.server.forward == "masq" and packet.inner in {connection.sent, connection.asked}:
            passage.packet = replace(packet, src=connection.asked.dst, inner=connection.asked)
            return


def _request(walker: Walker, at: At, passage: Passage, hook: str, connections: list[Connection]) -> At | End | None:
    packet, stack = passage.packet, at.stack
    begun = any(c.asked == packet.tuple() for c in connections)
    if packet.protocol not in {"tcp", "udp", "sctp"} or (packet.protocol == "tcp" and packet.tcp_flags != {"SYN"} and not begun):
        return None
    service = stack.ipvs.service(packet)
    if service is None:
        return _unseen(walker, at, passage)
    # What becomes of the packet is told to its sender by ICMP, even to a local one: send() has succeeded.
    at = replace(at, packet=packet, how="ipvs")
    server = next((c.server for c in connections if c.asked == packet.tuple()), None) or _schedule(walker, stack, service)
    if server is None:
        text = phrase("ipvs-no-server", service=_name(service))
        return _refuse(walker, at, passage, hook, text, "ipvs", NO_SERVER[packet.family], service.fact)
    return _send(walker, at, passage, hook, server)


def _refuse(walker: Walker, at: At, passage: Passage, hook: str, text: str, by: str, error: str, origin: Fact) -> End:  # noqa: PLR0917 - one way out of all
    disposition = Disposition.NO_ROUTE if by == "no-route" else Disposition.REJECTED
    return walker.stop(at, by, disposition, text, line_of(origin), error=error, origin=origin, hook=hook, state=passage.state)


def _unseen(walker: Walker, at: At, passage: Passage) -> End | None:
    """A service address of kube-proxy on a node whose services nobody collected."""
    stack, packet = at.stack, passage.packet
    own = stack.own(packet.dst, packet.family)
    if not stack.ipvs.unseen or own is None or own.device != KUBE_DEVICE:
        return None
    unknown = Unknown(stack.node, stack.name, "ipvs", "ipvsadm -Ln", phrase("ipvs-unseen", node=stack.node))
    walker.choices.ask(("ipvs", stack.node, stack.name), ("unknown",), unknown)
    walker.recorder.step("nat", unknown.why, "unknown")
    return End(Disposition.DEPENDS, stack, packet, at.device)


def _schedule(walker: Walker, stack: NetStack, service: Service) -> Server | None:
    candidates = service.candidates
    if len(candidates) < 2:
        return candidates[0][0] if candidates else None
    names = [
        phrase("ipvs-gives", service=_name(service), server=to_text(server.address, service.family), port=server.port) for server, _ in candidates
    ]
    key = ("ipvs", stack.node, stack.name, _name(service))
    return candidates[walker.choices.ask(key, names, None, [share for _, share in candidates])][0]


def _name(service: Service) -> str:
    if service.address is None:
        return f"fwmark {service.fwmark}"
    address = to_text(service.address, service.family)
    return f"{service.protocol} {address if service.family == 4 else f'[{address}]'}:{service.port}"


def _send(walker: Walker, at: At, passage: Passage, hook: str, server: Server) -> At | End | None:
    """Route the packet to its server (``ip_vs_nat_xmit``, ``ip_vs_dr_xmit``, ``ip_vs_tunnel_xmit``)."""
    before, stack = passage.packet, at.stack
    way = find_way(stack, Key(before.family, server.address), walker.choices)
    if way.type == "local" and server.forward != "masq":
        return None
    if way.type not in {"local", "unicast"}:
        unknown = walker.unknown_routes(at, way)
        if unknown is not None:
            return unknown
        text = phrase("ipvs-no-route", server=to_text(server.address, before.family))
        return _refuse(walker, at, passage, hook, text, "no-route", NO_ROUTE[before.family], server.fact)
    after = replace(before, dst=server.address, dport=server.port_for(before)) if server.forward == "masq" else before
    connection = Connection(before.tuple(), after.tuple(), server)
    walker.virtual[stack.node, stack.name].append(connection)
    passage.packet = after
    _note(walker, at, connection, before, after, way.device)
    _conntrack(walker, passage, server, after)
    if way.type == "local":
        passage.way = way
        return None
    if server.forward == "tunnel":
        return _encapsulate(walker, at, passage, server)
    return _again(walker, replace(at, packet=after), passage, hook, way)


def _note(walker: Walker, at: At, connection: Connection, before: Packet, after: Packet, device: str) -> None:  # noqa: PLR0917 - all that a fact tells
    server = connection.server
    lines, family = line_of(server.fact), before.family
    text = (
        phrase("ipvs-becomes", before=before, after=after)
        if after != before
        else phrase("ipvs-goes", before=before, server=to_text(server.address, family), forward=server.forward)
    )
    walker.recorder.step("nat", text, "rewrite", lines)
    if after == before:
        return
    stack = at.stack
    walker.recorder.fact(
        "nat",
        stack,
        lines,
        server.fact,
        type="destination",
        target="IPVS",
        before=to_text(before.dst, family),
        after=to_text(after.dst, family),
        before_port=before.dport,
        after_port=after.dport,
        src=to_text(before.src, family),
        dst=to_text(before.dst, family),
        in_device=at.device,
        out_device=device,
        out_type=stack.link(device).type if device else "",
        overlay=False,
    )


def _conntrack(walker: Walker, passage: Passage, server: Server, after: Packet) -> None:
    """With ``vs.conntrack`` the entry learns where answers come from (``ip_vs_update_conntrack``), else the packet is untracked."""
    stack = passage.stack
    value = stack.sysctl(CONNTRACK)
    if value is None and not stack.sysctls_complete:
        why = phrase("ipvs-conntrack-unseen", node=stack.node)
        unknown = Unknown(stack.node, stack.name, CONNTRACK, f"sysctl {CONNTRACK}", why)
        value = 1 - walker.choices.ask(("vs.conntrack", stack.node, stack.name), ("on", "off"), unknown)
    entry = passage.state.entry
    if not value:
        passage.forget()
        passage.tracked, passage.state = True, State("UNTRACKED")
        lines = line_of(stack.sysctls.get(CONNTRACK))
        walker.recorder.step("conntrack", phrase("ipvs-untracked", key=CONNTRACK), "rewrite", lines)
    elif entry is not None and server.forward == "masq" and not passage.state.reply:
        entry.reply = replace(entry.reply, src=after.dst, sport=after.dport)


def _again(walker: Walker, at: At, passage: Passage, hook: str, way: Way) -> At | End:
    """OUTPUT once more, then POSTROUTING."""
    forwarded = hook == "INPUT"
    if forwarded:
        walker.note_route(at, way, "forward")
    passage.way = way
    ended = walker.hook(at, passage, "OUTPUT", out_device=way.device)
    if ended is not None:
        return ended
    return walker.post(replace(at, packet=passage.packet), passage, passage.way, "forward" if forwarded else "output", at.device)


def _encapsulate(walker: Walker, at: At, passage: Passage, server: Server) -> At | End:
    """IPIP to the server; only the outer packet meets OUTPUT and POSTROUTING."""
    walker.recorder.step("encapsulate", phrase("ipvs-tunnel", server=to_text(server.address)), "rewrite", line_of(server.fact))
    packet = passage.packet
    outer = Packet(4, 0, server.address, "ipip", size=packet.size + 20, mark=packet.mark)
    # Errors about the outer packet are told to the client as they are (ip_vs_in_icmp).
    return tunnels.carried(walker, replace(at, packet=packet), outer, "ipip", "ipvs", lambda error: error)
