"""What a run of the walk writes down."""

from __future__ import annotations

from engine.facts import Fact, Source
from engine.inet import to_int
from engine.model.packet import Packet
from engine.model.stack import NetStack
from engine.walk.recorder import Recorder, line_of, policy_line, rule_line
from engine.walk.trace import Unknown
from tests.engine.walk.world import World

STACK = NetStack("n1", "host", {})
PACKET = Packet(4, to_int("10.1.0.5"), to_int("10.2.0.9"), "tcp", 40000, 5432)
ROUTE = Fact("route", {"dst": "0.0.0.0/0"}, "n1", "host", Source("ip_route", "default dev eth0"), 1)


def test_hops_and_turns() -> None:
    """Steps belong to the stack that the packet is in; a turn closes the hops of one direction and begins another."""
    recorder = Recorder(3)
    recorder.step("route", "before any stack: not written")
    recorder.leave("eth9")
    recorder.enter(STACK, "eth0", PACKET)
    recorder.step("route", "default dev eth1", lines=line_of(ROUTE))
    recorder.leave("eth1")
    (hop,) = recorder.turn("reply")
    assert (hop.node, hop.stack, hop.in_device, hop.out_device, hop.packet) == ("n1", "host", "eth0", "eth1", "tcp 10.1.0.5:40000 > 10.2.0.9:5432")
    assert [(step.what, step.verdict, step.lines[0].text) for step in hop.steps] == [("route", "pass", "default dev eth0")]
    assert recorder.turn("done") == ()


def test_facts() -> None:
    """A derived fact bears flow, direction, place and the line that it came from; absent fields stay absent."""
    recorder = Recorder(3)
    recorder.turn("reply")
    recorder.fact("drop", STACK, (), ROUTE, by="no-route", gateway=None)
    recorder.fact("drop", STACK, line_of(ROUTE), by="rule")
    recorder.fact("drop", STACK, by="loop")
    first, second, third = recorder.facts
    assert dict(first.fields) == {"by": "no-route", "flow": 3, "direction": "reply"}
    assert (first.node, first.stack, first.text, second.text, second.line, third.text) == (
        "n1",
        "host",
        "default dev eth0",
        "default dev eth0",
        1,
        "",
    )
    assert [recorder.sequence(), recorder.sequence()] == [1, 2]


def test_facts_of_an_outer_packet() -> None:
    """What ends a tunnel's packet says which device made it; a translation of it does not."""
    recorder = Recorder(0)
    recorder.outer = {"tunnel": "flannel.1", "overhead": 50}
    recorder.fact("drop", STACK, by="rule")
    recorder.fact("nat", STACK)
    assert [(f.get("tunnel"), f.get("overhead")) for f in recorder.facts] == [("flannel.1", 50), (None, None)]


def test_assumptions_are_said_once() -> None:
    """The same assumption is kept once, and each use is a step."""
    recorder = Recorder(0)
    recorder.enter(STACK, "", PACKET)
    for why in ("first", "second"):
        recorder.assume(Unknown("n1", "web", "netfilter", "iptables-save", why))
    assert [unknown.why for unknown in recorder.assumed.values()] == ["first"]
    assert [step.what for step in recorder.turn("reply")[0].steps] == ["assume", "assume"]


def test_no_line_without_evidence() -> None:
    """Nothing, and facts that no text holds, have no line."""
    assert line_of(None) == line_of(Fact("route", {})) == ()


def test_lines_of_rules_and_policies() -> None:
    """The line of a rule or policy is the dump's own; where no text is left, it is put together."""
    world = World()
    world.stack("n1").filter("-A FORWARD -s 10.0.0.0/8 -j ACCEPT", FORWARD="DROP")
    stack = world.network().stack("n1", "host")
    assert stack is not None
    chain = stack.netfilter.find("filter", "FORWARD")
    assert chain is not None
    assert [line.text for line in (*rule_line(chain, chain.rules[0]), *policy_line(chain))] == [
        "-A FORWARD -s 10.0.0.0/8 -j ACCEPT",
        ":FORWARD DROP [0:0]",
    ]
    bare = chain.table.fact
    chain.table.fact = Fact(bare.kind, bare.fields, bare.node, bare.stack)
    assert [line.text for line in (*rule_line(chain, chain.rules[0]), *policy_line(chain))] == ["-A FORWARD -s 10.0.0.0/8 -j ACCEPT", ":FORWARD DROP"]
