"""One packet through stacks: routing, forwarding, bridges, tunnels, devices.

Where a test says "measured", it was tried on Linux 6.18 in network namespaces.
"""

from __future__ import annotations

import pytest

from engine.facts import FactBase
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Disposition, Flow
from tests.engine.walk.world import Stack, World, found, lan, said

ERRNOS = [
    ("unreachable 10.2.0.2", "", ("EHOSTUNREACH", "EHOSTUNREACH"), ("EHOSTUNREACH", "timeout")),
    ("prohibit 10.2.0.2", "", ("EACCES", "EACCES"), ("EHOSTUNREACH", "EHOSTUNREACH")),
    ("blackhole 10.2.0.2", "", ("EINVAL", "EINVAL"), ("timeout", "timeout")),
    ("throw 10.2.0.0/16", "", ("ENETUNREACH", "ENETUNREACH"), ("ENETUNREACH", "timeout")),
    ("", "unreachable", ("ENETUNREACH", "ENETUNREACH"), ("ENETUNREACH", "timeout")),
    ("", "prohibit", ("EACCES", "EACCES"), ("EHOSTUNREACH", "EHOSTUNREACH")),
    ("", "blackhole", ("EINVAL", "EINVAL"), ("timeout", "timeout")),
]
"""(route, action of a rule to 10.2.0.2, what TCP and UDP see of it at home, and on the way): all measured."""


def blocked(stack: Stack, route: str, action: str) -> None:
    """Put a blocking route or rule on a stack."""
    if action:
        stack.rule(f"100:\tfrom all to 10.2.0.2 {action}")
        return
    stack.routing[:] = [route, *([] if route.startswith("throw") else stack.routing)]
    if route.startswith("throw") and "eth1" in stack.devices:
        stack.devices["eth1"].connected = lambda: ()  # type: ignore[method-assign]  # nothing else may match


@pytest.mark.parametrize(("route", "action", "local", "forwarded"), ERRNOS)
def test_blocked_ways(route: str, action: str, local: tuple[str, str], forwarded: tuple[str, str]) -> None:
    """Blocking routes and rules give the local sender an errno, and others an ICMP error or silence."""
    for node, right in (("client", local), ("router", forwarded)):
        world = lan()
        blocked(world.stack(node), route, action)
        traces = [world.walk("client", "10.2.0.2", protocol=protocol) for protocol in ("tcp", "udp")]
        assert tuple(trace.client_sees for trace in traces) == right
        drop = found(traces[0], "drop", direction="request")
        assert (drop.node, drop.get("by")) == (node, "no-route" if route.startswith("throw") else "blocked-route")
        assert drop.get("effect") == ("no-route" if node == "client" or not traces[0].reply else "rejected")


def test_no_route_is_shown_by_the_listing() -> None:
    """What is not in a routing table is shown by the table as a whole."""
    trace = lan(gateway=False).walk("client", "10.2.0.2")
    drop = found(trace, "drop")
    assert (trace.client_sees, drop.get("by"), trace.request.disposition) == ("ENETUNREACH", "no-route", Disposition.NO_ROUTE)
    assert drop.source.name == "nodes/client/ip route show table all"


def test_routes_that_nobody_collected() -> None:
    """Without the table nothing can be said, and the command is named."""
    world = lan()
    world.stack("client").unseen("ip route show table all")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "depends"
    assert trace.request.disposition is Disposition.DEPENDS


def test_no_way_back() -> None:
    """The answer needs a route too; the client then waits, and the drop is the answer's."""
    world = lan()
    world.stack("server").routing.clear()
    trace = world.walk("client", "10.2.0.2")
    drop = found(trace, "drop")
    assert (trace.client_sees, drop.node, drop.get("direction"), drop.get("return_via")) == ("timeout", "server", "reply", "10.2.0.1")


# --- forwarding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "sees"),
    [
        ({"ip_forward": 0}, "timeout"),
        ({"conf__eth0__forwarding": 0, "conf__eth1__forwarding": 1}, "timeout"),
        ({"ip_forward": 0, "conf__eth0__forwarding": 1, "conf__eth1__forwarding": 1}, "connected"),
    ],
)
def test_forwarding(values: dict[str, int], sees: str) -> None:
    """A stack that does not forward drops in silence; the ingress device's switch decides."""
    world = lan()
    world.stack("router").sysctl(**values)
    assert world.sees("client", "10.2.0.2") == sees


