"""What a complaint settles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.findings import Standing
from engine.pipeline import diagnose
from engine.request import Request

if TYPE_CHECKING:
    from pathlib import Path

LISTING = """\
[root@wk5 ~]# iptables -nL
Chain INPUT (policy ACCEPT)
target     prot opt source               destination

Chain FORWARD (policy ACCEPT)
target     prot opt source               destination
REJECT     all  --  0.0.0.0/0            0.0.0.0/0            reject-with icmp-host-prohibited

Chain OUTPUT (policy ACCEPT)
target     prot opt source               destination
"""


@pytest.mark.parametrize(("symptom", "found"), [
    ("curl 10.111.6.8: No route to host, from a pod", [("icmp-host-prohibited", Standing.ROOT_CAUSE)]),
    ("curl 10.111.6.8: Connection refused, from a pod", []),
    ("curl 10.111.6.8 from a pod hangs until it times out", []),
])  # fmt: skip
def test_refusal(symptom: str, found: list[tuple[str, Standing]], tmp_path: Path) -> None:
    """A REJECT that may be for some devices only counts as met where the client reported its very error, and nowhere else."""
    (tmp_path / "post.txt").write_text(LISTING, encoding="utf-8")
    assert [(f.id, f.standing) for f in diagnose(Request(symptom, (tmp_path,))).findings] == found
