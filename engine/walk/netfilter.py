"""The packet on a netfilter hook: conntrack, NAT, chains, verdicts.

Source: Linux ``net/ipv4/netfilter/ip_tables.c`` (traversal), ``nf_conntrack_core.c``, ``nf_nat_core.c``, ``nf_nat_masquerade.c``, ``ipt_REJECT.c``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from engine.inet import prefix, to_int, to_text
from engine.model.links import is_overlay
from engine.model.netfilter import matches as m
from engine.model.netfilter.rule import NO_VERDICT, Rule, port_number
from engine.model.netfilter.ruleset import Chain
from engine.model.packet import ICMP, Entry, HookContext, Packet, State, Tuple
from engine.phrases import phrase
from engine.walk.alter import ALTERING, alter, alters
from engine.walk.hooks import conntrack_wanted, late, nat_chains
from engine.walk.recorder import policy_line, rule_line
from engine.walk.source6 import select
from engine.walk.trace import Line, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from engine.model.nft.ruleset import NftChain, NftRule
    from engine.model.stack import NetStack
    from engine.walk.choices import Choices
    from engine.walk.hooks import Call
    from engine.walk.recorder import Recorder
    from engine.walk.routing import Way

    AnyChain = Chain | NftChain
    AnyRule = Rule | NftRule

TRANSLATING = frozenset({"MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP"})
UNTRACKED6 = range(130, 138)
"""ICMPv6 types that conntrack passes by: multicast listeners, routers, neighbours (``nf_conntrack_proto_icmpv6.c``)."""
MAX_DEPTH = 64
"""Jumps inside each other; the kernel refuses rulesets that loop, a dump may still show one."""


class Verdict(NamedTuple):
    """End of a chain."""

    name: str
    """accept | drop | reject | queue | stolen"""
    chain: AnyChain | None = None
    rule: AnyRule | None = None
    base: str = ""
    reject_with: str = ""
    by: str = ""
    """rule | policy | unknown"""
    jumps: tuple[tuple[AnyChain, AnyRule], ...] = ()
    """The rules that led from the base chain to the deciding one, outermost first."""

    @property
    def path(self) -> tuple[tuple[AnyChain, AnyRule], ...]:
        """The jumps and the deciding rule itself."""
        return (*self.jumps, (self.chain, self.rule)) if self.chain is not None and self.rule is not None else self.jumps


class Translation(NamedTuple):
    """What a nat rule asks for."""

    type: str
    """source | destination"""
    address: int | None
    port: int | None


class Passage:
    """One packet on one stack: the state that hooks share while it passes."""

    def __init__(self, stack: NetStack, packet: Packet, entries: list[Entry], choices: Choices, recorder: Recorder) -> None:
        self.stack = stack
        self.packet = packet
        self.entries = entries
        self.choices = choices
        self.recorder = recorder
        self.state = State("")
        self.tracked = False
        self.zone = 0
        """Conntrack zone that a rule put the packet into before conntrack saw it (``nf_ct_zone_tmpl``)."""
        self.next_hop = 0
        """Address of the next hop, for MASQUERADE's choice of address."""
        self.skipping: AnyRule | None = None
        """A rule that counts as taken out of its chain (see :mod:`engine.walk.otherwise`)."""
        self.way: Way | None = None
        """Of a packet that this stack makes: where it goes as of now."""
        self.translated = False
        """A nat rule of this hook took the packet, even if it left it as it was (then the entry has no such status)."""

    # --- conntrack ------------------------------------------------------------------------------------------------

    def track(self) -> None:
        """Look the packet up in conntrack, or make an (unconfirmed) entry (``nf_conntrack_in``)."""
        if self.tracked:
            return
        self.tracked = True
        packet = self.packet
        if packet.error:
            self.state = self._related(packet)
            return
        if packet.protocol == "icmpv6" and packet.icmp_type in UNTRACKED6:
            self.state = State("UNTRACKED")
            return
        own = packet.tuple()
        # The kernel's tuples hold the ICMP type, so that asking oneself is not taken for answering.
        answer = (packet.protocol, packet.icmp_type) in {("icmp", 0), ("icmpv6", 129)}
        for entry in self._entries():
            if own == entry.original and not answer:
                self.state = State("ESTABLISHED" if entry.seen_reply else "NEW", entry)
                return
            if own == entry.reply:
                entry.seen_reply = True
                self.state = State("ESTABLISHED", entry, reply=True)
                return
        if (packet.protocol == "tcp" and packet.tcp_flags & {"RST"}) or (packet.tcp_flags >= {"SYN", "ACK"}):
            self.state = State("INVALID")
            return
        if answer:
            self.state = State("INVALID")
            return
        entry = Entry(own, own.inverted(), zone=self.zone)
        self.entries.append(entry)
        self.state = State("NEW", entry)

    def _entries(self) -> Iterator[Entry]:
        """Entries of the packet's zone."""
        return (entry for entry in self.entries if entry.zone == self.zone)

    def _related(self, packet: Packet) -> State:
        for entry in self._entries():
            if packet.inner == entry.reply.inverted():
                return State("RELATED", entry, reply=True)
            if packet.inner == entry.original.inverted():
                return State("RELATED", entry)
        return State("INVALID")

    def untrack(self, chain: AnyChain, rule: AnyRule) -> None:
        """``notrack``: conntrack will pass the packet by; one that was seen before (on loopback) stays as it is."""
        if self.tracked:
            return
        self.tracked, self.state = True, State("UNTRACKED", untracked_by=(chain, rule))
        self.recorder.step("conntrack", phrase("untracked", table=chain.table.name, chain=chain.name), "rewrite", rule_line(chain, rule))

    def confirm(self) -> None:
        """The packet survived its last hook: the entry stays (``nf_conntrack_confirm``)."""
        if self.state.entry is not None:
            self.state.entry.confirmed = True

    def forget(self) -> None:
        """The packet was dropped before its entry was confirmed."""
        entry = self.state.entry
        if entry is not None and not entry.confirmed and entry in self.entries:
            self.entries.remove(entry)

    # --- hooks ----------------------------------------------------------------------------------------------------

    def context(self, hook: str, **devices: str | bool) -> HookContext:
        """Place of the packet on a hook."""
        return HookContext(hook, state=self.state, **devices)  # type: ignore[arg-type]  # keywords are HookContext's own

    def run(self, call: Call, context: HookContext) -> Verdict:
        """Run one function of a hook; drop is final, accept goes on to the next."""
        if call.kind == "track":
            self.track()
        elif call.kind == "nat":
            return self.translate(context)
        elif call.chain is not None:
            return self._base(call.chain, context)
        return Verdict("accept")

    def asked(self, chain: AnyChain, context: HookContext) -> Verdict | None:
        """Verdict of a base chain's rules, ``None`` where its policy decides."""
        if isinstance(chain, Chain):
            return self._traverse(chain, context, chain.name, 0)
        from engine.walk import native

        return native.traverse(self, chain, context, chain.name, 0)

    def _base(self, chain: AnyChain, context: HookContext) -> Verdict:
        found = self.asked(chain, context)
        if found is not None:
            verdict, lines = found, rule_line(found.chain, found.rule) if found.chain and found.rule else ()
            target = found.rule.target.name if found.rule else ""
            where = found.chain.name if found.chain else chain.name
            summary = (
                phrase("target-in", table=chain.table.name, chain=chain.name, target=target, where=where)
                if where != chain.name
                else f"{chain.table.name} {chain.name}: {target}"
            )
        else:
            policy = chain.policy or "ACCEPT"
            verdict = Verdict("drop" if policy == "DROP" else "accept", chain, None, chain.name, by="policy")
            lines, summary = policy_line(chain), phrase("chain-policy", table=chain.table.name, chain=chain.name, policy=policy)
        shown = {"accept": "pass", "drop": "drop", "reject": "reject"}.get(verdict.name, "unknown")
        decided = verdict.chain.name if verdict.chain else chain.name
        detail = {"table": chain.table.name, "base": chain.name, "chain": decided, "policy": verdict.rule is None, "decision": verdict.name.upper()}
        self.recorder.step("netfilter", summary, shown, lines, **detail, spec=verdict.rule.spec if verdict.rule else "")
        return verdict._replace(base=chain.name)

    def _traverse(self, chain: Chain, context: HookContext, base: str, depth: int) -> Verdict | None:  # noqa: C901 - the kernel's loop, kept in one piece
        """Verdict of a chain, ``None`` if it returns or falls off its end."""
        if depth > MAX_DEPTH:
            return Verdict("drop", chain, None, base, by="unknown")
        for rule in chain.candidates(self.packet, context, self._memberships(context)):
            if rule is self.skipping or not self._fits(rule, chain, context):
                continue
            name = rule.target.name
            if name in ALTERING:
                alter(self, rule, chain)
                continue
            if name in NO_VERDICT:
                continue
            if name == "RETURN":
                return None
            called = self._called(chain, name)
            if called is not None:
                verdict = self._traverse(called, context, base, depth + 1)
                if verdict is not None:
                    return verdict._replace(jumps=((chain, rule), *verdict.jumps))
                if rule.target.goto:
                    return None  # a goto pushes nothing: falling off returns to the caller of this chain
                continue
            verdict = self._final(rule, chain, context, base)
            if verdict is not None:
                return verdict
        return None

    def _called(self, chain: Chain, name: str) -> Chain | None:
        """The chain that a rule jumps to; of a table that was listed chain by chain each stands in a listing of its own."""
        called = chain.table.chains.get(name)
        if called is None and chain.table.partial:
            called = self.stack.netfilter.find(chain.table.name, name, chain.table.family)
        return called

    def _final(self, rule: Rule, chain: Chain, context: HookContext, base: str) -> Verdict | None:
        name = rule.target.name
        if name == "ACCEPT":
            return Verdict("accept", chain, rule, base, by="rule")
        if name == "DROP":
            return Verdict("drop", chain, rule, base, by="rule")
        if name == "REJECT":
            reason = rule.target.options.get("--reject-with", "icmp-port-unreachable" if self.packet.family == 4 else "icmp6-port-unreachable")
            return Verdict("reject", chain, rule, base, reason, "rule")
        if name in {"NOTRACK", "CT"}:
            if name == "NOTRACK" or "--notrack" in rule.target.options:
                self.untrack(chain, rule)
            elif "--zone" in rule.target.options and not self.tracked:
                zone = rule.target.options["--zone"]
                self.zone = (self.packet.mark if zone == "mark" else int(zone, 0)) & 0xFFFF
            return None
        if name in {"MARK", "CONNMARK"}:
            self._mark(rule, chain, context)
            return None
        if name == "TPROXY":
            from engine.walk.tproxy import divert

            return Verdict("accept" if divert(self, rule, chain, context.in_device) else "drop", chain, rule, base, by="rule")
        if name in TRANSLATING:
            return self._translate(rule, chain, context, base)
        return self._unknown_target(rule, chain, base)

    def _unknown_target(self, rule: Rule, chain: Chain, base: str) -> Verdict | None:
        """A target that hands the packet to something outside the model (NFQUEUE, TPROXY …)."""
        unknown = self._unknown(f"-j {rule.target.name}", chain, rule, phrase("target-not-modelled", target=rule.target.name))
        answer = self.choices.ask(("target", id(rule)), (phrase("goes-on"), phrase("taken-away")), unknown)
        return Verdict("drop", chain, rule, base, by="unknown") if answer else None

    # --- matches --------------------------------------------------------------------------------------------------

    def around(self) -> m.Surroundings:
        """What matches may ask of the stack."""
        return _Around(self.stack, self.choices, self.recorder)

    def _memberships(self, context: HookContext) -> Callable[[str, tuple[str, ...]], bool | None]:
        """Membership of the packet as it is when asked, looked up once for each set."""
        around = _Around(self.stack, self.choices, self.recorder)
        known: dict[tuple[str, tuple[str, ...], int], bool | None] = {}

        def in_set(name: str, directions: tuple[str, ...]) -> bool | None:
            key = (name, directions, self.packet.mark)
            if key not in known:
                known[key] = around.in_set(name, directions, self.packet, context)
            return known[key]

        return in_set

    def _fits(self, rule: Rule, chain: Chain, context: HookContext) -> bool:
        context = replace(context, state=self.state)
        open_match: m.Match | None = None
        for match in rule.matches:
            answer = match.holds(self.packet, context, _Around(self.stack, self.choices, self.recorder))
            if answer is False:
                self._note_miss(rule, chain, context, match)
                return False
            if answer is None:
                open_match = open_match or match
        if open_match is None:
            return True
        if rule.target.name in NO_VERDICT and not alters(self.packet, rule.target.name):
            return False  # whether it counts or logs changes nothing
        return self._ask(rule, chain, open_match)

    def _ask(self, rule: Rule, chain: Chain, match: m.Match) -> bool:
        options = ("matches", "does not match")
        shares: tuple[str, ...] = ()
        unknown: Unknown | None = None
        stack = self.stack
        key: tuple[object, ...] = (stack.node, stack.name, chain.table.backend, chain.table.name, chain.name, rule.number, match.text)
        if isinstance(match, m.Share):
            share = match.share
            shares = (share, "")
            key = (*key, len(self.choices.asked))  # the dice are thrown for every packet
        else:
            reason = match.reason if isinstance(match, m.Unmodelled) else phrase("set-unseen") if isinstance(match, m.InSet) else "unknown"
            unknown = self._unknown(match.text, chain, rule, reason)
            holds = phrase("rule-matches", number=rule.number, chain=chain.name, match=match.text)
            options = (holds, phrase("rule-misses", number=rule.number, chain=chain.name, match=match.text))
        harmful = rule.target.name in {"DROP", "REJECT"}
        if harmful:
            options, shares = options[::-1], shares[::-1]
        answer = self.choices.ask(("match", *key), options, unknown, shares)
        return (answer == 1) if harmful else (answer == 0)

    def _unknown(self, what: str, chain: Chain, rule: Rule, why: str) -> Unknown:
        stack = self.stack
        line = rule_line(chain, rule)
        return Unknown(stack.node, stack.name, what, f"iptables -t {chain.table.name} -nvL {chain.name}", why, line[0] if line else None)

    def _note_miss(self, rule: Rule, chain: Chain, context: HookContext, match: m.Match) -> None:
        """Remember translations that did not apply: 'why was this not masqueraded' is a question rules ask.

        Of a long chain only rules that came near are told: all those that test a set, not those for another address, port or device.
        """
        if self.recorder.direction != "request" or chain.table.name != "nat" or rule.target.name not in TRANSLATING:
            return
        inner = match.match if isinstance(match, m.Negated) else match
        if isinstance(inner, (m.Proto, m.Ports)):
            return
        packet = self.packet
        self.recorder.fact(
            "rule_seen",
            self.stack,
            rule_line(chain, rule),
            table="nat",
            chain=chain.name,
            number=rule.number,
            spec=rule.spec,
            target=rule.target.name,
            matched=False,
            failed=match.text,
            set=inner.name if isinstance(inner, m.InSet) else None,
            src=to_text(packet.src, packet.family),
            dst=to_text(packet.dst, packet.family),
            in_device=context.in_device,
            out_device=context.out_device,
        )

    # --- marks ----------------------------------------------------------------------------------------------------

    def _mark(self, rule: Rule, chain: Chain, context: HookContext) -> None:
        options = rule.target.options
        entry = self.state.entry
        if rule.target.name == "CONNMARK" and entry is None:
            return
        if "--save-mark" in options and entry is not None:
            nf, ct = _mask(options.get("--nfmask")), _mask(options.get("--ctmask"))
            entry.mark = (entry.mark & ~ct) ^ (self.packet.mark & nf)
            return
        if "--restore-mark" in options and entry is not None:
            nf, ct = _mask(options.get("--nfmask")), _mask(options.get("--ctmask"))
            self.packet = replace(self.packet, mark=(self.packet.mark & ~nf) ^ (entry.mark & ct))
            return
        value, mask = _mark_words(options)
        if rule.target.name == "CONNMARK" and entry is not None:
            entry.mark = (entry.mark & ~mask) ^ value
        else:
            self.packet = replace(self.packet, mark=(self.packet.mark & ~mask) ^ value)
            self.recorder.step("netfilter", f"{chain.table.name} {chain.name}: mark {self.packet.mark:#x}", "rewrite", rule_line(chain, rule))
            self._note_mark(rule, chain, context)

    def _note_mark(self, rule: Rule, chain: Chain, context: HookContext) -> None:
        """Tell who marked the packet, and at which hook: only marks from before a routing decision steer it."""
        self.recorder.fact(
            "marked",
            self.stack,
            rule_line(chain, rule),
            hook=context.hook,
            backend=chain.table.backend,
            table=chain.table.name,
            chain=chain.name,
            number=rule.number,
            spec=rule.spec,
            mark=self.packet.mark,
            in_device=context.in_device,
            out_device=context.out_device,
        )

    # --- NAT ------------------------------------------------------------------------------------------------------

    def translate(self, context: HookContext) -> Verdict:  # noqa: C901 - the kernel's cases in its order
        """NAT of a hook: the stored mapping for packets of a known entry, the nat table for new ones."""
        entry = self.state.entry
        destination = context.hook in {"PREROUTING", "OUTPUT"}
        if entry is None:
            if self.state.untracked_by is not None:
                from engine.walk.otherwise import note_untranslated

                note_untranslated(self, context)
            return Verdict("accept")
        if self.state.reply:
            self._reverse(entry, destination=destination)
            return Verdict("accept")
        bound = entry.dst_bound if destination else entry.src_bound
        if self.state.name != "NEW" or bound or entry.seen_reply:
            self._apply(entry, destination=destination)
            return Verdict("accept")
        # Whatever the chains say, the packet is bound now: later hooks of this stack do not ask them again.
        if destination:
            entry.dst_bound = True
        else:
            entry.src_bound = True
        self.translated = False
        last = late(self.stack, context.hook, self.packet.family, self.choices)
        for call in nat_chains(self.stack, context.hook, self.packet.family, last):
            chain = call.chain
            if chain is None:
                continue
            found = self.asked(chain, context)
            if found is None and chain.policy == "DROP":
                found = Verdict("drop", chain, None, chain.name, by="policy")
            if found is not None and found.name != "accept":
                if not conntrack_wanted(self.stack):
                    break
                said = "policy DROP" if found.rule is None else found.name
                lines = policy_line(chain) if found.chain is None or found.rule is None else rule_line(found.chain, found.rule)
                self.recorder.step("netfilter", f"{chain.table.name} {chain.name}: {said}", "drop", lines)
                return found
            if self.translated:
                break
        return Verdict("accept")

    def _apply(self, entry: Entry, *, destination: bool) -> None:
        """Repeat a mapping made for an earlier packet of the original direction."""
        target = entry.reply.inverted()
        if destination and entry.dnat:
            self.packet = replace(self.packet, dst=target.dst, dport=target.dport)
        elif not destination and entry.snat:
            self.packet = replace(self.packet, src=target.src, sport=target.sport)

    def _reverse(self, entry: Entry, *, destination: bool) -> None:
        """Undo the mapping for the reply direction: SNAT is undone where destinations change, DNAT where sources change."""
        packet, before = self.packet, self.packet
        inner = entry.original if packet.error else packet.inner
        if destination and entry.snat:
            packet = replace(
                packet, dst=entry.original.src, dport=packet.dport if packet.error or packet.protocol in ICMP else entry.original.sport, inner=inner
            )
        elif not destination and entry.dnat:
            # Errors of routers behind the translation come from the original destination too (nf_nat_icmp_reply_translation).
            packet = replace(
                packet, src=entry.original.dst, sport=packet.sport if packet.error or packet.protocol in ICMP else entry.original.dport, inner=inner
            )
        elif packet.error and destination:
            packet = replace(packet, inner=packet.inner)
        if packet != before:
            self.packet = packet
            self.recorder.step("nat", phrase("reversed", packet=packet), "rewrite")

    def _translate(self, rule: Rule, chain: Chain, context: HookContext, base: str) -> Verdict | None:
        if self.state.entry is None:
            return None
        return self.bind(self._wanted(rule, context), rule, chain, context, base)

    def bind(self, wanted: Translation | None, rule: AnyRule, chain: AnyChain, context: HookContext, base: str) -> Verdict:
        """Translate the packet and remember it in its entry (``nf_nat_setup_info``); without an address to take the kernel drops."""
        entry = self.state.entry
        if entry is None or wanted is None:
            return Verdict("drop", chain, rule, base, by="rule")
        before, packet = self.packet, self.packet
        if wanted.type == "destination":
            packet = replace(
                packet,
                dst=wanted.address if wanted.address is not None else packet.dst,
                dport=wanted.port if wanted.port is not None else packet.dport,
            )
            entry.dnat = entry.dnat or packet != before
        else:
            packet = replace(
                packet,
                src=wanted.address if wanted.address is not None else packet.src,
                sport=wanted.port if wanted.port is not None else packet.sport,
            )
            entry.snat = entry.snat or packet != before
        self.packet, self.translated = packet, True
        entry.reply = _reply_after(entry, packet, wanted.type)
        self._note_translation(rule, chain, context, before, wanted.type)
        return Verdict("accept", chain, rule, base, by="rule")

    def masquerade(self, device: str) -> None:
        """Take the address of the way out, as a nat table that nobody collected may do."""
        entry = self.state.entry
        address = masquerade_address(self.stack, device, self.next_hop, self.packet)
        if entry is None or entry.src_bound or address is None:
            return
        before, self.packet = self.packet, replace(self.packet, src=address)
        entry.snat = entry.src_bound = True
        entry.reply = _reply_after(entry, self.packet, "source")
        self.recorder.step("nat", phrase("nat-assumed", before=before, after=self.packet), "unknown")

    def _note_translation(self, rule: AnyRule, chain: AnyChain, context: HookContext, before: Packet, kind: str) -> None:
        family, after = before.family, self.packet
        source = kind == "source"
        old, new = (before.src, after.src) if source else (before.dst, after.dst)
        lines: tuple[Line, ...] = rule_line(chain, rule)
        detail = {"table": "nat", "base": context.hook, "chain": chain.name, "policy": False, "decision": "ACCEPT", "spec": rule.spec}
        self.recorder.step(
            "nat",
            phrase("nat-becomes", hook=context.hook, target=rule.target.name, chain=chain.name, before=before, after=after),
            "rewrite",
            lines,
            **detail,
        )
        self.recorder.fact(
            "nat",
            self.stack,
            lines,
            type=kind,
            target=rule.target.name,
            backend=chain.table.backend,
            table=chain.table.name,
            chain=chain.name,
            number=rule.number,
            spec=rule.spec,
            before=to_text(old, family),
            after=to_text(new, family),
            before_port=before.sport if source else before.dport,
            after_port=after.sport if source else after.dport,
            src=to_text(before.src, family),
            dst=to_text(before.dst, family),
            in_device=context.in_device,
            out_device=context.out_device,
            out_type=self.stack.link(context.out_device).type if context.out_device else "",
            source_prefix=self._source_prefix(before),
            overlay=is_overlay(self.stack.link(context.out_device)) if context.out_device else False,
        )

    def _source_prefix(self, packet: Packet) -> str:
        """The longest on-link prefix of this stack that holds the packet's source (a bridge's subnet), or the host prefix."""
        nets = [
            a.network
            for a in self.stack.addresses
            if a.family == packet.family and a.network.holds(packet.src) and a.network.length < (32 if packet.family == 4 else 128)
        ]
        return str(max(nets, key=lambda n: n.length)) if nets else str(prefix(to_text(packet.src, packet.family)))

    def _wanted(self, rule: Rule, context: HookContext) -> Translation | None:
        """What a translating rule asks for; ``None`` if the kernel would drop for want of an address."""
        name, options, family = rule.target.name, rule.target.options, self.packet.family
        if name == "MASQUERADE":
            address = masquerade_address(self.stack, context.out_device, self.next_hop, self.packet)
            return Translation("source", address, _port_of(options.get("--to-ports", ""), self.packet.sport)) if address is not None else None
        if name == "REDIRECT":
            port = _port_of(options.get("--to-ports", ""), self.packet.dport)
            if context.hook == "OUTPUT":
                return Translation("destination", to_int("127.0.0.1" if family == 4 else "::1"), port)
            own = self.stack.addresses_of(context.in_device, family)
            return Translation("destination", own[0].value, port) if own else None
        if name == "NETMAP":
            source = context.hook in {"POSTROUTING", "INPUT"}
            target = prefix(options["--to"])
            old = self.packet.src if source else self.packet.dst
            mapped = target.value | (old & ~target.mask & ((1 << (32 if family == 4 else 128)) - 1))
            return Translation("source" if source else "destination", mapped, None)
        text = options.get("--to-source") or options.get("--to-destination") or ""
        address, port = _target_address(text, family, self.packet.sport if name == "SNAT" else self.packet.dport)
        return Translation("source" if name == "SNAT" else "destination", address, port)


