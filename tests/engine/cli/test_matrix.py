"""``diagnose matrix``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from engine.matrix import ByObjects, Matrix, Options
from engine.matrix.answers import Answer, Block, Cell
from engine.matrix.classes import Group, Member
from engine.matrix.objects import Barred
from engine.walk.trace import Disposition, Flow, Trace, Unknown, Walked

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Run = Callable[..., Result]

ONE = Member("pod/shop/web", "pod", "n1", ("n1", "web"), 1, "10.0.0.1")
OTHER = Member("pod/shop/db", "pod", "n2", ("n2", "db"), 2, "10.0.0.2")
ASKED = Unknown("n2", "db", "sockets", "ss -lntp", "who listens was not collected")


def _matrix(*seen: str) -> Matrix:
    cells, blocks = [], []
    for number, sees in enumerate(seen):
        flow = Flow("n1", "web", "", OTHER.address, 80, "tcp", ONE.name, OTHER.name)
        trace = Trace(flow, sees, Walked(Disposition.DELIVERED, ()), None, (ASKED,) if sees == "depends" else ())
        answer = Answer(number, sees, trace)
        cells.append(Cell(Group(1, (ONE,)), Group(2, (OTHER,)), answer, 1))
        if sees != "connected":
            blocks.append(Block(answer.outcome, (ONE,), (OTHER,), 1, trace))
    return Matrix(Options(80, "tcp"), tuple(cells), tuple(blocks), (ONE, OTHER), (), len(cells))


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch, pipeline: Any) -> list[Any]:
    """Sets what the pipeline answers (the first entry), and keeps what it was asked."""
    asked: list[Any] = [_matrix("connected")]

    def matrix(request: Any, options: Options) -> Matrix | ByObjects:
        asked.append((request, options))
        found = asked[0]
        assert isinstance(found, (Matrix, ByObjects))
        return found

    monkeypatch.setattr(pipeline, "matrix", matrix, raising=False)
    return asked


@pytest.mark.parametrize(
    ("seen", "status"), [(("connected",), 0), (("connected", "timeout"), 1), (("timeout", "depends"), 1), (("connected", "depends"), 3), ((), 3)]
)
def test_status_tells_the_outcome(run: Run, answered: list[Any], seen: tuple[str, ...], status: int) -> None:
    """0 if everything connects, 1 if something does not, 3 if something is open and nothing fails for certain."""
    answered[0] = _matrix(*seen)
    assert run("matrix").exit_code == status


def test_objects_alone(run: Run, answered: list[Any]) -> None:
    """Of the API's objects alone nothing is known to connect: 3 if they turn nobody away, 1 if they do; JSON says that only they were seen."""
    nobody = ByObjects(Options(), 2, 1, 1, 4, (), (), (), (), (), "", ())
    answered[0] = nobody
    assert run("matrix").exit_code == 3
    answered[0] = nobody._replace(barred=(Barred((ONE,), (OTHER,), 1, "ingress", ("shop/closed",), "all", None),))
    assert run("matrix").exit_code == 1
    assert json.loads(run("matrix", "--format", "json").stdout)["seen"] == "objects"
    answered[0] = nobody._replace(pairs=0)
    assert run("matrix").exit_code == 2


def test_options_reach_the_matrix(run: Run, answered: list[Any]) -> None:
    """A port alone means tcp; names may be joined by commas."""
    run("matrix", "--port", "5432", "--to", "ns/shop,node/n1", "--no-services", "--no-nodes", "--no-node-ports")
    assert answered[1][1] == Options(5432, "tcp", (), ("ns/shop", "node/n1"), services=False, nodes=False, doors=False, family=4)


@pytest.mark.parametrize("arguments", [("--protocol", "udp"), ("--protocol", "icmp", "--port", "7")])
def test_port_and_protocol_must_fit(run: Run, answered: list[Any], arguments: tuple[str, ...]) -> None:
    """A protocol with ports needs one, icmp has none: status 2, and nothing is read."""
    assert run("matrix", *arguments).exit_code == 2
    assert len(answered) == 1


def test_names_that_fit_nothing(run: Run, answered: list[Any]) -> None:
    """A restriction that leaves no pair is a mistake, not an answer: status 2."""
    answered[0] = _matrix()
    result = run("matrix", "--from", "pod/shop/wob")
    assert result.exit_code == 2
    assert "name no pair" in result.stderr


def test_text_says_what_fails_first(run: Run, answered: list[Any]) -> None:
    """Failures, then what is open with the command that settles it, then a number for the rest."""
    answered[0] = _matrix("connected", "timeout", "depends")
    shown = run("matrix", "--lang", "en").stdout
    places = [shown.index(text) for text in ("Cannot connect: 1 pairs", "Undecided: 1 pairs", "run there: ss -lntp", "All else connects: 1 pairs.")]
    assert places == sorted(places)
    assert "无法连接：1 对" in run("matrix", "--lang", "zh").stdout


def test_json_holds_what_does_not_connect(run: Run, answered: list[Any]) -> None:
    """Blocks and cells of what fails or is open, with the members of their classes; what connects is counted."""
    answered[0] = _matrix("connected", "timeout", "depends")
    document = json.loads(run("matrix", "--format", "json").stdout)
    assert document["summary"] == {"pairs": 3, "connected": 1, "undecided": 1, "classes": 2, "walks": 3}
    assert [(b["client_sees"], b["from"], b["to"]) for b in document["blocks"]] == [(s, [ONE.name], [OTHER.name]) for s in ("timeout", "depends")]
    assert document["blocks"][1]["depends"][0]["command"] == "ss -lntp"
    assert {c["class"]: c["members"] for c in document["classes"]} == {1: [ONE.name], 2: [OTHER.name]}
