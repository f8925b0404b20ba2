"""Names in the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.facts import HOST, Fact, FactBase
from engine.question.names import Inventory
from tests.engine.question.conftest import fact, stack

if TYPE_CHECKING:
    from engine.question.names import Endpoint


def _shown(endpoints: tuple[Endpoint, ...]) -> list[tuple[str, str]]:
    return [(e.kind, e.name) for e in endpoints]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("web", [("service", "svc/shop/web")]),
        ("WEB", [("service", "svc/shop/web")]),
        ("web-7d9fcb6b8-x2kqp", [("pod", "shop/web-7d9fcb6b8-x2kqp")]),
        ("web-7d9fcb6b8", [("pod", "shop/web-7d9fcb6b8-x2kqp")]),
        ("pod/shop/web-7d9fcb6b8-x2kqp", [("pod", "shop/web-7d9fcb6b8-x2kqp")]),
        ("pods/shop/web", [("pod", "shop/web-7d9fcb6b8-x2kqp")]),
        ("shop/postgres-0", [("pod", "shop/postgres-0")]),
        ("service/shop/postgres", [("service", "svc/shop/postgres")]),
        ("postgres.shop.svc.cluster.local", [("service", "svc/shop/postgres")]),
        ("postgres.shop", [("service", "svc/shop/postgres")]),
        ("node/node-1", [("node", "node-1")]),
        ("node-1/cni-1", [("stack", "cni-1")]),
        ("job-1", []),
        ("nothing", []),
        ("", []),
    ],
)
def test_cluster_names(cluster: FactBase, word: str, expected: list[tuple[str, str]]) -> None:
    """Pods, Services, nodes and stacks are found exactly before by prefix, in any case, under every usual form of their name."""
    assert _shown(Inventory(cluster).find(word)) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("shop-web-1", "shop-web-1"),
        ("frontend", "shop-web-1"),
        ("aabbccddeeff", "shop-web-1"),
        ("aabbcc", "shop-web-1"),
        ("aabbccddeeff00112233", "shop-web-1"),
        ("web", "shop-web-1"),
        ("store", "shop-store-1"),
        ("gone", ""),
        ("mysql", ""),
    ],
)
def test_container_names(docker: FactBase, word: str, expected: str) -> None:
    """Containers are found by name, part of the name, id, beginning of the id, and compose service; not when they are gone."""
    assert [e.name for e in Inventory(docker).find(word)] == ([expected] if expected else [])


def test_image_is_a_weak_name(docker: FactBase) -> None:
    """An image's name finds its containers only where asked for."""
    assert [e.name for e in Inventory(docker).by_image("mysql")] == ["shop-store-1"]


def test_loose_names_need_an_option(lab: FactBase) -> None:
    """A piece of a name is enough for an option, not for a word of a sentence."""
    inventory = Inventory(lab)
    assert inventory.find("od-") == ()
    assert [e.name for e in inventory.find("od-", loose=True)] == ["pod-a"]


def test_ordinary_words_name_nothing_by_accident(lab: FactBase) -> None:
    """Words of kind and ordinary words are names only if they are a whole name."""
    assert not Inventory(lab).knows("pod")
    assert not Inventory(lab).knows("host")
    assert Inventory(lab).knows("web")
    assert Inventory(FactBase([Fact("netns", {"name": "server", "role": "container"}, "n1", "server")])).knows("server")


def test_pod_takes_the_stack_that_holds_its_address(cluster: FactBase) -> None:
    """A pod whose namespace was collected is that namespace; a hostNetwork pod is its node; otherwise its stack is unknown."""
    inventory = Inventory(cluster)
    places = {e.name: (e.node, e.stack) for e in (n.endpoint for n in inventory.pod_endpoints)}
    assert places == {"shop/web-7d9fcb6b8-x2kqp": ("node-1", "cni-1"), "shop/postgres-0": ("node-2", ""), "kube-system/agent-abcde": ("node-1", HOST)}


def test_container_takes_the_stack_of_its_process_or_name() -> None:
    """A container is the namespace of its process, of its name, or of the container whose network it shares."""
    base = FactBase(
        [
            Fact("netns", {"name": "ns-7", "role": "container", "pid": 77}, "n1", "ns-7"),
            Fact("netns", {"name": "side", "role": "container"}, "n1", "side"),
            Fact("container", {"id": "a" * 20, "name": "/main", "pid": 77, "state": "running"}, "n1"),
            Fact("container", {"id": "b" * 20, "name": "helper", "network_mode": "container:" + "a" * 20, "state": "running"}, "n1"),
            Fact("container", {"id": "c" * 20, "name": "side", "state": "running"}, "n1"),
            Fact("container", {"id": "d" * 20, "name": "orphan", "network_mode": "container:none", "state": "running"}, "n1"),
        ]
    )
    assert {n.endpoint.name: n.endpoint.stack for n in Inventory(base).container_endpoints} == {
        "main": "ns-7",
        "helper": "ns-7",
        "side": "side",
        "orphan": "",
    }


def test_address_finds_its_holder(lab: FactBase, cluster: FactBase) -> None:
    """An address is the stack, pod or Service that holds it, or an endpoint outside."""
    inventory = Inventory(lab)
    assert (inventory.at_address("10.2.0.9").name, inventory.at_address("10.2.0.9").fixed) == ("db", True)
    assert inventory.at_address("192.168.1.10").name == "n1"
    assert inventory.at_address("9.9.9.9").kind == "address"
    assert inventory.at_address("FD00:2:0::9").name == "db"
    assert Inventory(cluster).at_address("10.96.7.7").name == "svc/shop/postgres"
    assert Inventory(cluster).at_address("10.244.2.9").name == "shop/postgres-0"
    assert Inventory(FactBase([Fact("k8s_node", {"name": "far", "addresses": ("10.9.9.9",)})])).at_address("10.9.9.9").name == "far"


