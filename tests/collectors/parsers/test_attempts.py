"""What client programs saw, recorded from those programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import from_command, sections
from collectors.evidence import read
from collectors.parsers.attempts import parse
from collectors.place import Place
from engine.facts import HOST, Source

RECORDED = Path(__file__).parents[2] / "recordings" / "attempts"
DB = "10.9.0.2"
NX = "nosuch.example.com"


def observed(text: str, command: str = "") -> list[dict[str, Any]]:
    """Fields of the facts of a text."""
    facts = parse(Source("x", text, command), Place("n1"))
    assert {f.kind for f in facts} <= {"observed"}
    return [dict(f.fields) for f in facts]


CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("ping-ok", "", {"program": "ping", "name": "db", "address": DB, "protocol": "icmp", "outcome": "connected", "lost": 0}),
    ("ping-loss", "", {"address": DB, "outcome": "timeout", "lost": 2}),
    ("ping-unreachable", "", {"address": "10.9.0.77", "outcome": "EHOSTUNREACH", "by": "10.9.0.1", "why": "host"}),
    ("ping-from-router", "", {"address": "192.0.2.1", "outcome": "EHOSTUNREACH", "by": DB, "why": "host"}),
    ("ping-prohibited", "", {"address": "192.0.2.1", "outcome": "EHOSTUNREACH", "by": DB, "why": "prohibited"}),
    ("ping-mtu", "", {"address": DB, "outcome": "EMSGSIZE", "mtu": 1400}),
    ("ping-net", "ping -c1 192.0.2.1", {"address": "192.0.2.1", "outcome": "ENETUNREACH"}),
    ("ping-net", "", {"outcome": "ENETUNREACH"}),
    ("ping-unknown", "", {"name": NX, "outcome": "unresolved"}),
    ("busybox-ping", "", {"address": DB, "outcome": "connected", "lost": 0}),
    ("curl-ok", "", {"program": "curl", "name": "db", "address": DB, "port": 8080, "protocol": "tcp", "outcome": "connected"}),
    ("curl-refused", "", {"name": "db", "address": DB, "port": 81, "outcome": "ECONNREFUSED"}),
    ("curl-refused-short", "", {"name": "db", "port": 81, "outcome": "failed"}),
    ("curl-timeout", "", {"address": DB, "port": 82, "outcome": "timeout"}),
    ("curl-host", "", {"address": "192.0.2.1", "port": 80, "outcome": "EHOSTUNREACH"}),
    ("curl-unknown", "", {"name": NX, "outcome": "unresolved"}),
    ("nc-ok", "", {"program": "nc", "address": DB, "port": 8080, "outcome": "connected"}),
    ("nc-refused", "", {"name": "db", "address": DB, "port": 81, "outcome": "ECONNREFUSED"}),
    ("nc-timeout", "", {"address": DB, "port": 82, "outcome": "timeout"}),
    ("busybox-nc", "", {"address": DB, "outcome": "ECONNREFUSED"}),
    ("telnet-refused", "telnet 10.9.0.2 81", {"program": "telnet", "address": DB, "port": 81, "outcome": "ECONNREFUSED"}),
    ("telnet-ok", "telnet 10.9.0.2 8080", {"address": DB, "port": 8080, "outcome": "connected"}),
    ("busybox-telnet", "", {"address": DB, "outcome": "ECONNREFUSED"}),
    ("nslookup-ok", "", {"program": "nslookup", "name": "db.example.com", "server": DB, "outcome": "resolved", "addresses": (DB,)}),
    ("nslookup-nx", "", {"name": NX, "rcode": "NXDOMAIN", "server": DB, "outcome": "unresolved"}),
    ("nslookup-fail", "", {"name": "fail.example.com", "rcode": "SERVFAIL", "outcome": "unresolved"}),
    ("nslookup-timeout", "", {"address": "10.9.0.1", "port": 53, "protocol": "udp", "outcome": "ECONNREFUSED"}),
    ("busybox-nslookup", "", {"name": "db.example.com", "server": DB, "addresses": (DB,)}),
    ("busybox-nslookup-nx", "", {"name": NX, "rcode": "NXDOMAIN", "outcome": "unresolved"}),
    ("dig-ok", "", {"program": "dig", "name": "db.example.com", "server": DB, "outcome": "resolved", "addresses": (DB,)}),
    ("dig-nx", "", {"name": NX, "rcode": "NXDOMAIN", "outcome": "unresolved"}),
    ("dig-fail", "", {"rcode": "SERVFAIL", "outcome": "unresolved"}),
    ("dig-timeout", "", {"name": "slow.example.com", "address": DB, "port": 53, "outcome": "timeout"}),
    ("dig-refused", "", {"name": "db.example.com", "address": "10.9.0.1", "outcome": "ECONNREFUSED"}),
    ("dig-short", "dig +short db.example.com", {"name": "db.example.com", "addresses": (DB,), "outcome": "resolved"}),
    ("host-ok", "host db.example.com", {"name": "db.example.com", "program": "host", "addresses": (DB,)}),
    ("host-nx", "", {"name": NX, "rcode": "NXDOMAIN", "outcome": "unresolved"}),
    ("host-timeout", "host slow.example.com", {"name": "slow.example.com", "address": DB, "outcome": "timeout"}),
    ("getent-ok", "getent hosts db", {"program": "getent", "name": "db", "addresses": (DB,), "outcome": "resolved"}),
    ("getent-none", f"getent hosts {NX}", {"name": NX, "outcome": "unresolved"}),
]


@pytest.mark.parametrize(("name", "command", "expected"), CASES, ids=[f"{name}{' (command)' * bool(command)}" for name, command, _ in CASES])
def test_recordings(name: str, command: str, expected: dict[str, Any]) -> None:
    """Each program's output becomes one attempt with its target and its outcome."""
    (found,) = observed((RECORDED / name).read_text(encoding="utf-8"), command)
    assert found | expected == found


