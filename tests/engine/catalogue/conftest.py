"""Rules for the catalogue's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def own_rules_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No rules of the person who runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("NOROUTE_RULES", raising=False)
