"""Calico's selector language: ``has(app) && role in {'web', "api"} || !(env == 'dev')``.

Source: https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#selectors
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_LENGTH = 4096
"""Characters of a selector that are read; none of a person's is longer."""
MAX_DEPTH = 32

_WORD = r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<sign>&&|\|\||==|!=|[!(){},])|(?P<word>[A-Za-z0-9_./-]+))"""


class SelectorError(ValueError):
    """A selector that is not in the language."""


class Test(NamedTuple):
    """A selector ready to be asked."""

    holds: Callable[[Mapping[str, str]], bool]
    keys: frozenset[str]
    """Labels that it looks at."""


def holds(selector: str, labels: Mapping[str, str] | None) -> bool | None:
    """Whether a selector holds for labels; ``None`` if they were not seen, or if the selector is not understood."""
    try:
        test = parse(selector)
    except SelectorError:
        return None
    if labels is None:
        return None if test.keys else test.holds({})
    return test.holds(labels)


def keys(selector: str) -> frozenset[str]:
    """Labels that a selector looks at; raises nothing: an unknown language looks at a label that nobody has."""
    try:
        return parse(selector).keys
    except SelectorError:
        return frozenset({""})


@lru_cache(maxsize=1024)
def parse(selector: str) -> Test:
    """Read a selector; raises :class:`SelectorError`."""
    if len(selector) > MAX_LENGTH:
        message = f"selector of more than {MAX_LENGTH} characters"
        raise SelectorError(message)
    words: list[str] = []
    at = 0
    text = selector.rstrip()
    while at < len(text):
        found = re.compile(_WORD).match(text, at)
        if found is None:
            message = f"not understood: {text[at : at + 20]!r}"
            raise SelectorError(message)
        words.append(found[0].strip())
        at = found.end()
    return _Reader(words).read() if words else Test(lambda _: True, frozenset())


class _Reader:
    """Recursive descent: ``||`` of ``&&`` of terms."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0
        self.depth = 0
        self.seen: set[str] = set()

    def read(self) -> Test:
        made = self.any_of()
        if self.at < len(self.words):
            message = f"not understood: {self.words[self.at]!r}"
            raise SelectorError(message)
        return Test(made, frozenset(self.seen))

    def next(self) -> str:
        if self.at >= len(self.words):
            message = "a selector that breaks off"
            raise SelectorError(message)
        self.at += 1
        return self.words[self.at - 1]

    def take(self, *wanted: str) -> bool:
        """Take the next words if they are these."""
        if self.words[self.at : self.at + len(wanted)] != list(wanted):
            return False
        self.at += len(wanted)
        return True

    def any_of(self) -> Callable[[Mapping[str, str]], bool]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels"
            raise SelectorError(message)
        parts = [self.all_of()]
        while self.take("||"):
            parts.append(self.all_of())
        self.depth -= 1
        return lambda labels: any(part(labels) for part in parts)

    def all_of(self) -> Callable[[Mapping[str, str]], bool]:
        parts = [self.term()]
        while self.take("&&"):
            parts.append(self.term())
        return lambda labels: all(part(labels) for part in parts)

    def term(self) -> Callable[[Mapping[str, str]], bool]:
        negated = False
        while self.take("!"):
            negated = not negated
        made = self.plain()
        return (lambda labels: not made(labels)) if negated else made

    def plain(self) -> Callable[[Mapping[str, str]], bool]:
        if self.take("("):
            made = self.any_of()
            self.expect(")")
            return made
        if self.take("all", "(", ")"):
            return lambda _: True
        if self.take("global", "(", ")"):
            return lambda _: False
        if self.take("has", "("):
            key = self.key()
            self.expect(")")
            return lambda labels: key in labels
        return self.comparison(self.key())

    def comparison(self, key: str) -> Callable[[Mapping[str, str]], bool]:
        if self.take("=="):
            value = self.value()
            return lambda labels: labels.get(key) == value
        if self.take("!="):
            value = self.value()
            return lambda labels: labels.get(key) != value
        if self.take("in"):
            values = self.values()
            return lambda labels: labels.get(key) in values
        if self.take("not", "in"):
            values = self.values()
            return lambda labels: labels.get(key) not in values
        return self.piece(key)

    def piece(self, key: str) -> Callable[[Mapping[str, str]], bool]:
        if self.take("contains"):
            value = self.value()
            return lambda labels: value in labels.get(key, "\0")
        if self.take("starts", "with"):
            value = self.value()
            return lambda labels: key in labels and labels[key].startswith(value)
        if self.take("ends", "with"):
            value = self.value()
            return lambda labels: key in labels and labels[key].endswith(value)
        message = f"no comparison after {key!r}"
        raise SelectorError(message)

    def key(self) -> str:
        word = self.next()
        if not re.fullmatch(r"[A-Za-z0-9_./-]+", word):
            message = f"not a label: {word!r}"
            raise SelectorError(message)
        self.seen.add(word)
        return word

    def value(self) -> str:
        word = self.next()
        if word[0] not in "'\"":
            message = f"not a text: {word!r}"
            raise SelectorError(message)
        return word[1:-1]

    def values(self) -> frozenset[str]:
        self.expect("{")
        found: set[str] = set()
        while not self.take("}"):
            found.add(self.value())
            if not self.take(","):
                self.expect("}")
                break
        return frozenset(found)

    def expect(self, word: str) -> None:
        if not self.take(word):
            message = f"{word!r} is missing"
            raise SelectorError(message)
