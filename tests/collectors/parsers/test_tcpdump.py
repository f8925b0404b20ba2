"""tcpdump's text, as the program here printed it of veth pairs, and in the forms of other options."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from collectors.classify import sections
from collectors.parsers.tcpdump import parse
from collectors.place import Place
from engine.facts import Fact, Source

RECORDED = Path(__file__).parents[2] / "recordings" / "tcpdump"
FORMS = ("plain", "verbose", "link-level", "any")
OUTER = "10:21:01.330411 IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 110)\n    {}: {} OTV, flags [I] (0x08)\n"
BAD = "[bad udp cksum 0xffff -> 0x3a95!]"
INNER = "IP (tos 0x0, ttl 63, id 2, offset 0, flags [DF], proto TCP (6), length 60)\n    {}: Flags [S], cksum 0x2f1d (correct), seq 1, length 0\n"


def captured(text: str, node: str = "", command: str = "") -> list[Fact]:
    """Facts of a capture, without the account of the listing."""
    return [f for f in parse(Source("pasted", text, command), Place(node)) if f.kind == "captured"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_recognised_and_tells_the_same(form: str) -> None:
    """Whatever options tcpdump was run with, a capture is one section, and its REJECT and its unanswered ARP requests are told."""
    text = (RECORDED / f"{form}.txt").read_text()
    assert {s.format for s in sections("pasted.txt", text)} == {"capture"}
    found = captured(text)
    (refused,) = [f for f in found if f.get("why") == "prohibited"]
    assert (refused.get("by"), refused.get("dst"), refused.get("address"), refused.get("count")) == ("192.0.2.12", "192.0.2.11", "192.0.2.12", 2)
    silent = {(f.get("address"), f.get("by")) for f in found if f.get("name") == "arp-unanswered"}
    assert silent == {("192.0.2.77", "192.0.2.11"), ("192.0.2.78", "192.0.2.11")}
    ports = [(f.get("protocol"), f.get("dport")) for f in found if f.get("why") == "port"]
    assert ports == ([("udp", 8472)] if ports else [])


def test_checksums_of_a_recording() -> None:
    """Only tcpdump's word that a UDP checksum is wrong counts: one that is left out (0) is none, and TCP's are often the card's to write."""
    (one,) = [f for f in captured((RECORDED / "verbose.txt").read_text()) if f.get("name") == "bad-checksum"]
    assert (one.get("src"), one.get("dst"), one.get("dport"), one.get("count"), one.get("answered"), one.get("side")) == (
        "192.0.2.11", "192.0.2.12", 8472, 3, False, None,
    )  # fmt: skip


@pytest.mark.parametrize(("ends", "node", "command", "side"), [
    ("10.4.7.21.34112 > 10.4.7.22.8472", "n2", "tcpdump -vv -i eth0", None),
    ("10.4.7.21.34112 > 10.4.7.22.8472", "n2", "tcpdump -vv -Q in -i eth0", "received"),
    ("n1.corp.example.40029 > n2.corp.example.otv", "n2", "", "received"),
    ("n1.corp.example.40029 > n2.corp.example.otv", "n1", "", "sent"),
    ("n1.corp.example.40029 > n2.corp.example.otv", "n3", "", None),
])  # fmt: skip
def test_whose_capture_it_is(ends: str, node: str, command: str, side: str | None) -> None:
    """The machine is the receiver or the sender where its name stands in the packet, or the command took one direction; else nothing is said."""
    (one,) = captured(OUTER.format(ends, BAD), node, command)
    assert (one.get("side"), one.get("dport")) == (side, 8472)


@pytest.mark.parametrize(("said", "names"), [("incorrect -> 0x8d21", ["bad-inner-checksum"]), ("correct", [])])
def test_checksums_inside_a_tunnel(said: str, names: list[str]) -> None:
    """The checksum of a tunnelled segment is told apart from the tunnel's own, with the ends inside."""
    inner = INNER.format("10.244.1.5.5555 > 10.244.0.9.80").replace("(correct)", f"({said})")
    found = captured(OUTER.format("10.4.7.21.34112 > 10.4.7.22.8472", "[udp sum ok]") + inner)
    assert [f.get("name") for f in found] == names
    assert [(f.get("dst"), f.get("inner_dst"), f.get("answered")) for f in found] == [("10.4.7.22", "10.244.0.9", False)] * len(names)


def test_direction_of_any() -> None:
    """``-i any`` prints the direction of every packet."""
    text = "18:29:12.092609 eth0  In  IP 10.0.0.1.40000 > 10.0.0.2.8472: [bad udp cksum 0x1 -> 0x2!] OTV, flags [I] (0x08), overlay 0, instance 1\n"
    (one,) = captured(text)
    assert one.get("side") == "received"


@pytest.mark.parametrize(("inner", "answered"), [("10.244.1.5.5555 > 10.244.0.0.53414", True), ("10.244.1.5.5556 > 10.244.0.0.53414", False)])
def test_answers_to_what_was_inside(inner: str, answered: bool) -> None:
    """A wrong checksum did no harm if what the packet carried was answered; an answer to another flow says nothing of it."""
    asks = OUTER.format("10.4.7.21.34112 > 10.4.7.22.8472", BAD) + INNER.format("10.244.0.0.53414 > 10.244.1.5.5555")
    replies = OUTER.format("10.4.7.22.40000 > 10.4.7.21.8472", "[udp sum ok]") + INNER.format(inner)
    (one,) = captured(asks + replies)
    assert one.get("answered") is answered


