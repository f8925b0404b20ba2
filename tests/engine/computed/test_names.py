"""What follows from files about names: resolvers, forwarders in circles, a machine's own name."""

from __future__ import annotations

from typing import Any

import pytest

from engine.computed.names import dns_loops, own_names, resolvers, taken_names
from engine.facts import Fact, FactBase

STUB = Fact("dns_config", {"nameservers": ("127.0.0.53",), "search": (), "options": (), "file": "/etc/resolv.conf"}, "n1")
REAL = Fact("dns_config", {"nameservers": ("10.0.0.2",), "search": (), "options": (), "file": "/run/systemd/resolve/resolv.conf"}, "n1")
COREDNS = Fact(
    "dns_forwarder", {"program": "coredns", "zone": ".", "port": 53, "upstreams": ("/etc/resolv.conf",), "file": "configmap kube-system/coredns"}
)


def resolver(search: tuple[str, ...] = (), options: tuple[str, ...] = (), servers: tuple[str, ...] = ("10.0.0.2",), *more: Fact) -> Fact:
    """The resolver of one resolv.conf."""
    config = Fact("dns_config", {"nameservers": servers, "search": search, "options": options, "file": "/etc/resolv.conf"}, "n1", "web")
    (made,) = resolvers(FactBase([config, *more]))
    return made


class TestResolver:
    """What a resolv.conf makes programs do."""

    def test_pod(self) -> None:
        """The usual one of a pod."""
        made = resolver(("default.svc.cluster.local", "svc.cluster.local", "cluster.local"), ("ndots:5",))
        told = {key: made.get(key) for key in ("ndots", "ndots_set", "searches", "cluster", "stub", "embedded", "wildcard", "single")}
        assert told == {
            "ndots": 5, "ndots_set": True, "searches": 3, "cluster": True, "stub": False, "embedded": False, "wildcard": None, "single": False
        }
        assert (made.node, made.stack) == ("n1", "web")

    @pytest.mark.parametrize(
        ("name", "domain", "wildcard"),
        [
            ("www.example.com", "corp.example", "corp.example"),
            ("www.example.be", "corp.example", "corp.example"),
            ("web.shop", "svc.cluster.local", None),
            ("db.co", "co.svc.cluster.local", None),
            ("intranet", "corp.example", None),
            ("git.intern", "corp.example", None),
        ],
    )
    def test_a_domain_that_was_seen_to_answer(self, name: str, domain: str, wildcard: str | None) -> None:
        """A search domain that answers a whole name of the internet answers every name; short names are what it is for."""
        told = {"program": "nslookup", "name": name, "answered": f"{name}.{domain}", "outcome": "resolved"}
        assert resolver((domain,), (), ("10.0.0.2",), Fact("observed", told, "n1")).get("wildcard") == wildcard

    @pytest.mark.parametrize(
        ("name", "wildcard"),
        [
            ("www.example.com.corp.example", "corp.example"),
            ("git.corp.example", None),
            ("www.example.com", None),
            ("www.example.com.other.example", None),
        ],
    )
    def test_a_domain_behind_a_whole_name(self, name: str, wildcard: str | None) -> None:
        """What an answer calls a name shows the search domain that was appended, though nobody saw what was typed."""
        told = Fact("observed", {"program": "nslookup", "name": name, "outcome": "resolved", "addresses": ("192.0.2.7",)}, "n1")
        assert resolver(("corp.example",), (), ("10.0.0.2",), told).get("wildcard") == wildcard

    @pytest.mark.parametrize(("second", "ends", "wildcard"), [
        ("nothing-here", "host.other.example", "corp.example"),
        ("nothing-here", "mail.corp.example", None),
        ("api", "host.other.example", None),
    ])
    def test_a_domain_in_which_all_names_end_alike(self, second: str, ends: str, wildcard: str | None) -> None:
        """Different names that lead to one place under a search domain: it answers any; the same name twice shows nothing."""
        one = {"program": "nslookup", "name": "api", "answered": "api.corp.example", "canonical": "host.other.example", "addresses": ("192.0.2.7",)}
        two = {"program": "ping", "name": second, "canonical": ends, "address": "192.0.2.7"}
        seen = [Fact("observed", fields, "n1", "web") for fields in (one, two)]
        assert resolver(("corp.example",), (), ("10.0.0.2",), *seen).get("wildcard") == wildcard

    def test_the_search_list_proves_itself(self) -> None:
        """The line that is shown for a domain that answers everything is that of the search list."""
        config = Fact("dns_config", {"nameservers": ("10.0.0.2",), "search": ("nip.io",), "search_line": 7}, "n1", "web", line=4)
        assert [f.line for f in resolvers(FactBase([config]))] == [7]
        assert [f.line for f in resolvers(FactBase([config.having(search=("corp.example",))]))] == [4]

    @pytest.mark.parametrize(
        ("server", "told"), [("10.96.0.10", None), ("10.0.0.10", "10.96.0.10"), ("169.254.20.10", None), ("10.96.0.77", None), ("192.0.2.53", None)]
    )
    def test_where_pods_ask(self, server: str, told: str | None) -> None:
        """A server that no Service and no machine has is told beside the DNS Service's address; NodeLocal DNSCache's own is as good."""
        services = [
            Fact("service", {"namespace": space, "name": name, "cluster_ips": (address,)})
            for space, name, address in (("kube-system", "kube-dns", "10.96.0.10"), ("shop", "dns", "10.96.0.77"))
        ]
        own = Fact("address", {"address": "192.0.2.53", "device": "eth0"}, "n1")
        search = ("default.svc.cluster.local", "svc.cluster.local")
        assert resolver(search, (), (server,), *services, own).get("dns_service") == told
        assert resolver(("example.org",), (), (server,), *services, own).get("dns_service") is None

    @pytest.mark.parametrize(("options", "ndots"), [((), 1), (("ndots:0",), 0), (("ndots:2", "ndots:99"), 15), (("ndots:x",), 1)])
    def test_ndots(self, options: tuple[str, ...], ndots: int) -> None:
        """The last option counts, at most 15, one if nothing is said."""
        assert resolver(options=options).get("ndots") == ndots

    @pytest.mark.parametrize(("search", "wildcard", "top"), [
        (("lan", "COM."), "com", True), (("10.0.0.5.nip.io",), "10.0.0.5.nip.io", False), (("example.com", "."), None, None),
        (("apps.example",), "apps.example", False),
    ])
    def test_wildcard(self, search: tuple[str, ...], wildcard: str | None, top: bool | None) -> None:
        """Top-level domains, services that answer every name, and what a forwarder of the evidence answers itself."""
        own = Fact("dns_forwarder", {"program": "dnsmasq", "wildcards": ("apps.example",)}, "n1")
        made = resolver(search, (), ("10.0.0.2",), own)
        assert (made.get("wildcard"), made.get("top_level")) == (wildcard, top)

    @pytest.mark.parametrize(("servers", "stub", "embedded"), [
        (("127.0.0.53",), True, False), (("127.0.0.11",), True, True), ((), True, False), (("127.0.0.1", "10.0.0.2"), False, False),
    ])
    def test_stub(self, servers: tuple[str, ...], stub: bool, embedded: bool) -> None:
        """Only loopback addresses; without any the machine asks itself."""
        made = resolver(servers=servers)
        assert (made.get("stub"), made.get("embedded")) == (stub, embedded)

    def test_copies(self) -> None:
        """What resolved keeps for others is not what programs read."""
        assert len(list(resolvers(FactBase([STUB, REAL])))) == 1


