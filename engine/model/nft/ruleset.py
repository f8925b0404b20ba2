"""The nftables ruleset of one stack: base chains by hook and family, in the order they were registered."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.model.netfilter.rule import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.facts import Fact
    from engine.model.nft import ast

FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
"""Families of tables that see packets of an IP version on the hooks of IP."""

COMPAT_TABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})
"""Names of the tables that iptables-nft keeps."""


class NftRule(NamedTuple):
    """One rule at its place."""

    number: int
    """Position in the chain, from 1."""
    line: int
    """Line in the listing; 0 in JSON."""
    spec: str
    """The rule's text."""
    statements: tuple[ast.Statement, ...]
    target: Target
    """What the rule does at its end, in words of iptables."""
    handle: int | None = None


class NftChain:
    """One chain."""

    def __init__(self, table: NftTable, made: ast.Chain) -> None:
        self.table = table
        self.name = made.name
        self.hook = made.hook
        self.line = made.line
        self._made = made

    @property
    def policy(self) -> str:
        """ACCEPT or DROP of a base chain, "" of others."""
        return self.hook.policy.upper() if self.hook is not None else ""

    @cached_property
    def rules(self) -> tuple[NftRule, ...]:
        """The rules."""
        return tuple(NftRule(number, r.line, r.text, r.statements, _target(r.statements), r.handle) for number, r in enumerate(self._made.rules, 1))

    @property
    def idle(self) -> bool:
        """Whether packets pass as if the chain were not there."""
        return not self._made.rules and self.policy != "DROP"


class NftTable:
    """One table."""

    backend = "nft"

    def __init__(self, fact: Fact, made: ast.Table, position: int, *, terse: bool) -> None:
        self.fact = fact
        self.kind = made.family
        """ip | ip6 | inet | bridge | arp | netdev"""
        self.name = f"{made.family} {made.name}"
        self.position = position
        """Place in the listing: tables are listed in the order they were made."""
        self.chains = {c.name: NftChain(self, c) for c in made.chains}
        from engine.model.nft.ast import PARTIAL

        self.sets = {s.name: replace(s, flags=(*s.flags, PARTIAL)) if terse and not s.elements else s for s in made.sets}
        self.dormant = "dormant" in made.flags
        self.memo: dict[Any, Any] = {}
        """Sets made ready for look-ups."""


def _target(statements: tuple[ast.Statement, ...]) -> Target:
    """The end of a rule in words of iptables, for derived facts."""
    from engine.model.nft import ast

    for made in reversed(statements):
        match made:
            case ast.Verdict(name, target):
                return Target(target or name.upper(), goto=name == "goto")
            case ast.Reject():
                return Target("REJECT")
            case ast.Translate(kind):
                return Target(kind.upper())
            case ast.Divert():
                return Target("TPROXY")
            case ast.Notrack():
                return Target("NOTRACK")
            case ast.VerdictMap():
                return Target("vmap")
            case ast.SetValue(ast.Field(base, "mark")):
                return Target("MARK" if base == "meta" else "CONNMARK")
            case ast.Doubtful(what, effect) if effect != "match":
                return Target(what.removeprefix("xt target "))
    return Target("")


