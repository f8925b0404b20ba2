"""From a symptom and options to flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import QuestionError
from engine.facts import HOST, Fact, FactBase
from engine.question import understand
from engine.question.flows import MAX_FLOWS, each_once
from engine.walk.trace import Flow
from tests.engine.question.conftest import fact

if TYPE_CHECKING:
    from engine.findings import Question


def flows(question: Question) -> list[str]:
    """Flows on one line each: ``n1/pod-a[src] > 10.2.0.9:5432/tcp``."""
    return [f"{f.node}/{f.stack}" + (f"[{f.src}]" if f.src else "") + f" > {f.dst}:{f.port}/{f.protocol}" for f in question.flows]


def ask(base: FactBase, symptom: str = "", **options: Any) -> list[str]:
    """Flows of a question."""
    return flows(understand(symptom, base, **options))


POD_DB = ["n1/pod-a > 10.2.0.9:5432/tcp"]
LAB: list[tuple[str, list[str]]] = [
    ("pod cannot reach db", POD_DB),
    ("pod-a cannot reach db: No route to host", POD_DB),
    ("pod 无法连接数据库", POD_DB),
    ("pod-a 连不上 db", POD_DB),
    ("pod-a ping 不通 db", ["n1/pod-a > 10.2.0.9:0/icmp"]),
    ("pod-a cannot reach db at 10.2.0.9:3306", ["n1/pod-a > 10.2.0.9:3306/tcp"]),
    ("pod-a cannot reach mysql at 10.9.9.9", ["n1/pod-a > 10.9.9.9:3306/tcp"]),
    ("pod-a cannot reach db port 6379", ["n1/pod-a > 10.2.0.9:6379/tcp"]),
    ("pod-a cannot ssh to db", ["n1/pod-a > 10.2.0.9:5432/tcp"]),
    ("curl http://web:8081/x from pod-a hangs", ["n1/pod-a > 10.1.0.6:8081/tcp"]),
    ("pod-a cannot reach web", ["n1/pod-a > 10.1.0.6:8080/tcp"]),
    ("web cannot reach pod-a", ["n1/web > 10.1.0.5:0/icmp"]),
    ("web cannot reach pod-a: connection refused", ["n1/web > 10.1.0.5:80/tcp"]),
    ("pod-a cannot reach the internet", ["n1/pod-a > 8.8.8.8:0/icmp"]),
    ("pod-a cannot ping its gateway", ["n1/pod-a > 10.1.0.1:0/icmp"]),
    ("pod-a cannot ping the host", ["n1/pod-a > 192.168.1.10:0/icmp"]),
    ("pod-a ping 不通其它主机", ["n1/pod-a > 192.168.1.11:0/icmp"]),
    ("pod-a cannot resolve names", ["n1/pod-a > 10.96.0.10:53/udp"]),
    ("pod-a: lookup x on 10.96.0.99:53: no such host", ["n1/pod-a > 10.96.0.99:53/udp"]),
    ("n1 cannot ping n2", ["n1/host > 192.168.1.11:0/icmp"]),
    ("10.1.0.5 cannot reach 10.2.0.9:5432", ["n1/pod-a[10.1.0.5] > 10.2.0.9:5432/tcp"]),
    ("10.7.7.7 cannot reach 10.2.0.9:5432", ["/[10.7.7.7] > 10.2.0.9:5432/tcp"]),
    ("数据库连不上", ["n1/pod-a > 10.2.0.9:5432/tcp", "n1/web > 10.2.0.9:5432/tcp"]),
    ("pod-a cannot reach docker0", ["n1/pod-a > 172.17.0.1:0/icmp"]),
    ("pod-a cannot connect to localhost:80", ["n1/pod-a > 127.0.0.1:80/tcp"]),
    ("pods cannot reach each other across nodes with ping", ["n1/pod-a > 10.2.0.9:0/icmp"]),
    ("pod-a cannot reach shop.example.com", []),
    ("pod-a cannot reach pod-x", []),
    ("pod-a reaches db 10.2.0.9:3306 with the wrong source address", ["n1/pod-a > 10.2.0.9:3306/tcp"]),
]


@pytest.mark.parametrize(("symptom", "expected"), LAB)
def test_symptoms_on_namespaces(lab: FactBase, symptom: str, expected: list[str]) -> None:
    """The symptom becomes exactly these flows."""
    assert ask(lab, symptom) == expected


CLUSTER: list[tuple[str, list[str]]] = [
    ("web cannot reach postgres: i/o timeout", ["node-1/cni-1 > 10.96.7.7:5432/tcp"]),
    ("web cannot connect to postgres.shop.svc.cluster.local:5432", ["node-1/cni-1 > 10.96.7.7:5432/tcp"]),
    ("web cannot reach the API server", ["node-1/cni-1 > 10.96.0.1:443/tcp"]),
    ("web cannot resolve names", ["node-1/cni-1 > 10.96.0.10:53/udp"]),
    ("agent cannot reach web", ["node-1/host > 10.96.7.8:80/tcp"]),
    ("postgres cannot connect to web", ["node-2/[10.244.2.9] > 10.96.7.8:80/tcp"]),
    ("master cannot ping pods", ["node-1/host > 10.244.1.5:0/icmp", "node-1/host > 10.244.2.9:0/icmp"]),
    ("pod cannot reach itself through its service", ["node-1/cni-1 > 10.96.7.8:80/tcp"]),
    ("cannot reach nodeport 30080", ["/[203.0.113.10] > 192.168.0.1:30080/tcp", "/[203.0.113.10] > 192.168.0.2:30080/tcp"]),
    ("node-1 cannot reach node-2", ["node-1/host > 192.168.0.2:0/icmp"]),
    ("web cannot reach bare", ["node-1/cni-1 > 10.244.2.9:8080/tcp"]),
    ("source IP of pod web is changed to the node address", ["node-1/cni-1 > 10.244.2.9:5432/tcp"]),
]


@pytest.mark.parametrize(("symptom", "expected"), CLUSTER)
def test_symptoms_on_a_cluster(cluster: FactBase, symptom: str, expected: list[str]) -> None:
    """Pods, Services and nodes of the API are senders and targets."""
    assert ask(cluster, symptom) == expected


DOCKER: list[tuple[str, list[str]]] = [
    ("container cannot reach db", ["dock/[172.17.0.2] > 172.17.0.3:3306/tcp"]),
    ("frontend cannot reach mysql", ["dock/[172.17.0.2] > 172.17.0.3:3306/tcp"]),
    ("frontend cannot reach redis", ["dock/[172.17.0.2] > 192.168.50.7:6379/tcp"]),
    ("frontend cannot ping the host", ["dock/[172.17.0.2] > 10.0.0.4:0/icmp"]),
    ("cannot reach http://10.0.0.4:8080", ["/[203.0.113.10] > 10.0.0.4:8080/tcp"]),
    ("外部访问不了 8080 端口", ["/[203.0.113.10] > 10.0.0.4:8080/tcp"]),
    ("metrics cannot reach frontend", ["dock/host > 172.17.0.2:80/tcp"]),
    ("frontend cannot resolve example.com", []),
]


@pytest.mark.parametrize(("symptom", "expected"), DOCKER)
def test_symptoms_on_a_docker_host(docker: FactBase, symptom: str, expected: list[str]) -> None:
    """Containers that were not entered send from their address on their node."""
    assert ask(docker, symptom) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"from_": "pod-a", "to": "db"}, POD_DB),
        ({"from_": "n1/pod-a", "to": "n2/db"}, POD_DB),
        ({"from_": "pod-a", "to": "db:3306", "protocol": "udp"}, ["n1/pod-a > 10.2.0.9:3306/udp"]),
        ({"from_": "pod-a", "to": "db:3306", "port": 80}, ["n1/pod-a > 10.2.0.9:80/tcp"]),
        ({"from_": "10.9.9.9", "to": "[fd00:2::9]:80"}, ["/[10.9.9.9] > fd00:2::9:80/tcp"]),
        ({"from_": "pod-a", "to": "internet", "port": 443}, ["n1/pod-a > 8.8.8.8:443/tcp"]),
        ({"from_": "pod-a", "to": "localhost:80"}, ["n1/pod-a > 127.0.0.1:80/tcp"]),
        ({"from_": "pod-a", "to": "pod-a", "port": 80}, ["n1/pod-a > 10.1.0.5:80/tcp"]),
        ({"from_": "node/n1", "to": "db", "protocol": "icmp"}, ["n1/host > 10.2.0.9:0/icmp"]),
        ({"to": "web"}, ["n1/pod-a > 10.1.0.6:8080/tcp", "n2/db > 10.1.0.6:8080/tcp"]),
        ({"to": "web", "node": "n1"}, ["n1/pod-a > 10.1.0.6:8080/tcp"]),
        ({"from_": "pod-a", "to": "mysql"}, ["n1/pod-a > 10.2.0.9:3306/tcp"]),
        ({"from_": "pod-a"}, ["n1/pod-a > 10.2.0.9:5432/tcp", "n1/pod-a > 10.1.0.6:8080/tcp"]),
    ],
)
def test_options(lab: FactBase, options: dict[str, Any], expected: list[str]) -> None:
    """Options take every form of name, and make the flow alone."""
    assert ask(lab, **options) == expected


def test_options_override_the_text(lab: FactBase) -> None:
    """What an option says beats what the text says."""
    assert ask(lab, "web cannot ping n2", from_="pod-a", to="db", port=5432) == POD_DB


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"from_": "poda", "to": "db"}, "--from poda: nothing in the evidence has this name", "did you mean pod-a?"),
        ({"to": "shop.example.org"}, "--to shop.example.org", "--to ADDRESS"),
        ({"node": "n7"}, "--node n7", "the evidence names"),
        ({"to": "db", "port": 70000}, "no such port: 70000", "1 to 65535"),
    ],
)
def test_options_that_name_nothing(lab: FactBase, options: dict[str, Any], message: str, hint: str) -> None:
    """A name given by option must exist; the error suggests the nearest."""
    with pytest.raises(QuestionError) as caught:
        understand("x", lab, **options)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_unknown_name_in_the_text_is_missing_evidence(lab: FactBase) -> None:
    """A name that only the text has is no error: the report says how to find its address."""
    question = understand("pod-a cannot reach shop.example.com", lab)
    assert [(m.node, m.command) for m in question.missing] == [
        ("n1", "getent hosts shop.example.com"),
        ("n1", "diagnose --from pod-a --to ADDRESS:PORT"),
    ]


def test_nothing_to_understand() -> None:
    """Without any stack in the evidence the report asks for the basic listings."""
    question = understand("pod cannot reach db", FactBase([]))
    assert question.flows == ()
    assert [m.command for m in question.missing] == ["ip -d addr show", "ip route show table all", "iptables-save"]


def test_missing_command_quotes_hostile_names() -> None:
    """A name from the evidence cannot smuggle a command into what the user is told to run."""
    base = FactBase([Fact("netns", {"name": "x; rm -rf y", "role": "container"}, "n1", "x; rm -rf y")])
    question = understand("", base, from_="x; rm -rf y", to="203.0.113.1")
    assert question.flows
    alone = understand("x; rm -rf y cannot reach nowhere.example", base, from_="x; rm -rf y")
    assert any("--from 'x; rm -rf y' " in m.command for m in alone.missing)


def test_assumptions_are_told_in_both_languages(lab: FactBase) -> None:
    """Whatever was taken for granted is said once, in English and Chinese."""
    question = understand("pod cannot reach db", lab)
    texts = [a.text for a in question.assumptions]
    assert {"en": '"pod" is taken to be pod-a; --from names another.', "zh": "“pod”被理解为 pod-a；可用 --from 另行指定。"} in texts
    assert all(set(text) == {"en", "zh"} for text in texts)
    assert len(texts) == len({text["en"] for text in texts})


def test_names_that_need_no_assumption(lab: FactBase) -> None:
    """Where both ends and the port are named, nothing is assumed."""
    question = understand("pod-a cannot reach db:5432", lab)
    assert question.assumptions == ()
    assert question.mentioned == ("pod-a", "db:5432")
    assert (question.flows[0].from_name, question.flows[0].to_name) == ("pod-a", "db (10.2.0.9)")


def test_large_packets_use_the_mtu_of_the_sender(lab: FactBase) -> None:
    """A question about large packets walks one as large as the sender's device lets out."""
    assert understand("large files hang from pod-a to db", lab).flows[0].size == 1450
    assert understand("pod-a: ping -s 1472 db hangs", lab).flows[0].size == 1500
    assert understand("web: large files to db hang", lab).flows[0].size == 1500


