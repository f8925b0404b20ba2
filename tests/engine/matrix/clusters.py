"""Small clusters, and ways to break one thing in them: for comparing the matrix with the walk of every pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.walk.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.engine.walk.world import Stack

TUNNEL = "vxlan id 1 local 192.168.0.{n} dev eth0 srcport 0 0 dstport 8472"
SERVICE = "10.96.0.10"
EXTERNAL, DOOR = "192.0.2.200", 30080
FLAWS = 51
"""Kinds of things that may be wrong."""


class Small:
    """A cluster of a few nodes with a few pods each, still to be printed."""

    def __init__(self, random: Random, *, calico: bool, nodes: int, pods: int) -> None:
        self.random = random
        self.calico = calico
        self.world = World()
        self.neighbors: dict[int, list[str]] = {}
        self.fdb: dict[int, list[str]] = {}
        self.filter: dict[int, list[str]] = {n: [] for n in range(1, nodes + 1)}
        self.policies: dict[int, dict[str, str]] = {n: {} for n in range(1, nodes + 1)}
        self.nat: dict[int, list[str]] = {n: [] for n in range(1, nodes + 1)}
        self.listening: dict[tuple[int, int], list[str]] = {}
        self.nodes = range(1, nodes + 1)
        self.pods = range(pods)
        for n in self.nodes:
            self._node(n)
        for n in self.nodes:
            for p in self.pods:
                self._pod(n, p)

    def host(self, n: int) -> Stack:
        """A node's own stack."""
        return self.world.stack(f"n{n}")

    def pod(self, n: int, p: int) -> Stack:
        """A pod's stack."""
        return self.world.stack(f"n{n}", f"p{p}")

    def wire(self, p: int) -> str:
        """The node's end of a pod's wire."""
        return f"cali-p{p}" if self.calico else f"veth-p{p}"

    def address(self, n: int, p: int) -> str:
        """A pod's address."""
        return f"10.244.{n}.{p + 2}"

    def _node(self, n: int) -> None:
        host = self.world.host(f"n{n}", f"192.168.0.{n}/24").router()
        host.devices["eth0"].mac = f"02:cc:00:00:00:{n:02x}"
        host.device("flannel.1", f"10.244.{n}.0/32", kind=TUNNEL.format(n=n), mac=f"02:aa:00:00:00:{n:02x}")
        if not self.calico:
            host.device("cni0", f"10.244.{n}.1/24", kind="bridge", mac=f"02:bb:00:00:00:{n:02x}")
        others = [m for m in self.nodes if m != n]
        self.neighbors[n] = [f"10.244.{m}.0 dev flannel.1 lladdr 02:aa:00:00:00:{m:02x} PERMANENT" for m in others]
        self.fdb[n] = [f"02:aa:00:00:00:{m:02x} dev flannel.1 dst 192.168.0.{m} self permanent" for m in others]
        host.route(*(f"10.244.{m}.0/24 via 10.244.{m}.0 dev flannel.1 onlink" for m in others))

    def _pod(self, n: int, p: int) -> None:
        host = self.host(n)
        if self.calico:
            outer = len(host.devices) + 2
            pod = self.pod(n, p).device("eth0", f"{self.address(n, p)}/32", index=100 + outer, peer=outer)
            host.device(self.wire(p), index=outer, peer=100 + outer, mac="ee:ee:ee:ee:ee:ee")
            host.route(f"{self.address(n, p)} dev {self.wire(p)} scope link")
            host.sysctl(**{f"conf__{self.wire(p)}__proxy_arp": 1})
            pod.route("default via 169.254.1.1 dev eth0", "169.254.1.1 dev eth0 scope link")
            self._workload(n, p)
        else:
            pod = self.world.pod(f"n{n}", f"p{p}", f"{self.address(n, p)}/24", gateway=f"10.244.{n}.1")
            host.devices[self.wire(p)].mac = f"02:ee:00:00:{n:02x}:{p:02x}"
        pod.devices["eth0"].mac = f"02:dd:00:00:{n:02x}:{p:02x}"

    def _workload(self, n: int, p: int) -> None:
        """Chains for one pod, as felix writes them."""
        wire = self.wire(p)
        self.filter[n] += [
            f"-A FORWARD -i {wire} -j cali-fw-{wire}",
            f"-A FORWARD -o {wire} -j cali-tw-{wire}",
            f"-A cali-fw-{wire} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            f"-A cali-fw-{wire} -j ACCEPT",
            f"-A cali-tw-{wire} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ]

    # --- services -------------------------------------------------------------------------------------------------

    def serve(self, backends: list[tuple[int, int]], *, doors: bool = False) -> None:
        """A Service on every node, by rules like kube-proxy's, and its listeners; ``doors``: also a port of every node, and an external address.

        The latter takes no connections from the first pod of the first node.
        """
        for n in self.nodes:
            rules = [f"-A PREROUTING -d {SERVICE}/32 -p tcp -m tcp --dport 80 -j SVC", f"-A OUTPUT -d {SERVICE}/32 -p tcp -m tcp --dport 80 -j SVC"]
            for left, (m, p) in zip(range(len(backends), 0, -1), backends, strict=True):
                share = f"-m statistic --mode random --probability {1 / left:.5f} " if left > 1 else ""
                rules += [f"-A SVC {share}-j SEP-{m}-{p}"]
            for m, p in backends:
                rules += [
                    f"-A SEP-{m}-{p} -s {self.address(m, p)}/32 -j MARK --set-xmark 0x4000/0x4000",
                    f"-A SEP-{m}-{p} -p tcp -m tcp -j DNAT --to-destination {self.address(m, p)}:8080",
                ]
            if doors:
                banned = self.address(1, 0)
                for hook in ("PREROUTING", "OUTPUT"):
                    rules += [f"-A {hook} -d {EXTERNAL}/32 -p tcp -m tcp --dport 80 -j FW", f"-A {hook} -m addrtype --dst-type LOCAL -j NODEPORTS"]
                rules += [f"-A FW -s {banned}/32 -j RETURN", "-A FW -j EXT", f"-A NODEPORTS -p tcp -m tcp --dport {DOOR} -j EXT"]
                rules += ["-A EXT -j MARK --set-xmark 0x4000/0x4000", "-A EXT -j SVC"]
            self.nat[n] += [*rules, "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE"]
        for n, p in backends:
            self.listening.setdefault((n, p), []).append("tcp 0.0.0.0:8080")

    # --- what may be wrong ----------------------------------------------------------------------------------------

    def break_something(self, which: int | None = None) -> None:
        """One of many things, somewhere; ``which`` of :data:`FLAWS`, if it is to be a certain one."""
        random = self.random
        n, p = random.choice(self.nodes), random.choice(self.pods)
        m = random.choice([each for each in self.nodes if each != n])
        q = random.choice(self.pods)
        one, other = self.address(n, p), self.address(m, q)
        where = random.choice(self.nodes)
        third = random.choice([each for each in self.nodes if each not in {n, m}] or [m])
        native = f"table inet own {{\n\tchain f {{\n\t\ttype filter hook forward priority 0; policy accept;\n\t\tip saddr {one} drop\n\t}}\n}}\n"
        flaws: list[Callable[[], object]] = [
            lambda: self.fdb.update({n: [line for line in self.fdb[n] if f".{m} self" not in line]}),
            lambda: self.fdb.update({n: [line.replace(f"192.168.0.{m} ", "192.168.0.99 ") for line in self.fdb[n]]}),
            lambda: self.neighbors.update({n: [line.replace(f"aa:00:00:00:{m:02x}", "aa:00:00:00:77") for line in self.neighbors[n]]}),
            lambda: self.neighbors.update({n: [line for line in self.neighbors[n] if f"10.244.{m}.0 " not in line]}),
            lambda: self.host(n).routing.remove(next(line for line in self.host(n).routing if line.startswith(f"10.244.{m}."))),
            lambda: self.host(n).route(f"unreachable {other}/32"),
            lambda: self.host(n).route(f"blackhole {other.rpartition('.')[0]}.0/29"),
            lambda: self.host(n).sysctl(ip_forward=0),
            lambda: self.host(n).sysctl(conf__all__rp_filter=1),
            lambda: setattr(self.host(n).devices[self.wire(p)], "up", False),
            lambda: setattr(self.host(n).devices[self.wire(p)], "isolated", True),
            lambda: setattr(self.host(n).devices["eth0"], "carrier", False),
            self.pod(n, p).routing.clear,
            lambda: self.pod(n, p).filter("-A INPUT -s 10.244.0.0/16 -j DROP"),
            lambda: self.pod(n, p).shows("ip neigh", f"10.244.{n}.{q + 2} dev eth0 lladdr 02:00:00:00:00:99 REACHABLE"),
            lambda: self.pod(n, p).shows("ip neigh", f"10.244.{n}.1 dev eth0 FAILED"),
            *self._filters((n, m, where), (p, q)),
            lambda: setattr(self.pod(n, p).devices["eth0"], "mac", self.pod(m, q).devices["eth0"].mac),
            lambda: setattr(self.pod(n, p).devices["eth0"], "addresses", (f"10.244.{n}.{q + 2}/24",)),
            lambda: self.host(n).rule(f"100:\tfrom {one} lookup 100").route("unreachable default table 100"),
            lambda: self.host(n).unseen("iptables-save"),
            lambda: self.host(n).unseen("bridge fdb show", "ip neigh"),
            lambda: self.pod(n, p).unseen("ss -lntup"),
            lambda: self.listening.setdefault((n, p), []).append("tcp 0.0.0.0:80"),
            lambda: self.listening.setdefault((n, p), []).append("tcp 127.0.0.1:80"),
            lambda: self.pod(n, p).sysctl(conf__eth0__proxy_arp=1, ip_forward=1),
            lambda: self._reroute(n, m, f"10.244.{m}.0/24 via 192.168.0.{third} dev eth0"),
            lambda: self._reroute(n, m, f"default via 192.168.0.{third} dev eth0"),
            lambda: self._reroute(n, m, "default via 192.168.0.254 dev eth0"),
            lambda: self.neighbors[n].append(f"192.168.0.{m} dev eth0 lladdr 02:cc:00:00:00:{third:02x} PERMANENT"),
            lambda: [self.host(each).device("docker0", "172.17.0.1/16", kind="bridge") for each in self.nodes],
            lambda: self.filter[where].insert(0, "-A INPUT -p udp -m udp --dport 8472 -j DROP"),
            lambda: self.filter[where].insert(0, f"-A INPUT -s 192.168.0.{n} -p udp -m multiport --dports 53,8472 -j DROP"),
            lambda: self.filter[where].insert(0, "-A OUTPUT -o eth0 -p udp -m udp --sport 49152 -j DROP"),
            lambda: setattr(self.host(n).devices["flannel.1"], "kind", TUNNEL.format(n=n).replace("id 1", "id 2")),
            lambda: self.host(where).shows("nft list ruleset", native),
            lambda: [self.host(each).shows("nft list ruleset", native) for each in self.nodes],
            lambda: self.host(n).device("lo1", f"{other}/32", kind="dummy"),
            lambda: self.world.stacks.pop((f"n{n}", f"p{p}"), None),
            lambda: self.world.stacks.pop((f"n{n}", "host"), None),
        ]
        assert len(flaws) == FLAWS
        (random.choice(flaws) if which is None else flaws[which])()

    def _filters(self, nodes: tuple[int, int, int], pods: tuple[int, int]) -> list[Callable[[], object]]:
        """Flaws of netfilter: on the third node, about a pod on the first and one on the second."""
        (n, m, where), (p, q) = nodes, pods
        one, other = self.address(n, p), self.address(m, q)
        return [
            lambda: self.policies[where].update(FORWARD="DROP"),
            lambda: self.filter[where].insert(0, f"-A FORWARD -s {one}/32 -j DROP"),
            lambda: self.filter[where].insert(0, f"-A FORWARD -s {one}/32 -d {other}/32 -j REJECT --reject-with icmp-host-prohibited"),
            lambda: self.filter[where].append(f"-A FORWARD -d 10.244.{m}.0/29 -j DROP"),
            lambda: self.filter[where].insert(0, f"-A FORWARD ! -s 10.244.{n}.0/24 -d {other} -j DROP"),
            lambda: self.filter[where].insert(0, "-A FORWARD -m set ! --match-set allowed src -j DROP"),
            lambda: self.filter[where].insert(0, "-A FORWARD -m recent --name x --rcheck -j DROP"),
            lambda: self.filter[where].insert(0, f"-A INPUT -m iprange --src-range 10.244.{n}.3-10.244.{n}.4 -j DROP"),
            lambda: self.filter[where].insert(0, "-A INPUT -i cni0 -p tcp -m tcp --dport 80 -j REJECT"),
            lambda: self.nat[where].append("-A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE"),
            lambda: self.nat[where].append(f"-A POSTROUTING -s {one}/32 -j SNAT --to-source 192.168.0.{where}"),
            lambda: self.nat[where].append(f"-A PREROUTING -d {other}/32 -j DNAT --to-destination {one}"),
        ]

    def _reroute(self, n: int, m: int, route: str) -> None:
        """A node sends what is for another's pods elsewhere."""
        host = self.host(n)
        host.routing = [line for line in host.routing if not line.startswith(f"10.244.{m}.")]
        host.route(route)

    def printed(self) -> World:
        """The world with all that was said of it."""
        allowed = "\n".join(self.address(n, p) for n in self.nodes for p in self.pods if self.random.random() < 0.7)
        head = "Name: allowed\nType: hash:ip\nRevision: 4\nHeader: family inet hashsize 1024 maxelem 65536\nSize in memory: 200\nReferences: 1\n"
        for n in self.nodes:
            if (f"n{n}", "host") not in self.world.stacks:
                continue
            host = self.host(n).shows("ip neigh", "\n".join(self.neighbors[n])).shows("bridge fdb show", "\n".join(self.fdb[n]))
            host.shows("ipset list", f"{head}Number of entries: {len(allowed.split())}\nMembers:\n{allowed}\n")
            host.iptables(self._table("filter", self.filter[n], self.policies[n]) + "\n" + self._table("nat", self.nat[n], {}))
        for (n, p), ends in self.listening.items():
            if (f"n{n}", f"p{p}") in self.world.stacks:
                self.pod(n, p).listens(*dict.fromkeys(ends))
        return self.world

    @staticmethod
    def _table(name: str, rules: list[str], policies: dict[str, str]) -> str:
        bases = ("INPUT", "FORWARD", "OUTPUT") if name == "filter" else ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
        users = dict.fromkeys(word for rule in rules for word in [rule.split()[1]] if word not in bases)
        heads = [*(f":{chain} {policies.get(chain, 'ACCEPT')} [0:0]" for chain in bases), *(f":{chain} - [0:0]" for chain in users)]
        return "\n".join([f"*{name}", *heads, *rules])
