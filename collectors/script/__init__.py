"""The collector for nodes without Python: one POSIX shell script that writes the same bundle."""

from __future__ import annotations

from importlib import resources
from typing import Final

FILE: Final = "node.sh"


def script() -> str:
    """The script's text; it needs ``sh``, ``tar``, ``gzip`` and what it asks (``ip``, ``iptables-save`` …)."""
    from engine import __version__

    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return text.replace("@VERSION@", __version__)
