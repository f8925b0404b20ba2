"""Facts: what was observed, where, and on which line.

A collector or parser emits facts; nothing downstream opens a file.  Absent evidence stays absent: a field that
was not seen is missing from ``fields`` (never ``None``-as-empty), and a ``collected`` fact tells that a listing was seen as a
whole, so that "not listed" means "does not exist".  The kinds and their fields are declared in :mod:`engine.schema`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping

T = TypeVar("T")

HOST = "host"
"""Name of a node's own (initial) network stack; other stacks bear the name of their network namespace."""


BLOCK = 1 << 15
"""Characters between the places of a text whose line numbers are known."""


class Source:
    """One command output or file that was read: the origin of facts.

    ``name`` is what a report prints: the file's path inside the bundle, or the command line on a live node.
    """

    __slots__ = ("_before", "command", "name", "text")

    def __init__(self, name: str, text: str = "", command: str = "") -> None:
        self.name = name
        self.text = text
        self.command = command
        """The command line that makes this output ("" for a copied file)."""
        self._before: list[int] = []
        """Newlines before each block of :data:`BLOCK` characters: few lines of a text of 100,000 are ever shown, so it is not split."""

    def line(self, number: int) -> str:
        """Text of the 1-based line ``number``; "" for 0 (the whole source) or past the end."""
        if number < 1:
            return ""
        before = self._counted()
        if number - 1 > before[-1]:
            return ""
        # Not str.splitlines: parsers count "\n" only, and the numbers must agree.
        block = max(bisect_left(before, number - 1) - 1, 0)
        begin = block * BLOCK
        for _ in range(number - 1 - before[block]):
            begin = self.text.index("\n", begin) + 1
        end = self.text.find("\n", begin)
        return self.text[begin : end if end >= 0 else len(self.text)].rstrip("\r")

    def line_at(self, offset: int) -> int:
        """1-based number of the line that holds the character at an offset."""
        block = offset // BLOCK
        return self._counted()[block] + self.text.count("\n", block * BLOCK, offset) + 1

    def _counted(self) -> list[int]:
        if not self._before:
            starts = range(0, len(self.text), BLOCK)
            self._before = list(accumulate((self.text.count("\n", start, start + BLOCK) for start in starts), initial=0))
        return self._before

    def __repr__(self) -> str:
        return f"Source({self.name!r})"


