"""Moving a calico pool."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from engine.inet import prefix
from tests.engine.remedies.conftest import operation


def base(*used: str) -> FactBase:
    """Evidence in which some prefixes are used."""
    return FactBase([Fact("route", {"dst": text}, "n1") for text in (*used, "0.0.0.0/0")] + [Fact("address", {"address": "bad"}, "n1")])


@pytest.mark.parametrize(
    ("used", "right"),
    [
        ((), "10.244.0.0/16"),
        (("10.244.3.0/24",), "10.200.0.0/16"),
        (("10.0.0.0/8",), "172.20.0.0/16"),
        (("10.0.0.0/8", "172.16.0.0/12"), "10.244.0.0/16"),
    ],
)
def test_free_prefix(used: tuple[str, ...], right: str) -> None:
    """The new pool overlaps nothing that the evidence shows; the default route does not count, and with no free one the usual is proposed."""
    made = operation("calico.move-pool", base(*used), cidr="192.168.0.0/16")
    assert made.commands()[0].count(right) == 1
    if len(used) < 2:
        assert not any(prefix(text).overlaps(prefix(right)) for text in used)


def test_order() -> None:
    """The new pool first, then the old one is switched off, deleted last; the undo switches it on; the model cannot try it."""
    facts = base()
    made = operation("calico.move-pool", facts, cidr="10.0.0.0/16", pool="it's")
    create, off, _, gone = made.commands()
    assert create.startswith("echo ")
    assert "'it'\"'\"'s'" in off
    assert gone.startswith("kubectl delete ippools")
    assert "false" in made.undo()[0]
    assert (made.apply(facts), made.RISK) == (None, "high")
