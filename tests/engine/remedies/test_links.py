"""Devices and their addresses: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.remedies.conftest import Space, operation
from tests.engine.remedies.test_routes import routes
from tests.engine.walk.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.facts import Fact, FactBase

SHOWN = ("ip -d addr", "ip route show table all")
FIELDS = ("name", "up", "carrier", "master", "hairpin", "port_state")


def links(facts: Iterable[Fact]) -> set[str]:
    """Devices by what the model changes of them."""
    return {str([(name, f.get(name)) for name in FIELDS if f.get(name) not in {None, "", False}]) for f in facts if f.kind == "link"}


def held(facts: Iterable[Fact]) -> set[str]:
    """Addresses."""
    return {f"{f.get('device')} {f.get('address')}/{f.get('prefixlen')} {f.get('broadcast')}" for f in facts if f.kind == "address"}


def local(facts: Iterable[Fact]) -> set[str]:
    """Table local."""
    return {f"{f.get('type')} {f.get('dst')} {f.get('device')}" for f in facts if f.kind == "route" and f.get("table") == "local"}


@pytest.mark.lab
@pytest.mark.parametrize(
    ("prepare", "name", "parameters"),
    [
        ("ip link set eth0 down", "link.up", {"dev": "eth0"}),
        ("ip link set eth1 down", "link.up", {"dev": "eth1"}),
        ("ip link set eth0 down", "link.up", {"dev": "eth0", "gateway": "10.1.0.7"}),
        (
            "ip link add br0 type bridge; ip addr add 10.2.0.1/24 dev br0; ip link set eth1 master br0; ip link set br0 down",
            "link.up",
            {"dev": "br0"},
        ),
        ("ip link add br0 up type bridge", "link.master", {"dev": "eth1", "master": "br0"}),
        ("ip link add br0 up type bridge; ip addr add 10.2.0.1/24 brd + dev br0", "link.master", {"dev": "eth1", "master": "br0"}),
        (
            "ip link add br0 up type bridge; ip link add br1 up type bridge; ip link set eth1 master br1",
            "link.master",
            {"dev": "eth1", "master": "br0"},
        ),
        ("ip link add br0 up type bridge; ip link set eth1 master br0", "link.hairpin", {"dev": "eth1"}),
        ("true", "address.add", {"dev": "eth1", "address": "10.3.0.1/24"}),
        ("true", "address.add", {"dev": "eth1", "address": "10.3.0.1/32"}),
        ("ip link set eth1 down", "address.add", {"dev": "eth1", "address": "10.3.0.1/24"}),
        ("ip addr add 10.4.0.1/24 brd + dev eth1", "address.delete", {"dev": "eth1", "address": "10.4.0.1/24"}),
        ("ip addr add 10.1.0.1/24 dev eth1", "address.delete", {"dev": "eth1", "address": "10.1.0.1/24"}),
        ("ip addr add 10.1.0.1/24 dev eth1", "address.delete", {"dev": "eth0", "address": "10.1.0.1/24"}),
        ("ip addr add 10.1.0.9/24 dev eth0", "address.delete", {"dev": "eth0", "address": "10.1.0.9/24"}),
        (
            "ip addr add 10.4.0.1/24 dev eth1; ip route add 10.8.0.0/16 dev eth0 src 10.4.0.1",
            "address.delete",
            {"dev": "eth1", "address": "10.4.0.1/24"},
        ),
    ],
)
def test_as_the_kernel(space: Space, prepare: str, name: str, parameters: dict[str, str]) -> None:
    """Devices, addresses and routes after a command are those that the model says."""
    space.run(prepare)
    said, is_now, _, _ = space.tried(name, SHOWN, **parameters)
    assert said is not None
    same: tuple[Callable[[Iterable[Fact]], set[str]], ...] = (links, held, routes, local)
    for look in same:
        assert look(said) == look(is_now)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("prepare", "name", "parameters"),
    [
        ("ip link set eth1 down", "link.up", {"dev": "eth1"}),
        (
            "ip link add br0 up type bridge; ip link set eth0 master br0; ip link add br1 up type bridge; ip link set eth1 master br1",
            "link.master",
            {"dev": "eth1", "master": "br0"},
        ),
        ("ip link add br0 up type bridge; ip link set eth1 master br0", "link.hairpin", {"dev": "eth1"}),
        ("true", "address.add", {"dev": "eth1", "address": "10.3.0.1/24"}),
        ("ip addr add 10.1.0.1/24 brd + dev eth1", "address.delete", {"dev": "eth0", "address": "10.1.0.1/24"}),
    ],
)
def test_undo(space: Space, prepare: str, name: str, parameters: dict[str, str]) -> None:
    """After the undo everything is as it was, the order of routes to one prefix included."""
    space.run(prepare)
    _, _, undone, before = space.tried(name, SHOWN, **parameters)
    for look in (links, held, routes):
        assert look(undone) == look(before)
    order = [[f.get("device") for f in facts if f.kind == "route" and f.get("dst") == "10.1.0.0/24"] for facts in (undone, before)]
    assert order[0] == order[1]


def node() -> FactBase:
    """A host whose bridge holds web's and api's ports; api's neighbour entry for web leads to a stranger on node2."""
    world = World()
    host = world.stack("n1").device("cni0", "10.1.0.1/24", kind="bridge").device("veth1", peer=2, master="cni0", index=11)
    host.outputs["ip neigh"] = "10.1.0.5 dev cni0 lladdr 02:00:00:00:00:02 REACHABLE"
    world.stack("n1", "web").device("eth0", "10.1.0.5/24", peer=11, index=2)
    return world.facts()


