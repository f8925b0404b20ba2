"""What to look at next where a Service has nobody ready behind it: commands that tell why."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Final

from engine.cluster.flows import Need

if TYPE_CHECKING:
    from engine.cluster.inventory import Cluster
    from engine.cluster.objects import Pod
    from engine.facts import Fact

ENDED: Final = frozenset({"CrashLoopBackOff", "Error", "OOMKilled", "Completed", "ContainerCannotRun"})
"""Reasons of a pod whose container has ended: its last words are in the log of before."""


def looks(cluster: Cluster, fact: Fact) -> list[Need]:
    """Commands that tell more of a ``service_flow`` or ``service_backends`` with a lack: of the labels, and of the first pod that is not ready."""
    why, space = fact.get("lack"), str(fact.get("namespace", ""))
    found: list[Need] = []
    if _labels_open(cluster, fact):
        text = f"which pods bear the labels that Service {space}/{fact.get('service')} selects"
        command = f"kubectl get pods -n {quote(space)} --show-labels"
        found.append(Need("", command, text, f"哪些 Pod 带有 Service {space}/{fact.get('service')} 所选的标签"))
    pod = next((p for p in cluster.pods.values() if p.full == fact.get("pod")), None)
    if pod is None or why not in {"not-ready", "no-address", "unknown"}:
        return found
    place = f"-n {quote(pod.namespace)} {quote(pod.name)}"
    found.append(Need("", f"kubectl describe pod {place}", f"why {pod.full} is not ready", f"{pod.full} 未就绪的原因"))
    if str(fact.get("pod_reason", "")).removeprefix("Init:") in ENDED or _restarted(pod):
        found.append(Need("", f"kubectl logs --previous {place}", f"what {pod.full} said before it ended", f"{pod.full} 上次退出之前的日志"))
    if fact.get("pod_reason") == "NodeNotReady" and pod.node:
        found.append(Need("", f"kubectl describe node {quote(pod.node)}", f"why node {pod.node} is not ready", f"节点 {pod.node} 未就绪的原因"))
    return found


def _labels_open(cluster: Cluster, fact: Fact) -> bool:
    """Whether labels would tell whom the Service selects: they were not printed, or none fits and no selector that would is known."""
    if fact.get("lack") == "no-pod":
        return "fitting" not in fact.fields
    return fact.get("lack") in {"unknown", "not-ready"} and "selected" not in fact.fields and not cluster.labels_known(str(fact.get("namespace", "")))


def _restarted(pod: Pod) -> bool:
    return bool(pod.fact.get("restarts"))
