"""Routing decisions and source validation of a stack (``route.c``, ``fib_frontend.c``, ``devinet.c``).

Where a test says "measured", it was tried on Linux 6.18 in network namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.inet import to_int, to_text
from engine.model.fib import Key
from engine.model.packet import Packet
from engine.walk.choices import Choices
from engine.walk.routing import Checked, find_way, forwarding, rp_mode, source_for, validate_source
from tests.engine.walk.world import Stack, World, lan

if TYPE_CHECKING:
    from engine.model.stack import NetStack


def built(stack: Stack) -> NetStack:
    """The model of one stack."""
    found = stack.world.network().stack(stack.node, stack.name)
    assert found is not None
    return found


def source(stack: Stack, dst: str) -> str:
    """Source address that the stack would choose."""
    model = built(stack)
    family = 6 if ":" in dst else 4
    value = source_for(model, find_way(model, Key(family, to_int(dst)), Choices()), family, to_int(dst))
    return to_text(value, family) if value is not None else ""


def router() -> Stack:
    """eth0 10.1.0.1/24, eth1 10.2.0.1/24, default by eth1."""
    return World().stack("n1").device("eth0", "10.1.0.1/24").device("eth1", "10.2.0.1/24").route("default via 10.2.0.254 dev eth1").router()


def checked(stack: Stack, src: str, dst: str = "10.2.0.9", device: str = "eth0", out: str = "", **more: Any) -> Checked:
    """Source validation of a packet that arrives on a device."""
    return validate_source(built(stack), Packet(4, to_int(src), to_int(dst), "tcp", 1, 2, **more), device, out)


# --- the way and the source -------------------------------------------------------------------------------------------


def test_gateway_is_resolved_not_the_destination() -> None:
    """Behind a gateway the next hop is the gateway; on-link it is the destination."""
    model = built(router())
    far, near = (find_way(model, Key(4, to_int(dst)), Choices()) for dst in ("8.8.8.8", "10.1.0.9"))
    assert (to_text(far.next_hop), far.device, to_text(near.next_hop), near.gateway) == ("10.2.0.254", "eth1", "10.1.0.9", "")
    assert far.lines[0].text == "default via 10.2.0.254 dev eth1"
    assert far.fact is not None


def test_rule_is_the_evidence_where_no_route_decided() -> None:
    """A rule that ends the lookup is the line; where nothing matched there is none."""
    model = built(router().rule("100:\tfrom all to 8.8.8.8 prohibit"))
    way = find_way(model, Key(4, to_int("8.8.8.8")), Choices())
    assert (way.type, way.lines[0].text, way.fact and way.fact.kind) == ("prohibit", "100:\tfrom all to 8.8.8.8 prohibit", "routing_rule")
    lost = find_way(built(World().stack("n1").device("eth0", "10.1.0.1/24")), Key(4, to_int("8.8.8.8")), Choices())
    assert (lost.type, lost.lines, lost.fact) == ("none", (), None)


def test_multipath_is_a_choice_with_shares() -> None:
    """ECMP's hash is seeded: each live next hop is a possible way, with its share by weight."""
    stack = (
        World()
        .stack("n1")
        .device("eth0", "10.1.0.1/24")
        .route(
            "default\n\tnexthop via 10.1.0.2 dev eth0 weight 2\n\tnexthop via 10.1.0.3 dev eth0 weight 1\n"
            "\tnexthop via 10.1.0.4 dev eth0 weight 1 dead"
        )
    )
    choices = Choices([1])
    way = find_way(built(stack), Key(4, to_int("8.8.8.8")), choices)
    assert (way.gateway, choices.asked[0].shares, choices.asked[0].unknown) == ("10.1.0.3", ("2/3", "1/3"), None)


def test_routes_of_downed_devices_do_not_exist() -> None:
    """The kernel removes the routes of a device that is set down; a stale listing may still show them."""
    stack = (
        World().stack("n1").device("eth0", up=False).device("eth1", "10.2.0.1/24").route("10.9.0.0/16 dev eth0", "default via 10.2.0.254 dev eth1")
    )
    assert find_way(built(stack), Key(4, to_int("10.9.0.1")), Choices()).device == "eth1"


def test_source_is_the_routes() -> None:
    """A route's ``src`` is the source, even an address of another device."""
    assert source(router().route("8.0.0.0/8 via 10.2.0.254 dev eth1 src 10.1.0.1"), "8.8.8.8") == "10.1.0.1"


