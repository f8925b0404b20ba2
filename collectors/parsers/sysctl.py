"""``sysctl -a``, single keys, and files copied from ``/proc/sys``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_PAIR = re.compile(r"([A-Za-z][\w.:/@+-]*)\s*=\s*(.*)\Z", re.ASCII)
_GREPPED = re.compile(r"/proc/sys/([\w./@-]+):(.*)\Z", re.ASCII)
"""``grep . /proc/sys/net/ipv4/conf/*/rp_filter``."""
_ABSENT = (
    re.compile(r"sysctl: cannot stat /proc/sys/(\S+): No such file or directory"),
    re.compile(r"""(?:sysctl: )?error: ["'](\S+?)["'] is an unknown key"""),
    re.compile(r"(?:cat|head|sysctl): (?:cannot open ')?/proc/sys/(\S+?)'?(?: for reading)?: No such file or directory"),
)
"""The kernel has no such parameter (a module is not loaded, a device is gone)."""
_DENIED = re.compile(r"""sysctl: permission denied on key ["'‘]?([\w./@:-]+)""")
_MESSAGE = re.compile(r"sysctl: (?:error )?reading key |sysctl: (?:reading|unable|warning)|.*command not found\Z")

_SOME = 100
"""Parameters that an output of unknown origin must have before it is taken for ``sysctl -a`` (which prints 600 and more)."""

_CONF = re.compile(r"(net[._/]ipv[46][._/](?:conf|neigh)[._/])(.+)")
_CONF_KEYS = (
    "forwarding", "mc_forwarding", "bc_forwarding", "rp_filter", "route_localnet", "accept_local", "src_valid_mark", "log_martians", "arp_ignore",
    "arp_announce", "arp_filter", "arp_accept", "arp_notify", "arp_evict_nocarrier", "proxy_arp", "proxy_arp_pvlan", "proxy_ndp", "accept_redirects",
    "send_redirects", "secure_redirects", "shared_media", "accept_source_route", "disable_policy", "disable_xfrm", "disable_ipv6", "accept_ra",
    "accept_dad", "autoconf", "promote_secondaries", "ignore_routes_with_linkdown", "base_reachable_time_ms", "gc_stale_time", "retrans_time_ms",
    "mtu", "hop_limit", "use_tempaddr", "keep_addr_on_down",
)
"""Parameters of a device, to find its name in a path whose slashes became underscores."""


def parse(source: Source, place: Place) -> list[Fact]:
    """``sysctl`` facts; ``collected`` with scope ``all`` for ``sysctl -a``, and with a key as scope for a key that does not exist."""
    emit = Emitter(source, place)
    key = _key_of_file(source)
    if key:
        _read_file(emit, key)
        return emit.done()
    for number, raw in clean_lines(source.text):
        line = raw.strip()
        found = _PAIR.match(line) or _GREPPED.match(line)
        if found:
            emit.add("sysctl", {"key": dotted(found[1]), "value": " ".join(found[2].split())}, number)
        elif line and not _message(emit, line, number):
            emit.unparsed.add(number, line)
    if _is_all(source, emit):
        emit.collected("sysctls")
    return emit.done()


def dotted(key: str) -> str:
    """A key as ``sysctl`` prints it: dots between its parts, a slash for a dot inside one (``net.ipv4.conf.eth0/100.forwarding``)."""
    slash, dot = key.find("/"), key.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        return key.translate(str.maketrans("/.", "./"))
    return key


def _message(emit: Emitter, line: str, number: int) -> bool:
    """A word of sysctl itself; whether it is one."""
    for pattern in _ABSENT:
        found = pattern.match(line)
        if found:
            emit.add("collected", {"what": "sysctls", "scope": dotted(found[1])}, number)
            return True
    denied = _DENIED.match(line)
    if denied:
        key = dotted(denied[1])
        # Unreadable keys of other subsystems say nothing about a network.
        if key.startswith("net."):
            emit.add("not_collected", {"what": "sysctls", "command": f"sysctl {key}", "reason": line}, number)
        return True
    if line.endswith("command not found"):
        emit.add("not_collected", {"what": "sysctls", "command": emit.source.command or "sysctl -a", "reason": line}, number)
        return True
    return _MESSAGE.match(line) is not None


def _is_all(source: Source, emit: Emitter) -> bool:
    """Whether the output is that of ``sysctl -a``, to its end."""
    keys = [fact.fields["key"] for fact in emit.facts if fact.kind == "sysctl"]
    if not keys or not source.text.endswith("\n"):
        return False
    if source.command:
        return _asks_for_all(source.command)
    tops = {key.partition(".")[0] for key in keys}
    return len(keys) >= _SOME and {"kernel", "net", "vm"} <= tops


def _asks_for_all(command: str) -> bool:
    """Whether a command line is ``sysctl -a`` without a pattern and without a filter behind it."""
    options = {word for word in command.partition("sysctl")[2].split() if word.startswith("-")}
    letters = "".join(word[1:] for word in options if not word.startswith("--"))
    if "|" in command or "r" in letters or any("pattern" in word for word in options):
        return False
    return "--all" in options or bool(set("aAX") & set(letters))


# --- files of /proc/sys ------------------------------------------------------------------------------------------------


def _key_of_file(source: Source) -> str:
    """The key that a copied file, ``cat FILE`` or ``sysctl -n KEY`` shows; "" for anything else."""
    command = re.fullmatch(r"(?:sudo )?(?:\S*/)?(?:cat (?:/proc/sys/)(\S+)|sysctl (?:-n|--values) ([\w./@:-]+))", source.command)
    if command:
        return dotted(command[1] or command[2])
    path = re.search(r"(?:^|/)proc/sys/(\S+)\Z", source.name)
    if path:
        return dotted(path[1])
    flat = re.search(r"(?:^|[/_])proc_sys_(\S+?)(?:\.txt)?\Z", source.name)
    return _unflattened(flat[1]) if flat else ""


def _unflattened(flat: str) -> str:
    """The key of a path written with underscores: ``net_ipv4_conf_eth0_rp_filter`` → ``net.ipv4.conf.eth0.rp_filter``."""
    device = _CONF.match(flat)
    if device:
        for key in sorted(_CONF_KEYS, key=len, reverse=True):
            if device[2].endswith("_" + key):
                return device[1].replace("_", ".") + device[2].removesuffix("_" + key).replace(".", "/") + "." + key
    parts = flat.split("_", 2)
    if parts[0] == "net" and len(parts) == 3:
        return ".".join(parts)
    return flat.replace("_", ".", 1)


def _read_file(emit: Emitter, key: str) -> None:
    """The whole text is the value, unless a program complains."""
    rows = [(number, line.strip()) for number, line in clean_lines(emit.source.text) if line.strip()]
    for number, line in rows:
        found = _PAIR.match(line)
        if _message(emit, line, number):
            return
        if found and dotted(found[1]) == key:
            emit.add("sysctl", {"key": key, "value": " ".join(found[2].split())}, number)
            return
    if rows:
        emit.add("sysctl", {"key": key, "value": " ".join(" ".join(line for _, line in rows).split())}, rows[0][0])
