"""Lint: what loading does not show (most codes have their case in test_loader)."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from engine import templates
from engine.rulebase import loader
from engine.rulebase.lint import known_operations, lint

if TYPE_CHECKING:
    from pathlib import Path

    from engine.rulebase.issues import Issue

RULE = """\
id: alpha
title: {en: "x", zh: "x"}
layer: netfilter
severity: high
when:
  - {fact: drop, as: drop}
playbook: mine
tests:
  - {name: fires, facts: [{kind: drop}], expect: [alpha]}
  - {name: silent, facts: [], expect: []}
"""
CAUSES = "{% block cause_en %}x{% endblock %}{% block cause_zh %}x{% endblock %}"


def issues(folder: Path, playbook: str, rule: str = RULE) -> list[str]:
    """Issues of a rule with a playbook, without the folder."""
    (folder / "playbooks").mkdir(exist_ok=True)
    (folder / "playbooks" / "mine.j2").write_text(playbook, encoding="utf-8")
    (folder / "alpha.yaml").write_text(rule, encoding="utf-8")
    templates.environment.cache_clear()
    rulebase, found = loader.read([folder], tests=True)
    assert found == []
    return [issue.head().removeprefix(f"{folder}/") for issue in lint(rulebase)]


@pytest.mark.parametrize(("playbook", "expected"), [
    ('{% extends "_base.j2" %}' + CAUSES, []),
    (CAUSES, ['playbooks/mine.j2:1:1 playbook-block must start with {% extends "_base.j2" %}']),
    ('{% extends "_base.j2" %}{% block cause_en %}x{% endblock %}', ["playbooks/mine.j2:1:1 playbook-block has no block cause_zh"]),
    ('{% extends "_base.j2" %}' + CAUSES + "\n{% block remedy_eng %}x{% endblock %}",
     ["playbooks/mine.j2:2:1 playbook-block block 'remedy_eng' is never printed; did you mean 'remedy_en'?"]),
    ('{% extends "_base.j2" %}\n{% block cause_en %}{{ dorp.dst }}{% endblock %}{% block cause_zh %}{{ drop.dts }}{% endblock %}', [
        "playbooks/mine.j2:2:1 template-field drop has no field 'dts'; did you mean 'dst'? (rule alpha)",
        "playbooks/mine.j2:2:1 template-name template uses 'dorp', which is not bound; did you mean 'drop'? (rule alpha)"]),
    ('{% extends "_base.j2" %}\n{% block cause_en %}{{ drop.dst }', ["playbooks/mine.j2:2:1 template-syntax unexpected '}'"]),
    ('{% extends "_base.j2" %}\n\n{% include "x.j2" %}', ["playbooks/mine.j2:3:1 template-syntax include is not allowed here"]),
    ("x" * 70_000, ["playbooks/mine.j2 template-syntax longer than 65536 characters"]),
])  # fmt: skip
def test_playbooks(playbook: str, expected: list[str], tmp_path: Path) -> None:
    """Faults of a playbook are told in its own file and line."""
    assert issues(tmp_path, playbook) == expected


def test_deep_templates_are_told(tmp_path: Path) -> None:
    """A template that Jinja cannot compile is an issue, not a crash."""
    found = issues(tmp_path, '{% extends "_base.j2" %}' + CAUSES, RULE.replace('en: "x"', 'en: "{{ ' + "(" * 2000 + "1" + ")" * 2000 + ' }}"', 1))
    assert len(found) == 1
    assert " template-syntax " in found[0]


def test_every_template_of_a_remedy_is_checked(tmp_path: Path) -> None:
    """Titles, conditions and parameters at any depth are templates too."""
    rule = RULE + (
        'remedies:\n  - op: iptables.insert\n    title: {en: "{{ a }}", zh: "{{ b }}"}\n    when: "{{ c }}"\n'
        '    table: filter\n    chain: "{{ d }}"\n'
        '    rule: ["{{ e }}", {x: "{{ f }}"}]\n'
    )
    found = issues(tmp_path, '{% extends "_base.j2" %}' + CAUSES, rule)
    assert [head.split("'")[1] for head in found] == ["a", "b", "c", "d", "e", "f"]
    assert found[3].startswith("alpha.yaml:16:5 template-name")


def test_names_that_templates_always_have(tmp_path: Path) -> None:
    """The branch, the remedies and the language are known everywhere."""
    english = "{% block cause_en %}{{ branch }}{{ lang }}{% for r in remedies %}{{ r.risk }}{{ loop.index }}{% endfor %}{% endblock %}"
    assert issues(tmp_path, '{% extends "_base.j2" %}' + english + "{% block cause_zh %}{{ self.cause_en() }}{% endblock %}") == []


def test_without_operations_remedies_are_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the remedies cannot be imported, lint still does the rest."""
    rule = RULE + 'remedies: [{op: whatever, title: {en: "x", zh: "x"}}]\n'
    monkeypatch.setitem(sys.modules, "engine.remedies", None)
    assert known_operations() is None
    assert issues(tmp_path, '{% extends "_base.j2" %}' + CAUSES, rule) == []
    monkeypatch.setitem(sys.modules, "engine.remedies", SimpleNamespace(OPERATIONS={}))
    assert [head.split()[1] for head in issues(tmp_path, '{% extends "_base.j2" %}' + CAUSES, rule)] == ["unknown-operation"]


def when(folder: Path, patterns: str, guard: str = "") -> list[Issue]:
    """Join issues of a rule."""
    text = f"id: alpha\ntitle: {{en: x, zh: x}}\nlayer: link\nseverity: low\nexplain: {{en: x, zh: x}}\nwhen:\n{patterns}\n{guard}\n"
    (folder / "alpha.yaml").write_text(text, encoding="utf-8")
    rulebase, found = loader.read([folder], tests=True)
    assert found == []
    return [issue for issue in lint(rulebase) if "join" in issue.code]


def test_joins_through_others_are_joins(tmp_path: Path) -> None:
    """Patterns may be tied through a third one, in either order."""
    chain = "  - {fact: link, as: a}\n  - {fact: address, as: b, join: {device: a.name}}\n  - {fact: route, as: c, join: {src: b.address}}"
    assert when(tmp_path, chain) == []


def test_a_guard_ties_what_the_walk_derived(tmp_path: Path) -> None:
    """Few facts come from the walk, so a guard alone may compare them with many."""
    assert when(tmp_path, "  - {fact: drop, as: a}\n  - {fact: ippool, as: b}", "guard: [{left: a.src, op: in-prefix, right: b.cidr}]") == []


def test_two_islands_are_told_once(tmp_path: Path) -> None:
    """Of several patterns apart from the first, the first is told."""
    found = when(tmp_path, "  - {fact: link, as: a}\n  - {fact: route, as: b}\n  - {fact: route, as: c, join: {dst: b.dst}}")
    assert [(issue.code, issue.at.line) for issue in found] == [("no-join", 8)]
