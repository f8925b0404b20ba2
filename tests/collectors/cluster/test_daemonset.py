"""The manifest of the collector pods."""

from __future__ import annotations

import yaml

from collectors.cluster.daemonset import CAPABILITIES, manifest
from collectors.script import script


def test_the_daemon_set_asks_for_no_more_than_it_needs() -> None:
    """Mounts of the host are read-only, no capability but the named ones, no service account, a namespace of its own, every taint tolerated."""
    documents = list(yaml.safe_load_all(manifest("registry.example/busybox:1", "probe")))
    assert [d["kind"] for d in documents] == ["Namespace", "ConfigMap", "DaemonSet"]
    assert documents[0]["metadata"]["name"] == "probe"
    assert all(d["metadata"].get("namespace", "probe") == "probe" for d in documents)
    assert documents[1]["data"]["collect.sh"] == script()
    spec = documents[2]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    assert container["image"] == "registry.example/busybox:1"
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": list(CAPABILITIES)}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"].get("privileged")
    assert [m["name"] for m in container["volumeMounts"] if not m.get("readOnly")] == ["tmp"]
    assert (spec["hostNetwork"], spec["hostPID"], spec["automountServiceAccountToken"]) == (True, True, False)
    assert spec["tolerations"] == [{"operator": "Exists"}]
