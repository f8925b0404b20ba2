"""Virtual services of one stack.

Source: Linux ``net/netfilter/ipvs/ip_vs_ctl.c`` (ip_vs_service_find), ``ip_vs_rr.c``, ``ip_vs_wrr.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.inet import to_int

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact
    from engine.model.packet import Packet

PRIORITIES = {"INPUT": 99, "FORWARD": 99, "OUTPUT": -98}
"""After filter and before nat on INPUT, after filter on FORWARD, after nat and before filter on OUTPUT (``ip_vs_ops4``)."""
KUBE_DEVICE = "kube-ipvs0"
"""Dummy device on which kube-proxy puts the addresses of services."""
BY_WEIGHT = frozenset({"wrr", "mh"})
"""Schedulers that spread new clients in proportion to the weights; ``rr`` only leaves out weight 0, the others look at connections or addresses."""


class Server(NamedTuple):
    """A real server."""

    address: int
    port: int
    """0 = the port that the client asked for."""
    weight: int
    forward: str
    """masq | route | tunnel"""
    fact: Fact

    def port_for(self, packet: Packet) -> int:
        """Port that the packet is sent to."""
        return self.port or packet.dport


class Service(NamedTuple):
    """A virtual service and its servers."""

    protocol: str
    address: int | None
    """``None`` on services by firewall mark."""
    port: int
    fwmark: int
    family: int
    scheduler: str
    servers: tuple[Server, ...]
    fact: Fact

    def takes(self, packet: Packet) -> bool:
        """Whether a new connection belongs to this service."""
        if packet.family != self.family:
            return False
        if self.address is None:
            return packet.mark == self.fwmark
        return packet.protocol == self.protocol and packet.dst == self.address and self.port in {0, packet.dport}

    @property
    def candidates(self) -> tuple[tuple[Server, str], ...]:
        """Servers that take new connections, each with its share of them ("" = not known)."""
        able = [server for server in self.servers if server.weight > 0]
        if self.scheduler == "rr":
            return tuple((server, f"1/{len(able)}") for server in able)
        total = sum(server.weight for server in able)
        return tuple((server, f"{server.weight}/{total}" if self.scheduler in BY_WEIGHT else "") for server in able)


class Ipvs:
    """All virtual services of a stack."""

    def __init__(self, services: Sequence[Fact], servers: Sequence[Fact], *, unseen: bool) -> None:
        """``unseen``: IPVS is in use here, and its services were not collected."""
        by_service: dict[tuple[object, ...], list[Server]] = {}
        for fact in servers:
            by_service.setdefault(_identity(fact, "service_address", "service_port"), []).append(_server(fact))
        found = [_service(fact, tuple(by_service.get(_identity(fact, "address", "port"), ()))) for fact in services]
        # The kernel looks for the mark first, then for the very port, then for a service of all ports.
        self.services = sorted(found, key=lambda s: (s.address is not None, s.port == 0))
        self.unseen = unseen

    def priority(self, hook: str) -> int | None:
        """Priority of IPVS's functions on a netfilter hook (of the later one, where there are two); ``None`` if there are none."""
        return PRIORITIES.get(hook) if self.services or self.unseen else None

    def service(self, packet: Packet) -> Service | None:
        """The service that a new connection belongs to."""
        return next((service for service in self.services if service.takes(packet)), None)


def _identity(fact: Fact, address: str, port: str) -> tuple[object, ...]:
    get = fact.fields.get
    return get("protocol"), get(address), get(port), get("fwmark"), get("family", 4)


def _server(fact: Fact) -> Server:
    get = fact.fields.get
    return Server(to_int(fact.fields["address"]), get("port", 0), get("weight", 1), get("forward", "masq"), fact)


def _service(fact: Fact, servers: tuple[Server, ...]) -> Service:
    get = fact.fields.get
    address = get("address")
    value = to_int(address) if address else None
    return Service(get("protocol", ""), value, get("port", 0), get("fwmark", 0), get("family", 4), get("scheduler", ""), servers, fact)
