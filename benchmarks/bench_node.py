"""A node with many of everything: what grows with the evidence must grow no faster than it.

Sixteen times the routes, neighbours, devices, entries, containers or pods may cost sixteen times as much (and room for noise), a further walk
no more unless it has to look at all of them (ports of a bridge).  Anything quadratic would cost 256 times as much.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.big_node import SMALL, Size, write
from benchmarks.timing import PROGRAM, best, seconds
from engine import pipeline
from engine.model import build
from engine.request import Request
from engine.walk import walk

FROM, TO = "pod/team-0/web-0", "pod/team-1/web-1"
TIMES = 16


def result(case: str, value: float, unit: str, limit: float) -> None:
    """Print one result."""
    print(json.dumps({"case": case, "value": value, "unit": unit, "limit": limit}))


def costs(folder: Path, size: Size) -> tuple[float, float, float]:
    """Seconds to load, to understand the question and walk for the first time, and to walk again."""
    write(folder, size)
    request = Request(bundles=(folder,), from_=FROM, to=TO, port=80)
    load = seconds(lambda: pipeline.evidence_of(request), 3)
    evidence = pipeline.evidence_of(request)

    def first() -> None:
        facts = pipeline.fact_base(evidence)
        network = build(facts)
        walk(network, pipeline.plausible(pipeline.question_of(request, facts), network).flows[0])

    facts = pipeline.fact_base(evidence)
    network, flow = build(facts), pipeline.question_of(request, facts).flows[0]
    walk(network, flow)
    return load, seconds(first, 3), seconds(lambda: walk(network, flow), 3)


def growth(folder: Path) -> None:
    """Each dimension by itself: a sixteenth of the big node's against the whole."""
    for name in ("routes", "neighbors", "links", "members", "stacks", "pods"):
        whole = getattr(Size(), name)
        base = replace(SMALL, links=max(SMALL.links, Size().stacks)) if name == "stacks" else SMALL
        few = costs(folder / f"{name}-few", replace(base, **{name: whole // TIMES}))
        many = costs(folder / f"{name}-many", replace(base, **{name: whole}))
        result(f"load, {TIMES} x {name}", many[0] / few[0], "x", TIMES * 2)
        result(f"first walk, {TIMES} x {name}", many[1] / few[1], "x", TIMES * 2)
        result(f"further walk, {TIMES} x {name}", many[2] / few[2], "x", TIMES * 2 if name in {"links", "stacks"} else 2)


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        growth(folder)
        write(folder / "all", Size())
        run = best(3, trace=(PROGRAM, "trace", "--from", FROM, "--to", TO, "--port", "80", "-b", str(folder / "all")),
                   diagnose=(PROGRAM, "-b", str(folder / "all"), "-s", "pods cannot reach each other"))  # fmt: skip
        result("trace, all of it", run["trace"].seconds, "s", 1.5)
        result("trace, all of it, memory", run["trace"].mebibytes, "MiB", 400)
        result("diagnose, all of it, a vague symptom", run["diagnose"].seconds, "s", 3)


if __name__ == "__main__":
    main()
