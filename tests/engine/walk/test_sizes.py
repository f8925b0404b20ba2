"""Full-size walks: handshakes that pass where data dies."""

from __future__ import annotations

import pytest

from engine.walk.sizes import full_size, lost_when_full, walk_full
from engine.walk.trace import Flow
from tests.engine.walk.world import World, lan

FLOW = Flow("client", "host", "", "10.2.0.2", 80, "tcp")
NO_ICMP = "-A OUTPUT -p icmp -j DROP"


def narrow(*rules: str, mtu: int = 1400) -> World:
    """A router whose second wire is narrower than both ends know."""
    world = lan()
    router = world.stack("router")
    router.devices["eth1"].mtu = mtu
    if rules:
        router.filter(*rules)
    return world


def clamping(rule: str) -> World:
    """The same router, silent about sizes, with a TCPMSS rule; the server's card is of the router's wire."""
    world = narrow()
    world.stack("router").iptables(f"*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD {rule}\n*filter\n:OUTPUT ACCEPT [0:0]\n{NO_ICMP}")
    return world


def lost(world: World, flow: Flow = FLOW) -> list[tuple[object, ...]]:
    """Who loses what."""
    return [(f.node, f.get("by"), f.get("direction"), f.get("size"), f.get("mtu")) for f in lost_when_full(world.network(), flow)]


def test_full_segment_is_the_smaller_of_both_ends() -> None:
    """A full segment is as large as the sender's route and the other end's MSS allow (measured: MSS 1348 + 52 towards a server of 1400)."""
    assert full_size(lan().network(), FLOW).size == 1500
    world = lan()
    world.stack("server").devices["eth0"].mtu = 1400
    assert full_size(world.network(), FLOW).size == 1400
    world.stack("client").devices["eth0"].mtu = 1300
    assert full_size(world.network(), FLOW).size == 1300


def test_datagram_fills_the_route() -> None:
    """A datagram may be as large as the MTU of the sender's route; a flow that is dead when small is left as it is."""
    assert full_size(lan().network(), FLOW._replace(protocol="udp")).size == 1500
    assert full_size(lan().network(), FLOW._replace(port=81)).size == 0


def test_healthy_networks_say_nothing() -> None:
    """MTUs that are alike need no walk; a narrow wire whose router may tell of it is no fault."""
    assert not lost(lan())
    world = narrow()
    world.stack("server").devices["eth0"].mtu = 1400
    assert not lost(world)
    assert walk_full(world.network(), FLOW).client_sees == "connected"


def test_filtered_error_stops_full_segments_only() -> None:
    """Measured: with fragmentation-needed filtered, 1000 octets pass and 60000 hang; both the narrow wire and the filter are told."""
    world = narrow(NO_ICMP)
    world.stack("server").devices["eth0"].mtu = 1500
    assert world.sees("client", "10.2.0.2") == "connected"
    assert lost(world)[:2] == [("router", "too-big", "request", 1500, 1400), ("router", "rule", "error", 576, None)]
    assert world.sees("client", "10.2.0.2", size=1000) == "connected"
    assert world.sees("client", "10.2.0.2", size=1500) == "timeout"


@pytest.mark.parametrize(
    ("rule", "size", "dies"),
    [
        ("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", 1400, False),
        ("-o eth1 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", 1500, True),
        ("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1200", 1240, False),
        ("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 9000", 1500, True),
        ("-p tcp -m tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1361:65535 -j TCPMSS --set-mss 1360", 1400, False),
        ("-p tcp -m tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1:1000 -j TCPMSS --set-mss 500", 1500, True),
    ],
)
def test_clamps(rule: str, size: int, dies: bool) -> None:
    """Measured: a clamp on both directions lets full segments pass, one on ``-o wan`` only leaves the client's as they were; MSS is never raised."""
    world = clamping(rule)
    assert full_size(world.network(), FLOW).size == size
    assert any(each[2] == "request" for each in lost(world)) is dies


def test_native_clamp() -> None:
    """``tcp option maxseg size set rt mtu`` clamps like TCPMSS."""
    world = narrow(NO_ICMP)
    rules = "type filter hook forward priority 0; policy accept;\n  tcp flags syn tcp option maxseg size set rt mtu"
    world.stack("router").shows("nft list ruleset", f"table inet f {{\n chain fwd {{\n  {rules}\n }}\n}}")
    assert full_size(world.network(), FLOW).size == 1400


