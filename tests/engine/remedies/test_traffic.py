"""Operations on traffic control."""

from __future__ import annotations

from typing import Any

import pytest

from engine.facts import Fact, FactBase
from engine.remedies import OPERATIONS, Operation, Site

QUEUE = Fact("qdisc", {"device": "eth0", "kind": "netem", "handle": "8001:", "parent": "root", "options": "refcnt 2 limit 1000 loss 30%"}, "n1")
LEAF = Fact("qdisc", {"device": "eth0", "kind": "fq", "handle": "8002:", "parent": "8001:1", "options": ""}, "n1")
FILTER = {"device": "eth0", "side": "ingress", "pref": 1, "protocol": "ip", "handle": "0x1", "whole": True, "actions": ("gact drop",)}


def operation(name: str, fact: Fact, **given: str) -> tuple[Operation, FactBase]:
    """An operation on a node with one fact."""
    facts = FactBase([fact, LEAF])
    return OPERATIONS[name]({"dev": "eth0", **given}, Site(facts, "n1", "host")), facts


def test_a_queue() -> None:
    """The root queue goes, others stay; the undo sets it with its options."""
    made, facts = operation("tc.qdisc-delete", QUEUE)
    after = made.apply(facts)
    assert after is not None
    assert list(after.facts) == [LEAF]
    assert made.commands() == ("tc qdisc del dev eth0 root",)
    assert made.undo() == ("tc qdisc add dev eth0 root netem limit 1000 loss 30%",)
    assert (made.verify(), bool(made.persist())) == (("tc -s qdisc show dev eth0",), True)
    assert operation("tc.qdisc-delete", LEAF)[0].apply(FactBase([LEAF])) is None


@pytest.mark.parametrize(
    ("fields", "undo"),
    [
        ({"kind": "flower", "ip_proto": "tcp", "dst_port": 80}, "flower ip_proto tcp dst_port 80"),
        (
            {"kind": "u32", "src_ip": "10.0.0.5/32", "dst_port": 80, "ip_proto": "tcp"},
            "u32 match ip src 10.0.0.5/32 match ip dport 80 0xffff match ip protocol 6 0xff",
        ),
        ({"kind": "matchall"}, "matchall"),
    ],
)
def test_a_filter(fields: dict[str, Any], undo: str) -> None:
    """The filter of that place goes; the undo writes what it matched."""
    given = {"side": "ingress", "pref": "1", "handle": "0x1", "type": fields["kind"], "protocol": "ip"}
    made, facts = operation("tc.filter-delete", Fact("tc_filter", {**FILTER, **fields}, "n1"), **given)
    after = made.apply(facts)
    assert after is not None
    assert list(after.facts) == [LEAF]
    assert made.commands() == (f"tc filter del dev eth0 ingress protocol ip pref 1 handle 0x1 {fields['kind']}",)
    assert made.undo() == (f"tc filter add dev eth0 ingress protocol ip pref 1 {undo} action drop",)
    assert made.verify()
    assert made.persist()


def test_an_ipv6_filter() -> None:
    """The undo of a u32 filter for IPv6 matches on that header."""
    fact = Fact("tc_filter", {**FILTER, "kind": "u32", "protocol": "ipv6", "dst_ip": "fd00::5/128", "ip_proto": "icmpv6"}, "n1")
    made, _ = operation("tc.filter-delete", fact, side="ingress", pref="1", handle="0x1", type="u32", protocol="ipv6")
    wanted = "match ip6 dst fd00::5/128 match ip6 protocol 58 0xff"
    assert made.undo() == (f"tc filter add dev eth0 ingress protocol ipv6 pref 1 u32 {wanted} action drop",)


def test_a_filter_that_was_not_understood() -> None:
    """No undo is made up for what was not read, and nothing is deleted that is not there."""
    given = {"side": "ingress", "pref": "1", "handle": "0x1", "type": "bpf"}
    made, facts = operation("tc.filter-delete", Fact("tc_filter", {**FILTER, "kind": "bpf", "whole": False}, "n1"), **given)
    assert made.undo() == ()
    assert made.apply(facts) is not None
    assert made.apply(FactBase([LEAF])) is None
