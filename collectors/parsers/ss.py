"""Sockets: ``ss`` and ``netstat`` with any of their options.

Addresses come out in one form: ``*`` of ``ss`` (any address, IPv4 too) is ``::`` with ``v6only`` false, and an IPv4-mapped address
is the IPv4 address.
What the listing covers follows from the options: ``tcp-listen``/``udp-listen`` (listening or unconnected), ``tcp``/``udp`` (every socket).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import Invocation, invocation
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_SS_STATES = frozenset({
    "LISTEN", "UNCONN", "ESTAB", "SYN-SENT", "SYN-RECV", "SYN_SENT", "SYN_RECV", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSE-WAIT",
    "LAST-ACK", "CLOSING", "CLOSED", "NEW-SYN-RECV",
})
_NETSTAT_STATES = {
    "LISTEN": "LISTEN", "ESTABLISHED": "ESTAB", "SYN_SENT": "SYN-SENT", "SYN_RECV": "SYN-RECV", "FIN_WAIT1": "FIN-WAIT-1", "FIN_WAIT2": "FIN-WAIT-2",
    "TIME_WAIT": "TIME-WAIT", "CLOSE_WAIT": "CLOSE-WAIT", "LAST_ACK": "LAST-ACK", "CLOSING": "CLOSING", "CLOSE": "CLOSED", "CLOSED": "CLOSED",
}
_OTHER_KINDS = frozenset({
    "u_str", "u_dgr", "u_seq", "nl", "raw", "p_raw", "p_dgr", "icmp", "icmp6", "sctp", "dccp", "mptcp", "tipc", "v_str", "v_dgr", "v_seq", "xdp",
    "???", "unix", "raw6", "udplite", "udplite6", "udpl", "udpl6", "sctp6", "l2tp", "rfcomm", "l2cap",
})
_LONG = {"--listening": "l", "--all": "a", "--tcp": "t", "--udp": "u", "--ipv4": "4", "--ipv6": "6"}
_ANY4 = "0.0.0.0"  # noqa: S104  how tools print the unspecified address; nothing listens on it here


def parse(source: Source, place: Place) -> list[Fact]:
    """Facts of ``ss`` or ``netstat``."""
    out = Emitter(source, place)
    call = invocation(source.command, "ss", "netstat")
    if call and call.program == "ss" and "s" in call.letters and not call.letters & {"l", "a", "t", "u"}:
        return []
    lines = [(number, line) for number, line in clean_lines(source.text) if line.strip()]
    if any(line.startswith(("Proto ", "Active Internet")) for _, line in lines) or (call and call.program == "netstat"):
        _read_netstat(out, lines)
    else:
        _read_ss(out, lines, call)
    _claim(out, call, lines)
    return out.done()


def _claim(out: Emitter, call: Invocation | None, lines: Sequence[tuple[int, str]]) -> None:
    """State which sockets the listing covers."""
    if not call or not call.options:
        _claim_seen(out)
        return
    letters = {_LONG.get(letter, letter) for letter in call.letters}
    if call.words or call.piped or not {"l", "a"} & letters:
        return
    if lines and not out.facts and not any("Recv-Q" in line for _, line in lines):
        return
    # With no kind named, every kind is listed ("x" and "w" name kinds too).
    named = {"t", "u", "x", "w", "d", "f", "0"} & letters
    family = call.family or (4 if "4" in letters else 6 if "6" in letters else 0)
    for letter, protocol in (("t", "tcp"), ("u", "udp")):
        if not named or letter in named:
            out.collected("sockets", f"{protocol}-listen", family)
            if "a" in letters:
                out.collected("sockets", protocol, family)


def _claim_seen(out: Emitter) -> None:
    """Without options (a bare ``ss`` shows no listening socket): a listing that shows listening sockets of a protocol counts as whole."""
    states = {(fact.get("protocol"), fact.get("state")) for fact in out.facts}
    for protocol, state in (("tcp", "LISTEN"), ("udp", "UNCONN")):
        if (protocol, state) in states:
            out.collected("sockets", f"{protocol}-listen")


def _read_ss(out: Emitter, lines: Sequence[tuple[int, str]], call: Invocation | None) -> None:
    """``[Netid] State Recv-Q Send-Q Local:Port Peer:Port [Process …]``."""
    # Old versions print IPv6 without brackets, and "*" for the IPv4 wildcard.
    old = any(":::" in line for _, line in lines)
    default = "udp" if call and "u" in call.letters and "t" not in call.letters else ""
    for number, line in lines:
        words = line.split()
        if words[0] in {"Netid", "State", "Recv-Q"} or line.startswith("Failed to find cgroup2 mount"):
            continue
        fields = None
        if words[0] in {"tcp", "udp"} and len(words) > 5:
            fields = _ss_socket(words[0], words[1], words[2:], old, line)
        elif words[0] in _SS_STATES and len(words) > 4:
            protocol = default or ("udp" if words[0] == "UNCONN" else "tcp")
            fields = _ss_socket(protocol, words[0], words[1:], old, line)
        elif words[0] in _OTHER_KINDS or (line[0].isspace() and out.facts):
            continue
        if fields:
            out.add("socket", fields, number)
        else:
            out.unparsed.add(number, line)


def _ss_socket(protocol: str, state: str, words: Sequence[str], old: bool, line: str) -> dict[str, Any] | None:
    """Fields of one line of ``ss``; ``words`` begins at Recv-Q."""
    local, peer = _end(words[2], protocol, old), _end(words[3], protocol, old)
    if not local or not peer or not words[0].isdecimal() or not words[1].isdecimal():
        return None
    fields: dict[str, Any] = {"protocol": protocol, "state": state.replace("_", "-"), "recv_q": int(words[0]), "send_q": int(words[1])}
    _set_ends(fields, local, peer)
    if fields["family"] == 6 and not old:
        # ss prints the unspecified address as "*" where IPv4 is accepted too, and as "[::]" where it is not.
        shown = [word for word in words[2:4] if word.startswith(("*", "[::]"))]
        if shown:
            fields["v6only"] = shown[0].startswith("[")
    _set_process(fields, line)
    return fields


def _set_process(fields: dict[str, Any], line: str) -> None:
    """The first program that holds the socket: ``users:(("nginx",pid=7,fd=3))``, before iproute2 4.0 ``users:(("nginx",7,3))``."""
    at = line.find("users:((")
    found = re.match(r'users:\(\("([^"]*)",(?:pid=)?(\d{1,10})', line[at:]) if at >= 0 else None
    if found:
        fields["process"], fields["pid"] = found[1], int(found[2])


def _set_ends(fields: dict[str, Any], local: tuple[str, int | None, str], peer: tuple[str, int | None, str]) -> None:
    """Set addresses, ports and the bound device; an unspecified peer is left out."""
    address, port, device = local
    fields["address"] = address
    if port is not None:
        fields["port"] = port
    if device:
        fields["device"] = device
    if peer[1] is not None:
        fields["peer_address"], fields["peer_port"] = peer[0], peer[1]
    fields["family"] = 6 if ":" in address else 4


def _end(text: str, protocol: str, old: bool) -> tuple[str, int | None, str] | None:
    """Address, port (``None`` for ``*``) and device of ``[fe80::1]%eth0:546``, ``127.0.0.53%lo:53``, ``*:80`` or ``:::80``.

    ``None`` if it is no end of a connection.
    """
    host, separator, service = text.rpartition(":")
    if not separator:
        return None
    host, _, device = host.partition("%")
    host = host.strip("[]")
    if host == "*":
        host = _ANY4 if old else "::"
    if host.lower().startswith("::ffff:") and is_address(host[7:]):
        host = host[7:]
    if not is_address(host):
        return None
    if service == "*":
        return host, None, device.rstrip("]")
    port = _port(service, protocol)
    return None if port is None else (host, port, device.rstrip("]"))


def _port(service: str, protocol: str) -> int | None:
    """Number of a port, which tools print by name unless told not to."""
    if service.isdecimal():
        return int(service) if len(service) < 6 else None
    import socket

    try:
        return socket.getservbyname(service, protocol)
    except (OSError, ValueError):
        return None


def _read_netstat(out: Emitter, lines: Sequence[tuple[int, str]]) -> None:
    """``Proto Recv-Q Send-Q Local Foreign State [User Inode] [PID/Program] [Timer]``; the part on UNIX sockets is skipped."""
    unix = False
    for number, line in lines:
        words = line.split()
        if words[0] in {"Active", "Proto"}:
            unix = "UNIX" in words or "RefCnt" in words or (unix and words[0] == "Proto" and "Local" not in words)
            continue
        if unix or words[0] in _OTHER_KINDS or line.startswith(("(Not all processes", " will not be shown", "(No info could be read")):
            continue
        fields = _netstat_socket(words)
        if fields:
            out.add("socket", fields, number)
        else:
            out.unparsed.add(number, line)


def _netstat_socket(words: Sequence[str]) -> dict[str, Any] | None:
    """Fields of one line of ``netstat``."""
    protocol = words[0].rstrip("6")
    if protocol not in {"tcp", "udp"} or len(words) < 5 or not words[1].isdecimal() or not words[2].isdecimal():
        return None
    local, peer = _end(words[3], protocol, old=True), _end(words[4], protocol, old=True)
    if not local or not peer:
        return None
    state = _NETSTAT_STATES.get(words[5]) if len(words) > 5 else None
    fields: dict[str, Any] = {"protocol": protocol, "state": state or "UNCONN", "recv_q": int(words[1]), "send_q": int(words[2])}
    if protocol == "tcp" and not state:
        return None
    if state == "LISTEN":
        # ss prints the backlog here, netstat nothing of use.
        del fields["send_q"]
    _set_ends(fields, local, peer)
    # A program's name may hold blanks ("nginx: master"); before it stand at most User and Inode.
    program = re.match(r"(?:\d+ +\d+ +)?(\d{1,10})/(\S+)", " ".join(words[6 if state else 5 :]))
    if program:
        fields["pid"], fields["process"] = int(program[1]), program[2].rstrip(":")
    return fields
