"""TPROXY: the packet is given to a local socket as it is, if routing then delivers it here (a policy rule for the mark, and a local route).

Source: Linux ``net/netfilter/xt_TPROXY.c``, ``net/netfilter/nft_tproxy.c``, ``net/ipv4/netfilter/nf_tproxy_ipv4.c``.
Measured on Linux 6.18: without a transparent listener on the port the packet is dropped; with one, but without the local route, it is dropped before
FORWARD; the listener answers from the address that the client asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine.inet import to_int
from engine.phrases import phrase
from engine.walk.recorder import rule_line
from engine.walk.sockets import known, listeners, takes
from engine.walk.trace import Unknown

if TYPE_CHECKING:
    from engine.model.netfilter.rule import Rule
    from engine.model.netfilter.ruleset import Chain
    from engine.model.nft.ruleset import NftChain, NftRule
    from engine.model.packet import Packet
    from engine.walk.netfilter import Passage


def divert(passage: Passage, rule: Rule, chain: Chain, device: str) -> bool:
    """What iptables' target does: assign the packet to its listener; ``False`` = there is none, and the packet is dropped."""
    options, packet = rule.target.options, passage.packet
    value, _, mask = options.get("--tproxy-mark", "0/0").partition("/")
    bits = int(mask, 0) if mask else 0xFFFFFFFF
    marked = (packet.mark & ~bits) ^ int(value, 0)
    own = Listener(to_int(options.get("--on-ip", "0.0.0.0")), int(options.get("--on-port", "0"), 0))  # noqa: S104 - no address, as the kernel reads it
    if not assign(passage, own, device, chain, rule):
        return False
    passage.packet = replace(passage.packet, mark=marked)
    return True


class Listener(NamedTuple):
    """Where a rule looks for the socket."""

    address: int
    """0 = the first address of the device that the packet came by"""
    port: int
    """0 = the port that was asked for"""


def assign(passage: Passage, wanted: Listener, device: str, chain: Chain | NftChain, rule: Rule | NftRule) -> bool:
    """Give the packet to the listener; ``False`` = there is none, or the packet is of a connection that this stack's own client opened."""
    packet, stack, recorder = passage.packet, passage.stack, passage.recorder
    if recorder.client is stack:
        return False
    port = wanted.port or packet.dport
    own = stack.addresses_of(device, packet.family)
    # nf_tproxy_laddr4
    address = wanted.address or (own[0].value if own else packet.dst)
    if not _listens(passage, replace(packet, dst=address, dport=port), device):
        return False
    if passage.state.entry is not None:
        passage.state.entry.diverted = packet.tuple()
    passage.packet = replace(packet, listener=port)
    recorder.step("netfilter", phrase("for-listener", table=chain.table.name, chain=chain.name, port=port), "rewrite", rule_line(chain, rule))
    return True


def _listens(passage: Passage, sought: Packet, device: str) -> bool:
    stack, protocol, port = passage.stack, sought.protocol, sought.dport
    if any(takes(socket, sought, device) for socket in listeners(stack, protocol, port)):
        return True  # ss does not tell whether it is transparent; one that a ruleset sends packets to is taken to be
    if known(stack, protocol):
        return False
    letter = "t" if protocol == "tcp" else "u"
    why = phrase("proxy-unseen", protocol=protocol, port=port, where=stack.node if stack.is_host else stack.name)
    unknown = Unknown(stack.node, stack.name, phrase("listener-on", port=port), f"ss -ln{letter}p", why)
    return passage.choices.ask(("socket", stack.node, stack.name, port), ("listens", "closed"), unknown) == 0
