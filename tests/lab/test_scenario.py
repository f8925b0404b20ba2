"""Lab files are read strictly: a slip is an error, never a phase that silently tests less."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.scenario import ScenarioError, load, merged


def test_unknown_key_is_named(tmp_path: Path) -> None:
    """A misspelt key is an error that names the file, the place and the key."""
    file = tmp_path / "x.yaml"
    file.write_text("{id: x, about: y, symptom: z, traffic: {from: a, to: b, prot: 1}, break: {}, nodes: {}}")
    with pytest.raises(ScenarioError, match=r"x\.yaml: traffic: unknown key 'prot'"):
        load(file)


def test_missing_key_is_named(tmp_path: Path) -> None:
    """A key that must be there and is not is an error that names it."""
    file = tmp_path / "x.yaml"
    file.write_text("{id: x, about: y, traffic: {from: a, to: b}, break: {}, nodes: {}, finding_node: n, symptom: z}")
    with pytest.raises(ScenarioError, match=r"x\.yaml: .*mend_by_hand"):
        load(file)


def test_first_namespace_needs_another_kernel(tmp_path: Path) -> None:
    """A machine in the first network namespace is an error where that namespace is the system's own."""
    file = tmp_path / "x.yaml"
    text = "{id: x, about: y, symptom: z, traffic: {from: n, to: b}, break: {}, mend_by_hand: {}, undo_by_hand: {}, nodes: {n: {first: true}}%s}"
    file.write_text(text % "")
    with pytest.raises(ScenarioError, match=r"x\.yaml: first: only kernel: debian"):
        load(file)
    file.write_text(text % ", kernel: debian")
    assert load(file).nodes["n"].first


def test_like_lays_a_file_over_another() -> None:
    """``like`` takes the other file's keys: mappings are merged, the rest is replaced, null removes."""
    base = {"a": {"x": 1, "y": 2}, "b": [1, 2], "c": 3}
    assert merged(base, {"a": {"y": 5}, "b": [9], "c": None}) == {"a": {"x": 1, "y": 5}, "b": [9]}


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_lab_files_are_whole(path: Path) -> None:
    """Every place that a lab file speaks of is one of its machines or pods, and its commands are not empty."""
    scenario = load(path)
    places = {f"{name}/{pod}" if pod else name for name, node in scenario.nodes.items() for pod in ("", *node.pods)}
    spoken = {*([scenario.finding_node] if scenario.id else []), *scenario.breaks, *scenario.mend_by_hand, *scenario.undo_by_hand, *scenario.record}
    spoken |= {place for each in scenario.look_alikes for place in (*each.change, each.traffic.start)} | {scenario.traffic.start}
    assert spoken <= places
    assert all(all(lines) and lines for part in (scenario.breaks, scenario.mend_by_hand, scenario.undo_by_hand) for lines in part.values())
