"""Who answers ARP, and how frames get there (``arp.c``, ``br_forward.c``)."""

from __future__ import annotations

import pytest

from engine.inet import to_int
from engine.model.network import Port
from engine.walk.layer2 import answers, on_link, resolve, source_prefix, usable
from tests.engine.walk.world import World, found, lan


def port(world: World, node: str, device: str, stack: str = "host") -> Port:
    """A device of a world's model."""
    model = world.network().stack(node, stack)
    assert model is not None
    return Port(model, model.link(device))


def holder(**sysctls: int) -> World:
    """n1 with eth0 10.1.0.1/24 (and 10.7.0.1/24), eth1 10.2.0.1/24, and 10.1.0.9/32 on lo."""
    world = World()
    stack = world.stack("n1").device("eth0", "10.1.0.1/24", "10.7.0.1/24").device("eth1", "10.2.0.1/24").sysctl(**sysctls)
    stack.shows(
        "ip addr show dev lo", "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n    link/loopback 00:00:00:00:00:00\n    inet 10.1.0.9/32 scope global lo"
    )
    return world


@pytest.mark.parametrize(
    ("ignore", "address", "asker", "right"),
    [
        (0, "10.1.0.1", "10.1.0.2", "own"),
        (0, "10.2.0.1", "10.1.0.2", "local"),
        (0, "10.1.0.9", "10.1.0.2", "local"),
        (0, "127.0.0.1", "10.1.0.2", ""),
        (0, "10.1.0.7", "10.1.0.2", ""),
        (1, "10.1.0.1", "10.1.0.2", "own"),
        (1, "10.2.0.1", "10.1.0.2", ""),
        (1, "10.1.0.9", "10.1.0.2", ""),
        (1, "10.7.0.1", "10.1.0.2", "own"),
        (2, "10.1.0.1", "10.1.0.2", "own"),
        (2, "10.7.0.1", "10.1.0.2", ""),
        (3, "10.1.0.9", "10.1.0.2", "local"),
        (3, "10.2.0.1", "10.1.0.2", "local"),
        (8, "10.1.0.1", "10.1.0.2", ""),
    ],
)
def test_arp_ignore(ignore: int, address: str, asker: str, right: str) -> None:
    """Measured: 0 any own address (lo's too, never 127/8), 1 the ingress device's, 2 also in the asker's subnet, 3 none of scope host, 8 none."""
    assert answers(port(holder(conf__all__arp_ignore=ignore), "n1", "eth0"), to_int(address), 4, to_int(asker)) == right


def test_arp_ignore_is_a_maximum() -> None:
    """The greater of ``all`` and the device's arp_ignore counts."""
    assert not answers(port(holder(conf__eth0__arp_ignore=1), "n1", "eth0"), to_int("10.2.0.1"), 4)
    assert answers(port(holder(conf__eth1__arp_ignore=1), "n1", "eth0"), to_int("10.2.0.1"), 4) == "local"


def test_ipv6_answers_for_the_device_only() -> None:
    """Neighbour discovery answers for addresses of the device that was asked."""
    world = World()
    world.stack("n1").device("eth0", "fd00:1::1/64").device("eth1", "fd00:2::1/64")
    assert [answers(port(world, "n1", "eth0"), to_int(text), 6) for text in ("fd00:1::1", "fd00:2::1")] == ["own", ""]


def test_one_link_local_address_on_several_devices() -> None:
    """Calico gives all its devices the same link-local address: each answers for it; an anycast address is answered for as well."""
    world = World()
    node = world.stack("n1").device("cali1", "fe80::1/64 scope link").device("cali2", "fe80::1/64 scope link")
    node.route("anycast 2001:db8:1:: dev cali2 table local proto kernel metric 0 pref medium")
    assert [answers(port(world, "n1", name), to_int("fe80::1"), 6) for name in ("cali1", "cali2")] == ["own", "own"]
    assert [answers(port(world, "n1", name), to_int("2001:db8:1::"), 6) for name in ("cali1", "cali2")] == ["", "own"]


