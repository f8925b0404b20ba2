"""What the question took for granted, and what it lacks: collected while names become flows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.findings import Assumption, Missing

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 4
"""Names that a sentence lists before it says "and N more"."""


@dataclass(slots=True)
class Notes:
    """Assumptions and gaps in the order they arose, each once."""

    assumptions: list[Assumption] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    def assume(self, en: str, zh: str) -> None:
        """Record something that was taken for granted."""
        said = Assumption({"en": en, "zh": zh})
        if said not in self.assumptions:
            self.assumptions.append(said)

    def lack(self, node: str, command: str, en: str, zh: str) -> None:
        """Record a command that would settle the question."""
        need = Missing(node, command, {"en": en, "zh": zh})
        if need not in self.missing:
            self.missing.append(need)


def listed(names: Sequence[str]) -> tuple[str, str]:
    """Names as an English and a Chinese list, cut at :data:`SHOWN`."""
    unique = list(dict.fromkeys(names))
    rest = len(unique) - SHOWN
    en, zh = ", ".join(unique[:SHOWN]), "、".join(unique[:SHOWN])
    return (f"{en} and {rest} more", f"{zh} 等 {len(unique)} 个") if rest > 0 else (en, zh)
