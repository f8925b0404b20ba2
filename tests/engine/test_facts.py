"""Facts, their sources, and bases of facts."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import facts
from engine.facts import HOST, NOWHERE, ChainText, Fact, FactBase, LazyChains, LazyRules, RuleLine, Source

ONE = Fact("link", {"name": "eth0", "up": True}, "n1", "host", Source("ip_link", "first\n  second  \r\nthird\x0cstill third", "ip link"), 2)


@pytest.mark.parametrize(("number", "text"), [(1, "first"), (2, "  second  "), (3, "third\x0cstill third"), (0, ""), (4, ""), (-1, "")])
def test_lines_count_newlines_only(number: int, text: str) -> None:
    """Lines are what newlines separate, from 1; nothing else ends one, and there is no line 0."""
    assert ONE.source.line(number) == text


@given(st.text("a\n\r", max_size=60), st.integers(1, 9), st.integers(-1, 70))
def test_any_line_is_found(text: str, block: int, number: int) -> None:
    """A line is the one that splitting the text would give, wherever the blocks begin."""
    lines = text.split("\n")
    with patch.object(facts, "BLOCK", block):
        assert Source("x", text).line(number) == (lines[number - 1].rstrip("\r") if 1 <= number <= len(lines) else "")


@given(st.text("ab\n", max_size=60), st.integers(1, 7))
def test_line_of_an_offset(text: str, block: int) -> None:
    """The number of the line that an offset lies in counts the newlines before it, whatever the blocks are that they are counted by."""
    with patch.object(facts, "BLOCK", block):
        source = Source("x", text)
        assert [source.line_at(offset) for offset in range(len(text) + 1)] == [text.count("\n", 0, offset) + 1 for offset in range(len(text) + 1)]


def test_lazy_chains() -> None:
    """Chains are made once, when asked for by name or place; together they equal the tuple of them."""
    made: list[int] = []
    ready = tuple(ChainText(name, line=line, rules=(RuleLine(9, "-j X"),)) for line, name in enumerate("abc"))

    def make(place: int) -> ChainText:
        made.append(place)
        return ready[place]

    chains = LazyChains("abc", make)
    assert (len(chains), list(chains.names), chains.named("b"), chains[-2]) == (3, ["a", "b", "c"], ready[1], ready[1])
    assert made == [1]
    assert chains == ready
    assert chains[1:] == list(ready[1:])
    assert hash(chains) == hash(ready)
    assert chains != ready[:2]
    assert repr(chains) == "<3 chains>"
    with pytest.raises(KeyError):
        chains.named("d")
    with pytest.raises(IndexError):
        chains[3]


def test_chains_may_hold_words() -> None:
    """Chains of one text tell whether any rule may hold some words without being made; without a text, any may."""
    assert LazyChains("a", lambda _: pytest.fail("made")).may_hold("x")
    assert [LazyChains("a", lambda _: pytest.fail("made"), "-j X".__contains__).may_hold(words) for words in ("X", "Y")] == [True, False]


def test_heads() -> None:
    """How rules begin is told without making them, where the parser knows how; else by their words."""
    rules = (RuleLine(1, "-j A"), RuleLine(2, "-j B"))
    assert ChainText("x", rules=rules).heads() == ["-j A", "-j B"]
    assert ChainText("x", rules=LazyRules(2, rules.__getitem__)).heads() == ["-j A", "-j B"]
    assert ChainText("x", rules=LazyRules(2, lambda _: pytest.fail("made"), lambda: ["-j"])).heads() == ["-j"]


def test_source_is_named_in_messages() -> None:
    """A source shows its name, not its text."""
    assert repr(ONE.source) == "Source('ip_link')"


def test_evidence_text() -> None:
    """The evidence is the line without its margins, or what was said to be shown instead."""
    assert ONE.text == "second"
    assert Fact("link", {}, shown="eth0 up", source=ONE.source, line=2).text == "eth0 up"
    assert not Fact("link", {}).text
    assert Fact("link", {}).source is NOWHERE


def test_get() -> None:
    """Place counts as fields; what was not observed is the default."""
    assert [ONE.get(name) for name in ("node", "stack", "name", "mtu")] == ["n1", HOST, "eth0", None]
    assert ONE.get("mtu", 1500) == 1500


def test_at_moves_the_observation() -> None:
    """The same fact on another stack keeps its fields and its line."""
    moved = ONE.at("n2", "web")
    assert (moved.node, moved.stack, moved.fields, moved.text) == ("n2", "web", ONE.fields, "second")


def test_having_changes_and_removes() -> None:
    """A value of ``None`` removes a field, and the old fact stays what it was."""
    changed = ONE.having(up=None, mtu=9000)
    assert dict(changed.fields) == {"name": "eth0", "mtu": 9000}
    assert dict(ONE.fields) == {"name": "eth0", "up": True}


def test_index() -> None:
    """A base gives facts by kind in the order they were read, and by place."""
    other = ONE.at("n1", "web")
    base = FactBase([ONE, other, Fact("route", {"dst": "10.0.0.0/8"})])
    assert base.of_kind("link") == [ONE, other]
    assert list(base.at("link", "n1", "web")) == [other]
    assert base.of_kind("socket") == ()
    assert base.kinds() == {"link", "route"}


def test_expanders_run_once_and_only_when_asked() -> None:
    """A computed kind is made when somebody asks for it, once."""
    asked = []

    def expand(base: FactBase) -> list[Fact]:
        asked.append(len(base.facts))
        return [Fact("netfilter_rule", {"number": 1})]

    base = FactBase([ONE], {"netfilter_rule": expand})
    assert base.kinds() == {"link", "netfilter_rule"}
    assert not asked
    assert len(base.of_kind("netfilter_rule")) == len(base.of_kind("netfilter_rule")) == 1
    assert asked == [1]
    assert base.plus([ONE]).of_kind("netfilter_rule")
    assert asked == [1, 2]


def test_swap() -> None:
    """Facts are replaced and removed by identity; equal ones stay, new ones come last, and the old base is untouched."""
    twin = Fact(ONE.kind, ONE.fields, ONE.node, ONE.stack, ONE.source, ONE.line)
    gone, new = Fact("route", {}), Fact("route", {"dst": "10.0.0.0/8"})
    base = FactBase([ONE, twin, gone])
    changed = ONE.having(up=False)
    after = base.swap({id(ONE): changed, id(gone): None}, [new])
    assert after.facts == (changed, twin, new)
    assert after.facts[1] is twin
    assert base.facts == (ONE, twin, gone)
