"""Which parser reads what."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.classify import IGNORED, PARSERS, from_command, from_name, json_format, namespace_of, sections
from collectors.evidence import parser_of

RECORDINGS = Path(__file__).parents[1] / "recordings" / "loose"

NAMES = [
    ("iptables-save", "iptables", "iptables-save"),
    ("iptables.txt", "iptables", "iptables"),
    ("iptables-save-c.log", "iptables", "iptables-save"),
    ("iptables -t nat -S.txt", "iptables", "iptables -t nat -S"),
    ("iptables_-t_nat_-nvL", "iptables", "iptables -t nat -nvL"),
    ("iptables-t-nat-S.txt", "iptables", "iptables -t nat -S"),
    ("ip6tables-save", "iptables", "ip6tables-save"),
    ("iptables-legacy-save_-c", "iptables", "iptables-legacy-save"),
    ("nat.txt", "iptables", "iptables -t nat"),
    ("worker-1-iptables-save.txt", "iptables", "iptables-save"),
    ("ip-addr.txt", "link", "ip addr"),
    ("ip_a", "link", "ip a"),
    ("ipaddr", "link", "ip address"),
    ("ip_-d_-j_link", "link", "ip -d -j link"),
    ("ip-br-addr", "link", "ip -br addr"),
    ("node1_ip_addr.txt", "link", "ip addr"),
    ("ip r.txt", "route", "ip r"),
    ("routes.txt", "route", "ip route"),
    ("ip_route_show_table_all", "route", "ip route show table all"),
    ("ip-6-route.txt", "route", "ip -6 route"),
    ("route_-n", "route", "route -n"),
    ("route-n.txt", "route", "route -n"),
    ("netstat_-rn", "route", "netstat -rn"),
    ("ip_-6_rule", "rule", "ip -6 rule"),
    ("rules.txt", "rule", "ip rule"),
    ("ip_neigh", "neigh", "ip neigh"),
    ("arp_-n", "neigh", "arp -n"),
    ("bridge_fdb_show", "fdb", "bridge fdb show"),
    ("bridge_-d_-j_link", "port", "bridge -d -j link"),
    ("brctl_show", "brctl", "brctl show"),
    ("ss.out", "socket", "ss"),
    ("ss_-lntp", "socket", "ss -lntp"),
    ("netstat_-lntp", "socket", "netstat -lntp"),
    ("ifconfig-a.txt", "ifconfig", "ifconfig -a"),
    ("sysctl_-a", "sysctl", "sysctl -a"),
    ("sysctl.conf", "sysctl", "cat sysctl.conf"),
    ("etc_resolv.conf", "resolv", ""),
    ("files/etc/hosts", "hosts", ""),
    ("etc_cni_net.d_10-x.conflist", "cni", ""),
    ("cni/10-x.conf.bak", "cni", ""),
    ("/etc/cni/net.d/calico-kubeconfig", IGNORED, ""),
    ("/etc/cni/net.d/cni.lock", IGNORED, ""),
    ("run_flannel_subnet.env", "flannel", ""),
    ("ip_netns_exec_web_sysctl_-a", "sysctl", "ip netns exec web sysctl -a"),
    ("ip_netns_exec_web_ss_-lntp.txt", "socket", "ip netns exec web ss -lntp"),
    ("docker_network_inspect_bridge.json", "docker", "docker network inspect bridge"),
    ("kubectl_get_pods_-A_-o_wide", "kubernetes", "kubectl get pods -A -o wide"),
    ("conntrack-L.txt", "conntrack", "conntrack -L"),
    ("nft_list_ruleset", "nft", "nft list ruleset"),
    ("ipset_save", "ipset", "ipset save"),
    ("lsmod", "modules", "lsmod"),
    ("uname_-a", "host", "uname -a"),
    ("/proc/net/snmp", "counters", ""),
    ("ss_-s", "counters", "ss -s"),
    ("docker_ps", "docker", "docker ps"),
    ("journalctl_-u_docker.txt", "component_log", "journalctl -u docker"),
    ("journalctl_-k", "kernel_log", "journalctl -k"),
    ("bridge_vlan_show", IGNORED, "bridge vlan show"),
]


@pytest.mark.parametrize(("name", "format_name", "command"), NAMES)
def test_names_that_people_give_tell_format_and_command(name: str, format_name: str, command: str) -> None:
    """A name tells the format and, with its options, the command line that printed the file."""
    hint = from_name(name)
    assert hint is not None
    assert (hint.format, hint.command) == (format_name, command)


@pytest.mark.parametrize("name", ["foo", "output1.txt", "img.png", "zipped"])
def test_other_names_tell_nothing(name: str) -> None:
    """A name without a known word gives no hint; the content must decide."""
    assert from_name(name) is None


@pytest.mark.parametrize(("command", "format_name"), [
    ("ip netns exec web ip -d -j link", "link"),
    ("ip -n web route show table all", "route"),
    ("nsenter -t 812 -n iptables-save -c", "iptables"),
    ("docker network inspect bridge", "docker"),
    ("docker exec web ip addr", "link"),
    ("kubectl exec web -- ss -lntp", "socket"),
    ("sudo /usr/sbin/iptables -t nat -S", "iptables"),
    ("cat /etc/resolv.conf", "resolv"),
    ("cat /proc/modules", "modules"),
])
def test_a_command_line_tells_its_format_past_any_prefix(command: str, format_name: str) -> None:
    """``sudo``, ``nsenter`` and ``ip netns exec`` do not hide which program printed the output."""
    hint = from_command(command)
    assert hint is not None
    assert hint.format == format_name


@pytest.mark.parametrize(("command", "stack"), [
    ("ip netns exec web ip addr", "web"),
    ("ip -n web addr", "web"),
    ("ip_netns_exec_web_ip_addr", "web"),
    ("nsenter -t 812 -n ip addr", "pid-812"),
    ("nsenter --net=/run/netns/web ip a", "web"),
    ("docker exec -it web ip a", "web"),
    ("kubectl exec -n prod web-0 -- ip a", "web-0"),
    ("docker-compose exec -T api ip route", "api"),
    ("lxc exec c1 -- ip a", "c1"),
    ("sudo podman exec -u root db cat /etc/resolv.conf", "db"),
    ("docker run --rm -it busybox ip addr show eth0", "container"),
    ("docker run --rm --name probe alpine ip route", "probe"),
    ("docker run --rm --network host busybox ip addr", ""),
    ("ip netns list", ""),
    ("ip addr", ""),
])
def test_a_command_line_tells_its_namespace(command: str, stack: str) -> None:
    """An output belongs to the namespace that its command line was run in."""
    assert namespace_of(command) == stack


RECORDED = sorted(p for p in (RECORDINGS / "nodes").rglob("*") if p.is_file() and p.stat().st_size and "net.d" not in p.parts)


@pytest.mark.parametrize("path", RECORDED, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_content_alone_tells_what_the_name_tells(path: Path) -> None:
    """A real output under a meaningless name is recognised as what it is under its own."""
    text = path.read_text()
    named = from_name(path.name)
    assert named is not None
    assert [section.format for section in sections("x", text)] == [named.format]


def test_content_wins_over_a_wrong_name() -> None:
    """A file called after one command that holds another's output is read as what it holds."""
    text = (RECORDINGS / "nodes" / "node1" / "ip r.txt").read_text()
    found = sections("iptables-save", text)
    assert [(section.format, section.command) for section in found] == [("route", "")]


