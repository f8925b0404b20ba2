"""Pods without a listing, on the node that speaks of their addresses."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.poddens import denned
from engine.facts import HOST, Fact


def fact(node: str, stack: str, kind: str, **fields: Any) -> Fact:
    """A fact of IPv4."""
    return Fact(kind, {"family": 4, **fields}, node, stack)


POD = (
    fact("box", "web", "route", dst="0.0.0.0/0", gateway="10.2.5.1", device="eth0"),
    fact("box", "web", "address", address="10.2.5.2", device="eth0"),
)


@pytest.mark.parametrize(
    ("den", "found"),
    [
        (fact("n1", HOST, "flannel_subnet", subnet="10.2.5.1/24"), "n1"),
        (fact("n1", HOST, "address", device="cni0", address="10.2.5.1", prefixlen=24), "n1"),
        (fact("n1", HOST, "route", device="cali12345", dst="10.2.5.2/32"), "n1"),
        (fact("n1", HOST, "address", device="eth0", address="10.2.5.1", prefixlen=24), "box"),
        (fact("n1", HOST, "flannel_subnet", subnet="10.2.6.1/24"), "box"),
    ],
)
def test_where_it_lives(den: Fact, found: str) -> None:
    """By flannel's lease, the pods' bridge, calico's routes; a card's network is nobody's den."""
    assert {f.node for f in denned([den, *POD]) if f.stack == "web"} == {found}


def test_what_is_open_stays() -> None:
    """Two nodes that fit, or a machine that shows more than the pod: nothing moves."""
    dens = [fact(node, HOST, "flannel_subnet", subnet="10.2.5.1/24") for node in ("n1", "n2")]
    assert {f.node for f in denned([*dens, *POD]) if f.stack == "web"} == {"box"}
    own = fact("box", HOST, "route", dst="0.0.0.0/0", gateway="192.0.2.1", device="eth0")
    assert {f.node for f in denned([dens[0], own, *POD]) if f.stack == "web"} == {"box"}


@pytest.mark.parametrize(
    "broken", [fact("n1", HOST, "address", device="cni0", address="10.2.5.1", prefixlen=99), fact("n1", HOST, "flannel_subnet", subnet="10.2.5.1/x")]
)
def test_prefixes_that_are_none(broken: Fact) -> None:
    """Evidence is not trusted: what no kernel prints shows where nobody lives, and ends nothing."""
    assert denned([broken, *POD]) == [broken, *POD]
