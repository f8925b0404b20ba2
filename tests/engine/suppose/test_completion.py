"""The rest of a node, supposed around the part that was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from collectors.evidence import read
from engine.facts import HOST, Fact, FactBase
from engine.findings import Certainty, Standing, Verdict
from engine.pipeline import diagnose, fact_base
from engine.request import Request
from engine.suppose.completion import suppose

if TYPE_CHECKING:
    from pathlib import Path

    from engine.findings import Report

FORWARD_DROP = """\
Chain INPUT (policy ACCEPT 3 packets, 180 bytes)
 pkts bytes target     prot opt in     out     source               destination

Chain FORWARD (policy DROP 12 packets, 720 bytes)
 pkts bytes target     prot opt in     out     source               destination
   12   720 DOCKER-USER  all  --  *      *       0.0.0.0/0            0.0.0.0/0
    0     0 ACCEPT     all  --  *      docker0  0.0.0.0/0            0.0.0.0/0            ctstate RELATED,ESTABLISHED
    0     0 ACCEPT     all  --  docker0 !docker0  0.0.0.0/0            0.0.0.0/0

Chain OUTPUT (policy ACCEPT 3 packets, 180 bytes)
 pkts bytes target     prot opt in     out     source               destination

Chain DOCKER-USER (1 references)
 pkts bytes target     prot opt in     out     source               destination
"""
ACCEPTED = """\
    9   540 ACCEPT     all  --  lxdbr0 *       0.0.0.0/0            0.0.0.0/0
    9   540 ACCEPT     all  --  *      lxdbr0  0.0.0.0/0            0.0.0.0/0
"""
ADDRESSES = """\
2: enp1s0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP group default qlen 1000
    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff
    inet 10.20.0.11/24 brd 10.20.0.255 scope global enp1s0
       valid_lft forever preferred_lft forever
5: lxdbr0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 00:16:3e:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 10.55.0.1/24 scope global lxdbr0
       valid_lft forever preferred_lft forever
"""


def asked(folder: Path, symptom: str, **files: str) -> Report:
    """The answer to a symptom on a few outputs."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return diagnose(Request(symptom=symptom, bundles=(folder,)))


def supposed(folder: Path, symptom: str, **files: str) -> tuple[Fact, ...]:
    """What is supposed beside a few outputs."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return suppose(fact_base(read([folder])), symptom).facts


def fields(facts: tuple[Fact, ...], kind: str, stack: str = HOST) -> list[dict[str, Any]]:
    """Fields of the facts of a kind on a stack."""
    return [dict(f.fields) for f in facts if f.kind == kind and f.stack == stack]


def test_a_filter_alone(tmp_path: Path) -> None:
    """A filter and the symptom name a bridge: the policy that its packets meet is the cause, as likely as the supposed rest."""
    report = asked(tmp_path, "containers on lxdbr0 cannot ping 8.8.8.8, timeout", ip_a=ADDRESSES, **{"iptables_-nvL": FORWARD_DROP})
    assert [(f.id, f.certainty) for f in report.findings] == [("docker-forward-drop", Certainty.LIKELY)]
    assert report.verdict is Verdict.CAUSE_FOUND
    assert any("default route by enp1s0" in a.text["en"] for a in report.question.assumptions)


def test_no_container_on_an_idle_bridge(tmp_path: Path) -> None:
    """A bridge without carrier has no container: none is supposed there."""
    idle = ADDRESSES.replace(
        "BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP", "NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN"
    )
    found = supposed(tmp_path, "cannot ping 10.20.0.30", ip_a=idle)
    assert not [f for f in found if f.kind == "netns" and f.stack != HOST]
    assert asked(tmp_path, "cannot ping 10.20.0.30", ip_a=idle).findings == ()


def test_a_filter_that_accepts(tmp_path: Path) -> None:
    """The same with rules for that bridge gives no finding: what is supposed is no fault."""
    report = asked(tmp_path, "containers on lxdbr0 cannot ping 8.8.8.8, timeout", ip_a=ADDRESSES, **{"iptables_-nvL": FORWARD_DROP + ACCEPTED})
    assert report.findings == ()


@pytest.mark.parametrize(("value", "found"), [("0", ["ip-forward-disabled"]), ("1", [])])
def test_one_parameter(tmp_path: Path, value: str, found: list[str]) -> None:
    """One parameter is enough where it alone decides."""
    report = asked(
        tmp_path, "containers cannot reach the internet", post=f"$ sysctl net.ipv4.conf.all.forwarding\nnet.ipv4.conf.all.forwarding = {value}\n"
    )
    assert [f.id for f in report.findings] == found


def test_whole_listings_stay_whole(tmp_path: Path) -> None:
    """A bridge that a whole listing of addresses lacks, or shows without an address, gets none."""
    bare = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    inet 127.0.0.1/8 scope host lo\n"
    bare += "3: docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:42:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n"
    assert fields(supposed(tmp_path, "docker containers have no network", ip_addr=bare), "address") == []


def test_addresses_of_routes(tmp_path: Path) -> None:
    """Routes without addresses: the kernel's own routes tell them, of a bridge the first host is taken where even they do not."""
    routes = (
        "default via 10.20.0.1 dev eth1\n10.20.0.0/24 dev eth1 proto kernel scope link src 10.20.0.11\n172.18.0.0/16 dev br-0123456789ab scope link\n"
    )
    facts = supposed(tmp_path, "no route to host", ip_route=routes)
    assert {(a["device"], a["address"]) for a in fields(facts, "address")} == {
        ("lo", "127.0.0.1"), ("eth1", "10.20.0.11"), ("br-0123456789ab", "172.18.0.1"),
    }  # fmt: skip
    assert {(link["name"], link["type"]) for link in fields(facts, "link")} >= {("eth1", "ether"), ("br-0123456789ab", "bridge")}


