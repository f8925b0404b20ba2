"""Operations on Kubernetes objects: what they print, and what becomes of the objects."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.kube_proxy import Service, save
from collectors.evidence import read_files
from engine.cluster import Cluster
from engine.cluster.policies import allowed, end_at, judge
from engine.facts import ChainText, Fact, FactBase, RuleLine
from tests.engine.cluster.conftest import ends, namespace, pod, policy, seen, service
from tests.engine.remedies.conftest import operation

BASE = FactBase([service("shop/web", "10.96.0.20", {"app": "webb"}, (443, 8443), (80, "http"))])
WHERE = {"namespace": "shop", "service": "web"}


def patched(line: str) -> Any:
    """The body of a ``kubectl patch``."""
    words = shlex.split(line)
    assert words[:2] == ["kubectl", "patch"]
    return json.loads(words[words.index("-p") + 1])


def test_selector() -> None:
    """Replaced as a whole, and put back as it was; a Service that nobody saw has no undo."""
    made = operation("service.selector", BASE, **WHERE, selector="app=web,tier=front")
    assert patched(made.commands()[0]) == [{"op": "replace", "path": "/spec/selector", "value": {"app": "web", "tier": "front"}}]
    assert patched(made.undo()[0])[0]["value"] == {"app": "webb"}
    assert "kubernetes.io/service-name=web" in made.verify()[0]
    assert operation("service.selector", FactBase([]), **WHERE, selector="app=web").undo() == ()
    assert made.apply(BASE) is None


def test_target_port() -> None:
    """The port's place in the list is found by its number; names stay names."""
    made = operation("service.target-port", BASE, **WHERE, port="80", target="8080")
    assert patched(made.commands()[0]) == [{"op": "replace", "path": "/spec/ports/1/targetPort", "value": 8080}]
    assert patched(made.undo()[0])[0]["value"] == "http"
    assert made.verify()
    assert patched(operation("service.target-port", FactBase([]), **WHERE, port="80", target="web").commands()[0])[0]["value"] == "web"
    assert operation("service.target-port", FactBase([]), **WHERE, port="80", target="web").undo() == ()


def test_target_port_on_the_model() -> None:
    """The Service, its endpoints and kube-proxy's translations of its backends change; other Services' and other tables' do not."""
    chains = (
        ChainText("KUBE-SEP-A", rules=(RuleLine(1, '-p tcp -m comment --comment "shop/web" -m tcp -j DNAT --to-destination 10.1.1.5:8080'),)),
        ChainText("KUBE-SEP-B", rules=(RuleLine(2, "-p tcp -m tcp -j DNAT --to-destination 10.1.1.6:8080"),)),
        ChainText("KUBE-SVC-A", rules=(RuleLine(3, "-j KUBE-SEP-A"),)),
    )
    table = Fact("netfilter_table", {"table": "nat", "chains": chains}, "n1")
    web = service("shop/web", "10.96.0.20", {"app": "web"}, (80, 8080), (443, 8443))
    other = service("shop/api", "10.96.0.21", {"app": "api"}, (80, 8080))
    facts = FactBase([web, other, ends("shop/web", "10.1.1.5", port=8080), table, Fact("netfilter_table", {"table": "filter", "chains": ()}, "n1")])
    after = operation("service.target-port", facts, **WHERE, port="80", target="9090").apply(facts)
    assert after is not None
    rules = [rule.spec for chain in after.of_kind("netfilter_table")[0].get("chains") for rule in chain.rules]
    assert [spec.rpartition(" ")[2] for spec in rules] == ["10.1.1.5:9090", "10.1.1.6:8080", "KUBE-SEP-A"]
    assert [[p["target_port"] for p in f.get("ports")] for f in after.of_kind("service")] == [[9090, 8443], [8080]]
    assert [p["port"] for p in after.of_kind("endpoints")[0].get("ports")] == [9090]
    for given in ({"port": "81", "target": "9090"}, {"port": "80", "target": "http"}):
        assert operation("service.target-port", facts, **WHERE, **given).apply(facts) is None
    bare = FactBase([web, ends("shop/web", "10.9.9.9", port=8080), table])
    for without in (bare, FactBase([])):
        assert operation("service.target-port", without, **WHERE, port="80", target="9090").apply(without) is None


def test_allow_marks_in_the_agents_chain() -> None:
    """Where the packet ended in an agent's chain, the model accepts it there: calico returns once it is marked, kube-router goes on."""
    words = {"chain": "cali-tw-x", "number": "2", "src": "10.1.1.5", "dst": "10.1.2.9", "backend": "legacy"}
    for chain, more in (("cali-tw-x", 2), ("KUBE-POD-FW-X", 1)):
        rules = (RuleLine(1, "-j MARK --set-xmark 0x0/0x10000"), RuleLine(2, "-j DROP"))
        table = Fact("netfilter_table", {"backend": "legacy", "family": 4, "table": "filter", "chains": (ChainText(chain, rules=rules),)}, "n1")
        facts = CLOSED.plus([table])
        given = {**GIVEN, "peer_kind": "outside", "peer": "10.1.1.5", **words, "chain": chain}
        after = operation("policy.allow", facts, **given).apply(facts)
        assert after is not None
        specs = [rule.spec for rule in after.of_kind("netfilter_table")[0].get("chains")[0].rules]
        assert (len(specs), specs[0], specs[-1]) == (2 + more, rules[0].spec, "-j DROP")
        assert specs[1] == "-s 10.1.1.5 -d 10.1.2.9 -p tcp -m tcp --dport 5432 -j MARK --set-xmark 0x10000/0x10000"


