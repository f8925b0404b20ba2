"""Where an output was taken."""

from __future__ import annotations

from dataclasses import dataclass

from engine.facts import HOST


@dataclass(frozen=True, slots=True)
class Place:
    """A network stack on a machine."""

    node: str
    stack: str = HOST
