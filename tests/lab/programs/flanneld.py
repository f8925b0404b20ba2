"""What flannel's agent does with its VXLAN backend: it announces the node's lease, MAC and address, and writes the entries for what others announce.

Usage: flanneld PEER... (starts it in the background, announces nothing: the lab file made all entries) | flanneld restart (announces, until
every peer has written its entries, and writes those for the peers).  The original, which Debian does not package, announces by way of the API server
or etcd; here it is one UDP packet a peer.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

PEERS = Path("/run/lab/flanneld.peers")
PORT = 8285
DEVICE = "flannel.1"
SECONDS = 10.0


def output(*argv: str) -> str:
    """What a program prints."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def lease() -> dict[str, str]:
    """What this node announces."""
    env = dict(line.split("=", 1) for line in Path("/run/flannel/subnet.env").read_text().split())
    link = json.loads(output("ip", "-d", "-j", "link", "show", DEVICE))[0]
    gateway, _, length = env["FLANNEL_SUBNET"].partition("/")
    network = f"{gateway.rpartition('.')[0]}.0"
    return {"network": network, "subnet": f"{network}/{length}", "mac": link["address"], "outer": link["linkinfo"]["info_data"]["local"]}


def write(told: dict[str, str]) -> None:
    """Neighbour entry, forwarding database, route (``pkg/backend/vxlan/vxlan_network.go``, handleSubnetEvents)."""
    network, mac = told["network"], told["mac"]
    subprocess.run(["ip", "neigh", "replace", network, "lladdr", mac, "dev", DEVICE, "nud", "permanent"], check=True)
    subprocess.run(["bridge", "fdb", "replace", mac, "dev", DEVICE, "dst", told["outer"], "self", "permanent"], check=True)
    subprocess.run(["ip", "route", "replace", told["subnet"], "via", network, "dev", DEVICE, "onlink"], check=True)


def listen() -> None:
    """Write what is announced, and answer with what this node announces; for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", PORT))
        PEERS.with_suffix(".ready").touch()
        while True:
            data, peer = server.recvfrom(2048)
            write(json.loads(data))
            server.sendto(json.dumps(lease()).encode(), peer)


def announce() -> None:
    """Tell every peer, until it has answered, and write its entries; ends the program if one does not."""
    limit = time.monotonic() + SECONDS
    told = json.dumps(lease()).encode()
    for peer in PEERS.read_text().split():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.5)
            while True:
                client.sendto(told, (peer, PORT))
                try:
                    write(json.loads(client.recvfrom(2048)[0]))
                    break
                except OSError:
                    if time.monotonic() > limit:
                        sys.exit(f"flanneld of the lab: {peer} does not answer")


def start(peers: list[str]) -> None:
    """Go to the background and wait until it listens."""
    PEERS.write_text("\n".join(peers))
    if os.fork():
        limit = time.monotonic() + SECONDS
        while not PEERS.with_suffix(".ready").exists():
            if time.monotonic() > limit:
                sys.exit("flanneld of the lab did not start")
            time.sleep(0.01)
        return
    os.setsid()
    for stream in range(3):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    listen()


if __name__ == "__main__":
    announce() if sys.argv[1:] == ["restart"] else start(sys.argv[1:])
