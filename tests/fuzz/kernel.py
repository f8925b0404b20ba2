"""Builds scenarios in network namespaces of the running kernel and sends their probes."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tests.fuzz.helper import Moved, serve

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from tests.fuzz.scenario import Probe, Scenario

SHORT = 0.1
"""Seconds that a client waits; on one machine whatever answers, answers in milliseconds."""
LONG = 1.5
"""Seconds for the second try of a probe whose outcome is in doubt."""

SETTLING = 20
"""Readings of all counters after which they are taken as they are."""
PATIENCE = 20.0
"""Seconds that a helper may take for anything."""


class KernelError(Exception):
    """A helper failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the kernel did with a probe."""

    sees: str
    source: str
    """Source address that the server saw; "" if none was told."""
    moved: frozenset[Moved]


class Target(Protocol):
    """A kernel to compare with: this computer's, or one that is emulated."""

    refused: list[str]
    """What the kernel would not have of the last scenario."""

    def build(self, scenario: Scenario) -> None:
        """Build a scenario in new namespaces; what the kernel refuses is in :attr:`refused`."""

    def collect(self) -> dict[str, bytes]:
        """The evidence of all namespaces as the files of one bundle."""

    def send(self, probe: Probe, sport: int, seconds: float = SHORT) -> Outcome:
        """Send one probe and see what the client and the counters tell; the client waits so long on a computer that is not emulated."""

    def settle(self) -> None:
        """Wait until no counter moves any more."""

    def forget(self) -> None:
        """Bring the namespaces back to what was collected, as far as probes changed it."""

    def close(self) -> None:
        """Throw the namespaces away."""


class Kernel:
    """Namespaces that are built, used and thrown away, one helper process each."""

    def __init__(self, slowness: float = 1.0, patience: float = PATIENCE) -> None:
        """``slowness``: how many times as long as on a computer that is not emulated a client waits; ``patience``: seconds for anything else."""
        self._slowness = slowness
        self._patience = patience
        self._helpers: dict[str, tuple[Any, Connection]] = {}
        # Other programs on this machine may hold the common lock.
        self._folder = tempfile.TemporaryDirectory(prefix="fz-")
        os.environ["XTABLES_LOCKFILE"] = f"{self._folder.name}/xtables.lock"
        self.refused: list[str] = []
        """What the kernel would not have of the last scenario."""
        self._stacks: list[str] = []
        self._pids: dict[str, int] = {}

    def _connection(self, name: str) -> Connection:
        if name not in self._helpers:
            context = multiprocessing.get_context("fork")
            mine, theirs = context.Pipe()
            process = context.Process(target=serve, args=(name, theirs), daemon=True)
            process.start()
            theirs.close()
            self._helpers[name] = (process, mine)
        return self._helpers[name][1]

    def _all(self, command: str, arguments: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
        """The same command in several namespaces side by side."""
        for name, words in arguments.items():
            self._connection(name).send((command, words))
        answers = {name: self._answer(name, command) for name in arguments}
        for name, (good, value) in answers.items():
            if not good:
                message = f"{command} in {name}: {value}"
                raise KernelError(message)
        return {name: value for name, (_, value) in answers.items()}

    def _answer(self, name: str, command: str) -> tuple[bool, Any]:
        connection = self._connection(name)
        if not connection.poll(self._patience):
            self._end_helpers()
            message = f"{command} in {name}: no answer within {self._patience:g} s"
            raise KernelError(message)
        answer: tuple[bool, Any] = connection.recv()
        return answer

    def build(self, scenario: Scenario) -> None:
        """Build a scenario in new namespaces; what the kernel refuses is in :attr:`refused`."""
        early = {name: {k: v for k, v in stack.sysctls.items() if _is_early(k)} for name, stack in scenario.stacks.items()}
        for idle in self._helpers.keys() - scenario.stacks.keys():
            self._all("quiet", {idle: ()})
        self._pids = self._all("fresh", {name: (values,) for name, values in early.items()})
        self._stacks = list(scenario.stacks)
        # With the same index at both ends the kernel takes its time, up to a second, until it notices that the wire works (linkwatch_urgent_event).
        lines = [
            f"link add {a} index {100 + 2 * at} netns {self._pids[x]} type veth peer name {b} index {101 + 2 * at} netns {self._pids[y]}"
            for at, (x, a, y, b) in enumerate(scenario.links)
        ]
        first = self._stacks[0]
        self.refused = list(self._all("ip", {first: (lines,)})[first])
        late = {name: {k: v for k, v in stack.sysctls.items() if not _is_early(k)} for name, stack in scenario.stacks.items()}
        for name, refused in self._all("build", {name: (stack, late[name]) for name, stack in scenario.stacks.items()}).items():
            self.refused += [f"{name}: {line}" for line in refused]

    def collect(self) -> dict[str, bytes]:
        """The evidence of all namespaces as the files of one bundle."""
        from collectors.live import encoded
        from collectors.live.options import SCHEMA_VERSION

        files: dict[str, bytes] = {}
        items = []
        for found in self._all("collect", dict.fromkeys(self._stacks, (self._pids,))).values():
            for path, (item, data) in found.items():
                files[path] = data
                if item:
                    items.append(item)
        files["manifest.json"] = encoded({"schema_version": SCHEMA_VERSION, "tool": "noroute", "node": "node", "items": items})
        return files

    def send(self, probe: Probe, sport: int, seconds: float = SHORT) -> Outcome:
        """Send one probe and see what the client and the counters tell; a large one finds nobody who knows how little fits."""
        if probe.size:
            self._all("forget_sizes", dict.fromkeys(self._stacks, ()))
        sees, _, source = self._all("probe", {probe.stack: (probe, sport, seconds * self._slowness)})[probe.stack]
        moved: set[Moved] = set()
        for counted, accepted in self._all("after", dict.fromkeys(self._stacks, ())).values():
            moved.update(counted)
            source = source or next(iter(accepted), "")
        return Outcome(sees, source, frozenset(moved))

    def settle(self) -> None:
        """Wait until no counter moves any more: what a busy machine still does for one probe must not be counted with the next."""
        for _ in range(SETTLING):
            if not any(counted for counted, _ in self._all("after", dict.fromkeys(self._stacks, ())).values()):
                return

    def forget(self) -> None:
        """Bring the namespaces back to what was collected, as far as probes changed it."""
        self._all("forget", dict.fromkeys(self._stacks, ()))

    def close(self) -> None:
        """End the helpers; their namespaces go with them."""
        self._end_helpers()
        self._folder.cleanup()

    def _end_helpers(self) -> None:
        for process, connection in self._helpers.values():
            connection.close()
            process.terminate()
            process.join()
        self._helpers.clear()


def _is_early(key: str) -> bool:
    """Parameters that devices copy when they are made, and those that exist without devices."""
    return ".conf." not in key or ".conf.all." in key or ".conf.default." in key
