"""A scenario as plain data: what is built, what is sent.  It can be written as YAML and replayed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_SPORT = 41000
"""Source port of the first probe; each try takes another, so that no probe meets the connection of an earlier one."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt of a client."""

    stack: str
    protocol: str
    """tcp | udp | icmp"""
    dst: str
    port: int
    src: str = ""
    """Address that the client binds to; "" = the kernel chooses."""
    size: int = 0
    """Octets of the IP packet, with DF set (udp, icmp); 0 = small, and fragments may be made."""

    def __str__(self) -> str:
        source = f" from {self.src}" if self.src else ""
        size = f" of {self.size} octets" if self.size else ""
        return f"{self.stack}{source}: {self.protocol} {self.dst}:{self.port}{size}"


@dataclass(slots=True)
class Stack:
    """One network namespace."""

    sysctls: dict[str, int] = field(default_factory=dict)
    """Set in this order; those of ``all`` and ``default`` before devices exist, the others last."""
    ip: list[str] = field(default_factory=list)
    """Lines for ``ip -batch``; ``fdb …`` are for ``bridge -batch``, ``-6 …`` for ``ip -6``.  What the kernel refuses is left out."""
    ipset: list[str] = field(default_factory=list)
    """Lines for ``ipset restore``."""
    legacy: list[str] = field(default_factory=list)
    """Lines for ``iptables-legacy-restore``."""
    nft: list[str] = field(default_factory=list)
    """Lines for ``iptables-nft-restore``."""
    legacy6: list[str] = field(default_factory=list)
    """Lines for ``ip6tables-legacy-restore``."""
    nft6: list[str] = field(default_factory=list)
    """Lines for ``ip6tables-nft-restore``."""
    native: list[str] = field(default_factory=list)
    """Lines for ``nft -f``, loaded last; every rule of them counts."""
    wireguard: list[str] = field(default_factory=list)
    """Words for ``wg set``; ``@NAME`` stands for the public key of a stack."""
    ipvs: list[str] = field(default_factory=list)
    """Lines for ``ipvsadm --restore``."""
    listen: list[list[Any]] = field(default_factory=list)
    """[protocol, address, port]; ``tcp+transparent`` may take what TPROXY gives it"""


@dataclass(slots=True)
class Scenario:
    """Network stacks of one node, the veth pairs between them, and what is sent."""

    stacks: dict[str, Stack]
    links: list[list[str]]
    """[stack, device, stack, device]"""
    probes: list[Probe]
    note: str = ""
    """For saved cases: what the kernel does and why."""

    def plain(self) -> dict[str, Any]:
        """As mappings and lists, without what is empty."""
        document: dict[str, Any] = asdict(self)
        document["stacks"] = {name: {k: v for k, v in stack.items() if v} for name, stack in document["stacks"].items()}
        document["probes"] = [{k: v for k, v in probe.items() if v != "" and (k, v) != ("size", 0)} for probe in document["probes"]]
        return {k: v for k, v in document.items() if v}

    def digest(self) -> str:
        """Short name of the content."""
        document = {k: v for k, v in self.plain().items() if k != "note"}
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:12]


def from_plain(document: Mapping[str, Any]) -> Scenario:
    """Scenario from mappings and lists; raises ``TypeError`` for keys that do not exist."""
    stacks = {name: Stack(**(fields or {})) for name, fields in document["stacks"].items()}
    return Scenario(stacks, list(document.get("links", [])), [Probe(**p) for p in document["probes"]], document.get("note", ""))
