"""Operations on kube-proxy: commands are ``kubectl``'s; on the model the Service is then programmed as the API asks for."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, ClassVar, Final

from engine.facts import ChainText, Fact, FactBase, RuleLine
from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAMESPACE: Final = "kube-system"
SERVICE_CHAIN: Final = "KUBE-SVC-PROGRAMMEDANEW"
"""Chain of the model in which the backends stand after the operation."""
REJECTING: Final = frozenset({"KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES"})


class _Programs(Operation):
    """What makes kube-proxy write a Service anew."""

    COMMON: ClassVar[Mapping[str, Parameter]] = {
        "address": Parameter("address of the Service"),
        "port": Parameter("port of the Service"),
        "protocol": Parameter("tcp | udp | sctp"),
        "targets": Parameter("address:port of the backends that it should have, with blanks between them", required=False),
        "wrong": Parameter("address:port of those that it should not have", required=False),
        "node": Parameter("Kubernetes name of the node", required=False),
        "pod": Parameter("namespace/name of the proxy's pod on that node", required=False),
    }

    @property
    def node(self) -> str:
        """Name of the node for kubectl."""
        return self.text("node") or self.site.node

    def verify(self) -> tuple[str, ...]:
        """What the node has for the Service's address now."""
        address = self.text("address")
        if any(f.get("name") == "kube-ipvs0" for f in self.site.here("link")):
            kind = {"udp": "-u", "sctp": "--sctp-service"}.get(self.text("protocol"), "-t")
            return (self.site.shell("ipvsadm", "-Ln", kind, f"{address}:{self.text('port')}"),)
        if any("kube-proxy" in str(f.get("text", "")) for f in self.site.here("nft_ruleset")):
            return (f"{self.site.shell('nft', 'list', 'map', 'ip', 'kube-proxy', 'service-ips')} | grep -F {shlex.quote(address + ' ')}",)
        return (f"{self.site.shell('iptables-save', '-t', 'nat')} | grep -F -e {shlex.quote(f'-d {address}/32')}",)

    # --- effect ---------------------------------------------------------------------------------------------------

    def apply(self, facts: FactBase) -> FactBase | None:
        """The Service with its right backends; ``None`` where they are not known."""
        targets = self.text("targets").split()
        if not targets or ":" in self.text("address"):
            return None
        if any(f.get("name") == "kube-ipvs0" for f in facts.at("link", self.site.node, self.site.stack)):
            return self._by_ipvs(facts, targets)
        native = [f for f in facts.at("nft_ruleset", self.site.node, self.site.stack) if self.text("address") in str(f.get("text", ""))]
        return self._by_nft(facts, native, targets) if native else self._by_iptables(facts, targets)

    def _by_ipvs(self, facts: FactBase, targets: list[str]) -> FactBase:
        wanted = (self.text("protocol"), self.text("address"), int(self.text("port")))
        common = {"protocol": wanted[0], "family": 4}
        change: dict[int, Fact | None] = {}
        for fact in facts.at("ipvs_server", self.site.node, self.site.stack):
            if (fact.get("protocol"), fact.get("service_address"), fact.get("service_port")) == wanted:
                change[id(fact)] = None
        made: list[Fact] = []
        known = facts.at("ipvs_service", self.site.node, self.site.stack)
        if not any((f.get("protocol"), f.get("address"), f.get("port")) == wanted for f in known):
            fields = {**common, "address": wanted[1], "port": wanted[2], "scheduler": "rr"}
            made += [Fact("ipvs_service", fields, self.site.node, self.site.stack), *self._bound(wanted[1])]
        for target in targets:
            address, _, port = target.rpartition(":")
            server = {"address": address, "port": int(port), "forward": "masq", "weight": 1, "service_address": wanted[1], "service_port": wanted[2]}
            made.append(Fact("ipvs_server", {**common, **server}, self.site.node, self.site.stack))
        return facts.swap(change, made)

    def _bound(self, address: str) -> Iterator[Fact]:
        """The Service's address on kube-ipvs0, where IPVS needs it to see the packets."""
        place = (self.site.node, self.site.stack)
        yield Fact("address", {"device": "kube-ipvs0", "address": address, "prefixlen": 32, "scope": "global", "family": 4}, *place)
        fields = {"table": "local", "type": "local", "dst": f"{address}/32", "device": "kube-ipvs0", "scope": "host", "protocol": "kernel"}
        yield Fact("route", {**fields, "src": address, "metric": 0, "family": 4}, *place)

    def _by_iptables(self, facts: FactBase, targets: list[str]) -> FactBase | None:
        tables = [f for f in facts.at("netfilter_table", self.site.node, self.site.stack) if f.get("family", 4) == 4]
        nat = next((f for f in tables if f.get("table") == "nat" and any(c.name == "PREROUTING" for c in f.get("chains", ()))), None)
        if nat is None:
            return None
        change: dict[int, Fact | None] = {id(nat): nat.having(chains=(*self._with_service(nat), self._chain(targets)))}
        for table in tables:
            if table.get("table") == "filter" and any(c.name in REJECTING for c in table.get("chains", ())):
                change[id(table)] = table.having(chains=tuple(self._without_reject(c) for c in table.get("chains", ())))
        return facts.swap(change)

    def _by_nft(self, facts: FactBase, native: list[Fact], targets: list[str]) -> FactBase | None:
        """Right backends in the places of the wrong ones; where none is wrong, the text does not tell where new ones would go."""
        pairs = list(zip(self.text("wrong").split(), cycle(targets), strict=False))
        if not pairs:
            return None
        change: dict[int, Fact | None] = {}
        for fact in native:
            text = str(fact.get("text", ""))
            for wrong, right in pairs:
                text = re.sub(rf"(?<![\w.]){re.escape(wrong.rpartition(':')[0])}(?![\w.])", right.rpartition(":")[0], text)
            change[id(fact)] = fact.having(text=text)
        return facts.swap(change)

    @property
    def _asks(self) -> str:
        protocol = self.text("protocol")
        return f"-d {self.text('address')}/32 -p {protocol} -m {protocol} --dport {self.text('port')}"

    def _with_service(self, nat: Fact) -> Iterator[ChainText]:
        for chain in nat.get("chains", ()):
            if chain.name in {"PREROUTING", "OUTPUT"}:
                yield replace(chain, rules=(RuleLine(0, f"{self._asks} -j {SERVICE_CHAIN}"), *chain.rules))
            else:
                yield chain

    @staticmethod
    def _chain(targets: list[str]) -> ChainText:
        """The Service's chain: each backend with its share."""
        rules = []
        for number, target in enumerate(targets):
            left = len(targets) - number
            share = f"-m statistic --mode random --probability {1 / left:.11f} " if left > 1 else ""
            rules.append(RuleLine(0, f"{share}-j DNAT --to-destination {target}"))
        return ChainText(SERVICE_CHAIN, rules=tuple(rules))

    def _without_reject(self, chain: ChainText) -> ChainText:
        if chain.name not in REJECTING:
            return chain
        mine = (f"-d {self.text('address')}/32", f"--dport {self.text('port')} ")
        return replace(chain, rules=tuple(r for r in chain.rules if not all(word in f"{r.spec} " for word in mine)))


