"""Errors that end a run with one clear line, and the exit statuses of the command."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of ``diagnose``; scripts rely on them, so they never change meaning."""

    NO_FAULT = 0
    """Nothing wrong was found for the question."""
    CAUSE_FOUND = 1
    """At least one root cause was found."""
    BAD_INPUT = 2
    """Bad usage, or input that cannot be read."""
    UNDECIDED = 3
    """Evidence is missing; the report names the commands that would settle the question."""
    INTERNAL = 4
    """A defect of this program."""
    INTERRUPTED = 130
    """Stopped by the user (SIGINT)."""


class NorouteError(Exception):
    """An error that the user can act on: printed as one line, without a traceback.

    ``hint`` says the way out (the option to use, the command to run); it may be empty.
    """

    status = ExitStatus.BAD_INPUT

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class EvidenceError(NorouteError):
    """Evidence that cannot be read: a missing path, an empty folder, a broken archive."""


class RuleError(NorouteError):
    """Rule documents that cannot be used; carries every issue found, not only the first."""


class QuestionError(NorouteError):
    """A question that names nothing in the evidence, or that contradicts itself."""
