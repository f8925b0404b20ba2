"""The Services of one node as its proxy programmed them, whatever the mode.

Sources: kube-proxy's ``pkg/proxy/iptables/proxier.go``, ``pkg/proxy/nftables/proxier.go``, ``pkg/proxy/ipvs/proxier.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.facts import Source
    from engine.model.stack import NetStack

Target = tuple[str, int]
"""Address and port of a backend."""


class Key(NamedTuple):
    """What a packet asks for."""

    address: str
    """"" = any of the node's own (a node port)."""
    port: int
    protocol: str


class Entry(NamedTuple):
    """What becomes of packets to a :class:`Key`."""

    targets: tuple[Target, ...] = ()
    """Backends that new connections may be given to."""
    rejects: bool = False
    """The proxy itself turns them away, for want of a backend."""
    name: str = ""
    """``namespace/service:port`` as the proxy notes it; "" if it does not."""
    source: Source | None = None
    line: int = 0
    text: str = ""


class Proxy(NamedTuple):
    """All of a node's Services."""

    mode: str
    """``iptables`` | ``nftables`` | ``ipvs``; "" = nothing of a proxy is there."""
    known: bool
    """Whether everything was seen that a proxy writes: a Service that is not among the keys is then not served."""
    keys: frozenset[Key] = frozenset()
    look: Callable[[Key], Entry | None] = lambda _: None
    """What is programmed for a key; ``None`` = nothing."""

    def entry(self, key: Key) -> Entry | None:
        """What is programmed for a key, or for its port on any of the node's addresses."""
        return self.look(key) or self.look(key._replace(address=""))


def read(stack: NetStack, configured: str = "") -> Proxy:
    """What is programmed on a node's own stack; ``configured`` is the mode that the cluster's configuration names ("" = not known)."""
    from engine.proxy import iptables, ipvs, nftables

    by_ipvs = ipvs.entries(stack)
    if by_ipvs:
        return Proxy("ipvs", known=True, keys=frozenset(by_ipvs), look=by_ipvs.get)
    by_nft = nftables.Reader(stack)
    if by_nft.found:
        return Proxy("nftables", known=by_nft.whole, keys=by_nft.keys, look=by_nft.entry)
    by_iptables = iptables.Reader(stack)
    if by_iptables.found:
        return Proxy("iptables", known=by_iptables.whole, keys=by_iptables.keys, look=by_iptables.entry)
    return Proxy("", known=_nothing_there(stack, configured))


def _nothing_there(stack: NetStack, configured: str) -> bool:
    """Whether every place was seen in which a proxy (of the configured mode) would have written something."""
    places: Mapping[str, bool] = {
        "iptables": stack.netfilter.known("nat", 4, "PREROUTING") or stack.collected("netfilter", "all"),
        # "all" of an iptables dump means all of its tables.
        "nftables": any(f.fields.get("scope") == "nft-native" for f in stack.facts("collected")) or bool(stack.facts("nft_ruleset")),
        "ipvs": stack.collected("ipvs") or (stack.collected("links", "all") and "kube-ipvs0" not in stack.links),
    }
    return places[configured] if configured in places else all(places.values())
