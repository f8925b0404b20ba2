"""Copied files: where they lay on the node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from collectors.parsers.invocation import invocation

if TYPE_CHECKING:
    from engine.facts import Source

_ROOTS = r"(?:^|/)((?:etc|run|var|usr|opt|lib)/.+)$"
_FOLDED = {"etc_cni_net.d_": "/etc/cni/net.d/", "run_flannel_": "/run/flannel/", "etc_": "/etc/"}
"""Paths whose separators were folded into the name of a loose file; a node's name may stand in front."""


def node_path(source: Source) -> str:
    """Absolute path of a copied file on its node, or its name where a bundle does not tell the path."""
    call = invocation(source.command, "cat")
    if call and len(call.words) == 1 and call.words[0].startswith("/"):
        return call.words[0]
    if source.name.startswith("/"):
        return source.name
    found = re.search(_ROOTS, source.name)
    if found:
        return "/" + found[1]
    name = source.name.rpartition("/")[2]
    begun = re.search(rf"(?:^|[-_ .+])({'|'.join(map(re.escape, _FOLDED))})(.+)$", name)
    return _FOLDED[begun[1]] + begun[2] if begun else name
