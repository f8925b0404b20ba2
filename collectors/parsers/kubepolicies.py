"""Network policies of all flavours, and the objects of calico, become facts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from collectors.parsers.jsontext import dict_of, dicts_of, int_of, text_of, texts_of
from collectors.parsers.kubeobjects import named, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.parsers.kubeobjects import Made

CALICO = ("projectcalico.org", "crd.projectcalico.org")
SHOWN_LENGTH = 160


def policy(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A NetworkPolicy: Kubernetes' own, or calico's of the same name."""
    yield _policy(item, metadata, "calico" if text_of(item, "apiVersion").partition("/")[0] in CALICO else "kubernetes")


def global_policy(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A GlobalNetworkPolicy of calico."""
    yield _policy(item, metadata, "calico-global")


def cilium_policy(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A CiliumNetworkPolicy."""
    yield _policy(item, metadata, "cilium")


def cilium_global_policy(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A CiliumClusterwideNetworkPolicy."""
    yield _policy(item, metadata, "cilium-global")


def admin_policy(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """An AdminNetworkPolicy."""
    yield _policy(item, metadata, "admin")


def baseline_policy(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A BaselineAdminNetworkPolicy."""
    yield _policy(item, metadata, "admin-baseline")


def cluster_policy(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A ClusterNetworkPolicy, which stands for either of these; other groups have a kind of this name."""
    if text_of(item, "apiVersion").partition("/")[0] == "policy.networking.k8s.io":
        yield _policy(item, metadata, "cluster-baseline" if text_of(dict_of(item, "spec"), "tier") == "Baseline" else "cluster-admin")


def _policy(item: dict[str, Any], metadata: dict[str, Any], flavour: str) -> Made:
    spec, wide = dict_of(item, "spec"), flavour.endswith("-global") or flavour.startswith(("admin", "cluster"))
    name = text_of(metadata, "name")
    fields: dict[str, Any] = {
        "flavour": flavour,
        **({"name": name} if wide else named(metadata)),
        "spec": spec,
        "specs": tuple(dicts_of(item, "specs")) or None,
    }
    return "network_policy", fields, policy_text(flavour, name if wide else f"{fields['namespace']}/{name}", spec)


def policy_text(flavour: str, name: str, spec: dict[str, Any]) -> str:
    """The line of evidence of a policy: whom it selects, and how many rules it has for which direction."""
    subject = dict_of(spec, "subject")
    selector = spec.get("podSelector") or spec.get("endpointSelector") or spec.get("selector") or {}
    if subject:
        selector = ",".join(f"{kind} {json.dumps(told, separators=(',', ':'))}" for kind, told in subject.items())
    if isinstance(selector, dict):
        pairs = [f"{key}={value}" for key, value in dict_of(selector, "matchLabels").items()]
        pairs += [f"{text_of(e, 'key')} {text_of(e, 'operator')} ({','.join(texts_of(e, 'values'))})" for e in dicts_of(selector, "matchExpressions")]
        selector = ",".join(pairs) or "<all pods>"
    kinds = f"types {','.join(texts_of(spec, 'policyTypes') or texts_of(spec, 'types')) or '-'}"
    kinds = f"priority {spec.get('priority', '-')}" if subject else kinds
    rules = " ".join(f"{side} rules {len(dicts_of(spec, side))}" for side in ("ingress", "egress") if side in spec)
    word = "networkpolicy" if flavour == "kubernetes" else f"{flavour} policy"
    return f"{word} {name} selects {selector} {kinds} {rules}"[:SHOWN_LENGTH]


def ippool(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """An IPPool of calico."""
    spec = dict_of(item, "spec")
    fields = {
        "name": text_of(metadata, "name"),
        "cidr": text_of(spec, "cidr"),
        "nat_outgoing": spec.get("natOutgoing") is True,
        "disabled": spec.get("disabled") is True,
        "ipip": text_of(spec, "ipipMode") or "Never",
        "vxlan": text_of(spec, "vxlanMode") or "Never",
        "block_size": int_of(spec, "blockSize"),
        "node_selector": text_of(spec, "nodeSelector") or None,
    }
    shown = f"{fields['cidr']} natOutgoing={fields['nat_outgoing']} ipip={fields['ipip']} vxlan={fields['vxlan']}"
    yield "ippool", fields, f"ippool {fields['name']} {shown}"


def calico_node(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A Node as calicoctl prints it."""
    spec = dict_of(item, "spec")
    bgp = dict_of(spec, "bgp")
    fields = {
        "name": text_of(metadata, "name"),
        "ipv4": text_of(bgp, "ipv4Address") or None,
        "ipv6": text_of(bgp, "ipv6Address") or None,
        "as_number": text_of(bgp, "asNumber") or None,
        "ipip_address": text_of(bgp, "ipv4IPIPTunnelAddr") or None,
        "route_reflector": text_of(bgp, "routeReflectorClusterID") or None,
        "vxlan_address": text_of(spec, "ipv4VXLANTunnelAddr") or None,
        "vxlan_mac": text_of(spec, "vxlanTunnelMACAddr") or None,
        "wireguard_key": text_of(dict_of(item, "status"), "wireguardPublicKey") or None,
    }
    yield "calico_node", fields, f"calico node {fields['name']} {fields['ipv4'] or ''}"


def felix(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A FelixConfiguration."""
    name = text_of(metadata, "name")
    yield "felix_config", {"name": name, "settings": dict_of(item, "spec")}, f"felixconfiguration {name}"


def bgp(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A BGPConfiguration or BGPPeer; peers' passwords are references and are not kept."""
    settings = {key: value for key, value in dict_of(item, "spec").items() if key != "password"}
    kind, name = text_of(item, "kind"), text_of(metadata, "name")
    yield "bgp_config", {"type": kind, "name": name, "settings": settings}, f"{kind.lower()} {name}"


def tier(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A Tier."""
    order = dict_of(item, "spec").get("order")
    number = float(order) if isinstance(order, int | float) and not isinstance(order, bool) else None
    yield "calico_tier", {"name": text_of(metadata, "name"), "order": number}, f"tier {text_of(metadata, 'name')}"


def network_set(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A NetworkSet or GlobalNetworkSet."""
    fields = {
        "name": text_of(metadata, "name"),
        "namespace": text_of(metadata, "namespace") or None,
        "labels": texts(metadata, "labels"),
        "nets": texts_of(dict_of(item, "spec"), "nets"),
    }
    yield "network_set", fields, f"networkset {fields['name']} {','.join(fields['nets'] or ())}"[:SHOWN_LENGTH]


def affinity(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A BlockAffinity: the block of a pool that a node took."""
    del metadata
    spec = dict_of(item, "spec")
    fields = {"cidr": text_of(spec, "cidr"), "node_name": text_of(spec, "node"), "state": text_of(spec, "state") or None,
              "deleted": text_of(spec, "deleted").lower() == "true"}
    yield "calico_block", fields, f"blockaffinity {fields['cidr']} {fields['node_name']}"


def block(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """An IPAMBlock: which of its addresses are in use."""
    del metadata
    spec = dict_of(item, "spec")
    given = spec.get("allocations")
    fields = {
        "cidr": text_of(spec, "cidr"),
        "node_name": text_of(spec, "affinity").removeprefix("host:") or None,
        "allocated": sum(each is not None for each in given) if isinstance(given, list) else None,
        "deleted": spec.get("deleted") is True,
    }
    yield "calico_block", fields, f"ipamblock {fields['cidr']} {fields['node_name'] or ''} allocated {fields['allocated']}"


def host_endpoint(item: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Made]:
    """A HostEndpoint."""
    spec = dict_of(item, "spec")
    fields = {
        "name": text_of(metadata, "name"),
        "node_name": text_of(spec, "node"),
        "interface": text_of(spec, "interfaceName") or None,
        "addresses": texts_of(spec, "expectedIPs"),
        "labels": texts(metadata, "labels"),
    }
    yield "host_endpoint", fields, f"hostendpoint {fields['name']} {fields['node_name']}"


READERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Iterator[Made]]] = {
    "NetworkPolicy": policy, "GlobalNetworkPolicy": global_policy, "CiliumNetworkPolicy": cilium_policy,
    "CiliumClusterwideNetworkPolicy": cilium_global_policy, "IPPool": ippool, "FelixConfiguration": felix, "BGPConfiguration": bgp, "BGPPeer": bgp,
    "Tier": tier, "NetworkSet": network_set, "GlobalNetworkSet": network_set, "BlockAffinity": affinity, "IPAMBlock": block,
    "HostEndpoint": host_endpoint, "AdminNetworkPolicy": admin_policy, "BaselineAdminNetworkPolicy": baseline_policy,
    "ClusterNetworkPolicy": cluster_policy,
}
