"""Adding and deleting routes: on the model and on the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.remedies.conftest import Space, operation
from tests.engine.walk.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.facts import Fact, FactBase

SHOWN = ("ip route show table all", "ip addr")
FIELDS = ("table", "type", "dst", "gateway", "device", "src", "metric", "scope", "protocol", "mtu", "nexthops")


def routes(facts: Iterable[Fact]) -> set[str]:
    """Routes by what matters of them; table local apart."""
    return {str([(name, f.get(name)) for name in FIELDS if f.get(name)]) for f in facts if f.kind == "route" and f.get("table") != "local"}


def node() -> FactBase:
    """eth0 10.1.0.1/24 and a few routes."""
    world = World()
    world.stack("n1").device("eth0", "10.1.0.1/24").route(
        "10.8.0.0/16 via 10.1.0.8 dev eth0 proto static metric 50 mtu 1400", "10.8.0.0/16 via 10.1.0.9 dev eth0 metric 60", "blackhole 10.9.0.0/16"
    )
    return world.facts()


def test_add() -> None:
    """The device is the one whose subnet holds the gateway."""
    facts = node()
    made = operation("route.add", facts, dst="10.244.2.7/24", via="10.1.0.7")
    after = made.apply(facts)
    assert after is not None
    route = after.facts[-1]
    assert [route.get(name) for name in ("dst", "gateway", "device", "table", "scope")] == ["10.244.2.0/24", "10.1.0.7", "eth0", "main", "global"]
    assert (made.commands(), made.undo(), made.verify()) == (
        ("ip route add 10.244.2.0/24 via 10.1.0.7",),
        ("ip route del 10.244.2.0/24 via 10.1.0.7",),
        ("ip route get 10.244.2.0",),
    )
    assert any("route-eth0" in line for line in made.persist())


def test_verified_where_it_was_made() -> None:
    """``ip route get`` does not look into a table that only a policy rule leads to: there, and of IPv6's default, the listing is asked for."""
    facts = node()
    for name in ("route.add", "route.delete"):
        told = {"dst": "10.7.0.0/16", "dev": "eth0", "probe": "10.7.0.9"}
        assert operation(name, facts, **told, table="main").verify() == ("ip route get 10.7.0.9",)
        assert operation(name, facts, **told, table="77").verify() == ("ip route show table 77",)
        assert operation(name, facts, dst="::/0", dev="eth0").verify() == ("ip -6 route show default",)
        assert operation(name, facts, dst="::/0", dev="eth0", table="77").verify() == ("ip -6 route show table 77",)


def test_persistent_forms_of_another_table() -> None:
    """The files of each distribution get device, table and family once, and no gateway where there is none."""
    told = "\n".join(operation("route.add", node(), dst="10.7.0.0/16", dev="eth0", table="100").persist())
    assert "+ipv4.routes '10.7.0.0/16 table=100'" in told
    assert "echo '10.7.0.0/16 table 100 dev eth0' >>" in told
    assert "[{to: 10.7.0.0/16, table: 100}] under eth0" in told
    told = "\n".join(operation("route.add", node(), dst="fd00::/8", via="fd01::1", dev="eth0").persist())
    assert "+ipv6.routes 'fd00::/8 fd01::1'" in told
    assert "echo 'fd00::/8 via fd01::1 dev eth0' >>" in told
    assert "[{to: fd00::/8, via: fd01::1}] under eth0" in told


@pytest.mark.parametrize(
    "parameters",
    [
        {"dst": "10.7.0.0/16", "via": "192.0.2.1"},
        {"dst": "10.7.0.0/16", "via": "192.0.2.1", "dev": "eth0"},
        {"dst": "10.9.0.0/16", "via": "10.1.0.7"},
        {"dst": "10.7.0.0/16"},
    ],
)
def test_what_the_kernel_refuses(parameters: dict[str, str]) -> None:
    """A gateway that is not on-link, a route that is there already, no way at all: the model promises nothing."""
    facts = node()
    assert operation("route.add", facts, **parameters).apply(facts) is None


def test_spellings() -> None:
    """Default routes, other tables, blocking types and IPv6, as ip route takes them."""
    facts = node()
    said = [
        operation("route.add", facts, **{"dst": dst, **more}).commands()[0]
        for dst, more in (
            ("0.0.0.0/0", {"via": "10.1.0.7"}),
            ("10.7.0.0/16", {"dev": "eth0", "table": "100"}),
            ("10.7.0.0/16", {"type": "unreachable"}),
            ("fd00::/8", {"dev": "eth0"}),
            ("10.7.0.0/16", {"dev": "eth0", "table": "main", "type": "unicast"}),
        )
    ]
    assert said == [
        "ip route add default via 10.1.0.7",
        "ip route add 10.7.0.0/16 dev eth0 table 100",
        "ip route add unreachable 10.7.0.0/16",
        "ip -6 route add fd00::/8 dev eth0",
        "ip route add 10.7.0.0/16 dev eth0",
    ]


