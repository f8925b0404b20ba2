"""All nodes of a big cluster, every pod's namespace, and the API's objects: as flannel (VXLAN) or calico leaves a node, with kube-proxy's rules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.big_node import LOOPBACK, put
from benchmarks.kube_proxy import Rules, Service, filtering, nat, table_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDE = "10.244.0.0/16"
BRIDGED, ROUTED = "flannel", "calico"


@dataclass(frozen=True, slots=True)
class Shape:
    """How big, and whose network."""

    nodes: int = 100
    pods: int = 30
    """On each node."""
    services: int = 100
    network: str = BRIDGED

    @property
    def numbers(self) -> range:
        """Nodes by number, from 1."""
        return range(1, self.nodes + 1)


def node_address(node: int) -> str:
    """InternalIP of a node."""
    return f"192.168.{node >> 8}.{node & 255}"


def pod_address(node: int, pod: int) -> str:
    """Address of a pod; its node has a /24."""
    return f"10.244.{node}.{pod + 2}"


def mac(kind: int, node: int, pod: int = 0) -> str:
    """A MAC that nobody else has."""
    return f"02:{kind:02x}:00:{node >> 8:02x}:{node & 255:02x}:{pod:02x}"


def wire(shape: Shape, node: int, pod: int) -> str:
    """The node's end of a pod's wire."""
    return f"{'cali' if shape.network == ROUTED else 'veth'}{(node * 4096 + pod) * 2654435761 % 2**32:08x}"


def services(shape: Shape) -> list[Service]:
    """Services with three endpoints each, on different nodes."""
    made = []
    for number in range(shape.services):
        ends = {(number * 7 + k * 31) % shape.nodes + 1: (number + k * 5) % shape.pods for k in range(3)}
        endpoints = tuple(f"{pod_address(node, pod)}:8080" for node, pod in sorted(ends.items()))
        made.append(Service(f"team-{number % 9}/service-{number}:http", f"10.96.{number >> 8}.{number & 255}", 80, endpoints))
    return made


# --- a node's own stack ---------------------------------------------------------------------------------------------------


def device(index: int, name: str, address: str, more: str, hardware: str) -> str:
    """A device as ``ip -d addr`` prints it; ``more`` = (master, kind, slave) lines."""
    master, _, kind = more.partition("|")
    lines = f"{index}: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue{master} state UP group default qlen 1000\n"
    lines += f"    link/ether {hardware} brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0\n"
    lines += f"    {kind}\n" if kind else ""
    return lines + (f"    inet {address} scope global {name.partition('@')[0]}\n       valid_lft forever preferred_lft forever\n" if address else "")


def links(shape: Shape, node: int) -> Iterator[str]:
    """The node's devices."""
    yield LOOPBACK
    yield device(2, "eth0", f"{node_address(node)}/16", "", mac(1, node))
    vxlan = f"vxlan id 1 local {node_address(node)} dev eth0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300"
    yield device(3, overlay(shape), f"10.244.{node}.0/32", f"|{vxlan}", mac(2, node))
    if shape.network == BRIDGED:
        yield device(4, "cni0", f"10.244.{node}.1/24", "|bridge forward_delay 1500 hello_time 200 max_age 2000", mac(3, node))
    for pod in range(shape.pods):
        master = " master cni0|veth" if shape.network == BRIDGED else "|veth"
        hardware = mac(4, node, pod) if shape.network == BRIDGED else "ee:ee:ee:ee:ee:ee"
        yield device(10 + pod, f"{wire(shape, node, pod)}@if{2 + 100 * (pod + 1)}", "", master, hardware)
        if shape.network == BRIDGED:
            yield "    bridge_slave state forwarding priority 32 cost 2 hairpin on guard off learning on flood on isolated off\n"


def overlay(shape: Shape) -> str:
    """Name of the VXLAN device."""
    return "flannel.1" if shape.network == BRIDGED else "vxlan.calico"


def routes(shape: Shape, node: int) -> Iterator[str]:
    """The node's routes."""
    yield "default via 192.168.255.254 dev eth0"
    yield f"192.168.0.0/16 dev eth0 proto kernel scope link src {node_address(node)}"
    for other in shape.numbers:
        if other != node:
            yield f"10.244.{other}.0/24 via 10.244.{other}.0 dev {overlay(shape)} onlink"
    if shape.network == BRIDGED:
        yield f"10.244.{node}.0/24 dev cni0 proto kernel scope link src 10.244.{node}.1"
        return
    yield f"blackhole 10.244.{node}.0/24 proto 80"
    yield from (f"{pod_address(node, pod)} dev {wire(shape, node, pod)} scope link" for pod in range(shape.pods))


