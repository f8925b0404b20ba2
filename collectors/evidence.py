"""Reading evidence: paths (bundles, folders, archives, single files) → facts.

Three steps: :mod:`collectors.members` gets the files, this module finds out which node, namespace and command each belongs to and has
it parsed, and :mod:`collectors.placement` joins what turns out to be a pod's namespace to its node.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collectors.classify import CNI_LISTING, IGNORED, PARSERS, Section, sections
from collectors.containers import entered, listed, merged
from collectors.kuberuns import run
from collectors.members import Limits, Members, decode, load
from collectors.objects import settled
from collectors.pasted import LONGEST, latest, unfenced, unquoted
from collectors.place import Place
from collectors.prompts import Prompted
from collectors.runlines import started, without_listed
from collectors.turns import turned
from engine.errors import EvidenceError
from engine.facts import HOST, Fact, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

MANIFEST: Final = "manifest.json"
SCHEMA_VERSION: Final = 1
"""Newest manifest that this reader understands."""
NAMESPACE_FILE: Final = "netns.json"
UNNAMED: Final = "node"
"""Name of a node of which only loose files are known."""

NEVER_EMPTY: Final[dict[str, str]] = {"link": "links", "rule": "routing_rules", "sysctl": "sysctls", "socket": "sockets", "ifconfig": "links"}
"""Formats whose listings always hold something → what they list."""
CLUSTER_KINDS: Final = frozenset({
    "k8s_node", "pod", "service", "endpoints", "ippool", "kube_config", "namespace", "network_policy", "workload", "k8s_event", "service_cidr",
    "calico_node", "felix_config", "bgp_config", "calico_tier", "network_set", "calico_block", "host_endpoint",
})
"""Facts about the cluster: they belong to no node, wherever kubectl was run."""
CLUSTER_LISTINGS: Final = frozenset({
    "nodes", "pods", "services", "endpoints", "endpointslices", "networkpolicies", "ippools", "configmaps", "daemonsets", "deployments",
    "namespaces", "events", "statefulsets", "replicasets", "servicecidrs", "globalnetworkpolicies", "ciliumnetworkpolicies",
    "ciliumclusterwidenetworkpolicies", "felixconfigurations", "bgpconfigurations", "bgppeers", "tiers", "networksets", "globalnetworksets",
    "blockaffinities", "ipamblocks", "hostendpoints", "adminnetworkpolicies", "baselineadminnetworkpolicies", "clusternetworkpolicies",
})
CNI_FOLDER: Final = re.compile(r"(?:^|/)net\.d$")
HINT: Final = "name the files after the commands that printed them (ip_addr, iptables-save), or make a bundle: diagnose collect -o bundle.tar.gz"


class Evidence(NamedTuple):
    """What was read."""

    facts: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()
    """What a person should know: files left out, lines not understood, folders that could belong to several nodes."""
    notes: tuple[str, ...] = ()
    """Decisions that were taken, for a person who wonders."""

    def warned(self, warnings: Iterable[str]) -> Evidence:
        """The same evidence with more warnings in front."""
        return self._replace(warnings=(*warnings, *self.warnings))


class File(NamedTuple):
    """A file, and what is known about where it comes from."""

    path: str
    """Path inside the bundle, for reports."""
    data: bytes
    place: Place
    inner: str
    """The file's name, or for a copied file its path on the node, as far as it is known."""
    command: str = ""
    shown: str = ""
    """Name of the source in reports; "" = the path."""
    whole: bool = True
    """Nothing was cut off and the command succeeded: what is not listed does not exist."""
    told: bool = True
    """A manifest or a person names the node; else it is a guess, and a shell prompt knows better."""


