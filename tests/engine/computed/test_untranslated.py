"""Containers' addresses on a card."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.parsers.tcpdump import parse
from collectors.place import Place
from engine.computed.untranslated import untranslated
from engine.facts import HOST, Fact, FactBase, Source

OUT = "14:00:00.000001 IP 172.17.0.2 > 1.1.1.1: ICMP echo request, id 7, seq 0, length 64\n"
BACK = "14:00:00.000002 IP 1.1.1.1 > 172.17.0.2: ICMP echo reply, id 7, seq 0, length 64\n"
DOCKER0 = Fact("route", {"dst": "172.17.0.0/16", "device": "docker0", "table": "main", "src": "172.17.0.1"}, "n1", HOST)


def bare(text: str, command: str = "tcpdump -ni ens3 icmp", *facts: Fact) -> list[tuple[Any, ...]]:
    """What left untranslated: sender, bridge, card and network."""
    base = FactBase([*parse(Source("post", text, command), Place("n1")), *facts])
    return [tuple(f.get(name) for name in ("src", "in_device", "out_device", "network")) for f in untranslated(base)]


def test_a_container_s_address_on_the_card() -> None:
    """A container's private address on its way to the internet, and no answer; the bridge is told by a route, or by the capture itself."""
    assert bare(OUT, "tcpdump -ni ens3 icmp", DOCKER0) == [("172.17.0.2", "docker0", "ens3", "172.17.0.0/16")]
    both = OUT.replace("IP", "docker0 In  IP") + OUT.replace("IP", "ens3  Out IP")
    assert bare(both, "tcpdump -ni any icmp") == [("172.17.0.2", "docker0", "ens3", "172.17.0.0/16")]


@pytest.mark.parametrize(("text", "command"), [
    (OUT.replace("172.17.0.2", "192.168.7.20"), "tcpdump -ni ens3 icmp"),
    (OUT + BACK, "tcpdump -ni ens3 icmp"),
    (OUT.replace("1.1.1.1", "10.9.0.5"), "tcpdump -ni ens3 icmp"),
    (OUT, "tcpdump -ni docker0 icmp"),
])
def test_addresses_that_may_stand_there(text: str, command: str) -> None:
    """The node's own address; one that is answered; a machine that may have a route; a capture on the bridge."""
    assert bare(text, command, DOCKER0) == []