def test_probing_finds_its_way() -> None:
    """With ``tcp_mtu_probing`` TCP falls back to small segments: slow, but it lives."""
    world = narrow(NO_ICMP)
    for name in ("client", "server"):
        world.stack(name).sysctl(tcp_mtu_probing=1)
    assert not lost(world)


def test_without_discovery_routers_cut() -> None:
    """``ip_no_pmtu_disc`` sends without DF: routers make fragments, and no error is needed."""
    world = narrow(NO_ICMP)
    world.stack("client").sysctl(ip_no_pmtu_disc=1)
    assert not any(each[2] == "request" for each in lost(world))


def test_data_of_the_server() -> None:
    """Downloads die where uploads live: the narrow way is the server's own way back."""
    world = lan()
    world.stack("router").device("eth2", "10.4.0.1/24").route("10.1.0.0/24 dev eth0 mtu 1300 metric 0").filter(NO_ICMP)
    directions = {each[2] for each in lost(world)}
    assert "reply" in directions
    assert "request" not in directions


def test_length_match_kills_data() -> None:
    """A rule on the length of packets lets handshakes pass: full segments end there (told with their size)."""
    world = narrow("-A FORWARD -m length --length 1000:65535 -j DROP", mtu=1499)
    assert next(each for each in lost(world) if each[1] == "rule")[:3] == ("router", "rule", "request")


# --- tunnels ----------------------------------------------------------------------------------------------------------


def overlay(kind: str, mtu: int, *, wire: int = 1500) -> World:
    """Two nodes with a tunnel between them, 10.9.0.1 and 10.9.0.2, over a router whose second wire may be narrow."""
    world = lan()
    for name, own, other, inside in (("client", "10.1.0.2", "10.2.0.2", "10.9.0.1/24"), ("server", "10.2.0.2", "10.1.0.2", "10.9.0.2/24")):
        words = f"vxlan id 7 remote {other} local {own} dstport 4789" if kind == "vxlan" else f"ipip remote {other} local {own}"
        world.stack(name).device("tun0", inside, kind=words, mtu=mtu)
    world.stack("router").route(f"10.2.0.0/24 dev eth1 proto kernel scope link src 10.2.0.1 mtu {wire}")
    return world


INSIDE = FLOW._replace(dst="10.9.0.2")


@pytest.mark.parametrize(("mtu", "wire"), [(1450, 1500), (1500, 1500), (1450, 1400)])
def test_vxlan_cuts_what_does_not_fit(mtu: int, wire: int) -> None:
    """Measured: the outer packets of VXLAN have no DF: what does not fit is cut, at home and by routers, even where ICMP is filtered."""
    world = overlay("vxlan", mtu, wire=wire)
    world.stack("router").filter(NO_ICMP)
    assert not lost(world, INSIDE)


@pytest.mark.parametrize(("mtu", "wire"), [(1480, 1500), (1500, 1500), (1480, 1400)])
def test_ipip_passes_on_what_it_learns(mtu: int, wire: int) -> None:
    """The outer packets of IP-in-IP have DF; the sender of the inner one is told what fits (from the source: ``tnl_update_pmtu``)."""
    assert not lost(overlay("ipip", mtu, wire=wire), INSIDE)


def test_ipip_over_a_black_hole() -> None:
    """Where nobody tells the near end of the tunnel, full packets inside die."""
    world = overlay("ipip", 1480, wire=1400)
    world.stack("router").filter(NO_ICMP)
    assert world.sees("client", "10.9.0.2") == "connected"
    assert ("router", "too-big", "request", 1500, 1400) in lost(world, INSIDE)


