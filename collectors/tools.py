"""Bundles of other tools: Troubleshoot, ``kubectl cluster-info dump``, must-gather, ``calicoctl cluster diags``, cilium's sysdump and bugtool.

Each is a table: how its folder is known, and what the files are that tell of the network.  As in sosreports, the others (logs, metrics,
maps of BPF programs) are no concern of this program.  A file that is absent was not collected.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from collectors.classify import from_command, from_name
from collectors.evidence import File, distinct, parser_of
from collectors.members import decode
from collectors.place import Place
from engine.facts import HOST, Fact, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from collectors.evidence import Layout

OBJECTS: Final = (
    "pods|services|endpoints|endpointslices|networkpolicies|nodes|namespaces|configmaps|events|daemonsets|deployments|statefulsets|replicasets"
)
"""Resources of Kubernetes that are read."""
SPELLED: Final = {"network-policy": "networkpolicies"}
"""Resources that a tool calls otherwise."""
ERRORS: Final = "errors"
"""Reader of a list of what kept a resource from being collected."""
MARKDOWN: Final = "markdown"
"""Reader of an output in a fence, below a heading that is its command line."""
RUN: Final = "run"
"""Reader of an output whose command line is in a file beside it."""
TABLE: Final = "table"
"""Reader of an object whose keys are parameters or modules."""
AGENT: Final = re.compile(r"(?<![a-z0-9])cilium-[a-z0-9]{5}(?![a-z0-9])")
"""Name of an agent's pod, in the names of what was collected there."""
OWN: Final = re.compile(r"(?:ip6?tables|ip|ss|sysctl|lsmod|uname|hostname|conntrack|ipset|nft|bridge|arp|netstat)(?![A-Za-z0-9_])")
"""Programs of the node, at the beginning of a file's name; the agent's own commands tell of maps."""
MAX_REASON: Final = 300


class Rule(NamedTuple):
    """Files of one kind."""

    path: str
    """Expression for the whole path below the tool's folder; the groups ``node``, ``agent``, ``what`` and ``space`` are used."""
    command: str = ""
    """The command line that such a file is the output of, with groups in braces; "" = the file's name tells."""
    reader: str = ""
    """:data:`ERRORS`, :data:`MARKDOWN`, :data:`RUN`, :data:`TABLE` or "" (the output itself)."""


class Tool(NamedTuple):
    """A tool that makes bundles."""

    name: str
    mark: str
    """Expression that begins at the top; its first group is the folder (with a trailing slash; "" = the top)."""
    beside: str
    """Expression for another path below that folder; without it the mark means nothing."""
    rules: tuple[Rule, ...]


CALICO: Final = (
    ("ip6?tables-(?:legacy|nft)-save", "{file}"), ("nft-ruleset", "nft list ruleset"), ("ip-route", "ip route"), ("ip-route-v6", "ip -6 route"),
    ("ip-rule", "ip rule"), ("ip-rule-v6", "ip -6 rule"), ("ip-addr", "ip addr"), ("ip-link", "ip link"), ("ip-neigh", "ip neigh"),
    ("ipset-list", "ipset list"), ("conntrack-list", "conntrack -L"),
)
"""Files of a node in calico's diagnostics → commands."""
REMOTE: Final = r"host-collectors/(?:(?P<node>(?!system/|run-host/)[^/]+)/)?"
"""Host collectors of Troubleshoot that ran on other nodes lie in a folder of that node, above or below the kind's."""

