"""Inference: both matchers give exactly what brute force gives, in an order that never varies."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RuleError
from engine.facts import Fact, FactBase, Source
from engine.inference import engine
from engine.inference.engine import Match, infer, matcher_name
from engine.inference.strata import NegativeCycleError
from engine.rulebase.model import NO_BRANCH, Branch, Condition, Derivation, Guard, Join, Literal, Pattern, Ref, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MATCHERS = ("reference", "durable")

# --- random programs against brute force ------------------------------------------------------------------------------

VALUES: list[Any] = [0, 1, 1.0, True, False, "1", "x", "xy", "", "é\"\\'\n\x00", ("x",), (1, "x"), "10.0.0.1", 2**70, -1]
FIELDS = ("u", "v", "w")
BASE = ("a", "b")
DERIVED = ("d", "e")


Pool = list[Any]
"""The few values of one example: many facts and conditions must share them, or nothing would ever match."""


def facts(pool: Pool) -> st.SearchStrategy[list[Fact]]:
    """Facts of mixed types, some with missing fields."""
    value = st.sampled_from(pool)
    fields = st.fixed_dictionaries({"u": value}, optional={"v": value, "w": value})
    one = st.builds(Fact, st.sampled_from(BASE), fields, st.sampled_from(["n1", "n1", "n2"]), st.sampled_from(["host", "host", "web"]))
    return st.lists(one, min_size=3, max_size=7)


def conditions(pool: Pool) -> st.SearchStrategy[Condition]:
    """Tests of one field."""
    field = st.sampled_from(FIELDS)
    return st.one_of(
        st.builds(Condition, field, st.sampled_from(["eq", "ne"]), st.sampled_from(pool)),
        st.builds(Condition, field, st.just("exists"), st.booleans()),
        st.builds(Condition, field, st.sampled_from(["in", "not-in"]), st.lists(st.sampled_from(VALUES), min_size=1, max_size=3).map(tuple)),
        st.builds(Condition, field, st.sampled_from(["gt", "le"]), st.integers(-1, 1)),
    )


NAMES = (*FIELDS, "node", "stack")


@st.composite
def patterns(draw: st.DrawFn, pool: Pool, kinds: Sequence[str], bound: Sequence[str], alias: str) -> Pattern:
    """A pattern that joins to some of the bound aliases, mostly on the field of the same name."""
    where = [draw(conditions(pool))] if draw(st.integers(0, 3)) == 3 else []
    joins: dict[str, Join] = {}
    for _ in range(draw(st.integers(0, 2)) if bound else 0):
        name = draw(st.sampled_from(NAMES))
        other = name if draw(st.integers(0, 3)) < 3 else draw(st.sampled_from(NAMES))
        joins[name] = Join(name, Ref(draw(st.sampled_from(bound)), other))
    return Pattern(draw(st.sampled_from(kinds)), alias, tuple(where), tuple(joins.values()))


@st.composite
def guards(draw: st.DrawFn, pool: Pool, bound: Sequence[str]) -> Guard:
    """A comparison of two bound fields, or of one and a literal."""
    ref = st.builds(Ref, st.sampled_from(bound), st.sampled_from(NAMES))
    right = draw(st.one_of(ref, st.builds(Literal, st.sampled_from(pool))))
    return Guard(draw(ref), draw(st.sampled_from(["eq", "ne", "lt", "contains", "not-contains"])), right)


@st.composite
def rules(draw: st.DrawFn, pool: Pool, number: int) -> Rule:
    """A rule of level 0 (reads base facts and d, derives d), 1 (derives e), or 2 (reads all, derives nothing)."""
    level = draw(st.integers(0, 2))
    readable = (*BASE * 2, *DERIVED[: level + 1])
    when = tuple(draw(patterns(pool, readable, [f"p{j}" for j in range(i)], f"p{i}")) for i in range(draw(st.integers(1, 3))))
    bound = [pattern.alias for pattern in when]
    ref = st.builds(Ref, st.sampled_from(bound), st.sampled_from(NAMES))
    operand = st.one_of(ref, ref, st.builds(Literal, st.sampled_from(pool)))
    values = st.fixed_dictionaries({"u": operand}, optional={"v": operand, "w": operand})
    return Rule(
        f"r{number}",
        when=when,
        branches=tuple(draw(branches(pool, readable, bound, index)) for index in range(draw(st.integers(0, 2)))) or (NO_BRANCH,),
        none=tuple(draw(absences(pool, (*BASE, *DERIVED[:level]), bound)) for _ in range(draw(st.integers(0, 1)))),
        guards=(draw(guards(pool, bound)),) if draw(st.integers(0, 3)) == 3 else (),
        dedupe=tuple(draw(st.lists(ref, max_size=2))),
        derive=(Derivation(DERIVED[level], tuple(draw(values).items())),) if level < 2 else (),
    )


@st.composite
def branches(draw: st.DrawFn, pool: Pool, kinds: Sequence[str], bound: Sequence[str], index: int) -> Branch:
    """An alternative with a pattern, or a guard, or neither."""
    when = (draw(patterns(pool, kinds, bound, f"q{index}")),) if draw(st.booleans()) else ()
    return Branch(f"b{index}", "", when, (), (draw(guards(pool, bound)),) if draw(st.integers(0, 3)) == 3 else ())


@st.composite
def absences(draw: st.DrawFn, pool: Pool, kinds: Sequence[str], bound: Sequence[str]) -> Pattern:
    """A pattern that must not match, with or without a guard of its own."""
    plain = draw(patterns(pool, kinds, bound, ""))
    if draw(st.booleans()):
        return plain
    return Pattern(plain.kind, "z", plain.where, plain.joins, (draw(guards(pool, [*bound, "z"])),))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Rule], list[Fact]]:
    """A few rules that may feed each other, and facts for them."""
    pool = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3))
    return [draw(rules(pool, number)) for number in range(draw(st.integers(1, 4)))], draw(facts(pool))


def typed(value: Any) -> Any:
    """A value that is equal to another exactly if the language says so: numbers by value, all else by type and value."""
    if isinstance(value, tuple):
        return ("t", *(typed(item) for item in value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ("n", value)
    return (type(value).__name__, value)


def decimal(value: Any) -> Any:
    """A number, or text that is one."""
    if isinstance(value, str) and value.lstrip("-").isdecimal() and value.isascii():
        return int(value)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def condition_holds(condition: Condition, fact: Fact) -> bool:
    """``where`` by its definition."""
    value, operand = fact.get(condition.field), condition.operand
    if condition.op == "exists":
        return (value is not None) is operand
    if value is None:
        return False
    match condition.op:
        case "eq" | "ne":
            return (typed(value) == typed(operand)) is (condition.op == "eq")
        case "in" | "not-in":
            return (typed(value) in [typed(item) for item in operand]) is (condition.op == "in")
        case "gt":
            return decimal(value) is not None and decimal(value) > operand
    return decimal(value) is not None and decimal(value) <= operand


def operand_of(operand: Ref | Literal, bound: Mapping[str, Fact]) -> Any:
    """Value of a guard's side."""
    return bound[operand.alias].get(operand.field) if isinstance(operand, Ref) else operand.value


