"""Native nftables rulesets in the walk: the measured table without a kernel, IPv6, what is unknown, and what a walk tells of native rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.walk import walk
from engine.walk.trace import Flow, Trace
from tests.engine.walk.native_cases import CASES, SETS, Case, chain, dnat, forward
from tests.engine.walk.world import World, found, lan, said


def world(rules: str, stack: str = "router") -> World:
    """The network of the cases, with a ruleset on one stack."""
    made = lan()
    made.stack("server").devices["eth0"].addresses = ("10.2.0.2/24", "10.2.0.3/24 scope global secondary")
    made.stack("server").listens("tcp 0.0.0.0:80", "tcp 0.0.0.0:8080", "udp 0.0.0.0:80")
    made.stack("router").listens("tcp 0.0.0.0:22", "tcp 0.0.0.0:8080", "udp 0.0.0.0:53")
    for node in ("client", "router", "server"):
        made.stack(node).shows("nft list ruleset", rules if node == stack else "")
    return made


def native(*rules: str, probe: str = "client tcp 10.2.0.2 80", text: str = "") -> Trace:
    """The walk of a probe past rules on the forward hook (or a whole ruleset)."""
    sender, protocol, dst, port = probe.split()
    return world(text or forward(*rules)).walk(sender, dst, int(port), protocol)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_measured_cases(case: Case) -> None:
    """The model predicts what was measured, from the ruleset as it was written."""
    made = world(case.rules, case.stack)
    for stack, text in case.also.items():
        made.stack(stack).shows("nft list ruleset", text)
    if case.legacy:
        made.stack(case.stack).iptables(case.legacy.replace("\nCOMMIT", ""), "legacy")
    for text, expected in case.sees.items():
        sender, protocol, dst, port = text.split()
        trace = made.walk(sender, dst, int(port), protocol)
        assert {trace.client_sees} | {outcome for _, _, outcome in trace.branches} == {expected}, text


# --- what a walk tells ----------------------------------------------------------------------------------------------


def test_drop_fact_of_a_rule() -> None:
    """The rule that ends a packet is named by table, chain, number, words, and its line in the listing."""
    trace = native(
        text=forward("accept", priority="-10", table="early")
        + forward("ip daddr 10.2.0.3 drop", "jump u", more="\tchain u {\n\t\ttcp dport 80 reject with icmp host-prohibited\n\t}")
    )
    drop = found(trace, "drop")
    wanted = {
        "backend": "nft",
        "table": "inet t",
        "chain": "u",
        "base_chain": "base",
        "number": 1,
        "target": "REJECT",
        "reject_with": "icmp-host-prohibited",
        "spec": "tcp dport 80 reject with icmp host-prohibited",
        "by": "rule",
        "hook": "FORWARD",
    }
    assert {name: drop.get(name) for name in wanted} == wanted
    assert drop.text == "tcp dport 80 reject with icmp host-prohibited"
    assert "inet t base: REJECT in u" in said(trace)


def test_drop_fact_of_a_policy() -> None:
    """A policy is named by the line of the base chain."""
    drop = found(native(text=forward("tcp dport 22 accept", policy="drop")), "drop")
    assert (drop.get("by"), drop.get("chain"), drop.get("number")) == ("policy", "base", None)
    assert drop.text == "type filter hook forward priority filter; policy drop;"


def test_nat_facts() -> None:
    """Translations and those that did not apply are told as for iptables."""
    trace = native(
        text=dnat(
            "ip daddr 10.8.8.8 dnat to 10.2.0.3",
            "ip daddr @nets dnat to 10.2.0.3",
            "tcp dport 81 dnat to 10.2.0.3",
            "ip daddr 10.9.9.9 tcp dport 80 dnat to 10.2.0.2:8080",
            more=SETS,
        ),
        probe="client tcp 10.9.9.9 80",
    )
    nat = found(trace, "nat")
    assert (nat.get("table"), nat.get("chain"), nat.get("target"), nat.get("number")) == ("ip t", "base", "DNAT", 4)
    assert (nat.get("before"), nat.get("after"), nat.get("after_port")) == ("10.9.9.9", "10.2.0.2", 8080)
    seen = [(f.get("number"), f.get("failed"), f.get("set")) for f in trace.facts if f.kind == "rule_seen"]
    assert seen == [(1, "ip daddr 10.8.8.8", None), (2, "ip daddr @nets", "nets")]


def test_json_evidence_has_words() -> None:
    """Of a JSON listing, which has no lines, the rule itself is shown."""
    text = (
        '{"nftables": [{"chain": {"family": "ip", "table": "t", "name": "f", "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}},'
        ' {"rule": {"family": "ip", "table": "t", "chain": "f", "expr": [{"drop": null}]}}]}'
    )
    made = world("")
    made.stack("router").unseen("nft list ruleset").shows("nft -j list ruleset", text)
    assert found(made.walk("client", "10.2.0.2"), "drop").text == "drop"


# --- what is unknown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("limit rate 10/second accept", "limit rate 10/second"),
        ("limit rate over 10/second drop", "limit rate over 10/second"),
        ("quota over 25 mbytes drop", "quota over 25 mbytes"),
        ("ct count over 10 reject", "ct count over 10"),
        ("ether daddr 02:00:00:00:00:01 drop", "ether daddr 02:00:00:00:00:01"),
        ('meta hour "10:00"-"12:00" drop', 'meta hour "10:00"-"12:00"'),
        ("ip saddr @unlisted drop", "ip saddr @unlisted"),
        ("xt match recent drop", "xt match recent"),
        ("frobnicate drop", "frobnicate drop"),
        ("queue num 3", "queue num 3"),
        ("ip saddr vmap @unlisted", "ip saddr"),
        ("ip daddr set 10.2.0.3", "ip daddr set 10.2.0.3"),
        ("jump unlisted", "jump unlisted"),
        ("add @s { ip saddr limit rate over 10/second } drop", "add @s { ip saddr limit rate over 10/second }"),
    ],
)
def test_what_no_listing_tells_is_unknown(rule: str, what: str) -> None:
    """Rules that hang on what a listing does not tell are followed both ways; the command that shows them is named."""
    trace = native(rule, *(["drop"] if rule.endswith("accept") else []))
    assert trace.client_sees == "depends"
    (unknown,) = trace.depends
    assert (unknown.what, unknown.command, unknown.node) == (what, "nft list chain inet t base", "router")
    assert unknown.line is not None
    assert rule in unknown.line.text


@pytest.mark.parametrize(
    "rule",
    [
        'limit rate 1/second log prefix "x"',
        "counter",
        "ct count over 5 counter",
        "ip dscp set cs1",
        "flow add @f",
        "xt target LOG",
        "meta nftrace set 1",
        "xt match recent continue",
    ],
)
def test_doubt_that_changes_nothing_is_not_told(rule: str) -> None:
    """What only counts or logs does not make an answer depend on anything."""
    trace = native(rule)
    assert (trace.client_sees, trace.depends) == ("connected", ())


def test_doubt_behind_a_failed_comparison_is_not_told() -> None:
    """A rule for other packets is not unknown for this one, whatever else it holds."""
    assert native("tcp dport 81 limit rate 1/second drop", "ip saddr 10.77.0.0/16 frobnicate").client_sees == "connected"


def test_key_in_doubt_is_followed_for_every_element() -> None:
    """A map asked with an unknown key may select any element that the known parts of the key allow."""
    trace = native("ip id . tcp dport vmap { 1 . 80 : drop, 2 . 81 : reject, 3 . 80 : accept }")
    assert trace.client_sees == "depends"
    assert {sees for _, _, sees in trace.branches} == {"timeout"}


def test_chance_is_a_branch_with_its_share() -> None:
    """Numbers by numgen and hashes are the kernel's own choice, no lack of evidence."""
    trace = native("numgen random mod 4 vmap { 0-2 : accept, 3 : drop }")
    assert (trace.client_sees, trace.depends) == ("depends", ())
    assert trace.branches == (("3", "1/4", "timeout"),)
    trace = native("numgen inc mod 10 < 3 reject")
    assert trace.branches == (("matches", "3/10", "ECONNREFUSED"), ("matches", "3/10", "timeout")), "of the request, of the answer"
    trace = native("meta random & 2147483647 < 715827883 drop")
    assert trace.branches == (("matches", "1/3", "timeout"),)
    assert native("jhash ip saddr mod 2 vmap { 0 : accept, 1 : accept }").client_sees == "connected"


