"""The walk of a flow: request, answer, and what the client makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.facts import Fact
from engine.model import build
from engine.schema import KINDS, fields_of
from engine.walk import walk
from engine.walk.choices import MAX_REPLAYS
from engine.walk.trace import Disposition, Flow, Trace
from engine.walk.walker import MAX_HOPS
from tests.engine.walk.world import World, found, lan

if TYPE_CHECKING:
    from engine.facts import FactBase

OUTCOMES = {
    "connected",
    "timeout",
    "depends",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ECONNREFUSED",
    "ECONNRESET",
    "EACCES",
    "EPERM",
    "EINVAL",
    "EADDRNOTAVAIL",
    "ENOPROTOOPT",
}


def walked(facts: FactBase, dst: str = "10.2.0.2", protocol: str = "tcp", **more: Any) -> Trace:
    """Walk from the client on a fresh model."""
    return walk(build(facts), Flow("client", "host", "", dst, 80 if protocol != "icmp" else 0, protocol, **more))


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_connected(protocol: str) -> None:
    """Request and answer arrive: the trace shows both ways, hop by hop, and no drop."""
    trace = lan().walk("client", "10.2.0.2", protocol=protocol)
    assert trace.client_sees == "connected"
    assert trace.reply is not None
    assert [[hop.node for hop in way.hops] for way in (trace.request, trace.reply)] == [
        ["client", "router", "server"],
        ["server", "router", "client"],
    ]
    assert [way.disposition for way in (trace.request, trace.reply)] == [Disposition.DELIVERED] * 2
    assert not [fact for fact in trace.facts if fact.kind == "drop"]


def test_ipv6() -> None:
    """The same over IPv6: next hops are link-local or global addresses of the wire."""
    world = World()
    world.host("client", "fd00:1::2/64", gateway="fd00:1::1")
    world.stack("router").device("eth0", "fd00:1::1/64").device("eth1", "fd00:2::1/64").parameters["net.ipv6.conf.all.forwarding"] = 1
    world.host("server", "fd00:2::2/64", gateway="fd00:2::1").listens("tcp [::]:80")
    for node in ("client", "router", "server"):
        world.stack(node).shows("ip6tables-save", "").shows("ip -6 rule", "0:\tfrom all lookup local\n32766:\tfrom all lookup main")
    assert [world.sees("client", "fd00:2::2", protocol=protocol) for protocol in ("tcp", "icmp")] == ["connected", "connected"]
    assert world.sees("client", "fd00:2::2", 81) == "ECONNREFUSED"
    assert world.sees("client", "fd00:2::2", 81, "udp") == "ECONNREFUSED"
    world.stack("router").parameters["net.ipv6.conf.all.forwarding"] = 0
    assert world.sees("client", "fd00:2::2") == "timeout"


def test_answer_dropped() -> None:
    """An answer that dies on its way makes the client wait; the drop is the reply's."""
    world = lan()
    world.stack("router").filter("-A FORWARD -s 10.2.0.2/32 -j DROP")
    trace = world.walk("client", "10.2.0.2")
    drop = found(trace, "drop")
    assert (trace.client_sees, drop.node, drop.get("direction"), drop.get("client_sees")) == ("timeout", "router", "reply", "timeout")


def test_reset_dropped() -> None:
    """A reset that dies on its way is no refusal but silence; who dropped it is told, and no closed port is."""
    world = lan()
    world.stack("router").filter("-A FORWARD -s 10.2.0.2/32 -j DROP")
    trace = world.walk("client", "10.2.0.2", 81)
    assert (trace.client_sees, found(trace, "drop").node) == ("timeout", "router")


def test_answer_from_a_strange_address() -> None:
    """An answer whose source is not the address asked is no answer: the client's socket does not know it."""
    world = lan()
    world.stack("router").nat("-A POSTROUTING -s 10.2.0.2/32 -j SNAT --to-source 10.1.0.1")
    assert world.sees("client", "10.2.0.2") == "connected"
    world.stack("router").filter()
    world.stack("server").rule("100:\tfrom 10.2.0.2 lookup 77").device("eth1", "10.1.0.9/24").route("10.1.0.0/24 dev eth1 table 77").nat()
    world.stack("server").iptables(
        "*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j NOTRACK\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -j MASQUERADE"
    )
    assert world.sees("client", "10.2.0.2") == "connected"