def test_unanswered_connections_tell_sender_and_port() -> None:
    """Conntrack entries without an answer show who tried, and which port."""
    base = FactBase(
        [
            *(
                Fact("address", {"device": "eth0", "address": a, "prefixlen": 24, "family": 4, "scope": "global"}, "n1", s)
                for s, a in (("a", "10.0.0.2"), ("b", "10.0.0.3"), ("c", "10.0.0.4"))
            ),
            Fact("netns", {"name": "host", "role": "host"}, "n1", HOST),
            Fact(
                "conntrack",
                {"protocol": "tcp", "state": "SYN_SENT", "src": "10.0.0.3", "dst": "10.5.5.5", "sport": 4, "dport": 8443, "unreplied": True},
                "n1",
            ),
        ]
    )
    assert ask(base, "timeout to 10.5.5.5") == ["n1/b > 10.5.5.5:8443/tcp"]
    assert ask(base, "", from_="b") == ["n1/b > 10.5.5.5:8443/tcp"]


def test_database_without_a_name() -> None:
    """A database that nothing names is guessed, with both usual ports, and the guess is told."""
    facts = [
        Fact("address", {"device": "eth0", "address": a, "prefixlen": 24, "family": 4, "scope": "global"}, "n1", s)
        for s, a in (("pod-a", "10.0.0.2"), ("other", "10.0.0.3"))
    ]
    question = understand("pod-a cannot reach db", FactBase(facts))
    assert flows(question) == ["n1/pod-a > 10.0.0.3:5432/tcp", "n1/pod-a > 10.0.0.3:3306/tcp"]
    assert any("nothing shows which database" in a.text["en"] for a in question.assumptions)


