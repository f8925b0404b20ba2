"""``diagnose matrix``: who reaches whom in a whole cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from engine.cli.options import evidence_options, lang_option, names, output_option, request_of
from engine.cli.output import columns, emit
from engine.cli.program import Command
from engine.errors import ExitStatus, QuestionError

if TYPE_CHECKING:
    from engine.matrix import ByObjects, Matrix

NO_PAIR = "--from and --to name no pair in the evidence"
NAMES = "names are pod/NS/NAME, ns/NS, node/NAME, svc/NS/NAME, an address, or with * in them"
HELP = """Say which pods, nodes and Services cannot reach which.

Walks one flow for each class of pairs that no line of the evidence tells apart, so that a whole cluster is answered, not sampled. Give the
bundles of all nodes and the API's objects. Of the objects alone it says whom policies turn away and which Services nobody is behind.

\b
  diagnose matrix -b cluster.tar.gz
  diagnose matrix -b cluster/ --port 5432 --to ns/shop --no-services
  diagnose matrix -b cluster/ --from node/n1 --format json

\b
Ends: pod/NS/NAME, ns/NS, node/NAME (with all its pods), svc/NS/NAME, an address, a name with *; senders also: outside.
Exit status: 0 everything connects, 1 something does not, 2 bad usage or
input, 3 nothing fails for certain but evidence is missing.
"""


@click.command(cls=Command, help=HELP)
@click.option("--from", "from_", multiple=True, metavar="END", help="Only these senders. Repeatable.")
@click.option("--to", "to", multiple=True, metavar="END", help="Only these targets. Repeatable.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="Port of pods and nodes to connect to (default: ping them).")
@click.option("--protocol", type=click.Choice(["tcp", "udp", "icmp"], case_sensitive=False), help="Protocol to pods and nodes.")
@click.option("--services/--no-services", default=True, show_default=True, help="Also every port of every Service.")
@click.option("--node-ports/--no-node-ports", default=True, show_default=True,
    help="Also Services' ports of nodes and external addresses, from outside too.")
@click.option("--nodes/--no-nodes", default=True, show_default=True, help="Also the nodes themselves.")
@click.option("--ipv6", is_flag=True, help="By IPv6 addresses (default: IPv4).")
@evidence_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the output.")
@output_option
@lang_option
def matrix(**values: Any) -> int:
    """Walk and print."""
    from engine import pipeline
    from engine.matrix import ByObjects, Options

    protocol = values["protocol"] or ("tcp" if values["port"] else "icmp")
    if (protocol == "icmp") == bool(values["port"]):
        message = "icmp has no port" if values["port"] else f"--protocol {protocol} needs --port"
        raise click.UsageError(message)
    request = request_of({**values, "from_": None, "to": None, "node": None})
    options = Options(
        values["port"] or 0, protocol, names(values["from_"]), names(values["to"]), values["services"], values["nodes"], values["node_ports"],
        6 if values["ipv6"] else 4,
    )
    found = pipeline.matrix(request, options)
    if isinstance(found, ByObjects):
        return _by_objects(found, values)
    if not found.cells and (options.sources or options.targets):
        raise QuestionError(NO_PAIR, NAMES)
    if values["form"] == "json":
        from engine.report.matrix import render_matrix_json

        emit(render_matrix_json(found, values["lang"]), values["output"])
    else:
        from engine.report.matrix import render_matrix

        emit(render_matrix(found, values["lang"], columns=columns(values["output"])), values["output"])
    return _status(found)


def _by_objects(found: ByObjects, values: dict[str, Any]) -> int:
    """What the API's objects say, where no node's state was given: whom they turn away; nothing of it says that something connects."""
    from engine.report.objects import render_objects, render_objects_json

    if not found.pairs and not found.lacking:
        raise QuestionError(NO_PAIR, NAMES)
    if values["form"] == "json":
        emit(render_objects_json(found, values["lang"]), values["output"])
    else:
        emit(render_objects(found, values["lang"], columns=columns(values["output"])), values["output"])
    return ExitStatus.CAUSE_FOUND if found.barred or found.lacking else ExitStatus.UNDECIDED


def _status(found: Matrix) -> int:
    seen = {cell.answer.outcome for cell in found.cells}
    if seen - {"connected", "depends"}:
        return ExitStatus.CAUSE_FOUND
    return ExitStatus.UNDECIDED if "depends" in seen or not seen else ExitStatus.NO_FAULT
