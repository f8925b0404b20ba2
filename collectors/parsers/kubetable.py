"""Tables of ``kubectl get`` (plain and ``-o wide``) and of ``calicoctl get ippool -o wide``: what their columns show of an object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collectors.parsers.invocation import invocation
from collectors.parsers.text import clean_lines
from engine.inet import is_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.parsers.emit import Emitter

_PHASES = {
    "Running": "Running", "Pending": "Pending", "ContainerCreating": "Pending", "Succeeded": "Succeeded", "Completed": "Succeeded",
    "Failed": "Failed",
}
_NOTHING = frozenset({"", "<none>", "<unset>", "<pending>", "<unknown>", "None", "-"})

def read(out: Emitter) -> dict[str, set[str]]:
    """Emit the facts of every table in the source; gives the namespaces seen, by resource."""
    seen: dict[str, set[str]] = {}
    columns: list[tuple[str, int]] = []
    resource = ""
    call = invocation(out.source.command, "kubectl", "oc")
    words = [*call.options, *call.words] if call else []
    usual = next((words[at + 1] for at, word in enumerate(words[:-1]) if word in {"-n", "--namespace"}), "default")
    for number, line in clean_lines(out.source.text):
        if not line.strip() or line.startswith("No resources found"):
            continue
        if re.match(r"NAME(?:SPACE)?\s", line):
            columns = [(match[0], match.start()) for match in re.finditer(r"\S+(?: \S+)*", line)]
            resource = _resource({name for name, _ in columns})
        elif columns and resource:
            ends = [start for _, start in columns[1:]]
            row = {name: line[start:end].strip() for (name, start), end in zip(columns, [*ends, None], strict=True)}
            if not _add(out, number, resource, row, row.get("NAMESPACE", usual)):
                out.unparsed.add(number, line)
            seen.setdefault(resource, set()).add(row.get("NAMESPACE", usual))
        elif not columns:
            out.unparsed.add(number, line)
    return seen


def _resource(columns: set[str]) -> str:
    """Which resource has these columns; "" for one of no use here."""
    # EndpointSlices have these columns too, and cut their lists without saying how.
    return next((resource for resource, needed in _COLUMNS.items() if needed <= columns and "ADDRESSTYPE" not in columns), "")


def _add(out: Emitter, number: int, resource: str, row: dict[str, str], namespace: str) -> bool:
    """Emit the fact of a row; gives whether it has a name."""
    # "kubectl get all" writes pod/web.
    name = row["NAME"].rpartition("/")[2]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:-]*", name):
        return False
    kind, fields = _READERS[resource](row, name, namespace)
    out.add(kind, {key: value for key, value in fields.items() if value is not None}, number)
    return True


def _known(row: dict[str, str], column: str) -> str | None:
    value = row.get(column, "")
    return None if value in _NOTHING else value


def _addresses(text: str | None) -> tuple[str, ...]:
    return tuple(each for each in (text or "").split(",") if is_address(each))


def _pod(row: dict[str, str], name: str, namespace: str) -> tuple[str, dict[str, Any]]:
    ready, _, wanted = row["READY"].partition("/")
    fields = {
        "namespace": namespace,
        "name": name,
        "phase": _PHASES.get(row["STATUS"]),
        "ready": ready == wanted and row["STATUS"] == "Running",
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
        "type": row["TYPE"],
        "cluster_ips": (row["CLUSTER-IP"],) if row["CLUSTER-IP"] not in {"", "<none>"} else (),
        "external_ips": _addresses(row["EXTERNAL-IP"]),
        "ports": ports,
        "selector": dict(part.split("=", 1) for part in (selector or "").split(",") if "=" in part) if "SELECTOR" in row else None,
        "external_name": row["EXTERNAL-IP"] if row["TYPE"] == "ExternalName" else None,
    }
    return "service", fields


def _node(row: dict[str, str], name: str, _namespace: str) -> tuple[str, dict[str, Any]]:
    addresses = _addresses(_known(row, "INTERNAL-IP")) + _addresses(_known(row, "EXTERNAL-IP"))
    return "k8s_node", {"name": name, "ready": row["STATUS"].split(",")[0] == "Ready", "addresses": addresses if "INTERNAL-IP" in row else None}


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
    "services": {"NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)"},
    "nodes": {"NAME", "STATUS", "ROLES", "VERSION"},
    "pods": {"NAME", "READY", "STATUS", "RESTARTS"},
    "ippools": {"NAME", "CIDR", "NAT", "IPIPMODE"},
    "endpoints": {"NAME", "ENDPOINTS", "AGE"},
}
_READERS: dict[str, Callable[[dict[str, str], str, str], tuple[str, dict[str, Any]]]] = {
    "services": _service, "nodes": _node, "pods": _pod, "ippools": _ippool, "endpoints": _endpoints,
}