def guard_holds(guard: Guard, bound: Mapping[str, Fact]) -> bool:
    """``guard`` by its definition."""
    left, right = operand_of(guard.left, bound), operand_of(guard.right, bound)
    if left is None or right is None:
        return False
    match guard.op:
        case "eq" | "ne":
            return (typed(left) == typed(right)) is (guard.op == "eq")
        case "lt":
            return decimal(left) is not None and decimal(right) is not None and decimal(left) < decimal(right)
    inside = None
    if isinstance(left, str) and isinstance(right, str):
        inside = right in left
    elif isinstance(left, tuple):
        inside = typed(right) in [typed(item) for item in left]
    return inside is (guard.op == "contains")


def joined(pattern: Pattern, fact: Fact, bound: Mapping[str, Fact]) -> bool:
    """Whether a fact is one of the pattern's, given what is bound."""
    if fact.kind != pattern.kind or not all(condition_holds(condition, fact) for condition in pattern.where):
        return False
    pairs = [(fact.get(join.field), bound[join.ref.alias].get(join.ref.field)) for join in pattern.joins]
    return all(a is not None and b is not None and typed(a) == typed(b) for a, b in pairs)


def brute(rule: Rule, world: Sequence[Fact]) -> Iterator[tuple[int, tuple[int, ...], dict[str, Fact]]]:
    """Every combination of facts, tried one by one."""
    for index, branch in enumerate(rule.branches):
        slots = rule.slots(branch)
        for numbers in itertools.product(range(len(world)), repeat=len(slots)):
            bound: dict[str, Fact] = {}
            for pattern, number in zip(slots, numbers, strict=True):
                if not joined(pattern, world[number], bound):
                    break
                bound[pattern.alias] = world[number]
            else:
                absent = not any(
                    joined(pattern, fact, bound) and all(guard_holds(guard, {**bound, pattern.alias: fact}) for guard in pattern.guards)
                    for pattern in rule.absent(branch)
                    for fact in world
                )
                if absent and all(guard_holds(guard, bound) for guard in rule.guards_of(branch)):
                    yield index, numbers, bound