GUESSES: list[tuple[str, dict[str, Any], bool]] = [
    ("web cannot reach pod-a: connection refused", {}, True),
    ("web cannot reach pod-a", {}, True),
    ("pod-a cannot reach mysql at 10.9.9.9", {}, True),
    ("pod-a cannot open http page of 10.9.9.9", {}, True),
    ("pod-a cannot reach web", {}, False),
    ("pod-a cannot reach db", {}, False),
    ("pod-a ping 不通 db", {}, False),
    ("curl http://10.9.9.9/x from pod-a hangs", {}, False),
    ("pod-a cannot reach mysql at 10.9.9.9", {"port": 3307}, False),
    ("pod-a cannot resolve names", {}, False),
]


def test_ports_of_a_virtual_service(lab: FactBase) -> None:
    """Where IPVS serves an address, a question without a port is about what it serves there."""
    served = [fact("ipvs_service", "n1", protocol=name, address="10.96.8.8", port=port, family=4) for name, port in (("tcp", 80), ("tcp", 443))]
    assert ask(lab.plus(served), "pod-a cannot reach 10.96.8.8") == ["n1/pod-a > 10.96.8.8:80/tcp", "n1/pod-a > 10.96.8.8:443/tcp"]
    assert ask(lab.plus(served), "pod-a cannot reach 10.96.8.9") == ["n1/pod-a > 10.96.8.9:0/icmp"]


