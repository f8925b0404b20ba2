"""``kubectl describe`` of pods, Services, nodes, endpoints, network policies, namespaces and workloads.

The text is read as a tree by its indentation.  What a description leaves out (names of container ports in older versions, backends that are not
ready, the fourth and further endpoints) stays unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from collectors.parsers.kubeobjects import SYSTEM, endpoints_text, selector_text
from collectors.parsers.kubepolicies import policy_text
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.parsers.emit import Emitter

BEGIN = r"^Name:[ \t]+\S+[ \t\r]*\n(?:Namespace|Roles|Labels|Generate Name|Created on|Priority|CreationTimestamp|Annotations|Selector):"
EVENT_ROW = r"^[ \t]*(?:Warning|Normal)[ \t]+[A-Z]\w+[ \t]+(?:\d+[smhdy]|<invalid>|<unknown>)\S*(?: \(x\d+ over [^)\n]*\))?[ \t]+[\w-]+"
"""A row of the table of events at the end of a description, where nothing else of it was pasted."""
_NOTHING = frozenset({"", "<none>", "<unset>", "<unknown>", "None"})


@dataclass(slots=True)
class Entry:
    """A line ``Key: value`` with what is indented below it."""

    number: int
    indent: int
    key: str
    """"" for a line that has no key."""
    value: str
    inner: list[Entry] = field(default_factory=list)

    def all(self, key: str) -> list[Entry]:
        """Entries of a key below this one."""
        return [each for each in self.inner if each.key == key]

    def get(self, *keys: str) -> str:
        """Value of the first of some keys that is there and says something."""
        return next((each.value for key in keys for each in self.inner if each.key == key and each.value not in _NOTHING), "")

    def has(self, key: str) -> bool:
        """Whether a key is there, whatever it says."""
        return any(each.key == key for each in self.inner)

    def under(self, key: str) -> list[Entry]:
        """What is indented below a key."""
        return next((each.inner for each in self.inner if each.key == key), [])

    def texts(self, key: str) -> list[str]:
        """A value and the lines that continue it."""
        found = next((each for each in self.inner if each.key == key), None)
        lines = [found.value, *(_whole(each) for each in found.inner)] if found else []
        return [line for line in lines if line not in _NOTHING]


def _whole(entry: Entry) -> str:
    return f"{entry.key}: {entry.value}".strip() if entry.key else entry.value


def is_described(text: str) -> bool:
    """Whether a text holds a description."""
    return re.search(BEGIN, text, re.MULTILINE) is not None


def read(out: Emitter) -> int:
    """Emit the facts of every object described in the source; gives the line where the first begins."""
    objects: list[Entry] = []
    stack: list[Entry] = []
    for number, line in clean_lines(out.source.text):
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip(" "))
        if re.match(r"Name:\s+\S", line):
            objects.append(Entry(number, -1, "", ""))
            stack = [objects[-1]]
        if not stack:
            continue
        while len(stack) > 1 and stack[-1].indent >= indent:
            stack.pop()
        made = _entry(number, indent, line.strip())
        stack[-1].inner.append(made)
        stack.append(made)
    for described in objects:
        _object(out, described)
    return objects[0].number if objects else 0


def _entry(number: int, indent: int, text: str) -> Entry:
    """A key is what stands before a colon that ends the line or that white space follows."""
    found = re.match(r"(?:- )?([A-Za-z][\w ./()-]*?):(?:\s+(.*))?$", text)
    return Entry(number, indent, found[1], (found[2] or "").strip()) if found else Entry(number, indent, "", text)


def _object(out: Emitter, described: Entry) -> None:
    reader = next((reader for keys, reader in _KINDS if all(described.has(key) for key in keys)), None)
    if reader is None:
        return
    for kind, fields, shown, number in reader(described):
        kept = {key: value for key, value in fields.items() if value is not None}
        out.add(kind, kept, number or described.inner[0].number, " ".join(shown.split()))
    _events(out, described)


def _named(described: Entry) -> dict[str, str]:
    return {"namespace": described.get("Namespace") or "default", "name": described.get("Name")}


def _full(described: Entry) -> str:
    return "/".join(_named(described).values())


def _pairs(lines: list[str]) -> dict[str, str]:
    """``app=web`` lines (labels), ``key: value`` lines (annotations)."""
    found: dict[str, str] = {}
    for line in lines:
        match = re.match(r"([^=:\s]+)(?:=|:\s*)(.*)$", line)
        if match:
            found[match[1]] = match[2]
    return found


Made = tuple[str, dict[str, Any], str, int]


# --- pods ----------------------------------------------------------------------------------------------------------------


def _pod(described: Entry) -> Iterator[Made]:
    node, _, host_ip = described.get("Node").partition("/")
    ips = [described.get("IP"), *(each.value for each in described.under("IPs"))]
    addresses = tuple(dict.fromkeys(ip for ip in ips if is_address(ip)))
    conditions = _rows(described.under("Conditions"))
    ready = next((row[1] == "True" for row in conditions if row[0] == "Ready" and len(row) > 1), None)
    containers = described.under("Containers")
    ports = [port for each in containers for port in _ports(each)]
    state = next((e for each in containers for e in each.all("State") if e.value == "Waiting"), None)
    reason = next((e.value for e in state.inner if e.key == "Reason"), "") if state else described.get("Reason")
    fields = {
        **_named(described),
        "full": _full(described),
        "ips": addresses,
        "node_name": node or None,
        "host_ip": host_ip or None,
        # A pod whose address is its node's lives in the node's network.
        "host_network": host_ip in addresses if host_ip and addresses else None,
        "phase": described.get("Status").partition(" ")[0] or None,
        "ready": ready,
        "labels": _pairs(described.texts("Labels")),
        "annotations": _pairs(described.texts("Annotations")) or None,
        "ports": tuple(ports),
        "ports_unnamed": True if ports and not any("name" in port for port in ports) else None,
        "owner": described.get("Controlled By") or None,
        "service_account": described.get("Service Account") or None,
        "priority_class": described.get("Priority Class Name") or None,
        "images": tuple(filter(None, (each.get("Image") for each in containers))) or None,
        "args": _arguments(described, containers) or None,
        "probes": tuple(filter(None, (each.get("Readiness") for each in containers))) or None,
        "reason": reason or None,
        "message": described.get("Message") or None,
        "restarts": sum(int(text) for each in containers if (text := each.get("Restart Count")).isdecimal()) or None,
        "terminating": True if described.get("Status").startswith("Terminating") else None,
    }
    if fields["terminating"]:
        fields["phase"] = None
    yield "pod", fields, f"pod {_full(described)} {' '.join(addresses)} on {node or '<none>'} {fields['phase'] or ''}", 0


def _ports(container: Entry) -> Iterator[dict[str, Any]]:
    """``Port: 8080/TCP``, ``Ports: 53/UDP (dns), 53/TCP (dns-tcp)``; host ports stand in the same order."""
    said = re.findall(r"(\d+)/(\w+)(?: \(([\w.-]+)\))?", container.get("Port", "Ports"))
    hosts = re.findall(r"(\d+)/\w+", container.get("Host Port", "Host Ports"))
    for at, (number, protocol, name) in enumerate(said):
        made: dict[str, Any] = {"port": int(number[:6]), "protocol": protocol}
        if name:
            made["name"] = name
        if at < len(hosts) and int(hosts[at][:6]):
            made["host_port"] = int(hosts[at][:6])
        yield made


def _arguments(described: Entry, containers: list[Entry]) -> tuple[str, ...]:
    if not SYSTEM.fullmatch(described.get("Namespace")):
        return ()
    words = [_whole(e) for each in containers for key in ("Command", "Args") for e in each.under(key)]
    return tuple(word for word in words if not re.search(r"token|passw|secret|key=", word, re.IGNORECASE))


def _rows(entries: list[Entry]) -> list[list[str]]:
    """Rows of a table below its heading."""
    return [_whole(each).split() for each in entries if not _whole(each).startswith(("Type ", "----", "Name "))]


# --- Services and endpoints ----------------------------------------------------------------------------------------------


def _service(described: Entry) -> Iterator[Made]:
    single, several = described.get("IP"), described.get("IPs").replace(",", " ").split()
    cluster_ips = tuple(ip for ip in dict.fromkeys((*several, single)) if is_address(ip))
    headless = described.has("IP") and not cluster_ips and any(e.value == "None" for key in ("IP", "IPs") for e in described.all(key))
    ingress = described.get("LoadBalancer Ingress").replace(",", " ").split()
    ports, behind = _service_ports(described)
    selector = _pairs(described.get("Selector").split(","))
    external = described.get("External Name")
    fields: dict[str, Any] = {
        **_named(described),
        "type": described.get("Type") or "ClusterIP",
        "cluster_ips": ("None",) if headless else cluster_ips,
        "external_ips": tuple(ip for ip in described.get("External IPs").replace(",", " ").split() if is_address(ip)),
        "ingress_ips": tuple(ip for ip in ingress if is_address(ip)) or None,
        "ports": ports,
        "selector": selector,
        "internal_policy": described.get("Internal Traffic Policy") or None,
        "external_policy": described.get("External Traffic Policy") or None,
        "external_name": external or None,
        "affinity": next((e.value for e in described.all("Session Affinity")), None),
        "labels": _pairs(described.texts("Labels")) or None,
        "annotations": _pairs(described.texts("Annotations")) or None,
    }
    numbers = " ".join(f"{port['port']}->{port.get('target_port', '?')}/{port['protocol']}" for port in ports)
    shown = f"{fields['type']} {'None' if headless else ','.join(cluster_ips)} {numbers}{selector_text(selector)}"
    yield "service", fields, f"service {_full(described)} {shown}", 0
    if external:
        return
    for port, entry in behind:
        yield from _behind(described, port, entry)


def _service_ports(described: Entry) -> tuple[tuple[dict[str, Any], ...], list[tuple[dict[str, Any], Entry]]]:
    """Ports in order; ``TargetPort``, ``NodePort`` and ``Endpoints`` follow the port that they belong to."""
    ports: list[dict[str, Any]] = []
    behind: list[tuple[dict[str, Any], Entry]] = []
    for entry in described.inner:
        found = re.fullmatch(r"(?:(\S+)\s+)?(\d+|[\w-]+)/(\w+)", entry.value)
        if entry.key == "Port" and found and found[2].isdecimal():
            ports.append({"port": int(found[2][:6]), "protocol": found[3], **({"name": found[1]} if found[1] and found[1] not in _NOTHING else {})})
        elif ports and entry.key == "TargetPort" and found:
            ports[-1]["target_port"] = int(found[2][:6]) if found[2].isdecimal() else found[2]
        elif ports and entry.key == "NodePort" and found and found[2].isdecimal():
            ports[-1]["node_port"] = int(found[2][:6])
        elif ports and entry.key == "Endpoints":
            behind.append((ports[-1], entry))
    return tuple(ports), behind


def _behind(described: Entry, port: dict[str, Any], entry: Entry) -> Iterator[Made]:
    """The ready endpoints of one port, where the list is whole."""
    if "more..." in entry.value:
        return
    ends = [(host.strip("[]"), number) for host, _, number in (each.strip().rpartition(":") for each in entry.value.split(",")) if number.isdecimal()]
    name = {"name": port["name"]} if "name" in port else {}
    for number in dict.fromkeys(number for _, number in ends) or ("",):
        ready = tuple({"address": host} for host, own in ends if own == number and is_address(host))
        numbers = ({"port": int(number[:6]), "protocol": port["protocol"], **name},) if number else ()
        place = {"namespace": _named(described)["namespace"], "service": described.get("Name")}
        fields = {**place, "ready": ready, "not_ready": (), "ports": numbers, "slice": False}
        yield "endpoints", fields, endpoints_text("endpoints of service", _full(described), fields), entry.number


def _endpoints(described: Entry) -> Iterator[Made]:
    subsets = described.under("Subsets")
    groups: list[dict[str, Any]] = []
    for entry in subsets:
        addresses = tuple({"address": a} for a in entry.value.replace(",", " ").split() if is_address(a))
        if entry.key == "Addresses":
            groups.append({"ready": addresses, "not_ready": (), "ports": ()})
        elif groups and entry.key == "NotReadyAddresses":
            groups[-1]["not_ready"] = addresses
        elif groups and entry.key == "Ports":
            groups[-1]["ports"] = _endpoint_ports(entry.inner)
    place = {"namespace": _named(described)["namespace"], "service": described.get("Name"), "name": described.get("Name")}
    for group in groups or [{"ready": (), "not_ready": (), "ports": ()}]:
        fields = {**place, **group, "slice": False}
        yield "endpoints", fields, endpoints_text("endpoints", _full(described), fields), 0


def _endpoint_ports(entries: list[Entry]) -> tuple[dict[str, Any], ...]:
    rows = [row for row in _rows(entries) if len(row) == 3 and row[1].isdecimal()]
    return tuple({"port": int(row[1][:6]), "protocol": row[2], **({"name": row[0]} if row[0] not in _NOTHING else {})} for row in rows)


def _slice(described: Entry) -> Iterator[Made]:
    sides: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for entry in described.under("Endpoints"):
        if entry.key != "Addresses":
            continue
        conditions = {e.key: e.value.lower() for each in entry.all("Conditions") for e in each.inner}
        target = entry.get("TargetRef")
        made = {"node_name": entry.get("NodeName") or None, "pod": target.removeprefix("Pod/") if target.startswith("Pod/") else None}
        known: dict[str, Any] = {key: value for key, value in made.items() if value}
        known |= {name.lower(): conditions[name] == "true" for name in ("Serving", "Terminating") if conditions.get(name) in {"true", "false"}}
        sides[conditions.get("Ready") != "false"] += [{"address": a, **known} for a in entry.value.replace(",", " ").split() if is_address(a)]
    service = _pairs(described.texts("Labels")).get("kubernetes.io/service-name", "")
    fields = {
        "namespace": _named(described)["namespace"], "service": service, "name": described.get("Name"), "ready": tuple(sides[True]),
        "not_ready": tuple(sides[False]), "ports": _endpoint_ports(described.under("Ports")), "slice": True,
    }
    yield "endpoints", fields, endpoints_text("endpointslice", _full(described), fields), 0


# --- nodes, namespaces, workloads ----------------------------------------------------------------------------------------


def _node(described: Entry) -> Iterator[Made]:
    addresses = [(each.key, each.value) for each in described.under("Addresses") if each.key.endswith("IP")]
    addresses.sort(key=lambda pair: pair[0] != "InternalIP")
    conditions = {row[0]: row[1] for row in _rows(described.under("Conditions")) if len(row) > 1}
    cidrs = described.get("PodCIDRs", "PodCIDR").replace(",", " ").split()
    trouble = next((" ".join(row[2:]) for row in _rows(described.under("Conditions")) if row[0] == "Ready" and len(row) > 2 and row[1] != "True"), "")
    fields: dict[str, Any] = {
        "name": described.get("Name"),
        "addresses": tuple(value for _, value in addresses),
        "pod_cidrs": tuple(cidrs),
        "labels": _pairs(described.texts("Labels")),
        "annotations": _pairs(described.texts("Annotations")),
        "ready": conditions["Ready"] == "True" if "Ready" in conditions else None,
        "unschedulable": True if described.get("Unschedulable") == "true" else None,
        "conditions": conditions or None,
        "taints": tuple(described.texts("Taints")) or None,
        "trouble": trouble[:500] or None,
    }
    yield "k8s_node", fields, f"node {fields['name']} {' '.join(fields['addresses'])} podCIDR {','.join(cidrs) or '<none>'}", 0


def _namespace(described: Entry) -> Iterator[Made]:
    labels = _pairs(described.texts("Labels"))
    fields = {"name": described.get("Name"), "labels": labels, "phase": described.get("Status") or None}
    yield "namespace", fields, f"namespace {fields['name']} labels {selector_text(labels).removeprefix(' selector ') or '<none>'}", 0


def _daemon_set(described: Entry) -> Iterator[Made]:
    available = described.get("Number of Nodes Scheduled with Available Pods")
    yield from _workload(described, "DaemonSet", described.get("Desired Number of Nodes Scheduled"), available)


def _deployment(described: Entry) -> Iterator[Made]:
    said = {word: number for number, word in re.findall(r"(\d+) (\w+)", described.get("Replicas"))}
    yield from _workload(described, "Deployment", said.get("desired", ""), said.get("available", ""))


def _workload(described: Entry, kind: str, desired: str, available: str) -> Iterator[Made]:
    template = next((each for each in described.inner if each.key == "Pod Template"), Entry(0, 0, "", ""))
    containers = template.under("Containers")
    fields = {
        "type": kind,
        **_named(described),
        "desired": int(desired) if desired.isdecimal() else None,
        "ready": int(available) if available.isdecimal() else None,
        "available": int(available) if available.isdecimal() else None,
        "labels": _pairs(described.texts("Labels")),
        "selector": _selector(described.get("Selector")),
        "template_labels": _pairs(template.texts("Labels")) or None,
        "images": tuple(filter(None, (each.get("Image") for each in containers))) or None,
        "probes": tuple(filter(None, (each.get("Readiness") for each in containers))) or None,
    }
    yield "workload", fields, f"{kind.lower()} {_full(described)} desired {desired} available {available}", 0


# --- policies ------------------------------------------------------------------------------------------------------------


def _network_policy(described: Entry) -> Iterator[Made]:
    spec: dict[str, Any] = {}
    said = described.under("Spec")
    for entry in said:
        words = _whole(entry).lower()
        side = "ingress" if "ingress" in words else "egress"
        if entry.key == "PodSelector":
            spec["podSelector"] = _selector(entry.value)
        elif entry.key.startswith("Allowing"):
            spec[side] = _policy_rules(entry.inner, "from" if side == "ingress" else "to")
        elif entry.key == "Policy Types":
            spec["policyTypes"] = [each.strip() for each in entry.value.split(",") if each.strip()]
    name = _named(described)
    yield "network_policy", {"flavour": "kubernetes", **name, "spec": spec}, policy_text("kubernetes", _full(described), spec), 0


def _policy_rules(entries: list[Entry], side: str) -> list[dict[str, Any]]:
    """Rules are parted by a line of dashes; ``<none>`` in place of all says that the pods are isolated."""
    rules: list[dict[str, Any]] = [{"ports": [], side: []}]
    everybody = False
    for entry in entries:
        if entry.value.startswith("----"):
            rules.append({"ports": [], side: []})
        elif entry.value.startswith("<none>"):
            return []
        elif entry.key == "To Port":
            rules[-1]["ports"] += _policy_port(entry.value)
        elif entry.key in {"From", "To"} and not entry.value.startswith("<any>"):
            rules[-1][side].append(_policy_peer(entry.inner))
        everybody = everybody or entry.value.startswith("<any>")
    return [{key: value for key, value in rule.items() if value} for rule in rules]


def _policy_port(value: str) -> list[dict[str, Any]]:
    found = re.match(r"(?:([\w-]+?)(?:-(\d+))?)/(\w+)", value)
    if value.startswith("<any>") or found is None:
        return []
    port: int | str = int(found[1][:6]) if found[1].isdecimal() else found[1] if not found[2] else f"{found[1]}-{found[2]}"
    last = {"endPort": int(found[2][:6])} if found[2] and isinstance(port, int) else {}
    return [{"port": port, "protocol": found[3], **last}]


def _policy_peer(entries: list[Entry]) -> dict[str, Any]:
    peer: dict[str, Any] = {}
    for entry in entries:
        if entry.key == "PodSelector":
            peer["podSelector"] = _selector(entry.value)
        elif entry.key == "NamespaceSelector":
            peer["namespaceSelector"] = _selector(entry.value)
        elif entry.key == "IPBlock":
            block = {each.key: each.value for each in entry.inner}
            excepted = [each.strip() for each in block.get("Except", "").split(",") if each.strip()]
            peer["ipBlock"] = {"cidr": block.get("CIDR", ""), **({"except": excepted} if excepted else {})}
    return peer


def _selector(text: str) -> dict[str, Any]:
    """A selector as ``kubectl`` prints it: ``app=web,tier in (a,b),!old``."""
    text = re.sub(r"\s*\((?:Allowing|Coverage)[^)]*\)\s*$", "", text)
    labels: dict[str, str] = {}
    expressions: list[dict[str, Any]] = []
    for word in re.findall(r"[^\s,(]+(?:\s+(?:in|notin)\s+\([^)]*\))?", text) if text not in _NOTHING else ():
        found = re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", word)
        if found:
            expressions.append({"key": found[1], "operator": "In" if found[2] == "in" else "NotIn", "values": found[3].split(",")})
        elif "=" in word:
            key, _, value = word.partition("=")
            labels[key] = value
        elif word != "<none>":
            expressions.append({"key": word.lstrip("!"), "operator": "DoesNotExist" if word.startswith("!") else "Exists"})
    return {**({"matchLabels": labels} if labels else {}), **({"matchExpressions": expressions} if expressions else {})}


# --- events --------------------------------------------------------------------------------------------------------------


_EVENT = re.compile(
    r"(Normal|Warning)\s+(\S+)\s+(\S+(?: \(x(\d+) over [^)]*\))?)\s+"
    # Who says so: "kubelet", in older versions "kubelet, node-1".
    r"(?:\S+(?:, \S+)?\s{2,}|\S+\s+)(.*)$"
)
_ASSIGNED = re.compile(r"Successfully assigned (?:(?P<namespace>[\w-]+)/)?(?P<name>[\w.-]+) to \S+$")
_SANDBOX = re.compile(r"set up pod \\?\"(?P<name>[\w.-]+)_(?P<namespace>[\w-]+)\\?\"")


def _events(out: Emitter, described: Entry) -> None:
    """The table of events at the end."""
    kind = next((word for keys, word in _WORDS if all(described.has(key) for key in keys)), "Object")
    for entry in described.under("Events"):
        if found := _EVENT.match(_whole(entry)):
            _event(out, entry.number, found, _named(described)["namespace"], f"{kind}/{described.get('Name')}")


def _event(out: Emitter, number: int, found: re.Match[str], namespace: str, about: str) -> None:
    fields = {
        "namespace": namespace, "object": about, "type": found[1], "reason": found[2],
        "message": found[5][:1000], "count": int(found[4] or 1), "last": found[3].partition(" ")[0],
    }
    out.add("k8s_event", fields, number)


def has_events(text: str) -> bool:
    """Whether a text holds rows of a description's table of events."""
    return re.search(EVENT_ROW, text, re.MULTILINE) is not None


