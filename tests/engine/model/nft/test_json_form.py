"""The JSON form of listings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.nft import ast, json_form, parser

RECORDINGS = Path(__file__).parents[3] / "recordings" / "nftables"
NATIVE = ["docker", "firewalld", "grammar", "hooks", "kube-proxy"]


def recorded(name: str) -> ast.Listing:
    """A recorded JSON listing, read."""
    return json_form.parse((RECORDINGS / name / "list-j").read_text())


def rule(*expressions: Any, family: str = "ip") -> ast.Rule:
    """One rule of a listing that holds nothing else."""
    items = [{"rule": {"family": family, "table": "t", "chain": "c", "handle": 9, "expr": list(expressions)}}]
    return json_form.parse(json.dumps({"nftables": items})).tables[0].chains[0].rules[0]


@pytest.mark.parametrize("name", NATIVE)
def test_same_tree_as_the_text(name: str) -> None:
    """Text and JSON of one ruleset are one tree, and nothing of either is left unparsed."""
    found = recorded(name)
    assert found.unparsed == ()
    assert found == parser.parse((RECORDINGS / name / "list").read_text())


@pytest.mark.parametrize("name", NATIVE)
def test_rules_are_shown_in_words(name: str) -> None:
    """The text that is made for a rule reads as that rule."""
    for table in recorded(name).tables:
        for chain in table.chains:
            for one in chain.rules:
                (again,) = parser.parse(f"table ip t {{\nchain c {{\n{one.text}\n}}\n}}\n").tables[0].chains[0].rules
                assert again == one


def test_extensions_lose_their_arguments() -> None:
    """Of iptables-nft's extensions only the name is there: doubtful, not guessed."""
    found = recorded("compat")
    statements = [s for t in found.tables for c in t.chains for r in c.rules for s in r.statements]
    assert ast.Doubtful("xt match conntrack", "match") in statements
    assert ast.Doubtful("xt target DNAT", "taken") in statements
    assert ast.Translate("masquerade") in statements


def test_handles_and_unknown_statements() -> None:
    """Handles are read; an unknown statement is doubtful and counted, those beside it stay."""
    assert rule({"accept": None}).handle == 9
    found = json_form.parse(json.dumps({"nftables": [{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"frob": 1}, {"drop": None}]}}]}))
    assert found.tables[0].chains[0].rules[0].statements == (ast.Doubtful("unparsed", "any"), ast.Verdict("drop"))
    assert found.unparsed == ((0, "{'frob': 1}"),)


@pytest.mark.parametrize(
    ("expression", "tree"),
    [
        ({"|": [{"|": ["fin", "syn"]}, "rst"]}, ast.Flags(("fin", "syn", "rst"))),
        ({"|": ["fin", "syn", "rst"]}, ast.Flags(("fin", "syn", "rst"))),
        (True, ast.Literal("exists")),
        (22, ast.Literal("22")),
        ("@s", ast.SetRef("s")),
        ("*", ast.Wildcard()),
        ({"range": [1, 2]}, ast.Range("1", "2")),
        ({"payload": {"base": "th", "offset": 0, "len": 16}}, ast.Field("@th", "bits", ("0", "16"))),
    ],
)
def test_expressions(expression: Any, tree: ast.Expression) -> None:
    """Expressions as every version writes them."""
    assert json_form.expression(expression) == tree


def test_no_ruleset() -> None:
    """Broken or foreign JSON is counted."""
    for text in ("{", "[]", '{"nftables": 1}', '{"x": []}', "null"):
        found = json_form.parse(text)
        assert found.tables == ()
        assert found.unparsed or text == '{"nftables": 1}'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["ip", "saddr", "@s", "*", "10.0.0.1", "established", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "match",
                    "left",
                    "right",
                    "op",
                    "payload",
                    "protocol",
                    "field",
                    "meta",
                    "key",
                    "set",
                    "elem",
                    "val",
                    "map",
                    "vmap",
                    "data",
                    "range",
                    "prefix",
                    "addr",
                    "len",
                    "concat",
                    "&",
                    "|",
                    "dnat",
                    "port",
                    "reject",
                    "type",
                    "expr",
                    "limit",
                    "jump",
                    "target",
                    "numgen",
                    "mod",
                    "mode",
                    "fib",
                    "flags",
                    "result",
                    "ct",
                    "xt",
                    "mangle",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=4), st.sampled_from(["table", "chain", "set", "map", "rule", "counter", "x"]))
def test_never_raises(values: list[Any], kind: str) -> None:
    """Any JSON gives a listing."""
    body = {"family": "ip", "table": "t", "chain": "c", "name": "n", "expr": values, "elem": values, "hook": "input", "flags": values}
    json_form.parse(json.dumps({"nftables": [{kind: body}, *values]}))


@pytest.mark.parametrize(("text", "body"), [
    ("tproxy to :15001", {"port": 15001}),
    ("tproxy ip to 127.0.0.1:15001", {"family": "ip", "addr": "127.0.0.1", "port": 15001}),
    ("tproxy ip6 to [::1]:15001", {"family": "ip6", "addr": "::1", "port": 15001}),
    ("tproxy to 127.0.0.1", {"addr": "127.0.0.1"}),
])  # fmt: skip
def test_transparent_proxies(text: str, body: dict[str, Any]) -> None:
    """Text and JSON tell one listener, and what is printed of it is the text."""
    found = rule({"tproxy": body})
    (spelled,) = parser.parse(f"table inet t {{\nchain c {{\n{text}\n}}\n}}\n").tables[0].chains[0].rules
    assert isinstance(found.statements[0], ast.Divert)
    assert found.statements == spelled.statements
    assert found.text == text


def test_a_proxys_port_of_a_map() -> None:
    """The port may come from a map, which nft shows in JSON alone: ``tproxy to`` without an end is not understood, not guessed."""
    key = {"payload": {"protocol": "tcp", "field": "dport"}}
    (divert,) = rule({"tproxy": {"port": {"map": {"key": key, "data": {"set": [[80, 15001]]}}}}}).statements
    assert isinstance(divert, ast.Divert)
    assert isinstance(divert.port, ast.MapOf)
    listing = parser.parse("table ip t {\nchain c {\ntproxy to\n}\n}\n")
    assert listing.unparsed == ((3, "tproxy to"),)
