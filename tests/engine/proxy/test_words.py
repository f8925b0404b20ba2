"""What kube-proxy's comments say of Services that it turns away."""

from __future__ import annotations

import pytest

from collectors.parsers.iptables import parse
from collectors.place import Place
from engine.facts import ChainText, Fact, FactBase, RuleLine, Source
from engine.proxy.words import words

TABLE = "netfilter_table"


def told(table: str, **chains: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """(Service, handle, what) of the rules of a table."""
    made = tuple(ChainText(name.replace("_", "-"), "", 0, tuple(RuleLine(0, spec) for spec in specs)) for name, specs in chains.items())
    base = FactBase((Fact(TABLE, {"table": table, "family": 4, "chains": made}, "n1"),))
    return [(f.get("full"), f.get("handle"), f.get("what")) for f in words(base)]


@pytest.mark.parametrize(("spec", "expected"), [
    ('-d 10.99.0.7/32 -p tcp -m comment --comment "shop/till:pay has no endpoints" -m tcp --dport 5432 -j REJECT',
     [("shop/till", "10.99.0.7", "none"), ("shop/till", "till", "none")]),
    ('-p tcp -m comment --comment "shop/Till:pay has no local endpoints" -m addrtype --dst-type LOCAL -m tcp --dport 30100 -j DROP',
     [("shop/Till", "30100", "no-local"), ("shop/Till", "till", "no-local")]),
    ('-p tcp -m comment --comment "shop/db has no endpoints" -m tcp --dport 5432 -j REJECT', []),
    ('-d 10.99.0.7/32 -m comment --comment "shop/till:pay cluster IP" -j KUBE-SVC-A', []),
])  # fmt: skip
def test_handles(spec: str, expected: list[tuple[str, str, str]]) -> None:
    """A Service is known by its address, its node port and a name that is long enough to mean it; port 5432 is nobody's own."""
    assert told("filter", KUBE_SERVICES=(spec,)) == expected


def test_the_port_of_the_rule_that_leads_there() -> None:
    """Older kube-proxies say it in a chain of the Service's own, to which the node port leads."""
    found = told(
        "nat",
        KUBE_NODEPORTS=('-p tcp -m comment --comment "shop/till:" -m tcp --dport 32204 -j KUBE-XLB-A',),
        KUBE_XLB_A=('-m comment --comment "shop/till: has no local endpoints" -j KUBE-MARK-DROP',),
    )
    assert ("shop/till", "32204", "no-local") in found


@pytest.mark.parametrize(("comment", "expected"), [("cluster IP", []), ("has no endpoints", ["10.99.0.7", "till"])])
def test_a_table_as_it_was_read(comment: str, expected: list[str]) -> None:
    """Of a dump, only tables that hold such a comment are looked through; what is found there is the same."""
    rule = f'-A KUBE-SERVICES -d 10.99.0.7/32 -p tcp -m comment --comment "shop/till:pay {comment}" -m tcp --dport 5432 -j REJECT'
    text = f"*filter\n:INPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n{rule}\nCOMMIT\n"
    facts = parse(Source("iptables-save", text, "iptables-save"), Place("n1"))
    (table,) = (fact for fact in facts if fact.kind == TABLE)
    assert table.fields["chains"].may_hold("no endpoints") is bool(expected)
    assert [fact.get("handle") for fact in words(FactBase(tuple(facts)))] == expected