def test_unknown_mark_is_said() -> None:
    """A mark that cannot be computed is taken as unchanged, and that is said."""
    trace = native("meta mark set ip id", "meta mark 0x00000007 drop")
    assert trace.client_sees == "connected"
    assert [u.what for u in trace.assumed] == ["ip id"]


def test_terse_listing_has_no_elements() -> None:
    """``nft -t`` leaves elements out: an empty set there is not empty."""
    made = world("")
    made.stack("router").unseen("nft list ruleset").shows(
        "nft -t list ruleset", forward("ip saddr @nets drop", more="\tset nets {\n\t\ttype ipv4_addr\n\t}")
    )
    assert made.walk("client", "10.2.0.2").client_sees == "depends"
    made.stack("router").unseen("nft -t list ruleset").hidden.discard("nft list ruleset")
    made.stack("router").shows("nft list ruleset", forward("ip saddr @nets drop", more="\tset nets {\n\t\ttype ipv4_addr\n\t}"))
    assert made.walk("client", "10.2.0.2").client_sees == "connected"


def test_order_of_legacy_and_nft_is_said() -> None:
    """Chains of equal priority of both backends: which refuses first is open, and what would settle it is said."""
    made = world(forward("reject"))
    made.stack("router").filter("-A FORWARD -j DROP")
    trace = made.walk("client", "10.2.0.2")
    assert trace.client_sees == "depends"
    assert [(u.what, u.command) for u in trace.depends] == [("order of FORWARD chains", "nft list hooks")]
    assert trace.branches == (("nftables runs first", "", "ECONNREFUSED"),)


