"""Bridge ports that keep frames back."""

from __future__ import annotations

import pytest

from tests.engine.walk.world import World, found

MAC = "02:00:00:00:99:99"
OTHER = f"02:00:00:00:77:77 dev veth-a master cni0\n{MAC} dev veth-x master cni0"
KNOWN = f"{MAC} dev veth-b master cni0 static"


def world(switches: str, fdb: str = OTHER, *, state: str = "forwarding", family: int = 4) -> World:
    """Two pods on a bridge; the port of the one that serves has attributes, and the bridge knows the MACs that ``bridge fdb`` prints."""
    made = World()
    host = made.stack("n1").device("cni0", "10.244.0.1/24", kind="bridge").shows("bridge fdb show", fdb)
    ends = {4: ("10.244.0.2/24", "10.244.0.3/24"), 6: ("fd00::2/64", "fd00::3/64")}[family]
    made.pod("n1", "a", ends[0], bridge="cni0")
    made.pod("n1", "b", ends[1], bridge="cni0").listens("tcp 0.0.0.0:80", "tcp [::]:80")
    made.stack("n1", "b").devices["eth0"].mac = MAC
    host.devices["veth-b"].switches = switches
    host.devices["veth-b"].state = state
    return made


@pytest.mark.parametrize(
    ("switches", "fdb", "attribute"),
    [
        ("learning on flood on", OTHER, ""),
        ("learning off flood off", OTHER, "flood"),
        ("learning off flood off", KNOWN, ""),
        ("learning on flood off", OTHER, ""),
        ("learning off flood on", OTHER, ""),
        ("learning on flood on bcast_flood off", KNOWN, "bcast_flood"),
        ("learning on flood on mcast_flood off", OTHER, ""),
        ("learning on flood on locked on", OTHER, "locked"),
        ("learning on flood on locked on", KNOWN, ""),
    ],
)
def test_attributes(switches: str, fdb: str, attribute: str) -> None:
    """A frame leaves by a port if the bridge knows the MAC there, may learn or flood; a question needs floods; a locked port takes known MACs."""
    made = world(switches, fdb)
    trace = made.walk("n1/a", "10.244.0.3")
    assert (trace.client_sees == "connected") == (not attribute)
    if attribute:
        fact = found(trace, "closed_port")
        assert [fact.get(name) for name in ("device", "bridge", "attribute")] == ["veth-b", "cni0", attribute]
    else:
        assert not [f for f in trace.facts if f.kind == "closed_port"]


def test_the_bridge_s_own_frames() -> None:
    """What the machine itself sends by its bridge meets the same port."""
    fact = found(world("learning off flood off").walk("n1", "10.244.0.3"), "closed_port")
    assert (fact.get("attribute"), fact.get("mac")) == ("flood", MAC)


def test_neighbour_discovery_is_multicast() -> None:
    """IPv6 asks by multicast: it is that flood which counts."""
    assert found(world("learning on flood on mcast_flood off", family=6).walk("n1/a", "fd00::3"), "closed_port").get("attribute") == "mcast_flood"
    assert world("learning on flood on bcast_flood off", family=6).walk("n1/a", "fd00::3").client_sees == "connected"


def test_entries_that_nobody_listed() -> None:
    """Without the bridge's entries nothing is said to be lost."""
    made = world("learning off flood off")
    made.stack("n1").unseen("bridge fdb show")
    assert made.walk("n1/a", "10.244.0.3").client_sees == "connected"


@pytest.mark.parametrize("state", ["disabled", "blocking", "learning"])
def test_states(state: str) -> None:
    """A port that does not forward is told with its state, where nobody behind it answers."""
    fact = found(world("learning on flood on", state=state).walk("n1/a", "10.244.0.3"), "closed_port")
    assert [fact.get(name) for name in ("node", "device", "attribute", "value", "wanted")] == ["n1", "veth-b", "state", state, "forwarding"]
