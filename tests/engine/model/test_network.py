"""How the stacks of the evidence are joined."""

from __future__ import annotations

import pytest

from engine.inet import to_int
from engine.model.network import Network, Port
from tests.engine.walk.world import World


def port(network: Network, node: str, stack: str, device: str) -> Port:
    """A device of a stack."""
    found = network.stack(node, stack)
    assert found is not None
    return Port(found, found.link(device))


def pods() -> World:
    """n1 with bridge cni0 and pods a and b; n2 with eth0 only."""
    world = World()
    world.host("n1", "192.0.2.1/24").device("cni0", "10.244.0.1/24", kind="bridge")
    world.pod("n1", "a", "10.244.0.2/24")
    world.pod("n1", "b", "10.244.0.3/24")
    world.host("n2", "192.0.2.2/24")
    return world


def test_veth_peers_name_each_other() -> None:
    """Both ends of a veth pair name the other's index; each finds the other."""
    network = pods().network()
    for pod in ("a", "b"):
        inner, outer = port(network, "n1", pod, "eth0"), port(network, "n1", "host", f"veth-{pod}")
        assert network.peer(inner) == outer
        assert network.peer(outer) == inner


def test_ambiguous_peers_stay_unknown() -> None:
    """Indices repeat: where two devices fit, none is taken."""
    world = pods()
    twin = world.stack("n1", "c").device("eth0", "10.244.0.2/24", index=104, peer=4)
    assert twin.devices["eth0"].index == world.stack("n1", "a").devices["eth0"].index
    network = world.network()
    assert network.peer(port(network, "n1", "host", "veth-a")) is None


@pytest.mark.parametrize("other", ["host", "elsewhere"])
def test_a_resolved_peer_stack_decides(other: str) -> None:
    """Where the collector resolved the namespace of the other end, only that one is looked into."""
    facts = pods().facts()
    (end,) = [f for f in facts.facts if f.kind == "link" and f.stack == "a" and f.get("name") == "eth0"]
    network = Network(facts.swap({id(end): end.having(peer_stack=other)}))
    found = network.peer(port(network, "n1", "a", "eth0"))
    assert (found.link.name if found else "") == ("veth-a" if other == "host" else "")


def test_pair_in_one_namespace() -> None:
    """A pair inside one namespace names the other end; both must do so (``@NAME`` is also a lower device)."""
    world = World()
    world.stack("n1").unseen("ip -d addr").shows(
        "ip link",
        "2: va@vb: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n"
        "3: vb@va: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n4: eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n"
        "5: eth0.7@eth0: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP",
    )
    network = world.network()
    found = network.peer(port(network, "n1", "host", "va"))
    assert found is not None
    assert found.link.name == "vb"
    assert network.peer(port(network, "n1", "host", "eth0.7")) is None
    assert network.peer(port(network, "n1", "host", "eth0")) is None


def test_outside_wires() -> None:
    """Cards, and veths whose other end was not collected, lead out of the evidence; bridges, tunnels and lo do not."""
    world = pods()
    world.stack("n1").device("vethlost", index=50, peer=77, master="cni0").device(
        "flannel.1", "10.244.0.0/32", kind="vxlan id 1 local 192.0.2.1 dstport 8472"
    )
    network = world.network()
    assert {(each.stack.node, each.link.name) for each in network.external_ports()} == {("n1", "eth0"), ("n1", "vethlost"), ("n2", "eth0")}
    assert not network.is_external(port(network, "n1", "host", "lo"))


def test_holders() -> None:
    """An address may be held by several stacks."""
    world = pods()
    world.host("n3", "192.0.2.2/24")
    assert [stack.node for stack in world.network().holders(to_int("192.0.2.2"), 4)] == ["n2", "n3"]
    assert [stack.name for stack in world.network().stacks_of("n1")] == ["host", "a", "b"]


def test_graph() -> None:
    """Stacks are nodes, veth pairs are edges, each once."""
    graph = pods().network().graph()
    assert set(graph.nodes) == {("n1", "host"), ("n1", "a"), ("n1", "b"), ("n2", "host")}
    assert sorted(data["wire"] for _, _, data in graph.edges(data=True)) == [("eth0", "veth-a"), ("eth0", "veth-b")]
