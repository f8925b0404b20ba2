"""How pods come and go, as their specifications say."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.parsers.kubelife import life

WEB: dict[str, Any] = {"name": "web", "readinessProbe": {"httpGet": {"port": 80}}, "lifecycle": {"preStop": {"exec": {"command": ["sleep", "9"]}}}}
PROXY: dict[str, Any] = {"name": "istio-proxy"}


def test_defaults() -> None:
    """Nothing said: no probe, no hook, half a minute; no container, nothing."""
    assert life({"containers": [{"name": "web"}]}, {}) == {"readiness": False, "pre_stop": False, "grace": 30, "sidecar": False}
    assert life({}, {}) == {}


def test_said() -> None:
    """A probe must be on every container, a hook on one; zero seconds are zero."""
    assert life({"containers": [WEB], "terminationGracePeriodSeconds": 0}, {}) == {"readiness": True, "pre_stop": True, "grace": 0, "sidecar": False}
    assert life({"containers": [WEB, {"name": "log"}]}, {})["readiness"] is False


@pytest.mark.parametrize(("spec", "notes", "drain"), [
    ({"containers": [WEB, PROXY]}, {}, 5),
    ({"containers": [WEB], "initContainers": [PROXY]}, {"proxy.istio.io/config": "terminationDrainDuration: 45s"}, 45),
    ({"containers": [WEB]}, {"sidecar.istio.io/status": "{}", "proxy.istio.io/config": '{"terminationDrainDuration":"20s"}'}, 20),
    ({"containers": [WEB]}, {"sidecar.istio.io/inject": "true"}, 5),
])
def test_istio(spec: dict[str, Any], notes: dict[str, str], drain: int) -> None:
    """The proxy of istio is no program of the user's, and keeps connections for as long as it is told."""
    told = life(spec, {"annotations": notes})
    assert (told["readiness"], told["sidecar"], told["drain"]) == (True, True, drain)
