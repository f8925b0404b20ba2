"""What people pick out of objects with ``kubectl get … -o jsonpath='{range .items[*]}…{end}'`` and ``-o custom-columns=…``.

The template on the command line says what each piece of a line is; only pieces whose place in the object is known become facts, and whatever was
not picked stays absent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collectors.parsers.emit import Emitter

_RANGE: Final = re.compile(r"\{\s*range\s+\.items\[\*\]\s*\}(?P<body>.*?)\{\s*end\s*\}?", re.DOTALL)
_PIECE: Final = re.compile(r"\{\s*(?:(?P<quoted>\"(?:[^\"\\]|\\.)*\"|'[^']*')|(?P<path>[.@][^{}]*?))\s*\}|(?P<plain>[^{}]+)")
_COLUMNS: Final = re.compile(r"custom-columns=[\"']?(?P<columns>(?:[\w-]+:[^\s,]+,?)+)")
_LABELLED: Final = re.compile(r"\.metadata\.(?P<map>labels|annotations)(?:\.(?P<dotted>\S+)|\[['\"]?(?P<keyed>[^\]'\"]+)['\"]?\])")
NOTHING: Final = frozenset({"", "<none>", "<nil>", "null"})
LONGEST: Final = 2000
"""Characters of a line, and of a template, that are looked at."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,\[\]\"]+", text) if word not in NOTHING)


def addresses(text: str) -> tuple[str, ...]:
    """The addresses among the words of a text."""
    return tuple(word for word in _words(text) if is_address(word))


def prefixes(text: str) -> tuple[str, ...]:
    """The prefixes among the words of a text."""
    return tuple(word for word in _words(text) if re.fullmatch(r"[0-9a-fA-F.:]+/\d{1,3}", word))


def _truth(text: str) -> bool:
    return text == "true"


def _plain(text: str) -> str | None:
    return None if text in NOTHING else text


class _Field(NamedTuple):
    """Where a piece goes."""

    name: str
    read: Callable[[str], Any]


_ANY: Final = {"metadata.name": _Field("name", _plain), "metadata.namespace": _Field("namespace", _plain)}
_FIELDS: Final[dict[str, dict[str, _Field]]] = {
    "k8s_node": {
        "spec.podCIDR": _Field("pod_cidrs", prefixes), "spec.podCIDRs": _Field("pod_cidrs", prefixes),
        "status.addresses.address": _Field("addresses", addresses), "status.nodeInfo.kubeletVersion": _Field("version", _plain),
        "spec.providerID": _Field("provider", _plain),
    },
    "pod": {
        "status.podIP": _Field("ips", addresses), "status.podIPs.ip": _Field("ips", addresses), "spec.nodeName": _Field("node_name", _plain),
        "status.hostIP": _Field("host_ip", _plain), "spec.hostNetwork": _Field("host_network", _truth), "status.phase": _Field("phase", _plain),
        "spec.dnsPolicy": _Field("dns_policy", _plain),
    },
    "service": {
        "spec.clusterIP": _Field("cluster_ips", _words), "spec.type": _Field("type", _plain), "spec.sessionAffinity": _Field("affinity", _plain),
        "spec.externalTrafficPolicy": _Field("external_policy", _plain), "spec.internalTrafficPolicy": _Field("internal_policy", _plain),
    },
}  # fmt: skip
"""Kind of fact → path in the object, without its brackets → field."""
KINDS: Final = {
    "no": "k8s_node", "node": "k8s_node", "nodes": "k8s_node", "po": "pod", "pod": "pod", "pods": "pod", "svc": "service", "service": "service",
    "services": "service",
}  # fmt: skip
"""Words for resources on a command line → kind of fact."""


