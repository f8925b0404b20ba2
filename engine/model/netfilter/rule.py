"""One rule: its words read into matches and a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.inet import family_of, prefix, to_int
from engine.model.netfilter import matches as m
from engine.model.netfilter import u32
from engine.model.netfilter.words import split
from engine.model.packet import PROTOCOL_NUMBERS
from engine.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.facts import RuleLine

SERVICE_PORTS = {
    "domain": 53,
    "ftp": 21,
    "http": 80,
    "https": 443,
    "mysql": 3306,
    "ntp": 123,
    "postgresql": 5432,
    "redis": 6379,
    "smtp": 25,
    "snmp": 161,
    "ssh": 22,
    "telnet": 23,
    "bootps": 67,
    "bootpc": 68,
    "ldap": 389,
    "nfs": 2049,
    "sunrpc": 111,
    "syslog": 514,
    "tftp": 69,
}
"""Names that ``iptables -L`` without ``-n`` prints for ports, as far as they occur in rulesets people paste."""

ICMP_TYPES = {
    "any": (255, 0, 255),
    "echo-reply": (0, 0, 255),
    "pong": (0, 0, 255),
    "destination-unreachable": (3, 0, 255),
    "fragmentation-needed": (3, 4, 4),
    "host-unreachable": (3, 1, 1),
    "network-unreachable": (3, 0, 0),
    "port-unreachable": (3, 3, 3),
    "source-quench": (4, 0, 255),
    "redirect": (5, 0, 255),
    "echo-request": (8, 0, 255),
    "ping": (8, 0, 255),
    "time-exceeded": (11, 0, 255),
    "ttl-exceeded": (11, 0, 255),
    "parameter-problem": (12, 0, 255),
    "timestamp-request": (13, 0, 255),
    "timestamp-reply": (14, 0, 255),
}
"""ICMP type names of iptables → type, lowest and highest code."""

NO_VERDICT = frozenset(
    {
        "",
        "LOG",
        "NFLOG",
        "ULOG",
        "TRACE",
        "TCPMSS",
        "CLASSIFY",
        "CHECKSUM",
        "DSCP",
        "TOS",
        "TTL",
        "HL",
        "SET",
        "TEE",
        "AUDIT",
        "ECN",
        "IDLETIMER",
        "RATEEST",
        "TCPOPTSTRIP",
        "SECMARK",
        "CONNSECMARK",
        "SYNPROXY-LOG",
        "ACCOUNT",
        "HMARK",
        "LED",
    }
)
"""Targets after which evaluation goes on and nothing that the model follows has changed."""


class Target(NamedTuple):
    """What a rule does with a packet that fits."""

    name: str
    """ACCEPT, DROP, REJECT, MASQUERADE …, a chain's name, or "" (count only)."""
    goto: bool = False
    options: Mapping[str, str] = {}


class Rule(NamedTuple):
    """A parsed rule at its place in a chain."""

    number: int
    line: int
    spec: str
    matches: tuple[m.Match, ...]
    target: Target


NUMBERS = frozenset(
    {"--set-xmark", "--set-mark", "--and-mark", "--or-mark", "--xor-mark", "--nfmask", "--ctmask", "--tproxy-mark", "--on-port", "--zone"}
    | {"--set-mss", "--set-dscp", "--set-tos", *(f"--{kind}-{change}" for kind in ("ttl", "hl") for change in ("set", "dec", "inc"))}
)
"""Options of targets whose value the walk calculates with."""

TARGET_OPTIONS = {
    "--reject-with",
    "--to-source",
    "--to-destination",
    "--to-ports",
    "--to",
    "--set-xmark",
    "--set-mark",
    "--and-mark",
    "--or-mark",
    "--xor-mark",
    "--nfmask",
    "--ctmask",
    "--mask",
    "--on-port",
    "--on-ip",
    "--tproxy-mark",
    "--zone",
    "--helper",
    "--log-prefix",
    "--log-level",
    "--nflog-prefix",
    "--nflog-group",
    "--queue-num",
    "--set-mss",
    "--set-class",
    "--set-dscp",
    "--set-tos",
    "--queue-balance",
    "--nflog-range",
    "--nflog-threshold",
    "--nflog-size",
    "--add-set",
    "--del-set",
    "--timeout",
    "--ttl-set",
    "--ttl-dec",
    "--ttl-inc",
    "--hl-set",
    "--hl-dec",
    "--hl-inc",
    "--gateway",
}
"""Options of targets that take one argument."""


