"""Tables and chains of one stack; a chain's rules are parsed when it is first entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model.netfilter.rule import Rule, parse_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.facts import ChainText, Fact

HOOK_TABLES = {
    "PREROUTING": ("raw", "mangle", "nat"),
    "INPUT": ("mangle", "filter", "security", "nat"),
    "FORWARD": ("mangle", "filter", "security"),
    "OUTPUT": ("raw", "mangle", "nat", "filter", "security"),
    "POSTROUTING": ("mangle", "nat"),
}
"""Tables of iptables on each netfilter hook, in order of priority (``include/uapi/linux/netfilter_ipv4.h``)."""

TABLES = ("raw", "mangle", "nat", "filter", "security")
BACKENDS = ("legacy", "nft")


class Chain:
    """One chain."""

    __slots__ = ("_rules", "table", "text")

    def __init__(self, table: Table, text: ChainText) -> None:
        self.table = table
        self.text = text
        self._rules: tuple[Rule, ...] | None = None

    @property
    def name(self) -> str:
        """Name of the chain."""
        return self.text.name

    @property
    def policy(self) -> str:
        """ACCEPT or DROP of a base chain, "" of a user chain."""
        return self.text.policy

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, parsed on first use."""
        if self._rules is None:
            known = self.table.devices_known
            self._rules = tuple(parse_rule(line, number, self.table.family, devices_known=known) for number, line in enumerate(self.text.rules, 1))
        return self._rules


class Table:
    """One table of one backend and family."""

    __slots__ = ("backend", "chains", "devices_known", "fact", "family", "name", "partial")

    def __init__(self, fact: Fact) -> None:
        self.fact = fact
        self.backend: str = fact.fields.get("backend", "")
        self.family: int = fact.fields.get("family", 4)
        self.name: str = fact.fields["table"]
        self.devices_known = fact.fields.get("columns") != "no-interfaces"
        self.partial = bool(fact.fields.get("partial", False))
        self.chains = {text.name: Chain(self, text) for text in fact.fields["chains"]}


class Ruleset:
    """All tables of one stack, and which of them are known."""

    def __init__(self, tables: Iterable[Fact], collected: Sequence[Fact]) -> None:
        self.tables = [Table(fact) for fact in tables]
        self._collected = collected

    def known(self, table: str, family: int, hook: str = "") -> bool:
        """Whether a table (or at least its chain on ``hook``) was seen in some backend; a table that iptables-save does not list is empty."""
        if any(t.name == table and t.family == family and (not t.partial or hook in t.chains) for t in self.tables):
            return True
        return any(f.fields.get("scope") in {"all", table} and f.fields.get("family", family) == family for f in self._collected)

    def on_hook(self, hook: str, family: int, only: Sequence[str] | None = None) -> list[Chain]:
        """Base chains of a hook in the order they are run.

        Tables of equal priority of both backends run in the order of registration, which no dump tells: legacy first here.
        """
        found: list[Chain] = []
        for name in HOOK_TABLES[hook]:
            if only is not None and name not in only:
                continue
            for backend in ("legacy", "", "nft"):
                fits = (t for t in self.tables if t.name == name and t.family == family and t.backend == backend)
                found.extend(t.chains[hook] for t in fits if hook in t.chains)
        return found

    def find(self, table: str, chain: str, family: int = 4) -> Chain | None:
        """A chain by name, in whichever backend has it."""
        for candidate in self.tables:
            if candidate.name == table and candidate.family == family and chain in candidate.chains:
                return candidate.chains[chain]
        return None

    def forwarded_before(self) -> bool:
        """Whether packet counters prove that this stack has forwarded packets (policy or rule counters of a FORWARD chain)."""
        for table in self.tables:
            chain = table.chains.get("FORWARD")
            if chain and ((chain.text.packets or 0) > 0 or any((r.packets or 0) > 0 for r in chain.text.rules)):
                return True
        return False
