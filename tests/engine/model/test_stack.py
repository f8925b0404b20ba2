"""One network stack, as its facts tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.inet import to_int
from engine.model import build
from tests.engine.walk.world import World

if TYPE_CHECKING:
    from engine.model.stack import NetStack


def stack(world: World, node: str = "n1", name: str = "host") -> NetStack:
    """A stack of a world's model."""
    found = world.network().stack(node, name)
    assert found is not None
    return found


def card() -> World:
    """n1 with eth0 10.1.0.1/24 and a secondary 10.1.0.9."""
    world = World()
    world.host("n1", "10.1.0.1/24 brd 10.1.0.255 scope global", "10.1.0.9/24 scope global secondary")
    return world


def test_identity() -> None:
    """A node's own stack is its host stack; a namespace says how commands get into it."""
    world = card()
    world.pod("n1", "web", "10.244.0.2/24")
    host, pod = stack(world), stack(world, name="web")
    assert (host.is_host, host.entry, pod.is_host, pod.entry) == (True, "", False, "ip netns exec web")
    assert "web" in repr(pod)


def test_collected() -> None:
    """A listing counts where its scope is the asked one or everything."""
    seen = stack(card())
    assert seen.collected("routes", "main")
    assert not seen.collected("conntrack")
    world = card()
    world.stack("n1").unseen("ip route show table all").shows("ip route", "default dev eth0")
    part = stack(world)
    assert (part.collected("routes", "main"), part.collected("routes", "100"), part.collected("routes")) == (True, False, True)


def test_addresses() -> None:
    """Addresses by device in the order listed, with their on-link prefixes; secondaries are marked."""
    seen = stack(card())
    assert [(a.text, str(a.network), a.secondary) for a in seen.addresses_of("eth0")] == [
        ("10.1.0.1", "10.1.0.0/24", False),
        ("10.1.0.9", "10.1.0.0/24", True),
    ]
    own = seen.own(to_int("10.1.0.9"), 4)
    assert own is not None
    assert own.device == "eth0"
    assert seen.own(to_int("10.1.0.2"), 4) is None
    assert seen.addresses_of("eth0", 6) == []


def test_addresses_of_devices_in_the_order_of_their_making() -> None:
    """An older kernel lists device 300 before device 100 (300 & 255 = 44); the address of 100 is still the one that others borrow."""
    world = card()
    world.stack("n1").device("br0", "10.244.0.1/24", index=300).device("dummy0", "10.8.0.1/24", index=100)
    assert [a.text for a in stack(world).addresses if a.scope == "global"] == ["10.1.0.1", "10.1.0.9", "10.8.0.1", "10.244.0.1"]


@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("10.1.0.1", "LOCAL"),
        ("10.1.0.255", "BROADCAST"),
        ("10.1.0.2", "UNICAST"),
        ("127.0.0.9", "LOCAL"),
        ("224.0.0.1", "MULTICAST"),
        ("255.255.255.255", "BROADCAST"),
        ("0.0.0.0", "BROADCAST"),
        ("8.8.8.8", "UNICAST"),
    ],
)
def test_address_types(address: str, right: str) -> None:
    """Types are looked up in table local only: a routed subnet's broadcast elsewhere is plain unicast."""
    assert stack(card()).address_type(4, to_int(address)) == right


def test_address_type_on_a_device() -> None:
    """With a device, an address of another device is not local."""
    seen = stack(card())
    assert (seen.address_type(4, to_int("10.1.0.1"), "eth0"), seen.address_type(4, to_int("10.1.0.1"), "lo")) == ("LOCAL", "UNICAST")


def test_is_local() -> None:
    """Own addresses and broadcasts are delivered here; with policy rules seen, they decide."""
    seen = stack(card())
    assert [seen.is_local(to_int(text), 4) for text in ("10.1.0.1", "10.1.0.255", "10.1.0.2")] == [True, True, False]
    world = card()
    world.stack("n1").unseen("ip rule")
    assert stack(world).is_local(to_int("10.1.0.1"), 4)


def test_sysctls() -> None:
    """Parameters are integers; a missing or odd one is unknown; dots in device names are printed as slashes."""
    world = card()
    world.stack("n1").device("eth0.5", "10.5.0.1/24").shows(
        "sysctl -a",
        "net.ipv4.ip_forward = 1\nnet.ipv4.conf.eth0/5.rp_filter = 2\nnet.ipv4.ip_local_port_range = 32768 60999\nnet.core.default_qdisc = fq",
    )
    seen = stack(world)
    assert [seen.sysctl(f"net.{key}") for key in ("ipv4.ip_forward", "ipv4.ip_local_port_range", "core.default_qdisc", "nothing")] == [
        1,
        32768,
        None,
        None,
    ]
    assert seen.device_sysctl(4, "eth0.5", "rp_filter") == (2, "net.ipv4.conf.eth0/5.rp_filter")
    assert seen.sysctls_complete


