"""``diagnose rules …``: what the commands print and with which status they end."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from engine.data import builtin
from engine.errors import ExitStatus, RuleError
from engine.rulebase import commands
from engine.rulebase.issues import RulebaseError
from engine.rulebase.loader import load

if TYPE_CHECKING:
    from pathlib import Path


def new(folder: Path, name: str = "our-drop") -> Path:
    """A folder with a fresh rule."""
    commands.new_rule(name, folder)
    return folder


def test_a_new_rule_is_whole(tmp_path: Path) -> None:
    """The skeleton lints without a word, passes its own tests, and explains itself line by line."""
    text, status = commands.new_rule("our-drop", tmp_path)
    assert status is ExitStatus.NO_FAULT
    assert text.startswith(
        f"wrote {tmp_path}/our-drop.yaml\nwrote {tmp_path}/playbooks/our-drop.j2\nnext: edit them, then run `diagnose rules lint {tmp_path}`"
    )
    assert commands.lint_paths([tmp_path]) == ("1 rule: 0 errors, 0 warnings", ExitStatus.NO_FAULT)
    assert commands.test_paths([tmp_path]) == ("2 tests of 1 rule: none failed", ExitStatus.NO_FAULT)
    assert (tmp_path / "our-drop.yaml").read_text(encoding="utf-8").count("#") > 10


@pytest.mark.parametrize("name", ["Our", "a_b", "../x", "", "-a"])
def test_bad_names(name: str, tmp_path: Path) -> None:
    """A name that is no id writes nothing."""
    with pytest.raises(RuleError, match="is no rule id"):
        commands.new_rule(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """An existing file stays."""
    new(tmp_path)
    with pytest.raises(RuleError, match=r"our-drop\.yaml is already there"):
        commands.new_rule("our-drop", tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A path that is no folder is one clear line."""
    (tmp_path / "file").touch()
    with pytest.raises(RuleError, match=r"cannot write .*file: File exists"):
        commands.new_rule("our-drop", tmp_path / "file")


def test_list(tmp_path: Path) -> None:
    """Every rule in force on a line with id, layer, severity and title; disabled and expired ones are told."""
    new(tmp_path)
    new(tmp_path, "other")
    (tmp_path / "o.yaml").write_text(
        "override: other\nreason: x\ndisable: true\n---\noverride: our-drop\nreason: x\nseverity: low\nexpires: 2020-01-01\n", encoding="utf-8"
    )
    text, status = commands.list_rules([tmp_path])
    assert status is ExitStatus.NO_FAULT
    lines = text.splitlines()
    own = next(line for line in lines if line.startswith("our-drop"))
    assert own.split(None, 3) == ["our-drop", "netfilter", "high", "<drop.node>: a packet to <drop.dst> is dropped in chain <drop.chain>"]
    assert [line.split(None, 1)[1] for line in lines if line.startswith("other ")] == ["disabled by an override"]
    assert "override-expired" in lines[-1]
    assert "发往" in commands.list_rules([tmp_path], "zh")[0]


def test_rules_that_only_derive_are_listed_as_such(tmp_path: Path) -> None:
    """A rule without a finding has no title; it is listed by what it derives."""
    text = "id: feeds\nwhen: [{fact: link, as: l}]\nfinding: false\nderive: [{fact: seen, fields: {name: l.name}}]\n"
    (tmp_path / "feeds.yaml").write_text(text, encoding="utf-8")
    assert "(derives seen)" in commands.list_rules([tmp_path])[0]


def test_show(tmp_path: Path) -> None:
    """A rule is shown as it is written, with its place, its playbook, and the override that changed it."""
    new(tmp_path)
    (tmp_path / "o.yaml").write_text("override: our-drop\nreason: ours\nseverity: low\nexpires: 2999-01-01\n", encoding="utf-8")
    text, status = commands.show_rule("our-drop", [tmp_path])
    assert status is ExitStatus.NO_FAULT
    assert text.splitlines()[:4] == [
        f"# {tmp_path}/our-drop.yaml",
        "# <drop.node>: a packet to <drop.dst> is dropped in chain <drop.chain>",
        f"# overridden in {tmp_path}/o.yaml:1 until 2999-01-01 (severity): ours",
        f"# playbook: {tmp_path}/playbooks/our-drop.j2",
    ]
    assert text.endswith((tmp_path / "our-drop.yaml").read_text(encoding="utf-8").rstrip())


