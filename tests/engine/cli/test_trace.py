"""``diagnose trace``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from engine.walk.trace import Disposition, Flow, Trace, Walked

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Run = Callable[..., Result]

ENDS = ("trace", "--from", "a", "--to", "b")


def _trace(sees: str) -> Trace:
    return Trace(Flow("n", "host", "", "10.0.0.2", 80, "tcp", "a", "b"), sees, Walked(Disposition.DELIVERED, ()), None)


@pytest.mark.parametrize(("sees", "status"), [(("connected",), 0), (("connected", "timeout"), 1), (("timeout", "depends"), 3), ((), 3)])
def test_status_tells_the_outcome(run: Run, pipeline: Any, sees: tuple[str, ...], status: int) -> None:
    """0 if every flow works, 1 if one fails, 3 if one is open or none fits."""
    pipeline.traces = [_trace(s) for s in sees]
    assert run(*ENDS).exit_code == status


def test_text_and_json(run: Run, pipeline: Any) -> None:
    """Both forms show the walked flow."""
    pipeline.traces = [_trace("connected")]
    assert run(*ENDS).stdout.startswith("Flow 1: a → b tcp/80\n")
    assert json.loads(run(*ENDS, "--format", "json").stdout)["traces"][0]["client_sees"] == "connected"


def test_needs_a_flow(run: Run, pipeline: Any) -> None:
    """Without ends there is nothing to walk: status 2."""
    result = run("trace")
    assert result.exit_code == 2
    assert "nothing to walk" in result.stderr
    assert not pipeline.requests
