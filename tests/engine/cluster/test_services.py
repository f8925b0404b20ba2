"""What a packet to a Service means, who may get it, and why nobody does."""

from __future__ import annotations

from typing import Any

import pytest

from engine.cluster.objects import Backend, EndpointPort, ServicePort
from engine.cluster.services import Meaning, backend_port, choose, lack, meant, selected, target_port
from engine.facts import Fact
from tests.engine.cluster.conftest import cluster, ends, node, pod, service

IP = "10.96.0.20"
WEB = {"app": "web"}


def facts(*more: Any, **of: Any) -> Any:
    """A Service with one pod on each of two nodes."""
    return cluster(
        node("n1", "10.0.0.1"), node("n2", "10.0.0.2"), pod("shop/web-1", "10.1.1.5", WEB), pod("shop/web-2", "10.1.2.5", WEB, "n2"),
        service("shop/web", IP, WEB, (80, 8080), **of), *more,
    )


def asked(made: Any, dst: str = IP, port: int = 80) -> Meaning:
    """The meaning, which must be there."""
    found = meant(made, dst, port)
    assert found is not None
    return found


def test_meant() -> None:
    """Cluster IP, external IP, load balancer's IP and node port are four ways to one Service; a pod's address is none."""
    ports = ({"port": 80, "target_port": 8080, "protocol": "TCP", "node_port": 30080},)
    made = facts(ends("shop/web", "10.1.1.5"), ports=ports, external_ips=("192.0.2.7",), ingress_ips=("192.0.2.8",))
    ways = [("10.96.0.20", 80), ("192.0.2.7", 80), ("192.0.2.8", 80), ("10.0.0.2", 30080)]
    assert [asked(made, *way).via for way in ways] == ["cluster-ip", "external-ip", "load-balancer-ip", "node-port"]
    assert asked(made, IP, 81).port is None
    assert meant(made, IP, 80, "udp") is not None
    assert meant(made, "10.1.1.5", 8080) is None
    assert meant(made, "10.0.0.2", 30081) is None
    assert meant(made, "10.9.9.9", 30080) is None


def test_shared_address() -> None:
    """Of several Services on one external address the one that has the port is meant."""
    other = service("shop/api", "10.96.0.21", WEB, (443, 8443), external_ips=("192.0.2.7",))
    made = facts(other, external_ips=("192.0.2.7",))
    assert asked(made, "192.0.2.7", 443).service.name == "api"
    assert asked(made, "192.0.2.7", 80).service.name == "web"


def eligible(made: Any, at: str = "", *, outside: bool = False, dst: str = IP, port: int = 80) -> list[str]:
    """Addresses that may get a packet."""
    return [t.address for t in choose(made, asked(made, dst, port), at, outside=outside).eligible]


def test_ready_ones() -> None:
    """Ready backends are eligible; those that are not are named as passed over."""
    made = facts(ends("shop/web", "10.1.1.5", not_ready=("10.1.2.5",)))
    choice = choose(made, asked(made))
    assert [(t.address, t.port) for t in choice.eligible] == [("10.1.1.5", 8080)]
    assert [(p.backend.address, p.why) for p in choice.passed] == [("10.1.2.5", "not-ready")]
    assert eligible(facts(ends("shop/web", not_ready=("10.1.1.5",)), publish_not_ready=True)) == ["10.1.1.5"]


def test_terminating() -> None:
    """One that ends and still serves is taken only where no other is left."""
    leaving = ({"address": "10.1.2.5", "serving": True, "terminating": True},)
    made = facts(ends("shop/web", "10.1.1.5").having(not_ready=leaving))
    choice = choose(made, asked(made))
    assert ([t.address for t in choice.eligible], [p.why for p in choice.passed]) == (["10.1.1.5"], ["terminating"])
    assert eligible(facts(ends("shop/web").having(not_ready=leaving))) == ["10.1.2.5"]


