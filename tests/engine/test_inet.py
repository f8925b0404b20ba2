"""Addresses and prefixes: the same answers as :mod:`ipaddress`."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.inet import BITS, Prefix, family_of, in_prefix, is_address, prefix, prefixes, to_int, to_text

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
NETWORKS = st.one_of(
    st.builds(lambda a, n: ipaddress.ip_network((int(a), n), strict=False), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda a, n: ipaddress.IPv6Network((int(a), n), strict=False), st.ip_addresses(v=6), st.integers(0, 128)),
)
NEAR = st.builds(lambda last, n: ipaddress.IPv4Network((0x0A000000 | last, n), strict=False), st.integers(0, 255), st.integers(24, 32))
"""Small prefixes of one /24: they overlap often."""


def same(ours: Prefix, theirs: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether two prefixes are one."""
    return (ours.family, ours.value, ours.length) == (theirs.version, int(theirs.network_address), theirs.prefixlen)


@given(ADDRESSES)
def test_address_round_trip(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """The value of an address is that of ipaddress, and its text is canonical."""
    text = str(address)
    assert (family_of(text), to_int(text)) == (address.version, int(address))
    assert ipaddress.ip_address(to_text(int(address), address.version)) == address
    assert to_int(to_text(int(address), address.version)) == int(address)


@given(NETWORKS)
def test_prefix_arithmetic(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    """Value, mask and last address of a prefix equal those of ipaddress."""
    ours = prefix(str(network))
    assert same(ours, network)
    assert (ours.mask, ours.last) == (int(network.netmask), int(network.broadcast_address))
    assert same(prefix(str(ours)), network)


@given(NETWORKS, ADDRESSES)
def test_holds(network: ipaddress.IPv4Network | ipaddress.IPv6Network, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """An address lies in a prefix exactly when ipaddress says so; across families it never does."""
    assert in_prefix(str(address), str(network)) == (address.version == network.version and address in network)


@given(NEAR, NEAR)
def test_covers_and_overlaps(one: ipaddress.IPv4Network, other: ipaddress.IPv4Network) -> None:
    """A prefix covers its subnets, and overlaps what it covers or is covered by."""
    assert prefix(str(one)).covers(prefix(str(other))) == other.subnet_of(one)
    assert prefix(str(one)).overlaps(prefix(str(other))) == one.overlaps(other)


@given(st.integers(0, 32))
def test_dotted_mask(length: int) -> None:
    """A contiguous dotted mask is its length."""
    mask = ipaddress.IPv4Network((0, length)).netmask
    assert prefix(f"10.255.3.7/{mask}") == prefix(f"10.255.3.7/{length}")


def test_host_bits_are_cleared() -> None:
    """A prefix keeps no host bits, and a bare address is a host prefix."""
    assert str(prefix("10.1.2.3/8")) == "10.0.0.0/8"
    assert str(prefix("fd00::1")) == "fd00::1/128"
    assert prefix("10.1.2.3").length == BITS[4]


@pytest.mark.parametrize("text", ["10.0.0.0/33", "fd00::/129", "10.0.0.0/255.0.255.0", "10.0.0/8", "x", "", "10.0.0.0/x", "::1/-1", "10.0.0.0/"])
def test_not_a_prefix(text: str) -> None:
    """Bad text raises ``ValueError``: nothing is guessed."""
    with pytest.raises(ValueError, match=r"not an IP address|out of range|not a contiguous"):
        prefix(text)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("10.0.0.1", True),
        ("::1", True),
        ("10.0.0.1/8", False),
        ("010.0.0.1", False),
        ("", False),
        ("fe80::1%eth0", False),
    ],
)
def test_is_address(text: str, right: bool) -> None:
    """Only a bare address is one."""
    assert is_address(text) is right


def test_prefixes() -> None:
    """Of some texts those that are prefixes, whatever the others are."""
    assert list(map(str, prefixes(["10.0.0.1/8", "foo/bar", None, 7, "fd00::/64"]))) == ["10.0.0.0/8", "fd00::/64"]


def test_is_address_of_no_text() -> None:
    """What is no text is no address."""
    nothing: object = None
    assert not is_address(nothing)  # type: ignore[arg-type]  # decoded JSON may hold anything
