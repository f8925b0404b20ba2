"""The machines of the evidence and their names: stacks, nodes, containers, pods, Services, addresses.

Names are looked up without regard to case: exactly, then as the part before a separator (``web`` → ``web-7d9f-x2x``), then as any part
between separators (``db`` → ``prod-db-1``).  Names that a user gave by option may also be any beginning or any piece of a name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.facts import HOST
from engine.inet import family_of, in_prefix, is_address
from engine.question import phrases
from engine.question.tokens import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from engine.cluster import Cluster
    from engine.facts import Fact, FactBase

Port = tuple[int, str]
"""Number and protocol."""

TUNNEL_LIKE = ("wg", "tun", "tap", "ppp", "tailscale", "ipsec", "vti", "vpn")
"""How devices begin by whose address nobody outside asks, if there is another."""
BRIDGE_LIKE = (
    "docker",
    "br-",
    "cni",
    "virbr",
    "lxcbr",
    "lxdbr",
    "podman",
    "nerdctl",
    "flannel",
    "cali",
    "kube-",
    "nodelocaldns",
    "tunl",
    "vxlan",
    "cilium",
    "weave",
    "veth",
    "crio",
    "antrea",
    "ovn",
    "dummy",
)
"""Beginnings of device names whose addresses are not a machine's own on its network."""
NO_CARD = (*BRIDGE_LIKE, *TUNNEL_LIKE, "lo")
"""Beginnings of names of devices that no wire to other machines hangs on."""

APPLICATION_LABELS = ("app", "app.kubernetes.io/name", "k8s-app", "name", "run", "component", "app.kubernetes.io/component")
"""Labels by which people call their pods."""
GENERATED = re.compile(r"(?:-[a-z0-9]{6,10})?-[a-z0-9]{5}$|-\d+$")
"""What controllers add to the names of the pods that they make."""
HOSTS_OWN = ("host", "container", "netfilter_table", "socket", "sysctl")
"""Kinds of facts that tell of a machine without its devices."""
ALL_KINDS = frozenset({"stack", "node", "container", "pod", "service", "device", "address"})
LISTENING = frozenset({"LISTEN", "UNCONN"})


class Held(NamedTuple):
    """An address of a device."""

    device: str
    address: str
    prefixlen: int
    scope: str


class Endpoint(NamedTuple):
    """A machine that may send or answer."""

    kind: str
    """``stack`` | ``node`` | ``container`` | ``pod`` | ``service`` | ``device`` | ``address``"""
    name: str
    """What a person recognises."""
    node: str = ""
    """Node that it runs on; "" = outside the evidence, or not known."""
    stack: str = ""
    """Its network stack; "" = not in the evidence."""
    addresses: tuple[str, ...] = ()
    """The best first."""
    ports: tuple[Port, ...] = ()
    """Ports that its configuration names."""
    fixed: bool = False
    """Whether the user chose the address (it is then the source address as well)."""

    @property
    def seen(self) -> bool:
        """Whether its stack was collected."""
        return bool(self.node and self.stack)

    @property
    def place(self) -> tuple[str, str, tuple[str, ...]]:
        """What makes two names one machine."""
        return (self.node, self.stack, ()) if self.seen else (self.node, "", self.addresses)

    def called(self, name: str) -> Endpoint:
        """The same machine under another name."""
        return self._replace(name=name)


class Named(NamedTuple):
    """A machine and everything it is called, in lower case."""

    endpoint: Endpoint
    aliases: tuple[str, ...]
    weak: tuple[str, ...] = ()
    """Names that count only if nothing else fits (image names)."""


def _rank(held: Held) -> tuple[bool, bool, bool, bool]:
    """Order of preference of a machine's addresses: IPv4 and global first, loopback and bridges last."""
    return (
        held.device == "lo" or held.scope == "host",
        held.device.startswith(BRIDGE_LIKE),
        held.scope == "link" or held.address.startswith(("fe80", "169.254")),
        family_of(held.address) != 4,
    )


