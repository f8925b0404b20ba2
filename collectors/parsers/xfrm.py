"""IPsec in the kernel: ``ip xfrm policy`` and ``ip xfrm state`` (keys are passed over)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.invocation import invocation
from collectors.parsers.text import clean_lines
from engine.inet import is_address, prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.place import Place
    from engine.facts import Fact, Source

_NUMBERS: Final = {"sport": "sport", "dport": "dport"}


def parse(source: Source, place: Place) -> list[Fact]:
    """``xfrm_policy`` and ``xfrm_state`` facts."""
    out = Emitter(source, place)
    blocks: list[list[tuple[int, str]]] = []
    for number, line in clean_lines(source.text):
        if line.startswith("src "):
            blocks.append([(number, line)])
        elif line.strip() and blocks and line[0].isspace():
            blocks[-1].append((number, line))
        elif line.strip():
            out.unparsed.add(number, line)
    for block in blocks:
        _block(out, block)
    call = invocation(source.command, "ip")
    object_ = call.words[1] if call is not None and call.words[:1] == ("xfrm",) and len(call.words) > 1 else ""
    told = {fact.kind for fact in out.facts}
    if out.whole and not (call and call.piped):
        if "policy".startswith(object_ or "?") or "xfrm_policy" in told:
            out.collected("xfrm_policies")
        if "state".startswith(object_ or "?") or "xfrm_state" in told:
            out.collected("xfrm_states")
    return out.done()


def _block(out: Emitter, block: Sequence[tuple[int, str]]) -> None:
    """One policy or state: the line of its selector, then indented ones."""
    number, head = block[0]
    second = block[1][1].split() if len(block) > 1 else []
    if second[:1] == ["dir"]:
        fields = {**_selector(head.split()), **_policy(second), "templates": _templates([line.split() for _, line in block[2:]])}
        if "dir" in fields:
            out.add("xfrm_policy", fields, number, " ".join(f"{head} {block[1][1]}".split()))
    elif second[:1] == ["proto"]:
        words = dict(pairwise(second))
        ends = dict(pairwise(head.split()))
        state: dict[str, Any] = {name: ends.get(name) for name in ("src", "dst")} | {name: words.get(name) for name in ("proto", "mode", "spi")}
        state["reqid"] = int(words["reqid"]) if words.get("reqid", "").isdecimal() else None
        shown = " ".join(f"{head} {block[1][1]}".split())
        out.add("xfrm_state", {name: value for name, value in state.items() if value is not None}, number, shown)
    elif second[:1] != ["socket"]:  # a socket's own policy lets its key exchange pass by all others
        out.unparsed.add(number, head)


def _selector(words: Sequence[str]) -> dict[str, Any]:
    """``src 10.1.0.0/24 dst 10.2.0.0/24 proto tcp dport 80 dev eth0``."""
    told = dict(pairwise(words))
    fields: dict[str, Any] = {name: str(prefix(told[name])) for name in ("src", "dst") if is_address(told.get(name, "").partition("/")[0])}
    fields.update({name: int(told[name]) for name in _NUMBERS if told.get(name, "").isdecimal()})
    fields.update({name: told[key] for key, name in (("proto", "protocol"), ("dev", "device")) if key in told})
    return fields


def _policy(words: Sequence[str]) -> dict[str, Any]:
    """``dir out action block index 17 priority 5 ptype main``."""
    told = dict(pairwise(words))
    if told.get("dir") not in {"in", "out", "fwd"}:
        return {}
    priority = told.get("priority", "")
    return {"dir": told["dir"], "action": told.get("action", "allow"), "priority": int(priority) if priority.isdecimal() else 0}


def _templates(lines: Sequence[Sequence[str]]) -> tuple[dict[str, Any], ...]:
    """What a packet must be wrapped into: ``tmpl src A dst B`` and ``proto esp reqid 1 mode tunnel level required`` below it."""
    made: list[dict[str, Any]] = []
    for words in lines:
        told = dict(pairwise(words))
        if words[:1] == ["tmpl"]:
            made.append({name: told[name] for name in ("src", "dst") if name in told})
        elif words[:1] == ["proto"] and made:
            made[-1] |= {name: told[name] for name in ("proto", "mode", "level") if name in told}
            made[-1] |= {"reqid": int(told["reqid"])} if told.get("reqid", "").isdecimal() else {}
        elif words[:1] == ["level"] and made:
            made[-1]["level"] = words[1]
    return tuple(made)
