"""Containers that pasted command lines start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collectors.evidence import read
from collectors.place import Place
from collectors.runlines import started, without_listed
from engine.facts import HOST, Fact, Source

if TYPE_CHECKING:
    from pathlib import Path

HERE = Place("n1", HOST)


def made(text: str) -> list[Fact]:
    """Facts of a post."""
    return started(text, Source("post.txt", text), HERE)


@pytest.mark.parametrize("before", ["", "$ ", "root@n1:~# ", "1. ", "- ", "$ sudo "])
def test_a_command_line_starts_a_container(before: str) -> None:
    """Name and published ports are what a listing would show; whatever stands before the command line."""
    (fact,) = made(f"so I did\n{before}docker run -d -p 8090:80 -p 127.0.0.1:5300:53/udp --name web nginx\n")
    assert (fact.node, fact.line, fact.get("name"), fact.get("runtime"), fact.get("state")) == ("n1", 2, "web", "docker", "running")
    assert [(p["host_ip"], p["host_port"], p["container_port"], p["protocol"]) for p in fact.get("ports")] == [
        ("", 8090, 80, "tcp"), ("127.0.0.1", 5300, 53, "udp"),
    ]


def test_a_line_that_goes_on() -> None:
    """A backslash at the end joins lines."""
    (fact,) = made("# docker run -d \\\n  --name=web \\\n  --publish 8090:80 \\\n  nginx\n")
    assert (fact.get("name"), fact.get("ports")[0]["host_port"]) == ("web", 8090)


@pytest.mark.parametrize("line", [
    "$ docker run -d nginx", "$ docker run --network host -p 80:80 nginx", "$ docker run -p 80 nginx", "we use docker, run with -p 80:80",
    "$ podman run -p 8080:80 nginx", "$ docker run -p 99999:80 nginx", "$ docker run -p 80:80 nginx\ndocker: Error response from daemon: no\n",
])
def test_lines_that_publish_nothing(line: str) -> None:
    """No port, the node's own network, a user's own podman, a number that is no port, a command that failed: nothing is known then."""
    assert made(f"{line}\n") == []


def test_an_error_of_the_next_command_is_not_the_first_one_s() -> None:
    """What a command line was answered ends at the next prompt."""
    assert made("$ docker run -d -p 80:80 nginx\n$ docker run -p 80:80 nginx\ndocker: Error response from daemon: no\n") != []


def test_podman_as_root() -> None:
    """A port of root's podman is the kernel's concern."""
    assert made("# podman run -d -p 8080:80 nginx\n")
    assert made("$ sudo podman run -d -p 8080:80 nginx\n")


def test_a_listing_knows_better(tmp_path: Path) -> None:
    """Where docker lists its containers, the command line that started one adds nothing."""
    line = "$ docker run -d -p 8090:80 nginx\n"
    listing = "$ docker ps\nCONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES\n"
    routes = "$ ip route\ndefault via 10.0.0.1 dev eth0\n"
    (tmp_path / "post.txt").write_text(line + routes, encoding="utf-8")
    assert [f.get("told") for f in read([tmp_path]).facts if f.kind == "container"] == [True]
    (tmp_path / "post.txt").write_text(line + routes + listing, encoding="utf-8")
    assert not [f for f in read([tmp_path]).facts if f.kind == "container"]


def test_only_told_containers_give_way() -> None:
    """Containers of listings stay as they are."""
    shown = Fact("container", {"name": "web"}, "n1", HOST)
    other = Fact("container", {"name": "db", "told": True}, "n2", HOST)
    assert without_listed([shown, Fact("container", {"name": "web", "told": True}, "n1", HOST), other]) == [shown, other]
