"""The generated rules are those that kube-proxy writes and iptables prints."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from benchmarks.kube_proxy import Service, chain_name, save, services

LOCAL = ("10.244.1.6:8080", "10.244.1.7:8080")
"""Endpoints on the node."""


@pytest.mark.parametrize(
    ("name", "protocol", "chain"),
    [
        ("default/kubernetes:https", "tcp", "KUBE-SVC-NPX46M4PTMTKRN6Y"),
        ("kube-system/kube-dns:dns", "udp", "KUBE-SVC-TCOU7JCQXEZGVUNU"),
        ("kube-system/kube-dns:dns-tcp", "tcp", "KUBE-SVC-ERIFXISQEP7F7OF4"),
    ],
)
def test_names_of_chains(name: str, protocol: str, chain: str) -> None:
    """Chains bear the names that every cluster shows for its own Services."""
    assert chain_name("SVC", name, protocol) == chain


def test_size() -> None:
    """12,500 Services are about 100,000 lines, of all the sorts that occur."""
    text = save(services(12_500))
    assert 95_000 < text.count("\n") < 105_000
    assert text.count("\n-A KUBE-SERVICES ") == 12_500 + 1
    for sort in ("\n-A KUBE-NODEPORTS -p", "\n-A KUBE-EXT-", "--probability 0.50000000000", "--probability 0.33333333349", "has no endpoints"):
        assert sort in text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network namespace")
@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_iptables_prints_it_so(backend: str) -> None:
    """What iptables-restore loads, iptables-save prints again, line by line."""
    restore = f"iptables-{backend}-restore"
    if shutil.which(restore) is None or shutil.which("unshare") is None:
        pytest.skip(f"{restore} is not installed")
    local = [Service(f"shop/{'a' * n}", f"10.96.200.{n}", 80, LOCAL, 32000 + n, local=LOCAL[:n]) for n in range(3)]
    text = save([*services(120), *local], backend)
    command = ["unshare", "--net", "sh", "-c", f"{restore} && iptables-{backend}-save"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        pytest.skip(done.stderr.strip() or "the kernel does not allow it")
    # The headers hold the date and the name by which the program was called.
    assert _body(done.stdout) == _body(text)


def _body(text: str) -> list[list[str]]:
    """Tables without comments; the kernel's order of tables is that of their first use."""
    tables = text.split("\n*")[1:]
    return sorted([line for line in table.splitlines() if not line.startswith("#")] for table in tables)
