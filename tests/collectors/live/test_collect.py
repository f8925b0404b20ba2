"""Collecting from the running kernel, in namespaces of our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collectors.evidence import Evidence, read
from collectors.live import CollectOptions, collect
from engine.errors import EvidenceError
from engine.facts import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"),
]

SETUP = """
netns add {n}
netns add {p}
-n {n} link set lo up
-n {p} link set lo up
-n {n} link add cni0 type bridge
-n {p} link add eth0 type veth peer name vethp netns {n}
-n {n} link set vethp master cni0 up
-n {n} link set cni0 up
-n {n} addr add 10.244.1.1/24 dev cni0
-n {n} addr add fd00:1::1/64 dev cni0 nodad
-n {p} link set eth0 up
-n {p} addr add 10.244.1.5/24 dev eth0
-n {p} route add default via 10.244.1.1
-n {n} link add ea type veth peer name eb
-n {n} link set ea up
-n {n} link set eb up mtu 1400
-n {n} addr add 192.168.50.1/24 dev ea
-n {n} addr add 192.168.50.9/24 dev ea
-n {n} addr add 10.9.9.1 peer 10.9.9.2 dev ea
-n {n} link add vx0 type vxlan id 7 dstport 8472 local 192.168.50.1 dev ea nolearning
-n {n} link set vx0 up
-n {n} link add mv0 link ea type macvlan mode bridge
-n {n} tuntap add tun7 mode tun
-n {n} neigh add 10.244.2.0 lladdr 02:00:00:00:00:09 dev vx0 nud permanent
-n {n} route add 10.244.2.0/24 via 10.244.2.0 dev vx0 onlink
-n {n} route add blackhole 10.66.0.0/16
-n {n} route add unreachable 10.67.0.0/16 metric 50
-n {n} route add prohibit 10.68.0.0/16
-n {n} route add throw 10.69.0.0/16 table 100
-n {n} route add 10.70.0.0/16 nexthop via 192.168.50.2 weight 2 nexthop via 192.168.50.3 dev ea
-n {n} route add 10.71.0.0/16 via 192.168.50.4 mtu lock 1300 src 192.168.50.1 proto static
-n {n} route add 10.72.0.0/16 via inet6 fe80::1 dev ea
-n {n} route add 10.73.0.0/16 dev ea tos 0x10 table 200
-n {n} route add default via 192.168.50.254 metric 100
-n {n} -6 route add default via fd00:1::ff
-n {n} -6 route add fd00:7::/64 nexthop via fd00:1::2 nexthop via fd00:1::3
-n {n} -6 route add unreachable fd00:66::/64
-n {n} rule add pref 100 from 10.244.0.0/16 to 10.0.0.0/8 fwmark 0x1/0xff iif cni0 lookup 100
-n {n} rule add pref 101 not from 10.9.0.0/16 lookup 200 suppress_prefixlength 0
-n {n} rule add pref 102 ipproto tcp dport 80-90 sport 99 unreachable
-n {n} rule add pref 103 uidrange 5-99 prohibit
-n {n} rule add pref 104 oif ea goto 32766
-n {n} rule add pref 105 tos 0x10 blackhole
-n {n} -6 rule add pref 120 from fd00::/8 lookup 100
"""
"""One node and one pod, with every kind of object that the netlink reader knows."""

@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[str, str]]:
    """Names of a node's and a pod's namespace."""
    node, pod = f"cl-n{os.getpid()}", f"cl-p{os.getpid()}"
    try:
        for line in SETUP.format(n=node, p=pod).strip().splitlines():
            subprocess.run(["ip", *line.split()], check=True)
        subprocess.run(["bridge", "-n", node, "link", "set", "dev", "vethp", "hairpin", "on", "isolated", "on"], check=True)
        subprocess.run(["bridge", "-n", node, "fdb", "append", "02:00:00:00:00:09", "dev", "vx0", "dst", "192.168.50.7", "self"], check=True)
        inside(node, "iptables-legacy", "-t", "nat", "-A", "POSTROUTING", "-s", "10.244.0.0/16", "-j", "MASQUERADE")
        inside(node, "iptables-nft", "-A", "FORWARD", "-i", "cni0", "-j", "ACCEPT")
        inside(node, "ipset", "create", "s1", "hash:net")
        inside(pod, "ping", "-c1", "-W1", "10.244.1.1")
        yield node, pod
    finally:
        for name in (node, pod):
            subprocess.run(["ip", "netns", "del", name], check=False)


def inside(namespace: str, *command: str) -> str:
    """Standard output of a command inside a namespace."""
    return subprocess.run(["ip", "netns", "exec", namespace, *command], check=True, capture_output=True, text=True).stdout


def python(namespace: str, code: str) -> str:
    """Run Python code that imports this project inside a namespace."""
    return inside(namespace, "env", f"PYTHONPATH={ROOT}", sys.executable, "-c", code)


def collected(node: str, pods: tuple[str, ...], out: Path, **options: Any) -> str:
    """Collect as ``ip netns exec NODE diagnose collect`` does; gives the summary's text."""
    code = (
        "from pathlib import Path; from collectors.live import collect, CollectOptions; "
        f"print(collect(CollectOptions(node='n1', netns={pods!r}, **{options!r}), Path({str(out)!r})))"
    )
    return python(node, code)


