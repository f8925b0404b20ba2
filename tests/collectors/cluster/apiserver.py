"""A small API server: discovery and lists of given objects, as much as ``kubectl get`` needs."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RESOURCES: dict[str, dict[str, str]] = {
    "v1": {"nodes": "Node", "pods": "Pod", "services": "Service", "endpoints": "Endpoints", "namespaces": "Namespace", "configmaps": "ConfigMap",
           "events": "Event", "secrets": "Secret"},
    "apps/v1": {"daemonsets": "DaemonSet", "deployments": "Deployment"},
    "discovery.k8s.io/v1": {"endpointslices": "EndpointSlice"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "crd.projectcalico.org/v1": {"ippools": "IPPool", "networkpolicies": "NetworkPolicy"},
}
"""Group and version → plural → kind."""
CLUSTER_WIDE = {"nodes", "namespaces", "ippools"}


class ApiServer:
    """Objects of a cluster, by plural and group."""

    def __init__(self, objects: Mapping[str, list[dict[str, Any]]], broken: frozenset[str] = frozenset()) -> None:
        self.objects = objects
        self.broken = broken
        """Plurals that the server may not list."""
        self.asked: list[str] = []
        """Paths of the requests that were not discovery."""
        self.methods: set[str] = set()

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Status and body for a path."""
        parts = path.strip("/").split("/")
        if path == "/version":
            return 200, {"major": "1", "minor": "29", "gitVersion": "v1.29.0"}
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            versions = [(name.split("/")[0], {"groupVersion": name, "version": name.split("/")[1]}) for name in RESOURCES if "/" in name]
            groups = [{"name": group, "versions": [version], "preferredVersion": version} for group, version in versions]
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        group_version = "v1" if parts[0] == "api" else "/".join(parts[1:3])
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        if group_version not in RESOURCES:
            return 404, {"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "no such group", "code": 404}
        return self._resource(group_version, rest, query) if rest else (200, self._discovery(group_version))

    @staticmethod
    def _discovery(group_version: str) -> dict[str, Any]:
        verbs = ["get", "list"]
        resources = [{"name": plural, "singularName": "", "namespaced": plural not in CLUSTER_WIDE, "kind": kind, "verbs": verbs}
                     for plural, kind in RESOURCES[group_version].items()]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}

    def _resource(self, group_version: str, rest: list[str], query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 2 else ""
        plural = rest[2] if namespace else rest[0]
        self.asked.append(plural)
        if plural in self.broken:
            message = f"{plural} is forbidden: User 'me' cannot list resource '{plural}'"
            return 403, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": message, "code": 403}
        group = group_version.partition("/")[0] if "/" in group_version else ""
        items = self.objects.get(f"{plural}.{group}".rstrip("."), [])
        selector = dict(part.split("=", 1) for part in ",".join(query.get("labelSelector", [])).split(",") if part)
        chosen = [i for i in items if (not namespace or i["metadata"].get("namespace") == namespace)
                  and selector.items() <= i["metadata"].get("labels", {}).items()]
        kind = RESOURCES[group_version][plural]
        return 200, {"kind": f"{kind}List", "apiVersion": group_version, "metadata": {"resourceVersion": "1"},
                     "items": [{"apiVersion": group_version, "kind": kind, **item} for item in chosen]}


@contextmanager
def serving(server: ApiServer) -> Iterator[str]:
    """The server's address while it runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            server.methods.add("GET")
            status, body = server.answer(url.path, parse_qs(url.query))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            server.methods.add(self.command)
            self.send_error(405)

        do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815  (the base class's names)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
