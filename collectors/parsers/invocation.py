"""What a command line asked for: it decides which part of the state its output covers."""

from __future__ import annotations

import re
from posixpath import basename
from typing import NamedTuple

_IP_VALUED = {"-n", "-netns", "-f", "-family", "-l", "-loops", "-rc", "-rcvbuf", "-b", "-batch"}
"""Options of ``ip`` and ``bridge`` that take a value in the next word."""

_PROGRAMS = frozenset({
    "ip", "bridge", "ss", "netstat", "route", "ifconfig", "arp", "brctl", "docker", "podman", "nerdctl", "crictl", "kubectl", "oc", "calicoctl",
    "uname", "hostname", "hostnamectl", "cat", "tc",
})
"""Programs whose output is understood here; the first one in a command line is the one that ran."""

_FAMILIES = {"-4": 4, "-6": 6, "inet": 4, "inet6": 6, "--inet": 4, "--inet6": 6}


class Invocation(NamedTuple):
    """One program's part of a command line."""

    program: str
    options: tuple[str, ...]
    words: tuple[str, ...]
    """What follows the options: the object, the verb and the filters of ``ip``."""
    family: int = 0
    """4 or 6 if the command line restricts the output to one address family, else 0."""
    piped: bool = False
    """The output went through another program, so that anything may be missing."""

    @property
    def letters(self) -> frozenset[str]:
        """Single-letter options of tools that bundle them (``-lntp``), long options by their name (``--listening``)."""
        long = {option for option in self.options if option.startswith("--")}
        return frozenset("".join(option[1:] for option in self.options if option not in long)) | long


def invocation(command: str, *programs: str) -> Invocation | None:
    """The part of ``command`` that runs one of ``programs``; ``None`` if it runs another.

    What leads into another namespace or user (``sudo``, ``nsenter …``, ``ip netns exec NAME``) is passed over.
    """
    # A shell needs no space around its pipes.
    words, piped = _own_words(re.sub(r"\|+", r" \g<0> ", command).split())
    # "ip netns exec NAME …" and "docker exec NAME …" run another program, which may even bear the namespace's name.
    first = words.index("exec") + 2 if "exec" in words else 0
    start = next((at for at in range(first, len(words)) if _program(words[at]) in _PROGRAMS), None)
    if start is None or _program(words[start]) not in programs:
        return None
    options: list[str] = []
    family = 0
    at = start + 1
    takes_values = _program(words[start]) in {"ip", "bridge"}
    while at < len(words) and words[at].startswith("-"):
        option = words[at]
        if takes_values and option in _IP_VALUED and at + 1 < len(words):
            at += 1
            family = _FAMILIES.get(words[at], family)
        options.append(option)
        family = _FAMILIES.get(option, family)
        at += 1
    return Invocation(_program(words[start]), tuple(options), tuple(words[at:]), family, piped)


def _program(word: str) -> str:
    """The program that a word runs; everybody's short word for kubectl, and microk8s' own, are kubectl."""
    return "kubectl" if word in {"k", "microk8s.kubectl"} else basename(word)


def _own_words(words: list[str]) -> tuple[list[str], bool]:
    """Words up to the first shell operator, and whether a pipe follows."""
    kept: list[str] = []
    for word in words:
        if word in {"|", ";", "&&", "||"}:
            return kept, word == "|"
        if not word.startswith(("2>", ">", "1>")):
            kept.append(word.rstrip(";"))
        if word.endswith(";"):
            break
    return kept, False
