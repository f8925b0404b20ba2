"""Sockets from /proc/net in the columns of ``ss -tuanp``: for nodes without ss, or where ss would load kernel modules."""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

from collectors.live.run import Output, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

STATES: Final = {
    1: "ESTAB", 2: "SYN-SENT", 3: "SYN-RECV", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT", 7: "UNCONN", 8: "CLOSE-WAIT", 9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING", 12: "NEW-SYN-RECV",
}
"""TCP_* states as ss prints them (an unconnected UDP socket is in state 7)."""
HEADER: Final = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"


def table(proc_net: str, max_bytes: int) -> Output:
    """All TCP and UDP sockets of the namespace that ``proc_net`` shows."""
    owners = owners_by_inode("/proc")
    lines = [HEADER]
    size = len(HEADER)
    truncated = False
    for name in ("tcp", "tcp6", "udp", "udp6"):
        source = read_file(f"{proc_net}/{name}", max_bytes)
        truncated = truncated or source.truncated
        for line in source.data.decode("ascii", "replace").splitlines()[1:]:
            shown = socket_line(name, line, owners)
            size += len(shown)
            if size > max_bytes:
                return Output("".join(lines).encode(), truncated=True)
            lines.append(shown)
    return Output("".join(lines).encode(), truncated=truncated)


def socket_line(name: str, line: str, owners: dict[int, str]) -> str:
    """One line of /proc/net/tcp (or udp, tcp6, udp6) as ss prints it; "" if the line is not one."""
    words = line.split()
    if len(words) < 10:
        return ""
    state = STATES.get(int(words[3], 16), "UNKNOWN")
    send, _, receive = words[4].partition(":")
    inode = int(words[9])
    shown = f"{name[:3]} {state} {int(receive, 16)} {int(send, 16)} {end_point(words[1])} {end_point(words[2])}"
    process = owners.get(inode)
    return f"{shown} users:(({process}))\n" if process else f"{shown}\n"


def end_point(text: str) -> str:
    """``0100007F:1F90`` → ``127.0.0.1:8080``: addresses are 32-bit words in the machine's byte order."""
    address, _, port = text.partition(":")
    words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
    order = "<" if sys.byteorder == "little" else ">"
    packed = struct.pack(f"{order}{len(words)}I", *words)
    number = int(port, 16)
    shown = socket.inet_ntop(socket.AF_INET6 if len(words) == 4 else socket.AF_INET, packed)
    return f"{f'[{shown}]' if ':' in shown else shown}:{number or '*'}"


def owners_by_inode(proc: str) -> dict[int, str]:
    """Socket inode → ``"name",pid=N,fd=M`` for every process whose files may be looked at."""
    found: dict[int, str] = {}
    for pid in filter(str.isdigit, os.listdir(proc)):
        name = ""
        for descriptor, inode in _sockets_of(f"{proc}/{pid}/fd"):
            name = name or _name(f"{proc}/{pid}/comm")
            found.setdefault(inode, f'"{name}",pid={pid},fd={descriptor}')
    return found


def _sockets_of(folder: str) -> Iterator[tuple[str, int]]:
    try:
        names = os.listdir(folder)
    except OSError:  # ended meanwhile, or not ours to look at
        return
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        if match := re.fullmatch(r"socket:\[(\d+)\]", target):
            yield name, int(match[1])


def _name(path: str) -> str:
    return re.sub(r"[^ -!#-~]", "?", read_file(path, 64).data.decode("utf-8", "replace").strip())
