"""File names of command outputs inside a bundle, and the ways back from what people call their files."""

from __future__ import annotations


def command_file(command: str) -> str:
    """The bundle's file name of a command line: runs of characters outside ``[A-Za-z0-9._-]`` become one ``_``.

    >>> command_file("ip -d -j link")
    'ip_-d_-j_link'
    """
    made: list[str] = []
    for character in command:
        if character.isascii() and (character.isalnum() or character in "._-"):
            made.append(character)
        elif made[-1:] != ["_"]:
            made.append("_")
    return "".join(made).strip("_") or "_"
