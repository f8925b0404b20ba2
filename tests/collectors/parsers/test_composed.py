"""Containers as compose, ``docker port`` and templates list them."""

from __future__ import annotations

import pytest

from collectors.classify import sections
from collectors.parsers.docker import parse
from collectors.place import Place
from engine.facts import Fact, Source

COMPOSE_2 = """\
NAME         IMAGE         COMMAND                  SERVICE   CREATED       STATUS       PORTS
shop-web-1   nginx:1.25    "/docker-entrypoint.…"   web       2 hours ago   Up 2 hours   0.0.0.0:8080->80/tcp, :::8080->80/tcp
shop-db-1    postgres:16   "docker-entrypoint.s…"   db        2 hours ago   Up 2 hours   5432/tcp
"""
COMPOSE_1 = """\
   Name                 Command               State           Ports
----------------------------------------------------------------------------
old_web_1   /docker-entrypoint.sh ngin ...   Up       0.0.0.0:8080->80/tcp,
                                                      0.0.0.0:8443->443/tcp
old_job_1   /run.sh                          Exit 1
"""
FORMATTED = "api: 0.0.0.0:9000-9001->80-81/tcp\ncache: 6379/tcp\n"


def told(text: str, command: str) -> list[tuple[object, ...]]:
    """Name, state and published ports of each container."""
    facts = [f for f in parse(Source("post", text, command), Place("n1")) if f.kind == "container"]
    ports = [[(p["host_port"], p["container_port"]) for p in f.get("ports", ()) if ":" not in p["host_ip"]] for f in facts]
    return [(f.get("name"), f.get("state"), each) for f, each in zip(facts, ports, strict=True)]


@pytest.mark.parametrize(("text", "command", "expected"), [
    (COMPOSE_2, "docker compose ps", [("shop-web-1", "running", [(8080, 80)]), ("shop-db-1", "running", [])]),
    (COMPOSE_1, "docker-compose ps", [("old_web_1", "running", [(8080, 80), (8443, 443)]), ("old_job_1", "exited", [])]),
    ("80/tcp -> 0.0.0.0:8082\n443/tcp -> [::]:8443\n", "docker port web", [("web", "running", [(8082, 80)])]),
    (FORMATTED, "docker ps --format '{{.Names}}: {{.Ports}}'", [("api", "running", [(9000, 80), (9001, 81)]), ("cache", "running", [])]),
    ("0123456789ab web 0.0.0.0:80->80/tcp\n", "docker ps --format '{{.ID}} {{.Names}} {{.Ports}}'", [("web", "running", [(80, 80)])]),
])  # fmt: skip
def test_listings(text: str, command: str, expected: list[tuple[object, ...]]) -> None:
    """Each prints names and published ports in its own way; a range is its ports, and what is exposed alone is not published."""
    assert told(text, command) == expected


def test_service_of_a_container() -> None:
    """Compose tells which Service of its file a container is: that is what people call it by."""
    facts = parse(Source("post", COMPOSE_2, "docker compose ps"), Place("n1"))
    assert [f.get("labels") for f in facts] == [{"com.docker.compose.service": name} for name in ("web", "db")]


@pytest.mark.parametrize(("command", "text"), [
    ("docker compose ps", COMPOSE_2), ("docker-compose ps", COMPOSE_1), ("docker port web", "80/tcp -> 0.0.0.0:8082\n"),
    ('docker ps --format "{{.Names}}: {{.Ports}}"', FORMATTED),
    ("docker inspect app | jq '.[0].NetworkSettings.Networks'", '{\n  "shop": {\n    "EndpointID": "aa",\n    "IPAddress": "172.22.0.5"\n  }\n}\n'),
])  # fmt: skip
def test_found_under_a_prompt(command: str, text: str) -> None:
    """Pasted sessions show them under their command lines."""
    assert [(s.format, s.command) for s in sections("post.txt", f"$ {command}\n{text}") if s.text.strip()] == [("docker", command)]


def test_tables_speak_for_themselves() -> None:
    """Compose's headings are known without a command line."""
    assert [s.format for text in (COMPOSE_1, COMPOSE_2) for s in sections("post.txt", text)] == ["docker", "docker"]


def test_networks_of_one_container() -> None:
    """The part of an inspected container that jq cuts out, or that a template prints, tells its addresses."""
    text = '{"shop": {"Gateway": "172.22.0.1", "IPAddress": "172.22.0.5", "IPPrefixLen": 16, "EndpointID": "aa", "MacAddress": "02:42:ac:16:00:05"}}'
    for command in ("docker inspect app | jq '.[0].NetworkSettings.Networks'", "docker inspect -f '{{json .NetworkSettings.Networks}}' app"):
        (one,) = parse(Source("post", text, command), Place("n1"))
        assert isinstance(one, Fact)
        end = {"network": "shop", "address": "172.22.0.5", "gateway": "172.22.0.1", "mac": "02:42:ac:16:00:05", "prefixlen": 16}
        assert (one.kind, one.get("name"), one.get("endpoints")) == ("container", "app", (end,))


def test_ranges_that_stand_for_more_ports_than_there_are() -> None:
    """Some lines of text may not become millions of ports; the ranges of one telephone exchange do."""
    row = "web{} 0.0.0.0:{}-65535->{}-65535/udp\n"
    command = "docker ps --format '{{.Names}} {{.Ports}}'"
    text = "".join(row.format(number, 1, 1) for number in range(50))
    assert [fact.kind for fact in parse(Source("post", text, command), Place("n1"))] == ["unparsed"]
    (box,) = parse(Source("post", row.format("", 40_000, 40_000), command), Place("n1"))
    assert isinstance(box, Fact)
    assert len(box.get("ports")) == 25_536
