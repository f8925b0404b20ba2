"""Whose terminal an output was pasted from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.classify import sections
from collectors.evidence import read
from collectors.prompts import host_of
from engine.facts import HOST

RECORDINGS = Path(__file__).parents[1] / "recordings" / "loose"
WEB = (RECORDINGS / "nodes" / "web" / "ip_a").read_text()
NODE = (RECORDINGS / "nodes" / "node1" / "ip-addr.txt").read_text()
ROUTE = "default via 10.0.0.1 dev eth0\n"


def stacks(*paths: Path) -> set[tuple[str, str]]:
    """Every stack of the evidence."""
    return {(f.node, f.stack) for f in read(paths).facts if f.kind == "netns"}


def write(path: Path, *blocks: str) -> Path:
    """A file of pasted blocks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(blocks))
    return path


def prompted(host: str, command: str, output: str) -> str:
    """A command and its output in a terminal of ``host``."""
    return f"root@{host}:~# {command}\n{output}"


@pytest.mark.parametrize(("line", "host"), [
    ("root@n1:~# ip a", "n1"),
    ("[root@n1 ~]# ip a", "n1"),
    ("user@web-1.example.com:/var/log$ ip a", "web-1.example.com"),
    ("[root@n1]# ip a", "n1"),
    ("(user@n1) $ ip a", "n1"),
    ("root@3f2a1b4c5d6e:/# ip a", "3f2a1b4c5d6e"),
    ("root@localhost:~# ip a", ""),
    ("[root@localhost.localdomain ~]# ip a", ""),
    ("(venv) root@n1:~# ip a", "n1"),
    ("PRD[root@n1 ~]# ip a", "n1"),
    ("n1 ~ # ip a", "n1"),
    ("web-1 /var/log # ip a", "web-1"),
    ("localhost ~ # ip a", ""),
    ("# ip a", ""),
    ("=== ip a ===", ""),
    ("~ # ip a", ""),
])
def test_a_prompt_names_a_host(line: str, host: str) -> None:
    """The part behind ``@``, if it tells machines apart."""
    assert host_of(line) == host


def test_a_prompt_of_machine_and_folder_begins_an_output() -> None:
    """What root typed on Gentoo or Flatcar is read as a command line; a remark in the same form is none."""
    (section,) = sections("post.txt", "n1 ~ # tcpdump -ni eth0 icmp\nlistening on eth0, link-type EN10MB (Ethernet)\n0 packets captured\n")
    assert (section.command, section.host) == ("tcpdump -ni eth0 icmp", "n1")
    assert [s.command for s in sections("post.txt", "look into /etc # then tell\n10.0.0.0/8 dev eth0 scope link\n")] == [""]


def test_the_prompt_names_a_pasted_node(tmp_path: Path) -> None:
    """Where nothing else names the node the prompt does, for the other files of the folder as well."""
    assert stacks(RECORDINGS / "flat" / "paste.txt") == {("n1", HOST)}
    write(tmp_path / "paste.txt", prompted("gw", "ip addr", NODE))
    write(tmp_path / "ip_route", ROUTE)
    assert stacks(tmp_path) == {("gw", HOST)}
    assert stacks(tmp_path / "paste.txt", tmp_path / "ip_route") == {("gw", HOST)}


def test_one_terminal_on_several_hosts(tmp_path: Path) -> None:
    """Each output goes to the host of its prompt, in its namespace; a name with a domain and a folder's file without a prompt stay apart."""
    paste = write(tmp_path / "x" / "paste.txt", prompted("n1", "ip route", ROUTE), prompted("n2", "ip route", ROUTE),
                  prompted("n2", "ip netns exec web ip route", ROUTE))
    assert stacks(paste) == {("n1", HOST), ("n2", HOST), ("n2", "web")}
    write(tmp_path / "x" / "ip_rule", "0:\tfrom all lookup local\n")
    assert stacks(tmp_path / "x") == {("n1", HOST), ("n2", HOST), ("n2", "web"), ("x", HOST)}


def test_a_containers_prompt_leads_to_its_node(tmp_path: Path) -> None:
    """A terminal that goes on inside a container is a namespace of the node, found by its veth as any folder is."""
    paste = write(tmp_path / "paste.txt", prompted("node1", "ip addr", NODE), prompted("3f2a1b4c5d6e", "ip addr", WEB))
    assert stacks(paste) == {("node1", HOST), ("node1", "3f2a1b4c5d6e")}


def test_a_name_that_was_told_stands(tmp_path: Path) -> None:
    """Folders that people name, what they state, and manifests go before prompts."""
    for name in ("a", "b"):
        write(tmp_path / name / "paste.txt", prompted("n1", "ip route", ROUTE))
    assert stacks(tmp_path) == {("a", HOST), ("b", HOST)}
    assert {(f.node, f.stack) for f in read([tmp_path / "a"], {"a": "gw"}).facts} == {("gw", HOST)}


