"""Tables of ``kubectl get`` (plain and ``-o wide``) and of ``calicoctl get ippool -o wide``: what their columns show of an object."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from collectors.parsers.invocation import invocation
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collectors.parsers.emit import Emitter

_PHASES = {
    "Running": "Running", "Pending": "Pending", "ContainerCreating": "Pending", "Succeeded": "Succeeded", "Completed": "Succeeded",
    "Failed": "Failed",
}
_ENDED_BY_KUBELET = frozenset({
    "Evicted", "NodeAffinity", "NodePorts", "NodeShutdown", "Shutdown", "Terminated", "Preempting", "DeadlineExceeded", "UnexpectedAdmissionError",
})
"""Reasons that kubelets give to a pod that they end or do not admit, besides ``OutOfcpu`` and its like: kubectl prints them for the phase Failed."""
_NOTHING = frozenset({"", "<none>", "<unset>", "<pending>", "<unknown>", "None", "-"})

UNSAID = ""
"""Namespace of what a table without a NAMESPACE column lists, where the command line names none: that of kubectl's context."""


def read(out: Emitter, before: int = 0) -> dict[str, set[str]]:
    """Emit the facts of every table in the source (of the lines before ``before``, unless it is 0); gives the namespaces seen, by resource.

    Facts of a table that does not tell its namespace have none: :mod:`collectors.objects` places them.
    """
    seen: dict[str, set[str]] = {}
    columns: list[tuple[str, int]] = []
    resource = ""
    call = invocation(out.source.command, "kubectl", "oc")
    usual = namespace_in([*call.options, *call.words] if call else []) or UNSAID
    for number, line in clean_lines(out.source.text):
        if before and number >= before:
            break
        if not line.strip() or line.startswith("No resources found"):
            continue
        if re.match(r"(?:NAME(?:SPACE)?|LAST SEEN)\s", line):
            columns = [(match[0], match.start()) for match in re.finditer(r"\S+(?: \S+)*", line)]
            resource = _resource({name for name, _ in columns})
        elif not columns and call and (bare := headless([*call.options, *call.words], line)):
            # The header went when somebody searched the table (``| grep web``).
            resource, row = bare
            if _add(out, number, resource, row, row.get("NAMESPACE", usual)):
                seen.setdefault(resource, set()).add(row.get("NAMESPACE", usual))
            else:
                out.unparsed.add(number, line)
        elif columns and resource:
            row = _row(line, columns)
            if not _add(out, number, resource, row, row.get("NAMESPACE", usual)):
                out.unparsed.add(number, line)
            seen.setdefault(resource, set()).add(row.get("NAMESPACE", usual))
        elif not columns:
            out.unparsed.add(number, line)
    return seen


def headless(words: Sequence[str], line: str) -> tuple[str, dict[str, str]] | None:
    """Resource and cells of a row without a header, by the command line; ``None`` if it does not have the cells that kubectl prints then."""
    asked = next((word for before, word in pairwise(words) if before == "get"), "")
    found = next((resource for resource, names in _ASKED.items() if asked.partition("/")[0].lower() in names), "")
    if not found:
        return None
    cells = re.split(r"\s{2,}|\t", line.strip())
    spaces = found in _NAMESPACED and any(word in {"-A", "--all-namespaces"} for word in words)
    more = ["LABELS"] if "--show-labels" in words else []
    for plain in _PLAIN[found]:
        columns = [*(["NAMESPACE"] if spaces else []), *plain, *more]
        row = dict(zip(columns, cells, strict=False))
        if len(columns) == len(cells) and all(re.fullmatch(_FORMS[name], row[name]) for name in _FORMS.keys() & row.keys()):
            return found, row
    return None


def namespace_in(words: Sequence[str]) -> str:
    """The namespace that the words of a command line ask for (``-n shop``, ``-nshop``, ``--namespace=shop``); "" if they name none."""
    for at, word in enumerate(words):
        if word in {"-n", "--namespace"} and at + 1 < len(words):
            return words[at + 1]
        if found := re.fullmatch(r"(?:--namespace=|-n=?)([a-z0-9][a-z0-9-]*)", word):
            return found[1]
    return ""


