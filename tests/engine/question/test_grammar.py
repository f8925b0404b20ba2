"""Who sends and who answers."""

from __future__ import annotations

import pytest

from engine.question.grammar import Mention, read
from engine.question.tokens import error_class, fold, without_noise

NAMES = {"pod-a", "pod-b", "web", "node1", "node2", "nas", "docker0", "frontend"}

SENTENCES: list[tuple[str, str, str]] = [
    ("pod cannot reach db", "pod", "database"),
    ("pod-a cannot reach web: No route to host", "pod-a", "web"),
    ("pod-a can't connect to web", "pod-a", "web"),
    ("pod-a is unable to ping web", "pod-a", "web"),
    ("pod-a fails to reach web", "pod-a", "web"),
    ("pod-a times out connecting to web", "pod-a", "web"),
    ("traffic from pod-a to web is lost", "pod-a", "web"),
    ("web is unreachable from pod-a", "pod-a", "web"),
    ("web cannot be reached from inside pod-a", "pod-a", "web"),
    ("connection between pod-a and pod-b times out", "pod-a", "pod-b"),
    ("pod-a -> web: timeout", "pod-a", "web"),
    ("pod-a → web 不通", "pod-a", "web"),
    ("curl http://web:8080/x from pod-a hangs", "pod-a", "web"),
    ("in pod-a, curl web hangs", "pod-a", "web"),
    ("pod-a has no network", "pod-a", ""),
    ("dial tcp 10.96.0.1:443: i/o timeout", "", "10.96.0.1"),
    ("pod-a has no internet access", "pod-a", "internet"),
    ("curl https://github.com from pod-a hangs", "pod-a", "internet"),
    ("container can't reach host.docker.internal:8899: Connection refused", "container", "own-host"),
    ("vpn clients have no internet", "tunnel", "internet"),
    ("phones on the hotspot get an address but cannot connect to the internet", "behind", "internet"),
    ("wifi clients cannot reach the internet", "behind", "internet"),
    ("container on 10.0.3.77, curl http://10.2.0.9 times out", "", "10.2.0.9"),
    ("web cannot be reached from our office 10.9.4.0/24", "10.9.4.10", "web"),
    ("ping6 2001:db8::9 fails", "", "2001:db8::9"),
    ("read tcp 10.244.1.5:40000->10.96.0.1:443: i/o timeout", "10.244.1.5", "10.96.0.1"),
    ("lookup web on 10.96.0.10:53: no such host", "", "10.96.0.10"),
    ("connection refused on web:5432", "", "web"),
    ("PING web (10.1.0.6) 56(84) bytes of data. From 10.1.0.1 icmp_seq=1 Destination Host Unreachable", "", "web 10.1.0.6"),
    ("curl: (7) Failed to connect to 10.2.0.9 port 5432 after 3000 ms: No route to host", "", "10.2.0.9"),
    ("ssh: connect to host nas port 22: No route to host", "", "nas"),
    ("ERROR 2003 (HY000): Can't connect to MySQL server on '10.2.0.9' (113)", "", "product:mysql 10.2.0.9"),
    (
        'could not connect to server: No route to host Is the server running on host "10.2.0.9" and accepting TCP/IP connections on port 5432?',
        "",
        "10.2.0.9",
    ),
    ("pods on node1 cannot reach nas", "pod@node1", "nas"),
    ("the web pod 10.244.1.5 on node1 is allowed by label, connections to nas time out", "web@node1", "nas"),
    ("pod web (10.244.1.5) cannot reach nas", "web", "nas"),
    ("from pod web 10.96.0.1 is not reachable", "web", "10.96.0.1"),
    ("the NetworkPolicy on nas does not match, pod web is allowed by its label", "web", "nas"),
    ("the frontend container cannot reach the database", "frontend", "database"),
    ("pod web cannot reach service nas", "web", "nas"),
    ("containers cannot ping each other", "container", "container"),
    ("container can't access the internet", "container", "internet"),
    ("web:8080 refuses pod-a", "pod-a", "web"),
    ("web can't be reached by pod-a", "pod-a", "web"),
    ("port 443 on web is unreachable", "", "web"),
    ("pod-a cannot connect to port 443 on node1", "pod-a", "node1"),
    ("since the update no site behind web is reachable from pod-a, connection timed out", "pod-a", "web"),
    ("none of the replicas of web is reachable from pod-a, node1 works", "pod-a", "web"),
    ("pod-b works with no problem from node1, pod-a cannot reach web", "pod-a", "web"),
    ("port 80 of web is closed for the frontend container", "frontend", "web"),
    ("web does not accept connections of pod-a on port 80", "pod-a", "web"),
    ("web 无法被 pod-a 访问", "pod-a", "web"),
    ("web:8080 拒绝 pod-a 的连接", "pod-a", "web"),
    ("pod-a refuses to reach web", "pod-a", "web"),
    ("pod cannot reach itself through its service", "pod", "own-service"),
    ("redis refused connections from web", "web", "product:redis"),
    ("web and frontend cannot reach nas", "web frontend", "nas"),
    ("ping from pod-a to web fails, ping from node1 to web works", "pod-a", "web"),
    ("pod-a can ping node1 but cannot ping node2", "pod-a", "node2"),
    ("pod-a cannot reach shop.example.com", "pod-a", "?shop.example.com"),
    ("pod-a cannot reach pod-x", "pod-a", "?pod-x"),
    ("blorp cannot connect to web", "?blorp", "web"),
    ("从 pod-a 到 web 不通", "pod-a", "web"),
    ("从pod-a访问web超时", "pod-a", "web"),
    ("pod-a 访问不了 web", "pod-a", "web"),
    ("pod-a 連不上 web", "pod-a", "web"),
    ("pod-a ping 不通 web", "pod-a", "web"),
    ("pod-a无法连接web", "pod-a", "web"),
    ("在 pod-a 里 ping 10.2.0.9 报 Destination Host Unreachable", "pod-a", "10.2.0.9"),
    ("pod 内无法连接到数据库 dial tcp 10.2.0.9:3306: i/o timeout", "pod", "database 10.2.0.9"),
    ("数据库连不上", "", "database"),
    ("資料庫連不上", "", "database"),
    ("pod 无法连接数据库", "pod", "database"),
    ("容器訪問不了外網", "container", "internet"),
    ("容器之间互相 ping 不通", "container", "container"),
    ("pod-a 和 pod-b 之间不通", "pod-a", "pod-b"),
    ("node1 上的 pod 访问不了 web", "pod@node1", "web"),
    ("外部无法访问机器的 80 端口", "clients", "node"),
    ("Pod可以跨节点访问docker0 IP,但是不能跨节点访问Pod IP", "pod", "pod"),
    ("从Docker容器内可以ping通宿主机IP,但ping不通其它主机", "container", "others"),
    ("K8s Master主机上ping不通Node节点上的docker0和容器,但在Node上可以ping通", "master", "docker0 container"),
    ("扩容节点访问 service 地址不通", "node", "service"),
    ("pod 网络不通", "pod", ""),
    ("web reaches nas 10.1.20.5:3306 with the wrong source address", "web", "nas 10.1.20.5"),
    ("10.1.20.5:3306 sees the wrong source address instead of the pod web", "web", "10.1.20.5"),
    ("数据库看到的源地址是节点地址，而不是 pod web 的", "web", "database"),
    ("web: dial tcp 10.2.0.9:443: i/o timeout", "web", "10.2.0.9"),
    ("container cannot connect to mysql on the host 10.2.0.9:3306, connection timed out", "container", "product:mysql 10.2.0.9"),
    ("pod-a cannot reach redis on another machine 10.2.0.9:6379", "pod-a", "product:redis 10.2.0.9"),
    ("containers in 10.9.4.0/24 on the other node not reachable: ping 10.9.4.7 -> Invalid argument", "container", "10.9.4.7"),
    ("git clone inside docker hangs, on node1 everything works", "container", ""),
    ("in docker network web cannot reach nas", "web", "nas"),
    ("nodePort 31512 on node node1 (10.2.0.9) times out from client 10.2.0.60", "10.2.0.60", "nodeport@node1"),
    ("kube-proxy in ipvs mode: nodePort 31512 times out from client 10.2.0.60", "10.2.0.60", "nodeport"),
    ("published port 8080 of the container does not work after the container was recreated", "", "published"),
    ("published port 8080 of web times out", "", "published"),
    ("the container cannot reach the published port 8080", "container", "published"),
    ("on centos 7: web is refused from pod-a", "pod-a", "web"),
    ("on host: web cannot reach nas", "web", "nas"),
    ("published port 8080 on the host node1 (10.2.0.9) is refused from 10.2.0.60", "10.2.0.60", "published@node1"),
    ("telnet 10.96.0.10 6379: Unable to connect to remote host: Connection refused, although the pods run", "", "10.96.0.10 clients"),
    ("curl http://10.2.0.9:8080 times out, both containers are up and running", "", "10.2.0.9"),
    ("pod-a cannot reach web, the replicas of node2 are running", "pod-a", "web"),
    ("nobody answers on 10.2.0.9:8080, the container is not running", "container", "10.2.0.9"),
    ("10.96.0.10:6379 连接被拒绝，pod 都在运行", "", "10.96.0.10"),
    ("guests on virbr0 cannot ping 10.2.0.9", "container@virbr0", "10.2.0.9"),
    ("", "", ""),
]


