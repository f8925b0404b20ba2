"""Templates of rules and playbooks: sandboxed, strict and bounded Jinja.

Templates come from teams and values from bundles, so neither is trusted: no attribute that leads out of the values, no file but playbooks,
no loop, string or output beyond fixed bounds, and a name or field that is not there is an error, never an empty string.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from engine.compiled import shelf
from engine.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jinja2 import Environment, nodes

    from engine.facts import Fact
    from engine.rulebase.model import Branch, Rule
    from engine.rulebase.sources import Folder

MAX_TEMPLATE = 65_536
"""Longest template, in characters."""
MAX_OUTPUT = 65_536
"""Longest rendered text, and longest string on the way."""
MAX_FIELD = 4_096
"""Longest text of one field; the rest is cut and marked."""
MAX_STEPS = 20_000
"""Loop turns and calls in one rendering."""
TEXT_NAMES = frozenset({"branch"})
"""Names that titles and remedies may use besides the bindings: the branch that matched ("" = the rule has none)."""
PLAYBOOK_NAMES = TEXT_NAMES | {"remedies", "lang", "part"}
"""Names that playbooks may use besides the bindings."""
PARTS = ("cause", "remedy", "extra")
"""Parts of a playbook; the blocks are ``<part>_<language>``."""
FILTERS = (
    "abs", "capitalize", "count", "d", "default", "first", "int", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "select", "selectattr", "sort", "string", "title", "trim", "unique", "upper",
)  # fmt: skip
"""Filters of Jinja that cannot grow their input."""
METHODS: dict[type, frozenset[str]] = {
    str: frozenset({"startswith", "endswith", "split", "rsplit", "partition", "rpartition", "lower", "upper", "strip", "lstrip", "rstrip",
                    "removeprefix", "removesuffix", "isdigit", "count", "find"}),
    dict: frozenset({"get", "items", "keys", "values"}),
    tuple: frozenset({"count", "index"}),
}  # fmt: skip
"""Methods that templates may call."""
_NAME = re.compile(r"_?[a-z0-9]+(-[a-z0-9]+)*\Z")


class TemplateError(RuleError):
    """A template that cannot be rendered."""


class FactView:
    """A bound fact as templates see it: fields as attributes, plus ``node``, ``stack``, ``line`` and ``text``.

    A field of that name wins.  Missing fields are undefined, which the strict environment turns into an error when they are printed.
    """

    __slots__ = ("_fact",)

    def __init__(self, fact: Fact) -> None:
        self._fact = fact

    def __getattr__(self, name: str) -> Any:
        value = self._fact.get(name)
        if value is None and name in ("line", "text"):
            value = getattr(self._fact, name)
        if value is None:
            message = f"{self._fact.kind} has no {name} here"
            raise AttributeError(message)
        return _clipped(value)


def _clipped(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_FIELD:
        return value[:MAX_FIELD] + " …"
    return value


@dataclass(slots=True)
class _Budget:
    """What one rendering has left."""

    steps: int = MAX_STEPS
    output: int = MAX_OUTPUT

    def step(self, cost: int = 1) -> None:
        self.steps -= 1
        self.output -= cost
        if self.steps < 0:
            message = f"more than {MAX_STEPS} loop turns and calls"
            raise OverflowError(message)
        self.check()

    def write(self, size: int) -> None:
        self.output -= size
        self.check()

    def check(self) -> None:
        if self.output < 0:
            message = f"output longer than {MAX_OUTPUT} characters"
            raise OverflowError(message)


_BUDGET: ContextVar[_Budget | None] = ContextVar("budget", default=None)


def render(text: str, bindings: Mapping[str, Fact], extra: Mapping[str, Any] | None = None) -> str:
    """Render a template over bound facts; raises :class:`TemplateError`."""
    if "{" not in text and "\r" not in text and len(text) <= MAX_TEMPLATE:
        return text.removesuffix("\n")  # what Jinja makes of plain text
    return str(_guarded(lambda: _string_template(text).render(_variables(bindings, extra)), f"template {text[:60]!r}"))


def render_playbook(
    name: str,
    lang: str,
    bindings: Mapping[str, Fact],
    extra: Mapping[str, Any] | None = None,
    folders: Sequence[Folder] = (),
    *,
    wanted: Sequence[str] = PARTS,
) -> dict[str, str]:
    """Wanted parts of a playbook in one language: ``cause``, ``remedy`` and ``extra`` ("" where it has none).

    ``folders`` (``Rule.playbooks``) are searched before the built-in playbooks.  What is not written in ``lang`` is given in English.
    Raises :class:`TemplateError`.
    """
    variables = {"remedies": (), "branch": "", **_variables(bindings, extra), "lang": lang}
    template = _guarded(lambda: environment(tuple(folders)).get_template(f"{name}.j2"), f"playbook {name}")
    parts = {}
    for part in wanted:
        action = partial(template.render, {**variables, "part": part})
        parts[part] = str(_guarded(action, f"playbook {name}")).strip()
    return parts


def explain(rule: Rule, lang: str, bindings: Mapping[str, Fact], extra: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The playbook of a rule; or its ``explain`` text with the usual remedy part, where it has no playbook."""
    if rule.playbook:
        return render_playbook(rule.playbook, lang, bindings, extra, rule.playbooks)
    return {**render_playbook("_base", lang, bindings, extra), "cause": cause(rule, lang, bindings, extra)}


