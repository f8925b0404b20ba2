"""The packet in native nftables chains: statements in order, verdicts, marks, translations.

Source: Linux ``net/netfilter/nf_tables_core.c`` (nft_do_chain), ``nft_reject*.c``, ``nft_nat.c``, ``nft_masq.c``, ``nft_redir.c``, ``nft_notrack.c``,
``nft_tproxy.c``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from engine.inet import prefix, to_int, to_text
from engine.model.nft import ast
from engine.model.nft.expressions import Share, evaluate, holds, select
from engine.model.nft.fields import Absent, Chance, Doubt, Scene
from engine.model.nft.printing import expression as show_expression
from engine.model.nft.printing import statement as show_statement
from engine.model.nft.values import ICMP_CODES, ICMPV6_CODES, span, type_of
from engine.phrases import phrase
from engine.walk.alter import clamped, set_mss
from engine.walk.netfilter import MAX_DEPTH, Translation, Verdict, masquerade_address
from engine.walk.recorder import rule_line
from engine.walk.trace import Unknown

if TYPE_CHECKING:
    from engine.model.nft.expressions import Selection
    from engine.model.nft.ruleset import NftChain, NftRule
    from engine.model.packet import HookContext
    from engine.walk.netfilter import Passage


class Flow(Enum):
    """Where evaluation goes on after a statement."""

    ON = "the next statement"
    BREAK = "the next rule"
    RETURN = "back to the calling chain"


Outcome = Flow | Verdict

REJECTS4 = {
    0: "icmp-net-unreachable",
    1: "icmp-host-unreachable",
    2: "icmp-proto-unreachable",
    3: "icmp-port-unreachable",
    9: "icmp-net-prohibited",
    10: "icmp-host-prohibited",
    13: "icmp-admin-prohibited",
}
REJECTS6 = {
    0: "icmp6-no-route",
    1: "icmp6-adm-prohibited",
    3: "icmp6-addr-unreachable",
    4: "icmp6-port-unreachable",
    5: "icmp6-policy-fail",
    6: "icmp6-reject-route",
}
"""ICMP code → name of the same rejection in iptables."""

ALTERED = frozenset({("tcp option", "maxseg"), ("ip", "ttl"), ("ip6", "hoplimit"), ("ip", "dscp"), ("ip6", "dscp")})
"""Fields that a ruleset may set and that the walk follows, besides marks."""

REJECTSX = {"no-route": (0, 0), "port-unreachable": (3, 4), "host-unreachable": (1, 3), "admin-prohibited": (13, 1)}
"""``icmpx`` code → ICMP and ICMPv6 code; ``nft -n`` prints its place in this table."""

REASONS = {
    "limit": phrase("rate-limit"),
    "quota": phrase("quota"),
    "ct count": phrase("ct-count"),
    "unparsed": phrase("not-understood"),
    "queue": phrase("nfqueue"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A statement of a rule under evaluation."""

    chain: NftChain
    rule: NftRule
    index: int
    context: HookContext
    base: str
    depth: int

    @property
    def rest(self) -> tuple[ast.Statement, ...]:
        """Statements that follow."""
        return self.rule.statements[self.index + 1 :]


def traverse(passage: Passage, chain: NftChain, context: HookContext, base: str, depth: int) -> Verdict | None:
    """Verdict of a chain, ``None`` if it returns or falls off its end."""
    if depth > MAX_DEPTH:
        return Verdict("drop", chain, None, base, by="unknown")
    for rule in chain.rules:
        if rule is passage.skipping:
            continue
        outcome = _rule(passage, Place(chain, rule, 0, context, base, depth))
        if isinstance(outcome, Verdict):
            return outcome
        if outcome is Flow.RETURN:
            return None
    return None


def _rule(passage: Passage, place: Place) -> Outcome:
    for index, made in enumerate(place.rule.statements):
        outcome = _statement(passage, replace(place, index=index), made)
        if outcome is not Flow.ON:
            return outcome
    return Flow.ON


