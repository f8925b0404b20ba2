"""What ``diagnose rules …`` does, as functions that give text and exit status; the command line only prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from engine.data import builtin
from engine.errors import ExitStatus, RuleError
from engine.rulebase import sources
from engine.rulebase.issues import Issue, render
from engine.rulebase.loader import Rulebase, load, read
from engine.rulebase.reading import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.rulebase.model import Rule

Answer = tuple[str, ExitStatus]
"""Text to print and the exit status."""


INNERMOST = re.compile(r"{%-? if (?:(?!%}).)*%}((?:(?!{%).)*)(?:{%-? el(?:(?!%}).)*%}(?:(?!{%).)*)*{%-? endif -?%}")
"""An ``{% if %}`` of a title that holds no other; its first alternative."""
CHOICE = re.compile(r"{{ '([^']*)' if [^}]*}}")
FIELD = re.compile(r"{{ ([\w.]+)[^}]*}}")


def list_rules(options: Sequence[str | Path] = (), lang: str = "en") -> Answer:
    """The rules in force: id, layer, severity, title; raises :class:`RuleError` if they cannot be loaded."""
    rulebase = load(options)
    width = max((len(rule.id) for rule in rulebase.rules), default=0)
    lines = [f"{rule.id:<{width}}  {rule.layer:<9}  {rule.severity:<8}  {_summary(rule, lang)}" for rule in rulebase.rules]
    lines += [f"{rule.id:<{width}}  disabled by an override" for rule in rulebase.disabled]
    lines.extend(issue.head() for issue in rulebase.warnings)
    return "\n".join(lines) or "no rules", ExitStatus.NO_FAULT


def _summary(rule: Rule, lang: str) -> str:
    if not rule.finding:
        return f"(derives {', '.join(sorted({derivation.kind for derivation in rule.derive}))})"
    text = rule.title.get(lang) or rule.title.get("en", "")
    return _plain(text)


def _plain(template: str) -> str:
    """A title to be read rather than rendered: of alternatives the first, fields as ``<drop.node>``."""
    before = ""
    while before != template:
        before = template
        template = INNERMOST.sub(lambda found: found[1], template)
    return FIELD.sub(lambda found: f"<{found[1]}>", CHOICE.sub(lambda found: found[1], template))


def show_rule(name: str, options: Sequence[str | Path] = (), lang: str = "en") -> Answer:
    """The document of one rule with where it stands, what an override changed, and its playbook's place."""
    rulebase = load(options)
    everything = (*rulebase.rules, *rulebase.disabled)
    rule = next((one for one in everything if one.id == name), None)
    if rule is None:
        from engine.rulebase.issues import did_you_mean

        message = f"there is no rule {name!r}{did_you_mean(name, (one.id for one in everything))}"
        raise RuleError(message, "`diagnose rules list` shows them all")
    head = [f"# {rule.origin.file}", f"# {_summary(rule, lang)}", *_override_lines(rule, rulebase)]
    if rule.playbook:
        found = next((str(place) for folder in rule.playbooks if (place := folder / f"{rule.playbook}.j2").is_file()), "missing")
        head.append(f"# playbook: {found}")
    return "\n".join([*head, _source_of(rule, rulebase).rstrip()]), ExitStatus.NO_FAULT


def _override_lines(rule: Rule, rulebase: Rulebase) -> list[str]:
    if rule in rulebase.disabled:
        return ["# disabled by an override"]
    override = rule.override
    if override is None:
        return []
    until = f" until {override.expires}" if override.expires else ""
    return [f"# overridden in {override.at.file}:{override.at.line}{until} ({', '.join(override.keys)}): {override.reason}"]


def _source_of(rule: Rule, rulebase: Rulebase) -> str:
    """The rule's file as it is written."""
    for folder in rulebase.folders:
        for file in sources.rule_files(folder):
            if str(file) == rule.origin.file:
                return file.read_bytes().decode("utf-8-sig", "replace")
    return ""


