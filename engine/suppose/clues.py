"""Clues: devices, subnets and containers that firewall rules, routes and listings speak of without showing them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from engine.facts import HOST
from engine.inet import in_prefix, is_address, prefix, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import Fact, FactBase

MAX_RULES: Final = 20_000
"""Firewall rules of one node that are read for clues; a person pastes fewer."""
MAX_SERVED: Final = 8
"""Containers that translating rules tell of."""

BRIDGES: Final[tuple[tuple[str, str, str], ...]] = (
    ("docker0", "172.17.0.1/16", "docker"),
    ("docker_gwbridge", "172.18.0.1/16", "docker"),
    (r"br-[0-9a-f]{12}", "", "docker"),
    # A network of docker's whose identity was cut out of a listing.
    (r"br-unseen-\d+", "", "docker"),
    # Synology's own build.
    (r"docker-[0-9a-f]{8}", "", "docker"),
    ("cni-podman0", "10.88.0.1/16", "podman"),
    ("podman0", "10.88.0.1/16", "podman"),
    (r"(?:cni-)?podman[1-9]\d*", "", "podman"),
    ("cni0", "", "kubernetes"),
    ("nerdctl0", "10.4.0.1/24", "nerdctl"),
    (r"lxdbr\d+|incusbr\d+", "", "lxd"),
    (r"lxcbr\d+", "10.0.3.1/24", "lxc"),
    (r"virbr\d+", "192.168.122.1/24", "libvirt"),
)
"""Bridges of container and machine runtimes: name, the address that they get by default ("" = any), runtime."""

NICS: Final = re.compile(r"(?:eth|en[opsx]|ens|em|wl[px]?|wlan|bond|team|venet|ib)\w*(?:\.\d+)?")
TUNNELS: Final = re.compile(r"(?:tun|tap|wg|ppp|utun|tailscale|nordlynx|ipsec|vti|vpn|nebula|zt)\w*")
VIRTUAL: Final = re.compile(
    r"lo|veth.*|vnet\d+|cali.*|flannel.*|tunl\d+|kube-.*|ifb\d+|dummy\d+|docker.*|br.*|virbr.*|lxdbr.*|lxcbr.*|podman.*|cni.*|vxlan.*"
)

_DEVICE: Final = re.compile(r"(?:^| )(?:! )?-(?:i|o) ([^\s+]+)(?= |$)")
_NFT_DEVICE: Final = re.compile(r'\b[io]if(?:name)? (?:!= )?"?([A-Za-z][\w.-]*)"?')
_MASQUERADE: Final = re.compile(r"-s (\S+) .*?! -o (\S+) .*-j MASQUERADE")
_NFT_MASQUERADE: Final = re.compile(r'oifname != "([^"]+)" ip saddr (\S+)|ip saddr (\S+) oifname != "([^"]+)"')
_NFT_OWN: Final = re.compile(r"ip saddr (\S+) ip daddr != \S+ .*masquerade")
_NFT_CHAIN: Final = re.compile(r"chain (\S+) \{")
_PODMAN: Final = re.compile(r"-s (\S+) .*-j (CNI|NETAVARK)-[0-9A-Fa-f]+")
_DNAT: Final = re.compile(r"--to-destination (\d+\.\d+\.\d+\.\d+):(\d+)")
_HELD: Final = re.compile(r"-d (\d+\.\d+\.\d+\.\d+)/32 (?:! -i \S+ )?-o (\S+) .*-j ACCEPT")
_CNI_HELD: Final = re.compile(r"-s (\d+\.\d+\.\d+\.\d+)/32 -j ACCEPT")
_DPORT: Final = re.compile(r"--dports? (\d+)(?: |$)")
_PROTOCOL: Final = re.compile(r"-p (tcp|udp)\b")


@dataclass(frozen=True, slots=True)
class Served:
    """A container that a rule translates a port to."""

    address: str
    port: int
    host_port: int
    protocol: str


@dataclass(slots=True)
class Clues:
    """What the evidence of one node's own stack speaks of."""

    node: str
    devices: dict[str, None] = field(default_factory=dict)
    """Devices by name, in the order they were met."""
    subnets: dict[str, str] = field(default_factory=dict)
    """Bridge → its subnet, as rules tell."""
    podman: dict[str, str] = field(default_factory=dict)
    """Subnet of podman's whose bridge no rule names → "CNI" or "NETAVARK"."""
    served: dict[tuple[str, int], Served] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    """Bridge → the address of a container on it, as rules tell that let somebody in."""

    def take_iptables(self, spec: str) -> None:
        """Learn from a rule in ``iptables-save`` words."""
        self.devices.update(dict.fromkeys(_DEVICE.findall(spec)))
        if "MASQUERADE" in spec and (match := _MASQUERADE.search(spec)):
            self.subnets.setdefault(match[2], match[1])
        elif match := _HELD.match(spec):
            self.held.setdefault(match[2], match[1])
        elif (match := _CNI_HELD.fullmatch(spec)) and in_prefix(match[1], "10.88.0.0/16"):
            self.held.setdefault("cni-podman0", match[1])
        elif match := _PODMAN.search(spec):
            self.podman.setdefault(match[1], match[2])
        elif (match := _DNAT.search(spec)) and (port := _DPORT.search(spec)) and len(self.served) < MAX_SERVED:
            protocol = _PROTOCOL.search(spec)
            found = Served(match[1], int(match[2]), int(port[1]), protocol[1] if protocol else "tcp")
            self.served.setdefault((found.protocol, found.host_port), found)

    def take_nft(self, text: str) -> None:
        """Learn from a native ruleset."""
        chain = ""
        for line in text.split("\n", MAX_RULES)[:MAX_RULES]:
            if match := _NFT_CHAIN.search(line):
                chain = match[1]
            self.devices.update(dict.fromkeys(_NFT_DEVICE.findall(line)))
            if "masquerade" in line and (match := _NFT_MASQUERADE.search(line)):
                self.subnets.setdefault(match[1] or match[4], match[2] or match[3])
            elif (match := _NFT_OWN.search(line)) and "." in chain:
                # LXD names a chain after the bridge that it is for.
                self.subnets.setdefault(chain.partition(".")[2], match[1])


