"""Native nftables rulesets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.nftables import parse
from collectors.place import Place
from engine.facts import Fact, Source

RECORDINGS = Path(__file__).parents[2] / "recordings" / "netfilter"
NATIVE = {"what": "netfilter", "scope": "nft-native", "backend": "nft"}


def facts(text: str, command: str = "") -> list[Fact]:
    """Facts of a text, by the command or the file name that made it."""
    return parse(Source("pasted", text, command), Place("n1", "web"))


@pytest.mark.parametrize(
    ("name", "format_name", "command"),
    [
        ("nft-list-ruleset", "text", "nft list ruleset"),
        ("nft-list-ruleset", "text", ""),
        ("nft-j-list-ruleset", "json", "nft -j list ruleset"),
        ("nft-list-ruleset", "text", "sudo nft -a list ruleset 2>/dev/null"),
    ],
)
def test_ruleset_is_kept_whole(name: str, format_name: str, command: str) -> None:
    """One fact has the text, and the native ruleset counts as collected."""
    text = (RECORDINGS / name).read_text()
    kept, collected = facts(text, command)
    assert kept.fields == {"text": text, "format": format_name}
    assert collected.fields == NATIVE
    assert kept.text.startswith("table ip " if format_name == "text" else "nft -j")


@pytest.mark.parametrize("name", ["nft-list-ruleset", "nft-j-list-ruleset"])
def test_cut_off_ruleset_is_not_collected(name: str) -> None:
    """A ruleset without its end is not whole: text is kept, broken JSON is counted."""
    text = (RECORDINGS / name).read_text()
    assert [f.kind for f in facts(text[: len(text) // 2])] == (["unparsed"] if "-j-" in name else ["nft_ruleset"])


def test_empty_and_refused() -> None:
    """Nothing listed is an empty ruleset; a refusal is not; a part of the ruleset is not the whole."""
    assert [f.fields for f in facts("", "nft list ruleset")] == [NATIVE]
    assert facts("") == []
    assert [
        f.kind
        for f in facts(
            "Operation not permitted (you must be root)\nnetlink: Error: cache initialization failed: Operation not permitted\n", "nft list ruleset"
        )
    ] == ["not_collected", "not_collected"]
    assert [f.kind for f in facts("table inet x {\n}\n", "nft list table inet x")] == ["nft_ruleset"]


def test_foreign_text_is_counted() -> None:
    """Text that is no ruleset is counted, not kept."""
    assert [(f.kind, f.fields["count"]) for f in facts("hello\nworld\n")] == [("unparsed", 2)]
    found = facts("$ nft list ruleset\ntable ip x {\n}\n")
    assert [(f.kind, f.line) for f in found] == [("nft_ruleset", 2), ("collected", 0), ("unparsed", 1)]


@given(
    st.text()
    | st.text(alphabet='{}[]",:ntable ip\n').map(lambda text: "{" + text)
    | st.integers(1, 5000).map(lambda n: "{" + '"nftables":' + "[" * n)
)
def test_never_raises(text: str) -> None:
    """Any text gives facts."""
    for fact in facts(text, "nft list ruleset"):
        assert fact.kind in {"nft_ruleset", "collected", "not_collected", "unparsed"}
