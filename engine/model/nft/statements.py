"""Statements of one rule of a textual listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model.nft import ast
from engine.model.nft.lexer import Cursor, Token, Trouble
from engine.model.nft.operands import BITMASKS, HEADS, VERDICTS, atom, constant, expression, map_data, number, right_side, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

COMPARISONS = {
    "==": "==",
    "!=": "!=",
    "<": "<",
    ">": ">",
    "<=": "<=",
    ">=": ">=",
    "!": "!",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "gt": ">",
    "le": "<=",
    "ge": ">=",
}
NAT_FLAGS = frozenset({"random", "fully-random", "persistent"})
UNITS = frozenset({"bytes", "kbytes", "mbytes", "gbytes", "packets"})


def parse_statements(tokens: list[Token], source: str) -> tuple[tuple[ast.Statement, ...], str, str]:
    """Statements of a rule, its comment, and the part that was not understood ("" = none; then it is a doubtful statement as well)."""
    at = Cursor(tokens)
    found: list[ast.Statement] = []
    comment = ""
    while at.more():
        start = at.at
        try:
            if at.peek() == "comment":
                at.take()
                comment = at.word()
                continue
            found.append(_statement(at, source))
        except (Trouble, ValueError):
            rest = _text(tokens[start:], source)
            found.append(ast.Doubtful("unparsed", "any", rest))
            return tuple(found), comment, rest
    return tuple(found), comment, ""


def _text(tokens: list[Token], source: str) -> str:
    return " ".join(source[tokens[0].start : tokens[-1].end].split()) if tokens else ""


def _statement(at: Cursor, source: str) -> ast.Statement:
    start = at.at
    head = at.peek()
    if head in VERDICTS and head != "queue":
        return verdict(at)
    reader = _READERS.get(head)
    if reader is None or (head == "ct" and at.peek(1) != "count"):
        return _about_field(at)
    at.take()
    made = reader(at)
    if isinstance(made, str):
        effect = _EFFECTS.get(made, "")
        text = _text(at.tokens[start : at.at], source)
        return ast.Doubtful(made, effect, text) if effect else ast.Note(made, text)
    return made


_EFFECTS = {
    "limit": "match",
    "quota": "match",
    "ct count": "match",
    "queue": "taken",
    "synproxy": "taken",
    "xt match": "match",
    "xt target": "taken",
    "fwd": "taken",
    "limited add": "match",
    "xt": "any",
}
"""Kinds of statements whose outcome a listing does not tell, and what they may do; all others change nothing."""


# --- comparisons and values ---------------------------------------------------------------------------------------


def _about_field(at: Cursor) -> ast.Statement:
    if at.peek() not in HEADS and at.kind() != "raw":
        message = f"a statement expected, {at.peek()!r} found"
        raise Trouble(message)
    left = expression(at)
    if at.accept("vmap"):
        return ast.VerdictMap(left, map_data(at))
    if at.accept("set"):
        if not isinstance(left, ast.Field):
            message = "only a field can be set"
            raise Trouble(message)
        value = _value(at)
        if left.base == "ct" and left.name in {"helper", "timeout", "expectation"}:
            return ast.Note(f"ct {left.name}", f'ct {left.name} set "{getattr(value, "text", "")}"')
        return ast.SetValue(left, value)
    sign = COMPARISONS[at.take().text] if at.peek() in COMPARISONS else ""
    right = right_side(at)
    if at.accept("/"):
        left, sign = ast.Operation("&", left, constant(at)), sign or "=="
    return ast.Match(left, sign or default_sign(left, right), right)


def default_sign(left: ast.Expression, right: ast.Expression) -> str:
    """The comparison that a missing sign means."""
    bits = isinstance(left, ast.Field) and (left.base, left.name) in BITMASKS
    return "in" if bits and isinstance(right, (ast.Literal, ast.Flags)) else "=="


def _value(at: Cursor) -> ast.Expression:
    if at.peek() in HEADS or at.kind() == "raw":
        return expression(at)
    return constant(at)


# --- actions ------------------------------------------------------------------------------------------------------


def _reject(at: Cursor) -> ast.Statement:
    if not at.accept("with"):
        return ast.Reject("")
    kind = at.word()
    if kind == "tcp":
        at.expect("reset")
        return ast.Reject("tcp reset")
    if kind not in {"icmp", "icmpv6", "icmpx"}:
        message = f"kind of error expected, {kind!r} found"
        raise Trouble(message)
    at.accept("type")
    return reject(kind, number(at.word()))


def reject(kind: str, code: str, family: str = "") -> ast.Reject:
    """A rejection; what every version prints as plain ``reject`` in a table of ``family`` has no words."""
    plain = code == "port-unreachable" and (kind == "icmpx" or (kind, family) in {("icmp", "ip"), ("icmpv6", "ip6")})
    return ast.Reject("") if plain else ast.Reject(kind, code)


def _translate(kind: str) -> Callable[[Cursor], ast.Statement]:
    def read(at: Cursor) -> ast.Statement:
        family = at.accept("ip", "ip6")
        flags = {at.accept("prefix", "interval")} - {"", "interval"}
        if at.accept("addr"):
            at.expect(".")
            at.expect("port")
        address: ast.Expression | None = None
        port: ast.Expression | None = None
        if at.accept("to") or at.peek().startswith(":"):
            address, port = _target(at)
        while at.peek() in NAT_FLAGS:
            flags.add(at.take().text)
            at.accept(",")
        return ast.Translate(kind, family, address, port, tuple(sorted(flags)))

    return read


def _target(at: Cursor) -> tuple[ast.Expression | None, ast.Expression | None]:
    """``10.0.0.1:80``, ``[fd00::1]:80-90``, ``:8080``, ``:tcp dport map { … }``, ``ip saddr map @m``."""
    if at.peek() in HEADS:
        return expression(at), _tail(at)
    word = at.word()
    if word.startswith(":") and not word.startswith("::"):
        return None, _port(word[1:], at)
    if word.startswith("["):
        host, _, port = word[1:].partition("]")
        return atom(host.replace("]", "").replace("[", "")), _port(port.lstrip(":"), at) if port.startswith(":") else None
    if word.count(":") == 1:
        host, _, port = word.partition(":")
        return atom(host), _port(port, at)
    return atom(word), None


def _tail(at: Cursor) -> ast.Expression | None:
    return _port(at.word()[1:], at) if at.peek().startswith(":") else None


def _port(word: str, at: Cursor) -> ast.Expression:
    if word and word not in HEADS:
        return atom(word)
    if word:
        # The colon sticks to the first word of the expression: read that word again without it.
        last = at.tokens[at.at - 1]
        at.tokens[at.at - 1] = Token(last.kind, word, last.line, last.end - len(word), last.end)
        at.at -= 1
    return expression(at)


def _notrack(at: Cursor) -> ast.Statement:
    del at
    return ast.Notrack()


# --- statements that decide nothing, or nothing that can be known ---------------------------------------------------


def _counter(at: Cursor) -> str:
    if at.accept("name"):
        at.word()
    while at.accept("packets", "bytes"):
        at.word()
    return "counter"


def _log(at: Cursor) -> str:
    while name := at.accept("prefix", "level", "group", "snaplen", "queue-threshold", "flags"):
        if at.word() in {"tcp", "ip"} and name == "flags":
            at.accept("sequence", "options")
        while at.accept(","):
            at.word()
    return "log"


def _limit(at: Cursor) -> str:
    if at.accept("name"):
        at.word()
        return "limit"
    at.expect("rate")
    at.accept("over")
    at.word()
    if at.peek().partition("/")[0] in UNITS:
        at.word()
    if at.accept("burst"):
        at.word()
        at.accept(*UNITS)
    return "limit"


def _quota(at: Cursor) -> str:
    if at.accept("name"):
        at.word()
        return "quota"
    at.accept("over", "until")
    at.word()
    at.accept(*UNITS)
    if at.accept("used"):
        at.word()
        at.accept(*UNITS)
    return "quota"


def _ct_count(at: Cursor) -> str:
    at.expect("count")
    at.accept("over")
    at.word()
    return "ct count"


def _rest(what: str) -> Callable[[Cursor], str]:
    def read(at: Cursor) -> str:
        while at.more():
            at.take()
        return what

    return read


def _tproxy(at: Cursor) -> ast.Statement:
    family = at.accept("ip", "ip6")
    address, port = _target(at) if at.accept("to") else (None, None)
    return ast.Divert(family, address, port)


def _synproxy(at: Cursor) -> str:
    if at.accept("name"):
        at.word()
    while word := at.accept("mss", "wscale", "timestamp", "sack-perm"):
        if word in {"mss", "wscale"}:
            at.word()
    return "synproxy"


def _update(at: Cursor) -> str:
    """``add @set { ip saddr timeout 1m limit rate over 10/second }``; ``meter name { … }`` of older versions."""
    at.word()
    if at.accept("size"):
        at.word()
    at.expect("{")
    depth, limited = 1, False
    while depth:
        word = at.take().text
        depth += {"{": 1, "}": -1}.get(word, 0)
        limited = limited or word in {"limit", "quota", "ct"}
    return "limited add" if limited else "add"


def _flow(at: Cursor) -> str:
    at.accept("add", "offload")
    at.word()
    return "flow"


def _last(at: Cursor) -> str:
    if at.accept("used"):
        at.word()
    return "last"


def _dup(at: Cursor) -> str:
    at.expect("to")
    expression(at)
    if at.accept("device"):
        at.word()
    return "dup"


def _xt(at: Cursor) -> ast.Statement | str:
    kind = at.word()
    if kind not in {"match", "target", "watcher"}:
        return "xt"
    return xt(kind, at.word())


def xt(kind: str, name: str) -> ast.Statement:
    """An extension of iptables whose arguments the listing does not show."""
    from engine.model.netfilter.rule import NO_VERDICT

    text = f"xt {kind} {name}"
    if kind == "match":
        return ast.Note("comment") if name == "comment" else ast.Doubtful(text, "match", text)
    if kind == "watcher" or name in NO_VERDICT:
        return ast.Note("log" if name in {"LOG", "NFLOG"} else text, text)
    if name == "MASQUERADE":
        return ast.Translate("masquerade")
    return ast.Doubtful(text, "taken", text)


_READERS: dict[str, Callable[[Cursor], ast.Statement | str]] = {
    "reject": _reject,
    "dnat": _translate("dnat"),
    "snat": _translate("snat"),
    "masquerade": _translate("masquerade"),
    "redirect": _translate("redirect"),
    "notrack": _notrack,
    "counter": _counter,
    "log": _log,
    "limit": _limit,
    "quota": _quota,
    "ct": _ct_count,
    "queue": _rest("queue"),
    "tproxy": _tproxy,
    "synproxy": _synproxy,
    "add": _update,
    "update": _update,
    "delete": _update,
    "meter": _update,
    "flow": _flow,
    "last": _last,
    "dup": _dup,
    "fwd": _rest("fwd"),
    "xt": _xt,
}
