"""Joining pods' folders to nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collectors.evidence import read
from collectors.place import Place
from collectors.placement import Placed, place
from engine.facts import HOST, Fact, Source

if TYPE_CHECKING:
    from pathlib import Path


def link(node: str, name: str, index: int, peer: int | None = None, **fields: Any) -> Fact:
    """A device of a node's own stack."""
    mac = f"02:00:00:{sum(node.encode()) % 251:02x}:00:{index:02x}"
    return Fact("link", {"name": name, "index": index, "mac": mac, **({"peer_index": peer} if peer else {}), **fields}, node)


def address(node: str, device: str, text: str, length: int = 24) -> Fact:
    """An address."""
    return Fact("address", {"device": device, "address": text, "prefixlen": length, "family": 6 if ":" in text else 4, "scope": "global"}, node)


def host(node: str, *pods: tuple[int, int], subnet: str = "10.244.1.1") -> list[Fact]:
    """A node with a network card, a bridge, and a veth for each pod (own index, the pod's)."""
    made = [link(node, "lo", 1, type="loopback"), link(node, "eth0", 2, type="ether"), link(node, "cni0", 3, type="bridge")]
    return [*made, address(node, "cni0", subnet), *(link(node, f"veth{index}", index, peer, master="cni0") for index, peer in pods)]


def pod(name: str, peer: int, ip: str = "10.244.1.5", index: int = 2) -> list[Fact]:
    """A pod whose eth0 names its other end's index."""
    return [link(name, "lo", 1, type="loopback"), link(name, "eth0", index, peer), address(name, "eth0", ip)]


def run(facts: list[Fact], **above: str) -> Placed:
    """Place facts whose nodes are all mere folders; ``above``: the folder that another lies in."""
    loose = {node: above.get(node, "") for node in dict.fromkeys(fact.node for fact in facts)}
    return place(facts, loose, set(), {})


def stacks(placed: Placed) -> set[tuple[str, str]]:
    """All stacks."""
    return {(f.node, f.stack) for f in placed.facts if f.kind == "netns"}


def test_both_ends_must_name_each_other() -> None:
    """A pod joins the node whose device it names and which names it; the facts move, the ends know each other, and a note says why."""
    placed = run([*host("n1", (7, 2)), *pod("web", 7)])
    assert stacks(placed) == {("n1", HOST), ("n1", "web")}
    assert placed.notes == ["web: joined to n1 by veth 7 (veth7)"]
    assert placed.warnings == []
    ends = {(f.stack, f.get("name")): f.get("peer_stack") for f in placed.facts if f.kind == "link" and f.get("peer_stack")}
    assert ends == {(HOST, "veth7"): "web", ("web", "eth0"): HOST}
    assert stacks(run([*host("n1", (7, 9)), *pod("web", 7)])) == {("n1", HOST), ("web", HOST)}


def test_equal_indices_are_told_apart_by_address() -> None:
    """Both nodes have a device 7 for an index 2: the bridge's subnet decides."""
    placed = run([*host("n1", (7, 2)), *host("n2", (7, 2), subnet="10.244.2.1"), *pod("a", 7, "10.244.2.9"), *pod("b", 7, "10.244.1.9")])
    assert stacks(placed) == {("n1", HOST), ("n2", HOST), ("n2", "a"), ("n1", "b")}
    assert placed.warnings == []


def test_equal_indices_are_told_apart_by_mac() -> None:
    """A neighbour entry with the pod's MAC decides where the addresses do not."""
    web = pod("web", 7, "10.9.9.9")
    seen = Fact("neighbor", {"address": "10.9.9.9", "device": "cni0", "mac": web[1].get("mac")}, "n2")
    assert ("n2", "web") in stacks(run([*host("n1", (7, 2)), *host("n2", (7, 2)), seen, *web]))


def test_a_host_route_decides_too() -> None:
    """As calico does it: a route to the pod's address through its device."""
    route = Fact("route", {"dst": "10.9.9.9/32", "device": "veth7", "family": 4}, "n2")
    assert ("n2", "web") in stacks(run([*host("n1", (7, 2)), *host("n2", (7, 2)), route, *pod("web", 7, "10.9.9.9")]))


