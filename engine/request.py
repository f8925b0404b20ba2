"""What a run of the command asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Request(NamedTuple):
    """A question with the evidence and rules to answer it from."""

    symptom: str = ""
    """What the user sees, in their own words; "" if the ends were named by option alone."""
    bundles: tuple[Path, ...] = ()
    """Bundles, folders or archives; empty = this node, live."""
    stacks: Mapping[str, str] = {}
    """Folder of loose files → ``NODE`` or ``NODE/NETNS`` that it shows."""
    netns: tuple[str, ...] = ()
    """Network namespaces to read on a live node besides its own; empty = all."""
    from_: str | None = None
    to: str | None = None
    port: int | None = None
    protocol: str | None = None
    """tcp | udp | icmp"""
    node: str | None = None
    """Node that the question is about; on a live node, the name it gets."""
    rules: tuple[Path, ...] = ()
    """Folders of rules besides the built-in ones."""
    lang: str = "en"