def test_native_listing_alone_is_a_packet_filter() -> None:
    """Where only nft was asked, the packet filter counts as known."""
    made = world(forward("tcp dport 81 drop"))
    for node in ("client", "router", "server"):
        made.stack(node).unseen("iptables-save")
    trace = made.walk("client", "10.2.0.2")
    assert (trace.client_sees, trace.depends, trace.assumed) == ("connected", (), ())


# --- iptables-nft in the same listing -------------------------------------------------------------------------------

COMPAT = "# Warning: table ip filter is managed by iptables-nft, do not touch!\n" + chain(
    "forward", "tcp dport 80 xt match recent drop", family="ip", table="filter"
).replace("base", "FORWARD")


def test_dumped_tables_are_not_asked_twice() -> None:
    """A table that iptables-nft-save shows is read from there, with the arguments that nft loses."""
    made = world(COMPAT)
    assert made.walk("client", "10.2.0.2").client_sees == "depends"
    made.stack("router").iptables("*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -m tcp --dport 81 -j DROP", "nft")
    assert made.walk("client", "10.2.0.2").client_sees == "connected"


def test_table_of_an_unknown_backend() -> None:
    """A dump that does not tell its backend is of the listed table if it has all its chains."""
    made = world(COMPAT.replace("xt match recent drop", "drop"))
    made.stack("router").filter()
    assert made.walk("client", "10.2.0.2").client_sees == "connected"
    made = world(COMPAT.replace("xt match recent drop", "drop").replace("FORWARD", "OTHER"))
    made.stack("router").filter()
    assert made.walk("client", "10.2.0.2").client_sees == "timeout"


