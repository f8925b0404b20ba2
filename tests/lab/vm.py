"""A bigger kernel for the lab: Debian's, on a processor that qemu emulates (TCG), with this machine's files.

The kernel that runs the tests may lack IPVS, IPIP, GRE, WireGuard, VLAN …; Debian's has them all.  Its package is fetched with
``apt-get download`` and unpacked into a cache, never installed.  The virtual machine sees the root of this machine read-only below a layer in
memory (9p), so the checkout, the Python and its packages, ``ip`` and ``iptables`` are the same inside; what a command changes is gone with the
machine, except in the exchange folder, which both know by the same name.

Only what needs that kernel runs there: an agent starts programs at the word of this process, which does all else (pytest, parsers, walks, diagnoses)
some twenty times as fast.  One machine serves all that a process asks of it.

``python -m tests.lab.vm [--seconds N] SHELL-LINE`` runs one line.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import platform
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.lab.computer import END_SECONDS, Ran

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
HELPERS = Path(__file__).resolve().parent / "guest"
META_PACKAGE = "linux-image-amd64"
"""The general kernel: the one for clouds (``linux-image-cloud-amd64``) has no 9p."""
QUIET = 240.0
"""Seconds that an answer may be late by before the machine is given up.  How long all takes tells nothing: the emulated processor is as fast as this
machine has time for it."""
SLOWNESS = 5.0
"""How many times as long as here a program may take."""
MEMORY = "2G"
PROCESSOR = "Nehalem,+rdrand"
"""One, and without wide vectors: emulated, a second one makes either wait for the other (twice the work, measured), and vectors are slow."""
QEMU = "qemu-system-x86_64"
PROGRAMS = (QEMU, "setpriv", "apt-get", "apt-cache", "dpkg-deb", "busybox")
KEPT = (
    "arch", "crypto", "lib", "net", "fs/9p", "fs/fscache", "fs/netfs", "fs/overlayfs", "drivers/net/*.ko", "drivers/net/wireguard",
    "drivers/net/ipvlan", "drivers/net/vxlan", "drivers/virtio", "drivers/char",
)
"""Folders of modules that a network can need; the rest (400 MB) is not unpacked."""
NEEDED = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""Modules without which there is no root: they are in the initial RAM file system, with what they depend on."""
TABLES = ("raw", "mangle", "nat", "filter", "security")
LOADED = ("virtio_console", "br_netfilter", "nf_log_syslog", "nf_conntrack", *(f"{ip}table_{table}" for ip in ("ip", "ip6") for table in TABLES))
"""Modules that a node with containers has loaded, and that machines of the lab cannot load: their files hide the loader's."""
AGENT, FORKER = HELPERS / "agent.py", HELPERS / "forker.py"
PORT = "/dev/vport0p1"
SOCKET = "agent"
"""The other end of that port, in the exchange folder."""


class VmError(AssertionError):
    """The virtual machine could not be made, or it ended without a word; says what it printed."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel."""

    image: Path
    modules: Path
    """The folder ``/lib/modules``."""
    initramfs: Path


