"""Policy routing rules: ``ip rule`` (text and JSON)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.jsontext import emit_broken, int_of, is_json, read_json, text_of
from collectors.parsers.text import clean_lines
from engine.inet import prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_TABLES = {"254": "main", "255": "local", "253": "default"}
_ACTIONS = frozenset({"unreachable", "prohibit", "blackhole", "nop"})
_TEXT_FIELDS = {
    "iif": "iif",
    "dev": "iif",
    "oif": "oif",
    "tos": "tos",
    "dsfield": "tos",
    "dscp": "tos",
    "ipproto": "ipproto",
    "sport": "sport",
    "dport": "dport",
    "uidrange": "uidrange",
}
"""Word of ``ip rule`` → field that holds the next word as it is."""
_SKIPPED = frozenset({"proto", "protocol", "realms", "realm", "tun_id", "suppress_ifgroup", "map-to"})
_UNSPECIFIED = {"local": "goto", "broadcast": "nop"}
"""Actions that busybox takes for route types (``lookup unspec local`` is a goto)."""


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of ``ip rule``; a rule without ``src`` or ``dst`` matches every address."""
    out = Emitter(source, place)
    whole = True
    rules: list[tuple[int, list[str], str]] = []
    if is_json(source.text):
        read = read_json(source.text)
        emit_broken(out, read)
        whole = read.complete
        for number, entry in read.items:
            words = _words(entry) if isinstance(entry, dict) else []
            rules.append((number, words, " ".join(words)))
    else:
        rules = [(number, line.split(), "") for number, line in clean_lines(source.text) if line.strip()]
    call = invocation(source.command, "ip")
    family = call.family if call and call.family else 6 if any(_is_v6(words) for _, words, _ in rules) else 4
    for number, words, shown in rules:
        fields = _fields(words, family)
        if fields:
            out.add("routing_rule", fields, number, shown)
        else:
            out.unparsed.add(number, shown or source.line(number) or "(empty rule)")
    filtered = call is not None and (call.piped or len(call.words) > 2)
    if whole and out.whole and not filtered:
        out.collected("routing_rules", family=family)
    return out.done()


def _is_v6(words: Sequence[str]) -> bool:
    """Whether a rule has an IPv6 prefix (one listing holds rules of one family)."""
    return any(key in {"from", "to"} and ":" in value for key, value in pairwise(words))


def _fields(words: Sequence[str], family: int) -> dict[str, Any] | None:
    """Fields of one rule, or ``None`` if it is none."""
    if not words or not words[0].endswith(":") or not words[0][:-1].isdecimal() or "from" not in words:
        return None
    fields: dict[str, Any] = {"priority": int(words[0][:-1]), "family": family, "action": "lookup", "invert": words[1] == "not"}
    try:
        _read_words(words, fields)
    except ValueError:
        return None
    return fields


def _read_words(words: Sequence[str], fields: dict[str, Any]) -> None:
    """Read keywords and their values; raises ``ValueError`` where a value is not what its keyword needs."""
    at = 1
    while at < len(words):
        word = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        at += 2
        if word in _TEXT_FIELDS:
            fields[_TEXT_FIELDS[word]] = value
        elif word in {"lookup", "table"}:
            _lookup(fields, value, words[at : at + 1])
            at += value == "unspec"
        elif word in _ACTIONS:
            fields["action"] = word
            at -= 1
        elif not _set_checked(fields, word, value) and word not in _SKIPPED:
            at -= 1


def _set_checked(fields: dict[str, Any], word: str, value: str) -> bool:
    """Set a field whose value must be a prefix or a number; gives whether ``word`` is such a field."""
    if word in {"from", "to"}:
        if value != "all":
            fields["src" if word == "from" else "dst"] = str(prefix(value))
    elif word == "fwmark":
        mark, _, mask = value.partition("/")
        fields["fwmark"], fields["fwmask"] = int(mark, 0), int(mask, 0) if mask else 0xFFFFFFFF
    elif word == "suppress_prefixlength":
        fields[word] = int(value)
    elif word == "goto":
        fields.update(goto=int(value), action=word)
    else:
        return False
    return True


def _lookup(fields: dict[str, Any], table: str, following: Sequence[str]) -> None:
    """The table that is looked up: a name or number, the one of the device's VRF, or none."""
    if table == "[l3mdev-table]":
        fields["l3mdev"] = True
    elif table == "unspec":
        action = following[0] if following else "nop"
        fields["action"] = _UNSPECIFIED.get(action, action)
    else:
        fields["table"] = _TABLES.get(table, table)


def _words(entry: dict[str, Any]) -> list[str]:
    """The words that ``ip rule`` would print for a JSON object."""
    words = [f"{text_of(entry, 'priority') or '0'}:"]
    words += ["not"] if "not" in entry else []
    for word, key in (("from", "src"), ("to", "dst")):
        address, length = text_of(entry, key), int_of(entry, key + "len")
        if address or word == "from":
            words += [word, (address or "all") if length is None or address == "all" else f"{address}/{length}"]
    mark, mask = text_of(entry, "fwmark"), text_of(entry, "fwmask")
    if mark:
        words += ["fwmark", f"{mark}/{mask}" if mask else mark]
    for key in ("iif", "oif", "tos", "dscp", "ipproto"):
        words += [key, text_of(entry, key)] if text_of(entry, key) else []
    for word, key, joined in (("sport", "sport", "sport"), ("dport", "dport", "dport"), ("uidrange", "uidrange", "uid")):
        value = text_of(entry, key) or "-".join(filter(None, (text_of(entry, joined + "_start"), text_of(entry, joined + "_end"))))
        words += [word, value] if value else []
    if "l3mdev" in entry:
        words += ["lookup", "[l3mdev-table]"]
    elif text_of(entry, "table"):
        words += ["lookup", text_of(entry, "table")]
    if int_of(entry, "suppress_prefixlen") is not None:
        words += ["suppress_prefixlength", text_of(entry, "suppress_prefixlen")]
    if text_of(entry, "goto"):
        words += ["goto", text_of(entry, "goto")]
    action = text_of(entry, "action")
    return [*words, action] if action in _ACTIONS else [*words, "nop"] if "nop" in entry else words