TOOLS: Final = (
    Tool(
        "Troubleshoot support bundle",
        r"((?:.*?/)?)(?:cluster-resources|host-collectors)/",
        r"version\.yaml",
        (
            Rule(r"(?:cluster|custom)-resources/(?P<what>[\w.-]+?)-errors\.json", reader=ERRORS),
            Rule(r"cluster-resources/(?P<what>nodes|namespaces)\.json", "kubectl get {what} -o json"),
            Rule(rf"cluster-resources/(?P<what>{OBJECTS}|network-policy)/(?P<space>[\w.-]+)\.json", "kubectl get {what} -n {space} -o json"),
            Rule(r"custom-resources/(?P<what>[\w.-]+)/(?P<space>[\w.-]+)\.(?:json|yaml)", "kubectl get {what} -n {space} -o json"),
            Rule(r"custom-resources/(?P<what>[\w.-]+)\.(?:json|yaml)", "kubectl get {what} -A -o json"),
            Rule(REMOTE + r"run-host/(?:(?P<folder>[^/]+)/)?(?P<file>[^/]+)\.txt", reader=RUN),
            Rule(REMOTE + r"system/(?:(?P<folder>[^/]+)/)?sysctl\.json", "sysctl -a", reader=TABLE),
            Rule(REMOTE + r"system/(?:(?P<folder>[^/]+)/)?kernel_modules\.json", "lsmod", reader=TABLE),
            Rule(r"sysctl/(?P<node>[^/]+)", "sysctl -a"),
        ),
    ),
    Tool(
        "OpenShift must-gather",
        r"((?:.*?/)?)(?:cluster-scoped-resources/|namespaces/[^/]+/core/|network_logs/[^/]+_iptables$)",
        r"(?:cluster-scoped-resources|namespaces|network_logs)/.*",
        (
            Rule(rf"namespaces/(?P<space>[^/]+)/(?:core|apps|discovery\.k8s\.io|networking\.k8s\.io)/(?P<what>{OBJECTS})\.yaml",
                 "kubectl get {what} -n {space} -o yaml"),
            Rule(r"cluster-scoped-resources/core/(?P<what>nodes|namespaces)/[^/]+\.yaml", "kubectl get {what}/one -o yaml"),
            Rule(r"network_logs/(?P<node>[^/]+)_iptables", "iptables-save -c"),
            Rule(r"network_logs/(?P<node>[^/]+)_ip6tables", "ip6tables-save -c"),
        ),
    ),
    Tool(
        "calicoctl cluster diags",
        r"((?:.*?/)?)nodes/[^/]+/(?:ip6?tables-(?:legacy|nft)-save|nft-ruleset|ip-route|ip-addr|ipset-list)\.txt",
        r"cluster/(?:kubernetes|crd)/.*",
        (
            *(Rule(rf"nodes/(?P<node>[^/]+)/(?P<file>{name})\.txt", command) for name, command in CALICO),
            Rule(r"cluster/(?:kubernetes|crd)/(?P<what>[\w.-]+?)\.ya?ml", "kubectl get {what} -A -o yaml"),
        ),
    ),
    Tool(
        "cilium bugtool",
        r"((?:.*?/)?)cmd/(?:ip|iptables|ss|sysctl|cilium|hostname)[^/]*\.md$",
        r"cmd/.*",
        (Rule(r"cmd/(?P<file>[^/]+)\.md", reader=MARKDOWN),),
    ),
    Tool(
        "cilium sysdump",
        r"((?:.*?/)?)k8s-(?:nodes|pods)-[\w.-]+\.yaml$",
        r"k8s-.*",
        (
            Rule(rf"k8s-(?P<what>{OBJECTS})-[\w.-]+\.yaml", "kubectl get {what} -A -o yaml"),
            Rule(r"(?:k8s-)?(?P<what>cilium(?:clusterwide)?networkpolicies)-[\w.-]+\.yaml", "kubectl get {what} -A -o yaml"),
            Rule(r"cniconf-(?P<agent>cilium-[a-z0-9]{5})-[\w.-]+\.txt", "cat /etc/cni/net.d/05-cilium.conflist"),
        ),
    ),
    Tool(
        "kubectl cluster-info dump",
        r"((?:.*?/)?)nodes\.json$",
        r"(?!cluster/|cluster-resources/|kubernetes/)[^/]+/(?:pods|services|events)\.json",
        (
            Rule(r"(?P<what>nodes)\.json", "kubectl get {what} -o json"),
            Rule(rf"(?P<space>[^/]+)/(?P<what>{OBJECTS})\.json", "kubectl get {what} -n {space} -o json"),
        ),
    ),
)
"""The tools; what lies in the folder of one is no other's."""


