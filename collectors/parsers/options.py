"""Options of a cluster's components and installers that tell its ranges: in a process listing, a manifest, a command line, or a grep of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collectors.parsers.emit import Emitter
from collectors.parsers.text import clean_lines

if TYPE_CHECKING:
    from collectors.place import Place
    from engine.facts import Fact, Source

_OPTION: Final = re.compile(
    r"--(?P<name>cluster-cidr|service-cluster-ip-range|service-cidr|pod-network-cidr)[= ][\"']?(?P<value>[0-9a-fA-F.:/,]{3,100})"
)


def parse(source: Source, place: Place) -> list[Fact]:
    """``kube_config`` facts, one an option and value; the rest of such lines is no concern."""
    out = Emitter(source, place)
    seen = set()
    for number, line in clean_lines(source.text):
        for found in _OPTION.finditer(line[:8000]):
            option = (f"--{found['name']}", found["value"].rstrip(","))
            if option not in seen:
                seen.add(option)
                out.add("kube_config", {"namespace": "kube-system", "name": "options", "data": dict([option])}, number)
    return out.done()
