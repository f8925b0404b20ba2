"""The iptables rules of a node in a big cluster, to the letter of what kube-proxy writes and iptables-save prints.

Source: Kubernetes 1.29 ``pkg/proxy/iptables/proxier.go`` (syncProxyRules, writeServiceToEndpointRules) and ``pkg/kubelet/kubelet_network_linux.go``.
Chains are named by the same hashes; order within chains is kube-proxy's, order of chains iptables-save's.
"""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

POD_NETWORK = "10.244.0.0/16"
LINES_PER_SERVICE = 8
"""About: chains 2, KUBE-SERVICES 1, KUBE-SVC 2, KUBE-SEP 2, and what the services with more endpoints or a node port add."""

BASES = {
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}


def chain_name(kind: str, *words: str) -> str:
    """``KUBE-SVC-…``: the first 16 letters of the base32 of the SHA-256 of some words (``servicePortChainName``)."""
    return f"KUBE-{kind}-{b32encode(sha256(''.join(words).encode()).digest()).decode()[:16]}"


@dataclass(frozen=True, slots=True)
class Service:
    """One port of a Service."""

    name: str
    """``namespace/name:port``"""
    address: str
    port: int
    endpoints: tuple[str, ...]
    """``address:port``"""
    node_port: int = 0
    """0 = none."""
    protocol: str = "tcp"
    local: tuple[str, ...] | None = None
    """Endpoints on the node that it has, if its external traffic policy is Local."""

    @property
    def cluster_chain(self) -> str:
        """Chain that balances between the endpoints."""
        return chain_name("SVC", self.name, self.protocol)

    @property
    def entry_chain(self) -> str:
        """Chain for traffic from outside of the cluster."""
        return chain_name("EXT", self.name, self.protocol)

    @property
    def local_chain(self) -> str:
        """Chain that balances between the endpoints on the node."""
        return chain_name("SVL", self.name, self.protocol)

    def endpoint_chain(self, endpoint: str) -> str:
        """Chain of one endpoint."""
        return chain_name("SEP", self.name, self.protocol, endpoint)


def services(count: int, seed: int = 1) -> list[Service]:
    """Services as a big cluster has them: most with one endpoint, one in six with several, one in forty with none, one in fifty with a node port."""
    random = Random(seed)
    made = []
    for number in range(count):
        amount = random.choices((0, 1, 2, 3), (1, 32, 5, 2))[0]
        at = [random.randrange(1, 65000) for _ in range(amount)]
        made.append(
            Service(
                f"team-{number % 97}/service-{number}:http",
                f"10.{96 + (number + 10 >> 16)}.{(number + 10) >> 8 & 255}.{(number + 10) & 255}",
                80,
                tuple(f"10.244.{a >> 8}.{a & 255}:8080" for a in sorted(set(at))),
                30000 + number % 2767 if number % 50 == 0 and amount else 0,
            )
        )
    return made


Rules = dict[str, list[str]]
"""Chain → what follows ``-A CHAIN``."""


def nat(items: Sequence[Service]) -> Rules:
    """Rules of the nat table."""
    portals = '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'
    rules: Rules = {
        "PREROUTING": [portals],
        "OUTPUT": [portals],
        "POSTROUTING": ['-m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING'],
        "KUBE-KUBELET-CANARY": [],
        "KUBE-MARK-MASQ": ["-j MARK --set-xmark 0x4000/0x4000"],
        "KUBE-NODEPORTS": [],
        "KUBE-POSTROUTING": [
            "-m mark ! --mark 0x4000/0x4000 -j RETURN",
            "-j MARK --set-xmark 0x4000/0x0",
            '-m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
        ],
        "KUBE-PROXY-CANARY": [],
        "KUBE-SERVICES": [],
    }
    for service in items:
        if service.endpoints:
            _service(service, rules)
    last = '"kubernetes service nodeports; NOTE: this must be the last rule in this chain"'
    rules["KUBE-SERVICES"].append(f"-m comment --comment {last} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS")
    return rules


def _service(service: Service, rules: Rules) -> None:
    chain, words = service.cluster_chain, f'-p {service.protocol} -m comment --comment "{service.name}'
    to = f'-d {service.address}/32 {words} cluster IP" -m {service.protocol} --dport {service.port}'
    rules["KUBE-SERVICES"].append(f"{to} -j {chain}")
    own = rules[chain] = [f"! -s {POD_NETWORK} {to} -j KUBE-MARK-MASQ"]
    own += _shares(service, service.endpoints)
    for endpoint in service.endpoints:
        rules[service.endpoint_chain(endpoint)] = [
            f'-s {endpoint.partition(":")[0]}/32 -m comment --comment "{service.name}" -j KUBE-MARK-MASQ',
            f'{words}" -m {service.protocol} -j DNAT --to-destination {endpoint}',
        ]
    if service.node_port:
        rules["KUBE-NODEPORTS"].append(f'{words}" -m {service.protocol} --dport {service.node_port} -j {service.entry_chain}')
        rules[service.entry_chain] = _entry(service)
    if service.node_port and service.local:
        rules[service.local_chain] = _shares(service, service.local)


def _shares(service: Service, endpoints: Sequence[str]) -> list[str]:
    """One endpoint of several, each as likely as the others."""
    made = []
    for left, endpoint in zip(range(len(endpoints), 0, -1), endpoints, strict=True):
        share = f" -m statistic --mode random --probability {_probability(left)}" if left > 1 else ""
        made.append(f'-m comment --comment "{service.name} -> {endpoint}"{share} -j {service.endpoint_chain(endpoint)}')
    return made


