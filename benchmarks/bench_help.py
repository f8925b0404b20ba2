"""Start-up against its floor: ``diagnose --help`` over ``import click``, which nothing that uses click can beat."""

from __future__ import annotations

import json
import subprocess
import sys
from time import perf_counter

RUNS = 15
LIMIT = 1.8
FLOOR = "import click"
PROGRAM = "import sys; sys.argv = ['diagnose', '--help']; from engine.cli import main; main()"


def once(code: str) -> float:
    """Seconds that one process takes."""
    begin = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - begin


# Interleaved, so that noise meets both alike; the best of each, as noise only ever adds.
pairs = [(once(FLOOR), once(PROGRAM)) for _ in range(RUNS)]
ratio = min(program for _, program in pairs) / min(floor for floor, _ in pairs)
print(json.dumps({"case": "--help over import click", "value": ratio, "unit": "x", "limit": LIMIT}))
