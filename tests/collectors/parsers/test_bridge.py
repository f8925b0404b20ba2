"""Forwarding databases and bridge ports, however they were printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.parsers import iplink
from collectors.parsers.bridge import parse, parse_brctl, parse_fdb, parse_link

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

FDB_KEY = ["mac", "device", "dst", "vlan", "master"]


@pytest.mark.parametrize("options", ["-s", "-d", "-s -s -d -t", "-j", "-d -j"])
def test_every_printing_of_the_fdb_gives_the_same_facts(recorded: Recorded, options: str) -> None:
    """Statistics, details and JSON change nothing."""
    reference, facts = recorded.parse(parse_fdb, "bridge fdb show"), recorded.parse(parse_fdb, f"bridge {options} fdb show")
    assert recorded.disagreements(reference, facts, "fdb", FDB_KEY) == []
    assert recorded.covered(facts) == {("fdb", "all", 0)}
    assert recorded.unparsed(facts) == 0


def test_entries(recorded: Recorded) -> None:
    """Remote VTEPs with port and VNI, static and learned entries of a bridge."""
    facts = recorded.parse(parse_fdb, "bridge fdb show")
    vtep = {"mac": "02:00:0a:f4:00:02", "device": "flannel.1", "dst": "192.0.2.9", "self": True, "permanent": True, "flags": ()}
    assert recorded.only(facts, "fdb", dst="192.0.2.9").fields == vtep
    assert recorded.only(facts, "fdb", dst="198.51.100.9").fields.items() >= {"port": 8472, "vni": 9}.items()
    static = {"master": "cni0", "device": "veth0a", "self": False, "permanent": False, "flags": ("static",)}
    assert recorded.only(facts, "fdb", mac="02:00:0a:f4:01:06").fields.items() >= static.items()


@pytest.mark.parametrize(
    ("command", "text", "device"),
    [
        ("bridge fdb show dev flannel.1", "5e:0a:51:00:00:99 dst 192.168.10.12 self permanent\n", "flannel.1"),
        (
            "bridge -j fdb show dev flannel.1",
            '[{"mac":"5e:0a:51:00:00:99","dst":"192.168.10.12","flags":["self"],"state":"permanent"}]\n',
            "flannel.1",
        ),
        ("", "5e:0a:51:00:00:99 dst 192.168.10.12 self permanent\n", None),
    ],
)
def test_entries_of_one_device(recorded: Recorded, command: str, text: str, device: str | None) -> None:
    """Measured: iproute2 leaves the device out of the lines where it was asked for one only."""
    entry = recorded.only(recorded.text(parse_fdb, text, command), "fdb")
    assert (entry.get("mac"), entry.get("dst"), entry.get("device")) == ("5e:0a:51:00:00:99", "192.168.10.12", device)


@pytest.mark.parametrize("options", ["", "-s", "-d", "-s -s -d -t", "-j", "-d -j"])
def test_ports_agree_with_the_details_of_links(recorded: Recorded, options: str) -> None:
    """``bridge link`` tells of a port what ``ip -d link`` tells of the device."""
    facts = recorded.parse(parse_link, " ".join(["bridge", *options.split(), "link"]))
    links = {fact.get("name"): fact for fact in recorded.parse(iplink.parse, "ip -d link") if fact.kind == "link" and fact.get("master")}
    ports = [fact for fact in facts if fact.kind == "bridge_port"]
    assert {port.get("device") for port in ports} == links.keys()
    for port in ports:
        link = links[port.get("device")]
        assert port.get("state") == link.get("port_state")
        for name in port.fields.keys() - {"device", "state"}:
            assert port.get(name) == link.get(name)
    assert ("hairpin" in ports[0].fields) == ("-d" in options)
    assert recorded.covered(facts) == {("bridge_ports", "all", 0)}
    assert recorded.unparsed(facts) == 0


def test_the_form_before_iproute2_4_10(recorded: Recorded) -> None:
    """Old versions print the operational state before the colon."""
    facts = recorded.text(parse_link, "2: veth1 state UP @eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 master br0 state forwarding priority 32 cost 2 \n")
    assert recorded.only(facts, "bridge_port").fields == {"device": "veth1", "master": "br0", "state": "forwarding"}


def test_brctl_agrees(recorded: Recorded) -> None:
    """``brctl show`` lists the same ports; a bridge without any has none."""
    reference, facts = recorded.parse(parse_link, "bridge link"), recorded.parse(parse_brctl, "brctl show", "bridge-utils")
    assert recorded.disagreements(reference, facts, "bridge_port", ["device", "master"]) == []
    assert recorded.covered(facts) == {("bridge_ports", "all", 0)}
    assert recorded.unparsed(facts) == 0


@pytest.mark.parametrize(
    ("command", "tool", "kind"),
    [
        ("bridge fdb show", "iproute2", "fdb"),
        ("bridge -j fdb show", "iproute2", "fdb"),
        ("bridge -d link", "iproute2", "bridge_port"),
        ("bridge -j link", "iproute2", "bridge_port"),
        ("brctl show", "bridge-utils", "bridge_port"),
    ],
)
def test_one_entry_tells_them_apart(recorded: Recorded, command: str, tool: str, kind: str) -> None:
    """By content, with and without a command line."""
    source = recorded.source(command, tool)
    assert {fact.kind for fact in recorded.parse(parse, command, tool)} == {kind, "collected"}
    assert {fact.kind for fact in recorded.text(parse, source.text)} == {kind, "collected"}


@pytest.mark.parametrize(
    ("command", "covered"),
    [
        ("bridge fdb show", {("fdb", "all", 0)}),
        ("bridge link", {("bridge_ports", "all", 0)}),
        ("brctl show", {("bridge_ports", "all", 0)}),
        ("bridge fdb show dev flannel.1", {("fdb", "flannel.1", 0)}),
        ("bridge fdb show dev flannel.1 dynamic", set()),
        ("bridge link show dev veth1", set()),
        ("brctl show cni0", set()),
        ("bridge fdb | grep 02:", set()),
    ],
)
def test_empty_and_restricted_listings(recorded: Recorded, command: str, covered: set[object]) -> None:
    """Nothing listed means nothing there, unless only a part was asked for."""
    assert recorded.covered(recorded.text(parse, "", command)) == covered


def test_lines_that_are_no_entry_are_counted(recorded: Recorded) -> None:
    """Each of the outputs accounts for what it does not understand."""
    assert recorded.unparsed(recorded.text(parse_fdb, "02:00 dev x\nwhat\n")) == 2
    assert recorded.unparsed(recorded.text(parse_link, "what is this\n    hairpin on\n")) == 2
    assert recorded.unparsed(recorded.text(parse_brctl, "what is this\n\t\t\tveth1\n")) == 2
