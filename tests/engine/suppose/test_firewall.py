"""Chains that were listed without interface columns, or without the base chain that leads to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.facts import HOST, ChainText, Fact, RuleLine, Source
from engine.model.nft.parser import parse
from engine.pipeline import diagnose
from engine.request import Request
from engine.suppose.firewall import base_of, entered, entries, gathered, with_interfaces

if TYPE_CHECKING:
    from pathlib import Path

HERE = Source("iptables")
BRIDGES = {"docker0": "172.17.0.0/16", "virbr0": "192.168.122.0/24"}


def table(chains: dict[str, list[str]], name: str = "filter", source: Source = HERE, **fields: object) -> Fact:
    """A table of some chains."""
    texts = tuple(ChainText(chain, "", 1, tuple(RuleLine(n, spec) for n, spec in enumerate(rules, 2))) for chain, rules in chains.items())
    return Fact("netfilter_table", {"family": 4, "table": name, "chains": texts, **fields}, "n1", "host", source)


def told(chain: str, *rules: str, name: str = "filter") -> list[str]:
    """What the rules of a chain become when their interfaces are told."""
    found = with_interfaces(table({chain: list(rules)}, name, columns="no-interfaces"), BRIDGES)
    assert found is not None
    assert "columns" not in found.fields
    return [rule.spec for rule in found.get("chains")[0].rules]


def test_shown_columns_are_left_alone() -> None:
    """A listing with -v says it itself."""
    assert with_interfaces(table({"INPUT": ["-j ACCEPT"]}), BRIDGES) is None


@pytest.mark.parametrize(
    ("chain", "rules", "expected"),
    [
        ("INPUT", ["-j ACCEPT", "-p tcp --dport 22 -j ACCEPT", "-j DROP"], ["-i lo -j ACCEPT", "-p tcp --dport 22 -j ACCEPT", "-j DROP"]),
        ("INPUT", ["-j DROP", "-p tcp --dport 22 -j ACCEPT"], ["-p tcp --dport 22 -j ACCEPT"]),
        ("OUTPUT", ["-j ACCEPT", "-j DROP"], ["-o lo -j ACCEPT", "-j DROP"]),
        ("FORWARD", ["-j REJECT --reject-with icmp-host-prohibited"], ["-j REJECT --reject-with icmp-host-prohibited"]),
        (
            "FORWARD",
            ["-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-j DOCKER", "-j ACCEPT", "-j ACCEPT"],
            [
                "-o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                "-o docker0 -j DOCKER",
                "-i docker0 -j ACCEPT",
                "-i docker0 -j ACCEPT",
            ],
        ),
        # What distributions end their filter with has no interface, and what stands below it was appended by others.
        (
            "FORWARD",
            ["-j REJECT --reject-with icmp-host-prohibited", "-s 10.1.0.0/16 -j ACCEPT"],
            ["-j REJECT --reject-with icmp-host-prohibited", "-s 10.1.0.0/16 -j ACCEPT"],
        ),
        ("FORWARD", ["-j ACCEPT", "-s 10.1.0.0/16 -j DROP"], ["-s 10.1.0.0/16 -j DROP"]),
        (
            "DOCKER",
            ["-d 172.17.0.2 -p tcp --dport 80 -j ACCEPT", "-j DROP"],
            ["-d 172.17.0.2 -p tcp --dport 80 -j ACCEPT", "! -i docker0 -o docker0 -j DROP"],
        ),
        ("DOCKER-FORWARD", ["-j DOCKER-CT", "-j ACCEPT"], ["-j DOCKER-CT", "-i docker0 -j ACCEPT"]),
        ("DOCKER-CT", ["-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"], ["-o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]),
        (
            "DOCKER-ISOLATION-STAGE-1",
            ["-j DOCKER-ISOLATION-STAGE-2", "-j RETURN"],
            ["-i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2", "-j RETURN"],
        ),
        ("DOCKER-ISOLATION-STAGE-2", ["-j DROP", "-j RETURN"], ["-o docker0 -j DROP", "-j RETURN"]),
        ("LIBVIRT_FWO", ["-s 192.168.122.0/24 -j ACCEPT", "-j REJECT"], ["-s 192.168.122.0/24 -j ACCEPT", "-i virbr0 -j REJECT"]),
    ],
)
def test_interfaces_of_a_filter(chain: str, rules: list[str], expected: list[str]) -> None:
    """A rule for everything above others names an interface: docker's, libvirt's, or lo."""
    assert told(chain, *rules) == expected


def test_interfaces_of_nat() -> None:
    """A bridge's subnet is masqueraded on the way to other devices."""
    assert told("POSTROUTING", "-s 172.17.0.0/16 -j MASQUERADE", name="nat") == ["! -o docker0 -s 172.17.0.0/16 -j MASQUERADE"]
    assert told("DOCKER", "-j RETURN", "-p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80", name="nat") == [
        "-i docker0 -j RETURN",
        "-p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80",
    ]


def test_chains_listed_one_by_one() -> None:
    """Listings of one text make one table; those of two files stay apart."""
    one, two = table({"FORWARD": ["-j DOCKER-USER"]}), table({"DOCKER-USER": ["-j RETURN"]})
    whole = gathered([one, two])
    assert whole is not None
    assert [chain.name for chain in whole.get("chains")] == ["FORWARD", "DOCKER-USER"]
    assert gathered([one]) is None
    assert gathered([one, table({"DOCKER-USER": []}, source=Source("other"))]) is None


