"""The HTML report."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from engine.report.html import render_html
from engine.walk.trace import Line

if TYPE_CHECKING:
    from engine.findings import Report

EVIL = "<script>alert(1)</script>\"'&\x1b"


class _Tags(HTMLParser):
    """Collects elements and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_everything_from_outside_is_escaped(found: Report) -> None:
    """No text of evidence, rules or the user becomes an element, an attribute or a control character."""
    cause = found.findings[0]
    remedy = cause.remedies[0]._replace(commands=(EVIL,), undo=(EVIL,), title={"en": EVIL}, note={"en": EVIL})
    evidence = (Line(EVIL, "x", EVIL, 1, EVIL),)
    bad = cause._replace(id=EVIL, node=EVIL, title={"en": EVIL}, explanation={"en": EVIL}, evidence=evidence, remedies=(remedy,))
    flow = found.traces[0].flow._replace(from_name=EVIL, to_name=EVIL)
    traces = (found.traces[0]._replace(flow=flow),)
    report = found._replace(findings=(bad,), warnings=(EVIL,), question=found.question._replace(symptom=EVIL), traces=traces)
    text = render_html(report, "en")
    parser = _Tags()
    parser.feed(text)
    assert "script" not in parser.tags
    assert parser.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\x1b" not in text


def test_loads_nothing(found: Report) -> None:
    """The file is self-contained: no address of another resource, and a policy that forbids loading."""
    text = render_html(found, "en")
    assert "src=" not in text
    assert "href=" not in text
    assert "default-src 'none'" in text


def test_verdicts_and_language(found: Report, clean: Report, undecided: Report) -> None:
    """The page bears its language and a class by verdict."""
    assert '<html lang="zh">' in render_html(found, "zh")
    assert '<body class="fault">' in render_html(found, "en")
    assert '<body class="good">' in render_html(clean, "en")
    assert '<body class="open">' in render_html(undecided, "en")
    assert "<pre><code># the way back is not known (n2)\nip route show table all</code></pre>" in render_html(undecided, "en")
