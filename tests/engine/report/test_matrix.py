"""The matrix in words."""

from __future__ import annotations

import pytest

from engine.matrix import Matrix, Options
from engine.matrix.classes import Member
from engine.matrix.members import Frontend
from engine.report.matrix import describe, render_matrix


def node(name: str) -> Member:
    """A node."""
    return Member(f"node/{name}", "node", name, (name, "host"), 0, "")


def pods(name: str, count: int) -> tuple[Member, ...]:
    """Pods of a node."""
    return tuple(Member(f"pod/shop/{name}-{n}", "pod", name, (name, f"p{n}"), n, "") for n in range(count))


NODES = tuple(node(f"n{n}") for n in range(1, 7))
PODS = {n: pods(f"n{n}", 2 + n) for n in range(1, 7)}
EVERYBODY = (*NODES, *(pod for each in PODS.values() for pod in each))
FRONT = Frontend("svc/shop/db:80", 1, "10.96.0.1", 80, "tcp")


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (EVERYBODY, "everybody"),
        ((NODES[0], *PODS[1]), "n1 and its 3 pods"),
        (PODS[1], "all 3 pods of n1"),
        ((*PODS[1], *PODS[2]), "all 3 pods of n1, all 4 pods of n2"),
        ((*PODS[1], *PODS[2], *PODS[3], *PODS[4]), "all 18 pods of 4 nodes"),
        (PODS[1][:2], "pod/shop/n1-0, pod/shop/n1-1"),
        ((*PODS[2][:3], FRONT, *PODS[1]), "all 3 pods of n1, pod/shop/n2-0, pod/shop/n2-1, pod/shop/n2-2, 1 more"),
        ((*PODS[2][:3], PODS[3][0]), "3 pods of n2, 1 pods of n3"),
        (tuple(PODS[n][0] for n in PODS), "6 pods of 6 nodes"),
        (NODES[:4], "4 nodes"),
        ((*NODES[:5], *(p for n in range(1, 6) for p in PODS[n])), "5 nodes and their 25 pods"),
    ],
)
def test_ends_in_a_few_words(ends: tuple[Member | Frontend, ...], words: str) -> None:
    """Whole nodes are told by their names or number, a few members by theirs, the rest by number."""
    found = Matrix(Options(), (), (), EVERYBODY, (FRONT,), 0)
    assert describe(found, ends, "en") == words


def test_containers_without_an_api_are_no_pods() -> None:
    """Namespaces that no object of the API stands for are called containers, in the head and in the table's sides, in both languages."""
    boxes = tuple(Member(f"h1/web{n}", "pod", "h1", ("h1", f"web{n}"), n, "") for n in range(4))
    found = Matrix(Options(), (), (), (node("h1"), node("h2"), *boxes), (), 0)
    assert describe(found, boxes, "en") == "all 4 containers of h1"
    assert describe(found, boxes, "zh") == "h1 的全部 4 个容器"
    assert "2 nodes, 4 containers, 0 Service ports" in render_matrix(found)
