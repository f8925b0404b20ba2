"""Tests marked ``vm`` run under Debian's kernel: one emulated machine runs all that were selected, each is reported here under its own name."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import vm
from tests.lab.guest import RESULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

INSIDE = vm.IN_GUEST in os.environ
SECONDS = 900.0
"""Limit of the emulated machine: the tests take 2 minutes where two processors are free."""
PASSED_ON = ("CI",)
"""Variables that the tests inside must know."""


@dataclass(frozen=True)
class Result:
    """What a test did inside."""

    outcome: str
    """passed | failed | skipped"""
    text: str


class GuestRun:
    """The run of all selected tests in one machine, made when the first is asked for."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.tests = tests
        self._results: dict[str, Result] | None = None
        self._told = ""

    def result(self, test: str) -> Result:
        """Outcome of a test; one that was never reported has failed."""
        if self._results is None:
            self._results = {}
            with tempfile.TemporaryDirectory(prefix="noroute-vm-") as folder:
                self._told = self._run(Path(folder))
        return self._results.get(test) or Result("failed", f"the machine did not report this test\n{self._told}")

    def _run(self, exchange: Path) -> str:
        assert self._results is not None
        (exchange / "tests").write_text("\n".join(self.tests))
        argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.lab.guest", "-q", "@/run/exchange/tests"]
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            ran = vm.run(shlex.join(argv), exchange, SECONDS, passed_on)
            told = f"{shlex.join(argv)}\nexit status {ran.status}\n{ran.stdout}{ran.stderr}"
        except vm.VmError as error:
            told = str(error)
        results = exchange / RESULTS
        for line in results.read_text().splitlines() if results.exists() else ():
            found = json.loads(line)
            before = self._results.get(found["test"])
            if before is None or before.outcome == "passed":
                self._results[found["test"]] = Result(found["outcome"], found["text"])
        return told


class GuestTest(pytest.Item):
    """A test that runs inside; here it is its outcome."""

    run: GuestRun

    def runtest(self) -> None:
        """Report what the test did."""
        reason = vm.why_not()
        if reason:
            pytest.skip(reason)
        result = self.run.result(self.nodeid)
        if result.outcome == "skipped":
            pytest.skip(result.text)
        if result.outcome == "failed":
            pytest.fail(result.text, pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the test is written."""
        return self.path, None, self.name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the outcomes in the tests' places; trylast: after ``-k`` and ``-m`` have chosen."""
    if INSIDE:
        return
    tests: list[str] = []
    run = GuestRun(tests)
    for at, item in enumerate(items):
        if item.get_closest_marker("vm") is None or item.parent is None:
            continue
        outer = GuestTest.from_parent(item.parent, name=item.name)
        # All of the machine's time falls on the first of them.
        outer.add_marker(pytest.mark.timeout(SECONDS + 60))
        outer.run = run
        items[at] = outer
        tests.append(item.nodeid)
