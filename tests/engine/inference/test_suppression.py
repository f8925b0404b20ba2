"""``suppresses``: what a cause explains is not told twice, and nothing else is hidden."""

from __future__ import annotations

from engine.facts import Fact, FactBase
from engine.inference.engine import infer
from engine.inference.suppression import suppressed
from engine.rulebase.model import Condition, Join, Pattern, Ref, Rule

DROP = Pattern("drop", "drop")
GENERAL = Rule("general", when=(DROP,))
LATENT = Rule("latent", when=(Pattern("link", "l"),), suppresses=("general", "hint"))
HINT = Rule("hint", when=(Pattern("address", "a"),))


def names(rules: list[Rule], facts: list[Fact]) -> list[str]:
    """Ids of what is left."""
    matches = infer(rules, FactBase(facts), "reference")
    gone = suppressed(matches)
    return [match.rule.id for index, match in enumerate(matches) if index not in gone]


def drop(chain: str, node: str = "n1") -> Fact:
    """A drop."""
    return Fact("drop", {"chain": chain, "flow": 1}, node)


def special(**where: str) -> Rule:
    """A rule that explains some drops."""
    return Rule(
        "special", when=(Pattern("drop", "drop", tuple(Condition(name, "eq", value) for name, value in where.items())),), suppresses=("general",)
    )


def test_the_same_drop_is_told_once() -> None:
    """The general finding on the drop that the special one explains is hidden; on another drop it stays."""
    assert names([GENERAL, special(chain="A")], [drop("A")]) == ["special"]
    assert names([GENERAL, special(chain="A")], [drop("A"), drop("B")]) == ["general", "special"]


def test_every_drop_must_be_explained() -> None:
    """A finding that stands for several drops stays unless all of them are explained."""
    general = Rule("general", when=(DROP,), dedupe=(Ref("drop", "node"),))
    assert names([general, special(chain="A")], [drop("A"), drop("B")]) == ["general", "special"]
    assert names([general, special()], [drop("A"), drop("B")]) == ["special", "special"]


def test_folded_matches_explain_too() -> None:
    """A finding explains the drops of the matches that ``dedupe`` folded into it."""
    folded = Rule("special", when=(DROP,), dedupe=(Ref("drop", "node"),), suppresses=("general",))
    assert names([GENERAL, folded], [drop("A"), drop("B")]) == ["special"]


def test_a_latent_finding_never_hides_a_cause() -> None:
    """What binds no drop cannot explain one."""
    assert names([GENERAL, LATENT], [drop("A"), Fact("link", {}, "n1")]) == ["general", "latent"]


def test_without_drops_the_place_decides() -> None:
    """A finding that binds no drop is hidden by one on the same node and stack."""
    facts = [Fact("address", {}, "n1"), Fact("address", {}, "n2"), Fact("link", {}, "n1")]
    assert names([HINT, LATENT], facts) == ["hint", "latent"]


def test_rules_that_name_each_other_do_not_both_vanish() -> None:
    """Mutual suppression (which lint refuses) leaves the first."""
    one = Rule("one", when=(DROP,), suppresses=("two",))
    two = Rule("two", when=(DROP,), suppresses=("one",))
    assert names([one, two], [drop("A")]) == ["one"]


def test_a_rule_does_not_hide_itself() -> None:
    """A rule that names itself is harmless."""
    own = Rule("own", when=(DROP, Pattern("link", "l", (), (Join("node", Ref("drop", "node")),))), suppresses=("own",))
    assert names([own], [drop("A"), Fact("link", {}, "n1")]) == ["own"]
