"""The benchmark runner: one table, and a status that tells a failure."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "benchmarks" / "run.py"


def run(tmp_path: Path, scripts: dict[str, str], *names: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the runner beside some scripts."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    shutil.copy(RUN, folder)
    for name, text in scripts.items():
        (folder / f"bench_{name}.py").write_text(text, encoding="utf-8")
    return subprocess.run([sys.executable, str(folder / "run.py"), *names], capture_output=True, text=True, check=False)


def result(**fields: object) -> str:
    """A script that prints one result."""
    return f"print({json.dumps(fields)!r})"


@pytest.mark.parametrize(
    ("script", "status", "shown"),
    [
        pytest.param(result(case="walk", value=0.5, limit=1), 0, "x          walk  0.500  s         1", id="within the limit"),
        pytest.param(result(case="walk", value=2, limit=1), 1, "x          walk  2.000  s         1  !", id="past the limit"),
        pytest.param(result(case="walk", value=2, unit="MB"), 0, "x          walk  2.000  MB", id="no limit"),
        pytest.param("raise SystemExit(3)", 1, "exit status 3, 0 results", id="failed"),
        pytest.param("print('nothing measured')", 1, "exit status 0, 0 results", id="no result"),
    ],
)
def test_table(tmp_path: Path, script: str, status: int, shown: str) -> None:
    """Each result is a row; a failed script, a silent script and a passed limit end with status 1."""
    done = run(tmp_path, {"x": script})
    assert done.returncode == status
    assert shown in done.stdout


def test_selection(tmp_path: Path) -> None:
    """Only the scripts that are named run; a name that is none is refused."""
    done = run(tmp_path, {"x": result(case="a", value=1), "y": "raise SystemExit(1)"}, "x")
    assert done.returncode == 0
    assert "y" not in done.stdout.split()
    refused = subprocess.run([sys.executable, str(RUN), "nonsense"], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr) == (2, "error: no such benchmark: bench_nonsense.py\n")
