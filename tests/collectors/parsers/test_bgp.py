"""BGP sessions, as calicoctl and BIRD print them."""

from __future__ import annotations

from collectors.classify import sections
from collectors.parsers.bgp import parse
from collectors.place import Place
from engine.facts import Source

CALICOCTL = """\
Calico process is running.

IPv4 BGP status
+--------------+-------------------+-------+----------+--------------------------------+
| PEER ADDRESS |     PEER TYPE     | STATE |  SINCE   |              INFO              |
+--------------+-------------------+-------+----------+--------------------------------+
| 10.20.0.12   | node-to-node mesh | up    | 23:30:04 | Established                    |
| 10.20.0.13   | node-to-node mesh | start | 08:01:12 | Active Socket: Connection      |
|              |                   |       |          | refused                        |
| 172.17.0.1   | node specific     | start | 08:01:12 | Connect                        |
+--------------+-------------------+-------+----------+--------------------------------+

IPv6 BGP status
No IPv6 peers found.

"""
BIRD = """\
BIRD v0.3.3+birdv1.6.8 ready.
name     proto    table    state  since       info
static1  Static   master   up     08:00:11
kernel1  Kernel   master   up     08:00:11
device1  Device   master   up     08:00:11
Mesh_10_20_0_12 BGP      master   up     08:00:21    Established
Mesh_10_20_0_13 BGP      master   start  08:00:11    Connect       Socket: Connection timed out
Node_fd00__5 BGP      master   start  2026-01-02 08:00:11    Active
"""


def test_calicoctl() -> None:
    """Each row is a session; only Established carries routes."""
    facts = parse(Source("x", CALICOCTL, "calicoctl node status"), Place("n1"))
    assert [(f.get("peer"), f.get("state"), f.get("established")) for f in facts if f.kind == "bgp_peer"] == [
        ("10.20.0.12", "up", True), ("10.20.0.13", "start", False), ("172.17.0.1", "start", False)]
    assert facts[-1].kind == "collected"


def test_wrapped_cell() -> None:
    """A long reason is wrapped into a row without a peer: it belongs to the session above."""
    facts = parse(Source("x", CALICOCTL), Place("n1"))
    assert [f.get("info") for f in facts if f.kind == "bgp_peer"][1] == "Active Socket: Connection refused"


def test_bird() -> None:
    """The names of sessions hold the peers' addresses; other protocols are no sessions."""
    facts = parse(Source("x", BIRD), Place("n1"))
    assert [(f.get("peer"), f.get("established"), f.get("info")) for f in facts if f.kind == "bgp_peer"] == [
        ("10.20.0.12", True, "Established"), ("10.20.0.13", False, "Connect Socket: Connection timed out"), ("fd00::5", False, "Active")]


def test_no_process() -> None:
    """Without its process a node has no session at all."""
    facts = parse(Source("x", "Calico process is not running.\n"), Place("n1"))
    assert [(f.get("peer"), f.get("established")) for f in facts if f.kind == "bgp_peer"] == [("", False)]


def test_recognised() -> None:
    """Both are known by what they look like."""
    assert [s.format for s in sections("a.txt", CALICOCTL)] == ["bgp"]
    assert [s.format for s in sections("a.txt", BIRD)] == ["bgp"]
