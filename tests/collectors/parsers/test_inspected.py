"""What people cut out of inspect."""

from __future__ import annotations

import pytest

from collectors.parsers.docker import parse
from collectors.place import Place
from engine.facts import Source

IP = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"


def told(command: str, text: str) -> list[tuple[object, ...]]:
    """Name and addresses (with networks) of each container."""
    facts = [f for f in parse(Source("post", text, command), Place("n1")) if f.kind == "container"]
    return [(f.get("name"), [(e["network"], e["address"], e.get("prefixlen")) for e in f.get("endpoints")]) for f in facts]


@pytest.mark.parametrize(("command", "text", "expected"), [
    (f"docker inspect -f '{IP}' web", "172.19.0.3\n", [("web", [("", "172.19.0.3", None)])]),
    (f"docker inspect --format='{IP}' web db", "172.19.0.3\n172.19.0.4\n", [("web", [("", "172.19.0.3", None)]), ("db", [("", "172.19.0.4", None)])]),
    (f"docker inspect -f '{{{{.Name}}}} - {IP}' $(docker ps -q)", "/web - 172.19.0.3\n/db - \n", [("web", [("", "172.19.0.3", None)])]),
    (
        "podman inspect -f '{{.Name}} {{.NetworkSettings.IPAddress}}' gitlab keycloak", "gitlab 10.88.0.31\nkeycloak 10.88.0.32\n",
        [("gitlab", [("", "10.88.0.31", None)]), ("keycloak", [("", "10.88.0.32", None)])],
    ),
    (
        "docker inspect -f '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}: {{$v.IPAddress}} {{end}}' web",
        "front: 172.18.0.2 back: 172.20.0.2\n",
        [("web", [("front", "172.18.0.2", None), ("back", "172.20.0.2", None)])],
    ),
    (
        "docker network inspect app -f '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{println}}{{end}}'",
        "app_web_1 172.21.0.6/16\napp_db_1 172.21.0.3/16\n",
        [("app_web_1", [("app", "172.21.0.6", 16)]), ("app_db_1", [("app", "172.21.0.3", 16)])],
    ),
    (
        "docker inspect web | grep IPAddress",
        '            "SecondaryIPAddresses": null,\n            "IPAddress": "",\n                    "IPAddress": "172.18.0.2",\n',
        [("web", [("", "172.18.0.2", None)])],
    ),
    # Whose address it is, the shell alone knows; a template for something else tells none.
    (f"docker inspect -f '{IP}' $(docker ps -q)", "172.19.0.3\n172.19.0.4\n", []),
    ("docker inspect web | grep MacAddress", '"MacAddress": "02:42:ac:12:00:02",\n', []),
])  # fmt: skip
def test_addresses(command: str, text: str, expected: list[tuple[object, ...]]) -> None:
    """Each line's address belongs to the container that the line or the command line names, on the network that either names."""
    assert told(command, text) == expected


def test_processes() -> None:
    """The first process of each container, in the order in which they were named; one that does not run has none."""
    source = Source("post", "214077\n0\n", "docker inspect -f '{{.State.Pid}}' web db")
    assert [(f.get("name"), f.get("pid")) for f in parse(source, Place("n1"))] == [("web", 214077)]
    assert not [f for f in parse(Source("post", "214077\n", "docker inspect -f '{{.State.Pid}}' web db"), Place("n1")) if f.kind == "container"]


def test_lines_that_tell_nothing_are_shown() -> None:
    """A line without an address is one that was not understood."""
    facts = parse(Source("post", "web 172.19.0.3\nError: No such object: db\n", "docker inspect -f '{{.Name}} {{.IPAddress}}' web db"), Place("n1"))
    assert [(f.get("count"), f.get("sample")) for f in facts if f.kind == "unparsed"] == [(1, "Error: No such object: db")]
