"""Facts about programs that follow from others: how pods come and go, and how connections spread over the endpoints of a Service."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from engine.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

LIFE: Final = ("readiness", "pre_stop", "grace", "sidecar", "drain")
FEW: Final = 10
"""Connections from which a lopsided share of one endpoint says something; below that, all must be on it."""


def rollouts(base: FactBase) -> Iterator[Fact]:
    """A ``rollout`` fact for every owner of pods whose specification was seen: the workload, else the pods themselves."""
    told: set[tuple[str, str]] = set()
    for fact in base.of_kind("workload"):
        if fact.get("readiness") is not None and fact.get("type") != "ReplicaSet":
            told.add((str(fact.get("namespace")), str(fact.get("name"))))
            yield _rollout(base, fact, str(fact.get("name")), str(fact.get("type", "")), fact.get("template_labels") or {})
    for fact in base.of_kind("pod"):
        if fact.get("readiness") is None or fact.get("phase") in {"Succeeded", "Failed"}:
            continue
        kind, _, owner = str(fact.get("owner", "Pod/")).partition("/")
        if kind in {"Job", "Node", "Pod"}:
            continue
        name = owner.rpartition("-")[0] if kind == "ReplicaSet" and "-" in owner else owner
        if (str(fact.get("namespace")), name) not in told:
            told.add((str(fact.get("namespace")), name))
            yield _rollout(base, fact, name, "Deployment" if kind == "ReplicaSet" else kind, fact.get("labels") or {})


def _rollout(base: FactBase, fact: Fact, name: str, kind: str, labels: dict[str, str]) -> Fact:
    space = str(fact.get("namespace", "default"))
    fields: dict[str, Any] = {"namespace": space, "name": name, "type": kind, **{key: fact.fields[key] for key in LIFE if key in fact.fields}}
    services = (s for s in base.of_kind("service") if s.get("namespace") == space and s.get("selector"))
    service = next((s for s in services if s.get("selector").items() <= labels.items()), None)
    if service is not None:
        fields["service"] = service.get("name")
    # Objects of the cluster belong to no node: the complaint is on each of them.
    node = fact.node or min((f.node for f in base.of_kind("netns") if f.node), default="")
    return Fact("rollout", fields, node, fact.stack, fact.source, fact.line, fact.shown)


def balances(base: FactBase) -> Iterator[Fact]:
    """A ``balance`` fact for every port of a Service with several ready endpoints and connections to it in a conntrack table."""
    entries = [f for f in base.of_kind("conntrack") if f.get("protocol") == "tcp" and f.get("state") == "ESTABLISHED"]
    for service in base.of_kind("service") if entries else ():
        ready = _ready(base, service)
        for address in service.get("cluster_ips", ()):
            for port in service.get("ports", ()):
                mine = [e for e in entries if (e.get("dst"), e.get("dport")) == (address, port.get("port"))]
                for node in sorted({e.node for e in mine}) if len(ready) > 1 else ():
                    yield _balance(service, address, port, len(ready), [e for e in mine if e.node == node])


def _ready(base: FactBase, service: Fact) -> set[str]:
    same = (f for f in base.of_kind("endpoints") if (f.get("namespace"), f.get("service")) == (service.get("namespace"), service.get("name")))
    return {str(each.get("address")) for f in same for each in f.get("ready", ())}


def _balance(service: Fact, address: str, port: dict[str, Any], endpoints: int, entries: list[Fact]) -> Fact:
    shares = Counter(str(e.get("reply_src")) for e in entries)
    busiest, most = shares.most_common(1)[0]
    total = len(entries)
    first = next(e for e in entries if str(e.get("reply_src")) == busiest)
    fields = {
        "namespace": service.get("namespace"), "service": service.get("name"), "address": address, "port": port.get("port"),
        "port_name": str(port.get("name", "")), "endpoints": endpoints, "connections": total, "used": len(shares), "busiest": busiest, "most": most,
        "one_sided": most == total or (total >= FEW and most * 10 >= total * 8),
    }  # fmt: skip
    return Fact("balance", fields, first.node, first.stack, first.source, first.line, first.shown)
