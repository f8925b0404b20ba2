"""Counters that grew between two listings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.evidence import read
from engine.computed.growth import grown
from engine.pipeline import fact_base

if TYPE_CHECKING:
    from pathlib import Path

LISTING = """\
# iptables -vnL FORWARD
Chain FORWARD (policy DROP {policy} packets, 60 bytes)
 pkts bytes target     prot opt in     out     source               destination
  108  6300 ACCEPT     all  --  *      *       0.0.0.0/0            0.0.0.0/0            ctstate RELATED,ESTABLISHED
   {rule}  4260 DROP       all  --  *      *       0.0.0.0/0            0.0.0.0/0            ctstate INVALID
"""
COUNTED = "root@n1:~# netstat -s | grep -i listen\n    {number} times the listen queue of a socket overflowed\n"


def found(folder: Path, text: str) -> list[tuple[object, ...]]:
    """What grew, and by how much."""
    (folder / "post.txt").write_text(text, encoding="utf-8")
    return [(f.get("what"), f.get("name") or f.get("number") or f.get("target"), f.get("by")) for f in grown(fact_base(read([folder])))]


def test_rules_and_policies(tmp_path: Path) -> None:
    """A rule and a policy that met packets between two listings are told, with their number; what stood still is not."""
    text = LISTING.format(policy=1, rule=71) + "\n# curl web\n\n" + LISTING.format(policy=4, rule=77)
    assert sorted(found(tmp_path, text), key=str) == [("policy", "DROP", 3), ("rule", 2, 6)]
    assert found(tmp_path, LISTING.format(policy=1, rule=71) * 2) == []


def test_counters(tmp_path: Path) -> None:
    """A counter that was read twice has grown; one that was read once tells nothing of when."""
    assert found(tmp_path, COUNTED.format(number=18211) + COUNTED.format(number=19874)) == [("counter", "TcpExtListenOverflows", 1663)]
    assert found(tmp_path, COUNTED.format(number=18211)) == []
