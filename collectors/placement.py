"""Which folders are pods' namespaces, and of which node.

People print a pod's state into a folder of its own and do not say where the pod ran.  The kernel does: both ends of a veth
pair name each other's index (``eth0@if7``).  Indices repeat from node to node, so that addresses and MACs decide among several fits;
what stays ambiguous is left alone, and said.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.contained import contained
from collectors.place import Place
from engine.facts import HOST, Fact, Source
from engine.inet import family_of, in_prefix, is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

VIRTUAL: Final = (
    "lo", "docker", "veth", "cni", "br-", "virbr", "flannel", "cali", "tunl", "vxlan", "cilium", "lxc", "kube-", "nodelocaldns", "dummy", "tun",
    "tap", "wg", "ip6tnl", "sit",
    "gre", "erspan", "nerdctl", "podman", "weave", "vethwe", "datapath",
)
"""Beginnings of names that virtual devices of nodes bear."""
NODE_DEVICES: Final = ("docker", "cni", "br-", "virbr", "flannel", "cali", "vxlan.calico", "cilium", "kube-ipvs", "nerdctl", "podman", "weave")
"""Devices that only nodes have."""
NODE_KINDS: Final = frozenset({"container", "container_network", "cni_config", "cni_leases", "cni_plugins", "bgp_peer", "flannel_subnet", "kubelet"})
"""Facts that only nodes give."""
NOWHERE_SPECIAL: Final = frozenset({None, "0.0.0.0/0", "::/0"})
"""Destinations of routes that say nothing about any address."""
IPV4: Final = 4
SILENT: Final = frozenset({"unparsed", "not_collected", "collected", "collection"})
"""Facts that do not make a stack exist."""


@dataclass(slots=True)
class Placed:
    """Facts at their places."""

    facts: list[Fact]
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _View:
    """What placement looks at in the facts of one node's own stack."""

    node: str
    links: dict[str, Fact] = field(default_factory=dict)
    addresses: list[Fact] = field(default_factory=list)
    routes: list[Fact] = field(default_factory=list)
    macs: set[str] = field(default_factory=set)
    """Of neighbours and fdb entries."""
    node_facts: bool = False

    @property
    def ends(self) -> list[Fact]:
        """Devices whose other end is in another namespace."""
        return [link for link in self.links.values() if link.get("peer_index") is not None and link.get("peer_name") is None]

    @property
    def bridges(self) -> bool:
        """Whether it has a bridge."""
        return any(link.get("type") == "bridge" for link in self.links.values()) or any(link.get("master") for link in self.links.values())

    @property
    def hardware(self) -> bool:
        """Whether it has a network card."""
        return any(_is_hardware(link) for link in self.links.values())

    @property
    def node_like(self) -> bool:
        """Whether only a node looks so."""
        named = (*self.links, *(str(route.get("device", "")) for route in self.routes))
        return self.node_facts or self.bridges or self.hardware or any(name.startswith(NODE_DEVICES) for name in named)


def _is_hardware(link: Fact) -> bool:
    """A network card: no other end, no software type, no name of a virtual device."""
    if link.get("peer_index") is not None or link.get("peer_name") is not None or link.get("type", "ether") != "ether":
        return False
    return bool(link.get("mac")) and not str(link.get("name")).startswith(VIRTUAL) and "NOARP" not in link.get("flags", ())


class _Join(NamedTuple):
    """A folder's device that pairs with a node's."""

    inner: Fact
    outer: Fact