@pytest.mark.parametrize(("ports", "sees"), [("6000", "timeout"), ("6000-6010", "timeout"), ("1024-65535", "connected"), ("", "connected")])
def test_untracked_answer_is_for_the_translated_port(ports: str, sees: str) -> None:
    """MASQUERADE takes a port of its range where the client's lies outside; an answer past conntrack is for that port, where nobody waits."""
    world = lan()
    option = f" --to-ports {ports}" if ports else ""
    world.stack("client").iptables(
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j NOTRACK\n"
        f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -p tcp -j MASQUERADE{option}"
    )
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == sees
    assert [fact.get("by") for fact in trace.facts if fact.kind == "drop"] == ([] if sees == "connected" else ["socket"])


@pytest.mark.parametrize(
    ("match", "outcomes"), [("-m statistic --mode random --probability 0.5", {"connected", "ECONNRESET", "depends"}), ("-p tcp", {"connected"})]
)
def test_ack_that_chance_translates_otherwise_is_reset(match: str, outcomes: set[str]) -> None:
    """Where dice decide packet by packet what conntrack sees, the ACK may reach the server under another source than the SYN did."""
    world = lan()
    world.stack("server").iptables(
        f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {match} -j NOTRACK\n"
        "*nat\n:INPUT ACCEPT [0:0]\n-A INPUT -j SNAT --to-source 10.2.0.2"
    )
    trace = world.walk("client", "10.2.0.2")
    assert {"connected", trace.client_sees, *(sees for _, _, sees in trace.branches)} == outcomes
    assert not trace.depends


def test_source_of_the_flow() -> None:
    """The flow fact bears the source that the kernel chose, the target's place and the reported error."""
    trace = walk(lan().network(), Flow("client", "host", "", "10.2.0.2", 80, "tcp"), 3, "timeout")
    flow = found(trace, "flow")
    assert {name: flow.get(name) for name in ("flow", "src", "dst", "port", "target_node", "target_stack", "error_class", "client_sees")} == {
        "flow": 3,
        "src": "10.1.0.2",
        "dst": "10.2.0.2",
        "port": 80,
        "target_node": "server",
        "target_stack": "host",
        "error_class": "timeout",
        "client_sees": "connected",
    }
    assert (flow.node, flow.stack) == ("client", "host")


def test_flow_of_a_question_without_an_error() -> None:
    """Where nobody named an error the flow fact says so: rules that take any of some errors or none find it."""
    assert found(walk(lan().network(), Flow("client", "host", "", "10.2.0.2", 80, "tcp")), "flow").get("error_class") == ""


def test_every_derived_fact_is_declared() -> None:
    """Kinds and fields of derived facts are those of the schema."""
    world = lan()
    world.stack("router").nat("-A POSTROUTING -s 9.9.9.9/32 -j MASQUERADE", "-A POSTROUTING -p udp -j MASQUERADE").filter(
        "-A FORWARD -s 10.2.0.0/16 -p tcp -m recent --rcheck -j DROP"
    )
    for protocol in ("tcp", "udp"):
        for dst in ("10.2.0.2", "10.2.0.77", "8.8.8.8"):
            for fact in world.walk("client", dst, protocol=protocol).facts:
                assert KINDS[fact.kind].origin == "walk"
                assert set(fact.fields) <= fields_of(fact.kind), fact


# --- outside ----------------------------------------------------------------------------------------------------------


def test_target_outside() -> None:
    """Where the target is not in the evidence, it depends, and what to collect is named; the answer is walked from there."""
    world = lan()
    trace = world.walk("client", "10.2.0.9", to_name="db")
    assert (trace.client_sees, trace.request.disposition) == ("depends", Disposition.LEFT_EVIDENCE)
    assert [(unknown.node, unknown.command) for unknown in trace.depends] == [("db", "diagnose collect -o bundle.tar.gz")]
    assert trace.reply is not None
    assert found(trace, "depends").get("on") == "evidence of 10.2.0.9"


