"""What runs on a netfilter hook, in which order: tables of iptables and native nftables chains, conntrack, NAT.

Source: Linux ``net/netfilter/core.c`` (nf_hook_entries_grow), ``nf_nat_core.c`` (nf_nat_register_fn), priorities of
``include/uapi/linux/netfilter_ipv4.h``.
Measured on Linux 6.18: of equal priority what was registered last runs first; all nat chains run where the first of them put the dispatcher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.model.netfilter.ruleset import HOOK_TABLES
from engine.phrases import phrase
from engine.walk.trace import Unknown

if TYPE_CHECKING:
    from engine.model.netfilter.ruleset import Chain
    from engine.model.nft.ruleset import NftChain
    from engine.model.stack import NetStack
    from engine.walk.choices import Choices

PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
"""Priorities of the tables of iptables; nat has one for each direction."""

CONNTRACK = -200
NAT_DESTINATION = -100
NAT_SOURCE = 100
DESTINATION_HOOKS = frozenset({"PREROUTING", "OUTPUT"})
"""Hooks on which destinations are translated; the others translate sources."""

_LEGACY_FIRST, _COMPAT_NEXT, _LEGACY_LAST = -2_000_000, -1_000_000, 1_000_000
_PER_TABLE = 10_000
"""Base chains of one table, at most, that keep their order."""


class Call(NamedTuple):
    """One function on a hook."""

    priority: int
    order: int
    """Among equal priorities the lowest runs first."""
    kind: str
    """``track`` | ``nat`` (the dispatcher) | ``ipvs`` | ``chain``"""
    chain: Chain | NftChain | None = None
    reroutes: bool = False
    """On OUTPUT: the packet is routed again if the chain changed what routing looks at."""


def late(stack: NetStack, hook: str, family: int, choices: Choices) -> frozenset[str]:
    """Legacy tables that run after what nftables has at the same priority: their order of registration is in no dump, so it is a choice."""
    return frozenset(table for table in _contested(stack, hook, family) if _runs_late(stack, hook, table, choices))


def _runs_late(stack: NetStack, hook: str, table: str, choices: Choices) -> bool:
    why = phrase("equal-priority", hook=hook)
    unknown = Unknown(stack.node, stack.name, phrase("order-of-chains", hook=hook), "nft list hooks", why)
    return choices.ask(("order", stack.node, stack.name, table), (phrase("legacy-first"), phrase("nftables-first")), unknown) == 1


def _contested(stack: NetStack, hook: str, family: int) -> list[str]:
    """Legacy tables on a hook with an equal among the chains of nftables."""
    legacy = [c for c in stack.netfilter.on_hook(hook, family) if c.table.backend != "nft" and not idle(c)]
    if not legacy:
        return []
    dumped = [c.table.name for c in stack.netfilter.on_hook(hook, family) if c.table.backend == "nft" and not idle(c)]
    others = {("nat", _priority("nat", hook)) if name == "nat" else ("", _priority(name, hook)) for name in dumped}
    others |= {
        ("nat" if c.hook.type == "nat" else "", c.hook.priority) for c, _ in _registered(stack, hook, family) if c.hook is not None and not c.idle
    }
    return [c.table.name for c in legacy if ("nat" if c.table.name == "nat" else "", _priority(c.table.name, hook)) in others]


def _priority(table: str, hook: str) -> int:
    return PRIORITIES.get(table, NAT_DESTINATION if hook in DESTINATION_HOOKS else NAT_SOURCE)


def calls(stack: NetStack, hook: str, family: int, last: frozenset[str] = frozenset()) -> list[Call]:
    """All functions of a hook in order; ``last``: legacy tables that run last among equals."""
    found = [*_iptables(stack, hook, family, last), *_native(stack, hook, family)]
    virtual = stack.ipvs.priority(hook)
    if virtual is not None:
        found.append(Call(virtual, 0, "ipvs"))
    if hook in DESTINATION_HOOKS:
        found.append(Call(CONNTRACK, _LEGACY_FIRST - 1, "track"))
    if "nat" in HOOK_TABLES[hook]:
        chains = nat_chains(stack, hook, family, last)
        # The dispatcher was registered with the first nat chain, which runs last among equals.
        order = max((c.order for c in chains), default=0)
        found.append(Call(NAT_DESTINATION if hook in DESTINATION_HOOKS else NAT_SOURCE, order, "nat", reroutes=True))
    return sorted(found, key=lambda c: (c.priority, c.order))


def nat_chains(stack: NetStack, hook: str, family: int, last: frozenset[str] = frozenset()) -> list[Call]:
    """Base chains of type nat in the order in which the dispatcher asks them."""
    priority = NAT_DESTINATION if hook in DESTINATION_HOOKS else NAT_SOURCE
    found = [Call(priority, _order(stack, c, family, last), "chain", c) for c in stack.netfilter.on_hook(hook, family, ("nat",)) if not idle(c)]
    for chain, order in _registered(stack, hook, family):
        if chain.hook is not None and chain.hook.type == "nat" and not chain.idle:
            found.append(Call(chain.hook.priority, order, "chain", chain))
    return sorted(found, key=lambda c: (c.priority, c.order))


def conntrack_wanted(stack: NetStack) -> bool:
    """Whether some rule needs conntrack; without one, the kernel tracks nothing in the namespace and asks no nat chain (``nf_ct_netns_get``)."""
    words = ("conntrack", "state ", "--ct", "connmark", "CONNMARK", "MASQUERADE", "NAT", "REDIRECT", "NETMAP", "CT ", "connlimit", "connbytes")
    texts = (rule.spec for table in stack.netfilter.tables for chain in table.fact.fields["chains"] for rule in chain.rules)
    if any(word in text for text in texts for word in words):
        return True
    native = ("ct ", "dnat", "snat", "masquerade", "redirect", "synproxy", "flow ", "xt ")
    rules = (rule for table in stack.nftables.evaluated for chain in table.chains.values() for rule in chain.rules)
    return any(word in rule.spec for rule in rules for word in native)


def idle(chain: Chain) -> bool:
    """Whether packets pass as if the chain were not there."""
    return not chain.rules and chain.policy in {"ACCEPT", ""}


def _order(stack: NetStack, chain: Chain, family: int, last: frozenset[str]) -> int:
    """Place of a table of iptables among equals: legacy first or last, iptables-nft where nft lists it."""
    if chain.table.backend != "nft":
        return _LEGACY_LAST if chain.table.name in last else _LEGACY_FIRST
    position = stack.nftables.position(chain.table.name, family)
    return _COMPAT_NEXT if position is None else -position * _PER_TABLE


def _iptables(stack: NetStack, hook: str, family: int, last: frozenset[str]) -> list[Call]:
    return [
        Call(priority, _order(stack, chain, family, last), "chain", chain, table == "mangle")
        for table, priority in PRIORITIES.items()
        if table in HOOK_TABLES[hook]
        for chain in stack.netfilter.on_hook(hook, family, (table,))
        if not idle(chain)
    ]


def _registered(stack: NetStack, hook: str, family: int) -> list[tuple[NftChain, int]]:
    """Native base chains with their order: the listing is in the order of registration, which is run backwards."""
    return [(c, -c.table.position * _PER_TABLE - number) for number, c in enumerate(stack.nftables.on_hook(hook, family))]


def _native(stack: NetStack, hook: str, family: int) -> list[Call]:
    return [
        Call(chain.hook.priority, order, "chain", chain, chain.hook.type == "route")
        for chain, order in _registered(stack, hook, family)
        if chain.hook is not None and chain.hook.type != "nat" and not chain.idle
    ]


def calls_netfilter(stack: NetStack, choices: Choices, bridge: str, family: int) -> bool:
    """bridge-nf-call-iptables of the namespace, or the bridge's own switch."""
    link = stack.link(bridge)
    if link.nf_call_iptables if family == 4 else link.nf_call_ip6tables:
        return True
    key = "net.bridge.bridge-nf-call-iptables" if family == 4 else "net.bridge.bridge-nf-call-ip6tables"
    value = stack.sysctl(key)
    if value is not None:
        return bool(value)
    # Without br_netfilter there is no such key.
    if stack.sysctls_complete or stack.collected("sysctls", key) or not (stack.netfilter.tables or stack.nftables.tables):
        return False
    unknown = Unknown(stack.node, stack.name, key, f"sysctl {key}", phrase("bridge-nf-unseen", bridge=bridge))
    return choices.ask(("bridge-nf", stack.node, stack.name, family), ("on", "off"), unknown) == 0