def _reply_after(entry: Entry, packet: Packet, kind: str) -> Tuple:
    reply = entry.reply
    ported = packet.protocol not in ICMP
    if kind == "destination":
        return replace(reply, src=packet.dst, sport=packet.dport if ported else reply.sport)
    return replace(reply, dst=packet.src, dport=packet.sport if ported else reply.dport)


def masquerade_address(stack: NetStack, device: str, next_hop: int, packet: Packet) -> int | None:
    """Address that MASQUERADE takes: the device's primary address in the next hop's subnet, else its first primary.

    The route's ``src``, secondary addresses and those of scope link are ignored (``nf_nat_masquerade.c``, ``inet_select_addr``); IPv6 selects as
    for a packet without a source.
    """
    family = packet.family
    if family == 6:
        return select(stack, packet.dst, device)
    own = [a for a in stack.addresses_of(device, family) if not a.secondary and a.scope not in {"host", "link"}]
    for address in own:
        if address.network.holds(next_hop):
            return address.value
    if own:
        return own[0].value
    others = [a for a in stack.addresses if a.family == family and not a.secondary and a.scope == "global"]
    return others[0].value if others else None


def _port_of(text: str, current: int) -> int | None:
    """A port: of a range the packet's own if it lies inside, else the first (``nf_nat_l4proto_unique_tuple``)."""
    low, _, high = text.partition("-")
    if not low:
        return None
    first = port_number(low)
    return current if first <= current <= port_number(high or low) else first


