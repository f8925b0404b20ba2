"""Several machines in one text whose prompts name none."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import pytest

from collectors.classify import sections
from collectors.evidence import Evidence, read
from collectors.turns import asked_by_ssh, hostname, said

if TYPE_CHECKING:
    from pathlib import Path

LO = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
"""


def card(number: int, name: str = "eth0", address: str = "", mac: str = "") -> str:
    """What ``ip addr`` prints of a machine: its loopback, its card and a docker bridge that has the same address everywhere."""
    return (
        f"{LO}2: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000\n"
        f"    link/ether {mac or f'52:54:00:00:00:{number:02x}'} brd ff:ff:ff:ff:ff:ff\n"
        f"    inet {address or f'10.20.0.{number}'}/24 scope global {name}\n"
        "3: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN group default\n"
        f"    link/ether 02:42:00:00:00:{number:02x} brd ff:ff:ff:ff:ff:ff\n    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0\n"
    )


def route(number: int) -> str:
    """What ``ip route`` prints of a machine."""
    return f"default via 10.20.0.1 dev eth0\n10.20.0.0/24 dev eth0 proto kernel scope link src 10.20.0.{number}\n"


A = f"# ip addr\n{card(11)}# ip route\n{route(11)}"
SOCKETS = "State  Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 128 0.0.0.0:5432 0.0.0.0:*\n"
B = f"# ip addr\n{card(12)}# ip route\n{route(12)}# ss -lnt\n{SOCKETS}"


def evidence(folder: Path, text: str) -> Evidence:
    """The evidence of one pasted text."""
    (folder / "paste.txt").write_text(text, encoding="utf-8")
    return read([folder / "paste.txt"])


def machines(found: Evidence) -> dict[str, list[str]]:
    """Node → the sources that its routes name, the ports of its listeners."""
    told: dict[str, list[str]] = {}
    for fact in found.facts:
        word = fact.get("src") if fact.kind == "route" else fact.get("port") if fact.kind == "socket" else None
        if word is not None:
            told.setdefault(fact.node, []).append(str(word))
    return told


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"On node1:\n{A}\nOn node2:\n{B}", ("node1", "node2")),
        (f"Here is what I see.\n\n**host A**\n{A}\n**host B**\n{B}", ("host-A", "host-B")),
        (f"### Node 1:\n{A}\n### Node 2:\n{B}", ("node-1", "node-2")),
        (f"在 node1 上执行：\n{A}在 node2 上执行：\n{B}", ("node1", "node2")),
        (f"主机A：\n{A}主机B：\n{B}", ("host-A", "host-B")),
        (f"# hostname\nnode1\n{A}# hostname\nnode2\n{B}", ("node1", "node2")),
        (f"{A}$ ssh -p 22 root@node2\n{B}", ("", "node2")),
        (f"# ssh node2\n{B}Connection to node2 closed.\n{A}", ("", "node2")),
        (f"web:\n{A}db:\n{B}", ("web", "db")),
        (f"{A}{B}", ("10.20.0.11", "10.20.0.12")),
        (f"{A}# ip route\n{route(12)}{B}", ("10.20.0.11", "10.20.0.12")),
    ],
)
def test_each_machine_has_its_outputs(tmp_path: Path, text: str, names: tuple[str, str]) -> None:
    """The machine changes where a person says so, else where listings of devices share neither MAC nor address; a named source decides."""
    told = machines(evidence(tmp_path, text))
    first, second = names
    assert {node: set(words) for node, words in told.items() if node == second} == {second: {"10.20.0.12", "5432"}}
    others = {node: set(words) for node, words in told.items() if node != second}
    assert [*others.values()] == [{"10.20.0.11"}]
    assert not first or set(others) == {first}


def test_what_was_not_said_is_told(tmp_path: Path) -> None:
    """Where nobody names the machines, the reader is told that there are several, and how to name them."""
    (warning,) = evidence(tmp_path, f"{A}{B}").warnings
    assert "several machines" in warning
    assert "10.20.0.11, 10.20.0.12" in warning
    assert not evidence(tmp_path, f"On node1:\n{A}On node2:\n{B}").warnings


@pytest.mark.parametrize(
    "text",
    [
        f"{A}# ip addr\n{card(11, address='10.20.0.77')}",  # renumbered
        f"{A}# ip addr\n{card(11, mac='52:54:00:00:00:99').replace('02:42:00:00:00:0b', '02:42:00:00:00:77')}",  # cards exchanged, addresses kept
        f"{A}# ip -d link\n{card(11)}",
        f"Before:\n{A}After:\n{A}",
        f"{A}On boot:\n# ip route\n{route(11)}",
        f"{A}# docker exec web ip addr\n{card(99)}",
    ],
)
def test_one_machine_shown_twice_is_one(tmp_path: Path, text: str) -> None:
    """A machine before and after a change, and a container that a command names, are no other machines; a lone remark is no name."""
    found = evidence(tmp_path, text)
    assert len({fact.node for fact in found.facts if fact.node}) == 1
    assert not any("several machines" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("On node1:", "node1"), ("# on the host db-2:", "db-2"), ("--- from 10.0.0.5: ---", "10.0.0.5"), ("host A", "host-A"), ("Host b:", "host-b"),
        ("== server 2 ==", "server-2"), ("## node worker-3:", "worker-3"), ("在 node1 节点上：", "node1"), ("节点2：", "host-2"),
        ("$ ssh root@10.0.0.5", "10.0.0.5"), ("[me@jump ~]$ ssh -i key -p 2222 node2", "node2"), ("Connection to node2 closed.", ""),
    ],
)  # fmt: skip
def test_lines_that_name_a_machine(line: str, name: str) -> None:
    """The name is what stands in the line; letters and numbers keep the word before them."""
    assert said(line) == name


@pytest.mark.parametrize(
    ("command", "text", "name"),
    [
        ("hostname", "node1\n", "node1"), ("hostname -f", "node1.corp\n", "node1.corp"), ("uname -a", "Linux node1 5.10.0 #1 SMP\n", "node1"),
        ("hostnamectl", "   Static hostname: node1\n", "node1"), ("hostname", "hostname: not found\n", ""), ("hostname -I", "10.0.0.1\n", ""),
    ],
)  # fmt: skip
def test_a_machine_that_tells_its_name(command: str, text: str, name: str) -> None:
    """Programs that print the machine's own name say which machine it is; their complaints do not."""
    assert hostname(command, text) == name


def test_a_command_run_by_ssh(tmp_path: Path) -> None:
    """``ssh HOST COMMAND`` shows that host, and only in its own output."""
    assert (asked_by_ssh("ssh -q root@node2 ip route"), asked_by_ssh("ip route")) == ("node2", "")
    told = machines(evidence(tmp_path, f"{A}$ ssh node2 'ip route'\n{route(12)}$ ssh node3 ip route\n{route(13)}$ ip route\n{route(11)}"))
    assert {"node2": ["10.20.0.12"], "node3": ["10.20.0.13"]}.items() <= told.items()
    assert {word for node, words in told.items() if node not in {"node2", "node3"} for word in words} == {"10.20.0.11"}


@pytest.mark.parametrize("line", ["On foo{}x", "host A*{}x", "node1{}x", "On a:{}x", "src a dst {}"])
def test_long_runs_take_time_by_their_length(line: str) -> None:
    """Texts are not trusted: 60,000 characters of one kind are read at once, not by the square of their number."""
    begin = process_time()
    sections("pasted", line.format((" " if "{}x" in line else "x") * 60_000) + "\n")
    assert process_time() - begin < 2
