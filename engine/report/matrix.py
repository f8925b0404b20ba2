"""The matrix of who reaches whom: what fails first, as a table; what connects is a number."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from engine.facts import HOST
from engine.phrases import spoken
from engine.report.clean import line as clean
from engine.report.layout import pad, width, wrap
from engine.report.strings import say, sees

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.matrix import Matrix
    from engine.matrix.answers import Block
    from engine.matrix.classes import Member
    from engine.matrix.members import Frontend

    End = Member | Frontend

NAMED = 3
"""Members that are told by name before the rest is counted."""
SIDE = 36
"""Columns of each side of the table at most."""


def render_matrix(found: Matrix, lang: str = "en", *, columns: int = 0) -> str:
    """The table for people; ``columns`` 0 leaves long lines whole."""
    return "".join(f"{row}\n" for row in _rows(found, lang, columns))


def _rows(found: Matrix, lang: str, columns: int) -> Iterator[str]:
    nodes = sum(m.kind == "node" for m in found.members)
    total, good = found.pairs(lambda _: True), found.pairs(lambda answer: answer.connects)
    open_ = found.pairs(lambda answer: answer.outcome == "depends")
    counts = {"nodes": nodes, "pods": len(found.members) - nodes, "services": len(found.frontends), "classes": found.classes, "walks": found.walks}
    yield from wrap(say("matrix-head", lang, pairs=_number(total), kind=_kind(found, lang), **counts), columns)
    yield from wrap(say("matrix-how", lang, how=_how(found, lang)), columns)
    if not total:
        yield say("matrix-none", lang)
        if len(found.members) == 1:
            yield from wrap(clean(say("matrix-single", lang, name=found.members[0].name)), columns)
        yield from _left_out(found, lang, columns)
        return
    for key, count, blocks in (
        ("matrix-failing", total - good - open_, [b for b in found.blocks if b.sees != "depends"]),
        ("matrix-undecided", open_, [b for b in found.blocks if b.sees == "depends"]),
    ):
        if blocks:
            yield ""
            yield say(key, lang, pairs=_number(count))
            yield from _table(found, blocks, lang, columns)
    yield ""
    yield say("matrix-all" if good == total else "matrix-rest", lang, pairs=_number(good))
    if found.unasked:
        yield from wrap(say("matrix-unasked", lang, count=_number(found.unasked)), columns)
    if found.unseen:
        shown = [*found.unseen[:NAMED], *([say("matrix-more", lang, count=len(found.unseen) - NAMED)] if len(found.unseen) > NAMED else [])]
        yield from wrap(clean(say("matrix-unseen", lang, names=say("comma", lang).join(shown))), columns)
    yield from _left_out(found, lang, columns)


def _left_out(found: Matrix, lang: str, columns: int) -> Iterator[str]:
    """Stacks that are no members: why, and what to run there."""
    for one in found.left_out[:NAMED]:
        where = one.node if one.stack == HOST else f"{one.node}/{one.stack}"
        text = say(f"matrix-out-{one.why}", lang, where=where, command=one.command, family=found.options.family)
        yield from wrap(clean(text), columns)
    if len(found.left_out) > NAMED:
        yield say("matrix-more", lang, count=len(found.left_out) - NAMED)


def _number(count: int) -> str:
    return f"{count:,}"


def _how(found: Matrix, lang: str) -> str:
    options = found.options
    asked = options.protocol if options.protocol == "icmp" else f"{options.protocol} {options.port}"
    return say("comma", lang).join([asked, *([say("matrix-services", lang)] if found.frontends else [])])


def _table(found: Matrix, blocks: Sequence[Block], lang: str, columns: int) -> Iterator[str]:
    head = [say(f"matrix-{name}", lang) for name in ("from", "to", "sees", "pairs")]
    lines = [[describe(found, b.sources, lang), describe(found, b.targets, lang), _seen(b.sees, lang), _number(b.pairs)] for b in blocks]
    widths = [max(width(row[at]) for row in [head, *lines]) for at in range(3)]
    widths = [min(widths[0], SIDE), min(widths[1], SIDE), widths[2]]
    yield "  " + "  ".join([*(pad(text, w) for text, w in zip(head[:3], widths, strict=True)), head[3]])
    for block, cells in zip(blocks, lines, strict=True):
        sides = [wrap(clean(cells[at]), widths[at]) for at in (0, 1)]
        for row in range(max(map(len, sides))):
            left = [pad(side[row] if row < len(side) else "", w) for side, w in zip(sides, widths, strict=False)]
            rest = [pad(cells[2], widths[2]), cells[3]] if row == 0 else []
            yield "  " + "  ".join([*left, *rest]).rstrip()
        yield from _why(block, lang, columns)


def _seen(what: str, lang: str) -> str:
    return say(f"matrix-{what}", lang) if what in {"partly", "depends"} else sees(what, lang)


def _why(block: Block, lang: str, columns: int) -> Iterator[str]:
    """The deciding line, from the walk of one pair; or the command that would settle it."""
    flow, reason = block.trace.flow, block.reason
    if block.sees == "depends":
        for one in block.missing[:NAMED]:
            where = one.node if one.stack in {"", "host"} else f"{one.node}/{one.stack}"
            key = "matrix-settle" if one.command else "matrix-open"
            text = say(key, lang, what=spoken(one.what, lang), where=where, command=one.command)
            yield from wrap(clean(text), columns, "      ")
        return
    yield from wrap(clean(say("matrix-example", lang, source=flow.from_name, target=flow.to_name)), columns, "      ")
    if block.sees == "partly":
        ends = say("comma", lang).join(sees(end, lang) for end in block.ends)
        yield from wrap(say("matrix-branches", lang, ends=ends), columns, "      ")
    if reason is None:
        return
    where = reason.node if reason.stack == "host" else f"{reason.node}/{reason.stack}"
    yield from wrap(clean(f"{where}: {spoken(reason.summary, lang) or reason.what}"), columns, "      ")
    if reason.line is not None and reason.line.text:
        place = f"{reason.line.source}:{reason.line.line}" if reason.line.line else reason.line.source
        yield from wrap(clean(f"{reason.line.text}   [{place}]"), columns, "      ")


def describe(found: Matrix, ends: Sequence[End], lang: str) -> str:
    """Members in a few words: whole nodes by their names, some by their own."""
    everybody = [m for m in found.members if m.kind != "service"]
    chosen = {end.name for end in ends}
    if len(everybody) > NAMED and all(m.name in chosen for m in everybody) and len(chosen) == len(everybody):
        return say("matrix-everybody", lang)
    whole, bare, rest = _by_node(everybody, ends)
    kind = _kind(found, lang)
    told = [*_of_nodes(whole, kind, lang, "matrix-everyone-of", "matrix-nodes"), *_of_nodes(bare, kind, lang, "matrix-pods-of", "matrix-nodes-pods")]
    nodes = [end.name for end in rest if end.kind == "node"]
    if len(nodes) > NAMED:
        told.append(say("matrix-nodes-bare", lang, nodes=len(nodes)))
        rest = [end for end in rest if end.kind != "node"]
    some = Counter(end.node for end in rest if end.kind == "pod")
    if some.total() > NAMED:
        told += _of_nodes(some, kind, lang, "matrix-some-of", "matrix-some")
        rest = [end for end in rest if end.kind != "pod"]
    told += [end.name for end in rest[:NAMED]]
    if len(rest) > NAMED:
        told.append(say("matrix-more", lang, count=len(rest) - NAMED))
    return say("comma", lang).join(told)


def _by_node(everybody: Sequence[Member], ends: Sequence[End]) -> tuple[dict[str, int], dict[str, int], list[End]]:
    """Nodes that are there with all their pods, nodes of which all pods are there, and who is there besides."""
    chosen = {end.name for end in ends}
    pods: dict[str, list[str]] = {}
    hosts: dict[str, str] = {}
    for member in everybody:
        if member.kind == "pod":
            pods.setdefault(member.node, []).append(member.name)
        else:
            hosts[member.node] = member.name
    full = {node: len(names) for node, names in pods.items() if len(names) > 1 and chosen.issuperset(names)}
    whole = {node: count for node, count in full.items() if hosts.get(node) in chosen}
    bare = {node: count for node, count in full.items() if node not in whole}
    rest = [end for end in ends if not (end.node in whole and end.kind != "service") and not (end.node in bare and end.kind == "pod")]
    return whole, bare, rest


def _of_nodes(nodes: dict[str, int], kind: str, lang: str, one: str, many: str) -> list[str]:
    if len(nodes) > NAMED:
        return [say(many, lang, nodes=len(nodes), count=sum(nodes.values()), kind=kind)]
    return [say(one, lang, node=node, count=count, kind=kind) for node, count in nodes.items()]


def _kind(found: Matrix, lang: str) -> str:
    """What the members besides nodes are: pods, if the API knows each of them."""
    pods = [m.name.startswith("pod/") for m in found.members if m.kind == "pod"]
    return say("matrix-kind-pods" if pods and all(pods) else "matrix-kind-containers", lang)


def render_matrix_json(found: Matrix, lang: str) -> str:
    """The same for programs: every class with its members, every cell that does not connect, and the blocks that they make."""
    from engine.report.as_json import SCHEMA_VERSION, dump

    cells = [c for c in found.cells if not c.answer.connects]
    groups = {g.number: g for c in cells for g in ((c.source, c.target) if isinstance(c.target, type(c.source)) else (c.source,))}
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "question": {"port": found.options.port, "protocol": found.options.protocol, "from": found.options.sources, "to": found.options.targets},
        "summary": {
            "pairs": found.pairs(lambda _: True),
            "connected": found.pairs(lambda answer: answer.connects),
            "undecided": found.pairs(lambda answer: answer.outcome == "depends"),
            "classes": found.classes,
            "walks": found.walks,
        },
        "blocks": [_block(b, lang) for b in found.blocks],
        "classes": [{"class": number, "node": g.members[0].node, "members": [m.name for m in g.members]} for number, g in groups.items()],
        "cells": [
            {
                "from": c.source.number,
                "to": c.target[0],
                "client_sees": c.answer.outcome,
                "pairs": c.pairs,
            }
            for c in cells
        ],
        "not_collected": found.unseen,
        "not_asked": found.unasked,
        "left_out": [one._asdict() for one in found.left_out],
    }
    return dump(document)


def _block(block: Block, lang: str) -> dict[str, Any]:
    reason = block.reason
    line = reason.line if reason is not None else None
    return {
        "client_sees": block.sees,
        "pairs": block.pairs,
        "from": [m.name for m in block.sources],
        "to": [m.name for m in block.targets],
        "example": {"from": block.trace.flow.from_name, "to": block.trace.flow.to_name},
        "reason": None
        if reason is None
        else {
            "node": reason.node,
            "stack": reason.stack,
            "by": reason.what,
            "summary": spoken(reason.summary, lang),
            "evidence": line._asdict() if line is not None else None,
        },
        "depends": [
            {"node": u.node, "stack": u.stack, "what": spoken(u.what, lang), "command": u.command, "why": spoken(u.why, lang)} for u in block.missing
        ],
    }