def loops(*facts: Fact) -> list[tuple[Any, ...]]:
    """(node, program, upstream, sure) of each loop."""
    return [(f.node, f.get("program"), f.get("upstream"), f.get("sure")) for f in dns_loops(FactBase(list(facts)))]


def kubelet(resolv_conf: str) -> Fact:
    """A node's own kubelet configuration."""
    return Fact("kubelet", {"resolv_conf": resolv_conf}, "n1")


def all_kubelets(text: str) -> Fact:
    """The configuration of all kubelets, as kubeadm keeps it."""
    return Fact("kube_config", {"namespace": "kube-system", "name": "kubelet-config", "data": {"kubelet": f"kind: KubeletConfiguration\n{text}"}})


class TestCoreDns:
    """CoreDNS in a pod reads the resolv.conf that the kubelet copied from the node."""

    def test_stub(self) -> None:
        """The node's stub is the pod itself; certain only where the kubelet's file is known."""
        assert loops(COREDNS, STUB) == [("n1", "coredns", "127.0.0.53", False)]
        assert loops(COREDNS, STUB, kubelet("")) == [("n1", "coredns", "127.0.0.53", True)]
        assert loops(COREDNS, STUB, kubelet("/etc/resolv.conf")) == [("n1", "coredns", "127.0.0.53", True)]

    @pytest.mark.parametrize("told", [
        kubelet("/run/systemd/resolve/resolv.conf"), all_kubelets("resolvConf: /run/systemd/resolve/resolv.conf\n"),
    ])
    def test_real_file(self, told: Fact) -> None:
        """A kubelet that gives the real servers makes no loop."""
        assert loops(COREDNS, STUB, told) == []

    def test_cluster_wide_configuration(self) -> None:
        """The configuration of all kubelets counts where a node's own was not seen."""
        assert loops(COREDNS, STUB, all_kubelets("")) == [("n1", "coredns", "127.0.0.53", True)]

    def test_real_servers(self) -> None:
        """A node without a stub, and one whose copy of another file names one."""
        assert loops(COREDNS, Fact("dns_config", {"nameservers": ("10.0.0.2",), "file": "/etc/resolv.conf"}, "n1")) == []
        assert loops(COREDNS, Fact("dns_config", {"nameservers": ("127.0.0.53",), "file": "/etc/resolv.conf"}, "n1", "web")) == []

    @pytest.mark.parametrize(("upstream", "loop"), [("127.0.0.1", True), ("127.0.0.1#5353", False), ("10.96.0.10", True), ("10.0.0.2", False)])
    def test_itself(self, upstream: str, loop: bool) -> None:
        """Its own loopback or its own Service; another port is another program."""
        own = COREDNS.having(upstreams=(upstream,))
        service = Fact("service", {"namespace": "kube-system", "name": "kube-dns", "cluster_ips": ("10.96.0.10",)})
        found = loops(own, service, Fact("netns", {"name": "host"}, "n1"))
        assert found == ([("n1", "coredns", upstream, True)] if loop else [])