@pytest.fixture(scope="module")
def bundle(lab: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the node and its pod."""
    out = tmp_path_factory.mktemp("live") / "b1"
    collected(lab[0], (lab[1],), out)
    return out


@pytest.fixture(scope="module")
def evidence(bundle: Path) -> Evidence:
    """The facts of that bundle."""
    return read([bundle])


def test_a_bundle_reads_back_without_a_doubt(evidence: Evidence, lab: tuple[str, str]) -> None:
    """Everything that the collector writes is understood, and is at its node and stack."""
    assert evidence.warnings == ()
    stacks = {(f.node, f.stack, f.get("role"), f.get("entry", "")) for f in evidence.facts if f.kind == "netns"}
    assert stacks == {("n1", HOST, "host", ""), ("n1", lab[1], "container", f"ip netns exec {lab[1]}")}


def test_both_ends_of_the_veth_are_resolved_by_the_kernel(evidence: Evidence, lab: tuple[str, str]) -> None:
    """Each end of the pair names the other's stack, from the kernel's namespace ids."""
    ends = {(f.stack, f.get("name")): f.get("peer_stack") for f in evidence.facts if f.kind == "link" and f.get("peer_stack")}
    assert ends == {(HOST, "vethp"): lab[1], (lab[1], "eth0"): HOST}


WHOLE = {"links", "addresses", "routes", "routing_rules", "neighbors", "fdb", "netfilter", "ipsets", "sysctls", "sockets", "conntrack"}


def test_listings_are_stated_as_whole(evidence: Evidence, lab: tuple[str, str]) -> None:
    """Every listing that a diagnosis asks for is stated as seen as a whole, on the node and in the pod."""
    for stack in (HOST, lab[1]):
        listed = {f.get("what") for f in evidence.facts if f.kind == "collected" and f.stack == stack}
        assert listed >= WHOLE


def test_the_state_of_the_kernel_is_in_the_facts(evidence: Evidence) -> None:
    """A sample of each kind, as it was set up."""
    facts = [f for f in evidence.facts if f.stack == HOST]
    assert any(f.kind == "netfilter_table" and (f.get("backend"), f.get("table")) == ("legacy", "nat") for f in facts)
    assert any(f.kind == "netfilter_table" and (f.get("backend"), f.get("table")) == ("nft", "filter") for f in facts)
    assert any(f.kind == "route" and f.get("type") == "blackhole" and f.get("dst") == "10.66.0.0/16" for f in facts)
    assert any(f.kind == "routing_rule" and f.get("priority") == 120 and f.get("family") == 6 for f in facts)
    assert any(f.kind == "ipset" and f.get("name") == "s1" for f in facts)
    assert any(f.kind == "sysctl" and f.get("key") == "net.ipv4.conf.vethp.rp_filter" for f in facts)
    assert any(f.kind == "link" and f.get("name") == "vethp" and f.get("hairpin") and f.get("isolated") for f in facts)


def test_secrets_stay_on_the_node(bundle: Path) -> None:
    """Keys from which addresses and cookies are derived are not collected."""
    text = (bundle / "nodes/n1/sysctl_-a").read_text()
    assert "net.ipv4.ip_forward = 0" in text
    assert "stable_secret" not in text
    assert "tcp_fastopen_key" not in text


def test_the_manifest_accounts_for_every_file(bundle: Path) -> None:
    """Each file is an item with its command, and each item tells a file or why there is none."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert (manifest["schema_version"], manifest["node"]) == (1, "n1")
    files = {str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file()}
    described = {item["file"] for item in manifest["items"] if item["file"]}
    assert described == {f for f in files if not f.endswith(("manifest.json", "netns.json"))}
    assert all(item["file"] or item["skipped"] for item in manifest["items"])
    assert all((p.stat().st_mode & 0o077) == 0 for p in bundle.rglob("*"))


KERNEL_STATE = r"""
import os, pathlib
NAMES = ('ip_tables_names', 'ip6_tables_names', 'arp_tables_names')
def tables(): return {n: sorted(pathlib.Path('/proc/self/net/' + n).read_text().split()) for n in NAMES if os.path.exists('/proc/self/net/' + n)}
def sysctls():
    found = {}
    for folder, _, names in os.walk('/proc/sys/net'):
        for name in names:
            try: found[folder + '/' + name] = pathlib.Path(folder, name).read_text()
            except OSError: pass
    return {k: v for k, v in found.items() if not k.endswith(('nf_conntrack_count', 'file-nr'))}
def modules(): return sorted(os.listdir('/sys/module')), os.path.exists('/proc/modules') and sorted(l.split()[0] for l in open('/proc/modules'))
def state(): return tables(), sysctls(), modules()
"""


def test_collecting_changes_nothing(tmp_path: Path) -> None:
    """In a fresh namespace no table, module or parameter comes into being by being looked at."""
    name = f"cl-f{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    code = KERNEL_STATE + (
        "before = state(), os.popen('nft list ruleset').read()\n"
        "from collectors.live import collect, CollectOptions\nfrom pathlib import Path\n"
        f"s = collect(CollectOptions(netns=()), Path({str(tmp_path / 'b')!r}))\n"
        "after = state(), os.popen('nft list ruleset').read()\n"
        "assert before == after, (before, after)\n"
        "print(before[0][0], len(s.items))"
    )
    try:
        shown = python(name, code)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    assert shown.startswith("{'ip_tables_names': [], 'ip6_tables_names': []")


