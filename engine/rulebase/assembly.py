"""Folders of YAML to a :class:`Rulebase`; every issue of every file is found before anything is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.rulebase import sources
from engine.rulebase.checks import check
from engine.rulebase.document import MAX_BYTES, Document
from engine.rulebase.issues import Issue, did_you_mean
from engine.rulebase.loader import Rulebase
from engine.rulebase.model import Mark, Rule
from engine.rulebase.reading import RawOverride, RawRule, open_document, overridden, read_rule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from engine.rulebase.sources import Folder

    Found = dict[str, tuple[RawRule | Rule, Folder]]
    """Id → rule (as it stands in its document, or as it was kept) and its folder."""


def assemble(folders: Sequence[Folder], known: Sequence[Rule] | None, *, tests: bool, today: date | None) -> tuple[Rulebase, list[Issue]]:
    """Rules of some folders, with every issue; rules are only fit for use if no issue is an error.

    ``known`` are the rules of the first folder, if that need not be read.
    """
    issues: list[Issue] = []
    rules: Found = {rule.id: (rule, folders[0]) for rule in known or ()}
    overrides: list[tuple[RawOverride, Folder]] = []
    for folder in folders[known is not None :]:
        for file in sources.rule_files(folder):
            for raw in read_file(file, issues):
                if isinstance(raw, RawOverride):
                    overrides.append((raw, folder))
                elif raw.id and raw.id in rules:
                    first = _place(rules[raw.id][0])
                    issues.append(Issue(raw.at, "duplicate-id", f"rule {raw.id!r} is already in {first.file}:{first.line}; use `override: {raw.id}`"))
                elif raw.id:
                    rules[raw.id] = raw, folder
    chosen = _chosen(overrides, rules, issues, today)
    for name in chosen:
        _reopen(rules, name, issues)
    rulebase = _build(folders, rules, chosen, tests=tests)
    issues.extend(check(rulebase))
    issues = sorted(set(issues))  # a rule with an override was read twice
    warnings = tuple(issue for issue in issues if issue.warning)
    return Rulebase(rulebase.rules, rulebase.folders, warnings, rulebase.disabled, rulebase.originals), issues


def read_file(file: Folder, issues: list[Issue]) -> list[RawRule | RawOverride]:
    """Rule and override documents of one file."""
    text = _text(file, issues)
    if text is None:
        return []
    doc = Document(str(file), issues)
    before = len(issues)
    roots = doc.roots(text)
    if not roots and len(issues) == before:
        issues.append(Issue(Mark(str(file), 0, 0), "empty-file", "no rule in this file"))
    return [raw for root in roots if (raw := open_document(doc, root))]


def _text(file: Folder, issues: list[Issue]) -> str | None:
    place = Mark(str(file), 0, 0)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        issues.append(Issue(place, "unreadable", f"cannot be read: {error.strerror}"))
        return None
    if len(data) > MAX_BYTES:
        issues.append(Issue(place, "too-big", f"larger than {MAX_BYTES} bytes"))
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        issues.append(Issue(Mark(str(file), line, 1), "not-utf-8", f"not UTF-8 text (byte {data[error.start]:#04x})"))
        return None


def _chosen(
    overrides: Sequence[tuple[RawOverride, Folder]], rules: Found, issues: list[Issue], today: date | None
) -> dict[str, tuple[RawOverride, Folder]]:
    """The override in force for each id."""
    chosen: dict[str, tuple[RawOverride, Folder]] = {}
    for raw, folder in overrides:
        override = raw.override
        if override.id not in rules:
            if override.id:
                message = f"there is no rule {override.id!r} to override{did_you_mean(override.id, rules)}"
                issues.append(Issue(override.at, "unknown-override", message))
        elif _expired(override.expires, today):
            message = f"the override of {override.id!r} expired on {override.expires} and is ignored"
            issues.append(Issue(override.at, "override-expired", message, warning=True))
        elif override.id in chosen:
            first = chosen[override.id][0].override.at
            issues.append(Issue(override.at, "duplicate-override", f"{override.id!r} is already overridden in {first.file}:{first.line}"))
        else:
            chosen[override.id] = raw, folder
    return chosen


def _expired(expires: date | None, today: date | None) -> bool:
    if expires is None:
        return False
    from datetime import date as calendar

    return (today or calendar.today()) > expires  # noqa: DTZ011  # the user's own day


def _place(rule: RawRule | Rule) -> Mark:
    return rule.origin if isinstance(rule, Rule) else rule.at


def _reopen(rules: Found, name: str, issues: list[Issue]) -> None:
    """Read the document of a rule that was kept and is to be changed."""
    rule, folder = rules[name]
    if isinstance(rule, Rule):
        rules[name] = next(raw for raw in read_file(Path(rule.origin.file), issues) if isinstance(raw, RawRule) and raw.id == name), folder


def _build(
    folders: Sequence[Folder], rules: Found, chosen: dict[str, tuple[RawOverride, Folder]], *, tests: bool
) -> Rulebase:
    active, disabled, originals = [], [], []
    searched = {folder: sources.playbook_folders(folder) for folder in folders}
    for name in sorted(rules):
        raw, folder = rules[name]
        change = chosen.get(name)
        if isinstance(raw, Rule):
            active.append(raw)
            continue
        if change is None:
            active.append(read_rule(raw, tests=tests, playbooks=searched[folder]))
            continue
        override, home = change
        original = read_rule(raw, tests=tests, playbooks=searched[folder])
        originals.append(original)
        merged = tuple(dict.fromkeys((*searched[home], *searched[folder])))
        if override.override.disable:
            disabled.append(original)
        else:
            active.append(read_rule(overridden(raw, override), tests=tests, playbooks=merged))
    return Rulebase(tuple(active), tuple(folders), (), tuple(disabled), tuple(originals))
