"""What a user installs is whole: the wheel and the zip application run far from the checkout, with the rules inside."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import engine

ROOT = Path(__file__).resolve().parent.parent
RULES = sorted(ROOT.glob("rules/*/*.yaml"))

BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program far from the checkout, in an environment that knows nothing of it."""
    clean = {"PATH": os.defpath, "HOME": str(cwd), "LANG": "C.UTF-8", **environment}
    return subprocess.run([str(word) for word in words], cwd=cwd, env=clean, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    skipped = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "tests", "examples")
    shutil.copytree(ROOT, folder / "source", ignore=skipped)
    done = subprocess.run([sys.executable, "-c", BUILD, str(folder)], cwd=folder / "source", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh virtual environment that holds the wheel and, by reference, the libraries."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    # Paths named in a .pth file are searched, but the .pth files in them (an editable install of the checkout) are not read.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip())
    (site / "libraries.pth").write_text(sysconfig.get_path("platlib") + "\n", encoding="utf-8")
    return folder / "bin"


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip application."""
    path = tmp_path_factory.mktemp("pyz") / "diagnose.pyz"
    subprocess.run([sys.executable, str(ROOT / "tools" / "pyz.py"), str(path)], check=True, capture_output=True)
    return path


def test_package_list() -> None:
    """setup.cfg lists every package: a new folder that is forgotten there would be missing in the wheel."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = config["options"]["packages"].split()
    found = [".".join(path.parent.relative_to(ROOT).parts) for top in ("engine", "collectors") for path in (ROOT / top).rglob("__init__.py")]
    assert listed == sorted([*found, "engine.rules", "engine.playbooks"])


def test_every_folder_with_code_is_a_package() -> None:
    """Each folder of engine and collectors that holds Python files has an __init__.py, or the package list cannot name it."""
    modules = [path for top in ("engine", "collectors") for path in (ROOT / top).rglob("*.py")]
    assert not [str(path.parent.relative_to(ROOT)) for path in modules if not (path.parent / "__init__.py").exists()]


def test_wheel_holds_everything(wheel: Path) -> None:
    """The wheel holds each file of engine and collectors, each rule and each playbook, and nothing else beside its metadata."""
    expected = {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in (("engine", "engine"), ("collectors", "collectors"), ("rules", "engine/rules"), ("playbooks", "engine/playbooks"))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md"
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected


def test_wheel_runs(installed: Path, tmp_path: Path) -> None:
    """The installed command runs its own code, not the checkout's, and finds the rules of the wheel."""
    where = run(installed / "python", "-I", "-c", "import engine; print(engine.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(installed.parent))
    version = run(installed / "diagnose", "--version", cwd=tmp_path)
    assert version.returncode == 0, version.stderr
    assert engine.__version__ in version.stdout
    rules = run(installed / "diagnose", "rules", "list", cwd=tmp_path)
    assert rules.returncode == 0, rules.stderr
    assert {path.stem for path in RULES} <= set(rules.stdout.split())


def test_wheel_diagnoses(installed: Path, tmp_path: Path) -> None:
    """The installed command renders a playbook: it diagnoses the example of the demonstration as the checkout does."""
    example = ROOT / "examples" / "pod-cannot-reach-db"
    done = run(installed / "diagnose", "--symptom", "pod cannot reach db", "--bundle", example, "--format", "json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert '"docker-forward-drop"' in done.stdout


def test_pyz_runs(pyz: Path, tmp_path: Path) -> None:
    """The zip application runs with a bare interpreter: no site-packages, no environment, nothing beside it."""
    lone = shutil.copy(pyz, tmp_path)
    version = run(sys.executable, "-I", "-S", lone, "--version", cwd=tmp_path)
    assert version.returncode == 0, version.stderr
    assert engine.__version__ in version.stdout
    rules = run(sys.executable, "-I", "-S", lone, "rules", "list", cwd=tmp_path)
    assert rules.returncode == 0, rules.stderr
    assert {path.stem for path in RULES} <= set(rules.stdout.split())


def test_pyz_diagnoses(pyz: Path, tmp_path: Path) -> None:
    """The zip application gives the same report as the program in the checkout."""
    words = ["--symptom", "pod cannot reach db", "--bundle", str(ROOT / "examples" / "pod-cannot-reach-db"), "--format", "json"]
    packed = run(sys.executable, "-I", "-S", pyz, *words, cwd=tmp_path)
    entry = "import sys; from engine.cli import main; sys.exit(main())"
    checkout = run(sys.executable, "-c", entry, *words, cwd=ROOT)
    assert (packed.returncode, packed.stdout) == (1, checkout.stdout), packed.stderr


def test_pyz_is_reproducible(pyz: Path, tmp_path: Path) -> None:
    """The same sources give the same bytes."""
    again = tmp_path / "again.pyz"
    subprocess.run([sys.executable, str(ROOT / "tools" / "pyz.py"), str(again)], check=True, capture_output=True)
    assert again.read_bytes() == pyz.read_bytes()


def test_pyz_is_pure(pyz: Path) -> None:
    """The zip application holds nothing compiled, so it runs on any processor and any Python from 3.11."""
    with zipfile.ZipFile(pyz) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".so", ".pyd", ".pyc"))]


def test_old_python_is_told(pyz: Path, tmp_path: Path) -> None:
    """On a Python that is too old the zip application says so in one line; its first lines must compile anywhere."""
    with zipfile.ZipFile(pyz) as archive:
        main = archive.read("__main__.py").decode()
    pretend = f"import sys; sys.version_info = (3, 6, 15)\n{main}"
    done = run(sys.executable, "-I", "-c", pretend, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "error: diagnose needs Python 3.11 or later, this is 3.6\n")