LISTINGS = ["ip -d -s -j link", "ip -j address", "ip -j route show table all", "ip -j rule", "ip -6 -j rule", "ip -j neigh", "bridge -j fdb show"]


@pytest.mark.parametrize("command", LISTINGS)
def test_netlink_tells_what_iproute2_tells(lab: tuple[str, str], command: str) -> None:
    """What pyroute2 reads is, object by object, what ``ip -j`` prints, less details that no fact needs."""
    code = (
        "from pyroute2 import IPRoute; from collectors.live import netlink\n"
        f"with IPRoute() as ipr: print(netlink.listing(netlink.READERS[{command!r}](ipr)))"
    )
    before, ours, theirs = iproute2_tells(lab[0], command), json.loads(python(lab[0], code)), iproute2_tells(lab[0], command)
    while before != theirs:  # the kernel still changes them by itself: duplicate address detection, neighbours' ages
        before, ours, theirs = theirs, json.loads(python(lab[0], code)), iproute2_tells(lab[0], command)
    assert sorted(map(comparable, ours), key=str) == theirs


UNUSED = {
    "qdisc", "linkmode", "group", "allmulti", "min_mtu", "max_mtu", "inet6_addr_gen_mode", "num_tx_queues", "num_rx_queues", "gso_max_size",
    "gso_max_segs", "tso_max_size", "tso_max_segs", "gro_max_size", "gso_ipv4_max_size", "gro_ipv4_max_size", "pref", "nodad", "df", "port_range",
    "udp_zero_csum6_rx", "udp_zero_csum6_tx", "bcqueuelen", "usedbcqueuelen", "pi", "vnet_hdr", "multi_queue", "stats64", "tentative", "nhid",
}
"""Details of ``ip -j`` that are left out, or that change by themselves."""
BRIDGE_KEPT = {"stp_state", "vlan_filtering", "ageing_time", "forward_delay", "nf_call_iptables", "nf_call_ip6tables", "nf_call_arptables"}
PORT_KEPT = {
    "state", "hairpin", "guard", "learning", "flood", "mcast_flood", "bcast_flood", "proxy_arp", "neigh_suppress", "vlan_tunnel", "isolated",
    "locked",
}


