"""Inline tests: exactly the expected rules fire, and a failure says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.rulebase import loader
from engine.rulebase.selftest import run

if TYPE_CHECKING:
    from pathlib import Path

RULE = """\
id: {id}
title: {{en: x, zh: x}}
layer: link
severity: low
explain: {{en: x, zh: x}}
when:
  - {{fact: {kind}, as: it}}
tests:
{tests}
"""


def faults(folder: Path, **rules: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """(rule, test, faults) of every inline test."""
    for name, text in rules.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    rulebase, issues = loader.read([folder], tests=True)
    assert [issue for issue in issues if not issue.warning] == []
    return [(outcome.rule.id, outcome.test.name if outcome.test else "", outcome.faults) for outcome in run(rulebase)]


def rule(name: str, kind: str, *tests: str) -> str:
    """A rule on one kind."""
    return RULE.format(id=name, kind=kind, tests="\n".join(f"  - {test}" for test in tests))


def test_outcomes(tmp_path: Path) -> None:
    """A rule that fires where it should, and one that does neither."""
    found = faults(
        tmp_path,
        a=rule(
            "a",
            "link",
            "{name: good, facts: [{kind: link}], expect: [a]}",
            "{name: silent, facts: [], expect: []}",
            "{name: dead, facts: [], expect: [a]}",
            "{name: loud, facts: [{kind: link, fields: {name: eth0}}], expect: []}",
        ),
    )
    assert found == [("a", "good", ()), ("a", "silent", ()), ("a", "dead", ("a did not fire",)), ("a", "loud", ("a fired: it={'name': 'eth0'}",))]


def test_bindings_are_compared(tmp_path: Path) -> None:
    """An expectation may name what is bound; one match that binds it all is enough."""
    facts = "[{kind: link, fields: {name: eth0, mtu: 1500}}, {kind: link, fields: {name: eth1, mtu: 1400}}]"
    found = faults(
        tmp_path,
        a=rule(
            "a",
            "link",
            f"{{name: second, facts: {facts}, expect: [{{id: a, bind: {{it.name: eth1, it.mtu: 1400}}}}]}}",
            f"{{name: mixed, facts: {facts}, expect: [{{id: a, bind: {{it.name: eth0, it.mtu: 1400}}}}]}}",
        ),
    )
    assert found == [("a", "second", ()), ("a", "mixed", ("a: it.mtu is 1500, not 1400",))]


def test_other_rules_do_not_disturb(tmp_path: Path) -> None:
    """Only the rule and those that a test names are looked at, so that a new rule never breaks another's tests."""
    found = faults(
        tmp_path,
        a=rule("a", "link", "{name: alone, facts: [{kind: link}], expect: [a]}", "{name: both, facts: [{kind: link}], expect: [a, b]}"),
        b=rule("b", "link", "{name: fires, facts: [{kind: link}], expect: [b]}"),
    )
    assert [one[2] for one in found] == [(), (), ()]


def test_rules_that_derive_take_part(tmp_path: Path) -> None:
    """What a rule reads is derived by the rules that derive it, over several steps, also for ``none``."""
    derives = (
        "id: {id}\nwhen:\n  - {{fact: {kind}, as: it}}\nfinding: false\nderive: [{{fact: {out}, fields: {{name: it.name}}}}]\ntests:\n  - {test}\n"
    )
    found = faults(
        tmp_path,
        one=derives.format(id="one", kind="link", out="first", test="{name: t, facts: [{kind: link}], expect: [one]}"),
        two=derives.format(id="two", kind="first", out="second", test="{name: t, facts: [{kind: first, fields: {name: x}}], expect: [two]}"),
        end=rule("end", "second", "{name: t, facts: [{kind: link, fields: {name: x}}], expect: [{id: end, bind: {it.name: x}}]}"),
        not_=rule("not", "address", "{name: t, facts: [{kind: link}, {kind: address}], expect: []}").replace(
            "tests:", "none: [{fact: second}]\ntests:"
        ),
    )
    assert [one[2] for one in found] == [(), (), (), ()]


def test_a_rule_without_tests_fails(tmp_path: Path) -> None:
    """No test is a failure, and is told as one."""
    assert faults(tmp_path, a=RULE.format(id="a", kind="link", tests="").replace("tests:", "")) == [("a", "", ("has no tests",))]


def test_overridden_rules_are_tested_as_written(tmp_path: Path) -> None:
    """The rule's own tests hold for the rule as it was; the override is tested by tests of its own."""
    own = rule("a", "link", "{name: own, facts: [{kind: link}], expect: [a]}")
    override = "override: a\nreason: x\nwhen: [{fact: route, as: it}]\n"
    assert faults(tmp_path, a=own, o=override) == [("a", "own", ())]
    tested = override + "tests: [{name: new, facts: [{kind: route}], expect: [a]}]\n"
    assert faults(tmp_path, a=own, o=tested) == [("a", "new", ()), ("a", "own", ())]
    disabled = "override: a\nreason: x\ndisable: true\n"
    assert faults(tmp_path, a=own, o=disabled) == [("a", "own", ())]
