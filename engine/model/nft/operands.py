"""Expressions of a textual listing: fields of the packet, constants, sets, maps."""

from __future__ import annotations

from engine.inet import is_address
from engine.model.nft.ast import (
    Concat,
    Draw,
    Element,
    Expression,
    Field,
    Flags,
    Literal,
    MapOf,
    Operation,
    Prefix,
    Range,
    SetOf,
    SetRef,
    Verdict,
    Wildcard,
)
from engine.model.nft.lexer import Cursor, Trouble

HEADERS = frozenset(
    {
        "ip",
        "ip6",
        "tcp",
        "udp",
        "udplite",
        "sctp",
        "dccp",
        "th",
        "icmp",
        "icmpv6",
        "igmp",
        "ether",
        "vlan",
        "arp",
        "esp",
        "ah",
        "comp",
        "gre",
        "geneve",
        "vxlan",
    }
)
META_KEYS = frozenset(
    {
        "iif",
        "oif",
        "iifname",
        "oifname",
        "iiftype",
        "oiftype",
        "iifkind",
        "oifkind",
        "iifgroup",
        "oifgroup",
        "mark",
        "skuid",
        "skgid",
        "nftrace",
        "rtclassid",
        "ibriport",
        "obriport",
        "ibrname",
        "obrname",
        "pkttype",
        "cpu",
        "cgroup",
        "length",
        "l4proto",
        "nfproto",
        "protocol",
        "priority",
        "random",
        "secpath",
        "time",
        "day",
        "hour",
        "sdif",
        "sdifname",
        "ipsec",
    }
)
"""Keys that may stand without ``meta`` (and a few that older versions print so)."""

HEADS = (
    HEADERS
    | META_KEYS
    | {
        "meta",
        "ct",
        "fib",
        "rt",
        "socket",
        "ipsec",
        "osf",
        "exthdr",
        "frag",
        "rt0",
        "rt2",
        "rt4",
        "srh",
        "hbh",
        "dst",
        "mh",
        "numgen",
        "jhash",
        "symhash",
        "(",
    }
)
"""Words that begin an expression which is no constant."""

SIGNS = {"&": "&", "|": "|", "^": "^", "<<": "<<", ">>": ">>", "and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>"}
VERDICTS = frozenset({"accept", "drop", "continue", "return", "jump", "goto", "queue"})
MAX_DEPTH = 32
"""Parentheses and sets inside each other."""

BITMASKS = frozenset({("ct", "state"), ("ct", "status"), ("ct", "label"), ("ct", "event"), ("tcp", "flags")})
"""Fields for which a comparison without a sign asks for a common bit."""


def number(text: str) -> str:
    """A number in decimal, other text as it is."""
    try:
        return str(int(text, 0))
    except ValueError:
        return str(int(text)) if text.isdecimal() and text.isascii() else text


def is_number(text: str) -> bool:
    """Whether text is a number in decimal or hexadecimal."""
    try:
        int(text, 0)
    except ValueError:
        return text.isdecimal() and text.isascii()
    return True


# --- constants ----------------------------------------------------------------------------------------------------


def atom(text: str) -> Expression:
    """A constant of one word."""
    if text == "*":
        return Wildcard()
    if text.startswith("@") and len(text) > 1:
        return SetRef(text[1:])
    address, slash, length = text.partition("/")
    if slash and length.isdecimal() and is_address(address):
        return Prefix(address, int(length))
    low, dash, high = text.partition("-")
    if dash and all(is_number(x) or is_address(x) for x in (low, high)):
        return Range(number(low), number(high))
    return Literal(number(text))


def _constant(at: Cursor) -> Expression:
    if at.kind() == "string":
        low = at.take().text
        if at.peek() == "-" and at.accept("-"):
            return Range(low, at.word())
        return Literal(low)
    if at.peek() == "(":
        return _bracketed(at)
    return atom(at.word())


def _bracketed(at: Cursor) -> Expression:
    at.expect("(")
    if at.peek() == "(":
        message = "brackets inside brackets"
        raise Trouble(message)
    inner = constant(at)
    at.expect(")")
    return inner


def constant(at: Cursor, *, listed: bool = False) -> Expression:
    """A constant with its concatenations and flags; ``listed``: a comma ends it (inside a set)."""
    first = _constant(at)
    if at.peek() == ".":
        parts = [first]
        while at.accept("."):
            parts.append(_constant(at))
        return Concat(tuple(parts))
    joiners = ("|", "or") if listed else ("|", ",", "or")
    if isinstance(first, Literal) and at.peek() in joiners:
        names = [first.text]
        while at.accept(*joiners):
            more = _constant(at)
            if not isinstance(more, Literal):
                message = "flags expected"
                raise Trouble(message)
            names.append(more.text)
        return Flags(tuple(names))
    return first


def verdict(at: Cursor) -> Verdict:
    """A verdict; raises :class:`Trouble` if there is none."""
    name = at.word()
    if name not in VERDICTS:
        message = f"a verdict expected, {name!r} found"
        raise Trouble(message)
    return Verdict(name, at.word() if name in {"jump", "goto"} else "")