@dataclass(slots=True)
class Layout:
    """Where the files of all inputs belong."""

    files: list[File] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    """Facts that manifests and folders tell by themselves."""
    loose: dict[str, str] = field(default_factory=dict)
    """Nodes that are mere folders so far → the node whose folder they lie in, or "": placement may join them to a node."""
    renameable: set[str] = field(default_factory=set)
    """Nodes whose name was made up: the host name is better."""
    peers: dict[Place, dict[int, str]] = field(default_factory=dict)
    """link-netnsid → stack, by place."""
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was recognised."""
    folders: set[str] = field(default_factory=set)
    """Folder names that a person may refer to."""


def read(paths: Sequence[Path], stacks: Mapping[str, str] | None = None, limits: Limits | None = None) -> Evidence:
    """Read evidence from one or several paths.

    ``stacks`` says what a folder is, where the files do not tell: ``{"web-pod": "node1/web", "gw": "gateway"}`` (node, or node and stack).
    Raises :class:`EvidenceError` for a path that is missing, broken or holds nothing recognisable.
    """
    if not paths:
        message = "no evidence was given"
        raise EvidenceError(message, "give a bundle, a folder of command outputs, or a file with -b")
    layout = Layout()
    stated = dict(stacks or {})
    inputs = together([(path, load(path, limits or Limits())) for path in paths])
    for path, members in inputs:
        before = len(layout.files) + len(layout.facts)
        arrange(members, layout, stated, several=len(inputs) > 1)
        if len(layout.files) + len(layout.facts) == before:
            message = f"{path} holds no files to read"
            raise EvidenceError(message, HINT)
    check_stated(stated, layout)
    return interpret(layout, str(paths[0]) if len(paths) == 1 else "the evidence")


def together(inputs: list[tuple[Path, Members]]) -> list[tuple[Path, Members]]:
    """The same inputs; single files whose names, or whose folders, show that they are several nodes' become folders of those nodes."""
    from collectors.prefixes import alike, nodes_of

    single = [(path, members) for path, members in inputs if members.single]
    names = [path.name for path, _ in single]
    folders: dict[Path, Members] = {}
    if len(set(names)) == len(names) and nodes_of(names):
        folders = {path.parent: Members(members.name) for path, members in single[:1]}
        home = {path: single[0][0].parent for path, _ in single}
    else:
        home = {path: path.resolve().parent for path, _ in single}
        if alike([[path.name for path, _ in single if home[path] == folder] for folder in dict.fromkeys(home.values())]):
            folders = {folder: Members(folder.name) for folder in home.values()}
    if not folders:
        return inputs
    for path, members in single:
        folders[home[path]].files.update(members.files)
        folders[home[path]].warnings.extend(members.warnings)
    return [each for each in inputs if not each[1].single] + list(folders.items())


def read_files(files: Mapping[str, bytes], *, live: bool = False) -> Evidence:
    """Read a bundle that is in memory; of a ``live`` one sources are named by their command lines."""
    layout = Layout()
    _arrange_bundle("", dict(files), layout, _Names("", live))
    return interpret(layout, "this node")


def check_stated(stated: Mapping[str, str], layout: Layout) -> None:
    """Raise :class:`EvidenceError` if a folder that the user described does not exist."""
    for folder in stated:
        if folder.strip("/") not in layout.folders:
            known = ", ".join(sorted(layout.folders)) or "none"
            message = f"there is no folder {folder!r} in the evidence"
            raise EvidenceError(message, f"folders: {known}")


# --- interpretation ----------------------------------------------------------------------------------------------------


def interpret(layout: Layout, shown: str) -> Evidence:
    """Parse the files, place what they tell."""
    from collectors.placement import place

    facts = list(layout.facts)
    warnings: list[str] = []
    prompted = Prompted(layout)
    for file in layout.files:
        found = parse_file(file, prompted)
        facts.extend(found)
        warnings.extend(unparsed_warning(file, found))
    if not any(fact.kind != "unparsed" for fact in facts):
        message = f"nothing in {shown} is recognisable as the output of a network command"
        raise EvidenceError(message, HINT)
    facts = settled(entered(merged(without_listed(listed(latest(drop_configured(prompted.named(facts))))))))
    placed = place(facts, layout.loose, layout.renameable, layout.peers)
    return Evidence(tuple(placed.facts), (*layout.warnings, *warnings, *placed.warnings), (*layout.notes, *placed.notes))


