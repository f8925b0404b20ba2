"""The law of conftest.py: in CI no lab test is skipped unseen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """\
import pytest

def test_inside():
    pytest.skip("needs root")

@pytest.mark.skip(reason="needs a kernel module")
def test_outside():
    assert False
"""


@pytest.mark.parametrize(("folder", "ci", "status"), [("lab", "true", 1), ("lab", "", 0), ("engine", "true", 0)])
def test_skip(tmp_path: Path, folder: str, ci: str, status: int) -> None:
    """A skipped lab test fails with CI set, and only then; other tests may be skipped."""
    place = tmp_path / "tests" / folder
    place.mkdir(parents=True)
    (place / "test_x.py").write_text(SKIPS, encoding="utf-8")
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path / "tests")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), "-c", os.devnull, "-p", "no:cacheprovider", str(tmp_path)],
        env={**os.environ, "CI": ci}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )
    assert done.returncode == status, done.stdout
    assert ("needs root" in done.stdout) == bool(status)
