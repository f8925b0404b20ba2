"""What routing decided on failed walks, and what else there was."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow, Trace
from engine.walk.ways import ways
from tests.engine.walk.world import RULES, World, found, lan

STORAGE = "10.2.0.2"


def several_ways() -> World:
    """``lan`` whose client has a second card, on the wire of a gateway that leads nowhere."""
    world = lan()
    world.stack("client").device("eth1", "10.9.0.2/24")
    world.stack("wrong").device("eth0", "10.9.0.1/24").router()
    return world


def test_a_walk_that_connects_tells_nothing() -> None:
    """Healthy flows have neither lookups nor other ways: rules about routes stay silent."""
    trace = lan().walk("client", STORAGE)
    assert trace.client_sees == "connected"
    assert not {"lookup", "other_way"} & {fact.kind for fact in trace.facts}


def test_no_default_route() -> None:
    """The lookup that found nothing says so, with the neighbour that leads there."""
    world = lan()
    world.stack("client").routing.clear()
    told = found(world.walk("client", STORAGE), "lookup", direction="request")
    assert (told.node, told.get("type"), told.get("by"), told.get("has_default"), told.get("gateway_routes"), told.get("public")) == (
        "client",
        "none",
        "",
        False,
        0,
        False,
    )
    assert (told.get("via"), told.get("via_device"), told.get("via_how"), told.get("dst_prefix")) == ("10.1.0.1", "eth0", "forwards", "10.2.0.0/24")


def test_sibling_names_the_gateway() -> None:
    """Where nobody is seen to lead there, the gateway of others in the subnet is told, and the destination is public."""
    world = World()
    world.host("one", "10.1.0.2/24")
    world.host("two", "10.1.0.3/24", gateway="10.1.0.254")
    told = found(world.walk("one", "8.8.8.8"), "lookup")
    assert (told.get("via"), told.get("via_how"), told.get("public"), told.get("dst_prefix")) == ("10.1.0.254", "sibling", True, "8.8.8.8/32")


def test_runtime_names_the_gateway() -> None:
    """A container's gateway is known from the configuration that made it."""
    world = World()
    world.stack("n1", "web").device("eth0", "10.4.0.5/24")
    world.host("n1", "192.0.2.1/24")
    facts = world.facts().plus(
        [
            Fact("cni_config", {"file": "10-x.conf", "gateway": "10.4.0.1"}, "n1"),
            Fact("container_network", {"runtime": "docker", "gateways": ("172.17.0.1",)}, "n1"),
        ]
    )
    told = found(walk(build(facts), Flow("n1", "web", "", "8.8.8.8", 443, "tcp")), "lookup")
    assert (told.get("via"), told.get("via_how")) == ("10.4.0.1", "runtime")


def test_neighbours_that_do_not_forward_are_no_way() -> None:
    """A machine in the subnet that does not forward, or has no route itself, is not offered as next hop."""
    world = lan()
    world.stack("client").routing.clear()
    world.stack("router").sysctl(ip_forward=0)
    assert "via" not in found(world.walk("client", STORAGE), "lookup").fields


def test_down_device_is_told() -> None:
    """A device with an address that is down explains missing routes."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.2/24", up=False, carrier=False)
    assert found(world.walk("n1", "10.1.0.9"), "lookup").get("down_device") == "eth0"


@pytest.mark.parametrize("kind", ["unreachable", "blackhole", "prohibit"])
def test_blocking_routes(kind: str) -> None:
    """A blocking route is told with its prefix and table, and the route that it hides as the other way."""
    world = lan()
    world.stack("client").route(f"{kind} 10.2.0.0/16")
    trace = world.walk("client", STORAGE)
    told = found(trace, "lookup")
    assert (told.get("type"), told.get("by"), told.get("route"), told.get("table")) == (kind, "route", "10.2.0.0/16", "main")
    other = found(trace, "other_way")
    assert (other.get("type"), other.get("other_route"), other.get("leads"), other.get("more_specific")) == (kind, "0.0.0.0/0", "target", True)


def test_blocking_rule() -> None:
    """A policy rule that ends the lookup is told by its priority and words."""
    world = lan()
    world.stack("client").rule("50:\tfrom all to 10.2.0.0/16 prohibit")
    told = found(world.walk("client", STORAGE), "lookup")
    assert (told.get("type"), told.get("by"), told.get("priority"), told.get("policy")) == (
        "prohibit",
        "rule",
        50,
        "50: from all to 10.2.0.0/16 prohibit",
    )


def test_more_specific_route_leads_astray() -> None:
    """The route passed over leads to the target; the chosen one ended elsewhere."""
    world = several_ways()
    world.stack("client").route("10.2.0.0/16 via 10.9.0.1 dev eth1")
    told = found(world.walk("client", STORAGE), "other_way")
    assert (told.node, told.get("route"), told.get("device"), told.get("gateway")) == ("client", "10.2.0.0/16", "eth1", "10.9.0.1")
    assert (told.get("other_route"), told.get("other_device"), told.get("leads"), told.get("same_table"), told.get("here")) == (
        "0.0.0.0/0",
        "eth0",
        "target",
        True,
        False,
    )
    assert told.get("end") == "no-route"


def test_rule_for_all_but_marked_packets() -> None:
    """A VPN's "not from all fwmark" sends every packet that is not its own to its table: that rule led there."""
    world = lan()
    client = world.stack("client").device("tun0", "10.9.0.2/24").device("br0", "10.7.0.1/24")
    client.rule("100:\tnot from all fwmark 0x6 lookup 100").route("default via 10.9.0.1 dev tun0 table 100")
    told = next(f for f in world.walk("client", "10.7.0.3").facts if f.kind == "other_way")
    assert (told.get("policy"), told.get("other_route")) == ("100: not from all fwmark 0x6 lookup 100", "10.7.0.0/24")


