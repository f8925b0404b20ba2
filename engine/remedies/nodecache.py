"""Operations on the node-local DNS cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from engine.facts import HOST
from engine.remedies.base import Operation, Parameter, Site
from engine.remedies.links import AddressDelete
from engine.remedies.netfilter import IptablesDelete

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.facts import FactBase


class DnsReleaseAddress(Operation):
    """Take the address of the cluster's DNS from the cache's device, and the rules by which its packets are not tracked.

    Without the address they would go on to keep IPVS' packets from being masqueraded.
    """

    NAME: ClassVar[str] = "dns.release-address"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"address": Parameter("address with its length"), "dev": Parameter("device of the cache")}

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` if a parameter is missing or unknown."""
        super().__init__(parameters, site)
        self._address = AddressDelete({"address": self.text("address"), "dev": self.text("dev")}, site)
        self._rules = tuple(self._untracked())

    def _untracked(self) -> Iterator[IptablesDelete]:
        """Removal of each rule of the raw table that names the address and ends the tracking of what it meets."""
        host = self.text("address").partition("/")[0]
        for table in self.site.facts.at("netfilter_table", self.site.node, HOST):
            for chain in table.get("chains", ()) if table.get("table") == "raw" else ():
                for rule in chain.rules:
                    words = rule.spec.split()
                    if (f"{host}/32" in words or host in words) and ("NOTRACK" in words or "--notrack" in words):
                        given = {"table": "raw", "chain": chain.name, "rule": rule.spec, "backend": str(table.get("backend", ""))}
                        yield IptablesDelete({key: value for key, value in given.items() if value}, self.site)

    def commands(self) -> tuple[str, ...]:
        """``ip address del``, then ``iptables -t raw -D`` for each rule."""
        return (*self._address.commands(), *(line for rule in self._rules for line in rule.commands()))

    def undo(self) -> tuple[str, ...]:
        """The address, and each rule at its place: in their order, for places count what stands before."""
        return (*self._address.undo(), *(line for rule in self._rules for line in rule.undo()))

    def persist(self) -> tuple[str, ...]:
        """The cache takes the address again, and writes the rules again, whenever it starts."""
        return ("# in the DaemonSet node-local-dns keep -localip 169.254.20.10 alone: kubectl edit daemonset -n kube-system node-local-dns",)

    def verify(self) -> tuple[str, ...]:
        """Who has the address, and the rules that are left."""
        host = self.text("address").partition("/")[0]
        return (self.site.shell("ip", "-br", "address", "show", "to", host), self.site.shell("iptables", "-t", "raw", "-S"))

    def apply(self, facts: FactBase) -> FactBase | None:
        """Without the address and the rules."""
        after = self._address.apply(facts)
        for rule in self._rules:
            after = (rule.apply(after) if after is not None else None) or after
        return after
