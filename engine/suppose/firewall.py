"""Chains as a listing leaves them: without interface columns (``iptables -L``), or without the base chain that leads to them.

``iptables -L`` without ``-v`` hides ``-i`` and ``-o``.  A rule without any other match that is not its chain's last must name an interface, or
all rules below it were dead; which one, docker, libvirt and the usual ``-i lo`` tell by the place.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.facts import ChainText, Fact, RuleLine
from engine.suppose.clues import MAX_RULES, runtime_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENTRIES: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "filter": (
        ("FORWARD", "DOCKER-USER", ""),
        ("FORWARD", "DOCKER-ISOLATION-STAGE-1", ""),
        ("FORWARD", "DOCKER-FORWARD", ""),
        ("FORWARD", "DOCKER", "-o {bridge}"),
        ("FORWARD", "CNI-FORWARD", ""),
        ("FORWARD", "NETAVARK_FORWARD", ""),
        ("FORWARD", "LIBVIRT_FWX", ""),
        ("FORWARD", "LIBVIRT_FWI", ""),
        ("FORWARD", "LIBVIRT_FWO", ""),
        ("INPUT", "ufw-user-input", ""),
        ("FORWARD", "ufw-user-forward", ""),
        ("OUTPUT", "ufw-user-output", ""),
    ),
    "nat": (
        ("PREROUTING", "DOCKER", "-m addrtype --dst-type LOCAL"),
        ("OUTPUT", "DOCKER", "! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL"),
    ),
}
"""Table → (base chain, user chain, matches of the jump that programs make between them)."""

_OWN_CHAINS: Final = {
    "DOCKER": "! -i {b} -o {b}",
    "DOCKER-FORWARD": "-i {b}",
    "DOCKER-ISOLATION-STAGE-2": "-o {b}",
    "LIBVIRT_FWX": "-i {b} -o {b}",
    "LIBVIRT_FWI": "-o {b}",
    "LIBVIRT_FWO": "-i {b}",
}
"""Chain of a runtime → interfaces of its rules without other matches ({b}: the runtime's bridge)."""

_BASES: Final = ("FORWARD", "INPUT", "OUTPUT")
_LEADS: Final = re.compile(r"-[jg] (\S+)")
_NFT_LEADS: Final = re.compile(r"\b(?:jump|goto) ([\w.-]+)")
MAX_TEXT: Final = 200_000
"""Characters of a native ruleset that is completed; a person pastes fewer."""

_BARE: Final = re.compile(r"-j (ACCEPT|DROP|REJECT)(?: --reject-with \S+)?")
_CATCH_ALL: Final = re.compile(r"-j REJECT --reject-with (?:icmp-host-prohibited|icmp6-adm-prohibited)")
"""What ends the default filter of RHEL and its kin; programs that append their rules put them behind it."""
_STATED: Final = re.compile(r"-m (?:conntrack --ctstate|state --state) (?:RELATED,ESTABLISHED|ESTABLISHED,RELATED) -j ACCEPT")


def entries(table: str, shown: Sequence[Fact], bridges: Sequence[str]) -> dict[str, tuple[RuleLine, ...]]:
    """Base chain → jumps to the user chains that were shown without it; ``shown``: facts of one table of a node."""
    chains = [chain for fact in shown for chain in fact.get("chains", ())]
    there = {chain.name for chain in chains}
    made: dict[str, list[RuleLine]] = {}
    for base, user, matches in ENTRIES.get(table, ()):
        if user in there and base not in there:
            ways = [matches.format(bridge=bridge) for bridge in bridges] if "{bridge}" in matches else [matches]
            made.setdefault(base, []).extend(RuleLine(0, f"{way} -j {user}".strip()) for way in ways)
    known = {user for _, user, _ in ENTRIES.get(table, ())}
    if table == "filter" and sum(len(chain.rules) for chain in chains) <= MAX_RULES:
        led = {word for chain in chains for rule in chain.rules for word in _LEADS.findall(rule.spec)}
        for name in (n for n in there - known - led if (base := base_of(n)) and base not in there):
            made.setdefault(base_of(name), []).append(RuleLine(0, f"-j {name}"))
    return {base: tuple(rules) for base, rules in made.items()}


def base_of(chain: str) -> str:
    """The base chain that leads to a program's own one, by its name (``ts-forward``, ``KUBE-ROUTER-INPUT``); "" if that does not tell."""
    name = chain.upper()
    return "" if name in _BASES else next((base for base in _BASES if re.search(rf"(?:^|[-_.]){base}(?:$|[-_.])", name)), "")


def entered(fact: Fact) -> Fact | None:
    """A native ruleset with the base chains that must lead to its chains; ``None`` where it has them, or nobody can tell."""
    from engine.model.nft.parser import parse

    text = str(fact.get("text", ""))
    if fact.get("format", "text") != "text" or len(text) > MAX_TEXT:
        return None
    added = []
    for table in parse(text).tables:
        led = {word for chain in table.chains for rule in chain.rules for word in _NFT_LEADS.findall(rule.text)}
        hooks = {chain.hook.hook for chain in table.chains if chain.hook is not None}
        lone = [(base_of(c.name).lower(), c.name) for c in table.chains if c.hook is None and c.name not in led and base_of(c.name)]
        for hook in dict.fromkeys(hook for hook, _ in lone if hook not in hooks and table.name != "nat"):
            jumps = "; ".join(f"jump {name}" for base, name in lone if base == hook)
            base = f"chain {hook.upper()} {{ type filter hook {hook} priority 0; policy accept; {jumps}; }}"
            added.append(f"table {table.family} {table.name} {{ {base} }}")
    return replace(fact, fields={**fact.fields, "text": "\n".join((text, *added))}) if added else None


def gathered(shown: Sequence[Fact]) -> Fact | None:
    """Chains of one table that were listed one by one in one text, as one; ``None`` if there is nothing to gather.

    Of a chain that was listed twice the later listing counts.
    """
    if len(shown) < 2 or any(fact.source is not shown[0].source or fact.get("backend") != shown[0].get("backend") for fact in shown):
        return None
    chains = {chain.name: chain for fact in shown for chain in fact.get("chains", ())}
    return replace(shown[0], fields={**shown[0].fields, "chains": tuple(chains.values())})


def with_interfaces(fact: Fact, bridges: Mapping[str, str]) -> Fact | None:
    """A table that was listed without interface columns with those that its rules must have; ``bridges``: bridge → subnet.

    ``None`` where the columns were shown.
    """
    chains: Sequence[ChainText] = fact.get("chains", ())
    if fact.get("columns") != "no-interfaces" or sum(len(chain.rules) for chain in chains) > MAX_RULES:
        return None
    told = [_chain(chain, bridges, fact.get("table")) for chain in chains]
    return replace(fact, fields={**{k: v for k, v in fact.fields.items() if k != "columns"}, "chains": tuple(told)})


class _Place(NamedTuple):
    """Where a rule stands."""

    table: str
    chain: str
    spec: str
    before: str
    """The rule above."""
    last: bool


def _chain(chain: ChainText, bridges: Mapping[str, str], table: str) -> ChainText:
    rules: list[RuleLine] = []
    for number, rule in enumerate(chain.rules):
        before = chain.rules[number - 1].spec if number else ""
        place = _Place(table, chain.name, rule.spec, before, number + 1 == len(chain.rules))
        told = _translating(place, bridges) if table == "nat" else _filtering(place, bridges)
        rules += [replace(rule, spec=f"{interfaces} {rule.spec}".strip()) for interfaces in told]
    return replace(chain, rules=tuple(rules))


def _of(runtime: str, bridges: Mapping[str, str]) -> list[str]:
    return [bridge for bridge in bridges if runtime_of(bridge) == runtime]


def _translating(place: _Place, bridges: Mapping[str, str]) -> list[str]:
    """What ``-i`` and ``-o`` of a rule of the nat table must have been."""
    source = re.match(r"-s (\S+) .*-j MASQUERADE", place.spec)
    own = [b for b, net in bridges.items() if source and source[1] == net]
    if own:
        return [f"! -o {own[0]}"]
    return [f"-i {b}" for b in _of("docker", bridges)] if place.chain == "DOCKER" and place.spec.endswith("-j RETURN") else [""]


def _filtering(place: _Place, bridges: Mapping[str, str]) -> list[str]:
    """What ``-i`` and ``-o`` of a rule of the filter table must have been, once for each bridge; none for a rule of which nobody can tell."""
    chain, spec, docker = place.chain, place.spec, _of("docker", bridges)
    target = spec.rpartition("-j ")[2].partition(" ")[0]
    bare = _BARE.fullmatch(spec) is not None
    written = _written(chain, target, bare=bare)
    if written:
        return [written.format(b=b) for b in (_of("libvirt", bridges) if chain.startswith("LIBVIRT") else docker)]
    if docker and chain == "FORWARD" and _STATED.fullmatch(spec):
        return [f"-o {b}" for b in docker]
    after_docker = chain == "FORWARD" and bool(docker) and (place.before.endswith("-j DOCKER") or _BARE.fullmatch(place.before) is not None)
    if not bare or place.last or _CATCH_ALL.fullmatch(spec):
        # A rule for everything that ends a chain is what it looks like, unless docker wrote it.
        return [f"-i {b}" for b in docker] if bare and target == "ACCEPT" and after_docker else [""]
    if target != "ACCEPT":
        return []
    if chain in {"INPUT", "OUTPUT"}:
        return [f"-{'i' if chain == 'INPUT' else 'o'} lo"]
    return [f"-i {b}" for b in docker] if after_docker else []


def _written(chain: str, target: str, *, bare: bool) -> str:
    """The interfaces of the rules that docker and libvirt write into chains of their own; "" for other rules."""
    if target == "DOCKER":
        return "-o {b}"
    if chain == "DOCKER-ISOLATION-STAGE-1" and target == "DOCKER-ISOLATION-STAGE-2":
        return "-i {b} ! -o {b}"
    if chain == "DOCKER-CT" and target == "ACCEPT":
        return "-o {b}"
    if not bare or (chain == "DOCKER" and target != "DROP"):
        return ""
    return _OWN_CHAINS.get(chain, "")