def test_legacy_dump_leaves_the_listed_table_alone() -> None:
    """A legacy table of the same name is another table."""
    made = world(COMPAT.replace("xt match recent drop", "drop"))
    made.stack("router").iptables("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]", "legacy")
    assert made.walk("client", "10.2.0.2").client_sees == "timeout"


def test_dormant_table() -> None:
    """A dormant table sees no packets."""
    assert native(text=forward("drop").replace("inet t {", "inet t {\n\tflags dormant")).client_sees == "connected"


# --- IPv6 -----------------------------------------------------------------------------------------------------------


def six(rules: str, dst: str = "fd02::2", port: int = 80, protocol: str = "tcp") -> str:
    """What a client sees over IPv6, past a router with a ruleset."""
    made = World()
    made.stack("client").device("eth0", "fd01::2/64").shows(
        "ip -6 route show table all", "fd01::/64 dev eth0 proto kernel metric 256\ndefault via fd01::1 dev eth0 metric 1024"
    )
    router = made.stack("router").device("eth0", "fd01::1/64").device("eth1", "fd02::1/64")
    router.shows("ip -6 route show table all", "fd01::/64 dev eth0 proto kernel metric 256\nfd02::/64 dev eth1 proto kernel metric 256")
    router.parameters |= {"net.ipv6.conf.all.forwarding": 1}
    server = made.stack("server").device("eth0", "fd02::2/64", "fd02::3/64")
    server.shows("ip -6 route show table all", "fd02::/64 dev eth0 proto kernel metric 256\ndefault via fd02::1 dev eth0 metric 1024").listens(
        "tcp [::]:80", "udp [::]:80"
    )
    for node in ("client", "router", "server"):
        made.stack(node).shows("nft list ruleset", rules if node == "router" else "").shows(
            "ip -6 rule", "0:\tfrom all lookup local\n32766:\tfrom all lookup main"
        )
    return walk(made.network(), Flow("client", "host", "", dst, port, protocol)).client_sees


@pytest.mark.parametrize(
    ("rule", "sees"),
    [
        ("ip6 daddr fd02::/64 drop", "timeout"),
        ("ip6 daddr { fd02::3, fd02::5-fd02::9 } drop", "connected"),
        ("ip saddr 0.0.0.0/0 drop", "connected"),
        ("meta nfproto ipv6 reject", "ECONNREFUSED"),
        ("meta nfproto ipv4 reject", "connected"),
        ("reject with icmpx admin-prohibited", "EACCES"),
        ("reject with icmpx no-route", "ENETUNREACH"),
        ("reject with icmpx host-unreachable", "EHOSTUNREACH"),
        ("reject with icmpv6 policy-fail", "EACCES"),
        ("reject with icmp host-prohibited", "connected"),
        ("ip6 nexthdr tcp drop", "timeout"),
        ("meta protocol ip6 th dport 80 drop", "timeout"),
        ("ct original ip6 daddr fd02::2 drop", "timeout"),
        ("ip6 hoplimit 63 drop", "timeout"),
    ],
)
def test_ipv6(rule: str, sees: str) -> None:
    """Fields and rejections of an inet table for an IPv6 packet."""
    assert six(forward(rule)) == sees


def test_families_of_tables() -> None:
    """An ip table sees no IPv6, an ip6 table does."""
    assert six(forward("drop", family="ip")) == "connected"
    assert six(forward("drop", family="ip6")) == "timeout"


def test_nat_over_ipv6() -> None:
    """Translations for one family leave packets of the other alone."""
    rules = dnat("dnat ip to 10.2.0.2", "tcp dport 81 dnat ip6 to [fd02::3]:80", family="inet")
    assert six(rules, "fd02::9", 81) == "connected"
    assert six(dnat("tcp dport 81 redirect to :80", family="inet"), "fd02::2", 81) == "ECONNREFUSED"


# --- rulesets of programs -------------------------------------------------------------------------------------------

RECORDINGS = Path(__file__).parents[2] / "recordings" / "nftables"