def test_not_forwarded() -> None:
    """Forwarding off is asked before anything else: no ICMP, even where no route would be there."""
    world = lan()
    world.stack("router").sysctl(ip_forward=0).routing[:] = ["unreachable 10.2.0.2"]
    trace = world.walk("client", "10.2.0.2")
    drop = found(trace, "drop")
    assert (trace.client_sees, trace.request.disposition, drop.get("by"), drop.text) == (
        "timeout",
        Disposition.NOT_FORWARDED,
        "forwarding",
        "net.ipv4.ip_forward = 0",
    )


@pytest.mark.parametrize(("packets", "sees"), [(0, "depends"), (7, "connected")])
def test_forwarding_unseen(packets: int, sees: str) -> None:
    """Where the parameter was not collected, counters of FORWARD prove that the stack forwards."""
    world = lan()
    world.stack("router").unseen("sysctl -a").iptables(f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [{packets}:420]\n:OUTPUT ACCEPT [0:0]")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == sees
    assert [unknown.what for unknown in trace.depends] == (["net.ipv4.ip_forward"] if sees == "depends" else [])


def test_reverse_path() -> None:
    """A strict filter drops what would be answered by another device, after the routing decision and before FORWARD; it does not even answer ARP."""
    world = lan()
    world.stack("router").sysctl(conf__eth0__rp_filter=1).route("10.1.0.2 dev eth1").filter("-A FORWARD -j REJECT")
    trace = world.walk("client", "10.2.0.2")
    drop = found(trace, "drop")
    assert (trace.client_sees, drop.get("by"), trace.request.disposition) == ("EHOSTUNREACH", "rp-filter", Disposition.SOURCE_INVALID)
    assert drop.text == "net.ipv4.conf.eth0.rp_filter = 1"


def asymmetric() -> World:
    """The router answers the client by a second wire between them."""
    world = lan()
    world.stack("client").device("eth1", "10.3.0.2/24")
    world.stack("router").device("eth2", "10.3.0.1/24").route("10.1.0.2 via 10.3.0.2 dev eth2")
    return world


@pytest.mark.parametrize(("mode", "sees"), [(0, "connected"), (1, "EHOSTUNREACH"), (2, "connected")])
def test_asymmetric_routes(mode: int, sees: str) -> None:
    """Answers by another way are fine unless a filter is strict."""
    world = asymmetric()
    world.stack("router").sysctl(conf__eth0__rp_filter=mode)
    assert world.sees("client", "10.2.0.2") == sees


def test_reverse_path_unseen() -> None:
    """Where rp_filter was not collected and would matter, it depends on it."""
    world = asymmetric()
    world.stack("router").shows("sysctl -a", "net.ipv4.ip_forward = 1")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "depends"
    assert [(unknown.node, unknown.what) for unknown in trace.depends] == [("router", "net.ipv4.conf.eth0.rp_filter")]


def test_dnat_to_loopback() -> None:
    """DNAT to 127.0.0.1 is a martian without route_localnet."""
    for value, by in ((0, ["martian"]), (1, [])):
        world = lan()
        world.stack("router").nat("-A PREROUTING -d 10.99.0.1/32 -p tcp -j DNAT --to-destination 127.0.0.1:80").sysctl(
            conf__eth0__route_localnet=value
        ).listens("tcp 127.0.0.1:80")
        assert [fact.get("by") for fact in world.walk("client", "10.99.0.1").facts if fact.kind == "drop"] == by


def test_own_addresses_go_over_loopback() -> None:
    """Traffic to an own address stays inside, over lo, whatever device holds the address; nat PREROUTING is not asked again."""
    world = lan()
    world.stack("server").nat("-A PREROUTING -p tcp -j DNAT --to-destination 9.9.9.9")
    trace = world.walk("server", "10.2.0.2")
    assert (trace.client_sees, [hop.in_device for hop in trace.request.hops]) == ("connected", ["", "lo"])


def test_loops_end() -> None:
    """Two routers that send a packet to each other: its TTL runs out, which its sender is told by ICMP."""
    world = lan()
    world.host("second", "10.2.0.3/24", gateway="10.2.0.1").router()
    world.stack("router").routing[:] = ["default via 10.2.0.3 dev eth1"]
    trace = world.walk("client", "8.8.8.8")
    assert (trace.client_sees, trace.request.disposition, found(trace, "drop").get("by")) == ("EHOSTUNREACH", Disposition.LOOPED, "loop")


# --- neighbours and devices -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "local", "forwarded"),
    [("tcp", "EHOSTUNREACH", "EHOSTUNREACH"), ("udp", "timeout", "timeout"), ("icmp", "EHOSTUNREACH", "EHOSTUNREACH")],
)
def test_silent_neighbour(protocol: str, local: str, forwarded: str) -> None:
    """Measured: a failed neighbour is host-unreachable for TCP and ping, at home and on the way; a UDP socket ignores it."""
    world = lan()
    world.stack("router").shows("ip neigh", "10.2.0.77 dev eth1 FAILED")
    world.stack("client").shows("ip neigh", "10.1.0.77 dev eth0 INCOMPLETE")
    assert (world.sees("client", "10.1.0.77", protocol=protocol), world.sees("client", "10.2.0.77", protocol=protocol)) == (local, forwarded)


