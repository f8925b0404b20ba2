"""Operations on VXLAN devices."""

from __future__ import annotations

import pytest

from engine.errors import RuleError
from engine.facts import Fact, FactBase
from engine.remedies import OPERATIONS, Operation, Site

HERE = ("n1", "host")


def fact(kind: str, **fields: object) -> Fact:
    """A fact of the device."""
    return Fact(kind, {"device": "vx0", **fields}, *HERE)


LINK = Fact(
    "link",
    {
        "name": "vx0", "type": "vxlan", "vxlan_id": 42, "vxlan_port": 8472,
        "vxlan_local": "10.0.0.1", "vxlan_remote": "239.1.1.1", "vxlan_device": "eth0", "vxlan_learning": False,
        "mac": "02:00:00:00:00:42", "mtu": 1450, "master": "br0",
    },
    *HERE,
)  # fmt: skip
REST = [
    fact("address", address="10.77.0.1", prefixlen=24, scope="global"),
    fact("address", address="fe80::1", prefixlen=64, scope="link"),
    fact("route", table="main", dst="10.77.0.0/24", protocol="kernel", scope="link", family=4),
    fact("route", table="main", dst="10.88.2.0/24", gateway="10.77.0.2", family=4),
    fact("neighbor", address="10.77.0.2", mac="02:00:00:00:00:02", state="PERMANENT"),
    fact("neighbor", address="10.77.0.3", mac="02:00:00:00:00:03", state="STALE"),
    fact("fdb", mac="02:00:00:00:00:02", dst="10.0.0.2", permanent=True),
    fact("fdb", mac="00:00:00:00:00:00", dst="239.1.1.1", permanent=True),
    Fact("neighbor", {"device": "eth0", "address": "10.0.0.2", "mac": "02:00:00:00:00:99", "state": "PERMANENT"}, *HERE),
]


def recreated(*facts: Fact, vni: str = "42", port: str = "4789") -> tuple[Operation, FactBase]:
    """The operation on some facts."""
    base = FactBase([*facts])
    return OPERATIONS["vxlan.recreate"]({"dev": "vx0", "vni": vni, "port": port}, Site(base, *HERE)), base


def lines(port: str) -> tuple[str, ...]:
    """What makes the device with a port."""
    return (
        "ip link del vx0",
        "ip link add vx0 address 02:00:00:00:00:42 mtu 1450 type vxlan id 42 local 10.0.0.1 group 239.1.1.1 dev eth0 dstport " + port + " nolearning",
        "ip link set vx0 master br0",
        "ip address add 10.77.0.1/24 dev vx0",
        "ip link set vx0 up",
        "ip route replace 10.88.2.0/24 via 10.77.0.2 dev vx0",
        "ip neigh replace 10.77.0.2 lladdr 02:00:00:00:00:02 dev vx0 nud permanent",
        "bridge fdb append 02:00:00:00:00:02 dev vx0 dst 10.0.0.2",
    )


def test_the_device_and_all_that_goes_with_it() -> None:
    """It gets its options, bridge, addresses, routes and written entries back; the undo makes it as it was."""
    made, base = recreated(LINK, *REST)
    assert (made.commands(), made.undo()) == (lines("4789"), lines("8472"))
    after = made.apply(base)
    assert after is not None
    assert [f.get("vxlan_port") for f in after.of_kind("link")] == [4789]
    assert [f.get("address") for f in after.of_kind("neighbor")] == ["10.77.0.2", "10.0.0.2"]
    assert made.verify()
    assert made.persist()


def test_a_device_that_was_not_seen() -> None:
    """A device whose options nobody knows is not taken away: it is looked at."""
    made, base = recreated(*REST)
    assert (made.commands(), made.undo(), made.apply(base)) == (("ip -d link show dev vx0",), (), None)


@pytest.mark.parametrize(("vni", "port"), [("0", "4789"), ("42", "65536"), ("x", "4789"), ("16777216", "4789")])
def test_no_vni_and_no_port(vni: str, port: str) -> None:
    """Values that no device can have are an error of the rule."""
    with pytest.raises(RuleError):
        recreated(LINK, vni=vni, port=port)
