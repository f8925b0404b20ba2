"""What to say of a name that the evidence does not have: what kind of thing it seems to be, and which names of that kind there are."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from engine.question.notes import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.question.grammar import Mention
    from engine.question.names import Inventory, Named

KINDS = {"service": ("Service", "Service"), "pod": ("pod", "Pod"), "container": ("container", "容器")}
"""Kind of machine as both languages call it."""
PREFIX = re.compile(r"(?:(svc|services?)|(pods?|po))/(?=.)")


def kind_of(mention: Mention) -> str:
    """``service``, ``pod`` or ``container`` where the text says so, else ""."""
    found = PREFIX.match(mention.host)
    if found:
        return "service" if found[1] else "pod"
    return mention.role if mention.role in KINDS else ""


def plain(mention: Mention) -> str:
    """The name without the kind in front."""
    return PREFIX.sub("", mention.host or mention.text)


def said(inventory: Inventory, mention: Mention) -> tuple[str, str]:
    """That nothing has the name, what there is instead, and which of that looks like it; in English and Chinese."""
    kind, name = kind_of(mention), plain(mention)
    en, zh = KINDS.get(kind, ("", ""))
    near = _short(inventory.near(name))
    there = _there(inventory, kind)
    english = [f'The evidence has no {en} "{name}"' if en else f'The evidence has no "{name}"']
    chinese = [f"证据中没有 {zh}“{name}”" if zh.isascii() and zh else f"证据中没有{zh}“{name}”"]
    if there[0]:
        english.append(f"it has {there[0]}")
        chinese.append(f"有 {there[1]}")
    if near:
        return f"{'; '.join(english)}. Did you mean {' or '.join(near)}?", f"{'；'.join(chinese)}。是否指 {'、'.join(near)}？"
    return f"{'; '.join(english)}.", f"{'；'.join(chinese)}。"


def _short(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.removeprefix("svc/") for name in names))


def _there(inventory: Inventory, kind: str) -> tuple[str, str]:
    """Names of a kind, by namespace where they have one; of any kind that people ask for where the text says none."""
    tiers: dict[str, Sequence[Named]] = {
        "service": inventory.service_endpoints,
        "pod": inventory.pod_endpoints,
        "container": (*inventory.container_endpoints, *inventory.stack_endpoints),
    }
    chosen = [tiers[kind]] if kind else [*tiers.values()]
    spaces: dict[str, list[str]] = defaultdict(list)
    for named in (each for tier in chosen for each in tier):
        space, _, name = named.endpoint.name.removeprefix("svc/").rpartition("/")
        if space not in {"kube-system", "default"} or name != "kubernetes":
            spaces[space if named.endpoint.kind in {"service", "pod"} else ""].append(name)
    if len(spaces) == 1:
        ((space, names),) = spaces.items()
        en, zh = listed(names)
        return (f"{en} (namespace {space})", f"{zh}（命名空间 {space}）") if space else (en, zh)
    return listed([f"{space}/{name}" if space else name for space, names in spaces.items() for name in names])
