"""Operations on devices and their addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.facts import Fact, FactBase
from engine.inet import family_of, in_prefix, prefix
from engine.model.fib import local_routes
from engine.model.network import Port, build
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.model.network import Network
    from engine.model.stack import NetStack


def _links(facts: FactBase, node: str, stack: str, device: str) -> list[Fact]:
    return [f for f in facts.at("link", node, stack) if f.fields.get("name") == device]


def _ports(facts: FactBase, node: str, stack: str, device: str) -> list[Fact]:
    return [f for f in facts.at("bridge_port", node, stack) if f.fields.get("device") == device]


def connected(address: Fact) -> Fact | None:
    """The route that the kernel makes of an address (``fib_add_ifaddr``).

    ``None`` for a host's own /32, a secondary one, and IPv6, whose routes take their time.
    """
    get = address.fields.get
    length = get("prefixlen", 32)
    if family_of(str(get("address"))) != 4 or length >= 32 or get("secondary"):
        return None
    net = str(prefix(f"{get('address')}/{length}"))
    fields = {
        "table": "main",
        "type": "unicast",
        "dst": net,
        "device": get("device"),
        "src": get("address"),
        "scope": "link",
        "protocol": "kernel",
        "metric": 0,
    }
    shown = f"{net} dev {get('device')} proto kernel scope link src {get('address')}"
    return Fact("route", {**fields, "family": 4}, address.node, address.stack, shown=shown)


def _made_by(facts: FactBase, address: Fact) -> Iterator[Fact]:
    """Routes that come with an address and are not there yet, in tables that were listed."""
    lists_main = any(f.get("what") == "routes" for f in facts.at("collected", address.node, address.stack))
    there = {(f.get("table", "main"), f.get("type"), f.get("dst"), f.get("device")) for f in facts.at("route", address.node, address.stack)}
    lists_main = lists_main or any(table == "main" for table, *_ in there)
    route = connected(address) if lists_main else None
    lists_local = any(table == "local" for table, *_ in there)
    for made in (*([route] if route is not None else ()), *(local_routes([address], family_of(address.get("address"))) if lists_local else ())):
        if (made.get("table"), made.get("type"), made.get("dst"), made.get("device")) not in there:
            yield made


class LinkUp(Operation):
    """Bring a device up."""

    NAME: ClassVar[str] = "link.up"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dev": Parameter("device"),
        "gateway": Parameter("default gateway to put back, where the default route went with the device", required=False),
    }

    def commands(self) -> tuple[str, ...]:
        """``ip link set up``, and the default route, which does not come back by itself."""
        line = self.site.shell("ip", "link", "set", "dev", self.text("dev"), "up")
        gateway = self.text("gateway")
        family = ["-6"] if gateway and family_of(gateway) == 6 else []
        words = ("route", "add", "default", "via", gateway, "dev", self.text("dev"))
        return (line, self.site.shell("ip", *family, *words)) if gateway else (line,)

    def undo(self) -> tuple[str, ...]:
        """``ip link set down``."""
        return (self.site.shell("ip", "link", "set", "dev", self.text("dev"), "down"),)

    def persist(self) -> tuple[str, ...]:
        """Where a node's devices are configured; nothing for a container's, which its runtime makes."""
        if self.site.entry:
            return ()
        return (
            "# routes by a gateway went with the device; whatever configures it puts them back, at the next boot too:",
            f"#   nmcli device reapply {self.text('dev')} | netplan apply | networkctl reconfigure {self.text('dev')} | ifup {self.text('dev')}",
        )

    def verify(self) -> tuple[str, ...]:
        """UP and LOWER_UP."""
        return (self.site.shell("ip", "link", "show", "dev", self.text("dev")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The device up, with the carrier and the connected routes that this gives it, its other end, and their bridges."""
        network = build(facts)
        stack = network.stack(self.site.node, self.site.stack)
        if stack is None or self.text("dev") not in stack.links:
            return None
        here = Port(stack, stack.link(self.text("dev")))
        peer = network.peer(here)
        carrier = peer is None or peer.link.up is not False
        change = dict(_raised(facts, here, up=True, carrier=carrier and self._can_carry(here)))
        if peer is not None and carrier:
            change |= dict(_raised(facts, peer, up=None, carrier=True))
        change |= {fact: new for port in stack.ports.get(here.link.name, ()) for fact, new in _forwarding(facts, Port(stack, port))}
        change |= dict(_unheard(facts, network, [here] if peer is None else [here, peer]))
        added = [
            made
            for address in facts.at("address", stack.node, stack.name)
            if address.get("device") == here.link.name
            for made in _made_by(facts, address)
        ]
        if self.text("gateway"):
            added.append(self._default())
        return facts.swap(change, added)

    def _default(self) -> Fact:
        gateway = self.text("gateway")
        family = family_of(gateway)
        fields = {"table": "main", "type": "unicast", "dst": "0.0.0.0/0" if family == 4 else "::/0", "gateway": gateway, "device": self.text("dev")}
        more = {"scope": "global", "protocol": "boot", "metric": 0, "family": family}
        return Fact("route", {**fields, **more}, self.site.node, self.site.stack, shown=f"default via {gateway} dev {self.text('dev')}")

    @staticmethod
    def _can_carry(here: Port) -> bool:
        """A bridge has carrier if one of its ports forwards; any other device is taken to have its wire."""
        if not here.stack.is_bridge(here.link.name):
            return True
        return any(port.up is not False and port.carrier is not False for port in here.stack.ports.get(here.link.name, ()))


