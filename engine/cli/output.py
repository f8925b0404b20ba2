"""Where output goes: a terminal, a pipe, or a file that is replaced as a whole."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from engine.errors import NorouteError

if TYPE_CHECKING:
    from pathlib import Path

WIDEST = 110
"""Columns beyond which text is no longer pleasant to read."""
PIPED = 100
"""Columns for pipes and files."""


def is_terminal(output: str | None) -> bool:
    """Whether the output goes to a person's screen."""
    return output is None and sys.stdout.isatty()


def columns(output: str | None) -> int:
    """Width for wrapped text."""
    if not is_terminal(output):
        return PIPED
    from shutil import get_terminal_size

    return min(WIDEST, get_terminal_size().columns)


def use_colour(output: str | None) -> bool:
    """Whether to colour: on a terminal that does not decline it."""
    return is_terminal(output) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def emit(text: str, output: str | None) -> None:
    """Write to standard output, or to a file that is there as a whole or not at all."""
    if output is not None and output != "-":
        _write(text, output)
        return
    try:
        click.echo(text, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough ("| head"): nothing more is written, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(text: str, name: str) -> None:
    from pathlib import Path

    path = Path(name)
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
        else:
            _replace(text, path.resolve())
    except OSError as error:
        message = f"cannot write {name}: {error.strerror or error}"
        raise NorouteError(message, "choose another file with -o") from error


def _replace(text: str, path: Path) -> None:
    """Write beside the file, then take its place in one step."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
