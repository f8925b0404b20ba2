"""What matches of iptables say of packets (``net/netfilter/xt_*.c``)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.inet import to_int
from engine.model.packet import Entry, HookContext, Packet, State
from tests.engine.model.netfilter.helper import ENTRY, FORWARD, PING, SYN, UDP, Around, holds, rule, translated

SYN6 = Packet(6, to_int("fd00::1"), to_int("fd00::2"), "tcp", 1, 80, frozenset({"SYN"}))
PING6 = Packet(6, to_int("fd00::1"), to_int("fd00::2"), "icmpv6", 1, 0, icmp_type=128)
LOCAL_OUT = HookContext("OUTPUT", "", "eth0")
BRIDGED = HookContext("FORWARD", "br0", "br0", physin="veth1", physout="veth2", bridged=True)
UNTRACKED = HookContext("FORWARD", "eth0", "eth1", state=State("UNTRACKED"))
REPLY = HookContext("FORWARD", "eth1", "eth0", state=State("ESTABLISHED", translated(), reply=True))


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ("-s 10.1.0.0/16", True),
        ("-s 10.2.0.0/16", False),
        ("! -s 10.2.0.0/16", True),
        ("-d 10.2.0.2", True),
        ("-d 10.2.0.3/32", False),
        ("-s fd00::/8", False),
        ("! -s fd00::/8", True),
        ("-i eth0", True),
        ("-i eth1", False),
        ("-i eth+", True),
        ("! -o eth+", False),
        ("-o +", True),
        ("-i ens+", False),
        ("-p tcp", True),
        ("-p 6", True),
        ("-p udp", False),
        ("-p all", True),
        ("-p 0", True),
        ("! -p udp", True),
        ("-f", False),
        ("! -f", True),
        ("-p tcp --dport 80", True),
        ("-p tcp --dport 79:81", True),
        ("-p tcp --dport :79", False),
        ("-p tcp --dport 80:", True),
        ("-p tcp --sport 40000", True),
        ("-p tcp ! --dport 80", False),
        ("-p tcp -m multiport --dports 22,80:90", True),
        ("-p tcp -m multiport --sports 22,80", False),
        ("-p tcp -m multiport --ports 80", True),
        ("-p tcp -m multiport ! --dports 80", False),
        ("-p tcp -m tcp --dport http", True),
        ("-p tcp --syn", True),
        ("-p tcp ! --syn", False),
        ("-p tcp --tcp-flags FIN,SYN,RST,ACK SYN", True),
        ("-p tcp --tcp-flags ALL NONE", False),
        ("-p tcp --tcp-flags SYN,ACK SYN,ACK", False),
        ("-p icmp --icmp-type 8", False),
        ("-m iprange --src-range 10.1.0.1-10.1.0.9", True),
        ("-m iprange --dst-range 10.2.0.3-10.2.0.9", False),
        ("-m iprange --src-range 10.1.0.2", True),
        ("-m length --length 60", True),
        ("-m length --length 61:", False),
        ("-m length --length :60", True),
        ("-m length --length 40:50", False),
        ("-m ttl --ttl-eq 64", True),
        ("-m ttl ! --ttl-eq 64", False),
        ("-m ttl --ttl-lt 64", False),
        ("-m ttl --ttl-lt 65", True),
        ("-m ttl --ttl-gt 63", True),
        ("-m hl --hl-gt 64", False),
        ("-m pkttype --pkt-type unicast", True),
        ("-m pkttype ! --pkt-type multicast", True),
        ("-m pkttype --pkt-type otherhost", None),
    ],
)
def test_packet(spec: str, answer: bool) -> None:
    """Matches on the packet itself, for the SYN of 10.1.0.2:40000 > 10.2.0.2:80 forwarded from eth0 to eth1."""
    assert holds(spec) is answer


def test_a_hook_without_the_device_matches_no_name() -> None:
    """In OUTPUT there is no input device: ``-i`` fails, even with a wildcard of everything, and ``! -i`` holds."""
    assert [holds(spec, SYN, LOCAL_OUT) for spec in ("-i eth0", "-i eth+", "! -i eth0", "-o eth0")] == [False, False, True, True]


def test_ports_of_a_protocol_without_ports() -> None:
    """ICMP has no ports: a port match is false."""
    assert holds("-m multiport --dports 0", PING) is False
    assert holds("-m multiport --dports 80", UDP) is True


@pytest.mark.parametrize(
    ("spec", "kind", "code", "answer"),
    [
        ("-p icmp --icmp-type 8", 8, 0, True),
        ("-p icmp --icmp-type echo-request", 8, 0, True),
        ("-p icmp --icmp-type 0", 8, 0, False),
        ("-p icmp --icmp-type any", 3, 1, True),
        ("-p icmp --icmp-type 255", 3, 1, True),
        ("-p icmp --icmp-type 3", 3, 13, True),
        ("-p icmp --icmp-type 3/4", 3, 4, True),
        ("-p icmp --icmp-type 3/4", 3, 1, False),
        ("-p icmp --icmp-type fragmentation-needed", 3, 4, True),
        ("-p icmp ! --icmp-type destination-unreachable", 3, 1, False),
    ],
)
def test_icmp(spec: str, kind: int, code: int, answer: bool) -> None:
    """ICMP by type and code; 255 is any."""
    assert holds(spec, replace(PING, icmp_type=kind, icmp_code=code)) is answer


def test_icmpv6() -> None:
    """ICMPv6 by number, under both of its names."""
    assert holds("-p ipv6-icmp -m icmp6 --icmpv6-type 128", PING6) is True
    assert holds("-p icmpv6 --icmpv6-type 129", PING6) is False


@pytest.mark.parametrize(
    ("spec", "context", "answer"),
    [
        ("-m conntrack --ctstate NEW", FORWARD, True),
        ("-m state --state RELATED,ESTABLISHED", FORWARD, False),
        ("-m conntrack ! --ctstate NEW", FORWARD, False),
        ("-m conntrack --ctstate UNTRACKED", UNTRACKED, True),
        ("-m conntrack --ctstate INVALID", UNTRACKED, False),
        ("-m conntrack --ctstate DNAT", REPLY, True),
        ("-m conntrack --ctstate SNAT", REPLY, True),
        ("-m conntrack --ctstate DNAT", FORWARD, False),
        ("-m conntrack --ctdir REPLY", REPLY, True),
        ("-m conntrack --ctdir ORIGINAL", REPLY, False),
        ("-m conntrack --ctdir ORIGINAL", UNTRACKED, False),
        ("-m conntrack --ctproto tcp", REPLY, True),
        ("-m conntrack --ctproto 17", REPLY, False),
        ("-m conntrack --ctproto tcp", UNTRACKED, False),
        ("-m conntrack --ctorigsrc 10.1.0.0/24", REPLY, True),
        ("-m conntrack --ctorigdst 10.99.0.1", REPLY, True),
        ("-m conntrack --ctreplsrc 10.2.0.2", REPLY, True),
        ("-m conntrack --ctrepldst 192.0.2.1", REPLY, True),
        ("-m conntrack ! --ctorigdst 10.99.0.1", REPLY, False),
        ("-m conntrack --ctorigsrc 0.0.0.0/0", UNTRACKED, False),
        ("-m conntrack --ctorigsrcport 40000", REPLY, True),
        ("-m conntrack --ctorigdstport 80", REPLY, True),
        ("-m conntrack --ctreplsrcport 8000:8090", REPLY, True),
        ("-m conntrack --ctrepldstport 50001", REPLY, False),
        ("-m conntrack --ctorigdstport 0:65535", UNTRACKED, False),
    ],
)
def test_conntrack(spec: str, context: HookContext, answer: bool) -> None:
    """Matches on the conntrack entry; without one all but the state is false."""
    assert holds(spec, SYN, context) is answer


@pytest.mark.parametrize(
    ("status", "confirmed", "seen", "answer"),
    [
        ("CONFIRMED", True, False, True),
        ("CONFIRMED", False, False, False),
        ("SEEN_REPLY", True, True, True),
        ("NONE", False, False, False),
        ("NONE", True, False, False),
        ("ASSURED", True, False, False),
        ("ASSURED", True, True, None),
        ("EXPECTED", True, True, False),
        ("EXPECTED,CONFIRMED", True, True, True),
    ],
)
def test_status(status: str, confirmed: bool, seen: bool, answer: bool | None) -> None:
    """The status of the entry: assured only once both sides spoke (then it cannot be told), and never expected by a helper."""
    entry = Entry(SYN.tuple(), SYN.tuple().inverted(), confirmed=confirmed, seen_reply=seen)
    context = replace(FORWARD, state=State("NEW", entry))
    assert holds(f"-m conntrack --ctstatus {status}", SYN, context) is answer
    assert holds(f"-m conntrack --ctstatus {status}", SYN, UNTRACKED) is False


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ("-m mark --mark 0x12", True),
        ("-m mark --mark 0x10/0xf0", True),
        ("-m mark --mark 0x12/0xf0", False),
        ("-m mark ! --mark 0x12", False),
        ("-m mark --mark 0x0/0x1", True),
    ],
)
def test_mark(spec: str, answer: bool) -> None:
    """(mark & mask) == value: a value with bits outside its mask never holds."""
    assert holds(spec, replace(SYN, mark=0x12)) is answer


def test_connmark_without_an_entry_is_false_even_inverted() -> None:
    """``xt_connmark``: no conntrack entry, no match, whatever the ``!``; with one the ``!`` inverts."""
    assert [holds(f"-m connmark {bang}--mark 0x10", SYN, UNTRACKED) for bang in ("", "! ")] == [False, False]
    assert [holds(f"-m connmark {bang}--mark 0x10/0xff", SYN, REPLY) for bang in ("", "! ")] == [True, False]


@pytest.mark.parametrize(
    ("spec", "kind", "answer"),
    [
        ("--dst-type LOCAL", "LOCAL", True),
        ("--dst-type LOCAL", "UNICAST", False),
        ("! --dst-type LOCAL", "UNICAST", True),
        ("! --dst-type LOCAL", "LOCAL", False),
        ("--src-type UNICAST,BROADCAST", "BROADCAST", True),
    ],
)
def test_address_type(spec: str, kind: str, answer: bool) -> None:
    """The type of the address on that side; the inversion is inside."""
    assert holds(f"-m addrtype {spec}", around=Around(kind=kind)) is answer


def test_address_type_on_one_device() -> None:
    """``--limit-iface-in`` asks for the types as seen on the input device, for both sides of the instance and no other."""
    around = Around(kind="LOCAL")
    assert (
        holds("-m addrtype --src-type LOCAL --dst-type LOCAL --limit-iface-in -m addrtype --dst-type LOCAL --limit-iface-out", around=around) is True
    )
    assert around.asked == [(4, SYN.src, "eth0"), (4, SYN.dst, "eth0"), (4, SYN.dst, "eth1")]
    assert [match.text for match in rule("-i eth0 -m addrtype ! --dst-type LOCAL --limit-iface-in").matches] == [
        "-i eth0",
        "! --dst-type LOCAL --limit-iface-in",
    ]


def test_set() -> None:
    """A set match asks for the set by name and directions; an unknown set is unknown, inverted or not."""
    around = Around(member=None)
    assert holds("-m set --match-set pods src,dst", around=around) is None
    assert holds("-m set ! --match-set pods src", around=around) is None
    assert around.asked == [("pods", ("src", "dst")), ("pods", ("src",))]
    assert holds("-m set ! --match-set pods src", around=Around(member=False)) is True


@pytest.mark.parametrize(
    ("spec", "bridged", "routed"),
    [
        ("--physdev-in veth1", True, False),
        ("--physdev-in veth+", True, False),
        ("--physdev-out veth1", False, False),
        ("! --physdev-in veth1", False, True),
        ("--physdev-is-in", True, False),
        ("--physdev-is-out", True, False),
        ("--physdev-is-bridged", True, False),
        ("! --physdev-is-bridged", False, True),
        ("--physdev-in eth+", False, False),
    ],
)
def test_physdev(spec: str, bridged: bool, routed: bool) -> None:
    """Bridge ports of a bridged frame; without bridge information positive options are false and inverted ones true."""
    assert holds(f"-m physdev {spec}", SYN, BRIDGED) is bridged
    assert holds(f"-m physdev {spec}", SYN, FORWARD) is routed


@pytest.mark.parametrize(
    ("spec", "path", "answer", "asked"),
    [
        ("", True, True, (False, False)),
        ("--invert", True, False, (False, False)),
        ("--loose --invert", False, True, (True, False)),
        ("--accept-local", False, False, (False, True)),
        ("--validmark --invert", None, None, (False, False)),
    ],
)
def test_rpfilter(spec: str, path: bool | None, answer: bool | None, asked: tuple[bool, bool]) -> None:
    """``-m rpfilter`` holds for a valid reverse path, ``--invert`` for an invalid one; what cannot be told stays so."""
    around = Around(path=path)
    assert holds(f"-m rpfilter {spec}", around=around) is answer
    assert around.asked == [asked]


@pytest.mark.parametrize(
    "spec",
    [
        "-m recent --rcheck --name x --rsource",
        "-m limit --limit 3/min",
        "-m hashlimit --hashlimit-upto 3/sec --hashlimit-name x",
        "-m connlimit --connlimit-above 3",
        "-m quota --quota 9",
        "-m time --timestart 01:00",
        "-m owner --uid-owner 0",
        "-m owner ! --uid-owner 0",
        "-m statistic --mode random --probability 0.5",
        "-m neverheard --of it",
        "-m string --string x --algo bm",
        "--neverheard x",
    ],
)
def test_unknown_is_a_value(spec: str) -> None:
    """What a snapshot cannot tell is unknown, never a guess, and the rest of the rule still counts."""
    assert holds(spec) is None
    assert holds(f"-s 10.9.0.0/16 {spec}") is False
    assert holds(f"{spec} -j DROP") is None


def test_text_of_matches() -> None:
    """A match shows the words that it was made of, with its ``!``."""
    texts = [match.text for match in rule("! -s 10.0.0.0/8 -i eth0 -m connmark ! --mark 0x1 -m addrtype ! --dst-type LOCAL -j DROP").matches]
    assert texts == ["! -s 10.0.0.0/8", "-i eth0", "! --mark 0x1", "! --dst-type LOCAL"]


def test_family_decides_addresses() -> None:
    """An IPv6 packet is in no IPv4 prefix."""
    assert holds("-s 0.0.0.0/0", SYN6) is False
    assert holds("-s fd00::/8", SYN6) is True
    assert ENTRY.original.inverted().inverted() == ENTRY.original


@pytest.mark.parametrize(
    ("types", "dst", "kinds", "answer"),
    [
        ("UNICAST", "2001:db8::1", {"LOCAL"}, True),
        ("UNICAST", "ff02::1", set(), False),
        ("MULTICAST", "ff02::1", set(), True),
        ("MULTICAST", "2001:db8::1", set(), False),
        ("LOCAL", "2001:db8::1", {"LOCAL"}, True),
        ("LOCAL,UNICAST", "2001:db8::1", set(), False),
        ("LOCAL,ANYCAST", "2001:db8::1", {"ANYCAST"}, True),
        ("UNREACHABLE", "2001:db8::1", {"UNREACHABLE"}, True),
        ("UNSPEC", "::", set(), True),
        ("UNSPEC", "2001:db8::1", set(), False),
    ],
)
def test_address_types_of_ipv6(types: str, dst: str, kinds: set[str], answer: bool) -> None:
    """Measured: UNICAST, MULTICAST and UNSPEC go by the address alone, all kinds that are named must be met, one of the looked-up ones is enough."""
    around = Around()
    around.kinds = kinds
    match = rule(f"-m addrtype --dst-type {types}", family=6).matches[0]
    assert match.holds(replace(PING6, dst=to_int(dst)), FORWARD, around) is answer


@pytest.mark.parametrize("option", ["--ctstatus NONE", "--ctproto udp", "--ctorigdst 10.9.9.9", "--ctorigdstport 9", "--ctdir REPLY"])
def test_inverted_without_an_entry(option: str) -> None:
    """Measured in raw PREROUTING: what asks for the conntrack entry is false without one, inverted or not; a state is not."""
    before = replace(FORWARD, hook="PREROUTING", state=State(""))
    words = option.split()
    assert [holds(f"-m conntrack {bang}{words[0]} {words[1]}", SYN, before) for bang in ("", "! ")] == [False, False]
    assert holds("-m conntrack ! --ctstate NEW", SYN, before) is True


def test_inverted_port_of_a_routed_packet() -> None:
    """Measured: what a bridge passed up and the stack routes leaves by no port; ``! --physdev-out`` is false then, as it is true of other packets."""
    up = replace(FORWARD, in_device="br0", physin="veth1")
    assert [holds(f"-m physdev {bang}--physdev-out veth2", SYN, up) for bang in ("", "! ")] == [False, False]
    assert holds("-m physdev ! --physdev-out veth2", SYN, FORWARD) is True


@pytest.mark.parametrize(
    ("kind", "device", "answer"),
    [("MULTICAST", "eth0", True), ("BROADCAST", "eth0", False), ("LOCAL", "eth0", False), ("MULTICAST", "", False)],
)
def test_packet_types(kind: str, device: str, answer: bool) -> None:
    """What came in was addressed as the address is; what this stack makes counts as unicast, wherever it goes."""
    at = replace(FORWARD, in_device=device)
    assert holds("-m pkttype --pkt-type multicast", SYN, at, Around(kind=kind)) is answer


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ("-s 10.0.0.2/255.0.0.255", True),
        ("-s 10.0.0.3/255.0.0.255", False),
        ("! -d 10.0.0.2/255.0.0.255", False),
        ("-s fd00::/ffff::1", False),
    ],
)
def test_masks_with_holes(spec: str, answer: bool) -> None:
    """A mask need not be a prefix: only the bits that it names are compared (``ip_packet_match``)."""
    assert holds(spec) is answer


@pytest.mark.parametrize(
    ("spec", "plain", "ef"),
    [
        ("-m dscp --dscp 0x2e", False, True),
        ("-m dscp ! --dscp 0x2e", True, False),
        ("-m dscp --dscp 0x00", True, False),
        ("-m tos --tos 0xb8/0xff", False, False),
        ("-m tos --tos 0xb8/0xfc", False, True),
        ("-m tos ! --tos 0x00/0x3f", False, True),
        ("-m ecn --ecn-ip-ect 1", False, True),
        ("-m ecn ! --ecn-ip-ect 0", False, True),
    ],
)
def test_type_of_service(spec: str, plain: bool, ef: bool) -> None:
    """Programs that ask for nothing send type of service 0; DSCP are its upper six bits, ECN the lower two."""
    assert (holds(spec), holds(spec, replace(SYN, tos=0xB9))) == (plain, ef)


def test_source_address_of_the_frame() -> None:
    """The frame's own address decides; where none is known nothing does, and loopback, inverted or not, has none (``xt_mac``)."""
    spec = "-m mac{} --mac-source 02:00:00:00:00:0A"
    for mac, plain, inverted in (("02:00:00:00:00:0a", True, False), ("02:00:00:00:00:0b", False, True), ("", None, None)):
        packet = replace(SYN, mac=mac)
        assert (holds(spec.format(""), packet), holds(spec.format(" !"), packet)) == (plain, inverted)
    assert [holds(spec.format(bang), SYN, HookContext("INPUT", "lo")) for bang in ("", " !")] == [False, False]


def test_nobody_expected_the_packet() -> None:
    """``-m helper`` speaks of connections that a helper saw coming; a packet sent on its own account belongs to none."""
    assert (holds("-m helper --helper ftp"), holds("-m helper ! --helper ftp")) == (False, True)


@pytest.mark.parametrize(
    ("words", "answer"), [("0:27", False), ("0:65535", True), ("28:65535", True), ("60", None), ("100:1500", None), ("0:100", None)]
)
def test_length_that_nobody_told(words: str, answer: bool | None) -> None:
    """How much a program sends by UDP or ping is not known unless it was said: only what holds for every size is decided."""
    packet = replace(UDP, loose=True)
    assert holds(f"-m length --length {words}", packet) is answer
