"""Random networks on Debian's kernel: IPVS, IPIP, GRE, WireGuard, VLAN and dummy devices, and what any kernel has besides.

What the model once got wrong is a case in ``cases``, named by what the kernel does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.compare import AGREE, DEPENDS, run
from tests.fuzz.emulated import Emulated
from tests.fuzz.more import generate_more
from tests.fuzz.reduce import load
from tests.lab import vm

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = range(95_000_000, 95_000_013)
"""Scenarios of the fixed round: 195 probes."""
CASES = sorted((Path(__file__).parents[1] / "fuzz" / "cases" / "debian").glob("*.yaml"))

pytestmark = [pytest.mark.lab, pytest.mark.vm, pytest.mark.xdist_group("vm")]


@pytest.fixture(scope="module")
def kernel() -> Iterator[Emulated]:
    """Namespaces for one scenario after the other."""
    if reason := vm.why_not():
        pytest.skip(reason)
    kernel = Emulated()
    yield kernel
    kernel.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_random(kernel: Emulated, seed: int) -> None:
    """The client sees what the model says, and the rule that the model names is the one that counted the packet."""
    assert [result.told for result in run(kernel, generate_more(seed)) if result.kind not in {AGREE, DEPENDS}] == []


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(kernel: Emulated, path: Path) -> None:
    """What the model once got wrong is predicted for every probe."""
    results = list(run(kernel, load(path)))
    assert kernel.refused == []
    assert [result.told or result.kind for result in results if result.kind != AGREE] == []
