"""Stages: a rule runs after all that derives what it reads; only true circles run together."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from engine.inference.strata import NegativeCycleError, negates, reads, stages
from engine.rulebase.model import Derivation, Pattern, Rule

KINDS = st.sampled_from("abcdef")


def rule(name: str, needs: str, absent: str = "", derives: str = "") -> Rule:
    """A rule by the letters of its kinds."""
    return Rule(name, when=tuple(Pattern(k) for k in needs), none=tuple(Pattern(k) for k in absent), derive=tuple(Derivation(k, ()) for k in derives))


def names(rules: list[Rule]) -> list[list[str]]:
    """Ids by stage."""
    return [[one.id for one in stage.rules] for stage in stages(rules)]


def test_without_derivation_there_is_one_stage() -> None:
    """The common rulebase runs all at once."""
    assert names([rule("x", "a"), rule("y", "b", "a")]) == [["x", "y"]]


def test_chains_run_in_order() -> None:
    """What is derived is complete before it is read or negated."""
    found = stages([rule("last", "a", "c"), rule("second", "b", derives="c"), rule("first", "a", derives="b")])
    assert [[one.id for one in stage.rules] for stage in found] == [["first"], ["second"], ["last"]]
    assert all(not stage.recursive for stage in found)


def test_circles_run_together_and_others_do_not() -> None:
    """Rules of a circle share a stage that knows which kinds grow; two circles are two stages."""
    found = stages(
        [rule("p", "ab", derives="b"), rule("q", "b", derives="c"), rule("r", "c", derives="d"), rule("s", "d", derives="c"), rule("t", "d")]
    )
    assert [([one.id for one in stage.rules], stage.recursive) for stage in found] == [
        (["p"], {"b"}),
        (["q"], frozenset()),
        (["r", "s"], {"c", "d"}),
        (["t"], frozenset()),
    ]


@given(
    st.lists(
        st.builds(rule, st.just("x"), st.text("abcdef", min_size=1, max_size=2), st.text("abcdef", max_size=1), st.text("def", max_size=1)),
        max_size=8,
    )
)
def test_order_is_always_sound(rules: list[Rule]) -> None:
    """Whatever reads a kind runs with or after all that derive it, and whatever negates it strictly after; or the program is refused."""
    numbered = [Rule(f"r{i}", when=one.when, none=one.none, derive=one.derive) for i, one in enumerate(rules)]
    try:
        found = stages(numbered)
    except NegativeCycleError as error:
        assert error.rule.id in str(error)  # noqa: PT017  # a refusal is one of the two outcomes
        return
    at = {one.id: index for index, stage in enumerate(found) for one in stage.rules}
    assert len(at) == len(numbered)
    for source in numbered:
        for kind in {derivation.kind for derivation in source.derive}:
            for target in numbered:
                if kind in reads(target):
                    assert at[source.id] < at[target.id] or (at[source.id] == at[target.id] and kind in found[at[target.id]].recursive)
                if kind in negates(target):
                    assert at[source.id] < at[target.id]


def test_networkx_is_imported_for_circles_only() -> None:
    """Start-up does not pay for the graph library unless a rulebase has a circle."""
    script = (
        "import sys; from engine.inference.strata import stages; from engine.rulebase.model import *\n"
        "d = lambda k: (Derivation(k, ()),)\n"
        "stages([Rule('a', when=(Pattern('x'),), derive=d('y')), Rule('b', when=(Pattern('y'),))]); assert 'networkx' not in sys.modules\n"
        "stages([Rule('a', when=(Pattern('y'),), derive=d('y'))]); assert 'networkx' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