def parse_file(file: File, prompted: Prompted) -> list[Fact]:
    """Facts of one file; an ``unparsed`` one if nothing recognises it."""
    text = decode(file.data)
    if not file.command:
        text = unfenced(unquoted(text))
    facts: list[Fact] = []
    parts = sections(file.inner, text, file.command)
    if not file.command and not file.told and len(text) <= LONGEST:
        parts, machines = turned(text, parts)
        if machines:
            told = f"lists devices of several machines; outputs were taken for those of the one listed last ({machines})"
            way_out = "if that is wrong, name the machines in lines of their own (On node1:), or give a file each"
            prompted.layout.warnings.append(f"{file.path}: {told}; {way_out}")
    for section in parts:
        place = prompted.place(file, section.host)
        place = Place(place.node, section.netns) if section.netns and place.stack == HOST else place
        facts.extend(parse_section(section, Source(file.shown or file.path, section.text, section.command), place, file.inner))
    if not file.command and any(fact.kind != "unparsed" for fact in facts):
        facts.extend(run(text, Source(file.shown or file.path, text)))
        facts.extend(started(text, Source(file.shown or file.path, text), Place(_only_node(facts) or file.place.node, file.place.stack)))
    if not file.whole:
        facts = [fact for fact in facts if fact.kind != "collected"]
    return [fact.at("", HOST) if about_cluster(fact) else fact for fact in facts]


def _only_node(facts: Sequence[Fact]) -> str:
    """The node that all outputs of a text are of; "" if there are several."""
    nodes = {fact.node for fact in facts if fact.kind != "unparsed"}
    return nodes.pop() if len(nodes) == 1 else ""


def parse_section(section: Section, source: Source, place: Place, inner: str) -> list[Fact]:
    """Facts of one output."""
    if section.format == IGNORED:
        return []
    if section.format == CNI_LISTING:
        scope = "names" if re.search(r"\.(?:conf|conflist|json)\s", f"{section.text} ") else "all"
        return [] if "No such file" in section.text else [Fact("collected", {"what": "cni_configs", "scope": scope}, place.node, place.stack, source)]
    if section.format == "cni" and not source.command:
        source.command = f"cat {inner if inner.startswith('/') else '/etc/cni/net.d/' + re.sub(r'^.*(?:/|net.d_)', '', inner)}"
    if section.format in NEVER_EMPTY and not section.text.strip():
        # Every stack has a loopback device, policy rules and parameters: an empty file is a command that failed.
        missing = {"what": NEVER_EMPTY[section.format], "command": source.command or section.command, "reason": f"{source.name} is empty"}
        return [Fact("not_collected", missing, place.node, place.stack, source)]
    parser = parser_of(section.format)
    if parser is None:
        return unrecognised(section, source, place)
    try:
        return parser(source, place)
    except Exception as error:  # noqa: BLE001  (parsers do not raise; should one do so on hostile text, the rest of the evidence still counts)
        fields = {"count": section.text.count("\n") + 1, "sample": f"{type(error).__name__}: {error}"}
        return [Fact("unparsed", fields, place.node, place.stack, source, section.line)]


def parser_of(format_name: str) -> Callable[[Source, Place], list[Fact]] | None:
    """The function that parses a format."""
    if format_name not in PARSERS:
        return None
    module, _, function = PARSERS[format_name].partition(":")
    found: Callable[[Source, Place], list[Fact]] = getattr(import_module(f"collectors.parsers.{module}"), function)
    return found


def unrecognised(section: Section, source: Source, place: Place) -> list[Fact]:
    """What is left of a text that nothing recognises."""
    lines = [(number, line.strip()) for number, line in enumerate(section.text.split("\n"), 1) if line.strip()]
    number, sample = lines[0] if lines else (0, "")
    return [Fact("unparsed", {"count": len(lines), "sample": sample[:200]}, place.node, place.stack, source, number)]


def about_cluster(fact: Fact) -> bool:
    """Whether a fact is about the cluster and not about the node that was asked."""
    if fact.kind == "dns_forwarder":
        return str(fact.get("file", "")).startswith("configmap ")
    return fact.kind in CLUSTER_KINDS or (fact.kind in {"collected", "not_collected"} and fact.get("what") in CLUSTER_LISTINGS)


def unparsed_warning(file: File, facts: Sequence[Fact]) -> list[str]:
    """One warning a file for the lines that were not understood."""
    missed = [fact for fact in facts if fact.kind == "unparsed"]
    if not missed:
        return []
    name = file.shown or file.path
    count = sum(int(fact.get("count", 0)) for fact in missed)
    if not count:
        return [f"{name} is empty, and its name does not tell what command it is the output of"]
    sample = next((str(fact.get("sample")) for fact in missed if fact.get("sample")), "")
    if len(missed) == len(facts):
        return [f"{name} was not recognised ({_lines(count)}, first: {sample!r})"]
    return [f"{name}: {_lines(count)} not understood, first: {sample!r}"]


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def drop_configured(facts: list[Fact]) -> list[Fact]:
    """Without the sysctls that are only configured (``sysctl.conf``), where the ones in force were printed too."""
    in_force = {(fact.node, fact.stack) for fact in facts if fact.kind == "sysctl" and not fact.source.command.endswith(".conf")}
    return [f for f in facts if not (f.kind == "sysctl" and f.source.command.endswith(".conf") and (f.node, f.stack) in in_force)]


