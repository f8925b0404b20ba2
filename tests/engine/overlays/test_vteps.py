"""VTEPs that peers hold wrongly, and two with one MAC: from listings as strangers give them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase
from tests.engine.walk.world import World, parsed

LINK = """5: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue {master}state UNKNOWN mode DEFAULT group default
    link/ether {mac} brd ff:ff:ff:ff:ff:ff promiscuity 0
    vxlan id {vni} local {local} dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300 udpcsum noudp6zerocsumtx noudp6zerocsumrx
"""
A, B, C, OLD = (f"5e:0a:51:00:00:{end}" for end in ("0a", "0b", "0c", "99"))
ENTRY = "{mac} dev flannel.1 dst {dst} self permanent"


def device(node: str, mac: str, local: str, name: str = "flannel.1", vni: int = 1, master: str = "") -> list[Fact]:  # noqa: PLR0917 - the words of a listing
    """What ``ip -d link show DEVICE`` tells."""
    text = LINK.format(name=name, mac=mac, local=local, vni=vni, master=f"master {master} " if master else "")
    return parsed(f"ip -d link show {name}", text, node)


def fdb(node: str, *lines: str) -> list[Fact]:
    """What ``bridge fdb show`` tells."""
    return parsed("bridge fdb show", "\n".join(lines), node)


def neighbors(node: str, *lines: str) -> list[Fact]:
    """What ``ip neigh`` tells."""
    return parsed("ip neigh", "\n".join(lines), node)


def kube(name: str, address: str, mac: str = "", cidr: str = "10.244.2.0/24", **annotations: str) -> Fact:
    """A Node object of a flannel cluster."""
    notes = {f"flannel.alpha.coreos.com/{key.replace('_', '-')}": value for key, value in annotations.items()}
    if mac:
        notes |= {"flannel.alpha.coreos.com/backend-data": f'{{"VNI":1,"VtepMAC":"{mac}"}}', "flannel.alpha.coreos.com/public-ip": address}
    return Fact("k8s_node", {"name": name, "addresses": (address,), "pod_cidrs": (cidr,), "annotations": notes})


def computed(kind: str, *groups: list[Fact]) -> list[dict[str, Any]]:
    """Fields of computed facts, with their node."""
    base = FactBase([fact for group in groups for fact in group], EXPANDERS)
    return [{"node": fact.node, **fact.fields} for fact in base.of_kind(kind)]


PAIR = [*device("n1", A, "192.0.2.1"), *device("n2", B, "192.0.2.2")]


def test_two_devices_and_one_forwarding_database() -> None:
    """The only entry that leads to the other node is for a MAC that its device has not."""
    found = computed("vtep_stale", PAIR, fdb("n1", ENTRY.format(mac=OLD, dst="192.0.2.2")))
    assert [(f["node"], f["entry"], f["mac"], f["peer"], f["peer_mac"], f["peer_outer"]) for f in found] == [("n1", "fdb", OLD, "n2", B, "192.0.2.2")]


def test_neighbours_count_first() -> None:
    """The frame bears the neighbour entry's MAC, whatever else the forwarding database holds."""
    inner = parsed(
        "ip addr show flannel.1",
        LINK.format(name="flannel.1", mac=B, local="192.0.2.2", vni=1, master="") + "    inet 10.244.2.0/32 scope global flannel.1\n",
        "n2",
    )
    entries = fdb("n1", ENTRY.format(mac=OLD, dst="192.0.2.2"), ENTRY.format(mac=B, dst="192.0.2.2"))
    wrong = computed("vtep_stale", PAIR, inner, entries, neighbors("n1", f"10.244.2.0 dev flannel.1 lladdr {OLD} PERMANENT"))
    assert [(f["entry"], f["address"], f["dst"]) for f in wrong] == [("neighbor", "10.244.2.0", "192.0.2.2")]
    assert not computed("vtep_stale", PAIR, inner, entries, neighbors("n1", f"10.244.2.0 dev flannel.1 lladdr {B} PERMANENT"))
    assert not computed("vtep_stale", PAIR, inner, entries, neighbors("n1", "10.244.2.0 dev flannel.1 FAILED"))


