"""The forwarding information base of one stack: policy rules, tables, longest-prefix match.

Source: Linux ``net/ipv4/fib_rules.c``, ``fib_trie.c``, ``fib_semantics.c``, ``fib_frontend.c``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from engine.facts import Fact
from engine.inet import BITS, Prefix, family_of, prefix, to_int
from engine.model.netfilter.rule import protocol_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TABLE_NAMES = {"255": "local", "254": "main", "253": "default"}
"""Numbers of the tables that iproute2 names (``/etc/iproute2/rt_tables``)."""

PLAIN = frozenset({"0", "0x0", "0x00", "default", "CS0"})
"""Type of service of ordinary packets, as tools print it."""

ROUTED_TOS = 0x1C
"""Bits of the type of service that routes and policy rules compare."""

ENDING_TYPES = frozenset({"unreachable", "prohibit", "blackhole"})
"""Route types that end a lookup with an error."""

BLOCKING = ENDING_TYPES | {"throw"}
"""Route types without a way."""


class NextHop(NamedTuple):
    """One way of a route."""

    gateway: str
    device: str
    weight: int = 1
    onlink: bool = False
    dead: bool = False


class Route(NamedTuple):
    """One route of a table."""

    table: str
    type: str
    dst: Prefix
    hops: tuple[NextHop, ...]
    src: str
    metric: int
    scope: str
    mtu: int | None
    tos: str
    fact: Fact


class PolicyRule(NamedTuple):
    """One ``ip rule``."""

    priority: int
    action: str
    table: str
    fact: Fact | None
    """``None`` for the three rules that every kernel starts with, where no listing was seen."""


Sender = Callable[[PolicyRule], bool]
"""Whether the user who sends is among those that a rule speaks of."""


class Key(NamedTuple):
    """What a FIB lookup is made with."""

    family: int
    dst: int
    src: int | None = None
    iif: str = ""
    oif: str = ""
    mark: int = 0
    protocol: str = ""
    sport: int = 0
    dport: int = 0
    kernel: bool = False
    """The packet is the kernel's own: no user's socket sends it."""
    tos: int = 0


class Found(NamedTuple):
    """Result of a lookup."""

    type: str
    """A route type, or ``none`` (nothing matched: ENETUNREACH)."""
    route: Route | None = None
    rule: PolicyRule | None = None
    tried: tuple[str, ...] = ()
    """Tables that were looked into without a match."""
    unknown: tuple[str, ...] = ()
    """Tables that a rule names and that were not collected, met before the result."""


@dataclass(slots=True)
class Table:
    """Routes of one table and family, by prefix length."""

    by_length: dict[int, dict[int, list[Route]]] = field(default_factory=dict)

    def add(self, route: Route) -> None:
        """Insert a route; of equal prefixes table local's come first, then the larger type of service and the lower metric (``fib_find_alias``)."""
        same = self.by_length.setdefault(route.dst.length, {}).setdefault(route.dst.value, [])
        same.append(route)
        same.sort(key=lambda r: (r.table != "local", -_service(r.tos), r.metric))

    def matches(self, value: int, family: int) -> Iterable[Route]:
        """Routes that cover an address, most specific first, then by metric."""
        bits = BITS[family]
        for length in sorted(self.by_length, reverse=True):
            mask = ((1 << length) - 1) << (bits - length)
            yield from self.by_length[length].get(value & mask, ())


def table_name(raw: str) -> str:
    """Canonical name of a table: ``254`` and ``main`` are one."""
    return TABLE_NAMES.get(raw, raw)


def _hop(fields: Mapping[str, object]) -> NextHop:
    flags = fields.get("flags") or ()
    return NextHop(
        gateway=str(fields.get("gateway") or ""),
        device=str(fields.get("device") or ""),
        weight=int(str(fields.get("weight") or 1)),
        onlink=bool(fields.get("onlink", False)),
        dead="dead" in flags if isinstance(flags, (tuple, list)) else False,
    )


def route_of(fact: Fact) -> Route:
    """Route from a ``route`` fact."""
    get = fact.fields.get
    nexthops = get("nexthops") or ()
    hops = tuple(_hop(h) for h in nexthops) or (_hop(fact.fields),)
    return Route(
        table=table_name(str(get("table", "main"))),
        type=get("type", "unicast"),
        dst=prefix(fact.fields["dst"]),
        hops=hops,
        src=get("src", ""),
        metric=int(get("metric") or 0),
        scope=get("scope", ""),
        mtu=get("mtu"),
        tos=get("tos", ""),
        fact=fact,
    )


