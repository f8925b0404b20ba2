"""How nodes reach each other's pods: both directions must use the same way, a tunnel or the wire."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.facts import HOST, Fact
from engine.inet import Prefix, prefixes, to_int, to_text
from engine.model.links import TUNNEL_NAMES
from engine.overlays.ends import RUNTIME_BRIDGE
from engine.overlays.machines import FLANNEL, Machine, machine_of, machines, note_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.facts import FactBase

MAIN: Final = frozenset({"main", "254"})
BIRD: Final = frozenset({"bird", "80"})
BY_TYPE: Final = {"vxlan": "vxlan", "ipip": "ipip", "tun": "udp", "wireguard": "wireguard", "gre": "gre", "geneve": "geneve"}
BY_NAME: Final = (("flannel0", "udp"), ("flannel", "vxlan"), ("vxlan", "vxlan"), ("tunl", "ipip"), ("wg", "wireguard"), ("geneve", "geneve"))
"""Ways by the beginnings of device names, where the type was not shown."""
UNTOLD: Final = ("cilium", "ovn", "antrea", "weave", "kube-bridge", "cali", "veth", "lo")
"""Devices by which the way cannot be told, or that lead to this node's own pods."""


class Path(NamedTuple):
    """How a machine reaches a prefix."""

    how: str
    """direct | vxlan | ipip | udp | wireguard | gre | geneve"""
    device: str
    gateway: str
    route: Fact
    alternatives: int
    """How many other routes to the same prefix the table holds."""


def mismatches(base: FactBase) -> Iterator[Fact]:
    """A ``path_mismatch`` fact for each pair of nodes of which one goes another way than the other; placed on the one to be changed."""
    found = machines(base)
    pods = {node: _pods(base, machine) for node, machine in found.items()}
    usual = _usual(base, found, pods)
    names = sorted(found)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            yield from _pair(found[one], found[other], pods, usual)
    yield from _announced(base, found)


def _pods(base: FactBase, machine: Machine) -> list[Prefix]:
    """Networks of a machine's pods: of its bridges, of its lease, and the blocks that bird announces for it."""
    held = [
        str(f.fields.get("dst"))
        for f in machine.routes
        if (RUNTIME_BRIDGE.fullmatch(str(f.fields.get("device", ""))) and not f.fields.get("gateway") and f.fields.get("table", "main") in MAIN)
        or (f.fields.get("type") == "blackhole" and f.fields.get("protocol") in BIRD)
    ]
    held += [str(own.network) for own in machine.addresses if RUNTIME_BRIDGE.fullmatch(own.device)]
    held += [str(lease.fields.get("subnet", "")) for lease in machine.leases]
    for node in base.of_kind("k8s_node"):
        if machine.node == node.fields.get("name"):
            held += [str(cidr) for cidr in node.fields.get("pod_cidrs", ())]
    bits = {4: 32, 6: 128}
    return list(dict.fromkeys(net for net in prefixes(held) if 0 < net.length < bits[net.family]))


def path_to(machine: Machine, net: Prefix) -> Path | None:
    """The way to a prefix; ``None`` where only a default route leads there, or where it cannot be told."""
    fits = [
        (dst.length, -int(f.fields.get("metric") or 0), f)
        for f in machine.routes
        if f.fields.get("table", "main") in MAIN and f.fields.get("type", "unicast") == "unicast" and not f.fields.get("nexthops")
        for dst in prefixes([f.fields.get("dst")])
        if dst.length and dst.covers(net)
    ]
    if not fits:
        return None
    length, _, fact = max(fits, key=lambda fit: fit[:2])
    same = sum(each[0] == length for each in fits) - 1
    device, gateway = str(fact.fields.get("device", "")), str(fact.fields.get("gateway", ""))
    how = _how(machine, device, gateway)
    return Path(how, device, gateway, fact, same) if how else None


def _how(machine: Machine, device: str, gateway: str) -> str:
    link = machine.links.get(device)
    if link is not None and link.type in BY_TYPE:
        return BY_TYPE[link.type]
    named = next((how for start, how in BY_NAME if device.startswith(start)), "")
    if named and (link is None or not link.type):
        return named
    if device.startswith((*UNTOLD, *TUNNEL_NAMES)) or RUNTIME_BRIDGE.fullmatch(device):
        return ""
    return "direct" if gateway else ""


def _usual(base: FactBase, found: Mapping[str, Machine], pods: Mapping[str, Sequence[Prefix]]) -> str:
    """The way that flannel's configuration names, else the one that most nodes use; "" if neither tells."""
    for config in base.of_kind("kube_config"):
        text = str((config.fields.get("data") or {}).get("net-conf.json", ""))
        kind = _backend(text)
        if kind:
            return kind
    if len(found) < 3:
        return ""
    ways = Counter(p.how for a in found for b in found if a != b for net in pods[b] for p in [path_to(found[a], net)] if p is not None)
    ranked = ways.most_common(2)
    return ranked[0][0] if ranked and (len(ranked) == 1 or ranked[0][1] > ranked[1][1]) else ""