def test_what_fits_twice_is_a_warning() -> None:
    """Where nothing decides, the folder stays a node of its own, and the warning says how to state it."""
    placed = run([*host("n1", (7, 2)), *host("n2", (7, 2)), *pod("web", 7)])
    assert ("web", HOST) in stacks(placed)
    assert len(placed.warnings) == 1
    assert "n1 and n2" in placed.warnings[0]
    assert "--stack web=" in placed.warnings[0]


def test_a_device_has_one_other_end() -> None:
    """A node's device that is taken by one pod does not fit another: what is left over finds its node."""
    facts = [*host("n1", (7, 2)), *host("n2", (7, 2), subnet="10.244.2.1"), *pod("a", 7, "10.244.1.9"), *pod("b", 7)[:2]]
    assert stacks(run(facts)) == {("n1", HOST), ("n2", HOST), ("n1", "a"), ("n2", "b")}


def test_other_subnets_part_what_small_numbers_join() -> None:
    """A container of another machine (a database in LXC) whose veth has fitting indices is no namespace of this node.

    The node's bridge has another subnet, and a note says so.
    """
    db = pod("db", 7, "172.31.9.50")
    placed = run([*host("n1", (7, 2)), *db])
    assert ("db", HOST) in stacks(placed)
    assert "--stack db=n1/NAME" in placed.notes[0]
    route = Fact("route", {"dst": "0.0.0.0/0", "gateway": "10.244.1.1", "device": "eth0", "family": 4}, "db")
    assert ("n1", "db") in stacks(run([*host("n1", (7, 2)), *db, route])), "its gateway is the node: a pod with a wrong address"
    assert ("n1", "db") in stacks(run([*host("n1", (7, 2)), *db], db="n1")), "it lies in the node's folder"


def test_folders_in_a_nodes_folder_choose_before_others() -> None:
    """Two folders fit one device: the one that lies in that node's folder gets it, whichever is read first."""
    facts = [*host("n1", (7, 2)), *pod("a", 7)[:2], *pod("web", 7)]
    assert stacks(run(facts, web="n1")) == {("n1", HOST), ("a", HOST), ("n1", "web")}


def test_a_tunnel_over_all_pods_is_no_wire_of_theirs() -> None:
    """flannel0 holds the whole network 10.1.0.0/16: a pod that the bridge's subnet holds as well is still the node's."""
    flannel = [link("n1", "flannel0", 9, type="tun", flags=("POINTOPOINT", "NOARP", "UP")), address("n1", "flannel0", "10.244.1.0", 16)]
    assert ("n1", "web") in stacks(run([*host("n1", (7, 2)), *flannel, *pod("web", 7)]))


def test_nodes_joined_by_a_veth_stay_nodes() -> None:
    """Two nodes of a laboratory are wired by veths as well: what has bridges or cards is no pod."""
    a = [*host("n1"), link("n1", "up", 9, 9)]
    b = [*host("n2"), link("n2", "up", 9, 9)]
    assert stacks(run([*a, *b])) == {("n1", HOST), ("n2", HOST)}
    lone = [link("x", "eth0", 2, 2), link("y", "eth0", 2, 2)]
    assert stacks(run(lone)) == {("x", HOST), ("y", HOST)}


def test_a_copy_of_a_node_attracts_no_pods() -> None:
    """A folder that lists the very devices of another is a copy: a warning says so, and the pods join the first."""
    facts = host("n1", (7, 2))
    copy = [fact.at("n1-old", HOST) for fact in facts]
    placed = run([*facts, *copy, *pod("web", 7)])
    assert stacks(placed) == {("n1", HOST), ("n1-old", HOST), ("n1", "web")}
    assert any("copy" in warning for warning in placed.warnings)


