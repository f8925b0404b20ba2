"""Lexing of symptoms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.question.tokens import clauses, error_class, fold, packet_size, protocol_hint, spoken_port, tells_success, tokens, without_noise

CLASSES = {
    "EHOSTUNREACH": [
        "No route to host",
        "connect: EHOSTUNREACH",
        "没有到主机的路由",
        "沒有到主機的路由",
        "From 10.0.0.1 icmp_seq=1 Destination Host Unreachable",
        "Destination Host Prohibited",
        "java.net.NoRouteToHostException: No route",
        "ERROR 2003 (HY000): Can't connect to MySQL server on 'x' (113)",
        "[Errno 113] failed",
        "目标主机不可达",
        "Packet filtered",
    ],
    "ENETUNREACH": ["connect: Network is unreachable", "网络不可达", "網絡不可達", "網路不可達", "ENETUNREACH", "Destination Net Unreachable"],
    "ECONNREFUSED": [
        "Connection refused",
        "ECONNREFUSED 10.0.0.1:80",
        "连接被拒绝",
        "連線被拒絕",
        "拒绝连接",
        "Destination Port Unreachable",
        "(111)",
    ],
    "timeout": [
        "dial tcp 10.96.0.1:443: i/o timeout",
        "connection timed out",
        "curl: (28) Connection timed out after 3000 ms",
        "context deadline exceeded",
        "连接超时",
        "連線逾時",
        "超時",
        "一直卡住",
        "it hangs",
        "100% packet loss",
        "Can't connect (110)",
        "no response from server",
        "没有响应",
        "TLS handshake timeout",
    ],
    "EPERM": ["ping: sendmsg: Operation not permitted", "不允许的操作"],
    "EACCES": ["connect: Permission denied", "权限不够"],
    "EINVAL": ["connect: Invalid argument", "无效的参数"],
    "EMSGSIZE": ["ping: local error: message too long, mtu=1450"],
    "EADDRNOTAVAIL": ["connect: Cannot assign requested address"],
    "reset": ["read: connection reset by peer", "连接被重置", "連接被重置", "ECONNRESET"],
    "dns": [
        "curl: (6) Could not resolve host: db",
        "dial tcp: lookup db on 10.96.0.10:53: no such host",
        "Temporary failure in name resolution",
        "Name or service not known",
        "getaddrinfo ENOTFOUND db",
        "域名解析失败",
        "無法解析域名",
        "wget: bad address 'db'",
        "java.net.UnknownHostException: db",
        "dns does not work",
    ],
    "slow": ["web to db is slow", "DNS lookups have a 5s delay", "访问很慢", "訪問很慢", "延遲很高",
        "requests to the service take 1 second", "each look-up took about 15s", "takes a few seconds to answer", "每次请求要 5 秒", "耗时3秒"],
    "intermittent": ["sometimes connection refused", "时通时不通", "偶尔超时", "偶爾超時", "30% packet loss", "intermittent timeouts"],
    "wrong-source": [
        "the server sees the wrong source address",
        "源地址变成了 flannel0 的地址",
        "隧道内部payload的源地址改变为flannel0设备地址",
        "client ip is replaced by the node's",
        "源 IP 不对",
    ],
    "wrong-server": [
        "ssh node1: @ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @",
        "Host key verification failed.",
        "curl to api gets the wrong page",
        "访问 api 却得到别的服务的应答",
    ],
    "": ["pod cannot reach db", "ping 不通", "连不上", "无法访问", "something is odd", "a slowpoke service",
         "it takes the other address", "pod takes 10.0.0.5"],
}


@pytest.mark.parametrize(("text", "expected"), [(text, name) for name, texts in CLASSES.items() for text in texts])
def test_error_class(text: str, expected: str) -> None:
    """Each phrase gives its class, in either language and script."""
    assert error_class(fold(text))[0] == expected


def test_error_strings_name_no_machine() -> None:
    """What an error string says is masked, so that "no route to host" names no host."""
    masked = error_class(fold("pod: No route to host"))[1]
    assert "host" not in masked
    assert masked.startswith("pod: ")


@given(st.text(max_size=300))
def test_folding_keeps_places(text: str) -> None:
    """Folding changes characters but not their number, so that places in the folded text are places in the original; nothing crashes on it."""
    folded = fold(text)
    assert len(folded) == len(text)
    masked = error_class(without_noise(folded))[1]
    assert len(masked) == len(text)
    for token in tokens(masked, text):
        assert text[token.start : token.end] == token.text


LITERALS = [
    ("dial tcp 10.96.0.1:443: i/o timeout", ("10.96.0.1", True, 443)),
    ("10.1.2.3:3306", ("10.1.2.3", True, 3306)),
    ("10.1.2.3/24", ("10.1.2.3", True, 0)),
    ("[fd00::1]:443", ("fd00::1", True, 443)),
    ("[fe80::1%eth0]:80", ("fe80::1", True, 80)),
    ("to FD00:0::1: timeout", ("fd00::1", True, 0)),
    ("http://web:8080/x", ("web", False, 8080)),
    ("https://10.0.0.9/x", ("10.0.0.9", True, 443)),
    ("http://[fd00::2]:9/", ("fd00::2", True, 9)),
    ("jdbc:mysql://user:pw@db-1/x", ("db-1", False, 3306)),
    ("web:8080", ("web", False, 8080)),
    ("svc/shop/db:5432", ("svc/shop/db", False, 5432)),
    ("web:99999", ("web", False, 0)),
    ("dsn tcp(10.2.0.9:3306)/x", ("10.2.0.9", True, 3306)),
]


@pytest.mark.parametrize(("text", "expected"), LITERALS)
def test_literals(text: str, expected: tuple[str, bool, int]) -> None:
    """Addresses, URLs and names are read with their ports."""
    found = [(t.host, t.address, t.port) for t in tokens(fold(text), text)]
    assert expected in found


@pytest.mark.parametrize("text", ["at 10:03:22", "02:42:ac:11:00:02", "999.1.1.1", "1.2.3.4.5"])
def test_what_is_no_address(text: str) -> None:
    """Times, MAC addresses and numbers with dots are not addresses."""
    assert not [t for t in tokens(text) if t.address]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failed to connect to 10.2.0.9 port 5432 after 3 ms", (5432, "")),
        ("3306端口不通", (3306, "")),
        ("端口 8080 访问不了", (8080, "")),
        ("80 端口", (80, "")),
        ("5432/tcp is closed", (5432, "tcp")),
        ("udp port 53", (53, "udp")),
        ("udp/53", (53, "udp")),
        ("telnet 10.2.0.9 3306", (3306, "")),
        ("nc -zv db 6379", (6379, "")),
        ("listening on :8080", (8080, "")),
        ("nodeport 30080", (30080, "")),
        ("dial tcp 10.2.0.9: connection refused", (0, "")),
        ("port 99999", (0, "")),
        ("nothing", (0, "")),
    ],
)
def test_spoken_ports(text: str, expected: tuple[int, str]) -> None:
    """A port that stands apart from a name is found, with its protocol."""
    assert spoken_port(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ping 不通", ("icmp", 0)),
        ("https fails", ("tcp", 443)),
        ("ssh to x", ("tcp", 22)),
        ("udp lost", ("udp", 0)),
        ("dig x", ("udp", 53)),
        ("mapping", ("", 0)),
    ],
)
def test_protocol_hints(text: str, expected: tuple[str, int]) -> None:
    """Words suggest a protocol and its usual port."""
    assert protocol_hint(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("ping -s 1472 -m do db", 1500), ("large files hang", -1), ("大包不通", -1), ("ping db", 0)])
def test_packet_size(text: str, expected: int) -> None:
    """Trouble with large packets asks for a walk of that size."""
    assert packet_size(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "curl: tls handshake hangs after client hello",
        "net/http: TLS handshake timeout",
        "scp stalls at 0%",
        "git clone hangs",
        "docker pull stuck at waiting",
        "handshake ok then nothing",
        "tcp connects but no data",
        "small requests work, larger ones hang",
        "debug1: expecting SSH2_MSG_KEX_ECDH_REPLY",
        "ping: local error: message too long, mtu=1450",
        "From 10.0.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1400)",
        "TLS 握手卡住",
        "小包正常，传大文件就断",
        "ssh 能连上，执行 ls 就卡住",
        "握手成功后没有数据",
        "下载镜像一直卡在 0%",
    ],
)
def test_stalled_transfers(text: str) -> None:
    """What hangs after it was set up is about large packets, whether or not the text says so."""
    assert packet_size(fold(text)) == -1


@pytest.mark.parametrize("text", ["connection to db hangs", "curl: (7) connection timed out", "页面打不开", "https fails"])
def test_no_word_of_size(text: str) -> None:
    """A connection that cannot be set up, or of which no more is said, says nothing of large packets."""
    assert packet_size(fold(text)) == 0


def test_clauses_that_tell_what_works() -> None:
    """A contrast is split into its clauses, and the one that works is known."""
    text = fold("从Docker容器内可以ping通宿主机IP,但ping不通其它主机")
    parts = [text[a:b] for a, b in clauses(text)]
    assert [tells_success(part) for part in parts] == [True, False]
    english = "ping works but curl fails"
    assert [tells_success(english[a:b]) for a, b in clauses(english)] == [True, False]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("the pods run", True), ("both containers are up and running", True), ("pod 都在运行", True), ("the pods do not run", False),
        ("docker is not running", False), ("no pods are running", False), ("when docker is running", False), ("web only runs", False),
        ("pod 没在运行", False), ("web runs into trouble", False), ("the server is running out of ports", False), ("running", False),
    ],
)
def test_what_is_said_to_run(text: str, told: bool) -> None:
    """A clause tells what works if it says that something runs and no more: not its contrary, a condition, or another sense of the verb."""
    assert tells_success(text) is told


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("lookup db on 10.96.0.10:53: x", "lookup db on"), ("from 10.1.0.1 icmp_seq=1 x", "10.1.0.1"), ("跨节点访问", "节点"), ("pod-to-pod", "-to-"),
        ("web is gone after the docker.io upgrade to 20.10", "docker.io"), ("no network since the last update", "update"),
        ("web fails on ubuntu 20.04 lts", "ubuntu"), ("web fails on debian sid", "sid"),
    ],
)
def test_noise_is_blanked(text: str, gone: str) -> None:
    """What tools print around the names, and words about nodes in general, name nobody."""
    blanked = without_noise(text)
    assert gone not in blanked
    assert len(blanked) == len(text)


@pytest.mark.parametrize("text", ["curl on debian fails", "no answer after db was asked", "web on sid fails", "cannot update db on ubuntu"])
def test_machines_that_are_called_so(text: str) -> None:
    """A distribution's name alone may be a machine's, and not all that comes after something is an upgrade."""
    assert without_noise(text) == text