def place(facts: Sequence[Fact], loose: Mapping[str, str], renameable: AbstractSet[str], peers: Mapping[Place, Mapping[int, str]]) -> Placed:
    """Join loose folders to nodes, name nodes, resolve the other ends of veths, and emit a ``netns`` fact for every stack.

    ``loose``: nodes that are folders so far → the node whose folder they lie in, or "".
    ``renameable``: nodes whose name was made up; the host name that the evidence tells takes its place.
    ``peers``: link-netnsid → stack, where a collector resolved them.
    """
    placed = Placed(list(facts))
    _take_out(placed, loose)
    placed.warnings.extend(_mixed(placed.facts))
    views = _views(placed.facts)
    joined = _Joiner(views, loose, placed).join()
    _move(placed, joined)
    _rename(placed, renameable)
    _resolve_peers(placed, peers)
    _forget_names(placed, {name for folder, above in loose.items() for name in (folder, above)})
    _state_stacks(placed)
    return placed


def _take_out(placed: Placed, loose: Mapping[str, str]) -> None:
    """A folder that holds the outputs of the namespace of its own name alone (``ip netns exec web …`` in ``web/``) is that namespace."""
    stacks: dict[str, set[str]] = defaultdict(set)
    for fact in placed.facts:
        if fact.kind not in SILENT:
            stacks[fact.node].add(fact.stack)
    alone = {node for node in loose if stacks.get(node) == {node}}
    if alone:
        placed.facts = [fact.at(fact.node, HOST) if fact.node in alone else fact for fact in placed.facts]


def _mixed(facts: Iterable[Fact]) -> list[str]:
    """Stacks of which two listings show the cards of different machines: somebody put two machines' outputs into one folder."""
    seen: dict[tuple[str, str], dict[int, tuple[Source, dict[str, set[str]]]]] = defaultdict(dict)
    for fact in facts:
        device = str(fact.get("name") or fact.get("device") or "")
        told = fact.get("mac") if fact.kind == "link" else fact.get("address") if fact.kind == "address" and fact.get("scope") != "link" else None
        if told and device and not device.startswith(VIRTUAL):
            _, devices = seen[fact.node, fact.stack].setdefault(id(fact.source), (fact.source, defaultdict(set)))
            devices[device].add(str(told))
    warnings = []
    for (node, stack), listings in seen.items():
        (first, known), *others = listings.values()
        for source, devices in others:
            shared = sorted(devices.keys() & known.keys())
            if shared and all(_strangers(known[name], devices[name]) for name in shared):
                files = f"{first.name} and {source.name} show" if first.name != source.name else f"{source.name} shows twice"
                pair = f"{min(known[shared[0]])}, {min(devices[shared[0]])}"
                place = node if stack == HOST else f"{node}/{stack}"
                way_out = "if they are of two machines, put the files of each into a folder of its own"
                warnings.append(f"{place}: {files} a different {shared[0]} ({pair}): {way_out}")
                break
    return warnings


def _strangers(one: AbstractSet[str], other: AbstractSet[str]) -> bool:
    """Whether two listings of a device agree in nothing that both tell: its MAC, or its addresses of a family."""
    told = [{kind: {text for text in texts if _kind(text) == kind} for kind in map(_kind, texts)} for texts in (one, other)]
    both = told[0].keys() & told[1].keys()
    return bool(both) and all(told[0][kind].isdisjoint(told[1][kind]) for kind in both)


def _kind(text: str) -> int:
    """4 or 6 of an address, 0 of a MAC."""
    return family_of(text) if is_address(text) else 0


def _views(facts: Iterable[Fact]) -> dict[str, _View]:
    """A view of every node's own stack."""
    views: dict[str, _View] = {}
    for fact in facts:
        if not fact.node or fact.stack != HOST or fact.kind in SILENT:
            continue
        view = views.setdefault(fact.node, _View(fact.node))
        if fact.kind == "link":
            name = str(fact.get("name"))
            known = view.links.get(name)
            # Several outputs list a device; the one that tells more of the pairing counts.
            if known is None or len(fact.fields) > len(known.fields):
                view.links[name] = fact
        elif fact.kind == "address":
            view.addresses.append(fact)
        elif fact.kind == "route":
            view.routes.append(fact)
        elif fact.kind in {"neighbor", "fdb"} and fact.get("mac"):
            view.macs.add(str(fact.get("mac")))
        elif fact.kind in NODE_KINDS:
            view.node_facts = True
    return views


