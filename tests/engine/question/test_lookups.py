"""Symptoms about names: recognised, with the name that was looked up, and asked of the name server."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from engine.question import understand
from engine.question.lookups import about_names, looked_up
from engine.question.tokens import fold

NAMED = [
    ("cannot resolve db", "db"),
    ("curl: (6) Could not resolve host: db", "db"),
    ("ping: db: Temporary failure in name resolution", "db"),
    ('psql: error: could not translate host name "db" to address: Name or service not known', "db"),
    ("** server can't find db.default: NXDOMAIN", "db.default"),
    ("ping: bad address 'db'", "db"),
    ("nslookup db returns SERVFAIL", "db"),
    ("Error: getaddrinfo EAI_AGAIN db", "db"),
    ("Error: getaddrinfo ENOTFOUND db.example.com", "db.example.com"),
    ("java.net.UnknownHostException: db: Name or service not known", "db"),
    ("dial tcp: lookup db on 10.96.0.10:53: no such host", "db"),
    ("wget: unable to resolve host address 'db.example.com'", "db.example.com"),
    ('nginx: [emerg] host not found in upstream "api" in /etc/nginx/nginx.conf:3', "api"),
    ("sudo: unable to resolve host node1: Name or service not known", "node1"),
    ("pod web 解析不了域名 db", "db"),
    ("ping: db: 域名解析暂时失败", "db"), ("cannot resolve anything: nslookup example.com: SERVFAIL", "example.com"),
]
UNNAMED = [
    "5 s delay in lookups", "DNS lookups are slow from pods", "sometimes name resolution takes 5 seconds in pod web",
    "pod web cannot resolve external names", "containers cannot resolve anything", "my pod fails to resolve every name",
    "容器里域名解析失败", "DNS 解析慢，5秒延迟", "Temporary failure in name resolution",
]
OTHERS = ["http requests are slow", "pod cannot reach db: i/o timeout", "connection refused", "web 访问 db 很慢", "redigo: pool exhausted"]


@pytest.mark.parametrize(("text", "name"), NAMED)
def test_named(text: str, name: str) -> None:
    """Each program's own words tell the name, not what stands around it."""
    assert (about_names(fold(text)), looked_up(fold(text))) == (True, name)


@pytest.mark.parametrize("text", UNNAMED)
def test_unnamed(text: str) -> None:
    """A complaint about names in general."""
    assert (about_names(fold(text)), looked_up(fold(text))) == (True, "")


@pytest.mark.parametrize("text", OTHERS)
def test_others(text: str) -> None:
    """Complaints about anything else."""
    assert not about_names(fold(text))


def resolv(*servers: str, stack: str = "host", file: str = "/etc/resolv.conf") -> Fact:
    """A resolv.conf."""
    return Fact("dns_config", {"nameservers": servers, "search": (), "options": (), "file": file}, "n1", stack)


HOST = [Fact("netns", {"name": "host", "role": "host"}, "n1"), Fact("netns", {"name": "web", "role": "container"}, "n1", "web")]


@pytest.mark.parametrize(("symptom", "error"), [
    ("web cannot resolve db", "dns"), ("DNS lookups in web are slow", "slow"), ("web: name resolution sometimes fails", "intermittent"),
    ("web: lookup db on 10.0.0.2:53: read udp 10.1.0.5:3333->10.0.0.2:53: i/o timeout", "timeout"),
])
def test_asks_the_resolver(symptom: str, error: str) -> None:
    """Whatever a complaint about names says of the error, UDP port 53 of the sender's own name server is walked."""
    question = understand(symptom, FactBase([*HOST, resolv("10.0.0.2", stack="web"), resolv("10.9.9.9")]), from_="web")
    assert (question.error_class, question.about_names) == (error, True)
    assert [(f.stack, f.dst, f.port, f.protocol) for f in question.flows] == [("web", "10.0.0.2", 53, "udp")]


def test_no_server_named() -> None:
    """Without a nameserver line the machine itself is asked; resolved's copy is not what programs read."""
    facts = [HOST[0], resolv(), resolv("10.0.0.2", file="/run/systemd/resolve/resolv.conf")]
    assert [f.dst for f in understand("cannot resolve db", FactBase(facts)).flows] == ["127.0.0.1"]


def test_what_is_looked_up_does_not_ask() -> None:
    """A database that does not resolve is not the sender."""
    db = Fact("netns", {"name": "db", "role": "container"}, "n1", "db")
    question = understand('could not translate host name "db" to address', FactBase([*HOST, db, resolv("10.0.0.2", stack="web")]), from_="web")
    assert {f.stack for f in question.flows} == {"web"}
    assert question.name == "db"


def test_port_said() -> None:
    """A port that the complaint names is asked."""
    assert [f.port for f in understand("dns on port 5353 fails", FactBase([HOST[0], resolv("10.0.0.2")])).flows] == [5353]
    assert [f.port for f in understand("cannot resolve db", FactBase([HOST[0], resolv("10.0.0.2")]), port=54).flows] == [54]


@pytest.mark.parametrize("text", ["nslookup: can't resolve 'db': name does not resolve", "nslookup can't find db"])
def test_a_negation_is_no_name(text: str) -> None:
    """What stands between the program and the name that it did not find is none itself."""
    assert looked_up(text) == "db"
