"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.request import Request

F = TypeVar("F", bound="Callable[..., Any]")


def language() -> str:
    """``zh`` if the environment asks for Chinese, else ``en``."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def evidence_options(command: F) -> F:
    """Options that say where the evidence is."""
    for option in (
        click.option("--netns", multiple=True, metavar="NAME", help="Live node: read this network namespace (default: all). Repeatable."),
        click.option("--stack", "stacks", multiple=True, metavar="FOLDER=NODE[/NETNS]", help="Node or namespace that a folder shows. Repeatable."),
        click.option("-b", "--bundle", "bundles", multiple=True, metavar="PATH", help="Bundle, folder or archive (default: this node). Repeatable."),
    ):
        command = option(command)
    return command


def question_options(command: F) -> F:
    """Options that name the flow."""
    for option in (
        click.option("--node", metavar="NAME", help="Node that the question is about; live: the name of this node."),
        click.option("--protocol", type=click.Choice(["tcp", "udp", "icmp"], case_sensitive=False), help="Protocol of the flow."),
        click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="Destination port."),
        click.option("--to", "to", metavar="NAME|ADDRESS[:PORT]", help="Who answers: pod/NS/NAME, svc/NS/NAME, node/NAME, NODE/STACK, container."),
        click.option("--from", "from_", metavar="NAME|ADDRESS", help="Who sends; same forms as --to."),
    ):
        command = option(command)
    return command


def lang_option(command: F) -> F:
    """Option for the language of the output."""
    option = click.option("--lang", type=click.Choice(["en", "zh"]), default=language, show_default="from the locale", help="Language of the output.")
    return option(command)


def output_option(command: F) -> F:
    """Option for a file instead of standard output."""
    return click.option("-o", "--output", metavar="FILE", help="Write to this file instead of standard output.")(command)


def names(values: Iterable[str]) -> tuple[str, ...]:
    """Names given one by one or with commas between them."""
    return tuple(name for value in values for name in value.split(",") if name)


def request_of(values: dict[str, Any]) -> Request:
    """The request that the values of the options make."""
    from pathlib import Path

    from engine.request import Request

    return Request(
        symptom=values.get("symptom") or "",
        bundles=tuple(Path(p) for p in values["bundles"]),
        stacks=_stacks(values["stacks"]),
        netns=names(values["netns"]),
        from_=values["from_"],
        to=values["to"],
        port=values["port"],
        protocol=values["protocol"],
        node=values["node"],
        rules=tuple(Path(p) for p in values.get("rules", ())),
        lang=values["lang"],
    )


def _stacks(values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        folder, equals, place = value.rpartition("=")
        if not (folder and equals and place.strip("/")):
            message = f"{value!r} is not FOLDER=NODE or FOLDER=NODE/NETNS"
            raise click.BadParameter(message, param_hint="'--stack'")
        pairs[folder] = place
    return pairs
