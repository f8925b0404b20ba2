"""Where an output was taken."""

from __future__ import annotations

from typing import NamedTuple

from engine.facts import HOST


class Place(NamedTuple):
    """A network stack on a machine."""

    node: str
    stack: str = HOST
