"""The shape of a flow: everything in the evidence that has to do with it, with names taken out.

Two flows of one shape are walked alike: their stacks hold the same lines in the same order, but for the names of the machines, their
addresses, and the devices that lead to containers.  Where that cannot be told (kinds of evidence that are not taken apart, stations that
answer for others), a flow has no shape, and is like no other.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.facts import HOST
from engine.inet import BITS, to_text
from engine.matrix.items import Device, Mac, Net, Span, Told
from engine.matrix.observer import Observer
from engine.model.network import Port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.matrix.items import Item, Listing, Literal
    from engine.matrix.observer import Key
    from engine.model.netfilter.ruleset import Table
    from engine.model.network import Network

MAX_STACKS = 24
"""Stacks that a flow has to do with, beyond which it is taken for one of its own."""
MAX_ROUNDS = 8
MAX_KEPT = 2048
"""Drawings of one sheet that are kept."""
ROLES = tuple(f"{number}." for number in range(MAX_STACKS + 1))

Shape = tuple[object, ...]


class Atlas:
    """All stacks of the evidence as observers, and who holds which address."""

    def __init__(self, network: Network, family: int) -> None:
        self.network = network
        self.family = family
        self.bits = BITS[family]
        self.persons: frozenset[int] = frozenset()
        """Addresses of pods and other containers."""
        self._observers: dict[Key, Observer] = {}
        self._interned: dict[object, int] = {}
        self._parts: dict[Key, Parts] = {}
        self._static: dict[Key, int] = {}
        self._sheets: dict[tuple[Key, object], Sheet] = {}
        self._cast: dict[Key, Cast] = {}

    def sheet(self, key: Key, part: object, listings: Iterable[Listing]) -> Sheet:
        """A part of a stack's evidence, and what was drawn of it."""
        found = self._sheets.get((key, part))
        if found is None:
            found = self._sheets[key, part] = Sheet(self, key, listings)
        return found

    def observer(self, key: Key) -> Observer:
        """A stack's evidence."""
        found = self._observers.get(key)
        if found is None:
            found = self._observers[key] = Observer(self.network, self.network.stacks[key], self.family)
        return found

    def intern(self, thing: object) -> int:
        """A small number for a value."""
        return self._interned.setdefault(thing, len(self._interned))

    def parts(self, key: Key) -> Parts:
        """The parts of a stack's evidence that are drawn for every flow, with what was drawn of them."""
        found = self._parts.get(key)
        if found is None:
            observer = self.observer(key)
            halves = [self.sheet(key, ("facts", half), [observer.halves[half]]) for half in (0, 1)]
            tables = [(place, table, self.sheet(key, place, observer.chains(place))) for place, table in observer.tables]
            found = self._parts[key] = Parts((halves[0], halves[1]), tables)
        return found

    def told(self, listing: Listing, place: int) -> Told:
        """An item made ready to be named."""
        found = listing.told.get(place)
        if found is None:
            item = listing.items[place]
            words = self.intern(("told", tuple([part if isinstance(part, str) else None for part in item.parts])))
            literals = tuple([part for part in item.parts if not isinstance(part, str)])
            found = listing.told[place] = Told(words, literals, item.ports is None and (item.either or not item.select))
        return found

    def spoken(self, listing: Listing) -> frozenset[int]:
        """Pods that a chain names."""
        if listing.spoken is None:
            named = (each.value for item in listing.items for each in item.literals if isinstance(each, Net) and each.length == self.bits)
            listing.spoken = self.persons.intersection(named)
        return listing.spoken

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
    def shared(self) -> frozenset[int]:
        """Addresses that several stacks hold."""
        return frozenset(value for value, keys in self.holders.items() if len(keys) > 1)

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

    def cast(self, key: Key) -> Cast:
        """What names a stack."""
        found = self._cast.get(key)
        if found is None:
            found = self._cast[key] = Cast(tuple(self._addresses(key)), tuple(self._ends(key)), tuple(self._macs(key)))
        return found

    def _addresses(self, key: Key) -> Iterator[tuple[int, str, bool]]:
        stack = self.network.stacks[key]
        for place, own in enumerate(a for a in stack.addresses if a.family == self.family):
            # Addresses of Services stand on dummy devices by the thousand.
            if own.prefixlen != self.bits or stack.link(own.device).type != "dummy":
                alone = len(self.holders[own.value]) == 1
                yield own.value, str(place) if alone else "=" + own.text, alone

    def _ends(self, key: Key) -> Iterator[tuple[tuple[Key, str], str]]:
        for place, (there, device, _) in enumerate(self.wires_of(key)):
            yield (there, device), f"w{place}"

    def _macs(self, key: Key) -> Iterator[tuple[str, str, bool]]:
        named = [(self.network.stacks[there].link(device).mac, f"w{place}") for place, (there, device, _) in enumerate(self.wires_of(key))]
        for mac, name in [*named, *((mac, f"m{device}") for mac, device in self.observer(key).macs)]:
            if mac:
                alone = len(self.bearers.get(mac, ())) == 1
                yield mac, name if alone else "=" + mac, alone

    @cached_property
    def restless(self) -> set[str]:
        """Nodes with a container that may answer for others; "" if a node may."""
        found = set()
        for key, stack in self.network.stacks.items():
            if self.observer(key).proxies:
                found.add("" if stack.is_host else stack.node)
        return found