def lint_paths(paths: Sequence[str | Path] = (), options: Sequence[str | Path] = ()) -> Answer:
    """Every issue of the rules under ``paths`` (all sources if there are none), each with its line and a caret.

    Rules of other sources are read too, for overrides and references, but only what is wrong under ``paths`` is told.
    """
    from engine.rulebase.lint import lint

    rulebase, issues = _read(paths, options)
    issues = [*issues, *lint(rulebase)]
    chosen = _under(issues, paths)
    errors = sum(not issue.warning for issue in chosen)
    count = len([rule for rule in (*rulebase.rules, *rulebase.disabled) if _is_under(rule.origin.file, paths)])
    summary = f"{_counted(count, 'rule')}: {_counted(errors, 'error')}, {_counted(len(chosen) - errors, 'warning')}"
    return "\n".join(filter(None, (render(chosen), summary))), ExitStatus.BAD_INPUT if errors else ExitStatus.NO_FAULT


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _read(paths: Sequence[str | Path], options: Sequence[str | Path]) -> tuple[Rulebase, list[Issue]]:
    named = [Path(path) for path in paths]
    for path in named:
        if not path.exists():
            message = f"no such file or folder: {path}"
            raise RuleError(message)
    folders = sources.folders(options)
    covered = {folder.resolve() for folder in folders if isinstance(folder, Path)}
    more = [path for path in named if not any(folder == path.resolve() or folder in path.resolve().parents for folder in covered)]
    return read([*folders, *more], tests=True)


def _under(issues: Iterable[Issue], paths: Sequence[str | Path]) -> list[Issue]:
    return sorted({issue for issue in issues if _is_under(issue.at.file, paths)})


def _is_under(file: str, paths: Sequence[str | Path]) -> bool:
    """Whether a file lies under one of the paths, or in the playbooks that belong to it."""
    if not paths:
        return True
    place = Path(file).resolve()
    roots = [Path(path).resolve() for path in paths]
    return any(place == root or root in place.parents for root in roots)


def test_paths(
    paths: Sequence[str | Path] = (),  # noqa: PT028  # a command of the program, not a test
    options: Sequence[str | Path] = (),  # noqa: PT028
    matcher: str = "auto",  # noqa: PT028
) -> Answer:
    """Run the inline tests of the rules under ``paths`` (all sources if there are none); raises for rules that cannot be loaded."""
    from engine.rulebase.issues import RulebaseError
    from engine.rulebase.selftest import run

    rulebase, issues = _read(paths, options)
    if any(not issue.warning for issue in issues):
        raise RulebaseError(issues)
    named = [rule for rule in (*rulebase.rules, *rulebase.originals) if _is_under((rule.override.at if rule.override else rule.origin).file, paths)]
    names = {rule.id for rule in named} if paths else None
    outcomes = run(rulebase, names, matcher)
    failed = [outcome for outcome in outcomes if outcome.faults]
    lines = []
    for outcome in failed:
        at = outcome.test.at if outcome.test else outcome.rule.origin
        name = outcome.test.name if outcome.test else "tests"
        lines.append(f"{at.file}:{at.line}:{at.column} {outcome.rule.id}: {name}: {'; '.join(outcome.faults)}")
    rules = len({outcome.rule.id for outcome in outcomes})
    lines.append(f"{_counted(len(outcomes), 'test')} of {_counted(rules, 'rule')}: {len(failed) or 'none'} failed")
    return "\n".join(lines), ExitStatus.BAD_INPUT if failed else ExitStatus.NO_FAULT


