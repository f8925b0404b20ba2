"""flannel's subnet.env."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.parsers.flannel import parse
from collectors.place import Place
from engine.facts import Source

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded


def test_a_lease() -> None:
    """The gateway address of the subnet is kept: it is the bridge's own."""
    text = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_IPV6_NETWORK=fd00::/48\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
    facts = parse(Source("nodes/n1/files/run/flannel/subnet.env", text), Place("n1"))
    expected = {"network": "10.244.0.0/16", "subnet": "10.244.1.1/24", "mtu": 1450, "ip_masq": True, "file": "/run/flannel/subnet.env"}
    assert [fact.fields for fact in facts] == [expected]


def test_nonsense_is_counted(recorded: Recorded) -> None:
    """Values that make no sense and lines of other files are no lease."""
    facts = recorded.text(parse, "FLANNEL_NETWORK=x\nFLANNEL_SUBNET=\nFLANNEL_MTU=big\nPATH=/bin\nwhat\n# comment\n")
    assert [fact.kind for fact in facts] == ["unparsed"]
    assert recorded.unparsed(facts) == 5
