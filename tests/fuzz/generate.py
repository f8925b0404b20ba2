"""Random scenarios: topologies, routes, parameters; rules come from :mod:`tests.fuzz.rules`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.fuzz.native import add_native
from tests.fuzz.rules import add_rules
from tests.fuzz.six import in_ipv6
from tests.fuzz.world import World

if TYPE_CHECKING:
    from tests.fuzz.scenario import Scenario

ALL = frozenset({"filter", "nat", "mangle", "raw", "security", "set", "routing", "sysctl", "native", "proxy", "six"})
PROBES = 15
"""Probes of one scenario."""


def generate(seed: int, features: frozenset[str] = ALL) -> Scenario:
    """The scenario of a seed."""
    world = World(random.Random(seed))
    topology = world.weighed({local: 1, routed: 4, pods: 3, endpoints: 1.5, overlay: 2})
    topology(world)
    scenario = furnished(world, features)
    return in_ipv6(world, scenario) if "six" in features and world.chance(0.35) else scenario


def furnished(world: World, features: frozenset[str] = ALL) -> Scenario:
    """The scenario that a topology becomes with rules, sets, odd routes, parameters and probes."""
    world.targets += [world.pick(world.nets).rpartition(".")[0] + ".77", "10.96.0.10", "10.96.0.10", "192.0.2.1", "127.0.0.1"]
    world.nets += ["10.96.0.0/16", "0.0.0.0/0"]
    for stack in list(world.stacks):
        router = stack in world.routers
        if "routing" in features and world.chance(0.5 if router else 0.15):
            add_routing(world, stack)
        if "sysctl" in features and world.chance(0.4 if router else 0.15):
            add_sysctls(world, stack)
        if "nat" in features and router and world.chance(0.25):
            services(world, stack)
        else:
            add_rules(world, stack, features, 0.9 if router else 0.2)
        if "native" in features and world.chance(0.25 if router else 0.05):
            add_native(world, stack)
        # Its local route by mark would send what VXLAN encapsulates round in circles: cases tell of that.
        if "proxy" in features and router and "fl.1" not in world.devices[stack] and world.chance(0.15):
            add_proxy(world, stack)
    return world.scenario(PROBES)


# --- topologies --------------------------------------------------------------------------------------------------------


def local(world: World) -> None:
    """One stack that talks to itself, and a neighbour."""
    world.wire(("host", "eth0", "10.1.0.1/24"), ("peer", "eth0", "10.1.0.2/24"))
    if world.chance(0.5):
        world.add_address("host", "eth0", world.pick(("10.1.0.9/24", "10.5.0.1/24", "10.1.0.8/32")))
    if world.chance(0.3):
        world.add_address("host", "lo", "10.9.9.9/32")
    world.run("peer", "route add default via 10.1.0.1")
    if world.chance(0.5):
        world.run("host", "route add default via 10.1.0.2")
    for stack in ("host", "peer"):
        world.serve(stack, "127.0.0.1" if world.chance(0.15) else "0.0.0.0")
    world.routers, world.clients = ["host"], ["host", "host", "peer"]


def routed(world: World) -> None:
    """Client – router – server, sometimes with a second way."""
    world.wire(("client", "eth0", "10.1.0.2/24"), ("host", "eth0", "10.1.0.1/24"))
    world.wire(("server", "eth0", "10.2.0.2/24"), ("host", "eth1", "10.2.0.1/24"))
    world.stack("host").sysctls["net.ipv4.ip_forward"] = 0 if world.chance(0.05) else 1
    for stack, gateway in (("client", "10.1.0.1"), ("server", "10.2.0.1")):
        if not world.chance(0.05):
            world.run(stack, f"route add default via {gateway}" + world.pick(("", "", f" metric {world.pick((0, 50, 100))}")))
        world.serve(stack)
    world.serve("host", world.pick(("0.0.0.0", "0.0.0.0", "10.1.0.1", "127.0.0.1")))
    if world.chance(0.4):
        second_way(world)
    if world.chance(0.3):
        world.add_address("client", "eth0", world.pick(("10.1.0.3/24", "10.7.0.3/24", "10.1.0.4/32")))
    if world.chance(0.2):
        world.add_address("server", "lo", "10.9.9.9/32")
        world.run("host", "route add 10.9.9.9 via 10.2.0.2")
    world.routers, world.clients = ["host"], ["client", "client", "client", "server"]


def second_way(world: World) -> None:
    """Another wire between two of the three, and a route that prefers it."""
    far, number = world.pick((("client", 1), ("server", 2)))
    world.wire((far, "eth1", "10.3.0.2/24"), ("host", "eth2", "10.3.0.1/24"))
    ways = [
        f"route add 10.{3 - number}.0.0/24 via 10.3.0.1",
        f"route add 10.{3 - number}.0.2 via 10.3.0.1",
        "route add default via 10.3.0.1 metric 10",
    ]
    if world.chance(0.6):
        world.run(far, world.pick(ways))
    if world.chance(0.4):
        world.run("host", f"route add 10.{number}.0.2 via 10.3.0.2")


def attach(world: World, stack: str, pod: str, address: str, gateway: str) -> None:
    """A pod on the bridge of a stack."""
    port = f"v{pod}"
    world.wire((pod, "eth0", address), (stack, port, ""))
    world.ports[stack].append(port)
    world.run(stack, f"link set {port} master br0")
    if world.chance(0.3):
        world.run(stack, f"link set {port} type bridge_slave hairpin on")
    if world.chance(0.1):
        world.run(stack, f"link set {port} type bridge_slave isolated on")
    if not world.chance(0.05):
        world.run(pod, f"route add default via {gateway}")
    world.serve(pod)


def bridge(world: World, stack: str, name: str, address: str) -> None:
    """A bridge without spanning tree and multicast chatter."""
    # The order in which devices were made is then that of their indices, as it is where nobody chooses indices.
    world.run(stack, f"link add {name} index 300 type bridge mcast_snooping 0")
    world.device(stack, name, address)
    world.bridged = True
    world.stack(stack).sysctls["net.bridge.bridge-nf-call-iptables"] = 1 if world.chance(0.6) else 0
    if world.chance(0.1):
        world.run(stack, f"link set {name} type bridge nf_call_iptables 1")


def pods(world: World) -> None:
    """Pods on a bridge of a node, and a server beyond it."""
    world.wire(("host", "eth0", "10.2.0.1/24"), ("server", "eth0", "10.2.0.2/24"))
    world.stack("host").sysctls["net.ipv4.ip_forward"] = 0 if world.chance(0.05) else 1
    bridge(world, "host", "br0", "10.244.0.1/24")
    names = ["p1", "p2", "p3"][: world.pick((2, 2, 3))]
    for number, pod in enumerate(names, 11):
        attach(world, "host", pod, f"10.244.0.{number}/24", "10.244.0.1")
    world.serve("server")
    world.serve("host")
    if not world.chance(0.1):
        world.run("server", world.pick(("route add default via 10.2.0.1", "route add 10.244.0.0/24 via 10.2.0.1")))
    world.routers, world.clients = ["host"], [*names, "p1", "host", "server"]
    world.targets += ["10.244.0.12", "10.244.0.11"]


def endpoints(world: World) -> None:
    """Pods without a bridge, each behind a veth of its own that answers ARP for everybody (as calico wires them)."""
    world.wire(("host", "eth0", "10.2.0.1/24"), ("server", "eth0", "10.2.0.2/24"))
    world.stack("host").sysctls["net.ipv4.ip_forward"] = 1
    names = ["p1", "p2"]
    for number, pod in enumerate(names, 11):
        world.wire((pod, "eth0", f"10.244.0.{number}/32"), ("host", f"cali{pod}", ""))
        world.run(pod, "route add 169.254.1.1 dev eth0 scope link", "route add default via 169.254.1.1 dev eth0")
        world.run("host", f"route add 10.244.0.{number} dev cali{pod} scope link")
        if not world.chance(0.05):
            world.stack("host").sysctls[f"net.ipv4.conf.cali{pod}.proxy_arp"] = 1
        world.serve(pod)
    if world.chance(0.3):
        world.run("host", "route add blackhole 10.244.0.0/26")
    world.serve("server")
    world.serve("host")
    if not world.chance(0.1):
        world.run("server", "route add 10.244.0.0/24 via 10.2.0.1")
    world.routers, world.clients = ["host"], [*names, "p1", "host", "server"]
    world.targets += ["10.244.0.12", "10.244.0.11"]


def services(world: World, stack: str) -> None:
    """Virtual addresses as kube-proxy makes them, on top of some filter."""
    pods_here = [address for address in world.targets if address.startswith("10.244.")] or world.targets
    reply, lines = world.pick(("-j MARK --set-xmark 0x4000/0x4000", "-j KUBE-MARK-MASQ")), []
    for protocol in ("tcp", "udp"):
        source = world.pick(("", "! -s 10.244.0.0/16 "))
        lines.append(
            f"-A KUBE-SERVICES {source}-d 10.96.0.10/32 -p {protocol} -m {protocol} --dport 80 -j KUBE-MARK-MASQ" if world.chance(0.7) else ""
        )
        lines.append(f'-A KUBE-SERVICES -d 10.96.0.10/32 -p {protocol} -m {protocol} --dport 80 -m comment --comment "default/web:http" -j KUBE-SVC')
        pod = world.pick(pods_here)
        lines.append(f"-A KUBE-SVC -s {pod}/32 -j KUBE-MARK-MASQ" if world.chance(0.7) else "")
        lines.append(f"-A KUBE-SVC -p {protocol} -m {protocol} -j DNAT --to-destination {pod}:{world.pick((80, 80, 8080, 5353))}")
    masquerade = [
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
        "-A KUBE-POSTROUTING -j MASQUERADE",
    ]
    nodeport = f"-A KUBE-SERVICES -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 8080 {reply if 'MASQ' in reply else '-j KUBE-SVC'}"
    nat = [
        "*nat",
        *(f":{hook} ACCEPT [0:0]" for hook in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
        ":KUBE-SERVICES - [0:0]",
        ":KUBE-SVC - [0:0]",
        ":KUBE-MARK-MASQ - [0:0]",
        ":KUBE-POSTROUTING - [0:0]",
        "-A PREROUTING -j KUBE-SERVICES",
        "-A OUTPUT -j KUBE-SERVICES",
        "-A POSTROUTING -j KUBE-POSTROUTING",
        "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
        *filter(None, lines),
        nodeport,
        *(masquerade if world.chance(0.85) else []),
        "COMMIT",
    ]
    forward = world.pick(("ACCEPT", "DROP"))
    rules = [
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
        "-A FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT",
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -s 10.244.0.0/16 -j ACCEPT",
        "-A FORWARD -d 10.96.0.10/32 -p tcp -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable",
    ]
    table = [
        "*filter",
        ":INPUT ACCEPT [0:0]",
        f":FORWARD {forward} [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        *(rule for rule in rules if world.chance(0.7)),
        "COMMIT",
    ]
    wanted = [*nat, *(table if world.chance(0.7) else [])]
    if world.chance(0.5):
        world.stack(stack).legacy = wanted
    else:
        world.stack(stack).nft = wanted


def overlay(world: World) -> None:
    """Two nodes with pods, joined by VXLAN with a forwarding database written by hand."""
    world.wire(("host", "eth0", "192.168.9.1/24"), ("node2", "eth0", "192.168.9.2/24"))
    for number, node in ((1, "host"), (2, "node2")):
        other = 3 - number
        world.stack(node).sysctls["net.ipv4.ip_forward"] = 1
        bridge(world, node, "br0", f"10.244.{number}.1/24")
        attach(world, node, f"p{number}", f"10.244.{number}.11/24", f"10.244.{number}.1")
        world.run(
            node,
            f"link add fl.1 index 400 address 02:00:00:00:00:0{number} type vxlan id 1 dev eth0 local 192.168.9.{number} dstport 8472 nolearning",
        )
        world.device(node, "fl.1", f"10.244.{number}.0/32")
        if not world.chance(0.05):
            world.run(node, f"neigh add 10.244.{other}.0 lladdr 02:00:00:00:00:0{other} dev fl.1 nud permanent")
        if not world.chance(0.05):
            mac = f"02:00:00:00:00:0{other}" if world.chance(0.8) else "00:00:00:00:00:00"
            world.run(node, f"fdb add {mac} dev fl.1 dst 192.168.9.{other} self permanent")
        if not world.chance(0.05):
            world.run(node, f"route add 10.244.{other}.0/24 via 10.244.{other}.0 dev fl.1 onlink")
        world.serve(node)
    if world.chance(0.5):
        attach(world, "host", "p3", "10.244.1.12/24", "10.244.1.1")
    world.routers, world.clients = ["host", "node2"], ["p1", "p1", "p2", "host"]
    world.targets += ["10.244.2.11", "10.244.1.11"]


def add_proxy(world: World, stack: str) -> None:
    """A transparent proxy, and mostly what brings packets to it."""
    made = world.stack(stack)
    if world.chance(0.9):
        made.listen.append(["tcp+transparent", "0.0.0.0", 15001])
    if world.chance(0.9):
        world.run(stack, "rule add fwmark 0x1/0x1 lookup 77 priority 60", "route add local default dev lo table 77")
    lines = made.legacy or made.nft
    source = world.pick(("", f"-s {world.net()} ", f"-i {world.pick(world.devices[stack])} "))
    port = world.pick((80, 80, 8080, 81))
    rule = (
        f"-A PREROUTING {source}-p tcp -m tcp --dport {port} -j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark {world.pick((1, 1, 2)):#x}/0xff"
    )
    if "*mangle" in lines:
        at = next(n for n, line in enumerate(lines) if n > lines.index("*mangle") and not line.startswith(":"))
        lines.insert(at, rule)
    else:
        lines += ["*mangle", ":PREROUTING ACCEPT [0:0]", rule, "COMMIT"]


# --- routing and parameters --------------------------------------------------------------------------------------------


def add_routing(world: World, stack: str) -> None:
    """Odd routes, tables and policy rules."""
    for _ in range(world.pick((1, 1, 2, 3))):
        world.run(stack, world.weighed({odd_route(world, stack): 3, policy_rule(world, stack): 3}))
    if world.chance(0.1):
        world.run(stack, f"route del {world.pick(world.nets)}")
    if world.chance(0.04):
        world.run(stack, f"link set {world.pick(world.devices[stack])} down")


def odd_route(world: World, stack: str) -> str:
    """A route of any type in any table."""
    table = world.pick(("", "", "", " table 100", " table 100", " table 200"))
    metric = world.pick(("", "", " metric 5", " metric 300"))
    destination = world.pick((world.net(), world.net(), "default"))
    kind = world.weighed({"unicast": 5, "unreachable": 1, "prohibit": 1, "blackhole": 1, "throw": 1})
    if kind != "unicast":
        return f"route add {kind} {destination}{table}{metric}"
    if world.chance(0.08):
        return f"route add {destination}{table}{metric} nexthop via {world.address()} nexthop via {world.address()}"
    if world.chance(0.6):
        source = f" src {world.pick(world.own[stack][1:])}" if world.chance(0.2) and len(world.own[stack]) > 1 else ""
        return f"route add {destination} via {world.address()}{source}{table}{metric}"
    return f"route add {destination} dev {world.pick(world.devices[stack])}{table}{metric}"


def policy_rule(world: World, stack: str) -> str:
    """A policy rule."""
    mark = world.pick((0x1, 0x2, 0x10, 0x4000))
    selector = world.pick(
        (
            f"from {world.net()}",
            f"to {world.net()}",
            f"fwmark {mark:#x}",
            f"fwmark {mark:#x}/{mark:#x}",
            f"iif {world.pick(world.devices[stack])}",
            f"not from {world.net()}",
            f"from {world.net()} to {world.net()}",
            f"ipproto {world.pick(('tcp', 'udp', 'icmp'))}",
            f"ipproto tcp dport {world.pick((80, 8080))}",
            "from all",
        )
    )
    action = world.weighed(
        {"lookup 100": 5, "lookup 200": 2, "lookup main suppress_prefixlength 0": 1, "unreachable": 0.4, "prohibit": 0.4, "blackhole": 0.4}
    )
    return f"rule add {selector} priority {world.pick((50, 100, 100, 200, 300, 33000))} {action}"


def add_sysctls(world: World, stack: str) -> None:
    """Parameters that decide."""
    devices = [name.replace(".", "/") for name in world.devices[stack]]
    for _ in range(world.pick((1, 1, 2, 3))):
        where = world.pick(("all", *devices, *devices))
        key, value = world.weighed(
            {
                ("rp_filter", 1): 4,
                ("rp_filter", 2): 2,
                ("rp_filter", 0): 1,
                ("forwarding", 0): 1,
                ("forwarding", 1): 1,
                ("accept_local", 1): 1,
                ("route_localnet", 1): 2,
                ("src_valid_mark", 1): 1,
                ("arp_ignore", 1): 1,
                ("arp_ignore", 2): 0.3,
                ("arp_ignore", 8): 0.2,
                ("proxy_arp", 1): 0.5,
            }
        )
        world.stack(stack).sysctls[f"net.ipv4.conf.{where}.{key}"] = value
