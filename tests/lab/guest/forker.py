"""``diagnose``, read once by Python and then forked for each run inside a machine: on an emulated processor, reading it takes longer than running it.

Each line of input is a JSON object: the process whose namespaces are entered, ``diagnose``'s arguments and the environment; a line of JSON answers it
with the exit status and what was printed.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from typing import Any

PACKAGES = ("engine.", "collectors.", "pyroute2", "click", "concurrent.", "json", "tarfile")
NAMESPACES = ("mnt", "uts", "ipc", "net", "pid")


def _enter(pid: int) -> None:
    """Be in the namespaces of a process, save for the process numbers: those are for children."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptors = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in NAMESPACES]
    for descriptor in descriptors:
        if libc.setns(descriptor, 0):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)


def _ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _inside(request: dict[str, Any], stdout: int, stderr: int) -> int:
    """Run ``diagnose`` in a child of a child; returns its exit status."""
    _enter(request["pid"])
    child = os.fork()
    if child:
        return _ended(child)
    from engine.cli import main

    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["root"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    sys.argv = ["diagnose", *request["argv"]]
    status: Any = 0
    try:
        main()
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


def _run(request: dict[str, Any]) -> list[Any]:
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        child = os.fork()
        if not child:
            status = 70
            try:
                status = _inside(request, stdout.fileno(), stderr.fileno())
            finally:
                os._exit(status)
        status = _ended(child)
        for file in (stdout, stderr):
            file.seek(0)
        return [status, stdout.read(), stderr.read()]


def _imports() -> list[str]:
    """What a collection imports, asked of one in another process: nothing that it remembers must be known here."""
    with tempfile.TemporaryDirectory() as folder:
        lines = ["import sys", "from engine.cli import main", f"sys.argv = ['diagnose', 'collect', '-o', '{folder}/bundle']",
                 "try: main()", "except SystemExit: pass", "print(*sys.modules, sep='\\n')"]
        done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if name.startswith(PACKAGES)]


def main() -> None:
    """Serve until the input ends."""
    for name in _imports():
        import_module(name)
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(_run(json.loads(line)))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
