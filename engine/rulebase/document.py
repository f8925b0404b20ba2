"""YAML text to nodes with positions, and safe access to them.

Rule files are untrusted.  Nothing is constructed by YAML tags: nodes are composed (libyaml where it is there), plain scalars are read by
YAML 1.2's rules (``no`` and ``on`` are words, ``010`` is text), and aliases, tags, duplicate keys, deep nesting and big files are refused.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.rulebase.issues import Issue, did_you_mean
from engine.rulebase.model import Mark

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

MAX_BYTES = 262_144
"""Largest rule file."""
MAX_DEPTH = 24
"""Deepest nesting that is read."""
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})\Z")
_FLOAT = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}\Z")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
          "null": None, "Null": None, "NULL": None, "~": None, "": None}  # fmt: skip


class Node(Protocol):
    """A node as PyYAML composes it."""

    id: str
    """``scalar``, ``sequence`` or ``mapping``."""
    tag: str
    """"" unless somebody wrote a tag."""
    value: Any
    """Text of a scalar, items of a sequence, pairs of a mapping."""
    style: Any
    """Quotes or block style of a scalar; false for a plain one."""
    start_mark: Any


class Entry(NamedTuple):
    """A key of a mapping and its value."""

    key: Node
    node: Node


class Document:
    """Reads the nodes of one file; what is wrong goes to ``issues`` and reading goes on."""

    def __init__(self, file: str, issues: list[Issue]) -> None:
        self.file = file
        self.issues = issues

    def at(self, node: Node) -> Mark:
        """Where a node starts."""
        return Mark(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def issue(self, node: Node, code: str, message: str) -> None:
        """Note that something is wrong at ``node``."""
        self.issues.append(Issue(self.at(node), code, message))

    def roots(self, text: str) -> list[Node]:
        """Top mappings of all YAML documents in ``text``."""
        import yaml

        try:
            nodes = list(_compose(text))
        except yaml.MarkedYAMLError as error:
            mark: Any = error.problem_mark or error.context_mark
            place = Mark(self.file, mark.line + 1, mark.column + 1) if mark else Mark(self.file, 1, 1)
            self.issues.append(Issue(place, "yaml-syntax", " ".join(filter(None, (error.context, error.problem)))))
            return []
        except yaml.YAMLError as error:
            self.issues.append(Issue(Mark(self.file, 1, 1), "yaml-syntax", str(error).partition("\n")[0]))
            return []
        except RecursionError:
            self.issues.append(Issue(Mark(self.file, 1, 1), "too-deep", f"nested deeper than {MAX_DEPTH} levels"))
            return []
        if "*" in text and self._has_aliases(text):
            return []
        return [node for node in nodes if self._is_root(node)]

    def _is_root(self, node: Node) -> bool:
        if node.id == "mapping":
            return self._untagged(node)
        self.issue(node, "wrong-type", f"a rule document is a mapping, not a {_NAMES[node.id]}")
        return False

    def _has_aliases(self, text: str) -> bool:
        """Refuse aliases: a few lines of them stand for gigabytes."""
        import yaml

        found = False
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.AliasEvent):
                found = True
                start: Any = event.start_mark
                place = Mark(self.file, start.line + 1, start.column + 1)
                self.issues.append(Issue(place, "yaml-alias", "aliases are not allowed in rules; write the value out"))
        return found

    def _untagged(self, node: Node) -> bool:
        if not node.tag:
            return True
        self.issue(node, "yaml-tag", f"tag {str(node.tag)[:60]!r} is not allowed in rules")
        return False

    def mapping(self, node: Node, what: str, allowed: Collection[str] | None = None, required: Iterable[str] = ()) -> dict[str, Entry]:
        """Entries of a mapping; unknown keys (outside ``allowed``), duplicates and missing keys are issues."""
        if node.id != "mapping":
            self.issue(node, "wrong-type", f"{what} must be a mapping, not a {_NAMES[node.id]}")
            return {}
        if not self._untagged(node):
            return {}
        entries: dict[str, Entry] = {}
        for key, value in node.value:
            if key.id != "scalar" or key.tag:
                self.issue(key, "wrong-type", f"keys of {what} must be words")
            elif key.value in entries:
                first = self.at(entries[key.value].key)
                self.issue(key, "duplicate-key", f"key {key.value!r} stands twice in {what}; the first is in line {first.line}")
            elif allowed is not None and key.value not in allowed:
                self.issue(key, "unknown-key", f"{what} has no key {key.value!r}{did_you_mean(key.value, allowed)}")
            else:
                entries[key.value] = Entry(key, value)
        for name in required:
            if name not in entries:
                self.issue(node, "missing-key", f"{what} needs {name!r}")
        return entries

    def items(self, node: Node, what: str) -> list[Node]:
        """Items of a list."""
        if node.id != "sequence":
            self.issue(node, "wrong-type", f"{what} must be a list, not a {_NAMES[node.id]}")
            return []
        return list(node.value) if self._untagged(node) else []

    def text(self, node: Node, what: str) -> str:
        """A non-empty string ("" after an issue); numbers count as their text."""
        if node.id != "scalar":
            self.issue(node, "wrong-type", f"{what} must be text, not a {_NAMES[node.id]}")
            return ""
        if not self._untagged(node):
            return ""
        if not node.value:
            self.issue(node, "wrong-type", f"{what} is empty")
        return str(node.value)

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        """A list of non-empty strings."""
        return tuple(text for item in self.items(node, what) if (text := self.text(item, f"an item of {what}")))

    def choice(self, node: Node, what: str, choices: Collection[str]) -> str:
        """One of several words ("" after an issue)."""
        text = self.text(node, what)
        if text and text not in choices:
            self.issue(node, "bad-value", f"{what} cannot be {text!r}{did_you_mean(text, choices)}")
            return ""
        return text

    def flag(self, node: Node, what: str) -> bool:
        """A truth value."""
        value = self.scalar(node) if node.id == "scalar" else None
        if isinstance(value, bool):
            return value
        self.issue(node, "wrong-type", f"{what} must be true or false")
        return False

    def scalar(self, node: Node) -> Any:
        """Value of a scalar: text, whole or decimal number, true/false, or ``None`` for null."""
        if not self._untagged(node):
            return ""
        return plain_scalar(node.value) if not node.style else node.value

    def value(self, node: Node, depth: int = 0) -> Any:
        """Any value as facts hold it: lists become tuples."""
        if node.id == "scalar":
            return self.scalar(node)
        if depth > MAX_DEPTH:
            self.issue(node, "too-deep", f"nested deeper than {MAX_DEPTH} levels")
            return None
        if node.id == "sequence":
            return tuple(self.value(item, depth + 1) for item in self.items(node, "a list"))
        # Keys of a fact's mapping may be numbers (link-netnsid).
        return {plain_scalar(k) if not e.key.style else k: self.value(e.node, depth + 1) for k, e in self.mapping(node, "a mapping").items()}


_NAMES = {"mapping": "mapping", "sequence": "list", "scalar": "single value"}


def plain_scalar(text: str) -> Any:
    """Value of an unquoted scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def _compose(text: str) -> Iterator[Node]:
    """Nodes of every document; implicit tags are left empty, so that a tag means that somebody wrote one."""
    loader = _loader_class()(text)
    try:
        while loader.check_node():
            yield loader.get_node()
    finally:
        loader.dispose()


@lru_cache(maxsize=1)
def _loader_class() -> Any:
    """The parser of libyaml where PyYAML was built with it (20 times quicker), else the pure one; neither resolves tags."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return type("NodeLoader", (base,), {
        "resolve": lambda _self, _kind, _value, _implicit: "",
        "descend_resolver": lambda _self, _node, _index: None,
        "ascend_resolver": lambda _self: None,
    })  # fmt: skip
