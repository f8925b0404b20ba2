"""What ``iptables -L`` prints behind the address columns, turned back into ``iptables-save`` words.

Source: the ``print`` and ``save`` functions of each extension in iptables' ``extensions/`` (1.4 to 1.8); tests compare both on a
running iptables.  Texts that are not known become ``-m unknown --text "…"``: an unknown match, never a lost one.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[[re.Match[str]], str]

_PLAIN = re.compile(r"[\w\-]+\Z", re.ASCII)
"""Strings that iptables-save prints without quotes (``xtables_save_string``)."""

FULL = 0xFFFFFFFF


class Row(NamedTuple):
    """How one text is turned into the options of a match module."""

    keys: tuple[str, ...]
    """First words of such texts (after a leading ``!``)."""
    module: str
    pattern: str
    make: Make
    """Words after ``-m module``."""


class Translation(NamedTuple):
    """The words of a rule's matches and target."""

    matches: str
    target: str


def quoted(text: str) -> str:
    """A string argument as iptables-save prints it."""
    if _PLAIN.match(text):
        return text
    return '"' + re.sub(r"([\"\\'])", r"\\\1", text) + '"'


def unknown(text: str) -> str:
    """The match that stands for a text nobody understood."""
    return '-m unknown --text "' + re.sub(r"([\"\\])", r"\\\1", text) + '"'


def _bang(group: str | None) -> str:
    return "! " if group and "!" in group else ""


_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
"""TCP flags, lowest bit first."""


def _flag_names(text: str) -> str:
    """``0x17`` → ``FIN,SYN,RST,ACK``; names stay."""
    if not text.startswith("0x"):
        return text
    value = int(text[2:4], 16)
    return ",".join(name for bit, name in enumerate(_FLAGS) if value >> bit & 1) or "NONE"


def _ports(m: re.Match[str]) -> str:
    """``spt:53 dpts:!1:2 option=8 flags:!0x17/0x02`` → options of ``-m tcp`` and its kin."""
    words = []
    for name, bang, value in re.findall(r"(spt|dpt|option|flags)s?[:=](!?)(\S+)", m[1] or ""):
        if name == "flags":
            mask, _, compare = value.partition("/")
            words.append(f"{_bang(bang)}--tcp-flags {_flag_names(mask)} {_flag_names(compare)}")
        else:
            option = {"spt": "--sport", "dpt": "--dport", "option": "--tcp-option"}[name]
            words.append(f"{_bang(bang)}{option} {value}")
    return " ".join(words)


def _icmp(m: re.Match[str]) -> str:
    """``icmptype 3 code 4``, ``icmp !type 8``, and without ``-n`` ``icmp !echo-request``."""
    option = "--icmpv6-type" if m[1] else "--icmp-type"
    kind = "any" if m[3] == "255" and not m[1] else m[3]
    return f"{_bang(m[2])}{option} {kind}" + (f"/{m[4]}" if m[4] else "")


def _addrtype(m: re.Match[str]) -> str:
    words = [f"{_bang(bang)}--{side}-type {types}" for side, bang, types in re.findall(r"(src|dst)-type (!?)(\S+)", m[1])]
    return " ".join([*words, *(f"--limit-iface-{way}" for way in re.findall(r"limit-(in|out)", m[1]))])


def _match_set(m: re.Match[str]) -> str:
    """``! match-set NAME src,dst return-nomatch ! update-counters packets-gt 5``."""
    words = [f"{_bang(m[1])}--match-set {m[2]} {m[3]}"]
    for bang, option, value in re.findall(r"(! )?([a-z]+-[a-z]+)(?: (\d+))?", m[4]):
        words.append(f"{bang}--{option}" + (f" {value}" if value else ""))
    return " ".join(words)


_RECENT = (("seconds", "--seconds"), ("reap", "--reap"), ("hit_count", "--hitcount"), ("TTL-Match", "--rttl"), ("name", "--name"), ("mask", "--mask"))
"""Texts of ``-m recent`` and their options, in the order of iptables-save."""


