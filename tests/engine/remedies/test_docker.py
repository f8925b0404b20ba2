"""Operations on networks of docker: what they print."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from engine.model import build
from tests.engine.remedies.conftest import operation
from tests.engine.walk.world import World

NETWORK = {"runtime": "docker", "name": "shop net", "bridge": "br-0123456789ab", "subnets": ("10.20.0.0/16",)}
FACTS = FactBase(
    [
        Fact("container_network", NETWORK, "n1"),
        Fact("container", {"name": "web", "state": "running", "endpoints": ({"network": "shop net", "address": "10.20.0.2"},)}, "n1"),
        Fact("container", {"name": "other", "state": "running", "endpoints": ({"network": "bridge", "address": "172.17.0.2"},)}, "n1"),
        Fact("container", {"name": "gone", "state": "exited", "endpoints": ({"network": "shop net", "address": ""},)}, "n1"),
        Fact("route", {"dst": "10.200.0.0/14"}, "n1"),
        Fact("route", {"dst": "0.0.0.0/1"}, "n1"),
        Fact("route", {"dst": "not a prefix"}, "n1"),
    ]
)


def test_move_a_named_network() -> None:
    """A network is made anew in a free range, its running containers are moved, and names are quoted; undo goes the same way back."""
    made = operation("docker.move-network", FACTS, bridge="br-0123456789ab")
    assert made.commands() == (
        "docker network create --subnet 10.204.0.0/24 'shop net-moved'",
        "docker network connect 'shop net-moved' web",
        "docker network disconnect 'shop net' web",
        "docker network rm 'shop net'",
    )
    assert made.undo()[0] == "docker network create --subnet 10.20.0.0/16 'shop net'"
    assert made.undo()[-1] == "docker network rm 'shop net-moved'"


def test_move_the_default_network() -> None:
    """docker0 is moved by bip, an address of the bridge with its mask."""
    made = operation("docker.move-network", FACTS, bridge="docker0")
    assert made.commands()[0].endswith('{"bip": "10.204.0.1/24"}')
    assert made.commands()[1] == made.undo()[1] == "systemctl restart docker"
    assert "10.204.0.0/16" in made.persist()[0]


def test_address_pools() -> None:
    """The pool printed overlaps nothing in the evidence; a VPN's halves of the default route do not count, else nothing would be free."""
    made = operation("docker.address-pools", FACTS)
    assert '"base": "10.204.0.0/16"' in made.commands()[0]
    assert made.undo()
    assert made.verify()
    assert made.apply(FACTS) is None


@pytest.mark.parametrize("dst", ["0.0.0.0/2", "8.0.0.0/5"])
def test_something_is_free(dst: str) -> None:
    """Where 10/8 is taken, the other private ranges are tried."""
    facts = FactBase([Fact("route", {"dst": dst}, "n1")])
    assert '"base": "172.16.0.0/16"' in operation("docker.address-pools", facts).commands()[0]


def test_create_a_network() -> None:
    """A named subnet is free, the name is quoted, and the undo removes the network."""
    made = operation("docker.create-network", FACTS, network="my apps")
    assert made.commands() == ("docker network create --subnet 10.204.0.0/24 'my apps'",)
    assert made.undo() == ("docker network rm 'my apps'",)
    assert "10.204.0.0/24" in made.persist()[0]
    assert made.apply(FACTS) is None


def moved() -> World:
    """A node whose docker network has the range of the machines behind its router."""
    world = World()
    node = world.host("n1", "192.168.10.11/24", gateway="192.168.10.1").device("br-0123456789ab", "10.20.0.1/16", kind="bridge")
    node.iptables(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n"
        "-A POSTROUTING -s 10.20.0.0/16 ! -o br-0123456789ab -j MASQUERADE\n-A DOCKER -p tcp -j DNAT --to-destination 10.20.0.2:80\nCOMMIT\n"
        "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -d 10.20.0.5/32 -j ACCEPT\nCOMMIT\n"
    )
    world.pod("n1", "web", "10.20.0.2/16", gateway="10.20.0.1", bridge="br-0123456789ab")
    world.host("router", "192.168.10.1/24").device("eth1", "10.20.0.254/24").router()
    return world


def test_what_if_a_network_is_moved() -> None:
    """Bridge, containers and docker's rules get the new range, rules about others keep theirs, and what is for the others leaves the node."""
    facts = moved().facts().plus(
        [
            Fact("container_network", {**NETWORK, "gateways": ("10.20.0.1",)}, "n1"),
            Fact("container", {"name": "web", "state": "running", "endpoints": ({"network": "shop net", "address": "10.20.0.2"},)}, "n1"),
            Fact("neighbor", {"address": "10.20.0.2", "device": "br-0123456789ab"}, "n1"),
        ]
    )
    after = operation("docker.move-network", facts, bridge="br-0123456789ab").apply(facts)
    assert after is not None
    network = build(after)
    node, web = network.stack("n1", "host"), network.stack("n1", "web")
    assert node is not None
    assert web is not None
    addresses = {(f.stack, f.get("address"), f.get("prefixlen")) for f in after.of_kind("address") if f.node == "n1" and f.get("device") != "lo"}
    assert addresses == {("host", "192.168.10.11", 24), ("host", "10.200.0.1", 24), ("web", "10.200.0.2", 24)}
    assert {f.get("gateway") for f in after.of_kind("route") if (f.node, f.stack) == ("n1", "web")} == {None, "10.200.0.1"}
    specs = [rule.spec for f in after.of_kind("netfilter_table") for chain in f.get("chains") for rule in chain.rules]
    assert any("-s 10.200.0.0/24 ! -o" in spec for spec in specs)
    assert any("--to-destination 10.200.0.2:80" in spec for spec in specs)
    assert any("-d 10.20.0.5/32" in spec for spec in specs)
    assert not after.of_kind("neighbor")
    assert [f.get("subnets") for f in after.of_kind("container_network")] == [("10.200.0.0/24",)]
    assert [end["address"] for f in after.of_kind("container") for end in f.get("endpoints")] == ["10.200.0.2"]


def test_a_network_that_nobody_saw_cannot_be_moved_on_the_model() -> None:
    """Without docker's own word for the subnet, or one of IPv4, the model has no answer."""
    facts = moved().facts()
    assert operation("docker.move-network", facts, bridge="br-0123456789ab").apply(facts) is None
    six = FactBase([Fact("container_network", {**NETWORK, "subnets": ("fd00::/64",)}, "n1")])
    assert operation("docker.move-network", six, bridge="br-0123456789ab").apply(six) is None
