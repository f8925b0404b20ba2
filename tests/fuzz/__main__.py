"""``python -m tests.fuzz --probes N --seed S``: compare model and kernel on random networks."""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz.compare import AGREE, DEPENDS, run
from tests.fuzz.emulated import SLOWNESS, Emulated
from tests.fuzz.generate import generate
from tests.fuzz.kernel import Kernel, KernelError
from tests.fuzz.more import generate_more
from tests.fuzz.reduce import reduce, save
from tests.lab.machine import why_not

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.queues import Queue

    from tests.fuzz.kernel import Target
    from tests.fuzz.scenario import Scenario

STRIDE = 1_000_000
"""Scenarios of one --seed before they would meet those of the next."""
PATIENCE = 120
"""Seconds without a word from any worker (reducing takes a while) after which they are given up."""
CASES = Path(__file__).parent / "cases"


@dataclass(slots=True)
class Tally:
    """Counts of a run."""

    probes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unbuilt: int = 0

    def wrong(self) -> dict[str, int]:
        """Disagreements by class."""
        return {kind: count for kind, count in self.kinds.most_common() if kind not in {AGREE, DEPENDS}}


def work(seeds: Any, reports: Queue[Any], options: argparse.Namespace) -> None:
    """Take seeds until there are none left; report every result."""
    kernel: Target = Emulated() if options.emulated else Kernel()
    make = generate_more if options.emulated else generate
    try:
        for seed in iter(seeds.get, None):
            for report in one(kernel, seed, make, reducing=options.reduce):
                reports.put(report)
            reports.put(("done", "", ""))
    finally:
        kernel.close()


def one(kernel: Target, seed: int, make: Callable[[int], Scenario], *, reducing: bool) -> Iterator[tuple[str, str, str]]:
    """Results of one scenario: kind, seed, and what to tell."""
    try:
        scenario = make(seed)
        found = list(run(kernel, scenario))
    except KernelError as error:
        yield "unbuilt", f"seed {seed}", str(error)
        return
    except Exception:  # noqa: BLE001  (a crash of the model is a disagreement like any other)
        yield "crash", f"seed {seed}", traceback.format_exc()
        return
    for result in found:
        told = result.told
        if result.disagrees and reducing:
            told += f"\n  saved as {save(reduce(kernel, scenario, result), CASES)}"
        yield result.kind, f"seed {seed}", told


def main() -> int:
    """Run and print the counts; 1 if model and kernel disagree."""
    options = arguments()
    if reason := why_not():
        print(f"skipped: {reason}")
        return 0
    crew = Crew(options)
    tally = crew.run()
    seconds = time.monotonic() - crew.began
    wrong = sum(tally.wrong().values())
    print(
        f"{tally.probes} probes in {seconds:.0f} s ({tally.probes / seconds:.0f}/s), {tally.kinds[AGREE]} agree, {tally.kinds[DEPENDS]} depend, "
        f"{wrong} disagree, {tally.unbuilt} scenarios refused by the kernel"
    )
    for kind, count in tally.wrong().items():
        print(f"  {count:5} {kind}")
    return 1 if tally.wrong() else 0


class Crew:
    """Worker processes that are fed seeds and report results."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.began = time.monotonic()
        self.tally = Tally()
        self.running = 0
        self._patience = PATIENCE * (SLOWNESS if options.emulated else 1)
        self._upcoming = iter(range(options.seed * STRIDE, (options.seed + 1) * STRIDE))
        context = multiprocessing.get_context("fork")
        self._seeds, self._reports = context.Queue(), context.Queue()
        # Not daemons: each has helper processes of its own.
        self._processes = [context.Process(target=work, args=(self._seeds, self._reports, options)) for _ in range(options.workers)]
        for process in self._processes:
            process.start()

    def run(self) -> Tally:
        """Feed the workers until there are probes enough, or no time left."""
        for _ in range(self.options.workers * 2):
            self._feed()
        while self.running:
            try:
                self._take(*self._reports.get(timeout=self._patience))
            except queue.Empty:
                self._take("crash", "a worker", f"nothing was heard for {self._patience:.0f} s")
                self.running = 0
                for process in self._processes:
                    process.terminate()
        for _ in self._processes:
            self._seeds.put(None)
        for process in self._processes:
            process.join()
        return self.tally

    def _feed(self) -> None:
        self._seeds.put(next(self._upcoming))
        self.running += 1

    def _take(self, kind: str, where: str, told: str) -> None:
        """Count one report."""
        tally = self.tally
        if kind == "done":
            self.running -= 1
            late = self.options.minutes and time.monotonic() - self.began > self.options.minutes * 60
            if tally.probes < self.options.probes and not late:
                self._feed()
        elif kind == "unbuilt":
            tally.unbuilt += 1
            if self.options.verbose:
                print(f"{where}: {told}", flush=True)
        else:
            tally.probes += 1
            tally.kinds[kind] += 1
            if told:
                print(f"{where}: {kind}\n{told}", flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--probes", type=int, default=2000, help="stop after so many probes (default 2000)")
    parser.add_argument("--seed", type=int, default=1, help="where the random scenarios begin (default 1)")
    parser.add_argument("--minutes", type=float, default=0, help="stop after so many minutes")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--reduce", action="store_true", help="shrink each disagreement and save it as a case")
    parser.add_argument("--emulated", action="store_true", help="ask Debian's kernel, with devices and services that others lack; one worker is best")
    parser.add_argument("--verbose", action="store_true", help="tell what the kernel refused")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