def _recent(m: re.Match[str]) -> str:
    """``! recent: UPDATE seconds: 60 reap hit_count: 4 TTL-Match name: SSH side: source mask: 255.255.255.255``."""
    words = [_bang(m[1]) + {"SET": "--set", "CHECK": "--rcheck", "UPDATE": "--update", "REMOVE": "--remove"}[m[2]]]
    for name, option in _RECENT:
        found = re.search(rf"(?: |^){name}(?:: (\S+))?", m[3])
        if found:
            words.append(f"{option} {found[1]}" if found[1] else option)
    words.append("--rdest" if "side: dest" in m[3] else "--rsource")
    return " ".join(words)


def _statistic(m: re.Match[str]) -> str:
    if m[1] == "random":
        return f"--mode random {_bang(m[2])}--probability {m[4]}"
    return f"--mode nth {_bang(m[2])}--every {m[4]} --packet {m[5] or 0}"


def _limit(m: re.Match[str]) -> str:
    return f"--limit {m[1]}" + ("" if m[2] == "5" else f" --limit-burst {m[2]}")


def _hashlimit(m: re.Match[str]) -> str:
    """``limit: up to 5/sec burst 10 mode srcip-dstport …``; the table's name is not printed."""
    words = [f"--hashlimit-{'above' if m[1] == 'above' else 'upto'} {m[2]} --hashlimit-burst {m[3]}"]
    if m[4]:
        words.append(f"--hashlimit-mode {m[4].replace('-', ',')}")
    words.extend(f"--hashlimit-{name} {value}" for name, value in re.findall(r"(htable-\w+|srcmask|dstmask) (\d+)", m[5]))
    return " ".join(words)


def _policy(m: re.Match[str]) -> str:
    words = re.sub(r"\bstrict\b", "--strict", re.sub(r"\b(dir|pol|reqid|spi|proto|mode|tunnel-src|tunnel-dst) ", r"--\1 ", m[1].strip()))
    return re.sub(r"--proto (\d+)", lambda n: f"--proto { {'50': 'esp', '51': 'ah', '108': 'comp'}.get(n[1], n[1]) }", words)


def _connbytes(m: re.Match[str]) -> str:
    return f"{_bang(m[1])}--connbytes {m[2]} --connbytes-mode {m[3]} --connbytes-dir {m[4]}"


_WORD = r"(\S+)"
_NOT = r"(!\s*)?"


def _rows() -> tuple[Row, ...]:
    """Every text that is known; of two that fit, the first counts."""
    return (*_protocol_rows(), *_connection_rows(), *_packet_rows(), *_unclear_rows())


def _protocol_rows() -> tuple[Row, ...]:
    """What is matched in headers of layer 4."""
    flags = r"(?:0x[0-9a-fA-F]{1,2}|[A-Z]+(?:,[A-Z]+)*)"
    return (
        Row(("tcp", "udp", "udplite", "sctp", "dccp"), "=key",
            rf"(?:tcp|udplite|udp|sctp|dccp)((?: (?:(?:spts?:|dpts?:|option=)\S+|flags:!?{flags}/{flags}))*)", _ports),
        Row(("icmptype", "icmp"), "icmp", r"()icmp(?: (!))?type (\d+)(?: code (\d+))?", _icmp),
        Row(("icmp",), "icmp", r"()icmp (!)?([a-z][\w-]+)()", _icmp),
        Row(("ipv6-icmptype", "ipv6-icmp"), "icmp6", r"(ipv6-)icmp(?: (!))?type (\d+)(?: code (\d+))?", _icmp),
        Row(("ipv6-icmp",), "icmp6", r"(ipv6-)icmp (!)?([a-z][\w-]+)()", _icmp),
        Row(("multiport",), "multiport", rf"multiport (dports|sports|ports)\s+{_NOT}{_WORD}", lambda m: f"{_bang(m[2])}--{m[1]} {m[3]}"),
    )