def test_a_folder_in_a_nodes_folder_is_its_namespace() -> None:
    """A nested folder without a veth to prove it (or without links at all) belongs to the node that it lies in, unless it looks like a node."""
    bare = [link("web", "lo", 1, type="loopback")]
    names = [Fact("dns_config", {"nameservers": ("10.96.0.10",)}, "db")]
    placed = run([*host("n1", (7, 2)), *bare, *names, *host("n2")], web="n1", db="n1", n2="n1")
    assert stacks(placed) == {("n1", HOST), ("n1", "web"), ("n1", "db"), ("n2", HOST)}
    assert "web: joined to n1, whose folder it lies in" in placed.notes


def test_a_nested_folder_that_does_not_fit_stays_apart() -> None:
    """Both list their veths, and they do not meet: lying in a node's folder proves nothing against that."""
    assert stacks(run([*host("n1", (7, 4)), *pod("web", 9)], web="n1")) == {("n1", HOST), ("web", HOST)}


def test_facts_of_bundles_are_not_moved() -> None:
    """Only folders are up for placement; a node of a bundle stays, but a folder may join it."""
    facts = [*host("n1", (7, 2)), *pod("web", 7)]
    assert stacks(place(facts, {"web": ""}, set(), {})) == {("n1", HOST), ("n1", "web")}
    assert stacks(place(facts, {}, set(), {})) == {("n1", HOST), ("web", HOST)}


def test_a_stack_name_that_is_taken_gets_a_number() -> None:
    """Two pods of one name on one node stay two stacks."""
    named = Fact("route", {"dst": "10.0.0.0/8"}, "n1", "web")
    placed = run([*host("n1", (7, 2)), named, *pod("web", 7)])
    assert stacks(placed) == {("n1", HOST), ("n1", "web"), ("n1", "web-2")}


def test_a_made_up_name_gives_way_to_the_host_name() -> None:
    """The evidence's host name names a node whose name was made up, unless another has it."""
    told = Fact("host", {"hostname": "worker-1"}, "folder")
    assert {f.node for f in place([told], {}, {"folder"}, {}).facts} == {"worker-1"}
    assert {f.node for f in place([told], {}, set(), {}).facts} == {"folder"}
    other = Fact("link", {"name": "lo"}, "worker-1")
    assert {f.node for f in place([told, other], {}, {"folder"}, {}).facts} == {"folder", "worker-1"}


def test_link_netnsids_name_stacks() -> None:
    """Where a collector resolved the namespace ids, the link gets its other end's stack."""
    facts = [link("n1", "veth7", 7, 2, netnsid=4), link("n1", "veth8", 8, 2, netnsid=5)]
    placed = place(facts, {}, set(), {Place("n1"): {4: "web"}})
    assert [f.get("peer_stack") for f in placed.facts if f.kind == "link"] == ["web", None]


def test_a_folder_named_as_its_only_namespace_is_that_namespace() -> None:
    """Outputs of ``ip netns exec web`` alone in a folder ``web`` are placed like any pod's folder."""
    inside = [fact.at("web", "web") for fact in pod("web", 7)]
    assert stacks(run([*host("n1", (7, 2)), *inside])) == {("n1", HOST), ("n1", "web")}


def test_silence_makes_no_stack() -> None:
    """A node of which nothing was read but a failure has no stack."""
    assert stacks(run([Fact("unparsed", {"count": 1}, "n1")])) == set()


def listing(file: str, **devices: str) -> list[Fact]:
    """What one output lists: device → MAC or address."""
    source = Source(file, "")
    made = []
    for name, text in devices.items():
        kind, fields = ("address", {"device": name, "address": text}) if "." in text else ("link", {"name": name, "mac": text})
        made.append(Fact(kind, fields, "n1", HOST, source))
    return made


def test_listings_of_two_machines_in_one_folder_are_told() -> None:
    """Two outputs whose network cards differ in MAC or address may be two machines': a warning names both files."""
    for one, other in (("52:54:00:00:00:01", "52:54:00:00:00:02"), ("10.0.0.1", "10.0.0.2")):
        (warning,) = run([*listing("ip_addr", lo="127.0.0.1", eth0=one), *listing("ip_addr.1", lo="127.0.0.1", eth0=other)]).warnings
        assert "ip_addr and ip_addr.1 show a different eth0" in warning
    (warning,) = run([*listing("paste", eth0="10.0.0.1"), *listing("paste", eth0="10.0.0.2")]).warnings
    assert "paste shows twice a different eth0" in warning


