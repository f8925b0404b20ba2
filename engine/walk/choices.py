"""Unknowns as choices: the walk is replayed for every answer that the evidence leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from engine.walk.trace import Unknown

MAX_REPLAYS = 48
"""Replays of one walk; beyond it the answer is ``depends`` anyway."""


class Asked(NamedTuple):
    """One question that a run of the walk met, and the answer it was run with."""

    key: Hashable
    options: tuple[str, ...]
    chosen: int
    unknown: Unknown | None
    """``None`` for a branch that is the kernel's own (a random match, ECMP), not a lack of evidence."""
    shares: tuple[str, ...] = ()


class Choices:
    """Answers for one run: scripted ones first, then the first option of every new question."""

    def __init__(self, script: Sequence[int] = ()) -> None:
        self._script = script
        self._answers: dict[Hashable, int] = {}
        self.asked: list[Asked] = []

    def ask(self, key: Hashable, options: Sequence[str], unknown: Unknown | None, shares: Sequence[str] = ()) -> int:
        """Index of the option to follow; the same key is answered alike during one run."""
        if key in self._answers:
            return self._answers[key]
        at = len(self.asked)
        chosen = self._script[at] if at < len(self._script) else 0
        self._answers[key] = chosen
        self.asked.append(Asked(key, tuple(options), chosen, unknown, tuple(shares)))
        return chosen


def replays(run: Callable[[Choices], T]) -> Iterator[tuple[T, list[Asked]]]:
    """All runs, the one with every first option first; bounded by :data:`MAX_REPLAYS`."""
    scripts: list[list[int]] = [[]]
    done = 0
    while scripts and done < MAX_REPLAYS:
        script = scripts.pop(0)
        choices = Choices(script)
        result = run(choices)
        done += 1
        yield result, choices.asked
        for at in range(len(script), len(choices.asked)):
            prefix = [a.chosen for a in choices.asked[:at]]
            scripts.extend([*prefix, other] for other in range(1, len(choices.asked[at].options)))
