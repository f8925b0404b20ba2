"""One fact for each container, whatever listings show it."""

from __future__ import annotations

from time import process_time

from collectors.containers import entered, listed, merged
from engine.facts import Fact

LISTED = Fact("container", {"id": "1c2d3e4f5a6b", "name": "web", "state": "running", "ports": ({"host_port": 8080},)}, "n1")
JOINED = Fact("container", {"id": "1c2d3e4f5a6b" + "0" * 52, "name": "web", "endpoints": ({"network": "bridge", "address": "172.17.0.2"},)}, "n1")


def test_listings_complete_each_other() -> None:
    """The ports of one listing and the addresses of another are one container's."""
    (one,) = merged([LISTED, JOINED])
    assert (one.get("state"), one.get("ports"), one.get("endpoints")[0]["address"]) == ("running", ({"host_port": 8080},), "172.17.0.2")


def test_endpoints_of_one_network_are_one() -> None:
    """An endpoint that two listings show is there once, with what either tells; those of other networks stay."""
    ends = ({"network": "bridge", "mac": "02:42:ac:11:00:02"}, {"network": "front", "address": "172.18.0.2"})
    (one,) = merged([JOINED.having(endpoints=ends, state="running"), JOINED])
    first = {"network": "bridge", "address": "172.17.0.2", "mac": "02:42:ac:11:00:02"}
    assert one.get("endpoints") == (first, {"network": "front", "address": "172.18.0.2"})


def test_others_stay_apart() -> None:
    """Containers of other nodes, other identities or none, and other facts are left alone; ports that nobody listed stay unknown."""
    nameless = JOINED.having(id=None)
    facts = [JOINED, JOINED.at("n2", "host"), JOINED.having(id="ffff"), nameless, nameless, Fact("sysctl", {"key": "a"}, "n1")]
    assert merged(facts) == facts
    assert "ports" not in merged([JOINED, JOINED])[0].fields


def test_listed_tables_beat_front_ends() -> None:
    """What ufw or firewalld tell counts only where the table itself was not listed."""
    told = Fact("netfilter_table", {"family": 4, "table": "filter", "told": True}, "n1")
    shown = Fact("netfilter_table", {"family": 4, "table": "filter"}, "n1")
    assert listed([told, shown]) == [shown]
    assert listed([told, shown.at("n2", "host")]) == [told, shown.at("n2", "host")]


def test_known_by_its_name_alone() -> None:
    """An address that was told of a name is the container's that bears it, unless several do; what is known already is not told twice."""
    told = Fact("container", {"id": "", "name": "web", "endpoints": ({"network": "", "address": "172.18.0.9"},)}, "n1")
    (one,) = merged([LISTED, told])
    assert (one.get("ports"), [e["address"] for e in one.get("endpoints")]) == (LISTED.get("ports"), ["172.18.0.9"])
    (one,) = merged([JOINED, told.having(endpoints=({"network": "", "address": "172.17.0.2"},))])
    assert one.get("endpoints") == JOINED.get("endpoints")
    assert len(merged([LISTED, LISTED.having(id="ffffffffffff"), told])) == 3
    assert len(merged([LISTED.at("n2", "host"), told])) == 2


def test_a_process_that_was_entered_is_its_container() -> None:
    """What was run by ``nsenter -t PID -n`` was run in the container of that process on that node, on no other."""
    box = Fact("container", {"id": "", "name": "web", "pid": 214077}, "n1")
    inside = Fact("observed", {"program": "ping", "outcome": "timeout"}, "n1", "pid-214077")
    others = [inside.at("n2", "pid-214077"), inside.at("n1", "pid-7")]
    assert [f.stack for f in entered([box, inside, *others])] == ["host", "web", "pid-214077", "pid-7"]
    (whole,) = merged([LISTED, box])
    assert (whole.get("id"), whole.get("pid"), whole.get("ports")) == (LISTED.get("id"), 214077, LISTED.get("ports"))


def test_names_are_found_without_going_through_all() -> None:
    """3,000 containers that were named beside 3,000 that were listed take time by their number, not by its square; short identities name too."""
    whole = [LISTED.having(id=f"{number:012x}", name=f"box{number}", ports=()) for number in range(3_000)]
    told = [Fact("container", {"id": "", "name": f"box{number}", "pid": number + 1}, "n1") for number in range(3_000)]
    begin = process_time()
    made = merged([*whole, *told])
    assert process_time() - begin < 3
    assert [(fact.get("name"), fact.get("pid")) for fact in made] == [(f"box{number}", number + 1) for number in range(3_000)]
    (one,) = merged([LISTED, Fact("container", {"id": "", "name": "1c2d", "pid": 7}, "n1")])
    assert (one.get("name"), one.get("pid")) == ("web", 7)
