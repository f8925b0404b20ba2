"""Clean lines and the account of lines that were not understood."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from collectors.parsers.text import SAMPLE_LENGTH, Unparsed, clean, clean_lines
from collectors.place import Place
from engine.facts import Source


def test_escapes_and_carriage_returns_go() -> None:
    """Colours, titles and Windows line ends leave no trace in a line."""
    text = "\x1b[32;1m2: eth0\x1b[0m\r\n\x1b]0;root@n1\x07link\x1b(B\r\nplain\n"
    assert list(clean_lines(text)) == [(1, "2: eth0"), (2, "link"), (3, "plain"), (4, "")]


@given(st.lists(st.sampled_from(["ab", " ", "\r", "\n", "\x0b", "\x85", "\u2028", "\x1b[", "0;1", "m", "\x1b]", "\x07", "\x1b\\"])).map("".join))
@example("\x1b]0;\n\x07")
def test_line_numbers_agree_with_the_source(text: str) -> None:
    """A line's number is the one under which the source shows it, whatever other line separators occur."""
    source = Source("x", text)
    for number, line in clean_lines(text):
        assert clean(source.line(number)).rstrip("\r") == line


@given(st.text())
def test_plain_text_is_untouched(text: str) -> None:
    """Text without the escape character comes back as it was."""
    plain = text.replace("\x1b", "")
    assert clean(plain) is plain


def test_unparsed_counts_and_keeps_the_first() -> None:
    """The fact has the number of lines, and the first of them with its line number; blank lines do not count."""
    unparsed = Unparsed()
    unparsed.add(3, "  ")
    unparsed.add(4, " what " + "x" * 500)
    unparsed.add(9, "else")
    (fact,) = unparsed.facts(Source("s"), Place("n1", "web"))
    assert (fact.kind, fact.node, fact.stack, fact.line) == ("unparsed", "n1", "web", 4)
    assert fact.get("count") == 2
    assert fact.get("sample").startswith("what x")
    assert len(fact.get("sample")) == SAMPLE_LENGTH


def test_nothing_unparsed_is_no_fact() -> None:
    """A source that was understood wholly has no unparsed fact."""
    assert Unparsed().facts(Source("s"), Place("n1")) == []