def test_show_disabled(tmp_path: Path) -> None:
    """A disabled rule can still be read."""
    new(tmp_path)
    (tmp_path / "o.yaml").write_text("override: our-drop\nreason: ours\ndisable: true\n", encoding="utf-8")
    assert "# disabled by an override\n" in commands.show_rule("our-drop", [tmp_path])[0]


def test_show_unknown(tmp_path: Path) -> None:
    """A misspelt id gets a did-you-mean."""
    with pytest.raises(RuleError, match="there is no rule 'our-dorp'; did you mean 'our-drop'"):
        commands.show_rule("our-dorp", [new(tmp_path)])


def test_lint_tells_only_what_is_wrong_under_the_path(tmp_path: Path) -> None:
    """Other folders are read for references, but their issues are theirs."""
    mine, theirs = new(tmp_path / "mine"), new(tmp_path / "theirs", "their-drop")
    file = theirs / "their-drop.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("severity: high", "severity: hihg"), encoding="utf-8")
    (mine / "o.yaml").write_text("override: their-drop\nreason: x\nsymptoms: [reset]\n", encoding="utf-8")
    assert commands.lint_paths([mine], [theirs]) == ("1 rule: 0 errors, 0 warnings", ExitStatus.NO_FAULT)
    text, status = commands.lint_paths([theirs])
    assert status is ExitStatus.BAD_INPUT
    assert text == dedent(f"""\
        {file}:7:11 bad-value severity cannot be 'hihg'; did you mean 'high'?
            severity: hihg                  # low | medium | high | critical
                      ^
        1 rule: 1 error, 0 warnings""")


def test_warnings_alone_are_no_failure(tmp_path: Path) -> None:
    """A warning is printed and the status stays 0."""
    (new(tmp_path) / "our-drop.yaml").rename(tmp_path / "x.yaml")
    text, status = commands.lint_paths([tmp_path / "x.yaml"])
    assert status is ExitStatus.NO_FAULT
    assert "misplaced warning" in text
    assert text.endswith("1 rule: 0 errors, 1 warning")


def test_failing_tests_are_placed(tmp_path: Path) -> None:
    """A failing inline test is told with file, line, rule, name and reason, and the status is 2."""
    file = new(tmp_path) / "our-drop.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("rule.number: 3", "rule.number: 4"), encoding="utf-8")
    line = next(number for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if "the deciding rule is found" in text)
    assert commands.test_paths([tmp_path]) == (
        f"{file}:{line}:11 our-drop: the deciding rule is found: our-drop: rule.number is 3, not 4\n2 tests of 1 rule: 1 failed",
        ExitStatus.BAD_INPUT,
    )


def test_tests_of_rules_that_do_not_load(tmp_path: Path) -> None:
    """Rules with errors are not tested: their issues are raised."""
    (tmp_path / "x.yaml").write_text("id: x\n", encoding="utf-8")
    with pytest.raises(RulebaseError):
        commands.test_paths([tmp_path])


@pytest.mark.parametrize("command", [commands.lint_paths, commands.test_paths])
def test_missing_paths(command: object) -> None:
    """A path that is not there is one clear line."""
    with pytest.raises(RuleError, match="no such file or folder: /nowhere"):
        command(["/nowhere"])  # type: ignore[operator]  # one of two functions of one shape


def test_the_built_in_rulebase() -> None:
    """The rules that ship load, lint without an error and pass their tests under both matchers."""
    text, status = commands.lint_paths()
    assert status is ExitStatus.NO_FAULT, text
    for matcher in ("durable", "reference"):
        text, status = commands.test_paths(matcher=matcher)
        assert status is ExitStatus.NO_FAULT, text
    rules = load().rules
    assert commands.lint_paths([str(builtin("rules"))])[0].startswith(f"{len(rules)} rules: 0 errors")
