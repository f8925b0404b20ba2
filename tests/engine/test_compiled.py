"""Kept byte code is that of the same text; only what belongs to the program is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine import compiled, kept, templates
from engine.data import builtin
from engine.facts import Fact
from engine.rulebase.model import Mark, Override, RemedySpec, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = "{{ drop.dst }} has {{ 6 * 7 }} faces"
BOUND = {"drop": Fact("drop", {"dst": "10.1.2.3"}, "n1")}
HOME = Mark(f"{builtin('rules')}/link/x.yaml", 1, 1)
OURS = Rule("x", title={"en": TEXT}, remedies=(RemedySpec("op", {"en": "a {{ drop.dst }}"}, {"rule": ("b {{ drop.dst }}", "plain")}),), origin=HOME)


@pytest.fixture(autouse=True)
def fresh_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run that finds nothing kept, and leaves nothing behind."""
    monkeypatch.setattr(kept, "_file", lambda name: str(tmp_path / "shelf" / name))
    monkeypatch.setattr(kept, "SETTLED", 0)
    next_run()
    yield
    next_run()


def next_run() -> None:
    """Forget everything that a process remembers."""
    for cached in (compiled.shelf, templates.environment, templates._string_template):
        cached.cache_clear()


def compiling_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every compilation fail from here on."""
    from jinja2 import Environment

    monkeypatch.setattr(Environment, "_compile", lambda *_: pytest.fail("compiled again"))


def test_a_text_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run renders the texts of built-in rules (title, remedies, parameters) to the same without compiling them."""
    texts = [TEXT, "a {{ drop.dst }}", "b {{ drop.dst }}"]
    first = [templates.render(text, BOUND) for text in texts]
    compiled.keep([OURS])
    next_run()
    compiling_is_wrong(monkeypatch)
    assert [templates.render(text, BOUND) for text in texts] == first


def test_the_sandbox_holds_for_kept_templates() -> None:
    """Budget and strictness act when a template is rendered, wherever its byte code comes from; a refused text is never kept."""
    endless, absent, refused = "{% for n in range(20000) %}{{ n }}{% endfor %}{{ drop.dst }}", "{{ drop.gateway }}", "{% macro m() %}{% endmacro %}"
    rule = Rule("x", title={"en": endless, "zh": absent}, explain={"en": refused}, origin=HOME)
    for _ in range(2):
        for text in (endless, absent, refused):
            with pytest.raises(templates.TemplateError):
                templates.render(text, BOUND)
        compiled.keep([rule])
        assert {source for source, _ in compiled.shelf()._kept} <= {endless, absent}
        next_run()
    assert {source for source, _ in compiled.shelf()._kept} == {endless, absent}


def test_a_teams_texts_are_not_kept(tmp_path: Path) -> None:
    """Rules and playbooks of other folders, and rules that an override changed, are compiled in each run."""
    (tmp_path / "own.j2").write_text('{% extends "_base.j2" %}{% block cause_en %}It is {{ drop.dst }}.{% endblock %}', encoding="utf-8")
    templates.render_playbook("own", "en", BOUND, folders=(tmp_path,))
    templates.render(TEXT, BOUND)
    other = Rule("x", title={"en": TEXT}, origin=Mark(str(tmp_path / "x.yaml"), 1, 1))
    changed = Rule("x", title={"en": TEXT}, origin=HOME, override=Override("x", "why", None, disable=False, keys=("title",)))
    compiled.keep([other, changed])
    next_run()
    assert [(source[:10], file) for source, file in compiled.shelf()._kept] == [
        ("{#- Every ", f"{builtin('playbooks')}/_base.j2"),
    ]


def test_old_texts_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no longer a text of a rule does not stay for ever."""
    templates.render(TEXT, BOUND)
    compiled.keep([OURS])
    next_run()
    templates.render("now {{ drop.dst }}", BOUND)
    compiled.keep([Rule("x", title={"en": "now {{ drop.dst }}"}, origin=HOME)])
    next_run()
    assert [source for source, _ in compiled.shelf()._kept] == ["now {{ drop.dst }}"]
    monkeypatch.setattr(compiled, "_stamp", lambda: (("other", 1, 1, 1),))
    next_run()
    assert not compiled.shelf()._kept


def test_nothing_was_compiled(tmp_path: Path) -> None:
    """A run without templates writes nothing."""
    compiled.keep([OURS])
    assert not (tmp_path / "shelf").exists()


@pytest.mark.parametrize("text", ["", "\n", "a", "a\n", "a\n\n", " a }} \n b", "-j ACCEPT # no braces }"])
def test_plain_text_is_what_jinja_makes_of_it(text: str) -> None:
    """Text without an opening brace is rendered without Jinja, to the same."""
    assert templates.render(text, {}) == templates.environment().from_string(text).render()