def _target_address(text: str, family: int, current: int) -> tuple[int | None, int | None]:
    """``10.0.0.2:80``, ``10.0.0.2-10.0.0.9:80-90``, ``:80``, ``[fd00::1]:80`` → first address, and port for a packet with port ``current``."""
    port = ""
    if family == 6:
        if text.startswith("["):
            text, _, port = text[1:].partition("]")
            port = port.lstrip(":")
    else:
        text, _, port = text.partition(":")
    low = text.partition("-")[0]
    return (to_int(low) if low else None), _port_of(port.partition("/")[0], current)


def _mask(text: str | None) -> int:
    return int(text, 0) if text else 0xFFFFFFFF


def _mark_words(options: Mapping[str, str]) -> tuple[int, int]:
    """(value, mask) of MARK's options: new mark = (mark & ~mask) ^ value."""
    for name in ("--set-xmark", "--set-mark"):
        if name in options:
            value, _, mask = options[name].partition("/")
            number, bits = int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF
            return (number, bits) if name == "--set-xmark" else (number, bits | number)
    if "--and-mark" in options:
        return 0, ~int(options["--and-mark"], 0) & 0xFFFFFFFF
    if "--or-mark" in options:
        value_or = int(options["--or-mark"], 0)
        return value_or, value_or
    if "--xor-mark" in options:
        return int(options["--xor-mark"], 0), 0
    return 0, 0


