"""What the evidence knows of a wire that carried nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.facts import Fact, FactBase
from engine.model import build
from engine.model.network import Port
from engine.walk import walk
from engine.walk.trace import Flow
from engine.walk.wires import culprit
from tests.engine.walk.world import World, found, lan, parsed

if TYPE_CHECKING:
    from engine.walk.trace import Trace


def node(**bridge: Any) -> World:
    """``n1`` (eth0 10.9.0.1) with pods ``web`` 10.1.0.5 and ``api`` 10.1.0.6 on cni0, and ``db`` 10.9.0.2 listening on 80."""
    world = World()
    host = world.host("n1", "10.9.0.1/24").router()
    host.device("cni0", *bridge.pop("addresses", ("10.1.0.1/24",)), kind="bridge", **bridge)
    for name, address in (("web", "10.1.0.5/24"), ("api", "10.1.0.6/24")):
        world.pod("n1", name, address, gateway="10.1.0.1").listens("tcp 0.0.0.0:80")
    world.host("db", "10.9.0.2/24").route("10.1.0.0/24 via 10.9.0.1 dev eth0").listens("tcp 0.0.0.0:80")
    return world


def kinds(trace: Trace) -> set[str]:
    """Kinds of the facts about wires."""
    return {f.kind for f in trace.facts} & {"dead_link", "loose_port", "bare_bridge", "silent_neighbor", "duplicate"}


def test_a_live_flow_on_sound_wires() -> None:
    """Nothing is said of wires that carry the packet."""
    for sender, dst in (("n1/web", "10.9.0.2"), ("db", "10.1.0.5"), ("n1/web", "10.1.0.6"), ("n1", "10.1.0.6")):
        trace = node().walk(sender, dst)
        assert (trace.client_sees, kinds(trace)) == ("connected", set())


# --- devices that are down ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "device", "change", "told"),
    [
        (("n1", "host"), "veth-web", {"up": False, "state": "disabled"}, ("n1", "host", "veth-web", "down")),
        (("n1", "web"), "eth0", {"up": False}, ("n1", "web", "eth0", "down")),
        (("n1", "host"), "veth-web", {"carrier": False, "state": "disabled"}, ("n1", "host", "veth-web", "carrier")),
    ],
)
def test_a_pair_without_carrier(where: tuple[str, str], device: str, change: dict[str, Any], told: tuple[str, ...]) -> None:
    """Whichever end of a veth pair is down is the one to bring up, from wherever the packet comes."""
    world = node()
    for name, value in change.items():
        setattr(world.stacks[where].devices[device], name, value)
    if change.get("up") is False:
        far = world.stacks["n1", "web"].devices["eth0"] if device == "veth-web" else world.stacks["n1", "host"].devices["veth-web"]
        far.carrier, far.state = False, "disabled"
    trace = world.walk("db", "10.1.0.5")
    fact = found(trace, "dead_link")
    assert (fact.node, fact.stack, fact.get("device"), fact.get("how")) == told
    assert fact.get("role") == "wire"
    assert found(trace, "silent_neighbor").get("explained") is True


def test_the_sender_s_own_device() -> None:
    """A packet that was to leave by a device without carrier: the other end's state tells why."""
    world = node()
    world.stacks["n1", "host"].devices["veth-web"].up = False
    world.stacks["n1", "web"].devices["eth0"].carrier = False
    fact = found(world.walk("n1/web", "10.9.0.2"), "dead_link", direction="request")
    assert [fact.get(name) for name in ("stack", "device", "how", "role", "seen_on")] == ["host", "veth-web", "down", "out", "eth0"]


def test_a_card_that_is_down() -> None:
    """The card of whoever has the next hop is down: nobody beyond the evidence answers for it either."""
    world = lan()
    world.stacks["server", "host"].devices["eth0"].up = False
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "EHOSTUNREACH"
    fact = found(trace, "dead_link")
    assert [fact.get(name) for name in ("node", "device", "how", "role")] == ["server", "eth0", "down", "wire"]


