"""Routing lookups: policy rules in order, then the longest prefix (``fib_rules.c``, ``fib_trie.c``)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.facts import Fact
from engine.inet import prefix, to_int
from engine.model.fib import Fib, Found, Key, anycast, route_of, table_name
from tests.engine.walk.world import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable

RULES = "0: from all lookup local\n32766: from all lookup main\n32767: from all lookup default"


def fib(routes: str, *rules: str, addresses: Iterable[Fact] = (), complete: bool = True, family: int = 4) -> Fib:
    """FIB of pasted ``ip route show table all`` and of rules besides the usual ones."""
    option = " -6" if family == 6 else ""
    facts = [f for f in parsed(f"ip{option} route show table all", routes) if f.kind == "route"]
    chosen = [f for f in parsed(f"ip{option} rule", "\n".join([RULES, *rules])) if f.kind == "routing_rule"] if rules else []
    return Fib(facts, chosen, list(addresses), complete=lambda _table: complete, rules_known=True)


def key(dst: str, **more: object) -> Key:
    """A lookup key; ``src`` as text."""
    if "src" in more:
        more["src"] = to_int(str(more["src"]))
    return Key(6 if ":" in dst else 4, to_int(dst), **more)  # type: ignore[arg-type]  # the keywords are Key's fields


def way(found: Found) -> str:
    """``type gateway device table`` of a result."""
    if found.route is None:
        return found.type
    hop = found.route.hops[0]
    return " ".join(filter(None, (found.type, hop.gateway, hop.device, found.route.table)))


# --- tables ---------------------------------------------------------------------------------------------------------

PREFIXES = st.builds(
    lambda value, length: ipaddress.IPv4Network((0x0A000000 | value, length), strict=False), st.integers(0, 0xFFFF), st.integers(0, 32)
)


@given(st.lists(st.tuples(PREFIXES, st.integers(0, 3)), max_size=24), st.integers(0x0A000000, 0x0A00FFFF))
def test_longest_prefix_against_brute_force(table: list[tuple[ipaddress.IPv4Network, int]], value: int) -> None:
    """The longest prefix wins, then the lowest metric, then the one listed first."""
    facts = [Fact("route", {"dst": str(net), "metric": metric, "device": f"d{at}", "family": 4}) for at, (net, metric) in enumerate(table)]
    covering = [(-net.prefixlen, metric, at) for at, (net, metric) in enumerate(table) if ipaddress.IPv4Address(value) in net]
    found = Fib(facts, [], [], complete=lambda _table: True, rules_known=True).lookup(Key(4, value))
    assert (found.route.hops[0].device if found.route else "") == (f"d{min(covering)[2]}" if covering else "")


@pytest.mark.parametrize(
    ("dst", "right"),
    [
        ("10.1.2.3", "unicast 10.0.0.1 eth0 main"),
        ("10.1.3.3", "blackhole main"),
        ("10.9.9.9", "prohibit main"),
        ("192.0.2.9", "unreachable main"),
        ("8.8.8.8", "unicast 10.0.0.254 eth0 main"),
    ],
)
def test_route_types(dst: str, right: str) -> None:
    """The type of the longest prefix is the answer: a blackhole inside a working prefix swallows its part."""
    table = fib("""
        default via 10.0.0.254 dev eth0
        10.1.0.0/16 via 10.0.0.1 dev eth0
        blackhole 10.1.3.0/24
        prohibit 10.9.0.0/16
        unreachable 192.0.2.0/24
    """)
    assert way(table.lookup(key(dst))) == right


def test_throw_goes_to_the_next_rule() -> None:
    """A throw route ends its table, and the next rule is asked."""
    table = fib("throw 10.1.0.0/16 table 100\ndefault via 10.0.0.9 dev eth0 table 100\n10.1.0.0/16 dev eth1", "100: from all lookup 100")
    assert way(table.lookup(key("10.1.0.1"))) == "unicast eth1 main"
    assert way(table.lookup(key("10.2.0.1"))) == "unicast 10.0.0.9 eth0 100"


def test_dead_next_hops_fall_back() -> None:
    """A route whose next hops are dead is passed over for a shorter prefix."""
    table = fib("10.1.0.0/16 via 10.0.0.1 dev eth0 dead linkdown\ndefault via 10.0.0.254 dev eth1")
    assert way(table.lookup(key("10.1.0.1"))) == "unicast 10.0.0.254 eth1 main"


def test_routes_by_tos_and_output_device() -> None:
    """A route for a TOS fits no ordinary packet; an asked output device must be one of the route's."""
    table = fib("10.1.0.0/24 tos 0x10 dev eth2\n10.1.0.0/16 dev eth0\n10.1.0.0/16 dev eth1 metric 50")
    assert way(table.lookup(key("10.1.0.1"))) == "unicast eth0 main"
    assert way(table.lookup(key("10.1.0.1", oif="eth1"))) == "unicast eth1 main"
    assert way(table.lookup(key("10.1.0.1", oif="eth9"))) == "none"