def dnsmasq(node: str, *upstreams: str, **more: Any) -> Fact:
    """A dnsmasq on a node."""
    return Fact("dns_forwarder", {"program": "dnsmasq", "zone": ".", "port": 53, "upstreams": upstreams, "file": "/etc/dnsmasq.conf", **more}, node)


def held(node: str, address: str) -> Fact:
    """An address of a node."""
    return Fact("address", {"device": "eth0", "address": address}, node)


class TestCircles:
    """Forwarders that ask each other."""

    def test_two(self) -> None:
        """Each of the two is in the circle."""
        found = loops(dnsmasq("a", "10.0.0.2"), dnsmasq("b", "10.0.0.1"), held("a", "10.0.0.1"), held("b", "10.0.0.2"))
        assert found == [("b", "dnsmasq", "10.0.0.1", True), ("a", "dnsmasq", "10.0.0.2", True)]

    def test_by_resolv_conf(self) -> None:
        """The file that a forwarder reads closes the circle too."""
        config = Fact("dns_config", {"nameservers": ("10.0.0.1",), "file": "/etc/resolv.conf"}, "b")
        found = loops(dnsmasq("a", "10.0.0.2"), dnsmasq("b", "/etc/resolv.conf"), config, held("a", "10.0.0.1"), held("b", "10.0.0.2"))
        assert len(found) == 2

    def test_chain(self) -> None:
        """A chain that ends is none, nor one that leads into somebody else's circle, nor a server on another port or address."""
        ends = [held("a", "10.0.0.1"), held("b", "10.0.0.2"), held("c", "10.0.0.3")]
        assert loops(dnsmasq("a", "10.0.0.2"), dnsmasq("b", "10.0.0.9"), *ends) == []
        assert loops(dnsmasq("a", "10.0.0.2"), dnsmasq("b", "10.0.0.1", port=5300), *ends) == []
        assert loops(dnsmasq("a", "10.0.0.2"), dnsmasq("b", "10.0.0.1", listen=("127.0.0.1",)), *ends) == []
        into = loops(dnsmasq("a", "10.0.0.2"), dnsmasq("b", "10.0.0.3"), dnsmasq("c", "10.0.0.2"), *ends)
        assert {node for node, *_ in into} == {"b", "c"}

    def test_own_loopback(self) -> None:
        """A loopback address means a program of the same machine."""
        assert loops(dnsmasq("a", "127.0.0.1"), dnsmasq("b", "127.0.0.1")) == []


