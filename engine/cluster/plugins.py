"""What a node's CNI plug-ins, kube-proxy and calico lack: facts that nodes' own state and the API's objects tell together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from engine.cluster.addressing import OWN_IPAM
from engine.facts import HOST, Fact
from engine.inet import BITS, prefix, to_int
from engine.troubles import told_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.cluster.inventory import Cluster
    from engine.inet import Prefix

MAX_NAMED: Final = 32
"""Leaked leases that are named one by one."""
NO_PORTS: Final = frozenset({"cilium", "cilium-cni", "portmap", "azure-vnet", "aws-cni"})
"""Plug-ins that publish host ports themselves, or the one that is made for it."""
IPVS_MODULES: Final = ("ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "nf_conntrack")
"""Modules that kube-proxy asks for in mode ipvs."""
PODS_DEVICES: Final = ("cni0", "cbr0", "cali", "flannel", "cilium", "kube-bridge", "weave", "antrea-gw")
"""Devices that show that a plug-in has made pods."""


def _host(cluster: Cluster, node: str) -> str:
    return cluster.host_of(node) or node


# --- host-local's leases --------------------------------------------------------------------------------------------------


def ipam_ranges(cluster: Cluster) -> Iterator[Fact]:
    """An ``ipam_range`` fact for every network of which host-local has given away every address."""
    for (host, network), leases in _leases(cluster).items():
        net = _subnet(cluster, host, network, leases)
        if net is None:
            continue
        inside = sorted((a for a in leases if net.holds(to_int(a))), key=to_int)
        size = usable(net)
        if size <= 0 or len(inside) < size:
            continue
        live = _living(cluster, host, net)
        fields: dict[str, Any] = {"network": network, "subnet": str(net), "size": size, "leases": len(inside), "known_by": "leases"}
        node = cluster.node_of(host)
        fields["node_name"] = node.name if node is not None else host
        if live is not None:
            leaked = [a for a in inside if a not in live]
            fields |= {"live": len(inside) - len(leaked), "leaked_count": len(leaked), "leaked": tuple(leaked[:MAX_NAMED])}
        fact = leases[inside[0]]
        yield Fact("ipam_range", fields, host, HOST, fact.source, fact.line, fact.text)
    yield from _by_pods(cluster)


def _leases(cluster: Cluster) -> dict[tuple[str, str], dict[str, Fact]]:
    """Leases of each node's networks, however many listings tell of them."""
    found: dict[tuple[str, str], dict[str, Fact]] = {}
    for fact in cluster.facts.of_kind("cni_leases"):
        held = found.setdefault((fact.node, str(fact.get("network"))), {})
        held.update((str(a), fact) for a in fact.get("addresses", ()) if ":" not in str(a))
    return found


def usable(net: Prefix) -> int:
    """Addresses that host-local gives to pods: not the network's own, the gateway's, or the broadcast address."""
    return (1 << (BITS[net.family] - net.length)) - 3


def _subnet(cluster: Cluster, host: str, network: str, leases: dict[str, Fact]) -> Prefix | None:
    """The subnet of a network: as configured, as flannel leased it, as the node's bridge or its Node object has it."""
    configs = [f for f in cluster.facts.at("cni_config", host, HOST) if f.get("name") == network and not f.get("disabled")]
    texts = [str(s) for f in configs for s in f.get("subnets", ())]
    if any("flannel" in f.get("types", ()) for f in configs) or not configs:
        texts += [str(f.get("subnet")) for f in cluster.facts.at("flannel_subnet", host, HOST)]
    bridges = [str(f.get("bridge")) for f in configs if f.get("bridge")] or ["cni0", "cbr0"]
    bridge = [f for f in cluster.facts.at("address", host, HOST) if f.get("device") in bridges and f.get("family", 4) == 4]
    node = cluster.node_of(host)
    texts += [f"{f.get('address')}/{f.get('prefixlen')}" for f in bridge] + list(node.pod_cidrs if node is not None else ())
    for text in texts:
        try:
            net = prefix(text)
        except ValueError:
            continue
        if net.family == 4 and any(net.holds(to_int(a)) for a in leases):
            return net
    return None


def _living(cluster: Cluster, host: str, net: Prefix) -> set[str] | None:
    """Addresses of a node's subnet that something holds: pods of the API, stacks, running containers; ``None`` if none of these were listed."""
    node = cluster.node_of(host)
    found = {str(f.get("address")) for f in cluster.facts.of_kind("address") if f.node == host and f.stack != HOST}
    pods = cluster.pods_on(node.name) if node is not None else ()
    found |= {ip for pod in pods if pod.active for ip in pod.ips}
    listed = cluster.listed("pods") and node is not None
    stacks = any(f.node == host and f.stack != HOST and f.get("what") == "addresses" for f in cluster.facts.of_kind("collected"))
    inside = {a for a in found if ":" not in a and net.holds(to_int(a))}
    return inside if listed or stacks or inside else None


