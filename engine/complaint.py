"""What the question says of itself, as facts: for modes that show in a message rather than in a packet, and for those named in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from engine.findings import Question
    from engine.model import Network


def complaint(question: Question, network: Network) -> list[Fact]:
    """The symptom, once for each node (rules join it with that node's evidence), and what of the cluster it is about."""
    text = " ".join(question.symptom.lower().split())
    said: list[Fact] = []
    if text:
        fields = {**_spoken(question, text), **_objects(question, network, text), **_trouble(text)}
        # Kubernetes objects alone show no node.
        said = [Fact("symptom", fields, node, HOST) for node in sorted({node for node, _ in network.stacks}) or [""]]
    return [*said, *_asked(question, network)]


def _spoken(question: Question, text: str) -> dict[str, Any]:
    """What the words say without any evidence."""
    from engine.question.tokens import fold, packet_size

    fields: dict[str, Any] = {
        "text": text,
        "error_class": question.error_class,
        "large": packet_size(fold(text)) != 0,
        "names": question.about_names,
    }
    if question.name:
        fields |= {"name": question.name, "dots": question.name.count(".")}
    return fields


def _objects(question: Question, network: Network, text: str) -> dict[str, Any]:
    """Pods and Services that the words name, and why nobody answers a look-up where nothing else is said."""
    if not any(network.facts.of_kind(kind) for kind in ("pod", "service", "endpoints")):
        return {}
    from engine.cluster import Cluster
    from engine.cluster.bare import silent_resolver
    from engine.cluster.flows import called

    named = called(network.facts, question.mentioned)
    if not named["pods"] and (question.about_names or not named["services"]):
        # What was not understood of the text may name some all the same; of a look-up it is the name that was.
        words = called(network.facts, [word.strip("\"'`.,:;()") for word in text.split()])
        named = words | ({"services": named["services"]} if named["services"] else {})
    if question.about_names and "lacking" not in named and (silent := silent_resolver(Cluster(network.facts))):
        return {**named, "lacking": silent}
    return dict(named)


def _trouble(text: str) -> dict[str, Any]:
    """The known message that the words hold."""
    from engine.troubles import told_of

    told = told_of(text)
    return {"trouble": told[0]} if told else {}


def _asked(question: Question, network: Network) -> list[Fact]:
    """Pods and nodes of the cluster that the question is about."""
    if not (network.facts.of_kind("pod") or network.facts.of_kind("k8s_node")):
        return []
    from engine.cluster.asked import asked

    return asked(network.facts, question.symptom, question.mentioned, question.flows)
