"""Operations on the neighbour table."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact, FactBase

KEPT = frozenset({"PERMANENT", "NOARP"})
"""States that somebody set by hand; the undo sets them again."""


class NeighborDelete(Operation):
    """Delete an entry: the kernel asks for the MAC anew."""

    NAME: ClassVar[str] = "neighbor.delete"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dev": Parameter("device of the entry"),
        "address": Parameter("address whose MAC the entry holds"),
    }

    def _entries(self, facts: FactBase) -> list[Fact]:
        here = facts.at("neighbor", self.site.node, self.site.stack)
        return [f for f in here if f.get("device") == self.text("dev") and f.get("address") == self.text("address") and not f.get("proxy")]

    def commands(self) -> tuple[str, ...]:
        """``ip neigh del``."""
        return (self.site.shell("ip", "neigh", "del", self.text("address"), "dev", self.text("dev")),)

    def undo(self) -> tuple[str, ...]:
        """The entry as it was."""
        lines = []
        for entry in self._entries(self.site.facts):
            state = str(entry.get("state", ""))
            words = ("lladdr", str(entry.get("mac")), "dev", self.text("dev"), "nud", state.lower() if state in KEPT else "stale")
            lines += [self.site.shell("ip", "neigh", "replace", self.text("address"), *words)] if entry.get("mac") else []
        return tuple(lines)

    def persist(self) -> tuple[str, ...]:
        """Whoever set the entry by hand does it again."""
        if not any(entry.get("state") in KEPT for entry in self._entries(self.site.facts)):
            return ()
        return (
            "# then take it out of where it came from:",
            "#   grep -rnE 'ip neigh|arp -s|lladdr|LLAddress' /etc/network /etc/systemd/network /etc/NetworkManager /etc/ethers /etc/rc.local",
        )

    def verify(self) -> tuple[str, ...]:
        """The entry that the next packet makes."""
        return (self.site.shell("ip", "neigh", "show", self.text("address"), "dev", self.text("dev")),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """Without the entry; ``None`` if there is none."""
        entries = self._entries(facts)
        return facts.swap({id(entry): None for entry in entries}) if entries else None
