"""What a person who writes rules wants to know beyond "it loads": templates, playbooks, tests, joins, remedies."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import templates
from engine.rulebase.checks import Vocabulary
from engine.rulebase.issues import Issue, did_you_mean
from engine.rulebase.model import LANGUAGES, LAYERS, Mark
from engine.schema import KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from engine.rulebase.loader import Rulebase
    from engine.rulebase.model import Branch, Pattern, RemedySpec, Rule


def lint(rulebase: Rulebase) -> list[Issue]:
    """Issues of the rules in force that loading them does not show; they must have been read with their tests."""
    vocabulary = Vocabulary.of((*rulebase.rules, *rulebase.originals))
    operations = known_operations()
    found: set[Issue] = set()
    for rule in rulebase.rules:
        found.update(_join_issues(rule))
        found.update(_test_issues(rule, rulebase))
        found.update(_place_issues(rule))
        found.update(_text_issues(rule))
        found.update(_template_issues(rule, vocabulary))
        found.update(_playbook_issues(rule, vocabulary))
        found.update(_remedy_issues(rule, operations))
    return sorted(found)


def known_operations() -> Mapping[str, Any] | None:
    """Operations that remedies may name: ``OPERATIONS`` of :mod:`engine.remedies`; ``None`` where that cannot be imported."""
    try:
        operations = import_module("engine.remedies").OPERATIONS
    except (ImportError, AttributeError):
        return None
    return dict(operations)


def _join_issues(rule: Rule) -> Iterator[Issue]:
    """Patterns that nothing ties to the rest: every pair of facts would be tried."""
    for branch in rule.branches:
        patterns = rule.slots(branch)
        for pattern in patterns:
            group = _tied(rule, branch, pattern, guards=True)
            if len(group) < len(patterns) and pattern is not patterns[0] and id(patterns[0]) not in group:
                yield Issue(pattern.at, "no-join", f"nothing joins {pattern.kind} to the other patterns: every pair of facts would match")
                break
            if _both_large(rule, branch, patterns, pattern):
                message = f"only a guard ties {pattern.kind} to the other patterns: every pair of facts is compared; join on a field as well (node?)"
                yield Issue(pattern.at, "guard-join", message, warning=True)
                break


def _both_large(rule: Rule, branch: Branch, patterns: tuple[Pattern, ...], pattern: Pattern) -> bool:
    """Whether a pattern and what it is only guarded against are both of evidence, of which there may be much."""
    group = _tied(rule, branch, pattern, guards=False)
    if id(patterns[0]) in group:
        return False
    own, others = [[one for one in patterns if (id(one) in group) is inside] for inside in (True, False)]
    return all(any(_is_large(one) for one in side) and not any(_is_of_walk(one) for one in side) for side in (own, others))


def _is_of_walk(pattern: Pattern) -> bool:
    return pattern.kind in KINDS and KINDS[pattern.kind].origin == "walk"


def _is_large(pattern: Pattern) -> bool:
    return pattern.kind in KINDS and KINDS[pattern.kind].origin != "walk"


def _tied(rule: Rule, branch: Branch, start: Pattern, *, guards: bool) -> set[int]:
    """Patterns (by identity) that joins, and guards if asked, tie to ``start``."""
    patterns = rule.slots(branch)
    by_alias = {pattern.alias: pattern for pattern in patterns if pattern.alias}
    pairs = [(pattern, by_alias[join.ref.alias]) for pattern in patterns for join in pattern.joins if join.ref.alias in by_alias]
    if guards:
        refs = [guard.refs() for guard in rule.guards_of(branch)]
        pairs += [(by_alias[a.alias], by_alias[b.alias]) for a, b in (two for two in refs if len(two) == 2) if {a.alias, b.alias} <= set(by_alias)]
    reached, open_ = {id(start)}, [start]
    while open_:
        here = open_.pop()
        for one, two in pairs:
            for other in (two,) if one is here else (one,) if two is here else ():
                if id(other) not in reached:
                    reached.add(id(other))
                    open_.append(other)
    return reached


def _test_issues(rule: Rule, rulebase: Rulebase) -> Iterator[Issue]:
    if not rule.tests and any(original.id == rule.id for original in rulebase.originals):
        return  # an override need not bring tests
    at = rule.marks.get("tests", rule.origin)
    fires = [any(expectation.id == rule.id for expectation in test.expect) for test in rule.tests]
    if not any(fires):
        yield Issue(at, "no-firing-test", f"rule {rule.id!r} has no test in which it fires")
    if all(fires):
        yield Issue(at, "no-silent-test", f"rule {rule.id!r} has no test in which it must not fire")


def _place_issues(rule: Rule) -> Iterator[Issue]:
    """One failure mode a file, found by its name."""
    file = Path(rule.origin.file)
    if file.stem != rule.id:
        yield Issue(rule.origin, "misplaced", f"rule {rule.id!r} belongs in a file {rule.id}.yaml", warning=True)
    elif rule.layer and file.parent.name in LAYERS and file.parent.name != rule.layer:
        yield Issue(rule.origin, "misplaced", f"rule {rule.id!r} of layer {rule.layer} stands in {file.parent.name}/", warning=True)


def _text_issues(rule: Rule) -> Iterator[Issue]:
    texts = [(name, text, rule.marks.get(name, rule.origin)) for name, text in (("title", rule.title), ("explain", rule.explain))]
    texts += [(f"title of branch {branch.name!r}", branch.title, branch.at) for branch in rule.branches]
    for name, text, at in texts:
        if text and "zh" not in text:
            yield Issue(at, "no-translation", f"{name} has no Chinese text (zh)", warning=True)


@dataclass(frozen=True, slots=True)
class _Names:
    """What a template of a rule may refer to."""

    aliases: Mapping[str, str]
    vocabulary: Vocabulary


def _names(rule: Rule, vocabulary: Vocabulary) -> _Names:
    return _Names({alias: kind for branch in rule.branches for alias, kind in rule.aliases(branch).items()}, vocabulary)


def _template_issues(rule: Rule, vocabulary: Vocabulary) -> Iterator[Issue]:
    names = _names(rule, vocabulary)
    for key, texts in (("title", rule.title), ("explain", rule.explain)):
        for text in texts.values():
            yield from _check_template(text, names, rule.marks.get(key, rule.origin))
    for branch in rule.branches:
        for text in branch.title.values():
            yield from _check_template(text, _Names(rule.aliases(branch), vocabulary), branch.at)
    for remedy in rule.remedies:
        for text in (*remedy.title.values(), remedy.when):
            yield from _check_template(text, names, remedy.at)
        for name, value in remedy.parameters.items():
            for text in _strings(value):
                yield from _check_template(text, names, remedy.marks.get(name, remedy.at))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _strings(item)


def _check_template(text: str, names: _Names, at: Mark) -> Iterator[Issue]:
    """Syntax, names and fields of a template; ``at`` is where its value starts."""
    if "{" not in text:
        return
    yield from (Issue(at, code, message) for _, code, message in _faults(text, names, playbook=False))


def _faults(text: str, names: _Names, *, playbook: bool) -> Iterator[tuple[int, str, str]]:
    """(line in the template, code, message) of everything wrong in it."""
    from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

    try:
        tree = templates.parse(text, playbook=playbook)
        templates.environment().compile(tree, name="playbook" if playbook else None)
    except TemplateSyntaxError as error:
        yield error.lineno, "template-syntax", str(error.message)
        return
    except (TemplateError, ArithmeticError, ValueError, RecursionError) as error:
        yield 1, "template-syntax", str(error) or type(error).__name__
        return
    tree = templates.parse(text, playbook=playbook)  # compiling changed the first one
    known = {*names.aliases, *(templates.PLAYBOOK_NAMES if playbook else templates.TEXT_NAMES), "range", "self", "super"}
    unknown = meta.find_undeclared_variables(tree) - known
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            unknown.discard(name.name)
            yield name.lineno, "template-name", f"template uses {name.name!r}, which is not bound{did_you_mean(name.name, names.aliases)}"
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name):
            kind = names.aliases.get(attribute.node.name, "")
            fields = {*names.vocabulary.kinds.get(kind, ()), "text", "line"}
            if kind in names.vocabulary.kinds and attribute.attr not in fields:
                yield attribute.lineno, "template-field", f"{kind} has no field {attribute.attr!r}{did_you_mean(attribute.attr, fields)}"


def _playbook_issues(rule: Rule, vocabulary: Vocabulary) -> Iterator[Issue]:
    if not rule.playbook:
        return
    at = rule.marks.get("playbook", rule.origin)
    file = next((place for folder in rule.playbooks if (place := folder / f"{rule.playbook}.j2").is_file()), None)
    if file is None:
        searched = ", ".join(str(folder) for folder in rule.playbooks)
        yield Issue(at, "no-playbook", f"there is no {rule.playbook}.j2 in {searched}")
        return
    text = file.read_bytes().decode("utf-8", "replace")
    if len(text) > templates.MAX_TEMPLATE:
        yield Issue(Mark(str(file), 0, 0), "template-syntax", f"longer than {templates.MAX_TEMPLATE} characters")
        return
    broken = False
    for line, code, message in _faults(text, _names(rule, vocabulary), playbook=True):
        broken = broken or code == "template-syntax"
        yield Issue(Mark(str(file), line, 1), code, f"{message} (rule {rule.id})" if code != "template-syntax" else message)
    if not broken:
        yield from _block_issues(text, str(file))


def _block_issues(text: str, file: str) -> Iterator[Issue]:
    from jinja2 import nodes

    tree = templates.parse(text, playbook=True)
    blocks = {block.name: block.lineno for block in tree.find_all(nodes.Block)}
    known = {f"{part}_{lang}" for part in templates.PARTS for lang in LANGUAGES}
    for lang in LANGUAGES:
        if f"cause_{lang}" not in blocks:
            yield Issue(Mark(file, 1, 1), "playbook-block", f"has no block cause_{lang}")
    for name in sorted(set(blocks) - known):
        yield Issue(Mark(file, blocks[name], 1), "playbook-block", f"block {name!r} is never printed{did_you_mean(name, known)}")
    if not any(isinstance(one.template, nodes.Const) and one.template.value == "_base.j2" for one in tree.find_all(nodes.Extends)):
        yield Issue(Mark(file, 1, 1), "playbook-block", 'must start with {% extends "_base.j2" %}')


def _remedy_issues(rule: Rule, operations: Mapping[str, Any] | None) -> Iterator[Issue]:
    if operations is None:
        return
    for remedy in rule.remedies:
        if remedy.op not in operations:
            yield Issue(remedy.at, "unknown-operation", f"there is no operation {remedy.op!r}{did_you_mean(remedy.op, operations)}")
        else:
            yield from _parameter_issues(remedy, operations[remedy.op])


def _parameter_issues(remedy: RemedySpec, operation: Any) -> Iterator[Issue]:
    known: Collection[str] = getattr(operation, "PARAMETERS", ())
    required: Iterable[str] = [name for name, parameter in operation.PARAMETERS.items() if parameter.required]
    for name in remedy.parameters:
        if name not in known and name != "on":  # every operation takes the alias that says where
            yield Issue(remedy.marks.get(name, remedy.at), "unknown-parameter", f"{remedy.op} has no parameter {name!r}{did_you_mean(name, known)}")
    for name in required:
        if name not in remedy.parameters:
            yield Issue(remedy.at, "missing-parameter", f"{remedy.op} needs {name!r}")
