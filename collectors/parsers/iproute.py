"""Routes: ``ip route`` (text and JSON), ``route -n`` and ``netstat -rn``.

``ip route`` omits what is usual: no ``proto`` means boot, no ``scope`` global, no ``table`` main.  Such defaults are filled in, because the
absence of the word is an observation.  It also omits what the command line filtered by (``ip route show dev eth0`` prints no ``dev``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.jsontext import dict_of, dicts_of, emit_broken, int_of, is_json, read_json, text_of, texts_of
from collectors.parsers.text import clean_lines
from engine.inet import is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collectors.parsers.invocation import Invocation
    from collectors.place import Place
    from engine.facts import Fact, Source

_TYPES = frozenset({"unicast", "local", "broadcast", "unreachable", "blackhole", "prohibit", "throw", "multicast", "anycast", "nat"})
_FLAGS = frozenset({"dead", "linkdown", "offload", "offload_failed", "rt_offload", "trap", "rt_trap", "pervasive", "notify", "unresolved"})
_TABLES = {"254": "main", "255": "local", "253": "default", "0": "all", "unspec": "all"}
_FIELDS = {"dev": "device", "src": "src", "proto": "protocol", "protocol": "protocol", "scope": "scope", "tos": "tos", "dsfield": "tos"}
"""Word of ``ip route`` → field that holds the next word as it is."""
_CHECKED = frozenset({"via", "metric", "mtu", "weight", "table"})
_QUALIFIERS = frozenset({"inet", "inet6", "lock"})
"""Words between a keyword and its value: ``via inet6 fe80::1``, ``mtu lock 1400``."""
_SKIPPED = frozenset({
    "advmss", "hoplimit", "window", "rtt", "rttvar", "ssthresh", "cwnd", "initcwnd", "initrwnd", "reordering", "rto_min", "quickack", "features",
    "congctl", "realm", "realms", "expires", "error", "pref", "users", "age", "mark", "iif", "oif", "nhid", "from", "as", "fastopen_no_cookie",
    "ttl-propagate",
})
"""Words of ``ip route`` whose value is of no use here."""
_GET_MARKS = frozenset({"cache", "uid"})
_NO_TABLE = "FIB table does not exist"
"""What ``ip route show table N`` says on stderr where the table is empty."""
_ANY = {4: "0.0.0.0/0", 6: "::/0"}


class _Asked(NamedTuple):
    """What the command line asked for."""

    known: bool = False
    """The command line says more than ``ip route``; otherwise the content tells what is listed."""
    ignored: bool = False
    """``ip route get`` and the cache are no route tables."""
    got: bool = False
    """``ip route get``: what the kernel answered."""
    table: str = ""
    """Table asked for; "" = main."""
    family: int = 0
    filtered: bool = False
    """The listing is not the whole table."""
    fields: Mapping[str, str] = {}
    """Fields that every line has and none prints."""


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of a routing table in any of the printed forms; what ``ip route get`` answers is no route."""
    out = Emitter(source, place)
    if is_json(source.text):
        return _parse_json(out, _asked(source.command))
    ask = _asked(source.command)
    if ask.ignored and not ask.got:
        return []
    if "Kernel IP" in source.text or invocation(source.command, "route", "netstat"):
        return _parse_table(out)
    entries = list(_entries(out))
    routes = [(number, words, shown) for number, words, shown in entries if not ask.got and not _is_get(words)]
    for number, words, _ in entries:
        if ask.got or _is_get(words):
            _add_lookup(out, number, words)
    if (routes or not entries) and not ask.got:
        _emit(out, ask, routes)
    return out.done()


def _entries(out: Emitter) -> list[tuple[int, list[str], str]]:
    """Routes as words, with their continuation lines joined; lines that are no route are counted."""
    entries: list[tuple[int, list[str], str]] = []
    for number, line in clean_lines(out.source.text):
        words = line.replace("\\", " ").split()
        if not words:
            continue
        if line[0] in " \t" and words[0] in {"nexthop", "cache"} and entries:
            entries[-1][1].extend(words)
        elif _destination(words):
            entries.append((number, words, ""))
        elif _NO_TABLE not in line and not line.startswith("Dump terminated"):
            out.unparsed.add(number, line)
    return entries