def test_a_bridge_that_is_down() -> None:
    """The route to the pods went with their bridge: told where the route is missing, whether the packet found none or took another."""
    for default in ("", "default via 10.9.0.254 dev eth0"):
        world = node(up=False)
        if default:
            world.stacks["n1", "host"].route(default)
        for name in ("veth-web", "veth-api"):
            world.stacks["n1", "host"].devices[name].state = "disabled"
        fact = found(world.walk("n1", "10.1.0.5"), "dead_link", role="routes")
        assert [fact.get(name) for name in ("device", "how", "type", "ports", "address")] == ["cni0", "down", "bridge", 2, "10.1.0.1"]


def test_the_default_route_went_too() -> None:
    """Where nothing leads to the destination and no default route is left, the device that is down may have taken it."""
    world = lan()
    world.stacks["client", "host"].devices["eth0"].up = False
    world.stacks["client", "host"].routing.clear()
    fact = found(world.walk("client", "10.2.0.2"), "dead_link")
    assert [fact.get(name) for name in ("node", "device", "role")] == ["client", "eth0", "default"]


def test_another_device_in_the_subnet() -> None:
    """A card that is down says nothing where another one is in the same subnet, nor does a dummy device with addresses of Services."""
    world = World()
    host = world.host("n1", "10.9.0.1/24").device("eth1", "10.9.0.2/24", up=False).device("kube-ipvs0", "10.96.0.1/32", kind="dummy", up=False)
    host.shows("ip neigh", "10.9.0.7 dev eth0 FAILED")
    assert kinds(world.walk("n1", "10.9.0.7")) == {"silent_neighbor"}
    lookup = found(world.walk("n1", "203.0.113.1"), "lookup")
    assert (lookup.get("type"), lookup.get("down_device")) == ("none", "eth1")
    host.devices["eth1"].up = True
    assert found(world.walk("n1", "203.0.113.1"), "lookup").get("down_device") is None
    assert kinds(world.walk("n1", "203.0.113.1")) == set()


def test_a_bridge_without_ports() -> None:
    """It has no carrier, and nothing but its emptiness tells why."""
    world = World()
    world.host("n1", "10.9.0.1/24").device("docker0", "172.17.0.1/16", kind="bridge", carrier=False)
    fact = found(world.walk("n1", "172.17.0.2"), "dead_link")
    assert [fact.get(name) for name in ("device", "how", "ports")] == ["docker0", "carrier", 0]


def test_a_lower_device_that_is_down() -> None:
    """A VLAN device has the carrier of the card below it."""
    links = [{"name": "eth0", "up": False}, {"name": "eth0.5", "up": True, "carrier": False, "peer_name": "eth0", "type": "vlan"}]
    stack = build(FactBase([Fact("link", fields, "n1") for fields in links])).stacks["n1", "host"]
    cut = culprit(build(FactBase([])), Port(stack, stack.link("eth0.5")))
    assert (cut.port.link.name, cut.how) == ("eth0", "down")


def test_what_a_tunnel_lacks() -> None:
    """A packet that its tunnel does not take ends at a device that is sound."""
    world = World()
    vxlan = "vxlan id 1 local 10.9.0.{} dev eth0 srcport 0 0 dstport 8472 nolearning"
    one = (
        world.host("n1", "10.9.0.1/24")
        .device("flannel.1", "10.1.0.0/32", kind=vxlan.format(1))
        .route("10.1.2.0/24 via 10.1.2.0 dev flannel.1 onlink")
    )
    one.shows("ip neigh", "10.1.2.0 dev flannel.1 lladdr 02:00:00:00:55:55 PERMANENT")
    one.shows("bridge fdb show", "02:00:00:00:55:55 dev flannel.1 dst 10.9.0.2 self permanent")
    world.host("n2", "10.9.0.2/24").device("cni0", "10.1.2.1/24", kind="bridge")
    trace = world.walk("n1", "10.1.2.9")
    assert found(trace, "drop").get("by") == "device"
    assert kinds(trace) == set()


