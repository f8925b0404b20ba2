"""Logs of components: what tells of networks is kept, once."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(("line", "program", "level"), [
    ('.:53\n[INFO] plugin/reload: MD5 = 4e23\n [FATAL] plugin/loop: Loop (127.0.0.1:4711 -> :53) detected for zone "."', "coredns", "F"),
    ('2031/02/03 08:00:22 [FATAL] plugin/loop: Seen "HINFO IN 11.22." more than twice, loop detected', "coredns", "F"),
    ("2031-02-03T08:00:22.123Z [ERROR] plugin/errors: 2 example.org. A: read udp 10.9.0.4:3999->192.0.2.53:53: i/o timeout", "coredns", "E"),
    ("2031-02-03 08:00:21.145 [FATAL][62] int_dataplane.go 1035: Kernel's RPF check is set to 'loose'.", "calico-node", "F"),
    ("WARN: 2031/02/03 09:31:21.103411 TCP connection from 10.40.0.1:31567 to 10.36.0.12:3000 blocked by Weave NPC.", "weave", "W"),
    ('level=warning msg="Unable to install direct node route {Gw: 192.0.2.20}" error="contains gateway 192.0.2.1" subsys=linux', None, "W"),
    (
        "calico-node-x calico-node 2031-02-03 08:33:48.674 [INFO][81] startup.go 103: Using autodetected IPv4 address on interface br-1: 10.0.0.1/16",
        "calico-node",
        "I",
    ),
    ("The connection to the server localhost:8080 was refused - did you specify the right host or port?", "kubectl", "E"),
    ("Network 10.32.0.0/12 overlaps with existing route 10.0.0.0/8 on host.", "weave", "E"),
    ("Error response from daemon: Pool overlaps with other one on this address space", "dockerd", "E"),
    ("Error: netavark: code: 1, msg: iptables: No chain/target/match by that name.", "podman", "E"),
    ("Error: subnet 10.89.0.0/24 is already used on the host or by another config", "podman", "E"),
    ('level=debug msg="[resolver] read from DNS server failed, read udp 127.0.0.1:4711->127.0.0.1:53: read: connection refused"', "dockerd", "D"),
    ('level=error msg="Peer add failed in the driver: could not add neighbor entry: no buffer space available"', None, "E"),
])  # fmt: skip
def test_programs_with_forms_of_their_own(line: str, program: str, level: str) -> None:
    """CoreDNS, calico and kubectl are known by the form of their lines, whatever stamp comes first."""
    (section,) = sections("pasted.txt", f"{line}\n")
    assert section.format == "component_log"
    (fact,) = parse(Source("pasted.txt", line), Place("n1"))
    assert (fact.get("program"), fact.get("level")) == (program, level)


def test_content() -> None:
    """A log without complaints is recognised, and tells that it was read."""
    text = "2031/02/03 08:00:16 [INFO] plugin/reload: Running configuration MD5 = f65c\nI0203 08:00:16.158756       1 main.go:459] Running backend.\n"
    assert {s.format for s in sections("pasted.txt", text)} == {"component_log"}
    assert [(f.kind, f.get("what")) for f in parse(Source("pasted.txt", text), Place("n1"))] == [("collected", "component_log")]


def test_docker_on_a_terminal() -> None:
    """On terminals docker and podman print other levels; of what is said for debugging only faults count."""
    text = (
        "DEBU[2026-08-08T11:35:12.703586195+02:00] [resolver] query a.example. (A) from 10.1.0.4:41996, forwarding to udp:10.9.0.1\n"
        "DEBU[2026-08-08T11:35:12.713382116+02:00] [resolver] read from DNS server failed, "
        "read udp 10.1.0.4:1->10.9.0.1:53: read: connection refused\n"
    )
    (fact,) = parse(Source("x", text), Place("n1"))
    assert (fact.get("program"), fact.get("level")) == ("dockerd", "D")
    assert "connection refused" in fact.get("text")


@pytest.mark.parametrize("before", ["docker: Error response from daemon: driver failed programming external connectivity on endpoint web (0bb5):  (",
                                    "ERROR: for web  Cannot start service web: driver failed programming external connectivity on endpoint web: ("])
def test_docker_s_own_answer(before: str) -> None:
    """What docker answers when iptables fails it is as good as its log."""
    line = f"{before}iptables failed: iptables --wait -t nat -A DOCKER -j DNAT: iptables: No chain/target/match by that name."
    text = f"# docker run -p 80:80 nginx\n{line}\n (exit status 1)).\n"
    (section,) = [s for s in sections("post.txt", text) if s.format == "component_log"]
    (fact,) = parse(Source("x", section.text), Place("n1"))
    assert (fact.get("program"), fact.get("level")) == ("dockerd", "E")
    assert "no chain/target/match by that name" in fact.get("text")
