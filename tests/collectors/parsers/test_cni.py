"""CNI configurations: real ones of podman, and the usual ones of flannel and calico."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from collectors.parsers.cni import parse
from collectors.place import Place
from engine.facts import Source

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded

FLANNEL = {
    "name": "cbr0",
    "cniVersion": "0.3.1",
    "plugins": [
        {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
CALICO = {
    "name": "k8s-pod-network",
    "cniVersion": "0.3.1",
    "plugins": [{"type": "calico", "mtu": 1440, "ipam": {"type": "calico-ipam"}}, {"type": "portmap", "snat": True}],
}
BRIDGE = {
    "name": "mynet", "type": "bridge", "isGateway": True, "ipMasq": False, "mtu": "1400",
    "ipam": {"type": "host-local", "subnet": "10.22.5.1/16", "gateway": "10.22.0.1"},
}


def read(content: Any, name: str = "etc/cni/net.d/10-x.conflist") -> dict[str, Any]:
    """Fields of the one fact of a file."""
    facts = parse(Source(f"nodes/n1/files/{name}", content if isinstance(content, str) else json.dumps(content)), Place("n1"))
    assert [fact.kind for fact in facts] == ["cni_config"]
    return dict(facts[0].fields)


def test_podman(recorded: Recorded) -> None:
    """The package's own file: the one that steals pods from flannel."""
    fact = recorded.only(recorded.parse(parse, "87-podman-bridge.conflist", "cni"), "cni_config")
    expected = {
        "file": "87-podman-bridge.conflist", "name": "podman", "types": ("bridge", "portmap", "firewall", "tuning"), "bridge": "cni-podman0",
        "subnets": ("10.88.0.0/16",), "gateway": "10.88.0.1", "ipam": "host-local", "is_gateway": True, "ip_masq": True, "hairpin": True,
        "disabled": False,
    }
    assert fact.fields == expected
    assert fact.text == "87-podman-bridge.conflist podman bridge→portmap→firewall→tuning cni-podman0 10.88.0.0/16"


def test_flannel_delegates_to_the_bridge_plugin() -> None:
    """Its bridge is cni0 unless the delegate says otherwise."""
    expected = {"types": ("flannel", "portmap"), "bridge": "cni0", "hairpin": True, "is_gateway": True, "file": "/etc/cni/net.d/10-x.conflist"}
    assert read(FLANNEL).items() >= expected.items()
    named = {**FLANNEL, "plugins": [{"type": "flannel", "delegate": {"bridge": "kube-bridge"}}]}
    assert read(named)["bridge"] == "kube-bridge"


def test_calico_and_a_single_plugin() -> None:
    """A chain without a bridge has none; a .conf file is one plug-in, with a canonical prefix."""
    assert read(CALICO).items() >= {"types": ("calico", "portmap"), "ipam": "calico-ipam", "mtu": 1440}.items()
    assert "bridge" not in read(CALICO)
    expected = {
        "types": ("bridge",), "bridge": "cni0", "subnets": ("10.22.0.0/16",), "gateway": "10.22.0.1", "mtu": 1400, "ip_masq": False,
        "is_gateway": True,
    }
    assert read(BRIDGE, "etc/cni/net.d/10-mynet.conf").items() >= expected.items()


@pytest.mark.parametrize(
    ("name", "disabled"),
    [
        ("10-a.conf", False), ("10-a.conflist", False), ("10-a.json", False),
        ("10-a.conflist.bak", True), ("10-a.conf.rpmsave", True), ("README", True),
    ],
)
def test_files_that_runtimes_ignore(name: str, disabled: bool) -> None:
    """Only three endings count."""
    assert read({"name": "a", "type": "bridge"}, f"etc/cni/net.d/{name}").get("disabled", False) is disabled


@pytest.mark.parametrize(
    ("content", "name", "error"),
    [
        ('{"name": "a",\n "plugins": [', "10-a.conflist", "not JSON: Expecting value (line 2 column 14)"),
        ("", "10-a.conflist", "not JSON: Expecting value (line 1 column 1)"),
        ("[" * 100_000, "10-a.conf", "not JSON"),
        ("[]", "10-a.conf", "not a JSON object"),
        ({"name": "a"}, "10-a.conf", 'no "type"'),
        ({"name": "a", "type": "bridge"}, "10-a.conflist", "no plug-ins"),
        ({"name": "a", "plugins": []}, "10-a.conf", "no plug-ins"),
    ],
)
def test_files_that_do_not_load(content: Any, name: str, error: str) -> None:
    """A fact with the reason, never an exception and never silence."""
    assert read(content, f"etc/cni/net.d/{name}")["error"].startswith(error)
