"""The rest of a node, as every machine of its kind has it, where only a part was shown.

A stranger's post holds one or two outputs: a firewall without devices, addresses without routes.  What is certain to exist beside them is
supposed here (a bridge under the name that rules use, with the address that its subnet gives it; a network card with a default route; a
container on the bridge).  Supposed facts have no source: whatever dies on one of them alone is no finding.  Nothing is supposed where a
listing was seen as a whole, for what it lacks does not exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from engine.facts import HOST, ChainText, Fact, FactBase, RuleLine
from engine.findings import Assumption
from engine.inet import in_prefix, is_address, prefix, prefixes, to_int, to_text
from engine.suppose import pods
from engine.suppose.clues import (
    BRIDGES,
    NICS,
    TUNNELS,
    VIRTUAL,
    Clues,
    Served,
    clues_of,
    default_address,
    first_host,
    gateway_of,
    nth_host,
    runtime_of,
    usual_length,
)
from engine.suppose.firewall import entered, entries, gathered, with_interfaces
from engine.suppose.said import FIRST_TENANT, OLD_DOCKER0, OVER_VPN, holds_containers, published_port, vpn_server
from engine.suppose.tenants import FIRST, PORTS, Tenants
from engine.suppose.tenants import inside as _inside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence


LAN: Final = "192.0.2"
"""Network of a card whose address nobody showed (RFC 5737)."""
RESOLVER: Final = "8.8.8.8"
"""A name server outside, where nobody showed one."""
USUAL_CARD: Final = "eth0"
DOCKERS: Final = "172.16.0.0/12"
"""Range of most of docker's own address pools."""
SCHEMES: Final = {"http": 80, "https": 443}
"""Ports of URLs that name none."""

USUAL_BRIDGES: Final = frozenset({"docker0", "cni-podman0", "virbr0"})
"""Bridges that are there on every machine with docker, podman or libvirt."""

ROUTED: Final = re.compile(r"(?:ve-|vb-|vz-|veth|cali)[\w.-]*")
"""Devices by which a host reaches one container."""
ROUTED_INDEX: Final = 9600
MOST_SPECIFIC: Final = 31
"""Length of a prefix from which on nobody else is in it."""
UNSEEN_BRIDGE: Final = "br-unseen"
"""Begins the names for bridges of containers whose node was not shown."""

_IFCONFIG: Final = re.compile(r"\S+: flags=\d+<|\S+\s+Link encap:")

RUNTIME_WORDS: Final = (
    ("podman", re.compile(r"\bpodman\b")),
    ("lxd", re.compile(r"\b(?:lxd|incus)\b|\blxdbr\d|\bincusbr\d")),
    ("lxc", re.compile(r"\blxc\b|\blxcbr\d")),
    ("libvirt", re.compile(r"\b(?:libvirt|kvm|qemu|vms?|virtual machines?|guests?)\b|\bvirbr\d|虚拟机|虚机")),
    ("nerdctl", re.compile(r"\bnerdctl\b")),
    ("kubernetes", pods.WORDS),
    ("docker", re.compile(r"\bdocker\b|\bcompose\b|\bdocker0\b|\baddress pool")),
)
"""Runtime → words of a symptom that tell that it is about its containers."""


MESH: Final = "100.100.100.100/10"
"""Where every machine of a tailnet has its address (RFC 6598), and the one that is the machine's own for its name server."""


