"""Adding and deleting entries of ipsets: on the model and on the kernel."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.world import parsed

SETS = "create peers hash:net family inet hashsize 1024 maxelem 65536\nadd peers 10.2.0.0/16\nadd peers 10.3.0.0/16 timeout 600"


def members(facts: list[Fact]) -> list[str]:
    """Entries of the set, whatever their order."""
    return sorted(text for fact in facts if fact.kind == "ipset" for text in fact.get("members"))


def base() -> FactBase:
    """A node with a set."""
    return FactBase(parsed("ipset save", SETS))


def test_add() -> None:
    """The entry is in the set, with its option; the undo takes it out."""
    made = operation("ipset.add", base(), set="peers", member="10.2.0.7", nomatch="true")
    after = made.apply(base())
    assert after is not None
    assert members(list(after.facts)) == ["10.2.0.0/16", "10.2.0.7 nomatch", "10.3.0.0/16 timeout 600"]
    assert (made.commands(), made.undo()) == (("ipset add peers 10.2.0.7 nomatch",), ("ipset del peers 10.2.0.7",))


def test_delete() -> None:
    """The entry is gone; the undo gives it back with the options that it had."""
    made = operation("ipset.delete", base(), set="peers", member="10.3.0.0/16 timeout 600")
    after = made.apply(base())
    assert after is not None
    assert members(list(after.facts)) == ["10.2.0.0/16"]
    assert (made.commands(), made.undo()) == (("ipset del peers 10.3.0.0/16",), ("ipset add peers 10.3.0.0/16 timeout 600",))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("ipset.add", {"set": "none", "member": "10.1.0.1"}),
        ("ipset.add", {"set": "peers", "member": "10.2.0.0/16"}),
        ("ipset.delete", {"set": "peers", "member": "10.1.0.1"}),
        ("ipset.delete", {"set": "none", "member": "10.1.0.1"}),
    ],
)
def test_nothing_to_work_on(name: str, given: dict[str, str]) -> None:
    """Where the set or the entry is not listed, or is there already, the model cannot tell."""
    assert operation(name, base(), **given).apply(base()) is None


@pytest.mark.lab
@pytest.mark.parametrize(
    ("name", "entry", "nomatch"), [("ipset.add", "10.1.0.7", ""), ("ipset.add", "10.2.0.7", "true"), ("ipset.delete", "10.2.0.0/16", "")]
)
def test_kernel(space: Space, name: str, entry: str, nomatch: str) -> None:
    """The kernel's set after the command is the model's, and after the undo it is what it was."""
    space.run("ipset create peers hash:net; ipset add peers 10.2.0.0/16; ipset add peers 10.3.0.0/16")
    applied, after, again, before = space.tried(name, ("ipset save",), set="peers", member=entry, nomatch=nomatch)
    assert applied is not None
    assert members(applied) == members(after) != members(before)
    assert members(again) == members(before)