def _destination(words: Sequence[str]) -> str:
    """The destination that a route's line begins with, or "" if it is no route."""
    word = words[1] if words[0] in _TYPES and len(words) > 1 else words[0]
    if word == "default":
        return word
    try:
        return str(prefix(word))
    except ValueError:
        return ""


def _is_get(words: Sequence[str]) -> bool:
    """Whether an entry is the answer of ``ip route get`` or from the cache, not a route."""
    return not _GET_MARKS.isdisjoint(words) or ("from" in words and words[words.index("from") + 1 :][:1] == ["::"])


def _add_lookup(out: Emitter, number: int, words: Sequence[str]) -> None:
    """What the kernel answered to ``ip route get``."""
    told = _fields(words, _Asked(), "")
    dst = str(told["dst"]).partition("/")[0]
    fields = {"dst": dst, "family": 6 if ":" in dst else 4, "type": told["type"], "table": told["table"]}
    fields |= {name: told[name] for name in ("device", "gateway", "src") if told.get(name)}
    if "from" in words[:-1] and words[words.index("from") + 1] != "::":
        fields["from"] = words[words.index("from") + 1]
    if fields.get("device"):
        out.add("route_lookup", fields, number)


def _emit(out: Emitter, ask: _Asked, routes: Sequence[tuple[int, list[str], str]]) -> None:
    """Emit the routes and what they cover."""
    # busybox prints no protocol at all: only where some line has one does its absence say "boot".
    protocol = "boot" if any("proto" in words for _, words, _ in routes) else ""
    families = set()
    tables = set()
    for number, words, shown in routes:
        fields = _fields(words, ask, protocol)
        families.add(fields["family"])
        tables.add(fields["table"])
        out.add("route", {**fields, **_part(filtered=ask.filtered)}, number, shown)
    if ask.filtered or not out.whole:
        return
    table, family = ask.table or "main", ask.family
    if not ask.known:
        table = "all" if tables - {"main"} else "main"
    if not family and table != "all":
        # Without -6, one table is listed for IPv4 only.
        family = 6 if not ask.known and families == {6} else 4
    out.collected("routes", table, family)


def _part(*, filtered: bool) -> dict[str, bool]:
    """Field that tells that a route stands for itself alone: its listing leaves others out."""
    return {"partial": True} if filtered else {}


def _fields(words: Sequence[str], ask: _Asked, protocol: str) -> dict[str, Any]:
    """Fields of one route."""
    kind = words[0] if words[0] in _TYPES else "unicast"
    main, *hops = _split(words, "nexthop")
    # What lines print overrides what the command line says of them all.
    fields: dict[str, Any] = {"table": ask.table if ask.table not in {"", "all"} else "main", "scope": "global", **ask.fields, "type": kind}
    if protocol:
        fields.setdefault("protocol", protocol)
    destination = _destination(words)
    fields["family"] = ask.family or _family(destination, main, hops)
    fields["dst"] = _ANY[fields["family"]] if destination == "default" else destination
    fields["onlink"] = "onlink" in main
    fields["flags"] = tuple(word for word in main if word in _FLAGS)
    if fields["family"] == 4:
        fields["metric"] = 0
    _read_words(main, 2 if words[0] in _TYPES else 1, fields)
    if hops:
        fields["nexthops"] = tuple(_nexthop(hop) for hop in hops)
    return fields


def _read_words(words: Sequence[str], at: int, fields: dict[str, Any]) -> None:
    """Read keywords and their values from ``at`` on into ``fields``."""
    while at < len(words):
        word = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        at += 2
        if word in _FIELDS:
            fields[_FIELDS[word]] = value
        elif word in _CHECKED:
            if value in _QUALIFIERS:
                value = words[at] if at < len(words) else ""
                at += 1
            _set_checked(fields, word, value)
        elif word not in _SKIPPED:
            at -= 1


