"""What the Kubernetes objects say of a flow: the Service that it asks for, who is behind it, and the policies that turn it away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.cluster import bare, closed
from engine.cluster.calico import names_of
from engine.cluster.inventory import Cluster
from engine.cluster.objects import Pod
from engine.cluster.policies import EGRESS, LIST_LABELS, End, Ruling, allowed, end_at, end_of, enforcer, judge
from engine.cluster.ranges import setting
from engine.cluster.selectors import shown
from engine.cluster.services import Choice, Meaning, Target, choose, lack, meant, selected, target_port
from engine.facts import HOST, Fact
from engine.inet import family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.cluster.objects import Backend, Service, ServicePort
    from engine.facts import FactBase
    from engine.walk.trace import Flow

MAX_TARGETS = 64
"""Backends of a Service whose policies are asked; more tell nothing new."""
APPLICATION = ("app", "app.kubernetes.io/name", "k8s-app", "name", "run", "app.kubernetes.io/instance", "component")
"""Labels by which people tell applications apart."""
PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
UNBALANCED = "node.kubernetes.io/exclude-from-external-load-balancers"
"""Label of nodes that load balancers pass over."""


def facts_of(cluster: Cluster, flow: Flow, number: int, walked: Sequence[Fact] = ()) -> list[Fact]:
    """``service_flow`` and ``policy_denies`` facts of a flow; ``walked`` are the facts that its walk derived.

    They are placed on the stack that sends, those of a policy on the node of its pod.
    """
    if not cluster.known:
        return []
    sent = next((f for f in walked if f.kind == "flow"), None)
    source = _source(cluster, flow, str(sent.get("src", "")) if sent is not None else "")
    meaning = meant(cluster, flow.dst, flow.port, flow.protocol)
    found: list[Fact] = []
    place = _Place(flow, number, source, meaning, _translated(walked))
    targets: tuple[tuple[str, int], ...] = ((flow.dst, flow.port),)
    if meaning is not None:
        choice = _choice(cluster, meaning, flow, source)
        found.append(_service_flow(cluster, flow, number, meaning, choice))
        targets = tuple((t.address, t.port or flow.port) for t in choice.eligible[:MAX_TARGETS])
        targets = targets or _at_any_port(cluster, place, _portless(choice))
    if flow.guessed:
        targets = _at_any_port(cluster, place, [address for address, _ in targets])
    return [*found, *_ends(cluster, flow, number, source), *_balanced(cluster, place), *_denials(cluster, place, targets)]


def _at_any_port(cluster: Cluster, place: _Place, addresses: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Those addresses to which policies turn the flow away whatever its port is: nobody printed the target port, or told which one was asked for."""
    flow = place.flow
    if not addresses or flow.protocol not in PROTOCOLS:
        return ()
    ports = {flow.port, *(port for fact in cluster.facts.of_kind("network_policy") for port in _ports_in(fact.fields))}
    return tuple(
        (address, flow.port)
        for address in addresses
        if all(allowed(_rulings(cluster, place, end_at(cluster, address), port)) is False for port in ports)
    )


def _portless(choice: Choice) -> list[str]:
    """Ready backends of a Service of whose target port nothing is known."""
    return [p.backend.address for p in choice.passed if p.why == "no-port" and p.backend.ready and not p.backend.ports][:MAX_TARGETS]


def _ports_in(value: object) -> Iterator[int]:
    """Numbers of ports that a policy names, wherever in it."""
    if isinstance(value, Mapping):
        yield from (number for name in ("port", "endPort") if isinstance(number := value.get(name), int))
        yield from (number for inner in value.values() for number in _ports_in(inner))
    elif isinstance(value, (list, tuple)):
        yield from (number for inner in value for number in (_ports_in(inner) if not isinstance(inner, int) else (inner,)))


