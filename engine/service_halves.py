"""Which half of a failing Service is broken: the Service itself, or what is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.facts import HOST, Fact
from engine.walk import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.model import Network
    from engine.walk.trace import Flow

MAX_BACKENDS: Final = 4
"""Backends that are asked; more tell nothing new."""
OPEN: Final = frozenset({"connected", "depends"})
LIVES: Final = frozenset({"connected", "resolved", "unresolved", "reset"})
"""What a client program saw of an address that answers, if with nothing of use."""


def service_halves(network: Network, flow: Flow, number: int, known: Sequence[Fact]) -> list[Fact]:
    """The ``service_half`` fact of a flow that dies on its way through a Service; ``known`` are the facts of its walk and of the objects.

    Every backend is asked by its own address from the same place: what a client program saw there counts, else the walk.  Where one of them
    depends on what was not seen, nothing is concluded.
    """
    service = next((f for f in known if f.kind == "service_flow" and f.get("eligible")), None)
    sent = next((f for f in known if f.kind == "flow"), None)
    if service is None or sent is None or not _dies(network, flow, sent):
        return []
    answers: dict[str, bool] = {}
    for backend in service.get("eligible")[:MAX_BACKENDS]:
        address, _, port = str(backend).rpartition(":")
        asked = flow._replace(dst=address.strip("[]"), port=int(port) or flow.port)
        seen = _seen(network, asked)
        if seen is None and (sees := walk(network, asked, number).client_sees) != "depends":
            seen = sees == "connected"
        if seen is None:
            return []
        answers[str(backend)] = seen
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


def _dies(network: Network, flow: Flow, sent: Fact) -> bool:
    """Whether the flow fails: by its walk, or where that is open by what a client program saw."""
    sees = str(sent.get("client_sees"))
    return sees not in OPEN or (sees == "depends" and _seen(network, flow) is False)


def _seen(network: Network, flow: Flow) -> bool | None:
    """Whether a client program on the same stack got an answer of that address and port; ``None`` if none tried, or they do not agree."""
    attempts = network.facts.at("observed", flow.node, flow.stack or HOST)
    asked = (flow.dst, flow.port, flow.protocol)
    found = {f.get("outcome") in LIVES for f in attempts if (f.get("address"), f.get("port", 0), f.get("protocol")) == asked}
    return found.pop() if len(found) == 1 else None


def told(half: Fact) -> dict[str, str]:
    """What the fact tells a reader of a finding about something else."""
    name, (silent, answering) = f"{half.get('namespace')}/{half.get('service')}", (half.get("silent"), half.get("answering"))
    if half.get("half") == "service":
        return {
            "en": f"Asked at {_any(answering)} from the same place, the backends of Service {name} answer: only the way through it is broken.",
            "zh": f"从同一处直接访问 Service {name} 的后端 {_any(answering, zh=True)} 是通的：断的只是经过该 Service 的这段路。",
        }
    if half.get("half") == "pod":
        return {
            "en": f"Asked at {_any(silent)} from the same place, the backends of Service {name} do not answer either: what fails is behind it.",
            "zh": f"从同一处直接访问 Service {name} 的后端 {_any(silent, zh=True)} 同样不通：断点在 Service 的转换之后。",
        }
    return {
        "en": f"Behind the Service {name}, {_any(silent)} cannot be reached from the same place, and {_any(answering)} can: it fails now and then.",
        "zh": f"在 Service {name} 的后端中，从同一处访问 {_any(silent, zh=True)} 不通，而 {_any(answering, zh=True)} 是通的：表现为时好时坏。",
    }


def _any(backends: Sequence[Any], *, zh: bool = False) -> str:
    return ("、" if zh else ", ").join(map(str, backends))
