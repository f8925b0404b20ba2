"""``iptables -L``: chains and rows; each row is turned back into ``iptables-save`` words when it is first needed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from collectors.parsers.iptables_tables import Chain
from collectors.parsers.iptables_words import translate, unknown
from engine.facts import LazyRules, RuleLine

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHAIN = re.compile(
    r"\s*Chain (\S+) \((?:policy ([A-Z]+)(?: ([0-9]{1,20}[KMGTP]?) packets, [0-9]{1,20}[KMGTP]? bytes)?|-?[0-9]+ references?)\)\s*\Z")
_HEADER = re.compile(r"\s*(num\s+)?(pkts\s+bytes\s+)?target\s+prot\s+(?:opt\s+)?(in\s+out\s+)?source\s+destination\s*\Z")

_BODY = (
    r"(?:(?P<target>[^\s!]\S*)\s+)?(?P<protocol>!?(?!anywhere)[^\s!*/:-][^\s!/:]*)\s+"
    # ip6tables up to 1.8.8 leaves the opt column blank: then only the colon of the source tells where the row is.
    r"(?:(?P<opt>--|-f|!f)\s+{devices}(?P<source>!?[^\s!]\S*)|{devices6}(?P<source6>!?[0-9a-fA-F]*:[0-9a-fA-F:.]*(?:/\S+)?|anywhere))"
    r"\s+(?P<destination>!?[^\s!]\S*)(?:\s+(?P<text>\S.*))?\s*\Z"
)
_COUNTERS = r"(?P<packets>[0-9]{1,20}[KMGTP]?)\s+[0-9]{1,20}[KMGTP]?\s+"

_SUFFIX = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_PROTOCOLS = {
    "0": "", "all": "", "any": "", "1": "icmp", "2": "igmp", "4": "ipencap", "6": "tcp", "17": "udp", "33": "dccp", "41": "ipv6", "47": "gre",
    "50": "esp", "51": "ah", "58": "ipv6-icmp", "icmpv6": "ipv6-icmp", "89": "ospf", "94": "ipip", "103": "pim", "112": "vrrp", "115": "l2tp",
    "132": "sctp", "135": "ipv6-mh", "136": "udplite",
}
"""Protocol column → the name that iptables-save prints (``/etc/protocols`` of Debian)."""
_ANY = frozenset({"0.0.0.0/0", "::/0", "anywhere"})
_NAMED = {"localhost": "127.0.0.1/32", "localhost/8": "127.0.0.0/8", "loopback/8": "127.0.0.0/8", "ip6-localhost": "::1/128"}
"""What ``-L`` without ``-n`` prints for the loopback addresses; other names stay unknown."""
_ADDRESS = re.compile(r"[0-9.]+(?:/[0-9.]+)?\Z|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:/[0-9a-fA-F:.]+)?\Z", re.ASCII)


class Style(NamedTuple):
    """Which columns the rows have, by the line above them."""

    numbered: bool = False
    counted: bool = False
    devices: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        """Pattern of a row (``re`` keeps the compiled ones)."""
        devices = r"(?P<in>\S+)\s+(?P<out>\S+)\s+" if self.devices else ""
        devices6 = r"(?P<in6>(?!anywhere)[^\s:]+)\s+(?P<out6>(?!anywhere)[^\s:]+)\s+" if self.devices else ""
        body = _BODY.replace("{devices}", devices).replace("{devices6}", devices6)
        return re.compile(r"\s*" + (r"[0-9]+\s+" if self.numbered else "") + (_COUNTERS if self.counted else "") + body)


@dataclass(slots=True)
class Block:
    """One chain of the listing."""

    chain: Chain
    style: Style | None = None
    rows: list[tuple[int, str]] = field(default_factory=list)
    torn: bool = False
    """A row was not understood."""

    @property
    def hides_interfaces(self) -> bool:
        """Whether rows may have interface matches that were not printed."""
        return self.style is not None and not self.style.devices


@dataclass(slots=True)
class Listing:
    """A listing as far as it was understood."""

    blocks: list[Block] = field(default_factory=list)
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Rows that were not understood."""
    other: list[tuple[int, str]] = field(default_factory=list)
    """Lines outside chains."""


