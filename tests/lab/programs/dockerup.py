"""Starts (or restarts) a real dockerd on a machine of the lab, with one image that needs no registry.

Usage: dockerup [DOCKERD-OPTION]...  Returns when the daemon answers; the image is ``local/busybox:1``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

STATE = Path("/run/lab/docker")
PID = STATE / "pid"
SECONDS = 30.0


def wait(what: str, done: object, seconds: float = SECONDS) -> None:
    """Poll a condition; ends the program with dockerd's log if it does not come true."""
    assert callable(done)
    limit = time.monotonic() + seconds
    while not done():
        if time.monotonic() > limit:
            sys.exit(f"{what} took over {seconds} s\n{(STATE / 'log').read_text()[-2000:]}")
        time.sleep(0.05)


def stop() -> None:
    """Stop a running daemon and its containers."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        pid = int(PID.read_text())
        os.kill(pid, signal.SIGTERM)
        wait("stopping dockerd", lambda: not Path(f"/proc/{pid}").exists())


def answers() -> bool:
    """Whether the daemon takes commands."""
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


def import_image() -> None:
    """Make the image from this system's static busybox."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
    subprocess.run(["docker", "import", "-", "local/busybox:1"], input=archive.getvalue(), check=True, stdout=subprocess.DEVNULL)


def main(options: list[str]) -> None:
    """Restart dockerd with the given options."""
    stop()
    STATE.mkdir(parents=True, exist_ok=True)
    (STATE / "options").write_text(json.dumps(options))  # for the lab's systemctl
    argv = ["dockerd", "--data-root", str(STATE / "data"), "--exec-root", "/run/docker", "--storage-driver", "vfs", "--pidfile", str(PID), *options]
    with (STATE / "log").open("a") as log:
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    wait("starting dockerd", answers)
    if not subprocess.run(["docker", "images", "-q", "local/busybox:1"], capture_output=True, check=True).stdout:
        import_image()


if __name__ == "__main__":
    main(sys.argv[1:])
