"""``diagnose bundle info``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]


def test_info_names_what_was_collected(run: Run, tmp_path: Path) -> None:
    """A loose folder is described node by node."""
    (tmp_path / "sysctl_-a").write_text("net.ipv4.ip_forward = 0\n")
    result = run("bundle", "info", str(tmp_path))
    assert result.exit_code == 0
    assert "1 sysctl" in result.stdout


def test_missing_path_is_bad_input(run: Run, tmp_path: Path) -> None:
    """A path that does not exist is one line with status 2."""
    result = run("bundle", "info", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert result.stderr.startswith("diagnose: error: ")