def read(text: str) -> Listing:
    """Chains and rows of one or several listings."""
    listing = Listing()
    block: Block | None = None
    for number, line in enumerate(text.split("\n"), 1):
        header = _CHAIN.match(line) if "Chain " in line else None
        if header:
            block = _begin(header, number)
            listing.blocks.append(block)
        elif not line.strip():
            block = None
        elif block is None:
            listing.other.append((number, line.strip()))
        elif block.style is None:
            block.style = _style(line)
            if block.style is None:
                listing.other.append((number, line.strip()))
        else:
            _row(listing, block, number, line)
    for block in listing.blocks:
        if block.style is not None:
            block.chain.rules = LazyRules(len(block.rows), partial(_rule, block.style.pattern, block.rows))
    return listing


def _begin(header: re.Match[str], number: int) -> Block:
    base = header[2] is not None
    return Block(Chain(header[1], header[2] or "", number, _count(header[3]) if header[3] else None, base))


def _style(line: str) -> Style | None:
    found = _HEADER.match(line)
    return Style(bool(found[1]), bool(found[2]), bool(found[3])) if found else None


def _row(listing: Listing, block: Block, number: int, line: str) -> None:
    """Keep a row, or note that it is broken; words of programs and comments go to ``other``."""
    if line[0] == "#" or line.startswith(("iptables", "ip6tables", "Warning: ")):
        listing.other.append((number, line.strip()))
    elif block.style is not None and block.style.pattern.match(line):
        block.rows.append((number, line))
    else:
        block.torn = True
        listing.broken.append((number, line))


def _rule(pattern: re.Pattern[str], rows: Sequence[tuple[int, str]], place: int) -> RuleLine:
    """One row as ``iptables-save`` words: source, destination, devices, protocol, fragment, matches, target."""
    number, line = rows[place]
    found = pattern.match(line)
    if found is None:
        return RuleLine(number, unknown(line.strip()))
    cells = found.groupdict(default="")
    translated = translate(cells["text"], cells["target"])
    protocol = _protocol(cells["protocol"])
    words = (
        _address("-s", cells["source"] or cells["source6"]),
        _address("-d", cells["destination"]),
        _device("-i", cells.get("in") or cells.get("in6") or "*"),
        _device("-o", cells.get("out") or cells.get("out6") or "*"),
        protocol,
        {"-f": "-f", "!f": "! -f"}.get(cells["opt"], ""),
        translated.matches,
        translated.target,
    )
    return RuleLine(number, " ".join(word for word in words if word), _count(cells["packets"]) if cells.get("packets") else None)


def _count(text: str) -> int:
    """A counter; with a suffix it is rounded down to three digits or so (``123M``)."""
    return int(text[:-1]) * _SUFFIX[text[-1]] if text[-1] in _SUFFIX else int(text)


def _negated(cell: str) -> tuple[str, str]:
    return ("! ", cell[1:]) if cell.startswith("!") else ("", cell)


def _protocol(cell: str) -> str:
    bang, name = _negated(cell)
    name = _PROTOCOLS.get(name, name)
    return f"{bang}-p {name}" if name else ""


def _device(option: str, cell: str) -> str:
    bang, name = _negated(cell)
    return "" if name in {"*", "any"} and not bang else f"{bang}{option} {name}"


def _address(option: str, cell: str) -> str:
    bang, text = _negated(cell)
    if text in _ANY and not bang:
        return ""
    text = _NAMED.get(text, text)
    if not _ADDRESS.match(text):
        return unknown(f"{option} {cell}")
    if "/" not in text:
        text += "/128" if ":" in text else "/32"
    return f"{bang}{option} {text}"
