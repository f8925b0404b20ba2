"""Traffic control: ``tc qdisc show`` and ``tc filter show dev X [ingress|egress]``."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.text import clean_lines
from engine.inet import is_address, prefix, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_QDISC: Final = re.compile(r"qdisc (?P<kind>[\w-]+) (?P<handle>[0-9a-f]+:)(?: \[offloaded\])?(?: dev (?P<device>\S+))? (?P<rest>.*)")
_FILTER: Final = re.compile(
    r"filter (?:dev (?P<device>\S+) )?(?:(?P<side>ingress|egress) )?(?:parent (?P<parent>\S+) )?protocol (?P<protocol>\S+) "
    r"pref (?P<pref>\d+) (?P<kind>\w+)(?P<rest>.*)"
)
_ACTION: Final = re.compile(r"\s*action order \d+:\s+(?P<kind>\w+)(?P<rest>.*)")
_U32: Final = re.compile(r"\s*match (?P<value>[0-9a-f]{8})/(?P<mask>[0-9a-f]{8}) at (?P<at>-?\d+|nexthdr\+\d+)")
_FLOWER: Final = frozenset({"src_ip", "dst_ip", "ip_proto", "src_port", "dst_port"})
_IGNORED: Final = frozenset({"eth_type", "not_in_hw", "in_hw", "skip_hw", "in_hw_count"})
"""Words of flower that match nothing, or what the filter's protocol says already."""
_U32_FIELDS: Final = {12: "src_ip", 16: "dst_ip"}


def parse(source: Source, place: Place) -> list[Fact]:
    """``qdisc`` and ``tc_filter`` facts."""
    out = Emitter(source, place)
    call = invocation(source.command, "tc")
    words = list(call.words) if call is not None else []
    device = next((name for word, name in pairwise(words) if word == "dev"), "")
    side = next((word for word in words if word in {"ingress", "egress"}), "")
    reader = _Filters(out, device, side)
    for number, line in clean_lines(source.text):
        if line.startswith("qdisc "):
            _qdisc(out, number, line)
        elif not line.strip() or line.startswith((" Sent ", " backlog ")) or (line[0].isspace() and reader.now is None):
            continue
        elif not reader.line(number, line):
            out.unparsed.add(number, line)
    reader.end()
    if words[:1] and "qdisc".startswith(words[0]) and not device and out.whole and not (call and call.piped):
        out.collected("qdiscs")
    return out.done()


def _qdisc(out: Emitter, number: int, line: str) -> None:
    """``qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 100ms loss 30%``."""
    match = _QDISC.match(line)
    if match is None or not match["device"]:
        out.unparsed.add(number, line)
        return
    rest = match["rest"].split()
    fields: dict[str, Any] = {"device": match["device"], "kind": match["kind"], "handle": match["handle"], "options": " ".join(rest[1:])}
    fields["parent"] = rest[1] if rest[:1] == ["parent"] and len(rest) > 1 else "root" if rest[:1] == ["root"] else ""
    # "loss 30%", "loss 30% 25%" (correlation), "loss gemodel p 1%", "corrupt 5%".
    for key, name in (("loss", "loss"), ("corrupt", "corrupt")):
        value = next((v for k, v in pairwise(rest) if k == key and v.endswith("%")), "")
        if value and re.fullmatch(r"\d+(?:\.\d+)?%", value):
            fields[name] = float(value[:-1])
    out.add("qdisc", fields, number)


class _Filters:
    """Reads filters line by line; what follows a filter's own line is indented."""

    def __init__(self, out: Emitter, device: str, side: str) -> None:
        self.out = out
        self.device = device
        self.side = side
        self.now: dict[str, Any] | None = None
        self.at = 0

    def line(self, number: int, line: str) -> bool:
        """One line; False if it is none of a filter's."""
        match = _FILTER.match(line)
        if match:
            self.end()
            self.now, self.at = self._begin(match), number
            return True
        if self.now is None:
            return False
        if action := _ACTION.match(line):
            self._action(action)
        elif found := _U32.match(line):
            self._u32(found)
        else:
            self._words(line.split())
        return True

    def end(self) -> None:
        """The filter is over; heads of hash tables and chains are none."""
        now, self.now = self.now, None
        if now is not None and now.pop("real"):
            self.out.add("tc_filter", now, self.at)

    def _begin(self, match: re.Match[str]) -> dict[str, Any]:
        rest = match["rest"]
        handle = re.search(r" (?:fh|handle) (\S+)", rest)
        table = "ht divisor" in rest
        fields: dict[str, Any] = {"device": match["device"] or self.device, "side": match["side"] or self.side, "pref": int(match["pref"])}
        fields |= {"kind": match["kind"], "protocol": match["protocol"], "whole": match["kind"] in {"u32", "flower", "matchall"}, "actions": ()}
        return {**fields, "handle": handle[1] if handle else "", "real": bool(handle) and not table}

    def _action(self, match: re.Match[str]) -> None:
        assert self.now is not None  # noqa: S101 - line() asks first
        words = match["rest"].split()
        told = dict(pairwise(words))
        kind = match["kind"]
        verdict = told.get("action", "") if kind in {"gact", "police"} else " ".join(words[:2]).strip("()") if kind == "mirred" else ""
        self.now["actions"] = (*self.now["actions"], f"{kind} {verdict}".strip())

    def _u32(self, match: re.Match[str]) -> None:
        assert self.now is not None  # noqa: S101 - line() asks first
        value, mask, at = int(match["value"], 16), int(match["mask"], 16), match["at"]
        ones = mask.bit_count()
        plain = mask == (0xFFFFFFFF << (32 - ones)) & 0xFFFFFFFF
        if at.isdecimal() and int(at) in _U32_FIELDS and plain:
            self.now[_U32_FIELDS[int(at)]] = str(prefix(f"{to_text(value)}/{ones}"))
        elif at == "8" and mask == 0x00FF0000:
            self.now["ip_proto"] = {1: "icmp", 6: "tcp", 17: "udp"}.get(value >> 16, str(value >> 16))
        elif at in {"20", "nexthdr+0"} and mask == 0x0000FFFF:
            self.now["dst_port"] = value
        elif at in {"20", "nexthdr+0"} and mask == 0xFFFF0000:
            self.now["src_port"] = value >> 16
        elif mask:
            self.now["whole"] = False

    def _words(self, words: Sequence[str]) -> None:
        assert self.now is not None  # noqa: S101 - line() asks first
        key, value = words[0], words[1] if len(words) > 1 else ""
        if key in {"src_ip", "dst_ip"} and is_address(value.partition("/")[0]):
            self.now[key] = str(prefix(value))
        elif key == "ip_proto":
            self.now[key] = value
        elif key in {"src_port", "dst_port"} and value.isdecimal():
            self.now[key] = int(value)
        elif self.now["kind"] == "flower" and not self.now["actions"] and key not in _IGNORED:
            self.now["whole"] = False
