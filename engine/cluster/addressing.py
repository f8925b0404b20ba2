"""Addresses of pods against the ranges that they should be from: pods outside their node's range, ranges that clash, nodes without one.

Only plug-ins that take a node's addresses from ``spec.podCIDR`` (flannel, kubenet, host-local with ``usePodCidr``) are bound to it; calico, cilium
and others keep ranges of their own and may ignore it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from engine.facts import HOST, Fact
from engine.inet import BITS, family_of, in_prefix, is_address, prefix, prefixes, to_text

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Node, Pod, Range
    from engine.inet import Prefix

OWN_IPAM: Final = ("calico-node", "cilium", "weave-net", "aws-node", "azure-", "kube-ovn", "ovnkube", "antrea", "terway", "kube-router", "canal")
"""Agents of plug-ins that hand out addresses by rules of their own, or may be told to."""
FLANNEL: Final = "flannel.alpha.coreos.com/"
DOCKER_DEFAULT: Final = "172.17.0.0/16"
"""Subnet that docker gives to docker0 unless it is told otherwise."""
BLOCK: Final = 26
"""Length of the smallest block that plug-ins give to a node unless they are told otherwise (calico's)."""
CNI_BRIDGES: Final = ("cni0", "cbr0", "kube-bridge")
PODMAN: Final = "10.88.0.0/16"
"""Subnet of podman's own network, which is the same on every machine and reached from none."""
EVERYWHERE: Final = (DOCKER_DEFAULT, PODMAN, "127.0.0.0/8", "10.0.2.0/24")
"""Networks that machines have each for itself: docker's, podman's, loopback, and VirtualBox' translation."""
MOST: Final = 0.8
FEW: Final = 3
"""Pods whose addresses tell where a cluster takes them from, and how large a share must agree."""
MAX_SPLIT: Final = 16
"""Bits of a cluster's range that tell nodes apart, at most (as the controller manager has it)."""


class _Held(NamedTuple):
    """A subnet that a machine's bridge or lease has."""

    host: str
    net: Prefix
    fact: Fact


def _place(cluster: Cluster, node: str) -> str:
    return cluster.host_of(node) or node


def _overlapping(items: Iterable[tuple[Prefix, T]]) -> Iterator[tuple[tuple[Prefix, T], tuple[Prefix, T]]]:
    """Each item with the widest earlier one that covers it; one pass over what is sorted."""
    ordered = sorted(items, key=lambda item: (item[0].family, item[0].value, item[0].length))
    widest: tuple[Prefix, T] | None = None
    for item in ordered:
        if widest is not None and widest[0].covers(item[0]):
            yield widest, item
        else:
            widest = item


# --- what the cluster takes addresses from ----------------------------------------------------------------------------------


def by_node(cluster: Cluster) -> str:
    """Why pods' addresses should be from their node's range: ``flannel`` | ``others`` (nearly all are); "" if nothing says so."""
    facts = cluster.facts
    if cluster.pools or any(pod.name.startswith(OWN_IPAM) for pod in cluster.pods.values()):
        return ""
    annotated = any(str(key).startswith(FLANNEL) for node in facts.of_kind("k8s_node") for key in node.get("annotations") or {})
    configured = any("flannel" in config.get("types", ()) for config in facts.of_kind("cni_config"))
    if annotated or configured or facts.of_kind("flannel_subnet"):
        return "flannel"
    told = [inside for pod in _own(cluster) if (inside := _inside(cluster, pod)) is not None]
    return "others" if len(told) > FEW and sum(told) >= MOST * len(told) else ""


def _own(cluster: Cluster) -> list[Pod]:
    """Pods that hold addresses of their own."""
    return [p for p in cluster.pods.values() if p.ips and p.active and not cluster.on_host(p) and p.node]


def _inside(cluster: Cluster, pod: Pod) -> bool | None:
    """Whether a pod's first address is from its node's range; ``None`` if that has none of the family."""
    node = cluster.nodes.get(pod.node)
    held = prefix(pod.ips[0])
    ranges = [net for net in prefixes(node.pod_cidrs) if net.family == held.family] if node is not None else []
    return any(net.covers(held) for net in ranges) if ranges else None


# --- pods outside their node's range -----------------------------------------------------------------------------------------


def stray_pods(cluster: Cluster) -> Iterator[Fact]:
    """A ``stray_pod`` fact for every pod whose address is from docker's bridge, or not from its node's range."""
    pods = _own(cluster)
    why = by_node(cluster) if pods else ""
    inside = sum(_inside(cluster, pod) is True for pod in pods)
    for pod in pods:
        bridge = _docker_bridge(cluster, pod)
        if bridge is not None:
            yield _stray(cluster, pod, {"bridge": "docker0", **bridge, "inside": inside})
        elif why and _inside(cluster, pod) is False and not _from_config(cluster, pod):
            yield _stray(cluster, pod, {"bridge": "", "known_by": why, "inside": inside})
    yield from _docker_sandboxes(cluster)


def _stray(cluster: Cluster, pod: Pod, more: dict[str, Any]) -> Fact:
    address = pod.ips[0]
    node = cluster.nodes.get(pod.node)
    owner = next((n for n in cluster.nodes.values() if any(net.covers(prefix(address)) for net in prefixes(n.pod_cidrs))), None)
    service = next(iter(cluster.services_of(address)), None)
    fields: dict[str, Any] = {"namespace": pod.namespace, "name": pod.name, "full": pod.full, "address": address, "node_name": pod.node}
    fields |= {"cidrs": node.pod_cidrs if node is not None else (), "other_node": owner.name if owner is not None else ""}
    fields |= {"service_space": service.namespace, "service": service.name} if service is not None else {}
    where, stack = cluster.stack_of(pod)
    return Fact("stray_pod", {**fields, "pod_stack": stack, **more}, where, stack, pod.fact.source, pod.fact.line, pod.fact.text)


def _from_config(cluster: Cluster, pod: Pod) -> bool:
    """Whether a CNI configuration or flannel's lease of the node holds the address: another cause (or none)."""
    host = cluster.host_of(pod.node)
    configs = [c for f in cluster.facts.at("cni_config", host, HOST) for c in f.get("subnets", ())] if host else []
    leases = [str(f.get("subnet", "")) for f in cluster.facts.at("flannel_subnet", host, HOST)] if host else []
    return any(net.covers(prefix(pod.ips[0])) for net in prefixes((*configs, *leases)))


def config_pods(cluster: Cluster) -> Iterator[Fact]:
    """A ``config_pod`` fact for every pod that another CNI configuration of its node made than the one that gives the node's range."""
    for pod in _own(cluster):
        made = _made_by_another(cluster, pod)
        if made is None:
            continue
        intruder, rightful, ranges = made
        host = cluster.host_of(pod.node)
        fields = {"full": pod.full, "address": pod.ips[0], "node_name": pod.node, "cidrs": tuple(map(str, ranges))}
        fields |= {"file": str(intruder.get("file")), "network": str(intruder.get("name", "")), "rightful": str(rightful.get("file"))}
        yield Fact("config_pod", fields, host, HOST, intruder.source, intruder.line, intruder.text)


def _made_by_another(cluster: Cluster, pod: Pod) -> tuple[Fact, Fact, list[Prefix]] | None:
    """The configuration whose subnets hold a pod's address, the one beside it, and the node's range that does not hold it."""
    node, host, address = cluster.nodes.get(pod.node), cluster.host_of(pod.node), prefix(pod.ips[0])
    configs = [f for f in cluster.facts.at("cni_config", host, HOST) if not f.get("disabled") and not f.get("error")] if host else []
    leases = [str(f.get("subnet", "")) for f in cluster.facts.at("flannel_subnet", host, HOST)] if host else []
    ranges = [net for net in prefixes([*(node.pod_cidrs if node is not None else ()), *leases]) if net.family == address.family]
    if len(configs) < 2 or not ranges or any(net.covers(address) for net in ranges):
        return None
    intruder = next((f for f in configs if any(net.covers(address) for net in prefixes(f.get("subnets", ())))), None)
    rightful = next((f for f in configs if f is not intruder), None)
    return (intruder, rightful, ranges) if intruder is not None and rightful is not None else None


def _docker_bridge(cluster: Cluster, pod: Pod) -> dict[str, Any] | None:
    """How an address is known to be from docker's bridge; ``None`` if it is not, or if that bridge is the cluster's network."""
    address, host = pod.ips[0], cluster.host_of(pod.node)
    held = _bridge_of(cluster, host, "docker0") if host else None
    subnet = str(held.net) if held is not None else DOCKER_DEFAULT
    if not in_prefix(address, subnet) or _routed_past_docker(cluster, pod, prefix(subnet)):
        return None
    if _inside(cluster, pod) or any(r.what == "pod" and in_prefix(address, r.cidr) for r in cluster.ranges):
        return None
    if held is not None:
        if any(b is not None and b.net.covers(prefix(address)) for b in (_bridge_of(cluster, host, name) for name in CNI_BRIDGES)):
            # The cluster's own bridge has that subnet too: that it is on both is the fault, and not where the pod hangs.
            return None
        return None if _led_to(cluster, held) else {"known_by": "bridge", "subnet": str(held.net)}
    ranged = any(r.what == "pod" for r in cluster.ranges)
    if not ranged and not _on_several(cluster):
        return None
    return {"known_by": "default", "subnet": DOCKER_DEFAULT}


def _routed_past_docker(cluster: Cluster, pod: Pod, subnet: Prefix) -> bool:
    """Whether the narrowest route to a pod within docker's subnet leaves by another device: of its machine, else (if not shown) of any.

    A network plug-in may have that subnet for its own, or a part of it; docker0 then does not hold the address.
    """
    host, address = cluster.host_of(pod.node), prefix(pod.ips[0])
    routes = [f for f in cluster.facts.of_kind("route") if f.stack == HOST and f.get("device") and f.node == (host or f.node)]
    held = [(net.length, f.get("device")) for f in routes for net in prefixes([f.get("dst")]) if subnet.covers(net) and net.covers(address)]
    narrowest = max((length for length, _ in held), default=0)
    return bool(held) and all(device != "docker0" for length, device in held if length == narrowest)


def _on_several(cluster: Cluster) -> bool:
    """Whether pods of several nodes share a block of docker's default subnet, as the bridges of machines do that each count from the bottom.

    A plug-in gives every node blocks of its own, or addresses of the nodes' own network.
    """
    if any(in_prefix(address, DOCKER_DEFAULT) for node in cluster.nodes.values() for address in node.addresses):
        return False
    held = {(str(prefix(f"{p.ips[0]}/{BLOCK}")), p.node) for p in _own(cluster) if in_prefix(p.ips[0], DOCKER_DEFAULT)}
    return len(held) > len({block for block, _ in held})


def _bridge_of(cluster: Cluster, host: str, name: str) -> _Held | None:
    fact = cluster.subnets.get((host, name))
    return _Held(host, prefix(f"{fact.get('address')}/{fact.get('prefixlen')}"), fact) if fact is not None else None


def _led_to(cluster: Cluster, held: _Held) -> bool:
    """Whether the bridge's subnet is part of a network between machines: flannel's lease, or another machine's route leads to it."""
    for fact in cluster.facts.of_kind("flannel_subnet"):
        if fact.node == held.host and any(net.overlaps(held.net) for net in prefixes([fact.get("subnet")])):
            return True
    routes = (f for f in cluster.facts.of_kind("route") if f.node != held.host)
    return any(f.get("dst") == str(held.net) and (f.get("gateway") or f.get("onlink")) for f in routes)


def _docker_sandboxes(cluster: Cluster) -> Iterator[Fact]:
    """The same without the API: containers of the kubelet that docker put on its own network."""
    known = {address for pod in cluster.pods.values() for address in pod.ips}
    for fact in cluster.facts.of_kind("container"):
        full = str(fact.get("pod") or _pod_of(str(fact.get("name", ""))))
        end = next((e for e in fact.get("endpoints") or () if e.get("network") == "bridge" and is_address(str(e.get("address", "")))), None)
        held = _bridge_of(cluster, fact.node, "docker0")
        if not full or end is None or held is None or end["address"] in known or _led_to(cluster, held):
            continue
        space, _, name = full.partition("/")
        stack = next((f.stack for f in cluster.facts.of_kind("address") if f.get("address") == end["address"] and f.stack != HOST), HOST)
        fields = {"namespace": space, "name": name, "full": full, "address": end["address"], "node_name": fact.node, "cidrs": (), "other_node": ""}
        fields |= {"bridge": "docker0", "known_by": "container", "subnet": str(held.net), "pod_stack": stack}
        yield Fact("stray_pod", fields, fact.node, stack, fact.source, fact.line, fact.shown)


def _pod_of(name: str) -> str:
    """``namespace/name`` of the pod in the name that the kubelet gives a container of docker: ``k8s_POD_web-1_shop_UID_0``."""
    parts = name.lstrip("/").split("_")
    return f"{parts[3]}/{parts[2]}" if len(parts) == 6 and parts[:2] == ["k8s", "POD"] else ""


# --- ranges that clash --------------------------------------------------------------------------------------------------------


def cidr_clashes(cluster: Cluster) -> Iterator[Fact]:
    """A ``cidr_clash`` fact for every two ranges that must not meet, and for ranges that are not on their own boundary."""
    twins = list(_twin_objects(cluster))
    yield from twins
    if not twins:
        twins = list(_twin_bridges(cluster))
        yield from twins or _twin_pods(cluster)
    yield from _meeting(cluster)
    yield from _unaligned(cluster)


def _twin_objects(cluster: Cluster) -> Iterator[Fact]:
    """Two Node objects with one range."""
    for (net, one), (taken, other) in _overlapping((net, node) for node in cluster.nodes.values() for net in prefixes(node.pod_cidrs)):
        if one.name != other.name and other.fact is not None:
            fact = other.fact
            fields = {"what": "duplicate", "cidr": str(net), "other_cidr": str(taken), "node_name": other.name, "other_node": one.name}
            fields["known_by"] = "node"
            yield Fact("cidr_clash", fields, _place(cluster, other.name), HOST, fact.source, fact.line, fact.text)


def _twin_bridges(cluster: Cluster) -> Iterator[Fact]:
    """Two machines whose pods' bridges (or flannel's leases) have one subnet."""
    held = [h for host in _hosts(cluster) for h in [_pods_subnet(cluster, host)] if h is not None]
    for (net, one), (taken, other) in _overlapping((h.net, h) for h in held):
        if str(net) != PODMAN and _overlay(cluster, one, other):
            fields = {"what": "duplicate", "cidr": str(net), "other_cidr": str(taken), "node_name": other.host, "other_node": one.host}
            fields["known_by"] = "bridge"
            yield Fact("cidr_clash", fields, other.host, HOST, other.fact.source, other.fact.line, other.fact.text)


def _twin_pods(cluster: Cluster) -> Iterator[Fact]:
    """Two nodes of which a pod each has one address, as a listing of pods shows: their ranges meet, whatever these are."""
    held: dict[str, Pod] = {}
    # A table does not tell who lives in the node's network: several pods of one node with one address do.
    pods = [pod for pod in _own(cluster) if ":" not in pod.ips[0]]
    nodes = {address for node in cluster.nodes.values() for address in node.addresses}
    nodes |= {pod.ips[0] for at, pod in enumerate(pods) for other in pods[:at] if (other.ips[0], other.node) == (pod.ips[0], pod.node)}
    for pod in pods:
        first = held.setdefault(pod.ips[0], pod)
        known = pod.ips[0] in nodes or any(in_prefix(pod.ips[0], net) for net in EVERYWHERE)
        known = known or any(_made_by_another(cluster, each) for each in (pod, first))
        if first.node != pod.node and not known and pod.ready and first.ready:
            net = str(prefix(f"{pod.ips[0]}/24"))
            fields = {"what": "duplicate", "cidr": net, "other_cidr": net, "node_name": pod.node, "other_node": first.node, "known_by": "pods"}
            yield Fact("cidr_clash", fields, _place(cluster, pod.node), HOST, pod.fact.source, pod.fact.line, pod.fact.text)
            return


def _hosts(cluster: Cluster) -> list[str]:
    return sorted({host for host, _ in cluster.subnets if host} | {f.node for f in cluster.facts.of_kind("flannel_subnet") if f.node})


def _pods_subnet(cluster: Cluster, host: str) -> _Held | None:
    """The subnet of a machine's pods: of the bridge that its CNI configuration names, of a usual one, or flannel's lease."""
    named = [str(f.get("bridge", "")) for f in cluster.facts.at("cni_config", host, HOST) if not f.get("disabled")]
    for name in (*named, *CNI_BRIDGES):
        found = _bridge_of(cluster, host, name) if name else None
        if found is not None:
            return found
    lease = next(iter(cluster.facts.at("flannel_subnet", host, HOST)), None)
    return next((_Held(host, net, lease) for net in prefixes([lease.get("subnet")])), None) if lease is not None else None


def _overlay(cluster: Cluster, *held: _Held) -> bool:
    """Whether machines are of one cluster: flannel's files or configuration, Node objects, or a route of any machine that leads to the subnet."""
    if all(any(cluster.facts.at("flannel_subnet", h.host, HOST)) or cluster.node_of(h.host) is not None for h in held):
        return True
    hosts = {h.host for h in held}
    nets = {str(h.net) for h in held}
    return any(f.get("dst") in nets and f.get("gateway") and f.node not in hosts for f in cluster.facts.of_kind("route"))


def _meeting(cluster: Cluster) -> Iterator[Fact]:
    """Ranges of pods, of Services and addresses of nodes that meet: each pair of kinds once, the widest ranges first."""
    pods, services = (_widest(cluster, what) for what in ("pod", "service"))
    for one in pods:
        for other in services:
            if prefix(one.cidr).overlaps(prefix(other.cidr)):
                yield _clash(cluster, "pod-service", one, other.cidr, other.said_by)
        if not services and (held := next((s for s in cluster.services.values() if any(in_prefix(ip, one.cidr) for ip in s.cluster_ips)), None)):
            # Nobody printed the Services' range, but it is there that they get their addresses from.
            yield _clash(cluster, "pod-service", one, one.cidr, f"the address {held.cluster_ips[0]} of Service {held.full}")
    for node in cluster.nodes.values():
        for address in node.addresses[:1]:
            for one in (*services, *(r for r in pods if not r.said_by.startswith(("ippool", "node ")))):
                if in_prefix(address, one.cidr):
                    yield _clash(cluster, f"node-{one.what}", one, f"{address}/{32 if family_of(address) == 4 else 128}", f"node {node.name}")


def _widest(cluster: Cluster, what: str) -> list[Range]:
    """Ranges of a kind that no other one of it covers, each once."""
    found: list[Range] = []
    for one in sorted((r for r in cluster.ranges if r.what == what), key=lambda r: prefix(r.cidr).length):
        if not any(prefix(other.cidr).covers(prefix(one.cidr)) for other in found):
            found.append(one)
    return found


def _clash(cluster: Cluster, what: str, one: Range, other: str, other_said: str) -> Fact:
    narrow = max(prefix(one.cidr), prefix(other), key=lambda net: net.length)
    fields = {"what": what, "cidr": str(prefix(one.cidr)), "other_cidr": str(prefix(other)), "both": str(narrow)}
    fields |= {"written": one.cidr, "other_written": other, "said_by": one.said_by, "other_said_by": other_said}
    node = min((name for name in cluster.nodes), default="")
    return Fact("cidr_clash", fields, _place(cluster, node) if node else "", HOST, one.fact.source, one.fact.line, one.fact.text)


def _unaligned(cluster: Cluster) -> Iterator[Fact]:
    """Ranges of Services or pods as somebody wrote them whose address is inside them, not where they begin."""
    told = set()
    node = min(cluster.nodes, default="")
    for one in cluster.ranges:
        net = str(prefix(one.cidr))
        if net != one.cidr.lower() and family_of(one.cidr) == 4 and one.cidr not in told and not one.said_by.startswith("subnet.env"):
            told.add(one.cidr)
            fields = {"what": "unaligned", "cidr": net, "written": one.cidr, "both": net, "said_by": one.said_by, "range": one.what}
            yield Fact("cidr_clash", fields, _place(cluster, node) if node else "", HOST, one.fact.source, one.fact.line, one.fact.text)


# --- nodes without a range ----------------------------------------------------------------------------------------------------


def unranged_nodes(cluster: Cluster) -> Iterator[Fact]:
    """An ``unranged_node`` fact for every node without a pod range whose siblings have one, where the plug-in needs it."""
    ranged = [n for n in cluster.nodes.values() if n.pod_cidrs]
    if not ranged or any(pod.name.startswith(OWN_IPAM) for pod in cluster.pods.values()) or cluster.pools:
        return
    stated = [r for r in cluster.ranges if r.what == "pod" and not r.said_by.startswith("node ")]
    same = (r for r in stated if family_of(r.cidr) == family_of(ranged[0].pod_cidrs[0]))
    whole = min(same, key=lambda r: prefix(r.cidr).length, default=None)
    for node in cluster.nodes.values():
        if node.fact is None or node.pod_cidrs or not _printed_whole(node):
            continue
        fields: dict[str, Any] = {"node_name": node.name, "others": len(ranged), "other_node": ranged[0].name, "other_cidr": ranged[0].pod_cidrs[0]}
        fields |= _room(cluster, whole, ranged) if whole is not None else {}
        yield Fact("unranged_node", fields, _place(cluster, node.name), HOST, node.fact.source, node.fact.line, node.fact.text)


def _printed_whole(node: Node) -> bool:
    """Whether the object's specification was seen: a table shows no ranges."""
    return node.fact is not None and "pod_cidrs" in node.fact.fields and "annotations" in node.fact.fields


def _room(cluster: Cluster, whole: Range, ranged: list[Node]) -> dict[str, Any]:
    """How many nodes' ranges the cluster's range holds, and the first that is free."""
    net, taken = prefix(whole.cidr), [each for n in ranged for each in prefixes(n.pod_cidrs)]
    mask = next((each.length for each in taken if each.family == net.family), 0)
    if not net.length <= mask <= net.length + MAX_SPLIT:
        return {}
    fields: dict[str, Any] = {"cluster_cidr": str(net), "mask": mask, "capacity": 1 << (mask - net.length), "nodes": len(cluster.nodes)}
    step = 1 << (BITS[net.family] - mask)
    used = {(each.value - net.value) // step for each in taken if net.covers(each)}
    free = next((i for i in range(fields["capacity"]) if i not in used), None)
    return fields | {"full": free is None} | ({"free": f"{to_text(net.value + free * step, net.family)}/{mask}"} if free is not None else {})
