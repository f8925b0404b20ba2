"""Run the benchmarks and print one table; ends with 1 if a script fails or a limit is passed.

Usage: ``python benchmarks/run.py [NAME]...`` (``start`` for ``bench_start.py``; without a name, all of them).
What a script prints is described in benchmarks/README.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

TIME_OUT = 900.0
"""Seconds after which a script is given up."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": str(HERE.parent)}
"""Scripts import from the checkout, and byte code is kept: no user compiles the program at every start."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    script: str
    case: str
    value: float | None
    """Measured value; ``None`` if the script failed."""
    unit: str = "s"
    limit: float | None = None
    """Highest acceptable value on a two-core machine of 2020."""

    @property
    def bad(self) -> bool:
        """Whether the script failed or the limit was passed."""
        return self.value is None or (self.limit is not None and self.value > self.limit)

    def cells(self) -> tuple[str, ...]:
        """The columns as text."""
        value = "failed" if self.value is None else f"{self.value:.3f}"
        limit = "" if self.limit is None else f"{self.limit:g}"
        return self.script, self.case, value, self.unit, limit, "!" if self.bad else ""


def read(script: str, output: str) -> list[Result]:
    """Results among the lines that a script printed; other lines are for people and are skipped."""
    rows = []
    for line in output.splitlines():
        if line.startswith("{"):
            row = json.loads(line)
            rows.append(Result(script, row["case"], float(row["value"]), row.get("unit", "s"), row.get("limit")))
    return rows


def measure(path: Path) -> list[Result]:
    """Run one script in the checkout's top folder."""
    name = path.stem.removeprefix("bench_")
    print(f"running {path.name}", file=sys.stderr)
    command, top = [sys.executable, str(path)], HERE.parent
    try:
        done = subprocess.run(command, cwd=top, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=False, timeout=TIME_OUT)
    except subprocess.TimeoutExpired:
        return [Result(name, f"gave up after {TIME_OUT:g} s", None)]
    rows = read(name, done.stdout)
    if done.returncode or not rows:
        rows.append(Result(name, f"exit status {done.returncode}, {len(rows)} results", None))
    return rows


def table(rows: list[Result]) -> str:
    """Results in columns; numbers to the right."""
    lines = [("benchmark", "case", "value", "unit", "limit", ""), *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(6)]

    def aligned(line: tuple[str, ...]) -> str:
        cells = (f"{cell:>{w}}" if i in {2, 4} else f"{cell:<{w}}" for i, (cell, w) in enumerate(zip(line, widths, strict=True)))
        return "  ".join(cells).rstrip()

    return "\n".join(aligned(line) for line in lines)


def main() -> int:
    """Run the scripts named on the command line, or all."""
    names = sys.argv[1:]
    paths = [HERE / f"bench_{name}.py" for name in names] or sorted(HERE.glob("bench_*.py"))
    absent = [path.name for path in paths if not path.exists()]
    if absent:
        print(f"error: no such benchmark: {', '.join(absent)}", file=sys.stderr)
        return 2
    rows = [row for path in paths for row in measure(path)]
    print(table(rows))
    return int(any(row.bad for row in rows))


if __name__ == "__main__":
    sys.exit(main())