def _by_pods(cluster: Cluster) -> Iterator[Fact]:
    """Nodes whose pods alone fill their range, where nobody listed the leases."""
    if cluster.pools or any(pod.name.startswith(OWN_IPAM) for pod in cluster.pods.values()):
        return
    for node in cluster.nodes.values():
        nets = [prefix(c) for c in node.pod_cidrs if ":" not in c]
        if not nets or node.fact is None:
            continue
        own = (p for p in cluster.pods_on(node.name) if p.active and not cluster.on_host(p))
        held = {ip for p in own for ip in p.ips if ":" not in ip and nets[0].holds(to_int(ip))}
        if usable(nets[0]) > 0 and len(held) >= usable(nets[0]):
            fields: dict[str, Any] = {"network": "", "subnet": str(nets[0]), "size": usable(nets[0]), "leases": len(held), "live": len(held)}
            fields |= {"leaked_count": 0, "leaked": (), "node_name": node.name, "known_by": "pods"}
            yield Fact("ipam_range", fields, _host(cluster, node.name), HOST, node.fact.source, node.fact.line, node.fact.text)


# --- configurations and programs ----------------------------------------------------------------------------------------------


def cni_gaps(cluster: Cluster) -> Iterator[Fact]:
    """A ``cni_gap`` fact for every node of a cluster without a CNI configuration that a runtime can use, or without a plug-in that it names.

    A node that is ready has one, whatever the usual folder holds: distributions have folders of their own.
    """
    for host in sorted({f.node for f in cluster.facts.of_kind("collected") if f.get("what") == "cni_configs"}):
        if _runs_pods(cluster, host):
            yield from _gaps_of(cluster, host)


def _runs_pods(cluster: Cluster, host: str) -> bool:
    """Whether a kubelet runs on a machine whose network is not known to work: a Node of the API, its configuration, or its sockets."""
    node = cluster.node_of(host)
    if node is not None and node.ready is not None:
        return not node.ready
    if any(str(f.get("name")).startswith(PODS_DEVICES) for f in cluster.facts.at("link", host, HOST)):
        return False
    kubelet = any(f.get("process") == "kubelet" for f in cluster.facts.at("socket", host, HOST))
    return node is not None or kubelet or any(cluster.facts.at("kubelet", host, HOST))


def _gaps_of(cluster: Cluster, host: str) -> Iterator[Fact]:
    base = {"node_name": node.name} if (node := cluster.node_of(host)) is not None else {"node_name": host}
    base |= {"agent": _agent(cluster, str(base["node_name"]))}
    configs = sorted(cluster.facts.at("cni_config", host, HOST), key=lambda f: str(f.get("file", "")))
    useful = [f for f in configs if not f.get("disabled") and not f.get("error")]
    listing = next(f for f in cluster.facts.of_kind("collected") if f.node == host and f.get("what") == "cni_configs")
    if not useful and not configs and listing.get("scope") == "names":
        # The folder's listing shows some, and nobody printed what is in them.
        return
    if not useful:
        broken = next((f for f in configs if f.get("error") and not f.get("disabled")), None)
        aside = next((f for f in configs if f.get("disabled")), None)
        about = broken or aside or listing
        fields = {**base, "what": "broken" if broken else "disabled" if aside else "no-config", "plugin": ""}
        fields |= {"file": str(about.get("file")), "error": str(about.get("error", ""))} if about is not listing else {}
        yield Fact("cni_gap", fields, host, HOST, about.source, about.line, about.text or "/etc/cni/net.d is empty")
        return
    programs = list(cluster.facts.at("cni_plugins", host, HOST))
    there = {name for f in programs for name in f.get("names", ())}
    wanted = [*useful[0].get("types", ()), str(useful[0].get("ipam") or "")]
    wanted += ["bridge", "host-local"] if "flannel" in wanted else []
    for plugin in dict.fromkeys(filter(None, wanted)) if there else ():
        if plugin not in there:
            fields = {**base, "what": "no-plugin", "plugin": plugin, "file": str(useful[0].get("file")), "folder": str(programs[0].get("folder"))}
            yield Fact("cni_gap", fields, host, HOST, programs[0].source, programs[0].line, programs[0].text)


