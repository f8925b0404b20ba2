"""Reading the words of a rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.facts import RuleLine
from engine.model.netfilter.matches import Share, Unmodelled
from engine.model.netfilter.rule import parse_rule, port_number, protocol_name
from engine.model.packet import PROTOCOL_NUMBERS
from tests.engine.model.netfilter.helper import PING, SYN, holds, rule

WORDS = st.sampled_from(
    [
        "-s",
        "-d",
        "-i",
        "-o",
        "-p",
        "-m",
        "-j",
        "-g",
        "!",
        "10.0.0.0/8",
        "tcp",
        "multiport",
        "--dports",
        "80",
        "80:90",
        "--tcp-flags",
        "SYN",
        "--match-set",
        "src,dst",
        "conntrack",
        "--ctstate",
        "NEW",
        "--comment",
        "-f",
        "--to",
        "DROP",
        "rpfilter",
        "--invert",
        "addrtype",
        "--limit-iface-in",
        "statistic",
        "--probability",
        "0.5",
        "-1",
        "--icmp-type",
        "x",
        "--mark",
        "0x1/",
        "owner",
        "--syn",
        "--src-range",
        "-",
    ]
)


@pytest.mark.parametrize(
    ("spec", "name", "goto", "options"),
    [
        ("-j ACCEPT", "ACCEPT", False, {}),
        ("-g KUBE-MARK", "KUBE-MARK", True, {}),
        ("--jump DNAT --to-destination 10.0.0.2:80", "DNAT", False, {"--to-destination": "10.0.0.2:80"}),
        ("-j REJECT --reject-with tcp-reset", "REJECT", False, {"--reject-with": "tcp-reset"}),
        ("-j MASQUERADE --random-fully", "MASQUERADE", False, {"--random-fully": ""}),
        ("-j MARK --set-xmark 0x4000/0x4000", "MARK", False, {"--set-xmark": "0x4000/0x4000"}),
        ('-j LOG --log-prefix "a -j DROP"', "LOG", False, {"--log-prefix": "a -j DROP"}),
        ("-s 10.0.0.0/8", "", False, {}),
        ("-j", "", False, {}),
    ],
)
def test_target(spec: str, name: str, goto: bool, options: dict[str, str]) -> None:
    """Target, jump or goto, and the target's options with their arguments."""
    target = rule(spec).target
    assert (target.name, target.goto, target.options) == (name, goto, options)


def test_place() -> None:
    """A rule knows its number, its line and its words."""
    read = parse_rule(RuleLine(17, "-s 10.0.0.0/8 -j ACCEPT"), 3)
    assert (read.number, read.line, read.spec) == (3, 17, "-s 10.0.0.0/8 -j ACCEPT")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-s ! 10.1.0.0/24", "! -s 10.1.0.0/24"),
        ("--source 10.1.0.2", "-s 10.1.0.2/32"),
        ("--protocol TCP", "-p tcp"),
        ("-p ! udp", "! -p udp"),
        ("-p tcp -m tcp --dport ! 80", "-p tcp ! --dport 80"),
        ("-s 10.1.0.0/255.255.255.0", "-s 10.1.0.0/24"),
        ("-p tcp --destination-port 80", "-p tcp --dport 80"),
        ("--in-interface eth0", "-i eth0"),
        ("-m multiport --destination-ports 80", "-m multiport --dports 80"),
        ('-m comment --comment "! -s 10.1.0.2" -p tcp', "-p tcp"),
    ],
)
def test_spellings(one: str, other: str) -> None:
    """Long options, masks and the ``!`` of old iptables mean the same as what iptables-save prints."""
    for packet in (SYN, PING):
        assert holds(one, packet) is holds(other, packet) is not None


@pytest.mark.parametrize(
    "spec",
    [
        "-s x",
        "-s",
        "-p tcp --dport nosuchservice",
        "-m set --match-set pods",
        "-p tcp --tcp-flags SYN",
        "--icmp-type nosuchtype",
        "-m mark --mark x",
        "-m iprange --src-range x",
        "-m length --length x",
        "-m conntrack --ctstate",
        "10.0.0.0/8",
    ],
)
def test_damaged_words_are_unknown(spec: str) -> None:
    """Words that cannot be understood make the rule unknown: it neither holds nor fails."""
    assert holds(f"{spec} -j DROP") is None


def test_hidden_interfaces() -> None:
    """``iptables -L`` without ``-v`` shows no interfaces: any rule of it may have some."""
    read = parse_rule(RuleLine(1, "-p tcp -j ACCEPT"), 1, devices_known=False)
    assert isinstance(read.matches[-1], Unmodelled)
    assert "without -v" in read.matches[-1].reason


@pytest.mark.parametrize(
    ("spec", "share"),
    [
        ("--mode random --probability 0.33333", "0.33333"),
        ("--mode nth --every 3 --packet 0", "1/3"),
        ("--mode random ! --probability 0.25000000000", "0.75"),
        ("--mode nth ! --every 3 --packet 0", "2/3"),
        ("--mode nth ! --every x", ""),
        ("--mode nth", ""),
        ("--mode random --probability", ""),
    ],
)
def test_share(spec: str, share: str) -> None:
    """A statistic match names the share of packets that it takes."""
    match = rule(f"-m statistic {spec} -j DROP").matches[0]
    assert isinstance(match, Share)
    assert match.share == share


def test_what_follows_an_opaque_match_is_read() -> None:
    """A match that is not modelled swallows its own options only."""
    read = rule("-m recent --update --seconds 60 --name x -s 10.1.0.0/24 -m owner --uid-owner 0 ! -d 10.9.0.9 -p tcp -m tcp --dport 80 -j DROP")
    assert [match.text for match in read.matches] == [
        "-m recent --update --seconds 60 --name x",
        "-s 10.1.0.0/24",
        "-m owner --uid-owner 0",
        "! -d 10.9.0.9",
        "-p tcp",
        "--dport 80",
    ]
    assert read.target.name == "DROP"
    assert "rate" in rule("-m limit --limit 1/s").matches[0].reason  # type: ignore[attr-defined]  # an Unmodelled has one


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("6", "tcp"),
        ("58", "icmpv6"),
        ("ipv6-icmp", "icmpv6"),
        ("4", "ipip"),
        ("ipencap", "ipip"),
        ("0", "all"),
        ("any", "all"),
        ("132", "sctp"),
        ("253", "253"),
    ],
)
def test_protocols(text: str, name: str) -> None:
    """Protocols by number and by every name that tools print; an unnamed number stays a number."""
    assert protocol_name(text) == name


def test_protocol_numbers_round_trip() -> None:
    """Every number that has a name leads to a name with that number."""
    for number in PROTOCOL_NUMBERS.values():
        assert PROTOCOL_NUMBERS[protocol_name(str(number))] == number


def test_port_names() -> None:
    """Ports by number, or by the names that ``iptables -L`` without ``-n`` prints."""
    assert (port_number("8080"), port_number("https")) == (8080, 443)
    with pytest.raises(KeyError):
        port_number("nosuchservice")


@given(st.lists(WORDS, max_size=12))
def test_any_words(words: list[str]) -> None:
    """Whatever stands in a dump becomes a rule, and asking it never fails."""
    assert holds(" ".join(words)) in {True, False, None}
