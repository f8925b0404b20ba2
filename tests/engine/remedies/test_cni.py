"""Retiring a CNI configuration: the pod is made anew in the other network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.facts import Fact, FactBase
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.world import World

if TYPE_CHECKING:
    from engine.remedies import Operation

FILE = "/etc/cni/net.d/87-podman.conflist"


def world() -> World:
    """n1 with flannel's cni0 (no pod, no carrier), podman's bridge with pod web, and a server on n2 that knows flannel's subnet only."""
    made = World()
    made.host("n1", "192.0.2.1/24").device("cni0", "10.244.1.1/24", kind="bridge", carrier=False).device(
        "podman0", "10.88.0.1/16", kind="bridge"
    ).router()
    made.pod("n1", "web", "10.88.0.5/16 brd 10.88.255.255 scope global", bridge="podman0", gateway="10.88.0.1")
    made.stack("n1").shows("bridge link", "6: veth-web: <BROADCAST,UP,LOWER_UP> mtu 1500 master podman0 state forwarding priority 32 cost 2")
    made.host("n2", "192.0.2.2/24").route("10.244.1.0/24 via 192.0.2.1 dev eth0").listens("tcp 0.0.0.0:80")
    return made


def evidence() -> FactBase:
    """Its facts, with the configuration file."""
    return (
        world()
        .facts()
        .plus([Fact("cni_config", {"file": FILE, "name": "podman"}, "n1"), Fact("cni_config", {"file": "/etc/cni/net.d/10-flannel.conflist"}, "n1")])
    )


def retire(facts: FactBase, **more: str) -> Operation:
    """The operation for pod web."""
    return operation("cni.retire-config", facts, **{"file": FILE, "address": "10.88.0.5", "pod_stack": "web", "subnet": "10.244.1.1/24", **more})


def sees(facts: FactBase) -> str:
    """What the pod sees of n2."""
    return walk(build(facts), Flow("n1", "web", "", "192.0.2.2", 80, "tcp")).client_sees


def test_remade_pod() -> None:
    """The file is gone; the pod has a free address, a port on the other bridge and its gateway; the flow lives."""
    facts = evidence()
    after = retire(facts).apply(facts)
    assert after is not None
    assert [f.get("file") for f in after.of_kind("cni_config")] == ["/etc/cni/net.d/10-flannel.conflist"]
    network = build(after)
    pod, node = network.stack("n1", "web"), network.stack("n1", "host")
    assert pod is not None
    assert node is not None
    assert [address.text for address in pod.addresses_of("eth0")] == ["10.244.1.254"]
    assert (node.link("veth-web").master, node.link("cni0").carrier) == ("cni0", True)
    assert (sees(facts), sees(after)) != ("connected", "connected")
    assert sees(after) == "connected"


def test_free_address() -> None:
    """An address that somebody has is not given away."""
    facts = evidence().plus([Fact("address", {"address": "10.244.1.254", "prefixlen": 24, "device": "eth0"}, "n3")])
    after = retire(facts).apply(facts)
    assert after is not None
    assert "10.244.1.253" in {f.get("address") for f in after.of_kind("address")}


@pytest.mark.parametrize("subnet", ["", "10.99.0.0/24"])
def test_unknown_network(subnet: str) -> None:
    """Without the right network's bridge in the evidence the model cannot tell."""
    facts = evidence()
    assert retire(facts, subnet=subnet).apply(facts) is None


def test_commands() -> None:
    """The file is renamed to what runtimes do not read; the pod is deleted by name, or looked up by address."""
    facts = evidence()
    rename, delete = retire(facts).commands()
    assert rename == f"mv {FILE} {FILE}.disabled"
    assert "10.88.0.5" in delete
    assert "kubectl delete pod" in delete
    known = facts.plus([Fact("pod", {"namespace": "shop", "name": "web-1", "ips": ("10.88.0.5",)}), Fact("pod", {"name": "other", "ips": ()})])
    assert retire(known).commands()[1] == "kubectl delete pod -n shop web-1"
    assert retire(facts).undo()[0] == f"mv {FILE}.disabled {FILE}"
    assert retire(facts).persist()


@pytest.mark.parametrize(
    ("file", "path"), [("87-podman.conflist", FILE), (FILE, FILE), ("nodes/n1/87-podman.conflist", FILE), ("a b.conf", "'/etc/cni/net.d/a b.conf'")]
)
def test_path(file: str, path: str) -> None:
    """A name alone lies in the default folder."""
    assert retire(evidence(), file=file).commands()[0].startswith(f"mv {path} ")


@pytest.mark.lab
def test_kernel(space: Space) -> None:
    """What the kernel lists of a device that is moved to another bridge is what the model makes of it."""
    for line in (
        "ip link add br-a type bridge",
        "ip link add br-b type bridge",
        "ip link set br-a up",
        "ip link set br-b up",
        "ip addr add 10.244.1.1/24 dev br-b",
        "ip link set eth1 master br-a",
    ):
        space.run(line)
    before = space.facts("ip -d addr", "bridge -d link", "ip route show table all")
    assert build(before).stack("n1", "host").ports.keys() == {"br-a"}  # type: ignore[union-attr]  # the stack is there
    after = retire(before, address="10.88.0.5", pod_stack="web", subnet="10.244.1.1/24").apply(before)
    assert after is not None
    space.run("ip link set eth1 master br-b")
    real = build(space.facts("ip -d addr", "bridge -d link", "ip route show table all")).stack("n1", "host")
    model = build(after).stack("n1", "host")
    assert real is not None
    assert model is not None
    assert (model.link("br-b").up, model.link("br-b").carrier) == (real.link("br-b").up, real.link("br-b").carrier)


def test_recreated_pod() -> None:
    """A pod whose configuration is gone is made anew with the one that is there; no file is touched, and nothing takes it back."""
    facts = evidence()
    left = facts.swap({id(f): None for f in facts.of_kind("cni_config") if f.get("file") == FILE})
    made = operation("cni.recreate-pod", left, address="10.88.0.5", pod_stack="web", subnet="10.244.1.1/24")
    after = made.apply(left)
    assert after is not None
    assert (sees(left), sees(after)) == (sees(facts), "connected")
    assert [f.get("file") for f in after.of_kind("cni_config")] == [f.get("file") for f in left.of_kind("cni_config")]
    assert [command for command in made.commands() if "kubectl delete pod" in command] == list(made.commands())
    assert (made.undo(), made.persist()) == ((), ())
