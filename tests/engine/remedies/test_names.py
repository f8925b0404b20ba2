"""resolv.conf and hosts: what the commands write is what the model says."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from collectors.parsers.resolv import parse, parse_hosts
from collectors.place import Place
from engine.errors import RuleError
from engine.facts import Fact, FactBase, Source
from tests.engine.remedies.conftest import operation

if TYPE_CHECKING:
    from pathlib import Path

RESOLV = "# made by hand\nnameserver 127.0.0.53\nsearch lan com\noptions edns0 ndots:5\n"
REAL = Fact("dns_config", {"nameservers": ("10.0.0.2",), "search": (), "options": (), "file": "/run/systemd/resolve/resolv.conf"}, "n1")
NETNS = "ip netns exec web"


def base(text: str = RESOLV, stack: str = "web") -> FactBase:
    """A resolv.conf, and the servers that the node itself asks."""
    return FactBase([*parse(Source("/etc/resolv.conf", text), Place("n1", stack)), REAL])


def config(facts: FactBase | None, stack: str = "web") -> dict[str, object]:
    """What the resolv.conf says."""
    assert facts is not None
    (fact,) = (f for f in facts.at("dns_config", "n1", stack) if f.get("file") != REAL.get("file"))
    return {name: fact.get(name) for name in ("nameservers", "search", "options")}


CHANGES = [("resolver.nameserver", {"old": "127.0.0.53"}), ("resolver.search", {"domain": "com"}), ("resolver.ndots", {"ndots": "2"})]


@pytest.mark.parametrize(("name", "given"), CHANGES)
def test_file(name: str, given: dict[str, str], tmp_path: Path) -> None:
    """The printed commands change a real file as the model changes the fact, and their undo restores it."""
    facts = base()
    made = operation(name, facts, stack="web", entry=NETNS, **given)
    file = tmp_path / "resolv.conf"
    file.write_text(RESOLV, encoding="utf-8")
    for lines, expected in ((made.commands(), config(made.apply(facts))), (made.undo(), config(facts))):
        for line in lines:
            assert "/etc/netns/web/resolv.conf" in line
            subprocess.run(["sh", "-ec", line.replace("/etc/netns/web/resolv.conf", str(file))], check=True)
        assert config(base(file.read_text(encoding="utf-8"))) == expected


@pytest.mark.parametrize(("name", "given"), CHANGES)
def test_runtime_makes_the_file(name: str, given: dict[str, str]) -> None:
    """Of a container whose file a runtime makes, the runtime's own setting is told, and there is nothing to undo."""
    made = operation(name, base(), stack="web", entry="nsenter -t 812 -n", **given)
    assert all(line.startswith("# ") for line in made.commands())
    assert made.undo() == ()


def test_host() -> None:
    """On the node its own file is changed; what writes it is named."""
    made = operation("resolver.search", base(stack="host"), domain="com")
    assert made.commands() == ("sed -i 's/^\\(search\\|domain\\)[[:space:]].*/search lan/' /etc/resolv.conf",)
    assert "nmcli" in made.persist()[0]


def test_last_domain() -> None:
    """An empty list is written so that the host's own domain does not come in its place."""
    made = operation("resolver.search", base("nameserver 10.0.0.2\nsearch com\n", "host"), domain="com")
    assert "/search ./" in made.commands()[0]


def test_no_server_seen() -> None:
    """Without a server that was seen, the model cannot tell and the person must."""
    facts = FactBase(parse(Source("/etc/resolv.conf", RESOLV), Place("n1", "web")))
    made = operation("resolver.nameserver", facts, stack="web", entry=NETNS, old="127.0.0.53")
    assert made.apply(facts) is None
    assert "ADDRESS" in made.commands()[0]
    assert made.undo() == ()


@pytest.mark.parametrize(("name", "given"), [
    ("resolver.nameserver", {"old": "127.0.0.53; rm"}), ("resolver.search", {"domain": "a/b"}), ("resolver.ndots", {"ndots": "2'"}),
    ("hosts.add", {"names": "$(id)", "address": "127.0.1.1"}), ("hosts.add", {"names": "app1", "address": "1; id"}),
])
def test_hostile(name: str, given: dict[str, str]) -> None:
    """What is no name or address never becomes shell."""
    with pytest.raises(RuleError):
        operation(name, base(), stack="web", entry=NETNS, **given).commands()


def test_hosts(tmp_path: Path) -> None:
    """A line is added to a real hosts file, and taken out again."""
    facts = FactBase([])
    made = operation("hosts.add", facts, names="app1.corp.example app1", address="127.0.1.1")
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n", encoding="utf-8")
    subprocess.run(["sh", "-ec", made.commands()[0].replace("/etc/hosts", str(file))], check=True)
    read = parse_hosts(Source("/etc/hosts", file.read_text(encoding="utf-8")), Place("n1"))
    applied = made.apply(facts)
    assert applied is not None
    assert [f.fields for f in read if f.kind == "hosts_entry"][1:] == [f.fields for f in applied.of_kind("hosts_entry")]
    subprocess.run(["sh", "-ec", made.undo()[0].replace("/etc/hosts", str(file))], check=True)
    assert file.read_text(encoding="utf-8") == "127.0.0.1 localhost\n"
    assert made.verify() == ("getent hosts app1.corp.example",)


def test_hosts_of_a_container() -> None:
    """The runtime writes that file."""
    made = operation("hosts.add", FactBase([]), stack="web", entry="nsenter -t 9 -n", names="app1", address="10.0.0.9")
    assert "--add-host app1:10.0.0.9" in made.commands()[0]
    assert made.undo() == ()
