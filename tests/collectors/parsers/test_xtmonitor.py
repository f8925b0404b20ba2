"""The kernel's packet traces, as xtables-monitor and the kernel log print them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.xtmonitor import parse
from collectors.place import Place
from engine.facts import Source

RECORDING = Path(__file__).parents[2] / "recordings" / "xtables-monitor" / "router" / "xtables-monitor_--trace"
HERE = Place("n1")


def test_events_of_a_recording() -> None:
    """Every TRACE line is one fact with the packet that the line above names; nothing is left over."""
    facts = parse(Source("xtables-monitor", RECORDING.read_text(encoding="utf-8")), HERE)
    assert [f.kind for f in facts] == ["kernel_trace"] * 9
    last = facts[4]
    packet = {"packet": "7ddb22c1", "family": 4, "in_device": "v0", "out_device": "v1", "src": "10.71.0.2", "dst": "10.72.0.2"}
    ports = {"sport": 37130, "dport": 5432, "protocol": "tcp"}
    rule = '-s 10.71.0.0/24 -m comment --comment "no db for you" -j DROP'
    assert dict(last.fields) == packet | ports | {"table": "filter", "chain": "LOGDROP", "event": "rule", "verdict": "DROP", "spec": rule}
    assert "no db for you" in last.text


def test_translated_packet_keeps_its_identity() -> None:
    """After DNAT the packet is printed with its new port under the same identity."""
    facts = parse(Source("x", RECORDING.read_text(encoding="utf-8")), HERE)
    assert {f.fields["dport"] for f in facts if f.fields["packet"] == "c6ee8a8c"} == {80, 8080}


def test_kernel_log_of_legacy() -> None:
    """iptables-legacy writes rule numbers, not words, and no verdict."""
    line = (
        "[ 12.3] TRACE: filter:FORWARD:policy:2 IN=v0 OUT=v1 MAC=aa SRC=10.71.0.2 DST=10.72.0.2 LEN=60 TOS=0x00 TTL=63 ID=4486 "
        "DF PROTO=TCP SPT=37130 DPT=5432 WINDOW=64240 RES=0x00 SYN URGP=0"
    )
    (fact,) = parse(Source("dmesg", line + "\n"), HERE)
    wanted = {"table": "filter", "event": "policy", "number": 2, "dport": 5432, "protocol": "tcp"}
    assert wanted.items() <= dict(fact.fields).items()
    assert "verdict" not in fact.fields


@given(st.text())
def test_never_raises(text: str) -> None:
    """Arbitrary text is counted, never an exception."""
    assert all(f.kind in {"kernel_trace", "unparsed"} for f in parse(Source("x", text), HERE))


HEADERS = (
    'iif "br0" oif "eth0" ether saddr 02:42:ac:1a:00:03 ip saddr 10.1.0.3 ip daddr 10.2.0.2 ip protocol tcp '
    "tcp sport 39771 tcp dport 80 tcp flags == syn"
)
NFT = f"""\
trace id 6d9a826f inet fw forward packet: {HEADERS}
trace id 6d9a826f inet fw forward rule jump zone (verdict jump zone)
trace id 6d9a826f inet fw zone verdict continue
trace id 6d9a826f inet fw forward rule reject with icmpx type admin-prohibited (verdict drop)
trace id a0369369 inet fw forward policy drop
"""


def test_nft_monitor_trace() -> None:
    """The same events in nft's words; what a packet is stands in a line of its own, and may be missing."""
    facts = parse(Source("x", NFT), HERE)
    told = [(f.get("event"), f.get("verdict"), f.get("src"), f.get("dport")) for f in facts]
    assert told == [
        ("rule", "JUMP:zone", "10.1.0.3", 80),
        ("return", "CONTINUE", "10.1.0.3", 80),
        ("rule", "DROP", "10.1.0.3", 80),
        ("policy", "DROP", None, None),
    ]
    rejected = {"table": "inet fw", "chain": "forward", "spec": "reject with icmpx type admin-prohibited", "protocol": "tcp", "out_device": "eth0"}
    assert facts[2].fields.items() >= rejected.items()
