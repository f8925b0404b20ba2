"""What is kept of a cluster's objects."""

from __future__ import annotations

import json

from collectors.cluster.resources import REDACTED, kept


def test_arguments_are_kept_of_the_networks_own_programs_only() -> None:
    """A template's container is treated like a pod's; Secrets in a list are left out."""
    spec = {"template": {"spec": {"containers": [{"name": "c", "command": ["run", "--password=x"], "env": [{"name": "A", "value": "x"}]}]}}}
    items = [{"kind": "Deployment", "metadata": {"name": "d", "namespace": n}, "spec": json.loads(json.dumps(spec))} for n in ("shop", "kube-system")]
    document = kept({"kind": "List", "items": [*items, {"kind": "Secret", "data": {"k": "v"}}]})
    shop, system = (item["spec"]["template"]["spec"]["containers"][0] for item in document["items"])
    assert shop["command"] == [REDACTED]
    assert system["command"] == ["run", "--password=x"]
    assert shop["env"] == system["env"] == [{"name": "A", "value": REDACTED}]
