"""The report as Markdown, for tickets and chats; nothing from the evidence can act as markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.report.outline import Part, outline

if TYPE_CHECKING:
    from engine.findings import Report

SPECIAL = frozenset("\\`*_{}[]<>#|!~&$")


def render_markdown(report: Report, lang: str = "en") -> str:
    """The whole report."""
    return "\n\n".join(_part(part) for part in outline(report, lang)) + "\n"


def _part(part: Part) -> str:
    if part.kind == "code":
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", part.text)), default=0))
        return f"{fence}sh\n{part.text}\n{fence}"
    if part.kind == "list":
        return "\n".join(f"- {escape(item)}" for item in part.items)
    if part.kind == "table":
        return "\n".join(f"- {code(origin)} {code(text)}" for origin, text in part.cells)
    marks = {"title": "# ", "cause": "## ", "heading": "### ", "subheading": "#### ", "paragraph": ""}
    return marks[part.kind] + escape(part.text)


def escape(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in SPECIAL else c for c in text)


def code(text: str) -> str:
    """Text as inline code, also if it holds backticks."""
    if not text.strip():
        return ""
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"