def _default_rules(family: int) -> list[PolicyRule]:
    rules = [PolicyRule(0, "lookup", "local", None), PolicyRule(32766, "lookup", "main", None)]
    return rules if family == 6 else [*rules, PolicyRule(32767, "lookup", "default", None)]


class Fib:
    """Rules and tables of one stack, both families."""

    def __init__(
        self, routes: Iterable[Fact], rules: Iterable[Fact], addresses: Sequence[Fact], *, complete: Callable[[str], bool], rules_known: bool
    ) -> None:
        """``complete(table)`` says whether that table was collected as a whole."""
        self._complete = complete
        self.rules_known = rules_known
        self.tables: dict[tuple[int, str], Table] = defaultdict(Table)
        self.routes: list[Route] = []
        self._filtered: set[str] = set()
        """Tables of which only some routes were asked for."""
        for fact in routes:
            self._add(route := route_of(fact))
            if fact.fields.get("partial"):
                self._filtered.add(route.table)
        for family in (4, 6):
            if (family, "local") not in self.tables:
                for fact in local_routes(addresses, family):
                    self._add(route_of(fact))
        self.rules = {4: self._rules(rules, 4), 6: self._rules(rules, 6)}
        if not self.custom_rules:
            # Until the first policy rule is made, IPv4 keeps local and main in one trie: the longest prefix of both decides (fib_unmerge).
            for route in list(self.routes):
                if route.dst.family == 4 and route.table == "main":
                    self.tables[4, "local"].add(route)

    def _add(self, route: Route) -> None:
        self.routes.append(route)
        self.tables[route.dst.family, route.table].add(route)

    @staticmethod
    def _rules(facts: Iterable[Fact], family: int) -> list[PolicyRule]:
        found = [
            PolicyRule(f.fields.get("priority", 0), f.fields.get("action", "lookup"), table_name(str(f.fields.get("table", ""))), f)
            for f in facts
            if f.fields.get("family", 4) == family
        ]
        return sorted(found, key=lambda r: r.priority) or _default_rules(family)

    @property
    def custom_rules(self) -> bool:
        """Whether IPv4 has policy rules besides those that every kernel starts with (``fib4_has_custom_rules``)."""
        return not {(r.priority, r.action, r.table) for r in self.rules[4]} <= {(r.priority, r.action, r.table) for r in _default_rules(4)}

    def known(self, table: str) -> bool:
        """Whether absence from ``table`` means anything: it was collected, or is derived (local)."""
        shown = table not in self._filtered and any(t == table for _, t in self.tables)
        return table in {"local", "default"} or self._complete(table) or shown

    def lookup(self, key: Key, *, skip: Callable[[Route], bool] | None = None, sender: Sender | None = None) -> Found:
        """Walk the policy rules in order; a miss or a throw route goes on to the next rule.

        ``sender``: whether the user who sends is among those that a rule speaks of; without it the packet is the kernel's or
        another machine's, of user 0.
        """
        tried: list[str] = []
        unknown: list[str] = []
        rules = self.rules[key.family]
        jump = -1
        for rule in rules:
            if rule.priority < jump or not _rule_matches(rule, key, sender):
                continue
            if rule.action == "goto":
                jump = int((rule.fact.fields.get("goto") if rule.fact else 0) or 0)
                continue
            if rule.action in ENDING_TYPES:
                return Found(rule.action, None, rule, tuple(tried), tuple(unknown))
            if rule.action != "lookup":
                continue
            route = self._in_table(rule, key, skip)
            if route is not None and route.type != "throw":
                return Found(route.type, route, rule, tuple(tried), tuple(unknown))
            tried.append(rule.table)
            if not self.known(rule.table):
                unknown.append(rule.table)
        return Found("none", None, None, tuple(tried), tuple(unknown))

    def _in_table(self, rule: PolicyRule, key: Key, skip: Callable[[Route], bool] | None) -> Route | None:
        table = self.tables.get((key.family, rule.table))
        if table is None:
            return None
        shortest = rule.fact.fields.get("suppress_prefixlength", -1) if rule.fact else -1
        for route in table.matches(key.dst, key.family) if key.family == 4 else _scored(table, key):
            if route.tos and not _served(route.tos, key):
                continue
            if skip is not None and skip(route):
                continue
            if key.oif and _elsewhere(route, key):
                continue
            if route.type == "unicast" and all(h.dead for h in route.hops):
                continue
            return None if route.dst.length <= shortest else route
        return None


def _elsewhere(route: Route, key: Key) -> bool:
    """Whether a route is none by the wanted device: blocking ones of IPv4 have no device, those of IPv6 lead to lo (``rt6_score_route``)."""
    return (key.family == 6 or route.type not in BLOCKING) and all(h.device != key.oif for h in route.hops)