def test_published_ports_of_rules(tmp_path: Path) -> None:
    """Translating rules tell of containers and their ports; their bridge is podman's own."""
    rules = "-N CNI-DN-0123\n-A CNI-DN-0123 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.88.0.14:80\n"
    facts = supposed(tmp_path, "port 8080 times out", post=f"# iptables -t nat -S CNI-DN-0123\n{rules}")
    (container,) = fields(facts, "container")
    assert (container["runtime"], container["endpoints"][0]["address"], container["ports"][0]["host_port"]) == ("podman", "10.88.0.14", 8080)


def test_the_container_of_a_masquerading_rule(tmp_path: Path) -> None:
    """CNI writes a rule for each container: the one that it names is there, and none is made up that no rule would translate."""
    rules = "*nat\n:POSTROUTING ACCEPT [0:0]\n:CNI-0123 - [0:0]\n-A POSTROUTING -s 10.88.0.7/32 -j CNI-0123\n"
    rules += "-A CNI-0123 -d 10.88.0.0/16 -j ACCEPT\n-A CNI-0123 ! -d 224.0.0.0/4 -j MASQUERADE\nCOMMIT\n"
    routes = "default via 10.20.0.1 dev eth1\n10.88.0.0/16 dev cni-podman0 proto kernel scope link src 10.88.0.1\n"
    report = asked(tmp_path, "podman containers cannot ping 9.9.9.9, timeout", post=f"# ip r\n{routes}# iptables-save -t nat\n{rules}")
    assert [c["endpoints"][0]["address"] for c in fields(suppose(fact_base(read([tmp_path])), "podman").facts, "container")] == ["10.88.0.7"]
    assert report.findings == ()


def test_the_node_of_a_container(tmp_path: Path) -> None:
    """A container that was shown alone hangs on a bridge that its gateway belongs to, and its device has another end there."""
    post = "root@h1:~# docker exec web ip route\ndefault via 172.19.0.1 dev eth0\n172.19.0.0/16 dev eth0 proto kernel scope link src 172.19.0.2\n"
    facts = supposed(tmp_path, "web cannot reach the internet", post=post)
    assert ("172.19.0.1", 16) in {(a["address"], a["prefixlen"]) for a in fields(facts, "address")}
    assert [(a["device"], a["address"]) for a in fields(facts, "address", "web")] == [("eth0", "172.19.0.2")]
    (inner,) = fields(facts, "link", "web")
    assert [e["peer_index"] for e in fields(facts, "link") if e.get("index") == inner["peer_index"]] == [inner["index"]]