def identity(fact: Fact) -> Any:
    """What makes a derived fact new."""
    return (fact.kind, fact.node, fact.stack, frozenset((name, typed(value)) for name, value in fact.fields.items()))


def oracle(program: Sequence[Rule], base: Iterable[Fact]) -> list[tuple[str, str, list[Any]]]:
    """Level by level to the fixpoint; what fires as (rule, branch, identities of the bound facts), before ``dedupe``."""
    world = list(base)
    derived: set[Any] = set()
    level = {None: 2, DERIVED[0]: 0, DERIVED[1]: 1}
    for stage in range(2):
        grown = True
        while grown:
            grown = False
            for rule in program:
                if level[rule.derive[0].kind if rule.derive else None] != stage:
                    continue
                for _, _, bound in list(brute(rule, world)):
                    derivation = rule.derive[0]
                    values = {name: value for name, operand in derivation.fields if (value := operand_of(operand, bound)) is not None}
                    first = next(iter(bound.values()))
                    fact = Fact(derivation.kind, values, first.node, first.stack)
                    if identity(fact) not in derived:
                        derived.add(identity(fact))
                        world.append(fact)
                        grown = True
    return sorted(
        ((rule.id, rule.branches[index].name, [(name, identity(fact)) for name, fact in bound.items()]) for rule in program
         for index, _, bound in brute(rule, world)),
        key=repr,
    )  # fmt: skip


def fired(matches: Iterable[Match]) -> list[tuple[str, str, list[Any]]]:
    """What an inference found, with what ``dedupe`` folded unfolded again."""
    return sorted(
        ((one.rule.id, one.branch.name, [(name, identity(fact)) for name, fact in one.bindings.items()]) for match in matches
         for one in (match, *match.also)),
        key=repr,
    )  # fmt: skip


@settings(max_examples=300)
@given(cases())
def test_both_matchers_equal_brute_force(case: tuple[list[Rule], list[Fact]]) -> None:
    """For any program and facts, each matcher finds exactly the combinations that brute force finds, and both in one order."""
    program, base = case
    expected = oracle(program, base)
    found = {matcher: infer(program, FactBase(base), matcher) for matcher in MATCHERS}
    for matches in found.values():
        assert fired(matches) == expected
    assert [_exact(match) for match in found["reference"]] == [_exact(match) for match in found["durable"]]


def _exact(match: Match) -> Any:
    return match.rule.id, match.branch.name, [(name, identity(fact)) for name, fact in match.bindings.items()], len(match.also)


@settings(max_examples=40)
@given(cases())
def test_dedupe_keeps_the_first_of_equal_values(case: tuple[list[Rule], list[Fact]]) -> None:
    """Matches shown have different ``dedupe`` values, and those folded into one have its values."""
    program, base = case
    for rule in program:
        shown = [match for match in infer(program, FactBase(base), "reference") if match.rule is rule]
        if not rule.dedupe:
            assert all(not match.also for match in shown)
            continue
        keys = [_values(match) for match in shown]
        assert len({repr(key) for key in keys}) == len(keys)
        assert all(_values(other) == _values(match) for match in shown for other in match.also)


def _values(match: Match) -> list[Any]:
    return [typed(match.bindings[ref.alias].get(ref.field)) for ref in match.rule.dedupe]


# --- single laws ----------------------------------------------------------------------------------------------------


def link(name: str, node: str = "n1", **fields: Any) -> Fact:
    """A device."""
    return Fact("link", {"name": name, **fields}, node)


EDGE = Pattern("edge", "e")


def closure() -> list[Rule]:
    """The transitive closure of edges."""
    ends = (("src", Ref("e", "src")), ("dst", Ref("e", "dst")))
    step = (("src", Ref("p", "src")), ("dst", Ref("e", "dst")))
    return [
        Rule("start", when=(EDGE,), derive=(Derivation("path", ends),), finding=False),
        Rule(
            "step",
            when=(Pattern("path", "p"), Pattern("edge", "e", (), (Join("src", Ref("p", "dst")),))),
            derive=(Derivation("path", step),),
            finding=False,
        ),
        Rule("there", when=(Pattern("path", "p", (Condition("src", "eq", 0),)),)),
    ]


