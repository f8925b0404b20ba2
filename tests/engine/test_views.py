"""Computed facts."""

from __future__ import annotations

from typing import Any

import pytest

from engine.facts import ChainText, Fact, FactBase, RuleLine, Source
from engine.schema import KINDS
from engine.views import EXPANDERS, target_of

SOURCE = Source("iptables-save", "*filter\n:FORWARD DROP [7:9]\n:X - [0:0]\n[5:6] -A FORWARD -j X\n-A FORWARD\nCOMMIT\n")
CHAINS = (ChainText("FORWARD", "DROP", 2, (RuleLine(4, "-j X", 5), RuleLine(5, "")), 7), ChainText("X", "", 3))
TABLE = Fact("netfilter_table", {"backend": "nft", "family": 4, "table": "filter", "chains": CHAINS}, "n1", "web", SOURCE, 1)


def test_chains() -> None:
    """Each chain is a fact at its line; a user chain has no policy, and counters that were not printed are absent."""
    base, user = FactBase([TABLE], EXPANDERS).of_kind("netfilter_chain")
    common = {"backend": "nft", "family": 4, "table": "filter"}
    assert base.fields == {**common, "name": "FORWARD", "policy": "DROP", "rule_count": 2, "packets": 7}
    assert user.fields == {**common, "name": "X", "rule_count": 0}
    assert (base.node, base.stack, base.line, base.text) == ("n1", "web", 2, ":FORWARD DROP [7:9]")


def test_rules() -> None:
    """Each rule is a fact with its position from 1, its words and its target, at its line."""
    first, second = FactBase([TABLE], EXPANDERS).of_kind("netfilter_rule")
    common = {"backend": "nft", "family": 4, "table": "filter", "chain": "FORWARD"}
    assert first.fields == {**common, "number": 1, "spec": "-j X", "target": "X", "packets": 5}
    assert second.fields == {**common, "number": 2, "spec": "", "target": ""}
    assert first.text == "[5:6] -A FORWARD -j X"


def test_unknown_backend_joins() -> None:
    """A backend that the output (``iptables -S``) does not tell is "" in what is computed: chains of one table can be joined by it."""
    base = FactBase([TABLE.having(backend=None)], EXPANDERS)
    assert {f.fields["backend"] for kind in EXPANDERS for f in base.of_kind(kind)} == {""}


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ("-s 10.0.0.1/32 -j ACCEPT", "ACCEPT"),
        ("-g CHAIN", "CHAIN"),
        ('-m comment --comment "x -j DROP \\" -j DROP" -j ACCEPT', "ACCEPT"),
        ("", ""),
        ('-m comment --comment "-j DROP"', ""),
        ('-j LOG --log-prefix "a -j B"', "LOG"),
        ("-m comment --comment a-j -j X", "X"),
        ('-m comment --comment "torn -j X', ""),
    ],
)
def test_target(spec: str, target: str) -> None:
    """The target is the word after ``-j`` or ``-g``, and nothing inside a quoted comment counts."""
    assert target_of(spec) == target


def test_expanders_are_declared() -> None:
    """Every computed kind is in the schema, and its facts have no other fields."""
    base = FactBase([TABLE], EXPANDERS)
    for kind in EXPANDERS:
        assert KINDS[kind].origin == "engine"
        for fact in base.of_kind(kind):
            assert set(fact.fields) <= set(KINDS[kind].fields)


def pools(*routes: dict[str, object], subnets: tuple[str, ...] = ("172.17.0.0/16",)) -> list[Fact]:
    """Docker's default subnets on a node with one network and these routes."""
    network = Fact("container_network", {"runtime": "docker", "name": "bridge", "bridge": "docker0", "subnets": subnets}, "n1")
    return list(FactBase([network, *(Fact("route", {"family": 4, **route}, "n1") for route in routes)], EXPANDERS).of_kind("docker_pool"))


