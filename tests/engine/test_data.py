"""The folders of rules and playbooks are found however the program is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import engine
from engine.data import builtin

PACKAGE = Path(engine.__file__).parent


@pytest.mark.parametrize("folder", ["rules", "playbooks"])
def test_checkout(folder: str) -> None:
    """In a checkout the folders are those at its top."""
    assert builtin(folder) == PACKAGE.parent / folder


def test_absent() -> None:
    """An installation without the folder says so instead of working with no rules."""
    with pytest.raises(FileNotFoundError, match="has no nonsense"):
        builtin("nonsense")


def test_inside_a_zip(tmp_path: Path) -> None:
    """Inside a zip application the folder is read from the archive, nested folders included."""
    archive = tmp_path / "program.pyz"
    with zipfile.ZipFile(archive, "w") as target:
        for name in ("__init__.py", "data.py"):
            target.write(PACKAGE / name, f"engine/{name}")
        target.writestr("engine/rules/route/x.yaml", "id: x\n")
        target.writestr("__main__.py", "from engine.data import builtin\nprint(builtin('rules').joinpath('route', 'x.yaml').read_text())\n")
    done = subprocess.run([sys.executable, "-I", str(archive)], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "id: x"