def test_an_unknown_neighbour_may_be_outside() -> None:
    """Who is not in the evidence may well answer: the packet leaves the evidence."""
    trace = lan().walk("client", "10.2.0.77")
    left = found(trace, "left_evidence", direction="request")
    assert (trace.client_sees, trace.request.disposition, left.node, left.get("device"), left.get("on_link")) == (
        "depends",
        Disposition.LEFT_EVIDENCE,
        "router",
        "eth1",
        "10.2.0.0/24",
    )
    assert [unknown.what for unknown in trace.depends] == ["evidence of 10.2.0.77"]


@pytest.mark.parametrize(("device", "sees"), [("wg0", "depends"), ("eth7", "EHOSTUNREACH")])
def test_tunnel_of_a_type_that_nobody_showed(device: str, sees: str) -> None:
    """``ip -br addr`` shows no types: on what is named like a tunnel nobody is asked for a MAC, on a card without a neighbour somebody is."""
    world = lan()
    world.stack("client").unseen("ip -d addr").shows("ip -br addr", f"lo UNKNOWN 127.0.0.1/8\neth0 UP 10.1.0.2/24\n{device} UNKNOWN 10.8.0.8/24")
    world.stack("client").route("10.1.0.0/24 dev eth0 scope link", f"10.9.0.0/24 dev {device} scope link")
    world.stack("client").shows("ip neigh", "10.9.0.5 dev eth7 FAILED")
    assert world.sees("client", "10.9.0.5") == sees


@pytest.mark.parametrize(
    ("field", "protocol", "sees"),
    [("up", "tcp", "ENETUNREACH"), ("up", "udp", "ENETUNREACH"), ("carrier", "tcp", "EHOSTUNREACH"), ("carrier", "udp", "timeout")],
)
def test_dead_device(field: str, protocol: str, sees: str) -> None:
    """Measured: a device that is down has no routes; one without carrier has no neighbours."""
    world = lan()
    setattr(world.stack("client").devices["eth0"], field, False)
    assert world.sees("client", "10.2.0.2", protocol=protocol) == sees


def test_down_device_receives_nothing() -> None:
    """A frame that reaches a device which is down is lost."""
    world = World()
    world.host("n1", "192.0.2.1/24").device("cni0", "10.244.0.1/24", kind="bridge")
    world.pod("n1", "a", "10.244.0.2/24")
    world.stack("n1", "a").devices["eth0"].up = False
    trace = world.walk("n1", "10.244.0.2")
    assert (trace.client_sees, found(trace, "drop").node) == ("EHOSTUNREACH", "n1")


def test_no_source_address() -> None:
    """A sender whose devices have no address at all cannot send; one whose addresses nobody showed may well."""
    world = World()
    link = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
    link += "2: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff"
    world.stack("n1").device("eth0").route("default dev eth0").unseen("ip -d addr").shows("ip -d link", link)
    world.stack("n2").device("eth0").route("default dev eth0").shows("ip -d link", link).shows("ip -d addr", link)
    assert world.sees("n1", "8.8.8.8") == "depends"
    assert world.sees("n2", "8.8.8.8") == "EADDRNOTAVAIL"


# --- bridges ----------------------------------------------------------------------------------------------------------


