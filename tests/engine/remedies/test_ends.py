"""Another address for tunnel packets: on the model and on the kernel."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from tests.engine.remedies.conftest import Space, operation
from tests.engine.remedies.test_vtep import cluster, entries

TARGET = {"device": "flannel.1", "program": "", "old": "10.1.0.1", "address": "10.1.0.7", "iface": "eth1"}
LINK = "ip link add flannel.1 type vxlan id 1 local 10.1.0.1 dev eth0 dstport 8472 nolearning"


def ends(facts: list[Fact]) -> set[tuple[object, ...]]:
    """Tunnel ends of the device."""
    return {(f.get("vxlan_local"), f.get("vxlan_device"), f.get("vxlan_id")) for f in facts if f.kind == "link" and f.get("name") == "flannel.1"}


@pytest.mark.lab
def test_kernel(space: Space) -> None:
    """The kernel moves the device as the model does, and back again."""
    for line in ("ip addr add 10.1.0.7/24 dev eth1", LINK):
        space.run(line)
    applied, after, undone, before = space.tried("tunnel.source", ("ip -d link show flannel.1", "ip addr show eth1"), **TARGET)
    assert applied is not None
    assert ends(applied) == ends(after) == {("10.1.0.7", "eth1", 1)}
    assert ends(undone) == ends(before) == {("10.1.0.1", "eth0", 1)}


def test_peers_learn() -> None:
    """The agent announces the new address: the peers' entries lead there."""
    facts = cluster()
    made = operation("tunnel.source", facts, "n3", **{**TARGET, "program": "flannel", "old": "10.1.0.3", "address": "10.9.0.3"})
    after = made.apply(facts)
    assert after is not None
    assert ("flannel.1", "5e:0a:51:00:00:03", "10.9.0.3", True) in entries(f for f in after.facts if f.node == "n1")
    assert any("--iface=eth1" in line for line in made.commands())
    assert made.commands()[-1] == made.undo()[-1] == "systemctl restart flanneld"
    assert "--iface=eth1" in made.persist()[0]
    assert "flannel.1" in made.verify()[0]


def test_calico() -> None:
    """Calico chooses again; the routes that bird made by the old address lead by the new one."""
    route = Fact("route", {"dst": "10.244.2.0/26", "gateway": "172.17.0.1", "device": "tunl0", "protocol": "bird"}, "n1")
    facts = FactBase([route])
    given = {"program": "calico", "old": "172.17.0.1", "address": "192.0.2.2", "network": "192.0.2.0/24"}
    made = operation("tunnel.source", facts, "n2", **given)
    after = made.apply(facts)
    assert after is not None
    assert [f.get("gateway") for f in after.facts] == ["192.0.2.2"]
    assert made.commands() == ("kubectl -n kube-system set env ds/calico-node IP_AUTODETECTION_METHOD=cidr=192.0.2.0/24",)
    assert made.undo() == ("kubectl -n kube-system set env ds/calico-node IP_AUTODETECTION_METHOD-",)
    assert "DaemonSet" in made.persist()[0]
    assert made.verify() == ("kubectl get nodes -o yaml",)
    assert operation("tunnel.source", facts, "n2", **given, at="n2").apply(facts) is None


def test_what_was_not_seen() -> None:
    """Without the device nothing is promised, and nothing is undone."""
    made = operation("tunnel.source", FactBase([]), **{**TARGET, "program": "flannel", "at": "worker-2"})
    assert made.apply(FactBase([])) is None
    assert made.undo() == ()
    assert made.commands()[0] == "# run on worker-2:"
    plain = operation("tunnel.source", FactBase([]), **TARGET)
    assert plain.apply(FactBase([])) is None
    assert "every peer" in plain.commands()[-1]
