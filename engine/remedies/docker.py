"""Operations on networks of docker."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from engine.facts import HOST
from engine.inet import Prefix, family_of, is_address, prefix, to_int, to_text
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import Fact, FactBase

DEFAULT_BRIDGE = "docker0"
DAEMON_JSON = "/etc/docker/daemon.json"
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")


class _Pool(Operation):
    """What operations that choose a range share."""

    def _used(self) -> Iterator[Prefix]:
        """Prefixes of all addresses, routes and networks of the evidence, but not the halves of a default route."""
        for kind, name in (("address", "address"), ("route", "dst"), ("ippool", "cidr")):
            for fact in self.site.facts.of_kind(kind):
                yield from self._parsed(str(fact.fields.get(name, "")))
        for fact in self.site.facts.of_kind("container_network"):
            for subnet in fact.fields.get("subnets", ()):
                yield from self._parsed(str(subnet))

    @staticmethod
    def _parsed(text: str) -> Iterator[Prefix]:
        try:
            net = prefix(text)
        except ValueError:
            return
        if net.length > 1:
            yield net

    def free(self, length: int) -> str:
        """A private prefix of that length which overlaps nothing in the evidence; "" if there is none."""
        used = list(self._used())
        wide = [f"10.{n}.0.0/16" for n in range(200, 256)] + [f"172.{n}.0.0/16" for n in range(16, 32)] + ["192.168.0.0/16"]
        for candidate in wide:
            net = prefix(candidate)
            if not any(net.overlaps(u) for u in used):
                return f"{candidate.partition('/')[0]}/{max(length, net.length)}"
        return ""

    def _pools(self) -> str:
        """What daemon.json says to have subnets taken from a free range."""
        return json.dumps({"default-address-pools": [{"base": self.free(16), "size": 24}]})


class DockerMoveNetwork(_Pool):
    """Give a network of docker another subnet; its containers get new addresses."""

    NAME: ClassVar[str] = "docker.move-network"
    RISK: ClassVar[str] = "high"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"bridge": Parameter("bridge of the network")}

    def _network(self) -> Fact | None:
        here = (f for f in self.site.facts.of_kind("container_network") if f.node == self.site.node)
        return next((f for f in here if f.fields.get("bridge") == self.text("bridge") and f.fields.get("runtime") == "docker"), None)

    def _containers(self, network: str) -> list[str]:
        here = (f for f in self.site.facts.of_kind("container") if f.node == self.site.node and f.fields.get("state") == "running")
        return sorted(str(f.fields["name"]) for f in here if any(e.get("network") == network for e in f.fields.get("endpoints", ())))

    def commands(self) -> tuple[str, ...]:
        """The default network by ``bip`` in daemon.json; another one is made anew and its containers are moved over."""
        free, network = self.free(24), self._network()
        if self.text("bridge") == DEFAULT_BRIDGE or network is None:
            own = ".1/".join(free.rsplit(".0/", 1))
            return (
                f"# in {DAEMON_JSON} (merge with what is there): {json.dumps({'bip': own})}",
                "systemctl restart docker",
            )
        name = str(network.fields["name"])
        old, new = shlex.quote(name), shlex.quote(f"{name}-moved")
        moves = [f"docker network {verb} {shlex.quote(c)}" for c in self._containers(name) for verb in (f"connect {new}", f"disconnect {old}")]
        return (f"docker network create --subnet {free} {new}", *moves, f"docker network rm {old}")

    def undo(self) -> tuple[str, ...]:
        """The old subnet again."""
        network = self._network()
        if self.text("bridge") == DEFAULT_BRIDGE or network is None:
            return (f"# take bip out of {DAEMON_JSON} again", "systemctl restart docker")
        name = str(network.fields["name"])
        old, new = shlex.quote(name), shlex.quote(f"{name}-moved")
        subnets = [word for subnet in network.fields.get("subnets", ()) for word in ("--subnet", shlex.quote(str(subnet)))]
        moves = [f"docker network {verb} {shlex.quote(c)}" for c in self._containers(name) for verb in (f"connect {old}", f"disconnect {new}")]
        return (" ".join(["docker network create", *subnets, old]), *moves, f"docker network rm {new}")

    def persist(self) -> tuple[str, ...]:
        """What makes the next network avoid the range too."""
        return (
            f"# keep docker's own choices out of the range, in {DAEMON_JSON}: {self._pools()}",
            "# a network made by docker compose: give it the subnet in its file (networks: NAME: ipam: config: [{subnet: …}]), or it comes back",
        )

    def apply(self, facts: FactBase) -> FactBase | None:
        """The bridge, its containers and docker's rules with addresses of the free range; ``None`` if docker's network is not in the evidence."""
        network, free = self._network(), self.free(24)
        subnets = network.fields.get("subnets") or () if network else ()
        old = next((net for text in subnets for net in self._parsed(str(text)) if net.family == 4), None)
        if network is None or old is None or not free:
            return None
        return Renumbering(facts, network, old, prefix(free)).done()


class Renumbering:
    """A network of docker with another subnet: its gateway keeps the first address, its containers get the following ones."""

    def __init__(self, facts: FactBase, network: Fact, old: Prefix, new: Prefix) -> None:
        self.facts = facts
        self.network = network
        self.old, self.new = old, new
        gateways = {to_int(str(gateway)) for gateway in network.fields.get("gateways") or () if family_of(str(gateway)) == 4}
        seen = (str(fact.get("address")) for fact in facts.of_kind("address") if fact.node == network.node)
        held = {to_int(address) for address in seen if self._inside(address)}
        ordered = [*sorted(gateways), *sorted(held - gateways)]
        self.numbers = {number: new.value + place for place, number in enumerate(ordered, 1)}

    def _inside(self, address: str) -> bool:
        return is_address(address) and family_of(address) == 4 and self.old.holds(to_int(address))

    def _moved(self, address: str) -> str:
        """The address that takes the place of one of the old subnet; others stay."""
        if not self._inside(address):
            return address
        number = to_int(address)
        return to_text(self.numbers.get(number, self.new.value + (number - self.old.value) % (1 << (32 - self.new.length))))

    def _rule(self, spec: str) -> str:
        """Words of a rule with the subnet, and the addresses that the network holds, replaced; what it only covers is somebody else's."""
        spec = re.sub(rf"(?<![\d.]){re.escape(str(self.old))}(?!\d)", str(self.new), spec)
        held = {to_text(number) for number in self.numbers}
        return _ADDRESS.sub(lambda found: self._moved(found[0]) if found[0] in held else found[0], spec)

    def _prefix(self, text: str) -> str:
        """A destination or an address of a route."""
        return str(self.new) if text == str(self.old) else "/".join((self._moved(text.partition("/")[0]), *text.split("/")[1:]))

    def done(self) -> FactBase:
        """All facts after the move."""
        swaps: dict[int, Fact | None] = {}
        for kind in ("container_network", "container", "address", "route", "neighbor", "netfilter_table"):
            for fact in self.facts.of_kind(kind):
                if fact.node == self.network.node:
                    changed = self._changed(fact)
                    if changed is not fact:
                        swaps[id(fact)] = changed
        return self.facts.swap(swaps)

    def _changed(self, fact: Fact) -> Fact | None:
        get = fact.fields.get
        if fact.kind == "container_network":
            same = fact is self.network
            return fact.having(subnets=(str(self.new),), gateways=tuple(map(self._moved, get("gateways") or ()))) if same else fact
        if fact.kind == "container":
            ends = get("endpoints") or ()
            moved = tuple({**end, **{name: self._moved(str(end[name])) for name in ("address", "gateway") if end.get(name)}} for end in ends)
            return fact.having(endpoints=moved) if moved != tuple(ends) else fact
        if fact.kind == "neighbor":
            return None if self._inside(str(get("address"))) else fact
        if fact.kind == "netfilter_table":
            return self._table(fact)
        if fact.stack == HOST and get("device") != self.network.fields.get("bridge"):
            return fact  # what else has the range is what the network has to give way to
        return self._address(fact) if fact.kind == "address" else self._route(fact)

    def _address(self, fact: Fact) -> Fact:
        address = str(fact.fields.get("address"))
        if not self._inside(address):
            return fact
        return replace(fact.having(address=self._moved(address), prefixlen=self.new.length, broadcast=None), shown="")

    def _route(self, fact: Fact) -> Fact:
        fields = {name: self._prefix(str(fact.fields[name])) for name in ("dst", "gateway", "src") if fact.fields.get(name)}
        return replace(fact.having(**fields), shown="") if any(fact.fields[name] != value for name, value in fields.items()) else fact

    def _table(self, fact: Fact) -> Fact:
        told = fact.fields.get("chains") or ()
        chains = tuple(replace(chain, rules=tuple(replace(rule, spec=self._rule(rule.spec)) for rule in chain.rules)) for chain in told)
        return fact.having(chains=chains) if chains != told else fact