def bridge(call: int | None = 1, forward: str = "ACCEPT", *rules: str, nat: tuple[str, ...] = (), masquerade: bool = False) -> World:
    """n1 with bridge cni0 10.244.0.1/24, pods a (.2) and b (.3); b listens on 80; VIP 10.96.0.1 is b."""
    world = World()
    host = world.host("n1", "192.0.2.1/24").device("cni0", "10.244.0.1/24", kind="bridge").router()
    chains = "".join(f":{name} {policy} [0:0]\n" for name, policy in (("INPUT", "ACCEPT"), ("FORWARD", forward), ("OUTPUT", "ACCEPT")))
    nats = [
        "-A PREROUTING -d 10.96.0.1/32 -p tcp -j DNAT --to-destination 10.244.0.3:80",
        *nat,
        *(["-A POSTROUTING -s 10.244.0.0/24 -d 10.244.0.3/32 -j MASQUERADE"] if masquerade else []),
    ]
    host.iptables(f"*filter\n{chains}" + "\n".join(rules) + "\n*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" + "\n".join(nats))
    if call is not None:
        host.parameters["net.bridge.bridge-nf-call-iptables"] = call
    world.pod("n1", "a", "10.244.0.2/24", gateway="10.244.0.1")
    world.pod("n1", "b", "10.244.0.3/24", gateway="10.244.0.1").listens("tcp 0.0.0.0:80")
    return world


@pytest.mark.parametrize(("call", "sees"), [(1, "timeout"), (0, "connected"), (None, "connected")])
def test_forward_policy_and_bridged_traffic(call: int | None, sees: str) -> None:
    """FORWARD meets bridged packets only where bridge-nf calls iptables (a parameter that does not exist means no br_netfilter)."""
    world = bridge(call, "DROP")
    trace = world.walk("n1/a", "10.244.0.3")
    assert trace.client_sees == sees
    if sees == "timeout":
        drop = found(trace, "drop")
        assert [drop.get(name) for name in ("in_device", "out_device", "physin_device", "physout_device")] == ["cni0", "cni0", "veth-a", "veth-b"]


def test_bridge_nf_unseen() -> None:
    """Where the parameter was not collected and the firewall would drop, it depends."""
    world = bridge(None, "DROP")
    world.stack("n1").unseen("sysctl -a").shows("sysctl net.ipv4.ip_forward", "net.ipv4.ip_forward = 1")
    trace = world.walk("n1/a", "10.244.0.3")
    assert trace.client_sees == "depends"
    assert "net.bridge.bridge-nf-call-iptables" in [unknown.what for unknown in trace.depends]


def test_bridge_nf_that_is_not_there() -> None:
    """Where sysctl was asked for the parameter and there is none, br_netfilter is not loaded, whatever else was not collected."""
    world = bridge(None, "DROP")
    missing = "sysctl: cannot stat /proc/sys/net/bridge/bridge-nf-call-iptables: No such file or directory"
    asked = "sysctl net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables"
    world.stack("n1").unseen("sysctl -a").shows(asked, f"net.ipv4.ip_forward = 1\n{missing}")
    assert world.sees("n1/a", "10.244.0.3") == "connected"


def test_physdev_sees_the_ports() -> None:
    """In FORWARD a bridged packet has both its ports."""
    rules = ("-A FORWARD -m physdev --physdev-in veth-a --physdev-out veth-b --physdev-is-bridged -j ACCEPT",)
    assert bridge(1, "DROP", *rules, "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT").sees("n1/a", "10.244.0.3") == "connected"


@pytest.mark.parametrize(
    ("call", "masquerade", "sees"), [(1, False, "connected"), (0, False, "timeout"), (0, True, "connected"), (1, True, "connected")]
)
def test_virtual_address_of_a_neighbour(call: int, masquerade: bool, sees: str) -> None:
    """VIP → backend on the same bridge: works where the answer meets iptables, else only masqueraded."""
    trace = bridge(call, masquerade=masquerade).walk("n1/a", "10.96.0.1")
    assert trace.client_sees == sees
    if sees == "timeout":
        drop = found(trace, "drop")
        assert (drop.get("by"), drop.get("src"), drop.stack) == ("socket", "10.244.0.3", "a")