class _Place:
    """What all denials of one flow share."""

    def __init__(self, flow: Flow, number: int, source: End, meaning: Meaning | None, translated: Fact | None = None) -> None:
        self.flow = flow
        self.number = number
        self.source = source
        self.meaning = meaning
        self.translated = translated
        """The translation of the source that the walk met, if it met one."""

    def arriving(self, cluster: Cluster, target: End) -> End:
        """The sender as the target's node sees it: a node translates what leaves it, after its own policies."""
        nat = self.translated
        if nat is None or not target.node or nat.node in {target.node, cluster.host_of(target.node)}:
            return self.source
        return end_at(cluster, str(nat.get("after")))


def _translated(walked: Iterable[Fact]) -> Fact | None:
    """The last translation of the request's source that a line of the evidence makes: one that was only supposed does not judge anybody."""
    found = [f for f in walked if f.kind == "nat" and f.source.name and (f.get("type"), f.get("direction")) == ("source", "request")]
    return found[-1] if found else None


def _source(cluster: Cluster, flow: Flow, walked: str) -> End:
    """The sending end: by the address that the walk used, else by the name that the question gave it."""
    address = flow.src or walked
    if address:
        found = end_at(cluster, address)
        return found if found.pod is not None or found.node or not flow.node else End(address, None, _node_name(cluster, flow.node))
    space, _, name = flow.from_name.partition("/")
    # What was seen inside a pod bears its name, on whatever machine kubectl was typed.
    inside = [pod for pod in cluster.pods.values() if pod.name == flow.stack and not pod.ips] if flow.stack not in {"", HOST} else []
    pod = cluster.pods.get((space, name)) or (inside[0] if len(inside) == 1 else None)
    return end_of(cluster, pod, family_of(flow.dst)) if pod is not None else End("", None, _node_name(cluster, flow.node))


def _node_name(cluster: Cluster, host: str) -> str:
    node = cluster.node_of(host) if host else None
    return node.name if node is not None else ""


# --- Services ------------------------------------------------------------------------------------------------------------


def _choice(cluster: Cluster, meaning: Meaning, flow: Flow, source: End) -> Choice:
    """Backends among which the node chooses that the packet enters: the sender's, or for a client outside the one that it asks."""
    outside = source.pod is None and not source.node
    at = cluster.node_at(flow.dst) if outside else None
    return choose(cluster, meaning, at.name if at is not None else "" if outside else source.node, outside=outside)


def _service_flow(cluster: Cluster, flow: Flow, number: int, meaning: Meaning, choice: Choice) -> Fact:
    service = meaning.service
    fields: dict[str, Any] = {
        "flow": number,
        "direction": "request",
        "namespace": service.namespace,
        "service": service.name,
        "type": service.type,
        "via": meaning.via,
        "address": flow.dst,
        "asked": flow.port,
        "protocol": flow.protocol,
        "offers": tuple(f"{p.port}/{p.protocol}" for p in service.ports),
        "policy": choice.policy,
        "known": choice.known,
        **(backend_fields(cluster, service, meaning.port) if meaning.port is not None else {}),
    }
    if meaning.port is not None and choice.known:
        fields |= _counted(cluster, choice)
    asked = cluster.node_at(flow.dst)
    # A client outside of the cluster, on whatever machine: the node that it asks decides.
    if asked is not None and (not flow.node or cluster.node_of(flow.node) is None):
        return Fact("service_flow", fields, asked.host or asked.name, HOST, service.fact.source, service.fact.line, service.fact.text)
    return Fact("service_flow", fields, flow.node, flow.stack or HOST, service.fact.source, service.fact.line, service.fact.text)


def _ends(cluster: Cluster, flow: Flow, number: int, source: End) -> Iterator[Fact]:
    """The pod that sends, as the API has it."""
    space, _, name = flow.from_name.partition("/")
    pod = cluster.pods.get((space, name)) or source.pod
    if pod is not None:
        fields = {"flow": number, "direction": "request", "namespace": pod.namespace, "name": pod.name, "host_network": cluster.on_host(pod)}
        fields |= {name: pod.fact.get(name) for name in ("dns_policy", "owner") if pod.fact.get(name)}
        yield Fact("pod_sends", fields, flow.node or pod.node, flow.stack or HOST, pod.fact.source, pod.fact.line, pod.fact.text)


