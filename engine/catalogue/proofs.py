"""What proves a rule: scenarios of the lab, and rows of docs/proofs.md for what no lab can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LABS = "tests/lab"
"""Folder of scenarios in a checkout."""
ROWS = "docs/proofs.md"
"""What no lab shows."""


class Lab(NamedTuple):
    """A scenario that breaks and mends a network on a kernel."""

    file: str
    about: str
    machine: bool
    """Whether only an emulated machine can show it."""
    alike: tuple[str, ...]
    """Names of the healthy look-alikes."""


class Proofs(NamedTuple):
    """Proofs of all rules, by id."""

    labs: Mapping[str, tuple[Lab, ...]]
    rows: Mapping[str, tuple[str, str]]
    """Why no lab shows it, and what does."""


NONE = Proofs({}, {})


def read_proofs(checkout: Path, ids: Iterable[str]) -> Proofs:
    """Proofs that a checkout holds; raises :class:`RuleError` if it holds none."""
    known = sorted(ids, key=len, reverse=True)
    if not (checkout / LABS).is_dir():
        message = f"{checkout} has no {LABS}"
        raise RuleError(message)
    documents = {file.stem: _document(file) for file in sorted((checkout / LABS).glob("*.yaml"))}
    labs: dict[str, list[Lab]] = {}
    for stem in documents:
        document = _whole(stem, documents)
        owner = next((name for name in known if stem == name or stem.startswith(f"{name}-")), str(document.get("id") or ""))
        alike = tuple(str(each["name"]) for each in document.get("look_alikes") or ())
        about = " ".join(str(document.get("about", "")).split())
        labs.setdefault(owner, []).append(Lab(f"{LABS}/{stem}.yaml", about, bool(document.get("kernel")), alike))
    return Proofs({owner: tuple(found) for owner, found in labs.items()}, _rows(checkout / ROWS))


def _document(file: Path) -> dict[str, Any]:
    import yaml

    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document if isinstance(document, dict) else {}


def _whole(stem: str, documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A scenario with what it takes over from the one that it is like."""
    document: dict[str, Any] = documents.get(stem, {})
    like = str(document.get("like", ""))
    return {**_whole(like, documents), **document} if like in documents and like != stem else document


def _rows(file: Path) -> dict[str, tuple[str, str]]:
    """The table of docs/proofs.md: rule → why no lab, proof."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3:
            found[cells[0]] = (cells[1], cells[2])
    return found