def _set_checked(fields: dict[str, Any], word: str, value: str) -> None:
    """Set a field whose value must be an address or a number."""
    if word == "table":
        fields["table"] = _TABLES.get(value, value)
    elif word == "via":
        if is_address(value):
            fields["gateway"] = value
    elif value.isdecimal():
        fields[word] = int(value)


def _nexthop(words: Sequence[str]) -> dict[str, Any]:
    """One next hop of a multipath route."""
    hop: dict[str, Any] = {"weight": 1, "onlink": "onlink" in words, "flags": tuple(word for word in words if word in _FLAGS)}
    _read_words(words, 0, hop)
    return hop


def _split(words: Sequence[str], separator: str) -> list[Sequence[str]]:
    """``words`` cut at each ``separator``."""
    if separator not in words:
        return [words]
    parts: list[list[str]] = [[]]
    for word in words:
        if word == separator:
            parts.append([])
        else:
            parts[-1].append(word)
    return list(parts)


def _family(destination: str, main: Sequence[str], hops: Sequence[Sequence[str]]) -> int:
    """Family of a route; a default route is known by its gateway, or by the preference that only IPv6 routes print."""
    if destination != "default":
        return 6 if ":" in destination else 4
    for words in (main, *hops):
        if "via" in words:
            gateway = words[words.index("via") + 1 :][:1]
            # "via inet6 ADDRESS" is an IPv4 route whose next hop is an IPv6 address.
            return 6 if gateway and ":" in gateway[0] else 4
    return 6 if "pref" in main else 4


def _asked(command: str) -> _Asked:
    """What the command line of ``ip route`` asked for."""
    call = invocation(command, "ip")
    if not call or not call.words or not "route".startswith(call.words[0]):
        return _Asked()
    words = list(call.words[1:])
    if words and words[0] in {"get", "g"}:
        return _Asked(known=True, ignored=True, got=True)
    if words and words[0] in {"show", "list", "ls", "lst", "l", "s", "sh"}:
        del words[0]
    return _filters(call, words)


def _filters(call: Invocation, words: Sequence[str]) -> _Asked:
    """Filters of ``ip route show``: they hide lines, and the word they filter by is not printed."""
    table, filtered, fields = "", call.piped, {}
    at = 0
    while at < len(words):
        word = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        if word == "cache":
            return _Asked(known=True, ignored=True)
        if word == "table":
            table = _TABLES.get(value, value)
        else:
            filtered = True
            if word in {"dev", "proto", "protocol", "scope"} and value:
                fields[_FIELDS[word]] = value
        at += 2
    return _Asked(bool(call.options or call.words[1:]), table=table, family=call.family, filtered=filtered, fields=fields)


def _parse_json(out: Emitter, ask: _Asked) -> list[Fact]:
    """``ip -j route``: each object is put back into the words that the text form has, so that both read the same."""
    read = read_json(out.source.text)
    emit_broken(out, read)
    routes: list[tuple[int, list[str], str]] = []
    for number, entry in read.items:
        words = _words(entry) if isinstance(entry, dict) else []
        if words and _destination(words):
            if "cache" not in entry and "uid" not in entry and not _is_get(words):
                routes.append((number, words, " ".join(words)))
        elif entry:
            out.unparsed.add(number, str(entry))
    if ask.ignored or (read.items and not routes and not out.unparsed.count):
        return out.done()
    if not read.complete:
        ask = _Asked(known=ask.known, table=ask.table, family=ask.family, filtered=True, fields=ask.fields)
    _emit(out, ask, routes)
    return out.done()


def _words(entry: dict[str, Any]) -> list[str]:
    """The words that ``ip route`` would print for a JSON object."""
    kind = text_of(entry, "type")
    words = [kind] if kind in _TYPES and kind != "unicast" else []
    words.append(text_of(entry, "dst"))
    _append(words, "tos", text_of(entry, "tos"))
    words += _hop_words(entry)
    for word, key in (("table", "table"), ("proto", "protocol"), ("scope", "scope"), ("src", "prefsrc"), ("metric", "metric"), ("from", "from")):
        _append(words, word, text_of(entry, key))
    words += texts_of(entry, "flags")
    for metrics in dicts_of(entry, "metrics"):
        _append(words, "mtu", text_of(metrics, "mtu"))
    _append(words, "pref", text_of(entry, "pref"))
    for hop in dicts_of(entry, "nexthops"):
        words += ["nexthop", *_hop_words(hop)]
        _append(words, "weight", str(int_of(hop, "weight") or 1))
        words += texts_of(hop, "flags")
    return words if words[0] else []


