"""The process as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
START = "import sys; from engine.cli import main; main()"


def _run(code: str, *args: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, env=environment, check=False, **kwargs)  # type: ignore[call-overload,no-any-return]


def test_help_imports_nothing_heavy() -> None:
    """``--help`` imports click and the command line, and none of the libraries, models or readers."""
    code = (
        "import sys\nfrom engine.cli.app import program\n"
        "try:\n    program.main(['--help'], prog_name='diagnose')\nexcept SystemExit:\n    pass\n"
        "bad = {'rich', 'yaml', 'jinja2', 'networkx', 'pyroute2', 'durable', 'tarfile', 'collectors', 'dataclasses_json'}\n"
        "bad |= {'engine.facts', 'engine.findings', 'engine.walk', 'engine.question', 'engine.pipeline', 'engine.rulebase'}\n"
        "print(sorted(bad & set(sys.modules)), file=sys.stderr)"
    )
    assert _run(code).stderr == "[]\n"


def test_a_diagnosis_imports_what_it_uses() -> None:
    """Reading a folder imports no graphs, netlink, archives, terminals or test machinery, no other parser, and no YAML once the rules were kept."""
    code = (
        "import sys\nfrom engine.cli.app import program\n"
        "try:\n    program.main(sys.argv[1:], prog_name='diagnose')\nexcept SystemExit:\n    pass\n"
        "print(' '.join(sys.modules), file=sys.stderr)"
    )
    arguments = ("--symptom", "pod cannot reach db", "-b", str(ROOT / "examples" / "pod-cannot-reach-db"))
    heavy = {"asyncio", "email", "http", "importlib.metadata", "difflib", "networkx", "pyroute2", "rich", "ssl", "tarfile", "unittest", "xml"}
    heavy |= {"collectors.live", "collectors.parsers.docker", "collectors.parsers.kubectl", "engine.report.html", "engine.rulebase.lint"}
    heavy |= {"engine.model.nft.ast", "engine.model.nft.parser", "engine.model.netfilter.index", "collectors.parsers.iptables_listing", "socket"}
    done = _run(code, *arguments)
    assert "docker-forward-drop" in done.stdout
    assert not heavy & set(done.stderr.split())
    assert not heavy & set(_run(code, "trace", *arguments).stderr.split())
    kept = "from engine import kept; kept.SETTLED = 0\n"
    _run(kept + code, *arguments)
    assert not {"yaml", "engine.rulebase.reading", "engine.rulebase.checks"} & set(_run(code, *arguments).stderr.split())


def test_statuses_of_the_process() -> None:
    """The process ends with the status itself, not only the runner."""
    assert _run(START).returncode == 2
    assert _run(START, "--version").returncode == 0


def test_closed_pipe_is_quiet() -> None:
    """A reader that goes away ("| head") causes no message."""
    code = "import sys; from engine.cli.output import emit; emit('x\\n' * 100000, None)"
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{code}" | head -n 1'],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("x\n", "")


def test_narrow_encoding_is_no_error() -> None:
    """A terminal that cannot show Chinese gets escapes instead of a crash."""
    code = "from engine.cli.program import _lenient_streams\n_lenient_streams()\nprint('根因')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "\\u6839\\u56e0\n"
