"""The kernel's own trace beside the model's: how to take it, and where the two agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.facts import HOST
from engine.report.clean import line
from engine.report.strings import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.walk.confirm import Comparison, Watch


def render_kernel(watches: Sequence[Watch], rows: Sequence[Comparison], lang: str = "en") -> str:
    """Comparison first (if a trace was collected), then the commands."""
    return "".join(f"{text}\n" for text in (*_compared(rows, lang), *_commands(watches, lang)))


def place(node: str, stack: str) -> str:
    """Node, with the namespace where it is not the node's own."""
    return node if stack == HOST else f"{node}/{stack}"


def _compared(rows: Sequence[Comparison], lang: str) -> Iterator[str]:
    if not rows:
        return
    yield say("kernel-compared", lang)
    for row in rows:
        mark = {True: "=", False: "≠", None: "?"}[row.agrees]
        yield line(f"  {mark} {place(row.node, row.stack)} {row.where}")
        yield line(f"      {say('kernel-model', lang)} {row.model}")
        yield line(f"      {say('kernel-kernel', lang)} {row.kernel or say('kernel-silent', lang)}")
    yield ""


def _commands(watches: Sequence[Watch], lang: str) -> Iterator[str]:
    if not watches:
        return
    yield say("kernel-watch", lang)
    for watch in watches:
        yield ""
        yield f"# {place(watch.node, watch.stack)}"
        yield from watch.start
        yield f"{watch.watch} > xtables-monitor_--trace   # {say('kernel-repeat', lang)}"
        yield from watch.stop
