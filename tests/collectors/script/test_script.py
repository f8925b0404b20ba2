"""The shell collector, run by the shells that nodes have, beside the one in Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collectors.evidence import Evidence, read
from collectors.script import script
from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
MANY = 200
"""Looks at a namespace until its addresses are settled."""

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"),
]

SETUP = """
ip netns add {n}
ip netns add {p}
ip -n {n} link set lo up
ip -n {n} link add cni0 type bridge
ip -n {p} link add eth0 type veth peer name vethp netns {n}
ip -n {n} link set vethp master cni0 up
ip -n {n} link set cni0 up
ip -n {n} addr add 10.244.1.1/24 dev cni0
ip -n {p} link set eth0 up
ip -n {p} addr add 10.244.1.5/24 dev eth0
ip -n {p} route add default via 10.244.1.1
ip -n {n} route add blackhole 10.66.0.0/16
ip -n {n} rule add pref 100 from 10.244.0.0/16 lookup 100
ip -n {n} link add vx0 type vxlan id 7 dstport 8472 local 10.244.1.1 dev cni0 nolearning
bridge -n {n} fdb append 02:00:00:00:00:09 dev vx0 dst 192.168.50.7 self
ip netns exec {n} iptables-legacy -t nat -A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE
ip netns exec {n} iptables-nft -A FORWARD -i cni0 -j ACCEPT
ip netns exec {n} ipset create s1 hash:net
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[str, str]]:
    """Names of a node's and a pod's namespace."""
    node, pod = f"zs-n{os.getpid()}", f"zs-p{os.getpid()}"
    try:
        for line in SETUP.format(n=node, p=pod).strip().splitlines():
            subprocess.run(line.split(), check=True)
        settled(node, pod)
        yield node, pod
    finally:
        for name in (node, pod):
            subprocess.run(["ip", "netns", "del", name], check=False)


def settled(*names: str) -> None:
    """Wait until the kernel has tried the addresses that it gave to devices: both collectors see the same then."""
    for name in names:
        for _ in range(MANY):
            tried = subprocess.run(["ip", "-n", name, "-6", "addr", "show", "tentative"], check=True, capture_output=True)
            if not tried.stdout:
                break
            subprocess.run(["ip", "netns", "exec", name, "busybox", "usleep", "20000"], check=True)


