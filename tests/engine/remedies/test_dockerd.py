"""Restarting docker: the rules that it writes, compared with those of a real daemon (recorded)."""

from __future__ import annotations

from pathlib import Path

from collectors.containers import merged
from engine.computed import EXPANDERS
from engine.facts import Fact, FactBase
from tests.engine.remedies.conftest import operation
from tests.engine.remedies.test_netfilter import specs
from tests.engine.walk.world import parsed

RECORDED = Path(__file__).parents[2] / "recordings" / "labs" / "docker-chains-missing"
NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT"
EMPTY = f"{NAT}\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT"
CHAINS = [
    ("nat", ("PREROUTING", "OUTPUT", "POSTROUTING", "DOCKER")),
    ("filter", ("FORWARD", "DOCKER", "DOCKER-USER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2")),
]


def recorded(state: str, name: str, command: str) -> list[Fact]:
    """Facts of a recorded output."""
    return parsed(command, (RECORDED / state / "node1" / name).read_text(encoding="utf-8"))


def node(tables: list[Fact]) -> FactBase:
    """A node with the recorded docker and some tables."""
    docker = recorded("healthy", "docker_network_inspect.json", "docker network inspect bridge")
    return FactBase(merged([*tables, *docker, *recorded("healthy", "docker_inspect.json", "docker inspect app")]), EXPANDERS)


def rules(facts: list[Fact]) -> dict[str, list[str]]:
    """Docker's rules by table and chain."""
    return {f"{table} {chain}": specs(facts, chain, table) for table, chains in CHAINS for chain in chains}


def test_daemon() -> None:
    """On tables without docker's rules, the model makes those that a real daemon had made."""
    real = rules(recorded("healthy", "iptables-save.txt", "iptables-save"))
    facts = node(parsed("iptables-save", EMPTY))
    made = operation("docker.restart", facts)
    after = made.apply(facts)
    assert after is not None
    assert rules(list(after.facts)) == real
    assert made.commands() == ("systemctl restart docker", "docker start app")


def test_nothing_missing() -> None:
    """Where all rules are there, a restart changes none."""
    facts = node(recorded("healthy", "iptables-save.txt", "iptables-save"))
    after = operation("docker.restart", facts).apply(facts)
    assert after is not None
    assert rules(list(after.facts)) == rules(list(facts.facts))


def test_container() -> None:
    """Restarting a container brings back the rules of its ports alone."""
    port = {"host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80, "protocol": "tcp"}
    facts = node(parsed("iptables-save", EMPTY))
    facts = facts.swap({id(f): f.having(ports=(port,)) for f in facts.of_kind("container")})
    made = operation("docker.restart", facts, container="app")
    after = made.apply(facts)
    assert after is not None
    assert specs(after.facts, "DOCKER", "nat") == ["! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"]
    assert specs(after.facts, "FORWARD") == []
    assert made.commands() == ("docker restart app",)


def test_unknown() -> None:
    """Without docker's networks in the evidence the model cannot tell what it would write."""
    facts = FactBase(parsed("iptables-save", EMPTY), EXPANDERS)
    assert operation("docker.restart", facts).apply(facts) is None


def test_without_proxy() -> None:
    """A daemon without userland proxy has no RETURN for its bridges: its DNAT rules are for the containers' own packets too."""
    there = "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A DOCKER -p tcp -m tcp --dport 9090 -j DNAT --to-destination 172.17.0.3:90\nCOMMIT"
    port = {"host_ip": "", "host_port": 8080, "container_port": 80, "protocol": "tcp"}
    facts = node(parsed("iptables-save", f"{there}\n*filter\n:FORWARD DROP [0:0]\nCOMMIT"))
    facts = facts.swap({id(f): f.having(ports=(port,)) for f in facts.of_kind("container")})
    after = operation("docker.restart", facts, container="app").apply(facts)
    assert after is not None
    assert specs(after.facts, "DOCKER", "nat")[-1] == "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80"