def _backend(text: str) -> str:
    """The way of a net-conf.json; "" if it has none, or one that depends on the peer (DirectRouting)."""
    import json

    try:
        backend = json.loads(text or "{}").get("Backend") or {}
    except (ValueError, AttributeError):
        return ""
    if not isinstance(backend, dict) or backend.get("DirectRouting") or backend.get("Directrouting"):
        return ""
    return _way_of(str(backend.get("Type", "")))


def _way_of(kind: str) -> str:
    """The way of a flannel backend's name."""
    return {"host-gw": "direct"}.get(kind.lower(), kind.lower() if kind.lower() in {"vxlan", "udp", "ipip", "wireguard"} else "")


def _pair(one: Machine, other: Machine, pods: Mapping[str, Sequence[Prefix]], usual: str) -> Iterator[Fact]:
    for mine in pods[one.node]:
        for theirs in pods[other.node]:
            if mine.family != theirs.family or mine.overlaps(theirs):
                continue
            there, back = path_to(one, theirs), path_to(other, mine)
            if there is None or back is None or there.how == back.how:
                continue
            if _at_fault(one, there, other, back, usual):
                yield _fact(one, theirs, there, other, mine, back)
            else:
                yield _fact(other, mine, back, one, theirs, there)
            return


def _at_fault(one: Machine, there: Path, other: Machine, back: Path, usual: str) -> bool:
    """Whether the first machine's way is to be changed: against the usual one, to a peer without the tunnel, or past the tunnel."""
    if usual and (there.how == usual) != (back.how == usual):
        return there.how != usual
    if there.how == "direct":
        return not (one.links and back.device not in one.links)
    if back.how == "direct":
        return bool(other.links) and there.device not in other.links
    return True


def _fact(wrong: Machine, prefix: Prefix, path: Path, peer: Machine, mine: Prefix, back: Path) -> Fact:  # noqa: PLR0917 - both ends of a path
    device, gateway = _aligned(wrong, prefix, peer, back)
    fields = {
        "known_by": "routes",
        "peer": peer.node,
        "prefix": str(prefix),
        "route": str(path.route.fields.get("dst", "")),
        "how": path.how,
        "device": path.device,
        "gateway": path.gateway,
        "back_prefix": str(mine),
        "back_how": back.how,
        "back_device": back.device,
        "back_gateway": back.gateway,
        "right_device": device,
        "right_gateway": gateway,
        "doubled": path.alternatives > 0,
    }
    kept = {name: value for name, value in fields.items() if value != ""}
    return Fact("path_mismatch", kept, wrong.node, HOST, path.route.source, path.route.line, path.route.shown)


def _aligned(wrong: Machine, prefix: Prefix, peer: Machine, back: Path) -> tuple[str, str]:
    """(device, gateway) by which the machine would go the peer's way; "" where it lacks what that takes."""
    if back.how == "direct":
        near = [(a.device, b.text) for a in wrong.uplinks for b in peer.uplinks if a.network == b.network and a.text != b.text]
        return near[0] if near else ("", "")
    if back.device not in wrong.links or back.how != "vxlan":
        return "", ""
    far = [own.text for own in peer.addresses_of(back.device) if (":" in own.text) == (prefix.family == 6) and not own.text.startswith("fe80")]
    first = to_text(prefix.value, prefix.family)
    known = {str(f.fields.get("address")) for f in wrong.neighbors if f.fields.get("device") == back.device}
    return back.device, far[0] if far else first if to_int(first) and first in known else ""


def _announced(base: FactBase, found: dict[str, Machine]) -> Iterator[Fact]:
    """Node objects whose backends differ from the configured one, or from that of most."""
    told = [(node, _way_of(note_of(node, f"{FLANNEL}backend-type"))) for node in base.of_kind("k8s_node")]
    known = [(node, way) for node, way in told if way]
    if len({way for _, way in known}) < 2:
        return
    configured = next(
        (k for c in base.of_kind("kube_config") for k in [_backend(str((c.fields.get("data") or {}).get("net-conf.json", "")))] if k), ""
    )
    counted = Counter(way for _, way in known).most_common(2)
    usual = configured or (counted[0][0] if counted[0][1] > counted[1][1] else known[0][1])
    most = next((node for node, way in known if way == usual), known[0][0])
    for node, way in known:
        if way != usual:
            machine = machine_of(found, node)
            peer = str(most.fields.get("name", ""))
            fields = {"known_by": "annotation", "owner": str(node.fields.get("name", "")), "how": way, "peer": peer, "back_how": usual}
            shown = f"node {fields['owner']}: {FLANNEL}backend-type {note_of(node, f'{FLANNEL}backend-type')}"
            yield Fact("path_mismatch", fields, machine.node if machine is not None else node.node, HOST, node.source, node.line, shown)
