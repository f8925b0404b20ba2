"""Debian's kernel as a target: the namespaces are in the emulated machine, the model is here.

``python -m tests.fuzz.emulated`` is what runs inside: each line of input is a call of :class:`tests.fuzz.kernel.Kernel`, a line of output its result.
"""

from __future__ import annotations

import base64
import pickle
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tests.fuzz.kernel import SHORT, Kernel, KernelError
from tests.fuzz.more import MODULES
from tests.lab import vm

if TYPE_CHECKING:
    from tests.fuzz.kernel import Outcome
    from tests.fuzz.scenario import Probe, Scenario

SLOWNESS = 3.0
SECONDS = 300.0
"""That one call may take."""


def _packed(value: object) -> str:
    return base64.b64encode(pickle.dumps(value)).decode()


def _unpacked(line: str) -> Any:
    return pickle.loads(base64.b64decode(line))  # noqa: S301 - from our own other half


class Emulated:
    """A kernel that is asked over a line."""

    def __init__(self) -> None:
        """Boot the machine of this process, unless it runs already."""
        guest = vm.guest()
        loaded = guest.run(["/run/busybox", "modprobe", "-a", *MODULES])
        if loaded.status:
            raise KernelError(loaded.stderr)
        self._inside = guest.start([sys.executable, "-m", "tests.fuzz.emulated"])
        self.refused: list[str] = []

    def _call(self, name: str, *words: object) -> Any:
        self._inside.say(_packed((name, words)))
        line = self._inside.line(SECONDS)
        if not line:
            raise KernelError(self._inside.end().stderr)
        good, value = _unpacked(line)
        if not good:
            raise KernelError(value)
        return value

    def build(self, scenario: Scenario) -> None:
        """Build a scenario in new namespaces; what the kernel refuses is in :attr:`refused`."""
        self.refused = self._call("build", scenario)

    def collect(self) -> dict[str, bytes]:
        """The evidence of all namespaces as the files of one bundle."""
        files: dict[str, bytes] = self._call("collect")
        return files

    def send(self, probe: Probe, sport: int, seconds: float = SHORT) -> Outcome:
        """Send one probe and see what the client and the counters tell; the client waits so long on a computer that is not emulated."""
        outcome: Outcome = self._call("send", probe, sport, seconds)
        return outcome

    def settle(self) -> None:
        """Wait until no counter moves any more."""
        self._call("settle")

    def forget(self) -> None:
        """Bring the namespaces back to what was collected, as far as probes changed it."""
        self._call("forget")

    def close(self) -> None:
        """Throw the namespaces away."""
        self._inside.end()


def main() -> None:
    """Serve until the input ends."""
    # Helpers are forked from here: what they all need is read once.
    for module in ("collectors.live.netlink", "pyroute2"):
        import_module(module)
    kernel = Kernel(SLOWNESS, SECONDS)
    for line in sys.stdin:
        name, words = _unpacked(line)
        try:
            value = getattr(kernel, name)(*words)
            answer = (True, kernel.refused if name == "build" else value)
        except (KernelError, OSError) as error:
            answer = (False, str(error))
        sys.stdout.write(f"{_packed(answer)}\n")
        sys.stdout.flush()
    kernel.close()


if __name__ == "__main__":
    main()
