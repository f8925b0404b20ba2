"""The shape of a flow: everything in the evidence that has to do with it, with names taken out.

Two flows of one shape are walked alike: their stacks hold the same lines in the same order, but for the names of the machines, their
addresses, and the devices that lead to containers.  Where that cannot be told (kinds of evidence that are not taken apart, stations that
answer for others), a flow has no shape, and is like no other.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from engine.facts import HOST
from engine.inet import BITS, to_text
from engine.matrix.items import Device, Mac, Net, Span
from engine.matrix.observer import Observer
from engine.model.network import Port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.matrix.items import Item, Listing, Literal, Part
    from engine.matrix.observer import Key
    from engine.model.network import Network
    from engine.model.stack import NetStack

MAX_STACKS = 24
"""Stacks that a flow has to do with, beyond which it is taken for one of its own."""
MAX_ROUNDS = 8
ROLES = tuple(f"{number}." for number in range(MAX_STACKS + 1))

Shape = tuple[object, ...]


class Atlas:
    """All stacks of the evidence as observers, and who holds which address."""

    def __init__(self, network: Network, family: int) -> None:
        self.network = network
        self.family = family
        self.bits = BITS[family]
        self._observers: dict[Key, Observer] = {}
        self._interned: dict[object, int] = {}
        self._static: dict[Key, int] = {}

    def observer(self, key: Key) -> Observer:
        """A stack's evidence."""
        found = self._observers.get(key)
        if found is None:
            found = self._observers[key] = Observer(self.network, self.network.stacks[key], self.family)
        return found

    def intern(self, thing: object) -> int:
        """A small number for a value."""
        return self._interned.setdefault(thing, len(self._interned))

    def static(self, key: Key) -> int:
        """What a stack says of every packet, as a number."""
        if key not in self._static:
            self._static[key] = self.intern(self.observer(key).static)
        return self._static[key]

    @cached_property
    def holders(self) -> dict[int, list[Key]]:
        """Address → stacks that hold it."""
        found: dict[int, list[Key]] = defaultdict(list)
        for key, stack in self.network.stacks.items():
            for value in dict.fromkeys(a.value for a in stack.addresses if a.family == self.family):
                found[value].append(key)
        return dict(found)

    @cached_property
    def bearers(self) -> dict[str, list[Key]]:
        """MAC → stacks that bear it, once for each device."""
        found: dict[str, list[Key]] = defaultdict(list)
        for key, stack in self.network.stacks.items():
            for link in stack.links.values():
                if link.mac and link.name != "lo":
                    found[link.mac].append(key)
        return dict(found)

    def wires_of(self, key: Key) -> list[tuple[Key, str, str]]:
        """Where a container hangs: the other stack, its device, and the container's own."""
        return self._wires.get(key, [])

    @cached_property
    def _wires(self) -> dict[Key, list[tuple[Key, str, str]]]:
        found: dict[Key, list[tuple[Key, str, str]]] = defaultdict(list)
        for key, stack in self.network.stacks.items():
            for link in stack.links.values() if not stack.is_host else ():
                peer = self.network.peer(Port(stack, link))
                if peer is not None:
                    found[key].append(((peer.stack.node, peer.stack.name), peer.link.name, link.name))
        return dict(found)

    @cached_property
    def restless(self) -> set[str]:
        """Nodes with a container that may answer for others; "" if a node may."""
        found = set()
        for key, stack in self.network.stacks.items():
            if self.observer(key).proxies:
                found.add("" if stack.is_host else stack.node)
        return found