def _connection_rows() -> tuple[Row, ...]:
    """What is matched in the connection, its marks, and counts over several packets."""
    mark = r"(0x\w+(?:/0x\w+)?)"
    counter = r"(?:! )?(?:packets|bytes)-(?:eq|lt|gt) \d+"
    return (
        Row(("state",), "state", rf"{_NOT}state {_WORD}", lambda m: f"{_bang(m[1])}--state {m[2]}"),
        Row(("ctproto", "ctstate", "ctorigsrc", "ctorigdst", "ctreplsrc", "ctrepldst", "ctorigsrcport", "ctorigdstport", "ctreplsrcport",
             "ctrepldstport", "ctstatus", "ctexpire", "ctdir"), "conntrack", rf"{_NOT}(ct[a-z]+) {_WORD}", lambda m: f"{_bang(m[1])}--{m[2]} {m[3]}"),
        Row(("mark", "MARK"), "mark", rf"(?:mark|MARK) match\s+{_NOT}{mark}", lambda m: f"{_bang(m[1])}--mark {m[2]}"),
        Row(("connmark", "CONNMARK"), "connmark", rf"(?:connmark|CONNMARK) match\s+{_NOT}{mark}", lambda m: f"{_bang(m[1])}--mark {m[2]}"),
        Row(("ADDRTYPE",), "addrtype", r"ADDRTYPE match((?: (?:(?:src|dst)-type \S+|limit-in|limit-out))+)", _addrtype),
        Row(("match-set", "set"), "set",
            rf"{_NOT}(?:match-set|set) {_WORD} {_WORD}((?: (?:return-nomatch|! update-(?:sub)?counters|{counter}))*)", _match_set),
        Row(("statistic",), "statistic", r"statistic mode (random|nth) (! )?(probability|every) (\S+)(?: packet (\d+))?", _statistic),
        Row(("recent",), "recent",
            rf"{_NOT}recent: (SET|CHECK|UPDATE|REMOVE)((?: (?:seconds: \d+|reap|hit_count: \d+|TTL-Match|name: \S+|side: \w+|mask: \S+))*)", _recent),
        Row(("#conn",), "connlimit", r"#conn (src|dst)/(\d+) (>|<=) (\d+)",
            lambda m: f"--connlimit-{'above' if m[3] == '>' else 'upto'} {m[4]} --connlimit-mask {m[2]} --connlimit-{m[1][0]}addr"),
        Row(("connbytes",), "connbytes", rf"{_NOT}connbytes {_WORD} connbytes mode (\w+) connbytes direction (\w+)", _connbytes),
        Row(("limit",), "limit", r"limit: avg (\S+) burst (\d+)", _limit),
        Row(("limit",), "hashlimit",
            r"limit: (up to|above) (\S+) burst (\S+)(?: mode (\S+))?((?: (?:htable-\w+|srcmask|dstmask) \d+)*)", _hashlimit),
    )