@pytest.mark.parametrize(("symptom", "options", "guessed"), GUESSES)
def test_guessed_ports(lab: FactBase, symptom: str, options: dict[str, Any], guessed: bool) -> None:
    """A port is a guess where neither the user nor the evidence names it: the usual port of a program, 80, a ping that nobody spoke of."""
    asked = understand(symptom, lab, **options).flows
    assert asked
    assert {flow.guessed for flow in asked} == {guessed}


def test_one_port_of_several_published_ones_is_a_guess() -> None:
    """A container that publishes one port is asked there; of several, the first is a guess."""

    def asked(*published: int) -> set[bool]:
        host = Fact("address", {"device": "eth0", "address": "10.0.0.4", "prefixlen": 24, "family": 4, "scope": "global"}, "dock")
        fields: dict[str, Any] = {"id": "ab" * 10, "name": "shop", "runtime": "docker", "state": "running"}
        fields |= {"endpoints": ({"network": "bridge", "address": "172.17.0.2"},)}
        ports = tuple({"host_port": port, "container_port": port, "protocol": "tcp"} for port in published)
        base = FactBase([host, Fact("container", fields | {"ports": ports}, "dock")])
        return {flow.guessed for flow in understand("cannot reach shop from outside: connection refused", base).flows}

    assert asked(8080) == {False}
    assert asked(8080, 8443) == {True}


def test_a_port_that_is_named_once_is_no_guess() -> None:
    """The same flow, guessed for one word and known for another, is one flow that is known."""
    flow = Flow("n1", HOST, "", "10.0.0.2", 80, "tcp")
    assert each_once([flow._replace(guessed=True), flow, flow._replace(port=81, guessed=True)]) == [flow, flow._replace(port=81, guessed=True)]


def test_flows_are_bounded_and_nodes_take_turns() -> None:
    """A question that fits hundreds of pods walks a bounded number, and says so."""
    facts = [
        Fact(
            "address", {"device": "eth0", "address": f"10.{node}.0.{pod}", "prefixlen": 16, "family": 4, "scope": "global"}, f"n{node}", f"pod-{pod}"
        )
        for node in range(1, 4)
        for pod in range(2, 60)
    ]
    question = understand("pods cannot ping each other", FactBase(facts))
    assert len(question.flows) == MAX_FLOWS
    assert {f.node for f in question.flows} == {"n1", "n2", "n3"}
    assert any(f"the first {MAX_FLOWS} are walked" in a.text["en"] for a in question.assumptions)


