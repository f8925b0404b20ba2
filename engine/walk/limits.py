"""Bounds that a flow meets: free local ports, and tables and queues that are full or have turned packets away.

A connect() without a free port fails for sure, so the walk ends there.  The rest strikes some packets and spares others, and a snapshot
shows one moment:
such bounds become ``limit`` facts beside a flow that lives, and rules weigh them against the symptom.

Source: Linux ``net/ipv4/inet_hashtables.c`` (__inet_hash_connect, __inet_check_established), ``tcp_ipv4.c`` (tcp_twsk_unique),
``net/netfilter/nf_conntrack_core.c`` (__nf_conntrack_alloc), ``net/core/neighbour.c`` (neigh_alloc), ``net/core/dev.c`` (enqueue_to_backlog).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.facts import HOST, Fact
from engine.inet import to_int

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.model.network import Network
    from engine.model.packet import Packet
    from engine.model.stack import NetStack

RANGE: Final = "net.ipv4.ip_local_port_range"
REUSE: Final = "net.ipv4.tcp_tw_reuse"
TABLE: Final = "net.netfilter.nf_conntrack_max"
NEIGHBORS: Final = {4: "net.ipv4.neigh.default.gc_thresh3", 6: "net.ipv6.neigh.default.gc_thresh3"}
UNBOUND: Final = frozenset({"PERMANENT", "NOARP"})
"""States of neighbours that ``gc_thresh`` does not count, or that ``ip neigh`` hides."""
COMMON: Final = 100
"""Of this many packets (or connections) one must have been lost before a counter since the start says anything."""
RARE: Final = 1000
"""The same for packets on a device: bursts lose a few everywhere."""
LEAST: Final = 100
"""Packets that a device must have lost."""


# --- local ports ---------------------------------------------------------------------------------------------------------


def port_range(stack: NetStack) -> tuple[int, int] | None:
    """First and last local port that connect() may choose; ``None`` if it was not observed."""
    fact = stack.sysctls.get(RANGE)
    words = str(fact.fields.get("value", "")).split() if fact is not None else []
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None
    return int(words[0]), int(words[1])


def portless(stack: NetStack, packet: Packet, device: str) -> tuple[int, int] | None:
    """The range of local ports, if none of them is free for a connection with the addresses and the port of ``packet``.

    A port that a listener bound is not given away; one of another connection is, unless that has the same two ends.  A TIME-WAIT
    socket gives its port
    away with ``tcp_tw_reuse`` (2: on loopback only).
    """
    bounds = port_range(stack)
    if packet.protocol != "tcp" or bounds is None:
        return None
    first, last = bounds
    if last - first >= len(stack.sockets):
        return None  # there is one port for every socket
    reuse = stack.sysctl(REUSE)
    waits_count = reuse == 0 or (reuse == 2 and device != "lo")
    taken: set[int] = set()
    for socket in stack.sockets:
        port, state = socket.fields.get("port"), socket.fields.get("state")
        if socket.fields.get("protocol") != "tcp" or not isinstance(port, int) or not first <= port <= last:
            continue
        if state == "LISTEN" or (_same_ends(socket, packet) and (state != "TIME-WAIT" or waits_count)):
            taken.add(port)
    return bounds if len(taken) > last - first else None


def _same_ends(socket: Fact, packet: Packet) -> bool:
    if socket.fields.get("peer_port") != packet.dport:
        return False
    try:
        own, peer = (
            to_int(str(socket.fields.get(name, "")).strip("[]").removeprefix("::ffff:").partition("%")[0]) for name in ("address", "peer_address")
        )
    except ValueError:
        return False
    return (own, peer) == (packet.src, packet.dst)


# --- tables and queues ---------------------------------------------------------------------------------------------------


def limits(network: Network, facts: Sequence[Fact]) -> list[Fact]:
    """``limit`` facts of the stacks that a walked flow passed."""
    flow = next((f for f in facts if f.kind == "flow"), None)
    if flow is None:
        return []
    seen = dict.fromkeys((f.node, f.stack) for f in facts if f.kind in {"flow", "hop", "arrival", "nat"})
    found: list[Fact] = []
    for place in seen:
        stack = network.stack(*place)
        if stack is not None:
            found += _conntrack(stack, flow)
            found += _devices(stack, flow, facts)
    found += _listener(network, flow)
    for node in dict.fromkeys(node for node, _ in seen):
        host = network.stack(node, HOST)
        if host is not None:
            found += _neighbors(network, host, flow)
    return found


def counter(stack: NetStack, name: str) -> Fact | None:
    """A counter of a stack."""
    return next((f for f in stack.facts("counter") if f.fields.get("name") == name), None)


def _count(fact: Fact | None) -> int:
    value = fact.fields.get("value") if fact is not None else None
    return value if isinstance(value, int) else 0


def _limit(stack: NetStack, flow: Fact, origin: Fact | None, **fields: Any) -> Fact:
    told = {"flow": flow.fields["flow"], "direction": "request", **{name: value for name, value in fields.items() if value is not None}}
    if origin is None:
        return Fact("limit", told, stack.node, stack.name)
    return Fact("limit", told, stack.node, stack.name, origin.source, origin.line, origin.shown)


def _conntrack(stack: NetStack, flow: Fact) -> Iterable[Fact]:
    """The connection tracking table: each namespace counts its own entries against the kernel's one bound."""
    used, bound = stack.sysctl("net.netfilter.nf_conntrack_count"), stack.sysctl(TABLE) or stack.sysctl("net.nf_conntrack_max")
    if used is None or not bound:
        return
    turned_away = counter(stack, "conntrack.drop")
    lost = _count(turned_away)
    # Entries come and go by the second: a table that was full a moment ago has dropped, and is nearly full.
    if used >= bound or (lost and used * 10 >= bound * 9):
        key = TABLE if TABLE in stack.sysctls else "net.nf_conntrack_max"
        origin = stack.sysctls.get("net.netfilter.nf_conntrack_count")
        yield _limit(stack, flow, origin, resource="conntrack", used=used, max=bound, key=key, full=used >= bound, lost=lost if turned_away else None)