class KubeProxyRestart(_Programs):
    """Restart the node's kube-proxy, which then writes every Service from the API's state."""

    NAME: ClassVar[str] = "kube-proxy.restart"
    RISK: ClassVar[str] = "low"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = _Programs.COMMON

    def commands(self) -> tuple[str, ...]:
        """Delete its pod: the DaemonSet makes a new one; its log says why if it cannot write."""
        space, _, name = self.text("pod").partition("/")
        if name:
            return (shlex.join(("kubectl", "delete", "pod", "-n", space, name)),)
        field = f"spec.nodeName={self.node}"
        return (shlex.join(("kubectl", "delete", "pod", "-n", NAMESPACE, "-l", "k8s-app=kube-proxy", "--field-selector", field)),)


class KubeProxyPriority(_Programs):
    """Let kube-proxy's pods be scheduled before all others and evicted after them."""

    NAME: ClassVar[str] = "kube-proxy.priority"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = _Programs.COMMON

    PATCH: ClassVar[str] = (
        '{"spec":{"template":{"spec":{"priorityClassName":"system-node-critical","tolerations":[{"operator":"Exists"}]}}}}'
    )

    def commands(self) -> tuple[str, ...]:
        """Patch the DaemonSet; its pods are made anew, node by node."""
        return (shlex.join(("kubectl", "patch", "daemonset", "-n", NAMESPACE, "kube-proxy", "--type", "merge", "-p", self.PATCH)),)

    def undo(self) -> tuple[str, ...]:
        """Back to the DaemonSet's former revision."""
        return (shlex.join(("kubectl", "rollout", "undo", "daemonset", "-n", NAMESPACE, "kube-proxy")),)
