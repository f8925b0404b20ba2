"""Built-in rules as plain values, kept from one run to the next: reading 120 YAML files and checking them takes longer than a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine import kept
from engine.rulebase import model, sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rulebase.model import Rule
    from engine.rulebase.sources import Folder

NAME = "rules"
"""What they are kept under."""
READERS = ("rulebase", "inference", "schema.py", "kept.py", "data.py", "__init__.py")
"""Code that decides how rules are read and whether they are right; they are read anew if it changes."""
KINDS: tuple[Any, ...] = (
    model.Mark, model.Ref, model.Literal, model.Condition, model.Join, model.Guard, model.Pattern, model.Branch, model.Derivation, model.RemedySpec,
    model.Rule,
)  # fmt: skip
"""Types of the parts of a rule; a packed part is its type's number here and its fields."""
TUPLE, MAPPING = -1, -2
"""Numbers of what is no part of a rule."""


def load(folder: Folder) -> tuple[Rule, ...] | None:
    """The rules that were kept of the built-in folder, if neither they nor the code that reads them changed since."""
    key = _key(folder)
    content = kept.load(NAME, key) if key else None
    if content is None:
        return None
    playbooks = sources.playbook_folders(folder)
    return tuple(model.Rule(*[*map(_unpacked, packed), playbooks]) for packed in content)


def save(folder: Folder, rules: Sequence[Rule]) -> None:
    """Keep the rules of the built-in folder, as they are without any override and without their tests."""
    key = _key(folder)
    if key:
        kept.save(NAME, key, [_packed(rule)[1:-2] for rule in rules], key)


def _key(folder: Folder) -> kept.Stamp:
    """Stamp of the rules and of the code; empty inside an archive."""
    package = kept.__file__.removesuffix("kept.py")
    return kept.stamp(str(folder), *(package + name for name in READERS))


def _packed(value: Any) -> Any:
    """Nested tuples; fields in the order of their declaration."""
    kind = type(value)
    if kind in KINDS:
        fields = value if isinstance(value, tuple) else [getattr(value, name) for name in value.__slots__]
        return (KINDS.index(kind), *map(_packed, fields))
    if isinstance(value, tuple):
        return (TUPLE, *map(_packed, value))
    if isinstance(value, Mapping):
        return (MAPPING, *((_packed(name), _packed(one)) for name, one in value.items()))
    return value


def _unpacked(value: Any) -> Any:
    """The value that was packed."""
    if type(value) is not tuple:
        return value
    number = value[0]
    if number == TUPLE:
        return tuple(map(_unpacked, value[1:]))
    if number == MAPPING:
        return {_unpacked(name): _unpacked(one) for name, one in value[1:]}
    return KINDS[number](*map(_unpacked, value[1:]))
