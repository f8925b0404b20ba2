"""What every operation has."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from engine.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.facts import Fact, FactBase


class Parameter(NamedTuple):
    """A parameter that a rule gives to an operation."""

    about: str
    required: bool = True


class Site(NamedTuple):
    """Where an operation works: a stack, and how commands get into it from its node."""

    facts: FactBase
    node: str
    stack: str
    entry: str = ""
    """Command prefix: ``ip netns exec web``, or "" on the node's own stack."""

    def here(self, kind: str) -> list[Fact]:
        """Facts of a kind on this stack."""
        return list(self.facts.at(kind, self.node, self.stack))

    def shell(self, *words: str) -> str:
        """A shell line inside the stack; every word is quoted."""
        line = " ".join(shlex.quote(w) for w in words)
        return f"{self.entry} {line}" if self.entry else line


class Operation(ABC):
    """One change, as commands for a person and as a change of facts for the model."""

    NAME: ClassVar[str]
    PARAMETERS: ClassVar[Mapping[str, Parameter]]
    RISK: ClassVar[str] = "low"

    def __init__(self, parameters: Mapping[str, Any], site: Site) -> None:
        """Raises :class:`RuleError` if a required parameter is missing or empty."""
        self.site = site
        self.given = parameters
        for name, parameter in self.PARAMETERS.items():
            if parameter.required and not parameters.get(name):
                message = f"operation {self.NAME} needs {name}"
                raise RuleError(message)

    def text(self, name: str, default: str = "") -> str:
        """A parameter as one word of text."""
        value = self.given.get(name)
        return default if value is None else str(value).strip()

    def texts(self, name: str) -> list[str]:
        """A parameter that is one text or a list of them."""
        value = self.given.get(name)
        if value is None or value == "":
            return []
        items: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
        return [str(x).strip() for x in items if str(x).strip()]

    @abstractmethod
    def commands(self) -> tuple[str, ...]:
        """Shell lines that make the change now."""

    def undo(self) -> tuple[str, ...]:
        """Shell lines that take it back."""
        return ()

    def persist(self) -> tuple[str, ...]:
        """Shell lines (or comments that say where) that make it survive a reboot."""
        return ()

    def verify(self) -> tuple[str, ...]:
        """Shell lines that show that the change is there."""
        return ()

    @abstractmethod
    def apply(self, facts: FactBase) -> FactBase | None:
        """The facts as a collector would see them after the change; ``None`` if the model cannot tell."""
