"""Network devices of one stack."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact

MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.IGNORECASE)
"""An Ethernet address as tools print it."""

VIRTUAL_TYPES = frozenset({"loopback", "bridge", "vxlan", "tun", "ipip", "gre", "geneve", "wireguard", "dummy", "sit"})
"""Device types that have no layer 2 neighbour outside the stack (a frame never leaves by them as it is)."""

PORT_SWITCHES = ("hairpin", "isolated", "learning", "flood", "bcast_flood", "mcast_flood", "locked")
"""Attributes of a bridge port that decide which frames pass it."""

SHARING_TYPES = frozenset({"macvlan", "macvtap", "ipvlan", "ipvtap"})
"""Types of devices that share the wire of another one, their lower device."""

UNREAL = frozenset({"dummy", "loopback"})
"""Types of devices that hold addresses for their stack, not for a wire."""

UNWALKED = frozenset({"vrf", "macsec"})
"""Types of devices that do with packets what the walk does not follow: another table for what comes in and goes out, encryption."""

TUNNEL_TYPES = frozenset({"vxlan", "tun", "ipip", "gre", "geneve", "wireguard", "sit"})
"""Device types that carry an overlay."""

TUNNEL_NAMES = ("flannel", "tunl", "vxlan", "geneve", "weave", "cilium_vxlan", "wg", "antrea-gw", "ovn-k8s")
"""Beginnings of names that overlay devices bear, for listings that do not show the type (``ip link`` without ``-d``)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A device; what was not observed is ``None`` or "" (``type`` "" = unknown)."""

    name: str
    index: int | None = None
    type: str = ""
    mac: str = ""
    mtu: int | None = None
    up: bool | None = None
    carrier: bool | None = None
    master: str = ""
    peer_index: int | None = None
    peer_name: str = ""
    netnsid: int | None = None
    peer_stack: str = ""
    vlan_id: int | None = None
    macvlan_mode: str = ""
    vxlan_id: int | None = None
    vxlan_port: int | None = None
    vxlan_local: str = ""
    vxlan_remote: str = ""
    vxlan_device: str = ""
    tunnel_local: str = ""
    tunnel_remote: str = ""
    hairpin: bool | None = None
    isolated: bool | None = None
    learning: bool | None = None
    flood: bool | None = None
    bcast_flood: bool | None = None
    mcast_flood: bool | None = None
    locked: bool | None = None
    port_state: str = ""
    stp: bool | None = None
    nf_call_iptables: bool | None = None
    nf_call_ip6tables: bool | None = None
    fact: Fact | None = None

    @property
    def frame_address(self) -> str:
        """Source address of the frames that it sends; "" if not known (IP tunnels print the addresses of their ends in its place)."""
        return self.mac if MAC.fullmatch(self.mac) else ""


def is_overlay(link: Link) -> bool:
    """Whether a device carries an overlay: by its type, or by its name where the type was not shown."""
    return link.type in TUNNEL_TYPES or (not link.type and link.name.startswith(TUNNEL_NAMES))


_FIELDS = tuple(f for f in Link.__dataclass_fields__ if f not in {"name", "fact"})


def link_of(facts: Sequence[Fact], port: Fact | None = None) -> Link:
    """Link from the ``link`` facts of one device (the first tells, the others fill its gaps), completed by its ``bridge_port`` fact."""
    values = {name: fact.fields[name] for fact in reversed(facts) for name in _FIELDS if name in fact.fields}
    if port is not None:
        for name in ("master", *PORT_SWITCHES):
            if name in port.fields:
                values.setdefault(name, port.fields[name])
        if "state" in port.fields:
            values.setdefault("port_state", port.fields["state"])
    return Link(name=facts[0].fields["name"], fact=facts[0], **values)
