"""Build ``diagnose.pyz``: the program and the pure Python parts of its libraries in one file.

For nodes that have a Python but neither pip nor a compiler.  Usage: ``python tools/pyz.py dist/diagnose.pyz``
"""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LEFT_OUT = ("durable-rules",)
"""Required libraries that are not carried: durable-rules is compiled C, and the program has its own matcher."""

COMPILED = ("*.so", "*.pyd", "*.pyx", "*.pxd", "*.c", "*.h")
"""Speed-ups for one interpreter and one processor; the libraries work without them."""

IDLE = ("_yaml", "bin", "networkx/**/tests", "pyroute2/**/tests", "**/__pycache__")
"""Parts of the libraries that the program never reaches, relative to the folder that holds them."""

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


def requirements() -> list[str]:
    """Requirement lines of setup.cfg for the libraries to carry."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = [line.strip() for line in config["options"]["install_requires"].splitlines()]
    return [line for line in lines if line and not line.startswith(("#", *LEFT_OUT))]


def install(target: Path) -> None:
    """Install the program and its libraries into ``target`` and remove what a zip application cannot use."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-compile", "--target", str(target)]
    with tempfile.TemporaryDirectory(prefix="noroute-pyz-") as copy:
        # A copy, so that the build leaves no folder in the checkout.
        source = Path(copy) / "noroute"
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests"))
        subprocess.run([*pip, "--no-deps", str(source)], check=True)
    subprocess.run([*pip, "--upgrade", *requirements()], check=True)
    for pattern in COMPILED:
        for path in target.rglob(pattern):
            path.unlink()
    for pattern in IDLE:
        for path in target.glob(pattern):
            shutil.rmtree(path)


def pack(folder: Path, archive: Path) -> None:
    """Write the files of ``folder`` and the entry point into an executable archive; the same input gives the same bytes."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.open("wb") as raw:
        raw.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as target:
            target.writestr(zipfile.ZipInfo("__main__.py", STAMP), MAIN, zipfile.ZIP_DEFLATED)
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.name not in {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}:
                    target.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix(), STAMP), path.read_bytes(), zipfile.ZIP_DEFLATED)
    archive.chmod(0o755)


def main() -> None:
    """Build the archive that the first argument names."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ARCHIVE")
    archive = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="noroute-pyz-") as folder:
        install(Path(folder))
        pack(Path(folder), archive)
    print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
