"""resolv.conf and hosts files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.parsers.resolv import parse, parse_hosts, parse_kubelet, parse_nsswitch

if TYPE_CHECKING:
    from tests.collectors.parsers.conftest import Recorded


def test_resolv_conf(recorded: Recorded) -> None:
    """All servers, the last search list, all options; comments at line starts and ends go."""
    text = "# made by hand\nnameserver 10.96.0.10\nnameserver fe80::1%eth0 ; second\ndomain old.example\n"
    text += "search a.example b.example\noptions ndots:5\noptions timeout:1\n"
    facts = recorded.text(parse, text, "cat /etc/resolv.conf")
    expected = {
        "nameservers": ("10.96.0.10", "fe80::1%eth0"), "search": ("a.example", "b.example"), "options": ("ndots:5", "timeout:1"),
        "file": "/etc/resolv.conf", "search_line": 5,
    }
    fact = recorded.only(facts, "dns_config")
    assert fact.fields == expected
    assert fact.line == 2
    assert recorded.covered(facts) == {("dns_config", "all", 0)}


def test_an_empty_file_is_a_configuration(recorded: Recorded) -> None:
    """Without name servers the resolver asks the machine itself."""
    assert recorded.only(recorded.text(parse, "# nothing\n"), "dns_config").get("nameservers") == ()


def test_an_error_message_is_none(recorded: Recorded) -> None:
    """Nothing is said to be configured."""
    facts = recorded.text(parse, "cat: /etc/resolv.conf: No such file or directory\n")
    assert [fact.kind for fact in facts] == ["unparsed"]


def test_hosts(recorded: Recorded) -> None:
    """One fact a line, with its line."""
    facts = recorded.text(parse_hosts, "127.0.0.1\tlocalhost\n\n::1 ip6-localhost ip6-loopback # six\n10.0.0.5 db db.local\nwhat\n")
    assert [(fact.line, fact.get("address"), fact.get("names")) for fact in facts if fact.kind == "hosts_entry"] == [
        (1, "127.0.0.1", ("localhost",)),
        (3, "::1", ("ip6-localhost", "ip6-loopback")),
        (4, "10.0.0.5", ("db", "db.local")),
    ]
    assert recorded.unparsed(facts) == 1


def test_nsswitch(recorded: Recorded) -> None:
    """The sources of host names in order, without what to do on failure."""
    text = "passwd: files systemd\nhosts:          files mymachines resolve [!UNAVAIL=return] myhostname dns # names\n"
    fact = recorded.only(recorded.text(parse_nsswitch, text), "nsswitch")
    assert fact.get("hosts") == ("files", "mymachines", "resolve", "myhostname", "dns")
    assert [f.kind for f in recorded.text(parse_nsswitch, "no such file\n")] == ["unparsed"]


def test_kubelet(recorded: Recorded) -> None:
    """Which resolv.conf pods are given; a configuration that names none says so, an empty file nothing."""
    text = 'apiVersion: kubelet.config.k8s.io/v1beta1\nresolvConf: "/run/systemd/resolve/resolv.conf"\n'
    fact = recorded.only(recorded.text(parse_kubelet, text), "kubelet")
    assert (fact.get("resolv_conf"), fact.line) == ("/run/systemd/resolve/resolv.conf", 2)
    assert recorded.only(recorded.text(parse_kubelet, "kind: KubeletConfiguration\n"), "kubelet").get("resolv_conf") == ""
    assert recorded.text(parse_kubelet, "\n") == []
