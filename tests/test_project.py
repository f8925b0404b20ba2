"""The laws of the house: what a reviewer would otherwise have to check by hand in each change."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

CODE = sorted(path for top in ("engine", "collectors", "benchmarks", "tools") for path in (ROOT / top).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
RULES = sorted((ROOT / "rules").glob("*/*.yaml"))
PLAYBOOKS = sorted((ROOT / "playbooks").rglob("*.j2"))

LONGEST_FUNCTION = 60
"""Lines, signature and docstring included; the aim is 40."""

TEXT = {".cfg", ".j2", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
"""Suffixes of files that people write; recordings are what programs printed and are not judged."""

MACHINE_PATHS = re.compile(r"/home/[a-z]|/Users/|/tmp/[a-z]+/bin/|/root/\.(pyenv|cache)")
"""Paths that exist on one machine only."""


def name(path: Path) -> str:
    """A file's path in the checkout, as test id and in messages."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def rule(path: Path) -> dict[str, object]:
    """A rule document."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public functions and classes of a module or class, and those of its public classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


COLLECTORS = [path for path in CODE if "collectors" in path.parts and path.name != "__init__.py" and functions(path)]
"""Modules that do something; a bare dataclass has nothing to test."""

MIRRORED = [path for top in ("engine", "collectors") for path in TESTS if path.stem.startswith("test_") and ROOT / "tests" / top in path.parents]


def test_there_is_something_to_check() -> None:
    """The lists that the laws below go through are not empty: a wrong path must not pass for obedience."""
    assert min(map(len, (CODE, TESTS, RULES, PLAYBOOKS))) > 5


@pytest.mark.parametrize("path", COLLECTORS, ids=name)
def test_collectors_have_tests(path: Path) -> None:
    """collectors/x.py is tested by tests/collectors/test_x.py; x_part.py may be tested with its x.py."""
    folder = (ROOT / "tests" / path.relative_to(ROOT)).parent
    mirrored = folder / f"test_{path.stem}.py"
    family = [sibling.stem for sibling in path.parent.glob("*.py") if path.stem.startswith(f"{sibling.stem}_")]
    assert mirrored.exists() or any((folder / f"test_{stem}.py").exists() for stem in family), f"{name(mirrored)} is missing"


@pytest.mark.parametrize("path", MIRRORED, ids=name)
def test_tests_mirror_the_tree(path: Path) -> None:
    """tests/engine/a/test_x.py tests engine/a/x.py, the package engine/a/x, or x of engine/a itself: tests are found without searching."""
    folder = ROOT / path.relative_to(ROOT / "tests").parent
    assert folder.is_dir(), f"there is no {name(folder)}"
    stem = path.stem.removeprefix("test_")
    # A module's tests may be spread over files that begin with its name: test_trace_dnat.py for trace.py.
    heads = {stem.rsplit("_", n)[0] for n in range(stem.count("_") + 1)}
    modules = {found.stem.lstrip("_") for found in folder.glob("*.py")} | {found.parent.name for found in folder.glob("*/__init__.py")}
    offered = {function.name for function in functions(folder / "__init__.py")}
    # test_any_….py holds a law for all modules of the folder.
    assert heads & (modules | offered) or stem.startswith("any_")


@pytest.mark.parametrize("path", CODE + TESTS, ids=name)
def test_functions_are_short(path: Path) -> None:
    """No function is longer than one can read at once."""
    long = [f"{f.name}: {f.end_lineno - f.lineno + 1}" for f in functions(path) if f.end_lineno and f.end_lineno - f.lineno >= LONGEST_FUNCTION]
    assert not long


@pytest.mark.parametrize("path", CODE, ids=name)
def test_public_names_are_described(path: Path) -> None:
    """Modules, public classes and public functions have docstrings."""
    bare = [node.name for node in public(tree(path).body) if not ast.get_docstring(node)]
    if not ast.get_docstring(tree(path)):
        bare.append("the module")
    assert not bare


@pytest.mark.parametrize("path", [path for path in TESTS if path.stem.startswith("test_")], ids=name)
def test_tests_state_their_law(path: Path) -> None:
    """The docstring of each test says what must hold, so that a failure says what is broken."""
    assert not [f.name for f in functions(path) if f.name.startswith("test_") and not ast.get_docstring(f)]


def written_by_hand() -> list[Path]:
    """Text files of the project that people write, without what tools left in the folder."""
    tops = ("engine", "collectors", "rules", "playbooks", "tests", "docs", "benchmarks", "examples", "tools", ".ci")
    inside = [path for top in tops for path in (ROOT / top).rglob("*") if path.is_file() and path.suffix in TEXT]
    beside = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in {"", *TEXT} and path.name not in {".git", ".coverage"}]
    ours = [path for path in inside + beside if not {"__pycache__", "recordings"} & set(path.parts)]
    return [*ours, ROOT / ".ci" / "run"]


def test_no_machine_paths() -> None:
    """No file names a path of the machine that it was written on."""
    here = re.compile(rf"(?<![\w.-]){re.escape(str(ROOT))}\b") if len(ROOT.parts) > 2 else MACHINE_PATHS
    bad = []
    for path in written_by_hand():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if path != Path(__file__) and (here.search(line) or MACHINE_PATHS.search(line)):
                bad.append(f"{name(path)}:{number}: {line.strip()[:120]}")
    assert not bad


def test_files_end_well() -> None:
    """Text files are UTF-8, end with one line feed, and have no blanks at line ends."""
    bad = []
    for path in written_by_hand():
        text = path.read_text(encoding="utf-8")
        if text and path.suffix != ".txt" and (not text.endswith("\n") or text.endswith("\n\n") or re.search(r"[ \t]+$", text, re.MULTILINE)):
            bad.append(name(path))
    assert not bad


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
class TestRules:
    """Every rule is complete."""

    def test_name(self, path: Path) -> None:
        """A rule lies where its id and layer say."""
        assert (rule(path)["layer"], rule(path)["id"]) == (path.parent.name, path.stem)

    def test_playbook(self, path: Path) -> None:
        """A rule that makes a finding has a playbook in both languages."""
        if rule(path).get("finding", True):
            text = (ROOT / "playbooks" / f"{rule(path).get('playbook', path.stem)}.j2").read_text(encoding="utf-8")
            assert re.search(r"[a-z]{4}", text)
            assert re.search(r"[\u4e00-\u9fff]{4}", text)

    def test_titles(self, path: Path) -> None:
        """A rule's title is in both languages, and the Chinese one is Chinese."""
        title = rule(path)["title"]
        assert isinstance(title, dict)
        assert set(title) == {"en", "zh"}
        assert re.search(r"[\u4e00-\u9fff]", title["zh"])

    def test_cases(self, path: Path) -> None:
        """A rule has an inline test in which it fires and one in which it is silent."""
        cases = rule(path)["tests"]
        assert isinstance(cases, list)
        expected = [[item["id"] if isinstance(item, dict) else item for item in case["expect"]] for case in cases]
        fired = [path.stem in ids for ids in expected]
        assert set(fired) == {True, False}


    def test_proof(self, path: Path) -> None:
        """A rule is proven by a scenario of the lab, or docs/proofs.md says why it cannot be."""
        scenarios = {found.stem for found in (ROOT / "tests" / "lab").glob("*.yaml")}
        in_lab = any(stem == path.stem or stem.startswith(f"{path.stem}-") for stem in scenarios)
        assert in_lab or f"\n| {path.stem} |" in (ROOT / "docs" / "proofs.md").read_text(encoding="utf-8")


