"""Operations on servers of names: whom CoreDNS and dnsmasq ask."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, ClassVar, Final

from engine.errors import RuleError
from engine.remedies.base import Operation, Parameter, Site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.facts import FactBase

_WORD: Final = r"[A-Za-z0-9_.:/#-]{1,253}"
_OBJECT: Final = re.compile(r"configmap ([a-z0-9-]{1,63})/([a-z0-9.-]{1,253})")


class DnsForward(Operation):
    """Send what a server of names does not know to another server."""

    NAME: ClassVar[str] = "dns.forward"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "program": Parameter("coredns | dnsmasq"),
        "file": Parameter("its configuration: a path, or 'configmap NAMESPACE/NAME'"),
        "old": Parameter("upstream server, or file of such, as the configuration has it"),
        "new": Parameter("address of the server that is asked instead"),
    }
    RISK: ClassVar[str] = "medium"

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` if a server is no plain word, or dnsmasq is to be weaned from a file."""
        super().__init__(parameters, site)
        self.old, self.new, self.file = self.text("old"), self.text("new"), self.text("file")
        words = all(re.fullmatch(_WORD, word) for word in (self.old, self.new))
        placed = _OBJECT.fullmatch(self.file) or re.fullmatch(r"/[A-Za-z0-9_./-]{1,253}", self.file)
        if not words or not placed or (self.text("program") == "dnsmasq" and self.old.startswith("/")):
            message = f"operation {self.NAME}: cannot replace {self.old!r} by {self.new!r} in {self.file!r}"
            raise RuleError(message)

    def _edit(self, old: str, new: str) -> tuple[str, ...]:
        """Replace one server on the lines that name some, and have the program read it."""
        keys = "server=" if self.text("program") == "dnsmasq" else r"[[:space:]]*\(forward\|proxy\)[[:space:]]"
        wanted = shlex.quote(f"/^{keys}/s,\\([= /]\\){re.escape(old)}\\([[:space:]]\\|$\\),\\1{new}\\2,")
        found = _OBJECT.fullmatch(self.file)
        if found:
            space, name = found[1], found[2]
            config = f"kubectl -n {space} get configmap {name} -o yaml | sed -e {wanted} | kubectl apply -f -"
            return config, f"kubectl -n {space} rollout restart deployment coredns"
        return f"sed -i -e {wanted} {shlex.quote(self.file)}", f"systemctl restart {self.text('program')}"

    def commands(self) -> tuple[str, ...]:
        """The configuration with the other server; CoreDNS would read it by itself only after up to two minutes."""
        return self._edit(self.old, self.new)

    def undo(self) -> tuple[str, ...]:
        """The server of before."""
        return self._edit(self.new, self.old)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The forwarder with the other server; ``None`` if it is not among the facts."""
        here = [f for f in facts.of_kind("dns_forwarder") if f.get("file") == self.file and self.old in f.get("upstreams", ())]
        if not _OBJECT.fullmatch(self.file):
            here = [f for f in here if f.node == self.site.node]
        if not here:
            return None
        return facts.swap({id(f): f.having(upstreams=self._replaced(f.get("upstreams"))) for f in here})

    def _replaced(self, upstreams: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.new if up == self.old else up for up in upstreams))