def test_skip() -> None:
    """The caller may pass over routes whose device is down."""
    table = fib("10.1.0.0/16 dev eth0\ndefault dev eth1")
    assert way(table.lookup(key("10.1.0.1"), skip=lambda route: route.hops[0].device == "eth0")) == "unicast eth1 main"


def test_multipath() -> None:
    """All next hops of a multipath route are kept, with gateways and weights."""
    (route,) = fib("default\n\tnexthop via 10.0.0.1 dev eth0 weight 2\n\tnexthop via 10.0.0.2 dev eth1 weight 1 onlink").routes
    assert [(hop.gateway, hop.device, hop.weight, hop.onlink, hop.dead) for hop in route.hops] == [
        ("10.0.0.1", "eth0", 2, False, False),
        ("10.0.0.2", "eth1", 1, True, False),
    ]


def test_route_fields() -> None:
    """Source, metric, scope, MTU and table of a route; a number that iproute2 names is that name."""
    route = route_of(
        Fact("route", {"dst": "10.1.0.0/16", "device": "eth0", "src": "10.1.0.1", "metric": 7, "scope": "link", "mtu": 1400, "table": "254"})
    )
    assert (route.table, route.src, route.metric, route.scope, route.mtu, route.dst) == ("main", "10.1.0.1", 7, "link", 1400, prefix("10.1.0.0/16"))
    assert [table_name(name) for name in ("255", "253", "100", "blue")] == ["local", "default", "100", "blue"]


# --- rules ----------------------------------------------------------------------------------------------------------

TWO = "default via 10.0.0.1 dev eth0\ndefault via 10.0.9.1 dev eth9 table 100"
TAKEN, PASSED = "unicast 10.0.9.1 eth9 100", "unicast 10.0.0.1 eth0 main"


@pytest.mark.parametrize(
    ("rule", "more", "right"),
    [
        ("from 10.1.0.0/16", {"src": "10.1.2.3"}, TAKEN),
        ("from 10.1.0.0/16", {"src": "10.2.2.3"}, PASSED),
        ("from 10.1.0.0/16", {}, PASSED),
        ("from 0.0.0.0/0", {}, TAKEN),
        ("from all to 8.8.0.0/16", {}, TAKEN),
        ("from all to 8.9.0.0/16", {}, PASSED),
        ("from all iif eth1", {"iif": "eth1"}, TAKEN),
        ("from all iif eth1", {"iif": "eth0"}, PASSED),
        ("from all iif lo", {}, TAKEN),
        ("from all iif lo", {"iif": "eth0"}, PASSED),
        ("from all oif eth9", {"oif": "eth9"}, TAKEN),
        ("from all oif eth9", {}, PASSED),
        ("from all fwmark 0x1", {"mark": 1}, TAKEN),
        ("from all fwmark 0x1", {"mark": 3}, PASSED),
        ("from all fwmark 0x1/0x1", {"mark": 3}, TAKEN),
        ("from all fwmark 0", {}, TAKEN),
        ("not from all fwmark 0xca6c", {}, TAKEN),
        ("not from all fwmark 0xca6c", {"mark": 0xCA6C}, PASSED),
        ("not from 10.1.0.0/16", {"src": "10.1.2.3"}, PASSED),
        ("from all ipproto tcp", {"protocol": "tcp"}, TAKEN),
        ("from all ipproto tcp", {"protocol": "udp"}, PASSED),
        ("from all dport 80", {"dport": 80}, TAKEN),
        ("from all dport 80-90", {"dport": 91}, PASSED),
        ("from all sport 1000-2000", {"sport": 1500}, TAKEN),
        ("from all tos 0x10", {}, PASSED),
    ],
)
def test_selectors(rule: str, more: dict[str, object], right: str) -> None:
    """Each selector of a policy rule; ``(mark ^ fwmark) & mask``, ``iif lo`` = made here, ``not`` inverts the whole."""
    assert way(fib(TWO, f"100: {rule} lookup 100").lookup(key("8.8.8.8", **more))) == right


@pytest.mark.parametrize("action", ["unreachable", "prohibit", "blackhole"])
def test_ending_rules(action: str) -> None:
    """A rule may end the lookup by itself; the result names the rule and no route."""
    found = fib(TWO, f"100: from all to 8.8.8.8 {action}").lookup(key("8.8.8.8"))
    assert (found.type, found.route, found.rule.priority if found.rule else None) == (action, None, 100)


