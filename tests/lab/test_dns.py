"""What search lists and forwarders do to names, shown by real resolvers (glibc, musl) and a real server (dnsmasq), and what is said of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.harness import Lab
from tests.lab.machine import why_not
from tests.lab.scenario import load
from tests.lab.table import laid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.table import Table

# Read here: the tests themselves run without the user's NOROUTE_ variables.
REQUIRED = os.environ.get("NOROUTE_LAB") == "require"

pytestmark = pytest.mark.lab

NODES = """
node1:
  links: {eth0: {wire: lan, address: 10.20.0.11/24}}
  bridges: {cni0: 10.1.0.1/24}
  sysctls: {net.ipv4.ip_forward: 1}
  pods: {web: {address: 10.1.0.5/24, bridge: cni0, gateway: 10.1.0.1}}
node2:
  links: {eth0: {wire: lan, address: 10.20.0.53/24}}
  routes: ["10.1.0.0/24 via 10.20.0.11"]
"""
LOG = "/run/queries"
SERVER = f"dnsmasq --conf-file=/dev/null --user=root --no-hosts --no-resolv --log-queries --log-facility={LOG} --pid-file=/run/dnsmasq.pid"
ASK = """
#include <netdb.h>
#include <stdio.h>
#include <arpa/inet.h>
int main(int argc, char **argv) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    char text[64];
    if (argc < 2 || getaddrinfo(argv[1], 0, &hints, &found)) return puts("none"), 0;
    puts(inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof text));
}
"""
"""Looks one name up as any program does; built against each C library."""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The program, by the library that it was built with."""
    missing = [name for name in ("gcc", "musl-gcc", "dnsmasq") if shutil.which(name) is None]
    if missing:
        (pytest.fail if REQUIRED else pytest.skip)(f"not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("ask")
    (folder / "ask.c").write_text(ASK, encoding="ascii")
    for name, compiler in (("glibc", ["gcc"]), ("musl", ["musl-gcc", "-static"])):
        subprocess.run([*compiler, "-o", str(folder / name), str(folder / "ask.c")], check=True)
    return {name: folder / name for name in ("glibc", "musl")}


@pytest.fixture
def net() -> Iterator[Table]:
    """A pod, and a server that knows ``db.corp.example`` (10.20.0.5), has strangers answer below ``com``, and denies everything else."""
    with laid(NODES) as table:
        table.run("node2", f"{SERVER} --address=/db.corp.example/10.20.0.5 --address=/com/203.0.113.9 --address=/#/")
        yield table


def configure(net: Table, text: str) -> None:
    """Give the pod a resolv.conf."""
    net.run("node1", f"mkdir -p /etc/netns/web; printf '{text}options timeout:1 attempts:1\\n' > /etc/netns/web/resolv.conf")


def diagnosed(net: Table, folder: Path, symptom: str, *options: str) -> dict[str, Any]:
    """The first finding on what the collector reads on both machines."""
    for node in ("node1", "node2"):
        net.run(node, f"rm -rf {folder}/{node}; diagnose collect -o {folder}/{node} > /dev/null")
    argv = f"diagnose --symptom '{symptom}' {' '.join(options)} --format json -b {folder}/node1 -b {folder}/node2"
    report: dict[str, Any] = json.loads(net.run("node1", f"{argv} || test $? -le 1"))
    return report


def mended(net: Table, report: dict[str, Any], rule: str) -> None:
    """The first finding is the rule's, checked on the model; its commands are run as printed."""
    first = report["findings"][0]
    assert (first["rule"], first["standing"], first["node"]) == (rule, "root-cause", "node1"), report
    assert first["remedies"][0]["verified"] == "restores-flow", report
    for line in first["remedies"][0]["commands"]:
        net.run("node1", line)


def queries(net: Table, name: str) -> int:
    """How many queries for a name, with whatever behind it, the server has logged."""
    return int(net.run("node2", f"grep -c 'query.* {name}' {LOG} || true"))


def test_search_hijack(net: Table, ask: dict[str, Path], tmp_path: Path) -> None:
    """With ``search com`` a name becomes a stranger's; without it, it is its own again, and nothing is found."""
    configure(net, "nameserver 10.20.0.53\\nsearch lan com\\noptions ndots:5\\n")
    assert net.run("node1/web", f"{ask['glibc']} db.corp.example").strip() == "203.0.113.9"
    symptom = "web: db.corp.example resolves to a strange address"
    mended(net, diagnosed(net, tmp_path, symptom, "--from", "web"), "dns-search-hijack")
    assert net.run("node1/web", f"{ask['glibc']} db.corp.example").strip() == "10.20.0.5"
    assert diagnosed(net, tmp_path, symptom, "--from", "web")["findings"] == []


def test_ndots_high(net: Table, ask: dict[str, Path], tmp_path: Path) -> None:
    """Three search domains and five dots ask four times for what the printed setting asks for once."""
    configure(net, "nameserver 10.20.0.53\\nsearch a.example b.example c.example\\noptions ndots:5\\n")
    net.run("node1/web", f"{ask['glibc']} db.corp.example")
    before = queries(net, "db.corp.example")
    symptom = "DNS lookups of db.corp.example are slow in web"
    mended(net, diagnosed(net, tmp_path, symptom, "--from", "web"), "dns-ndots-high")
    net.run("node1/web", f"{ask['glibc']} db.corp.example")
    assert (before, queries(net, "db.corp.example") - before) == (4, 1)
    assert diagnosed(net, tmp_path, symptom, "--from", "web")["findings"] == []


def test_ndots_zero(net: Table, ask: dict[str, Path], tmp_path: Path) -> None:
    """ndots:0 keeps musl from searching, not glibc; the printed setting has both search."""
    configure(net, "nameserver 10.20.0.53\\nsearch corp.example\\noptions ndots:0\\n")
    assert [net.run("node1/web", f"{ask[library]} db").strip() for library in ("glibc", "musl")] == ["10.20.0.5", "none"]
    mended(net, diagnosed(net, tmp_path, "web: bad address db", "--from", "web"), "dns-ndots-zero")
    assert [net.run("node1/web", f"{ask[library]} db").strip() for library in ("glibc", "musl")] == ["10.20.0.5", "10.20.0.5"]
    assert diagnosed(net, tmp_path, "web: bad address db", "--from", "web")["findings"] == []


def test_loop(net: Table, ask: dict[str, Path], tmp_path: Path) -> None:
    """A server is asked back what it asked, and its client waits in vain; with an upstream that is neither, there is an answer."""
    configure(net, "nameserver 10.20.0.11\\nsearch lan\\n")
    conf = "no-resolv\\nno-hosts\\nbind-interfaces\\n"
    stop = "pid=$(cat /run/dnsmasq.pid 2>/dev/null || true); if [ -e /proc/${pid:-none} ]; then kill $pid; while [ -e /proc/$pid ]; do :; done; fi"
    start = f"{stop}; dnsmasq --user=root --log-queries --log-facility={LOG} --pid-file=/run/dnsmasq.pid"
    net.run("node1", f"printf '{conf}listen-address=10.20.0.11\\nserver=10.20.0.53\\n' > /etc/dnsmasq.conf; {start}")
    net.run("node2", f"printf '{conf}listen-address=10.20.0.53\\nserver=10.20.0.11\\n' > /etc/dnsmasq.conf; {start}")
    back = f"grep -c 'query.*api.shop.example from 10.20.0.53' {LOG} || true"
    assert net.run("node1/web", f"{ask['glibc']} api.shop.example").strip() == "none"
    assert int(net.run("node1", back)) > 0
    report = diagnosed(net, tmp_path, "web cannot resolve api.shop.example", "--from", "web")
    assert (report["findings"][0]["rule"], report["findings"][0]["standing"]) == ("dns-loop", "root-cause")
    net.run("node2", f"printf '{conf}listen-address=10.20.0.53\\naddress=/#/10.20.0.5\\n' > /etc/dnsmasq.conf; {start}")
    net.run("node1", f"{start.replace('; dnsmasq', f'; rm {LOG}; dnsmasq')}")
    assert net.run("node1/web", f"{ask['glibc']} api.shop.example").strip() == "10.20.0.5"
    assert int(net.run("node1", back)) == 0
    assert diagnosed(net, tmp_path, "web cannot resolve api.shop.example", "--from", "web")["findings"] == []


def test_upstream_broken(net: Table, ask: dict[str, Path], tmp_path: Path) -> None:
    """A server that asks a machine which is not there knows its own names only; the printed commands have it ask one that answers."""
    configure(net, "nameserver 10.20.0.11\\nsearch lan\\n")
    conf = "no-resolv\\nno-hosts\\nbind-interfaces\\nlisten-address=10.20.0.11\\nserver=10.20.0.99\\naddress=/home.lan/10.1.0.5\\n"
    net.run("node1", f"printf 'nameserver 10.20.0.53\\n' > /etc/resolv.conf; printf '{conf}' > /etc/dnsmasq.conf; systemctl restart dnsmasq")
    assert [net.run("node1/web", f"{ask['glibc']} {name}").strip() for name in ("home.lan", "db.corp.example")] == ["10.1.0.5", "none"]
    # The kernel gives up on a neighbour after three questions.
    net.run("node1", "sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=50; ping -c 1 -W 4 10.20.0.99 || true")
    symptom = "web cannot resolve db.corp.example, the names of the house resolve"
    mended(net, diagnosed(net, tmp_path, symptom, "--from", "web"), "dns-upstream-broken")
    assert net.run("node1/web", f"{ask['glibc']} db.corp.example").strip() == "10.20.0.5"
    assert diagnosed(net, tmp_path, symptom, "--from", "web")["findings"] == []


def test_service_unreachable() -> None:
    """Where no rule knows what stops a look-up, it is said whether the Service or the pods behind it are cut off; mended, nothing is found."""
    if reason := why_not():
        pytest.skip(reason)
    lab = Lab(load(Path(__file__).with_name("dns-service-unreachable.yaml")))
    try:
        first = lab.diagnose_broken().report["findings"][0]
        assert (first["rule"], first["standing"], first["node"]) == ("dns-service-unreachable", "root-cause", "node3"), first
        assert "10.244.1.53:53 behind it is not reached either" in first["title"]
        lab.change(lab.scenario.mend_by_hand, "mended by hand")
        assert lab.diagnose(lab.scenario.symptom, ()).report["findings"] == []
    finally:
        lab.close()