def test_nothing_to_suppose() -> None:
    """Without any evidence nothing is supposed."""
    assert suppose(FactBase(())).facts == ()


def test_what_a_program_says_counts_first(tmp_path: Path) -> None:
    """A message of docker's about its address pools is answered by what it names, not by a flow that nobody asked about."""
    routes = "unreachable 192.168.0.0/16 metric 999\nunreachable 172.16.0.0/12 metric 999\ndefault via 203.0.113.1 dev eth0\n"
    report = asked(tmp_path, "Error: could not find an available, non-overlapping IPv4 address pool among the defaults", ip_route=routes)
    assert [f.id for f in report.findings] == ["address-pool-exhausted"]


def test_a_bridge_that_ifconfig_shows_without_an_address(tmp_path: Path) -> None:
    """Containers ask for the gateway that docker gave them; nobody has it, and nobody else hangs there."""
    flags = "flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500"
    bridge = f"docker0: {flags}\n{{}}        ether 02:42:3d:1a:2b:3c  txqueuelen 0  (Ethernet)\n"
    brctl = "bridge name\tbridge id\t\tSTP enabled\tinterfaces\ndocker0\t\t8000.02423d1a2b3c\tno\t\tveth7a6b5c4\n"
    symptom = "ping 172.17.0.1 from a container: Destination Host Unreachable"
    report = asked(tmp_path, symptom, ifconfig=bridge.format(""), brctl_show=brctl)
    assert [f.id for f in report.findings] == ["bridge-without-address"]
    address = "        inet 172.17.0.1  netmask 255.255.0.0  broadcast 172.17.255.255\n"
    assert asked(tmp_path, symptom, ifconfig=bridge.format(address), brctl_show=brctl).findings == ()


def test_containers_that_the_symptom_names(tmp_path: Path) -> None:
    """An address early in a bridge's subnet is a container's; networks and far addresses are not."""
    symptom = "containers: 172.17.0.4 cannot ping 172.17.0.5; the LAN is 172.17.0.0/16, its server 172.17.4.9"
    made = supposed(tmp_path, symptom, ip_route="172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1\n")
    assert [f["endpoints"][0]["address"] for f in fields(made, "container")] == ["172.17.0.4", "172.17.0.5"]


def test_a_cause_on_a_port_that_nobody_named(tmp_path: Path) -> None:
    """What holds on a guessed port only is possible, on supposed evidence as well."""
    rules = "-A PREROUTING -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.0.3.5:443\n"
    rules = f"*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n{rules}-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\nCOMMIT\n"
    symptom = "containers get the wrong server's answer from every https site: certificate errors"
    report = asked(tmp_path, symptom, **{"iptables-save": rules})
    assert (report.findings[0].id, report.findings[0].certainty) == ("dnat-hijack", Certainty.POSSIBLE)


def test_a_brief_listing_shows_no_ports(tmp_path: Path) -> None:
    """Devices of ``ip -br a`` may be ports of any bridge: containers hang there."""
    brief = "lo               UNKNOWN        127.0.0.1/8\neth0             UP             10.5.0.4/24\n"
    brief += "docker0          UP             172.17.0.1/16\nveth1a2b3c4@if7  UP             fe80::1/64\n"
    assert asked(tmp_path, "container 172.17.0.2 cannot ping 172.17.0.1, timeout", **{"ip_-br_a": brief}).findings == ()