def _statement(passage: Passage, place: Place, made: ast.Statement) -> Outcome:
    match made:
        case ast.Match():
            return _match(passage, place, made)
        case ast.Verdict():
            return _verdict(passage, place, made)
        case ast.VerdictMap(key, data):
            return _verdict_map(passage, place, key, data)
        case ast.Translate():
            return _translate(passage, place, made)
        case ast.Divert():
            return _divert(passage, place, made)
        case ast.Reject():
            return _reject(passage, place, made)
        case ast.SetValue():
            return _set_value(passage, place, made)
        case ast.Notrack():
            passage.untrack(place.chain, place.rule)
            return Flow.ON
        case ast.Doubtful():
            return _doubtful(passage, place, made)
    return Flow.ON  # a note


def _scene(passage: Passage, place: Place) -> Scene:
    table = place.chain.table
    return Scene(passage.packet, replace(place.context, state=passage.state), passage.stack, table.sets, table.memo)


# --- what is not known ----------------------------------------------------------------------------------------------


def _unknown(passage: Passage, place: Place, what: str, why: str) -> Unknown:
    stack, chain = passage.stack, place.chain
    line = rule_line(chain, place.rule)
    return Unknown(stack.node, stack.name, what, f"nft list chain {chain.table.name} {chain.name}", why, line[0] if line else None)


def _key(passage: Passage, place: Place, *, chance: bool = False) -> tuple[object, ...]:
    """Name of a question; dice are thrown for every packet."""
    throw = len(passage.choices.asked) if chance else 0
    return passage.stack.node, passage.stack.name, throw, "nft", place.chain.table.name, place.chain.name, place.rule.number, place.index


def _matters(statements: tuple[ast.Statement, ...]) -> bool:
    """Whether it changes anything that these statements are reached."""
    for made in statements:
        match made:
            case ast.Verdict("continue") | ast.Match() | ast.Note() | ast.Doubtful(_, "match"):
                continue
            case ast.SetValue(ast.Field("meta" | "ct", name)) if name != "mark":
                continue
            case _:
                return True
    return False


def _harmful(statements: tuple[ast.Statement, ...]) -> bool:
    return any(isinstance(s, ast.Reject) or (isinstance(s, ast.Verdict) and s.name == "drop") for s in statements)


def _ask(passage: Passage, place: Place, text: str, why: str, share: str = "") -> Outcome:
    """Whether a statement lets the rule go on: followed both ways if that matters; the harmless way first."""
    if not _matters(place.rest):
        return Flow.BREAK
    harmful = _harmful(place.rest)
    options = ("does not match", "matches") if harmful else ("matches", "does not match")
    shares = (("", share) if harmful else (share, "")) if share else ()
    unknown = None if share else _unknown(passage, place, text, why)
    answer = passage.choices.ask(("match", *_key(passage, place, chance=bool(share))), options, unknown, shares)
    return Flow.ON if options[answer] == "matches" else Flow.BREAK


def _taken(passage: Passage, place: Place, text: str, why: str) -> Outcome:
    answer = passage.choices.ask(("target", *_key(passage, place)), (phrase("goes-on"), phrase("taken-away")), _unknown(passage, place, text, why))
    return Verdict("drop", place.chain, place.rule, place.base, by="unknown") if answer else Flow.ON


def _doubtful(passage: Passage, place: Place, made: ast.Doubtful) -> Outcome:
    why = REASONS.get(made.what, phrase("not-modelled", what=made.what))
    text = made.text or made.what
    return _ask(passage, place, text, why) if made.effect == "match" else _taken(passage, place, text, why)


# --- comparisons ----------------------------------------------------------------------------------------------------


def _match(passage: Passage, place: Place, made: ast.Match) -> Outcome:
    answer = holds(made, _scene(passage, place))
    if answer is True:
        return Flow.ON
    if isinstance(answer, Doubt):
        return _ask(passage, place, show_statement(made), answer.why)
    if isinstance(answer, Share):
        return _ask(passage, place, show_statement(made), "", answer.share)
    _note_miss(passage, place, made)
    return Flow.BREAK


