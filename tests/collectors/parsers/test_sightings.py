"""Packets of a capture, in the forms that tcpdump's options give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.parsers.tcpdump import parse
from collectors.place import Place
from engine.facts import Source

RECORDED = Path(__file__).parents[2] / "recordings" / "tcpdump"
SYN = "10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 64240, length 0"


def seen(text: str, command: str = "", kind: str = "sighting") -> list[dict[str, Any]]:
    """Fields of the facts of a kind."""
    return [dict(f.fields) for f in parse(Source("pasted", text, command), Place("n1")) if f.kind == kind]


@pytest.mark.parametrize(("line", "fields"), [
    (f"14:00:00.500000 IP {SYN}", {"src": "10.0.0.1", "dst": "10.0.0.2", "sport": 40000, "dport": 80, "protocol": "tcp", "what": "syn"}),
    (f"14:00:00.500000 veth12 P   IP {SYN}", {"device": "veth12", "way": "p", "what": "syn"}),
    (f"2026-01-02 14:00:00.500000 eth0  In  IP {SYN}", {"device": "eth0", "way": "in", "what": "syn"}),
    (
        "14:00:00.500000 02:42:0a:00:00:01 > 02:42:0a:00:00:02, ethertype IPv4 (0x0800), length 98: 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 1",
        {"src_mac": "02:42:0a:00:00:01", "dst_mac": "02:42:0a:00:00:02", "protocol": "icmp", "what": "echo-reply"},
    ),
    ("14:00:00.500000 IP 10.0.0.2.80 > 10.0.0.1.40000: Flags [S.], seq 1, ack 2", {"what": "syn-ack", "dport": 40000}),
    ("14:00:00.500000 IP 10.0.0.2.53 > 10.0.0.1.40000: 12+ A? db. (20)", {"protocol": "udp", "what": "data", "sport": 53}),
])  # fmt: skip
def test_a_packet(line: str, fields: dict[str, object]) -> None:
    """Ends, kind, device and direction of a packet, and the MACs, as far as the options had them printed."""
    (one,) = seen(f"{line}\n")
    assert fields.items() <= one.items()
    assert one["first"] == 14 * 3600 + 0.5


def test_a_tunnel_s_packet() -> None:
    """What travels in a tunnel is told by its own ends, the tunnel by its."""
    text = "14:00:00.000001 IP 192.0.2.1.5555 > 192.0.2.2.4789: VXLAN, flags [I] (0x08), vni 257\nIP 10.0.0.7 > 10.0.0.9: ICMP echo request, id 1\n"
    (one,) = seen(text)
    assert (one["src"], one["dst"], one["what"], one["outer_src"], one["outer_dst"], one["outer_dport"]) == (
        "10.0.0.7", "10.0.0.9", "echo-request", "192.0.2.1", "192.0.2.2", 4789,
    )  # fmt: skip


def test_equal_packets_are_one() -> None:
    """A repeated packet is counted; what names stand for is not known, and what an error quotes has not passed."""
    text = f"14:00:00.000001 IP {SYN}\n14:00:01.000001 IP {SYN}\n14:00:02.000001 IP n1.lan.40000 > n2.lan.http: Flags [S], seq 1\n"
    (one,) = seen(text)
    assert (one["count"], one["last"] - one["first"]) == (2, 1.0)


@pytest.mark.parametrize(("command", "device", "shown"), [
    ("tcpdump -ni eth0 udp and host 10.0.0.2", "eth0", "udp and host 10.0.0.2"),
    ("sudo tcpdump -n -i any -c 5 'port 80'", "any", "port 80"),
    ("tcpdump -nn -vv -s 0 -i br0", "br0", ""),
    ("tcpdump -eni eth1 icmp or arp 2>/dev/null", "eth1", "icmp or arp"),
])
def test_what_was_asked_for(command: str, device: str, shown: str) -> None:
    """The command line tells the device and the filter: what the capture would have shown."""
    (one,) = seen(f"14:00:00.000001 IP {SYN}\n", command, "capture")
    assert (one["device"], one["filter"], one["empty"]) == (device, shown, False)


def test_nothing_was_seen() -> None:
    """A capture that says that it saw nothing is evidence; one whose end is cut off says no such thing."""
    text = "listening on eth0, link-type EN10MB (Ethernet), capture size 262144 bytes\n"
    assert [c["empty"] for c in seen(text, "tcpdump -ni eth0 port 4789", "capture")] == [False]
    assert [c["empty"] for c in seen(f"{text}0 packets captured\n", "tcpdump -ni eth0 port 4789", "capture")] == [True]


@pytest.mark.parametrize("form", ["plain", "verbose", "link-level", "any"])
def test_recordings(form: str) -> None:
    """Every form of a recorded capture shows who sent to whom, by addresses alone."""
    found = seen((RECORDED / f"{form}.txt").read_text())
    assert {("192.0.2.11", "192.0.2.12")} & {(s["src"], s["dst"]) for s in found}
    assert all(s["count"] >= 1 and s["last"] >= s["first"] >= 0 for s in found)
