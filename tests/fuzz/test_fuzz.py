"""The walk agrees with the running kernel, packet by packet."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.compare import AGREE, DEPENDS, judge, run
from tests.fuzz.generate import generate
from tests.fuzz.helper import Moved
from tests.fuzz.kernel import Kernel
from tests.fuzz.model import predict, read
from tests.fuzz.reduce import load, reduce
from tests.fuzz.scenario import FIRST_SPORT, Probe, Scenario, Stack, from_plain
from tests.lab.machine import why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
SEEDS = range(9_000_000, 9_000_010)
"""Scenarios of the fixed round: 150 probes; the cases have some 570 more."""

TRIES = 40
"""Of each probe of the scenario about chance."""

lab = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not())]


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """Namespaces for one scenario after the other."""
    kernel = Kernel()
    yield kernel
    kernel.close()


@pytest.mark.parametrize("path", [pytest.param(path, marks=lab) for path in CASES], ids=lambda path: path.stem)
def test_case(kernel: Kernel, path: Path) -> None:
    """What the model once got wrong, and what the kernel is known for, is predicted for every probe."""
    scenario = load(path)
    results = list(run(kernel, scenario))
    assert kernel.refused == []
    assert [result.told or result.kind for result in results if result.kind != AGREE] == []


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=lab) for seed in SEEDS])
def test_random(kernel: Kernel, seed: int) -> None:
    """On random networks the client sees what the model says, and the rule that the model names is the one that counted the packet."""
    assert [result.told for result in run(kernel, generate(seed)) if result.kind not in {AGREE, DEPENDS}] == []


def test_same_seed_same_scenario() -> None:
    """A seed names one scenario, and the scenario survives being written down."""
    assert generate(7).plain() == generate(7).plain() != generate(8).plain()
    assert from_plain(generate(7).plain()).digest() == generate(7).digest()


def test_conditions_of_a_module_stand_together() -> None:
    """No rule has another module's condition between two of one: iptables refuses ``-m mark … -m connmark … -m mark …`` (seed 51000430 drew that)."""
    lines = [line for stack in generate(51_000_430).stacks.values() for line in (*stack.legacy, *stack.nft)]
    modules = [[module for module, _ in groupby(re.findall(r"-m (\S+)", line))] for line in lines]
    assert ["mark", "connmark"] in modules
    assert [of_rule for of_rule in modules if len(of_rule) > len(set(of_rule))] == []


@pytest.mark.lab
def test_shares(kernel: Kernel) -> None:
    """A random branch is taken as often as its share says (within four standard deviations), and every outcome was foreseen."""
    if why_not():
        pytest.skip(why_not())
    scenario = load(next(path for path in CASES if path.stem == "chance"))
    kernel.build(scenario)
    network = read(kernel.collect())
    for probe in scenario.probes:
        courses = predict(network, probe, FIRST_SPORT).courses
        share = sum(course.chance for course in courses if course.sees == "connected") / sum(course.chance for course in courses)
        seen = [kernel.send(probe, FIRST_SPORT + at).sees for at in range(TRIES)]
        assert set(seen) <= {course.sees for course in courses}
        assert abs(seen.count("connected") - TRIES * share) <= 4 * (TRIES * share * (1 - share)) ** 0.5, (probe, share, seen)


@pytest.mark.lab
def test_bystanders(kernel: Kernel) -> None:
    """A question for an IPv6 neighbour is flooded: rules on PREROUTING count it at all who hear it, and only those are not taken for the flow's."""
    if why_not():
        pytest.skip(why_not())
    switches = {f"net.ipv6.conf.{key}.disable_ipv6": 0 for key in ("all", "default")}
    pods = {name: Stack({**switches}, [f"addr add 2001:db8::{at}/64 dev eth0", "link set eth0 up"]) for at, name in enumerate(("p1", "p2", "p3"), 1)}
    pods["p1"].ip.append("-6 route add default via 2001:db8::2")
    pods["p2"].sysctls["net.ipv6.conf.all.forwarding"] = 1
    pods["p3"].legacy6 = ["*raw", ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", "-A PREROUTING -j DROP", "COMMIT"]
    ports = [line for name in pods for line in (f"link set v{name} master br0", f"link set v{name} up")]
    host = Stack({}, ["link add br0 type bridge mcast_snooping 0", "link set br0 up", *ports])
    probe = Probe("p1", "icmp", "2001:db8:9::9", 0)
    kernel.build(Scenario({"host": host, **pods}, [[name, "eth0", "host", f"v{name}"] for name in pods], [probe]))
    prediction = predict(read(kernel.collect()), probe, FIRST_SPORT)
    kernel.settle()
    outcome = kernel.send(probe, FIRST_SPORT)
    assert {(m.stack, m.chain, m.target) for m in outcome.moved} == {("p3", "PREROUTING", "DROP")}
    assert outcome.sees == "ENETUNREACH"
    assert judge(probe, prediction, outcome) == AGREE
    further = replace(outcome, moved=outcome.moved | {Moved("p3", "legacy", "filter", "INPUT", 1, "DROP")})
    assert judge(probe, prediction, further) != AGREE


@pytest.mark.lab
def test_large_probes_find_no_memory(kernel: Kernel) -> None:
    """What one large packet taught a stack on its way (its tunnel's MTU) is forgotten before the next is sent."""
    if why_not():
        pytest.skip(why_not())
    scenario = load(next(path for path in CASES if path.stem == "vxlan6-sizes-of-first-packets"))
    kernel.build(scenario)
    kernel.collect()
    assert [kernel.send(scenario.probes[0], FIRST_SPORT + at).sees for at in range(2)] == ["timeout", "timeout"]


def test_disagreement_is_seen_and_reduced(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is wrong (here: one that knows no listeners) is caught, and the scenario shrinks to what shows it."""
    if why_not():
        pytest.skip(why_not())
    monkeypatch.setattr("engine.walk.journey.listeners", lambda *_: [])
    scenario = load(next(path for path in CASES if path.stem == "echo-to-oneself"))
    results = list(run(kernel, scenario))
    assert [result.kind for result in results] == [AGREE, "sees: ECONNREFUSED, kernel connected"]
    small = reduce(kernel, scenario, results[1])
    assert small.plain()["stacks"] == {"host": {"listen": [["udp", "0.0.0.0", 80]]}}
    assert [probe.dst for probe in small.probes] == ["127.0.0.1"]