def _hop_words(entry: dict[str, Any]) -> list[str]:
    """Gateway and device of a route or of one of its next hops."""
    words: list[str] = []
    via = dict_of(entry, "via")
    if via:
        words += ["via", text_of(via, "family") or "inet6", text_of(via, "host")]
    else:
        _append(words, "via", text_of(entry, "gateway"))
    _append(words, "dev", text_of(entry, "dev"))
    return words


def _append(words: list[str], word: str, value: str) -> None:
    """Append ``word value`` if there is a value."""
    if value:
        words += (word, value)


def _parse_table(out: Emitter) -> list[Fact]:
    """``route -n`` and ``netstat -rn``: columns by position, the device last."""
    metric_at = -1
    families = set()
    call = invocation(out.source.command, "route", "netstat")
    filtered = call is not None and call.piped
    for number, line in clean_lines(out.source.text):
        words = line.split()
        if not words or words[0] == "Kernel":
            continue
        if words[0] == "Destination":
            # netstat prints MSS where route prints the metric.
            metric_at = words.index("Metric") if "Metric" in words else -1
            continue
        if words[2:4] == ["!n", "-1"]:
            # The kernel's null entry, which stands for "no route" in the IPv6 listing.
            continue
        fields = _table_route(words, metric_at) if len(words) == 8 else _table_route6(words) if len(words) == 7 else None
        if not fields:
            out.unparsed.add(number, line)
            continue
        families.add(fields["family"])
        out.add("route", {**fields, **_part(filtered=filtered)}, number)
    # The IPv6 listing mixes all tables: it covers none of them surely.
    if out.whole and 6 not in families and not filtered and not (call and "6" in call.letters):
        out.collected("routes", "main", 4)
    return out.done()


def _table_route(words: Sequence[str], metric_at: int) -> dict[str, Any] | None:
    """A line of the IPv4 table: Destination Gateway Genmask Flags Metric Ref Use Iface."""
    destination, gateway, mask, flags, device = words[0], words[1], words[2], words[3], words[7]
    try:
        target = _ANY[4] if destination == "default" else str(prefix(f"{destination}/{mask}"))
    except ValueError:
        return None
    fields: dict[str, Any] = {"dst": target, "table": "main", "family": 4}
    if not flags.startswith(("U", "!")):
        return None
    fields["type"] = "unreachable" if "!" in flags else "unicast"
    if device == "*" and "!" not in flags:
        # The kernel shows blackhole (and throw) routes as usable routes without a device.
        fields["type"] = "blackhole"
    if device not in {"*", "-"}:
        fields["device"] = device
    if "G" in flags and is_address(gateway) and f"{gateway}/0" != _ANY[4]:
        fields["gateway"] = gateway
    if 0 <= metric_at < len(words) and words[metric_at].isdecimal():
        fields["metric"] = int(words[metric_at])
    return fields


def _table_route6(words: Sequence[str]) -> dict[str, Any] | None:
    """A line of the IPv6 table: Destination, Next Hop, Flag, Met, Ref, Use, If."""
    destination, gateway, flags, metric, device = words[0], words[1], words[2], words[3], words[6]
    try:
        fields: dict[str, Any] = {"dst": str(prefix(destination.replace("[", "").replace("]", ""))), "family": 6}
    except ValueError:
        return None
    if not flags.startswith(("U", "!")):
        return None
    fields.update(type="unreachable" if "!" in flags else "unicast", table="main")
    if "n" in flags and "!" not in flags:
        fields.update(type="local", table="local")
    elif fields["dst"] == "ff00::/8":
        fields.update(type="multicast", table="local")
    if device != "*":
        fields["device"] = device
    if "G" in flags and is_address(gateway):
        fields["gateway"] = gateway
    if metric.isdecimal():
        fields["metric"] = int(metric)
    return fields
