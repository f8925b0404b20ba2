"""Small worlds for tests: what each stack would print, read by the real parsers.

A device is described in a few words and printed as ``ip -d addr`` prints it; routes, rules, sysctls, tables are pasted as text.
What a stack is not said to hold is printed empty: it was looked at, and there is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any
from zlib import crc32

from collectors.classify import from_command
from collectors.evidence import parser_of
from collectors.place import Place
from engine.computed import EXPANDERS
from engine.facts import HOST, Fact, FactBase, Source
from engine.inet import prefix
from engine.model import Network, build
from engine.walk import walk
from engine.walk.trace import Flow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.walk.trace import Trace

RULES = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default"
"""What ``ip rule`` prints on a machine where nobody added one."""
SOCKETS = "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process"
LOOPBACK = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
"""
SLAVE = "    bridge_slave state {state} priority 32 cost 2 hairpin {hairpin} guard off {switches} isolated {isolated}\n"


def parsed(command: str, text: str, node: str = "n1", stack: str = HOST) -> list[Fact]:
    """Facts of one command's output."""
    hint = from_command(command)
    assert hint is not None, command
    parser = parser_of(hint.format)
    assert parser is not None, command
    facts = parser(Source(f"nodes/{node}/{command}", dedent(text).strip("\n") + "\n", command), Place(node, stack))
    assert not [fact for fact in facts if fact.kind == "unparsed"], facts
    return facts


@dataclass
class Device:
    """A network device, as ``ip -d addr`` shows it."""

    name: str
    addresses: tuple[str, ...] = ()
    """``10.0.0.1/24``, or more words: ``10.0.0.2/24 scope global secondary``."""
    index: int = 0
    kind: str = ""
    """Words of its kind: ``bridge``, ``vxlan id 1 local 192.0.2.1 dstport 8472``; "" = a network card."""
    up: bool = True
    carrier: bool = True
    master: str = ""
    peer: int = 0
    """ifindex of the other end of a veth pair in another namespace."""
    mtu: int = 1500
    mac: str = ""
    state: str = "forwarding"
    hairpin: bool = False
    isolated: bool = False
    switches: str = "learning on flood on"
    """Further attributes of a bridge port."""

    def printed(self) -> str:
        """The lines of this device."""
        flags = ",".join(
            [
                "BROADCAST",
                *(["NO-CARRIER"] if not self.carrier else []),
                *(["UP"] if self.up else []),
                *(["LOWER_UP"] if self.up and self.carrier else []),
            ]
        )
        name = f"{self.name}@if{self.peer}" if self.peer else self.name
        master = f"master {self.master} " if self.master else ""
        mac = self.mac or f"02:00:00:00:{self.index >> 8:02x}:{self.index & 255:02x}"
        lines = f"{self.index}: {name}: <{flags}> mtu {self.mtu} qdisc noqueue {master}state {'UP' if self.up else 'DOWN'} group default qlen 1000\n"
        layer = (
            "ipip 0.0.0.0 brd 0.0.0.0"
            if self.kind.startswith("ipip")
            else "none"
            if self.kind.startswith("tun")
            else f"ether {mac} brd ff:ff:ff:ff:ff:ff"
        )
        lines += f"    link/{layer} promiscuity 0\n"
        kind = self.kind or ("veth" if self.peer else "")
        lines += f"    {kind} numtxqueues 1\n" if kind else ""
        if self.master:
            words = {"hairpin": "on" if self.hairpin else "off", "isolated": "on" if self.isolated else "off"}
            lines += SLAVE.format(state=self.state, switches=self.switches, **words)
        for address in self.addresses:
            lines += f"    {'inet6' if ':' in address else 'inet'} {address if ' ' in address else address + ' scope global'} {self.name}\n"
        return lines

    def connected(self) -> Iterable[str]:
        """The routes that the kernel makes of its addresses."""
        for address in self.addresses if self.up else ():
            text = address.partition(" ")[0]
            own, _, length = text.partition("/")
            if int(length or 32) < (128 if ":" in text else 32) and "secondary" not in address:
                yield f"{prefix(text)} dev {self.name} proto kernel scope link src {own}" + ("" if self.carrier else " linkdown")


