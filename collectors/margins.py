"""Margins: outputs that were moved to the right as a whole, as in a quoted code block, or under the name of the machine that printed them.

What a program prints begins at the margin, and much of what it prints is indented below that; so an output counts as moved only
if its first line is one that begins an output.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST: Final = 1 << 20
"""Characters of a text that a person may have indented."""
_RUN: Final = re.compile(r"(?:(?<=\n)|\A)(?:(?: {4}|\t)[^\n]*(?:\n(?:[ \t]*\n)*|\Z))+")
"""Neighbouring lines that are indented, with blank ones between them."""
_MARGIN: Final = re.compile(r"^[ \t]*(?=\S)", re.MULTILINE)


def without_margins(text: str, begins: Callable[[str], bool]) -> str:
    """The text with outputs at the margin; line numbers do not change.  ``begins`` tells whether a line begins an output."""
    if len(text) > LARGEST or not re.search(r"(?:\A|\n)(?: {4}|\t)", text):
        return text
    return _RUN.sub(lambda run: _moved(run[0], begins) if _apart(text, run.start()) else run[0], text)


def _apart(text: str, at: int) -> bool:
    """Whether what stands before a run is no part of the same output: nothing, a blank line, a command, or a machine's name."""
    before = text[:at].rstrip("\n").rpartition("\n")[2]
    return not before.strip() or text[at - 2 : at] == "\n\n" or re.search(r"[#$>] \S|:\s*$", before) is not None


def _moved(run: str, begins: Callable[[str], bool]) -> str:
    margins = _MARGIN.findall(run)
    margin = min(margins, key=len, default="")
    if not margin or not all(each.startswith(margin) for each in margins) or not begins(run.lstrip("\n")[len(margin) :].partition("\n")[0]):
        return run
    return re.sub(rf"^{re.escape(margin)}", "", run, flags=re.MULTILINE)