class NftRuleset:
    """All native tables of a stack."""

    def __init__(self, facts: Sequence[Fact], dumped: Sequence[Fact]) -> None:
        """``facts``: ``nft_ruleset``; ``dumped``: ``netfilter_table``, whose tables of backend nft are not evaluated again."""
        self._facts = facts
        self._dumped = dumped

    @cached_property
    def _read(self) -> tuple[tuple[NftTable, ...], tuple[tuple[Fact, int, str], ...]]:
        found: dict[str, NftTable] = {}
        unparsed: list[tuple[Fact, int, str]] = []
        # Text first: JSON leaves out what extensions of iptables were given.
        for fact in sorted(self._facts, key=lambda f: f.fields.get("format") == "json"):
            listing = _parse(fact)
            unparsed += [(fact, line, text) for line, text in listing.unparsed]
            terse = re.search(r"\bnft\b.*\s(?:-\w*t\w*|--terse)\b", fact.source.command) is not None
            for made in listing.tables:
                table = NftTable(fact, made, len(found), terse=terse)
                found.setdefault(table.name, table)
        return tuple(found.values()), tuple(unparsed)

    @property
    def tables(self) -> tuple[NftTable, ...]:
        """All tables in the order of the listing."""
        return self._read[0]

    @property
    def unparsed(self) -> tuple[tuple[Fact, int, str], ...]:
        """Fact, line number and text of what was not understood."""
        return self._read[1]

    @property
    def warnings(self) -> list[str]:
        """One line for each listing of which something was not understood: how much, and the first of it."""
        by_fact: dict[int, list[tuple[Fact, int, str]]] = {}
        for one in self.unparsed:
            by_fact.setdefault(id(one[0]), []).append(one)
        return [
            f"{found[0][0].source.name}:{found[0][1]}: {len(found)} × not understood in the nftables ruleset, first: {found[0][2]!r}"
            for found in by_fact.values()
        ]

    @cached_property
    def evaluated(self) -> tuple[NftTable, ...]:
        """Tables that packets pass and that no dump of iptables shows already."""
        return tuple(t for t in self.tables if not t.dormant and not self._is_dumped(t))

    def _is_dumped(self, table: NftTable) -> bool:
        """Whether a dump of iptables-nft (or of an unknown backend, with the same chains) shows this table."""
        name = table.name.partition(" ")[2]
        if table.kind not in {"ip", "ip6"} or name not in COMPAT_TABLES:
            return False
        family = 4 if table.kind == "ip" else 6
        for fact in self._dumped:
            get = fact.fields.get
            if get("table") != name or get("family", 4) != family:
                continue
            if get("backend", "") == "nft" or (not get("backend") and {c.name for c in get("chains", ())} >= set(table.chains)):
                return True
        return False

    def position(self, table: str, family: int) -> int | None:
        """Place of an iptables-nft table in the listing, ``None`` if it is not listed."""
        name = f"{'ip' if family == 4 else 'ip6'} {table}"
        return next((t.position for t in self.tables if t.name == name), None)

    def on_hook(self, hook: str, family: int) -> list[NftChain]:
        """Base chains of a hook in the order of the listing, which is the order of their registration as far as one can tell."""
        return [
            chain
            for table in self.evaluated
            if table.kind in FAMILIES[family]
            for chain in table.chains.values()
            if chain.hook is not None and chain.hook.hook == hook.lower()
        ]

    def on_device(self, hook: str, device: str) -> list[NftChain]:
        """Chains of ``ingress`` or ``egress`` that hang on a device, or on devices that the listing does not tell, in the order they run."""
        return _ordered(
            chain
            for chain in self._hooked({"netdev", "inet"}, hook)
            if chain.hook is not None and (not chain.hook.device or any(_named(device, name) for name in chain.hook.device.split()))
        )

    def on_family(self, family: str, hook: str) -> list[NftChain]:
        """Chains of family bridge or arp on a hook in the order they run."""
        return _ordered(self._hooked({family}, hook))

    def _hooked(self, families: set[str], hook: str) -> Iterator[NftChain]:
        for table in self.evaluated:
            if table.kind in families:
                yield from (c for c in table.chains.values() if c.hook is not None and c.hook.hook == hook.lower() and not c.idle)


def _named(device: str, name: str) -> bool:
    """Whether a chain's device is meant, which may be the beginning of names (``veth*``)."""
    return device.startswith(name[:-1]) if name.endswith("*") else device == name


def _ordered(chains: Iterable[NftChain]) -> list[NftChain]:
    """By priority; of equals what was registered last runs first."""
    return [c for _, c in sorted(enumerate(chains), key=lambda e: (e[1].hook.priority if e[1].hook is not None else 0, -e[0]))]


def _parse(fact: Fact) -> ast.Listing:
    text = str(fact.fields.get("text", ""))
    if fact.fields.get("format") == "json":
        from engine.model.nft.json_form import parse as parse_json

        return parse_json(text)
    from engine.model.nft.parser import parse

    return parse(text)
