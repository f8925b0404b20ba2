"""The committed catalogue is the one that the rules give."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from engine.catalogue.writing import catalogue
from engine.rulebase.loader import load

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "docs" / "failure-modes"


@cache
def made() -> dict[str, str]:
    """The catalogue as the rules in this checkout give it."""
    return catalogue((), ROOT)


@pytest.mark.usefixtures("own_rules_only")
def test_the_catalogue_is_current() -> None:
    """docs/failure-modes holds exactly the pages that the rules, playbooks and proofs give."""
    kept = {file.name: file.read_text(encoding="utf-8") for file in PAGES.glob("*.md")}
    stale = sorted(name for name in {*made(), *kept} if made().get(name) != kept.get(name))
    assert not stale, f"not current, run: diagnose rules docs -o docs/failure-modes --proofs .   (make docs): {', '.join(stale)}"


@pytest.mark.usefixtures("own_rules_only")
def test_every_mode_can_be_read() -> None:
    """Each mode's page shows an example, tells what happens to the packet in both languages, and names a proof beyond the rule's own tests."""
    for rule in load().rules:
        if rule.finding:
            for name in (f"{rule.id}.md", f"{rule.id}.zh.md"):
                page = made()[name]
                parts = dict(part.split("\n\n", 1) for part in page.split("\n## ")[1:])
                assert len(parts) >= 5, name
                assert all(text.strip() for text in parts.values()), name
                proof = list(parts.values())[4]
                assert proof.count("\n- ") + proof.startswith("- ") >= 2, name