def test_docker_pools() -> None:
    """A subnet is taken by a network or a route, by a gateway in a way of its own; docker's own bridge, dead ways and default routes take nothing."""
    found = pools(
        {"dst": "172.17.0.0/16", "device": "docker0"},
        {"dst": "172.18.0.0/15", "device": "tun0"},
        {"dst": "172.20.0.0/16", "device": "eth0", "gateway": "10.0.0.1"},
        {"dst": "172.21.0.0/16", "device": "", "type": "unreachable"},
        {"dst": "172.22.0.0/16", "device": "tun1", "gateway": "10.0.0.1", "flags": ("linkdown",)},
        {"dst": "0.0.0.0/0", "device": "ppp0"},
        {"dst": "nonsense", "device": "eth0"},
        subnets=("172.17.0.0/16", "nonsense"),
    )
    taken = {f.get("cidr"): (f.get("taken"), f.get("name")) for f in found if f.get("taken")}
    assert len(found) == 31
    assert taken == {
        "172.17.0.0/16": ("network", "bridge"),
        "172.18.0.0/16": ("route", "tun0"),
        "172.19.0.0/16": ("route", "tun0"),
        "172.20.0.0/16": ("routed", "eth0"),
        "172.21.0.0/16": ("routed", ""),
    }


def test_docker_pools_need_routes() -> None:
    """Where no route was seen nothing is said: what is not seen is not free."""
    assert pools() == []


@pytest.mark.parametrize(("fields", "told"), [({}, [(8080, None)]), ({"endpoints": ()}, []), ({"state": "exited"}, [])])
def test_published_ports_of_a_listing_alone(fields: dict[str, Any], told: list[tuple[int, None]]) -> None:
    """``docker ps`` tells ports without addresses; a container that was inspected and has no address publishes nothing."""
    port = {"host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80, "protocol": "tcp"}
    fact = Fact("container", {"name": "web", "runtime": "docker", "state": "running", "ports": (port,), **fields}, "n1")
    assert [(f.get("host_port"), f.get("address")) for f in FactBase((fact,), EXPANDERS).of_kind("published_port")] == told


def test_published_ports() -> None:
    """A running container's published ports are told with its address and bridge; IPv6 ends and stopped containers are left out."""
    port = {"host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80, "protocol": "tcp"}
    other = {**port, "host_ip": "127.0.0.1", "host_port": 8081}
    ends = ({"network": "none", "address": ""}, {"network": "front", "address": "172.18.0.2", "gateway": "172.18.0.1"})
    common = {"runtime": "docker", "endpoints": ends, "ports": (port, {**port, "host_ip": "::"}, other)}
    base = FactBase(
        [
            Fact("container", {**common, "name": "web", "state": "running"}, "n1"),
            Fact("container", {**common, "name": "old", "state": "exited"}, "n1"),
            Fact("container_network", {"name": "front", "bridge": "br-0123456789ab"}, "n1"),
        ],
        EXPANDERS,
    )
    told = [
        tuple(fact.get(name) for name in ("container", "host_ip", "host_port", "address", "container_port", "network", "bridge"))
        for fact in base.of_kind("published_port")
    ]
    assert told == [
        ("web", "", 8080, "172.18.0.2", 80, "front", "br-0123456789ab"),
        ("web", "127.0.0.1", 8081, "172.18.0.2", 80, "front", "br-0123456789ab"),
    ]


def test_runtimes_use_the_first_file_by_name() -> None:
    """Files are ordered by name whatever their folder; those that runtimes ignore, or that do not parse, have no place."""
    files: dict[str, dict[str, object]] = {
        "/etc/cni/net.d/50-b.conflist": {},
        "10-a.conf": {},
        "00-old.conflist.disabled": {"disabled": True},
        "01-bad.conf": {"error": "x"},
    }
    base = FactBase([Fact("cni_config", {"file": file, "disabled": False, **more}, "n1") for file, more in files.items()], EXPANDERS)
    assert [(f.node, f.get("file"), f.get("place")) for f in base.of_kind("cni_order")] == [
        ("n1", "10-a.conf", 1),
        ("n1", "/etc/cni/net.d/50-b.conflist", 2),
    ]


@pytest.mark.parametrize(("used", "free", "full"), [(100, True, False), (900, False, False), (1000, False, True)])
def test_room(used: int, free: bool, full: bool) -> None:
    """A connection tracking table is free below four fifths, full at its bound."""
    keys = {"net.netfilter.nf_conntrack_count": used, "net.netfilter.nf_conntrack_max": 1000}
    facts = [Fact("sysctl", {"key": key, "value": str(value)}, "n1", "host", SOURCE, 1) for key, value in keys.items()]
    (room,) = FactBase(facts, EXPANDERS).of_kind("room")
    assert room.fields == {
        "resource": "conntrack",
        "free": free,
        "full": full,
        "used": used,
        "max": 1000,
        "key": "net.netfilter.nf_conntrack_max",
        "lost": 0,
    }
    assert list(FactBase(facts[:1], EXPANDERS).of_kind("room")) == []
