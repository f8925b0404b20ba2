"""Policy rules, however they were printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.parsers.iprule import parse

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded


@pytest.mark.parametrize("options", ["", "-d", "-o", "-j", "-d -j", "-o -4"])
def test_every_printing_gives_the_same_facts(recorded: Recorded, options: str) -> None:
    """Text, detailed text and JSON have the very same rules."""
    reference = recorded.parse(parse, "ip rule")
    facts = recorded.parse(parse, " ".join(["ip", *options.split(), "rule"]))
    assert [fact.fields for fact in facts] == [fact.fields for fact in reference]
    assert recorded.covered(facts) == {("routing_rules", "all", 4)}


@pytest.mark.parametrize("command", ["ip -6 rule", "ip -6 -j rule"])
def test_ipv6(recorded: Recorded, command: str) -> None:
    """IPv6 rules are of family 6, also those without an address."""
    facts = recorded.parse(parse, command)
    assert {fact.get("family") for fact in facts} == {6}
    assert recorded.only(facts, "routing_rule", priority=100).fields.items() >= {"src": "2001:db8::/64", "fwmark": 5, "fwmask": 0xFFFFFFFF}.items()
    assert recorded.covered(facts) == {("routing_rules", "all", 6)}
    assert recorded.covered(recorded.text(parse, recorded.source(command).text)) == {("routing_rules", "all", 6)}


def test_selectors_and_actions(recorded: Recorded) -> None:
    """Every selector and every action is read; what is not printed is absent."""
    rules = {fact.get("priority"): dict(fact.fields) for fact in recorded.parse(parse, "ip rule") if fact.kind == "routing_rule"}
    base = {"family": 4, "action": "lookup", "invert": False}
    assert rules[0] == {**base, "priority": 0, "table": "local"}
    assert rules[100] == {**base, "priority": 100, "src": "10.244.1.0/24", "dst": "10.244.0.0/16", "table": "main"}
    assert rules[101] == {**base, "priority": 101, "fwmark": 0x100, "fwmask": 0xFF00, "table": "100"}
    assert rules[102] == {**base, "priority": 102, "invert": True, "src": "10.0.0.1/32", "iif": "cni0", "oif": "eth0", "table": "101"}
    assert rules[103] == {**base, "priority": 103, "ipproto": "tcp", "sport": "1000-2000", "dport": "443", "table": "100"}
    assert rules[104] == {**base, "priority": 104, "uidrange": "1000-1999", "table": "100", "suppress_prefixlength": 0}
    assert rules[105] == {**base, "priority": 105, "action": "unreachable", "tos": "0x10", "fwmark": 7, "fwmask": 0xFFFFFFFF}
    assert [rules[number]["action"] for number in (106, 107, 108, 109)] == ["prohibit", "blackhole", "goto", "nop"]
    assert rules[108] == {**base, "priority": 108, "action": "goto", "goto": 32766, "iif": "gone0"}


def test_vrf_and_numbered_tables(recorded: Recorded) -> None:
    """A VRF's rule looks the table up by device; 254 is main."""
    facts = recorded.text(parse, "1000:\tfrom all lookup [l3mdev-table] \n32766:\tfrom all lookup 254 \n")
    assert recorded.only(facts, "routing_rule", priority=1000).fields.items() >= {"l3mdev": True, "action": "lookup"}.items()
    assert recorded.only(facts, "routing_rule", priority=32766).get("table") == "main"
    assert recorded.text(parse, '[{"priority":1000,"src":"all","l3mdev":null}]')[0].fields == facts[0].fields


def test_busybox_names_actions_as_route_types(recorded: Recorded) -> None:
    """What busybox prints as ``lookup unspec local`` is a goto."""
    facts = recorded.parse(parse, "ip rule", "busybox")
    actions = {fact.get("priority"): fact.get("action") for fact in facts}
    assert [actions[number] for number in (105, 106, 107, 108, 109)] == ["unreachable", "prohibit", "blackhole", "goto", "nop"]


def test_filters_errors_and_emptiness(recorded: Recorded) -> None:
    """No rule at all is a listing; a filtered or failed one is not."""
    assert recorded.covered(recorded.text(parse, "", "ip rule")) == {("routing_rules", "all", 4)}
    assert recorded.covered(recorded.text(parse, "", "ip rule list table 100")) == set()
    facts = recorded.text(parse, "RTNETLINK answers: Operation not supported\n", "ip rule")
    assert recorded.covered(facts) == set()
    assert recorded.unparsed(facts) == 1


@pytest.mark.parametrize("line", ["5: from nowhere lookup main", "x: from all lookup main", "5: lookup main", "5: from all fwmark zz lookup 1"])
def test_lines_that_are_no_rule_are_counted(recorded: Recorded, line: str) -> None:
    """A selector that cannot be read would widen the rule: the line counts as not understood."""
    facts = recorded.text(parse, line)
    assert [fact.kind for fact in facts] == ["unparsed"]


def test_json_shows_the_line_of_the_text_form(recorded: Recorded) -> None:
    """Evidence from JSON reads as ``ip rule`` prints it."""
    fact = recorded.only(recorded.parse(parse, "ip -j rule"), "routing_rule", priority=102)
    assert fact.text == "102: not from 10.0.0.1 iif cni0 oif eth0 lookup 101"