def test_ways_into_chains_shown_alone() -> None:
    """A program's chain is reached from where the program puts its jump; not where the base chain was shown."""
    found = entries("filter", [table({"DOCKER-USER": [], "DOCKER": []})], ["docker0"])
    assert [rule.spec for rule in found["FORWARD"]] == ["-j DOCKER-USER", "-o docker0 -j DOCKER"]
    assert entries("filter", [table({"FORWARD": [], "DOCKER-USER": []})], []) == {}
    assert set(entries("nat", [table({"DOCKER": []}, "nat")], [])) == {"PREROUTING", "OUTPUT"}


REJECTING = """\
# iptables -L -n
Chain INPUT (policy ACCEPT)
target     prot opt source               destination

Chain FORWARD (policy DROP)
target     prot opt source               destination
ACCEPT     all  --  0.0.0.0/0            0.0.0.0/0            ctstate RELATED,ESTABLISHED
DOCKER     all  --  0.0.0.0/0            0.0.0.0/0
ACCEPT     all  --  0.0.0.0/0            0.0.0.0/0
{accepted}
Chain OUTPUT (policy ACCEPT)
target     prot opt source               destination

Chain DOCKER (1 references)
target     prot opt source               destination
"""
ACCEPTED = """\
ACCEPT     all  --  0.0.0.0/0            192.168.122.0/24
ACCEPT     all  --  192.168.122.0/24     0.0.0.0/0
"""


@pytest.mark.parametrize(("accepted", "found"), [("", ["docker-forward-drop"]), (ACCEPTED, [])])
def test_a_listing_without_interfaces(tmp_path: Path, accepted: str, found: list[str]) -> None:
    """What docker accepts is docker's: machines of libvirt meet the policy, unless their subnet is let through."""
    (tmp_path / "paste").write_text(REJECTING.format(accepted=accepted), encoding="utf-8")
    report = diagnose(Request(symptom="guests on virbr0 cannot ping 1.1.1.1, timeout", bundles=(tmp_path,)))
    assert [f.id for f in report.findings] == found


@pytest.mark.parametrize(
    ("rule", "found"), [("  421 25260 DROP       all  --  eth0   *      !192.0.2.0/24         0.0.0.0/0\n", ["firewall-drop"]), ("", [])]
)
def test_a_chain_alone(tmp_path: Path, rule: str, found: list[str]) -> None:
    """DOCKER-USER alone is asked for what docker forwards."""
    listing = "Chain DOCKER-USER (1 references)\n pkts bytes target     prot opt in     out     source               destination\n"
    listing += f"{rule}  991 81200 RETURN     all  --  *      *       0.0.0.0/0            0.0.0.0/0\n"
    ps = "CONTAINER ID   IMAGE   COMMAND   CREATED       STATUS       PORTS                NAMES\n"
    ps += '0f1e2d3c4b5a   web     "/run"    2 hours ago   Up 2 hours   0.0.0.0:80->80/tcp   web\n'
    (tmp_path / "paste").write_text(f"$ sudo iptables -nvL DOCKER-USER\n{listing}$ docker ps\n{ps}", encoding="utf-8")
    report = diagnose(Request(symptom="port 80 of the host can't be reached by external clients, times out", bundles=(tmp_path,)))
    assert [f.id for f in report.findings] == found


def test_chains_of_two_files(tmp_path: Path) -> None:
    """A jump leads into a chain that another file lists."""
    (tmp_path / "iptables_-S_FORWARD").write_text("-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -i docker0 -j ACCEPT\n", encoding="utf-8")
    (tmp_path / "iptables_-S_DOCKER-USER").write_text("-N DOCKER-USER\n-A DOCKER-USER -p icmp -j DROP\n", encoding="utf-8")
    report = diagnose(Request(symptom="containers cannot ping 8.8.8.8, timeout", bundles=(tmp_path,)))
    assert [(f.id, f.evidence[0].text) for f in report.findings] == [("firewall-drop", "-A DOCKER-USER -p icmp -j DROP")]


@pytest.mark.parametrize(
    ("chain", "base"), [("ts-forward", "FORWARD"), ("KUBE-ROUTER-INPUT", "INPUT"), ("FORWARD", ""), ("LOGDROP", ""), ("forwarding_rule", "")]
)
def test_base_chain_by_name(chain: str, base: str) -> None:
    """A whole word of a chain's name tells what leads to it; a base chain is its own."""
    assert base_of(chain) == base


def test_chain_cut_out_of_a_native_table_is_entered() -> None:
    """The base chain that its name tells jumps there; one that another chain leads to, or that nobody can place, is left alone."""
    text = "chain ts-forward {\n  jump inner\n}\nchain inner {\n  drop\n}\nchain strange {\n  drop\n}"
    whole = entered(Fact("nft_ruleset", {"text": text, "format": "text"}, "n1", HOST))
    assert whole is not None
    (table,) = parse(whole.get("text")).tables
    (base,) = [c for c in table.chains if c.hook is not None]
    assert (base.hook.hook if base.hook else "", [r.text for r in base.rules]) == ("forward", ["jump ts-forward"])
    assert entered(whole) is None


def test_lone_chain_of_iptables_is_entered() -> None:
    """The same for a listing of iptables."""
    found = entries("filter", [table({"ts-forward": ["-j inner"], "inner": ["-j DROP"]})], [])
    assert {base: [r.spec for r in rules] for base, rules in found.items()} == {"FORWARD": ["-j ts-forward"]}
