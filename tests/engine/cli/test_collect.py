"""``diagnose collect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--script", "--node", "a"), "--node has no meaning with --script"),
        (("-o", "x", "--kubeconfig", "k"), "--kubeconfig goes with --cluster"),
        (("--cluster", "-o", "x", "--image", "i"), "--image goes with --daemonset-manifest"),
        (("--cluster",), "Missing option"),
        ((), "Missing option"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run: Run, words: tuple[str, ...], told: str) -> None:
    """An option without a meaning is an error, not silently ignored."""
    done = run("collect", *words)
    assert done.exit_code == 2
    assert told in done.stderr


def test_the_script_and_the_manifest_are_printed(run: Run, tmp_path: Path) -> None:
    """Both go to standard output, or to a file with ``-o``; nothing is collected."""
    assert run("collect", "--script").stdout.startswith("#!/bin/sh\n")
    assert "@VERSION@" not in run("collect", "--script").stdout
    out = tmp_path / "m.yaml"
    assert run("collect", "--daemonset-manifest", "--image", "mine:1", "-o", str(out)).exit_code == 0
    assert "image: mine:1" in out.read_text(encoding="utf-8")