# --- ports and bridges --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("master", ["", "br-lan"])
@pytest.mark.parametrize(
    ("sender", "dst", "direction"), [("n1/web", "10.9.0.2", "reply"), ("db", "10.1.0.5", "request"), ("n1/api", "10.1.0.5", "request")]
)
def test_a_port_outside_its_bridge(master: str, sender: str, dst: str, direction: str) -> None:
    """A container's port that is not where its subnet is, told from either side."""
    world = node()
    host = world.stacks["n1", "host"]
    host.device("br-lan", "172.30.0.1/24", kind="bridge")
    host.devices["veth-web"].master = master
    fact = found(world.walk(sender, dst), "loose_port", direction=direction) if master == "" else found(world.walk(sender, dst), "loose_port")
    told = [fact.get(name) for name in ("stack", "device", "bridge", "master", "container", "subnet")]
    assert told == ["host", "veth-web", "cni0", master, "web", "10.1.0.0/24"]


def test_known_by_its_siblings() -> None:
    """The bridge that a container belongs to may have no address: then the others of its subnet show it."""
    world = node(addresses=())
    world.stacks["n1", "host"].devices["veth-web"].master = ""
    fact = found(world.walk("n1/api", "10.1.0.5"), "loose_port")
    assert (fact.get("device"), fact.get("bridge")) == ("veth-web", "cni0")


def test_a_routed_port() -> None:
    """A port that the host routes to needs no bridge, one with an address of its own neither."""
    world = node()
    host = world.stacks["n1", "host"]
    host.devices["veth-web"].master = ""
    host.route("10.1.0.5/32 dev veth-web scope link")
    world.stacks["n1", "web"].devices["eth0"].up = False
    assert "loose_port" not in kinds(world.walk("db", "10.1.0.5"))


def test_another_bridge_that_works() -> None:
    """A container whose bridge leads to others of its subnet is where it should be, whatever bridge has the address."""
    world = node()
    host = world.stacks["n1", "host"]
    host.device("br-lan", kind="bridge")
    for name in ("veth-web", "veth-api"):
        host.devices[name].master = "br-lan"
    assert "loose_port" not in kinds(world.walk("db", "10.1.0.5"))


@pytest.mark.parametrize(("sender", "dst"), [("n1/web", "10.9.0.2"), ("db", "10.1.0.5")])
def test_a_bridge_without_its_address(sender: str, dst: str) -> None:
    """The gateway that a container names is nobody's, and its bridge has none."""
    fact = found(node(addresses=()).walk(sender, dst), "bare_bridge")
    assert [fact.get(name) for name in ("node", "bridge", "address", "prefixlen", "container", "addresses")] == [
        "n1",
        "cni0",
        "10.1.0.1",
        24,
        "web",
        0,
    ]


def test_a_gateway_beyond_the_bridge() -> None:
    """A bridge that leads out of the evidence needs no address: the gateway may be out there."""
    world = node(addresses=())
    world.stacks["n1", "host"].device("eth1", master="cni0")
    assert "bare_bridge" not in kinds(world.walk("n1/web", "10.9.0.2"))


@pytest.mark.parametrize(("lease", "bare"), [("10.1.0.1/24", True), ("10.1.7.1/24", False)])
def test_a_gateway_that_the_bridge_must_have(lease: str, *, bare: bool) -> None:
    """What flannel leased is the bridge's own, whoever else may hang on it."""
    world = node(addresses=())
    world.stacks["n1", "host"].device("eth1", master="cni0")
    world.stacks["n1", "host"].shows("cat /run/flannel/subnet.env", f"FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET={lease}\nFLANNEL_MTU=1450\n")
    assert ("bare_bridge" in kinds(world.walk("n1/web", "10.9.0.2"))) is bare


def test_addresses_that_nobody_listed() -> None:
    """Without a list of the host's addresses nothing is known of its bridge."""
    world = node(addresses=())
    world.stacks["n1", "host"].unseen("ip -d addr")
    assert "bare_bridge" not in kinds(world.walk("n1/web", "10.9.0.2"))


