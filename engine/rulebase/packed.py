"""Built-in rules as plain values, kept from one run to the next: reading 120 YAML files and checking them takes longer than a diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import kept
from engine.rulebase import sources
from engine.rulebase.model import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.rulebase.sources import Folder

NAME = "rules"
"""What they are kept under."""
READERS = ("rulebase", "inference", "schema.py", "kept.py", "data.py", "__init__.py")
"""Code that decides how rules are read and whether they are right; they are read anew if it changes."""
FIELDS = Rule.__slots__[: Rule.__slots__.index("playbooks")]
"""What is kept of a rule; built-in rules have no override, and their playbooks lie where the program does."""


def load(folder: Folder) -> tuple[Rule, ...] | None:
    """The rules that were kept of the built-in folder, if neither they nor the code that reads them changed since."""
    key = _key(folder)
    content = kept.load(NAME, key) if key else None
    if content is None:
        return None
    import pickle

    playbooks = sources.playbook_folders(folder)
    return tuple(Rule(*[*values, playbooks]) for values in pickle.loads(content))  # noqa: S301  # trusted as byte code is, see engine/kept.py


def save(folder: Folder, rules: Sequence[Rule]) -> None:
    """Keep the rules of the built-in folder, as they are without any override and without their tests."""
    key = _key(folder)
    if key:
        import pickle

        kept.save(NAME, key, pickle.dumps([[getattr(rule, name) for name in FIELDS] for rule in rules]), key)


def _key(folder: Folder) -> kept.Stamp:
    """Stamp of the rules and of the code; empty inside an archive."""
    package = kept.__file__.removesuffix("kept.py")
    return kept.stamp(str(folder), *(package + name for name in READERS))
