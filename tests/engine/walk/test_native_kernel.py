"""Native nftables rulesets on the running kernel: every case of the table is measured again, and the model reads what ``nft`` itself lists."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from collectors.evidence import read_files
from collectors.parsers.nftables import parse
from collectors.place import Place
from engine.facts import HOST, Fact, FactBase, Source
from engine.model import build
from engine.walk import walk
from engine.walk.trace import Flow
from tests.engine.walk.native_cases import CASES, Case
from tests.fuzz.kernel import LONG, SHORT, Kernel
from tests.fuzz.scenario import FIRST_SPORT, Probe, Scenario, Stack
from tests.lab.machine import why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run")]

SCENARIO = Scenario(
    {
        "client": Stack(ip=["link set eth0 up", "addr add 10.1.0.2/24 dev eth0", "route add default via 10.1.0.1"]),
        "router": Stack(
            {"net.ipv4.ip_forward": 1},
            ["link set eth0 up", "link set eth1 up", "addr add 10.1.0.1/24 dev eth0", "addr add 10.2.0.1/24 dev eth1"],
            listen=[["tcp", "0.0.0.0", 22], ["tcp", "0.0.0.0", 8080], ["udp", "0.0.0.0", 53]],
        ),
        "server": Stack(
            ip=["link set eth0 up", "addr add 10.2.0.2/24 dev eth0", "addr add 10.2.0.3/24 dev eth0", "route add default via 10.2.0.1"],
            listen=[["tcp", "0.0.0.0", 80], ["tcp", "0.0.0.0", 8080], ["udp", "0.0.0.0", 80]],
        ),
    },
    [["client", "eth0", "router", "eth0"], ["router", "eth1", "server", "eth0"]],
    [],
)