def read_events(out: Emitter) -> None:
    """Emit the events of a table whose object was cut away; its messages often tell which pod they are about."""
    rows = [(number, found) for number, line in clean_lines(out.source.text) if (found := _EVENT.match(line.strip()))]
    named = next((match for _, row in rows for pattern in (_ASSIGNED, _SANDBOX) if (match := pattern.search(row[5]))), None)
    namespace, about = ((named["namespace"] or "default"), f"Pod/{named['name']}") if named else ("default", "")
    for number, found in rows:
        _event(out, number, found, namespace, about)


_KINDS: tuple[tuple[tuple[str, ...], Callable[[Entry], Iterator[Made]]], ...] = (
    (("Node", "Containers"), _pod),
    (("AddressType",), _slice),
    (("Subsets",), _endpoints),
    (("Type", "Session Affinity"), _service),
    (("Type", "Selector"), _service),
    (("System Info",), _node),
    (("Spec", "Created on"), _network_policy),
    (("Desired Number of Nodes Scheduled",), _daemon_set),
    (("Replicas", "StrategyType"), _deployment),
    (("Roles", "Taints"), _node),
    (("Status", "Labels"), _namespace),
)
"""Keys that only descriptions of a kind have."""
_WORDS = (
    (("Node", "Containers"), "Pod"),
    (("System Info",), "Node"),
    (("Type", "Selector"), "Service"),
    (("Desired Number of Nodes Scheduled",), "DaemonSet"),
    (("Replicas", "StrategyType"), "Deployment"),
)
