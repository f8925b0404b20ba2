"""flanneld with its udp backend: carries packets between the device flannel0 and port 8285 of its peers.

Usage: flannelrelay ADDRESS SUBNET=PEER...  ADDRESS is this node's on the wire.  Returns when the device is up; goes on in the background.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import sys
from ipaddress import ip_address, ip_network

TUNSETIFF = 0x400454CA
IFF_TUN_WITHOUT_HEADER = 0x1001
PORT = 8285


def relay(tun: int, wire: socket.socket, peers: list[str]) -> None:
    """Carry packets until killed."""
    ways = [(ip_network(subnet), address) for subnet, _, address in (peer.partition("=") for peer in peers)]
    while True:
        ready, _, _ = select.select([tun, wire.fileno()], [], [])
        if wire.fileno() in ready:
            os.write(tun, wire.recv(65536))
        if tun in ready:
            packet = os.read(tun, 65536)
            to = ip_address(packet[16:20])
            for address in [address for subnet, address in ways if packet[0] >> 4 == 4 and to in subnet]:
                wire.sendto(packet, (address, PORT))


def main(address: str, *peers: str) -> None:
    """Make the device, then leave it to a child."""
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"flannel0", IFF_TUN_WITHOUT_HEADER))
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind((address, PORT))
    if os.fork():
        return
    os.setsid()
    with open("/proc/self/comm", "w", encoding="ascii") as comm:  # noqa: PTH123 - pathlib costs more to import than all else here
        comm.write("flanneld")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    relay(tun, wire, list(peers))


if __name__ == "__main__":
    main(*sys.argv[1:])
