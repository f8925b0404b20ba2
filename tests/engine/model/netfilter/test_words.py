"""Splitting the words of a rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.netfilter.words import split

WORD = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)


def printed(word: str) -> str:
    """A word as iptables-save prints it (``xtables_save_string``): quoted where a bare one would be read otherwise."""
    if word and not any(c.isspace() or c in "\"\\'" for c in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(WORD, max_size=6))
def test_round_trip(words: list[str]) -> None:
    """What iptables-save prints splits into the words it was made of."""
    assert split(" ".join(map(printed, words))) == words


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("-s 10.0.0.0/8  ! -o docker0\t-j MASQUERADE", ["-s", "10.0.0.0/8", "!", "-o", "docker0", "-j", "MASQUERADE"]),
        ('--comment "kubernetes \\"x\\" \\\\ rules" -j ACCEPT', ["--comment", 'kubernetes "x" \\ rules', "-j", "ACCEPT"]),
        ('--comment ""', ["--comment", ""]),
        ('a"b c"d', ["ab cd"]),
        ('--comment "never closed', ["--comment", "never closed"]),
        ('--comment "ends in a backslash\\', ["--comment", "ends in a backslash"]),
        (r"--string a\b", ["--string", r"a\b"]),
        ("", []),
    ],
)
def test_words(spec: str, words: list[str]) -> None:
    """White space separates, double quotes group, a backslash escapes inside quotes only; damaged text loses nothing."""
    assert split(spec) == words