def _packet_rows() -> tuple[Row, ...]:
    """What is matched in one packet and where it comes from."""
    return (
        Row(("source", "destination"), "iprange", rf"(source|destination) IP range {_NOT}{_WORD}",
            lambda m: f"{_bang(m[2])}--{'src' if m[1] == 'source' else 'dst'}-range {m[3]}"),
        Row(("owner",), "owner", rf"{_NOT}owner (UID|GID) match {_WORD}", lambda m: f"{_bang(m[1])}--{m[2].lower()}-owner {m[3]}"),
        Row(("owner",), "owner", rf"{_NOT}owner socket exists", lambda m: f"{_bang(m[1])}--socket-exists"),
        Row(("incl",), "owner", r"incl\. suppl\. groups", lambda _: "--suppl-groups"),
        Row(("PHYSDEV",), "physdev", r"PHYSDEV match((?: (?:! )?--physdev-(?:in|out) \S+| (?:! )?--physdev-is-\w+)+)", lambda m: m[1].strip()),
        Row(("MAC",), "mac", rf"MAC {_NOT}([0-9A-Fa-f:]+)", lambda m: f"{_bang(m[1])}--mac-source {m[2].lower()}"),
        Row(("PKTTYPE",), "pkttype", r"PKTTYPE (!?)= (\w+)", lambda m: f"{_bang(m[1])}--pkt-type {m[2]}"),
        Row(("length",), "length", rf"length {_NOT}([\d:]+)", lambda m: f"{_bang(m[1])}--length {m[2]}"),
        Row(("TTL",), "ttl", r"TTL match TTL (==|!=|<|>) (\d+)", lambda m: _hop_limit("ttl", m)),
        Row(("HL",), "hl", r"HL match HL (==|!=|<|>) (\d+)", lambda m: _hop_limit("hl", m)),
        Row(("tos",), "tos", rf"tos match\s*{_NOT}(0x\w+/0x\w+)", lambda m: f"{_bang(m[1])}--tos {m[2]}"),
        Row(("DSCP",), "dscp", rf"DSCP match {_NOT}(0x\w+)", lambda m: f"{_bang(m[1])}--dscp {m[2]}"),
        Row(("ECN",), "ecn", rf"ECN match {_NOT}(CWR|ECE)", lambda m: f"{_bang(m[1])}--ecn-tcp-{m[2].lower()}"),
        Row(("tcpmss",), "tcpmss", rf"tcpmss match {_NOT}([\d:]+)", lambda m: f"{_bang(m[1])}--mss {m[2]}"),
        Row(("helper",), "helper", rf'helper match {_NOT}"([^"]*)"', lambda m: f"{_bang(m[1])}--helper {quoted(m[2])}"),
        Row(("policy",), "policy", r"policy match((?: (?:dir|pol|reqid|spi|proto|mode|tunnel-src|tunnel-dst) \S+| strict)+)", _policy),
        Row(("quota",), "quota", r"quota: (\d+) bytes", lambda m: f"--quota {m[1]}"),
        Row(("esp", "ah"), "=key", rf"(?:esp|ah) spis?:{_NOT}(\S+)", lambda m: f"{_bang(m[1])}--{m[0].partition(' ')[0]}spi {m[2]}"),
        Row(("rpfilter",), "rpfilter", r"rpfilter((?: (?:loose|validmark|accept-local|invert))*)", lambda m: m[1].replace(" ", " --").strip()),
        Row(("socket",), "socket", r"socket((?: --[a-z-]+)*)", lambda m: m[1].strip()),
        Row(("cpu",), "cpu", rf"cpu {_NOT}(\d+)", lambda m: f"{_bang(m[1])}--cpu {m[2]}"),
        Row(("src-group", "dst-group"), "devgroup", rf"{_NOT}(src-group|dst-group) {_WORD}", lambda m: f"{_bang(m[1])}--{m[2]} {m[3]}"),
        Row(("realm",), "realm", rf"realm {_NOT}{_WORD}", lambda m: f"{_bang(m[1])}--realm {m[2]}"),
        Row(("connlabel",), "connlabel", rf"connlabel {_NOT}{_WORD}", lambda m: f'{_bang(m[1])}--label "{m[2]}"'),
        Row(("u32",), "u32", rf'{_NOT}u32 {_NOT}("[^"]*")', lambda m: f"{_bang(m[1] or m[2])}--u32 {m[3]}"),
    )


def _unclear_rows() -> tuple[Row, ...]:
    """Texts that do not tell the options that made them: known to be matches, and to end where they end."""
    return (
        Row(("STRING",), "",
            r'STRING match\s+(?:! )?"(?:[^"\\]|\\.)*" ALGO name \w+(?: FROM \d+)?(?: TO \d+)?(?: ICASE)?', lambda m: unknown(m[0])),
        Row(("TIME",), "",
            r"TIME(?: (?:from|to|on|until date|starting from|!?\d[\d:,T-]*|[A-Z][a-z]{2}(?:,[A-Z][a-z]{2})*|\d\w\w|UTC))+", lambda m: unknown(m[0])),
        Row(("rt", "frag", "ipv6header", "hbh", "dst"), "",
            r"(?:rt|frag|ipv6header|hbh|dst)(?: (?:type|segsleft|id|length|flags|opts)s?:\S+| soft)*", lambda m: unknown(m[0])),
    )


def _hop_limit(name: str, m: re.Match[str]) -> str:
    option = {"==": "eq", "!=": "eq", "<": "lt", ">": "gt"}[m[1]]
    return f"{_bang(m[1])}--{name}-{option} {m[2]}"