def _note_miss(passage: Passage, place: Place, made: ast.Match) -> None:
    """Remember translations that did not apply, as for iptables; a wrong protocol or port is no news."""
    rule, chain, context = place.rule, place.chain, place.context
    if passage.recorder.direction != "request" or not any(isinstance(s, ast.Translate) for s in rule.statements):
        return
    if isinstance(made.left, ast.Field) and made.left.name in {"l4proto", "nfproto", "protocol", "sport", "dport"}:
        return
    packet = passage.packet
    passage.recorder.fact(
        "rule_seen",
        passage.stack,
        rule_line(chain, rule),
        table=chain.table.name,
        chain=chain.name,
        number=rule.number,
        spec=rule.spec,
        target=rule.target.name,
        matched=False,
        failed=show_statement(made),
        set=made.right.name if isinstance(made.right, ast.SetRef) else None,
        src=to_text(packet.src, packet.family),
        dst=to_text(packet.dst, packet.family),
        in_device=context.in_device,
        out_device=context.out_device,
    )


# --- verdicts -------------------------------------------------------------------------------------------------------


def _verdict(passage: Passage, place: Place, made: ast.Verdict) -> Outcome:
    chain, rule, base = place.chain, place.rule, place.base
    if made.name in {"accept", "drop"}:
        return Verdict(made.name, chain, rule, base, by="rule")
    if made.name == "return":
        return Flow.RETURN
    if made.name == "continue":
        return Flow.ON
    if made.name == "queue":
        return _taken(passage, place, "queue", REASONS["queue"])
    called = chain.table.chains.get(made.target)
    if called is None:
        return _taken(passage, place, f"{made.name} {made.target}", phrase("chain-unlisted", chain=made.target))
    found = traverse(passage, called, place.context, base, place.depth + 1)
    if found is not None:
        return found._replace(jumps=((chain, rule), *found.jumps))
    return Flow.RETURN if made.name == "goto" else Flow.BREAK


def _verdict_map(passage: Passage, place: Place, key: ast.Expression, data: ast.SetOf | ast.SetRef) -> Outcome:
    element = _chosen(passage, place, key, select(key, data, _scene(passage, place)))
    if isinstance(element, ast.Element) and isinstance(element.data, ast.Verdict):
        return _verdict(passage, place, element.data)
    return Flow.BREAK if element is None or isinstance(element, ast.Element) else element


def _chosen(passage: Passage, place: Place, key: ast.Expression, found: Selection) -> ast.Element | Outcome | None:
    """The element that a key selects; several possible ones are followed one by one."""
    text = show_expression(key)
    if not found.options:
        return _taken(passage, place, text, found.doubt.why if found.doubt else phrase("map-unlisted"))
    if len(found.options) == 1:
        return found.options[0][0]
    options = sorted(found.options, key=lambda o: o[0] is not None and isinstance(o[0].data, ast.Verdict) and o[0].data.name == "drop")
    names = [show_expression(e.key) if e is not None else phrase("no-element") for e, _ in options]
    shares = [share for _, share in options] if found.doubt is None else []
    unknown = _unknown(passage, place, text, found.doubt.why) if found.doubt is not None else None
    return options[passage.choices.ask(("element", *_key(passage, place, chance=unknown is None)), names, unknown, shares)][0]


def _reject(passage: Passage, place: Place, made: ast.Reject) -> Outcome:
    packet = passage.packet
    reset = "tcp-reset" if packet.protocol == "tcp" else ""
    name = reset if made.type == "tcp reset" else _reject_name(made, packet.family)
    return Verdict("reject", place.chain, place.rule, place.base, name, "rule") if name else Flow.BREAK


def _reject_name(made: ast.Reject, family: int) -> str:
    """Name of a rejection in iptables; "" where it is for the other family, so that the rule does not apply."""
    if made.type in {"", "icmpx"}:
        code = list(REJECTSX)[int(made.code) % 4] if made.code.isdecimal() else made.code or "port-unreachable"
        number = REJECTSX.get(code, (3, 4))[0 if family == 4 else 1]
    elif (made.type == "icmp") != (family == 4):
        return ""
    else:
        names = ICMP_CODES if family == 4 else ICMPV6_CODES
        number = int(made.code) if made.code.isdecimal() else names.get(made.code, 3 if family == 4 else 4)
    return (REJECTS4 if family == 4 else REJECTS6).get(number, "")