class Supposed(NamedTuple):
    """What was added to the evidence."""

    facts: tuple[Fact, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    instead: tuple[Fact, ...] = ()
    """Facts of the evidence that others of ``facts`` tell better."""

    def beside(self, facts: Sequence[Fact]) -> list[Fact]:
        """The evidence with what was supposed."""
        replaced = {id(fact) for fact in self.instead}
        return [*(f for f in facts if id(f) not in replaced), *self.facts]


def suppose(facts: FactBase, symptom: str = "") -> Supposed:
    """Facts that complete the nodes of the evidence; none where a node was shown as a whole."""
    nodes = dict.fromkeys(f.node for f in facts.facts if f.node)
    named = [m[0] for m in re.finditer(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!/?\d|\.\d)", symptom) if is_address(m[0])]
    made = [_Node(facts, clues_of(facts, node), " ".join(symptom.lower().split()), tuple(named)).complete() for node in nodes]
    return Supposed(
        tuple(fact for one in made for fact in one.facts),
        tuple(assumption for one in made for assumption in one.assumptions),
        tuple(fact for one in made for fact in one.instead),
    )


@dataclass(slots=True)
class _Node:
    """One node on its way to a whole."""

    facts: FactBase
    clues: Clues
    symptom: str
    named: tuple[str, ...]
    """IPv4 addresses that the symptom names."""
    made: list[Fact] = field(default_factory=list)
    instead: list[Fact] = field(default_factory=list)
    assumptions: list[Assumption] = field(default_factory=list)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    """Device → its addresses with length, shown or supposed."""
    bare: set[str] = field(default_factory=set)
    """Devices that were shown to have no address."""

    @property
    def node(self) -> str:
        """Name of the node."""
        return self.clues.node

    def complete(self) -> Supposed:
        """Everything that the node lacks."""
        self._known_networks()
        self._known_addresses()
        if not self._whole("addresses") and "lo" not in self.addresses:
            self._add("address", device="lo", address="127.0.0.1", prefixlen=8, scope="host", family=4)
        self._pods()
        self._bare_devices()
        tenants = Tenants(self.facts, self.node)
        self._bridges(tenants.subnets())
        self._tunnels()
        self._card()
        self._node_ports()
        self._routes()
        self._types()
        self._containers(tenants)
        self._routed()
        self._networks()
        self._parameters()
        self._firewall()
        return Supposed(tuple(self.made), tuple(self.assumptions) if self.made else (), tuple(self.instead))

    # --- what was shown -------------------------------------------------------------------------------------------

    def _whole(self, what: str, *scopes: str) -> bool:
        """Whether a listing of the node's own stack was seen as a whole (in one of the scopes)."""
        return any(
            f.get("what") == what and f.get("scope", "all") in {"all", *scopes} and f.get("family", 4) == 4
            for f in self.facts.at("collected", self.node, HOST)
        )

    def _shown_addresses(self, device: str) -> bool:
        """Whether all addresses of a device were shown."""
        return device in self.bare or self._whole("addresses", device)

    def _add(self, kind: str, **fields: Any) -> None:
        self.made.append(Fact(kind, fields, self.node, HOST))

    def _say(self, en: str, zh: str) -> None:
        self.assumptions.append(Assumption({"en": en, "zh": zh}))

    def _known_networks(self) -> None:
        """Bridges of networks whose listing was cut: nobody knows their names."""
        for number, network in enumerate(self.facts.of_kind("container_network")):
            if network.node == self.node and network.get("driver") == "bridge" and not network.get("bridge") and network.get("subnets"):
                self.instead.append(network)
                self.made.append(replace(network, fields={**network.fields, "bridge": f"{UNSEEN_BRIDGE}-{number}"}))
        if self.instead:
            self.facts = FactBase(Supposed(tuple(self.made), instead=tuple(self.instead)).beside(self.facts.facts), self.facts.expanders)
            self.clues = clues_of(self.facts, self.node)

    def _known_addresses(self) -> None:
        for network in self.facts.of_kind("container_network"):
            if network.node == self.node and network.get("bridge") and network.get("subnets"):
                self.clues.subnets.setdefault(str(network.get("bridge")), str(network.get("subnets")[0]))
        for fact in self.facts.at("address", self.node, HOST):
            if fact.get("family", 4) == 4 and is_address(str(fact.get("address", ""))):
                self.addresses.setdefault(str(fact.get("device", "")), []).append(f"{fact.get('address')}/{fact.get('prefixlen', 32)}")
        for device, owns in self.addresses.items():
            # "containers on mybr": whatever made that bridge, containers hang on it.
            if not NICS.fullmatch(device) and holds_containers(self.symptom, device) and prefix(owns[0]).length < MOST_SPECIFIC:
                self.clues.subnets.setdefault(device, str(prefix(owns[0])))
        self._said_networks()

    def _said_networks(self) -> None:
        """Bridges without an address that the symptom says to hold the very containers whose addresses it names."""
        held = [own for owns in self.addresses.values() for own in owns] + list(self.clues.subnets.values())
        named = [a for a in self.named if _is_private(a) and not any(_inside(a, own) for own in held)]
        said = [d for d in self.clues.devices if d not in self.addresses and d not in self.clues.subnets and holds_containers(self.symptom, d)]
        if named and len(said) == 1 and not runtime_of(said[0]) and not NICS.fullmatch(said[0]):
            self.clues.subnets[said[0]] = str(prefix(f"{named[0]}/{usual_length(named[0])}"))

    def _bare_devices(self) -> None:
        """Devices that ``ifconfig`` shows without an IPv4 address: it leaves out the second of a device, never the only one."""
        for link in self.facts.at("link", self.node, HOST):
            name = str(link.get("name"))
            if name not in self.addresses and self._is_container_bridge(name) and _IFCONFIG.match(link.source.line(link.line)):
                self._add("collected", what="addresses", scope=name, family=4)
                self.bare.add(name)

    # --- devices --------------------------------------------------------------------------------------------------

    def _bridges(self, inner: Sequence[str]) -> None:
        """Bridges of runtimes: those that rules, routes and networks name, with the address that these give them."""
        self._usual_bridge(inner)
        for subnet, kind in self.clues.podman.items():
            net = self._podman_subnet(subnet)
            if net and not any(_inside(net, own) for owns in (*self.addresses.values(), self.clues.subnets.values()) for own in owns):
                number = len([d for d in self.clues.devices if runtime_of(d) == "podman"])
                device = next((d for d in self.clues.devices if runtime_of(d) == "podman" and d not in self.clues.subnets), "")
                device = device or f"{'cni-' if kind == 'CNI' else ''}podman{number}"
                self.clues.devices.setdefault(device, None)
                self.clues.subnets.setdefault(device, net)
        for device in list(self.clues.devices):
            if device in self.addresses or self._shown_addresses(device):
                continue
            address = self._bridge_address(device)
            if address:
                self._give(device, address, self._type(device))

    def _usual_bridge(self, within: Sequence[str]) -> None:
        """The bridge that a runtime makes by itself, if the symptom or an address of a container speaks of that runtime and no bridge was shown."""
        named = [d for d in re.findall(r"[\w-]+", self.symptom) if runtime_of(d)]
        self.clues.devices.update(dict.fromkeys(named))
        if self._whole("addresses") or self._whole("links"):
            return
        inner = [*(own.partition("/")[0] for own in within), *(s.address for s in self.clues.served.values())]
        spoken = {f.get("runtime") for f in self._running()}
        spoken |= {runtime for runtime, words in RUNTIME_WORDS if words.search(self.symptom)}
        spoken |= {"docker"} if any(" docker " in f" {f.source.command}" for f in self.facts.facts if f.node == self.node) else set()
        tables = self.facts.at("netfilter_table", self.node, HOST)
        spoken |= {"docker"} if any(chain.name.startswith("DOCKER") for t in tables for chain in t.get("chains", ())) else set()
        shown = {runtime_of(d) for d in self.clues.devices} - {""}
        if not spoken and not shown and re.search(r"\bcontainers?\b|容器", self.symptom):
            spoken = {"docker"}
        for name, own, runtime in BRIDGES:
            said = any(_inside(address, own) for address in (*inner, *self._unrouted(own))) if own else False
            if name in USUAL_BRIDGES and runtime not in shown and (said or runtime in spoken):
                self.clues.devices.setdefault(name, None)
        for number, own in enumerate((*within, *self._called(spoken))):
            known = [default_address(d) or net for d in self.clues.devices for net in (self.clues.subnets.get(d, ""),)]
            held = [own for owns in self.addresses.values() for own in owns]
            if not any(_inside(own.partition("/")[0], net) for net in (*known, *held) if net):
                self.clues.devices.setdefault(f"{UNSEEN_BRIDGE}{number}", None)
                self.clues.subnets.setdefault(f"{UNSEEN_BRIDGE}{number}", str(prefix(own)))

    def _unrouted(self, own: str) -> list[str]:
        """Addresses that the symptom names and that no route of the node claims for another device within a bridge's usual subnet."""
        subnet = prefix(own)
        nets = [net for f in self.facts.at("route", self.node, HOST) for net in prefixes([f.get("dst")])]
        return [a for a in self.named if not any(subnet.covers(net) and net.covers(prefix(a)) for net in nets)]

    def _called(self, spoken: Collection[str | None]) -> list[str]:
        """Addresses with length that the symptom names and that docker gives to containers, where it is about docker's."""
        given = [a for a in self.named if in_prefix(a, DOCKERS) and to_int(a) - prefix(f"{a}/{usual_length(a)}").value <= FIRST]
        return [f"{a}/{usual_length(a)}" for a in given] if "docker" in spoken else []

    def _pods(self) -> None:
        """The bridge of a cluster node's pods, and those that the API lists."""
        bridge = next((own for device, owns in self.addresses.items() if runtime_of(device) == "kubernetes" for own in owns), "")
        if bridge:
            # It was shown: who hangs on it the API knows.
            found = pods.containers(self.facts, self.node, bridge.partition("/")[0])
            self.facts = self.facts.plus(f for f in found if _inside(str(f.get("endpoints")[0]["address"]), bridge))
            return
        if self._whole("addresses") or self._whole("links") or not pods.is_told(self.facts, self.node, self.symptom):
            return
        subnet = pods.subnet_of(self.facts, self.node)
        self.clues.devices.setdefault(pods.BRIDGE, None)
        self.clues.subnets.setdefault(pods.BRIDGE, subnet)
        found = pods.containers(self.facts, self.node, first_host(subnet).partition("/")[0])
        self.facts = self.facts.plus(found)

    def _node_ports(self) -> None:
        """Node ports that the symptom names lead to a pod, unless the node's translations were shown."""
        owns = [own for device, held in self.addresses.items() if runtime_of(device) == "kubernetes" for own in held]
        if not owns or any(f.get("table") == "nat" for f in self.facts.at("netfilter_table", self.node, HOST)):
            return
        for number in re.findall(r"(?<![\d.])3[0-2]\d{3}(?![\d.])", self.symptom)[:2]:
            if int(number) in pods.NODE_PORTS:
                address = (nth_host(str(prefix(owns[0])), pods.SERVER) or owns[0]).partition("/")[0]
                self.clues.served.setdefault(("tcp", int(number)), Served(address, 80, int(number), "tcp"))

    def _leased(self, device: str) -> str:
        """The address that the bridge of a node's pods has by flannel's lease; "" for another bridge, or without a lease."""
        leases = (str(f.get("subnet", "")) for f in self.facts.at("flannel_subnet", self.node, HOST))
        return next((lease for lease in leases if lease and runtime_of(device) == "kubernetes"), "")

    def _type(self, device: str) -> str:
        """Type of a device by its name."""
        if self._is_container_bridge(device):
            return "bridge"
        return "wireguard" if device.startswith("wg") else "tun" if TUNNELS.fullmatch(device) else "ether"

    def _is_container_bridge(self, device: str) -> bool:
        """Whether containers or virtual machines hang on a device."""
        return bool(runtime_of(device)) or device in self.clues.subnets

    @staticmethod
    def _podman_subnet(source: str) -> str:
        """The network of a container whose rule names its address only: podman's default ones are /16 and /24."""
        text = source.removesuffix("/32")
        if "/" in text:
            return text
        if not is_address(text) or ":" in text:
            return ""
        return str(prefix(f"{text}/{16 if in_prefix(text, '10.88.0.0/16') else 24}"))

    def _bridge_address(self, device: str) -> str:
        routed = self._routed_address(device)
        if routed:
            return routed
        for network in self.facts.of_kind("container_network"):
            if network.node == self.node and network.get("bridge") == device and (own := gateway_of(network)):
                return own
        if not runtime_of(device) and device not in self.clues.subnets:
            return ""
        subnet = self.clues.subnets.get(device, "") or default_address(device)
        for address in self.named:
            said = rf"(?:docker0|bridge|gateway|网桥|网关)[^.,;\d]{{0,20}}{re.escape(address)}(?![.\d])"
            if subnet and _inside(address, subnet) and (address == OLD_DOCKER0 or re.search(said, self.symptom)):
                return f"{address}/{subnet.partition('/')[2]}"
        return first_host(self.clues.subnets.get(device, "")) or default_address(device)

    def _routed_address(self, device: str) -> str:
        """The address that the kernel's own route of a device names."""
        for route in self.facts.at("route", self.node, HOST):
            if route.get("device") == device and route.get("src") and not route.get("gateway") and is_address(str(route.get("src"))):
                try:
                    length = prefix(str(route.get("dst"))).length
                except ValueError:
                    continue
                if ":" not in str(route.get("src")) and length:
                    return f"{route.get('src')}/{length}"
        # "route -n" tells no source addresses: a network without a gateway is the device's own.
        for route in self.facts.at("route", self.node, HOST):
            dst = str(route.get("dst", ""))
            if route.get("device") == device and not route.get("gateway") and route.get("type", "unicast") == "unicast" and ":" not in dst:
                found = first_host(dst) if runtime_of(device) else nth_host(dst, 250)
                if found and not in_prefix(dst, "169.254.0.0/16"):
                    return found
        return ""

    def _give(self, device: str, own: str, kind: str) -> None:
        """Let a device have an address."""
        address, _, length = own.partition("/")
        self.addresses.setdefault(device, []).append(own)
        self._add("address", device=device, address=address, prefixlen=int(length), scope="global", family=4)
        if not any(f.get("name") == device for f in self.facts.at("link", self.node, HOST)):
            self._add("link", name=device, type=kind, up=True, carrier=True)
        self._say(f"{device} on {self.node} has the address {own}.", f"{self.node} 的 {device} 地址为 {own}。")

    def _tunnels(self) -> None:
        """Tunnels that rules or the symptom speak of: a mesh with all its members' addresses, a VPN server's with its clients'."""
        shown = [d for d in self.clues.devices if TUNNELS.fullmatch(d)]
        for device in shown:
            if device.startswith("tailscale") and device not in self.addresses and not self._shown_addresses(device):
                self._give(device, MESH, "tun")
        server = vpn_server(self.symptom)
        if shown or not server or self._whole("links") or self._whole("addresses"):
            return
        device, own = server
        named = next((a for a in self.named if not any(_inside(a, o) for owns in self.addresses.values() for o in owns)), "")
        told = re.search(r"(?<![\d.])(\d{1,3}\.\d{1,3}\.\d{1,3})\.(?:x|\*|0/24)(?![\w.])", self.symptom)
        subnet = f"{told[1]}.0/24" if told else f"{named}/24" if named and in_prefix(named, "10.0.0.0/8") else own
        self._give(device, first_host(subnet) or first_host(own), "wireguard" if device.startswith("wg") else "tun")

    def _card(self) -> None:
        """A network card with an address, where none was shown."""
        if any(self._is_card(device) for device in self.addresses) or self._whole("addresses"):
            return
        links = [str(f.get("name")) for f in self.facts.at("link", self.node, HOST) if f.get("type") in {"ether", None} and not f.get("master")]
        default = [str(r.get("device")) for r in self.facts.at("route", self.node, HOST) if r.get("dst") == "0.0.0.0/0" and r.get("device")]
        named = [d for d in (*default, *links, *self.clues.devices) if self._is_card(d) and not self._whole("addresses", d)]
        device = named[0] if named else USUAL_CARD
        self._give(device, self._routed_address(device) or self._own_address() or f"{LAN}.10/24", "ether")

    def _is_card(self, device: str) -> bool:
        if TUNNELS.fullmatch(device) or device == "lo":
            return False
        return NICS.fullmatch(device) is not None or not (VIRTUAL.fullmatch(device) or self._is_container_bridge(device))

    def _own_address(self) -> str:
        """An address that the symptom names with a port that this node publishes: it is the node's own."""
        ports = {port for _, port in self.clues.served}
        ports |= {int(p["host_port"]) for f in self._running() for p in f.get("ports", ()) if p.get("host_port")}
        for address in self.named:
            asked = re.search(rf"(?:(?P<scheme>https?)://)?{re.escape(address)}(?:\D{{1,8}}(?P<port>\d{{2,5}})\b)?", self.symptom)
            port = int(asked["port"] or SCHEMES.get(str(asked["scheme"]), 0)) if asked else 0
            inside = any(_inside(address, own) for owns in self.addresses.values() for own in owns)
            if port in ports and not inside and not address.startswith("127."):
                return f"{address}/24"
        return ""

    # --- routes ---------------------------------------------------------------------------------------------------

    def _routes(self) -> None:
        """The routes that addresses make, and a way out."""
        if self._whole("routes", "main"):
            return
        shown = [r for r in self.facts.at("route", self.node, HOST) if r.get("table", "main") == "main"]
        known = {str(r.get("dst")) for r in shown}
        for device, owns in self.addresses.items():
            for own in owns:
                net = prefix(own)
                if net.length < 32 and str(net) not in known and self._may_route(device):
                    self._add_route(str(net), device, src=own.partition("/")[0])
        if "0.0.0.0/0" in known or "0.0.0.0/1" in known:
            return
        tunnel = next((d for d in self.addresses if TUNNELS.fullmatch(d)), "") if OVER_VPN.search(self.symptom) else ""
        if tunnel:
            self._add_route("0.0.0.0/0", tunnel)
            en = f"{self.node} reaches the outside by {tunnel} (its routes were not collected)."
            self._say(en, f"{self.node} 经 {tunnel} 访问外部（未采集路由）。")
            return
        for device, owns in self.addresses.items():
            gateway = next((g for own in owns if (g := _neighbour(own))), "") if self._is_card(device) or self._is_uplink_bridge(device) else ""
            if gateway:
                self._add_route("0.0.0.0/0", device, gateway=gateway)
                self._say(
                    f"{self.node} has a default route by {device} (its routes were not collected).",
                    f"{self.node} 的默认路由经 {device}（未采集路由）。",
                )
                return

    def _may_route(self, device: str) -> bool:
        """Whether a device's routes are there: those of one that is down are not."""
        return not any(f.get("name") == device and f.get("up") is False for f in self.facts.at("link", self.node, HOST))

    def _is_uplink_bridge(self, device: str) -> bool:
        """A bridge that a network card is a port of."""
        return any(f.get("master") == device and NICS.fullmatch(str(f.get("name"))) for f in self.facts.at("link", self.node, HOST))

    def _add_route(self, dst: str, device: str, **more: str) -> None:
        scope = {} if "gateway" in more else {"scope": "link"}
        self._add("route", table="main", type="unicast", dst=dst, device=device, metric=0, family=4, **scope, **more)

    # --- containers -----------------------------------------------------------------------------------------------

    def _running(self) -> list[Fact]:
        return [f for f in self.facts.of_kind("container") if f.node == self.node and f.get("state", "running") == "running"]

    def _has_ports(self, device: str) -> bool:
        """Whether a bridge was shown with somebody on it."""
        links = (f.get("master") == device for f in self.facts.at("link", self.node, HOST))
        return any(links) or any(f.get("master") == device for f in self.facts.at("bridge_port", self.node, HOST))

    def _meant(self, machines: Sequence[str], bridges: Iterable[str]) -> list[str]:
        """Bridges whose containers the symptom may be about; ``machines``: bridges to the world outside with machines on them."""
        held = [d for d in bridges if self._is_container_bridge(d)]
        if machines and dict(RUNTIME_WORDS)["libvirt"].search(self.symptom):
            return [*machines, *(d for d in held if runtime_of(d) == "libvirt")]
        named = [d for d in held if re.search(rf"(?<![\w-]){re.escape(d.lower())}(?![\w-])", self.symptom)]
        if named:
            return named
        for runtime, words in RUNTIME_WORDS:
            fits = [d for d in held if runtime_of(d) == runtime]
            if fits and words.search(self.symptom):
                return fits
        return [d for d in held if runtime_of(d) == "docker"] or held

    def _machine_bridges(self) -> list[str]:
        """Bridges to the world outside that machines hang on too."""
        links = list(self.facts.at("link", self.node, HOST))
        hung = {f.get("master") for f in links if PORTS.fullmatch(str(f.get("name", ""))) and f.get("master")}
        return [d for d in self.addresses if d in hung and self._is_uplink_bridge(d)]

    def _containers(self, tenants: Tenants) -> None:
        """Containers and machines on the bridges that may be meant."""
        machines = self._machine_bridges()
        bridges = {d: owns[0] for d, owns in self.addresses.items() if self._is_container_bridge(d) or d in machines}
        for network in self.facts.of_kind("container_network"):
            # A bridge may have lost its address; its containers ask for it all the same.
            if network.node == self.node and network.get("bridge") and (own := gateway_of(network)):
                bridges.setdefault(str(network.get("bridge")), own)
        for device in self.clues.devices:
            # Shown without an address, with somebody on it: these ask for the address that the runtime gave it once.
            own = default_address(device) or self._leased(device)
            if own and self._shown_addresses(device) and (self._has_ports(device) or tenants.stacks):
                bridges.setdefault(device, own)
        meant = [d for d in self._meant(machines, bridges) if self._may_hold(d) or tenants.stacks]
        self._published(meant, bridges)
        planned = tenants.planned(bridges, meant, self.clues, self.named)
        whole = self._whole("links")
        self._carry({tenant.bridge for tenant in planned if tenant.passing or not whole})
        routes = [f for f in (*self.facts.at("route", self.node, HOST), *self.made) if f.kind == "route" and f.get("dst") == "0.0.0.0/0"]
        outside = next((str(f.get("gateway")) for f in routes if f.get("gateway")), "")
        gateways = {d: outside or own.partition("/")[0] if d in machines else own.partition("/")[0] for d, own in bridges.items()}
        names = {str(f.get("bridge")): str(f.get("name")) for f in self.facts.of_kind("container_network") if f.node == self.node}
        # Who is on a network that lists its containers is known; so is who hangs on a bridge that was not shown.
        listed = {str(f.get("bridge")) for f in self.facts.of_kind("container_network") if f.node == self.node and f.get("members")}
        closed = [*machines, *(d for d in bridges if d not in self.addresses or d in listed)]
        self.made += tenants.completed(planned, bridges, gateways, {"docker0": "bridge", **names}, closed)
        for tenant in planned:
            if not tenant.shown:
                en = f"{tenant.name} on {tenant.bridge} of {self.node} has the address {tenant.address}."
                self._say(en, f"{self.node} 的 {tenant.bridge} 上的 {tenant.name} 地址为 {tenant.address}。")

    def _routed(self) -> None:
        """Containers that hang on no bridge: the host has a route to their very address by a device of their own (systemd-nspawn)."""
        held = {f.get("address") for f in self.facts.of_kind("address")}
        for number, route in enumerate(self.facts.at("route", self.node, HOST)):
            address, device = str(route.get("dst", "")).removesuffix("/32"), str(route.get("device", ""))
            own = next((o.partition("/")[0] for o in self.addresses.get(device, ())), "")
            if address not in self.named or address in held or route.get("gateway") or not own or not ROUTED.fullmatch(device):
                continue
            name, outer, inner = f"container {address}", ROUTED_INDEX + 2 * number, ROUTED_INDEX + 2 * number + 1
            self._add("link", name=device, type="veth", index=outer, peer_index=inner, up=True, carrier=True)
            stack = (
                ("netns", {"name": name, "role": "container", "entry": ""}),
                ("link", {"name": "host0", "type": "veth", "index": inner, "peer_index": outer, "up": True, "carrier": True}),
                ("address", {"device": "host0", "address": address, "prefixlen": 32, "scope": "global", "family": 4}),
                ("route", {"table": "main", "type": "unicast", "dst": f"{own}/32", "device": "host0", "scope": "link", "metric": 0, "family": 4}),
                ("route", {"table": "main", "type": "unicast", "dst": "0.0.0.0/0", "device": "host0", "gateway": own, "metric": 0, "family": 4}),
            )
            self.made += [Fact(kind, fields, self.node, name) for kind, fields in stack]
            end = {"network": device, "address": address, "prefixlen": 32, "gateway": own}
            self._add("container", id="", name=name, state="running", runtime="nspawn", endpoints=(end,), ports=())
            self._say(f"{name} of {self.node} is reached by {device}.", f"{self.node} 的 {name} 经 {device} 到达。")

    def _carry(self, bridges: set[str]) -> None:
        """A bridge has a carrier as soon as somebody hangs on it: who listed it alone, and empty, did so before or after."""
        for link in list(self.facts.at("link", self.node, HOST)):
            if link.get("name") in bridges and link.get("carrier") is False and link.get("up") and not self._has_ports(str(link.get("name"))):
                self.instead.append(link)
                self.made.append(replace(link, fields={**link.fields, "carrier": True}))

    def _published(self, meant: Sequence[str], bridges: Mapping[str, str]) -> None:
        """The port that the symptom says a container publishes, where neither a listing of containers nor a rule tells of one."""
        told = [f for f in self._running() if f.get("ports")]
        shown = any(f.get("table") == "nat" and f.get("family", 4) == 4 for f in self.facts.at("netfilter_table", self.node, HOST))
        port = published_port(self.symptom)
        if told or shown or self.clues.served or port is None or not meant:
            return
        held = self.clues.held.get(meant[0]) or nth_host(str(prefix(bridges[meant[0]])), FIRST_TENANT).partition("/")[0]
        if held:
            self.clues.served["tcp", port[0]] = Served(held, port[1], port[0], "tcp")

    def _may_hold(self, device: str) -> bool:
        """Whether somebody may hang on a bridge: not on one that a whole listing shows without a port or a carrier."""
        links = list(self.facts.at("link", self.node, HOST))
        if re.search(rf"(?<![\w-]){re.escape(device.lower())}(?![\w-])", self.symptom):
            return True
        if any(f.get("name") == device and f.get("carrier") is False for f in links) and not self._running():
            return False
        return not self._whole("links") or any(f.get("master") == device for f in links) or bool(self._running())

    def _types(self) -> None:
        """Types that a listing without details (``ip address``) does not tell, by the names that runtimes give."""
        links = list(self.facts.at("link", self.node, HOST))
        masters = {f.get("master") for f in links}
        for name in dict.fromkeys(str(f.get("name")) for f in links):
            if not any(f.get("type") for f in links if f.get("name") == name):
                kind = "bridge" if name in masters or self._is_container_bridge(name) else "veth" if name.startswith("veth") else ""
                if kind:
                    self._add("link", name=name, type=kind)

    def _networks(self) -> None:
        """Docker's default network, where docker is there and its networks were not shown."""
        shown = any(f.node == self.node and f.get("bridge") == "docker0" for f in self.facts.of_kind("container_network"))
        if "docker0" in self.addresses and not shown and not self._whole("container_networks"):
            own = self.addresses["docker0"][0]
            gateway = own.partition("/")[0]
            self._add(
                "container_network",
                runtime="docker",
                name="bridge",
                driver="bridge",
                bridge="docker0",
                subnets=(str(prefix(own)),),
                gateways=(gateway,),
                masquerade=True,
                icc=True,
                internal=False,
                options={},
            )

    # --- parameters and filter ------------------------------------------------------------------------------------

    def _parameters(self) -> None:
        """Parameters as runtimes and distributions set them."""
        seen = {str(f.get("key")) for f in self.facts.at("sysctl", self.node, HOST)}
        if self._whole("sysctls"):
            return
        forwards = {"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"}
        usual = {"net.ipv4.conf.all.rp_filter": "2", "net.bridge.bridge-nf-call-iptables": "1"}
        routed = any(f.kind == "container" and f.get("runtime") == "nspawn" for f in self.made)
        if not seen & forwards and (routed or any(self._is_container_bridge(d) for d in self.addresses)):
            usual["net.ipv4.ip_forward"] = "1"
            self._say(f"{self.node} forwards, as its runtime sees to.", f"{self.node} 已由运行时开启转发。")
        elif not seen & forwards and self._translates_tunnels():
            usual["net.ipv4.ip_forward"] = "1"
            self._say(f"{self.node} forwards: it has a rule for clients of its tunnel.", f"{self.node} 已开启转发：它有针对隧道客户端的规则。")
        if any(key.endswith(".rp_filter") for key in seen):
            del usual["net.ipv4.conf.all.rp_filter"]
        # A key that was asked for and is not there has no value at all: the module that brings it is not loaded.
        seen |= {str(f.get("scope")) for f in self.facts.at("collected", self.node, HOST) if f.get("what") == "sysctls"}
        for key, value in usual.items():
            if key not in seen:
                self._add("sysctl", key=key, value=value)

        if not any(f.node == self.node for f in self.facts.of_kind("dns_config")):
            asked = [str(f.get("server")) for f in self.facts.at("observed", self.node, HOST) if f.get("server")]
            self._add("dns_config", nameservers=tuple(dict.fromkeys(asked)) or (RESOLVER,), search=(), options=(), file="/etc/resolv.conf")

    def _translates_tunnels(self) -> bool:
        """Whether a rule gives the clients of one of the node's tunnels another source: who wrote it had the node forward."""
        nets = [str(prefix(own)) for device, owns in self.addresses.items() if TUNNELS.fullmatch(device) for own in owns]
        tables = (f for f in self.facts.at("netfilter_table", self.node, HOST) if f.get("table") == "nat")
        specs = (rule.spec for table in tables for chain in table.get("chains", ()) for rule in chain.rules)
        return bool(nets) and any(f"-s {net} " in spec and re.search(r"-j (?:MASQUERADE|SNAT)\b", spec) for spec in specs for net in nets)

    def _firewall(self) -> None:
        """Tables that were not shown: an empty filter, and the translation that runtimes set up."""
        for fact in self.facts.at("nft_ruleset", self.node, HOST):
            if (whole := entered(fact)) is not None:
                self.instead.append(fact)
                self.made.append(whole)
        for table in ("filter", "nat"):
            shown = [f for f in self.facts.at("netfilter_table", self.node, HOST) if f.get("table") == table and f.get("family", 4) == 4]
            shown = self._told(shown)
            if self._whole("netfilter", table, "nft-native") or any(not f.get("partial") for f in shown):
                continue
            chains = list(self._nat()) if table == "nat" else [ChainText(name, "ACCEPT") for name in ("INPUT", "FORWARD", "OUTPUT")]
            there = {chain.name for fact in shown for chain in fact.get("chains", ())}
            docker = [d for d in self.addresses if runtime_of(d) == "docker"]
            ways = entries(table, shown, docker)
            if table == "filter" and docker and shown and "FORWARD" not in there and not any(name.startswith("DOCKER") for name in there):
                # Who cut a chain out left docker's own behind.
                chains.append(ChainText("DOCKER-USER", ""))
                ways = {**ways, "FORWARD": (*ways.get("FORWARD", ()), RuleLine(0, "-j DOCKER-USER"))}
            rest = [replace(c, rules=(*ways.get(c.name, ()), *c.rules)) for c in chains if c.name not in there]
            if len(shown) == 1:
                # One table: its chains may jump to each other.
                if any(f is shown[0] for f in self.made):
                    self.made = [f for f in self.made if f is not shown[0]]
                else:
                    self.instead.append(shown[0])
                own = {key: value for key, value in shown[0].fields.items() if key != "partial"}
                self.made.append(replace(shown[0], fields={**own, "chains": (*shown[0].get("chains"), *rest)}))
            else:
                self._add("netfilter_table", family=4, table=table, chains=tuple(rest), backend=self._backend())
            self._say(f"the {table} table of {self.node} is as usual (it was not collected).", f"{self.node} 的 {table} 表按通常情况处理（未采集）。")

    def _told(self, shown: list[Fact]) -> list[Fact]:
        """Tables with their chains gathered and their interfaces told."""
        found = gathered(shown)
        told = [found] if found else shown
        bridges = {d: str(prefix(owns[0])) for d, owns in self.addresses.items() if self._is_container_bridge(d)}
        told = [with_interfaces(fact, bridges) or fact for fact in told]
        self.instead += [f for f in shown if not any(f is t for t in told)]
        self.made += [f for f in told if not any(f is t for t in shown)]
        return told

    def _backend(self) -> str:
        """The backend of the tables that were shown."""
        return next((str(f.get("backend")) for f in self.facts.at("netfilter_table", self.node, HOST) if f.get("backend")), "")

    def _is_flushed(self, table: str) -> bool:
        """Whether docker says itself that its chain of a table is gone."""
        said = (str(f.get("text", "")) for f in self.facts.at("component_log", self.node, HOST))
        return any(f"-t {table} " in text and "no chain/target/match by that name" in text for text in said)

    def _nat(self) -> Iterator[ChainText]:
        """Nat as a runtime writes it."""
        ports: list[RuleLine] = []
        docker: list[RuleLine] = []
        for fact in (f for f in (*self._running(), *self.made) if f.kind == "container" and f.get("endpoints")):
            address = str(fact.get("endpoints")[0].get("address", ""))
            bridge = next((d for d, owns in self.addresses.items() if any(_inside(address, own) for own in owns)), "")
            own = fact.get("runtime") == "docker" and bridge
            for port in fact.get("ports", ()):
                # Of a container on several networks, a rule that was shown says which address is meant.
                shown = self.clues.served.get((str(port.get("protocol", "tcp")), int(port.get("host_port") or 0)))
                target = shown.address if shown is not None else address
                if port.get("host_port") and is_address(target) and ":" not in target:
                    words = f"-p {port.get('protocol', 'tcp')} --dport {port['host_port']}"
                    words += f" -j DNAT --to-destination {target}:{port['container_port']}"
                    asked = str(port.get("host_ip") or "")
                    only = "" if asked in {"", "0.0.0.0"} or ":" in asked else f"-d {asked}/32 "  # noqa: S104 - read, not bound
                    rule = f"{only}! -i {bridge} {words}" if own else f"{only}-m addrtype --dst-type LOCAL {words}"
                    (docker if own else ports).append(RuleLine(0, rule))
        if self._is_flushed("nat"):
            docker = []
        told = {rule.spec.rpartition("--dport ")[2].partition(" ")[0] for rule in (*ports, *docker)}
        ports += [
            RuleLine(0, f"-m addrtype --dst-type LOCAL -p {s.protocol} --dport {s.host_port} -j DNAT --to-destination {s.address}:{s.port}")
            for s in self.clues.served.values()
            if str(s.host_port) not in told
        ]
        into = [RuleLine(0, "-m addrtype --dst-type LOCAL -j DOCKER")] if docker else []
        # What goes to 127.0.0.0/8 docker leaves to docker-proxy.
        sent = [RuleLine(0, "! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER")] if docker else []
        masquerade = [
            RuleLine(0, f"-s {prefix(owns[0])} ! -o {device} -j MASQUERADE")
            for device, owns in self.addresses.items()
            if self._is_container_bridge(device) and prefix(owns[0]).family == 4
        ]
        yield ChainText("PREROUTING", "ACCEPT", 0, (*into, *ports))
        yield ChainText("INPUT", "ACCEPT")
        yield ChainText("OUTPUT", "ACCEPT", 0, (*sent, *ports))
        if docker:
            yield ChainText("DOCKER", "", 0, tuple(docker))
        yield ChainText("POSTROUTING", "ACCEPT", 0, tuple(masquerade))


def _is_private(address: str) -> bool:
    """Whether runtimes give such addresses to containers (RFC 1918)."""
    return any(in_prefix(address, net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def _neighbour(own: str) -> str:
    """A gateway in the subnet of an address: the first host, or the last if that is the address itself."""
    net = prefix(own)
    if net.family != 4 or net.length > 30:
        return ""
    first = to_text(net.value + 1)
    return first if first != own.partition("/")[0] else to_text(net.last - 1)
