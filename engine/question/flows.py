"""Endpoints become flows: which address, which port, which protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.inet import family_of, in_prefix, prefix
from engine.question import phrases
from engine.question.names import BRIDGE_LIKE, TUNNEL_LIKE
from engine.question.notes import listed
from engine.walk.trace import Flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.question.names import Endpoint, Inventory, Port
    from engine.question.notes import Notes

MAX_FLOWS = 16
"""Flows that are walked for one question."""
MAX_PORTS = 3
"""Ports of one target that are walked if none was named."""
ETHERNET_MTU = 1500
DNS = 53
"""Port that every program asks which looks a name up."""


class Ask(NamedTuple):
    """What the text and the options say of the conversation."""

    port: int = 0
    """Port that was named; 0 = none."""
    protocol: str = ""
    """Protocol that was named or suggested; "" = none."""
    hinted: int = 0
    """Usual port of a suggested protocol (``http`` → 80)."""
    error: str = ""
    """Error class."""
    size: int = 0
    """Octets of the packet; -1 = as large as the sender's device allows; 0 = of no interest."""
    names_both: bool = False
    """Whether both ends were named (the same machine on both sides is then meant)."""


class Goal(NamedTuple):
    """A target as one sender sees it."""

    endpoint: Endpoint
    usual: tuple[int, ...] = ()
    """Ports that the user's word suggests."""
    port: int = 0
    """Port written beside the name."""
    protocol: str = ""
    guessed: bool = False
    """Whether the port is one of several that the name may mean."""


class Ports(NamedTuple):
    """Ports to walk."""

    ports: Sequence[Port]
    guessed: bool = False
    """Whether neither the user nor the evidence names them."""


def flows_of(inventory: Inventory, pairs: Iterable[tuple[Endpoint, Goal]], ask: Ask, notes: Notes) -> tuple[Flow, ...]:
    """Flows for pairs of sender and target, the likeliest first, each once, at most :data:`MAX_FLOWS`."""
    ranked: list[tuple[int, Flow]] = []
    for rank, (sender, goal) in enumerate(pairs):
        if _same(sender, goal.endpoint) and not ask.names_both:
            continue
        address = address_for(inventory, sender, goal.endpoint)
        if not address or (not ask.names_both and (address in sender.addresses or _cannot_ask(sender, address))):
            continue
        chosen = ports_for(inventory, sender, goal, ask, notes)
        for step, (port, protocol) in enumerate(chosen.ports):
            made = _flow(inventory, sender, goal.endpoint, (address, port, protocol), ask)
            ranked.append((rank + step, made._replace(guessed=chosen.guessed)))
    ordered = each_once(flow for _, flow in sorted(ranked, key=lambda item: item[0]))
    if len(ordered) > MAX_FLOWS:
        notes.assume(
            f"{len(ordered)} flows fit the question; the first {MAX_FLOWS} are walked. --from, --to and --port narrow it.",
            f"共有 {len(ordered)} 条流符合问题，只推演前 {MAX_FLOWS} 条；可用 --from、--to、--port 缩小范围。",
        )
    return tuple(ordered[:MAX_FLOWS])


def each_once(flows: Iterable[Flow]) -> list[Flow]:
    """Flows in order, without those that are there already; a port that is named once is no guess."""
    found: dict[Flow, bool] = {}
    for flow in flows:
        bare = flow._replace(guessed=False)
        found[bare] = found.get(bare, True) and flow.guessed
    return [flow._replace(guessed=guessed) for flow, guessed in found.items()]


def _same(one: Endpoint, other: Endpoint) -> bool:
    """Whether both ends are one stack (a loopback address is asked for on purpose)."""
    if other.fixed and other.addresses and other.addresses[0].startswith(("127.", "::1")):
        return False
    return one.seen and other.seen and (one.node, one.stack) == (other.node, other.stack)


def _cannot_ask(sender: Endpoint, address: str) -> bool:
    """Whether a sender that is known by its addresses alone has none of the target's family."""
    return sender.fixed and bool(sender.addresses) and all(family_of(a) != family_of(address) for a in sender.addresses)


def _flow(inventory: Inventory, sender: Endpoint, target: Endpoint, where: tuple[str, int, str], ask: Ask) -> Flow:
    address, port, protocol = where
    name = target.name if target.name == address else f"{target.name} ({address})"
    source = "" if sender.seen and not sender.fixed else _source(sender, address)
    # A sender whose own stack was not collected: its packet enters the node it runs on.
    stack = sender.stack if sender.seen else ""
    size = _mtu(inventory, sender, address) if ask.size < 0 else ask.size
    own = source if source and sender.name in sender.addresses else sender.name
    return Flow(node=sender.node, stack=stack, src=source, dst=address, port=port, protocol=protocol, from_name=own, to_name=name, size=size)


