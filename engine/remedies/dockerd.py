"""Operations on docker: it writes its rules anew when it starts, and a container's when that starts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from engine.facts import ChainText, RuleLine
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import Fact, FactBase

Wanted = "Iterator[tuple[str, str, str]]"
"""(table, chain, rule) in the order in which docker writes them."""


class DockerRestart(Operation):
    """Restart the daemon, or one container: rules that are missing come back.

    The model puts in what docker 20 and later make of the networks and published ports (``libnetwork/drivers/bridge/setup_ip_tables.go``,
    ``libnetwork/iptables/iptables.go``), where no rule with these words is there already.
    """

    NAME: ClassVar[str] = "docker.restart"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "container": Parameter("name of the container; the daemon if absent", required=False),
        "backend": Parameter("legacy or nft: which iptables docker uses, where both hold tables", required=False),
    }

    def commands(self) -> tuple[str, ...]:
        """``systemctl restart docker``, then the containers that ran: without a restart policy they stay down."""
        if self.text("container"):
            return (self.site.shell("docker", "restart", self.text("container")),)
        names = [str(f.fields["name"]) for f in self.site.facts.of_kind("container") if self._runs(f) and f.fields.get("name")]
        return (self.site.shell("systemctl", "restart", "docker"), *([self.site.shell("docker", "start", *names)] if names else []))

    def _runs(self, fact: Fact) -> bool:
        return fact.node == self.site.node and fact.fields.get("runtime") == "docker" and fact.fields.get("state") == "running"

    def persist(self) -> tuple[str, ...]:
        """Order of the services."""
        return ("# docker must start after whatever loads the firewall, and be restarted with it (systemd: PartOf= and After= in docker.service)",)

    # --- effect ---------------------------------------------------------------------------------------------------

    def apply(self, facts: FactBase) -> FactBase | None:
        """The tables with docker's rules; ``None`` if its networks or the tables are not in the evidence."""
        wanted = list(self._wanted(facts))
        tables = {table: self._table(facts, table) for table in ("nat", "filter")}
        if not wanted or any(fact is None for fact in tables.values()):
            return None
        changes: dict[int, Fact | None] = {}
        for name, fact in tables.items():
            assert fact is not None  # noqa: S101 - checked above
            changes[id(fact)] = fact.having(
                chains=_with(list(fact.fields["chains"]), [(chain, rule) for table, chain, rule in wanted if table == name])
            )
        return facts.swap(changes)

    def _table(self, facts: FactBase, name: str) -> Fact | None:
        wanted = self.text("backend")
        here = [
            f
            for f in facts.at("netfilter_table", self.site.node, self.site.stack)
            if f.fields.get("table") == name and f.fields.get("family", 4) == 4
        ]
        fitting = [f for f in here if not wanted or f.fields.get("backend", "") == wanted]
        return next((f for f in fitting if any(c.policy for c in f.fields["chains"])), None)

    def _wanted(self, facts: FactBase) -> Iterator[tuple[str, str, str]]:
        networks = [
            f
            for f in facts.of_kind("container_network")
            if f.node == self.site.node and f.fields.get("runtime", "docker") == "docker" and f.fields.get("bridge")
        ]
        networks = [f for f in networks if f.fields.get("driver", "bridge") == "bridge" and not f.fields.get("internal")]
        if not self.text("container"):
            yield from _daemon(networks)
        for port in facts.of_kind("published_port"):
            if port.node == self.site.node and port.fields.get("bridge") and self.text("container") in {"", port.fields.get("container")}:
                yield from _published(port, outer=self._outer_only(facts, port))

    def _outer_only(self, facts: FactBase, port: Fact) -> bool:
        """Whether docker leaves the bridge's own packets to its proxy; without one (``--userland-proxy=false``) it has no RETURN for them."""
        nat = self._table(facts, "nat")
        chain = next((c for c in nat.fields["chains"] if c.name == "DOCKER"), None) if nat is not None else None
        return chain is None or not chain.rules or any(line.spec == f"-i {port.fields['bridge']} -j RETURN" for line in chain.rules)


def _daemon(networks: list[Fact]) -> Iterator[tuple[str, str, str]]:
    if not networks:
        return
    local = "-m addrtype --dst-type LOCAL -j DOCKER"
    yield "nat", "PREROUTING", local
    yield "nat", "OUTPUT", f"! -d 127.0.0.0/8 {local}"
    for network in networks:
        bridge = network.fields["bridge"]
        if network.fields.get("masquerade", True):
            for subnet in network.fields.get("subnets") or ():
                if ":" not in subnet:
                    yield "nat", "POSTROUTING", f"-s {subnet} ! -o {bridge} -j MASQUERADE"
        yield "nat", "DOCKER", f"-i {bridge} -j RETURN"
    yield "filter", "FORWARD", "-j DOCKER-USER"
    yield "filter", "FORWARD", "-j DOCKER-ISOLATION-STAGE-1"
    yield "filter", "DOCKER-USER", "-j RETURN"
    for network in networks:
        bridge = network.fields["bridge"]
        yield "filter", "FORWARD", f"-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        yield "filter", "FORWARD", f"-o {bridge} -j DOCKER"
        yield "filter", "FORWARD", f"-i {bridge} ! -o {bridge} -j ACCEPT"
        yield "filter", "FORWARD", f"-i {bridge} -o {bridge} -j {'DROP' if network.fields.get('icc') is False else 'ACCEPT'}"
        yield "filter", "DOCKER-ISOLATION-STAGE-1", f"-i {bridge} ! -o {bridge} -j DOCKER-ISOLATION-STAGE-2"
        yield "filter", "DOCKER-ISOLATION-STAGE-2", f"-o {bridge} -j DROP"
    yield "filter", "DOCKER-ISOLATION-STAGE-1", "-j RETURN"
    yield "filter", "DOCKER-ISOLATION-STAGE-2", "-j RETURN"


def _published(port: Fact, *, outer: bool) -> Iterator[tuple[str, str, str]]:
    get = port.fields
    bridge, address, protocol = get["bridge"], get["address"], get["protocol"]
    where = f"-d {get['host_ip']}/32 " if get.get("host_ip") else ""
    inner, outside = f"-p {protocol} -m {protocol} --dport {get['container_port']}", f"-p {protocol} -m {protocol} --dport {get['host_port']}"
    yield "nat", "DOCKER", f"{where}{f'! -i {bridge} ' if outer else ''}{outside} -j DNAT --to-destination {address}:{get['container_port']}"
    yield "nat", "POSTROUTING", f"-s {address}/32 -d {address}/32 {inner} -j MASQUERADE"
    yield "filter", "DOCKER", f"-d {address}/32 ! -i {bridge} -o {bridge} {inner} -j ACCEPT"


def _with(chains: list[ChainText], wanted: list[tuple[str, str]]) -> tuple[ChainText, ...]:
    """Chains with the rules that they lack at their ends, in the order of the list; chains that are missing are made."""
    for name in dict.fromkeys(chain for chain, _ in wanted):
        if all(c.name != name for c in chains):
            chains.append(ChainText(name, ""))
        at = next(place for place, c in enumerate(chains) if c.name == name)
        there = {line.spec for line in chains[at].rules}
        lacking = tuple(RuleLine(0, rule) for chain, rule in wanted if chain == name and rule not in there)
        # Docker inserts at the head of FORWARD: what stands there of the machine's own comes after it.
        head = lacking if name == "FORWARD" else ()
        tail = tuple(line for line in lacking if line not in head)
        chains[at] = replace(chains[at], rules=(*head, *chains[at].rules, *tail))
    return tuple(chains)
