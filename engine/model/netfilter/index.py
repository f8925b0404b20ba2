"""Which rules of a long chain may match a packet.

kube-proxy keeps a rule for each Service in one chain.  A rule is a conjunction, so one condition that fails is reason enough to pass it by:
rules are filed under a condition at the beginning of their words (one address, one port, one device, one set), and a packet is shown those
that are filed under what it bears, and those that are filed nowhere, in the order of the chain.  No rule needs to be parsed for that.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from engine.inet import to_int, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.model.packet import HookContext, Packet

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST = rf"(?:({_OCTET}(?:\.{_OCTET}){{3}})(?:/32)?|([0-9a-f:]+:[0-9a-f:.]*)(?:/128)?)"
# Words without quotes; a value begins with no "!" (iptables before 1.4.3) and no "-" (the value is missing).
_ANY = r'[^\s"\\]++'
_NAME = r'(?![!-])([^\s"\\]++)'
_COMMENT = r'-m comment --comment (?:"(?:[^"\\]|\\.)*+"|[^\s"\\]++) '

_HEAD = re.compile(
    rf"(?:-s {_HOST} |(?:! )?-s {_ANY} )?(?:-d {_HOST} |(?:! )?-d {_ANY} )?"
    rf"(?:-i {_NAME} |! -i {_ANY} )?(?:-o {_NAME} |! -o {_ANY} )?(?:(?:! )?-p {_ANY} )?(?:{_COMMENT})?"
    rf"(?:-m (?:tcp|udp|sctp) --dport ([0-9]{{1,5}}) |-m set --match-set {_NAME} {_NAME} )?"
)
"""The beginning of a rule, as iptables-save orders it; what stands there in another form files the rule nowhere, which is never wrong."""

_SERVICE = re.compile(rf"-d ({_OCTET}(?:\.{_OCTET}){{3}})/32 ")
"""The beginning of most rules of a long chain."""
_TRANSLATES = re.compile(r"-j (?:MASQUERADE|SNAT|DNAT|REDIRECT|NETMAP)(?!\S)")


class Index:
    """Places of the rules of one chain by the condition that they are filed under."""

    __slots__ = ("_by_destination", "_by_input", "_by_output", "_by_port", "_by_source", "_others", "_sets")

    def __init__(self, heads: Sequence[str]) -> None:
        """``heads``: how the words of each rule begin, at least up to its target."""
        self._by_destination: dict[str, list[int]] = defaultdict(list)
        self._by_source: dict[str, list[int]] = defaultdict(list)
        self._by_port: dict[int, list[int]] = defaultdict(list)
        self._by_input: dict[str, list[int]] = defaultdict(list)
        self._by_output: dict[str, list[int]] = defaultdict(list)
        self._sets: dict[int, tuple[str, tuple[str, ...]]] = {}
        """Place → set and directions."""
        self._others: list[int] = []
        for place, head in enumerate(heads):
            if found := _SERVICE.match(head):
                self._by_destination[found[1]].append(place)
            else:
                self._file(place, head)

    def _file(self, place: int, head: str) -> None:
        found = _HEAD.match(head)
        source, source6, destination, destination6, input_, output, port, name, directions = found.groups() if found else ("",) * 9
        if destination or (destination6 and _canonical(destination6)):
            self._by_destination[destination or destination6].append(place)
        elif source or (source6 and _canonical(source6)):
            self._by_source[source or source6].append(place)
        elif port:
            self._by_port[int(port)].append(place)
        elif input_ and input_[-1] != "+":
            self._by_input[input_].append(place)
        elif output and output[-1] != "+":
            self._by_output[output].append(place)
        else:
            # Why a translation did not apply is told where a set was the reason: such rules are always shown.
            if name and not _TRANSLATES.search(head):
                self._sets[place] = (name, tuple(directions.split(",")))
            self._others.append(place)

    def candidates(self, packet: Packet, context: HookContext, in_set: Callable[[str, tuple[str, ...]], bool | None]) -> Iterator[int]:
        """Places of the rules that may match, in order; ``in_set`` is asked when a rule's turn comes, as marks may have changed by then."""
        found = [
            *self._by_destination.get(to_text(packet.dst, packet.family), ()),
            *self._by_source.get(to_text(packet.src, packet.family), ()),
            *self._by_port.get(packet.dport, ()),
            *self._by_input.get(context.in_device, ()),
            *self._by_output.get(context.out_device, ()),
        ]
        for place in sorted([*self._others, *found]) if found else self._others:
            test = self._sets.get(place)
            if test is None or in_set(*test) is not False:
                yield place


def _canonical(address: str) -> bool:
    """Whether an IPv6 address is written as the kernel's tools print it."""
    try:
        return to_text(to_int(address), 6) == address
    except ValueError:
        return False
