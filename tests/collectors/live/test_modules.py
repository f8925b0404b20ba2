"""What may be asked of the kernel without loading anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from collectors.live import stack
from collectors.live.modules import Facility, facility
from collectors.live.options import CollectOptions

if TYPE_CHECKING:
    from pathlib import Path


def kernel(root: Path, *, loaded: str | None, builtin: str = "", loadable: str = "") -> dict[str, str]:
    """The files that tell a kernel's modules."""
    lib = root / "lib" / os.uname().release
    for folder in (root / "proc", root / "sys" / "module", lib):
        folder.mkdir(parents=True)
    if loaded is not None:
        (root / "proc" / "modules").write_text("".join(f"{name} 16384 0 - Live 0x0\n" for name in loaded.split()))
    if builtin:
        (lib / "modules.builtin").write_text("".join(f"kernel/net/{name}.ko\n" for name in builtin.split()))
    if loadable:
        (lib / "modules.dep").write_text("".join(f"kernel/net/{name}.ko.xz: kernel/x.ko\n" for name in loadable.split()))
    return {"proc": str(root / "proc"), "sys": str(root / "sys"), "lib": str(root / "lib")}


@pytest.mark.parametrize(("loaded", "builtin", "loadable", "state"), [
    (None, "", "", Facility.PRESENT),
    ("ip_set nf_tables", "", "", Facility.PRESENT),
    ("", "ip-set", "", Facility.PRESENT),
    ("", "", "ip_set", Facility.ABSENT),
    ("", "", "ip-set other", Facility.ABSENT),
    ("", "", "other", Facility.PRESENT),
    ("", "", "", Facility.UNKNOWN),
])
def test_a_module_that_would_be_loaded_is_absent(tmp_path: Path, loaded: str | None, builtin: str, loadable: str, state: Facility) -> None:
    """Loaded, built in, or not loadable at all: asking loads nothing.  Loadable and not loaded: it would."""
    assert facility("ip_set", **kernel(tmp_path, loaded=loaded, builtin=builtin, loadable=loadable)) is state


def test_sysfs_tells_builtin_modules(tmp_path: Path) -> None:
    """A module with a folder in sysfs is there, also where no list of built-in ones is installed."""
    files = kernel(tmp_path, loaded="")
    (tmp_path / "sys" / "module" / "ip_set").mkdir()
    assert facility("ip_set", **files) is Facility.PRESENT


@pytest.mark.parametrize(("state", "skipped"), [(Facility.ABSENT, ""), (Facility.UNKNOWN, "asking might load the kernel module ip_set")])
def test_an_absent_facility_is_not_asked(monkeypatch: pytest.MonkeyPatch, state: Facility, skipped: str) -> None:
    """Where the module is not loaded there are no sets: collected and empty, without a question; where one cannot tell, it is not collected."""
    def never(*_: object) -> None:
        message = "the program was run"
        raise AssertionError(message)

    monkeypatch.setattr(stack, "facility", lambda _: state)
    monkeypatch.setattr(stack, "program", never)
    for got in (*stack.ipsets(CollectOptions()), stack.nft_tables("nft list ruleset", "netfilter", CollectOptions())):
        assert got.output.data == b""
        assert bool(got.skipped) is bool(skipped)
