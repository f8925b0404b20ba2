"""Packet tables: what a packet meets on the running kernel, and what the walk predicts from the same machines' outputs."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from collectors.classify import from_command
from collectors.evidence import parser_of
from collectors.place import Place
from engine.computed import EXPANDERS
from engine.facts import HOST, Fact, FactBase, Source
from engine.model import build as model
from engine.walk import walk
from engine.walk.trace import Flow
from tests.lab import vm
from tests.lab.machine import why_not
from tests.lab.scenario import DEBIAN, Scenario, Traffic, node_of
from tests.lab.topology import build

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.walk.trace import Trace

OUTPUTS = (
    "ip -d addr", "ip route show table all", "ip rule", "ip neigh", "bridge fdb show", "iptables-save", "ipset save",
    "sysctl net.ipv4.conf net.ipv4.ip_forward net.ipv4.vs net.bridge", "ss -lntup", "ipvsadm -Ln", "wg show",
)
"""What is asked of every stack."""
_MARK = "#=#"


class Table:
    """Machines, each probe sent by the kernel and walked by the model."""

    def __init__(self, nodes: str, kernel: str = "") -> None:
        """``nodes`` and ``kernel``: as in a lab file, in YAML."""
        values: Mapping[str, Any] = yaml.safe_load(nodes)
        self.nodes = {name: node_of(name, each, name) for name, each in values.items()}
        nothing: dict[str, Sequence[str]] = {}
        self.machines = build(Scenario("table", "", "", "", self.nodes, Traffic("", ""), nothing, nothing, nothing, kernel=kernel))
        self._facts: dict[tuple[str, str], list[Fact]] = {}

    def run(self, place: str, lines: str) -> str:
        """Run shell lines that must succeed on a machine or in a pod; what is known of that stack is forgotten."""
        node, _, pod = place.partition("/")
        self._facts.pop((node, pod or HOST), None)
        return self.machines[node].must(lines, pod)

    def close(self) -> None:
        """End the machines."""
        self.machines.close()

    def facts(self) -> FactBase:
        """What all machines print now."""
        for place in [(name, stack) for name, node in self.nodes.items() for stack in (HOST, *node.pods)]:
            if place not in self._facts:
                self._facts[place] = self._read(*place)
        return FactBase([fact for each in self._facts.values() for fact in each], EXPANDERS)

    def _read(self, node: str, stack: str) -> list[Fact]:
        pod = "" if stack == HOST else stack
        # A parameter that cannot be read is no parameter of the network.
        script = "\n".join(f"echo {shlex.quote(_MARK + command)}; {command} 2>/dev/null || true" for command in OUTPUTS)
        found = [Fact("netns", {"name": stack, "role": "container", "entry": f"ip netns exec {pod}"}, node, stack)] if pod else []
        for part in self.machines[node].must(script, pod).split(_MARK)[1:]:
            command, _, text = part.partition("\n")
            hint = from_command(command)
            parser = parser_of(hint.format) if hint else None
            assert parser is not None, command
            found += parser(Source(f"nodes/{node}/{stack}/{command}", text, command), Place(node, stack))
        return found

    def walk(self, start: str, to: str, port: int, protocol: str) -> Trace:
        """The model's answer."""
        node, _, pod = start.partition("/")
        return walk(model(self.facts()), Flow(node, pod or HOST, "", to, port, protocol))

    def send(self, start: str, to: str, port: int, protocol: str, seconds: float) -> tuple[str, str]:
        """The kernel's answer: what the client sees, and the source that the server saw."""
        node, _, pod = start.partition("/")
        sees, source = self.machines[node].must(f"probe {protocol} {to} {port} {seconds}", pod).split()
        return sees, "" if source == "-" else source

    def check(self, start: str, to: str, sees: str, source: str = "", *, port: int = 80, protocol: str = "tcp") -> None:
        """Kernel and model both let the client see ``sees``, and the server ``source``."""
        # What is expected to come is waited for: the emulated machine may be slow, and an unanswered ARP takes 3 s.
        seconds = 1.0 if sees == "timeout" else 8.0
        trace = self.walk(start, to, port, protocol)
        hops = [hop for part in (trace.request, trace.reply) if part for hop in part.hops]
        told = "\n".join(f"  {hop.node}/{hop.stack} {step.summary}" for hop in hops for step in hop.steps)
        seen = self.send(start, to, port, protocol, seconds)
        assert (*seen, trace.client_sees) == (sees, source, sees), f"the kernel: {seen}, the model: {trace.client_sees}\n{told}"


@contextmanager
def laid(nodes: str, kernel: str = "") -> Iterator[Table]:
    """Machines for as long as a test needs them; the test is skipped where none can be made."""
    reason = why_not() or (vm.why_not() if kernel == DEBIAN else "")
    if reason:
        pytest.skip(reason)
    table = Table(nodes, kernel)
    try:
        yield table
    finally:
        table.close()
