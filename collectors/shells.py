"""Shells inside containers and namespaces that a pasted terminal shows: by the form of a prompt, and by the command that opened the shell."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from collectors.prompts import host_of

NEW_CONTAINER: Final = "container"
"""Name of a container of which a terminal shows no name."""
SHELL_PROMPT: Final = re.compile(r"[ \t]*(?:/[\w./-]{0,40} [#$]|(?:ba)?sh-\d\.\d{1,2}[#$])(?: |$)", re.MULTILINE)
"""Prompts of the shells in small images, which name no host: ``/ #``, ``sh-4.4#``."""
AT_PROMPT: Final = re.compile(r"[^\n]{0,120}?[#$>](?: |$)", re.MULTILINE)
"""A line that something was typed on at a prompt."""
WITHIN: Final = 20_000
"""Characters before a prompt in which the command is looked for that opened the shell."""

_SHELL: Final = r"(?:/\S{0,40}/)?(?:ba|a|da|z|k)?sh(?:[ \t]+(?:-l|-i|--login|-il|-li))?"
_OPTION: Final = r"(?:(?:-[uwecn]|--(?:user|workdir|env|container|namespace|context|index))[ =]\S+|--?[\w-]+(?:=\S+)?)[ \t]+"
_OPTIONS: Final = rf"(?:{_OPTION}){{0,9}}"
_TYPED: Final = r"(?=[^\n]{0,200}?[ \t](?:-it|-ti|-i|--interactive|--stdin)\b)"
_TARGET: Final = r"(?:-t|--target)[ =]*(?:(?P<pid>\d+)|\$\([^)\n]{1,120}?(?P<asked>[\w.-]+)[ \t]*\))|--net=\S{0,80}/(?P<handle>[\w.@-]+)"
_NSENTER: Final = rf"(?P<entered>nsenter)(?=[^\n]{{0,200}}?[ \t](?:{_TARGET}))(?:[ \t]+(?:-\S+|\d+|\$\([^)\n]{{1,160}}\))){{1,10}}(?:[ \t]+{_SHELL})?"
_OPENINGS: Final = (
    rf"(?:docker|podman|nerdctl|crictl)[ \t]+(?:container[ \t]+|compose[ \t]+)?exec[ \t]+{_OPTIONS}(?P<container>[\w.-]+)[ \t]+{_SHELL}",
    rf"docker-compose[ \t]+exec[ \t]+{_OPTIONS}(?P<service>[\w.-]+)[ \t]+{_SHELL}",
    rf"(?:docker|podman|nerdctl)[ \t]+(?:container[ \t]+)?run{_TYPED}[ \t](?P<run>[^\n]{{1,400}})",
    rf"(?:kubectl|oc)[ \t]+{_OPTIONS}run[ \t]+{_OPTIONS}(?P<temporary>[a-z0-9][\w.-]*){_TYPED}[^\n]{{1,300}}",
    rf"(?:kubectl|oc)[ \t]+{_OPTIONS}exec[ \t]+{_OPTIONS}(?:pods?/)?(?P<pod>[a-z0-9][\w.-]*)[ \t]+{_OPTIONS}(?:--[ \t]+)?{_SHELL}",
    rf"(?:kubectl|oc)[ \t]+{_OPTIONS}(?:debug|rsh)[ \t]+{_OPTIONS}(?:pods?/)?(?P<joined>(?!nodes?/)[a-z0-9][\w.-]*)(?:[ \t][^\n]{{0,300}})?",
    _NSENTER,
    rf"(?P<netns>ip[ \t]+netns[ \t]+exec[ \t]+(?P<name>[\w.@-]+)[ \t]+){_SHELL}",
)
_EVENTS: Final = (
    rf"^[^\n]{{0,160}}?(?<![\w./-])(?:{'|'.join(_OPENINGS)})[ \t\r]*$|^(?:[^\n]{{0,120}}?[#$>][ \t]+)?(?P<left>exit|logout)[ \t\r]*$"
)
"""Command lines that open a shell inside something, and those that leave one."""


class Shell(NamedTuple):
    """Where the person at a prompt is."""

    name: str
    """Container, pod or namespace; "" = not inside of one."""
    host: str
    """Host that the shell was opened on; "" = not known."""


OUTSIDE: Final = Shell("", "")


def shell_at(text: str, at: int) -> Shell:
    """The shell whose prompt stands at ``at``."""
    line = text[at : text.find("\n", at) if "\n" in text[at : at + 400] else at + 400]
    small = SHELL_PROMPT.match(line) is not None
    if not small and AT_PROMPT.match(line) is None:
        return OUTSIDE
    opened = _open(text[max(0, at - WITHIN) : at])
    if opened is None:
        return Shell(NEW_CONTAINER, "") if small else OUTSIDE
    outer = host_of(opened[0].lstrip("\n"))
    # A namespace keeps the machine's name at its prompts; a container has its own, so that the machine's means that its shell was left.
    if opened["entered"] or opened["netns"] or not outer or host_of(line) != outer:
        return Shell(_name(opened), outer)
    return OUTSIDE


def _open(before: str) -> re.Match[str] | None:
    """The last command that opened a shell which was not left since.

    Who enters a container with the runtime's own client does so on the host: shells that were opened in containers before are no matter then.
    """
    left = 0
    outside = False
    for event in reversed(list(re.finditer(_EVENTS, before, re.MULTILINE))):
        if event["left"]:
            # bash prints the word itself when it ends, after the person typed it: that is one shell.
            left += not _echo(before, event)
        elif left:
            left -= 1
            outside = outside or _by_client(event)
        elif not (outside and _by_client(event)):
            return event
    return None


def _by_client(opened: re.Match[str]) -> bool:
    """Whether docker or podman opened a shell."""
    return bool(opened["container"] or opened["service"] or opened["run"])


def _echo(before: str, event: re.Match[str]) -> bool:
    """Whether a bare ``exit`` repeats the one that was typed on the line above."""
    above = before[: event.start()].rstrip("\n").rpartition("\n")[2]
    return event[0].strip() == event["left"] and re.search(r"[#$>][ \t]+(?:exit|logout)[ \t\r]*$", above) is not None


def _name(opened: re.Match[str]) -> str:
    if opened["run"]:
        named = re.search(r"--name[ =]([\w.-]+)", opened["run"])
        return named[1] if named else NEW_CONTAINER
    if opened["pid"]:
        return f"pid-{opened['pid']}"
    groups = ("container", "service", "temporary", "pod", "joined", "asked", "handle", "name")
    return next((opened[group] for group in groups if opened[group]), NEW_CONTAINER)
