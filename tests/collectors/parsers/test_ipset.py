"""ipset listings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.ipset import parse
from collectors.place import Place
from engine.facts import Fact, Source

RECORDINGS = Path(__file__).parents[2] / "recordings" / "netfilter"
PLACE = Place("n1", "web")


def facts(text: str, command: str = "") -> list[Fact]:
    """Facts of a text, by the command or the file name that made it."""
    return parse(Source("pasted", text, command), PLACE)


def recorded(name: str) -> str:
    """A recorded output."""
    return (RECORDINGS / name).read_text()


def sets(found: list[Fact]) -> dict[str, Fact]:
    """The ipset facts by name."""
    return {f.fields["name"]: f for f in found if f.kind == "ipset"}


def test_list_and_save_agree() -> None:
    """``ipset list`` and ``ipset save`` of one kernel give the same sets, types, families and members."""
    listed, saved = sets(facts(recorded("ipset-list"), "ipset list")), sets(facts(recorded("ipset-save"), "ipset save"))
    keys = ("name", "type", "family", "members")
    assert {n: [f.get(k) for k in keys] for n, f in listed.items()} == {n: [f.get(k) for k in keys] for n, f in saved.items()}
    assert len(listed) == 10
    assert listed["nets"].fields["members"] == (
        "10.1.0.0/16 timeout 59 nomatch packets 0 bytes 0",
        '10.0.0.0/8 timeout 0 packets 0 bytes 0 comment "a note"',
    )
    assert (listed["six"].get("family"), listed["bip"].get("family"), listed["ports"].get("family"), listed["lists"].get("family")) == (
        6,
        4,
        None,
        None,
    )
    assert listed["empty"].fields["members"] == ()


@pytest.mark.parametrize("name", ["ipset-list", "ipset-save"])
def test_members_know_their_lines(name: str) -> None:
    """Each member's line holds the member."""
    for found in sets(facts(recorded(name))).values():
        for member, line in zip(found.fields["members"], found.fields["member_lines"], strict=True):
            assert found.source.line(line).endswith(member)


@pytest.mark.parametrize(
    ("name", "command", "whole"),
    [
        ("ipset-list", "ipset list", True),
        ("ipset-list", "", True),
        ("ipset-save", "ipset save", True),
        ("ipset-list-t", "ipset list -t", True),
        ("ipset-list-n", "ipset list -n", True),
        ("ipset-list-ips", "ipset list ips", False),
        ("ipset-list-ips", "", False),
        ("ipset-list", "ipset list | head", False),
    ],
)
def test_what_is_collected(name: str, command: str, whole: bool) -> None:
    """All sets were seen if the command asked for all; one set of unknown origin proves nothing about others."""
    found = facts(recorded(name), command)
    assert [f.fields for f in found if f.kind == "collected"] == ([{"what": "ipsets", "scope": "all"}] if whole else [])
    assert not [f for f in found if f.kind == "unparsed"]


@pytest.mark.parametrize(("name", "command"), [("ipset-list-t", "ipset list -t"), ("ipset-list-n", "ipset list -n")])
def test_terse_listings_leave_members_unknown(name: str, command: str) -> None:
    """Without its members shown a set is not empty but unknown."""
    found = sets(facts(recorded(name), command))
    assert len(found) == 10
    assert all("members" not in f.fields for f in found.values())


def test_cut_off_listing() -> None:
    """A last set with fewer members than it counts has unknown members, and the list of sets is not whole."""
    text = recorded("ipset-list")
    found = facts(text[: text.index("10.0.0.2\n")], "ipset list")
    assert "members" not in sets(found)["ips"].fields
    assert "members" in sets(found)["nets"].fields
    assert not [f for f in found if f.kind == "collected"]


def test_no_sets_and_no_program() -> None:
    """Nothing printed by a known command means no sets; a refusal means nothing is known."""
    assert [f.kind for f in facts("", "ipset list")] == ["collected"]
    assert facts("") == []
    (refusal,) = facts("ipset v7.17: Kernel error received: Operation not permitted\n", "ipset list")
    assert (refusal.kind, refusal.fields["what"]) == ("not_collected", "ipsets")


@given(
    st.lists(
        st.sampled_from(
            ["Name: a", "Type: hash:ip", "Header: family inet6", "Members:", "10.0.0.1", "Number of entries: 9", "create a hash:ip", "add a 1", ""]
        )
        | st.text(max_size=20)
    ).map("\n".join),
    st.sampled_from(["", "ipset list", "ipset list -n", "ipset save x"]),
)
def test_never_raises(text: str, command: str) -> None:
    """Any text gives facts of a declared shape."""
    for fact in facts(text, command):
        assert fact.kind in {"ipset", "collected", "not_collected", "unparsed"}
