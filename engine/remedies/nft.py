"""Operations on native nftables rules: inserted with a comment by which they are found again, deleted by handle, never a flush."""

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
    from engine.model.nft.ast import Chain, Rule


COUNTED = re.compile(r"\bcounter packets \d+ bytes \d+")
"""What a listing tells of a counter; it counts on while one reads."""
COMMENT = re.compile(r' comment "([^"]*)"\Z')
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


class _OnChain(Operation):
    """What all operations share: the chain, and where the evidence lists it."""

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        super().__init__(parameters, site)
        self.family, _, self.table = self.text("table").partition(" ")
        self.chain = self.text("chain")
        self.rules = self.texts("rule")
        if not self.table:
            message = f"operation {self.NAME} needs a table with its family, not {self.text('table')!r}"
            raise RuleError(message)
        _check(self.NAME, self.rules, self.family, self.table, self.chain)

    def persist(self) -> tuple[str, ...]:
        """Where rules are kept; nothing for a container's stack, whose rules go with it."""
        if self.site.entry:
            return ()
        return (
            "# rules made by hand are lost at the next reboot or firewall reload; keep them where this machine's rules come from:",
            "#   nftables.service: /etc/nftables.conf    firewalld: firewall-cmd --permanent --add-rich-rule / --add-port, then --reload",
        )

    def _tag(self, rule: str) -> str:
        """Comment by which an inserted rule is found again: its handle cannot be known before."""
        return f"diagnose-{zlib.crc32(f'{self.family} {self.table} {self.chain} {rule}'.encode()):08x}"

    def _tagged(self, rule: str) -> str:
        """The rule with the tag in its comment, and its counter as a new one."""
        own = COMMENT.search(rule)
        said = f"{own[1]} {self._tag(rule)}" if own else self._tag(rule)
        return f'{COUNTED.sub("counter", COMMENT.sub("", rule))} comment "{said}"'

    def _adding(self, rule: str, position: int) -> str:
        """``nft insert rule`` at the head of the chain, ``nft add rule … index`` behind the rule that goes before (nft counts from 0)."""
        where = ["rule", self.family, self.table, self.chain]
        place = ["insert", *where] if position == 1 else ["add", *where, "index", str(position - 2)]
        return self.site.shell("nft", *place, *_words(rule))

    def _deleting(self, pattern: str) -> str:
        """``nft delete rule`` by the handle that a pattern (of sed) leads to."""
        delete = self.site.shell("nft", "delete", "rule", self.family, self.table, self.chain, "handle")
        listing = self.site.shell("nft", "-a", "list", "chain", self.family, self.table, self.chain)
        return f'{delete} "$({listing} | sed -n {shlex.quote(pattern)})"'

    def _untagging(self, rule: str) -> str:
        return self._deleting(f"/{self._tag(rule)}/s/.*# handle //p")

    def _listing(self) -> str:
        return self.site.shell("nft", "list", "chain", self.family, self.table, self.chain)

    def _found(self, facts: FactBase) -> tuple[Fact, Chain] | None:
        """The listing that has the chain, and the chain as it reads there; text before JSON, as the model reads them."""
        here = sorted(facts.at("nft_ruleset", self.site.node, self.site.stack), key=lambda fact: fact.fields.get("format") == "json")
        for fact in here:
            chain = self._listed(fact)
            if chain is not None:
                return fact, chain
        return None

    def _listed(self, fact: Fact) -> Chain | None:
        from engine.model.nft import json_form, parser

        text = str(fact.fields.get("text", ""))
        listing = json_form.parse(text) if fact.fields.get("format") == "json" else parser.parse(text)
        tables = (table for table in listing.tables if (table.family, table.name) == (self.family, self.table))
        return next((chain for table in tables for chain in table.chains if chain.name == self.chain), None)

    def _with(self, facts: FactBase, position: int, rules: list[str]) -> FactBase | None:
        """The listing with rules from a position on; ``None`` if no listing has the chain."""
        found = self._found(facts)
        if found is None:
            return None
        fact, chain = found
        if fact.fields.get("format") == "json":
            return facts.swap({id(fact): fact.having(text=_json_with(fact, self._key, position, rules))})
        lines = str(fact.fields["text"]).split("\n")
        line = chain.line + 1
        if chain.rules:
            last = chain.rules[-1]
            line = chain.rules[position - 1].line if position <= len(chain.rules) else last.line + _height(lines, last)
        # On lines of their own, so that they shift no other rule's line by more than they must.
        lines[line - 1 : line - 1] = [f"\t\t{rule}" for rule in rules]
        return facts.swap({id(fact): fact.having(text="\n".join(lines))})

    def _without(self, facts: FactBase, number: int) -> FactBase | None:
        """The listing without one rule."""
        found = self._found(facts)
        if found is None or not 0 < number <= len(found[1].rules):
            return None
        fact, chain = found
        if fact.fields.get("format") == "json":
            return facts.swap({id(fact): fact.having(text=_json_without(fact, self._key, number))})
        lines = str(fact.fields["text"]).split("\n")
        rule = chain.rules[number - 1]
        del lines[rule.line - 1 : rule.line - 1 + _height(lines, rule)]
        return facts.swap({id(fact): fact.having(text="\n".join(lines))})

    @property
    def _key(self) -> tuple[str, str, str]:
        return self.family, self.table, self.chain


