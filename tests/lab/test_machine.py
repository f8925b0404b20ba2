"""The lab's own laws: a machine is private, and nothing of it outlives the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.machine import ROOT, LabError, Machine, Machines, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(why_not()), reason=why_not())]

_HOLD_A_MACHINE = """
import sys, time
from tests.lab.machine import Machine
machine = Machine("doomed")
machine.serve(["tcp", "127.0.0.1", "80"])
print(machine.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A running machine."""
    machine = Machine("probe-me")
    yield machine
    machine.close()


def _gone(pid: int, seconds: float = 10.0) -> bool:
    limit = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def test_machine_is_private(machine: Machine) -> None:
    """Devices, host name, namespaces' names and files of a machine are its own."""
    machine.must("ip link add only-here type bridge; ip netns add only-here; echo x > /etc/only-here; echo y > /etc/cni/net.d/only-here")
    assert machine.must("hostname; ip netns list | cut -d' ' -f1").split() == ["probe-me", "only-here"]
    assert machine.must("ls /sys/class/net").split() == ["lo", "only-here"]
    outside = subprocess.run(["ip", "link", "show", "only-here"], capture_output=True, check=False)
    assert outside.returncode != 0
    assert not any(Path(path).exists() for path in ("/run/netns/only-here", "/etc/only-here", "/etc/cni/net.d/only-here"))


def test_no_file_is_shared(machine: Machine, tmp_path: Path) -> None:
    """What a machine writes is seen by no other machine and not by the system; where it would be, it cannot write."""
    other = Machine("other")
    try:
        for folder in ("etc", "root", "run", "var/lib"):
            machine.must(f"echo x > /{folder}/only-here")
            assert other.run(f"test -e /{folder}/only-here").status == 1
            assert not Path(f"/{folder}/only-here").exists()
    finally:
        other.close()
    for folder in ("/", "/usr"):
        assert "Read-only file system" in machine.run(f"echo x > {folder}/only-here").stderr
    machine.must(f"echo x > {tmp_path}/bundle")
    assert (tmp_path / "bundle").read_text() == "x\n"


def test_machine_ends_with_a_killed_test() -> None:
    """When the test process is killed, the machine and its servers end; no name is left to sweep."""
    holder = subprocess.Popen([sys.executable, "-c", _HOLD_A_MACHINE], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert holder.stdout is not None
    pid = int(holder.stdout.readline())
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert _gone(pid)


def test_failing_step_tells_what_was_run(machine: Machine) -> None:
    """A failing command's message holds the place, the command and what it printed."""
    with pytest.raises(LabError, match=r"(?s)on probe-me: ip link set nowhere up.*exit status 1.*Cannot find device"):
        machine.must("ip link set nowhere up")


@pytest.mark.parametrize(
    ("server", "protocol", "port", "seen"),
    [
        ("tcp", "tcp", "8080", "connected 10.9.0.1"),
        ("udp", "udp", "8080", "connected 10.9.0.1"),
        ("tcp", "icmp", "0", "connected -"),
        ("tcp", "tcp", "8081", "ECONNREFUSED -"),
        ("tcp", "udp", "8081", "ECONNREFUSED -"),
    ],
)
def test_probe(server: str, protocol: str, port: str, seen: str) -> None:
    """The probe tells what connect() and send() told it, and the source address that the server saw."""
    machines = Machines()
    try:
        for name, address in (("client", "10.9.0.1/24"), ("server", "10.9.0.2/24")):
            machines.start(name)
            machines.plug(name, "eth0", "lan")
            machines[name].must(f"ip addr add {address} dev eth0; ip link set eth0 up")
        machines["server"].serve([server, "10.9.0.2", "8080"])
        assert machines["client"].must(f"probe {protocol} 10.9.0.2 {port} 1.5").strip() == seen
    finally:
        machines.close()


def test_icmp_error_reaches_the_probe(machine: Machine) -> None:
    """A rejected echo request is an errno, not a time-out."""
    machine.must("ip addr add 10.9.0.1/24 dev lo; iptables -A INPUT -p icmp --icmp-type echo-request -j REJECT --reject-with icmp-host-prohibited")
    assert machine.must("probe icmp 10.9.0.1 0 1.5").strip() == "EHOSTUNREACH -"