SAVED = """\
-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-USER -j RETURN
"""
MESH = 'chain ts-forward {\n  oifname "tailscale0" ct state ! related,established counter packets 3 bytes 180 drop\n}\n'
MACVLAN = """\
root@c0ffee0123ab:/# ip route
default via 10.30.40.1 dev eth0
10.30.40.0/23 dev eth0 proto kernel scope link src 10.30.40.3
root@c0ffee0123ab:/# ip neigh
10.30.40.1 dev eth0  FAILED
"""
EXITED = """\
$ ip addr show docker0
3: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN group default
    link/ether 02:42:11:22:33:44 brd ff:ff:ff:ff:ff:ff
    inet6 fe80::42:11ff:fe22:3344/64 scope link
$ docker run busybox ping -c 1 203.0.113.9
PING 203.0.113.9 (203.0.113.9): 56 data bytes

--- 203.0.113.9 ping statistics ---
1 packets transmitted, 0 packets received, 100% packet loss
"""
NAS = """\
$ ip rule
0:      from all lookup local
3:      from 192.168.14.100 lookup bond-table
32766:  from all lookup main
32767:  from all lookup default
$ ip route show table bond-table
default via 192.168.14.254 dev bond0
$ ip route
default via 192.168.14.254 dev bond0  src 192.168.14.100
172.17.0.0/16 dev docker0  proto kernel  scope link  src 172.17.0.1
192.168.14.0/24 dev bond0  proto kernel  scope link  src 192.168.14.100
$ docker ps --format 'table {{.Names}}\\t{{.Ports}}'
NAMES     PORTS
speed     0.0.0.0:3333->3000/tcp
"""


@pytest.mark.parametrize(
    ("symptom", "text", "cause"),
    [
        ("OpenVPN clients have no internet access, the server also runs docker", SAVED, "docker-forward-drop"),
        ("curl http://100.92.14.3:8123 from a container (172.17.0.4) times out", MESH, "firewall-drop"),
        ("containers on macvlan have no internet access: ping 8.8.8.8 fails", MACVLAN, "neighbor-unresolved"),
        ("docker containers cannot connect to the internet: 100% packet loss", EXITED, "bridge-without-address"),
        ("host can't reach published ports via its own LAN IP: curl http://192.168.14.100:3333 times out", NAS, "policy-route-miss"),
    ],
)
def test_what_a_symptom_and_names_tell_of_the_rest(tmp_path: Path, symptom: str, text: str, cause: str) -> None:
    """A VPN's clients, a mesh, a gateway that no bridge holds, a container that was run and is gone, a host that asks itself."""
    assert {f.id for f in asked(tmp_path, symptom, post=text).findings} == {cause}


UFW = """\
$ sudo ufw status verbose
Status: active
Default: deny (incoming), allow (outgoing), deny (routed)

To                         Action      From
--                         ------      ----
22/tcp                     ALLOW IN    Anywhere
$ ip -4 -br a
lo               UNKNOWN        127.0.0.1/8
enp2s0           UP             192.168.1.9/24
mybr0            UP             10.136.9.1/24
"""
INNER = """\
docker exec vpn iptables -L -v -n
Chain INPUT (policy DROP 101 packets, 6060 bytes)
 pkts bytes target     prot opt in     out     source               destination
   12   720 ACCEPT     tcp  --  eth0   *       192.168.0.0/24       0.0.0.0/0            tcp dpt:9080

Chain FORWARD (policy DROP 0 packets, 0 bytes)
 pkts bytes target     prot opt in     out     source               destination

Chain OUTPUT (policy ACCEPT 14 packets, 840 bytes)
 pkts bytes target     prot opt in     out     source               destination
"""
LSOF = """\
$ sudo lsof -i :8899
COMMAND  PID USER   FD   TYPE    DEVICE SIZE/OFF NODE NAME
python3 7088 dev    4u  IPv4 232537433      0t0  TCP 127.0.0.1:8899 (LISTEN)
"""


@pytest.mark.parametrize(
    ("symptom", "text", "cause"),
    [
        ("containers on mybr0 get no answer from 10.136.9.1:53, lookups time out", UFW, "firewall-drop"),
        ("the web ui of container vpn (172.17.0.5) port 9080 cannot be reached from my LAN 192.168.10.0/24, times out", INNER, "firewall-drop"),
        ("container can't reach host.docker.internal:8899: Connection refused", LSOF, "bound-to-loopback"),
    ],
)
def test_where_the_filter_and_the_server_are(tmp_path: Path, symptom: str, text: str, cause: str) -> None:
    """A bridge of any name that containers are said to hang on, a container's own filter, the host by the name that containers call it."""
    report = asked(tmp_path, symptom, post=text)
    assert [(f.id, f.standing) for f in report.findings] == [(cause, Standing.ROOT_CAUSE)]


