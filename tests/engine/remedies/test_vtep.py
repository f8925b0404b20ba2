"""Entries for VTEPs, and their MACs: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.computed import EXPANDERS
from engine.errors import RuleError
from engine.facts import Fact, FactBase
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = ("ip neigh show dev flannel.1", "bridge fdb show dev flannel.1")
OLD, NEW = "5e:0a:51:00:00:99", "5e:0a:51:00:00:20"
TARGET = {"device": "flannel.1", "address": "10.244.2.0", "mac": NEW, "dst": "10.1.0.2"}


def entries(facts: Iterable[Fact]) -> set[tuple[object, ...]]:
    """Entries by what a packet meets."""
    names = {"neighbor": ("address", "mac", "state"), "fdb": ("mac", "dst", "permanent")}
    return {tuple(f.get(name) for name in ("device", *names[f.kind])) for f in facts if f.kind in names and f.get("mac")}


@pytest.mark.lab
@pytest.mark.parametrize(
    "before",
    [
        [],
        [
            f"ip neigh replace 10.244.2.0 lladdr {OLD} dev flannel.1 nud permanent",
            f"bridge fdb append {OLD} dev flannel.1 dst 10.1.0.2 self permanent",
        ],
        [f"ip neigh replace 10.244.2.0 lladdr {OLD} dev flannel.1 nud stale", f"bridge fdb append {NEW} dev flannel.1 dst 10.1.0.9 self permanent"],
        [f"bridge fdb append {NEW} dev flannel.1 dst 10.1.0.2 self permanent"],
    ],
)
def test_kernel(space: Space, before: list[str]) -> None:
    """The kernel's entries after the commands are the model's, and after the undo what they were."""
    for line in ("ip link add flannel.1 type vxlan id 1 local 10.1.0.1 dev eth0 dstport 8472 nolearning", "ip link set flannel.1 up", *before):
        space.run(line)
    applied, after, undone, first = space.tried("vtep.learn", SHOWN, **TARGET)
    assert applied is not None
    assert entries(applied) == entries(after) != entries(first)
    assert entries(undone) == entries(first)


def test_forwarding_database_alone() -> None:
    """Where the overlay address is not known, only what leads to the MAC is set."""
    made = operation("vtep.learn", FactBase([]), **{**TARGET, "address": ""})
    assert made.commands() == (f"bridge fdb replace {NEW} dev flannel.1 dst 10.1.0.2 self permanent",)
    assert made.undo() == (f"bridge fdb del {NEW} dev flannel.1 dst 10.1.0.2 self",)
    after = made.apply(FactBase([]))
    assert after is not None
    assert {f.kind for f in after.facts} == {"fdb"}
    assert "configured" in made.persist()[0]
    assert "flanneld" in operation("vtep.learn", FactBase([]), **TARGET, program="flannel").persist()[0]
    assert "fdb" in made.verify()[1]


def test_needs_an_end() -> None:
    """Without the address of the other end there is no remedy."""
    with pytest.raises(RuleError):
        operation("vtep.learn", FactBase([]), **{**TARGET, "dst": ""})


def cluster() -> FactBase:
    """Three nodes with flannel.1; n1 holds an old MAC of n3's, nothing of n2's."""
    world = World()
    for number in (1, 2, 3):
        kind = f"vxlan id 1 local 10.1.0.{number} dev eth0 dstport 8472 nolearning"
        stack = world.host(f"n{number}", f"10.1.0.{number}/24").device(
            "flannel.1", f"10.244.{number}.0/32", kind=kind, mac=f"5e:0a:51:00:00:0{number}"
        )
        if number == 1:
            stack.shows("ip neigh", f"10.244.3.0 dev flannel.1 lladdr {OLD} PERMANENT").shows(
                "bridge fdb show", f"{OLD} dev flannel.1 dst 10.1.0.3 self permanent"
            )
    return world.facts()


def test_announce() -> None:
    """All peers hold what the device is, whatever they held."""
    facts = cluster()
    made = operation("vtep.announce", facts, "n3", device="flannel.1", program="flannel")
    after = made.apply(facts)
    assert after is not None
    for node in ("n1", "n2"):
        here = entries(f for f in after.facts if f.node == node)
        assert {("flannel.1", "10.244.3.0", "5e:0a:51:00:00:03", "PERMANENT"), ("flannel.1", "5e:0a:51:00:00:03", "10.1.0.3", True)} <= here
    assert made.commands() == ("systemctl restart flanneld",)
    assert "flannel.1" in made.verify()[0]
    assert any("MACAddressPolicy" in line for line in made.persist())
    assert operation("vtep.announce", facts, "n9", device="flannel.1").apply(facts) is None


def test_agent_of_a_cluster() -> None:
    """Where the agent is a pod, its pod is deleted."""
    pod = Fact("pod", {"namespace": "kube-flannel", "name": "kube-flannel-ds-x7k2p", "node_name": "n3"})
    made = operation("vtep.announce", FactBase([pod]), "n3", device="flannel.1")
    assert made.commands() == ("kubectl -n kube-flannel delete pod kube-flannel-ds-x7k2p",)
    assert operation("vtep.announce", FactBase([]), "n3", device="vxlan.calico", program="calico").commands() == ("systemctl restart calico-node",)


def test_new_mac() -> None:
    """The device has a locally administered MAC, and the peers hold it; the undo sets the old one."""
    facts = cluster()
    made = operation("vtep.new-mac", facts, "n3", device="flannel.1")
    after = made.apply(facts)
    assert after is not None
    mac = next(f.get("mac") for f in after.facts if f.kind == "link" and f.node == "n3" and f.get("name") == "flannel.1")
    assert int(mac[:2], 16) & 3 == 2
    assert made.commands()[0] == f"ip link set dev flannel.1 address {mac}"
    assert made.undo()[0] == "ip link set dev flannel.1 address 5e:0a:51:00:00:03"
    assert ("flannel.1", mac, "10.1.0.3", True) in entries(f for f in after.facts if f.node == "n2")
    assert any("machine-id" in line for line in made.persist())
    other = operation("vtep.new-mac", FactBase([], EXPANDERS), "n3", device="flannel.1")
    assert (other.apply(FactBase([])), other.undo()) == (None, ())
