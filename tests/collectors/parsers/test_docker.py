"""Containers and networks as a real docker and a real podman told of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from collectors.parsers.docker import parse
from collectors.place import Place
from engine.facts import Source

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

DNS = {"host_ip": "127.0.0.1", "host_port": 5353, "container_port": 53, "protocol": "udp"}
WEB = {"host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80, "protocol": "tcp"}


@pytest.mark.parametrize("runtime", ["docker", "podman"])
def test_containers_of_either_runtime(recorded: Recorded, runtime: str) -> None:
    """The shapes differ, the facts have the same meaning."""
    facts = recorded.parse(parse, f"{runtime} inspect", runtime)
    web = recorded.only(facts, "container", name="web")
    assert web.fields.items() >= {"runtime": runtime, "state": "running", "hostname": "www"}.items()
    assert web.fields["pid"] > 1
    assert DNS in web.fields["ports"]
    assert WEB in web.fields["ports"]
    endpoint = web.fields["endpoints"][0]
    assert endpoint["network"] == {"docker": "bridge", "podman": "podman"}[runtime]
    assert endpoint.keys() == {"network", "address", "prefixlen", "gateway", "mac"}
    assert "/netns/" in web.fields["namespace"]
    assert recorded.only(facts, "container", name="db").fields["labels"] == {"tier": "data"}
    assert recorded.only(facts, "container", name="sidecar").get("network_mode") == f"container:{web.get('id')}"
    assert recorded.only(facts, "container", name="agent").get("network_mode") == "host"
    stopped = recorded.only(facts, "container", name="stopped")
    assert stopped.get("state") == "created"
    assert "pid" not in stopped.fields
    assert stopped.fields["ports"] == ({"host_ip": "0.0.0.0", "host_port": 9090, "container_port": 90, "protocol": "tcp"},)
    assert recorded.unparsed(facts) == 0
    assert recorded.covered(facts) == set()


def test_a_container_on_two_networks(recorded: Recorded) -> None:
    """Each network is an endpoint; the line shows them."""
    db = recorded.only(recorded.parse(parse, "docker inspect", "docker"), "container", name="db")
    assert [(each["network"], each["address"]) for each in db.fields["endpoints"]] == [("backend", "172.30.0.200"), ("closed", "172.31.0.2")]
    assert db.text == "container db (running) 172.30.0.200 on backend 172.31.0.2 on closed"


def test_docker_networks(recorded: Recorded) -> None:
    """The bridge's name follows from the id unless an option names it; defaults of the driver are filled in."""
    facts = recorded.parse(parse, "docker network inspect", "docker")
    default = recorded.only(facts, "container_network", name="bridge")
    assert default.fields.items() >= {"bridge": "docker0", "subnets": ("172.17.0.0/16",), "masquerade": True, "icc": True, "internal": False}.items()
    backend = recorded.only(facts, "container_network", name="backend")
    assert backend.get("bridge") == f"br-{backend.get('id')[:12]}"
    assert backend.fields.items() >= {"subnets": ("172.30.0.0/24",), "gateways": ("172.30.0.1",), "driver": "bridge", "runtime": "docker"}.items()
    closed = recorded.only(facts, "container_network", name="closed")
    assert closed.fields.items() >= {"bridge": "br-closed", "internal": True, "icc": False, "masquerade": False}.items()
    assert "bridge" not in recorded.only(facts, "container_network", name="host").fields


def test_podman_networks_old_and_new(recorded: Recorded) -> None:
    """Before version 4 podman printed the CNI configuration itself."""
    new = recorded.only(recorded.parse(parse, "podman network inspect", "podman"), "container_network", name="backend")
    config = json.loads(recorded.source("backend.conflist", "cni").text)
    old = recorded.only(recorded.text(parse, json.dumps([config]), "podman network inspect backend"), "container_network")
    shared = new.fields.keys() & old.fields.keys()
    assert {"name", "bridge", "subnets", "gateways", "driver", "runtime"} <= shared
    assert {name: new.get(name) for name in shared} == {name: old.get(name) for name in shared}
    assert old.get("masquerade") is True


@pytest.mark.parametrize(
    ("command", "tool", "inspected", "scope"),
    [
        ("docker ps -a --no-trunc", "docker", "docker inspect", "all"),
        ("docker ps", "docker", "docker inspect", "running"),
        ("podman ps -a", "podman", "podman inspect", "all"),
    ],
)
def test_the_table_agrees_with_inspect(recorded: Recorded, command: str, tool: str, inspected: str, scope: str) -> None:
    """Names, images, states and published ports (in another order)."""
    reference = {fact.get("name"): fact for fact in recorded.parse(parse, inspected, tool)}
    facts = recorded.parse(parse, command, tool)
    listed = [fact for fact in facts if fact.kind == "container"]
    assert {fact.get("name") for fact in listed} == {name for name in reference if scope == "all" or reference[name].get("state") == "running"}
    for fact in listed:
        whole = reference[fact.get("name")]
        assert whole.get("id").startswith(fact.get("id"))
        for name in ("state", "image", "runtime"):
            assert fact.get(name) == whole.get(name)
        if "ports" in fact.fields:
            assert sorted(map(str, fact.fields["ports"])) == sorted(map(str, whole.fields["ports"]))
    assert recorded.covered(facts) == {("containers", scope, 0)}
    assert recorded.unparsed(facts) == 0


