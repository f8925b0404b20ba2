"""Names that the evidence does not have are named, with what there is in their place."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from engine.question import understand


def service(name: str, space: str = "shop") -> Fact:
    """A Service."""
    return Fact("service", {"namespace": space, "name": name, "type": "ClusterIP", "cluster_ips": ("10.96.0.9",), "ports": ({"port": 80},)})


def pod(name: str, space: str = "shop") -> Fact:
    """A pod."""
    return Fact("pod", {"namespace": space, "name": name, "full": f"{space}/{name}", "ips": ("10.1.0.5",), "node_name": "n1", "phase": "Running"})


CLUSTER = FactBase([
    Fact("netns", {"name": "host", "role": "host"}, "n1"), service("db"), service("api"), service("kubernetes", "default"),
    pod("web-6c8f9d7b5d-x2v4k"),
])


def said(symptom: str, base: FactBase = CLUSTER, lang: str = "en") -> str:
    """The first assumption."""
    return str(understand(symptom, base).assumptions[0].text[lang])


@pytest.mark.parametrize("symptom", [
    "web cannot reach service dbx on 5432", "web cannot reach svc/dbx", "Service dbx is unreachable from web",
    "web timeout connecting to service dbx",
])
def test_a_service(symptom: str) -> None:
    """What is called a Service is looked for among Services; the cluster's own is not what anybody meant."""
    assert said(symptom) == 'The evidence has no Service "dbx"; it has db, api (namespace shop). Did you mean shop/db?'
    assert said(symptom, lang="zh") == "证据中没有 Service“dbx”；有 db、api（命名空间 shop）。是否指 shop/db？"
    assert not understand(symptom, CLUSTER).flows
    assert understand(symptom, CLUSTER).missing[0].command == "kubectl get services,endpoints -A -o wide"


@pytest.mark.parametrize(("symptom", "name"), [("pod weeb cannot reach db", "weeb"), ("pod weeb cannot resolve names", "weeb")])
def test_a_pod(symptom: str, name: str) -> None:
    """A pod is found near by what made it, without what its controller added."""
    assert said(symptom) == f'The evidence has no pod "{name}"; it has web-6c8f9d7b5d-x2v4k (namespace shop). Did you mean shop/web-6c8f9d7b5d-x2v4k?'


def test_any_name() -> None:
    """Where the text does not say of what kind it is, all names count; with several namespaces each is shown with its own."""
    assert said("web cannot reach frontend:8080").startswith('The evidence has no "frontend"; it has db, api, web-6c8f9d7b5d-x2v4k (namespace shop)')
    several = FactBase([*CLUSTER.facts, service("db", "bank")])
    assert said("web cannot reach service payment", several) == 'The evidence has no Service "payment"; it has shop/db, shop/api, bank/db.'
    assert said("host cannot reach payment:80", FactBase([Fact("netns", {"name": "host"}, "n1")])) == 'The evidence has no "payment".'


@pytest.mark.parametrize("symptom", ["web cannot reach db", "service discovery is broken in web", "pod network of web does not work", "web is slow"])
def test_known_names_and_words(symptom: str) -> None:
    """Known names, and ordinary words behind a word of kind, are no strangers."""
    assert not [a for a in understand(symptom, CLUSTER).assumptions if a.text["en"].startswith("The evidence has no")]
