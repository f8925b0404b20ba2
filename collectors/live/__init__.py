"""Collecting a live node's evidence, without changing anything on it.

``collect`` writes a bundle; ``snapshot`` reads the same files from memory for a diagnosis on the spot.  Each network
namespace is entered by a thread of its own (a namespace belongs to a thread, not to a process), so that they are read side by side.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from collectors.live.options import SCHEMA_VERSION, CollectOptions, Item, Summary
from collectors.naming import command_file
from engine.facts import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from collectors.evidence import Evidence
    from collectors.live.namespaces import Namespace
    from collectors.live.sinks import Sink
    from collectors.live.stack import Got

PLAIN_USER = "not run as root: firewall rules, namespaces and other users' sockets cannot be read; run it with sudo"
"""Said of a collection that could not see what decides most questions."""

__all__ = ["CollectOptions", "Item", "Summary", "collect", "snapshot"]


def collect(options: CollectOptions, out: Path) -> Summary:
    """Write this node's evidence as a bundle: a folder, or an archive if ``out`` ends in ``.tar.gz`` or ``.tgz``.

    Raises :class:`engine.errors.EvidenceError` if ``out`` exists already or cannot be written.
    """
    from collectors.live.sinks import open_sink

    with open_sink(out, time.time()) as sink:
        return gather(options, sink, str(out))


def snapshot(options: CollectOptions) -> Evidence:
    """This node's evidence as facts; their sources are named by command lines that a person could run."""
    from collectors.evidence import read_files
    from collectors.live.sinks import MemorySink

    sink = MemorySink()
    summary = gather(options, sink, "")
    evidence = read_files(sink.files, live=True)
    return evidence.warned(summary.notes)


def node_name(options: CollectOptions) -> str:
    """The node's name: as asked for, else the host name."""
    return options.node or os.uname().nodename or "node"


def gather(options: CollectOptions, sink: Sink, path: str) -> Summary:
    """Read everything into ``sink``; a failing item never stops the rest.

    Raises :class:`engine.errors.EvidenceError` for a wanted namespace that does not exist.
    """
    from collectors.live import host
    from collectors.live.namespaces import discover, own

    began = time.monotonic()
    node = node_name(options)
    asked = list(host.runtimes(options))
    others, missing = discover(options.netns, host.container_names(asked))
    _check_wanted(missing, host.container_names(asked))
    notes = [] if os.geteuid() == 0 else [PLAIN_USER]
    once = (*asked, *host.identity(options), *host.files(options), *host.cluster(options))
    spaces = [own(), *others]
    items = [keep(got, node, spaces[0], sink) for got in once]
    for read, note in _each_namespace(spaces, node, options, sink):
        items.extend(read)
        notes.extend(note)
    sink.put("manifest.json", encoded(manifest(node, items)))
    notes.extend(f"{item.command} was cut off at {options.max_bytes} octets" for item in items if item.truncated and not item.error)
    return Summary(path, node, tuple(space.name for space in spaces), tuple(items), time.monotonic() - began, tuple(notes))


def _check_wanted(missing: Sequence[str], containers: Mapping[int, str]) -> None:
    """Refuse names of namespaces that do not exist: evidence without the very container that was meant misleads."""
    from difflib import get_close_matches

    from collectors.live.namespaces import discover
    from engine.errors import EvidenceError

    wrong = [name for name in missing if name != HOST]
    if not wrong:
        return
    known = sorted(space.name for space in discover(None, containers)[0])
    near = [other for name in wrong for other in get_close_matches(name, known, n=3, cutoff=0.6)]
    others = f"there are: {', '.join(known[:20])}" if known else "there is none besides its own"
    hint = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else others
    unseen = "" if os.geteuid() == 0 else " (those of other users' containers are seen by root only: run with sudo)"
    message = f"no network namespace {', '.join(map(repr, wrong))} on this node"
    raise EvidenceError(message, hint + unseen)