@dataclass
class Stack:
    """What one network namespace prints."""

    world: World
    node: str
    name: str
    devices: dict[str, Device] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    routing: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)

    def device(self, name: str, *addresses: str, **more: Any) -> Stack:
        """Add a device; ``more`` are fields of :class:`Device`."""
        index = more.pop("index", 0) or len(self.devices) + 2
        if more.get("kind", "").startswith("vxlan"):
            # A tunnel's two ends must not have one MAC.
            number = crc32(f"{self.node}/{self.name}/{name}".encode())
            more.setdefault("mac", f"02:01:{number >> 24:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}")
        self.devices[name] = Device(name, addresses, index, **more)
        return self

    def route(self, *lines: str) -> Stack:
        """Add routes, as ``ip route show table all`` prints them."""
        self.routing += lines
        return self

    def rule(self, *lines: str) -> Stack:
        """Add policy rules, as ``ip rule`` prints them."""
        self.outputs["ip rule"] = "\n".join([RULES, *lines])
        return self

    def sysctl(self, **values: Any) -> Stack:
        """Set parameters of ``net.ipv4``: ``ip_forward=1``, ``conf__eth0__rp_filter=1`` (two underscores for a dot)."""
        self.parameters |= {f"net.ipv4.{name.replace('__', '.')}": value for name, value in values.items()}
        return self

    def router(self) -> Stack:
        """Switch forwarding on."""
        return self.sysctl(ip_forward=1)

    def iptables(self, text: str, backend: str = "") -> Stack:
        """Set what ``iptables-save`` prints: tables without their COMMIT lines."""
        tables = dedent(text).strip().split("\n*")
        body = "\n".join(("" if at == 0 else "*") + table.rstrip() + "\nCOMMIT" for at, table in enumerate(tables))
        self.outputs[f"iptables-{backend}-save" if backend else "iptables-save"] = body
        self.hidden.add("iptables-save" if backend else "")
        return self

    def filter(self, *rules: str, **policies: str) -> Stack:
        """Set a filter table: policies by chain (ACCEPT where not given), and rules as iptables-save prints them."""
        chains = {word: "-" for rule in rules for word in [rule.split()[1]]} | {"INPUT": "ACCEPT", "FORWARD": "ACCEPT", "OUTPUT": "ACCEPT"} | policies
        return self.iptables("\n".join(["*filter", *(f":{name} {policy} [0:0]" for name, policy in chains.items()), *rules]))

    def nat(self, *rules: str) -> Stack:
        """Set a nat table."""
        chains = {rule.split()[1]: "-" for rule in rules} | dict.fromkeys(("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "ACCEPT")
        return self.iptables("\n".join(["*nat", *(f":{name} {policy} [0:0]" for name, policy in chains.items()), *rules]))

    def listens(self, *ends: str) -> Stack:
        """Set the listening sockets: ``tcp 0.0.0.0:80``, ``udp 10.0.0.1:53``."""
        lines = [
            f"{protocol} {'LISTEN' if protocol == 'tcp' else 'UNCONN'} 0 128 {local} 0.0.0.0:*" for protocol, local in (end.split() for end in ends)
        ]
        self.outputs["ss -lntup"] = "\n".join([SOCKETS, *lines])
        return self

    def shows(self, command: str, text: str) -> Stack:
        """Set the output of any command."""
        self.outputs[command] = text
        return self

    def unseen(self, *commands: str) -> Stack:
        """Nobody ran these commands here."""
        self.hidden |= set(commands)
        return self

    def facts(self) -> list[Fact]:
        """What the parsers read."""
        devices = list(self.devices.values())
        connected = [line for each in devices for line in each.connected()]
        parameters = {
            "net.ipv4.ip_forward": 0,
            "net.ipv4.conf.all.rp_filter": 0,
            **{f"net.ipv4.conf.{each.name}.rp_filter": 0 for each in devices},
            **self.parameters,
        }
        outputs = {
            "ip -d addr": LOOPBACK + "".join(each.printed() for each in devices),
            "ip route show table all": "\n".join([*self.routing, *connected]),
            "ip rule": RULES,
            "ip neigh": "",
            "bridge fdb show": "",
            "iptables-save": "",
            "sysctl -a": "\n".join(f"{key} = {value}" for key, value in parameters.items()),
            "ss -lntup": SOCKETS,
            **self.outputs,
        }
        read = [fact for command, text in outputs.items() if command not in self.hidden for fact in parsed(command, text, self.node, self.name)]
        if self.name != HOST:
            read.append(Fact("netns", {"name": self.name, "role": "container", "entry": f"ip netns exec {self.name}"}, self.node, self.name))
        return read


class World:
    """Stacks of one or several nodes; cards with addresses of one subnet are on one wire."""

    def __init__(self) -> None:
        self.stacks: dict[tuple[str, str], Stack] = {}

    def stack(self, node: str, name: str = HOST) -> Stack:
        """A stack, made when first named."""
        return self.stacks.setdefault((node, name), Stack(self, node, name))

    def host(self, node: str, *addresses: str, gateway: str = "") -> Stack:
        """A node with a network card ``eth0``."""
        made = self.stack(node).device("eth0", *addresses)
        return made.route(f"default via {gateway} dev eth0") if gateway else made

    def pod(self, node: str, name: str, address: str, bridge: str = "cni0", gateway: str = "") -> Stack:
        """A namespace with ``eth0``, whose other end ``veth-NAME`` is a port of a bridge of the node."""
        host, pod = self.stack(node), self.stack(node, name)
        outer = len(host.devices) + 2
        pod.device("eth0", address, index=100 + outer, peer=outer)
        host.device(f"veth-{name}", index=outer, peer=100 + outer, master=bridge)
        return pod.route(f"default via {gateway} dev eth0") if gateway else pod

    def facts(self) -> FactBase:
        """All facts, as the pipeline holds them."""
        return FactBase([fact for each in self.stacks.values() for fact in each.facts()], EXPANDERS)

    def network(self) -> Network:
        """The model."""
        return build(self.facts())

    def walk(self, sender: str, dst: str, port: int = 80, protocol: str = "tcp", **more: Any) -> Trace:
        """Walk a flow from ``node`` or ``node/stack``; ``more`` are fields of :class:`Flow`."""
        node, _, stack = sender.partition("/")
        return walk(self.network(), Flow(node, stack or HOST, more.pop("src", ""), dst, 0 if protocol == "icmp" else port, protocol, **more))

    def sees(self, sender: str, dst: str, port: int = 80, protocol: str = "tcp", **more: Any) -> str:
        """What the client of a flow sees."""
        return self.walk(sender, dst, port, protocol, **more).client_sees


def found(trace: Trace, kind: str, **fields: Any) -> Fact:
    """The one derived fact of a kind with these fields."""
    all_of_kind = [fact for fact in trace.facts if fact.kind == kind]
    fits = [fact for fact in all_of_kind if all(fact.get(name) == value for name, value in fields.items())]
    assert len(fits) == 1, all_of_kind
    return fits[0]


def said(trace: Trace) -> list[str]:
    """Summaries of all steps, request first."""
    walked = [trace.request, *([trace.reply] if trace.reply else [])]
    return [step.summary for each in walked for hop in each.hops for step in hop.steps]


def lan(*, gateway: bool = True) -> World:
    """``client`` 10.1.0.2 and ``server`` 10.2.0.2 (tcp and udp 80 listening) with ``router`` between them (eth0 10.1.0.1, eth1 10.2.0.1)."""
    world = World()
    world.host("client", "10.1.0.2/24", gateway="10.1.0.1" if gateway else "")
    world.stack("router").device("eth0", "10.1.0.1/24").device("eth1", "10.2.0.1/24").router()
    world.host("server", "10.2.0.2/24", gateway="10.2.0.1" if gateway else "").listens("tcp 0.0.0.0:80", "udp 0.0.0.0:80")
    return world
