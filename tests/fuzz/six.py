"""The same scenario in IPv6: addresses, routes, rules and parameters are put into their counterparts of the other family."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fuzz.scenario import Scenario, Stack

if TYPE_CHECKING:
    from tests.fuzz.world import World

HOME = int(ipaddress.IPv6Address("2001:db8::"))
GATEWAY = "169.254.1.1"
"""What pods without a bridge have for a gateway; fe80::1 in IPv6."""
_ADDRESS = re.compile(r"(?<![\w.:])(\d+\.\d+\.\d+\.\d+)(/\d+)?(?![\w.])")
_WITH_PORT = re.compile(r"(?<![\w.:])(\d+\.\d+\.\d+\.\d+):(\d+)")
_SWITCHES = {
    "net.ipv4.ip_forward": "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables": "net.bridge.bridge-nf-call-ip6tables",
}
_ICMP_TYPES = {"8": "128", "0": "129", "3": "1", "3/1": "1/3", "3/3": "1/4", "255": "128", "11": "3", "8/0": "128/0", "3/13": "1/1"}
_REJECTS = {
    "icmp-net-unreachable": "icmp6-no-route",
    "icmp-host-unreachable": "icmp6-addr-unreachable",
    "icmp-proto-unreachable": "icmp6-port-unreachable",
    "icmp-port-unreachable": "icmp6-port-unreachable",
    "icmp-net-prohibited": "icmp6-adm-prohibited",
    "icmp-host-prohibited": "icmp6-policy-fail",
    "icmp-admin-prohibited": "icmp6-reject-route",
}
_LENGTHS = {"60": "80", "0:59": "0:79", "61:65535": "81:65535", "40": "60"}
_DISCOVERY = [f"-p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j ACCEPT" for kind in (135, 136)]


def in_ipv6(world: World, scenario: Scenario) -> Scenario:
    """Counterpart of a scenario that was made for IPv4."""
    stacks = {name: _stack(world, stack) for name, stack in scenario.stacks.items()}
    probes = [replace(probe, dst=_address(probe.dst), src=_address(probe.src) if probe.src else "") for probe in scenario.probes]
    return Scenario(stacks, scenario.links, probes)


def _address(text: str) -> str:
    """10.1.0.2 → 2001:db8::a01:2, loopback → ::1, any → ::."""
    value = int(ipaddress.IPv4Address(text))
    if text == GATEWAY:
        return "fe80::1"
    if value >> 24 == 127 or not value:
        return str(ipaddress.IPv6Address(value & 0xFFFFFF))
    return str(ipaddress.IPv6Address(HOME | value))


def _addresses(line: str) -> str:
    line = _WITH_PORT.sub(lambda found: f"[{_address(found[1])}]:{found[2]}", line)
    return _ADDRESS.sub(lambda found: _address(found[1]) + (_length(found[2]) if found[2] else ""), line)


def _length(text: str) -> str:
    number = int(text[1:])
    return f"/{number + 96 if number else 0}"


def _stack(world: World, stack: Stack) -> Stack:
    return Stack(
        _sysctls(stack.sysctls),
        [made for line in stack.ip for made in _ip(line)],
        [_ipset(line) for line in stack.ipset],
        legacy6=_rules(world, stack.legacy),
        nft6=_rules(world, stack.nft),
        native=[_native(line) for line in stack.native],
        listen=[[protocol, _address(address), port] for protocol, address, port in stack.listen],
    )


def _sysctls(values: dict[str, int]) -> dict[str, int]:
    found = {"net.ipv6.conf.all.disable_ipv6": 0, "net.ipv6.conf.default.disable_ipv6": 0}
    for key, value in values.items():
        if key in _SWITCHES:
            found[_SWITCHES[key]] = value
        elif key.endswith(".forwarding"):
            found[key.replace("ipv4", "ipv6")] = value
    return found


def _ip(line: str) -> list[str]:
    line = _addresses(line.replace(" brd +", "").replace(" scope link", "")).replace("nf_call_iptables", "nf_call_ip6tables")
    line = line.replace("ipproto icmp", "ipproto ipv6-icmp")
    if line.startswith("link set cali") and line.endswith(" up"):
        return [line, f"addr add fe80::1/64 dev {line.split()[2]}"]
    if "via fe80::1" in line and " dev " not in line:
        line += " dev eth0"
    return [f"-6 {line}" if line.startswith(("route ", "rule ")) else line]


def _ipset(line: str) -> str:
    words = _addresses(line).replace("icmp:8/0", "icmpv6:128/0").replace("icmp:echo", "icmpv6:echo").split()
    if words[0] != "create" or words[2] in {"bitmap:port", "list:set"}:
        return " ".join(words)
    if words[2] == "bitmap:ip":
        words[2:5] = ["hash:ip"]
    return " ".join([*words[:3], "family", "inet6", *words[3:]])


def _rules(world: World, lines: list[str]) -> list[str]:
    """Tables of ip6tables; mostly neighbour discovery is let through, without which little else would be seen."""
    found: list[str] = []
    for line in map(_rule, lines):
        found.append(line)
        if line == "*filter":
            kept = len(found)
    if "*filter" in found and world.chance(0.8):
        kept = max(
            at for at, line in enumerate(found[kept:], kept) if line.startswith(":") and not any(found[i] == "COMMIT" for i in range(kept, at))
        )
        found[kept + 1 : kept + 1] = [f"-A {hook} {words}" for hook in ("INPUT", "FORWARD", "OUTPUT") for words in _DISCOVERY]
    return found


def _rule(line: str) -> str:
    line = re.sub(r"-p icmp\b", "-p ipv6-icmp", _addresses(line))
    line = re.sub(r"-m icmp (! )?--icmp-type (\S+)", lambda found: f"-m icmp6 {found[1] or ''}--icmpv6-type {_ICMP_TYPES[found[2]]}", line)
    line = re.sub(r"(?<=--reject-with )icmp-\S+", lambda found: _REJECTS[found[0]], line)
    line = re.sub(r"(?<=--length )\S+", lambda found: _LENGTHS.get(found[0], found[0]), line)
    return line.replace("-type BROADCAST", "-type ANYCAST")


def _native(line: str) -> str:
    line = re.sub(r"\bip (?=[sd]addr)", "ip6 ", _addresses(line)).replace("icmp type echo", "icmpv6 type echo")
    line = re.sub(r"with icmp type host-unreachable", "with icmpv6 type addr-unreachable", line).replace("with icmp type", "with icmpv6 type")
    return re.sub(r"\btable ip\b", "table ip6", line).replace("l4proto icmp ", "l4proto ipv6-icmp ")
