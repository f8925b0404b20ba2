"""Setting parameters: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import RuleError
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.world import World, lan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.facts import Fact, FactBase

KEYS = "sysctl -a --pattern '^net.ipv4.(ip_forward|conf.*.(forwarding|rp_filter))$'"


def values(facts: Iterable[Fact]) -> dict[str, str]:
    """Parameters by key."""
    return {f.get("key"): f.get("value") for f in facts if f.kind == "sysctl"}


def router(**more: int) -> FactBase:
    """Facts of a router's parameters."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.1/24").sysctl(**more)
    return world.facts()


def test_set() -> None:
    """Commands now and for good, the value that was there as undo."""
    facts = router()
    made = operation("sysctl.set", facts, key="net.ipv4.conf.eth0.rp_filter", value="2")
    after = made.apply(facts)
    assert after is not None
    assert values(after.facts)["net.ipv4.conf.eth0.rp_filter"] == "2"
    assert (made.commands(), made.undo()) == (("sysctl -w net.ipv4.conf.eth0.rp_filter=2",), ("sysctl -w net.ipv4.conf.eth0.rp_filter=0",))
    assert made.persist()[0] == "echo 'net.ipv4.conf.eth0.rp_filter = 2' > /etc/sysctl.d/99-zz-net.ipv4.conf.eth0.rp_filter.conf"


def test_not_observed() -> None:
    """A parameter that nobody collected is there afterwards, and its undo is not known; a container's is not kept in files."""
    facts = router()
    made = operation("sysctl.set", facts, key="net.ipv4.conf.eth9.rp_filter", value="2", entry="ip netns exec web")
    after = made.apply(facts)
    assert after is not None
    assert values(after.facts)["net.ipv4.conf.eth9.rp_filter"] == "2"
    assert (made.undo(), made.persist()) == ((), ())


@pytest.mark.parametrize("key", ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"])
def test_forwarding_copies(key: str) -> None:
    """ip_forward and conf.all.forwarding are one, and reach every device; devices that differed are undone one by one."""
    facts = router(ip_forward=0, conf__all__forwarding=0, conf__eth0__forwarding=1)
    made = operation("sysctl.set", facts, key=key, value="1")
    after = made.apply(facts)
    assert after is not None
    assert {values(after.facts)[name] for name in ("net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.eth0.forwarding")} == {"1"}
    assert made.undo() == (f"sysctl -w {key}=0", "sysctl -w net.ipv4.conf.eth0.forwarding=1")


def test_same_value_copies_nothing() -> None:
    """Writing the value that is there changes no device."""
    facts = router(ip_forward=1, conf__eth0__forwarding=0)
    after = operation("sysctl.set", facts, key="net.ipv4.ip_forward", value="1").apply(facts)
    assert after is not None
    assert values(after.facts) == values(facts.facts)


def test_restores_the_walk() -> None:
    """Forwarding on, as the model has it, carries the flow."""
    world = lan()
    world.stack("router").sysctl(ip_forward=0)
    assert world.sees("client", "10.2.0.2") == "timeout"
    world.stack("router").sysctl(ip_forward=1)
    assert world.sees("client", "10.2.0.2") == "connected"


@pytest.mark.lab
@pytest.mark.parametrize(
    ("before", "key", "value"),
    [
        ("net.ipv4.ip_forward=0", "net.ipv4.ip_forward", "1"),
        ("net.ipv4.ip_forward=0 net.ipv4.conf.eth0.forwarding=1", "net.ipv4.ip_forward", "1"),
        ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.forwarding", "0"),
        ("net.ipv4.ip_forward=1 net.ipv4.conf.eth0.forwarding=0", "net.ipv4.ip_forward", "1"),
        ("net.ipv4.conf.eth0.rp_filter=1", "net.ipv4.conf.eth0.rp_filter", "2"),
        ("net.ipv4.ip_forward=1", "net.ipv4.conf.eth0.forwarding", "0"),
    ],
)
def test_kernel(space: Space, before: str, key: str, value: str) -> None:
    """The kernel's parameters after the command are the model's, and after the undo what they were."""
    space.run(f"sysctl -qw {before}")
    applied, after, undone, first = space.tried("sysctl.set", (KEYS,), key=key, value=value)
    assert applied is not None
    assert values(applied) == values(after)
    assert values(undone) == values(first)


def test_module_load() -> None:
    """A module brings its parameters into every namespace of the node, and leaves those that are there alone."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.1/24")
    world.stack("n1", "web").device("eth0", "10.1.0.5/24")
    facts = world.facts()
    made = operation("module.load", facts, module="br_netfilter", entry="ip netns exec web")
    after = made.apply(facts)
    assert after is not None
    key = "net.bridge.bridge-nf-call-iptables"
    assert {(f.stack, f.get("value")) for f in after.of_kind("sysctl") if f.get("key") == key} >= {("host", "1")}
    again = made.apply(after)
    assert again is not None
    assert len([f for f in again.of_kind("sysctl") if f.get("key") == key]) == len([f for f in after.of_kind("sysctl") if f.get("key") == key])
    assert (made.commands(), made.undo()) == (("modprobe br_netfilter",), ("modprobe -r br_netfilter",))
    assert made.persist() == ("echo br_netfilter > /etc/modules-load.d/br_netfilter.conf",)


def test_unknown_module() -> None:
    """A module whose effect nobody knows is refused."""
    with pytest.raises(RuleError, match="nf_nat_pptp"):
        operation("module.load", router(), module="nf_nat_pptp")
