"""What kube-proxy's own comments say of Services that it turns away, under each name that a question may use for one.

A person pastes what ``iptables-save | grep`` found: the rules that lead to the verdict are not there, so that no packet can be walked to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.facts import Fact, LazyChains

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import FactBase, RuleLine

_SAID: Final = re.compile(r'--comment "?(?P<full>[\w.-]{1,63}/[\w.-]{1,63})(?::[\w.-]*)? has no (?P<local>local )?endpoints')
_LACKS: Final = " has no "
"""Words of every comment that :data:`_SAID` finds."""
_DPORT: Final = re.compile(r"--dport (\d{1,5})(?: |$)")
_ADDRESS: Final = re.compile(r"(?:^| )-d (\d+\.\d+\.\d+\.\d+)(?:/32)? ")
_JUMP: Final = re.compile(r"-j (KUBE-\S+)$")
NODE_PORTS: Final = range(30000, 32768)
SHORTEST: Final = 3
"""Characters that a Service's name must have for a symptom that holds them to mean it."""


def words(base: FactBase) -> Iterator[Fact]:
    """A ``proxy_word`` fact for every handle of every Service that a rule says has no endpoints."""
    for table in base.of_kind("netfilter_table"):
        told = table.get("chains", ())
        if isinstance(told, LazyChains) and not told.may_hold(_LACKS):
            continue  # the nat table of a big cluster: 70,000 rules
        chains = [(chain.name, rule) for chain in told if str(chain.name).startswith("KUBE-") for rule in chain.rules]
        ports = _ports(rule for _, rule in chains)
        seen: set[tuple[str, str]] = set()
        for name, rule in chains:
            found = _SAID.search(rule.spec) if _LACKS in rule.spec else None
            if found is None:
                continue
            for handle in _handles(found["full"], rule.spec, ports.get(name, 0)):
                if (found["full"], handle) not in seen:
                    seen.add((found["full"], handle))
                    fields = {"full": found["full"], "handle": handle.lower(), "what": "no-local" if found["local"] else "none", "spec": rule.spec}
                    yield Fact("proxy_word", fields, table.node, table.stack, table.source, rule.line)


def _ports(rules: Iterator[RuleLine]) -> Mapping[str, int]:
    """Chain → port of the rule that leads into it."""
    found = {}
    for rule in rules:
        port, jump = _DPORT.search(rule.spec), _JUMP.search(rule.spec)
        if port and jump:
            found[jump[1]] = int(port[1])
    return found


def _handles(full: str, spec: str, led: int) -> Iterator[str]:
    """The Service's name, its node port, its address."""
    own = _DPORT.search(spec)
    port = int(own[1]) if own else led
    if port in NODE_PORTS:
        yield str(port)
    if address := _ADDRESS.search(spec):
        yield address[1]
    name = full.partition("/")[2]
    if len(name) >= SHORTEST:
        yield name
