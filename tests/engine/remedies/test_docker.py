"""Operations on networks of docker: what they print."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from tests.engine.remedies.conftest import operation

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
    assert made.apply(FACTS) is None


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
