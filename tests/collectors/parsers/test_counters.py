"""Counters: files of /proc, ``nstat``, ``netstat -s`` and ``ss -s`` as Linux 6.18, iproute2 and net-tools print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import sections
from collectors.parsers.counters import parse
from collectors.place import Place
from engine.facts import Source

NETSTAT = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 17 19\nIpExt: InNoRoutes InTruncatedPkts\nIpExt: 3 0\n"
SNMP = "Tcp: RtoAlgorithm ActiveOpens PassiveOpens OutSegs RetransSegs\nTcp: 1 327 200 18710 5\n"
SOFTNET = """\
0002048b 0000000a 00000000 00000000 00000000
0002527e 00000001 00000000 00000000 00000000
"""
STATS = """\
cpu=0   \tfound=124 invalid=4033 insert=0 insert_failed=5 drop=1 early_drop=0 error=0 search_restart=30
cpu=1   \tfound=117 invalid=3960 insert=0 insert_failed=2 drop=0 early_drop=0 error=0 search_restart=28
"""
CONNTRACK = """\
entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error
00000028  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000003 00000001 00000000
00000028  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000002 00000004 00000000 00000000
"""
ARP = """\
entries  allocs   destroys hash_grows lookups  hits     res_failed table_fulls
00000400 00003da7 00003cf9 00000002   0000ea7f 0000297e 0000084e   00000007
00000400 00000000 00000000 00000000   00000000 00000000 00000000   00000002
"""
NSTAT = "#kernel\nIpInReceives                    29114              0.0\nTcpExtListenOverflows           17                 0.0\n"
WORDS = """\
Tcp:
    327 active connection openings
    200 passive connection openings
    18710 segments sent out
TcpExt:
    17 times the listen queue of a socket overflowed
    19 SYNs to LISTEN sockets dropped
    IPReversePathFilter: 4
    TCPTimeouts: 2
IpExt:
    InNoRoutes: 3
"""
SUMMARY = (
    "Total: 22\nTCP:   25 (estab 7, closed 24, orphaned 0, timewait 9)\n\nTransport Total     IP        IPv6\nRAW\t  0         0         0        \n"
)


SOCKSTAT = """\
sockets: used 1010
TCP: inuse 812 orphan 0 tw 28116 alloc 820 mem 62
UDP: inuse 6 mem 2
UDPLITE: inuse 0
RAW: inuse 0
FRAG: inuse 0 memory 0
"""


def values(text: str, command: str = "") -> dict[str, int]:
    """Counters by name."""
    facts = parse(Source("pasted", text, command), Place("n1"))
    assert not [f for f in facts if f.kind == "unparsed"]
    return {f.fields["name"]: f.fields["value"] for f in facts if f.kind == "counter"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (NETSTAT, {"TcpExtListenOverflows": 17, "TcpExtListenDrops": 19, "IpExtInNoRoutes": 3}),
        (SNMP, {"TcpActiveOpens": 327, "TcpPassiveOpens": 200, "TcpOutSegs": 18710, "TcpRetransSegs": 5}),
        (SOFTNET, {"softnet.processed": 0x2048B + 0x2527E, "softnet.dropped": 11}),
        (CONNTRACK, {"conntrack.insert_failed": 2, "conntrack.drop": 7, "conntrack.early_drop": 1}),
        (STATS, {"conntrack.insert_failed": 7, "conntrack.drop": 1, "conntrack.early_drop": 0}),
        (ARP, {"arp_cache.entries": 1024, "arp_cache.table_fulls": 9}),
        (NSTAT, {"TcpExtListenOverflows": 17}),
        (
            WORDS,
            {
                "TcpActiveOpens": 327,
                "TcpPassiveOpens": 200,
                "TcpOutSegs": 18710,
                "TcpExtListenOverflows": 17,
                "TcpExtListenDrops": 19,
                "TcpExtIPReversePathFilter": 4,
                "IpExtInNoRoutes": 3,
            },
        ),
        (SUMMARY, {"ss.estab": 7, "ss.timewait": 9}),
        (SOCKSTAT, {"ss.estab": 812, "ss.timewait": 28116}),
    ],
)
def test_same_names_whatever_printed_them(text: str, wanted: dict[str, int]) -> None:
    """Each output gives its counters under the names of nstat; processors are added up, a table's size is not."""
    assert values(text) == wanted


@pytest.mark.parametrize(("command", "wanted"), [
    ("ss -tan | grep TIME-WAIT | wc -l", 28231), ("netstat -ant | grep TIME_WAIT | wc -l", 28231), ("netstat -an | grep -i time_wait | wc -l", 28231),
    ("ss -tan state time-wait | wc -l", 28230), ("ss -tan -H state time-wait | wc -l", 28231), ("ss -tan | grep -c LISTEN | wc -l", None),
    ("ss -tan | grep TIME_WAIT | wc -l", None), ("netstat -ant | grep TIME-WAIT | wc -l", None), ("ss -tan | wc -l", None),
])
def test_connections_that_a_pipe_counted(command: str, wanted: int | None) -> None:
    """The number is that of connections in TIME-WAIT if the word is the one that the program prints; a listing's heading is none of them."""
    facts = parse(Source("pasted", "28231\n", command), Place("n1"))
    assert [(f.get("name"), f.get("value")) for f in facts if f.kind == "counter"] == ([] if wanted is None else [("ss.timewait", wanted)])
    assert [f.kind for f in facts] == (["unparsed"] if wanted is None else ["counter"])
    (section,) = [s for s in sections("session.txt", f"[root@n1 ~]# {command}\n28231\n") if s.text.strip()]
    assert section.format == "counters"


def test_neighbours_of_ipv6() -> None:
    """The file's name tells whose neighbours they are: both have the same columns."""
    assert values(ARP, "cat /proc/net/stat/ndisc_cache") == {"ndisc_cache.entries": 1024, "ndisc_cache.table_fulls": 9}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("proc/net/netstat", NETSTAT),
        ("proc_net_snmp", SNMP),
        ("/proc/net/softnet_stat", SOFTNET),
        ("/proc/net/stat/nf_conntrack", CONNTRACK),
        ("conntrack_-S", STATS),
        ("pasted.txt", STATS),
        ("nstat_-az.txt", NSTAT),
        ("netstat_-s", WORDS),
        ("ss_-s.txt", SUMMARY),
        ("pasted.txt", SOCKSTAT),
        ("session.txt", f"$ cat /proc/net/sockstat\n{SOCKSTAT}"),
        ("session.txt", f"[root@n1 ~]# nstat -az\n{NSTAT}"),
        ("session.txt", f"[root@n1 ~]# netstat -s\n{WORDS}"),
        ("session.txt", f"# cat /proc/net/stat/arp_cache\n{ARP}"),
    ],
)
def test_found_by_name_and_by_content(name: str, text: str) -> None:
    """Files, and pasted sessions, are recognised."""
    assert [section.format for section in sections(name, text) if section.text.strip()] == ["counters"]


def test_refusal() -> None:
    """A program that is not there is evidence of nothing."""
    facts = parse(Source("nstat", "bash: nstat: command not found\n", "nstat -az"), Place("n1"))
    assert [f.kind for f in facts] == ["not_collected"]


@given(st.text(alphabet="TcpExt: 0a1f\n_-%", max_size=200))
def test_never_raises(text: str) -> None:
    """Any text gives facts, or an account of what was not understood."""
    for fact in parse(Source("x", text), Place("n")):
        assert fact.kind in {"counter", "unparsed", "not_collected"}
