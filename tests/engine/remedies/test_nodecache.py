"""Operations on the node-local DNS cache, on a real raw table."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from collectors.evidence import read_files
from engine.facts import HOST, Fact, FactBase
from engine.remedies import OPERATIONS, Operation, Site
from tests.lab.machine import why_not

TABLE = """*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j NOTRACK
-A PREROUTING -d 169.254.20.10/32 -p udp -m udp --dport 53 -j NOTRACK
-A OUTPUT -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j CT --notrack
-A OUTPUT -d 10.96.0.10/32 -p udp -m udp --dport 53 -j CT --notrack
-A OUTPUT -s 10.96.0.100/32 -p udp -m udp --sport 53 -j CT --notrack
-A OUTPUT -s 10.96.0.10/32 -p udp -m udp --sport 53 -j CT --notrack
COMMIT
"""
ADDRESS = {"device": "nodelocaldns", "address": "10.96.0.10", "prefixlen": 32, "scope": "global", "family": 4}
GIVEN = {"address": "10.96.0.10/32", "dev": "nodelocaldns"}


def facts_of(saved: str) -> FactBase:
    """A node with that table, whose cache has the address."""
    return FactBase([*read_files({"nodes/n1/iptables-save": saved.encode()}).facts, Fact("address", ADDRESS, "n1")])


def made(facts: FactBase) -> Operation:
    """The operation on that node."""
    return OPERATIONS["dns.release-address"](GIVEN, Site(facts, "n1", HOST))


def specs(facts: FactBase) -> list[str]:
    """Rules of the raw table."""
    tables = [t for t in facts.of_kind("netfilter_table") if t.get("table") == "raw"]
    return [f"{chain.name} {rule.spec}" for table in tables for chain in table.get("chains", ()) for rule in chain.rules]


def test_only_what_names_the_address_goes() -> None:
    """The address and its rules are taken away; those of the cache's own address and of one that begins alike stay."""
    facts = facts_of(TABLE)
    after = made(facts).apply(facts)
    assert after is not None
    assert not after.of_kind("address")
    assert [spec.split()[2] for spec in specs(after)] == ["169.254.20.10/32", "10.96.0.100/32"]
    assert made(facts).commands()[0].startswith("ip address del 10.96.0.10/32") or "10.96.0.10/32" in made(facts).commands()[0]
    assert "169.254.20.10 alone" in made(facts).persist()[0]
    assert made(facts).verify()


def test_without_the_raw_table() -> None:
    """Where its rules were not seen, the address alone is taken."""
    facts = FactBase([Fact("address", ADDRESS, "n1")])
    assert len(made(facts).commands()) == 1


@pytest.mark.skipif(bool(why_not()) or shutil.which("iptables-legacy") is None, reason="needs root and iptables")
def test_undo_restores_the_order() -> None:
    """On the kernel the printed commands leave the rules that the model has, and the undo puts each where it stood."""
    facts = facts_of(TABLE)
    operation = made(facts)
    lines = ["ip link add nodelocaldns type bridge", "ip addr add 10.96.0.10/32 dev nodelocaldns", f"iptables-legacy-restore <<'END'\n{TABLE}END",
        *operation.commands(), "iptables-legacy-save -t raw", "echo ====", *operation.undo(), "iptables-legacy-save -t raw"]
    script = 'set -e\niptables() { iptables-legacy "$@"; }\n' + "\n".join(lines)
    said = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=True).stdout.split("====")
    after = operation.apply(facts)
    assert after is not None
    left, again = (specs(facts_of(text)) for text in said)
    # The kernel writes NOTRACK as CT --notrack.
    assert [s.replace("CT --notrack", "NOTRACK") for s in left] == [s.replace("CT --notrack", "NOTRACK") for s in specs(after)]
    assert [s.replace("CT --notrack", "NOTRACK") for s in again] == [s.replace("CT --notrack", "NOTRACK") for s in specs(facts)]