def _entry(service: Service) -> list[str]:
    """Where traffic from outside goes: everywhere, masqueraded; or, as it came, to the node's own endpoints (to all, if the cluster itself asks)."""
    says, to = "-m comment --comment", f"{service.name} external destinations"
    if service.local is None:
        return [f'{says} "masquerade traffic for {to}" -j KUBE-MARK-MASQ', f"-j {service.cluster_chain}"]
    return [
        f'-s {POD_NETWORK} {says} "pod traffic for {to}" -j {service.cluster_chain}',
        f'{says} "masquerade LOCAL traffic for {to}" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ',
        f'{says} "route LOCAL traffic for {to}" -m addrtype --src-type LOCAL -j {service.cluster_chain}',
        *([f"-j {service.local_chain}"] if service.local else []),
    ]


def _probability(left: int) -> str:
    """``1/left`` as the kernel keeps it (a 31-bit fraction) and iptables prints it."""
    return f"{round(round(1 / left, 10) * 0x80000000) / 0x80000000:.11f}"


def filtering(items: Sequence[Service]) -> Rules:
    """Rules of the filter table."""
    new = "-m conntrack --ctstate NEW -m comment --comment"
    firewall = f'{new} "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL'
    visible = f'{new} "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES'
    portals = f'{new} "kubernetes service portals" -j KUBE-SERVICES'
    localnet = '-m comment --comment "block incoming localnet connections"'
    return {
        "INPUT": [
            firewall,
            '-m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS',
            visible,
            "-j KUBE-FIREWALL",
        ],
        "FORWARD": [firewall, '-m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD', portals, visible],
        "OUTPUT": [firewall, portals, "-j KUBE-FIREWALL"],
        "KUBE-EXTERNAL-SERVICES": [
            f'-p {s.protocol} -m comment --comment "{s.name} has no local endpoints" -m addrtype --dst-type LOCAL -m {s.protocol} '
            f"--dport {s.node_port} -j DROP"
            for s in items
            if s.node_port and s.endpoints and s.local == ()
        ],
        "KUBE-FIREWALL": [
            f"! -s 127.0.0.0/8 -d 127.0.0.0/8 {localnet} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
        ],
        "KUBE-FORWARD": [
            "-m conntrack --ctstate INVALID -j DROP",
            '-m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
            '-m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
        ],
        "KUBE-KUBELET-CANARY": [],
        "KUBE-NODEPORTS": [],
        "KUBE-PROXY-CANARY": [],
        "KUBE-PROXY-FIREWALL": [],
        "KUBE-SERVICES": [
            f'-d {s.address}/32 -p {s.protocol} -m comment --comment "{s.name} has no endpoints" -m {s.protocol} --dport {s.port} '
            "-j REJECT --reject-with icmp-port-unreachable"
            for s in items
            if not s.endpoints
        ],
    }


def save(items: Sequence[Service], backend: str = "legacy") -> str:
    """What ``iptables-save`` prints on a node with these Services; ``backend`` is ``legacy`` or ``nft``."""
    mangle: Rules = {"KUBE-IPTABLES-HINT": [], "KUBE-KUBELET-CANARY": [], "KUBE-PROXY-CANARY": []}
    tables = {"mangle": mangle, "filter": filtering(items), "nat": nat(items)}
    mark, when = (" (nf_tables)" if backend == "nft" else ""), "Thu Jan  1 00:00:00 1970"
    lines: list[str] = []
    for name in tables if backend == "nft" else reversed(tables):  # the legacy kernel lists the table that was made last first
        rules = tables[name]
        lines += [f"# Generated by iptables-save v1.8.9{mark} on {when}", *table_text(name, rules), f"# Completed on {when}"]
    return "\n".join([*lines, ""])


def table_text(name: str, rules: Rules) -> Iterator[str]:
    """Lines of one table."""
    users = sorted(rules.keys() - set(BASES[name]))
    yield f"*{name}"
    yield from (f":{chain} ACCEPT [0:0]" for chain in BASES[name])
    yield from (f":{chain} - [0:0]" for chain in users)
    for chain in (*BASES[name], *users):
        yield from (f"-A {chain} {rule}" for rule in rules.get(chain, ()))
    yield "COMMIT"


OTHERS = {
    "ip_addr": """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 00:11:22:33:44:55 brd ff:ff:ff:ff:ff:ff
    inet 192.168.1.2/24 brd 192.168.1.255 scope global eth0
       valid_lft forever preferred_lft forever
3: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 00:11:22:33:44:56 brd ff:ff:ff:ff:ff:ff
    inet 10.244.1.1/24 brd 10.244.1.255 scope global cni0
       valid_lft forever preferred_lft forever
""",
    "ip_route": """\
default via 192.168.1.1 dev eth0
10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1
192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.2
""",
    "ss_-lntup": """\
Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*
""",
    "sysctl_-a": "net.ipv4.ip_forward = 1\n",
}
"""The node's other outputs, as small as they can be."""


def write_node(folder: Path, items: Sequence[Service], backend: str = "legacy") -> Path:
    """Loose files of one node, ``folder/node1``; returns the path of its ``iptables-save``."""
    node = folder / "node1"
    node.mkdir(parents=True)
    for name, text in OTHERS.items():
        (node / name).write_text(text, encoding="utf-8")
    path = node / "iptables-save"
    path.write_text(save(items, backend), encoding="utf-8")
    return path