def iproute2_tells(namespace: str, command: str) -> list[Any]:
    """What ``ip -j`` prints now, as far as facts need it."""
    return sorted((comparable(part_of(entry)) for entry in json.loads(inside(namespace, *command.split()))), key=str)


def part_of(entry: dict[str, Any]) -> dict[str, Any]:
    """An object of ``ip -j`` without what the collector leaves out."""
    info = entry.get("linkinfo", {})
    if info.get("info_kind") == "bridge":
        info["info_data"] = {k: v for k, v in info["info_data"].items() if k in BRIDGE_KEPT}
    if "info_slave_data" in info:
        info["info_slave_data"] = {k: v for k, v in info["info_slave_data"].items() if k in PORT_KEPT}
    return entry


def comparable(value: Any) -> Any:
    """A value without the details that no fact needs."""
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in sorted(value.items()) if k not in UNUSED}
    return [comparable(v) for v in value] if isinstance(value, list) else value


def test_without_pyroute2_the_programs_are_run(lab: tuple[str, str], tmp_path: Path) -> None:
    """Where pyroute2 is missing, ``ip`` and ``bridge`` give the same facts."""
    code = (
        "import sys; sys.modules['pyroute2'] = None\n"
        "from pathlib import Path; from collectors.live import collect, CollectOptions\n"
        f"s = collect(CollectOptions(node='n1', netns=({lab[1]!r},)), Path({str(tmp_path / 'b')!r}))\n"
        "print({i.via for i in s.items if i.command.startswith(('ip -', 'bridge'))})"
    )
    assert python(lab[0], code).strip() == "{'command'}"
    evidence = read([tmp_path / "b"])
    assert evidence.warnings == ()
    assert {"link", "address", "route", "routing_rule", "neighbor", "fdb"} <= {f.kind for f in evidence.facts}


def test_an_archive_is_a_folder_packed(lab: tuple[str, str], tmp_path: Path) -> None:
    """A name that ends in .tar.gz gives an archive, which reads back; nothing half-written stays beside it."""
    out = tmp_path / "b.tar.gz"
    collected(lab[0], (lab[1],), out)
    with tarfile.open(out) as tar:
        assert "b/manifest.json" in tar.getnames()
    assert list(tmp_path.iterdir()) == [out]
    assert {f.stack for f in read([out]).facts if f.kind == "netns"} == {HOST, lab[1]}


def test_a_snapshot_names_sources_by_commands(lab: tuple[str, str]) -> None:
    """Live evidence is shown as commands that a person can run on the node."""
    code = (
        "from collectors.live import snapshot, CollectOptions\n"
        f"e = snapshot(CollectOptions(node='n1', netns=({lab[1]!r},)))\n"
        "print(sorted({f.source.name for f in e.facts if f.kind in ('route', 'netfilter_table')}), e.warnings)"
    )
    shown = python(lab[0], code)
    assert f"'ip netns exec {lab[1]} ip -j route show table all'" in shown
    assert "'iptables-legacy-save -c'" in shown


def test_a_mistyped_namespace_is_refused_with_the_near_one(lab: tuple[str, str], tmp_path: Path) -> None:
    """Evidence without the namespace that was meant would mislead: an error names those that are spelt alike, and nothing is written."""
    code = (
        "from pathlib import Path\nfrom collectors.live import collect, CollectOptions\nfrom engine.errors import EvidenceError\n"
        f"try:\n    collect(CollectOptions(node='n1', netns=({lab[1] + 'x'!r},)), Path({str(tmp_path / 'b')!r}))\n"
        "except EvidenceError as error:\n    print(error, error.hint)\n"
    )
    shown = python(lab[0], code)
    assert f"no network namespace '{lab[1]}x' on this node" in shown
    assert f"did you mean {lab[1]}" in shown
    assert list(tmp_path.iterdir()) == []


