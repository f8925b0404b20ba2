"""Servers of names that ask others: where CoreDNS and dnsmasq send what they do not know themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.computed.names import LOOPBACK, RESOLV
from engine.facts import HOST
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import Fact, FactBase

DNS: Final = 53
DNS_TLS: Final = 853
SERVICES: Final = frozenset({"kube-dns", "coredns"})
"""Names under which clusters offer CoreDNS."""


class Upstream(NamedTuple):
    """A server that a forwarder asks."""

    address: str
    port: int
    protocol: str
    word: str
    """What the forwarder's configuration says: the address, or the file that names it."""


def upstreams_of(facts: FactBase, forwarder: Fact, node: str, stack: str) -> Iterator[Upstream]:
    """Servers that a forwarder asks which runs on a stack; those on its own loopback lead nowhere else and are left out."""
    for word in map(str, forwarder.get("upstreams", ())):
        bare, _, number = word.partition("#")
        port = int(number) if number.isdecimal() else DNS
        named = [bare] if is_address(bare) else _listed(facts, forwarder, word, node, stack)
        for address in named:
            if not address.startswith(LOOPBACK):
                yield Upstream(address, port, "tcp" if port == DNS_TLS else "udp", word)


def _listed(facts: FactBase, forwarder: Fact, file: str, node: str, stack: str) -> list[str]:
    """Servers of a file as the forwarder sees it; the kubelet gives the pod of CoreDNS the node's, or another that it is told of."""
    here = [f for f in facts.at("dns_config", node, stack) if f.get("file") == file]
    if not here and file == RESOLV and forwarder.get("program") == "coredns":
        told = next((str(f.get("resolv_conf") or "") for f in facts.of_kind("kubelet") if f.node == node), "") or RESOLV
        here = [f for f in facts.at("dns_config", node, HOST) if f.get("file") == told]
    return [str(server) for fact in here for server in fact.get("nameservers", ()) if is_address(str(server))]


def for_name(forwarder: Fact, name: str) -> bool:
    """Whether a forwarder sends a name on; "" = whatever is outside."""
    zone = str(forwarder.get("zone", ".")).strip(".").lower()
    return not zone or name == zone or name.endswith(f".{zone}")


def of_cluster(forwarder: Fact) -> bool:
    """Whether it is the configuration of the cluster's own CoreDNS, whose pods are no machine's."""
    return forwarder.get("program") == "coredns" and str(forwarder.get("file", "")).startswith("configmap ")


def where(forwarder: Fact) -> str:
    """What tells one forwarder from another: its file, and for a machine's the machine."""
    file = str(forwarder.get("file", ""))
    return file if of_cluster(forwarder) else f"{file} of {forwarder.node}"