def arrange_tools(name: str, files: Mapping[str, bytes], layout: Layout, prefix: str) -> set[str]:
    """Add what bundles of other tools among the files of one input tell; returns their folders, whose files are done with."""
    found: dict[str, Tool] = {}
    for tool in TOOLS:
        for root in _roots(tool, files):
            found.setdefault(root, tool)
    if not found:
        return set()
    taken = {file.place.node for file in layout.files}
    agents = _agents(files) if any(tool.name.startswith("cilium") for tool in found.values()) else {}
    made: list[File] = []
    for root, tool in sorted(found.items()):
        within = [other for other in found if other != root and other.startswith(root)]
        paths = [path for path in files if path.startswith(root) and not path.startswith(tuple(within))]
        reading = _Reading(tool, root, root.rstrip("/").rpartition("/")[2] or name, files, agents, layout, prefix)
        placed = [file for path in sorted(paths) for file in reading.read(path)]
        made += placed
        layout.notes.append(f"{root.rstrip('/') or name}: {tool.name}, {len(placed)} of its {len(paths)} files tell of the network")
    renamed = distinct({file.place.node for file in made}, taken, layout)
    layout.files += [_at(file, Place(renamed.get(file.place.node, file.place.node), file.place.stack)) for file in made]
    return set(found)


def _at(file: File, place: Place) -> File:
    return file._replace(place=place)


def _roots(tool: Tool, files: Mapping[str, bytes]) -> set[str]:
    """Folders that are bundles of a tool."""
    mark, beside = re.compile(tool.mark), re.compile(tool.beside)
    marked = {match[1] for path in files if (match := mark.match(path))}
    outer = {root for root in marked if not any(root != other and root.startswith(other) for other in marked)}
    return {root for root in outer if any(path.startswith(root) and beside.fullmatch(path, len(root)) for path in files)}


def _agents(files: Mapping[str, bytes]) -> dict[str, str]:
    """Pod of an agent → its node, from the list of pods."""
    parser = parser_of("kubernetes")
    listings = [path for path in files if re.search(r"(?:^|/)k8s-pods-[\w.-]+\.yaml$", path)]
    facts = [f for path in listings if parser for f in parser(Source(path, decode(files[path])), Place(""))]
    return {str(f.get("name")): str(f.get("node_name")) for f in facts if f.kind == "pod" and f.get("node_name")}


