"""What is read in a namespace of the running kernel."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from collectors.live import netlink, stack
from collectors.live.modules import Facility
from collectors.live.options import CollectOptions
from collectors.live.stack import Got

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Inside = Callable[[Callable[[], Any]], Any]

needs_kernel = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"),
]
OPTIONS = CollectOptions()


def run(netns: str, *words: str) -> str:
    """Output of a command inside a namespace."""
    return subprocess.run(["ip", "netns", "exec", netns, *words], check=True, capture_output=True, text=True).stdout


class TestRunningKernel:
    """Every part shows what the usual program shows."""

    pytestmark = needs_kernel

    def test_everything_is_read_where_the_thread_is(self, netns: str, inside: Inside) -> None:
        """Each listing comes once, and of the namespace entered: its loopback alone, which is down."""
        items: list[Got] = inside(lambda: list(stack.everything(OPTIONS)))
        commands = [item.command for item in items]
        assert len(set(commands)) == len(commands)
        assert set(stack.LISTINGS) | {"nft list ruleset", "ipset save", "sysctl -a"} <= set(commands)
        links = json.loads(next(item.output.data for item in items if item.command == "ip -d -s -j link"))
        assert [link["ifname"] for link in links] == [link["ifname"] for link in json.loads(run(netns, "ip", "-j", "link"))]

    def test_a_listing_is_cut_at_the_cap(self, inside: Inside) -> None:
        """What netlink gives past the cap is left out, and said."""
        output = inside(lambda: stack.over_netlink(CollectOptions(max_bytes=10)))["ip -d -s -j link"]
        assert (len(output.data), output.truncated) == (10, True)

    def test_without_pyroute2_programs_answer(self, monkeypatch: pytest.MonkeyPatch, inside: Inside) -> None:
        """``ip`` and ``bridge`` list the same as netlink, and nothing is left out."""
        over_netlink = inside(lambda: list(stack.rtnetlink(OPTIONS)))
        monkeypatch.setitem(sys.modules, "pyroute2", None)
        by_program = inside(lambda: list(stack.rtnetlink(OPTIONS)))
        assert [(item.command, item.what) for item in by_program] == [(item.command, item.what) for item in over_netlink]
        assert {item.via for item in over_netlink} == {"netlink"}
        assert {(item.via, item.output.exit_status) for item in by_program} == {("command", 0)}

    def test_a_huge_table_is_left_to_the_faster_program(self, monkeypatch: pytest.MonkeyPatch, netns: str, inside: Inside) -> None:
        """Past a number of routes ``ip`` is run; where it is missing Python decodes them all the same."""
        run(netns, "ip", "link", "set", "lo", "up")
        command = "ip -j route show table all"
        monkeypatch.setitem(netlink.READERS, command, lambda ipr: netlink.routes(ipr, 1))
        assert command not in inside(lambda: stack.over_netlink(OPTIONS))
        monkeypatch.setattr(stack, "find", lambda _: None)
        routes = json.loads(inside(lambda: stack.over_netlink(OPTIONS))[command].data)
        assert {"127.0.0.0/8", "127.0.0.1"} <= {route["dst"] for route in routes}

    @pytest.mark.skipif(not shutil.which("iptables-legacy-save"), reason="needs iptables-legacy")
    def test_a_legacy_table_is_saved_only_where_there_is_one(self, netns: str, inside: Inside) -> None:
        """No table: an empty listing without a question.  A table: what iptables-save prints, counters included."""
        def save() -> Got:
            return stack.legacy_tables("iptables", "ip_tables_names", OPTIONS)

        got = inside(save)
        assert (got.output.data, got.via, got.skipped) == (b"", "file", "")
        run(netns, "iptables-legacy", "-t", "nat", "-A", "POSTROUTING", "-s", "10.0.0.0/8", "-j", "MASQUERADE")
        got = inside(save)
        assert (got.command, got.via, got.what) == ("iptables-legacy-save -c", "command", "netfilter")
        assert b"[0:0] -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE\n" in got.output.data
        assert b"*filter" not in got.output.data

    def test_parameters_are_what_sysctl_prints(self, netns: str, inside: Inside) -> None:
        """Keys and values agree with ``sysctl``, also for a device with a dot in its name; secrets are left out."""
        run(netns, "ip", "link", "add", "cl0.5", "type", "bridge")
        run(netns, "sysctl", "-qw", "net.ipv4.conf.cl0/5.forwarding=1")
        run(netns, "sysctl", "-qw", "net.ipv6.conf.cl0/5.stable_secret=2001:db8::1")
        (got,) = inside(lambda: list(stack.sysctls(OPTIONS)))
        ours = dict(line.split(" = ", 1) for line in got.output.data.decode().splitlines() if " = " in line)
        printed = [line.split(" = ", 1) for line in run(netns, "sysctl", "-a", "--pattern", r"^net\.ipv[46]\.(conf|ip_)").splitlines()]
        steady = {key: value for key, value in printed if "stable_secret" not in key}
        assert {key: ours.get(key) for key in steady} == steady
        assert ours["net.ipv4.conf.cl0/5.forwarding"] == "1"
        assert not [key for key in ours if "secret" in key or "fastopen_key" in key]
        assert b"2001:db8" not in got.output.data

    def test_parameters_are_cut_at_the_cap(self, inside: Inside) -> None:
        """Reading ends soon after the cap."""
        (got,) = inside(lambda: list(stack.sysctls(CollectOptions(max_bytes=300))))
        assert got.output.truncated
        assert len(got.output.data) < 1000

    @pytest.mark.parametrize(("state", "via"), [(Facility.PRESENT, "command"), (Facility.ABSENT, "file")])
    def test_a_listener_is_found_either_way(self, monkeypatch: pytest.MonkeyPatch, inside: Inside, state: Facility, via: str) -> None:
        """``ss`` where its modules are there, /proc/net where ss would load them: a listener shows in both, with its state."""
        monkeypatch.setattr(stack, "facility", lambda _: state)

        def listen() -> tuple[int, Got]:
            with socket.socket() as listener:
                listener.bind(("0.0.0.0", 0))
                listener.listen()
                (got,) = stack.sockets(OPTIONS)
                return listener.getsockname()[1], got

        port, got = inside(listen)
        assert got.via == via
        assert [line.split()[1] for line in got.output.data.decode().splitlines() if f":{port} " in line] == ["LISTEN"]

    def test_an_ss_that_fails_is_replaced(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, inside: Inside) -> None:
        """An old ss that does not know an option costs nothing."""
        (tmp_path / "ss").write_text("#!/bin/sh\necho 'ss: invalid option' >&2\nexit 255\n")
        (tmp_path / "ss").chmod(0o755)
        monkeypatch.setattr(stack, "find", lambda name: str(tmp_path / name))
        monkeypatch.setattr(stack, "facility", lambda _: Facility.PRESENT)
        assert [(got.via, got.output.exit_status) for got in inside(lambda: list(stack.sockets(OPTIONS)))] == [("file", 0)]

    @pytest.mark.skipif(not shutil.which("conntrack"), reason="needs conntrack")
    def test_connections_of_the_namespace(self, netns: str, inside: Inside) -> None:
        """An entry of the namespace is listed, by the program or from /proc."""
        run(netns, "conntrack", "-I", "-s", "10.0.0.1", "-d", "10.0.0.2", "-p", "udp", "--sport", "1", "--dport", "2", "-t", "100")
        got = inside(lambda: list(stack.connections(OPTIONS)))
        assert {item.what for item in got} == {"conntrack"}
        assert sum(item.output.data.count(b"src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2") for item in got) == 1

    def test_counters_are_the_namespaces_own(self, netns: str, inside: Inside) -> None:
        """The counters of a namespace are those that a program inside it sees; each is kept under its path."""
        got = {item.file: item.output.data.decode() for item in inside(lambda: list(stack.counters(OPTIONS)))}
        assert got["files/proc/net/snmp"] == run(netns, "cat", "/proc/net/snmp")
        assert {"files/proc/net/netstat", "files/proc/net/snmp6"} <= set(got)

    @pytest.mark.skipif(not shutil.which("ethtool"), reason="needs ethtool")
    def test_offloads_where_there_is_a_tunnel(self, netns: str, inside: Inside) -> None:
        """Cards are asked what they do by themselves only where a VXLAN device leaves it to them."""
        run(netns, "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
        assert inside(lambda: list(stack.offloads(OPTIONS))) == []
        run(netns, "ip", "link", "add", "flannel.1", "type", "vxlan", "id", "1", "dev", "eth0", "dstport", "8472")
        got = {item.command: item.output.data.decode() for item in inside(lambda: list(stack.offloads(OPTIONS)))}
        assert list(got) == ["ethtool -k flannel.1", "ethtool -i flannel.1", "ethtool -k eth0", "ethtool -i eth0"]
        assert got["ethtool -k flannel.1"] == run(netns, "ethtool", "-k", "flannel.1")


def test_an_output_or_a_reason() -> None:
    """A program that is missing, or gave nothing in time, is skipped with the reason; one that printed something first is kept as cut."""
    assert stack.program("no-such-program x", "links", OPTIONS).skipped == "no-such-program is not installed"
    hasty = CollectOptions(timeout=0.05)
    assert stack.program("sleep 60", "links", hasty).skipped == "no answer within 0.05 s"
    got = stack.program("yes", "links", CollectOptions(max_bytes=4))
    assert (got.skipped, got.output.data, got.output.truncated) == ("", b"y\ny\n", True)


def test_tables_that_may_not_be_listed_are_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If the kernel's list of tables cannot be read, no answer is claimed; if there is none, ip_tables is not loaded and there is no table."""
    monkeypatch.setattr(stack, "PROC_NET", str(tmp_path))
    assert stack.legacy_tables("iptables", "ip_tables_names", OPTIONS) == Got("iptables-legacy-save -c", "netfilter", via="file")
    (tmp_path / "ip_tables_names").mkdir()
    assert stack.legacy_tables("iptables", "ip_tables_names", OPTIONS).skipped == "/proc/net/ip_tables_names: Is a directory"


