"""Lexing of a symptom: fold the text, find error strings, addresses, names, ports and protocol hints.

Every function is pure and keeps positions, so that the grammar can look at what stands between two names.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.inet import is_address, to_int, to_text
from engine.question import phrases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "\x00"
"""Stands for a character of an error string that was read already ("No route to host" names no host)."""
MASKED_VERB = "\x01"
"""The same for an error string that is a verb with the sender before it ("cannot resolve")."""
MAX_TEXT = 4000
"""Characters of a symptom that are read; a pasted log beyond that says nothing new."""
MAX_PORT = 65535

Span = tuple[int, int]


class Token(NamedTuple):
    """An address, URL or word with its place in the text."""

    start: int
    end: int
    text: str
    """As the user wrote it."""
    host: str
    """Address in canonical form, or the name, without port and scheme."""
    address: bool
    port: int = 0
    protocol: str = ""
    sure: bool = False
    """Whether the form alone shows that a machine is meant (an address, a URL, ``name:port``)."""


def fold(text: str) -> str:
    """Lower case, half width, simplified characters; every character keeps its place."""
    table = _simplify()
    return "".join(_fold_character(character, table) for character in text[:MAX_TEXT])


def _fold_character(character: str, table: dict[str, str]) -> str:
    if character.isascii():
        return character.lower()
    if character in "‘’“”":
        return "'"
    half = unicodedata.normalize("NFKC", table.get(character, character)).lower()
    return half if len(half) == 1 else character


@cache
def _simplify() -> dict[str, str]:
    return dict(zip(phrases.TRADITIONAL, phrases.SIMPLIFIED, strict=True))


def _joins(left: str, right: str) -> bool:
    """Whether two neighbouring characters belong to one Latin word."""
    return left.isascii() and right.isascii() and (left.isalnum() or left == "_") and (right.isalnum() or right == "_")


def occurrences(text: str, phrase: str) -> Iterator[int]:
    """Where ``phrase`` stands in a folded text as whole words."""
    at = text.find(phrase)
    while at >= 0:
        end = at + len(phrase)
        if not (at and _joins(text[at - 1], phrase[0])) and not (end < len(text) and _joins(phrase[-1], text[end])):
            yield at
        at = text.find(phrase, at + 1)


def holds(text: str, words: Iterable[str]) -> bool:
    """Whether a folded text holds one of the phrases as whole words."""
    return any(True for word in words for _ in occurrences(text, word))


def mask(text: str, spans: Iterable[Span]) -> str:
    """The text with some places blanked."""
    characters = list(text)
    for start, end in spans:
        sign = MASKED_VERB if text[start:end] in phrases.ACTIVE else MASK
        characters[start:end] = sign * (end - start)
    return "".join(characters)


def error_class(text: str) -> tuple[str, str]:
    """Error class of a folded symptom ("" if it names none), and the text with all error strings masked."""
    found, spans = "", []
    for name, words in phrases.ERRORS:
        hits = [(at, at + len(word)) for word in words for at in occurrences(text, word)]
        if hits:
            found = found or name
            spans += hits
            text = mask(text, hits)
    if late := list(_delay().finditer(text)):
        found = found or "slow"
        text = mask(text, [match.span() for match in late])
    if _source_changed(text):
        found = "wrong-source"
    errno = next((name for sign, name in phrases.MYSQL_ERRNO.items() if sign in text), "")
    found = found or errno or _spoken_dns(text)
    return found, text


@cache
def _delay() -> re.Pattern[str]:
    """How long something takes, in seconds or more: who says that finds it long."""
    about = r"(?:about |around |exactly |over |almost |nearly |more than |at least |up to |~ ?)?"
    amount = r"(?:\d{1,3}(?:\.\d{1,3})?|an?|one|two|three|five|ten|several|many|a few)"
    return re.compile(
        rf"\b(?:takes?|took|taking) {about}{amount} ?(?:s|secs?|seconds?|mins?|minutes?)\b"
        r"|(?:要|需要|耗时|用了|花了|花费) ?\d{1,3}(?:\.\d{1,3})? ?多?秒"
    )


@cache
def _tool_noise() -> re.Pattern[str]:
    return re.compile(
        r"\blookup \S+ on (?=\S+:53\b)"
        r"|\bfrom \S+(?: \(\S+\))?:? icmp_seq[= ]\d+|\bicmp_seq[= ]\d+|\btime[= ]\d+(?:\.\d+)? ?ms|\b\d+\(\d+\) bytes of data"
        r"|(?<=[a-z])-(?=to-[a-z])|(?<=-to)-(?=[a-z])"
        r"|\bfailed to allocate for range \d+:|\b(?:in )?range set: [0-9a-f.:]+-[0-9a-f.:]+(?:, ?[0-9a-f.:]+-[0-9a-f.:]+)*"
        # Since when, and of what make the machine is.
        r"|\b(?:after|since) (?:the |a |an |my |our |last |latest )*[\w.+:-]{1,40}(?: [\w.+:-]{1,40})? (?:upgrade|update)\b"
        r"(?: (?:to|from) v?\d[\w.+~-]*)?"
        r"|\b(?:on|under|running) (?:debian|ubuntu|fedora|centos|rhel|alpine|raspbian|opensuse|sles|rocky|almalinux|mint)(?: linux| stream| server)?"
        r" (?:v?\d[\d.]*|sid|stretch|buster|bullseye|bookworm|trixie|xenial|bionic|focal|jammy|noble|leap|tumbleweed)\b(?: lts\b)?"
        r"|\bbgp not established with [0-9a-f.:]+(?:, ?[0-9a-f.:]+)*"
    )


def without_noise(text: str) -> str:
    """Blank what stands around the names that matter: the name that Go looks up, the router that reports to ping, "across nodes", ranges."""
    spans = [match.span() for match in _tool_noise().finditer(text)]
    for phrase in (*phrases.CROSS_NODE, *phrases.SAME_NODE):
        spans += [(at, at + len(phrase)) for at in occurrences(text, phrase)]
    return "".join(" " if any(a <= i < b for a, b in spans) else c for i, c in enumerate(text)) if spans else text


def _source_changed(text: str) -> bool:
    return holds(text, phrases.SOURCE_WORDS) and any(word in text for word in phrases.SOURCE_CHANGED)


def _spoken_dns(text: str) -> str:
    return "dns" if holds(text, phrases.WEAK_DNS) else ""


@cache
def _clause_ends() -> re.Pattern[str]:
    return re.compile(r"[,;!?。\n]+|\.\s|\s-\s|:\s(?=https?://)|\b(?:but|however|whereas|while|although|though)\b|但是|但|然而|可是|却|不过|而(?!不是|且)")


def clauses(text: str) -> list[Span]:
    """Places of the clauses of a folded text, in order, without empty ones."""
    places: list[Span] = []
    start = 0
    for end in _clause_ends().finditer(text):
        places.append((start, end.start()))
        start = end.end()
    places.append((start, len(text)))
    return [(a, b) for a, b in places if text[a:b].strip()]


def tells_success(text: str) -> bool:
    """Whether a folded clause tells what works, rather than what fails."""
    if MASK in text or MASKED_VERB in text or any(word in text for word in phrases.FAILS) or _nothing().search(text):
        return False
    return holds(text, phrases.WORKS) or _lives().fullmatch(text) is not None


@cache
def _lives() -> re.Pattern[str]:
    """A clause that says of something that it runs, and nothing else: "the pods run", "both containers are up"; "not running" says the reverse."""
    subject = r"(?:(?!(?:not|never|no|none|when|if|only|until|once|after)\b)[\w./-]+ ){1,5}?"
    state = r"(?:(?:is|are) (?:all |both |still )?(?:up(?: and running)?|running|alive|healthy|ready)|(?:all |both |still )?(?:run|runs|running))"
    return re.compile(rf"\s*{subject}{state}\s*|[^没未不]*(?:在运行|运行中)\s*")


@cache
def _nothing() -> re.Pattern[str]:
    """A subject that is denied: "no website is reachable", "none of the pods works"; "works with no problem" denies something else."""
    denied = r"none|nothing|nobody|neither|no(?! (?:problem|issue|error|trouble|longer|matter|doubt))"
    return re.compile(rf"\b(?:{denied})\b[^,;]*\b(?:is|are|was|were|works?|can|gets?)\b")


@cache
def _inquiry() -> re.Pattern[str]:
    asks = "吗|能否|是否|能不能|通不通|行不行"
    verbs = r"ping|reach|connect|access|curl|resolve|see|talk|get|ssh|telnet|open"
    return re.compile(
        rf"\s*(?:(?:does|do|did)\b|(?:can|could)\s+(?!(?:{verbs})\b)|(?:is|are)\s+(?!(?:ok|fine|working|reachable|no)\b))|.*?(?:{asks})",
        re.DOTALL,
    )


def works(text: str, place: Span) -> bool:
    """Whether the clause at a place of a folded text tells what works; a question whether something works does not."""
    start, end = place
    return tells_success(text[start:end]) and text[end:].lstrip()[:1] != "?" and _inquiry().match(text[start:end]) is None


@cache
def _literals() -> re.Pattern[str]:
    return re.compile(
        r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^/@\s]*@)?(?P<url>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<uport>\d{1,5}))?(?:/[^\s'\"]*)?"
        r"|\[(?P<v6b>[0-9a-f:.]+)(?:%[\w.-]+)?\](?::(?P<v6port>\d{1,5}))?"
        r"|(?<![\w:.])(?P<v6>[0-9a-f]{0,4}:[0-9a-f:.]*:[0-9a-f:.]*)"
        r"|(?<![\w.])(?P<v4>\d{1,3}(?:\.\d{1,3}){3})(?:/\d{1,2})?(?::(?P<v4port>\d{1,5}))?(?!\.?\w)"
        r"|(?P<name>[a-z0-9](?:[a-z0-9._/@-]*[a-z0-9])?)(?::(?P<nport>\d{1,5})(?![\d.]|:\S))?",
        re.ASCII,
    )


def tokens(folded: str, original: str = "") -> list[Token]:
    """Addresses, URLs and words of a folded text, in order."""
    shown = original or folded
    made = (_token(match, shown) or _asking(match, folded, shown) for match in _literals().finditer(folded))
    return [token for token in made if token]


def _asking(match: re.Match[str], folded: str, shown: str) -> Token | None:
    """A network from which somebody asks ("from our office 198.51.100.0/24"): one machine of it."""
    text = match[0]
    if not match["v4"] or not _is_network(text) or not re.search(r"\bfrom [^,;.:]{0,30}$|(?:从|来自)[^,;.:]{0,15}$", folded[: match.start()]):
        return None
    start, end = match.span()
    return Token(start, end, shown[start:end], to_text(to_int(text.partition("/")[0]) + SOMEBODY), address=True, sure=True)


def _token(match: re.Match[str], shown: str) -> Token | None:
    start, end = match.span()
    if match["url"]:
        return _url(match, shown[start:end])
    if match["name"]:
        port = _port(match["nport"])
        return Token(start, end, shown[start:end], match["name"], address=False, port=port, sure=bool(port) and not match["name"].isdigit())
    text = (match["v6b"] or match["v6"] or match["v4"]).rstrip(".")
    if not match["v4"] and not match["v6b"]:
        kept = text if is_address(text) else text.rstrip(":")
        end, text = start + len(kept), kept
    if not is_address(text) or _is_network(shown[start:end]):
        return None
    return Token(start, end, shown[start:end], canonical(text), address=True, port=_port(match["v6port"] or match["v4port"]), sure=True)


SOMEBODY: Final = 10
"""Number of the machine in a network that stands for all of it."""


def _is_network(text: str) -> bool:
    """Whether a literal is a network ("10.99.4.0/24"): no machine is meant."""
    address, slash, length = text.partition("/")
    if not slash or not length.isdigit() or not is_address(address):
        return False
    bits = 128 if ":" in address else 32
    return int(length) < bits and not to_int(address) & ((1 << (bits - int(length))) - 1)


def _url(match: re.Match[str], shown: str) -> Token:
    host = match["url"].strip("[]")
    scheme = match["scheme"]
    address = is_address(host)
    port = _port(match["uport"]) or phrases.SCHEMES.get(scheme, 0)
    protocol = "udp" if scheme == "udp" else "tcp"
    return Token(match.start(), match.end(), shown, canonical(host) if address else host, address=address, port=port, protocol=protocol, sure=True)


def _port(text: str | None) -> int:
    number = int(text) if text else 0
    return number if number <= MAX_PORT else 0


def canonical(address: str) -> str:
    """Canonical text of an address."""
    return to_text(to_int(address), 6 if ":" in address else 4)


@cache
def _ports() -> re.Pattern[str]:
    return re.compile(
        r"\bports?\s*[=:#]?\s*(?P<a>\d{1,5})\b|端口号?\s*[=:]?\s*(?:为|是)?\s*(?P<b>\d{1,5})|(?<![\d.])(?P<c>\d{1,5})\s*号?端口"
        r"|\b(?P<p1>tcp|udp)[/ ](?:port )?(?P<d>\d{1,5})\b(?!\.\d)|(?<![\d.])(?P<e>\d{1,5})/(?P<p2>tcp|udp)\b|(?<![\w\]:.])(?::)(?P<f>\d{2,5})\b"
        r"|\b(?:telnet|nc(?:\s+-\w+)*)\s+[\w.:-]+\s+(?P<g>\d{1,5})\b"
        r"|(?:\b(?:nodeport|node port|hostport)|(?:\bnode[ _-]?|节点)ip ?:)\s*(?P<h>\d{1,5})\b",
        re.ASCII,
    )


@cache
def _beside() -> re.Pattern[str]:
    units = r"%|times?\b|tries|seconds?\b|secs?\b|s\b|ms\b|min|hours?\b|days?\b|packets?\b|bytes?\b|octets\b|x\b|次|秒|个|条|毫秒|分钟|小时|天|月|年"
    left = r"\s*(?:的|on|at|via|over|using|@|,)?\s*(?:(?:the )?(?:tcp|udp)[ /])?[(（]?\s*"
    return re.compile(rf"{left}(?P<port>[1-9]\d{{1,4}})(?![\w/-]|[.:]\d)(?!\s*(?:{units}|of\b|out\b|or\b))", re.ASCII)


def port_beside(rest: str) -> int:
    """A bare number behind a machine's name that can only be its port ("db on 8000", "db 8000", "db 的 8000"); 0 if there is none."""
    found = _beside().match(rest)
    return _port(found["port"]) if found else 0