def _row(line: str, columns: list[tuple[str, int]]) -> dict[str, str]:
    """Cells by column; of a table that lost its alignment on the way, what two spaces part."""
    ends = [start for _, start in columns[1:]]
    if any(line[end - 1 : end].strip() for end in ends):
        cells = re.split(r"\s{2,}|\t", line.strip())
        cells = cells if len(cells) == len(columns) else line.split()
        if len(cells) == len(columns):
            return {name: cell for (name, _), cell in zip(columns, cells, strict=True)}
    return {name: line[start:end].strip() for (name, start), end in zip(columns, [*ends, None], strict=True)}


def _resource(columns: set[str]) -> str:
    """Which resource has these columns; "" for one of no use here."""
    # EndpointSlices have these columns too, and cut their lists without saying how.
    if columns <= {"NAME", "STATUS", "AGE", "LABELS"} and "STATUS" in columns:
        return "namespaces"
    return next((resource for resource, needed in _COLUMNS.items() if needed <= columns and "ADDRESSTYPE" not in columns), "")


def _add(out: Emitter, number: int, resource: str, row: dict[str, str], namespace: str) -> bool:
    """Emit the fact of a row; gives whether it has a name."""
    # "kubectl get all" writes pod/web.
    name = row["OBJECT"] if resource == "events" else row["NAME"].rpartition("/")[2]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:/-]*", name) or not all(re.fullmatch(_FORMS[c], row[c]) for c in _FORMS.keys() & row.keys()):
        return False
    kind, fields = _READERS[resource](row, name, namespace)
    if namespace == UNSAID:
        fields = {key: value for key, value in fields.items() if key not in {"namespace", "full"}}
    if "LABELS" in row and kind not in {"k8s_event", "network_policy"}:
        fields["labels"] = _labels(row["LABELS"])
    out.add(kind, {key: value for key, value in fields.items() if value is not None}, number)
    return True