class _Joiner:
    """Decides for every loose folder whether it is a namespace of a node."""

    def __init__(self, views: dict[str, _View], loose: Mapping[str, str], placed: Placed) -> None:
        self.views = views
        self.loose = loose
        self.placed = placed
        self.taken: set[tuple[str, int]] = _paired(placed.facts)
        """Devices of nodes (node, index) whose other end was found."""
        self.joined: dict[str, tuple[str, list[_Join]]] = {}
        self.strange: dict[str, str] = {}
        """Folder → node that only the numbers of a veth pair tie it to."""

    def join(self) -> dict[str, tuple[str, list[_Join]]]:
        """Folder → node and the veth pairs that join them."""
        open_folders = [node for node in self.loose if node in self.views and self.views[node].links]
        copies = self._copies()
        ambiguous: dict[str, list[str]] = {}
        progress = True
        # A decided folder takes its node's device away from the others: go on until nothing changes.
        while progress:
            progress = False
            # Those that lie in a node's folder choose first: indices repeat, and somebody put them there.
            for folder in sorted(open_folders, key=lambda name: not self.loose[name]):
                fits = self._fits(folder, copies)
                chosen = self._choose(folder, fits)
                if chosen:
                    self._decide(folder, chosen, fits[chosen])
                    open_folders.remove(folder)
                    progress = True
                elif len(fits) > 1:
                    ambiguous[folder] = sorted(fits)
        for folder in open_folders:
            if folder in ambiguous:
                nodes = " and ".join(ambiguous[folder])
                way_out = f"say which with --stack {folder}=NODE/NAME"
                self.placed.warnings.append(f"{folder} could be a namespace of {nodes} alike: it is read as a node of its own ({way_out})")
            elif folder in self.strange:
                node = self.strange[folder]
                why = f"a veth of {node} has fitting numbers, but other subnets (--stack {folder}={node}/NAME joins them)"
                self.placed.notes.append(f"{folder}: read as a node of its own: {why}")
            else:
                self._nested(folder)
        for folder, parent in self.loose.items():
            # Folders without links (resolv.conf only, say) go where they lie.
            if parent and folder in self.views and not self.views[folder].links:
                self._nested(folder)
        return self.joined

    def _copies(self) -> set[str]:
        """Folders of nodes that list the same devices as one before them: copies, which attract nothing."""
        seen: dict[frozenset[tuple[str, str, int]], str] = {}
        copies = set()
        for node, view in sorted(self.views.items()):
            if not view.node_like or len(view.links) < 3:
                continue
            key = frozenset((name, str(link.get("mac")), int(link.get("index", 0))) for name, link in view.links.items())
            if key in seen and node in self.loose:
                copies.add(node)
                self.placed.warnings.append(f"{node} lists the very devices of {seen[key]}: is it a copy?")
            seen.setdefault(key, node)
        return copies

    def _fits(self, folder: str, copies: set[str]) -> dict[str, list[_Join]]:
        """Nodes that every veth of the folder has its other end in."""
        inner = self.views[folder]
        if inner.node_like or not inner.ends or folder in {node for node, _ in self.joined.values()}:
            return {}
        fits = {}
        for node, outer in self.views.items():
            if node == folder or node in self.joined or node in copies:
                continue
            pairs = [pair for link in inner.ends if (pair := self._pair(link, outer))]
            if len(pairs) != len(inner.ends) or not self._is_above(outer, inner) or any(_elsewhere(pair, inner, outer) for pair in pairs):
                continue
            if self.loose[folder] != node and any(_wire_of_hosts(pair, inner, outer) for pair in pairs):
                continue
            if self.loose[folder] == node or not _foreign(pairs, inner, outer):
                fits[node] = pairs
            else:
                self.strange.setdefault(folder, node)
        return fits

    def _pair(self, link: Fact, outer: _View) -> _Join | None:
        """The node's device at the other end of a folder's, if each names the other."""
        index, peer = link.get("index"), link.get("peer_index")
        for end in outer.ends:
            if end.get("index") == peer and end.get("peer_index") == index and (outer.node, int(end.get("index", 0))) not in self.taken:
                return _Join(link, end)
        return None

    def _is_above(self, outer: _View, inner: _View) -> bool:
        """Whether the outer one is the node of the two."""
        if outer.node_like or self.loose.get(inner.node) == outer.node:
            return True
        return outer.node not in self.loose or len(outer.ends) > len(inner.ends)

    def _choose(self, folder: str, fits: Mapping[str, list[_Join]]) -> str:
        """The node that a folder belongs to; "" if none or several fit alike."""
        if len(fits) <= 1:
            return next(iter(fits), "")
        if (parent := self.loose[folder]) in fits:
            return parent
        scores = {node: self._likeness(self.views[folder], self.views[node], pairs) for node, pairs in fits.items()}
        best = max(scores.values())
        winners = [node for node, score in scores.items() if score == best]
        return winners[0] if len(winners) == 1 and best else ""

    @staticmethod
    def _likeness(inner: _View, outer: _View, pairs: Sequence[_Join]) -> int:
        """How well addresses and MACs agree: a route or neighbour of the node that points at the folder."""
        score = 0
        for pair in pairs:
            devices = {outer_device for outer_device in (pair.outer.get("name"), pair.outer.get("master")) if outer_device}
            mine = [str(a.get("address")) for a in _global_addresses(pair, inner)]
            score += 4 * (pair.inner.get("mac") in outer.macs)
            score += 2 * any(_routed_to(address, devices, outer) for address in mine)
        return score

    def _decide(self, folder: str, node: str, pairs: list[_Join]) -> None:
        """Record a join."""
        self.joined[folder] = (node, pairs)
        self.taken.update((node, int(pair.outer.get("index", 0))) for pair in pairs)
        names = ", ".join(str(pair.outer.get("name")) for pair in pairs)
        indices = ", ".join(str(pair.outer.get("index")) for pair in pairs)
        self.placed.notes.append(f"{folder}: joined to {node} by veth {indices} ({names})")

    def _nested(self, folder: str) -> None:
        """A folder inside a node's folder that looks like no node is a namespace of it."""
        parent = self.loose[folder]
        if not parent or parent in self.joined or self.views[folder].node_like:
            return
        if parent not in self.views or (self.views[folder].ends and self.views[parent].ends):
            # Both tell the other ends of their veths, and they do not meet.
            return
        self.joined[folder] = (parent, [])
        self.placed.notes.append(f"{folder}: joined to {parent}, whose folder it lies in")