def test_playbooks_belong_to_rules() -> None:
    """Each playbook is used by a rule; names that begin with an underscore are parts of others."""
    used = {str(rule(path).get("playbook", path.stem)) for path in RULES}
    assert {path.stem for path in PLAYBOOKS if not path.stem.startswith("_")} <= used


def test_rule_ids_are_unique() -> None:
    """An id names one rule, whatever folder it lies in."""
    assert len({path.stem for path in RULES}) == len(RULES)


def test_changelog_grammar() -> None:
    """The changelog has the form that CONTRIBUTING.md gives: versions with dates, four groups in order, one sentence a line."""
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert all(re.fullmatch(r"## (Unreleased|\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\))", line) for line in versions)
    order = ["### Added", "### Changed", "### Fixed", "### Removed"]
    for block in "\n".join(lines).split("\n## ")[1:]:
        groups = [line for line in block.splitlines() if line.startswith("###")]
        assert groups == [group for group in order if group in groups]
        entries = [line for line in block.splitlines()[1:] if line and not line.startswith("###")]
        assert all(re.fullmatch(r"- .*\.", entry) for entry in entries)


def test_links_lead_somewhere() -> None:
    """Each relative link between the documents leads to a file, and its anchor to a heading there; code holds no links."""
    bad = []
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", path.read_text(encoding="utf-8"))):
            file, _, anchor = target.partition("#")
            there = (path.parent / file).resolve() if file else path
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE) if there.is_file() else []
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            if not there.exists() or (anchor and anchor not in anchors):
                bad.append(f"{name(path)}: {target}")
    assert not bad
