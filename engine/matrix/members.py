"""The ends of a cluster: its nodes, its pods and other containers, its Services' ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.facts import HOST
from engine.inet import family_of, to_int
from engine.matrix.classes import Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.cluster import Cluster
    from engine.cluster.objects import Node
    from engine.matrix.observer import Key
    from engine.model.network import Network
    from engine.model.stack import NetStack

INNER = frozenset({"bridge", "vxlan", "ipip", "dummy", "veth", "loopback", "wireguard", "tun", "gre", "sit", "geneve"})
"""Types of devices whose address is not the one that a node is known by."""


class Frontend(NamedTuple):
    """A port of a Service."""

    name: str
    """``svc/shop/db:5432``"""
    value: int
    address: str
    port: int
    protocol: str
    kind: str = "service"
    node: str = ""
    key: Key | None = None
    """The stack that holds the address: of a node's port, or of an external address that a node has."""


OUTSIDE = {4: ("203.0.113.77", "198.51.100.77", "192.0.2.77", "198.18.0.77"), 6: ("2001:db8::77", "3fff::77")}
"""Clients outside, by family (RFC 5737, RFC 2544, RFC 3849, RFC 9637)."""
MAX_DOORS = 20_000
"""Pairs of nodes and node ports that are asked about; of a big cluster with many, only those that somebody names."""


def outside(network: Network, family: int) -> Member | None:
    """A client that stands for everybody outside: behind the gateways of all nodes; ``None`` if every address tried is near some node."""
    for address in OUTSIDE[family]:
        value = to_int(address)
        if not any(_near(stack, value, family) for stack in network.stacks.values()):
            return Member("outside", "outside", "", None, value, address)
    return None


def _near(stack: NetStack, value: int, family: int) -> bool:
    from engine.model.fib import Key as Lookup

    route = stack.fib.lookup(Lookup(family, value)).route
    return route is not None and (route.dst.length > 0 or not any(hop.gateway for hop in route.hops))


def members(network: Network, cluster: Cluster, family: int) -> list[Member]:
    """Nodes and containers with an address of a family, nodes first; pods that are finished, or live in their node's network, are left out."""
    found = [*_nodes(network, cluster, family)]
    names = _names(cluster)
    seen: set[str] = set()
    for key, stack in network.stacks.items():
        own = _own(stack, family) if not stack.is_host else ""
        if own and _lives(stack):
            # Of two stacks with one address the API tells only one pod.
            name = names.get(own) if own not in seen else None
            seen.add(own)
            found.append(Member(name or f"{key[0]}/{key[1]}", "pod", key[0], key, to_int(own), own))
    for pod in cluster.pods.values():
        if not pod.active or cluster.on_host(pod):
            continue
        node = cluster.host_of(pod.node) or pod.node
        alone = [ip for ip in pod.ips if family_of(ip) == family and ip not in seen]
        found += [Member(f"pod/{pod.full}", "pod", node, None, to_int(ip), ip) for ip in alone[:1]]
    return found


def _lives(stack: NetStack) -> bool:
    """Whether a namespace is a container's, not an empty one's or a tool's."""
    return any(link.name != "lo" for link in stack.links.values()) or not stack.links


def _names(cluster: Cluster) -> dict[str, str]:
    return {ip: f"pod/{pod.full}" for pod in cluster.pods.values() if pod.active and not cluster.on_host(pod) for ip in pod.ips}


def _nodes(network: Network, cluster: Cluster, family: int) -> Iterator[Member]:
    done = set()
    for key, stack in network.stacks.items():
        if stack.is_host:
            node = cluster.node_of(key[0])
            address = _address(network, stack, node, family)
            if address:
                done.add(node.name if node is not None else "")
                yield Member(f"node/{node.name if node else key[0]}", "node", key[0], key, to_int(address), address)


def _address(network: Network, stack: NetStack, node: Node | None, family: int) -> str:
    """The address that a node is known by: its InternalIP, else the first of its cards, else the one that is most like a card's.

    The card of a machine that is itself a container is a veth; that of a hypervisor may be a port of the bridge that has the address.  An
    inner bridge that several machines have alike (docker0) is no machine's own, and dummy devices hold addresses of Services.
    """
    told = [a for a in (node.addresses if node is not None else ()) if family_of(a) == family and stack.own(to_int(a), family) is not None]
    held = [a for a in stack.addresses if a.family == family and a.scope == "global"]
    cards = [a.text for a in held if stack.link(a.device).type not in INNER and not stack.is_bridge(a.device)]
    if told or cards:
        return (told or cards)[0]
    ways = {hop.device for r in stack.fib.routes if (r.table, r.dst.length, r.dst.family) == ("main", 0, family) for hop in r.hops}
    near = [a for a in held if a.device in ways or stack.link(a.device).type == "veth"]
    far = [a for a in held if a not in near and stack.link(a.device).type != "dummy" and not _elsewhere(network, stack, a.value, family)]
    # Of equal ones the first, as the kernel prefers it.
    best = min([*near, *far], key=lambda a: (a.device not in ways, a not in near, a.device == "lo"), default=None)
    return best.text if best is not None else ""


