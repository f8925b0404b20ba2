"""From matches to findings: standing, certainty, what-if, several faults, verdict, what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.diagnosis import Diagnoser, Diagnosis
from engine.facts import Fact
from engine.findings import Certainty, Finding, Missing, Question, Standing, Verdict, Verified
from engine.rulebase.model import Branch, Condition, Pattern, RemedySpec, Rule
from engine.walk.trace import Flow
from tests.engine.walk.world import World, lan

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCEPT = RemedySpec(
    "iptables.insert",
    {"en": "accept it in {{ drop.chain }}"},
    {"on": "drop", "chain": "{{ drop.chain }}", "rule": ["-s {{ drop.src }} -j ACCEPT", "-d {{ drop.src }} -j ACCEPT"]},
)
"""Both directions: a policy that drops the request drops the answer too."""
FORWARDING = RemedySpec("sysctl.set", {"en": "forward"}, {"key": "net.ipv4.ip_forward", "value": "1"})


def rule(name: str, kind: str = "drop", remedies: Sequence[RemedySpec] = (), **more: Any) -> Rule:
    """A rule on one fact, bound as its kind; ``where`` are fields that must be equal."""
    where = tuple(Condition(field, "eq", value) for field, value in more.pop("where", {}).items())
    texts = {"title": {"en": f"{name} on {{{{ {kind}.node }}}}"}, "explain": {"en": f"{name} explained"}} | more
    return Rule(name, when=(Pattern(kind, kind, where),), remedies=tuple(remedies), **texts)


POLICY = rule("policy", remedies=[ACCEPT], where={"by": "policy"})
BY_RULE = rule("by-rule", remedies=[ACCEPT], where={"by": "rule"})
OFF = rule("forwarding-off", remedies=[FORWARDING], where={"by": "forwarding"})
LINKS = rule("loopback-exists", "link", where={"name": "lo"})
FLOW = Flow("client", "host", "", "10.2.0.2", 80, "tcp")


def diagnosed(
    world: World, *rules: Rule, error: str = "", flows: Sequence[Flow] = (FLOW,), missing: tuple[Missing, ...] = (), lang: str = "en"
) -> Diagnosis:
    """The diagnosis of a world by some rules."""
    return Diagnoser(Question("", error, tuple(flows), missing=missing), world.facts(), rules, lang).run()


def ids(diagnosis: Diagnosis) -> list[tuple[str, str, str]]:
    """(rule, standing, certainty), best first."""
    return [(finding.id, finding.standing.value, finding.certainty.value) for finding in diagnosis.findings]


def first(diagnosis: Diagnosis) -> Finding:
    """The best finding."""
    return diagnosis.findings[0]


def filtered(node: str = "router", *rules: str, **policies: str) -> World:
    """The usual world with a filter on one node."""
    world = lan()
    world.stack(node).filter(*rules, **policies)
    return world


# --- one fault --------------------------------------------------------------------------------------------------------


def test_proven() -> None:
    """The flow dies here and lives once the remedy is applied: root cause, proven, with its line and its commands."""
    diagnosis = diagnosed(filtered(FORWARD="DROP"), POLICY)
    assert (ids(diagnosis), diagnosis.verdict) == ([("policy", "root-cause", "proven")], Verdict.CAUSE_FOUND)
    assert first(diagnosis).remedies[0].verified is Verified.RESTORES_FLOW


def test_half_a_remedy_restores_nothing() -> None:
    """The answer is walked as well: accepting the request alone is no remedy where the policy drops the answer too."""
    half = RemedySpec("iptables.insert", {"en": "half"}, {"on": "drop", "chain": "FORWARD", "rule": "-s 10.1.0.2 -j ACCEPT"})
    finding = first(diagnosed(filtered(FORWARD="DROP"), rule("policy", remedies=[half], where={"by": "policy"})))
    assert (finding.certainty, finding.remedies[0].verified) == (Certainty.LIKELY, Verified.NO_EFFECT)


def test_what_is_known_not_to_do_is_printed_last() -> None:
    """Where one remedy restores the flow, the one that does not comes behind it, whatever the rule's order; otherwise the rule's order stays."""
    half = RemedySpec("iptables.insert", {"en": "half"}, {"on": "drop", "chain": "FORWARD", "rule": "-s 10.1.0.2 -j ACCEPT"})
    whole = POLICY.remedies[0]
    found = first(diagnosed(filtered(FORWARD="DROP"), rule("policy", remedies=[half, whole], where={"by": "policy"})))
    assert [plan.verified for plan in found.remedies] == [Verified.RESTORES_FLOW, Verified.NO_EFFECT]
    found = first(diagnosed(filtered(FORWARD="DROP"), rule("policy", remedies=[half, half._replace(title={"en": "more"})], where={"by": "policy"})))
    assert [plan.title["en"] for plan in found.remedies] == ["half", "more"]


def test_an_open_walk_shows_only_that_the_fault_is_gone() -> None:
    """Where the mended walk is open, the remedy removes the fault and nothing more is said: neither that the flow lives nor that it does not."""
    world = filtered(FORWARD="DROP")
    world.stack("server").unseen("iptables-save")
    before, after = (diagnosed(each, POLICY) for each in (world, filtered(FORWARD="DROP")))
    assert [d.findings[0].remedies[0].verified for d in (before, after)] == [Verified.REMOVES_FAULT, Verified.RESTORES_FLOW]
    useless = RemedySpec("iptables.insert", {"en": "no use"}, {"chain": "FORWARD", "rule": "-s 9.9.9.9 -j ACCEPT"})
    assert first(diagnosed(world, rule("policy", remedies=[useless], where={"by": "policy"}))).remedies[0].verified is Verified.NO_EFFECT


def test_finding_and_plan() -> None:
    """Texts are rendered from the bindings; the plan has command, undo, check, risk and its place."""
    world = filtered("router", "-A FORWARD -s 10.1.0.0/24 -j DROP")
    finding = first(diagnosed(world, BY_RULE))
    (plan,) = finding.remedies
    assert (finding.title["en"], finding.explanation["en"], finding.node, finding.stack, finding.flows) == (
        "by-rule on router",
        "by-rule explained",
        "router",
        "host",
        (0,),
    )
    assert [line.text for line in finding.evidence] == ["-A FORWARD -s 10.1.0.0/24 -j DROP"]
    assert (plan.node, plan.title["en"], plan.risk, plan.verified) == ("router", "accept it in FORWARD", "low", Verified.RESTORES_FLOW)
    assert plan.commands == ("iptables -w -I FORWARD 1 -s 10.1.0.2 -j ACCEPT", "iptables -w -I FORWARD 2 -d 10.1.0.2 -j ACCEPT")
    assert plan.undo == ("iptables -w -D FORWARD -d 10.1.0.2 -j ACCEPT", "iptables -w -D FORWARD -s 10.1.0.2 -j ACCEPT")
    assert plan.verify
    assert plan.persist


def test_a_rule_says_where_its_finding_belongs() -> None:
    """A finding stands where its packet ends, unless its rule names another fact: the machine to mend may be another one."""
    patterns = (Pattern("hop", "first", (Condition("seq", "eq", 1),)), Pattern("drop", "drop"))
    world = filtered("router", "-A FORWARD -s 10.1.0.0/24 -j DROP")
    placed = [first(diagnosed(world, Rule("far", when=patterns, on=on, title={"en": "x"}, explain={"en": "x"}))).node for on in ("", "first")]
    assert placed == ["router", "client"]


def test_no_fault() -> None:
    """A flow that connects has no cause; a rule without any fact of the path is latent at most."""
    diagnosis = diagnosed(lan(), POLICY, LINKS)
    assert diagnosis.verdict is Verdict.NO_FAULT_FOUND
    assert {finding.standing for finding in diagnosis.findings} == {Standing.LATENT}
    assert ids(diagnosis)[0] == ("loopback-exists", "latent", "likely")


def test_on_a_path_that_connects_is_latent() -> None:
    """What a connected flow meets on its way is no cause."""
    assert ids(diagnosed(lan(), rule("seen", "hop", where={"how": "forward"})))[0][1] == "latent"


def test_wrong_source_makes_translation_a_cause() -> None:
    """Where the complaint is a wrong source address, the translation of a connected flow is the cause."""
    world = lan()
    world.stack("router").nat("-A POSTROUTING -o eth1 -j MASQUERADE")
    translated = rule(
        "masqueraded",
        "nat",
        [RemedySpec("iptables.delete", {"en": "delete it"}, {"table": "nat", "chain": "{{ nat.chain }}", "rule": "{{ nat.spec }}"})],
    )
    diagnosis = diagnosed(world, translated, error="wrong-source")
    assert (ids(diagnosis), first(diagnosis).remedies[0].verified) == ([("masqueraded", "root-cause", "proven")], Verified.RESTORES_FLOW)
    assert ids(diagnosed(world, translated)) == [("masqueraded", "latent", "likely")]


def test_what_a_tunnel_loses_outside_no_walk_shows() -> None:
    """A flow that connects on the model through a tunnel that hears nothing: its rule's standing counts, for what drops the packets is outside."""
    world = World()
    for number, other in ((1, 2), (2, 1)):
        kind = f"vxlan id 1 remote 192.0.2.{other} local 192.0.2.{number} dev eth0 dstport 4789"
        world.host(f"n{number}", f"192.0.2.{number}/24").device("vx0", f"10.7.0.{number}/24", kind=kind)
    flow = Flow("n1", "host", "", "10.7.0.2", 0, "icmp")
    for kind, standing in (("tunnelled", "root-cause"), ("hop", "contributing")):
        deaf = Rule("deaf", {"en": "deaf"}, when=(Pattern(kind, kind),), branches=(Branch("b", "root-cause"),), explain={"en": "x"})
        assert {found[1] for found in ids(diagnosed(world, deaf, error="timeout", flows=[flow]))} == {standing}


