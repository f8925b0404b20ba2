"""Routes, however they were printed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from collectors.parsers.iproute import parse

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

KEY = ["table", "family", "type", "dst", "metric", "device", "gateway", "tos"]


@pytest.mark.parametrize("options", ["-d", "-o", "-j", "-d -j"])
def test_every_printing_of_all_tables_gives_the_same_facts(recorded: Recorded, options: str) -> None:
    """Continuation lines, one line and JSON agree, and the defaults that ``-d`` prints are those that are filled in."""
    reference = recorded.parse(parse, "ip route show table all")
    facts = recorded.parse(parse, f"ip {options} route show table all")
    assert recorded.disagreements(reference, facts, "route", KEY) == []
    assert recorded.covered(facts) == {("routes", "all", 0)}
    assert recorded.unparsed(facts) == 0


@pytest.mark.parametrize("options", ["", "-d", "-o", "-j", "-d -j", "-o -4"])
def test_the_main_table_is_a_part_of_all(recorded: Recorded, options: str) -> None:
    """``ip route`` lists the IPv4 main table, and the same as ``table all`` does."""
    everything = [f for f in recorded.parse(parse, "ip route show table all") if f.get("table") == "main" and f.get("family") == 4]
    facts = recorded.parse(parse, " ".join(["ip", *options.split(), "route"]))
    assert recorded.disagreements(everything, facts, "route", KEY) == []
    assert recorded.covered(facts) == {("routes", "main", 4)}


@pytest.mark.parametrize("command", ["ip -6 route", "ip -6 -j route"])
def test_ipv6(recorded: Recorded, command: str) -> None:
    """The IPv6 main table; its default route is ``::/0``."""
    everything = [f for f in recorded.parse(parse, "ip route show table all") if f.get("table") == "main" and f.get("family") == 6]
    facts = recorded.parse(parse, command)
    assert recorded.disagreements(everything, facts, "route", KEY) == []
    assert recorded.only(facts, "route", dst="::/0").fields["nexthops"][0]["gateway"] == "2001:db8::1"
    assert recorded.covered(facts) == {("routes", "main", 6)}


def test_the_table_of_the_command_line_counts(recorded: Recorded) -> None:
    """``show table 100`` prints no table; a filter by device prints no device."""
    for command in ("ip route show table 100", "ip -j route show table 100"):
        facts = recorded.parse(parse, command)
        assert {fact.get("table") for fact in facts if fact.kind == "route"} == {"100"}
        assert recorded.covered(facts) == {("routes", "100", 4)}
    facts = recorded.parse(parse, "ip route show dev eth0")
    assert {fact.get("device") for fact in facts if fact.kind == "route"} == {"eth0"}
    assert recorded.covered(facts) == set()


def test_types_and_details(recorded: Recorded) -> None:
    """Each type of route, next hops with weights and flags, metrics, and bare addresses with their length."""
    facts = recorded.parse(parse, "ip route show table all")
    types = {fact.get("type") for fact in facts if fact.kind == "route"}
    assert types == {"unicast", "local", "broadcast", "unreachable", "blackhole", "prohibit", "throw", "multicast"}
    multipath = recorded.only(facts, "route", dst="10.99.0.0/16")
    assert multipath.fields["nexthops"] == (
        {"weight": 2, "onlink": False, "flags": (), "gateway": "192.0.2.1", "device": "eth0"},
        {"weight": 1, "onlink": True, "flags": (), "gateway": "198.51.100.1", "device": "eth1"},
    )
    assert recorded.only(facts, "route", dst="203.0.113.7/32").get("scope") == "link"
    assert recorded.only(facts, "route", dst="10.244.2.0/24").get("onlink") is True
    assert recorded.only(facts, "route", dst="10.244.3.0/24").get("mtu") == 1400
    assert recorded.only(facts, "route", dst="10.98.0.0/16").fields.items() >= {"gateway": "2001:db8::1", "family": 4}.items()
    assert recorded.only(facts, "route", dst="172.17.0.0/16").get("flags") == ("linkdown",)
    assert recorded.only(facts, "route", dst="10.244.1.64/26").fields.items() >= {"protocol": "bird", "metric": 0}.items()
    assert recorded.only(facts, "route", dst="0.0.0.0/0", metric=200).get("src") == "198.51.100.5"


@pytest.mark.parametrize("command", ["ip route get 10.99.0.1", "ip -j route get 10.99.0.1", "ip -6 route get 2001:db8::1"])
def test_route_get_is_no_route_table(recorded: Recorded, command: str) -> None:
    """Neither with its command line nor without it does it list routes; what the kernel answers is kept."""
    for facts in (recorded.parse(parse, command), recorded.text(parse, recorded.source(command).text)):
        assert {fact.kind for fact in facts} <= {"route_lookup"}


def test_route_get_tells_what_the_kernel_would_do(recorded: Recorded) -> None:
    """Device and source of its choice, and the table where that is not main."""
    (asked,) = recorded.parse(parse, "ip route get 10.99.0.1")
    assert asked.fields.items() >= {"dst": "10.99.0.1", "src": "198.51.100.5", "table": "main", "type": "unicast"}.items()
    (other,) = recorded.text(parse, "172.17.0.2 dev tailscale0 table 52 src 100.64.0.1 uid 1000 \n    cache \n")
    assert other.fields.items() >= {"dst": "172.17.0.2", "device": "tailscale0", "table": "52"}.items()
    (foreign,) = recorded.text(parse, "10.1.0.9 from 10.1.0.5 via 10.2.0.1 dev eth1 table isp uid 0\n    cache iif br0\n")
    assert (foreign.get("from"), foreign.get("gateway")) == ("10.1.0.5", "10.2.0.1")


@pytest.mark.parametrize("tool", ["net-tools", "busybox"])
@pytest.mark.parametrize("command", ["route -n", "netstat -rn"])
def test_route_n_agrees(recorded: Recorded, command: str, tool: str) -> None:
    """The old tools show the first next hop of a multipath route, no IPv6 gateway, and both kinds of rejection as one."""
    reference, facts = recorded.parse(parse, "ip route"), recorded.parse(parse, command, tool)
    key = ["dst", "device", "metric"] if command == "route -n" else ["dst", "device"]
    left_out = {("10.99.0.0/16", device, 0)[: len(key)] for device in (None, "eth0")}
    assert recorded.disagreements(reference, facts, "route", key, ["type"], missing=left_out) == []
    assert recorded.only(facts, "route", dst="10.244.1.64/26").get("type") == "blackhole"
    assert recorded.only(facts, "route", dst="10.10.0.0/16").get("type") == "unreachable"
    assert recorded.only(facts, "route", dst="10.244.3.0/24").get("gateway") == "192.0.2.9"
    assert recorded.covered(facts) == {("routes", "main", 4)}
    assert recorded.unparsed(facts) == 0


@pytest.mark.parametrize("command", ["route -6n", "netstat -6rn"])
def test_the_ipv6_listing_of_route_covers_nothing(recorded: Recorded, command: str) -> None:
    """It mixes all tables."""
    facts = recorded.parse(parse, command, "net-tools")
    assert recorded.covered(facts) == set()
    assert recorded.unparsed(facts) == 0
    assert recorded.only(facts, "route", dst="2001:db8:1::/64").get("gateway") == "2001:db8::1"
    assert recorded.only(facts, "route", dst="2001:db8:2::/48").get("type") == "unreachable"
    assert recorded.only(facts, "route", dst="::1/128").fields.items() >= {"type": "local", "table": "local"}.items()


def test_busybox_prints_no_protocol(recorded: Recorded) -> None:
    """Where no line names a protocol, its absence does not say "boot"."""
    facts = recorded.parse(parse, "ip route", "busybox")
    assert not any("protocol" in fact.fields for fact in facts)
    reference = recorded.parse(parse, "ip route")
    silent = {"flags", "mtu", "tos", "gateway"}
    assert recorded.disagreements(reference, facts, "route", ["dst", "device", "metric"], silent) == []


def test_without_a_command_line_the_content_decides(recorded: Recorded) -> None:
    """Tables other than main mean that all were listed; only IPv6 routes mean an IPv6 listing."""
    assert recorded.covered(recorded.text(parse, recorded.source("ip route show table all").text)) == {("routes", "all", 0)}
    assert recorded.covered(recorded.text(parse, recorded.source("ip route").text, "ip route")) == {("routes", "main", 4)}
    assert recorded.covered(recorded.text(parse, recorded.source("ip -6 route").text)) == {("routes", "main", 6)}


@pytest.mark.parametrize(
    ("command", "text", "covered"),
    [
        ("ip route", "", {("routes", "main", 4)}),
        ("ip route show table 7", "Error: ipv4: FIB table does not exist.\nDump terminated\n", {("routes", "7", 4)}),
        ("ip route", "bash: ip: command not found\n", set()),
        ("nsenter -t 7 -n ip -6 r l t 0", "", set()),
        ("ip netns exec route ip -6 route list table all", "", {("routes", "all", 6)}),
        ("ip route show cache", "10.0.0.1 dev eth0\n    cache\n", set()),
        ("ip route show 10.0.0.0/8", "10.0.0.0/8 dev eth0\n", set()),
        ("ip route | grep eth0", "10.0.0.0/8 dev eth0\n", set()),
    ],
)
def test_empty_and_restricted_listings(recorded: Recorded, command: str, text: str, covered: set[object]) -> None:
    """An empty table is stated; an error, a filter or a pipe states nothing."""
    assert recorded.covered(recorded.text(parse, text, command)) == covered


def test_families_of_default_routes(recorded: Recorded) -> None:
    """A default route is of the family of its gateway; without one, the preference tells."""
    text = "default via fe80::1 dev eth0 proto ra\ndefault dev tun0 metric 1024 pref medium\ndefault dev ppp0 scope link\n"
    assert [fact.get("dst") for fact in recorded.text(parse, text) if fact.kind == "route"] == ["::/0", "::/0", "0.0.0.0/0"]


def test_json_shows_the_line_of_the_text_form(recorded: Recorded) -> None:
    """Evidence from JSON reads as ``ip route`` prints it."""
    facts = recorded.parse(parse, "ip -j route")
    assert recorded.only(facts, "route", dst="10.244.2.0/24").text == "10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink"
    assert recorded.only(facts, "route", dst="10.10.0.0/16").text == "unreachable 10.10.0.0/16"


def test_a_broken_json_covers_nothing(recorded: Recorded) -> None:
    """Routes before the break are facts."""
    text = recorded.source("ip -j route").text
    facts = recorded.text(parse, text[:300], "ip -j route")
    assert recorded.covered(facts) == set()
    assert recorded.unparsed(facts) == 1
    assert recorded.only(facts, "route", metric=100)


def test_ten_thousand_routes_are_quick(recorded: Recorded) -> None:
    """A BGP table of 10,000 lines costs well under a second (0.3 s on an idle machine, with room for a busy one)."""
    text = "".join(f"10.{i >> 8}.{i & 255}.0/24 via 192.0.2.{i % 200 + 1} dev eth0 proto bird metric {i}\n" for i in range(10_000))
    started = time.process_time()
    assert len(recorded.text(parse, text, "ip route")) == 10_001
    assert time.process_time() - started < 0.6


def test_filtered_listings_say_so(recorded: Recorded) -> None:
    """A route from a filtered listing stands for itself alone, whatever filtered it."""
    text = "10.1.0.0/24 via 10.0.0.2 dev eth0\n"
    old = "10.1.0.0        10.0.0.2        255.255.255.0   UG    0      0        0 eth0\n"
    for command, words, partial in (
        ("ip route", text, None),
        ("ip route show table 100", text, None),
        ("ip route show proto bird", text, True),
        ("ip route | grep eth0", text, True),
        ("route -n", old, None),
        ("route -n | grep 10.1", old, True),
    ):
        (route,) = (f for f in recorded.text(parse, words, command) if f.kind == "route")
        assert route.get("partial") is partial, command