@cache
def _index() -> dict[str, list[tuple[str, re.Pattern[str], Make]]]:
    """Rows by first word, patterns compiled; a text ends at white space."""
    index: dict[str, list[tuple[str, re.Pattern[str], Make]]] = {}
    for row in _rows():
        pattern = re.compile(f"(?:{row.pattern})(?=\\s|\\Z)", re.ASCII)
        for key in row.keys:
            index.setdefault(key, []).append((key if row.module == "=key" else row.module, pattern, row.make))
    return index


# --- targets ---------------------------------------------------------------------------------------------------------


_LEVELS = ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug")
_LOG_FLAGS = ((1, "tcp-sequence"), (2, "tcp-options"), (4, "ip-options"), (8, "uid"), (32, "macdecode"))


def _log(m: re.Match[str]) -> str:
    level = str(_LEVELS.index(m["level"])) if m["level"] in _LEVELS else m["level"]
    flags = int(m["flags"] or 0)
    words = [f"--log-prefix {quoted(m['prefix'])}"] if m["prefix"] is not None else []
    words += [f"--log-level {level}"] if level != "4" else []
    words += [f"--log-{name}" for bit, name in _LOG_FLAGS if flags & bit or name in (m["names"] or "").split()]
    return " ".join(words)


def _nflog(m: re.Match[str]) -> str:
    words = [f"--nflog-prefix {quoted(m[1])}"] if m[1] is not None else []
    return " ".join(words + [f"--nflog-{name} {value}" for name, value in re.findall(r"nflog-(group|range|size|threshold) (\d+)", m[2])])


def _options(text: str) -> str:
    """`` random random-fully`` → `` --random --random-fully``."""
    return "".join(f" --{word}" for word in text.split())


def _set_mark(m: re.Match[str]) -> str:
    """``set 0x1`` | ``xset 0x1/0xff`` | ``and`` | ``or`` | ``xor`` → the one form that iptables-save prints."""
    value, _, mask = m[2].partition("/")
    number = int(value, 16) & FULL
    return "--set-xmark " + {
        "set": f"{number:#x}/{mask or '0xffffffff'}",
        "xset": f"{number:#x}/{mask or '0xffffffff'}",
        "and": f"0x0/{number ^ FULL:#x}",
        "or": f"{number:#x}/{number:#x}",
        "xor": f"{number:#x}/0x0",
    }[m[1]]


def _copy_mark(m: re.Match[str]) -> str:
    """``save`` | ``restore mask 0xff`` | ``save nfmask 0xff ctmask ~0xf0`` | ``restore ctmask 0xff nfmask ~0xf0``."""
    masks = dict(re.findall(r"(mask|nfmask|ctmask) ~?(0x\w+)", m[2]))
    both = masks.get("mask", "0xffffffff")
    return f"--{m[1]}-mark --nfmask {masks.get('nfmask', both)} --ctmask {masks.get('ctmask', both)}"


def _hop_target(m: re.Match[str]) -> str:
    return f"--{m[1].lower()}-" + {"set to": "set", "increment by": "inc", "decrement by": "dec"}[m[2]] + f" {m[3]}"


def _class(m: re.Match[str]) -> str:
    return f"--set-class {m[1].zfill(4)}:{m[2].zfill(4)}"


def _set_target(m: re.Match[str]) -> str:
    return f"--{m[1]} {m[2]} {m[3]}" + (" --exist" if m[4] else "") + (f" --timeout {m[5]}" if m[5] else "")


_NAT_FLAGS = r"((?: (?:random|random-fully|persistent))*)"
_HEX = r"0x[0-9a-fA-F]{1,8}"

