"""Evidence whose addresses were replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.diagnosis import Diagnoser
from engine.facts import HOST, Fact
from engine.findings import Certainty, Question
from engine.rulebase.loader import load
from engine.walk.trace import Flow
from tests.engine.walk.world import World, lan

if TYPE_CHECKING:
    from engine.diagnosis import Diagnosis

FLOW = Flow("client", HOST, "", "10.2.0.2", 80, "tcp")


def diagnosed(world: World, *veiled: str) -> Diagnosis:
    """The diagnosis of a world of which some nodes' addresses were replaced."""
    facts = world.facts().plus(Fact("obfuscated", {"by": "sos clean"}, node, HOST) for node in veiled)
    return Diagnoser(Question("", "", (FLOW,)), facts, load(()).rules).run()


def ids(diagnosis: Diagnosis) -> set[str]:
    """Rules that found something on the flow."""
    return {finding.id for finding in diagnosis.findings if finding.flows}


def test_routing_proves_nothing() -> None:
    """That no route holds the address is no cause on such a node, and the rules that are switched off are named; elsewhere it is."""
    world = lan(gateway=False)
    assert "no-default-route" in ids(diagnosed(world)) | ids(diagnosed(world, "server"))
    off = diagnosed(world, "client")
    assert not ids(off)
    assert any(warning.startswith("switched off for client, whose addresses sos clean replaced") for warning in off.warnings)


@pytest.mark.parametrize(("veiled", "certainty"), [((), Certainty.PROVEN), (("router",), Certainty.LIKELY)])
def test_policies_still_hold(veiled: tuple[str, ...], certainty: Certainty) -> None:
    """A policy is one whatever the addresses are, though the way there is not proven."""
    world = lan()
    world.stack("router").filter(FORWARD="DROP")
    world.stack("server").listens("tcp 0.0.0.0:80")
    diagnosis = diagnosed(world, *veiled)
    assert {(f.id, f.certainty) for f in diagnosis.findings if f.flows} == {("forward-policy-drop", certainty)}
    assert not diagnosis.warnings


def test_addresses_that_stand_for_others() -> None:
    """What names an address of docker's usual network may be about any other."""
    world = lan()
    world.stack("router").filter("-A FORWARD -s 172.17.3.4/32 -j ACCEPT", "-A FORWARD -s 10.1.0.0/24 -j DROP")
    world.stack("client").device("docker0", "172.17.0.1/16", kind="bridge")
    flow = FLOW._replace(src="172.17.0.1")
    facts = world.facts()
    assert Diagnoser(Question("", "", (flow,)), facts, load(()).rules).run().findings
    veiled = facts.plus([Fact("obfuscated", {"by": "sos clean"}, node, HOST) for node in ("client", "router", "server")])
    assert not [f for f in Diagnoser(Question("", "", (flow,)), veiled, load(()).rules).run().findings if f.flows]