def test_goto_and_nop() -> None:
    """``goto`` jumps forward over the rules between, ``nop`` does nothing."""
    rules = ("100: from all goto 300", "200: from all blackhole", "300: from all nop")
    assert way(fib(TWO, *rules).lookup(key("8.8.8.8"))) == PASSED


def test_suppress_prefixlength() -> None:
    """A result not longer than the suppressed length is no result: the next rule is asked."""
    table = fib(f"{TWO}\n10.5.0.0/16 dev eth5", "100: from all lookup main suppress_prefixlength 0", "200: not from all fwmark 0xca6c lookup 100")
    assert way(table.lookup(key("8.8.8.8"))) == TAKEN
    assert way(table.lookup(key("10.5.0.1"))) == "unicast eth5 main"


def test_l3mdev_rules_match_nothing_here() -> None:
    """VRF rules need a VRF device; none is modelled."""
    rule = Fact("routing_rule", {"priority": 100, "l3mdev": True, "action": "lookup", "table": "100", "family": 4})
    routes = [f for f in parsed("ip route show table all", TWO) if f.kind == "route"]
    assert way(Fib(routes, [rule], [], complete=lambda _t: True, rules_known=True).lookup(key("8.8.8.8"))) == "none"


def test_end_of_rules() -> None:
    """Nothing found anywhere: ``none``, with the tables that were looked into."""
    found = fib("10.0.0.0/8 dev eth0").lookup(key("8.8.8.8"))
    assert (found.type, found.tried, found.unknown) == ("none", ("local", "main", "default"), ())


def test_tables_that_nobody_collected() -> None:
    """A table that a rule names and no listing shows is unknown, and stays a possible way."""
    found = fib("default dev eth0", "100: from all lookup 77", complete=False).lookup(key("8.8.8.8"))
    assert (way(found), found.unknown) == ("unicast eth0 main", ("77",))
    assert fib("default dev eth0").known("77")


def test_filtered_listings_leave_routes_out() -> None:
    """What ``ip route show proto bird`` does not list may be in the table all the same; a listing of the whole table decides."""
    shown = [f for f in parsed("ip route show proto bird", "10.1.0.0/24 via 10.0.0.2 dev eth0\n") if f.kind == "route"]
    wholes: list[tuple[set[str], tuple[str, ...]]] = [(set(), ("main",)), ({"main"}, ())]
    for listed, unknown in wholes:
        found = Fib(shown, (), (), complete=listed.__contains__, rules_known=False).lookup(key("10.0.0.2"))
        assert (found.type, found.unknown) == ("none", unknown)


def test_custom_rules() -> None:
    """Rules beyond the three of every kernel are custom; they make the kernel validate sources in full."""
    assert not fib(TWO).custom_rules
    assert fib(TWO, "100: from 9.9.9.9 lookup 77").custom_rules


# --- table local ----------------------------------------------------------------------------------------------------

ADDRESSES = """
    1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN
        link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
        inet 127.0.0.1/8 scope host lo
        inet6 ::1/128 scope host
    2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
        link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff
        inet 10.1.0.1/24 brd 10.1.0.255 scope global eth0
        inet 192.0.2.1/31 scope global eth0
        inet 198.51.100.7/32 scope global eth0
        inet6 fd00::1/64 scope global
"""


@pytest.mark.parametrize(
    ("dst", "right"),
    [
        ("10.1.0.1", "local eth0 local"),
        ("10.1.0.255", "broadcast eth0 local"),
        ("127.9.9.9", "local lo local"),
        ("192.0.2.1", "local eth0 local"),
        ("192.0.2.0", "none"),
        ("198.51.100.7", "local eth0 local"),
        ("10.1.0.0", "none"),
        ("10.1.0.2", "none"),
        ("fd00::1", "local eth0 local"),
        ("fd00::2", "none"),
    ],
)
def test_local_table_from_addresses(dst: str, right: str) -> None:
    """Where table local was not printed, it is what the kernel makes of the addresses: own addresses, broadcasts (none for /31), all of 127/8."""
    addresses = [f for f in parsed("ip addr", ADDRESSES) if f.kind == "address"]
    assert way(fib("", addresses=addresses).lookup(key(dst))) == right


def test_printed_local_table_counts_alone() -> None:
    """A printed table local is taken as it is."""
    addresses = [f for f in parsed("ip addr", ADDRESSES) if f.kind == "address"]
    table = fib("local 10.1.0.9 dev eth0 table local proto kernel scope host src 10.1.0.9", addresses=addresses)
    assert [way(table.lookup(key(dst))) for dst in ("10.1.0.9", "10.1.0.1")] == ["local eth0 local", "none"]


