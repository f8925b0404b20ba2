"""What the kernel's log, docker and firewalls say of packets that were lost."""

from __future__ import annotations

import pytest

from collectors.classify import sections
from collectors.parsers.kernellog import parse
from collectors.place import Place
from engine.facts import Fact, Source

UFW = (
    "Sep  7 10:12:31 vps kernel: [ 1216.3] [UFW BLOCK] IN=docker0 OUT= PHYSIN=veth1 MAC=02:42 "
    "SRC=172.17.0.2 DST=203.0.113.77 LEN=60 PROTO=TCP SPT=45360 DPT=5432"
)


def facts(text: str) -> list[Fact]:
    """Facts of a log."""
    return parse(Source("pasted", text), Place("n1"))


@pytest.mark.parametrize(("line", "name"), [
    ("[Tue Nov 20 22:30:22 2018] nf_conntrack: table full, dropping packet", "conntrack-full"),
    ("Feb 23 16:44:36 jobs kernel: [38775494.393661] nf_conntrack: nf_conntrack: table full, dropping packet", "conntrack-full"),
    ("[843041.359054] neighbour: arp_cache: neighbor table overflow!", "neighbors-full"),
    ("Neighbour table overflow.", "neighbors-full"),
    ("[  99.1] TCP: request_sock_TCP: Possible SYN flooding on port 8080. Sending cookies.", "syn-flood"),
])  # fmt: skip
def test_messages(line: str, name: str) -> None:
    """A message is told once with its count, and its line alone shows what it is."""
    (one,) = facts(f"{line}\n{line}\n")
    assert (one.kind, one.get("name"), one.get("count"), one.line) == ("kernel_message", name, 2, 1)
    assert [s.format for s in sections("pasted.txt", f"{line}\n")] == ["kernel_log"]


def test_logged_packets() -> None:
    """A LOG rule's line tells the packet, its devices and the rule's prefix; ports only where the protocol has some."""
    ping = "[  7.1] FINAL_REJECT: IN=eth0 OUT=docker0 MAC=02:42 SRC=198.51.100.9 DST=172.17.0.2 LEN=84 PROTO=ICMP TYPE=8"
    first, second = facts(f"{UFW}\n{ping}\n")
    assert dict(first.fields) == {
        "name": "logged", "prefix": "UFW BLOCK", "in_device": "docker0", "out_device": "", "src": "172.17.0.2", "dst": "203.0.113.77",
        "protocol": "tcp", "dport": 5432, "count": 1,
    }  # fmt: skip
    assert (second.get("prefix"), second.get("out_device"), second.get("dport")) == ("FINAL_REJECT", "docker0", None)
    assert {s.format for s in sections("pasted.txt", f"{UFW}\n{ping}\n")} == {"kernel_log"}


def test_martians() -> None:
    """The log names the destination first."""
    (one,) = facts("[ 5.1] IPv4: martian source 10.60.0.5 from 10.50.1.20, on dev eth1\n[ 5.2] ll header: 00000000: 52 54\n")
    assert (one.get("src"), one.get("dst"), one.get("in_device")) == ("10.50.1.20", "10.60.0.5", "eth1")


def test_what_ipvs_says() -> None:
    """A virtual server without a real one is named by its address, port and protocol."""
    (one,) = facts("[ 61.1] IPVS: rr: UDP 10.96.0.10:53 - no destination available\n[ 62.1] IPVS: rr: UDP 10.96.0.10:53 - no destination available\n")
    assert dict(one.fields) == {"name": "no-destination", "dst": "10.96.0.10", "dport": 53, "protocol": "udp", "count": 2}


@pytest.mark.parametrize("key", ["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"])
def test_what_kubeadm_says_of_parameters(key: str) -> None:
    """A failed check of kubeadm says that a parameter is off; the line alone shows what it is."""
    path = f"/proc/sys/{key.replace('.', '/')}"
    line = f"\t[ERROR FileContent-{path.replace('/', '-')}]: {path} contents are not set to 1\n"
    assert [(f.kind, f.get("key"), f.get("value")) for f in facts(line)] == [("sysctl", key, "0")]
    assert [s.format for s in sections("join.txt", line)] == ["kernel_log"]


def test_what_docker_says_of_parameters() -> None:
    """Docker's warnings are what it read of the parameters."""
    found = facts("WARNING: IPv4 forwarding is disabled. Networking will not work.\nWARNING: bridge-nf-call-iptables is disabled\n")
    assert [(f.kind, f.get("key"), f.get("value")) for f in found] == [
        ("sysctl", "net.ipv4.ip_forward", "0"), ("sysctl", "net.bridge.bridge-nf-call-iptables", "0"),
    ]  # fmt: skip


def test_the_rest_is_no_concern() -> None:
    """Other lines, and addresses that are none, tell nothing."""
    text = "[1.0] docker0: port 3(veth1) entered forwarding state\nmartian source nonsense from 10.0.0.1, on dev e\n"
    assert [f.kind for f in facts(f"{text}X IN=a OUT=b SRC=x DST=y PROTO=TCP\n")] == ["collected"]


def test_checksums() -> None:
    """UDP that the kernel refused for its checksum tells both ends and the port, however often it was seen; source ports do not part messages."""
    line = "[ 1423.035722] UDP: bad checksum. From 192.0.2.9:{} to 192.0.2.25:8472 ulen 75"
    (one,) = facts("\n".join(line.format(port) for port in (27503, 4894)))
    told = one.get("name"), one.get("src"), one.get("dst"), one.get("dport"), one.get("count")
    assert told == ("bad-checksum", "192.0.2.9", "192.0.2.25", 8472, 2)


def test_content_log() -> None:
    """A log that speaks of no lost packet is recognised, and tells that it was read."""
    text = "[912312.123121] eth0: renamed from veth3f2c1aa\n[912312.223121] cni0: port 3(veth9a1c) entered forwarding state\n"
    assert [s.format for s in sections("pasted.txt", text)] == ["kernel_log"]
    assert [(f.kind, f.get("what")) for f in facts(text)] == [("collected", "kernel_log")]


def test_address_that_somebody_has() -> None:
    """The kernel names the station that answered when it wanted an IPv6 address for itself."""
    line = "[ 12.5] IPv6: eth0: IPv6 duplicate address fd00::5 used by 02:42:ac:11:00:02 detected!"
    (one,) = facts(f"{line}\n")
    told = {"name": "address-taken", "dst": "fd00::5", "in_device": "eth0", "mac": "02:42:ac:11:00:02", "count": 1}
    assert (one.kind, dict(one.fields)) == ("kernel_message", told)
    assert [s.format for s in sections("pasted.txt", f"{line}\n")] == ["kernel_log"]
