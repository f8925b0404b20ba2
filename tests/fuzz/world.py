"""What a generator knows while it makes a scenario: stacks, devices, addresses and the names worth aiming at."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from tests.fuzz.scenario import Probe, Scenario, Stack

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

T = TypeVar("T")
OPEN_BOTH, OPEN_TCP, OPEN_UDP, CLOSED = 80, 8080, 5353, 81
PORTS = (OPEN_BOTH, OPEN_BOTH, OPEN_TCP, OPEN_UDP, CLOSED)
MARKS = (0x1, 0x2, 0x3, 0x10, 0x4000, 0x8000)


@dataclass(slots=True)
class World:
    """A scenario in the making."""

    rng: random.Random
    stacks: dict[str, Stack] = field(default_factory=dict)
    links: list[list[str]] = field(default_factory=list)
    devices: dict[str, list[str]] = field(default_factory=dict)
    own: dict[str, list[str]] = field(default_factory=dict)
    """Addresses of each stack."""
    routers: list[str] = field(default_factory=list)
    """Stacks that get rules, sets and odd routes most often."""
    clients: list[str] = field(default_factory=list)
    nets: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    """Addresses that probes and rules aim at."""
    bridged: bool = False
    """There is a bridge, so physdev makes sense."""
    ports: dict[str, list[str]] = field(default_factory=dict)
    """Bridge ports of each stack."""

    # --- dice -----------------------------------------------------------------------------------------------------

    def chance(self, share: float) -> bool:
        """True for a share of the calls."""
        return self.rng.random() < share

    def pick(self, values: Sequence[T]) -> T:
        """One of some values."""
        return values[self.rng.randrange(len(values))]

    def weighed(self, values: Mapping[T, float]) -> T:
        """One of some values by weight."""
        return self.rng.choices(list(values), list(values.values()))[0]

    def address(self) -> str:
        """An address that occurs."""
        return self.pick(self.targets)

    def net(self) -> str:
        """A prefix that holds an address that occurs, of any length."""
        if self.chance(0.4):
            return self.pick(self.nets)
        length = self.pick((8, 16, 20, 24, 24, 28, 30, 31, 32, 32))
        return str(ipaddress.ip_network(f"{self.address()}/{length}", strict=False))

    # --- building -------------------------------------------------------------------------------------------------

    def stack(self, name: str) -> Stack:
        """A stack by name, made if need be."""
        if name not in self.stacks:
            self.stacks[name] = Stack()
            self.devices[name] = ["lo"]
            self.own[name] = ["127.0.0.1"]
            self.ports[name] = []
        return self.stacks[name]

    def device(self, stack: str, name: str, *addresses: str) -> None:
        """Bring a device up and give it addresses."""
        lines = self.stack(stack).ip
        self.devices[stack].append(name)
        for text in addresses:
            self.add_address(stack, name, text)
        lines.append(f"link set {name} up")

    def add_address(self, stack: str, device: str, text: str) -> None:
        """Give a device an address (``10.0.0.1/24``)."""
        interface = ipaddress.ip_interface(text)
        broadcast = " brd +" if interface.network.prefixlen < 31 and self.chance(0.7) else ""
        self.stack(stack).ip.append(f"addr add {text}{broadcast} dev {device}")
        self.own[stack].append(str(interface.ip))
        self.targets.append(str(interface.ip))
        net = str(interface.network)
        if net not in self.nets:
            self.nets.append(net)

    def wire(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
        """A veth pair; each end is (stack, device, address or "")."""
        for stack, device, address in (one, other):
            self.device(stack, device, *([address] if address else []))
        self.links.append([one[0], one[1], other[0], other[1]])

    def run(self, stack: str, *lines: str) -> None:
        """Lines for ``ip -batch`` in a stack."""
        self.stack(stack).ip.extend(lines)

    def serve(self, stack: str, address: str = "0.0.0.0") -> None:
        """Listeners on the usual ports."""
        self.stack(stack).listen += [["tcp", address, OPEN_BOTH], ["udp", address, OPEN_BOTH], ["tcp", address, OPEN_TCP], ["udp", address, OPEN_UDP]]

    # --- probes ---------------------------------------------------------------------------------------------------

    def probes(self, count: int) -> list[Probe]:
        """Attempts of all kinds."""
        made = []
        for _ in range(count):
            stack = self.pick(self.clients) if self.chance(0.8) else self.pick(list(self.stacks))
            protocol = self.weighed({"tcp": 5, "udp": 4, "icmp": 2})
            source = self.pick(self.own[stack][1:]) if self.chance(0.15) and len(self.own[stack]) > 1 else ""
            made.append(Probe(stack, protocol, self.address(), 0 if protocol == "icmp" else self.pick(PORTS), source))
        return made

    def scenario(self, count: int) -> Scenario:
        """The scenario with so many probes."""
        return self._sized(Scenario(self.stacks, self.links, self.probes(count)))

    def _sized(self, scenario: Scenario) -> Scenario:
        """Some scenarios are about sizes: a wire is narrower (at one end or at both), and some probes are large."""
        if not self.links or not self.chance(0.2):
            return scenario
        one, a, other, b = self.pick(self.links)
        for stack, device in self.pick((((one, a),), ((other, b),), ((one, a), (other, b)))):
            self.run(stack, f"link set {device} mtu {self.pick((1300, 1400, 1450))}")
        sizes = (0, 1300, 1301, 1304, 1305, 1400, 1401, 1404, 1405, 1450, 1454, 1455, 1500, 1501)
        scenario.probes = [p if p.protocol == "tcp" else replace(p, size=self.pick(sizes)) for p in scenario.probes]
        return scenario
