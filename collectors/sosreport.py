"""Reports of ``sos report`` (4.x, and 3.9 where it differs): one node each, its namespaces under ``networking/namespaces``.

A report has thousands of files about all of the system.  Only the plug-ins and copied files that tell of the network are read; what
else lies there is no concern of this program and is left out in silence.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from collectors.classify import from_command, from_name
from collectors.evidence import File, distinct
from collectors.members import decode
from collectors.place import Place
from engine.facts import HOST, Fact, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from collectors.evidence import Layout

MARK: Final = "sos_commands"
"""The folder that every report has."""
REPORT_MANIFEST: Final = "sos_reports/manifest.json"
"""Command lines and exit statuses of all outputs (since 4.0)."""
PLUGINS: Final = frozenset({"networking", "firewall_tables", "kernel", "conntrack", "docker", "podman", "crio", "kubernetes", "host"})
"""Plug-ins whose commands tell of the network."""
COPIED: Final = re.compile(
    r"etc/(?:resolv\.conf|hosts|hostname|os-release|cni/net\.d/[^/]+)|run/flannel/[^/]+|proc/(?:modules|net/nf_conntrack)"
)
"""Copied files that do, by their path on the node."""
HOST_NAMES: Final = ("sos_commands/host/hostname", "etc/hostname", "hostname")
"""Where a report tells the node's name, the running one first."""
NAMESPACE: Final = re.compile(rf"{MARK}/networking/namespaces/([^/]+)/")


def roots(paths: Mapping[str, bytes]) -> set[str]:
    """Folders (with a trailing slash; "" = the top) that are reports."""
    beginning = re.compile(rf"((?:.*?/)?){MARK}/")
    found = {match[1] for path in paths if (match := beginning.match(path))}
    return {root for root in found if not any(root != other and root.startswith(other) for other in found)}


def concerns(path: str) -> bool:
    """Whether a path below a report's folder may tell of the network."""
    parts = path.split("/")
    return (parts[0] == MARK and len(parts) > 2 and parts[1] in PLUGINS) or COPIED.fullmatch(path) is not None


def node_of(root: str, files: Mapping[str, bytes], archive: str) -> tuple[str, bool]:
    """Name of the node, and whether the report tells it: else it is what is left of the folder's name."""
    for path in HOST_NAMES:
        lines = decode(files.get(path, b"")).split()
        if len(lines) == 1 and re.fullmatch(r"[A-Za-z0-9][\w.-]{0,252}", lines[0]):
            return lines[0], True
    folder = root.rstrip("/").rpartition("/")[2] or archive
    # sosreport-<host>[-label][-case]-<date>-<rand>
    return re.sub(r"-\d{4}-\d\d-\d\d(?:-.*)?$", "", folder.removeprefix("sosreport-")) or folder, False


def files_of(root: str, files: Mapping[str, bytes], node: str, prefix: str) -> Iterator[File]:
    """The files of one report (paths below ``root``) that tell of the network, placed."""
    told = _commands(files.get(REPORT_MANIFEST, b""))
    for path, data in sorted(files.items()):
        if not concerns(path):
            continue
        if not path.startswith(f"{MARK}/"):
            yield File(f"{prefix}{root}{path}", data, Place(node), f"/{path}")
            continue
        command, whole = told.get(path, ("", True))
        inner = path.rpartition("/")[2]
        # The rest of a plug-in's commands is about other things.
        if from_command(command) or from_name(inner):
            inside = NAMESPACE.match(path)
            yield File(f"{prefix}{root}{path}", data, Place(node, inside[1] if inside else HOST), inner, command, whole=whole)


def _commands(manifest: bytes) -> dict[str, tuple[str, bool]]:
    """Path → command line, and whether its output is whole, as the report's own manifest tells."""
    try:
        plugins = json.loads(manifest)["components"]["report"]["plugins"]
        listed = [item for plugin in plugins.values() for item in plugin["commands"]]
        return {str(item["filepath"]): _command(item) for item in listed}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}  # a report without a manifest, or with one that somebody else wrote


def _command(item: Mapping[str, Any]) -> tuple[str, bool]:
    return " ".join(str(item["exec"]).split()), item.get("return_code") == 0 and not item.get("truncated")


def irrelevant(warning: str, found: Iterable[str]) -> bool:
    """Whether a warning is about a file of a report that would not have been read anyway (links and binaries are many there)."""
    path, separator, _ = warning.partition(": not read, ")
    return bool(separator) and any(path.startswith(root) and not concerns(path.removeprefix(root)) for root in found)


def arrange_reports(name: str, files: Mapping[str, bytes], layout: Layout, stated: Mapping[str, str], prefix: str) -> set[str]:
    """Add the reports among the files of one input; returns their folders, whose files are done with."""
    said = {folder.strip("/"): place.partition("/")[0] for folder, place in stated.items()}
    found = roots(files)
    for root in sorted(found):
        inside = {path.removeprefix(root): data for path, data in files.items() if path.startswith(root)}
        folder = root.rstrip("/").rpartition("/")[2] or name
        layout.folders.add(folder)
        node, told = (said[folder], True) if folder in said else node_of(root, inside, name)
        node = distinct({node}, {file.place.node for file in layout.files}, layout).get(node, node)
        if not told:
            layout.renameable.add(node)
        placed = list(files_of(root, inside, node, prefix))
        layout.files.extend(placed)
        layout.notes.append(f"{folder}: sosreport, {len(placed)} of its {len(inside)} files tell of the network")
        if any("obfuscated" in part for part in (root, name)):
            layout.facts.append(Fact("obfuscated", {"by": "sos clean"}, node, HOST, Source(f"{prefix}{folder}")))
            layout.warnings.append(f"{folder} was made unrecognisable by sos clean: which address lies in which network no longer holds")
    return found
