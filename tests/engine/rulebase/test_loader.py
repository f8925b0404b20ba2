"""Loading: every issue of every file at once, each with its place; overrides change, narrow and disable."""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine.rulebase
from engine.data import builtin
from engine.errors import ExitStatus
from engine.inference import guards
from engine.rulebase import document, loader
from engine.rulebase.issues import Issue, RulebaseError, did_you_mean, render
from engine.rulebase.lint import lint
from engine.rulebase.model import NO_MARK, Guard, Literal, Mark, Pattern, Ref

if TYPE_CHECKING:
    from engine.rulebase.loader import Rulebase

RULE = """\
id: alpha
title: {en: "{{ drop.chain }} drops", zh: "丢弃"}
layer: netfilter
severity: high
when:
  - {fact: drop, as: drop, where: {by: policy}}
explain: {en: "It drops.", zh: "丢弃。"}
tests:
  - {name: fires, facts: [{kind: drop, fields: {by: policy}}], expect: [alpha]}
  - {name: silent, facts: [{kind: drop, fields: {by: rule}}], expect: []}
"""
"""A rule without any issue."""


def unmarked(value: Any) -> Any:
    """The value without the places at which its parts were written."""
    if isinstance(value, Mark):
        return NO_MARK
    if isinstance(value, tuple):
        parts = [unmarked(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def write(folder: Path, **files: str) -> Path:
    """Write rule files; double underscores stand for slashes."""
    for name, text in files.items():
        file = folder / (name.replace("__", "/").replace("_", "-") + ".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    return folder


def load(folder: Path, today: date | None = None) -> tuple[Rulebase, list[Issue]]:
    """Read one folder with its tests, and lint it."""
    rulebase, issues = loader.read([folder], tests=True, today=today)
    return rulebase, sorted({*issues, *lint(rulebase)})


def with_(rule: str = RULE, /, **keys: str) -> str:
    """The rule with some top-level lines replaced or added."""
    lines = rule.splitlines()
    for name, text in keys.items():
        key = name.rstrip("_")
        start = next((i for i, line in enumerate(lines) if line.startswith(f"{key}:")), len(lines))
        end = next((i for i in range(start + 1, len(lines)) if not lines[i].startswith((" ", "-"))), len(lines))
        lines[start:end] = [f"{key}: {text}"] if text else []
    return "\n".join(lines) + "\n"


def test_the_plain_rule_has_no_issue(tmp_path: Path) -> None:
    """The rule that the cases below break is whole, so that each shows its own fault only."""
    rulebase, issues = load(write(tmp_path, alpha=RULE))
    assert issues == []
    rule = rulebase.rules[0]
    assert (rule.id, rule.layer, rule.when[0].kind, rule.origin) == ("alpha", "netfilter", "drop", Mark(str(tmp_path / "alpha.yaml"), 1, 1))


OTHER = with_(RULE).replace("alpha", "beta")
TWO = "\n  - {fact: drop, as: drop}\n  - {fact: link, as: link, join: {node: drop.node}}"

CASES: list[tuple[str, dict[str, str], str]] = [
    # structure
    ("yaml-syntax", {"alpha": "id: [alpha\n"}, "alpha.yaml:2:1 yaml-syntax while parsing a flow sequence did not find expected ',' or ']'"),
    ("yaml-alias", {"alpha": "id: &x alpha\ntitle: *x\n"}, "alpha.yaml:2:8 yaml-alias aliases are not allowed in rules; write the value out"),
    ("yaml-tag", {"alpha": with_(id="!!python/name:os.system alpha")},
     "alpha.yaml:1:5 yaml-tag tag 'tag:yaml.org,2002:python/name:os.system' is not allowed in rules"),
    ("too-deep", {"alpha": with_(tests="[{name: x, expect: [], facts: [{kind: drop, fields: {by: " + "[" * 30 + "]" * 30 + "}}]}]")},
     "alpha.yaml:8:90 too-deep nested deeper than 24 levels"),
    ("wrong-type", {"alpha": with_(when="drop")}, "alpha.yaml:5:7 wrong-type when must be a list, not a single value"),
    ("duplicate-key", {"alpha": RULE + "layer: link\n"}, "alpha.yaml:11:1 duplicate-key key 'layer' stands twice in a rule; the first is in line 3"),
    ("unknown-key", {"alpha": RULE + "serverity: low\n"}, "alpha.yaml:11:1 unknown-key a rule has no key 'serverity'; did you mean 'severity'?"),
    ("missing-key", {"alpha": with_(layer="")}, "alpha.yaml:1:5 missing-key rule 'alpha' needs 'layer'"),
    ("empty-file", {"alpha": "# nothing yet\n"}, "alpha.yaml empty-file no rule in this file"),
    ("bad-id", {"alpha": RULE.replace("id: alpha", "id: Alpha_1")}, "alpha.yaml:1:5 bad-id id 'Alpha_1' must be lower-case words joined by hyphens"),
    ("bad-value", {"alpha": with_(severity="urgent")},
     "alpha.yaml:4:11 bad-value severity cannot be 'urgent'; one of: critical, high, low, medium"),
    ("bad-value", {"alpha": with_(symptoms="[timout]")}, "alpha.yaml:11:12 bad-value no such symptom: 'timout'; did you mean 'timeout'?"),
    ("too-many", {"alpha": with_(when="\n" + "  - {fact: drop, as: drop}\n" + "  - {fact: drop, join: {node: drop.node}}\n" * 12)},
     "alpha.yaml:5:1 too-many when has 13 patterns; the limit is 12"),
    # where, join, guard
    ("unknown-operator", {"alpha": with_(when="\n  - {fact: drop, as: drop, where: {chain: {prefx: X}}}")},
     "alpha.yaml:6:44 unknown-operator `where` has no operator 'prefx'; did you mean 'prefix'?"),
    ("unknown-operator", {"alpha": with_(guard="[{left: drop.src, op: inside, right: drop.dst}]")},
     "alpha.yaml:11:30 unknown-operator `guard` has no operator 'inside'; one of: " + ", ".join(sorted(guards.NAMES))),
    ("bad-operand", {"alpha": with_(when="\n  - {fact: drop, as: drop, where: {chain: [A, B]}}")},
     "alpha.yaml:6:43 bad-operand write `chain: {in: [...]}` for one of several values"),
    ("bad-operand", {"alpha": with_(when="\n  - {fact: drop, as: drop, where: {src: {in-prefix: 10.0.0.0/40}}}")},
     "alpha.yaml:6:53 bad-operand in-prefix takes a prefix: prefix length out of range: '10.0.0.0/40'"),
    ("bad-operand", {"alpha": with_(when="\n  - {fact: drop, as: drop, where: {spec: {matches: '(a+)+'}}}")},
     "alpha.yaml:6:52 bad-operand regular expression refused: a repeat inside an unbounded repeat"),
    ("bad-reference", {"alpha": with_(dedupe="[drop]")}, "alpha.yaml:11:10 bad-reference 'drop' must be written `alias.field`"),
    # names
    ("unknown-kind", {"alpha": with_(when="\n  - {fact: dorp, as: drop}")},
     "alpha.yaml:6:12 unknown-kind there is no kind of fact 'dorp'; did you mean 'drop'?"),
    ("unknown-field", {"alpha": with_(when="\n  - {fact: drop, as: drop, where: {chian: X}}")},
     "alpha.yaml:6:36 unknown-field drop has no field 'chian'; did you mean 'chain'?"),
    ("unknown-field", {"alpha": with_(dedupe="[drop.noed]")}, "alpha.yaml:11:10 unknown-field drop has no field 'noed'; did you mean 'node'?"),
    ("bad-type", {"alpha": with_(when='\n  - {fact: drop, as: drop, where: {dport: "53"}}')},
     "alpha.yaml:6:36 bad-type drop.dport is int, so it never equals '53'; write it without quotes"),
    ("bad-type", {"alpha": with_(when="\n  - {fact: drop, as: drop}\n  - {fact: sysctl, as: key, where: {value: 0}, join: {node: drop.node}}")},
     'alpha.yaml:7:37 bad-type sysctl.value is str, so it never equals 0; write "0" in quotes'),
    ("bad-type", {"alpha": with_(when="\n  - {fact: drop, as: drop, where: {flow: {prefix: x}}}")},
     "alpha.yaml:6:36 bad-type drop.flow is int, which prefix does not fit"),
    ("bad-type", {"alpha": with_(when="\n  - {fact: drop, as: drop}\n  - {fact: link, join: {node: drop.dport}}")},
     "alpha.yaml:7:25 bad-type link.node is str and drop.dport int: never equal"),
    ("bad-type", {"alpha": with_(guard="[{left: drop.dport, op: eq, value: '53'}]")},
     "alpha.yaml:11:9 bad-type drop.dport is int and '53' str: never equal"),
    ("unbound-alias", {"alpha": with_(guard="[{left: drop.src, op: in-prefix, right: pool.cidr}]")},
     "alpha.yaml:11:48 unbound-alias 'pool' is not bound; one of: drop"),
    ("unbound-alias", {"alpha": with_(on="pool")}, "alpha.yaml:11:1 unbound-alias 'pool' is not bound under every branch; one of: drop"),
    ("unbound-alias", {"alpha": with_(when="\n  - {fact: link, as: link, join: {node: drop.node}}\n  - {fact: drop, as: drop}")},
     "alpha.yaml:6:41 unbound-alias 'drop' is not bound; a join refers to an earlier pattern"),
    ("duplicate-alias", {"alpha": with_(when=TWO.replace("as: link", "as: drop"))}, "alpha.yaml:7:12 duplicate-alias alias 'drop' is already bound"),
    ("bad-alias", {"alpha": with_(when=TWO.replace("as: link", "as: loop"))},
     "alpha.yaml:7:12 bad-alias alias 'loop' has a meaning of its own in templates; choose another"),
    ("useless-alias", {"alpha": with_(none="[{fact: link, as: link, join: {node: drop.node}}]")},
     "alpha.yaml:11:15 useless-alias alias 'link' of a fact that must not exist is of use in its own guard only"),
    ("useless-guard", {"alpha": with_(none="[{fact: link, guard: [{left: drop.src, op: eq, right: drop.dst}]}]")},
     "alpha.yaml:11:15 useless-guard a guard of a `none` pattern must refer to that pattern's alias"),
    # under a branch only what is bound there can be told
    ("template-name", {"alpha": with_(any="\n  - {name: a, guard: []}\n  - name: b\n    title: {en: '{{ link.mtu }}', zh: x}\n    guard: []\n"
                                     "  - {name: c, when: [{fact: link, as: link, join: {node: drop.node}}]}")},
     "alpha.yaml:13:11 template-name template uses 'link', which is not bound; one of: drop"),
    ("no-translation", {"alpha": with_(any="[{name: a, title: {en: x}, guard: []}]")},
     "alpha.yaml:11:14 no-translation warning: title of branch 'a' has no Chinese text (zh)"),
    ("duplicate-branch", {"alpha": with_(any="[{name: a, guard: []}, {name: a, guard: []}]")},
     "alpha.yaml:11:36 duplicate-branch two branches are named 'a'"),
    ("no-pattern", {"alpha": with_(when="[]", title="{en: x, zh: x}")}, "alpha.yaml:1:1 no-pattern rule 'alpha' has no pattern to match"),
    # across documents
    ("duplicate-id", {"alpha": RULE, "b__alpha": RULE},
     "b/alpha.yaml:1:1 duplicate-id rule 'alpha' is already in {folder}/alpha.yaml:1; use `override: alpha`"),
    ("unknown-suppressed", {"alpha": with_(suppresses="[beat]"), "beta": OTHER},
     "alpha.yaml:11:14 unknown-suppressed there is no rule 'beat'; did you mean 'beta'?"),
    ("suppress-cycle", {"alpha": with_(suppresses="[beta]"), "beta": with_(OTHER, suppresses="[alpha]")},
     "alpha.yaml:11:14 suppress-cycle 'alpha' and 'beta' suppress each other"),
    ("negative-cycle", {"alpha": with_(none="[{fact: other}]", derive="[{fact: mine, fields: {}}]"),
                        "beta": with_(OTHER, when="\n  - {fact: mine, as: drop}", derive="[{fact: other, fields: {}}]", title="{en: x, zh: x}",
                                      tests="[{name: f, facts: [{kind: mine}], expect: [beta]}, {name: s, facts: [], expect: []}]")},
     "alpha.yaml:11:15 negative-cycle `none` inside a circle of derived facts: alpha derives mine -> beta derives other -> alpha (none: other)"),
    ("unknown-override", {"alpha": RULE, "o": "override: alpah\nreason: x\ndisable: true\n"},
     "o.yaml:1:1 unknown-override there is no rule 'alpah' to override; did you mean 'alpha'?"),
    ("override-expired", {"alpha": RULE, "o": "override: alpha\nreason: x\ndisable: true\nexpires: 2020-01-31\n"},
     "o.yaml:1:1 override-expired warning: the override of 'alpha' expired on 2020-01-31 and is ignored"),
    ("duplicate-override", {"alpha": RULE, "o": "override: alpha\nreason: x\nseverity: low\n---\noverride: alpha\nreason: y\nseverity: high\n"},
     "o.yaml:5:1 duplicate-override 'alpha' is already overridden in {folder}/o.yaml:1"),
    ("empty-override", {"alpha": RULE, "o": "override: alpha\nreason: x\n"},
     "o.yaml:1:1 empty-override an override disables the rule (`disable: true`) or gives keys to change"),
    ("bad-value", {"alpha": RULE, "o": "override: alpha\nreason: x\ndisable: true\nexpires: 20270131\n"},
     "o.yaml:4:10 bad-value expires must be a date such as 2026-01-31, not '20270131'"),
    # inline tests
    ("unknown-field", {"alpha": RULE.replace("fields: {by: policy}}", "fields: {bye: policy}}")},
     "alpha.yaml:9:27 unknown-field drop has no field 'bye'; did you mean 'by'?"),
    ("bad-type", {"alpha": RULE.replace("fields: {by: policy}}", "fields: {by: policy, dport: '1'}}")},
     "alpha.yaml:9:27 bad-type drop.dport is int, not '1'; write it without quotes"),
    ("unknown-expected", {"alpha": RULE.replace("expect: [alpha]", "expect: [alpha, alhpa]")},
     "alpha.yaml:9:80 unknown-expected there is no rule 'alhpa'; did you mean 'alpha'?"),
    # lint
    ("no-join", {"alpha": with_(when="\n  - {fact: drop, as: drop}\n  - {fact: link, as: link}")},
     "alpha.yaml:7:12 no-join nothing joins link to the other patterns: every pair of facts would match"),
    ("guard-join", {"alpha": with_(when="\n  - {fact: address, as: drop}\n  - {fact: route, as: r}", title="{en: x, zh: x}",
                                   guard="[{left: drop.address, op: in-prefix, right: r.dst}]",
                                   tests="[{name: f, facts: [{kind: address, fields: {address: 10.0.0.1}}, {kind: route, fields: {dst: 10.0.0.0/8}}],"
                                         " expect: [alpha]}, {name: s, facts: [], expect: []}]")},
     ("alpha.yaml:7:12 guard-join warning: only a guard ties route to the other patterns: every pair of facts is compared; "
     "join on a field as well (node?)")),
    ("no-firing-test", {"alpha": with_(tests="[{name: s, facts: [], expect: []}]")},
     "alpha.yaml:8:1 no-firing-test rule 'alpha' has no test in which it fires"),
    ("no-silent-test", {"alpha": with_(tests="[{name: f, facts: [{kind: drop, fields: {by: policy}}], expect: [alpha]}]")},
     "alpha.yaml:8:1 no-silent-test rule 'alpha' has no test in which it must not fire"),
    ("misplaced", {"link__alpha": RULE}, "link/alpha.yaml:1:1 misplaced warning: rule 'alpha' of layer netfilter stands in link/"),
    ("misplaced", {"gamma": RULE}, "gamma.yaml:1:1 misplaced warning: rule 'alpha' belongs in a file alpha.yaml"),
    ("no-translation", {"alpha": with_(title="{en: drops}")}, "alpha.yaml:2:1 no-translation warning: title has no Chinese text (zh)"),
    ("template-syntax", {"alpha": with_(title='{en: "{{ drop.chain", zh: x}')},
     "alpha.yaml:2:1 template-syntax unexpected end of template, expected 'end of print statement'."),
    ("template-name", {"alpha": with_(title='{en: "{{ dorp.chain }}", zh: x}')},
     "alpha.yaml:2:1 template-name template uses 'dorp', which is not bound; did you mean 'drop'?"),
    ("template-field", {"alpha": with_(explain='{en: "{{ drop.chian }}", zh: x}')},
     "alpha.yaml:7:1 template-field drop has no field 'chian'; did you mean 'chain'?"),
    ("no-playbook", {"alpha": with_(playbook="nowhere")}, "alpha.yaml:11:1 no-playbook there is no nowhere.j2 in {builtin}"),
    ("unknown-operation", {"alpha": with_(remedies='[{op: iptables.isnert, title: {en: "x"}}]')},
     "alpha.yaml:11:17 unknown-operation there is no operation 'iptables.isnert'; did you mean 'iptables.insert'?"),
    ("unknown-parameter", {"alpha": with_(remedies='[{op: iptables.insert, title: {en: "x"}, tabel: filter, chain: X, rule: -j ACCEPT}]')},
     "alpha.yaml:11:52 unknown-parameter iptables.insert has no parameter 'tabel'; did you mean 'table'?"),
    ("missing-parameter", {"alpha": with_(remedies='[{op: iptables.insert, title: {en: "x"}, table: filter, chain: X}]')},
     "alpha.yaml:11:17 missing-parameter iptables.insert needs 'rule'"),
]  # fmt: skip

ELSEWHERE = {"unreadable", "too-big", "not-utf-8", "playbook-block"}
"""Codes with a test of their own below or in test_lint."""


@pytest.mark.parametrize(("code", "files", "expected"), CASES, ids=[f"{code}-{number}" for number, (code, _, _) in enumerate(CASES)])
def test_issue(code: str, files: dict[str, str], expected: str, tmp_path: Path) -> None:
    """Each fault gives exactly one line: file, line, column, code and what to do, and nothing else is said about it."""
    _, issues = load(write(tmp_path, **files))
    expected = expected.replace("{folder}", str(tmp_path)).replace("{builtin}", str(builtin("playbooks")))
    heads = [issue.head().removeprefix(f"{tmp_path}/") for issue in issues if not _follows(issue, code)]
    assert heads == [expected]
    assert expected.split()[1] == code


def _follows(issue: Issue, code: str) -> bool:
    """Whether an issue is the mere consequence of another (a rule that is broken lacks a firing test, the second of two that name each other)."""
    consequences = {
        "bad-operand": ("no-firing-test",),
        "too-deep": ("bad-type", "no-firing-test"),
        "wrong-type": ("missing-key", "no-pattern", "unbound-alias", "template-name"),
        "unknown-operator": ("no-firing-test",),
        "bad-id": ("unknown-expected", "no-firing-test"),
        "suppress-cycle": ("suppress-cycle",) if issue.at.file.endswith("beta.yaml") else (),
        "no-pattern": ("template-name",),
        "unknown-kind": ("template-name",),
        "duplicate-alias": ("template-field", "no-join"),
    }
    if issue.code == code and code != "suppress-cycle":
        return False
    return issue.code in consequences.get(code, ())


def test_every_code_has_a_case() -> None:
    """No issue can be told that no test has seen."""
    codes = set()
    for file in Path(engine.rulebase.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) > 1:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in ("issue", "Issue") and isinstance(node.args[1], ast.Constant):
                    codes.add(node.args[1].value)
            elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and isinstance(node.value.elts[1], ast.Constant):
                codes.add(node.value.elts[1].value)
    assert len(codes) > 40
    assert codes == {code for code, _, _ in CASES} | ELSEWHERE


def test_all_issues_of_all_files_are_told_together(tmp_path: Path) -> None:
    """One run shows everything, in order, each with its line and a caret under the column."""
    write(tmp_path, alpha=with_(severity="urgent", title='{en: "丢弃"}', dedupe="[drop.noed]"), beta="id: [\n")
    with pytest.raises(RulebaseError) as caught:
        loader.load([tmp_path])
    assert caught.value.status is ExitStatus.BAD_INPUT
    assert str(caught.value) == dedent(f"""\
        {tmp_path}/alpha.yaml:4:11 bad-value severity cannot be 'urgent'; one of: critical, high, low, medium
            severity: urgent
                      ^
        {tmp_path}/alpha.yaml:11:10 unknown-field drop has no field 'noed'; did you mean 'node'?
            dedupe: [drop.noed]
                     ^
        {tmp_path}/beta.yaml:2:1 yaml-syntax while parsing a flow node did not find expected node content""")
    assert caught.value.hint.startswith("3 errors in the rules")


def test_the_caret_stands_under_the_column(tmp_path: Path) -> None:
    """Tabs and wide characters before the column do not move the caret, and long lines are cut around it."""
    file = tmp_path / "x.yaml"
    file.write_text("\t丢弃 x\n" + "a" * 500 + "!" + "\n", encoding="utf-8")
    wide = render([Issue(Mark(str(file), 1, 5), "c", "m")]).split("\n")
    assert wide[1:] == ["    \t丢弃 x", "    \t     ^"]
    long = render([Issue(Mark(str(file), 2, 501), "c", "m")]).split("\n")
    assert long[1].endswith("!")
    assert len(long[2]) == len(long[1])


def test_issues_without_a_line_or_file() -> None:
    """What has no line, or a file that is gone, is told without a snippet."""
    assert render([Issue(Mark("/nowhere/x.yaml", 3, 1), "c", "m"), Issue(Mark("/nowhere/y.yaml", 0, 0), "c", "m")]) == (
        "/nowhere/x.yaml:3:1 c m\n/nowhere/y.yaml c m"
    )


def test_files_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files too big, not UTF-8 or unreadable are issues, not crashes."""
    (tmp_path / "big.yaml").write_bytes(b"#" * (document.MAX_BYTES + 1))
    (tmp_path / "latin.yaml").write_bytes(b"id: a\ntitle: caf\xe9\n")
    (tmp_path / "gone.yaml").touch()
    original = Path.open

    def broken(self: Path, *args: object, **options: object) -> object:
        if self.name == "gone.yaml":
            raise OSError(5, "Input/output error")
        return original(self, *args, **options)  # type: ignore[call-overload]  # passed through

    monkeypatch.setattr(Path, "open", broken)
    _, issues = loader.read([tmp_path])
    assert [issue.head().removeprefix(f"{tmp_path}/") for issue in issues] == [
        f"big.yaml too-big larger than {document.MAX_BYTES} bytes",
        "gone.yaml unreadable cannot be read: Input/output error",
        "latin.yaml:2:1 not-utf-8 not UTF-8 text (byte 0xe9)",
    ]


def test_yaml_reads_words_as_words(tmp_path: Path) -> None:
    """YAML 1.1's traps are not there: no, on, 010, 22:22 and dates are text, quoted numbers too."""
    where = '{state: no, port_state: on, alias: 010, master: 22:22, peer_name: 2020-01-01, peer_stack: "7", index: 7, up: true, mac: -}'
    rulebase, _ = load(write(tmp_path, alpha=with_(when=f"\n  - {{fact: link, as: drop, where: {where}}}")))
    assert [condition.operand for condition in rulebase.rules[0].when[0].where] == ["no", "on", "010", "22:22", "2020-01-01", "7", 7, True, "-"]


def test_the_whole_language_is_read(tmp_path: Path) -> None:
    """Every construct of the language arrives in the model."""
    text = """\
        id: alpha
        title: {en: "x", zh: "x"}
        layer: netfilter
        severity: low
        symptoms: [timeout, EHOSTUNREACH, dns]
        references: ["a book"]
        when:
          - fact: drop
            as: drop
            where: {dport: {gt: 1, lt: 1024}, chain: FORWARD}
        any:
          - name: one
            standing: latent
            when: [{fact: link, as: link, join: {node: drop.node, name: drop.in_device}}]
            none: [{fact: address, as: a, join: {device: link.name}, guard: [{left: a.address, op: eq, right: drop.src}]}]
            guard: [{left: link.mtu, op: lt, value: 1500}]
        none: [{fact: route}]
        guard:
          - {left: drop, op: before, right: drop}
          - {left: {value: 1}, op: in, value: [1, 2]}
        dedupe: [drop.node]
        derive: [{fact: mine, fields: {device: drop.in_device, why: {value: x}}}]
        finding: true
        remedies:
          - {op: sysctl.set, title: {en: "t"}, key: net.ipv4.ip_forward, value: "1", when: "{{ drop.by == 'x' }}"}
        explain: {en: "x"}
        tests: []
        """
    rulebase, issues = loader.read([write(tmp_path, alpha=text)], tests=True)
    assert issues == []
    rule = rulebase.rules[0]
    branch = rule.branches[0]
    assert [(c.field, c.op, c.operand) for c in rule.when[0].where] == [("dport", "gt", 1), ("dport", "lt", 1024), ("chain", "eq", "FORWARD")]
    assert (branch.name, branch.standing, unmarked(branch.guards)) == ("one", "latent", (Guard(Ref("link", "mtu"), "lt", Literal(1500)),))
    assert unmarked(branch.none[0].guards) == (Guard(Ref("a", "address"), "eq", Ref("drop", "src")),)
    assert unmarked(rule.guards) == (Guard(Ref("drop", ""), "before", Ref("drop", "")), Guard(Literal(1), "in", Literal((1, 2))))
    assert unmarked(rule.none) == (Pattern("route"),)
    assert rule.slots(branch) == (rule.when[0], branch.when[0])
    assert dict(unmarked(rule.derive[0].fields)) == {"device": Ref("drop", "in_device"), "why": Literal("x")}
    assert rule.remedies[0].parameters == {"key": "net.ipv4.ip_forward", "value": "1"}
    assert rule.remedies[0].when == "{{ drop.by == 'x' }}"


MALFORMED = [
    "guard: [{left: drop.src, op: eq}]",
    "guard: [{left: drop.src, op: eq, right: drop.dst, value: 1}]",
    "guard: [{op: eq}]",
    "guard: [{left: x, op: eq, value: 1}]",
    "guard: [{left: drop, op: before, value: 3}]",
    "guard: [{left: {value: null}, op: eq, value: 3}]",
    "any: [{}]",
    "any: [{name: x}]",
    "derive: [{fact: x}]",
    "derive: [{fact: X, fields: {}}]",
    "derive: [{fact: x, fields: {A: drop.src}}]",
    "derive: [{fact: drop, fields: {nope: drop.src}}]",
    "remedies: [{op: x}]",
    "remedies: [x]",
    "dedupe: x",
    "finding: maybe",
    "symptoms: [[x]]",
    "none: [{where: {}}]",
    "none: [{fact: link, where: {up: {}}}]",
    "title: {zh: x}",
    "none: [{fact: link, as: A}]",
    "tests: [{name: x}]",
    "tests: [{name: x, facts: [{}], expect: [{}]}]",
    "tests: [{name: x, facts: [{kind: drop, line: x}], expect: []}]",
    "tests: [{name: x, facts: [{kind: drop, fields: {by: null}}], expect: []}]",
    "tests: [{name: x, facts: [], expect: [{id: alpha, bind: {drop: 1}}]}]",
    "tests: [{name: x, facts: [], expect: [{id: alpha, bind: {drap.by: 1}}]}]",
    "id: ''",
    "? [a]\n: b",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_parts_are_issues(text: str, tmp_path: Path) -> None:
    """A part of the wrong shape is told with its place, whatever its shape."""
    lines = [line for line in RULE.splitlines() if line.partition(":")[0] != text.partition(":")[0]]
    _, issues = loader.read([write(tmp_path, alpha="\n".join(lines) + f"\n{text}\n")], tests=True)
    assert issues
    assert all(issue.at.file and issue.message for issue in issues)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["drop", "link", "drop.by", "x", "", "{{", "10.0.0.0/8", "*", "&a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["id", "when", "fact", "as", "where", "join", "any", "none", "guard", "left", "op", "right", "value", "eq", "in", "tests", "facts", "kind",
         "fields",
         "expect", "override", "reason", "remedies", "title", "en", "derive", "name", "node", "expires", "disable"]), inner, max_size=5),
    max_leaves=20,
))  # fmt: skip
def test_no_document_crashes_the_loader(value: object) -> None:
    """Any tree of values is read to rules or to issues."""
    import json
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.yaml").write_text(json.dumps(value), encoding="utf-8")
        rulebase, issues = loader.read([Path(folder)], tests=True)
        render(issues)
        if not issues:
            assert rulebase.rules


