"""Shrinks a disagreement to the smallest scenario that still shows it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tests.fuzz.compare import run
from tests.fuzz.kernel import KernelError
from tests.fuzz.scenario import Scenario, from_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fuzz.compare import Result
    from tests.fuzz.kernel import Target


def reduce(kernel: Target, scenario: Scenario, result: Result) -> Scenario:
    """The same disagreement with as little as possible around it."""
    small = from_plain(scenario.plain())
    small.probes = [result.probe]
    if not _shows(kernel, small, result.kind):
        small.probes = scenario.probes[: scenario.probes.index(result.probe) + 1]
    while True:
        before = small.digest()
        for change in _changes(small):
            tried = copy.deepcopy(small)
            change(tried)
            if tried.digest() != small.digest() and _shows(kernel, tried, result.kind):
                small = tried
                break
        if small.digest() == before:
            return small


def _shows(kernel: Target, scenario: Scenario, kind: str) -> bool:
    try:
        return any(found.kind == kind for found in run(kernel, scenario))
    except KernelError:
        return False


def _changes(scenario: Scenario) -> Iterator[Callable[[Scenario], None]]:
    """Ways to take something away, the largest first."""
    yield from (_without_stack(name) for name in scenario.stacks if name != scenario.probes[-1].stack)
    for name, stack in scenario.stacks.items():
        for part in ("legacy", "nft", "legacy6", "nft6", "native", "ipset", "ipvs", "wireguard", "listen", "sysctls", "ip"):
            value = getattr(stack, part)
            if value:
                yield _without(name, part, 0, len(value))
        for part in ("legacy", "nft", "legacy6", "nft6", "ip", "ipset", "ipvs", "wireguard", "sysctls", "listen"):
            yield from (_without(name, part, at, at + width) for width in (8, 4, 2, 1) for at in range(0, len(getattr(stack, part)), width))
        yield from (_without_line(name, at) for at, line in enumerate(stack.native) if not line.endswith(("{", "}", ";")))
        yield from (
            _without_word(name, part, at, word)
            for part in ("legacy", "nft", "legacy6", "nft6")
            for at, line in enumerate(getattr(stack, part))
            for word in range(2, _words(line))
        )


def _words(line: str) -> int:
    return len(line.split(" -")) if line.startswith("-A") else 0


def _without_stack(name: str) -> Callable[[Scenario], None]:
    def change(scenario: Scenario) -> None:
        del scenario.stacks[name]
        scenario.links = [link for link in scenario.links if name not in {link[0], link[2]}]

    return change


def _without(name: str, part: str, low: int, high: int) -> Callable[[Scenario], None]:
    def change(scenario: Scenario) -> None:
        value = getattr(scenario.stacks[name], part)
        if isinstance(value, dict):
            for key in list(value)[low:high]:
                del value[key]
        else:
            kept = [
                line
                for line in value[low:high]
                if isinstance(line, str) and (line.startswith("*") or line == "COMMIT") and (low, high) != (0, len(value))
            ]
            value[low:high] = kept
            _drop_empty_tables(value)

    return change


def _without_line(name: str, at: int) -> Callable[[Scenario], None]:
    """Without one rule of nftables."""

    def change(scenario: Scenario) -> None:
        del scenario.stacks[name].native[at]

    return change


def _drop_empty_tables(lines: list[str]) -> None:
    for at in range(len(lines) - 2, -1, -1):
        if isinstance(lines[at], str) and lines[at].startswith("*") and lines[at + 1] == "COMMIT":
            del lines[at : at + 2]


def _without_word(name: str, part: str, at: int, word: int) -> Callable[[Scenario], None]:
    """Without one option of a rule."""

    def change(scenario: Scenario) -> None:
        lines = getattr(scenario.stacks[name], part)
        words = lines[at].split(" -")
        del words[word]
        lines[at] = " -".join(words)

    return change


def save(scenario: Scenario, folder: Path) -> Path:
    """Write a case, named by its content."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{scenario.digest()}.yaml"
    path.write_text(yaml.safe_dump(scenario.plain(), sort_keys=False, width=150), encoding="utf-8")
    return path


def load(path: Path) -> Scenario:
    """Read a case."""
    import yaml

    return from_plain(yaml.safe_load(path.read_text(encoding="utf-8")))
