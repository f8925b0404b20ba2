"""nftables expressions asked of packets: what the kernel tests do not reach (chances, doubts, bits, large sets)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.facts import Fact
from engine.inet import to_int
from engine.model.nft import ast
from engine.model.nft.expressions import Answer, Share, holds, select
from engine.model.nft.fields import Doubt, Scene
from engine.model.nft.parser import parse
from engine.model.packet import Entry, HookContext, Packet, State, Tuple
from engine.model.stack import NetStack

STACK = NetStack("n1", "host", {"address": [Fact("address", {"device": "eth0", "address": "10.0.0.1", "prefixlen": 24}, "n1")]})
SYN = Packet(4, to_int("10.0.0.9"), to_int("10.0.0.1"), "tcp", 40000, 80, frozenset({"SYN"}))


def scene(sets: str = "", packet: Packet = SYN, **context: Any) -> Scene:
    """A packet on PREROUTING (unless said otherwise) of a small stack."""
    table = parse(f"table ip t {{\n{sets}\n}}\n").tables[0]
    return Scene(packet, HookContext(**{"hook": "PREROUTING", "in_device": "eth0", **context}), STACK, {s.name: s for s in table.sets})


def match(text: str) -> ast.Match:
    """A comparison."""
    made = parse(f"table ip t {{\nchain c {{\n{text}\n}}\n}}\n").tables[0].chains[0].rules[0].statements[0]
    assert isinstance(made, ast.Match), made
    return made


def answer(text: str, where: Scene | None = None) -> Answer:
    """Whether a comparison holds."""
    return holds(match(text), where or scene())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numgen random mod 4 0", Share("1/4")),
        ("numgen random mod 4 offset 10 10-12", Share("3/4")),
        ("numgen inc mod 2 != 0", Share("1/2")),
        ("numgen inc mod 2 { 0, 1 }", True),
        ("numgen inc mod 4 { 0, 1 }", Share("1/2")),
        ("numgen inc mod 4 != { 0 }", Share("3/4")),
        ("numgen inc mod 2 7", False),
        ("meta random < 1073741824", Share("1/4")),
        ("meta random >= 0", True),
        ("symhash mod 2 0", Share("1/2")),
    ],
)
def test_chances(text: str, expected: Answer) -> None:
    """Of random numbers the share is told; a certain outcome is certain."""
    assert answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ip saddr 10.0.0.0/24", True),
        ("meta nfproto 2", True),
        ("meta l4proto 6", True),
        ("ct state 0x8,0x40", True),
        ("tcp flags 0x2 / 0x2,0x10", True),
        ("fib daddr type 2", True),
        ("tcp dport http", True),
        ("tcp dport https", False),
        ("icmp type 8", False),
        ("ip6 saddr ::/0", False),
        ("exthdr frag exists", False),
        ("meta skuid 0", False),
        ("iif 2", False),
        ("@nh,0,8 0x45", None),
        ("meta cpu 1", None),
        ("tcp dport nosuchservice", None),
        ("ip dscp cs1 ", False),
        ("ip dscp 0", True),
        ("ip ecn not-ect", True),
        ("ether saddr 02:00:00:00:00:01", None),
        ('ct helper "ftp"', False),
        ('iifgroup "default"', None),
        ("tcp option maxseg size 1-500", None),
        ("rt classid 1", None),
    ],
)
def test_fields(text: str, expected: bool | None) -> None:
    """Fields by name and by number; what the packet lacks is false, what is not modelled is in doubt."""
    entry = Entry(SYN.tuple(), SYN.tuple().inverted())
    found = answer(text, scene(state=State("NEW", entry)))
    assert found is expected if expected is not None else isinstance(found, Doubt)


def test_bits_that_are_not_followed() -> None:
    """Whether an entry is assured is in doubt once both sides spoke, unless another bit decides; before that, and expected, it is not."""
    entry = Entry(Tuple("tcp", 1, 2, 3, 4), Tuple("tcp", 2, 1, 4, 3), dnat=True)
    where = scene(state=State("NEW", entry))
    assert [answer(f"ct status {status}", where) for status in ("assured", "expected")] == [False, False]
    entry.seen_reply = True
    assert answer("ct status dnat", where) is True
    assert answer("ct status snat", where) is False
    assert answer("ct status ! snat", where) is True
    assert answer("ct status dnat,assured", where) is True
    assert isinstance(answer("ct status assured", where), Doubt)
    assert answer("ct status & dnat == dnat", where) is True
    assert isinstance(answer("ct status & assured == 0", where), Doubt)


def test_without_an_entry_conntrack_fields_end_the_rule() -> None:
    """Without an entry every comparison is false, also a negated one; the state is invalid or untracked."""
    for text in ("ct mark 0", "ct mark != 0", "ct direction original", "ct status ! dnat", "ct original saddr != 10.0.0.1"):
        assert answer(text, scene(state=State("INVALID"))) is False
    assert answer("ct state invalid", scene(state=State(""))) is True
    assert answer("ct state untracked", scene(state=State("UNTRACKED"))) is True


SETS = """
set big {
    type ipv4_addr . inet_service
    flags interval
    elements = { 10.0.0.9 . 80, 10.1.0.0/16 . 1-1024, 10.2.0.1-10.2.0.9 . 443 }
}
set names {
    type ifname
    flags interval
    elements = { "eth*", "lo" }
}
"""


def test_named_sets() -> None:
    """Exact keys, intervals, wildcards; a set that is not listed leaves doubt."""
    where = scene(SETS)
    assert answer("ip saddr . tcp dport @big", where) is True
    assert answer("ip saddr . tcp dport != @big", where) is False
    assert answer("ip daddr . tcp dport @big", where) is False
    assert answer("iifname @names", where) is True
    assert answer("oifname @names", where) is False
    assert isinstance(answer("ip saddr @missing", where), Doubt)


def test_unknown_part_of_a_key() -> None:
    """An unknown part matters only if the known parts leave some element."""
    assert isinstance(answer("ip id . tcp dport { 7 . 80 }"), Doubt)
    assert answer("ip id . tcp dport { 7 . 81 }") is False


def test_shares_of_a_map() -> None:
    """A map asked with a random number gives every element its share, the rest goes to none."""
    (made,) = parse("table ip t {\nchain c {\nnumgen inc mod 4 vmap { 0 : accept, 1-2 : drop }\n}\n}\n").tables[0].chains[0].rules[0].statements
    assert isinstance(made, ast.VerdictMap)
    found = select(made.key, made.data, scene())
    assert [(e.data.name if e and isinstance(e.data, ast.Verdict) else None, share) for e, share in found.options] == [
        ("accept", "1/4"),
        ("drop", "1/2"),
        (None, "1/4"),
    ]
