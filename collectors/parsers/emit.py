"""The facts of one source, while a parser makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collectors.parsers.text import Unparsed
from engine.facts import Fact

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Source


class Emitter:
    """Collects the facts of one source and the lines that were not understood."""

    __slots__ = ("_node", "_stack", "facts", "lines", "place", "source", "unparsed")

    def __init__(self, source: Source, place: Place) -> None:
        self.source = source
        self.place = place
        self.facts: list[Fact] = []
        self.unparsed = Unparsed()
        self.lines: dict[int, int] = {}
        """Line by ``id()`` of a decoded object, where the reader of the format tells."""
        self._node, self._stack = place.node, place.stack

    def add(self, kind: str, fields: dict[str, Any], line: int = 0, shown: str = "") -> dict[str, Any]:
        """Emit a fact; gives back ``fields``, which the parser may complete while it reads on."""
        self.facts.append(Fact(kind, fields, self._node, self._stack, self.source, line, shown))
        return fields

    def collected(self, what: str, scope: str = "all", family: int = 0) -> None:
        """State that the listing of ``what`` is whole (of one address family, unless ``family`` is 0)."""
        fields: dict[str, Any] = {"what": what, "scope": scope}
        if family:
            fields["family"] = family
        self.add("collected", fields)

    @property
    def whole(self) -> bool:
        """Whether what was read can be a whole listing: something was understood, or there was nothing to understand."""
        return bool(self.facts) or not self.unparsed.count

    def done(self) -> list[Fact]:
        """All facts, with the account of what was not understood."""
        return [*self.facts, *self.unparsed.facts(self.source, self.place)]
