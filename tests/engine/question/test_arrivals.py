"""Packets that arrive, and get no answer."""

from __future__ import annotations

import pytest

from collectors.parsers.tcpdump import parse
from collectors.place import Place
from engine.facts import Fact, FactBase, Source
from engine.question import understand
from engine.question.arrivals import arrived
from tests.engine.question.conftest import fact

SYN = "15:10:01.100200 IP 10.20.0.11.40112 > 10.30.0.20.5432: Flags [S], seq 1, win 64240, length 0\n"
AGAIN = SYN.replace("15:10:01", "15:10:02")
SYN_ACK = "15:10:01.100300 IP 10.30.0.20.5432 > 10.20.0.11.40112: Flags [S.], seq 7, ack 2, length 0\n"
OWN = fact("address", "db1", device="eth0", address="10.30.0.20", prefixlen=24, scope="global", family=4)


def capture(text: str, node: str = "db1") -> list[Fact]:
    """Facts of a capture on a machine."""
    return parse(Source("post", text, "tcpdump -ni eth0 port 5432"), Place(node))


def tried(outcome: str) -> Fact:
    """What a client told."""
    return fact("observed", "hostA", address="10.30.0.20", port=5432, protocol="tcp", program="nc", outcome=outcome)


def test_a_packet_that_arrives() -> None:
    """The machine that holds the address sees the question and sends no answer: the flow is walked from there, once for all its repetitions."""
    (flow,) = arrived(FactBase([OWN, *capture(SYN + AGAIN), tried("timeout")]))
    assert (flow.node, flow.src, flow.dst, flow.port, flow.protocol, flow.to_name) == ("", "10.20.0.11", "10.30.0.20", 5432, "tcp", "db1")


@pytest.mark.parametrize("facts", [
    [OWN, *capture(SYN + SYN_ACK)],
    [OWN, *capture(SYN), tried("connected")],
    [OWN, *capture(SYN, "hostA")],
    capture(SYN),
])
def test_nothing_to_walk(facts: list[Fact]) -> None:
    """It is answered; a client tells so; the capture is another machine's; nobody shows whose address it is."""
    assert arrived(FactBase(facts)) == ()


def test_a_question_takes_it_up() -> None:
    """What a symptom says too little of, a capture tells: whether the machine that was asked takes the packet."""
    facts = FactBase([OWN, *capture(SYN + AGAIN)])
    asked = understand("containers cannot reach the database, timeout", facts).flows
    assert ("10.20.0.11", "10.30.0.20", 5432) in {(f.src, f.dst, f.port) for f in asked}
    assert all(f.src != "10.20.0.11" for f in understand("name resolution fails in containers", facts).flows)
