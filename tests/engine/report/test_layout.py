"""Columns and wrapping."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.report import layout
from engine.report.layout import pad, width, wrap


def test_wide_characters_take_two_columns() -> None:
    """Chinese characters count double, combining marks not at all."""
    assert width("根因 a") == 6
    assert width("e\u0301") == 1
    assert pad("根", 4) == "根  "


@given(st.text(alphabet="ab根因，。 ", max_size=200), st.integers(min_value=12, max_value=40))
def test_wrapping_loses_nothing_and_fits(text: str, columns: int) -> None:
    """Wrapped lines hold the same characters apart from spaces, and only a single word or punctuated character may stick out."""
    lines = wrap(text, columns, "  ")
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(width(part) <= columns or " " not in part.strip() for part in lines)


def test_no_limit_keeps_the_line() -> None:
    """Width 0 does not wrap."""
    assert wrap("a " * 100, 0) == ["a " * 100]


def test_punctuation_never_begins_a_line() -> None:
    """A full stop stays with the character before it."""
    assert wrap("一二三四五六。", 12) == ["一二三四五", "六。"]


@given(st.text(alphabet=st.one_of(st.sampled_from("ab →–…,;:!?)\u2019\u201d\u00a0\t\n"), st.characters(max_codepoint=0x2E7F)), min_size=1))
def test_text_without_wide_characters_breaks_the_same(text: str) -> None:
    """The short way for text without wide characters gives the pieces that the long one gives."""
    assert layout._pieces(text) == layout._mixed().findall(text)