def _agent(cluster: Cluster, node: str) -> str:
    """``namespace/name`` of the DaemonSet whose pods install the network plug-in; "" if none was seen."""
    names = ("kube-flannel", "flannel", "calico-node", "cilium", "weave-net", "canal", "antrea-agent", "kube-router")
    for pod in (*cluster.pods_on(node), *cluster.pods.values()):
        if pod.name.startswith(names) and "operator" not in pod.name and re.search(r"-[a-z0-9]{5}$", pod.name):
            return f"{pod.namespace}/{pod.name.rpartition('-')[0]}"
    return next((f"{f.get('namespace')}/{f.get('name')}" for f in cluster.workloads("DaemonSet") if str(f.get("name")).startswith(names)), "")


# --- host ports -------------------------------------------------------------------------------------------------------------


def host_ports(cluster: Cluster) -> Iterator[Fact]:
    """A ``host_port`` fact for every port of a pod that its node should publish and does not, as far as its state was seen."""
    for pod in cluster.pods.values():
        host = cluster.host_of(pod.node)
        if not pod.active or not host or cluster.on_host(pod) or not pod.ips or pod.ready is False:
            continue
        for port in pod.ports if pod.ports is not None else ():
            if port.host_port and (gap := _unpublished(cluster, host, pod.ips[0], port.host_port, port.protocol)):
                node = cluster.nodes.get(pod.node)
                fields = {"namespace": pod.namespace, "name": pod.name, "full": pod.full, "address": pod.ips[0], "port": port.host_port}
                fields |= {"protocol": port.protocol, "container_port": port.port, "node_name": pod.node, **gap}
                own = (str(pod.fact.get("host_ip")),) if pod.fact.get("host_ip") else ()
                fields |= {"addresses": (node.addresses if node is not None else ()) or own}
                yield Fact("host_port", fields, host, HOST, pod.fact.source, pod.fact.line, pod.fact.text)


def _unpublished(cluster: Cluster, host: str, address: str, port: int, protocol: str) -> dict[str, Any]:
    """Why nothing translates a host port; {} if something does, or if neither the node's nat table nor its CNI configuration was seen."""
    configs = sorted(cluster.facts.at("cni_config", host, HOST), key=lambda f: str(f.get("file", "")).rpartition("/")[2])
    first = next((f for f in configs if not f.get("disabled") and not f.get("error")), None)
    types = first.get("types", ()) if first is not None else ()
    tables = [f for f in cluster.facts.at("netfilter_table", host, HOST) if f.get("table") == "nat" and f.get("family", 4) == 4]
    if not tables and first is not None and types and not NO_PORTS & set(types) and not any(t.startswith("cilium") for t in types):
        # Nobody else on a node would write the rule, but a runtime that does so itself (CRI-O).
        return {"what": "no-portmap", "file": str(first.get("file")), "known_by": "configuration"}
    if not tables or any(f.get("partial") for f in tables) or any(cluster.facts.at("nft_ruleset", host, HOST)):
        return {}
    # The rules are read as text: the one that hands the packet over names the pod's address.
    rules = [rule.spec for table in tables for chain in table.get("chains", ()) for rule in chain.rules]
    if any(f"--to-destination {address}:" in spec and (f"--dport {port}" in spec or "CNI-DN" not in spec) for spec in rules):
        return {}
    if any(t.startswith("cilium") for t in types):
        return {}
    del protocol
    why = "unknown" if first is None else "no-rule" if NO_PORTS & set(types) else "no-portmap"
    return {"what": why, "known_by": "rules", **({"file": str(first.get("file"))} if first is not None else {})}


# --- addresses that IPVS captures -----------------------------------------------------------------------------------------------


def captured_addresses(cluster: Cluster) -> Iterator[Fact]:
    """A ``captured_address`` fact for every machine that binds a node's own address to kube-ipvs0, or will by what a Service asks for."""
    seen: set[tuple[str, str]] = set()
    owners = _owners(cluster)
    for fact in cluster.facts.of_kind("address"):
        address = str(fact.get("address"))
        if fact.get("device") == "kube-ipvs0" and fact.stack == HOST and (owner := owners.get(address)):
            seen.add((fact.node, address))
            yield Fact("captured_address", _captured(cluster, address, owner, "device"), fact.node, HOST, fact.source, fact.line, fact.text)
    if cluster.proxy_mode().mode != "ipvs":
        return
    for service in cluster.services.values():
        for address in dict.fromkeys((*service.external_ips, *service.ingress_ips)):
            if (owner := owners.get(address)) and not any(address == told for _, told in seen):
                fact = service.fact
                fields = _captured(cluster, address, owner, "service")
                yield Fact("captured_address", fields, _host(cluster, owner), HOST, fact.source, fact.line, fact.text)