@pytest.mark.parametrize(("dst", "right"), [("10.5.0.9", "10.1.0.2"), ("10.9.0.1", "10.5.0.2")])
def test_source_without_src(dst: str, right: str) -> None:
    """Measured: without ``src``, an on-link route takes the device's first address, one with a gateway that of the gateway's subnet."""
    stack = World().stack("n1").device("eth0", "10.1.0.2/24", "10.5.0.2/25", "10.5.0.3/25 scope global secondary")
    stack.route("10.5.0.0/16 dev eth0 scope link", "10.9.0.0/24 via 10.5.0.1 dev eth0")
    stack.devices["eth0"].connected = lambda: ()  # type: ignore[method-assign]  # the kernel's own routes were deleted
    assert source(stack, dst) == right


def test_source_by_a_gateway_of_ones_own() -> None:
    """Measured: a gateway that is the stack's own address is passed over, but of its subnet is the source."""
    stack = World().stack("n1").device("eth0", "10.1.0.2/24", "10.7.0.3/24").route("10.0.0.0/8 via 10.7.0.3 dev eth0")
    stack.route("local 10.7.0.3 dev eth0 table local")
    assert source(stack, "10.2.0.1") == "10.7.0.3"


def test_source_of_an_unnumbered_device() -> None:
    """A device without an address borrows the first global one of another device; on none there is no source."""
    stack = World().stack("n1").device("tun0", kind="tun type tun").device("eth0", "10.1.0.2/24").route("8.0.0.0/8 dev tun0")
    assert source(stack, "8.8.8.8") == "10.1.0.2"
    assert not source(World().stack("n1").device("tun0", kind="tun type tun").route("8.0.0.0/8 dev tun0").unseen("ip -d addr"), "8.8.8.8")


def test_source_of_local_traffic() -> None:
    """To an own address the source is that address; inside 127/8 it is the destination itself."""
    stack = World().stack("n1").device("eth0", "10.1.0.2/24").route("local 10.1.0.2 dev eth0 table local", "local 127.0.0.0/8 dev lo table local")
    assert [source(stack, dst) for dst in ("10.1.0.2", "127.0.0.5")] == ["10.1.0.2", "127.0.0.5"]


def test_ipv6_source_of_the_destinations_prefix() -> None:
    """IPv6 prefers the address of the prefix that holds the next hop."""
    stack = World().stack("n1").device("eth0", "fd00:1::2/64", "fd00:2::2/64")
    assert source(stack, "fd00:2::9") == "fd00:2::2"


# --- source validation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "src", "ok"),
    [(1, "10.1.0.9", True), (1, "10.2.0.9", False), (1, "8.8.8.8", False), (2, "10.2.0.9", True), (2, "8.8.8.8", True), (0, "10.2.0.9", True)],
)
def test_rp_filter(mode: int, src: str, ok: bool) -> None:
    """1: the best way back must be the ingress device; 2: any way back will do; 0: none is needed."""
    result = checked(router().sysctl(conf__eth0__rp_filter=mode), src)
    assert (result.ok, result.by) == (ok, "" if ok else "rp-filter")


def test_loose_wants_a_route() -> None:
    """rp_filter=2 drops a source that no route leads to."""
    stack = World().stack("n1").device("eth0", "10.1.0.1/24").sysctl(conf__eth0__rp_filter=2)
    assert [checked(stack, src).ok for src in ("10.1.0.9", "8.8.8.8")] == [True, False]
    assert "no route back to 8.8.8.8" in checked(stack, "8.8.8.8").summary


@pytest.mark.parametrize(("mode", "ok"), [(0, True), (1, False), (2, False)])
def test_loose_on_an_unnumbered_device_is_strict(mode: int, ok: bool) -> None:
    """Measured: on a device without an IPv4 address, 2 drops what has its way back by another device, as 1 does."""
    stack = World().stack("n1").device("eth0").device("eth1", "10.2.0.1/24").sysctl(conf__eth0__rp_filter=mode)
    assert checked(stack, "10.2.0.9").ok is ok


def test_maximum_of_all_and_device() -> None:
    """The effective mode is the greater of ``all`` and the device's; the evidence is the line that decides."""
    for general, own, right in ((1, 0, 1), (0, 1, 1), (1, 2, 2), (2, 1, 2), (0, 0, 0)):
        mode, lines, known = rp_mode(built(router().sysctl(conf__all__rp_filter=general, conf__eth0__rp_filter=own)), "eth0")
        assert (mode, known) == (right, True)
        assert ("all" if general > own else "eth0") in lines[0].text


