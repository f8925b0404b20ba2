"""Mentions become machines: who "pod", "db", "宿主机" or "web" is in this evidence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from engine.facts import HOST
from engine.inet import family_of, in_prefix, is_address, prefix, to_int, to_text
from engine.question import phrases
from engine.question.names import ALL_KINDS, NO_CARD, TUNNEL_LIKE, Endpoint, Inventory, Port, distinct
from engine.question.notes import Notes, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.facts import Fact
    from engine.question.grammar import Mention

INTERNET = {4: "8.8.8.8", 6: "2001:4860:4860::8888"}
"""An address that no evidence holds, standing for everything outside."""
OUTSIDE_CLIENTS = ("203.0.113.10", "198.51.100.10", "100.127.9.9", "8.8.4.4")
"""Sources of a client outside the evidence that nobody named (RFC 5737, RFC 6598): the first that is on no network of the evidence."""
OUTSIDE_CLIENT_6 = "2001:db8::10"
"""The same for a target that has an IPv6 address (RFC 3849)."""
MAX_TUNNELLED = 31
"""Length of the prefix of a tunnel that has one client at most."""
MAX_SENDERS = 8
MAX_TARGETS = 8

KINDS_OF_ROLE = {
    "pod": frozenset({"pod", "stack", "container"}),
    "container": frozenset({"container", "stack", "pod"}),
    "node": frozenset({"node"}),
    "master": frozenset({"node"}),
    "service": frozenset({"service"}),
}


class Party(NamedTuple):
    """One end of the question: the machines that it may be."""

    endpoints: tuple[Endpoint, ...]
    word: str = ""
    """What the user wrote."""
    usual: tuple[int, ...] = ()
    """Ports that the word suggests ("mysql")."""
    exact: bool = False
    """Whether the user named a machine rather than a kind of machine."""


class Cast:
    """Finds the machines that mentions stand for."""

    def __init__(self, inventory: Inventory, notes: Notes, node: str = "") -> None:
        self.inventory = inventory
        self.notes = notes
        self.node = node

    # --- names ----------------------------------------------------------------------------------------------------

    def named(self, mention: Mention, *, loose: bool, sender: bool) -> tuple[Endpoint, ...]:
        """Machines of a name or an address."""
        if mention.address:
            return (self.inventory.at_address(mention.host),)
        kinds = KINDS_OF_ROLE.get(mention.role, ALL_KINDS)
        if sender and mention.role != "service":
            kinds -= {"service", "device"}
        found = self.inventory.find(mention.host, loose=loose, kinds=kinds) or self.inventory.find(mention.host, loose=loose)
        if sender:
            found = self.senders_of(found)
        return self.placed(found, mention)

    def senders_of(self, endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        """Machines that send: the pods behind a Service, the machine itself otherwise."""
        found: list[Endpoint] = []
        for endpoint in endpoints:
            space, _, name = endpoint.name.removeprefix("svc/").partition("/")
            found += [e._replace(fixed=False) for e in self.inventory.behind(space, name)] if endpoint.kind == "service" else [endpoint]
        return distinct(found)

    def placed(self, endpoints: Sequence[Endpoint], mention: Mention) -> tuple[Endpoint, ...]:
        """Endpoints on the node that the phrase names, where some are."""
        if not mention.at:
            return tuple(endpoints)
        nodes = {e.node for e in (self.masters() if mention.at == "master" else self.inventory.find(mention.at, kinds=frozenset({"node"})))}
        return tuple(e for e in endpoints if e.node in nodes) or tuple(endpoints)

    # --- kinds ----------------------------------------------------------------------------------------------------

    def pods(self) -> tuple[Endpoint, ...]:
        """Pods; without Kubernetes evidence, containers that look like pods; else all containers."""
        # The cluster's own pods are asked about last.
        pods = sorted((n.endpoint for n in self.inventory.pod_endpoints), key=lambda e: e.name.startswith("kube-"))
        own = [e for e in pods if e.stack != HOST and e.name not in self.inventory.host_pods]
        stacks = self._stacks()
        podlike = [e for e in stacks if re.match(r"(?:pod|cni-|k8s)", e.stack) or "pod" in e.stack.lower()]
        return spread(own or pods or podlike or distinct([*stacks, *self._runtime()]))

    def containers(self) -> tuple[Endpoint, ...]:
        """Containers of runtimes and other container stacks."""
        pods = [e for e in (n.endpoint for n in self.inventory.pod_endpoints) if e.stack != HOST and e.name not in self.inventory.host_pods]
        return spread(distinct([*self._runtime(), *sorted(pods, key=lambda e: e.name.startswith("kube-")), *self._stacks()]))

    def _stacks(self) -> list[Endpoint]:
        known = {(e.node, e.stack): e for e in self._runtime()}
        # A container of which only its own view was given stands where a machine would.
        alone = [e for e in self.hosts() if e.stack == HOST and self.inventory.role(e.node, HOST) == "container"]
        stacks = [n.endpoint for n in self.inventory.stack_endpoints if n.endpoint.kind == "stack"]
        return [*(known.get((e.node, e.stack), e) for e in stacks), *alone]

    def _runtime(self) -> list[Endpoint]:
        return [n.endpoint for n in self.inventory.container_endpoints if n.endpoint.stack != HOST and (n.endpoint.addresses or n.endpoint.seen)]

    def hosts(self) -> tuple[Endpoint, ...]:
        """Nodes."""
        return tuple(n.endpoint for n in self.inventory.node_endpoints)

    def masters(self) -> tuple[Endpoint, ...]:
        """Control-plane nodes: by label, or by name."""
        labelled = {
            str(f.get("name", ""))
            for f in self.inventory.facts.of_kind("k8s_node")
            if any(k.startswith("node-role.kubernetes.io/") and k.endswith(("master", "control-plane")) for k in f.get("labels", {}))
        }
        return (
            tuple(e for e in self.hosts() if e.node in labelled)
            or tuple(e for e in self.hosts() if "master" in e.node or "control" in e.node)
            or self.hosts()
        )

    def services(self) -> tuple[Endpoint, ...]:
        """Services with an address, those of users first."""
        found = [n.endpoint for n in self.inventory.service_endpoints if n.endpoint.addresses]
        return tuple(sorted(found, key=lambda e: e.name.startswith(("svc/kube-system/", "svc/default/kubernetes"))))[:3]

    def own_services(self, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        """Services that the sender itself stands behind."""
        return tuple(n.endpoint for n in self.inventory.service_endpoints if sender is not None and self.serves(sender, n.endpoint))

    def serves(self, machine: Endpoint, service: Endpoint) -> bool:
        """Whether a machine is one of those behind a Service."""
        if service.kind != "service":
            return False
        space, _, name = service.name.removeprefix("svc/").partition("/")
        return any(set(e.addresses) & set(machine.addresses) for e in self.inventory.behind(space, name))

    def databases(self) -> tuple[Endpoint, ...]:
        """Databases: named so, running such an image, listening on such a port, or spoken of by rules and connections."""
        inventory = self.inventory
        named = distinct(e for name in phrases.DATABASE_NAMES for e in inventory.find(name))
        return (
            _answering(named)
            or distinct(e for name in phrases.DATABASE_NAMES if len(name) > 2 for e in inventory.by_image(name))
            or self.listeners(phrases.DATABASE_PORTS)
            or self.configured(phrases.DATABASE_PORTS)
            or self.spoken_of(phrases.DATABASE_PORTS)
        )

    def product(self, name: str) -> tuple[Endpoint, ...]:
        """A program: by name, image, or the port it listens on."""
        inventory = self.inventory
        ports = phrases.PRODUCTS[name]
        if name.endswith(("apiserver", "api-server")):
            cluster = inventory.find("svc/default/kubernetes")
            if cluster:
                return cluster
        found = (
            _answering(inventory.find(name)) or inventory.by_image(name) or self.listeners(ports) or self.configured(ports) or self.spoken_of(ports)
        )
        return found or (self.databases() if name in phrases.DATABASE_NAMES else ())

    def listeners(self, ports: Sequence[int]) -> tuple[Endpoint, ...]:
        """Machines that listen on one of the ports, containers first."""
        everyone = distinct([*self.containers(), *self.hosts()])
        return tuple(e for e in everyone if any(number in ports for number, _ in self.inventory.listening(e)))

    def configured(self, ports: Sequence[int]) -> tuple[Endpoint, ...]:
        """Services, pods and containers whose configuration names one of the ports."""
        tiers = (self.inventory.service_endpoints, self.inventory.pod_endpoints, self.inventory.container_endpoints)
        return next(
            (found for tier in tiers if (found := tuple(n.endpoint for n in tier if any(number in ports for number, _ in n.endpoint.ports)))), ()
        )

    def spoken_of(self, ports: Sequence[int]) -> tuple[Endpoint, ...]:
        """Addresses that connections or netfilter rules pair with one of the ports."""
        addresses = [
            str(f.get("dst")) for f in self.inventory.facts.of_kind("conntrack") if f.get("dport") in ports and is_address(str(f.get("dst")))
        ]
        for spec in self.rules_of(ports):
            hit = re.search(r"(?:--to-destination |-d )(\d+\.\d+\.\d+\.\d+)(?:/32)?(?::\d+)?(?:\s|$)", spec)
            addresses += [hit[1]] if hit and is_address(hit[1]) else []
        return tuple(self.inventory.at_address(a) for a in dict.fromkeys(addresses))[:MAX_TARGETS]

    def rules_of(self, ports: Sequence[int]) -> Iterable[str]:
        """Rules of iptables, in their words, that speak of one of the ports."""
        signs = [f"{sign}{port}" for port in ports for sign in ("--dport ", ":")]
        for table in self.inventory.facts.of_kind("netfilter_table"):
            for chain in table.get("chains", ()):
                yield from (
                    rule.spec for rule in chain.rules if any(re.search(rf"{re.escape(sign)}(?!\d)", rule.spec) for sign in signs if sign in rule.spec)
                )

    # --- one end --------------------------------------------------------------------------------------------------

    def sender(self, mention: Mention, *, loose: bool = False) -> Party:
        """Machines that may send."""
        if mention.host:
            return Party(self.named(mention, loose=loose, sender=True), mention.host, exact=True)
        if mention.role in {"internet", "clients"}:
            return Party(self.outside())
        found = self._of_kind(mention.role, None)
        found = self.placed(self.senders_of(found), mention)
        # "The pods" are those that people run: what the cluster runs for itself asks for nothing of theirs.
        found = tuple(e for e in found if not e.name.startswith("kube-")) or found
        if self.node and any(e.node == self.node for e in found):
            found = tuple(e for e in found if e.node == self.node)
        return Party(found[:MAX_SENDERS], mention.text)

    def outside(self) -> tuple[Endpoint, ...]:
        """A client outside the evidence."""
        facts = self.inventory.facts
        nets = {f"{f.get('address')}/{f.get('prefixlen', 32)}" for f in facts.of_kind("address") if f.get("family", 4) == 4}
        routes = (f for f in facts.of_kind("route") if not f.get("gateway") and f.get("family", 4) == 4)
        nets |= {str(f.get("dst")) for f in routes if f.get("dst") != "0.0.0.0/0"}
        client = next((a for a in OUTSIDE_CLIENTS if not any(_holds(net, a) for net in nets)), OUTSIDE_CLIENTS[-1])
        self.notes.assume(
            f"{client} stands for a client outside the evidence; --from ADDRESS names the real one.",
            f"用 {client} 代表证据之外的客户端；可用 --from 指定真实地址。",
        )
        return (Endpoint("address", client, addresses=(client, OUTSIDE_CLIENT_6), fixed=True),)

    def target(self, mention: Mention, sender: Endpoint | None, *, loose: bool = False) -> Party:
        """Machines that may answer, as ``sender`` would mean them."""
        usual = self.usual(mention)
        if mention.host:
            return Party(self.named(mention, loose=loose, sender=False)[:MAX_TARGETS], mention.host, usual, exact=True)
        found = self._of_kind(mention.role, sender)
        if mention.role == "pod" and all(e.place == sender.place for e in found if sender):
            found = self.containers()
        return Party(self.placed(found, mention)[:MAX_TARGETS], mention.text, usual)

    def usual(self, mention: Mention) -> tuple[int, ...]:
        """Ports that the word of a mention suggests."""
        if mention.role.startswith("product:"):
            return phrases.PRODUCTS[mention.role.partition(":")[2]]
        word = mention.host.rpartition("/")[2].lower()
        piece = next((part for part in re.split(r"[-_.]", word) if part in phrases.PRODUCTS), "")
        if piece:
            return phrases.PRODUCTS[piece]
        database = mention.role == "database" or any(part in phrases.DATABASE_NAMES for part in re.split(r"[-_.]", word))
        return phrases.DATABASE_PORTS if database else (6443,) if mention.role == "apiserver" else ()

    def _of_kind(self, role: str, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        if role.startswith("product:"):
            return self.product(role.partition(":")[2])
        makers: dict[str, Callable[[], tuple[Endpoint, ...]]] = {
            "pod": self.pods,
            "container": self.containers,
            "node": lambda: self._nodes_for(sender),
            "master": self.masters,
            "service": self.services,
            "database": self.databases,
            "apiserver": lambda: self.product("apiserver"),
            "own-host": lambda: self.own_host(sender),
            "others": lambda: self.other_hosts(sender),
            "internet": lambda: self.internet(sender),
            "clients": lambda: self.internet(sender),
            "own-service": lambda: self.own_services(sender),
            "localhost": lambda: self.localhost(sender),
            "itself": lambda: (sender._replace(fixed=False),) if sender else (),
            "gateway": lambda: self.gateways(sender),
            "dns": lambda: self.nameservers(sender),
            "published": self.published,
            "nodeport": self.node_ports,
            "tunnel": self.tunnelled,
            "behind": self.behind_cards,
        }
        return makers[role]()

    def _nodes_for(self, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        """All nodes, other ones before the sender's own."""
        return tuple(sorted(self.hosts(), key=lambda e: sender is not None and e.node == sender.node))

    def own_host(self, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        """The node that the sender runs on."""
        return tuple(e for e in self.hosts() if sender is not None and e.node == sender.node) or self.hosts()

    def other_hosts(self, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        """Nodes other than the sender's; an outside address where the evidence has no other."""
        found = tuple(e for e in self.hosts() if sender is None or e.node != sender.node)
        return found if found and sender is not None else (found if len(found) > 1 else self.internet(sender))

    def localhost(self, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        """The sender's loopback; for a question without a sender, the node itself."""
        if sender is None:
            return self.hosts()
        return (Endpoint("address", "localhost", sender.node, sender.stack, ("127.0.0.1",), fixed=True),)

    def internet(self, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        """An address outside the evidence, of a family that the sender has."""
        only_six = sender is not None and bool(sender.addresses) and all(family_of(a) == 6 for a in sender.addresses)
        address = INTERNET[6 if only_six else 4]
        self.notes.assume(
            f"{address} stands for addresses outside the evidence; --to ADDRESS:PORT names the real one.",
            f"用 {address} 代表证据之外的地址；可用 --to ADDRESS:PORT 指定真实目标。",
        )
        return (Endpoint("address", address, addresses=(address,), fixed=True),)

    def tunnelled(self) -> tuple[Endpoint, ...]:
        """Clients of the VPN server that a node is: the neighbours of its own address in the tunnel; whoever is outside, if there is no tunnel."""
        facts = self.inventory.facts.of_kind("address")
        return self._beside([f for f in facts if f.stack == HOST and str(f.get("device")).startswith(TUNNEL_LIKE)])

    def behind_cards(self) -> tuple[Endpoint, ...]:
        """Machines for which a node is the way out (a hotspot's, a second LAN's): neighbours on its cards that are not its own way out."""
        facts = self.inventory.facts
        leads = {(f.node, f.get("device")) for f in facts.of_kind("route") if f.stack == HOST and f.get("dst") == "0.0.0.0/0"}
        routed = {node for node, _ in leads}
        own = [f for f in facts.of_kind("address") if f.stack == HOST and f.node in routed and f.get("scope", "global") == "global"]
        cards = [f for f in own if (f.node, f.get("device")) not in leads and not str(f.get("device")).startswith(NO_CARD)]
        return self._beside(cards)

    def _beside(self, owns: Sequence[Fact]) -> tuple[Endpoint, ...]:
        """A neighbour of each of a node's own IPv4 addresses; whoever is outside, if there is none."""
        nets = [(to_int(str(f.get("address"))), prefix(f"{f.get('address')}/{f.get('prefixlen', 32)}")) for f in owns if f.get("family", 4) == 4]
        found = [to_text(value + 1 if value + 1 < net.last else value - 1) for value, net in nets if net.length < MAX_TUNNELLED]
        return tuple(Endpoint("address", a, addresses=(a,), fixed=True) for a in dict.fromkeys(found)) or self.outside()

    def gateways(self, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        """The sender's default gateways."""
        routes = self.inventory.facts.at("route", sender.node, sender.stack) if sender else ()
        gateways = [str(r.get("gateway")) for r in routes if r.get("dst") in ("0.0.0.0/0", "::/0") and r.get("gateway")]
        return tuple(self.inventory.at_address(g) for g in dict.fromkeys(gateways) if is_address(g))

    def published(self) -> tuple[Endpoint, ...]:
        """Nodes with the ports that containers publish on them."""
        return self._node_with(
            lambda fact: [(int(p["host_port"]), str(p.get("protocol", "tcp")).lower()) for p in fact.get("ports", ()) if p.get("host_port")],
            ("container", "pod"),
        )

    def node_ports(self) -> tuple[Endpoint, ...]:
        """Nodes with the node ports of Services."""
        return self._node_with(
            lambda fact: [(int(p["node_port"]), str(p.get("protocol", "tcp")).lower()) for p in fact.get("ports", ()) if p.get("node_port")],
            ("service",),
        )

    def _node_with(self, ports_of: Callable[[Fact], list[Port]], kinds: Sequence[str]) -> tuple[Endpoint, ...]:
        ports = [(fact, port) for kind in kinds for fact in self.inventory.facts.of_kind(kind) for port in ports_of(fact)]
        return tuple(
            e._replace(ports=tuple(dict.fromkeys(p for f, p in ports if f.kind == "service" or e.node in (f.node, f.get("node_name")))))
            for e in self.hosts()
        )

    def nameservers(self, sender: Endpoint | None) -> tuple[Endpoint, ...]:
        """Name servers that the sender asks."""
        facts = self.inventory.facts
        own = [c for c in facts.of_kind("dns_config") if sender and (c.node, c.stack) == (sender.node, sender.stack)]
        cluster = [e for word in ("svc/kube-system/kube-dns", "svc/kube-system/coredns") for e in self.inventory.find(word)]
        asked = dict.fromkeys(str(f.get("server")) for f in (facts.at("observed", sender.node, sender.stack) if sender else ()) if f.get("server"))
        if not own and asked:
            return tuple(self._server(a, sender)._replace(ports=((53, "udp"),)) for a in asked if is_address(a))
        if not own and cluster and (sender is None or sender.kind in ("pod", "stack")):
            return tuple(e._replace(ports=((53, "udp"),)) for e in cluster[:1])
        configs = own or [c for c in facts.of_kind("dns_config") if sender is None or c.node == sender.node]
        # Copies of resolved and NetworkManager lie beside the file that programs read.
        configs = [c for c in configs if str(c.get("file", "")) == "/etc/resolv.conf"] or configs
        # Without a nameserver line, resolvers ask this machine (resolv.conf(5)).
        listed = [str(a) for c in configs for a in (c.get("nameservers") or ("127.0.0.1",))]
        addresses = dict.fromkeys(a for a in listed if is_address(a))
        return tuple(self._server(a, sender)._replace(ports=((53, "udp"),)) for a in addresses)

    def _server(self, address: str, sender: Endpoint | None) -> Endpoint:
        if address.startswith("127.") or address == "::1":
            return Endpoint("address", address, sender.node if sender else "", sender.stack if sender else "", (address,), fixed=True)
        return self.inventory.at_address(address)


def _holds(net: str, address: str) -> bool:
    try:
        return in_prefix(address, net)
    except ValueError:
        return False


def _answering(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(e for e in endpoints if e.addresses)


def spread(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Endpoints of all nodes in turn, collected stacks first, so that a bound keeps some of each node."""
    rounds: dict[str, int] = {}
    keyed = []
    for endpoint in sorted(endpoints, key=lambda e: not e.seen):
        turn = rounds.get(endpoint.node, 0)
        rounds[endpoint.node] = turn + 1
        keyed.append((not endpoint.seen, turn, endpoint))
    return tuple(e for _, _, e in sorted(keyed, key=lambda item: item[:2]))


def say_who(notes: Notes, party: Party, *, sends: bool) -> None:
    """Record which machines a word of kind was taken for."""
    if not party.word or not party.endpoints:
        return
    names = [e.name for e in party.endpoints]
    if party.exact and len(names) == 1 and party.word.lower() in (names[0].lower(), *names[0].lower().split("/"), *party.endpoints[0].addresses):
        return
    if any(address in party.word for e in party.endpoints for address in e.addresses):
        return
    en, zh = listed(names)
    option = "--from" if sends else "--to"
    notes.assume(f'"{party.word}" is taken to be {en}; {option} names another.', f"“{party.word}”被理解为 {zh}；可用 {option} 另行指定。")
