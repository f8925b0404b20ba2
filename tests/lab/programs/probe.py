"""Client of the lab: what one attempt to reach an address sees.

Usage: probe PROTOCOL ADDRESS PORT SECONDS.  Prints ``SEES SOURCE``: ``connected``, ``timeout`` or an errno name, and the source address that the
server says it saw (``-`` if there was no answer).  Protocol ``connect`` is tcp to a server that does not speak first.  ``full`` is TCP with one
segment as large as the connection allows in each direction: single ones, for bursts that are cut up late (GSO) pass veth pairs of any MTU.
``name`` looks ADDRESS up as programs do, and sees ``connected`` or ``dns``.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys

_IP_RECVERR = 11  # linux/in.h; not exported by the socket module


def _checksum(data: bytes) -> int:
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _echo_request() -> bytes:
    body = struct.pack("!HH", 0x6C62, 1) + b"noroute lab pad "
    return struct.pack("!BBH", 8, 0, _checksum(struct.pack("!BBH", 8, 0, 0) + body)) + body


def _full(client: socket.socket) -> bytes:
    """Send one full segment, then read the server's to its end."""
    client.send(b"?" * client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
    client.shutdown(socket.SHUT_WR)
    answer = b""
    while more := client.recv(65536):
        answer += more
    return answer.strip()


def attempt(protocol: str, address: str, port: int, seconds: float) -> str:
    """Connect (tcp, full), or send one datagram and wait for the answer (udp, icmp); returns the source that the server saw."""
    if protocol == "name":
        socket.getaddrinfo(address, None)
        return "-"
    stream = (socket.SOCK_STREAM, 0)
    kinds = {"tcp": stream, "full": stream, "connect": stream, "udp": (socket.SOCK_DGRAM, 0), "icmp": (socket.SOCK_RAW, socket.IPPROTO_ICMP)}
    with socket.socket(socket.AF_INET, *kinds[protocol]) as client:
        client.settimeout(seconds)
        if protocol == "icmp":
            client.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        client.connect((address, port))
        if protocol == "full":
            return _full(client).decode()
        if protocol == "connect":
            return "-"
        if protocol != "tcp":
            client.send(_echo_request() if protocol == "icmp" else b"?")
        answer = client.recv(2048)
    return "-" if protocol == "icmp" else answer.decode()


def main(protocol: str, address: str, port: str, seconds: str) -> None:
    """Print what was seen."""
    try:
        seen, source = "connected", attempt(protocol, address, int(port), float(seconds))
    except socket.gaierror:
        seen, source = "dns", "-"
    except TimeoutError as error:
        # ETIMEDOUT of the kernel and the time-out of this client are one to a user.
        seen, source = "timeout" if error.errno in (None, errno.ETIMEDOUT) else str(error.errno), "-"
    except OSError as error:
        seen, source = errno.errorcode.get(error.errno or 0, str(error)), "-"
    print(seen, source)  # noqa: T201 - the harness reads this line


if __name__ == "__main__":
    main(*sys.argv[1:])
