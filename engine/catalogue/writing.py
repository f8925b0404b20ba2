"""Writes the catalogue to a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.catalogue.pages import foreign, pages
from engine.catalogue.proofs import NONE, read_proofs
from engine.errors import ExitStatus, RuleError
from engine.rulebase.loader import load

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = "diagnose rules docs"


def catalogue(folders: Sequence[str | Path], proofs: str | Path | None, command: str = COMMAND) -> dict[str, str]:
    """File name → text of the catalogue of all rules in force; ``proofs`` is the checkout that holds their labs.  Raises :class:`RuleError`."""
    rules = load(folders, tests=True).rules
    return pages(rules, read_proofs(Path(proofs), [rule.id for rule in rules]) if proofs else NONE, command)


def write_catalogue(folder: str | Path, folders: Sequence[str | Path] = (), proofs: str | Path | None = None) -> tuple[str, ExitStatus]:
    """Write all pages, and remove those of rules that are gone; raises :class:`RuleError` where a page would overwrite somebody else's file."""
    base = Path(folder)
    found = catalogue(folders, proofs)
    try:
        base.mkdir(parents=True, exist_ok=True)
        others = [name for name in found if (base / name).exists() and foreign((base / name).read_text(encoding="utf-8", errors="replace"))]
        if others:
            message = f"{base / others[0]} was not written by this program: nothing was written"
            raise RuleError(message, "give -o a folder of its own, or move the file away")
        for file in base.glob("*.md"):
            if file.name not in found and not foreign(file.read_text(encoding="utf-8", errors="replace")):
                file.unlink()
        for name, text in found.items():
            (base / name).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot write {error.filename}: {error.strerror}"
        raise RuleError(message) from error
    return f"wrote {len(found)} pages to {base}", ExitStatus.NO_FAULT
