"""kube-proxy's iptables mode: KUBE-SERVICES leads by address and port to a Service's chain, and that to its backends."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from engine.computed.netfilter import target_of
from engine.proxy.programmed import Entry, Key, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.facts import RuleLine
    from engine.model.netfilter.ruleset import Chain, Table
    from engine.model.stack import NetStack

SERVICES = "KUBE-SERVICES"
NODE_PORTS = "KUBE-NODEPORTS"
REJECTING = (SERVICES, "KUBE-EXTERNAL-SERVICES", NODE_PORTS)
"""Chains of the filter table that turn away what has no backend."""
MARKING = frozenset({"KUBE-MARK-MASQ", "KUBE-MARK-DROP", ""})
MAX_CHAINS = 4096
"""Chains that one Service may lead through."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?')
_DESTINATION = re.compile(r"(?<!\S)(?<!! )-d (\S+)")
_PROTOCOL = re.compile(r"(?<!\S)-p (\w+)")
_PORT = re.compile(r"(?<!\S)--dport (\d+)(?!\S)")
_BACKEND = re.compile(r"(?<!\S)--to-destination (\S+)")
_NAME = re.compile(r'--comment "?([^\s"]+/[^\s"]+)')


class Reader:
    """The nat and filter tables of one stack, as far as they are kube-proxy's."""

    def __init__(self, stack: NetStack) -> None:
        tables = [t for t in stack.netfilter.tables if t.family == 4]
        nat = [t for t in tables if t.name == "nat" and SERVICES in t.chains]
        # Of tables in both backends the one with Services is the one that counts; what an earlier mode left has none.
        self._nat: Table | None = max(nat, key=lambda t: len(t.chains[SERVICES].rules), default=None)
        self._filters = [t for t in tables if t.name == "filter"]

    @property
    def found(self) -> bool:
        """Whether a Service is there."""
        return bool(self.keys)

    @property
    def whole(self) -> bool:
        """Whether the table was seen to its end."""
        return self._nat is not None and not self._nat.partial

    @cached_property
    def _rules(self) -> dict[Key, tuple[Chain, int]]:
        """Key → chain and position of the rule that leads on."""
        found: dict[Key, tuple[Chain, int]] = {}
        if self._nat is not None:
            for name in (SERVICES, NODE_PORTS):
                if name in self._nat.chains:
                    found.update({key: where for key, where in _leading(self._nat.chains[name]) if key not in found})
        return found

    @cached_property
    def _rejected(self) -> dict[Key, tuple[Chain, int]]:
        found: dict[Key, tuple[Chain, int]] = {}
        for table in self._filters:
            for name in REJECTING:
                if name in table.chains:
                    found.update(_rejecting(table.chains[name]))
        return found

    @cached_property
    def keys(self) -> frozenset[Key]:
        """Everything that is served or turned away."""
        return frozenset((*self._rules, *(self._rejected if self._nat is not None else ())))

    def entry(self, key: Key) -> Entry | None:
        """What becomes of packets to a key."""
        where = self._rules.get(key)
        if where is not None:
            chain, number = where
            rule = chain.text.rules[number]
            targets = self._backends(target_of(rule.spec))
            return Entry(targets, not targets and key in self._rejected, name_of(rule), chain.table.fact.source, rule.line)
        where = self._rejected.get(key)
        if where is None:
            return None
        chain, number = where
        rule = chain.text.rules[number]
        return Entry((), rejects=True, name=name_of(rule), source=chain.table.fact.source, line=rule.line)

    def _backends(self, name: str) -> tuple[Target, ...]:
        """Backends behind a chain, in order."""
        assert self._nat is not None  # noqa: S101 - a rule of it led here
        found: dict[Target, None] = {}
        seen: set[str] = set()
        waiting = [name]
        while waiting and len(seen) < MAX_CHAINS:
            name = waiting.pop(0)
            if name in seen or name not in self._nat.chains:
                continue
            seen.add(name)
            for rule in self._nat.chains[name].text.rules:
                target = target_of(rule.spec)
                to = _BACKEND.search(_QUOTED.sub("", rule.spec)) if target == "DNAT" else None
                if to is not None:
                    found.setdefault(backend(to[1]))
                elif target.startswith("KUBE-") and target not in MARKING:
                    waiting.append(target)
        return tuple(found)


def _leading(chain: Chain) -> Iterator[tuple[Key, tuple[Chain, int]]]:
    for number, head in enumerate(chain.text.heads()):
        if "KUBE-" not in head:
            continue
        spec = chain.text.rules[number].spec
        if target_of(spec).startswith("KUBE-") and target_of(spec) not in MARKING and (key := _key(spec, node_ports=chain.name == NODE_PORTS)):
            yield key, (chain, number)


def _rejecting(chain: Chain) -> Iterator[tuple[Key, tuple[Chain, int]]]:
    for number, rule in enumerate(chain.text.rules):
        if target_of(rule.spec) in {"REJECT", "DROP"} and (key := _key(rule.spec, node_ports=True)):
            yield key, (chain, number)


def _key(spec: str, *, node_ports: bool) -> Key | None:
    """Address, port and protocol that a rule asks for; ``None`` if it asks for something else."""
    plain = _QUOTED.sub("", spec)
    address, port, protocol = _DESTINATION.search(plain), _PORT.search(plain), _PROTOCOL.search(plain)
    if port is None or protocol is None or (address is None and not node_ports):
        return None
    return Key(address[1].removesuffix("/32") if address is not None else "", int(port[1]), protocol[1])


def name_of(rule: RuleLine) -> str:
    """Service that the rule's comment names."""
    found = _NAME.search(rule.spec)
    return found[1] if found else ""


def backend(text: str) -> Target:
    """``10.244.1.5:8080`` as a pair; port 0 if there is none."""
    address, _, port = text.rpartition(":") if text.count(":") == 1 or "]" in text else (text, "", "")
    return address.strip("[]"), int(port) if port.isdecimal() else 0