def test_never_the_same_stack_on_both_sides(lab: FactBase) -> None:
    """No flow asks a machine about itself unless both ends were named so."""
    for symptom in ("pods cannot ping each other", "containers cannot reach containers", "db cannot reach db"):
        assert all(
            (f.node, f.stack, f.dst) not in {("n1", "pod-a", "10.1.0.5"), ("n1", "web", "10.1.0.6"), ("n2", "db", "10.2.0.9")}
            for f in understand(symptom, lab).flows
        )


def test_target_address_is_on_the_senders_side() -> None:
    """Of several addresses the one on the sender's network is taken, and never a bridge's."""

    def address(node: str, stack: str, text: str, device: str = "eth0", length: int = 24) -> Fact:
        return Fact(
            "address", {"device": device, "address": text, "prefixlen": length, "family": 6 if ":" in text else 4, "scope": "global"}, node, stack
        )

    base = FactBase(
        [
            address("n1", "a", "10.2.0.5"),
            address("n1", "six", "fd00::5", length=64),
            address("n1", "b", "172.17.0.1", "docker0", 16),
            address("n1", "b", "fd00::9", length=64),
            address("n1", "b", "10.1.0.9"),
            address("n1", "b", "10.2.0.9", "eth1"),
        ]
    )
    assert ask(base, "a cannot ping b", from_="a", to="b", protocol="icmp") == ["n1/a > 10.2.0.9:0/icmp"]
    assert ask(base, "", from_="six", to="b", protocol="icmp") == ["n1/six > fd00::9:0/icmp"]
    assert ask(base, "", from_="six", to="internet") == ["n1/six > 2001:4860:4860::8888:0/icmp"]


SHOP = [
    fact("k8s_node", name="w1", addresses=("10.0.0.1",)),
    fact("k8s_node", name="w2", addresses=("10.0.0.2",)),
    fact("pod", namespace="kube-system", name="kube-proxy-x", ips=("10.0.0.1",), node_name="w1"),
    fact("pod", namespace="kube-system", name="coredns-x", ips=("10.1.1.2",), node_name="w1"),
    fact("pod", namespace="shop", name="web-x1", ips=("10.1.1.5",), node_name="w1"),
    fact("pod", namespace="shop", name="gateway-x1", ips=("10.1.1.6",), node_name="w1"),
    fact("pod", namespace="shop", name="ledger-0", ips=("10.1.2.9",), node_name="w2"),
    fact("service", namespace="shop", name="web", type="NodePort", cluster_ips=("10.96.0.7",),
        ports=({"port": 80, "target_port": 8080, "node_port": 30080},)),
    fact("service", namespace="shop", name="ledger", cluster_ips=("None",), ports=({"port": 5432, "target_port": 5432},)),
    fact("service", namespace="shop", name="books", cluster_ips=(), external_name="web.shop.svc.cluster.local",
        ports=({"port": 80, "target_port": 80},)),
    fact("service", namespace="shop", name="old", cluster_ips=(), external_name="192.0.2.9", ports=({"port": 80, "target_port": 80},)),
    fact("service", namespace="shop", name="gone", cluster_ips=(), external_name="ledger.shop", ports=({"port": 5432, "target_port": 5432},)),
    fact("service", namespace="shop", name="far", cluster_ips=(), external_name="db.example.com", ports=({"port": 80, "target_port": 80},)),
    fact("service", namespace="shop", name="front", cluster_ips=("10.96.0.8",), ingress_ips=("198.51.100.7",),
        ports=({"port": 443, "target_port": 443},)),
    fact("endpoints", namespace="shop", service="ledger", ready=({"address": "10.1.2.9"},), ports=()),
]
"""Kubernetes objects alone."""