@pytest.mark.parametrize("matcher", MATCHERS)
def test_recursion_from_one_start(matcher: str) -> None:
    """Facts that nothing joins to at first are joined once a derived fact needs them."""
    edges = [Fact("edge", {"src": i, "dst": i + 1, "first": i == 0}) for i in range(6)]
    start, *others = closure()
    first = Rule("start", when=(Pattern("edge", "e", (Condition("first", "eq", operand=True),)),), derive=start.derive, finding=False)
    found = infer([first, *others], FactBase(edges), matcher)
    assert [match.bindings["p"].get("dst") for match in found] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("matcher", MATCHERS)
def test_indexes_grow_with_derived_facts(matcher: str) -> None:
    """An index that was made before a rule derives more facts of its kind knows those too."""
    edges = [Fact("edge", {"src": i, "dst": i + 1, "seed": i % 2 == 0}) for i in range(200)]
    start, _, there = closure()
    seeds = Rule("seeds", when=(Pattern("edge", "e", (Condition("seed", "eq", operand=True),)),), derive=start.derive, finding=False)
    near = Pattern("path", "p", (Condition("src", "eq", 0),))
    follow = Rule("follow", when=(near, Pattern("edge", "e", (), (Join("src", Ref("p", "dst")),))), derive=closure()[1].derive, finding=False)
    found = infer([seeds, follow, there], FactBase(edges), matcher)
    assert sorted(match.bindings["p"].get("dst") for match in found) == list(range(1, 201))


@pytest.mark.parametrize("matcher", MATCHERS)
def test_recursion_reaches_the_fixpoint(matcher: str) -> None:
    """A recursive rule derives until nothing new comes, also around a circle."""
    edges = [Fact("edge", {"src": i, "dst": (i + 1) % 30}) for i in range(30)]
    assert sorted(match.bindings["p"].get("dst") for match in infer(closure(), FactBase(edges), matcher)) == list(range(30))


def test_rules_that_only_derive_are_no_findings() -> None:
    """``finding: false`` keeps a rule out of the answer."""
    assert {match.rule.id for match in infer(closure(), FactBase([Fact("edge", {"src": 0, "dst": 1})]), "reference")} == {"there"}


def test_derived_facts_point_to_the_evidence() -> None:
    """A derived fact has the place, source and line of the first bound fact, so that a report can show where it comes from."""
    source = Source("ip_link", "1: lo\n2: eth0")
    rule = Rule(
        "up",
        when=(Pattern("link", "a"),),
        derive=(Derivation("seen", (("device", Ref("a", "name")), ("why", Literal("up")), ("x", Ref("a", "mtu")))),),
    )
    again = Rule("again", when=(Pattern("seen", "s"),))
    fact = Fact("link", {"name": "eth0"}, "n7", "web", source, 2)
    seen = next(match.bindings["s"] for match in infer([again, rule], FactBase([fact]), "reference") if match.rule is again)
    assert (seen.node, seen.stack, seen.text, dict(seen.fields)) == ("n7", "web", "2: eth0", {"device": "eth0", "why": "up"})


def test_negation_in_a_circle_is_refused_with_the_path() -> None:
    """A rule may not negate what depends on it; the message shows the way round."""
    one = Rule("one", when=(Pattern("a", "a"),), none=(Pattern("y"),), derive=(Derivation("x", ()),))
    two = Rule("two", when=(Pattern("x", "x"),), derive=(Derivation("y", ()),))
    with pytest.raises(NegativeCycleError, match=r"one derives x -> two derives y -> one \(none: y\)"):
        infer([one, two], FactBase([Fact("a", {})]), "reference")


def test_negation_of_derived_facts_sees_all_of_them() -> None:
    """A rule with ``none`` runs after everything that derives the kind, whatever the order in the rulebase."""
    calm = Rule("calm", when=(Pattern("link", "l"),), none=(Pattern("seen", joins=(Join("device", Ref("l", "name")),)),))
    mark = Rule(
        "zz",
        when=(Pattern("link", "l", (Condition("up", "eq", True),)),),
        derive=(Derivation("seen", (("device", Ref("l", "name")),)),),
        finding=False,
    )
    found = infer([calm, mark], FactBase([link("a", up=True), link("b", up=False)]), "reference")
    assert [match.bindings["l"].get("name") for match in found] == ["b"]


