"""What a bundle holds."""

from __future__ import annotations

from collectors.evidence import Evidence
from collectors.info import describe
from engine.facts import Fact


def test_nodes_come_with_their_namespaces_and_what_is_missing() -> None:
    """A line a stack, the cluster last, then what was not collected where, notes and warnings."""
    facts = (
        Fact("pod", {"name": "web"}),
        Fact("route", {"dst": "0.0.0.0/0"}, "n1", "web"),
        Fact("link", {"name": "lo"}, "n1"),
        Fact("link", {"name": "eth0"}, "n1"),
        Fact("not_collected", {"what": "ipsets"}, "n1", shown="ipset save: ipset is not installed"),
        Fact("collected", {"what": "routes"}, "n2"),
    )
    assert describe(Evidence(facts, ("odd file",), ("web: joined",))) == [
        "node n1: 2 link",
        "    missing: ipset save: ipset is not installed",
        "  namespace web: 1 route",
        "node n2: nothing but empty listings",
        "cluster: 1 pod",
        "note: web: joined",
        "warning: odd file",
    ]


def test_an_empty_file_is_missed_by_its_command_and_once() -> None:
    """A command that failed leaves an empty file: what is missing is said once, with the command and the manifest's reason, not as a blank line."""
    facts = (
        Fact("not_collected", {"what": "routing_rules", "command": "ip -6 -j rule", "reason": "Error: ipv6: address family not supported"}, "n1"),
        Fact("not_collected", {"what": "routing_rules", "command": "ip -6 -j rule", "reason": "nodes/n1/ip_-6_-j_rule is empty"}, "n1"),
        Fact("not_collected", {"what": "sysctls", "command": "sysctl -a", "reason": "nodes/n1/sysctl_-a is empty"}, "n1"),
    )
    assert describe(Evidence(facts, (), ()))[1:] == [
        "    missing: ip -6 -j rule: Error: ipv6: address family not supported",
        "    missing: sysctl -a: nodes/n1/sysctl_-a is empty",
    ]