def test_unseen_mode_is_open_where_it_matters() -> None:
    """Where the mode was not collected, a packet that a strict filter would drop is an open question, and others pass."""
    stack = router().shows("sysctl -a", "net.ipv4.conf.all.rp_filter = 0")
    open_one, fine = checked(stack, "10.2.0.9"), checked(stack, "10.1.0.9")
    assert open_one.unknown is not None
    assert "rp_filter" in open_one.unknown.what
    assert (fine.ok, fine.unknown) == (True, None)
    assert rp_mode(built(router().shows("sysctl -a", "net.ipv4.conf.all.rp_filter = 2")), "eth0")[2]


@pytest.mark.parametrize(("keys", "ok"), [({}, False), ({"conf__eth0__accept_local": 1}, True), ({"conf__all__accept_local": 1}, True)])
def test_own_address_from_outside(keys: dict[str, int], ok: bool) -> None:
    """An own address as source is dropped even at 0, unless accept_local (of either)."""
    result = checked(router().sysctl(**keys), "10.2.0.1")
    assert (result.ok, result.by) == (ok, "" if ok else "martian")


@pytest.mark.parametrize(
    ("src", "dst"), [("224.0.0.1", "10.2.0.9"), ("255.255.255.255", "10.2.0.9"), ("0.1.2.3", "10.2.0.9"), ("10.1.0.9", "0.0.0.1")]
)
def test_martians(src: str, dst: str) -> None:
    """Sources that are multicast, broadcast or in 0/8, and destinations in 0/8, are dropped."""
    assert checked(router(), src, dst).by == "martian"


@pytest.mark.parametrize("key", ["conf__all__route_localnet", "conf__eth0__route_localnet"])
def test_loopback_network_from_outside(key: str) -> None:
    """127/8 on either side needs route_localnet of the device or of all: DNAT to 127.0.0.1 dies without it."""
    assert checked(router(), "10.1.0.9", "127.0.0.1").by == "martian"
    assert checked(router(), "127.0.0.1").by == "martian"
    assert checked(router().sysctl(**{key: 1}), "10.1.0.9", "127.0.0.1").ok


@pytest.mark.parametrize(("mode", "rules", "ok"), [(0, (), True), (0, ("100:\tfrom 9.9.9.9 lookup 77",), False), (2, (), False)])
def test_broadcast_source(mode: int, rules: tuple[str, ...], ok: bool) -> None:
    """Measured: a subnet's broadcast address as source passes at 0, and is dropped where the kernel validates in full (custom rules, rp_filter)."""
    stack = router().sysctl(conf__eth0__rp_filter=mode).rule(*rules)
    stack.devices["eth1"].addresses = ("10.2.0.1/24 brd 10.2.0.255 scope global",)
    assert checked(stack, "10.2.0.255").ok is ok


@pytest.mark.parametrize(("out", "ok"), [("eth1", False), ("", True)])
def test_way_back_is_looked_up_from_the_way_out(out: str, ok: bool) -> None:
    """Measured: the reverse lookup comes in by the device that the packet would leave by: rules for that device count, save for local delivery."""
    stack = router().sysctl(conf__eth0__rp_filter=1).rule("100:\tfrom all iif eth1 lookup 77").route("10.1.0.0/24 via 10.2.0.2 dev eth1 table 77")
    assert checked(stack, "10.1.0.9", out=out).ok is ok


@pytest.mark.parametrize(("keys", "ok"), [({}, False), ({"conf__eth0__src_valid_mark": 1}, True)])
def test_mark_counts_with_src_valid_mark_only(keys: dict[str, int], ok: bool) -> None:
    """The reverse lookup has mark 0 unless src_valid_mark (of the device or of all)."""
    stack = router().sysctl(conf__eth0__rp_filter=1, **keys).rule("100:\tfrom all fwmark 0x1 lookup 77").route("8.0.0.0/8 dev eth0 table 77")
    assert checked(stack, "8.8.8.8", mark=1).ok is ok


def test_not_validated() -> None:
    """Loopback traffic and IPv6 have no source validation; unknown tables leave it open in favour of the packet."""
    assert checked(router().sysctl(conf__all__rp_filter=1), "10.1.0.1", device="lo").ok
    assert validate_source(built(router()), Packet(6, to_int("fd00::1"), to_int("fd00::2"), "tcp"), "eth0").ok
    stack = router().unseen("ip route show table all").shows("ip route show table local", "local 10.1.0.1 dev eth0").sysctl(conf__all__rp_filter=1)
    assert checked(stack, "10.1.0.9").ok