# --- marks ----------------------------------------------------------------------------------------------------------


def _set_value(passage: Passage, place: Place, made: ast.SetValue) -> Outcome:
    base, name = made.key.base, made.key.name
    if (base, name) in ALTERED:
        return _altered(passage, place, made)
    if (base, name) not in {("meta", "mark"), ("ct", "mark"), ("ct", "zone")}:
        rewrites = name in {"saddr", "daddr", "sport", "dport"} or base.startswith("@")
        return _taken(passage, place, show_statement(made), phrase("rewriting")) if rewrites else Flow.ON
    value = _number(passage, place, made.value)
    if not isinstance(value, int):
        return value
    chain, rule = place.chain, place.rule
    if name == "zone":
        if not passage.tracked and not made.key.also:
            passage.zone = value & 0xFFFF
        return Flow.ON
    if base == "ct":
        if passage.state.entry is not None:
            passage.state.entry.mark = value & 0xFFFFFFFF
        return Flow.ON
    passage.packet = replace(passage.packet, mark=value & 0xFFFFFFFF)
    passage.recorder.step("netfilter", f"{chain.table.name} {chain.name}: mark {passage.packet.mark:#x}", "rewrite", rule_line(chain, rule))
    return Flow.ON


def _altered(passage: Passage, place: Place, made: ast.SetValue) -> Outcome:
    """``tcp option maxseg size set rt mtu`` clamps as TCPMSS does (``nft_rt.c``, ``nft_exthdr.c``); TTL, hop limit, DSCP."""
    if made.key.name == "maxseg":
        if not passage.packet.mss:
            return Flow.ON  # segment sizes are not walked
        if isinstance(made.value, ast.Field) and made.value.base == "rt":
            set_mss(passage, clamped(passage))
            return Flow.ON
    value = _number(passage, place, made.value, type_of(made.key))
    if not isinstance(value, int):
        return value
    if made.key.name == "maxseg":
        set_mss(passage, value)
    elif made.key.name == "dscp":
        passage.packet = replace(passage.packet, tos=passage.packet.tos & 0x3 | value << 2 & 0xFC)
    else:
        passage.packet = replace(passage.packet, ttl=value & 0xFF)
    return Flow.ON


def _number(passage: Passage, place: Place, wanted: ast.Expression, kind: str = "") -> int | Outcome:
    """Value to set, constants read as of type ``kind``; what is not known leaves the old value (and is said)."""
    scene = _scene(passage, place)
    if isinstance(wanted, ast.MapOf):
        element = _chosen(passage, place, wanted.key, select(wanted.key, wanted.data, scene))
        if not isinstance(element, ast.Element):
            return Flow.BREAK if element is None else element
        value = evaluate(element.data, scene, kind) if element.data is not None and not isinstance(element.data, ast.Verdict) else Absent()
    else:
        value = evaluate(wanted, scene, kind)
    if isinstance(value, int):
        return value
    if isinstance(value, Absent):
        return Flow.BREAK
    why = value.why if isinstance(value, Doubt) else phrase("at-random") if isinstance(value, Chance) else phrase("unmodelled")
    text = show_expression(wanted)
    passage.recorder.assume(_unknown(passage, place, text, phrase("mark-unknown", text=text, why=why)))
    return Flow.ON


# --- translations ---------------------------------------------------------------------------------------------------


def _translate(passage: Passage, place: Place, made: ast.Translate) -> Outcome:
    packet = passage.packet
    if made.family and (made.family == "ip") != (packet.family == 4):
        return Flow.ON
    if passage.state.entry is None:
        return Flow.BREAK
    kind = "source" if made.kind in {"snat", "masquerade"} else "destination"
    target = _target(passage, place, made, kind)
    if isinstance(target, (Flow, Verdict)):
        return target
    return passage.bind(target, place.rule, place.chain, place.context, place.base)