def _each_namespace(spaces: Sequence[Namespace], node: str, options: CollectOptions, sink: Sink) -> Iterable[tuple[list[Item], list[str]]]:
    """Items and notes of every namespace, in the order of ``spaces``."""
    from concurrent.futures import ThreadPoolExecutor

    with ExitStack() as stack:
        descriptors: dict[str, int] = {}
        notes: list[str] = []
        for space in spaces:
            try:
                descriptors[space.name] = os.open(space.handle, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                notes.append(_not_entered(space, error))
                continue
            stack.callback(os.close, descriptors[space.name])
        yield [], notes
        with ThreadPoolExecutor(max_workers=max(1, options.workers)) as pool:
            opened = [space for space in spaces if space.name in descriptors]
            yield from pool.map(lambda space: read_namespace(space, descriptors, node, options, sink), opened)


def _not_entered(space: Namespace, error: OSError) -> str:
    hint = " (run as root)" if os.geteuid() else ""
    return f"network namespace {space.name!r} could not be entered: {os.strerror(error.errno or 0)}{hint}"


def read_namespace(space: Namespace, descriptors: Mapping[str, int], node: str, options: CollectOptions, sink: Sink) -> tuple[list[Item], list[str]]:
    """Enter a namespace with this thread and read it; items, and notes if that fails."""
    from collectors.live import host, stack
    from collectors.live.namespaces import enter

    try:
        # Also for the node's own: the pool's threads are used again, and one may have been elsewhere before.
        enter(descriptors[space.name])
    except OSError as error:
        if not space.own or error.errno not in {1, 38}:  # EPERM, ENOSYS: a plain user is in the own namespace already, and stays there
            return [], [_not_entered(space, error)]
    items = [keep(got, node, space, sink) for got in stack.everything(options)]
    if not space.own:
        items.extend(keep(got, node, space, sink) for got in host.namespace_files(space.name, space.pid, options))
    sink.put(f"{folder_of(node, space)}/netns.json", encoded(about(space, descriptors)))
    return items, []


def about(space: Namespace, descriptors: Mapping[str, int]) -> dict[str, Any]:
    """``netns.json``: what a namespace is, and which stacks its link-netnsids mean."""
    return {
        "name": space.name, "role": "host" if space.own else "container", "entry": space.entry, "pid": space.pid, "inode": space.inode,
        "peers": {str(number): stack for number, stack in peers(descriptors).items()},
    }


def peers(descriptors: Mapping[str, int]) -> dict[int, str]:
    """link-netnsid → stack, for the namespace of the calling thread."""
    try:
        from pyroute2 import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError
    except ImportError:
        return {}
    from collectors.live.netlink import attributes, namespace_ids

    try:
        with IPRoute() as ipr:
            wanted = {number for link in ipr.get_links() if (number := attributes(link).get("IFLA_LINK_NETNSID")) is not None}
            return namespace_ids(ipr, descriptors, wanted)
    except (OSError, NetlinkError):
        return {}


def folder_of(node: str, space: Namespace) -> str:
    """A namespace's folder inside the bundle."""
    base = f"nodes/{safe(node)}"
    return base if space.own else f"{base}/netns/{safe(space.name)}"


def safe(name: str) -> str:
    """A name as one path component."""
    made = command_file(name)
    return made if made.strip(".") else f"_{made}"


def keep(got: Got, node: str, space: Namespace, sink: Sink) -> Item:
    """Write an item's output and describe it."""
    command = f"{space.entry} {got.command}".strip()
    if got.skipped:
        return Item(command, "", node, space.name, got.what, skipped=got.skipped, via=got.via)
    output = got.output
    file = got.file if got.file.startswith("cluster/") else f"{folder_of(node, space)}/{got.file or command_file(got.command)}"
    sink.put(file, output.data)
    error = output.error if output.exit_status or output.timed_out else ""
    return Item(command, file, node, space.name, got.what, output.exit_status, round(output.seconds, 4), output.truncated, via=got.via, error=error)


def manifest(node: str, items: Sequence[Item | dict[str, Any]]) -> dict[str, Any]:
    """``manifest.json``: what was collected, and what was not and why; ``node`` is "" for a cluster's."""
    from datetime import UTC, datetime

    from engine import __version__

    created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    head = {"schema_version": SCHEMA_VERSION, "tool": "noroute", "tool_version": __version__, "created": created, "node": node}
    return {**head, "items": [item if isinstance(item, dict) else asdict(item) for item in items]}


def encoded(document: Any) -> bytes:
    """A JSON document as a file's content."""
    return (json.dumps(document, indent=1) + "\n").encode()
