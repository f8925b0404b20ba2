"""Label selectors: ``matchLabels`` and ``matchExpressions``, answered with yes, no, or unknown (``None``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def both(answers: Iterable[bool | None]) -> bool | None:
    """Whether all hold: a no decides, else an unknown."""
    result: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            result = None
    return result


def either(answers: Iterable[bool | None]) -> bool | None:
    """Whether one holds: a yes decides, else an unknown."""
    result: bool | None = False
    for answer in answers:
        if answer is True:
            return True
        if answer is None:
            result = None
    return result


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool | None:
    """Whether a LabelSelector holds for an object's labels; ``None`` if one of the two was not seen.

    An empty selector selects everything, also what has labels that nobody saw.
    """
    if selector is None:
        return None
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    if not wanted and not expressions:
        return True
    if labels is None:
        return None
    if not isinstance(wanted, dict) or not isinstance(expressions, list | tuple):
        return None
    return both([*(labels.get(key) == value for key, value in wanted.items()), *(_expression(each, labels) for each in expressions)])


def matches(wanted: Mapping[str, str] | None, labels: Mapping[str, str] | None) -> bool | None:
    """Whether a Service's plain selector holds; an empty one selects nothing."""
    if wanted is None:
        return None
    if not wanted:
        return False
    return None if labels is None else all(labels.get(key) == value for key, value in wanted.items())


def _expression(expression: Any, labels: Mapping[str, str]) -> bool | None:
    """One of ``matchExpressions``; NotIn also holds where the key is absent."""
    if not isinstance(expression, dict):
        return None
    key, operator = str(expression.get("key", "")), expression.get("operator")
    values = [str(v) for v in expression.get("values") or ()]
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    return key not in labels if operator == "DoesNotExist" else None


def shown(selector: Mapping[str, Any] | None) -> str:
    """A selector as ``kubectl -l`` takes it; "" for one that selects everything."""
    if not selector:
        return ""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, operator, values = each.get("key"), each.get("operator"), ",".join(map(str, each.get("values") or ()))
        parts.append({"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": f"{key}"}.get(operator, f"!{key}"))
    return ",".join(parts)
