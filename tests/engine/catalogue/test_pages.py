"""Pages of a rule of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.catalogue.pages import escape, foreign, pages
from engine.catalogue.proofs import read_proofs
from engine.catalogue.writing import COMMAND, write_catalogue
from engine.errors import RuleError
from engine.rulebase.loader import read

if TYPE_CHECKING:
    from pathlib import Path

RULE = """\
id: acme-port-closed
title: {en: "{{ drop.node }} closes port {{ drop.dport }} to *all*", zh: "{{ drop.node }} 关闭了端口 {{ drop.dport }}"}
layer: app
severity: low
symptoms: [timeout, wrong-source]
references: ["see https://wiki.example/ports", "the runbook"]
when:
  - fact: drop
    as: drop
    where: {by: rule, chain: {in: [ACME]}, dport: {gt: 1}, spec: {exists: false}}
  - fact: netfilter_rule
    as: rule
    join: {node: drop.node, chain: drop.chain}
none:
  - fact: pod
    join: {node: drop.node}
guard:
  - {left: drop.src, op: in-prefix, value: [10.0.0.0/8]}
any:
  - name: silent
    guard: [{left: drop.effect, op: eq, value: dropped}]
  - name: loud
    guard: [{left: drop.effect, op: eq, value: rejected}]
dedupe: [drop.node]
remedies:
  - op: iptables.delete
    title: {en: "Delete it", zh: "删除该规则"}
    chain: ACME
    rule: "{{ rule.spec }}"
  - op: iptables.insert
    title: {en: "Never offered", zh: "从不提供"}
    when: "{{ branch == 'other' }}"
    chain: ACME
    rule: "-j ACCEPT"
explain:
  en: >-
    It comes from {{ drop.in_device }} and meets `{{ rule.spec }}`, <which> drops it.
    {{ 'Its sender is told so at once, and gives up without trying again.' if branch == 'loud' else '' }}
  zh: "报文来自 {{ drop.in_device }}，进入本机之后依次经过各条链，最终命中自定义链中的规则，被丢弃，不再继续处理：`{{ rule.spec }}`。"
tests:
  - name: a closed port
    facts:
      - {kind: drop, node: n1, fields: {by: rule, chain: ACME, dport: 22, src: 10.0.0.1, effect: dropped}}
      - {kind: netfilter_rule, node: n1, fields: {chain: ACME, spec: "-j DROP"}}
    expect: [acme-port-closed]
  - name: a refused port
    facts:
      - {kind: drop, node: n2, fields: {by: rule, chain: ACME, dport: 23, src: 10.0.0.1, effect: rejected}}
      - {kind: netfilter_rule, node: n2, fields: {chain: ACME, spec: "-j REJECT"}}
    expect: [acme-port-closed]
  - name: an open port
    facts:
      - {kind: drop, node: n1, fields: {by: policy, dport: 22}}
    expect: []
"""

LAB = """\
id: acme-port-closed
about: A port is closed.
look_alikes: [{name: open-port}]
"""


@pytest.fixture
def folder(tmp_path: Path, own_rules_only: None) -> Path:
    """A checkout with one rule, two labs and a row of docs/proofs.md."""
    del own_rules_only
    for place in ("rules", "tests/lab", "docs"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "rules" / "acme-port-closed.yaml").write_text(RULE, encoding="utf-8")
    (tmp_path / "tests" / "lab" / "acme-port-closed.yaml").write_text(LAB, encoding="utf-8")
    (tmp_path / "tests" / "lab" / "acme-port-closed-vm.yaml").write_text("like: acme-port-closed\nkernel: debian\n", encoding="utf-8")
    rows = "| rule | why | proof |\n|---|---|---|\n| acme-port-closed | no port | a picture |\n"
    (tmp_path / "docs" / "proofs.md").write_text(rows, encoding="utf-8")
    return tmp_path


def page(folder: Path, name: str = "acme-port-closed.md") -> str:
    """A page of the catalogue of that rule alone."""
    rules = read([folder / "rules"], tests=True)[0].rules
    return pages(rules, read_proofs(folder, [rule.id for rule in rules]), COMMAND)[name]


def test_a_file_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    """A README that this program did not write stops the whole writing; its own pages it knows again."""
    (tmp_path / "README.md").write_text("# Our runbook\n\nFailure modes of our own.\n")
    with pytest.raises(RuleError, match=r"README\.md was not written by this program"):
        write_catalogue(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text().startswith("# Our runbook")


def test_conditions_read_as_sentences(folder: Path) -> None:
    """Conditions, joins, guards and absent facts are told in words; a list of one reads as its element."""
    text = page(folder)
    assert "- `drop` (where the walked packet ends): `by` is `rule`; `chain` is `ACME`; `dport` is more than `1`; `spec` is not there" in text
    assert "- `rule` (a rule: `iptables-save`): same place as `drop`; `chain` is `drop.chain`" in text
    assert "- `drop.src` lies in `10.0.0.0/8`" in text
    assert "- not there: `pod`" in text
    assert "in the case “loud”:\n\n- `drop.effect` is `rejected`" in text


def test_cases_that_share_nothing(folder: Path) -> None:
    """Where the branches have no condition in common, the page says that any of them will do."""
    path = folder / "rules" / "acme-port-closed.yaml"
    start, _, rest = path.read_text(encoding="utf-8").partition("when:\n")
    _, _, after = rest.partition("dedupe:")
    patterns = "    when: [{fact: drop, as: drop, where: {by: rule}}, {fact: netfilter_rule, as: rule, join: {node: drop.node}}]\n"
    cases = f"any:\n  - name: silent\n{patterns}  - name: loud\n{patterns}"
    path.write_text(f"{start}{cases}dedupe:{after}", encoding="utf-8")
    text = page(folder)
    assert "in any of these cases:\n\nin the case “silent”:\n\n- `drop`" in text
    assert "all of it" not in text


def test_example(folder: Path) -> None:
    """Title and cause are those of the rule's first firing test, its markup is shown as text, and a field that the test lacks is named."""
    text = page(folder)
    assert "n1 closes port 22 to \\*all\\*" in text
    assert "It comes from \\<in device\\> and meets `-j DROP`, \\<which\\> drops it." in text
    assert "a timeout, a server that sees another source address" in text
    assert "<https://wiki.example/ports>" in text