def _balanced(cluster: Cluster, place: _Place) -> Iterator[Fact]:
    """A load balancer outside the cluster that the flow asks for, if the sender is one of those behind it."""
    meaning, source = place.meaning, place.source
    # kube-proxy hands the balancer's other addresses to the backends itself.
    if meaning is not None and place.flow.dst not in meaning.service.proxied_ips:
        return
    if meaning is None:
        fact, service = _control_plane(cluster, place.flow.dst), cluster.services.get(("default", "kubernetes"))
    else:
        fact, service = meaning.service.fact, meaning.service
    behind = {b.address: b for b in cluster.backends(service) or ()} if service is not None else {}
    node = cluster.nodes.get(source.node)
    known = (source.address, *(node.addresses if node is not None else ()))
    by, held = "service" if meaning is not None else "control-plane", tuple(behind)
    if meaning is not None and not any(a in behind for a in known):
        by, held = "nodes", _balanced_nodes(cluster, meaning, behind.values())
    own = next((a for a in known if a in held), "")
    if fact is None or not own:
        return
    fields = {"flow": place.number, "direction": "request", "address": place.flow.dst, "port": place.flow.port, "sender": own}
    fields |= {"backends": held, "by": by, "alone": len(held) == 1}
    yield Fact("own_balancer", fields, place.flow.node or source.node, place.flow.stack or HOST, fact.source, fact.line, fact.text)


def _balanced_nodes(cluster: Cluster, meaning: Meaning, behind: Iterable[Backend]) -> tuple[str, ...]:
    """Addresses of the nodes to whose port of the Service a load balancer outside gives connections: under a Local policy those with a backend."""
    if meaning.port is None or not meaning.port.node_port:
        return ()
    near = {b.node for b in behind if b.ready} if meaning.service.external_policy == "Local" else set(cluster.nodes)
    nodes = [node for name, node in cluster.nodes.items() if name in near and node.ready is not False and UNBALANCED not in (node.labels or {})]
    return tuple(node.addresses[0] for node in nodes if node.addresses)


def _control_plane(cluster: Cluster, address: str) -> Fact | None:
    """The configuration of kubeadm, if it names the address as the control plane's endpoint and no node has it."""
    config = cluster.config("kube-system", "kubeadm-config")
    said = setting("\n".join(map(str, config.get("data", {}).values())), "controlPlaneEndpoint") if config is not None else ""
    return config if said.rpartition(":")[0].strip("[]") == address and cluster.node_at(address) is None else None


def _counted(cluster: Cluster, choice: Choice) -> dict[str, Any]:
    reasons = [passed.why for passed in choice.passed]
    held = {t.backend.node for t in choice.eligible}
    local = choice.policy == "Local" and "" not in held
    bare = [n.name for n in cluster.nodes.values() if n.name not in held and n.ready is not False] if local else []
    return {
        "bare_nodes": tuple(bare),
        "eligible": tuple(_end_text(t) for t in choice.eligible),
        "eligible_count": len(choice.eligible),
        "elsewhere": reasons.count("other-node"),
        "elsewhere_nodes": tuple(dict.fromkeys(p.backend.node for p in choice.passed if p.why == "other-node" and p.backend.node)),
    }


def _end_text(target: Target) -> str:
    return f"[{target.address}]:{target.port}" if ":" in target.address else f"{target.address}:{target.port}"