# --- own bundles -------------------------------------------------------------------------------------------------------


class _Names(NamedTuple):
    """How sources of a bundle are named in reports."""

    prefix: str = ""
    """In front of paths, where several inputs are read."""
    live: bool = False
    """By command lines instead of paths."""


def arrange(members: Members, layout: Layout, stated: dict[str, str], *, several: bool) -> None:
    """Find out what the files of one input are: bundles of our own, sosreports, those of other tools, and loose files for the rest."""
    from collectors.loose import arrange_loose
    from collectors.sosreport import arrange_reports, irrelevant
    from collectors.tools import arrange_tools
    from collectors.tools import irrelevant as beside

    prefix = f"{members.name}/" if several and not members.single else ""
    bundles = _bundle_roots(members.files)
    for root in sorted(bundles):
        inside = {path.removeprefix(root): data for path, data in members.files.items() if path.startswith(root)}
        _arrange_bundle(root, inside, layout, _Names(prefix))
    rest = members_outside(members, bundles)
    reports = arrange_reports(members.name, rest.files, layout, stated, prefix)
    rest = members_outside(rest, reports)
    others = arrange_tools(members.name, rest.files, layout, prefix)
    told = [warning for warning in members.warnings if not irrelevant(warning, reports) and not beside(warning, others)]
    layout.warnings.extend(f"{members.name}: {warning}" if several else warning for warning in told)
    arrange_loose(members_outside(rest, others), layout, stated, prefix)


def members_outside(members: Members, roots: Iterable[str]) -> Members:
    """The same input without what lies below some folders (and without its warnings)."""
    below = tuple(roots)
    files = {path: data for path, data in members.files.items() if not path.startswith(below)}
    return Members(members.name, files, {path for path in members.folders if not path.startswith(below)}, [], members.single)


def _bundle_roots(files: Mapping[str, bytes]) -> set[str]:
    """Folders (with a trailing slash; "" = the top) that hold a manifest of ours."""
    roots = set()
    for path, data in files.items():
        if path.rpartition("/")[2] == MANIFEST and _manifest(data) is not None:
            roots.add(path.removesuffix(MANIFEST))
    return {root for root in roots if not any(root != other and root.startswith(other) for other in roots)}