def _owners(cluster: Cluster) -> dict[str, str]:
    """Nodes by the addresses that are their own: of their objects, else of a real card."""
    found = {address: node.name for node in cluster.nodes.values() for address in node.addresses}
    for fact in cluster.facts.of_kind("address"):
        # A virtual address that moves between nodes (keepalived, kube-vip) has a length of 32, or is a secondary one.
        own = fact.get("prefixlen", 32) < 32 and not fact.get("secondary")
        if fact.stack == HOST and own and re.match(r"e(?:th|n|m)\w*|bond\d|p\dp\d|vlan", str(fact.get("device"))):
            found.setdefault(str(fact.get("address")), fact.node)
    return found


def _captured(cluster: Cluster, address: str, owner: str, known_by: str) -> dict[str, Any]:
    service = next((s for s in cluster.services_at(address)), None)
    fields: dict[str, Any] = {"address": address, "owner": owner, "known_by": known_by, "network": f"{address}/32"}
    if service is not None:
        fields |= {"namespace": service.namespace, "service": service.name, "ports": tuple(p.port for p in service.ports)}
        fields["via"] = "external-ip" if address in service.external_ips else "load-balancer-ip"
    return fields


# --- node ports, modules, and what UDP remembers ---------------------------------------------------------------------------------


def node_ports(cluster: Cluster) -> Iterator[Fact]:
    """A ``node_port`` fact for every port that a Service has on the nodes: by the API, else by what kube-proxy wrote."""
    told: set[tuple[int, str]] = set()
    mode = cluster.proxy_mode().mode
    for service in cluster.services.values():
        for port in service.ports:
            if port.node_port:
                told.add((port.node_port, port.protocol))
                fields = {"port": port.node_port, "protocol": port.protocol, "service": service.full, "mode": mode}
                yield Fact("node_port", fields, "", HOST, service.fact.source, service.fact.line, service.fact.text)
    for fact, spec, line in _written(cluster):
        found = re.search(r"-p (tcp|udp|sctp) .*--dport (\d+)", spec)
        name = re.search(r'--comment "?([\w.-]+/[\w.:-]+)', spec)
        if found and (int(found[2]), found[1]) not in told:
            told.add((int(found[2]), found[1]))
            fields = {"port": int(found[2]), "protocol": found[1], "service": name[1] if name else "", "mode": mode or "iptables"}
            yield Fact("node_port", fields, fact.node, HOST, fact.source, line)


def _written(cluster: Cluster) -> Iterator[tuple[Fact, str, int]]:
    for table in cluster.facts.of_kind("netfilter_table"):
        if table.get("table") == "nat" and table.stack == HOST:
            chain = next((c for c in table.get("chains", ()) if c.name == "KUBE-NODEPORTS"), None)
            yield from ((table, rule.spec, rule.line) for rule in (chain.rules if chain is not None else ()))


def ipvs_lacks(cluster: Cluster) -> Iterator[Fact]:
    """An ``ipvs_lack`` fact for every node without IPVS whose kube-proxy is configured for it."""
    configured = cluster.proxy_mode()
    if configured.mode != "ipvs" or configured.fact is None:
        return
    listed = sorted({f.node for f in cluster.facts.of_kind("collected") if f.get("what") == "modules" and f.stack == HOST})
    for host in listed:
        node = cluster.node_of(host)
        loaded = {str(f.get("name")) for f in cluster.facts.at("kernel_module", host, HOST)}
        links = list(cluster.facts.at("link", host, HOST))
        # What is built into the kernel is in no list: the device tells whether the proxy works in that mode.
        if node is None or "ip_vs" in loaded or not links or any(f.get("name") == "kube-ipvs0" for f in links):
            continue
        fact = configured.fact
        missing = tuple(m for m in IPVS_MODULES if m not in loaded)
        yield Fact("ipvs_lack", {"node_name": node.name, "modules": missing}, host, HOST, fact.source, fact.line, fact.text)


def stale_entries(cluster: Cluster) -> Iterator[Fact]:
    """A ``stale_entry`` fact for every UDP entry of a conntrack table that leads to a backend that its Service no longer has."""
    for fact in cluster.facts.of_kind("conntrack"):
        if fact.get("protocol") != "udp" or fact.stack != HOST:
            continue
        address, backend = str(fact.get("dst")), str(fact.get("reply_src"))
        for service in cluster.services_at(address):
            backends = cluster.backends(service)
            if backends and backend != address and backend not in {b.address for b in backends}:
                fields = {"service": service.full, "address": address, "port": fact.get("dport"), "backend": backend, "src": str(fact.get("src"))}
                fields |= {"protocol": "udp", "backends": tuple(dict.fromkeys(b.address for b in backends))}
                yield Fact("stale_entry", fields, fact.node, HOST, fact.source, fact.line, fact.shown)


