"""The packet on the hooks of netfilter: chains, conntrack, NAT, marks, refusals (``ip_tables.c``, ``nf_conntrack_core.c``, ``nf_nat_core.c``).

The worlds have a client 10.1.0.2, a router, and a server 10.2.0.2 that listens on port 80.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inet import to_text
from tests.engine.walk.world import World, found, lan, said

if TYPE_CHECKING:
    from engine.walk.trace import Trace

CHAINS = ":INPUT ACCEPT [0:0]\n:FORWARD {forward} [0:0]\n:OUTPUT ACCEPT [0:0]\n"


def filtered(*rules: str, forward: str = "ACCEPT") -> World:
    """The router filters."""
    world = lan()
    world.stack("router").filter(*rules, FORWARD=forward)
    return world


def natted(*rules: str) -> World:
    """The router translates."""
    world = lan()
    world.stack("router").nat(*rules)
    return world


def nats(trace: Trace) -> list[tuple[str, str, str]]:
    """(type, before, after) of every translation."""
    return [
        (fact.get("type"), f"{fact.get('before')}:{fact.get('before_port')}", f"{fact.get('after')}:{fact.get('after_port')}")
        for fact in trace.facts
        if fact.kind == "nat"
    ]


# --- traversal --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "sees"),
    [
        (("-A FORWARD -j RETURN", "-A FORWARD -j ACCEPT"), "timeout"),
        (("-A FORWARD -j X", "-A X -j RETURN", "-A FORWARD -j ACCEPT"), "connected"),
        (("-A FORWARD -j X", "-A X -s 9.9.9.9/32 -j DROP", "-A FORWARD -j ACCEPT"), "connected"),
        (("-A FORWARD -j X", "-A X -g Y", "-A X -j DROP", "-A Y -s 9.9.9.9/32 -j DROP", "-A FORWARD -j ACCEPT"), "connected"),
        (("-A FORWARD -g X", "-A FORWARD -j ACCEPT", "-A X -s 9.9.9.9/32 -j DROP"), "timeout"),
        (("-A FORWARD -j X", "-A X -j ACCEPT", "-A FORWARD -j DROP"), "connected"),
        (("-A FORWARD -j LOG", "-A FORWARD", "-A FORWARD -j TCPMSS --clamp-mss-to-pmtu", "-A FORWARD -j ACCEPT"), "connected"),
        (("-A FORWARD -s 9.9.9.9/32 -j ACCEPT",), "timeout"),
        (("-A FORWARD -j X", "-A X -j X"), "timeout"),
    ],
)
def test_chains(rules: tuple[str, ...], sees: str) -> None:
    """RETURN in a base chain meets the policy; GOTO pushes nothing: falling off returns to the caller of the jumping chain; LOG goes on."""
    assert filtered(*rules, forward="DROP").sees("client", "10.2.0.2") == sees


def test_policy_drop() -> None:
    """A policy that drops is silent; the drop names chain, policy line and devices."""
    trace = filtered("-A FORWARD -p udp -j ACCEPT", forward="DROP").walk("client", "10.2.0.2")
    drop = found(trace, "drop")
    assert trace.client_sees == "timeout"
    assert {
        name: drop.get(name) for name in ("by", "effect", "hook", "table", "chain", "base_chain", "in_device", "out_device", "ctstate", "number")
    } == {
        "by": "policy",
        "effect": "dropped",
        "hook": "FORWARD",
        "table": "filter",
        "chain": "FORWARD",
        "base_chain": "FORWARD",
        "in_device": "eth0",
        "out_device": "eth1",
        "ctstate": "NEW",
        "number": None,
    }
    assert (drop.node, drop.text) == ("router", ":FORWARD DROP [0:0]")


def test_rule_drop() -> None:
    """A rule that drops is named with its chain, its number, its words and its line."""
    drop = found(filtered("-A FORWARD -j X", "-A X -p udp -j DROP", "-A X -d 10.2.0.0/24 -j DROP").walk("client", "10.2.0.2"), "drop")
    assert [drop.get(name) for name in ("by", "chain", "base_chain", "number", "spec", "target")] == [
        "rule",
        "X",
        "FORWARD",
        2,
        "-d 10.2.0.0/24 -j DROP",
        "DROP",
    ]
    assert drop.get("path") == "FORWARD 1 → X 2"
    assert drop.text == "-A X -d 10.2.0.0/24 -j DROP"


def test_accept_ends_one_base_chain_only() -> None:
    """A packet that one backend accepts still meets the other's chain on the same hook."""
    world = filtered("-A FORWARD -j ACCEPT", forward="DROP")
    world.stack("router").shows("iptables-nft-save", f"*filter\n{CHAINS.format(forward='DROP')}COMMIT")
    trace = world.walk("client", "10.2.0.2")
    assert (trace.client_sees, found(trace, "drop").get("backend")) == ("timeout", "nft")


