"""The evidence of one stack as items: words and the literals among them (prefixes, devices, MACs), found by what they speak of.

An item that speaks of an address, a device or a MAC counts only for packets that have to do with it: a rule with ``-s 10.1.2.3`` can
never match a packet from elsewhere.  The literals by which an item *selects* say so; the others are told as what they are.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from engine.inet import BITS, family_of, prefix, to_int
from engine.model.netfilter.words import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Net(NamedTuple):
    """An address or a prefix."""

    value: int
    length: int


class Span(NamedTuple):
    """A range of addresses."""

    first: int
    last: int


class Device(NamedTuple):
    """A device of the stack."""

    name: str


class Mac(NamedTuple):
    """A hardware address."""

    text: str


Literal = Net | Span | Device | Mac
Part = str | Literal

ANYWHERE = Span(0, 0)
"""Where an item leads that spreads packets over a range."""


class Item(NamedTuple):
    """One line of evidence."""

    parts: tuple[Part, ...]
    select: tuple[Literal, ...] = ()
    """What a packet must have to do with, all of it, for the item to count; none = it always counts."""
    either: bool = False
    """One of ``select`` is enough."""
    leads: tuple[Literal, ...] = ()
    """Where a packet may be sent by the item: gateways, tunnel ends, new destinations."""
    ports: tuple[tuple[int, int], ...] | None = None
    """Destination ports that it asks for."""
    jump: str = ""
    """Target of a rule."""
    sets: tuple[str, ...] = ()
    """Sets that a rule asks."""
    new_ports: tuple[int, ...] = ()
    """Ports that packets may be sent to by it."""

    @property
    def literals(self) -> Iterable[Literal]:
        """All literals in it."""
        yield from self.select
        yield from (part for part in self.parts if not isinstance(part, str))


class Told(NamedTuple):
    """What an item says, ready to be named."""

    number: int
    """Of its words, with the places of literals left open."""
    literals: tuple[Literal, ...]
    always: bool
    """It selects by nothing, so that it counts for every packet that it is found for."""


class Near(dict[int, tuple[int, ...]]):
    """Address → places of the items filed under a subnet that holds it, found when first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.nets: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        """Bits that a prefix leaves open → its first address → places."""

    def __missing__(self, value: int) -> tuple[int, ...]:
        hits: list[int] = []
        for bits, nets in self.nets.items():
            hits += nets.get(value >> bits << bits, ())
        found = self[value] = tuple(hits)
        return found


class Listing:
    """Items in order, found by the literals by which they select."""

    def __init__(self, items: Sequence[Item], bits: int) -> None:
        """``bits``: length of an address."""
        self.items = items
        self.bits = bits
        self.told: dict[int, Told] = {}
        """Items made ready, by place."""
        self.spoken: frozenset[int] | None = None
        """Members of the cluster that some item names, once asked for."""
        self.always: list[int] = []
        self.by_device: dict[str, list[int]] = defaultdict(list)
        self.by_mac: dict[str, list[int]] = defaultdict(list)
        self.hosts: dict[int, list[int]] = defaultdict(list)
        """Items filed under a single address."""
        self.near = Near()
        for place, item in enumerate(items):
            chosen = item.select if item.either else sorted(item.select, key=_closeness)[:1]
            for literal in chosen:
                self._file(place, literal)
            if not item.select or any(isinstance(literal, Span) for literal in chosen):
                self.always.append(place)

    def _file(self, place: int, literal: Literal) -> None:
        if isinstance(literal, Net):
            filed = self.hosts if literal.length == self.bits else self.near.nets[self.bits - literal.length]
            filed[literal.value].append(place)
        elif isinstance(literal, Device):
            self.by_device[literal.name].append(place)
        elif isinstance(literal, Mac):
            self.by_mac[literal.text].append(place)

    def at(self, value: int) -> tuple[int, ...]:
        """Places of the items filed under an address, or a subnet that holds it."""
        return (*self.hosts.get(value, ()), *self.near[value])


def _closeness(literal: Literal) -> int:
    """Which literal to file an item under: the one that fewest packets have to do with."""
    if isinstance(literal, Net):
        return -literal.length
    return 1 if isinstance(literal, Span) else -64


@lru_cache(maxsize=1 << 17)
def net(text: object, family: int) -> Net | None:
    """A literal of an address or prefix of a family; ``None`` for any other text."""
    if not isinstance(text, str) or not (text[:1].isalnum() or text[:1] == ":"):
        return None
    try:
        if family_of(text) != family:
            return None
        made = prefix(text)
    except ValueError:
        return None
    return Net(made.value, made.length)


