"""Where servers of names forward to: Corefiles and dnsmasq's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.parsers.dnsserver import parse_corefile, parse_dnsmasq

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

COREFILE = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    loop
}
corp.example:5353 {
    forward corp.example 10.9.0.2 dns://10.9.0.3:53 tls://10.9.0.4:853  # the office
}
"""


def test_corefile(recorded: Recorded) -> None:
    """One fact a forward plug-in, with the server block's port; other blocks' words are none."""
    facts = recorded.text(parse_corefile, COREFILE, "cat /etc/coredns/Corefile")
    found = [f for f in facts if f.kind == "dns_forwarder"]
    assert [(f.get("zone"), f.get("port"), f.get("upstreams"), f.line) for f in found] == [
        (".", 53, ("/etc/resolv.conf",), 9),
        ("corp.example", 5353, ("10.9.0.2", "10.9.0.3", "10.9.0.4#853"), 15),
    ]
    assert {f.get("file") for f in found} == {"/etc/coredns/Corefile"}


def test_old_corefile(recorded: Recorded) -> None:
    """Before 1.5 the plug-in was called proxy."""
    fact = recorded.only(recorded.text(parse_corefile, ". {\n  proxy . 127.0.0.1\n}\n"), "dns_forwarder")
    assert fact.get("upstreams") == ("127.0.0.1",)


DNSMASQ = """\
# Configuration file for dnsmasq.
listen-address=127.0.0.1,10.0.0.1
server=10.0.0.2#53
server=/corp.example/10.9.0.2
server=10.0.0.3@eth0
address=/apps.example/10.0.0.9
no-resolv
domain-needed
"""


def test_dnsmasq(recorded: Recorded) -> None:
    """Servers for every name, where it listens, and the domains that it answers itself; servers of one zone are no upstream."""
    fact = recorded.only(recorded.text(parse_dnsmasq, DNSMASQ, "cat /etc/dnsmasq.conf"), "dns_forwarder")
    assert fact.fields == {
        "program": "dnsmasq", "zone": ".", "port": 53, "upstreams": ("10.0.0.2", "10.0.0.3"), "listen": ("127.0.0.1", "10.0.0.1"),
        "wildcards": ("apps.example",), "file": "/etc/dnsmasq.conf",
    }
    assert fact.line == 2


@pytest.mark.parametrize(("text", "upstreams"), [
    ("cache-size=1000\n", ("/etc/resolv.conf",)),
    ("resolv-file=/run/upstream.conf\n", ("/run/upstream.conf",)),
    ("server=10.0.0.2#5353\nport=5300\n", ("10.0.0.2#5353", "/etc/resolv.conf")),
])
def test_dnsmasq_takes_resolv_conf(recorded: Recorded, text: str, upstreams: tuple[str, ...]) -> None:
    """Unless told otherwise, the servers of resolv.conf are asked too."""
    assert recorded.only(recorded.text(parse_dnsmasq, text), "dns_forwarder").get("upstreams") == upstreams


def test_dnsmasq_as_shipped(recorded: Recorded) -> None:
    """A file of comments says nothing; what is no option is counted."""
    assert recorded.text(parse_dnsmasq, "# port=5353\n\n") == []
    assert [f.kind for f in recorded.text(parse_dnsmasq, "cat: no such file\n")] == ["unparsed"]