def clues_of(facts: FactBase, node: str) -> Clues:
    """Everything that the evidence of a node tells by the way."""
    clues = Clues(node)
    for kind, name in (("link", "name"), ("address", "device"), ("route", "device"), ("bridge_port", "master"), ("neighbor", "device")):
        clues.devices.update(dict.fromkeys(str(f.get(name)) for f in facts.at(kind, node, HOST) if f.get(name)))
    clues.devices.update(dict.fromkeys(str(f.get("bridge")) for f in facts.of_kind("container_network") if f.node == node and f.get("bridge")))
    for spec in _specs(facts, node):
        clues.take_iptables(spec)
    for fact in facts.at("nft_ruleset", node, HOST):
        if fact.get("format", "text") == "text":
            clues.take_nft(str(fact.get("text", "")))
    for device, address in clues.held.items():
        if runtime_of(device) == "docker":
            clues.subnets.setdefault(device, str(prefix(f"{address}/{usual_length(address)}")))
    return clues


def usual_length(address: str) -> int:
    """Length of the prefix that docker gives to a network with such an address; people make smaller ones of 10.0.0.0/8."""
    return next((length for net, length in (("172.16.0.0/12", 16), ("192.168.0.0/16", 20)) if in_prefix(address, net)), 24)


def _specs(facts: FactBase, node: str) -> Iterator[str]:
    read = 0
    for table in facts.at("netfilter_table", node, HOST):
        if table.get("family", 4) != 4:
            continue
        for chain in table.get("chains", ()):
            read += len(chain.rules)
            if read > MAX_RULES:
                return
            yield from (rule.spec for rule in chain.rules)


def runtime_of(device: str) -> str:
    """The runtime whose bridge bears such a name; "" if it is none's."""
    return next((runtime for name, _, runtime in BRIDGES if re.fullmatch(name, device)), "")


def default_address(device: str) -> str:
    """The address with prefix length that a runtime gives to its bridge; "" if it has no usual one."""
    return next((address for name, address, _ in BRIDGES if address and re.fullmatch(name, device)), "")


def first_host(subnet: str) -> str:
    """The first address of a subnet with its length: a bridge's own by custom of all runtimes; "" for what is no IPv4 subnet."""
    return nth_host(subnet, 1)


def nth_host(subnet: str, number: int) -> str:
    """An address of a subnet with its length; "" for what is no IPv4 subnet or too small."""
    try:
        net = prefix(subnet)
    except ValueError:
        return ""
    if net.family != 4 or net.length > 30 or not net.length or net.value + number >= net.last:
        return ""
    return f"{to_text(net.value + number)}/{net.length}"


def gateway_of(network: Fact) -> str:
    """Address with length of a runtime network's bridge; "" if the runtime does not tell."""
    for subnet, gateway in zip(network.get("subnets", ()), network.get("gateways", ()), strict=False):
        if is_address(str(gateway)) and ":" not in str(gateway):
            return f"{gateway}/{prefix(str(subnet)).length}"
    return next((made for subnet in network.get("subnets", ()) if (made := first_host(str(subnet)))), "")