class DockerAddressPools(_Pool):
    """Tell docker from which ranges to take the subnets of networks."""

    NAME: ClassVar[str] = "docker.address-pools"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {}

    def commands(self) -> tuple[str, ...]:
        """``default-address-pools`` in daemon.json; dockerd reads it when it starts."""
        return (f"# in {DAEMON_JSON} (merge with what is there): {self._pools()}", "systemctl restart docker")

    def undo(self) -> tuple[str, ...]:
        """Without it docker has its own pools."""
        return (f"# take default-address-pools out of {DAEMON_JSON} again", "systemctl restart docker")

    def verify(self) -> tuple[str, ...]:
        """A network can be made again."""
        return ("docker network create pool-check && docker network rm pool-check",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """Not modelled: no packet is involved."""
        del facts
        return None


class DockerCreateNetwork(_Pool):
    """Make a network with a subnet of one's own choice: docker looks at no route then."""

    NAME: ClassVar[str] = "docker.create-network"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"network": Parameter("name of the network")}

    def commands(self) -> tuple[str, ...]:
        """``docker network create --subnet``."""
        return (self.site.shell("docker", "network", "create", "--subnet", self.free(24), self.text("network")),)

    def undo(self) -> tuple[str, ...]:
        """``docker network rm``."""
        return (self.site.shell("docker", "network", "rm", self.text("network")),)

    def persist(self) -> tuple[str, ...]:
        """Compose makes its own network."""
        return (f"# docker compose: networks: {{default: {{ipam: {{config: [{{subnet: {self.free(24)}}}]}}}}}}",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """Not modelled: no packet is involved."""
        del facts
        return None