# --- neighbours ---------------------------------------------------------------------------------------------------


def test_a_silent_neighbour() -> None:
    """What its entry, the subnets and the rest of the evidence say of a next hop that does not answer."""
    world = lan()
    world.stacks["client", "host"].shows("ip neigh", "10.1.0.9 dev eth0 FAILED")
    fact = found(world.walk("client", "10.1.0.9"), "silent_neighbor")
    told = [fact.get(name) for name in ("node", "device", "next_hop", "gateway", "state", "on_link", "open", "explained")]
    assert told == ["client", "eth0", "10.1.0.9", "", "FAILED", "10.1.0.0/24", True, False]


def test_a_neighbour_on_another_wire() -> None:
    """Somebody has the address, though not on this wire."""
    world = lan()
    world.stacks["client", "host"].route("10.2.0.2 dev eth0 scope link")
    fact = found(world.walk("client", "10.2.0.2"), "silent_neighbor")
    assert (fact.get("holder_node"), fact.get("on_link")) == ("server", "")


# --- addresses that two hold --------------------------------------------------------------------------------------


def cloned(entry: str = "", mac: str = "02:00:00:00:77:77") -> World:
    """``client`` and ``server`` 10.2.0.2 (80 listening) on one wire, and ``clone`` with the server's address."""
    world = World()
    world.host("client", "10.2.0.9/24")
    world.stack("server").device("eth0", "10.2.0.2/24", mac="02:00:00:00:22:22").listens("tcp 0.0.0.0:80")
    world.stack("clone").device("eth0", "10.2.0.66/24", "10.2.0.2/24 scope global secondary", mac=mac)
    if entry:
        world.stacks["client", "host"].shows("ip neigh", f"10.2.0.2 dev eth0 lladdr {entry} REACHABLE")
    return world


@pytest.mark.parametrize(("entry", "sees"), [("", "depends"), ("02:00:00:00:77:77", "ECONNREFUSED"), ("02:00:00:00:22:22", "connected")])
def test_two_stations(entry: str, sees: str) -> None:
    """The one that serves what was asked for is right; the other is told, whoever answers at the moment."""
    trace = cloned(entry).walk("client", "10.2.0.2")
    fact = found(trace, "duplicate")
    assert trace.client_sees == sees
    told = [fact.get(name) for name in ("node", "device", "mac", "right_node", "right_mac", "sure", "here")]
    assert told == ["clone", "eth0", "02:00:00:00:77:77", "server", "02:00:00:00:22:22", True, False]


def test_the_sender_has_it_itself() -> None:
    """An address that a stack takes for its own, while the server on its wire has it too."""
    world = cloned()
    world.stacks["client", "host"].device("eth0", "10.2.0.9/24", "10.2.0.2/24 scope global secondary", mac="02:00:00:00:99:99")
    facts = [f for f in world.walk("client", "10.2.0.2").facts if f.kind == "duplicate"]
    assert {(f.node, f.get("right_node"), f.get("here")) for f in facts} == {("client", "server", True), ("clone", "server", False)}


def test_nobody_knows_which() -> None:
    """Where sockets were not listed neither of two stations is the right one for sure."""
    world = cloned()
    for name in ("server", "clone"):
        world.stacks[name, "host"].unseen("ss -lntup")
    assert found(world.walk("client", "10.2.0.2"), "duplicate").get("sure") is False


def test_a_gateway_that_two_hold() -> None:
    """Of two that hold a gateway's address the one that forwards is right."""
    world = lan()
    world.stack("clone").device("eth0", "10.1.0.1/24", mac="02:00:00:00:77:77")
    fact = found(world.walk("client", "10.2.0.2"), "duplicate", direction="request")
    assert [fact.get(name) for name in ("node", "right_node", "sure")] == ["clone", "router", True]


def test_one_machine_seen_twice() -> None:
    """Two recordings of one machine bear one MAC: that is no second station."""
    assert "duplicate" not in kinds(cloned(mac="02:00:00:00:22:22").walk("client", "10.2.0.2"))


