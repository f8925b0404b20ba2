"""The bare command: options, exit statuses, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine import __version__
from engine.errors import EvidenceError, QuestionError
from engine.findings import Verdict
from engine.inference.engine import matcher_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Run = Callable[..., Result]

SYMPTOM = ("--symptom", "pod cannot reach db")


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.NO_FAULT_FOUND, 0), (Verdict.CAUSE_FOUND, 1), (Verdict.INSUFFICIENT_EVIDENCE, 3)])
def test_status_tells_the_verdict(run: Run, pipeline: Any, verdict: Verdict, status: int) -> None:
    """The exit status is 0 for no fault, 1 for a cause, 3 for undecided."""
    pipeline.verdict = verdict
    assert run(*SYMPTOM).exit_code == status


def test_options_reach_the_request(run: Run, pipeline: Any) -> None:
    """Every option arrives in the request as it was given."""
    run(
        *SYMPTOM,
        "-b",
        "a",
        "--bundle",
        "b.tar.gz",
        "--from",
        "x",
        "--to",
        "y:1",
        "--port",
        "5432",
        "--protocol",
        "TCP",
        "--node",
        "n",
        "--stack",
        "d=e=n1/web",
        "--netns",
        "p",
        "--netns",
        "q",
        "--rules",
        "r",
        "--lang",
        "zh",
    )
    request = pipeline.requests[0]
    assert (request.symptom, request.bundles, request.stacks) == ("pod cannot reach db", (Path("a"), Path("b.tar.gz")), {"d=e": "n1/web"})
    assert (request.from_, request.to, request.port, request.protocol, request.node) == ("x", "y:1", 5432, "tcp", "n")
    assert (request.netns, request.rules, request.lang) == (("p", "q"), (Path("r"),), "zh")


def test_ends_alone_are_a_question(run: Run, pipeline: Any) -> None:
    """--from and --to make a question without a symptom."""
    assert run("--from", "a", "--to", "b").exit_code == 0
    assert pipeline.requests[0].symptom == ""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "nothing to diagnose"),
        (("--symptom", "  "), "nothing to diagnose"),
        ((*SYMPTOM, "--port", "70000"), "'--port'"),
        ((*SYMPTOM, "--protocol", "sctp"), "'--protocol'"),
        ((*SYMPTOM, "--format", "xml"), "'--format'"),
        ((*SYMPTOM, "--stack", "folder"), "'folder' is not FOLDER=NODE"),
        ((*SYMPTOM, "--stack", "=n"), "is not FOLDER=NODE"),
        (("--nonsense",), "No such option"),
        (("nonsense",), "No such command"),
        (("pod cannot reach db",), "a question goes behind --symptom: diagnose --symptom 'pod cannot reach db'"),
        (("-b", "x", "trace", "--from", "a"), "--bundle stands before the sub-command"),
    ],
)
def test_bad_usage_is_one_line_and_a_hint(run: Run, pipeline: Any, args: tuple[str, ...], message: str) -> None:
    """Bad usage ends with status 2, one line with the reason and one with the way out, on standard error."""
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0].startswith("diagnose: error: ")
    assert message in lines[0]
    assert lines[1].startswith("hint: diagnose")
    assert len(lines) == 2
    assert not pipeline.requests


def test_errors_of_the_user_are_one_line(run: Run, pipeline: Any) -> None:
    """An error that the user can act on is its line, its hint and its status, without control characters."""
    pipeline.raises = EvidenceError("cannot read a\x1b[2Jb", "give a bundle")
    result = run(*SYMPTOM)
    assert (result.exit_code, result.stderr) == (2, "diagnose: error: cannot read a\\x1b[2Jb\nhint: give a bundle\n")
    pipeline.raises = QuestionError("no such name")
    assert run(*SYMPTOM).stderr == "diagnose: error: no such name\n"


def test_defects_are_reported_without_a_traceback(run: Run, pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect is one line with status 4; its traceback is shown with NOROUTE_DEBUG=1 alone."""
    pipeline.raises = ValueError("two\nlines")
    result = run(*SYMPTOM)
    assert result.exit_code == 4
    assert result.stderr.startswith("diagnose: error: internal error: ValueError: two lines\nhint: please report this")
    monkeypatch.setenv("NOROUTE_DEBUG", "1")
    assert "Traceback" in run(*SYMPTOM).stderr


def test_interrupt(run: Run, pipeline: Any) -> None:
    """Ctrl-C ends with status 130."""
    pipeline.raises = KeyboardInterrupt()
    result = run(*SYMPTOM)
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


@pytest.mark.parametrize(("form", "begin"), [("text", "No fault found."), ("json", "{"), ("markdown", "# diagnose"), ("html", "<!DOCTYPE html>")])
def test_formats(run: Run, pipeline: Any, form: str, begin: str) -> None:
    """Each format is printed on standard output."""
    assert run(*SYMPTOM, "--format", form).stdout.startswith(begin)
    assert pipeline.requests


@pytest.mark.parametrize(
    ("environment", "lang"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "zh_CN", "LANG": "C"}, "zh"),
        ({"LANG": "de_DE"}, "en"),
        ({"LANG": ""}, "en"),
    ],
)
def test_language_follows_the_locale(run: Run, pipeline: Any, environment: dict[str, str], lang: str) -> None:
    """Without --lang the language is that of LC_ALL, LC_MESSAGES or LANG, in this order."""
    run(*SYMPTOM, env=environment)
    assert pipeline.requests[0].lang == lang


def test_output_replaces_the_file_as_a_whole(run: Run, pipeline: Any, tmp_path: Path) -> None:
    """-o writes the report to the file and nothing to standard output, and leaves no other file behind."""
    file = tmp_path / "report.json"
    file.write_text("old")
    result = run(*SYMPTOM, "--format", "json", "-o", str(file))
    assert result.stdout == ""
    assert json.loads(file.read_text())["verdict"] == "no-fault-found"
    assert list(tmp_path.iterdir()) == [file]
    assert pipeline.requests


def test_output_that_cannot_be_written(run: Run, pipeline: Any, tmp_path: Path) -> None:
    """A file that cannot be written is an error with status 2 that names it."""
    result = run(*SYMPTOM, "-o", str(tmp_path / "none" / "x"))
    assert result.exit_code == 2
    assert "cannot write" in result.stderr
    assert "No such file or directory" in result.stderr
    assert pipeline.requests


def test_version_and_help(run: Run) -> None:
    """--version and --help print and end with 0; help names every sub-command."""
    assert run("--version").stdout == f"diagnose {__version__} (rule matcher: {matcher_name()})\n"
    text = run("--help").stdout
    for name in ("collect", "trace", "rules", "bundle", "--symptom", "Exit status"):
        assert name in text


@pytest.mark.parametrize("name", ["collect", "trace", "rules", "bundle"])
def test_every_sub_command_can_be_imported(run: Run, name: str) -> None:
    """Each lazily named sub-command exists and shows its help."""
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"Usage: diagnose {name}" in result.stdout