def test_port_ranges_and_paused_containers(recorded: Recorded) -> None:
    """A range is as many ports; a filtered table covers nothing."""
    text = (
        "CONTAINER ID   IMAGE     COMMAND   CREATED      STATUS                 PORTS                                   NAMES\n"
        '7d71963629e4   nginx     "nginx"   2 days ago   Up 2 days (Paused)     :::7000-7001->80-81/tcp, 9000/tcp       web\n'
        "broken\n"
    )
    facts = recorded.text(parse, text, "docker ps --filter name=web")
    web = recorded.only(facts, "container")
    assert web.get("state") == "paused"
    assert [(each["host_ip"], each["host_port"], each["container_port"]) for each in web.fields["ports"]] == [("::", 7000, 80), ("::", 7001, 81)]
    assert recorded.unparsed(facts) == 1
    assert recorded.covered(facts) == set()


def test_inspecting_everything_covers_everything(recorded: Recorded) -> None:
    """If the command line names the objects by a listing of all."""
    containers, networks = recorded.source("docker inspect", "docker").text, recorded.source("docker network inspect", "docker").text
    assert recorded.covered(recorded.text(parse, containers, "docker inspect $(docker ps -aq)")) == {("containers", "all", 0)}
    assert recorded.covered(recorded.text(parse, networks, "docker network inspect $(docker network ls -q)")) == {("container_networks", "all", 0)}
    assert recorded.covered(recorded.text(parse, containers[:5000], "docker inspect $(docker ps -aq)")) == set()
    assert recorded.covered(recorded.text(parse, containers, "docker inspect $(docker ps -q)")) == set()


def test_a_cut_output_keeps_whole_objects(recorded: Recorded) -> None:
    """Containers before the cut are facts."""
    text = recorded.source("docker inspect", "docker").text
    facts = recorded.text(parse, text[: len(text) // 2])
    assert recorded.only(facts, "container", name="web")
    assert recorded.unparsed(facts) > 0


def test_old_versions_print_the_gateway_with_a_length(recorded: Recorded) -> None:
    """``172.18.0.1/16`` is the gateway 172.18.0.1; a range that is none is passed over."""
    ranges = [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1/16"}, {"Subnet": "x"}]
    network = {"Name": "n", "Id": "0123456789abcdef", "Driver": "bridge", "IPAM": {"Config": ranges}}
    fact = recorded.only(recorded.text(parse, json.dumps([network])), "container_network")
    assert fact.fields.items() >= {"gateways": ("172.18.0.1",), "subnets": ("172.18.0.0/16",), "bridge": "br-0123456789ab"}.items()


def test_networks_list_their_containers() -> None:
    """A network's listing of its containers tells their addresses; one without an address is passed over."""
    inside = {
        "a" * 64: {"Name": "web", "MacAddress": "02:42:ac:18:00:02", "IPv4Address": "172.24.0.2/16"},
        "b" * 64: {"Name": "v6", "IPv4Address": ""},
        "c" * 64: "nonsense",
    }
    ranges = {"Config": [{"Subnet": "172.24.0.0/16", "Gateway": "172.24.0.1"}]}
    text = json.dumps([{"Name": "front", "Id": "d" * 64, "Driver": "bridge", "IPAM": ranges, "Containers": inside, "Options": {}}])
    facts = parse(Source("pasted", text, "docker network inspect front"), Place("n1"))
    (network,) = [f for f in facts if f.kind == "container_network"]
    assert network.get("members") == ("172.24.0.2",)
    (one,) = [f for f in facts if f.kind == "container"]
    assert one.get("endpoints") == (
        {"network": "front", "address": "172.24.0.2", "prefixlen": 16, "gateway": "172.24.0.1", "mac": "02:42:ac:18:00:02"},
    )


def test_columns_that_people_choose() -> None:
    """``docker ps --format 'table …'``: some columns in any order; a row without a name is none."""
    text = (
        "NAMES     PORTS                    STATUS\n"
        "web       0.0.0.0:8080->80/tcp     Up 3 hours\n"
        "db                                 Exited (0) 2 days ago\n"
    )
    web, db = parse(Source("x", text, "docker ps --format table"), Place("n1"))
    assert (web.get("name"), web.get("state"), web.get("ports")) == ("web", "running", (WEB,))
    assert (db.get("name"), db.get("state"), db.get("ports")) == ("db", "exited", None)


def test_bridge_of_a_network_without_its_identity() -> None:
    """A listing that somebody shortened does not tell the bridge's name."""
    text = json.dumps([{"Name": "app", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "172.20.0.0/16"}]}, "Options": {}}])
    (network,) = parse(Source("x", text), Place("n1"))
    assert network.get("subnets") == ("172.20.0.0/16",)
    assert network.get("bridge") is None


def test_listed_networks() -> None:
    """``docker network ls`` tells drivers and, by a bridge's identity, its device; what is no network has none."""
    text = (
        "NETWORK ID          NAME                DRIVER              SCOPE\n"
        "7f1a2b3c4d5e        app                 overlay             swarm\n"
        "1a2b3c4d5e6f        bridge              bridge              local\n"
        "9c8d7e6f5a4b        web_default         bridge              local\n"
        "0c1d2e3f4a5b        host                host                local\n"
    )
    found = parse(Source("x", text, "docker network ls"), Place("n1"))
    assert [(f.kind, f.get("name"), f.get("driver"), f.get("bridge")) for f in found] == [
        ("container_network", "app", "overlay", None),
        ("container_network", "bridge", "bridge", "docker0"),
        ("container_network", "web_default", "bridge", "br-9c8d7e6f5a4b"),
    ]
