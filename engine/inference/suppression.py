"""``suppresses``: a cause takes the place of the general finding that it explains."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.inference.engine import Match

DROP = "drop"
"""Kind of the fact that ends a walk."""


def suppressed(matches: Sequence[Match]) -> set[int]:
    """Positions of the matches that others explain.

    A match that binds drops is explained if, for every one of them, some match whose rule names it under ``suppresses`` binds the same
    drop.  A match that binds none is explained by such a match on the same node and stack.  A latent match (without a drop) thus never
    hides what stops a flow.
    """
    by_id: dict[str, list[int]] = defaultdict(list)
    for index, match in enumerate(matches):
        by_id[match.rule.id].append(index)
    explained: dict[int, set[int]] = defaultdict(set)
    gone: set[int] = set()
    for index, match in enumerate(matches):
        for target in _targets(match, by_id):
            if index in gone and match.rule.id in matches[target].rule.suppresses:
                continue  # two rules that name each other: the first stays
            drops = _drops([matches[target]])
            if drops:
                explained[target] |= drops & _drops([match])
                hidden = explained[target] == drops
            else:
                first = next(iter(matches[target].bindings.values()))
                hidden = (first.node, first.stack) in {(fact.node, fact.stack) for fact in match.facts()}
            if hidden:
                gone.add(target)
    return gone


def _targets(match: Match, by_id: dict[str, list[int]]) -> Iterable[int]:
    return (index for name in match.rule.suppresses if name != match.rule.id for index in by_id.get(name, ()))


def _drops(matches: Iterable[Match]) -> set[int]:
    """Identity of the drops that matches bind."""
    return {id(fact) for match in matches for fact in match.facts() if fact.kind == DROP}
