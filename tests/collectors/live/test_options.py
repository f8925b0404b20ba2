"""What a collection says of itself."""

from __future__ import annotations

from collectors.live.options import Item, Summary


def test_only_what_was_not_read_is_skipped() -> None:
    """An item with a reason is skipped; one that failed or was cut was read all the same."""
    read = Item("ip -j link", "nodes/n1/ip_-j_link", "n1", "host", exit_status=1, truncated=True, error="no")
    skipped = Item("ipset save", "", "n1", "host", "ipsets", skipped="ipset is not installed")
    assert Summary("b", "n1", ("host",), (read, skipped)).skipped == (skipped,)
    assert Summary("b", "n1", ("host",), (read,)).skipped == ()
