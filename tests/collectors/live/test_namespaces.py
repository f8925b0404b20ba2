"""Finding, naming and entering the namespaces of the running kernel."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collectors.live import namespaces
from collectors.live.namespaces import Namespace, discover, enter, own
from engine.facts import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"),
]


def inode(path: str) -> int:
    """Identity of the namespace behind a handle."""
    return Path(path).stat().st_ino


def test_the_own_namespace_is_the_host() -> None:
    """The namespace of this process is the node's own: it needs no command in front."""
    assert (own().name, own().own, own().inode) == (HOST, True, inode("/proc/self/ns/net"))


def test_a_named_namespace_is_entered_by_its_name(netns: str) -> None:
    """What ``ip netns`` lists is found with the handle and the command that lead into it."""
    assert discover((netns,), {}) == ([Namespace(netns, f"/run/netns/{netns}", inode(f"/run/netns/{netns}"), f"ip netns exec {netns}")], [])


def test_names_that_do_not_exist_are_told(netns: str) -> None:
    """A wanted name without a namespace is handed back, whether or not others exist; the own namespace is never listed."""
    found, missing = discover(("cl-none", netns), {})
    assert ([space.name for space in found], missing) == ([netns], ["cl-none"])
    assert discover((), {}) == ([], [])
    assert own().inode not in {space.inode for space in discover(None, {})[0]}


def test_without_wishes_every_namespace_is_found_once(netns: str, held: int) -> None:
    """A namespace with a name and a process is one, with both; nothing is found twice."""
    found = discover(None, {})[0]
    assert [(space.name, space.pid) for space in found if space.inode == inode(f"/run/netns/{netns}")] == [(netns, held)]
    assert len({space.inode for space in found}) == len({space.name for space in found}) == len(found)


def test_a_container_names_its_namespace(netns: str, held: int) -> None:
    """By the runtime's name of the process where the name is asked for, else by the process itself; entered through the process."""
    expected = inode(f"/run/netns/{netns}")
    for wanted, containers in (("web", {held: "web"}), (f"pid-{held}", {})):
        assert discover((wanted,), containers) == ([Namespace(wanted, f"/proc/{held}/ns/net", expected, f"nsenter -t {held} -n", held)], [])


@pytest.mark.parametrize("name", [HOST, "taken"])
def test_a_name_that_is_taken_is_told_apart(monkeypatch: pytest.MonkeyPatch, netns: str, held: int, name: str) -> None:
    """A container called like the node's own stack, or like another namespace, gets a prefix: two stacks never share a name."""
    other = Namespace("taken", "/x", 1, "ip netns exec taken")
    monkeypatch.setattr(namespaces, "_named", lambda: iter([other]))
    found = {space.inode: space.name for space in discover(None, {held: name})[0]}
    assert found[1] == "taken"
    assert found[inode(f"/run/netns/{netns}")] == f"netns-{name}"


def test_a_runtimes_handles_need_no_process(monkeypatch: pytest.MonkeyPatch, netns: str) -> None:
    """Handles in a runtime's folder are entered by path; their names say whose they are."""
    monkeypatch.setattr(namespaces, "NAMED", ())
    monkeypatch.setattr(namespaces, "UNNAMED", ("/run/netns",))
    found, _ = discover((f"docker-{netns}",), {})
    assert [(space.entry, space.pid) for space in found] == [(f"nsenter --net=/run/netns/{netns}", 0)]


def test_a_handle_left_over_is_no_namespace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty file without a mount (left by a crash), a dangling link and a folder that is missing name nothing."""
    (tmp_path / "left").write_text("")
    (tmp_path / "dangling").symlink_to("nowhere")
    monkeypatch.setattr(namespaces, "NAMED", (str(tmp_path), str(tmp_path / "none")))
    assert discover(("left", "dangling"), {}) == ([], ["left", "dangling"])


@pytest.mark.parametrize("by_libc", [False, True])
def test_only_the_calling_thread_enters(
    monkeypatch: pytest.MonkeyPatch, netns: str, inside: Callable[[Callable[[], Any]], Any], *, by_libc: bool
) -> None:
    """The thread that enters is in the namespace, all others stay; also where Python has no ``setns`` of its own (before 3.12)."""
    if by_libc:
        monkeypatch.delattr(os, "setns", raising=False)
    before = inode("/proc/thread-self/ns/net")
    assert inside(lambda: inode("/proc/thread-self/ns/net")) == inode(f"/run/netns/{netns}") != before
    assert inode("/proc/thread-self/ns/net") == before


@pytest.mark.parametrize("by_libc", [False, True])
def test_what_is_no_namespace_cannot_be_entered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, by_libc: bool) -> None:
    """A descriptor of something else is the kernel's error, with its number."""
    if by_libc:
        monkeypatch.delattr(os, "setns", raising=False)
    with (tmp_path / "x").open("wb") as file, pytest.raises(OSError, match="Invalid argument"):
        enter(file.fileno())
