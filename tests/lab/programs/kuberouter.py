"""An agent that makes chains and sets of network policies as kube-router (and what k3s has of it) writes them.

Usage: kuberouter apply (a NetworkPolicy in JSON on standard input) | kuberouter delete NAMESPACE NAME | kuberouter sync.  /etc/lab/endpoints.json
holds the pods of the cluster by address: namespace, labels (``app`` is the name) and node.  Policies are of ingress, peers are pods of its namespace.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from base64 import b32encode
from hashlib import sha256
from pathlib import Path
from typing import Any

POLICIES = Path("/run/lab/policies")
ENDPOINTS = Path("/etc/lab/endpoints.json")
VERSION = "1763650000000000000"
"""Of one start of the agent; it is part of the chains' names."""


def noted(text: str) -> str:
    """A rule's comment."""
    return f'-m comment --comment "{text}"'


JUMPS = (
    ("INPUT", f"{noted('kube-router netpol - 4IA2OSFRMVNDXBVV')} -j KUBE-ROUTER-INPUT"),
    ("FORWARD", f"{noted('kube-router netpol - TEMCG2JMHZYE7H7T')} -j KUBE-ROUTER-FORWARD"),
    ("OUTPUT", f"{noted('kube-router netpol - VEAAIY32XVBHCSCY')} -j KUBE-ROUTER-OUTPUT"),
)
COMPLIES = noted("KUBE-ROUTER rule to explicitly ACCEPT traffic that comply to network policies")
ACCEPTED = f"{COMPLIES} -m mark --mark 0x20000/0x20000 -j ACCEPT"
MARKED = f"{noted('rule to mark traffic matching a network policy')} -j MARK --set-xmark 0x10000/0x10000"
RETURNED = f"{noted('rule to RETURN traffic matching a network policy')} -m mark --mark 0x10000/0x10000 -j RETURN"
ICMP = (("allow icmp echo requests", 8), ("allow icmp destination unreachable messages", 3), ("allow icmp time exceeded messages", 11))
NODE_PORTS = "-m addrtype --dst-type LOCAL -m multiport --dports 30000:32767 -j RETURN"
TOP = {
    "KUBE-ROUTER-INPUT": [
        f"-d 10.96.0.0/12 {noted('allow traffic to primary/secondary cluster IP range - BVHX2PIHDXXEO43X')} -j RETURN",
        f"-p tcp {noted('allow LOCAL TCP traffic to node ports - LR7XO7NXDBGQJD2M')} {NODE_PORTS}",
        f"-p udp {noted('allow LOCAL UDP traffic to node ports - 76UCBPIZNGJNWNUZ')} {NODE_PORTS}",
    ],
    "KUBE-ROUTER-FORWARD": [],
    "KUBE-ROUTER-OUTPUT": [],
}


def named(prefix: str, *words: object) -> str:
    """``KUBE-POD-FW-…``: the first 16 letters of the base32 of the SHA-256 of some words."""
    return prefix + b32encode(sha256("".join(map(str, words)).encode()).digest()).decode()[:16]


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether ``matchLabels`` hold."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


