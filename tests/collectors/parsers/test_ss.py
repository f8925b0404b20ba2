"""Sockets, however they were printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.parsers.ss import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact
    from tests.collectors.parsers.conftest import Recorded

KEY = ["protocol", "state", "address", "port"]
LISTEN = {("sockets", "tcp-listen", 0)}
UNCONNECTED = {("sockets", "udp-listen", 0)}
EVERY = LISTEN | UNCONNECTED | {("sockets", "tcp", 0), ("sockets", "udp", 0)}


def part(facts: Sequence[Fact], covered: set[tuple[object, ...]]) -> list[Fact]:
    """Those facts that a listing of the given coverage shows."""
    scopes = {each[1] for each in covered}
    states = {"LISTEN": "tcp-listen", "UNCONN": "udp-listen"}
    return [fact for fact in facts if {fact.get("protocol"), states.get(fact.get("state"), "")} & scopes]


@pytest.mark.parametrize(
    ("options", "covered"),
    [
        ("-anp", EVERY),
        ("-peaonmi", EVERY),
        ("-lntp", LISTEN),
        ("-tlnpH", LISTEN),
        ("-lnup", UNCONNECTED),
        ("-lntup", LISTEN | UNCONNECTED),
        ("-tulnpO", LISTEN | UNCONNECTED),
        ("-tulne", LISTEN | UNCONNECTED),
        ("-tan", LISTEN | {("sockets", "tcp", 0)}),
        ("-uan", UNCONNECTED | {("sockets", "udp", 0)}),
    ],
)
def test_every_printing_of_ss_gives_the_same_facts(recorded: Recorded, options: str, covered: set[tuple[object, ...]]) -> None:
    """With and without the Netid column, a heading, memory, timers and processes: what is covered is listed the same."""
    reference, facts = recorded.parse(parse, "ss -tuanp"), recorded.parse(parse, f"ss {options}")
    assert recorded.disagreements(part(reference, covered), facts, "socket", KEY) == []
    assert recorded.covered(facts) == covered


@pytest.mark.parametrize(
    ("command", "tool", "covered"),
    [
        ("netstat -anp", "net-tools", EVERY),
        ("netstat -W -neopa", "net-tools", EVERY),
        ("netstat -an", "busybox", EVERY),
        ("netstat -lntp", "net-tools", LISTEN),
        ("netstat -lnt", "busybox", LISTEN),
        ("netstat -lntup", "net-tools", LISTEN | UNCONNECTED),
        ("netstat -lnW", "net-tools", LISTEN | UNCONNECTED),
        ("netstat -tan", "net-tools", LISTEN | {("sockets", "tcp", 0)}),
    ],
)
def test_netstat_agrees(recorded: Recorded, command: str, tool: str, covered: set[tuple[object, ...]]) -> None:
    """Netstat names states otherwise and shows no bound device; the sockets are the same."""
    reference, facts = recorded.parse(parse, "ss -tuanp"), recorded.parse(parse, command, tool)
    assert recorded.disagreements(part(reference, covered), facts, "socket", KEY) == []
    assert recorded.covered(facts) == covered
    assert recorded.unparsed(facts) == 0


def test_addresses(recorded: Recorded) -> None:
    """Wildcards, mapped addresses, bound devices, peers and processes."""
    facts = recorded.parse(parse, "ss -tuanp")
    assert recorded.only(facts, "socket", port=80).fields.items() >= {"address": "::", "v6only": False, "family": 6}.items()
    assert recorded.only(facts, "socket", port=6443).fields.items() >= {"address": "::", "v6only": True}.items()
    assert recorded.only(facts, "socket", port=8080).fields.items() >= {"address": "0.0.0.0", "family": 4, "process": "python3"}.items()
    assert recorded.only(facts, "socket", port=7000).fields.items() >= {"address": "192.0.2.5", "family": 4}.items()
    assert recorded.only(facts, "socket", port=8443).get("device") == "eth0"
    assert recorded.only(facts, "socket", port=53).fields.items() >= {"address": "127.0.0.53", "device": "lo", "protocol": "udp"}.items()
    assert recorded.only(facts, "socket", port=40000).fields.items() >= {"peer_address": "192.0.2.1", "peer_port": 9000, "state": "ESTAB"}.items()
    assert "peer_port" not in recorded.only(facts, "socket", port=8080).fields
    assert "process" not in recorded.only(facts, "socket", port=8472).fields


@pytest.mark.parametrize("command", ["ss -tn", "ss -lxn", "ss -s", "ss -lnt sport = :80", "ss -lnt | grep 80", "netstat -tn", "ss"])
def test_listings_that_cover_no_listener(recorded: Recorded, command: str) -> None:
    """Established sockets only, UNIX sockets only, a summary, a filter or a pipe: absent listeners may exist."""
    text = recorded.source("ss -tn").text
    assert recorded.covered(recorded.text(parse, text, command)) == set()


def test_a_summary_is_no_listing(recorded: Recorded) -> None:
    """``ss -s`` gives neither facts nor complaints."""
    assert recorded.parse(parse, "ss -s") == []


def test_without_a_command_line_the_content_decides(recorded: Recorded) -> None:
    """Listening TCP rows claim listening TCP sockets only."""
    assert recorded.covered(recorded.text(parse, recorded.source("ss -lntp").text)) == LISTEN
    assert recorded.covered(recorded.text(parse, recorded.source("ss -lntup").text)) == LISTEN | UNCONNECTED
    assert recorded.covered(recorded.text(parse, recorded.source("ss -tn").text)) == set()
    assert recorded.covered(recorded.text(parse, recorded.source("netstat -lntp", "net-tools").text, "netstat")) == LISTEN


def test_an_empty_listing(recorded: Recorded) -> None:
    """A heading without rows says that nothing listens; an error says nothing."""
    assert recorded.covered(recorded.text(parse, "State Recv-Q Send-Q Local Address:Port Peer Address:Port\n", "ss -lnt")) == LISTEN
    assert recorded.covered(recorded.text(parse, "", "ss -H -4 -lnt")) == {("sockets", "tcp-listen", 4)}
    assert recorded.covered(recorded.text(parse, "bash: ss: command not found\n", "ss -lnt")) == set()


def test_the_form_before_iproute2_4(recorded: Recorded) -> None:
    """Old versions print ``*`` for the IPv4 wildcard, IPv6 without brackets, and processes without words."""
    text = """State      Recv-Q Send-Q  Local Address:Port  Peer Address:Port
