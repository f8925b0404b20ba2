"""What client programs saw: ping, curl, wget, nc, telnet, and look-ups by nslookup, dig, host and getent.

Each attempt becomes one ``observed`` fact on the stack that it was made in.  Only what such programs say of the network is read; the rest of
their output (headers, bodies, times) is passed over.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_A = r"[0-9A-Fa-f.:]{2,45}"
_NAME = r"[A-Za-z0-9_][\w.-]{0,252}"
REASONS = (
    ("refused", "ECONNREFUSED"), ("no route to host", "EHOSTUNREACH"), ("host unreachable", "EHOSTUNREACH"), ("packet filtered", "EHOSTUNREACH"),
    ("prohibited", "EHOSTUNREACH"), ("network is unreachable", "ENETUNREACH"), ("net unreachable", "ENETUNREACH"), ("timed out", "timeout"),
    ("timeout", "timeout"), ("not permitted", "EPERM"), ("reset by peer", "reset"), ("empty reply", "reset"), ("message too long", "EMSGSIZE"),
    ("could not resolve", "unresolved"), ("not known", "unresolved"), ("name resolution", "unresolved"), ("bad address", "unresolved"),
)
"""Words of an error → what it means."""
_STARTS = re.compile(
    rf"^PING (?P<ping>\S+?) \((?P<pinged>{_A})\)"
    rf"|\*\s+Trying \[?(?P<tried>{_A}?)\]?(?::(?P<tried_port>\d+))?\.\.\."
    rf"|^Trying (?P<telnet>{_A})\.\.\.$"
    rf"|^Connecting to (?P<busybox>\S+?)(?::\d{{1,5}})? \(\[?(?P<asked>{_A}?)\]?:(?P<asked_port>\d{{1,5}})\)$"
    rf"|^(?:; <<>> DiG \S+ <<>>(?P<dig>.*)|Server:\s+(?P<nslookup>{_A}))$"
)
"""Lines with which an attempt begins."""
_PING = (
    re.compile(rf"^From (?P<by>\S+?)(?: \({_A}\))?:? (?:icmp_seq=\d+ )?(?P<why>[A-Z].*)"),
    re.compile(r"^ping: (?:local error|sendmsg): (?P<why>[Mm]essage too long)(?:, mtu[=:] ?(?P<mtu>\d+))?"),
)
"""What ping says between its first line and its last ones."""
_ICMP = (
    ("host unreachable", "host"), ("net unreachable", "net"), ("prohibited", "prohibited"), ("packet filtered", "prohibited"),
    ("port unreachable", "port"), ("protocol unreachable", "protocol"), ("frag needed", "too-big"), ("time to live exceeded", "ttl"),
)
"""Words of ping → what an ICMP error says."""
_LINES = (
    ("curl", re.compile(rf"\* Connected to (?P<name>\S+) \((?P<address>{_A})\) port (?P<port>\d+)"), "connected"),
    ("curl", re.compile(rf"\* connect to (?P<address>{_A}) port (?P<port>\d+) (?:from \S+ port \d+ )?failed: (?P<why>.*)"), ""),
    ("curl", re.compile(r"^curl: \(\d+\) Failed to connect to (?P<name>\S+) port (?P<port>\d+)(?: after \d+ ms)?: (?P<why>.*)"), ""),
    ("curl", re.compile(r"^curl: \(\d+\) (?P<why>Could not resolve host): (?P<name>[^;\s]+)"), ""),
    ("curl", re.compile(r"^curl: \((?:28|52|56)\) (?P<why>.*)"), ""),
    ("wget", re.compile(rf"^Connecting to (?P<name>[^\s|]+) \([^)\s]+\)\|(?P<address>{_A})\|:(?P<port>\d+)\.\.\. connected\.?"), "connected"),
    ("wget", re.compile(rf"^Connecting to (?P<name>[^\s|]+) \([^)\s]+\)\|(?P<address>{_A})\|:(?P<port>\d+)\.\.\. failed: (?P<why>.*)"), ""),
    ("wget", re.compile(rf"^wget: can't connect to remote host(?: \((?P<address>{_A})\))?: (?P<why>.*)"), ""),
    ("wget", re.compile(r"^wget: (?P<why>download timed out)"), ""),
    ("wget", re.compile(r"^wget: (?P<why>bad address) '(?P<name>[^':]+)"), ""),
    ("wget", re.compile(r"^wget: server returned error: HTTP|^remote file exists$|^saving to '"), "connected"),
    ("nc", re.compile(rf"^Connection to (?P<name>\S+)(?: \({_A}\))? (?P<port>\d+) port \[(?P<protocol>tcp|udp)/.*succeeded!"), "connected"),
    ("nc", re.compile(rf"^nc: connect to (?P<name>\S+)(?: \((?P<address>{_A})\))? port (?P<port>\d+) \((?P<protocol>tcp|udp)\) (?P<why>.*)"), ""),
    ("nc", re.compile(rf"^(?P<name>\S+) \[(?P<address>{_A})\] (?P<port>\d+) \([\w-]+\) (?::|open$) ?(?P<why>.*)"), ""),
    ("nc", re.compile(rf"^nc: can't connect to remote host \((?P<address>{_A})\): (?P<why>.*)"), ""),
    ("nc", re.compile(r"^Ncat: (?P<why>(?:Connection refused|TIMEOUT|Connection timed out|No route to host|Network is unreachable).*)"), ""),
    ("telnet", re.compile(rf"^telnet: can't connect to remote host \((?P<address>{_A})\): (?P<why>.*)"), ""),
    ("telnet", re.compile(rf"^telnet: (?:Unable to connect to remote host|connect to address {_A}): (?P<why>.*)"), ""),
    ("telnet", re.compile(rf"^Connected to (?P<name>{_NAME})\.$"), "connected"),
    ("ping", re.compile(r"^ping: (?:connect|sendto|sendmsg): (?P<why>.*)"), ""),
    ("ping", re.compile(r"^ping: (?P<name>\S+): (?P<why>Name or service not known|Temporary failure in name resolution|No address.*)"), ""),
    ("ping", re.compile(r"^ping: (?P<why>bad address) '(?P<name>[^']+)'"), ""),
)
"""(program, line, outcome or "" = by the reason)."""
_ANSWERS = (
    re.compile(rf"^(?P<name>{_NAME}?)\.?\s+\d+\s+IN\s+A(?:AAA)?\s+(?P<found>{_A})$"),
    re.compile(rf"^(?P<name>{_NAME}) has (?:IPv6 )?address (?P<found>{_A})$"),
    re.compile(rf"^(?:Address|Address 1): (?P<found>{_A})(?: .*)?$"),
    re.compile(rf"^(?P<alias>{_NAME}?)\.?\s+(?:canonical name = |is an alias for |\d+\s+IN\s+CNAME\s+)(?P<canonical>{_NAME}?)\.?$"),
    re.compile(rf"^Name:\s+(?P<name>{_NAME})$"),
    re.compile(rf"^;; SERVER: (?P<server>{_A})#\d+"),
    re.compile(rf"^Address:\s+(?P<server>{_A}?)(?:#|:)53$"),
    re.compile(r"^;; ->>HEADER<<-.* status: (?P<rcode>\w+),"),
    re.compile(rf"^\*\* server can't find (?P<name>{_NAME}?)\.?: (?P<rcode>\w+)"),
    re.compile(rf"^Host (?P<name>{_NAME}?)\.? not found: \d+\((?P<rcode>\w+)\)"),
    re.compile(rf"^;; communications error to (?P<server>{_A})#53: (?P<why>.*)"),
    re.compile(r"^;; (?:connection timed out; )?(?P<why>no servers could be reached)"),
    re.compile(rf"^;; reply from unexpected source: (?P<by>{_A})#\d+, expected (?P<server>{_A})#\d+"),
)
"""Lines of the programs that look names up."""
LOOKUPS = frozenset({"nslookup", "dig", "host", "getent"})
CLIENTS = frozenset({"ping", "ping6", "curl", "wget", "nc", "ncat", "telnet", *LOOKUPS})
"""Programs whose command lines say what was asked for."""


def parse(source: Source, place: Place) -> list[Fact]:
    """``observed`` facts, one an attempt."""
    reader = _Reader(Emitter(source, place), *_asked(source.command), server=_server(source.command.split()))
    for number, line in clean_lines(source.text):
        if line.strip():
            reader.line(line[:500], number)
    return reader.done()


def _asked(command: str) -> tuple[str, str, int]:
    """Program, target and port of a command line; "" and 0 where it does not say."""
    words = command.split()
    at = next((at for at, word in enumerate(words) if word.rpartition("/")[2] in CLIENTS), None)
    if at is None:
        return "", "", 0
    program = words[at].rpartition("/")[2].removesuffix("6")
    words = _alone(words[at:])
    plain = [w for before, w in pairwise(words) if not w.startswith(("-", "+", "@")) and not _valued(before)]
    if program == "getent":
        plain = plain[1:]
    if program in {"curl", "wget"}:
        url = next((re.match(r"(?:\w+://)?(?:[^/@]*@)?([\w.-]+)(?::(\d{1,5}))?", w) for w in plain if "." in w or "/" in w or ":" in w), None)
        return ("curl", url[1], int(url[2] or 0)) if url else (program, "", 0)
    port = int(plain[1]) if program in {"nc", "ncat", "telnet"} and len(plain) > 1 and plain[1].isdecimal() else 0
    return ("nc" if program == "ncat" else program), plain[0] if plain else "", port


def _alone(words: Sequence[str]) -> list[str]:
    """The words of the first of several commands in a line."""
    end = next((at for at, word in enumerate(words) if word.endswith(";") or word in {"&&", "||", "|"}), len(words))
    return [*words[:end], *(word.rstrip(";") for word in words[end : end + 1] if word.rstrip(";&|"))]


def _server(words: Sequence[str]) -> str:
    """Server that a look-up asks by its words (``dig @SERVER NAME``, ``nslookup NAME SERVER``, ``host NAME SERVER``); "" for none, or one by name."""
    at = next((at for at, word in enumerate(words) if word.rpartition("/")[2] in LOOKUPS), len(words))
    plain = [word for before, word in pairwise(words[at:]) if not word.startswith(("-", "+")) and not _valued(before)]
    second = plain[1:2] if words[at:] and words[at].rpartition("/")[2] in {"nslookup", "host"} else []
    return next((word for word in (*(w[1:] for w in plain if w.startswith("@")), *second) if is_address(word)), "")


def _valued(word: str) -> bool:
    """Whether an option takes its value in the next word (those that people use)."""
    return re.fullmatch(r"-(?:[a-zA-Z]*[cwWistmpIMo])|--(?:max-time|connect-timeout|resolve)", word) is not None and word not in {"-vs", "-sS", "-s"}


class _Reader:
    """Reads attempts line by line."""

    def __init__(self, out: Emitter, program: str, target: str, port: int, server: str = "") -> None:
        self.out = out
        self.server = server
        self.program = program
        self.target = target
        self.port = port
        self.now: dict[str, Any] = {}
        self.at = 0
        self.made: list[tuple[int, dict[str, Any]]] = []

    def line(self, line: str, number: int) -> None:
        """One line."""
        if self.program == "getent" and (match := re.match(rf"({_A})\s+{_NAME}", line)):
            self.begin("getent", number, {"name": self.target})
            self.now["found"] = [match[1]]
        elif match := _STARTS.search(line):
            self.start(match, number)
        elif self.now.get("program") == "ping" and (match := re.search(r"(\d+) packets transmitted, (\d+) (?:packets )?received", line)):
            self.now["outcome"] = "connected" if int(match[2]) else self.now.get("outcome") or "timeout"
            self.now["lost"] = int(match[1]) - int(match[2])
        elif match := next((m for pattern in _PING if self.now.get("program") == "ping" and (m := pattern.search(line))), None):
            self.told(match, number, "")
        elif match := self.answer(line):
            self.answered(match, number, line)
        else:
            self.connected(line, number)

    def start(self, match: re.Match[str], number: int) -> None:
        """A line that begins an attempt."""
        if match["ping"]:
            self.begin("ping", number, {**self.pinged(match["ping"]), "address": match["pinged"], "protocol": "icmp"})
        elif match["tried"]:
            self.begin("curl", number, {"address": match["tried"], "port": int(match["tried_port"] or self.port), "protocol": "tcp"})
        elif match["busybox"]:
            self.begin("wget", number, {"name": match["busybox"], "address": match["asked"], "port": int(match["asked_port"]), "protocol": "tcp"})
        elif match["telnet"]:
            known = self.now if self.now.get("program") == "telnet" and "address" not in self.now else {}
            self.now = {} if known else self.now
            self.begin("telnet", number, {**known, "address": match["telnet"], "port": self.port, "protocol": "tcp"})
        else:
            given = (match["dig"] or "").split()
            name = next((w for w in given if not w.startswith(("@", "+", "-")) and w not in {"A", "AAAA", "ANY"}), self.target)
            first = self.now if not self.now.get("name") and self.now.get("program") == "lookup" else {}
            self.now = {} if first else self.now
            self.begin("dig" if match["dig"] is not None else "nslookup", number, {**first, "name": name})
            server = match["nslookup"] or _server(["dig", *given])
            self.now |= {"server": server} if server else {}

    def pinged(self, name: str) -> dict[str, Any]:
        """Names of a ping: as it was asked to, and as the look-up ended, where those differ."""
        asked = self.target.rstrip(".") if self.program == "ping" and self.target and not is_address(self.target) else name
        return {"name": asked, **_ended_as(asked, name)} if asked.lower() != name.lower() else {"name": name}

    def begin(self, program: str, number: int, fields: dict[str, Any]) -> None:
        """A new attempt; the one before is over."""
        self.end()
        self.now, self.at = {**fields, "program": program}, number

    def end(self) -> None:
        """The attempt is over."""
        if self.now:
            self.made.append((self.at, self.now))
        self.now = {}

    def told(self, match: re.Match[str], number: int, outcome: str, program: str = "") -> None:
        """What a line tells of the attempt that it belongs to."""
        told = {key: value for key, value in match.groupdict().items() if value}
        why = told.pop("why", "")
        if program and (self.now.get("program") != program or not _agree(self.now, told)):
            self.begin(program, number, {"protocol": "icmp" if program == "ping" else "tcp"})
        if "port" in told:
            told["port"] = int(told["port"])
        if "mtu" in told:
            told["mtu"] = int(told["mtu"])
        if "by" in told and (says := next((name for words, name in _ICMP if words in why.lower()), "")):
            told["why"] = says
        self.now |= told
        meant = outcome or next((name for words, name in REASONS if words in why.lower()), "")
        if meant or "outcome" not in self.now:
            self.now["outcome"] = meant or "failed"
        self.at = number if program else self.at

    def connected(self, line: str, number: int) -> None:
        """A line of a program that connects, if it is one."""
        for program, pattern, outcome in _LINES:
            match = pattern.search(line)
            if match:
                ended = "connected" if pattern.pattern.endswith("?(?P<why>.*)") and not match["why"] else outcome
                self.told(match, number, ended, program)
                return

    def answer(self, line: str) -> re.Match[str] | None:
        """The line if it is one of a program that looks names up: of such a command, also a bare address."""
        bare = re.fullmatch(rf"(?P<found>{_A})", line) if self.program in LOOKUPS else None
        return bare or next((m for pattern in _ANSWERS if (m := pattern.search(line))), None)

    def answered(self, match: re.Match[str], number: int, line: str) -> None:
        """A line of a program that looks names up."""
        if self.now.get("program") not in {*LOOKUPS, "lookup"}:
            self.begin(self.program if self.program in LOOKUPS else "lookup", number, {"name": self.target} if self.target else {})
        told = {key: value for key, value in match.groupdict().items() if value}
        if alias := told.pop("alias", ""):
            # What follows is said of the canonical name; what was asked for is at the chain's beginning.
            self.now.setdefault("alias", alias)
        if told.get("found") == self.now.get("server") and "found" not in self.now and line.startswith("Address 1:"):
            # busybox tells its server's address in the same words.
            return
        if "found" in told:
            self.now.setdefault("found", []).append(told.pop("found"))
        why = told.pop("why", "")
        if why:
            meant = next((name for words, name in REASONS if words in why), "")
            self.now["silent"] = meant or self.now.get("silent", "timeout")
        self.now |= told
        self.at = number

    def done(self) -> list[Fact]:
        """The facts of all attempts."""
        self.end()
        if not self.made and self.program == "getent" and self.target and self.out.source.text.strip() in self.nothing():
            self.made.append((0, {"program": "getent", "name": self.target}))
        for number, fields in self.made:
            if self.server and fields["program"] in {*LOOKUPS, "lookup"}:
                fields.setdefault("server", self.server)
            made = dict(_finished(fields, self.target))
            if made.get("outcome"):
                self.out.add("observed", made, number, _shown(made) if not number else "")
        return self.out.done()


    def nothing(self) -> set[str]:
        """What getent's output is where it found nothing: empty, or the status that the shell was asked for (2: no such key)."""
        return {"", "2"} if self.out.source.command.rstrip().endswith("echo $?") else {""}


