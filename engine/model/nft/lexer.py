"""Tokens of a textual nftables listing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<space>[^\S\n]+)
      | (?P<newline>\n)
      | (?P<comment>\#[^\n]*)
      | (?P<string>"[^"\n]*"?)
      | (?P<raw>@(?:ll|nh|th|ih),\d+,\d+)
      | (?P<sign>==|!=|<=|>=|<<|>>|[{}(),;=<>!&|^])
      | (?P<word>[^\s{}(),;"=<>!&|^\#]+)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text."""

    kind: str
    """newline | comment | string | raw | sign | word"""
    text: str
    """The text; of a string without its quotes."""
    line: int
    """1-based."""
    start: int
    end: int
    """Half-open interval in the text."""


def tokens(text: str) -> Iterator[Token]:
    """All tokens but white space; every other character belongs to exactly one."""
    line = 1
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or "space"
        if kind == "space":
            continue
        word = found[0].strip('"') if kind == "string" else found[0]
        yield Token(kind, word, line, found.start(), found.end())
        if kind == "newline":
            line += 1


class Trouble(Exception):  # noqa: N818 - it never leaves the parser, where it names what it is
    """The text is not what the grammar expects here."""


class Cursor:
    """A place in a list of tokens."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.at = 0

    def more(self) -> bool:
        """Whether a token is left."""
        return self.at < len(self.tokens)

    def peek(self, ahead: int = 0) -> str:
        """Text of a coming token, "" past the end or for a quoted string (which is never a keyword)."""
        place = self.at + ahead
        if place >= len(self.tokens) or self.tokens[place].kind == "string":
            return ""
        return self.tokens[place].text

    def kind(self) -> str:
        """Kind of the next token, "" past the end."""
        return self.tokens[self.at].kind if self.more() else ""

    def take(self) -> Token:
        """The next token; raises :class:`Trouble` past the end."""
        if not self.more():
            message = "the text ends early"
            raise Trouble(message)
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *words: str) -> str:
        """Take the next token if it is one of the words; its text, or ""."""
        if self.peek() in words and self.peek():
            return self.take().text
        return ""

    def expect(self, word: str) -> None:
        """Take this very word; raises :class:`Trouble` otherwise."""
        if not self.accept(word):
            message = f"{word!r} expected, {self.peek()!r} found"
            raise Trouble(message)

    def word(self) -> str:
        """Text of the next token, which must be a word or a string."""
        token = self.take()
        if token.kind not in {"word", "string"}:
            message = f"a word expected, {token.text!r} found"
            raise Trouble(message)
        return token.text
