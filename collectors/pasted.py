"""Text as people paste it into posts: fences around the outputs, marks of quotation before them, and one command printed twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact

LONGEST: Final = 1 << 20
"""Characters of a text that a person may have pasted; longer ones come from programs."""

_FENCE: Final = re.compile(r"^[ \t>]*(?:`{3,}|~{3,})[\w.+-]*[ \t\r]*$|(?<=[^\s`])`{3,}[ \t\r]*$", re.MULTILINE)
"""A line that begins or ends a block of code, and a block's end behind its last line."""

_QUOTED: Final = re.compile(r"(?:^(?:>[ ]?)++[^\n]*+(?:\n|\Z)){3,}", re.MULTILINE)
"""Lines that a post quotes, three or more: fewer are what a shell asks for the rest of a command by."""
_SENT: Final = re.compile(r"> [A-Z]{3,10} \S+ HTTP/")
"""How the headers begin that ``curl -v`` sent."""
_MARKS: Final = re.compile(r"^(?:>[ ]?)+|[ \t]*<br[ ]?/?>[ \t\r]*$", re.MULTILINE)
"""The marks, and the break at a quoted line's end."""


def unquoted(text: str) -> str:
    """A text without the marks before quoted lines, each line at its place."""
    if len(text) > LONGEST or not (text.startswith(">") or "\n>" in text):
        return text
    return _QUOTED.sub(lambda block: block[0] if _SENT.match(block[0]) else _MARKS.sub("", block[0]), text)


def unfenced(text: str) -> str:
    """A text without the fences around its outputs, each line at its place."""
    return _FENCE.sub("", text) if len(text) <= LONGEST and ("```" in text or "~~~" in text) else text


def latest(facts: Sequence[Fact]) -> list[Fact]:
    """The facts without what an earlier listing of a device's addresses told, where a text lists the device again.

    People show a machine before and after something happened to it: both listings together are no state that it ever had.
    """
    listings: dict[tuple[str, str, str, str], dict[int, Fact]] = {}
    for fact in facts:
        if fact.kind == "link" and fact.get("mac") and fact.line and _lists_addresses(fact):
            listings.setdefault((fact.source.name, fact.node, fact.stack, str(fact.get("name"))), {})[fact.line] = fact
    last = {key: max(found) for key, found in listings.items() if len(found) > 1}
    return [f for f in facts if not _before(f, last)] if last else list(facts)


def _lists_addresses(fact: Fact) -> bool:
    """Whether a device's line is one of ``ip address`` (``ip link`` prints a mode)."""
    line = fact.source.line(fact.line)
    return " group " in line and " mode " not in line


def _before(fact: Fact, last: dict[tuple[str, str, str, str], int]) -> bool:
    if fact.kind not in {"link", "address"}:
        return False
    name = str(fact.get("name" if fact.kind == "link" else "device"))
    return 0 < fact.line < last.get((fact.source.name, fact.node, fact.stack, name), 0)