def test_address_that_docker0_had_before_it_changed(tmp_path: Path) -> None:
    """Named beside the bridge, or docker's old default: it is the bridge's own."""
    for symptom in ("dig @172.17.42.1 from the container times out", "containers ask the docker bridge 172.17.9.9:53, timeout"):
        facts = supposed(tmp_path, symptom, iptables_save=SAVED)
        own = next(f.get("address") for f in facts if f.kind == "address" and f.get("device") == "docker0" and f.stack == HOST)
        assert own in symptom


def test_containers_of_an_inspected_network_get_its_size(tmp_path: Path) -> None:
    """A network whose identity was cut off has a bridge all the same; its MTU is its containers'."""
    config = '"IPAM": {"Config": [{"Subnet": "172.20.0.0/16", "Gateway": "172.20.0.1"}]}'
    network = f'[{{"Name": "app", "Driver": "bridge", {config}, "Options": {{"com.docker.network.driver.mtu": "1300"}}}}]'
    facts = supposed(tmp_path, "curl from the container hangs", docker_network_inspect=network)
    assert [f.get("mtu") for f in facts if f.kind == "link" and f.stack != HOST] == [1300]
    assert not [f for f in facts if f.kind == "link" and f.get("name") == "docker0"]


def test_nothing_supposed_alone_is_a_cause(tmp_path: Path) -> None:
    """A supposed container without IPv6 is no reason why the host cannot ask an IPv6 address."""
    routes = "fd00:1::/64 dev docker0 proto kernel metric 256 pref medium\ndefault via fe80::1 dev eth0 proto ra metric 1024 pref medium\n"
    assert not asked(tmp_path, "ping6 2001:db8::9 fails since docker is started", ip_6_route=routes).findings


NSPAWN = """\
$ iptables -t nat -S
-P PREROUTING ACCEPT
-P INPUT ACCEPT
-P OUTPUT ACCEPT
-P POSTROUTING ACCEPT
-A POSTROUTING -s 10.233.7.0/24 -o {card} -j MASQUERADE
$ ip r
default via 192.168.43.1 dev wlan0 src 192.168.43.76
10.233.7.2 dev ve-web scope link
192.168.43.0/24 dev wlan0 scope link src 192.168.43.76
$ ip -br a
lo               UNKNOWN        127.0.0.1/8
wlan0            UP             192.168.43.76/24
ve-web@if2       UP             10.233.7.1/32
"""


@pytest.mark.parametrize(("card", "found"), [("eth0", ["masquerade-missing"]), ("wlan0", [])])
def test_container_that_is_routed_to(tmp_path: Path, card: str, found: list[str]) -> None:
    """The host has a route to its very address: it hangs on no bridge, and its packets are walked all the same."""
    report = asked(tmp_path, "ping 1.1.1.1 from the container (10.233.7.2) times out", post=NSPAWN.format(card=card))
    assert [f.id for f in report.findings] == found


@pytest.mark.parametrize(("end", "there"), [("No chain/target/match by that name.", False), ("the xtables lock is held", True)])
def test_docker_says_that_its_chain_is_gone(tmp_path: Path, end: str, there: bool) -> None:
    """Nobody supposes a chain that docker misses itself."""
    line = f"docker: Error response from daemon: driver failed (iptables failed: iptables --wait -t nat -A DOCKER -j DNAT: iptables: {end}"
    facts = supposed(tmp_path, "docker container publishes port 80, does not start", post=f"# docker run -d -p 80:80 nginx\n{line}\n")
    (nat,) = [f for f in facts if f.kind == "netfilter_table" and f.get("table") == "nat"]
    assert any("DOCKER" in rule.spec for chain in nat.get("chains") for rule in chain.rules) is there
    named = asked(tmp_path, "docker container does not start, docker run -p 80:80 nginx fails")
    assert (named.verdict is Verdict.CAUSE_FOUND and named.findings[0].id == "docker-chains-missing") is not there