def _paired(facts: Iterable[Fact]) -> set[tuple[str, int]]:
    """Devices of nodes whose other end lies in a namespace that the layout already names."""
    hosts = {(f.node, f.get("index")): f for f in facts if f.kind == "link" and f.stack == HOST and f.get("index") is not None}
    found = set()
    for fact in facts:
        if fact.kind == "link" and fact.stack != HOST and fact.get("peer_index") is not None:
            other = hosts.get((fact.node, fact.get("peer_index")))
            if other is not None and other.get("peer_index") == fact.get("index"):
                found.add((fact.node, int(fact.get("peer_index"))))
    return found


def _elsewhere(pair: _Join, inner: _View, outer: _View) -> bool:
    """Whether the node has the folder's address on a wire of its own: then equal indices are chance, and the folder is its neighbour.

    A bridge of the node does not count: a veth that fell out of it is a fault to be found, not a reason to part them.
    """
    devices = {str(name) for name in (pair.outer.get("name"), pair.outer.get("master")) if name}
    for address in _global_addresses(pair, inner):
        if _routed_to(str(address.get("address")), devices, outer):
            continue
        for own in outer.addresses:
            link = outer.links.get(str(own.get("device")))
            if own.get("device") in devices or own.get("family") != address.get("family") or link is None or own.get("prefixlen") in {None, 32, 128}:
                continue
            wired = link.get("type") != "bridge" and not any(x.get("master") == own.get("device") for x in outer.links.values())
            if wired and own.get("device") != "lo" and in_prefix(str(address.get("address")), f"{own.get('address')}/{own.get('prefixlen')}"):
                return True
    return False