def _height(lines: list[str], rule: Rule) -> int:
    """Lines that a rule takes in a listing: a long set goes on over several."""
    depth = 0
    for height, line in enumerate(lines[rule.line - 1 :], 1):
        bare = re.sub(r'"[^"]*"', "", line)
        depth += bare.count("{") - bare.count("}")
        if depth <= 0:
            return height
    return 1


def _json_places(items: list[Any], key: tuple[str, str, str]) -> tuple[int, list[int]]:
    """Places in a JSON listing of the chain itself, and of its rules in order."""
    declared, rules = len(items) - 1, []
    for place, item in enumerate(items):
        kind, body = next(iter(item.items())) if isinstance(item, dict) and item else ("", None)
        if isinstance(body, dict) and (body.get("family"), body.get("table")) == key[:2]:
            if kind == "chain" and body.get("name") == key[2]:
                declared = place
            if kind == "rule" and body.get("chain") == key[2]:
                rules.append(place)
    return declared, rules


def _json_with(fact: Fact, key: tuple[str, str, str], position: int, rules: list[str]) -> str:
    import json

    document = json.loads(fact.fields["text"])
    declared, places = _json_places(document["nftables"], key)
    at = places[position - 1] if position <= len(places) else [declared, *places][-1] + 1
    family, table, chain = key
    document["nftables"][at:at] = [{"rule": {"family": family, "table": table, "chain": chain, "text": rule}} for rule in rules]
    return json.dumps(document)


def _json_without(fact: Fact, key: tuple[str, str, str], number: int) -> str:
    import json

    document = json.loads(fact.fields["text"])
    del document["nftables"][_json_places(document["nftables"], key)[1][number - 1]]
    return json.dumps(document)


