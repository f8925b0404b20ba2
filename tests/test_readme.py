"""The README tells the truth: its commands run and print what it shows.

A block whose info string is ``console tested`` is run: lines that begin with ``$`` are commands, the others are what they print, exactly; a line that
is only ``…`` stands for any number of lines.  A block ``sh live`` reads or changes the machine it runs on: its options are checked, it is not run.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors.naming import command_file
from engine.errors import ExitStatus

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COLUMNS = 110
"""Width of the terminal that the README shows."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of the README."""

    line: int
    info: str
    text: str

    def session(self) -> list[tuple[str, list[str]]]:
        """Commands and the lines they print."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and found[-1][0].endswith("\\"):
                found[-1] = (f"{found[-1][0][:-1]}{line.strip()}", [])
            else:
                found[-1][1].append(line)
        return found

    def commands(self) -> list[str]:
        """Command lines of a block without output, continuation lines joined, comments left out."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line and not line.startswith("#")]


def blocks() -> list[Block]:
    """All fenced blocks."""
    fences = re.finditer(r"^```(\w[^\n]*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [Block(README.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in fences]


def with_info(info: str) -> list[Block]:
    """The blocks that bear an info string."""
    return [block for block in blocks() if block.info == info]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that looks like the checkout, so that what the commands write does not land there."""
    for entry in ROOT.iterdir():
        if not entry.name.startswith("."):
            (tmp_path / entry.name).symlink_to(entry)
    bin_folder = tmp_path / ".bin"
    bin_folder.mkdir()
    diagnose = bin_folder / "diagnose"
    entry_point = "import sys; from engine.cli import main; sys.argv[0] = 'diagnose'; sys.exit(main())"
    diagnose.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(entry_point)} "$@"\n', encoding="utf-8")
    diagnose.chmod(0o755)
    return tmp_path


def shell(place: Path, command: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command line as a user would; ``status`` is the value of ``$?`` before it."""
    path = f"{place / '.bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": str(COLUMNS), "TERM": "dumb"}
    script = f"(exit {status})\n{command}\n"
    return subprocess.run(
        ["bash", "-c", script], cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120
    )


def pattern(lines: list[str]) -> str:
    """A regular expression for the lines that a command prints."""
    return "".join("(?:.*\n)*?" if line.strip() == "…" else f"{re.escape(line)}[ ]*\n" for line in lines)


@pytest.mark.parametrize("block", with_info("console tested"), ids=lambda block: f"line {block.line}")
def test_sessions(block: Block, place: Path) -> None:
    """A session shown in the README goes exactly so."""
    status = 0
    for command, lines in block.session():
        done = shell(place, command, status)
        status = done.returncode
        assert re.fullmatch(pattern(lines), done.stdout), f"$ {command}\n{done.stdout}"


@pytest.mark.parametrize("block", with_info("sh live"), ids=lambda block: f"line {block.line}")
def test_live_commands(block: Block, place: Path) -> None:
    """Commands that are not run here name sub-commands and options that exist."""
    for command in block.commands():
        _, found, rest = command.partition("diagnose ")
        words = shlex.split(re.split(r"[|;&>]", rest)[0], comments=True)
        if found:
            subcommands = []
            for word in words:
                if not re.fullmatch(r"[a-z]+", word):
                    break
                subcommands.append(word)
            done = shell(place, f"diagnose {' '.join(subcommands[:2])} --help")
            assert done.returncode == 0, f"{command}\n{done.stdout}"
            options = [word.split("=")[0] for word in words if word.startswith("-") and word != "-"]
            assert not [option for option in options if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", done.stdout)], command


@pytest.mark.parametrize("block", with_info("yaml"), ids=lambda block: f"line {block.line}")
def test_documents(block: Block, place: Path) -> None:
    """A rule document shown in the README passes rule lint."""
    (place / "shown").mkdir()
    (place / "shown" / "shown.yaml").write_text(block.text, encoding="utf-8")
    done = shell(place, "diagnose rules lint shown")
    assert done.returncode == 0, done.stdout


def test_collecting_by_hand(tmp_path: Path) -> None:
    """The loop that collects by hand names its files as readers expect them, and leaves none for a command that failed."""
    (block,) = with_info("sh by hand")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("ip", "bridge", "iptables-save", "nft", "ipset", "sysctl", "ss", "conntrack", "docker", "cp"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" | tail -n 1\n[ {name} != ipset ]\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(["/bin/sh", "-c", block.text], cwd=evidence, env=environment, capture_output=True, text=True, check=False)
    made = {path.name: path.read_text(encoding="utf-8").strip() for path in evidence.iterdir()}
    assert (done.returncode, done.stderr) == (0, "")
    assert "ipset_save" not in made
    assert len(made) == 12
    assert all(name == command_file(command) for name, command in made.items())


def test_commands_are_checked() -> None:
    """No command of the program is shown in a block that is neither run nor checked; there is at least one of each sort."""
    assert not [block.line for block in blocks() if "diagnose " in block.text and block.info not in {"console tested", "sh live", "yaml"}]
    assert with_info("console tested")
    assert with_info("sh live")


def test_help_is_shown() -> None:
    """The README shows the help text (the session test compares it)."""
    assert "$ diagnose --help" in README


def test_make_targets_exist() -> None:
    """Each make target that the README names exists."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert named
    assert named <= targets


def test_exit_statuses() -> None:
    """The table of exit statuses is that of the program."""
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)] == [status.value for status in ExitStatus]


def test_libraries_without_a_compiler() -> None:
    """The list of libraries to install by hand without a compiler is setup.cfg's, without durable-rules."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = re.findall(r"^([A-Za-z0-9-]+)", config["options"]["install_requires"], re.MULTILINE)
    assert f"pip install {' '.join(name for name in required if name != 'durable-rules')}" in README
