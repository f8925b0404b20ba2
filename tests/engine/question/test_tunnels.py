"""What another node sends through a tunnel is part of a question about containers of different nodes."""

from __future__ import annotations

from typing import Any

import pytest

from engine.facts import HOST, ChainText, Fact, FactBase, RuleLine
from engine.question import understand
from tests.engine.question.conftest import fact

NODE = (
    fact("netns", "n1", name=HOST, role="host"),
    fact("address", "n1", device="docker_gwbridge", address="172.18.0.1", prefixlen=16, scope="global", family=4),
    fact("address", "n1", device="eth0", address="192.0.2.10", prefixlen=24, scope="global", family=4),
)
OVERLAY = fact("container_network", "n1", name="app", driver="overlay", runtime="docker")
OTHER = fact("address", "n2", device="eth0", address="192.0.2.55", prefixlen=24, scope="global", family=4)
ACROSS = "containers on the overlay on different nodes cannot ping each other"


def filtering(*specs: str) -> Fact:
    """The node's INPUT chain."""
    chain = ChainText("INPUT", "DROP", 1, tuple(RuleLine(2, spec) for spec in specs))
    return fact("netfilter_table", "n1", table="filter", family=4, chains=(chain,))


def vxlan(**more: Any) -> Fact:
    """A tunnel device."""
    return fact("link", "n1", name="flannel.1", **more)


SWARM, FLANNEL = [("192.0.2.11", "192.0.2.10", 4789)], [("192.0.2.11", "192.0.2.10", 8472)]


@pytest.mark.parametrize(("facts", "symptom", "asked"), [
    ((filtering(), OVERLAY), ACROSS, SWARM),
    ((filtering("-p tcp -m tcp --dport 2377 -j ACCEPT"),), ACROSS, SWARM),
    ((filtering(), vxlan(type="vxlan", vxlan_port=8472)), ACROSS, FLANNEL),
    ((filtering(), vxlan()), "pods time out across nodes", FLANNEL),
    ((filtering("-s 192.0.2.77/32 -p udp -m udp --dport 4789 -j ACCEPT"), OVERLAY), ACROSS, [("192.0.2.77", "192.0.2.10", 4789)]),
    ((filtering("-s 999.0.2.77/32 -j ACCEPT"), OVERLAY), ACROSS, SWARM),
    ((filtering(), OVERLAY, OTHER), ACROSS, [("192.0.2.55", "192.0.2.10", 4789)]),
    ((filtering("-m set --match-set nodes src -j ACCEPT"), OVERLAY), ACROSS, []),
    ((OVERLAY,), ACROSS, []),
    ((filtering("-p tcp -m tcp --dport 22 -j ACCEPT"),), ACROSS, []),
    ((filtering(), OVERLAY), "the container cannot reach the internet", []),
])  # fmt: skip
def test_flows_underneath(facts: tuple[Fact, ...], symptom: str, asked: list[tuple[str, str, int]]) -> None:
    """The overlay's own UDP port is asked for by another node where a node has an overlay and a filter, and the question is about several nodes."""
    flows = [f for f in understand(symptom, FactBase([*NODE, *facts])).flows if f.outer]
    assert [(f.src, f.dst, f.port) for f in flows] == asked
    assert all(f.protocol == "udp" for f in flows)


def test_a_named_target_is_all_that_is_asked_for() -> None:
    """Who names the other end by an option asks for nothing else."""
    assert not [f for f in understand(ACROSS, FactBase([*NODE, filtering(), OVERLAY]), to="10.0.4.7").flows if f.outer]