def test_branch_says_the_standing() -> None:
    """A branch that names a standing has it, whatever the walk says."""
    contributing = Rule("said", {"en": "said"}, when=(Pattern("drop", "drop"),), branches=(Branch("b", "contributing"),), explain={"en": "x"})
    diagnosis = diagnosed(filtered(FORWARD="DROP"), contributing)
    assert ids(diagnosis)[0][:2] == ("said", "contributing")


# --- certainty --------------------------------------------------------------------------------------------------------


def test_without_a_remedy_that_restores_it_is_likely() -> None:
    """Decisive evidence without a what-if that restores the flow is likely, not proven."""
    assert ids(diagnosed(filtered(FORWARD="DROP"), rule("policy", where={"by": "policy"}))) == [("policy", "root-cause", "likely")]
    wrong = RemedySpec("iptables.insert", {"en": "no use"}, {"chain": "FORWARD", "rule": "-s 9.9.9.9 -j ACCEPT"})
    finding = first(diagnosed(filtered(FORWARD="DROP"), rule("policy", remedies=[wrong], where={"by": "policy"})))
    assert (finding.certainty, finding.remedies[0].verified) == (Certainty.LIKELY, Verified.NO_EFFECT)


def test_unknowns_on_the_way_make_it_likely() -> None:
    """Something assumed or open on the path: likely."""
    world = filtered(FORWARD="DROP")
    world.stack("client").unseen("iptables-save")
    assert ids(diagnosed(world, POLICY))[0][2] == "likely"