@pytest.mark.parametrize("programs", [("iptables-save",), ("iptables-save", "ip6tables-save"), ()])
def test_an_iptables_of_one_backend(monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...]) -> None:
    """Releases before 1.8 have one save program a family; without any, both backends are asked of the kernel."""
    monkeypatch.setattr(stack, "find", lambda name: f"/sbin/{name}" if name in programs else None)
    monkeypatch.setattr(stack, "program", lambda command, what, _: Got(command, what))
    monkeypatch.setattr(stack, "legacy_tables", lambda prefix, *_: Got(f"{prefix}-legacy-save -c", "netfilter"))
    commands = [got.command for got in stack.netfilter(OPTIONS) if "ip" in got.command]
    saved = {"iptables-save": "iptables-save -c", "ip6tables-save": "ip6tables-save -c"}
    assert [command for command in commands if command in saved.values()] == [saved[name] for name in programs]
    assert len([command for command in commands if "-legacy-" in command]) == 2 - len(programs)


def test_the_files_of_a_folder_in_order_and_without_secrets(tmp_path: Path) -> None:
    """Every file below, sorted, links to folders not followed; what is missing has none."""
    for path in ("net/b", "net/a/z", "net/a/stable_secret", "net/tcp_fastopen_key"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("1\n")
    (tmp_path / "net" / "up").symlink_to(tmp_path)
    assert list(stack.below(str(tmp_path), "net")) == ["net/a/z", "net/b", "net/up"]
    assert list(stack.below(str(tmp_path), "none")) == []


def test_a_parameter_without_a_value(tmp_path: Path) -> None:
    """What cannot be read has no value; one line feed at the end is no part of it."""
    (tmp_path / "x").write_text("4096\t87380\n")
    assert stack.sysctl_value(str(tmp_path / "x")) == "4096\t87380"
    assert stack.sysctl_value(str(tmp_path / "none")) is None
    assert stack.sysctl_value(str(tmp_path)) is None


def test_connections_without_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not loaded: there are none.  Without conntrack the kernel's file is read; without that either, the reason is told."""
    monkeypatch.setattr(stack, "PROC_NET", str(tmp_path))
    monkeypatch.setattr(stack, "facility", lambda _: Facility.ABSENT)
    assert list(stack.connections(OPTIONS)) == [Got("conntrack -L -o extended", "conntrack", via="file")]
    monkeypatch.setattr(stack, "facility", lambda _: Facility.PRESENT)
    monkeypatch.setattr(stack, "find", lambda _: None)
    assert [got.skipped for got in stack.connections(OPTIONS)] == ["conntrack is not installed"]
    (tmp_path / "nf_conntrack").write_text("ipv4 2 udp 17 src=10.0.0.1\n")
    (got,) = stack.connections(OPTIONS)
    assert (got.file, got.via, got.output.data) == ("files/proc/net/nf_conntrack", "file", b"ipv4 2 udp 17 src=10.0.0.1\n")


def test_keys_of_ipsec_are_never_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An ``ip`` that prints keys although it was asked not to, has them thrown away; everything else of a state stays."""
    told = "src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi 0x100 reqid 1 mode tunnel\n"
    keyed = "\tauth-trunc hmac(sha256) 0xbeef 128\n\tenc cbc(aes) 0xbeef\n\taead rfc4106(gcm(aes)) 0xbeef 128\n"
    more = "\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n"
    program = tmp_path / "ip"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{told}{keyed}{more}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(stack, "facility", lambda _: Facility.PRESENT)
    states = [got.output.data.decode() for got in stack.transforms(OPTIONS) if got.what == "xfrm_states"]
    assert states == [told + more]
