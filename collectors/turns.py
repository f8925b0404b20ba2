"""One text that holds the outputs of several machines whose prompts name none: where the machine changes.

A person says it (``ssh node2``, "On node1:", "host A:", ``hostname``), or the outputs do: two listings of a machine's devices that share no MAC and
no address are of two machines.  What nobody says and nothing shows is not guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.facts import HOST
from engine.inet import in_prefix, is_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from collectors.classify import Section

_MACHINE: Final = r"(?:host|node|server|machine|vm|instance)"
_KIND: Final = r"(?:主机|节点|机器|服务器)"
_NAME: Final = r"[A-Za-z0-9][\w.-]{0,62}"
_NO_NAME: Final = rf"(?!(?:the|a|an|my|our|this|that|each|both|all|every|another|other|{_MACHINE}s?)\b)"
_LEAD: Final = r"[ \t]*(?:[#*=>_\[(-]{1,12}[ \t]*)?"
_TAIL: Final = r"[ \t]*+[*=_\])-]{0,12}+"
"""Marks behind a name. Neither they nor the white space around them are tried in parts: long runs of them would take the square of their length."""
NEAR: Final = 4
"""Lines above an output among which its machine's name is looked for: the name, the command, and blank ones."""
SSH: Final = r"(?:sudo[ \t]+)?ssh[ \t]+(?:(?:-[46AaCfKkMNnqTtVvXxYy]+|-[bcDEeFIiJLlmOopRSWw][ \t]*\S+)[ \t]+){0,8}(?:[\w.-]+@)?"
"""``ssh`` with its options, up to the host's name."""
TURN: Final = (
    # Lines that say on which machine, behind whatever marks a heading …
    rf"(?i:^{_LEAD}(?:on|from)[ \t]+(?:the[ \t]+)?(?:{_MACHINE}[ \t]+)?{_NO_NAME}{_NAME}{_TAIL}[ \t]*+:[*_ \t\r]*$"
    # … lines that call it a host or a node, by a letter or a number if they lack a colon …
    rf"|^{_LEAD}{_MACHINE}[ \t#-]{{1,3}}(?:(?:[a-z]|\d{{1,3}}){_TAIL}[ \t]*+:?|{_NO_NAME}{_NAME}{_TAIL}[ \t]*+:)[*_ \t\r]*$"
    rf"|^{_LEAD}(?:在[ \t]*)?(?:{_NAME}[ \t]*+{_KIND}?[ \t]*+上[^\n:：]{{0,6}}|{_KIND}[ \t]*{_NAME}[ \t]*上?){_TAIL}[ \t]*+[:：][*_ \t\r]*$)"
    rf"|^[^\n#$>]{{0,100}}[#$>][ \t]+{SSH}{_NAME}[ \t\r]*$|^Connection to \S{{1,80}} closed\.[ \t\r]*$"
)
"""A line by which the machine changes."""
_SAID: Final = (
    rf"(?i:(?:^{_LEAD}|[ \t])(?:on|from)[ \t]+(?:the[ \t]+)?(?:{_MACHINE}[ \t]+)?(?P<on>{_NAME}?){_TAIL}[ \t]*+:)",
    rf"(?i:^{_LEAD}(?P<kind>{_MACHINE})[ \t#-]{{1,3}}(?P<named>{_NAME}?){_TAIL}[ \t]*+:?[*_ \t\r]*$)",
    rf"^{_LEAD}(?:在[ \t]*)?(?:(?P<there>{_NAME})[ \t]*+{_KIND}?[ \t]*+上|(?P<what>{_KIND})[ \t]*(?P<called>{_NAME}))",
)
_SSH_TO: Final = rf"[#$>][ \t]+{SSH}(?P<host>{_NAME})[ \t\r]*$"
_OWN_MAC: Final = r"(?:link/ether|\bether|HWaddr|\"address\":)[ \t]*\"?(?P<mac>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})"
_OWN_ADDRESS: Final = r"(?:\binet6? (?:addr: ?)?|\"local\": ?\")(?P<address>[0-9a-fA-F.:]+)"
_DEVICE: Final = r"^(?:\d+: )?(?P<device>[\w.-]+)(?:@\S+)?:? |\"ifname\": ?\"(?P<json>[\w.-]+)\""
_LABEL: Final = rf"{_LEAD}(?P<label>[A-Za-z][\w.-]{{0,62}}?){_TAIL}[ \t]*+[:：]?[*_ \t\r]*+"
SHARED: Final = ("127.0.0.0/8", "::1/128", "fe80::/10", "169.254.0.0/16")
"""Addresses that every machine may have."""
LISTINGS: Final = frozenset({"link", "ifconfig"})
INNER: Final = ("lo", "docker", "veth", "cni", "br-", "virbr", "flannel", "cali", "tunl", "vxlan", "kube-", "dummy", "podman")
"""Beginnings of names of devices whose addresses are no machine's own."""


