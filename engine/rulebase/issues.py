"""Issues in rule documents: collected all together, printed as a compiler does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.rulebase.model import Mark

SNIPPET = 160
"""Longest source line shown under an issue, in characters."""


@dataclass(frozen=True, slots=True, order=True)
class Issue:
    """Something wrong in a rule document."""

    at: Mark
    code: str
    """Stable word: ``unknown-field``."""
    message: str
    warning: bool = False
    """A warning is said, but the rules can be used."""

    def head(self) -> str:
        """The issue on one line: ``file:line:column CODE message``."""
        place = f"{self.at.file}:{self.at.line}:{self.at.column}" if self.at.line else self.at.file
        return f"{place} {self.code} {'warning: ' if self.warning else ''}{self.message}"


class RulebaseError(RuleError):
    """Rule documents that cannot be used; the message is every issue with its snippet."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        self.issues = tuple(sorted(issues))
        count = sum(not issue.warning for issue in self.issues)
        super().__init__(render(self.issues), f"{count} error{'s' * (count != 1)} in the rules; `diagnose rules lint` checks them again")


def render(issues: Iterable[Issue]) -> str:
    """Issues in file order, each with its source line and a caret under the column."""
    texts: dict[str, list[str]] = {}
    return "\n".join(_render(issue, texts) for issue in sorted(set(issues)))


def _render(issue: Issue, texts: dict[str, list[str]]) -> str:
    if not issue.at.line:
        return issue.head()
    if issue.at.file not in texts:
        texts[issue.at.file] = _lines(issue.at.file)
    lines = texts[issue.at.file]
    line = lines[issue.at.line - 1] if issue.at.line <= len(lines) else ""
    if not line.strip():
        return issue.head()  # the end of the file, where something is missing
    start = max(0, issue.at.column - SNIPPET + 20)
    shown = line[start : start + SNIPPET]
    # Tabs stay tabs under the caret, so that it lines up in every terminal.
    pad = "".join("\t" if char == "\t" else " " * _width(char) for char in line[start : issue.at.column - 1])
    return f"{issue.head()}\n    {shown}\n    {pad}^"


def _width(char: str) -> int:
    """Terminal columns of a character (Chinese takes two)."""
    from unicodedata import east_asian_width

    return 2 if east_asian_width(char) in "WF" else 1


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest known word, or the list of a few, or ""."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; one of: {', '.join(names)}" if 0 < len(names) <= 20 else ""