@pytest.mark.parametrize("path", sorted(RECORDED.iterdir()), ids=lambda path: path.name)
def test_content_tells_the_format(path: Path) -> None:
    """Outputs are recognised by what they look like, but for bare addresses, which only a command line explains."""
    text = path.read_text(encoding="utf-8")
    bare = path.name in {"getent-ok", "getent-none", "dig-short"}
    assert {s.format for s in sections("pasted", text)} == ({""} if bare else {"attempt"})


@pytest.mark.parametrize(("command", "format_name"), [
    ("ping -c 3 db", "attempt"), ("curl -v http://db:5432", "attempt"),
    ("docker exec web curl -v http://db", "attempt"), ("host db.example.com", "attempt"),
    ("getent hosts db", "attempt"), ("getent hosts db; echo $?", "attempt"), ("ssh host ip route", "route"), ("kubectl get pods curl", "kubernetes"),
])
def test_commands(command: str, format_name: str) -> None:
    """Client programs are known by their command lines; their names as arguments of others mean nothing."""
    hint = from_command(command)
    assert hint is not None
    assert hint.format == format_name


def test_a_terminal(tmp_path: Path) -> None:
    """In a pasted terminal each output has its command line and its machine; listings beside them are read as ever."""
    text = "\n".join([
        "root@web:~# ip route", "10.9.0.0/24 dev eth0 proto kernel scope link src 10.9.0.1", "root@web:~# telnet 10.9.0.2 81",
        (RECORDED / "telnet-refused").read_text(encoding="utf-8").rstrip(), "root@web:~# getent hosts db", "10.9.0.2        db",
        "root@web:~# ping -c2 db", (RECORDED / "ping-loss").read_text(encoding="utf-8"),
    ])
    (tmp_path / "pasted.txt").write_text(text, encoding="utf-8")
    evidence = read([tmp_path / "pasted.txt"])
    found = [(f.node, f.stack, f.get("program"), f.get("port"), f.get("outcome")) for f in evidence.facts if f.kind == "observed"]
    assert found == [
        ("web", HOST, "telnet", 81, "ECONNREFUSED"), ("web", HOST, "getent", None, "resolved"), ("web", HOST, "ping", None, "timeout"),
    ]
    assert len([f for f in evidence.facts if f.kind == "route"]) == 1
    assert not evidence.warnings


def test_several_attempts_in_a_row() -> None:
    """Outputs one below the other are attempts of their own."""
    texts = [(RECORDED / name).read_text(encoding="utf-8") for name in ("ping-ok", "ping-loss", "curl-refused", "nc-ok", "dig-nx", "curl-timeout")]
    found = [(f["program"], f["outcome"]) for f in observed("\n".join(texts))]
    assert found == [
        ("ping", "connected"), ("ping", "timeout"), ("curl", "ECONNREFUSED"), ("nc", "connected"), ("dig", "unresolved"), ("curl", "timeout"),
    ]


