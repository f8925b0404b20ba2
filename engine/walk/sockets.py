"""Whether a socket takes the packet at the end of its way.

Source: Linux ``net/ipv4/inet_hashtables.c`` (listener lookup), ``udp.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import to_int

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.facts import Fact
    from engine.model.packet import Packet
    from engine.model.stack import NetStack

EMBEDDED = to_int("127.0.0.11")

ANY = frozenset({"*", "0.0.0.0", "::", "[::]", ""})  # noqa: S104 - listening addresses to recognise, not to bind


def listeners(stack: NetStack, protocol: str, port: int) -> list[Fact]:
    """Sockets that wait for packets to a port, on whatever address."""
    wanted = {"LISTEN"} if protocol == "tcp" else {"UNCONN", "LISTEN", "CLOSE", ""}
    return [
        s
        for s in stack.sockets
        if s.fields.get("protocol", "tcp") == protocol and s.fields.get("port") == port and s.fields.get("state", "LISTEN") in wanted
    ]


def takes(socket: Fact, packet: Packet, device: str) -> bool:
    """Whether a listening socket's address and device fit the packet."""
    bound = socket.fields.get("device")
    if bound and bound != device:
        return False
    address = str(socket.fields.get("address", "*")).strip("[]")
    if address in ANY:
        if packet.family == 4:
            return address != "::" or not socket.fields.get("v6only", False)
        return address in {"::", "*"} or socket.fields.get("family") == 6
    address = address.removeprefix("::ffff:").partition("%")[0]
    try:
        return to_int(address) == packet.dst
    except ValueError:
        return False


def embedded(stack: NetStack, packet: Packet) -> bool:
    """Whether docker's resolver takes the packet: it has a port of its own, and rules in the container, which mostly nobody collects, lead there."""
    if (packet.family, packet.dst, packet.dport) != (4, EMBEDDED, 53) or stack.collected("netfilter"):
        return False
    return any(s.fields.get("address") == "127.0.0.11" and s.fields.get("protocol", "tcp") == packet.protocol for s in stack.sockets)


def queue_full(socket: Fact) -> bool:
    """Whether a listener has more connections waiting to be accepted than it said (``sk_acceptq_is_full``).

    ``netstat`` and /proc/net/tcp tell who waits but show 0 for the bound: that is not known then.
    """
    waiting, backlog = socket.fields.get("recv_q"), socket.fields.get("send_q")
    return isinstance(waiting, int) and isinstance(backlog, int) and waiting > backlog > 0


KEEPERS = frozenset({"dockerd", "conmon"})
"""Programs that listen on published ports only to keep others from them: nobody accepts there, DNAT rules do the work."""


def keeps_free(stack: NetStack, socket: Fact, containers: Iterable[Fact]) -> bool:
    """Whether a socket merely reserves a port that a container publishes (docker with ``userland-proxy: false``, podman)."""
    if socket.fields.get("process") not in KEEPERS or not stack.is_host:
        return False
    port, protocol = socket.fields.get("port"), socket.fields.get("protocol", "tcp")
    published = (each for one in containers if one.fields.get("state") == "running" for each in one.fields.get("ports") or ())
    return any(each.get("host_port") == port and each.get("protocol", "tcp") == protocol for each in published)


def known(stack: NetStack, protocol: str) -> bool:
    """Whether a port that is not listed is closed."""
    return stack.collected("sockets", protocol, f"{protocol}-listen")
