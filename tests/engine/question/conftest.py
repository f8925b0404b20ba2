"""Evidence made by hand: namespaces on two nodes, a Kubernetes cluster, a docker host whose containers were not entered."""

from __future__ import annotations

from typing import Any

import pytest

from engine.facts import HOST, ChainText, Fact, FactBase, RuleLine


def fact(kind: str, node: str = "", stack: str = HOST, **fields: Any) -> Fact:
    """A fact."""
    return Fact(kind, fields, node, stack)


def stack(node: str, name: str, *addresses: str) -> list[Fact]:
    """A stack with addresses, each ``10.0.0.1/24`` or ``10.0.0.1/24@device``."""
    found = [fact("netns", node, name, name=name, role="host" if name == HOST else "container")]
    for text in addresses:
        prefix, _, device = text.partition("@")
        address, _, length = prefix.partition("/")
        found.append(
            fact(
                "address",
                node,
                name,
                device=device or "eth0",
                address=address,
                prefixlen=int(length),
                scope="global",
                family=6 if ":" in address else 4,
            )
        )
    return found


def listens(node: str, name: str, port: int, protocol: str = "tcp", address: str = "0.0.0.0") -> Fact:
    """A listening socket."""
    return fact("socket", node, name, protocol=protocol, state="LISTEN" if protocol == "tcp" else "UNCONN", address=address, port=port)


@pytest.fixture
def lab() -> FactBase:
    """Two nodes with namespaces: pod-a and web on n1, db on n2."""
    return FactBase(
        [
            *stack("n1", HOST, "127.0.0.1/8@lo", "172.17.0.1/16@docker0", "10.1.0.1/24@cni0", "192.168.1.10/24"),
            *stack("n1", "pod-a", "127.0.0.1/8@lo", "10.1.0.5/24"),
            *stack("n1", "web", "10.1.0.6/24"),
            *stack("n2", HOST, "192.168.1.11/24"),
            *stack("n2", "db", "10.2.0.9/24", "fd00:2::9/64"),
            listens("n1", "web", 8080),
            listens("n1", "web", 9000, address="127.0.0.1"),
            listens("n2", "db", 5432),
            fact("dns_config", "n1", "pod-a", nameservers=("10.96.0.10",)),
            fact("route", "n1", "pod-a", dst="0.0.0.0/0", gateway="10.1.0.1", device="eth0", table="main", type="unicast"),
            fact("link", "n1", "pod-a", name="eth0", mtu=1450),
            fact("hosts_entry", "n1", address="192.168.1.50", names=("nas.example.com", "nas")),
        ]
    )


@pytest.fixture
def cluster() -> FactBase:
    """A Kubernetes cluster: web and db pods with Services, CoreDNS, one stack collected."""
    return FactBase(
        [
            *stack("node-1", HOST, "192.168.0.1/24"),
            *stack("node-2", HOST, "192.168.0.2/24"),
            *stack("node-1", "cni-1", "10.244.1.5/24"),
            fact("k8s_node", name="node-1", addresses=("192.168.0.1",), labels={"node-role.kubernetes.io/control-plane": ""}),
            fact("k8s_node", name="node-2", addresses=("192.168.0.2",), labels={}),
            fact("pod", namespace="shop", name="web-7d9fcb6b8-x2kqp", ips=("10.244.1.5",), node_name="node-1", phase="Running"),
            fact(
                "pod",
                namespace="shop",
                name="postgres-0",
                ips=("10.244.2.9",),
                node_name="node-2",
                phase="Running",
                ports=({"port": 5432, "protocol": "TCP"},),
            ),
            fact("pod", namespace="shop", name="job-1", ips=("10.244.2.3",), node_name="node-2", phase="Succeeded"),
            fact("pod", namespace="kube-system", name="agent-abcde", ips=("192.168.0.1",), node_name="node-1", host_network=True, phase="Running"),
            fact(
                "service",
                namespace="shop",
                name="postgres",
                cluster_ips=("10.96.7.7",),
                ports=({"port": 5432, "protocol": "TCP", "target_port": 5432},),
            ),
            fact(
                "service",
                namespace="shop",
                name="web",
                cluster_ips=("10.96.7.8",),
                ports=({"port": 80, "protocol": "TCP", "target_port": "http", "node_port": 30080},),
            ),
            fact("service", namespace="shop", name="bare", cluster_ips=("None",), ports=({"port": 80, "target_port": 8080, "protocol": "TCP"},)),
            fact(
                "service",
                namespace="default",
                name="kubernetes",
                cluster_ips=("10.96.0.1",),
                ports=({"port": 443, "protocol": "TCP", "target_port": 6443},),
            ),
            fact(
                "service",
                namespace="kube-system",
                name="kube-dns",
                cluster_ips=("10.96.0.10",),
                ports=({"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}),
            ),
            fact("endpoints", namespace="shop", service="web", ready=({"address": "10.244.1.5"},)),
            fact("endpoints", namespace="shop", service="bare", ready=({"address": "10.244.2.9"},)),
        ]
    )


@pytest.fixture
def docker() -> FactBase:
    """A docker host; its containers are known from ``docker inspect`` alone."""
    rules = (RuleLine(3, "-d 192.168.50.7/32 -p tcp -m tcp --dport 6379 -j ACCEPT"),)
    return FactBase(
        [
            *stack("dock", HOST, "10.0.0.4/24", "172.17.0.1/16@docker0"),
            fact(
                "container",
                "dock",
                id="aabbccddeeff00112233",
                name="shop-web-1",
                runtime="docker",
                state="running",
                image="local/site:1",
                network_mode="bridge",
                endpoints=({"network": "bridge", "address": "172.17.0.2"},),
                ports=({"host_port": 8080, "container_port": 80, "protocol": "tcp"},),
                labels={"com.docker.compose.service": "frontend"},
            ),
            fact(
                "container",
                "dock",
                id="99887766554433221100",
                name="shop-store-1",
                runtime="docker",
                state="running",
                image="registry/mysql:8",
                network_mode="bridge",
                endpoints=({"network": "bridge", "address": "172.17.0.3"},),
                ports=({"container_port": 3306, "protocol": "tcp"},),
                labels={},
            ),
            fact("container", "dock", id="0102030405060708", name="gone", runtime="docker", state="exited", endpoints=()),
            fact("container", "dock", id="ffff0000ffff0000", name="metrics", runtime="docker", state="running", network_mode="host"),
            fact("netfilter_table", "dock", backend="legacy", family=4, table="filter", chains=(ChainText("FORWARD", "ACCEPT", 2, rules),)),
        ]
    )