@pytest.mark.parametrize(
    ("symptom", "expected"),
    [
        # A word of kind or an ordinary word is a name behind the word for its kind.
        ("pod gateway cannot reach service ledger", [("10.1.1.6", "10.1.2.9", 5432)]),
        ("deployment web cannot reach statefulset ledger", [("10.1.1.5", "10.1.2.9", 0)]),
        ("gateway-x1 gets connection refused from http://web.shop.svc.cluster.local:80/api", [("10.1.1.6", "10.96.0.7", 80)]),
        # ExternalName is followed to an address, to a Service, to the pods of a headless one.
        ("web-x1 cannot reach service books", [("10.1.1.5", "10.96.0.7", 80)]),
        ("web-x1 cannot reach service old", [("10.1.1.5", "192.0.2.9", 80)]),
        ("web-x1 cannot reach service gone", [("10.1.1.5", "10.1.2.9", 5432)]),
        # Pods in their node's network are not "the pods", and the cluster's own ask for nothing.
        ("service ledger times out", [("10.1.1.5", "10.1.2.9", 5432), ("10.1.1.6", "10.1.2.9", 5432)]),
        ("w1 上的所有 Pod 都访问不了 ledger-0", [("10.1.1.5", "10.1.2.9", 0), ("10.1.1.6", "10.1.2.9", 0)]),
        # A node port on a node, and a load balancer's address, are asked for from outside.
        ("NodePort 30080 on w2 does not answer", [("203.0.113.10", "10.0.0.2", 30080)]),
        ("198.51.100.7:443 times out", [("203.0.113.10", "198.51.100.7", 443)]),
        ("w2 cannot reach clusterIP of web", [("10.0.0.2", "10.96.0.7", 80)]),
    ],
)
def test_symptoms_on_objects_alone(symptom: str, expected: list[tuple[str, str, int]]) -> None:
    """Who asks whom, by the Kubernetes objects and nothing else."""
    found = [(f.src, f.dst, f.port) for f in understand(symptom, FactBase(SHOP)).flows]
    assert found == expected


def test_an_external_name_beyond_the_evidence() -> None:
    """A name that nothing here resolves makes no flow."""
    assert understand("web-x1 cannot reach service far", FactBase(SHOP)).flows == ()


@pytest.mark.parametrize(("state", "guessed"), [("LISTEN", False), ("ESTAB", True)])
def test_a_program_on_loopback_shows_its_port(state: str, guessed: bool) -> None:
    """The usual port of the program that was named is no guess where it waits there, be it on loopback only."""
    facts = [
        Fact("address", {"device": "eth0", "address": "10.1.0.2", "prefixlen": 24, "family": 4, "scope": "global"}, "n1"),
        Fact("address", {"device": "eth0", "address": "10.1.0.3", "prefixlen": 24, "family": 4, "scope": "global"}, "n2"),
        Fact("socket", {"protocol": "tcp", "state": state, "address": "127.0.0.1", "port": 3306}, "n1"),
    ]
    flows = understand("n2 cannot connect to mysql on 10.1.0.2: connection refused", FactBase(facts)).flows
    assert {(flow.port, flow.guessed) for flow in flows if flow.dst == "10.1.0.2"} == {(3306, guessed)}


@pytest.mark.parametrize(("by", "en", "zh"), [
    ("names", "where other listings show them", "其他输出"), ("context", "printed the same way", "同样打印"), ("only", "the only namespace", "唯一"),
    ("default", "kubectl's own", "kubectl 的默认"),
])
def test_supposed_namespaces_are_said(by: str, en: str, zh: str) -> None:
    """Where objects printed without a namespace were taken to be is an assumption, in both languages, with the reason."""
    fact = Fact("supposed_namespace", {"namespace": "shop", "names": ("web-1", "db-0"), "by": by})
    (said,) = (a.text for a in understand("web cannot reach db", FactBase([fact])).assumptions if "shop" in a.text["en"])
    assert said["en"].startswith("web-1, db-0: printed without a namespace, taken to be in shop (")
    assert en in said["en"]
    assert zh in said["zh"]


@pytest.mark.parametrize("symptom", [
    "pod-a → 10.2.0.9:8000 ok?", "is pod-a -> 10.2.0.9:8000 ok", "pod-a 能访问 10.2.0.9:8000 吗？", "pod-a reaches 10.2.0.9:8000 fine? it works",
    "can pod-a reach 10.2.0.9:8000?", "pod-a -> 10.2.0.9:8000 ok",
])
def test_a_question_whether_it_works(lab: FactBase, symptom: str) -> None:
    """A clause that asks whether something works is what was asked about, and so is one that nothing that fails stands beside."""
    assert ask(lab, symptom) == ["n1/pod-a > 10.2.0.9:8000/tcp"]


@pytest.mark.parametrize("symptom", [
    "pod-a cannot reach {} on 8000", "pod-a cannot reach {} at port 8000", "pod-a cannot reach {} tcp 8000", "pod-a cannot reach {} 8000",
    "pod-a times out talking to {} (8000)", "pod-a 访问不了 {} 8000", "pod-a 访问不了 {} 的 8000", "pod-a gets no answer from {} on 8000.",
    "pod-a downloads a large file from {} port 8000 and it stalls", "pod-a pulls from {}:8000 and hangs",
    "pod-a gets connection refused from {} 8000",
])
@pytest.mark.parametrize("target", ["db", "10.2.0.9"])
def test_a_number_beside_a_name_is_its_port(lab: FactBase, symptom: str, target: str) -> None:
    """However a port is written behind a machine's name; who takes something from a machine is its client."""
    assert ask(lab, symptom.format(target)) == ["n1/pod-a > 10.2.0.9:8000/tcp"]