def test_tables_of_one_hook() -> None:
    """Accepted in mangle, dropped in filter; dropped in raw, nothing else is asked."""
    world = lan()
    world.stack("router").iptables(f"*mangle\n{CHAINS.format(forward='ACCEPT')}-A FORWARD -j ACCEPT\n*filter\n{CHAINS.format(forward='DROP')}")
    assert found(world.walk("client", "10.2.0.2"), "drop").get("table") == "filter"
    world.stack("router").iptables("*raw\n:PREROUTING DROP [0:0]\n:OUTPUT ACCEPT [0:0]")
    assert found(world.walk("client", "10.2.0.2"), "drop").get("hook") == "PREROUTING"


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "tcp", "udp"),
    [
        ("REJECT", "ECONNREFUSED", "ECONNREFUSED"),
        ("REJECT --reject-with icmp-host-prohibited", "EHOSTUNREACH", "EHOSTUNREACH"),
        ("REJECT --reject-with icmp-net-unreachable", "ENETUNREACH", "timeout"),
        ("REJECT --reject-with icmp-admin-prohibited", "EHOSTUNREACH", "EHOSTUNREACH"),
        ("REJECT --reject-with tcp-reset", "ECONNREFUSED", "timeout"),
        ("DROP", "timeout", "timeout"),
    ],
)
@pytest.mark.parametrize("where", ["forward", "input"])
def test_refused(words: str, tcp: str, udp: str, where: str) -> None:
    """What the client sees of a refusal on the way or at the target is the same."""
    world = filtered(f"-A FORWARD -d 10.2.0.2/32 -p tcp -j {words}", f"-A FORWARD -d 10.2.0.2/32 -p udp -j {words}") if where == "forward" else lan()
    if where == "input":
        world.stack("server").filter(f"-A INPUT -j {words}")
    assert (world.sees("client", "10.2.0.2"), world.sees("client", "10.2.0.2", protocol="udp")) == (tcp, udp)


@pytest.mark.parametrize(
    ("hook", "words", "tcp", "udp", "icmp"),
    [
        ("filter OUTPUT", "DROP", "timeout", "EPERM", "EPERM"),
        ("filter OUTPUT", "REJECT", "ECONNREFUSED", "EPERM", "EPERM"),
        ("mangle POSTROUTING", "DROP", "timeout", "EPERM", "EPERM"),
        ("raw OUTPUT", "DROP", "timeout", "EPERM", "EPERM"),
    ],
)
def test_refused_at_the_sender(hook: str, words: str, tcp: str, udp: str, icmp: str) -> None:
    """Measured: what the sender's own hooks drop fails send() with EPERM, save that TCP only repeats its SYN; a REJECT reaches its connect()."""
    table, chain = hook.split()
    world = lan()
    world.stack("client").iptables(f"*{table}\n:{chain} ACCEPT [0:0]\n-A {chain} -d 10.2.0.2/32 -j {words}")
    assert [world.sees("client", "10.2.0.2", protocol=protocol) for protocol in ("tcp", "udp", "icmp")] == [tcp, udp, icmp]


def test_errors_may_be_dropped_on_their_way() -> None:
    """The ICMP error of a refusal must find its own way back: a router that drops it makes the client wait."""
    world = lan()
    world.stack("server").filter("-A INPUT -j REJECT --reject-with icmp-host-prohibited")
    world.stack("router").filter("-A FORWARD -p icmp -j DROP")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "timeout"
    assert {(fact.node, fact.get("direction")) for fact in trace.facts if fact.kind == "drop"} == {("server", "request"), ("router", "error")}


