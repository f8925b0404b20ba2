"""How long the command takes before it does anything: users of a command line tool feel 0.3 seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from time import perf_counter

RUNS = 7

PROGRAM = "import sys; from engine.cli import main; sys.exit(main())"
"""What the command's entry point does."""


def best(arguments: list[str]) -> float:
    """Seconds of the quickest of several runs (the first ones fill caches)."""
    seconds = []
    for _ in range(RUNS):
        begin = perf_counter()
        subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL)
        seconds.append(perf_counter() - begin)
    return min(seconds)


for case, arguments, limit in (("--version", ["--version"], 0.3), ("--help", ["--help"], 0.3), ("rules list", ["rules", "list"], 1.0)):
    print(json.dumps({"case": case, "value": best(arguments), "limit": limit}))
