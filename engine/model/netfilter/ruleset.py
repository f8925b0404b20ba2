"""Tables and chains of one stack; a rule is parsed when a packet first comes by that may match it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.facts import Lazy, LazyChains
from engine.model.netfilter.rule import Rule, parse_rule

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from engine.facts import ChainText, Fact
    from engine.model.netfilter.index import Index
    from engine.model.packet import HookContext, Packet

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
INDEX_FROM = 32
"""Rules of a chain from which on an index pays."""


class Chain:
    """One chain."""

    __slots__ = ("_index", "rules", "table", "text")

    def __init__(self, table: Table, text: ChainText) -> None:
        self.table = table
        self.text = text
        self.rules = Lazy(len(text.rules), self._parse)
        self._index: Index | None = None

    def _parse(self, place: int) -> Rule:
        return parse_rule(self.text.rules[place], place + 1, self.table.family, devices_known=self.table.devices_known)

    @property
    def name(self) -> str:
        """Name of the chain."""
        return self.text.name

    @property
    def policy(self) -> str:
        """ACCEPT or DROP of a base chain, "" of a user chain."""
        return self.text.policy

    def candidates(self, packet: Packet, context: HookContext, in_set: Callable[[str, tuple[str, ...]], bool | None]) -> Iterator[Rule]:
        """The rules in order, without those of which the index knows that they do not match; ``in_set`` tells membership of the packet in a set."""
        if len(self.rules) < INDEX_FROM:
            return iter(self.rules)
        if self._index is None:
            from engine.model.netfilter.index import Index  # its expressions take longer to compile than a small ruleset to walk

            self._index = Index(self.text.heads())
        return map(self.rules.__getitem__, self._index.candidates(packet, context, in_set))


class Chains(Mapping[str, Chain]):
    """Chains of a table by name, each made on first use."""

    __slots__ = ("_made", "_table", "_texts")

    def __init__(self, table: Table, texts: Sequence[ChainText]) -> None:
        self._table = table
        # A later chain of a name takes the earlier one's place.
        self._texts = texts if isinstance(texts, LazyChains) else {text.name: text for text in texts}
        self._made: dict[str, Chain] = {}

    def _names(self) -> Collection[str]:
        return self._texts.names if isinstance(self._texts, LazyChains) else self._texts

    def __getitem__(self, name: str) -> Chain:
        made = self._made.get(name)
        if made is None:
            text = self._texts.named(name) if isinstance(self._texts, LazyChains) else self._texts[name]
            made = self._made[name] = Chain(self._table, text)
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._texts)


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
        self.chains = Chains(self, fact.fields["chains"])


class Ruleset:
    """All tables of one stack, and which of them are known."""

    def __init__(self, tables: Iterable[Fact], collected: Sequence[Fact], ready: Iterable[Table] = ()) -> None:
        """``ready``: tables that were made already, of these facts or of others."""
        made = {id(table.fact): table for table in ready}
        self.tables = [made.get(id(fact)) or Table(fact) for fact in tables]
        self._collected = collected

    def known(self, table: str, family: int, hook: str = "") -> bool:
        """Whether a table (or at least its chain on ``hook``) was seen in some backend; a table that a full listing lacks is empty."""
        if any(t.name == table and t.family == family and (not t.partial or hook in t.chains) for t in self.tables):
            return True
        return any(f.fields.get("scope") in {"all", table, "nft-native"} and f.fields.get("family", family) == family for f in self._collected)

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