def test_node_addresses_put_its_own_network_first(lab: FactBase) -> None:
    """A node is reached at its own address rather than at a bridge's, whatever order they were listed in."""
    assert Inventory(lab).find("n1")[0].addresses[0] == "192.168.1.10"


def test_hosts_file_and_devices_are_names_too(lab: FactBase) -> None:
    """Names of /etc/hosts give their address, bridge names the address of the bridge."""
    inventory = Inventory(lab)
    assert inventory.find("nas")[0].addresses == ("192.168.1.50",)
    assert inventory.find("docker0")[0].addresses == ("172.17.0.1",)


def test_headless_service_is_its_endpoints(cluster: FactBase) -> None:
    """A Service without a cluster address has the addresses and target ports behind it."""
    bare = Inventory(cluster).find("bare")[0]
    assert (bare.addresses, bare.ports) == (("10.244.2.9",), ((8080, "tcp"),))


def test_headless_service_of_unseen_endpoints() -> None:
    """Endpoints that nobody collected are addresses like any other: the Service is known by them."""
    ports = ({"port": 5432, "protocol": "tcp"},)
    facts = FactBase([
        Fact("service", {"name": "db", "namespace": "a", "cluster_ips": (), "ports": ports}),
        Fact("endpoints", {"service": "db", "namespace": "a", "ready": ({"address": "10.9.9.9"}, {"address": "10.9.9.9"}, {"address": "?"})}),
    ])
    inventory = Inventory(facts)
    assert inventory.find("db")[0].addresses == ("10.9.9.9",)
    assert [e.addresses for e in inventory.behind("a", "db")] == [("10.9.9.9",)]
    assert inventory.behind("b", "db") == ()


def test_near_names(lab: FactBase) -> None:
    """A mistyped name has a suggestion, nonsense has none."""
    assert Inventory(lab).near("poda") == ("pod-a",)
    assert Inventory(lab).near("zzzzzz") == ()


def test_listening_leaves_loopback_out(lab: FactBase) -> None:
    """Ports that listen on loopback alone are not offered to others."""
    inventory = Inventory(lab)
    assert inventory.listening(inventory.find("web")[0]) == [(8080, "tcp")]


def test_a_node_of_two_names() -> None:
    """What Kubernetes calls otherwise than its host name is one machine under both names, and its pods are on it."""
    base = FactBase([
        *stack("box3", HOST, "10.0.0.3/24"), *stack("box3", "pod-x", "10.1.1.5/24"), fact("k8s_node", name="ip-10-0-0-3", addresses=("10.0.0.3",)),
        fact("pod", namespace="shop", name="web", ips=("10.1.1.5",), node_name="ip-10-0-0-3"), fact("k8s_node", name="far", addresses=("10.0.0.9",)),
    ])
    inventory = Inventory(base)
    assert inventory.nodes == ("box3", "far")
    assert [(e.node, e.stack) for word in ("box3", "ip-10-0-0-3") for e in inventory.find(word)] == [("box3", HOST)] * 2
    assert [(e.node, e.stack) for e in inventory.find("shop/web")] == [("box3", "pod-x")]


@pytest.mark.parametrize(("scope", "expected"), [("all", ("10.96.0.1",)), ("kube-ipvs0", ("10.0.0.3", "10.96.0.1"))])
def test_a_node_of_which_one_device_was_listed(scope: str, expected: tuple[str, ...]) -> None:
    """The address that the API gives a node is its own, unless a whole listing of its addresses lacks it."""
    listed = Fact("collected", {"what": "addresses", "scope": scope}, "n1", HOST)
    base = FactBase([fact("k8s_node", name="n1", addresses=("10.0.0.3",)), *stack("n1", HOST, "10.96.0.1/32"), listed])
    assert [e.addresses for e in Inventory(base).find("n1")] == [expected]


def test_pieces_of_a_made_up_name_name_nothing() -> None:
    """Who shows a container alone, in a folder, chose the folder's name: a piece of it names what is inside, never a machine of its own."""
    inside = stack("case-with-macvlan", "web", "10.1.0.5/24")
    for word in ("macvlan", "with-macvlan", "case"):
        assert "node" not in {kind for kind, _ in _shown(Inventory(FactBase(inside)).find(word))}
    assert _shown(Inventory(FactBase(inside)).find("case-with-macvlan")) == [("node", "case-with-macvlan")]
    shown = [*inside, *stack("case-with-macvlan", HOST, "192.0.2.4/24")]
    assert _shown(Inventory(FactBase(shown)).find("macvlan")) == [("node", "case-with-macvlan")]


def test_pods_by_label() -> None:
    """A label names pods where nothing else has that name: as ``key=value``, or by the value of a label that tells applications apart."""
    base = FactBase([
        fact("pod", namespace="shop", name="front-x1", ips=("10.1.1.5",), labels={"app": "Web", "zone": "a"}),
        fact("pod", namespace="shop", name="back-x1", ips=("10.1.1.6",), labels={"k8s-app": "api", "zone": "b"}),
        fact("pod", namespace="shop", name="done-x1", ips=("10.1.1.7",), labels={"app": "web"}, phase="Succeeded"),
        fact("pod", namespace="shop", name="bare-x1", ips=("10.1.1.8",)),
    ])
    inventory = Inventory(base)
    assert [[e.name for e in inventory.find(word)] for word in ("web", "pod/api", "zone=b", "front", "a", "zone=")] == [
        ["shop/front-x1"], ["shop/back-x1"], ["shop/back-x1"], ["shop/front-x1"], [], [],
    ]
    assert inventory.find("web", kinds=frozenset({"service"})) == ()
