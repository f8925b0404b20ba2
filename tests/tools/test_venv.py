"""tools/venv.sh on machines that lack something: one clear line, or another way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a checkout as the script looks at."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "tools", folder / "tools")
    for file in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    return folder


def program(folder: Path, name: str, text: str) -> Path:
    """An executable script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def venv_sh(checkout: Path, path: str = os.defpath, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing of this process's environment."""
    return subprocess.run(
        ["/bin/sh", "tools/venv.sh"], cwd=checkout, env={"PATH": path, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def test_no_python(checkout: Path, tmp_path: Path) -> None:
    """Without a Python of 3.11 or later the message says what to install."""
    old = program(tmp_path / "bin", "python3", "#!/bin/sh\nexit 1\n")
    for tool in ("dirname", "env"):
        (old.parent / tool).symlink_to(str(shutil.which(tool)))
    done = venv_sh(checkout, path=str(old.parent))
    assert done.returncode == 1
    assert done.stderr.startswith("error: no Python 3.11 or later on PATH; install one")
    assert done.stderr.count("\n") == 1


def test_python_named_but_too_old(checkout: Path, tmp_path: Path) -> None:
    """A PYTHON that is too old is refused by name."""
    old = program(tmp_path / "bin", "python3.6", "#!/bin/sh\nexit 1\n")
    done = venv_sh(checkout, PYTHON=str(old))
    assert (done.returncode, done.stderr) == (1, f"error: {old} is not a Python 3.11 or later; choose another: make PYTHON=python3.12\n")


@pytest.fixture
def without_ensurepip(tmp_path: Path) -> dict[str, str]:
    """Environment in which Python cannot make virtual environments, as on Debian without python3-venv."""
    broken = tmp_path / "broken"
    for module in ("ensurepip", "virtualenv"):
        program(broken, f"{module}.py", "raise ImportError\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("cat", "cc", "cksum", "dirname", "rm"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    return {"PYTHON": sys.executable, "PYTHONPATH": str(broken), "path": str(tools)}


def test_no_ensurepip(checkout: Path, without_ensurepip: dict[str, str]) -> None:
    """Where Python cannot make virtual environments the message names the package to install; nothing is left behind."""
    done = venv_sh(checkout, **without_ensurepip)
    assert done.returncode == 1
    assert f"apt install python{sys.version_info.major}.{sys.version_info.minor}-venv" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_virtualenv_takes_over(checkout: Path, without_ensurepip: dict[str, str]) -> None:
    """Where Python cannot, but virtualenv can, virtualenv makes the environment with the Python that was found."""
    program(Path(without_ensurepip["path"]), "virtualenv", '#!/bin/sh\necho "asked: $*" >&2\nexit 7\n')
    done = venv_sh(checkout, **without_ensurepip)
    assert done.returncode == 7
    assert f"asked: --quiet --python {sys.executable} {checkout}/.venv" in done.stderr
