"""What a kubelet does to a pod's network, with the real CNI plug-ins.

Usage: kubelet create POD | kubelet delete POD.  The network is the lexically first configuration in /etc/cni/net.d, as the runtimes choose it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NET_D = Path("/etc/cni/net.d")
STATE = Path("/run/lab/kubelet")
PLUGINS = ("/run/lab/bin", "/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")


def first_config() -> dict[str, Any]:
    """The configuration that a runtime would use now."""
    files = sorted(f for f in NET_D.iterdir() if f.suffix in (".conf", ".conflist", ".json"))
    if not files:
        sys.exit("network plugin is not ready: cni config uninitialized")
    config: dict[str, Any] = json.loads(files[0].read_text())
    return config if "plugins" in config else {**config, "plugins": [config]}


def call(command: str, pod: str, plugin: dict[str, Any]) -> dict[str, Any]:
    """Run one plug-in; ends the program with its own message if it fails."""
    environment = {
        **os.environ, "CNI_COMMAND": command, "CNI_CONTAINERID": f"sandbox-{pod}", "CNI_NETNS": f"/run/netns/{pod}", "CNI_IFNAME": "eth0",
        "CNI_PATH": ":".join(PLUGINS),
    }
    path = next((Path(d) / plugin["type"] for d in PLUGINS if (Path(d) / plugin["type"]).exists()), None)
    if path is None:
        sys.exit(f"failed to find plugin {plugin['type']!r} in path {list(PLUGINS)}")
    result = subprocess.run([path], env=environment, input=json.dumps(plugin), capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"CNI {command} {plugin['type']}: {result.stdout}{result.stderr}")
    reply: dict[str, Any] = json.loads(result.stdout) if result.stdout.strip() else {}
    return reply


def create(pod: str) -> None:
    """CNI ADD through the chain of the first configuration."""
    config = first_config()
    subprocess.run(["ip", "-n", pod, "link", "set", "lo", "up"], check=True)
    result: dict[str, Any] = {}
    common = {"name": config["name"], "cniVersion": config.get("cniVersion", "0.3.1")}
    for plugin in config["plugins"]:
        chained = {"prevResult": result} if result else {}
        result = call("ADD", pod, {**plugin, **common, **chained})
    STATE.mkdir(parents=True, exist_ok=True)
    (STATE / pod).write_text(json.dumps({**config, "result": result}))


def delete(pod: str) -> None:
    """CNI DEL in reverse, with the configuration that made the pod."""
    config = json.loads((STATE / pod).read_text())
    common = {"name": config["name"], "cniVersion": config.get("cniVersion", "0.3.1")}
    for plugin in reversed(config["plugins"]):
        call("DEL", pod, {**plugin, **common, "prevResult": config["result"]})
    (STATE / pod).unlink()


if __name__ == "__main__":
    {"create": create, "delete": delete}[sys.argv[1]](sys.argv[2])