def test_links() -> None:
    """Devices by name and index; one that no listing shows is known by name; lo is what it is."""
    world = card()
    world.stack("n1").device("br0", kind="bridge").device("veth1", master="br0", peer=9)
    seen = stack(world)
    assert seen.is_bridge("br0")
    assert not seen.is_bridge("eth0")
    assert [port.name for port in seen.ports["br0"]] == ["veth1"]
    assert seen.links_by_index[4].name == "veth1"
    assert (seen.link("eth7").type, seen.link("lo").type) == ("", "loopback")


def test_a_bridge_is_known_by_its_ports() -> None:
    """Where types were not printed, a device with ports is a bridge."""
    world = World()
    world.stack("n1").unseen("ip -d addr").shows(
        "ip link", "2: br0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n3: veth1: <BROADCAST,UP,LOWER_UP> mtu 1500 master br0 state UP"
    )
    assert stack(world).is_bridge("br0")


def test_neighbors_and_sets() -> None:
    """Neighbours by device and address, sets by name."""
    world = card()
    world.stack("n1").shows("ip neigh", "10.1.0.7 dev eth0 lladdr 02:00:00:00:00:07 REACHABLE").shows(
        "ipset list", "Name: pods\nType: hash:ip\nHeader: family inet\nMembers:\n10.1.0.7"
    )
    seen = stack(world)
    assert seen.neighbors["eth0", to_int("10.1.0.7")].fields["mac"] == "02:00:00:00:00:07"
    assert seen.ipsets["pods"].members is not None


def test_shared_with_the_network_before() -> None:
    """The what-if builds anew only the stacks whose facts changed."""
    world = card()
    world.host("n2", "10.1.0.2/24")
    facts = world.facts()
    before = build(facts)
    gone = next(f for f in facts.facts if f.kind == "route" and f.node == "n2")
    after = build(facts.swap({id(gone): None}), before)
    assert after.stack("n1", "host") is before.stack("n1", "host")
    assert after.stack("n2", "host") is not before.stack("n2", "host")
    assert after.stack("n3", "host") is None


def test_kinds_of_ipv6_addresses() -> None:
    """LOCAL and ANYCAST by a look-up in all tables, UNREACHABLE where none leads there; with a device: its own addresses only."""
    world = World()
    world.stack("n1").device("eth0", "2001:db8:1::1/64").device("eth1", "2001:db8:2::1/64").route(
        "prohibit 2001:db8:8::/64 dev lo metric 1024 pref medium"
    )
    model = stack(world)
    kinds = {text: model.address_kinds(to_int(text)) for text in ("2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::", "2001:db8:8::1", "2001:db8:9::1")}
    assert list(kinds.values()) == [{"LOCAL"}, set(), {"ANYCAST"}, {"UNREACHABLE"}, {"UNREACHABLE"}]
    assert model.address_kinds(to_int("2001:db8:1::1"), "eth0") == {"LOCAL"}
    assert model.address_kinds(to_int("2001:db8:1::1"), "lo") == {"UNREACHABLE"}


def test_address_types_by_routes_of_main() -> None:
    """Measured: a local route of table main makes an address local as long as no policy rule exists; one that refuses leaves it a unicast address."""
    world = card()
    world.stack("n1").route("local 172.17.0.1 dev lo scope host", "unreachable 172.18.0.0/16")
    kinds = [stack(world).address_type(4, to_int(address)) for address in ("172.17.0.1", "172.18.0.1")]
    assert kinds == ["LOCAL", "UNICAST"]
    world.stack("n1").rule("5000: from all lookup 100")
    assert stack(world).address_type(4, to_int("172.17.0.1")) == "UNICAST"


def test_sources_that_are_local_by_a_route_of_main() -> None:
    """Measured: such an address connects to itself; once a policy rule parts the tables it is none of the stack's own: ENETUNREACH."""
    world = card()
    world.stack("n1").route("local 172.17.0.1 dev lo scope host").listens("tcp 0.0.0.0:80")
    assert world.sees("n1", "172.17.0.1") == "connected"
    world.stack("n1").rule("5000: from all lookup 100")
    assert world.sees("n1", "172.17.0.1") == "ENETUNREACH"
