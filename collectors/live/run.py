"""Running commands and reading files within bounds; nothing here changes the system."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

CHUNK: Final = 1 << 16
ERROR_BYTES: Final = 1 << 14
"""Octets of standard error that are kept."""
PATHS: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Searched besides ``PATH``: a plain user's lacks the sbin folders."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a command or file yielded."""

    data: bytes = b""
    exit_status: int = 0
    error: str = ""
    """First line of standard error, or why the command did not run."""
    truncated: bool = False
    timed_out: bool = False
    seconds: float = 0.0


def search_path() -> str:
    """``PATH`` with the system folders appended."""
    own = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join([*filter(None, own), *(p for p in PATHS if p not in own)])


def find(program: str) -> str | None:
    """Absolute path of a program, or ``None``."""
    import shutil

    return shutil.which(program, path=search_path())


def run(arguments: Sequence[str], *, timeout: float, max_bytes: int) -> Output:
    """Run a program without a shell and keep at most ``max_bytes`` of its output; kills its process group when time is up."""
    import subprocess

    began = time.monotonic()
    environment = {**os.environ, "LC_ALL": "C", "PATH": search_path(), "TERM": "dumb"}
    try:
        process = subprocess.Popen(  # noqa: S603  (fixed programs, no shell)
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True,
        )
    except OSError as error:
        return Output(exit_status=127, error=f"{arguments[0]}: {os.strerror(error.errno or errno.ENOENT)}")
    try:
        out, err, truncated, timed_out = _drain(process, began + timeout, max_bytes)
    finally:
        _end(process)
    first = next((line.strip() for line in err.decode("utf-8", "replace").splitlines() if line.strip()), "")
    if timed_out:
        first = f"no answer within {timeout:g} s"
    return Output(out, process.returncode, first, truncated, timed_out, time.monotonic() - began)


def _drain(process: subprocess.Popen[bytes], deadline: float, max_bytes: int) -> tuple[bytes, bytes, bool, bool]:
    """Output, standard error, whether it was cut, and whether time ran out."""
    import selectors

    parts: list[bytes] = []
    errors: list[bytes] = []
    size = error_size = 0
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            ready = selector.select(left) if left > 0 else []
            if not ready:
                return b"".join(parts), b"".join(errors), True, True
            for key, _ in ready:
                data = os.read(key.fd, CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    errors.append(data[: max(0, ERROR_BYTES - error_size)])
                    error_size += len(data)
                else:
                    parts.append(data[: max_bytes - size])
                    size += len(data)
                    if size > max_bytes:
                        return b"".join(parts), b"".join(errors), True, False
    return b"".join(parts), b"".join(errors), False, False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a program that closed its output; kill one that did not, with its children."""
    import signal
    import subprocess

    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):  # ended meanwhile
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def read_file(path: str, max_bytes: int) -> Output:
    """A file's content, at most ``max_bytes`` of it; only regular files (FIFOs and devices could block or act)."""
    began = time.monotonic()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Output(exit_status=1, error=os.strerror(error.errno or 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Output(exit_status=1, error="not a regular file")
        data, truncated = read_descriptor(descriptor, max_bytes)
    except OSError as error:
        return Output(exit_status=1, error=os.strerror(error.errno or 0))
    finally:
        os.close(descriptor)
    return Output(data, truncated=truncated, seconds=time.monotonic() - began)


def read_descriptor(descriptor: int, max_bytes: int) -> tuple[bytes, bool]:
    """Content of an open file and whether it was cut."""
    parts: list[bytes] = []
    left = max_bytes
    while left > 0:
        data = os.read(descriptor, min(CHUNK, left))
        if not data:
            return b"".join(parts), False
        parts.append(data)
        left -= len(data)
    return b"".join(parts), bool(os.read(descriptor, 1))


def read_below(root: str, parts: Sequence[str], max_bytes: int) -> Output:
    """A file below another process's root folder.

    No symbolic link is followed on the way: a container chooses its own links, and an absolute one would lead to this system's files.
    """
    folder = -1
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = below
        descriptor = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        return Output(exit_status=1, error=os.strerror(error.errno or 0))
    finally:
        if folder >= 0:
            os.close(folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Output(exit_status=1, error="not a regular file")
        data, truncated = read_descriptor(descriptor, max_bytes)
    finally:
        os.close(descriptor)
    return Output(data, truncated=truncated)