def _wire_of_hosts(pair: _Join, inner: _View, outer: _View) -> bool:
    """Whether a pair is a wire between two hosts rather than a container's: both ends have an address of one subnet.

    Containers hang on a bridge, or on a device with a host address and a host route.  What lies in a folder of its own beside the node's
    and shares a subnet with a device of the node is a machine to the person who made the folders.
    """
    mine = [own for own in outer.addresses if own.get("device") == pair.outer.get("name") and own.get("prefixlen") not in {None, 32, 128}]
    return any(
        own.get("family") == address.get("family") and in_prefix(str(address.get("address")), f"{own.get('address')}/{own.get('prefixlen')}")
        for own in mine
        for address in _global_addresses(pair, inner)
    )


def _global_addresses(pair: _Join, inner: _View) -> list[Fact]:
    """Addresses of the folder's end of a pair that are valid beyond the link."""
    return [a for a in inner.addresses if a.get("device") == pair.inner.get("name") and a.get("scope") != "link"]


def _foreign(pairs: Sequence[_Join], inner: _View, outer: _View) -> bool:
    """Whether the node has other subnets on the wires of the pairs than the folder has there, and nothing else ties them.

    Then equal indices are chance (they are small).
    """
    gateways = {str(route.get("gateway")) for route in inner.routes if route.get("gateway")}
    if any(own.get("address") in gateways for own in outer.addresses):
        return False
    for pair in pairs:
        devices = {str(name) for name in (pair.outer.get("name"), pair.outer.get("master")) if name}
        mine = [a for a in _global_addresses(pair, inner) if a.get("family") == IPV4]
        there = [own for own in outer.addresses if own.get("device") in devices and own.get("family") == IPV4]
        known = pair.inner.get("mac") in outer.macs or any(_routed_to(str(a.get("address")), devices, outer) for a in mine)
        if mine and there and not known:
            return True
    return False


def _routed_to(address: str, devices: AbstractSet[str], outer: _View) -> bool:
    """Whether the node reaches an address through one of the devices."""
    routes = [str(route.get("dst")) for route in outer.routes if route.get("device") in devices and route.get("dst") not in NOWHERE_SPECIAL]
    subnets = [f"{own.get('address')}/{own.get('prefixlen')}" for own in outer.addresses if own.get("device") in devices]
    return any(family_of(prefix) == family_of(address) and in_prefix(address, prefix) for prefix in (*routes, *subnets))


# --- carrying out ------------------------------------------------------------------------------------------------------


def _move(placed: Placed, joined: Mapping[str, tuple[str, list[_Join]]]) -> None:
    """Give the facts of joined folders their node and stack, and both ends of each veth the other's stack."""
    if not joined:
        return
    taken: dict[str, set[str]] = defaultdict(set)
    for fact in placed.facts:
        taken[fact.node].add(fact.stack)
    targets: dict[str, Place] = {}
    for folder, (node, _) in joined.items():
        if folder == node:
            # The folder in which it lies got its name from a prompt: one machine, of which other outputs lie beside it.
            targets[folder] = Place(node, HOST)
            continue
        name = next(n for n in (folder, *(f"{folder}-{i}" for i in range(2, 1 << 20))) if n not in taken[node] and n != HOST)
        taken[node].add(name)
        targets[folder] = Place(node, name)
    ends: dict[tuple[str, str], str] = {}
    for folder, (node, pairs) in joined.items():
        for pair in pairs:
            ends[node, str(pair.outer.get("name"))] = targets[folder].stack
            ends[folder, str(pair.inner.get("name"))] = HOST
    for number, fact in enumerate(placed.facts):
        if fact.kind == "link" and fact.stack == HOST and (stack := ends.get((fact.node, str(fact.get("name"))))):
            fact = fact.having(peer_stack=stack)  # noqa: PLW2901  (the same fact with one field more)
        target = targets.get(fact.node)
        placed.facts[number] = fact.at(target.node, target.stack) if target and fact.stack == HOST else fact


