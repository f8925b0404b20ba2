"""nftables rulesets of one stack: which tables count, and in what order base chains were registered."""

from __future__ import annotations

from pathlib import Path

from engine.facts import ChainText, Fact, Source
from engine.model.nft.ruleset import NftRuleset

RECORDINGS = Path(__file__).parents[3] / "recordings" / "nftables"
TWO = """table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		accept
	}
}
table inet x {
	chain f {
		type filter hook forward priority 0;
	}
}
"""


def listed(text: str, form: str = "text", command: str = "nft list ruleset") -> Fact:
    """What the parser makes of a listing."""
    return Fact("nft_ruleset", {"text": text, "format": form}, "n1", "host", Source("nft_list_ruleset", text, command), 1)


def dumped(backend: str = "", *chains: str, family: int = 4) -> Fact:
    """A filter table as iptables-save shows it."""
    fields = {"table": "filter", "family": family, "chains": tuple(ChainText(c) for c in chains)}
    return Fact("netfilter_table", fields | ({"backend": backend} if backend else {}), "n1")


def names(ruleset: NftRuleset) -> list[str]:
    """Tables that packets pass."""
    return [table.name for table in ruleset.evaluated]


def test_tables_that_a_dump_shows_are_left_to_it() -> None:
    """iptables-nft's tables are not evaluated twice; those of legacy, of IPv6, or with other chains are different tables."""
    text = [listed(TWO)]
    assert names(NftRuleset(text, [])) == ["ip filter", "inet x"]
    assert names(NftRuleset(text, [dumped("nft", "FORWARD")])) == ["inet x"]
    assert names(NftRuleset(text, [dumped("", "INPUT", "FORWARD")])) == ["inet x"]
    assert names(NftRuleset(text, [dumped("", "INPUT")])) == ["ip filter", "inet x"]
    assert names(NftRuleset(text, [dumped("legacy", "FORWARD")])) == ["ip filter", "inet x"]
    assert names(NftRuleset(text, [dumped("nft", "FORWARD", family=6)])) == ["ip filter", "inet x"]


def test_text_counts_before_json() -> None:
    """Of one ruleset in both forms the text is read: JSON loses what extensions were given."""
    folder = RECORDINGS / "compat"
    facts = [listed((folder / "list-j").read_text(), "json"), listed((folder / "list").read_text())]
    ruleset = NftRuleset(facts, [])
    assert len(ruleset.tables) == 3
    assert all(table.fact is facts[1] for table in ruleset.tables)


def test_partial_listings_add_up() -> None:
    """Listings of single tables give one ruleset."""
    one, other = TWO.split("table inet", 1)
    ruleset = NftRuleset([listed(one), listed("table inet" + other)], [])
    assert names(ruleset) == ["ip filter", "inet x"]
    assert (ruleset.position("filter", 4), ruleset.position("filter", 6)) == (0, None)


def test_base_chains_of_a_hook() -> None:
    """Chains of inet tables see both families; policies and lines are those of the hook's line; empty chains without a policy of drop are idle."""
    ruleset = NftRuleset([listed(TWO)], [])
    four, six = ruleset.on_hook("FORWARD", 4), ruleset.on_hook("FORWARD", 6)
    assert [(c.table.name, c.policy, c.line, c.idle) for c in four] == [("ip filter", "DROP", 3, False), ("inet x", "ACCEPT", 9, True)]
    assert [c.table.name for c in six] == ["inet x"]
    assert ruleset.on_hook("INPUT", 4) == []


def test_targets_in_words_of_iptables() -> None:
    """The end of a rule is named as iptables names it."""
    rules = "accept\nreject\ncounter\njump u\ngoto u\nmasquerade\ndnat to 10.0.0.1\nnotrack\nmeta mark set 1\nct mark set 1\n"
    rules += "tcp dport vmap { 1 : drop }\nqueue\nxt target SET\nlimit rate 1/second drop\nreturn"
    (table,) = NftRuleset([listed(f"table ip t {{\nchain c {{\n{rules}\n}}\n}}\n")], []).tables
    found = [(r.target.name, r.target.goto) for r in table.chains["c"].rules]
    assert [name for name, _ in found] == [
        "ACCEPT",
        "REJECT",
        "",
        "u",
        "u",
        "MASQUERADE",
        "DNAT",
        "NOTRACK",
        "MARK",
        "CONNMARK",
        "vmap",
        "queue",
        "",
        "DROP",
        "RETURN",
    ]
    assert [goto for _, goto in found].index(True) == 4


def test_what_is_not_understood_is_told() -> None:
    """One warning for each listing."""
    ruleset = NftRuleset([listed("table ip t {\n\tchain c {\n\t\tfrob\n\t\tnicate\n\t}\n}\n"), listed(TWO)], [])
    assert ruleset.warnings == ["nft_list_ruleset:3: 2 × not understood in the nftables ruleset, first: 'frob'"]
    assert len(ruleset.unparsed) == 2
