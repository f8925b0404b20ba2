"""Queues and filters, recorded from ``tc``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import from_command, sections
from collectors.parsers.trafficcontrol import parse
from collectors.place import Place
from engine.facts import Fact, Source

RECORDED = Path(__file__).parents[2] / "recordings" / "tc"


def facts(name: str) -> list[Fact]:
    """Facts of a recording that is called after its command."""
    return parse(Source(name, (RECORDED / name).read_text(), name.replace("_", " ")), Place("n1"))


def test_queues() -> None:
    """The kind of each queue, where it hangs, and what share of the packets netem drops."""
    found = facts("tc_-s_qdisc_show")
    told = {(f.get("device"), f.get("kind"), f.get("parent"), f.get("loss")) for f in found if f.kind == "qdisc"}
    assert told == {
        ("lo", "noqueue", "root", None),
        ("e1", "netem", "root", 30.0),
        ("e0", "netem", "root", 100.0),
        ("e0", "clsact", "ffff:fff1", None),
    }
    assert [f.get("what") for f in found if f.kind == "collected"] == ["qdiscs"]
    assert not [f for f in found if f.kind == "unparsed"]


@pytest.mark.parametrize("name", ["tc_-s_filter_show_dev_e0_ingress", "tc_filter_show_dev_e0_ingress"])
def test_filters(name: str) -> None:
    """What u32, flower and matchall match and do, with counters and without; tables and chains are no filters."""
    found = [f for f in facts(name) if f.kind == "tc_filter"]
    keys = ("device", "side", "kind", "pref", "src_ip", "dst_ip", "ip_proto", "dst_port", "actions", "whole")
    assert [tuple(f.get(key) for key in keys) for f in found] == [
        ("e0", "ingress", "u32", 1, "10.0.0.5/32", None, None, 80, ("gact drop",), True),
        ("e0", "ingress", "flower", 2, None, "10.0.0.0/24", "tcp", 5432, ("gact drop",), True),
        ("e0", "ingress", "matchall", 9, None, None, None, None, ("mirred Egress Redirect",), True),
    ]


def test_policing() -> None:
    """A filter that polices says so."""
    (found,) = (f for f in facts("tc_filter_show_dev_e0_egress") if f.kind == "tc_filter")
    assert (found.get("side"), found.get("actions")) == ("egress", ("police drop",))


def test_the_format_is_known() -> None:
    """By the command line, and by the text alone."""
    hint = from_command("tc -s filter show dev eth0 ingress")
    assert hint is not None
    assert hint.format == "tc"
    assert [s.format for s in sections("paste.txt", (RECORDED / "tc_-s_qdisc_show").read_text())] == ["tc"]


@given(st.text(alphabet="qdisc filter:protl 0123\n\tmach/", max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever the text, there are facts or an account of what was not understood."""
    parse(Source("x", text, "tc qdisc show"), Place("n1"))