def set_of(at: Cursor) -> SetOf:
    """``{ a, b : c }`` with what belongs to elements (timeouts, counters, comments) passed over."""
    at.expect("{")
    found = []
    while not at.accept("}"):
        if at.kind() in {"newline", "comment"} or at.peek() == ",":
            at.take()
            continue
        found.append(_element(at))
    return SetOf(tuple(found))


def _element(at: Cursor) -> Element:
    line = at.tokens[at.at].line
    key = constant(at, listed=True)
    _pass_over(at, {":", ",", "}"})
    data: Expression | Verdict | None = None
    if at.accept(":"):
        data = verdict(at) if at.peek() in VERDICTS else constant(at, listed=True)
        _pass_over(at, {",", "}"})
    return Element(key, data, line)


def _pass_over(at: Cursor, ends: set[str]) -> None:
    """Skip to a sign outside of brackets."""
    depth = 0
    while depth or at.peek() not in ends:
        token = at.take()
        if token.kind == "sign":
            depth += {"{": 1, "}": -1}.get(token.text, 0)


def right_side(at: Cursor) -> Expression:
    """What a field is compared with."""
    return set_of(at) if at.peek() == "{" else constant(at)


# --- fields -------------------------------------------------------------------------------------------------------


def expression(at: Cursor, depth: int = 0) -> Expression:
    """A field, what is computed from it, or a constant."""
    if depth > MAX_DEPTH:
        message = "too deep"
        raise Trouble(message)
    left = _joined(at, depth)
    while at.peek() in SIGNS:
        sign = SIGNS[at.take().text]
        left = Operation(sign, left, _primary(at, depth + 1))
    if at.accept("map"):
        return MapOf(left, map_data(at))
    return left


def map_data(at: Cursor) -> SetOf | SetRef:
    """Elements of an anonymous map, or the name of a map."""
    if at.peek() == "{":
        return set_of(at)
    named = atom(at.word())
    if not isinstance(named, SetRef):
        message = "a map expected"
        raise Trouble(message)
    return named


def _joined(at: Cursor, depth: int) -> Expression:
    parts = [_primary(at, depth)]
    while at.accept("."):
        parts.append(_primary(at, depth))
    return parts[0] if len(parts) == 1 else Concat(tuple(parts))


def _primary(at: Cursor, depth: int) -> Expression:
    head = at.peek()
    if head == "(":
        at.take()
        inner = expression(at, depth + 1) if at.peek() in HEADS or at.kind() == "raw" else constant(at)
        at.expect(")")
        return inner
    if at.kind() == "raw":
        base, offset, length = at.take().text.split(",")
        return Field(base, "bits", (offset, length))
    if head not in HEADS:
        return _constant(at)
    at.take()
    if head in META_KEYS and head not in HEADERS and head != "meta":
        return Field("meta", head)
    return _field(head, at, depth)


def _field(head: str, at: Cursor, depth: int) -> Expression:
    if head == "meta":
        return Field("meta", at.word())
    if head == "ct":
        return _ct(at)
    if head == "fib":
        return _fib(at)
    if head in {"numgen", "jhash", "symhash"}:
        return _draw(head, at, depth)
    if head in {"tcp", "ip", "sctp"} and at.peek() in {"option", "chunk"}:
        kind, name = at.word(), at.word()
        known = at.peek() in {"size", "length", "kind", "left", "right", "tsval", "tsecr", "count", "addr", "ptr", "type", "value"}
        return Field(f"{head} {kind}", name, (at.word(),) if known else ())
    if head == "rt":
        family = at.accept("ip", "ip6")
        return Field("rt", at.word(), (family,) if family else ())
    if head == "exthdr":
        return Field(head, at.word())
    if head == "arp" and at.peek() in {"saddr", "daddr"}:
        return Field(head, f"{at.word()} {at.word()}")
    if head == "socket" and at.accept("cgroupv2"):
        at.expect("level")
        return Field(head, "cgroupv2", (at.word(),))
    return Field(head, at.word())


def _ct(at: Cursor) -> Field:
    direction = at.accept("original", "reply")
    family = at.accept("ip", "ip6") if at.peek(1) in {"saddr", "daddr"} else ""
    del family  # the entry's own
    return Field("ct", at.word(), (direction,) if direction else ())


def _fib(at: Cursor) -> Field:
    flags = [at.word()]
    while at.accept("."):
        flags.append(at.word())
    result = at.word()
    if result not in {"type", "oif", "oifname", "check"}:
        message = f"result of a fib lookup expected, {result!r} found"
        raise Trouble(message)
    return Field("fib", result, tuple(flags))


def _draw(head: str, at: Cursor, depth: int) -> Draw:
    of: Expression | None = None
    if head == "numgen":
        head = f"numgen {at.word()}"
    elif head == "jhash":
        of = _joined(at, depth + 1)
    at.expect("mod")
    modulus = int(number(at.word()))
    seed = at.word() if at.accept("seed") else ""
    offset = int(number(at.word())) if at.accept("offset") else 0
    return Draw(head, modulus, offset, of, seed)
