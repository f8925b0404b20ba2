"""Stacks that nobody calls containers, and are."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.contained import contained
from engine.facts import Fact

END = Fact("link", {"name": "eth0", "index": 12, "peer_index": 13, "mac": "02:42:ac:1f:00:05"})
LOOP = Fact("link", {"name": "lo", "index": 1})
CARD = Fact("link", {"name": "ens3", "index": 2, "mac": "52:54:00:00:00:01"})


def fact(kind: str, **fields: Any) -> Fact:
    """A fact."""
    return Fact(kind, fields)


SIGNS = [
    fact("address", device="eth0", address="172.17.0.2"), fact("address", device="eth0", address="10.88.0.7"),
    fact("address", device="eth0", address="172.31.0.5"), fact("route", dst="0.0.0.0/0", gateway="169.254.1.1"),
    fact("dns_config", nameservers=("127.0.0.11",), file="/etc/resolv.conf"), fact("host", hostname="3f2a9c1d7e55"),
    fact("dns_config", nameservers=("10.96.0.10",), search=("shop.svc.cluster.local", "svc.cluster.local"), file="/etc/resolv.conf"),
    fact("hosts_entry", address="172.31.0.5", names=("3f2a9c1d7e55",)),
]


@pytest.mark.parametrize("sign", SIGNS)
def test_what_runtimes_leave(sign: Fact) -> None:
    """A device whose other end is elsewhere and an address, gateway, name or resolver of a runtime's make a container."""
    assert contained([LOOP, END, sign])
    assert not contained([LOOP, END, CARD, sign])
    assert not contained([LOOP, CARD, sign])


@pytest.mark.parametrize("sign", [
    fact("address", device="eth0", address="10.0.0.2"), fact("route", dst="0.0.0.0/0", gateway="10.0.0.1"), fact("host", hostname="web-1"),
    fact("dns_config", nameservers=("127.0.0.53",), search=("lan",), file="/etc/resolv.conf"), fact("hosts_entry", address="10.0.0.5", names=("db",)),
])
def test_a_wire_alone_is_no_sign(sign: Fact) -> None:
    """Machines of a laboratory hang on veths as well."""
    assert not contained([LOOP, END, sign])


def test_files_alone() -> None:
    """A lone resolv.conf of docker's is a container's; among a machine's listings it may be a copy."""
    lone = fact("dns_config", nameservers=("127.0.0.11",), file="/etc/resolv.conf")
    assert contained([lone])
    assert not contained([lone, fact("netfilter_table", table="nat")])
    assert not contained([fact("dns_config", nameservers=("127.0.0.11",), file="/run/systemd/resolve/resolv.conf")])
