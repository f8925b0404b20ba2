"""The matrix against the walk of every pair."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from engine.cluster import Cluster
from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase
from engine.matrix import Options, matrix
from engine.matrix.classes import Group, Member
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.matrix.clusters import DOOR, EXTERNAL, FLAWS, SERVICE, Small
from tests.engine.walk.world import World

if TYPE_CHECKING:
    from engine.matrix import Matrix
    from engine.matrix.members import Frontend
    from engine.model import Network

Pairs = dict[tuple[str, str], str]

WORLDS = 16
"""Random clusters of one test run."""


def small(seed: int, flaw: int | None = None) -> list[Fact]:
    """A random cluster with up to three flaws, or with a certain one, and the API's view of it."""
    random = Random(seed)  # noqa: S311 - nothing is secret here
    cluster = Small(random, calico=random.random() < 0.4, nodes=random.choice((2, 3)) if flaw is None else 3, pods=random.choice((2, 3)))
    objects: list[Fact] = []
    if random.random() < 0.5:
        backends = random.sample([(n, p) for n in cluster.nodes for p in cluster.pods], random.choice((1, 2, 3)))
        cluster.serve(backends)
        ports = ({"name": "", "port": 80, "protocol": "TCP", "target_port": 8080},)
        objects.append(Fact("service", {"namespace": "shop", "name": "db", "type": "ClusterIP", "cluster_ips": (SERVICE,), "ports": ports}))
    for n in cluster.nodes:
        for p in cluster.pods:
            fields = {"namespace": "shop", "name": f"p{n}-{p}", "ips": (cluster.address(n, p),), "node_name": f"n{n}", "phase": "Running"}
            objects.append(Fact("pod", {**fields, "host_network": False}))
    for _ in range(random.choice((0, 1, 1, 2, 3)) if flaw is None else 1):
        cluster.break_something(flaw)
    return [*cluster.printed().facts().facts, *objects]


def asked(seed: int) -> Options:
    """What is asked about the cluster of a seed."""
    return Options(80, "tcp") if seed % 3 == 0 else Options()


def told(found: Matrix) -> Pairs:
    """Every pair of the matrix."""
    pairs: Pairs = {}
    for cell in found.cells:
        ends: tuple[Member | Frontend, ...] = cell.target.members if isinstance(cell.target, Group) else (cell.target,)
        here = [(a.name, b.name) for a in cell.source.members for b in ends if a is not b]
        assert len(here) == cell.pairs
        assert not set(here) & pairs.keys(), "a pair is in two cells"
        pairs |= dict.fromkeys(here, cell.answer.sees)
    return pairs


def walked(network: Network, found: Matrix, options: Options) -> Pairs:
    """Every pair, walked."""
    pairs: Pairs = {}
    for one in found.members:
        if one.key is None:
            continue
        for other in found.members:
            if other is not one:
                flow = Flow(*one.key, "", other.address, options.port, options.protocol, one.name, other.name)
                pairs[one.name, other.name] = walk(network, flow).client_sees
        for front in found.frontends:
            flow = Flow(*one.key, "", front.address, front.port, front.protocol, one.name, front.name)
            pairs[one.name, front.name] = walk(network, flow).client_sees
    for front in found.frontends:
        if front.key is not None and found.outside is not None:
            flow = Flow("", "", found.outside.address, front.address, front.port, front.protocol, "outside", front.name)
            pairs["outside", front.name] = walk(network, flow).client_sees
    return pairs


def compare(facts: list[Fact], options: Options) -> None:
    """The matrix and the walks of all pairs agree."""
    base = FactBase(facts, EXPANDERS)
    network = build(base)
    found = matrix(network, Cluster(base), options)
    assert told(found) == walked(network, found, options)


@pytest.mark.parametrize("seed", range(WORLDS))
def test_matrix_is_the_walk_of_every_pair(seed: int) -> None:
    """Whatever is wrong in a cluster: the matrix says of every pair what its own walk says."""
    compare(small(seed), asked(seed))


