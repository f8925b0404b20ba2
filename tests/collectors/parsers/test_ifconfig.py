"""``ifconfig`` of net-tools 2 and of busybox (which prints the old style)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.parsers import iplink
from collectors.parsers.ifconfig import is_ifconfig, parse

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

UNLABELLED = ("eth0", "192.0.2.6")
"""ifconfig does not show an address that has no label of its own."""


@pytest.mark.parametrize("tool", ["net-tools", "busybox"])
def test_it_agrees_with_ip(recorded: Recorded, tool: str) -> None:
    """Both styles give the facts of ``ip addr``, as far as they show them; flags are other words."""
    reference, facts = recorded.parse(iplink.parse, "ip -s addr"), recorded.parse(parse, "ifconfig -a", tool)
    assert recorded.disagreements(reference, facts, "link", ["name"], ("flags", "rx_packets", "tx_packets", "rx_dropped", "tx_dropped")) == []
    assert recorded.disagreements(reference, facts, "address", ["device", "address"], missing=[UNLABELLED]) == []
    assert recorded.unparsed(facts) == 0
    assert {"rx_packets", "tx_dropped", "mac", "mtu"} <= recorded.only(facts, "link", name="cni0").fields.keys()


def test_it_never_covers_addresses(recorded: Recorded) -> None:
    """Not every address is shown, and without ``-a`` not every device."""
    assert recorded.covered(recorded.parse(parse, "ifconfig -a", "net-tools")) == {("links", "all", 0)}
    assert recorded.covered(recorded.parse(parse, "ifconfig", "net-tools")) == set()


def test_the_link_parser_hands_it_over(recorded: Recorded) -> None:
    """One entry reads devices, whatever tool printed them."""
    source = recorded.source("ifconfig -a", "busybox")
    assert is_ifconfig(source.text)
    assert not is_ifconfig(recorded.source("ip addr").text)
    assert [fact.fields for fact in recorded.parse(iplink.parse, "ifconfig -a", "busybox")] == [
        fact.fields for fact in recorded.parse(parse, "ifconfig -a", "busybox")
    ]


def test_lines_outside_a_device_are_counted(recorded: Recorded) -> None:
    """What belongs to no device is not dropped in silence."""
    assert recorded.unparsed(recorded.text(parse, "  inet 10.0.0.1\nwhat\neth0: flags=1<UP>  mtu 1500\n  inet here\n")) == 3
