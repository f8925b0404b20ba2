"""What a walk returns: ``Trace > Walked > Hop > Step``, immutable, with closed enumerations."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact


class Disposition(Enum):
    """How a packet ends; the set is closed."""

    DELIVERED = "delivered"
    DROPPED = "dropped"
    REJECTED = "rejected"
    NO_ROUTE = "no-route"
    NOT_FORWARDED = "not-forwarded"
    SOURCE_INVALID = "source-invalid"
    TOO_BIG = "too-big"
    NEIGHBOR_FAILED = "neighbor-failed"
    LOOPED = "looped"
    LEFT_EVIDENCE = "left-evidence"
    DEPENDS = "depends"


class Line(NamedTuple):
    """A line of evidence."""

    node: str
    stack: str
    source: str
    """File in the bundle, or command line on a live node."""
    line: int
    """1-based; 0 = the whole source."""
    text: str


class Step(NamedTuple):
    """One hook or decision inside a stack."""

    what: str
    """``route`` | ``netfilter`` | ``nat`` | ``conntrack`` | ``forwarding`` | ``rp-filter`` | ``neighbor`` | ``bridge`` | ``device`` |
    ``encapsulate`` | ``decapsulate`` | ``socket`` | ``assume``"""
    summary: str
    """One line in English for the trace output: ``filter FORWARD: policy DROP``."""
    verdict: str
    """``pass`` | ``drop`` | ``reject`` | ``rewrite`` | ``unknown``"""
    lines: tuple[Line, ...] = ()
    """The lines that decided."""
    detail: Mapping[str, Any] = {}
    """Fields of the derived fact that this step becomes (see :mod:`engine.schema`)."""


class Hop(NamedTuple):
    """The packet inside one stack."""

    node: str
    stack: str
    in_device: str
    out_device: str
    packet: str
    """The packet as it entered: ``tcp 10.1.0.5:40000 > 10.2.0.9:5432``."""
    steps: tuple[Step, ...]


class Walked(NamedTuple):
    """One direction of a flow."""

    disposition: Disposition
    hops: tuple[Hop, ...]


class Flow(NamedTuple):
    """A flow to walk."""

    node: str
    """Node of the sending stack ("" = outside the evidence)."""
    stack: str
    """Stack that sends; "" with a node = the sender's own stack was not collected: the packet enters ``node`` by the device that leads to ``src``."""
    src: str
    """Source address, "" = chosen by the kernel as for any connect()."""
    dst: str
    port: int
    """Destination port; 0 for icmp."""
    protocol: str
    """tcp | udp | icmp"""
    from_name: str = ""
    """How the user or the evidence names the sender."""
    to_name: str = ""
    size: int = 0
    """Octets of the IP packet to send with DF set; 0 = a connection set-up packet."""
    sport: int = 0
    """Source port (icmp: the identifier); 0 = an ordinary ephemeral one."""
    guessed: bool = False
    """Neither the user nor the evidence names the port (of a ping: nobody says that it is one)."""
    behalf: str = ""
    """Configuration of the server of names that asks another one for somebody; "" = the sender asks for itself."""
    outer: bool = False
    """It carries the packets that were asked about between their nodes: who sends those never sees what becomes of it, but a timeout."""


class Unknown(NamedTuple):
    """Something the walk depends on and the evidence does not tell."""

    node: str
    stack: str
    what: str
    """``match -m recent --name x``, ``net.ipv4.ip_forward``, ``sockets`` …"""
    command: str
    """The command that would settle it, as run on the node."""
    why: str
    line: Line | None = None


class Trace(NamedTuple):
    """The walk of one flow."""

    flow: Flow
    client_sees: str
    """``connected`` | ``timeout`` | errno name (``EHOSTUNREACH``) | ``depends``"""
    request: Walked
    reply: Walked | None
    """``None`` if the request ended before a reply could be sent."""
    depends: tuple[Unknown, ...] = ()
    """Unknowns that would change what the client sees."""
    assumed: tuple[Unknown, ...] = ()
    """Unknowns for which the usual state was assumed (a container without its own firewall dump …)."""
    facts: tuple[Fact, ...] = ()
    """Derived facts for the rules (flow, hop, nat, no_nat, rule_seen, drop, left_evidence, depends)."""
    branches: tuple[tuple[str, str, str], ...] = ()
    """(condition, share or "", client_sees) of each alternative outcome, where there are several."""
