"""What a symptom says of the machine that nobody showed."""

from __future__ import annotations

import pytest

from engine.suppose.said import OVER_VPN, holds_containers, published_port, vpn_server


@pytest.mark.parametrize(
    ("symptom", "port"),
    [
        ("podman container with -p 8080:80 is not reachable", (8080, 80)),
        ("docker run -p 127.0.0.1:8081:80 refuses", (8081, 80)),
        ("the published port 6200 times out", (6200, 6200)),
        ("host can't reach published ports: curl http://192.168.1.5:3333 hangs", (3333, 3333)),
        ("curl http://192.168.1.5:3333 hangs", None),
        ("nothing listens on port 80", None),
        ("which ports are exposed?", None),
    ],
)
def test_published_port(symptom: str, port: tuple[int, int] | None) -> None:
    """The option's words, or a port beside a word for publishing; a port alone is nobody's."""
    assert published_port(symptom) == port


@pytest.mark.parametrize(
    ("symptom", "server"),
    [
        ("openvpn clients have no internet", ("tun0", "10.8.0.0/24")),
        ("wireguard peers cannot reach the lan", ("wg0", "10.13.13.0/24")),
        ("clients on the vpn get no answer", ("tun0", "10.8.0.0/24")),
        ("the vpn is slow", None),
        ("vpn clients of wireguard in a docker container have no internet", None),
    ],
)
def test_vpn_server(symptom: str, server: tuple[str, str] | None) -> None:
    """Who speaks of a VPN's clients has its server, unless that is a container's own affair."""
    assert vpn_server(symptom) == server


@pytest.mark.parametrize(
    ("symptom", "over"), [("curl hangs over the vpn", True), ("since the vpn is up", True), ("the vpn container restarts", False)]
)
def test_what_leaves_by_a_tunnel(symptom: str, *, over: bool) -> None:
    """Words for the way, not the mere word."""
    assert bool(OVER_VPN.search(symptom)) is over


@pytest.mark.parametrize(
    ("symptom", "holds"),
    [("containers on mybr0 get no answer", True), ("the guest behind mybr0", True), ("mybr0 is down", False), ("containers on mybr01", False)],
)
def test_devices_that_containers_hang_on(symptom: str, *, holds: bool) -> None:
    """Only the device itself, beside a word for those on it."""
    assert holds_containers(symptom, "mybr0") is holds
