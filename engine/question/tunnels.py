"""What carries the packets between containers of different nodes: whether a node takes its overlay's own packets is part of the question."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.facts import HOST
from engine.inet import in_prefix, is_address, prefix, to_int, to_text
from engine.question.names import NO_CARD
from engine.walk.trace import Flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase
    from engine.question.names import Inventory

SWARM: Final = 4789
FLANNEL: Final = 8472
OVERLAYS: Final = ("overlay", "overlay network", "swarm", "flannel", "vxlan")
"""Words of a question that is about what goes from node to node."""
MOST: Final = 4
"""Nodes that are asked."""
_SWARM_PORTS: Final = re.compile(r"--dports? (?:\d+,)*(?:2377|7946)\b|\bdport \{?[\d, ]*\b(?:2377|7946)\b")
"""Rules for swarm's control and gossip: who lets them in runs a swarm."""
_ALONE: Final = re.compile(r"(?<!! )-s (\d+(?:\.\d+){3})(?:/32)? .*-j ACCEPT")
"""A rule that lets one machine in."""


def underneath(inventory: Inventory) -> tuple[Flow, ...]:
    """For each node with an overlay and a packet filter, what another node sends it through the tunnel."""
    facts = inventory.facts
    made = []
    for node in inventory.nodes[:MOST]:
        port = _port(facts, node) if _filters(facts, node) and not _by_sets(facts, node) else 0
        own = next(_cards(facts, node), None) if port else None
        if own is not None:
            address, neighbor = own
            made.append(Flow("", "", neighbor, address, port, "udp", f"another node ({neighbor})", node, outer=True))
    return tuple(made)


def _filters(facts: FactBase, node: str) -> bool:
    """Whether the node's own INPUT chain was seen."""
    tables = (f for f in facts.at("netfilter_table", node, HOST) if f.get("table") == "filter" and f.get("family", 4) == 4)
    return any(chain.name == "INPUT" for table in tables for chain in table.get("chains", ())) or any(facts.at("nft_ruleset", node, HOST))


def _by_sets(facts: FactBase, node: str) -> bool:
    """Whether the filter knows other nodes by sets of addresses: an address that is made up is in none."""
    rulesets = (str(f.get("text", "")) for f in facts.at("nft_ruleset", node, HOST))
    return any("--match-set" in spec for spec in _specs(facts, node)) or any(" saddr @" in text for text in rulesets)


def _specs(facts: FactBase, node: str) -> Iterator[str]:
    for fact in facts.at("netfilter_table", node, HOST):
        yield from (rule.spec for chain in fact.get("chains", ()) for rule in chain.rules)


def _port(facts: FactBase, node: str) -> int:
    """UDP port of the node's overlay; 0 if nothing shows that it has one."""
    for fact in facts.at("link", node, HOST):
        if fact.get("type") == "vxlan":
            return int(fact.get("vxlan_port") or FLANNEL)
        if not fact.get("type") and str(fact.get("name", "")).startswith("flannel."):
            return FLANNEL
    overlay = any(f.node == node and f.get("driver") == "overlay" for f in facts.of_kind("container_network"))
    return SWARM if overlay or any(_SWARM_PORTS.search(spec) for spec in _specs(facts, node)) else 0


def _cards(facts: FactBase, node: str) -> Iterator[tuple[str, str]]:
    """Addresses of the node's cards, each with another node's: one of the evidence, else one that the filter names, else a neighbour's."""
    others = [str(f.get("address")) for f in facts.of_kind("address") if f.node != node and f.stack == HOST]
    named = [*others, *(m[1] for spec in _specs(facts, node) if (m := _ALONE.search(spec)) and is_address(m[1]))]
    for fact in facts.at("address", node, HOST):
        if fact.get("family", 4) != 4 or fact.get("scope", "global") != "global" or str(fact.get("device", "")).startswith(NO_CARD):
            continue
        value, net = to_int(str(fact.get("address"))), prefix(f"{fact.get('address')}/{fact.get('prefixlen', 32)}")
        if net.length < 31:
            known = (a for a in named if a != fact.get("address") and in_prefix(a, str(net)))
            yield str(fact.get("address")), next(known, to_text(value + 1 if value + 1 < net.last else value - 1))
