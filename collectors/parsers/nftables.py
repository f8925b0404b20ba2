"""``nft list ruleset``, as text and as JSON: kept whole, read by whoever models native nftables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean, is_refusal

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_TABLE = re.compile(r"^\s*(?:table (?:ip6?|inet|arp|bridge|netdev) \S+|chain [\w.-]+) \{", re.MULTILINE)
"""Where a ruleset begins, or a chain that somebody cut out of one."""


def parse(source: Source, place: Place) -> list[Fact]:
    """One ``nft_ruleset`` fact, and ``collected`` (scope ``nft-native``) if the whole ruleset was listed to its end."""
    emit = Emitter(source, place)
    text = clean(source.text).replace("\r\n", "\n")
    kept = []
    refused = False
    for number, line in enumerate(text.split("\n"), 1):
        if _is_word_of_program(line):
            refused = True
            emit.add("not_collected", {"what": "netfilter", "command": source.command or "nft list ruleset", "reason": line.strip()}, number)
            line = ""  # noqa: PLW2901 - an empty line in its place keeps the line numbers
        kept.append(line)
    body = "\n".join(kept)
    whole = _json(emit, body) if body.lstrip().startswith("{") else _text(emit, body)
    if whole and not refused and _lists_all(source):
        emit.add("collected", {"what": "netfilter", "scope": "nft-native", "backend": "nft"})
    return emit.done()


def _is_word_of_program(line: str) -> bool:
    """Whether nft or a shell says that it could not do its work."""
    if re.match(r"(?:Error|netlink): |\S*sh: |sudo: ", line):
        return True
    return is_refusal(line) and not line[:1].isspace() and "{" not in line and "#" not in line


def _lists_all(source: Source) -> bool:
    """Whether the command lists everything; unknown commands do if there is any output."""
    if source.command:
        return re.search(r"\bnft\b.*\blist ruleset(?:\s*\d?>\s*\S+)*\s*\Z", source.command) is not None
    return bool(source.text.strip())


def _text(emit: Emitter, text: str) -> bool:
    """Keep a textual ruleset; returns whether it is whole."""
    rows = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip() and not line.lstrip().startswith("#")]
    if not rows:
        return True
    first = _TABLE.search(text)
    if first is None:
        for number, line in rows:
            emit.unparsed.add(number, line)
        return False
    begin = text.count("\n", 0, first.start() + len(first[0]) - len(first[0].lstrip())) + 1
    for number, row in rows:
        if number < begin:
            emit.unparsed.add(number, row)
    emit.add("nft_ruleset", {"text": text, "format": "text"}, begin)
    outside = re.sub(r'"[^"\n]*"|#[^\n]*', "", text)
    return outside.count("{") == outside.count("}") and first[0].lstrip().startswith("table")


def _json(emit: Emitter, text: str) -> bool:
    """Keep a JSON ruleset; returns whether it is whole."""
    import json

    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("nftables"), list):
        emit.unparsed.add(1, text.lstrip().split("\n", 1)[0])
        return False
    emit.add("nft_ruleset", {"text": text, "format": "json"}, 0, "nft -j list ruleset")
    return True
