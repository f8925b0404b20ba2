"""Where a node's proxy has not programmed what the API asks for: facts ``proxy_gap`` (of a flow) and ``proxy_state`` (of a node)."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.cluster.services import choose, meant
from engine.facts import HOST, Fact
from engine.proxy.programmed import Key, Proxy, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod
    from engine.cluster.services import Choice, Meaning
    from engine.facts import FactBase
    from engine.model.network import Network
    from engine.model.stack import NetStack
    from engine.proxy.programmed import Entry
    from engine.walk.trace import Flow

PROXIES = ("kube-proxy",)
"""How the pods of a proxy are called (their DaemonSet's name begins so)."""
WITHOUT = frozenset({"ebpf"})
"""Modes that write nothing that could be compared."""
FOREIGN = "service.kubernetes.io/service-proxy-name"
"""Label of Services that another proxy than kube-proxy serves."""
POD_DEVICES = ("cni0", "cbr0", "cali", "flannel", "kube-bridge", "kube-ipvs0", "vxlan.calico", "nodelocaldns", "weave", "antrea-gw", "genev_sys")
"""How devices are called that only nodes of a cluster have."""
KEPT = 64
"""Readings of stacks that are kept from one what-if to the next."""

_READ: OrderedDict[tuple[object, ...], tuple[Proxy, tuple[Fact, ...]]] = OrderedDict()
PARTS = ("netfilter_table", "nft_ruleset", "ipvs_service", "ipvs_server", "link", "collected")


def proxy_of(stack: NetStack, configured: str) -> Proxy:
    """What is programmed on a stack; kept while its facts are the same objects, for a what-if asks again."""
    facts = tuple(fact for kind in PARTS for fact in stack.facts(kind))
    key = (stack.node, stack.name, configured, *map(id, facts))
    if key not in _READ:
        # The facts are kept with the reading, so that no other object gets the identity of one of them.
        _READ[key] = (read(stack, configured), facts)
        while len(_READ) > KEPT:
            _READ.popitem(last=False)
    return _READ[key][0]


class Node(NamedTuple):
    """One machine of the evidence and its proxy."""

    host: str
    proxy: Proxy
    pod: Pod | None
    pod_state: str
    """running | not-ready | pending | crashed | missing; "" = the API's pods were not seen"""


def _runs_pods(stack: NetStack) -> bool:
    """Whether a machine shows that a kubelet makes pods on it: devices of a CNI plug-in, its configuration, the kubelet's own sockets."""
    if any(name.startswith(POD_DEVICES) for name in stack.links) or stack.facts("cni_config"):
        return True
    return any(f.fields.get("process") == "kubelet" for f in stack.sockets)


class Proxies:
    """The proxies of all machines of the evidence."""

    def __init__(self, network: Network, cluster: Cluster) -> None:
        self.network = network
        self.cluster = cluster
        self.mode = cluster.proxy_mode().mode or self._shown_mode()
        self.nodes = {s.node: self._node(s) for s in network.stacks.values() if s.node and s.is_host and self._member(s)}

    def _shown_mode(self) -> str:
        """The mode of the machines that show one, if it is the same everywhere: a cluster has one configuration."""
        modes = {proxy_of(stack, "").mode for stack in self.network.stacks.values() if stack.is_host} - {""}
        return modes.pop() if len(modes) == 1 else ""

    def _member(self, stack: NetStack) -> bool:
        """Whether a machine belongs to a cluster: by the API, else by what a proxy has left there."""
        if self.cluster.node_of(stack.node) is not None:
            return True
        return not self.cluster.nodes and (bool(proxy_of(stack, self.mode).keys) or _runs_pods(stack))

    def _node(self, stack: NetStack) -> Node:
        node = self.cluster.node_of(stack.node)
        pod, state = proxy_pod(self.cluster, node.name) if node is not None else (None, "")
        return Node(stack.node, proxy_of(stack, self.mode), pod, state)

    def elsewhere(self, host: str) -> tuple[str, int]:
        """The other machine whose proxy has programmed most, and how much."""
        found = [(len(n.proxy.keys), n.host) for n in self.nodes.values() if n.host != host]
        count, name = max(found, default=(0, ""))
        return (name, count) if count else ("", 0)


def proxy_pod(cluster: Cluster, node: str) -> tuple[Pod | None, str]:
    """The proxy's pod on a Kubernetes node, and its state; ("" where pods were not listed, or the cluster runs no such pods)."""
    everywhere = [p for p in cluster.pods_in("kube-system") if p.name.startswith(PROXIES)]
    if not everywhere:
        return None, ""
    here = [p for p in everywhere if p.node == node]
    if not here:
        # A pod that waits for a node is bound to one by affinity, which a listing does not show.
        waiting = next((p for p in everywhere if not p.node and p.phase == "Pending"), None)
        return (waiting, "pending") if waiting is not None else (None, "missing" if cluster.listed("pods", "kube-system") else "")
    best = next((p for p in here if p.phase == "Running" and p.ready is not False), here[0])
    return best, _state(best)


def _state(pod: Pod) -> str:
    if pod.phase == "Running":
        return "running" if pod.ready is not False else "not-ready"
    if pod.phase == "Pending":
        return "pending"
    return "crashed" if pod.phase else ""


# --- a flow ---------------------------------------------------------------------------------------------------------------


def facts_of(proxies: Proxies, flow: Flow, number: int) -> list[Fact]:
    """A ``proxy_gap`` fact if the sender's node does not do for a Service what it should; [] where nothing can be compared."""
    cluster = proxies.cluster
    meaning = meant(cluster, flow.dst, flow.port, flow.protocol)
    node = proxies.nodes.get(flow.node)
    if meaning is not None and (meaning.service.fact.get("labels") or {}).get(FOREIGN):
        return []
    if node is None:
        return _unseen(cluster, flow, number, meaning)
    if not node.proxy.known or proxies.mode in WITHOUT:
        return []
    key = Key(flow.dst, flow.port, flow.protocol)
    entry = node.proxy.entry(key) if meaning is None or meaning.via != "node-port" else node.proxy.look(key._replace(address=""))
    if meaning is None:
        return _by_the_others(proxies, node, key, entry, number)
    if meaning.port is None:
        return []
    kubernetes_node = cluster.node_of(flow.node)
    choice = choose(cluster, meaning, kubernetes_node.name if kubernetes_node is not None else "")
    what = _what(entry, choice, _all_backends(cluster, meaning))
    if not what:
        return []
    fields = {**_common(proxies, node, number), **_asked(meaning, flow), **what, "ready": len(choice.eligible)}
    return [_placed(fields, node, entry, meaning.service.fact)]


def _what(entry: Entry | None, choice: Choice, backends: frozenset[str]) -> dict[str, Any]:
    """What is wrong with an entry; {} if nothing is, or if it cannot be told."""
    eligible = [(t.address, t.port) for t in choice.eligible]
    able = {"eligible": _texts(eligible)}
    if entry is None:
        return {"what": "missing", **able} if eligible or not choice.known else {}
    if not choice.known:
        return {}
    if entry.rejects or not entry.targets:
        return {"what": "rejected", **able} if eligible else {}
    wrong = [t for t in entry.targets if t[0] not in backends]
    there = {*entry.targets, *((address, 0) for address, _ in entry.targets)}
    lacks = [t for t in eligible if t not in there and (t[0], 0) not in entry.targets]
    if not wrong and not lacks:
        return {}
    told: dict[str, Any] = {"what": "stale" if wrong else "lacking", "targets": _texts(entry.targets), **able}
    return told | ({"wrong": _texts(wrong)} if wrong else {}) | ({"lacks": _texts(lacks)} if lacks else {})


def _all_backends(cluster: Cluster, meaning: Meaning) -> frozenset[str]:
    """Addresses of a Service's backends, those that are not ready or that end included: a proxy may still know them."""
    return frozenset(b.address for b in cluster.backends(meaning.service) or ())


def _texts(targets: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(f"{address}:{port}" if port else address for address, port in targets)


def _unseen(cluster: Cluster, flow: Flow, number: int, meaning: Meaning | None) -> list[Fact]:
    """What the API alone tells of the proxy on a node whose own state was not given."""
    node = cluster.node_of(flow.node) if flow.node else None
    name = node.name if node is not None else _node_of_sender(cluster, flow)
    if meaning is None or not name or cluster.proxy_mode(name).mode in WITHOUT:
        return []
    pod, state = proxy_pod(cluster, name)
    if state in {"", "running", "not-ready"}:
        return []
    fields = {"flow": number, "direction": "request", **_asked(meaning, flow), "what": "unseen", **_pod_fields(pod, state)}
    told = node.fact if node is not None else None
    fact = pod.fact if pod is not None else told or meaning.service.fact
    return [Fact("proxy_gap", fields, flow.node or cluster.host_of(name) or name, HOST, fact.source, fact.line, fact.text)]


def _node_of_sender(cluster: Cluster, flow: Flow) -> str:
    """Node of a sender that only the API knows; "" for any other sender."""
    namespace, _, name = flow.from_name.partition("/")
    sender = cluster.pods.get((namespace, name)) if not flow.node else None
    return sender.node if sender is not None else ""


def _by_the_others(proxies: Proxies, node: Node, key: Key, entry: Entry | None, number: int) -> list[Fact]:
    """Without the API: what every other machine has programmed and this one has not."""
    if entry is not None or proxies.cluster.services:
        return []
    others = [n for n in proxies.nodes.values() if n.host != node.host and n.proxy.known]
    holding = [n for n in others if key in n.proxy.keys]
    if not holding or len(holding) != len(others):
        return []
    there = holding[0].proxy.entry(key)
    name = there.name if there is not None else ""
    service = name.partition(":")[0] or key.address
    asked = {"address": key.address, "port": key.port, "protocol": key.protocol, "via": "cluster-ip", "service": service}
    there_too = {"eligible": _texts(there.targets)} if there is not None and there.targets else {}
    fields = {**_common(proxies, node, number), **asked, **there_too, "what": "missing", "other": holding[0].host}
    return [_placed(fields, node, there, None)]


def _asked(meaning: Meaning, flow: Flow) -> dict[str, Any]:
    asked = {"address": flow.dst, "port": flow.port, "protocol": flow.protocol, "via": meaning.via}
    return {**asked, "service": meaning.service.full, "type": meaning.service.type}


def _common(proxies: Proxies, node: Node, number: int) -> dict[str, Any]:
    other, count = proxies.elsewhere(node.host)
    mode = node.proxy.mode or proxies.mode
    fields = {"flow": number, "direction": "request", "mode": mode, "programmed": len(node.proxy.keys), "elsewhere": count, "other": other}
    return {**fields, **_pod_fields(node.pod, node.pod_state)}


def _pod_fields(pod: Pod | None, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {"pod_state": state}
    if pod is not None:
        found["pod"] = pod.full
        found |= {f"pod_{name}": pod.fact.get(name) for name in ("reason", "message") if pod.fact.get(name)}
    return found


def _placed(fields: dict[str, Any], node: Node, entry: Entry | None, about: Fact | None) -> Fact:
    if entry is not None and entry.source is not None:
        return Fact("proxy_gap", fields, node.host, HOST, entry.source, entry.line, entry.text)
    if about is None:
        return Fact("proxy_gap", fields, node.host, HOST)
    return Fact("proxy_gap", fields, node.host, HOST, about.source, about.line, about.text)


# --- a node ----------------------------------------------------------------------------------------------------------------


def states(base: FactBase) -> list[Fact]:
    """A ``proxy_state`` fact for every machine of a cluster (and for nodes of the API whose own state was not given)."""
    from engine.cluster.inventory import Cluster
    from engine.model import build

    cluster = Cluster(base)
    proxies = Proxies(build(base), cluster)
    found = [_state_of(proxies, node) for node in proxies.nodes.values()]
    for node in cluster.nodes.values():
        if node.host or cluster.proxy_mode(node.name).mode in WITHOUT:
            continue
        pod, state = proxy_pod(cluster, node.name)
        fact = pod.fact if pod is not None else node.fact
        if state and fact is not None:
            found.append(Fact("proxy_state", _pod_fields(pod, state), node.name, HOST, fact.source, fact.line, fact.text))
    return found


def _state_of(proxies: Proxies, node: Node) -> Fact:
    other, count = proxies.elsewhere(node.host)
    fields: dict[str, Any] = {**_pod_fields(node.pod, node.pod_state), "mode": node.proxy.mode or proxies.mode, "elsewhere": count, "other": other}
    if node.proxy.known:
        fields["programmed"] = len(node.proxy.keys)
        fields["expected"] = sum(1 for s in proxies.cluster.services.values() for _ in s.ports if s.cluster_ips)
    if node.pod is not None:
        return Fact("proxy_state", fields, node.host, HOST, node.pod.fact.source, node.pod.fact.line, node.pod.fact.text)
    return Fact("proxy_state", fields, node.host, HOST)
