"""How the comparison with the kernel is printed."""

from __future__ import annotations

from engine.report.kernel import render_kernel
from engine.walk.confirm import Comparison, Watch

WATCH = Watch("n1", "web", ("ip netns exec web iptables -I x",), "ip netns exec web xtables-monitor --trace", ("ip netns exec web iptables -D x",))


def test_marks_and_commands() -> None:
    """Agreement, difference and silence have their own marks; commands stand at the line's begin, to be pasted."""
    rows = [Comparison("n1", "web", "filter FORWARD", "policy DROP", "policy DROP", agree) for agree in (True, False)]
    text = render_kernel([WATCH], [*rows, Comparison("n1", "host", "nat OUTPUT", "x", "", None)])
    assert "  = n1/web filter FORWARD\n" in text
    assert "  ≠ n1/web filter FORWARD\n" in text
    assert "  ? n1 nat OUTPUT\n" in text
    assert "\nip netns exec web iptables -I x\n" in text
    assert text.endswith("\nip netns exec web iptables -D x\n")


def test_nothing_to_say() -> None:
    """Without stacks to watch and without a trace, nothing is printed."""
    assert render_kernel((), (), "zh") == ""
