"""Random scenarios with what a kernel may lack: IPVS, IPIP, GRE, WireGuard, VLAN and dummy devices."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

from tests.fuzz.generate import attach, bridge, furnished, pods, routed
from tests.fuzz.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzz.scenario import Scenario

MODULES = ("ip_vs", "ip_vs_rr", "ip_vs_wrr", "ipip", "ip_gre", "wireguard", "dummy", "8021q")
"""Of the kernel; loaded first, so that all scenarios find the same devices."""
FEATURES = frozenset({"filter", "nat", "mangle", "raw", "set", "routing", "sysctl", "native"})
VIP = "10.96.0.10"
# Devices have indices above those of the wires: they are then in the order in which they were made, as where nobody chooses indices.


def generate_more(seed: int) -> Scenario:
    """The scenario of a seed."""
    world = World(random.Random(seed))
    topology = world.weighed({tunnelled: 4, balanced: 5, tagged: 1})
    topology(world)
    for stack in world.routers:
        if world.chance(0.3):
            add_dummy(world, stack)
    # Half of them are about the devices, without rules that end most packets before.
    return furnished(world, FEATURES if world.chance(0.5) else frozenset({"routing"} if world.chance(0.3) else ()))


# --- tunnels -----------------------------------------------------------------------------------------------------------


def tunnelled(world: World) -> None:
    """Two nodes with pods, joined by a tunnel."""
    world.wire(("host", "eth0", "192.168.9.1/24"), ("node2", "eth0", "192.168.9.2/24"))
    ways: dict[Callable[[World, str, int, int], None], float] = {
        by_next_hop: 3,
        partial(between_ends, "ipip"): 1,
        partial(between_ends, "gre"): 1,
        by_wireguard: 4,
    }
    way = world.weighed(ways)
    for number, node in ((1, "host"), (2, "node2")):
        other = 3 - number
        world.stack(node).sysctls["net.ipv4.ip_forward"] = 0 if world.chance(0.03) else 1
        bridge(world, node, "br0", f"10.244.{number}.1/24")
        attach(world, node, f"p{number}", f"10.244.{number}.11/24", f"10.244.{number}.1")
        way(world, node, number, other)
        world.serve(node)
        if world.chance(0.04):
            world.run(node, f"link set {world.devices[node][-1]} down")
    if world.chance(0.4):
        attach(world, "host", "p3", "10.244.1.12/24", "10.244.1.1")
    world.routers, world.clients = ["host", "node2"], ["p1", "p1", "p2", "host"]
    world.targets += ["10.244.2.11", "10.244.2.11", "10.244.1.11"]


def by_next_hop(world: World, node: str, number: int, other: int) -> None:
    """IPIP without a remote end, which sends to the next hop of the route: as calico's, or the module's own device."""
    name = world.pick(("tunl0", "ip0"))
    if name != "tunl0":
        local = "" if world.chance(0.1) else f" local 192.168.9.{number}"
        world.run(node, f"link add ip0 index 401 type ipip{local or ' ttl 64'}")
    world.device(node, name, f"10.244.{number}.0/32")
    if not world.chance(0.05):
        world.run(node, f"route add 10.244.{other}.0/24 via 192.168.9.{other} dev {name} onlink")


def between_ends(kind: str, world: World, node: str, number: int, other: int) -> None:
    """IPIP or GRE with both ends, sometimes the wrong one."""
    remote = world.weighed({other: 20, 9: 1})
    world.run(node, f"link add ip0 index 401 type {kind} local 192.168.9.{number} remote 192.168.9.{remote}")
    world.device(node, "ip0", *([f"10.244.{number}.0/32"] if world.chance(0.5) else []))
    if not world.chance(0.05):
        world.run(node, f"route add 10.244.{other}.0/24 dev ip0")


def by_wireguard(world: World, node: str, number: int, other: int) -> None:
    """WireGuard: what a peer may send, and where it is, is sometimes not said."""
    world.run(node, "link add wg0 index 402 type wireguard")
    world.device(node, "wg0", *([f"10.244.{number}.0/32"] if world.chance(0.5) else []))
    allowed = world.weighed(
        {
            f"10.244.{other}.0/24": 6,
            f"10.244.{other}.0/24,192.168.9.{other}/32": 4,
            "0.0.0.0/0": 2,
            f"10.244.{other}.0/28": 1,
            f"10.244.{other}.0/32": 0.5,
        }
    )
    endpoint = "" if world.chance(0.05) else f" endpoint 192.168.9.{other}:{51820 if world.chance(0.95) else 51821}"
    mark = f" fwmark {world.pick(('0x1', '0x10'))}" if world.chance(0.2) else ""
    peer = "node2" if node == "host" else "host"
    key = peer if world.chance(0.95) else "stranger"
    world.stack(node).wireguard.append(f"wg0 listen-port 51820{mark} peer @{key}{endpoint} allowed-ips {allowed}")
    if not world.chance(0.05):
        world.run(node, f"route add 10.244.{other}.0/24 dev wg0")


# --- IPVS --------------------------------------------------------------------------------------------------------------


def balanced(world: World) -> None:
    """A node that gives connections to servers behind it."""
    world.pick((routed, pods, pods))(world)
    world.clients += world.clients
    stack = world.stack("host")
    world.run("host", "link add kube-ipvs0 index 500 type dummy")
    world.device("host", "kube-ipvs0", *([f"{VIP}/32"] if world.chance(0.9) else []))
    for other in world.stacks:
        if other not in {"host", *world.ports["host"]} and world.chance(0.3):
            world.run(other, f"route add {VIP} via {world.pick(world.own['host'][1:])}")
    stack.sysctls["net.ipv4.vs.conntrack"] = 1 if world.chance(0.6) else 0
    servers = [address for address in world.targets if address not in world.own["host"]]
    for service in world.pick((("t",), ("t", "u"), ("t", "u"), ("f",), ("t", "n"))):
        add_service(world, service, servers)
    if world.chance(0.6):
        which = world.pick(("", "ip daddr 10.0.0.0/8 ", "meta l4proto tcp "))
        # Not at the usual priority: the order among equals is not in the evidence.
        stack.native += ["table ip kube {", "chain leaving {", "type nat hook postrouting priority 95; policy accept;"]
        stack.native += [f"{which}counter masquerade", "}", "}"]
    world.targets += [VIP, VIP, VIP]


def add_service(world: World, kind: str, servers: list[str]) -> None:
    """A service: by TCP or UDP address, by an address of the node, or by mark."""
    lines = world.stack("host").ipvs
    own = world.pick(world.own["host"][1:])
    name = {"t": f"-t {VIP}:80", "u": f"-u {VIP}:80", "n": f"-t {own}:8080", "f": "-f 1"}[kind]
    if kind == "f":
        chain = ["chain arriving {", "type filter hook prerouting priority -145; policy accept;", f"ip daddr {VIP} counter meta mark set 0x1", "}"]
        world.stack("host").native += ["table ip marks {", *chain, "}"]
    persistent = " -p 300" if world.chance(0.2) else ""
    lines.append(f"-A {name} -s {world.weighed({'rr': 4, 'wrr': 1})}{persistent}")
    seen = set()
    for _ in range(world.weighed({0: 0.3, 1: 4, 2: 1.5})):
        address = world.pick(servers) if world.chance(0.85) else world.pick((own, "10.244.0.99", "192.0.2.9"))
        forward = world.weighed({"-m": 12, "-g": 1, "-i": 1})
        port = world.weighed({80: 4, 8080: 2, 81: 0.5}) if kind != "f" else 0
        port = port if forward == "-m" else (0 if kind == "f" else 80 if kind != "n" else 8080)
        if (address, port) not in seen:
            seen.add((address, port))
            lines.append(f"-a {name} -r {address}:{port} {forward} -w {world.weighed({1: 6, 3: 1, 0: 0.4})}")


# --- other devices -----------------------------------------------------------------------------------------------------


def tagged(world: World) -> None:
    """Client – router – server, and a tagged network beside each wire."""
    routed(world)
    for number, far, device in ((1, "client", "eth0"), (2, "server", "eth1")):
        tag = world.pick((5, 7))
        other = tag if world.chance(0.85) else 12 - tag
        world.run("host", f"link add link {device} name v{number} index 41{number} type vlan id {tag}")
        world.device("host", f"v{number}", f"10.{20 + number}.0.1/24")
        world.run(far, f"link add link eth0 name v{number} index 41{number} type vlan id {other}")
        world.device(far, f"v{number}", f"10.{20 + number}.0.2/24")
    world.run("client", f"route add 10.22.0.0/24 via {world.pick(('10.21.0.1', '10.1.0.1'))}")
    world.run("server", f"route add 10.21.0.0/24 via {world.pick(('10.22.0.1', '10.2.0.1'))}")


def add_dummy(world: World, stack: str) -> None:
    """A device that swallows what it is given; its address is the stack's own even while it is down."""
    world.run(stack, "link add dum0 index 501 type dummy")
    world.device(stack, "dum0", "10.8.0.1/24")
    if world.chance(0.5):
        world.run(stack, f"route add {world.net()} dev dum0")
    if world.chance(0.2):
        world.run(stack, "link set dum0 down")
    for other in world.clients:
        if other != stack and world.chance(0.3):
            world.run(other, f"route add 10.8.0.0/24 via {world.pick(world.own[stack][1:])}")
