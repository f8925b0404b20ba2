"""``wg show`` in its two forms (wireguard-tools 1.0.20210914)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.parsers.wireguard import parse
from collectors.place import Place
from engine.facts import Fact, Source

SHOWN = """interface: wg0
  public key: 8fGpxyb3NmVXkxm6PUDw4OmvSjHyzHMBjHXkcDlz2nM=
  private key: (hidden)
  listening port: 51820

peer: nLyu3l0cPpH4V7PVzdKCsRu0uVpVj3dQzVnh0yX4qSo=
  endpoint: 10.20.0.12:51820
  allowed ips: 10.244.2.0/24, fd00:2::/64
  latest handshake: 1 minute, 3 seconds ago
  transfer: 1.24 KiB received, 1.10 KiB sent
  persistent keepalive: every 25 seconds
"""
DUMPED = (
    "wg0\tSECRETSECRET=\t8fGpxyb3NmVXkxm6PUDw4OmvSjHyzHMBjHXkcDlz2nM=\t51820\toff\n"
    "wg0\tnLyu3l0cPpH4V7PVzdKCsRu0uVpVj3dQzVnh0yX4qSo=\tSECRETPSK=\t10.20.0.12:51820\t10.244.2.0/24,fd00:2::/64\t1700000000\t1270\t1126\t25\n"
)


def facts(text: str, command: str = "wg show") -> list[Fact]:
    """Facts of a text."""
    return parse(Source("pasted", text, command), Place("n1", "host"))


def test_forms_agree() -> None:
    """Both forms give the same device and peer."""
    names = ("kind", "device", "public_key", "port", "endpoint", "endpoint_port", "allowed")
    shown, dumped = facts(SHOWN), facts(DUMPED, "wg show all dump")
    assert [[f.kind, *(f.get(n) for n in names)] for f in shown] == [[f.kind, *(f.get(n) for n in names)] for f in dumped]
    assert shown[1].get("allowed") == ("10.244.2.0/24", "fd00:2::/64")
    assert shown[1].get("handshake") == 63


def test_no_key_becomes_evidence() -> None:
    """The private and preshared keys of a dump are in no field and in no line that a report may print."""
    told = " ".join(f"{dict(f.fields)} {f.text}" for f in facts(DUMPED, "wg show all dump") if f.kind != "collected")
    assert "SECRET" not in told


@given(st.text(alphabet="interfacepeerallowed ips: endpoint\n\t0123456789./,=()", max_size=200))
def test_any_text(text: str) -> None:
    """No text makes the parser raise, and every fact is of a declared kind."""
    assert {f.kind for f in facts(text)} <= {"wireguard_device", "wireguard_peer", "collected", "not_collected", "unparsed"}