def anycast(found: Found, value: int) -> bool:
    """Whether IPv6 takes an address for an anycast one: by its route, or as the first of an on-link prefix (``ipv6_anycast_destination``)."""
    route = found.route
    if route is None or found.type != "unicast":
        return found.type == "anycast"
    return route.dst.length < 127 and route.dst.value == value and not any(hop.gateway for hop in route.hops)


def _scored(table: Table, key: Key) -> Iterator[Route]:
    """Routes of IPv6: of equal ones first those of the device that is asked about; some addresses are of one device only (``rt6_score_route``)."""
    device = key.oif or key.iif
    high = key.dst >> 118
    strict = bool(device) and (key.dst >> 120 == 0xFF or key.dst == 1 or (high == 0x3FA and device != "lo"))
    for _, equal in groupby(table.matches(key.dst, 6), lambda route: (route.dst.length, route.metric)):
        for route in sorted(equal, key=lambda route: all(hop.device != device for hop in route.hops)):
            if not strict or any(hop.device == device for hop in route.hops):
                yield route


def _rule_matches(rule: PolicyRule, key: Key, sender: Sender | None) -> bool:
    if rule.fact is None:
        return True
    get = rule.fact.fields.get
    holds = (
        (not get("iif") or get("iif") == (key.iif or "lo"))
        and (not get("oif") or get("oif") == key.oif)
        and _side(get("src"), key.src)
        and _side(get("dst"), key.dst)
        and ((key.mark ^ (get("fwmark") or 0)) & get("fwmask", 0xFFFFFFFF) == 0 if get("fwmark") is not None else True)
        and (not get("ipproto") or protocol_name(str(get("ipproto"))) == key.protocol)
        and _port(get("sport"), key.sport)
        and _port(get("dport"), key.dport)
        and not get("l3mdev")
        and (not get("tos") or _served(str(get("tos")), key))
    )
    # Asked last, and only if all else holds: the answer may be a choice.
    holds = holds and (not get("uidrange") or _of_user(rule, str(get("uidrange")), key, sender))
    return holds != bool(get("invert"))


def _service(text: str) -> int:
    """Type of service as a number; -1 for a name, which rt_dsfield gives and nobody collected."""
    if not text or text in PLAIN:
        return 0
    try:
        return int(text, 0)
    except ValueError:
        return -1


def _served(wanted: str, key: Key) -> bool:
    """Whether a type of service is the wanted one, as far as routes look at it (``fib_dscp_masked_match``); names of rt_dsfield are not known."""
    if wanted in PLAIN:
        return True
    return _service(wanted) == key.tos & ROUTED_TOS


def _of_user(rule: PolicyRule, users: str, key: Key, sender: Sender | None) -> bool:
    """``uidrange``: packets that came in by a device and those that the kernel itself makes are user 0's (``sock_net_uid``)."""
    if sender is not None and not key.iif and not key.kernel:
        return sender(rule)
    low, _, high = users.partition("-")
    return int(low) <= 0 <= int(high or low)


def _side(text: str | None, value: int | None) -> bool:
    if not text:
        return True
    wanted = prefix(text)
    if wanted.length == 0:
        return True
    return value is not None and wanted.holds(value)


def _port(text: str | None, value: int) -> bool:
    if not text:
        return True
    low, _, high = str(text).partition("-")
    return int(low) <= value <= int(high or low)


def local_routes(addresses: Sequence[Fact], family: int) -> Iterable[Fact]:
    """Table ``local`` as the kernel fills it from the addresses (``fib_add_ifaddr``)."""
    for fact in addresses:
        get = fact.fields.get
        address = fact.fields["address"]
        if family_of(address) != family:
            continue
        bits = BITS[family]

        def made(kind: str, dst: str, origin: Fact = fact, own: str = address) -> Fact:
            fields = {
                "table": "local",
                "type": kind,
                "dst": dst,
                "device": origin.fields.get("device", ""),
                "src": own,
                "scope": "host",
                "family": family,
            }
            return Fact("route", fields, origin.node, origin.stack, origin.source, origin.line, origin.shown)

        yield made("local", f"{address}/{bits}")
        if family == 6:
            continue
        length = get("prefixlen", 32)
        if to_int(address) >> 24 == 127:
            yield made("local", f"127.0.0.0/{length}")
        if length < 31:
            net = prefix(f"{address}/{length}")
            from engine.inet import to_text

            yield made("broadcast", f"{to_text(net.last)}/32")
        broadcast = get("broadcast")
        if broadcast and length < 32:
            yield made("broadcast", f"{broadcast}/32")