def test_a_listing_without_its_device() -> None:
    """Lines of ``bridge fdb show dev flannel.1`` whose command line is lost are the only routing device's."""
    lost = [Fact("fdb", {"mac": OLD, "dst": "192.0.2.2", "permanent": True}, "n1")]
    assert [f["device"] for f in computed("vtep_stale", PAIR, lost)] == ["flannel.1"]
    assert not computed("vtep_stale", PAIR, device("n1", C, "192.0.2.1", "vxlan7", 7), lost)


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [ENTRY.format(mac=B, dst="192.0.2.2")],
        [ENTRY.format(mac=OLD, dst="192.0.2.2"), ENTRY.format(mac=B, dst="192.0.2.2")],
        [ENTRY.format(mac=OLD, dst="192.0.2.77")],
        [ENTRY.format(mac=B, dst="203.0.113.9")],
        [ENTRY.format(mac=OLD, dst="192.0.2.2"), ENTRY.format(mac="00:00:00:00:00:00", dst="192.0.2.2")],
    ],
)
def test_entries_that_fit(entries: list[str]) -> None:
    """The right MAC, a leftover beside it, entries for nodes that were not collected, an address translated on the way, floods."""
    assert not computed("vtep_stale", PAIR, fdb("n1", *entries))


def test_devices_that_do_not_route() -> None:
    """Ports of bridges, other VNIs, and devices of programs that choose the VNI per packet are compared with nobody."""
    entry = "02:42:0a:00:00:09 dev vxlan7 dst 192.0.2.2 self"
    ports = [*device("n1", A, "192.0.2.1", "vxlan7", 7, "br7"), *device("n2", B, "192.0.2.2", "vxlan7", 7, "br7")]
    assert not computed("vtep_stale", ports, fdb("n1", entry))
    other = [*device("n1", A, "192.0.2.1", "vxlan7", 7), *device("n2", B, "192.0.2.2")]
    assert not computed("vtep_stale", other, fdb("n1", entry))
    head = "9: cilium_vxlan: <BROADCAST,UP> mtu 1500 qdisc noqueue state UNKNOWN"
    text = f"{head}\n    link/ether {A} brd ff:ff:ff:ff:ff:ff promiscuity 0\n    vxlan external\n"
    external = [*parsed("ip -d link show cilium_vxlan", text, "n1"), *parsed("ip -d link show cilium_vxlan", text, "n2")]
    assert not computed("vtep_stale", external, fdb("n1", f"{OLD} dev cilium_vxlan dst 192.0.2.2 self"))
    assert not computed("vtep_twin", external)


def test_an_entry_that_leads_to_another_node() -> None:
    """The MAC is right, but the address is a third node's."""
    world = World()
    for number, mac in ((1, A), (2, B), (3, C)):
        kind = f"vxlan id 1 local 192.0.2.{number} dev eth0 dstport 8472 nolearning"
        world.host(f"n{number}", f"192.0.2.{number}/24").device("flannel.1", f"10.244.{number}.0/32", kind=kind, mac=mac)
    world.stack("n1").shows("bridge fdb show", f"{ENTRY.format(mac=B, dst='192.0.2.3')}\n{ENTRY.format(mac=C, dst='192.0.2.3')}")
    (found,) = computed("vtep_stale", list(world.facts().facts))
    assert (found["peer"], found["mac"], found["dst"], found["peer_outer"]) == ("n2", B, "192.0.2.3", "192.0.2.2")


def test_annotations() -> None:
    """What a Node announces stands for a machine that was not collected, and is compared with the device of one that was."""
    one = device("n1", A, "192.0.2.1")
    held = neighbors("n1", f"10.244.2.0 dev flannel.1 lladdr {OLD} PERMANENT")
    (found,) = computed("vtep_stale", one, held, [kube("worker-2", "192.0.2.2", B)])
    assert (found["peer"], found["peer_mac"], found["program"]) == ("worker-2", B, "flannel")
    plain = parsed(
        "ip link show flannel.1", f"5: flannel.1: <UP> mtu 1450 qdisc noqueue state UNKNOWN\n    link/ether {B} brd ff:ff:ff:ff:ff:ff\n", "worker-2"
    )
    (wrong,) = computed("vtep_stale", plain, [kube("worker-2", "192.0.2.2", OLD)])
    assert (wrong["node"], wrong["entry"], wrong["mac"], wrong["peer_mac"]) == ("worker-2", "annotation", OLD, B)
    assert not computed("vtep_stale", plain, [kube("worker-2", "192.0.2.2", B)])
    assert not computed("vtep_stale", plain, [kube("worker-2", "192.0.2.2", backend_data="null"), kube("worker-3", "192.0.2.3", backend_data="{")])


