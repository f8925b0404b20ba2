"""Filter expressions of captures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.computed.bpf import Shown, shows

VXLAN = Shown("10.0.0.1", "10.0.0.2", "udp", 0, 4789)
PING = Shown("10.0.0.1", "10.0.0.2", "icmp", 0, 0)


@pytest.mark.parametrize(("expression", "packet", "shown"), [
    ("", VXLAN, True), ("udp and host 10.0.0.2", VXLAN, True), ("udp port 4789", VXLAN, True), ("tcp port 4789", VXLAN, False),
    ("host 10.0.0.9", VXLAN, False), ("icmp or arp", PING, True), ("icmp or arp", VXLAN, False), ("not icmp", PING, False),
    ("dst port 4789 and src host 10.0.0.1", VXLAN, True), ("src 10.0.0.2", VXLAN, False), ("net 10.0.0.0/8 and udp", VXLAN, True),
    ("host 10.0.0.1 and (port 53 or 4789)", VXLAN, True), ("dst port 53 or dst port 4789", VXLAN, True), ("dst portrange 1-100", VXLAN, False),
])  # fmt: skip
def test_an_expression(expression: str, packet: Shown, shown: bool) -> None:
    """What pcap-filter(7) says of addresses, ports and protocols, joined from the left."""
    assert shows(expression, packet) is shown


@pytest.mark.parametrize(
    "expression",
    [
        "host db.lan",
        "port domain",
        "tcp[13] & 2 != 0 or vlan 5",
        "src port 40000",
        "less 100",
        "net 10.0.0.0/99",
        "net 10.0.0.0/x",
        "port " + "9" * 5000,
    ],
)
def test_what_is_not_understood(expression: str) -> None:
    """A name, an unknown port and an unknown word leave it open whether the packet is shown."""
    assert shows(expression, VXLAN._replace(protocol="tcp")) is None


@given(st.lists(st.sampled_from(["(", ")", "not", "!", "and", "or", "udp", "host", "port", "src", "10.0.0.1", "53", "x"]), max_size=60))
def test_any_words(words: list[str]) -> None:
    """No words make it fail."""
    assert shows(" ".join(words), VXLAN) in {True, False, None}
