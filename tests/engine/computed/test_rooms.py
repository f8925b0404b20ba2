"""What room bounded tables have."""

from __future__ import annotations

import pytest

from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase, Source


@pytest.mark.parametrize(("used", "free", "full"), [(100, True, False), (900, False, False), (1000, False, True)])
def test_room(used: int, free: bool, full: bool) -> None:
    """A connection tracking table is free below four fifths, full at its bound."""
    keys = {"net.netfilter.nf_conntrack_count": used, "net.netfilter.nf_conntrack_max": 1000}
    facts = [Fact("sysctl", {"key": key, "value": str(value)}, "n1", "host", Source("iptables-save", ""), 1) for key, value in keys.items()]
    (room,) = FactBase(facts, EXPANDERS).of_kind("room")
    assert room.fields == {
        "resource": "conntrack",
        "free": free,
        "full": full,
        "used": used,
        "max": 1000,
        "key": "net.netfilter.nf_conntrack_max",
        "lost": 0,
    }
    assert list(FactBase(facts[:1], EXPANDERS).of_kind("room")) == []