def backend_fields(cluster: Cluster, service: Service, port: ServicePort) -> dict[str, Any]:
    """What is known of one port's backends; shared by ``service_flow`` and ``service_backends``."""
    fields: dict[str, Any] = {"port": port.port, "port_name": port.name, "protocol": port.protocol}
    if port.node_port:
        fields["node_port"] = port.node_port
    if port.target is not None:
        fields["target_port"] = str(port.target)
    if service.selector is not None:
        fields["selector"] = ",".join(f"{key}={value}" for key, value in service.selector.items())
    backends = cluster.backends(service)
    if backends is not None:
        fields["ready"] = sum(b.ready for b in backends)
        waiting = sum(not b.ready for b in backends)
        # The table of Endpoints shows ready addresses only.
        if waiting or all("not_ready" in f.fields for f in cluster.endpoint_facts(service)):
            fields["not_ready"] = waiting
    pods = selected(cluster, service)
    if pods is not None:
        fields |= {"selected": len(pods), **_undeclared(port, pods)}
    if not pods:
        fields |= _in_templates(cluster, service, port)
    missing = lack(cluster, service, port)
    if missing is not None:
        fields |= {"lack": missing.why, "pods": tuple(p.full for p in missing.pods), **_of_pods(cluster, missing.pods)}
        if missing.why == "no-pod" and missing.pods:
            fields |= _fitting(service, missing.pods[0])
    return fields


def _undeclared(port: ServicePort, pods: Sequence[Pod]) -> dict[str, Any]:
    """Ports that the selected pods declare, where none of them declares the one that the Service sends to."""
    declared = [pod for pod in pods if _numbers(pod)]
    strange = declared and all((target_port(port, pod), port.protocol) not in _numbers(pod) for pod in declared)
    named = not isinstance(port.target, int) and any(pod.fact.get("ports_unnamed") for pod in declared)
    if not strange or port.target is None or named or len(declared) < len(pods):
        return {}
    first = declared[0]
    texts = _port_texts(first) or tuple(f"{number}/{protocol}" for number, protocol in _numbers(first))
    return {"undeclared": True, "pod": first.full, "pod_ports": texts, "pod_port": next(iter(_numbers(first)))[0]}


def _in_templates(cluster: Cluster, service: Service, port: ServicePort) -> dict[str, Any]:
    """The same by the templates of pods that nobody listed: of every workload whose pods the Service selects."""
    if not service.selector or not isinstance(port.target, int):
        return {}
    wanted = service.selector.items()
    made = [w for w in cluster.workloads() if w.get("namespace") == service.namespace and wanted <= dict(w.get("template_labels") or {}).items()]
    declared = [{(int(p["port"]), str(p.get("protocol", "tcp")).lower()): None for p in w.get("ports", ())} for w in made]
    if not declared or not all(declared) or any((port.target, port.protocol) in ports for ports in declared):
        return {}
    texts = tuple(f"{number}/{protocol}" for number, protocol in declared[0])
    owner = f"{str(made[0].get('type', '')).lower()} {made[0].get('namespace')}/{made[0].get('name')}"
    return {"undeclared": True, "template": True, "pod": owner, "pod_ports": texts, "pod_port": next(iter(declared[0]))[0]}


def _numbers(pod: Pod) -> dict[tuple[int, str], None]:
    """Numbers and protocols of the ports that a pod declares, also where a description leaves their names out."""
    if pod.ports is not None:
        return {(p.port, p.protocol): None for p in pod.ports}
    return {(int(p["port"]), str(p.get("protocol", "tcp")).lower()): None for p in pod.fact.get("ports", ()) if pod.fact.get("ports_unnamed")}


def _fitting(service: Service, pod: Pod) -> dict[str, str]:
    """A selector that the pod would fit: of the Service's keys those that the pod has, else the labels that tell applications apart."""
    labels = pod.labels or {}
    kept = {key: labels[key] for key in service.selector or {} if key in labels}
    usual = {key: labels[key] for key in APPLICATION if key in labels}
    fitting = kept or dict(list(usual.items())[:1])
    return {"fitting": ",".join(f"{key}={value}" for key, value in fitting.items())} if fitting else {}


