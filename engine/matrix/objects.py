"""Who reaches whom by the API's objects alone: whom policies turn away, which Services nobody stands behind; never that a connection works.

Pods that no policy tells apart make one class; every pair of classes is asked.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.cluster.calico import names_of
from engine.cluster.policies import LIST_NAMESPACES, LIST_PODS, LIST_POLICIES, allowed, end_of, judge
from engine.cluster.policies import end_at as address_end
from engine.cluster.services import backend_port
from engine.inet import prefix
from engine.matrix.members import frontends, members, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.cluster import Cluster
    from engine.cluster.objects import Pod
    from engine.cluster.policies import Ruling
    from engine.facts import Fact
    from engine.matrix.answers import Options
    from engine.matrix.classes import Member
    from engine.matrix.members import Frontend
    from engine.model.network import Network

PROTOCOLS = ("tcp", "udp")
LIST_ENDPOINTS = "kubectl get endpointslices -A -o yaml"
_WORD = re.compile(r"[A-Za-z0-9_./-]+")
_NUMBER = re.compile(r"\d{1,5}")


class Barred(NamedTuple):
    """Connections that policies turn away, or may turn away."""

    sources: tuple[Member, ...]
    targets: tuple[Member | Frontend, ...]
    pairs: int
    side: str
    """egress | ingress; "" where it is open."""
    policies: tuple[str, ...]
    """Those that decide, as ``namespace/name``."""
    share: str
    """all | some of a Service's backends"""
    line: Fact | None
    """The policy's object; ``None`` where it is open."""
    settle: str = ""
    """The command that would tell, where it is open."""


class ByObjects(NamedTuple):
    """The answer for all pairs of pods, and pods and Services, as far as the objects go."""

    options: Options
    pods: int
    nodes: int
    services: int
    pairs: int
    barred: tuple[Barred, ...]
    """The most pairs first."""
    open: tuple[Barred, ...]
    lacking: tuple[Fact, ...]
    """``service_backends`` facts of ports that nobody ready stands behind."""
    unready: tuple[str, ...]
    """Nodes that are not ready."""
    clashes: tuple[Fact, ...]
    """``cidr_clash`` facts."""
    enforcer: str
    """What makes policies count; ``none``, or "" if that is not told."""
    unlisted: tuple[str, ...]
    """Commands that print what of the API was not given."""


class Crowd(NamedTuple):
    """Pods that no policy tells apart."""

    members: tuple[Member, ...]
    pods: tuple[Pod, ...]


def unseen(network: Network) -> bool:
    """Whether no node's own state is in the evidence."""
    return not any(stack.links or stack.addresses for stack in network.stacks.values())


def by_objects(network: Network, cluster: Cluster, options: Options) -> ByObjects:
    """What the objects say."""
    everybody = [m for m in members(network, cluster, options.family) if m.kind == "pod"]
    sources = _chosen(everybody, options.sources)
    targets = _chosen(everybody, options.targets)
    fronts = [f for f in frontends(cluster, options.family) if options.services and _wanted(f, options.targets)]
    asking = _Asking(cluster, options, everybody)
    barred, open_ = asking.asked(sources, targets, fronts) if cluster.enforcer != "none" else ([], [])
    pairs = len(sources) * (len(targets) + len(fronts)) - len(set(sources) & set(targets))
    lacking = [f for f in cluster.facts.of_kind("service_backends") if f.get("lack") and not f.get("headless") and f.get("known")]
    unready = tuple(node.name for node in cluster.nodes.values() if node.ready is False)
    clashes = tuple(f for f in cluster.facts.of_kind("cidr_clash") if f.get("what") != "unaligned")
    counts = len(everybody), len(cluster.nodes), len(fronts)
    return ByObjects(options, *counts, pairs, barred=tuple(_joined(barred)), open=tuple(_joined(open_)), lacking=tuple(lacking), unready=unready,
        clashes=clashes, enforcer=cluster.enforcer, unlisted=tuple(_unlisted(cluster)))


def _chosen(everybody: list[Member], names: Sequence[str]) -> list[Member]:
    return everybody if not names else list(dict.fromkeys(m for name in names for m in named(everybody, name)))


def _wanted(front: Frontend, names: Sequence[str]) -> bool:
    from fnmatch import fnmatchcase

    called = {front.name, front.name.rpartition(":")[0], front.address}
    return not names or any(name in called or fnmatchcase(front.name, name) for name in names)


def _unlisted(cluster: Cluster) -> Iterator[str]:
    """Commands that print what was not listed whole."""
    told = (("pods", LIST_PODS), ("networkpolicies", LIST_POLICIES), ("namespaces", LIST_NAMESPACES), ("services", "kubectl get services -A -o yaml"))
    yield from (command for plural, command in told if not cluster.listed(plural))
    if not cluster.listed("endpointslices") and not cluster.listed("endpoints"):
        yield LIST_ENDPOINTS