def test_undecided_is_possible() -> None:
    """A finding that a rule calls undecided is possible at best."""
    undecided = Rule("open", {"en": "open"}, when=(Pattern("drop", "drop"),), branches=(Branch("b", "undecided"),), explain={"en": "x"})
    assert ids(diagnosed(filtered(FORWARD="DROP"), undecided)) == [("open", "undecided", "possible")]


@pytest.mark.parametrize(
    ("error", "certainty", "said"), [("timeout", "proven", False), ("EHOSTUNREACH", "likely", True), ("slow", "proven", False), ("", "proven", False)]
)
def test_mismatch(error: str, certainty: str, said: bool) -> None:
    """A symptom that names another error than the walk predicts is said, and keeps the cause from being proven; vague symptoms contradict nothing."""
    diagnosis = diagnosed(filtered(FORWARD="DROP"), POLICY, error=error)
    assert ids(diagnosis)[0][2] == certainty
    assert (diagnosis.mismatch is not None) is said
    if diagnosis.mismatch is not None:
        assert "EHOSTUNREACH" in diagnosis.mismatch["en"]
        assert "timeout" in diagnosis.mismatch["en"]


# --- the fallback and suppression -------------------------------------------------------------------------------------


def test_fallback_gives_way() -> None:
    """The rule of last resort speaks only where no failure mode explains the flow's end."""
    fallback = rule("flow-stopped")
    world = filtered(FORWARD="DROP")
    assert [finding.id for finding in diagnosed(world, fallback).findings] == ["flow-stopped"]
    assert [finding.id for finding in diagnosed(world, fallback, POLICY).findings] == ["policy"]