def test_bridge_ports_do_not_answer() -> None:
    """Frames that reach a bridge port are the bridge's."""
    world = World()
    world.stack("n1").device("br0", "10.1.0.1/24", kind="bridge").device("veth1", master="br0", peer=9)
    assert [answers(port(world, "n1", name), to_int("10.1.0.1"), 4) for name in ("br0", "veth1")] == ["own", ""]


@pytest.mark.parametrize(
    ("sysctls", "device", "address", "right"),
    [
        ({"ip_forward": 1, "conf__eth0__proxy_arp": 1}, "eth0", "10.2.0.7", "proxy"),
        ({"ip_forward": 1, "conf__all__proxy_arp": 1}, "eth0", "10.2.0.7", "proxy"),
        ({"ip_forward": 1, "conf__eth0__proxy_arp": 1}, "eth0", "10.1.0.7", ""),
        ({"ip_forward": 1, "conf__eth1__proxy_arp": 1}, "eth0", "10.2.0.7", ""),
        ({"ip_forward": 0, "conf__eth0__proxy_arp": 1}, "eth0", "10.2.0.7", ""),
        ({"ip_forward": 1}, "eth0", "10.2.0.7", ""),
        ({"ip_forward": 1, "conf__eth0__proxy_arp": 1}, "eth0", "8.8.8.8", ""),
    ],
)
def test_proxy_arp(sysctls: dict[str, int], device: str, address: str, right: str) -> None:
    """proxy_arp (of the device or of all) answers for what a forwarding stack routes out by another device."""
    assert answers(port(holder(**sysctls), "n1", device), to_int(address), 4) == right


def test_calico_devices_answer_for_everything() -> None:
    """Workload devices of calico proxy ARP: assumed where the parameters were not collected, believed where they were."""
    world = World()
    world.host("n1", "192.0.2.1/24", gateway="192.0.2.254").device("cali1", index=9, peer=4)
    assert not answers(port(world, "n1", "cali1"), to_int("169.254.1.1"), 4)
    world.stack("n1").unseen("sysctl -a")
    assert answers(port(world, "n1", "cali1"), to_int("169.254.1.1"), 4) == "assumed"
    world.stack("n1").shows("sysctl net.ipv4.conf.cali1.proxy_arp", "net.ipv4.conf.cali1.proxy_arp = 0\n")
    assert not answers(port(world, "n1", "cali1"), to_int("169.254.1.1"), 4)


def workload(*, seen: bool) -> World:
    """A pod behind a device of calico on n1, whose parameters were collected or not."""
    world = World()
    node = world.host("n1", "192.0.2.1/24", gateway="192.0.2.254").device("cali1", index=9, peer=4).route("10.4.0.2 dev cali1 scope link").router()
    world.stack("n1", "pod").device("eth0", "10.4.0.2/32", index=4, peer=9).route("169.254.1.1 dev eth0", "default via 169.254.1.1 dev eth0")
    if seen:
        node.sysctl(conf__cali1__proxy_arp=1)
    else:
        node.unseen("sysctl -a")
    return world


def test_guess_about_calico_is_told() -> None:
    """A walk that takes proxy_arp of a workload device for granted lists it as assumed, with the command that would settle it; a known one is not."""
    trace = workload(seen=False).walk("n1/pod", "192.0.2.1", 0, "icmp")
    assert [u.command for u in trace.assumed if "proxy_arp" in u.what] == ["sysctl net.ipv4.conf.cali1.proxy_arp"]
    trace = workload(seen=True).walk("n1/pod", "192.0.2.1", 0, "icmp")
    assert (trace.client_sees, [u for u in trace.assumed if "proxy_arp" in u.what]) == ("connected", [])


