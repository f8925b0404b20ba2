"""What waits on a port that took nothing: no program, one that is bound elsewhere, or a container published elsewhere.

Where the walk ended at a closed port this is certain.  Where the walk could not be made (a lone ``netstat`` of the server, a lone ``docker ps``),
the same listing still tells what it would have met there, provided that the stack may be the target: such facts are not ``sure``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.facts import HOST, Fact
from engine.inet import family_of, is_address, to_int
from engine.walk.sockets import ANY, known, listeners

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.model.network import Network
    from engine.model.stack import NetStack

MOST: Final = 8
"""Ports that are named where nothing waits on the one asked for."""

UNITS: Final = {
    22: "ssh",
    2375: "docker",
    2376: "docker",
    2379: "etcd",
    3306: "mariadb",
    5432: "postgresql",
    5672: "rabbitmq-server",
    6379: "redis-server",
    10250: "kubelet",
    11211: "memcached",
    27017: "mongod",
}
"""Port → service unit of the program that everybody runs there (Debian's names)."""

LOOPBACK = ("127.", "::1")

ANYWHERE: Final = frozenset({"8.8.8.8", "2001:4860:4860::8888"})
"""What stands for the rest of the world where no target was named: no server of the evidence has these."""


class Asked(NamedTuple):
    """What a flow asks of a stack."""

    flow: Fact
    stack: NetStack
    dst: str
    port: int
    protocol: str
    sure: bool
    """Whether the walk arrived there."""
    held: bool = True
    """Whether the stack is known to hold the address."""
    containers: tuple[Fact, ...] = ()
    """Containers that a runtime may publish on the stack."""


def bound(network: Network, facts: Sequence[Fact]) -> list[Fact]:
    """``bound`` facts of a walked flow."""
    flow = next((f for f in facts if f.kind == "flow"), None)
    if flow is None or flow.fields.get("protocol") not in {"tcp", "udp"}:
        return []
    closed = [f for f in facts if f.kind == "drop" and f.get("by") == "socket" and f.get("direction") == "request" and f.get("effect") == "rejected"]
    found: list[Fact] = []
    for drop in closed:
        stack = network.stack(drop.node, drop.stack)
        if stack is not None:
            asked = Asked(flow, stack, str(drop.get("dst")), int(drop.get("dport", 0)), str(drop.get("protocol")), sure=True)
            found += _told(asked._replace(containers=_containers(network, stack)))
    if flow.get("client_sees") == "connected":
        return _behind_proxy(network, flow, facts)
    if closed or flow.get("client_sees") != "depends":
        return found
    dst, port, protocol = str(flow.get("dst", "")), int(flow.get("port", 0)), str(flow.get("protocol"))
    for stack, held in _maybe(network, flow):
        found += _told(Asked(flow, stack, dst, port, protocol, sure=False, held=held, containers=_containers(network, stack)))
    return found


def _containers(network: Network, stack: NetStack) -> tuple[Fact, ...]:
    return tuple(network.facts.at("container", stack.node, HOST)) if stack.is_host else ()


def _behind_proxy(network: Network, flow: Fact, facts: Sequence[Fact]) -> list[Fact]:
    """docker-proxy takes every connection first and then asks the container: where nothing waits there, the client is cut off after the handshake.

    Whose socket it is, listings tell to root alone; on a port that docker publishes it is nobody else's.
    """
    translated = any(f.kind == "nat" and f.get("type") == "destination" for f in facts)
    host = next((stack for stack, held in _maybe(network, flow) if held and stack.is_host), None) if not translated else None
    if host is None or not any(s.get("process", "docker-proxy") == "docker-proxy" for s in listeners(host, "tcp", int(flow.get("port", 0)))):
        return []
    found: list[Fact] = []
    for port in network.facts.of_kind("published_port"):
        if port.node != host.node or (port.get("host_port"), port.get("protocol")) != (flow.get("port"), "tcp") or not port.get("address"):
            continue
        address, inner = str(port.get("address")), int(port.get("container_port", 0))
        for stack in network.holders(to_int(address), family_of(address)):
            told = _told(Asked(flow, stack, address, inner, "tcp", sure=False))
            found += [fact.having(relayed=True, container=port.get("container")) for fact in told]
    return found


def _maybe(network: Network, flow: Fact) -> Iterator[tuple[NetStack, bool]]:
    """Stacks that the flow may end on: those that hold its address (true); without one, the only one whose addresses nobody collected (false)."""
    dst = str(flow.get("dst", ""))
    if not is_address(dst):
        return
    if dst.startswith(LOOPBACK):
        own = network.stack(flow.node, flow.stack)
        yield from [(own, True)] if own is not None else []
        return
    holders = network.holders(to_int(dst), family_of(dst))
    if holders:
        yield from ((stack, True) for stack in holders)
        return
    blind = [
        s for s in network.stacks.values() if not s.addresses and not s.collected("addresses") and (s.facts("socket") or _containers(network, s))
    ]
    if len(blind) == 1:
        yield blind[0], False


# --- what is there -------------------------------------------------------------------------------------------------------


def _told(asked: Asked) -> Iterator[Fact]:
    """The fact of one stack; none where something takes the flow, or where nobody knows."""
    there = sorted(listeners(asked.stack, asked.protocol, asked.port), key=_private)
    if any(_fits(s, asked) for s in there):
        return
    published = list(_published(asked))
    if any(fields["how"] == "fits" for _, fields in published):
        return
    if there:
        yield _fact(asked, there[0], _wrong(there[0], asked))
    elif published:
        yield _fact(asked, *published[0])
    elif known(asked.stack, asked.protocol):
        yield _fact(asked, None, _nothing(asked))


def _fits(socket: Fact, asked: Asked) -> bool:
    """Whether a listener takes connections to the address (on whatever device)."""
    return not asked.sure and _how(str(socket.get("address", "")).strip("[]"), asked, v6only=bool(socket.get("v6only"))) == "fits"


def _wrong(socket: Fact, asked: Asked) -> dict[str, Any]:
    """How a listener misses what was asked for."""
    address = str(socket.get("address", "")).strip("[]")
    how = _how(address, asked, v6only=bool(socket.get("v6only")))
    fields: dict[str, Any] = {"how": "other-device" if how == "fits" else how, "by": "socket", "address": address}
    fields |= {name: socket.fields[name] for name in ("process", "pid", "device") if name in socket.fields}
    return fields


def _how(address: str, asked: Asked, *, v6only: bool) -> str:
    """``fits`` | ``loopback`` | ``other-family`` | ``other-address``."""
    six = ":" in asked.dst
    if address in ANY:
        takes = six == (":" in address) or (":" in address and not v6only) or address in {"", "*"}
        return "fits" if takes else "other-family"
    plain = address.partition("%")[0]
    if plain == asked.dst:
        return "fits"
    return "loopback" if plain.startswith(LOOPBACK) else "other-address"


def _published(asked: Asked) -> Iterator[tuple[Fact, dict[str, Any]]]:
    """What a runtime says of the port, on the stack that it publishes on: the port itself first."""
    later = []
    for one in asked.containers:
        if one.get("state") not in {None, "running"}:
            continue
        for port in one.get("ports", ()):
            if port.get("protocol", "tcp") != asked.protocol:
                continue
            address = str(port.get("host_ip", "")).strip("[]")
            told: dict[str, Any] = {"by": "published", "container": str(one.get("name", "")), "address": address}
            told |= {"host_port": port.get("host_port"), "container_port": port.get("container_port")}
            if port.get("host_port") == asked.port:
                how = _how(address, asked, v6only=False)
                yield one, {**told, "how": how}
            elif port.get("container_port") == asked.port:
                later.append((one, {**told, "how": "other-port"}))
        if f"{asked.port}/{asked.protocol}" in one.get("exposed", ()):
            later.append((one, {"by": "published", "container": str(one.get("name", "")), "how": "unpublished", "container_port": asked.port}))
    # A container's own port says something of the node's only where nobody could see that nothing waits there.
    yield from later if not asked.dst.startswith(LOOPBACK) or not asked.sure else ()


def _nothing(asked: Asked) -> dict[str, Any]:
    """Nothing at all, or another protocol only; with what else listens, which may be the program on another port."""
    other = "udp" if asked.protocol == "tcp" else "tcp"
    fields: dict[str, Any] = {"how": "other-protocol" if listeners(asked.stack, other, asked.port) else "none"}
    waiting = [s for s in asked.stack.sockets if s.get("state") == ("LISTEN" if asked.protocol == "tcp" else "UNCONN")]
    ports = sorted({int(s.get("port", 0)) for s in waiting if s.get("protocol") == asked.protocol and not _private(s)})
    if ports:
        fields["others"] = tuple(ports[:MOST])
    if asked.stack.name == HOST and asked.port in UNITS:
        fields["unit"] = UNITS[asked.port]
    return fields


def _private(socket: Fact) -> bool:
    return str(socket.get("address", "")).strip("[]").startswith(LOOPBACK)


def _fact(asked: Asked, origin: Fact | None, fields: dict[str, Any]) -> Fact:
    told = {
        "flow": asked.flow.get("flow"),
        "direction": "request",
        "port": asked.port,
        "protocol": asked.protocol,
        "sure": asked.sure,
        "held": asked.held,
    }
    named = asked.dst not in ANYWHERE
    if named:
        told["dst"] = asked.dst
    told["wanted"] = asked.dst if named and asked.stack.name == HOST else "::" if ":" in asked.dst else "0.0.0.0"  # noqa: S104 - for a remedy
    told |= {name: value for name, value in fields.items() if value not in {None, ""}}
    if origin is None:
        return Fact("bound", told, asked.stack.node, asked.stack.name)
    return Fact("bound", told, asked.stack.node, asked.stack.name, origin.source, origin.line, origin.shown)
