"""Templates: what they can say, and that nothing in a rule, a playbook or a bundle gets out of the sandbox or runs without end."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import templates
from engine.data import builtin
from engine.facts import Fact, Source
from engine.findings import RemedyPlan, Verified
from engine.rulebase.model import LANGUAGES, NO_BRANCH, Branch, Rule
from engine.templates import TemplateError, explain, render, render_playbook, title

if TYPE_CHECKING:
    from collections.abc import Mapping

DROP = Fact(
    "drop",
    {
        "in_device": "cni0",
        "dst": "10.1.2.3",
        "dport": 53,
        "spec": "-j DROP",
        "labels": {"app": "web"},
        "subnets": ("10.0.0.0/8", "fd00::/8"),
        "up": False,
    },
    "n1",
    "web",
    Source("iptables-save", "*filter\n:FORWARD DROP [0:0]"),
    2,
)
BOUND = {"drop": DROP}

SAID = [
    ("{{ drop.in_device }} on {{ drop.node }}/{{ drop.stack }}", "cni0 on n1/web"),
    ("{{ drop.line }}: {{ drop.text }}", "2: :FORWARD DROP [0:0]"),
    ("{{ drop.dport + 1 }}", "54"),
    ("{{ drop.up }}", "False"),
    ("{{ 'a b; rm -rf /' | q }} {{ 'eth0' | q }}", "'a b; rm -rf /' eth0"),
    ("{{ '10.1.2.3/24' | network }} {{ 'fd00::1/64' | network }}", "10.1.2.0/24 fd00::/64"),
    ("{{ drop.gateway | default('none') }}", "none"),
    ("{% if drop.gateway is defined %}x{% else %}y{% endif %}", "y"),
    ("{% for net in drop.subnets %}{{ loop.index }}={{ net }} {% endfor %}", "1=10.0.0.0/8 2=fd00::/8 "),
    ("{{ drop.subnets | join(', ') }} {{ drop.subnets | length }} {{ drop.subnets | first }}", "10.0.0.0/8, fd00::/8 2 10.0.0.0/8"),
    ("{{ drop.labels.app }} {{ drop.labels.get('x', 'y') }} {% for k, v in drop.labels.items() %}{{ k ~ '=' ~ v }}{% endfor %}", "web y app=web"),
    ("{{ drop.spec.split(' ')[1] }} {{ drop.spec.startswith('-j') }} {{ drop.spec | upper | replace('-J', 'to') }}", "DROP True to DROP"),
    ("{% for i in range(3) %}{{ i * 2 }}{% endfor %} {{ 'a' + 'b' }} {{ 7 // 2 }}", "024 ab 3"),
    ("{{ branch }}", "north"),
]


@pytest.mark.parametrize(("text", "said"), SAID)
def test_said(text: str, said: str) -> None:
    """What rules need to say can be said."""
    assert render(text, BOUND, {"branch": "north"}) == said


REFUSED = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ drop.__class__ }}",
    "{{ drop._fact }}",
    "{{ drop['_fact'] }}",
    "{{ drop.labels.__init__.__globals__ }}",
    "{{ drop | attr('_fact') }}",
    "{{ '{0.__class__}'.format(drop) }}",
    "{{ '%s' | format(drop) }}",
    "{{ drop.labels.update({}) }}",
    "{{ drop.labels.pop('app') }}",
    "{{ [].append(1) }}",
    "{{ self.__init__ }}",
    "{{ cycler.__init__ }}",
    "{{ lipsum(5) }}",
    "{{ namespace() }}",
    "{{ dict() }}",
    "{{ range.__self__ }}",
    "{{ config }}",
    "{{ drop() }}",
    "{% include '_base.j2' %}",
    "{% import '_base.j2' as x %}",
    "{% from '_base.j2' import x %}",
    "{% extends '_base.j2' %}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% set x %}y{% endset %}",
    "{% filter upper %}y{% endfilter %}",
    "{% call drop() %}{% endcall %}",
]
ENDLESS = [
    "{{ range(10000000000) | list }}",
    "{{ range(20001) | length }}",
    "{% for a in range(20000) %}{% for b in range(20000) %}{% for c in range(20000) %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in range(20000) recursive %}{{ loop(range(20000)) }}{% endfor %}",
    "{% for a in range(5000) %}" + "x" * 100 + "{% endfor %}",
    "{% for a in range(5000) %}{{ drop.spec * 1 }}{% endfor %}",
    "{{ 'a' * 1000000000 }}",
    "{{ [0] * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{% set n = 18446744073709551615 %}" + "{% set n = n * n %}" * 60 + "{{ n }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ 'a' | indent(1000000000) }}",
    "{% set a = 'aaaaaaaa' %}" + "{% set a = a ~ a %}" * 40,
    "{% set a = 'aaaaaaaa' %}" + "{% set a = a + a %}" * 40,
    "{% set a = [1] %}" + "{% set a = a + a %}" * 40,
    "{% set a = 'aaaaaaaa' %}" + "{% set a = a | replace('a', a) %}" * 8,
    "{% set a = 'aaaaaaaa' %}" + "{% set a = [a, a] | join(a) %}" * 40,
    "x" * 65_537,
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
]
WRONG = ["{{ drop.nope }}", "{{ nope }}", "{{ drop.dport | network }}", "{{ drop", "{% if %}", "{{ none }}", "{{ drop.subnets[9] }}", "{{ 1 // 0 }}",
         "{{ 'a' + 1 }}",
         "{{ nope | q }}", "{{ drop.labels.nope }}", "{{ 1 | nosuchfilter }}", "{{ drop.spec | int + none }}"]  # fmt: skip


@pytest.mark.parametrize("text", [*REFUSED, *ENDLESS, *WRONG])
def test_refused(text: str) -> None:
    """Ways out of the sandbox, endless work, and plain mistakes all end at once in one kind of error."""
    started = time.monotonic()
    with pytest.raises(TemplateError):
        render(text, BOUND)
    assert time.monotonic() - started < 5


def test_messages_name_what_is_missing() -> None:
    """An undefined field is named with the kind of fact that lacks it."""
    with pytest.raises(TemplateError, match=r"template '{{ drop.nope }}': drop has no nope here"):
        render("{{ drop.nope }}", BOUND)
    with pytest.raises(TemplateError, match="'nope' is undefined"):
        render("{{ nope }}", BOUND)


def test_long_fields_are_cut() -> None:
    """A huge text in a bundle does not cost the finding: it is cut and marked."""
    said = render("{{ rules.text }}", {"rules": Fact("nft_ruleset", {"text": "x" * 1_000_000})})
    assert said == "x" * templates.MAX_FIELD + " …"


def test_a_field_named_text_wins() -> None:
    """The fields of a fact come before the words that every binding has."""
    assert render("{{ f.text }}", {"f": Fact("nft_ruleset", {"text": "own"}, shown="shown")}) == "own"


@given(st.text(alphabet="{}%#'\"~|.()[]+-*/ drop_in_device0123forifendset=,\n", max_size=80))
def test_no_template_crashes(text: str) -> None:
    """Any text renders or is refused."""
    with suppress(TemplateError):
        render(text, BOUND)


# --- playbooks ------------------------------------------------------------------------------------------------------

PLAYBOOK = """\
{% extends "_base.j2" %}
{% block cause_en %}
Packets to {{ drop.dst }} end on {{ drop.node }}.
{% endblock %}
{% block cause_zh %}
发往 {{ drop.dst }} 的报文在 {{ drop.node }} 终止。
{% endblock %}
"""


def plan(**changes: Any) -> RemedyPlan:
    """A remedy."""
    return RemedyPlan("n1", {"en": "Accept it", "zh": "放行"}, ("iptables -A x",), ("iptables -D x",), "low", Verified.RESTORES_FLOW, **changes)


def playbook(folder: Path, text: str, name: str = "mine") -> Mapping[str, Mapping[str, str]]:
    """A playbook's parts in all languages, with one remedy."""
    (folder / f"{name}.j2").write_text(text, encoding="utf-8")
    templates.environment.cache_clear()
    extra = {"remedies": (plan(persist=("save",)),)}
    return {lang: render_playbook(name, lang, BOUND, extra, (folder,)) for lang in LANGUAGES}