class World:
    """The stacks and addresses that one flow has to do with, named by the part they play."""

    def __init__(self, atlas: Atlas, ports: frozenset[int]) -> None:
        self.atlas = atlas
        self.stacks: dict[Key, int] = {}
        self.addresses: dict[int, str] = {}
        self.devices: dict[tuple[Key, str], str] = {}
        self.macs: dict[str, str] = {}
        self.ports = set(ports)
        self.lost = False
        """Something cannot be named."""
        self._nets: dict[Literal, str] = {}

    @property
    def size(self) -> tuple[int, ...]:
        """Grows while something new is met."""
        return len(self.stacks), len(self.addresses), len(self.devices), len(self.macs), len(self.ports)

    # --- who takes part -------------------------------------------------------------------------------------------

    def admit(self, key: Key) -> None:
        """A stack takes part, and the node that it is on."""
        if key in self.stacks:
            return
        stack = self.atlas.network.stacks.get(key)
        if stack is None or len(self.stacks) >= MAX_STACKS:
            self.lost = True
            return
        role = ROLES[len(self.stacks)]
        self.stacks[key] = len(self.stacks)
        for place, own in enumerate(self._own(key, stack)):
            shared = len(self.atlas.holders[own]) > 1
            self.addresses.setdefault(own, "=" + to_text(own, self.atlas.family) if shared else f"{role}{place}")
        for place, (there, device, _) in enumerate(self.atlas.wires_of(key)):
            self.devices[there, device] = f"{role}w{place}"
            self._name_mac(next((link.mac for link in [self.atlas.network.stacks[there].link(device)]), ""), f"{role}w{place}")
        for mac, device in self.atlas.observer(key).macs:
            self._name_mac(mac, f"{role}m{device}")
        self._nets.clear()
        if key[1] != HOST:
            self.admit((key[0], HOST))

    def _own(self, key: Key, stack: NetStack) -> Iterator[int]:
        for own in stack.addresses:
            if own.family == self.atlas.family and not (own.prefixlen == self.atlas.bits and stack.link(own.device).type == "dummy"):
                yield own.value

    def _name_mac(self, mac: str, name: str) -> None:
        if mac:
            self.macs.setdefault(mac, name if len(self.atlas.bearers.get(mac, ())) == 1 else "=" + mac)

    def meet(self, value: int) -> None:
        """A packet may be sent to an address."""
        if value in self.addresses:
            if self.addresses[value].startswith("=") and len(self.atlas.holders.get(value, ())) > 1:
                self.lost = True
            return
        holders = self.atlas.holders.get(value, [])
        if len(holders) > 1:
            self.lost = True
        for key in holders[:1]:
            self.admit(key)
        if value not in self.addresses:
            self.addresses[value] = f"{ROLES[self.stacks[holders[0]]]}v" if holders and holders[0] in self.stacks else "=" + to_text(value, self.atlas.family)
            self._nets.clear()

    def target(self, value: int, name: str, node: str) -> None:
        """An address that nobody holds in the evidence (a pod known by the API alone, a Service), and the node it should be on."""
        if value not in self.addresses:
            self.addresses[value] = name
            self._nets.clear()
        if node:
            self.admit((node, HOST))
            self._name_wires((node, HOST), value, name)

    def _name_wires(self, key: Key, value: int, name: str) -> None:
        """Devices to which a node routes an address alone lead to whoever has it."""
        observer = self.atlas.observer(key)
        for place in observer.facts.near(value, self.atlas.bits):
            item = observer.facts.items[place]
            if item.parts[0] == "route" and Net(value, self.atlas.bits) in item.select:
                for each in item.select:
                    if isinstance(each, Device):
                        self.devices[key, each.name] = f"{name}w"

    def follow(self, item: Item) -> None:
        """Wherever an item may send a packet takes part as well."""
        for each in item.leads:
            if isinstance(each, Net):
                self.meet(each.value)
            elif isinstance(each, Mac):
                self._follow_mac(each.text)
            else:
                self.lost = True
        self.ports.update(item.new_ports)

    def _follow_mac(self, mac: str) -> None:
        if mac in self.macs:
            return
        bearers = self.atlas.bearers.get(mac, [])
        if len(set(bearers)) == 1:
            self.admit(bearers[0])
        self.macs.setdefault(mac, "=" + mac)

    # --- what counts ----------------------------------------------------------------------------------------------

    def touched(self, key: Key, listing: Listing) -> list[Item]:
        """Items that count for this flow, in order."""
        places = set(listing.always)
        for value in self.addresses:
            places.update(listing.near(value, self.atlas.bits))
        if listing.by_device:
            for there, name in self.devices:
                if there == key:
                    places.update(listing.by_device.get(name, ()))
        if listing.by_mac:
            for mac in self.macs:
                places.update(listing.by_mac.get(mac, ()))
        items = listing.items
        return [items[place] for place in sorted(places) if self.counts(key, items[place])]

    def counts(self, key: Key, item: Item) -> bool:
        """Whether this flow has to do with everything that an item selects by."""
        if item.ports is not None and not any(low <= port <= high for low, high in item.ports for port in self.ports):
            return False
        if item.either or not item.select:
            return True
        return all(self._has(key, literal) for literal in item.select)

    def _has(self, key: Key, literal: Literal) -> bool:
        if isinstance(literal, Net):
            return bool(self.net(literal))
        if isinstance(literal, Device):
            return (key, literal.name) in self.devices
        return literal.text in self.macs if isinstance(literal, Mac) else bool(self.net(literal))

    # --- names ----------------------------------------------------------------------------------------------------

    def net(self, literal: Net | Span) -> str:
        """Who of those that take part is in a prefix; "" = nobody."""
        found = self._nets.get(literal)
        if found is None:
            bits = self.atlas.bits
            if isinstance(literal, Span):
                first, last = literal
            else:
                first = literal.value
                last = first | ((1 << (bits - literal.length)) - 1)
            held = [f"{name}{'<' * (value == first)}{'>' * (value == last)}" for value, name in self.addresses.items() if first <= value <= last]
            found = self._nets[literal] = ",".join(sorted(held))
        return found

    def part(self, key: Key, part: Part) -> str:
        """A part of an item, named."""
        if isinstance(part, str):
            return part
        if isinstance(part, Net):
            if part.length == self.atlas.bits:
                return self.addresses.get(part.value) or "=" + to_text(part.value, self.atlas.family)
            return f"{part.length}[{self.net(part)}]"
        if isinstance(part, Device):
            if part.name.endswith("+"):
                held = (name for (there, device), name in self.devices.items() if there == key and device.startswith(part.name[:-1]))
                return f"{part.name}[{','.join(sorted(held))}]"
            return self.devices.get((key, part.name), "another")
        return self.macs.get(part.text) or "=" + part.text if isinstance(part, Mac) else f"span[{self.net(part)}]"

    def told(self, key: Key, item: Item) -> tuple[str, ...]:
        """An item, named."""
        return tuple([part if isinstance(part, str) else self.part(key, part) for part in item.parts])


