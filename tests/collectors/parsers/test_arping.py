"""Answers to ARP questions."""

from __future__ import annotations

import pytest

from collectors.classify import sections
from collectors.parsers.arping import parse
from collectors.place import Place
from engine.facts import Source

IPUTILS = """\
ARPING 172.17.0.2 from 172.17.42.1 docker0
Unicast reply from 172.17.0.2 [02:42:6F:B1:8C:09]  0.540ms
Unicast reply from 172.17.0.2 [{mac}]  0.548ms
^CSent 3 probes (1 broadcast(s))
Received 2 response(s)
"""
HABETS = """\
ARPING 172.17.0.2
60 bytes from 02:42:6f:b1:8c:09 (172.17.0.2): index=0 time=4.012 usec
60 bytes from {mac} (172.17.0.2): index=1 time=9.012 usec

--- 172.17.0.2 statistics ---
2 packets transmitted, 2 packets received,   0% unanswered (0 extra)
rtt min/avg/max/std-dev = 0.004/0.006/0.009/0.002 ms
"""


@pytest.mark.parametrize("text", [IPUTILS, HABETS])
@pytest.mark.parametrize(
    ("mac", "told"), [("02:42:e3:58:06:41", [("172.17.0.2", "02:42:6f:b1:8c:09", "02:42:e3:58:06:41")]), ("02:42:6f:b1:8c:09", [])]
)
def test_two_stations(text: str, mac: str, told: list[tuple[str, str, str]]) -> None:
    """Two MACs that answer for one address are told once; one station that answers twice is nothing."""
    facts = parse(Source("pasted", text.format(mac=mac)), Place("n1"))
    assert [(f.get("address"), f.get("mac"), f.get("rival")) for f in facts if f.kind == "captured"] == told
    assert [f.get("what") for f in facts if f.kind != "captured"] == ["capture"]


@pytest.mark.parametrize("text", [IPUTILS, HABETS])
def test_recognised(text: str) -> None:
    """Both programs' output is known by its first line."""
    assert [s.format for s in sections("post.txt", text.format(mac="02:42:6f:b1:8c:09"))] == ["arping"]
