"""IPsec's policies and states, recorded from ``ip xfrm``."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import from_command, sections
from collectors.parsers.xfrm import parse
from collectors.place import Place
from engine.facts import Fact, Source

RECORDED = Path(__file__).parents[2] / "recordings" / "xfrm"


def facts(name: str, command: str) -> list[Fact]:
    """Facts of a recording."""
    return parse(Source(name, (RECORDED / name).read_text(), command), Place("n1"))


def test_policies() -> None:
    """Selectors, verdicts, and what packets must be wrapped into; the listing is whole."""
    found = facts("ip_xfrm_policy", "ip xfrm policy")
    policies = [dict(f.fields) for f in found if f.kind == "xfrm_policy"]
    assert policies[0] == {
        "src": "10.9.0.0/16", "dst": "10.1.0.7/32", "protocol": "tcp", "dport": 80, "dir": "in", "action": "block", "priority": 5, "templates": (),
    }  # fmt: skip
    ends = {"src": "192.0.2.2", "dst": "192.0.2.1", "proto": "esp", "reqid": 1, "mode": "tunnel"}
    assert policies[1]["templates"] == ({**ends, "level": "use"},)
    assert policies[2]["dir"] == "out"
    assert [f.get("what") for f in found if f.kind == "collected"] == ["xfrm_policies"]


def test_states_without_keys() -> None:
    """Ends, protocol and mode of an association; no fact holds a key."""
    found = facts("ip_xfrm_state_list_nokeys", "ip xfrm state list nokeys")
    assert [dict(f.fields) for f in found if f.kind == "xfrm_state"] == [
        {"src": "192.0.2.1", "dst": "192.0.2.2", "proto": "esp", "mode": "tunnel", "spi": "0x00000100", "reqid": 1}
    ]
    assert [f.get("what") for f in found if f.kind == "collected"] == ["xfrm_states"]


def test_nothing_there_is_a_whole_listing() -> None:
    """No output means that there are none; a socket's own policy is none of the machine's."""
    assert [f.get("what") for f in parse(Source("x", "", "ip xfrm policy"), Place("n1"))] == ["xfrm_policies"]
    text = "src 0.0.0.0/0 dst 0.0.0.0/0 \n\tsocket in priority 0 ptype main \n"
    assert [f.kind for f in parse(Source("x", text, "ip xfrm policy"), Place("n1"))] == ["collected"]


def test_the_format_is_known() -> None:
    """By the command line, and by the text alone."""
    hint = from_command("ip -s xfrm policy")
    assert hint is not None
    assert hint.format == "xfrm"
    assert [s.format for s in sections("paste.txt", (RECORDED / "ip_xfrm_policy").read_text())] == ["xfrm"]


@given(st.text(alphabet="src dt/10.2\n\tpolitem ", max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever the text, there are facts or an account of what was not understood."""
    parse(Source("x", text, "ip xfrm policy"), Place("n1"))