def test_answer_of_an_outside_target_may_die_here() -> None:
    """An answer that the evidence shows to die decides, whatever the target does."""
    world = lan()
    world.stack("router").filter("-A FORWARD -i eth1 -j DROP")
    trace = world.walk("client", "10.2.0.9")
    assert (trace.client_sees, trace.depends, found(trace, "drop").get("direction")) == ("timeout", (), "reply")


def test_sender_outside_enters_where_its_answers_would_leave() -> None:
    """A sender known by address only arrives on the segment that its address belongs to."""
    world = lan()
    trace = walk(world.network(), Flow("", "", "10.1.0.77", "10.2.0.2", 80, "tcp"))
    assert (trace.client_sees, trace.request.hops[0].node, trace.request.hops[0].in_device) == ("connected", "router", "eth0")


def test_sender_far_outside_enters_at_the_target() -> None:
    """A sender behind gateways arrives at the target by the device of its way back."""
    world = lan()
    world.stack("server").filter("-A INPUT -s 198.51.100.0/24 -j REJECT --reject-with icmp-host-prohibited")
    world.stack("router").device("eth2", "203.0.113.1/24").route("default via 203.0.113.254 dev eth2")
    trace = walk(world.network(), Flow("", "", "198.51.100.9", "10.2.0.2", 80, "tcp"))
    assert (trace.client_sees, trace.request.hops[0].node) == ("EHOSTUNREACH", "server")
    assert found(trace, "drop").get("reject_with") == "icmp-host-prohibited"


def test_sender_of_a_node_without_its_stack() -> None:
    """A container whose namespace was not collected enters its node by the device that leads to it."""
    world = World()
    world.host("n1", "192.0.2.1/24").device("docker0", "172.17.0.1/16", kind="bridge").device("veth5", peer=77, master="docker0").router()
    world.host("n2", "192.0.2.2/24", gateway="192.0.2.1").listens("tcp 0.0.0.0:80")
    trace = walk(world.network(), Flow("n1", "", "172.17.0.5", "192.0.2.2", 80, "tcp"))
    assert (trace.request.hops[0].node, trace.request.hops[0].in_device, trace.client_sees) == ("n1", "docker0", "connected")


@pytest.mark.parametrize(
    "flow",
    [Flow("", "", "", "10.2.0.2", 80, "tcp"), Flow("", "", "198.51.100.9", "203.0.113.9", 80, "tcp"), Flow("nowhere", "", "", "10.2.0.2", 80, "tcp")],
)
def test_flows_that_the_evidence_does_not_touch(flow: Flow) -> None:
    """Neither sender nor target in the evidence: it depends, and nothing is made up."""
    trace = walk(lan().network(), flow)
    assert (trace.client_sees, trace.request.hops, [unknown.what for unknown in trace.depends]) == ("depends", (), ["sender"])


