"""Source address of an IPv6 packet that has none (RFC 6724, section 5).

Source: Linux ``net/ipv6/addrconf.c`` (ipv6_dev_get_saddr, ipv6_get_saddr_eval), ``addrlabel.c``; compared with Linux 6.18.
Not modelled: deprecated, temporary and home addresses, labels of one's own (``ip addrlabel``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.inet import Prefix, prefix

if TYPE_CHECKING:
    from engine.model.stack import NetStack, OwnAddress

_LABELS = (
    ("::1/128", 0),
    ("2002::/16", 2),
    ("2001::/32", 6),
    ("2001:10::/28", 7),
    ("fc00::/7", 5),
    ("::ffff:0.0.0.0/96", 4),
    ("::/96", 3),
    ("::/0", 1),
)
_LINK, _GLOBAL = 2, 14
"""Scopes (RFC 4291)."""


def select(stack: NetStack, dst: int, device: str) -> int | None:
    """The address that packets to ``dst`` by ``device`` get; of equal ones the first that is listed."""
    local = _scope(dst) == _LINK
    candidates = [a for a in stack.addresses if a.family == 6 and (a.device == device or not local)]
    best: OwnAddress | None = None
    for address in candidates:
        if best is None or _rank(address, dst, device) > _rank(best, dst, device):
            best = address
    return best.value if best is not None else None


def _rank(address: OwnAddress, dst: int, device: str) -> tuple[int, ...]:
    """The rules in order, the higher the better."""
    scope, wanted = _scope(address.value), _scope(dst)
    fits = -scope if scope >= wanted else scope - 128
    same = min(128 - (address.value ^ dst).bit_length(), address.prefixlen)
    return int(address.value == dst), fits, int(address.device == device), int(_label(address.value) == _label(dst)), same


def _scope(value: int) -> int:
    if value >> 120 == 0xFF:
        return value >> 112 & 0xF
    return _LINK if value >> 118 == 0x3FA or value == 1 else _GLOBAL


def _label(value: int) -> int:
    return next(label for net, label in _table() if net.holds(value))


def _table() -> list[tuple[Prefix, int]]:
    if not _TABLE:
        _TABLE.extend((prefix(text), label) for text, label in _LABELS)
    return _TABLE


_TABLE: list[tuple[Prefix, int]] = []