LISTEN     0      128     :::22                :::*      users:(("sshd",101,4))
LISTEN     0      128     *:22                 *:*       users:(("sshd",101,3))
"""
    facts = recorded.text(parse, text, "ss -lntp")
    assert [(fact.get("address"), fact.get("family"), fact.get("process"), fact.get("pid")) for fact in facts if fact.kind == "socket"] == [
        ("::", 6, "sshd", 101),
        ("0.0.0.0", 4, "sshd", 101),
    ]


def test_ports_by_name(recorded: Recorded) -> None:
    """Without ``-n``, well-known ports are printed by name; an unknown name is not guessed."""
    facts = recorded.text(parse, "LISTEN 0 128 0.0.0.0:ssh 0.0.0.0:*\nLISTEN 0 128 0.0.0.0:no-such-port 0.0.0.0:*\n", "ss -lt")
    assert recorded.only(facts, "socket").get("port") == 22
    assert recorded.unparsed(facts) == 1


def test_programs_with_blanks(recorded: Recorded) -> None:
    """Netstat prints ``812/nginx: master``; the first word names the program."""
    line = "tcp        0      0 0.0.0.0:80              0.0.0.0:*               LISTEN      812/nginx: master p\n"
    assert recorded.only(recorded.text(parse, line, "netstat -lntp"), "socket").fields.items() >= {"process": "nginx", "pid": 812}.items()
