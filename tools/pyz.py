"""Build ``diagnose.pyz``: the program and the pure Python parts of its libraries in one file.

For nodes that have a Python but neither pip nor a compiler.  The libraries are those of the environment that runs this script, hence the versions
that the tests ran with; nothing is downloaded.  Usage: ``python tools/pyz.py dist/diagnose.pyz``
"""

from __future__ import annotations

import configparser
import re
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

FOLDERS = {"engine": "engine", "collectors": "collectors", "rules": "engine/rules", "playbooks": "engine/playbooks"}
"""Folders of the checkout and where they lie in the archive."""

LEFT_OUT = frozenset({"durable-rules"})
"""Libraries that are not carried: durable-rules is compiled C, and the program has its own matcher."""

UNUSED = re.compile(
    r"\.(so|pyd|pyx|pxd|c|h|pyc)$|(^|/)tests?/|^_yaml/|^\.\.|^share/|^bin/|\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)$"
)
"""Files of libraries that are left out: compiled speed-ups (each library works without), tests, and the installer's notes."""

STAMP = (1980, 1, 1, 0, 0, 0)
"""Time of every member: the same sources give the same file."""

MAIN = """\
import sys

if sys.version_info < (3, 11):
    sys.exit("error: diagnose needs Python 3.11 or later, this is %d.%d" % sys.version_info[:2])

from engine.cli import main

sys.exit(main())
"""
"""Entry point; the test of the version must compile on any Python."""


def names(requirements: list[str]) -> list[str]:
    """Distribution names in requirement lines, those of extras left out."""
    plain = [line for line in requirements if "extra ==" not in line]
    return [found.group().lower().replace("_", "-") for line in plain if (found := re.match(r"[A-Za-z0-9._-]+", line))]


def libraries() -> list[Distribution]:
    """The required libraries and what they require in turn."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = names([line for line in config["options"]["install_requires"].splitlines() if line and not line.startswith("#")])
    waiting, found = list(required), dict[str, Distribution]()
    while waiting:
        name = waiting.pop()
        if name in found or name in LEFT_OUT:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            if name in required:
                raise
            continue  # required by a library on other Pythons or systems only
        waiting += names(found[name].requires or [])
    return [found[name] for name in sorted(found)]


def members() -> Iterator[tuple[str, bytes]]:
    """Names and contents of the archive's members."""
    yield "__main__.py", MAIN.encode()
    for folder, inside in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"{inside}/{path.relative_to(ROOT / folder).as_posix()}", path.read_bytes()
    for library in libraries():
        for file in sorted(library.files or []):
            if not UNUSED.search(str(file)):
                yield str(file), file.read_binary()


def main() -> None:
    """Build the archive that the first argument names."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ARCHIVE")
    archive = Path(sys.argv[1])
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.open("wb") as raw:
        raw.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(raw, "w") as target:
            for name, content in members():
                target.writestr(zipfile.ZipInfo(name, STAMP), content, zipfile.ZIP_DEFLATED)
    archive.chmod(0o755)
    print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
