"""Programs that listen: bound elsewhere, started, published."""

from __future__ import annotations

import pytest

from engine.facts import Fact, FactBase
from tests.engine.remedies.conftest import operation


def base(*addresses: str, protocol: str = "tcp") -> FactBase:
    """A program that listens on port 6379 of these addresses, and another one."""
    state = "LISTEN" if protocol == "tcp" else "UNCONN"
    ends = [*((a, 6379) for a in addresses), ("0.0.0.0", 22)]
    return FactBase([Fact("socket", {"protocol": protocol, "state": state, "address": a, "port": p, "family": 4}, "n1") for a, p in ends])


def test_redis() -> None:
    """Redis takes addresses while it runs, keeps those it has, and is asked at one that holds before and after."""
    made = operation("program.bind", base("127.0.0.1"), process="redis-server", port="6379", address="10.0.0.5")
    assert made.commands() == ("redis-cli -h 127.0.0.1 -p 6379 config set bind '127.0.0.1 10.0.0.5'",)
    assert made.undo() == ("redis-cli -h 127.0.0.1 -p 6379 config set bind 127.0.0.1",)
    assert made.persist() == ("redis-cli -p 6379 config rewrite",)
    assert made.verify() == ("ss -lntp",)


def test_redis_everywhere() -> None:
    """Any address makes the others needless; a namespace is entered."""
    made = operation("program.bind", base("127.0.0.1"), entry="ip netns exec api", process="redis-server", port="6379", address="0.0.0.0")
    assert made.commands() == ("ip netns exec api redis-cli -h 127.0.0.1 -p 6379 config set bind '*'",)


@pytest.mark.parametrize(("process", "setting", "restart"), [
    ("postgres", "# in postgresql.conf: listen_addresses = 127.0.0.1, 10.0.0.5", "systemctl restart postgresql"),
    ("nginx", "# in the server block in /etc/nginx: listen = 127.0.0.1 10.0.0.5", "nginx -s reload"),
])
def test_file(process: str, setting: str, restart: str) -> None:
    """Other programs are told in their file, and restarted; the undo tells what was there."""
    made = operation("program.bind", base("127.0.0.1"), process=process, port="6379", address="10.0.0.5")
    assert made.commands() == (setting, restart)
    assert "10.0.0.5" not in "".join(made.undo())
    assert made.persist() == ()


@pytest.mark.parametrize(("process", "way"), [("java", "ss -lntp sport = :6379"), ("", "systemctl status PID"), ("a b;rm", "ss -lntp sport = :6379")])
def test_unknown_program(process: str, way: str) -> None:
    """Of a program that nobody knows, the way to its configuration is shown; its name comes from evidence and never becomes shell."""
    made = operation("program.bind", base("127.0.0.1"), process=process, port="6379", address="10.0.0.5")
    (line,) = made.commands()
    assert line.startswith("# ")
    assert line.endswith(way)


def test_the_process_that_holds_the_socket() -> None:
    """Its number stands in the list of sockets: of several programs of one name, the one that listens on the port is asked for."""
    ends = ((6379, 4711), (8000, 12))
    shared = {"protocol": "tcp", "state": "LISTEN", "address": "127.0.0.1", "process": "python3", "family": 4}
    facts = FactBase([Fact("socket", {**shared, "port": port, "pid": pid}, "n1") for port, pid in ends])
    (line,) = operation("program.bind", facts, process="python3", port="6379", address="10.0.0.5").commands()
    assert line.endswith(": systemctl status 4711")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_model(protocol: str) -> None:
    """On the model there is one more listener, of that protocol."""
    facts = base("127.0.0.1", protocol=protocol)
    made = operation("program.bind", facts, process="redis-server", port="6379", address="10.0.0.5", protocol=protocol)
    after = made.apply(facts)
    assert after is not None
    assert [(f.get("protocol"), f.get("address")) for f in after.of_kind("socket") if f.get("port") == 6379] == [
        (protocol, "127.0.0.1"), (protocol, "10.0.0.5")
    ]
    assert made.verify() == (f"ss -ln{protocol[0]}p",)


def test_start() -> None:
    """A service is started, its undo stops it, and on the model its socket is there."""
    facts = base()
    made = operation("service.start", facts, unit="redis-server", port="6379", address="10.0.0.5")
    assert (made.commands(), made.undo(), made.persist()) == (
        ("systemctl start redis-server",), ("systemctl stop redis-server",), ("systemctl enable redis-server",)
    )
    assert made.verify()[0].startswith("journalctl -u redis-server")
    after = made.apply(facts)
    assert after is not None
    assert {f.get("port") for f in after.of_kind("socket")} == {22, 6379}


def test_publish() -> None:
    """Publishing makes the container anew, which the model cannot try; a hostile name is quoted."""
    facts = base()
    made = operation("docker.publish", facts, container="web; rm", publish="8080:80")
    assert all(line.startswith("# ") for line in made.commands())
    assert "'web; rm'" in made.commands()[1]
    assert made.apply(facts) is None
    assert made.verify() == ("docker port 'web; rm'",)


def test_recreate() -> None:
    """A restarted container has its proxy again."""
    facts = base()
    made = operation("docker.recreate", facts, container="web", port="6379")
    assert made.commands() == ("docker restart web",)
    assert made.verify() == ("ss -lntp 'sport = :6379'",)
    after = made.apply(facts)
    assert after is not None
    assert {f.get("port") for f in after.of_kind("socket")} == {22, 6379}