def test_order_is_rule_then_branch_then_facts() -> None:
    """Matches come by rule id, branch and the order of facts, whatever the order of the rules."""
    two = (Branch("p", "", (), (), ()), Branch("q", "", (), (), ()))
    program = [Rule("b", when=(Pattern("link", "l"),)), Rule("a", when=(Pattern("link", "l"),), branches=two)]
    for matcher in MATCHERS:
        found = infer(program, FactBase([link("z"), link("y")]), matcher)
        assert [(match.rule.id, match.branch.name, match.bindings["l"].get("name")) for match in found] == [
            ("a", "p", "z"), ("a", "p", "y"), ("a", "q", "z"), ("a", "q", "y"), ("b", "", "z"), ("b", "", "y"),
        ]  # fmt: skip


def test_expanders_run_only_when_a_rule_gets_there() -> None:
    """A kind that must be computed is not asked for while an earlier pattern of the rule has no match."""
    asked: list[int] = []

    def expand(_base: FactBase) -> list[Fact]:
        asked.append(1)
        return [Fact("netfilter_rule", {"chain": "INPUT"})]

    rule = Rule("x", when=(Pattern("drop", "d"), Pattern("netfilter_rule", "r", (), (Join("chain", Ref("d", "chain")),))))
    assert not infer([rule], FactBase([link("a")], {"netfilter_rule": expand}))
    assert not asked
    assert len(infer([rule], FactBase([Fact("drop", {"chain": "INPUT"})], {"netfilter_rule": expand}))) == 1
    assert asked == [1]


@pytest.mark.parametrize("matcher", MATCHERS)
def test_large_kinds_are_found_through_indexes(matcher: str) -> None:
    """Among many facts the right ones are found, by equality, by join and by scan alike."""
    many = [Fact("netfilter_rule", {"chain": f"C{i % 500}", "number": i}) for i in range(5_000)]
    drops = [Fact("drop", {"chain": "C7", "number": 507})]
    by_join = Rule(
        "join",
        when=(Pattern("drop", "d"), Pattern("netfilter_rule", "r", (), (Join("chain", Ref("d", "chain")), Join("number", Ref("d", "number"))))),
    )
    by_value = Rule("value", when=(Pattern("netfilter_rule", "r", (Condition("chain", "in", ("C7", "C8")), Condition("number", "lt", 600))),))
    by_scan = Rule("scan", when=(Pattern("netfilter_rule", "r", (Condition("number", "gt", 4_997),)),))
    found = infer([by_join, by_scan, by_value], FactBase([*many, *drops]), matcher)
    numbers = [(match.rule.id, match.bindings["r"].get("number")) for match in found]
    assert numbers == [("join", 507), ("scan", 4_998), ("scan", 4_999), ("value", 7), ("value", 8), ("value", 507), ("value", 508)]


@pytest.mark.parametrize("matcher", MATCHERS)
def test_a_rule_without_bound_is_named(matcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many combinations end in one clear error that names the rule, not in a full memory."""
    monkeypatch.setattr(engine, "MAX_ROWS", 50)
    pairs = Rule("pairs", when=(Pattern("link", "a"), Pattern("link", "b")))
    with pytest.raises(RuleError, match="rule pairs matches more than 50 combinations"):
        infer([pairs], FactBase([link(str(i)) for i in range(10)]), matcher)


def test_derived_facts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules cannot derive without end."""
    monkeypatch.setattr(engine, "MAX_DERIVED", 20)
    with pytest.raises(RuleError, match="derive more than 20 facts"):
        infer(closure(), FactBase([Fact("edge", {"src": i, "dst": i + 1}) for i in range(10)]), "reference")


def test_no_rules_no_matches() -> None:
    """An empty rulebase finds nothing and touches nothing."""
    assert infer([], FactBase([link("a")])) == []


def test_unknown_matcher() -> None:
    """A matcher that does not exist is a programming error."""
    with pytest.raises(ValueError, match="no such matcher"):
        infer([Rule("a", when=(Pattern("link"),))], FactBase([link("a")]), "magic")


def test_matcher_name_tells_the_version() -> None:
    """``--version`` says which matcher is in use."""
    pytest.importorskip("durable.engine")
    assert matcher_name().startswith("durable-rules 2.")


@pytest.fixture
def _without_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("durable", "durable_rules_engine")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "durable", None)
    monkeypatch.setitem(sys.modules, "durable_rules_engine", None)


@pytest.mark.usefixtures("_without_durable")
def test_a_python_without_the_c_library_works() -> None:
    """Where durable-rules cannot be imported, the reference matcher takes over and the program says why."""
    assert matcher_name().startswith("reference (durable-rules not importable: ")
    assert len(infer(closure(), FactBase([Fact("edge", {"src": 0, "dst": 1})]))) == 1