def read(out: Emitter) -> bool:
    """Emit the facts of an output whose command line says how it was picked; gives whether it does, and whether each line has a name."""
    command = out.source.command[:LONGEST]
    asked = re.search(r"\bget\s+(?:-\S+\s+)*(?P<word>[a-z]+)", command)
    kind = KINDS.get(asked["word"], "") if asked else ""
    if not kind or not re.search(r"jsonpath|custom-columns", command):
        return False
    columns = _COLUMNS.search(command)
    if columns:
        paths = [column.partition(":")[2] for column in columns["columns"].rstrip(",\"'").split(",")]
        return "metadata.name" in map(_bare, paths) and _table(out, kind, paths)
    body = _RANGE.search(command)
    return body is not None and _template(out, kind, body["body"])


def _bare(path: str) -> str:
    """``.status.addresses[?(@.type=="InternalIP")].address`` as ``status.addresses.address``."""
    return re.sub(r"\[[^\]]*\]", "", path.strip().lstrip(".@"))


def _table(out: Emitter, kind: str, paths: Sequence[str]) -> bool:
    """Rows of ``custom-columns``: its columns are as wide as their widest cell, and three spaces part them."""
    for number, line in clean_lines(out.source.text):
        cells = re.split(r"\s{2,}|\t", line.strip())
        if not line.strip() or (number == 1 and cells[0].isupper()):
            continue
        if len(cells) == len(paths):
            _add(out, number, kind, list(zip(paths, cells, strict=True)))
        else:
            out.unparsed.add(number, line)
    return True


def _template(out: Emitter, kind: str, body: str) -> bool:
    """Lines of a ``range``: pieces with what the template has between them."""
    paths: list[str] = []
    between = [""]
    for piece in _PIECE.finditer(body):
        if piece["path"]:
            paths.append(piece["path"])
            between.append("")
        else:
            text = piece["quoted"][1:-1] if piece["quoted"] else piece["plain"]
            if text.strip("'\"") in {r"\n", "\n"}:
                break
            between[-1] += text
    # Of pieces that nothing parts, nobody can tell where one ends.
    if "metadata.name" not in map(_bare, paths) or not all(between[1:-1]):
        return False
    # Each piece ends where first it can, and is not tried again: a template with many of them takes no longer than its line.
    line_of = re.compile(_between(between[0]) + "".join(rf"(?>(\S*?){_between(text) or '$'})" for text in between[1:]))
    for number, line in clean_lines(out.source.text):
        found = line_of.fullmatch(line[:LONGEST].rstrip())
        if found:
            _add(out, number, kind, list(zip(paths, found.groups(), strict=True)))
        elif line.strip():
            out.unparsed.add(number, line)
    return True


def _between(text: str) -> str:
    """A literal of a template as an expression; white space may have changed, or gone from a line's end, on its way into a post."""
    plain = text.replace("\\t", "\t").replace("\\n", "\n")
    return "".join(r"(?:\s+|$)" if part.isspace() else re.escape(part) for part in re.split(r"(\s+)", plain) if part)


def _add(out: Emitter, number: int, kind: str, pieces: Sequence[tuple[str, str]]) -> None:
    fields: dict[str, Any] = {}
    for path, text in pieces:
        place = {**_ANY, **_FIELDS[kind]}.get(_bare(path))
        if place is not None:
            value = place.read(text.strip())
            if value is not None and not (value == () and fields.get(place.name)):
                fields[place.name] = (*fields.get(place.name, ()), *value) if isinstance(value, tuple) else value
        elif (mapped := _LABELLED.match(path.strip())) and text.strip() not in NOTHING:
            key = (mapped["dotted"] or mapped["keyed"]).replace("\\.", ".")
            fields.setdefault(mapped["map"], {})[key] = text.strip()
    name = str(fields.get("name", ""))
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:-]*", name):
        out.unparsed.add(number, " ".join(text for _, text in pieces))
        return
    # A picked map is a part of the whole one.
    fields = {key: value for key, value in fields.items() if key != "labels"}
    if kind == "pod" and fields.get("namespace"):
        fields["full"] = f"{fields['namespace']}/{name}"
    out.add(kind, fields, number)
