"""Connections of the lab that stay open: a client that holds many, or a server that never accepts.

Usage: ``hold ADDRESS PORT COUNT`` opens COUNT connections; ``hold ADDRESS PORT all`` as many as something on the way lets through;
``hold listen PORT BACKLOG`` listens and accepts nobody.
Either leaves a process behind that keeps them.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

MOST = 1000


def keep() -> None:
    """Go on in the background, with nothing open but the sockets; the caller goes on."""
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    signal.pause()


def as_many(address: str, port: int) -> list[socket.socket]:
    """Open connections until one is not answered."""
    held: list[socket.socket] = []
    while len(held) < MOST:
        try:
            held.append(socket.create_connection((address, port), 3))
        except TimeoutError:
            return held
    sys.exit(f"{address}:{port} still answers after {MOST} connections")


def main(address: str, port: str, count: str) -> None:
    """Open them, then keep them."""
    if address == "listen":
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", int(port)))
        server.listen(int(count))
        held = [server]
    else:
        held = as_many(address, int(port)) if count == "all" else [socket.create_connection((address, int(port)), 3) for _ in range(int(count))]
    if held:
        keep()


if __name__ == "__main__":
    main(*sys.argv[1:])