@pytest.mark.parametrize(
    ("call", "masquerade", "hairpin", "sees"),
    [
        (1, True, True, "connected"),
        (1, True, False, "timeout"),
        (0, True, False, "connected"),
        (1, False, True, "timeout"),
        (0, False, True, "timeout"),
    ],
)
def test_own_virtual_address(call: int, masquerade: bool, hairpin: bool, sees: str) -> None:
    """Pod → own VIP: always needs MASQUERADE; where bridge-nf calls iptables it needs hairpin mode too."""
    world = bridge(call, masquerade=masquerade)
    world.stack("n1").devices["veth-b"].hairpin = hairpin
    assert world.sees("n1/b", "10.96.0.1") == sees


def test_hairpin_mode_that_nobody_saw() -> None:
    """Plain ``ip link`` does not tell whether a port sends frames back: the flow depends on it, and most likely dies."""
    world = bridge(1, masquerade=True)
    facts = [f.having(hairpin=None) if f.kind == "link" else f for f in world.facts().facts]
    trace = walk(build(FactBase(facts)), Flow("n1", "b", "", "10.96.0.1", 80, "tcp"))
    assert (trace.client_sees, [u.what for u in trace.depends]) == ("depends", ["hairpin of veth-b"])
    drop = found(trace, "drop")
    assert (drop.get("by"), drop.get("physin_device"), drop.get("physout_device")) == ("bridge", "veth-b", "veth-b")


def test_gateway_whose_filter_refuses_the_question() -> None:
    """A machine with two cards answers by the other one, whose gateway filters the very ARP question: the drop names parameter and way back."""
    world = lan()
    world.stack("router").device("eth2", "10.3.0.1/24").sysctl(conf__eth2__rp_filter=1)
    world.host("double", "10.2.0.7/24").device("eth1", "10.3.0.7/24").route("default via 10.3.0.1 dev eth1").listens("tcp 0.0.0.0:80")
    drop = found(world.walk("client", "10.2.0.7"), "drop")
    assert [drop.get(name) for name in ("by", "direction", "key", "value", "back_device")] == [
        "rp-filter", "reply", "net.ipv4.conf.eth2.rp_filter", 1, "eth1"
    ]  # fmt: skip


def test_isolated_ports() -> None:
    """Isolated ports do not talk to each other, only to others; not even ARP passes."""
    world = bridge(0)
    for pod in ("a", "b"):
        world.stack("n1").devices[f"veth-{pod}"].isolated = True
    trace = world.walk("n1/a", "10.244.0.3")
    assert trace.client_sees == "EHOSTUNREACH"
    assert "ARP is not answered: veth-a and veth-b are isolated ports" in said(trace)
    assert world.sees("n1/a", "10.244.0.1", protocol="icmp") == "connected"


def test_pod_to_node_and_out() -> None:
    """A frame for the bridge itself goes up and is routed: PREROUTING sees the bridge as input."""
    world = bridge(1, "ACCEPT", "-A FORWARD -i cni0 -o eth0 -j REJECT --reject-with icmp-admin-prohibited")
    world.host("n2", "192.0.2.2/24").route("10.244.0.0/24 via 192.0.2.1 dev eth0").listens("tcp 0.0.0.0:80")
    assert world.sees("n1/a", "192.0.2.2") == "EHOSTUNREACH"
    assert bridge(1).sees("n1/a", "10.244.0.1", 81) == "ECONNREFUSED"


# --- tunnels ----------------------------------------------------------------------------------------------------------


def overlay(kind: str = "vxlan id 1 local {local} dev eth0 dstport 8472 nolearning", mtu: int = 1450) -> World:
    """n1 and n2 (192.0.2.1, .2) with flannel.1 10.244.N.0/32 and pod p 10.244.N.2 each."""
    world = World()
    for n, other in ((1, 2), (2, 1)):
        node = world.host(f"n{n}", f"192.0.2.{n}/24").router()
        ends = kind.format(local=f"192.0.2.{n}", remote=f"192.0.2.{other}")
        node.device("flannel.1", f"10.244.{n}.0/32", kind=ends, mac=f"02:00:00:00:ff:0{n}", mtu=mtu)
        node.device("cni0", f"10.244.{n}.1/24", kind="bridge")
        node.route(f"10.244.{other}.0/24 via 10.244.{other}.0 dev flannel.1 onlink")
        if kind.startswith("vxlan"):
            node.shows("ip neigh", f"10.244.{other}.0 dev flannel.1 lladdr 02:00:00:00:ff:0{other} PERMANENT")
            node.shows("bridge fdb show", f"02:00:00:00:ff:0{other} dev flannel.1 dst 192.0.2.{other} self permanent")
        world.pod(f"n{n}", "p", f"10.244.{n}.2/24", gateway=f"10.244.{n}.1").listens("tcp 0.0.0.0:80")
    return world