@pytest.mark.parametrize(("said", "own"), [("containers on network hass", "172.28.0.1"), ("machines beyond hass", "192.0.2.10")])
def test_a_bridge_of_any_name_has_the_addresses_that_are_named(tmp_path: Path, said: str, own: str) -> None:
    """A device of a ruleset that is said to hold the containers is their bridge, whatever it is called."""
    chain = 'chain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tiifname "hass" oifname "eno1" accept\n\t}'
    rules = f"table ip filter {{\n\t{chain}\n}}\n"
    facts = supposed(tmp_path, f"{said} cannot reach each other, curl 172.28.0.4:8086 from 172.28.0.3 times out", nft_list_ruleset=rules)
    found = {one["device"]: one["address"] for one in fields(facts, "address")}
    assert found.get("hass", "192.0.2.10") == own


@pytest.mark.parametrize(("source", "forwards"), [("10.8.0.0/24", True), ("10.9.0.0/24", False)])
def test_a_rule_for_the_clients_of_a_tunnel(tmp_path: Path, source: str, forwards: bool) -> None:
    """Who translates what comes out of a tunnel has the node forward it."""
    address = "4: wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue state UNKNOWN group default\n    inet 10.8.0.1/24 scope global wg0\n"
    rule = f"-P POSTROUTING ACCEPT\n-A POSTROUTING -s {source} -o eth0 -j MASQUERADE\n"
    facts = supposed(tmp_path, "ping 1.1.1.1 from 10.8.0.2 fails", ip_addr=address, **{"iptables_-t_nat_-S": rule})
    assert ("net.ipv4.ip_forward" in {one["key"] for one in fields(facts, "sysctl")}) is forwards


def test_the_server_that_a_lookup_asked_is_the_machines(tmp_path: Path) -> None:
    """Where no resolv.conf was shown, the names of a machine are asked of the server that its own look-up asked, and not of one made up."""
    text = f"[root@n1 ~]# ip addr\n{ADDRESSES}[root@n1 ~]# dig @10.20.0.53 db.corp\n;; no servers could be reached\n"
    facts = supposed(tmp_path, "n1 cannot resolve db.corp", **{"terminal.txt": text})
    assert [f.get("nameservers") for f in facts if f.kind == "dns_config"] == [("10.20.0.53",)]


@pytest.mark.parametrize(("target", "cause"), [("172.17.0.9", ["dnat-stale"]), ("172.17.0.5", [])])
def test_network_that_lists_its_containers(tmp_path: Path, target: str, cause: list[str]) -> None:
    """Nobody else hangs on the bridge of a network that lists its containers: what is translated to another address gets nowhere."""
    inside = '"aaaaaaaaaaaa": {"Name": "lb", "MacAddress": "02:42:ac:11:00:05", "IPv4Address": "172.17.0.5/16", "IPv6Address": ""}'
    ranges = '"IPAM": {"Driver": "default", "Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]}'
    named = '"Options": {"com.docker.network.bridge.name": "docker0"}'
    network = f'[{{"Name": "bridge", "Id": "b1", "Scope": "local", "Driver": "bridge", {ranges}, "Containers": {{{inside}}}, {named}}}]'
    rules = "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
    rules += f"-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination {target}:80\n"
    files = {"docker_network_inspect_bridge": network, "iptables_-t_nat_-S": f"-N DOCKER\n{rules}"}
    report = asked(tmp_path, "from outside curl http://10.44.3.19/ gives: No route to host", **files)
    assert [f.id for f in report.findings] == cause


IDLE = """\
2: enp3s0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default
    link/ether 1c:6f:65:3e:90:b7 brd ff:ff:ff:ff:ff:ff
    inet 192.168.178.44/24 brd 192.168.178.255 scope global dynamic enp3s0
3: docker0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN group default
    link/ether 02:42:8d:6a:f0:13 brd ff:ff:ff:ff:ff:ff
    inet 172.17.42.1/16 scope global docker0
"""