# --- calico's sessions ---------------------------------------------------------------------------------------------------------


def bgp_gaps(cluster: Cluster) -> Iterator[Fact]:
    """A ``bgp_gap`` fact for every BGP session that is not established, of the node where it was looked at."""
    for fact in cluster.facts.of_kind("bgp_peer"):
        if fact.get("established") or fact.get("state") == "stop":
            continue
        host = _exec_node(cluster, fact) or fact.node
        peer = str(fact.get("peer", ""))
        node = cluster.node_of(host)
        other = cluster.node_at(peer)
        known = other is not None or peer in {str(f.get("ipv4", "")).partition("/")[0] for f in cluster.facts.of_kind("calico_node")}
        fields: dict[str, Any] = {"peer": peer, "info": str(fact.get("info", "")), "node_name": node.name if node is not None else host}
        fields["how"] = _how(fact)
        fields |= {"other_node": (other.host or other.name) if other is not None else "", **_blocks(cluster, other.name if other is not None else "")}
        fields |= {"strange": bool(peer and not known and cluster.nodes and str(fact.get("type")) == "node-to-node mesh")}
        yield Fact("bgp_gap", fields, host, HOST, fact.source, fact.line, fact.text)


def _exec_node(cluster: Cluster, fact: Fact) -> str:
    """Machine of the pod in which the question was asked (``kubectl exec calico-node-x -- birdcl``)."""
    if fact.stack == HOST:
        return ""
    pod = next((p for p in cluster.pods.values() if p.name == fact.stack), None)
    return _host(cluster, pod.node) if pod is not None else ""


def _how(fact: Fact) -> str:
    info = str(fact.get("info", "")).lower()
    ways = (("not running", "no-process"), ("refused", "refused"), ("timed out", "timeout"), ("no route", "no-route"), ("unreachable", "no-route"))
    return next((way for words, way in ways if words in info), "idle" if info.startswith("idle") else "waiting")


def _blocks(cluster: Cluster, node: str) -> dict[str, Any]:
    """Blocks of pods that the node's routes are lacking."""
    blocks = (f for f in cluster.facts.of_kind("calico_block") if node and f.get("node_name") == node and not f.get("deleted"))
    found = tuple(str(f.get("cidr")) for f in blocks)
    return {"blocks": found} if found else {}


# --- what others say ------------------------------------------------------------------------------------------------------------

def troubles(cluster: Cluster) -> Iterator[Fact]:
    """A ``trouble`` fact for what a log, an event, a pod's or a node's condition says of a fault of networks; equal ones once."""
    told: set[tuple[str, str, str]] = set()
    for fact, text, by, fields in _texts(cluster):
        found = told_of(text)
        if found is None:
            continue
        node = str(fields.get("node_name", ""))
        key = (found[0], _host(cluster, node) if node else fact.node, str(fields.get("full", "")))
        if key not in told:
            told.add(key)
            more = {"name": found[0], "detail": found[1], "text": text[:300], "said_by": by, **fields}
            yield Fact("trouble", more, key[1], HOST, fact.source, fact.line, fact.text)


def _texts(cluster: Cluster) -> Iterator[tuple[Fact, str, str, dict[str, Any]]]:
    """Messages, who says them, and which pod and node they are about."""
    for fact in cluster.facts.of_kind("component_log"):
        yield fact, str(fact.get("message", "")), str(fact.get("program") or "log"), {"node_name": ""}
    for fact in cluster.facts.of_kind("k8s_event"):
        kind, _, name = str(fact.get("object", "")).partition("/")
        pod = cluster.pods.get((str(fact.get("namespace", "default")), name)) if kind == "Pod" else None
        fields = {"node_name": name if kind == "Node" else pod.node if pod is not None else ""}
        fields |= {"full": f"{fact.get('namespace', 'default')}/{name}"} if kind == "Pod" else {}
        yield fact, f"{fact.get('reason', '')}: {fact.get('message', '')}", "event", fields
    for pod in cluster.pods.values():
        if pod.fact.get("message"):
            yield pod.fact, str(pod.fact.get("message")), "pod", {"node_name": pod.node, "full": pod.full}
    for node in cluster.nodes.values():
        if node.fact is not None and node.fact.get("trouble") and node.ready is False:
            yield node.fact, str(node.fact.get("trouble")), "node", {"node_name": node.name}
