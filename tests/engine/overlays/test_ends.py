"""Addresses at which nodes take tunnel packets: which of them peers cannot reach."""

from __future__ import annotations

from typing import Any

from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase
from tests.engine.walk.world import World

OVERWRITE = {"flannel.alpha.coreos.com/public-ip-overwrite": "10.0.0.9"}


def computed(facts: list[Fact]) -> list[dict[str, Any]]:
    """Fields of the ``tunnel_end`` facts."""
    return [{"node": f.node, **f.fields} for f in FactBase(facts, EXPANDERS).of_kind("tunnel_end")]


def told(found: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Owner, address, what is wrong, and the better address."""
    return [(f["owner"], f["address"], f["wrong"], f.get("better", "")) for f in found]


def nodes(*cards: dict[str, str], local: tuple[str, ...]) -> list[Fact]:
    """Machines n1, n2 … with cards, and flannel.1 with a source of its own."""
    world = World()
    for number, (each, source) in enumerate(zip(cards, local, strict=True), 1):
        stack = world.stack(f"n{number}")
        for name, address in each.items():
            stack.device(name, address, kind="bridge" if name.startswith(("docker", "br")) else "")
        stack.device("flannel.1", f"10.244.{number}.0/32", kind=f"vxlan id 1 local {source} dstport 8472 nolearning")
    return list(world.facts().facts)


def kube(name: str, internal: str, **notes: str) -> Fact:
    """A Node object."""
    prefixes = {"public_ip": "flannel.alpha.coreos.com/public-ip", "calico": "projectcalico.org/IPv4Address"}
    return Fact("k8s_node", {"name": name, "addresses": (internal,), "annotations": {prefixes.get(k, k): v for k, v in notes.items()}}, "master")


def test_the_same_address_on_every_guest() -> None:
    """10.0.2.15 on two machines, as hypervisors give it: the one that uses it should use the shared network."""
    cards = ({"eth0": "10.0.2.15/24", "eth1": "192.168.56.11/24"}, {"eth0": "10.0.2.15/24", "eth1": "192.168.56.12/24"})
    (found,) = computed(nodes(*cards, local=("192.168.56.11", "10.0.2.15")))
    assert {k: found[k] for k in ("node", "wrong", "better", "better_device", "network", "device", "tunnel", "program")} == {
        "node": "n2",
        "wrong": "not-unique",
        "better": "192.168.56.12",
        "better_device": "eth1",
        "network": "192.168.56.0/24",
        "device": "eth0",
        "tunnel": "flannel.1",
        "program": "flannel",
    }
    both = computed(nodes(*cards, local=("10.0.2.15", "10.0.2.15")))
    assert told(both) == [("n1", "10.0.2.15", "not-unique", "192.168.56.11"), ("n2", "10.0.2.15", "not-unique", "192.168.56.12")]


def test_bridges() -> None:
    """The address of docker's bridge; but not of a bridge with a card among its ports, and not a bridge that is the uplink by its name."""
    one = {"eth0": "192.0.2.1/24"}
    assert told(computed(nodes(one, {"docker0": "172.17.0.1/16", "eth0": "192.0.2.2/24"}, local=("192.0.2.1", "172.17.0.1")))) == [
        ("n2", "172.17.0.1", "bridge", "192.0.2.2")
    ]
    assert not computed(nodes(one, {"br0": "192.0.2.2/24"}, local=("192.0.2.1", "192.0.2.2")))
    world = World()
    world.stack("n1").device("virbr0", "192.0.2.2/24", kind="bridge").device("eno1", master="virbr0")
    world.stack("n1").device("flannel.1", "10.244.1.0/32", kind="vxlan id 1 local 192.0.2.2 dstport 8472")
    assert not computed(list(world.facts().facts))


def test_another_network() -> None:
    """All other ends are in a network in which the node has an address as well, and nobody is where its end is."""
    facts = nodes({"eth0": "192.0.2.1/24"}, {"eth0": "10.9.0.12/24", "eth1": "192.0.2.2/24"}, local=("192.0.2.1", "10.9.0.12"))
    assert told(computed(facts)) == [("n2", "10.9.0.12", "not-shared", "192.0.2.2")]


def test_networks_that_fit() -> None:
    """Second cards that all use, either of two shared networks, nodes of different subnets."""
    two = ({"eth0": "192.0.2.1/24", "eth1": "10.9.0.1/24"}, {"eth0": "192.0.2.2/24", "eth1": "10.9.0.2/24"})
    assert not computed(nodes(*two, local=("10.9.0.1", "10.9.0.2")))
    assert not computed(nodes(*two, local=("192.0.2.1", "10.9.0.2")))
    assert not computed(nodes({"eth0": "192.0.2.1/24"}, {"eth0": "198.51.100.2/24"}, local=("192.0.2.1", "198.51.100.2")))


def test_node_objects_alone() -> None:
    """Annotations tell it without any machine: one address twice, docker's default, and the one Node whose end is none of its addresses."""
    twice = [kube("a", "192.0.2.1", public_ip="10.0.2.15"), kube("b", "192.0.2.2", public_ip="10.0.2.15")]
    assert told(computed(twice)) == [("a", "10.0.2.15", "not-unique", "192.0.2.1"), ("b", "10.0.2.15", "not-unique", "192.0.2.2")]
    shown = [f.text for f in FactBase(twice, EXPANDERS).of_kind("tunnel_end")]
    assert shown[0] == "node a: flannel.alpha.coreos.com/public-ip 10.0.2.15"
    bridge = [kube("a", "192.0.2.1", calico="192.0.2.1/24"), kube("b", "192.0.2.2", calico="172.17.0.1/16")]
    assert told(computed(bridge)) == [("b", "172.17.0.1", "bridge", "192.0.2.2")]
    apart = [kube("a", "192.0.2.1", public_ip="192.0.2.1"), kube("b", "192.0.2.2", public_ip="10.9.0.12")]
    assert told(computed(apart)) == [("b", "10.9.0.12", "not-shared", "192.0.2.2")]


def test_node_objects_that_fit() -> None:
    """A second network for all, a public address behind a translation, and an address that somebody set on purpose."""
    assert not computed([kube("a", "192.0.2.1", public_ip="10.9.0.1"), kube("b", "192.0.2.2", public_ip="10.9.0.2")])
    assert not computed([kube("a", "192.0.2.1", public_ip="192.0.2.1"), kube("b", "192.0.2.2", public_ip="203.0.113.9")])
    assert not computed([kube("a", "192.0.2.1", public_ip="192.0.2.1"), kube("b", "192.0.2.2", public_ip="10.0.0.9", **OVERWRITE)])
