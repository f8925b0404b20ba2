"""YAML as plain data, built from libyaml's events: no tags, no merge keys, bounded depth, size and aliases.

``yaml.safe_load`` would do more than is wanted: aliases and merge keys let a small file grow without bound, and a deeply nested one
overflows the stack of its C code, which ends the process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS = 64 * 1024 * 1024
MAX_DEPTH = 100
MAX_ALIASES = 64
"""kubectl and calicoctl print none; people who write manifests use a few."""

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(slots=True)
class YamlText:
    """What was decoded from a text."""

    documents: list[Any] = field(default_factory=list)
    lines: dict[int, int] = field(default_factory=dict)
    """1-based line by ``id()`` of a mapping of :attr:`documents`."""
    error: str = ""
    """Why the text broke off ("" = it did not); the documents before the break are kept."""
    error_line: int = 0


class _TooMuchError(ValueError):
    """A bound was exceeded."""


def read_yaml(text: str) -> YamlText:
    """Decode every document of ``text``; never raises."""
    result = YamlText()
    if len(text) > MAX_CHARACTERS:
        result.error = f"YAML of more than {MAX_CHARACTERS} characters"
        return result
    import yaml

    builder = _Builder(result)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        result.error_line = mark.line + 1 if mark else builder.line
        result.error = str(getattr(error, "problem", None) or error).replace("\n", " ")
    return result


class _Builder:
    """Builds documents from parser events with a stack of its own."""

    def __init__(self, result: YamlText) -> None:
        self._result = result
        self._stack: list[dict[Any, Any] | list[Any]] = []
        self._keys: list[Any] = []
        """The key that waits for its value, for every mapping on the stack."""
        self._anchors: dict[str, Any] = {}
        self._aliases = 0
        self.line = 0

    def take(self, event: Any) -> None:
        """Take one event; raises ``ValueError`` where a bound is exceeded."""
        kind = type(event).__name__
        self.line = event.start_mark.line + 1
        if kind == "ScalarEvent":
            plain = event.implicit[0] and not event.style
            self._put(_scalar(event.value) if plain else event.value, event.anchor)
        elif kind in {"MappingStartEvent", "SequenceStartEvent"}:
            if len(self._stack) >= MAX_DEPTH:
                message = f"nested deeper than {MAX_DEPTH} levels"
                raise _TooMuchError(message)
            made: dict[Any, Any] | list[Any] = {} if kind == "MappingStartEvent" else []
            self._put(made, event.anchor)
            self._stack.append(made)
            self._keys.append(_NO_KEY)
            if isinstance(made, dict):
                self._result.lines[id(made)] = self.line
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self._stack.pop()
            self._keys.pop()
        elif kind == "AliasEvent":
            self._aliases += 1
            if self._aliases > MAX_ALIASES or event.anchor not in self._anchors:
                message = f"more than {MAX_ALIASES} aliases, or one without its anchor"
                raise _TooMuchError(message)
            self._put(self._anchors[event.anchor], None)
        elif kind == "DocumentStartEvent":
            self._anchors.clear()

    def _put(self, value: Any, anchor: str | None) -> None:
        """Put a value where it belongs: the document, the list, or the mapping whose key or value it is."""
        if anchor:
            self._anchors[anchor] = value
        if not self._stack:
            self._result.documents.append(value)
            return
        top = self._stack[-1]
        if isinstance(top, list):
            top.append(value)
        elif self._keys[-1] is _NO_KEY:
            self._keys[-1] = value if isinstance(value, str) else str(value)[:200] if not isinstance(value, dict | list) else "?"
        else:
            top[self._keys[-1]] = value
            self._keys[-1] = _NO_KEY


_NO_KEY = object()


def _scalar(text: str) -> Any:
    """Value of a plain scalar by YAML's JSON schema."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "-+.0123456789":
        if re.fullmatch(r"[-+]?(?:0|[1-9][0-9]{0,18})", text):
            return int(text)
        if re.fullmatch(r"[-+]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,3})?", text):
            return float(text)
    return text


def mappings(read: YamlText) -> Iterator[tuple[int, dict[str, Any]]]:
    """The documents that are mappings, with their lines."""
    return ((read.lines.get(id(document), 1), document) for document in read.documents if isinstance(document, dict))