def test_variants(folder: Path) -> None:
    """A branch whose story differs is told as a variant; the Chinese page, where it does not, tells it once."""
    assert "Variant “loud”: n2 closes port 23" in page(folder)
    assert "变体" not in page(folder, "acme-port-closed.zh.md")


def test_remedies(folder: Path) -> None:
    """A remedy is shown once with commands, undo and risk; one that does not apply is not."""
    text = page(folder)
    assert text.count("### Delete it") == 1
    assert "iptables -w -D ACME -j DROP" in text
    assert "iptables -w -I ACME 1 -j DROP" in text
    assert "Risk: medium." in text
    assert "Never offered" not in text


def test_proofs(folder: Path) -> None:
    """Each lab is told with what it takes over from another, and the row of docs/proofs.md with its reason."""
    text = page(folder)
    assert "- `tests/lab/acme-port-closed.yaml` breaks a real network in namespaces" in text
    assert "- `tests/lab/acme-port-closed-vm.yaml` breaks a real network in an emulated machine" in text
    assert text.count("A port is closed. Healthy look-alikes that must give no finding: `open-port`.") == 2
    assert "- a picture (no port)" in text
    assert "2 in which it fires and 1 in which it must stay silent" in text


def test_chinese(folder: Path) -> None:
    """The Chinese page is in Chinese."""
    text = page(folder, "acme-port-closed.zh.md")
    assert "n1 关闭了端口 22" in text
    assert "`drop`（报文在推演中终止之处）：`by` 为 `rule`；`chain` 为 `ACME`；`dport` 大于 `1`；`spec` 不存在" in text
    assert "### 删除该规则\n\n风险：中。" in text


def test_index(folder: Path) -> None:
    """The index lists each mode under its layer with its page."""
    index = page(folder, "README.md")
    assert not foreign(index)
    assert not foreign(page(folder, "README.zh.md"))
    assert "| [acme-port-closed](acme-port-closed.md) | n1 closes port 22 to \\*all\\* |" in index.partition("## programs")[2]


def test_writing(folder: Path) -> None:
    """Pages of rules that are gone are removed; files that the program did not write stay."""
    out = folder / "out"
    write_catalogue(out, [folder / "rules"])
    (out / "mine.md").write_text("# Mine\n", encoding="utf-8")
    assert (out / "acme-port-closed.md").is_file()
    write_catalogue(out)
    assert not (out / "acme-port-closed.md").exists()
    assert (out / "mine.md").exists()


def test_what_cannot_be_written_or_read_is_said(folder: Path) -> None:
    """A folder that cannot be made, and a checkout without labs, are errors that name it."""
    with pytest.raises(RuleError, match="cannot write"):
        write_catalogue(folder / "rules" / "acme-port-closed.yaml" / "x", [folder / "rules"])
    with pytest.raises(RuleError, match="tests/lab"):
        write_catalogue(folder / "out", [folder / "rules"], folder / "docs")


def test_escape() -> None:
    """What Markdown would read as markup is shown as it is, code stays code."""
    assert escape("a <b> *c*\n`<d>`") == "a \\<b\\> \\*c\\* `<d>`"
    assert foreign("# something else")