def _target(passage: Passage, place: Place, made: ast.Translate, kind: str) -> Translation | Outcome | None:
    """What a translation asks for; ``None`` if the kernel would drop for want of an address."""
    packet, context = passage.packet, place.context
    port = _port(passage, place, made.port, packet.sport if kind == "source" else packet.dport)
    if isinstance(port, (Flow, Verdict)):
        return port
    if made.kind == "masquerade":
        own = masquerade_address(passage.stack, context.out_device, passage.next_hop, packet)
        return None if own is None else Translation(kind, own, port)
    if made.kind == "redirect":
        if context.hook == "OUTPUT":
            return Translation(kind, to_int("127.0.0.1" if packet.family == 4 else "::1"), port)
        addresses = passage.stack.addresses_of(context.in_device, packet.family)
        return Translation(kind, addresses[0].value, port) if addresses else None
    if made.address is None:
        return Translation(kind, None, port)
    found = _resolved(passage, place, made.address)
    if isinstance(found, (Flow, Verdict)):
        return found
    return _address(found, port, kind, packet.src if kind == "source" else packet.dst)


def _resolved(passage: Passage, place: Place, wanted: ast.Expression) -> ast.Expression | Outcome:
    """The constant that an address or port expression comes to."""
    if not isinstance(wanted, ast.MapOf):
        return wanted
    element = _chosen(passage, place, wanted.key, select(wanted.key, wanted.data, _scene(passage, place)))
    if isinstance(element, (Flow, Verdict)):
        return element
    if element is None or element.data is None or isinstance(element.data, ast.Verdict):
        return Flow.BREAK
    return element.data


def _port(passage: Passage, place: Place, wanted: ast.Expression | None, current: int) -> int | Outcome | None:
    if wanted is None:
        return None
    found = _resolved(passage, place, wanted)
    return found if isinstance(found, (Flow, Verdict)) else _port_of(found, current)


def _divert(passage: Passage, place: Place, made: ast.Divert) -> Outcome:
    """Give the packet to a local socket; where none waits for it the rule ends and the packet goes on (unlike iptables' target)."""
    from engine.walk.tproxy import Listener, assign

    packet, version = passage.packet, {"ip": 4, "ip6": 6}.get(made.family, passage.packet.family)
    if packet.protocol not in {"tcp", "udp"} or packet.family != version:
        return Flow.BREAK
    port = _port(passage, place, made.port, packet.dport)
    if isinstance(port, (Flow, Verdict)):
        return port
    address = _resolved(passage, place, made.address) if made.address is not None else None
    if isinstance(address, (Flow, Verdict)):
        return address
    wanted = Listener(to_int(address.text) if isinstance(address, ast.Literal) else 0, port or 0)
    return Flow.ON if assign(passage, wanted, place.context.in_device, place.chain, place.rule) else Flow.BREAK


def _port_of(wanted: ast.Expression, current: int) -> int | None:
    """A port: of a range the packet's own if it lies inside, else the first."""
    try:
        inside = span(wanted, "port")
    except ValueError:
        return None
    if isinstance(inside, str):
        return None
    return current if inside[0] <= current <= inside[1] else inside[0]


def _address(wanted: ast.Expression, port: int | None, kind: str, old: int) -> Translation:
    """An address (of a range the first), with its port where a map gives both; a prefix keeps the host bits."""
    match wanted:
        case ast.Concat((address, second)):
            return _address(address, None, kind, old)._replace(port=_port_of(second, 0))
        case ast.Prefix(text, length):
            net = prefix(f"{text}/{length}")
            return Translation(kind, net.value | (old & ~net.mask & (net.last ^ net.value)), port)
        case ast.Range(low, _):
            return Translation(kind, to_int(low), port)
        case ast.Literal(text):
            return Translation(kind, to_int(text), port)
        case _:
            return Translation(kind, None, port)
