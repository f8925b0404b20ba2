"""Server of the lab: tells every peer which source address it saw.

Usage: serve PROTOCOL ADDRESS PORT.  Prints ``ready`` when it listens.  ``full``: as in probe.
"""

from __future__ import annotations

import socket
import sys

NAMES = {"3306": "mysqld", "5432": "postgres", "6443": "kube-apiserver"}
"""What usually listens there: the name that ``ss -p`` shows."""


def _full(client: socket.socket, peer: tuple[str, int]) -> None:
    """Read what comes, then answer with one full segment; a peer that gives up is its own affair."""
    client.settimeout(5.0)
    with client:
        try:
            while client.recv(65536):
                pass
            client.sendall(peer[0].encode().ljust(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)))
        except OSError:
            return


def main(protocol: str, address: str, port: str) -> None:
    """Serve until killed."""
    with open("/proc/self/comm", "w", encoding="ascii") as comm:  # noqa: PTH123 - pathlib costs more to import than all else here
        comm.write(NAMES.get(port, "server"))
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    server = socket.socket(socket.AF_INET, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, int(port)))
    if protocol != "udp":
        server.listen(16)
    print("ready", flush=True)  # noqa: T201 - the harness waits for this line
    while True:
        if protocol == "tcp":
            client, peer = server.accept()
            with client:
                client.sendall(peer[0].encode())
        elif protocol == "full":
            _full(*server.accept())
        else:
            _, peer = server.recvfrom(2048)
            server.sendto(peer[0].encode(), peer)


if __name__ == "__main__":
    main(*sys.argv[1:])
