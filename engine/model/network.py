"""All stacks of the evidence and how their devices are joined."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from engine.model.links import SHARING_TYPES, VIRTUAL_TYPES, Link
from engine.model.stack import NetStack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import networkx as nx

    from engine.facts import Fact, FactBase

STACK_KINDS = frozenset(
    {
        "collected",
        "not_collected",
        "netns",
        "link",
        "bridge_port",
        "address",
        "neighbor",
        "fdb",
        "route",
        "routing_rule",
        "netfilter_table",
        "nft_ruleset",
        "ipset",
        "sysctl",
        "xfrm_policy",
        "xfrm_state",
        "qdisc",
        "tc_filter",
        "conntrack",
        "ipvs_service",
        "ipvs_server",
        "wireguard_device",
        "wireguard_peer",
        "socket",
        "kernel_trace",
        "kernel_message",
        "dns_config",
        "hosts_entry",
        "kernel_module",
        "counter",
        "ipvs_timeouts",
    }
)
"""Kinds of facts that describe a stack."""


class Port(NamedTuple):
    """A device of a stack, as an end of a wire."""

    stack: NetStack
    link: Link

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity: node, stack, device."""
        return self.stack.node, self.stack.name, self.link.name


class Network:
    """Stacks by (node, name); immutable, parts computed when asked for."""

    def __init__(self, facts: FactBase, before: Network | None = None) -> None:
        """Build from facts; stacks whose facts are the same objects as in ``before`` are shared with it (the what-if)."""
        self.facts = facts
        grouped: dict[tuple[str, str], dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
        for fact in facts.facts:
            if fact.kind in STACK_KINDS:
                grouped[fact.node, fact.stack][fact.kind].append(fact)
        self.grouped = grouped
        self.stacks: dict[tuple[str, str], NetStack] = {}
        for key, kinds in grouped.items():
            old = before.stacks.get(key) if before else None
            same = old is not None and before is not None and _identical(kinds, before.grouped[key])
            self.stacks[key] = old if same and old is not None else NetStack(*key, kinds, old)
        self._peers: dict[tuple[str, str, str], Port | None] = {}

    def stack(self, node: str, name: str) -> NetStack | None:
        """A stack, or ``None`` if the evidence has none of that name."""
        return self.stacks.get((node, name))

    def holders(self, value: int, family: int) -> list[NetStack]:
        """Stacks that own an address."""
        return [s for s in self.stacks.values() if s.own(value, family) is not None]

    def stacks_of(self, node: str) -> list[NetStack]:
        """All stacks of a node."""
        return self._by_node.get(node, [])

    @cached_property
    def _by_node(self) -> dict[str, list[NetStack]]:
        found: dict[str, list[NetStack]] = defaultdict(list)
        for (node, _), stack in self.stacks.items():
            found[node].append(stack)
        return found

    # --- wires ----------------------------------------------------------------------------------------------------

    def peer(self, port: Port) -> Port | None:
        """Other end of a veth, ``None`` if it is not in the evidence (or the device is no veth)."""
        if port.key not in self._peers:
            self._peers[port.key] = self._find_peer(port)
        return self._peers[port.key]

    def _find_peer(self, port: Port) -> Port | None:
        link = port.link
        if link.type not in {"veth", ""}:
            return None
        if link.peer_name:
            other = port.stack.links.get(link.peer_name)
            # "@NAME" also names the lower device of vlan and macvlan links: a veth pair points both ways.
            return Port(port.stack, other) if other is not None and other.peer_name == link.name else None
        if link.peer_index is None:
            return None
        if link.peer_stack:
            stack = self.stack(port.stack.node, link.peer_stack)
            other = stack.links_by_index.get(link.peer_index) if stack else None
            return Port(stack, other) if stack is not None and other is not None else None
        fits = [p for p in self._candidates(port) if p.link.peer_index == link.index and not p.link.peer_name]
        return fits[0] if len(fits) == 1 else None

    def _candidates(self, port: Port) -> Iterator[Port]:
        for stack in self.stacks_of(port.stack.node):
            if stack is port.stack:
                continue
            other = stack.links_by_index.get(port.link.peer_index or -1)
            if other is not None and other.type in {"veth", ""}:
                yield Port(stack, other)

    def lower(self, port: Port) -> Port | None:
        """The device whose wire a macvlan or ipvlan device shares, ``None`` if it is not in the evidence (or the device is of another type)."""
        if port.link.type not in SHARING_TYPES:
            return None
        return self._lower.get(port.key)

    def sharers(self, port: Port) -> Sequence[Port]:
        """The macvlan and ipvlan devices on a device."""
        return self._sharers.get(port.key, ())

    @cached_property
    def _lower(self) -> dict[tuple[str, str, str], Port]:
        ports = (Port(s, link) for s in self.stacks.values() for link in s.links.values() if link.type in SHARING_TYPES)
        return {port.key: lower for port in ports if (lower := self._find_lower(port)) is not None}

    @cached_property
    def _sharers(self) -> dict[tuple[str, str, str], list[Port]]:
        found: dict[tuple[str, str, str], list[Port]] = defaultdict(list)
        for (node, stack, device), lower in self._lower.items():
            found[lower.key].append(Port(self.stacks[node, stack], self.stacks[node, stack].link(device)))
        return found

    def _find_lower(self, port: Port) -> Port | None:
        """By its name in the same stack, or by its number in another one: the resolved one, else the node's own, else the only one that fits."""
        link = port.link
        if link.peer_name:
            other = port.stack.links.get(link.peer_name)
            return Port(port.stack, other) if other is not None else None
        if link.peer_index is None:
            return None
        near = self.stacks_of(port.stack.node)
        stacks = [s for s in near if s.name == link.peer_stack] if link.peer_stack else [s for s in near if s is not port.stack]
        ports = [Port(s, s.links_by_index[link.peer_index]) for s in stacks if link.peer_index in s.links_by_index]
        fits = [p for p in ports if p.link.type not in SHARING_TYPES and p.link.type != "loopback"]
        return next((p for p in fits if p.stack.is_host), fits[0] if len(fits) == 1 else None)

    def is_external(self, port: Port) -> bool:
        """Whether a frame sent by this device leaves for a wire that the evidence does not show (a NIC, or a veth whose peer was not collected)."""
        lower = self.lower(port)
        if lower is not None:
            return self.is_external(lower)
        if port.link.type in VIRTUAL_TYPES or port.link.name == "lo" or port.stack.is_bridge(port.link.name):
            return False
        return self.peer(port) is None

    def external_ports(self) -> Sequence[Port]:
        """All devices that lead to wires outside the evidence."""
        return self._external

    @cached_property
    def _external(self) -> tuple[Port, ...]:
        ports = (Port(stack, link) for stack in self.stacks.values() for link in stack.links.values())
        return tuple(port for port in ports if self.is_external(port))

    def joined(self, stack: NetStack) -> set[tuple[str, str]]:
        """Keys of the stacks that wires lead to from here; all devices that lead outside are taken for one cloud."""
        outside = {(p.stack.node, p.stack.name) for p in self.external_ports()}
        found = {(stack.node, stack.name)}
        queue = [stack]
        while queue:
            here = queue.pop()
            own = [Port(here, link) for link in here.links.values()]
            met = [p for port in own for p in (self.peer(port), self.lower(port), *self.sharers(port))]
            next_keys = {(p.stack.node, p.stack.name) for p in met if p is not None}
            if (here.node, here.name) in outside:
                next_keys |= outside
            for key in next_keys - found:
                found.add(key)
                queue.append(self.stacks[key])
        return found

    def graph(self) -> nx.MultiGraph[tuple[str, str]]:
        """Stacks as nodes, veth pairs as edges (``wire``: both device names); for topology output and lint, not for the walk."""
        import networkx as nx

        graph: nx.MultiGraph[tuple[str, str]] = nx.MultiGraph()
        graph.add_nodes_from(self.stacks)
        for stack in self.stacks.values():
            for link in stack.links.values():
                other = self.peer(Port(stack, link))
                if other is not None and (stack.node, stack.name, link.name) < other.key:
                    graph.add_edge((stack.node, stack.name), (other.stack.node, other.stack.name), wire=(link.name, other.link.name))
        return graph


def _identical(one: dict[str, list[Fact]], other: dict[str, list[Fact]]) -> bool:
    return one.keys() == other.keys() and all(
        len(v) == len(other[k]) and all(a is b for a, b in zip(v, other[k], strict=True)) for k, v in one.items()
    )


def build(facts: FactBase, before: Network | None = None) -> Network:
    """Model of everything in the evidence."""
    return Network(facts, before)