def new_rule(name: str, folder: str | Path) -> Answer:
    """Write a rule that fires, lints and passes its tests, and its playbook, as a start for one's own; nothing is overwritten."""
    if not NAME.match(name):
        message = f"{name!r} is no rule id: use lower-case words joined by hyphens"
        raise RuleError(message)
    if any(file.name == f"{name}.yaml" for file in sources.rule_files(builtin("rules"))):
        message = f"there is a built-in rule {name!r}, and an id names one rule"
        raise RuleError(message, f"choose another id; to change the built-in rule or switch it off, write an override: `override: {name}`")
    base = Path(folder)
    files = {base / f"{name}.yaml": SKELETON.replace("@ID@", name), base / sources.PLAYBOOKS / f"{name}.j2": PLAYBOOK.replace("@ID@", name)}
    for file in files:
        if file.exists():
            message = f"{file} is already there"
            raise RuleError(message)
    try:
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot write {error.filename}: {error.strerror}"
        raise RuleError(message) from error
    written = "\n".join(f"wrote {file}" for file in files)
    return f"{written}\nnext: edit them, then run `diagnose rules lint {base}` and `diagnose rules test {base}`", ExitStatus.NO_FAULT


SKELETON = """\
# One failure mode.  The language: docs/rules.md; kinds of facts: diagnose rules facts; remedies: diagnose rules operations.
id: @ID@
title:
  en: "{{ drop.node }}: a packet to {{ drop.dst }} is dropped in chain {{ drop.chain }}"
  zh: "{{ drop.node }}：发往 {{ drop.dst }} 的报文在链 {{ drop.chain }} 被丢弃"
layer: netfilter                # link | route | kernel | netfilter | tunnel | cni | service | dns | app
severity: high                  # low | medium | high | critical
symptoms: [timeout]             # what the client sees
references: []

# All patterns must match; a join ties a fact to one that is bound above it.
when:
  - fact: drop                  # where the walk of the flow ends
    as: drop
    where: {by: rule, table: filter}
  - fact: netfilter_rule        # the rule that ended it
    as: rule
    where: {target: DROP}
    join: {node: drop.node, stack: drop.stack, table: drop.table, chain: drop.chain, number: drop.number}

# Patterns that must not match.
none: []

# Comparisons across the bound facts.
guard: []

# Matches with equal values are one finding.
dedupe: [rule.node, rule.chain, rule.number]

# Commands that are printed (never run), after they were tried on the model.
remedies:
  - op: iptables.delete
    title: {en: "Delete the rule", zh: "删除该规则"}
    table: filter
    chain: "{{ rule.chain }}"
    rule: "{{ rule.spec }}"

# The explanation: playbooks/@ID@.j2
playbook: @ID@

# At least one that fires and one that must not.  Facts are as the collectors and the walk make them.
tests:
  - name: the deciding rule is found
    facts:
      - {kind: drop, node: n1, fields: {by: rule, table: filter, chain: FORWARD, number: 3, dst: 10.0.0.9}}
      - {kind: netfilter_rule, node: n1, fields: {table: filter, chain: FORWARD, number: 3, target: DROP, spec: "-s 10.0.0.0/8 -j DROP"}}
    expect:
      - id: @ID@
        bind: {rule.number: 3}
  - name: another node's rule is no cause
    facts:
      - {kind: drop, node: n1, fields: {by: rule, table: filter, chain: FORWARD, number: 3, dst: 10.0.0.9}}
      - {kind: netfilter_rule, node: n2, fields: {table: filter, chain: FORWARD, number: 3, target: DROP, spec: "-s 10.0.0.0/8 -j DROP"}}
    expect: []
"""
"""A rule that works as it stands."""

PLAYBOOK = """\
{% extends "_base.j2" %}
{% block cause_en %}
On {{ drop.node }} the packet to {{ drop.dst }} reaches rule {{ rule.number }} of chain {{ rule.chain }}, which drops it: {{ rule.spec }}
{% endblock %}
{% block cause_zh %}
在 {{ drop.node }} 上，发往 {{ drop.dst }} 的报文命中链 {{ rule.chain }} 的第 {{ rule.number }} 条规则并被丢弃：{{ rule.spec }}
{% endblock %}
"""
"""Its playbook."""
