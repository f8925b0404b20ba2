"""flannel's CNI plug-in: reads subnet.env and delegates to the bridge plug-in, as the original (which Debian does not package) does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def delegate(config: dict[str, object]) -> dict[str, object]:
    """The bridge configuration for this node's lease."""
    env = dict(line.split("=", 1) for line in Path("/run/flannel/subnet.env").read_text().split())
    ipam = {"type": "host-local", "subnet": _network(env["FLANNEL_SUBNET"]), "routes": [{"dst": env["FLANNEL_NETWORK"]}]}
    extra = config.get("delegate") or {}
    assert isinstance(extra, dict)
    return {
        "name": config["name"], "cniVersion": config.get("cniVersion", "0.3.1"), "type": "bridge", "bridge": "cni0", "mtu": int(env["FLANNEL_MTU"]),
        "ipMasq": env["FLANNEL_IPMASQ"] == "false", "isGateway": True, **extra, "ipam": ipam,
    }


def _network(gateway: str) -> str:
    address, _, length = gateway.partition("/")
    return f"{address.rpartition('.')[0]}.0/{length}"


def main() -> None:
    """Run the bridge plug-in with the delegate configuration; its output and status are ours."""
    text = json.dumps(delegate(json.load(sys.stdin)))
    sys.exit(subprocess.run(["/usr/lib/cni/bridge"], input=text, text=True, check=False).returncode)


if __name__ == "__main__":
    main()
