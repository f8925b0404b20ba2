"""What a server of names asks for others: a question about a name from outside is about its upstream servers too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.forwarders import DNS, for_name, of_cluster, upstreams_of, where
from engine.question.flows import each_once
from engine.question.tokens import holds
from engine.walk.trace import Flow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import Fact
    from engine.question.names import Endpoint, Inventory

MAX_SERVERS: Final = 2
"""Pods of CoreDNS whose upstream servers are walked to."""
MAX_FORWARDED: Final = 4
OUTSIDE: Final = ("outside name", "outside names", "external name", "external names", "external domain", "external domains", "external dns",
    "external hostnames", "external hosts", "public name", "public names", "public domain", "public domains", "internet name", "internet names",
    "internet domains", "outside domains", "upstream dns", "names outside", "names on the internet")  # fmt: skip
OUTSIDE_ZH: Final = ("外部域名", "外网域名", "公网域名", "集群外的域名", "集群外域名", "互联网域名", "上游dns", "上游 dns")
LOCAL: Final = (".svc", ".local", ".localhost")
"""How names end that no upstream server is asked for."""


def outside(inventory: Inventory, folded: str, name: str) -> bool:
    """Whether a complaint is about a name that the cluster's own server (or the machine's) does not know itself."""
    if not name:
        return holds(folded, OUTSIDE) or any(words in folded for words in OUTSIDE_ZH)
    service, _, space = name.partition(".")
    if "." not in name or name.endswith(LOCAL) or ".svc." in f"{name}.":
        return False
    return not inventory.facts.of_kind("service") or (space, service) not in inventory.cluster.services


def forwarded(inventory: Inventory, flows: Sequence[Flow], name: str) -> tuple[Flow, ...]:
    """Flows from the servers that are asked to the upstream servers that they ask in turn."""
    forwarders = [f for f in inventory.facts.of_kind("dns_forwarder") if for_name(f, name)]
    if not forwarders:
        return ()
    found = [made for flow in flows if flow.port == DNS for server in _servers(inventory, flow) for made in _asked(inventory, forwarders, server)]
    return tuple(each_once(found)[:MAX_FORWARDED])


def _servers(inventory: Inventory, flow: Flow) -> Iterator[Endpoint]:
    """The machines or pods that answer a look-up."""
    if not inventory.facts.of_kind("service"):
        yield inventory.at_address(flow.dst)
        return
    from engine.cluster.services import choose, meant

    meaning = meant(inventory.cluster, flow.dst, flow.port, flow.protocol)
    if meaning is None:
        yield inventory.at_address(flow.dst)
        return
    for target in choose(inventory.cluster, meaning).eligible[:MAX_SERVERS]:
        yield inventory.at_address(target.address)


def _asked(inventory: Inventory, forwarders: Sequence[Fact], server: Endpoint) -> Iterator[Flow]:
    """What one server asks: that of the cluster is one of its pods, any other the machine that has the configuration."""
    if not server.node:
        return
    for forwarder in forwarders:
        own = server.kind == "pod" if of_cluster(forwarder) else (forwarder.node, forwarder.stack) == (server.node, server.stack)
        for up in upstreams_of(inventory.facts, forwarder, server.node, server.stack) if own else ():
            source = "" if server.seen else next(iter(server.addresses), "")
            stack = server.stack if server.seen else ""
            yield Flow(server.node, stack, source, up.address, up.port, up.protocol, server.name, up.address, behalf=where(forwarder))
