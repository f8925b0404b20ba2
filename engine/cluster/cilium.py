"""Cilium's policies: recognised and, as far as their selectors go, placed; what their rules do (identities, names, layer 7) is not evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.cluster.selectors import either, selects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod
    from engine.facts import Fact


def applies(cluster: Cluster, side: str, pod: Pod, policy: Fact) -> bool | None:
    """Whether a CiliumNetworkPolicy isolates a pod in a direction."""
    del cluster
    if policy.get("flavour") == "cilium" and policy.get("namespace") != pod.namespace:
        return False
    return either(_selects(rule, pod) for rule in _rules(policy) if rule.get(side) is not None or rule.get(f"{side}Deny") is not None)


def _rules(policy: Fact) -> Iterator[Mapping[str, Any]]:
    spec, more = policy.get("spec"), policy.get("specs")
    yield from (each for each in (spec, *(more or ())) if isinstance(each, dict))


def _selects(rule: Mapping[str, Any], pod: Pod) -> bool | None:
    """Whether ``endpointSelector`` holds; labels of another source than Kubernetes are unknown."""
    selector = rule.get("endpointSelector")
    if not isinstance(selector, dict):
        return False
    wanted = {_plain(key): value for key, value in (selector.get("matchLabels") or {}).items()}
    expressions = [{**e, "key": _plain(str(e.get("key")))} for e in selector.get("matchExpressions") or () if isinstance(e, dict)]
    if any(":" in key or key.startswith("io.") for key in (*wanted, *(str(e["key"]) for e in expressions))):
        return None
    return selects({"matchLabels": wanted, "matchExpressions": expressions}, pod.labels)


def _plain(key: str) -> str:
    return key.removeprefix("k8s:").removeprefix("any:")
