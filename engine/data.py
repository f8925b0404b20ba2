"""Where the rulebase and the playbooks lie: beside the package in a checkout, inside it where installed, inside the archive of a zip application."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def builtin(folder: str) -> Path | Traversable:
    """The folder ``rules`` or ``playbooks`` of this program; raises ``FileNotFoundError`` if the installation lacks it.

    A real path wherever there is one (the resource API alone costs some 10 ms of start-up), a ``Traversable`` inside a zip application.
    """
    package = Path(__file__).parent
    for place in (package / folder, package.parent / folder):
        if place.is_dir():
            return place
    from importlib.resources import files

    inside = files("engine").joinpath(folder)
    if not inside.is_dir():
        message = f"this installation of noroute has no {folder}"
        raise FileNotFoundError(message)
    return inside