class _Words:
    """A cursor over the words of one rule."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0

    def more(self) -> bool:
        return self.at < len(self.words)

    def take(self) -> str:
        word = self.words[self.at] if self.at < len(self.words) else ""
        self.at += 1
        return word

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def arguments(self) -> list[str]:
        """Words up to the next option."""
        found: list[str] = []
        while self.more() and not (self.peek().startswith("-") and len(self.peek()) > 1 and not self.peek()[1].isdigit()) and self.peek() != "!":
            found.append(self.take())
        return found


def parse_rule(line: RuleLine, number: int, family: int = 4, *, devices_known: bool = True) -> Rule:
    """Read a rule; words that are not understood become an :class:`~engine.model.netfilter.matches.Unmodelled` match.

    ``devices_known=False``: the tool printed no interface columns, so the rule may hold for some devices only.
    """
    words = _Words(split(line.spec))
    found: list[m.Match] = []
    target = Target("")
    module = ""
    module_start = 0
    inverted = False
    while words.more():
        word = words.take()
        if word == "!":
            inverted = True
            continue
        if word in {"-m", "--match"}:
            module = words.take()
            module_start = len(found)
            if module in _OPAQUE:
                found.append(_opaque(module, words))
            elif module == "rpfilter":
                found.append(_rpfilter(words))
            continue
        if word in {"--limit-iface-in", "--limit-iface-out"}:
            # It speaks of the whole -m addrtype instance, and iptables-save prints it last.
            found[module_start:] = [_limited(x, word.rpartition("-")[2]) for x in found[module_start:]]
            continue
        if word == "--comment":
            words.take()
            continue
        if word in {"-j", "--jump", "-g", "--goto"}:
            target = _target(words, goto=word in {"-g", "--goto"})
            continue
        found.append(_option(word, words, module, family, inverted=inverted))
        inverted = False
    if not devices_known:
        found.append(m.Unmodelled("-i/-o", phrase("no-columns")))
    return Rule(number, line.line, line.spec, tuple(found), target)


def _target(words: _Words, *, goto: bool) -> Target:
    name = words.take()
    options: dict[str, str] = {}
    while words.more():
        word = words.take()
        if word in TARGET_OPTIONS:
            options[word] = words.take()
        else:
            options[word] = ""
    if unread := next((f"{word} {value}" for word, value in options.items() if word in NUMBERS and not _is_numbers(value)), ""):
        # What such a rule does nobody can tell: no target of that name is known, as of one that is not modelled.
        return Target(f"{name} {unread}", goto, {})
    return Target(name, goto, options)


def _is_numbers(text: str) -> bool:
    """Whether it is a number, or value and mask."""
    try:
        return all(int(part, 0) >= 0 for part in text.split("/", 1))
    except ValueError:
        return text == "mark"  # --zone takes the packet's


_OPAQUE = frozenset(
    {
        "recent",
        "limit",
        "hashlimit",
        "connlimit",
        "quota",
        "quota2",
        "time",
        "owner",
        "string",
        "bpf",
        "cgroup",
        "connbytes",
        "connlabel",
        "cluster",
        "condition",
        "cpu",
        "devgroup",
        "esp",
        "ah",
        "geoip",
        "ipvs",
        "ipv4options",
        "l2tp",
        "layer7",
        "nfacct",
        "osf",
        "policy",
        "pool",
        "psd",
        "random",
        "realm",
        "rateest",
        "sctp-chunk",
        "socket",
        "unclean",
        "unknown",
        "rt",
        "frag",
        "hbh",
        "dst",
        "mh",
        "eui64",
        "ipv6header",
        "statistic",
        "conntrack-label",
    }
)
"""Matches whose answer a snapshot cannot give, or that are not modelled: three-valued logic treats them as unknown."""


def _opaque(module: str, words: _Words) -> m.Match:
    taken: list[str] = []
    while words.more() and words.peek() not in {"-m", "--match", "-j", "--jump", "-g", "--goto"}:
        if words.peek() == "!" and words.at + 1 < len(words.words) and words.words[words.at + 1] in {"-s", "-d", "-i", "-o", "-p"}:
            break
        if words.peek() in {"-s", "-d", "-i", "-o", "-p", "-f"}:
            break
        taken.append(words.take())
    text = " ".join(["-m", module, *taken])
    if module == "statistic":
        return m.Share(text, _share(taken))
    if module == "limit":
        return m.Unmodelled(text, phrase("rate-low"))
    return m.Unmodelled(text)


def _rpfilter(words: _Words) -> m.Match:
    """``-m rpfilter [--loose] [--validmark] [--accept-local] [--invert]``: its options take no argument."""
    options: list[str] = []
    while words.peek() in {"--loose", "--validmark", "--accept-local", "--invert"}:
        options.append(words.take())
    text = " ".join(["-m rpfilter", *options])
    return m.ReversePath(text, loose="--loose" in options, accept_local="--accept-local" in options, inverted="--invert" in options)


def _limited(match: m.Match, limit: str) -> m.Match:
    if not isinstance(match, m.AddressType):
        return match
    return match._replace(limit=limit, text=f"{match.text} --limit-iface-{limit}")


def _share(words: list[str]) -> str:
    """Share of the packets that a statistic match takes, as its rule says it; "" where it makes no sense."""
    for option, form in (("--probability", "{}"), ("--every", "1/{}")):
        if option in words[:-1]:
            at = words.index(option)
            return _complement(form.format(words[at + 1])) if words[at - 1] == "!" else form.format(words[at + 1])
    return ""


def _complement(share: str) -> str:
    low, _, every = share.partition("/")
    try:
        return f"{int(every) - 1}/{every}" if every else f"{1 - float(low):.11g}"
    except ValueError:
        return ""


def _negate(match: m.Match, *, inverted: bool) -> m.Match:
    return m.Negated(match, f"! {match.text}") if inverted else match


def _option(word: str, words: _Words, module: str, family: int, *, inverted: bool) -> m.Match:
    arguments = words.arguments()
    if words.peek() == "!" and not arguments and words.at + 1 < len(words.words) and not words.words[words.at + 1].startswith("-"):
        words.take()  # the bang of old iptables stands between option and value
        inverted = not inverted
        arguments = words.arguments()
    if arguments and arguments[0] == "!":
        inverted, arguments = not inverted, arguments[1:]
    text = " ".join([word, *arguments])
    maker = _MAKERS.get(word)
    if maker is None:
        return m.Unmodelled(f"-m {module} {text}" if module else text)
    try:
        match = maker(text, arguments, module, family)
    except (ValueError, IndexError, KeyError):
        return m.Unmodelled(text, phrase("rule-not-understood"))
    if isinstance(match, (m.ConnMark, m.AddressType, m.Mac)):
        return _invert_inside(match, inverted=inverted)
    return _negate(match, inverted=inverted)


def _invert_inside(match: m.ConnMark | m.AddressType | m.Mac, *, inverted: bool) -> m.Match:
    return match._replace(inverted=True, text=f"! {match.text}") if inverted else match


def port_number(text: str) -> int:
    """Port by number or by the name that tools print; raises ``KeyError``/``ValueError``."""
    return int(text) if text.isdigit() else SERVICE_PORTS[text]


def _port_range(text: str, separator: str = ":") -> tuple[int, int]:
    low, _, high = text.partition(separator)
    if separator not in text:
        return port_number(low), port_number(low)
    return (port_number(low) if low else 0), (port_number(high) if high else 65535)


def protocol_name(text: str) -> str:
    """Name of a protocol given by name or number."""
    if text.isdigit():
        number = int(text)
        names = {1: "icmp", 4: "ipip", 58: "icmpv6", 0: "all"}
        return names.get(number) or next((n for n, v in PROTOCOL_NUMBERS.items() if v == number), text)
    return {"ipv6-icmp": "icmpv6", "ipencap": "ipip", "any": "all"}.get(text.lower(), text.lower())


def _prefixes(text: str, arguments: list[str], side: str, family: int) -> m.Match:
    del family
    address, _, mask = arguments[0].partition("/")
    try:
        return m.Address(text, side, prefix(arguments[0]))
    except ValueError:
        bits = to_int(mask)
        return m.Masked(text, side, family_of(address), to_int(address) & bits, bits)


def _mark(text: str, argument: str) -> tuple[int, int]:
    del text
    value, _, mask = argument.partition("/")
    return int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF


def _icmp(text: str, arguments: list[str]) -> m.Match:
    name = arguments[0]
    if name in ICMP_TYPES:
        kind, low, high = ICMP_TYPES[name]
        return m.Icmp(text, kind, (low, high))
    number, _, code = name.partition("/")
    return m.Icmp(text, int(number), (int(code), int(code)) if code else (0, 255))


def _addrtype(text: str, arguments: list[str], side: str) -> m.Match:
    return m.AddressType(text, side, frozenset(arguments[0].split(",")), inverted=False, limit="")


def _flags(text: str, arguments: list[str]) -> m.Match:
    def read(words: str) -> frozenset[str]:
        if words == "NONE":
            return frozenset()
        if words == "ALL":
            return frozenset({"SYN", "ACK", "FIN", "RST", "URG", "PSH"})
        return frozenset(words.split(","))

    return m.TcpFlags(text, read(arguments[0]), read(arguments[1]))


def _set(text: str, arguments: list[str]) -> m.Match:
    return m.InSet(text, arguments[0], tuple(arguments[1].split(",")))


def _range(text: str, arguments: list[str], side: str) -> m.Match:
    low, _, high = arguments[0].partition("-")
    return m.AddressRange(text, side, to_int(low), to_int(high or low))


def _length(text: str, arguments: list[str]) -> m.Match:
    low, _, high = arguments[0].partition(":")
    return m.Length(text, int(low or 0), int(high or (65535 if ":" in arguments[0] else low)))


def _packet_type(text: str, arguments: list[str]) -> m.Match:
    kind = {"host": "unicast"}.get(arguments[0], arguments[0])
    if kind not in {"unicast", "broadcast", "multicast"}:
        raise ValueError(kind)
    return m.PacketType(text, kind)


def _connmark(text: str, arguments: list[str]) -> m.Match:
    value, mask = _mark(text, arguments[0])
    return m.ConnMark(text, value, mask, inverted=False)


def _any_mark(text: str, arguments: list[str], module: str) -> m.Match:
    return _connmark(text, arguments) if module == "connmark" else m.Mark(text, *_mark(text, arguments[0]))


def _multi(text: str, arguments: list[str], side: str) -> m.Match:
    return m.Ports(text, side, tuple(_port_range(p) for p in arguments[0].split(",")))


def _service(text: str, argument: str) -> m.Match:
    value, mask = _mark(text, argument)
    return m.Service(text, value, mask & 0xFF)


def _states(text: str, arguments: list[str]) -> m.Match:
    return m.CtState(text, frozenset(arguments[0].split(",")))


def _ct_address(text: str, arguments: list[str], which: str) -> m.Match:
    return m.CtAddress(text, which, prefix(arguments[0]))


def _ct_port(text: str, arguments: list[str], which: str) -> m.Match:
    return m.CtPort(text, which, *_port_range(arguments[0]))


_MAKERS: dict[str, Callable[[str, list[str], str, int], m.Match]] = {
    "-s": lambda t, a, _m, f: _prefixes(t, a, "src", f),
    "-d": lambda t, a, _m, f: _prefixes(t, a, "dst", f),
    "-i": lambda t, a, _m, _f: m.Device(t, "in", a[0]),
    "-o": lambda t, a, _m, _f: m.Device(t, "out", a[0]),
    "-p": lambda t, a, _m, _f: m.Proto(t, protocol_name(a[0])),
    "-f": lambda t, _a, _m, _f: m.Fragment(t),
    "--sport": lambda t, a, _m, _f: m.Ports(t, "src", (_port_range(a[0]),)),
    "--dport": lambda t, a, _m, _f: m.Ports(t, "dst", (_port_range(a[0]),)),
    "--sports": lambda t, a, _m, _f: _multi(t, a, "src"),
    "--dports": lambda t, a, _m, _f: _multi(t, a, "dst"),
    "--ports": lambda t, a, _m, _f: _multi(t, a, "either"),
    "--syn": lambda t, _a, _m, _f: m.TcpFlags(t, frozenset({"SYN", "ACK", "FIN", "RST"}), frozenset({"SYN"})),
    "--tcp-flags": lambda t, a, _m, _f: _flags(t, a),
    "--icmp-type": lambda t, a, _m, _f: _icmp(t, a),
    "--mss": lambda t, a, _m, _f: m.Mss(t, *_port_range(a[0])),
    "--icmpv6-type": lambda t, a, _m, _f: _icmp(t, a),
    "--ctstate": lambda t, a, _m, _f: _states(t, a),
    "--state": lambda t, a, _m, _f: _states(t, a),
    "--ctdir": lambda t, a, _m, _f: m.CtDirection(t, a[0] == "REPLY"),
    "--ctproto": lambda t, a, _m, _f: m.CtProto(t, protocol_name(a[0])),
    "--ctstatus": lambda t, a, _m, _f: m.CtStatus(t, frozenset(a[0].split(","))),
    "--ctorigsrc": lambda t, a, _m, _f: _ct_address(t, a, "origsrc"),
    "--ctorigdst": lambda t, a, _m, _f: _ct_address(t, a, "origdst"),
    "--ctreplsrc": lambda t, a, _m, _f: _ct_address(t, a, "replsrc"),
    "--ctrepldst": lambda t, a, _m, _f: _ct_address(t, a, "repldst"),
    "--ctorigsrcport": lambda t, a, _m, _f: _ct_port(t, a, "origsrc"),
    "--ctorigdstport": lambda t, a, _m, _f: _ct_port(t, a, "origdst"),
    "--ctreplsrcport": lambda t, a, _m, _f: _ct_port(t, a, "replsrc"),
    "--ctrepldstport": lambda t, a, _m, _f: _ct_port(t, a, "repldst"),
    "--mark": lambda t, a, mod, _f: _any_mark(t, a, mod),
    "--src-type": lambda t, a, _m, _f: _addrtype(t, a, "src"),
    "--dst-type": lambda t, a, _m, _f: _addrtype(t, a, "dst"),
    "--match-set": lambda t, a, _m, _f: _set(t, a),
    "--physdev-in": lambda t, a, _m, _f: m.PhysDev(t, "in", a[0]),
    "--physdev-out": lambda t, a, _m, _f: m.PhysDev(t, "out", a[0]),
    "--physdev-is-in": lambda t, _a, _m, _f: m.PhysDev(t, "is-in", ""),
    "--physdev-is-out": lambda t, _a, _m, _f: m.PhysDev(t, "is-out", ""),
    "--physdev-is-bridged": lambda t, _a, _m, _f: m.PhysDev(t, "is-bridged", ""),
    "--src-range": lambda t, a, _m, _f: _range(t, a, "src"),
    "--dst-range": lambda t, a, _m, _f: _range(t, a, "dst"),
    "--length": lambda t, a, _m, _f: _length(t, a),
    "--pkt-type": lambda t, a, _m, _f: _packet_type(t, a),
    "--mac-source": lambda t, a, _m, _f: m.Mac(t, a[0].lower(), inverted=False),
    "--helper": lambda t, _a, _m, _f: m.Helper(t),
    "--u32": lambda t, a, _m, _f: u32.parse(t, a[0]),
    "--dscp": lambda t, a, _m, _f: m.Service(t, int(a[0], 0) << 2, 0xFC),
    "--tos": lambda t, a, _m, _f: _service(t, a[0]),
    "--ecn-ip-ect": lambda t, a, _m, _f: m.Service(t, int(a[0], 0), 0x3),
    **{f"--{kind}-eq": lambda t, a, _m, _f: m.HopLimit(t, int(a[0]), int(a[0])) for kind in ("ttl", "hl")},
    **{f"--{kind}-lt": lambda t, a, _m, _f: m.HopLimit(t, 0, int(a[0]) - 1) for kind in ("ttl", "hl")},
    **{f"--{kind}-gt": lambda t, a, _m, _f: m.HopLimit(t, int(a[0]) + 1, 255) for kind in ("ttl", "hl")},
}
_MAKERS |= {
    "--source": _MAKERS["-s"],
    "--src": _MAKERS["-s"],
    "--destination": _MAKERS["-d"],
    "--dst": _MAKERS["-d"],
    "--in-interface": _MAKERS["-i"],
    "--out-interface": _MAKERS["-o"],
    "--protocol": _MAKERS["-p"],
    "--proto": _MAKERS["-p"],
    "--source-port": _MAKERS["--sport"],
    "--destination-port": _MAKERS["--dport"],
    "--source-ports": _MAKERS["--sports"],
    "--destination-ports": _MAKERS["--dports"],
    "--fragment": _MAKERS["-f"],
}