@pytest.mark.parametrize(
    ("devices", "right"),
    [
        (("eth0", "cali1"), ("depends", ("nexthop 10.4.0.2 dev cali1",))),
        (("eth0", "eth1"), ("connected", ())),
        (("cali1", "cali1"), ("EHOSTUNREACH", ())),
    ],
)
def test_proxy_with_several_next_hops(devices: tuple[str, str], right: tuple[str, tuple[str, ...]]) -> None:
    """A proxy keeps silent if the next hop that its hash takes leads back by the device that was asked; if none or each does, nothing is open."""
    gateways = {"eth0": "192.0.2.254", "eth1": "198.51.100.254", "cali1": "10.4.0.2"}
    world = workload(seen=True)
    host = world.stack("n1").device("eth1", "198.51.100.1/24", index=7)
    host.routing[:] = ["10.4.0.2 dev cali1 scope link", "default" + "".join(f"\n\tnexthop via {gateways[d]} dev {d} weight 1" for d in devices)]
    trace = world.walk("n1/pod", "192.0.2.1", 0, "icmp")
    assert (trace.client_sees, tuple(branch[0] for branch in trace.branches)) == right


def segment() -> World:
    """n1 with bridge cni0 10.244.0.1/24 and pods a (.2), b (.3); n2 shares the wire of eth0."""
    world = World()
    world.host("n1", "192.0.2.1/24").device("cni0", "10.244.0.1/24", kind="bridge")
    for at, pod in enumerate("ab", 2):
        world.pod("n1", pod, f"10.244.0.{at}/24", gateway="10.244.0.1")
    world.host("n2", "192.0.2.2/24")
    return world


def test_resolve_over_a_bridge() -> None:
    """A frame crosses veth, bridge, veth; the path names every device on the way."""
    result = resolve(segment().network(), port(segment(), "n1", "eth0", "a"), to_int("10.244.0.3"), 4)
    assert [each.key for each in result.stations] == [("n1", "b", "eth0")]
    assert [each.link.name for each in result.domain.path(result.stations[0])] == ["eth0", "veth-a", "cni0", "veth-b", "eth0"]
    assert result.open_ends == ()


def test_resolve_over_a_wire() -> None:
    """Cards whose subnets are one are on one wire; the wire is an open end too: others may hang on it."""
    world = segment()
    result = resolve(world.network(), port(world, "n1", "eth0"), to_int("192.0.2.2"), 4)
    assert [each.key for each in result.stations] == [("n2", "host", "eth0")]
    assert "eth0" in [each.link.name for each in result.open_ends]
    assert resolve(world.network(), port(world, "n1", "eth0"), to_int("192.0.2.77"), 4).stations == ()


def test_other_subnets_are_other_wires() -> None:
    """A card with another subnet is not on the wire, and nobody else answers for its address; unless a MAC was heard for it."""
    world = World()
    one = world.host("n1", "192.0.2.1/24")
    world.host("n2", "198.51.100.2/24")
    assert resolve(world.network(), port(world, "n1", "eth0"), to_int("192.0.2.9"), 4).stations == ()
    elsewhere = resolve(world.network(), port(world, "n1", "eth0"), to_int("198.51.100.2"), 4)
    assert elsewhere.stations == elsewhere.open_ends == ()
    one.shows("ip neigh", "198.51.100.2 dev eth0 lladdr 02:00:00:00:00:02 STALE")
    assert [each.key for each in resolve(world.network(), port(world, "n1", "eth0"), to_int("198.51.100.2"), 4).stations] == [("n2", "host", "eth0")]


@pytest.mark.parametrize(
    ("more", "reached"),
    [({}, True), ({"up": False}, False), ({"carrier": False}, False), ({"state": "blocking"}, False), ({"state": "disabled"}, False)],
)
def test_dead_ports_carry_nothing(more: dict[str, object], reached: bool) -> None:
    """A port that is down, without carrier or not forwarding carries no frame."""
    world = segment()
    for name, value in more.items():
        setattr(world.stack("n1").devices["veth-b"], name, value)
    assert bool(resolve(world.network(), port(world, "n1", "eth0", "a"), to_int("10.244.0.3"), 4).stations) is reached
    assert usable(port(world, "n1", "veth-b")) is reached