def _manifest(data: bytes) -> dict[str, Any] | None:
    """A manifest of ours; ``None`` for any other JSON."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("schema_version"), int) or not isinstance(document.get("items"), list):
        return None
    return document


def _created(manifest: Mapping[str, Any], nodes: Iterable[str]) -> list[Fact]:
    """When a bundle was made, for each node of it; nothing if its manifest does not tell."""
    from datetime import UTC, datetime

    try:
        made = datetime.fromisoformat(str(manifest.get("created", "")))
    except ValueError:
        return []
    seconds = int((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp())
    shown = f"collected {manifest['created']}"
    return [Fact("collection", {"created": seconds}, node, HOST, Source(MANIFEST), 0, shown) for node in sorted(nodes)]


def _arrange_bundle(root: str, files: dict[str, bytes], layout: Layout, names: _Names) -> None:
    """The files of one bundle of ours; its manifest tells node, stack and command of each."""
    manifest = _manifest(files.pop(MANIFEST, b"")) or {}
    if manifest.get("schema_version", SCHEMA_VERSION) > SCHEMA_VERSION:
        message = f"{names.prefix}{root}{MANIFEST} has schema version {manifest['schema_version']}, this program reads up to {SCHEMA_VERSION}"
        raise EvidenceError(message, "update noroute")
    listed = [item for item in manifest.get("items", ()) if isinstance(item, dict)]
    items = {str(item["file"]): item for item in listed if item.get("file")}
    places = {folder: place for path in files if (folder := _stack_folder(path)) and (place := _described(files, folder))}
    taken = {f.place.node for f in layout.files}
    renamed = distinct({place.node for place in places.values()} | {_folder_place(path).node for path in files}, taken, layout)
    for item in listed:
        place = Place(renamed.get(str(item.get("node", "")), str(item.get("node", ""))), str(item.get("stack") or HOST))
        layout.facts.extend(not_collected(item, place))
    layout.facts.extend(_created(manifest, {renamed.get(place.node, place.node) for place in places.values()}))
    for path, data in sorted(files.items()):
        folder = _stack_folder(path)
        place = places.get(folder) or _folder_place(path)
        place = Place(renamed.get(place.node, place.node), place.stack)
        if path == f"{folder}{NAMESPACE_FILE}":
            _namespace(data, place, layout, f"{names.prefix}{root}{path}")
            continue
        item = items.get(path, {})
        command = str(item.get("command", ""))
        whole = not item.get("truncated") and not item.get("exit_status")
        inner = path.removeprefix(folder)
        inner = inner.removeprefix("files") if inner.startswith("files/") else inner
        shown = command if names.live and command else ""
        layout.files.append(File(f"{names.prefix}{root}{path}", data, place, inner, command, shown, whole))


def distinct(nodes: set[str], taken: set[str], layout: Layout) -> dict[str, str]:
    """New names for nodes whose name another bundle has already (two snapshots of one node are not one state)."""
    renamed = {}
    for node in sorted(filter(None, nodes & taken)):
        number = next(n for n in range(2, 1 << 20) if f"{node}-{n}" not in taken | nodes)
        renamed[node] = f"{node}-{number}"
        layout.warnings.append(f"node {node} is in several bundles: the later one is read as {node}-{number}")
    return renamed


def _stack_folder(path: str) -> str:
    """``nodes/<node>/`` or ``nodes/<node>/netns/<name>/`` that a path of a bundle begins with; "" for the rest."""
    match = re.match(r"nodes/[^/]+/(?:netns/[^/]+/)?", path)
    return match[0] if match else ""


def _folder_place(path: str) -> Place:
    """Place by the folder names alone."""
    parts = path.split("/")
    if parts[0] != "nodes" or len(parts) < 3:
        return Place("")
    return Place(parts[1], parts[3] if parts[2] == "netns" and len(parts) > 4 else HOST)


def _described(files: Mapping[str, bytes], folder: str) -> Place | None:
    """Place with the namespace's true name, which may hold characters that file names do not."""
    document = _json_object(files.get(f"{folder}{NAMESPACE_FILE}", b""))
    if not isinstance(document.get("name"), str):
        return None
    return Place(str(document.get("node") or _folder_place(folder + "x").node), document["name"])


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _namespace(data: bytes, place: Place, layout: Layout, path: str) -> None:
    """The ``netns`` fact of a ``netns.json``, and its link-netnsids."""
    document = _json_object(data)
    peers = document.get("peers")
    known = {int(key): str(value) for key, value in peers.items() if str(key).isdecimal()} if isinstance(peers, dict) else {}
    fields: dict[str, Any] = {"name": place.stack, "role": "host" if place.stack == HOST else "container"}
    told = (("entry", str), ("pid", int), ("inode", int))
    fields.update({key: document[key] for key, kind in told if isinstance(document.get(key), kind) and document[key]})
    if known:
        fields["peers"] = known
        layout.peers[place] = known
    shown = f"network namespace {place.stack} of {place.node}"
    layout.facts.append(Fact("netns", fields, place.node, place.stack, Source(path, decode(data)), 0, shown))


def not_collected(item: Mapping[str, Any], place: Place) -> list[Fact]:
    """What a manifest says was not collected, or not as a whole."""
    if item.get("skipped"):
        reason = str(item["skipped"])
    elif item.get("exit_status"):
        reason = str(item.get("error") or f"exit status {item['exit_status']}")
    elif item.get("truncated"):
        reason = str(item.get("error") or "the output was cut off")
    else:
        return []
    command = str(item.get("command", ""))
    fields = {"what": str(item.get("what") or command), "command": command, "reason": reason}
    fact = Fact("not_collected", fields, place.node, place.stack, Source(MANIFEST, "", command), 0, f"{command}: {reason}")
    return [fact.at("", HOST) if about_cluster(fact) else fact]
