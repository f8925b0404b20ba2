"""Tunnels and sizes from what people send: one or two outputs, without a walk that could prove anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.findings import Certainty, Standing, Verified
from engine.pipeline import diagnose
from engine.request import Request

BUNDLES = Path(__file__).resolve().parents[1] / "recordings" / "bundles"

CARD = """\
2: ens3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {mtu} qdisc fq_codel state UP mode DEFAULT group default qlen 1000
    link/ether fa:16:3e:6a:b2:1c brd ff:ff:ff:ff:ff:ff
"""
TUNNEL = """\
150: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {mtu} qdisc noqueue state UNKNOWN mode DEFAULT group default
    link/ether 3a:b4:bd:ad:8b:8e brd ff:ff:ff:ff:ff:ff promiscuity 0
    vxlan id 1 local 10.0.3.11 dev ens3 srcport 0 0 dstport 8472 nolearning ageing 300 noudpcsum addrgenmode eui64 numtxqueues 1 numrxqueues 1
"""
COUNTERS = """\
    RX: bytes  packets  errors  dropped overrun mcast
    {rx}          {rx}        0       0       0       0
    TX: bytes  packets  errors  dropped carrier collsns
    2040       {tx}       0       8       0       0
"""
TUNL0 = """\
9: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1440 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/ipip 0.0.0.0 brd 0.0.0.0
"""
BRIDGE = """\
3: docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {mtu} qdisc noqueue state UP mode DEFAULT group default
    link/ether 02:42:8e:11:22:33 brd ff:ff:ff:ff:ff:ff
5: veth1a2b3c4@if4: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu {mtu} qdisc noqueue master docker0 state UP mode DEFAULT group default
    link/ether 6a:5d:11:22:33:44 brd ff:ff:ff:ff:ff:ff link-netnsid 0
"""
FILTER = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{rules}\nCOMMIT\n"
ACROSS = "pods on other nodes cannot be reached, timeout"
LARGE = "connections are set up but large transfers hang"


def found(folder: Path, symptom: str, **files: str) -> list[tuple[str, Standing, Certainty]]:
    """Findings for a symptom and the outputs of one node."""
    (folder / "node1").mkdir()
    for name, text in files.items():
        (folder / "node1" / f"{name}.txt").write_text(text, encoding="utf-8")
    return [(f.id, f.standing, f.certainty) for f in diagnose(Request(symptom, (folder,))).findings]


@pytest.mark.parametrize(
    ("symptom", "files", "cause"),
    [
        (ACROSS, {"ip_-s_-d_link": TUNNEL.format(mtu=1450) + COUNTERS.format(rx=0, tx=34)}, "vxlan-port-blocked"),
        ("跨节点访问 pod 超时", {"ip_-s_-d_link": TUNNEL.format(mtu=1450) + COUNTERS.format(rx=0, tx=34)}, "vxlan-port-blocked"),
        (ACROSS, {"ip_-s_link": TUNL0 + COUNTERS.format(rx=0, tx=34)}, "ipip-blocked"),
        (ACROSS, {"iptables-save": FILTER.format(rules="-A INPUT -p udp -m udp --dport 8472 -j DROP")}, "vxlan-port-blocked"),
        (ACROSS, {"iptables-save": FILTER.format(rules="-A INPUT -p ipencap -j REJECT --reject-with icmp-port-unreachable")}, "ipip-blocked"),
        (LARGE, {"ip_link": CARD.format(mtu=1450) + BRIDGE.format(mtu=1500)}, "mtu-mismatch"),
        ("docker pull 正常，容器里 git clone 卡住", {"ip_link": CARD.format(mtu=1460) + BRIDGE.format(mtu=1500)}, "mtu-mismatch"),
        (LARGE, {"ip_-d_link": CARD.format(mtu=1450) + TUNNEL.format(mtu=1450)}, "mtu-mismatch"),
        (
            LARGE,
            {"ip_link": CARD.format(mtu=1450) + BRIDGE.format(mtu=1500), "iptables-save": FILTER.format(rules="-A OUTPUT -p icmp -j DROP")},
            "pmtu-blackhole",
        ),
    ],
)
def test_named(tmp_path: Path, symptom: str, files: dict[str, str], cause: str) -> None:
    """A cause that is decisive, and never more than likely; one cause only."""
    assert found(tmp_path, symptom, **files) == [(cause, Standing.ROOT_CAUSE, Certainty.LIKELY)]


def test_perhaps(tmp_path: Path) -> None:
    """A rule against all ICMP harms only where the way is narrow, which nobody saw: possible."""
    told = found(tmp_path, LARGE, **{"iptables-save": FILTER.format(rules="-A FORWARD -p icmp -j DROP")})
    assert told == [("pmtu-blackhole", Standing.UNDECIDED, Certainty.POSSIBLE)]


@pytest.mark.parametrize(
    ("symptom", "files"),
    [
        (ACROSS, {"ip_-s_-d_link": TUNNEL.format(mtu=1450) + COUNTERS.format(rx=12, tx=34)}),
        (ACROSS, {"ip_-s_-d_link": TUNNEL.format(mtu=1450) + COUNTERS.format(rx=0, tx=0)}),
        (ACROSS, {"ip_-d_link": TUNNEL.format(mtu=1450)}),
        ("connection refused by the pod", {"ip_-s_-d_link": TUNNEL.format(mtu=1450) + COUNTERS.format(rx=0, tx=34)}),
        (
            ACROSS,
            {
                "iptables-save": FILTER.format(
                    rules="-A INPUT -s 10.0.3.0/24 -p udp -m udp --dport 8472 -j ACCEPT\n-A INPUT -p udp -m udp --dport 8472 -j DROP"
                )
            },
        ),
        (ACROSS, {"ip_link": CARD.format(mtu=1450) + BRIDGE.format(mtu=1500)}),
        (LARGE, {"ip_link": CARD.format(mtu=1500) + BRIDGE.format(mtu=1500)}),
        (LARGE, {"ip_link": CARD.format(mtu=9000) + BRIDGE.format(mtu=1500)}),
        (LARGE, {"ip_-d_link": CARD.format(mtu=1500) + TUNNEL.format(mtu=1450)}),
        (LARGE, {"iptables-save": FILTER.format(rules="-A INPUT -p icmp -m icmp --icmp-type 8 -j DROP")}),
        (LARGE, {"iptables-save": FILTER.format(rules="-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p icmp -j DROP")}),
    ],
)
def test_healthy(tmp_path: Path, symptom: str, files: dict[str, str]) -> None:
    """Outputs that only look like it, and sizes that nobody complained of."""
    assert found(tmp_path, symptom, **files) == []


def test_remedies_beyond_the_evidence() -> None:
    """What a smaller MSS does to the other end shows beyond the evidence: its remedies are not called ineffective."""
    request = Request("git clone over https from a container hangs after the TLS client hello", (BUNDLES / "mtu-mismatch" / "broken-openstack",))
    first = diagnose(request).findings[0]
    assert (first.id, first.certainty) == ("mtu-mismatch", Certainty.LIKELY)
    assert [(plan.node, plan.stack, plan.verified) for plan in first.remedies] == [
        ("node1", "host", Verified.NOT_CHECKED),
        ("node1", "web", Verified.NOT_CHECKED),
    ]