def spoken_port(folded: str) -> tuple[int, str]:
    """Port and protocol that the text names apart from a machine ("port 5432", ``5432/tcp``); (0, "") if none."""
    if not any(digit in folded for digit in "0123456789"):
        return 0, ""  # most sentences: the expression is not even compiled
    for match in _ports().finditer(folded):
        number = next((match[key] for key in "abcdefgh" if match[key]), "")
        if _port(number):
            return _port(number), match["p1"] or match["p2"] or ""
    return 0, ""


def protocol_hint(folded: str) -> tuple[str, int]:
    """Protocol and usual port that the words suggest; ("", 0) if none."""
    for word, protocol, port in phrases.PROTOCOLS:
        if holds(folded, (word,)):
            return protocol, port
    return "", 0


@cache
def _ping_size() -> re.Pattern[str]:
    return re.compile(r"\bping\b[^,;\n]*?\s-s\s*(\d{2,5})\b")


def packet_size(folded: str) -> int:
    """Octets of the packet that the symptom is about: of ``ping -s N``, -1 for "large", 0 if size plays no part."""
    asked = _ping_size().search(folded)
    if asked:
        headers = 28
        return int(asked[1]) + headers
    stalled = holds(folded, phrases.STALLS) and holds(folded, phrases.BULK)
    return -1 if stalled or holds(folded, phrases.LARGE) else 0