@pytest.mark.parametrize("symptom", [
    "pod-a cannot reach db on 2 of 30 tries", "pod-a cannot reach db 30 times", "pod-a cannot reach db at 10:30", "pod-a 访问不了 db 30 秒",
    "since 2024 pod-a cannot reach db", "pod-a cannot reach db 20% of the time",
])
def test_other_numbers_are_no_ports(lab: FactBase, symptom: str) -> None:
    """Counts, times and shares behind a name are none."""
    assert ask(lab, symptom) == POD_DB


def test_a_clause_is_a_question_by_whole_words(lab: FactBase) -> None:
    """"docker … works" begins with the letters of "do" and tells what works all the same."""
    assert ask(lab, "docker on 10.2.0.9:80 works, but pod-a cannot reach 10.2.0.9:8000") == ["n1/pod-a > 10.2.0.9:8000/tcp"]


def test_client_outside_is_on_no_network_of_the_evidence() -> None:
    """Nor of another family than what it asks for."""
    facts = FactBase(
        (
            Fact("netns", {"name": HOST, "role": "host"}, "n1"),
            Fact("address", {"device": "eth0", "address": "203.0.113.9", "prefixlen": 24, "family": 4}, "n1"),
            Fact("address", {"device": "eth0", "address": "fd00:7::9", "prefixlen": 64, "family": 6}, "n1"),
        )
    )
    (four,) = understand("port 80 of 203.0.113.9 cannot be reached from outside", facts).flows
    (six,) = understand("port 80 of fd00:7::9 cannot be reached from outside", facts).flows
    assert (four.src, six.src) == ("198.51.100.10", "2001:db8::10")


@pytest.mark.parametrize("symptom", [
    "can't open 192.168.1.11:8080 from my laptop", "浏览器打不开 192.168.1.11:8080", "从外面访问 192.168.1.11 的 8080 端口超时",
    "the browser times out on http://192.168.1.11:8080",
])
def test_a_person_in_front_of_a_screen_is_outside(lab: FactBase, symptom: str) -> None:
    """A laptop, a browser, "from outside" are clients that the evidence does not hold."""
    (flow,) = understand(symptom, lab).flows
    assert (flow.node, flow.dst, flow.port, flow.protocol) == ("", "192.168.1.11", 8080, "tcp")


def test_what_is_fine_is_not_asked_about(lab: FactBase) -> None:
    """A clause that says "fine" tells what works, whatever its verb."""
    assert ask(lab, "pod-a cannot reach 10.2.0.9:8000, nodes ping each other fine") == ["n1/pod-a > 10.2.0.9:8000/tcp"]


def test_port_of_a_name_before_an_error(lab: FactBase) -> None:
    """In "db:5432: connection refused" the colon behind the port begins what was said."""
    (flow,) = understand("pod-a to db:5432: connection refused", lab).flows
    assert flow.port == 5432


def test_who_stands_behind_a_service_is_not_who_asks() -> None:
    """Of a lone Service and its only pod, which somebody entered, a client outside is supposed; the pod asks if it is named."""
    base = FactBase([
        fact("service", namespace="default", name="web", type="ClusterIP", cluster_ips=("10.96.0.20",), ports=({"port": 80, "protocol": "TCP"},)),
        fact("endpoints", namespace="default", service="web", ready=({"address": "10.244.1.13"},), ports=({"port": 8080},), slice=False),
        fact("pod", namespace="default", name="web-0", full="default/web-0", ips=("10.244.1.13",), node_name="n1", phase="Running"),
        fact("netns", "n1", "web-0", name="web-0", role="container"),
    ])  # fmt: skip
    assert ask(base, "can't connect to remote host (10.96.0.20): Connection refused") == ["/[203.0.113.10] > 10.96.0.20:80/tcp"]
    assert ask(base, "web-0 can't connect to 10.96.0.20: Connection refused") == ["n1/web-0 > 10.96.0.20:80/tcp"]


@pytest.mark.parametrize(("said", "meant"), [
    ("ERR_CONNECTION_REFUSED", "ECONNREFUSED"), ("ERR_CONNECTION_TIMED_OUT", "timeout"), ("ERR_CONNECTION_RESET", "reset"),
    ("ERR_NAME_NOT_RESOLVED", "dns"), ("ERR_ADDRESS_UNREACHABLE", "EHOSTUNREACH"), ("ERR_EMPTY_RESPONSE", "reset"),
])  # fmt: skip
def test_words_of_browsers(lab: FactBase, said: str, meant: str) -> None:
    """What a browser shows in place of a page is an error like any program's."""
    assert understand(f"the browser says {said} for 10.2.0.9", lab).error_class == meant