@pytest.mark.parametrize(
    ("parameters", "undo"),
    [
        ({"dst": "10.8.0.0/16"}, "ip route add 10.8.0.0/16 via 10.1.0.8 dev eth0 proto static metric 50 mtu 1400"),
        ({"dst": "10.8.0.0/16", "via": "10.1.0.9"}, "ip route add 10.8.0.0/16 via 10.1.0.9 dev eth0 metric 60"),
        ({"dst": "10.9.0.0/16", "type": "blackhole"}, "ip route add blackhole 10.9.0.0/16"),
        ({"dst": "10.1.0.0/24", "dev": "eth0"}, "ip route add 10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.1"),
    ],
)
def test_delete(parameters: dict[str, str], undo: str) -> None:
    """One route goes; the undo brings back all that it had."""
    facts = node()
    made = operation("route.delete", facts, **parameters)
    after = made.apply(facts)
    assert after is not None
    assert len(routes(facts.facts) - routes(after.facts)) == 1
    assert made.undo() == (undo,)


def test_replace() -> None:
    """The named route gets the gateway and keeps the rest; without the route, or with a gateway out of reach, nothing is promised."""
    facts = node()
    made = operation("route.replace", facts, dst="10.8.0.0/16", via="10.1.0.8", new_via="10.1.0.7")
    after = made.apply(facts)
    assert after is not None
    assert len(routes(facts.facts) ^ routes(after.facts)) == 2
    assert made.commands() == ("ip route replace 10.8.0.0/16 via 10.1.0.7 dev eth0 proto static metric 50 mtu 1400",)
    assert made.undo() == ("ip route replace 10.8.0.0/16 via 10.1.0.8 dev eth0 proto static metric 50 mtu 1400",)
    assert "10.1.0.7" in made.persist()[0]
    assert operation("route.replace", facts, dst="10.8.0.0/16", via="10.1.0.77", new_via="10.1.0.7").apply(facts) is None
    assert operation("route.replace", facts, dst="10.8.0.0/16", new_via="192.0.2.1").apply(facts) is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"dst": "10.5.0.0/16"},
        {"dst": "10.8.0.0/16", "via": "10.1.0.77"},
        {"dst": "10.8.0.0/16", "dev": "eth7"},
        {"dst": "10.8.0.0/16", "table": "100"},
        {"dst": "10.8.0.0/16", "type": "blackhole"},
    ],
)
def test_no_such_route(parameters: dict[str, str]) -> None:
    """What is not there cannot be deleted on the model."""
    facts = node()
    made = operation("route.delete", facts, **parameters)
    assert made.apply(facts) is None
    assert made.undo()[0].startswith("ip route add")


@pytest.mark.lab
@pytest.mark.parametrize(
    ("line", "name", "parameters"),
    [
        ("true", "route.add", {"dst": "10.244.2.0/24", "via": "10.1.0.7"}),
        ("true", "route.add", {"dst": "10.244.2.0/24", "dev": "eth0"}),
        ("true", "route.add", {"dst": "10.244.2.0/24", "type": "unreachable"}),
        ("true", "route.add", {"dst": "0.0.0.0/0", "via": "10.1.0.7", "dev": "eth0", "table": "100"}),
        ("ip route add 10.8.0.0/16 via 10.1.0.8 metric 50 mtu 1400 proto static", "route.delete", {"dst": "10.8.0.0/16"}),
        ("ip route add blackhole 10.8.0.0/16", "route.delete", {"dst": "10.8.0.0/16", "type": "blackhole"}),
        ("true", "route.delete", {"dst": "10.1.0.0/24", "dev": "eth0"}),
        ("ip route add default via 10.1.0.8 src 10.1.0.1", "route.delete", {"dst": "0.0.0.0/0"}),
        (
            "ip route add 10.8.0.0/16 nexthop via 10.1.0.8 dev eth0 weight 2 nexthop via 10.1.0.9 dev eth0 weight 1",
            "route.delete",
            {"dst": "10.8.0.0/16"},
        ),
        ("ip route add 10.8.0.0/16 dev eth0 scope link metric 50", "route.replace", {"dst": "10.8.0.0/16", "dev": "eth0", "new_via": "10.1.0.7"}),
        (
            "ip route add 10.8.0.0/16 via 10.1.0.8 mtu 1400 proto static",
            "route.replace",
            {"dst": "10.8.0.0/16", "via": "10.1.0.8", "new_via": "10.1.0.7"},
        ),
        ("ip addr add 10.1.0.2/24 dev eth0", "route.source", {"dst": "10.1.0.0/24", "dev": "eth0", "source": "10.1.0.2"}),
        ("true", "route.add", {"dst": "10.9.0.0/16", "via": "10.1.0.8", "metric": "50", "src": "10.1.0.1"}),
    ],
)
def test_kernel(space: Space, line: str, name: str, parameters: dict[str, object]) -> None:
    """The kernel's table after the command is the model's, and after the undo what it was."""
    space.run(line)
    applied, after, undone, before = space.tried(name, SHOWN, **parameters)
    assert applied is not None
    assert routes(applied) == routes(after) != routes(before)
    assert routes(undone) == routes(before)


@pytest.mark.lab
@pytest.mark.parametrize(("dst", "words"), [("10.7.0.0/16", "via 192.0.2.1 dev eth0"), ("10.1.0.0/24", "dev eth0 metric 0")])
def test_kernel_refuses(space: Space, dst: str, words: str) -> None:
    """What the model does not promise, the kernel refuses (the kernel's own connected route has metric 0)."""
    assert space.run(f"ip route add {dst} {words} 2>&1 || echo refused").endswith("refused\n")
