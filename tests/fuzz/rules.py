"""Random ipsets and iptables rulesets that the kernel accepts."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from tests.fuzz.world import CLOSED, MARKS, OPEN_BOTH, OPEN_TCP, OPEN_UDP, PORTS

if TYPE_CHECKING:
    from tests.fuzz.world import World

HOOKS = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
TABLE_SHARES = {"filter": 0.85, "nat": 0.5, "mangle": 0.35, "raw": 0.25, "security": 0.06}
REJECTS = (
    "icmp-net-unreachable",
    "icmp-host-unreachable",
    "icmp-proto-unreachable",
    "icmp-port-unreachable",
    "icmp-net-prohibited",
    "icmp-host-prohibited",
    "icmp-admin-prohibited",
)
DIMENSIONS = {
    "hash:ip": 1,
    "hash:net": 1,
    "hash:ip,port": 2,
    "hash:net,port": 2,
    "hash:ip,port,ip": 3,
    "hash:ip,port,net": 3,
    "hash:net,iface": 2,
    "bitmap:port": 1,
    "bitmap:ip": 1,
    "list:set": 1,
}
CONDITIONS = {
    "s": 4,
    "d": 5,
    "i": 3,
    "o": 3,
    "state": 3,
    "entry": 1,
    "mark": 2,
    "connmark": 1,
    "set": 4,
    "addrtype": 2,
    "range": 1,
    "physdev": 2,
    "length": 1,
    "rpfilter": 0.7,
    "statistic": 0.4,
    "comment": 1,
}
IN_HOOKS = frozenset({"PREROUTING", "INPUT", "FORWARD"})
OUT_HOOKS = frozenset({"FORWARD", "OUTPUT", "POSTROUTING"})


# --- sets --------------------------------------------------------------------------------------------------------------


def add_sets(world: World, stack: str) -> dict[str, str]:
    """Make some sets; returns name → type."""
    sets: dict[str, str] = {}
    lines = world.stack(stack).ipset
    for number in range(world.pick((0, 0, 1, 2, 3))):
        kind = world.pick([k for k in DIMENSIONS if k != "list:set"])
        name = f"s{number}"
        sets[name] = kind
        extra = {"bitmap:port": " range 0-9000", "bitmap:ip": f" range {_wide(world)}"}.get(kind, "")
        lines.append(f"create {name} {kind}{extra}{world.pick(('', '', ' counters', ' comment', ' timeout 0'))}")
        members = {_member(world, stack, kind) for _ in range(world.pick((0, 1, 2, 4)))}
        lines += [f"add {name} {member} -exist" for member in sorted(members)]
    if sets and world.chance(0.3):
        lines.append("create l0 list:set")
        lines += [f"add l0 {name}" for name in sets if world.chance(0.7)]
        sets["l0"] = "list:set"
    return sets


def _wide(world: World) -> str:
    return str(ipaddress.ip_network(f"{world.address()}/16", strict=False))


def _member(world: World, stack: str, kind: str) -> str:
    port = world.pick(PORTS)
    service = world.pick((f"tcp:{port}", f"udp:{port}", f"{port}", f"tcp:{port}-{port + 5}", "icmp:8/0", "icmp:echo-request"))
    nomatch = " nomatch" if world.chance(0.2) else ""
    net = world.net()
    if net.endswith("/0"):
        net = "10.0.0.0/8"  # the hash types know no /0
    return {
        "hash:ip": world.address(),
        "hash:net": f"{net}{nomatch}",
        "hash:ip,port": f"{world.address()},{service}",
        "hash:net,port": f"{net},{service}{nomatch}",
        "hash:ip,port,ip": f"{world.address()},{service},{world.address()}",
        "hash:ip,port,net": f"{world.address()},{service},{net}{nomatch}",
        "hash:net,iface": f"{net},{world.pick(world.devices[stack])}{nomatch}",
        "bitmap:port": f"{port}" if world.chance(0.6) else f"{port}-{port + 9}",
        "bitmap:ip": _inside(world, stack) if kind == "bitmap:ip" else "",
    }[kind]


def _inside(world: World, stack: str) -> str:
    """An address in the range of the bitmap made last."""
    created = next(line for line in reversed(world.stack(stack).ipset) if " bitmap:ip " in line)
    net = ipaddress.ip_network(created.split()[4])
    fitting = [a for a in world.targets if ipaddress.ip_address(a) in net]
    return world.pick(fitting) if fitting else str(net[1])


def _together(words: list[str]) -> list[str]:
    """Conditions of one module in a row: where another's option of the same name stands between, iptables takes the later one for a repetition."""
    modules = [tuple(word.split()[:2]) if word.startswith("-m ") else (word,) for word in words]
    return [word for _, word in sorted(zip(modules, words, strict=True), key=lambda pair: modules.index(pair[0]))]


