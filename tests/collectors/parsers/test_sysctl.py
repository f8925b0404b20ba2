"""Kernel parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.sysctl import parse
from collectors.place import Place
from engine.facts import Fact, Source

RECORDINGS = Path(__file__).parents[2] / "recordings" / "netfilter"


def facts(text: str, command: str = "", name: str = "pasted") -> list[Fact]:
    """Facts of a text, by the command or the file name that made it."""
    return parse(Source(name, text, command), Place("n1", "web"))


def recorded(name: str) -> str:
    """A recorded output."""
    return (RECORDINGS / name).read_text()


def values(found: list[Fact]) -> dict[str, str]:
    """Parameters by key."""
    return {f.fields["key"]: f.fields["value"] for f in found if f.kind == "sysctl"}


def scopes(found: list[Fact]) -> list[str]:
    """Scopes that count as collected."""
    return [f.fields["scope"] for f in found if f.kind == "collected"]


@pytest.mark.parametrize("command", ["sysctl -a", "sudo sysctl --all", ""])
def test_all_parameters(command: str) -> None:
    """``sysctl -a`` is the whole list, recognised without its command too; white space inside values is folded."""
    found = facts(recorded("sysctl-a"), command)
    got = values(found)
    assert len(got) == 827  # kernel.core_modes has three lines
    assert got["net.ipv4.ip_forward"] == "0"
    assert got["net.ipv4.ip_local_port_range"] == "32768 60999"
    assert scopes(found) == ["all"]
    assert not [f for f in found if f.kind == "unparsed"]
    assert all(f.source.line(f.line).startswith(f.fields["key"]) for f in found if f.kind == "sysctl")


@pytest.mark.parametrize(
    "command", ["sysctl -a | grep net", "sysctl -a -r forward", "sysctl -a --pattern=net", "sysctl -ar net", "sysctl net.ipv4", "cat sysctl.conf"]
)
def test_parts_are_not_all(command: str) -> None:
    """A filter, a pattern or a named subtree covers a part only."""
    assert scopes(facts(recorded("sysctl-a"), command)) == []


def test_cut_off_output_is_not_all() -> None:
    """An output that ends inside a line is not the whole list."""
    assert scopes(facts(recorded("sysctl-a")[:-5], "sysctl -a")) == []


def test_a_key_that_does_not_exist() -> None:
    """``cannot stat`` says that the key does not exist: the module behind it is not loaded."""
    found = facts(recorded("sysctl-keys"), "sysctl nosuch.key net.ipv4.ip_forward net.bridge.nosuch")
    assert values(found) == {"net.ipv4.ip_forward": "0"}
    assert scopes(found) == ["nosuch.key", "net.bridge.nosuch"]
    assert scopes(facts('error: "net.bridge.bridge-nf-call-iptables" is an unknown key\n')) == ["net.bridge.bridge-nf-call-iptables"]


def test_permission_denied() -> None:
    """Unreadable keys of the network are reported; those of other subsystems are understood and left."""
    found = facts(recorded("sysctl-a.denied"), "sysctl -a")
    denied = [f.fields["command"] for f in found if f.kind == "not_collected"]
    assert denied
    assert all(command.startswith("sysctl net.") for command in denied)
    assert values(found)["net.ipv4.ip_forward"] == "0"
    assert not [f for f in found if f.kind == "unparsed"]


@pytest.mark.parametrize(
    ("name", "command", "key"),
    [
        ("proc_sys_net_ipv4_ip_forward", "", "net.ipv4.ip_forward"),
        ("nodes/n1/files/proc/sys/net/ipv4/ip_forward", "", "net.ipv4.ip_forward"),
        ("proc_sys_net_bridge_bridge-nf-call-iptables", "", "net.bridge.bridge-nf-call-iptables"),
        ("proc_sys_net_ipv4_conf_eth0_rp_filter.txt", "", "net.ipv4.conf.eth0.rp_filter"),
        ("proc_sys_net_ipv4_conf_all_mc_forwarding", "", "net.ipv4.conf.all.mc_forwarding"),
        ("proc_sys_net_ipv4_conf_my_if_route_localnet", "", "net.ipv4.conf.my_if.route_localnet"),
        ("x/proc/sys/net/ipv4/conf/eth0.100/forwarding", "", "net.ipv4.conf.eth0/100.forwarding"),
        ("proc_sys_net_netfilter_nf_conntrack_max", "", "net.netfilter.nf_conntrack_max"),
        ("proc_sys_kernel_hostname", "", "kernel.hostname"),
        ("out", "cat /proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward"),
        ("out", "sysctl -n net.ipv4.ip_forward", "net.ipv4.ip_forward"),
    ],
)
def test_copied_files(name: str, command: str, key: str) -> None:
    """A file of /proc/sys has its key in its path, whose slashes may have become underscores."""
    assert values(facts("1\n", command, name)) == {key: "1"}


def test_copied_file_that_is_missing() -> None:
    """``cat`` of a key that does not exist is no value."""
    found = facts(
        "cat: /proc/sys/net/bridge/bridge-nf-call-iptables: No such file or directory\n", "cat /proc/sys/net/bridge/bridge-nf-call-iptables"
    )
    assert scopes(found) == ["net.bridge.bridge-nf-call-iptables"]
    assert values(found) == {}


def test_spellings() -> None:
    """``key=value``, slashes and Windows line ends; a bare value has no key and is counted."""
    found = facts("net.ipv4.ip_forward=1\r\nnet/ipv4/conf/eth0.100/rp_filter = 2\r\nkernel.x =\r\n1\r\n")
    assert values(found) == {"net.ipv4.ip_forward": "1", "net.ipv4.conf.eth0/100.rp_filter": "2", "kernel.x": ""}
    assert [(f.line, f.fields["count"]) for f in found if f.kind == "unparsed"] == [(4, 1)]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]+(\.[a-z0-9_-]{1,8}){1,3}", fullmatch=True), st.from_regex(r"[0-9a-z]{0,5}( [0-9a-z]{1,5}){0,3}", fullmatch=True)
    )
)
def test_parse_is_the_inverse_of_print(keys: dict[str, str]) -> None:
    """What ``sysctl`` prints for some parameters parses to these parameters."""
    assert values(facts("".join(f"{k} = {v}\n" for k, v in keys.items()))) == {k: v.strip() for k, v in keys.items()}


@given(st.text(), st.text(max_size=40), st.sampled_from(["", "sysctl -a", "sysctl -n a.b"]))
def test_never_raises(text: str, name: str, command: str) -> None:
    """Any text under any name gives facts."""
    for fact in facts(text, command, "proc_sys_" + name) + facts(text, command, name):
        assert fact.kind in {"sysctl", "collected", "not_collected", "unparsed"}


def test_parameters_that_grep_printed() -> None:
    """``grep . /proc/sys/…/*`` prints paths with their values."""
    text = "/proc/sys/net/ipv4/conf/all/rp_filter:1\n/proc/sys/net/ipv4/conf/eth0.100/rp_filter:2\n"
    assert values(facts(text, "grep . /proc/sys/net/ipv4/conf/*/rp_filter")) == {
        "net.ipv4.conf.all.rp_filter": "1",
        "net.ipv4.conf.eth0/100.rp_filter": "2",
    }