def test_local_policies() -> None:
    """Local binds clients outside (external) and inside (internal), each in its own way; without a node nothing is passed over."""
    ready = ({"address": "10.1.1.5", "node_name": "n1"}, {"address": "10.1.2.5", "node_name": "n2"})
    slices = ends("shop/web").having(ready=ready)
    ports = ({"port": 80, "target_port": 8080, "protocol": "TCP", "node_port": 30080},)
    external = facts(slices, ports=ports, external_policy="Local")
    assert eligible(external, "n1", outside=True, dst="10.0.0.1", port=30080) == ["10.1.1.5"]
    assert len(eligible(external, "n1", dst="10.0.0.1", port=30080)) == 2
    assert len(eligible(external, "n1")) == 2
    assert len(eligible(external, outside=True, dst="10.0.0.1", port=30080)) == 2
    assert eligible(facts(slices, internal_policy="Local"), "n2") == ["10.1.2.5"]


def test_nothing_seen() -> None:
    """Without endpoints and pods nothing is known; a port that the Service does not have needs no endpoints."""
    made = cluster(service("shop/web", IP, WEB, (80, 8080)), listed=False)
    assert choose(made, asked(made)).known is False
    assert choose(made, asked(made, IP, 81)) == (True, (), (), "Cluster")
    assert lack(made, made.services["shop", "web"], made.services["shop", "web"].ports[0]) is None


def test_backends_by_pods() -> None:
    """Where endpoints were not collected, ready pods that the selector fits stand for them."""
    facts_ = [pod("shop/web-1", "10.1.1.5", WEB), pod("shop/web-2", "10.1.1.6", WEB, ready=False), service("shop/web", IP, WEB, (80, 8080))]
    from engine.facts import Fact

    listing = Fact("collected", {"what": "pods", "scope": "shop"})
    made = cluster(*facts_, listing, listed=False)
    assert eligible(made) == ["10.1.1.5"]


@pytest.mark.parametrize(
    ("ports", "wanted", "number"),
    [
        ((EndpointPort("http", 8080, "tcp"), EndpointPort("metrics", 9100, "tcp")), "http", 8080),
        ((EndpointPort("", 8080, "tcp"),), "http", 8080),
        ((EndpointPort("", 8080, "tcp"), EndpointPort("", 9100, "tcp")), "http", 9100),
        ((EndpointPort("", 8080, "udp"),), "http", None),
        ((EndpointPort("metrics", 9100, "tcp"),), "http", None),
        ((), "http", None),
    ],
)
def test_backend_port(ports: tuple[EndpointPort, ...], wanted: str, number: int | None) -> None:
    """By name; a table that shows no names is read by number."""
    assert backend_port(ServicePort(wanted, 80, "tcp", 9100), Backend("10.1.1.5", ports)) == number


def test_backend_port_that_nothing_tells() -> None:
    """Of several nameless ports it is the one that is asked for, where no target was seen; else any of them, and none is claimed to be lacking."""
    several = Backend("10.1.1.5", (EndpointPort("", 53, "udp"), EndpointPort("", 9153, "udp")))
    assert [backend_port(ServicePort("dns", 53, "udp", target), several) for target in (None, "dns", 9153, 8080)] == [53, 0, 9153, None]
    assert backend_port(ServicePort("dns", 5353, "udp", None), several) == 0


def test_a_table_of_endpoints_tells_no_protocol() -> None:
    """kube-dns answers by UDP and TCP behind endpoints that show addresses and ports alone."""
    ports = tuple({"name": "", "port": number, "protocol": protocol} for number, protocol in ((53, "UDP"), (53, "TCP"), (9153, "TCP")))
    dns = Fact("service", {"namespace": "kube-system", "name": "kube-dns", "type": "ClusterIP", "cluster_ips": (IP,), "ports": ports})
    listed: dict[str, Any] = {"namespace": "kube-system", "service": "kube-dns", "ready": ({"address": "10.1.1.5"},), "slice": False}
    listed["ports"] = ({"port": 53}, {"port": 9153})
    made = cluster(dns, Fact("endpoints", listed))
    found = made.services["kube-system", "kube-dns"]
    assert [lack(made, found, port) for port in found.ports] == [None, None, None]