def test_traffic_policy() -> None:
    """Cluster, and back to Local."""
    made = operation("service.traffic-policy", BASE, **WHERE, field="externalTrafficPolicy")
    assert patched(made.commands()[0]) == {"spec": {"externalTrafficPolicy": "Cluster"}}
    assert patched(made.undo()[0]) == {"spec": {"externalTrafficPolicy": "Local"}}
    assert "{.spec.externalTrafficPolicy}" in made.verify()[0]


@pytest.mark.parametrize("local", [(), ("10.244.1.6:8080",)])
def test_traffic_policy_as_kube_proxy_writes_it(local: tuple[str, ...]) -> None:
    """The model's rules under Cluster are kube-proxy's own, on a node with and without an endpoint; other Services keep theirs."""
    own = Service("shop/web:http", "10.96.7.7", 80, ("10.244.1.6:8080",), 30080)
    other = Service("shop/web-2", "10.96.7.8", 80, ("10.244.1.7:8080",), 30081, local=())

    def read(of: Service) -> FactBase:
        files = {"nodes/n1/iptables-save": save([of, other]).encode()}
        return FactBase([*read_files(files).facts, service("shop/web", "10.96.7.7", {}, (80, 8080), external_policy="Local")])

    facts = read(replace(own, local=local))
    after = operation("service.traffic-policy", facts, **WHERE, field="externalTrafficPolicy").apply(facts)
    assert after is not None
    assert after.of_kind("service")[0].get("external_policy") == "Cluster"

    def rules(base: FactBase) -> dict[str, list[str]]:
        chains = [c for t in base.of_kind("netfilter_table") for c in t.get("chains", ()) if c.name.startswith(("KUBE-EXT", "KUBE-SVC"))]
        return {chain.name: [rule.spec for rule in chain.rules] for chain in chains}

    assert rules(after) == rules(read(own))
    assert operation("service.traffic-policy", after, **WHERE, field="externalTrafficPolicy").apply(after) is None
    assert operation("service.traffic-policy", facts, **WHERE, field="internalTrafficPolicy").apply(facts) is None


def test_dns_policy() -> None:
    """The workload is patched: a ReplicaSet's Deployment, any other by its own name; a bare pod has to be made anew."""
    facts = FactBase([pod("edge/gw-1", "10.0.0.1", {}, host_network=True, dns_policy="ClusterFirst"), pod("edge/x", "10.0.0.1", {})])
    given = {"namespace": "edge", "pod": "gw-1"}
    made = operation("pod.dns-policy", facts, **given, owner="ReplicaSet/gw-6fd8c")
    assert shlex.split(made.commands()[0])[4:6] == ["deployment", "gw"]
    assert patched(made.commands()[0])["spec"]["template"]["spec"] == {"dnsPolicy": "ClusterFirstWithHostNet"}
    assert patched(made.undo()[0])["spec"]["template"]["spec"] == {"dnsPolicy": "ClusterFirst"}
    assert shlex.split(operation("pod.dns-policy", facts, **given, owner="DaemonSet/gw").commands()[0])[4:6] == ["daemonset", "gw"]
    assert operation("pod.dns-policy", facts, **given).commands()[0].startswith("# set dnsPolicy")
    assert "resolv.conf" in made.verify()[0]
    after = made.apply(facts)
    assert after is not None
    assert [f.get("dns_policy") for f in after.of_kind("pod")] == ["ClusterFirstWithHostNet", None]
    assert made.apply(FactBase([])) is None


CLOSED = FactBase([
    namespace("shop"), namespace("ops"), pod("shop/db-0", "10.1.2.9", {"app": "db", "pod-template-hash": "1"}),
    pod("ops/tool-1", "10.1.1.7", {"app": "tool"}),
    pod("shop/web-1", "10.1.1.5", {"app": "web"}), policy("shop/in", {"podSelector": {}, "policyTypes": ["Ingress"]}),
    policy("ops/out", {"podSelector": {}, "policyTypes": ["Egress"]}), *seen(),
])
GIVEN = {"namespace": "shop", "side": "ingress", "pod_labels": "app=db,pod-template-hash=1", "port": "5432", "protocol": "tcp"}


def may(facts: FactBase, source: str, target: str, port: int) -> bool | None:
    """Whether the policies let a connection through."""
    made = Cluster(facts)
    return allowed(judge(made, end_at(made, source), end_at(made, target), port))