def _labels(text: str) -> dict[str, str]:
    """The column that ``--show-labels`` adds."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _known(row: dict[str, str], column: str) -> str | None:
    value = row.get(column, "")
    return None if value in _NOTHING else value


def _addresses(text: str | None) -> tuple[str, ...]:
    return tuple(each for each in (text or "").split(",") if is_address(each))


def _is_ended(status: str) -> bool:
    return status in _ENDED_BY_KUBELET or status.startswith("OutOf")


def _pod(row: dict[str, str], name: str, namespace: str) -> tuple[str, dict[str, Any]]:
    ready, _, wanted = row["READY"].partition("/")
    fields = {
        "namespace": namespace,
        "name": name,
        "full": f"{namespace}/{name}",
        "phase": "Failed" if _is_ended(row["STATUS"]) else _PHASES.get(row["STATUS"]),
        "ready": ready == wanted and row["STATUS"] == "Running",
        "reason": row["STATUS"] if row["STATUS"] not in {*_PHASES, "Terminating"} else None,
        "terminating": True if row["STATUS"] == "Terminating" else None,
        "restarts": int(found[0]) if (found := re.match(r"[1-9]\d{0,8}", row["RESTARTS"])) else None,
        "ips": _addresses(_known(row, "IP")) if "IP" in row else None,
        "node_name": _known(row, "NODE"),
    }
    return "pod", fields


def _service(row: dict[str, str], name: str, namespace: str) -> tuple[str, dict[str, Any]]:
    ports = tuple(
        {"port": int(found[1]), "protocol": found[3], **({"node_port": int(found[2])} if found[2] else {})}
        for found in re.finditer(r"(\d{1,5})(?::(\d{1,5}))?/(\w+)", row["PORT(S)"])
    )
    selector = _known(row, "SELECTOR")
    fields = {
        "namespace": namespace,
        "name": name,
        "type": row.get("TYPE") or ("NodePort" if row["EXTERNAL-IP"] in {"<nodes>", "nodes"} else None),
        # "None" is what a headless Service has.
        "cluster_ips": (row["CLUSTER-IP"],) if row["CLUSTER-IP"] not in {"", "<none>"} else (),
        "external_ips": _addresses(row["EXTERNAL-IP"]),
        "ports": ports,
        "selector": _labels(selector or "") if "SELECTOR" in row else None,
        "external_name": row["EXTERNAL-IP"] if row.get("TYPE") == "ExternalName" else None,
    }
    return "service", fields


def _node(row: dict[str, str], name: str, _namespace: str) -> tuple[str, dict[str, Any]]:
    addresses = _addresses(_known(row, "INTERNAL-IP")) + _addresses(_known(row, "EXTERNAL-IP"))
    states = row["STATUS"].split(",")
    fields = {
        "name": name,
        "ready": states[0] == "Ready",
        "unschedulable": True if "SchedulingDisabled" in states else None,
        "version": row["VERSION"] or None,
        "addresses": addresses if "INTERNAL-IP" in row else None,
    }
    return "k8s_node", fields


def _namespace(row: dict[str, str], name: str, _namespace: str) -> tuple[str, dict[str, Any]]:
    return "namespace", {"name": name, "phase": row["STATUS"]}


def _policy(row: dict[str, str], name: str, namespace: str) -> tuple[str, dict[str, Any]]:
    """That there is a policy, and whom it selects; what it allows is not in the table."""
    fields: dict[str, Any] = {"flavour": "kubernetes", "namespace": namespace, "name": name}
    selector = row["POD-SELECTOR"]
    if selector == "<none>":
        fields["pod_selector"] = {}
    elif re.fullmatch(r"[\w./-]+=[\w.-]*(?:,[\w./-]+=[\w.-]*)*", selector):
        fields["pod_selector"] = {"matchLabels": _labels(selector)}
    return "network_policy", fields


def _daemon_set(row: dict[str, str], name: str, namespace: str) -> tuple[str, dict[str, Any]]:
    numbers = {field: int(row[column]) for field, column in _DAEMONS if row[column].isdecimal()}
    return "workload", {"type": "DaemonSet", "namespace": namespace, "name": name, **numbers}


def _deployment(row: dict[str, str], name: str, namespace: str) -> tuple[str, dict[str, Any]]:
    ready, _, desired = row["READY"].partition("/")
    numbers = {"ready": ready, "desired": desired, "available": row["AVAILABLE"]}
    whole = {field: int(text) for field, text in numbers.items() if text.isdecimal()}
    return "workload", {"type": "Deployment", "namespace": namespace, "name": name, **whole}


def _event(row: dict[str, str], name: str, namespace: str) -> tuple[str, dict[str, Any]]:
    kind, _, what = name.partition("/")
    said = {"type": row["TYPE"], "reason": row["REASON"], "message": row["MESSAGE"][:1000], "last": row["LAST SEEN"] or None}
    return "k8s_event", {"namespace": namespace, "object": f"{_KIND_WORDS.get(kind, kind.capitalize())}/{what}", **said}


def _calico_node(row: dict[str, str], name: str, _namespace: str) -> tuple[str, dict[str, Any]]:
    return "calico_node", {"name": name, "ipv4": _known(row, "IPV4"), "ipv6": _known(row, "IPV6"), "as_number": row["ASN"].strip("()") or None}


def _endpoints(row: dict[str, str], name: str, namespace: str) -> tuple[str, dict[str, Any]]:
    fields: dict[str, Any] = {"namespace": namespace, "service": name, "slice": False}
    # A long list is cut: "10.0.0.1:80,10.0.0.2:80 + 3 more...".
    if "more..." not in row["ENDPOINTS"]:
        ends = [each.rpartition(":") for each in row["ENDPOINTS"].split(",") if ":" in each]
        fields["ready"] = tuple({"address": address} for address in dict.fromkeys(host.strip("[]") for host, _, _ in ends) if is_address(address))
        fields["ports"] = tuple({"port": port} for port in dict.fromkeys(int(port) for _, _, port in ends if port.isdecimal() and len(port) < 6))
    return "endpoints", fields


def _ippool(row: dict[str, str], name: str, _namespace: str) -> tuple[str, dict[str, Any]]:
    flags = {"true": True, "false": False}
    fields = {
        "name": name,
        "cidr": row["CIDR"],
        "nat_outgoing": flags.get(row["NAT"]),
        "disabled": flags.get(row.get("DISABLED", "")),
        "ipip": _known(row, "IPIPMODE"),
        "vxlan": _known(row, "VXLANMODE"),
        "node_selector": _known(row, "SELECTOR"),
    }
    return "ippool", fields


_COLUMNS = {
    # Before Kubernetes 1.8 there was no TYPE.
    "services": {"NAME", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)"},
    "nodes": {"NAME", "STATUS", "ROLES", "VERSION"},
    "pods": {"NAME", "READY", "STATUS", "RESTARTS"},
    "ippools": {"NAME", "CIDR", "NAT", "IPIPMODE"},
    "endpoints": {"NAME", "ENDPOINTS", "AGE"},
    "networkpolicies": {"NAME", "POD-SELECTOR", "AGE"},
    "daemonsets": {"NAME", "DESIRED", "CURRENT", "READY", "AVAILABLE"},
    "deployments": {"NAME", "READY", "UP-TO-DATE", "AVAILABLE"},
    "events": {"LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"},
    "calico nodes": {"NAME", "ASN", "IPV4"},
}
_FORMS = {"READY": r"\d{1,6}(?:/\d{1,6})?", "CLUSTER-IP": r"None|<none>|[0-9a-fA-F.:,]*", "AGE": r"[\dsmhdy]*|<\w+>", "DESIRED": r"\d{1,6}"}
"""What the cells of some columns look like: a line that has them otherwise belongs to another output."""
_ASKED: dict[str, frozenset[str]] = {
    "pods": frozenset({"po", "pod", "pods"}), "services": frozenset({"svc", "service", "services"}), "nodes": frozenset({"no", "node", "nodes"}),
    "namespaces": frozenset({"ns", "namespace", "namespaces"}), "endpoints": frozenset({"ep", "endpoints"}),
}
"""Resources that people search the tables of → words for them on a command line."""
_NAMESPACED = frozenset({"pods", "services", "endpoints"})
_POD, _NODE = ["NAME", "READY", "STATUS", "RESTARTS", "AGE"], ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
_SERVICE = ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
_PLAIN = {
    "pods": [_POD, [*_POD, "IP", "NODE"], [*_POD, "IP", "NODE", "NOMINATED NODE"], [*_POD, "IP", "NODE", "NOMINATED NODE", "READINESS GATES"]],
    "services": [_SERVICE, [*_SERVICE, "SELECTOR"]],
    "nodes": [_NODE, [*_NODE, "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"]],
    "namespaces": [["NAME", "STATUS", "AGE"]],
    "endpoints": [["NAME", "ENDPOINTS", "AGE"]],
}
"""The columns that kubectl prints of them, plain and wide, in the versions that are about."""
_DAEMONS = (("desired", "DESIRED"), ("ready", "READY"), ("available", "AVAILABLE"))
_KIND_WORDS = {
    "replicaset": "ReplicaSet", "daemonset": "DaemonSet", "statefulset": "StatefulSet", "networkpolicy": "NetworkPolicy",
    "endpointslice": "EndpointSlice",
}
_READERS: dict[str, Callable[[dict[str, str], str, str], tuple[str, dict[str, Any]]]] = {
    "services": _service, "nodes": _node, "pods": _pod, "ippools": _ippool, "endpoints": _endpoints,
    "namespaces": _namespace, "networkpolicies": _policy, "daemonsets": _daemon_set, "deployments": _deployment, "events": _event,
    "calico nodes": _calico_node,
}
