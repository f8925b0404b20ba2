"""What is known of the server that a server of names asks: whether there is such a machine at all, and whom it could ask instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.computed.names import LOOPBACK
from engine.facts import HOST, Fact
from engine.forwarders import Upstream, upstreams_of, where
from engine.inet import in_prefix, is_address
from engine.walk import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import FactBase
    from engine.model import Network
    from engine.walk.trace import Flow

MAX_OTHERS: Final = 3
"""Further upstream servers of one forwarder that are asked; CoreDNS takes 15, and people write two."""


def dns_upstream(network: Network, flow: Flow, number: int, walked: Sequence[Fact]) -> list[Fact]:
    """The ``dns_upstream`` fact of a flow that a server of names sends for others; [] for all other flows."""
    facts = network.facts
    forwarder = next((f for f in facts.of_kind("dns_forwarder") if flow.behalf and where(f) == flow.behalf), None)
    if forwarder is None:
        return []
    listed = list(upstreams_of(facts, forwarder, flow.node, flow.stack or HOST))
    asked = next((up for up in listed if up.address == flow.dst), None)
    if asked is None:
        return []
    sees = next((str(f.get("client_sees")) for f in walked if f.kind == "flow"), "depends")
    dead = sees not in {"connected", "depends"}
    others = [up for up in listed if up.address != flow.dst]
    log = _logged(facts, asked)
    fields: dict[str, Any] = {name: forwarder.get(name) for name in ("program", "file", "zone")} | {
        "flow": number,
        "direction": "request",
        "upstream": flow.dst,
        "port": flow.port,
        "word": asked.word,
        "sees": sees,
        "nobody": _nobody(facts, flow.dst),
        "logged": log is not None,
        "answering": tuple(up.address for up in others[:MAX_OTHERS] if dead and _answers(network, flow, up, number)),
        "other": _other(facts, {up.address for up in listed}),
        "sender": flow.from_name,
    }
    shown = log or forwarder
    return [Fact("dns_upstream", fields, flow.node, flow.stack or HOST, shown.source, shown.line, shown.text)]


def _logged(facts: FactBase, up: Upstream) -> Fact | None:
    """A line in which CoreDNS says that a server did not answer: ``… read udp 10.32.0.9:47744->192.0.2.53:53: i/o timeout``."""
    end = f"->[{up.address}]:{up.port}: " if ":" in up.address else f"->{up.address}:{up.port}: "
    logs = (f for f in facts.of_kind("component_log") if f.get("program") == "coredns")
    return next((f for f in logs if "plugin/errors" in str(f.get("text")) and end in str(f.get("text"))), None)


def _answers(network: Network, flow: Flow, up: Upstream, number: int) -> bool:
    return walk(network, flow._replace(dst=up.address, port=up.port, protocol=up.protocol), number).client_sees == "connected"


def _nobody(facts: FactBase, address: str) -> str:
    """``pod`` or ``service`` if an address is of that range of the cluster and nothing has it; "" if it may be anybody's."""
    if not (facts.of_kind("pod") or facts.of_kind("service")) or any(f.get("address") == address for f in facts.of_kind("address")):
        return ""
    from engine.cluster import Cluster

    cluster = Cluster(facts)
    if cluster.pods_at(address) or cluster.services_at(address):
        return ""
    held = {r.what for r in cluster.ranges if in_prefix(address, r.cidr)}
    known = {"pod": cluster.listed("pods"), "service": cluster.listed("services")}
    return next((what for what in ("service", "pod") if what in held and known[what]), "")


def _other(facts: FactBase, asked: set[str]) -> str:
    """A server that the machines themselves ask, and that is none of those asked already; "" if none was seen."""
    inside = {str(ip) for s in facts.of_kind("service") for ip in s.get("cluster_ips", ())}
    named = (str(server) for f in facts.of_kind("dns_config") if f.stack == HOST for server in f.get("nameservers", ()))
    return next((s for s in named if is_address(s) and not s.startswith(LOOPBACK) and s not in asked | inside), "")


def asked_after(flow: Flow, before: FactBase, after: FactBase) -> Flow:
    """A forwarded look-up goes to the server that the forwarder's configuration names after a change, where that was its server before."""
    was, now = (_addresses(facts, flow) for facts in (before, after))
    return flow._replace(dst=now[0], to_name=now[0]) if flow.dst in was and now and flow.dst not in now else flow


def _addresses(facts: FactBase, flow: Flow) -> list[str]:
    forwarders = [f for f in facts.of_kind("dns_forwarder") if where(f) == flow.behalf]
    return [up.address for f in forwarders for up in upstreams_of(facts, f, flow.node, flow.stack or HOST)]