def test_vxlan() -> None:
    """Inner packet, outer packet, inner packet again on the far node; the outer one meets OUTPUT here and INPUT there."""
    trace = overlay().walk("n1/p", "10.244.2.2")
    assert trace.client_sees == "connected"
    inner, outer = "tcp 10.244.1.2:40000 > 10.244.2.2:80", "udp 192.0.2.1:49152 > 192.0.2.2:8472"
    assert [(hop.node, hop.stack, hop.packet) for hop in trace.request.hops] == [
        ("n1", "p", inner),
        ("n1", "host", inner),
        ("n1", "host", outer),
        ("n2", "host", outer),
        ("n2", "host", outer),
        ("n2", "host", inner),
        ("n2", "p", inner),
    ]
    assert any(line.startswith("flannel.1: VXLAN 1 to 192.0.2.2") for line in said(trace))


@pytest.mark.parametrize(
    ("node", "rule"),
    [
        ("n1", "-A OUTPUT -p udp -m udp --dport 8472 -j DROP"),
        ("n2", "-A INPUT -p udp -m udp --dport 8472 -j DROP"),
        ("n2", "-A FORWARD -i flannel.1 -o cni0 -j DROP"),
    ],
)
def test_vxlan_meets_firewalls(node: str, rule: str) -> None:
    """The outer packet is a local one on both nodes, the inner one is forwarded: each can be dropped."""
    world = overlay()
    world.stack(node).filter(rule)
    trace = world.walk("n1/p", "10.244.2.2")
    assert (trace.client_sees, found(trace, "drop").node) == ("timeout", node)


def test_vxlan_inherits_the_mark() -> None:
    """The outer packet inherits the inner one's mark; the next machine sees none."""
    world = overlay()
    mangle = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i cni0 -j MARK --set-xmark 0x4/0xffffffff"
    mangle += "\n*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -m mark --mark 0x4 -j DROP"
    world.stack("n1").iptables(mangle)
    assert found(world.walk("n1/p", "10.244.2.2"), "drop").get("dport") == 8472
    world.stack("n1").iptables(mangle.partition("\n*filter")[0])
    world.stack("n2").iptables("*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m mark --mark 0x4 -j DROP")
    assert world.sees("n1/p", "10.244.2.2") == "connected"


@pytest.mark.parametrize(
    ("neigh", "fdb", "sees"),
    [
        ("10.244.2.0 dev flannel.1 lladdr 02:00:00:00:ff:02 PERMANENT", "", "timeout"),
        ("", "", "EHOSTUNREACH"),
        ("", "00:00:00:00:00:00 dev flannel.1 dst 192.0.2.2 self permanent", "connected"),
        ("10.244.2.0 dev flannel.1 lladdr 02:00:00:00:ff:02 PERMANENT", "02:00:00:00:ff:02 dev flannel.1 dst 192.0.2.77 self permanent", "depends"),
        ("10.244.2.0 dev flannel.1 lladdr 02:00:00:00:ff:77 PERMANENT", "02:00:00:00:ff:77 dev flannel.1 dst 192.0.2.2 self permanent", "timeout"),
    ],
)
def test_forwarding_database(neigh: str, fdb: str, sees: str) -> None:
    """Measured: exact MAC, else the all-zeros entry, else lost: in silence if the neighbour is known, as an unanswered question if not."""
    world = overlay()
    world.stack("n1").shows("ip neigh", neigh).shows("bridge fdb show", fdb)
    assert world.sees("n1/p", "10.244.2.2") == sees


def test_vxlan_remote() -> None:
    """A unicast default destination serves as the all-zeros entry."""
    world = overlay("vxlan id 1 remote 192.0.2.2 local {local} dev eth0 dstport 8472")
    world.stack("n1").shows("bridge fdb show", "")
    assert "flannel.1: VXLAN 1 to 192.0.2.2" in said(world.walk("n1/p", "10.244.2.2"))


