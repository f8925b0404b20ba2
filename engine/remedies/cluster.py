"""Operations on Kubernetes objects: commands are ``kubectl``'s; the model follows where objects alone decide."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.cluster import Cluster
from engine.cluster.services import backend_port
from engine.facts import Fact, RuleLine
from engine.remedies.base import Operation, Parameter
from engine.remedies.netfilter import IptablesInsert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import ChainText, FactBase

SPACE, CALLED = Parameter("namespace of the object"), Parameter("name of the object")


def labels_of(text: str) -> dict[str, str]:
    """``app=web,tier=front`` as a mapping."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


class _OnObject(Operation):
    """A patch of one object."""

    PLURAL: ClassVar[str] = "service"

    def patch(self, body: Any, how: str = "merge") -> str:
        """The command that patches the object."""
        place = ("-n", self.text("namespace"), self.PLURAL, self.text("service"))
        return shlex.join(("kubectl", "patch", *place, "--type", how, "-p", json.dumps(body, separators=(",", ":"))))

    def read(self, path: str) -> str:
        """The command that prints a field of the object."""
        return shlex.join(("kubectl", "get", "-n", self.text("namespace"), self.PLURAL, self.text("service"), "-o", f"jsonpath={path}"))

    def _object(self) -> Fact | None:
        wanted = (self.text("namespace"), self.text("service"))
        found = (f for f in self.site.facts.of_kind("service") if (f.get("namespace"), f.get("name")) == wanted)
        return next(found, None)

    def apply(self, facts: FactBase) -> FactBase | None:
        """Not modelled: controllers and kube-proxy act on it."""
        del facts
        return None


class ServiceSelector(_OnObject):
    """Give a Service a selector that fits its pods."""

    NAME: ClassVar[str] = "service.selector"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"namespace": SPACE, "service": CALLED, "selector": Parameter("labels: app=web,tier=front")}

    def commands(self) -> tuple[str, ...]:
        """Replace the selector: a merge would keep keys that are to go."""
        wanted = labels_of(self.text("selector"))
        return (self.patch([{"op": "replace", "path": "/spec/selector", "value": wanted}], "json"),)

    def undo(self) -> tuple[str, ...]:
        """The selector that it had."""
        fact = self._object()
        before = fact.get("selector") if fact is not None else None
        return (self.patch([{"op": "replace", "path": "/spec/selector", "value": before}], "json"),) if before else ()

    def verify(self) -> tuple[str, ...]:
        """The addresses that stand behind it now."""
        label = f"kubernetes.io/service-name={self.text('service')}"
        return (shlex.join(("kubectl", "get", "endpointslices", "-n", self.text("namespace"), "-l", label)),)


class ServiceTargetPort(_OnObject):
    """Send a Service's port to another port of its pods."""

    NAME: ClassVar[str] = "service.target-port"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "namespace": SPACE, "service": CALLED, "port": Parameter("port of the Service"), "target": Parameter("port, or name of a port, of the pods"),
    }

    def _change(self, target: str) -> str:
        fact = self._object()
        numbers = [str(p.get("port")) for p in (fact.get("ports", ()) if fact is not None else ())]
        at = numbers.index(self.text("port")) if self.text("port") in numbers else 0
        value: int | str = int(target) if target.isdecimal() else target
        return self.patch([{"op": "replace", "path": f"/spec/ports/{at}/targetPort", "value": value}], "json")

    def commands(self) -> tuple[str, ...]:
        """Replace the target port."""
        return (self._change(self.text("target")),)

    def undo(self) -> tuple[str, ...]:
        """The target port that it had."""
        fact = self._object()
        ports = fact.get("ports", ()) if fact is not None else ()
        before = next((p.get("target_port") for p in ports if str(p.get("port")) == self.text("port")), None)
        return (self._change(str(before)),) if before is not None else ()

    def verify(self) -> tuple[str, ...]:
        """The ports that stand behind it now."""
        label = f"kubernetes.io/service-name={self.text('service')}"
        return (shlex.join(("kubectl", "get", "endpointslices", "-n", self.text("namespace"), "-l", label)),)


    def apply(self, facts: FactBase) -> FactBase | None:
        """The Service, its endpoints, and kube-proxy's translations in iptables mode; ``None`` for a name, or where no such rule is there."""
        cluster = Cluster(facts)
        service = cluster.services.get((self.text("namespace"), self.text("service")))
        port = next((p for p in service.ports if str(p.port) == self.text("port")), None) if service is not None else None
        if service is None or port is None or not self.text("target").isdecimal():
            return None
        target = int(self.text("target"))
        ends = {f"{b.address}:{number}": f"{b.address}:{target}" for b in cluster.backends(service) or () if (number := backend_port(port, b))}
        change: dict[int, Fact | None] = {}
        for table in facts.of_kind("netfilter_table"):
            chains = table.get("chains", ()) if table.get("table") == "nat" else ()
            moved = tuple(_moved(chain, ends) for chain in chains)
            if any(new is not old for new, old in zip(moved, chains, strict=True)):
                change[id(table)] = table.having(chains=moved)
        if not change:
            return None
        for fact in facts.of_kind("service"):
            if (fact.get("namespace"), fact.get("name")) == service.key:
                ports = tuple({**p, "target_port": target} if p.get("port") == port.port else p for p in fact.get("ports", ()))
                change[id(fact)] = fact.having(ports=ports)
        for fact in cluster.endpoint_facts(service):
            change[id(fact)] = fact.having(ports=tuple({**p, "port": target} if p.get("name", "") == port.name else p for p in fact.get("ports", ())))
        return facts.swap(change)


