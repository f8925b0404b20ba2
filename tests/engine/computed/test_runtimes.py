"""What container runtimes would do."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase


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
