"""Operations on policy rules do to the kernel what they do to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.facts import FactBase
from engine.remedies.policy import words_of
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.world import parsed

if TYPE_CHECKING:
    from engine.facts import Fact

RULES = """0:\tfrom all lookup local
100:\tfrom 10.9.0.0/16 lookup 100
32766:\tfrom all lookup main
32767:\tfrom all lookup default"""


def told(facts: list[Fact]) -> list[dict[str, object]]:
    """Fields of all rules, in the order of their priorities."""
    return sorted((dict(f.fields) for f in facts if f.kind == "routing_rule"), key=lambda fields: int(str(fields["priority"])))


def test_add_on_the_kernel(space: Space) -> None:
    """After the printed command the kernel lists the rule that the model has; after the undo it is gone."""
    space.run("ip rule add from 10.9.0.0/16 lookup 100 priority 100")
    applied, after, undone, before = space.tried("rule.add", ("ip rule",), dst="10.1.0.0/24", before="100")
    assert applied is not None
    assert told(applied) == told(after)
    assert {f["priority"] for f in told(after)} == {0, 99, 100, 32766, 32767}
    assert told(undone) == told(before)


@pytest.mark.parametrize(
    "words", ["prohibit to 10.20.0.0/16", "from 10.9.0.0/16 fwmark 0x6/0xff lookup 100", "not from 10.9.0.0/16 iif eth0 unreachable"]
)
def test_delete_on_the_kernel(space: Space, words: str) -> None:
    """A rule goes away and comes back exactly as it was."""
    space.run(f"ip rule add {words} priority 77")
    action = next((w for w in ("prohibit", "unreachable") if w in words), "lookup")
    applied, after, undone, before = space.tried("rule.delete", ("ip rule",), priority="77", action=action)
    assert applied is not None
    assert told(applied) == told(after)
    assert told(undone) == told(before)


def test_add_takes_a_free_priority() -> None:
    """Two rules of one priority cannot be told apart: a taken one is not taken again."""
    facts = FactBase(parsed("ip rule", RULES + "\n99:\tfrom all to 10.3.0.0/16 lookup 3"))
    made = operation("rule.add", facts, dst="10.1.0.0/24", before="100")
    assert made.commands() == ("ip rule add to 10.1.0.0/24 from all lookup main priority 98",)
    assert "priority 98 to 10.1.0.0/24 table 254" in "\n".join(made.persist())
    assert made.verify() == ("ip rule show",)


def test_unseen_rules_are_not_changed() -> None:
    """Where no rule was observed the model cannot tell what adding or deleting one does."""
    assert operation("rule.add", FactBase([]), dst="10.1.0.0/24", before="100").apply(FactBase([])) is None
    deleting = operation("rule.delete", FactBase([]), priority="100")
    assert deleting.apply(FactBase([])) is None
    assert deleting.commands() == ("ip rule del priority 100",)
    assert deleting.undo() == ()
    assert deleting.persist()


def test_no_room_in_front() -> None:
    """Nothing can come before the lookup of table local."""
    facts = FactBase(parsed("ip rule", RULES))
    assert operation("rule.add", facts, dst="10.1.0.0/24", before="1").apply(facts) is None


def test_words_of_every_kind() -> None:
    """Every selector and action that is read is written again."""
    fields = {"priority": 5, "src": "10.1.0.0/16", "oif": "eth1", "ipproto": "tcp", "dport": "80-90", "action": "goto", "goto": 100}
    assert words_of(fields) == ["from", "10.1.0.0/16", "oif", "eth1", "ipproto", "tcp", "dport", "80-90", "goto", "100", "priority", "5"]
    assert words_of({"priority": 6, "table": "main", "suppress_prefixlength": 0, "family": 6}) == [
        "from",
        "all",
        "lookup",
        "main",
        "suppress_prefixlength",
        "0",
        "priority",
        "6",
    ]
