"""The lists of kinds of facts and of operations."""

from __future__ import annotations

import pytest

from engine.catalogue.reference import describe_facts, describe_operations
from engine.errors import RuleError
from engine.remedies import OPERATIONS
from engine.schema import KINDS


def test_every_kind_is_listed_with_its_fields() -> None:
    """The list names each kind of the schema and each of its fields."""
    lines = " ".join(describe_facts()[0].split())
    for name, kind in KINDS.items():
        assert f"{name} {' '.join(kind.about.split())} fields: {', '.join(kind.fields)} " in lines


def test_a_kind_is_told_with_what_its_fields_mean() -> None:
    """Of a named kind every field is told with its meaning, within the width of a terminal."""
    text = describe_facts(["drop", "route"])[0]
    for name in ("drop", "route"):
        for field, about in KINDS[name].fields.items():
            assert f"{field} {' '.join(about.split())}" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 110


def test_every_operation_is_listed_with_its_parameters() -> None:
    """The list names each operation with its parameters, optional ones in brackets; of a named one it tells what they mean."""
    text = describe_operations()[0]
    assert all(f"{name}\n" in text for name in OPERATIONS)
    assert "iptables.insert\n  Insert rules so that they stand in the given order from a position on.\n  parameters: [table], chain, rule," in text
    told = describe_operations(["sysctl.set"])[0]
    assert all(f"  {name}" in told for name in OPERATIONS["sysctl.set"].PARAMETERS)


def test_a_mistyped_name_is_refused_with_the_near_one() -> None:
    """An unknown kind or operation is an error that names the nearest."""
    with pytest.raises(RuleError, match="did you mean 'netfilter_chain'"):
        describe_facts(["netfilter-chain"])
    with pytest.raises(RuleError, match=r"did you mean 'iptables\.insert'"):
        describe_operations(["iptable.insert"])