@given(st.binary(max_size=200) | st.text(alphabet="[]{}:,-&*!|>'\"# \n\tab01", max_size=60).map(str.encode))
def test_no_bytes_crash_the_loader(data: bytes) -> None:
    """Any file is read to rules or to issues."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.yaml").write_bytes(data)
        render(loader.read([Path(folder)], tests=True)[1])


def test_the_pure_parser_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML was built without libyaml, positions and values are the same."""
    import yaml

    write(tmp_path, alpha=RULE, beta=with_(OTHER, severity="urgent", dedupe="[drop.noed]"))
    quick = loader.read([tmp_path], tests=True)
    monkeypatch.delattr(yaml, "CSafeLoader")
    document._loader_class.cache_clear()
    try:
        assert loader.read([tmp_path], tests=True) == quick
        write(tmp_path, gamma="[" * 3000)
        assert any(issue.code == "too-deep" for issue in loader.read([tmp_path])[1])
    finally:
        document._loader_class.cache_clear()


# --- overrides ------------------------------------------------------------------------------------------------------


def override(text: str) -> str:
    """An override of alpha."""
    return f"override: alpha\nreason: our policy is DROP by design\n{text}"


def test_an_overridden_title_is_told_whichever_branch_matched(tmp_path: Path) -> None:
    """A team that words a finding its own way is not answered with the built-in words of a branch; its own branches keep theirs."""
    branches = "[{name: a, title: {en: built-in, zh: x}, guard: []}, {name: b, guard: []}]"
    write(tmp_path, alpha=with_(any=branches), site__o=override("title: {en: ours, zh: x}\n"))
    rule = load(tmp_path)[0].rules[0]
    assert [rule.title_of(branch)["en"] for branch in rule.branches] == ["ours", "ours"]
    write(tmp_path, alpha=with_(any=branches), site__o=override("title: {en: ours, zh: x}\nany: [{name: c, title: {en: of c, zh: x}, guard: []}]\n"))
    rule = load(tmp_path)[0].rules[0]
    assert [rule.title_of(branch)["en"] for branch in rule.branches] == ["of c"]


