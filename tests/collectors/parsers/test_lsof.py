"""``lsof -i``: listeners, and nothing from what it leaves out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import sections
from collectors.parsers.lsof import parse
from collectors.place import Place
from engine.facts import Source

OUTPUT = """\
COMMAND     PID USER   FD   TYPE DEVICE SIZE/OFF NODE NAME
docker-pr  7088 root    4u  IPv6 232537      0t0  TCP *:5000 (LISTEN)
python3    7090  dev    3u  IPv4  24511      0t0  TCP 127.0.0.1:8899 (LISTEN)
python3    7090  dev    4u  IPv4  24512      0t0  TCP 127.0.0.1:8899->127.0.0.1:40112 (ESTABLISHED)
mysqld      901 mysql  22u  IPv4  11811      0t0  TCP localhost:mysql (LISTEN)
dnsmasq     640 nobody  6u  IPv4  10001      0t0  UDP 10.1.0.1:domain
caddy       711 www     7u  IPv6  10044      0t0  TCP [::1]:2019 (LISTEN)
"""


def test_listeners() -> None:
    """Addresses and ports by number or by the names that lsof prints; connections are left out."""
    facts = parse(Source("x", OUTPUT), Place("n1"))
    assert [(f.get("protocol"), f.get("address"), f.get("port"), f.get("process")) for f in facts] == [
        ("tcp", "::", 5000, "docker-pr"),
        ("tcp", "127.0.0.1", 8899, "python3"),
        ("tcp", "127.0.0.1", 3306, "mysqld"),
        ("udp", "10.1.0.1", 53, "dnsmasq"),
        ("tcp", "::1", 2019, "caddy"),
    ]
    assert {f.kind for f in facts} == {"socket"}


def test_recognised_by_its_heading() -> None:
    """Whatever the file is called."""
    assert [s.format for s in sections("who.txt", f"who listens:\n{OUTPUT}")] == ["lsof"]


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    """A parser does not raise; what it does not know is counted."""
    parse(Source("x", text), Place("n1"))
