"""A node of a big cluster: 12,500 Services are 100,000 lines of iptables-save.

Reading them is measured against the floor, a Python that reads the file and splits it into lines; a walk on the loaded model against the same
walk with a hundredth of the Services.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.kube_proxy import services, write_node
from benchmarks.timing import PROGRAM, best, seconds
from engine import pipeline
from engine.model import build
from engine.request import Request
from engine.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.kube_proxy import Service

MANY, FEW = 12_500, 125
RUNS = 7
RULE = """\
id: refusing-rule
title: {en: "{{ rule.spec }} in {{ rule.chain }}", zh: "{{ rule.spec }}"}
explain: {en: "A rule that looks at every rule of every table.", zh: "-"}
layer: netfilter
severity: low
symptoms: [timeout]
references: [benchmark]
when:
  - {fact: netfilter_rule, as: rule, where: {table: filter, target: DROP}}
dedupe: [rule.node]
tests:
  - {name: none, facts: [], expect: []}
  - name: one
    facts: [{kind: netfilter_rule, node: n1, stack: host, fields: {table: filter, chain: INPUT, target: DROP, spec: "-j DROP"}}]
    expect: [{id: refusing-rule}]
"""


def result(case: str, value: float, unit: str, limit: float) -> None:
    """Print one result."""
    print(json.dumps({"case": case, "value": value, "unit": unit, "limit": limit}))


def whole(folder: Path, items: list[Service]) -> None:
    """The whole command, both backends."""
    flow = ("--from", "node1", "--to", items[len(items) // 2].address, "--port", "80", "-b")
    for backend in ("legacy", "nft"):
        path = write_node(folder / backend, items, backend)
        lines = path.read_text(encoding="utf-8").count("\n")
        where = str(path.parent.parent)
        costs = best(
            RUNS,
            floor=(f"open({str(path)!r}).read().split('\\n')",),
            trace=(PROGRAM, "trace", *flow, where),
            diagnose=(PROGRAM, *flow, where),
        )
        floor, trace, diagnose = costs["floor"], costs["trace"], costs["diagnose"]
        print(f"{backend}: {lines} lines, floor {floor.seconds:.3f} s, trace {trace.seconds:.3f} s, diagnose {diagnose.seconds:.3f} s")
        result(f"trace, {backend}, over reading the lines", trace.seconds / floor.seconds, "x", 8)
        result(f"trace, {backend}, memory", trace.mebibytes, "MiB", 400)
        result(f"diagnose, {backend}", diagnose.seconds, "s", 2)


def every_rule(folder: Path, items: list[Service]) -> None:
    """A rule of a team that asks for all rules as facts."""
    rules = folder / "rules"
    rules.mkdir()
    (rules / "refusing-rule.yaml").write_text(RULE, encoding="utf-8")
    where = str(folder / "legacy")
    arguments = ("--from", "node1", "--to", items[0].address, "--port", "80", "-b", where, "--rules", str(rules))
    result("diagnose, a rule asks for all 70,000 rules", best(2, one=(PROGRAM, *arguments))["one"].seconds, "s", 3)


def walker(folder: Path, items: list[Service]) -> Callable[[], object]:
    """A walk from the node to a Service, on a model that was walked before."""
    write_node(folder, items)
    request = Request(bundles=(folder,), from_="node1", to=items[len(items) // 2].address, port=80)
    facts = pipeline.fact_base(pipeline.evidence_of(request))
    network, flow = build(facts), pipeline.question_of(request, facts).flows[0]
    walk(network, flow)
    return lambda: walk(network, flow)


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder, items = Path(name), services(MANY)
        whole(folder, items)
        every_rule(folder, items)
        # Of both sizes the middle Service, with one endpoint.
        few = seconds(walker(folder / "few", services(FEW)))
        many = seconds(walker(folder / "many", items))
        result("further walk, 100,000 lines", many * 1000, "ms", 5)
        result("further walk, 100,000 over 1,000 lines", many / few, "x", 2)


if __name__ == "__main__":
    main()
