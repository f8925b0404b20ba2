"""What the API's objects say of who reaches whom, in words and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.report.clean import line as clean
from engine.report.layout import pad, width, wrap
from engine.report.strings import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.facts import Fact
    from engine.matrix import ByObjects
    from engine.matrix.classes import Member
    from engine.matrix.members import Frontend
    from engine.matrix.objects import Barred

NAMED = 3
"""Ends and policies that are told by name before the rest is counted."""
SIDE = 44
"""Columns of each side of the table at most."""


def render_objects(found: ByObjects, lang: str = "en", *, columns: int = 0) -> str:
    """For people; ``columns`` 0 leaves long lines whole."""
    return "".join(f"{row}\n" for row in _rows(found, lang, columns))


def _rows(found: ByObjects, lang: str, columns: int) -> Iterator[str]:
    head = say("objects-head", lang, nodes=found.nodes, pods=found.pods, services=found.services, pairs=f"{found.pairs:,}")
    yield from wrap(head, columns)
    yield from wrap(say("objects-unseen", lang), columns)
    if found.barred or found.open or found.enforcer == "none":
        yield from wrap(clean(_enforced(found.enforcer, lang)), columns)
    for key, blocks in (("objects-barred", found.barred), ("objects-open", found.open)):
        if blocks:
            yield ""
            yield say(key, lang, pairs=f"{sum(block.pairs for block in blocks):,}")
            yield from _table(blocks, lang, columns)
    if found.lacking:
        yield ""
        yield say("objects-lacking", lang, count=len(found.lacking))
        for fact in found.lacking:
            yield from wrap(clean(f"svc/{fact.get('full')}:{fact.get('port')}: {_lack(fact, lang)}"), columns, "  ")
    yield from _beside(found, lang, columns)


def _enforced(name: str, lang: str) -> str:
    keys = {"": "objects-enforcer-unknown", "none": "objects-unenforced", "cilium": "objects-ebpf"}
    return say(keys.get(name, "objects-enforcer"), lang, name=name)


def _beside(found: ByObjects, lang: str, columns: int) -> Iterator[str]:
    """Nodes, ranges, and what to collect."""
    yield ""
    if not (found.barred or found.open or found.lacking):
        yield from wrap(say("objects-nothing", lang), columns)
    if found.unready:
        yield from wrap(clean(say("objects-unready", lang, names=_some(found.unready, lang))), columns)
    for fact in found.clashes:
        ends = {"one": fact.get("written"), "by": fact.get("said_by"), "other": fact.get("other_written"), "other_by": fact.get("other_said_by")}
        yield from wrap(clean(say("objects-clash", lang, **ends)), columns)
    for command in found.unlisted:
        yield from wrap(say("objects-unlisted", lang, command=command), columns)
    yield from wrap(say("objects-collect", lang), columns)


def _table(blocks: Sequence[Barred], lang: str, columns: int) -> Iterator[str]:
    head = [say(f"matrix-{name}", lang) for name in ("from", "to", "pairs")]
    lines = [[_ends(b.sources, lang), _ends(b.targets, lang), f"{b.pairs:,}"] for b in blocks]
    widths = [min(max(width(row[at]) for row in [head, *lines]), SIDE) for at in (0, 1)]
    yield "  " + "  ".join([*(pad(text, w) for text, w in zip(head[:2], widths, strict=True)), head[2]])
    for block, cells in zip(blocks, lines, strict=True):
        sides = [wrap(clean(cells[at]), widths[at]) for at in (0, 1)]
        for row in range(max(map(len, sides))):
            left = [pad(side[row] if row < len(side) else "", w) for side, w in zip(sides, widths, strict=True)]
            yield "  " + "  ".join([*left, *([cells[2]] if row == 0 else [])]).rstrip()
        yield from wrap(clean(_why(block, lang)), columns, "      ")


def _why(block: Barred, lang: str) -> str:
    if block.settle:
        return say("objects-tells", lang, command=block.settle)
    by = say(f"objects-{block.side}", lang, policies=_some(block.policies, lang)) + (say("objects-some", lang) if block.share == "some" else "")
    fact = block.line
    place = f"   [{fact.source.name}:{fact.line}]" if fact is not None and fact.source.name else ""
    return f"{by}: {fact.text}{place}" if fact is not None and fact.text else by


def _ends(ends: Sequence[Member | Frontend], lang: str) -> str:
    return _some([end.name for end in ends], lang)


def _some(names: Sequence[str], lang: str) -> str:
    more = [say("matrix-more", lang, count=len(names) - NAMED)] if len(names) > NAMED else []
    return say("comma", lang).join([*names[:NAMED], *more])


def _lack(fact: Fact, lang: str) -> str:
    get = fact.fields.get
    return say(f"lack-{get('lack')}", lang, selector=get("selector", ""), pod=get("pod", "-"), target=get("target_port", ""))


def render_objects_json(found: ByObjects, lang: str) -> str:
    """The same for programs; ``seen: objects`` tells it from the matrix of a data plane."""
    from engine.report.as_json import SCHEMA_VERSION, dump

    options = found.options
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "seen": "objects",
        "question": {"port": options.port, "protocol": options.protocol, "from": options.sources, "to": options.targets},
        "summary": {"pairs": found.pairs, "denied": sum(b.pairs for b in found.barred), "undecided": sum(b.pairs for b in found.open)},
        "enforcer": found.enforcer,
        "denied": [_block(block) for block in found.barred],
        "undecided": [_block(block) for block in found.open],
        "services_without_endpoints": [
            {**{name: f.get(name) for name in ("full", "port", "protocol", "lack")}, "why": _lack(f, lang)} for f in found.lacking
        ],
        "nodes_not_ready": found.unready,
        "overlaps": [{name: f.get(name) for name in ("what", "written", "said_by", "other_written", "other_said_by", "both")} for f in found.clashes],
        "not_listed": found.unlisted,
    }
    return dump(document)


def _block(block: Barred) -> dict[str, Any]:
    fact = block.line
    return {
        "from": [end.name for end in block.sources],
        "to": [end.name for end in block.targets],
        "pairs": block.pairs,
        "side": block.side,
        "policies": block.policies,
        "share": block.share,
        "command": block.settle,
        "evidence": {"source": fact.source.name, "line": fact.line, "text": fact.text} if fact is not None else None,
    }
