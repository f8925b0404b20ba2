"""Fixed texts."""

from __future__ import annotations

import string

import pytest

from engine.findings import Certainty, Standing, Verdict, Verified
from engine.phrases import phrase
from engine.report.strings import STRINGS, answer, pick, say, sees, stage
from engine.walk.trace import Disposition


@pytest.mark.parametrize("key", STRINGS)
def test_both_languages_have_the_same_places(key: str) -> None:
    """English and Chinese texts of one key are both there and take the same values."""
    english, chinese = STRINGS[key]
    places = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, chinese)]
    assert english
    assert chinese
    assert places[0] == places[1]


def test_every_value_of_the_closed_sets_has_words() -> None:
    """No verdict, standing, certainty, disposition or check lacks its text."""
    wanted = [
        f"{kind}-{member.value}"
        for kind, members in (
            ("verdict", Verdict),
            ("standing", Standing),
            ("certainty", Certainty),
            ("verified", Verified),
            ("disposition", Disposition),
        )
        for member in members
    ]
    assert [key for key in wanted if key not in STRINGS] == []


def test_unknown_errno_is_its_own_name() -> None:
    """What the client sees is worded where words are known."""
    assert sees("EHOSTUNREACH", "en") == '"No route to host" (EHOSTUNREACH)'
    assert sees("ENOBUFS", "zh") == "ENOBUFS"


def test_pick_falls_back_to_english() -> None:
    """A text that lacks the language is shown in English."""
    assert pick({"en": "a"}, "zh") == "a"
    assert pick({"en": "a", "zh": "b"}, "zh") == "b"
    assert say("cause", "zh") == "根因"


def test_steps_and_answers_are_said_in_chinese() -> None:
    """Stages of a walk and answers have words; what has none is shown as it is."""
    assert (stage("route", "zh"), stage("route", "en"), stage("other", "zh")) == ("路由", "route", "other")
    assert (answer("matches", "zh"), answer("matches", "en"), answer("nexthop 10.0.0.1", "zh")) == ("匹配", "matches", "nexthop 10.0.0.1")
    assert answer(phrase("taken-away"), "zh") == "被取走"
