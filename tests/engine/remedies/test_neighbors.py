"""Entries of the neighbour table: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.computed import EXPANDERS
from engine.facts import FactBase
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.world import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.facts import Fact

MAC = "02:11:22:33:44:55"
TARGET = {"dev": "eth0", "address": "10.1.0.9"}


def entries(facts: Iterable[Fact]) -> set[tuple[object, ...]]:
    """Entries by what a packet meets."""
    return {tuple(f.get(name) for name in ("device", "address", "mac", "state")) for f in facts if f.kind == "neighbor"}


@pytest.mark.lab
@pytest.mark.parametrize("state", ["permanent", "stale"])
def test_deleted_and_set_again(space: Space, state: str) -> None:
    """The model loses the very entry that the kernel loses, and the undo puts it back with its state."""
    space.run(f"ip neigh replace 10.1.0.9 lladdr {MAC} dev eth0 nud {state}; ip neigh replace 10.1.0.8 lladdr {MAC} dev eth0 nud permanent")
    model, after, undone, before = space.tried("neighbor.delete", ("ip neigh show",), **TARGET)
    assert model is not None
    assert entries(model) == entries(after) == entries(before) - {("eth0", "10.1.0.9", MAC, state.upper())}
    assert entries(undone) == entries(before)


def test_who_set_it() -> None:
    """What was set by hand is set by hand again: the advice names the places; an entry that the kernel learned needs none."""
    listed = f"10.1.0.9 dev eth0 lladdr {MAC} PERMANENT\n10.1.0.8 dev eth0 lladdr {MAC} REACHABLE\n10.1.0.7 dev eth0 FAILED"
    facts = FactBase(parsed("ip neigh", listed), EXPANDERS)
    assert operation("neighbor.delete", facts, **TARGET).persist()
    learned = operation("neighbor.delete", facts, dev="eth0", address="10.1.0.8")
    assert not learned.persist()
    assert learned.undo()[0].endswith("nud stale")
    assert not operation("neighbor.delete", facts, dev="eth0", address="10.1.0.7").undo()
    assert operation("neighbor.delete", facts, dev="eth1", address="10.1.0.9").apply(facts) is None
    assert learned.verify() == ("ip neigh show 10.1.0.8 dev eth0",)