@pytest.fixture(scope="module")
def piped(lab: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What dash wrote to standard output."""
    out = tmp_path_factory.mktemp("dash") / "piped.tar.gz"
    done = by_script("dash", lab[0], out, "-o", "-")
    assert done.returncode == 0, done.stderr.decode()
    out.write_bytes(done.stdout)
    return out


@pytest.fixture(scope="module")
def capped(lab: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What bash wrote to a file, with no more than the capabilities of the daemon set."""
    from collectors.cluster.daemonset import CAPABILITIES

    out = tmp_path_factory.mktemp("bash") / "capped.tar.gz"
    bounding = "-all," + ",".join(f"+{name.lower()}" for name in CAPABILITIES)
    done = by_script(f"setpriv --bounding-set={bounding} bash --posix", lab[0], out, "-o", str(out))
    assert done.returncode == 0, done.stderr.decode()
    return out


@pytest.fixture(scope="module")
def program(lab: tuple[str, str], piped: Path, capped: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What the collector in Python sees, after the scripts."""
    assert piped.exists()
    assert capped.exists()
    return state(by_python(*lab, tmp_path_factory.mktemp("python") / "bundle"), (HOST, lab[1]))


def by_script(shell: str, node: str, out: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the script in a node's namespace."""
    path = out.with_suffix(".sh")
    path.write_text(script(), encoding="utf-8")
    command = ["ip", "netns", "exec", node, *shell.split(), str(path), "-n", "n1", "-s", node.replace("-n", "-p"), *words]
    return subprocess.run(command, check=False, capture_output=True, env={**os.environ, **environment})


def by_python(node: str, pod: str, out: Path) -> Evidence:
    """What the collector in Python sees there."""
    code = (
        "from pathlib import Path; from collectors.live import collect, CollectOptions; "
        f"collect(CollectOptions(node='n1', netns=({pod!r},)), Path({str(out)!r}))"
    )
    command = ["ip", "netns", "exec", node, "env", f"PYTHONPATH={ROOT}", sys.executable, "-c", code]
    subprocess.run(command, check=True, capture_output=True)
    return read([out])


STATE = ("address", "neighbor", "fdb", "routing_rule", "route", "netfilter_table", "ipset", "socket", "link")
LEFT_OUT = {"peer_stack", "rx_missed", "rx_packets", "tx_packets", "rx_dropped", "tx_dropped", "state", "carrier", "mtu"}
"""Details that change by themselves, or that only a program that holds every namespace can tell."""
OF_PORTS = {"hairpin", "isolated", "learning", "flood", "port_state"}
"""Told by both, in facts of other kinds."""


def state(evidence: Evidence, stacks: tuple[str, ...], kinds: tuple[str, ...] = STATE) -> set[str]:
    """Facts about the network's state, as comparable lines."""
    return {shown(fact) for fact in evidence.facts if fact.kind in kinds and fact.stack in stacks}


def shown(fact: Fact) -> str:
    """A fact without what is left out."""
    fields = {key: str(value) for key, value in fact.fields.items() if key not in LEFT_OUT | OF_PORTS}
    return f"{fact.stack} {fact.kind} {sorted(fields.items())}"


@pytest.mark.parametrize("shell", ["piped", "capped"])
def test_the_script_sees_what_the_program_sees(lab: tuple[str, str], program: set[str], shell: str, request: pytest.FixtureRequest) -> None:
    """Links, addresses, routes, rules, netfilter, sets and sockets of a node and its pod are the same facts, whoever collects."""
    assert program
    assert state(read([request.getfixturevalue(shell)]), (HOST, lab[1])) == program


def test_busybox_alone_is_enough(lab: tuple[str, str], tmp_path: Path) -> None:
    """With busybox' programs and nothing else, addresses, routes and neighbours are told, and nothing is misread."""
    node, pod = lab
    applets = tmp_path / "bin"
    applets.mkdir()
    for name in subprocess.run(["busybox", "--list"], check=True, capture_output=True, text=True).stdout.split():
        (applets / name).symlink_to(shutil.which("busybox") or "busybox")
    # The script appends the system's folders: they are hidden behind an empty one.
    text = script().replace("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", str(applets))
    path = tmp_path / "collect.sh"
    path.write_text(text, encoding="utf-8")
    out = tmp_path / "b.tar.gz"
    command = ["ip", "netns", "exec", node, "env", f"PATH={applets}", str(applets / "sh"), str(path), "-n", "n1", "-s", pod, "-o", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    evidence = read([out])
    assert not [warning for warning in evidence.warnings if "not understood" in warning]
    addresses = {(f.stack, f.get("address")) for f in evidence.facts if f.kind == "address"}
    assert {(HOST, "10.244.1.1"), (pod, "10.244.1.5")} <= addresses
    assert any(f.kind == "route" and f.stack == pod and f.get("dst") == "0.0.0.0/0" for f in evidence.facts)
    missing = {f.get("what"): f.get("reason") for f in evidence.facts if f.kind == "not_collected" and f.stack == HOST}
    assert "is not installed" in str(missing.get("netfilter"))


def test_the_archive_can_go_to_standard_output(piped: Path) -> None:
    """``-o -`` writes the archive alone; its manifest names every file and leaves none out."""
    with tarfile.open(piped) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
        held = archive.extractfile("noroute-n1/manifest.json")
        assert held is not None
        manifest = json.load(held)
    listed = {item["file"] for item in manifest["items"] if item["file"]}
    assert {name for name in names if not name.endswith("netns.json")} == listed | {"manifest.json"}


def test_nothing_is_overwritten(lab: tuple[str, str], tmp_path: Path) -> None:
    """A path that exists is refused, and stays as it is."""
    out = tmp_path / "there.tar.gz"
    out.write_text("mine", encoding="utf-8")
    done = by_script("dash", lab[0], tmp_path / "x", "-o", str(out))
    assert (done.returncode, out.read_text(encoding="utf-8")) == (2, "mine")
    assert b"exists already" in done.stderr


@pytest.mark.parametrize("words", [("-t", "0"), ("-t", "x; reboot"), ("more",), ("-q",)])
def test_wrong_usage_is_refused(lab: tuple[str, str], tmp_path: Path, words: tuple[str, ...]) -> None:
    """Wrong options end with status 2 before anything is read."""
    assert by_script("dash", lab[0], tmp_path / "x", *words).returncode == 2


def test_it_runs_with_the_capabilities_of_its_daemon_set(lab: tuple[str, str], capped: Path) -> None:
    """The capabilities in the manifest are enough to read a pod's namespace, its netfilter rules included."""
    evidence = read([capped])
    assert any(f.kind == "route" and f.stack == lab[1] for f in evidence.facts)
    assert {f.get("backend") for f in evidence.facts if f.kind == "netfilter_table" and f.stack == HOST} == {"legacy", "nft"}


def test_environments_of_containers_are_not_kept() -> None:
    """What ``docker inspect`` shows of a container's environment leaves its names only; other lines are untouched."""
    text = script()
    function = text[text.index("without_secrets() {") : text.index("only_net() {")]
    document = [{"Config": {"Env": ['PASSWORD=hun"ter]2', "A=b=c", "EMPTY=", 'ODD"NAME=x'], "Cmd": ["run"]}, "Args": ["x=1"], "Env": []}]
    shell = ["dash", "-c", f"{function}\nwithout_secrets"]
    done = subprocess.run(shell, input=json.dumps(document, indent=4), check=True, capture_output=True, text=True)
    kept = json.loads(done.stdout)
    assert kept[0]["Config"] == {"Env": ["PASSWORD=<redacted>", "A=<redacted>", "EMPTY=<redacted>", "<redacted>"], "Cmd": ["run"]}
    assert kept[0]["Args"] == ["x=1"]


def test_it_passes_shellcheck() -> None:
    """The script is clean POSIX shell."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=script(), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
