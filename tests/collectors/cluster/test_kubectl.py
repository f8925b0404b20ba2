"""Asking a cluster through kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.cluster import ClusterOptions, collect_cluster
from engine.errors import EvidenceError

if TYPE_CHECKING:
    from pathlib import Path


def test_without_kubectl_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where kubectl is missing, the error names the script."""
    monkeypatch.setattr("collectors.cluster.kubectl.find", lambda _: None)
    with pytest.raises(EvidenceError) as caught:
        collect_cluster(ClusterOptions(), tmp_path / "b")
    assert "--script" in caught.value.hint