class _Reading:
    """Reads the files below one folder by the rules of its tool."""

    def __init__(  # noqa: PLR0917 - private, called once
        self, tool: Tool, root: str, folder: str, files: Mapping[str, bytes], agents: Mapping[str, str], layout: Layout, prefix: str
    ) -> None:
        self.rules = [(re.compile(rule.path), rule) for rule in tool.rules]
        self.root = root
        self.folder = folder
        self.files = files
        self.agents = agents
        self.layout = layout
        self.prefix = prefix

    def read(self, path: str) -> Iterator[File]:
        """The file, placed; nothing if it is of no use, or tells of something by being there."""
        match, rule = next(((m, rule) for pattern, rule in self.rules if (m := pattern.fullmatch(path, len(self.root)))), (None, None))
        if match is None or rule is None:
            return
        groups = {key: SPELLED.get(value, value) for key, value in match.groupdict().items() if value}
        data = self.files[path]
        shown = f"{self.prefix}{path}"
        if rule.reader == ERRORS:
            self.layout.facts.extend(_failed(shown, data, groups["what"]))
            return
        command, whole = rule.command.format_map(groups), True
        if rule.reader == MARKDOWN:
            command, data = unfenced(data)
        elif rule.reader == RUN:
            command, whole = self._ran(path)
        elif rule.reader == TABLE:
            data = unfolded(data)
        inner = path.rpartition("/")[2]
        if not (from_command(command) or (not command and from_name(inner) and OWN.match(inner))):
            return
        yield File(shown, data, self._place(groups, rule), inner, command, whole=whole)

    def _ran(self, path: str) -> tuple[str, bool]:
        """Command line of an output of Troubleshoot, and whether it succeeded."""
        told = _json(self.files.get(path.removesuffix(".txt") + "-info.json", b""))
        if not isinstance(told, dict):
            return "", True
        return " ".join(str(told.get("command", "")).split()), str(told.get("exitCode", 0)) == "0"

    def _place(self, groups: Mapping[str, str], rule: Rule) -> Place:
        """Where a file was collected: on the node that its folder is of, on the agent's, or nowhere in particular."""
        if "space" in groups or ("what" in groups and rule.reader != RUN):
            return Place("")
        node = groups.get("node") or groups.get("folder") or ""
        if node:
            return Place(node)
        agent = AGENT.search(groups.get("agent") or self.root)
        node = self.agents.get(agent[0], "") if agent else ""
        if not node:
            node = agent[0] if agent else self.folder
            self.layout.renameable.add(node)
        return Place(node)


def unfenced(data: bytes) -> tuple[str, bytes]:
    """Command line and output of a file with a heading and a fence; both stay as empty lines, so that line numbers hold."""
    lines = data.split(b"\n")
    if not lines[0].startswith(b"# "):
        return "", data
    command = " ".join(decode(lines[0][2:]).split())
    return command, b"\n".join(b"" if not number or line.rstrip() == b"```" else line for number, line in enumerate(lines))


def unfolded(data: bytes) -> bytes:
    """Keys of an object as the rows that ``sysctl -a`` and ``lsmod`` print, each on its own line as far as the object has them so."""
    told = _json(data)
    if not isinstance(told, dict):
        return data
    rows = {key: row for key, value in told.items() if (row := _row(key, value))}
    keys = [match[1] if (match := _KEY.match(line)) else "" for line in decode(data).split("\n")]
    lines = [rows.pop(key, "") for key in keys]
    return "\n".join([*lines, *rows.values()]).encode()


_KEY: Final = re.compile(r'\s*"([\w./@-]+)"\s*:')


def _row(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{key} 0 0" if value.get("status") == "loaded" else ""
    return f"{key} = {' '.join(str(value).split())}" if isinstance(value, (str, int)) else ""


def irrelevant(warning: str, found: Iterable[str]) -> bool:
    """Whether a warning is about a file of such a bundle that would not have been read anyway."""
    path, separator, _ = warning.partition(": not read, ")
    return bool(separator) and any(
        path.startswith(root) and not any(re.compile(rule.path).fullmatch(path, len(root)) for tool in TOOLS for rule in tool.rules) for root in found
    )


def _failed(shown: str, data: bytes, what: str) -> list[Fact]:
    """A resource that could not be listed; nothing for an empty list of errors."""
    told = _json(data)
    reasons = list(told.values()) if isinstance(told, dict) else told if isinstance(told, list) else [told] if told else []
    reason = "; ".join(dict.fromkeys(" ".join(str(each).split()) for each in reasons))[:MAX_REASON]
    if not reason:
        return []
    fields = {"what": what.partition(".")[0], "command": f"kubectl get {what} -A -o json", "reason": reason}
    return [Fact("not_collected", fields, "", HOST, Source(shown, decode(data)), 1, f"{what}: {reason}")]


def _json(data: bytes) -> Any:
    """The document; ``None`` for what is none."""
    try:
        return json.loads(data or b"null")
    except (ValueError, RecursionError):
        return None
