"""docker0 and flannel's lease: which differences are faults."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase
from tests.engine.walk.world import parsed

ENV = "FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET={lease}\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"


def env(node: str, lease: str) -> list[Fact]:
    """What subnet.env tells."""
    return parsed("cat /run/flannel/subnet.env", ENV.format(lease=lease), node)


def ifconfig(node: str, **devices: str) -> list[Fact]:
    """What ``ifconfig`` tells of devices: ``docker0="10.1.62.1 255.255.255.0"``."""
    lines = []
    for name, words in devices.items():
        address, mask = words.split()
        lines += [f"{name.replace('_', '.')}: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1450", f"        inet {address}  netmask {mask}", ""]
    return parsed("ifconfig", "\n".join(lines), node)


def computed(*groups: list[Fact]) -> list[dict[str, Any]]:
    """Fields of the ``lease_mismatch`` facts."""
    return [{"node": f.node, **f.fields} for f in FactBase([f for group in groups for f in group], EXPANDERS).of_kind("lease_mismatch")]


def test_an_older_lease() -> None:
    """docker0 has a subnet of flannel's, but not this node's."""
    (found,) = computed(ifconfig("n1", docker0="10.1.62.1 255.255.255.0"), env("n1", "10.1.15.1/24"))
    assert found == {
        "node": "n1",
        "subnet": "10.1.62.0/24",
        "address": "10.1.62.1",
        "lease": "10.1.15.0/24",
        "gateway": "10.1.15.1/24",
        "old_bip": "10.1.62.1/24",
        "meant": "inside",
        "told_by": "subnet.env",
    }


def test_ifconfig_alone() -> None:
    """The overlay's device has the first address of the lease, with the UDP backend in the prefix of the whole network."""
    (found,) = computed(ifconfig("n1", docker0="10.1.62.1 255.255.255.0", flannel0="10.1.15.0 255.255.0.0"))
    assert (found["lease"], found["gateway"], found["meant"], found["told_by"]) == ("10.1.15.0/24", "10.1.15.1/24", "inside", "flannel0")
    (found,) = computed(ifconfig("n1", docker0="10.1.62.1 255.255.255.0", flannel_1="10.1.15.0 255.255.255.255"))
    assert (found["lease"], found["meant"]) == ("10.1.15.0/24", "inside")
    (found,) = computed(ifconfig("n1", docker0="172.17.0.1 255.255.0.0", flannel_1="10.1.15.0 255.255.255.255"))
    assert (found["lease"], found["meant"]) == ("10.1.15.0/24", "")


def test_docker_says_it_itself() -> None:
    """``docker network inspect bridge`` in place of the address; subnets of other networks are no matter."""
    network = Fact("container_network", {"name": "bridge", "bridge": "docker0", "subnets": ("10.1.62.0/24",), "gateways": ("10.1.62.1",)}, "n1")
    other = Fact("container_network", {"name": "shop", "bridge": "br-5d1c2a9e7f30", "subnets": ("172.18.0.0/16",), "gateways": ()}, "n1")
    (found,) = computed([network, other], env("n1", "10.1.15.1/24"))
    assert (found["old_bip"], found["meant"]) == ("10.1.62.1/24", "inside")


def test_siblings() -> None:
    """Docker's default subnet is a fault where the other node's docker0 is in its lease."""
    one = [*ifconfig("n1", docker0="172.17.0.1 255.255.0.0"), *env("n1", "10.1.15.1/24")]
    two = [*ifconfig("n2", docker0="10.1.20.1 255.255.255.0"), *env("n2", "10.1.20.1/24")]
    assert [f["meant"] for f in computed(one)] == [""]
    assert [(f["node"], f["meant"]) for f in computed(one, two)] == [("n1", "sibling")]


@pytest.mark.parametrize(
    "more",
    [
        ifconfig("n1", cni0="10.1.15.1 255.255.255.0"),
        [Fact("cni_config", {"file": "/etc/cni/net.d/10-flannel.conflist", "types": ("flannel", "portmap")}, "n1")],
        [Fact("link", {"name": "cni0", "type": "bridge"}, "n1")],
    ],
)
def test_beside_a_plugin(more: list[Fact]) -> None:
    """A CNI bridge holds the lease, or will: docker0 may have what it likes."""
    assert not computed(ifconfig("n1", docker0="172.17.0.1 255.255.0.0"), env("n1", "10.1.15.1/24"), more)


def test_as_it_should_be() -> None:
    """docker0 in the lease, no docker0, and no flannel."""
    assert not computed(ifconfig("n1", docker0="10.1.15.1 255.255.255.0"), env("n1", "10.1.15.1/24"))
    assert not computed(ifconfig("n1", eth0="192.0.2.1 255.255.255.0"), env("n1", "10.1.15.1/24"))
    assert not computed(ifconfig("n1", docker0="172.17.0.1 255.255.0.0"))