NOWHERE = Source("")
"""Source of facts that no file or command holds (derived facts, inline rule tests)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One observation."""

    kind: str
    """One of the kinds of :mod:`engine.schema`."""
    fields: Mapping[str, Any]
    """Field values; a field that was not observed is absent."""
    node: str = ""
    """Machine that was observed."""
    stack: str = HOST
    """Network namespace on that machine (:data:`HOST` or the namespace's name)."""
    source: Source = NOWHERE
    line: int = 0
    """1-based line in the source; 0 means the source as a whole."""
    shown: str = ""
    """Evidence text where the source's line is no good to a reader (JSON, netlink); "" = the line itself."""

    def get(self, name: str, default: Any = None) -> Any:
        """Value of a field; ``node`` and ``stack`` count as fields; ``default`` if it was not observed."""
        if name == "node":
            return self.node
        if name == "stack":
            return self.stack
        return self.fields.get(name, default)

    @property
    def text(self) -> str:
        """Evidence text: one line a person recognises."""
        return self.shown or self.source.line(self.line).strip()

    def at(self, node: str, stack: str) -> Fact:
        """The same observation placed on another machine and stack."""
        return replace(self, node=node, stack=stack)

    def having(self, **changes: Any) -> Fact:
        """The same fact with some fields changed (a value of ``None`` removes the field)."""
        merged = {k: v for k, v in {**self.fields, **changes}.items() if v is not None}
        return replace(self, fields=merged)


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One netfilter rule as text; it is parsed only if a walk or a rule needs it."""

    line: int
    """1-based line in the source."""
    spec: str
    """What follows the chain name in ``iptables-save``: ``-s 10.0.0.0/8 ! -o docker0 -j MASQUERADE``."""
    packets: int | None = None
    """Packet counter, where it was printed."""


@dataclass(frozen=True, slots=True)
class ChainText:
    """One chain of a ``netfilter_table`` fact (its ``chains`` field is a tuple of these)."""

    name: str
    policy: str = ""
    """``ACCEPT`` or ``DROP`` for a base chain, "" for a user chain."""
    line: int = 0
    rules: Sequence[RuleLine] = ()
    packets: int | None = None
    """Packets that met the policy, where counters were printed."""

    def heads(self) -> Sequence[str]:
        """How the words of each rule begin, at least up to its target; lazy rules are not made for that."""
        return self.rules.heads() if isinstance(self.rules, LazyRules) else [rule.spec for rule in self.rules]


class Lazy(Sequence[T]):
    """Things that are made one by one when first asked for, then kept."""

    __slots__ = ("_count", "_made", "_make")

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        """``make`` gives the thing at a place."""
        self._count = count
        self._make = make
        self._made: dict[int, T] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        place = range(self._count)[index]
        made = self._made.get(place)
        if made is None:
            made = self._made[place] = self._make(place)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(other) == len(self) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<{self._count} {type(self).__name__.removeprefix('Lazy').lower()}>"


class LazyRules(Lazy[RuleLine]):
    """Rules of a chain, made from text."""

    __slots__ = ("_heads",)

    def __init__(self, count: int, make: Callable[[int], RuleLine], heads: Callable[[], Sequence[str]] | None = None) -> None:
        """``heads`` gives how the words of all rules begin, where that is quicker."""
        super().__init__(count, make)
        self._heads = heads

    def heads(self) -> Sequence[str]:
        """How the words of each rule begin, at least up to its target."""
        return [rule.spec for rule in self] if self._heads is None else self._heads()


class LazyChains(Lazy[ChainText]):
    """Chains of a table: a walk enters ten of thirty thousand."""

    __slots__ = ("_holds", "_places")

    def __init__(self, names: Iterable[str], make: Callable[[int], ChainText], holds: Callable[[str], bool] | None = None) -> None:
        """``names`` in order, each once; ``holds`` searches the text of all rules, where that is one."""
        self._places = {name: place for place, name in enumerate(names)}
        self._holds = holds
        super().__init__(len(self._places), make)

    @property
    def names(self) -> KeysView[str]:
        """Names in order."""
        return self._places.keys()

    def named(self, name: str) -> ChainText:
        """The chain of a name; raises ``KeyError``."""
        return self[self._places[name]]

    def may_hold(self, words: str) -> bool:
        """Whether some rule may hold the words; false only if none does.  No rule is made for that."""
        return self._holds is None or self._holds(words)


Expander = "Callable[[FactBase], Iterable[Fact]]"


@dataclass(slots=True)
class FactBase:
    """Facts indexed by kind; never changed in place."""

    facts: Sequence[Fact]
    expanders: Mapping[str, Callable[[FactBase], Iterable[Fact]]] = field(default_factory=dict)
    """Kinds that are computed from others when somebody asks (netfilter rules of a 100,000-line table)."""
    _by_kind: dict[str, list[Fact]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.facts = tuple(self.facts)
        index: dict[str, list[Fact]] = defaultdict(list)
        for fact in self.facts:
            index[fact.kind].append(fact)
        self._by_kind = dict(index)

    def of_kind(self, kind: str) -> Sequence[Fact]:
        """All facts of a kind, in the order they were read."""
        if kind not in self._by_kind and kind in self.expanders:
            self._by_kind[kind] = list(self.expanders[kind](self))
        return self._by_kind.get(kind, ())

    def at(self, kind: str, node: str, stack: str) -> Iterator[Fact]:
        """Facts of a kind on one stack."""
        return (f for f in self.of_kind(kind) if f.node == node and f.stack == stack)

    def kinds(self) -> set[str]:
        """Kinds that hold at least one fact (expanders included)."""
        return set(self._by_kind) | set(self.expanders)

    def plus(self, facts: Iterable[Fact]) -> FactBase:
        """A new base with more facts."""
        return FactBase((*self.facts, *facts), self.expanders)

    def swap(self, change: Mapping[int, Fact | None], added: Iterable[Fact] = ()) -> FactBase:
        """A new base in which facts (by ``id()``) are replaced, or removed where the new value is ``None``."""
        kept = (change.get(id(f), f) for f in self.facts)
        return FactBase((*(f for f in kept if f is not None), *added), self.expanders)
