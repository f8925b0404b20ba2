"""Faults of networks as programs put them into words: in logs, events, conditions, and in what a user pastes."""

from __future__ import annotations

import re
from typing import Final

SAID: Final = (
    (
        "ipam-exhausted",
        (
            r"no (?:ip )?addresses available in (?:range set|network)|no available ip addresses|range(?: set)? is full.{0,40}ipam"
            # The plug-ins of AWS, whose addresses are a network card's, and of calico, whose blocks are full.
            r"|failed to assign an ip address to container|auto-?assigned 0 out of \d+ ipv[46]"
        ),
    ),
    ("no-plugin", (r"failed to find plugin [\\\"']*(?P<detail>[\w.-]+)|exec: [\\\"']*/opt/cni/bin/(?P<other>[\w.-]+)")),
    (
        "no-config",
        (
            r"cni config uninitiali[sz]ed|cni plugin not initiali[sz]ed|no networks found in /etc/cni|no valid networks found in"
            r"|no cni configuration file in|unable to update cni config"
            # What the agent of the plug-in leaves on the node when it has started.
            r"|(?:subnet\.env|calico/nodename): no such file"
        ),
    ),
    ("no-pod-cidr", (r"pod ?cidr not assigned|cidrnotavailable|no remaining cidrs left|cidr allocation failed|failed to allocate cidr")),
    ("foreign-pod-cidr", (r"doesn't contain [\\\"']*(?P<detail>[0-9a-f.:]+/\d+)[\\\"']* podcidr of the")),
    ("bird", (r"(?:bird6? is not ready: )?bgp not established with (?P<detail>[0-9a-f.:, ]+)|bird6? is not ready|bird6?\.ctl: connect")),
    (
        "ipvs-modules",
        (
            r"(?:can'?t|cannot) use (?:the )?ipvs proxier|ipvs proxier will not be used|required kernel modules? (?:are )?not loaded"
            r"|kernel modules? \[?[\\\"']*ip_vs[^\n]{0,60}(?:not loaded|missing)|missing kernel modules?[^\n]{0,20}ip_vs"
            r"|failed to load kernel module[^\n]{0,20}ip_vs"
        ),
    ),
    (
        "conntrack-tool",
        (r"conntrack[\\\"']*:? executable file not found|conntrack not found in (?:system )?path|error looking for path of conntrack"),
    ),
    ("bridge-address", (r"(?:failed to set bridge addr: )?[\\\"']*(?P<detail>[\w.-]+)[\\\"']* already has an ip address different from")),
    (
        "range-taken",
        (
            r"network (?P<detail>[0-9a-f.:/]+ overlaps with existing route [0-9a-f.:/]+)|subnet (?P<other>[0-9a-f.:/]+ is already used on the host)"
            r"|(?P<docker>pool overlaps with other one on this address space|networks have overlapping ipv[46])"
        ),
    ),
    ("policy-denied", (r"connection from (?P<detail>[0-9a-f.:]+ to [0-9a-f.:]+) blocked by weave npc")),
    ("host-port-taken", (r"didn'?t have free ports for the requested pod ports|cannot open hostport (?P<detail>\d+)")),
)
"""What programs say of these faults → name of the fault, in lower case; the first that fits."""

WORDS: Final = {
    "ipam-exhausted": ("available", "is full", "failed to assign", "assigned 0 out of"),
    "no-plugin": ("find plugin", "exec: "),
    "no-config": ("cni", "networks found in", "no such file"),
    "no-pod-cidr": ("cidr",),
    "foreign-pod-cidr": ("podcidr of",),
    "bird": ("bird", "bgp"),
    "ipvs-modules": ("ipvs", "kernel module"),
    "conntrack-tool": ("conntrack",),
    "bridge-address": ("already has an ip address",),
    "range-taken": ("overlap", "already used"),
    "policy-denied": ("blocked by weave",),
    "host-port-taken": ("ports", "hostport"),
}
"""Fault → words of which every message of it holds one: for most texts, no expression is even compiled."""


def told_of(text: str) -> tuple[str, str] | None:
    """Name of the fault that a message tells of, and what it is about; ``None`` for any other message."""
    lowered = text.lower()
    for name, pattern in SAID:
        found = re.search(pattern, lowered) if any(word in lowered for word in WORDS[name]) else None
        if found:
            return name, next((str(value).strip(" ,.") for value in found.groups() if value), "")
    return None
