"""A textual nftables listing (``nft list ruleset``, with or without ``-a``, ``-n``, ``-s``) as a syntax tree."""

from __future__ import annotations

import re

from engine.model.nft import ast
from engine.model.nft.lexer import Cursor, Token, Trouble, tokens
from engine.model.nft.operands import set_of
from engine.model.nft.statements import parse_statements

PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
BRIDGE_PRIORITIES = {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}
OBJECTS = frozenset({"counter", "quota", "limit", "ct", "synproxy", "secmark", "flowtable", "tunnel"})
"""What a table may hold besides chains, sets and maps: nothing that a snapshot could evaluate."""


def parse(text: str) -> ast.Listing:
    """Read a listing; what is not understood is kept in :attr:`~engine.model.nft.ast.Listing.unparsed`."""
    return _Parser(text).listing()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = Cursor(list(tokens(text)))
        self.unparsed: list[tuple[int, str]] = []
        self.whole = True

    def listing(self) -> ast.Listing:
        found: dict[tuple[str, str], ast.Table] = {}
        at = self.at
        while at.more():
            if self._blank():
                continue
            if at.peek() == "table" and at.peek(3) == "{":
                made = self._table()
            elif at.peek() == "chain" and at.peek(2) == "{":
                # Somebody cut a chain out of its table.
                made = self._bare()
            else:
                self._strange()
                continue
            known = found.get((made.family, made.name))
            found[made.family, made.name] = _merged(known, made) if known is not None else made
        return ast.Listing(tuple(found.values()), tuple(self.unparsed), self.whole)

    def _bare(self) -> ast.Table:
        """A chain without its table: that of iptables-nft which its hook or its statements fit."""
        line = self.at.tokens[self.at.at].line
        chain = self._chain("ip")
        translates = any(isinstance(s, ast.Translate) for rule in chain.rules for s in rule.statements)
        kind = chain.hook.type if chain.hook is not None else "nat" if translates else "filter"
        return ast.Table("ip", "nat" if kind == "nat" else "filter", (chain,), (), (), line)

    def _unclosed(self) -> bool:
        """Whether the next chain or table begins where the bracket of this one should stand: whoever pasted it lost that."""
        return (self.at.peek() == "chain" and self.at.peek(2) == "{") or (self.at.peek() == "table" and self.at.peek(3) == "{")

    def _blank(self) -> bool:
        if self.at.kind() in {"newline", "comment"} or self.at.peek() == ";":
            self.at.take()
            return True
        return False

    def _strange(self) -> None:
        """Count a line, with the block that it opens."""
        first = self.at.take()
        self.unparsed.append((first.line, self.text[first.start :].split("\n", 1)[0].strip()))
        depth = {"{": 1}.get(first.text, 0) if first.kind == "sign" else 0
        while self.at.more() and (depth > 0 or self.at.kind() != "newline"):
            if depth <= 0 and self.at.peek() == "}":
                return
            token = self.at.take()
            depth += {"{": 1, "}": -1}.get(token.text, 0) if token.kind == "sign" else 0

    def _ended(self) -> bool:
        """Take the bracket that ends a block, or notice that the text ends first."""
        if not self.at.more():
            self.whole = False
            return True
        return bool(self.at.accept("}"))

    # --- tables ---------------------------------------------------------------------------------------------------

    def _table(self) -> ast.Table:
        at = self.at
        line = at.take().line
        family, name = at.word(), at.take().text
        at.expect("{")
        chains: list[ast.Chain] = []
        sets: list[ast.NamedSet] = []
        flags: tuple[str, ...] = ()
        while not self._ended():
            if self._blank():
                continue
            head, opens = at.peek(), at.peek(2) == "{"
            if head == "table" and self._unclosed():
                break
            if head == "chain" and opens:
                chains.append(self._chain(family))
            elif head in {"set", "map"} and opens:
                sets.append(self._set())
            elif head in OBJECTS:
                self._object()
            elif head == "flags":
                flags = tuple(t.text for t in self._line()[1:] if t.kind == "word")
            elif head == "comment":
                self._line()
            else:
                self._strange()
        return ast.Table(family, name, tuple(chains), tuple(sets), flags, line)

    def _object(self) -> None:
        """Pass over a named counter, helper or flow table."""
        depth = 0
        while self.at.more() and (depth or self.at.kind() != "newline"):
            token = self.at.take()
            if token.kind == "sign":
                depth += {"{": 1, "}": -1}.get(token.text, 0)
                if token.text == "}" and depth <= 0:
                    return

    def _line(self) -> list[Token]:
        """Tokens up to the end of a statement line; what stands in brackets may go on over lines."""
        at = self.at
        found: list[Token] = []
        depth = 0
        while at.more():
            if not depth and (at.kind() == "newline" or at.peek() in {";", "}"}):
                break
            token = at.take()
            if token.kind == "sign":
                depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(token.text, 0)
            if token.kind not in {"newline", "comment"} or (token.kind == "comment" and not depth):
                found.append(token)
        return found

    # --- sets -----------------------------------------------------------------------------------------------------

    def _set(self) -> ast.NamedSet:
        at = self.at
        line = at.take().line
        name = at.take().text
        at.expect("{")
        elements: tuple[ast.Element, ...] = ()
        flags: tuple[str, ...] = ()
        while not self._ended():
            if self._blank():
                continue
            words = self._line()
            if words and words[0].text == "elements":
                elements, partial = self._elements(words)
                flags += partial
            elif words and words[0].text == "flags":
                flags += tuple(t.text for t in words[1:] if t.kind == "word")
            elif not words:
                self.at.take()
        return ast.NamedSet(name, elements, flags, line)

    def _elements(self, words: list[Token]) -> tuple[tuple[ast.Element, ...], tuple[str, ...]]:
        """Elements, and the flag that says that some were not understood."""
        inner = Cursor(words)
        try:
            inner.take()
            inner.expect("=")
            return set_of(inner).elements, ()
        except (Trouble, ValueError):
            self.unparsed.append((words[0].line, "elements of a set"))
            return (), (ast.PARTIAL,)

    # --- chains ---------------------------------------------------------------------------------------------------

    def _chain(self, family: str) -> ast.Chain:
        at = self.at
        line = at.take().line
        name = at.take().text
        at.expect("{")
        hook: ast.Hook | None = None
        policy = "accept"
        rules: list[ast.Rule] = []
        while not self._ended():
            if self._blank():
                continue
            if self._unclosed():
                break
            if at.peek() == "type" and at.peek(2) == "hook":
                line = at.tokens[at.at].line
                hook = self._hook(family)
            elif at.peek() == "policy":
                policy = self._line()[-1].text
            elif at.peek() in {"comment", "flags", "devices"}:
                self._line()
            else:
                rules.append(self._rule())
        if not self.whole:
            rules.append(ast.Rule((ast.Doubtful("unparsed", "any", "the listing is cut off here"),), "the listing is cut off here", line))
        made = ast.Hook(hook.type, hook.hook, hook.priority, policy, hook.device) if hook is not None else None
        return ast.Chain(name, made, tuple(rules), line)

    def _hook(self, family: str) -> ast.Hook:
        words = self._line()
        texts = [t.text for t in words]
        device = texts[texts.index("device") + 1] if "device" in texts[:-1] else ""
        if "devices" in texts and "}" in texts:
            device = " ".join(t for t in texts[texts.index("devices") + 1 : texts.index("}")] if t not in {"=", "{", ","})
        priority = 0
        if "priority" in texts:
            found = priority_of(texts[texts.index("priority") + 1 :], family)
            if found is None:
                self.unparsed.append((words[0].line, " ".join(texts)))
            priority = found or 0
        return ast.Hook(texts[1], texts[3] if len(texts) > 3 else "", priority, device=device)

    def _rule(self) -> ast.Rule:
        words = self._line()
        if not words:  # a bracket that closes nothing
            stray = self.at.take()
            return ast.Rule((ast.Doubtful("unparsed", "any", stray.text),), stray.text, stray.line)
        handle = None
        if words[-1].kind == "comment":
            found = re.fullmatch(r"#\s*handle\s+(\d+)\s*", words.pop().text)
            handle = int(found[1]) if found else None
        text = " ".join(self.text[words[0].start : words[-1].end].split()) if words else ""
        statements, comment, rest = parse_statements(words, self.text)
        if rest:
            self.unparsed.append((words[0].line, text))
        return ast.Rule(statements, text, words[0].line if words else 0, handle, comment)


def _merged(one: ast.Table, other: ast.Table) -> ast.Table:
    """Two listings of one table, as ``nft list chain`` prints them one by one."""
    chains = (*one.chains, *(c for c in other.chains if c.name not in {known.name for known in one.chains}))
    sets = (*one.sets, *(s for s in other.sets if s.name not in {known.name for known in one.sets}))
    return ast.Table(one.family, one.name, chains, sets, one.flags or other.flags, one.line)


def priority_of(words: list[str], family: str) -> int | None:
    """``filter``, ``-150``, ``dstnat + 10``; ``None`` if it is none."""
    named = {**PRIORITIES, **BRIDGE_PRIORITIES} if family == "bridge" else PRIORITIES
    if not words:
        return None
    base = named.get(words[0])
    try:
        if base is None:
            return int(words[0])
        return base + int("".join(words[1:])) if len(words) > 1 else base
    except ValueError:
        return None
