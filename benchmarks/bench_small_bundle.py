"""A small bundle from start to report, against its floor: importing click, PyYAML and Jinja2, which the program is built on.

Processor time of whole processes, best of several, interleaved: other work on the machine then hardly shows.  The last case is what 120 more rules
add that match nothing in the end; the folder that they lie in is a copy of the checkout with the byte code elsewhere.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 15
LIMIT = 2.6
"""Times the floor; the promise to users is 3."""
GROWTH = 0.04
"""Seconds that 120 rules may add."""
RULES = 120
FLOOR = "import click, yaml, jinja2"
PROGRAM = "import sys; from engine.cli import main; sys.exit(main())"
SYMPTOM = ("--symptom", "pod cannot reach db")
LOOSE = ROOT / "examples" / "pod-cannot-reach-db"
TWO_NODES = ROOT / "tests" / "recordings" / "labs" / "no-return-route" / "broken"
QUIET = "  - {fact: link, as: quiet, where: {name: no-such-device}, join: {node: drop.node}}\n"
"""Pattern that keeps a rule from firing after all its others were joined."""


def seconds(code: str, *arguments: str | Path, home: Path = ROOT, **environment: str) -> float:
    """Processor time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, cwd=home, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # 1: a cause was found
        sys.exit(f"exit status {done.returncode} of {arguments}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def archive(loose: Path, target: Path) -> Path:
    """The files of loose folders as a bundle of ``diagnose collect``."""
    items = []
    with tarfile.open(target, "w:gz") as tar:
        for file in sorted(path for path in loose.rglob("*") if path.is_file()):
            inside = f"nodes/{file.relative_to(loose)}"
            parts = inside.split("/")
            stack = parts[3] if parts[2] == "netns" else "host"
            items.append({"file": inside, "node": parts[1], "stack": stack, "command": file.name.replace("_", " ")})
            tar.add(file, f"bundle/{inside}")
        manifest = json.dumps({"schema_version": 1, "tool": "noroute", "items": items}).encode()
        member = tarfile.TarInfo("bundle/manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    return target


def checkout(folder: Path, more: int) -> Path:
    """A checkout with more rules."""
    import shutil

    for name in ("engine", "collectors", "playbooks"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "rules", folder / "rules")
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("rules/*/*.yaml"))}
    sources = [path for path, text in texts.items() if "\nwhen:\n  - fact: drop\n    as: drop\n" in text]
    for number in range(more):
        source = sources[number % len(sources)]
        text = source.read_text(encoding="utf-8").replace("id: ", f"id: copy{number}-", 1)
        head, when, rest = text.partition("\nwhen:\n")
        body = rest.split("\n")
        end = next(index for index, line in enumerate(body) if line and not line.startswith((" ", "#")))
        text = head + when + "\n".join(body[:end]) + "\n" + QUIET + "\n".join(body[end:])
        source.with_name(f"copy{number}-{source.name}").write_text(text.partition("\ntests:")[0] + "\n", encoding="utf-8")
    return folder


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        cases = {
            "text": (*SYMPTOM, "-b", LOOSE),
            "json": (*SYMPTOM, "-b", LOOSE, "--format", "json"),
            "two nodes": (*SYMPTOM, "-b", TWO_NODES),
            "bundle.tar.gz": (*SYMPTOM, "-b", archive(LOOSE, work / "bundle.tar.gz")),
        }
        best = dict.fromkeys([*cases, ""], float("inf"))
        homes = {}
        for more in (0, RULES):
            (work / str(more)).mkdir()
            homes[more] = checkout(work / str(more), more)
        grown = dict.fromkeys(homes, float("inf"))
        for _ in range(RUNS):
            best[""] = min(best[""], seconds(FLOOR))
            for case, arguments in cases.items():
                best[case] = min(best[case], seconds(PROGRAM, *arguments))
            for more, home in homes.items():
                grown[more] = min(grown[more], seconds(PROGRAM, *cases["text"], home=home, PYTHONPYCACHEPREFIX=str(work / "code" / str(more))))
    for case in cases:
        print(json.dumps({"case": f"{case} over {FLOOR}", "value": best[case] / best[""], "unit": "x", "limit": LIMIT}))
    print(json.dumps({"case": f"{RULES} more rules", "value": grown[RULES] - grown[0], "limit": GROWTH}))


if __name__ == "__main__":
    main()