# --- matches -----------------------------------------------------------------------------------------------------------


class Writer:
    """Writes the rules of one backend of one stack."""

    def __init__(self, world: World, stack: str, sets: dict[str, str], features: frozenset[str]) -> None:
        self.world = world
        self.stack = stack
        self.sets = sets
        self.features = features
        self.hooks: frozenset[str] = frozenset()
        self.table_name = ""

    def bang(self, share: float = 0.15) -> str:
        """Now and then a ``!``."""
        return "! " if self.world.chance(share) else ""

    def matches(self) -> tuple[list[str], str]:
        """Conditions of a rule, and the protocol if it is pinned to one."""
        world, words, protocol = self.world, [], ""
        if world.chance(0.5):
            protocol = world.weighed({"tcp": 5, "udp": 4, "icmp": 2})
            bang = self.bang(0.1)
            words.append(f"{bang}-p {protocol}")
            protocol = "" if bang else protocol
            words += self._of_protocol(protocol)
        for _ in range(world.pick((0, 1, 1, 1, 2, 3))):
            kind = world.weighed(CONDITIONS)
            found = getattr(self, f"_{kind}")()
            if found and not any(w.split()[-2:-1] == found.split()[-2:-1] and found[-4:] in w for w in words):
                words.append(found)
        flat: list[str] = []
        seen: set[str] = set()
        for word in words:
            key = word.removeprefix("! ").split()[0]
            if key in {"-s", "-d", "-i", "-o", "-p"} and key in seen:
                continue
            seen.add(key)
            flat.append(word)
        return _together(flat), protocol

    def _of_protocol(self, protocol: str) -> list[str]:
        world = self.world
        if protocol == "icmp":
            return (
                [f"-m icmp {self.bang()}--icmp-type {world.pick(('8', '0', '3', '3/1', '3/3', '255', '11', '8/0', '3/13'))}"]
                if world.chance(0.6)
                else []
            )
        if protocol not in {"tcp", "udp"} or world.chance(0.25):
            return []
        port = world.pick(PORTS)
        options = {
            f"-m {protocol} {self.bang()}--dport {port}": 6.0,
            f"-m {protocol} {self.bang()}--sport {port}": 1.0,
            f"-m {protocol} --dport {port - 20}:{port + 20}": 1.0,
            f"-m {protocol} --sport 1024:65535": 1.0,
            f"-m multiport {self.bang()}--dports {OPEN_BOTH},{port},{OPEN_UDP}:{OPEN_UDP + 10}": 1.5,
            f"-m multiport --ports {CLOSED},{OPEN_TCP}": 1.0,
            f"-m multiport {self.bang()}--sports {OPEN_BOTH},{port}": 0.7,
        }
        if protocol == "tcp":
            options |= {
                f"-m tcp {self.bang()}--tcp-flags FIN,SYN,RST,ACK SYN": 1.0,
                "-m tcp --tcp-flags SYN,ACK SYN,ACK": 0.4,
                "-m tcp --tcp-flags RST RST": 0.4,
                "-m tcp --tcp-flags ALL NONE": 0.1,
            }
        return [world.weighed(options)]

    def _s(self) -> str:
        return self._address("-s")

    def _d(self) -> str:
        return self._address("-d")

    def _address(self, option: str) -> str:
        net = self.world.net()
        return f"{'' if net.endswith('/0') else self.bang()}{option} {net}"  # "not any" is refused

    def _device(self) -> str:
        name = self.world.pick(self.world.devices[self.stack])
        return f"{name[:-1]}+" if len(name) > 2 and self.world.chance(0.2) else name

    def _i(self) -> str:
        return f"{self.bang()}-i {self._device()}" if self.hooks <= IN_HOOKS else ""

    def _o(self) -> str:
        return f"{self.bang()}-o {self._device()}" if self.hooks <= OUT_HOOKS else ""

    def _state(self) -> str:
        states = self.world.pick(
            ("NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "NEW,UNTRACKED", "DNAT", "SNAT", "NEW,RELATED")
        )
        if self.world.chance(0.2) and not set(states.split(",")) & {"DNAT", "SNAT"}:
            return f"-m state {self.bang()}--state {states}"
        return f"-m conntrack {self.bang()}--ctstate {states}"

    def _entry(self) -> str:
        world = self.world
        options = [
            f"--ctorigdst {world.net()}",
            f"--ctorigsrc {world.net()}",
            f"--ctreplsrc {world.net()}",
            f"--ctrepldst {world.net()}",
            "--ctproto tcp",
            f"--ctorigdstport {world.pick(PORTS)}",
            f"--ctreplsrcport {world.pick(PORTS)}",
        ]
        option = world.pick([*options, "--ctstatus SEEN_REPLY", "--ctstatus CONFIRMED", "--ctstatus NONE"])
        return (
            f"-m conntrack {'' if option.endswith('/0') else self.bang()}{option}"
            if world.chance(0.8)
            else f"-m conntrack --ctdir {world.pick(('ORIGINAL', 'REPLY'))}"
        )

    def _rpfilter(self) -> str:
        if self.table_name not in {"raw", "mangle"} or not self.hooks <= {"PREROUTING"}:
            return ""
        return "-m rpfilter" + "".join(f" {option}" for option in ("--loose", "--validmark", "--accept-local", "--invert") if self.world.chance(0.35))

    def _mark(self) -> str:
        mark = self.world.pick(MARKS)
        mask = self.world.pick(("", f"/{mark:#x}", "/0xff", "/0xc000"))
        return f"-m mark {self.bang()}--mark {mark:#x}{mask}"

    def _connmark(self) -> str:
        mark = self.world.pick((*MARKS, 0))
        return f"-m connmark {self.bang()}--mark {mark:#x}{self.world.pick(('', '/0xff'))}"

    def _set(self) -> str:
        if not self.sets:
            return ""
        name = self.world.pick(list(self.sets))
        count = DIMENSIONS[self.sets[name]] if self.sets[name] != "list:set" else self.world.pick((1, 2, 2, 3))
        if self.world.chance(0.05):
            count = self.world.pick((1, 2, 3))
        directions = ",".join(self.world.pick(("src", "dst", "dst")) for _ in range(count))
        return f"-m set {self.bang()}--match-set {name} {directions}"

    def _addrtype(self) -> str:
        side = self.world.pick(("src", "dst", "dst"))
        kind = self.world.pick(("LOCAL", "LOCAL", "UNICAST", "BROADCAST", "LOCAL,UNICAST", "UNREACHABLE"))
        limit = ""
        if self.world.chance(0.15):
            limit = " --limit-iface-in" if self.hooks <= IN_HOOKS else " --limit-iface-out" if self.hooks <= OUT_HOOKS else ""
        return f"-m addrtype {self.bang()}--{side}-type {kind}{limit}"

    def _range(self) -> str:
        low = ipaddress.IPv4Address(self.world.address())
        return f"-m iprange {self.bang()}--{self.world.pick(('src', 'dst'))}-range {low}-{low + self.world.pick((0, 3, 200))}"

    def _physdev(self) -> str:
        ports = self.world.ports[self.stack]
        if not ports or self.hooks & {"OUTPUT"}:
            return ""
        options = ["--physdev-is-bridged", "--physdev-is-in"]
        options += [f"--physdev-in {self.world.pick(ports)}"] * 2
        if self.hooks <= {"FORWARD", "POSTROUTING"}:
            options += ["--physdev-is-out", f"--physdev-out {self.world.pick(ports)}"]
        return f"-m physdev {self.bang()}{self.world.pick(options)}"

    def _length(self) -> str:
        return f"-m length {self.bang()}--length {self.world.pick(('60', '0:59', '61:65535', '40', '0:1000'))}"

    def _statistic(self) -> str:
        every = self.world.pick((2, 3))
        return self.world.pick(
            (
                f"-m statistic --mode random {self.bang()}--probability {self.world.pick((0.25, 0.5, 0.75))}",
                f"-m statistic --mode nth --every {every} --packet {self.world.pick((0, every - 1))}",
            )
        )

    def _comment(self) -> str:
        return f'-m comment --comment "{self.world.pick(("plain", "two words", "a -j DROP in quotes"))}"'

    # --- targets --------------------------------------------------------------------------------------------------

    def filtering(self, protocol: str) -> str:
        """A verdict in table filter."""
        world = self.world
        kind = world.weighed({"ACCEPT": 5, "DROP": 1.6, "REJECT": 1.8, "RETURN": 1.5, "": 0.5, "LOG": 0.5, "MARK": 0.5})
        if kind == "REJECT":
            if protocol == "tcp" and world.chance(0.3):
                return "-j REJECT --reject-with tcp-reset"
            return f"-j REJECT --reject-with {world.pick(REJECTS)}" if world.chance(0.85) else "-j REJECT"
        if kind == "LOG":
            return f'-j LOG --log-prefix "{world.pick(("x", "to drop "))}"'
        if kind == "MARK":
            return self.marking()
        return f"-j {kind}" if kind else ""

    def marking(self) -> str:
        """A target that writes marks."""
        world = self.world
        mark = world.pick(MARKS)
        return world.pick(
            (
                f"-j MARK --set-mark {mark:#x}",
                f"-j MARK --set-xmark {mark:#x}/{mark:#x}",
                f"-j MARK --set-xmark {mark:#x}/0xff",
                f"-j MARK --or-mark {mark:#x}",
                f"-j MARK --and-mark {mark:#x}",
                f"-j MARK --xor-mark {mark:#x}",
                "-j CONNMARK --save-mark",
                "-j CONNMARK --restore-mark",
                f"-j CONNMARK --set-mark {mark:#x}",
                "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
                "-j CONNMARK --save-mark --nfmask 0xc000 --ctmask 0xc000",
                f"-j CONNMARK --set-xmark {mark:#x}/{mark:#x}",
            )
        )

    def mangling(self, protocol: str) -> str:
        """A target in table mangle."""
        del protocol
        kind = self.world.weighed({"mark": 6, "-j ACCEPT": 1, "-j DROP": 0.5, "-j RETURN": 1, "-j TOS --set-tos 0x10": 0.0})
        return self.marking() if kind == "mark" else kind

    def tracking(self, protocol: str) -> str:
        """A target in table raw."""
        del protocol
        return self.world.weighed(
            {"-j CT --notrack": 2, "-j NOTRACK": 1, "-j ACCEPT": 2, "-j DROP": 0.6, "-j RETURN": 1, "-j MARK --set-xmark 0x1/0x1": 1}
        )

    def securing(self, protocol: str) -> str:
        """A target in table security."""
        del protocol
        return self.world.weighed({"-j ACCEPT": 2, "-j DROP": 1, "-j RETURN": 1})

    def translating(self, protocol: str) -> str:
        """A target in table nat, for the hooks that the chain is reached from."""
        world, ported = self.world, protocol in {"tcp", "udp"}
        if world.chance(0.25):
            return world.weighed({"-j ACCEPT": 1, "-j RETURN": 1, "": 0.3, "-j MARK --set-xmark 0x4000/0x4000": 1.5})
        port = f":{world.pick(PORTS)}" if ported and world.chance(0.5) else ""
        if self.hooks <= {"PREROUTING", "OUTPUT"}:
            to_ports = f" --to-ports {world.pick(PORTS)}" if ported and world.chance(0.7) else ""
            return world.weighed(
                {
                    f"-j DNAT --to-destination {world.address()}{port}": 5,
                    f"-j REDIRECT{to_ports}": 1.5,
                    f"-j NETMAP --to {world.pick(world.nets)}": 0.7,
                }
            )
        source = f"-j SNAT --to-source {world.address()}"
        if "INPUT" in self.hooks:
            return source
        masquerade = f"-j MASQUERADE --to-ports {world.pick((6000, 7000))}" if ported and world.chance(0.2) else "-j MASQUERADE"
        if ported and world.chance(0.2):
            source += ":6000"
        return world.weighed({masquerade: 4, source: 3, f"-j NETMAP --to {world.pick(world.nets)}": 0.5})

    # --- tables ---------------------------------------------------------------------------------------------------

    def table(self, name: str) -> list[str]:
        """One table for ``iptables-restore``."""
        makers = {"filter": self.filtering, "nat": self.translating, "mangle": self.mangling, "raw": self.tracking, "security": self.securing}
        world, make = self.world, makers[name]
        self.table_name = name
        bases = [hook for hook in HOOKS[name] if world.chance(0.75)] or [HOOKS[name][0]]
        if name == "nat":
            bases = [hook for hook in bases if hook != "INPUT" or world.chance(0.2)]
        users = self._users(name)
        heads = [
            f":{hook} {'DROP' if name in {'filter', 'mangle'} and world.chance(0.12 if name == 'filter' else 0.02) else 'ACCEPT'} [0:0]"
            for hook in HOOKS[name]
        ]
        lines = [f"*{name}", *heads, *(f":{chain} - [0:0]" for chain in users)]
        for chain, hooks in [*((hook, frozenset({hook})) for hook in bases), *users.items()]:
            self.hooks = hooks
            below = (
                [u for u, reach in users.items() if hooks <= reach and u > chain]
                if chain in users
                else [u for u, reach in users.items() if hooks <= reach]
            )
            for _ in range(world.pick((1, 1, 2, 3, 4))):
                words, protocol = self.matches()
                target = f"-{world.pick('jjjg')} {world.pick(below)}" if below and world.chance(0.35) else make(protocol)
                lines.append(" ".join(filter(None, [f"-A {chain}", *words, target])))
        return [*lines, "COMMIT"]

    def _users(self, table: str) -> dict[str, frozenset[str]]:
        """User chains and the hooks that they may be reached from; jumps go from lower names to higher ones only."""
        if table == "nat":
            groups = [frozenset({"PREROUTING", "OUTPUT"}), frozenset({"POSTROUTING"})]
        elif table in {"filter", "security"}:
            groups = [frozenset({"INPUT", "FORWARD", "OUTPUT"}), frozenset({"FORWARD"}), frozenset({"INPUT", "FORWARD"})]
        else:
            groups = [frozenset({"PREROUTING"}), frozenset({"PREROUTING", "OUTPUT"})]
        return {f"u{number}": self.world.pick(groups) for number in range(self.world.pick((0, 1, 2, 3)))}


def add_rules(world: World, stack: str, features: frozenset[str], share: float = 1.0) -> None:
    """Give a stack sets and rules."""
    if not world.chance(share):
        return
    sets = add_sets(world, stack) if "set" in features else {}
    writer = Writer(world, stack, sets, features)
    first, second = world.stack(stack).legacy, world.stack(stack).nft
    if world.chance(0.5):
        first, second = second, first
    # The same table in both backends runs in the order of registration, which nothing tells.
    mixed, twice = world.chance(0.1), world.chance(0.12)
    for table, likely in TABLE_SHARES.items():
        if table in features and world.chance(likely):
            one, other = (second, first) if mixed and world.chance(0.5) else (first, second)
            one.extend(writer.table(table))
            if twice and world.chance(0.5):
                other.extend(writer.table(table))