def test_errors_are_related() -> None:
    """An ICMP error about a known connection is RELATED."""
    world = filtered("-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT", "-A FORWARD -i eth0 -j ACCEPT", forward="DROP")
    world.stack("server").filter("-A INPUT -j REJECT --reject-with icmp-host-prohibited")
    assert world.sees("client", "10.2.0.2") == "EHOSTUNREACH"


def test_refusal_after_dnat_comes_from_the_vip() -> None:
    """Measured: the error of a REJECT after DNAT is un-NATed; its outer source is the virtual address."""
    world = lan()
    world.stack("router").iptables(
        f"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 10.99.0.1/32 -j DNAT --to-destination 10.2.0.2\n"
        f"*filter\n{CHAINS.format(forward='ACCEPT')}-A FORWARD -d 10.2.0.2/32 -j REJECT --reject-with icmp-host-prohibited"
    )
    trace = world.walk("client", "10.99.0.1")
    assert trace.client_sees == "EHOSTUNREACH"
    assert trace.reply is not None
    assert trace.reply.hops[-1].packet == "icmp icmp-host-prohibited 10.99.0.1 > 10.1.0.2"


def test_errors_from_behind_dnat_come_from_the_vip() -> None:
    """Measured: so do errors of a router behind the translation."""
    world = natted("-A PREROUTING -d 10.99.0.1/32 -j DNAT --to-destination 10.3.0.2")
    world.stack("router").route("10.3.0.0/24 via 10.2.0.2 dev eth1")
    world.stack("server").device("eth1", "10.3.0.1/24").router().filter("-A FORWARD -j REJECT --reject-with icmp-host-prohibited")
    trace = world.walk("client", "10.99.0.1", protocol="udp")
    assert trace.client_sees == "EHOSTUNREACH"
    assert trace.reply is not None
    assert trace.reply.hops[-1].packet.endswith("10.99.0.1 > 10.1.0.2")


# --- conntrack --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_stateful_firewall(protocol: str) -> None:
    """New from one side, established back: the answer belongs to the request's entry, for pings too."""
    world = filtered(
        "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A FORWARD -i eth0 -m conntrack --ctstate NEW -j ACCEPT", forward="DROP"
    )
    assert world.sees("client", "10.2.0.2", protocol=protocol) == "connected"
    assert world.sees("server", "10.1.0.2", protocol=protocol) == "timeout"


@pytest.mark.parametrize(("protocol", "state"), [("tcp", "INVALID"), ("icmp", "INVALID"), ("udp", "NEW")])
def test_answers_whose_request_went_elsewhere(protocol: str, state: str) -> None:
    """A router that sees only the answer: a bare SYN-ACK or echo reply is INVALID, a UDP answer is NEW."""
    world = lan()
    world.host("other", "10.1.0.3/24", "10.2.0.3/24 scope global").router()
    world.stack("client").routing[:] = ["default via 10.1.0.3 dev eth0"]
    world.stack("router").filter(f"-A FORWARD -m conntrack --ctstate {state} -j DROP")
    trace = world.walk("client", "10.2.0.2", protocol=protocol)
    drop = found(trace, "drop")
    assert (trace.client_sees, drop.node, drop.get("direction"), drop.get("ctstate")) == ("timeout", "router", "reply", state)


def test_untracked() -> None:
    """NOTRACK in raw: the packet is UNTRACKED and never translated."""
    for words in ("NOTRACK", "CT --notrack"):
        world = lan()
        world.stack("router").iptables(
            f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j {words}\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE"
        )
        trace = world.walk("client", "10.2.0.2")
        assert (trace.client_sees, nats(trace)) == ("connected", [])
    world.stack("router").iptables(
        f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT --notrack\n"
        f"*filter\n{CHAINS.format(forward='DROP')}-A FORWARD -m conntrack --ctstate UNTRACKED -j ACCEPT"
    )
    assert world.sees("client", "10.2.0.2") == "connected"


# --- translation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_masquerade(protocol: str) -> None:
    """The server sees the router's address, and the answer finds the client."""
    trace = natted("-A POSTROUTING -o eth1 -j MASQUERADE").walk("client", "10.2.0.2", protocol=protocol)
    nat = found(trace, "nat")
    assert (trace.client_sees, nat.get("type"), nat.get("before"), nat.get("after")) == ("connected", "source", "10.1.0.2", "10.2.0.1")
    assert nat.get("before_port") == nat.get("after_port")


