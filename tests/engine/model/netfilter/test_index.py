"""The index of a long chain: it may leave out a rule only if the rule certainly does not match."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.facts import ChainText, Fact, RuleLine
from engine.inet import to_int
from engine.model.netfilter import ruleset
from engine.model.netfilter.index import Index
from engine.model.netfilter.ruleset import INDEX_FROM, Table
from engine.model.packet import HookContext, Packet
from tests.engine.model.netfilter.helper import FORWARD, PING, SYN, UDP, Around, holds
from tests.engine.walk.world import World, lan

ADDRESSES = (
    "10.1.0.2",
    "10.2.0.2",
    "10.1.0.2/32",
    "10.2.0.2/32",
    "10.2.0.2/255.255.255.255",
    "10.2.0.0/24",
    "010.2.0.2/32",
    "10.2.0.2/",
    "300.1.1.1/32",
    "0.0.0.0/0",
    "fd00::2",
    "fd00::2/128",
    "fd00:0::2/128",
    "FD00::2/128",
    "fd00::/64",
    '"10.2.0.2/32"',
    "! 10.2.0.2/32",
    "-i",
    "x",
)
NAMES = ("eth0", "eth1", "eth+", "+", "eth9", '"eth0"', "! eth0", "-o")
TEXTS = ("x", '"web:http cluster IP"', r'"say \"-d 9.9.9.9/32 \" twice"', '"-m tcp --dport 9 "', '"open', "", 'a"b c"')
OTHERS = (
    "-p tcp",
    "-p udp",
    "! -p tcp",
    "-m tcp --dport 80",
    "-m tcp --dport 81",
    "-m udp --dport 080",
    "-m tcp ! --dport 80",
    "-m tcp --dport http",
    "-m tcp --dport 80:90",
    "-m tcp --dport 99999",
    "-m tcp --sport 80 --dport 80",
    "-m multiport --dports 80,81",
    "-m set --match-set pool dst",
    "-m set ! --match-set pool dst",
    "-m set --match-set pool dst,src --return-nomatch",
    "-m set --match-set ! pool dst",
    "-m addrtype --dst-type LOCAL",
    "-m statistic --mode random --probability 0.5",
    "-m mark --mark 0x1",
    "-m conntrack --ctstate NEW",
    "-c 5 6",
    "--dport 80",
    "-m set --match-set pool",
)
"""What rules hold, well and badly written."""

PARTS = st.one_of(
    st.builds("{}-{} {}".format, st.sampled_from(("", "! ")), st.sampled_from("sd"), st.sampled_from(ADDRESSES)),
    st.builds("{}-{} {}".format, st.sampled_from(("", "! ")), st.sampled_from("io"), st.sampled_from(NAMES)),
    st.builds("-m comment --comment {}".format, st.sampled_from(TEXTS)),
    st.sampled_from(OTHERS),
)
ENDS = st.sampled_from(("-j ACCEPT", "-j DNAT --to-destination 10.9.9.9", "-j X"))
SPECS = st.builds(lambda parts, end: " ".join([*parts, end]), st.lists(PARTS, max_size=5), ENDS)
SIX = Packet(6, to_int("fd00::1"), to_int("fd00::2"), "tcp", 40000, 80)
PACKETS = st.sampled_from((SYN, UDP, PING, SIX, replace(SYN, dport=81), replace(SYN, src=SYN.dst, dst=SYN.src)))
CONTEXTS = st.sampled_from((FORWARD, HookContext("INPUT", "eth1"), HookContext("OUTPUT", out_device="eth0")))


def shown(specs: list[str], packet: Packet, context: HookContext = FORWARD, *, member: bool | None = True) -> list[int]:
    """Places of the candidates."""
    around = Around(member=member)
    return list(Index(specs).candidates(packet, context, lambda name, directions: around.in_set(name, directions, packet, context)))


@given(st.lists(SPECS, max_size=12), PACKETS, CONTEXTS, st.sampled_from((True, False, None)))
@example(["-d 010.2.0.2/32 -j X"], SYN, FORWARD, True)
@example(["-i ! eth0 -j X"], SYN, HookContext("INPUT", "eth1"), True)
def test_what_is_left_out_does_not_match(specs: list[str], packet: Packet, context: HookContext, member: bool | None) -> None:
    """A rule that is not shown has a condition that fails; what is shown is in order and shown once."""
    places = shown(specs, packet, context, member=member)
    assert places == sorted(set(places))
    for place in set(range(len(specs))) - set(places):
        assert holds(specs[place], packet, context, Around(member=member)) is False, specs[place]


@pytest.mark.parametrize(
    "spec",
    [
        '-d 10.9.0.9/32 -p tcp -m comment --comment "a/b:c cluster IP" -m tcp --dport 80 -j X',
        '! -s 10.244.0.0/16 -d 10.9.0.9/32 -p tcp -m comment --comment "a/b" -m tcp --dport 80 -j X',
        '-s 10.9.0.9/32 -m comment --comment "a/b:c" -j X',
        '-p tcp -m comment --comment "a/b:c" -m tcp --dport 30080 -j X',
        "! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80",
        "-i cali0 -m comment --comment x -g X",
        "-o cali0 -m comment --comment x -g X",
        "-d fd00::9/128 -j X",
        "-m comment --comment x -m set --match-set pool dst -j X",
    ],
)
def test_what_is_filed(spec: str) -> None:
    """Rules as kube-proxy, docker, calico write them are not shown to packets that they do not speak of."""
    assert shown([spec, "-j Y"], SYN, member=False) == [1]


def test_translations_by_sets_are_shown() -> None:
    """A translation that a set prevents is shown, for 'why was this not translated' is asked; other targets are not."""
    test = "-m set --match-set pool dst"
    assert shown([f"{test} -j MASQUERADE", f"{test} -j X", f"{test} -j MASQUERADE-NOT"], SYN, member=False) == [0]


def test_marks_count_when_asked() -> None:
    """Membership is asked when the turn of a rule comes: an earlier rule may have set the mark that a set looks at."""
    answers = [True]
    places = Index(["-j MARK --set-mark 1", "-m set --match-set marked src,src -j X"]).candidates(SYN, FORWARD, lambda *_: answers[0])
    assert next(places) == 0
    answers[0] = False
    assert list(places) == []


def test_a_big_chain_is_hardly_parsed() -> None:
    """Of 12,500 Services a packet meets the rule of its own and the last one; no other is parsed."""
    rules = [f"-d 10.{96 + (n >> 16)}.{n >> 8 & 255}.{n & 255}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-{n}" for n in range(12_500)]
    lines = tuple(RuleLine(n, spec) for n, spec in enumerate([*rules, "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"], 1))
    chain = Table(Fact("netfilter_table", {"table": "nat", "chains": (ChainText("KUBE-SERVICES", rules=lines),)})).chains["KUBE-SERVICES"]
    packet = replace(SYN, dst=to_int("10.96.20.200"))
    assert [rule.number for rule in chain.candidates(packet, FORWARD, lambda *_: None)] == [20 * 256 + 201, 12_501]
    assert len(chain.rules._made) == 2


# --- the whole traversal ----------------------------------------------------------------------------------------------

TARGETS = (
    "ACCEPT",
    "DROP",
    "RETURN",
    "X",
    "Y",
    "LOG",
    "MARK --set-xmark 0x1/0x1",
    "REJECT --reject-with icmp-host-prohibited",
)
HEADS = (
    "",
    "-d 10.2.0.2/32 ",
    "-d 10.2.0.3/32 ",
    "-s 10.1.0.2/32 ",
    "-s 10.1.0.3/32 ",
    "-i eth0 ",
    "-o eth9 ",
    "-p tcp -m tcp --dport 80 ",
    "-p udp -m udp --dport 80 ",
    "! -d 10.2.0.2/32 ",
    "-m mark --mark 0x1/0x1 ",
    "-p tcp -m tcp --dport 443 ",
)
RULES = st.builds("-A {} {}-j {}".format, st.sampled_from(("FORWARD", "X", "Y")), st.sampled_from(HEADS), st.sampled_from(TARGETS))


def filtered(rules: list[str]) -> World:
    """A router that filters."""
    world = lan()
    world.stack("router").filter(*rules, "-A X -s 9.9.9.9/32", "-A Y -s 9.9.9.9/32", FORWARD="ACCEPT")
    return world


@given(st.lists(RULES, min_size=1, max_size=24))
def test_walks_agree(rules: list[str]) -> None:
    """A walk with an index in every chain ends, step by step, as one that evaluates every rule."""
    with patch.object(ruleset, "INDEX_FROM", 1 << 30):
        plain = filtered(rules).walk("client", "10.2.0.2")
    with patch.object(ruleset, "INDEX_FROM", 1):
        indexed = filtered(rules).walk("client", "10.2.0.2")
    assert (indexed.client_sees, indexed.request, indexed.reply, indexed.depends) == (plain.client_sees, plain.request, plain.reply, plain.depends)
    assert [(f.kind, f.fields) for f in indexed.facts] == [(f.kind, f.fields) for f in plain.facts]


def test_long_enough() -> None:
    """A chain as every node has them is short: its rules are evaluated one by one, and all their misses are told."""
    assert INDEX_FROM > 24
