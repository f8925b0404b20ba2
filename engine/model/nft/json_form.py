"""The JSON form of a listing (``nft -j list ruleset``) as the same syntax tree that the textual form gives.

Source: nftables ``doc/libnftables-json.adoc``, ``src/json.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.inet import is_address
from engine.model.nft import ast
from engine.model.nft.lexer import Trouble
from engine.model.nft.operands import MAX_DEPTH, VERDICTS, number
from engine.model.nft.statements import NAT_FLAGS, default_sign, reject, xt

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]


def parse(text: str) -> ast.Listing:
    """Read a listing; what is not understood is kept in :attr:`~engine.model.nft.ast.Listing.unparsed`."""
    import json

    try:
        document = json.loads(text)
        items = document["nftables"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return ast.Listing((), ((1, text.lstrip().split("\n", 1)[0][:200]),), whole=False)
    reader = _Reader()
    for item in items if isinstance(items, list) else []:
        reader.take(item)
    return reader.listing()


class _Reader:
    """Collects tables, then chains, sets and rules by table."""

    def __init__(self) -> None:
        self.tables: dict[tuple[str, str], Object] = {}
        self.unparsed: list[tuple[int, str]] = []

    def _table(self, item: Object) -> Object:
        key = (str(item.get("family", "")), str(item.get("table", "")))
        return self.tables.setdefault(key, {"flags": (), "chains": {}, "sets": []})

    def take(self, item: Any) -> None:
        if not isinstance(item, dict) or len(item) != 1:
            self.unparsed.append((0, str(item)[:200]))
            return
        kind, body = next(iter(item.items()))
        if not isinstance(body, dict):
            self.unparsed.append((0, str(item)[:200]))
        elif kind == "table":
            self._table({**body, "table": body.get("name")})["flags"] = _texts(body.get("flags"))
        elif kind == "chain":
            self._table(body)["chains"].setdefault(str(body.get("name")), [_hook(body), []])
        elif kind in {"set", "map"}:
            self._table(body)["sets"].append(self._set(body))
        elif kind == "rule":
            self._rule(body)

    def _set(self, body: Object) -> ast.NamedSet:
        flags = _texts(body.get("flags"))
        try:
            elements = _elements(body.get("elem", []))
        except (Trouble, ValueError, TypeError, KeyError, IndexError):
            self.unparsed.append((0, f"elements of set {body.get('name')}"))
            elements, flags = (), (*flags, ast.PARTIAL)
        return ast.NamedSet(str(body.get("name")), elements, flags)

    def _rule(self, body: Object) -> None:
        from engine.model.nft.printing import show

        if "expr" not in body and isinstance(body.get("text"), str):
            self._written(body)
            return
        expressions = body.get("expr", [])
        statements: list[ast.Statement] = []
        for one in expressions if isinstance(expressions, list) else [expressions]:
            try:
                statements.append(statement(one, str(body.get("family", ""))))
            except (Trouble, ValueError, TypeError, KeyError, IndexError):
                statements.append(ast.Doubtful("unparsed", "any", str(one)[:200]))
                self.unparsed.append((0, str(one)[:200]))
        chain = self._table(body)["chains"].setdefault(str(body.get("chain")), [None, []])
        comment = str(body.get("comment", ""))
        handle = body.get("handle")
        chain[1].append(ast.Rule(tuple(statements), show(statements, comment), 0, handle if isinstance(handle, int) else None, comment))

    def _written(self, body: Object) -> None:
        """A rule whose words stand in place of its expressions: nft never prints one, remedies add them on the model."""
        from engine.model.nft.lexer import tokens
        from engine.model.nft.statements import parse_statements

        statements, comment, rest = parse_statements(list(tokens(body["text"])), body["text"])
        if rest:
            self.unparsed.append((0, rest[:200]))
        chain = self._table(body)["chains"].setdefault(str(body.get("chain")), [None, []])
        chain[1].append(ast.Rule(statements, body["text"], 0, None, comment))

    def listing(self) -> ast.Listing:
        tables = tuple(
            ast.Table(
                family,
                name,
                tuple(ast.Chain(n, hook, tuple(rules)) for n, (hook, rules) in body["chains"].items()),
                tuple(body["sets"]),
                body["flags"],
            )
            for (family, name), body in self.tables.items()
        )
        return ast.Listing(tables, tuple(self.unparsed))


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(v) for v in value) if isinstance(value, list) else (str(value),)


def _hook(body: Object) -> ast.Hook | None:
    if "hook" not in body:
        return None
    priority = body.get("prio", 0)
    return ast.Hook(
        str(body.get("type", "")),
        str(body["hook"]),
        priority if isinstance(priority, int) else 0,
        str(body.get("policy", "accept")),
        " ".join(_texts(body.get("dev"))),
    )


# --- expressions --------------------------------------------------------------------------------------------------


def _only(value: Any) -> tuple[str, Any]:
    if not isinstance(value, dict) or len(value) != 1:
        message = "one key expected"
        raise Trouble(message)
    return next(iter(value.items()))


def expression(value: Any, depth: int = 0) -> ast.Expression:
    """An expression; raises on anything unknown."""
    if depth > MAX_DEPTH:
        message = "too deep"
        raise Trouble(message)
    if isinstance(value, bool):
        return ast.Literal("exists" if value else "missing")
    if isinstance(value, int):
        return ast.Literal(str(value))
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, list):
        return ast.Flags(tuple(_literal(v) for v in value))
    kind, body = _only(value)
    reader = _EXPRESSIONS.get(kind)
    if reader is None:
        message = f"expression {kind} is not known"
        raise Trouble(message)
    return reader(kind, body, depth + 1)


def _word(text: str) -> ast.Expression:
    if text == "*":
        return ast.Wildcard()
    if text.startswith("@") and len(text) > 1:
        return ast.SetRef(text[1:])
    return ast.Literal(number(text))


def _literal(value: Any) -> str:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return number(str(value))
    message = "a name or number expected"
    raise Trouble(message)


def _payload(kind: str, body: Object, depth: int) -> ast.Expression:
    del kind, depth
    if "base" in body:
        return ast.Field(f"@{body['base']}", "bits", (str(body["offset"]), str(body["len"])))
    return ast.Field(str(body["protocol"]), str(body["field"]))


def _meta(kind: str, body: Object, depth: int) -> ast.Expression:
    del depth
    return ast.Field(kind, str(body["key"]))


def _ct(kind: str, body: Object, depth: int) -> ast.Expression:
    del depth
    return ast.Field(kind, str(body["key"]).rpartition(" ")[2], (str(body["dir"]),) if "dir" in body else ())


def _rt(kind: str, body: Object, depth: int) -> ast.Expression:
    del depth
    return ast.Field(kind, str(body["key"]), (str(body["family"]),) if "family" in body else ())


def _fib(kind: str, body: Object, depth: int) -> ast.Expression:
    del depth
    return ast.Field(kind, str(body["result"]), _texts(body["flags"]))


def _option(kind: str, body: Object, depth: int) -> ast.Expression:
    del depth
    return ast.Field(kind, str(body["name"]), (str(body["field"]),) if "field" in body else ())


def _binary(kind: str, body: list[Any], depth: int) -> ast.Expression:
    parts = [expression(v, depth) for v in body]
    names: list[str] = []
    for part in parts if kind == "|" else []:
        names.extend(part.names if isinstance(part, ast.Flags) else [part.text] if isinstance(part, ast.Literal) else [])
    if kind == "|" and all(isinstance(p, (ast.Flags, ast.Literal)) for p in parts):
        return ast.Flags(tuple(names))
    left = parts[0]
    for part in parts[1:]:
        left = ast.Operation(kind, left, part)
    return left


def _draw(kind: str, body: Object, depth: int) -> ast.Expression:
    how = f"numgen {body['mode']}" if kind == "numgen" else kind
    of = expression(body["expr"], depth) if kind == "jhash" else None
    return ast.Draw(how, int(body["mod"]), int(body.get("offset", 0)), of, str(body.get("seed", "")))


def _map(kind: str, body: Object, depth: int) -> ast.Expression:
    del kind
    return ast.MapOf(expression(body["key"], depth), _data(body["data"], depth))


def _data(value: Any, depth: int = 0) -> ast.SetOf | ast.SetRef:
    found = expression(value, depth)
    if isinstance(found, (ast.SetOf, ast.SetRef)):
        return found
    message = "a set expected"
    raise Trouble(message)


def _set(kind: str, body: Any, depth: int) -> ast.Expression:
    del kind
    return ast.SetOf(_elements(body, depth))


def _elements(body: Any, depth: int = 0) -> tuple[ast.Element, ...]:
    return tuple(_element(v, depth) for v in (body if isinstance(body, list) else [body]))


def _element(value: Any, depth: int) -> ast.Element:
    if isinstance(value, list) and len(value) == 2:
        key, data = value
        return ast.Element(_key(key, depth), verdict(data) if _is_verdict(data) else expression(data, depth))
    return ast.Element(_key(value, depth))


def _key(value: Any, depth: int) -> ast.Expression:
    if isinstance(value, dict) and "elem" in value:
        value = value["elem"]["val"]
    return expression(value, depth)


def _prefix(kind: str, body: Object, depth: int) -> ast.Expression:
    del kind, depth
    address = str(body["addr"])
    if not is_address(address):
        message = f"address expected, {address!r} found"
        raise Trouble(message)
    return ast.Prefix(address, int(body["len"]))


_EXPRESSIONS: dict[str, Callable[[str, Any, int], ast.Expression]] = {
    "payload": _payload,
    "meta": _meta,
    "ct": _ct,
    "rt": _rt,
    "fib": _fib,
    "socket": _meta,
    "osf": _meta,
    "ipsec": _meta,
    "exthdr": _option,
    "tcp option": _option,
    "ip option": _option,
    "sctp chunk": _option,
    "&": _binary,
    "|": _binary,
    "^": _binary,
    "<<": _binary,
    ">>": _binary,
    "numgen": _draw,
    "jhash": _draw,
    "symhash": _draw,
    "map": _map,
    "set": _set,
    "prefix": _prefix,
    "range": lambda _k, b, _d: ast.Range(_literal(b[0]), _literal(b[1])),
    "concat": lambda _k, b, d: ast.Concat(tuple(expression(v, d) for v in b)),
    "elem": lambda _k, b, d: expression(b["val"], d),
}

# --- statements ---------------------------------------------------------------------------------------------------


def _is_verdict(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in VERDICTS


def verdict(value: Object) -> ast.Verdict:
    """A verdict."""
    name, body = _only(value)
    return ast.Verdict(name, str(body["target"]) if name in {"jump", "goto"} else "")


def statement(value: Any, family: str) -> ast.Statement:
    """A statement of a rule in a table of ``family``; raises on anything unknown."""
    if value in ("notrack", {"notrack": None}):
        return ast.Notrack()
    kind, body = _only(value)
    if kind in VERDICTS and kind != "queue":
        return verdict(value)
    if kind in {"dnat", "snat", "masquerade", "redirect"}:
        return _translate(kind, body or {})
    if kind == "reject":
        return _reject(body or {}, family)
    reader = _STATEMENTS.get(kind)
    if reader is not None and isinstance(body, dict):
        return reader(body)
    if kind in _DOUBTFUL:
        return ast.Doubtful(kind, _DOUBTFUL[kind], _plain(kind, body))
    if kind in _NOTES:
        return ast.Note(kind, _plain(kind, body))
    message = f"statement {kind} is not known"
    raise Trouble(message)


_DOUBTFUL = {"limit": "match", "quota": "match", "ct count": "match", "queue": "taken", "synproxy": "taken", "fwd": "taken"}
_NOTES = frozenset({"counter", "log", "flow", "last", "dup", "secmark", "ct helper", "ct timeout", "ct expectation"})


def _plain(kind: str, body: Any) -> str:
    """The statement as text, for reports."""
    if not isinstance(body, dict):
        joined = "set" if kind.startswith("ct ") else "name"
        return f'{kind} {joined} "{body}"' if isinstance(body, str) else kind
    over = "over " if body.get("inv") else ""
    if kind == "limit":
        unit = f" {body['rate_unit']}" if "rate_unit" in body else ""
        return f"limit rate {over}{body.get('rate')}{unit}/{body.get('per', 'second')}"
    if kind == "quota":
        return f"quota {over}{body.get('val')} {body.get('val_unit', 'bytes')}"
    if kind == "ct count":
        return f"ct count {over}{body.get('val')}"
    if kind == "flow":
        return f"flow add {body.get('flowtable')}"
    return " ".join([kind, *_words(body)])


def _words(body: Object) -> list[str]:
    """Options of a statement as words."""
    quoted = {"prefix"}
    return [f'{k} "{v}"' if k in quoted else f"{k} {v}" for k, v in body.items() if isinstance(v, (str, int)) and not isinstance(v, bool)]


def _match(body: Object) -> ast.Statement:
    left, right = expression(body["left"]), expression(body["right"])
    sign = str(body.get("op", ""))
    if sign not in {"==", "!=", "<", ">", "<=", ">=", "in", "!"}:
        sign = default_sign(left, right)
    return ast.Match(left, sign, right)


def _mangle(body: Object) -> ast.Statement:
    key = expression(body["key"])
    if not isinstance(key, ast.Field):
        message = "only a field can be set"
        raise Trouble(message)
    return ast.SetValue(key, expression(body["value"]))


def _end(body: Object) -> tuple[ast.Expression | None, ast.Expression | None]:
    """Address and port that a statement sends packets to."""
    return expression(body["addr"]) if "addr" in body else None, expression(body["port"]) if "port" in body else None


def _translate(kind: str, body: Object) -> ast.Statement:
    address, port = _end(body)
    flags = {*_texts(body.get("flags")), *_texts(body.get("type_flags"))}
    known = {f for f in flags if f in NAT_FLAGS or f == "prefix"} | ({"prefix"} if "netmap" in flags else set())
    return ast.Translate(kind, str(body.get("family", "")), address, port, tuple(sorted(known)))


def _reject(body: Object, family: str) -> ast.Statement:
    kind = str(body.get("type", ""))
    if not kind or kind == "tcp reset":
        return ast.Reject(kind)
    return reject(kind, number(str(body.get("expr", "port-unreachable"))), family)


def _shown(element: Any) -> str:
    from engine.model.nft.printing import expression as show

    return show(_key(element, 0))


def _update(body: Object) -> ast.Statement:
    limited = any(next(iter(s)) in {"limit", "quota", "ct count"} for s in body.get("stmt", []) if isinstance(s, dict) and s)
    text = f"{body.get('op')} {body.get('set')} {{ {_shown(body.get('elem'))}{' limit rate …' if limited else ''} }}"
    return ast.Doubtful("limited add", "match", text) if limited else ast.Note("add", text)


_STATEMENTS: dict[str, Callable[[Any], ast.Statement]] = {
    "match": _match,
    "mangle": _mangle,
    "vmap": lambda b: ast.VerdictMap(expression(b["key"]), _data(b["data"])),
    "tproxy": lambda b: ast.Divert(str(b.get("family", "")), *_end(b)),
    "set": _update,
    "meter": lambda b: ast.Doubtful("limited add", "match", f"meter {b.get('name')}"),
    "map": lambda b: ast.Note("add", str(b.get("map"))),
    "xt": lambda b: xt(str(b.get("type")), str(b.get("name"))),
}
