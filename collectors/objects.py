"""Kubernetes objects that several listings show: in the namespace that they belong to, and each once.

``kubectl get pods`` prints no namespace: it is that of the person's context.  What else was printed mostly tells it: the same names in a
listing that shows namespaces, Services and endpoints of one name, the one namespace that people run anything in.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collectors.poddens import denned
from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEFAULT: Final = "default"
LISTINGS: Final = {
    "pod": "pods", "service": "services", "endpoints": "endpoints", "network_policy": "networkpolicies", "workload": "", "k8s_event": "",
}
"""Kinds of objects that live in namespaces → their listing, where it is one that may be known to be whole."""
SYSTEM: Final = re.compile(
    r"kube-(?:system|public|node-lease|flannel)|.*-system|calico-.*|tigera-operator|ingress-nginx|cert-manager|local-path-storage|monitoring"
)
"""Namespaces of what clusters run for themselves."""
SYSTEM_NAMES: Final = re.compile(r"(?:kube-dns|coredns|kube-proxy|kube-apiserver|kube-scheduler|kube-controller-manager|etcd)(?:-.*)?")
"""Names that objects of ``kube-system`` bear on any cluster."""


class _Table(NamedTuple):
    """What one output lists without a namespace."""

    facts: list[Fact]
    claims: list[Fact]
    """What it says of its completeness."""

    @property
    def names(self) -> list[tuple[str, str]]:
        """Kind and name of its objects."""
        return [(fact.kind, _name(fact)) for fact in self.facts]


def settled(facts: Sequence[Fact]) -> list[Fact]:
    """The facts, every object in a namespace and once."""
    return denned(_at_home(_once(_placed(facts))))


def _name(fact: Fact) -> str:
    return str(fact.get("service" if fact.kind == "endpoints" else "object" if fact.kind == "k8s_event" else "name") or "")


def _unplaced(fact: Fact) -> bool:
    """Whether a fact lacks the namespace that its object has."""
    if fact.kind == "collected":
        return bool(fact.get("scope") == "")
    return fact.kind in LISTINGS and "namespace" not in fact.fields and not (fact.kind == "network_policy" and fact.get("flavour") != "kubernetes")


# --- namespaces --------------------------------------------------------------------------------------------------------


def _placed(facts: Sequence[Fact]) -> list[Fact]:
    """The facts, those of tables without a namespace in the one that the rest of the evidence tells."""
    tables: dict[int, _Table] = {}
    for fact in facts:
        if _unplaced(fact):
            table = tables.setdefault(id(fact.source), _Table([], []))
            (table.claims if fact.kind == "collected" else table.facts).append(fact)
    if not tables:
        return list(facts)
    chosen, why = _Places(facts, tables).chosen()
    made = [_moved(fact, chosen[id(fact.source)]) if _unplaced(fact) else fact for fact in facts]
    return [*made, *_said(tables, chosen, why)]


def _moved(fact: Fact, space: str) -> Fact:
    if fact.kind == "collected":
        return fact.having(scope=space)
    return fact.having(namespace=space, full=f"{space}/{_name(fact)}") if fact.kind == "pod" else fact.having(namespace=space)


def _said(tables: dict[int, _Table], chosen: dict[int, str], why: dict[int, str]) -> list[Fact]:
    """What was supposed, by namespace and reason."""
    grouped: dict[tuple[str, str], list[_Table]] = defaultdict(list)
    for key, reason in why.items():
        if reason and any(fact.kind != "k8s_event" for fact in tables[key].facts):
            grouped[chosen[key], reason].append(tables[key])
    made = []
    for (space, reason), group in grouped.items():
        names = dict.fromkeys(name for table in group for kind, name in table.names if kind != "k8s_event")
        first = group[0].facts[0]
        fields = {"namespace": space, "names": tuple(names), "by": reason}
        made.append(Fact("supposed_namespace", fields, "", HOST, first.source, first.line))
    return made


class _Places:
    """Finds the namespace of every table that does not tell its own."""

    def __init__(self, facts: Sequence[Fact], tables: dict[int, _Table]) -> None:
        self.tables = tables
        self.told: dict[tuple[str, str], set[str]] = defaultdict(set)
        """Kind and name (or address) → namespaces that listings tell."""
        self.people: Counter[str] = Counter()
        """Objects of the namespaces that people run things in."""
        self.whole: set[tuple[str, str]] = set()
        """Listings seen as a whole: plural and namespace, or "all"."""
        for fact in facts:
            if fact.kind == "collected":
                self.whole.add((str(fact.get("what")), str(fact.get("scope"))))
            elif fact.kind in LISTINGS and fact.get("namespace"):
                self._tell(fact, str(fact.get("namespace")))
            elif fact.kind == "namespace" and _peoples(str(fact.get("name"))) and fact.get("name") != DEFAULT:
                self.people[str(fact.get("name"))] += 1

    def _tell(self, fact: Fact, space: str) -> None:
        for clue in _clues(fact):
            self.told[clue].add(space)
        # The API's own Service and what is behind it are in "default" of any cluster.
        if _peoples(space) and not (space == DEFAULT and _name(fact) == "kubernetes"):
            self.people[space] += 1

    def chosen(self) -> tuple[dict[int, str], dict[int, str]]:
        """Namespace of each table by its source, and why: ``names`` | ``only`` | ``context`` | ``default``, "" where nothing was supposed."""
        chosen: dict[int, str] = {}
        why: dict[int, str] = {}
        progress = True
        while progress:
            progress = False
            for key in [key for key in self.tables if key not in chosen]:
                space, reason = self._by_names(self.tables[key])
                if space:
                    chosen[key], why[key], progress = space, reason, True
                    for fact in self.tables[key].facts:
                        self._tell(fact, space)
        contexts = {space for key, space in chosen.items() if self.tables[key].facts}
        for key in [key for key in self.tables if key not in chosen]:
            chosen[key], why[key] = self._otherwise(self.tables[key], contexts)
        return chosen, why

    def _by_names(self, table: _Table) -> tuple[str, str]:
        """The namespace in which most of a table's objects are known to be, if it is one."""
        if ("service", "kubernetes") in table.names or ("endpoints", "kubernetes") in table.names:
            return DEFAULT, ""
        votes = Counter(space for fact in table.facts for space in set().union(*(self.told.get(clue, set()) for clue in _clues(fact))))
        votes.update("kube-system" for _, name in table.names if SYSTEM_NAMES.fullmatch(name))
        (first, most), *others = [*votes.most_common(2), ("", 0)]
        return (first, "" if first == DEFAULT else "names") if first and (not others or others[0][1] < most) else ("", "")

    def _otherwise(self, table: _Table, contexts: set[str]) -> tuple[str, str]:
        """The namespace of a table of names that nothing else shows."""
        if len(contexts) == 1 and self._may_hold(table, *contexts):
            return next(iter(contexts)), "" if DEFAULT in contexts else "context"
        spaces = [space for space in self.people if self._may_hold(table, space)]
        if len(spaces) == 1:
            return spaces[0], "" if spaces == [DEFAULT] else "only"
        return DEFAULT, "default" if spaces else ""

    def _may_hold(self, table: _Table, space: str) -> bool:
        """Whether a namespace may hold a table's objects: none of their kind that is listed there as a whole is missing."""
        listed = {kind for kind, _ in table.names if {(LISTINGS[kind], space), (LISTINGS[kind], "all")} & self.whole}
        return not any(kind in listed and space not in self.told.get((kind, name), ()) for kind, name in table.names)


