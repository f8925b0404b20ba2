"""All Kubernetes objects of the evidence, joined and indexed; everything is made when first asked for.

One object may have been printed several times (a table, YAML, ``describe``): what any of them tells counts, and the fullest print is the one
that is cited.  What nobody printed stays unknown.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from engine.cluster import ranges
from engine.cluster.objects import Backend, EndpointPort, Node, Pod, PodPort, Service, ServicePort, addresses_of, protocol_of, target_port
from engine.cluster.selectors import matches, selects
from engine.facts import HOST
from engine.inet import in_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from engine.cluster.objects import ProxyMode, Range
    from engine.facts import Fact, FactBase

Key = tuple[str, str]
"""Namespace and name."""

HOSTNAME_LABEL = "kubernetes.io/hostname"
NAME_LABEL = "kubernetes.io/metadata.name"
DNS_SERVICES = frozenset({("kube-system", "kube-dns"), ("kube-system", "coredns")})
"""Services of the cluster's DNS, by kubeadm, k3s, the clouds and kubespray."""
DNS_SELECTOR = {"k8s-app": "kube-dns"}
"""What all of these select."""
"""Label that every namespace bears since Kubernetes 1.21."""


class Cluster:
    """The API's view of a cluster."""

    def __init__(self, facts: FactBase) -> None:
        self.facts = facts

    @property
    def known(self) -> bool:
        """Whether the evidence holds any Kubernetes object."""
        return any(self.facts.of_kind(kind) for kind in ("pod", "service", "k8s_node", "endpoints", "network_policy"))

    def listed(self, plural: str, namespace: str = "") -> bool:
        """Whether a resource was listed whole (in one namespace): what is not in the evidence does then not exist."""
        return "all" in self._listings.get(plural, ()) or bool(namespace and namespace in self._listings.get(plural, ()))

    @cached_property
    def _listings(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for fact in self.facts.of_kind("collected"):
            found[str(fact.get("what"))].add(str(fact.get("scope")))
        return dict(found)

    # --- nodes ----------------------------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Nodes by Kubernetes name, also those that only pods name."""
        merged = _merged(self.facts.of_kind("k8s_node"), lambda f: str(f.get("name", "")))
        made = {name: self._node(name, fact) for name, fact in merged.items() if name}
        for fact in self.facts.of_kind("pod"):
            name = str(fact.get("node_name") or "")
            if name and name not in made:
                made[name] = Node(name, host=self._host(name, (), None))
        return made

    def _node(self, name: str, fact: Fact) -> Node:
        addresses = addresses_of(fact.get("addresses", ()))
        labels = fact.get("labels")
        return Node(name, addresses, tuple(fact.get("pod_cidrs", ())), labels, fact.get("ready"), self._host(name, addresses, labels), fact)

    def _host(self, name: str, addresses: Iterable[str], labels: Mapping[str, str] | None) -> str:
        """Evidence node of a Kubernetes node: by name, by hostname, by an address that it alone holds."""
        for asked in (name, (labels or {}).get(HOSTNAME_LABEL, "")):
            found = self._hosts_by_name.get(asked.lower()) or self._hosts_by_name.get(asked.lower().partition(".")[0])
            if asked and found:
                return found
        holders = [self._hosts_by_address.get(address, set()) for address in addresses]
        return next((next(iter(found)) for found in holders if len(found) == 1), "")

    @cached_property
    def _hosts_by_name(self) -> dict[str, str]:
        """Evidence nodes by name and hostname, long and short."""
        found: dict[str, str] = {}
        hosts = dict.fromkeys(f.node for kind in ("netns", "link", "host", "route", "netfilter_table") for f in self.facts.of_kind(kind) if f.node)
        for host in hosts:
            found[host.lower()] = host
        for fact in self.facts.of_kind("host"):
            hostname = str(fact.get("hostname", "")).lower()
            if fact.node and hostname:
                found.setdefault(hostname, fact.node)
        for name, host in list(found.items()):
            found.setdefault(name.partition(".")[0], host)
        return found

    @cached_property
    def _hosts_by_address(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for fact in self.facts.of_kind("address"):
            if fact.stack == HOST and fact.node:
                found[str(fact.get("address"))].add(fact.node)
        return dict(found)

    @cached_property
    def subnets(self) -> dict[tuple[str, str], Fact]:
        """The first IPv4 address with a subnet of each device of the machines' own stacks, by machine and device."""
        found: dict[tuple[str, str], Fact] = {}
        for fact in self.facts.of_kind("address"):
            if fact.stack == HOST and fact.get("family", 4) == 4 and fact.get("prefixlen", 32) < 32:
                found.setdefault((fact.node, str(fact.get("device"))), fact)
        return found

    def host_of(self, node: str) -> str:
        """Evidence node of a Kubernetes node; "" if its own state was not given."""
        made = self.nodes.get(node)
        return made.host if made is not None else self._hosts_by_name.get(node.lower(), "")

    def node_of(self, host: str) -> Node | None:
        """Kubernetes node of an evidence node."""
        return self.nodes.get(host) or next((node for node in self.nodes.values() if node.host == host), None)

    @cached_property
    def _nodes_by_address(self) -> dict[str, Node]:
        return {address: node for node in self.nodes.values() for address in node.addresses}

    def node_at(self, address: str) -> Node | None:
        """The node that has an address by its Node object, or by its own state."""
        found = self._nodes_by_address.get(address)
        if found is None:
            hosts = self._hosts_by_address.get(address, set())
            found = self.node_of(next(iter(hosts))) if len(hosts) == 1 else None
        return found

    # --- pods -----------------------------------------------------------------------------------------------------

    @cached_property
    def pods(self) -> dict[Key, Pod]:
        """Pods by namespace and name."""
        return {key: _pod(fact) for key, fact in _merged(self.facts.of_kind("pod"), _key).items()}

    @cached_property
    def _pods_by_address(self) -> dict[str, list[Pod]]:
        found: dict[str, list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            if pod.active and not self.on_host(pod):
                for address in pod.ips:
                    found[address].append(pod)
        return dict(found)

    def on_host(self, pod: Pod) -> bool:
        """Whether a pod lives in its node's own network: by its specification, else by having the node's address, or one that others have."""
        if pod.host_network is not None:
            return pod.host_network
        return any(a in self._nodes_by_address or len(self._sharing.get((pod.node, a), ())) > 1 for a in pod.ips)

    @cached_property
    def _sharing(self) -> dict[tuple[str, str], list[Pod]]:
        """Pods by node and address, but for those known to have one of their own: an address that several have is their node's."""
        found: dict[tuple[str, str], list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            if pod.active and pod.node and pod.host_network is not False:
                for address in pod.ips:
                    found[pod.node, address].append(pod)
        return dict(found)

    def pods_at(self, address: str) -> tuple[Pod, ...]:
        """Pods with an address of their own (those in the host's network are found by their node)."""
        return tuple(self._pods_by_address.get(address, ()))

    @cached_property
    def _stacks(self) -> dict[str, tuple[str, str]]:
        """Stacks of pods by the address that they hold."""
        return {str(f.get("address")): (f.node, f.stack) for f in self.facts.of_kind("address") if f.stack != HOST}

    def stack_of(self, pod: Pod) -> tuple[str, str]:
        """Evidence node and stack of a pod; its node's own stack where the pod's was not collected."""
        found = next((self._stacks[ip] for ip in pod.ips if ip in self._stacks), None) if not self.on_host(pod) else None
        return found or (self.host_of(pod.node) or pod.node, HOST)

    @cached_property
    def _pods_by_node(self) -> dict[str, list[Pod]]:
        found: dict[str, list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            found[pod.node].append(pod)
        return dict(found)

    def pods_on(self, node: str) -> tuple[Pod, ...]:
        """Pods on a Kubernetes node."""
        return tuple(self._pods_by_node.get(node, ()))

    @cached_property
    def _pods_by_label(self) -> dict[tuple[str, str, str], list[Pod]]:
        found: dict[tuple[str, str, str], list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            for label, value in (pod.labels or {}).items():
                found[pod.namespace, label, value].append(pod)
        return dict(found)

    @cached_property
    def _pods_by_namespace(self) -> dict[str, list[Pod]]:
        found: dict[str, list[Pod]] = defaultdict(list)
        for pod in self.pods.values():
            found[pod.namespace].append(pod)
        return dict(found)

    def pods_in(self, namespace: str) -> tuple[Pod, ...]:
        """Pods of a namespace."""
        return tuple(self._pods_by_namespace.get(namespace, ()))

    def pods_selected(self, namespace: str, wanted: Mapping[str, str]) -> tuple[Pod, ...]:
        """Active pods that a Service's plain selector certainly selects; none for an empty one."""
        lists = [self._pods_by_label.get((namespace, key, value), []) for key, value in wanted.items()]
        shortest = min(lists, key=len, default=[])
        return tuple(pod for pod in shortest if pod.active and matches(wanted, pod.labels))

    def labels_known(self, namespace: str) -> bool:
        """Whether the labels of all pods of a namespace are known, so that "selected by nobody" means something."""
        return self.listed("pods", namespace) and all(pod.labels is not None for pod in self.pods_in(namespace))

    @cached_property
    def _events(self) -> dict[tuple[str, str], list[Fact]]:
        found: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        for fact in self.facts.of_kind("k8s_event"):
            if fact.get("type") == "Warning":
                found[str(fact.get("namespace", "default")), str(fact.get("object", ""))].append(fact)
        return dict(found)

    def trouble(self, pod: Pod) -> tuple[str, str]:
        """Why a pod is not ready, as reason and message: its own state, else its last warning, else its node; "" for what is not known."""
        reason, message = str(pod.fact.get("reason") or ""), str(pod.fact.get("message") or "")
        warnings = self._events.get((pod.namespace, f"Pod/{pod.name}"), [])
        told = next((f for f in reversed(warnings) if f.get("reason") == "Unhealthy"), warnings[-1] if warnings else None)
        if told is not None and reason in ("", "ContainersNotReady"):
            return str(told.get("reason", "")), str(told.get("message", ""))
        node = self.nodes.get(pod.node)
        return ("NodeNotReady", f"node {pod.node} is not ready") if not reason and node is not None and node.ready is False else (reason, message)

    # --- namespaces -----------------------------------------------------------------------------------------------

    @cached_property
    def namespaces(self) -> dict[str, Fact]:
        """Namespace objects by name."""
        return _merged(self.facts.of_kind("namespace"), lambda f: str(f.get("name", "")))

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """Labels of a namespace; ``None`` if they were not seen."""
        fact = self.namespaces.get(name)
        labels = fact.get("labels") if fact is not None else None
        return labels if isinstance(labels, dict) else None

    def namespace_selected(self, selector: Mapping[str, Any] | None, name: str) -> bool | None:
        """Whether a LabelSelector holds for a namespace; its own name is a label that it has without being seen."""
        labels = self.namespace_labels(name)
        if labels is not None or not selector:
            return selects(selector, labels)
        keys = {*(selector.get("matchLabels") or {}), *(e.get("key") for e in selector.get("matchExpressions") or () if isinstance(e, dict))}
        return selects(selector, {NAME_LABEL: name} if keys == {NAME_LABEL} else None)

    # --- Services and what is behind them --------------------------------------------------------------------------

    @cached_property
    def services(self) -> dict[Key, Service]:
        """Services by namespace and name."""
        return {key: _service(fact) for key, fact in _merged(self.facts.of_kind("service"), _key).items()}

    @cached_property
    def _services_by_address(self) -> dict[str, list[Service]]:
        found: dict[str, list[Service]] = defaultdict(list)
        for service in self.services.values():
            for address in dict.fromkeys((*service.cluster_ips, *service.external_ips, *service.ingress_ips)):
                found[address].append(service)
        return dict(found)

    def services_at(self, address: str) -> tuple[Service, ...]:
        """Services with a cluster IP, an external IP or a load balancer's IP (several may share one of the latter)."""
        return tuple(self._services_by_address.get(address, ()))

    @cached_property
    def _services_by_node_port(self) -> dict[tuple[int, str], Service]:
        return {(p.node_port, p.protocol): s for s in self.services.values() for p in s.ports if p.node_port}

    def service_on_node_port(self, port: int, protocol: str = "tcp") -> Service | None:
        """The Service of a node port."""
        return self._services_by_node_port.get((port, protocol))

    @cached_property
    def _endpoint_facts(self) -> dict[Key, list[Fact]]:
        found: dict[Key, list[Fact]] = defaultdict(list)
        for fact in self.facts.of_kind("endpoints"):
            found[str(fact.get("namespace", "default")), str(fact.get("service", ""))].append(fact)
        return dict(found)

    def endpoint_facts(self, service: Service) -> tuple[Fact, ...]:
        """Endpoints objects and EndpointSlices of a Service; slices alone where there are some, for kube-proxy reads those."""
        found = self._endpoint_facts.get(service.key, [])
        slices = [f for f in found if f.get("slice")]
        return tuple(slices or found)

    def backends(self, service: Service) -> tuple[Backend, ...] | None:
        """Addresses behind a Service, ready or not: as its Endpoints or EndpointSlices say, else as its pods do; ``None`` if neither were seen."""
        facts = [f for f in self.endpoint_facts(service) if "ready" in f.fields]
        if not facts:
            whole = any(self.listed(plural, service.namespace) for plural in ("endpoints", "endpointslices"))
            return () if whole and not self.endpoint_facts(service) else self._backends_by_pods(service)
        found: dict[tuple[str, tuple[EndpointPort, ...]], Backend] = {}
        for fact in facts:
            for entry, is_ready in [*((e, True) for e in fact.get("ready", ())), *((e, False) for e in fact.get("not_ready", ()))]:
                made = self._backend(service, fact, entry, is_ready=is_ready)
                found.setdefault((made.address, made.ports), made)
        return tuple(found.values())

    def _backends_by_pods(self, service: Service) -> tuple[Backend, ...] | None:
        """What the controller makes of the pods that a Service selects."""
        # A table shows no selector; every distribution gives its DNS Service the same.
        usual = service.selector is None and (service.namespace, service.name) in DNS_SERVICES
        selector = DNS_SELECTOR if usual else service.selector
        if not selector or not self.labels_known(service.namespace):
            return None
        selected = self.pods_selected(service.namespace, selector)
        if usual and not selected:
            return None
        found = []
        for pod in selected:
            targets = ((p, target_port(p, pod) or (p.port if usual else None)) for p in service.ports)
            ports = tuple(EndpointPort(p.name, number, p.protocol) for p, number in targets if number is not None)
            is_ready = pod.ready is True or (pod.ready is None and pod.phase == "Running")
            found += [Backend(ip, ports, pod.node, pod.full, is_ready, is_ready, bool(pod.fact.get("terminating")), pod.fact) for ip in pod.ips[:1]]
        return tuple(found)

    def _backend(self, service: Service, fact: Fact, entry: Mapping[str, Any], *, is_ready: bool) -> Backend:
        address, name = str(entry.get("address", "")), str(entry.get("pod", ""))
        pod = self.pods.get((service.namespace, name)) if name else next(iter(self.pods_at(address)), None)
        node = str(entry.get("node_name", "")) or (pod.node if pod else "")
        ports = tuple(_end_ports(service, fact))
        full = f"{service.namespace}/{name}" if name else pod.full if pod else ""
        return Backend(address, ports, node, full, is_ready, entry.get("serving", is_ready), bool(entry.get("terminating")), fact)

    @cached_property
    def _services_by_backend(self) -> dict[str, list[Service]]:
        found: dict[str, list[Service]] = defaultdict(list)
        for service in self.services.values():
            for address in dict.fromkeys(b.address for b in self.backends(service) or ()):
                found[address].append(service)
        return dict(found)

    def services_of(self, address: str) -> tuple[Service, ...]:
        """Services that an address stands behind."""
        return tuple(self._services_by_backend.get(address, ()))

    # --- policies, ranges, configuration --------------------------------------------------------------------------

    @cached_property
    def policies(self) -> tuple[Fact, ...]:
        """Network policies of all flavours, each once."""
        return tuple(_merged(self.facts.of_kind("network_policy"), lambda f: (f.get("flavour"), f.get("namespace", ""), f.get("name"))).values())

    def policies_in(self, namespace: str, flavour: str = "kubernetes") -> tuple[Fact, ...]:
        """Policies of one namespace ("" for those of the whole cluster) and flavour."""
        return tuple(self._policies_by_place.get((flavour, namespace), ()))

    @cached_property
    def _policies_by_place(self) -> dict[tuple[str, str], list[Fact]]:
        found: dict[tuple[str, str], list[Fact]] = defaultdict(list)
        for fact in self.policies:
            found[str(fact.get("flavour")), str(fact.get("namespace", ""))].append(fact)
        return dict(found)

    @cached_property
    def enforcer(self) -> str:
        """What makes policies count (:func:`engine.cluster.policies.enforcer`)."""
        from engine.cluster.policies import find_enforcer

        return find_enforcer(self)

    @cached_property
    def pools(self) -> tuple[Fact, ...]:
        """Calico's IP pools, each once."""
        return tuple(_merged(self.facts.of_kind("ippool"), lambda f: str(f.get("name"))).values())

    @cached_property
    def ranges(self) -> tuple[Range, ...]:
        """Every range of pod and Service addresses that some configuration states."""
        return tuple(ranges.read(self))

    def config(self, namespace: str, name: str) -> Fact | None:
        """A component's ConfigMap."""
        return next((f for f in self.facts.of_kind("kube_config") if f.get("namespace") == namespace and f.get("name") == name), None)

    def proxy_mode(self, node: str = "") -> ProxyMode:
        """How Services are done on a Kubernetes node ("" = as configured for all)."""
        return ranges.proxy_mode(self, node)

    def workloads(self, what: str = "") -> tuple[Fact, ...]:
        """DaemonSets, Deployments and the like."""
        return tuple(f for f in self.facts.of_kind("workload") if not what or f.get("type") == what)


def _key(fact: Fact) -> Key:
    return str(fact.get("namespace", "default")), str(fact.get("name", ""))


def _merged(facts: Iterable[Fact], key: Any) -> dict[Any, Fact]:
    """Each object once: fields of all its prints, the fullest one's first; in the order they were read."""
    groups: dict[Any, list[Fact]] = {}
    for fact in facts:
        groups.setdefault(key(fact), []).append(fact)
    return {name: group[0] if len(group) == 1 else _joined(group) for name, group in groups.items()}


def _joined(group: list[Fact]) -> Fact:
    from dataclasses import replace

    ordered = sorted(group, key=lambda f: -len(f.fields))
    fields: dict[str, Any] = {}
    for fact in reversed(ordered):
        fields.update(fact.fields)
    return replace(ordered[0], fields=fields)


def _pod(fact: Fact) -> Pod:
    get = fact.fields.get
    ports = get("ports")
    named = tuple(
        PodPort(str(p.get("name", "")), int(p.get("port", 0)), protocol_of(p.get("protocol")), int(p.get("host_port", 0))) for p in ports or ()
    )
    return Pod(
        *_key(fact),
        fact,
        addresses_of(get("ips", ())),
        str(get("node_name") or ""),
        get("host_network"),
        str(get("phase") or ""),
        get("ready"),
        get("labels"),
        named if ports is not None and not get("ports_unnamed") else None,
    )


def _service(fact: Fact) -> Service:
    get = fact.fields.get
    ports = tuple(
        ServicePort(str(p.get("name", "")), int(p["port"]), protocol_of(p.get("protocol")), p.get("target_port"), int(p.get("node_port", 0)))
        for p in get("ports", ())
        if p.get("port")
    )
    return Service(
        *_key(fact),
        fact,
        str(get("type") or "ClusterIP"),
        addresses_of(get("cluster_ips", ())),
        headless="None" in get("cluster_ips", ()),
        external_ips=addresses_of(get("external_ips", ())),
        ingress_ips=addresses_of(get("ingress_ips", ())),
        proxied_ips=addresses_of(get("proxied_ips", ())),
        ports=ports,
        selector=get("selector"),
        internal_policy=str(get("internal_policy") or "Cluster"),
        external_policy=str(get("external_policy") or "Cluster"),
        affinity=str(get("affinity") or ""),
        external_name=str(get("external_name") or ""),
        publish_not_ready=bool(get("publish_not_ready")),
    )


def _end_ports(service: Service, fact: Fact) -> Iterator[EndpointPort]:
    """Ports of endpoints; a table tells no protocols: any of the Service's may be meant."""
    unsaid = dict.fromkeys(p.protocol for p in service.ports)
    for port in fact.get("ports", ()):
        protocols = [protocol_of(port.get("protocol"))] if port.get("protocol") or fact.get("slice") or not unsaid else unsaid
        yield from (EndpointPort(str(port.get("name", "")), int(port.get("port", 0)), protocol) for protocol in protocols)


def pod_range_of(cluster: Cluster, address: str) -> Range | None:
    """The pod range that holds an address, the narrowest first."""
    held = [r for r in cluster.ranges if r.what == "pod" and in_prefix(address, r.cidr)]
    return max(held, key=lambda r: int(r.cidr.partition("/")[2] or 0), default=None)