def workloads(shape: Shape, node: int) -> Rules:
    """The filter chains of felix: two for each pod."""
    rules: Rules = {"cali-FORWARD": [], "cali-from-wl-dispatch": [], "cali-to-wl-dispatch": []}
    rules["cali-FORWARD"] += ["-i cali+ -j cali-from-wl-dispatch", "-o cali+ -j cali-to-wl-dispatch"]
    rules["cali-FORWARD"].append("-m set --match-set cali40all-ipam-pools dst -j RETURN")
    for pod in range(shape.pods):
        name = wire(shape, node, pod)
        for head, flag, way in (("cali-fw-", "-i", "from"), ("cali-tw-", "-o", "to")):
            rules[f"cali-{way}-wl-dispatch"].append(f"{flag} {name} -g {head}{name}")
            rules[head + name] = [
                "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "-m conntrack --ctstate INVALID -j DROP",
                f"-j cali-{'pro' if way == 'from' else 'pri'}-kns.team-{pod % 9}",
                '-m comment --comment "Return if profile accepted" -m mark --mark 0x10000/0x10000 -j RETURN',
                '-m comment --comment "Drop if no profiles matched" -j DROP',
            ]
            rules.setdefault(f"cali-{'pro' if way == 'from' else 'pri'}-kns.team-{pod % 9}", ["-j MARK --set-xmark 0x10000/0x10000"])
    for way in ("from", "to"):
        rules[f"cali-{way}-wl-dispatch"].append('-m comment --comment "Unknown interface" -j DROP')
    return rules


def ruleset(shape: Shape, node: int, items: list[Service]) -> str:
    """What ``iptables-save`` prints."""
    forward = filtering(items)
    if shape.network == ROUTED:
        forward |= workloads(shape, node)
        forward["FORWARD"] = ["-j cali-FORWARD", *forward["FORWARD"]]
    translate = nat(items)
    translate["POSTROUTING"] += [f"-s {WIDE} -d {WIDE} -j RETURN", f"-s {WIDE} ! -d 224.0.0.0/4 -j MASQUERADE --random-fully"]
    return "\n".join([*table_text("nat", translate), *table_text("filter", forward), ""])


POOLS = """\
Name: cali40all-ipam-pools
Type: hash:net
Revision: 6
Header: family inet hashsize 1024 maxelem 1048576
Size in memory: 500
References: 1
Number of entries: 1
Members:
10.244.0.0/16
"""
SOCKETS = "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
LISTENER = "tcp   LISTEN 0      128          0.0.0.0:{port}        0.0.0.0:*\n"
RULES = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"


def parameters(shape: Shape, node: int) -> str:
    """``sysctl -a``, what of it concerns packets."""
    names = ["all", "default", "eth0", overlay(shape), *([] if shape.network == ROUTED else ["cni0"])]
    lines = ["net.ipv4.ip_forward = 1", "net.bridge.bridge-nf-call-iptables = 1", f"net.netfilter.nf_conntrack_count = {1000 + node}"]
    lines += [f"net.ipv4.conf.{name.replace('.', '/')}.rp_filter = 0" for name in names]
    for pod in range(shape.pods):
        name = wire(shape, node, pod)
        lines += [f"net.ipv4.conf.{name}.rp_filter = 0", f"net.ipv4.conf.{name}.proxy_arp = {int(shape.network == ROUTED)}"]
    return "\n".join([*lines, ""])


def host(shape: Shape, node: int, items: list[Service]) -> Iterator[tuple[str, str]]:
    """File names and contents of a node's own stack."""
    others = [n for n in shape.numbers if n != node]
    device_name = overlay(shape)
    near = [f"10.244.{n}.0 dev {device_name} lladdr {mac(2, n)} PERMANENT" for n in others]
    near += [f"{node_address(n)} dev eth0 lladdr {mac(1, n)} {'STALE' if (n + node) % 3 else 'REACHABLE'}" for n in others]
    yield "ip_-d_addr", "".join(links(shape, node))
    yield "ip_route", "\n".join([*routes(shape, node), ""])
    yield "ip_rule", RULES
    yield "ip_neigh", "\n".join([*near, ""])
    yield "bridge_fdb_show", "".join(f"{mac(2, n)} dev {device_name} dst {node_address(n)} self permanent\n" for n in others)
    yield "iptables-save", ruleset(shape, node, items)
    yield "ipset_list", POOLS
    yield "sysctl_-a", parameters(shape, node)
    yield "ss_-lntup", SOCKETS + LISTENER.format(port=22) + LISTENER.format(port=10250)


