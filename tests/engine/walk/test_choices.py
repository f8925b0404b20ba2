"""Unknowns as choices, and the replays that follow them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.walk.choices import MAX_REPLAYS, Choices, replays
from engine.walk.trace import Unknown

UNKNOWN = Unknown("n1", "host", "net.ipv4.ip_forward", "sysctl net.ipv4.ip_forward", "not collected")


def test_first_option_first() -> None:
    """Without a script every new question gets its first option, and the same question the same answer."""
    choices = Choices()
    assert [choices.ask("a", ("x", "y"), UNKNOWN), choices.ask("a", ("x", "y"), UNKNOWN)] == [0, 0]
    assert [(asked.key, asked.chosen, asked.unknown) for asked in choices.asked] == [("a", 0, UNKNOWN)]


def test_script() -> None:
    """A script answers the questions in the order they come."""
    choices = Choices([1, 0])
    assert [choices.ask(key, ("x", "y"), None, ("1/3", "2/3")) for key in "abab"] == [1, 0, 1, 0]
    assert choices.asked[0].shares == ("1/3", "2/3")


@given(st.lists(st.integers(1, 3), max_size=4))
def test_every_combination_is_run_once(sizes: list[int]) -> None:
    """Independent questions are followed in every combination of answers, as far as the bound allows."""

    def run(choices: Choices) -> tuple[int, ...]:
        return tuple(choices.ask(at, [str(n) for n in range(size)], None) for at, size in enumerate(sizes))

    outcomes = [outcome for outcome, _ in replays(run)]
    total = 1
    for size in sizes:
        total *= size
    assert outcomes[0] == (0,) * len(sizes)
    assert len(outcomes) == len(set(outcomes)) == min(total, MAX_REPLAYS)


def test_questions_that_hang_on_answers() -> None:
    """A question that only one answer leads to is asked only there."""

    def run(choices: Choices) -> str:
        return "stop" if choices.ask("a", ("on", "off"), UNKNOWN) else f"b{choices.ask('b', ('x', 'y'), UNKNOWN)}"

    assert sorted(outcome for outcome, _ in replays(run)) == ["b0", "b1", "stop"]


def test_bounded() -> None:
    """However many questions, the replays end."""
    assert sum(1 for _ in replays(lambda choices: [choices.ask(at, "ab", None) for at in range(20)])) == MAX_REPLAYS
