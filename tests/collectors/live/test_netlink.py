"""Netlink messages that this kernel may not be able to make, in pyroute2's form."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.live import netlink


def info(kind: str, **data: Any) -> dict[str, Any]:
    """``linkinfo`` of a device of a kind."""
    told = netlink.link_info({"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": {"attrs": list(data.items())}}, {6: "eth0"})["info_data"]
    assert isinstance(told, dict)
    return told


def test_vlan_and_its_protocol() -> None:
    """802.1Q unless the device says otherwise."""
    assert info("vlan", IFLA_VLAN_ID=5, IFLA_VLAN_PROTOCOL=0x8100) == {"protocol": "802.1Q", "id": 5}
    assert info("vlan", IFLA_VLAN_ID=5, IFLA_VLAN_PROTOCOL=0x88A8)["protocol"] == "802.1ad"


@pytest.mark.parametrize(("data", "shown"), [
    ({"IFLA_IPIP_LOCAL": "10.0.0.1", "IFLA_IPIP_REMOTE": "0.0.0.0"}, {"local": "10.0.0.1", "remote": "any"}),
    ({"IFLA_IPIP_LOCAL": "10.0.0.1", "IFLA_IPIP_REMOTE": "10.0.0.2", "IFLA_IPIP_TTL": 64}, {"local": "10.0.0.1", "remote": "10.0.0.2", "ttl": 64}),
])
def test_tunnels_name_their_ends(data: dict[str, Any], shown: dict[str, Any]) -> None:
    """The unspecified address is iproute2's "any"."""
    assert info("ipip", **data) == shown


def test_geneve_and_ipvlan() -> None:
    """Id, port and remote of geneve; mode of ipvlan by name."""
    assert info("geneve", IFLA_GENEVE_ID=9, IFLA_GENEVE_REMOTE="10.0.0.2", IFLA_GENEVE_PORT=6081) == {"id": 9, "remote": "10.0.0.2", "port": 6081}
    assert info("ipvlan", IFLA_IPVLAN_MODE=1) == {"mode": "l3"}


@pytest.mark.parametrize(("address", "word"), [
    (None, "group"), ("239.1.1.1", "group"), ("10.0.0.1", "remote"), ("ff05::1", "group"), ("fd00::1", "remote"),
])
def test_a_vxlan_destination_is_a_group_or_a_remote(address: str | None, word: str) -> None:
    """Multicast addresses are groups."""
    assert netlink.group_word(address) == word


def test_an_unknown_kind_keeps_its_name() -> None:
    """A kind without a reader is named, and nothing is made up."""
    assert netlink.link_info({"IFLA_INFO_KIND": "wireguard"}, {}) == {"info_kind": "wireguard"}


def test_ip_j_says_default_where_there_is_no_destination() -> None:
    """No destination: ``default``; a destination of all bits: the bare address."""
    assert netlink.prefix(None, 0, 2) == "default"
    assert netlink.prefix(None, 8, 10) == "::/8"
    assert netlink.prefix("10.0.0.1", 32, 2) == "10.0.0.1"
    assert netlink.prefix("fd00::", 64, 10) == "fd00::/64"


def test_default_routes_of_ipv6_are_known_as_such() -> None:
    """A default route without a gateway is IPv6's if it bears a preference, as ``ip -j`` prints it; IPv4's has none."""
    message = {"flags": 0, "type": 1, "dst_len": 0, "src_len": 0, "tos": 0, "proto": 3, "scope": 0, "table": 254, "attrs": [("RTA_OIF", 6)]}
    assert netlink.route({**message, "family": 10}, {6: "eth0"}) == {"dst": "default", "dev": "eth0", "flags": [], "pref": "medium"}
    assert netlink.route({**message, "family": 2}, {6: "eth0"}) == {"dst": "default", "dev": "eth0", "flags": []}


@pytest.mark.parametrize(("value", "fields"), [
    ({"start": 80, "end": 90}, {"dport_start": 80, "dport_end": 90}),
    ({"start": 80, "end": 80}, {"dport": 80}),
    ("80:90", {"dport_start": 80, "dport_end": 90}),
])
def test_ports_of_rules_in_either_form(value: Any, fields: dict[str, int]) -> None:
    """A mapping or text, by the version of pyroute2."""
    assert netlink.port_range(value, "dport") == fields


def test_users_of_rules_in_either_form() -> None:
    """The same for the range of users."""
    for value in ({"start": 1, "end": 9}, "1:9"):
        assert netlink.rule_selectors({"FRA_UID_RANGE": value}) == {"uid_start": 1, "uid_end": 9}
    assert netlink.rule_selectors({"FRA_L3MDEV": 1, "FRA_IP_PROTO": 200}) == {"l3mdev": None, "ipproto": "ipproto-200"}


@pytest.mark.parametrize(("state", "shown"), [(0x80, "permanent"), (0xC0, "permanent"), (0x40, "static"), (0x4, "stale"), (0x2, "")])
def test_states_of_the_fdb(state: int, shown: str) -> None:
    """As ``bridge fdb`` prints them."""
    assert netlink.fdb_state(state) == shown


def test_a_listing_has_one_object_a_line() -> None:
    """A line number points at one object."""
    assert netlink.listing([{"a": 1}, {"b": 2}]) == '[{"a":1},\n{"b":2}]\n'
    assert netlink.listing([]) == "[]\n"


class Pretend:
    """Answers as an open netlink socket does, with many routes."""

    def get_links(self) -> list[dict[str, Any]]:
        """One device."""
        return [{"index": 1, "attrs": [("IFLA_IFNAME", "lo")]}]

    def get_routes(self, family: int) -> list[dict[str, Any]]:
        """Ten routes and a cached one."""
        made = {"family": family, "type": 1, "dst_len": 0, "src_len": 0, "tos": 0, "table": 254, "proto": 3, "scope": 0, "flags": 0, "attrs": []}
        return [{**made, "flags": netlink.CLONED}, *[made] * 10]


def test_a_huge_table_is_left_to_a_faster_program() -> None:
    """Past the limit the reader gives up early; cached routes do not count."""
    assert len(netlink.routes(Pretend(), 20)) == 20
    with pytest.raises(netlink.TooManyRecords):
        netlink.routes(Pretend(), 19)
