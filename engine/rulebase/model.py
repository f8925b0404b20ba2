"""What a rule document says, as immutable values; every part knows where it was written.

Parts are named tuples: a program that starts anew for each question cannot afford a dozen dataclasses, which are made at import.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from engine.facts import Fact
    from engine.rulebase.sources import Folder

LAYERS = ("link", "route", "kernel", "netfilter", "tunnel", "cni", "service", "dns", "app")
"""Layers of the catalogue; also the folders of the built-in rules."""
SEVERITIES = ("low", "medium", "high", "critical")
STANDINGS = ("root-cause", "contributing", "undecided", "latent")
SYMPTOMS = ("timeout", "reset", "dns", "slow", "intermittent", "wrong-source", "wrong-server")
"""Error classes that are no errno names; errno names (``EHOSTUNREACH``) are symptoms as well."""
LANGUAGES = ("en", "zh")


class Mark(NamedTuple):
    """A place in a rule file."""

    file: str
    line: int
    """1-based."""
    column: int
    """1-based, in characters."""


NO_MARK = Mark("", 0, 0)
"""Place of what no file holds."""
NO_MARKS: Mapping[str, Mark] = MappingProxyType({})


class Ref(NamedTuple):
    """``alias.field``: a field of a bound fact; an empty field means the fact itself (``before`` only)."""

    alias: str
    field: str
    at: Mark = NO_MARK

    def __str__(self) -> str:
        return f"{self.alias}.{self.field}" if self.field else self.alias


class Literal(NamedTuple):
    """A value written in the rule."""

    value: Any
    at: Mark = NO_MARK


Operand = Ref | Literal
"""Side of a guard, or value of a derived field."""


class Condition(NamedTuple):
    """One operator on one field of a pattern (``where``)."""

    field: str
    op: str
    operand: Any
    at: Mark = NO_MARK


class Join(NamedTuple):
    """Equality of a field of this fact and a field of an earlier one."""

    field: str
    ref: Ref
    at: Mark = NO_MARK


class Guard(NamedTuple):
    """A comparison across bound facts."""

    left: Operand
    op: str
    right: Operand
    at: Mark = NO_MARK

    def refs(self) -> tuple[Ref, ...]:
        """Operands that are fields of bound facts."""
        return tuple(side for side in (self.left, self.right) if isinstance(side, Ref))


class Pattern(NamedTuple):
    """A fact that must exist (or, under ``none``, must not)."""

    kind: str
    alias: str = ""
    """Name of the bound fact, "" if the rule gave none."""
    where: tuple[Condition, ...] = ()
    joins: tuple[Join, ...] = ()
    guards: tuple[Guard, ...] = ()
    """Comparisons that a fact must satisfy to count as a match; only under ``none``."""
    at: Mark = NO_MARK


_NO_TEXT: Mapping[str, str] = {}


class Branch(NamedTuple):
    """An alternative under ``any``; a rule without ``any`` has one nameless, empty branch."""

    name: str = ""
    standing: str = ""
    """One of :data:`STANDINGS`; "" = decided from the bindings."""
    when: tuple[Pattern, ...] = ()
    none: tuple[Pattern, ...] = ()
    guards: tuple[Guard, ...] = ()
    title: Mapping[str, str] = _NO_TEXT
    """One sentence per language for what this alternative found; empty = the rule's title says it."""
    at: Mark = NO_MARK


NO_BRANCH = Branch()


class Derivation(NamedTuple):
    """A fact that a match brings about."""

    kind: str
    fields: tuple[tuple[str, Operand], ...]
    """Field name and value; ``node`` and ``stack`` come from the first bound fact unless given."""
    at: Mark = NO_MARK


class RemedySpec(NamedTuple):
    """A remedy before rendering: an operation and its parameters (templates)."""

    op: str
    title: Mapping[str, str]
    parameters: Mapping[str, Any]
    when: str = ""
    """Template rendered to ``true`` or ``false``; "" = always offered."""
    at: Mark = NO_MARK
    marks: Mapping[str, Mark] = NO_MARKS
    """Place of every parameter."""


class Expectation(NamedTuple):
    """A rule that an inline test expects to fire."""

    id: str
    bind: tuple[tuple[Ref, Any], ...] = ()
    """Fields of the bound facts and the values that they must have."""
    at: Mark = NO_MARK


class RuleTest(NamedTuple):
    """An inline test: facts, and exactly the rules that fire on them."""

    name: str
    facts: tuple[Fact, ...]
    expect: tuple[Expectation, ...]
    at: Mark = NO_MARK
    marks: tuple[Mark, ...] = ()
    """Place of every fact."""


class Override(NamedTuple):
    """A document that changes, narrows or disables a rule of another folder."""

    id: str
    reason: str
    expires: date | None
    """Last day on which it holds; ``None`` = for good."""
    disable: bool
    keys: tuple[str, ...]
    """Keys of the rule that it replaces or adds to."""
    at: Mark = NO_MARK


@dataclass(frozen=True, slots=True)
class Rule:
    """One failure mode."""

    id: str
    title: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """One sentence per language (templates over the bindings); empty for a rule that only derives."""
    layer: str = ""
    severity: str = "high"
    symptoms: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    when: tuple[Pattern, ...] = ()
    branches: tuple[Branch, ...] = (NO_BRANCH,)
    """Never empty."""
    none: tuple[Pattern, ...] = ()
    guards: tuple[Guard, ...] = ()
    on: str = ""
    """Alias of the fact whose node and stack the finding is for; "" = where the packet ends."""
    dedupe: tuple[Ref, ...] = ()
    suppresses: tuple[str, ...] = ()
    derive: tuple[Derivation, ...] = ()
    finding: bool = True
    remedies: tuple[RemedySpec, ...] = ()
    playbook: str = ""
    explain: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Explanation per language for a rule without a playbook."""
    tests: tuple[RuleTest, ...] = ()
    """Empty unless the rulebase was loaded with its tests."""
    origin: Mark = dataclasses.field(default=NO_MARK, compare=False)
    marks: Mapping[str, Mark] = dataclasses.field(default_factory=dict, compare=False)
    """Place of every top-level key, and of the items of ``suppresses`` as ``suppresses.<id>``."""
    playbooks: tuple[Folder, ...] = dataclasses.field(default=(), compare=False)
    """Folders that hold its playbook, first one wins."""
    override: Override | None = dataclasses.field(default=None, compare=False)
    """The override that changed it."""

    def title_of(self, branch: Branch) -> Mapping[str, str]:
        """Title templates per language of what was found under ``branch``."""
        return branch.title or self.title

    def slots(self, branch: Branch) -> tuple[Pattern, ...]:
        """Patterns that must match together under ``branch``, in join order."""
        return (*self.when, *branch.when)

    def absent(self, branch: Branch) -> tuple[Pattern, ...]:
        """Patterns that must have no match under ``branch``."""
        return (*self.none, *branch.none)

    def guards_of(self, branch: Branch) -> tuple[Guard, ...]:
        """Comparisons that must hold under ``branch``."""
        return (*self.guards, *branch.guards)

    def aliases(self, branch: Branch) -> dict[str, str]:
        """Alias → kind of the named patterns that are bound under ``branch``."""
        return {pattern.alias: pattern.kind for pattern in self.slots(branch) if pattern.alias}
