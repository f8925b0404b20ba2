"""Conclusions on ports that nobody named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collectors.evidence import read
from engine.diagnosis import Diagnoser
from engine.findings import Question, Standing, Verdict
from engine.model import build
from engine.pipeline import fact_base, plausible
from engine.question import understand
from engine.rulebase.loader import load
from engine.walk.trace import Flow
from tests.engine.walk.world import World, lan

if TYPE_CHECKING:
    from engine.diagnosis import Diagnosis

LABS = Path(__file__).parents[1] / "recordings" / "labs"
ROW = re.compile(r"^\| (\S+) \|[^|]*\| `(?:[^`]*/)?([^`]*)` → `([\d.]+):\d+/", re.MULTILINE)
ASKED = {lab: (sender, target) for lab, sender, target in ROW.findall((LABS / "README.md").read_text(encoding="utf-8"))}
"""Lab → who asks, and address that its flow asks for."""
GUESS = Flow("client", "host", "", "10.2.0.2", 80, "tcp", guessed=True)
PING = Flow("client", "host", "", "10.2.0.2", 0, "icmp", guessed=True)


def diagnosed(world: World, flow: Flow, error: str = "") -> Diagnosis:
    """The diagnosis of a flow by the built-in rules."""
    return Diagnoser(Question("", error, (flow,)), world.facts(), load(()).rules).run()


def roots(diagnosis: Diagnosis) -> list[str]:
    """Rules that name a root cause."""
    return [finding.id for finding in diagnosis.findings if finding.standing is Standing.ROOT_CAUSE]


def undecided(diagnosis: Diagnosis) -> list[str]:
    """Rules whose findings are undecided."""
    return [finding.id for finding in diagnosis.findings if finding.standing is Standing.UNDECIDED]


def asks_for_the_port(diagnosis: Diagnosis) -> bool:
    """Whether the port is among what is missing."""
    return any(not m.command and m.why["en"].startswith("which port?") and "--port" in m.why["zh"] for m in diagnosis.missing)


def filtered(*rules: str, **policies: str) -> World:
    """The usual world with a filter on the router, and a server that listens on port 22."""
    world = lan()
    world.stack("router").filter(*rules, **policies)
    world.stack("server").listens("tcp 0.0.0.0:22")
    return world


@pytest.mark.parametrize("lab", sorted(ASKED))
def test_healthy_recordings(lab: str) -> None:
    """On a network that works, no error without a port makes a root cause of a port that was guessed; nor does the target, named without one."""
    facts = fact_base(read((LABS / lab / "healthy",)))
    network = build(facts)
    rules = load(()).rules
    sender, target = ASKED[lab]
    vague = [(symptom, None) for symptom in ("Connection refused", "connection reset by peer")]
    asked = [(symptom, sender) for symptom in (f"cannot connect to {target}", f"{target} is unreachable", f"{target}: connection refused")]
    for symptom, from_ in (*vague, *asked):
        question = plausible(understand(symptom, facts, from_=from_), network)
        diagnosis = Diagnoser(question, facts, rules, network=network).run()
        assert roots(diagnosis) == [], symptom


def test_nothing_listens_on_a_guess() -> None:
    """That nobody waits on a port which nobody named is at most possible; the answer asks for the port."""
    diagnosis = diagnosed(filtered(), GUESS, "ECONNREFUSED")
    assert (roots(diagnosis), undecided(diagnosis), diagnosis.verdict) == ([], ["not-listening"], Verdict.INSUFFICIENT_EVIDENCE)
    assert asks_for_the_port(diagnosis)
    named = diagnosed(filtered(), GUESS._replace(guessed=False), "ECONNREFUSED")
    assert (roots(named), asks_for_the_port(named)) == (["not-listening"], False)


@pytest.mark.parametrize("flow", [GUESS, PING], ids=["port", "ping"])
def test_every_port_is_dropped(flow: Flow) -> None:
    """A policy that drops all ports is the cause whichever was meant; mending it brings the packet to wherever a program may wait."""
    diagnosis = diagnosed(filtered(FORWARD="DROP"), flow)
    assert (roots(diagnosis), asks_for_the_port(diagnosis)) == (["forward-policy-drop"], False)
    assert any(remedy.verified.value == "restores-flow" for remedy in diagnosis.findings[0].remedies)


@pytest.mark.parametrize(
    "rules",
    [
        ("-A FORWARD -p tcp --dport 22 -j ACCEPT", "-A FORWARD -p tcp --sport 22 -j ACCEPT", "-A FORWARD -j DROP"),
        ("-A FORWARD -p tcp -m multiport --dports 22,443 -j ACCEPT", "-A FORWARD -p tcp --sport 22 -j ACCEPT", "-A FORWARD -j DROP"),
        ("-A FORWARD -p tcp --dport 80 -j DROP",),
    ],
    ids=["one is let through", "some are", "the guess alone is dropped"],
)
def test_some_ports_pass(rules: tuple[str, ...]) -> None:
    """A filter that tells ports apart is no cause until the port is known."""
    diagnosis = diagnosed(filtered(*rules), GUESS)
    assert (roots(diagnosis), undecided(diagnosis)) == ([], ["firewall-drop"])
    assert asks_for_the_port(diagnosis)


def test_only_pings_are_dropped() -> None:
    """That pings die does not tell what else does."""
    diagnosis = diagnosed(filtered("-A FORWARD -p icmp -j DROP"), PING)
    assert roots(diagnosis) == []
    assert undecided(diagnosis)


def test_translation_of_the_guess() -> None:
    """A port that is sent elsewhere says nothing of the port that was meant."""
    world = filtered()
    world.stack("router").nat("-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.2.0.99:80")
    assert roots(diagnosed(world, GUESS)) == []
    assert roots(diagnosed(world, GUESS._replace(guessed=False)))


def test_no_way_at_all() -> None:
    """Routing does not ask for ports; an answer ("connection refused") speaks against it."""
    world = lan(gateway=False)
    assert roots(diagnosed(world, GUESS)) != []
    answered = diagnosed(world, GUESS, "ECONNREFUSED")
    assert roots(answered) == []
    assert asks_for_the_port(answered)


def test_sizes_of_a_guessed_ping() -> None:
    """That full pings do not pass is a cause only for who speaks of sizes: TCP agrees on what passes."""
    world = lan()
    world.stack("server").listens("tcp 0.0.0.0:22")
    world.stack("router").filter("-A OUTPUT -p icmp -m icmp --icmp-type 3/4 -j DROP")
    world.stack("router").devices["eth1"].mtu = 1400
    assert roots(diagnosed(world, PING)) == []
    assert roots(diagnosed(world, PING._replace(size=1500)))