class Inventory:
    """All machines of the evidence."""

    def __init__(self, facts: FactBase) -> None:
        self.facts = facts

    # --- stacks ---------------------------------------------------------------------------------------------------

    @cached_property
    def stacks(self) -> dict[tuple[str, str], list[Held]]:
        """Stacks that were collected, with their addresses in order of preference."""
        found: dict[tuple[str, str], list[Held]] = {}
        for kind in ("netns", "link", "route"):
            for fact in self.facts.of_kind(kind):
                found.setdefault((fact.node, fact.stack), [])
        for fact in self.facts.of_kind("address"):
            get = fact.fields.get
            address = str(get("address", ""))
            if is_address(address):
                held = Held(str(get("device", "")), canonical(address), int(get("prefixlen", 32)), str(get("scope", "global")))
                found.setdefault((fact.node, fact.stack), []).append(held)
        return {place: sorted(held, key=_rank) for place, held in found.items()}

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """Machines in the evidence, in the order they were read."""
        names = dict.fromkeys(node for node, _ in self.stacks)
        names.update(
            dict.fromkeys(fact.node for kind in HOSTS_OWN for fact in self.facts.of_kind(kind))
        )
        names.update(dict.fromkeys(self.host(str(fact.get("name", ""))) for fact in self.facts.of_kind("k8s_node")))
        return tuple(name for name in names if name)

    @cached_property
    def cluster(self) -> Cluster:
        """The Kubernetes objects of the evidence."""
        from engine.cluster import Cluster

        return Cluster(self.facts)

    def host(self, node: str) -> str:
        """Evidence node of a Kubernetes node (which may be called otherwise); its own name if its state was not collected."""
        return (self.cluster.host_of(node) if node else "") or node

    @cached_property
    def _holders(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for place, addresses in self.stacks.items():
            for held in addresses:
                if held.device != "lo" and held.scope != "host" and place not in found[held.address]:
                    found[held.address].append(place)
        return dict(found)

    @cached_property
    def _roles(self) -> dict[tuple[str, str], str]:
        return {(f.node, f.stack): str(f.get("role", "")) for f in reversed(self.facts.of_kind("netns"))}

    def role(self, node: str, stack: str) -> str:
        """``host`` or ``container``."""
        return self._roles.get((node, stack), "") or ("host" if stack == HOST else "container")

    def held(self, endpoint: Endpoint) -> list[Held]:
        """Addresses of an endpoint's stack, the best first."""
        return self.stacks.get((endpoint.node, endpoint.stack), []) if endpoint.seen else []

    # --- endpoints ------------------------------------------------------------------------------------------------

    def _at(self, kind: str, name: str, node: str, stack: str, **more: Any) -> Endpoint:
        addresses = tuple(held.address for held in self.stacks.get((node, stack), ()) if held.device != "lo")
        given = more.pop("addresses", ())
        return Endpoint(kind, name, node, stack, tuple(given) or addresses, **more)

    @cached_property
    def stack_endpoints(self) -> tuple[Named, ...]:
        """Stacks other than the nodes' own."""
        bearers = Counter(stack for _, stack in self.stacks)
        found = []
        for node, stack in (place for place in self.stacks if place not in self._heard_only):
            if stack == HOST:
                continue
            shown = f"{node}/{stack}" if bearers[stack] > 1 else stack
            kind = "stack" if self.role(node, stack) == "container" else "node"
            found.append(Named(self._at(kind, shown, node, stack), (stack.lower(), f"{node}/{stack}".lower())))
        return tuple(found)

    @cached_property
    def node_endpoints(self) -> tuple[Named, ...]:
        """The machines themselves."""
        told = {self.host(str(f.get("name", ""))): f for f in self.facts.of_kind("k8s_node")}
        hostnames = {f.node: str(f.get("hostname", "")) for f in self.facts.of_kind("host")}
        whole = {f.node for f in self.facts.of_kind("collected") if (f.get("what"), f.get("scope"), f.stack) == ("addresses", "all", HOST)}
        found = []
        for node in self.nodes:
            fact = told.get(node) or next((f for f in told.values() if f.get("name") == hostnames.get(node)), None)
            declared = tuple(a for a in (fact.get("addresses", ()) if fact else ()) if is_address(a))
            own = tuple(held.address for held in self.stacks.get((node, HOST), ()) if held.device != "lo" and held.scope != "host")
            # Of a listing of some devices what is not there may be on the others.
            addresses = tuple(a for a in declared if not own or a in own or node not in whole) + tuple(a for a in own if a not in declared)
            stack = HOST if (node, HOST) in self.stacks else ""
            aliases = {
                node,
                hostnames.get(node, ""),
                hostnames.get(node, "").split(".")[0],
                str(fact.get("name", "")) if fact else "",
                f"{node}/{HOST}",
            }
            found.append(Named(Endpoint("node", node, node, stack, addresses), tuple(sorted(a.lower() for a in aliases if a))))
        return tuple(found)

    @cached_property
    def pod_endpoints(self) -> tuple[Named, ...]:
        """Kubernetes pods."""
        return tuple(self._pod(fact) for fact in self.facts.of_kind("pod") if fact.get("phase") not in ("Succeeded", "Failed"))

    def _pod(self, fact: Fact) -> Named:
        space, name = str(fact.get("namespace", "default")), str(fact.get("name", ""))
        ips = tuple(canonical(ip) for ip in fact.get("ips", ()) if is_address(ip))
        node = self.host(str(fact.get("node_name", "")))
        entered = name if (node, name) in self.stacks and (node, name) not in self._heard_only else ""
        stack = HOST if fact.get("host_network") else self._stack_with(ips, node) or entered
        node = node or next((n for ip in ips for n, _ in self._holders.get(ip, ())), "")
        if (node, stack) not in self.stacks:
            stack = ""
        ports = tuple((int(p["port"]), str(p.get("protocol", "tcp")).lower()) for p in fact.get("ports", ()) if p.get("port"))
        aliases = (name, f"{space}/{name}", f"pod/{name}", f"pod/{space}/{name}")
        return Named(Endpoint("pod", f"{space}/{name}", node, stack, ips, ports), tuple(a.lower() for a in aliases))

    @cached_property
    def _heard_only(self) -> frozenset[tuple[str, str]]:
        """Pods' stacks of which nothing is known but what programs in them saw (``kubectl exec web -- curl``): as good as not collected."""
        addressed = {(self.host(str(f.get("node_name", ""))), str(f.get("name", ""))) for f in self.facts.of_kind("pod") if f.get("ips")}
        tried = {(f.node, f.stack) for f in self.facts.of_kind("observed")}
        kinds = ("link", "address", "route", "dns_config", "hosts_entry", "socket", "sysctl", "netfilter_table", "neighbor")
        return frozenset((tried & addressed) - {(f.node, f.stack) for kind in kinds for f in self.facts.of_kind(kind)})

    @cached_property
    def host_pods(self) -> frozenset[str]:
        """Pods (``namespace/name``) that live in their node's network: so their object says, or they have a node's address."""
        addresses = {a for f in self.facts.of_kind("k8s_node") for a in f.get("addresses", ())}
        return frozenset(
            f"{f.get('namespace', 'default')}/{f.get('name', '')}"
            for f in self.facts.of_kind("pod")
            if f.get("host_network") or (f.get("host_network") is None and addresses & set(f.get("ips", ())))
        )

    def _stack_with(self, addresses: Iterable[str], node: str) -> str:
        for address in addresses:
            for where, stack in self._holders.get(address, ()):
                if stack != HOST and node in ("", where):
                    return stack
        return ""

    @cached_property
    def container_endpoints(self) -> tuple[Named, ...]:
        """Containers of docker, podman, containerd."""
        return tuple(
            self._container(fact) for fact in self.facts.of_kind("container") if fact.get("state", "running") == "running" and not fact.get("pod")
        )

    def _container(self, fact: Fact) -> Named:
        name, ident = str(fact.get("name", "")).lstrip("/"), str(fact.get("id", ""))
        addresses = tuple(canonical(e["address"]) for e in fact.get("endpoints", ()) if is_address(e.get("address") or ""))
        ports = tuple(
            dict.fromkeys((int(p["container_port"]), str(p.get("protocol", "tcp")).lower()) for p in fact.get("ports", ()) if p.get("container_port"))
        )
        labels = fact.get("labels", {})
        service = str(labels.get("com.docker.compose.service", labels.get("io.podman.compose.service", "")))
        aliases = (name, ident, ident[:12], service, str(fact.get("hostname", "")))
        image = str(fact.get("image", "")).split("@")[0].rpartition("/")[2].partition(":")[0]
        stack = self._container_stack(fact, addresses)
        shown = name or ident[:12]
        endpoint = (
            self._at("container", shown, fact.node, stack, addresses=addresses, ports=ports)
            if stack != HOST
            else self._at("container", shown, fact.node, HOST, ports=ports)
        )
        return Named(endpoint, tuple(dict.fromkeys(a.lower() for a in aliases if a)), (image.lower(),) if image else ())

    def _container_stack(self, fact: Fact, addresses: Sequence[str]) -> str:
        """Stack of a container: by its network mode, process, name, or address."""
        if fact.get("network_mode") == "host":
            return HOST if (fact.node, HOST) in self.stacks else ""
        shared = str(fact.get("network_mode", "")).partition("container:")[2]
        if shared:
            other = next(
                (f for f in self.facts.of_kind("container") if f.node == fact.node and shared in (f.get("id"), f.get("name")) and f is not fact), None
            )
            return self._container_stack(other, [e["address"] for e in other.get("endpoints", ()) if e.get("address")]) if other else ""
        named = {
            str(fact.get("name", "")).lstrip("/"),
            str(fact.get("id", "")),
            str(fact.get("id", ""))[:12],
            str(fact.get("namespace", "")).rpartition("/")[2],
        } - {""}
        for spot in self.facts.of_kind("netns"):
            same_process = fact.get("pid") and spot.get("pid") == fact.get("pid")
            if spot.node == fact.node and spot.stack != HOST and (same_process or spot.stack in named):
                return spot.stack
        return self._stack_with(addresses, fact.node)

    @cached_property
    def service_endpoints(self) -> tuple[Named, ...]:
        """Kubernetes Services; a headless one has the addresses of its endpoints."""
        return tuple(self._service(fact) for fact in self.facts.of_kind("service"))

    def _service(self, fact: Fact) -> Named:
        space, name = str(fact.get("namespace", "default")), str(fact.get("name", ""))
        addresses = tuple(canonical(ip) for ip in fact.get("cluster_ips", ()) if is_address(ip))
        headless = not addresses
        if headless:
            addresses = self._ready(space, name) or self._elsewhere(str(fact.get("external_name") or ""))
        key = "target_port" if headless else "port"
        ports = tuple(
            (int(p.get(key) if str(p.get(key, "")).isdigit() else p["port"]), str(p.get("protocol", "tcp")).lower())
            for p in fact.get("ports", ())
            if p.get("port")
        )
        short = (
            name,
            f"{space}/{name}",
            f"svc/{name}",
            f"svc/{space}/{name}",
            f"service/{space}/{name}",
            f"service/{name}",
            f"{name}.{space}",
            f"{name}.{space}.svc",
            f"{name}.{space}.svc.cluster.local",
        )
        return Named(Endpoint("service", f"svc/{space}/{name}", "", "", addresses, ports), tuple(a.lower() for a in short))

    def _elsewhere(self, name: str) -> tuple[str, ...]:
        """Addresses of what an ExternalName Service stands for: an address, or another Service of the cluster."""
        if is_address(name):
            return (canonical(name),)
        other = re.fullmatch(r"([a-z0-9-]+)\.([a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]*)?)?\.?", name)
        for fact in self.facts.of_kind("service") if other else ():
            if other and (fact.get("name"), fact.get("namespace", "default")) == other.groups():
                return tuple(canonical(ip) for ip in fact.get("cluster_ips", ()) if is_address(ip)) or self._ready(other[2], other[1])
        return ()

    def behind(self, space: str, service: str) -> tuple[Endpoint, ...]:
        """Ready endpoints of a Service."""
        return tuple(self.at_address(address) for address in self._ready(space, service))

    def _ready(self, space: str, service: str) -> tuple[str, ...]:
        """Addresses of the ready endpoints of a Service."""
        ready = (str(entry.get("address", "")) for fact in self._slices.get((space, service), ()) for entry in fact.get("ready", ()))
        return tuple(dict.fromkeys(canonical(address) for address in ready if is_address(address)))

    @cached_property
    def _slices(self) -> dict[tuple[Any, Any], list[Fact]]:
        """Endpoints by namespace and Service."""
        found: dict[tuple[Any, Any], list[Fact]] = defaultdict(list)
        for fact in self.facts.of_kind("endpoints"):
            found[fact.get("namespace"), fact.get("service")].append(fact)
        return found

    @cached_property
    def device_endpoints(self) -> tuple[Named, ...]:
        """Addresses of bridges and tunnels by device name ("docker0")."""
        return tuple(
            Named(Endpoint("device", f"{held.device} on {node}", node, stack, (held.address,)), (held.device.lower(),))
            for (node, stack), addresses in self.stacks.items()
            for held in addresses
            if stack == HOST and held.device.startswith(BRIDGE_LIKE) and family_of(held.address) == 4
        )

    @cached_property
    def hosts_entries(self) -> tuple[Named, ...]:
        """Names of /etc/hosts files."""
        found = []
        for fact in self.facts.of_kind("hosts_entry"):
            address = str(fact.get("address", ""))
            if not is_address(address) or address.startswith(("127.", "::1", "fe00", "ff0")) or address == "::1":
                continue
            names = tuple(str(name).lower() for name in fact.get("names", ()))
            if names:
                found.append(Named(self.at_address(address).called(names[0]), names))
        return tuple(found)

    @cached_property
    def tiers(self) -> tuple[tuple[Named, ...], ...]:
        """Everything that has a name; of one name, the earlier kind is meant."""
        return (
            (*self.service_endpoints, *self.pod_endpoints, *self.container_endpoints, *self.stack_endpoints, *self.node_endpoints),
            self.hosts_entries,
            self.device_endpoints,
        )

    # --- look-up --------------------------------------------------------------------------------------------------

    def find(self, word: str, *, loose: bool = False, kinds: frozenset[str] = ALL_KINDS) -> tuple[Endpoint, ...]:
        """Machines that a word names; ``loose`` also takes any beginning or piece of a name (names given by option)."""
        asked = word.lower().strip().rstrip(".")
        asked = re.sub(r"^(?:pods?|po)/", "pod/", asked)
        asked = re.sub(r"^(?:services?|svc)/", "svc/", asked)
        if asked.startswith("node/") and ("node", asked.partition("/")[2]) not in self.stacks:
            asked, kinds = asked.partition("/")[2], frozenset({"node"})
        if not asked:
            return ()
        for matches in _measures(asked, loose=loose):
            for tier in self.tiers:
                meant = (n for n in tier if n.endpoint.kind in kinds and (loose or asked in n.aliases or n.endpoint.name not in self._hollow))
                found = [n.endpoint for n in meant if any(matches(alias) for alias in n.aliases)]
                if found:
                    return distinct(found)
        return self._labelled(asked) if "pod" in kinds else ()

    @cached_property
    def _hollow(self) -> frozenset[str]:
        """Machines of which only what is inside them was shown: whoever collected it chose their names, and pieces of these name nothing."""
        told = {self.host(str(f.get("name", ""))) for f in self.facts.of_kind("k8s_node")}
        shown = {node for node, stack in self.stacks if stack == HOST}
        shown |= {f.node for kind in HOSTS_OWN for f in self.facts.of_kind(kind) if f.stack == HOST}
        return frozenset(self.nodes) - told - shown

    def _labelled(self, word: str) -> tuple[Endpoint, ...]:
        """Pods by a label: ``app=web``, or the value of a label that tells applications apart; asked for where nothing has that name."""
        key, equals, value = word.removeprefix("pod/").rpartition("=")
        keys = (key,) if equals else APPLICATION_LABELS
        named = {n.endpoint.name: n.endpoint for n in self.pod_endpoints}
        found = (
            named.get(f"{f.get('namespace', 'default')}/{f.get('name', '')}")
            for f in self.facts.of_kind("pod")
            if any((f.get("labels") or {}).get(each, "").lower() == value for each in keys)
        )
        return distinct(e for e in found if e is not None) if value else ()

    def knows(self, word: str) -> bool:
        """Whether a word of a sentence names something here; ordinary words and words of kind do so only if they are a whole name."""
        if word in phrases.FILLERS or word in _kind_words():
            return any(word in named.aliases for named in self.named())
        return bool(self.find(word))

    def by_image(self, word: str) -> tuple[Endpoint, ...]:
        """Containers whose image bears a word in its name."""
        return distinct(n.endpoint for n in self.container_endpoints if any(word in weak for weak in n.weak))

    def at_address(self, address: str) -> Endpoint:
        """The machine that holds an address, or an endpoint outside the evidence."""
        value = canonical(address)
        inside = self._inside.get(value)
        if inside is not None:
            return inside._replace(addresses=(value,), fixed=True)
        for node, stack in sorted(self._holders.get(value, ()), key=lambda place: place[1] == HOST):
            shown = node if stack == HOST else stack
            return Endpoint("node" if stack == HOST else "stack", shown, node, stack, (value,), fixed=True)
        service = next((n.endpoint for n in self.service_endpoints if value in n.endpoint.addresses), None)
        if service:
            return service._replace(addresses=(value,), fixed=True)
        node_named = next((n.endpoint for n in self.node_endpoints if value in n.endpoint.addresses), None)
        if node_named:
            return node_named._replace(addresses=(value,), fixed=True)
        return Endpoint("address", value, addresses=(value,), fixed=True)

    @cached_property
    def _inside(self) -> dict[str, Endpoint]:
        """Containers, else pods, by address; those in their node's own stack are found by the node."""
        found: dict[str, Endpoint] = {}
        for named in (*self.container_endpoints, *self.pod_endpoints):
            if named.endpoint.stack != HOST and named.endpoint.name not in self.host_pods:
                for address in named.endpoint.addresses:
                    found.setdefault(address, named.endpoint)
        return found

    def near(self, word: str) -> tuple[str, ...]:
        """Names that look like a word that was not found."""
        from difflib import get_close_matches

        names = {n.endpoint.name.lower(): n.endpoint.name for n in self.named()} | {
            alias: n.endpoint.name for n in self.named() for alias in n.aliases
        }
        # People call pods by what made them: "web" of web-6c8f9d7b5d-x2v4k.
        names = {GENERATED.sub("", name): shown for name, shown in names.items()} | names
        return tuple(dict.fromkeys(names[hit] for hit in get_close_matches(word.lower(), names, n=4, cutoff=0.6)))[:3]

    def named(self) -> Iterator[Named]:
        """Everything that has a name."""
        for tier in self.tiers:
            yield from tier

    # --- what listens ---------------------------------------------------------------------------------------------

    @cached_property
    def _listening(self) -> dict[tuple[str, str], list[Port]]:
        found: dict[tuple[str, str], list[Port]] = defaultdict(list)
        for fact in self.facts.of_kind("socket"):
            port = (int(fact.get("port", 0)), str(fact.get("protocol", "tcp")))
            if fact.get("state") in LISTENING and port not in found[fact.node, fact.stack] and not _loopback(str(fact.get("address", ""))):
                found[fact.node, fact.stack].append(port)
        return dict(found)

    def listening(self, endpoint: Endpoint) -> list[Port]:
        """Ports on which an endpoint's stack listens for others (not on loopback)."""
        return self._listening.get((endpoint.node, endpoint.stack), []) if endpoint.seen else []

    def holds_port(self, endpoint: Endpoint, port: Port) -> bool:
        """Whether some program of the endpoint's stack waits on a port, for others or on loopback only."""
        sockets = self.facts.at("socket", endpoint.node, endpoint.stack) if endpoint.seen else ()
        return any((f.get("port"), f.get("protocol")) == port and f.get("state") in {"LISTEN", "UNCONN"} for f in sockets)

    def knows_ports(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint's sockets were collected."""
        return endpoint.seen and any(f.get("what") == "sockets" for f in self.facts.at("collected", endpoint.node, endpoint.stack))

    def shares_subnet(self, one: Endpoint, address: str) -> bool:
        """Whether an address lies on a network of an endpoint's stack."""
        return any(
            family_of(h.address) == family_of(address) and in_prefix(address, f"{h.address}/{h.prefixlen}")
            for h in self.held(one)
            if h.device != "lo"
        )


@cache
def _kind_words() -> frozenset[str]:
    return frozenset(word for word, _ in phrases.ROLES)


def _loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _measures(asked: str, *, loose: bool) -> Sequence[Callable[[str], bool]]:
    """Ways to compare, the strictest first."""
    parts = re.compile(rf"(?:^|[-_.]){re.escape(asked)}(?:[-_.]|$)")
    measures: list[Callable[[str], bool]] = [lambda alias: alias == asked, lambda alias: alias.startswith((f"{asked}-", f"{asked}_", f"{asked}."))]
    shortest, shortest_id = 2, 6
    if len(asked) >= shortest:
        measures.append(lambda alias: "/" not in alias and parts.search(alias) is not None)
    if len(asked) >= shortest_id and all(c in "0123456789abcdef" for c in asked):
        measures.append(lambda alias: alias.startswith(asked))
    if loose:
        measures += [lambda alias: alias.startswith(asked), lambda alias: asked in alias]
    return measures


def distinct(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Endpoints without those that are the same machine under another name (the first name stays)."""
    found: dict[object, Endpoint] = {}
    for endpoint in endpoints:
        key: object = endpoint.place if endpoint.kind not in ("service", "device") else (endpoint.kind, endpoint.addresses, endpoint.name)
        found.setdefault(key, endpoint)
    return tuple(found.values())
