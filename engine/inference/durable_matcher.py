"""Joins by durable-rules' Rete network, through tokens that it handles exactly.

Its own condition language is not used: negation, arithmetic, non-equality joins, patterns and long constants go wrong in it.  What it gets
is a ruleset of ``all`` rules over small tokens: the pattern's number as a constant first, then equality joins of short strings to
earlier tokens only.  Join keys are interned, so that no text from evidence ever reaches the C library; ids and keys are free of collisions under
the 32-bit hash by which it tells them apart.  Actions only note the row; guards, negation and derived facts are the engine's work.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from engine.inference.tokens import MatchLimitError, Program, Row, Token, identifiers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARD = 350
"""Most patterns in one ruleset: a level of the network holds 511 distinct constants."""
CHUNK = 20_000
"""Most tokens in one call."""


WAKE = "wake"
"""Rule and pattern of a token of its own that fires first in every ruleset."""


class DurableError(RuntimeError):
    """durable-rules did not do what it is known to do: a defect, never ignored."""


class DurableMatcher:
    """One set of rulesets on a host of its own."""

    def __init__(self, programs: Sequence[Program], limit: int) -> None:
        self._limit = limit
        self._rows: list[Row] = []
        self._told: dict[int, int] = defaultdict(int)
        self._over: int | None = None
        self._ids = identifiers()
        self._key_ids = identifiers()
        self._interned: dict[str, str] = {}
        self._shard_of: dict[int, str] = {}
        self._clean: set[str] = set()
        self._host = _quiet_host()
        definitions: dict[str, dict[str, Any]] = {}
        for program in programs:
            name = self._shard_for(program, definitions)
            definitions.setdefault(name, {WAKE: {"all": [{"a0": {"p": WAKE}}], "run": _nothing}})[f"r{program.number}"] = self._rule(program)
            self._shard_of.update((slot.number, name) for slot in program.slots)
        if definitions:
            self._host.register_rulesets(definitions)

    @staticmethod
    def _shard_for(program: Program, definitions: dict[str, dict[str, Any]]) -> str:
        last = f"s{max(0, len(definitions) - 1)}"
        used = sum(len(rule["all"]) for rule in definitions.get(last, {}).values())  # the waking rule included
        return last if used + len(program.slots) < SHARD else f"s{len(definitions)}"

    def _rule(self, program: Program) -> dict[str, Any]:
        conditions: list[dict[str, Any]] = []
        for index, slot in enumerate(program.slots):
            constant: dict[str, Any] = {"p": slot.number}
            links = [{f"j{link.field}": {f"a{link.slot}": f"j{link.other}"}} for link in slot.links]
            conditions.append({f"a{index}": {"$and": [constant, *links]} if links else constant})
        return {"all": conditions, "run": self._action(program)}

    def _action(self, program: Program) -> Callable[[Any], None]:
        names = tuple(f"a{index}" for index in range(len(program.slots)))

        def note(c: Any) -> None:  # durable-rules counts the arguments: exactly one means synchronous
            if self._told[program.number] >= self._limit:
                self._over = program.number
                return
            self._told[program.number] += 1
            bound = c._m  # noqa: SLF001  # the public accessor wraps each token twice
            self._rows.append((program.number, tuple(bound[name]["f"] for name in names)))

        return note

    def add(self, tokens: Sequence[Token]) -> list[Row]:
        """Assert tokens and collect the rows that fired."""
        shards: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for token in tokens:
            shards[self._shard_of[token.slot]].append(self._message(token))
        for name, messages in shards.items():
            for start in range(0, len(messages), CHUNK):
                self._assert(name, messages[start : start + CHUNK])
        rows, self._rows = self._rows, []
        return rows

    def _message(self, token: Token) -> dict[str, Any]:
        message: dict[str, Any] = {"p": token.slot, "f": token.fact, "id": next(self._ids)}
        for name, key in token.keys.items():
            message[f"j{name}"] = self._intern(key)
        return message

    def _intern(self, key: str) -> str:
        short = self._interned.get(key)
        if short is None:
            short = self._interned[key] = next(self._key_ids)
        return short

    def _assert(self, name: str, messages: list[dict[str, Any]]) -> None:
        try:
            self._host.assert_facts(name, messages if name in self._clean else [{"p": WAKE, "id": next(self._ids)}, *messages])
            state = self._host.get_state(name)
        except Exception as error:
            message = f"durable-rules failed on {len(messages)} tokens: {error}"
            raise DurableError(message) from error
        if state.get("exception"):
            message = f"durable-rules failed in an action: {state['exception']}"
            raise DurableError(message)
        self._clean.add(name)
        if self._over is not None:
            raise MatchLimitError(self._over)

    def close(self) -> None:
        """Free the networks in the C library."""
        import durable_rules_engine

        for name, ruleset in self._host._ruleset_directory.items():  # noqa: SLF001  # there is no public way to free one
            # The state holds the tokens, 20 KB each, which deleting the ruleset alone would leak.  Deleting a state in which no action ever
            # ran frees a pointer that was never set; therefore the waking rule, and nothing after a failure.
            if name in self._clean:
                durable_rules_engine.delete_state(ruleset._handle, "0")  # noqa: SLF001
            durable_rules_engine.delete_ruleset(ruleset._handle)  # noqa: SLF001
        self._host._ruleset_directory.clear()  # noqa: SLF001
        self._clean.clear()


def _nothing(_c: Any) -> None:
    """Action of the waking rule."""


def _quiet_host() -> Any:
    """A host without the two daemon threads that fire rules behind one's back."""
    import durable.engine

    class QuietHost(durable.engine.Host):  # type: ignore[misc]  # the library is untyped
        def _run(self) -> None:
            """Start nothing."""

    return QuietHost()


def why_not() -> str:
    """Why durable-rules cannot be used here; "" if it can."""
    try:
        import durable.engine
    except ImportError as error:
        return f"durable-rules not importable: {error}"
    return "" if hasattr(durable.engine, "Host") else "durable-rules not importable: it has no Host"