_TARGETS: dict[str, tuple[tuple[str, Make], ...]] = {
    "REJECT": ((r"reject-with (\S+)", lambda m: f"--reject-with {m[1]}"),),
    "LOG": (((r'LOG (?:flags (?P<flags>\d{1,3}) )?level (?P<level>\w+)(?P<names>(?: [a-z]+-[a-z]+| uid| macdecode)*)'
             r'(?: prefix "(?P<prefix>.*)")?'), _log),),
    "NFLOG": ((r'(?:nflog-prefix\s+"(.*?)")?((?: ?nflog-(?:group|range|size|threshold) \d+)*)', _nflog),),
    "DNAT": ((rf"to:(\S+){_NAT_FLAGS}", lambda m: f"--to-destination {m[1]}{_options(m[2])}"),),
    "SNAT": ((rf"to:(\S+){_NAT_FLAGS}", lambda m: f"--to-source {m[1]}{_options(m[2])}"),),
    "MASQUERADE": ((rf"(?:masq ports: (\S+))?{_NAT_FLAGS}", lambda m: ((f"--to-ports {m[1]}" if m[1] else "") + _options(m[2])).strip()),
                   (r"random(-fully)?", lambda m: f"--{m[0]}")),
    "REDIRECT": ((rf"(?:redir ports (\S+))?{_NAT_FLAGS}", lambda m: ((f"--to-ports {m[1]}" if m[1] else "") + _options(m[2])).strip()),
                 (r"random", lambda m: f"--{m[0]}")),
    "NETMAP": ((r"(?:to:)?([0-9a-fA-F][\w:./]*)", lambda m: f"--to {m[1]}"),),
    "MARK": ((rf"MARK (set|xset|and|or|xor) ({_HEX}(?:/{_HEX})?)", _set_mark),),
    "CONNMARK": ((rf"CONNMARK (set|xset|and|or|xor) ({_HEX}(?:/{_HEX})?)", _set_mark),
                 (rf"CONNMARK (save|restore)((?: (?:mask|nfmask|ctmask) ~?{_HEX})*)", _copy_mark)),
    "TCPMSS": ((r"TCPMSS clamp to PMTU", lambda _: "--clamp-mss-to-pmtu"), (r"TCPMSS set (\d+)", lambda m: f"--set-mss {m[1]}")),
    "TPROXY": ((rf"TPROXY redirect (\S+):(\d+) mark ({_HEX}/{_HEX})", lambda m: f"--on-port {m[2]} --on-ip {m[1]} --tproxy-mark {m[3]}"),),
    "CT": ((r"NOTRACK", lambda _: "-j NOTRACK"),
           (r"CT((?: (?:notrack|zone(?:-orig|-reply)? \S+|helper \S+|ctevents \S+|expevents \S+|timeout \S+))*)",
            lambda m: re.sub(r" (notrack|zone(?:-orig|-reply)?|helper|ctevents|expevents|timeout)(?= |$)", r" --\1", m[1]).strip())),
    "NFQUEUE": ((r"NFQUEUE (num|balance) (\S+)((?: (?:bypass|cpu-fanout))*)",
                 lambda m: f"--queue-{m[1]} {m[2]}" + "".join(f" --queue-{word}" for word in m[3].split())),),
    "TTL": ((r"(TTL) (set to|increment by|decrement by) (\d+)", _hop_target),),
    "HL": ((r"(HL) (set to|increment by|decrement by) (\d+)", _hop_target),),
    "CHECKSUM": ((r"CHECKSUM fill", lambda _: "--checksum-fill"),),
    "CLASSIFY": ((r"CLASSIFY set (\w+):(\w+)", _class),),
    "TEE": ((r"TEE gw:(\S+)(?: oif[=:]? ?(\S+))?", lambda m: f"--gateway {m[1]}" + (f" --oif {m[2]}" if m[2] else "")),),
    "SET": ((r"((?:add|del)-set) (\S+) (\S+)( exist)?(?: timeout (\d+))?", _set_target),),
    "TOS": ((r"TOS set (\S+)", lambda m: f"--set-tos {m[1]}"),),
    "DSCP": ((r"DSCP set (\S+)", lambda m: f"--set-dscp {m[1]}"),),
    "ECN": ((r"ECN TCP remove", lambda _: "--ecn-tcp-remove"),),
    "AUDIT": ((r"AUDIT (accept|drop|reject)", lambda m: f"--type {m[1]}"),),
    "CONNSECMARK": ((r"CONNSECMARK (save|restore)", lambda m: f"--{m[1]}"),),
    "SNPT": ((r"SNPT src-pfx (\S+) dst-pfx (\S+)", lambda m: f"--src-pfx {m[1]} --dst-pfx {m[2]}"),),
    "DNPT": ((r"DNPT src-pfx (\S+) dst-pfx (\S+)", lambda m: f"--src-pfx {m[1]} --dst-pfx {m[2]}"),),
    "TCPOPTSTRIP": ((r"TCPOPTSTRIP options (\S+)", lambda m: f"--strip-options {m[1]}"),),
    "IDLETIMER": ((r"timeout:(\d+) label:(\S+)", lambda m: f"--timeout {m[1]} --label {m[2]}"),),
}
"""Texts of targets; a target that is not here prints none."""