def _peoples(space: str) -> bool:
    return bool(space) and not SYSTEM.fullmatch(space)


def _clues(fact: Fact) -> list[tuple[str, str]]:
    """What an object shares with others that are in its namespace for certain: its name, a Service's with its endpoints', its own address."""
    kind, name = fact.kind, _name(fact)
    clues = [(kind, name)]
    if kind in {"service", "endpoints"}:
        clues.append(("named", name))
    if kind == "pod":
        clues += [("address", str(ip)) for ip in fact.get("ips", ()) if not fact.get("host_network")]
    if kind == "endpoints":
        entries = (*fact.get("ready", ()), *fact.get("not_ready", ()))
        clues += [("address", str(entry.get("address"))) for entry in entries if name != "kubernetes"]
    return clues


# --- pods that somebody entered ----------------------------------------------------------------------------------------


def _at_home(facts: Sequence[Fact]) -> list[Fact]:
    """The facts, what was seen inside a pod (``kubectl exec``) on the node that the pod runs on and not where kubectl was typed."""
    homes: dict[str, set[str]] = defaultdict(set)
    members = {str(f.get("name")) for f in facts if f.kind == "k8s_node"}
    for fact in facts:
        if fact.kind == "pod" and fact.get("node_name"):
            homes[str(fact.get("name"))].add(str(fact.get("node_name")))
            members.add(str(fact.get("node_name")))
    moved = {name: next(iter(nodes)) for name, nodes in homes.items() if len(nodes) == 1}
    if not any(fact.stack in moved for fact in facts):
        return list(facts)
    return [f.at(moved[f.stack], f.stack) if f.stack in moved and f.node and f.node not in members else f for f in facts]


# --- prints of one object ----------------------------------------------------------------------------------------------


def _once(facts: Iterable[Fact]) -> list[Fact]:
    """The facts, each object once: the fullest print of it, completed by the others."""
    places: dict[tuple[Any, ...], int] = {}
    made: list[Fact] = []
    for fact in facts:
        key = _identity(fact)
        if key is None or key not in places:
            if key is not None:
                places[key] = len(made)
            made.append(fact)
        else:
            made[places[key]] = _both(made[places[key]], fact)
    return made


def _identity(fact: Fact) -> tuple[Any, ...] | None:
    """What makes two prints one object; ``None`` for what is no object of the API, or has no name."""
    if fact.kind == "k8s_node":
        return (fact.kind, fact.get("name")) if fact.get("name") else None
    if fact.kind not in {"pod", "service", "endpoints", "workload"} or not _name(fact):
        return None
    part = fact.get("type") if fact.kind == "workload" else fact.get("name") if fact.get("slice") else None
    return (fact.kind, fact.get("namespace"), _name(fact), part, bool(fact.get("slice")))


def _both(one: Fact, other: Fact) -> Fact:
    """One object as two prints show it."""
    more, less = (one, other) if len(one.fields) >= len(other.fields) else (other, one)
    fields = {**less.fields, **more.fields}
    if "ports" in more.fields and "ports_unnamed" not in more.fields:
        # The fuller print shows the names that the other one leaves out.
        fields.pop("ports_unnamed", None)
    if one.kind == "service" and less.get("cluster_ips") and not more.get("cluster_ips"):
        # A manifest has what somebody asked for; the table beside it has the addresses and node ports that were given.
        fields |= {key: less.get(key) for key in ("cluster_ips", "external_ips") if less.get(key)}
        given = {(p.get("port"), p.get("protocol")): p["node_port"] for p in less.get("ports", ()) if p.get("node_port")}
        ports = ((p, (p.get("port"), p.get("protocol"))) for p in fields["ports"])
        fields["ports"] = tuple({"node_port": given[key], **p} if key in given else p for p, key in ports)
    return Fact(more.kind, fields, more.node, more.stack, more.source, more.line, more.shown)
