"""Pods that a command line starts to ask from."""

from __future__ import annotations

import pytest

from collectors.kuberuns import run
from engine.facts import Source


@pytest.mark.parametrize(("line", "pod", "labels"), [
    ('kubectl run busybox --rm -ti --labels="app=box,tier=x" --image=busybox -- /bin/sh', "default/busybox", {"app": "box", "tier": "x"}),
    ("$ kubectl -n shop run -i --tty box --image busybox --restart=Never -l run=access -- wget -qO- web", "shop/box", {"run": "access"}),
    ("kubectl run --rm -it \\\n  --image=alpine probe -- sh", "default/probe", {"run": "probe"}),
])  # fmt: skip
def test_pods(line: str, pod: str, labels: dict[str, str]) -> None:
    """The name, its namespace, and the labels that were given; kubectl's own where none were."""
    (found,) = run(f"I tried\n{line}\n/ # wget web\n", Source("post", ""))
    assert (found.get("full"), found.get("labels"), found.line) == (pod, labels, 2)


@pytest.mark.parametrize("line", ["kubectl run web --image=nginx --port=80", "kubectl get pods -l run=web -it", "docker run -it busybox sh"])
def test_what_is_no_client(line: str) -> None:
    """A server that is left to run may be a Deployment's, and other commands start no pod."""
    assert run(f"{line}\n", Source("post", "")) == []
