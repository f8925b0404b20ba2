"""Textual nftables listings, as ``nft`` prints them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.nft import ast
from engine.model.nft.parser import parse, priority_of
from engine.model.nft.printing import show

RECORDINGS = Path(__file__).parents[3] / "recordings" / "nftables"
NAMES = sorted(folder.name for folder in RECORDINGS.iterdir())


def listing(name: str, form: str = "list") -> ast.Listing:
    """A recorded listing, read."""
    return parse((RECORDINGS / name / form).read_text())


def rules(text: str) -> tuple[ast.Rule, ...]:
    """Rules of one chain."""
    (table,) = parse(f"table inet t {{\n\tchain c {{\n{text}\n\t}}\n}}\n").tables
    return table.chains[0].rules


def rule(text: str) -> ast.Rule:
    """One rule."""
    (found,) = rules(text)
    return found


@pytest.mark.parametrize("form", ["list", "list-a", "list-nn", "list-s"])
@pytest.mark.parametrize("name", NAMES)
def test_recordings_are_understood(name: str, form: str) -> None:
    """Of what nft prints nothing is left unparsed, but for extensions that lost their arguments nothing is doubtful that is not so by nature."""
    found = listing(name, form)
    assert found.whole
    assert found.unparsed == ()
    assert found.tables
    kinds = {s.what for t in found.tables for c in t.chains for r in c.rules for s in r.statements if isinstance(s, ast.Doubtful)}
    assert kinds <= {"limit", "quota", "ct count", "limited add", "xt match recent"}


@pytest.mark.parametrize("name", NAMES)
def test_handles_and_counters_do_not_count(name: str) -> None:
    """A listing with handles or without counters is the same ruleset, and handles are read."""
    assert listing(name) == listing(name, "list-a")
    assert _without_counters(listing(name)) == _without_counters(listing(name, "list-s"))
    assert all(r.handle for t in listing(name, "list-a").tables for c in t.chains for r in c.rules)


def _without_counters(found: ast.Listing) -> list[object]:
    return [
        (t.name, c.name, c.hook, [tuple(s for s in r.statements if s != ast.Note("counter")) for r in c.rules])
        for t in found.tables
        for c in t.chains
    ]


@pytest.mark.parametrize("name", NAMES)
def test_lines_and_texts_are_those_of_the_listing(name: str) -> None:
    """Every rule has its line and its words."""
    lines = (RECORDINGS / name / "list").read_text().split("\n")
    for table in listing(name).tables:
        assert lines[table.line - 1].startswith(f"table {table.family} {table.name} ")
        for chain in table.chains:
            for one in chain.rules:
                assert one.text.startswith(" ".join(lines[one.line - 1].split()))


@pytest.mark.parametrize("name", NAMES)
def test_printing_is_undone_by_reading(name: str) -> None:
    """What is printed of a rule reads as the same rule."""
    for table in listing(name).tables:
        for chain in table.chains:
            for one in chain.rules:
                assert rule(show(one.statements, one.comment)) == one


def test_structure() -> None:
    """Base chains have hook, priority and policy; sets and maps their elements; other objects are passed over."""
    (table,) = listing("kube-proxy").tables
    chains = {c.name: c for c in table.chains}
    assert chains["filter-forward"].hook == ast.Hook("filter", "forward", -110, "accept")
    assert chains["services"].hook is None
    sets = {s.name: s for s in table.sets}
    element = sets["firewall-ips"].elements[0]
    assert element.key == ast.Concat((ast.Literal("5.6.7.8"), ast.Literal("tcp"), ast.Literal("80")))
    assert element.data == ast.Verdict("goto", "firewall-5OJ6OBRE-ns5/svc5/tcp/p80")
    assert len(sets["cluster-ips"].elements) == 3
    assert [t.family for t in listing("hooks").tables] == ["ip", "inet", "bridge", "arp", "netdev"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("filter", 0),
        ("filter + 10", 10),
        ("raw - 10", -310),
        ("-150", -150),
        ("dstnat", -100),
        ("srcnat", 100),
        ("mangle", -150),
        ("0", 0),
        ("", None),
        ("x", None),
    ],
)
def test_priorities(text: str, value: int | None) -> None:
    """Names of priorities, numbers, and sums of both."""
    assert priority_of(text.split(), "ip") == value


def test_bridge_priorities() -> None:
    """In bridge tables the names mean other numbers."""
    assert [priority_of([name], "bridge") for name in ("dstnat", "filter", "out", "srcnat")] == [-300, -200, 100, 300]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tcp flags & (fin | syn | rst | ack) == syn accept", "tcp flags syn / fin,syn,rst,ack accept"),
        ("ct mark and 0xff == 0x1 drop", "ct mark & 255 == 1 drop"),
        ("meta mark set mark or 0x4000", "meta mark set meta mark | 0x00004000"),
        ("reject with icmp type host-prohibited", "reject with icmp host-prohibited"),
        ("reject with icmpx type port-unreachable", "reject"),
        ("ip ttl lt 64 accept", "ip ttl < 64 accept"),
        ("meta iifname eth0 accept", 'iifname "eth0" accept'),
        ("dnat ip addr . port to ip daddr . tcp dport map @m", "dnat ip to ip daddr . tcp dport map @m"),
        ("ct original ip saddr 10.0.0.1 accept", "ct original saddr 10.0.0.1 accept"),
        ('xt match "comment" accept', "xt match comment accept"),
        ("counter accept", 'counter packets 5 bytes 9 accept comment "x"'),
    ],
)
def test_versions_print_the_same_differently(one: str, other: str) -> None:
    """What older and newer versions of nft print for one thing is one tree."""
    assert rule(one).statements == rule(other).statements


def test_extensions_without_arguments() -> None:
    """A lost match or target is doubtful; a log is a log, MASQUERADE needs no arguments."""
    assert rule("xt match recent drop").statements[0] == ast.Doubtful("xt match recent", "match")
    assert rule('xt target "TPROXY"').statements == (ast.Doubtful("xt target TPROXY", "taken"),)
    assert rule("xt target LOG").statements == (ast.Note("log"),)
    assert rule("xt target MASQUERADE").statements == (ast.Translate("masquerade"),)


def test_rule_over_several_lines() -> None:
    """Long sets go on over lines; the rule begins on its first."""
    found = rules("\t\tip saddr { 10.0.0.1,\n\t\t\t     10.0.0.2 } drop # handle 7\n\t\taccept")
    assert [(r.line, r.handle, r.text) for r in found] == [(3, 7, "ip saddr { 10.0.0.1, 10.0.0.2 } drop"), (5, None, "accept")]


def test_what_is_not_understood_is_kept_and_counted() -> None:
    """An unknown statement is doubtful from there on; the rules around it stay."""
    body = "\t\ttcp dport 22 accept\n\t\ttcp dport 23 frobnicate all the things\n\t\tdrop"
    text = f"table inet t {{\n\tchain c {{\n{body}\n\t}}\n\twhatever {{ a; b }}\n}}\nnoise\n"
    found = parse(text)
    first, second, third = found.tables[0].chains[0].rules
    assert (first.statements[1], third.statements[0]) == (ast.Verdict("accept"), ast.Verdict("drop"))
    assert second.statements == (ast.Match(ast.Field("tcp", "dport"), "==", ast.Literal("23")), ast.Doubtful("unparsed", "any"))
    assert [line for line, _ in found.unparsed] == [4, 7, 9]
    assert found.whole


def test_elements_that_are_not_understood() -> None:
    """A set whose elements are strange is known to be incomplete."""
    found = parse("table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { ( }\n\t}\n}\n")
    assert found.tables[0].sets[0].flags == (ast.PARTIAL,)
    assert len(found.unparsed) == 1


def test_cut_off() -> None:
    """A listing that ends early says so, and the chain that was open ends in doubt."""
    text = (RECORDINGS / "firewalld" / "list").read_text()
    found = parse(text[: text.index("ct status dnat accept")])
    assert not found.whole
    assert found.tables[0].chains[-1].rules[-1].statements == (ast.Doubtful("unparsed", "any"),)


WORDS = st.sampled_from(
    [
        *"{}();,:.@\"'#/-=!<>&|^ \n\t",
        "table",
        "inet",
        "t",
        "chain",
        "c",
        "set",
        "map",
        "elements",
        "type",
        "filter",
        "hook",
        "input",
        "priority",
        "policy",
        "ip",
        "saddr",
        "tcp",
        "dport",
        "vmap",
        "accept",
        "jump",
        "ct",
        "state",
        "meta",
        "mark",
        "10.0.0.1",
        "10.0.0.0/8",
        "1-2",
        "0x",
        "fib",
        "limit",
        "rate",
        "reject",
        "with",
        "dnat",
        "to",
        "numgen",
        "mod",
        "xt",
        "match",
        "log",
        "add",
        "@s",
        "\u0663",
        "@th,0,16",
        "comment",
        "counter",
        "handle",
    ]
)


@given(
    st.text()
    | st.lists(WORDS, max_size=60).map(" ".join)
    | st.lists(WORDS, max_size=60).map(lambda w: "table ip t {\nchain c {\n" + " ".join(w) + "\n}\n}\n")
)
def test_never_raises_and_never_is_silent(text: str) -> None:
    """Any text gives a listing; words that are no table are counted."""
    found = parse(text)
    if not found.tables and [line for line in text.split("\n") if line.strip(" \t;") and not line.strip(" \t;").startswith("#")]:
        assert found.unparsed or not text.strip()


@given(st.data())
def test_damaged_recordings_never_raise(data: st.DataObject) -> None:
    """A listing with a part cut out is read; each rule that stays is read as before, is doubtful, or is another rule that the text now spells."""
    text = (RECORDINGS / data.draw(st.sampled_from(NAMES)) / "list").read_text()
    start = data.draw(st.integers(0, len(text)))
    parse(text[:start] + text[start + data.draw(st.integers(0, 200)) :])


def test_deep_nesting_is_refused() -> None:
    """Brackets inside each other without end are not followed."""
    assert rule("ip saddr " + "(" * 500 + "1" + ")" * 500 + " accept").statements[-1] == ast.Doubtful("unparsed", "any")
    assert rule("meta mark set " + "(meta mark & " * 500 + "1" + ")" * 500).statements[-1] == ast.Doubtful("unparsed", "any")


def test_chain_without_its_table() -> None:
    """A chain that somebody cut out is one of iptables-nft's filter, or of nat if it translates."""
    made = parse('chain ts-forward {\n  oifname "t0" drop\n}\nchain POST {\n  masquerade\n}\n').tables
    assert [(t.family, t.name, [c.name for c in t.chains]) for t in made] == [("ip", "filter", ["ts-forward"]), ("ip", "nat", ["POST"])]


def test_lost_brackets() -> None:
    """A chain ends where the next begins; only the last may have been cut off."""
    text = (
        "table inet filter {\n chain input {\n  type filter hook input priority 0; policy drop;\n  iif lo accept\n\n"
        " chain forward {\n  policy accept;\n"
    )
    (table,) = parse(text).tables
    first, last = table.chains
    assert (first.name, first.hook.policy if first.hook else "", [r.text for r in first.rules]) == ("input", "drop", ["iif lo accept"])
    assert [r.text for r in last.rules] == ["the listing is cut off here"]


def test_table_listed_chain_by_chain() -> None:
    """``nft list chain`` prints its table each time: it is one table."""
    (table,) = parse("table ip t {\n chain a {\n  jump b\n }\n}\ntable ip t {\n chain b {\n  drop\n }\n}\n").tables
    assert [c.name for c in table.chains] == ["a", "b"]