def test_no_forwarding_database_collected() -> None:
    """Without a listing the node that owns the next hop is taken for the VTEP, and that is said."""
    world = overlay()
    world.stack("n1").unseen("bridge fdb show", "ip neigh").outputs.clear()
    trace = world.walk("n1/p", "10.244.2.2")
    assert (trace.client_sees, [unknown.what for unknown in trace.assumed]) == ("connected", ["fdb"])


@pytest.mark.parametrize("change", ["id 2", "dstport 4789"])
def test_other_vni_or_port(change: str) -> None:
    """The far node takes frames of its own VNI and port only."""
    world = overlay()
    kind = world.stack("n2").devices["flannel.1"].kind
    world.stack("n2").devices["flannel.1"].kind = kind.replace("id 1" if change.startswith("id") else "dstport 8472", change)
    trace = world.walk("n1/p", "10.244.2.2")
    assert trace.client_sees == "timeout"
    assert found(trace, "drop").node == "n2"


def test_ipip() -> None:
    """IPIP wraps the packet for the tunnel's remote, or for the next hop where it has none."""
    world = overlay("ipip remote any local {local} ttl inherit nopmtudisc", mtu=1480)
    for n, other in ((1, 2), (2, 1)):
        world.stack(f"n{n}").routing[:] = [f"10.244.{other}.0/24 via 192.0.2.{other} dev flannel.1 onlink"]
    trace = world.walk("n1/p", "10.244.2.2")
    assert trace.client_sees == "connected"
    assert "flannel.1: ipip to 192.0.2.2" in said(trace)
    world.stack("n2").filter("-A INPUT -p 4 -j DROP")
    assert world.sees("n1/p", "10.244.2.2") == "timeout"
    world.stack("n2").filter().devices["flannel.1"].up = False
    assert world.sees("n1/p", "10.244.2.2") == "timeout"


@pytest.mark.parametrize(("filtered", "sees"), [("-p 4", "EHOSTUNREACH"), ("-p icmp", "timeout")])
def test_error_about_an_ipip_packet(filtered: str, sees: str) -> None:
    """Measured: a tunnel with a fixed remote end hands on what it hears of its packets, so an INPUT that drops the ICMP error keeps it silent."""
    world = overlay("ipip remote {remote} local {local}", mtu=1480)
    for n, other in ((1, 2), (2, 1)):
        world.stack(f"n{n}").routing[:] = [f"10.244.{other}.0/24 dev flannel.1"]
    world.stack("n2").filter("-A INPUT -p 4 -j REJECT")
    world.stack("n1").filter(f"-A INPUT {filtered} -j DROP")
    assert world.sees("n1", "10.244.2.2", protocol="icmp") == sees


def test_tun() -> None:
    """A program's tunnel comes out on the same-named device of the node that holds the destination; without one, the packet leaves the evidence."""
    world = overlay("tun type tun pi off vnet_hdr off persist off")
    for n, other in ((1, 2), (2, 1)):
        world.stack(f"n{n}").routing[:] = [f"10.244.{other}.0/24 dev flannel.1"]
    trace = world.walk("n1/p", "10.244.2.2")
    assert trace.client_sees == "connected"
    assert trace.assumed
    assert world.walk("n1/p", "10.244.9.9").client_sees == "ENETUNREACH"
    world.stack("n1").route("10.244.9.0/24 dev flannel.1")
    left = found(world.walk("n1/p", "10.244.9.9"), "left_evidence", direction="request")
    assert (left.get("device"), left.get("next_hop")) == ("flannel.1", "10.244.9.9")


def test_masquerade_on_the_overlay_is_marked() -> None:
    """Translation of a packet that leaves by an overlay is said to be so."""
    world = overlay()
    world.stack("n1").nat("-A POSTROUTING -s 10.244.1.0/24 -j MASQUERADE")
    nat = found(world.walk("n1/p", "10.244.2.2"), "nat", src="10.244.1.2")
    assert (nat.get("overlay"), nat.get("out_type"), nat.get("after"), nat.get("source_prefix")) == (True, "vxlan", "10.244.1.0", "10.244.1.0/24")


