"""The reference matcher: hash joins in plain Python.

It is the oracle of the property tests and takes over where durable-rules cannot be imported.  Joins are semi-naive: only rows that use
a new token are computed, so that recursive rules cost what they derive.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

from engine.inference.tokens import MatchLimitError, Program, Row, Slot, Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class _Column:
    """Tokens of one slot, indexed by the fields that it joins on."""

    def __init__(self, slot: Slot) -> None:
        self.links = slot.links
        self.index: dict[tuple[str, ...], list[tuple[int, Token]]] = defaultdict(list)
        self.count = 0

    def add(self, token: Token) -> None:
        key = tuple(token.keys[link.field] for link in self.links)
        self.index[key].append((self.count, token))
        self.count += 1

    def rows(self, bound: Sequence[Token], low: int, high: int) -> Iterator[Token]:
        """Tokens numbered in [low, high) that join to the bound ones."""
        entries = self.index.get(tuple(bound[link.slot].keys[link.other] for link in self.links), [])
        for at in range(bisect_left(entries, low, key=_first), bisect_left(entries, high, key=_first)):
            yield entries[at][1]


def _first(entry: tuple[int, Token]) -> int:
    return entry[0]


class ReferenceMatcher:
    """Hash joins, slot by slot."""

    def __init__(self, programs: Sequence[Program], limit: int) -> None:
        self._programs = programs
        self._limit = limit
        self._columns = {slot.number: _Column(slot) for program in programs for slot in program.slots}
        self._told: dict[int, int] = defaultdict(int)

    def add(self, tokens: Sequence[Token]) -> list[Row]:
        """Rows that use at least one new token."""
        before = {number: column.count for number, column in self._columns.items()}
        for token in tokens:
            self._columns[token.slot].add(token)
        return [row for program in self._programs for row in self._new_rows(program, before)]

    def _new_rows(self, program: Program, before: dict[int, int]) -> Iterator[Row]:
        columns = [self._columns[slot.number] for slot in program.slots]
        old = [before[slot.number] for slot in program.slots]
        for new in range(len(columns)):
            if old[new] == columns[new].count:
                continue
            # Slots before the new one take old tokens only, so that each row is found once.
            ranges = [(0, old[i]) if i < new else (old[i], c.count) if i == new else (0, c.count) for i, c in enumerate(columns)]
            for bound in _join(columns, ranges):
                self._told[program.number] += 1
                if self._told[program.number] > self._limit:
                    raise MatchLimitError(program.number)
                yield program.number, tuple(token.fact for token in bound)

    def close(self) -> None:
        """Nothing is held outside Python."""


def _join(columns: Sequence[_Column], ranges: Sequence[tuple[int, int]]) -> Iterator[list[Token]]:
    """Depth-first join over the columns with an explicit stack of iterators."""
    bound: list[Token] = []
    stack = [columns[0].rows(bound, *ranges[0])]
    while stack:
        token = next(stack[-1], None)
        if token is None:
            stack.pop()
            if bound:
                bound.pop()
            continue
        bound.append(token)
        if len(bound) == len(columns):
            yield list(bound)
            bound.pop()
        else:
            stack.append(columns[len(bound)].rows(bound, *ranges[len(bound)]))
