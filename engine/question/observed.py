"""What client programs in the evidence saw, where the symptom does not say it: who asked whom, for which port, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.facts import HOST
from engine.inet import is_address
from engine.question.grammar import OUTER, Mention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.facts import Fact
    from engine.question.names import Inventory
    from engine.question.notes import Notes
    from engine.question.understand import Heard, Options

ERRORS = {"unresolved": "dns", "failed": ""}
"""Outcomes that are called otherwise among error classes."""
LIVES = frozenset({"connected", "resolved"})


def completed(heard: Heard, options: Options, inventory: Inventory, notes: Notes) -> Heard:
    """The symptom with what the failed attempt that it may be about adds: nothing that the symptom or an option says is changed."""
    if heard.names:
        return heard
    heard = heard._replace(roles=heard.roles._replace(targets=tuple(_resolved(m, inventory) for m in heard.roles.targets)))
    attempt = _meant(heard, options, inventory)
    if attempt is None:
        return heard
    _say(attempt, notes)
    if not options.from_ and _at_home(attempt) and not any(m.host for m in heard.roles.senders):
        # Only a machine itself reaches its loopback: the one that the program ran on, whatever else the words speak of.
        heard = heard._replace(roles=heard.roles._replace(senders=()))
    senders = [options.from_] if options.from_ else [m.host or m.text for m in heard.roles.senders if m.known]
    if not senders or {attempt.node, attempt.stack} & set(senders):
        heard = heard._replace(error=heard.error or ERRORS.get(str(attempt.get("outcome")), str(attempt.get("outcome"))))
        heard = heard._replace(ask=heard.ask._replace(error=heard.error))
    if not senders and (attempt.node, attempt.stack) in inventory.stacks:
        heard = heard._replace(roles=heard.roles._replace(senders=(_sender(attempt),)))
    if not attempt.get("address"):
        return heard
    if not options.to and not any(_names(m, attempt) and m.address for m in heard.roles.targets):
        heard = heard._replace(roles=heard.roles._replace(targets=(_target(attempt),)))
    if options.port or heard.ask.port or heard.ask.protocol or options.protocol or any(m.port for m in heard.roles.targets):
        return heard
    return heard._replace(ask=heard.ask._replace(port=int(attempt.get("port", 0)), protocol=str(attempt.get("protocol", ""))))


def _meant(heard: Heard, options: Options, inventory: Inventory) -> Fact | None:
    """The failed attempt that the question may be about; those that name a port, and the latest, first."""
    failed = [f for f in inventory.facts.of_kind("observed") if f.get("outcome") not in LIVES]
    told = options.to or ""
    targets = [] if told else [m for m in heard.roles.targets if m.host or m.role]
    port = options.port or heard.ask.port or next((m.port for m in targets), 0)
    if told or targets:
        failed = [f for f in failed if told in _called(f) or any(_names(m, f) or _is_at(m, port, f, inventory) for m in targets)]
    ports = {port, 0}
    failed = [f for f in failed if ports == {0} or f.get("port", 0) in ports]
    return max(failed, key=lambda f: (bool(f.get("address")), bool(f.get("port"))), default=None)


def _called(fact: Fact) -> Sequence[str]:
    """Words that a person may call the target of an attempt by."""
    name, address, port = str(fact.get("name", "")), str(fact.get("address", "")), fact.get("port")
    return [word for word in (name, name.partition(".")[0], address, f"{address}:{port}", f"{name}:{port}") if word.strip(":")]


def _names(mention: Mention, fact: Fact) -> bool:
    return bool({mention.host, mention.text.lower()} & {word.lower() for word in _called(fact)}) or (mention.role == "localhost" and _at_home(fact))


def _is_at(mention: Mention, port: int, fact: Fact, inventory: Inventory) -> bool:
    """Whether "published port 8080" or "nodePort 30080" is what an attempt at a node's address asked for."""
    if mention.role not in OUTER or not port or fact.get("port") != port:
        return False
    return inventory.at_address(str(fact.get("address"))).kind == "node" if fact.get("address") else False


def _resolved(mention: Mention, inventory: Inventory) -> Mention:
    """A name that the evidence has nowhere else, with the address that a look-up found for it."""
    if mention.known or not mention.host:
        return mention
    for fact in inventory.facts.of_kind("observed"):
        found = next((a for a in fact.get("addresses", ()) if is_address(str(a))), "")
        if found and _names(mention, fact):
            return mention._replace(host=str(found), address=True, known=True)
    return mention


def _at_home(attempt: Fact) -> bool:
    """Whether an attempt asked for the loopback of the machine that it was made on."""
    return str(attempt.get("address", "")).startswith(("127.", "::1")) or str(attempt.get("name", "")) == "localhost"


def _sender(attempt: Fact) -> Mention:
    """The stack on which the program ran."""
    if attempt.stack == HOST:
        return Mention(0, 0, attempt.node, attempt.node, role="node")
    return Mention(0, 0, attempt.stack, attempt.stack, at=attempt.node)


def _target(attempt: Fact) -> Mention:
    """The address that it tried, under the name that it was given."""
    address, name = str(attempt.get("address")), str(attempt.get("name") or attempt.get("address"))
    return Mention(0, 0, name, address, address=True, port=int(attempt.get("port", 0)), protocol=str(attempt.get("protocol", "")))


def _say(attempt: Fact, notes: Notes) -> None:
    said = outcome_of(attempt)
    notes.assume(
        f"The question is taken to be about what {said}.",
        f"问题被理解为：{said}。",
    )


def outcome_of(attempt: Fact) -> str:
    """``curl saw on n1/web: 10.9.0.2:81 ECONNREFUSED (file:3)``."""
    where = attempt.node if attempt.stack == HOST else f"{attempt.node}/{attempt.stack}"
    target = str(attempt.get("address") or attempt.get("name") or "?")
    port = f" {attempt.get('protocol')}/{attempt.get('port')}" if attempt.get("port") else ""
    line = f":{attempt.line}" if attempt.line else ""
    return f"{attempt.get('program')} saw on {where}: {target}{port} {attempt.get('outcome')} ({attempt.source.name}{line})"
