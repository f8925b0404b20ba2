"""JSON as tools print it."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.jsontext import ATTEMPTS, dict_of, dicts_of, int_of, is_json, list_of, read_json, text_of, texts_of

DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(max_size=4), DATA, min_size=1), min_size=1), st.sampled_from([None, 1, 4]))
def test_elements_of_an_array_count_one_by_one(data: list[dict[str, object]], indent: int | None) -> None:
    """However it is indented, an array gives its elements, each on the line where it begins."""
    text = json.dumps(data, indent=indent)
    read = read_json(text)
    assert read.complete
    assert [item for _, item in read.items] == data
    assert all(text.split("\n")[line - 1].strip().startswith(("{", "[")) for line, _ in read.items)


@given(st.lists(st.dictionaries(st.text(max_size=4), DATA, min_size=1), min_size=1), st.data())
def test_a_cut_document_is_never_complete(data: list[dict[str, object]], draw: st.DataObject) -> None:
    """Whole elements before the cut are kept, the cut is counted."""
    text = json.dumps(data)
    cut = draw.draw(st.integers(2, len(text) - 1))
    read = read_json(text[:cut])
    assert not read.complete
    assert read.broken
    assert [item for _, item in read.items if item in data] == data[: len(read.items)]


@given(st.text())
def test_it_never_raises(text: str) -> None:
    """Any text."""
    assert isinstance(read_json(text).items, list)


def test_text_around_documents_is_counted() -> None:
    """Warnings before, prompts between and after; every document is read."""
    read = read_json('Warning: x\n[{"a": 1}]\n\n[root@node ~]# ip -j addr\n{"b": 2}\ndone\n')
    assert read.items == [(2, {"a": 1}), (5, {"b": 2})]
    assert read.broken == [(1, "Warning: x"), (4, "[root@node ~]# ip -j addr"), (6, "done")]
    assert read.complete


@pytest.mark.parametrize(
    ("text", "expected"),
    [("[]", True), ('[{"a":1}]', True), ("{}", True), ("[ {\n", True), ("[root@node ~]# ip a", False), ("2: eth0", False), ("", False)],
)
def test_what_looks_like_json(text: str, expected: bool) -> None:
    """A shell prompt in brackets does not."""
    assert is_json(text) is expected


def test_an_empty_array_is_a_complete_document() -> None:
    """``[]`` says that there is nothing."""
    assert read_json("[]").complete
    assert not read_json("").complete


def test_hostile_texts_cost_little() -> None:
    """Deep nesting and many false starts end soon."""
    started = time.process_time()
    assert not read_json("[" * 100_000).complete
    assert not read_json('{"a":' * 100_000).complete
    assert len(read_json('{"a\n' * 100_000).broken) <= 100_000 + ATTEMPTS
    assert time.process_time() - started < 3


def test_typed_access() -> None:
    """A value of another type than expected counts as absent."""
    entry = {"s": "x", "n": 7, "t": "42", "b": True, "d": {"k": {"v": 1}}, "l": [{"a": 1}, "x", 3], "long": "9" * 30}
    assert (text_of(entry, "none", "s"), text_of(entry, "n"), text_of(entry, "b"), text_of(entry, "d")) == ("x", "7", "", "")
    assert (int_of(entry, "n"), int_of(entry, "t"), int_of(entry, "b"), int_of(entry, "s"), int_of(entry, "long")) == (7, 42, None, None, None)
    assert (dict_of(entry, "d", "k"), dict_of(entry, "s", "k")) == ({"v": 1}, {})
    assert (list_of(entry, "s"), dicts_of(entry, "l"), texts_of(entry, "l")) == ([], [{"a": 1}], ("x",))
