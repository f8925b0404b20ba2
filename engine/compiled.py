"""Byte code of the program's own templates, kept from one run to the next: compiling a playbook takes longer than walking a packet.

Only texts of built-in rules and playbooks are kept, after the sandbox accepted them; templates of teams are compiled in each run.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engine import kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType

    from engine.rulebase.model import Rule

NAME = "templates"
"""What they are kept under."""
Key = tuple[str, str]
"""Source of a template, and the file that holds it ("" = a text of a rule)."""


class Shelf:
    """The byte code at hand in one run."""

    def __init__(self) -> None:
        self._stamp = _stamp()
        self._kept: dict[Key, bytes] = (kept.load(NAME, self._stamp) if self._stamp else None) or {}
        self._fresh: dict[Key, CodeType] = {}

    def code(self, source: Any, file: str, ordinary: Callable[[], Any]) -> Any:
        """Byte code of a template: from an earlier run, or by compiling it (a syntax tree always)."""
        import marshal

        data = self._kept.get((source, file)) if isinstance(source, str) else None
        if data is not None:
            return marshal.loads(data)  # noqa: S302  # see engine/kept.py
        code = ordinary()
        if isinstance(source, str):
            self._fresh[source, file] = code
        return code

    def keep(self, rules: Iterable[Rule]) -> None:
        """Keep what was compiled of built-in rules and playbooks; earlier versions of them go."""
        if not self._fresh or not self._stamp:
            return
        import marshal

        from engine.data import builtin

        home, books = (os.path.join(str(builtin(folder)), "") for folder in ("rules", "playbooks"))  # noqa: PTH118
        texts = {text for rule in rules if rule.override is None and rule.origin.file.startswith(home) for text in _texts(rule)}
        fresh = {key: marshal.dumps(code) for key, code in self._fresh.items() if (key[1].startswith(books) if key[1] else key[0] in texts)}
        if fresh:
            files = {file for _, file in fresh}
            stay = {(source, file): data for (source, file), data in self._kept.items() if (file not in files if file else source in texts)}
            kept.save(NAME, self._stamp, {**stay, **fresh}, self._stamp)


@lru_cache(maxsize=1)
def shelf() -> Shelf:
    """The shelf of this run."""
    return Shelf()


def keep(rules: Iterable[Rule]) -> None:
    """Keep what this run compiled, if it compiled anything."""
    if shelf.cache_info().currsize:
        shelf().keep(rules)


def _stamp() -> kept.Stamp:
    """Stamp of the code that decides what a template compiles to: this package's and Jinja's."""
    import jinja2

    here = kept.__file__.removesuffix("kept.py")
    return kept.stamp(f"{here}templates.py", f"{here}compiled.py", f"{here}kept.py", os.path.dirname(jinja2.__file__))  # noqa: PTH120


def _texts(rule: Rule) -> Iterator[str]:
    """Every template that a rule holds."""
    yield from (*rule.title.values(), *rule.explain.values())
    for branch in rule.branches:
        yield from branch.title.values()
    for remedy in rule.remedies:
        yield from (*remedy.title.values(), remedy.when)
        for value in remedy.parameters.values():
            yield from _strings(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