@pytest.mark.parametrize(("value", "cause"), [("0", ["ip-forward-disabled"]), ("1", [])])
def test_container_of_one_command(tmp_path: Path, value: str, cause: list[str]) -> None:
    """A container that was run for one ping had its wire while it ran; a listing of an idle bridge was taken at another time."""
    ping = "PING 8.8.8.8 (8.8.8.8): 56 data bytes\n\n--- 8.8.8.8 ping statistics ---\n3 packets transmitted, 0 packets received, 100% packet loss\n"
    keys = f"net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 1\nnet.ipv4.conf.enp3s0.forwarding = {value}\n"
    text = f"$ docker run --rm busybox ping -c3 8.8.8.8\n{ping}$ sysctl -a | grep forwarding\n{keys}$ ip addr\n{IDLE}"
    report = asked(tmp_path, "no network in containers, ping 8.8.8.8: 100% packet loss", **{"post.txt": text})
    assert [f.id for f in report.findings] == cause


def test_parameter_that_is_not_there(tmp_path: Path) -> None:
    """A parameter that sysctl did not find has no value that could be supposed."""
    missing = "sysctl: cannot stat /proc/sys/net/bridge/bridge-nf-call-iptables: No such file or directory\n"
    for text, told in ((missing, []), ("net.ipv4.ip_forward = 1\n", ["1"])):
        facts = supposed(tmp_path, "containers time out", ip_addr=ADDRESSES, **{"sysctl.txt": text})
        assert [f.get("value") for f in facts if f.get("key") == "net.bridge.bridge-nf-call-iptables"] == told


PORTS = """\
3: docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default
    link/ether 02:42:a9:17:30:fe brd ff:ff:ff:ff:ff:ff promiscuity 0
    bridge forward_delay 1500
21: veth1@if20: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master docker0 state UP mode DEFAULT group default
    link/ether ee:51:8b:02:7f:c4 brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 1
    veth
23: veth2@if22: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue{master} state UP mode DEFAULT group default
    link/ether 16:c0:3e:d9:aa:75 brd ff:ff:ff:ff:ff:ff link-netnsid 1 promiscuity 0
    veth
"""


@pytest.mark.parametrize(("index", "master", "device"), [(22, "", "veth2"), (20, "", ""), (22, " master docker0", "")])
def test_port_by_the_index_of_its_other_end(tmp_path: Path, index: int, master: str, device: str) -> None:
    """A container hangs on the port that names its device's index, on a bridge or not; that explains more than the error which ping was told."""
    text = f"$ docker exec job ip -4 -o addr show eth0\n{index}: eth0    inet 172.17.0.3/16 scope global eth0\\       valid_lft forever\n"
    text += "$ docker exec job ping -c2 172.17.0.1\nPING 172.17.0.1 (172.17.0.1): 56 data bytes\n"
    text += "From 172.17.0.3 icmp_seq=1 Destination Host Unreachable\n"
    text += "$ ip -4 -o addr show docker0\n3: docker0    inet 172.17.0.1/16 scope global docker0\\       valid_lft forever\n"
    report = asked(
        tmp_path, "ping 172.17.0.1 from container job: Destination Host Unreachable", **{"post.txt": text, "ip_-d_link": PORTS.format(master=master)}
    )
    assert [f.id for f in report.findings] == (["veth-not-in-bridge"] if device else ["neighbor-unresolved"])


@pytest.mark.parametrize(("ports", "cause"), [("7946/udp", ["vxlan-port-blocked"]), ("7946/udp 4789/udp", [])])
def test_filter_that_refuses_the_tunnel(tmp_path: Path, ports: str, cause: list[str]) -> None:
    """A zone that lets swarm's other ports in alone: who sent the tunnel's packets waits, whatever error the node answers them with."""
    zone = f"public (active)\n  target: default\n  interfaces: eth0\n  services: ssh\n  ports: 2377/tcp 7946/tcp {ports}\n  masquerade: no\n"
    networks = "NETWORK ID    NAME    DRIVER    SCOPE\n7f1a2b3c4d5e  app     overlay   swarm\n"
    text = f"# firewall-cmd --list-all\n{zone}# docker network ls\n{networks}"
    report = asked(tmp_path, "containers of one overlay network on different nodes cannot ping each other: timeout", **{"post.txt": text})
    assert [f.id for f in report.findings] == cause