def test_suppressed_by_a_root_cause() -> None:
    """A root cause takes the findings away that it explains; without it they stay."""
    symptom = rule("symptom", where={"effect": "dropped"})
    cause = rule("cause", remedies=[ACCEPT], where={"by": "policy"}, suppresses=("symptom",))
    assert [finding.id for finding in diagnosed(filtered(FORWARD="DROP"), symptom, cause).findings] == ["cause"]
    assert [finding.id for finding in diagnosed(filtered("router", "-A FORWARD -j DROP"), symptom, cause).findings] == ["symptom"]


def test_a_restoring_cause_outranks_others_on_the_flow() -> None:
    """What else the flow met is contributing if it drops, latent if not."""
    other, passed = rule("other", where={"effect": "dropped"}), rule("passed", "hop", where={"how": "forward", "direction": "request"})
    found = {finding.id: finding.standing for finding in diagnosed(filtered(FORWARD="DROP"), POLICY, other, passed).findings}
    assert found == {"policy": Standing.ROOT_CAUSE, "other": Standing.CONTRIBUTING, "passed": Standing.LATENT}


# --- several faults ---------------------------------------------------------------------------------------------------


def test_two_faults_one_behind_the_other() -> None:
    """The second fault shows once the first is mended on the model; together they restore the flow, and the first is proven."""
    world = filtered("server", "-A INPUT -s 10.1.0.0/24 -j DROP")
    world.stack("router").sysctl(ip_forward=0)
    diagnosis = diagnosed(world, OFF, BY_RULE)
    assert [(name, standing) for name, standing, _ in ids(diagnosis)] == [("forwarding-off", "root-cause"), ("by-rule", "contributing")]
    root, behind = diagnosis.findings
    assert root.certainty is Certainty.PROVEN
    assert (root.remedies[0].verified, behind.remedies[0].verified) == (Verified.RESTORES_FLOW, Verified.RESTORES_FLOW)
    assert root.remedies[0].note is not None
    assert "together" in root.remedies[0].note["en"]


def test_three_faults() -> None:
    """Faults are followed as far as each mending moves the flow on."""
    world = filtered("server", "-A INPUT -s 10.1.0.0/24 -j DROP")
    world.stack("router").sysctl(ip_forward=0).filter(FORWARD="DROP")
    diagnosis = diagnosed(world, OFF, POLICY, BY_RULE)
    assert {finding.id: finding.standing for finding in diagnosis.findings} == {
        "forwarding-off": Standing.ROOT_CAUSE,
        "policy": Standing.CONTRIBUTING,
        "by-rule": Standing.CONTRIBUTING,
    }


def test_a_match_that_is_not_modelled_is_named() -> None:
    """What is asked for, and the outcome that depends on it, name the rule's line and its match, in both languages."""
    diagnosis = diagnosed(filtered("router", "-A FORWARD -s 10.1.0.0/24 -m cpu --cpu 0 -j DROP"))
    (missing,) = diagnosis.missing
    for lang in ("en", "zh"):
        assert "-A FORWARD -s 10.1.0.0/24 -m cpu --cpu 0 -j DROP" in missing.why[lang]
        assert "iptables-save:" in missing.why[lang]
    assert missing.command == "iptables -t filter -nvL FORWARD"
    assert diagnosis.traces[0].branches == (("rule 1 of FORWARD matches (-m cpu --cpu 0)", "", "timeout"),)


