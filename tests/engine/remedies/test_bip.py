"""docker0 set to flannel's lease: on the model (the lab does it with a real dockerd)."""

from __future__ import annotations

import pytest

from engine.errors import RuleError
from engine.facts import Fact, FactBase
from tests.engine.remedies.conftest import operation

GIVEN = {"old": "10.1.62.1/24", "bip": "10.1.15.1/24"}
END = {"network": "bridge", "address": "10.1.62.2", "gateway": "10.1.62.1", "prefixlen": 24}
FACTS = FactBase(
    [
        Fact("address", {"device": "docker0", "address": "10.1.62.1", "prefixlen": 24, "family": 4}, "n1"),
        Fact("address", {"device": "eth0", "address": "10.1.62.2", "prefixlen": 24, "family": 4}, "n1", "web"),
        Fact("address", {"device": "eth0", "address": "192.0.2.1", "prefixlen": 24, "family": 4}, "n1"),
        Fact("route", {"dst": "10.1.62.0/24", "device": "docker0", "src": "10.1.62.1", "protocol": "kernel"}, "n1"),
        Fact("route", {"dst": "0.0.0.0/0", "device": "eth0", "gateway": "10.1.62.1"}, "n1", "web"),
        Fact("route", {"dst": "0.0.0.0/0", "device": "eth0", "gateway": "192.0.2.254"}, "n1"),
        Fact("route", {"dst": "10.1.62.0/24", "device": "flannel.1", "gateway": "10.1.62.0"}, "n2"),
        Fact("container", {"name": "web", "runtime": "docker", "state": "running", "endpoints": (END,)}, "n1"),
        Fact("container_network", {"name": "bridge", "bridge": "docker0", "subnets": ("10.1.62.0/24",), "gateways": ("10.1.62.1",)}, "n1"),
    ]
)


def test_apply() -> None:
    """Bridge, containers and their routes move, each to the same place of the new subnet; other addresses and machines stay."""
    after = operation("docker.set-bip", FACTS, **GIVEN).apply(FACTS)
    assert after is not None
    told = [(f.node, f.stack, f.get("address"), f.get("dst"), f.get("gateway"), f.get("src")) for f in after.facts if f.kind in {"address", "route"}]
    assert told == [
        ("n1", "host", "10.1.15.1", None, None, None),
        ("n1", "web", "10.1.15.2", None, None, None),
        ("n1", "host", "192.0.2.1", None, None, None),
        ("n1", "host", None, "10.1.15.0/24", None, "10.1.15.1"),
        ("n1", "web", None, "0.0.0.0/0", "10.1.15.1", None),
        ("n1", "host", None, "0.0.0.0/0", "192.0.2.254", None),
        ("n2", "host", None, "10.1.62.0/24", "10.1.62.0", None),
    ]
    container, network = (next(f for f in after.facts if f.kind == kind) for kind in ("container", "container_network"))
    assert container.get("endpoints")[0]["address"] == "10.1.15.2"
    assert (network.get("subnets"), network.get("gateways")) == (("10.1.15.0/24",), ("10.1.15.1",))


def test_commands() -> None:
    """The option is replaced wherever it stands; docker's default stands nowhere, so that it is to be written."""
    made = operation("docker.set-bip", FACTS, **GIVEN)
    first, restart, start = made.commands()
    assert "sed -i 's#10\\.1\\.62\\.1/24#10.1.15.1/24#g'" in first
    assert (restart, start) == ("systemctl restart docker", "docker start web")
    assert "sed -i 's#10\\.1\\.15\\.1/24#10.1.62.1/24#g'" in made.undo()[0]
    default = operation("docker.set-bip", FACTS, old="172.17.0.1/16", bip="10.1.15.1/24")
    assert '{"bip": "10.1.15.1/24"}' in default.commands()[0]
    assert "daemon.json" in default.undo()[0]
    assert any("After=flanneld" in line for line in made.persist())
    assert "docker0" in made.verify()[0]


@pytest.mark.parametrize("bip", ["what", "fd00::1/64", "10.1.15.1/24#e id"])
def test_refused(bip: str) -> None:
    """Only an IPv4 address with its length gets into a pattern."""
    with pytest.raises(RuleError, match="no address with a length"):
        operation("docker.set-bip", FACTS, old="10.1.62.1/24", bip=bip)


def test_nothing_promised() -> None:
    """A subnet smaller than the bridge's, an address that cannot be, and a bridge that was not seen."""
    assert operation("docker.set-bip", FACTS, old="10.1.62.1/24", bip="10.1.15.1/26").apply(FACTS) is not None
    assert operation("docker.set-bip", FACTS, old="10.1.62.1/24", bip="10.1.0.1/16").apply(FACTS) is not None
    assert operation("docker.set-bip", FACTS, old="10.1.62.1/24", bip="10.1.15.300/24").apply(FACTS) is None
    assert operation("docker.set-bip", FactBase([]), **GIVEN).apply(FactBase([])) is None
