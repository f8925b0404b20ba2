"""Rules that were kept are the rules that the YAML files hold."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from engine import kept
from engine.rulebase import loader, packed, sources
from engine.rulebase.issues import RulebaseError
from engine.rulebase.model import Mark, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.rulebase.sources import Folder

@pytest.fixture(autouse=True)
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf of the test's own, on which files count as settled at once."""
    monkeypatch.setattr(kept, "_file", lambda name: str(tmp_path / "shelf" / name))
    monkeypatch.setattr(kept, "SETTLED", 0)
    return tmp_path / "shelf"


@pytest.fixture
def own() -> Folder:
    """The built-in rules."""
    return sources.folders(environment={})[0]


def test_kept_rules_are_the_rules(own: Folder) -> None:
    """Packing and unpacking changes nothing: values, places, and where playbooks are looked for."""
    rules = loader.read([own])[0].rules
    assert packed.load(own) is None
    packed.save(own, rules)
    again = packed.load(own)
    assert again == rules
    for one, other in zip(again or (), rules, strict=True):
        for name in ("origin", "marks", "playbooks", "override"):
            assert getattr(one, name) == getattr(other, name)


def placeless(value: Any) -> Any:
    """A value as text that tells types apart (1, True), without the places of its parts."""
    if isinstance(value, Mark):
        return ""
    if isinstance(value, dict):
        return {key: placeless(part) for key, part in value.items() if not isinstance(part, Mark)}
    if isinstance(value, tuple):
        return (type(value).__name__, *(placeless(part) for part in value))
    return repr(value)


def said(rules: Sequence[Rule]) -> list[list[Any]]:
    """What rules say, without the places of their parts."""
    return [[placeless(getattr(rule, name)) for name in (*packed.FIELDS, "playbooks", "override")] for rule in rules]


def test_without_places_nothing_else_is_lost(own: Folder) -> None:
    """A run without rules of teams leaves the places of the parts behind, and nothing else; each rule still tells its file."""
    rules = loader.read([own])[0].rules
    packed.save(own, rules)
    light = packed.load(own, places=False) or ()
    assert [rule.origin for rule in light] == [rule.origin for rule in rules]
    assert said(light) == said(rules)
    assert any(pattern.at.line for rule in rules for pattern in rule.when)
    assert not any(pattern.at.line for rule in light for pattern in rule.when)


def test_the_second_run_reads_no_yaml(own: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run reads the files and keeps what they say; the second one takes that; with tests, files are always read."""
    monkeypatch.delenv("NOROUTE_RULES", raising=False)
    monkeypatch.setattr(sources, "folders", lambda _options: [own])
    first = loader.load()
    monkeypatch.setattr(loader, "_faultless", lambda *_, **__: pytest.fail("read again"))
    assert said(loader.load().rules) == said(first.rules)
    with pytest.raises(pytest.fail.Exception):
        loader.load(tests=True)


def test_changed_code_reads_anew(own: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that were checked by other code are checked again."""
    packed.save(own, loader.read([own])[0].rules)
    monkeypatch.setattr(packed, "READERS", packed.READERS[1:])
    assert packed.load(own) is None


def test_a_teams_rules_beside_kept_ones(own: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overrides, duplicates and circles of suppression are found whether the built-in rules were read or kept."""
    name = loader.read([own])[0].rules[0].id
    team = tmp_path / "team"
    team.mkdir()
    (team / "o.yaml").write_text(f"override: {name}\nreason: ours\nseverity: low\n", encoding="utf-8")
    monkeypatch.setattr(sources, "folders", lambda _options: [own, team])
    plain, issues = loader.read([own, team])
    assert not issues
    for _ in range(2):  # the second time from what the first one kept
        rulebase = loader.load()
        assert rulebase == plain
        assert rulebase.rule(name) != rulebase.originals[0]
    (team / "double.yaml").write_text(f"id: {name}\n", encoding="utf-8")
    with pytest.raises(RulebaseError) as kept_error:
        loader.load()
    assert [issue for issue in kept_error.value.issues if issue.code == "duplicate-id"] == [
        issue for issue in loader.read([own, team])[1] if issue.code == "duplicate-id"
    ]


def test_a_run_with_kept_rules_imports_no_reader() -> None:
    """What reads and checks YAML is not even imported once the rules are kept."""
    script = (
        "import sys; from engine import kept; kept.SETTLED = 0; from engine.rulebase.loader import load; load()\n"
        "for name in [n for n in sys.modules if n.startswith(('yaml', 'engine.rulebase'))]: del sys.modules[name]\n"
        "from engine.rulebase.loader import load; assert load().rules\n"
        "readers = {'yaml', 'engine.rulebase.document', 'engine.rulebase.reading', 'engine.rulebase.checks'} & set(sys.modules)\n"
        "assert not readers, readers"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
