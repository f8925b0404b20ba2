"""A bigger kernel for the lab: Debian's, on a processor that qemu emulates (TCG), with this machine's files.

The kernel that runs the tests may lack IPVS, IPIP, GRE, WireGuard, VLAN …; Debian's has them all.  Its package is fetched with
``apt-get download`` and unpacked into a cache, never installed.  The virtual machine sees the root of this machine read-only below a layer in
memory (9p), so the checkout, the Python and its packages, ``ip`` and ``iptables`` are the same inside; what a command changes is gone with the
machine, except in the exchange folder.

``python -m tests.lab.vm [--seconds N] SHELL-LINE`` runs one line.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
HELPERS = Path(__file__).resolve().parent / "vm"
META_PACKAGE = "linux-image-amd64"
"""The general kernel: the one for clouds (``linux-image-cloud-amd64``) has no 9p."""
SECONDS = 300.0
MEMORY = "2G"
QEMU = "qemu-system-x86_64"
PROGRAMS = (QEMU, "apt-get", "apt-cache", "dpkg-deb", "busybox")
KEPT = (
    "arch", "crypto", "lib", "net", "fs/9p", "fs/fscache", "fs/netfs", "fs/overlayfs", "drivers/net/*.ko", "drivers/net/wireguard",
    "drivers/net/ipvlan", "drivers/net/vxlan", "drivers/virtio", "drivers/char",
)
"""Folders of modules that a network can need; the rest (400 MB) is not unpacked."""
NEEDED = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""Modules without which there is no root: they are in the initial RAM file system, with what they depend on."""
TABLES = ("raw", "mangle", "nat", "filter", "security")
LOADED = ("br_netfilter", "nf_log_syslog", "nf_conntrack", *(f"{ip}table_{table}" for ip in ("ip", "ip6") for table in TABLES))
"""Modules that a node with containers has loaded, and that machines of the lab cannot load: their files hide the loader's."""
IN_GUEST = "NOROUTE_VM_EXCHANGE"
"""Variable that is set inside: the exchange folder's path there."""


class VmError(AssertionError):
    """The virtual machine could not be made, or it ended without a word; says what it printed."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel."""

    image: Path
    modules: Path
    """The folder ``/lib/modules``."""
    initramfs: Path


@dataclass(frozen=True)
class Ran:
    """What a command did inside."""

    status: int
    stdout: str
    stderr: str


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
        QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY, "-nodefaults", "-no-reboot", "-display", "none",
        "-serial", f"file:{exchange / 'console'}",
        "-kernel", str(kernel.image), "-initrd", str(kernel.initramfs), "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
        *share("root", Path("/"), "readonly=on"), *share("modules", kernel.modules, "readonly=on"), *share("exchange", exchange),
    ]


def _start(command: str, environment: Mapping[str, str]) -> str:
    """Shell script of the guest's first process: the command, then the end of the machine."""
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run", "HOME": "/root", "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1", IN_GUEST: "/run/exchange", **environment,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([
        *lines,
        f"/run/busybox modprobe -a {' '.join(LOADED)}",
        f"cd {shlex.quote(str(ROOT))}",
        f"sh -c {shlex.quote(command)} < /dev/null > /run/exchange/stdout 2> /run/exchange/stderr",
        "echo $? > /run/exchange/status", "/run/busybox poweroff -f", "",
    ])


def run(command: str, exchange: Path, seconds: float = SECONDS, environment: Mapping[str, str] | None = None) -> Ran:
    """Boot, run a shell line in the checkout, halt.

    ``exchange`` is an empty folder that both sides write (``/run/exchange`` inside).  Raises :class:`VmError` if the line does not end within
    ``seconds`` or the kernel dies.
    """
    (exchange / "start").write_text(_start(command, environment or {}))
    try:
        qemu = subprocess.run(_qemu(kernel(), exchange), capture_output=True, text=True, timeout=seconds, check=False)
        ended = f"qemu ended with status {qemu.returncode}\n{qemu.stderr}"
    except subprocess.TimeoutExpired:
        ended = f"not done after {seconds:.0f} s"

    def text(name: str) -> str:
        file = exchange / name
        return file.read_text(errors="replace") if file.exists() else ""

    status = text("status").strip()
    if not status:
        message = f"{ended}\n--- console\n{text('console')}\n--- stdout\n{text('stdout')}\n--- stderr\n{text('stderr')}"
        raise VmError(message)
    return Ran(int(status), text("stdout"), text("stderr"))


def main() -> None:
    """Run one shell line inside; its output and status are ours."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.vm")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="noroute-vm-") as folder:
        ran = run(options.line, Path(folder), options.seconds)
    sys.stdout.write(ran.stdout)
    sys.stderr.write(ran.stderr)
    sys.exit(ran.status)


if __name__ == "__main__":
    main()
