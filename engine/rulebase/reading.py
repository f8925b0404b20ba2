"""One rule document to a :class:`Rule`: structure and vocabulary; what spans several documents is checked in ``checks``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.facts import HOST, NOWHERE, Fact
from engine.inference import guards, match
from engine.rulebase.issues import did_you_mean
from engine.rulebase.model import (
    LANGUAGES,
    LAYERS,
    NO_BRANCH,
    SEVERITIES,
    STANDINGS,
    SYMPTOMS,
    Branch,
    Condition,
    Derivation,
    Expectation,
    Guard,
    Join,
    Literal,
    Mark,
    Operand,
    Override,
    Pattern,
    Ref,
    RemedySpec,
    Rule,
    RuleTest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from engine.rulebase.document import Document, Entry, Node
    from engine.rulebase.sources import Folder

RULE_KEYS = (
    "id", "title", "layer", "severity", "symptoms", "references", "when", "any", "none", "guard", "on", "dedupe", "suppresses", "derive",
    "finding", "remedies", "playbook", "explain", "tests",
)  # fmt: skip
OVERRIDE_KEYS = ("override", "reason", "expires", "disable")
APPENDED = ("none", "guard")
"""Keys that an override adds to; all others it replaces."""
PATTERN_KEYS = ("fact", "as", "where", "join")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
"""Ids of rules, names of playbooks and branches."""
WORD = re.compile(r"[a-z_][a-z0-9_]*\Z")
"""Aliases, kinds and fields."""
MAX_PATTERNS = 12
"""Patterns under one ``when`` or ``none``."""


class Part(NamedTuple):
    """A top-level key with the document that it stands in (an override's key stands in another file than the rule)."""

    doc: Document
    key: Node
    node: Node


class RawRule(NamedTuple):
    """A rule document whose top-level keys are known and whose values are not read yet."""

    id: str
    at: Mark
    parts: dict[str, Part]
    more: dict[str, tuple[Part, ...]]
    """``none`` and ``guard`` lists that an override adds."""
    override: Override | None = None


class RawOverride(NamedTuple):
    """An override document."""

    override: Override
    parts: dict[str, Part]


def open_document(doc: Document, root: Node) -> RawRule | RawOverride | None:
    """Find out whether a document is a rule or an override, and of which id."""
    names = [key.value for key, _ in root.value if key.id == "scalar"]
    if "override" in names:
        return _open_override(doc, root)
    entries = doc.mapping(root, "a rule", RULE_KEYS, ("id",))
    if "id" not in entries:
        return None
    parts = {name: Part(doc, *entry) for name, entry in entries.items()}
    return RawRule(_identifier(doc, entries["id"].node, "id"), doc.at(entries["id"].key), parts, {})


def _identifier(doc: Document, node: Node, what: str) -> str:
    text = doc.text(node, what)
    if text and not NAME.match(text):
        doc.issue(node, "bad-id", f"{what} {text!r} must be lower-case words joined by hyphens")
        return ""
    return text


def _open_override(doc: Document, root: Node) -> RawOverride | None:
    entries = doc.mapping(root, "an override", (*OVERRIDE_KEYS, *(key for key in RULE_KEYS if key != "id")), ("override", "reason"))
    if "override" not in entries:
        return None
    parts = {name: Part(doc, *entry) for name, entry in entries.items() if name not in OVERRIDE_KEYS}
    disable = "disable" in entries and doc.flag(entries["disable"].node, "disable")
    if not parts and not disable:
        doc.issue(root, "empty-override", "an override disables the rule (`disable: true`) or gives keys to change")
    override = Override(
        _identifier(doc, entries["override"].node, "override"),
        doc.text(entries["reason"].node, "reason") if "reason" in entries else "",
        _date(doc, entries["expires"].node) if "expires" in entries else None,
        disable,
        tuple(parts),
        doc.at(entries["override"].key),
    )
    return RawOverride(override, parts)


def _date(doc: Document, node: Node) -> date | None:
    from datetime import date

    text = doc.text(node, "expires")
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        doc.issue(node, "bad-value", f"expires must be a date such as 2026-01-31, not {text[:40]!r}")
        return None
    return found


def overridden(raw: RawRule, change: RawOverride) -> RawRule:
    """The rule with an override's keys put in."""
    parts, more = dict(raw.parts), dict(raw.more)
    for name, part in change.parts.items():
        if name in APPENDED:
            more[name] = (*more.get(name, ()), part)
        else:
            parts[name] = part
    if "tests" not in change.parts:
        parts.pop("tests", None)  # the rule's own tests hold for the rule as it was
    return RawRule(raw.id, raw.at, parts, more, change.override)


def read_rule(raw: RawRule, *, tests: bool, playbooks: tuple[Folder, ...]) -> Rule:
    """Read the values; what is wrong goes to the documents' issues."""
    return _RuleReader(raw).rule(tests=tests, playbooks=playbooks)


class _RuleReader:
    """Reads one rule; every method is one construct of the language."""

    def __init__(self, raw: RawRule) -> None:
        self.raw = raw
        self.marks = {name: part.doc.at(part.key) for name, part in raw.parts.items()}

    def rule(self, *, tests: bool, playbooks: tuple[Folder, ...]) -> Rule:
        finding = self._get("finding", lambda doc, node: doc.flag(node, "finding"), default=True)
        self._require(finding=finding)
        branches = self._branches()
        return Rule(
            id=self.raw.id,
            title=self._get("title", _languages("title"), default={}),
            layer=self._get("layer", lambda doc, node: doc.choice(node, "layer", LAYERS), default=""),
            severity=self._get("severity", lambda doc, node: doc.choice(node, "severity", SEVERITIES), default="high"),
            symptoms=self._list("symptoms", _symptom),
            references=self._list("references", lambda doc, node: doc.text(node, "a reference")),
            when=self._patterns("when"),
            branches=branches or (NO_BRANCH,),
            none=self._patterns("none"),
            guards=self._list("guard", _guard),
            on=self._get("on", lambda doc, node: _word(doc, node, "on"), default=""),
            dedupe=self._list("dedupe", _ref),
            suppresses=self._list("suppresses", self._suppressed),
            derive=self._list("derive", _derivation),
            finding=finding,
            remedies=self._list("remedies", _remedy),
            playbook=self._get("playbook", lambda doc, node: _identifier(doc, node, "playbook"), default=""),
            explain=self._get("explain", _languages("explain"), default={}),
            tests=self._list("tests", _test) if tests else (),
            origin=self.raw.at,
            marks=self.marks,
            playbooks=playbooks,
            override=self.raw.override,
        )

    def _require(self, *, finding: bool) -> None:
        needed = ["title", "layer", "severity"] if finding else ["derive"]
        doc, _, node = self.raw.parts["id"]
        for name in needed:
            if name not in self.raw.parts:
                doc.issue(node, "missing-key", f"rule {self.raw.id!r} needs {name!r}")
        if "when" not in self.raw.parts and "any" not in self.raw.parts:
            doc.issue(node, "missing-key", f"rule {self.raw.id!r} needs 'when' (or 'any')")
        if finding and "playbook" not in self.raw.parts and "explain" not in self.raw.parts:
            doc.issue(node, "missing-key", f"rule {self.raw.id!r} needs 'playbook' (or 'explain')")

    def _get(self, name: str, read: Callable[[Document, Node], Any], *, default: Any) -> Any:
        part = self.raw.parts.get(name)
        return default if part is None else read(part.doc, part.node)

    def _list(self, name: str, read: Callable[[Document, Node], Any]) -> tuple[Any, ...]:
        parts = [self.raw.parts[name]] if name in self.raw.parts else []
        items = [read(doc, item) for doc, _, node in (*parts, *self.raw.more.get(name, ())) for item in doc.items(node, name)]
        return tuple(item for item in items if item)

    def _branches(self) -> tuple[Branch, ...]:
        found: tuple[Branch, ...] = self._list("any", _branch)
        replaced = self.raw.override.keys if self.raw.override is not None else ()
        if "title" in replaced and "any" not in replaced:
            # Whoever overrides the title means it to be read, whichever branch matched.
            return tuple(branch._replace(title={}) for branch in found)
        return found

    def _patterns(self, name: str) -> tuple[Pattern, ...]:
        absent = name == "none"
        found = self._list(name, lambda doc, node: _pattern(doc, node, absent=absent))
        self._limit(name, found)
        return found

    def _limit(self, name: str, found: tuple[Any, ...]) -> None:
        if len(found) > MAX_PATTERNS:
            doc, key, _ = self.raw.parts.get(name) or self.raw.more[name][0]
            doc.issue(key, "too-many", f"{name} has {len(found)} patterns; the limit is {MAX_PATTERNS}")

    def _suppressed(self, doc: Document, node: Node) -> str:
        name = _identifier(doc, node, "suppresses")
        self.marks[f"suppresses.{name}"] = doc.at(node)
        return name


def _symptom(doc: Document, node: Node) -> str:
    from errno import errorcode

    text = doc.text(node, "a symptom")
    if text and text not in SYMPTOMS and text not in errorcode.values():
        doc.issue(node, "bad-value", f"no such symptom: {text!r}{did_you_mean(text, (*SYMPTOMS, *errorcode.values()))}")
        return ""
    return text


def _languages(what: str) -> Callable[[Document, Node], dict[str, str]]:
    def read(doc: Document, node: Node) -> dict[str, str]:
        return {name: doc.text(entry.node, f"{what}.{name}") for name, entry in doc.mapping(node, what, LANGUAGES, ("en",)).items()}

    return read


def _pattern(doc: Document, node: Node, *, absent: bool = False) -> Pattern | None:
    entries = doc.mapping(node, "a pattern", (*PATTERN_KEYS, "guard") if absent else PATTERN_KEYS, ("fact",))
    if "fact" not in entries:
        return None
    where = [c for name, entry in _sub(doc, entries, "where").items() for c in _conditions(doc, name, entry)]
    joins = [_join(doc, name, entry) for name, entry in _sub(doc, entries, "join").items()]
    guards = [_guard(doc, item) for item in doc.items(entries["guard"].node, "guard")] if "guard" in entries else []
    return Pattern(
        doc.text(entries["fact"].node, "fact"),
        _word(doc, entries["as"].node, "as") if "as" in entries else "",
        tuple(where),
        tuple(join for join in joins if join),
        tuple(guard for guard in guards if guard),
        doc.at(entries["fact"].node),
    )


def _sub(doc: Document, entries: dict[str, Entry], name: str) -> dict[str, Entry]:
    return doc.mapping(entries[name].node, name) if name in entries else {}


def _word(doc: Document, node: Node, what: str) -> str:
    text = doc.text(node, what)
    if text and not WORD.match(text):
        doc.issue(node, "bad-value", f"{what} must be a lower-case word, not {text!r}")
        return ""
    return text


def _conditions(doc: Document, field: str, entry: Entry) -> Iterable[Condition]:
    if entry.node.id != "mapping":
        if entry.node.id == "sequence":
            doc.issue(entry.node, "bad-operand", f"write `{field}: {{in: [...]}}` for one of several values")
            return
        yield from _condition(doc, field, "eq", entry.node, doc.at(entry.key))
        return
    operators = doc.mapping(entry.node, "where")
    if not operators:
        doc.issue(entry.node, "bad-operand", f"no operator for {field!r}")
    for op, (key, operand) in operators.items():
        if op not in match.TESTS:
            doc.issue(key, "unknown-operator", f"`where` has no operator {op!r}{did_you_mean(op, match.TESTS)}")
        else:
            yield from _condition(doc, field, op, operand, doc.at(entry.key))


def _condition(doc: Document, field: str, op: str, node: Node, at: Mark) -> Iterable[Condition]:
    operand = doc.value(node)
    fault = match.operand_fault(op, operand)
    if fault:
        doc.issue(node, "bad-operand", fault)
    else:
        yield Condition(field, op, operand, at)


def _join(doc: Document, field: str, entry: Entry) -> Join | None:
    ref = _ref(doc, entry.node)
    return Join(field, ref, doc.at(entry.key)) if ref else None


def _ref(doc: Document, node: Node) -> Ref | None:
    text = doc.text(node, "a reference")
    alias, dot, field = text.partition(".")
    if dot and WORD.match(alias) and WORD.match(field):
        return Ref(alias, field, doc.at(node))
    if text:
        doc.issue(node, "bad-reference", f"{text!r} must be written `alias.field`")
    return None


def _guard(doc: Document, node: Node) -> Guard | None:
    entries = doc.mapping(node, "a guard", ("left", "op", "right", "value"), ("left", "op"))
    if "left" not in entries or "op" not in entries:
        return None
    if ("right" in entries) == ("value" in entries):
        doc.issue(node, "missing-key", "a guard needs either 'right' (alias.field) or 'value' (a literal)")
        return None
    op = doc.text(entries["op"].node, "op")
    if op not in guards.NAMES:
        doc.issue(entries["op"].node, "unknown-operator", f"`guard` has no operator {op!r}{did_you_mean(op, guards.NAMES)}")
        return None
    left = _operand(doc, entries["left"].node, op)
    right = _operand(doc, entries["right"].node, op) if "right" in entries else _literal(doc, entries["value"].node)
    if left is None or right is None:
        return None
    if op == guards.BEFORE and not (isinstance(left, Ref) and isinstance(right, Ref)):
        doc.issue(node, "bad-operand", "before compares two bound facts: `left: alias`, `right: alias`")
        return None
    return Guard(left, op, right, doc.at(node))


def _operand(doc: Document, node: Node, op: str = "") -> Operand | None:
    if node.id == "mapping":
        entries = doc.mapping(node, "a literal", ("value",), ("value",))
        return _literal(doc, entries["value"].node) if entries else None
    if op == guards.BEFORE and node.id == "scalar" and WORD.match(node.value):
        return Ref(node.value, "", doc.at(node))
    return _ref(doc, node)


def _literal(doc: Document, node: Node) -> Literal | None:
    value = doc.value(node)
    if value is None:
        doc.issue(node, "bad-operand", "a literal cannot be null")
        return None
    return Literal(value, doc.at(node))


def _branch(doc: Document, node: Node) -> Branch | None:
    entries = doc.mapping(node, "a branch", ("name", "title", "standing", "when", "none", "guard"), ("name",))
    if "name" not in entries:
        return None
    if not {"when", "none", "guard"} & set(entries):
        doc.issue(node, "missing-key", "a branch needs 'when', 'none' or 'guard'")

    def listed(name: str, read: Callable[[Document, Node], Any]) -> tuple[Any, ...]:
        items = doc.items(entries[name].node, name) if name in entries else []
        return tuple(value for item in items if (value := read(doc, item)))

    return Branch(
        _identifier(doc, entries["name"].node, "name"),
        doc.choice(entries["standing"].node, "standing", STANDINGS) if "standing" in entries else "",
        listed("when", _pattern)[:MAX_PATTERNS],
        listed("none", lambda d, n: _pattern(d, n, absent=True)),
        listed("guard", _guard),
        _languages("title")(doc, entries["title"].node) if "title" in entries else {},
        doc.at(entries["name"].node),
    )


def _derivation(doc: Document, node: Node) -> Derivation | None:
    entries = doc.mapping(node, "derive", ("fact", "fields"), ("fact", "fields"))
    if len(entries) < 2:
        return None
    fields = []
    for name, entry in doc.mapping(entries["fields"].node, "fields").items():
        operand = _operand(doc, entry.node)
        if not WORD.match(name):
            doc.issue(entry.key, "bad-value", f"a field is a lower-case word, not {name!r}")
        elif operand is not None:
            fields.append((name, operand))
    kind = _word(doc, entries["fact"].node, "fact")
    return Derivation(kind, tuple(fields), doc.at(entries["fact"].node)) if kind else None


def _remedy(doc: Document, node: Node) -> RemedySpec | None:
    entries = doc.mapping(node, "a remedy", None, ("op", "title"))
    if "op" not in entries or "title" not in entries:
        return None
    parameters = {name: entry for name, entry in entries.items() if name not in ("op", "title", "when")}
    return RemedySpec(
        doc.text(entries["op"].node, "op"),
        _languages("title")(doc, entries["title"].node),
        {name: doc.value(entry.node) for name, entry in parameters.items()},
        doc.text(entries["when"].node, "when") if "when" in entries else "",
        doc.at(entries["op"].node),
        {name: doc.at(entry.key) for name, entry in parameters.items()},
    )


def _test(doc: Document, node: Node) -> RuleTest | None:
    entries = doc.mapping(node, "a test", ("name", "facts", "expect"), ("name", "facts", "expect"))
    if len(entries) < 3:
        return None
    facts = [(fact, doc.at(item)) for item in doc.items(entries["facts"].node, "facts") if (fact := _fact(doc, item))]
    expect = [one for item in doc.items(entries["expect"].node, "expect") if (one := _expectation(doc, item))]
    name = doc.text(entries["name"].node, "name")
    return RuleTest(name, tuple(fact for fact, _ in facts), tuple(expect), doc.at(entries["name"].node), tuple(mark for _, mark in facts))


def _fact(doc: Document, node: Node) -> Fact | None:
    entries = doc.mapping(node, "a fact", ("kind", "node", "stack", "line", "text", "fields"), ("kind",))
    if "kind" not in entries:
        return None
    line = doc.value(entries["line"].node) if "line" in entries else 0
    if not isinstance(line, int) or isinstance(line, bool):
        doc.issue(entries["line"].node, "wrong-type", "line must be a whole number")
        line = 0
    fields = {}
    for name, entry in _sub(doc, entries, "fields").items():
        fields[name] = doc.value(entry.node)
        if fields[name] is None:
            doc.issue(entry.node, "bad-value", f"leave {name!r} out if it was not observed")

    def text(name: str, default: str) -> str:
        return doc.text(entries[name].node, name) if name in entries else default

    return Fact(text("kind", ""), fields, text("node", "node"), text("stack", HOST), NOWHERE, line, text("text", ""))


def _expectation(doc: Document, node: Node) -> Expectation | None:
    if node.id == "scalar":
        name = _identifier(doc, node, "an expected id")
        return Expectation(name, (), doc.at(node)) if name else None
    entries = doc.mapping(node, "an expectation", ("id", "bind"), ("id",))
    if "id" not in entries:
        return None
    bind = []
    for name, entry in _sub(doc, entries, "bind").items():
        ref = _ref(doc, entry.key) if "." in name else Ref(name, "", doc.at(entry.key))
        if not ref or not ref.field:
            doc.issue(entry.key, "bad-reference", f"{name!r} must be written `alias.field`") if ref else None
        else:
            bind.append((ref, doc.value(entry.node)))
    return Expectation(_identifier(doc, entries["id"].node, "id"), tuple(bind), doc.at(node))
