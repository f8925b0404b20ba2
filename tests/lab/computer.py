"""What runs the lab's programs: this computer, or one that it emulates (:mod:`tests.lab.vm`)."""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

END_SECONDS = 60.0
ENTER = ("nsenter", "-m", "-n", "-u", "-i", "-p", "-t")
"""Begins a command line that is run in all namespaces of a process; its number follows, and ``--``."""


class Ran(NamedTuple):
    """What a program did."""

    status: int
    stdout: str
    stderr: str


class Started(Protocol):
    """A program that goes on running."""

    pid: int

    def say(self, line: str) -> None:
        """Write a line (without its end) to the program."""

    def line(self, seconds: float) -> str:
        """The next line that the program prints, with its end; "" if it prints no more.  An emulated computer waits for ``seconds`` at most."""

    def end(self) -> Ran:
        """Close the program's input and wait for its end."""


class Computer(Protocol):
    """A kernel, and the files of this one's root."""

    folder: str
    """Folder that the programs of both, this computer and that one, know by this name."""
    first: bool
    """Its first network namespace may be used up."""
    slowness: float
    """How many times as long as here a program may take."""

    def run(self, argv: Sequence[str], *, text: str = "", environment: Mapping[str, str] | None = None, seconds: float | None = None) -> Ran:
        """Run a program in the checkout; raises :class:`subprocess.TimeoutExpired` after ``seconds``, there."""

    def start(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Started:
        """Start a program in the checkout."""

    def diagnose(self, pid: int, argv: Sequence[str], *, environment: Mapping[str, str], seconds: float) -> Ran:
        """Run ``diagnose`` with some arguments in the namespaces of a process."""


class Process:
    """A program that runs here."""

    def __init__(self, argv: Sequence[str], root: str, environment: Mapping[str, str] | None) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, env=environment, cwd=root, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.pid = self._process.pid

    def say(self, line: str) -> None:
        """Write a line (without its end) to the program."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def line(self, _seconds: float) -> str:
        """The next line that the program prints, with its end; "" if it prints no more."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def end(self) -> Ran:
        """Close the program's input and wait for its end."""
        stdout, stderr = self._process.communicate(timeout=END_SECONDS)
        return Ran(self._process.returncode, stdout, stderr)


class Here:
    """This computer."""

    first = False
    slowness = 1.0

    def __init__(self, root: str) -> None:
        """``root``: the checkout."""
        self.root = root
        self.folder = tempfile.gettempdir()

    def run(self, argv: Sequence[str], *, text: str = "", environment: Mapping[str, str] | None = None, seconds: float | None = None) -> Ran:
        """Run a program in the checkout; raises :class:`subprocess.TimeoutExpired` after ``seconds``."""
        done = subprocess.run(argv, env=environment, cwd=self.root, input=text, capture_output=True, text=True, timeout=seconds, check=False)
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a program in the checkout."""
        return Process(argv, self.root, environment)

    def diagnose(self, pid: int, argv: Sequence[str], *, environment: Mapping[str, str], seconds: float) -> Ran:
        """Run ``diagnose`` with some arguments in the namespaces of a process; raises :class:`subprocess.TimeoutExpired` after ``seconds``."""
        return self.run([*ENTER, str(pid), "--", "diagnose", *argv], environment=environment, seconds=seconds)