@pytest.mark.parametrize(
    ("addresses", "gateway", "right"),
    [
        (("10.2.0.1/24",), "", "10.2.0.1"),
        (("10.9.0.1/24", "10.2.0.1/24"), "", "10.2.0.1"),
        (("10.2.0.1/24", "10.9.0.1/24"), "10.9.0.254", "10.9.0.1"),
        (("10.2.0.1/24 scope link", "10.9.0.1/24"), "", "10.9.0.1"),
        (("10.9.0.1/24", "10.2.0.9/24 scope global secondary"), "", "10.9.0.1"),
        (("10.2.0.1/24 scope link",), "", "10.1.0.1"),
    ],
)
def test_address_of_masquerade(addresses: tuple[str, ...], gateway: str, right: str) -> None:
    """The primary address in the next hop's subnet, else the first, else another device's; no secondary, none of scope link, not ``src``."""
    world = lan()
    router = world.stack("router").nat("-A POSTROUTING -o eth1 -j MASQUERADE")
    router.devices["eth1"].addresses = addresses
    router.devices["eth1"].connected = lambda: ()  # type: ignore[method-assign]  # the test's own route counts
    router.route(f"10.2.0.0/24 {f'via {gateway} ' if gateway else ''}dev eth1 src 10.1.0.1")
    assert found(world.walk("client", "10.2.0.2"), "nat").get("after") == right


def test_masquerade_without_an_address_drops() -> None:
    """Where no device has an address to take, the packet is dropped."""
    world = World()
    world.host("client", "10.1.0.2/24", gateway="10.1.0.1").shows("ip neigh", "10.1.0.1 dev eth0 lladdr 02:00:00:00:99:01 PERMANENT")
    world.stack("router").device("eth0", "10.1.0.7/24 scope link", mac="02:00:00:00:99:01").device("eth1").router().nat(
        "-A POSTROUTING -o eth1 -j MASQUERADE"
    ).route("10.2.0.0/24 dev eth1")
    drop = found(world.walk("client", "10.2.0.2"), "drop")
    assert [drop.get(name) for name in ("table", "chain", "target", "by")] == ["nat", "POSTROUTING", "MASQUERADE", "rule"]


@pytest.mark.parametrize(
    ("words", "after"),
    [
        ("DNAT --to-destination 10.2.0.2", "10.2.0.2:80"),
        ("DNAT --to-destination 10.2.0.2:8080", "10.2.0.2:8080"),
        ("DNAT --to-destination 10.2.0.2-10.2.0.9:8080-8090", "10.2.0.2:8080"),
        ("DNAT --to-destination :8080", "10.2.0.9:8080"),
        ("NETMAP --to 10.2.0.0/28", "10.2.0.9:80"),
        ("REDIRECT --to-ports 8080", "10.1.0.1:8080"),
        ("REDIRECT", "10.1.0.1:80"),
    ],
)
def test_destination(words: str, after: str) -> None:
    """DNAT keeps the port where it names none; REDIRECT takes the first address of the ingress device; NETMAP keeps the host bits."""
    world = natted(f"-A PREROUTING -d 10.2.0.9/32 -p tcp -j {words}")
    world.host("nine", "10.2.0.9/24")
    trace = world.walk("client", "10.2.0.9")
    assert nats(trace) == [("destination", "10.2.0.9:80", after)]


def test_answers_come_from_where_the_client_asked() -> None:
    """The answer of a translated destination is translated back: the client knows the virtual address only."""
    trace = natted("-A PREROUTING -d 10.99.0.1/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.2.0.2:80").walk("client", "10.99.0.1", 8080)
    assert trace.client_sees == "connected"
    assert trace.reply is not None
    assert trace.reply.hops[-1].packet == "tcp 10.99.0.1:8080 > 10.1.0.2:40000"


def test_redirect_of_local_traffic() -> None:
    """REDIRECT in OUTPUT goes to 127.0.0.1, and the source that was chosen before stays."""
    world = lan()
    world.stack("client").nat("-A OUTPUT -d 10.99.0.1/32 -p tcp -j REDIRECT --to-ports 80").listens("tcp 0.0.0.0:80")
    trace = world.walk("client", "10.99.0.1")
    assert nats(trace) == [("destination", "10.99.0.1:80", "127.0.0.1:80")]
    assert trace.request.hops[-1].packet == "tcp 10.1.0.2:40000 > 127.0.0.1:80"


