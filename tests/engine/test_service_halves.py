"""Bisecting a look-up that dies: what the backends' own addresses say of the Service."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.evidence import read_files
from engine.computed import EXPANDERS
from engine.facts import HOST, Fact, FactBase
from engine.model import Network, build
from engine.service_halves import service_halves, told
from engine.walk.trace import Flow

FILES = {
    "ip_addr": """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet 10.244.1.53/32 scope global lo
       valid_lft forever preferred_lft forever
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 192.168.40.11/24 brd 192.168.40.255 scope global eth0
       valid_lft forever preferred_lft forever
""",
    "ip_route": "default via 192.168.40.254 dev eth0\nblackhole 10.244.2.0/24\n192.168.40.0/24 dev eth0 proto kernel scope link src 192.168.40.11\n",
    "ip_rule": "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n",
    "iptables-save": "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
    "ss_-lntup": "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port\nudp   UNCONN 0      0      10.244.1.53:53      0.0.0.0:*\n",
}
NEAR, DEAD, UNSEEN = "10.244.1.53:53", "10.244.2.53:53", "10.244.3.53:53"
FLOW = Flow(node="n1", stack=HOST, src="", dst="10.96.0.10", port=53, protocol="udp", from_name="n1", to_name="svc/kube-system/kube-dns")


@pytest.fixture(scope="module")
def network() -> Network:
    """A node that serves one backend itself, has a blackhole for another, and a gateway beyond the evidence for a third."""
    return build(FactBase(read_files({f"nodes/n1/{name}": text.encode() for name, text in FILES.items()}).facts, EXPANDERS))


def known(*backends: str, sees: str = "timeout") -> list[Fact]:
    """What walk and objects have said of the look-up."""
    fields: dict[str, Any] = {"flow": 0, "namespace": "kube-system", "service": "kube-dns", "address": "10.96.0.10", "protocol": "udp"}
    fields["eligible"] = backends
    return [Fact("flow", {"flow": 0, "src": "192.168.40.11", "client_sees": sees}, "n1"), Fact("service_flow", fields, "n1")]


@pytest.mark.parametrize(
    ("backends", "half"), [((NEAR,), "service"), ((DEAD,), "pod"), ((NEAR, DEAD), "some")], ids=["service", "pod", "some"]
)
def test_the_half_that_is_broken(network: Network, backends: tuple[str, ...], half: str) -> None:
    """Backends that answer at their own addresses leave the Service; those that do not leave the way to them."""
    (found,) = service_halves(network, FLOW, 0, known(*backends))
    assert (found.get("half"), found.get("sender"), found.node) == (half, "n1", "n1")
    assert set(found.get("answering")) == {NEAR} & set(backends)
    assert set(found.get("silent")) == {DEAD} & set(backends)


def test_nothing_is_concluded_from_what_was_not_seen(network: Network) -> None:
    """A backend that depends on another machine's evidence may answer or not."""
    assert service_halves(network, FLOW, 0, known(NEAR, UNSEEN)) == []


def test_only_flows_that_die(network: Network) -> None:
    """A flow that is answered, one whose end is open, no backends at all: nothing."""
    assert service_halves(network, FLOW, 0, known(DEAD, sees="connected")) == []
    assert service_halves(network, FLOW, 0, known(DEAD, sees="depends")) == []
    assert service_halves(network, FLOW, 0, known()) == []


def test_any_service(network: Network) -> None:
    """Not only look-ups: whatever dies through a Service is asked for behind it, at the backends' own port."""
    (found,) = service_halves(network, FLOW._replace(port=5432), 0, known(DEAD))
    assert (found.get("half"), found.get("port"), found.get("silent")) == ("pod", 5432, (DEAD,))


def attempt(address: str, port: int, outcome: str, stack: str = HOST) -> Fact:
    """What curl saw on the node."""
    return Fact("observed", {"program": "curl", "address": address, "port": port, "protocol": "udp", "outcome": outcome}, "n1", stack)


def trying(*attempts: Fact) -> Network:
    """The node, and what was tried on it."""
    return build(FactBase([*read_files({f"nodes/n1/{name}": text.encode() for name, text in FILES.items()}).facts, *attempts], EXPANDERS))


def test_what_was_tried_counts_for_what_cannot_be_walked() -> None:
    """Where the walk of the Service and of its backend are open, attempts of the same stack tell both."""
    through = attempt("10.96.0.10", 53, "timeout")
    for outcome, half in (("connected", "service"), ("timeout", "pod")):
        made = trying(through, attempt("10.244.3.53", 53, outcome))
        (found,) = service_halves(made, FLOW, 0, known(UNSEEN, sees="depends"))
        assert found.get("half") == half


def test_attempts_that_tell_nothing() -> None:
    """One that came through the Service, none of the backend, one of another stack, several that do not agree."""
    through, beside = attempt("10.96.0.10", 53, "timeout"), attempt("10.244.3.53", 53, "connected")
    elsewhere = attempt("10.244.3.53", 53, "connected", "web")
    for tried in (
        (attempt("10.96.0.10", 53, "connected"), beside),
        (through,),
        (through, elsewhere),
        (through, beside, attempt("10.244.3.53", 53, "timeout")),
    ):
        assert service_halves(trying(*tried), FLOW, 0, known(UNSEEN, sees="depends")) == []


@pytest.mark.parametrize(("backends", "says"), [((NEAR,), "only the way through"), ((DEAD,), "is behind it"), ((NEAR, DEAD), "now and then")])
def test_told(network: Network, backends: tuple[str, ...], says: str) -> None:
    """A reader is told which half it is, and what was asked, in both languages."""
    (found,) = service_halves(network, FLOW, 0, known(*backends))
    said = told(found)
    assert says in said["en"]
    assert all(backend in text for text in said.values() for backend in backends)