class Turned(NamedTuple):
    """The outputs of a text, each under its machine as far as that is known."""

    sections: list[Section]
    machines: str = ""
    """Names given to machines that nobody names; "" where nothing shows that there are several."""


def said(line: str) -> str:
    """The machine that a line of :data:`TURN` names; "" where a shell was left."""
    found = re.search(_SSH_TO, line)
    if found:
        return found["host"]
    for pattern in _SAID:
        if (found := re.search(pattern, line)) is not None:
            told = found.groupdict()
            name = next((told[key] for key in ("on", "named", "there", "called") if told.get(key)), "")
            kind = told.get("kind") or ("host" if told.get("what") else "")
            # "host A" and "node 2" are called so.
            return f"{kind.lower()}-{name}" if kind and len(name) < 3 and (name.isdecimal() or len(name) == 1) else name
    return ""


class _Own(NamedTuple):
    """What a listing of devices says that only one machine has."""

    macs: frozenset[str]
    addresses: frozenset[str]
    name: str
    """First address of a card, which the machine may be called by."""

    def with_(self, other: _Own) -> _Own:
        """What two listings of one machine say."""
        return _Own(self.macs | other.macs, self.addresses | other.addresses, self.name or other.name)


def turn(line: str, host: str, entered: list[str]) -> str:
    """The machine after a line of :data:`TURN`; ``entered``: those whose shells wait for another's end, which is kept up to date."""
    name = said(line)
    if not name:
        return entered.pop() if entered else ""
    if re.search(_SSH_TO, line):
        entered.append(host)
    return name


def hostname(command: str, text: str) -> str:
    """The name that ``hostname``, ``uname`` or ``hostnamectl`` tells of its machine; "" for other outputs."""
    if re.match(r"(?:sudo +)?(?:hostname(?: -[sf])?|uname -n)$", command):
        words = text.split()
        return words[0] if len(words) == 1 and re.fullmatch(_NAME, words[0]) else ""
    found = re.match(rf"\s*(?:Linux (?P<uname>{_NAME}) \d+\.\d+|Static hostname: (?P<ctl>{_NAME}))", text)
    return (found["uname"] or found["ctl"]) if found else ""


def asked_by_ssh(command: str) -> str:
    """The host on which ``ssh HOST COMMAND`` ran a command; "" for other command lines."""
    found = re.match(rf"{SSH}(?P<host>{_NAME})[ \t]+\S", command)
    return found["host"] if found else ""