class Chains:
    """All chains and sets of this node."""

    def __init__(self, endpoints: dict[str, Any], policies: list[dict[str, Any]]) -> None:
        self.endpoints = endpoints
        self.sets: dict[str, list[str]] = {}
        icmp = [f"-p icmp {noted(what)} -m icmp --icmp-type {kind} -j ACCEPT" for what, kind in ICMP]
        self.rules = {**{chain: list(rules) for chain, rules in TOP.items()}, "KUBE-NWPLCY-DEFAULT": [*icmp, MARKED]}
        for policy in policies:
            self.policy(policy)
        here = socket.gethostname()
        for address, pod in endpoints.items():
            if pod["node"] == here:
                self.pod(address, pod, policies)

    def addresses(self, space: str, selector: dict[str, Any]) -> list[str]:
        """Of the pods that a selector means."""
        return [ip for ip, pod in self.endpoints.items() if pod["namespace"] == space and selected(selector, pod["labels"])]

    def policy(self, policy: dict[str, Any]) -> None:
        """A chain that marks what a policy lets in, and the sets that it asks."""
        space, name = policy["metadata"]["namespace"], policy["metadata"]["name"]
        target = named("KUBE-DST-", space, name)
        self.sets[target] = self.addresses(space, policy["spec"]["podSelector"])
        chain = self.rules[named("KUBE-NWPLCY-", space, name, VERSION)] = []
        for number, rule in enumerate(policy["spec"].get("ingress", [])):
            source = named("KUBE-SRC-", space, name, "ingressrule", number)
            self.sets[source] = [ip for peer in rule.get("from", []) for ip in self.addresses(space, peer["podSelector"])]
            whose = noted(f"rule to ACCEPT traffic from source pods to dest pods selected by policy name {name} namespace {space}")
            match = f"{whose} -m set --match-set {source} src -m set --match-set {target} dst"
            for port in rule["ports"]:
                protocol = port["protocol"].lower()
                whole = f"-p {protocol} {match} -m {protocol} --dport {port['port']}"
                chain += [f"{whole} {MARKED}", f"{whole} {RETURNED}"]

    def through(self, address: str, pod: dict[str, Any], policies: list[dict[str, Any]]) -> list[str]:
        """What a pod's chain asks: the policies that select the pod, or the default."""
        asked = []
        for policy in policies:
            space, name = policy["metadata"]["namespace"], policy["metadata"]["name"]
            if space == pod["namespace"] and selected(policy["spec"]["podSelector"], pod["labels"]):
                asked.append(f"-d {address}/32 {noted(f'run through nw policy {name}')} -j {named('KUBE-NWPLCY-', space, name, VERSION)}")
        return asked or [f"-d {address}/32 {noted('run through default ingress network policy chain')} -j KUBE-NWPLCY-DEFAULT"]

    def pod(self, address: str, pod: dict[str, Any], policies: list[dict[str, Any]]) -> None:
        """The chain of a pod, and what leads to it."""
        space, name = pod["namespace"], pod["labels"]["app"]
        chain = named("KUBE-POD-FW-", space, name, VERSION)
        whose = f"POD name:{name} namespace: {space}"
        local = noted("rule to permit the traffic traffic to pods when source is the pod's local node")
        unmarked = "-m mark ! --mark 0x10000/0x10000"
        logged = f"{unmarked} -m limit --limit 10/min --limit-burst 10 -j NFLOG --nflog-group 100"
        self.rules[chain] = [
            f"{noted('rule for stateful firewall for pod')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"{noted('rule to drop invalid state for pod')} -m conntrack --ctstate INVALID -j DROP",
            f"-d {address}/32 {local} -m addrtype --src-type LOCAL -j ACCEPT",
            f"-s {address}/32 {noted('run through default egress network policy chain')} -j KUBE-NWPLCY-DEFAULT",
            *self.through(address, pod, policies),
            f"{noted(f'rule to log dropped traffic {whose}')} {logged}",
            f"{noted(f'rule to REJECT traffic destined for {whose}')} {unmarked} -j REJECT --reject-with icmp-port-unreachable",
            "-j MARK --set-xmark 0x0/0x10000",
            f"{noted('set mark to ACCEPT traffic that comply to network policies')} -j MARK --set-xmark 0x20000/0x20000",
        ]
        to = f"{noted(f'rule to jump traffic destined to {whose} to chain {chain}')} -j {chain}"
        leaving = f"{noted(f'rule to jump traffic from {whose} to chain {chain}')} -j {chain}"
        bridged = "-m physdev --physdev-is-bridged"
        self.rules["KUBE-ROUTER-INPUT"].append(f"-s {address}/32 {leaving}")
        self.rules["KUBE-ROUTER-OUTPUT"] += [f"-d {address}/32 {to}", f"-s {address}/32 {leaving}"]
        self.rules["KUBE-ROUTER-FORWARD"] += [f"-d {address}/32 {to}", f"-d {address}/32 {bridged} {to}"]
        self.rules["KUBE-ROUTER-FORWARD"] += [f"-s {address}/32 {leaving}", f"-s {address}/32 {bridged} {leaving}"]


def ensured(chain: str, rule: str, *, first: bool) -> None:
    """Put a rule at the start or the end of a chain that is not the agent's, once."""
    has = subprocess.run(f"iptables -w -C {chain} {rule}", shell=True, capture_output=True, check=False)  # noqa: S602 - fixed words
    if has.returncode:
        subprocess.run(f"iptables -w {'-I' if first else '-A'} {chain} {rule}", shell=True, check=True)  # noqa: S602 - fixed words


def sync() -> None:
    """Write all sets and chains, and the jumps to them."""
    policies = [json.loads(file.read_text()) for file in sorted(POLICIES.glob("*.json"))]
    made = Chains(json.loads(ENDPOINTS.read_text()), policies)
    lines = [f"create -exist {name} hash:ip family inet hashsize 1024 maxelem 65536 timeout 0\nflush {name}" for name in made.sets]
    lines += [f"add {name} {address} timeout 0" for name, addresses in made.sets.items() for address in addresses]
    subprocess.run(["ipset", "restore"], input="\n".join([*lines, ""]), text=True, check=True)
    heads = [f":{name} - [0:0]" for name in made.rules]
    rules = [f"-A {name} {rule}" for name, listed in made.rules.items() for rule in listed]
    subprocess.run(["iptables-restore", "--noflush"], input="\n".join(["*filter", *heads, *rules, "COMMIT", ""]), text=True, check=True)
    for chain, rule in JUMPS:
        ensured(chain, rule, first=True)
        ensured(chain, ACCEPTED, first=False)
    listed = subprocess.run(["iptables", "-w", "-S"], capture_output=True, text=True, check=True).stdout.splitlines()
    for old in {line[3:] for line in listed if line.startswith("-N KUBE-NWPLCY-")} - made.rules.keys():
        subprocess.run(f"iptables -w -F {old}; iptables -w -X {old}", shell=True, check=True)  # noqa: S602 - a chain of its own


def main(arguments: list[str]) -> None:
    """Take a policy, or forget one; then write the chains."""
    POLICIES.mkdir(parents=True, exist_ok=True)
    if arguments[:1] == ["apply"]:
        policy = json.load(sys.stdin)
        (POLICIES / f"{policy['metadata']['namespace']}.{policy['metadata']['name']}.json").write_text(json.dumps(policy))
    elif arguments[:1] == ["delete"]:
        (POLICIES / f"{arguments[1]}.{arguments[2]}.json").unlink()
    elif arguments != ["sync"]:
        sys.exit("usage: kuberouter apply | kuberouter delete NAMESPACE NAME | kuberouter sync")
    sync()


if __name__ == "__main__":
    main(sys.argv[1:])
