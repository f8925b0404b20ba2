"""TPROXY: the packet is given to a local socket as it is, if routing then delivers it here (a policy rule for the mark, and a local route).

Source: Linux ``net/netfilter/xt_TPROXY.c``, ``net/ipv4/netfilter/nf_tproxy_ipv4.c``.
Measured on Linux 6.18: without a transparent listener on the port the packet is dropped; with one, but without the local route, it is dropped before
FORWARD; the listener answers from the address that the client asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.phrases import phrase
from engine.walk.recorder import rule_line
from engine.walk.sockets import known, listeners
from engine.walk.trace import Unknown

if TYPE_CHECKING:
    from engine.model.netfilter.rule import Rule
    from engine.model.netfilter.ruleset import Chain
    from engine.walk.netfilter import Passage


def divert(passage: Passage, rule: Rule, chain: Chain) -> bool:
    """Assign the packet to its listener; ``False`` = there is none, and the packet is dropped."""
    options, packet = rule.target.options, passage.packet
    port = int(options.get("--on-port", "0")) or packet.dport
    if not _listens(passage, packet.protocol, port):
        return False
    if passage.state.entry is not None:
        passage.state.entry.diverted = packet.tuple()
    value, _, mask = options.get("--tproxy-mark", "0/0").partition("/")
    bits = int(mask, 0) if mask else 0xFFFFFFFF
    passage.packet = replace(packet, mark=(packet.mark & ~bits) ^ int(value, 0), listener=port)
    passage.recorder.step("netfilter", phrase("for-listener", table=chain.table.name, chain=chain.name, port=port), "rewrite", rule_line(chain, rule))
    return True


def _listens(passage: Passage, protocol: str, port: int) -> bool:
    stack = passage.stack
    if listeners(stack, protocol, port):
        return True  # ss does not tell whether it is transparent; one that a ruleset sends packets to is taken to be
    if known(stack, protocol):
        return False
    letter = "t" if protocol == "tcp" else "u"
    why = phrase("proxy-unseen", protocol=protocol, port=port, where=stack.node if stack.is_host else stack.name)
    unknown = Unknown(stack.node, stack.name, phrase("listener-on", port=port), f"ss -ln{letter}p", why)
    return passage.choices.ask(("socket", stack.node, stack.name, port), ("listens", "closed"), unknown) == 0
