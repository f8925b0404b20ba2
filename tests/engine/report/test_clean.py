"""Neutralising untrusted text."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from engine.report.clean import BIDI, block, line


@given(st.text(st.characters()))
def test_nothing_that_steers_a_terminal_remains(text: str) -> None:
    """After cleaning there is no control character, surrogate or bidirectional override; a block keeps only line ends and tabs."""
    for cleaned, kept in ((line(text), ""), (block(text), "\n\t")):
        assert all(unicodedata.category(c) not in {"Cc", "Cs"} and c not in BIDI for c in cleaned if c not in kept)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_is_untouched(text: str) -> None:
    """Letters, numbers, punctuation and spaces of any script stay as they are."""
    assert line(text) == text
    assert block(text) == text
