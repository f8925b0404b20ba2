"""Which containers of a node no line of the evidence tells apart.

For every container: what its own stack says, and every line anywhere that speaks of its address, device or MAC alone, with these taken
out; and the prefixes of the whole evidence that hold its address.  Containers for which all of that is equal make one class.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from engine.facts import HOST
from engine.matrix.items import Device, Mac, Net, Span
from engine.matrix.shapes import HOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.matrix.items import Item, Listing, Part
    from engine.matrix.observer import Key, Observer
    from engine.matrix.shapes import Atlas

_PREFIX = re.compile(r"(?<![0-9.])([0-9]{1,3}(?:\.[0-9]{1,3}){3})/([0-9]{1,2})(?![0-9.])|(?<!\S)([0-9a-f:]+:[0-9a-f:]*)/([0-9]{1,3})(?!\S)")
_ADDRESS = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]{0,4}:[0-9a-f:]*:[0-9a-f:]*"
_NETS = re.compile(rf"""({_ADDRESS})(?:/([0-9]{{1,3}})|",\s*"len":\s*([0-9]{{1,3}})|-({_ADDRESS})|",\s*"({_ADDRESS}))?""")
"""Addresses, prefixes and ranges, as nft prints them plainly and in JSON."""
_WORD = re.compile(r"[\w.:@-]+")
MAX_DEPTH = 16
EVERYWHERE = "*"
"""In the place of a node: all of them."""


class Member(NamedTuple):
    """One end of flows."""

    name: str
    """``pod/shop/web``, ``node/n1``, ``n1/stack`` of a container without a pod."""
    kind: str
    """pod | node"""
    node: str
    key: Key | None
    """Its stack; ``None`` = known by the API alone."""
    value: int
    address: str


class Group(NamedTuple):
    """Members of one node that nothing tells apart."""

    number: int
    members: tuple[Member, ...]


class _Own:
    """What names one container in the evidence."""

    def __init__(self, atlas: Atlas, member: Member) -> None:
        stack = atlas.network.stacks[member.key] if member.key is not None else None
        values = [a.value for a in stack.addresses if a.family == atlas.family] if stack is not None else []
        unique = [value for value in dict.fromkeys([member.value, *values]) if value == member.value or len(atlas.holders.get(value, ())) < 2]
        self.values = {value: f"SELF{place}" for place, value in enumerate(unique)}
        self.devices: dict[tuple[Key, str], str] = {}
        self.macs: dict[str, str] = {}
        macs = [link.mac for link in stack.links.values() if link.name != "lo"] if stack is not None else []
        for place, (there, device, _) in enumerate(atlas.wires_of(member.key) if member.key is not None else ()):
            self.devices[there, device] = f"SELF{place}"
            macs.append(atlas.network.stacks[there].link(device).mac)
        if member.key is None:
            self._routed(atlas, member)
        for place, mac in enumerate(macs):
            if mac and len(atlas.bearers.get(mac, ())) == 1:
                self.macs[mac] = f"SELF{place}"

    def _routed(self, atlas: Atlas, member: Member) -> None:
        """The device to which its node routes the address of a container whose stack was not collected."""
        key = (member.node, HOST)
        if key not in atlas.network.stacks:
            return
        facts = atlas.observer(key).facts
        for place in facts.at(member.value):
            item = facts.items[place]
            if item.parts[0] == "route" and Net(member.value, atlas.bits) in item.select:
                self.devices |= {(key, each.name): "SELF" for each in item.select if isinstance(each, Device)}


