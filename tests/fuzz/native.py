"""Random nftables rulesets: base chains of any family, type and priority, beside or instead of iptables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz.world import MARKS, PORTS

if TYPE_CHECKING:
    from tests.fuzz.world import World

PRIORITIES = {
    "prerouting": (-310, -250, -160, -140, -50, 10),
    "input": (-160, -10, 0, 10, 60),
    "forward": (-160, -10, 0, 10, 60),
    "output": (-310, -250, -140, -10, 0, 10),
    "postrouting": (-140, 50, 150),
}
IN = frozenset({"prerouting", "input", "forward"})
OUT = frozenset({"forward", "output", "postrouting"})


def add_native(world: World, stack: str) -> None:
    """Give a stack one or two tables."""
    lines = world.stack(stack).native
    for number in range(world.pick((1, 1, 2))):
        lines.append(f"table {world.pick(('ip', 'inet', 'inet'))} t{number} {{")
        lines += _user(world, stack)
        for at in range(world.pick((1, 1, 2, 3))):
            lines += _filter(world, stack, f"c{at}")
        lines.append("}")
    if world.chance(0.4):
        lines += ["table ip nat1 {", *(_translating(world, stack)), "}"]


def _user(world: World, stack: str) -> list[str]:
    return ["chain user {", *(_rule(world, stack, "", ("accept", "drop", "return", "continue", "reject")) for _ in range(world.pick((0, 1, 2)))), "}"]


def _filter(world: World, stack: str, name: str) -> list[str]:
    hook = world.weighed({"forward": 4, "input": 3, "output": 2, "prerouting": 2, "postrouting": 1})
    kind = "route" if hook == "output" and world.chance(0.5) else "filter"
    policy = "drop" if world.chance(0.06) else "accept"
    verdicts: tuple[str, ...] = ("accept", "accept", "drop", "return", "mark", "mark", "ctmark", "jump user", "goto user", "continue")
    if hook in {"input", "forward", "output"}:
        verdicts = (*verdicts, "reject")
    if hook in {"prerouting", "output"}:
        verdicts = (*verdicts, "notrack")
    if hook in {"prerouting", "postrouting"}:
        verdicts = tuple(v for v in verdicts if "user" not in v)
    rules = [_rule(world, stack, hook, verdicts) for _ in range(world.pick((1, 2, 3)))]
    return [f"chain {name} {{", f"type {kind} hook {hook} priority {world.pick(PRIORITIES[hook])}; policy {policy};", *rules, "}"]


def _translating(world: World, stack: str) -> list[str]:
    found: list[str] = []
    for at in range(world.pick((1, 2))):
        hook = world.pick(("prerouting", "output", "postrouting"))
        priority = world.pick((90, 100, 110)) if hook == "postrouting" else world.pick((-110, -100, -90))
        verdicts = ("masquerade", "masquerade", "snat", "accept") if hook == "postrouting" else ("dnat", "dnat", "redirect", "accept")
        rules = [_rule(world, stack, hook, verdicts) for _ in range(world.pick((1, 2)))]
        found += [f"chain n{at} {{", f"type nat hook {hook} priority {priority}; policy accept;", *rules, "}"]
    return found


def _rule(world: World, stack: str, hook: str, verdicts: tuple[str, ...]) -> str:
    matches = [_match(world, stack, hook) for _ in range(world.pick((0, 1, 1, 2)))]
    port = world.chance(0.4)
    protocol = world.pick(("tcp", "udp"))
    if port:
        matches = [match for match in matches if "l4proto" not in match]
        matches.append(f"{protocol} {world.pick(('dport', 'dport', 'sport'))} {_ports(world)}")
    verdict = _verdict(world, world.pick(verdicts), protocol if port else "")
    return " ".join(filter(None, [*matches, "counter", verdict]))


def _ports(world: World) -> str:
    first, second = world.pick(PORTS), world.pick(PORTS)
    return world.pick((f"{first}", f"{{ {first}, {second + 1} }}", f"!= {first}", f"{first - 5}-{first + 5}"))


def _match(world: World, stack: str, hook: str) -> str:
    device = world.pick(world.devices[stack])
    mark = world.pick(MARKS)
    sign = world.pick(("", "", "!= "))
    options = [
        f"ip saddr {sign}{_prefix(world)}",
        f"ip daddr {sign}{_prefix(world)}",
        f"ip daddr {{ {world.address()}, 192.0.2.77 }}",
        f"meta l4proto {world.pick(('tcp', 'udp', 'icmp'))}",
        f"meta mark {sign}{mark:#x}",
        f"meta mark & {mark:#x} == {mark:#x}",
        f"ct state {world.pick(('new', 'established', 'established,related', 'invalid', 'untracked', 'new,untracked'))}",
        f"ct mark {sign}{world.pick((*MARKS, 0)):#x}",
        f"fib daddr type {world.pick(('local', 'unicast'))}",
        f"ct direction {world.pick(('original', 'reply'))}",
        f"numgen random mod {world.pick((2, 3))} == 0" if world.chance(0.15) else "",
    ]
    if hook in IN:
        options.append(f'iifname {sign}"{device}"')
    if hook in OUT:
        options.append(f'oifname {sign}"{device}"')
    return world.pick(options)


def _prefix(world: World) -> str:
    net = world.net()
    return "10.0.0.0/8" if net.endswith("/0") else net


def _verdict(world: World, name: str, protocol: str) -> str:
    mark = world.pick(MARKS)
    port = f":{world.pick(PORTS)}" if protocol and world.chance(0.5) else ""
    words = {
        "mark": f"meta mark set {mark:#x}",
        "ctmark": world.pick((f"ct mark set {mark:#x}", "ct mark set meta mark", "meta mark set ct mark")),
        "dnat": f"dnat to {world.address()}{port}",
        "snat": f"snat to {world.address()}",
        "redirect": f"redirect to {port}" if port else "redirect",
        "reject": world.pick(("reject", "reject with icmp type host-unreachable", "reject with icmp type admin-prohibited")),
    }
    if name == "reject" and protocol == "tcp" and world.chance(0.4):
        return "reject with tcp reset"
    return words.get(name, name)
