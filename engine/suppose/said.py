"""What a symptom says of the machine that nobody showed: the port that a container publishes, the VPN that it serves or leaves by."""

from __future__ import annotations

import re
from typing import Final

_SERVERS: Final = (
    (re.compile(r"\bopenvpn\b|\btun0\b"), "tun0", "10.8.0.0/24"),
    (re.compile(r"\bwireguard\b|\bwg\d?\b"), "wg0", "10.13.13.0/24"),
    (re.compile(r"\b(?:pptp|l2tp)\b"), "ppp0", "192.168.42.0/24"),
    (re.compile(r"\bvpn\b"), "tun0", "10.8.0.0/24"),
)
"""Words for a VPN → the device of its server, and the network that its installers give to clients."""
_CLIENTS: Final = re.compile(
    r"\b(?:(?:open)?vpn|wireguard|wg|pptp|l2tp) (?:clients?|peers?)\b|\bclients? (?:of|on|over|through|via) (?:the )?(?:open)?vpn\b"
)

OLD_DOCKER0: Final = "172.17.42.1"
"""Address of docker0 before docker 1.9."""
OVER_VPN: Final = re.compile(
    r"\b(?:over|through|via|behind|with) (?:the |my |our |a |company |corporate )*(?:\w+ )?vpn\b"
    r"|\bvpn (?:is |was )?(?:up|on|active|enabled|connected|running)\b"
    r"|\bconnected to (?:the |my |our |a )?(?:\w+ )?vpn\b|连.{0,4}vpn|走.{0,2}vpn"
)
"""Words for what leaves by a tunnel."""
FIRST_TENANT: Final = 2
"""Number of the address in a bridge's subnet that its first container gets."""
_PUBLISHED: Final = re.compile(
    r"\b(?:publish|expos|mapped|map)\w*\b.*\bports?\b|\bports?\b.*\b(?:published|exposed|mapped|forwarded)\b|端口映射|映射端口"
)


def published_port(symptom: str) -> tuple[int, int] | None:
    """Port of the node and of the container that a symptom says one publishes; ``None`` if it does not."""
    if given := re.search(r"(?<![\w-])-p[ =]?(?:\d+(?:\.\d+){3}:)?(\d{1,5}):(\d{1,5})(?![\d:])", symptom):
        return int(given[1]), int(given[2])
    if not _PUBLISHED.search(symptom):
        return None
    named = re.search(r"\bport (\d{2,5})\b|://[^/\s:]+:(\d{2,5})\b|\d:(\d{2,5})\b", symptom)
    number = int(next(filter(None, named.groups()))) if named else 0
    return (number, number) if number else None


def vpn_server(symptom: str) -> tuple[str, str] | None:
    """Device and network of the VPN server that a node must be, by what is said of its clients.

    ``None`` if nothing is said, or the server runs in a container.
    """
    clients = _CLIENTS.search(symptom)
    if clients is None or re.search(r"\b(?:in|inside|as) (?:a |the )?(?:docker|container)\b|\bvpn containers?\b", symptom):
        return None
    return next(((device, own) for words, device, own in _SERVERS if words.search(symptom)), None)


def holds_containers(symptom: str, device: str) -> bool:
    """Whether a symptom says that containers or machines hang on a device."""
    words = r"\b(?:containers?|guests?|vms?|machines?|bridge|容器|网桥)"
    return re.search(rf"{words} (?:on |of |in |at |behind )?(?:the )?(?:bridge |network )?{re.escape(device.lower())}(?![\w-])", symptom) is not None
