"""Devices and addresses, however ``ip`` printed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.parsers.iplink import parse

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

OPTIONS = ["", "-d", "-s", "-s -d", "-o", "-d -o", "-s -o", "-br", "-j", "-d -j", "-s -d -j", "-p -j"]
COUNTERS = ("rx_packets", "tx_packets", "rx_dropped", "tx_dropped")
"""They go on counting between two recordings."""


@pytest.mark.parametrize("options", OPTIONS)
def test_every_printing_of_links_gives_the_same_facts(recorded: Recorded, options: str) -> None:
    """Plain, detailed, one-line, brief and JSON listings of one state agree in every field that they show."""
    reference = recorded.parse(parse, "ip -s -d link")
    facts = recorded.parse(parse, " ".join(["ip", *options.split(), "link"]))
    assert recorded.disagreements(reference, facts, "link", ["name"], COUNTERS) == []
    assert recorded.unparsed(facts) == 0
    # The brief form does not tell which bridge a device is a port of.
    assert recorded.covered(facts) == (set() if "-br" in options else {("links", "all", 0)})


@pytest.mark.parametrize("options", OPTIONS)
def test_every_printing_of_addresses_gives_the_same_facts(recorded: Recorded, options: str) -> None:
    """As for links; ``-o addr`` alone does not list the devices themselves."""
    reference = recorded.parse(parse, "ip -s -d addr")
    facts = recorded.parse(parse, " ".join(["ip", *options.split(), "addr"]))
    assert recorded.disagreements(reference, facts, "address", ["device", "address"]) == []
    assert recorded.unparsed(facts) == 0
    one_line = "-o" in options
    assert ("links", "all", 0) in recorded.covered(facts) or one_line or "-br" in options
    assert ("addresses", "all", 0) in recorded.covered(facts)
    if not one_line:
        assert recorded.disagreements(reference, facts, "link", ["name"], COUNTERS) == []


@pytest.mark.parametrize("command", ["ip addr", "ip link"])
def test_busybox_agrees(recorded: Recorded, command: str) -> None:
    """Busybox prints fewer words (and wrong peers, which are left out), but nothing else."""
    reference, facts = recorded.parse(parse, command), recorded.parse(parse, command, "busybox")
    assert recorded.disagreements(reference, facts, "link", ["name"]) == []
    assert recorded.disagreements(reference, facts, "address", ["device", "address"]) == []
    assert not any("peer_name" in fact.fields for fact in facts)


def test_details_of_each_kind(recorded: Recorded) -> None:
    """``-d`` tells type, tunnel, bridge and port details."""
    facts = recorded.parse(parse, "ip -d link")

    def link(name: str) -> dict[str, object]:
        return dict(recorded.only(facts, "link", name=name).fields)

    vxlan = {"type": "vxlan", "vxlan_id": 1, "vxlan_local": "192.0.2.5", "vxlan_device": "eth0", "vxlan_port": 8472, "vxlan_learning": False}
    assert link("flannel.1").items() >= vxlan.items()
    assert link("vxlan7").items() >= {"vxlan_remote": "239.1.1.1", "vxlan_learning": True}.items()
    port = {"type": "veth", "master": "cni0", "hairpin": True, "isolated": True, "port_state": "forwarding", "peer_index": 2}
    assert link("veth0a").items() >= port.items()
    assert link("veth0b").items() >= {"learning": False, "flood": False, "peer_name": "veth0c", "carrier": False, "up": True}.items()
    assert link("cni0").items() >= {"type": "bridge", "vlan_filtering": False, "nf_call_iptables": False}.items()
    assert link("mac0").items() >= {"type": "macvlan", "macvlan_mode": "bridge", "peer_name": "eth1"}.items()
    assert link("tap0").items() >= {"type": "tun", "tun_mode": "tap"}.items()
    assert link("eth0").items() >= {"alias": "uplink to the rack", "type": "veth", "mtu": 1450}.items()


def test_the_type_is_unknown_without_details(recorded: Recorded) -> None:
    """A name such as docker0 proves nothing; the loopback device is certain."""
    types = {fact.get("name"): fact.get("type") for fact in recorded.parse(parse, "ip link") if fact.kind == "link"}
    assert types["lo"] == "loopback"
    assert {types[name] for name in types if name != "lo"} == {None}


def test_carrier_of_a_device_that_is_down_is_unknown(recorded: Recorded) -> None:
    """Only a device that is up tells whether it has a carrier."""
    facts = recorded.parse(parse, "ip link")
    assert "carrier" not in recorded.only(facts, "link", name="veth0c").fields
    assert recorded.only(facts, "link", name="docker0").get("carrier") is False
    assert recorded.only(facts, "link", name="cni0").get("carrier") is True


def test_addresses(recorded: Recorded) -> None:
    """Secondary, labelled, point-to-point and leased addresses are told apart."""
    facts = recorded.parse(parse, "ip addr")
    assert recorded.only(facts, "address", address="192.0.2.6").get("secondary") is True
    assert recorded.only(facts, "address", address="192.0.2.7").fields.items() >= {"label": "eth0:vip", "prefixlen": 32, "device": "eth0"}.items()
    assert recorded.only(facts, "address", address="10.8.0.1").fields.items() >= {"peer": "10.8.0.2", "prefixlen": 32}.items()
    assert recorded.only(facts, "address", address="198.51.100.5").get("dynamic") is True
    assert recorded.only(facts, "address", address="2001:db8::5").fields.items() >= {"family": 6, "scope": "global", "prefixlen": 64}.items()


@pytest.mark.parametrize(
    ("command", "covered"),
    [
        ("ip -4 addr", {("addresses", "all", 4)}),
        ("ip -6 addr", {("addresses", "all", 6)}),
        ("ip addr show dev eth0", {("links", "eth0", 0), ("addresses", "eth0", 0)}),
    ],
)
def test_restricted_listings_cover_what_they_show(recorded: Recorded, command: str, covered: set[object]) -> None:
    """One family or one device is never taken for everything."""
    assert recorded.covered(recorded.parse(parse, command)) == covered


def test_a_guessed_command_line_does_not_outdo_the_content(recorded: Recorded) -> None:
    """Called ``ip address`` by mistake, a listing of links does not say that there are no addresses."""
    text = recorded.source("ip link").text
    assert recorded.covered(recorded.text(parse, text, "ip address")) == {("links", "all", 0)}
    text = recorded.source("ip -4 addr").text
    assert recorded.covered(recorded.text(parse, text, "ip address")) == {("addresses", "all", 4)}


def test_without_a_command_line_the_content_decides(recorded: Recorded) -> None:
    """A listing that begins with the loopback device is whole; one without it may be a part."""
    text = recorded.source("ip addr").text
    assert recorded.covered(recorded.text(parse, text)) == {("links", "all", 0), ("addresses", "all", 0)}
    assert recorded.covered(recorded.text(parse, text[text.index("2: eth0") :])) == set()
    assert recorded.covered(recorded.text(parse, text, "ip addr | head -100")) == set()
    assert recorded.covered(recorded.text(parse, text, "ip addr show up")) == set()


@pytest.mark.parametrize("text", ["", 'Cannot open network namespace "x": No such file or directory\n', "bash: ip: command not found\n"])
def test_no_devices_is_no_listing(recorded: Recorded, text: str) -> None:
    """Each namespace has a loopback device: an output without devices says nothing."""
    assert recorded.covered(recorded.text(parse, text, "ip addr")) == set()


def test_kinds_that_this_kernel_lacks(recorded: Recorded) -> None:
    """Lines as iproute2 prints them for VLAN, IPIP and GENEVE devices and a physical card."""
    text = """1: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0 minmtu 0 maxmtu 0
    ipip any remote any local 10.0.0.5 ttl inherit nopmtudisc addrgenmode eui64 numtxqueues 1
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP mode DEFAULT group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 9000 addrgenmode eui64 numtxqueues 4 parentbus pci
    altname enp1s0