def test_a_paste_beside_a_bundle(tmp_path: Path) -> None:
    """A prompt of the bundle's node, with or without its domain, is that node; another prompt is another node."""
    item = {"command": "ip route", "file": "nodes/n1.example/odd", "node": "n1.example", "stack": "host", "what": "routes"}
    write(tmp_path / "b" / "nodes" / "n1.example" / "odd", ROUTE)
    write(tmp_path / "b" / "manifest.json", json.dumps({"schema_version": 1, "items": [item]}))
    same, other = (write(tmp_path / name, prompted(name, "ip addr", NODE)) for name in ("n1", "n2"))
    assert stacks(tmp_path / "b", same) == {("n1.example", HOST)}
    assert stacks(tmp_path / "b", other) == {("n1.example", HOST), ("n2", HOST)}


def test_another_machines_host_name_is_not_overruled(tmp_path: Path) -> None:
    """What a folder's files say of their own host name parts them from a terminal of another host; a domain does not."""
    write(tmp_path / "paste.txt", prompted("n1", "ip route", ROUTE))
    write(tmp_path / "hostname", "n2\n")
    assert stacks(tmp_path) == {("n1", HOST), ("n2", HOST)}
    write(tmp_path / "hostname", "n1.example.com\n")
    assert stacks(tmp_path) == {("n1", HOST)}


def test_prompts_of_containers_are_their_own_stacks(tmp_path: Path) -> None:
    """A prompt with a container's identity, one of a shell without a host name, and a command run in a new container are not the node's."""
    pasted = write(
        tmp_path / "post.txt",
        prompted("n1", "ip route", ROUTE),
        prompted("973e8db14687", "cat /etc/resolv.conf", "nameserver 192.0.2.53\n"),
        "root@n1:~# docker exec -it web sh\n",
        "/ # ip route\n",
        "default via 172.17.0.1 dev eth0\n",
        "/ # exit\n",
        "root@n1:~# docker run --rm -it busybox ip route\n",
        "default via 172.18.0.1 dev eth0\n",
        "root@n1:~# docker run --rm --net=host busybox ip neigh\n",
        "10.0.0.1 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE\n",
    )
    facts = read([pasted]).facts
    ways = {(f.stack, f.get("gateway")) for f in facts if f.kind == "route"}
    assert ways == {(HOST, "10.0.0.1"), ("web", "172.17.0.1"), ("container", "172.18.0.1")}
    assert [(f.node, f.stack) for f in facts if f.kind == "dns_config"] == [("n1", "973e8db14687")]
    assert [f.stack for f in facts if f.kind == "neighbor"] == [HOST]


def test_what_was_typed_in_a_container_is_not_the_hosts(tmp_path: Path) -> None:
    """After ``docker exec … bash`` the outputs are the container's, on the machine whose prompt the command was typed at."""
    paste = write(
        tmp_path / "paste.txt", prompted("n1", "ip addr", NODE), "root@n1:~# docker exec -it web bash\n", prompted("web", "ip route", ROUTE),
        "root@web:/# exit\n", prompted("n1", "ip rule", "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n"),
    )
    facts = read([paste.parent]).facts
    assert {(f.node, f.stack) for f in facts if f.kind == "route"} == {("n1", "web")}
    assert {(f.node, f.stack) for f in facts if f.kind == "routing_rule"} == {("n1", "host")}


def test_a_containers_own_view_is_a_containers(tmp_path: Path) -> None:
    """Devices and addresses that a runtime made show a container where neither prompt nor command says so."""
    write(tmp_path / "web.txt", "$ ip addr\n", WEB.replace("10.244.1.11", "172.17.0.2"))
    roles = {f.get("role") for f in read([tmp_path]).facts if f.kind == "netns"}
    assert roles == {"container"}


@pytest.mark.parametrize("banner", ["===== {} =====", "=== host {} ===", "##### {}: #####", "{} | CHANGED | rc=0 >>"])
def test_banners_of_tools_that_ask_many(tmp_path: Path, banner: str) -> None:
    """Each block is of the machine that its banner names, until somebody types at a prompt again."""
    blocks = (f"{banner.format(host)}\n{ROUTE}" for host in ("10.0.0.2", "10.0.0.3"))
    text = write(tmp_path / "all.txt", "$ run 'ip route'\n", *blocks, "user@n9:~$ ip route\n", ROUTE)
    assert {node for node, _ in stacks(text)} == {"10.0.0.2", "10.0.0.3", "n9"}


def test_a_banner_over_attempts(tmp_path: Path) -> None:
    """A loop announces whom it tries to reach: that is nobody's terminal."""
    text = write(tmp_path / "ping.txt", "user@n9:~$ ip route\n", ROUTE, "=== 10.0.0.2 ===\nPING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.\n")
    assert {node for node, _ in stacks(text)} == {"n9"}


@pytest.mark.parametrize("tag", ["", "(venv) ", "PRD"])
def test_what_stands_before_a_prompt(tag: str) -> None:
    """A tag before the prompt is none of the command line's words, and the output below is the command's."""
    (one,) = [s for s in sections("post.txt", f"{tag}[root@n1 ~]# ethtool -k ens192 | grep checksum\ntx-checksumming: on\n") if s.text.strip()]
    assert (one.format, one.host) == ("cards", "n1")