@pytest.mark.parametrize(("text", "outcome"), [("2\n", "unresolved"), ("10.9.0.2        db\n0\n", "resolved")])
def test_a_status_that_the_shell_tells(tmp_path: Path, text: str, outcome: str) -> None:
    """``getent …; echo $?`` that prints nothing but 2 found no such name."""
    (tmp_path / "post.txt").write_text(f"me@web:~$ getent hosts db; echo $?\n{text}me@web:~$ hostname\nweb\n", encoding="utf-8")
    assert [(f.get("name"), f.get("outcome")) for f in read([tmp_path]).facts if f.kind == "observed"] == [("db", outcome)]


def test_remarks_are_no_commands(tmp_path: Path) -> None:
    """Remarks that begin like a client program's name do not end the listing that they stand in."""
    text = "127.0.0.1 localhost\n# host names of others\n10.9.0.2 db\n# ping the database first\n10.9.0.3 cache\n"
    (tmp_path / "etc_hosts").write_text(text, encoding="utf-8")
    names = {name for f in read([tmp_path]).facts if f.kind == "hosts_entry" for name in f.get("names", ())}
    assert {"db", "cache"} <= names


@given(st.text(max_size=300), st.sampled_from(["", "ping x", "telnet x y", "nc x 99999", "curl", "dig @1.1.1.1", "getent hosts", "host"]))
def test_no_text_breaks_it(text: str, command: str) -> None:
    """Whatever is pasted, the parser gives facts that have an outcome."""
    assert all(f["outcome"] for f in observed(text, command))


def test_a_search_domain_that_answered() -> None:
    """A name that was answered with a domain behind it was searched for; the fact tells both."""
    text = "Server:\t\t10.0.0.10\nAddress:\t10.0.0.10#53\n\nName:\twww.example.com.corp.example\nAddress: 192.0.2.7\n"
    (one,) = parse(Source("x", text, "nslookup www.example.com"), Place("n1"))
    assert (one.get("name"), one.get("answered"), one.get("addresses")) == ("www.example.com", "www.example.com.corp.example", ("192.0.2.7",))
    (same,) = parse(Source("x", text.replace(".corp.example", ""), "nslookup www.example.com"), Place("n1"))
    assert (same.get("name"), same.get("answered")) == ("www.example.com", None)


NSLOOKUP = """Server:\t\t1.1.1.1
Address:\t1.1.1.1#53

Non-authoritative answer:
api.corp.example\tcanonical name = host.other.example.
Name:\thost.other.example
Address: 203.0.113.17
"""
HOST_ALIAS = "api.corp.example is an alias for host.other.example.\nhost.other.example has address 203.0.113.17\n"
DIG = """; <<>> DiG 9.18 <<>> www.example.com
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1

;; ANSWER SECTION:
www.example.com.\t60\tIN\tCNAME\tedge.example.net.
edge.example.net.\t60\tIN\tA\t203.0.113.18
"""
PINGED = "PING {} (203.0.113.17) 56(84) bytes of data.\n\n1 packets transmitted, 1 received, 0% packet loss\n"


@pytest.mark.parametrize(("command", "text", "told"), [
    ("nslookup api", NSLOOKUP, ("api", "api.corp.example", "host.other.example", ("203.0.113.17",))),
    ("host api", HOST_ALIAS, ("api", "api.corp.example", "host.other.example", ("203.0.113.17",))),
    ("dig www.example.com", DIG, ("www.example.com", None, "edge.example.net", ("203.0.113.18",))),
    ("ping -c1 api", PINGED.format("host.other.example"), ("api", None, "host.other.example", None)),
    ("ping -c1 api", PINGED.format("api.corp.example"), ("api", "api.corp.example", None, None)),
    ("ping -c1 api", PINGED.format("api"), ("api", None, None, None)),
])  # fmt: skip
def test_what_a_name_is_an_alias_of(command: str, text: str, told: tuple[object, ...]) -> None:
    """The fact tells the name that was asked for, with which domain it was answered, and where the chain of aliases ends."""
    (one,) = parse(Source("x", text, command), Place("n1"))
    assert tuple(one.get(field) for field in ("name", "answered", "canonical", "addresses")) == told