class _Around:
    """What matches may ask of the stack (:class:`~engine.model.netfilter.matches.Surroundings`)."""

    __slots__ = ("choices", "recorder", "stack")

    def __init__(self, stack: NetStack, choices: Choices, recorder: Recorder) -> None:
        self.stack = stack
        self.choices = choices
        self.recorder = recorder

    def address_type(self, family: int, value: int, device: str = "") -> str:
        return self.stack.address_type(family, value, device)

    def address_kinds(self, value: int, device: str) -> set[str]:
        return self.stack.address_kinds(value, device)

    def in_set(self, name: str, directions: tuple[str, ...], packet: Packet, context: HookContext) -> bool | None:
        found = self.stack.ipsets.get(name)
        if found is None:
            return None
        return found.holds(directions, packet, context, self.stack.ipsets)[0]

    def reverse_path(self, packet: Packet, context: HookContext, *, loose: bool, accept_local: bool) -> bool | None:
        from engine.model.fib import Key

        found = self.stack.fib.lookup(Key(packet.family, packet.src, packet.dst, mark=packet.mark))
        if found.type == "local":
            return accept_local or context.in_device == "lo"
        if found.type != "unicast" or found.route is None:
            return None if found.unknown else False
        return loose or any(h.device == context.in_device for h in found.route.hops)
