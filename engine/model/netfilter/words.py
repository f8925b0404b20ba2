"""Splitting the words of a rule as ``iptables-save`` prints them."""

from __future__ import annotations


def split(spec: str) -> list[str]:
    r"""Words of a rule; double quotes group, ``\"`` and ``\\`` escape inside them (as iptables-save prints comments)."""
    if '"' not in spec:
        return spec.split()
    words: list[str] = []
    word: list[str] = []
    quoted = started = False
    characters = iter(spec)
    for character in characters:
        if character == "\\" and quoted:
            word.append(next(characters, ""))
        elif character == '"':
            quoted = not quoted
            started = True
        elif character.isspace() and not quoted:
            if word or started:
                words.append("".join(word))
            word, started = [], False
        else:
            word.append(character)
    if word or started:
        words.append("".join(word))
    return words
