"""Rulesets of families netdev and bridge with what Linux 6.18 makes of packets: measured by ``test_frames.py``, with and without a kernel.

Client 10.1.0.2 and server 10.1.0.3 hang on ports ``pc`` and ``ps`` of bridge ``br0`` (10.1.0.1) of the router, host ``far`` (10.2.0.2) on its
``eth1`` (10.2.0.1).  Rulesets stand on the router.
"""

from __future__ import annotations

from tests.engine.walk.native_cases import LATE, NO, OK, Case, chain

BRIDGED = "client tcp 10.1.0.3 80"
UP = "client tcp 10.1.0.1 22"
OWN = "router tcp 10.1.0.3 80"
ROUTED = "client tcp 10.2.0.2 80"
PING = "client icmp 10.1.0.3 0"
OWN_PING = "router icmp 10.1.0.3 0"
LOOP = "router tcp 127.0.0.1 22"


def device(hook: str, devices: str, *rules: str, family: str = "netdev", **more: str) -> str:
    """A table with a chain on devices."""
    words = f'device "{devices}"' if " " not in devices else f"devices = {{ {', '.join(devices.split())} }}"
    return chain(f"{hook} {words}", *rules, family=family, **more)


def bridged(hook: str, *rules: str, **more: str) -> str:
    """A table with a chain on a hook of bridges."""
    return chain(hook, *rules, family="bridge", **more)


CASES = [
    Case("ingress of a routed device", device("ingress", "eth1", "ip saddr 10.2.0.2 drop"), {ROUTED: LATE, BRIDGED: OK}),
    Case("ingress of another address", device("ingress", "eth1", "ip saddr 10.2.0.9 drop"), {ROUTED: OK}),
    Case("ingress of a port", device("ingress", "pc", "tcp dport 80 drop"), {BRIDGED: LATE, ROUTED: LATE, UP: OK, OWN: OK, PING: OK}),
    Case("ingress of ports", device("ingress", "pc ps", "ip saddr 10.1.0.3 drop"), {BRIDGED: LATE, OWN: LATE, UP: OK, ROUTED: OK}),
    Case("ingress of a bridge", device("ingress", "br0", "ip saddr 10.1.0.3 drop"), {BRIDGED: OK, OWN: LATE, UP: OK}),
    Case("ingress of loopback", device("ingress", "lo", "tcp dport 22 drop"), {LOOP: LATE, UP: OK}),
    Case("ingress of family inet", device("ingress", "pc", "tcp dport 80 drop", family="inet"), {BRIDGED: LATE, UP: OK}),
    Case("ingress rejects", device("ingress", "pc", "tcp dport 80 reject"), {BRIDGED: NO, ROUTED: NO, UP: OK}),
    Case("ingress resets", device("ingress", "pc", "tcp dport 80 reject with tcp reset"), {BRIDGED: NO, ROUTED: NO}),
    Case("ingress marks", device("ingress", "pc", "tcp dport 80 meta mark set 7") + chain("forward", "meta mark 7 drop"), {ROUTED: LATE, UP: OK}),
    Case(
        "ingress asks for the type of frames",
        device("ingress", "pc", "ether type arp accept", "meta protocol ip accept", policy="drop"),
        {BRIDGED: OK, UP: OK},
    ),
    Case("egress of a bridge", device("egress", "br0", "ip daddr 10.1.0.3 drop"), {BRIDGED: OK, OWN: LATE, OWN_PING: "ENOBUFS"}),
    Case("egress of a port", device("egress", "ps", "ip daddr 10.1.0.3 drop"), {BRIDGED: LATE, OWN: LATE, OWN_PING: LATE, UP: OK}),
    Case("egress of a routed device", device("egress", "eth1", "tcp dport 80 drop"), {ROUTED: LATE, BRIDGED: OK}),
    Case("egress of loopback", device("egress", "lo", "tcp dport 22 drop"), {LOOP: LATE, UP: OK}),
    Case("prerouting of a bridge", bridged("prerouting", 'iifname "pc" tcp dport 80 drop'), {BRIDGED: LATE, ROUTED: LATE, OWN: OK}),
    Case("input of a bridge", bridged("input", 'iifname "pc" ip daddr 10.2.0.2 drop'), {ROUTED: LATE, BRIDGED: OK, UP: OK}),
    Case("forward of a bridge", bridged("forward", 'iifname "pc" oifname "ps" ip daddr 10.1.0.3 drop'), {BRIDGED: LATE, OWN: OK, UP: OK}),
    Case("forward of a bridge, but ARP", bridged("forward", "ether type arp accept", policy="drop"), {BRIDGED: LATE, OWN: OK}),
    Case("output of a bridge", bridged("output", 'oifname "ps" ip daddr 10.1.0.3 drop'), {BRIDGED: OK, OWN: LATE, OWN_PING: LATE}),
    Case("postrouting of a bridge", bridged("postrouting", 'oifname "ps" tcp dport 80 drop'), {BRIDGED: LATE, OWN: LATE, PING: OK}),
    Case(
        "of two chains of a bridge both count",
        bridged("forward", "accept", priority="-300", table="one") + bridged("forward", "tcp dport 80 drop", table="two"),
        {BRIDGED: LATE},
    ),
]