def _names(mentions: tuple[Mention, ...]) -> str:
    return " ".join(("" if m.known else "?") + (m.host or m.role) + (f"@{m.at}" if m.at else "") for m in mentions)


@pytest.mark.parametrize(("text", "senders", "targets"), SENTENCES)
def test_roles(text: str, senders: str, targets: str) -> None:
    """The sentence gives these senders and these targets."""
    masked = error_class(without_noise(fold(text)))[1]
    roles = read(masked, text, NAMES.__contains__)
    assert (_names(roles.senders), _names(roles.targets)) == (senders, targets)


@pytest.mark.parametrize(
    ("text", "role"), [("pod-a reaches github.com", "internet"), ("pod-a looks up github.com", ""), ("valid for x, not github.com", "")],
)
def test_a_site_that_is_looked_up_is_no_machine(text: str, role: str) -> None:
    """A well-known site stands for the internet where packets go to it, and for itself where its name is what the complaint is about."""
    roles = read(text, text, NAMES.__contains__)
    assert {m.role for m in (*roles.senders, *roles.targets) if "github" in m.text} <= {role}


@pytest.mark.parametrize("text", ["port 443 on web is closed", "port 443 on the host web is closed", "nobody can open port 443 of web"])
def test_a_port_that_is_said_to_be_on_a_machine(text: str) -> None:
    """It is that machine's, as the one behind its name is."""
    assert [(m.host, m.port) for m in read(fold(text), text, NAMES.__contains__).targets] == [("web", 443)]
