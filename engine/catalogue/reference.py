"""What rules may speak of: kinds of facts with their fields, operations of remedies with their parameters."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from engine.errors import ExitStatus, RuleError
from engine.remedies import OPERATIONS
from engine.rulebase.issues import did_you_mean
from engine.schema import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ORIGINS = {
    "evidence": "Read from evidence",
    "walk": "Derived by the walk of the flow that was asked about",
    "engine": "Computed from other facts",
}
WIDTH = 110
"""Columns of wrapped text."""
EVERYWHERE = "Every fact has a node and a stack besides (`host` is the node's own stack)."


def describe_facts(names: Sequence[str] = ()) -> tuple[str, ExitStatus]:
    """Every kind with the names of its fields, or some kinds with what their fields mean; raises :class:`RuleError` for unknown ones."""
    _known(names, KINDS, "kind of fact")
    if names:
        return "\n\n".join("\n".join(_kind(name)) for name in names), ExitStatus.NO_FAULT
    lines = []
    for origin, heading in ORIGINS.items():
        lines.append(f"{heading}:")
        for name, kind in KINDS.items():
            if kind.origin == origin:
                lines += [f"  {name}", *_folded(kind.about, "    "), *_folded(f"fields: {', '.join(kind.fields)}", "    ")]
        lines.append("")
    return "\n".join([*lines, EVERYWHERE, "What the fields mean: diagnose rules facts KIND"]), ExitStatus.NO_FAULT


def _kind(name: str) -> Iterator[str]:
    kind = KINDS[name]
    yield name
    yield from _folded(f"{kind.about} {ORIGINS[kind.origin]}.", "  ")
    yield from _table((field, about) for field, about in kind.fields.items())


def describe_operations(names: Sequence[str] = ()) -> tuple[str, ExitStatus]:
    """Every operation with the names of its parameters, or some with what they mean; raises :class:`RuleError` for unknown ones."""
    _known(names, OPERATIONS, "operation")
    if names:
        return "\n\n".join("\n".join(_operation(name)) for name in names), ExitStatus.NO_FAULT
    lines = []
    for name, operation in OPERATIONS.items():
        given = ", ".join(key if parameter.required else f"[{key}]" for key, parameter in operation.PARAMETERS.items())
        lines += [f"{name}", *_folded(_about(name), "  "), *_folded(f"parameters: {given}", "  ")]
    last = "What the parameters mean: diagnose rules operations NAME.  [optional]; every remedy has `title`, and may have `on` and `when`, besides."
    return "\n".join([*lines, "", *wrap(last, WIDTH)]), ExitStatus.NO_FAULT


def _operation(name: str) -> Iterator[str]:
    operation = OPERATIONS[name]
    yield name
    yield from _folded(f"{_about(name)} Risk: {operation.RISK}.", "  ")
    yield from _table((key, p.about if p.required else f"{p.about} (optional)") for key, p in operation.PARAMETERS.items())


def _about(name: str) -> str:
    """The first sentence of an operation's description."""
    return " ".join((OPERATIONS[name].__doc__ or "").split("\n\n")[0].split())


def _known(names: Iterable[str], known: Iterable[str], what: str) -> None:
    for name in names:
        if name not in known:
            message = f"there is no {what} {name!r}{did_you_mean(name, known)}"
            raise RuleError(message)


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    told = list(rows)
    width = max((len(name) for name, _ in told), default=0)
    for name, about in told:
        first, *rest = wrap(about, WIDTH - width - 4) or [""]
        yield f"  {name:<{width}}  {first}".rstrip()
        yield from (f"  {'':<{width}}  {line}" for line in rest)


def _folded(text: str, indent: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
