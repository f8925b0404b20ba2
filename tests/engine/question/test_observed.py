"""What client programs saw, where the symptom does not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.facts import HOST, Fact, FactBase, Source
from engine.question import understand
from engine.question.observed import outcome_of

if TYPE_CHECKING:
    from engine.findings import Question


def seen(node: str, stack: str, **fields: Any) -> Fact:
    """An attempt."""
    return Fact("observed", fields, node, stack, Source("pasted.txt"), 3)


CURL = seen("n1", "pod-a", program="curl", name="db", address="10.2.0.9", port=5433, protocol="tcp", outcome="ECONNREFUSED")
PING = seen("n1", "web", program="ping", address="192.168.1.11", protocol="icmp", outcome="timeout")
OUTSIDE = seen("n1", HOST, program="curl", address="192.168.1.10", port=8081, protocol="tcp", outcome="EHOSTUNREACH")
HOME = seen("n1", HOST, program="curl", name="localhost", protocol="tcp", outcome="reset")
FINE = seen("n1", "pod-a", program="nc", address="10.2.0.9", port=9999, protocol="tcp", outcome="connected")
LOOKUP = seen("n1", "pod-a", program="getent", name="shop.example.com", outcome="resolved", addresses=("10.9.9.9",))
FAILED_LOOKUP = seen("n1", "pod-a", program="nslookup", name="nosuch.example.com", outcome="unresolved", rcode="NXDOMAIN", server="10.96.0.10")


def flows(question: Question) -> list[str]:
    """Flows on one line each."""
    return [f"{f.node}/{f.stack} > {f.dst}:{f.port}/{f.protocol}" for f in question.flows]


@pytest.mark.parametrize(("symptom", "options", "attempt", "flow", "error"), [
    ("it does not work", {}, CURL, "n1/pod-a > 10.2.0.9:5433/tcp", "ECONNREFUSED"),
    ("cannot reach db", {}, CURL, "n1/pod-a > 10.2.0.9:5433/tcp", "ECONNREFUSED"),
    ("", {"to": "10.2.0.9"}, CURL, "n1/pod-a > 10.2.0.9:5433/tcp", "ECONNREFUSED"),
    ("cannot reach db: i/o timeout", {}, CURL, "n1/pod-a > 10.2.0.9:5433/tcp", "timeout"),
    ("web cannot reach db", {}, CURL, "n1/web > 10.2.0.9:5433/tcp", ""),
    ("pod-a cannot reach db", {}, CURL, "n1/pod-a > 10.2.0.9:5433/tcp", "ECONNREFUSED"),
    ("cannot reach db port 5433", {}, CURL, "n1/pod-a > 10.2.0.9:5433/tcp", "ECONNREFUSED"),
    ("curl http://localhost:8080 fails, the container runs", {}, HOME, "n1/host > 127.0.0.1:8080/tcp", "reset"),
    ("pod-a cannot reach localhost:8080", {}, HOME, "n1/pod-a > 127.0.0.1:8080/tcp", ""),
    ("published port 8081 of the container web does not work", {}, OUTSIDE, "n1/host > 192.168.1.10:8081/tcp", "EHOSTUNREACH"),
    ("it does not work", {}, PING, "n1/web > 192.168.1.11:0/icmp", "timeout"),
    ("pod-a cannot reach shop.example.com port 80", {}, LOOKUP, "n1/pod-a > 10.9.9.9:80/tcp", ""),
])
def test_attempts_say_what_the_symptom_does_not(  # noqa: PLR0917 - the columns of the table
    lab: FactBase, symptom: str, options: dict[str, Any], attempt: Fact, flow: str, error: str
) -> None:
    """Sender, target, port and error come from a failed attempt as far as neither the text nor an option says them."""
    question = understand(symptom, lab.plus([attempt]), **options)
    assert (flows(question), question.error_class) == ([flow], error)
    assert not any(f.guessed for f in question.flows)


def test_what_it_was_taken_for_is_said(lab: FactBase) -> None:
    """The assumption names the program, the place, the target, the outcome and the line."""
    said = [a.text for a in understand("it does not work", lab.plus([CURL])).assumptions]
    assert any("curl saw on n1/pod-a: 10.2.0.9 tcp/5433 ECONNREFUSED (pasted.txt:3)" in text["en"] for text in said)
    assert outcome_of(PING) == "ping saw on n1/web: 192.168.1.11 timeout (pasted.txt:3)"


def test_an_attempt_at_another_port_or_inside_is_not_at_the_published_one(lab: FactBase) -> None:
    """A published port is asked for at a node's address, and by its own number."""
    inside = seen("n1", HOST, address="10.1.0.6", port=8082, protocol="tcp", outcome="ECONNREFUSED")
    plain = understand("published port 8082 of the container web does not work", lab)
    assert understand("published port 8082 of the container web does not work", lab.plus([OUTSIDE, inside])).error_class == plain.error_class


OTHERS = ["pod-a cannot reach web", "pod-a cannot resolve names", "cannot reach db port 6379", "pod-a cannot reach db:6379"]


@pytest.mark.parametrize("symptom", OTHERS)
def test_other_attempts_are_no_concern(lab: FactBase, symptom: str) -> None:
    """A question about another target, or about names, is answered as without the attempt; so is one beside which everything worked."""
    plain = understand(symptom, lab)
    assert understand(symptom, lab.plus([CURL, PING])) == plain
    assert flows(understand("it does not work", lab.plus([LOOKUP]))) == flows(understand("it does not work", lab))


def test_a_look_up_that_failed_is_about_names(lab: FactBase) -> None:
    """A name that was not found gives the error class."""
    assert understand("it does not work", lab.plus([FAILED_LOOKUP])).error_class == "dns"


def test_a_port_that_a_program_tried_is_no_guess(lab: FactBase) -> None:
    """The port of an attempt on the target is better than its listening ones, also if another stack made it, and it worked."""
    tried = seen("n1", HOST, address="10.1.0.5", port=8443, protocol="tcp", outcome="connected")
    question = understand("web cannot reach pod-a: connection refused", lab.plus([tried]))
    assert [(f.port, f.guessed) for f in question.flows] == [(8443, False)]


def test_the_attempt_that_says_most_counts(lab: FactBase) -> None:
    """Of several failed attempts one with a port is taken."""
    assert flows(understand("it does not work", lab.plus([PING, CURL, FINE]))) == ["n1/pod-a > 10.2.0.9:5433/tcp"]


def test_a_lookup_asks_the_server_that_was_asked(lab: FactBase) -> None:
    """Where nothing shows a sender's resolv.conf, its names are asked of the server that a look-up in the evidence asked."""
    assert flows(understand("web cannot resolve db.corp", lab.plus([seen("n1", "web", program="dig", server="10.20.0.53", outcome="timeout")]))) == [
        "n1/web > 10.20.0.53:53/udp"
    ]
