"""Operations on ipsets: one entry, never the set."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.remedies.base import Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact, FactBase


class _OnSet(Operation):
    """What adding and deleting an entry share."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "set": Parameter("name of the set"),
        "member": Parameter("the entry as ipset writes it (10.0.0.1, 10.0.0.0/24, 10.0.0.1,tcp:80)"),
        "nomatch": Parameter("true for an exception from a wider entry (hash:net types)", required=False),
    }

    @property
    def words(self) -> list[str]:
        """The entry with its option."""
        exception = ["nomatch"] if self.text("nomatch").lower() == "true" else []
        return [self.text("member").split()[0], *exception]

    def _fact(self, facts: FactBase) -> Fact | None:
        """The listed set; ``None`` if its members were not listed."""
        here = facts.at("ipset", self.site.node, self.site.stack)
        return next((f for f in here if f.fields.get("name") == self.text("set") and f.fields.get("members") is not None), None)

    def _line(self, action: str, *words: str) -> str:
        return self.site.shell("ipset", action, self.text("set"), *words)

    def persist(self) -> tuple[str, ...]:
        """Sets live in memory only; nothing for a container's stack."""
        if self.site.entry:
            return ()
        return (
            "# sets are lost at the next reboot, and whatever fills this one (a controller, a script) may write it anew; make the change there, or:",
            "#   ipset-persistent: netfilter-persistent save    ipset-service: ipset save > /etc/sysconfig/ipset",
        )

    def _changed(self, facts: FactBase, fact: Fact, members: list[str], lines: list[int]) -> FactBase:
        return facts.swap({id(fact): fact.having(members=tuple(members), member_lines=tuple(lines))})

    @staticmethod
    def _members(fact: Fact) -> tuple[list[str], list[int]]:
        members = list(fact.fields["members"])
        lines = list(fact.fields.get("member_lines") or ())
        return members, lines + [0] * (len(members) - len(lines))


class IpsetAdd(_OnSet):
    """Add an entry."""

    NAME: ClassVar[str] = "ipset.add"

    def commands(self) -> tuple[str, ...]:
        """``ipset add``."""
        return (self._line("add", *self.words),)

    def undo(self) -> tuple[str, ...]:
        """``ipset del``."""
        return (self._line("del", self.words[0]),)

    def verify(self) -> tuple[str, ...]:
        """``ipset list``."""
        return (self._line("list"),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The set with the entry; ``None`` if it is not listed, or holds the entry already (the command would fail)."""
        fact = self._fact(facts)
        if fact is None:
            return None
        members, lines = self._members(fact)
        if any(text.split()[0] == self.words[0] for text in members if text):
            return None
        return self._changed(facts, fact, [*members, " ".join(self.words)], [*lines, 0])


class IpsetDelete(_OnSet):
    """Delete an entry."""

    NAME: ClassVar[str] = "ipset.delete"
    RISK: ClassVar[str] = "medium"

    def commands(self) -> tuple[str, ...]:
        """``ipset del``."""
        return (self._line("del", self.words[0]),)

    def undo(self) -> tuple[str, ...]:
        """``ipset add`` with the options that the entry had."""
        fact = self._fact(self.site.facts)
        place = self._place(fact) if fact is not None else None
        told = str(fact.fields["members"][place]).split() if fact is not None and place is not None else self.words
        return (self._line("add", *told),)

    def _place(self, fact: Fact) -> int | None:
        return next((at for at, text in enumerate(fact.fields["members"]) if text and text.split()[0] == self.words[0]), None)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The set without the entry."""
        fact = self._fact(facts)
        place = self._place(fact) if fact is not None else None
        if fact is None or place is None:
            return None
        members, lines = self._members(fact)
        del members[place], lines[place]
        return self._changed(facts, fact, members, lines)