def test_an_answer_clears_a_request() -> None:
    """A reply, or any packet of that address, shows that somebody holds it."""
    asks = "14:00:00.000001 ARP, Request who-has 192.0.2.5 tell 192.0.2.1, length 28\n"
    assert len(captured(asks)) == 1
    assert not captured(asks + "14:00:00.000002 ARP, Reply 192.0.2.5 is-at 02:00:00:00:00:05, length 28\n")
    assert not captured(asks + "14:00:00.000003 IP 192.0.2.5.80 > 192.0.2.1.4000: Flags [S.], seq 1, ack 2, length 0\n")


@pytest.mark.parametrize(("said", "fields"), [
    ("ICMP host 10.2.0.9 unreachable - admin prohibited filter, length 68", {"why": "prohibited", "address": "10.2.0.9"}),
    ("ICMP 10.2.0.9 unreachable - need to frag (mtu 1400), length 556", {"why": "too-big", "mtu": 1400}),
    ("ICMP 10.2.0.9 tcp port 80 unreachable, length 68", {"why": "port", "protocol": "tcp", "dport": 80}),
    ("ICMP 10.2.0.9 udp port domain unreachable, length 68", {"why": "port", "protocol": "udp", "dport": 53}),
    ("ICMP 10.2.0.9 protocol 4 unreachable, length 112", {"why": "protocol", "number": 4}),
    ("ICMP host 10.2.0.9 unreachable, length 92", {"why": "host"}),
    ("ICMP net 10.2.0.9 unreachable, length 36", {"why": "net"}),
])  # fmt: skip
def test_icmp_errors(said: str, fields: dict[str, object]) -> None:
    """Every kind of "unreachable" tells who reports it, to whom, about what."""
    (one,) = captured(f"14:00:00.000001 IP 10.0.0.1 > 10.0.0.2: {said}\n")
    assert {"by": "10.0.0.1", "dst": "10.0.0.2", **fields}.items() <= dict(one.fields).items()


@pytest.mark.parametrize("said", ["ICMP echo request, id 12, seq 1, length 64", "ICMP time exceeded in-transit, length 36", "Flags [S], seq 1"])
def test_other_packets_are_no_concern(said: str) -> None:
    """A capture without a fault is evidence that one was made, and no more."""
    found = parse(Source("pasted", f"14:00:00.000001 IP 10.0.0.1 > 10.0.0.2: {said}\n"), Place("n1"))
    assert [f.get("what") for f in found if f.kind not in {"sighting", "capture"}] == ["capture"]


def test_what_an_error_quotes_is_no_packet() -> None:
    """Tcpdump prints the packet that an ICMP error quotes below it, indented by a tab."""
    quoted = f"\tIP (tos 0x0, ttl 64)\n    10.0.0.2.1 > 10.0.0.9.8472: {BAD} OTV\n"
    error = "14:00:00.000001 IP (tos 0xc0)\n    10.0.0.1 > 10.0.0.2: ICMP host 10.0.0.9 unreachable - admin prohibited, length 68\n"
    found = captured(error + quoted)
    assert [f.get("name") for f in found] == ["icmp-error"]


def test_a_prompt_names_the_machine() -> None:
    """A capture under a prompt is that host's."""
    text = "[root@n2 ~]# tcpdump -nn -i eth0 arp\n14:00:00.000001 ARP, Request who-has 192.0.2.5 tell 192.0.2.1, length 28\n"
    (one,) = sections("post.txt", text)
    assert (one.format, one.host, one.command) == ("capture", "n2", "tcpdump -nn -i eth0 arp")


STRAY = """\
09:12:31.284266 docker0 In  IP 172.17.0.2 > 1.1.1.1: ICMP echo request, id 7, seq 1, length 64
09:12:31.284291 tun0 Out IP 10.8.0.9 > 1.1.1.1: ICMP echo request, id 7, seq 1, length 64
09:12:31.388878 tun0 In  IP 1.1.1.1 > 10.8.0.9: ICMP echo reply, id 7, seq 1, length 64
09:12:31.388937 {device} Out IP 1.1.1.1 > 172.17.0.2: ICMP echo reply, id 7, seq 1, length 64
"""


@pytest.mark.parametrize(("device", "stray"), [("tun0", [("172.17.0.2", "docker0", "tun0")]), ("docker0", [])])
def test_answers_that_leave_by_another_device(device: str, stray: list[tuple[str, str, str]]) -> None:
    """Who asks by one device and is answered by others alone never hears; a reply by the same device is none."""
    facts = parse(Source("x", STRAY.format(device=device)), Place("n1"))
    assert [(f.get("address"), f.get("in_device"), f.get("out_device")) for f in facts if f.get("name") == "stray-answer"] == stray


@pytest.mark.parametrize(("order", "told"), [("abab", 1), ("aabb", 0), ("aaaa", 0), ("aba", 1)])
def test_two_stations_that_answer_in_turn(order: str, told: int) -> None:
    """Two MACs that take turns answering for one address are two stations; one that takes over from the other is not."""
    text = "".join(f"14:00:00.{n:06d} ARP, Reply 10.0.0.5 is-at 02:00:00:00:00:0{mac}, length 28\n" for n, mac in enumerate(order))
    assert len([f for f in captured(text) if f.get("name") == "arp-contested"]) == told


def test_many_answers_are_gone_through_once() -> None:
    """A capture of a large segment takes time by its lines, not by their square: 20,000 stations, each heard once."""
    line = "12:00:00.000000 ARP, Reply 10.0.{}.{} is-at 02:00:00:00:00:01, length 28\n"
    text = "".join(line.format(number >> 8, number & 255) for number in range(20_000))
    begin = process_time()
    assert not [fact for fact in parse(Source("cap.txt", text, "tcpdump -n arp"), Place("n1")) if fact.kind == "captured"]
    assert process_time() - begin < 5
