"""The table of fact kinds is the one truth: parsers, walk, rules and documentation agree with it."""

from __future__ import annotations

import pytest

from engine.computed import EXPANDERS
from engine.model.network import STACK_KINDS
from engine.schema import KINDS, fields_of

TYPES = ("str", "int", "float", "bool", "tuple", "dict")


@pytest.mark.parametrize("name", sorted(KINDS))
def test_kind(name: str) -> None:
    """Every kind says what it states in a sentence, where it comes from, and the type of each field."""
    kind = KINDS[name]
    assert kind.about.endswith(".")
    assert kind.origin in {"evidence", "walk", "engine"}
    assert kind.fields
    for field, meaning in kind.fields.items():
        assert meaning.startswith(TYPES), (name, field, meaning)
        assert field not in {"node", "stack"}


def test_place_belongs_to_every_kind() -> None:
    """Node and stack are fields of all facts; an unknown kind is an error."""
    assert fields_of("address") >= {"node", "stack", "device", "address"}
    with pytest.raises(KeyError):
        fields_of("adress")


def test_derived_facts_name_their_flow() -> None:
    """What a walk derives can be traced to its flow."""
    assert [name for name, kind in KINDS.items() if kind.origin == "walk" and "flow" not in kind.fields] == []


def test_computed_kinds_have_an_expander() -> None:
    """The kinds said to be computed are exactly those that somebody computes; the complaint itself and what it names are facts of the diagnosis."""
    assert {name for name, kind in KINDS.items() if kind.origin == "engine"} == {*EXPANDERS, "symptom", "asked"}


def test_model_reads_declared_kinds() -> None:
    """The model asks for no kind that the schema does not have."""
    assert set(KINDS) >= STACK_KINDS
