"""Neighbours, however they were printed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from collectors.parsers.ipneigh import parse

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

KEY = ["address", "device"]


@pytest.mark.parametrize("options", ["-s", "-s -s", "-j", "-s -j"])
def test_every_printing_gives_the_same_facts(recorded: Recorded, options: str) -> None:
    """Statistics and JSON change nothing."""
    reference, facts = recorded.parse(parse, "ip neigh"), recorded.parse(parse, f"ip {options} neigh")
    assert recorded.disagreements(reference, facts, "neighbor", KEY) == []
    assert recorded.covered(facts) == {("neighbors", "all", 0)}
    assert recorded.unparsed(facts) == 0


def test_busybox_agrees(recorded: Recorded) -> None:
    """Busybox prints the same words."""
    reference, facts = recorded.parse(parse, "ip neigh"), recorded.parse(parse, "ip neigh", "busybox")
    assert recorded.disagreements(reference, facts, "neighbor", KEY) == []


@pytest.mark.parametrize(("command", "tool"), [("arp -n", "net-tools"), ("arp -an", "net-tools"), ("arp -an", "busybox")])
def test_arp_agrees(recorded: Recorded, command: str, tool: str) -> None:
    """Arp shows IPv4 entries and published ones; a failed entry looks incomplete, so that it is not taken for resolved."""
    reference = [f for f in recorded.parse(parse, "ip -4 neigh") + recorded.parse(parse, "ip neigh show proxy") if f.kind == "neighbor"]
    facts = recorded.parse(parse, command, tool)
    assert recorded.disagreements(reference, facts, "neighbor", KEY) == [(("192.0.2.8", "eth0"), "state", "FAILED", "INCOMPLETE")]
    assert recorded.covered(facts) == {("neighbors", "all", 4)}
    assert recorded.covered(recorded.text(parse, recorded.source(command, tool).text)) == {("neighbors", "all", 4)}


def test_states(recorded: Recorded) -> None:
    """The state is the kernel's word; a proxy entry has none."""
    facts = recorded.parse(parse, "ip neigh")
    states = {fact.get("address"): fact.get("state") for fact in facts if fact.kind == "neighbor"}
    assert states == {"10.244.2.0": "PERMANENT", "192.0.2.1": "REACHABLE", "192.0.2.8": "FAILED", "10.244.1.5": "STALE", "2001:db8::1": "STALE"}
    assert recorded.only(facts, "neighbor", address="192.0.2.1").get("mac") == "02:00:0a:00:00:09"
    assert "mac" not in recorded.only(facts, "neighbor", address="192.0.2.8").fields
    proxy = recorded.only(recorded.parse(parse, "ip neigh show proxy"), "neighbor")
    assert proxy.fields == {"address": "192.0.2.77", "family": 4, "device": "eth0", "proxy": True}


def test_restricted_listings(recorded: Recorded) -> None:
    """A listing of one device prints no device; other filters cover nothing."""
    facts = recorded.parse(parse, "ip neigh show dev eth0")
    assert {fact.get("device") for fact in facts if fact.kind == "neighbor"} == {"eth0"}
    assert recorded.covered(facts) == {("neighbors", "eth0", 0)}
    assert recorded.covered(recorded.parse(parse, "ip -4 neigh")) == {("neighbors", "all", 4)}
    assert recorded.covered(recorded.parse(parse, "ip neigh show proxy")) == set()
    assert recorded.covered(recorded.text(parse, "", "ip neigh")) == {("neighbors", "all", 0)}


def test_lines_that_are_no_entry_are_counted(recorded: Recorded) -> None:
    """Neither route lines nor broken arp lines become neighbours."""
    text = "10.0.0.0/8 dev eth0\n10.0.0.1 via 10.0.0.2\n? (nowhere) at 02:00:00:00:00:01 [ether] on eth0\n10.0.0.1 ether\n"
    facts = recorded.text(parse, text)
    assert [fact.kind for fact in facts] == ["unparsed"]
    assert recorded.unparsed(facts) == 4


def test_ten_thousand_neighbours_are_quick(recorded: Recorded) -> None:
    """A full table of 10,000 lines costs well under a second (0.3 s on an idle machine, with room for a busy one)."""
    text = "".join(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255} dev cni0 lladdr 02:00:00:00:{i >> 8:02x}:{i & 255:02x} REACHABLE\n" for i in range(10_000))
    started = time.process_time()
    assert len(recorded.text(parse, text, "ip neigh")) == 10_001
    assert time.process_time() - started < 0.6