def _elsewhere(network: Network, stack: NetStack, value: int, family: int) -> bool:
    """Whether another machine has an address too."""
    return any(other.is_host and other is not stack for other in network.holders(value, family))


class LeftOut(NamedTuple):
    """A stack that is no member, for nothing tells its address."""

    node: str
    stack: str
    why: str
    """``uncollected`` | ``none`` (it has no address of the family) | ``shared`` (other machines have the same)"""
    command: str = ""
    """What to run on the node, where its addresses were not collected."""


def left_out(network: Network, everybody: Iterable[Member], family: int) -> list[LeftOut]:
    """Stacks without an address that others could ask for, and why; empty namespaces are nobody's."""
    there = {member.key for member in everybody}
    found = []
    for key, stack in network.stacks.items():
        if key in there or not key[0] or not (stack.is_host or _lives(stack)):
            continue
        if not stack.collected("addresses") and not stack.addresses:
            found.append(LeftOut(*key, "uncollected", f"{stack.entry} ip -j addr".strip()))
        else:
            held = any(a.family == family and a.scope == "global" and stack.link(a.device).type != "dummy" for a in stack.addresses)
            found.append(LeftOut(*key, "shared" if held else "none"))
    return found


def _own(stack: NetStack, family: int) -> str:
    return next((a.text for a in stack.addresses if a.family == family and a.scope == "global" and a.device != "lo"), "")


def frontends(cluster: Cluster, family: int) -> list[Frontend]:
    """Every port of every Service with a cluster IP."""
    found = []
    for service in cluster.services.values():
        for address in service.cluster_ips[:1]:
            if family_of(address) == family:
                ports: Iterable[tuple[int, str]] = dict.fromkeys((p.port, p.protocol) for p in service.ports if p.protocol in {"tcp", "udp"})
                found += [Frontend(f"svc/{service.full}:{port}", to_int(address), address, port, protocol) for port, protocol in ports]
    return found


def doors(network: Network, cluster: Cluster, nodes: Sequence[Member], family: int) -> list[Frontend]:
    """Other ways to Services than their cluster IPs: ports of nodes, external addresses, those that a load balancer gave.

    Addresses that a load balancer keeps to itself (``ipMode: Proxy``) are beyond the evidence.
    """
    found: list[Frontend] = []
    for service in cluster.services.values():
        ports = [p for p in service.ports if p.protocol in {"tcp", "udp"}]
        for address in dict.fromkeys((*service.external_ips, *service.ingress_ips)):
            if family_of(address) == family and address not in service.proxied_ips:
                holders = [s for s in network.holders(to_int(address), family) if s.is_host]
                key = (holders[0].node, HOST) if len(holders) == 1 else None
                node = key[0] if key is not None else ""
                names = [(f"svc/{service.full}:{p.port}@{address}", p) for p in ports]
                found += [Frontend(name, to_int(address), address, p.port, p.protocol, "service", node, key) for name, p in names]
        for node_ in nodes:
            for p in ports:
                if p.node_port:
                    name = f"svc/{service.full}:{p.port}@{node_.name}:{p.node_port}"
                    found.append(Frontend(name, node_.value, node_.address, p.node_port, p.protocol, "service", node_.node, node_.key))
    return list({(f.value, f.port, f.protocol): f for f in reversed(found)}.values())[::-1]


def named(members_: Iterable[Member], pattern: str) -> list[Member]:
    """Members that an option names: ``pod/NS/NAME``, ``ns/NS``, ``node/NAME`` (the node and all on it), an address, a part of a name with ``*``."""
    from fnmatch import fnmatchcase

    kind, _, rest = pattern.partition("/")
    chosen = []
    for member in members_:
        whole = member.name in {pattern, f"pod/{pattern}"} or member.address == pattern or fnmatchcase(member.name, pattern)
        on_node = kind == "node" and rest == member.node
        in_space = kind in {"ns", "namespace"} and member.name.startswith(f"pod/{rest}/")
        if whole or on_node or in_space or member.name.rpartition("/")[2] == pattern:
            chosen.append(member)
    return chosen


def is_host(member: Member) -> bool:
    """Whether a member is a node's own stack."""
    return member.key is not None and member.key[1] == HOST
