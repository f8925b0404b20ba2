"""Network cards, as ``ethtool`` prints them, and what the kernel log says of checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import sections
from collectors.parsers.cards import parse, parse_log
from collectors.place import Place
from engine.facts import Fact, Source

RECORDINGS = Path(__file__).parents[2] / "recordings" / "ethtool"
VMXNET3 = "driver: vmxnet3\nversion: 1.6.0.0-k-NAPI\nfirmware-version: \nexpansion-rom-version: \nbus-info: 0000:03:00.0\n"
# The lines that lib/dump_stack.c and net/core/dev.c (netdev_rx_csum_fault) write.
LOG = """\
[  812.104412] ens192: hw csum failure
[  812.104418] CPU: 3 PID: 0 Comm: swapper/3 Not tainted 4.18.0-305.el8.x86_64 #1
[  813.220914] ens192: hw csum failure
Nov 20 10:02:11 node1 kernel: flannel.1: hw csum failure
"""


def facts(text: str, command: str = "") -> list[Fact]:
    """Facts of a text."""
    return parse(Source("pasted", text, command), Place("n1"))


def recorded(name: str) -> list[Fact]:
    """Facts of a recording."""
    return parse(Source(name, (RECORDINGS / name).read_text(encoding="utf-8"), name.replace("_", " ")), Place("n1"))


def test_features() -> None:
    """What a device does itself, and what cannot be changed; features that say nothing of sizes and checksums are passed over."""
    found = {f.get("feature"): f for f in recorded("ethtool_-k_flannel.1")}
    assert {f.kind for f in found.values()} == {"offload"}
    assert {f.get("device") for f in found.values()} == {"flannel.1"}
    told: dict[str, Any] = {name: (f.get("on"), f.get("fixed")) for name, f in found.items()}
    assert (told["tx-checksum-ip-generic"], told["tx-checksum-ipv4"]) == ((True, False), (False, True))
    assert found["tx-checksum-ip-generic"].text == "tx-checksum-ip-generic: on"
    assert "highdma" not in told


FILTERED = ("ethtool -k eth0 | grep checksum", "sudo ethtool --show-features eth0", "ethtool -k eth0 | egrep 'rx|tx' | head")


@pytest.mark.parametrize("command", FILTERED)
def test_the_device_of_a_filtered_listing(command: str) -> None:
    """The device is what the options stand before, not the last word of a pipe; the heading may have been filtered away."""
    assert {f.get("device") for f in facts("rx-checksumming: on\ntx-checksumming: off\n", command)} == {"eth0"}
    assert {f.kind for f in facts("     rx_queue_0_drops: 1289\n", "ethtool -S eth0 | grep drop")} == {"unparsed"}


def test_driver() -> None:
    """The driver is the device's of the command line; without one nobody knows whose it is."""
    (nic,) = recorded("ethtool_-i_v0")
    assert (nic.kind, dict(nic.fields)) == ("nic", {"device": "v0", "driver": "veth", "version": "1.0"})
    (nic,) = facts(VMXNET3, "ethtool -i ens192")
    assert (nic.get("device"), nic.get("driver")) == ("ens192", "vmxnet3")
    assert facts(VMXNET3) == []


def test_refusals_and_foreign_text() -> None:
    """A device that is not there is no list of features, and foreign text is said to be so."""
    assert [f.kind for f in facts("bash: ethtool: command not found\n", "ethtool -k eth0")] == ["not_collected"]
    assert [f.kind for f in facts("hello\n")] == ["unparsed"]
    assert facts("") == []


def test_log() -> None:
    """Failures are counted by device; the rest of a log says nothing."""
    found = parse_log(Source("dmesg", LOG, "dmesg"), Place("n1"))
    assert {f.kind for f in found} == {"csum_failure"}
    assert [(f.get("device"), f.get("count"), f.line) for f in found] == [("ens192", 2, 1), ("flannel.1", 1, 4)]


@pytest.mark.parametrize(
    ("name", "text", "format_name"),
    [
        ("out.txt", "Features for ens192:\nrx-checksumming: on\n", "cards"),
        ("ethtool_-i_ens192", VMXNET3, "cards"),
        ("dmesg.txt", LOG, "kernel_log"),
        ("session.txt", f"$ ethtool -i ens192\n{VMXNET3}", "cards"),
        ("session.txt", f"root@n1:~# dmesg | tail\n{LOG}", "kernel_log"),
    ],
)
def test_recognised(name: str, text: str, format_name: str) -> None:
    """By name, by a prompt, and by content."""
    assert [s.format for s in sections(name, text) if s.format] == [format_name]


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever the text, there are facts and no exception."""
    for found in (facts(text), parse_log(Source("x", text), Place("n1"))):
        assert all(f.node == "n1" for f in found)