def _source(sender: Endpoint, destination: str) -> str:
    same_family = [a for a in sender.addresses if family_of(a) == family_of(destination)]
    return (same_family or list(sender.addresses) or [""])[0]


def _mtu(inventory: Inventory, sender: Endpoint, address: str) -> int:
    """Octets of the largest packet that the sender's device lets out by which it sends there: nobody makes larger ones."""
    device = _way_out(inventory, sender, address) or next((h.device for h in inventory.held(sender)), "")
    mtus = [link.get("mtu") for link in inventory.facts.at("link", sender.node, sender.stack) if link.get("name") == device]
    return next((int(mtu) for mtu in mtus if mtu), ETHERNET_MTU)


def _way_out(inventory: Inventory, sender: Endpoint, address: str) -> str:
    """Device of the sender's most specific route to an address; "" if none was seen."""
    routes = (f for f in inventory.facts.at("route", sender.node, sender.stack) if f.get("device") and f.get("table", "main") == "main")
    fitting = [f for f in routes if f.get("type", "unicast") == "unicast" and _leads(str(f.get("dst")), address)]
    return str(max(fitting, key=lambda f: prefix(str(f.get("dst"))).length).get("device")) if fitting else ""


def _leads(net: str, address: str) -> bool:
    return family_of(net.partition("/")[0]) == family_of(address) and in_prefix(address, net)


# --- address -------------------------------------------------------------------------------------------------------------


def address_for(inventory: Inventory, sender: Endpoint, target: Endpoint) -> str:
    """Address of the target that this sender would use; "" if it has none."""
    if target.fixed or len(target.addresses) == 1:
        return target.addresses[0] if target.addresses else ""
    families = {family_of(a) for a in sender.addresses} or {4, 6}
    devices = {held.address: held for held in inventory.held(target)}

    def rank(address: str) -> tuple[bool, ...]:
        held = devices.get(address)
        behind_bridge = held is not None and held.device.startswith(BRIDGE_LIKE)
        return (
            family_of(address) not in families,
            behind_bridge or address.startswith(("fe80", "169.254")),
            not inventory.shares_subnet(sender, address),
            not sender.node and held is not None and held.device.startswith(TUNNEL_LIKE),
            family_of(address) != 4,
        )

    return min(target.addresses, key=rank, default="")


# --- ports ---------------------------------------------------------------------------------------------------------------


def ports_for(inventory: Inventory, sender: Endpoint, goal: Goal, ask: Ask, notes: Notes) -> Ports:
    """Ports to walk: named, else suggested, else what the target offers, else a ping."""
    port = ask.port or goal.port
    if ask.protocol == "icmp":
        return Ports([(0, "icmp")])
    if port:
        return Ports([(port, ask.protocol or goal.protocol or _protocol_at(goal.endpoint, port))], goal.guessed and not ask.port)
    offered = _offered(inventory, goal.endpoint, ask.protocol)
    if goal.usual:
        return _usual(inventory, goal, offered, notes)
    if ask.hinted and (not offered or any(number == ask.hinted for number, _ in offered)):
        return Ports([(ask.hinted, ask.protocol or "tcp")], guessed=not offered and ask.hinted != DNS)
    tried = _attempted(inventory, sender, goal.endpoint)
    if tried:
        _say_ports(notes, goal.endpoint, tried, ("connections without an answer in conntrack", "conntrack 中没有应答的连接"))
        return Ports(tried)
    seen = _tried(inventory, goal.endpoint, ask)
    if seen:
        _say_ports(notes, goal.endpoint, seen, ("what programs tried", "程序尝试过的端口"))
        return Ports(seen)
    configured = [p for p in (*goal.endpoint.ports, *_virtual(inventory, goal.endpoint)) if ask.protocol in ("", p[1])]
    if goal.endpoint.kind == "node" and not configured and not _needs_tcp(ask):
        offered = []
    chosen = (configured or offered)[:MAX_PORTS]
    if chosen:
        _say_ports(notes, goal.endpoint, chosen, ("its ports", "它的端口"))
        return Ports(chosen)
    return Ports(_default(goal.endpoint, ask, notes), guessed=True)


def _protocol_at(endpoint: Endpoint, port: int) -> str:
    """Protocol of a configured port; TCP if nothing tells."""
    return next((protocol for number, protocol in endpoint.ports if number == port), "udp" if port == 53 and endpoint.kind == "address" else "tcp")


def _offered(inventory: Inventory, endpoint: Endpoint, protocol: str) -> list[Port]:
    """Ports that the target listens on, TCP unless UDP was asked for."""
    return [p for p in inventory.listening(endpoint) if p[1] == (protocol or "tcp")]


