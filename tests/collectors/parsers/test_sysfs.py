"""Attributes of bridge ports printed from /sys."""

from __future__ import annotations

import pytest

from collectors.classify import sections
from collectors.parsers.sysfs import parse
from collectors.place import Place
from engine.facts import Source

FOLDER = "/sys/devices/virtual/net/cni0/brif"


@pytest.mark.parametrize("text", [
    f"{FOLDER}/veth1/hairpin_mode = 0\n{FOLDER}/veth2/hairpin_mode = 1\n",
    f"{FOLDER}/veth1/hairpin_mode:0\n{FOLDER}/veth2/hairpin_mode:1\n",
    f"{FOLDER}/veth1\n0\n{FOLDER}/veth2\n1\n",
])  # fmt: skip
def test_loops_over_ports(text: str) -> None:
    """Whether a loop prints the value beside the file or below it, each port has its own, and its bridge."""
    assert [s.format for s in sections("pasted.txt", text)] == ["brport"]
    facts = parse(Source("pasted.txt", text), Place("n1"))
    assert [(f.get("device"), f.get("master"), f.get("hairpin")) for f in facts] == [("veth1", "cni0", False), ("veth2", "cni0", True)]


def test_the_port_itself() -> None:
    """Below the port's own folder the bridge is not told."""
    (fact,) = parse(Source("x", "/sys/class/net/veth1/brport/hairpin_mode: 1\n"), Place("n1"))
    assert (fact.get("device"), fact.get("master"), fact.get("hairpin")) == ("veth1", None, True)


def test_what_has_no_value() -> None:
    """A file that could not be read tells nothing, and a number further below is not its value."""
    assert parse(Source("x", f"{FOLDER}/*\ncat: {FOLDER}/*/hairpin_mode: No such file or directory\n{FOLDER}/veth1\nx\n1\n"), Place("n1")) == []
