"""The report as one HTML file that loads nothing; everything from the evidence is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from engine.report.outline import Part, outline

if TYPE_CHECKING:
    from engine.findings import Report

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}"
    "h1{font-size:1.1rem;color:#555}h2{font-size:1.4rem}.fault h2{color:#b00020}.good h2{color:#116329}.open h2{color:#8a5a00}"
    "h3{font-size:1.05rem;margin-top:2rem}h4{font-size:1rem;margin:.5rem 0}"
    "pre{background:#f4f4f4;padding:.7rem;overflow:auto;border-radius:4px}code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}"
    "td{vertical-align:top;padding:.15rem .8rem .15rem 0}td:first-child{color:#555;white-space:nowrap}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#262626}"
    "h1,td:first-child{color:#aaa}.fault h2{color:#ff6b6b}}"
)
CLASSES = {"cause-found": "fault", "no-fault-found": "good", "insufficient-evidence": "open"}
TAGS = {"title": "h1", "cause": "h2", "heading": "h3", "subheading": "h4", "paragraph": "p"}


def render_html(report: Report, lang: str = "en") -> str:
    """The whole report as a document."""
    parts = list(outline(report, lang))
    body = "\n".join(_part(part) for part in parts)
    language = "zh" if lang == "zh" else "en"
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f'<meta name="viewport" content="width=device-width">\n<title>{escape(parts[0].text)}</title>\n<style>{STYLE}</style>\n</head>\n'
        f'<body class="{CLASSES[report.verdict.value]}">\n{body}\n</body>\n</html>\n'
    )


def _part(part: Part) -> str:
    if part.kind == "code":
        return f"<pre><code>{escape(part.text)}</code></pre>"
    if part.kind == "list":
        return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in part.items) + "\n</ul>"
    if part.kind == "table":
        rows = (f"<tr><td><code>{escape(origin)}</code></td><td><code>{escape(text)}</code></td></tr>" for origin, text in part.cells)
        return "<table>\n" + "\n".join(rows) + "\n</table>"
    tag = TAGS[part.kind]
    return f"<{tag}>{escape(part.text)}</{tag}>"
