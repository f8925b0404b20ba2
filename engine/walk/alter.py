"""Targets of iptables that change the packet and go on: TCPMSS, TTL, HL, DSCP, TOS.

Source: Linux ``net/netfilter/xt_TCPMSS.c``, ``xt_HL.c``, ``xt_DSCP.c``.
Measured on Linux 6.18: clamping takes the smaller MTU of the way out and of the way back to the sender, less 40 octets (60 in IPv6), and never
raises the MSS that
a SYN bears.  A clamp on one direction (``-o wan``) leaves the segments of the side that sent the other SYN as they were.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.model.fib import Key
from engine.walk.mtu import HEADERS, route_mtu
from engine.walk.recorder import rule_line
from engine.walk.routing import find_way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.model.netfilter.rule import Rule
    from engine.model.netfilter.ruleset import Chain
    from engine.model.packet import Packet
    from engine.walk.netfilter import Passage

HEADER = frozenset({"TTL", "HL", "DSCP", "TOS"})
"""Targets that set a field of the IP header."""

ALTERING = HEADER | {"TCPMSS"}


def alters(packet: Packet, target: str) -> bool:
    """Whether a target may change this packet in a way that the walk follows (segment sizes matter only where they are walked)."""
    return (target == "TCPMSS" and packet.mss > 0) or target in HEADER


def alter(passage: Passage, rule: Rule, chain: Chain) -> None:
    """What a rule that fits does to the packet."""
    before = passage.packet
    name, options = rule.target.name, rule.target.options
    if name == "TCPMSS":
        wanted = clamped(passage) if "--clamp-mss-to-pmtu" in options else int(options.get("--set-mss", "0"), 0)
        set_mss(passage, wanted)
    elif name in {"DSCP", "TOS"}:
        passage.packet = replace(before, tos=_tos(before.tos, options))
    else:
        passage.packet = replace(before, ttl=_ttl(before.ttl, name.lower(), options))
    now = passage.packet
    if now != before:
        what = f"MSS {now.mss}" if name == "TCPMSS" else f"TOS {now.tos:#04x}" if now.tos != before.tos else f"TTL {now.ttl}"
        passage.recorder.step("netfilter", f"{chain.table.name} {chain.name}: {what}", "rewrite", rule_line(chain, rule))


def set_mss(passage: Passage, wanted: int) -> None:
    """Lower the MSS of a SYN; it is never raised."""
    packet = passage.packet
    if 0 < wanted < packet.mss and "SYN" in packet.tcp_flags:
        passage.packet = replace(packet, mss=wanted)


def clamped(passage: Passage) -> int:
    """MSS that fits the way out and the way back to the sender (``tcpmss_mangle_packet``); 0 where neither is known."""
    packet, way = passage.packet, passage.way
    if way is None:
        return 0
    back = find_way(passage.stack, Key(packet.family, packet.src), passage.choices)
    sizes = [route_mtu(passage.stack, each, packet.family) for each in (way, back) if each.type in {"unicast", "local"}]
    return min(sizes) - HEADERS[packet.family]


def _tos(value: int, options: Mapping[str, str]) -> int:
    """DSCP leaves the two bits of ECN alone; TOS: (tos & ~mask) ^ value."""
    if "--set-dscp" in options:
        return value & 0x3 | int(options["--set-dscp"], 0) << 2 & 0xFC
    wanted, _, mask = options.get("--set-tos", "0/0").partition("/")
    return (value & ~(int(mask, 0) if mask else 0xFF) ^ int(wanted, 0)) & 0xFF


def _ttl(value: int, prefix: str, options: Mapping[str, str]) -> int:
    if f"--{prefix}-set" in options:
        return int(options[f"--{prefix}-set"], 0) & 0xFF
    change = int(options.get(f"--{prefix}-inc", "0"), 0) - int(options.get(f"--{prefix}-dec", "0"), 0)
    return max(0, min(255, value + change))