class Drawing:
    """One stack's part of a shape."""

    def __init__(self, world: World, key: Key, *, listens: bool) -> None:
        """``listens``: packets may be delivered to its sockets."""
        self.world = world
        self.key = key
        self.observer = world.atlas.observer(key)
        self.listens = listens
        self.sets: dict[str, None] = {}
        self.chains: dict[tuple[int, str], None] = {}

    def drawn(self) -> tuple[object, ...]:
        """All that counts, named; whatever it leads to is made part of the world."""
        world, key = self.world, self.key
        items = world.touched(key, self.observer.facts)
        if self.listens:
            items += self.observer.sockets(frozenset(world.ports))
        for item in items:
            world.follow(item)
        facts = sorted([world.told(key, item) for item in items], key=lambda told: told[:3])
        return (world.atlas.static(key), tuple(facts), tuple(self._tables()), tuple(self._told_sets()))

    def _tables(self) -> Iterator[tuple[object, ...]]:
        for place, table in self.observer.tables:
            known = {name: number for number, name in enumerate(HOOKS) if name in table.chains}
            queue = list(known)
            yield (table.backend, table.name, table.partial, table.devices_known, *known)
            while queue:
                name = queue.pop(0)
                self.chains[place, name] = None
                text = table.chains[name].text
                yield (known[name], text.policy, *self._rules(place, name, known, queue))

    def _rules(self, place: int, name: str, known: dict[str, int], queue: list[str]) -> Iterator[tuple[object, ...]]:
        world, key = self.world, self.key
        chains = self.observer.tables and self.observer.stack.netfilter.tables[place].chains
        for item in world.touched(key, self.observer.chain(place, name)):
            world.follow(item)
            self.sets.update(dict.fromkeys(item.sets))
            jump: object = item.jump
            if item.jump in chains:
                if item.jump not in known:
                    known[item.jump] = len(HOOKS) + len(known)
                    queue.append(item.jump)
                jump = known[item.jump]
            yield (*world.told(key, item), jump)

    def _told_sets(self) -> Iterator[tuple[object, ...]]:
        queue = list(self.sets)
        for name in queue:
            found = self.observer.set(name)
            if found is None:
                yield (name, "unseen")
                continue
            kind, listing = found
            if kind.startswith("list:set"):
                inner = [str(item.parts[0]) for item in listing.items]
                queue += [each for each in inner if each not in queue]
            yield (name, kind, *sorted(self.world.told(self.key, item) for item in self.world.touched(self.key, listing)))


HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


def shape(atlas: Atlas, source: Key, target: tuple[int, Key | None, str], protocol: str, ports: frozenset[int]) -> tuple[Shape | None, World]:
    """The shape of a flow from a stack to an address; ``None`` if it is like no other.

    ``target``: the address, the stack that holds it if it is known, and the node that it is on.
    """
    world = World(atlas, ports)
    world.admit(source)
    value, holder, node = target
    if holder is not None:
        world.admit(holder)
        world.lost = world.lost or len(atlas.holders.get(value, ())) > 1
    else:
        world.target(value, "T", node)
    drawn: list[object] = []
    for _ in range(MAX_ROUNDS):
        before = world.size
        drawn = [Drawing(world, key, listens=key != source or key[1] == HOST or key == holder).drawn() for key in list(world.stacks)]
        if world.size == before or world.lost:
            break
    else:
        world.lost = True
    if world.lost or any(atlas.observer(key).opaque or {key[0], ""} & atlas.restless for key in world.stacks):
        return None, world
    cast = [(key[1] == HOST, world.stacks.get((key[0], HOST))) for key in world.stacks]
    named = (world.addresses.get(value), protocol, tuple(sorted(ports)))
    return (named, tuple(cast), *drawn), world