def test_prompts_cut_a_pasted_terminal() -> None:
    """Each prompt begins an output of the command that was typed, and line numbers stay the file's."""
    text = (RECORDINGS / "flat" / "paste.txt").read_text()
    found = sections("paste.txt", text)
    assert [section.command for section in found] == [
        "ip addr", "ip route show table all", "ip rule", "ip -6 rule", "iptables-save -c", "ss -lntup", "sysctl net.ipv4.ip_forward", "ip neigh",
    ]
    lines = text.split("\n")
    for section in found:
        first = next(number for number, line in enumerate(section.text.split("\n")) if line)
        assert section.text.split("\n")[first] == lines[first]


def test_prompts_name_the_host() -> None:
    """An output belongs to the host whose prompt stands above it, and what precedes the only host's first prompt to that host."""
    route, neigh = "default via 10.0.0.1 dev eth0\n", "10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE\n"
    two = f"{neigh}root@n1:~# ip route\n{route}[root@n2 ~]# ip route\n{route}{neigh}=== ip route ===\n{route}"
    told = [(section.format, section.host) for section in sections("x", two)]
    assert told == [("neigh", ""), ("route", "n1"), ("route", "n2"), ("neigh", "n2"), ("route", "n2")]
    assert [section.host for section in sections("x", f"{neigh}root@n1:~# ip route\n{route}")] == ["n1", "n1"]


