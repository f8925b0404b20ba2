"""Pods of nodes of which a part was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.evidence import read
from engine.facts import HOST
from engine.findings import Certainty
from engine.pipeline import diagnose, fact_base
from engine.request import Request
from engine.suppose.completion import suppose
from engine.suppose.pods import is_told, subnet_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.facts import FactBase

PODS = """\
$ kubectl get pods -o wide
NAME    READY   STATUS    RESTARTS   AGE   IP            NODE   NOMINATED NODE   READINESS GATES
front   1/1     Running   0          9m    10.31.7.21    wk5    <none>           <none>
agent   1/1     Running   0          9m    192.0.2.5     wk5    <none>           <none>
away    1/1     Running   0          9m    10.31.8.40    wk6    <none>           <none>
$ kubectl get nodes -o wide
NAME   STATUS   ROLES    AGE   VERSION   INTERNAL-IP   EXTERNAL-IP
wk5    Ready    <none>   9d    v1.20.4   192.0.2.5     <none>
wk6    Ready    <none>   9d    v1.20.4   192.0.2.6     <none>
"""
SWITCH = "[root@wk5 ~]# sysctl net.ipv4.ip_forward\nnet.ipv4.ip_forward = {}\n"
RULES = "[root@wk5 ~]# iptables-save\n*filter\n:FORWARD ACCEPT [0:0]\n{}\nCOMMIT\n"


def facts(folder: Path, text: str) -> FactBase:
    """Facts of a pasted terminal."""
    (folder / "post.txt").write_text(text, encoding="utf-8")
    return fact_base(read([folder]))


def test_a_parameter_alone(tmp_path: Path) -> None:
    """Forwarding that is off stops pods that nobody showed, as likely as they are there; forwarding that is on stops nobody."""
    symptom = "pods cannot reach the internet since the hardening: timeout"
    for value, found in (("0", [("ip-forward-disabled", Certainty.LIKELY)]), ("1", [])):
        facts(tmp_path, SWITCH.format(value))
        assert [(f.id, f.certainty) for f in diagnose(Request(symptom, (tmp_path,))).findings] == found


def test_pods_of_the_api(tmp_path: Path) -> None:
    """Pods that the API puts on the node get a stack with their address there; those in the node's network and elsewhere do not."""
    made = suppose(facts(tmp_path, PODS + SWITCH.format("0")), "front cannot reach away: timeout").facts
    assert [f.get("address") for f in made if f.kind == "address" and f.stack == "front" and f.node == "wk5"] == ["10.31.7.21"]
    assert {f.stack for f in made if f.kind == "netns"} == {"front"}


def test_pods_on_a_bridge_that_was_shown(tmp_path: Path) -> None:
    """Whom the API lists on a bridge's subnet hangs there, though all of the node's devices were shown; a pod of another network does not."""
    shown = """[root@wk5 ~]# ip addr
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP group default qlen 1000
    link/ether 52:54:00:aa:00:05 brd ff:ff:ff:ff:ff:ff
    inet 192.0.2.5/24 brd 192.0.2.255 scope global eth0
5: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP group default qlen 1000
    link/ether 0a:58:0a:1f:07:01 brd ff:ff:ff:ff:ff:ff
    inet 10.31.7.1/24 scope global cni0
6: veth12ab34cd@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue master cni0 state UP group default
    link/ether 4e:2c:8e:09:d7:41 brd ff:ff:ff:ff:ff:ff link-netnsid 0
"""
    made = suppose(facts(tmp_path, shown + PODS), "pods on wk5 cannot reach the internet").facts
    assert {f.get("address") for f in made if f.kind == "address" and f.stack != HOST} == {"10.31.7.21"}


@pytest.mark.parametrize(("rule", "subnet"), [
    ("-A FORWARD -s 10.31.0.0/16 -j ACCEPT", "10.31.0.0/24"),
    ("-A FORWARD -s 10.31.7.0/24 -d 10.31.0.0/16 -j ACCEPT", "10.31.7.0/24"),
    ("-A FORWARD -s 172.17.0.0/16 ! -o docker0 -j ACCEPT", "10.244.0.0/24"),
])  # fmt: skip
def test_network(rule: str, subnet: str, tmp_path: Path) -> None:
    """Their network is the one that rules name for all pods, the usual one else."""
    assert subnet_of(facts(tmp_path, RULES.format(rule)), "wk5") == subnet


@pytest.mark.parametrize(("text", "symptom", "told"), [
    (SWITCH.format("0"), "pods cannot reach the internet", True),
    (SWITCH.format("0"), "host cannot reach the internet", False),
    (RULES.format(":cali-FORWARD - [0:0]\n-A FORWARD -j cali-FORWARD"), "pods time out", False),
    ("[root@wk5 ~]# ip route\n10.31.7.21 dev cali12345678901 scope link\n", "pods time out", False),
])  # fmt: skip
def test_told(text: str, symptom: str, told: bool, tmp_path: Path) -> None:
    """Nothing is supposed on a machine that no word calls a cluster's, or that shows how its pods hang."""
    assert is_told(facts(tmp_path, text), "wk5", symptom) is told


@pytest.mark.parametrize(("last", "found"), [
    ("-A FORWARD -j REJECT --reject-with icmp-host-prohibited", ["icmp-host-prohibited"]),
    ("-A FORWARD -i lo -j ACCEPT", []),
])  # fmt: skip
def test_node_port(last: str, found: list[str], tmp_path: Path) -> None:
    """A node port that is asked for leads to a pod, although nobody showed the translation; what stops it in between is found."""
    route = "[root@wk5 ~]# ip r\ndefault via 192.0.2.1 dev eth0\n192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.5\n"
    route += "10.31.7.0/24 dev cni0 proto kernel scope link src 10.31.7.1\n"
    facts(tmp_path, f"[root@wk5 ~]# iptables -S FORWARD\n-P FORWARD ACCEPT\n{last}\n{route}")
    report = diagnose(Request("curl NodeIP:30555 from outside: No route to host", (tmp_path,)))
    assert [f.id for f in report.findings] == found


def test_words_of_a_cluster(tmp_path: Path) -> None:
    """CoreDNS is a pod, even beside docker's bridge."""
    rules = "*filter\n:FORWARD DROP [9:540]\n-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    facts(tmp_path, f"[root@wk5 ~]# iptables-save\n{rules}-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\nCOMMIT\n")
    report = diagnose(Request("coredns: dial tcp 10.96.0.1:443: i/o timeout", (tmp_path,)))
    assert [f.id for f in report.findings] == ["forward-policy-drop"]
