"""What every text parser needs: clean numbered lines, and the account of lines that nobody understood."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.place import Place
    from engine.facts import Source

_ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])"
"""Terminal escape sequences: CSI (colours), OSC (titles, links), charset selection, single-character ones."""

SAMPLE_LENGTH = 200
"""Characters of the first unparsed line that are kept."""


def clean(text: str) -> str:
    """``text`` without terminal escapes; line numbers do not change.  Plain text costs one search."""
    if "\x1b" not in text:
        return text
    return re.sub(_ESCAPES, "", text)


def clean_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Every line with its 1-based number, without terminal escapes and trailing carriage returns.

    Lines end at ``\n`` alone, as in :meth:`engine.facts.Source.line`; blank lines are yielded too.
    """
    for number, line in enumerate(clean(text).split("\n"), 1):
        yield number, line.rstrip("\r")


_REFUSAL = re.compile(
    r"(?:command )?not found\Z|No such file or directory\Z|[Pp]ermission denied|Operation not permitted|must be root|Operation failed|"
    r"Kernel error received|holding the xtables lock|cannot open|can't initialize|Could not fetch|timed out\Z",
)


def is_refusal(line: str) -> bool:
    """Whether a line is a program's or a shell's word that the work was not done: nothing may be concluded from what is not listed."""
    return _REFUSAL.search(line) is not None


class Unparsed:
    """Counts the lines of one source that were not understood; the first is kept as a sample."""

    __slots__ = ("count", "line", "sample")

    def __init__(self) -> None:
        self.count = 0
        self.line = 0
        """Number of the first such line; 0 if there is none."""
        self.sample = ""

    def add(self, number: int, line: str) -> None:
        """Note a line; blank ones do not count."""
        if not line.strip():
            return
        if not self.count:
            self.line, self.sample = number, line.strip()[:SAMPLE_LENGTH]
        self.count += 1

    def facts(self, source: Source, place: Place) -> list[Fact]:
        """The ``unparsed`` fact in a list, or an empty list if every line was understood."""
        if not self.count:
            return []
        fields = {"count": self.count, "sample": self.sample}
        return [Fact("unparsed", fields, place.node, place.stack, source, self.line)]
