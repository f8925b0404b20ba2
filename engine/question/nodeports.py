"""A Service's node port, asked for by the Service's name: it is open on the nodes, not on the Service's own address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.question.flows import Ask, Goal
    from engine.question.names import Endpoint, Inventory

MOST: Final = 3
"""Nodes that are asked; each hands a node port on alike, but for what is wrong with one of them."""


def at_nodes(
    inventory: Inventory, nodes: Sequence[Endpoint], pairs: Sequence[tuple[Endpoint, Goal]], ask: Ask
) -> tuple[list[tuple[Endpoint, Goal]], Ask]:
    """The pairs, Services that are asked for by a node port replaced by the nodes; by their own port where no node has a known address."""
    ports = {f"svc/{f.get('namespace', 'default')}/{f.get('name', '')}": _ports(f.get("ports", ())) for f in inventory.facts.of_kind("service")}
    if not any(_inner(ports, goal, ask) for _, goal in pairs):
        return list(pairs), ask
    # A port that everything was asked for goes with each goal from here on.
    made = [each for sender, goal in pairs for each in _moved(sender, goal._replace(port=ask.port or goal.port), nodes, _inner(ports, goal, ask))]
    return made, ask._replace(port=0)


def _ports(listed: Sequence[Mapping[str, object]]) -> dict[int, int]:
    """Node port → port of the Service."""
    return {int(str(p["node_port"])): int(str(p["port"])) for p in listed if p.get("node_port") and p.get("port")}


def _inner(ports: Mapping[str, Mapping[int, int]], goal: Goal, ask: Ask) -> int:
    """The Service's own port behind the node port that a goal asks for; 0 if it asks for none."""
    known = ports.get(goal.endpoint.name, {}) if goal.endpoint.kind == "service" else {}
    wanted = ask.port or goal.port
    return 0 if wanted in known.values() else known.get(wanted, 0)


def _moved(sender: Endpoint, goal: Goal, nodes: Sequence[Endpoint], inner: int) -> Iterator[tuple[Endpoint, Goal]]:
    if not inner:
        yield sender, goal
        return
    there = [node for node in nodes if node.addresses]
    others = [node for node in there if node.place != sender.place] or there
    if not others:
        yield sender, goal._replace(port=inner)
    for node in others[:MOST]:
        yield sender, goal._replace(endpoint=node)
