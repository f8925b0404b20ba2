"""Processor time and memory of whole processes and of functions."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from time import process_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "import sys; from engine.cli import main; sys.exit(main())"
"""What the command's entry point does."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    seconds: float
    """User and system time: on a machine that others use as well, the clock on the wall tells nothing."""
    mebibytes: float
    """Highest resident memory."""


def run(code: str, *arguments: str) -> Cost:
    """Run Python code in a process of its own; raises ``RuntimeError`` if it fails (a finding, status 1, and an open question, 3, are answers)."""
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 1, 3}:
        message = f"status {process.returncode}: {code[:60]} {arguments}"
        raise RuntimeError(message)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def best(runs: int, **codes: tuple[str, ...]) -> dict[str, Cost]:
    """The cheapest of several runs of each code; they take turns, so that noise meets all alike, and noise only ever adds."""
    for code in codes.values():
        run(*code)  # fills the caches of byte code
    found = [{name: run(*code) for name, code in codes.items()} for _ in range(runs)]
    return {name: min((costs[name] for costs in found), key=lambda cost: cost.seconds) for name in codes}


def seconds(function: Callable[[], object], runs: int = 9) -> float:
    """Processor time of the quickest of several calls in this process."""
    taken = []
    for _ in range(runs):
        begin = process_time()
        function()
        taken.append(process_time() - begin)
    return min(taken)