def _of_pods(cluster: Cluster, pods: Sequence[Pod]) -> dict[str, Any]:
    """What a reader wants to know of the first of some pods."""
    if not pods:
        return {}
    first = pods[0]
    found: dict[str, Any] = {"pod": first.full, "pod_phase": first.phase, "pod_labels": shown({"matchLabels": first.labels or {}})}
    found |= {f"pod_{name}": text for name, text in zip(("reason", "message"), cluster.trouble(first), strict=True) if text}
    probes = first.fact.get("probes")
    return found | ({"pod_probe": probes[0]} if probes else {}) | ({"pod_ports": _port_texts(first)} if first.ports else {})


def _port_texts(pod: Pod) -> tuple[str, ...]:
    return tuple(f"{p.name or '-'}={p.port}/{p.protocol}" for p in pod.ports or ())


def service_backends(cluster: Cluster) -> Iterator[Fact]:
    """A ``service_backends`` fact for every port of every Service."""
    for service in cluster.services.values():
        for port in service.ports:
            fields = {
                "namespace": service.namespace,
                "service": service.name,
                "full": service.full,
                "type": service.type,
                "headless": service.headless,
                "known": cluster.backends(service) is not None,
                **backend_fields(cluster, service, port),
            }
            yield Fact("service_backends", fields, "", HOST, service.fact.source, service.fact.line, service.fact.text)
    yield from bare.backends(cluster)


# --- policies ------------------------------------------------------------------------------------------------------------


def _denials(cluster: Cluster, place: _Place, targets: Sequence[tuple[str, int]]) -> Iterator[Fact]:
    """One fact for each side that turns the flow away, of the first target whose policies do so."""
    if place.flow.protocol not in PROTOCOLS or not cluster.policies or enforcer(cluster) == "none":
        return
    denied: dict[str, list[tuple[Ruling, End, int]]] = {}
    for address, port in targets:
        target = _behind(cluster, place.meaning, address)
        for ruling in _rulings(cluster, place, target, port):
            if ruling.allowed is False and (ruling.policies or ruling.decider):
                denied.setdefault(ruling.side, []).append((ruling, target, port))
    for rulings in denied.values():
        yield _denial(cluster, place, rulings[0], everywhere=len(rulings) == len(targets))


def _rulings(cluster: Cluster, place: _Place, target: End, port: int) -> tuple[Ruling, Ruling]:
    """What the sender's policies say, and what the receiver's say of the sender as it arrives there."""
    egress, ingress = judge(cluster, place.source, target, port, place.flow.protocol)
    arriving = place.arriving(cluster, target)
    return (egress, ingress) if arriving is place.source else (egress, judge(cluster, arriving, target, port, place.flow.protocol)[1])


def _behind(cluster: Cluster, meaning: Meaning | None, address: str) -> End:
    """The end at a backend's address: of a pod that nobody listed what the Service's selector tells, where no policy asks for more labels."""
    end = end_at(cluster, address)
    labels = meaning.service.selector if meaning is not None and address in {b.address for b in cluster.backends(meaning.service) or ()} else None
    if end.pod is not None or end.node or meaning is None or not labels or any(p.get("flavour") != "kubernetes" for p in cluster.policies):
        return end
    selectors = [policy.get("spec", {}).get("podSelector") or {} for policy in cluster.policies_in(meaning.service.namespace)]
    if any(s.get("matchExpressions") or not set(s.get("matchLabels") or ()) <= set(labels) for s in selectors):
        return end
    service = meaning.service
    return end._replace(pod=Pod(service.namespace, f"{service.name}-*", service.fact, (address,), labels=labels))


