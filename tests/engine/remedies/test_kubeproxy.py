"""Operations on kube-proxy: their commands, and the Service as the model has it afterwards."""

from __future__ import annotations

import pytest

from benchmarks.kube_proxy import Service, save
from collectors.evidence import read_files
from engine.computed import EXPANDERS
from engine.facts import HOST, Fact, FactBase
from engine.model import build
from engine.proxy import Key, read
from engine.remedies import OPERATIONS, Operation, Site
from tests.kube.nftables import ruleset

ASKED = {"address": "10.96.7.7", "port": "5432", "protocol": "tcp", "targets": "10.244.1.8:5432 10.244.1.9:5432", "wrong": "10.244.1.77:5432"}
KEY = Key("10.96.7.7", 5432, "tcp")
STALE = Service("shop/db:pg", "10.96.7.7", 5432, ("10.244.1.77:5432",))
TARGETS = {("10.244.1.8", 5432), ("10.244.1.9", 5432)}


def facts_of(**files: str) -> FactBase:
    """Evidence of one node."""
    return FactBase(read_files({f"nodes/n1/{name}": text.encode() for name, text in files.items()}).facts, EXPANDERS)


def restart(facts: FactBase, **more: str) -> Operation:
    """The operation on that node."""
    return OPERATIONS["kube-proxy.restart"]({**ASKED, **more}, Site(facts, "n1", HOST))


def programmed(facts: FactBase) -> set[tuple[str, int]]:
    """Backends of the Service on the node."""
    stack = build(facts).stack("n1", HOST)
    assert stack is not None
    entry = read(stack).entry(KEY)
    return set(entry.targets) if entry is not None else set()


def test_the_pod_is_named_or_found_by_its_node() -> None:
    """With the pod's name it is deleted by name, else by label and node; words are quoted."""
    facts = facts_of(**{"iptables-save": save([STALE])})
    assert restart(facts, pod="kube-system/kube-proxy-x").commands() == ("kubectl delete pod -n kube-system kube-proxy-x",)
    found = restart(facts, node="n1; reboot").commands()
    assert found == ("kubectl delete pod -n kube-system -l k8s-app=kube-proxy --field-selector 'spec.nodeName=n1; reboot'",)
    assert "10.96.7.7/32" in restart(facts).verify()[0]


def test_the_priority_can_be_taken_back() -> None:
    """The DaemonSet is patched, and its undo is its former revision."""
    operation = OPERATIONS["kube-proxy.priority"](ASKED, Site(facts_of(**{"iptables-save": save([STALE])}), "n1", HOST))
    assert "system-node-critical" in operation.commands()[0]
    assert operation.undo() == ("kubectl rollout undo daemonset -n kube-system kube-proxy",)


def test_iptables_gets_the_backends_in_front() -> None:
    """The Service leads to its backends in PREROUTING and OUTPUT, each with its share, and the refusal is gone."""
    nobody = Service("shop/db:pg", "10.96.7.7", 5432, ())
    after = restart(facts_of(**{"iptables-save": save([nobody])})).apply(facts_of(**{"iptables-save": save([nobody])}))
    assert after is not None
    tables = {f.get("table"): {c.name: [r.spec for r in c.rules] for c in f.get("chains")} for f in after.of_kind("netfilter_table")}
    first = "-d 10.96.7.7/32 -p tcp -m tcp --dport 5432 -j KUBE-SVC-PROGRAMMEDANEW"
    assert [tables["nat"][name][0] for name in ("PREROUTING", "OUTPUT")] == [first, first]
    assert tables["nat"]["KUBE-SVC-PROGRAMMEDANEW"] == [
        "-m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.244.1.8:5432",
        "-j DNAT --to-destination 10.244.1.9:5432",
    ]
    assert tables["filter"]["KUBE-SERVICES"] == []


def test_ipvs_gets_the_backends_in_place() -> None:
    """A virtual service has the right servers and no other; one that was missing is there, with its address on kube-ipvs0."""
    link = Fact("link", {"name": "kube-ipvs0"}, "n1")
    stale = facts_of(**{"ipvsadm_-Ln": "TCP  10.96.7.7:5432 rr\n  -> 10.244.1.77:5432   Masq    1      0          0\n"})
    with_stale = stale.plus([link])
    for facts in (with_stale, FactBase([link], EXPANDERS)):
        after = restart(facts).apply(facts)
        assert after is not None
        assert programmed(after) == TARGETS
        bound = [f for f in after.facts if f.kind == "address" and f.get("address") == "10.96.7.7"]
        assert bool(bound) == (facts is not with_stale)


def test_nftables_gets_right_backends_for_wrong_ones() -> None:
    """In the listing the wrong address becomes a right one; what is not wrong stays, and nothing is invented."""
    facts = facts_of(nft_list_ruleset=ruleset([STALE], ["192.168.9.1"]))
    after = restart(facts, targets="10.244.1.8:5432").apply(facts)
    assert after is not None
    assert programmed(after) == {("10.244.1.8", 5432)}
    assert restart(facts, wrong="").apply(facts) is None


@pytest.mark.parametrize("given", [{"targets": ""}, {"address": "fd00::7"}])
def test_what_is_not_known_is_not_checked(given: dict[str, str]) -> None:
    """Without backends, and for IPv6, the model does not tell."""
    facts = facts_of(**{"iptables-save": save([STALE])})
    assert restart(facts, **given).apply(facts) is None
