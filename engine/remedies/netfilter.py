"""Operations on iptables rules: by content, never a flush, never a bare policy."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.facts import ChainText, Fact, FactBase, RuleLine
from engine.model.netfilter.words import split
from engine.remedies.base import Operation, Parameter, Site

if TYPE_CHECKING:
    from collections.abc import Mapping


SAFE_WORDS = re.compile(r"[A-Za-z0-9 .,:/_+!=-]+")
"""Rules whose words neither the shell nor systemd reads in a way of its own."""
TABLE = Parameter("filter, nat, mangle or raw; filter if absent", required=False)
VARIANT = {
    "backend": Parameter("legacy or nft, where both hold the table", required=False),
    "family": Parameter("4 or 6; 4 if absent", required=False),
}
"""Which of the tables of that name: the parameters of every operation on iptables' rules."""


class _OnChain(Operation):
    """What inserting and deleting share: the table's fact, the command that speaks to its backend."""

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        super().__init__(parameters, site)
        self.table = self.text("table", "filter")
        self.chain = self.text("chain")
        self.rules = self.texts("rule")
        self.family = int(self.text("family", "4") or 4)

    def _fact(self, facts: FactBase) -> Fact | None:
        wanted = self.text("backend")
        for fact in facts.at("netfilter_table", self.site.node, self.site.stack):
            get = fact.fields.get
            if (
                get("table") == self.table
                and get("family", 4) == self.family
                and (not wanted or get("backend", "") == wanted)
                and self._chain(fact) is not None
            ):
                return fact
        return None

    def _chain(self, fact: Fact) -> ChainText | None:
        return next((c for c in fact.fields["chains"] if c.name == self.chain), None)

    @property
    def program(self) -> str:
        """The iptables program that reaches the backend which was dumped; the plain name where the dump's own command was plain."""
        base = "iptables" if self.family == 4 else "ip6tables"
        fact = self._fact(self.site.facts)
        said = f"{fact.source.command} {fact.source.name}" if fact is not None else ""
        for backend in ("legacy", "nft"):
            if f"tables-{backend}" in said:
                return f"{base}-{backend}"
        return base

    def _line(self, action: str, position: int | None, rule: str) -> str:
        table = [] if self.table == "filter" else ["-t", self.table]
        place = [] if position is None else [str(position)]
        return self.site.shell(self.program, "-w", *table, action, self.chain, *place, *split(rule))

    def persist(self) -> tuple[str, ...]:
        """A drop-in of docker.service for docker's chain; elsewhere, where each distribution keeps rules.

        Nothing for a container's stack: its rules go with it.
        """
        if self.site.entry:
            return ()
        if self.chain == "DOCKER-USER" and all(SAFE_WORDS.fullmatch(rule) for rule in self.rules):
            return self._docker_drop_in()
        return (
            "# rules made by hand are lost at the next reboot or firewall reload; keep them where this machine's rules come from:",
            "#   iptables-services: service iptables save    netfilter-persistent: netfilter-persistent save    firewalld: firewall-cmd --permanent",
        )

    def _docker_drop_in(self) -> tuple[str, ...]:
        """Docker keeps DOCKER-USER over its own restarts, not over a reboot: its unit puts missing rules back."""
        folder = "/etc/systemd/system/docker.service.d"
        lines = [
            f"ExecStartPost=/bin/sh -c '{self._line('-C', None, rule)} 2>/dev/null || {self._line('-I', place, rule)}'"
            for place, rule in enumerate(self.rules, 1)
        ]
        return (f"mkdir -p {folder}", f"cat > {folder}/docker-user-rules.conf <<'EOF'", "[Service]", *lines, "EOF", "systemctl daemon-reload")

    def _changed(self, facts: FactBase, fact: Fact, rules: list[RuleLine]) -> FactBase:
        chains = tuple(replace(c, rules=tuple(rules)) if c.name == self.chain else c for c in fact.fields["chains"])
        return facts.swap({id(fact): fact.having(chains=chains)})


