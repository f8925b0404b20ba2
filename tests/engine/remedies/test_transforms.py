"""Operations on IPsec's policies."""

from __future__ import annotations

from engine.facts import Fact, FactBase
from engine.remedies import OPERATIONS, Site

POLICY = Fact(
    "xfrm_policy",
    {
        "dir": "out", "action": "allow", "priority": 7, "src": "10.1.0.0/24", "dst": "10.2.0.0/24", "protocol": "tcp", "dport": 80,
        "templates": ({"src": "192.0.2.1", "dst": "192.0.2.2", "proto": "esp", "reqid": 1, "mode": "tunnel", "level": "use"},),
    },
    "n1",
)  # fmt: skip
OTHER = Fact("xfrm_policy", {"dir": "in", "action": "block", "priority": 0, "src": "10.1.0.0/24", "dst": "10.2.0.0/24", "templates": ()}, "n1")


def test_delete() -> None:
    """The policy of that direction and selector goes; the undo writes it with priority and templates."""
    facts = FactBase([POLICY, OTHER])
    given = {"dir": "out", "src": "10.1.0.0/24", "dst": "10.2.0.0/24", "proto": "tcp", "dport": "80"}
    made = OPERATIONS["xfrm.delete"](given, Site(facts, "n1", "host"))
    after = made.apply(facts)
    assert after is not None
    assert list(after.facts) == [OTHER]
    selector = "src 10.1.0.0/24 dst 10.2.0.0/24 proto tcp dport 80 dir out"
    assert made.commands() == (f"ip xfrm policy delete {selector}",)
    tmpl = "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 1 mode tunnel level use"
    assert made.undo() == (f"ip xfrm policy add {selector} priority 7 {tmpl}",)
    assert made.verify()
    assert made.persist()


def test_another_selector_is_another_policy() -> None:
    """Without the port it is a policy that is not there."""
    facts = FactBase([POLICY])
    made = OPERATIONS["xfrm.delete"]({"dir": "out", "src": "10.1.0.0/24", "dst": "10.2.0.0/24"}, Site(facts, "n1", "host"))
    assert (made.apply(facts), made.undo()) == (None, ())
