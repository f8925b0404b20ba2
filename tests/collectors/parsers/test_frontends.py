"""ufw and firewalld tell what they let in; the INPUT chain that follows from it."""

from __future__ import annotations

from collectors.parsers.frontends import parse_firewalld, parse_ufw
from collectors.place import Place
from engine.facts import Fact, Source

UFW = """\
Status: active
Logging: on (low)
Default: deny (incoming), allow (outgoing), deny (routed)

To                         Action      From
--                         ------      ----
22/tcp                     ALLOW IN    Anywhere
OpenSSH                    LIMIT IN    10.0.0.0/8
80,443/tcp                 ALLOW       Anywhere                   # web
5432                       ALLOW IN    172.16.0.0/12
Anywhere on docker0        ALLOW IN    Anywhere
10.0.0.5 9100/tcp          DENY IN     Anywhere
22/tcp (v6)                ALLOW IN    Anywhere (v6)
53                         ALLOW OUT   Anywhere on eth0
"""
ZONE = """\
public (active)
  target: default
  interfaces: ens33
  sources:
  services: dhcpv6-client ssh
  ports: 80/tcp 8000-8010/tcp
  rich rules:

"""


def chain(found: list[Fact]) -> tuple[str, list[str]]:
    """Policy and rules of the INPUT chain, without what is always let in."""
    (table,) = [f for f in found if f.kind == "netfilter_table"]
    (one,) = table.get("chains")
    return one.policy, [rule.spec for rule in one.rules[3:]]


def test_ufw() -> None:
    """Rows become rules in order; those for IPv6, for answers and for forwarding are left out."""
    found = parse_ufw(Source("pasted", UFW), Place("n1"))
    assert chain(found) == ("DROP", [
        "-p tcp --dport 22 -j ACCEPT",
        "-s 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT",
        "-p tcp -m multiport --dports 80,443 -j ACCEPT",
        "-s 172.16.0.0/12 -p tcp --dport 5432 -j ACCEPT",
        "-s 172.16.0.0/12 -p udp --dport 5432 -j ACCEPT",
        "-i docker0 -j ACCEPT",
        "-d 10.0.0.5 -p tcp --dport 9100 -j DROP",
    ])  # fmt: skip
    assert [f.get("partial") for f in found] == [None]


def test_ufw_with_an_unknown_service() -> None:
    """A service whose ports nobody knows leaves the end of the chain open; an inactive ufw tells nothing."""
    (table,) = parse_ufw(Source("pasted", UFW + "CUPS from office           ALLOW IN    Anywhere\n"), Place("n1"))
    assert table.get("partial") is True
    assert parse_ufw(Source("pasted", "Status: inactive\n"), Place("n1")) == []


def test_firewalld() -> None:
    """What a zone does not list is rejected, as its default target does."""
    found = parse_firewalld(Source("pasted", ZONE), Place("n1"))
    assert chain(found) == ("ACCEPT", [
        "-p udp --dport 546 -j ACCEPT",
        "-p tcp --dport 22 -j ACCEPT",
        "-p tcp --dport 80 -j ACCEPT",
        "-p tcp --dport 8000:8010 -j ACCEPT",
        "-j REJECT --reject-with icmp-host-prohibited",
    ])  # fmt: skip


def test_several_zones() -> None:
    """An interface that a zone lists belongs to it; zones that nobody uses do not count."""
    trusted = "trusted (active)\n  target: ACCEPT\n  interfaces: docker0\n  services:\n  ports:\n"
    unused = "work\n  target: default\n  interfaces:\n  services: ssh\n  ports:\n"
    _, rules = chain(parse_firewalld(Source("pasted", ZONE + trusted + unused), Place("n1")))
    assert "-i docker0 -j ACCEPT" in rules
    assert "-i ens33 -j REJECT --reject-with icmp-host-prohibited" in rules
    assert "-i ens33 -p tcp --dport 22 -j ACCEPT" in rules


def test_rich_rules_leave_it_open() -> None:
    """Rich rules are not read: what the zone refuses in the end is then not known."""
    (table,) = parse_firewalld(Source("pasted", ZONE.rstrip() + '\n\trule family="ipv4" source address="10.0.0.0/8" accept\n'), Place("n1"))
    assert table.get("partial") is True