@pytest.mark.parametrize("address", ["169.254.20.10/32", "127.0.0.1/8"])
def test_addresses_that_all_may_hold(address: str) -> None:
    """Link-local and loopback addresses are on every machine."""
    world = World()
    for name in ("client", "server"):
        world.host(name, "10.2.0.9/24" if name == "client" else "10.2.0.2/24").device("dummy0", address, kind="dummy").listens("tcp 0.0.0.0:80")
    assert "duplicate" not in kinds(world.walk("client", address.partition("/")[0]))


def test_virtual_addresses_of_services() -> None:
    """Every node has the addresses of Services on kube-ipvs0."""
    world = World()
    for name in ("client", "server"):
        world.host(name, "10.2.0.9/24" if name == "client" else "10.2.0.2/24").device("kube-ipvs0", "10.96.0.10/32", kind="dummy")
    assert "duplicate" not in kinds(world.walk("client", "10.96.0.10"))


# --- loopback and overlays ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dst", "sees"), [("10.1.0.5", "timeout"), ("127.0.0.1", "timeout")])
def test_loopback_that_is_down(dst: str, sees: str) -> None:
    """What a stack sends to itself is swallowed by a loopback device that is down."""
    world = node()
    facts = [f.having(up=False) if f.kind == "link" and (f.stack, f.get("name")) == ("web", "lo") else f for f in world.facts().facts]
    trace = walk(build(FactBase(facts)), Flow("n1", "web", "", dst, 80, "tcp"))
    fact = found(trace, "dead_link", direction="request")
    assert (trace.client_sees, fact.get("device"), fact.get("role")) == (sees, "lo", "out")


def test_loopback_that_never_was_up() -> None:
    """Then there is no route to 127.0.0.0/8 at all."""
    facts = [f for f in node().facts().facts if not (f.stack == "web" and f.kind == "address" and f.get("device") == "lo")]
    facts = [f.having(up=False) if f.kind == "link" and (f.stack, f.get("name")) == ("web", "lo") else f for f in facts]
    facts = [f for f in facts if not (f.stack == "web" and f.kind == "route" and f.get("dst") == "0.0.0.0/0")]
    trace = walk(build(FactBase(facts)), Flow("n1", "web", "", "127.0.0.1", 80, "tcp"))
    assert (trace.client_sees, found(trace, "dead_link").get("role")) == ("ENETUNREACH", "routes")


@pytest.mark.parametrize("told_by", ["the other node", "flannel"])
def test_an_overlay_that_is_down(told_by: str) -> None:
    """Routes to other nodes' pods go with the device of the overlay, whose own address is a /32."""
    world = node()
    vxlan = "vxlan id 1 local 10.9.0.1 dev eth0 srcport 0 0 dstport 8472 nolearning"
    host = world.stacks["n1", "host"].route("default via 10.9.0.254 dev eth0").device("flannel.1", "10.1.0.0/32", kind=vxlan, up=False)
    host.shows("cat /run/flannel/subnet.env", "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.0.1/24\n" if told_by == "flannel" else "")
    if told_by != "flannel":
        other = world.host("n2", "10.9.0.3/24").device("flannel.1", "10.1.2.0/32", kind=vxlan.replace("10.9.0.1", "10.9.0.3"))
        other.device("cni0", "10.1.2.1/24", kind="bridge")
    fact = found(world.walk("n1/web", "10.1.2.9"), "dead_link")
    assert [fact.get(name) for name in ("node", "device", "role", "type")] == ["n1", "flannel.1", "routes", "vxlan"]