def _unheard(facts: FactBase, network: Network, ports: Iterable[Port]) -> Iterator[tuple[int, Fact | None]]:
    """Neighbours that did not answer over a dead wire are asked again once it works: their entries say nothing any more."""
    wires: dict[tuple[str, str, str], None] = {}
    for port in ports:
        bridge = port.link.master or (port.link.name if port.stack.is_bridge(port.link.name) else "")
        mates = [Port(port.stack, link) for link in port.stack.ports.get(bridge, ())] if bridge else []
        ends = [other for each in (port, *mates) if (other := network.peer(each)) is not None]
        wires.update(dict.fromkeys(each.key for each in (port, *mates, *ends)))
        if bridge:
            wires[port.stack.node, port.stack.name, bridge] = None
    for fact in facts.of_kind("neighbor"):
        if fact.get("state") in {"FAILED", "INCOMPLETE"} and (fact.node, fact.stack, fact.get("device")) in wires:
            yield id(fact), None


def _forwarding(facts: FactBase, port: Port) -> Iterator[tuple[int, Fact | None]]:
    """A port of a bridge that comes up forwards if it can."""
    if port.link.up is False or port.link.carrier is False:
        return
    for fact in _links(facts, *port.key):
        if "port_state" in fact.fields:
            yield id(fact), fact.having(port_state="forwarding")
    for fact in _ports(facts, *port.key):
        if "state" in fact.fields:
            yield id(fact), fact.having(state="forwarding")


def _raised(facts: FactBase, port: Port, *, up: bool | None, carrier: bool) -> Iterator[tuple[int, Fact | None]]:
    """A device's facts when it is up or has its carrier back; a port also gives carrier to its bridge."""
    node, stack, name = port.key
    for fact in _links(facts, node, stack, name):
        change: dict[str, Any] = {"up": True} if up else {}
        change["carrier"] = carrier
        if "state" in fact.fields:
            change["state"] = "UP" if carrier else "DOWN" if port.stack.is_bridge(name) else "LOWERLAYERDOWN"
        if carrier and "port_state" in fact.fields:
            change["port_state"] = "forwarding"
        yield id(fact), fact.having(**change)
    for fact in _ports(facts, node, stack, name):
        yield id(fact), fact.having(state="forwarding") if carrier and "state" in fact.fields else fact
    yield from _marked(facts, port.stack, name, carrier=carrier)
    bridge = port.link.master
    if carrier and bridge and port.stack.link(bridge).up is not False and port.stack.is_bridge(bridge):
        for fact in _links(facts, node, stack, bridge):
            yield id(fact), fact.having(carrier=True, **({"state": "UP"} if "state" in fact.fields else {}))
        yield from _marked(facts, port.stack, bridge, carrier=True)


def _marked(facts: FactBase, stack: NetStack, device: str, *, carrier: bool) -> Iterator[tuple[int, Fact | None]]:
    """Routes of a device lose the mark ``linkdown`` with the carrier's return."""
    for fact in facts.at("route", stack.node, stack.name) if carrier else ():
        flags = tuple(f for f in fact.get("flags") or () if f != "linkdown")
        if fact.get("device") == device and flags != tuple(fact.get("flags") or ()):
            yield id(fact), fact.having(flags=flags or None)