def test_a_known_neighbour_decides() -> None:
    """Where several stations hold an address, the neighbour entry's MAC tells which one is meant; a failed entry tells nothing."""
    world = segment()
    world.host("n3", "192.0.2.2/24").devices["eth0"].mac = "02:00:00:00:99:99"
    world.stack("n1").shows("ip neigh", "192.0.2.2 dev eth0 lladdr 02:00:00:00:99:99 REACHABLE")
    assert [each.stack.node for each in resolve(world.network(), port(world, "n1", "eth0"), to_int("192.0.2.2"), 4).stations] == ["n3"]
    world.stack("n1").shows("ip neigh", "192.0.2.2 dev eth0 FAILED")
    assert len(resolve(world.network(), port(world, "n1", "eth0"), to_int("192.0.2.2"), 4).stations) == 2


def test_a_neighbour_that_would_not_answer_now() -> None:
    """A cached MAC reaches its device although nobody would answer for the address."""
    world = segment()
    world.stack("n2").devices["eth0"].mac = "02:00:00:00:00:77"
    world.stack("n1").shows("ip neigh", "192.0.2.50 dev eth0 lladdr 02:00:00:00:00:77 PERMANENT")
    assert [each.key for each in resolve(world.network(), port(world, "n1", "eth0"), to_int("192.0.2.50"), 4).stations] == [("n2", "host", "eth0")]


def test_bridged_card_of_another_node() -> None:
    """A node whose card is enslaved to a bridge carries the wire on to what hangs behind that bridge."""
    world = World()
    world.host("n1", "192.0.2.1/24")
    world.stack("n2").device("br0", kind="bridge").device("eth0", master="br0")
    world.pod("n2", "vm", "192.0.2.9/24", bridge="br0")
    assert [each.key for each in resolve(world.network(), port(world, "n1", "eth0"), to_int("192.0.2.9"), 4).stations] == [("n2", "vm", "eth0")]


def test_duplicate_addresses_depend() -> None:
    """Two stations for one address: both are followed, and it depends if they differ."""
    world = lan()
    world.host("impostor", "10.2.0.2/24")
    trace = world.walk("client", "10.2.0.2")
    assert trace.client_sees == "depends"
    assert [unknown.what for unknown in trace.depends] == ["ARP for 10.2.0.2"]


def test_prefixes_of_addresses() -> None:
    """The prefix a source belongs to: its holder's, else of a subnet that covers it, else itself."""
    world = segment()
    network = world.network()
    texts = ["10.244.0.2", "10.244.0.77", "8.8.8.8"]
    assert [source_prefix(network, to_int(text), 4, text) for text in texts] == ["10.244.0.0/24", "10.244.0.0/24", "8.8.8.8/32"]
    stack = port(world, "n1", "eth0").stack
    assert [on_link(stack, "eth0", to_int(text), 4) for text in ("192.0.2.9", "8.8.8.8")] == ["192.0.2.0/24", ""]


def test_nobody_answers() -> None:
    """On a segment that the evidence shows whole, silence is a neighbour failure, and the failed entry is its evidence."""
    world = segment()
    world.stack("n1", "a").shows("ip neigh", "10.244.0.9 dev eth0 FAILED")
    trace = world.walk("n1/a", "10.244.0.9")
    assert trace.client_sees == "EHOSTUNREACH"
    drop = found(trace, "drop")
    assert (drop.get("by"), drop.text) == ("neighbor", "10.244.0.9 dev eth0 FAILED")


