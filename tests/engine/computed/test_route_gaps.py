"""Ranges that a route leads to on the like of them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed.route_gaps import route_gaps
from engine.facts import Fact, FactBase

WHOLE = Fact("collected", {"what": "routes", "scope": "main", "family": 4}, "n1")
DEFAULT = Fact("route", {"dst": "0.0.0.0/0", "family": 4, "type": "unicast", "device": "eth0", "gateway": "192.0.2.1"}, "n1")


def pods(third: int, device: str = "flannel.1") -> Fact:
    """A route to another node's pods."""
    return Fact("route", {"dst": f"10.42.{third}.0/24", "family": 4, "type": "unicast", "device": device, "gateway": f"10.42.{third}.0"}, "n1")


def held(device: str, address: str, length: int) -> Fact:
    """An address of the node."""
    return Fact("address", {"device": device, "address": address, "prefixlen": length, "family": 4}, "n1")


def link(name: str, **more: Any) -> Fact:
    """A device that is up."""
    return Fact("link", {"name": name, "up": True, "carrier": True, **more}, "n1")


FLANNEL0 = (link("flannel0"), held("flannel0", "10.42.31.0", 16))


@pytest.mark.parametrize(("facts", "told"), [
    ((WHOLE, DEFAULT, pods(0), pods(1)), [("sibling", "flannel.1", "10.42.0.0/16", 2)]),
    ((DEFAULT, pods(0), pods(1)), []),
    ((WHOLE, DEFAULT, pods(0)), []),
    ((WHOLE, DEFAULT, pods(0, "eth0"), pods(1, "eth0")), []),
    ((WHOLE, DEFAULT, *FLANNEL0), [("subnet", "flannel0", "10.42.0.0/16", 1)]),
    ((WHOLE, DEFAULT, *FLANNEL0, DEFAULT.having(dst="10.42.0.0/16", device="flannel0", gateway="")), []),
    ((WHOLE, DEFAULT, link("flannel0", master="vrf1"), FLANNEL0[1]), []),
    ((WHOLE, DEFAULT, FLANNEL0[0].having(up=False), FLANNEL0[1]), []),
    ((WHOLE, DEFAULT, link("flannel.1"), held("flannel.1", "10.42.3.0", 32)), []),
])  # fmt: skip
def test_gaps(facts: tuple[Fact, ...], told: list[tuple[object, ...]]) -> None:
    """A whole table with several routes by one tunnel, or without the route of an address that the kernel writes; a device that is down has none."""
    assert [tuple(f.get(n) for n in ("what", "device", "cover", "count")) for f in route_gaps(FactBase(facts))] == told
