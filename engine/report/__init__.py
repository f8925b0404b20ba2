"""Reports: pure functions from findings to text, JSON, Markdown and HTML.

The renderers live in ``text``, ``as_json``, ``markdown`` and ``html``; each is imported when its format is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.findings import Report

FORMATS = ("text", "json", "markdown", "html")


def render(report: Report, form: str, lang: str, *, verbose: bool = False, width: int = 0, colour: bool = False) -> str:
    """The report in one of :data:`FORMATS`; ``verbose``, ``width`` and ``colour`` matter to text alone."""
    if form == "json":
        from engine.report.as_json import render_json

        return render_json(report, lang)
    if form == "markdown":
        from engine.report.markdown import render_markdown

        return render_markdown(report, lang)
    if form == "html":
        from engine.report.html import render_html

        return render_html(report, lang)
    from engine.report.text import render_text

    return render_text(report, lang, verbose=verbose, width=width, colour=colour)
