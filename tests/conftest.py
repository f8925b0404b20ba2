"""What holds for every test: the same answers on each machine, and no test skipped unseen in CI."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

LAB = Path(__file__).parent / "lab"

# Machines differ in speed, so no deadline for one example; in CI the examples are the same in each run.
settings.register_profile("noroute", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "noroute")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's language, terminal and own rules out of the tests."""
    for name in [name for name in os.environ if name.startswith(("NOROUTE_", "LC_"))] + ["LANGUAGE", "NO_COLOR", "FORCE_COLOR", "COLUMNS"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-configuration"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None]:
    """Skip what needs durable-rules where it cannot be had (no compiler, Python 3.13); in CI it can, unless the Python is too new."""
    try:
        return (yield)
    except ModuleNotFoundError as error:
        if error.name != "durable" or (os.environ.get("CI") and sys.version_info < (3, 13)):
            raise
        pytest.skip("durable-rules is not installed")


def _is_lab(item: pytest.Item) -> bool:
    """Whether a test needs a real network: it lies in tests/lab or bears the mark."""
    return LAB in item.path.parents or item.get_closest_marker("lab") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true, count a skipped lab test as failed: a proof that did not run is no proof."""
    report = yield
    if os.environ.get("CI") and report.skipped and _is_lab(item) and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.longrepr = f"{reason}\n(lab tests may not be skipped with CI set)"
    return report