def test_listings_of_one_machine_are_not_doubted() -> None:
    """Equal MACs, a MAC beside an address, IPv4 beside IPv6, and devices that software makes anew mean one machine."""
    same = "52:54:00:00:00:01"
    assert run([*listing("a", eth0=same), *listing("b", eth0=same)]).warnings == []
    assert run([*listing("a", eth0=same), *listing("b", eth0="10.0.0.1")]).warnings == []
    six = Fact("address", {"device": "eth0", "address": "fd00::1"}, "n1", HOST, Source("c", ""))
    assert run([*listing("a", eth0="10.0.0.1"), six]).warnings == []
    assert run([*listing("a", docker0="172.17.0.1"), *listing("b", docker0="172.18.0.1")]).warnings == []
    assert run([*listing("a", eth0="10.0.0.1", eth1=same), *listing("b", eth0="10.0.0.2", eth1=same)]).warnings == []


def test_the_only_node_of_the_cluster() -> None:
    """A machine that nobody named is the one node that the API's objects speak of; of two nodes it may be either."""
    pods = [Fact("pod", {"namespace": "shop", "name": f"web-{n}", "node_name": "n7"}, "") for n in range(2)]
    for other, named in (("n7", "n7"), ("n8", "pasted")):
        facts = [link("pasted", "eth0", 2), *pods, Fact("k8s_node", {"name": other}, "")]
        assert {fact.node for fact in place(facts, {}, {"pasted"}, {}).facts if fact.kind == "link"} == {named}


def test_a_folder_may_be_called_otherwise_than_its_namespace(tmp_path: Path) -> None:
    """``link-netns`` names the namespace as iproute2 knows it; where no folder is called so, the indices of the pair tell the other end."""
    outer = "8: veth1@if7: <BROADCAST,UP,LOWER_UP> mtu 1450 state UP\n    link/ether 02:00:00:00:00:08 brd ff:ff:ff:ff:ff:ff link-netns cni-1f2e\n"
    inner = "7: eth0@if8: <BROADCAST,UP,LOWER_UP> mtu 1450 state UP\n    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff link-netnsid 0\n"
    for folder, text in (("n1", outer), ("n1/netns/web", inner)):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "ip_addr").write_text(text)
    (link,) = (f for f in read([tmp_path]).facts if f.kind == "link" and f.get("name") == "veth1")
    assert "peer_stack" not in link.fields


def test_a_folder_of_the_name_that_its_parent_got_is_the_machine(tmp_path: Path) -> None:
    """A terminal beside the machine's own folder names both alike, by its prompt or by the only node of the cluster: there is one machine."""
    pods = "NAME   READY   STATUS    RESTARTS   AGE   IP          NODE\nweb    1/1     Running   0          2h    10.1.41.8   n1\n"
    resolver = "$ cat /etc/resolv.conf\nnameserver 10.0.0.2\n"
    for terminal in (f"[root@n1 ~]# kubectl get pods -o wide\n{pods}", f"$ kubectl get pods -o wide\n{pods}{resolver}"):
        (tmp_path / "terminal.txt").write_text(terminal)
        (tmp_path / "n1").mkdir(exist_ok=True)
        (tmp_path / "n1" / "resolv.conf").write_text("nameserver 10.0.0.1\n")
        assert {(f.node, f.stack) for f in read([tmp_path]).facts if f.kind == "dns_config"} == {("n1", HOST)}


def test_routes_of_a_node_make_no_namespace() -> None:
    """Routes by devices that only nodes have tell a machine's folder from a pod's, without a list of devices."""
    routes = [Fact("route", {"dst": "10.1.1.8/32", "device": "cali12345", "family": 4}, "web")]
    assert stacks(run([*host("n1"), *routes], web="n1")) == {("n1", HOST), ("web", HOST)}
