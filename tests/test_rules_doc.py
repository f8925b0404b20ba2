"""docs/rules.md tells the truth: its example works as it is written, its lists are complete."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import engine
from engine import templates
from engine.errors import ExitStatus
from engine.inference import guards, match
from engine.rulebase import commands, loader, reading
from engine.rulebase.model import SEVERITIES, STANDINGS, SYMPTOMS

ROOT = Path(engine.__file__).parent.parent
DOCS = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
EVIDENCE = {
    "iptables-save": "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:ACME-EGRESS - [0:0]\n-A OUTPUT -j ACME-EGRESS\n"
    "-A ACME-EGRESS -d 10.0.0.0/8 -j RETURN\n-A ACME-EGRESS -p tcp -m tcp --dport 443 -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n",
    "ip_addr": "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    inet 127.0.0.1/8 scope host lo\n"
    "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n    inet 10.20.0.5/24 brd 10.20.0.255 scope global eth0\n",
    "ip_route": "default via 10.20.0.1 dev eth0\n10.20.0.0/24 dev eth0 proto kernel scope link src 10.20.0.5\n",
}
"""A host on which the example's chain rejects."""


def example(folder: Path) -> Path:
    """The files of the worked example, as the documentation shows them."""
    shown = re.findall(r"^`(team-rules/[^`]+)`:\n\n```\w+\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    for name, text in shown:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder / "team-rules"


def test_the_example_is_a_good_rule(tmp_path: Path) -> None:
    """The rule of the documentation lints without a word and passes its tests."""
    rules = example(tmp_path)
    assert commands.lint_paths([rules]) == ("1 rule: 0 errors, 0 warnings", ExitStatus.NO_FAULT)
    assert commands.test_paths([rules])[1] is ExitStatus.NO_FAULT


def test_the_session_prints_what_is_shown(tmp_path: Path) -> None:
    """The commands of the example print the lines shown, in that order (… stands for any lines)."""
    example(tmp_path)
    (tmp_path / "app1").mkdir()
    for name, text in EVIDENCE.items():
        (tmp_path / "app1" / name).write_text(text, encoding="utf-8")
    session = re.search(r"^```console\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    assert session is not None
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    for part in session[1].split("$ ")[1:]:
        command, *shown = part.splitlines()
        words = shlex.split(command)
        assert words[0] == "diagnose"
        done = subprocess.run(
            [sys.executable, "-m", "engine.cli", *words[1:]], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        pattern = "".join("(?:.*\n)*?" if line == "…" else f"{re.escape(line.rstrip())}\n" for line in shown)
        assert re.fullmatch(pattern + ("(?:.*\n)*" if "…" in shown else ""), done.stdout), done.stdout + done.stderr


def test_the_override_of_the_documentation(tmp_path: Path) -> None:
    """The override shown applies to the built-in rule it names."""
    block = re.search(r"### Overrides\n\n```yaml\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "o.yaml").write_text(block[1], encoding="utf-8")
    changed = loader.load([tmp_path]).rule("docker-forward-drop")
    original = loader.load().rule("docker-forward-drop")
    assert changed is not None
    assert original is not None
    assert (changed.severity, len(changed.none)) == ("low", len(original.none) + 1)


def test_the_lists_are_complete() -> None:
    """Every key, operator, word, filter and issue code is in the documentation."""
    section = DOCS.partition("## Conditions")[2].partition("## How rules run")[0]
    words = set(re.findall(r"[a-z-]+", " ".join(re.findall(r"`([^`]+)`", section))))
    assert set(match.TESTS) | set(guards.NAMES) <= words
    head = DOCS.partition("```yaml")[2].partition("```")[0]
    assert [key for key in reading.RULE_KEYS if key != "explain" and not re.search(rf"^{key}:", head, re.MULTILINE)] == []
    assert all(word in head for word in (*SEVERITIES, *STANDINGS, *SYMPTOMS, *reading.PATTERN_KEYS, "explain:"))
    assert all(key in DOCS for key in reading.OVERRIDE_KEYS)
    shown = DOCS.partition("## Templates")[2].partition("## Where")[0]
    filters = {*templates.FILTERS, "q", "network", "join", "replace"} - {"d", "count"}  # second names of default and length
    assert [name for name in sorted(filters) if not re.search(rf"\b{name}\b", shown)] == []


def test_the_codes_are_complete() -> None:
    """The table of codes holds exactly those that lint can say."""
    table = DOCS.partition("## What lint says")[2]
    shown = {code for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for code in re.findall(r"`([^`]+)`", row)}
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "engine" / "rulebase").glob("*.py"))
    assert [code for code in sorted(shown) if f'"{code}"' not in source] == []
    told = set(re.findall(r"(?:issue|Issue)\((?:[^()\"]|\([^()]*(?:\([^()]*\)[^()]*)*\))*?, \"([a-z0-9-]+)\",", source))
    assert len(told) > 40
    assert told <= shown
