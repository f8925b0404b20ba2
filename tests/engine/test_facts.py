"""Facts, their sources, and bases of facts."""

from __future__ import annotations

import pytest

from engine.facts import HOST, NOWHERE, Fact, FactBase, Source

ONE = Fact("link", {"name": "eth0", "up": True}, "n1", "host", Source("ip_link", "first\n  second  \r\nthird\x0cstill third", "ip link"), 2)


@pytest.mark.parametrize(("number", "text"), [(1, "first"), (2, "  second  "), (3, "third\x0cstill third"), (0, ""), (4, ""), (-1, "")])
def test_lines_count_newlines_only(number: int, text: str) -> None:
    """Lines are what newlines separate, from 1; nothing else ends one, and there is no line 0."""
    assert ONE.source.line(number) == text


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