def test_what_neighbours_remember() -> None:
    """Deleting an address also forgets the entries of this node that lead to it."""
    facts = node()
    made = operation("address.delete", facts, stack="web", entry="ip netns exec web", address="10.1.0.5/24", dev="eth0")
    assert made.commands() == ("ip netns exec web ip address del 10.1.0.5/24 dev eth0", "ip neigh del 10.1.0.5 dev cni0")
    after = made.apply(facts)
    assert after is not None
    assert not after.of_kind("neighbor")
    assert made.persist() == ()


@pytest.mark.parametrize(("name", "parameters"), [("link.up", {"dev": "veth1"}), ("link.master", {"dev": "veth1", "master": "cni0"})])
def test_who_did_not_answer_is_asked_again(name: str, parameters: dict[str, str]) -> None:
    """Once a wire works, unanswered entries at both its ends and on its bridge are gone; those of other wires, and answers, stay."""
    world = World()
    host = world.stack("n1").device("cni0", "10.1.0.1/24", kind="bridge").device("veth1", peer=2, master="cni0", index=11)
    host.device("eth0", "10.9.0.1/24")
    host.outputs["ip neigh"] = "10.1.0.5 dev cni0 FAILED\n10.1.0.6 dev cni0 lladdr 02:00:00:00:00:06 STALE\n10.9.0.7 dev eth0 INCOMPLETE"
    web = world.stack("n1", "web").device("eth0", "10.1.0.5/24", peer=11, index=2)
    web.outputs["ip neigh"] = "10.1.0.1 dev eth0 INCOMPLETE"
    facts = world.facts()
    after = operation(name, facts, **parameters).apply(facts)
    assert after is not None
    assert [(f.stack, f.get("address")) for f in after.of_kind("neighbor")] == [("host", "10.1.0.6"), ("host", "10.9.0.7")]


def test_what_cannot_be() -> None:
    """A device that nobody saw, an address that is there or is not: the model promises nothing."""
    facts = node()
    for name, parameters in (
        ("link.up", {"dev": "eth9"}),
        ("link.master", {"dev": "veth1", "master": "eth9"}),
        ("link.hairpin", {"dev": "eth9"}),
        ("address.add", {"dev": "cni0", "address": "10.1.0.1/24"}),
        ("address.delete", {"dev": "cni0", "address": "10.9.0.1/24"}),
    ):
        assert operation(name, facts, **parameters).apply(facts) is None


def test_secondary_addresses() -> None:
    """Whether the addresses behind a primary one go with it depends on a switch: the model does not guess."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.1/24", "10.1.0.9/24 scope global secondary")
    facts = world.facts()
    assert operation("address.delete", facts, dev="eth0", address="10.1.0.1/24").apply(facts) is None
    assert operation("address.delete", facts, dev="eth0", address="10.1.0.9/24").apply(facts) is not None


def test_routes_that_nobody_listed() -> None:
    """An address brings its route only where routes are known: one route alone would look like a whole table."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.1/24").device("cni0", kind="bridge").unseen("ip route show table all")
    facts = world.facts()
    after = operation("address.add", facts, dev="cni0", address="10.2.0.1/24").apply(facts)
    assert after is not None
    assert not after.of_kind("route")


def test_words() -> None:
    """Every operation says how to look at it, and how it lasts where somebody keeps it."""
    facts = node()
    assert operation("link.up", facts, dev="cni0").verify() == ("ip link show dev cni0",)
    assert "nmcli device reapply cni0" in operation("link.up", facts, dev="cni0").persist()[1]
    assert operation("link.up", facts, entry="ip netns exec web", dev="eth0").persist() == ()
    assert operation("link.master", facts, dev="veth1", master="cni0").verify() == ("ip link show master cni0",)
    assert operation("link.master", facts, dev="veth9", master="cni0").undo() == ("ip link set dev veth9 nomaster",)
    assert operation("link.hairpin", facts, dev="veth1").verify() == ("ip -d link show dev veth1",)
    assert "hairpinMode" in operation("link.hairpin", facts, dev="veth1").persist()[1]
    assert operation("address.add", facts, dev="cni0", address="fd00::1/64").commands() == ("ip -6 address add fd00::1/64 dev cni0",)
    assert "cni0" in operation("address.add", facts, dev="cni0", address="10.2.0.1/24").persist()[0]
    assert operation("address.add", facts, dev="cni0", address="10.2.0.1/24").verify() == ("ip address show dev cni0",)
    assert "10.1.0.1" in operation("address.delete", facts, dev="cni0", address="10.1.0.1/24").persist()[1]
