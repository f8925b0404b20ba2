"""Loose folders and files: which node and namespace each belongs to, by the folders that people make."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.evidence import CNI_FOLDER, UNNAMED, File, Layout
from collectors.place import Place
from collectors.prefixes import nodes_of
from engine.facts import HOST, Fact, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collectors.members import Members

ROOTS: Final = frozenset({"etc", "run", "proc", "sys", "var", "usr", "opt", "files"})
"""Folders below which a path is the path on the node (``files`` holds such trees)."""
CONFIG_FOLDERS: Final = {("cni", "net.d"): "/etc/cni/net.d", ("net.d",): "/etc/cni/net.d", ("cni",): "/etc/cni/net.d", ("flannel",): "/run/flannel"}
"""Folders that people copy without their parents."""
NAMESPACES: Final = frozenset({"netns", "namespaces", "pods", "containers"})
"""Folders whose sub-folders are namespaces of the node that they lie in."""
GROUPS: Final = frozenset({"nodes", "hosts", "cluster", "cluster-resources", "networking"})
"""Folders that only sort others."""

Key = tuple[str, ...]
"""The folder of a node or namespace, as path components."""


class Located(NamedTuple):
    """A file below its node's folder."""

    key: Key
    inner: str
    path: str


def arrange_loose(members: Members, layout: Layout, stated: dict[str, str], prefix: str) -> None:
    """Add the loose files of one input to the layout."""
    located = apart([locate(path) for path in sorted(members.files)])
    keys = {item.key for item in located}
    top = _common(keys)
    places, folders = _places(keys, top, members, layout, stated)
    layout.folders.update(folders)
    for item in located:
        place = places[item.key]
        told = not members.single and place.node not in layout.renameable
        layout.files.append(File(f"{prefix}{item.path}", members.files[item.path], place, item.inner, told=told))
    for folder in sorted(members.folders):
        if CNI_FOLDER.search(folder):
            key = locate(f"{folder}/x").key
            place = places.get(key) or Place(_label(members, layout) if not keys else places[min(keys)].node)
            layout.facts.append(Fact("collected", {"what": "cni_configs", "scope": "all"}, place.node, place.stack, Source(f"{prefix}{folder}")))


def locate(path: str) -> Located:
    """Split a path into the node's folder and the file on that node."""
    parts = path.split("/")
    for at in range(len(parts) - 1):
        if parts[at] in ROOTS:
            rest = parts[at + 1 :] if parts[at] == "files" else parts[at:]
            return Located(_key(parts[:at]), "/" + "/".join(rest), path)
        for folders, target in CONFIG_FOLDERS.items():
            if tuple(parts[at : at + len(folders)]) == folders and len(parts) == at + len(folders) + 1:
                return Located(_key(parts[:at]), f"{target}/{parts[-1]}", path)
    return Located(_key(parts[:-1]), parts[-1], path)


def apart(located: list[Located]) -> list[Located]:
    """The same files, each that lies beside other nodes' in a folder of its node's."""
    beside: dict[Key, list[str]] = defaultdict(list)
    for item in located:
        if "/" not in item.inner:
            beside[item.key].append(item.inner)
    nodes = {key: nodes_of(names) for key, names in beside.items()}
    made = []
    for item in located:
        node, inner = nodes.get(item.key, {}).get(item.inner, ("", item.inner))
        made.append(Located((*item.key, node), inner, item.path) if node else item)
    return made


def _key(folders: list[str]) -> Key:
    """A node's folder, without the ones that only sort (but with those that say "namespace")."""
    return tuple(part for part in folders if part not in GROUPS)


def _common(keys: Iterable[Key]) -> Key:
    """The folders that all keys share: wrappers around the evidence."""
    listed = list(keys)
    if not listed:
        return ()
    shared = listed[0]
    for key in listed[1:]:
        length = next((n for n, (a, b) in enumerate(zip(shared, key, strict=False)) if a != b), min(len(shared), len(key)))
        shared = shared[:length]
    # "netns/web" alone: the wrapper is the node, not the folder of namespaces.
    return shared[: next((n for n, part in enumerate(shared) if part in NAMESPACES), len(shared))]


def _places(keys: set[Key], top: Key, members: Members, layout: Layout, stated: Mapping[str, str]) -> tuple[dict[Key, Place], set[str]]:
    """Place of every folder, and the names that a person may call the folders by."""
    places: dict[Key, Place] = {}
    folders: set[str] = set()
    own = {key for key in keys if _namespace_of(key) is None}
    base = {key[-1] for key in own if key} if own else set()
    unique = {name for name in base if sum(1 for key in own if key and key[-1] == name) == 1}
    root = _label(members, layout, top)
    for key in sorted(keys, key=lambda k: (len(k), k)):
        words = {"/".join(key), key[-1] if key else root} - {""}
        folders |= words
        if (said := next((stated[word] for word in stated if word.strip("/") in words), None)) is not None:
            places[key] = _stated_place(said)
            continue
        parent, namespace = _namespace_of(key) or (key, "")
        if namespace:
            places[key] = Place(places[parent].node if parent in places else _node_of(parent, top, root, unique), namespace)
            continue
        node = _node_of(key, top, root, unique)
        places[key] = Place(_free(node, key, top, layout, members))
        above = next((places[key[:n]].node for n in range(len(key) - 1, -1, -1) if key[:n] in places), "")
        if len(keys) > 1 or members.single is False:
            layout.loose[places[key].node] = above
        if key == top and not members.single:
            layout.renameable.add(places[key].node)
    return places, folders


def _namespace_of(key: Key) -> tuple[Key, str] | None:
    """Node folder and namespace name of ``…/netns/<name>[/…]``; ``None`` if the folder is none."""
    at = next((n for n in range(len(key) - 2, -1, -1) if key[n] in NAMESPACES), None)
    return None if at is None else (key[:at], key[at + 1])


def _node_of(key: Key, top: Key, root: str, unique: set[str]) -> str:
    """Name of a node by its folder."""
    if key == top or not key:
        return key[-1] if key else root
    return key[-1] if key[-1] in unique else "-".join(key[len(top) :])


def _label(members: Members, layout: Layout, top: Key = ()) -> str:
    """Name of the node whose files lie at the top of an input."""
    if members.single:
        others = {file.place.node for file in layout.files if file.place.node}
        # A single file beside one node's bundle is one more output of that node.
        return next(iter(others)) if len(others) == 1 else UNNAMED
    return re.sub(r"\s+", "-", top[-1] if top else members.name) or UNNAMED


def _free(node: str, key: Key, top: Key, layout: Layout, members: Members) -> str:
    """A node's name that no other input has taken; single files share theirs."""
    if members.single:
        return node
    taken = {file.place.node for file in layout.files}
    if node not in taken:
        return node
    number = next(n for n in range(2, 1 << 20) if f"{node}-{n}" not in taken)
    shown = "/".join(key or top) or members.name
    layout.warnings.append(f"{shown}: there is a node {node} already, this folder is read as {node}-{number}")
    return f"{node}-{number}"


def _stated_place(text: str) -> Place:
    """``node`` or ``node/stack``."""
    node, _, stack = text.strip("/").partition("/")
    return Place(node, stack or HOST)
