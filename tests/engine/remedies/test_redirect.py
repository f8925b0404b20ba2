"""A route sent another way: on the model and on the kernel."""

from __future__ import annotations

import pytest

from tests.engine.remedies.conftest import Space, operation
from tests.engine.remedies.test_routes import SHOWN, node, routes

TUNNEL = (
    "ip link add flannel.1 type vxlan id 1 local 10.1.0.1 dev eth0 dstport 8472",
    "ip addr add 10.244.1.0/32 dev flannel.1",
    "ip link set flannel.1 up",
)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        (
            "ip route add 10.244.2.0/24 via 10.1.0.2 dev eth0",
            {"dev": "eth0", "via": "10.1.0.2", "new_dev": "flannel.1", "new_via": "10.244.2.0", "onlink": "yes"},
        ),
        (
            "ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink metric 50",
            {"dev": "flannel.1", "via": "10.244.2.0", "new_dev": "eth0", "new_via": "10.1.0.2"},
        ),
    ],
)
def test_kernel(space: Space, line: str, parameters: dict[str, str]) -> None:
    """The kernel's table after the command is the model's, and after the undo what it was."""
    for each in (*TUNNEL, line):
        space.run(each)
    applied, after, undone, before = space.tried("route.redirect", SHOWN, dst="10.244.2.0/24", **parameters)
    assert applied is not None
    assert routes(applied) == routes(after) != routes(before)
    assert routes(undone) == routes(before)


def test_no_such_route() -> None:
    """What is not there cannot be sent elsewhere."""
    facts = node()
    made = operation("route.redirect", facts, dst="10.5.0.0/16", new_dev="eth0", new_via="10.1.0.7")
    assert made.apply(facts) is None
    assert (made.commands(), made.undo()) == (("ip route replace 10.5.0.0/16 via 10.1.0.7 dev eth0",), ())
    assert "net-conf.json" in made.persist()[0]
