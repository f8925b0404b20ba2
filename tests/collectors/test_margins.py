"""Outputs that somebody moved to the right."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.classify import begins_output, sections
from collectors.margins import without_margins

RECORDED = sorted((Path(__file__).parents[1] / "recordings").glob("*/*.txt"))
ADDR = "2: eth0: <BROADCAST,UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:01\n    inet 10.0.0.1/24 scope global eth0\n"


def moved(text: str, margin: str) -> str:
    """A text behind a margin."""
    return "".join(f"{margin}{line}" if line.strip() else line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize("margin", ["    ", "\t", "        "])
@pytest.mark.parametrize("before", ["", "This is what I see:\n\n", "worker-1:\n", "$ salt '*' cmd.run 'ip addr'\n"])
def test_a_quoted_output(before: str, margin: str) -> None:
    """A code block of a post, or what a tool prints below a machine's name, is read as if it stood at the margin; lines keep their numbers."""
    plain, quoted = sections("post.txt", before + ADDR), sections("post.txt", before + moved(ADDR, margin))
    assert [(s.format, s.text) for s in quoted] == [(s.format, s.text) for s in plain]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda path: path.name)
def test_what_programs_print_is_left_alone(recorded: Path) -> None:
    """Programs indent what belongs to a line above, and none of that begins an output."""
    text = recorded.read_bytes().decode(errors="replace")
    assert without_margins(text, begins_output) == text


def test_prose_and_lists_are_left_alone() -> None:
    """An indented remark is none, and a nested document keeps its shape."""
    text = "spec:\n    containers: []\n\n    apart from that, nothing\n\n1. do\n\n    this\n"
    assert without_margins(text, lambda line: line.startswith("1:")) == text