@pytest.mark.parametrize("flaw", range(FLAWS))
def test_no_flaw_goes_unseen(flaw: int) -> None:
    """One flaw among nodes that are alike but for it: the matrix says of every pair what its own walk says."""
    compare(small(1000 + flaw, flaw), asked(flaw))


STRETCHED = 3


def stretched(broken: int) -> list[Fact]:
    """Pods of one subnet on bridges of three nodes that VXLAN ports join; n1 drops what one tunnel sends it, n2 looks for a pod at the wrong one."""
    world = World()
    for number in range(1, STRETCHED + 1):
        node = world.host(f"n{number}", f"192.0.2.{number}/24").device("br0", kind="bridge")
        node.device("vx1", kind=f"vxlan id 7 local 192.0.2.{number} dev eth0 dstport 4789", master="br0")
        flood = [f"00:00:00:00:00:00 dev vx1 dst 192.0.2.{other} self permanent" for other in range(1, STRETCHED + 1) if other != number]
        for pod in (1, 2):
            made = world.pod(f"n{number}", f"p{pod}", f"10.1.0.{10 * number + pod}/24", bridge="br0").listens("tcp 0.0.0.0:80")
            made.devices["eth0"].mac = f"02:00:0a:01:00:{10 * number + pod:02x}"
        strayed = ["02:00:0a:01:00:1f dev vx1 dst 192.0.2.1 self permanent"] if number == 2 else []
        node.shows("bridge fdb show", "\n".join([*flood, *strayed]))
    world.stack("n1").filter(f"-A INPUT -s 192.0.2.{broken}/32 -p udp -m udp --dport 4789 -j DROP")
    return list(world.facts().facts)


@pytest.mark.parametrize("broken", range(2, STRETCHED + 1))
def test_bridges_that_a_vxlan_joins(broken: int) -> None:
    """Of a segment over several machines, the matrix says of every pair what its own walk says; those behind the tunnel that is shut are apart."""
    facts = stretched(broken)
    compare(facts, Options(80, "tcp"))
    network = build(FactBase(facts, EXPANDERS))
    assert walk(network, Flow(f"n{broken}", "p1", "", "10.1.0.11", 80, "tcp")).client_sees != "connected"
    assert walk(network, Flow(f"n{5 - broken}", "p1", "", "10.1.0.11", 80, "tcp")).client_sees == "connected"
    assert walk(network, Flow("n2", "p1", "", "10.1.0.31", 80, "tcp")).client_sees != "connected"


def opened(seed: int, flaw: int) -> list[Fact]:
    """A cluster with a Service that has a port on every node and an external address, and a flaw."""
    random = Random(seed)  # noqa: S311 - nothing is secret here
    cluster = Small(random, calico=seed % 3 == 0, nodes=3, pods=2)
    cluster.serve(random.sample([(n, p) for n in cluster.nodes for p in cluster.pods], 2), doors=True)
    for n in cluster.nodes:
        cluster.host(n).route("default via 192.168.0.254 dev eth0")
    cluster.break_something(flaw)
    ports = ({"name": "", "port": 80, "protocol": "TCP", "target_port": 8080, "node_port": DOOR},)
    fields = {"namespace": "shop", "name": "db", "type": "NodePort", "cluster_ips": (SERVICE,), "external_ips": (EXTERNAL,), "ports": ports}
    return [*cluster.printed().facts().facts, Fact("service", fields)]


@pytest.mark.parametrize("flaw", range(0, FLAWS, 4))
def test_every_way_to_a_service(flaw: int) -> None:
    """Ports of nodes and external addresses, from pods, nodes and outside: the matrix says of every pair what its own walk says."""
    compare(opened(2000 + flaw, flaw), Options(nodes=flaw % 4 != 0))


