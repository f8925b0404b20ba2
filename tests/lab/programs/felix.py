"""An agent that makes chains of network policies, shaped as calico's felix makes them.

Usage: felix apply (a NetworkPolicy in JSON on standard input) | felix delete NAMESPACE NAME | felix sync.  /etc/lab/endpoints.json holds the pods
of the cluster by address: namespace, labels, and the host's end of the veth of those that are here (or are on the ``node`` that this is).
Peers are pods of its namespace.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

POLICIES = Path("/run/lab/policies")
ENDPOINTS = Path("/etc/lab/endpoints.json")
FORWARD = (
    '-m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD',
    '-m comment --comment "cali:S93hcgKJrXEqnTfs" -m comment --comment "Policy explicitly accepted packet." -m mark --mark 0x10000/0x10000 -j ACCEPT',
)
ACCEPTED = "-m mark --mark 0x10000/0x10000 -j RETURN"


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether ``matchLabels`` hold."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def rules_of(policy: dict[str, Any], endpoints: dict[str, Any]) -> list[str]:
    """What a policy lets in: each rule marks, and a marked packet returns."""
    found = []
    space = policy["metadata"]["namespace"]
    for rule in policy["spec"].get("ingress", []):
        peers = [peer["podSelector"] for peer in rule.get("from", []) if "podSelector" in peer]
        sources = [ip for ip, pod in endpoints.items() if pod["namespace"] == space and any(selected(peer, pod["labels"]) for peer in peers)]
        matches = [f"-s {ip}/32" for ip in sources] if "from" in rule else [""]
        ports = [f"-p {port['protocol'].lower()} -m multiport --dports {port['port']}" for port in rule.get("ports", [])] or [""]
        found += [f"{match} {port} -j MARK --set-xmark 0x10000/0x10000" for match in matches for port in ports] + [ACCEPTED]
    return found


def chains() -> dict[str, list[str]]:
    """All chains of this node."""
    endpoints = json.loads(ENDPOINTS.read_text())
    policies = [json.loads(file.read_text()) for file in sorted(POLICIES.glob("*.json"))]
    made = {
        "cali-FORWARD": ["-j MARK --set-xmark 0x0/0xe0000", "-i cali+ -j cali-from-wl-dispatch", "-o cali+ -j cali-to-wl-dispatch"],
        "cali-from-wl-dispatch": [],
        "cali-to-wl-dispatch": [],
    }
    here = socket.gethostname()
    for pod in (pod for pod in endpoints.values() if "device" in pod and pod.get("node", here) == here):
        device, space = pod["device"], pod["namespace"]
        applying = [p for p in policies if p["metadata"]["namespace"] == space and selected(p["spec"]["podSelector"], pod["labels"])]
        start = ["-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-m conntrack --ctstate INVALID -j DROP", "-j MARK --set-xmark 0x0/0x10000"]
        profile = [f"-j cali-pri-kns.{space}", f'-m comment --comment "Return if profile accepted" {ACCEPTED}']
        end = ['-m comment --comment "Drop if no profiles matched" -j DROP']
        asked = []
        for policy in applying:
            name = f"cali-pi-{policy['metadata']['name']}"[:28]
            made[name] = rules_of(policy, endpoints)
            asked += [f"-m mark --mark 0x0/0x20000 -j {name}", f'-m comment --comment "Return if policy accepted" {ACCEPTED}']
        if asked:
            asked = ["-j MARK --set-xmark 0x0/0x20000", *asked]
            asked.append('-m comment --comment "Drop if no policies passed packet" -m mark --mark 0x0/0x20000 -j DROP')
        made[f"cali-pri-kns.{space}"] = ["-j MARK --set-xmark 0x10000/0x10000", ACCEPTED]
        made[f"cali-fw-{device}"] = [*start, *profile, *end]
        made[f"cali-tw-{device}"] = [*start, *asked, *profile, *end]
        made["cali-from-wl-dispatch"].append(f"-i {device} -g cali-fw-{device}")
        made["cali-to-wl-dispatch"].append(f"-o {device} -g cali-tw-{device}")
    for name in ("cali-from-wl-dispatch", "cali-to-wl-dispatch"):
        made[name].append('-m comment --comment "Unknown interface" -j DROP')
    return made


def sync() -> None:
    """Write all chains, and the jumps to them."""
    made = chains()
    heads, rules = [f":{name} - [0:0]" for name in made], [f"-A {name} {rule}" for name, rules in made.items() for rule in rules]
    lines = ["*filter", *heads, *rules, "COMMIT", ""]
    subprocess.run(["iptables-restore", "--noflush"], input="\n".join(lines), text=True, check=True)
    for rule in reversed(FORWARD):
        has = subprocess.run(f"iptables -w -C FORWARD {rule}", shell=True, capture_output=True, check=False)  # noqa: S602 - fixed words
        if has.returncode:
            subprocess.run(f"iptables -w -I FORWARD {rule}", shell=True, check=True)  # noqa: S602 - fixed words


def main(arguments: list[str]) -> None:
    """Take a policy, or forget one; then write the chains."""
    POLICIES.mkdir(parents=True, exist_ok=True)
    if arguments[:1] == ["apply"]:
        policy = json.load(sys.stdin)
        (POLICIES / f"{policy['metadata']['namespace']}.{policy['metadata']['name']}.json").write_text(json.dumps(policy))
    elif arguments[:1] == ["delete"]:
        (POLICIES / f"{arguments[1]}.{arguments[2]}.json").unlink()
    elif arguments != ["sync"]:
        sys.exit("usage: felix apply | felix delete NAMESPACE NAME | felix sync")
    sync()


if __name__ == "__main__":
    main(sys.argv[1:])
