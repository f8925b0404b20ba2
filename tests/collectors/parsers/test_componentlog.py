"""Logs of components: what tells of networks is kept, once."""

from __future__ import annotations

from collectors.classify import sections
from collectors.parsers.componentlog import parse
from collectors.place import Place
from engine.facts import Source

PROXY = """\
I1120 08:00:01.000001       1 server_others.go:72] "Using iptables proxy"
W1120 08:00:01.000002       1 server_others.go:104] Can't use the IPVS proxier: required kernel modules are not loaded: [ip_vs]
E1120 08:00:09.000003       1 proxier.go:1] error deleting connection tracking state for UDP service IP 10.96.0.10
E1120 08:00:10.000003       1 proxier.go:1] error deleting connection tracking state for UDP service IP 10.96.0.11
"""
JOURNAL = (
    'Nov 20 08:00:01 n1 kubelet[812]: E1120 08:00:01.123456     812 kubelet.go:2855] "Container runtime network not ready" '
    'networkReady="NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"\n'
    'Nov 20 08:00:02 n1 containerd[700]: time="2026-11-20T08:00:02.1Z" level=error msg="RunPodSandbox failed" '
    'error="no IP addresses available in range set: 10.244.1.1-10.244.1.254"\n'
)


def test_klog() -> None:
    """Faults are kept, equal ones once whatever their numbers, and so is what passes for mere information."""
    facts = parse(Source("x", PROXY), Place("n1"))
    assert [(f.get("level"), f.line) for f in facts] == [("W", 2), ("E", 3)]
    assert "required kernel modules are not loaded" in facts[0].get("text")


def test_journal() -> None:
    """Inside a journal the program is known."""
    facts = parse(Source("x", JOURNAL), Place("n1"))
    assert [(f.get("program"), f.get("level")) for f in facts] == [("kubelet", "E"), ("containerd", "E")]
    assert "no ip addresses available in range set" in facts[1].get("text")


def test_recognised() -> None:
    """Both are known by what they look like."""
    assert [s.format for s in sections("kube-proxy.log", PROXY)] == ["component_log"]
    assert "component_log" in [s.format for s in sections("node.txt", JOURNAL)]
