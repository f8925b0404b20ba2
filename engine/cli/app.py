"""``diagnose``: the question itself, and the list of sub-commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli.options import evidence_options, lang_option, output_option, question_options
from engine.cli.program import Program
from engine.report import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = """Say why this connection fails, and how to mend it.

Reads bundles given by -b, or else this node, without changing anything. The cause comes with its proof on a model of the network, and
with commands that were checked on that model.

\b
  diagnose --symptom "pod cannot reach db: No route to host" -b bundle.tar.gz
  diagnose --symptom "pod 无法连接数据库 i/o timeout" --lang zh
  diagnose --from pod/shop/web --to svc/shop/db --port 5432

\b
Exit status: 0 nothing wrong found, 1 cause found, 2 bad usage or input,
3 undecided (evidence missing), 4 internal error, 130 interrupted.
"""

SUBCOMMANDS = {
    "collect": ("engine.cli.collect:collect", "Write this node's evidence to a bundle."),
    "trace": ("engine.cli.trace:trace", "Walk one flow on the model, without rules."),
    "matrix": ("engine.cli.matrix:matrix", "Say which pods, nodes and Services cannot reach which."),
    "rules": ("engine.cli.rules:rules", "List, show, check, test and start rules."),
    "bundle": ("engine.cli.bundle:bundle", "Tell what a bundle holds."),
}


def _version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from engine import __version__
        from engine.inference.engine import matcher_name

        click.echo(f"diagnose {__version__} (rule matcher: {matcher_name()})")
        ctx.exit()


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Program, lazy=SUBCOMMANDS, invoke_without_command=True, help=HELP, context_settings=CONTEXT)
@click.option("-s", "--symptom", metavar="TEXT", help='What you see, in your own words: "pod cannot reach db: No route to host".')
@question_options
@evidence_options
@click.option("--rules", multiple=True, metavar="DIR", help="Folder of your own rules, besides the built-in ones. Repeatable.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the report.")
@output_option
@lang_option
@click.option("-v", "--verbose", is_flag=True, help="Add the walk hop by hop.")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit.")
@click.pass_context
def program(ctx: click.Context, /, **values: Any) -> int | None:
    """Answer the question, unless a sub-command was named."""
    if ctx.invoked_subcommand is not None:
        _nothing_before(ctx)
        return None
    if not (values["symptom"] or "").strip() and not values["from_"] and not values["to"]:
        message = 'nothing to diagnose: describe it with --symptom "pod cannot reach db: No route to host", or name the ends with --from and --to'
        raise click.UsageError(message, ctx)
    from engine.cli.answer import answer

    return answer(values)


@program.result_callback()
def _status(result: Any, **_values: Any) -> Any:
    """The status of whatever ran is the status of the program."""
    return result


def _nothing_before(ctx: click.Context) -> None:
    """Options before a sub-command would be lost in silence."""
    given = [p for p in ctx.command.params if ctx.get_parameter_source(p.name or "") is click.core.ParameterSource.COMMANDLINE]
    if given:
        message = f"{_names(given)} stands before the sub-command; options of {ctx.invoked_subcommand} go behind it"
        raise click.UsageError(message, ctx)


def _names(parameters: Sequence[click.Parameter]) -> str:
    return ", ".join(max(p.opts, key=len) for p in parameters)
