"""Chains of netdev and bridge in the walk: the measured table on the model and on the running kernel, and what a walk tells of them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from collectors.evidence import read_files
from collectors.parsers.nftables import parse
from collectors.place import Place
from engine.facts import FactBase, Source
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.walk.frame_cases import CASES, bridged, device
from tests.engine.walk.world import World, found
from tests.fuzz.kernel import LONG, SHORT, Kernel
from tests.fuzz.scenario import FIRST_SPORT, Probe, Scenario, Stack
from tests.lab.machine import why_not

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import Fact
    from tests.engine.walk.native_cases import Case

SCENARIO = Scenario(
    {
        "client": Stack(ip=["link set eth0 up", "addr add 10.1.0.2/24 dev eth0", "route add default via 10.1.0.1"]),
        "server": Stack(ip=["link set eth0 up", "addr add 10.1.0.3/24 dev eth0", "route add default via 10.1.0.1"], listen=[["tcp", "0.0.0.0", 80]]),
        "router": Stack(
            {"net.ipv4.ip_forward": 1},
            [
                "link add br0 type bridge",
                *(f"link set {port} master br0" for port in ("pc", "ps")),
                *(f"link set {name} up" for name in ("pc", "ps", "br0", "eth1", "lo")),
                "addr add 10.1.0.1/24 dev br0",
                "addr add 10.2.0.1/24 dev eth1",
            ],
            listen=[["tcp", "0.0.0.0", 22]],
        ),
        "far": Stack(ip=["link set eth0 up", "addr add 10.2.0.2/24 dev eth0", "route add default via 10.2.0.1"], listen=[["tcp", "0.0.0.0", 80]]),
    },
    [["client", "eth0", "router", "pc"], ["server", "eth0", "router", "ps"], ["router", "eth1", "far", "eth0"]],
    [],
)


def predicted(base: Sequence[Fact], text: str, probe: str, sport: int) -> set[str]:
    """What the model says that a client sees, of facts and a listing on the router."""
    network = build(FactBase([*base, *parse(Source("nft_list_ruleset", text, "nft list ruleset"), Place("node", "router"))]))
    stack, protocol, dst, port = probe.split()
    trace = walk(network, Flow("node", stack, "", dst, int(port), protocol, sport=sport))
    return {trace.client_sees} | {outcome for _, _, outcome in trace.branches}


class Rig:
    """The namespaces, rulesets that come and go on the router."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.kernel.build(SCENARIO)
        self.base = read_files(self.kernel.collect()).facts
        self.port = FIRST_SPORT

    def run(self, *argv: str, text: str = "") -> str:
        """Run a program on the router; it must succeed."""
        pid = self.kernel._pids["router"]
        return subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *argv], input=text, capture_output=True, text=True, check=True).stdout

    def sends(self, text: str, expected: str) -> tuple[str, int]:
        """What the client sees, and its port; on a busy machine an answer may come late, so what differs is asked again, patiently."""
        stack, protocol, dst, port = text.split()
        for patience in (SHORT, LONG):
            self.port += 1
            sees = self.kernel.send(Probe(stack, protocol, dst, int(port)), self.port, patience).sees
            if sees == expected:
                break
        return sees, self.port


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """Namespaces for all cases."""
    made = Rig()
    yield made
    made.kernel.close()


@pytest.mark.lab
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can run")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_model_and_kernel_agree(rig: Rig, case: Case) -> None:
    """The kernel does what the table says, and the model predicts it from the kernel's own listing."""
    rig.run("nft", "flush", "ruleset")
    rig.run("nft", "-f", "-", text=case.rules)
    listed = rig.run("nft", "list", "ruleset")
    for probe, expected in case.sees.items():
        sees, sport = rig.sends(probe, expected)
        assert sees == expected, f"the kernel, {probe}"
        assert predicted(rig.base, listed, probe, sport) == {expected}, f"the model, {probe}"


# --- without a kernel -----------------------------------------------------------------------------------------------