def test_sender_far_outside_enters_by_the_card_of_the_address() -> None:
    """Routers send what is for an address to its subnet, whatever way the answer takes; a bridge of containers is no such card."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.2/24").device("eth1", "10.2.0.2/24").device("docker0", "172.17.0.1/16", kind="bridge")
    world.stack("n1").route("default via 10.1.0.1 dev eth0").listens("tcp 0.0.0.0:80")
    network = world.network()
    asked = [walk(network, Flow("", "", "198.51.100.9", dst, 80, "tcp")).request.hops[0].in_device for dst in ("10.1.0.2", "10.2.0.2", "172.17.0.1")]
    assert asked == ["eth0", "eth1", "eth0"]


@pytest.mark.parametrize(("name", "kind"), [("kube-ipvs0", ""), ("lb0", "dummy")])
def test_nothing_enters_by_a_device_that_only_holds_addresses(name: str, kind: str) -> None:
    """A dummy has no wire, up or down: where a packet for its address comes in is open if no route tells."""
    world = World()
    world.stack("n1").device(name, "10.96.0.1/32", kind=kind, up=False)
    trace = walk(world.network(), Flow("", "", "198.51.100.9", "10.96.0.1", 443, "tcp"))
    assert (trace.client_sees, trace.request.hops) == ("depends", ())


def test_way_back_outside() -> None:
    """An answer that leaves the evidence on its way to a sender that is inside: it depends on the way back."""
    world = lan()
    world.stack("server").routing[:] = ["default via 10.2.0.99 dev eth0"]
    trace = world.walk("client", "10.2.0.2")
    assert (trace.client_sees, [unknown.what for unknown in trace.depends]) == ("depends", ["the way back"])
    world.stack("server").filter("-A INPUT -j REJECT")
    assert world.sees("client", "10.2.0.2") == "depends"


# --- choices ----------------------------------------------------------------------------------------------------------


def test_unknowns_that_change_nothing_are_not_reported() -> None:
    """An unknown is followed both ways; if the client sees the same, it is not mentioned."""
    world = lan()
    world.stack("router").filter("-A FORWARD -m recent --rcheck -j DROP", "-A FORWARD -j DROP")
    trace = world.walk("client", "10.2.0.2")
    assert (trace.client_sees, trace.depends, trace.branches) == ("timeout", (), ())


def test_branches_of_ecmp() -> None:
    """Several next hops with different fates: each alternative with its share."""
    world = lan()
    world.host("second", "10.1.0.3/24")
    world.stack("client").routing[:] = ["default\n\tnexthop via 10.1.0.1 dev eth0 weight 3\n\tnexthop via 10.1.0.3 dev eth0 weight 1"]
    trace = world.walk("client", "10.2.0.2")
    assert (trace.client_sees, trace.branches, trace.depends) == ("depends", (("nexthop 10.1.0.3 dev eth0", "1/4", "timeout"),), ())


# --- laws of every walk -----------------------------------------------------------------------------------------------

TARGETS = st.sampled_from(
    [
        "ACCEPT",
        "DROP",
        "REJECT",
        "RETURN",
        "X",
        "LOG",
        "MARK --set-xmark 0x1/0xffffffff",
        "NFQUEUE --queue-num 0",
        "NOTRACK",
        "REJECT --reject-with tcp-reset",
    ]
)
MATCHES = st.sampled_from(
    [
        "",
        "-i eth0 ",
        "-o eth1 ",
        "-s 10.1.0.0/24 ",
        "! -d 10.2.0.2/32 ",
        "-p tcp ",
        "-m conntrack --ctstate NEW ",
        "-m conntrack --ctstate ESTABLISHED,RELATED ",
        "-m recent --rcheck ",
        "-m statistic --mode random --probability 0.5 ",
        "-m mark --mark 0x1 ",
        "-m set --match-set lost src ",
        "-p icmp ",
        "-m addrtype --dst-type LOCAL ",
    ]
)
RULES = st.lists(st.builds("-A {} {}-j {}".format, st.sampled_from(["INPUT", "FORWARD", "OUTPUT", "X"]), MATCHES, TARGETS), max_size=5)
NATS = st.lists(
    st.one_of(
        st.builds(
            "-A POSTROUTING {}-j {}".format,
            MATCHES,
            st.sampled_from(["MASQUERADE", "SNAT --to-source 10.1.0.1", "SNAT --to-source 192.0.2.9", "ACCEPT"]),
        ),
        st.builds(
            "-A PREROUTING {}-j {}".format,
            MATCHES.filter(lambda m: "-o" not in m),
            st.sampled_from(["DNAT --to-destination 10.2.0.2", "DNAT --to-destination 10.1.0.2:81", "REDIRECT --to-ports 80"]),
        ),
    ),
    max_size=3,
)
ROUTES = st.lists(
    st.sampled_from(
        [
            "default via 10.1.0.2 dev eth0",
            "default via 10.2.0.2 dev eth1",
            "blackhole 10.2.0.2",
            "10.1.0.2 dev eth1",
            "unreachable 10.1.0.0/25",
            "10.99.0.0/16 via 10.2.0.2 dev eth1",
        ]
    ),
    max_size=3,
    unique=True,
)
POLICY = st.lists(
    st.sampled_from(
        [
            "100:\tfrom all fwmark 0x1 lookup 77",
            "101:\tfrom all iif eth1 prohibit",
            "102:\tfrom 10.1.0.2 lookup main",
            "103:\tnot from all fwmark 0x1 goto 32766",
        ]
    ),
    max_size=2,
    unique=True,
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """The router between client and server, with any filter, translation, routes, rules and parameters."""
    world = lan()
    router = world.stack("router")
    rules, nats = draw(RULES), draw(NATS)
    chains = (
        "".join(f":{name} {draw(st.sampled_from(['ACCEPT', 'ACCEPT', 'DROP']))} [0:0]\n" for name in ("INPUT", "FORWARD", "OUTPUT")) + ":X - [0:0]\n"
    )
    router.iptables(f"*filter\n{chains}" + "\n".join(rules) + "\n*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" + "\n".join(nats))
    router.route(*draw(ROUTES)).rule(*draw(POLICY))
    router.sysctl(ip_forward=draw(st.integers(0, 1)), conf__eth0__rp_filter=draw(st.integers(0, 2)), conf__eth1__forwarding=draw(st.integers(0, 1)))
    world.stack("server").unseen(*draw(st.sets(st.sampled_from(["ss -lntup", "iptables-save", "sysctl -a", "ip neigh"]), max_size=2)))
    return world


FLOWS = {
    "dst": st.sampled_from(["10.2.0.2", "10.2.0.9", "10.1.0.1", "10.99.0.1", "10.1.0.2", "127.0.0.1", "10.2.0.255", "8.8.8.8"]),
    "protocol": st.sampled_from(["tcp", "udp", "icmp"]),
}


@settings(max_examples=80)
@given(world=worlds(), **FLOWS)
def test_every_walk_ends(world: World, dst: str, protocol: str) -> None:
    """Whatever the evidence, the walk ends within its bounds, in a known outcome, and says why where it does not connect."""
    trace = walked(world.facts(), dst, protocol)
    assert trace.client_sees in OUTCOMES
    assert sum(len(way.hops) for way in (trace.request, trace.reply) if way) <= 2 * MAX_HOPS
    assert len(trace.branches) <= MAX_REPLAYS
    if trace.client_sees == "depends":
        assert trace.depends or trace.branches
    elif trace.client_sees != "connected":
        assert [fact for fact in trace.facts if fact.kind == "drop"]


@settings(max_examples=40)
@given(world=worlds(), **FLOWS)
def test_deterministic(world: World, dst: str, protocol: str) -> None:
    """The same facts give the same walk."""
    facts = world.facts()
    first, second = walked(facts, dst, protocol), walked(facts, dst, protocol)
    assert (first.request, first.reply) == (second.request, second.reply)
    assert (first.client_sees, first.branches, first.depends) == (second.client_sees, second.branches, second.depends)
    assert [(fact.kind, dict(fact.fields)) for fact in first.facts] == [(fact.kind, dict(fact.fields)) for fact in second.facts]


@settings(max_examples=40)
@given(world=worlds(), **FLOWS)
def test_connected_means_unharmed(world: World, dst: str, protocol: str) -> None:
    """Who is connected met no drop, and its answer came from where it asked."""
    trace = walked(world.facts(), dst, protocol)
    if trace.client_sees == "connected":
        assert not [fact for fact in trace.facts if fact.kind == "drop"]
        assert trace.reply is not None
        assert trace.reply.disposition is Disposition.DELIVERED
        assert (trace.reply.hops[-1].node, trace.reply.hops[-1].stack) == ("client", "host")


def test_a_port_that_is_only_kept_free_answers_nobody() -> None:
    """Where docker itself listens on a published port, connections are taken and never answered: the client waits."""
    world = lan()
    said = 'tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:* users:(("dockerd",pid=7,fd=9))\n'
    world.stack("server").shows("ss -lntup", f"Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n{said}")
    ports = ({"host_port": 80, "container_port": 80, "protocol": "tcp"},)
    facts = world.facts()
    flow = Flow("client", "host", "", "10.2.0.2", 80, "tcp")
    assert walk(build(facts), flow).client_sees == "connected"
    trace = walk(build(facts.plus([Fact("container", {"name": "web", "state": "running", "ports": ports}, "server")])), flow)
    assert trace.client_sees == "timeout"
    assert [(f.get("by"), f.get("effect")) for f in trace.facts if f.kind == "drop"] == [("socket", "dropped")]


def test_client_of_a_tunnel_that_ends_in_a_container() -> None:
    """A VPN server in a container: who is on its tunnel's subnet enters there; who is on a container's ordinary device's, does not."""
    world = World()
    world.host("n1", "192.0.2.1/24", gateway="192.0.2.254").device("br0", "172.18.0.1/16", kind="bridge").router()
    vpn = world.pod("n1", "vpn", "172.18.0.3/16", "br0", gateway="172.18.0.1").device("wg0", "10.8.0.1/24", kind="wireguard").router()
    vpn.nat("-A POSTROUTING -s 10.8.0.0/24 -o eth9 -j MASQUERADE")
    trace = walk(world.network(), Flow("", "", "10.8.0.2", "1.1.1.1", 0, "icmp"))
    first = next(f for f in trace.facts if f.kind == "hop")
    assert (first.stack, first.get("in_device"), first.get("out_device")) == ("vpn", "wg0", "eth0")
    assert not any(f.stack == "vpn" for f in walk(world.network(), Flow("", "", "172.18.0.9", "1.1.1.1", 0, "icmp")).facts)


