"""One run of the walk: a packet moves through stacks until it ends.

The order of decisions is the kernel's: ``ip_rcv`` → PREROUTING → ``ip_route_input`` → INPUT or forward → POSTROUTING → transmit; bridged frames
pass netfilter first if bridge-nf calls it (``br_netfilter_hooks.c``); tunnels start a new packet at OUTPUT (``vxlan_core.c``, ``ip_tunnel_core.c``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.inet import to_text
from engine.model.fib import Key, anycast
from engine.model.links import UNWALKED, VIRTUAL_TYPES, is_overlay
from engine.model.netfilter.ruleset import HOOK_TABLES
from engine.model.network import Network, Port
from engine.phrases import phrase, spoken
from engine.walk import bridges, frames, ipvs, limits, mtu, otherwise, segment, traffic, transforms, tunnels, vxlan, wireguard
from engine.walk.errors import FORWARD_ICMP, FORWARD_ICMP6, LOCAL_ERRNO, reject_name
from engine.walk.hooks import calls, late
from engine.walk.layer2 import on_link, source_prefix
from engine.walk.netfilter import Passage, Verdict
from engine.walk.place import At, End
from engine.walk.recorder import Recorder, line_of, policy_line, rule_line
from engine.walk.routing import Parameter, Way, find_way, forwarding, localnet_key, localnet_routed, martian, source_for, validate_source
from engine.walk.source6 import select
from engine.walk.trace import Disposition, Line, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact
    from engine.model.links import Link
    from engine.model.packet import Entry, Packet, State
    from engine.model.stack import NetStack
    from engine.walk.choices import Choices
    from engine.walk.ipvs import Connection

SENDING = frozenset({"unicast", "local", "reject"})
"""Results of a look-up by which a packet gets as far as OUTPUT: routes of IPv6 that reject do so only after it."""
LINK_LOCAL = 0x3FA
"""First ten bits of link-local addresses (fe80::/10)."""
MAX_HOPS = 200
"""Stack traversals of one packet, whatever its TTL: bridges do not count it down, and tunnels start anew."""


def _first_ttl(stack: NetStack, family: int, device: str) -> int | None:
    """TTL or hop limit of what a stack sends (``ip4_dst_hoplimit``, ``ip6_dst_hoplimit``), ``None`` if it was not seen."""
    return stack.sysctl("net.ipv4.ip_default_ttl") if family == 4 else stack.device_sysctl(6, device, "hop_limit")[0]


def _described(packet: Packet) -> dict[str, object]:
    """Fields of a ``drop`` fact that tell the packet as it is there."""
    src, dst = to_text(packet.src, packet.family), to_text(packet.dst, packet.family)
    return {"src": src, "dst": dst, "sport": packet.sport, "dport": packet.dport, "protocol": packet.protocol, "mark": packet.mark}


def _decided(verdict: Verdict | None) -> dict[str, object]:
    """What a drop tells of the chain and rule that decided; nothing where netfilter did not."""
    if verdict is None or verdict.chain is None:
        return {}
    chain, rule = verdict.chain, verdict.rule
    told: dict[str, object] = {"backend": chain.table.backend, "table": chain.table.name, "chain": chain.name, "base_chain": verdict.base}
    if rule is not None:
        told |= {
            "number": rule.number,
            "spec": rule.spec,
            "target": rule.target.name,
            "path": " → ".join(f"{c.name} {r.number}" for c, r in verdict.path),
        }
    if verdict.reject_with:
        told["reject_with"] = verdict.reject_with
    return told


@dataclass(slots=True)
class Walker:
    """State of one run."""

    network: Network
    choices: Choices
    recorder: Recorder
    conntrack: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)
    hops: int = 0
    depth: int = 0
    sent_by: tuple[NetStack, str] | None = None
    """Stack and device that routed the packet last."""
    virtual: dict[tuple[str, str], list[Connection]] = field(default_factory=dict)
    """Stack → connections that IPVS gave to servers there."""
    met: dict[tuple[tuple[str, str, str], int], Port] = field(default_factory=dict)
    """(Device, address) → who asked that device for an address under its own: it need not be asked for in turn (``neigh_event_ns``)."""
    any_port: bool = False
    """The client left the choice of its port to the kernel."""
    sized: bool = False
    """The walk is about sizes: drops tell how big the packet was."""
    large: bool = False
    """Large packets are what was complained of: a card that may lose them is taken to do so."""
    wrapped: set[str] = field(default_factory=set)
    """Directions in which IPsec carries the packet: policies of the receiver take it, whatever its addresses were translated to."""
    came_via: dict[tuple[str, str], str] = field(default_factory=dict)
    """Stack → address of the stack that sent it the request, on the shared segment: where its answer could go."""

    # --- plumbing -------------------------------------------------------------------------------------------------

    def passage(self, at: At) -> Passage:
        """The packet's way through the netfilter of the stack that it is in."""
        entries = self.conntrack.setdefault((at.stack.node, at.stack.name), [])
        passage = Passage(at.stack, at.packet, entries, self.choices, self.recorder)
        if at.state is not None:
            passage.state, passage.tracked = at.state, True
        return passage

    def carry(self, at: At) -> End:
        """Move a packet until it ends."""
        place: At | End = at
        while isinstance(place, At):
            self.hops += 1
            if self.hops > MAX_HOPS:
                return self.stop(place, "loop", Disposition.LOOPED, phrase("circles"))
            place = self._output(place) if place.how == "output" else self._arrive(place)
        return place

    def stop(
        self,
        at: At,
        by: str,
        disposition: Disposition,
        summary: str,
        lines: tuple[Line, ...] = (),
        *,
        error: str = "",
        errno: str = "",
        origin: Fact | None = None,
        verdict: Verdict | None = None,
        out: str = "",
        hook: str = "",
        gateway: str = "",
        packet: Packet | None = None,
        state: State | None = None,
        physout: str = "",
        limit: mtu.Limit | None = None,
        parameter: Parameter | None = None,
        back: str | None = None,
        say: bool = True,
    ) -> End:
        """End a packet: write the step and the ``drop`` fact."""
        packet = packet or at.packet
        rejected = bool(error)
        if say:
            self.recorder.step(by, summary, "reject" if rejected else "drop", lines)
        family = packet.family
        self.recorder.fact(
            "drop",
            at.stack,
            lines,
            origin,
            by=by,
            effect="rejected" if rejected else "no-route" if disposition is Disposition.NO_ROUTE else "dropped",
            hook=hook,
            **_decided(verdict),
            **_described(packet),
            ctstate=(state.name or None) if state else None,
            return_via=self.came_via.get((at.stack.node, at.stack.name)) if self.recorder.direction != "request" else None,
            in_device=at.came_by,
            out_device=out,
            physin_device=at.physin,
            physout_device=physout,
            gateway=gateway,
            source_prefix=source_prefix(self.network, packet.src, family, to_text(packet.src, family)),
            size=packet.size if self.sized or limit is not None else None,
            mtu=limit.octets if limit is not None else None,
            device=limit.device if limit is not None else None,
            key=parameter.key if parameter is not None else None,
            value=parameter.value if parameter is not None else None,
            back_device=back,
            text=str(summary) if verdict is None and summary else None,
            text_zh=spoken(summary, "zh") if verdict is None and summary else None,
        )
        told = limit.octets if limit is not None else 0
        made_here = at.how == "output"
        where = out or at.device
        return End(disposition, at.stack, packet, where, errno, error, state, made_here, mtu=told, physin=at.physin, in_device=at.came_by)

    def _too_big(self, at: At, way: Way, packet: Packet, state: State | None, *, made_here: bool) -> End | None:
        """A packet larger than its way lets out: told to its sender, unless it may be cut into fragments."""
        if made_here and not packet.df and not self.depth:
            return None  # in IPv6 too its maker may cut it
        limit = mtu.way_limit(at.stack, way, packet.family)
        if limit is None or packet.size <= limit.octets or (packet.family == 4 and not packet.df):
            return None
        local = at.how == "output"
        text = phrase("too-big", size=packet.size, octets=limit.octets, device=limit.device)
        return self.stop(
            at,
            "too-big",
            Disposition.TOO_BIG,
            text,
            line_of(limit.fact),
            error="" if local else mtu.TOO_BIG[packet.family],
            errno="EMSGSIZE" if local else "",
            origin=limit.fact,
            packet=packet,
            state=state,
            out=way.device,
            gateway=way.gateway,
            limit=limit,
        )

    # --- netfilter ------------------------------------------------------------------------------------------------

    def hook(self, at: At, passage: Passage, hook: str, **devices: str | bool) -> At | End | None:
        """Run all that is on a hook in order; ``None`` = the packet goes on.

        On OUTPUT the packet is routed again where a function changed what routing looks at; the hook's own devices stay those of the first routing
        decision, as in the kernel (``nf_hook_state``).
        """
        unseen = self._unseen(at, passage, hook, devices)
        if unseen is not None:
            return unseen
        queue = calls(at.stack, hook, passage.packet.family, late(at.stack, hook, passage.packet.family, self.choices))
        for call in queue:
            if call.kind == "ipvs":
                taken = ipvs.handle(self, at, passage, hook) if at.how != "ipvs" else None
                if taken is not None:
                    return taken
                continue
            before = passage.packet
            verdict = passage.run(call, passage.context(hook, **devices))
            if verdict.name != "accept":
                context = passage.context(hook, **devices)
                otherwise.note(passage, call, queue, verdict, context)
                return self.refuse(at, passage, hook, verdict, devices)
            if hook == "OUTPUT" and call.reroutes and passage.way is not None:
                passage.way = self._again(passage, before, passage.way, nat=call.kind == "nat")
                end = None
                if passage.way.type not in SENDING:
                    end = self.unroutable(at, passage.way, passage.packet, passage.state)
                elif passage.packet is not before:
                    end = self._loopback_source(at, passage.way, passage.packet)
                if end is not None:
                    # connect() went through by the first decision, and TCP takes a SYN that did not leave for a lost one (tcp_connect).
                    return replace(end, errno="") if passage.packet.protocol == "tcp" else end
        return None

    def _unseen(self, at: At, passage: Passage, hook: str, devices: Mapping[str, str | bool]) -> End | None:
        """A firewall that nobody collected: unknown on a node, assumed to be empty in a container (and said)."""
        stack, family = at.stack, passage.packet.family
        missing = [t for t in HOOK_TABLES[hook] if t in {"filter", "nat"} and not stack.netfilter.known(t, family, hook)]
        if not missing:
            return None
        whole = not stack.netfilter.tables and not stack.collected("netfilter")
        command = "iptables-save" if family == 4 else "ip6tables-save"
        what = "netfilter" if whole else "netfilter " + ", ".join(missing)
        where = stack.node if stack.is_host else stack.name
        partly = bool(stack.netfilter.tables) and "filter" not in missing
        why = phrase("nat-unseen", where=where) if partly else phrase("filter-unseen", where=where)
        unknown = Unknown(stack.node, stack.name, what, f"{command} -t nat" if partly else command, why)
        if not stack.is_host:
            self.recorder.assume(unknown)
            return None
        key = ("netfilter", stack.node, stack.name, family)
        if (whole or "filter" in missing) and self.choices.ask(key, ("passes", "drops"), unknown):
            summary = phrase("filter-assumed")
            return self.stop(at, "unknown", Disposition.DROPPED, summary, packet=passage.packet)
        if "nat" in missing and self._may_masquerade(at, passage, hook, devices):
            why = phrase("masquerade-unseen", node=stack.node)
            unknown = Unknown(stack.node, stack.name, "netfilter nat", f"{command} -t nat", why)
            if self.choices.ask(("nat", stack.node, stack.name, family), (phrase("is-not-translated"), phrase("is-masqueraded")), unknown):
                passage.masquerade(str(devices.get("out_device", "")))
        elif "nat" in missing and not whole:
            self.recorder.assume(unknown)
        return None

    def _may_masquerade(self, at: At, passage: Passage, hook: str, devices: Mapping[str, str | bool]) -> bool:
        """Whether a source translation is to be expected here: a new request is forwarded out of the segment that it came from."""
        forwarded = hook == "POSTROUTING" and at.how != "output" and not devices.get("bridged")
        return forwarded and not self.depth and passage.state.name == "NEW" and not passage.state.reply

    def refuse(self, at: At, passage: Passage, hook: str, verdict: Verdict, devices: Mapping[str, str | bool]) -> End:
        """End a packet that a chain refused."""
        out = str(devices.get("out_device", ""))
        rule = verdict.rule
        where = verdict.chain.name if verdict.chain else ""
        table = verdict.chain.table.name if verdict.chain else ""
        lines = self._lines(verdict)
        state = passage.state
        packet = passage.packet
        physout = str(devices.get("physout", ""))
        # send() fails at once; connect() of TCP only repeats its SYN.
        errno = "EPERM" if at.how == "output" and packet.protocol != "tcp" else ""
        if verdict.name == "reject":
            error = reject_name(verdict.reject_with)
            end = self.stop(
                at,
                "rule",
                Disposition.REJECTED,
                phrase("rejects", table=table, chain=where, error=error),
                lines,
                error=error,
                verdict=verdict,
                out=out,
                hook=hook,
                packet=packet,
                state=state,
                physout=physout,
                say=False,
            )
            return replace(end, errno=errno, local=hook == "INPUT")
        by = verdict.by or ("rule" if rule else "policy")
        end = self.stop(
            at,
            by,
            Disposition.DROPPED,
            phrase("drops-in", table=table, chain=where),
            lines,
            verdict=verdict,
            out=out,
            hook=hook,
            packet=packet,
            state=state,
            errno=errno,
            physout=physout,
            say=False,
        )
        passage.forget()
        return end

    @staticmethod
    def _lines(verdict: Verdict) -> tuple[Line, ...]:
        if verdict.chain is None:
            return ()
        return rule_line(verdict.chain, verdict.rule) if verdict.rule is not None else policy_line(verdict.chain)

    # --- local output ---------------------------------------------------------------------------------------------

    def _output(self, at: At) -> At | End:
        at = self._heard(at)
        stack, packet = at.stack, at.packet
        way = find_way(stack, self.key(packet), self.choices)
        chooses = way.type in {"unicast", "local"} or packet.family == 6
        source = packet.src or (source_for(stack, way, packet.family, packet.dst) if chooses else None)
        self.recorder.enter(stack, "", replace(packet, src=source or 0))
        failed = way.type not in SENDING
        refused = self._foreign(at, way) if packet.family == 6 and packet.src else None
        if refused is None and failed and (packet.family == 4 or packet.src or source is None):
            refused = self.unroutable(at, way, packet, None)
        if refused is not None:
            return refused
        if packet.src == 0:
            found = self._from(at, way, source, failed=failed)
            if isinstance(found, End):
                return found
            way, packet = found
        if packet.error and packet.family == 6 and anycast(way.found, packet.dst):
            text = phrase("anycast-error", dst=to_text(packet.dst, 6))
            return self.stop(at, "socket", Disposition.DROPPED, text, way.lines)
        packet = replace(packet, ttl=_first_ttl(stack, packet.family, self._out(way)) or packet.ttl)
        at = replace(at, packet=packet)
        refused = self._foreign(at, way) or self._loopback_source(at, way, packet) or self._too_big(at, way, packet, None, made_here=True)
        if refused is not None:
            return refused
        refused = self._portless(at, way, packet) or transforms.sent(self, at, packet, self._out(way), made_here=True)
        if refused is not None:
            return refused
        passage = self.passage(at)
        passage.way = way
        ended = self.hook(at, passage, "OUTPUT", out_device=self._out(way))
        if ended is not None:
            return ended
        if passage.way.type == "reject":
            return self.unroutable(at, passage.way, passage.packet, passage.state)
        return self.post(replace(at, packet=passage.packet), passage, passage.way, "output", "")

    def _heard(self, at: At) -> At:
        """An ICMPv6 error with its source: one of the device that the culprit came in by, unless its route names one.

        It is chosen before the way, which policy rules may then refuse for that source (``icmp6_send``, ``icmpv6_rt_has_prefsrc``).
        """
        packet = at.packet
        if packet.src or packet.family == 4 or not at.heard_on:
            return at
        way = find_way(at.stack, self.key(packet), self.choices)
        named = way.type in SENDING and way.found.route is not None and way.found.route.src
        chosen = None if named else select(at.stack, packet.dst, at.heard_on)
        return at if chosen is None else replace(at, packet=replace(packet, src=chosen))

    def _from(self, at: At, way: Way, source: int | None, *, failed: bool) -> tuple[Way, Packet] | End:
        """The way of a packet that gets its source now.

        connect() looks the way up again with the source that it chose (``ip_route_connect``), in IPv6 only if there was none without it
        (``ip6_dst_lookup_tail``); ICMP errors and tunnels do not.
        """
        if source is None:
            return self.stop(at, "no-route", Disposition.NO_ROUTE, phrase("no-source"), way.lines, errno="EADDRNOTAVAIL")
        packet = replace(at.packet, src=source)
        if failed or (packet.family == 4 and not packet.error and not self.depth):
            way = find_way(at.stack, self.key(packet), self.choices)
            if way.type not in SENDING:
                return self.unroutable(at, way, packet, None)
        return way, packet

    def _foreign(self, at: At, way: Way) -> End | None:
        """What a stack makes must bear an address of its own, unless its maker asked for freedom (``ip_route_output_key_hash_rcu``)."""
        stack, packet = at.stack, at.packet
        client = self.recorder.direction == "request"
        if packet.family == 6 and (self.depth or packet.error or not (client or packet.protocol == "udp")):
            return None  # only bind() and sendmsg() ask
        if at.any_source or not stack.collected("addresses") or stack.address_type(packet.family, packet.src) in {"LOCAL", "ANYCAST"}:
            return None
        text = phrase("not-own-address", src=to_text(packet.src, packet.family))
        return self.stop(at, "no-route", Disposition.NO_ROUTE, text, way.lines, errno="ENETUNREACH" if packet.family == 4 else "EADDRNOTAVAIL")

    def _portless(self, at: At, way: Way, packet: Packet) -> End | None:
        """Connect() finds no local port (``__inet_hash_connect``)."""
        if not self.any_port or self.depth or self.recorder.direction != "request" or packet.error or packet.tcp_flags != {"SYN"}:
            return None
        bounds = limits.portless(at.stack, packet, self._out(way))
        if bounds is None:
            return None
        fact = at.stack.sysctls.get(limits.RANGE)
        text = phrase("no-port-free", low=bounds[0], high=bounds[1], dst=to_text(packet.dst, packet.family), port=packet.dport)
        return self.stop(at, "ports", Disposition.DROPPED, text, line_of(fact), errno="EADDRNOTAVAIL", origin=fact, packet=packet, out=way.device)

    def _loopback_source(self, at: At, way: Way, packet: Packet) -> End | None:
        """127.0.0.0/8 leaves by lo only, unless route_localnet is on (``__mkroute_output``)."""
        if packet.family != 4 or packet.src >> 24 != 127 or self._out(way) == "lo" or localnet_routed(at.stack, way.device):
            return None
        return self.stop(
            at,
            "martian",
            Disposition.NO_ROUTE,
            phrase("may-not-leave", src=to_text(packet.src), device=way.device),
            way.lines,
            errno="EINVAL",
            packet=packet,
            out=way.device,
            parameter=Parameter(localnet_key(way.device), 0),
        )

    @staticmethod
    def _out(way: Way) -> str:
        return "lo" if way.type == "local" else way.device

    def _again(self, passage: Passage, before: Packet, way: Way, *, nat: bool) -> Way:
        """Re-route after mangle OUTPUT changed what routing looks at (``ip_route_me_harder``), or nat the destination; the source address stays.

        What else a nat chain changed, such as the mark, then counts as well, but is no reason by itself (``nf_nat_ipv4_local_fn``).
        """
        now = passage.packet
        changed = now.dst != before.dst if nat else (now.dst, now.src, now.mark, now.tos) != (before.dst, before.src, before.mark, before.tos)
        if not changed:
            return way
        # Groups and link-local addresses stay with their device (ip6_route_me_harder).
        bound = now.family == 6 and (now.dst >> 120 == 0xFF or now.dst >> 118 == LINK_LOCAL)
        found = find_way(passage.stack, self.key(now)._replace(oif=way.device if bound else ""), self.choices)
        return way if found.type == "multicast" else found

    @staticmethod
    def key(packet: Packet, iif: str = "") -> Key:
        """What the FIB is asked for a packet."""
        key = Key(packet.family, packet.dst, packet.src or None, iif, "", packet.mark, packet.protocol, packet.sport, packet.dport, tos=packet.tos)
        return key._replace(kernel=True) if packet.error else key

    def unroutable(self, at: At, way: Way, packet: Packet, state: State | None) -> End:
        """A lookup that gave no next hop; forwarded packets are answered by ICMP, local ones by an errno."""
        stack = at.stack
        local = at.how == "output"
        unknown = self.unknown_routes(at, way)
        if unknown is not None:
            return unknown
        kind = "none" if way.type == "unreachable" and way.found.route is None else way.type
        # Of a rejecting route the sender is told by ICMPv6 as anybody else (ip6_pkt_discard_out).
        told = not local or kind == "reject"
        error = (FORWARD_ICMP if packet.family == 4 else FORWARD_ICMP6).get(kind, "") if told else ""
        errno = "" if told else LOCAL_ERRNO.get(kind, "ENETUNREACH")
        if local and kind == "broadcast" and packet.protocol == "tcp":
            errno = "ENETUNREACH"  # tcp_v4_connect; only datagrams may be broadcast, and need leave to (EACCES)
        dst = to_text(packet.dst, packet.family)
        if way.type == "none":
            summary, by = phrase("no-route", dst=dst), "no-route"
        elif way.type == "broadcast":
            summary, by = phrase("broadcast", dst=dst), "blocked-route"
        else:
            covers = "route-covers" if way.found.route is not None else "rule-covers"
            summary, by = phrase(covers, type=way.type, dst=dst), "blocked-route"
        lines = way.lines or self._listing(stack, summary)
        return self.stop(at, by, Disposition.NO_ROUTE, summary, lines, error=error, errno=errno, origin=way.fact, packet=packet, state=state)

    @staticmethod
    def _listing(stack: NetStack, summary: str) -> tuple[Line, ...]:
        """The routing table as a whole is the evidence that something is not in it."""
        listed = next((f for f in stack.facts("collected") if f.fields.get("what") == "routes"), None) or next(iter(stack.facts("route")), None)
        return (Line(stack.node, stack.name, listed.source.name, 0, summary),) if listed is not None else ()

    def unknown_routes(self, at: At, way: Way) -> End | None:
        """No route in tables that were never seen is no finding."""
        stack, family = at.stack, at.packet.family
        missing = [t for t in way.found.unknown if t not in {"default", "local"}]
        if way.type != "none" or not missing:
            return None
        command = "ip route show table all" if family == 4 else "ip -6 route show table all"
        unknown = Unknown(
            stack.node,
            stack.name,
            "routes",
            command,
            phrase("routes-unseen", where=stack.node if stack.is_host else stack.name, table=missing[0]),
        )
        self.choices.ask(("routes", stack.node, stack.name, missing[0]), ("unknown",), unknown)
        self.recorder.step("route", phrase("table-unseen"), "unknown")
        return End(Disposition.DEPENDS, stack, at.packet, at.device)

    # --- arrival --------------------------------------------------------------------------------------------------

    def _say_unwalked(self, stack: NetStack, device: str) -> None:
        """A device, or the one that it is enslaved to, does what the walk does not follow: said, and passed over."""
        link = stack.link(device)
        for each in (link, *([stack.link(link.master)] if link.master else [])):
            if each.type in UNWALKED:
                why = phrase("not-modelled", what=f"{each.type} {each.name} ({device})")
                self.recorder.assume(Unknown(stack.node, stack.name, f"{each.type} {each.name}", f"ip -d link show dev {each.name}", why))

    def _arrive(self, at: At) -> At | End:
        stack = at.stack
        link = stack.link(at.device)
        self._say_unwalked(stack, at.device)
        if at.how == "frame":
            self.recorder.enter(stack, at.device, at.packet)
            if link.up is False:
                return self.stop(at, "device", Disposition.DROPPED, phrase("device-down", device=link.name), line_of(link.fact), origin=link.fact)
            passed = frames.ingress(self, at)
            if not isinstance(passed, At):
                return passed
            if link.master and stack.is_bridge(link.master):
                return bridges.arrive(self, passed, link)
            at = self._upper(passed)
            if at is not passed:
                return at
        return self.received(at)

    def _upper(self, at: At) -> At:
        """A frame for a macvlan or ipvlan device goes there before the stack of its lower device sees it (``macvlan_handle_frame``)."""
        lower = self.network.lower(at.station) if at.station is not None else None
        if at.station is None or lower is None or lower.key != (at.stack.node, at.stack.name, at.device):
            return at
        return At(at.station.stack, at.station.link.name, at.packet, "frame", at.station)

    def received(self, at: At) -> At | End:
        """``ip_rcv``: PREROUTING, then the routing decision."""
        passage = self.passage(at)
        if at.packet.family == 6 and at.device != "lo" and 1 in {at.packet.src, at.packet.dst}:
            text = phrase("not-unicast", src=to_text(at.packet.src, 6), dst=to_text(at.packet.dst, 6))
            return self.stop(at, "martian", Disposition.SOURCE_INVALID, text)  # ::1 is on lo only (ip6_rcv_core)
        if at.how != "routed":
            ended = self.prerouting(at, passage, at.device, "")
            if ended is not None:
                return ended
        return self._route_input(replace(at, packet=passage.packet), passage)

    def prerouting(self, at: At, passage: Passage, device: str, physin: str) -> At | End | None:
        """The first hook of a packet that arrives."""
        return self.hook(at, passage, "PREROUTING", in_device=device, physin=physin, bridged=bool(physin))

    def _route_input(self, at: At, passage: Passage) -> At | End:
        stack, packet, device = at.stack, passage.packet, at.device
        self._note_sender(stack, device, packet)
        if at.kept is not None:
            if at.made_here or at.kept.type == "local":
                return self._local(replace(at, packet=packet), passage, at.kept)
            return self._forward(replace(at, packet=packet), passage, at.kept)
        invalid = martian(stack, packet, device)
        if invalid is not None:
            return self.stop(at, invalid.by, Disposition.SOURCE_INVALID, invalid.summary, invalid.lines, packet=packet, parameter=invalid.parameter)
        way = find_way(stack, self.key(packet, device), self.choices)
        if packet.family == 6 and way.type not in {"local", "unicast"}:
            return self.unroutable(at, way, packet, passage.state)  # told even by those that do not forward (ip6_pkt_drop)
        if way.type in {"local", "broadcast"}:
            refused = self._check_source(at, packet)
            if refused is None and way.type == "broadcast" and packet.protocol == "tcp":
                # Delivered here, but TCP takes nothing that was sent to a broadcast address (tcp_conn_request, tcp_v4_send_reset).
                return self.unroutable(at, way, packet, passage.state)
            return refused if refused is not None else self._local(replace(at, packet=packet), passage, way)
        allowed = self._may_forward(at, packet, way)
        if allowed is not None:
            return allowed
        if way.type != "unicast":
            return self.unroutable(at, way, packet, passage.state)
        refused = self._check_source(at, packet, way.device)
        if refused is not None:
            return refused
        return self._forward(replace(at, packet=packet), passage, way)

    def _note_sender(self, stack: NetStack, device: str, packet: Packet) -> None:
        """Remember by whom the request came: its address on the shared segment is where an answer could be sent."""
        if self.sent_by is None or self.recorder.direction != "request" or self.depth or device == "lo":
            return
        sender, out = self.sent_by
        via = next((a.text for a in sender.addresses_of(out, packet.family) if on_link(stack, device, a.value, packet.family)), "")
        if via and sender is not stack:
            self.came_via[stack.node, stack.name] = via
            src = to_text(packet.src, packet.family)
            self.recorder.fact(
                "arrival", stack, via=via, device=device, src=src, source_prefix=source_prefix(self.network, packet.src, packet.family, src)
            )

    def _check_source(self, at: At, packet: Packet, out_device: str = "") -> End | None:
        checked = validate_source(at.stack, packet, at.device, out_device)
        if checked.unknown is not None:
            answer = self.choices.ask(("rp", at.stack.node, at.stack.name, at.device), (phrase("off-or-loose"), "strict"), checked.unknown)
            if answer:
                return self.stop(at, "rp-filter", Disposition.SOURCE_INVALID, checked.unknown.why, packet=packet)
            return None
        if checked.ok:
            return None
        return self.stop(
            at,
            checked.by,
            Disposition.SOURCE_INVALID,
            checked.summary,
            checked.lines,
            packet=packet,
            out=out_device,
            parameter=checked.parameter,
            back=checked.back,
        )

    def _may_forward(self, at: At, packet: Packet, way: Way) -> End | None:
        stack = at.stack
        state = forwarding(stack, at.device, packet.family)
        out = way.device if way.type == "unicast" else ""
        if state.on is False:
            return self.stop(
                at,
                "forwarding",
                Disposition.NOT_FORWARDED,
                phrase("not-forwarding", key=state.key),
                state.lines,
                origin=state.fact,
                packet=packet,
                out=out,
                parameter=Parameter(state.key, 0),
            )
        if state.on is None:
            if stack.netfilter.forwarded_before():
                self.recorder.step("forwarding", phrase("forwarding-counted"), "pass")
                return None
            command = (
                f"sysctl net.ipv4.ip_forward net.ipv4.conf.{at.device}.forwarding" if packet.family == 4 else "sysctl net.ipv6.conf.all.forwarding"
            )
            unknown = Unknown(
                stack.node,
                stack.name,
                state.key,
                command,
                phrase("forwarding-unseen", where=stack.node if stack.is_host else stack.name, key=state.key),
            )
            if self.choices.ask(("forwarding", stack.node, stack.name, at.device, packet.family), ("on", "off"), unknown):
                return self.stop(at, "forwarding", Disposition.NOT_FORWARDED, phrase("forwarding-assumed", key=state.key), packet=packet, out=out)
        return None

    # --- forward and send -----------------------------------------------------------------------------------------

    def _forward(self, at: At, passage: Passage, way: Way) -> At | End:
        refused = transforms.checked(self, at, at.packet, "fwd")
        if refused is not None:
            return refused
        if at.packet.ttl <= 1:
            text = phrase("circles")
            error = "icmp-time-exceeded" if at.packet.family == 4 else "icmp6-time-exceeded"
            return self.stop(at, "loop", Disposition.LOOPED, text, way.lines, error=error, packet=at.packet, state=passage.state)
        if at.packet.listener:
            text = phrase("proxy-missed", port=at.packet.listener)
            return self.stop(at, "socket", Disposition.DROPPED, text, way.lines, packet=at.packet, state=passage.state)
        passage.way = way
        refused = transforms.sent(self, at, at.packet, way.device, made_here=False)
        refused = refused or self._too_big(at, way, at.packet, passage.state, made_here=False)
        if refused is not None:
            return refused
        passage.packet = replace(passage.packet, ttl=passage.packet.ttl - 1)
        self.note_route(at, way, "forward")
        ended = self.hook(at, passage, "FORWARD", in_device=at.device, out_device=way.device, physin=at.physin)
        if ended is not None:
            return ended
        return self.post(replace(at, packet=passage.packet), passage, way, "forward", at.device)

    def note_route(self, at: At, way: Way, how: str) -> None:
        """Step and ``hop`` fact of a routing decision."""
        route = way.found.route
        family = at.packet.family
        src, dst = to_text(at.packet.src, family), to_text(at.packet.dst, family)
        via = f" via {way.gateway}" if way.gateway else ""
        summary = phrase("routed", dst=route.dst if route else "?", via=via, device=way.device, table=route.table if route else "?")
        self.recorder.step("route", summary, "pass", way.lines)
        self.recorder.fact(
            "hop",
            at.stack,
            (),
            way.fact,
            seq=self.recorder.sequence(),
            how=how,
            in_device=at.device if how != "output" else "",
            out_device=way.device,
            src=src,
            dst=dst,
            gateway=way.gateway,
            table=route.table if route else "",
            route=str(route.dst) if route else "",
            source_prefix=source_prefix(self.network, at.packet.src, family, src),
        )

    def post(self, at: At, passage: Passage, way: Way, how: str, in_device: str) -> At | End:
        """POSTROUTING, then transmission."""
        out = self._out(way)
        if how == "output":
            self.note_route(at, way, "output")
        passage.next_hop = way.next_hop
        before = passage.packet
        ended = self.hook(at, passage, "POSTROUTING", in_device=in_device, out_device=out, physin=at.physin)
        if ended is not None:
            return ended
        entry = passage.state.entry
        if how == "forward" and self.recorder.direction == "request" and not self.depth and (entry is None or not entry.snat):
            family = before.family
            self.recorder.fact(
                "no_nat",
                at.stack,
                (),
                way.fact,
                src=to_text(before.src, family),
                dst=to_text(before.dst, family),
                in_device=in_device,
                out_device=out,
                out_type=at.stack.link(out).type,
                overlay=is_overlay(at.stack.link(out)),
                source_prefix=source_prefix(self.network, before.src, family, to_text(before.src, family)),
            )
        # Only a packet that OUTPUT sent another way is too big here.
        refused = self._too_big(replace(at, how="forward"), way, passage.packet, passage.state, made_here=how == "output")
        if refused is not None:
            # The stack tells its own sender by ICMP, and send() fails besides; TCP does not mind (ip_fragment, ip6_fragment).
            fails = how == "output" and passage.packet.protocol != "tcp"
            return replace(refused, at_sender=True, errno="EMSGSIZE") if fails else refused
        passage.confirm()
        self.recorder.leave(out)
        return self._transmit(replace(at, packet=passage.packet, state=passage.state), out, way)

    def _transmit(self, at: At, out: str, way: Way) -> At | End:
        stack, packet = at.stack, at.packet
        link = stack.link(out)
        self._say_unwalked(stack, out)
        limit = mtu.way_limit(stack, way, packet.family)
        if limit is not None and packet.size > limit.octets:
            packet = replace(packet, size=limit.octets)  # the first fragment
            at = replace(at, packet=packet)
        if not self.depth:
            self.sent_by = (stack, out)
        if link.up is not False and (out == "lo" or link.type in VIRTUAL_TYPES - {"bridge"}):
            passed = frames.egress(self, at, out)  # others send frames to a wire (segment.cross)
            passed = (traffic.queued(self, passed, out) or passed) if isinstance(passed, At) else passed
            if not isinstance(passed, At):
                return passed
            at, packet = passed, passed.packet
        if out == "lo" and link.up is not False:
            return At(stack, "lo", packet, "frame", state=at.state, kept=way, made_here=at.how == "output" or at.made_here)
        if link.up is False:
            # Routes to own addresses outlive lo, which then swallows what is sent without a word.
            return self.stop(
                at,
                "device",
                Disposition.DROPPED,
                phrase("device-down", device=out),
                line_of(link.fact),
                origin=link.fact,
                out=out,
                errno="ENETUNREACH" if at.how == "output" and out != "lo" else "",
            )
        return self._hand_over(at, link, way)

    def _hand_over(self, at: At, link: Link, way: Way) -> At | End:
        """What a device does with a packet, by its type."""
        stack, out = at.stack, link.name
        at = replace(at, packet=replace(at.packet, mac=link.frame_address))
        if link.type == "vxlan":
            return vxlan.send(self, at, link, way)
        if link.type in {"ipip", "sit", "gre"}:
            return tunnels.send(self, at, link, way)
        if link.type == "tun":
            return tunnels.to_program(self, at, link, way)
        if link.type == "wireguard":
            return wireguard.send(self, at, link)
        if link.type == "dummy":
            return self.stop(at, "device", Disposition.DROPPED, phrase("dummy", device=out), line_of(link.fact), origin=link.fact, out=out)
        return segment.send(self, at, Port(stack, link), way)

    # --- local delivery -------------------------------------------------------------------------------------------

    def _local(self, at: At, passage: Passage, way: Way) -> At | End:
        self.recorder.step("route", phrase("local", dst=to_text(at.packet.dst, at.packet.family)))
        ended = self.hook(at, passage, "INPUT", in_device=at.device, physin=at.physin)
        if ended is not None:
            return ended
        refused = transforms.checked(self, at, passage.packet, "in")
        if refused is not None:
            return refused
        passage.confirm()
        packet = passage.packet
        if way.found.type == "anycast" and packet.tcp_flags == {"SYN"}:
            text = phrase("anycast-tcp", dst=to_text(packet.dst, 6))
            return self.stop(at, "socket", Disposition.DROPPED, text, packet=packet, state=passage.state)
        return End(Disposition.DELIVERED, at.stack, passage.packet, at.device, state=passage.state)