@pytest.mark.parametrize(
    ("words", "after"),
    [
        ("SNAT --to-source 10.2.0.50", "10.2.0.50:40000"),
        ("SNAT --to-source 10.2.0.50:5000-6000", "10.2.0.50:5000"),
        ("NETMAP --to 192.0.2.0/24", "192.0.2.2:40000"),
    ],
)
def test_source(words: str, after: str) -> None:
    """SNAT keeps the port unless it names some; NETMAP in POSTROUTING maps the source."""
    trace = natted(f"-A POSTROUTING -o eth1 -j {words}").walk("client", "10.2.0.2")
    assert nats(trace) == [("source", "10.1.0.2:40000", after)]


def test_first_translation_wins_and_accept_goes_on() -> None:
    """All nat chains hang off one dispatcher: an ACCEPT in one goes on to the next, a translation ends it."""
    world = natted("-A POSTROUTING -o eth1 -j ACCEPT")
    world.stack("router").shows("iptables-legacy-save", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -j ACCEPT\nCOMMIT").unseen(
        "iptables-save"
    )
    world.stack("router").shows("iptables-nft-save", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.2.0.60\nCOMMIT")
    assert nats(world.walk("client", "10.2.0.2")) == [("source", "10.1.0.2:40000", "10.2.0.60:40000")]
    world.stack("router").shows(
        "iptables-legacy-save", "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -j SNAT --to-source 10.2.0.50\nCOMMIT"
    )
    assert nats(world.walk("client", "10.2.0.2")) == [("source", "10.1.0.2:40000", "10.2.0.50:40000")]


def test_nat_policy_drop() -> None:
    """A nat chain can drop too, by rule or policy, where something needs conntrack: without, no nat chain is asked (measured)."""
    world = lan()
    world.stack("router").iptables("*nat\n:PREROUTING DROP [0:0]\n-A PREROUTING -d 9.9.9.9/32 -j ACCEPT")
    assert world.sees("client", "10.2.0.2") == "connected"
    world.stack("router").iptables(
        "*nat\n:PREROUTING DROP [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -d 9.9.9.9/32 -j ACCEPT\n-A POSTROUTING -o wg0 -j MASQUERADE"
    )
    trace = world.walk("client", "10.2.0.2")
    assert (trace.client_sees, found(trace, "drop").get("table"), found(trace, "drop").get("by")) == ("timeout", "nat", "policy")
    world.stack("router").iptables(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -j DROP\n-A POSTROUTING -o wg0 -j MASQUERADE"
    )
    assert found(world.walk("client", "10.2.0.2"), "drop").get("number") == 1


def test_why_it_was_not_translated() -> None:
    """A forwarded request without source translation is said so, with the nat rule that did not fit and why."""
    trace = natted("-A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE").walk("client", "10.2.0.2")
    seen = found(trace, "rule_seen")
    assert [seen.get(name) for name in ("chain", "number", "matched", "failed", "target")] == [
        "POSTROUTING",
        1,
        False,
        "-s 10.9.0.0/16",
        "MASQUERADE",
    ]
    assert [found(trace, "no_nat").get(name) for name in ("src", "in_device", "out_device")] == ["10.1.0.2", "eth0", "eth1"]
    assert not [fact for fact in natted("-A POSTROUTING -j MASQUERADE").walk("client", "10.2.0.2").facts if fact.kind == "no_nat"]


ADDRESS = st.integers(1, 254).map(lambda n: f"10.2.0.{n}")


@given(st.booleans(), st.booleans(), st.sampled_from(["tcp", "udp", "icmp"]), st.integers(1, 65535), st.booleans())
def test_reversal_gives_the_original_tuple(dnat: bool, snat: bool, protocol: str, port: int, hairpin: bool) -> None:
    """Whatever is translated on the way there is translated back: the answer that reaches the client is the request turned round."""
    rules = []
    to = f"10.2.0.2:{port}" if protocol != "icmp" else "10.2.0.2"
    rules += [f"-A PREROUTING -d 10.99.0.1/32 -p {protocol} -j DNAT --to-destination {to}"] if dnat else []
    rules += [f"-A POSTROUTING -d 10.2.0.2/32 -j {'MASQUERADE' if hairpin else 'SNAT --to-source 10.2.0.1'}"] if snat else []
    world = natted(*rules)
    world.stack("server").listens(f"{protocol} 0.0.0.0:{port}") if protocol != "icmp" else None
    trace = world.walk("client", "10.99.0.1" if dnat else "10.2.0.2", 7000 if dnat else port, protocol)
    assert trace.client_sees == "connected"
    assert trace.reply is not None
    sent, back = trace.request.hops[0].packet.split(" ", 1)[1], trace.reply.hops[-1].packet.split(" ", 1)[1]
    assert sent.split(" > ") == back.split(" > ")[::-1]


# --- marks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "right"),
    [
        ("MARK --set-xmark 0x5/0xffffffff", "MARK --set-xmark 0x3/0x0", 0x6),
        ("MARK --set-xmark 0xff/0xffffffff", "MARK --set-xmark 0x0/0xf", 0xF0),
        ("MARK --set-mark 0xff", "MARK --set-mark 0x1/0xf", 0xF1),
        ("MARK --set-xmark 0xff/0xffffffff", "MARK --and-mark 0xf", 0x0F),
        ("MARK --set-xmark 0xf0/0xffffffff", "MARK --or-mark 0x1", 0xF1),
        ("MARK --set-xmark 0xff/0xffffffff", "MARK --xor-mark 0xf", 0xF0),
        ("MARK --set-mark 7", "CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff", 7),
    ],
)
def test_mark_arithmetic(first: str, second: str, right: int) -> None:
    """The new mark is (mark & ~mask) ^ value; the drop tells the mark that the packet had."""
    world = lan()
    world.stack("router").iptables(
        f"*mangle\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n-A PREROUTING -j {first}\n-A PREROUTING -j {second}\n-A FORWARD -j DROP"
    )
    assert found(world.walk("client", "10.2.0.2"), "drop").get("mark") == right


