"""The syntax tree that both forms of an nftables listing are read into.

Two trees are equal if the kernel would do the same: line numbers, handles, counters, comments and source texts do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# --- expressions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """A number (decimal), an address, a name, a quoted string."""

    text: str


@dataclass(frozen=True, slots=True)
class Flags:
    """Names or numbers of a bit mask: ``established,related``, ``fin | syn``."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    """``10.0.0.0/8``."""

    address: str
    length: int


@dataclass(frozen=True, slots=True)
class Range:
    """``1024-65535``."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``*``: the element of a set that holds what no other element does."""


@dataclass(frozen=True, slots=True)
class Concat:
    """``ip saddr . tcp dport``, ``10.0.0.1 . 80``."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set or map."""

    key: Expression
    data: Expression | Verdict | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SetOf:
    """``{ 22, 80 }``: an anonymous set, or the elements of a map."""

    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class SetRef:
    """``@name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """Something of the packet or its surroundings: ``ip saddr``, ``meta mark``, ``ct original saddr``, ``fib daddr . iif type``."""

    base: str
    """Header, or ``meta``, ``ct``, ``fib``, ``rt``, ``socket`` …; ``@th`` for bits by offset"""
    name: str
    also: tuple[str, ...] = ()
    """``ct``: the direction; ``fib``: what is looked up; ``@th``: offset and length in bits"""


@dataclass(frozen=True, slots=True)
class Operation:
    """``&``, ``|``, ``^``, ``<<`` or ``>>``."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Draw:
    """``numgen`` or a hash: one of ``modulus`` numbers from ``offset`` on."""

    how: str
    """``numgen random`` | ``numgen inc`` | ``jhash`` | ``symhash``"""
    modulus: int
    offset: int = 0
    of: Expression | None = None
    """What ``jhash`` hashes."""
    seed: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class MapOf:
    """``tcp dport map { 80 : 10.0.0.1 }``."""

    key: Expression
    data: SetOf | SetRef


Expression = Literal | Flags | Prefix | Range | Wildcard | Concat | SetOf | SetRef | Field | Operation | Draw | MapOf

# --- statements ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """A comparison; if it does not hold, the rule ends."""

    left: Expression
    sign: str
    """``==`` | ``!=`` | ``<`` | ``>`` | ``<=`` | ``>=`` | ``in`` (a common bit) | ``!`` (no common bit)"""
    right: Expression


@dataclass(frozen=True, slots=True)
class Verdict:
    """``accept``, ``drop``, ``jump name`` and so on."""

    name: str
    """accept | drop | continue | return | jump | goto | queue"""
    target: str = ""


@dataclass(frozen=True, slots=True)
class VerdictMap:
    """``tcp dport vmap { 22 : accept }``; without an element for the key the rule ends."""

    key: Expression
    data: SetOf | SetRef


@dataclass(frozen=True, slots=True)
class Translate:
    """``dnat``, ``snat``, ``masquerade`` or ``redirect``."""

    kind: str
    family: str = ""
    """ip | ip6 | "" (the table's)"""
    address: Expression | None = None
    port: Expression | None = None
    flags: tuple[str, ...] = ()
    """random | fully-random | persistent | prefix"""


@dataclass(frozen=True, slots=True)
class Divert:
    """``tproxy``: a local socket takes the packet as it is."""

    family: str = ""
    """ip | ip6 | "" (the table's)"""
    address: Expression | None = None
    """Where the socket listens; ``None`` = an address of the device that the packet came by"""
    port: Expression | None = None
    """``None`` = the port that was asked for"""


@dataclass(frozen=True, slots=True)
class Reject:
    """``reject with TYPE CODE``."""

    type: str
    """icmp | icmpv6 | icmpx | tcp reset | "" (the family's port-unreachable)"""
    code: str = ""


@dataclass(frozen=True, slots=True)
class SetValue:
    """``meta mark set``, ``ct mark set``, ``ip dscp set``."""

    key: Field
    value: Expression


@dataclass(frozen=True, slots=True)
class Notrack:
    """``notrack``."""


@dataclass(frozen=True, slots=True)
class Note:
    """A statement that changes nothing that the model follows: ``counter``, ``log``, ``flow add``."""

    what: str
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A statement whose effect a listing does not tell."""

    what: str
    """``limit``, ``quota``, ``ct count``, ``xt match``, ``queue``, ``unparsed`` …"""
    effect: str
    """``match``: the rule may end here; ``taken``: the packet may be taken away; ``any``: both"""
    text: str = field(default="", compare=False)


Statement = Match | Verdict | VerdictMap | Translate | Divert | Reject | SetValue | Notrack | Note | Doubtful

# --- structure ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    statements: tuple[Statement, ...]
    text: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)
    handle: int | None = field(default=None, compare=False)
    comment: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Hook:
    """What makes a chain a base chain."""

    type: str
    """filter | nat | route"""
    hook: str
    """prerouting | input | forward | output | postrouting | ingress | egress"""
    priority: int
    policy: str = "accept"
    device: str = field(default="", compare=False)
    """Of ingress and egress: the devices, separated by blanks; "" where the listing does not tell."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain."""

    name: str
    hook: Hook | None
    rules: tuple[Rule, ...]
    line: int = field(default=0, compare=False)
    """Of a base chain the line that names its hook."""


PARTIAL = "partial"
"""Flag of a set whose elements are not all known (a terse listing, elements that were not understood)."""


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set or map of a table."""

    name: str
    elements: tuple[Element, ...]
    flags: tuple[str, ...] = field(default=(), compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    family: str
    """ip | ip6 | inet | bridge | arp | netdev"""
    name: str
    chains: tuple[Chain, ...]
    sets: tuple[NamedSet, ...] = ()
    flags: tuple[str, ...] = field(default=(), compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a listing shows."""

    tables: tuple[Table, ...]
    unparsed: tuple[tuple[int, str], ...] = field(default=(), compare=False)
    """Line number and text of what was not understood; inside a rule it is a :class:`Doubtful` statement there."""
    whole: bool = field(default=True, compare=False)
    """The listing reaches its end."""