def test_a_container_hangs_on_its_own_node() -> None:
    """A pod whose wire the evidence does not show (``ifconfig``) is no neighbour of other machines; on its own node it may be."""
    world = lan()
    world.stack("client", "web").device("eth0", "10.9.0.5/24")
    world.stack("client").device("cni0", "10.9.0.1/24")
    world.stack("server").route("10.9.0.0/16 dev eth0")
    assert not resolve(world.network(), port(world, "server", "eth0"), to_int("10.9.0.5"), 4).stations
    assert [p.stack.name for p in resolve(world.network(), port(world, "client", "cni0"), to_int("10.9.0.5"), 4).stations] == ["web"]


def shared(mode: str, *, shim: bool = False) -> World:
    """n1 with eth0 on a wire, two containers whose macvlan devices share it, and n2 on the wire; ``shim``: n1 has such a device itself."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.1/24")
    for number, name in enumerate(("c1", "c2"), 5):
        world.stack("n1", name).device("eth0", f"10.1.0.{number}/24", index=number, peer=2, kind=f"macvlan mode {mode} bcqueuelen 1000")
    if shim:
        lines = "7: mac0@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n"
        lines += "    link/ether 02:00:00:00:01:07 brd ff:ff:ff:ff:ff:ff promiscuity 0\n"
        lines += f"    macvlan mode {mode} bcqueuelen 1000 numtxqueues 1\n"
        world.stack("n1").shows("ip -d link show mac0", lines).route("10.1.0.5 dev mac0 scope link")
    world.stack("n2").device("eth0", "10.1.0.2/24")
    return world


@pytest.mark.parametrize(
    ("mode", "sender", "target", "sees"),
    [
        ("bridge", "n1/c1", "10.1.0.6", "connected"),
        ("bridge", "n1", "10.1.0.5", "EHOSTUNREACH"),
        ("bridge", "n1/c1", "10.1.0.1", "EHOSTUNREACH"),
        ("bridge", "n2", "10.1.0.5", "connected"),
        ("bridge", "n1/c1", "10.1.0.2", "connected"),
        ("private", "n1/c1", "10.1.0.6", "EHOSTUNREACH"),
        ("private", "n2", "10.1.0.6", "connected"),
        ("private", "n1", "10.1.0.6", "EHOSTUNREACH"),
        ("vepa", "n1/c1", "10.1.0.6", "depends"),
        ("vepa", "n2", "10.1.0.6", "connected"),
    ],
)
def test_devices_that_share_a_wire(mode: str, sender: str, target: str, sees: str) -> None:
    """Measured: macvlan devices of mode bridge talk to each other, none to the device under it; with vepa the switch decides."""
    assert shared(mode).sees(sender, target, protocol="icmp") == sees


def test_a_node_with_a_macvlan_device_of_its_own() -> None:
    """By such a device a node reaches containers on the same card, and they answer there."""
    assert shared("bridge", shim=True).sees("n1", "10.1.0.5", protocol="icmp") == "connected"
    assert shared("private", shim=True).sees("n1", "10.1.0.5", protocol="icmp") == "EHOSTUNREACH"


def test_arp_filter() -> None:
    """Measured: with arp_filter a device answers only whom it would send to; a rule that refuses what the answer is for silences it."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.1/24").device("eth1", "10.1.0.7/24").sysctl(conf__all__arp_filter=1)
    asker = to_int("10.1.0.2")
    assert [answers(port(world, "n1", device), to_int("10.1.0.1"), 4, asker) for device in ("eth0", "eth1")] == ["own", ""]
    world.stack("n1").sysctl(conf__all__arp_filter=0)
    assert answers(port(world, "n1", "eth1"), to_int("10.1.0.1"), 4, asker) == "local"
    world.stack("n1").sysctl(conf__eth0__arp_filter=1).rule("5: from 10.1.0.0/24 to 10.1.0.0/24 iif lo blackhole")
    assert answers(port(world, "n1", "eth0"), to_int("10.1.0.1"), 4, asker) == ""
