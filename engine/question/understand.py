"""The question, understood: a symptom and options become flows, with everything that was assumed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.errors import QuestionError
from engine.findings import Question
from engine.question import absent, phrases
from engine.question.flows import Ask, Goal, flows_of
from engine.question.grammar import Mention, Roles, read
from engine.question.lookups import about_names, looked_up
from engine.question.names import Inventory
from engine.question.nodeports import at_nodes
from engine.question.notes import Notes, listed
from engine.question.observed import completed
from engine.question.parties import Cast, Party, say_who
from engine.question.tokens import MAX_PORT, error_class, fold, holds, packet_size, protocol_hint, spoken_port, tokens, without_noise, works

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.facts import FactBase
    from engine.question.names import Endpoint
    from engine.walk.trace import Flow

MAX_FALLBACK = 4
"""Machines that are tried for an end that nobody named."""


class Options(NamedTuple):
    """What the user gave by option; an option overrides the text."""

    from_: str | None = None
    to: str | None = None
    port: int | None = None
    protocol: str | None = None
    node: str | None = None


class Heard(NamedTuple):
    """What the text says, before any name is resolved."""

    error: str
    roles: Roles
    ask: Ask
    cross: bool
    """Whether the text says that the ends are on different nodes."""
    near: bool
    """Whether the text says that the ends are on one node."""
    names: bool = False
    """Whether the text is about looking names up."""
    name: str = ""
    """Name that was looked up; "" if the text names none."""
    text: str = ""
    """The symptom, folded."""


def understand(
    symptom: str,
    facts: FactBase,
    *,
    from_: str | None = None,
    to: str | None = None,
    port: int | None = None,
    protocol: str | None = None,
    node: str | None = None,
) -> Question:
    """Flows that a symptom and options ask about; raises :class:`~engine.errors.QuestionError` for an option that names nothing in the evidence."""
    options = Options(from_, to, port, protocol, node)
    inventory = Inventory(facts)
    notes = Notes()
    cast = Cast(inventory, notes, _node(inventory, node))
    _say_namespaces(facts, notes)
    heard = completed(hear(symptom, inventory.knows, options), options, inventory, notes)
    flows = _Asking(cast, heard, options).flows()
    mentioned = tuple(dict.fromkeys(m.text for m in (*heard.roles.senders, *heard.roles.targets) if m.known))
    question = Question(symptom, heard.error, flows, tuple(notes.assumptions), () if flows else tuple(notes.missing), mentioned)
    return question._replace(about_names=heard.names, name=heard.name)


def _say_namespaces(facts: FactBase, notes: Notes) -> None:
    """Where objects of tables without a NAMESPACE column were taken to be."""
    why = {
        "names": ("where other listings show them", "其他输出显示它们在该命名空间"),
        "context": ("as what was printed the same way", "与同样打印的其他对象一致"),
        "only": ("the only namespace of users in the evidence", "证据中唯一的用户命名空间"),
        "default": ("kubectl's own; a listing with -A would tell", "kubectl 的默认命名空间；带 -A 的列表可以确认"),
    }
    for fact in facts.of_kind("supposed_namespace"):
        (en, zh), (reason, told), space = listed(fact.get("names", ())), why[str(fact.get("by"))], fact.get("namespace")
        notes.assume(
            f"{en}: printed without a namespace, taken to be in {space} ({reason}).", f"{zh}：输出中没有命名空间，按 {space} 处理（{told}）。"
        )


def hear(symptom: str, known: Callable[[str], bool], options: Options) -> Heard:
    """Read the text; ``known(word)`` tells whether the evidence names something so."""
    folded = fold(symptom)
    cross, near = _says(folded, phrases.CROSS_NODE), _says(folded, phrases.SAME_NODE)
    told = fold(symptom)
    folded = without_noise(folded)
    error, masked = error_class(folded)
    roles = read(masked, symptom[: len(folded)], known)
    names = about_names(told) and (error in {"dns", "slow", "intermittent", ""} or (error == "timeout" and ":53" in told))
    ask = _ask(folded, masked, error, options)
    if not names:
        return Heard(error, roles, ask, cross, near, name=looked_up(told), text=told)
    name = looked_up(told)
    # What is looked up does not ask ("could not translate host name db to address").
    roles = roles._replace(senders=tuple(m for m in roles.senders if name not in {m.host, m.text.lower()} or not name))
    return Heard(error, roles, _of_names(folded, ask, options), cross, near, names, name, told)


def _of_names(folded: str, ask: Ask, options: Options) -> Ask:
    """A look-up asks UDP port 53, unless somebody says otherwise; ports in the text are mostly those of one query."""
    if options.protocol or options.port:
        return ask
    return ask._replace(port=ask.port if ask.port and holds(folded, ("port", "端口")) else 53, protocol="udp", hinted=53)


def _says(text: str, words: Sequence[str]) -> bool:
    return any(word in text for word in words if not word.isascii()) or holds(text, words)


def _ask(folded: str, masked: str, error: str, options: Options) -> Ask:
    """Port, protocol and size: options first, then what the failing clauses say."""
    if options.port is not None and not 0 < options.port <= MAX_PORT:
        message = f"no such port: {options.port}"
        raise QuestionError(message, f"--port takes a number from 1 to {MAX_PORT}")
    failing = _failing(masked, folded)
    port, spoken = spoken_port(failing)
    if not port and not any(token.port for token in tokens(failing)):
        port = _port_that_works(masked, folded)
    hint, hinted = protocol_hint(failing)
    protocol = options.protocol or ("" if options.port and hint == "icmp" else spoken or hint)
    if protocol == "icmp" and (port or options.port) and not options.protocol:
        protocol = ""
    return Ask(
        options.port or (0 if options.protocol == "icmp" else port),
        protocol,
        hinted,
        error,
        packet_size(folded),
        names_both=bool(options.from_ and options.to),
    )


def _port_that_works(masked: str, folded: str) -> int:
    """The one port that the clauses name that tell what works, where they speak of the machine itself: the same is asked for from elsewhere."""
    from engine.question.tokens import clauses

    working = ", ".join(folded[a:b] for a, b in clauses(masked) if works(masked, (a, b)))
    near = any(word in working for word in ("localhost", "127.0.0.1", "[::1]", "itself", "本机", "自己"))
    ports = {token.port for token in tokens(working) if token.port} | {spoken_port(working)[0]} if near else set()
    ports.discard(0)
    return ports.pop() if len(ports) == 1 else 0


def _failing(masked: str, folded: str) -> str:
    """The text without the clauses that tell what works."""
    from engine.question.tokens import clauses

    places = clauses(masked)
    return ", ".join(folded[a:b] for a, b in places if not works(masked, (a, b)) or len(places) == 1)


def _node(inventory: Inventory, name: str | None) -> str:
    """Node of the option ``--node``, as the evidence writes it."""
    if not name:
        return ""
    found = inventory.find(name, kinds=frozenset({"node"}))
    if not found:
        raise _unknown(inventory, "--node", name)
    return found[0].node


def _unknown(inventory: Inventory, option: str, name: str) -> QuestionError:
    near = inventory.near(name)
    known = list(dict.fromkeys(n.endpoint.name for n in inventory.named()))
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"the evidence names {listed(known)[0]}"
        if known
        else "the evidence names no machine; give an address"
    )
    if "." in name:
        hint += f"; for a DNS name give its address: {option} ADDRESS"
    return QuestionError(f"{option} {name}: nothing in the evidence has this name", hint)


def _shown(endpoint: Endpoint, mention: Mention) -> Endpoint:
    """The target under the name that the text gave its address ("db (10.2.0.9)")."""
    named = mention.address and mention.text and mention.text.replace("-", "").replace("_", "").isalnum() and not mention.text.isdigit()
    return endpoint.called(mention.text) if named else endpoint


class _Asking:
    """Both ends of one question, and the pairs that they make."""

    def __init__(self, cast: Cast, heard: Heard, options: Options) -> None:
        self.cast = cast
        self.notes = cast.notes
        self.inventory = cast.inventory
        self.heard = heard
        self.options = options

    def flows(self) -> tuple[Flow, ...]:
        """Flows to walk, likeliest first."""
        goals = self._target_mentions()
        self._say_absent(goals)
        senders = self._senders(goals)
        pairs = [self._from_outside(sender, goal) for sender, goal in self._near_or_far(self._pairs(senders, goals))]
        pairs, ask = at_nodes(self.inventory, self.cast.hosts(), pairs, self._asked(goals))
        made = flows_of(self.inventory, pairs, ask, self.notes)
        made = (*made, *self._proxied(made), *self._forwarded(made), *self._underneath())
        made = (*made, *self._arrived(made))
        if not made:
            self._lack(senders, goals)
        return made

    def _say_absent(self, goals: Sequence[Mention]) -> None:
        """Name what the evidence does not have, where nothing else stands for that end."""
        roles, options = self.heard.roles, self.options
        senders = () if options.from_ or any(m.known for m in roles.senders) else roles.senders
        targets = () if options.to or goals else roles.targets
        for mention in [m for m in (*senders, *targets) if not m.known][:MAX_FALLBACK]:
            self.notes.assume(*absent.said(self.inventory, mention))

    def _from_outside(self, sender: Endpoint, goal: Goal) -> tuple[Endpoint, Goal]:
        """Who is no machine of the evidence asks for a container by the port that its node publishes, unless an address was named."""
        target = goal.endpoint
        if sender.node or target.kind != "container" or target.fixed or not target.node:
            return sender, goal
        wanted = goal.port or self.heard.ask.port
        for fact in self.inventory.facts.of_kind("container"):
            if fact.node != target.node or str(fact.get("name", "")).lstrip("/") != target.name:
                continue
            ports = [p for p in fact.get("ports", ()) if p.get("host_port") and wanted in {0, p["host_port"], p.get("container_port")}]
            host = next((e for e in self.cast.hosts() if e.node == target.node and e.addresses), None)
            if ports and host is not None:
                several = not wanted and len({p["host_port"] for p in ports}) > 1
                return sender, Goal(host, goal.usual, int(ports[0]["host_port"]), str(ports[0].get("protocol", "tcp")), several)
        return sender, goal

    def _proxied(self, flows: Sequence[Flow]) -> tuple[Flow, ...]:
        """What docker-proxy asks for on behalf of a client that asked the node's loopback for a published port."""
        found: dict[Flow, None] = {}
        for flow in flows:
            if not flow.dst.startswith("127.") or flow.protocol != "tcp" or not flow.node:
                continue
            for fact in self.inventory.facts.of_kind("container"):
                ends = [str(e.get("address")) for e in fact.get("endpoints", ()) if e.get("address") and ":" not in str(e.get("address"))]
                inner = next((p for p in fact.get("ports", ()) if p.get("host_port") == flow.port and p.get("container_port")), None)
                if fact.node == flow.node and fact.get("runtime") == "docker" and inner is not None and ends:
                    port = int(inner["container_port"])
                    found[flow._replace(dst=ends[0], port=port, src="", from_name="docker-proxy", to_name=str(fact.get("name", ends[0])))] = None
        return tuple(found)

    def _forwarded(self, flows: Sequence[Flow]) -> tuple[Flow, ...]:
        """What servers of names ask their upstream servers, if the question is about a name from outside."""
        if not self.heard.names:
            return ()
        from engine.question.forwards import forwarded, outside

        return forwarded(self.inventory, flows, self.heard.name) if outside(self.inventory, self.heard.text, self.heard.name) else ()

    def _underneath(self) -> tuple[Flow, ...]:
        """What carries packets between nodes, if the question is about containers on different ones."""
        from engine.question.tunnels import OVERLAYS, underneath

        if self.options.to or not (self.heard.cross or holds(self.heard.text, OVERLAYS)):
            return ()
        flows = underneath(self.inventory)
        for flow in flows:
            self.notes.assume(
                f"Packets between nodes travel in UDP {flow.port}: whether {flow.to_name} takes that from another node is asked too.",
                f"节点之间的包封装在 UDP {flow.port} 中：同时检查 {flow.to_name} 是否接收来自其他节点的这类包。",
            )
        return flows

    def _arrived(self, made: Sequence[Flow]) -> tuple[Flow, ...]:
        """What captures show arriving where it is for, if it may be what is complained of."""
        from engine.question.arrivals import arrived

        if self.options.to or self.heard.names or self.heard.error not in {"", "timeout", "EHOSTUNREACH", "ECONNREFUSED"}:
            return ()
        known = {(flow.src, flow.dst, flow.port) for flow in made}
        flows = tuple(flow for flow in arrived(self.inventory.facts) if (flow.src, flow.dst, flow.port) not in known)
        for flow in flows:
            self.notes.assume(
                f"A capture shows {flow.src} arriving at {flow.to_name} for {flow.dst}, unanswered: what becomes of it there is asked too.",
                f"抓包显示 {flow.src} 发往 {flow.dst} 的包到达了 {flow.to_name} 而没有应答：同时检查它在那里的去向。",
            )
        return flows

    def _asked(self, goals: Sequence[Mention]) -> Ask:
        """A port that stands beside a name beats one that the text names elsewhere; an option beats both."""
        ask = self.heard.ask
        beside = any(m.port for m in goals)
        # "the host can't reach its own 192.168.1.5:3333": both ends were named, one machine though they are.
        own = any(m.role in {"own-host", "node"} for m in self.heard.roles.senders) and any(m.address and (m.port or ask.port) for m in goals)
        # "works on localhost:8080, not via the node IP".
        own = own or (any(m.role == "localhost" for m in self.heard.roles.senders) and any(m.role in {"own-host", "node"} for m in goals))
        named = ask.names_both or own or any(m.role in ("itself", "localhost") for m in goals)
        return ask._replace(port=0 if beside and not self.options.port and not self.heard.names else ask.port, names_both=named)

    # --- ends -----------------------------------------------------------------------------------------------------

    def _target_mentions(self) -> list[Mention]:
        if self.options.to:
            return [self._option("--to", self.options.to)]
        mentions = list(self.heard.roles.targets)
        if self.heard.names:
            return [m for m in mentions if m.address or m.role == "dns"] or [Mention(0, 0, "DNS", role="dns")]
        if self.heard.error == "wrong-source":
            # "is changed to the node's address" names the wrong source, not the target.
            mentions = [m for m in mentions if m.role not in {"node", "own-host"} and (m.port or not m.address)]
        addresses = [m for m in mentions if m.address or (m.port and m.known)]
        if addresses:
            return [self._with_product(m, mentions) for m in addresses]
        known = [m for m in mentions if m.known]
        return [m for m in known if m.host] + [m for m in known if not m.host]

    def _with_product(self, mention: Mention, others: Sequence[Mention]) -> Mention:
        """An address keeps the kind of the word beside it: "mysql at 10.2.0.9"."""
        role = next((m.role for m in others if m.role.startswith(("product:", "database"))), "")
        name = next(
            (
                m.text
                for m in others
                if m.host and m.known and not m.address and any(mention.host in e.addresses for e in self.inventory.find(m.host))
            ),
            "",
        )
        return mention._replace(role=mention.role or role, text=name or mention.text)

    def _option(self, option: str, value: str) -> Mention:
        """The mention that an option's value is; raises for a name that the evidence does not have."""
        folded = fold(value).strip()
        token = next((t for t in tokens(folded, value) if (t.start, t.end) == (0, len(folded))), None)
        mention = Mention(
            0,
            len(value),
            value.strip(),
            token.host if token else folded,
            address=token.address if token else False,
            port=token.port if token else 0,
            protocol=token.protocol if token else "",
        )
        if mention.address or self.inventory.find(mention.host, loose=False):
            return mention
        role = dict(phrases.ROLES).get(mention.host, f"product:{mention.host}" if mention.host in phrases.PRODUCTS else "")
        if role:
            return mention._replace(host="", role=role)
        if not self.inventory.find(mention.host, loose=True):
            raise _unknown(self.inventory, option, value)
        return mention

    def _senders(self, goals: Sequence[Mention]) -> tuple[Endpoint, ...]:
        if self.options.from_:
            return self._said_senders([self._option("--from", self.options.from_)], loose=True)
        # Nobody outside asks for a loopback address: "works from outside, but not on localhost".
        near = bool(goals) and all(m.role == "localhost" or m.host.startswith("127.") or m.host in {"localhost", "::1"} for m in goals)
        mentions = [m for m in self.heard.roles.senders if m.known and not (near and m.role in {"internet", "clients", "others"})]
        found = self._said_senders(mentions, loose=False)
        if near and not found:
            return self.cast.hosts()
        likely = found or self._likely_senders(goals)
        if not found and any(m.role in {"container", "pod"} for m in mentions) and not any(e.node for e in likely):
            # A container of the evidence's own was meant, and none was collected: somebody outside is no substitute.
            return ()
        return likely

    def _said_senders(self, mentions: Sequence[Mention], *, loose: bool) -> tuple[Endpoint, ...]:
        found: list[Endpoint] = []
        for mention in mentions:
            party = self.cast.sender(mention, loose=loose)
            say_who(self.notes, party, sends=True)
            found += party.endpoints
        on_node = [e for e in found if e.node == self.cast.node] if self.cast.node else []
        return tuple(on_node or found)

    def _likely_senders(self, goals: Sequence[Mention]) -> tuple[Endpoint, ...]:
        """Senders for a question that names none: who tried according to conntrack, else containers, else nodes, else a client outside."""
        if goals and all(m.role == "localhost" or m.host.startswith("127.") or m.host == "::1" for m in goals):
            # Only a machine itself reaches its loopback.
            own = [e for e in self.cast.hosts() if e.seen and self.cast.node in {"", e.node}]
            if own:
                return tuple(own[:MAX_FALLBACK])
        targets = [e for m in goals for e in self.cast.target(m, None, loose=bool(self.options.to)).endpoints]
        places = {(e.node, e.stack) for e in targets if e.seen}
        addresses = {a for e in targets for a in e.addresses}
        tried = [str(f.get("src")) for f in self.inventory.facts.of_kind("conntrack") if f.get("dst") in addresses and f.get("unreplied")]
        attempting = [
            e._replace(fixed=False) for e in map(self.inventory.at_address, dict.fromkeys(tried)) if e.seen and (e.node, e.stack) not in places
        ]
        containers = [e for e in self.cast.containers() if (e.node, e.stack) not in places and not (set(e.addresses) & addresses)]
        # Who stands behind the only Service that is asked for is not who asks.
        containers = [e for e in containers if not targets or not all(self.cast.serves(e, target) for target in targets)]
        # What the cluster runs for itself asks nobody's Services.
        containers = [e for e in containers if not e.name.startswith("kube-")] or containers
        hosts = [e for e in self.cast.hosts() if e.seen and (e.node, e.stack) not in places]
        on_node = [e for e in (*attempting, *containers, *self.cast.hosts()) if self.cast.node and e.node == self.cast.node]
        published = self._is_published(targets, goals)
        chosen = (
            on_node[:1]
            if self.cast.node and not (attempting or containers)
            else []
            if published
            else (attempting or [e for e in on_node if e in containers] or containers or hosts)[:MAX_FALLBACK]
        )
        if not chosen:
            return self.cast.outside() if targets else ()
        if chosen:
            en, zh = listed([e.name for e in chosen])
            self.notes.assume(
                f"The question names no sender; assumed: {en} (--from names another).", f"问题没有说明发起方；假定为 {zh}（可用 --from 指定）。"
            )
        return tuple(chosen)

    def _is_published(self, targets: Sequence[Endpoint], goals: Sequence[Mention]) -> bool:
        """Whether the port asked for is one that a container publishes on the target node: somebody outside asks then."""
        numbers = {m.port for m in goals} | {self.heard.ask.port, self.options.port or 0}
        if any(m.role in ("published", "nodeport") for m in goals):
            return True
        facts = self.inventory.facts
        ports = {int(p["host_port"]) for f in facts.of_kind("container") for p in f.get("ports", ()) if p.get("host_port")}
        ports |= {int(p["node_port"]) for f in facts.of_kind("service") for p in f.get("ports", ()) if p.get("node_port")}
        given = {str(ip) for f in facts.of_kind("service") for ip in (*f.get("external_ips", ()), *f.get("ingress_ips", ()))}
        if any(given & set(e.addresses) for e in targets):
            return True
        translated = any("-j DNAT" in spec and " -d " not in f" {spec}" for spec in self.cast.rules_of(sorted(numbers - {0})))
        return (translated or bool(numbers & ports)) and any(e.kind == "node" for e in targets)

    # --- pairs ----------------------------------------------------------------------------------------------------

    def _pairs(self, senders: Sequence[Endpoint], goals: Sequence[Mention]) -> list[tuple[Endpoint, Goal]]:
        pairs: list[tuple[Endpoint, Goal]] = []
        for mention in goals:
            parties = [(sender, self.cast.target(mention, sender, loose=bool(self.options.to))) for sender in senders]
            self._say_target(parties, mention)
            pairs += [
                (sender, Goal(_shown(endpoint, mention), party.usual, mention.port, mention.protocol))
                for sender, party in parties
                for endpoint in self._not_behind(sender, party.endpoints, mention)
            ]
        vague = all(m.role == "database" or m.role.startswith("product:") for m in goals)
        if not pairs and vague:
            usual = self.cast.usual(goals[0]) if goals else ()
            port, protocol = next(((m.port, m.protocol) for m in self.heard.roles.targets if m.port), (0, ""))
            pairs = [(sender, Goal(endpoint, usual, port, protocol)) for sender in senders for endpoint in self._likely_targets(sender)]
            self._say_likely([goal.endpoint.name for _, goal in pairs])
        return pairs

    def _not_behind(self, sender: Endpoint, endpoints: Sequence[Endpoint], mention: Mention) -> Sequence[Endpoint]:
        """Targets without the Services that the sender itself stands behind, unless the user named the sender."""
        named = self.options.from_ or any(m.host for m in self.heard.roles.senders)
        if named or mention.role == "own-service":
            return endpoints
        return [e for e in endpoints if not self.cast.serves(sender, e)]

    def _say_target(self, parties: Sequence[tuple[Endpoint, Party]], mention: Mention) -> None:
        if mention.role in ("internet", "localhost", "itself", "dns") or not parties:
            return
        alone = parties[0][0] if len(parties) == 1 else None
        names = {
            e.place: e
            for _, party in parties
            for e in party.endpoints
            if alone is None or not e.seen or (e.node, e.stack) != (alone.node, alone.stack)
        }
        say_who(self.notes, parties[0][1]._replace(endpoints=tuple(names.values())), sends=False)

    def _likely_targets(self, sender: Endpoint) -> tuple[Endpoint, ...]:
        """Targets for a question that names none: what the sender tried, else the other machines, else the internet."""
        unknown = [m for m in self.heard.roles.targets if not m.known]
        if not sender.node:
            return self.cast.published()
        tried = [str(f.get("dst")) for f in self.inventory.facts.of_kind("conntrack") if f.get("src") in sender.addresses and f.get("unreplied")]
        others = [
            e
            for e in (*self.cast.containers(), *self.cast.hosts())
            if e.addresses and e.place != sender.place
        ]
        if self.heard.error == "wrong-source":
            others.sort(key=lambda e: e.node == sender.node)
        containers = [e for e in others if e.kind != "node"]
        if unknown:
            alone = len(containers) == 1 and not any(absent.kind_of(m) == "service" for m in unknown)
            return tuple(containers) if alone else ()
        chosen = (
            [self.inventory.at_address(a) for a in dict.fromkeys(tried)]
            or containers[:MAX_FALLBACK]
            or [e for e in others if e.node != sender.node][:MAX_FALLBACK]
        )
        return tuple(chosen) or self.cast.internet(sender)

    def _say_likely(self, names: Sequence[str]) -> None:
        if names:
            en, zh = listed(names)
            self.notes.assume(
                f"The question names no target that the evidence has; assumed: {en} (--to names another).",
                f"问题没有指明证据中的目标；假定为 {zh}（可用 --to 指定）。",
            )

    def _near_or_far(self, pairs: list[tuple[Endpoint, Goal]]) -> list[tuple[Endpoint, Goal]]:
        """Pairs on different nodes (or on one), where the text says so and there are some."""
        if self.heard.roles.mutual and not self.heard.near:
            pairs = sorted(pairs, key=lambda pair: pair[0].node == pair[1].endpoint.node)
        if self.heard.cross:
            return [p for p in pairs if p[0].node != p[1].endpoint.node] or pairs
        if self.heard.near:
            return [p for p in pairs if p[0].node == p[1].endpoint.node] or pairs
        return pairs

    def _lack(self, senders: Sequence[Endpoint], goals: Sequence[Mention]) -> None:
        """Say what would make a question of it."""
        from shlex import quote

        notes = self.notes
        if not self.inventory.nodes:
            for command in ("ip -d addr show", "ip route show table all", "iptables-save"):
                notes.lack("", command, "the evidence shows no network stack at all", "证据中没有任何网络栈")
            return
        node = senders[0].node if senders else self.cast.node or self.inventory.nodes[0]
        unknown = [m for m in (*self.heard.roles.targets, *self.heard.roles.senders) if not m.known]
        for mention in unknown[:MAX_FALLBACK] if not self.heard.names else ():
            name, kind = absent.plain(mention), absent.kind_of(mention)
            command = {"service": "kubectl get services,endpoints -A -o wide", "pod": "kubectl get pods -A -o wide --show-labels"}.get(kind, "")
            en, zh = f'"{name}" is not in the evidence: this tells its address', f"证据中没有“{name}”：此命令可得到它的地址"
            notes.lack("" if command else node, command or f"getent hosts {quote(name)}", en, zh)
        if goals and goals[0].role == "dns":
            notes.lack(node, "cat /etc/resolv.conf", "the sender's name servers are not in the evidence", "证据中没有发起方的域名服务器")
        if not senders:
            notes.lack(node, "diagnose --from NAME --to ADDRESS:PORT", "it is not clear who sends", "不清楚由谁发起")
        else:
            en, zh = listed(list(dict.fromkeys(n.endpoint.name for n in self.inventory.named())))
            notes.lack(
                node,
                f"diagnose --from {quote(senders[0].name)} --to ADDRESS:PORT",
                f"it is not clear which machine does not answer; the evidence names {en}",
                f"不清楚访问的是哪个目标；证据中有 {zh}",
            )
