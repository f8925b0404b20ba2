"""How pods come and go: what their specifications say of readiness, hooks and times."""

from __future__ import annotations

import re
from typing import Any, Final

from collectors.parsers.jsontext import dict_of, dicts_of, int_of, text_of

PROXY: Final = "istio-proxy"
GRACE: Final = 30
"""Seconds from SIGTERM to SIGKILL, unless told."""
DRAIN: Final = 5
"""Seconds that istio's proxy goes on when its pod ends, unless told."""


def life(spec: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    """Fields of a pod or of a pod template; empty if no container is shown."""
    containers = [c for c in dicts_of(spec, "containers") if text_of(c, "name") != PROXY]
    if not containers:
        return {}
    notes = {key: value for key, value in dict_of(metadata, "annotations").items() if isinstance(value, str)}
    proxies = [c for name in ("containers", "initContainers") for c in dicts_of(spec, name) if text_of(c, "name") == PROXY]
    grace = int_of(spec, "terminationGracePeriodSeconds")
    told: dict[str, Any] = {
        "readiness": all(dict_of(c, "readinessProbe") for c in containers),
        "pre_stop": any(dict_of(c, "lifecycle", "preStop") for c in containers),
        "grace": GRACE if grace is None else grace,
        "sidecar": bool(proxies) or notes.get("sidecar.istio.io/inject") == "true" or "sidecar.istio.io/status" in notes,
    }
    if told["sidecar"]:
        drain = re.search(r"terminationDrainDuration[\"']?: *[\"']?(\d{1,4})s", notes.get("proxy.istio.io/config", ""))
        told["drain"] = int(drain[1]) if drain else DRAIN
    return told
