"""The command line: ``diagnose`` and its sub-commands.

This package is imported at every start, so it imports click and nothing heavy; each sub-command is a module of its own.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of the ``diagnose`` command; ends the process with one of :class:`engine.errors.ExitStatus`."""
    import atexit
    import gc

    from engine.cli.app import program

    # A run is short and makes long-lived objects: the collector's frequent passes over them are wasted (5 % of a run).
    gc.set_threshold(100_000, 50, 50)
    # What lives at the end goes with the process: the interpreter need not look for cycles in it first (another 5 %).
    atexit.register(gc.freeze)
    program.main(prog_name="diagnose")
