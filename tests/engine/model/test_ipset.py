"""Membership in ipsets (``net/netfilter/ipset/``)."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.facts import Fact
from engine.inet import to_int
from engine.model.ipset import IpSet
from engine.model.packet import HookContext, Packet

SYN = Packet(4, to_int("10.1.0.2"), to_int("10.2.0.2"), "tcp", 40000, 80, frozenset({"SYN"}))
UDP = replace(SYN, protocol="udp")
PING = Packet(4, SYN.src, SYN.dst, "icmp", 7, 0, icmp_type=8)
FORWARD = HookContext("FORWARD", "eth0", "eth1")
BRIDGED = HookContext("FORWARD", "br0", "br0", physin="veth1", physout="veth2")


def ipset(kind: str, *members: str, name: str = "s", family: int = 4) -> IpSet:
    """A set with members as ``ipset list`` prints them."""
    return IpSet(Fact("ipset", {"name": name, "type": kind, "family": family, "members": members, "member_lines": tuple(range(9, 9 + len(members)))}))


def inside(one: IpSet, directions: str, packet: Packet = SYN, context: HookContext = FORWARD, *others: IpSet) -> bool | None:
    """Whether a packet is in a set."""
    return one.holds(tuple(directions.split(",")), packet, context, {each.name: each for each in (one, *others)})[0]


NETS = st.builds(lambda value, length: ipaddress.IPv4Network((0x0A010000 | value, length), strict=False), st.integers(0, 63), st.integers(26, 32))


@given(st.dictionaries(NETS, st.booleans(), max_size=10), st.integers(0x0A010000, 0x0A01003F))
def test_networks_against_brute_force(table: dict[ipaddress.IPv4Network, bool], value: int) -> None:
    """hash:net: the most specific entry that holds the address decides, and ``nomatch`` makes it a miss."""
    members = [f"{net}{' nomatch' if nomatch else ''}" for net, nomatch in table.items()]
    covering = [net for net in table if ipaddress.IPv4Address(value) in net]
    right = bool(covering) and not table[max(covering, key=lambda net: net.prefixlen)]
    assert inside(ipset("hash:net", *members), "src", replace(SYN, src=value)) is right


@given(
    st.sets(st.tuples(st.integers(0x0A010000, 0x0A010007), st.integers(78, 83), st.sampled_from(["tcp", "udp"])), max_size=8),
    st.sampled_from([SYN, UDP]),
    st.integers(0, 7),
)
def test_address_and_port_against_brute_force(table: set[tuple[int, int, str]], packet: Packet, low: int) -> None:
    """hash:ip,port: address, protocol and port must all be those of one entry."""
    sent = replace(packet, dst=0x0A010000 | low)
    members = [f"{ipaddress.IPv4Address(value)},{protocol}:{port}" for value, port, protocol in sorted(table)]
    assert inside(ipset("hash:ip,port", *members), "dst,dst", sent) is ((sent.dst, 80, sent.protocol) in table)


FIRST = (
    *("10.1.0.2", "10.2.0.2", "10.1.0.0/16", "10.1.0.9/16", "0.0.0.0/0", "10.1.0.2/32", "10.1.0.2/33", "010.1.0.2", "300.1.0.2", "10.1.0.1-10.1.0.3"),
    *("fd00::1", "fd00::0:1", "fd00::/64", "FD00::1", "::/0", "x", ""),
)
REST = ("", " nomatch", ",80", ",tcp:80", ",tcp:x", ",udp:80 timeout 5", ',tcp:80 comment "a, b"', ",80,80", " ")
SIX = replace(SYN, family=6, src=to_int("fd00::1"), dst=to_int("fd00::2"))
MEMBERS = st.lists(st.builds("{}{}".format, st.sampled_from(FIRST), st.sampled_from(REST)), max_size=8)


KINDS = st.sampled_from(("hash:net", "hash:ip,port", "hash:net,port", "bitmap:ip"))


@given(KINDS, MEMBERS, st.sampled_from([SYN, UDP, SIX]), st.sampled_from((4, 6)))
def test_index_against_every_entry(kind: str, members: list[str], packet: Packet, family: int) -> None:
    """Whatever the entries look like, looking at those near the address tells what looking at all of them tells."""
    one = ipset(kind, *members, family=family)
    sides = ("src", "src")
    answer = one.holds(sides, packet, FORWARD, {})
    every = one._best(range(len(members)), sides, packet, FORWARD) if packet.family == family else (False, None)
    assert (answer[0], answer[1] and answer[1].text) == (every[0], every[1] and every[1].text)


@pytest.mark.parametrize(
    ("kind", "members", "directions", "right"),
    [
        ("hash:ip", ("10.1.0.2", "10.9.0.9"), "src", True),
        ("hash:ip", ("10.1.0.2",), "dst", False),
        ("hash:ip", ("10.1.0.0/24",), "src", True),
        ("hash:ip", (), "src", False),
        ("hash:ip", ("10.1.0.2 timeout 60",), "src", True),
        ("bitmap:ip", ("10.1.0.0-10.1.0.9",), "src", True),
        ("bitmap:ip", ("10.1.0.3-10.1.0.9",), "src", False),
        ("bitmap:port", ("80",), "dst", True),
        ("bitmap:port", ("81-90",), "dst", False),
        ("hash:net,port", ("10.2.0.0/16,tcp:80",), "dst,dst", True),
        ("hash:net,port", ("10.2.0.0/16,80-90",), "dst,dst", True),
        ("hash:net,port", ("10.2.0.0/16,udp:80",), "dst,dst", False),
        ("hash:ip,port,ip", ("10.2.0.2,tcp:80,10.1.0.2",), "dst,dst,src", True),
        ("hash:ip,port,ip", ("10.2.0.2,tcp:80,10.2.0.2",), "dst,dst,src", False),
        ("hash:ip,port,net", ("10.2.0.2,6:80,10.1.0.0/24",), "dst,dst,src", True),
        ("hash:net,net", ("10.1.0.0/24,10.2.0.0/24",), "src,dst", True),
        ("hash:net,iface", ("10.1.0.0/24,eth0",), "src,src", True),
        ("hash:net,iface", ("10.1.0.0/24,eth0",), "src,dst", False),
        ("hash:net,iface", ("10.1.0.0/24,eth1",), "src,dst", True),
        ("hash:ip,mark", ("10.1.0.2,0x00000005",), "src,src", True),
        ("hash:ip,mark", ("10.1.0.2,0x00000006",), "src,src", False),
        ("hash:ip,port", ("10.2.0.2,tcp:80",), "dst", False),
    ],
)
def test_types(kind: str, members: tuple[str, ...], directions: str, right: bool) -> None:
    """Each modelled type, for 10.1.0.2:40000 > 10.2.0.2:80 (mark 5); too few dimensions are a miss."""
    assert inside(ipset(kind, *members), directions, replace(SYN, mark=5)) is right


def test_physdev() -> None:
    """``physdev:`` entries name the bridge port."""
    one = ipset("hash:net,iface", "10.1.0.0/24,physdev:veth1")
    assert [inside(one, "src,src", SYN, place) for place in (BRIDGED, FORWARD)] == [True, False]
    assert inside(ipset("hash:net,iface", "10.1.0.0/24,physdev:veth2"), "src,dst", SYN, BRIDGED) is True


@pytest.mark.parametrize(
    ("entry", "right"),
    [
        ("10.2.0.2,icmp:8/0", True),
        ("10.2.0.2,icmp:8", True),
        ("10.2.0.2,icmp:0/0", False),
        ("10.2.0.2,icmp:echo-request", True),
        ("10.2.0.2,icmp:echo-reply", False),
        ("10.2.0.2,tcp:80", False),
    ],
)
def test_icmp(entry: str, right: bool) -> None:
    """ICMP entries hold type and code in the place of a port."""
    assert inside(ipset("hash:ip,port", entry), "dst,dst", PING) is right


def test_port_of_a_protocol_without_ports() -> None:
    """An entry without a protocol fits TCP and UDP only."""
    one = ipset("bitmap:port", "0-65535")
    assert [inside(one, "dst", packet) for packet in (SYN, UDP, PING)] == [True, True, False]


def test_family_mismatch_is_a_miss() -> None:
    """An IPv6 packet is in no IPv4 set, save one of ports."""
    packet = Packet(6, to_int("fd00::1"), to_int("fd00::2"), "tcp", 1, 80)
    assert inside(ipset("hash:net", "0.0.0.0/1"), "src", packet) is False
    assert inside(ipset("bitmap:port", "80"), "dst", packet) is True
    assert inside(ipset("hash:ip", "fd00::1", family=6), "src", packet) is True


def test_list_of_sets() -> None:
    """A list holds what one of its sets holds; a member that nobody collected leaves a miss open."""
    hit, miss, outer = ipset("hash:ip", "10.1.0.2", name="hit"), ipset("hash:ip", "10.9.9.9", name="miss"), ipset("list:set", "miss", "hit")
    assert inside(outer, "src", SYN, FORWARD, hit, miss) is True
    assert inside(outer, "src", SYN, FORWARD, miss) is None
    assert inside(ipset("list:set", "miss"), "src", SYN, FORWARD, miss) is False
    assert inside(ipset("list:set"), "src") is False


@pytest.mark.parametrize("kind", ["hash:mac", "bitmap:ip,mac", "hash:neverheard"])
def test_types_that_cannot_be_told(kind: str) -> None:
    """MACs are not followed, and an unknown type is unknown."""
    assert inside(ipset(kind, "02:00:00:00:00:01"), "src") is None


def test_only_the_header_was_listed() -> None:
    """Without members nothing can be told; with none, nothing is inside."""
    header = IpSet(Fact("ipset", {"name": "s", "type": "hash:ip"}))
    assert inside(header, "src") is None


@pytest.mark.parametrize("entry", ["x", "10.1.0.2,tcp:x", "10.1.0.2", "10.1.0.2,tcp:80,10.2.0.2", ""])
def test_damaged_entries(entry: str) -> None:
    """An entry that is not of its set's type leaves the answer open."""
    assert inside(ipset("hash:ip,port", entry), "src,dst") is None