def test_a_second_fault_nobody_knows() -> None:
    """Where no rule explains what stops the flow next, the first cause stands alone and is likely."""
    world = filtered("server", "-A INPUT -s 10.1.0.0/24 -j DROP")
    world.stack("router").sysctl(ip_forward=0)
    assert ids(diagnosed(world, OFF)) == [("forwarding-off", "root-cause", "likely")]


def test_a_second_fault_without_a_remedy() -> None:
    """A second fault that nothing mends is still named."""
    world = filtered("server", "-A INPUT -s 10.1.0.0/24 -j DROP")
    world.stack("router").sysctl(ip_forward=0)
    diagnosis = diagnosed(world, OFF, rule("by-rule", where={"by": "rule"}))
    assert [(name, standing) for name, standing, _ in ids(diagnosis)] == [("forwarding-off", "root-cause"), ("by-rule", "contributing")]
    assert first(diagnosis).remedies[0].verified is Verified.NO_EFFECT


def test_several_flows() -> None:
    """A finding names the flows that it concerns; one that fails is enough for a cause."""
    world = filtered("router", "-A FORWARD -p tcp -m tcp --dport 81 -j DROP")
    world.stack("server").listens("tcp 0.0.0.0:80", "tcp 0.0.0.0:81")
    diagnosis = diagnosed(world, BY_RULE, flows=[FLOW, Flow("client", "host", "", "10.2.0.2", 81, "tcp")])
    assert [(finding.id, finding.flows) for finding in diagnosis.findings] == [("by-rule", (1,))]
    assert [trace.client_sees for trace in diagnosis.traces] == ["connected", "timeout"]


# --- remedies that cannot be used -------------------------------------------------------------------------------------


def test_remedy_only_when_it_fits() -> None:
    """A remedy's condition decides whether it is offered."""
    for condition, offered in (("{{ drop.by == 'policy' }}", 1), ("{{ drop.by == 'rule' }}", 0)):
        spec = RemedySpec(ACCEPT.op, ACCEPT.title, ACCEPT.parameters, condition)
        assert len(first(diagnosed(filtered(FORWARD="DROP"), rule("policy", remedies=[spec], where={"by": "policy"}))).remedies) == offered


@pytest.mark.parametrize("parameters", [{"on": "drop", "chain": "FORWARD", "rule": "{{ drop.nothing }}"}, {"on": "drop", "chain": "FORWARD"}])
def test_remedy_that_cannot_be_rendered(parameters: dict[str, str]) -> None:
    """A remedy that does not fit the evidence is left out and said; the finding and its other remedies stay."""
    broken = RemedySpec("iptables.insert", {"en": "broken"}, parameters)
    diagnosis = diagnosed(filtered(FORWARD="DROP"), rule("policy", remedies=[broken, ACCEPT], where={"by": "policy"}))
    assert [plan.title["en"] for plan in first(diagnosis).remedies] == ["accept it in FORWARD"]
    assert [warning for warning in diagnosis.warnings if "left out" in warning]


def test_title_that_cannot_be_rendered() -> None:
    """A team's template that fails takes no finding away."""
    diagnosis = diagnosed(filtered(FORWARD="DROP"), rule("policy", remedies=[ACCEPT], where={"by": "policy"}, title={"en": "{{ drop.nothing }}"}))
    assert (first(diagnosis).title, ids(diagnosis)[0][1]) == ({"en": "policy"}, "root-cause")
    assert len(diagnosis.warnings) == 1


def test_remedy_that_the_model_cannot_try() -> None:
    """Where an operation cannot tell its effect it is printed, not checked."""
    pool = RemedySpec("calico.move-pool", {"en": "move"}, {"cidr": "10.1.0.0/16"})
    assert (
        first(diagnosed(filtered(FORWARD="DROP"), rule("policy", remedies=[pool], where={"by": "policy"}))).remedies[0].verified
        is Verified.NOT_CHECKED
    )