@pytest.mark.parametrize("prompt", ["root@n1:~#", "[root@n1 ~]# ", "user@n1:/var$", "[root@n1 ~]#\r"])
def test_a_bare_prompt_ends_an_output(prompt: str) -> None:
    """Nothing was typed there, and it is no line of the output above; what stands below is no output of that command."""
    route = "default via 10.0.0.1 dev eth0\n"
    text = f"root@n1:~# ip neigh\n{prompt}\nroot@n1:~# ip route\n{route}{prompt}\n"
    assert [(s.format, s.text.strip()) for s in sections("x", text)] == [("neigh", ""), ("route", route.strip())]
    assert [(s.format, s.text.strip()) for s in sections("x", f"{text}lorem")] == [("neigh", ""), ("route", route.strip()), ("", "lorem")]
    assert [s.format for s in sections("x", f"lorem\n{prompt}\n")] == [""]


def test_outputs_without_headings_are_told_apart() -> None:
    """Outputs that follow each other without any heading are cut where another format begins, or the same one anew."""
    text = (RECORDINGS / "flat" / "all.txt").read_text()
    assert [s.format for s in sections("all.txt", text)] == ["link", "link", "route", "rule", "rule", "iptables", "sysctl"]


def test_json_and_text_may_follow_each_other() -> None:
    """JSON documents under banners are cut like text."""
    text = (RECORDINGS / "flat" / "json.txt").read_text()
    assert [(s.format, s.command) for s in sections("json.txt", text)] == [("link", "ip -j addr"), ("route", "ip -j route"), ("neigh", "ip neigh")]


def test_an_output_under_a_heading_may_be_empty() -> None:
    """A prompt followed by the next one is a command that printed nothing: collected and empty."""
    found = sections("paste", "[root@n1 ~]# iptables-save\n[root@n1 ~]# ip rule\n0:\tfrom all lookup local\n")
    assert [(s.format, s.command, s.text.strip() == "") for s in found] == [("iptables", "iptables-save", True), ("rule", "ip rule", False)]


def test_a_heading_may_lead_into_a_namespace() -> None:
    """The command line in a heading tells the namespace."""
    found = sections("paste", "$ ip netns exec web ip route\ndefault via 10.0.0.1 dev eth0\n$ ip -n db rule\n0:\tfrom all lookup local\n")
    assert [(s.format, s.netns) for s in found] == [("route", "web"), ("rule", "db")]


def test_comments_are_no_headings() -> None:
    """A comment that speaks of a command does not cut a file in two."""
    text = "# Generated by iptables-save v1.8.9 on Fri Nov 20 08:12:29 2026\n*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n# Completed\n"
    assert [s.format for s in sections("x", text)] == ["iptables"]
    assert [s.format for s in sections("x", "# ip forwarding\nnet.ipv4.ip_forward = 1\n")] == ["sysctl"]


def test_an_empty_file_of_a_known_name_keeps_its_command() -> None:
    """An empty output is an output."""
    assert [(s.format, s.command) for s in sections("iptables-save", "")] == [("iptables", "iptables-save")]


def test_what_nothing_recognises_has_no_format() -> None:
    """Unknown text is one section without a format."""
    assert [s.format for s in sections("x", "lorem ipsum\ndolor\n" * 5)] == [""]


def test_a_guessed_command_claims_nothing() -> None:
    """One word in a name does not say whether the listing was restricted: no command line is made up for a text."""
    text = (RECORDINGS / "nodes" / "web" / "ip_a").read_text()
    assert [s.command for s in sections("interfaces.txt", text)] == [""]
    assert [s.command for s in sections("ip_a", text)] == ["ip a"]