class NftInsert(_OnChain):
    """Insert rules so that they stand in the given order in front of a position."""

    NAME: ClassVar[str] = "nft.insert"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "table": Parameter("family and name: inet firewalld"),
        "chain": Parameter("chain to insert into"),
        "rule": Parameter("the rule's words as nft prints them, or a list of such rules"),
        "position": Parameter("position that the first rule will have, from 1; 1 if absent", required=False),
    }

    @property
    def position(self) -> int:
        """Position of the first inserted rule."""
        return max(1, int(self.text("position", "1") or 1))

    def commands(self) -> tuple[str, ...]:
        """``nft insert rule`` or ``nft add rule``, in order."""
        return tuple(self._adding(self._tagged(rule), at) for at, rule in enumerate(self.rules, self.position))

    def undo(self) -> tuple[str, ...]:
        """``nft delete rule`` by the handle that the comment leads to, last first."""
        return tuple(self._untagging(rule) for rule in reversed(self.rules))

    def verify(self) -> tuple[str, ...]:
        """The chain shows each rule."""
        return tuple(f"{self._listing()} | grep {self._tag(rule)}" for rule in self.rules)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The listing with the rules in it."""
        return self._with(facts, self.position, [self._tagged(rule) for rule in self.rules])


class NftDelete(_OnChain):
    """Delete a rule."""

    NAME: ClassVar[str] = "nft.delete"
    RISK: ClassVar[str] = "medium"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "table": Parameter("family and name: inet firewalld"),
        "chain": Parameter("chain that holds it"),
        "rule": Parameter("the rule's words as nft prints them"),
        "number": Parameter("its position, from 1, where the chain has such a rule more than once", required=False),
    }

    def _rule(self, facts: FactBase) -> tuple[int, Rule] | None:
        """Position and form of the rule."""
        found = self._found(facts)
        said = int(self.text("number") or 0)
        wanted = COUNTED.sub("counter", self.rules[0])
        same = [(at, rule) for at, rule in enumerate(found[1].rules if found else (), 1) if COUNTED.sub("counter", rule.text) == wanted]
        return next((each for each in same if each[0] == said), same[0] if same else None)

    def _delete(self) -> str:
        """By its handle, or by the handle of the first rule that reads so."""
        found = self._rule(self.site.facts)
        if found is not None and found[1].handle is not None:
            return self.site.shell("nft", "delete", "rule", self.family, self.table, self.chain, "handle", str(found[1].handle))
        words = re.sub(r"([][.*^$/\\])", r"\\\1", COUNTED.sub("counter packets 0 bytes 0", self.rules[0]))
        pattern = words.replace("packets 0 bytes 0", "packets [0-9]* bytes [0-9]*")
        return self._deleting(f"/^[[:space:]]*{pattern} # handle/{{s/.*# handle //p;q}}")

    def commands(self) -> tuple[str, ...]:
        """``nft delete rule``."""
        return (self._delete(),)

    def undo(self) -> tuple[str, ...]:
        """``nft insert rule`` or ``nft add rule`` where it stood."""
        found = self._rule(self.site.facts)
        return (self._adding(COUNTED.sub("counter", self.rules[0]), found[0] if found is not None else 1),)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The listing without the rule."""
        found = self._rule(facts)
        return self._without(facts, found[0]) if found is not None else None


class NftMove(NftDelete):
    """Move a rule of a chain in front of another."""

    NAME: ClassVar[str] = "nft.move"
    RISK: ClassVar[str] = "low"
    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        **NftDelete.PARAMETERS,
        "position": Parameter("position, from 1, that the rule shall have; of a rule that stands before it"),
    }

    @property
    def position(self) -> int:
        """Position that the rule shall have."""
        return max(1, int(self.text("position")))

    def commands(self) -> tuple[str, ...]:
        """A copy in front, then ``nft delete rule`` of the one behind: at no time is the rule missing."""
        return (self._adding(self._tagged(self.rules[0]), self.position), self._delete())

    def undo(self) -> tuple[str, ...]:
        """The rule where it stood, then without the copy."""
        found = self._rule(self.site.facts)
        # The copy in front still counts when the rule comes back.
        stood = found[0] + 1 if found is not None else self.position + 1
        return (self._adding(COUNTED.sub("counter", self.rules[0]), stood), self._untagging(self.rules[0]))

    def verify(self) -> tuple[str, ...]:
        """The chain shows the copy."""
        return (f"{self._listing()} | grep {self._tag(self.rules[0])}",)

    def apply(self, facts: FactBase) -> FactBase | None:
        """The listing with the rule in front."""
        found = self._rule(facts)
        if found is None or found[0] <= self.position:
            return None
        copied = self._with(facts, self.position, [self._tagged(self.rules[0])])
        return self._without(copied, found[0] + 1) if copied is not None else None
