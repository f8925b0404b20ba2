"""pytest plug-in of the emulated machine: writes each test's outcome to the exchange folder as it comes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.vm import IN_GUEST

if TYPE_CHECKING:
    import pytest

# Read here: the tests themselves run without NOROUTE_ variables.
EXCHANGE = os.environ.get(IN_GUEST, "")
RESULTS = "results"
"""File in the exchange folder: one JSON object a line, several for one test if several of its phases have something to say."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell the test's own phase, and every other that did not pass."""
    if report.when != "call" and report.passed:
        return
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    line = json.dumps({"test": report.nodeid, "outcome": report.outcome, "text": text})
    with (Path(EXCHANGE) / RESULTS).open("a") as file:
        file.write(f"{line}\n")
