"""Rule folders: where they are looked for, in which order, and what counts as a rule file."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import engine
from engine.data import builtin
from engine.errors import RuleError
from engine.rulebase import sources
from engine.rulebase.sources import folders, installed, playbook_folders, rule_files


def test_order(tmp_path: Path) -> None:
    """The built-in rules come first, then the user's configuration, --rules, and the environment; a folder named twice counts once."""
    own, option, variable = tmp_path / "noroute" / "rules.d", tmp_path / "option", tmp_path / "variable"
    for folder in (own, option, variable):
        folder.mkdir(parents=True)
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "NOROUTE_RULES": f"{variable}{os.pathsep}{option}{os.pathsep}"}
    assert folders([option], environment) == [builtin("rules"), own, option, variable]


def test_configuration_folder(tmp_path: Path) -> None:
    """Without XDG_CONFIG_HOME (or with a relative one) it is ~/.config, and it need not exist."""
    assert folders([], {"HOME": str(tmp_path)}) == [builtin("rules")]
    own = tmp_path / ".config" / "noroute" / "rules.d"
    own.mkdir(parents=True)
    assert folders([], {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"}) == [builtin("rules"), own]


@pytest.mark.parametrize(
    ("options", "environment", "origin"), [(["/nowhere/a"], {}, "--rules"), ([], {"NOROUTE_RULES": "/nowhere/a"}, "NOROUTE_RULES")]
)
def test_a_named_folder_must_be_there(options: list[str], environment: dict[str, str], origin: str) -> None:
    """A folder that somebody named and that is missing is an error which says who named it."""
    with pytest.raises(RuleError, match=f"{origin}: no such rules folder: /nowhere/a"):
        folders(options, environment)


def test_rule_files(tmp_path: Path) -> None:
    """YAML files of all levels in order; hidden ones, playbooks, symptoms.yaml and linked folders are left out."""
    for name in ("b/x.yaml", "a.yml", "c.yaml", ".hidden.yaml", ".git/x.yaml", "playbooks/x.yaml", "symptoms.yaml", "notes.md", "d/e/f.yaml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "linked.yaml").symlink_to(tmp_path / ".hidden.yaml")
    assert [str(file.relative_to(tmp_path)) for file in rule_files(tmp_path) if isinstance(file, Path)] == [
        "a.yml", "b/x.yaml", "c.yaml", "d/e/f.yaml", "linked.yaml",
    ]  # fmt: skip
    assert rule_files(tmp_path / "c.yaml") == [tmp_path / "c.yaml"]


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is no rules folder (somebody's home) is refused, not read for minutes."""
    monkeypatch.setattr(sources, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.yaml").touch()
    with pytest.raises(RuleError, match="more than 3 rule files"):
        rule_files(tmp_path)


def test_playbook_folders(tmp_path: Path) -> None:
    """A folder's own playbooks come before the built-in ones; for a file, those beside it or above it."""
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "route").mkdir()
    (tmp_path / "route" / "x.yaml").touch()
    assert playbook_folders(tmp_path) == (tmp_path / "playbooks", builtin("playbooks"))
    assert playbook_folders(tmp_path / "route" / "x.yaml") == (tmp_path / "playbooks", builtin("playbooks"))
    assert playbook_folders(tmp_path / "route") == (builtin("playbooks"),)
    assert playbook_folders(builtin("rules")) == (builtin("playbooks"),)


def package(folder: Path, value: str) -> None:
    """An installed package that brings rules; importing it would fail."""
    (folder / "acme_rules" / "network").mkdir(parents=True)
    (folder / "acme_rules" / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    info = folder / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[noroute.rules]\nacme = {value}\n", encoding="utf-8")


@pytest.mark.parametrize(("value", "folder"), [("acme_rules", "acme_rules"), ("acme_rules:network", "acme_rules/network")])
def test_installed_packages(value: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package names its folder by an entry point, and its code is not run."""
    package(tmp_path, value)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installed() == [tmp_path / folder]


@pytest.mark.parametrize("value", ["acme_rules:nothing", "missing_rules"])
def test_a_broken_entry_point_is_told(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point without a folder is an error that names it."""
    package(tmp_path, value)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RuleError, match=f"entry point 'acme' of group noroute.rules names no folder: {value}"):
        installed()


def test_without_such_packages_no_metadata_is_parsed() -> None:
    """Looking for packages costs no import of the metadata library where none brings rules."""
    script = "import sys; from engine.rulebase.sources import installed; assert installed() == []; assert 'importlib.metadata' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert installed(["/nowhere"]) == []


def test_inside_a_zip_application(tmp_path: Path) -> None:
    """The built-in rules and playbooks are found and used inside an archive."""
    archive = tmp_path / "app.pyz"
    root = Path(engine.__file__).parent.parent
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted((root / "engine").rglob("*.py")):
            packed.write(file, file.relative_to(root))
        for folder in ("rules", "playbooks"):
            for file in sorted((root / folder).rglob("*")):
                packed.write(file, Path("engine") / file.relative_to(root))
    script = (
        "from engine.rulebase.loader import load; from engine.rulebase.lint import lint; from engine.rulebase import selftest\n"
        "base = load(tests=True); assert base.rules; assert 'app.pyz' in base.rules[0].origin.file\n"
        "assert not [issue for issue in lint(base) if not issue.warning]\n"
        "assert not [outcome for outcome in selftest.run(base) if outcome.faults]"
    )
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)