def _agree(now: dict[str, Any], told: dict[str, Any]) -> bool:
    """Whether a line may speak of the attempt that is under way."""
    return all(str(now[key]) == str(told[key]) for key in ("address", "port") if now.get(key) and key in told)


def _finished(fields: dict[str, Any], target: str) -> Iterator[tuple[str, Any]]:
    """Fields of the fact: a name that is an address is one; a look-up has succeeded, failed, or asked a server in vain."""
    fields = {key: value for key, value in fields.items() if value not in ("", 0) or key == "lost"}
    name = str(fields.pop("name", "") or ("" if fields.get("address") else target))
    if name and re.fullmatch(_A, name) and not fields.get("address") and (name.count(".") == 3 or ":" in name):
        fields["address"] = name
    elif name and name != fields.get("address"):
        fields["name"] = name
    found = fields.pop("found", [])
    if fields["program"] in {*LOOKUPS, "lookup"}:
        said = str(fields.pop("alias", "") or fields.get("name", ""))
        asked = target.rstrip(".") or said
        if said.lower().startswith(f"{asked.lower()}."):
            # A search domain was appended, and answered.
            fields |= {"name": asked, "answered": said.rstrip(".").lower()}
        elif "canonical" in fields:
            fields["name"] = said
        fields["protocol"] = "udp"
        silent = fields.pop("silent", "")
        # An answer from an address that was not asked is thrown away, and the server asked again in vain.
        fields["outcome"] = "resolved" if found else "stranger" if "by" in fields else silent or "unresolved"
        if found:
            fields["addresses"] = tuple(dict.fromkeys(found))
        if silent and not found:
            fields |= {"address": fields.get("server", ""), "port": 53}
    yield from ((key, value) for key, value in fields.items() if value not in ("", ()))


def _ended_as(asked: str, name: str) -> dict[str, str]:
    """Under which name a look-up ended: a search domain was appended, or the name is an alias."""
    return {"answered" if name.lower().startswith(f"{asked.lower()}.") else "canonical": name.lower()}


def _shown(fields: dict[str, Any]) -> str:
    return f"{fields['program']} {fields.get('name', '')}: {fields['outcome']}"