@pytest.mark.parametrize("command", ["nslookup shop.example.com", "dig shop.example.com", ""])
def test_an_answer_from_a_stranger(command: str) -> None:
    """A resolver says who answered in place of the server that it asked; that it gives up afterwards adds nothing."""
    line = ";; reply from unexpected source: 10.1.0.6#53, expected 10.96.0.10#53\n"
    for text in (line * 2, line + ";; connection timed out; no servers could be reached\n"):
        (told,) = observed(text, command)
        assert told.items() >= {"outcome": "stranger", "by": "10.1.0.6", "server": "10.96.0.10"}.items()
    assert [s.format for s in sections("pasted.txt", line)] == ["attempt"]


def test_busybox_names_its_server_twice() -> None:
    """Its "Address 1" below the server is the server's own; only what follows the name is an answer."""
    server = "Server:    10.0.0.10\nAddress 1: 10.0.0.10 dns.example\n"
    (failed,) = parse(Source("x", server, "nslookup web"), Place("n1"))
    assert (failed.get("outcome"), failed.get("addresses")) == ("unresolved", None)
    (found,) = parse(Source("x", f"{server}\nName:      web\nAddress 1: 10.0.0.7 web.example\n", "nslookup web"), Place("n1"))
    assert (found.get("outcome"), found.get("addresses")) == ("resolved", ("10.0.0.7",))


@pytest.mark.parametrize(("text", "outcome"), [
    ("Connecting to shop (10.96.0.7:80)\nwget: download timed out\n", "timeout"),
    ("Connecting to shop:80 (10.96.0.7:80)\nremote file exists\n", "connected"),
    ("Connecting to shop (10.96.0.7:80)\nsaving to 'index.html'\nindex.html  100% |*****|   612  0:00:00 ETA\n", "connected"),
    ("Connecting to shop (10.96.0.7:80)\nwget: server returned error: HTTP/1.1 404 Not Found\n", "connected"),
    ("Connecting to shop (10.96.0.7:80)\nwget: can't connect to remote host (10.96.0.7): Connection refused\n", "ECONNREFUSED"),
    ("Connecting to shop (shop)|10.96.0.7|:80... connected.\nHTTP request sent, awaiting response... 200 OK\n", "connected"),
    ("Connecting to shop (shop)|10.96.0.7|:80... failed: Connection timed out.\nRetrying.\n", "timeout"),
])  # fmt: skip
def test_wget(text: str, outcome: str) -> None:
    """Both wgets, busybox' and GNU's, tell where they connect and how it ended; what did not end tells nothing."""
    (found,) = observed(text, "")
    assert (found["program"], found["name"], found["address"], found["port"], found["outcome"]) == ("wget", "shop", "10.96.0.7", 80, outcome)
    assert [s.format for s in sections("pasted", text)] == ["attempt"]
    assert not observed("Connecting to shop (10.96.0.7:80)\n", "")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("dig @10.20.0.53 db.corp", ";; no servers could be reached"),
        ("", "; <<>> DiG 9.18.24 <<>> @10.20.0.53 db.corp\n; (1 server found)\n;; global options: +cmd\n;; no servers could be reached"),
        ("docker exec web nslookup -timeout=2 db.corp 10.20.0.53", ";; connection timed out; no servers could be reached"),
        ("host -W 2 db.corp 10.20.0.53", ";; connection timed out; no servers could be reached"),
    ],
)
def test_the_server_that_a_command_names(command: str, text: str) -> None:
    """Where a look-up's own words name the server, a server that did not answer is that one."""
    (fact,) = [f for f in parse(Source("t", text, command), Place("n1")) if f.kind == "observed"]
    assert {name: fact.get(name) for name in ("server", "address", "port", "outcome")} == {
        "server": "10.20.0.53", "address": "10.20.0.53", "port": 53, "outcome": "timeout",
    }  # fmt: skip


def test_the_second_word_of_dig_is_no_server() -> None:
    """``dig NAME TYPE`` and ``getent hosts NAME`` name no server, nor does a server's own name."""
    for command in ("dig db.corp AAAA", "nslookup db.corp ns1.corp", "dig @ns1.corp db.corp"):
        facts = parse(Source("t", ";; no servers could be reached", command), Place("n1"))
        assert [f.get("server") for f in facts if f.kind == "observed"] == [None]
