"""The kernel's first network namespace, for a machine of the lab: bounds of the whole kernel can be read and changed there only.

It outlives the machine, so what was done to it is taken back.  Nobody but an emulated machine has one to give away.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from tests.lab.vm import IN_GUEST

# Read here: the tests themselves run without NOROUTE_ variables.
OURS = IN_GUEST in os.environ

SYSCTLS = ("sysctl", "-e", "-a", "-r", r"^net\.(ipv4\.(ip_forward|conf\.(all|default)\.|neigh\.default\.)|netfilter\.nf_conntrack_max|bridge\.)")
EMPTY = "*raw\nCOMMIT\n*mangle\nCOMMIT\n*nat\nCOMMIT\n*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n"


def _said(*argv: str, text: str = "") -> str:
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout


def _links() -> list[str]:
    """Names of devices, without the ``@PEER`` of some."""
    return [line.split(": ")[1].partition("@")[0] for line in _said("ip", "-o", "link").splitlines()]


def _sysctls() -> list[str]:
    return _said(*SYSCTLS).splitlines()


@dataclass(frozen=True)
class Before:
    """The namespace as it was."""

    links: frozenset[str]
    sysctls: tuple[str, ...]

    def restore(self) -> None:
        """Remove devices, routes, rules, connections and kernel messages; set back parameters."""
        for link in _links():
            # The other end of a pair may have taken it along.
            if link not in self.links:
                subprocess.run(["ip", "link", "del", link], capture_output=True, check=False)
        _said("ip", "route", "flush", "table", "main")
        _said("iptables-legacy-restore", text=EMPTY)
        _said("conntrack", "-F")
        for line in sorted(set(self.sysctls) - set(_sysctls())):
            key, _, value = line.partition(" = ")
            _said("sysctl", "-qw", f"{key}={value}")
        _said("dmesg", "-C")


def taken() -> Before:
    """Remember the namespace as it is."""
    return Before(frozenset(_links()), tuple(_sysctls()))