class LinkMaster(Operation):
    """Enslave a device to a bridge."""

    NAME: ClassVar[str] = "link.master"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"dev": Parameter("device"), "master": Parameter("bridge")}

    def _now(self) -> Fact | None:
        return next(iter(_links(self.site.facts, self.site.node, self.site.stack, self.text("dev"))), None)

    def commands(self) -> tuple[str, ...]:
        """``ip link set master``."""
        return (self.site.shell("ip", "link", "set", "dev", self.text("dev"), "master", self.text("master")),)

    def undo(self) -> tuple[str, ...]:
        """Back to the master that it had, if any."""
        now = self._now()
        master = str(now.get("master") or "") if now is not None else ""
        return (self.site.shell("ip", "link", "set", "dev", self.text("dev"), *(["master", master] if master else ["nomaster"])),)

    def verify(self) -> tuple[str, ...]:
        """The ports of the bridge."""
        return (self.site.shell("ip", "link", "show", "master", self.text("master")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The device as a port that forwards; its bridge has carrier then."""
        node, stack, device = self.site.node, self.site.stack, self.text("dev")
        found = _links(facts, node, stack, device)
        network = build(facts)
        here = network.stack(node, stack)
        if not found or here is None or not here.is_bridge(self.text("master")):
            return None
        carrier = found[0].get("carrier") is not False and found[0].get("up") is not False
        state = "forwarding" if carrier else "disabled"
        change: dict[int, Fact | None] = {id(f): f.having(master=self.text("master"), port_state=state, hairpin=False) for f in found}
        change |= {id(f): f.having(master=self.text("master"), state=state) for f in _ports(facts, node, stack, device)}
        for fact in _links(facts, node, stack, self.text("master")):
            if carrier and fact.get("up") is not False:
                change[id(fact)] = fact.having(carrier=True, **({"state": "UP"} if "state" in fact.fields else {}))
        change |= dict(_marked(facts, here, self.text("master"), carrier=carrier))
        left = str(found[0].get("master") or "")
        if left and all(port.name == device or port.carrier is False for port in here.ports.get(left, ())):
            change |= {id(f): f.having(carrier=False) for f in _links(facts, node, stack, left)}
        bridge = [Port(here, here.link(name)) for name in (device, self.text("master"))]
        return facts.swap(change | dict(_unheard(facts, network, bridge)))


class LinkHairpin(Operation):
    """Let a bridge port send frames back to where they came from."""

    NAME: ClassVar[str] = "link.hairpin"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"dev": Parameter("bridge port"), "bridge": Parameter("its bridge", required=False)}

    def _line(self, value: str) -> str:
        return self.site.shell("ip", "link", "set", "dev", self.text("dev"), "type", "bridge_slave", "hairpin", value)

    def commands(self) -> tuple[str, ...]:
        """``ip link set type bridge_slave hairpin on``."""
        return (self._line("on"),)

    def undo(self) -> tuple[str, ...]:
        """``hairpin off``."""
        return (self._line("off"),)

    def persist(self) -> tuple[str, ...]:
        """Ports are made anew with every container: their maker must be told."""
        return (
            "# the port is made anew with every container; tell what makes it:",
            '#   CNI: "hairpinMode": true in the bridge plug-in\'s section of the file in /etc/cni/net.d; kubelet --hairpin-mode=hairpin-veth',
            '#   docker: "userland-proxy": false in /etc/docker/daemon.json sets it on every port',
        )

    def verify(self) -> tuple[str, ...]:
        """``bridge_slave … hairpin on``."""
        return (self.site.shell("ip", "-d", "link", "show", "dev", self.text("dev")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The port with its switch on."""
        node, stack, device = self.site.node, self.site.stack, self.text("dev")
        found = _ports(facts, node, stack, device)
        links = [f for f in _links(facts, node, stack, device) if "hairpin" in f.fields or not found]
        if not found and not links:
            return None
        return facts.swap({id(f): f.having(hairpin=True) for f in (*found, *links)})


class BridgePort(Operation):
    """Change an attribute of a bridge port."""

    NAME: ClassVar[str] = "bridge.port"
    RISK: ClassVar[str] = "medium"
    STATES: ClassVar[Mapping[str, str]] = {"disabled": "0", "listening": "1", "learning": "2", "forwarding": "3", "blocking": "4"}
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dev": Parameter("bridge port"),
        "attribute": Parameter("state | isolated | flood | learning | bcast_flood | mcast_flood | locked"),
        "value": Parameter("on or off; of a state: forwarding, disabled …"),
    }

    @property
    def _field(self) -> str:
        return self.text("attribute")

    def _line(self, value: str) -> str:
        return self.site.shell("bridge", "link", "set", "dev", self.text("dev"), self._field, self.STATES.get(value, value))

    def commands(self) -> tuple[str, ...]:
        """``bridge link set``."""
        return (self._line(self.text("value")),)

    def undo(self) -> tuple[str, ...]:
        """What it was, where that was observed."""
        was = next((value for value in map(self._was, self._facts(self.site.facts)) if value), "")
        return (self._line(was),) if was else ()

    def _was(self, fact: Fact) -> str:
        name = "port_state" if self._field == "state" and fact.kind == "link" else self._field
        value = fact.get(name)
        return value if isinstance(value, str) else {True: "on", False: "off"}.get(value, "")

    def _facts(self, facts: FactBase) -> list[Fact]:
        node, stack, device = self.site.node, self.site.stack, self.text("dev")
        return [*_links(facts, node, stack, device), *_ports(facts, node, stack, device)]

    def persist(self) -> tuple[str, ...]:
        """Ports are made anew with every container; whoever sets the attribute sets it again."""
        return (
            "# the port is made anew with every container, and with its bridge; look for what sets the attribute:",
            "#   grep -rnE 'bridge link set|bridge_slave|isolated|BridgePort|Isolated|hairpin' /etc/systemd/network /etc/network /etc/cni/net.d",
        )

    def verify(self) -> tuple[str, ...]:
        """``bridge -d link``."""
        return (self.site.shell("bridge", "-d", "link", "show", "dev", self.text("dev")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The port with its new attribute; ``None`` if the evidence does not show it."""
        value = self.text("value")
        new: Any = value if self._field == "state" else value == "on"
        shown = [f for f in self._facts(facts) if self._was(f)]
        change = {id(f): f.having(**{"port_state" if self._field == "state" and f.kind == "link" else self._field: new}) for f in shown}
        return facts.swap(dict(change)) if change else None


class _Address(Operation):
    """What adding and deleting addresses share."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "address": Parameter("address with its prefix length: 10.1.0.1/24"),
        "dev": Parameter("device"),
    }

    def _line(self, action: str, *more: str) -> str:
        family = ["-6"] if family_of(self.text("address").partition("/")[0]) == 6 else []
        return self.site.shell("ip", *family, "address", action, self.text("address"), *more, "dev", self.text("dev"))

    @property
    def _value(self) -> str:
        return self.text("address").partition("/")[0]

    @property
    def _length(self) -> int:
        return int(self.text("address").partition("/")[2] or 32)

    def _held(self, facts: FactBase) -> Fact | None:
        here = facts.at("address", self.site.node, self.site.stack)
        return next((f for f in here if (f.get("address"), f.get("device")) == (self._value, self.text("dev"))), None)

    def verify(self) -> tuple[str, ...]:
        """The addresses of the device."""
        return (self.site.shell("ip", "address", "show", "dev", self.text("dev")),)


class AddressAdd(_Address):
    """Give a device an address."""

    NAME: ClassVar[str] = "address.add"

    def commands(self) -> tuple[str, ...]:
        """``ip address add``, with the broadcast address that goes with it."""
        return (self._line("add", *(["brd", "+"] if family_of(self._value) == 4 and self._length < 31 else [])),)

    def undo(self) -> tuple[str, ...]:
        """``ip address del``."""
        return (self._line("del"),)

    def persist(self) -> tuple[str, ...]:
        """Bridges of containers are their runtime's; only meddlers must be kept away."""
        device = self.text("dev")
        return (
            f"# keep other managers away from {device}, or they take the address again:",
            f"#   NetworkManager: printf '[keyfile]\\nunmanaged-devices=interface-name:{device}\\n' > /etc/NetworkManager/conf.d/99-{device}.conf",
            f"#   systemd-networkd: printf '[Match]\\nName={device}\\n[Link]\\nUnmanaged=yes\\n' > /etc/systemd/network/05-{device}.network",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The address and the routes that come with it; ``None`` if it is there already (EEXIST)."""
        if self._held(facts) is not None:
            return None
        family = family_of(self._value)
        fields: dict[str, Any] = {"device": self.text("dev"), "address": self._value, "prefixlen": self._length, "scope": "global", "family": family}
        if family == 4 and self._length < 31:
            from engine.inet import to_text

            fields["broadcast"] = to_text(prefix(f"{self._value}/{self._length}").last)
        made = Fact("address", fields, self.site.node, self.site.stack, shown=f"inet {self._value}/{self._length} scope global {self.text('dev')}")
        up = all(f.get("up") is not False for f in _links(facts, self.site.node, self.site.stack, self.text("dev")))
        routes = [f for f in _made_by(facts, made) if up or f.get("type") == "local"]
        return facts.plus([made, *routes])


class AddressDelete(_Address):
    """Take an address away, and what neighbours on the same node remember of it."""

    NAME: ClassVar[str] = "address.delete"
    RISK: ClassVar[str] = "medium"

    def _remembered(self, facts: FactBase) -> list[Fact]:
        """Neighbour entries, anywhere, that lead to this device."""
        macs = {f.get("mac") for f in _links(facts, self.site.node, self.site.stack, self.text("dev"))} - {None}
        entries = facts.of_kind("neighbor")
        return [f for f in entries if f.get("address") == self._value and f.get("mac") in macs and f.get("device")]

    def commands(self) -> tuple[str, ...]:
        """``ip address del``; then the entries of this node that lead here, and those of others as comments."""
        lines = [self._line("del")]
        entries = {(f.node, f.stack): f.get("entry", "") for f in self.site.facts.of_kind("netns")}
        for fact in self._remembered(self.site.facts):
            inside = str(entries.get((fact.node, fact.stack), ""))
            line = f"{inside} ip neigh del {self._value} dev {fact.get('device')}".strip()
            lines.append(line if fact.node == self.site.node else f"# on {fact.node}: {line}")
        return tuple(lines)

    def undo(self) -> tuple[str, ...]:
        """``ip address add``; its route in front of others to the same prefix if it stood there."""
        held, facts = self._held(self.site.facts), self.site.facts
        broadcast = ["brd", str(held.get("broadcast"))] if held is not None and held.get("broadcast") else []
        lines = [self._line("add", *broadcast)]
        route = connected(held) if held is not None else None
        same = [
            f
            for f in facts.at("route", self.site.node, self.site.stack)
            if route is not None and (f.get("dst"), f.get("table")) == (route.get("dst"), "main")
        ]
        if route is not None and len(same) > 1 and same[0].get("device") == self.text("dev"):
            words = ("proto", "kernel", "scope", "link", "src", self._value)
            lines.append(self.site.shell("ip", "route", "del", str(route.get("dst")), "dev", self.text("dev"), *words))
            lines.append(self.site.shell("ip", "route", "prepend", str(route.get("dst")), "dev", self.text("dev"), *words))
        return tuple(lines)

    def persist(self) -> tuple[str, ...]:
        """The address stands in some configuration."""
        if self.site.entry:
            return ()
        return (
            "# then take it out of where it came from:",
            f"#   grep -rn {self._value} /etc/netplan /etc/network /etc/NetworkManager /etc/sysconfig/network-scripts /etc/keepalived",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """Without the address, the routes that it brought, those that prefer it as source, and the entries that the commands delete.

        ``None`` if others of its subnet stand behind it: whether they go too is up to ``promote_secondaries``.
        """
        held = self._held(facts)
        if held is None or self._followed(facts, held):
            return None
        gone: list[Fact] = [held, *(f for f in self._remembered(facts) if f.node == self.site.node)]
        others = [f for f in facts.at("address", self.site.node, self.site.stack) if f is not held and f.get("address") == self._value]
        gone += [f for f in facts.at("route", self.site.node, self.site.stack) if self._goes(f, others)]
        return facts.swap(dict.fromkeys(id(f) for f in gone))

    def _followed(self, facts: FactBase, held: Fact) -> bool:
        if held.get("secondary"):
            return False
        net = str(prefix(f"{self._value}/{held.get('prefixlen', 32)}"))
        here = facts.at("address", self.site.node, self.site.stack)
        return any(f.get("secondary") and f.get("device") == self.text("dev") and in_prefix(str(f.get("address")), net) for f in here)

    def _goes(self, route: Fact, others: Iterable[Fact]) -> bool:
        """Whether a route goes with the address: its own in table local, and those that prefer it, unless another device has it too."""
        local = (route.get("type"), route.get("dst")) == ("local", str(prefix(self._value)))
        return (local or route.get("src") == self._value) and (route.get("device") == self.text("dev") or not tuple(others))