@pytest.mark.parametrize(("device", "asks"), [("wlan0", "10.41.0.2"), ("docker0", "203.0.113.10")])
def test_machines_behind_a_node(device: str, asks: str) -> None:
    """Who is behind a node is on a card that is not the node's own way out; where there is none, somebody outside asks."""
    facts = [
        fact("netns", "pi", name=HOST, role="host"),
        *(
            fact("address", "pi", device=name, address=address, prefixlen=24, scope="global", family=4)
            for name, address in (("eth0", "192.168.22.118"), (device, "10.41.0.1"))
        ),
        fact("route", "pi", dst="0.0.0.0/0", gateway="192.168.22.1", device="eth0", table="main", type="unicast", family=4),
    ]
    assert ask(FactBase(facts), "wifi clients cannot reach the internet") == [f"/[{asks}] > 8.8.8.8:0/icmp"]


@pytest.mark.parametrize(
    ("symptom", "flow"),
    [
        ("curl localhost:8080 works but the node's IP 192.168.0.1 does not", "n1/host > 192.168.0.1:8080/tcp"),
        ("works on localhost:8080, does not work via the node IP", "n1/host > 192.168.0.1:8080/tcp"),
        (
            "port 8080 is reachable from the machine itself with 127.0.0.1 but connection refused from other machines",
            "/[8.8.8.8] > 192.168.0.1:8080/tcp",
        ),
        ("curl 127.0.0.1:8080 works, curl from another host is refused", "/[8.8.8.8] > 192.168.0.1:8080/tcp"),
        ("curl localhost:8080 works, port 9090 of n1 is refused", "/[203.0.113.10] > 192.168.0.1:9090/tcp"),
        ("curl db:5432 works, 192.168.0.1 does not answer", "/[203.0.113.10] > 192.168.0.1:0/icmp"),
    ],
)
def test_what_works_on_the_machine_itself(symptom: str, flow: str) -> None:
    """The port that its loopback answers is asked for from elsewhere, unless another one is named; what another machine answers is no such hint."""
    facts = [
        fact("netns", "n1", name="host", role="host"),
        fact("address", "n1", device="eth0", address="192.168.0.1", prefixlen=24, scope="global", family=4),
    ]
    assert flow in ask(FactBase(facts), symptom)


def test_large_packets_fit_the_device_that_they_leave_by() -> None:
    """A machine knows the MTU of a tunnel that it sends into, and makes no packets that are larger, whatever its card takes."""
    facts = [
        fact("netns", "n1", name="host", role="host"),
        fact("address", "n1", device="eth0", address="192.168.0.1", prefixlen=24, scope="global", family=4),
        fact("link", "n1", name="eth0", mtu=1460), fact("link", "n1", name="tunl0", mtu=1440),
        fact("route", "n1", dst="0.0.0.0/0", gateway="192.168.0.254", device="eth0", table="main", type="unicast"),
        fact("route", "n1", dst="10.1.2.0/24", gateway="192.168.0.2", device="tunl0", table="main", type="unicast"),
    ]  # fmt: skip
    for target, size in (("10.1.2.9", 1440), ("203.0.113.9", 1460)):
        assert [f.size for f in understand(f"large packets from n1 to {target}:80 hang", FactBase(facts)).flows] == [size]


def test_a_pod_in_which_something_was_only_tried() -> None:
    """What ``kubectl exec`` shows of a pod may be no more than an error: its packet then enters its node, from the address that the API knows."""
    facts = [
        fact("pod", namespace="shop", name="client", ips=("10.1.1.5",), node_name="n1", phase="Running"),
        fact("pod", namespace="shop", name="web", ips=("10.1.2.9",), node_name="n2", phase="Running"),
        fact("netns", "n1", "client", name="client", role="container"),
        fact("observed", "n1", "client", program="curl", address="10.1.2.9", port=80, protocol="tcp", outcome="EHOSTUNREACH"),
    ]
    assert ask(FactBase(facts), "curl from client to web port 80 fails") == ["n1/[10.1.1.5] > 10.1.2.9:80/tcp"]
    route = fact("route", "n1", "client", dst="0.0.0.0/0", gateway="10.1.1.1", device="eth0", table="main", type="unicast")
    assert ask(FactBase([*facts, route]), "curl from client to web port 80 fails") == ["n1/client > 10.1.2.9:80/tcp"]