def applied(**given: str) -> FactBase:
    """The objects with the new policy; the printed manifest is the policy that the model got."""
    made = operation("policy.allow", CLOSED, **given)
    after = made.apply(CLOSED)
    assert after is not None
    body = json.loads(shlex.split(made.commands()[0])[1])
    assert body["spec"] == after.facts[-1].get("spec")
    assert made.undo()[0] == f"kubectl delete networkpolicy -n {given['namespace']} {body['metadata']['name']}"
    assert body["metadata"]["name"] in made.verify()[0]
    return after


def test_allow_a_pod() -> None:
    """That peer reaches that port, and nobody else and no other port; labels that change with every roll-out are left out."""
    after = applied(**GIVEN, peer_kind="pod", peer="10.1.1.5", peer_namespace="shop", peer_labels="app=web")
    assert may(CLOSED, "10.1.1.5", "10.1.2.9", 5432) is False
    assert may(after, "10.1.1.5", "10.1.2.9", 5432) is True
    assert may(after, "10.1.1.5", "10.1.2.9", 5433) is False
    assert "pod-template-hash" not in str(after.facts[-1].fields)


def test_allow_another_namespace_and_addresses() -> None:
    """A peer of another namespace is named with it; nodes and strangers by address."""
    after = applied(**GIVEN, peer_kind="pod", peer="10.1.1.7", peer_namespace="ops", peer_labels="app=tool")
    peer = after.facts[-1].get("spec")["ingress"][0]["from"][0]
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "ops"}}
    outside = applied(**GIVEN, peer_kind="outside", peer="203.0.113.9")
    assert may(outside, "203.0.113.9", "10.1.2.9", 5432) is True
    six = operation("policy.allow", CLOSED, **{**GIVEN, "pod_labels": ""}, peer_kind="node", peer="fd00::9").apply(CLOSED)
    assert six is not None
    assert six.facts[-1].get("spec")["podSelector"] == {}
    assert six.facts[-1].get("spec")["ingress"][0]["from"] == [{"ipBlock": {"cidr": "fd00::9/128"}}]


def test_allow_egress() -> None:
    """Of a sender, towards an address."""
    after = applied(namespace="ops", side="egress", pod_labels="app=tool", peer_kind="outside", peer="203.0.113.9", port="443", protocol="tcp")
    assert (may(CLOSED, "10.1.1.7", "203.0.113.9", 443), may(after, "10.1.1.7", "203.0.113.9", 443)) == (False, True)


def test_hostile_names() -> None:
    """Whatever an object is called is one word of the shell."""
    fact = Fact("service", {"namespace": "a b", "name": "$(reboot)", "selector": {"app": "x"}, "ports": ()})
    line = operation("service.selector", FactBase([fact]), namespace="a b", service="$(reboot)", selector="app=';x'").commands()[0]
    assert shlex.split(line)[3:6] == ["a b", "service", "$(reboot)"]


def test_allow_before_what_denies() -> None:
    """A policy of calico's with a lower order, in the tier of the one that denies; what it allows is allowed, whatever follows."""
    deny = policy("deny", {"order": 10, "selector": "app == 'db'", "types": ["Ingress"], "ingress": [{"action": "Deny"}]}, "calico-global")
    facts = CLOSED.plus([deny])
    given = {**GIVEN, "peer_kind": "pod", "peer": "10.1.1.5", "peer_namespace": "shop", "peer_labels": "app=web"}
    made = operation("policy.allow-first", facts, **given, order="10")
    after = made.apply(facts)
    assert after is not None
    assert (may(facts, "10.1.1.5", "10.1.2.9", 5432), may(after, "10.1.1.5", "10.1.2.9", 5432)) == (False, True)
    body = json.loads(shlex.split(made.commands()[0])[1])
    assert (body["metadata"]["name"], body["spec"]["order"]) == ("default.allow-tcp-5432-ingress", 9.0)
    assert "default.allow-tcp-5432-ingress" in made.undo()[0]
    assert "default.allow-tcp-5432-ingress" in made.verify()[0]
    assert operation("policy.allow-first", facts, **given, chain="cali-tw-x").apply(facts) is None


def test_allow_first_of_egress_and_addresses() -> None:
    """Egress names the receiver; a stranger is an address; a tier is kept; without an order the new one is first."""
    given = {"namespace": "ops", "side": "egress", "pod_labels": "", "peer_kind": "outside", "peer": "203.0.113.9", "port": "443", "protocol": "tcp"}
    made = operation("policy.allow-first", CLOSED, **given, tier="security")
    spec = json.loads(shlex.split(made.commands()[0])[1])["spec"]
    assert (spec["tier"], spec["order"], spec["selector"]) == ("security", 0, "all()")
    assert spec["egress"] == [{"action": "Allow", "protocol": "TCP", "destination": {"nets": ["203.0.113.9/32"], "ports": [443]}}]