def test_remedy_in_a_container() -> None:
    """Commands for a container's namespace are entered from its node."""
    world = World()
    world.host("n1", "192.0.2.1/24").device("cni0", "10.244.0.1/24", kind="bridge").listens("tcp 0.0.0.0:80")
    world.pod("n1", "a", "10.244.0.2/24", gateway="10.244.0.1").filter("-A OUTPUT -s 10.244.0.2/32 -j DROP")
    finding = first(diagnosed(world, BY_RULE, flows=[Flow("n1", "a", "", "10.244.0.1", 80, "tcp")]))
    assert (finding.node, finding.stack) == ("n1", "a")
    assert finding.remedies[0].commands[0].startswith("ip netns exec a iptables ")
    assert finding.certainty is Certainty.PROVEN


# --- verdict and what is missing --------------------------------------------------------------------------------------


def test_nothing_known_is_insufficient() -> None:
    """A flow that fails without a cause, and a question without a flow, lack evidence."""
    assert diagnosed(filtered(FORWARD="DROP")).verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert diagnosed(lan(), flows=()).verdict is Verdict.INSUFFICIENT_EVIDENCE


def test_order() -> None:
    """Causes before what contributes before what is latent; among equals what restores the flow first, then the more severe."""
    mild, grave = rule("mild", "link", where={"name": "lo"}, severity="low"), rule("grave", "link", where={"name": "lo"}, severity="critical")
    odd = rule("odd", "link", where={"name": "lo"}, severity="unheard-of")
    diagnosis = diagnosed(filtered(FORWARD="DROP"), odd, mild, grave, POLICY)
    order = [finding.id for finding in diagnosis.findings]
    assert order[0] == "policy"
    assert [name for name in dict.fromkeys(order) if name != "policy"] == ["grave", "mild", "odd"]


def test_what_a_walk_met_comes_first() -> None:
    """Of two causes that are equally sure, the one on the packet's way comes before one that is only known to be wrong, however severe."""
    aside = Rule("aside", {"en": "x"}, severity="critical", when=(Pattern("link", "l"),), branches=(Branch("b", "root-cause"),), explain={"en": "x"})
    diagnosis = diagnosed(filtered(FORWARD="DROP"), aside, rule("policy", where={"by": "policy"}, severity="low"))
    assert [(f.id, f.standing) for f in diagnosis.findings][:1] == [("policy", Standing.ROOT_CAUSE)]
    assert "aside" in {f.id for f in diagnosis.findings if f.standing is Standing.ROOT_CAUSE}


def test_languages() -> None:
    """English is always there; another language is rendered beside it, in English words where it has none of its own."""
    titled = rule("policy", remedies=[ACCEPT], where={"by": "policy"}, title={"en": "dropped", "zh": "丢弃"}, explain={"en": "why", "zh": "原因"})
    finding = first(diagnosed(filtered(FORWARD="DROP"), titled, lang="zh"))
    assert (finding.title, finding.explanation) == ({"en": "dropped", "zh": "丢弃"}, {"en": "why", "zh": "原因"})
    assert finding.remedies[0].title["zh"] == finding.remedies[0].title["en"]


@pytest.mark.parametrize("src", ["10.88.0.5", ""])
def test_remade_pod_has_another_source(src: str) -> None:
    """A flow whose source address goes with the remedy is walked again from the address that the kernel then chooses."""
    world = World()
    node = world.host("n1", "192.0.2.1/24").device("cni0", "10.244.1.1/24", kind="bridge", carrier=False)
    node.device("podman0", "10.88.0.1/16", kind="bridge").router()
    world.pod("n1", "web", "10.88.0.5/16", bridge="podman0", gateway="10.88.0.1")
    world.host("n2", "192.0.2.2/24").route("10.244.1.0/24 via 192.0.2.1 dev eth0").listens("tcp 0.0.0.0:80")
    parameters = {"file": "87-podman.conflist", "address": "10.88.0.5", "pod_stack": "web", "subnet": "10.244.1.1/24"}
    retire = RemedySpec("cni.retire-config", {"en": "retire"}, parameters)
    wrong = rule("wrong-network", "hop", [retire], where={"src": "10.88.0.5", "how": "output"})
    diagnosis = diagnosed(world, wrong, flows=[Flow("n1", "web", src, "192.0.2.2", 80, "tcp")])
    assert [trace.client_sees for trace in diagnosis.traces] == ["timeout"]
    assert first(diagnosis).remedies[0].verified is Verified.RESTORES_FLOW


