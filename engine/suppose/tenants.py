"""Containers and virtual machines of a node: their addresses, stacks and wires, as far as nobody showed them.

A tenant is known from its own outputs, from the runtime's listings, from rules that translate ports to it, or only from the symptom.  Each
gets what every tenant has: a device with an address in its bridge's subnet, a port on that bridge, a way out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from engine.facts import HOST, NOWHERE, Fact
from engine.inet import in_prefix, is_address, prefix, to_int, to_text
from engine.suppose.clues import TUNNELS, runtime_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.facts import FactBase
    from engine.suppose.clues import Clues

DEVICE: Final = "eth0"
"""What runtimes call the device of a container."""
INNER_INDEX: Final = 9200
OUTER_INDEX: Final = 9300
MTU_OPTION: Final = "com.docker.network.driver.mtu"
OPEN: Final = 9400
"""Number of the first port behind which nobody was shown."""
MOST: Final = 6
"""Tenants of one node that are completed."""
FIRST: Final = 254
"""Runtimes give the first addresses of a subnet; one that is further away is of another network under the same numbers."""
PASSING: Final = "container"
"""Name of the stack of a container that a command line started, if it gave it none."""
PORTS: Final = re.compile(r"(?:veth|vnet|tap|fwpr|lxc|vb-)\w*.*")
"""Devices by which tenants hang on a bridge."""


@dataclass(slots=True)
class Tenant:
    """A container or machine on its way to a whole."""

    name: str
    own: str = ""
    """Address with length."""
    device: str = DEVICE
    bridge: str = ""
    gateway: str = ""
    shown: bool = False
    """Its own stack is in the evidence."""
    fact: Fact | None = None
    """What a runtime tells of it."""
    ports: tuple[Mapping[str, Any], ...] = ()
    others: list[tuple[str, str]] = field(default_factory=list)
    """(device, address with length) of its further devices."""

    @property
    def address(self) -> str:
        """The address alone."""
        return self.own.partition("/")[0]

    @property
    def passing(self) -> bool:
        """Whether it was run for one command: a listing of the node's devices was taken before or after that."""
        return self.name == PASSING and self.shown


