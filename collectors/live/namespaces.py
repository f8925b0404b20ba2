"""The network namespaces of this node: finding, naming and entering them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from engine.facts import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLONE_NEWNET: Final = 0x40000000
NAMED: Final = ("/run/netns", "/var/run/netns")
"""Where ``ip netns`` keeps its handles (one may be a link to the other)."""
UNNAMED: Final = ("/run/docker/netns",)
"""Where runtimes keep handles of namespaces that may hold no process (overlay networks)."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace of this node."""

    name: str
    """Name of its stack."""
    handle: str
    """Path to open for entering it."""
    inode: int
    """Identity on this kernel."""
    entry: str = ""
    """Command prefix that runs something in it from the node; "" for the node's own."""
    pid: int = 0
    """A process inside it; 0 if none is known."""

    @property
    def own(self) -> bool:
        """Whether it is the one this process runs in: the node's own."""
        return not self.entry


def own() -> Namespace:
    """The namespace of this process."""
    return Namespace(HOST, "/proc/self/ns/net", os.stat("/proc/self/ns/net").st_ino)


def discover(wanted: tuple[str, ...] | None, containers: Mapping[int, str]) -> tuple[list[Namespace], list[str]]:
    """Every namespace of this node except its own, and the wanted names that do not exist.

    ``wanted`` limits them to some names; ``containers`` names processes (pid → container name).
    """
    seen = {own().inode}
    found: list[Namespace] = []
    taken = {HOST}
    for candidate in (*_named(), *_of_processes(containers), *_unnamed()):
        if candidate.inode in seen:
            found = [_with_pid(known, candidate) for known in found]
            continue
        name = candidate.name if candidate.name not in taken else f"netns-{candidate.name}"
        if wanted is not None and candidate.name not in wanted:
            # Not marked as seen: another handle of the same namespace may bear the wanted name.
            continue
        seen.add(candidate.inode)
        taken.add(name)
        found.append(replace(candidate, name=name))
    names = {namespace.name for namespace in found}
    return found, [name for name in wanted or () if name not in names]


def _with_pid(known: Namespace, other: Namespace) -> Namespace:
    return replace(known, pid=other.pid) if known.inode == other.inode and not known.pid else known


def _named() -> Iterator[Namespace]:
    for folder in NAMED:
        for name, path, inode in _handles(folder):
            yield Namespace(name, path, inode, f"ip netns exec {name}")


def _unnamed() -> Iterator[Namespace]:
    for folder in UNNAMED:
        for name, path, inode in _handles(folder):
            yield Namespace(f"docker-{name}", path, inode, f"nsenter --net={path}")


def _handles(folder: str) -> Iterator[tuple[str, str, int]]:
    """Names, paths and inodes of the handles in a folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    outer = os.stat(folder).st_dev
    for name in names:
        path = f"{folder}/{name}"
        try:
            status = os.stat(path)
        except OSError:
            continue
        # A handle is a bind mount of nsfs; without the mount it is an empty file left over.
        if status.st_dev != outer:
            yield name, path, status.st_ino


def _of_processes(containers: Mapping[int, str]) -> Iterator[Namespace]:
    """Namespaces in which processes run, each once: by its container's process, else by the lowest process id."""
    by_inode: dict[int, int] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            inode = os.stat(f"/proc/{pid}/ns/net").st_ino
        except OSError:  # ended meanwhile, or not ours to look at
            continue
        if inode not in by_inode or (pid in containers and by_inode[inode] not in containers):
            by_inode[inode] = pid
    for inode, pid in by_inode.items():
        yield Namespace(containers.get(pid, f"pid-{pid}"), f"/proc/{pid}/ns/net", inode, f"nsenter -t {pid} -n", pid)


def enter(descriptor: int) -> None:
    """Move the calling thread (no other) into a network namespace; raises ``OSError``."""
    if hasattr(os, "setns"):
        os.setns(descriptor, CLONE_NEWNET)
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
