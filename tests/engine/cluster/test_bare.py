"""Services that only their endpoints tell of."""

from __future__ import annotations

from engine.cluster import Cluster
from engine.cluster.bare import backends, empty_endpoints, silent_resolver
from engine.cluster.flows import called
from engine.facts import Fact, FactBase


def endpoints(name: str, *ready: str) -> Fact:
    """A row of ``kubectl get endpoints``."""
    return Fact("endpoints", {"namespace": "shop", "service": name, "ready": tuple({"address": a} for a in ready), "ports": (), "slice": False})


def pod(name: str, *, ready: bool) -> Fact:
    """A row of ``kubectl get pods``."""
    return Fact("pod", {"namespace": "shop", "name": name, "full": f"shop/{name}", "ips": (), "phase": "Running", "ready": ready})


FACTS = (
    endpoints("till"), endpoints("till-db", "10.31.4.9"), endpoints("stock"),
    Fact("service", {"namespace": "shop", "name": "stock", "type": "ClusterIP", "cluster_ips": ("10.99.0.7",), "ports": ()}),
    pod("till-7c9d8d6d4f-4lqjt", ready=False), pod("till-db-0", ready=True),
)  # fmt: skip


def test_backends() -> None:
    """Endpoints without an address, whose Service nobody printed, lack a backend; the pod of that name that is not ready is shown."""
    cluster = Cluster(FactBase(FACTS))
    assert list(empty_endpoints(cluster)) == ["shop/till"]
    assert [(f.get("full"), f.get("lack"), f.get("pod")) for f in backends(cluster)] == [("shop/till", "unknown", "shop/till-7c9d8d6d4f-4lqjt")]
    # The table shows ready addresses only: how many are not is not known.
    assert ["not_ready" in f.fields for f in backends(cluster)] == [False]


def test_called() -> None:
    """A question that names it is about a Service without backends; one that names another is not."""
    assert called(FactBase(FACTS), ["till"])["lacking"] == "shop/till"
    assert "lacking" not in called(FactBase(FACTS), ["till-db"])


def test_silent_resolver() -> None:
    """The cluster's DNS is known by its name, and silent if none of its endpoints is ready; another Service is no resolver."""
    resolver = endpoints("kube-dns").having(namespace="kube-system")
    assert silent_resolver(Cluster(FactBase((*FACTS, resolver)))) == "kube-system/kube-dns"
    assert not silent_resolver(Cluster(FactBase((*FACTS, resolver, resolver.having(ready=({"address": "10.31.0.2"},))))))
    assert not silent_resolver(Cluster(FactBase(FACTS)))
