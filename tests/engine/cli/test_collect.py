"""``diagnose collect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]


def test_collect_writes_a_bundle_that_info_reads(run: Run, tmp_path: Path) -> None:
    """The bundle of this machine is there, under the name given, and can be read again."""
    bundle = tmp_path / "bundle"
    result = run("collect", "-o", str(bundle), "--node", "here", "--netns", "host", "--timeout", "5")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{bundle}: ")
    assert "node here: " in run("bundle", "info", str(bundle)).stdout


def test_a_namespace_that_does_not_exist_is_an_error(run: Run, tmp_path: Path) -> None:
    """A mistyped --netns ends with status 2 and the name, and leaves no bundle behind."""
    result = run("collect", "-o", str(tmp_path / "bundle"), "--netns", "none-of-this-name")
    assert result.exit_code == 2
    assert "no network namespace 'none-of-this-name'" in result.stderr
    assert not list(tmp_path.iterdir())


def test_collect_does_not_overwrite(run: Run, tmp_path: Path) -> None:
    """A bundle that exists is not touched: status 2."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "file").write_text("x")
    assert run("collect", "-o", str(tmp_path / "bundle")).exit_code == 2


def test_output_is_required(run: Run) -> None:
    """Without -o there is nothing to do."""
    assert run("collect").exit_code == 2