class Cast(NamedTuple):
    """What names a stack in the evidence, and how it is called; what is not its own alone keeps its name."""

    addresses: tuple[tuple[int, str, bool], ...]
    devices: tuple[tuple[tuple[Key, str], str], ...]
    macs: tuple[tuple[str, str, bool], ...]


class World:
    """The stacks and addresses that one flow has to do with, named by the part they play."""

    def __init__(self, atlas: Atlas, ports: frozenset[int]) -> None:
        self.atlas = atlas
        self.stacks: dict[Key, int] = {}
        self.addresses: dict[int, str] = {}
        self.devices: dict[tuple[Key, str], str] = {}
        self.devices_at: dict[Key, dict[str, str]] = {}
        self.macs: dict[str, str] = {}
        self.ports = ports
        self.sent: dict[int, None] = {}
        """Addresses that rules send packets to."""
        self.lost = False
        """Something cannot be named."""
        self.spoken: frozenset[int] = frozenset()
        """Pods that the rules name by which it may come, whether they mean them or not."""
        self._nets: dict[Literal, str] = {}
        self._named = (-1, 0)

    @property
    def names(self) -> int:
        """How all addresses are called, as a number."""
        if self._named[0] != len(self.addresses):
            self._named = (len(self.addresses), self.atlas.intern(("names", *self.addresses.values())))
        return self._named[1]

    @property
    def size(self) -> tuple[int, ...]:
        """Grows while something new is met."""
        return len(self.stacks), len(self.addresses), len(self.devices), len(self.macs), len(self.ports)

    # --- who takes part -------------------------------------------------------------------------------------------

    def admit(self, key: Key) -> None:
        """A stack takes part, and the node that it is on."""
        if key in self.stacks:
            return
        if key not in self.atlas.network.stacks or len(self.stacks) >= MAX_STACKS:
            self.lost = True
            return
        role = ROLES[len(self.stacks)]
        self.stacks[key] = len(self.stacks)
        cast = self.atlas.cast(key)
        for value, name, own in cast.addresses:
            self.addresses.setdefault(value, role + name if own else name)
        for place, name in cast.devices:
            self._name_device(place, role + name)
        for mac, name, own in cast.macs:
            self.macs.setdefault(mac, role + name if own else name)
        self._nets.clear()
        if key[1] != HOST:
            self.admit((key[0], HOST))
        for item in self.atlas.observer(key).leading:
            self.follow(item)

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
            held = bool(holders) and holders[0] in self.stacks
            self.addresses[value] = f"{ROLES[self.stacks[holders[0]]]}v" if held else "=" + to_text(value, self.atlas.family)
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
        for place in observer.facts.at(value):
            item = observer.facts.items[place]
            if item.parts[0] == "route" and Net(value, self.atlas.bits) in item.select:
                for each in item.select:
                    if isinstance(each, Device):
                        self._name_device((key, each.name), f"{name}w")

    def _name_device(self, place: tuple[Key, str], name: str) -> None:
        self.devices[place] = name
        self.devices_at.setdefault(place[0], {})[place[1]] = name

    def follow(self, item: Item) -> None:
        """Wherever an item may send a packet takes part as well."""
        for each in item.leads:
            if isinstance(each, Net):
                self.meet(each.value)
            elif isinstance(each, Mac):
                self._follow_mac(each.text)
            else:
                self.lost = True
        if item.new_ports:
            self.ports |= frozenset(item.new_ports)

    def led(self, leads: Leads) -> None:
        """Wherever something drawn leads takes part as well."""
        if leads.sent:
            self.sent.update(dict.fromkeys(leads.sent))
        known, lone = self.addresses, self.atlas.shared
        for value in leads.addresses:
            if value not in known or value in lone:
                self.meet(value)
        for mac in leads.macs:
            if mac not in self.macs:
                self._follow_mac(mac)
        self.lost = self.lost or leads.lost
        if not leads.ports <= self.ports:
            self.ports |= leads.ports

    def _follow_mac(self, mac: str) -> None:
        if mac in self.macs:
            return
        bearers = self.atlas.bearers.get(mac, [])
        if len(set(bearers)) == 1:
            self.admit(bearers[0])
        self.macs.setdefault(mac, "=" + mac)

    # --- what counts ----------------------------------------------------------------------------------------------

    def touched(self, key: Key, listing: Listing) -> list[int]:
        """Places of the items that count for this flow, in order."""
        places = set(listing.always)
        for value in listing.hosts.keys() & self.addresses.keys():
            places.update(listing.hosts[value])
        if listing.near.nets:
            places.update(*map(listing.near.__getitem__, self.addresses))
        if listing.by_device and key in self.devices_at:
            for name in self.devices_at[key].keys() & listing.by_device.keys():
                places.update(listing.by_device[name])
        if listing.by_mac:
            for mac in self.macs.keys() & listing.by_mac.keys():
                places.update(listing.by_mac[mac])
        told, items = self.atlas.told, listing.items
        return [place for place in sorted(places) if told(listing, place).always or self.counts(key, items[place])]

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

    def part(self, key: Key, part: Literal) -> str:
        """A literal of an item, named."""
        if isinstance(part, Net):
            if part.length == self.atlas.bits:
                return self.addresses.get(part.value) or "=" + to_text(part.value, self.atlas.family)
            return f"{part.length}[{self.net(part)}]"
        if isinstance(part, Device):
            if part.name.endswith("+"):
                held = (name for device, name in self.devices_at.get(key, {}).items() if device.startswith(part.name[:-1]))
                return f"{part.name}[{','.join(sorted(held))}]"
            return self.devices.get((key, part.name), "another")
        return self.macs.get(part.text) or "=" + part.text if isinstance(part, Mac) else f"span[{self.net(part)}]"

    def told(self, key: Key, listing: Listing, place: int) -> tuple[Any, ...]:
        """An item, named: the number of its words, and its literals."""
        number, literals, _ = self.atlas.told(listing, place)
        if not literals:
            return (number,)
        return (number, *[self.part(key, literal) for literal in literals])


