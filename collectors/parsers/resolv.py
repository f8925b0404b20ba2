"""Names: resolv.conf, /etc/hosts, nsswitch.conf, and which resolv.conf the kubelet gives to pods."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collectors.parsers.emit import Emitter
from collectors.parsers.files import node_path
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.place import Place
    from engine.facts import Fact, Source

_UNUSED = frozenset({"sortlist", "lookup", "family"})


def parse(source: Source, place: Place) -> list[Fact]:
    """The ``dns_config`` of a resolv.conf: all name servers (resolvers use three), and of several search lists the last, as the resolver does.

    Its line is that of the first server, if it names one.
    """
    out = Emitter(source, place)
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    first = served = searched = 0
    for number, words in _words(source.text, "#;"):
        first = first or number
        if words[0] == "nameserver" and len(words) > 1 and is_address(words[1].partition("%")[0]):
            servers.append(words[1])
            served = served or number
        elif words[0] in {"search", "domain"}:
            search, searched = tuple(words[1:]), number
        elif words[0] == "options":
            options += words[1:]
        elif words[0] not in _UNUSED:
            out.unparsed.add(number, source.line(number))
            continue
    if servers or search or options or not out.unparsed.count:
        fields = {"nameservers": tuple(servers), "search": search, "options": tuple(options), "file": node_path(source)}
        out.add("dns_config", {**fields, "search_line": searched} if searched else fields, served or first)
        out.collected("dns_config")
    return out.done()


def parse_hosts(source: Source, place: Place) -> list[Fact]:
    """The lines of a hosts file."""
    out = Emitter(source, place)
    for number, words in _words(source.text, "#"):
        if len(words) > 1 and is_address(words[0].partition("%")[0]):
            out.add("hosts_entry", {"address": words[0], "names": tuple(words[1:])}, number)
        else:
            out.unparsed.add(number, source.line(number))
    if out.whole:
        out.collected("hosts")
    return out.done()


def parse_nsswitch(source: Source, place: Place) -> list[Fact]:
    """Where names of hosts are looked for: the ``hosts`` line of nsswitch.conf, without its ``[NOTFOUND=return]``."""
    out = Emitter(source, place)
    for number, words in _words(source.text, "#"):
        if words[0] == "hosts:":
            out.add("nsswitch", {"hosts": tuple(word for word in words[1:] if word[0] not in "[]!" and "=" not in word)}, number)
        elif not words[0].endswith(":"):
            out.unparsed.add(number, source.line(number))
    return out.done()


def parse_kubelet(source: Source, place: Place) -> list[Fact]:
    """The kubelet's own configuration, as far as it concerns names."""
    out = Emitter(source, place)
    lines = list(clean_lines(source.text))
    found = [(number, match[1]) for number, line in lines if (match := re.fullmatch(r"resolvConf:\s*[\"']?([^\"'\s]+)[\"']?\s*", line))]
    if any(line.strip() for _, line in lines):
        number, file = found[-1] if found else (1, "")
        out.add("kubelet", {"resolv_conf": file}, number)
    return out.done()


def _words(text: str, comments: str) -> Iterator[tuple[int, list[str]]]:
    """Numbered lines as words, without comments and blank lines."""
    for number, line in clean_lines(text):
        words = re.split(f"[{comments}]", line, maxsplit=1)[0].split()
        if words:
            yield number, words