def _neighbors(network: Network, host: NetStack, flow: Fact) -> Iterable[Fact]:
    """The neighbour table: all namespaces of a kernel share it, and its bound."""
    family = 6 if ":" in str(flow.fields.get("dst", "")) else 4
    bound = host.sysctl(NEIGHBORS[family])
    if not bound:
        return
    file = "arp_cache" if family == 4 else "ndisc_cache"
    stacks = [s for s in network.stacks.values() if s.node == host.node]
    listed = sum(1 for s in stacks for f in s.facts("neighbor") if f.fields.get("family", 4) == family and f.fields.get("state") not in UNBOUND)
    kept, full = counter(host, f"{file}.entries"), counter(host, f"{file}.table_fulls")
    used = max(listed, _count(kept))
    second = host.sysctl(NEIGHBORS[family].replace("gc_thresh3", "gc_thresh2")) or bound
    if used >= bound or (_count(full) and used >= second):
        origin = host.sysctls.get(NEIGHBORS[family])
        yield _limit(
            host,
            flow,
            origin,
            resource="neighbors",
            used=used,
            max=bound,
            key=NEIGHBORS[family],
            full=used >= bound,
            lost=_count(full) if full else None,
        )


def _listener(network: Network, flow: Fact) -> Iterable[Fact]:
    """The accept queues of the target's namespace, by what they turned away since the start."""
    stack = network.stack(str(flow.fields.get("target_node", "")), str(flow.fields.get("target_stack", "")))
    if stack is None or flow.fields.get("protocol") != "tcp":
        return
    overflowed = counter(stack, "TcpExtListenOverflows")
    taken = _count(counter(stack, "TcpPassiveOpens"))
    lost = _count(overflowed)
    if lost and lost * COMMON >= taken:
        yield _limit(
            stack,
            flow,
            overflowed,
            resource="listen-queue",
            key="net.core.somaxconn",
            full=False,
            lost=lost,
            seen=taken,
            port=flow.fields.get("port"),
        )


def _devices(stack: NetStack, flow: Fact, facts: Sequence[Fact]) -> Iterable[Fact]:
    """Packets that the cards on the path, or the processors behind them, had no room for."""
    if not stack.is_host:
        return
    dropped = counter(stack, "softnet.dropped")
    taken, lost = _count(counter(stack, "softnet.processed")), _count(dropped)
    if lost >= LEAST and lost * RARE >= taken:
        yield _limit(stack, flow, dropped, resource="softnet", key="net.core.netdev_max_backlog", full=False, lost=lost, seen=taken)
    hops = [f for f in facts if f.kind == "hop" and (f.node, f.stack) == (stack.node, stack.name)]
    for name in dict.fromkeys(str(f.fields.get(side)) for f in hops for side in ("in_device", "out_device") if f.fields.get(side)):
        # The counters may be in another output (ip -s link) than the rest.
        link = next((f for f in stack.facts("link") if f.fields.get("name") == name and "rx_missed" in f.fields), None)
        missed, received = (link.fields.get(key, 0) for key in ("rx_missed", "rx_packets")) if link is not None else (0, 0)
        if link is not None and missed >= LEAST and missed * RARE >= received:
            yield _limit(stack, flow, link, resource="ring", full=False, lost=missed, seen=received, device=name)