class Classes:
    """Members grouped by what tells them apart."""

    def __init__(self, atlas: Atlas, members: Sequence[Member], ports: frozenset[int]) -> None:
        """``ports``: destination ports that any packet may have."""
        self.atlas = atlas
        self.members = members
        self.ports = ports
        self._own = [_Own(atlas, member) for member in members]
        self._by_value: dict[int, list[int]] = defaultdict(list)
        self._by_device: dict[tuple[Key, str], int] = {}
        self._by_mac: dict[str, int] = {}
        self._by_key: dict[Key, int] = {}
        for number, own in enumerate(self._own):
            if members[number].kind == "node":
                continue
            for value in own.values:
                self._by_value[value].append(number)
            self._by_device |= dict.fromkeys(own.devices, number)
            self._by_mac |= dict.fromkeys(own.macs, number)
            key = members[number].key
            if key is not None:
                self._by_key[key] = number
        self._spoken: list[list[object]] = [[] for _ in members]
        """Member → lines about it alone."""
        self._scoped: list[dict[str, list[object]]] = [defaultdict(list) for _ in members]
        """Member → node → lines in containers of that node about it, and in its own stack about containers of that node."""
        self._prefixes: set[tuple[int, int]] = set()
        """First and last address of every prefix of the evidence."""
        self._everybody = sorted({value for value, holders in atlas.holders.items() if holders} | {m.value for m in members})
        self._masked = False
        self._expanded: dict[tuple[Key, int, str], int] = {}
        for key in atlas.network.stacks:
            self._read(atlas.observer(key))
            self._read_opaque(atlas.observer(key))
        self._lengths = self._by_length()
        self._keys = [self._key(number) for number in range(len(members))]
        self._grouped: dict[tuple[str, str, frozenset[int] | None], list[Group]] = {}
        self._on: dict[str, list[int]] = defaultdict(list)
        for number, member in enumerate(members):
            self._on[member.node].append(number)

    # --- reading --------------------------------------------------------------------------------------------------

    def _read(self, observer: Observer) -> None:
        mine = self._by_key.get(observer.key)
        self._listing(observer, observer.facts, ("facts",), mine, ordered=False)
        sets: dict[str, None] = {}
        for place, table in observer.tables:
            for name in self._reachable(observer, place):
                listing = observer.chain(place, name)
                self._listing(observer, listing, (table.backend, table.name, name), mine, table=place)
                for item in listing.items:
                    sets.update(dict.fromkeys(item.sets))
            for chain in table.chains.values():
                self._note_text(chain.text.heads())
        queue = list(sets)
        for name in queue:
            found = observer.set(name)
            if found is not None:
                self._listing(observer, found[1], ("set", name), mine, ordered=False)
                if found[0].startswith("list:set"):
                    queue += [str(i.parts[0]) for i in found[1].items if str(i.parts[0]) not in queue]

    def _read_opaque(self, observer: Observer) -> None:
        """What is not taken apart tells those members apart that it speaks of, in whatever way."""
        for text in observer.texts:
            if " & " in text or '"&"' in text:
                self._masked = True  # bits of addresses: anybody may be meant
            words = set(_WORD.findall(text))
            for number, own in enumerate(self._own):
                if not words.isdisjoint({*(device for _, device in own.devices), *own.macs}):
                    self._spoken[number].append(("opaque", number))
            for found in _NETS.finditer(text):
                self._note_opaque(found[1], found[2] or found[3] or "", found[4] or found[5] or "")

    def _note_opaque(self, address: str, length: str, last: str) -> None:
        from engine.matrix.items import host, net

        one, other = host(address, self.atlas.family), host(last, self.atlas.family) if last else None
        whole = net(f"{address}/{length}", self.atlas.family) if length else None
        if whole is not None and whole.length < self.atlas.bits:
            self._prefixes.add(self._ends(whole))
        elif one is not None and other is not None:
            self._prefixes.add((one.value, other.value))
        for each in (one, other):
            for number in self._by_value.get(each.value, ()) if each is not None else ():
                self._spoken[number].append(("opaque", number))

    def _reachable(self, observer: Observer, place: int) -> list[str]:
        """Chains that a packet between members may come by."""
        chains = observer.stack.netfilter.tables[place].chains
        queue = [name for name in HOOKS if name in chains]
        seen = set(queue)
        for name in queue:
            for item in observer.chain(place, name).items:
                if item.jump in chains and item.jump not in seen and self._possible(item):
                    seen.add(item.jump)
                    queue.append(item.jump)
        return queue

    def _possible(self, item: Item) -> bool:
        if item.ports is not None and not any(low <= port <= high for low, high in item.ports for port in self.ports):
            return False
        return all(self._anybody(each) for each in item.select if isinstance(each, (Net, Span)))

    def _anybody(self, literal: Net | Span) -> bool:
        first, last = self._ends(literal)
        at = bisect_left(self._everybody, first)
        return at < len(self._everybody) and self._everybody[at] <= last

    def _ends(self, literal: Net | Span) -> tuple[int, int]:
        if isinstance(literal, Span):
            return literal
        return literal.value, literal.value | ((1 << (self.atlas.bits - literal.length)) - 1)

    def _note_text(self, heads: Iterable[str]) -> None:
        from engine.matrix.items import net

        for head in heads:
            if "/" in head and not head.endswith("/32"):
                for found in _PREFIX.finditer(head):
                    made = net(found[0], self.atlas.family)
                    if made is not None and 0 < made.length < self.atlas.bits:
                        self._prefixes.add(self._ends(made))

    def _listing(
        self, observer: Observer, listing: Listing, label: tuple[str, ...], mine: int | None, *, ordered: bool = True, table: int = -1
    ) -> None:
        """File the lines of a listing with the members that they speak of."""
        before: Counter[tuple[object, ...]] = Counter()
        for place, item in enumerate(listing.items):
            owners = set(self._owners(observer.key, item))
            slot: tuple[object, ...] = ()
            if owners and ordered:
                slot = tuple(item.parts[at - 1] for at, part in enumerate(item.parts) if self._owner(observer.key, part))
            for number in owners:
                at = place - before[slot] if ordered else 0
                self._file(observer, item, number, mine, (*self._label(label, number), at), table)
            before[slot] += bool(slot)

    def _label(self, label: tuple[str, ...], number: int) -> tuple[str, ...]:
        names = [device for _, device in self._own[number].devices if len(device) > 5]
        return tuple(next((each.replace(name, "SELF") for name in names if name in each), each) for each in label)

    def _file(self, observer: Observer, item: Item, number: int, mine: int | None, label: tuple[object, ...], table: int) -> None:  # noqa: PLR0917
        line = (observer.key, label, *self._raw(observer.key, item, number), self._jump(observer, item, number, table))
        if mine is None:
            self._spoken[number].append(line)
        elif mine != number:
            # What one container says of another matters between the two alone.
            self._scoped[number][observer.key[0]].append(line)
            own = (label, *self._raw(observer.key, item, mine))
            self._scoped[mine][self.members[number].node].append(own)

    def _owners(self, key: Key, item: Item) -> Iterator[int]:
        for literal in item.literals:
            if isinstance(literal, (Net, Span)) and (isinstance(literal, Span) or 0 < literal.length < self.atlas.bits):
                self._prefixes.add(self._ends(literal))
            else:
                yield from self._owner(key, literal)

    def _owner(self, key: Key, part: Part) -> Sequence[int]:
        if isinstance(part, Net):
            return self._by_value.get(part.value, ()) if part.length == self.atlas.bits else ()
        found = None
        if isinstance(part, Device):
            found = self._by_device.get((key, part.name))
        elif isinstance(part, Mac):
            found = self._by_mac.get(part.text)
        return () if found is None else (found,)

    def _raw(self, key: Key, item: Item, number: int | None) -> tuple[str, ...]:
        """An item as it stands, but for what names one member."""
        own = self._own[number] if number is not None else None
        told = []
        for part in item.parts:
            if isinstance(part, str):
                told.append(part)
            elif own is None:
                told.append(repr(part))
            elif isinstance(part, Net) and part.length == self.atlas.bits:
                told.append(own.values.get(part.value) or repr(part))
            elif isinstance(part, Device):
                told.append(own.devices.get((key, part.name)) or repr(part))
            elif isinstance(part, Mac):
                told.append(own.macs.get(part.text) or repr(part))
            else:
                told.append(repr(part))
        return tuple(told)

    def _jump(self, observer: Observer, item: Item, number: int | None, table: int) -> object:
        """Where a rule about a member leads: to a chain of its own, perhaps."""
        if not item.jump:
            return ""
        chains = observer.stack.netfilter.tables[table].chains
        return self._expand(observer, table, item.jump, number, 0) if item.jump in chains else item.jump

    def _expand(self, observer: Observer, table: int, name: str, number: int | None, depth: int) -> object:
        """All that a chain and those behind it do, as a number; one that bears the name of a member's device is told without it."""
        own = number is not None and self._label((name,), number) != (name,)
        key = (observer.key, table, name)
        if not own and key in self._expanded:
            return self._expanded[key]
        if depth > MAX_DEPTH:
            return name
        chains = observer.stack.netfilter.tables[table].chains
        whose = number if own else None
        lines = []
        for item in observer.chain(table, name).items:
            behind = self._expand(observer, table, item.jump, whose, depth + 1) if item.jump in chains else item.jump
            lines.append((*self._raw(observer.key, item, whose), behind))
        made = self.atlas.intern(tuple(lines))
        if not own:
            self._expanded[key] = made
        return made

    # --- keys -----------------------------------------------------------------------------------------------------

    def _by_length(self) -> dict[int, set[int]]:
        """Prefixes by the bits that they leave open; ranges that are no prefix are kept apart."""
        found: dict[int, set[int]] = defaultdict(set)
        self._odd: list[tuple[int, int]] = []
        for first, last in sorted(self._prefixes):
            size = last - first + 1
            if size & (size - 1) == 0 and first % size == 0:
                found[size.bit_length() - 1].add(first)
            else:
                self._odd.append((first, last))
        return dict(found)

    def _held(self, value: int) -> tuple[object, ...]:
        """The prefixes that hold an address, and where in them it stands at an end."""
        told: list[object] = []
        for bits, firsts in sorted(self._lengths.items()):
            first = value >> bits << bits
            if first in firsts:
                told.append((bits, first, value == first, value == first + (1 << bits) - 1))
        return (*told, *((first, last, value == first, value == last) for first, last in self._odd if first <= value <= last))

    def _key(self, number: int) -> int:
        member = self.members[number]
        if member.kind == "node":
            return self.atlas.intern(("node", member.node))
        own: tuple[object, ...] = ("unseen",)
        if member.key is not None:
            observer = self.atlas.observer(member.key)
            items = [i for i in observer.facts.items if not any(n != number for n in self._owners(member.key, i))]
            lines = sorted(self._raw(member.key, item, number) for item in items)
            opaque = member.key if observer.opaque or observer.proxies else ""
            own = (self.atlas.static(member.key), tuple(lines), self._filters(observer, number), opaque)
        if self._masked:
            return self.atlas.intern(("own", number))
        # An address that two stacks hold is nobody's own.
        doubled = member.value if len(self.atlas.holders.get(member.value, ())) > 1 or len(self._by_value[member.value]) > 1 else ""
        values = tuple(self._held(value) for value in self._own[number].values)
        return self.atlas.intern((member.node, own, tuple(sorted(self._spoken[number], key=str)), values, doubled))

    def _filters(self, observer: Observer, number: int) -> tuple[object, ...]:
        """A container's own chains and sets."""
        told: list[object] = []
        for place, table in observer.tables:
            told.append((table.backend, table.name, table.partial))
            for name in self._reachable(observer, place):
                items = observer.chain(place, name).items
                told.append((name, table.chains[name].policy, *((*self._raw(observer.key, i, number), i.jump) for i in items)))
        for name in observer.stack.ipsets:
            found = observer.set(name)
            told.append((name, found and found[0], *(self._raw(observer.key, i, number) for i in found[1].items)) if found else name)
        return tuple(told)

    # --- groups ---------------------------------------------------------------------------------------------------

    def on(self, node: str) -> list[int]:
        """Members of a node."""
        return self._on.get(node, [])

    @property
    def nodes(self) -> list[str]:
        """Nodes that have members."""
        return list(self._on)

    def groups(self, node: str, other: str, listen: frozenset[int] | None = None) -> list[Group]:
        """The members of a node in classes, as members of another node are concerned; ``listen``: sockets on these ports count as well.

        ``other`` :data:`EVERYWHERE`: whoever is concerned.
        """
        scope = other if other == EVERYWHERE or any(other in self._scoped[number] for number in self.on(node)) else ""
        asked = (node, scope, listen)
        if asked not in self._grouped:
            found: dict[object, list[Member]] = defaultdict(list)
            for number in self.on(node):
                scoped = self._scoped[number]
                lines = [line for each in scoped.values() for line in each] if scope == EVERYWHERE else scoped.get(scope, ())
                key: tuple[object, ...] = (self._keys[number], *sorted(lines, key=str))
                if listen is not None:
                    key = (*key, self._sockets(number, listen))
                found[key].append(self.members[number])
            self._grouped[asked] = [Group(self.atlas.intern(("class", key)), tuple(members)) for key, members in found.items()]
        return self._grouped[asked]

    def _sockets(self, number: int, ports: frozenset[int]) -> object:
        key = self.members[number].key
        if key is None or key[1] == HOST:
            return ""
        return tuple(sorted(self._raw(key, item, number) for item in self.atlas.observer(key).sockets(ports).items))