def cause(rule: Rule, lang: str, bindings: Mapping[str, Fact], extra: Mapping[str, Any] | None = None) -> str:
    """What :func:`explain` says of the cause."""
    if rule.playbook:
        return render_playbook(rule.playbook, lang, bindings, extra, rule.playbooks, wanted=("cause",))["cause"]
    return render(rule.explain.get(lang) or rule.explain.get("en", ""), bindings, extra).strip()


def title(rule: Rule, branch: Branch, lang: str, bindings: Mapping[str, Fact]) -> str:
    """The title of a finding under a branch of its rule."""
    texts = rule.title_of(branch)
    return render(texts.get(lang) or texts.get("en", rule.id), bindings, {"branch": branch.name}).strip()


def _variables(bindings: Mapping[str, Fact], extra: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**{name: FactView(fact) for name, fact in bindings.items()}, **(extra or {})}


def _guarded(action: Callable[[], Any], what: str) -> Any:
    """Run something of Jinja within a fresh budget; all that can go wrong in a template becomes one kind of error."""
    from jinja2 import TemplateError as JinjaError
    from jinja2 import TemplateSyntaxError

    token = _BUDGET.set(_Budget())
    try:
        return action()
    except TemplateSyntaxError as error:
        message = f"{what}: line {error.lineno}: {error.message}"
        raise TemplateError(message) from error
    except (JinjaError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
        message = f"{what}: {str(error).partition(chr(10))[0] or type(error).__name__}"
        raise TemplateError(message) from error
    finally:
        _BUDGET.reset(token)


@lru_cache(maxsize=512)
def _string_template(text: str) -> Any:
    return environment().from_string(text)


def parse(text: str, *, playbook: bool = False) -> nodes.Template:
    """Syntax tree of a template after the sandbox's own checks; raises ``jinja2.TemplateSyntaxError``."""
    tree = environment().parse(text)
    _refuse_constructs(tree, playbook=playbook)
    return tree


@lru_cache(maxsize=16)
def environment(folders: tuple[Folder, ...] = ()) -> Environment:
    """The environment whose playbooks come from ``folders`` and then the built-in ones."""
    from engine.data import builtin

    own = builtin("playbooks")
    return _environment_class()((*(folder for folder in folders if folder != own), own))


@lru_cache(maxsize=1)
def _environment_class() -> Callable[[tuple[Folder, ...]], Environment]:  # noqa: C901  # one class, whose methods are simple
    """The environment's class; built on first use, for Jinja is slow to import."""
    from jinja2 import StrictUndefined
    from jinja2.filters import FILTERS as JINJA_FILTERS
    from jinja2.runtime import BlockReference
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class RuleEnvironment(ImmutableSandboxedEnvironment):
        """Jinja within bounds."""

        intercepted_binops = frozenset({"+", "*", "**", "%"})

        def __init__(self, folders: tuple[Folder, ...]) -> None:
            super().__init__(undefined=StrictUndefined, autoescape=False, loader=_loader(folders), finalize=_written, trim_blocks=True,
                             lstrip_blocks=True, cache_size=200)  # fmt: skip
            self.globals = {"range": _range}
            self.filters = {name: JINJA_FILTERS[name] for name in FILTERS}
            self.filters.update(q=_quoted, network=_network, join=_join, replace=_replace, _counted=_counted, _concat=_concat)

        def compile(self, source: Any, name: str | None = None, filename: str | None = None, raw: bool = False, defer_init: bool = False) -> Any:
            ordinary = partial(super().compile, source, name, filename, raw, defer_init)
            return ordinary() if raw or defer_init else shelf().code(source, filename or "", ordinary)

        def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
            if len(source) > MAX_TEMPLATE:
                message = f"template longer than {MAX_TEMPLATE} characters"
                raise OverflowError(message)
            return super()._parse(source, name, filename)

        def _generate(self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False) -> str:
            _refuse_constructs(source, playbook=name is not None)
            _count_loops(source)
            return super()._generate(source, name, filename, defer_init)

        def getattr(self, obj: Any, attribute: str) -> Any:
            value = super().getattr(obj, attribute)
            if isinstance(value, StrictUndefined) and isinstance(obj, FactView) and not attribute.startswith("_"):
                return self.undefined(f"{obj._fact.kind} has no {attribute} here")  # noqa: SLF001  # the view hides it from templates
            return value

        def is_safe_callable(self, obj: Any) -> bool:
            _spend(1)
            if obj is _range or isinstance(obj, BlockReference):
                return True
            allowed: frozenset[str] = METHODS.get(type(getattr(obj, "__self__", None)), frozenset())
            return getattr(obj, "__name__", "") in allowed

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _check_operands(operator, left, right)
            return super().call_binop(context, operator, left, right)

    return RuleEnvironment


def _loader(folders: tuple[Folder, ...]) -> Any:
    from pathlib import Path

    from jinja2 import FunctionLoader

    def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
        stem = name.removesuffix(".j2")
        if stem == name or not _NAME.match(stem):
            return None
        for folder in folders:
            file = folder / name
            # A link must not lead out of the folder: playbooks are printed, and so would be what it points to.
            if file.is_file() and not (isinstance(file, Path) and not file.resolve().is_relative_to(Path(str(folder)).resolve())):
                with file.open("rb") as stream:
                    return stream.read(4 * MAX_TEMPLATE).decode("utf-8", "replace"), str(file), lambda: True
        return None

    return FunctionLoader(load)


def _refuse_constructs(tree: nodes.Template, *, playbook: bool) -> None:
    """Refuse what playbooks do not need and what could escape the budget."""
    from jinja2 import TemplateSyntaxError, nodes

    refused = (nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock, nodes.Include, nodes.Import, nodes.FromImport)
    for node in tree.find_all(refused):
        message = f"{type(node).__name__.lower()} is not allowed here"
        raise TemplateSyntaxError(message, node.lineno)
    for extends in tree.find_all(nodes.Extends):
        if not playbook or not isinstance(extends.template, nodes.Const):
            message = "only playbooks extend, and only a template named in plain text"
            raise TemplateSyntaxError(message, extends.lineno)


def _count_loops(tree: Any) -> None:
    """Make every turn of every loop, and every `~`, pay from the budget."""
    from jinja2 import nodes

    for loop in list(tree.find_all(nodes.For)):
        cost = sum(len(data.data) for part in loop.body for data in part.find_all(nodes.TemplateData)) + 1
        loop.iter = nodes.Filter(loop.iter, "_counted", [nodes.Const(cost)], [], None, None, lineno=loop.lineno)
    _replace_concat(tree)
    tree.set_environment(tree.environment)


def _replace_concat(node: nodes.Node) -> None:
    from jinja2 import nodes

    for name, value in list(node.iter_fields()):
        if isinstance(value, list):
            value[:] = [_without_concat(item) for item in value]
        elif isinstance(value, nodes.Node):
            setattr(node, name, _without_concat(value))


def _without_concat(node: Any) -> Any:
    from jinja2 import nodes

    if not isinstance(node, nodes.Node):
        return node
    _replace_concat(node)
    if isinstance(node, nodes.Concat):
        return nodes.Filter(nodes.List(node.nodes), "_concat", [], [], None, None, lineno=node.lineno)
    return node


def _counted(items: Iterable[Any], cost: int) -> Iterator[Any]:
    for item in items:
        _spend(cost)
        yield item


def _spend(cost: int) -> None:
    budget = _BUDGET.get()
    if budget:
        budget.step(cost)


def _concat(parts: Sequence[Any]) -> str:
    return _join(parts)


def _join(items: Iterable[Any], separator: str = "") -> str:
    total, texts = 0, []
    for item in items:
        texts.append(str(_strict(item)))
        total += len(texts[-1]) + len(separator)
        if total > MAX_OUTPUT:
            message = f"string longer than {MAX_OUTPUT} characters"
            raise OverflowError(message)
    return str(separator).join(texts)


def _replace(value: Any, old: str, new: str) -> str:
    text = str(_strict(value))
    if old and len(text) + text.count(old) * len(new) > MAX_OUTPUT:
        message = f"string longer than {MAX_OUTPUT} characters"
        raise OverflowError(message)
    return text.replace(old, new) if old else text


def _range(*arguments: int) -> range:
    numbers = range(*arguments)
    if len(numbers) > MAX_STEPS:
        message = f"range longer than {MAX_STEPS}"
        raise OverflowError(message)
    return numbers


def _check_operands(operator: str, left: Any, right: Any) -> None:
    """Arithmetic is for small numbers; strings and lists may only be added, within bounds."""
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    if operator == "**" or (numbers and max(abs(left), abs(right)) > 2**64) or (operator in "*%" and not numbers):
        message = f"{operator} is not allowed on these values"
        raise OverflowError(message)
    if operator == "+" and not numbers and len(left) + len(right) > MAX_OUTPUT:
        message = f"value longer than {MAX_OUTPUT}"
        raise OverflowError(message)


def _written(value: Any) -> Any:
    """Every printed value pays for its length; it is turned into text once."""
    text = str(_strict(value))
    budget = _BUDGET.get()  # none while constants are folded
    if budget:
        budget.write(len(text))
    return text


def _strict(value: Any) -> Any:
    """The value; a ``None`` is as wrong in a sentence or a command as an undefined name."""
    from jinja2 import UndefinedError

    if value is None:
        message = "a value is none"
        raise UndefinedError(message)
    return value


def _quoted(value: Any) -> str:
    import shlex

    return shlex.quote(str(_strict(value)))


def _network(value: Any) -> str:
    from engine import inet

    return str(inet.prefix(str(_strict(value))))