def _moved(chain: ChainText, ends: Mapping[str, str]) -> ChainText:
    """A chain of one endpoint with another destination."""
    if not chain.name.startswith("KUBE-SEP-"):
        return chain
    rules = [replace(rule, spec=" ".join(ends.get(word, word) for word in rule.spec.split(" "))) for rule in chain.rules]
    return replace(chain, rules=tuple(rules)) if any(new != old for new, old in zip(rules, chain.rules, strict=True)) else chain


class ServicePolicy(_OnObject):
    """Let every node hand traffic to every backend of a Service."""

    NAME: ClassVar[str] = "service.traffic-policy"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "namespace": SPACE, "service": CALLED, "field": Parameter("externalTrafficPolicy | internalTrafficPolicy"),
    }

    def commands(self) -> tuple[str, ...]:
        """Cluster: nodes pass connections on (with their own address as the source)."""
        return (self.patch({"spec": {self.text("field"): "Cluster"}}),)

    def undo(self) -> tuple[str, ...]:
        """Back to Local."""
        return (self.patch({"spec": {self.text("field"): "Local"}}),)

    def verify(self) -> tuple[str, ...]:
        """The policy that it has now."""
        return (self.read(f"{{.spec.{self.text('field')}}}"),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """What kube-proxy then writes for traffic from outside, where its rules (mode iptables, since 1.24) were seen; ``None`` elsewhere."""
        service = self._object()
        if self.text("field") != "externalTrafficPolicy" or service is None:
            return None
        change: dict[int, Fact | None] = {}
        for table in facts.of_kind("netfilter_table"):
            before = table.get("chains", ())
            after = tuple(self._opened(chain) for chain in before)
            if after != tuple(before):
                change[id(table)] = table.having(chains=after)
        return facts.swap({**change, id(service): service.having(external_policy="Cluster")}) if change else None

    def _opened(self, chain: ChainText) -> ChainText:
        """A chain as it is under the policy Cluster; the same one if it does not depend on that."""
        full = f"{self.text('namespace')}/{self.text('service')}"
        named = re.compile(rf'"(?:\S.* )?({re.escape(full)}(?::\S+)?) (external destinations|has no local endpoints)"')
        if chain.name == "KUBE-EXTERNAL-SERVICES":
            kept = tuple(r for r in chain.rules if not ((said := named.search(r.spec)) and said[2].startswith("has")))
            return replace(chain, rules=kept) if len(kept) < len(chain.rules) else chain
        if not chain.name.startswith("KUBE-EXT-"):
            return chain
        spoken = next((said[1] for rule in chain.rules if (said := named.search(rule.spec))), "")
        everywhere = next((rule.spec.split()[-1] for rule in chain.rules if rule.spec.split()[-1].startswith("KUBE-SVC-")), "")
        if not spoken or not everywhere:
            return chain
        marking = f'-m comment --comment "masquerade traffic for {spoken} external destinations" -j KUBE-MARK-MASQ'
        wanted = (marking, f"-j {everywhere}")
        return chain if [rule.spec for rule in chain.rules] == list(wanted) else replace(chain, rules=tuple(RuleLine(0, spec) for spec in wanted))


class PodDnsPolicy(Operation):
    """Let pods in the host's network ask the cluster's DNS."""

    NAME: ClassVar[str] = "pod.dns-policy"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "namespace": SPACE, "pod": Parameter("name of the pod"), "owner": Parameter("Kind/name", required=False),
    }

    def _target(self) -> tuple[str, str]:
        """The workload that makes the pod: a ReplicaSet's Deployment bears its name without the hash."""
        kind, _, name = self.text("owner").partition("/")
        return ("deployment", name.rpartition("-")[0] or name) if kind == "ReplicaSet" else (kind.lower() or "pod", name or self.text("pod"))

    def _set(self, policy: str) -> tuple[str, ...]:
        kind, name = self._target()
        if kind in {"pod", "node", "job"}:
            return (f"# set dnsPolicy: {policy} in the manifest of {kind} {shlex.quote(name)} and create it anew: a running pod keeps its own",)
        body = json.dumps({"spec": {"template": {"spec": {"dnsPolicy": policy}}}}, separators=(",", ":"))
        return (shlex.join(("kubectl", "patch", "-n", self.text("namespace"), kind, name, "--type", "merge", "-p", body)),)

    def commands(self) -> tuple[str, ...]:
        """Patch the workload; its pods are made anew."""
        return self._set("ClusterFirstWithHostNet")

    def undo(self) -> tuple[str, ...]:
        """The policy that is the default."""
        return self._set("ClusterFirst")

    def verify(self) -> tuple[str, ...]:
        """Its resolv.conf must name the cluster's DNS."""
        return (shlex.join(("kubectl", "exec", "-n", self.text("namespace"), self.text("pod"), "--", "cat", "/etc/resolv.conf")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The pod as it is made anew."""
        wanted = (self.text("namespace"), self.text("pod"))
        change: dict[int, Fact | None] = {
            id(f): f.having(dns_policy="ClusterFirstWithHostNet") for f in facts.of_kind("pod") if (f.get("namespace"), f.get("name")) == wanted
        }
        return facts.swap(change) if change else None


def _expression(labels: Mapping[str, str]) -> str:
    """Labels in calico's language (their values hold no quotes: the API allows letters, digits, dots, dashes and underscores only)."""
    return " && ".join(f"{key} == '{value}'" for key, value in labels.items()) or "all()"


class PolicyAllow(Operation):
    """Add a policy that lets one peer reach one port; what the other policies allow and deny stays."""

    NAME: ClassVar[str] = "policy.allow"
    RISK: ClassVar[str] = "low"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "namespace": SPACE,
        "side": Parameter("egress | ingress"),
        "pod_labels": Parameter("labels of the pod that the policy is for", required=False),
        "peer_kind": Parameter("pod | node | outside"),
        "peer": Parameter("address of the other end", required=False),
        "peer_namespace": Parameter("namespace of the other end", required=False),
        "peer_labels": Parameter("labels of the other end", required=False),
        "port": Parameter("port on the receiving pod"),
        "protocol": Parameter("tcp | udp | sctp"),
        "chain": Parameter("chain of the agent in which the packet ended, for the model", required=False),
        "number": Parameter("position of the rule that ended it", required=False),
        "src": Parameter("source of the packet there", required=False),
        "dst": Parameter("destination of the packet there", required=False),
        "backend": Parameter("legacy or nft, where both hold the table", required=False),
    }

    NOISE: ClassVar[tuple[str, ...]] = (
        "pod-template-hash", "controller-revision-hash", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
        "pod-template-generation",
    )
    """Labels that are another pod's tomorrow."""

    def _labels(self, name: str) -> dict[str, str]:
        return {key: value for key, value in labels_of(self.text(name)).items() if key not in self.NOISE}

    @property
    def name(self) -> str:
        """Name of the new policy."""
        return f"allow-{self.text('protocol').lower()}-{self.text('port')}-{self.text('side')}"

    def spec(self) -> dict[str, Any]:
        """The policy: these pods, this peer, this port."""
        side = self.text("side")
        peer: dict[str, Any] = {"ipBlock": {"cidr": f"{self.text('peer')}/{128 if ':' in self.text('peer') else 32}"}}
        if self.text("peer_kind") == "pod":
            space = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.text("peer_namespace")}}}
            here = self.text("peer_namespace") == self.text("namespace")
            peer = {**({} if here else space), "podSelector": {"matchLabels": self._labels("peer_labels")}}
        port = {"protocol": self.text("protocol").upper(), "port": int(self.text("port"))}
        selected = {"matchLabels": labels} if (labels := self._labels("pod_labels")) else {}
        rule = {"to" if side == "egress" else "from": [peer], "ports": [port]}
        return {"podSelector": selected, "policyTypes": [side.capitalize()], side: [rule]}

    def commands(self) -> tuple[str, ...]:
        """Apply the manifest."""
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": self.name, "namespace": self.text("namespace")},
                "spec": self.spec()}
        return (f"echo {shlex.quote(json.dumps(body, separators=(',', ':')))} | kubectl apply -f -",)

    def undo(self) -> tuple[str, ...]:
        """Delete it."""
        return (shlex.join(("kubectl", "delete", "networkpolicy", "-n", self.text("namespace"), self.name)),)

    def verify(self) -> tuple[str, ...]:
        """The policies that are there now."""
        return (shlex.join(("kubectl", "describe", "networkpolicy", "-n", self.text("namespace"), self.name)),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The same objects, the new policy, and in the agent's chain the mark of an accepted packet before the rule that ended it."""
        fields = {"flavour": "kubernetes", "namespace": self.text("namespace"), "name": self.name, "spec": self.spec()}
        more = facts.plus([Fact("network_policy", fields)])
        if not self.text("chain"):
            return more
        match = f"-s {self.text('src')} -d {self.text('dst')} -p {self.text('protocol')} -m {self.text('protocol')} --dport {self.text('port')}"
        # kube-router asks for the mark only, calico returns once it is set.
        rules = [f"{match} -j MARK --set-xmark 0x10000/0x10000"]
        rules += [f"{match} -m mark --mark 0x10000/0x10000 -j RETURN"] if self.text("chain").startswith("cali-") else []
        given = {"table": "filter", "chain": self.text("chain"), "position": self.text("number"), "rule": rules, "backend": self.text("backend")}
        return IptablesInsert(given, self.site).apply(more)


class PolicyAllowFirst(PolicyAllow):
    """Add a policy of calico's that is asked before the one that denies."""

    NAME: ClassVar[str] = "policy.allow-first"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        **PolicyAllow.PARAMETERS,
        "order": Parameter("order of the policy that denies; it is the last one if it has none", required=False),
        "tier": Parameter("tier of the policy that denies; the default one if absent", required=False),
    }

    @property
    def name(self) -> str:
        """Name of the new policy: it begins with its tier's."""
        return f"{self.text('tier') or 'default'}.{super().name}"

    def spec(self) -> dict[str, Any]:
        """The policy, as calico's own objects write it."""
        side = self.text("side")
        peer: dict[str, Any] = {"nets": [f"{self.text('peer')}/{128 if ':' in self.text('peer') else 32}"]}
        if self.text("peer_kind") == "pod":
            peer = {"namespaceSelector": f"projectcalico.org/name == '{self.text('peer_namespace')}'",
                "selector": _expression(self._labels("peer_labels"))}
        ports = {"ports": [int(self.text("port"))]}
        ends = {"source": peer, "destination": ports} if side == "ingress" else {"destination": {**peer, **ports}}
        order = self.text("order")
        return {
            **({"tier": self.text("tier")} if self.text("tier") else {}),
            "order": float(order) - 1 if order else 0,
            "selector": _expression(self._labels("pod_labels")),
            "types": [side.capitalize()],
            side: [{"action": "Allow", "protocol": self.text("protocol").upper(), **ends}],
        }

    def commands(self) -> tuple[str, ...]:
        """Apply the manifest."""
        body = {"apiVersion": "crd.projectcalico.org/v1", "kind": "NetworkPolicy",
            "metadata": {"name": self.name, "namespace": self.text("namespace")}}
        return (f"echo {shlex.quote(json.dumps({**body, 'spec': self.spec()}, separators=(',', ':')))} | kubectl apply -f -",)

    def undo(self) -> tuple[str, ...]:
        """Delete it."""
        return (shlex.join(("kubectl", "delete", "networkpolicies.crd.projectcalico.org", "-n", self.text("namespace"), self.name)),)

    def verify(self) -> tuple[str, ...]:
        """The policies that are there now."""
        return (shlex.join(("kubectl", "get", "networkpolicies.crd.projectcalico.org", "-n", self.text("namespace"), self.name, "-o", "yaml")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The same objects and the new policy; the agent's chains are made anew in an order that only it knows."""
        if self.text("chain"):
            return None
        fields = {"flavour": "calico", "namespace": self.text("namespace"), "name": self.name, "spec": self.spec()}
        return facts.plus([Fact("network_policy", fields)])