def test_hops_and_arrivals() -> None:
    """Each routed hop is a fact with its table, route and gateway; an arrival tells by whom it came."""
    trace = lan().walk("client", "10.2.0.2")
    hops = [fact for fact in trace.facts if fact.kind == "hop" and fact.get("direction") == "request"]
    assert [(fact.node, fact.get("how"), fact.get("gateway"), fact.get("route"), fact.get("table")) for fact in hops] == [
        ("client", "output", "10.1.0.1", "0.0.0.0/0", "main"),
        ("router", "forward", "", "10.2.0.0/24", "main"),
    ]
    arrivals = [(fact.node, fact.get("via"), fact.get("device")) for fact in trace.facts if fact.kind == "arrival"]
    assert arrivals == [("router", "10.1.0.2", "eth0"), ("server", "10.2.0.1", "eth0")]


# --- filters nobody saw -----------------------------------------------------------------------------------------------


def pods(nat: str = "") -> World:
    """``web`` (10.9.0.5) on node ``n1`` (10.2.0.9), ``server`` (10.2.0.2) on the same wire without a route to pods; ``nat`` is n1's table."""
    world = World()
    world.host("n1", "10.2.0.9/24").router().device("cni0", "10.9.0.1/24", kind="bridge").iptables(nat or "*filter\n:FORWARD ACCEPT [0:0]")
    world.pod("n1", "web", "10.9.0.5/24", gateway="10.9.0.1")
    world.host("server", "10.2.0.2/24").listens("tcp 0.0.0.0:80")
    return world


def test_unseen_nat_may_masquerade() -> None:
    """Whether a node translates what it forwards decides about the way back: where the nat table was not collected, both are followed."""
    world = pods()
    assert world.sees("n1/web", "10.2.0.2") == "timeout", "a full dump without a nat table: nothing is translated"
    world.stack("n1").unseen("iptables-save").shows("iptables -S", "-P INPUT ACCEPT\n-P FORWARD ACCEPT\n-P OUTPUT ACCEPT")
    trace = world.walk("n1/web", "10.2.0.2")
    assert trace.client_sees == "depends"
    assert [(u.node, u.what, u.command) for u in trace.depends] == [("n1", "netfilter nat", "iptables-save -t nat")]
    # Of the filter, which was printed, nobody says that it was not.
    assert {(u.command, u.why) for u in trace.assumed} == {("iptables-save -t nat", "the nat table of n1 was not collected")}
    assert ("is masqueraded", "", "connected") in trace.branches
    world.stack("server").route("10.9.0.0/24 via 10.2.0.9 dev eth0")
    assert world.sees("n1/web", "10.2.0.2") == "connected", "the route back takes both"


def test_unseen_filter_may_drop() -> None:
    """A node's filter table that was not collected is open, also where its nat table was; in a container it is assumed to be empty."""
    world = pods()
    world.stack("n1").unseen("iptables-save").shows(
        "iptables -t nat -S",
        "-P PREROUTING ACCEPT\n-P INPUT ACCEPT\n-P OUTPUT ACCEPT\n-P POSTROUTING ACCEPT\n-A POSTROUTING -s 10.9.0.0/24 -o eth0 -j MASQUERADE",
    )
    trace = world.walk("n1/web", "10.2.0.2")
    assert (trace.client_sees, [u.what for u in trace.depends]) == ("depends", ["netfilter filter"])
    assert ("drops", "", "timeout") in trace.branches
    world = pods("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.9.0.0/24 -o eth0 -j MASQUERADE")
    world.stack("n1", "web").unseen("iptables-save")
    trace = world.walk("n1/web", "10.2.0.2")
    assert (trace.client_sees, [(u.node, u.stack) for u in trace.assumed]) == ("connected", [("n1", "web")])


def test_unseen_routes_are_named() -> None:
    """A walk that ends for want of a routing table says which command shows it."""
    world = lan()
    world.stack("server").unseen("ip route show table all")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "depends"
    assert [(u.node, u.what, u.command) for u in trace.depends] == [("server", "routes", "ip route show table all")]


@pytest.mark.parametrize("kind", ["vrf table 10", "macsec sci 2ee94c38dc630001"])
def test_devices_that_are_not_followed_are_said(kind: str) -> None:
    """A packet that goes by a VRF's or macsec's device goes on, and the device is named with the command that shows it."""
    world = lan()
    router = world.stack("router").device("red", kind=kind)
    router.devices["eth1"].master = "red"
    trace = world.walk("client", "10.2.0.2")
    assert [one.command for one in trace.assumed if one.what.endswith(" red")] == ["ip -d link show dev red"]