class Sights(dict[int, int]):
    """Address → what a sheet can tell of it, as a number, found when first asked for."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__()
        self._sight = sheet.sight

    def __missing__(self, value: int) -> int:
        found = self[value] = self._sight(value)
        return found


class Sheet:
    """One part of a stack's evidence (its facts, one table, one set), drawn once for all flows that look alike to it."""

    def __init__(self, atlas: Atlas, key: Key, listings: Iterable[Listing]) -> None:
        self.atlas = atlas
        self.key = key
        self.kept: dict[object, Drawn] = {}
        self.seen = Sights(self)
        self._listings = list(listings)
        self._hosts: set[int] = set()
        self._nets: set[tuple[int, int]] = set()
        self._macs: set[str] = set()
        self._devices = False
        for listing in self._listings:
            for item in listing.items:
                for literal in (*item.literals, *item.leads):
                    self._note(literal)
        self._lengths: dict[int, set[int]] = defaultdict(set)
        self._odd = []
        for first, last in self._nets:
            size = last - first + 1
            if size & (size - 1) == 0 and first % size == 0:
                self._lengths[size.bit_length() - 1].add(first)
            else:
                self._odd.append((first, last))
        self._blind = not (self._hosts or self._nets or self._macs or self._devices)
        self._ported = any(item.ports is not None for listing in self._listings for item in listing.items)

    def _note(self, literal: Literal) -> None:
        if isinstance(literal, Net):
            if literal.length == self.atlas.bits:
                self._hosts.add(literal.value)
            else:
                self._nets.add((literal.value, literal.value | ((1 << (self.atlas.bits - literal.length)) - 1)))
        elif isinstance(literal, Span):
            self._nets.add((literal.first, literal.last))
        elif isinstance(literal, Mac):
            self._macs.add(literal.text)
        else:
            self._devices = True

    def sight(self, value: int) -> int:
        """What the sheet can tell of an address, as a number."""
        inside = [(bits, first, value == first, value == first + (1 << bits) - 1) for bits, firsts in self._lengths.items()
            if (first := value >> bits << bits) in firsts]  # fmt: skip
        odd = [(first, last, value == first, value == last) for first, last in self._odd if first <= value <= last]
        return self.atlas.intern(("sight", tuple(inside), tuple(odd), value if value in self._hosts else -1))

    def view(self, world: World) -> tuple[object, ...]:
        """All that the sheet can tell of a flow: flows of one view are drawn alike."""
        ports = world.ports if self._ported else None
        if self._blind:
            return (ports,)
        devices = tuple(world.devices_at.get(self.key, {}).items()) if self._devices else ()
        macs = tuple([(mac, world.macs[mac]) for mac in world.macs if mac in self._macs]) if self._macs else ()
        return (world.names, tuple(map(self.seen.__getitem__, world.addresses)), devices, macs, ports)

    def keep(self, view: object, made: Drawn) -> Drawn:
        """Keep what was drawn, within bounds."""
        if len(self.kept) >= MAX_KEPT:
            self.kept.clear()
        self.kept[view] = made
        return made


