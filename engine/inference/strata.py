"""Order of rules: a rule runs when the facts that it reads are complete.

A rule that reads (or negates) what another derives comes later; rules that derive in a circle run together, to a
fixpoint.  Negation inside a circle has no meaning and is refused with the circle shown.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.rulebase.model import Pattern, Rule


class Stage(NamedTuple):
    """Rules that run together."""

    rules: tuple[Rule, ...]
    recursive: frozenset[str]
    """Kinds that these rules both derive and read."""


class NegativeCycleError(ValueError):
    """A rule negates what depends on itself."""

    def __init__(self, rule: Rule, pattern: Pattern, path: str) -> None:
        super().__init__(f"`none` inside a circle of derived facts: {path}")
        self.rule = rule
        self.pattern = pattern


def reads(rule: Rule) -> set[str]:
    """Kinds that a rule needs to exist."""
    return {pattern.kind for branch in rule.branches for pattern in rule.slots(branch)}


def negates(rule: Rule) -> set[str]:
    """Kinds that a rule needs to be absent."""
    return {pattern.kind for branch in rule.branches for pattern in rule.absent(branch)}


def stages(rules: Sequence[Rule]) -> list[Stage]:
    """Rules in order; raises :class:`NegativeCycleError`."""
    if not any(rule.derive for rule in rules):
        return [Stage(tuple(rules), frozenset())] if rules else []
    after = _successors(rules)
    level, left = _levels(len(rules), after)
    group = list(range(len(rules)))
    if left:
        group = _groups(len(rules), after)
        _refuse_negation(rules, group, after)
        level = _grouped_levels(len(rules), after, group)
    by_stage: dict[tuple[int, int], list[int]] = defaultdict(list)
    sizes: dict[int, int] = defaultdict(int)
    for name in group:
        sizes[name] += 1
    for index in range(len(rules)):
        own = group[index] if sizes[group[index]] > 1 or index in after[index] else -1
        by_stage[level[index], own].append(index)
    return [_stage(rules, members, circular=own >= 0) for (_, own), members in sorted(by_stage.items())]


def _stage(rules: Sequence[Rule], members: Sequence[int], *, circular: bool) -> Stage:
    chosen = tuple(rules[index] for index in members)
    if not circular:
        return Stage(chosen, frozenset())
    derived = {derivation.kind for rule in chosen for derivation in rule.derive}
    return Stage(chosen, frozenset(derived & set().union(*(reads(rule) for rule in chosen))))


def _successors(rules: Sequence[Rule]) -> list[set[int]]:
    """For every rule the rules that read what it derives."""
    readers: dict[str, set[int]] = defaultdict(set)
    for index, rule in enumerate(rules):
        for kind in reads(rule) | negates(rule):
            readers[kind].add(index)
    return [set().union(*(readers.get(derivation.kind, set()) for derivation in rule.derive)) for rule in rules]


def _levels(count: int, after: Sequence[Iterable[int]]) -> tuple[list[int], bool]:
    """Longest distance from a source for every node, and whether a circle kept some from being reached."""
    waiting = [0] * count
    for targets in after:
        for target in targets:
            waiting[target] += 1
    level = [0] * count
    ready = [index for index in range(count) if not waiting[index]]
    done = 0
    while ready:
        index = ready.pop()
        done += 1
        for target in after[index]:
            level[target] = max(level[target], level[index] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return level, done < count


def _groups(count: int, after: Sequence[Iterable[int]]) -> list[int]:
    """Smallest member of every rule's circle (itself, if it is in none)."""
    import networkx as nx

    graph = _graph(count, after)
    group = list(range(count))
    for members in nx.strongly_connected_components(graph):
        for member in members:
            group[member] = min(members)
    return group


def _grouped_levels(count: int, after: Sequence[Iterable[int]], group: Sequence[int]) -> list[int]:
    """Levels of the graph in which every circle is one node."""
    merged: list[set[int]] = [set() for _ in range(count)]
    for index, targets in enumerate(after):
        merged[group[index]].update(group[target] for target in targets if group[target] != group[index])
    level, _ = _levels(count, merged)
    return [level[group[index]] for index in range(count)]


def _refuse_negation(rules: Sequence[Rule], group: Sequence[int], after: Sequence[Iterable[int]]) -> None:
    for index, rule in enumerate(rules):
        for branch in rule.branches:
            for pattern in rule.absent(branch):
                for source, other in enumerate(rules):
                    if group[source] == group[index] and pattern.kind in {d.kind for d in other.derive}:
                        raise NegativeCycleError(rule, pattern, _path(rules, after, index, source, pattern.kind))


def _path(rules: Sequence[Rule], after: Sequence[Iterable[int]], start: int, end: int, kind: str) -> str:
    """``a derives x -> b derives y -> a (none: y)``: the way from the negating rule back to itself."""
    import networkx as nx

    steps: list[int] = nx.shortest_path(_graph(len(rules), after), start, end)
    words = []
    for here, following in zip(steps, [*steps[1:], start], strict=True):
        needed = {kind} if here == end else reads(rules[following]) | negates(rules[following])
        shared = sorted({d.kind for d in rules[here].derive} & needed)
        words.append(f"{rules[here].id} derives {shared[0]}")
    return " -> ".join([*words, f"{rules[start].id} (none: {kind})"])


def _graph(count: int, after: Sequence[Iterable[int]]) -> nx.DiGraph[int]:
    import networkx as nx

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from((index, target) for index, targets in enumerate(after) for target in sorted(targets))
    return graph


if TYPE_CHECKING:
    import networkx as nx
