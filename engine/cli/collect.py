"""``diagnose collect``: write this node's evidence to a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli.options import names
from engine.cli.program import Command
from engine.errors import ExitStatus

if TYPE_CHECKING:
    from collectors.live.options import Summary

HELP = """Write this node's network state to a bundle that diagnose -b reads, here or elsewhere.

Only reads: no state is changed, no kernel module is loaded. Items that cannot be read are named, and the rest is collected.

--cluster asks a whole cluster through kubectl. --script prints a shell script for a node without Python; --daemonset-manifest
prints objects that put that script on every node, for kubectl apply and, afterwards, kubectl delete.
"""

PRINTED = ("--script", "--daemonset-manifest")
"""Options that print something and collect nothing."""


@click.command(cls=Command, help=HELP)
@click.option("-o", "--output", metavar="PATH", help="Folder to create, or an archive if it ends in .tar.gz or .tgz.")
@click.option("--node", metavar="NAME", help="Name of this node in the bundle (default: its host name).")
@click.option("--netns", multiple=True, metavar="NAME…", help="Network namespaces that belong to this node (default: all). Repeatable.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Time that one command may take.")
@click.option("--cluster", "mode", flag_value="--cluster", help="Collect a cluster: its objects, and its nodes where collector pods run.")
@click.option("--kubeconfig", metavar="FILE", help="With --cluster: kubectl's configuration (default: kubectl's own).")
@click.option("--context", metavar="NAME", help="With --cluster: kubectl's context.")
@click.option("--script", "mode", flag_value="--script", help="Print a POSIX shell script that collects a node without Python.")
@click.option("--daemonset-manifest", "mode", flag_value="--daemonset-manifest", help="Print the objects of the collector pods.")
@click.option("--image", metavar="IMAGE", help="With --daemonset-manifest: image with sh, nsenter, chroot and tar (default: busybox).")
@click.argument("more", nargs=-1, metavar="")
def collect(output: str | None, mode: str | None, more: tuple[str, ...], **given: Any) -> int:
    """Collect and say what came of it; words behind ``--netns NAME`` are further names."""
    if more and not given["netns"]:
        message = f"unexpected argument {more[0]!r}"
        raise click.UsageError(message)
    _check(mode, given)
    if mode in PRINTED:
        from engine.cli.output import emit

        emit(_printed(mode, given["image"]), output)
        return ExitStatus.NO_FAULT
    if not output:
        message = "Missing option '-o' / '--output'."
        raise click.UsageError(message)
    _tell(_of_cluster(output, given) if mode else _of_node(output, given, more))
    return ExitStatus.NO_FAULT


NEEDS = {"kubeconfig": "--cluster", "context": "--cluster", "image": "--daemonset-manifest"}
"""Options that have a meaning with one other only."""


def _check(mode: str | None, given: dict[str, Any]) -> None:
    for name, needed in NEEDS.items():
        if given[name] and mode != needed:
            message = f"--{name} goes with {needed}"
            raise click.UsageError(message)
    for name in ("node", "netns"):
        if mode and given[name]:
            message = f"--{name} has no meaning with {mode}"
            raise click.UsageError(message)


def _printed(mode: str | None, image: str | None) -> str:
    if mode == "--script":
        from collectors.script import script

        return script()
    from collectors.cluster.daemonset import IMAGE, manifest

    return manifest(image or IMAGE)


def _of_cluster(output: str, given: dict[str, Any]) -> Summary:
    from pathlib import Path

    from collectors.cluster import ClusterOptions, collect_cluster
    from engine.report.clean import line

    options = ClusterOptions(given["kubeconfig"] or "", given["context"] or "", say=lambda text: click.echo(line(text), err=True))
    if given["timeout"]:
        from dataclasses import replace

        options = replace(options, timeout=given["timeout"])
    return collect_cluster(options, Path(output))


def _of_node(output: str, given: dict[str, Any], more: tuple[str, ...]) -> Summary:
    from pathlib import Path

    from collectors.live import CollectOptions
    from collectors.live import collect as gather

    options = CollectOptions(node=given["node"] or "", netns=(*names(given["netns"]), *names(more)) or None)
    if given["timeout"] is not None:
        from dataclasses import replace

        options = replace(options, timeout=given["timeout"])
    return gather(options, Path(output))


def _tell(summary: Summary) -> None:
    from engine.report.clean import line

    got = len(summary.items) - len(summary.skipped)
    click.echo(line(f"{summary.path}: {got} items of {len(summary.stacks)} network stacks on {summary.node}, {summary.seconds:.1f} s"))
    reasons = [f"not collected: {item.command} ({item.stack}): {item.skipped}" for item in summary.skipped]
    for text in dict.fromkeys([*summary.notes, *reasons]):
        click.echo(line(f"  {text}"), err=True)