# --- sizes ------------------------------------------------------------------------------------------------------------

TOO_BIG = rule("too-big", where={"by": "too-big"}, remedies=[
    RemedySpec("iptables.insert", {"en": "let it out"}, {"on": "drop", "chain": "OUTPUT", "rule": "-p icmp -m icmp --icmp-type 3/4 -j ACCEPT"}),
])


def blackhole() -> World:
    """A router whose second wire is narrower than the ends know, and that may not tell."""
    world = lan()
    world.stack("router").filter("-A OUTPUT -p icmp -j DROP").route("10.2.0.0/24 dev eth1 proto kernel scope link src 10.2.0.1 mtu 1400")
    return world


@pytest.mark.parametrize("error", ["", "timeout", "slow"])
def test_full_packets_die_where_small_ones_pass(error: str) -> None:
    """A flow that lives in small packets is walked in full ones too: what stops them is a root cause, and its remedy is proven on them."""
    diagnosis = diagnosed(blackhole(), TOO_BIG, error=error)
    assert [trace.client_sees for trace in diagnosis.traces] == ["connected"]
    assert ids(diagnosis)[0][:2] == ("too-big", "root-cause")
    assert first(diagnosis).remedies[0].verified is Verified.RESTORES_FLOW
    assert diagnosis.verdict is Verdict.CAUSE_FOUND
    assert diagnosis.mismatch is None


def test_sizes_play_no_part_in_refusals() -> None:
    """A symptom that a full packet cannot make is not looked for in full packets; nor is anything where full packets pass."""
    assert not diagnosed(blackhole(), TOO_BIG, error="ECONNREFUSED").findings
    assert not diagnosed(lan(), TOO_BIG).findings


def test_cards_that_may_take_larger_frames_leave_it_open() -> None:
    """Whether a card takes what is larger than its MTU depends on its driver: undecided."""
    world = lan()
    world.stack("router").devices["eth1"].mtu = 1400
    assert ids(diagnosed(world, TOO_BIG))[0][:2] == ("too-big", "undecided")


# --- through a Service ------------------------------------------------------------------------------------------------


def test_which_half_of_a_service_fails() -> None:
    """A cause on a Service's path says whether its backends answer at their own addresses; one of any other path says nothing of it."""
    world = filtered(FORWARD="DROP")
    world.stack("client").nat("-A OUTPUT -d 10.96.0.9/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.2.0.2:80")
    service = {"namespace": "shop", "name": "web", "cluster_ips": ("10.96.0.9",), "ports": ({"port": 80, "target_port": 80, "protocol": "TCP"},)}
    slice_ = {"namespace": "shop", "service": "web", "slice": True, "ready": ({"address": "10.2.0.2"},), "ports": ({"port": 80, "protocol": "TCP"},)}
    base = world.facts().plus([Fact("service", service), Fact("endpoints", slice_)])
    asked = Diagnoser(Question("", "", (FLOW._replace(dst="10.96.0.9"),)), base, (POLICY,), "zh").run()
    assert "10.2.0.2:80" in first(asked).explanation["en"]
    assert "Service shop/web" in first(asked).explanation["zh"]
    assert "Service" not in first(diagnosed(filtered(FORWARD="DROP"), POLICY)).explanation["en"]


@pytest.mark.parametrize(("outer", "found"), [(False, ["flow-stopped"]), (True, [])])
def test_what_carries_other_flows(outer: bool, found: list[str]) -> None:
    """A tunnel's own packet that ends somewhere for no known reason is no cause: nobody complained of it."""
    diagnosis = diagnosed(filtered(FORWARD="DROP"), rule("flow-stopped"), error="timeout", flows=(FLOW._replace(outer=outer),))
    assert [finding.id for finding in diagnosis.findings] == found
