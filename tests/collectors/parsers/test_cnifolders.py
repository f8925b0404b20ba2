"""Listings of CNI's folders, as ls prints them of what the real host-local left."""

from __future__ import annotations

import pytest

from collectors.classify import sections
from collectors.parsers.cnifolders import parse_leases, parse_plugins
from collectors.place import Place
from engine.facts import Source

LONG = """\
total 32
drwxr-xr-x 2 root root 4096 Nov 20 12:16 .
drwxr-xr-x 3 root root 4096 Nov 20 12:16 ..
-rw-r--r-- 1 root root   13 Nov 20 12:16 10.244.1.2
-rw-r--r-- 1 root root   13 Nov 20 12:16 10.244.1.3
-rw-r--r-- 1 root root   10 Nov 20 12:16 last_reserved_ip.0
-rwxr-x--- 1 root root    0 Nov 20 12:16 lock
"""
SHORT = "10.244.1.2  10.244.1.3\nlast_reserved_ip.0  lock\n"
RECURSIVE = f"/var/lib/cni/networks:\ncbr0\n\n/var/lib/cni/networks/cbr0:\n{SHORT}"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("ls -la /var/lib/cni/networks/cbr0", LONG),
        ("ls /var/lib/cni/networks/cbr0/", SHORT),
        ("ls -R /var/lib/cni/networks", RECURSIVE),
        ("ls -1 /var/lib/cni/networks/cbr0", SHORT.replace("  ", "\n")),
    ],
)
def test_styles_of_ls(command: str, text: str) -> None:
    """Whatever the style, the addresses are the leases, and the listing is whole."""
    facts = parse_leases(Source("x", text, command), Place("n1"))
    assert [dict(f.fields) for f in facts] == [
        {"network": "cbr0", "addresses": ("10.244.1.2", "10.244.1.3")}, {"what": "cni_leases", "scope": "cbr0"}]


def test_copied_files() -> None:
    """A copy of a lease is one lease; its neighbours (lock, last_reserved_ip.0) are none, and nothing says that there are no others."""
    name = "n1/var/lib/cni/networks/cbr0/"
    assert [dict(f.fields) for f in parse_leases(Source(name + "10.244.1.2", "c0ffee\r\neth0"), Place("n1"))] == [
        {"network": "cbr0", "addresses": ("10.244.1.2",)}]
    assert parse_leases(Source(name + "lock", ""), Place("n1")) == []


def test_empty_and_missing() -> None:
    """An empty folder holds no lease; one that is not there, or may not be read, tells nothing."""
    command = "ls /var/lib/cni/networks/cbr0"
    assert parse_leases(Source("x", "", command), Place("n1"))[0].get("addresses") == ()
    assert parse_leases(Source("x", f"ls: cannot access '{command[3:]}': No such file or directory\n", command), Place("n1")) == []


def test_names_of_files() -> None:
    """The command line may be a file's name; a paste may announce it behind a prompt."""
    assert sections("n1/ls_-l_var_lib_cni_networks_cbr0.txt", LONG)[0].format == "cni_leases"
    named = parse_leases(Source("n1/ls_-l_var_lib_cni_networks_cbr0.txt", LONG), Place("n1"))
    assert named[0].get("network") == "cbr0"
    pasted = sections("paste.txt", f"[root@n1 ~]# ls /var/lib/cni/networks/cbr0\n{SHORT}[root@n1 ~]# ls /opt/cni/bin\nbridge  host-local\n")
    assert [s.format for s in pasted] == ["cni_leases", "cni_plugins"]


def test_plugins() -> None:
    """The programs of a folder; a folder that does not exist holds none."""
    facts = parse_plugins(Source("x", "bridge\nhost-local\n", "ls /opt/cni/bin"), Place("n1"))
    assert [dict(f.fields) for f in facts] == [{"folder": "/opt/cni/bin", "names": ("bridge", "host-local")}]
    gone = parse_plugins(Source("x", "ls: cannot access '/opt/cni/bin': No such file or directory\n", "ls /opt/cni/bin"), Place("n1"))
    assert gone[0].get("names") == ()