def test_policy_table_leads_astray() -> None:
    """The rule that led to the chosen table is told; the other way is main's."""
    world = several_ways()
    world.stack("client").rule("100:\tfrom all to 10.2.0.0/16 lookup 100").route("default via 10.9.0.1 dev eth1 table 100")
    told = found(world.walk("client", STORAGE), "other_way")
    assert (told.get("table"), told.get("priority"), told.get("policy")) == ("100", 100, "100: from all to 10.2.0.0/16 lookup 100")
    assert (told.get("other_table"), told.get("same_table"), told.get("leads")) == ("main", False, "target")


def test_mark_that_would_lead_there() -> None:
    """A table that only marked packets are sent to is another way, with its mark."""
    world = several_ways()
    client = world.stack("client")
    client.routing.clear()
    client.rule("100:\tfrom all fwmark 0x6 lookup 100").route("default via 10.1.0.1 dev eth0 table 100", "default via 10.9.0.1 dev eth1")
    told = found(world.walk("client", STORAGE), "other_way")
    assert (told.get("other_fwmark"), told.get("other_table"), told.get("table")) == (6, "100", "main")


@pytest.mark.parametrize("spoil", ["10.2.0.0/16 via 10.1.0.77 dev eth0 metric 9", "10.2.0.0/16 dev eth0 metric 9"])
def test_other_ways_that_lead_nowhere_are_not_told(spoil: str) -> None:
    """A route whose next hop nobody sees is not said to lead to the target."""
    world = several_ways()
    client = world.stack("client")
    client.routing.clear()
    client.route("10.2.0.0/16 via 10.9.0.1 dev eth1", spoil)
    assert not [f for f in world.walk("client", STORAGE).facts if f.kind == "other_way" and f.get("leads") == "target"]


def test_dropped_at_the_target_is_not_astray() -> None:
    """A filter on the very machine that was asked for says nothing against the way there."""
    world = several_ways()
    world.stack("client").route("default via 10.9.0.1 dev eth1 metric 100")
    world.stack("server").filter("-A INPUT -p tcp -m tcp --dport 80 -j DROP")
    trace = world.walk("client", STORAGE)
    assert found(trace, "drop").node == "server"
    assert not [f for f in trace.facts if f.kind == "other_way"]


def test_filtered_on_the_wrong_machine_is_astray() -> None:
    """A filter on a machine that does not hold the destination, on a way that need not have been taken, is told as such."""
    world = several_ways()
    world.stack("client").route("10.2.0.0/16 via 10.9.0.1 dev eth1")
    world.stack("wrong").route("10.2.0.0/16 via 10.9.0.7 dev eth0").filter(FORWARD="DROP")
    assert found(world.walk("client", STORAGE), "other_way").get("end") == "policy"


@pytest.mark.parametrize(("gateway", "on_link"), [("10.1.0.77", True), ("192.0.2.77", False)])
def test_gateway_on_link(gateway: str, *, on_link: bool) -> None:
    """A gateway that nobody saw is told with whether it can be on the wire at all."""
    world = lan()
    world.stack("client").route(f"10.3.0.0/16 via {gateway} dev eth0 onlink")
    assert found(world.walk("client", "10.3.0.2"), "lookup").get("gateway_on_link") is on_link


def test_tunnels_lead_to_other_nodes() -> None:
    """A route into a tunnel leads to the target if another node holds it."""
    world = several_ways()
    client = world.stack("client")
    client.routing.clear()
    client.device("tun0", "10.8.0.2/24", kind="tun type tun").route("10.2.0.0/24 via 10.9.0.1 dev eth1", "10.2.0.0/16 dev tun0")
    assert found(world.walk("client", STORAGE), "other_way", other_device="tun0").get("leads") == "target"