def test_an_override_replaces_keys(tmp_path: Path) -> None:
    """Keys of an override stand in place of the rule's; the rule as it was is kept for its tests."""
    write(tmp_path, alpha=RULE, site__o=override("severity: low\nsymptoms: [reset]\nexpires: 2030-12-31\n"))
    rulebase, issues = load(tmp_path, date(2030, 12, 31))
    assert issues == []
    rule = rulebase.rules[0]
    assert (rule.severity, rule.symptoms, rule.layer) == ("low", ("reset",), "netfilter")
    assert rule.override is not None
    assert (rule.override.reason, rule.override.keys, rule.override.expires) == (
        "our policy is DROP by design",
        ("severity", "symptoms"),
        date(2030, 12, 31),
    )
    assert [original.severity for original in rulebase.originals] == ["high"]


def test_an_override_expires(tmp_path: Path) -> None:
    """On the day after its last day an override is ignored, and that is said."""
    write(tmp_path, alpha=RULE, o=override("severity: low\nexpires: 2030-12-31\n"))
    rulebase, issues = load(tmp_path, date(2031, 1, 1))
    assert rulebase.rules[0].severity == "high"
    assert [issue.code for issue in issues] == ["override-expired"]
    assert rulebase.warnings == tuple(issues)


def test_an_override_narrows(tmp_path: Path) -> None:
    """``none`` and ``guard`` are added to the rule's own, not put in their place."""
    own = with_(none="[{fact: link, join: {node: drop.node}}]", guard="[{left: drop.src, op: ne, right: drop.dst}]")
    write(tmp_path, alpha=own, o=override("none: [{fact: route}]\nguard: [{left: drop.dport, op: ne, value: 53}]\n"))
    rulebase, issues = load(tmp_path)
    assert issues == []
    rule = rulebase.rules[0]
    assert [pattern.kind for pattern in rule.none] == ["link", "route"]
    assert [guard.op for guard in rule.guards] == ["ne", "ne"]
    assert rule.guards[1].at.file.endswith("o.yaml")