def test_connmark_restores() -> None:
    """A mark saved in the connection comes back with the answer."""
    world = lan()
    world.stack("router").iptables(
        "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 -j CONNMARK --set-xmark 0x9/0xffffffff\n"
        "-A PREROUTING -i eth1 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n"
        "-A PREROUTING -i eth1 -m mark --mark 0x9 -j DROP"
    )
    drop = found(world.walk("client", "10.2.0.2"), "drop")
    assert (drop.get("direction"), drop.get("mark")) == ("reply", 9)


def test_connmark_of_untracked_packets() -> None:
    """Without an entry CONNMARK does nothing."""
    world = lan()
    world.stack("router").iptables(
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j NOTRACK\n"
        "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CONNMARK --set-xmark 0x9/0xffffffff\n-A PREROUTING -m connmark --mark 0x9 -j DROP"
    )
    assert world.sees("client", "10.2.0.2") == "connected"


def test_mark_before_routing_chooses_the_table() -> None:
    """A mark set in PREROUTING is routed by; one set in FORWARD or POSTROUTING is not."""
    for hook, sees in (("PREROUTING", "ENETUNREACH"), ("FORWARD", "connected"), ("POSTROUTING", "connected")):
        world = lan()
        world.stack("router").iptables(f"*mangle\n:{hook} ACCEPT [0:0]\n-A {hook} -j MARK --set-xmark 0x1/0xffffffff").rule(
            "100:\tfrom all fwmark 0x1 unreachable"
        )
        assert world.sees("client", "10.2.0.2") == sees


def test_mark_in_output_routes_again() -> None:
    """A mark set in mangle OUTPUT is routed by, and the source address that was chosen before stays."""
    world = lan()
    world.stack("client").device("eth1", "192.0.2.2/24").iptables(
        "*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j MARK --set-xmark 0x1/0xffffffff"
    ).rule("100:\tfrom all fwmark 0x1 lookup 77").route("default via 192.0.2.1 dev eth1 table 77")
    trace = world.walk("client", "10.2.0.2")
    assert (trace.request.hops[0].out_device, trace.request.hops[0].packet) == ("eth1", "tcp 10.1.0.2:40000 > 10.2.0.2:80")


