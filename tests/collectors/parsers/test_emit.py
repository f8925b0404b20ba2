"""What is emitted: by the emitter itself, and by every parser that uses it, whatever the input is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.parsers import bridge, cni, crictl, docker, flannel, hostinfo, ifconfig, iplink, ipneigh, iproute, iprule, kubectl, resolv, ss
from collectors.parsers.emit import Emitter
from collectors.place import Place
from engine.facts import Source
from engine.schema import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.facts import Fact

PARSERS: list[Callable[[Source, Place], list[Fact]]] = [
    bridge.parse, bridge.parse_brctl, bridge.parse_fdb, bridge.parse_link, cni.parse, crictl.parse, docker.parse, flannel.parse, hostinfo.parse,
    ifconfig.parse, iplink.parse, ipneigh.parse, iproute.parse, iprule.parse, kubectl.parse, resolv.parse, resolv.parse_hosts, ss.parse,
]
RECORDINGS = Path(__file__).parents[2] / "recordings"
TOOLS = ("iproute2", "net-tools", "busybox", "bridge-utils", "docker", "podman", "kubectl", "cni")
FILES = sorted(path for tool in TOOLS for path in (RECORDINGS / tool).iterdir())
WORDS = sorted(
    {word for path in FILES if path.stat().st_size < 20_000 for word in path.read_text(encoding="utf-8").replace(",", " , ").split()}
    | {"\n", "    ", "\t", "\\", "{", "}", "[", "]", "[{", "}]", '"', ":", "null", "1e999", "-1", "²", "\x00", "\x1b[31m"}
)
COMMANDS = ["", "ip -4 addr", "ip route show table all", "ip -6 rule", "ss -lntup", "netstat -rn", "kubectl get pods -A", "docker ps", "arp -an"]


def test_facts_and_the_account() -> None:
    """Facts bear place, source and line; fields may be completed later; what was not understood comes last."""
    source = Source("x", "a\nb\n")
    out = Emitter(source, Place("n1", "web"))
    assert out.whole
    out.unparsed.add(2, "b")
    assert not out.whole
    out.add("link", {"name": "eth0"}, 1, "eth0:")["mtu"] = 1500
    assert out.whole
    out.collected("links")
    out.collected("routes", "main", 4)
    link, links, routes, unparsed = out.done()
    assert (link.kind, link.fields, link.node, link.stack, link.source, link.line, link.text) == (
        "link", {"name": "eth0", "mtu": 1500}, "n1", "web", source, 1, "eth0:",
    )
    assert links.fields == {"what": "links", "scope": "all"}
    assert routes.fields == {"what": "routes", "scope": "main", "family": 4}
    assert (unparsed.kind, unparsed.line) == ("unparsed", 2)


def check(text: str, command: str) -> None:
    """Run every parser over one text; facts must be of the schema, with lines inside the text."""
    source = Source("fuzz", text, command)
    lines = text.count("\n") + 1
    for parser in PARSERS:
        for fact in parser(source, Place("n1")):
            assert fact.fields.keys() <= fields_of(fact.kind), (parser, fact)
            assert None not in fact.fields.values(), (parser, fact)
            assert 0 <= fact.line <= lines, (parser, fact)


@settings(max_examples=60)
@given(st.text(), st.sampled_from(COMMANDS))
def test_any_text(text: str, command: str) -> None:
    """Arbitrary characters."""
    check(text, command)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(WORDS), max_size=40), st.sampled_from(COMMANDS))
def test_words_of_outputs_in_any_order(words: list[str], command: str) -> None:
    """Real words, shuffled: this reaches deeper than arbitrary characters."""
    check(" ".join(words).replace(" \n ", "\n"), command)


@settings(max_examples=60)
@given(st.sampled_from([path for path in FILES if path.stat().st_size < 20_000]), st.data())
def test_damaged_recordings(path: Path, draw: st.DataObject) -> None:
    """Real outputs, cut off, with a piece removed or with a character replaced."""
    text = path.read_text(encoding="utf-8")
    start = draw.draw(st.integers(0, len(text)))
    end = draw.draw(st.integers(start, min(len(text), start + 40)))
    filling = draw.draw(st.sampled_from(["", "x", "\n", '"', "-1", "{", ":", " "]))
    check(text[:start] + filling + text[end:], draw.draw(st.sampled_from(COMMANDS)))
    check(text[:start], "")


KEYS = [
    *("dst", "dev", "gateway", "via", "nexthops", "flags", "metrics", "priority", "src", "fwmark", "mac", "lladdr", "state", "operstate", "stats64"),
    *("rx", "ifname", "ifindex", "addr_info"),
    *("linkinfo", "info_data", "info_kind", "local", "prefixlen", "items", "kind", "metadata", "name", "namespace"),
    *("spec", "status", "ports", "addresses", "subsets", "endpoints", "labels", "info", "network", "Id", "Config", "HostConfig", "NetworkSettings"),
    *("Networks", "Ports", "IPAM", "Driver", "Options", "plugins", "type", "ipam", "ranges", "subnet", "delegate"),
]
TEXTS = st.text(max_size=5) | st.sampled_from(["10.0.0.1", "default", "eth0", "inet", "Pod", "x/y"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=120)
@given(st.lists(JSON, max_size=3), st.sampled_from(COMMANDS))
def test_json_of_any_shape(data: list[object], command: str) -> None:
    """Keys that the parsers know, with values of every type."""
    import json

    check(json.dumps(data), command)
    for element in data:
        check(json.dumps(element, indent=1), command)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_windows_line_ends_and_colours_change_nothing(path: Path) -> None:
    """A listing pasted from a terminal reads as the one from a file."""
    text = path.read_text(encoding="utf-8")
    command = path.name.replace("_", " ")
    for parser in PARSERS:
        plain = [(fact.kind, fact.fields, fact.line) for fact in parser(Source(path.name, text, command), Place("n1")) if fact.kind != "unparsed"]
        pasted = parser(Source(path.name, "\x1b[0m" + text.replace("\n", "\r\n"), command), Place("n1"))
        if parser is not cni.parse:
            assert [(fact.kind, fact.fields, fact.line) for fact in pasted if fact.kind != "unparsed"] == plain, parser
