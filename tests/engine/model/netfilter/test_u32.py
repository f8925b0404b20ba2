"""``-m u32``: four octets of the packet, masked, shifted, followed and compared (``xt_u32.c``)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model.netfilter import u32
from tests.engine.model.netfilter.helper import PING, SYN, UDP, holds
from tests.engine.model.netfilter.test_matches import SYN6


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("0x6&0xff=0x6", True),
        ("0x6&0xff=0x11", False),
        ("0x6&0xFF=0x1,0x6", True),
        ("0xc=0xa010002", True),
        ("0x10&0xffff0000=0xa020000", True),
        ("0x10=0xa030000:0xa03ffff", False),
        ("0x0>>0x16&0x3c@0x0&0xffff=0x50", True),
        ("0x0>>0x16&0x3c@0x0&0xffff=0x0:0x3ff", True),
        ("0x0>>0x16&0x3c@0x0>>0x10=0x9c40", True),
        ("0x0>>0x16&0x3c@0xa&0xff00>>0x8=0x2", None),
        ("0x0>>0x16&0x3c@0xc>>0x10&0x12=0x2", True),
        ("0x0>>0x16&0x3c@0xc>>0x10&0x12=0x12", False),
        ("0x8>>0x18=0x40", True),
        ("0x4&0x1fff=0x0", True),
        ("0x0&0xffff=0x3c", True),
        ("0x6&0xff=0x6&&0xc=0xa010002", True),
        ("0x6&0xff=0x6 && 0xc=0xa010003", False),
        ("0x4>>0x10=0x7", None),
        ("0x4>>0x10=0x7&&0x6&0xff=0x11", False),
        ("0x4=0x74000:0x84000", None),
        ("0x4>>0x10=0x10000:0x20000", False),
        ("0x4>>0x10=0x0:0xffff", True),
        ("0x1c<<0x10=0x0:0xffffffff", True),
        ("0x4>>0x10@0x0=0x0", None),
        ("0x39=0x0:0xffffffff", False),
        ("0x0&0x0@0x38=0x0:0xffffffff", True),
        ("0x0&0xffff@0x0=0x0:0xffffffff", False),
    ],
)
def test_answers(words: str, answer: bool | None) -> None:
    """What hangs on known octets is decided, past the end nothing holds, and an open bit leaves only that open which hangs on it."""
    assert holds(f'-m u32 --u32 "{words}"') is answer
    assert holds(f'-m u32 ! --u32 "{words}"') is (None if answer is None else not answer)


@pytest.mark.parametrize("words", ["0x0<<0xffffffffff=0x0", "0x0>>0x20=0x0", "-0x4=0x0", "0x0&0x100000000=0x0"])
def test_no_words_of_the_kernel(words: str) -> None:
    """What no four octets hold, and shifts by more than these have, are not computed: nobody prints them."""
    assert holds(f'-m u32 --u32 "{words}"') is None


def test_fields_out_of_range() -> None:
    """A field that evidence fills with more than its octets hold bears what is left of it."""
    assert holds('-m u32 --u32 "0x8>>0x18=0x2c"', replace(SYN, ttl=300)) is True


def test_other_protocols() -> None:
    """UDP has the ports of TCP and nothing else that is known; of ICMP type and code are; of a foreign protocol the addresses."""
    assert holds('-m u32 --u32 "0x0>>0x16&0x3c@0x0&0xffff=0x50"', UDP) is True
    assert holds('-m u32 --u32 "0x0&0xffff=0x3c"', UDP) is None
    assert holds('-m u32 --u32 "0x0>>0x16&0x3c@0x0>>0x10=0x800"', PING) is True
    foreign = replace(SYN, protocol="neverheard")
    assert holds('-m u32 --u32 "0x6&0xff=0x6"', foreign) is None
    assert holds('-m u32 --u32 "0xc=0xa010002"', foreign) is True


def test_ipv6() -> None:
    """The header of IPv6 is laid out as it is: next header at octet 6, hop limit at 7, ports from 40 on."""
    packet = replace(SYN6, size=80, tos=0xB8)
    assert holds('-m u32 --u32 "0x3&0xff=0x0:0xff && 0x4>>0x8&0xff=0x6 && 0x4&0xff=0x40 && 0x28&0xffff=0x50 && 0x0>>0x14=0x6b8"', packet) is True
    assert holds('-m u32 --u32 "0x4>>0x10=0x28"', packet) is True


@pytest.mark.parametrize("words", ["", "0x6&0xff", "x=1", "0x6&=1", "0x6=0x1:x"])
def test_no_expression(words: str) -> None:
    """What is no expression is an error, which makes the match an unknown one."""
    with pytest.raises(ValueError):  # noqa: PT011 - of int() or of the parser, the maker of rules takes both
        u32.parse("--u32", words)
    assert holds(f'-m u32 --u32 "{words}"') is None