def test_a_plain_user_is_told_to_use_sudo(lab: tuple[str, str]) -> None:
    """What a collection without privileges cannot see decides most questions, so its first note says how to run it; root's has no such note."""
    # Read once as root: whatever is imported on the way may lie where a plain user must not look.
    code = (
        "import os\nfrom collectors.live import snapshot, CollectOptions\n"
        "for user in (0, 65534):\n    os.setuid(user)\n    print(snapshot(CollectOptions(node='n1', netns=())).warnings[:1])"
    )
    root, plain = python(lab[0], code).splitlines()
    assert "run it with sudo" in plain
    assert "sudo" not in root


@pytest.mark.parametrize("name", ["b", "b.tar.gz"])
def test_threads_read_each_its_own_namespace(lab: tuple[str, str], evidence: Evidence, tmp_path: Path, name: str) -> None:
    """Read from outside and side by side, a namespace shows what it shows from inside; no thread sees another's."""
    collect(CollectOptions(node="vm", netns=lab, workers=2), tmp_path / name)
    outside = read([tmp_path / name])
    for there, here in ((lab[0], HOST), (lab[1], lab[1])):
        assert state(outside, there) == state(evidence, here)


def state(evidence: Evidence, stack: str) -> list[str]:
    """What does not change by itself on a stack, comparable across bundles."""
    volatile = {"rx_packets", "tx_packets", "rx_dropped", "tx_dropped", "peer_stack", "netnsid", "carrier", "state", "flags"}
    kinds = {"link", "address", "route", "routing_rule", "fdb", "ipset"}
    facts = [f for f in evidence.facts if f.stack == stack and f.kind in kinds]
    # Local routes of link-local addresses come when duplicate address detection ends.
    steady = [f for f in facts if not (f.kind == "route" and str(f.get("dst")).startswith("fe80"))]
    return sorted(f"{f.kind} {sorted((k, v) for k, v in f.fields.items() if k not in volatile)}" for f in steady)


def test_only_the_named_namespaces_belong_to_the_node(lab: tuple[str, str], tmp_path: Path) -> None:
    """Without names there would be every namespace of the machine; with none, only the own."""
    assert f"stacks=('{HOST}',)" in collected(lab[0], (), tmp_path / "own")
    assert f"stacks=('{HOST}', '{lab[1]}')" in collected(lab[0], (lab[1],), tmp_path / "one")


def test_a_process_namespace_is_found_and_named(tmp_path: Path) -> None:
    """A namespace that only a process holds is entered through it and bears its number."""
    process = subprocess.Popen(["unshare", "-n", "sleep", "60"])
    try:
        while Path(f"/proc/{process.pid}/ns/net").stat().st_ino == Path("/proc/self/ns/net").stat().st_ino:
            assert process.poll() is None
        summary = collect(CollectOptions(node="n1", netns=(f"pid-{process.pid}",)), tmp_path / "b")
    finally:
        process.kill()
        process.wait()
    assert summary.stacks == (HOST, f"pid-{process.pid}")
    entry = next(f.get("entry") for f in read([tmp_path / "b"]).facts if f.kind == "netns" and f.stack != HOST)
    assert entry == f"nsenter -t {process.pid} -n"


def test_items_are_bounded(lab: tuple[str, str], tmp_path: Path) -> None:
    """An item that is larger than the cap is cut, says so, and claims no completeness."""
    collected(lab[0], (), tmp_path / "b", max_bytes=600)
    evidence = read([tmp_path / "b"])
    cut = {f.get("what") for f in evidence.facts if f.kind == "not_collected"}
    assert {"links", "routes", "sysctls"} <= cut
    whole = {f.get("what") for f in evidence.facts if f.kind == "collected"}
    assert not {"links", "routes", "sysctls"} & whole


@pytest.mark.parametrize("name", ["b", "b.tar.gz"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    """An existing bundle is refused before anything is read."""
    out = tmp_path / name
    if name == "b":
        out.mkdir()
        (out / "x").write_text("mine")
    else:
        out.write_text("mine")
    with pytest.raises(EvidenceError, match="exists already"):
        collect(CollectOptions(), out)


def test_a_path_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """A file where a folder should be is an error with the way out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match="cannot write"):
        collect(CollectOptions(netns=()), tmp_path / "file" / "b")