def recorded(name: str, form: str = "list") -> str:
    """A ruleset as nft listed it."""
    return (RECORDINGS / name / form).read_text()


@pytest.mark.parametrize("form", ["list", "list-a", "list-nn", "list-j"])
def test_firewalld(form: str) -> None:
    """A zone lets ssh in, rejects the rest as firewalld does, and forwards nothing that was not asked for."""
    made = world("")
    command = "nft -j list ruleset" if form == "list-j" else "nft list ruleset"
    made.stack("router").unseen("nft list ruleset").hidden.discard(command)
    made.stack("router").shows(command, recorded("firewalld", form))
    assert made.sees("client", "10.1.0.1", 22) == "connected"
    assert made.sees("client", "10.1.0.1", 53, "udp") == "EHOSTUNREACH"
    trace = made.walk("client", "10.2.0.2")
    assert trace.client_sees == "EHOSTUNREACH"
    assert (found(trace, "drop").get("chain"), found(trace, "drop").get("reject_with")) == ("filter_FORWARD", "icmp-admin-prohibited")


@pytest.mark.parametrize("form", ["list", "list-nn"])
def test_kube_proxy(form: str) -> None:
    """A cluster address leads to an endpoint, one of two by chance; ports without a service and services without endpoints are rejected."""
    made = world(recorded("kube-proxy", form))
    made.stack("router").device("eth2", "10.180.0.254/24")
    made.host("pods", "10.180.0.1/24", gateway="10.180.0.254").listens("tcp 0.0.0.0:80")
    made.stack("pods").devices["eth0"].addresses = ("10.180.0.1/24", "10.180.0.2/24 scope global secondary", "10.180.0.3/24 scope global secondary")
    trace = made.walk("client", "172.30.0.41")
    assert (trace.client_sees, found(trace, "nat").get("after")) == ("connected", "10.180.0.1")
    assert found(trace, "nat").get("chain") == "endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80"
    assert made.sees("client", "172.30.0.42") == "connected"
    assert made.sees("client", "172.30.0.41", 81) == "ENETUNREACH"
    made.stack("router").route("default via 10.2.0.9 dev eth1")
    assert made.sees("client", "172.30.0.41", 81) == "ECONNREFUSED"
    assert made.sees("client", "172.30.0.46", 80) == "ECONNREFUSED"
    assert made.sees("client", "172.30.0.99", 80) == "timeout"


def test_docker() -> None:
    """A published port leads to its container by verdict maps over devices; its other ports and the bridge without one are closed from outside."""
    made = world(recorded("docker"))
    made.stack("router").device("docker0", "172.17.0.1/16")
    made.host("container", "172.17.0.2/16", gateway="172.17.0.1").listens("tcp 0.0.0.0:80", "tcp 0.0.0.0:81")
    trace = made.walk("client", "10.1.0.1", 8080)
    assert (trace.client_sees, found(trace, "nat").get("after")) == ("connected", "172.17.0.2")
    assert made.sees("client", "172.17.0.2", 80) == "timeout"
    assert found(made.walk("client", "172.17.0.2", 80), "drop").get("chain") == "raw-PREROUTING"
    out = made.walk("container", "10.2.0.2")
    assert (out.client_sees, found(out, "nat").get("target"), found(out, "nat").get("after")) == ("connected", "MASQUERADE", "10.2.0.1")


@pytest.mark.parametrize("hook", ["prerouting", "input"])
def test_reverse_paths_of_loopback(hook: str) -> None:
    """Measured: what came in by lo counts as having its way back there, before routing as after it (``nft_fib_can_skip``)."""
    made = world(f"table ip t {{\n chain c {{\n  type filter hook {hook} priority 0; policy accept;\n  fib saddr . iif oif missing drop\n }}\n}}")
    made.stack("router").listens("tcp 0.0.0.0:80")
    assert made.sees("router", "10.1.0.1") == made.sees("router", "127.0.0.1") == "connected"
