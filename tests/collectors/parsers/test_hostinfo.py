"""What tells of the machine itself."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from collectors.parsers.hostinfo import parse

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded


def test_this_machine(recorded: Recorded) -> None:
    """The running kernel's own answers."""
    run = {words: subprocess.run(words.split(), capture_output=True, text=True, check=True).stdout for words in ("uname -a", "uname -r", "uname -n")}
    fact = recorded.only(recorded.text(parse, run["uname -a"], "uname -a"), "host")
    assert fact.fields == {"hostname": run["uname -n"].strip(), "kernel": run["uname -r"].strip()}
    assert recorded.only(recorded.text(parse, run["uname -r"], "uname -r"), "host").fields == {"kernel": run["uname -r"].strip()}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("node1.example.com\n", {"hostname": "node1.example.com"}),
        ('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\n', {"os": "Debian GNU/Linux 12 (bookworm)"}),
        (
            " Static hostname: node1\n       Icon name: computer-vm\nOperating System: Ubuntu 22.04\n          Kernel: Linux 5.15.0-91-generic\n",
            {"hostname": "node1", "os": "Ubuntu 22.04", "kernel": "5.15.0-91-generic"},
        ),
    ],
)
def test_other_forms(recorded: Recorded, text: str, fields: dict[str, str]) -> None:
    """hostname, os-release, hostnamectl."""
    facts = recorded.text(parse, text)
    assert [fact.fields for fact in facts] == [fields]


def test_errors_are_counted(recorded: Recorded) -> None:
    """An error message is no host name."""
    assert [fact.kind for fact in recorded.text(parse, "bash: hostname: command not found\nno such thing\n")] == ["unparsed"]
