"""What room bounded tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.computed.local_ports import rooms as local_ports
from engine.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase


def rooms(base: FactBase) -> Iterator[Fact]:
    """A ``room`` fact for every stack whose connection tracking table or local ports were seen: full, or far from that (less than four fifths)."""
    yield from local_ports(base)
    values: dict[tuple[str, str], dict[str, Fact]] = {}
    for fact in base.of_kind("sysctl"):
        if str(fact.fields.get("key", "")).endswith(("nf_conntrack_count", "nf_conntrack_max")):
            values.setdefault((fact.node, fact.stack), {})[str(fact.fields["key"]).rpartition("_")[2]] = fact
    for (node, stack), found in values.items():
        count, most = (str(found[name].fields.get("value", "")) if name in found else "" for name in ("count", "max"))
        if count.isdecimal() and most.isdecimal() and int(most):
            used, bound = int(count), int(most)
            key = str(found["max"].fields["key"])
            fields = {"resource": "conntrack", "free": used * 5 < bound * 4, "full": used >= bound, "used": used, "max": bound, "key": key, "lost": 0}
            yield Fact("room", fields, node, stack, found["count"].source, found["count"].line)
