"""Facts by number: candidates of a pattern, found through indexes and never by scanning what an index can answer."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from engine.inference.guards import all_hold
from engine.inference.match import join_key, predicate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from engine.facts import Fact, FactBase
    from engine.rulebase.model import Condition, Pattern

SCAN = 64
"""Kinds with fewer facts are scanned: an index would cost more than it saves."""


class Store:
    """The facts of one inference, numbered in the order in which they were met."""

    def __init__(self, base: FactBase) -> None:
        self._base = base
        self.facts: list[Fact] = []
        self._numbers: dict[str, list[int]] = {}
        self._indexes: dict[tuple[str, str], dict[str, list[int]]] = {}
        self._absence: dict[int, tuple[Pattern, dict[tuple[str, ...], list[int]]]] = {}
        self._predicates: dict[int, tuple[Pattern, Callable[[Fact], bool]]] = {}

    def numbers(self, kind: str) -> list[int]:
        """Numbers of all facts of a kind; the base is asked for a kind only when a rule needs it."""
        found = self._numbers.get(kind)
        if found is None:
            start = len(self.facts)
            self.facts.extend(self._base.of_kind(kind))
            found = self._numbers[kind] = list(range(start, len(self.facts)))
        return found

    def add(self, fact: Fact) -> int:
        """Add a derived fact."""
        numbers = self.numbers(fact.kind)
        number = len(self.facts)
        self.facts.append(fact)
        numbers.append(number)
        for kind, name in [key for key in self._indexes if key[0] == fact.kind]:
            key = join_key(fact.get(name))
            if key is not None:
                self._indexes[kind, name][key].append(number)
        return number

    def holds(self, pattern: Pattern, number: int) -> bool:
        """Whether a fact satisfies a pattern's ``where``."""
        return self._predicate(pattern)(self.facts[number])

    def _predicate(self, pattern: Pattern) -> Callable[[Fact], bool]:
        # Keyed by identity (patterns hold unhashable literals); the pattern is kept, so that its id stays taken.
        found = self._predicates.get(id(pattern))
        if found is None:
            found = self._predicates[id(pattern)] = (pattern, predicate(pattern.where))
        return found[1]

    def select(self, pattern: Pattern, allowed: Mapping[str, Collection[str]]) -> list[int]:
        """Facts that satisfy a pattern and whose field values (as join keys) are among the allowed ones."""
        candidates = self._candidates(pattern, allowed)
        if not candidates:
            return []  # of most patterns nobody holds a fact: their conditions need not be prepared
        holds, facts = self._predicate(pattern), self.facts
        restrict = list(allowed.items())
        found = []
        for number in candidates:
            fact = facts[number]
            if all(join_key(fact.get(name)) in keys for name, keys in restrict) and holds(fact):
                found.append(number)
        return found

    def _candidates(self, pattern: Pattern, allowed: Mapping[str, Collection[str]]) -> Sequence[int]:
        numbers = self.numbers(pattern.kind)
        if len(numbers) <= SCAN:
            return numbers
        best: Sequence[int] = numbers
        for name, keys in [*_equalities(pattern.where), *allowed.items()]:
            if len(keys) >= len(best):
                continue
            index = self._index(pattern.kind, name)
            if sum(len(index.get(key, ())) for key in keys) < len(best):
                best = sorted(number for key in keys for number in index.get(key, ()))
            if len(best) <= SCAN:
                break
        return best

    def _index(self, kind: str, name: str) -> dict[str, list[int]]:
        found = self._indexes.get((kind, name))
        if found is None:
            found = self._indexes[kind, name] = defaultdict(list)
            for number in self.numbers(kind):
                key = join_key(self.facts[number].get(name))
                if key is not None:
                    found[key].append(number)
        return found

    def absent(self, pattern: Pattern, bound: Mapping[str, Fact]) -> bool:
        """Whether no fact matches a pattern of ``none``, given the bound facts."""
        keys = []
        for join in pattern.joins:
            fact = bound.get(join.ref.alias)
            key = None if fact is None else join_key(fact.get(join.ref.field))
            if key is None:
                return True  # what is not known equals nothing
            keys.append(key)
        matching = self._absence_index(pattern).get(tuple(keys), [])
        if not pattern.guards:
            return not matching
        return not any(all_hold(pattern.guards, {**bound, pattern.alias: self.facts[number]}) for number in matching)

    def _absence_index(self, pattern: Pattern) -> dict[tuple[str, ...], list[int]]:
        found = self._absence.get(id(pattern))
        if found is None:
            index: dict[tuple[str, ...], list[int]] = defaultdict(list)
            for number in self.select(pattern, {}):
                keys = self.keys(number, [join.field for join in pattern.joins])
                if keys is not None:
                    index[tuple(keys.values())].append(number)
            found = self._absence[id(pattern)] = (pattern, index)
        return found[1]

    def keys(self, number: int, names: Iterable[str]) -> dict[str, str] | None:
        """Join keys of some fields of a fact; ``None`` if one is missing (such a fact joins to nothing)."""
        fact = self.facts[number]
        keys: dict[str, str] = {}
        for name in names:
            key = join_key(fact.get(name))
            if key is None:
                return None
            keys[name] = key
        return keys


def _equalities(conditions: Iterable[Condition]) -> Iterable[tuple[str, set[str]]]:
    """Fields that the conditions pin to a few values."""
    for condition in conditions:
        values: Any = (condition.operand,) if condition.op == "eq" else condition.operand if condition.op == "in" else ()
        if values:
            yield condition.field, {key for value in values if (key := join_key(value)) is not None}
