"""Connection tracking entries."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.conntrack import parse
from collectors.place import Place
from engine.facts import Fact, Source

RECORDINGS = Path(__file__).parents[2] / "recordings" / "netfilter"


def facts(text: str, command: str = "", name: str = "pasted") -> list[Fact]:
    """Facts of a text, by the command or the file name that made it."""
    return parse(Source(name, text, command), Place("n1", "web"))


def recorded(name: str) -> str:
    """A recorded output."""
    return (RECORDINGS / name).read_text()


def entries(found: list[Fact]) -> list[dict[str, object]]:
    """Fields of the conntrack facts."""
    return [dict(f.fields) for f in found if f.kind == "conntrack"]


def test_entry_through_dnat() -> None:
    """Original and reply tuples, state, mark and flags of a translated connection."""
    entry = next(e for e in entries(facts(recorded("conntrack-L"))) if e["dst"] == "10.9.0.99")
    timeout = entry.pop("timeout")
    assert isinstance(timeout, int)
    assert 431000 < timeout < 432001
    assert entry == {
        "protocol": "tcp",
        "state": "ESTABLISHED",
        "src": "10.9.0.1",
        "dst": "10.9.0.99",
        "sport": 48002,
        "dport": 80,
        "reply_src": "10.9.0.2",
        "reply_dst": "10.9.0.1",
        "reply_sport": 8080,
        "reply_dport": 48002,
        "mark": 7,
        "unreplied": False,
        "assured": True,
        "family": 4,
    }


def test_unreplied_entry_in_a_zone() -> None:
    """An unanswered UDP flow in a zone; it has no state."""
    entry = next(e for e in entries(facts(recorded("conntrack-L"))) if e["protocol"] == "udp")
    assert (entry["unreplied"], entry["assured"], entry["zone"], "state" in entry) == (True, False, 5, False)


@pytest.mark.parametrize("name", ["conntrack-L-extended", "proc_net_nf_conntrack"])
def test_formats_agree(name: str) -> None:
    """The extended format and /proc hold the same entries; addresses of IPv6 come in canonical form from both."""
    plain = entries(facts(recorded("conntrack-L")))
    other = entries(facts(recorded(name)))
    assert len(plain) == 6
    for one, two in zip(plain, other, strict=True):
        assert {k: v for k, v in two.items() if k != "zone"} == {k: v for k, v in one.items() if k != "zone"}


@pytest.mark.parametrize(
    ("name", "command", "scope"),
    [
        ("conntrack-L", "conntrack -L", "all"),
        ("conntrack-L-extended", "conntrack -L -o extended", "all"),
        ("conntrack-L6", "conntrack -L -f ipv6", "6"),
        ("proc", "cat /proc/net/nf_conntrack", "all"),
        ("conntrack-L", "conntrack -L -p tcp", "tcp"),
        ("conntrack-L", "conntrack -L -s 10.0.0.1", None),
        ("conntrack-L", "conntrack -L | grep 80", None),
        ("v4", "conntrack -L", "4"),
    ],
)
def test_what_is_collected(name: str, command: str, scope: str | None) -> None:
    """The scope is what the command covers; old versions list IPv4 alone, so IPv6 is covered only where it is seen."""
    files = {"conntrack-L6": "conntrack-L-ipv6", "proc": "proc_net_nf_conntrack"}
    text = recorded("conntrack-L") if name == "v4" else recorded(files.get(name, name))
    if name == "v4":
        text = "\n".join(line for line in text.split("\n") if "fd09" not in line)
    found = facts(text, command)
    assert [f.fields["scope"] for f in found if f.kind == "collected"] == ([scope] if scope else [])
    assert not [f for f in found if f.kind == "unparsed"]


def test_summary_and_refusal() -> None:
    """The program's count on stderr is no entry; its refusal is no empty table."""
    assert [f.kind for f in facts(recorded("conntrack-L.stderr"), "conntrack -L")] == ["collected"]
    refusal = "conntrack v1.4.7 (conntrack-tools): Operation failed: sorry, you must be root or get CAP_NET_ADMIN capability to do this"
    assert [f.kind for f in facts(refusal, "conntrack -L")] == ["not_collected"]


def test_offloaded_entry_has_no_timeout() -> None:
    """Flows in a flow table print no seconds; accounting and names of security contexts do not disturb."""
    line = (
        "tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=3 bytes=4 "
        "src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=5 bytes=6 [OFFLOAD] mark=0 "
        "secctx=system_u:object_r:unlabeled_t:s0 use=2"
    )
    (entry,) = entries(facts(line))
    assert ("timeout" in entry, entry["reply_sport"], entry["mark"]) == (False, 2, 0)


@given(
    st.lists(
        st.sampled_from(["tcp 6 5 ESTABLISHED src=1.2.3.4 dst=1 src=::1", "udp 17 src=a dst=b src=c dst=d", "sport=", "x", ""]) | st.text(max_size=30)
    ).map("\n".join)
)
def test_never_raises(text: str) -> None:
    """Any text gives facts; what is no entry is counted."""
    for fact in facts(text, "conntrack -L"):
        assert fact.kind in {"conntrack", "collected", "not_collected", "unparsed"}
