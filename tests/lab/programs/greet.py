"""Makes many neighbours: sends a datagram to each of some addresses, and again to those that have no entry, until nobody is being asked for his.

Usage: greet FIRST COUNT.  Ends when each is a neighbour that has answered, or when the table takes no more.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import subprocess
import sys
import time

_IP_RECVERR = 11  # linux/in.h; without it a full table looks like success
SECONDS = 60.0


def send(addresses: list[str]) -> bool:
    """Send to all; whether the table took them."""
    room = True
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        for address in addresses:
            try:
                client.sendto(b"?", (address, 9))
            except OSError as error:
                # Others are told of here as well: that nobody listens on a port of a neighbour before.
                room = room and error.errno != errno.ENOBUFS
    return room


def neighbours(*state: str) -> set[str]:
    """Addresses in the table, of some state or of any."""
    listed = subprocess.run(["ip", "neigh", "show", *state], check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in listed.splitlines()}


def main(start: str, count: str) -> None:
    """Send until the end is reached; ends the program with a message if it is not."""
    first = ipaddress.IPv4Address(start)
    left = [str(first + n) for n in range(int(count))]
    limit = time.monotonic() + SECONDS
    room = True
    while left:
        room = send(left)
        while neighbours("nud", "incomplete"):
            if time.monotonic() > limit:
                sys.exit("neighbours do not answer")
            time.sleep(0.02)
        reachable = neighbours("nud", "reachable")
        left = [address for address in left if address not in reachable]
        if not room and not neighbours("nud", "failed"):
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