def cache() -> Path:
    """Where kernels are kept: ``NOROUTE_VM_CACHE``, or below the user's cache."""
    given = os.environ.get("NOROUTE_VM_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "noroute" / "vm"


def why_not() -> str:
    """Why no virtual machine can be started here; "" if it can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "needs Linux on x86_64"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if not _package() and not _newest():
        return f"no package {META_PACKAGE} (apt-get update?)"
    return ""


def _said(argv: list[str], where: Path | None = None) -> str:
    result = subprocess.run(argv, cwd=where, capture_output=True, text=True, check=False)
    if result.returncode:
        message = f"{shlex.join(argv)}\n{result.stdout}{result.stderr}"
        raise VmError(message)
    return result.stdout


def _package() -> str:
    """Name of the package that holds the current kernel; "" if this system's mirrors have none."""
    listing = subprocess.run(["apt-cache", "depends", META_PACKAGE], capture_output=True, text=True, check=False).stdout
    names = [line.partition("Depends: ")[2] for line in listing.splitlines() if "Depends: " in line]
    return next((name for name in names if name.startswith("linux-image-")), "")


def _newest() -> Path | None:
    """The kernel that was unpacked last."""
    whole = sorted(cache().glob("*/initramfs"), key=lambda file: file.stat().st_mtime)
    return whole[-1].parent if whole else None


def kernel() -> Kernel:
    """The kernel, from the cache if it is there; raises :class:`VmError` if it cannot be fetched."""
    kept = _newest()
    if kept is None:
        package = _package()
        kept = cache() / package
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as folder:
            made = _unpack(package, Path(folder))
            # One move makes it whole for everybody who looks.
            if not kept.exists():
                made.rename(kept)
    return Kernel(kept / "vmlinuz", kept / "modules", kept / "initramfs")


def _unpack(package: str, folder: Path) -> Path:
    _said(["apt-get", "download", package], folder)
    archive = next(folder.glob("*.deb"))
    version = package.removeprefix("linux-image-")
    modules = f"./lib/modules/{version}"
    wanted = [f"./boot/vmlinuz-{version}", f"{modules}/modules.builtin", f"{modules}/modules.builtin.modinfo", f"{modules}/modules.order",
              *(f"{modules}/kernel/{part}" for part in KEPT)]
    tree, made = folder / "tree", folder / "made"
    tree.mkdir()
    made.mkdir()
    unpack = f"dpkg-deb --fsys-tarfile {shlex.quote(str(archive))} | tar --extract --wildcards --no-wildcards-match-slash {shlex.join(wanted)}"
    _said(["sh", "-ec", unpack], tree)
    _said(["busybox", "depmod", "-b", str(tree), version])
    (tree / "boot" / f"vmlinuz-{version}").rename(made / "vmlinuz")
    (tree / "lib" / "modules").rename(made / "modules")
    _initramfs(made, made / "modules" / version, folder / "ram")
    return made


def _order(modules: Path) -> list[Path]:
    """Files of the needed modules, each after those it depends on."""
    by_name, depends = {}, {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        by_name[Path(path).stem] = path
        depends[path] = others.split()
    done: list[str] = []

    def add(path: str) -> None:
        for other in depends[path]:
            add(other)
        if path not in done:
            done.append(path)

    for name in NEEDED:
        add(by_name[name])
    return [modules / path for path in done]


def _initramfs(made: Path, modules: Path, ram: Path) -> None:
    (ram / "bin").mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, ram / "bin" / "busybox")
    shutil.copy(HELPERS / "init", ram / "init")
    (ram / "init").chmod(0o755)
    order = _order(modules)
    for module in order:
        shutil.copy(module, ram / module.name)
    (ram / "needed").write_text("".join(f"/{module.name}\n" for module in order))
    _said(["sh", "-ec", f"find . | busybox cpio -o -H newc > {shlex.quote(str(made / 'initramfs'))}"], ram)


def _qemu(kernel: Kernel, exchange: Path) -> list[str]:
    def share(tag: str, path: Path, *options: str) -> list[str]:
        return ["-virtfs", ",".join([f"local,path={path},mount_tag={tag},security_model=none,multidevs=remap", *options])]

    # Never KVM: whether it works inside a container is luck, and both kernels' behaviour is the same.
    return [
        QEMU, "-accel", "tcg,thread=single", "-cpu", PROCESSOR, "-smp", "1", "-m", MEMORY, "-nodefaults", "-no-reboot", "-display", "none",
        "-serial", f"file:{exchange / 'console'}",
        "-kernel", str(kernel.image), "-initrd", str(kernel.initramfs), "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
        "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={exchange / SOCKET}", "-device", "virtserialport,chardev=agent",
        *share("root", Path("/"), "readonly=on"), *share("modules", kernel.modules, "readonly=on"), *share("exchange", exchange),
    ]


def _start(exchange: Path) -> str:
    """Shell script of the guest's first process: the agent, then the end of the machine."""
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run", "HOME": "/root", "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(exchange),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    same = shlex.quote(str(exchange))
    return "\n".join([
        *lines,
        f"/run/busybox modprobe -a {' '.join(LOADED)}",
        "ln -s /proc/self/fd /dev/fd; ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr",
        f"mkdir -p {same}; mount --bind /run/exchange {same}; cd {shlex.quote(str(ROOT))}",
        f"{shlex.join([sys.executable, '-I', '-S', str(AGENT), PORT, str(ROOT)])} < /dev/null > /run/exchange/told 2>&1",
        "/run/busybox poweroff -f", "",
    ])


class Process:
    """A program that runs inside."""

    def __init__(self, guest: Guest, pid: int) -> None:
        self._guest = guest
        self.pid = pid

    def say(self, line: str) -> None:
        """Write a line (without its end) to the program."""
        self._guest.ask("say", pid=self.pid, line=line)

    def line(self, seconds: float) -> str:
        """The next line that the program prints, with its end; "" if it prints no more."""
        return str(self._guest.ask("line", seconds, pid=self.pid))

    def end(self) -> Ran:
        """Close the program's input and wait for its end."""
        return Ran(*self._guest.ask("end", END_SECONDS, pid=self.pid))


class Guest:
    """The emulated computer."""

    first = True
    slowness = SLOWNESS

    def __init__(self) -> None:
        """Boot; raises :class:`VmError` if the agent does not report."""
        self._exchange = tempfile.TemporaryDirectory(prefix="noroute-vm-")
        self.folder = self._exchange.name
        exchange = Path(self.folder)
        (exchange / "start").write_text(_start(exchange))
        self._number, self._heard = 0, b""
        self._forker: Process | None = None
        with socket.socket(socket.AF_UNIX) as door, (exchange / "qemu").open("w") as errors:
            door.bind(str(exchange / SOCKET))
            door.listen()
            door.settimeout(QUIET)
            # However this process ends, the machine ends with it.
            self._qemu = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *_qemu(kernel(), exchange)], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
            )
            atexit.register(self.close)
            self._port, _ = door.accept()
        self._answer(QUIET)

    def run(self, argv: Sequence[str], *, text: str = "", environment: Mapping[str, str] | None = None, seconds: float | None = None) -> Ran:
        """Run a program in the checkout; raises :class:`subprocess.TimeoutExpired` after ``seconds``, there."""
        return Ran(*self.ask("run", seconds or 0.0, argv=[*argv], text=text, environment=environment, seconds=seconds))

    def start(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a program in the checkout."""
        return Process(self, int(self.ask("start", argv=[*argv], environment=environment)))

    def diagnose(self, pid: int, argv: Sequence[str], *, environment: Mapping[str, str], seconds: float) -> Ran:
        """Run ``diagnose`` with some arguments in the namespaces of a process; what needs more than ``seconds`` ends the machine."""
        if self._forker is None:
            self._forker = self.start([sys.executable, str(FORKER)], environment={**environment, "PYTHONPATH": str(ROOT), "TMPDIR": self.folder})
        self._forker.say(json.dumps({"pid": pid, "argv": [*argv], "environment": dict(environment), "root": str(ROOT)}))
        answer = self._forker.line(seconds)
        if not answer:
            raise self._failed(self._forker.end().stderr)
        return Ran(*json.loads(answer))

    def ask(self, what: str, seconds: float = 0.0, /, **words: Any) -> Any:
        """Have the agent do something that takes ``seconds`` at most; raises :class:`VmError` if no answer comes."""
        self._number += 1
        self._port.settimeout(QUIET)
        self._port.sendall(json.dumps({"number": self._number, "do": what, "with": words}).encode() + b"\n")
        answer = self._answer(seconds + QUIET)
        while answer.get("to") != self._number:
            answer = self._answer(seconds + QUIET)  # of a question whose asker was interrupted
        if "late" in answer:
            raise subprocess.TimeoutExpired(words["argv"], answer["late"])
        if "error" in answer:
            raise self._failed(answer["error"])
        return answer["value"]

    def _answer(self, seconds: float) -> dict[str, Any]:
        """The next line from the port."""
        limit = time.monotonic() + seconds
        while b"\n" not in self._heard:
            self._port.settimeout(max(limit - time.monotonic(), 0.001))
            try:
                more = self._port.recv(1 << 20)
            except TimeoutError:
                message = f"no answer within {seconds:.0f} s"
                raise self._failed(message) from None
            if not more:
                message = f"the machine ended: qemu's status is {self._qemu.wait()}"
                raise self._failed(message)
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self, what: str) -> VmError:
        told = [f"--- {name}\n{(Path(self.folder) / name).read_text(errors='replace')}" for name in ("qemu", "console", "told")
                if (Path(self.folder) / name).exists()]
        return VmError("\n".join([what, *told]))

    def close(self) -> None:
        """End the machine."""
        self._qemu.kill()
        self._qemu.wait()
        with suppress(AttributeError):
            self._port.close()
        self._exchange.cleanup()


@lru_cache(maxsize=1)
def guest() -> Guest:
    """The machine of this process, booted when it is first asked for."""
    return Guest()


def main() -> None:
    """Run one shell line inside; its output and status are ours."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.vm")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("line")
    options = parser.parse_args()
    ran = guest().run(["sh", "-c", options.line], seconds=options.seconds)
    sys.stdout.write(ran.stdout)
    sys.stderr.write(ran.stderr)
    sys.exit(ran.status)


if __name__ == "__main__":
    main()