def test_target_port() -> None:
    """A number stands for itself, a name for the pod's own port of that name and protocol."""
    made = cluster(pod("shop/web", "10.1.1.5", WEB, ports=({"name": "http", "port": 8080, "protocol": "TCP"},)))
    of = made.pods["shop", "web"]
    assert [target_port(ServicePort("", 80, "tcp", t), of) for t in (9000, "9000", "http", "grpc", None)] == [9000, 9000, 8080, None, None]
    assert target_port(ServicePort("", 80, "udp", "http"), of) is None


# --- why nobody is behind it ---------------------------------------------------------------------------------------------


def why(*more: Any, selector: Any = WEB, target: int | str = 8080, **of: Any) -> tuple[str, list[str]] | None:
    """The reason and the pods that it is about."""
    made = cluster(service("shop/web", IP, selector, (80, target), **of), *more)
    found = made.services["shop", "web"]
    answer = lack(made, found, found.ports[0])
    return (answer.why, [p.full for p in answer.pods]) if answer is not None else None


def test_lacks() -> None:
    """Each reason is told apart by what was seen of the pods."""
    fine = pod("shop/web-1", "10.1.1.5", WEB)
    assert why(fine, ends("shop/web", "10.1.1.5")) is None
    assert why(pod("shop/web-1", "10.1.1.5", {"app": "wep"}), ends("shop/web")) == ("no-pod", ["shop/web-1"])
    assert why(pod("shop/db-1", "10.1.1.5", {"app": "db"}), ends("shop/web")) == ("no-pod", [])
    assert why(pod("shop/x", "10.1.1.5", {"app": "web", "t": "1"}), pod("shop/y", "10.1.1.6", {"app": "db"}), ends("shop/web"),
               selector={"app": "web", "t": "2"}) == ("no-pod", ["shop/x"])
    assert why(pod("ops/web-1", "10.1.1.5", WEB), ends("shop/web")) == ("other-namespace", ["ops/web-1"])
    assert why(pod("shop/web-1", "10.1.1.5", WEB, ready=False), ends("shop/web", not_ready=("10.1.1.5",))) == ("not-ready", ["shop/web-1"])
    assert why(pod("shop/web-1", "", WEB, ready=False, phase="Pending"), ends("shop/web")) == ("no-address", ["shop/web-1"])
    assert why(fine, ends("shop/web", "10.1.1.5", port=0), target="http") == ("port-name", ["shop/web-1"])
    assert why(ends("shop/web"), selector={}) == ("no-selector", [])
    assert why(ends("shop/web", "10.9.9.9", port=9000, name="other"), selector={}) == ("other-ports", [])
    assert why(fine, ends("shop/web", "10.1.1.5", port=9000, name="other")) == ("other-ports", ["shop/web-1"])
    assert why(ends("shop/web"), selector=None) == ("unknown", [])
    assert why(pod("shop/web-1", "10.1.1.5", None), ends("shop/web")) == ("unknown", [])
    assert why(pod("shop/web-1", "10.1.1.5", None), ends("shop/web", not_ready=("10.1.1.5",))) == ("not-ready", [])
    assert why(ends("shop/web"), type="ExternalName") is None


def test_finished_pods() -> None:
    """A pod that ended has given its address back: nobody is behind the Service."""
    assert why(pod("shop/web-1", "10.1.1.5", WEB, phase="Succeeded", ready=False), ends("shop/web")) == ("no-pod", [])


def test_selected() -> None:
    """Pods of the Service's own namespace; unknown without a selector or labels."""
    made = facts()
    assert [p.full for p in selected(made, made.services["shop", "web"]) or ()] == ["shop/web-1", "shop/web-2"]
    bare = cluster(service("shop/web", IP, None, (80, 8080)), service("shop/api", IP, {}, (80, 8080)))
    assert selected(bare, bare.services["shop", "web"]) is None
    assert selected(bare, bare.services["shop", "api"]) is None


def test_namesakes() -> None:
    """Where selector or labels were not seen, a pod that bears the Service's name and is not ready is worth a word."""
    troubled = pod("shop/web-1", "10.1.1.5", None, ready=False)
    assert why(troubled, pod("shop/webshop-1", "10.1.1.6", None, ready=False), ends("shop/web"), selector=None) == ("unknown", ["shop/web-1"])
    assert why(pod("shop/web-1", "10.1.1.5", None, ready=True), ends("shop/web"), selector=None) == ("unknown", [])
