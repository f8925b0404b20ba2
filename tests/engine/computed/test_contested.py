"""Addresses that two stations claim."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed.contested import contested
from engine.facts import Fact, FactBase

MAC, RIVAL = "02:42:ac:11:00:02", "02:42:e3:58:06:41"


def container(name: str, address: str = "172.17.0.2", mac: str = MAC, network: str = "bridge", **more: Any) -> Fact:
    """A running container with an address."""
    end = {"network": network, "address": address, "mac": mac}
    return Fact("container", {"id": f"{name}0123456789ab", "name": name, "state": "running", "endpoints": (end,), **more}, "n1")


def neighbor(mac: str = RIVAL, **more: Any) -> Fact:
    """An entry of the machine's own table."""
    return Fact("neighbor", {"address": "172.17.0.2", "device": "docker0", "mac": mac, "family": 4, **more}, "n1")


ANSWERED = Fact("captured", {"name": "arp-contested", "address": "10.0.0.5", "mac": MAC, "rival": RIVAL}, "n1")
TAKEN = Fact("kernel_message", {"name": "address-taken", "dst": "fd00::5", "in_device": "eth0", "mac": MAC}, "n1")
TWICE = ("containers", "172.17.0.2", "a", "b")
STRANGE = ("stranger", "172.17.0.2", MAC, RIVAL)


@pytest.mark.parametrize(("facts", "told"), [
    ((container("a"), container("b")), [TWICE]),
    ((container("a"), container("b", "172.17.0.3")), []),
    ((container("a"), container("b", network="other")), []),
    ((container("a"), container("b", state="exited")), []),
    ((container("a"), container("b", network_mode="container:a")), []),
    ((container("a", namespace="/run/netns/x"), container("b", namespace="/run/netns/x")), []),
    ((container("a"), container("b").at("n2", "host")), []),
    ((container("a"), neighbor()), [STRANGE]),
    ((container("a"), neighbor(MAC.upper())), []),
    ((container("a"), neighbor(state="FAILED")), []),
    ((container("a"), neighbor().at("n1", "a")), []),
    ((neighbor(),), []),
    ((ANSWERED,), [("answers", "10.0.0.5", MAC, RIVAL)]),
    ((ANSWERED.having(name="arp-unanswered"),), []),
    ((TAKEN,), [("taken", "fd00::5", "eth0", MAC)]),
    ((TAKEN.having(name="martian"),), []),
])  # fmt: skip
def test_claims(facts: tuple[Fact, ...], told: list[tuple[str, ...]]) -> None:
    """One address on one network of one machine, held or answered for by two; what shares a namespace is one."""
    assert [tuple(f.get(n) for n in ("what", "address", "one", "other")) for f in contested(FactBase(facts))] == told


def own(device: str, address: str = "10.70.1.9") -> Fact:
    """An address of the machine's own."""
    return Fact("address", {"device": device, "address": address, "prefixlen": 32, "family": 4}, "n1")


def wired(device: str, **more: Any) -> Fact:
    """A route to one pod."""
    return Fact("route", {"dst": "10.70.1.9/32", "device": device, "table": "main", "type": "unicast", "family": 4, **more}, "n1")


POD = Fact("pod", {"namespace": "shop", "name": "web", "full": "shop/web", "ips": ("10.70.1.9",), "node_name": "n1"})


@pytest.mark.parametrize(("facts", "told"), [
    ((own("tunl0"), wired("cali12345")), [("own", "10.70.1.9", "tunl0", "cali12345")]),
    ((own("tunl0"), wired("cali12345"), POD), [("own", "10.70.1.9", "tunl0", "cali12345")]),
    ((own("tunl0"), POD), [("own", "10.70.1.9", "tunl0", "shop/web")]),
    # Pods in the node's network have its card's address; a wire may have the address of its own end; others are routed to.
    ((own("eth0"), POD), []),
    ((own("tunl0"), POD.having(host_network=True)), []),
    ((own("cali12345"), wired("cali12345")), []),
    ((own("tunl0"), wired("eth0")), []),
    ((own("tunl0"), wired("cali12345", gateway="10.0.0.2")), []),
    ((own("tunl0", "10.70.1.8"), wired("cali12345"), POD), []),
])  # fmt: skip
def test_an_address_of_the_nodes_own_that_a_pod_got(facts: tuple[Fact, ...], told: list[tuple[str, ...]]) -> None:
    """By the route to the pod, or by the API: what is for it ends on the node."""
    assert [tuple(f.get(name) for name in ("what", "address", "one", "other")) for f in contested(FactBase(facts))] == told