# --- forwarding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "on", "key"),
    [
        ({"ip_forward": 1}, True, "net.ipv4.ip_forward"),
        ({"ip_forward": 0}, False, "net.ipv4.ip_forward"),
        ({"ip_forward": 1, "conf__eth0__forwarding": 0}, False, "net.ipv4.conf.eth0.forwarding"),
        ({"ip_forward": 0, "conf__eth0__forwarding": 1}, True, "net.ipv4.conf.eth0.forwarding"),
        ({"ip_forward": 1, "conf__eth1__forwarding": 0}, True, "net.ipv4.ip_forward"),
        ({"ip_forward": 1, "conf__all__forwarding": 0}, True, "net.ipv4.ip_forward"),
    ],
)
def test_forwarding_is_the_ingress_devices(values: dict[str, int], on: bool, key: str) -> None:
    """Only the ingress device's ``forwarding`` is read; ip_forward stands in where that was not printed."""
    state = forwarding(built(World().stack("n1").device("eth0").device("eth1").sysctl(**values)), "eth0", 4)
    assert (state.on, state.key) == (on, key)
    assert state.lines[0].text.startswith(key)


def test_forwarding_unseen() -> None:
    """No parameter, no answer; IPv6 has its own key."""
    stack = built(World().stack("n1").unseen("sysctl -a"))
    assert (forwarding(stack, "eth0", 4).on, forwarding(stack, "eth0", 6).key) == (None, "net.ipv6.conf.all.forwarding")


# --- policy rules by user ---------------------------------------------------------------------------------------------


def ruled(node: str, rule: str) -> World:
    """The usual world with a policy rule that leads to nothing."""
    world = lan()
    world.stack(node).rule(f"100:\t{rule} lookup 100").route("unreachable default table 100")
    return world


def test_rule_by_user_is_open_for_senders() -> None:
    """Whose packet it is no snapshot tells: both ways are walked, and the rule is named."""
    trace = ruled("client", "from all uidrange 1000-1000").walk("client", "10.2.0.2")
    assert (trace.client_sees, [each.what for each in trace.depends]) == ("depends", ["ip rule uidrange 1000-1000"])
    assert [sees for *_, sees in trace.branches] == ["EHOSTUNREACH"]


@pytest.mark.parametrize(
    ("rule", "sees"),
    [
        ("from all uidrange 1000-1000", "connected"),
        ("not from all uidrange 1000-1000", "timeout"),
        ("from all uidrange 0-0", "timeout"),
        ("from all uidrange 0-1000", "timeout"),
        ("from 10.9.0.0/16 uidrange 0-0", "connected"),
    ],
)
def test_forwarded_packets_are_of_user_0(rule: str, sees: str) -> None:
    """Measured: what is forwarded, and the ICMP error about it, counts as user 0's; the error meets the same rule, so the client hears nothing."""
    assert ruled("router", rule).sees("client", "10.2.0.2") == sees


@pytest.mark.parametrize(("words", "sees"), [("tos 0x10", "connected"), ("dscp CS1", "connected"), ("dscp CS0", "timeout")])
def test_rule_by_type_of_service(words: str, sees: str) -> None:
    """Ordinary packets have type of service 0: rules for another one pass them by."""
    assert ruled("router", f"from all {words}").sees("client", "10.2.0.2") == sees


@pytest.mark.parametrize(
    ("rule", "ok"), [("ipproto tcp", False), ("ipproto udp", True), ("ipproto tcp sport 2", False), ("ipproto tcp sport 1", True)]
)
def test_source_is_validated_by_protocol(rule: str, ok: bool) -> None:
    """Measured: rules by protocol and port are asked for the way back, with the ports of an answer."""
    stack = router().sysctl(conf__all__rp_filter=2).rule(f"50:\tfrom all {rule} blackhole")
    assert checked(stack, "10.1.0.2").ok is ok


def test_ipv6_routes_by_lo_block() -> None:
    """Measured: IPv6 takes a route out by lo for a blocking one; senders get ENETUNREACH, but for UDP ones, which hear nothing."""
    world = World()
    world.host("a", "2001:db8::a/64").shows("ip6tables-save", "").route("2001:db8:9::/64 dev lo metric 1024 pref medium")
    assert [world.sees("a", "2001:db8:9::1", protocol=protocol) for protocol in ("tcp", "udp")] == ["ENETUNREACH", "timeout"]
