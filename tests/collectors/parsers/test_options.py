"""Options of components that tell the cluster's ranges."""

from __future__ import annotations

import pytest

from collectors.classify import sections
from collectors.parsers.options import parse
from collectors.place import Place
from engine.cluster import Cluster
from engine.facts import FactBase, Source

FORMS = {
    "dump": '                            "--service-cluster-ip-range=10.96.0.0/12",\n                            "--cluster-cidr=10.100.0.0/16",\n',
    "manifest": "    - --service-cluster-ip-range=10.96.0.0/12\n    - --cluster-cidr=10.100.0.0/16\n",
    "processes": (
        "root  811  2.1 kube-apiserver --advertise-address=192.0.2.1 --service-cluster-ip-range=10.96.0.0/12 --v=2\n"
        "root  812  1.0 kube-controller-manager --bind-address=127.0.0.1 --cluster-cidr=10.100.0.0/16 --leader-elect=true\n"
    ),
    "kubeadm": "[root@m1 ~]# kubeadm init --pod-network-cidr=10.100.0.0/16 --service-cidr='10.96.0.0/12'\n",
    "installer": "curl -sfL https://get.k3s.io | sh -s - server --cluster-cidr=10.100.0.0/16 --service-cidr=10.96.0.0/12\n",
    "k3s": "root  700  5.0 /usr/local/bin/k3s server --cluster-cidr 10.100.0.0/16 --service-cidr 10.96.0.0/12\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form: str) -> None:
    """Whatever printed them, the ranges are told once, each with its line, and the cluster has them."""
    text = FORMS[form] * 2
    assert [s.format for s in sections("pasted.txt", text)] == ["options"]
    facts = parse(Source("pasted.txt", text), Place("n1"))
    assert [f.line for f in facts] == ([1, 2] if form in {"dump", "manifest", "processes"} else [1, 1])
    assert {(r.cidr, r.what) for r in Cluster(FactBase(facts)).ranges} == {("10.96.0.0/12", "service"), ("10.100.0.0/16", "pod")}


def test_what_is_no_range() -> None:
    """An option without a value, or another one, tells nothing."""
    assert parse(Source("x", "--cluster-cidr=\n--cluster-cidr=$CIDR\n--cluster-name=10\n"), Place("n1")) == []
