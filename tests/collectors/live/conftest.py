"""Namespaces of the kernel that runs the tests."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collectors.live.namespaces import enter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def netns() -> Iterator[str]:
    """An empty network namespace that ``ip netns`` names."""
    name = f"cl-s{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def inside(netns: str) -> Callable[[Callable[[], Any]], Any]:
    """Calls a function in a thread that has entered the namespace, as the collector does."""

    def call(function: Callable[[], Any]) -> Any:
        results: list[Any] = []

        def run() -> None:
            with Path("/run/netns", netns).open("rb") as handle:
                enter(handle.fileno())
            results.append(function())

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert results, "the thread failed; its traceback is above"
        return results[0]

    return call


@pytest.fixture
def held(netns: str) -> Iterator[int]:
    """Process id of something that runs in the namespace."""
    with subprocess.Popen(["ip", "netns", "exec", netns, "sh", "-c", "echo ready; exec sleep 60"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.kill()