def test_calico() -> None:
    """Felix tells the MAC of vxlan.calico by an annotation of its own."""
    notes = {
        "projectcalico.org/VXLANTunnelMACAddr": B,
        "projectcalico.org/IPv4VXLANTunnelAddr": "10.244.2.64",
        "projectcalico.org/IPv4Address": "192.0.2.2/24",
    }
    node = Fact("k8s_node", {"name": "n2", "addresses": ("192.0.2.2",), "annotations": notes})
    held = neighbors("n1", f"10.244.2.64 dev vxlan.calico lladdr {OLD} PERMANENT")
    (found,) = computed("vtep_stale", device("n1", A, "192.0.2.1", "vxlan.calico", 4096), held, [node])
    assert (found["program"], found["peer_outer"], found["address"]) == ("calico", "192.0.2.2", "10.244.2.64")


# --- one MAC twice ----------------------------------------------------------------------------------------------------


def test_clones() -> None:
    """Two nodes' devices, or two Nodes' announcements, with one MAC; on the second of them."""
    (found,) = computed("vtep_twin", device("n1", A, "192.0.2.1"), device("n2", A, "192.0.2.2"))
    assert (found["node"], found["known_by"], found["one"], found["other"], found["mac"]) == ("n2", "device", "n1", "n2", A)
    (told,) = computed("vtep_twin", [kube("n1", "192.0.2.1", A, "10.244.1.0/24"), kube("n2", "192.0.2.2", A)])
    assert (told["known_by"], told["address"]) == ("annotation", "10.244.2.0")


@pytest.mark.parametrize(
    "second",
    [
        device("n2", B, "192.0.2.2"),
        device("n2", A, "192.0.2.2", vni=2),
        device("n2", A, "192.0.2.2", master="br0"),
        device("n1-afterwards", A, "192.0.2.1"),
    ],
)
def test_no_clones(second: list[Fact]) -> None:
    """Other MACs, other VNIs, ports of bridges, and the same machine collected twice."""
    assert not computed("vtep_twin", device("n1", A, "192.0.2.1"), second)


def test_one_nodes_entries_show_it() -> None:
    """Two next hops of one MAC, or one with the machine's own, among the entries that the overlay's program wrote."""
    one = device("n1", A, "192.0.2.1")
    (found,) = computed(
        "vtep_twin", one, neighbors("n1", f"10.244.2.0 dev flannel.1 lladdr {B} PERMANENT", f"10.244.3.0 dev flannel.1 lladdr {B} PERMANENT")
    )
    assert (found["node"], found["known_by"], found["one"], found["other"]) == ("n1", "neighbor", "10.244.2.0", "10.244.3.0")
    (own,) = computed("vtep_twin", one, neighbors("n1", f"10.244.2.0 dev flannel.1 lladdr {A} PERMANENT"))
    assert (own["one"], own["other"]) == ("n1", "10.244.2.0")
    both = neighbors("n1", f"10.244.2.0 dev flannel.1 lladdr {B} PERMANENT", f"fd00:2:: dev flannel.1 lladdr {B} PERMANENT")
    assert not computed("vtep_twin", one, both)
    learned = neighbors("n1", f"10.9.0.2 dev vxlan7 lladdr {B} REACHABLE", f"10.9.0.3 dev vxlan7 lladdr {B} REACHABLE")
    assert not computed("vtep_twin", device("n1", A, "192.0.2.1", "vxlan7", 7), learned)


def test_entries_without_the_device() -> None:
    """Entries show that the device is there, though nobody listed it; right ones are no fault."""
    peer = device("n2", B, "192.0.2.2")
    wrong = computed("vtep_stale", peer, fdb("n1", ENTRY.format(mac=OLD, dst="192.0.2.2")))
    assert [(f["node"], f["device"], f["peer"], f["mac"]) for f in wrong] == [("n1", "flannel.1", "n2", OLD)]
    assert not computed("vtep_stale", peer, fdb("n1", ENTRY.format(mac=B, dst="192.0.2.2")))


def test_an_entry_that_was_printed_twice() -> None:
    """One next hop listed again is no second one of its MAC."""
    line = f"10.244.2.0 dev flannel.1 lladdr {B} PERMANENT"
    assert not computed("vtep_twin", device("n1", A, "192.0.2.1"), neighbors("n1", line), neighbors("n1", line))
