"""Which half of a cluster's DNS is broken: the Service, or what is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.facts import HOST, Fact
from engine.walk import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.model import Network
    from engine.walk.trace import Flow

DNS: Final = 53
MAX_BACKENDS: Final = 4
"""Backends that are asked; a cluster's DNS seldom has more, and more tell nothing new."""
OPEN: Final = frozenset({"connected", "depends"})


def service_halves(network: Network, flow: Flow, number: int, known: Sequence[Fact]) -> list[Fact]:
    """The ``service_half`` fact of a look-up that dies on its way through a Service; ``known`` are the facts of its walk and of the objects.

    Every backend is asked by its own address from the same place; where one of them depends on what was not seen, nothing is concluded.
    """
    service = next((f for f in known if f.kind == "service_flow" and f.get("eligible")), None)
    sent = next((f for f in known if f.kind == "flow"), None)
    if flow.port != DNS or service is None or sent is None or sent.get("client_sees") in OPEN:
        return []
    answers: dict[str, bool] = {}
    for backend in service.get("eligible")[:MAX_BACKENDS]:
        address, _, port = str(backend).rpartition(":")
        sees = walk(network, flow._replace(dst=address.strip("[]"), port=int(port) or flow.port), number).client_sees
        if sees == "depends":
            return []
        answers[str(backend)] = sees == "connected"
    answering = tuple(backend for backend, lives in answers.items() if lives)
    silent = tuple(backend for backend, lives in answers.items() if not lives)
    fields = {name: service.get(name) for name in ("namespace", "service", "address", "protocol")} | {
        "flow": number,
        "direction": "request",
        "port": flow.port,
        "half": "pod" if not answering else "some" if silent else "service",
        "answering": answering,
        "silent": silent,
        "sender": flow.from_name or sent.get("src", ""),
    }
    return [Fact("service_half", fields, flow.node or service.node, flow.stack or HOST, service.source, service.line, service.text)]
