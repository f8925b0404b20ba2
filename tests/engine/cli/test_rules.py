"""``diagnose rules``: prints what the rulebase answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]


def test_a_new_rule_can_be_linted_tested_listed_and_shown(run: Run, tmp_path: Path) -> None:
    """The rule that ``new`` writes passes lint and its own tests, is listed, and is shown."""
    folder = str(tmp_path / "own")
    assert run("rules", "new", "our-rule", "--dir", folder).exit_code == 0
    assert run("rules", "lint", folder).exit_code == 0
    assert run("rules", "test", folder).exit_code == 0
    assert "our-rule" in run("rules", "list", "--rules", folder).stdout
    assert "id: our-rule" in run("rules", "show", "our-rule", "--rules", folder).stdout


def test_unknown_rule_is_bad_input(run: Run, tmp_path: Path) -> None:
    """An id that no rule has ends with status 2 and says how to find the right one."""
    run("rules", "new", "our-rule", "--dir", str(tmp_path))
    result = run("rules", "show", "our-rul", "--rules", str(tmp_path))
    assert result.exit_code == 2
    assert "our-rule" in result.stderr


def test_docs_writes_the_catalogue(run: Run, tmp_path: Path) -> None:
    """``rules docs`` writes an index and a page for each mode, in both languages."""
    result = run("rules", "docs", "-o", str(tmp_path / "out"))
    assert result.exit_code == 0
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"README.md", "README.zh.md", "docker-forward-drop.md", "docker-forward-drop.zh.md"} <= names


def test_what_rules_may_speak_of_is_listed(run: Run) -> None:
    """Kinds of facts and operations can be looked up without the source; a mistyped one ends with status 2."""
    assert "netfilter_table" in run("rules", "facts").stdout
    assert "reject_with" in run("rules", "facts", "drop").stdout
    assert "iptables.insert" in run("rules", "operations").stdout
    assert run("rules", "operations", "nft.inset").exit_code == 2


def test_a_built_in_id_is_refused(run: Run, tmp_path: Path) -> None:
    """``rules new`` with the id of a built-in rule writes nothing and says what to do instead."""
    result = run("rules", "new", "docker-forward-drop", "--dir", str(tmp_path))
    assert result.exit_code == 2
    assert "built-in rule 'docker-forward-drop'" in result.stderr
    assert "override" in result.stderr
    assert not list(tmp_path.iterdir())
