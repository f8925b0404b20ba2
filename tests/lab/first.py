"""The kernel's first network namespace, for a machine of the lab: bounds of the whole kernel can be read and changed there only.

It outlives the machine, so what was done to it is taken back.  Nobody but an emulated machine has one to give away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.computer import Computer

SYSCTLS = ("sysctl", "-e", "-a", "-r", r"^net\.(ipv4\.(ip_forward|conf\.(all|default)\.|neigh\.default\.)|netfilter\.nf_conntrack_max|bridge\.)")
EMPTY = "*raw\nCOMMIT\n*mangle\nCOMMIT\n*nat\nCOMMIT\n*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n"


def _said(computer: Computer, *argv: str, text: str = "") -> str:
    ran = computer.run(argv, text=text)
    assert not ran.status, f"{argv}\n{ran.stderr}"
    return ran.stdout


def _links(computer: Computer) -> list[str]:
    """Names of devices, without the ``@PEER`` of some."""
    return [line.split(": ")[1].partition("@")[0] for line in _said(computer, "ip", "-o", "link").splitlines()]


def _sysctls(computer: Computer) -> list[str]:
    return _said(computer, *SYSCTLS).splitlines()


@dataclass(frozen=True)
class Before:
    """The namespace as it was."""

    computer: Computer
    links: frozenset[str]
    sysctls: tuple[str, ...]

    def restore(self) -> None:
        """Remove devices, routes, rules, connections and kernel messages; set back parameters."""
        computer = self.computer
        for link in _links(computer):
            # The other end of a pair may have taken it along.
            if link not in self.links:
                computer.run(["ip", "link", "del", link])
        _said(computer, "ip", "route", "flush", "table", "main")
        _said(computer, "iptables-legacy-restore", text=EMPTY)
        _said(computer, "conntrack", "-F")
        for line in sorted(set(self.sysctls) - set(_sysctls(computer))):
            key, _, value = line.partition(" = ")
            _said(computer, "sysctl", "-qw", f"{key}={value}")
        _said(computer, "dmesg", "-C")


def taken(computer: Computer) -> Before:
    """Remember the namespace as it is."""
    return Before(computer, frozenset(_links(computer)), tuple(_sysctls(computer)))
