"""Who is a member of the matrix, and by which address."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest

from engine import pipeline
from engine.cluster import Cluster
from engine.computed import EXPANDERS
from engine.facts import HOST, Fact, FactBase
from engine.matrix import Matrix, Options, matrix
from engine.matrix.members import members
from engine.model import build
from engine.report.matrix import render_matrix, render_matrix_json
from engine.request import Request
from tests.engine.matrix.clusters import FLAWS, Small
from tests.engine.matrix.test_answers import compare
from tests.engine.walk.world import World

EXAMPLE = Path(__file__).parents[3] / "examples" / "pod-cannot-reach-db"


def known(world: World, family: int = 4) -> dict[str, str]:
    """Members by name, with their addresses."""
    base = world.facts()
    return {member.name: member.address for member in members(build(base), Cluster(base), family)}


def answered(world: World, options: Options | None = None) -> Matrix:
    """The matrix of a world without the API's objects."""
    base = world.facts()
    return matrix(build(base), Cluster(base), options or Options())


def test_hosts_and_containers_without_objects() -> None:
    """The example, whose hosts are namespaces on a wire of veths: both hosts and the container are members, and the pair that it is about fails."""
    found = pipeline.matrix(Request(bundles=(EXAMPLE,)), Options())
    assert isinstance(found, Matrix)
    assert {member.name for member in found.members} == {"node/node1", "node/db", "node1/web"}
    assert found.left_out == ()
    failing = {(a.name, b.name) for block in found.blocks if block.sees == "timeout" for a in block.sources for b in block.targets}
    assert failing == {("node1/web", "node/db")}


def test_a_card_comes_first() -> None:
    """A card's address, wherever it stands in the listing and wherever the default route leads."""
    world = World()
    host = world.stack("n1").device("br0", "10.1.0.1/24", kind="bridge").device("veth0", "10.2.0.1/24", peer=9).device("eth1", "10.3.0.1/24")
    host.route("default via 10.1.0.254 dev br0")
    assert known(world) == {"node/n1": "10.3.0.1"}


@pytest.mark.parametrize(("default", "address"), [("br0", "10.1.0.1"), ("veth0", "10.2.0.1"), ("", "10.2.0.1")])
def test_what_stands_for_a_card(default: str, address: str) -> None:
    """Without a card: the address of the device that the default route leads by, else that of a veth, before a bridge's and a loopback one."""
    world = World()
    host = world.stack("n1").device("lo", "10.9.9.9/32").device("br0", "10.1.0.1/24", kind="bridge").device("veth0", "10.2.0.1/24", peer=9)
    if default:
        host.route(f"default via {address.rpartition('.')[0]}.254 dev {default}")
    assert known(world) == {"node/n1": address}


def test_an_address_of_every_machine_is_nobodys() -> None:
    """Two hosts of which nothing but docker0 is told cannot be asked for by its address; one such host can. Dummy devices hold no host's own."""
    world = World()
    for name in ("n1", "n2"):
        world.stack(name).device("docker0", "172.17.0.1/16", kind="bridge").device("kube-ipvs0", "10.96.0.1/32", kind="dummy")
    assert known(world) == {}
    assert [(one.node, one.why) for one in answered(world).left_out] == [("n1", "shared"), ("n2", "shared")]
    del world.stacks["n2", "host"]
    assert known(world) == {"node/n1": "172.17.0.1"}


def test_who_is_left_out_and_why() -> None:
    """A stack whose addresses were not collected is named with the command that tells them, one without an address of the family without one."""
    world = World()
    world.host("n1", "10.1.0.1/24")
    world.host("n2", "2001:db8::2/64")
    world.stack("n3").device("eth0", "10.1.0.3/24").unseen("ip addr", "ip -d addr")
    found = answered(world)
    assert {(one.node, one.stack, one.why, one.command) for one in found.left_out} == {
        ("n2", "host", "none", ""),
        ("n3", "host", "uncollected", "ip -j addr"),
    }
    shown = re.sub(r"\s+", " ", render_matrix(found))
    assert "No pair fits" in shown
    assert "Nobody else is in the evidence than node/n1." in shown
    assert "not collected: n3; run there: ip -j addr" in shown
    assert "it has no IPv4 address: n2" in shown
    assert {one["node"] for one in json.loads(render_matrix_json(found, "en"))["left_out"]} == {"n2", "n3"}


def test_an_empty_namespace_is_nobody() -> None:
    """A namespace with nothing but lo is neither a member nor missed."""
    world = World()
    world.host("n1", "10.1.0.1/24")
    world.stack("n1", "empty").device("lo", "127.0.0.1/8 scope host")
    assert answered(world).left_out == ()


@pytest.mark.parametrize("flaw", range(0, FLAWS, 5))
def test_hosts_on_veths_as_walked(flaw: int) -> None:
    """Hosts whose cards are veths, and no object: the matrix says of every pair what its own walk says, whatever is wrong."""
    cluster = Small(Random(3000 + flaw), calico=flaw % 2 == 0, nodes=3, pods=2)  # noqa: S311 - nothing is secret here
    for n in cluster.nodes:
        cluster.host(n).devices["eth0"].kind = "veth"
    cluster.break_something(flaw)
    facts: list[Fact] = list(cluster.printed().facts().facts)
    base = FactBase(facts, EXPANDERS)
    hosts = {f"node/{node}" for node, stack in cluster.world.stacks if stack == HOST}
    assert {m.name for m in members(build(base), Cluster(base), 4) if m.kind == "node"} == hosts
    compare(facts, Options(80, "tcp") if flaw % 3 else Options())