def test_ways_to_services() -> None:
    """All that is asked of a Service with a port on every node; too many ports of nodes are said not to be asked, unless somebody names them."""
    base = FactBase(opened(1, 0), EXPANDERS)
    network, cluster = build(base), Cluster(base)
    found = matrix(network, cluster, Options())
    names = {"svc/shop/db:80", f"svc/shop/db:80@{EXTERNAL}", *(f"svc/shop/db:80@node/n{n}:{DOOR}" for n in (1, 2, 3))}
    assert {front.name for front in found.frontends} == names
    assert found.outside is not None
    assert {target for source, target in told(found) if source == "outside"} == {name for name in names if "node/" in name}
    assert {f.name for f in matrix(network, cluster, Options(doors=False)).frontends} == {"svc/shop/db:80"}
    inside = matrix(network, cluster, Options(sources=("n1/p0",)))
    assert "outside" not in {source for source, _ in told(inside)}


def test_too_many_ports_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of pairs they are left out and counted; those that somebody names are asked all the same."""
    monkeypatch.setattr("engine.matrix.answers.MAX_DOORS", 11)
    base = FactBase(opened(1, 0), EXPANDERS)
    network, cluster = build(base), Cluster(base)
    found = matrix(network, cluster, Options())
    assert ({front.name for front in found.frontends}, found.unasked) == ({"svc/shop/db:80"}, 4)
    named = matrix(network, cluster, Options(targets=("svc/shop/db:80@node/n1:*",)))
    assert ({target for _, target in told(named)}, named.unasked) == ({f"svc/shop/db:80@node/n1:{DOOR}"}, 0)


def healthy(nodes: int) -> tuple[FactBase, Small]:
    """A cluster in which everything connects."""
    cluster = Small(Random(1), calico=False, nodes=nodes, pods=2)  # noqa: S311 - nothing is secret here
    cluster.serve([(1, 0), (2, 1)])
    return cluster.printed().facts(), cluster


def test_walks_do_not_grow_with_the_cluster() -> None:
    """Twice the nodes of one kind are four times the pairs, and not one walk more."""
    few, many = (matrix(build(base), Cluster(base), Options(nodes=False)) for base, _ in (healthy(3), healthy(6)))
    assert few.pairs(lambda answer: answer.connects) == 6 * 5
    assert many.pairs(lambda answer: answer.connects) == 12 * 11
    assert few.walks == many.walks


def test_one_pair_of_nodes() -> None:
    """A forwarding entry that one node lacks: its pods and those of the other node do not reach each other, and the block says where it ends."""
    _, cluster = healthy(4)
    cluster.fdb[1] = [line for line in cluster.fdb[1] if "192.168.0.3 " not in line]
    base = cluster.printed().facts()
    found = matrix(build(base), Cluster(base), Options(nodes=False))
    sides = {(frozenset(m.node for m in block.sources), frozenset(m.node for m in block.targets)) for block in found.blocks}
    assert sides == {(frozenset({"n1"}), frozenset({"n3"})), (frozenset({"n3"}), frozenset({"n1"}))}
    assert [block.pairs for block in found.blocks] == [4, 4]
    assert {block.reason.node for block in found.blocks if block.reason is not None} == {"n1"}


def test_either_side_may_be_restricted() -> None:
    """``sources`` and ``targets`` leave those pairs whose ends they name."""
    base, _ = healthy(3)
    found = matrix(build(base), Cluster(base), Options(sources=("n1/p0",), targets=("node/n2",)))
    assert set(told(found)) == {("n1/p0", name) for name in ("node/n2", "n2/p0", "n2/p1")}


def test_a_service_with_an_unreachable_endpoint_fails_partly() -> None:
    """Nothing is missing where the dice decide between an endpoint that answers and one that does not: some connections fail."""
    _, cluster = healthy(3)
    cluster.filter[2].append(f"-A FORWARD -d {cluster.address(2, 1)}/32 -j DROP")
    ports = ({"name": "", "port": 80, "protocol": "TCP", "target_port": 8080},)
    service = Fact("service", {"namespace": "shop", "name": "db", "type": "ClusterIP", "cluster_ips": (SERVICE,), "ports": ports})
    base = cluster.printed().facts().plus([service])
    found = matrix(build(base), Cluster(base), Options(sources=("n1/p0",), targets=("svc/shop/db",)))
    assert [(block.sees, block.ends) for block in found.blocks] == [("partly", ("timeout",))]
