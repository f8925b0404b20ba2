"""Loaded modules.  The build machines' kernels have none, so the outputs here are written after ``lsmod(8)`` and ``kernel/module/procfs.c``."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.modules import parse
from collectors.place import Place
from engine.facts import Fact, Source

LSMOD = """\
Module                  Size  Used by
br_netfilter           32768  0
bridge                307200  1 br_netfilter
stp                    16384  1 bridge
nf_conntrack          172032  3 xt_conntrack,nf_nat,xt_MASQUERADE
"""
PROC = """\
br_netfilter 32768 0 - Live 0xffffffffc0a5d000
bridge 307200 1 br_netfilter, Live 0xffffffffc0a00000
stp 16384 1 bridge, Live 0x0000000000000000 (E)
nf_conntrack 172032 3 xt_conntrack,nf_nat,xt_MASQUERADE, Live 0xffffffffc09c0000
"""


def facts(text: str, command: str = "") -> list[Fact]:
    """Facts of a text, by the command or the file name that made it."""
    return parse(Source("pasted", text, command), Place("n1"))


def test_lsmod_and_proc_agree() -> None:
    """Both give the same modules, each on its line, and the list is whole."""
    for text in (LSMOD, PROC):
        found = facts(text)
        names = [f.fields["name"] for f in found if f.kind == "kernel_module"]
        assert names == ["br_netfilter", "bridge", "stp", "nf_conntrack"]
        assert all(f.text.startswith(f.fields["name"]) for f in found if f.kind == "kernel_module")
        assert [f.fields for f in found if f.kind == "collected"] == [{"what": "modules", "scope": "all"}]


def test_what_the_list_rules_out() -> None:
    """What needs a module is none of the kernel's own parts: beside a loaded bridge, br_netfilter is listed or not there, like its switches."""
    bare = LSMOD.replace("br_netfilter", "xt_nat")
    switches = [f.fields["scope"] for f in facts(bare) if f.kind == "collected" and f.fields["what"] == "sysctls"]
    assert switches == ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"]
    for text, command in ((bare, "lsmod | grep bridge"), (LSMOD.replace("bridge ", "dummy  "), "lsmod"), (LSMOD, "lsmod")):
        assert not [f for f in facts(text, command) if f.fields.get("what") == "sysctls"]


def test_parts_and_refusals_are_not_the_list() -> None:
    """A filtered list, a missing program and foreign text let nothing be called collected."""
    assert [f.kind for f in facts("bridge 307200 1 br_netfilter\n", "lsmod | grep bridge")] == ["kernel_module"]
    assert [f.kind for f in facts("sh: 1: lsmod: not found\n", "lsmod")] == ["not_collected"]
    assert [f.kind for f in facts("hello\n")] == ["unparsed"]
    assert facts("") == []


@given(st.text())
def test_never_raises(text: str) -> None:
    """Any text gives facts."""
    for fact in facts(text, "lsmod"):
        assert fact.kind in {"kernel_module", "collected", "not_collected", "unparsed"}