def container(shape: Shape, node: int, pod: int) -> Iterator[tuple[str, str]]:
    """File names and contents of a pod's namespace."""
    length = 24 if shape.network == BRIDGED else 32
    name = f"eth0@if{10 + pod}"
    yield "ip_-d_addr", LOOPBACK + device(2 + 100 * (pod + 1), name, f"{pod_address(node, pod)}/{length}", "|veth", mac(5, node, pod))
    own = f"10.244.{node}.0/24 dev eth0 proto kernel scope link src {pod_address(node, pod)}"
    bridged = [f"default via 10.244.{node}.1 dev eth0", own, f"{WIDE} via 10.244.{node}.1 dev eth0"]
    routed = ["default via 169.254.1.1 dev eth0", "169.254.1.1 dev eth0 scope link"]
    yield "ip_route", "\n".join([*(bridged if shape.network == BRIDGED else routed), ""])
    yield "ip_rule", RULES
    yield "sysctl_-a", "net.ipv4.ip_forward = 0\nnet.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.eth0.rp_filter = 0\n"
    yield "iptables-save", "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    yield "ss_-lntup", SOCKETS + LISTENER.format(port=8080)


# --- the API's objects ----------------------------------------------------------------------------------------------------


def objects(shape: Shape, items: list[Service]) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Nodes, pods, Services and EndpointSlices."""
    yield "nodes", [
        {
            "kind": "Node",
            "metadata": {"name": f"n{n}"},
            "spec": {"podCIDR": f"10.244.{n}.0/24"},
            "status": {"addresses": [{"type": "InternalIP", "address": node_address(n)}], "conditions": [{"type": "Ready", "status": "True"}]},
        }
        for n in shape.numbers
    ]
    yield "pods", [_pod(n, p) for n in shape.numbers for p in range(shape.pods)]
    yield "services", [_service(item) for item in items]
    yield "endpointslices", [_slice(item) for item in items]


def _pod(node: int, pod: int) -> dict[str, object]:
    address = pod_address(node, pod)
    return {
        "kind": "Pod",
        "metadata": {"name": f"web-{node}-{pod}", "namespace": f"team-{pod % 9}", "labels": {"app": f"web-{pod % 9}"}},
        "spec": {"nodeName": f"n{node}", "containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 8080, "protocol": "TCP"}]}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": node_address(node)},
    }


def _names(item: Service) -> tuple[str, str, str]:
    space, _, rest = item.name.partition("/")
    name, _, port = rest.partition(":")
    return space, name, port


def _service(item: Service) -> dict[str, object]:
    space, name, port = _names(item)
    ports = [{"name": port, "port": item.port, "protocol": "TCP", "targetPort": 8080}]
    spec = {"type": "ClusterIP", "clusterIP": item.address, "clusterIPs": [item.address], "ports": ports, "selector": {"app": name}}
    return {"kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": spec}


def _slice(item: Service) -> dict[str, object]:
    space, name, port = _names(item)
    ends = [{"addresses": [each.partition(":")[0]], "conditions": {"ready": True}} for each in item.endpoints]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-x", "namespace": space, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": ends,
        "ports": [{"name": port, "port": 8080, "protocol": "TCP"}],
    }


def write(folder: Path, shape: Shape) -> None:
    """Loose files: a folder a node, its pods below ``netns``, and the cluster's objects beside them."""
    items = services(shape)
    for node in shape.numbers:
        for name, text in host(shape, node, items):
            put(folder / f"n{node}" / name, text)
        for pod in range(shape.pods):
            for name, text in container(shape, node, pod):
                put(folder / f"n{node}" / "netns" / f"cni-{node}-{pod}" / name, text)
    for plural, listed in objects(shape, items):
        document = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **each} for each in listed]}
        put(folder / f"kubectl_get_{plural}_-A_-o_json", json.dumps(document, indent=1))
