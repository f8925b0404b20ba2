"""``diagnose rules``: the rulebase at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.options import lang_option
from engine.cli.output import emit

if TYPE_CHECKING:
    from engine.errors import ExitStatus

own_rules = click.option("--rules", "folders", multiple=True, metavar="DIR", help="Folder of your own rules, besides the built-in ones. Repeatable.")
paths = click.argument("paths", nargs=-1, metavar="[PATH]...")


@click.group()
def rules() -> None:
    """List, show, check, test and start rules."""


@rules.command("list")
@own_rules
@lang_option
def list_(folders: tuple[str, ...], lang: str) -> int:
    """List the rules in force: id, layer, severity, title."""
    from engine.rulebase import commands

    return _print(commands.list_rules(folders, lang))


@rules.command()
@click.argument("rule_id", metavar="ID")
@own_rules
@lang_option
def show(rule_id: str, folders: tuple[str, ...], lang: str) -> int:
    """Show one rule: its document, where it stands, and its playbook."""
    from engine.rulebase import commands

    return _print(commands.show_rule(rule_id, folders, lang))


@rules.command()
@paths
@own_rules
def lint(paths: tuple[str, ...], folders: tuple[str, ...]) -> int:
    """Check rules (default: all of them) and show every issue with its line."""
    from engine.rulebase import commands

    return _print(commands.lint_paths(paths, folders))


@rules.command()
@paths
@own_rules
def test(paths: tuple[str, ...], folders: tuple[str, ...]) -> int:
    """Run the tests that rules carry (default: those of all rules)."""
    from engine.rulebase import commands

    return _print(commands.test_paths(paths, folders))


@rules.command()
@click.argument("rule_id", metavar="ID")
@click.option("--dir", "folder", default=".", show_default=True, metavar="DIR", help="Folder to write to.")
def new(rule_id: str, folder: str) -> int:
    """Write a rule and its playbook as a start; nothing is overwritten."""
    from engine.rulebase import commands

    return _print(commands.new_rule(rule_id, folder))


@rules.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
def facts(kinds: tuple[str, ...]) -> int:
    """List the kinds of facts that rules may match with their fields; of a KIND, what its fields mean."""
    from engine.catalogue.reference import describe_facts

    return _print(describe_facts(kinds))


@rules.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def operations(names: tuple[str, ...]) -> int:
    """List the operations that remedies may use with their parameters; of a NAME, what they mean."""
    from engine.catalogue.reference import describe_operations

    return _print(describe_operations(names))


@rules.command()
@click.option("-o", "--output", required=True, metavar="DIR", help="Folder to write to; pages of rules that are gone are removed.")
@click.option("--proofs", metavar="DIR", help="Checkout whose tests/lab and docs/proofs.md prove the rules.")
@own_rules
def docs(output: str, proofs: str | None, folders: tuple[str, ...]) -> int:
    """Write the catalogue of failure modes: one page a rule, in English and Chinese."""
    from engine.catalogue.writing import write_catalogue

    return _print(write_catalogue(output, folders, proofs))


def _print(answer: tuple[str, ExitStatus]) -> int:
    from engine.report.clean import block

    text, status = answer
    emit(block(text).rstrip("\n") + "\n", None)
    return status
