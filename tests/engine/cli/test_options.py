"""How options that several commands share are read."""

from __future__ import annotations

from engine.cli.options import names


def test_names_with_commas() -> None:
    """--netns a,b --netns c names three namespaces."""
    assert names(("a,b", "c", "")) == ("a", "b", "c")