@pytest.mark.parametrize(
    ("protocol", "size", "sees"),
    [("udp", 0, "depends"), ("icmp", 0, "depends"), ("udp", 40, "connected"), ("udp", 60, "timeout"), ("tcp", 0, "timeout")],
)
def test_sizes_that_rules_ask_for(protocol: str, size: int, sees: str) -> None:
    """A SYN has 60 octets; how much is sent by UDP or ping is up to the program, so that what hangs on it depends."""
    world = lan()
    world.stack("router").filter("-A FORWARD -i eth0 -m length --length 60 -j DROP")
    world.stack("server").listens("udp 0.0.0.0:80", "tcp 0.0.0.0:80")
    assert world.sees("client", "10.2.0.2", protocol=protocol, size=size) == sees


def test_pings_that_a_stack_ignores() -> None:
    """Measured: icmp_echo_ignore_all leaves pings unanswered, and nothing else; the parameter is named."""
    world = lan()
    world.stack("server").sysctl(icmp_echo_ignore_all=1).listens("tcp 0.0.0.0:80")
    trace = world.walk("client", "10.2.0.2", protocol="icmp")
    assert trace.client_sees == "timeout"
    assert found(trace, "drop", by="echo-ignored").text == "net.ipv4.icmp_echo_ignore_all = 1"
    assert world.sees("client", "10.2.0.2") == "connected"


