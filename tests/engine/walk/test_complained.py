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


@pytest.mark.parametrize(("symptom", "standing", "fits"), [
    ("curl 10.111.6.8: No route to host, from a pod", Standing.ROOT_CAUSE, True),
    ("curl 10.111.6.8: Connection refused, from a pod", Standing.UNDECIDED, True),
    ("curl 10.111.6.8 from a pod hangs until it times out", Standing.ROOT_CAUSE, False),
])  # fmt: skip
def test_refusal(symptom: str, standing: Standing, fits: bool, tmp_path: Path) -> None:
    """A REJECT that may be for some devices only is named where the client saw its very error; else it is possible, or the mismatch is said."""
    (tmp_path / "post.txt").write_text(LISTING, encoding="utf-8")
    report = diagnose(Request(symptom, (tmp_path,)))
    assert [(f.id, f.standing) for f in report.findings] == [("icmp-host-prohibited", standing)]
    assert (report.mismatch is None) == fits
