"""``diagnose trace``: walk a flow on the model and show every decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli.options import evidence_options, lang_option, output_option, question_options, request_of
from engine.cli.output import columns, emit, use_colour
from engine.cli.program import Command
from engine.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.walk.trace import Trace

HELP = """Walk a flow on the model, hop by hop, without rules.

\b
Exit status: 0 the flow works, 1 it fails, 2 bad usage or input, 3 undecided.
"""


@click.command(cls=Command, help=HELP)
@click.option("-s", "--symptom", metavar="TEXT", help="The flow in words, instead of --from and --to.")
@question_options
@evidence_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the output.")
@click.option("--watch-kernel", is_flag=True, help="Add commands that make the kernel trace the packet, and what such a trace said.")
@output_option
@lang_option
def trace(**values: Any) -> int:
    """Walk and print."""
    if not (values["symptom"] or values["from_"] or values["to"]):
        message = "nothing to walk: name the ends with --from and --to"
        raise click.UsageError(message)
    from engine import pipeline

    traces, watches, rows = pipeline.trace_with_kernel(request_of(values))
    output = values["output"]
    kernel = (watches, rows) if values["watch_kernel"] or rows else None
    if values["form"] == "json":
        from engine.report.as_json import render_traces_json

        emit(render_traces_json(traces, kernel), output)
    else:
        from engine.report.text import render_trace

        shown = render_trace(traces, values["lang"], width=columns(output), colour=use_colour(output))
        if kernel:
            from engine.report.kernel import render_kernel

            shown += "\n" + render_kernel(*kernel, values["lang"])
        emit(shown, output)
    return _status(traces)


def _status(traces: Sequence[Trace]) -> int:
    if not traces:
        click.echo("no flow fits: name both ends with --from and --to", err=True)
    if not traces or any(t.client_sees == "depends" for t in traces):
        return ExitStatus.UNDECIDED
    return ExitStatus.NO_FAULT if all(t.client_sees == "connected" for t in traces) else ExitStatus.CAUSE_FOUND
