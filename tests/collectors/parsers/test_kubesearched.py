"""Lines searched out of descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.parsers.kubectl import parse
from collectors.place import Place
from engine.facts import Source

CASES: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("kubectl describe pod web-1 | grep IP", "IP:  10.1.4.12\nIPs:\n  IP:           10.1.4.12\n", [{"name": "web-1", "ips": ("10.1.4.12",)}]),
    ("oc describe pod/web-1 -n shop | grep ^IP", "IP:\t\t10.1.4.12\n",
     [{"name": "web-1", "namespace": "shop", "full": "shop/web-1", "ips": ("10.1.4.12",)}]),
    ("kubectl -n shop describe po web-1 | egrep 'Node:|IP:'", "Node:  n1/10.0.0.1\nIP:  10.1.4.12\n",
     [{"name": "web-1", "namespace": "shop", "full": "shop/web-1", "node_name": "n1", "ips": ("10.1.4.12",)}]),
    ("kubectl describe nodes | grep -E 'Name:|PodCIDR:'", "Name:  n1\nPodCIDR:  10.244.0.0/24\nName:  n2\nPodCIDR:  10.244.1.0/24\n",
     [{"name": "n1", "pod_cidrs": ("10.244.0.0/24",)}, {"name": "n2", "pod_cidrs": ("10.244.1.0/24",)}]),
    ("kubectl describe node n1 | grep -i podcidr", "PodCIDR:      10.244.0.0/24\nPodCIDRs:     10.244.0.0/24\n",
     [{"name": "n1", "pod_cidrs": ("10.244.0.0/24",)}]),
    ("kubectl describe svc web | grep -i ip", "IP:   10.96.0.9\n", [{"name": "web", "cluster_ips": ("10.96.0.9",)}]),
    ("kubectl describe nodes | grep PodCIDR", "PodCIDR:  10.244.0.0/24\nPodCIDR:  10.244.1.0/24\n", []),
    ("kubectl describe pod web-1 | grep -i reason", "Reason:  CrashLoopBackOff\n", []),
]  # fmt: skip


@pytest.mark.parametrize(("command", "text", "expected"), CASES)
def test_searched(command: str, text: str, expected: list[dict[str, Any]]) -> None:
    """What the lines tell of the object that the command line, or a line before them, names; of nobody, where nothing does."""
    facts = parse(Source("x", text, command), Place("n1"))
    assert [dict(f.fields) for f in facts if f.kind in {"pod", "k8s_node", "service"}] == expected
