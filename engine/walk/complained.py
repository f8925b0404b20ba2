"""What a complaint settles: a rule that may hold, and whose refusal is the very error that the client reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.walk.choices import Asked
    from engine.walk.journey import Run

TELLING: Final = frozenset({"EHOSTUNREACH", "ENETUNREACH", "EPERM", "EACCES"})
"""Errors that a working server never causes, and that name what refused; silence and a plain refusal have too many reasons."""


def settled(runs: list[tuple[Run, list[Asked]]], error: str) -> list[tuple[Run, list[Asked]]]:
    """Replays with the one first that the complaint speaks for.

    Only a run in which a rule that was shown rejects the packet with that very error, where all that was open was whether that rule holds
    (a listing without interface columns, a match that nobody can tell from outside), comes before the run with all first answers.
    """
    if error not in TELLING or runs[0][0].sees == error:
        return runs
    for at, (run, asked) in enumerate(runs):
        line = next((one.unknown.line for one in reversed(asked) if one.chosen and one.unknown is not None), None)
        drop = next((fact for fact in run.facts if fact.kind == "drop" and fact.get("by") == "rule" and fact.get("effect") == "rejected"), None)
        if run.sees == error and line is not None and drop is not None and drop.line == line.line:
            return [runs[at], *runs[:at], *runs[at + 1 :]]
    return runs