def test_playbook(tmp_path: Path) -> None:
    """A playbook gives cause and remedy in both languages; the remedies of the rule print themselves."""
    parts = playbook(tmp_path, PLAYBOOK)
    assert parts["en"]["cause"] == "Packets to 10.1.2.3 end on n1."
    assert parts["zh"]["cause"] == "发往 10.1.2.3 的报文在 n1 终止。"
    remedy = "Accept it (risk: low)\n    iptables -A x\nTo survive a reboot:\n    save\nTo undo:\n    iptables -D x"
    assert parts["en"]["remedy"] == remedy
    assert parts["zh"]["remedy"].startswith("放行（风险：低）\n    iptables -A x\n")
    assert parts["en"]["extra"] == ""


def test_playbook_falls_back_to_english(tmp_path: Path) -> None:
    """What is not written in Chinese is given in English."""
    parts = playbook(
        tmp_path, '{% extends "_base.j2" %}{% block cause_en %}c{% endblock %}{% block extra_en %}e{% endblock %}{% block remedy_en %}r{% endblock %}'
    )
    assert parts["en"] == {"cause": "c", "remedy": "r", "extra": "e"}
    assert parts["zh"]["cause"] == "c"
    assert parts["zh"]["extra"] == "e"


@pytest.mark.parametrize("text", [
    "{% extends 'mine.j2' %}", "{% extends '../rules/x.j2' %}", "{% extends '/etc/passwd' %}", "{% extends drop.dst %}", "{% include '_base.j2' %}",
    '{% extends "_base.j2" %}{% block cause_en %}{{ self.cause_en() }}{% endblock %}',
    '{% extends "_base.j2" %}{% block cause_en %}{% for i in range(9000) %}{{ drop.spec }}{% endfor %}{% endblock %}',
])  # fmt: skip
def test_playbooks_are_bounded_too(text: str, tmp_path: Path) -> None:
    """A playbook cannot read other files, call itself without end, or print without bounds."""
    with pytest.raises(TemplateError):
        playbook(tmp_path, text)