class _Adding(_OnChain):
    """What inserting and appending share."""

    def _place(self, count: int) -> int:
        """How many of the chain's rules stand before the new ones."""
        raise NotImplementedError

    def undo(self) -> tuple[str, ...]:
        """``iptables -D`` by content, last first."""
        return tuple(self._line("-D", None, rule) for rule in reversed(self.rules))

    def verify(self) -> tuple[str, ...]:
        """``iptables -C`` of each rule."""
        return tuple(self._line("-C", None, rule) for rule in self.rules)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The chain with the rules in place."""
        fact = self._fact(facts)
        chain = self._chain(fact) if fact is not None else None
        if fact is None or chain is None:
            return None
        rules = list(chain.rules)
        at = self._place(len(rules))
        rules[at:at] = [RuleLine(0, rule) for rule in self.rules]
        return self._changed(facts, fact, rules)


class IptablesInsert(_Adding):
    """Insert rules so that they stand in the given order from a position on."""

    NAME: ClassVar[str] = "iptables.insert"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "table": TABLE,
        "chain": Parameter("chain to insert into"),
        "rule": Parameter("the rule's words as iptables-save writes them, or a list of such rules"),
        "position": Parameter("position of the first rule, from 1; 1 if absent", required=False),
        **VARIANT,
    }

    @property
    def position(self) -> int:
        """Position of the first inserted rule."""
        return max(1, int(self.text("position", "1") or 1))

    def commands(self) -> tuple[str, ...]:
        """``iptables -I``, in order."""
        return tuple(self._line("-I", self.position + i, rule) for i, rule in enumerate(self.rules))

    def _place(self, count: int) -> int:
        return min(self.position - 1, count)


class IptablesAppend(_Adding):
    """Append rules, where the chain's end decides."""

    NAME: ClassVar[str] = "iptables.append"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "table": TABLE,
        "chain": Parameter("chain to append to"),
        "rule": Parameter("the rule's words as iptables-save writes them, or a list of such rules"),
        **VARIANT,
    }

    def commands(self) -> tuple[str, ...]:
        """``iptables -A``, in order."""
        return tuple(self._line("-A", None, rule) for rule in self.rules)

    def _place(self, count: int) -> int:
        return count


class IptablesMove(_OnChain):
    """Move a rule of a chain in front of another."""

    NAME: ClassVar[str] = "iptables.move"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "table": TABLE,
        "chain": Parameter("chain that holds both"),
        "rule": Parameter("the words of the rule that comes too late"),
        "number": Parameter("its position, where the chain has such a rule more than once", required=False),
        "position": Parameter("position, from 1, that it shall have; of a rule that stands before it"),
        **VARIANT,
    }

    @property
    def position(self) -> int:
        """Position that the rule shall have."""
        return max(1, int(self.text("position")))

    def _place(self, facts: FactBase) -> int | None:
        fact = self._fact(facts)
        chain = self._chain(fact) if fact is not None else None
        if chain is None:
            return None
        wanted, said = split(self.rules[0]), int(self.text("number") or 0)
        places = [place for place, line in enumerate(chain.rules, 1) if split(line.spec) == wanted and place > self.position]
        return said if said in places else next(iter(places), None)

    def commands(self) -> tuple[str, ...]:
        """``iptables -I`` in front, then ``iptables -D`` of the one behind, by its position: at no time is the rule missing."""
        return (self._line("-I", self.position, self.rules[0]), self._numbered(self._stood + 1))

    @property
    def _stood(self) -> int:
        """Position that the rule has; as told where the chain is not in the evidence."""
        return self._place(self.site.facts) or int(self.text("number") or self.position + 1)

    def _numbered(self, place: int) -> str:
        table = [] if self.table == "filter" else ["-t", self.table]
        return self.site.shell(self.program, "-w", *table, "-D", self.chain, str(place))

    def undo(self) -> tuple[str, ...]:
        """Back to where it stood."""
        return (self._line("-I", self._stood + 1, self.rules[0]), self._numbered(self.position))

    def verify(self) -> tuple[str, ...]:
        """``iptables -S`` shows the order."""
        table = [] if self.table == "filter" else ["-t", self.table]
        return (self.site.shell(self.program, "-w", *table, "-S", self.chain),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The chain in its new order."""
        fact, place = self._fact(facts), self._place(facts)
        chain = self._chain(fact) if fact is not None else None
        if fact is None or chain is None or place is None:
            return None
        rules = list(chain.rules)
        rules.insert(self.position - 1, rules.pop(place - 1))
        return self._changed(facts, fact, rules)


class IptablesDelete(_OnChain):
    """Delete rules of a chain by their content."""

    NAME: ClassVar[str] = "iptables.delete"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "table": TABLE,
        "chain": Parameter("chain that holds the rule"),
        "rule": Parameter("the rule's words as iptables-save writes them, or a list of such rules"),
        **VARIANT,
    }

    def _places(self, chain: ChainText | None) -> list[int] | None:
        """Index of each rule, once those before it are gone; ``None`` if one is not there."""
        left, places = [split(line.spec) for line in chain.rules] if chain is not None else [], []
        for rule in map(split, self.rules):
            if rule not in left:
                return None
            places.append(left.index(rule))
            del left[places[-1]]
        return places

    def commands(self) -> tuple[str, ...]:
        """``iptables -D``."""
        return tuple(self._line("-D", None, rule) for rule in self.rules)

    def undo(self) -> tuple[str, ...]:
        """``iptables -I`` at the places where they stood, last first."""
        fact = self._fact(self.site.facts)
        places = self._places(self._chain(fact) if fact is not None else None) or [0] * len(self.rules)
        return tuple(self._line("-I", place + 1, rule) for place, rule in reversed([*zip(places, self.rules, strict=True)]))

    def apply(self, facts: FactBase) -> FactBase | None:
        """The chain without the rules."""
        fact = self._fact(facts)
        chain = self._chain(fact) if fact is not None else None
        places = self._places(chain)
        if fact is None or chain is None or places is None:
            return None
        rules = list(chain.rules)
        for place in places:
            del rules[place]
        return self._changed(facts, fact, rules)