@pytest.mark.parametrize(("who", "ttl", "sees"), [("client", 1, "EHOSTUNREACH"), ("client", 2, "connected"), ("server", 1, "timeout")])
def test_ttl_of_what_a_stack_sends(who: str, ttl: int, sees: str) -> None:
    """Measured: packets start with ip_default_ttl; one that is used up on the way is told to whom sent it, the client or the server."""
    world = lan()
    world.stack("server").listens("tcp 0.0.0.0:80")
    world.stack(who).sysctl(ip_default_ttl=ttl)
    assert world.sees("client", "10.2.0.2") == sees


@pytest.mark.parametrize(
    ("parameter", "protocol", "port", "sees"),
    [
        ("fwmark_reflect", "icmp", 0, "timeout"),
        ("fwmark_reflect", "tcp", 81, "timeout"),
        ("fwmark_reflect", "tcp", 80, "connected"),
        ("tcp_fwmark_accept", "tcp", 80, "timeout"),
        ("tcp_fwmark_accept", "tcp", 81, "ECONNREFUSED"),
    ],
)
def test_marks_of_answers(parameter: str, protocol: str, port: int, sees: str) -> None:
    """Measured: answers of the kernel bear the mark of the question with fwmark_reflect, connections with tcp_fwmark_accept; rules then see it."""
    world = lan()
    server = world.stack("server").listens("tcp 0.0.0.0:80").sysctl(**{parameter: 1})
    server.iptables("*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark 0x7/0xffffffff")
    server.rule("5: from all fwmark 0x7 iif lo unreachable")
    assert world.sees("client", "10.2.0.2", port=port, protocol=protocol) == sees


def test_type_of_service_routes_again() -> None:
    """Measured: what mangle OUTPUT writes into the type of service routes the packet anew; a SYN that is refused then is lost."""
    world = lan()
    client = world.stack("client").rule("5: from all tos 0x10 prohibit")
    client.iptables("*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -j TOS --set-tos 0x10/0xff")
    world.stack("server").listens("tcp 0.0.0.0:80")
    assert world.sees("client", "10.2.0.2") == "timeout"
    assert world.sees("client", "10.2.0.2", protocol="icmp") == "connected"
