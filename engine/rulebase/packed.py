"""Built-in rules as plain values, kept from one run to the next: reading 120 YAML files and checking them takes longer than a diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine import kept
from engine.rulebase import sources
from engine.rulebase.model import NO_MARK, Mark, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rulebase.sources import Folder

NAME = "rules"
"""What they are kept under."""
READERS = ("rulebase", "inference", "schema.py", "kept.py", "data.py", "__init__.py")
"""Code that decides how rules are read and whether they are right; they are read anew if it changes."""
FIELDS = Rule.__slots__[: Rule.__slots__.index("playbooks")]
"""What is kept of a rule; built-in rules have no override, and their playbooks lie where the program does."""


def load(folder: Folder, *, places: bool = True) -> tuple[Rule, ...] | None:
    """The rules that were kept of the built-in folder, if neither they nor the code that reads them changed since.

    Without ``places``, only the rule itself tells where it was written: its parts' places serve what is said of faults of a rulebase, and
    making them takes as long as all the rest.
    """
    key = _key(folder)
    content = kept.load(NAME, key) if key else None
    if content is None:
        return None
    import pickle

    playbooks = sources.playbook_folders(folder)
    return tuple(Rule(*[*values, playbooks]) for values in pickle.loads(content[places]))  # noqa: S301  # trusted as byte code is, see engine/kept.py


def save(folder: Folder, rules: Sequence[Rule]) -> None:
    """Keep the rules of the built-in folder, as they are without any override and without their tests."""
    key = _key(folder)
    if key:
        kept.save(NAME, key, (_pickled(rules, places=False), _pickled(rules, places=True)), key)


def _pickled(rules: Sequence[Rule], *, places: bool) -> bytes:
    import pickle

    known: dict[tuple[type, str], Any] = {}
    return pickle.dumps([[_shared(getattr(rule, name), known, places=places or name == "origin") for name in FIELDS] for rule in rules])


def _shared(value: Any, known: dict[tuple[type, str], Any], *, places: bool) -> Any:
    """A value of which equal parts are one object, as rules are full of (a pickle holds an object once)."""
    if isinstance(value, Mark) and not places:
        return NO_MARK
    if isinstance(value, tuple):
        parts = [_shared(part, known, places=places) for part in value]
        value = type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    elif isinstance(value, dict):
        kept_parts = {key: part for key, part in value.items() if places or not isinstance(part, Mark)}
        return {_shared(key, known, places=places): _shared(part, known, places=places) for key, part in kept_parts.items()}
    # By its text, for 1 == True == 1.0.
    return known.setdefault((type(value), repr(value)), value)


def _key(folder: Folder) -> kept.Stamp:
    """Stamp of the rules and of the code; empty inside an archive."""
    package = kept.__file__.removesuffix("kept.py")
    return kept.stamp(str(folder), *(package + name for name in READERS))
