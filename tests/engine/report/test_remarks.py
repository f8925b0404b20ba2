"""Every comment line that an operation can print has its Chinese."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import engine
from engine.report.remarks import REMARKS, in_language

FOLDER = Path(engine.__file__).parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PLAIN = re.compile(
    r"#   (?:netplan|networkd|NetworkManager|ifcfg|nmcli|ipset-persistent|iptables-services|systemd-networkd|grep|\[Match\])\b.*|#   \[Match\].*"
    r"|# (?:docker compose|Kubernetes): [a-z.A-Z]+: \{.*"
)
"""Lines that hold names of programs and commands alone."""


def remarks() -> list[str]:
    """The texts of comment lines in the modules of operations, an ``X`` where something is put in."""
    found = []
    for path in [*sorted((FOLDER / "remedies").glob("*.py")), FOLDER / "diagnosis.py"]:
        inside: set[int] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                inside.update(id(part) for part in ast.walk(node) if part is not node)
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                text = node.value
            else:
                continue
            if text.startswith("# ") and len(text) > 3:
                found.append(text)
    return found


@pytest.mark.parametrize("line", remarks())
def test_every_remark_has_its_chinese(line: str) -> None:
    """A remark that a person reads is there in Chinese; a change of the English without the Chinese is found."""
    line = f"{line}10.0.0.9 self permanent" if line.endswith(" dst ") else line
    assert PLAIN.fullmatch(line) or CHINESE.search(in_language(line, "zh"))


def test_what_is_put_in_stays() -> None:
    """Names and commands inside a remark are as they were, in the order that the language needs; commands and English stay untouched."""
    line = "# run inside the network namespace of web on n1: nsenter -t <pid> -n, or ip netns exec <name>"
    assert in_language(line, "zh") == "# 在 n1 上 web 的网络命名空间内执行：nsenter -t <pid> -n，或 ip netns exec <名称>"
    asked = "ip netns exec web ss -lntup  # or: nsenter -t <pid of web> -n ss -lntup"
    assert in_language(asked, "zh") == "ip netns exec web ss -lntup  # 或：nsenter -t <web 的 pid> -n ss -lntup"
    for text in ("ip link set dev eth0 up", "iptables -A FORWARD -m comment --comment '# in a: b = c' -j ACCEPT"):
        assert in_language(text, "zh") == text
    assert in_language(line, "en") == line


def test_the_table_is_sound() -> None:
    """Both languages have the same places, and no line is shadowed by one before it."""
    for english, chinese in REMARKS:
        places = english.count("{}")
        assert {int(number) for number in re.findall(r"(?<!\{)\{(\d)\}", chinese)} == set(range(places))
        sample = english.replace("{}", "X")
        assert in_language(sample, "zh") == chinese.format(*["X"] * places)