@pytest.mark.parametrize(("banned", "cause"), [("172.19.0.4", ["firewall-drop"]), ("198.51.100.9", ["dns-upstream-broken"])])
def test_container_known_by_its_address_alone(tmp_path: Path, banned: str, cause: list[str]) -> None:
    """An address that docker gives is a container's, on a bridge that nobody showed; a rule that drops it explains what docker's resolver saw."""
    log = 'level=warning msg="[resolver] read from DNS server failed, read udp 172.19.0.4:42216->9.9.9.9:53: i/o timeout"\n'
    rules = f"-A INPUT -j f2b-mail\n-A FORWARD -j f2b-mail\n-A f2b-mail -s {banned}/32 -j DROP\n-A f2b-mail -j RETURN\n"
    text = f"dockerd log:\n{log}# iptables-save | grep f2b\n:f2b-mail - [0:0]\n{rules}"
    symptom = "containers can't resolve anything outside: [resolver] read from DNS server failed, read udp 172.19.0.4:42216->9.9.9.9:53: i/o timeout"
    assert [f.id for f in asked(tmp_path, symptom, **{"post.txt": text}).findings] == cause


@pytest.mark.parametrize(("bound", "cause"), [("127.0.0.1", ["bound-to-loopback"]), ("0.0.0.0", [])])
def test_service_of_compose(tmp_path: Path, bound: str, cause: list[str]) -> None:
    """What was run in a Service of a compose file is of the container that compose lists for it."""
    row = 'shop-web-1    nginx:1.25   "/run"     web       2 hours ago   Up 2 hours   0.0.0.0:8080->80/tcp\n'
    text = f"$ docker compose ps\nNAME          IMAGE        COMMAND    SERVICE   CREATED       STATUS       PORTS\n{row}"
    text += "$ curl http://localhost:8080\ncurl: (56) Recv failure: Connection reset by peer\n$ docker compose exec web ss -lnt\n"
    text += f"State   Recv-Q  Send-Q   Local Address:Port   Peer Address:Port\nLISTEN  0       511      {bound}:80     0.0.0.0:*\n"
    report = asked(tmp_path, "curl http://localhost:8080 gives connection reset by peer, the container runs", **{"post.txt": text})
    assert [f.id for f in report.findings] == cause


def test_the_address_that_a_shown_rule_translates_to(tmp_path: Path) -> None:
    """A container on two networks is asked by the port that it publishes at the address of the rule that was printed, not at its first one."""
    post = """$ podman port app
8080/tcp -> 0.0.0.0:8080
$ iptables -t nat -S NETAVARK-DN-4B41A3E7C0F1
-N NETAVARK-DN-4B41A3E7C0F1
-A NETAVARK-DN-4B41A3E7C0F1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.89.1.7:8080
$ podman exec app ip addr
2: eth0@if12: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 7e:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 10.89.0.7/24 brd 10.89.0.255 scope global eth0
3: eth1@if13: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 7e:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 10.89.1.7/24 brd 10.89.1.255 scope global eth1
"""
    facts = supposed(tmp_path, "the published port 8080 of app times out from another machine", post=post)
    rules = [r.spec for f in facts if f.kind == "netfilter_table" for c in f.get("chains") if c.name == "PREROUTING" for r in c.rules]
    assert [spec.rpartition(" ")[2] for spec in rules if "--dport 8080" in spec] == ["10.89.1.7:8080"]


@pytest.mark.parametrize(
    ("route", "there"),
    [("10.9.0.0/16 dev eth0", True), ("172.16.0.0/12 via 10.9.0.1 dev eth0", True), ("172.17.1.0/24 via 172.17.1.1 dev cilium_host", False)],
)
def test_no_docker0_for_an_address_that_a_route_claims(tmp_path: Path, route: str, there: bool) -> None:
    """An address of docker's usual subnet speaks of docker0, unless a route of the node within that subnet leads to it otherwise."""
    text = f"{route}\ndefault via 10.9.0.1 dev eth0 src 10.9.0.4\n"
    made = supposed(tmp_path, "172.17.1.28 to 192.0.2.53: i/o timeout", ip_route=text)
    assert any(f.kind == "address" and f.get("device") == "docker0" for f in made) is there