@pytest.mark.parametrize("name", ["../playbooks/_base", "/etc/passwd", "nothing", "", "A"])
def test_playbook_names(name: str, tmp_path: Path) -> None:
    """Only a plain name of a file that is there is a playbook."""
    with pytest.raises(TemplateError):
        render_playbook(name, "en", BOUND, {}, (tmp_path,))


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    """A link inside a playbook folder does not make another file printable; one that stays inside is fine."""
    secret = tmp_path / "secret"
    secret.write_text("token", encoding="utf-8")
    folder = tmp_path / "playbooks"
    (folder / "..data").mkdir(parents=True)
    (folder / "evil.j2").symlink_to(secret)
    (folder / "..data" / "good.j2").write_text(PLAYBOOK, encoding="utf-8")
    (folder / "good.j2").symlink_to(folder / "..data" / "good.j2")
    with pytest.raises(TemplateError):
        render_playbook("evil", "en", BOUND, {}, (folder,))
    assert render_playbook("good", "en", BOUND, {}, (folder,))["cause"] == "Packets to 10.1.2.3 end on n1."


def test_a_teams_playbook_comes_before_the_built_in(tmp_path: Path) -> None:
    """The folders of the rule are searched first."""
    name = next(path.stem for path in sorted(Path(str(builtin("playbooks"))).glob("[a-z]*.j2")))
    assert playbook(tmp_path, PLAYBOOK, name)["en"]["cause"] == "Packets to 10.1.2.3 end on n1."


def test_explain_without_a_playbook() -> None:
    """A rule may carry its explanation itself; the remedy part is the usual one."""
    rule = Rule("x", title={"en": "{{ drop.dst }} is lost"}, explain={"en": "Lost on {{ drop.node }}."})
    parts = explain(rule, "zh", BOUND, {"remedies": (plan(),)})
    assert parts["cause"] == "Lost on n1."
    assert "放行" in parts["remedy"]
    assert title(rule, NO_BRANCH, "zh", BOUND) == "10.1.2.3 is lost"


def test_a_branch_says_its_own_title() -> None:
    """What a branch found may be another sentence; a branch without one is told by the rule's."""
    own = Branch("refused", title={"en": "{{ drop.dst }} is refused", "zh": "{{ drop.dst }} 被拒绝"})
    rule = Rule("x", title={"en": "{{ drop.dst }} is lost"}, branches=(own, Branch("silent")))
    assert [title(rule, branch, lang, BOUND) for branch in rule.branches for lang in ("en", "zh")] == [
        "10.1.2.3 is refused",
        "10.1.2.3 被拒绝",
        "10.1.2.3 is lost",
        "10.1.2.3 is lost",
    ]


def test_explain_with_a_playbook(tmp_path: Path) -> None:
    """A rule's playbook is found in the rule's folders."""
    (tmp_path / "own.j2").write_text(PLAYBOOK, encoding="utf-8")
    assert explain(Rule("x", playbook="own", playbooks=(tmp_path,)), "en", BOUND)["cause"] == "Packets to 10.1.2.3 end on n1."
