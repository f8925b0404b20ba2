"""Chains of nftables below the IP layer: netdev ingress and egress of a device, and the hooks of family bridge.

Source: Linux ``net/core/dev.c`` (nf_ingress in __netif_receive_skb_core, nf_hook_egress in __dev_queue_xmit), ``net/bridge/br_input.c``,
``br_forward.c``, ``br_netfilter_hooks.c`` (order of bridge-nf among the hooks of a bridge).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.phrases import phrase
from engine.walk import traffic
from engine.walk.hooks import Call
from engine.walk.place import At
from engine.walk.trace import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.model.nft.ruleset import NftChain
    from engine.walk.place import End
    from engine.walk.walker import Walker

BRIDGE = "BRIDGE"
"""Hook of ``drop`` facts and contexts of family bridge, whose hooks bear the names of those of IP."""


def ingress(walker: Walker, at: At) -> At | End:
    """A frame comes in by a device, before anything else sees it."""
    return traffic.arrived(walker, at, at.device) or _device(walker, at, "INGRESS", at.device)


def egress(walker: Walker, at: At, device: str) -> At | End:
    """A frame goes out by a device, after all else but its queue."""
    passed = _device(walker, at, "EGRESS", device)
    return (traffic.leaving(walker, passed, device) or passed) if isinstance(passed, At) else passed


def _device(walker: Walker, at: At, hook: str, device: str) -> At | End:
    chains = [c for c in at.stack.nftables.on_device(hook, device) if _is_there(walker, at, c, device)]
    side = {"in_device": device} if hook == "INGRESS" else {"out_device": device}
    return _run(walker, at, chains, hook, **side) if chains else at


def _is_there(walker: Walker, at: At, chain: NftChain, device: str) -> bool:
    """Whether a chain hangs on a device; JSON of nft 1.0.6 does not tell."""
    if chain.hook is not None and chain.hook.device:
        return True
    stack, table = at.stack, chain.table.name
    why = phrase("not-modelled", what=f"device of {table} {chain.name}")
    unknown = Unknown(stack.node, stack.name, f"device of {table} {chain.name}", f"nft list chain {table} {chain.name}", why)
    return walker.choices.ask(("device", stack.node, stack.name, table, chain.name, device), ("no", "yes"), unknown) == 1


def bridge(walker: Walker, at: At, hook: str, ports: tuple[str, str], *, late: bool | None = None) -> At | End:
    """A hook of family bridge; ``ports``: the port that the frame came by and the one it goes out by, "" for none.

    ``late``: only chains that run after bridge-nf (True) or before it (False), which is at priority 0, registered first and so last of its equals.
    """
    found = (c for c in at.stack.nftables.on_family("bridge", hook) if c.hook is not None and late in {None, c.hook.priority > 0})
    chains = list(found)
    return _run(walker, at, chains, BRIDGE, in_device=ports[0], out_device=ports[1]) if chains else at


def bare(walker: Walker, at: At, hook: str, in_device: str, out_device: str) -> At | End:
    """A hook that ARP passes; ``hook``: ``ingress`` or ``egress`` of a device, or the family (arp, bridge) and its hook."""
    ruleset = at.stack.nftables
    family, _, name = hook.rpartition(" ")
    if family:
        return _run(walker, at, ruleset.on_family(family, name), BRIDGE, in_device=in_device, out_device=out_device)
    device = in_device or out_device
    # Chains of family inet see no ARP.
    chains = [c for c in ruleset.on_device(name.upper(), device) if c.table.kind == "netdev" and _is_there(walker, at, c, device)]
    return _run(walker, at, chains, name.upper(), in_device=in_device, out_device=out_device)


def _run(walker: Walker, at: At, chains: Iterable[NftChain], hook: str, **devices: str) -> At | End:
    passage = walker.passage(at)
    for chain in chains:
        priority = chain.hook.priority if chain.hook is not None else 0
        verdict = passage.run(Call(priority, 0, "chain", chain), passage.context(hook, **devices))
        if verdict.name != "accept":
            ended = walker.refuse(at, passage, hook, verdict, dict(devices))
            turned = devices.get("in_device", "") if verdict.name == "reject" else ""
            return replace(ended, errno="", turned=turned)  # what a device refuses is no error of send() for who does not ask (IP_RECVERR)
    return replace(at, packet=passage.packet)
