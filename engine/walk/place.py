"""Where a packet is between two decisions of the walk, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.model.network import Port
    from engine.model.packet import Packet, State
    from engine.model.stack import NetStack
    from engine.walk.routing import Way
    from engine.walk.trace import Disposition


@dataclass(frozen=True, slots=True)
class At:
    """Where a packet is next."""

    stack: NetStack
    device: str
    packet: Packet
    how: str
    """``output`` (made by the stack) | ``frame`` (arrives on a device) | ``routed`` (from its bridge, PREROUTING done) | ``ipvs`` (by IPVS)"""
    station: Port | None = None
    """Frames: the device that the frame is addressed to on layer 2."""
    state: State | None = None
    """Conntrack state that travels with the packet inside one stack (loopback, bridge)."""
    physin: str = ""
    kept: Way | None = None
    """Packets that left by lo: the decision by which they did; it is not made again (``skb_valid_dst``)."""
    made_here: bool = False
    """Such packets that this stack made: whatever their destination, they are delivered here (``__mkroute_output`` sets RTCF_LOCAL)."""
    heard_on: str = ""
    """ICMP errors: device by which what they speak of came in; IPv6 answers with an address of that one (``icmp6_send``)."""
    any_source: bool = False
    """Output: the source need not be an address of the stack (FLOWI_FLAG_ANYSRC)."""

    @property
    def came_by(self) -> str:
        """Device by which the packet came to the stack, "" if the stack made it."""
        return "" if self.how == "output" else self.device


@dataclass(frozen=True, slots=True)
class End:
    """How a packet ended."""

    disposition: Disposition
    stack: NetStack
    packet: Packet
    device: str = ""
    """Device it arrived by (delivered) or would leave by."""
    errno: str = ""
    """errno if the packet died on the stack that made it."""
    error: str = ""
    """iptables name of the ICMP error (or ``tcp-reset``) sent back; "" = silence."""
    state: State | None = None
    at_sender: bool = False
    local: bool = False
    """Rejected on INPUT: the packet was for this stack."""
    closed: bool = False
    """Delivered, but no socket takes it."""
    left_by: Port | None = None
    physin: str = ""
    """Bridge port by which the packet came to the bridge of this stack, if it passed iptables there."""
    turned: str = ""
    """Of a frame that a chain of netdev or bridge rejects: the device that it came in by, and goes back by what tells of it."""
    mtu: int = 0
    """Too big: what would pass (and what the ICMP error tells)."""
    in_device: str = ""
    """Device it arrived by, "" if this stack made it."""


def unheard(family: int) -> tuple[str, str]:
    """(errno, ICMP error) where nobody answers ARP.

    The stack tells its own senders by ICMP as well (``ipv4_link_failure``); a UDP socket ignores it.
    """
    return "", "icmp-host-unreachable" if family == 4 else "icmp6-addr-unreachable"