def _rename(placed: Placed, renameable: AbstractSet[str]) -> None:
    """Name nodes by their host names where their own name was made up."""
    nodes = {fact.node for fact in placed.facts}
    for node in renameable & nodes:
        names = {str(f.get("hostname")) for f in placed.facts if f.kind == "host" and f.node == node and f.stack == HOST and f.get("hostname")}
        by = "its host name" if names else "the only node of the cluster's objects"
        names = names or _only_member(placed.facts, nodes)
        if len(names) != 1 or (name := names.pop()) in nodes:
            continue
        # A folder of that very name is the machine itself, not a namespace of it.
        placed.facts = [fact.at(name, HOST if fact.stack == name else fact.stack) if fact.node == node else fact for fact in placed.facts]
        placed.notes.append(f"{node}: named {name} after {by}")


def _only_member(facts: Sequence[Fact], nodes: AbstractSet[str]) -> set[str]:
    """The one node that the API's objects speak of, where the state of one machine was given that nobody named."""
    if len(nodes - {""}) != 1:
        return set()
    fields = {"k8s_node": "name", "pod": "node_name"}
    told = {str(name) for f in facts if f.kind in fields and (name := f.get(fields[f.kind]))}
    return told if len(told) == 1 else set()


def _resolve_peers(placed: Placed, peers: Mapping[Place, Mapping[int, str]]) -> None:
    """Fill ``peer_stack`` of links whose link-netnsid the collector resolved."""
    for number, fact in enumerate(placed.facts):
        if fact.kind == "link" and fact.get("netnsid") is not None and fact.get("peer_stack") is None:
            stack = peers.get(Place(fact.node, fact.stack), {}).get(fact.get("netnsid"))
            if stack is not None:
                placed.facts[number] = fact.having(peer_stack=stack)


def _forget_names(placed: Placed, loose: AbstractSet[str]) -> None:
    """Without names of other ends' namespaces (``link-netns``) that no folder bears: people call folders otherwise, and indices still tell."""
    stacks = {(fact.node, fact.stack) for fact in placed.facts}
    for number, fact in enumerate(placed.facts):
        if fact.kind == "link" and fact.node in loose and fact.get("peer_stack") and (fact.node, fact.get("peer_stack")) not in stacks:
            placed.facts[number] = fact.having(peer_stack=None)


def _state_stacks(placed: Placed) -> None:
    """Emit a ``netns`` fact for every stack that has none yet."""
    stated = {(fact.node, fact.stack) for fact in placed.facts if fact.kind == "netns"}
    seen: dict[tuple[str, str], Source] = {}
    own: dict[str, list[Fact]] = defaultdict(list)
    for fact in placed.facts:
        if fact.node and fact.kind not in SILENT:
            seen.setdefault((fact.node, fact.stack), fact.source)
            if fact.stack == HOST:
                own[fact.node].append(fact)
    above = {node for node, stack in (*stated, *seen) if stack != HOST}
    for (node, stack), source in seen.items():
        if (node, stack) not in stated:
            alone = node not in above and not any(fact.kind in NODE_KINDS for fact in own[node])
            role = "host" if stack == HOST and not (alone and contained(own[node])) else "container"
            placed.facts.append(Fact("netns", {"name": stack, "role": role}, node, stack, source, 0, f"network namespace {stack} of {node}"))