def _usual(inventory: Inventory, goal: Goal, offered: Sequence[Port], notes: Notes) -> Ports:
    """Ports of a database or other product that this target has; else the product's own."""
    order = {number: place for place, number in enumerate(goal.usual)}
    has = [p for p in (*offered, *goal.endpoint.ports) if p[0] in order] or list(goal.endpoint.ports) or _spoken(inventory, goal)
    if has:
        chosen = list(dict.fromkeys(sorted(has, key=lambda p: order.get(p[0], len(order)))))[:MAX_PORTS]
        _say_ports(notes, goal.endpoint, chosen, ("its ports", "它的端口"))
        return Ports(chosen)
    elsewhere: list[Port] = []
    if goal.usual == phrases.DATABASE_PORTS:
        elsewhere = list(offered)[:MAX_PORTS]
        chosen = elsewhere or [(5432, "tcp"), (3306, "tcp")]
        reason = ("what it listens on", "它监听的端口") if elsewhere else ("nothing shows which database it is", "没有证据表明是哪种数据库")
    else:
        chosen, reason = [(goal.usual[0], "tcp")], ("the usual port of that program", "该程序的常用端口")
    _say_ports(notes, goal.endpoint, chosen, reason)
    # The program that was named waits there, if only for its own machine.
    there = any(inventory.holds_port(goal.endpoint, port) for port in chosen)
    return Ports(chosen, guessed=not elsewhere and not there)


def _spoken(inventory: Inventory, goal: Goal) -> list[Port]:
    """Usual ports that rules or connections of the evidence mention."""
    facts = inventory.facts
    numbers = {f.get("dport") for f in facts.of_kind("conntrack")}
    specs = [
        rule.spec
        for table in facts.of_kind("netfilter_table")
        for chain in table.get("chains", ())
        for rule in chain.rules
        if "port" in rule.spec or "--to-destination" in rule.spec
    ]
    return [
        (port, "tcp")
        for port in goal.usual
        if port in numbers or any(word == str(port) or word.endswith(f":{port}") for spec in specs for word in spec.replace(",", " ").split())
    ]


def _attempted(inventory: Inventory, sender: Endpoint, target: Endpoint) -> list[Port]:
    """Ports of unanswered connections from the sender to the target in conntrack."""
    hits = [
        f
        for f in inventory.facts.of_kind("conntrack")
        if f.get("dst") in target.addresses and f.get("src") in sender.addresses and (f.get("unreplied") or f.get("state") == "SYN_SENT")
    ]
    return list(dict.fromkeys((int(f.get("dport")), str(f.get("protocol", "tcp"))) for f in hits if f.get("dport")))[:MAX_PORTS]


def _tried(inventory: Inventory, target: Endpoint, ask: Ask) -> list[Port]:
    """Ports of the target that client programs of the evidence asked for, failed attempts first."""
    hits = [f for f in inventory.facts.of_kind("observed") if f.get("port") and f.get("address") in target.addresses]
    hits.sort(key=lambda f: f.get("outcome") == "connected")
    ports = dict.fromkeys((int(f.get("port")), str(f.get("protocol", "tcp"))) for f in hits)
    return [p for p in ports if ask.protocol in ("", p[1])][:MAX_PORTS]


def _virtual(inventory: Inventory, target: Endpoint) -> list[Port]:
    """Ports that IPVS serves at a bare address: nothing else answers there."""
    services = (f for f in inventory.facts.of_kind("ipvs_service") if target.kind == "address" and f.get("address") in target.addresses)
    return list(dict.fromkeys((int(f.get("port")), str(f.get("protocol", "tcp"))) for f in services if f.get("port")))


def _needs_tcp(ask: Ask) -> bool:
    return ask.error in ("ECONNREFUSED", "reset") or ask.protocol in ("tcp", "udp")


def _default(target: Endpoint, ask: Ask, notes: Notes) -> list[Port]:
    if _needs_tcp(ask):
        chosen: list[Port] = [(ask.hinted or (53 if ask.protocol == "udp" else 80), ask.protocol or "tcp")]
        _say_ports(notes, target, chosen, ("no port was named", "未指定端口"))
        return chosen
    notes.assume(
        f"No port was named for {target.name}: a ping is walked; --port N asks for a port.",
        f"未指定 {target.name} 的端口：按 ping 推演；可用 --port 指定端口。",
    )
    return [(0, "icmp")]


def _say_ports(notes: Notes, target: Endpoint, ports: Sequence[Port], reason: tuple[str, str]) -> None:
    en, zh = listed([f"{protocol}/{number}" for number, protocol in ports])
    notes.assume(
        f"Ports of {target.name}: {en} ({reason[0]}); --port names another.", f"{target.name} 的端口：{zh}（{reason[1]}）；可用 --port 另行指定。"
    )
