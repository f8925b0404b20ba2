"""The part of a container's own stack that was not shown: its device, its address, its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from engine.facts import HOST, Fact
from engine.inet import in_prefix, is_address, prefix, to_int, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.facts import FactBase

DEVICE: Final = "eth0"
"""What runtimes call the device of a container."""
INNER_INDEX: Final = 9200
OUTER_INDEX: Final = 9300


class Inner:
    """Containers of one node whose stacks were shown in part."""

    def __init__(self, facts: FactBase, node: str) -> None:
        self.facts = facts
        self.node = node
        kinds = ("link", "address", "route", "dns_config", "socket")
        self.stacks = list(dict.fromkeys(f.stack for kind in kinds for f in facts.of_kind(kind) if f.node == node and f.stack != HOST))

    def subnets(self) -> list[str]:
        """Gateways and addresses with length of all stacks, as far as they were shown."""
        found = [own for stack in self.stacks if (own := self._gateway(stack))]
        for stack in self.stacks:
            found += [own for _, own in self._addresses(stack)] or [own for own in [self._address(stack)[1]] if own]
        return found

    def _addresses(self, stack: str) -> list[tuple[str, str]]:
        """(device, address with length) of all that a stack was shown to have."""
        return [
            (str(fact.get("device", DEVICE)), f"{fact.get('address')}/{fact.get('prefixlen', 32)}")
            for fact in self._of("address", stack)
            if fact.get("device") != "lo" and fact.get("scope") != "link" and is_address(str(fact.get("address", "")))
        ]

    def _of(self, kind: str, stack: str) -> Iterable[Fact]:
        return (f for f in self.facts.at(kind, self.node, stack) if f.get("family", 4) == 4)

    def _address(self, stack: str) -> tuple[str, str]:
        """(device, address with length) of a stack, shown or told by a route."""
        shown = self._addresses(stack)
        if shown:
            return shown[0]
        for route in self._of("route", stack):
            source, dst = str(route.get("src", "")), str(route.get("dst", ""))
            if is_address(source) and not route.get("gateway") and ":" not in source:
                return str(route.get("device", DEVICE)), f"{source}/{dst.partition('/')[2] or 32}"
        return "", ""

    def _gateway(self, stack: str) -> str:
        """The default gateway with the length of the subnet that it is in."""
        gateway = next((r for r in self._of("route", stack) if r.get("dst") == "0.0.0.0/0" and is_address(str(r.get("gateway", "")))), None)
        if gateway is None:
            return ""
        value = str(gateway.get("gateway"))
        nets = [str(r.get("dst")) for r in self._of("route", stack) if not r.get("gateway") and r.get("dst") != "0.0.0.0/0"]
        own = self._address(stack)[1]
        net = next((n for n in (*nets, own) if n and in_prefix(value, n)), "")
        return f"{value}/{prefix(net).length if net else 16}"

    def completed(self, bridges: Mapping[str, Sequence[str]]) -> list[Fact]:
        """Facts that join each stack to the bridge whose subnet it is in."""
        made: list[Fact] = []
        for number, stack in enumerate(self.stacks):
            device, own = self._address(stack)
            wanted = own or self._gateway(stack)
            near = next(((b, mine) for b, owns in bridges.items() for mine in owns if wanted and _inside(wanted.partition("/")[0], mine)), None)
            near = near or (next(((b, owns[0]) for b, owns in bridges.items()), None) if not wanted else None)
            if near is None:
                continue
            made += self._complete(stack, number, device or DEVICE, own, near)
        return made

    def _complete(self, stack: str, number: int, device: str, own: str, near: tuple[str, str]) -> list[Fact]:
        bridge, gateway = near
        made: list[Fact] = []

        def add(kind: str, place: str, **fields: Any) -> None:
            made.append(Fact(kind, fields, self.node, place))

        if not own:
            own = f"{to_text(to_int(gateway.partition('/')[0]) + 10 + number)}/{gateway.partition('/')[2]}"
        address, _, length = own.partition("/")
        if not any(f.get("address") == address for f in self._of("address", stack)) and not self._whole("addresses", stack, device):
            add("address", stack, device=device, address=address, prefixlen=int(length), scope="global", family=4)
        if not any(f.get("peer_index") for f in self._of("link", stack) if f.get("name") == device):
            index = next((int(f.get("index")) for f in self._of("link", stack) if f.get("name") == device and f.get("index")), INNER_INDEX + number)
            add("link", stack, name=device, type="veth", index=index, peer_index=OUTER_INDEX + number)
            if not self._whole("links", HOST):
                outer = OUTER_INDEX + number
                add("link", HOST, name=f"veth{outer}", type="veth", up=True, carrier=True, master=bridge, index=outer, peer_index=index)
        if not self._whole("routes", stack, "main"):
            known = {str(r.get("dst")) for r in self._of("route", stack)}
            if str(prefix(own)) not in known and prefix(own).length < 32:
                add("route", stack, table="main", type="unicast", dst=str(prefix(own)), device=device, src=address, scope="link", metric=0, family=4)
            if "0.0.0.0/0" not in known:
                via = gateway.partition("/")[0]
                add("route", stack, table="main", type="unicast", dst="0.0.0.0/0", device=device, gateway=via, metric=0, family=4)
        return made

    def _whole(self, what: str, stack: str, *scopes: str) -> bool:
        return any(
            f.get("what") == what and f.get("scope", "all") in {"all", *scopes} and f.get("family", 4) == 4
            for f in self.facts.at("collected", self.node, stack)
        )


def _inside(address: str, own: str) -> bool:
    try:
        return in_prefix(address, own)
    except ValueError:
        return False
