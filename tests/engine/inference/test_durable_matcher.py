"""durable-rules gets only what it handles exactly, and its failures are loud."""

from __future__ import annotations

import itertools
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.inference import durable_matcher
from engine.inference.durable_matcher import SHARD, DurableError, DurableMatcher
from engine.inference.tokens import Link, MatchLimitError, Program, Slot, Token, fnv1a, identifiers


def pair(number: int) -> Program:
    """Two patterns joined on one field."""
    return Program(number, (Slot(2 * number), Slot(2 * number + 1, (Link("x", 0, "y"),))))


def test_identifiers_do_not_collide() -> None:
    """Ids are short and differ in the 32-bit hash by which the library tells messages apart."""
    names = list(itertools.islice(identifiers(), 200_000))
    assert len({fnv1a(name) for name in names}) == len(names)
    assert max(map(len, names)) <= 4


def test_many_programs_are_spread_over_shards() -> None:
    """No ruleset holds more patterns than the network's level can, and rows still come from all."""
    programs = [pair(number) for number in range(SHARD)]
    matcher = DurableMatcher(programs, 10)
    try:
        assert set(matcher._shard_of.values()) == {"s0", "s1", "s2"}
        tokens = [Token(2 * n, n, {"y": f"k{n}"}) for n in range(SHARD)] + [Token(2 * n + 1, SHARD + n, {"x": f"k{n}"}) for n in range(SHARD)]
        assert sorted(matcher.add(tokens)) == [(n, (n, SHARD + n)) for n in range(SHARD)]
    finally:
        matcher.close()


def test_tokens_are_chunked_and_rows_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that need tokens of several calls are found, each once."""
    monkeypatch.setattr(durable_matcher, "CHUNK", 3)
    matcher = DurableMatcher([pair(0)], 100)
    try:
        assert matcher.add([Token(0, n, {"y": "k"}) for n in range(7)]) == []
        assert sorted(matcher.add([Token(1, 9, {"x": "k"}), Token(1, 10, {"x": "other"})])) == [(0, (n, 9)) for n in range(7)]
        assert matcher.add([]) == []
    finally:
        matcher.close()


def test_text_of_evidence_never_reaches_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Join keys are interned: whatever a bundle holds, the C code sees short words."""
    seen: list[dict[str, Any]] = []
    matcher = DurableMatcher([pair(0)], 100)
    original = matcher._host.assert_facts

    def watched(name: str, messages: list[dict[str, Any]]) -> None:
        seen.extend(messages)
        original(name, messages)

    monkeypatch.setattr(matcher._host, "assert_facts", watched)
    try:
        evil = '"}\x00\\u0000{"$m":' + "x" * 5000
        assert matcher.add([Token(0, 1, {"y": evil}), Token(1, 2, {"x": evil})]) == [(0, (1, 2))]
    finally:
        matcher.close()
    assert all(isinstance(value, int) or (value.isalnum() and len(value) < 8) for message in seen for value in message.values())


def test_no_thread_is_started() -> None:
    """The host's two daemon threads fire rules behind one's back; this one starts none."""
    before = threading.active_count()
    DurableMatcher([pair(0)], 10).close()
    assert threading.active_count() == before


def test_closing_is_safe_at_any_time() -> None:
    """A matcher can be closed unused, after tokens that joined to nothing, and twice."""
    for tokens in ([], [Token(0, 1, {"y": "k"})], [Token(0, 1, {"y": "k"}), Token(1, 2, {"x": "other"})]):
        for _ in range(50):
            matcher = DurableMatcher([pair(0)], 3)
            assert matcher.add(tokens) == []
            matcher.close()
            matcher.close()


def test_too_many_rows() -> None:
    """The limit names the program."""
    matcher = DurableMatcher([pair(0)], 3)
    with pytest.raises(MatchLimitError) as caught:
        matcher.add([Token(0, n, {"y": "k"}) for n in range(5)] + [Token(1, 9, {"x": "k"})])
    matcher.close()
    assert caught.value.program == 0


def test_a_failing_call_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of the library ends the run."""

    def fail(_name: str, _messages: object) -> None:
        message = "Could not assert"
        raise RuntimeError(message)

    matcher = DurableMatcher([pair(0)], 3)
    monkeypatch.setattr(matcher._host, "assert_facts", fail)
    with pytest.raises(DurableError, match="failed on 1 tokens: Could not assert"):
        matcher.add([Token(0, 1, {"y": "k"})])
    matcher.close()


def test_a_failing_action_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library swallows exceptions of actions into its state; they are raised all the same."""
    matcher = DurableMatcher([Program(0, (Slot(0),))], 3)

    class Broken(list[Any]):
        def append(self, _row: object) -> None:
            message = "no memory"
            raise RuntimeError(message)

    monkeypatch.setattr(matcher, "_rows", Broken())
    with pytest.raises(DurableError, match=r"failed in an action.*no memory"):
        matcher.add([Token(0, 1, {})])
    matcher.close()


def _resident() -> int:
    """Resident memory of this process, in KiB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 1024


def test_memory_is_given_back() -> None:
    """A program that infers again and again (the what-if of every remedy) does not grow."""
    programs = [pair(number) for number in range(100)]
    tokens = [Token(2 * n, n, {"y": "k"}) for n in range(100)] + [Token(2 * n + 1, n, {"x": "k"}) for n in range(100)]
    sizes = []
    for _ in range(30):
        matcher = DurableMatcher(programs, 10)
        assert len(matcher.add(tokens)) == 100
        matcher.close()
        sizes.append(_resident())
    assert sizes[-1] - sizes[10] < 20_000
