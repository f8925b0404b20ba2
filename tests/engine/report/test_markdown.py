"""The Markdown report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.report.markdown import code, escape, render_markdown
from engine.walk.trace import Line

if TYPE_CHECKING:
    from engine.findings import Report


def test_cause_and_commands(found: Report) -> None:
    """The cause is a heading and the commands are a code block as they are."""
    text = render_markdown(found, "en")
    assert text.startswith("# diagnose: cause found\n\nQuestion: pod cannot reach db\n\n## Cause: docker set FORWARD to DROP on n1\n")
    assert "```sh\niptables -I DOCKER-USER -i cni0 -j ACCEPT\niptables -I DOCKER-USER -o cni0 -j ACCEPT\n```" in text
    assert "## 根因：" in render_markdown(found, "zh")


def test_evidence_cannot_act_as_markup(found: Report) -> None:
    """Links, HTML and fences from evidence are shown, not rendered."""
    cause = found.findings[0]
    remedy = cause.remedies[0]._replace(commands=("echo ```\n# x",))
    bad = cause._replace(title={"en": "[a](http://x) <b> *i*"}, evidence=(Line("n", "host", "f`g", 1, "``` <img src=x>"),), remedies=(remedy,))
    text = render_markdown(found._replace(findings=(bad,)), "en")
    assert "\\[a\\](http://x) \\<b\\> \\*i\\*" in text
    assert "````sh\necho ```\n# x\n````" in text
    assert "```` ``` <img src=x> ````" in text


def test_pieces() -> None:
    """Inline code keeps backticks apart from its own; empty text is no code."""
    assert code("a`b") == "``a`b``"
    assert code("`a") == "`` `a ``"
    assert code(" ") == ""
    assert escape("a_b|c") == "a\\_b\\|c"


def test_undecided_lists_commands(undecided: Report, clean: Report) -> None:
    """Missing evidence is a code block; a clean report says so."""
    assert "```sh\n# the way back is not known (n2)\nip route show table all\n```" in render_markdown(undecided, "en")
    assert "## No fault found: on the model the flow works." in render_markdown(clean, "en")
