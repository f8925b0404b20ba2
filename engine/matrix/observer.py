"""What one stack's evidence says, as listings of items: of its devices, addresses, routes, parameters, chains and sets."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from engine.facts import HOST
from engine.inet import BITS, family_of
from engine.matrix.items import ANYWHERE, Device, Item, Listing, Mac, Net, host, net, rule_item, span
from engine.model.links import SHARING_TYPES
from engine.model.network import Port
from engine.walk.entered import incoming
from engine.walk.traffic import drops

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.facts import Fact
    from engine.matrix.items import Literal, Part
    from engine.model.netfilter.ruleset import Table
    from engine.model.network import Network
    from engine.model.stack import NetStack

Key = tuple[str, str]
"""Node and stack."""

COUNTERS = ("net.netfilter.nf_conntrack_", "net.core.", "net.ipv4.tcp_", "net.ipv4.udp_", "net.unix.", "net.nf_conntrack_")
"""Parameters of the kernel that differ from machine to machine and that no packet's way depends on; those that do are named here."""
KEPT = frozenset({"net.ipv4.tcp_mtu_probing", "net.ipv4.tcp_tw_reuse"})
FLOOD = "00:00:00:00:00:00"
ATTRIBUTES = (
    "type",
    "mtu",
    "up",
    "carrier",
    "vlan_id",
    "vxlan_id",
    "vxlan_port",
    "vxlan_device",
    "hairpin",
    "isolated",
    "port_state",
    "nf_call_iptables",
    "nf_call_ip6tables",
)
"""Attributes of a device that are told as they are."""
FAR = frozenset({"route", "neighbor", "fdb"})
UNHEARD = frozenset({"FAILED", "INCOMPLETE"})
KEPT = frozenset({"PERMANENT", "NOARP"})
OPAQUE = frozenset({"ipvs_service", "ipvs_server", "wireguard_device", "wireguard_peer", "xfrm_policy", "tc_filter"})
"""Kinds whose facts are not taken apart: two stacks that have any are never taken for equal."""