def test_holder_behind_a_routed_veth() -> None:
    """A pod without its route is found by its wire."""
    world = World()
    host = world.stack("n1").device("cali1", index=2, peer=102).route("blackhole 10.4.0.0/26").router()
    world.stack("n1", "web").device("eth0", "10.4.0.7/32", index=102, peer=2)
    assert host.name == "host"
    told = found(world.walk("n1", "10.4.0.7"), "lookup")
    assert (told.get("type"), told.get("holder_device")) == ("blackhole", "cali1")


def around(world: World, dst: str = STORAGE) -> tuple[object, ...]:
    """The exception that is told of a blocked walk of the client."""
    told = found(world.walk("client", dst), "lookup", direction="request")
    return told.get("table"), told.get("around"), told.get("around_device"), told.get("around_gateway")


def test_way_around_a_blocking_route() -> None:
    """The exception goes where the packet would go without the block, and is more specific: the destination's subnet, or its address alone."""
    for block, net in (("10.2.0.0/16", "10.2.0.0/24"), ("10.2.0.0/24", "10.2.0.2/32"), ("10.2.0.0/28", "10.2.0.2/32")):
        world = lan()
        world.stack("client").route(f"unreachable {block}")
        assert around(world) == ("main", net, "eth0", "10.1.0.1")


def test_way_around_on_link() -> None:
    """To a neighbour it needs no gateway, least of all the destination itself."""
    world = World()
    world.host("client", "10.1.0.2/24").route("blackhole 10.1.0.0/28")
    world.host("server", "10.1.0.3/24")
    assert around(world, "10.1.0.3") == ("main", "10.1.0.3/32", "eth0", None)


def test_way_around_in_the_table_of_the_block() -> None:
    """A block in another table is beaten there only."""
    world = lan()
    world.stack("client").rule("50:\tfrom all to 10.2.0.0/24 lookup 77").route("unreachable default table 77")
    assert around(world) == ("77", "10.2.0.0/24", "eth0", "10.1.0.1")


def test_blocked_gateway() -> None:
    """A route that blocks the gateway does not keep the kernel from taking it as one."""
    world = lan()
    world.stack("client").route("blackhole 10.2.0.0/16", "blackhole 10.1.0.1")
    assert around(world)[1:] == ("10.2.0.0/24", "eth0", "10.1.0.1")


@pytest.mark.parametrize(("block", "rule"), [("10.2.0.2", ""), ("10.2.0.0/16", "50:\tfrom all to 10.1.0.1 prohibit")])
def test_no_way_around(block: str, rule: str) -> None:
    """Nothing is more specific than a blocked address, and the kernel refuses a gateway that a policy rule prohibits ("invalid gateway")."""
    world = lan()
    world.stack("client").route(f"blackhole {block}").rule(*([rule] if rule else []))
    assert around(world)[1:] == (None, None, None)


def test_no_way_left_but_a_neighbour() -> None:
    """Without the block nothing would lead there: a neighbour that is seen to forward there takes the exception."""
    world = lan()
    client = world.stack("client")
    client.routing[:] = [line for line in client.routing if not line.startswith("default")]
    client.route("blackhole 10.2.0.0/16")
    assert around(world) == ("main", "10.2.0.0/24", "eth0", "10.1.0.1")
    world.stack("router").sysctl(ip_forward=0)
    assert around(world)[1:] == (None, None, None)


def test_odd_ends_are_left_out() -> None:
    """A drop on a stack that nobody collected, or without an address, tells nothing and breaks nothing."""
    network = build(FactBase([]))
    assert (
        ways(
            network,
            [
                Fact("drop", {"flow": 0, "direction": "request", "by": "no-route", "dst": "10.0.0.1"}, "gone"),
                Fact("drop", {"flow": 0, "by": "no-route", "dst": "?"}, "gone"),
            ],
        )
        == []
    )


def test_rules_of_every_kernel_are_not_told() -> None:
    """The kernel's own rules are no policy of anybody's."""
    world = several_ways()
    world.stack("client").route("10.2.0.0/16 via 10.9.0.1 dev eth1").shows("ip rule", RULES)
    trace: Trace = world.walk("client", STORAGE)
    assert "policy" not in found(trace, "other_way").fields


@pytest.mark.parametrize(("device", "told"), [("docker0", "bridge"), ("br-0123456789ab", "bridge"), ("eth1", "")])
def test_a_bridge_is_known_by_its_name(device: str, told: str) -> None:
    """A listing that shows no types still shows that docker0 is a bridge of containers."""
    world, flow = World(), Flow("n1", "host", "", "172.17.40.115", 80, "tcp")
    world.stack("n1").device("eth0", "10.1.0.2/24").device(device, "172.17.0.1/16").route("default via 10.1.0.1 dev eth0")
    facts = [f.having(type=None) if f.kind == "link" else f for f in world.facts().facts]
    trace = walk(build(FactBase([Fact(f.kind, {k: v for k, v in f.fields.items() if v is not None}, f.node, f.stack) for f in facts])), flow)
    assert found(trace, "other_way").get("device_type") == told