def test_re_route_that_fails() -> None:
    """Where the second routing decision fails, send() tells; connect() of TCP was let through by the first and waits."""
    world = lan()
    world.stack("client").iptables("*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j MARK --set-xmark 0x1/0xffffffff").rule(
        "100:\tfrom all fwmark 0x1 prohibit"
    )
    assert [world.sees("client", "10.2.0.2", protocol=protocol) for protocol in ("tcp", "udp")] == ["timeout", "EACCES"]


@pytest.mark.parametrize(("translation", "sees"), [("", "connected"), ("-A OUTPUT -j DNAT --to-destination 10.2.0.2\n", "timeout")])
def test_mark_in_nat_output(translation: str, sees: str) -> None:
    """A mark from nat OUTPUT is no reason to route again; a new destination is, and then the mark is seen (measured)."""
    world = lan()
    rules = f"*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j MARK --set-xmark 0x1/0xffffffff\n{translation}COMMIT\n"
    world.stack("client").iptables(rules).rule("100:\tfrom all fwmark 0x1 prohibit")
    assert world.sees("client", "10.2.0.9" if translation else "10.2.0.2") == sees


def test_mark_ends_with_the_namespace() -> None:
    """A mark is not seen by the next machine."""
    world = lan()
    world.stack("client").iptables("*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j MARK --set-xmark 0x1/0xffffffff")
    world.stack("router").iptables("*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m mark --mark 0x1 -j DROP")
    assert world.sees("client", "10.2.0.2") == "connected"


# --- unknown ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "policy", "sees"),
    [
        (("-A FORWARD -m recent --rcheck --name x -j DROP",), "ACCEPT", "depends"),
        (("-A FORWARD -m recent --set --name x",), "ACCEPT", "connected"),
        (("-A FORWARD -m recent --rcheck --name x -j ACCEPT",), "ACCEPT", "connected"),
        (("-A FORWARD -m owner --uid-owner 0 -j ACCEPT",), "DROP", "depends"),
        (("-A FORWARD -s 9.9.9.9/32 -m recent --rcheck -j DROP",), "ACCEPT", "connected"),
        (("-A FORWARD -j NFQUEUE --queue-num 0",), "ACCEPT", "depends"),
        (("-A FORWARD -m set --match-set lost src -j DROP",), "ACCEPT", "depends"),
    ],
)
def test_what_cannot_be_told(rules: tuple[str, ...], policy: str, sees: str) -> None:
    """An unknown match or target makes it depend where its answer matters, and only there."""
    trace = filtered(*rules, forward=policy).walk("client", "10.2.0.2")
    assert trace.client_sees == sees
    assert bool(trace.depends) is (sees == "depends")


def test_unknown_names_the_rule_and_a_command() -> None:
    """The unknown is the match, its line is the rule's, and the command shows the chain."""
    (unknown,) = filtered("-A FORWARD -m recent --rcheck --name x -j DROP").walk("client", "10.2.0.2").depends
    assert (unknown.node, unknown.what) == ("router", "-m recent --rcheck --name x")
    assert "FORWARD" in unknown.command
    assert unknown.line is not None
    assert unknown.line.text == "-A FORWARD -m recent --rcheck --name x -j DROP"


@pytest.mark.parametrize(
    ("target", "policy", "branch"),
    [("DROP", "ACCEPT", ("matches", "0.25", "timeout")), ("ACCEPT", "DROP", ("does not match", "", "timeout"))],
)
def test_shares(target: str, policy: str, branch: tuple[str, str, str]) -> None:
    """A random rule is no lack of evidence: both branches are told, with the share of the packets that it takes."""
    trace = filtered(f"-A FORWARD -m statistic --mode random --probability 0.25 -j {target}", forward=policy).walk(
        "client", "10.2.0.2", protocol="udp"
    )
    assert (trace.client_sees, trace.depends) == ("depends", ())
    assert branch in trace.branches


@pytest.mark.parametrize(("address", "sees"), [("10.1.0.2", "timeout"), ("10.1.0.3", "connected")])
def test_sets(address: str, sees: str) -> None:
    """A rule with a set asks the set."""
    world = filtered("-A FORWARD -m set --match-set bad src -j DROP")
    world.stack("router").shows("ipset list", f"Name: bad\nType: hash:ip\nHeader: family inet\nMembers:\n{address}")
    assert world.sees("client", "10.2.0.2") == sees


