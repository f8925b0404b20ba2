"""Native nftables rulesets with what Linux 6.18 makes of packets: measured by ``test_native_kernel.py``, held against the model without a kernel too.

Client 10.1.0.2, router 10.1.0.1 and 10.2.0.1, server 10.2.0.2 and 10.2.0.3.  The server listens on tcp 80 and 8080 and udp 80, the router on
tcp 22 and 8080 and udp 53.  Rulesets stand on the router where no other stack is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent

WEB = "client tcp 10.2.0.2 80"
OTHER = "client tcp 10.2.0.2 8080"
CLOSED = "client tcp 10.2.0.2 81"
SECOND = "client tcp 10.2.0.3 80"
DNS = "client udp 10.2.0.2 80"
PING = "client icmp 10.2.0.2 0"
SSH = "client tcp 10.1.0.1 22"
PROXY = "client tcp 10.1.0.1 8080"
VIP = "client tcp 10.9.9.9 80"
"""An address that nobody has, behind the router."""
OUT = "router tcp 10.2.0.2 80"
OUT_UDP = "router udp 10.2.0.2 80"
OWN = "router tcp 10.2.0.1 22"

OK, LATE, NO = "connected", "timeout", "ECONNREFUSED"


@dataclass(frozen=True)
class Case:
    """One ruleset and the outcome of probes."""

    name: str
    rules: str
    sees: dict[str, str]
    stack: str = "router"
    legacy: str = ""
    """``iptables-legacy-restore`` input, on the same stack."""
    also: dict[str, str] = field(default_factory=dict)
    """Rulesets of other stacks."""


def chain(
    hook: str,
    *rules: str,
    kind: str = "filter",
    priority: str = "filter",
    policy: str = "accept",
    family: str = "inet",
    table: str = "t",
    more: str = "",
) -> str:
    """A table with one base chain."""
    lines = "\n".join(f"\t\t{rule}" for rule in rules)
    other = dedent(more).strip("\n")
    return (
        f"table {family} {table} {{\n{other}\n\tchain base {{\n\t\ttype {kind} hook {hook} priority {priority}; policy {policy};\n{lines}\n\t}}\n}}\n"
    )


def forward(*rules: str, **more: str) -> str:
    """Rules on the forward hook."""
    return chain("forward", *rules, **more)


def dnat(*rules: str, **more: str) -> str:
    """Rules on the nat prerouting hook."""
    return chain("prerouting", *rules, **{"kind": "nat", "priority": "dstnat", "family": "ip", **more})


SETS = """
\tset nets {
\t\ttype ipv4_addr
\t\tflags interval
\t\telements = { 10.1.0.0/25, 10.2.0.3 }
\t}
\tset pairs {
\t\ttype ipv4_addr . inet_service
\t\tflags interval
\t\telements = { 10.2.0.0/24 . 80-90, 10.2.0.2 . 22 }
\t}
\tmap verdicts {
\t\ttype ipv4_addr . inet_proto . inet_service : verdict
\t\telements = { 10.2.0.2 . tcp . 80 : goto service, 10.2.0.2 . tcp . 8080 : drop }
\t}
\tchain service {
\t\treject with tcp reset
\t}
"""


def dump(table: str, *rules: str, **policies: str) -> str:
    """What ``iptables-legacy-restore`` loads as one table."""
    chains = {"filter": ("INPUT", "FORWARD", "OUTPUT"), "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")}.get(
        table, ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
    )
    return "\n".join([f"*{table}", *(f":{name} {policies.get(name, 'ACCEPT')} [0:0]" for name in chains), *rules, "COMMIT", ""])


CASES = [
    # --- verdicts and policies ------------------------------------------------------------------------------------
    Case("policy drop", forward(policy="drop"), {WEB: LATE, DNS: LATE, SSH: OK}),
    Case("accept before policy", forward("tcp dport 80 accept", "tcp sport 80 accept", policy="drop"), {WEB: OK, OTHER: LATE}),
    Case("drop by port", forward("tcp dport { 80, 8000-8079 } drop"), {WEB: LATE, OTHER: OK, DNS: OK}),
    Case("not in a set", forward("tcp dport != { 80 } ct direction original drop", "accept"), {WEB: OK, OTHER: LATE, DNS: OK}),
    Case("not in a set: answers too", forward("tcp dport != { 80 } drop", "accept"), {WEB: LATE, OTHER: LATE, DNS: OK}),
    Case("return of a base chain", forward("tcp dport 80 return", "accept", policy="drop"), {WEB: LATE, OTHER: OK}),
    Case("jump and return", forward("jump u", "drop", more="\tchain u {\n\t\ttcp dport 80 return\n\t\taccept\n\t}"), {WEB: LATE, OTHER: OK}),
    Case("goto falls off", forward("goto u", "drop", more="\tchain u {\n\t\ttcp dport 81 drop\n\t}"), {WEB: OK, CLOSED: LATE}),
    Case(
        "goto in a called chain",
        forward("jump u", "drop", more="\tchain u {\n\t\tgoto v\n\t\taccept\n\t}\n\tchain v {\n\t\tcounter\n\t}"),
        {WEB: LATE},
    ),
    Case("a verdict map that returns ends its rule", forward("tcp dport vmap { 80 : jump u } drop", more="\tchain u {\n\t\tcounter\n\t}"), {WEB: OK}),
    # --- priorities -----------------------------------------------------------------------------------------------
    Case("accept ends one chain only", forward("accept", priority="-10") + forward("drop", table="u", priority="10"), {WEB: LATE}),
    Case("drop is final", forward("drop", priority="-10") + forward("accept", table="u", priority="10"), {WEB: LATE}),
    Case("reject before drop", forward("reject", priority="-10") + forward("drop", table="u", priority="10"), {WEB: NO}),
    Case("drop before reject", forward("reject", priority="10") + forward("drop", table="u", priority="-10"), {WEB: LATE}),
    Case("equal priorities: the last registered first", forward("drop") + forward("reject", table="u"), {WEB: NO}),
    Case("equal priorities, the other way", forward("reject") + forward("drop", table="u"), {WEB: LATE}),
    Case("ip and inet chains on one hook", forward("drop", family="ip") + forward("reject", table="u"), {WEB: NO}),
    Case("ip6 table sees no IPv4", forward("drop", family="ip6"), {WEB: OK}),
    Case("bridge and arp tables see no IP", forward("drop", family="bridge"), {WEB: OK}),
    Case("mark set earlier", forward("meta mark set 0x00000007", priority="mangle") + forward("meta mark 0x00000007 drop", table="u"), {WEB: LATE}),
    Case("mark set too late", forward("meta mark set 0x00000007", priority="10") + forward("meta mark 0x00000007 drop", table="u"), {WEB: OK}),
    Case("before the forward hook", chain("prerouting", "tcp dport 80 drop", priority="raw") + forward("reject", table="u"), {WEB: LATE, OTHER: NO}),
    Case("postrouting knows where a packet came in", chain("postrouting", 'iifname "eth0" tcp dport 80 drop'), {WEB: LATE, OTHER: OK, OUT: OK}),
    Case("postrouting", chain("postrouting", "tcp dport 80 drop", priority="srcnat"), {WEB: LATE, OTHER: OK}),
    # --- addresses, devices, sets ---------------------------------------------------------------------------------
    Case("source prefix", forward("ip saddr 10.1.0.0/24 ip daddr 10.2.0.3 drop"), {WEB: OK, SECOND: LATE}),
    Case("address range", forward("ip daddr 10.2.0.3-10.2.0.9 drop"), {WEB: OK, SECOND: LATE}),
    Case("address mask", forward("ip daddr & 0.0.0.3 == 0.0.0.3 drop"), {WEB: OK, SECOND: LATE}),
    Case("named interval set", forward("ip daddr @nets ct direction original drop", more=SETS), {WEB: OK, SECOND: LATE}),
    Case("not in a named set", forward("ip saddr @nets ip daddr != @nets drop", more=SETS), {WEB: LATE, SECOND: OK}),
    Case("concatenation with intervals", forward("ip daddr . tcp dport @pairs drop", more=SETS), {WEB: LATE, OTHER: OK, DNS: OK, SECOND: LATE}),
    Case("anonymous concatenation", forward("ip saddr . ip daddr . tcp dport { 10.1.0.2 . 10.2.0.2 . 80 } drop"), {WEB: LATE, SECOND: OK}),
    Case("devices", forward('iifname "eth0" oifname "eth1" tcp dport 80 drop'), {WEB: LATE, OTHER: OK}),
    Case("wrong device", forward('iifname "eth1" oifname "eth0" tcp dport 80 drop'), {WEB: OK}),
    Case("device wildcard", forward('iifname "eth*" tcp dport 80 drop'), {WEB: LATE}),
    Case("device set", forward('iifname . tcp dport { "eth0" . 80, "eth1" . 8080 } drop'), {WEB: LATE, OTHER: OK}),
    Case("no device on output", chain("output", 'iifname != "lo" tcp dport 80 drop'), {OUT: LATE, WEB: OK}),
    Case("device by index", forward('iif "eth0" oif "eth1" drop'), {WEB: LATE}),
    # --- protocols ------------------------------------------------------------------------------------------------
    Case("l4proto set", forward("meta l4proto { tcp, udp } th dport 80 drop"), {WEB: LATE, DNS: LATE, PING: OK, OTHER: OK}),
    Case("udp is no tcp", forward("udp dport 80 drop"), {WEB: OK, DNS: LATE}),
    Case("negation needs the protocol", forward("udp dport != 53 drop"), {WEB: OK, DNS: LATE, PING: OK}),
    Case("other protocols", forward("meta l4proto != tcp drop"), {WEB: OK, DNS: LATE, PING: LATE}),
    Case("icmp type", forward("icmp type echo-request drop"), {PING: LATE, WEB: OK}),
    Case("icmp reply", forward("icmp type { echo-reply, destination-unreachable } drop"), {PING: LATE}),
    Case("tcp flags", forward("tcp flags syn / fin,syn,rst,ack drop"), {WEB: LATE, DNS: OK}),
    Case("tcp flags of the answer", forward("tcp flags syn,ack / fin,syn,rst,ack drop"), {WEB: LATE}),
    Case("no tcp flag of", forward("tcp flags ! ack drop"), {WEB: LATE}),
    Case("tcp flags equal", forward("tcp flags == syn drop"), {WEB: LATE}),
    Case("tcp flags not equal", forward("tcp flags != syn drop"), {WEB: LATE}),
    Case("family", forward("meta nfproto ipv6 drop"), {WEB: OK}),
    Case("family of an inet rule", forward("ip6 daddr != fd00::1 drop"), {WEB: OK}),
    Case("packet length", forward("meta length > 59 tcp flags syn / syn,ack drop"), {WEB: LATE}),
    # --- conntrack ------------------------------------------------------------------------------------------------
    Case("state", forward("ct state established,related accept", "tcp dport 80 ct state new accept", policy="drop"), {WEB: OK, OTHER: LATE}),
    Case(
        "state verdict map",
        forward("ct state vmap { invalid : drop, established : accept, related : accept }", "tcp dport 80 accept", policy="drop"),
        {WEB: OK, OTHER: LATE},
    ),
    Case("answers not let back", forward("ct state new accept", policy="drop"), {WEB: LATE, DNS: LATE}),
    Case("direction", forward("ct direction reply drop"), {WEB: LATE}),
    Case("state is invalid before conntrack", chain("prerouting", "ct state invalid tcp dport 80 drop", priority="raw"), {WEB: LATE, OTHER: OK}),
    Case(
        "notrack",
        chain("prerouting", "tcp dport 80 notrack", priority="raw") + forward("ct state untracked reject", table="u"),
        {WEB: NO, OTHER: OK},
    ),
    Case(
        "no NAT for untracked packets",
        chain("prerouting", "tcp dport 80 notrack", priority="raw") + dnat("tcp dport { 80, 8080 } redirect to :8080", table="u"),
        {"client tcp 10.1.0.1 80": NO, "client tcp 10.1.0.1 8080": OK},
    ),
    Case(
        "ct mark", forward("ct mark set 0x00000005", priority="-10") + forward("ct direction reply ct mark 0x00000005 drop", table="u"), {WEB: LATE}
    ),
    Case(
        "restored mark",
        forward("ct mark set 0x00000005", "ct direction reply meta mark set ct mark", "meta mark & 0x00000001 == 0x00000001 drop"),
        {WEB: LATE},
    ),
    Case(
        "original destination",
        dnat("ip daddr 10.9.9.9 dnat to 10.2.0.2") + forward("ct original ip daddr 10.9.9.9 reject", table="u"),
        {VIP: NO, WEB: OK},
    ),
    Case("status", dnat("ip daddr 10.9.9.9 dnat to 10.2.0.2") + forward("ct status dnat accept", table="u", policy="drop"), {VIP: OK, WEB: LATE}),
    Case(
        "no status without a change", dnat("meta l4proto tcp dnat to 10.2.0.2") + forward("ct status dnat reject", table="u"), {WEB: OK, SECOND: NO}
    ),
    # --- verdict maps ---------------------------------------------------------------------------------------------
    Case("verdict map by port", forward("tcp dport vmap { 80 : drop, 8080 : accept }", "reject"), {WEB: LATE, DNS: NO, CLOSED: NO}),
    Case("verdict map with a default", forward("tcp dport vmap { 80 : accept, * : drop }", policy="accept"), {WEB: LATE, OTHER: LATE, DNS: OK}),
    Case(
        "verdict map of services",
        forward("ip daddr . meta l4proto . th dport vmap @verdicts", more=SETS),
        {WEB: NO, OTHER: LATE, CLOSED: NO, SECOND: OK},
    ),
    Case(
        "verdict map of prefixes",
        forward("ip daddr vmap { 10.2.0.0/31 : drop, 10.2.0.2 : accept, 10.2.0.3-10.2.0.9 : drop }"),
        {WEB: OK, SECOND: LATE},
    ),
    # --- rejections -----------------------------------------------------------------------------------------------
    Case("reject", forward("reject"), {WEB: NO, DNS: NO}),
    Case("reject host-prohibited", forward("reject with icmp host-prohibited"), {WEB: "EHOSTUNREACH", DNS: "EHOSTUNREACH"}),
    Case("reject admin-prohibited", forward("reject with icmpx admin-prohibited"), {WEB: "EHOSTUNREACH", DNS: "EHOSTUNREACH"}),
    Case("reject no-route", forward("reject with icmpx no-route"), {WEB: "ENETUNREACH", DNS: LATE}),
    Case("reject host-unreachable", forward("reject with icmp host-unreachable"), {WEB: "EHOSTUNREACH", DNS: LATE}),
    Case("reject proto-unreachable", forward("reject with icmp prot-unreachable"), {WEB: "ENOPROTOOPT", DNS: "ENOPROTOOPT"}),
    Case("tcp reset", forward("meta l4proto tcp reject with tcp reset"), {WEB: NO, DNS: OK}),
    Case("tcp reset in an ip table", forward("reject with tcp reset", family="ip"), {WEB: NO, DNS: OK}),
    Case("reject for the other family", forward("reject with icmpv6 no-route"), {WEB: OK}),
    Case("reject on input", chain("input", "tcp dport 22 reject with icmp admin-prohibited"), {SSH: "EHOSTUNREACH", PROXY: OK}),
    Case("reject on output", chain("output", "tcp dport 80 reject"), {OUT: NO}),
    Case("drop on output", chain("output", "th dport 80 drop"), {OUT: LATE, OUT_UDP: "EPERM"}),
    # --- NAT ------------------------------------------------------------------------------------------------------
    Case("dnat", dnat("ip daddr 10.9.9.9 tcp dport 80 dnat to 10.2.0.2"), {VIP: OK}),
    Case("dnat with a port", dnat("tcp dport 81 dnat to 10.2.0.2:8080"), {CLOSED: OK}),
    Case("dnat of the port alone", dnat("tcp dport 81 dnat to :8080"), {CLOSED: OK}),
    Case("dnat in an inet table", dnat("tcp dport 81 dnat ip to 10.2.0.3:80", family="inet"), {CLOSED: OK}),
    Case("dnat for the other family", dnat("dnat ip6 to fd00::1", "tcp dport 81 dnat ip to 10.2.0.2:80", family="inet"), {CLOSED: OK}),
    Case("dnat by a map", dnat("dnat to tcp dport map { 80 : 10.2.0.3, 81 : 10.2.0.2 }"), {VIP: OK, CLOSED: NO}),
    Case("dnat by a map of ends", dnat("dnat ip to ip daddr . tcp dport map { 10.9.9.9 . 80 : 10.2.0.2 . 8080 }"), {VIP: OK, WEB: OK, CLOSED: NO}),
    Case(
        "dnat of a prefix",
        dnat("dnat ip prefix to ip daddr map { 10.9.9.0/29 : 10.2.0.0/29 }"),
        {"client tcp 10.9.9.2 80": OK, "client tcp 10.9.9.9 80": "ENETUNREACH"},
    ),
    Case("redirect", dnat("tcp dport 80 redirect to :8080"), {WEB: OK, CLOSED: NO}),
    Case("redirect by a map", dnat("meta l4proto tcp redirect to :tcp dport map { 81 : 8080 }"), {CLOSED: OK}),
    Case("redirect to the same port", dnat("ip daddr 10.9.9.9 redirect", "tcp dport 8080 redirect"), {OTHER: OK, VIP: NO}),
    Case(
        "the first translation wins",
        dnat("meta l4proto tcp dnat to 10.2.0.2:81", priority="-90") + dnat("meta l4proto tcp dnat to 10.2.0.2:80", table="u", priority="-110"),
        {VIP: OK},
    ),
    Case(
        "equal nat chains: the last registered first",
        dnat("meta l4proto tcp dnat to 10.2.0.2:81") + dnat("meta l4proto tcp dnat to 10.2.0.2:80", table="u"),
        {VIP: OK},
    ),
    Case("accept goes on to the next nat chain", dnat("meta l4proto tcp dnat to 10.2.0.2:80") + dnat("accept", table="u"), {VIP: OK}),
    Case("drop in a nat chain", dnat("tcp dport 80 drop", "tcp dport 8080 redirect"), {WEB: LATE, OTHER: OK}),
    Case("no nat chain is asked where nothing needs conntrack", dnat("tcp dport 80 drop"), {WEB: OK}),
    Case("a ct match wakes nat chains", dnat("tcp dport 80 drop") + forward("ct state invalid counter", table="u"), {WEB: LATE}),
    Case(
        "filter on prerouting sees the address before",
        dnat("ip daddr 10.9.9.9 dnat to 10.2.0.2") + chain("prerouting", "ip daddr 10.9.9.9 drop", table="u", priority="-110"),
        {VIP: LATE},
    ),
    Case(
        "filter on prerouting sees the address after",
        dnat("ip daddr 10.9.9.9 dnat to 10.2.0.2") + chain("prerouting", "ip daddr 10.9.9.9 drop", table="u", priority="-90"),
        {VIP: OK},
    ),
    Case(
        "all nat chains run in one place",
        dnat("ip daddr 10.9.9.9 dnat to 10.2.0.2", priority="-50") + chain("prerouting", "ip daddr 10.9.9.9 drop", table="u", priority="-80"),
        {VIP: OK},
    ),
    Case(
        "masquerade",
        chain("postrouting", 'oifname "eth1" masquerade', kind="nat", priority="srcnat", family="ip"),
        {WEB: OK},
        also={"server": chain("input", "ip saddr 10.1.0.2 drop")},
    ),
    Case("no masquerade", "", {WEB: LATE}, also={"server": chain("input", "ip saddr 10.1.0.2 drop")}),
    Case(
        "snat",
        chain("postrouting", "ip saddr 10.1.0.0/24 snat to 10.2.0.1", kind="nat", priority="srcnat", family="ip"),
        {WEB: OK},
        also={"server": chain("input", "ip saddr 10.1.0.2 drop")},
    ),
    Case(
        "snat by a map",
        chain("postrouting", "snat to ip saddr map { 10.1.0.2 : 10.2.0.1 }", kind="nat", priority="srcnat", family="ip"),
        {WEB: OK},
        also={"server": chain("input", "ip saddr 10.1.0.2 drop")},
    ),
    Case(
        "nat on output",
        chain("output", "ip daddr 10.9.9.9 dnat to 10.2.0.2", kind="nat", priority="-100", family="ip"),
        {"router tcp 10.9.9.9 80": "ENETUNREACH"},
    ),
    Case(
        "nat on output of a routed address",
        chain("output", "ip daddr 10.1.0.99 dnat to 10.2.0.2", kind="nat", priority="-100", family="ip"),
        {"router tcp 10.1.0.99 80": OK},
    ),
    Case("redirect on output", chain("output", "tcp dport 80 redirect to :22", kind="nat", priority="-100", family="ip"), {OUT: OK}),
    Case(
        "output devices stay those of the first decision",
        chain("output", "tcp dport 80 redirect to :22", kind="nat", priority="-100", family="ip")
        + chain("output", 'oifname "eth1" tcp dport 22 reject', table="u"),
        {OUT: NO},
    ),
    Case(
        "postrouting sees the device of the new way",
        chain("output", "tcp dport 80 redirect to :22", kind="nat", priority="-100", family="ip")
        + chain("postrouting", 'oifname "eth1" tcp dport 22 drop', table="u"),
        {OUT: OK},
    ),
    Case("service to an endpoint by numgen", dnat("ip daddr 10.9.9.9 dnat to numgen random mod 2 map { 0 : 10.2.0.2, 1 : 10.2.0.3 }"), {VIP: OK}),
    Case(
        "one endpoint by a verdict map",
        dnat("ip daddr 10.9.9.9 numgen random mod 1 vmap { 0 : goto e }", more="\tchain e {\n\t\tdnat to 10.2.0.2\n\t}"),
        {VIP: OK},
    ),
    # --- fib ------------------------------------------------------------------------------------------------------
    Case("fib daddr local", dnat("fib daddr type local tcp dport 22 dnat to 10.2.0.2:80"), {SSH: OK, WEB: OK}),
    Case("fib daddr not local", chain("prerouting", "fib daddr type != local drop", priority="raw"), {SSH: OK, WEB: LATE}),
    Case("fib of a device", chain("prerouting", "fib daddr . iif type local drop", priority="raw"), {SSH: LATE, "client tcp 10.2.0.1 22": OK}),
    Case("reverse path", chain("prerouting", "fib saddr . iif oif missing drop", priority="raw"), {WEB: OK, SSH: OK, OUT: OK}),
    Case("reverse path exists", chain("prerouting", "fib saddr . iif oif exists tcp dport 80 drop", priority="raw"), {WEB: LATE}),
    Case("reverse path of own packets", chain("prerouting", "fib saddr . iif oif missing drop", priority="raw"), {OWN: OK}),
    # --- beside iptables ------------------------------------------------------------------------------------------
    Case(
        "legacy accepts, nft drops",
        forward("drop"),
        {WEB: LATE},
        legacy=dump("filter", "-A FORWARD -j ACCEPT"),
    ),
    Case(
        "legacy drops, nft accepts",
        forward("accept"),
        {WEB: LATE},
        legacy=dump("filter", FORWARD="DROP"),
    ),
    Case(
        "nft before legacy",
        forward("reject with icmp host-prohibited", priority="-5"),
        {WEB: "EHOSTUNREACH"},
        legacy=dump("filter", FORWARD="DROP"),
    ),
    Case(
        "mark of legacy mangle",
        forward("meta mark 0x00000004 reject"),
        {WEB: NO, OTHER: OK},
        legacy=dump("mangle", "-A PREROUTING -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x4/0xffffffff"),
    ),
    Case(
        "native dnat before legacy dnat",
        dnat("ip daddr 10.9.9.9 meta l4proto tcp dnat to 10.2.0.2:80", priority="-110"),
        {VIP: OK},
        legacy=dump("nat", "-A PREROUTING -d 10.9.9.9/32 -p tcp -j DNAT --to-destination 10.2.0.2:81"),
    ),
]
