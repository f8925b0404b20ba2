"""Pods that a pasted command line starts to ask from: ``kubectl run -it --rm box --labels=app=web --image=busybox -- sh``.

No listing shows them, for they are gone with the shell; what is seen inside of them depends on the labels that policies know them by.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.facts import HOST, Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import Source

LONGEST: Final = 1 << 20
"""Characters of a text that a person may have pasted."""
MOST: Final = 20
"""Command lines of one text that are read."""

_RUN: Final = re.compile(r"(?<![\w./-])(?:kubectl|oc)[ \t]+(?P<words>(?:[^\n\\]|\\(?!\n)|\\\n){0,200}?\brun[ \t](?:[^\n\\]|\\(?!\n)|\\\n){1,1000})")
_WORD: Final = re.compile(r"[\"']?(?P<word>[^\s\"'\\]+(?:[\"'][^\"'\n]*[\"'])?)[\"']?")
_INTERACTIVE: Final = re.compile(r"-(?:it|ti|i)|--(?:stdin|interactive)(?:=true)?")
_VALUED: Final = re.compile(r"-[ln]|--(?:labels|namespace|image|restart|overrides|context|kubeconfig|port|env|command|limits|requests)")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


def run(text: str, source: Source) -> list[Fact]:
    """``pod`` facts of the command lines that open a shell, or run a program, in a pod of their own; the last of a name counts."""
    if len(text) > LONGEST or " run" not in text:
        return []
    found = {fact.get("full"): fact for fact in _started(text, source)}
    return list(found.values())[:MOST]


def _started(text: str, source: Source) -> Iterator[Fact]:
    for match in _RUN.finditer(text):
        words = [word["word"] for word in _WORD.finditer(match["words"].partition(" -- ")[0])]
        options, plain = _split(words)
        name = plain[1] if plain[:1] == ["run"] and len(plain) > 1 else ""
        if not _NAME.fullmatch(name) or not any(_INTERACTIVE.fullmatch(word) for word in words):
            continue
        space = options.get("-n") or options.get("--namespace") or "default"
        given = (options.get("-l") or options.get("--labels") or f"run={name}").strip("\"'")
        labels = {key: value for key, _, value in (pair.partition("=") for pair in given.split(",")) if key}
        fields = {"namespace": space, "name": name, "full": f"{space}/{name}", "ips": (), "labels": labels}
        yield Fact("pod", fields, "", HOST, source, text.count("\n", 0, match.start()) + 1)


def _split(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options with their values, and the other words."""
    options: dict[str, str] = {}
    plain: list[str] = []
    last = ""
    for word in words:
        if last:
            options[last], last = word, ""
        elif word.startswith("-"):
            name, is_set, value = word.partition("=")
            options[name] = value
            last = name if not is_set and _VALUED.fullmatch(name) else ""
        else:
            plain.append(word)
    return options, plain
