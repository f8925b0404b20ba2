"""Phrases of the model and the walk."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

from engine.phrases import PHRASES, Phrase, phrase, spoken

ENGINE = Path(__file__).resolve().parents[2] / "engine"


def places(text: str) -> set[str]:
    """Names of the places of a template."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def used() -> list[tuple[str, set[str]]]:
    """Key and value names of every call of ``phrase`` with a literal key in the engine."""
    nodes = (node for file in ENGINE.rglob("*.py") for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    calls = (node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "phrase")
    return [(str(call.args[0].value), {str(each.arg) for each in call.keywords}) for call in calls if isinstance(call.args[0], ast.Constant)]


@pytest.mark.parametrize("key", PHRASES)
def test_both_languages_have_the_same_places(key: str) -> None:
    """English and Chinese of one key take the same values, and the Chinese is not the English."""
    english, chinese = PHRASES[key]
    assert places(english) == places(chinese)
    assert any(ord(char) > 0x2E80 for char in chinese), chinese


def test_every_call_names_a_phrase_and_fills_its_places() -> None:
    """No key is misspelt and no value is missing or superfluous, so that a rare branch of the walk cannot fail."""
    calls = used()
    assert len(calls) > 50
    assert [(key, names) for key, names in calls if key not in PHRASES or places(PHRASES[key][0]) != names] == []


def test_every_phrase_is_said_somewhere() -> None:
    """The table has no phrase that nothing says."""
    text = "".join(file.read_text(encoding="utf-8") for file in ENGINE.rglob("*.py") if file.name != "phrases.py")
    assert [key for key in PHRASES if f'"{key}"' not in text] == []


def test_a_phrase_is_its_english_text() -> None:
    """It compares, hashes and prints as plain text does."""
    made = phrase("device-down", device="eth0")
    assert made == "eth0 is down"
    assert hash(made) == hash("eth0 is down")
    assert f"{made}!" == "eth0 is down!"


def test_chinese() -> None:
    """Phrases inside phrases are said in Chinese too; lines of evidence and braces in values stay as they are."""
    made = phrase("assumed", why=phrase("device-down", device="{eth0}"))
    assert isinstance(made, Phrase)
    assert spoken(made, "zh") == "假定：{eth0} 未启用（down）"
    assert spoken(made, "en") == "assumed: {eth0} is down"
    assert spoken("-A FORWARD -j DROP", "zh") == "-A FORWARD -j DROP"
