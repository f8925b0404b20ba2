"""Tables and chains of a stack."""

from __future__ import annotations

from engine.model.netfilter.ruleset import Ruleset
from tests.engine.walk.world import parsed

SAVE = """
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [3:180]
:OUTPUT ACCEPT [0:0]
:USER - [0:0]
-A FORWARD -j USER
-A USER -s 10.0.0.0/8 -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -j MASQUERADE
COMMIT
"""


def ruleset(*outputs: tuple[str, str]) -> Ruleset:
    """Ruleset of what commands print."""
    facts = [fact for command, text in outputs for fact in parsed(command, text)]
    return Ruleset([f for f in facts if f.kind == "netfilter_table"], [f for f in facts if f.kind == "collected" and f.get("what") == "netfilter"])


def test_chains() -> None:
    """A base chain has a policy, a user chain none; rules are numbered from 1 and know their line."""
    read = ruleset(("iptables-save", SAVE))
    forward, user = read.find("filter", "FORWARD"), read.find("filter", "USER")
    assert forward is not None
    assert user is not None
    assert (forward.policy, user.policy) == ("DROP", "")
    assert [(rule.number, rule.line, rule.target.name) for rule in user.rules] == [(1, 7, "ACCEPT")]
    assert user.rules is user.rules
    assert read.find("filter", "NONE") is None
    assert read.find("filter", "FORWARD", 6) is None


def test_order_on_a_hook() -> None:
    """Tables run by priority: raw, mangle, nat, filter; of one table legacy first."""
    table = ":OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    text = "".join(f"*{name}\n{table}" for name in ("filter", "nat", "raw", "mangle"))
    read = ruleset(("iptables-nft-save", text), ("iptables-legacy-save", text), ("ip6tables-save", text))
    order = [(chain.table.name, chain.table.backend) for chain in read.on_hook("OUTPUT", 4)]
    assert order == [(name, backend) for name in ("raw", "mangle", "nat", "filter") for backend in ("legacy", "nft")]
    assert [chain.table.name for chain in read.on_hook("OUTPUT", 4, ("nat",))] == ["nat", "nat"]
    assert read.on_hook("INPUT", 4) == []


def test_known() -> None:
    """What a whole listing does not show is empty; what one table's listing shows says nothing of the others."""
    whole, one = (
        ruleset(("iptables-save", SAVE)),
        ruleset(("iptables -t nat -S", "\n".join(f"-P {name} ACCEPT" for name in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")))),
    )
    assert [whole.known(table, 4) for table in ("filter", "nat", "raw")] == [True, True, True]
    assert [one.known(table, 4) for table in ("filter", "nat", "raw")] == [False, True, False]
    assert not whole.known("filter", 6)
    assert ruleset(("iptables-save", "")).known("filter", 4)
    assert not ruleset().known("filter", 4)


def test_one_chain_of_a_table() -> None:
    """A listing of one chain tells of that chain only."""
    read = ruleset(("iptables -S FORWARD", "-P FORWARD DROP"))
    assert (read.known("filter", 4, "FORWARD"), read.known("filter", 4, "INPUT")) == (True, False)


def test_counters_prove_forwarding() -> None:
    """Packets counted in FORWARD were forwarded, or would have been; a chain without them proves nothing."""
    assert ruleset(("iptables-save", SAVE)).forwarded_before()
    quiet = SAVE.replace("[3:180]", "[0:0]")
    assert not ruleset(("iptables-save", quiet)).forwarded_before()
    counted = quiet.replace("-A FORWARD -j USER", "[2:120] -A FORWARD -j USER")
    assert ruleset(("iptables-save -c", counted)).forwarded_before()