class TestOwnName:
    """A machine's name in its own hosts file."""

    @staticmethod
    def made(*names: str, sources: tuple[str, ...] = (), whole: bool = True, hostname: str = "app1.corp.example") -> list[Fact]:
        """The fact of a machine whose hosts file has these names."""
        facts = [Fact("host", {"hostname": hostname}, "n1"), Fact("hosts_entry", {"address": "127.0.1.1", "names": names}, "n1")]
        facts += [Fact("nsswitch", {"hosts": sources}, "n1")] if sources else []
        facts += [Fact("collected", {"what": "hosts", "scope": "all"}, "n1")] if whole else []
        return list(own_names(FactBase(facts)))

    @pytest.mark.parametrize(("names", "listed"), [(("app1",), True), (("APP1.corp.example",), True), (("localhost", "app12"), False)])
    def test_listed(self, names: tuple[str, ...], listed: bool) -> None:
        """The short name or the long one, whatever its case."""
        (fact,) = self.made(*names)
        assert (fact.get("listed"), fact.get("short"), fact.get("itself")) == (listed, "app1", None)

    def test_library(self) -> None:
        """nss-myhostname answers for it, where nsswitch.conf was seen."""
        assert self.made(sources=("files", "myhostname"))[0].get("itself") is True
        assert self.made(sources=("files", "dns"))[0].get("itself") is False

    def test_unseen(self) -> None:
        """A part of a hosts file proves nothing, and localhost is nobody's name."""
        assert self.made(whole=False) == []
        assert self.made(hostname="localhost") == []


# --- names that somebody else answers ---------------------------------------------------------------------------------

SEARCHED = {"program": "nslookup", "name": "netbox", "answered": "netbox.lab.example.net", "addresses": ("10.20.5.14",), "outcome": "resolved"}
DOTTED = {"program": "nslookup", "name": "netbox", "addresses": ("172.21.0.5",), "outcome": "resolved"}


def taken(*more: Fact, **changes: Any) -> list[tuple[str, str, str]]:
    """(domain, address, right address) of what a look-up in a container shows to be taken, beside other facts."""
    facts = taken_names(FactBase([Fact("observed", {**SEARCHED, **changes}, "n1", "nginx"), *more]))
    return [(f.fields["domain"], f.fields["address"], f.fields["right"]) for f in facts]


def box(name: str, address: str = "172.21.0.5", **more: Any) -> Fact:
    """A container of the network of the project ``netbox``."""
    return Fact("container", {"name": name, "endpoints": ({"network": "netbox_default", "address": address},), **more}, "n1")


@pytest.mark.parametrize(
    "owner",
    [Fact("observed", DOTTED, "n1", "nginx"), box("netbox"), box("netbox_netbox_1"), box("netbox-netbox-1"),
     box("x", labels={"com.docker.compose.service": "netbox"})],
)  # fmt: skip
def test_a_name_that_means_somebody_else(owner: Fact) -> None:
    """A final dot, or the runtime's own names, tell whom a name means; a search domain answered before."""
    assert taken(owner) == [("lab.example.net", "10.20.5.14", "172.21.0.5")]


def test_a_search_domain_may_answer() -> None:
    """It is what such domains are for: nobody here is called so, or the answer is whoever is; the cluster's own domains are left alone."""
    assert taken() == []
    assert taken(box("netbox_redis_1")) == []
    assert taken(box("netbox", "10.20.5.14")) == []
    assert taken(box("netbox").at("n2", "host")) == []
    assert taken(box("netbox"), answered="netbox.default.svc.cluster.local") == []


# --- containers that serve names --------------------------------------------------------------------------------------

PORTS = ({"host_ip": "0.0.0.0", "host_port": 53, "container_port": 53, "protocol": "udp"},)
SERVER = Fact("container", {"name": "pihole", "state": "running", "ports": PORTS}, "n1")
CARD = Fact("address", {"address": "192.168.1.9", "device": "eno1"}, "n1")


@pytest.mark.parametrize(("servers", "ports", "loops_to"), [
    (("192.168.1.9",), PORTS, ["192.168.1.9"]),
    (("192.168.1.1",), PORTS, []),
    (("192.168.1.9", "192.168.1.1"), PORTS, []),
    (("192.168.1.9",), ({**PORTS[0], "host_ip": "127.0.0.1"},), []),
    (("192.168.1.9",), ({**PORTS[0], "host_port": 8053},), []),
])  # fmt: skip
def test_a_name_server_that_asks_itself(servers: tuple[str, ...], ports: tuple[dict[str, Any], ...], loops_to: list[str]) -> None:
    """Its one server is an address of its machine on which it publishes port 53 itself."""
    config = Fact("dns_config", {"nameservers": servers, "file": "/etc/resolv.conf"}, "n1", "pihole")
    found = dns_loops(FactBase([SERVER.having(ports=ports), CARD, config]))
    assert [f.get("upstream") for f in found if f.get("itself")] == loops_to
