"""Expressions asked of a packet: three-valued comparisons, look-ups in sets and maps.

Source: Linux ``net/netfilter/nft_cmp.c``, ``nft_bitwise.c``, ``nft_lookup.c``, ``nft_numgen.c``; what a comparison becomes: nftables
``src/netlink_linearize.c``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from engine.model.nft import ast
from engine.model.nft.fields import ABSENT, Absent, Bits, Chance, Doubt, Scene, Single, read
from engine.model.nft.values import EVERYTHING, Span, covers, mask, span, spans, type_of, types_of
from engine.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Known = int | str
_MOST = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class Share:
    """Holds for a share of the packets: ``1/3``."""

    share: str


Answer = bool | Doubt | Share


def holds(made: ast.Match, scene: Scene) -> Answer:
    """Whether a comparison holds; a field that the packet lacks makes every comparison false."""
    left = _parts(made.left, scene)
    if isinstance(left, Absent):
        return False
    if isinstance(made.right, (ast.SetOf, ast.SetRef)):
        found = select(made.left, made.right, scene)
        return _in_set(found, negated=made.sign == "!=")
    try:
        return _compare(made, left, types_of(made.left))
    except ValueError as error:
        return Doubt(phrase("x-not-understood", what=error))


def _in_set(found: Selection, *, negated: bool) -> Answer:
    if not found.options:
        return found.doubt or Doubt(phrase("set-unlisted"))
    hits = [share for element, share in found.options if element is not None]
    misses = [share for element, share in found.options if element is None]
    if not hits or not misses:
        return bool(hits) != negated
    if found.doubt is not None:
        return found.doubt
    part = sum((Fraction(s) for s in hits), Fraction(0))
    return Share(str(1 - part if negated else part))


# --- values -------------------------------------------------------------------------------------------------------


def _parts(expr: ast.Expression, scene: Scene) -> tuple[Single, ...] | Absent:
    values = tuple(evaluate(p, scene) for p in expr.parts) if isinstance(expr, ast.Concat) else (evaluate(expr, scene),)
    return ABSENT if ABSENT in values else values


def evaluate(expr: ast.Expression, scene: Scene, kind: str = "") -> Single:
    """Value of an expression of one dimension; constants are read as of type ``kind``."""
    match expr:
        case ast.Field():
            return read(expr, scene)
        case ast.Draw(_, modulus, offset):
            return Chance(modulus, offset)
        case ast.Operation():
            return _operate(expr, scene)
        case ast.MapOf(key, data):
            return _mapped(key, data, scene, kind)
        case ast.Literal() | ast.Flags():
            try:
                return mask(expr, kind or "number")
            except ValueError:
                return Doubt(phrase("constant-not-understood", what=expr))
        case _:
            return Doubt(phrase("expression-not-modelled"))


def _mapped(key: ast.Expression, data: ast.SetOf | ast.SetRef, scene: Scene, kind: str) -> Single:
    found = select(key, data, scene)
    if len(found.options) != 1:
        return found.doubt or Doubt(phrase("one-of-several"))
    element = found.options[0][0]
    if element is None or element.data is None or isinstance(element.data, ast.Verdict):
        return ABSENT
    return evaluate(element.data, scene, kind)


def _operate(expr: ast.Operation, scene: Scene) -> Single:
    kind = type_of(expr.left)
    left, right = evaluate(expr.left, scene, kind), evaluate(expr.right, scene, kind)
    for side in (left, right):
        if isinstance(side, (Absent, Doubt)):
            return side
    if isinstance(left, Chance) and isinstance(right, int) and expr.sign == "&" and (right + 1) & right == 0 and left.modulus % (right + 1) == 0:
        return Chance(right + 1)
    if isinstance(left, Bits) and isinstance(right, int) and expr.sign == "&":
        return Bits(left.value & right, left.open & right) if left.open & right else left.value & right
    if not (isinstance(left, int) and isinstance(right, int)):
        return Doubt(phrase("operation-not-modelled"))
    if expr.sign in {"<<", ">>"}:
        return (left << min(right, 64)) & 0xFFFFFFFF if expr.sign == "<<" else left >> min(right, 64)
    return {"&": left & right, "|": left | right, "^": left ^ right}[expr.sign]


# --- comparisons --------------------------------------------------------------------------------------------------


def _compare(made: ast.Match, left: tuple[Single, ...], kinds: tuple[str, ...]) -> Answer:
    if made.sign in {"in", "!"}:
        return _common_bit(left[0], mask(made.right, kinds[0]), wanted=made.sign == "in")
    if made.sign in {"<", ">", "<=", ">="}:
        return _ordered(left[0], made.sign, span(made.right, kinds[0]))
    if isinstance(made.left, ast.Field) and made.left.base == "fib" and isinstance(made.right, ast.Literal) and made.right.text in _PRESENCE:
        return _exists(left[0], wanted=_PRESENCE[made.right.text] == (made.sign == "=="))
    doubt: Doubt | None = None
    for value, inside in zip(left, spans(made.right, kinds), strict=True):
        answer = _inside(value, inside)
        if answer is False:
            return made.sign == "!="
        if isinstance(answer, Share):
            return answer if made.sign == "==" else Share(str(1 - Fraction(answer.share)))
        if isinstance(answer, Doubt):
            doubt = answer
    return doubt if doubt is not None else made.sign == "=="


_PRESENCE = {"exists": True, "1": True, "missing": False, "0": False}
"""``fib … oif exists``, and what ``nft -n`` prints for it."""


def _exists(value: Single, *, wanted: bool) -> Answer:
    return value if isinstance(value, Doubt) else (value not in {"", 0}) == wanted


def _common_bit(value: Single, bits: int, *, wanted: bool) -> Answer:
    if isinstance(value, Bits):
        if value.value & bits:
            return wanted
        return Doubt(phrase("conntrack-bits")) if value.open & bits else not wanted
    if not isinstance(value, int):
        return value if isinstance(value, Doubt) else Doubt(phrase("comparison-not-modelled"))
    return bool(value & bits) == wanted


def _ordered(value: Single, sign: str, border: Span) -> Answer:
    if isinstance(border, str) or border[0] != border[1]:
        return Doubt(phrase("comparison-not-modelled"))
    if isinstance(value, Chance):
        number = border[0]
        inside: Span = {"<": (0, number - 1), "<=": (0, number), ">": (number + 1, _MOST), ">=": (number, _MOST)}[sign]
        return _share(value, inside)
    if not isinstance(value, int):
        return value if isinstance(value, Doubt) else Doubt(phrase("comparison-not-modelled"))
    return {"<": value < border[0], "<=": value <= border[0], ">": value > border[0], ">=": value >= border[0]}[sign]


def _inside(value: Single, inside: Span) -> Answer:
    if isinstance(value, Doubt):
        return True if inside == EVERYTHING else value
    if isinstance(value, Bits):
        return Doubt(phrase("conntrack-bits"))
    if isinstance(value, Chance):
        return _share(value, inside)
    return not isinstance(value, Absent) and covers(inside, value)


def _share(value: Chance, inside: Span) -> Answer:
    if isinstance(inside, str):
        return False
    low, high = max(inside[0], value.offset), min(inside[1], value.offset + value.modulus - 1)
    count = max(0, high - low + 1)
    if count in {0, value.modulus}:
        return count > 0
    return Share(str(Fraction(count, value.modulus).limit_denominator(1000)))


# --- sets and maps ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """Elements that a key may select."""

    options: tuple[tuple[ast.Element | None, str], ...]
    """Element (``None`` = no element fits) and the share of packets, "" if it is not by chance; one = certain, no option = not known."""
    doubt: Doubt | None = None


class Compiled:
    """A set as a table of exact keys and a list of intervals."""

    __slots__ = ("doubtful", "exact", "fallback", "loose")

    def __init__(self, elements: Iterable[ast.Element], kinds: tuple[str, ...], *, whole: bool) -> None:
        self.exact: dict[tuple[Known, ...], ast.Element] = {}
        self.loose: list[tuple[tuple[Span, ...], ast.Element]] = []
        self.fallback: ast.Element | None = None
        self.doubtful = not whole
        """Elements are missing or were not understood."""
        for element in elements:
            self._add(element, kinds)

    def _add(self, element: ast.Element, kinds: tuple[str, ...]) -> None:
        if isinstance(element.key, ast.Wildcard):
            self.fallback = element
            return
        try:
            covered = spans(element.key, kinds)
        except ValueError:
            self.doubtful = True
            return
        exact: list[Known] = []
        for one in covered:
            if isinstance(one, str):
                if not one.endswith("*"):
                    exact.append(one)
            elif one[0] == one[1]:
                exact.append(one[0])
        if len(exact) == len(covered):
            self.exact.setdefault(tuple(exact), element)
        else:
            self.loose.append((covered, element))

    def every(self) -> Iterator[tuple[tuple[Span, ...], ast.Element]]:
        """All elements but the fallback, with what they cover."""
        for key, element in self.exact.items():
            yield tuple(k if isinstance(k, str) else (k, k) for k in key), element
        yield from self.loose

    def find(self, key: tuple[Known, ...]) -> ast.Element | None:
        """Element of a known key."""
        found = self.exact.get(key)
        if found is None:
            found = next((e for covered, e in self.loose if all(covers(c, k) for c, k in zip(covered, key, strict=True))), None)
        return found if found is not None else self.fallback


def compiled(data: ast.SetOf | ast.SetRef, kinds: tuple[str, ...], scene: Scene) -> Compiled | None:
    """The set ready to be asked; ``None`` if the table does not show it."""
    memo = (id(data) if isinstance(data, ast.SetOf) else data.name, kinds)
    if memo not in scene.memo:
        if isinstance(data, ast.SetOf):
            scene.memo[memo] = Compiled(data.elements, kinds, whole=True)
        else:
            named = scene.sets.get(data.name)
            scene.memo[memo] = Compiled(named.elements, kinds, whole=ast.PARTIAL not in named.flags) if named is not None else None
    found: Compiled | None = scene.memo[memo]
    return found


def select(key: ast.Expression, data: ast.SetOf | ast.SetRef, scene: Scene) -> Selection:
    """Elements that a key selects."""
    values = _parts(key, scene)
    if isinstance(values, Absent):
        return Selection(((None, ""),))
    table = compiled(data, types_of(key), scene)
    if table is None:
        name = data.name if isinstance(data, ast.SetRef) else "set"
        return Selection((), Doubt(phrase("elements-unlisted", name=name)))
    known = tuple(v for v in values if isinstance(v, (int, str)))
    if len(known) == len(values):
        found = table.find(known)
        if found is None and table.doubtful:
            return _open(table, values)
        return Selection(((found, ""),))
    if len(values) == 1 and isinstance(values[0], Chance):
        return _drawn(table, values[0])
    return _open(table, values)


def _drawn(table: Compiled, value: Chance) -> Selection:
    """Each element with its share of the numbers."""
    options: list[tuple[ast.Element | None, str]] = []
    left = Fraction(1)
    for covered, element in table.every():
        answer = _share(value, covered[0])
        part = Fraction(answer.share) if isinstance(answer, Share) else Fraction(int(answer is True))
        if part:
            options.append((element, str(part)))
            left -= part
    if left > 0:
        options.append((table.fallback, str(left)))
    return Selection(tuple(options))


def _open(table: Compiled, values: tuple[Single, ...]) -> Selection:
    """Every element that the known parts of the key do not rule out, and none."""
    if table.doubtful:
        return Selection((), Doubt(phrase("elements-unknown")))
    fits = [e for covered, e in table.every() if all(_inside(v, c) is not False for c, v in zip(covered, values, strict=True))]
    if not fits:
        return Selection(((table.fallback, ""),))
    doubt = next((v for v in values if isinstance(v, Doubt)), Doubt(phrase("key-not-followed")))
    options: list[tuple[ast.Element | None, str]] = [(e, "") for e in fits]
    return Selection((*options, (table.fallback, "")), doubt)
