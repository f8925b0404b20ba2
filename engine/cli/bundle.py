"""``diagnose bundle``: what a bundle holds."""

from __future__ import annotations

import click

from engine.cli.output import emit
from engine.errors import ExitStatus


@click.group()
def bundle() -> None:
    """Tell what a bundle holds."""


@bundle.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def info(paths: tuple[str, ...]) -> int:
    """List nodes and namespaces with what was collected of each, and what is missing or doubtful."""
    from pathlib import Path

    from collectors.evidence import read
    from collectors.info import describe
    from engine.report.clean import line

    emit("".join(f"{line(text)}\n" for text in describe(read([Path(p) for p in paths]))), None)
    return ExitStatus.NO_FAULT