@pytest.mark.parametrize(
    ("words", "sees"),
    [
        ("-m addrtype --dst-type LOCAL -j DROP", "connected"),
        ("-m addrtype --dst-type UNICAST -j DROP", "timeout"),
        ("-m addrtype --src-type LOCAL -j DROP", "connected"),
    ],
)
def test_address_types_by_table_local(words: str, sees: str) -> None:
    """Address types are looked up in table local only: what is routed elsewhere is unicast."""
    assert filtered(f"-A FORWARD {words}").sees("client", "10.2.0.2") == sees


@pytest.mark.parametrize(
    ("words", "back", "table"),
    [
        ("--invert", "10.1.0.2 dev eth1", "raw"),
        ("--loose --invert", "10.1.0.2 dev eth1", "filter"),
        ("--invert", "10.1.0.2 dev eth0", "filter"),
        ("--loose --invert", "blackhole 10.1.0.2", "raw"),
    ],
)
def test_rpfilter_match(words: str, back: str, table: str) -> None:
    """``-m rpfilter --invert`` takes packets whose way back does not leave by the input device; ``--loose`` any way will do."""
    world = lan()
    world.stack("router").iptables(
        f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m rpfilter {words} -j DROP\n*filter\n{CHAINS.format(forward='DROP')}"
    ).route(back)
    assert found(world.walk("client", "10.2.0.2"), "drop").get("table") == table


def test_firewalls_that_nobody_collected() -> None:
    """A node's unseen firewall is open either way; a container's is taken to be empty, and that is said."""
    world = lan()
    world.stack("router").unseen("iptables-save")
    trace = world.walk("client", "10.2.0.2")
    assert (trace.client_sees, [unknown.command for unknown in trace.depends]) == ("depends", ["iptables-save"])
    pods = World()
    pods.host("n1", "192.0.2.1/24").device("cni0", "10.244.0.1/24", kind="bridge").listens("tcp 0.0.0.0:80")
    pods.pod("n1", "a", "10.244.0.2/24", gateway="10.244.0.1").unseen("iptables-save")
    trace = pods.walk("n1/a", "10.244.0.1")
    assert (trace.client_sees, [unknown.stack for unknown in trace.assumed]) == ("connected", ["a"])
    assert any("assumed" in summary for summary in said(trace))


def test_to_text_is_used_for_addresses() -> None:
    """Addresses of derived facts are canonical text."""
    drop = found(filtered(forward="DROP").walk("client", "10.2.0.2"), "drop")
    assert (drop.get("src"), drop.get("dst")) == (to_text(0x0A010002), to_text(0x0A020002))


@pytest.mark.parametrize(
    ("rule", "sees"),
    [
        ("-A PREROUTING -i eth0 -j CT --zone 5", "timeout"),
        ("-A PREROUTING -j CT --zone 5", "connected"),
        ("-A PREROUTING -j CT --notrack", "timeout"),
    ],
)
def test_zones_of_conntrack(rule: str, sees: str) -> None:
    """Measured: an answer that is in another zone than its question finds no entry, and is INVALID for a bare SYN-ACK."""
    world = lan()
    accept = "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -i eth0 -j ACCEPT"
    world.stack("router").iptables(f"*raw\n:PREROUTING ACCEPT [0:0]\n{rule}\nCOMMIT\n*filter\n:FORWARD DROP [0:0]\n{accept}")
    world.stack("server").listens("tcp 0.0.0.0:80")
    assert world.sees("client", "10.2.0.2") == sees


def test_native_zones() -> None:
    """``ct zone set`` before conntrack does the same."""
    world = lan()
    chains = "chain a {\n type filter hook prerouting priority raw; policy accept;\n iif eth0 ct zone set 5\n }\n"
    chains += 'chain b {\n type filter hook forward priority 0; policy drop;\n ct state established accept\n iifname "eth0" accept\n }'
    world.stack("router").shows("nft list ruleset", f"table ip z {{\n {chains}\n}}")
    world.stack("server").listens("tcp 0.0.0.0:80")
    assert world.sees("client", "10.2.0.2") == "timeout"
