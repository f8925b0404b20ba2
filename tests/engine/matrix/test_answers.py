"""The matrix against the walk of every pair."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from engine.cluster import Cluster
from engine.facts import Fact, FactBase
from engine.matrix import Options, matrix
from engine.matrix.classes import Group, Member
from engine.model import build
from engine.views import EXPANDERS
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.matrix.clusters import SERVICE, Small

if TYPE_CHECKING:
    from engine.matrix import Matrix
    from engine.matrix.members import Frontend
    from engine.model import Network

Pairs = dict[tuple[str, str], str]

WORLDS = 24
"""Random clusters of one test run."""


def small(seed: int) -> tuple[Small, list[Fact]]:
    """A random cluster with up to three flaws, and the API's view of it."""
    random = Random(seed)  # noqa: S311 - nothing is secret here
    cluster = Small(random, calico=random.random() < 0.4, nodes=random.choice((2, 3)), pods=random.choice((2, 3)))
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
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        cluster.break_something()
    return cluster, [*cluster.printed().facts().facts, *objects]


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
    return pairs


@pytest.mark.parametrize("seed", range(WORLDS))
def test_matrix_is_the_walk_of_every_pair(seed: int) -> None:
    """Whatever is wrong in a cluster: the matrix says of every pair what its own walk says."""
    _, facts = small(seed)
    base = FactBase(facts, EXPANDERS)
    network = build(base)
    options = asked(seed)
    found = matrix(network, Cluster(base), options)
    assert told(found) == walked(network, found, options)