def test_member_is_named() -> None:
    """The answer names the member that decided, and its line."""
    one = ipset("hash:net", "10.0.0.0/8", "10.1.0.0/24 nomatch")
    answer, member = one.holds(("src",), SYN, FORWARD, {})
    assert (answer, member and (member.text, member.line, member.nomatch)) == (False, ("10.1.0.0/24 nomatch", 10, True))
    answer, member = ipset("hash:ip", "10.1.0.2").holds(("src",), SYN, FORWARD, {})
    assert (answer, member and member.line) == (True, 9)


def test_closest_prefix_with_other_devices() -> None:
    """hash:net,iface (measured): the closest prefix decides; where it is listed with other devices only, shorter ones are not tried."""
    wide, close, same = "10.0.0.0/8,eth1", "10.1.0.0/24,eth0", "10.1.0.0/24,eth1"
    assert inside(ipset("hash:net,iface", wide), "src,dst") is True
    assert inside(ipset("hash:net,iface", wide, close), "src,dst") is False
    assert inside(ipset("hash:net,iface", wide, close, same), "src,dst") is True
    assert inside(ipset("hash:net,iface", wide, "10.9.0.0/24,eth0"), "src,dst") is True
    assert inside(ipset("hash:net,iface", "x,eth1", wide), "src,dst") is None


def test_icmpv6_by_name() -> None:
    """Types of ICMPv6 are printed by names of their own: ``echo-request`` is 128, not 8."""
    ping = Packet(6, to_int("2001:db8::1"), to_int("2001:db8::2"), "icmpv6", icmp_type=128)
    names = ipset("hash:ip,port", "2001:db8::2,ipv6-icmp:echo-request", "2001:db8::1,ipv6-icmp:no-route", family=6)
    assert inside(names, "dst,dst", ping) is True
    assert inside(names, "src,src", replace(ping, icmp_type=1)) is True
    assert inside(names, "src,src", ping) is False