@pytest.mark.parametrize(("text", "format_name"), [
    ('[{"ifindex":1,"ifname":"lo","flags":[]}]', "link"),
    ('[{"dst":"default","gateway":"10.0.0.1","dev":"eth0","flags":[]}]', "route"),
    ('[{"priority":0,"src":"all","table":"local"}]', "rule"),
    ('[{"dst":"10.0.0.1","dev":"eth0","lladdr":"02:00:00:00:00:01","state":["STALE"]}]', "neigh"),
    ('[{"mac":"02:00:00:00:00:01","ifname":"eth0","flags":["self"]}]', "fdb"),
    ('{"nftables": []}', "nft"),
    ('{"apiVersion":"v1","kind":"List","items":[]}', "kubernetes"),
    ('{"cniVersion":"0.4.0","name":"x","plugins":[]}', "cni"),
    ('{"name":"x","plugins":[{"type":"bridge"}]}', "cni"),
    ('[{"Id":"1","Config":{},"NetworkSettings":{}}]', "docker"),
    ('[{"Name":"bridge","Id":"1","Driver":"bridge","IPAM":{}}]', "docker"),
    ('{"foo": 1}', ""),
])
def test_json_is_told_by_its_keys(text: str, format_name: str) -> None:
    """A JSON document's keys tell which program printed it."""
    assert json_format(text) == format_name


@pytest.mark.parametrize("format_name", sorted(PARSERS))
def test_every_format_has_a_parser(format_name: str) -> None:
    """No format leads nowhere."""
    assert callable(parser_of(format_name))


@given(st.text(max_size=400), st.sampled_from(["x", "iptables-save", "ip_addr", "a.json", "ip r", "sysctl.conf", "nat"]))
def test_sections_hold_every_line_once(text: str, name: str) -> None:
    """Cutting never crashes, loses no line that is not a heading, and doubles none."""
    found = sections(name, text)
    lines = text.split("\n")
    seen: dict[int, int] = {}
    for section in found:
        for number, line in enumerate(section.text.split("\n")):
            if line:
                assert lines[number] == line
                seen[number] = seen.get(number, 0) + 1
    assert all(count == 1 for count in seen.values())


@pytest.mark.parametrize("text", [
    "# " + "nsenter " * 5000 + "\n",
    "ip" + " -a" * 20000 + "\n",
    "$ ip" + " -a" * 20000 + "\n$ kubectl" + " x" * 20000,
    "127.0.0.1 " + "a " * 50000 + "\n",
    "[[" * 20000 + "\n",
    "[\n" * 20000,
    "1: lo: <\n0:\tfrom all\n" * 20000,
    "10.0.0.1 dev x " * 20000 + "\n",
    "root@n1:~# " * 20000,
    "apiVersion: v1\n-\n" * 20000,
    "tcp " * 50000,
    "a:" * 50000 + " flags",
], ids=range(12))
def test_no_text_makes_cutting_slow(text: str) -> None:
    """Hostile text costs time in proportion to its length."""
    began = time.process_time()
    assert len(sections("paste.txt", text)) <= 400
    assert time.process_time() - began < 2


def test_a_large_ruleset_is_told_quickly() -> None:
    """100,000 rules are classified in a fraction of what reading them takes."""
    text = "*filter\n:FORWARD DROP [0:0]\n" + "-A FORWARD -s 10.0.0.0/8 -d 192.168.0.0/16 -p tcp -m tcp --dport 80 -j ACCEPT\n" * 100_000 + "COMMIT\n"
    began = time.process_time()
    assert [section.format for section in sections("x", text)] == ["iptables"]
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize("program", ["kubectl", "oc", "k", "sudo k3s kubectl"])
def test_openshifts_and_everybodys_words_for_kubectl(program: str) -> None:
    """What any of them prints is kubectl's, also where only the command line tells (``| grep IP``)."""
    hint = from_command(f"{program} describe pod web-1 | grep IP")
    assert hint is not None
    assert hint.format == "kubernetes"
