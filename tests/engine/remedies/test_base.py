"""What every operation has."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from engine import remedies
from engine.errors import RuleError
from engine.facts import Fact, FactBase
from engine.remedies import OPERATIONS, WHERE, Operation, Site
from tests.engine.remedies.conftest import operation

NOTHING = FactBase([])
PARAMETERS = {
    "iptables.insert": {"chain": "INPUT", "rule": "-j ACCEPT"},
    "iptables.append": {"chain": "INPUT", "rule": "-j ACCEPT"},
    "ipset.add": {"set": "peers", "member": "10.0.0.1"},
    "ipset.delete": {"set": "peers", "member": "10.0.0.1"},
    "docker.restart": {"container": "web"},
    "iptables.move": {"chain": "INPUT", "rule": "-j ACCEPT", "position": "1"},
    "iptables.delete": {"chain": "INPUT", "rule": "-j DROP"},
    "nft.insert": {"table": "inet t", "chain": "c", "rule": "accept"},
    "route.add": {"dst": "10.0.0.0/8", "dev": "eth0"},
    "route.delete": {"dst": "10.0.0.0/8"},
    "route.source": {"dst": "10.0.0.0/8", "dev": "eth0", "source": "10.0.0.1"},
    "module.load": {"module": "br_netfilter"},
    "link.up": {"dev": "eth0"},
    "link.master": {"dev": "eth0", "master": "br0"},
    "link.hairpin": {"dev": "eth0"},
    "xfrm.delete": {"dir": "out", "src": "10.1.0.0/24", "dst": "10.2.0.0/24"},
    "tc.qdisc-delete": {"dev": "eth0"},
    "tc.filter-delete": {"dev": "eth0", "side": "ingress", "pref": "1", "type": "u32", "handle": "800::800"},
    "vxlan.recreate": {"dev": "vx0", "vni": "42", "port": "4789"},
    "bridge.port": {"dev": "eth0", "attribute": "flood", "value": "on"},
    "address.add": {"dev": "eth0", "address": "10.0.0.1/8"},
    "address.delete": {"dev": "eth0", "address": "10.0.0.1/8"},
    "neighbor.delete": {"dev": "eth0", "address": "10.0.0.1"},
    "dns.release-address": {"dev": "nodelocaldns", "address": "10.96.0.10/32"},
    "rule.add": {"dst": "10.0.0.0/8", "before": "100"},
    "rule.delete": {"priority": "100"},
    "docker.move-network": {"bridge": "docker0"},
    "docker.address-pools": {},
    "docker.create-network": {"network": "apps"},
    "docker.set-bip": {"old": "10.1.62.1/24", "bip": "10.1.15.1/24"},
    "route.redirect": {"dst": "10.0.0.0/8", "new_dev": "eth0", "new_via": "10.0.0.1"},
    "vtep.learn": {"device": "flannel.1", "mac": "5e:0a:51:00:00:20", "dst": "192.0.2.2"},
    "vtep.announce": {"device": "flannel.1"},
    "vtep.new-mac": {"device": "flannel.1"},
    "tunnel.source": {"old": "10.0.2.15", "address": "192.0.2.2"},
    "route.replace": {"dst": "10.0.0.0/8", "new_via": "10.0.0.1"},
    "sysctl.set": {"key": "net.ipv4.ip_forward", "value": "1"},
    "cni.retire-config": {"file": "x.conflist", "address": "10.88.0.2", "pod_stack": "web"},
    "calico.move-pool": {"cidr": "10.0.0.0/16"},
    "program.bind": {"port": "6379", "address": "10.0.0.5"},
    "service.start": {"unit": "ssh", "port": "22"},
    "docker.publish": {"container": "web", "publish": "8080:80"},
    "docker.recreate": {"container": "web", "port": "8080"},
    "resolver.nameserver": {"old": "127.0.0.53"},
    "resolver.search": {"domain": "com"},
    "resolver.ndots": {"ndots": "2"},
    "hosts.add": {"names": "app1", "address": "127.0.1.1"},
    "service.selector": {"namespace": "shop", "service": "web", "selector": "app=web"},
    "service.target-port": {"namespace": "shop", "service": "web", "port": "80", "target": "8080"},
    "service.traffic-policy": {"namespace": "shop", "service": "web", "field": "externalTrafficPolicy"},
    "pod.dns-policy": {"namespace": "shop", "pod": "web-1"},
    "cni.recreate-pod": {"address": "10.88.0.2", "pod_stack": "web"},
    "cni.clean-leases": {"network": "cbr0"},
    "cni.reinstall": {},
    "cni.add-portmap": {"file": "10-x.conflist", "namespace": "shop", "pod": "web-1"},
    "node.rejoin": {"node_name": "n1"},
    "node.pod-cidr": {"node_name": "n1", "cidr": "10.244.1.0/24"},
    "service.drop-external-ip": {"namespace": "shop", "service": "web", "address": "10.0.0.1"},
    "calico.restart": {"node_name": "n1"},
    "podman.reload": {},
    "program.install": {"package": "conntrack-tools", "debian": "conntrack", "program": "conntrack"},
    "ethtool.offload": {"dev": "eth0", "feature": "tx-checksum-ip-generic"},
    "flannel.port": {"port": "8472", "was": "4789"},
    "link.mtu": {"dev": "eth0", "mtu": "1450"},
    "tcp.clamp-mss": {},
    "nft.delete": {"table": "inet t", "chain": "c", "rule": "drop"},
    "nft.move": {"table": "inet t", "chain": "c", "rule": "accept", "position": "1"},
    "kube-proxy.restart": {"address": "10.96.0.10", "port": "53", "protocol": "udp"},
    "kube-proxy.priority": {"address": "10.96.0.10", "port": "53", "protocol": "udp"},
    "dns.forward": {"program": "dnsmasq", "file": "/etc/dnsmasq.conf", "old": "10.0.0.53", "new": "192.0.2.53"},
    "policy.allow": {"namespace": "shop", "side": "ingress", "peer_kind": "pod", "port": "80", "protocol": "tcp"},
    "policy.allow-first": {"namespace": "shop", "side": "ingress", "peer_kind": "pod", "port": "80", "protocol": "tcp"},
}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operation(name: str) -> None:
    """Every operation has a name, a known risk, at least one command, and refuses to work without what it needs."""
    made = operation(name, NOTHING, **PARAMETERS[name])
    assert (made.NAME, made.RISK in {"low", "medium", "high"}) == (name, True)
    assert made.commands()
    for parameter in [key for key, declared in made.PARAMETERS.items() if declared.required]:
        with pytest.raises(RuleError, match=f"{name} needs {parameter}"):
            operation(name, NOTHING, **{**PARAMETERS[name], parameter: ""})


def test_every_operation_is_listed() -> None:
    """Each class with a name in a module of remedies is found under that name."""
    made = {cls.NAME: f"{path.stem}:{cls.__name__}" for path in Path(remedies.__file__).parent.glob("*.py") for cls in classes(path.stem)}
    assert made == WHERE


def classes(module: str) -> list[type[Operation]]:
    """Operations that a module defines."""
    held = vars(import_module(f"engine.remedies.{module}")).values() if module != "__init__" else ()
    return [c for c in held if isinstance(c, type) and issubclass(c, Operation) and "NAME" in vars(c) and c.__module__.endswith(f".{module}")]


def test_values_are_quoted() -> None:
    """Values come from untrusted bundles: each is one shell word, whatever it holds."""
    evil = "eth0; rm -rf / #$(reboot)'"
    line = Site(NOTHING, "n1", "web", "ip netns exec web").shell("echo", evil)
    assert line == "ip netns exec web echo 'eth0; rm -rf / #$(reboot)'\"'\"''"
    (command,) = operation("sysctl.set", NOTHING, key="net.ipv4.conf.$(x).forwarding", value="1").commands()
    assert command == "sysctl -w 'net.ipv4.conf.$(x).forwarding=1'"


def test_texts() -> None:
    """A parameter is one text or a list of them; blanks are none."""
    made = operation("iptables.insert", NOTHING, chain=" INPUT ", rule=["-j A ", "", " -j B"])
    assert (made.text("chain"), made.text("table", "filter"), made.texts("rule"), made.texts("table"), made.texts("chain")) == (
        "INPUT",
        "filter",
        ["-j A", "-j B"],
        [],
        ["INPUT"],
    )


def test_here() -> None:
    """A site sees the facts of its own stack."""
    one, other = Fact("link", {"name": "a"}, "n1", "host"), Fact("link", {"name": "b"}, "n2", "host")
    assert Site(FactBase([one, other]), "n1", "host").here("link") == [one]
