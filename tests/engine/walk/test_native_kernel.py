"""Native nftables rulesets on the running kernel: every case of the table is measured again, and the model reads what ``nft`` itself lists."""

from __future__ import annotations

import itertools
import subprocess
from typing import TYPE_CHECKING

import pytest

from collectors.evidence import read_files
from collectors.parsers.iptables import parse as parse_iptables
from collectors.parsers.nftables import parse as parse_nft
from collectors.place import Place
from engine.facts import Fact, FactBase, Source
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.walk.native_cases import CASES, Case
from tests.fuzz.kernel import LONG, SHORT, Kernel
from tests.fuzz.scenario import FIRST_SPORT, Probe, Scenario, Stack
from tests.lab.machine import why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can run")]

SCENARIO = Scenario(
    {
        "client": Stack(ip=["link set eth0 up", "addr add 10.1.0.2/24 dev eth0", "route add default via 10.1.0.1"]),
        "router": Stack(
            {"net.ipv4.ip_forward": 1},
            ["link set eth0 up", "link set eth1 up", "addr add 10.1.0.1/24 dev eth0", "addr add 10.2.0.1/24 dev eth1"],
            listen=[["tcp", "0.0.0.0", 22], ["tcp", "0.0.0.0", 8080], ["udp", "0.0.0.0", 53]],
        ),
        "server": Stack(
            ip=["link set eth0 up", "addr add 10.2.0.2/24 dev eth0", "addr add 10.2.0.3/24 dev eth0", "route add default via 10.2.0.1"],
            listen=[["tcp", "0.0.0.0", 80], ["tcp", "0.0.0.0", 8080], ["udp", "0.0.0.0", 80]],
        ),
    },
    [["client", "eth0", "router", "eth0"], ["router", "eth1", "server", "eth0"]],
    [],
)
EMPTY = "*{}\n:OUTPUT ACCEPT\nCOMMIT\n"


class Rig:
    """The three namespaces, rulesets that come and go."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.kernel.build(SCENARIO)
        self.base = read_files(self.kernel.collect()).facts
        self.ports = itertools.count(FIRST_SPORT)

    def run(self, stack: str, *argv: str, text: str = "") -> str:
        """Run a program in a namespace; it must succeed."""
        pid = self.kernel._pids[stack]
        return subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *argv], input=text, capture_output=True, text=True, check=True).stdout

    def load(self, case: Case, form: str) -> list[Fact]:
        """Load a case's rulesets; the facts of what the tools list then."""
        facts = list(self.base)
        command = "nft -j list ruleset" if form == "json" else "nft list ruleset"
        for stack in SCENARIO.stacks:
            self.run(stack, "nft", "flush", "ruleset")
            rules = (case.rules if stack == case.stack else "") + case.also.get(stack, "")
            self.run(stack, "nft", "-f", "-", text=rules)
            facts += parse_nft(Source("nft_list_ruleset", self.run(stack, *command.split()), command), Place("node", stack))
        if case.legacy:
            self.run(case.stack, "iptables-legacy-restore", text=case.legacy)
            saved = self.run(case.stack, "iptables-legacy-save")
            facts += parse_iptables(Source("iptables-legacy-save", saved, "iptables-legacy-save"), Place("node", case.stack))
        return facts

    def sends(self, probe: Probe, expected: str) -> tuple[str, int]:
        """What the client sees; on a busy machine an answer may come late, so what differs is asked again, patiently."""
        for patience in (SHORT, LONG):
            port = next(self.ports)
            sees = self.kernel.send(probe, port, patience).sees
            if sees == expected:
                break
        return sees, port

    def close(self, case: Case) -> None:
        """Take the legacy tables back."""
        tables = [line[1:] for line in case.legacy.split("\n") if line.startswith("*")]
        for table in tables:
            chains = "".join(f":{chain} ACCEPT\n" for chain in ("INPUT", "FORWARD", "OUTPUT")) if table == "filter" else ":OUTPUT ACCEPT\n"
            self.run(case.stack, "iptables-legacy-restore", text=f"*{table}\n{chains}COMMIT\n")


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """Namespaces for all cases."""
    made = Rig()
    yield made
    made.kernel.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_model_and_kernel_agree(rig: Rig, case: Case) -> None:
    """The kernel does what the table says, and the model predicts it from the kernel's own listing (text and JSON by turns)."""
    form = "json" if CASES.index(case) % 2 else "text"
    network = build(FactBase(rig.load(case, form)))
    try:
        for text, expected in case.sees.items():
            stack, protocol, dst, port = text.split()
            sees, source = rig.sends(Probe(stack, protocol, dst, int(port)), expected)
            assert sees == expected, f"the kernel, {text}"
            trace = walk(network, Flow("node", stack, "", dst, int(port), protocol, sport=source))
            allowed = {trace.client_sees} | {outcome for _, _, outcome in trace.branches}
            assert allowed == {expected}, f"the model, {text}"
    finally:
        rig.close(case)
