"""Where rules come from: the built-in folder, ``--rules``, ``NOROUTE_RULES``, the user's configuration, installed packages."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.data import builtin
from engine.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

    Folder = Path | Traversable
    """A folder on disk, or inside a zip application."""

VARIABLE = "NOROUTE_RULES"
"""Environment variable with further rule folders, separated as in ``PATH``."""
GROUP = "noroute.rules"
"""Entry point group of packages that bring rules."""
MAX_FILES = 5_000
"""Most rule files in one folder."""
MAX_NESTING = 8
"""Levels of folders that are entered."""
NOT_RULES = ("symptoms.yaml",)
"""YAML files in a rules folder that hold no rules."""
PLAYBOOKS = "playbooks"


def folders(options: Sequence[str | Path] = (), environment: Mapping[str, str] | None = None) -> list[Folder]:
    """Rule folders to load, the built-in one first; raises :class:`RuleError` for a named folder that is not there."""
    environment = os.environ if environment is None else environment
    named = [(Path(option), "--rules") for option in options]
    named += [(Path(part), VARIABLE) for part in environment.get(VARIABLE, "").split(os.pathsep) if part]
    for folder, origin in named:
        if not folder.exists():
            message = f"{origin}: no such rules folder: {folder}"
            raise RuleError(message)
    found: list[Path] = [*installed(), *_configured(environment), *(folder for folder, _ in named)]
    own = builtin("rules")
    seen = {own.resolve()} if isinstance(own, Path) else set()
    unique: list[Folder] = [own]
    for folder in found:
        if folder.resolve() not in seen:
            seen.add(folder.resolve())
            unique.append(folder)
    return unique


def _configured(environment: Mapping[str, str]) -> list[Path]:
    home = environment.get("XDG_CONFIG_HOME", "")
    if not home.startswith("/"):  # the specification says: ignore relative ones
        home = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".config")  # noqa: PTH111, PTH118
    folder = Path(home) / "noroute" / "rules.d"
    return [folder] if folder.is_dir() else []


def installed(paths: Iterable[str] | None = None) -> list[Path]:
    """Folders of installed packages that have an entry point in :data:`GROUP`; their code is not run.

    The value is ``package`` or ``package:folder``.  Metadata is only parsed where a plain text search says it is worth the time.
    """
    if not any(_declares_rules(path) for path in (sys.path if paths is None else paths)):
        return []
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        spec = find_spec(point.module)
        roots = list(spec.submodule_search_locations or ()) if spec else []
        folder = Path(roots[0], *point.attr.split(".")) if roots and point.attr else Path(roots[0]) if roots else None
        if folder is None or not folder.is_dir():
            message = f"entry point {point.name!r} of group {GROUP} names no folder: {point.value}"
            raise RuleError(message)
        found.append(folder)
    return found


def _declares_rules(path: str) -> bool:
    try:
        with os.scandir(path or ".") as entries:
            names = [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return False
    return any(_mentions_group(Path(name) / "entry_points.txt") for name in names)


def _mentions_group(file: Path) -> bool:
    try:
        return GROUP in file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def rule_files(folder: Folder) -> list[Folder]:
    """YAML files of rules under a folder (or the file itself), sorted; hidden entries and ``playbooks`` are left out."""
    if folder.is_file():
        return [folder]
    found: list[Folder] = []
    for file in _walk(folder, MAX_NESTING):
        if len(found) >= MAX_FILES:
            message = f"more than {MAX_FILES} rule files in {folder}"
            raise RuleError(message)
        found.append(file)
    return found


def _walk(folder: Folder, depth: int) -> Iterator[Folder]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = entry.name
        # Hidden folders are where Kubernetes mounts keep the data that the visible links point to.
        if name.startswith(".") or name in NOT_RULES:
            continue
        if name.endswith((".yaml", ".yml")) and entry.is_file():
            yield entry
        elif depth and name != PLAYBOOKS and entry.is_dir() and not (isinstance(entry, Path) and entry.is_symlink()):
            yield from _walk(entry, depth - 1)


def playbook_folders(folder: Folder) -> tuple[Folder, ...]:
    """Where playbooks of the rules in ``folder`` are looked for: its own ``playbooks``, then the built-in ones.

    For a single file that is the ``playbooks`` beside it or beside one of the two folders above it (``rules/<layer>/<id>.yaml``).
    """
    own = builtin(PLAYBOOKS)
    bases: list[Folder] = list(folder.parents[:3]) if isinstance(folder, Path) and folder.is_file() else [folder]
    return (*(place for base in bases if (place := base / PLAYBOOKS).is_dir() and place != own), own)