def world(rules: str, command: str = "nft list ruleset") -> World:
    """The bridge of the cases as tools print it, with a ruleset on the router."""
    made = World()
    made.stack("router").device("br0", "10.1.0.1/24", kind="bridge").router().listens("tcp 0.0.0.0:22")
    made.pod("router", "client", "10.1.0.2/24", "br0", "10.1.0.1")
    made.pod("router", "server", "10.1.0.3/24", "br0", "10.1.0.1").listens("tcp 0.0.0.0:80")
    shown = made.stack("router")
    if command != "nft list ruleset":
        shown.unseen("nft list ruleset")
    shown.shows(command, rules)
    return made


@pytest.mark.parametrize(
    ("rules", "sender", "dst", "port", "hook", "devices"),
    [
        (bridged("forward", "tcp dport 80 drop"), "router/client", "10.1.0.3", 80, "BRIDGE", ("veth-client", "veth-server")),
        (bridged("input", "ip daddr 10.1.0.1 drop"), "router/client", "10.1.0.1", 22, "BRIDGE", ("veth-client", "")),
        (device("ingress", "veth-client", "tcp dport 80 drop"), "router/client", "10.1.0.3", 80, "INGRESS", ("veth-client", "")),
        (device("egress", "veth-server", "tcp dport 80 drop"), "router", "10.1.0.3", 80, "EGRESS", ("", "veth-server")),
    ],
)
def test_drop_fact(rules: str, sender: str, dst: str, port: int, hook: str, devices: tuple[str, str]) -> None:  # noqa: PLR0917 - one case
    """The rule that ends a frame is named by hook, table, chain and number, with its line and the devices that count there."""
    trace = world(rules).walk(sender, dst, port)
    drop = found(trace, "drop")
    assert trace.client_sees == "timeout"
    assert (drop.get("hook"), drop.get("table"), drop.get("base_chain"), drop.get("number")) == (hook, f"{rules.split()[1]} t", "base", 1)
    assert drop.get("out_device") == devices[1]
    assert drop.get("in_device") in {devices[0], "br0"}
    assert drop.text.endswith("drop")


def test_chains_in_the_way_of_nothing() -> None:
    """Chains of other devices, other hooks, and those that accept, let everything pass."""
    rules = device("ingress", "veth-other", "drop") + bridged("forward", "accept") + bridged("output", policy="drop", table="u")
    assert world(rules).sees("router/client", "10.1.0.3") == "connected"


def test_names_of_bridges_are_known() -> None:
    """``ibrname`` and ``obrname`` are the bridges of the ports; a device that is none of a bridge has no such name."""
    for name, sees in (("br0", "EHOSTUNREACH"), ("br1", "connected")):
        assert world(bridged("forward", f'meta ibrname "{name}" meta obrname "{name}" drop')).sees("router/client", "10.1.0.3") == sees


@pytest.mark.parametrize("rule", ["ct state new drop", "meta pkttype unicast drop", "ether daddr 02:00:00:00:00:01 drop", "vlan id 7 drop"])
def test_what_bridges_know_alone_is_unknown(rule: str) -> None:
    """What the walk does not follow on layer 2 is no verdict: the flow depends, and the chain is named."""
    trace = world(bridged("forward", rule)).walk("router/client", "10.1.0.3")
    assert trace.client_sees == "depends"
    assert {unknown.command for unknown in trace.depends} == {"nft list chain bridge t base"}


def test_json_that_names_no_device() -> None:
    """Where a listing does not tell the device of a chain, what the chain would do is one outcome, the other that it hangs elsewhere."""
    chain = '{"chain": {"family": "netdev", "table": "t", "name": "c", "type": "filter", "hook": "ingress", "prio": 0, "policy": "accept"%s}}'
    rule = '{"rule": {"family": "netdev", "table": "t", "chain": "c", "expr": [{"drop": null}]}}'
    for device_words, sees in (("", "depends"), (', "dev": "veth-client"', "EHOSTUNREACH"), (', "dev": ["lo", "br7"]', "connected")):
        text = f'{{"nftables": [{chain % device_words}, {rule}]}}'
        assert world(text, "nft -j list ruleset").sees("router/client", "10.1.0.3") == sees, device_words