# --- without a walk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "dst", "device"),
    [
        (("ip route show table all",), "10.9.0.7", "eth0"),
        (("ip route show table all",), "10.77.0.7", "eth0"),
        (("iptables-save",), "10.9.0.7", "eth0"),
    ],
)
def test_the_only_way_out_is_dead(hidden: tuple[str, ...], dst: str, device: str) -> None:
    """Where routes were not listed a packet can only leave by a card; if none has carrier, it does not leave."""
    world = World()
    world.host("n1", "10.9.0.1/24").device("docker0", "172.17.0.1/16", kind="bridge", carrier=False).unseen(*hidden)
    world.stacks["n1", "host"].devices["eth0"].carrier = False
    fact = found(world.walk("n1", dst), "dead_link")
    assert (fact.get("device"), fact.get("how")) == (device, "carrier")


def test_another_card_lives() -> None:
    """A card without carrier says nothing while another one lives, nor about what the stack sends to itself."""
    world = World()
    world.host("n1", "10.9.0.1/24").device("eth1", "10.8.0.1/24", carrier=False).unseen("ip route show table all")
    assert kinds(world.walk("n1", "10.77.0.7")) == set()
    assert kinds(world.walk("n1", "10.8.0.1")) == set()
    assert found(world.walk("n1", "10.8.0.7"), "dead_link").get("device") == "eth1"


def test_only_devices_were_listed() -> None:
    """``ip link`` alone: a card that is down tells as much where no other card lives."""
    facts = parsed(
        "ip link", "2: eth0: <BROADCAST,MULTICAST> mtu 1500 qdisc mq state DOWN mode DEFAULT\n    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff"
    )
    trace = walk(build(FactBase(facts)), Flow("n1", "host", "", "10.9.0.7", 80, "tcp"))
    fact = found(trace, "dead_link")
    assert (trace.client_sees, fact.get("device"), fact.get("how")) == ("depends", "eth0", "down")
    more = parsed(
        "ip link",
        "3: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP mode DEFAULT\n    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff",
    )
    assert kinds(walk(build(FactBase([*facts, *more])), Flow("n1", "host", "", "10.9.0.7", 80, "tcp"))) == set()


def test_loopback_alone() -> None:
    """Without routes a stack still reaches itself by lo only."""
    facts = parsed(
        "ip link", "1: lo: <LOOPBACK> mtu 65536 qdisc noop state DOWN mode DEFAULT\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00"
    )
    assert found(walk(build(FactBase(facts)), Flow("n1", "host", "", "127.0.0.1", 80, "tcp")), "dead_link").get("device") == "lo"


@pytest.mark.parametrize(("held", "sure"), [("eth0", True), ("lo", False)])
def test_a_source_that_the_router_has_too(held: str, *, sure: bool) -> None:
    """A packet from an address of the router is a martian there: both hold it, and the sender is right unless it holds it as a balancer does."""
    world = lan()
    world.stacks["router", "host"].device("lo", "127.0.0.1/8", "10.1.0.2/32")
    if held == "lo":
        world.stacks["client", "host"].device("lo", "127.0.0.1/8", "10.1.0.2/32").device("eth0", "10.1.0.99/24")
    fact = found(world.walk("client", "10.2.0.2", src="10.1.0.2"), "duplicate")
    told = [fact.get(name) for name in ("node", "device", "role", "right_node", "sure")]
    assert told == ["router", "lo", "source", "client", sure]


@pytest.mark.parametrize(
    ("parameters", "level"), [({"conf__all__arp_ignore": 1}, 1), ({"conf__eth0__arp_ignore": 2}, 2), ({"conf__eth9__arp_ignore": 8}, None)]
)
def test_who_hears_the_question_and_keeps_silent(parameters: dict[str, int], level: int | None) -> None:
    """An address on lo is not told of on the wire where arp_ignore says so; the parameter is named, unless it does not count for the device."""
    world = lan()
    world.stack("server").device("lo", "127.0.0.1/8", "10.2.0.50/32").sysctl(**parameters)
    trace = world.walk("router", "10.2.0.50")
    facts = [f for f in trace.facts if f.kind == "arp_ignored"]
    assert [(f.node, f.get("value"), f.get("holder_device")) for f in facts] == ([("server", level, "lo")] if level else [])
    assert (trace.client_sees == "EHOSTUNREACH") == bool(level)
