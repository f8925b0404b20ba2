"""Whether a kernel facility is there to be asked: a question to an absent one would make the kernel load its module."""

from __future__ import annotations

import os
from enum import Enum
from functools import lru_cache


class Facility(Enum):
    """State of a kernel module."""

    PRESENT = "present"
    """Loaded or built in (or the kernel cannot load any): asking loads nothing."""
    ABSENT = "absent"
    """Not loaded, and asking would load it; nothing that it manages can exist."""
    UNKNOWN = "unknown"
    """Not loaded as far as one can see; it may be built in."""


def facility(module: str, proc: str = "/proc", sys: str = "/sys", lib: str = "/lib/modules") -> Facility:
    """State of ``module`` on this kernel."""
    if not os.path.exists(f"{proc}/modules"):
        return Facility.PRESENT
    if module in _loaded(proc) or os.path.isdir(f"{sys}/module/{module}"):
        return Facility.PRESENT
    folder = f"{lib}/{os.uname().release}"
    if module in _named_in(f"{folder}/modules.builtin"):
        return Facility.PRESENT
    loadable = _named_in(f"{folder}/modules.dep")
    if not loadable:
        return Facility.UNKNOWN
    # Neither loaded nor built in nor loadable: the kernel was built without it, and says so when asked.
    return Facility.ABSENT if module in loadable else Facility.PRESENT


def _loaded(proc: str) -> frozenset[str]:
    try:
        with open(f"{proc}/modules", encoding="utf-8", errors="replace") as file:
            return frozenset(line.partition(" ")[0] for line in file)
    except OSError:
        return frozenset()


@lru_cache(maxsize=8)
def _named_in(path: str) -> frozenset[str]:
    """Module names in a ``modules.dep`` or ``modules.builtin``; empty if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            paths = (line.partition(":")[0].strip() for line in file)
            return frozenset(os.path.basename(p).partition(".ko")[0].replace("-", "_") for p in paths)
    except OSError:
        return frozenset()
