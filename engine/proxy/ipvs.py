"""kube-proxy's IPVS mode (and kube-router's proxy): a virtual service for each address and port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import to_text
from engine.proxy.programmed import Entry, Key

if TYPE_CHECKING:
    from engine.model.ipvs import Service
    from engine.model.stack import NetStack


def entries(stack: NetStack) -> dict[Key, Entry]:
    """Every virtual service of IPv4 on a stack; node ports by the node's addresses and, once, by any."""
    found: dict[Key, Entry] = {}
    for service in stack.ipvs.services:
        if service.address is None or service.family != 4:
            continue
        entry = _entry(service)
        found[Key(to_text(service.address, 4), service.port, service.protocol)] = entry
        own = stack.own(service.address, 4)
        if own is not None and own.device != "kube-ipvs0":
            found.setdefault(Key("", service.port, service.protocol), entry)
    return found


def _entry(service: Service) -> Entry:
    # Weight 0: kube-proxy lets the connections of an endpoint that is going away end.
    targets = tuple((to_text(server.address, 4), server.port) for server in service.servers if server.weight > 0)
    return Entry(targets, rejects=not targets, source=service.fact.source, line=service.fact.line, text=service.fact.text)
