"""What evidence would settle the question."""

from __future__ import annotations

from engine.facts import Fact, FactBase
from engine.findings import Missing, Question
from engine.missing import missing
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.walk.world import World

ASKED = Missing("n2", "diagnose collect", {"en": "n2 was not collected", "zh": "n2"})


def pod_without_a_listing() -> World:
    """A node and a pod on it whose rules nobody listed."""
    world = World()
    world.host("n1", "192.0.2.1/24").device("cni0", "10.244.0.1/24", kind="bridge").unseen("ss -lntup")
    world.pod("n1", "a", "10.244.0.2/24", gateway="10.244.0.1").unseen("iptables-save")
    return world


def gaps(
    facts: FactBase, *flows: Flow, symptom: str = "", asked: tuple[Missing, ...] = (), causes: tuple[Fact, ...] | None = None
) -> tuple[Missing, ...]:
    """What is missing for these flows."""
    network = build(facts)
    traces = [walk(network, flow, number) for number, flow in enumerate(flows)]
    return missing(Question(symptom, "", flows, missing=asked), network, traces, causes)


FLOW = Flow("n1", "a", "", "10.244.0.1", 80, "tcp")


def test_each_open_or_assumed_thing_is_named_once() -> None:
    """Node and command, with the reason in both languages; the question's own come first."""
    found = gaps(pod_without_a_listing().facts(), FLOW, FLOW, asked=(ASKED,))
    assert [(gap.node, gap.command) for gap in found] == [("n2", "diagnose collect"), ("n1", "ss -lntp"), ("n1", "ip netns exec a iptables-save")]
    assert found[2].why["en"].endswith("(assumed harmless)")
    assert "n1/a" in found[2].why["zh"]


def test_what_is_missing_in_a_namespace_is_asked_for_inside_it() -> None:
    """Where the evidence does not tell how to enter a namespace, the command names it all the same: the node's own firewall is another."""
    facts = FactBase([fact for fact in pod_without_a_listing().facts().facts if fact.kind != "netns"])
    assert "ip netns exec a iptables-save  # or: nsenter -t <pid of a> -n iptables-save" in [gap.command for gap in gaps(facts, FLOW)]


def test_the_port_is_asked_for_only_while_no_cause_is_found() -> None:
    """A guessed port may be why the walk dies; what is known to be broken is broken on any port."""
    facts = pod_without_a_listing().facts()
    guessed = FLOW._replace(guessed=True)
    told = [gap for gap in gaps(facts, guessed) if "--port" in gap.why["en"]]
    assert len(told) == 1
    assert not [gap for gap in gaps(facts, guessed, causes=(facts.facts[0],)) if "--port" in gap.why["en"]]


def test_the_state_of_somebody_elses_server_is_not_asked_for() -> None:
    """A public address that is no node's: nobody who asks can log in there, unless the symptom names it as a machine of theirs."""
    world = World()
    world.host("n1", "192.0.2.1/24", gateway="192.0.2.254")
    flow = Flow("n1", "host", "", "93.184.216.34", 80, "tcp")
    assert "93.184.216.34" not in [gap.node for gap in gaps(world.facts(), flow)]
    assert "93.184.216.34" in [gap.node for gap in gaps(world.facts(), flow, symptom="n1 cannot reach 93.184.216.34")]
