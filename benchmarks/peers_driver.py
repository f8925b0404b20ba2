"""Runs in the virtual environment of the peers: parses files with insights-core and jc; jobs as JSON on stdin, answers as JSON on stdout.

A job is ``[peer, parser, path, question]``; its answer is ``[seconds, count]``: processor time of the quickest of three, and how many items of the
question the parser returned; or ``[null, reason]`` if it cannot read the file.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ("blackhole", "unreachable", "prohibit", "throw")


def insights(parser: str, text: str) -> Any:
    """A parser object of insights-core: ``module:Class``."""
    module, _, name = parser.partition(":")
    made = getattr(import_module(f"insights.parsers.{module}"), name)
    return made(import_module("insights.tests").context_wrap(text, path="pasted"))


def jc(parser: str, text: str) -> Any:
    """A list of dictionaries of jc."""
    return import_module("jc").parse(parser, text, quiet=True)


PEERS: dict[str, Callable[[str, str], Any]] = {"insights-core": insights, "jc": jc}

COUNTS: dict[str, Callable[[Any], int]] = {
    "insights-core rules": lambda made: len(made.rules),
    "insights-core counters": lambda made: sum("pkts" in rule or "packets" in rule or "counters" in rule for rule in made.rules),
    "insights-core routes": lambda made: sum(len(routes) for prefix, routes in made.data.items() if prefix != "nexthop"),
    "insights-core refusals": lambda made: sum(getattr(route, "type", None) in TYPES for routes in made.data.values() for route in routes),
    "insights-core tables": lambda made: sum(bool(getattr(route, "table", None)) for routes in made.data.values() for route in routes),
    "insights-core addresses": lambda made: sum(len(one.data.get("addr", ())) for one in made.data.values()),
    "insights-core neighbors": lambda made: len(made.data),
    "insights-core sockets": lambda made: len(made.data),
    "jc rules": lambda made: sum(len(chain["rules"]) for chain in made),
    "jc counters": lambda made: sum("pkts" in rule for chain in made for rule in chain["rules"]),
    "jc routes": lambda made: sum(route.get("ip") != "nexthop" for route in made),
    "jc refusals": lambda made: sum(route.get("type") in TYPES for route in made),
    "jc tables": lambda made: sum("table" in route for route in made),
    "jc sockets": len,
}
"""How a peer's answer is counted, by peer and question."""


def answer(peer: str, parser: str, path: str, question: str) -> list[Any]:
    """Seconds and count of one job."""
    text = Path(path).read_text(encoding="utf-8")
    seconds = []
    try:
        for _ in range(3):
            begin = process_time()
            made = PEERS[peer](parser, text)
            seconds.append(process_time() - begin)
        return [min(seconds), COUNTS[f"{peer} {question}"](made)]
    except Exception as error:  # noqa: BLE001  # whatever it is that the peer cannot do, it is a result
        return [None, f"{type(error).__name__}: {error}"[:80]]


if __name__ == "__main__":
    json.dump([answer(*job) for job in json.load(sys.stdin)], sys.stdout)
