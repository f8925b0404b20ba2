"""YAML as plain data: what PyYAML's safe loader gives, within bounds."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.plainyaml import MAX_ALIASES, MAX_DEPTH, mappings, read_yaml

KEYS = st.text("abcxyz-./", min_size=1, max_size=8)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | TEXTS
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)


@given(DATA)
def test_it_reads_what_was_dumped(data: object) -> None:
    """What PyYAML writes (block and flow style) comes back as it was."""
    for flow in (False, True):
        read = read_yaml(yaml.safe_dump(data, default_flow_style=flow))
        assert read.error == ""
        assert read.documents == [data]


@given(st.text())
def test_it_never_raises(text: str) -> None:
    """Any text gives documents or an error."""
    read = read_yaml(text)
    assert isinstance(read.documents, list)


def test_scalars() -> None:
    """Plain scalars follow YAML's JSON schema; quoted ones and tags stay text; a date is no date."""
    numbers = "1, -2, 1.5, 0x10, 1_000, 007, 9999999999999999999999"
    read = read_yaml(f"[{numbers}, true, null, ~, '1', \"true\", 2024-01-01, yes, !!python/object:os.system x]")
    assert read.documents == [
        [1, -2, 1.5, "0x10", "1_000", "007", "9999999999999999999999", True, None, None, "1", "true", "2024-01-01", "yes", "x"],
    ]


def test_lines_of_mappings() -> None:
    """Each top-level mapping has the line where it begins."""
    assert [line for line, _ in mappings(read_yaml("a: 1\n---\n- x\n---\nb: 2\n"))] == [1, 5]


def test_documents_before_a_break_are_kept() -> None:
    """The error names its line."""
    read = read_yaml("a: 1\n---\nb: [1\n---\n")
    assert read.documents[0] == {"a": 1}
    assert read.error
    assert read.error_line >= 3


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 200_000 + "x", "{a: " * 200_000, "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)])
def test_depth_is_bounded(text: str) -> None:
    """Nesting that overflows the C loader's stack is an error here, at once."""
    started = time.process_time()
    assert "nested" in read_yaml(text).error
    assert time.process_time() - started < 2


def test_aliases_are_bounded() -> None:
    """A few aliases are resolved; a bomb is refused before it is built, and merge keys merge nothing."""
    assert read_yaml("a: &x [1]\nb: *x\n").documents == [{"a": [1], "b": [1]}]
    assert read_yaml("a: &x {k: 1}\nb:\n  <<: *x\n").documents == [{"a": {"k": 1}, "b": {"<<": {"k": 1}}}]
    assert "aliases" in read_yaml("a: &x 1\nb: [" + "*x, " * (MAX_ALIASES + 1) + "]").error
    assert "anchor" in read_yaml("b: *nowhere").error
    levels = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    assert read_yaml("\n".join(levels)).error


def test_odd_keys() -> None:
    """Keys become text, a key that is a mapping a placeholder."""
    assert read_yaml("1: a\ntrue: b\n? {x: 1}\n: c\n").documents == [{"1": "a", "True": "b", "?": "c"}]