class Observer:
    """One stack's evidence about packets of one family."""

    def __init__(self, network: Network, stack: NetStack, family: int) -> None:
        self.network = network
        self.stack = stack
        self.family = family
        self.bits = BITS[family]
        self._chains: dict[tuple[int, str], Listing] = {}
        self._sets: dict[str, Listing] = {}
        self._sockets: dict[frozenset[int], Listing] = {}

    @property
    def key(self) -> Key:
        """Node and stack."""
        return self.stack.node, self.stack.name

    # --- devices --------------------------------------------------------------------------------------------------

    @cached_property
    def wires(self) -> dict[str, Key | None]:
        """Devices of a node that lead to one container each, and to which; ``None`` if its stack was not collected."""
        if not self.stack.is_host:
            return {}
        found: dict[str, Key | None] = {}
        for link in self.stack.links.values():
            peer = self.network.peer(Port(self.stack, link))
            if peer is not None and peer.stack is not self.stack:
                found[link.name] = (peer.stack.node, peer.stack.name)
            elif peer is None and link.peer_index is not None and link.type in {"veth", ""}:
                found[link.name] = None
        return found

    def device(self, name: str) -> Part:
        """A device as a part of an item: a literal where it is one container's."""
        return Device(name) if name in self.wires else name

    def _made(self, *parts: Part, device: str = "", select: Sequence[Literal] = (), leads: Sequence[Literal] = ()) -> Item:
        """An item that also selects by a device, if that is one container's."""
        chosen = [*select, *([Device(device)] if device in self.wires else [])]
        return Item(parts, tuple(chosen), leads=tuple(leads))

    # --- facts ----------------------------------------------------------------------------------------------------

    @cached_property
    def facts(self) -> Listing:
        """Everything but chains and sets."""
        return Listing([item for item in self._items() if item.select or not _plain(item)], self.bits)

    @cached_property
    def halves(self) -> tuple[Listing, Listing]:
        """The same in two: what the stack is, which is alike for most flows, and what it knows of others."""
        items = self.facts.items
        return Listing([i for i in items if i.parts[0] not in FAR], self.bits), Listing([i for i in items if i.parts[0] in FAR], self.bits)

    @cached_property
    def leading(self) -> list[Item]:
        """Facts that may send any packet elsewhere: default routes, tunnel devices."""
        return [self.facts.items[place] for place in self.facts.always if self.facts.items[place].leads]

    @cached_property
    def static(self) -> tuple[tuple[Part, ...], ...]:
        """Items that count for every packet and speak of no literal."""
        return tuple(sorted({item.parts for item in self._items() if not item.select and _plain(item)}, key=str))

    def _items(self) -> Iterator[Item]:
        yield from map(self._link, self.stack.links.values())
        yield from self._addresses()
        for fact in self.stack.facts("route"):
            if fact.fields.get("family", 4) == self.family:
                yield self._route(fact)
        for fact in self.stack.facts("routing_rule"):
            if fact.fields.get("family", 4) == self.family:
                yield Item(("rule", *self._parts(fact.fields)))
        yield from self._neighbors()
        yield from self._fdb()
        yield from self._parameters()
        for kind in ("collected", "not_collected"):
            for fact in self.stack.facts(kind):
                scope = str(fact.fields.get("scope", ""))
                yield self._made(kind, str(fact.fields.get("what")), self.device(scope), str(fact.fields.get("family", "")), device=scope)
        if self.stack.netns is not None:
            yield Item(("netns", str(self.stack.netns.fields.get("role", ""))))
        yield from self._reserved()

    def _link(self, link: Any) -> Item:
        peer = self.network.peer(Port(self.stack, link))
        end: tuple[Part, ...] = ("outside",) if self.network.is_external(Port(self.stack, link)) else ("none",)
        if peer is not None:
            end = ("peer", peer.stack.name if peer.stack.is_host else "container", "" if peer.stack.is_host else peer.link.name)
        ends = [host(text, self.family) for text in (link.vxlan_local, link.vxlan_remote, link.tunnel_local, link.tunnel_remote)]
        told = [made or text for made, text in zip(ends, (link.vxlan_local, link.vxlan_remote, link.tunnel_local, link.tunnel_remote), strict=True)]
        parts = ("link", self.device(link.name), *(f"{name}={getattr(link, name)}" for name in ATTRIBUTES), link.master, *end, *told)
        mac = (Mac(link.mac),) if link.mac and link.name != "lo" else ("",)
        known = self.wires.get(link.name, "")
        if known is None:  # whoever hangs on it was not collected: how many there are of them makes no difference
            return Item(("loose", *parts[2:])) if not self._named(link.name) else self._made(*parts, *mac, device=link.name)
        return self._made(*parts, *mac, device=link.name, leads=[made for made in ends if made is not None and made.value])

    def _named(self, device: str) -> bool:
        """Whether a route leads to a device that belongs to a container nobody collected."""
        return device in self._routed

    @cached_property
    def _routed(self) -> set[str]:
        return {str(f.fields.get("device")) for f in self.stack.facts("route")}

    def _addresses(self) -> Iterator[Item]:
        for own in self.stack.addresses:
            if own.family != self.family:
                continue
            value = Net(own.value, self.bits)
            subnet = net(f"{own.text}/{own.prefixlen}", self.family) or value
            broadcast = net(own.fact.fields.get("broadcast", ""), self.family) or ""
            alone = own.prefixlen == self.bits and self.stack.link(own.device).type == "dummy"
            parts = ("address", self.device(own.device), value, subnet, own.scope, str(own.secondary), broadcast)
            yield self._made(*parts, device=own.device, select=[value] if alone else [])

    def _route(self, fact: Fact) -> Item:
        fields = {**fact.fields, "metric": fact.fields.get("metric") or 0}
        dst = net(fields.pop("dst", ""), self.family)
        device = str(fields.get("device", ""))
        gateways = [fields.get("gateway"), *(hop.get("gateway") for hop in fields.get("nexthops") or ())]
        leads = [host(each, self.family) or ANYWHERE for each in gateways if each]
        select = [dst] if dst is not None and dst.length else []
        parts = ("route", dst or str(fact.fields.get("dst")), str(fields["metric"]), *self._parts(fields))
        return self._made(*parts, device=device, select=select, leads=leads)

    def _neighbors(self) -> Iterator[Item]:
        for fact in self.stack.facts("neighbor"):
            get = fact.fields.get
            address = host(get("address"), self.family)
            if address is None:
                continue
            mac = Mac(str(get("mac"))) if get("mac") else ""
            device = str(get("device", ""))
            # An entry that the kernel never asks about may be wrong for good.
            heard = "unheard" if get("state") in UNHEARD else "kept" if get("state") in KEPT else ""
            parts = ("neighbor", address, self.device(device), mac, heard, str(get("proxy", "")))
            yield self._made(*parts, select=[address], leads=[mac] if isinstance(mac, Mac) else [])

    def _fdb(self) -> Iterator[Item]:
        flooded: set[str] = set()
        for fact in self.stack.facts("fdb"):
            get = fact.fields.get
            mac, device, dst = str(get("mac", "")), str(get("device", "")), host(get("dst"), self.family)
            station: Part = Mac(mac) if mac != FLOOD else mac
            parts = ("fdb", station, self.device(device), dst or str(get("dst", "")), str(get("vni", "")), str(get("port", "")))
            if not get("dst"):
                continue  # bridges: the walk floods
            first = mac == FLOOD and device not in flooded
            flooded |= {device} if first else set()
            select = () if first else tuple(s for s in (Mac(mac), dst) if s is not None)
            yield Item(parts, select, either=True, leads=(dst,) if dst is not None else ())

    def _parameters(self) -> Iterator[Item]:
        for key, fact in self.stack.sysctls.items():
            if not key.startswith("net.") or (key.startswith(COUNTERS) and key not in KEPT) or ".neigh." in key:
                continue
            words = key.split(".")
            if key.startswith(f"net.ipv{10 - self.family}.") and not key.startswith("net.ipv4.ip"):
                continue
            device = words[3].replace("/", ".") if len(words) > 4 and words[2] == "conf" else ""
            shown: Part = key
            if device in self.wires:
                yield self._made("sysctl", Device(device), words[-1], str(fact.fields.get("value", "")), device=device)
            else:
                yield Item(("sysctl", shown, str(fact.fields.get("value", ""))))

    def _reserved(self) -> Iterator[Item]:
        """Ports that containers publish: their runtime may hold a socket that answers nobody."""
        if self.stack.is_host:
            for fact in self._containers():
                for port in fact.fields.get("ports") or ():
                    yield Item(("published", str(fact.fields.get("state")), str(port.get("host_port")), str(port.get("protocol"))))

    def _containers(self) -> Iterable[Fact]:
        return (f for f in self.network.facts.of_kind("container") if f.node == self.stack.node and f.stack == HOST)

    def _parts(self, fields: Any) -> Iterator[Part]:
        """Fields by name, their addresses, devices and lists taken apart."""
        for name in sorted(fields):
            yield name
            yield from self._part(fields[name])

    def _part(self, value: Any) -> Iterator[Part]:
        if isinstance(value, dict):
            yield from self._parts(value)
        elif isinstance(value, (list, tuple)):
            for each in value:
                yield from self._part(each)
        else:
            text = str(value)
            yield (net(text, self.family) if "." in text or ":" in text else None) or self.device(text)

    # --- what cannot be taken apart ---------------------------------------------------------------------------------

    @cached_property
    def opaque(self) -> bool:
        """Whether something here is not taken apart into items, so that nobody is taken for equal to it."""
        stack = self.stack
        if any(stack.facts(kind) for kind in OPAQUE) or incoming(self.network, stack) or (stack.facts("nft_ruleset") and stack.nftables.evaluated):
            return True
        if any(link.type in SHARING_TYPES or self.network.sharers(Port(stack, link)) for link in stack.links.values()):
            return True
        if self.family == 6 or any(link.type == "tun" for link in stack.links.values()) or any(map(drops, stack.facts("qdisc"))):
            return True
        others = [str(f.fields.get("gateway") or "") for f in stack.facts("route") if f.fields.get("family", 4) == self.family]
        others += [text for link in stack.links.values() for text in (link.vxlan_local, link.tunnel_local)]
        return any(text and family_of(text) != self.family for text in others) or self._crowded()

    @cached_property
    def texts(self) -> list[str]:
        """All that is not taken apart, as text."""
        told = [str(dict(fact.fields)) for kind in OPAQUE for fact in self.stack.facts(kind)]
        told += map(str, incoming(self.network, self.stack))
        rulesets = self.stack.facts("nft_ruleset")
        return [*told, *(str(fact.fields.get("text", "")) for fact in rulesets)] if rulesets and self.stack.nftables.evaluated else told

    def _crowded(self) -> bool:
        """Whether so many sockets are open that a port for a new one may be lacking."""
        from engine.walk.limits import port_range

        bounds = port_range(self.stack)
        return bounds is not None and bounds[1] - bounds[0] < len(self.stack.sockets)

    @cached_property
    def proxies(self) -> bool:
        """Whether it may answer ARP in the place of others on a wire that it shares with several."""
        for key, fact in self.stack.sysctls.items():
            if key.endswith(".proxy_arp") and str(fact.fields.get("value", "0")).split()[:1] != ["0"]:
                device = key.split(".")[3]
                if device not in self.wires or self.stack.link(device).master:
                    return True
        return any(fact.fields.get("proxy") for fact in self.stack.facts("neighbor")) or (
            not self.stack.is_host and any(name.startswith("cali") for name in self.stack.links)
        )

    @cached_property
    def macs(self) -> list[tuple[str, str]]:
        """Hardware addresses of its devices, those that lead to containers left out, with the device."""
        return [(link.mac, link.name) for link in self.stack.links.values() if link.mac and link.name not in self.wires and link.name != "lo"]

    # --- sockets --------------------------------------------------------------------------------------------------

    def sockets(self, ports: frozenset[int]) -> Listing:
        """Who listens on some ports."""
        found = self._sockets.get(ports)
        if found is None:
            found = self._sockets[ports] = Listing(self._listeners(ports), self.bits)
        return found

    def _listeners(self, ports: frozenset[int]) -> list[Item]:
        found = []
        for fact in self.stack.sockets:
            get = fact.fields.get
            if get("port") in ports and get("state", "LISTEN") in {"LISTEN", "UNCONN", "CLOSE", ""}:
                text = str(get("address", "*")).strip("[]").removeprefix("::ffff:")
                waiting, backlog = get("recv_q"), get("send_q")
                full = isinstance(waiting, int) and isinstance(backlog, int) and waiting > backlog > 0
                told = (str(get(name, "")) for name in ("protocol", "port", "state", "device", "v6only", "family", "process"))
                found.append(Item(("socket", *told, host(text, self.family) or text, str(full))))
        return found

    # --- netfilter ------------------------------------------------------------------------------------------------

    @cached_property
    def tables(self) -> list[tuple[int, Table]]:
        """Iptables tables of the family, each with its place."""
        return [(place, table) for place, table in enumerate(self.stack.netfilter.tables) if table.family == self.family]

    def chain(self, place: int, name: str) -> Listing:
        """The rules of a chain."""
        found = self._chains.get((place, name))
        if found is None:
            text = self.stack.netfilter.tables[place].chains[name].text
            items = [self._own_devices(rule_item(rule.spec, self.family)) for rule in text.rules]
            found = self._chains[place, name] = Listing(items, self.bits)
        return found

    def chains(self, place: int) -> list[Listing]:
        """All chains of a table."""
        return [self.chain(place, name) for name in self.stack.netfilter.tables[place].chains]

    def _own_devices(self, item: Item) -> Item:
        """Devices that are no container's are told by name, and select nothing."""
        if not any(isinstance(each, Device) for each in item.parts):
            return item
        parts = tuple(self.device(p.name) if isinstance(p, Device) and not p.name.endswith("+") else p for p in item.parts)
        return item._replace(parts=parts, select=tuple(s for s in item.select if not isinstance(s, Device) or self._selects(s.name)))

    def _selects(self, name: str) -> bool:
        """Whether a rule for a device is one for a single container; a device that nobody listed may be a former one's."""
        return name in self.wires or (self.stack.is_host and bool(self.stack.links) and name not in self.stack.links)

    def set(self, name: str) -> tuple[str, Listing] | None:
        """Type and entries of a set; ``None`` if it was not collected."""
        made = self.stack.ipsets.get(name)
        if made is None:
            return None
        if name not in self._sets:
            self._sets[name] = Listing([self._entry(text) for text in made.fact.fields.get("members") or ()], self.bits)
        listed = "" if made.fact.fields.get("members") is None else "listed"
        return f"{made.type} {made.family} {listed}", self._sets[name]

    def _entry(self, text: str) -> Item:
        words = text.split()
        parts: list[Part] = []
        select: list[Literal] = []
        for part in words[0].split(",") if words else ():
            made = net(part, self.family) or span(part, self.family)
            parts.append(made or self.device(part.removeprefix("physdev:")))
            select += [made] if made is not None and not (isinstance(made, Net) and not made.length) else []
        return Item((*parts, "nomatch" if "nomatch" in words[1:] else ""), tuple(select))


def _plain(item: Item) -> bool:
    return all(isinstance(part, str) for part in item.parts)