class Parts(NamedTuple):
    """Sheets of one stack."""

    halves: tuple[Sheet, Sheet]
    tables: list[tuple[int, Table, Sheet]]


class Leads(NamedTuple):
    """Where packets may be sent by something drawn."""

    addresses: tuple[int, ...] = ()
    sent: tuple[int, ...] = ()
    """Those that rules send to."""
    macs: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset()
    lost: bool = False
    """To a range: it cannot be named."""

    @staticmethod
    def of(items: Iterable[Item]) -> Leads:
        """Of some items, in order."""
        chosen = [item for item in items if item.leads or item.new_ports]
        if not chosen:
            return NOWHERE
        leads = [(each, item.jump) for item in chosen for each in item.leads]
        return Leads(
            tuple(dict.fromkeys(each.value for each, _ in leads if isinstance(each, Net))),
            tuple(dict.fromkeys(each.value for each, jump in leads if isinstance(each, Net) and jump)),
            tuple(dict.fromkeys(each.text for each, _ in leads if isinstance(each, Mac))),
            frozenset(port for item in chosen for port in item.new_ports),
            any(not isinstance(each, (Net, Mac)) for each, _ in leads),
        )


NOWHERE = Leads()


class Drawn(NamedTuple):
    """A part of a shape."""

    number: int
    leads: Leads
    sets: tuple[str, ...] = ()
    spoken: frozenset[int] = frozenset()


