"""What to collect, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SCHEMA_VERSION: Final = 1
"""Version of the bundle layout and of ``manifest.json``; a reader refuses a newer one."""

MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """What to collect on this node."""

    node: str = ""
    """Name of the node; "" = its host name."""
    netns: tuple[str, ...] | None = None
    """Names of the network namespaces that belong to this node besides its own; ``None`` = all that exist."""
    timeout: float = 20.0
    """Seconds that one command may take."""
    max_bytes: int = 64 * MEBIBYTE
    """Octets that one item may yield; the rest is cut off and the item is marked as truncated."""
    workers: int = 4
    """Namespaces that are read at the same time."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was collected, or why it was not; a line of ``manifest.json``."""

    command: str
    """Command line that shows the same to a person."""
    file: str
    """Path inside the bundle; "" if nothing was written."""
    node: str
    stack: str
    what: str = ""
    """Listing, as in a ``collected`` fact; "" where none corresponds."""
    exit_status: int = 0
    seconds: float = 0.0
    truncated: bool = False
    skipped: str = ""
    """Why the item was not collected; "" = it was."""
    via: str = "command"
    """``command``, ``netlink`` (pyroute2) or ``file`` (read from /proc, /sys or /etc)."""
    error: str = ""
    """First line of the standard error of a command that failed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a collection yielded."""

    path: str
    """The bundle."""
    node: str
    stacks: tuple[str, ...]
    items: tuple[Item, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())
    """What a person should know: namespaces that could not be entered, items that were cut."""

    @property
    def skipped(self) -> tuple[Item, ...]:
        """Items that were not collected."""
        return tuple(item for item in self.items if item.skipped)
