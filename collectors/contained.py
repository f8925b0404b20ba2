"""Whether a stack of which nobody says so is a container's: by its devices, their addresses, and its resolver's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collectors.prompts import CONTAINER, short
from engine.inet import in_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.facts import Fact

FALLBACKS: Final = ("lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0")
"""Devices that the kernel puts into every namespace."""
RUNTIMES: Final = ("172.17.0.0/16", "10.88.0.0/16")
"""Networks that docker and podman give to containers for which nobody named one."""
FILES: Final = frozenset({"dns_config", "host", "hosts_entry", "nsswitch", "observed"})
"""Facts of files and programs that containers have too."""
EMBEDDED: Final = "127.0.0.11"
"""docker's resolver in containers of networks that users made."""
CALICO: Final = "169.254.1.1"
"""Gateway of every pod under calico."""


def contained(facts: Iterable[Fact]) -> bool:
    """Whether a stack's facts show a container: its devices' other ends are all elsewhere, and some sign that a runtime made it."""
    listed = list(facts)
    links = [fact for fact in listed if fact.kind == "link" and fact.get("name") not in FALLBACKS]
    if any(link.get("peer_index") is None or link.get("peer_name") is not None or link.get("master") for link in links):
        return False
    if not links and any(fact.kind not in FILES for fact in listed):
        # A resolv.conf among a machine's listings may have been copied out of a container.
        return False
    return any(_resolver(fact) or _named(fact) or (bool(links) and _made(fact, links)) for fact in listed)


def _resolver(fact: Fact) -> bool:
    """Whether a resolv.conf is one that docker or a kubelet writes for containers."""
    if fact.kind != "dns_config" or str(fact.get("file", "")).startswith("/run/"):
        return False
    return EMBEDDED in fact.get("nameservers", ()) or any(str(domain).startswith("svc.") for domain in fact.get("search", ()))


def _named(fact: Fact) -> bool:
    """Whether the machine bears a container's identity."""
    return fact.kind == "host" and CONTAINER.fullmatch(short(str(fact.get("hostname", "")))) is not None


def _made(fact: Fact, links: list[Fact]) -> bool:
    """Whether an address, a route or a hosts file is one that a runtime makes."""
    if fact.kind == "address":
        address, macs = str(fact.get("address")), {str(link.get("mac")) for link in links if link.get("name") == fact.get("device")}
        return any(in_prefix(address, network) for network in RUNTIMES) or _mac(address) in macs
    if fact.kind == "route":
        return bool(fact.get("gateway") == CALICO)
    return fact.kind == "hosts_entry" and any(CONTAINER.fullmatch(str(name)) for name in fact.get("names", ()))


def _mac(address: str) -> str:
    """The MAC that docker made from an address until its version 28."""
    parts = address.split(".")
    return ":".join(["02", "42", *(f"{int(part):02x}" for part in parts)]) if len(parts) == 4 and all(part.isdecimal() for part in parts) else ""