def test_an_override_disables(tmp_path: Path) -> None:
    """A disabled rule is gone from the rules, is listed as disabled, and may still be named by others."""
    write(tmp_path, alpha=RULE, beta=with_(OTHER, suppresses="[alpha]"), o=override("disable: true\n"))
    rulebase, issues = load(tmp_path)
    assert issues == []
    assert [rule.id for rule in rulebase.rules] == ["beta"]
    assert [rule.id for rule in rulebase.disabled] == ["alpha"]


def test_issues_of_an_override_point_into_it(tmp_path: Path) -> None:
    """What is wrong in an override is shown in its file, and the rule's own issues once."""
    write(tmp_path, alpha=with_(severity="urgent"), o=override("guard: [{left: dorp.src, op: eq, value: x}]\n"))
    _, issues = load(tmp_path)
    assert [(Path(issue.at.file).name, issue.code) for issue in issues] == [("alpha.yaml", "bad-value"), ("o.yaml", "unbound-alias")]


# --- cost -----------------------------------------------------------------------------------------------------------


def test_loading_imports_nothing_heavy() -> None:
    """A diagnosis that loads the rulebase does not pay for templates, graphs or package metadata."""
    script = (
        "import sys; from engine.rulebase.loader import load; load()\n"
        "heavy = {'jinja2', 'networkx', 'importlib.metadata', 'durable', 'difflib', 'rich'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_did_you_mean() -> None:
    """The nearest word is offered; without one, the choices if they are few."""
    assert did_you_mean("chian", ["chain", "table"]) == "; did you mean 'chain'?"
    assert did_you_mean("zzz", ["b", "a"]) == "; one of: a, b"
    assert did_you_mean("zzz", [str(n) for n in range(50)]) == ""
    assert did_you_mean("zzz", []) == ""