def _denial(cluster: Cluster, place: _Place, denied: tuple[Ruling, End, int], *, everywhere: bool) -> Fact:
    ruling, target, port = denied
    peer = target if ruling.side == EGRESS else place.arriving(cluster, target)
    decider = ruling.decider or ruling.policies[0]
    pod = ruling.pod
    fields: dict[str, Any] = {
        "flow": place.number,
        "direction": "request",
        "side": ruling.side,
        "namespace": pod.namespace if pod is not None else "",
        "pod": pod.name if pod is not None else "",
        **({"pod_labels": shown({"matchLabels": pod.labels})} if pod is not None and pod.labels is not None else {}),
        "policies": names_of(ruling.policies),
        "policy": names_of([decider])[0],
        "flavour": str(decider.get("flavour")),
        "decided": "rule" if ruling.decider is not None else "isolated",
        **_rank(decider),
        "port": port,
        "protocol": place.flow.protocol,
        "share": "all" if everywhere else "some",
        "enforcer": enforcer(cluster),
        **_peer_fields(cluster, peer),
    }
    if place.meaning is not None:
        fields["service"] = place.meaning.service.full
    # Policies are applied by the pod's node, not inside the pod.
    node = (cluster.host_of(pod.node) or pod.node) if pod is not None else ""
    return Fact("policy_denies", fields, node or place.flow.node, HOST, decider.source, decider.line, decider.text)


def _rank(policy: Fact) -> dict[str, Any]:
    """Tier and order of a policy of calico's, priority of an administrator's."""
    spec = policy.get("spec", {})
    names = ("tier", "order") if str(policy.get("flavour")).startswith("calico") else ("priority",)
    return {name: spec[name] for name in names if isinstance(spec.get(name), str | int | float)}


def _peer_fields(cluster: Cluster, peer: End) -> Mapping[str, Any]:
    """The other end in the words that a policy would use."""
    if peer.pod is None:
        return {"peer": peer.address, "peer_kind": "node" if peer.node else "outside", "peer_name": peer.node}
    spaces = cluster.namespace_labels(peer.pod.namespace)
    return {
        "peer": peer.address,
        "peer_kind": "pod",
        "peer_name": peer.pod.full,
        "peer_namespace": peer.pod.namespace,
        **({"peer_labels": shown({"matchLabels": peer.pod.labels})} if peer.pod.labels is not None else {}),
        **({"peer_namespace_labels": shown({"matchLabels": spaces})} if spaces is not None else {}),
    }


def called(facts: FactBase, words: Iterable[str]) -> dict[str, Any]:
    """Pods and Services that words of a question name, as ``namespace/name``: in full, or pods by what their owner is called."""
    cluster, words = Cluster(facts), tuple(words)
    pods = [pod for pod in cluster.pods.values() if any(_names(word, pod.namespace, pod.name, pod=True) for word in _asked(words, "services?|svc"))]
    services = [s for s in cluster.services.values() if any(_names(word, s.namespace, s.name, pod=False) for word in _asked(words, "pods?|po"))]
    empty = next((s.full for s in services if s.headless and s.ports and all(lack(cluster, s, port) is not None for port in s.ports)), "")
    hosted = next((pod.full for pod in pods if pod.host_network), "")
    lacking = next((s.full for s in services if s.ports and all(lack(cluster, s, port) is not None for port in s.ports)), "")
    shut = {str(fact.get("full")) for fact in closed.closed_pods(cluster)} if cluster.policies else set()
    found = {"unresolvable": empty, "unresolving": hosted, "lacking": lacking or _unseen(cluster, words)}
    found["muted"] = next((pod.full for pod in pods if pod.full in shut), "")
    return {"pods": tuple(p.full for p in pods), "services": tuple(s.full for s in services), **{k: v for k, v in found.items() if v}}


def _unseen(cluster: Cluster, words: Iterable[str]) -> str:
    """The first Service named of which only empty endpoints were seen."""
    named = _asked(words, "pods?|po")
    return next((full for full in bare.empty_endpoints(cluster) if any(_names(word, *full.split("/", 1), pod=False) for word in named)), "")


