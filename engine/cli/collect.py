"""``diagnose collect``: write this node's evidence to a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.options import names
from engine.errors import ExitStatus

if TYPE_CHECKING:
    from collectors.live.options import Summary

HELP = """Write this node's network state to a bundle that diagnose -b reads, here or elsewhere.

Only reads: no state is changed, no kernel module is loaded. Items that cannot be read are named, and the rest is collected.
"""


@click.command(help=HELP)
@click.option("-o", "--output", required=True, metavar="PATH", help="Folder to create, or an archive if it ends in .tar.gz or .tgz.")
@click.option("--node", metavar="NAME", help="Name of this node in the bundle (default: its host name).")
@click.option("--netns", multiple=True, metavar="NAME…", help="Network namespaces that belong to this node (default: all). Repeatable.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Time that one command may take.")
@click.argument("more", nargs=-1, metavar="")
def collect(output: str, node: str | None, netns: tuple[str, ...], timeout: float | None, more: tuple[str, ...]) -> int:
    """Collect and say what came of it; words behind ``--netns NAME`` are further names."""
    if more and not netns:
        message = f"unexpected argument {more[0]!r}"
        raise click.UsageError(message)
    from pathlib import Path

    from collectors.live import CollectOptions
    from collectors.live import collect as gather

    options = CollectOptions(node=node or "", netns=(*names(netns), *names(more)) or None)
    if timeout is not None:
        from dataclasses import replace

        options = replace(options, timeout=timeout)
    _tell(gather(options, Path(output)))
    return ExitStatus.NO_FAULT


def _tell(summary: Summary) -> None:
    from engine.report.clean import line

    got = len(summary.items) - len(summary.skipped)
    click.echo(line(f"{summary.path}: {got} items of {len(summary.stacks)} network stacks on {summary.node}, {summary.seconds:.1f} s"))
    reasons = [f"not collected: {item.command} ({item.stack}): {item.skipped}" for item in summary.skipped]
    for text in dict.fromkeys([*summary.notes, *reasons]):
        click.echo(line(f"  {text}"), err=True)