def test_cards_are_taken_to_lose_what_is_complained_of() -> None:
    """Where large packets are what was complained of, a card that may lose them does so in the walk, and the trace says that it assumed so."""
    world = World()
    for name, mtu in (("n1", 1500), ("n2", 1500)):
        world.host(name, f"192.0.2.{name[1]}/24").listens("tcp 0.0.0.0:80").devices["eth0"].mtu = mtu
    world.stack("n2").devices["eth0"].mtu = 1400
    world.stack("n2").hidden.discard("ip route show table all")
    world.stack("n2").route("192.0.2.1/32 dev eth0 mtu 1500")
    flow = Flow("n1", "host", "", "192.0.2.2", 80, "tcp", size=1500)
    trace = walk_full(world.network(), flow)
    assert (trace.client_sees, [unknown.what for unknown in trace.assumed]) == ("timeout", ["MTU of eth0"])
    assert walk_full(world.network(), flow._replace(size=0)).client_sees == "depends"


def stretched(*, first: int = 1450, second: int = 1450, ports: int = 1450, **filters: str) -> World:
    """Pods of one subnet on bridges of two nodes that a VXLAN device joins; pods announce 1450, the devices between them as said."""
    world = World()
    for number, mtu in ((1, first), (2, second)):
        kind = f"vxlan id 7 remote 192.0.2.{3 - number} local 192.0.2.{number} dev eth0 dstport 4789"
        node = world.host(f"n{number}", f"192.0.2.{number}/24").device("br0", kind="bridge")
        node.device("vx1", kind=kind, master="br0", mtu=mtu).device("veth1", peer=2, index=11, master="br0", mtu=ports)
        if f"n{number}" in filters:
            node.filter(filters[f"n{number}"])
        pod = world.stack(f"n{number}", "pod").device("eth0", f"10.1.0.{number}/24", peer=11, index=2, mtu=1450)
        pod.listens("tcp 0.0.0.0:80")
    return world


BETWEEN = Flow("n1", "pod", "", "10.1.0.2", 80, "tcp")


def test_bridges_joined_by_vxlan_are_one_segment() -> None:
    """A frame goes into the tunnel at the bridge's VXLAN port and comes out at the other's, if the outer packet gets there."""
    trace = walk_full(stretched().network(), BETWEEN)
    assert trace.client_sees == "connected"
    assert [(h.node, h.stack, h.out_device) for h in trace.request.hops if h.out_device] == [
        ("n1", "pod", "eth0"), ("n1", "host", "vx1"), ("n1", "host", "eth0"), ("n2", "host", "veth1"),
    ]
    # The question for the pod's MAC is lost in the tunnel as well.
    assert walk_full(stretched(n2="-A INPUT -p udp -m udp --dport 4789 -j DROP").network(), BETWEEN).client_sees == "EHOSTUNREACH"
    alone = stretched()
    del alone.stacks["n2", "host"], alone.stacks["n2", "pod"]
    assert walk_full(alone.network(), BETWEEN).client_sees == "depends"


def test_a_vxlan_port_is_as_narrow_as_it_says() -> None:
    """A bridge sends nothing by its VXLAN port that is larger than that device's MTU; what comes out of the tunnel is not measured again."""
    drops = lost_when_full(stretched(second=1300).network(), BETWEEN)
    assert [(f.node, f.get("device"), f.get("direction"), f.get("size")) for f in drops] == [("n2", "vx1", "reply", 1450)]
    assert [(f.get("passes"), f.get("narrow_devices")) for f in drops] == [(1300, ("vx1 on n2 (1300)",))]


def test_the_size_that_passes_is_that_of_the_whole_way() -> None:
    """Every device that is too narrow is named, also those that the full packet never came to; a packet of the least of them passes."""
    world = stretched(first=1350, second=1300, ports=1400)
    (request, reply) = lost_when_full(world.network(), BETWEEN)
    assert (request.get("passes"), reply.get("passes")) == (1300, 1300)
    assert request.get("narrow_devices") == ("veth1 on n1 (1400)", "veth1 on n2 (1400)", "vx1 on n1 (1350)", "vx1 on n2 (1300)")
    world.stack("n1", "pod").devices["eth0"].mtu = 1300
    assert not lost_when_full(world.network(), BETWEEN)


def test_a_size_that_no_smaller_packet_helps() -> None:
    """Where a rule stops large packets the MTUs are not what to change."""
    world = narrow(NO_ICMP)
    world.stack("server").filter("-A INPUT -m length --length 1000:65535 -j DROP")
    assert all("passes" not in f.fields for f in lost_when_full(world.network(), FLOW))