def _asked(words: Iterable[str], others: str) -> set[str]:
    """Names among words, without their kind, but for those of another kind."""
    plain = (re.sub(r"\.svc(?:\..*)?$", "", word.lower()).rstrip(".") for word in words)
    return {re.sub(r"^(?:pods?|po|svc|services?)/", "", word) for word in plain if not re.match(f"(?:{others})/", word)} - {""}


def _names(word: str, space: str, name: str, *, pod: bool) -> bool:
    """Whether a word is a name: ``web``, ``shop/web``, ``web.shop``; of a pod also what stands before the suffixes of its owners."""
    if word in (name, f"{space}/{name}", f"{name}.{space}"):
        return True
    asked, _, bare = word.rpartition("/")
    return pod and asked in ("", space) and name.startswith(f"{bare}-")


class Need(NamedTuple):
    """Evidence that would tell more of a flow."""

    node: str
    command: str
    en: str
    zh: str


def needed(cluster: Cluster, flow: Flow, walked: Iterable[Fact]) -> list[Need]:
    """What to collect for a flow of which the Kubernetes objects do not tell enough."""
    if not cluster.known or flow.protocol not in PROTOCOLS:
        return []
    sent = next((f for f in walked if f.kind == "flow"), None)
    source = _source(cluster, flow, str(sent.get("src", "")) if sent is not None else "")
    meaning = meant(cluster, flow.dst, flow.port, flow.protocol)
    found: list[Need] = []
    if meaning is not None and cluster.backends(meaning.service) is None:
        space, name = meaning.service.key
        command = f"kubectl get endpointslices -n {quote(space)} -l kubernetes.io/service-name={quote(name)} -o yaml"
        full = meaning.service.full
        found.append(Need("", command, f"who stands behind Service {full} is not in the evidence", f"证据中没有 Service {full} 的端点"))
    found += [Need("", command, *_what_it_tells(command)) for command in _unsettled(cluster, source, meaning, flow)]
    if source.node and not cluster.host_of(source.node):
        command = f"diagnose collect -o {quote(source.node)}.tar.gz"
        why = f"the state of {source.node} itself is not in the evidence: what its rules and routes do with the packet is open"
        found.append(Need(source.node, command, why, f"证据中没有 {source.node} 自身的状态，无法推演它的规则与路由"))
    return found


def _what_it_tells(command: str) -> tuple[str, str]:
    """What a command that settles a policy's answer shows, in English and Chinese."""
    if command == LIST_LABELS:
        return "labels of pods decide which network policies hold for them, and were not printed", "Pod 的标签决定适用哪些网络策略，而证据中没有标签"
    if " get namespaces" in command:
        return "network policies select by labels of namespaces, which were not printed", "网络策略按命名空间的标签选择，而证据中没有这些标签"
    if " get networkpolicies -n" in command:
        return "of the network policies only names were printed, not what they allow", "只打印了网络策略的名称，没有其内容"
    return "network policies may turn the flow away", "网络策略可能会拒绝该流量"


def _unsettled(cluster: Cluster, source: End, meaning: Meaning | None, flow: Flow) -> list[str]:
    """Commands that would tell whether policies turn a flow away; none if that is known."""
    if enforcer(cluster) == "none":
        return []
    targets = [(t.address, t.port or flow.port) for t in _choice(cluster, meaning, flow, source).eligible[:MAX_TARGETS]] if meaning else []
    ends = [(end_at(cluster, address), port) for address, port in targets or [(flow.dst, flow.port)]]
    rulings = [ruling for end, port in ends for ruling in judge(cluster, source, end, port, flow.protocol)]
    unknown = [ruling for ruling in rulings if ruling.allowed is None]
    # Whom a policy selects is the next question: one round is enough.
    labels = [LIST_LABELS] if any(ruling.pod is not None and ruling.pod.labels is None for ruling in unknown) else []
    return list(dict.fromkeys([ruling.settle for ruling in unknown if ruling.settle] + labels))
