"""What a question names of a cluster: its pods and its nodes, as facts that rules can join to what is wrong with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.cluster.flows import called
from engine.cluster.inventory import Cluster
from engine.facts import HOST, Fact
from engine.troubles import told_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.facts import FactBase
    from engine.walk.trace import Flow

MAX_NAMED = 200
"""Pods of one name that are told apart; a question names few."""


def asked(facts: FactBase, symptom: str, words: Iterable[str], flows: Sequence[Flow]) -> list[Fact]:
    """An ``asked`` fact for every pod and node that a question is about.

    ``words`` are what was understood of its symptom; in the symptom itself only whole names count.
    """
    cluster = Cluster(facts)
    words = tuple(words)
    said = {word.strip(".:/") for word in re.findall(r"[a-z0-9][a-z0-9./-]*", symptom.lower())}
    ends = {address for flow in flows for address in (flow.src, flow.dst) if address}
    named = set(called(facts, words).get("pods", ())) | {pod.full for address in ends for pod in cluster.pods_at(address)}
    named |= {flow.from_name for flow in flows if "/" in flow.from_name}
    trouble = (told_of(symptom) or ("",))[0]
    pods = [pod for pod in cluster.pods.values() if pod.full in named or pod.name in said or pod.full in said][:MAX_NAMED]
    found = [_fact(cluster, {"what": "pod", "full": pod.full, "node_name": pod.node}, trouble, pod.fact) for pod in pods]
    said |= {word.lower().removeprefix("node/") for word in words}
    # Of many a node only its pods were listed.
    nodes = {pod.node: pod.fact for pod in cluster.pods.values() if pod.node}
    nodes |= {name: node.fact for name, node in cluster.nodes.items() if node.fact is not None}
    meant = ((name, fact) for name, fact in nodes.items() if name.lower() in said)
    found += [_fact(cluster, {"what": "node", "full": name, "node_name": name}, trouble, fact) for name, fact in meant]
    return found


def _fact(cluster: Cluster, fields: dict[str, str], trouble: str, about: Fact) -> Fact:
    node = fields["node_name"]
    more = {"trouble": trouble} if trouble else {}
    return Fact("asked", {**fields, **more}, cluster.host_of(node) or node, HOST, about.source, about.line, about.text)
