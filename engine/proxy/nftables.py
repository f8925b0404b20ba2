"""kube-proxy's nftables mode: verdict maps lead by address and port to a Service's chain, and that to its backends."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from engine.model.nft import ast
from engine.proxy.programmed import Entry, Key, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.model.nft.ruleset import NftTable
    from engine.model.stack import NetStack

TABLE = "ip kube-proxy"
SERVICES = {"service-ips": False, "service-nodeports": True}
"""Map → whether its keys are node ports."""
NO_ENDPOINTS = {"no-endpoint-services": False, "no-endpoint-nodeports": True}
MAX_CHAINS = 4096


class Reader:
    """The proxy's table on one stack."""

    def __init__(self, stack: NetStack) -> None:
        shown = any("kube-proxy" in str(fact.fields.get("text", "")) for fact in stack.facts("nft_ruleset"))
        self._table: NftTable | None = next((t for t in stack.nftables.tables if t.name == TABLE), None) if shown else None

    @property
    def found(self) -> bool:
        """Whether a Service is there."""
        return bool(self.keys)

    @property
    def whole(self) -> bool:
        """Whether the maps were seen with all their elements."""
        return self._table is not None and not any(ast.PARTIAL in self._table.sets[name].flags for name in SERVICES if name in self._table.sets)

    @cached_property
    def _leading(self) -> dict[Key, ast.Element]:
        return dict(self._elements(SERVICES))

    @cached_property
    def _rejected(self) -> dict[Key, ast.Element]:
        return dict(self._elements(NO_ENDPOINTS))

    def _elements(self, maps: dict[str, bool]) -> Iterator[tuple[Key, ast.Element]]:
        for name, node_ports in maps.items():
            held = self._table.sets.get(name) if self._table is not None else None
            for element in held.elements if held is not None else ():
                key = _key(element.key, node_ports=node_ports)
                if key is not None:
                    yield key, element

    @cached_property
    def keys(self) -> frozenset[Key]:
        """Everything that is served or turned away."""
        return frozenset((*self._leading, *self._rejected))

    def entry(self, key: Key) -> Entry | None:
        """What becomes of packets to a key."""
        element = self._leading.get(key) or self._rejected.get(key)
        if element is None or self._table is None:
            return None
        chain = element.data.target if isinstance(element.data, ast.Verdict) else ""
        targets = tuple(dict.fromkeys(self._backends(chain))) if key in self._leading else ()
        fact = self._table.fact
        return Entry(targets, rejects=key in self._rejected, name=_named(chain), source=fact.source, line=element.line or fact.line)

    def _backends(self, name: str) -> Iterator[Target]:
        assert self._table is not None  # noqa: S101 - an element of it led here
        seen: set[str] = set()
        waiting = [name]
        while waiting and len(seen) < MAX_CHAINS:
            name = waiting.pop(0)
            chain = self._table.chains.get(name)
            if name in seen or chain is None:
                continue
            seen.add(name)
            for statement in (s for rule in chain.rules for s in rule.statements):
                match statement:
                    case ast.Translate("dnat", address=ast.Literal(address), port=ast.Literal(port)) if port.isdecimal():
                        yield address, int(port)
                    case ast.Verdict("goto" | "jump", target):
                        waiting.append(target)
                    case ast.VerdictMap(data=ast.SetOf(elements)):
                        waiting += [e.data.target for e in elements if isinstance(e.data, ast.Verdict) and e.data.target]


def _key(made: ast.Expression, *, node_ports: bool) -> Key | None:
    parts = [part.text for part in made.parts if isinstance(part, ast.Literal)] if isinstance(made, ast.Concat) else []
    if len(parts) != 3 - node_ports or not parts[-1].isdecimal():
        return None
    return Key("" if node_ports else parts[0], int(parts[-1]), parts[-2])


def _named(chain: str) -> str:
    """Service in a chain's name: ``service-HASH-namespace/name/tcp/port``."""
    words = chain.split("-", 2)[-1].split("/")
    return f"{words[0]}/{words[1]}:{words[3]}".rstrip(":") if len(words) >= 4 else ""