@cache
def _target_rows(target: str) -> tuple[tuple[re.Pattern[str], Make], ...]:
    return tuple((re.compile(pattern, re.ASCII), make) for pattern, make in _TARGETS.get(target, ()))


def _target_options(target: str, text: str, start: int) -> str | None:
    """Words of the target if the rest of the text is the target's; ``None`` otherwise."""
    if start >= len(text) and target not in {"MASQUERADE", "REDIRECT", "NFLOG"}:
        return ""
    if target not in _TARGETS:  # names of user chains must not fill the cache
        return None
    for pattern, make in _target_rows(target):
        found = pattern.fullmatch(text, start)
        if found:
            return make(found)
    return None


# --- the whole text --------------------------------------------------------------------------------------------------


_MERGED = frozenset({"conntrack", "owner", "iprange"})
"""Modules that print each of their options as a text of its own."""


class _Matches:
    """Collects ``-m`` words; options of one module that stand side by side are one match."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._module = ""
        self._seen: set[str] = set()

    def add(self, module: str, options: str) -> None:
        """One more text of a module ("" = the options are complete words)."""
        names = set(re.findall(r"--[a-z-]+", options)) if module in _MERGED else set()
        if names and module == self._module and not names & self._seen:
            self._seen |= names
            self.words.append(options)
            return
        self._module, self._seen = module, names
        if module:
            self.words.append(f"-m {module}")
        if options:
            self.words.append(options)


def _comment(text: str, start: int) -> tuple[str, int]:
    """Comment that begins at ``start`` (``/* … */``) and where it ends."""
    found = re.compile(r"\*/(?=\s|\Z)").search(text, start + 2)
    if not found:
        return text[start + 2 :].strip(), len(text)
    return text[start + 2 : found.start()].removeprefix(" ").removesuffix(" "), found.end()


def _one(text: str, start: int, matches: _Matches) -> int:
    """Translate the match text at ``start``; returns where it ends, or ``start`` if it is not known."""
    if text.startswith("/*", start):
        comment, end = _comment(text, start)
        matches.add("comment", f"--comment {quoted(comment)}")
        return end
    key = re.compile(r"(?:!\s*)?(#?[\w-]+)", re.ASCII).match(text, start)
    for module, pattern, make in _index().get(key[1], ()) if key else ():
        found = pattern.match(text, start)
        if found:
            matches.add(module, make(found))
            return found.end()
    return start


def translate(text: str, target: str) -> Translation:
    """Words for the text behind the address columns of a rule with ``target`` ("" = none)."""
    text = text.strip()
    matches = _Matches()
    jump = "-j"
    at = 0
    while True:
        options = _target_options(target, text, at)
        if options is not None:
            break
        if text.startswith("[goto]", at):
            jump, end = "-g", at + 6
        else:
            end = _one(text, at, matches)
        if end == at:
            end, options = _skip(text, at, target)
            matches.add("", unknown(text[at:end].strip()))
            break
        at = _skip_space(text, end)
    if options.startswith("-j "):
        return Translation(" ".join(matches.words), options)
    words = f"{jump} {target} {options}".rstrip() if target else ""
    return Translation(" ".join(matches.words), words)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _skip(text: str, start: int, target: str) -> tuple[int, str]:
    """End of a text that is not known, and the target's words behind it.

    Everything up to the target's own text counts as unknown: a known-looking word inside (of a quoted string, say) is not to be believed.
    """
    for found in re.finditer(r"\s+(?=\S)", text[start:]):
        options = _target_options(target, text, start + found.end())
        if options is not None:
            return start + found.start(), options
    return len(text), ""