class Drawing:
    """One stack's part of a shape: all that counts, named; whatever it leads to is made part of the world."""

    def __init__(self, world: World, key: Key, *, listens: bool) -> None:
        """``listens``: packets may be delivered to its sockets."""
        self.world = world
        self.atlas = world.atlas
        self.key = key
        self.observer = world.atlas.observer(key)
        self.listens = listens

    def drawn(self) -> tuple[object, ...]:
        """The parts, as numbers."""
        world, key = self.world, self.key
        own = self.atlas.parts(key)
        listings = self.observer.halves
        parts: list[object] = [self.atlas.static(key)]
        parts += [self._taken(sheet, self._facts, listing).number for sheet, listing in zip(own.halves, listings, strict=True)]
        if self.listens:
            sockets = self.observer.sockets(world.ports)
            parts.append(tuple(sorted(world.told(key, sockets, place) for place in range(len(sockets.items)))))
        sets: dict[str, None] = {}
        for place, table, sheet in own.tables:
            made = self._taken(sheet, self._table, place, table)
            if made.sets:
                sets.update(dict.fromkeys(made.sets))
            parts.append(made.number)
        return (*parts, *self._told_sets(sets)) if sets else tuple(parts)

    def _taken(self, sheet: Sheet, draw: Callable[..., Drawn], *what: object) -> Drawn:
        view = sheet.view(self.world)
        made = sheet.kept.get(view)
        if made is None:
            made = sheet.keep(view, draw(*what))
        if made.leads is not NOWHERE:
            self.world.led(made.leads)
        if made.spoken:
            self.world.spoken |= made.spoken
        return made

    def _facts(self, listing: Listing) -> Drawn:
        world, key = self.world, self.key
        places = world.touched(key, listing)
        told = sorted([world.told(key, listing, place) for place in places])
        return Drawn(self.atlas.intern(tuple(told)), Leads.of([listing.items[place] for place in places]))

    def _table(self, place: int, table: Table) -> Drawn:
        world, key = self.world, self.key
        known = {name: number for number, name in enumerate(HOOKS) if name in table.chains}
        queue = list(known)
        lines: list[object] = [(table.backend, table.name, table.partial, table.devices_known, *known)]
        touched: list[Item] = []
        spoken: frozenset[int] = frozenset()
        for name in queue:
            lines.append((known[name], table.chains[name].text.policy))
            listing = self.observer.chain(place, name)
            spoken |= self.atlas.spoken(listing)
            for at in world.touched(key, listing):
                item = listing.items[at]
                touched.append(item)
                jump: object = item.jump
                if item.jump in table.chains:
                    if item.jump not in known:
                        known[item.jump] = len(HOOKS) + len(known)
                        queue.append(item.jump)
                    jump = known[item.jump]
                lines.append((*world.told(key, listing, at), jump))
        sets = tuple(dict.fromkeys(name for item in touched for name in item.sets))
        return Drawn(self.atlas.intern(tuple(lines)), Leads.of(touched), sets, spoken)

    def _told_sets(self, sets: Iterable[str]) -> Iterator[tuple[object, ...]]:
        queue = list(sets)
        for name in queue:
            found = self.observer.set(name)
            if found is None:
                yield (name, "unseen")
                continue
            kind, listing = found
            if kind.startswith("list:set"):
                inner = [str(item.parts[0]) for item in listing.items]
                queue += [each for each in inner if each not in queue]
            sheet = self.atlas.sheet(self.key, ("set", name), [listing])
            yield (name, kind, self._taken(sheet, self._set, listing).number)

    def _set(self, listing: Listing) -> Drawn:
        told = sorted(self.world.told(self.key, listing, place) for place in self.world.touched(self.key, listing))
        return Drawn(self.atlas.intern(tuple(told)), NOWHERE)


HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


class Behind(NamedTuple):
    """What is known to be behind an address: where rules send packets for it.  Known beforehand, it saves drawing twice."""

    addresses: tuple[int, ...] = ()
    ports: frozenset[int] = frozenset()


def shape(  # noqa: PLR0917 - the flow, and what is known of it
    atlas: Atlas, source: Key | int, target: tuple[int, Key | None, str], protocol: str, ports: frozenset[int], behind: Behind | None = None
) -> tuple[Shape | None, World]:
    """The shape of a flow from a stack, or an address outside the evidence, to an address; ``None`` if it is like no other.

    ``target``: the address, the stack that holds it if it is known, and the node that it is on.
    """
    world = World(atlas, ports)
    if isinstance(source, int):
        world.target(source, "O", "")
    else:
        world.admit(source)
    value, holder, node = target
    if holder is not None:
        world.admit(holder)
        world.lost = world.lost or len(atlas.holders.get(value, ())) > 1
    else:
        world.target(value, "T", node)
    for each in behind.addresses if behind is not None else ():
        world.meet(each)
    world.ports |= behind.ports if behind is not None else frozenset()
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
