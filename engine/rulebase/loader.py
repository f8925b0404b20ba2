"""The rules that a run uses.  The built-in ones are read and checked once, and kept; whatever reads YAML is imported when there is some to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.rulebase import packed, sources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from engine.rulebase.issues import Issue
    from engine.rulebase.model import Rule
    from engine.rulebase.sources import Folder


class Rulebase(NamedTuple):
    """Rules that can be used together."""

    rules: tuple[Rule, ...]
    """In force, ordered by id; overrides are applied and disabled rules are gone."""
    folders: tuple[Folder, ...] = ()
    warnings: tuple[Issue, ...] = ()
    """What was ignored (expired overrides)."""
    disabled: tuple[Rule, ...] = ()
    """Rules that an override switched off."""
    originals: tuple[Rule, ...] = ()
    """Rules that an override changed, as they were."""

    def rule(self, name: str) -> Rule | None:
        """The rule in force with that id."""
        return next((rule for rule in self.rules if rule.id == name), None)


def load(options: Sequence[str | Path] = (), *, tests: bool = False, today: date | None = None) -> Rulebase:
    """Rules of all sources (see :mod:`engine.rulebase.sources`); raises :class:`RulebaseError` with every error found.

    ``tests`` reads the inline tests too; a diagnosis does without them, and takes the built-in rules as :mod:`engine.rulebase.packed` kept them.
    """
    folders = sources.folders(options)
    if tests:
        return _faultless(folders, None, tests=True, today=today)
    own = folders[0]
    known = packed.load(own, places=len(folders) > 1)
    if known is None:
        known = _faultless([own], None, tests=False, today=today).rules
        packed.save(own, known)
    if len(folders) == 1:
        return Rulebase(known, (own,))
    return _faultless(folders, known, tests=False, today=today)


def _faultless(folders: Sequence[Folder], known: Sequence[Rule] | None, *, tests: bool, today: date | None) -> Rulebase:
    from engine.rulebase.assembly import assemble
    from engine.rulebase.issues import RulebaseError

    rulebase, issues = assemble(folders, known, tests=tests, today=today)
    if any(not issue.warning for issue in issues):
        raise RulebaseError(issues)
    return rulebase


def read(folders: Sequence[Folder], *, tests: bool = False, today: date | None = None) -> tuple[Rulebase, list[Issue]]:
    """Rules of some folders, with every issue; rules are only fit for use if no issue is an error."""
    from engine.rulebase.assembly import assemble

    return assemble(folders, None, tests=tests, today=today)