ROUTES6 = """2001:db8:1::/64 dev eth0 proto kernel metric 256 pref medium
2001:db8:1::/64 dev eth1 metric 256 pref medium
anycast 2001:db8:2:: dev eth0 table local proto kernel metric 0 pref medium
local 2001:db8:2:: dev eth1 table local proto kernel metric 0 pref medium
local ::1 dev lo table local proto kernel metric 0 pref medium
local fe80::1 dev eth0 table local proto kernel metric 0 pref medium
default via fe80::9 dev eth1 metric 1024 pref medium"""


@pytest.mark.parametrize(
    ("dst", "device", "right"),
    [
        ("2001:db8:1::9", "", "unicast eth0"),
        ("2001:db8:1::9", "eth1", "unicast eth1"),
        ("2001:db8:1::9", "eth7", "unicast eth0"),
        ("2001:db8:2::", "", "anycast eth0"),
        ("2001:db8:2::", "eth1", "local eth1"),
        ("::1", "lo", "local lo"),
        ("::1", "eth0", "none"),
        ("::1", "eth1", "unicast eth1"),
        ("fe80::1", "eth0", "local eth0"),
        ("fe80::1", "lo", "local eth0"),
    ],
)
def test_equal_routes_of_ipv6(dst: str, device: str, right: str) -> None:
    """Measured: of equal routes the one of the packet's device is taken; ::1 and link-local addresses are looked up on that device only."""
    found = fib(ROUTES6, family=6).lookup(key(dst, iif=device))
    assert f"{found.type} {found.route.hops[0].device if found.route else ''}".strip() == right


def test_anycast_of_ipv6() -> None:
    """An address is anycast by its route, or as the first of an on-link prefix; behind a gateway or as the whole prefix it is not."""
    model = fib(
        ROUTES6 + "\n2001:db8:3::/64 via fe80::9 dev eth1 metric 1024 pref medium\n2001:db8:4::/128 dev eth1 metric 1024 pref medium", family=6
    )
    answers = {
        text: anycast(model.lookup(key(text)), to_int(text))
        for text in ("2001:db8:2::", "2001:db8:1::", "2001:db8:1::1", "2001:db8:3::", "2001:db8:4::")
    }
    assert [text for text, is_one in answers.items() if is_one] == ["2001:db8:2::", "2001:db8:1::"]


def test_rules_by_protocol_under_both_names() -> None:
    """ip(8) prints ICMPv6 as ``ipv6-icmp``."""
    model = fib("2001:db8:1::/64 dev eth0 metric 256 pref medium", "50: from all ipproto ipv6-icmp unreachable", family=6)
    assert [model.lookup(key("2001:db8:1::1", protocol=name)).type for name in ("icmpv6", "tcp")] == ["unreachable", "unicast"]


@pytest.mark.parametrize(
    ("dst", "one", "apart"),
    [
        ("172.18.5.1", "unicast 10.8.0.2 eth0 main", "local lo local"),
        ("172.18.6.1", "unreachable main", "local lo local"),
        ("172.18.4.1", "local lo local", "local lo local"),
        ("172.17.0.1", "local lo main", "local lo main"),
        ("10.8.0.1", "local eth0 local", "local eth0 local"),
    ],
)
def test_local_and_main_are_one_until_a_rule_is_made(dst: str, one: str, apart: str) -> None:
    """Measured with ``ip route get``: the longest prefix of both tables decides, and local wins among equals; a policy rule sets them apart."""
    routes = """
        local 172.18.0.0/16 dev lo table local scope host
        local 10.8.0.1 dev eth0 table local proto kernel scope host src 10.8.0.1
        10.8.0.1 via 10.8.0.9 dev eth0
        172.18.5.0/24 via 10.8.0.2 dev eth0
        unreachable 172.18.6.0/24
        local 172.17.0.1 dev lo scope host
    """
    assert [way(fib(routes, *rules).lookup(key(dst))) for rules in ((), ("5000: from all lookup 100",))] == [one, apart]


@pytest.mark.parametrize(("tos", "route", "rule"), [(0, "eth0", "eth0"), (0x10, "eth1", "eth2"), (0xD0, "eth1", "eth2"), (0x18, "eth0", "eth0")])
def test_type_of_service_of_packets(tos: int, route: str, rule: str) -> None:
    """Measured: routes and rules compare three bits of it, so that precedence does not count."""
    found = fib("default dev eth0\n10.2.0.0/16 dev eth0\n10.2.0.0/16 tos 0x10 dev eth1").lookup(key("10.2.0.1", tos=tos))
    assert way(found).split()[1] == route
    ruled = fib("default dev eth0\ndefault dev eth2 table 7", "100: from all tos 0x10 lookup 7").lookup(key("10.2.0.1", tos=tos))
    assert way(ruled).split()[1] == rule
