"""Services as the proxy of a node programmed them, read from what the kernel lists after kube-proxy's own input."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from benchmarks.kube_proxy import Service, save, services
from collectors.evidence import read_files
from engine.computed import EXPANDERS
from engine.facts import HOST, FactBase
from engine.model import build
from engine.proxy import Key, Proxy, read
from tests.kube.nftables import ruleset

if TYPE_CHECKING:
    from engine.model.stack import NetStack

MANY = [
    *services(40, 3),
    Service("kube-system/kube-dns:dns", "10.96.0.2", 53, ("10.244.0.2:53", "10.244.0.3:53"), protocol="udp"),
    Service("kube-system/kube-dns:dns-tcp", "10.96.0.2", 53, ("10.244.0.2:53", "10.244.0.3:53")),
    Service("default/nobody:web", "10.96.0.3", 80, ()),
    Service("default/open:web", "10.96.0.4", 80, ("10.244.1.9:8080",), node_port=30080),
]


def stack_of(**files: str) -> NetStack:
    """The node's own stack of loose outputs."""
    evidence = read_files({f"nodes/n1/{name}": text.encode() for name, text in files.items()})
    network = build(FactBase(evidence.facts, EXPANDERS))
    found = network.stack("n1", HOST)
    assert found is not None
    return found


def told(proxy: Proxy, key: Key) -> tuple[tuple[tuple[str, int], ...], bool] | None:
    """Backends and refusal of a key."""
    entry = proxy.entry(key)
    return None if entry is None else (tuple(sorted(entry.targets)), entry.rejects)


def wanted(service: Service) -> tuple[tuple[tuple[str, int], ...], bool]:
    """What kube-proxy programs for a Service."""
    ends = (end.partition(":") for end in service.endpoints)
    return tuple(sorted((address, int(port)) for address, _, port in ends)), not service.endpoints


def check(proxy: Proxy, mode: str) -> None:
    """Every Service is there with its backends, and nothing else."""
    assert (proxy.mode, proxy.known) == (mode, True)
    for service in MANY:
        assert told(proxy, Key(service.address, service.port, service.protocol)) == wanted(service), service
    keys = {Key(s.address, s.port, s.protocol) for s in MANY}
    ports = {Key("", s.node_port, s.protocol) for s in MANY if s.node_port and s.endpoints}
    assert proxy.keys == keys | ports
    assert told(proxy, Key("192.168.9.1", 30080, "tcp")) == wanted(MANY[-1])
    assert proxy.entry(Key("10.96.0.2", 54, "udp")) is None


def loaded(command: list[str], text: str, listing: list[str]) -> str:
    """What the kernel lists in a namespace of its own after some input."""
    name = f"kp{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inside = ["ip", "netns", "exec", name]
        subprocess.run([*inside, *command], input=text, text=True, check=True)
        return subprocess.run([*inside, *listing], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


needs_kernel = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2")


@pytest.mark.lab
@needs_kernel
@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_iptables_mode(backend: str) -> None:
    """KUBE-SERVICES, KUBE-NODEPORTS and the REJECTs of the filter table are read, from either backend's dump."""
    dump = loaded([f"iptables-{backend}-restore"], save(MANY), [f"iptables-{backend}-save", "-c"])
    proxy = read(stack_of(**{f"iptables-{backend}-save_-c": dump}))
    check(proxy, "iptables")
    entry = proxy.entry(Key("10.96.0.4", 80, "tcp"))
    assert entry is not None
    assert entry.name == "default/open:web"
    assert entry.source is not None
    assert "default/open:web cluster IP" in entry.source.line(entry.line)


@pytest.mark.lab
@needs_kernel
@pytest.mark.parametrize("options", [(), ("-j",)])
def test_nftables_mode(options: tuple[str, ...]) -> None:
    """The verdict maps and chains are read from the kernel's listing, as text and as JSON."""
    dump = loaded(["nft", "-f", "-"], ruleset(MANY, ["192.168.9.1"]), ["nft", *options, "list", "ruleset"])
    proxy = read(stack_of(**{"_".join(["nft", *options, "list_ruleset"]): dump}))
    check(proxy, "nftables")
    entry = proxy.entry(Key("10.96.0.4", 80, "tcp"))
    assert entry is not None
    assert entry.name == "default/open:web"


def test_ipvs_mode() -> None:
    """Virtual services with their real servers are read from ``ipvsadm -Ln``; node ports are those at the node's own addresses."""
    head = "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"
    lines = ["IP Virtual Server version 1.2.1 (size=4096)", "Prot LocalAddress:Port Scheduler Flags", head]
    for service in MANY:
        places = [(service.address, service.port)] + ([("192.168.9.1", service.node_port)] if service.node_port and service.endpoints else [])
        for address, port in places:
            lines.append(f"{service.protocol.upper()}  {address}:{port} rr")
            lines += [f"  -> {end:<28} Masq    1      0          0" for end in service.endpoints]
    address = "2: eth0    inet 192.168.9.1/24 brd 192.168.9.255 scope global eth0\\       valid_lft forever preferred_lft forever\n"
    proxy = read(stack_of(**{"ipvsadm_-Ln": "\n".join([*lines, ""]), "ip_-o_addr": address}))
    assert {k for k in proxy.keys if k.address == "192.168.9.1"} == {Key("192.168.9.1", 30080, "tcp")} | {
        Key("192.168.9.1", s.node_port, "tcp") for s in MANY if s.node_port and s.endpoints
    }
    check(proxy._replace(keys=frozenset(k for k in proxy.keys if k.address != "192.168.9.1")), "ipvs")


def test_a_server_that_takes_nobody_is_no_backend() -> None:
    """Weight 0 is how kube-proxy lets an endpoint go."""
    text = "TCP  10.96.0.9:80 rr\n  -> 10.244.1.5:80   Masq    1      0          0\n  -> 10.244.1.6:80   Masq    0      0          0\n"
    assert told(read(stack_of(**{"ipvsadm_-Ln": text})), Key("10.96.0.9", 80, "tcp")) == ((("10.244.1.5", 80),), False)


def test_a_cut_table_tells_nothing_by_what_it_lacks() -> None:
    """Of a table that was cut off, or of one chain alone, a missing Service is unknown."""
    whole = save(MANY)
    cut = whole[: whole.index("KUBE-SVC-") + 20] if "KUBE-SVC-" in whole else whole
    assert not read(stack_of(**{"iptables-save": cut})).known
    assert read(stack_of(**{"iptables-save": whole})).known


@pytest.mark.parametrize(
    ("configured", "known"), [("iptables", True), ("nftables", False), ("ipvs", False), ("", False)],
)
def test_nothing_is_said_of_what_was_not_looked_at(configured: str, known: bool) -> None:
    """An empty iptables dump shows that no iptables proxy is at work; of the other modes it tells nothing."""
    empty = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
    proxy = read(stack_of(**{"iptables-save": empty}), configured)
    assert (proxy.mode, proxy.known, proxy.keys) == ("", known, frozenset())


def test_an_ipset_rule_of_ipvs_mode_is_no_service() -> None:
    """KUBE-SERVICES of the IPVS mode matches sets: it names no Service by itself."""
    text = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n:KUBE-NODE-PORT - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n"
        "-A KUBE-SERVICES ! -s 10.244.0.0/16 -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ\n"
        "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT\nCOMMIT\n"
    )
    assert not read(stack_of(**{"iptables-save": text})).keys