class _Asking:
    """One run."""

    def __init__(self, cluster: Cluster, options: Options, everybody: Iterable[Member]) -> None:
        self.cluster = cluster
        self.options = options
        specs = [policy.fields for policy in cluster.policies]
        texts = list(dict.fromkeys(text for spec in specs for text in _texts(spec)))
        self._words = {word for text in texts for word in (text, *_WORD.findall(text), text.rpartition(":")[2])}
        self._nets = [made for text in texts if "/" in text and (made := _net(text)) is not None]
        self._numbers = {n for text in texts for word in _NUMBER.findall(text) if 0 < (n := int(word)) < 65536}
        self._numbers.add(next(n for n in range(65535, 0, -1) if n not in self._numbers))
        self._pods = {ip: pod for pod in cluster.pods.values() if pod.active and not cluster.on_host(pod) for ip in pod.ips}
        self._crowd: dict[Member, int] = {}
        self._keys: dict[object, int] = {}
        for member in everybody:
            self._crowd[member] = self._keys.setdefault(self._key(member), len(self._keys))

    def _key(self, member: Member) -> object:
        """What policies may tell a pod by."""
        pod, family = self._pods[member.address], self.options.family
        labels = None if pod.labels is None else frozenset((k, v) for k, v in pod.labels.items() if k in self._words)
        held = tuple(net for net in self._nets if net.family == family and net.holds(member.value))
        return pod.namespace, labels, pod.fact.get("service_account"), pod.ports, held

    def _crowds(self, chosen: Iterable[Member]) -> list[Crowd]:
        found: dict[int, list[Member]] = defaultdict(list)
        for member in chosen:
            found[self._crowd[member]].append(member)
        return [Crowd(tuple(each), tuple(self._pods[m.address] for m in each)) for each in found.values()]

    def asked(self, sources: list[Member], targets: list[Member], fronts: list[Frontend]) -> tuple[list[Barred], list[Barred]]:
        """Pairs that policies turn away, and those that they may turn away."""
        barred: list[Barred] = []
        open_: list[Barred] = []
        others = self._crowds(targets)
        for crowd in self._crowds(sources) if self.cluster.policies or not self.cluster.listed("networkpolicies") else ():
            for made in [*(self._pair(crowd, other) for other in others), *(self._front(crowd, front) for front in fronts)]:
                if made is not None:
                    (open_ if made.settle else barred).append(made)
        return barred, open_

    def _pair(self, crowd: Crowd, other: Crowd) -> Barred | None:
        same = set(crowd.members) & set(other.members)
        pairs = len(crowd.members) * len(other.members) - len(same)
        if not pairs:
            return None
        one, two = next((a, b) for a in crowd.pods for b in other.pods if a is not b)
        source, target = end_of(self.cluster, one, self.options.family), end_of(self.cluster, two, self.options.family)
        rulings = []
        for port, protocol in self._ports(two):
            rulings.append(judge(self.cluster, source, target, port, protocol))
            if allowed(rulings[-1]):
                return None
        return self._made(crowd.members, other.members, pairs, [rulings])

    def _ports(self, pod: Pod) -> Iterator[tuple[int, str]]:
        """The port asked for; else all that policies or the pod name, and one that nobody names: what is denied on all of these is denied."""
        if self.options.port:
            yield self.options.port, self.options.protocol
            return
        declared = {p.port for p in pod.ports or ()}
        yield from ((port, protocol) for protocol in PROTOCOLS for port in sorted(self._numbers | declared))

    def _front(self, crowd: Crowd, front: Frontend) -> Barred | None:
        service = next(iter(self.cluster.services_at(front.address)), None)
        port = next((p for p in service.ports if (p.port, p.protocol) == (front.port, front.protocol)), None) if service is not None else None
        if service is None or port is None:
            return None
        source = end_of(self.cluster, crowd.pods[0], self.options.family)
        behind = [(b.address, number) for b in self.cluster.backends(service) or () if b.ready and (number := backend_port(port, b))]
        rulings = [[judge(self.cluster, source, address_end(self.cluster, address), number, front.protocol)] for address, number in behind]
        return self._made(crowd.members, (front,), len(crowd.members), rulings) if rulings else None

    def _made(
        self, sources: tuple[Member, ...], targets: tuple[Member | Frontend, ...], pairs: int, asked: list[list[tuple[Ruling, Ruling]]]
    ) -> Barred | None:
        """What the rulings on each backend (of one pod: on each port) come to."""
        answers = [_answer(rulings) for rulings in asked]
        denied = [rulings for rulings, answer in zip(asked, answers, strict=True) if answer is False]
        if denied:
            ruling = next(r for r in denied[0][0] if r.allowed is False)
            deciding = [ruling.decider] if ruling.decider is not None else list(ruling.policies)
            share = "all" if len(denied) == len(asked) else "some"
            return Barred(sources, targets, pairs, ruling.side, names_of(deciding), share, deciding[0] if deciding else None)
        if None in answers:
            settle = next(r.settle for rulings in asked for both in rulings for r in both if r.allowed is None)
            return Barred(sources, targets, pairs, "", (), "all", None, settle)
        return None


def _answer(rulings: Iterable[tuple[Ruling, Ruling]]) -> bool | None:
    """Whether some of these connections is let through."""
    answers = [allowed(both) for both in rulings]
    return True if True in answers else None if None in answers else False


def _texts(value: Any) -> Iterator[str]:
    """All texts and numbers in an object, keys of mappings too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)


def _net(text: str) -> Any:
    try:
        return prefix(text)
    except ValueError:
        return None


def _joined(found: Iterable[Barred]) -> list[Barred]:
    """Those of one cause made one: by their senders, then by their targets."""
    blocks = list(found)
    for mine, other in (("sources", "targets"), ("targets", "sources")):
        kept: dict[object, Barred] = {}
        for block in blocks:
            key = (getattr(block, mine), block.side, block.policies, block.share, block.settle)
            before = kept.get(key)
            if before is not None:
                both: Mapping[str, Any] = {other: tuple(dict.fromkeys((*getattr(before, other), *getattr(block, other))))}
                kept[key] = before._replace(pairs=before.pairs + block.pairs, **both)
            else:
                kept[key] = block
        blocks = list(kept.values())
    return sorted(blocks, key=lambda block: (-block.pairs, block.policies, block.sources[0].name))
