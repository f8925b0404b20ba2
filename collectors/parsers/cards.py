"""Network cards: ``ethtool -k`` (what they compute themselves), ``ethtool -i`` (their driver), and the kernel log's word of wrong checksums."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines, is_refusal

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

WANTED: Final = frozenset({
    "rx-checksumming", "tx-checksumming", "tx-checksum-ipv4", "tx-checksum-ip-generic", "tx-checksum-ipv6", "tcp-segmentation-offload",
    "generic-segmentation-offload", "generic-receive-offload", "large-receive-offload", "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation",
})
"""Features that become facts; a card has some sixty."""

_FEATURES = re.compile(r"Features for (\S+?):\s*\Z", re.ASCII)
_FEATURE = re.compile(r"\s*([a-z][\w-]*): (on|off)((?: \[[^\]]*\])*)\s*\Z", re.ASCII)
_DRIVER = re.compile(r"(driver|version|firmware-version): ?(.*)\Z", re.ASCII)
_OTHER = re.compile(r"(?:expansion-rom-version|bus-info|supports-[\w-]+):|(?:Actual|Offload) \w+", re.ASCII)
_WRONG = re.compile(r"(?:^|\s)([\w.@-]{1,40}): hw csum failure", re.ASCII)


def parse(source: Source, place: Place) -> list[Fact]:
    """``offload`` facts of one or more ``ethtool -k``, or the ``nic`` fact of an ``ethtool -i``."""
    emit = Emitter(source, place)
    device = _asked(source)
    driver: dict[str, str] = {}
    first = 0
    for number, line in clean_lines(source.text):
        if found := _FEATURES.match(line):
            device = found[1]
        elif found := _FEATURE.match(line):
            if found[1] in WANTED and device:
                emit.add("offload", {"device": device, "feature": found[1], "on": found[2] == "on", "fixed": "[fixed" in found[3]}, number)
        elif found := _DRIVER.match(line):
            first = first or number
            driver[found[1].partition("-")[0]] = found[2].strip()
        elif is_refusal(line):
            emit.add("not_collected", {"what": "offloads", "command": source.command or source.name, "reason": line.strip()}, number)
        elif line.strip() and not _OTHER.match(line):
            emit.unparsed.add(number, line)
    if driver.get("driver") and device:
        emit.add("nic", {"device": device, **{name: value for name, value in driver.items() if value}}, first)
    return emit.done()


def _asked(source: Source) -> str:
    """The device that the command line names; "" if it does not tell."""
    told = re.sub(r"\.(?:txt|out|log)$", "", source.command or source.name.rpartition("/")[2])
    asked = re.search(r"ethtool(?:[\s_]+-{1,2}[\w-]+)+[\s_]+([\w.@-]+)", told)
    # In a file's name the underscore stands for a space.
    return asked[1] if asked and source.command else asked[1].split("_")[0] if asked else ""


def parse_log(source: Source, place: Place) -> list[Fact]:
    """``csum_failure`` facts of a kernel log, one for each device; all else in the log is passed over."""
    emit = Emitter(source, place)
    counts: dict[str, tuple[int, int]] = {}
    for number, line in clean_lines(source.text):
        if found := _WRONG.search(line):
            first, before = counts.get(found[1], (number, 0))
            counts[found[1]] = first, before + 1
    for device, (number, count) in counts.items():
        emit.add("csum_failure", {"device": device, "count": count}, number)
    return emit.done()
