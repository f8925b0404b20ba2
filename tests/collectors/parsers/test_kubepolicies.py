"""Policies of all flavours and calico's objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from collectors.parsers.kubectl import parse

if TYPE_CHECKING:
    from engine.facts import Fact
    from tests.collectors.parsers.conftest import Recorded


def one(recorded: Recorded, kind: str, api: str, spec: Any = None, **more: Any) -> Fact:
    """The fact of one object."""
    item = {"apiVersion": api, "kind": kind, "metadata": {"name": "x", **more.pop("metadata", {})}, **({"spec": spec} if spec is not None else {}),
        **more}
    (fact,) = [f for f in recorded.text(parse, json.dumps(item)) if f.kind != "collected"]
    return fact


@pytest.mark.parametrize(
    ("kind", "api", "flavour"),
    [
        ("NetworkPolicy", "networking.k8s.io/v1", "kubernetes"),
        ("NetworkPolicy", "projectcalico.org/v3", "calico"),
        ("NetworkPolicy", "crd.projectcalico.org/v1", "calico"),
        ("CiliumNetworkPolicy", "cilium.io/v2", "cilium"),
    ],
)
def test_policies(recorded: Recorded, kind: str, api: str, flavour: str) -> None:
    """Two kinds of one name are told apart by their group; the specification is kept as it is."""
    fact = one(recorded, kind, api, {"ingress": [{}]}, metadata={"namespace": "shop"})
    assert fact.fields == {"flavour": flavour, "namespace": "shop", "name": "x", "spec": {"ingress": [{}]}}


def test_policies_of_the_cluster(recorded: Recorded) -> None:
    """They have no namespace; a cilium policy may have several specifications."""
    fact = one(recorded, "GlobalNetworkPolicy", "projectcalico.org/v3", {"selector": "all()", "types": ["Egress"], "egress": []})
    assert (fact.get("flavour"), fact.get("namespace")) == ("calico-global", None)
    assert fact.text == "calico-global policy x selects all() types Egress egress rules 0"
    fact = one(recorded, "CiliumClusterwideNetworkPolicy", "cilium.io/v2", specs=[{"ingress": []}])
    assert (fact.get("flavour"), fact.get("specs")) == ("cilium-global", ({"ingress": []},))


@pytest.mark.parametrize(
    ("kind", "tier", "flavour"),
    [
        ("AdminNetworkPolicy", None, "admin"),
        ("BaselineAdminNetworkPolicy", None, "admin-baseline"),
        ("ClusterNetworkPolicy", "Admin", "cluster-admin"),
        ("ClusterNetworkPolicy", "Baseline", "cluster-baseline"),
    ],
)
def test_policies_of_administrators(recorded: Recorded, kind: str, tier: str | None, flavour: str) -> None:
    """They have no namespace, and the line of evidence tells subject and priority; another group's kind of the same name is none of them."""
    spec = {"priority": 7, "subject": {"namespaces": {}}, "ingress": [{"action": "Deny"}], **({"tier": tier} if tier else {})}
    fact = one(recorded, kind, "policy.networking.k8s.io/v1alpha1", spec)
    assert fact.fields == {"flavour": flavour, "name": "x", "spec": spec}
    assert fact.text == f"{flavour} policy x selects namespaces {{}} priority 7 ingress rules 1"
    if tier:
        item = {"apiVersion": "crd.antrea.io/v1beta1", "kind": kind, "metadata": {"name": "x"}, "spec": {"priority": 5}}
        assert [f.kind for f in recorded.text(parse, json.dumps(item))] == []


def test_line_of_evidence(recorded: Recorded) -> None:
    """Whom it selects, for which direction, with how many rules."""
    selector = {"matchLabels": {"app": "db"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a"]}]}
    spec = {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [{}, {}]}
    fact = one(recorded, "NetworkPolicy", "networking.k8s.io/v1", spec, metadata={"namespace": "shop"})
    assert fact.text == "networkpolicy shop/x selects app=db,tier In (a) types Ingress ingress rules 2"
    assert "<all pods>" in one(recorded, "NetworkPolicy", "networking.k8s.io/v1", {"podSelector": {}}).text


def test_calico(recorded: Recorded) -> None:
    """Nodes, felix, BGP, tiers, sets, blocks and host endpoints."""
    api = "projectcalico.org/v3"
    spec = {"bgp": {"ipv4Address": "10.0.0.1/24", "ipv4IPIPTunnelAddr": "10.244.1.0"}, "ipv4VXLANTunnelAddr": "10.244.1.1",
        "vxlanTunnelMACAddr": "66:00:00:00:00:01"}
    node = one(recorded, "Node", api, spec)
    assert (node.kind, node.get("ipv4"), node.get("ipip_address"), node.get("vxlan_address")) == ("calico_node", "10.0.0.1/24", "10.244.1.0",
        "10.244.1.1")
    assert one(recorded, "FelixConfiguration", api, {"ipipEnabled": True}).get("settings") == {"ipipEnabled": True}
    assert one(recorded, "BGPPeer", api, {"peerIP": "10.0.0.9", "password": {"secretKeyRef": {}}}).get("settings") == {"peerIP": "10.0.0.9"}
    assert [one(recorded, "Tier", api, {"order": o}).get("order") for o in (10, None, True)] == [10.0, None, None]
    assert one(recorded, "GlobalNetworkSet", api, {"nets": ["10.0.0.0/8"]}, metadata={"labels": {"a": "b"}}).fields == {
        "name": "x", "labels": {"a": "b"}, "nets": ("10.0.0.0/8",),
    }
    taken = one(recorded, "BlockAffinity", "crd.projectcalico.org/v1",
        {"cidr": "10.244.1.0/26", "node": "n1", "state": "confirmed", "deleted": "false"})
    assert taken.fields == {"cidr": "10.244.1.0/26", "node_name": "n1", "state": "confirmed", "deleted": False}
    block = one(recorded, "IPAMBlock", "crd.projectcalico.org/v1",
        {"cidr": "10.244.1.0/26", "affinity": "host:n1", "allocations": [0, None, 1], "deleted": False})
    assert (block.get("node_name"), block.get("allocated")) == ("n1", 2)
    end = one(recorded, "HostEndpoint", api, {"node": "n1", "interfaceName": "eth0", "expectedIPs": ["10.0.0.1"]})
    assert (end.get("node_name"), end.get("interface"), end.get("addresses")) == ("n1", "eth0", ("10.0.0.1",))
