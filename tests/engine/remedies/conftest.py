"""Network namespaces to try remedies in: what a command does to the kernel is what the model says it does."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from engine.computed import EXPANDERS
from engine.facts import FactBase
from engine.remedies import OPERATIONS, Site
from tests.engine.walk.world import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import Fact
    from engine.remedies import Operation

# Read here: tests run without the user's NOROUTE_ variables.
REQUIRED = os.environ.get("NOROUTE_LAB") == "require"
NAME = f"noroute-remedy-{os.getpid()}"


def operation(name: str, facts: FactBase, node: str = "n1", stack: str = "host", entry: str = "", **parameters: Any) -> Operation:
    """An operation on a stack."""
    return OPERATIONS[name](parameters, Site(facts, node, stack, entry))


def why_not() -> str:
    """Why no namespace can be made here; "" if it can."""
    if sys.platform != "linux" or os.geteuid():
        return "needs root on Linux"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


class Space:
    """A network namespace with ``eth0`` 10.1.0.1/24."""

    def run(self, line: str) -> str:
        """Run a shell line inside; it must succeed."""
        # The lock file is this machine's own, whatever another test set.
        environment = {name: value for name, value in os.environ.items() if name != "XTABLES_LOCKFILE"}
        argv = ["ip", "netns", "exec", NAME, "sh", "-ec", line]
        result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{line}\n{result.stderr}"
        return result.stdout

    def facts(self, *commands: str) -> FactBase:
        """What commands print inside, read by the real parsers."""
        return FactBase([fact for command in commands for fact in parsed(command, self.run(command))], EXPANDERS)

    def tried(self, name: str, commands: tuple[str, ...], **parameters: Any) -> tuple[list[Fact] | None, list[Fact], list[Fact], list[Fact]]:
        """Facts as the model says they will be, as they are after the commands, after the undo, and as they were before."""
        before = self.facts(*commands)
        made = operation(name, before, **parameters)
        applied = made.apply(before)
        for line in made.commands():
            self.run(line)
        after = self.facts(*commands)
        for line in made.undo():
            self.run(line)
        undone = self.facts(*commands)
        return (list(applied.facts) if applied is not None else None), list(after.facts), list(undone.facts), list(before.facts)


@pytest.fixture
def space() -> Iterator[Space]:
    """A fresh namespace; skipped where none can be made."""
    reason = why_not()
    if reason:
        (pytest.fail if REQUIRED else pytest.skip)(reason)
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        for line in (
            # No link-local route comes a second later.
            f"ip netns exec {NAME} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
            f"ip -n {NAME} link set lo up",
            f"ip -n {NAME} link add eth0 type veth peer name eth1",
            f"ip -n {NAME} addr add 10.1.0.1/24 dev eth0",
            f"ip -n {NAME} link set eth0 up",
            f"ip -n {NAME} link set eth1 up",
        ):
            subprocess.run(line.split(), check=True)
        yield Space()
    finally:
        subprocess.run(["ip", "netns", "del", NAME], check=True)
