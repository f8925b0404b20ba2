"""How big a packet may be where it is routed out, and how big a frame may be where it arrives.

Source: Linux ``include/net/ip.h`` (ip_dst_mtu_maybe_forward), ``net/ipv4/ip_forward.c``, ``ip_output.c``, ``net/core/dev.c`` (is_skb_forwardable),
``net/bridge/br_netfilter_hooks.c`` (br_nf_dev_queue_xmit).
Measured on Linux 6.18: a route's ``mtu`` wins over the device's, also if it is larger; a bridge's own MTU decides only what its stack routes out by
it; a bridge port and the receiving end of a veth pair lose in silence what is more than four octets (a VLAN tag) larger than their MTU; a port whose
bridge calls iptables loses whatever is larger than it, and only of what passed ip6tables is the sender told, by the MTU of the bridge.  Bursts that
TCP hands over in one piece (GSO) pass bridges and veth pairs whatever the MTU: it is the single full-size segment that is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.facts import Fact
    from engine.model.links import Link
    from engine.model.stack import NetStack
    from engine.walk.routing import Way

MOST = 65535
"""Octets of the largest IP packet."""
LEAST = {4: 68, 6: 1280}
"""Octets that every device carries."""
SLACK = 4
"""Octets by which frames may exceed the MTU of bridge ports and veth devices: room for a VLAN tag."""
HEADERS = {4: 40, 6: 60}
"""Octets of IP and TCP headers without options: a full segment is larger than its MSS by as many."""
TOO_BIG = {4: "icmp-fragmentation-needed", 6: "icmp6-packet-too-big"}
"""ICMP error of a router, by family."""


class Limit(NamedTuple):
    """The largest packet that passes a place."""

    octets: int
    device: str
    fact: Fact | None
    """The route or the device that says so."""


def way_limit(stack: NetStack, way: Way, family: int) -> Limit | None:
    """Largest packet that routing lets out by a way; ``None`` if no MTU was observed or the packet stays here."""
    if way.type != "unicast" or way.device == "lo":
        return None
    if way.mtu:
        return Limit(max(way.mtu, LEAST[family]), way.device, way.fact)
    link = stack.link(way.device)
    return Limit(link.mtu, link.name, link.fact) if link.mtu else None


def route_mtu(stack: NetStack, way: Way, family: int) -> int:
    """What TCP takes for the MTU of a way; 1500 where none was observed."""
    if way.type == "local" or way.device == "lo":
        return min(stack.link("lo").mtu or MOST, MOST)
    limit = way_limit(stack, way, family)
    return min(limit.octets, MOST) if limit is not None else 1500


def port_limit(link: Link, *, filtered: bool = False) -> Limit | None:
    """Largest packet in a frame that a bridge port sends or a veth device receives; ``filtered``: bridge-nf hands it to iptables on its way."""
    return Limit(link.mtu + (0 if filtered else SLACK), link.name, link.fact) if link.mtu else None