@lru_cache(maxsize=1 << 17)
def host(text: object, family: int) -> Net | None:
    """A literal of a single address, the length of its subnet (if any) cut off."""
    bare = text.partition("/")[0] if isinstance(text, str) else ""
    try:
        return Net(to_int(bare), BITS[family]) if bare and family_of(bare) == family else None
    except ValueError:
        return None


def span(text: str, family: int) -> Span | None:
    """A literal of ``10.1.2.3-10.1.2.9``."""
    low, dash, high = text.partition("-")
    first, last = (host(low, family), host(high, family)) if dash else (None, None)
    return Span(first.value, last.value) if first and last else None


# --- rules of iptables --------------------------------------------------------------------------------------------------

_SIDES = frozenset({"-s", "-d", "--source", "--src", "--destination", "--dst", "--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst"})
_DEVICES = frozenset({"-i", "-o", "--in-interface", "--out-interface", "--physdev-in", "--physdev-out"})
_PORTS = frozenset({"--dport", "--dports", "--destination-port", "--destination-ports"})
_TARGETS = frozenset({"--to-destination", "--to-source", "--to"})


class _Rule:
    """A rule on its way to an item."""

    def __init__(self, family: int) -> None:
        self.family = family
        self.parts: list[Part] = []
        self.select: list[Literal] = []
        self.leads: list[Literal] = []
        self.sets: list[str] = []
        self.new_ports: list[int] = []
        self.ports: tuple[tuple[int, int], ...] | None = None
        self.jump = ""

    def literal(self, made: Literal | None, text: str, *, selects: bool) -> None:
        """A value; one that is not understood stays as it is written."""
        self.parts.append(text if made is None else made)
        if made is not None and selects:
            self.select.append(made)

    def target(self, text: str) -> None:
        """``10.1.2.3:80``, ``10.1.2.3-10.1.2.9:8000-8010``, ``:80``."""
        address, _, port = text.rpartition(":") if self.family == 4 and ":" in text else (text.strip("[]"), "", "")
        made = host(address, self.family) if "/" not in address else None
        self.parts += [text if made is None else made, port]
        if address:
            self.leads.append(made or ANYWHERE)
        self.new_ports += [int(port)] if port.isdecimal() else []


@lru_cache(maxsize=1 << 18)
def rule_item(spec: str, family: int) -> Item:
    """The item of a rule; words that say nothing of addresses, devices and ports are kept as they are."""
    words = split(spec)
    made = _Rule(family)
    at, inverted = 0, False
    while at < len(words):
        word = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        at += 1
        if word == "--comment":
            at += 1
        elif word == "!":
            inverted = True
            made.parts.append(word)
            continue
        elif word in _VALUED and value != "!":
            at += 1
            made.parts.append(word)
            _value(made, word, value, inverted=inverted)
            at += word == "--match-set"  # its directions
            made.parts += words[at - 1 : at] if word == "--match-set" else []
        else:
            made.literal(net(word, family), word, selects=False)
            made.leads += [ANYWHERE] if net(word, family) else []
        inverted = False
    return Item(
        tuple(made.parts), tuple(made.select), False, tuple(made.leads), made.ports, made.jump, tuple(made.sets), tuple(made.new_ports)
    )


_OTHERS = frozenset({"--match-set", "--src-range", "--dst-range", "-j", "-g", "--jump", "--goto", "--to-ports", "--on-port"})
_VALUED = _SIDES | _DEVICES | _PORTS | _TARGETS | _OTHERS


def _value(made: _Rule, word: str, value: str, *, inverted: bool) -> None:
    if word in _SIDES:
        found = net(value, made.family)
        made.literal(found, value, selects=not inverted and found is not None and found.length > 0)
    elif word in _DEVICES:
        made.literal(Device(value), value, selects=not inverted and not value.endswith("+"))
    elif word.endswith("-range"):
        made.literal(span(value, made.family) or host(value, made.family), value, selects=False)
    elif word in _PORTS:
        made.parts.append(value)
        made.ports = _ports(value) if not inverted else None
    elif word in _TARGETS:
        made.target(value)
    elif word == "--match-set":
        made.sets.append(value)
        made.parts.append(value)
    elif word in {"--to-ports", "--on-port"}:
        made.parts.append(value)
        made.new_ports += [int(value)] if value.isdecimal() else []
    else:
        made.jump = value


def _ports(text: str) -> tuple[tuple[int, int], ...] | None:
    found = []
    for each in text.split(","):
        low, colon, high = each.partition(":")
        if not (low or "0").isdecimal() or not (high or "0").isdecimal():
            return None
        found.append((int(low or 0), int(high or 65535) if colon else int(low or 0)))
    return tuple(found)
