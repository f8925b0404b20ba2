"""A syntax tree in nft's own words, as ``nft list ruleset`` prints them (numbers in decimal)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.model.nft import ast
from engine.model.nft.operands import BITMASKS, HEADS, is_number

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUOTED = frozenset(
    {
        "iifname",
        "oifname",
        "iif",
        "oif",
        "iifkind",
        "oifkind",
        "ibrname",
        "obrname",
        "ibriport",
        "obriport",
        "helper",
        "iifgroup",
        "oifgroup",
        "time",
        "day",
        "hour",
        "sdif",
        "sdifname",
    }
)
"""Fields whose constants are strings."""


def show(statements: Iterable[ast.Statement], comment: str = "") -> str:
    """One rule."""
    words = [statement(s) for s in statements]
    if comment:
        words.append(f'comment "{comment}"')
    return " ".join(w for w in words if w)


def statement(made: ast.Statement) -> str:
    """One statement."""
    match made:
        case ast.Match():
            return _match(made)
        case ast.Verdict():
            return _verdict(made)
        case ast.VerdictMap(key, data):
            return f"{expression(key)} vmap {expression(data, _quoted(key))}"
        case ast.Translate():
            return _translate(made)
        case ast.Divert(family, address, port):
            return " ".join(filter(None, ["tproxy", family, *_end(address, port)]))
        case ast.Reject(kind, code):
            return "reject" if not kind else f"reject with {kind} {code}".strip()
        case ast.SetValue(key, value):
            return f"{expression(key)} set {expression(value, _quoted(key))}"
        case ast.Notrack():
            return "notrack"
        case ast.Note(what, text) | ast.Doubtful(what, _, text):
            return text or what


def _verdict(made: ast.Verdict) -> str:
    return f"{made.name} {made.target}".strip()


def _match(made: ast.Match) -> str:
    quoted = _quoted(made.left)
    sign = "" if made.sign in {"==", "in"} else f" {made.sign}"
    left, right = made.left, made.right
    bits = isinstance(left, ast.Field) and (left.base, left.name) in BITMASKS
    if made.sign == "==" and (isinstance(left, ast.Operation) or (bits and isinstance(right, (ast.Literal, ast.Flags)))):
        sign = " =="
    joined = " | " if made.sign in {"==", "!="} else ","
    shown = joined.join(right.names) if isinstance(right, ast.Flags) else expression(right, quoted)
    return f"{expression(left)}{sign} {shown}"


def _translate(made: ast.Translate) -> str:
    words = [made.kind]
    if made.family:
        words.append(made.family)
    if "prefix" in made.flags:
        words.append("prefix")
    words += _end(made.address, made.port)
    flags = [f for f in made.flags if f != "prefix"]
    return " ".join([*words, ",".join(flags)] if flags else words)


def _end(address: ast.Expression | None, port: ast.Expression | None) -> list[str]:
    """``to ADDRESS:PORT`` in words, as far as they are there."""
    if address is None and port is None:
        return []
    text = expression(address) if address is not None else ""
    if port is not None and ":" in text and isinstance(address, (ast.Literal, ast.Range)):
        text = "-".join(f"[{part}]" for part in text.split("-"))
    return ["to", text + (f":{expression(port)}" if port is not None else "")]


# --- expressions --------------------------------------------------------------------------------------------------


def _quoted(expr: ast.Expression) -> tuple[bool, ...]:
    """For each part of a key: whether its constants are quoted."""
    if isinstance(expr, ast.Concat):
        return tuple(_quoted(part)[0] for part in expr.parts)
    return (isinstance(expr, ast.Field) and expr.name in _QUOTED,)


def _literal(text: str, *, quoted: bool) -> str:
    plain = text and not any(c in text for c in ' {}(),;"=<>!&|^#:*') and text not in HEADS
    if (quoted and not is_number(text)) or not (plain or ":" in text):
        return f'"{text}"'
    return text


def expression(made: ast.Expression, quoted: tuple[bool, ...] = (False,)) -> str:
    """One expression; ``quoted``: for each part of it, whether constants are strings."""
    match made:
        case ast.Literal() | ast.Flags() | ast.Prefix() | ast.Range() | ast.Wildcard():
            return _constant(made, quoted=quoted[0])
        case ast.Concat(parts):
            flags = quoted if len(quoted) == len(parts) else (False,) * len(parts)
            return " . ".join(expression(p, (q,)) for p, q in zip(parts, flags, strict=True))
        case ast.SetOf(elements):
            return "{ " + ", ".join(_element(e, quoted) for e in elements) + " }" if elements else "{ }"
        case ast.SetRef(name):
            return f"@{name}"
        case ast.Field():
            return _field(made)
        case ast.Operation(sign, left, right):
            return f"{expression(left)} {sign} {_right(right)}"
        case ast.Draw():
            return _draw(made)
        case ast.MapOf(key, data):
            return f"{expression(key)} map {expression(data, _quoted(key))}"


def _constant(made: ast.Literal | ast.Flags | ast.Prefix | ast.Range | ast.Wildcard, *, quoted: bool) -> str:
    match made:
        case ast.Literal(text):
            return _literal(text, quoted=quoted)
        case ast.Flags(names):
            return " | ".join(names)
        case ast.Prefix(address, length):
            return f"{address}/{length}"
        case ast.Range(low, high):
            return f'"{low}"-"{high}"' if quoted else f"{low}-{high}"
        case ast.Wildcard():
            return "*"


def _right(made: ast.Expression) -> str:
    return f"({expression(made)})" if isinstance(made, (ast.Flags, ast.Operation)) else expression(made)


def _element(made: ast.Element, quoted: tuple[bool, ...]) -> str:
    key = expression(made.key, quoted)
    if made.data is None:
        return key
    return f"{key} : {_verdict(made.data) if isinstance(made.data, ast.Verdict) else expression(made.data)}"


def _field(made: ast.Field) -> str:
    if made.base.startswith("@"):
        return ",".join([made.base, *made.also])
    if made.base == "fib":
        return f"fib {' . '.join(made.also)} {made.name}"
    if made.base == "ct":
        return " ".join(["ct", *made.also, made.name])
    if made.base == "meta" and made.name in {"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"}:
        return made.name
    if made.base == "rt":
        return " ".join(["rt", *made.also, made.name])
    if made.base == "socket" and made.also:
        return f"socket {made.name} level {made.also[0]}"
    return " ".join([made.base, made.name, *made.also])


def _draw(made: ast.Draw) -> str:
    words = [made.how]
    if made.of is not None:
        words.append(expression(made.of))
    words.append(f"mod {made.modulus}")
    if made.seed:
        words.append(f"seed {made.seed}")
    if made.offset:
        words.append(f"offset {made.offset}")
    return " ".join(words)
