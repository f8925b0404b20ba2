"""Recorded outputs, and what it means that two printings of one state agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collectors.naming import command_file
from collectors.place import Place
from engine.facts import Fact, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

RECORDINGS = Path(__file__).parents[2] / "recordings"

class Recorded:
    """Recorded outputs, parsed, and compared."""

    def source(self, command: str, tool: str = "iproute2") -> Source:
        """The recorded output of a command line."""
        path = RECORDINGS / tool / command_file(command)
        return Source(f"{tool}/{path.name}", path.read_text(encoding="utf-8"), command)

    def parse(self, parser: Callable[[Source, Place], list[Fact]], command: str, tool: str = "iproute2") -> list[Fact]:
        """Facts of a recorded output."""
        return parser(self.source(command, tool), Place("n1"))

    def text(self, parser: Callable[[Source, Place], list[Fact]], text: str, command: str = "") -> list[Fact]:
        """Facts of a text."""
        return parser(Source("pasted", text, command), Place("n1"))

    def covered(self, facts: Sequence[Fact]) -> set[tuple[Any, ...]]:
        """What the listing was said to cover: (what, scope, family)."""
        return {(fact.get("what"), fact.get("scope"), fact.get("family", 0)) for fact in facts if fact.kind == "collected"}

    def unparsed(self, facts: Sequence[Fact]) -> int:
        """Number of lines that were not understood."""
        return sum(fact.fields["count"] for fact in facts if fact.kind == "unparsed")

    def only(self, facts: Sequence[Fact], kind: str, **fields: Any) -> Fact:
        """The one fact of a kind with these fields."""
        found = [fact for fact in facts if fact.kind == kind and all(fact.get(name) == value for name, value in fields.items())]
        assert len(found) == 1, found
        return found[0]

    def disagreements(
        self, one: Sequence[Fact], other: Sequence[Fact], kind: str, key: Sequence[str], ignored: Collection[str] = (),
        *, missing: Collection[Any] = (),
    ) -> list[Any]:
        """Keys that only one of two listings has (but for ``missing``), and fields that both have with different values."""
        left, right = ({tuple(fact.get(name) for name in key): fact for fact in facts if fact.kind == kind} for facts in (one, other))
        found: list[Any] = sorted(str(each) for each in left.keys() ^ right.keys() if each not in missing)
        for each in left.keys() & right.keys():
            shared = (left[each].fields.keys() & right[each].fields.keys()) - set(ignored)
            found += [(each, name, left[each].get(name), right[each].get(name)) for name in shared if left[each].get(name) != right[each].get(name)]
        return found


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """Recorded outputs of one state, as every tool printed it."""
    return Recorded()
