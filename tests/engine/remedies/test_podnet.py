"""Operations on leases, ranges, plug-ins, external IPs and agents."""

from __future__ import annotations

from typing import Any

import pytest

from engine.facts import Fact, FactBase
from engine.remedies import OPERATIONS, Site

LEASES = Fact("cni_leases", {"network": "podnet", "addresses": ("10.30.0.2", "10.30.0.3")}, "n1")


def made(name: str, *facts: Fact, **parameters: Any) -> Any:
    """An operation on node n1."""
    return OPERATIONS[name](parameters, Site(FactBase(facts), "n1", "host"))


def test_named_leases() -> None:
    """Few leases are removed by name, and are gone from the listing."""
    operation = made("cni.clean-leases", LEASES, network="podnet", addresses="10.30.0.3", count="1")
    assert operation.commands() == ("rm -f -- /var/lib/cni/networks/podnet/10.30.0.3",)
    after = operation.apply(FactBase([LEASES]))
    assert [f.get("addresses") for f in after.of_kind("cni_leases")] == [("10.30.0.2",)]


def test_many_leases() -> None:
    """Of many leases the runtime is asked, and without its answer none is removed."""
    (command,) = made("cni.clean-leases", LEASES, network="podnet", addresses="10.30.0.3", count="40").commands()
    assert command.startswith('ids=$(crictl pods -q --no-trunc) && [ -n "$ids" ] && for ')
    assert made("cni.clean-leases", LEASES, network="podnet").apply(FactBase([LEASES])) is None


def test_external_ip() -> None:
    """The other addresses stay, and the undo brings the one back."""
    web = Fact("service", {"namespace": "shop", "name": "web", "external_ips": ("10.0.0.1", "10.0.0.9")})
    operation = made("service.drop-external-ip", web, namespace="shop", service="web", address="10.0.0.1")
    assert operation.commands() == ("""kubectl patch service -n shop web --type merge -p '{"spec":{"externalIPs":["10.0.0.9"]}}'""",)
    assert '["10.0.0.1","10.0.0.9"]' in operation.undo()[0]


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("node.rejoin", {"node_name": "n2"}, "kubectl delete node n2"),
        ("node.pod-cidr", {"node_name": "n2", "cidr": "10.244.3.0/24"}, '"podCIDR":"10.244.3.0/24"'),
        ("cni.reinstall", {"agent": "kube-flannel/kube-flannel-ds"}, "kubectl rollout restart -n kube-flannel daemonset/kube-flannel-ds"),
        ("cni.reinstall", {"file": "/etc/cni/net.d/10-x.conflist.bak"}, "mv /etc/cni/net.d/10-x.conflist.bak /etc/cni/net.d/10-x.conflist"),
        ("cni.reinstall", {"plugin": "portmap"}, "containernetworking-plugins"),
        ("cni.reinstall", {}, "kubectl apply -f"),
        ("cni.add-portmap", {"file": "10-x.conflist", "namespace": "shop", "pod": "web"}, "/etc/cni/net.d/10-x.conflist.before"),
        ("calico.restart", {"node_name": "n2"}, "spec.nodeName=n2"),
        ("podman.reload", {}, "podman network reload --all"),
        ("program.install", {"package": "conntrack-tools", "debian": "conntrack", "program": "conntrack"}, "dnf install -y conntrack-tools"),
        ("module.load", {"module": "ip_vs"}, "modprobe ip_vs"),
    ],
)
def test_commands(name: str, parameters: dict[str, str], said: str) -> None:
    """Each prints what does it, and nothing that would fail for want of quotes."""
    operation = made(name, **parameters)
    assert said in "\n".join(operation.commands())
    assert isinstance((operation.undo(), operation.verify(), operation.persist()), tuple)


def test_names_are_quoted() -> None:
    """What evidence brings is a word, never a command."""
    (command,) = made("cni.clean-leases", network="x; reboot", addresses="1.2.3.4;reboot", count="1").commands()
    assert command == "rm -f -- '/var/lib/cni/networks/x; reboot/1.2.3.4;reboot'"


def test_no_model() -> None:
    """What controllers and agents do is not modelled."""
    assert made("calico.restart", node_name="n2").apply(FactBase([])) is None
