"""One network stack (network namespace), built lazily from its facts."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from engine.facts import HOST, Fact
from engine.inet import Prefix, prefix, to_int, to_text
from engine.model.fib import BLOCKING, Fib, Key, anycast, table_name
from engine.model.ipset import IpSet
from engine.model.ipvs import KUBE_DEVICE, Ipvs
from engine.model.links import Link, link_of
from engine.model.netfilter.ruleset import Ruleset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.model.nft.ruleset import NftRuleset


class OwnAddress(NamedTuple):
    """An address of a device."""

    device: str
    value: int
    family: int
    prefixlen: int
    scope: str
    secondary: bool
    fact: Fact

    @property
    def text(self) -> str:
        """The address itself."""
        return to_text(self.value, self.family)

    @property
    def network(self) -> Prefix:
        """The on-link prefix."""
        return _network(self.value, self.prefixlen, self.family)


@lru_cache(maxsize=65536)
def _network(value: int, length: int, family: int) -> Prefix:
    """The prefix of an address; a search of one wire asks for those of every device of the evidence."""
    return prefix(f"{to_text(value, family)}/{length}")


class NetStack:
    """A stack: read-only, every part computed when first asked for."""

    def __init__(self, node: str, name: str, facts: Mapping[str, Sequence[Fact]], before: NetStack | None = None) -> None:
        """``before``: the same stack with some other facts; tables and sets of facts that are the same objects are shared with it."""
        self.node = node
        self.name = name
        self._facts = facts
        self._before = before

    def __repr__(self) -> str:
        return f"NetStack({self.node}/{self.name})"

    @property
    def is_host(self) -> bool:
        """Whether this is a node's own stack."""
        return self.name == HOST

    def facts(self, kind: str) -> Sequence[Fact]:
        """Facts of a kind on this stack."""
        return self._facts.get(kind, ())

    def collected(self, what: str, *scopes: str) -> bool:
        """Whether a listing was seen as a whole (in one of the scopes, or in any)."""
        return any(f.fields.get("what") == what and (not scopes or f.fields.get("scope", "all") in {"all", *scopes}) for f in self.facts("collected"))

    @cached_property
    def netns(self) -> Fact | None:
        """The ``netns`` fact of this stack."""
        return next(iter(self.facts("netns")), None)

    @property
    def entry(self) -> str:
        """Command prefix that runs something in this stack from its node."""
        return str(self.netns.fields.get("entry", "")) if self.netns else ""

    # --- devices and addresses ------------------------------------------------------------------------------------

    @cached_property
    def links(self) -> dict[str, Link]:
        """Devices by name; several listings (``ip link`` and ``ip address``) complete each other, the fuller one counts first."""
        ports = {f.fields["device"]: f for f in self.facts("bridge_port") if "device" in f.fields}
        seen: dict[str, list[Fact]] = {}
        for fact in self.facts("link"):
            seen.setdefault(fact.fields["name"], []).append(fact)
        return {name: link_of(sorted(facts, key=lambda f: -len(f.fields)), ports.get(name)) for name, facts in seen.items()}

    def link(self, name: str) -> Link:
        """A device; one that no listing shows is known by name only."""
        known = self.links.get(name)
        if known is not None:
            return known
        return Link(name, type="loopback" if name == "lo" else "")

    @cached_property
    def links_by_index(self) -> dict[int, Link]:
        """Devices by ifindex."""
        return {link.index: link for link in self.links.values() if link.index is not None}

    @cached_property
    def ports(self) -> dict[str, list[Link]]:
        """Bridge → its ports."""
        found: dict[str, list[Link]] = {}
        for link in self.links.values():
            if link.master:
                found.setdefault(link.master, []).append(link)
        return found

    def is_bridge(self, name: str) -> bool:
        """Whether a device is a bridge."""
        return self.link(name).type == "bridge" or (not self.link(name).type and name in self.ports)

    @cached_property
    def addresses(self) -> list[OwnAddress]:
        """Addresses in the kernel's own order of preference: those of one device as they were listed, devices in the order of their making.

        Indices tell that order where nobody chooses them.  Listings of older kernels go by the last eight bits of the index.
        """
        found = []
        for f in self.facts("address"):
            get = f.fields.get
            family = get("family", 4)
            try:
                value = to_int(f.fields["address"])
            except ValueError:
                continue
            length = get("prefixlen", 32 if family == 4 else 128)
            found.append(OwnAddress(get("device", ""), value, family, length, get("scope", "global"), get("secondary", False), f))
        index = {name: link.index for name, link in self.links.items() if link.index is not None}
        return sorted(found, key=lambda a: index[a.device]) if all(a.device in index for a in found) else found

    @cached_property
    def _by_value(self) -> dict[tuple[int, int], OwnAddress]:
        return {(a.family, a.value): a for a in reversed(self.addresses)}

    def own(self, value: int, family: int) -> OwnAddress | None:
        """The address entry that holds a value."""
        return self._by_value.get((family, value))

    def addresses_of(self, device: str, family: int = 4) -> list[OwnAddress]:
        """Addresses of one device."""
        return self._by_device.get((device, family), [])

    @cached_property
    def _by_device(self) -> dict[tuple[str, int], list[OwnAddress]]:
        found: dict[tuple[str, int], list[OwnAddress]] = {}
        for address in self.addresses:
            found.setdefault((address.device, address.family), []).append(address)
        return found

    def is_local(self, value: int, family: int) -> bool:
        """Whether packets to this address are delivered on this stack."""
        return (
            self.fib.lookup(Key(family, value)).type in {"local", "broadcast"}
            if self.fib.rules_known
            else self.address_type(family, value) == "LOCAL"
        )

    # --- routing --------------------------------------------------------------------------------------------------

    @cached_property
    def fib(self) -> Fib:
        """Policy rules and tables."""
        scopes = {table_name(str(f.fields.get("scope", "all"))) for f in self.facts("collected") if f.fields.get("what") == "routes"}
        return Fib(
            self.facts("route"),
            self.facts("routing_rule"),
            self.facts("address"),
            complete=lambda table: "all" in scopes or table in scopes,
            rules_known=self.collected("routing_rules"),
        )

    def address_type(self, family: int, value: int, device: str = "") -> str:
        """RTN type of an address by the local table only (``inet_addr_type``); multicast and limited broadcast by value."""
        if family == 4:
            if value >> 28 == 0xE:
                return "MULTICAST"
            if value in {0, 0xFFFFFFFF}:
                return "BROADCAST"
        table = self.fib.tables.get((family, "local"))
        if table is not None:
            for route in table.matches(value, family):
                if route.type in BLOCKING:
                    return "UNICAST"  # the look-up fails, and says nothing of the type
                if not device or any(h.device == device for h in route.hops):
                    return route.type.upper()
        return "UNICAST"

    def address_kinds(self, value: int, device: str = "") -> set[str]:
        """What a look-up in all tables says of an IPv6 address: LOCAL, ANYCAST, UNREACHABLE (``match_lookup_rt6``)."""
        found = self.fib.lookup(Key(6, value, oif=device))
        kinds = {"ANYCAST"} if anycast(found, value) else set()
        if (self.address_type(6, value, device) == "LOCAL") if device else found.type == "local":
            kinds.add("LOCAL")
        return kinds if found.type in {"local", "unicast", "anycast", "multicast"} else {*kinds, "UNREACHABLE"}

    @cached_property
    def neighbors(self) -> dict[tuple[str, int], Fact]:
        """(device, address value) → entry."""
        found = {}
        for f in self.facts("neighbor"):
            try:
                found[f.fields["device"], to_int(f.fields["address"])] = f
            except (KeyError, ValueError):
                continue
        return found

    # --- parameters -----------------------------------------------------------------------------------------------

    @cached_property
    def sysctls(self) -> dict[str, Fact]:
        """Parameters by dotted key."""
        return {f.fields["key"]: f for f in self.facts("sysctl")}

    @cached_property
    def sysctls_complete(self) -> bool:
        """Whether an absent key does not exist on the kernel."""
        return self.collected("sysctls", "all")

    def sysctl(self, key: str) -> int | None:
        """Integer value of a parameter, ``None`` if it was not observed."""
        fact = self.sysctls.get(key)
        if fact is None:
            return None
        words = str(fact.fields.get("value", "")).split()
        try:
            return int(words[0])
        except (IndexError, ValueError):
            return None

    def device_sysctl(self, family: int, device: str, key: str) -> tuple[int | None, str]:
        """Value of ``net.ipvN.conf.<device>.<key>`` and the name it was found under (dots in device names are printed as ``/``)."""
        name = f"net.ipv{family}.conf.{device.replace('.', '/')}.{key}"
        return self.sysctl(name), name

    # --- netfilter ------------------------------------------------------------------------------------------------

    @cached_property
    def netfilter(self) -> Ruleset:
        """Iptables tables."""
        ready = self._before.netfilter.tables if self._before is not None else ()
        return Ruleset(self.facts("netfilter_table"), [f for f in self.facts("collected") if f.fields.get("what") == "netfilter"], ready)

    @cached_property
    def nftables(self) -> NftRuleset:
        """Native nftables tables."""
        from engine.model.nft.ruleset import NftRuleset

        return NftRuleset(self.facts("nft_ruleset"), self.facts("netfilter_table"))

    @cached_property
    def ipsets(self) -> dict[str, IpSet]:
        """Sets by name."""
        ready = {id(s.fact): s for s in self._before.ipsets.values()} if self._before is not None else {}
        return {f.fields["name"]: ready.get(id(f)) or IpSet(f) for f in self.facts("ipset")}

    @cached_property
    def ipvs(self) -> Ipvs:
        """Virtual services."""
        unseen = KUBE_DEVICE in self.links and not self.collected("ipvs")
        return Ipvs(self.facts("ipvs_service"), self.facts("ipvs_server"), unseen=unseen)

    # --- ends -----------------------------------------------------------------------------------------------------

    @cached_property
    def sockets(self) -> Sequence[Fact]:
        """Sockets of this stack."""
        return self.facts("socket")
