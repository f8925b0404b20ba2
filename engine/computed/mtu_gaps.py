"""Networks of containers whose packets are larger than the card of their node carries: seen from sizes alone, without a walk.

A container's own MTU is what its TCP connections announce.  Where the node's card has a smaller one (1450 on OpenStack, 1460 on Google's cloud,
8951 or 1420 behind a tunnel) answers from outside come as large as announced and depend on somebody's ICMP.  A tunnel must be smaller than its
card by what it wraps around each packet; a larger one has its packets cut into fragments, which many networks lose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.facts import HOST, Fact
from engine.inet import in_prefix
from engine.model.links import is_overlay, link_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import FactBase

DOCKER_OPTION: Final = "com.docker.network.driver.mtu"
ANYWHERE: Final = "0.0.0.0/0"
OVERHEADS: Final = {"vxlan": 50, "geneve": 50, "ipip": 20, "gre": 24, "wireguard": 60}
"""Octets that a tunnel over IPv4 adds to each packet."""
CARD: Final = re.compile(r"(?:eth|en[opsx]|em|bond|team|wl|ib|ppp|venet)\w*", re.ASCII)
"""Names of devices that lead out of a machine."""
BRIDGE: Final = re.compile(
    r"docker\d+|docker_gwbridge|br-[0-9a-f]{12}|cni\d+|cni-podman\d+|podman\d+|cbr\d+|kube-bridge|nerdctl\d+|lxcbr\d+|weave", re.ASCII
)
"""Names of bridges that hold containers."""
TUNNEL: Final = ((re.compile(r"flannel\.\d+|vxlan\S*|cilium_vxlan|antrea-tun\d+"), "vxlan"), (re.compile(r"tunl0|flannel\.ipip"), "ipip"))
"""Names of tunnels, where a listing does not say what a device is."""


def mtu_gaps(base: FactBase) -> Iterator[Fact]:
    """A ``mtu_gap`` fact for every such network, container and tunnel, on nodes whose card is known."""
    if not any("mtu" in f.fields for f in base.of_kind("link")):
        return
    for node in dict.fromkeys(f.node for f in base.of_kind("link")):
        links = {str(f.get("name")): f for f in base.at("link", node, HOST) if f.get("mtu") and f.get("up") is not False}
        card = _uplink(base, node, links)
        if card is not None:
            for wide, what, name, mtu in (*_networks(base, node, links), *_containers(base, node)):
                if mtu > card.get("mtu"):
                    yield _gap(wide, node, card, what, name, mtu, 0)
        yield from _tunnels(base, node, links, card)


def _uplink(base: FactBase, node: str, links: dict[str, Fact]) -> Fact | None:
    """The device of the default route; where no routes were listed, the only card (or all of them, if they are alike)."""
    routes = [f for f in base.at("route", node, HOST) if f.get("family", 4) == 4]
    default = next((f for f in routes if f.get("dst") == ANYWHERE and f.get("device")), None)
    if default is not None:
        return links.get(str(default.get("device")))
    cards = [f for name, f in links.items() if CARD.fullmatch(name) and not f.get("master") and f.get("type", "ether") in {"ether", "bond", "vlan"}]
    cards = [f for f in cards if f.get("carrier") is not False]
    return cards[0] if cards and len({f.get("mtu") for f in cards}) == 1 and not routes else None


def _networks(base: FactBase, node: str, links: dict[str, Fact]) -> Iterator[tuple[Fact, str, str, int]]:
    """(fact, what, name, MTU) of networks that a runtime, a CNI file or a bridge shows."""
    for fact in base.of_kind("container_network"):
        said = (fact.get("options") or {}).get(DOCKER_OPTION) or (fact.get("options") or {}).get("mtu") or ""
        if fact.node == node and said.isdecimal() and fact.get("driver") == "bridge" and not fact.get("internal"):
            yield fact, "network", str(fact.get("name")), int(said)
    for fact in base.of_kind("cni_config"):
        if fact.node == node and fact.get("mtu") and not fact.get("disabled"):
            yield fact, "network", str(fact.get("name") or fact.get("file")), int(fact.get("mtu"))
    for name, fact in links.items():
        # A bridge without ports has the size that it was made with, whatever its containers will have.
        if BRIDGE.fullmatch(name) and any(f.get("master") == name for f in links.values()):
            yield fact, "bridge", name, int(fact.get("mtu"))


def _containers(base: FactBase, node: str) -> Iterator[tuple[Fact, str, str, int]]:
    for fact in base.of_kind("link"):
        own = fact.node == node and fact.stack != HOST and fact.get("mtu") and fact.get("up") is not False
        if own and (fact.get("type") == "veth" or CARD.fullmatch(str(fact.get("name")))):
            yield fact, "container", fact.stack, int(fact.get("mtu"))


def _tunnels(base: FactBase, node: str, links: dict[str, Fact], card: Fact | None) -> Iterator[Fact]:
    routes = [f for f in base.at("route", node, HOST) if f.get("family", 4) == 4 and f.get("type", "unicast") == "unicast"]
    for name, fact in links.items():
        link = link_of([fact])
        kind = link.type or next((kind for names, kind in TUNNEL if names.fullmatch(name)), "")
        below = link.vxlan_device or _below(name, routes)
        lower = links.get(below) if below else card
        if kind not in OVERHEADS or lower is None or lower is fact or (link.type and not is_overlay(link)):
            continue
        if int(fact.get("mtu")) + OVERHEADS[kind] > lower.get("mtu"):
            yield _gap(fact, node, lower, "tunnel", name, int(fact.get("mtu")), OVERHEADS[kind])


def _below(name: str, routes: list[Fact]) -> str:
    """The device by which the other ends of a tunnel are reached on-link (a VPN between the nodes, say); "" if they are not, or by several."""
    ends = {str(f.get("gateway")) for f in routes if f.get("device") == name and f.get("gateway")}
    near = [f for f in routes if not f.get("gateway") and f.get("device") != name and f.get("dst") != ANYWHERE]
    wires = [(str(f.get("dst")), str(f.get("device"))) for f in near]
    found = {next((device for net, device in wires if in_prefix(end, net)), "") for end in ends}
    return next(iter(found)) if len(found) == 1 else ""


def _gap(fact: Fact, node: str, card: Fact, what: str, name: str, mtu: int, overhead: int) -> Fact:  # noqa: PLR0917 - private; the fields of one fact
    fields = {
        "what": what,
        "name": name,
        "mtu": mtu,
        "overhead": overhead,
        "uplink": card.get("name"),
        "uplink_mtu": card.get("mtu"),
        "fits": card.get("mtu") - overhead,
    }
    return Fact("mtu_gap", fields, node, HOST, fact.source, fact.line, fact.shown)