def turned(text: str, sections: Sequence[Section]) -> Turned:
    """The sections of a text, those of a machine that nobody names parted by what listings of devices show."""
    plain = [at for at, section in enumerate(sections) if not section.host and not section.netns]
    seen = {at: own for at in plain if sections[at].format in LISTINGS for own in [_own(sections[at].text)] if own.macs}
    known: list[_Own] = []
    whose: dict[int, int] = {}
    for at, own in seen.items():
        same = next((n for n, other in enumerate(known) if own.macs & other.macs or own.addresses & other.addresses), None)
        whose[at] = len(known) if same is None else same
        known[whose[at] : whose[at] + 1] = [own if same is None else known[same].with_(own)]
    if len(known) < 2:
        return Turned(list(sections))
    made = list(sections)
    names = _labels(text.split("\n"), made, whose, known)
    current = whose[min(whose)]
    for at in plain:
        current = whose.get(at, _fits(made[at].text, known, current))
        made[at] = made[at]._replace(host=names[current])
    return Turned(made, ", ".join(names))


def unnamed(sections: Sequence[Section]) -> str:
    """A name for the machine that a text shows besides those that it names: the first address of its card, if it lists that."""
    rest = (section.text for section in sections if not section.host and not section.netns and section.format in LISTINGS)
    return next((own.name for own in map(_own, rest) if own.name), f"{HOST}-1")


def _own(text: str) -> _Own:
    """MACs and addresses of a listing of devices."""
    macs = frozenset(found["mac"].lower() for found in re.finditer(_OWN_MAC, text))
    pairs = [(device, address) for device, address in _addresses(text) if not any(in_prefix(address, net) for net in SHARED)]
    cards = [address for device, address in pairs if not device.startswith(INNER)]
    # Bridges of runtimes have the same address on every machine.
    return _Own(macs - {"00:00:00:00:00:00"}, frozenset(cards), cards[0] if cards else "")


def _addresses(text: str) -> Iterator[tuple[str, str]]:
    """Devices and their addresses, in order."""
    device = ""
    for found in re.finditer(rf"{_DEVICE}|{_OWN_ADDRESS}", text, re.MULTILINE):
        if found["address"]:
            if is_address(found["address"]):
                yield device, found["address"]
        else:
            device = found["device"] or found["json"]


def _fits(text: str, known: Sequence[_Own], current: int) -> int:
    """The machine that an output is of: the one whose address it names as its own source, else the one before."""
    sources = {found[1] for found in re.finditer(r"\bsrc ([0-9a-fA-F.:]+)", text)}
    fitting = [n for n, own in enumerate(known) if own.addresses & sources]
    return fitting[0] if len(fitting) == 1 else current


def _labels(lines: Sequence[str], sections: list[Section], whose: dict[int, int], known: Sequence[_Own]) -> list[str]:
    """What the text calls the machines, if it calls each of them in a line of its own before its first listing; else their addresses."""
    found: dict[int, tuple[int, str]] = {}
    for at, number in whose.items():
        begin = sections[at].line - 1 - bool(sections[at].command)
        above = ((n, re.fullmatch(_LABEL, lines[n])) for n in range(begin - 1, max(begin - NEAR, 0) - 1, -1) if lines[n].strip())
        # A bare word may be the end of an output.
        label = next(((n, match["label"]) for n, match in above if match and match["label"] != lines[n].strip()), None)
        if label and number not in found:
            found[number] = label
    names = [label for _, label in found.values()]
    if len(found) == len(known) and _distinct(names):
        for number, _ in found.values():
            _blank(sections, number, lines[number])
        return [found[n][1] for n in range(len(known))]
    names = [own.name or f"{HOST}-{n}" for n, own in enumerate(known, 1)]
    return names if _distinct(names) else [f"{HOST}-{n}" for n in range(1, len(known) + 1)]


def _blank(sections: list[Section], number: int, line: str) -> None:
    """Take a line that names a machine out of the output above it."""
    for at, section in enumerate(sections):
        rows = section.text.split("\n")
        if section.line - 1 <= number < len(rows) and rows[number] == line:
            rows[number] = ""
            sections[at] = section._replace(text="\n".join(rows))


def _distinct(names: Iterable[str]) -> bool:
    listed = [*names]
    return len(set(listed)) == len(listed)