3: eth0.100@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 0 maxmtu 65535
    vlan protocol 802.1Q id 100 <REORDER_HDR> addrgenmode eui64 numtxqueues 1
4: vti0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN mode DEFAULT group default qlen 1000
    link/ipip 0.0.0.0 brd 0.0.0.0
"""
    facts = recorded.text(parse, text, "ip -d link")
    tunnel = {"type": "ipip", "tunnel_local": "10.0.0.5", "tunnel_remote": "0.0.0.0"}
    assert recorded.only(facts, "link", name="tunl0").fields.items() >= tunnel.items()
    assert "mac" not in recorded.only(facts, "link", name="tunl0").fields
    assert recorded.only(facts, "link", name="eth0").get("type") == "ether"
    assert recorded.only(facts, "link", name="eth0.100").fields.items() >= {"type": "vlan", "vlan_id": 100, "peer_name": "eth0"}.items()
    assert "type" not in recorded.only(facts, "link", name="vti0").fields
    assert recorded.unparsed(facts) == 0


def test_json_facts_show_a_line_that_people_know(recorded: Recorded) -> None:
    """Evidence from JSON reads as the text form."""
    facts = recorded.parse(parse, "ip -j addr")
    assert recorded.only(facts, "link", name="veth0a").text == "5: veth0a@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 master cni0 state UP"
    assert recorded.only(facts, "address", address="10.244.1.1").text == "10.244.1.1/24 brd 10.244.1.255 scope global cni0 dev cni0"


def test_a_broken_json_keeps_what_came_before(recorded: Recorded) -> None:
    """Devices before the break are facts, the break is counted, and nothing is said to be whole."""
    text = recorded.source("ip -j addr").text
    facts = recorded.text(parse, "Warning: something\n" + text[: len(text) // 2], "ip -j addr")
    assert recorded.only(facts, "link", name="lo")
    assert recorded.unparsed(facts) == 2
    assert recorded.covered(facts) == set()
