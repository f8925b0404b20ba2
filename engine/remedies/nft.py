"""Operations on native nftables rules: inserted with a comment by which they are found again, never a flush."""

from __future__ import annotations

import re
import shlex
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import RuleError
from engine.remedies.base import Operation, Parameter, Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.facts import Fact, FactBase
    from engine.model.nft.ast import Chain


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9/\\_.-]*")


def _words(rule: str) -> list[str]:
    """Words of a rule for nft's command line, where only spaces part them; strings keep their quotes."""
    return shlex.split(rule, posix=False)


def _check(name: str, rules: list[str], *names: str) -> None:
    """Nft reads its arguments as a program: what comes from evidence must be one rule that is understood, and plain names."""
    from engine.model.nft.lexer import tokens
    from engine.model.nft.statements import parse_statements

    for rule in rules:
        found = list(tokens(rule))
        strange = any(t.kind in {"newline", "comment"} or t.text == ";" or (t.kind == "string" and t.end - t.start != len(t.text) + 2) for t in found)
        if strange or not found or parse_statements(found, rule)[2]:
            message = f"operation {name}: {rule!r} is not a rule of nftables"
            raise RuleError(message)
    for each in names:
        if not _NAME.fullmatch(each):
            message = f"operation {name}: {each!r} is no name"
            raise RuleError(message)


class NftInsert(Operation):
    """Insert rules so that they stand in the given order in front of a position."""

    NAME: ClassVar[str] = "nft.insert"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "table": Parameter("family and name: inet firewalld"),
        "chain": Parameter("chain to insert into"),
        "rule": Parameter("the rule's words as nft prints them, or a list of such rules"),
        "position": Parameter("position that the first rule will have, from 1; 1 if absent", required=False),
    }

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        super().__init__(parameters, site)
        self.family, _, self.table = self.text("table").partition(" ")
        self.chain = self.text("chain")
        self.rules = self.texts("rule")
        if not self.table:
            message = f"operation {self.NAME} needs a table with its family, not {self.text('table')!r}"
            raise RuleError(message)
        _check(self.NAME, self.rules, self.family, self.table, self.chain)

    @property
    def position(self) -> int:
        """Position of the first inserted rule."""
        return max(1, int(self.text("position", "1") or 1))

    def _tag(self, rule: str) -> str:
        """Comment by which an inserted rule is found again: its handle cannot be known before."""
        return f"diagnose-{zlib.crc32(f'{self.family} {self.table} {self.chain} {rule}'.encode()):08x}"

    def _tagged(self, rule: str) -> str:
        return f'{rule} comment "{self._tag(rule)}"'

    def commands(self) -> tuple[str, ...]:
        """``nft insert rule`` at the head of the chain, ``nft add rule … index`` behind the rule that goes before."""
        return tuple(
            self.site.shell("nft", *self._place(at), *_words(self._tagged(rule)))  # nft counts rules from 0
            for at, rule in enumerate(self.rules, self.position)
        )

    def _place(self, position: int) -> list[str]:
        where = ["rule", self.family, self.table, self.chain]
        return ["insert", *where] if position == 1 else ["add", *where, "index", str(position - 2)]

    def undo(self) -> tuple[str, ...]:
        """``nft delete rule`` by the handle that the comment leads to, last first."""
        delete = self.site.shell("nft", "delete", "rule", self.family, self.table, self.chain, "handle")
        listing = self.site.shell("nft", "-a", "list", "chain", self.family, self.table, self.chain)
        return tuple(f"{delete} \"$({listing} | sed -n '/{self._tag(rule)}/s/.*# handle //p')\"" for rule in reversed(self.rules))

    def persist(self) -> tuple[str, ...]:
        """Where rules are kept."""
        return (
            "# rules made by hand are lost at the next reboot or firewall reload; keep them where this machine's rules come from:",
            "#   nftables.service: /etc/nftables.conf    firewalld: firewall-cmd --permanent --add-rich-rule / --add-port, then --reload",
        )

    def verify(self) -> tuple[str, ...]:
        """The chain shows each rule."""
        listing = self.site.shell("nft", "list", "chain", self.family, self.table, self.chain)
        return tuple(f"{listing} | grep {self._tag(rule)}" for rule in self.rules)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The listing with the rules in it; ``None`` for listings in JSON."""
        for fact in facts.at("nft_ruleset", self.site.node, self.site.stack):
            chain = self._listed(fact) if fact.fields.get("format") != "json" else None
            if chain is not None:
                return facts.swap({id(fact): fact.having(text=self._changed(fact, chain))})
        return None

    def _listed(self, fact: Fact) -> Chain | None:
        from engine.model.nft.parser import parse

        tables = (t for t in parse(str(fact.fields.get("text", ""))).tables if (t.family, t.name) == (self.family, self.table))
        return next((c for table in tables for c in table.chains if c.name == self.chain), None)

    def _changed(self, fact: Fact, chain: Chain) -> str:
        """The text with the rules on one line of their own, so that they shift no other rule's line by more than they must."""
        lines = str(fact.fields["text"]).split("\n")
        at = self.position - 1
        line = chain.rules[at].line if at < len(chain.rules) else chain.rules[-1].line + 1 if chain.rules else chain.line + 1
        lines[line - 1 : line - 1] = [f"\t\t{self._tagged(rule)}" for rule in self.rules]
        return "\n".join(lines)
