"""A whole cluster, every pair of it: 100 nodes, 3,000 pods and 100 Services are ten million pairs.

Four times the nodes are sixteen times the pairs.  Pairs of nodes are looked at one by one, flows are walked once a class: the walks must not grow.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import process_time

from benchmarks.big_cluster import Shape, write
from benchmarks.timing import PROGRAM, run
from engine import pipeline
from engine.matrix import Matrix, Options
from engine.request import Request

TIMES = 4
WHOLE = Shape()
PART = Shape(nodes=WHOLE.nodes // TIMES, services=WHOLE.services // TIMES)


def result(case: str, value: float, unit: str, limit: float) -> None:
    """Print one result."""
    print(json.dumps({"case": case, "value": value, "unit": unit, "limit": limit}))


def part(folder: Path) -> tuple[Matrix, float]:
    """The matrix of a part of the cluster, and the seconds that it took."""
    write(folder, PART)
    begin = process_time()
    found = pipeline.matrix(Request(bundles=(folder,)), Options())
    seconds = process_time() - begin
    if not isinstance(found, Matrix):
        message = "the nodes' own state was not read"
        raise TypeError(message)
    return found, seconds


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        few, seconds = part(Path(name) / "part")
        write(Path(name) / "whole", WHOLE)
        answer = Path(name) / "answer.json"
        cost = run(PROGRAM, "matrix", "-b", str(Path(name) / "whole"), "--format", "json", "-o", str(answer))
        told = json.loads(answer.read_text(encoding="utf-8"))["summary"]
        print(f"{told['pairs']} pairs, {told['walks']} walks; a quarter of the nodes: {few.pairs(lambda _: True)} pairs, {few.walks} walks")
        result("matrix, 100 nodes, 3,000 pods, 100 Services", cost.seconds, "s", 60)
        result("its memory", cost.mebibytes, "MiB", 1000)
        result(f"{TIMES} x nodes and Services ({TIMES * TIMES} x pairs)", cost.seconds / seconds, "x", TIMES * TIMES)
        result(f"walks, {TIMES} x nodes and Services", told["walks"] / few.walks, "x", 1.2)


if __name__ == "__main__":
    main()