class Tenants:
    """The tenants of one node."""

    def __init__(self, facts: FactBase, node: str) -> None:
        self.facts = facts
        self.node = node
        kinds = ("link", "address", "route", "dns_config", "socket", "observed", "netfilter_table")
        self.stacks = list(dict.fromkeys(f.stack for kind in kinds for f in facts.of_kind(kind) if f.node == node and f.stack != HOST))
        self.running = [f for f in facts.of_kind("container") if f.node == node and f.get("state", "running") == "running"]
        self.made: list[Fact] = []

    # --- what was shown -------------------------------------------------------------------------------------------

    def subnets(self) -> list[str]:
        """Gateways and addresses with length of all tenants, as far as they were shown."""
        joined = [stack for stack in self.stacks if not self._silent(stack)]
        found = [own for stack in joined if (own := self._gateway(stack))]
        for stack in joined:
            found += [own for _, own in self._addresses(stack)] or [own for own in [self._address(stack)[1]] if own]
        for fact in self.running:
            found += [own for own in [_endpoint(fact)] if own]
        return found

    def _of(self, kind: str, stack: str) -> Iterable[Fact]:
        return (f for f in self.facts.at(kind, self.node, stack) if f.get("family", 4) == 4)

    def _addresses(self, stack: str) -> list[tuple[str, str]]:
        """(device, address with length) of all that a stack was shown to have on bridges: a tunnel that ends in it is none's."""
        shown = [f for f in self._of("address", stack) if f.get("scope") != "link" and is_address(str(f.get("address", "")))]
        held = [(str(f.get("device", DEVICE)), f"{f.get('address')}/{f.get('prefixlen', 32)}") for f in shown]
        return [(device, own) for device, own in held if device != "lo" and not TUNNELS.fullmatch(device)]

    def _address(self, stack: str) -> tuple[str, str]:
        """(device, address with length) of a stack, shown or told by a route."""
        shown = self._addresses(stack)
        if shown:
            return shown[0]
        for route in self._of("route", stack):
            source, dst = str(route.get("src", "")), str(route.get("dst", ""))
            if is_address(source) and not route.get("gateway") and ":" not in source:
                return str(route.get("device", DEVICE)), f"{source}/{dst.partition('/')[2] or 32}"
        return "", ""

    def _gateway(self, stack: str) -> str:
        """The default gateway with the length of the subnet that it is in."""
        route = next((r for r in self._of("route", stack) if r.get("dst") == "0.0.0.0/0" and is_address(str(r.get("gateway", "")))), None)
        if route is None:
            return ""
        value = str(route.get("gateway"))
        nets = [str(r.get("dst")) for r in self._of("route", stack) if not r.get("gateway") and r.get("dst") != "0.0.0.0/0"]
        net = next((n for n in (*nets, self._address(stack)[1]) if n and inside(value, n)), "")
        return f"{value}/{prefix(net).length if net else 16}"

    def _silent(self, stack: str) -> bool:
        """Whether a stack's default gateway does not answer it: no bridge of this node holds that address (macvlan, a wrong gateway)."""
        gateway = self._gateway(stack).partition("/")[0]
        entries = [f.get("state") for f in self._of("neighbor", stack) if f.get("address") == gateway]
        return bool(gateway) and bool(entries) and set(entries) <= {"FAILED", "INCOMPLETE"}

    def whole(self, what: str, stack: str, *scopes: str) -> bool:
        """Whether a listing of a stack was seen as a whole (in one of the scopes)."""
        return any(
            f.get("what") == what and f.get("scope", "all") in {"all", *scopes} and f.get("family", 4) == 4
            for f in self.facts.at("collected", self.node, stack)
        )

    # --- who there is ---------------------------------------------------------------------------------------------

    def planned(self, bridges: Mapping[str, str], meant: Sequence[str], clues: Clues, named: Sequence[str] = ()) -> list[Tenant]:
        """Tenants with an address on a bridge.

        ``bridges``: name → address with length, ``meant``: those that the symptom may be about, ``named``: addresses that it names.
        """
        tenants = [self._of_stack(stack) for stack in self.stacks]
        for fact in self.running:
            self._join(tenants, fact)
        self._join_named(tenants, named, {device: bridges[device] for device in meant})
        if not tenants:
            tenants = [t for device in meant for t in self._anonymous(device, bridges[device], clues)]
        for tenant in tenants:
            self._settle(tenant, tenants, bridges, meant, clues)
        return [t for t in tenants if t.bridge][:MOST]

    def _of_stack(self, stack: str) -> Tenant:
        device, own = self._address(stack)
        return Tenant(stack, own, device or DEVICE, gateway=self._gateway(stack).partition("/")[0], shown=True, others=self._addresses(stack)[1:])

    def _join(self, tenants: list[Tenant], fact: Fact) -> None:
        """A container of a runtime's listing: a stack that was shown, or one more tenant."""
        if fact.get("network_mode") == "host":
            return
        service = str((fact.get("labels") or {}).get("com.docker.compose.service", ""))
        names = {str(fact.get("name", "")), str(fact.get("id", ""))[:12], str(fact.get("hostname", "")), service} - {""}
        own = _endpoint(fact)
        known = next((t for t in tenants if t.name in names or (own and t.address == own.partition("/")[0])), None)
        lone = [t for t in tenants if t.fact is None and t.shown and re.fullmatch(r"[0-9a-f]{12}|container", t.name)]
        if known is None and len(self.running) == 1 and len(lone) == 1:
            known = lone[0]
        if known is not None:
            known.fact, known.ports, known.own = fact, tuple(fact.get("ports", ())), known.own or own
            return
        tenants.append(Tenant(str(fact.get("name") or fact.get("id", "container")[:12]), own, fact=fact, ports=tuple(fact.get("ports", ()))))

    @staticmethod
    def _join_named(tenants: list[Tenant], named: Sequence[str], bridges: Mapping[str, str]) -> None:
        """Tenants that a text names by an address as a runtime gives it: one of the first of its bridge's subnet."""
        held = {t.address for t in tenants} | {own.partition("/")[0] for own in bridges.values()}
        for address in dict.fromkeys(named):
            own = next((own for own in bridges.values() if inside(address, own)), "")
            if not own or address in held or to_int(address) - prefix(own).value > FIRST:
                continue
            bare = [t for t in tenants if not t.own and not t.gateway]
            if len(bare) == 1:
                bare[0].own = f"{address}/{own.partition('/')[2]}"
            elif not bare:
                tenants.append(Tenant("", f"{address}/{own.partition('/')[2]}"))

    def _anonymous(self, device: str, own: str, clues: Clues) -> list[Tenant]:
        """Tenants of a bridge that nobody listed: those that rules translate (ports to, or the source of), unless nobody answers for them, or one."""
        silent = {f.get("address") for f in self._of("neighbor", HOST) if f.get("state") in {"FAILED", "INCOMPLETE"}}
        here = [s for s in clues.served.values() if inside(s.address, own) and s.address not in silent]
        told = dict.fromkeys(s.address for s in here)
        # CNI translates each container's source by a rule of its own: another container would have another one.
        alone = [source.removesuffix("/32") for source in clues.podman if source.removesuffix("/32").count("/") == 0]
        told |= dict.fromkeys(a for a in alone if is_address(a) and inside(a, own) and a not in silent)
        length = own.partition("/")[2]
        made = []
        for address in list(told)[:3] or [""]:
            ports = [
                {"host_ip": "", "host_port": s.host_port, "container_port": s.port, "protocol": s.protocol} for s in here if s.address == address
            ]
            made.append(Tenant("", f"{address}/{length}" if address else "", bridge=device, ports=tuple(ports)))
        return made

    def _settle(self, tenant: Tenant, tenants: Sequence[Tenant], bridges: Mapping[str, str], meant: Sequence[str], clues: Clues) -> None:
        """Give a tenant its bridge, and an address there."""
        told = tenant.own or tenant.gateway
        if not told:
            published = {int(p["host_port"]) for p in tenant.ports if p.get("host_port")}
            served = next((s.address for s in clues.served.values() if s.host_port in published), "")
            near = next((b for b, own in bridges.items() if served and inside(served, own)), "")
            tenant.own = f"{served}/{bridges[near].partition('/')[2]}" if near else ""
            tenant.bridge = near or tenant.bridge or next(iter(meant), "")
        else:
            tenant.bridge = tenant.bridge or next((b for b, own in bridges.items() if inside(told.partition("/")[0], own)), "")
        if not tenant.bridge:
            return
        own = bridges[tenant.bridge]
        taken = {t.address for t in tenants} | {own.partition("/")[0]} | {s.address for s in clues.served.values()}
        tenant.own = tenant.own or _free(own, taken)
        tenant.name = tenant.name or f"{'machine' if runtime_of(tenant.bridge) == 'libvirt' else 'container'} {tenant.address}"

    # --- what each has --------------------------------------------------------------------------------------------

    def completed(
        self, tenants: Sequence[Tenant], bridges: Mapping[str, str], gateways: Mapping[str, str], networks: Mapping[str, str], closed: Sequence[str]
    ) -> list[Fact]:
        """Facts that the tenants lack.

        ``bridges``: name → address with length, ``gateways``: bridge → address by which its tenants leave, ``networks``: bridge → network's
        name, ``closed``: bridges on which nobody else hangs.
        """
        for number, tenant in enumerate(tenants):
            self._listed(tenant, gateways, networks)
            wired = self._wire(tenant, tenant.device, tenant.bridge, number)
            for device, own in tenant.others:
                near = next((b for b, mine in bridges.items() if inside(own.partition("/")[0], mine)), "")
                if near:
                    self._wire(tenant, device, near, MOST + number)
            if wired or tenant.shown:
                self._stack(tenant, gateways)
        for stack in self.stacks:
            if self._silent(stack) and stack not in {tenant.name for tenant in tenants}:
                self._alone(stack)
        if not self.whole("links", HOST):
            # Others may hang there as well: who was not shown is not missing.
            for number, bridge in enumerate(b for b in bridges if b not in closed):
                self._add("link", HOST, name=f"veth{OPEN + number}", type="veth", up=True, carrier=True, master=bridge)
        return self.made

    def _alone(self, stack: str) -> None:
        """What a stack has that hangs on no bridge of this node, by its routes."""
        device, own = self._address(stack)
        if not own:
            return
        if not any(f.get("name") == device for f in self._of("link", stack)):
            self._add("link", stack, name=device, type="macvlan", up=True, carrier=True)
        if not self._addresses(stack):
            self._add("address", stack, device=device, address=own.partition("/")[0], prefixlen=prefix(own).length, scope="global", family=4)

    def _add(self, kind: str, stack: str, **fields: Any) -> None:
        self.made.append(Fact(kind, fields, self.node, stack))

    def _listed(self, tenant: Tenant, gateways: Mapping[str, str], networks: Mapping[str, str]) -> None:
        """What a runtime would tell of a tenant."""
        if tenant.fact is not None and _endpoint(tenant.fact):
            return
        endpoint = {
            "network": networks.get(tenant.bridge, tenant.bridge),
            "address": tenant.address,
            "prefixlen": prefix(tenant.own).length,
            "gateway": gateways[tenant.bridge],
        }
        told = tenant.fact.fields if tenant.fact is not None else {}
        runtime = told.get("runtime") or runtime_of(tenant.bridge)
        fields = {"id": "", "name": tenant.name, "state": "running", **told, "runtime": runtime, "endpoints": (endpoint,), "ports": tenant.ports}
        self._add("container", HOST, **fields)

    def _wire(self, tenant: Tenant, device: str, bridge: str, number: int) -> bool:
        """Join a device of a tenant to a port of its bridge; whether there is one."""
        inner = next((f for f in self._of("link", tenant.name) if f.get("name") == device and f.get("peer_index")), None)
        links = list(self.facts.at("link", self.node, HOST))
        if inner is not None:
            if not any(f.get("index") == inner.get("peer_index") for f in links) and not self.whole("links", HOST):
                self._port(f"veth{inner.get('peer_index')}", bridge, int(inner.get("peer_index")), int(inner.get("index")))
            return True
        shown = (*self._of("link", tenant.name), *self._of("address", tenant.name))
        index = next((int(f.get("index")) for f in shown if device in {f.get("name"), f.get("device")} and f.get("index")), 0)
        # "@if22" names the index of the other end: whoever has that index hangs there, on a bridge or on none.
        port = next((f for f in links if index and f.get("peer_index") == index), None) or self._free_port(bridge, links)
        if port is None and self.whole("links", HOST) and not tenant.passing:
            return False
        outer = int(port.get("index") or 0) if port is not None else 0
        outer, index = outer or OUTER_INDEX + number, (int(port.get("peer_index") or 0) if port is not None else 0) or index or INNER_INDEX + number
        if port is None or not (port.get("index") and port.get("peer_index")):
            name = str(port.get("name") or port.get("device")) if port is not None else f"veth{outer}"
            self._port(name, bridge, outer, index)
        told = port.get("mtu") if port is not None else next((f.get("mtu") for f in links if f.get("name") == bridge), None)
        told = told or self._asked_mtu(bridge)
        size = {"mtu": told} if told else {}
        self._add("link", tenant.name, name=device, type="veth", index=index, peer_index=outer, up=True, carrier=True, **size)
        return True

    def _asked_mtu(self, bridge: str) -> int:
        """MTU that a network's options give to its containers; 0 if they are silent."""
        networks = (f for f in self.facts.of_kind("container_network") if f.node == self.node and f.get("bridge") == bridge)
        asked = (str((f.get("options") or {}).get(MTU_OPTION, "")) for f in networks)
        return next((int(value) for value in asked if value.isdecimal()), 0)

    def _port(self, name: str, bridge: str, index: int, peer: int) -> None:
        facts = (f for kind in ("link", "bridge_port") for f in self.facts.at(kind, self.node, HOST))
        shown = next((f for f in facts if name in {f.get("name"), f.get("device")}), None)
        more: dict[str, Any] = {} if shown is not None else {"up": True, "carrier": True}
        loose = any(f.get("name") == name and f.get("index") for f in self.facts.at("link", self.node, HOST))
        if not loose:
            more["master"] = bridge
        fields = {"name": name, "type": "veth", "index": index, "peer_index": peer, **more}
        where = (shown.source, shown.line, shown.shown) if shown is not None else (NOWHERE, 0, "")
        self.made.append(Fact("link", fields, self.node, HOST, *where))

    def _free_port(self, bridge: str, links: Sequence[Fact]) -> Fact | None:
        """A port of the bridge whose other end nobody showed; where a whole listing shows none, a lone end that hangs on no bridge."""
        ends = {f.get("peer_index") for f in self.facts.of_kind("link") if f.node == self.node and f.stack != HOST}
        ends |= {f.get("peer_index") for f in self.made if f.kind == "link" and f.stack != HOST}
        used = {f.get("name") for f in self.made if f.kind == "link" and f.stack == HOST}
        ports = [*links, *self.facts.at("bridge_port", self.node, HOST)]
        free = [f for f in ports if PORTS.fullmatch(str(f.get("name") or f.get("device", ""))) and f.get("index", -1) not in ends]
        free = [f for f in free if (f.get("name") or f.get("device")) not in used and not f.get("peer_name")]
        hung = [f for f in free if f.get("master") == bridge]
        if hung or not self.whole("links", HOST):
            return next(iter(hung), None)
        listed = {f.get("device") for f in ports if f.kind == "bridge_port"}
        return next((f for f in free if not f.get("master") and f.get("peer_index") and f.get("name") not in listed), None)

    def _stack(self, tenant: Tenant, gateways: Mapping[str, str]) -> None:
        """Address and routes of a tenant's own stack."""
        stack, device, own = tenant.name, tenant.device, tenant.own
        if not tenant.shown:
            self._add("netns", stack, name=stack, role="container", entry="")
        if not any(f.get("address") == tenant.address for f in self._of("address", stack)) and not self.whole("addresses", stack, device):
            self._add("address", stack, device=device, address=tenant.address, prefixlen=prefix(own).length, scope="global", family=4)
        if self.whole("routes", stack, "main"):
            return
        known = {str(r.get("dst")) for r in self._of("route", stack)}
        for name, each in ((device, own), *tenant.others):
            if str(prefix(each)) not in known and prefix(each).length < 32:
                source = each.partition("/")[0]
                self._route(stack, dst=str(prefix(each)), device=name, src=source, scope="link")
        if "0.0.0.0/0" not in known:
            self._route(stack, dst="0.0.0.0/0", device=device, gateway=gateways[tenant.bridge])

    def _route(self, stack: str, **fields: str) -> None:
        self._add("route", stack, table="main", type="unicast", metric=0, family=4, **fields)


def _endpoint(fact: Fact) -> str:
    """IPv4 address with length that a runtime tells of a container; "" if it tells none."""
    for end in fact.get("endpoints", ()):
        address = str(end.get("address") or "")
        if is_address(address) and ":" not in address:
            return f"{address}/{end.get('prefixlen') or 16}"
    return ""


def _free(own: str, taken: set[str]) -> str:
    """An address with length in the subnet of another that nobody has."""
    mine, net = to_int(own.partition("/")[0]), prefix(own)
    free = (to_text(v) for v in (*range(mine + 1, mine + 64), *range(mine - 1, mine - 64, -1)) if net.value < v < net.last)
    return f"{next((a for a in free if a not in taken), to_text(net.value + 1))}/{net.length}"


def inside(address: str, own: str) -> bool:
    """Whether an address (or prefix) lies in the subnet of an address with length."""
    try:
        return in_prefix(address, own)
    except ValueError:
        return False
