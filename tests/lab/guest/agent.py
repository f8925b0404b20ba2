"""What obeys inside the emulated machine: it reads requests, one JSON object a line, from a serial port, and writes an answer to each.

``agent.py PORT CHECKOUT``.  It ends when nobody holds the other end of the port.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.lab.computer import Here, Started


class Agent:
    """The programs that were started here."""

    def __init__(self, here: Here) -> None:
        self.here = here
        self.started: dict[int, Started] = {}

    def run(self, **request: Any) -> list[Any]:
        """Run a program to its end."""
        return [*self.here.run(**request)]

    def start(self, **request: Any) -> int:
        """Start a program; it is known by the number that is returned."""
        process = self.here.start(**request)
        self.started[process.pid] = process
        return process.pid

    def say(self, pid: int, line: str) -> None:
        """Write a line to a program."""
        self.started[pid].say(line)

    def line(self, pid: int) -> str:
        """The next line of a program."""
        return self.started[pid].line(0)

    def end(self, pid: int) -> list[Any]:
        """Wait for the end of a program."""
        return [*self.started.pop(pid).end()]

    def obey(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        try:
            return {"value": getattr(self, request["do"])(**request["with"])}
        except subprocess.TimeoutExpired as late:
            return {"late": late.timeout}
        except OSError as error:
            return {"error": str(error)}


def _open(port: str) -> int:
    # The port comes up a moment after its driver.
    while not Path(port).exists():
        time.sleep(0.01)
    return os.open(port, os.O_RDWR)


def main() -> None:
    """Serve until the other end is closed."""
    port, root = sys.argv[1:]
    sys.path.insert(0, root)
    from tests.lab.computer import Here

    agent, descriptor = Agent(Here(root)), _open(port)
    with os.fdopen(descriptor, "rb", closefd=False) as asked, os.fdopen(descriptor, "wb") as answers:
        answers.write(b"{}\n")
        answers.flush()
        for line in asked:
            request = json.loads(line)
            answers.write(json.dumps({"to": request["number"], **agent.obey(request)}).encode() + b"\n")
            answers.flush()


if __name__ == "__main__":
    main()
