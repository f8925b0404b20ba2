"""The command group: sub-commands that are imported when they are used, and errors as one clear line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from engine.errors import ExitStatus, NorouteError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEBUG = "NOROUTE_DEBUG"
"""Environment variable that shows the traceback of an internal error."""


class LazyGroup(click.Group):
    """A group whose sub-commands are named with their help and imported only when they run."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})
        """Name → (``module:attribute``, one line of help)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order in which they are declared."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The sub-command, imported now."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module

        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of sub-commands, without importing them."""
        if not self.lazy:
            super().format_commands(ctx, formatter)
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])


class Command(click.Command):
    """A sub-command with options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with short options written out, as :meth:`Program.parse_args` does."""
        return super().parse_args(ctx, _written_out(self.params, args))


class Program(LazyGroup):
    """The top of the command: turns every error into one line and an exit status."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; in standalone mode end the process with the exit status."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        sys.exit(self._status(args, prog_name or "diagnose", complete_var, extra))

    def _status(self, args: Sequence[str] | None, prog_name: str, complete_var: str | None, extra: dict[str, Any]) -> int:
        _lenient_streams()
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else prog_name
            return _fail(error.format_message(), f"{command} --help shows the options", error.exit_code)
        except click.ClickException as error:
            return _fail(error.format_message(), "", ExitStatus.BAD_INPUT)
        except (click.Abort, KeyboardInterrupt):
            return _fail("interrupted", "", ExitStatus.INTERRUPTED)
        except NorouteError as error:
            return _fail(str(error), error.hint, error.status)
        except Exception as error:  # noqa: BLE001  the last line of defence: a user gets one line, never a traceback
            return _internal(error)
        return int(result) if isinstance(result, int) else ExitStatus.NO_FAULT

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with ``-b`` written out as ``--bundle``.

        click looks a short option up as a long one first and prepares a did-you-mean for that, which imports difflib: 15 ms at every start.
        """
        return super().parse_args(ctx, _written_out(self.params, args))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the sub-command; a sentence in its place is a question without its option."""
        if args and " " in args[0].strip():
            _usage(f"a question goes behind --symptom: diagnose --symptom {args[0]!r}", ctx)
        return super().resolve_command(ctx, args)


def _written_out(params: Sequence[click.Parameter], args: Sequence[str]) -> list[str]:
    """Arguments with short options in their long form, up to the first sub-command; values of options are left alone."""
    options = [p for p in params if isinstance(p, click.Option)]
    long_form = {o: max(p.opts, key=len) for p in options for o in p.opts}
    takes_value = {o for p in options for o in p.opts if not p.is_flag}
    out: list[str] = []
    rest = iter(args)
    for word in rest:
        if word == "--" or not word.startswith("-"):
            return [*out, word, *rest]
        out.append(long_form.get(word, word))
        if word in takes_value:
            out.extend(value for value in (next(rest, None),) if value is not None)
    return out


def _usage(message: str, ctx: click.Context) -> NoReturn:
    raise click.UsageError(message, ctx)


def _lenient_streams() -> None:
    """A terminal that lacks a character shows an escape, rather than ending the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")


def _fail(message: str, hint: str, status: int) -> int:
    from engine.report.clean import block

    click.echo(block(f"diagnose: error: {message}"), err=True)
    if hint:
        click.echo(block(f"hint: {hint}"), err=True)
    return int(status)


def _internal(error: Exception) -> int:
    if os.environ.get(DEBUG) == "1":
        import traceback

        traceback.print_exception(error)
    what = f"internal error: {type(error).__name__}: {error}".rstrip(": ").replace("\n", " ")
    return _fail(what, f"please report this with the output of the same command under {DEBUG}=1", ExitStatus.INTERNAL)
