"""A machine of the lab: a set of Linux namespaces that lives as long as its first process.

Its first process waits for the end of a pipe whose other end the test process holds.  However the test ends, the pipe closes, process 1 leaves, the
kernel kills all that runs inside, and every namespace, bridge and rule of the machine is gone; no name is left on the system to be swept.
"""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import first
from tests.lab.computer import ENTER, Here

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.computer import Computer, Ran, Started

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).resolve().parent / "programs"
HERE = Here(str(ROOT))
COMMAND_SECONDS = 60.0
XTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")

# /run is new (ip netns, docker and flannel keep their state there), /etc, /root and /var/lib are copies on write, /sys shows this machine's devices.
# The rest of the system's disk is read only, save the folder for temporary files, where bundles are handed out: what one lab wrote
# there, another that runs at the same time would read.  Process 1 lets the kernel reap orphans and ends with its standard input.
_INIT = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/lock /run/lab/bin /run/lab/cgroup /run/lab/tmp
mkdir -p /run/lab/etc/up /run/lab/etc/work /run/lab/root/up /run/lab/root/work /run/lab/var/lib/up /run/lab/var/lib/work
# In the first network namespace /sys is right as it is.
if [ "$2" ]; then
  mount --rbind /sys/fs/cgroup /run/lab/cgroup
  mount -t sysfs sysfs /sys
  mount --move /run/lab/cgroup /sys/fs/cgroup
fi
mount --bind "$1" /run/lab/tmp
for dir in etc root var/lib; do
  mount -t overlay overlay -o lowerdir=/$dir,upperdir=/run/lab/$dir/up,workdir=/run/lab/$dir/work /$dir
done
mount --move /run/lab/tmp "$1"
mount -o remount,bind,ro /
rm -rf /etc/cni /etc/docker /etc/containers /etc/sysctl.d /var/lib/cni /var/lib/containers /var/lib/docker /var/lib/kubelet
mkdir -p /etc/cni/net.d /etc/docker /etc/sysctl.d
hostname "$0"
echo "$0" > /etc/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 %s\\n' "$0" > /etc/hosts
echo 'nameserver 192.0.2.53' > /etc/resolv.conf
ip link set lo up
echo ready
exec env --ignore-signal=CHLD cat > /dev/null
"""


class LabError(AssertionError):
    """A step of the lab did not do what it must; says what was run and what it printed."""


@lru_cache(maxsize=8)
def _programs(folder: str, backend: str) -> str:
    """A folder with the lab's programs and an iptables, made once for all machines of a computer."""
    made = tempfile.mkdtemp(prefix="noroute-programs-", dir=folder)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    for tool in XTABLES:
        there = shutil.which(tool.replace("tables", f"tables-{backend}", 1))
        if there:
            (Path(made) / tool).symlink_to(there)
    # Isolated and without site-packages: they need the standard library only, and start twice as fast.
    starts = {program.stem: f"-I -S {shlex.quote(str(program))}" for program in PROGRAMS.glob("*.py")}
    starts["diagnose"] = "-c 'from engine.cli import main; main()'"
    for name, start in starts.items():
        starter = Path(made) / name
        starter.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {start} "$@"\n')
        starter.chmod(0o755)
    return made


def _told(command: str, place: str, result: Ran) -> str:
    return f"on {place}: {command}\nexit status {result.status}\n--- stdout\n{result.stdout}\n--- stderr\n{result.stderr}"


class Machine:
    """One running machine."""

    def __init__(self, name: str, backend: str = "legacy", computer: Computer = HERE, *, in_first: bool = False) -> None:
        self.name = name
        self.computer = computer
        self._servers: list[Started] = []
        if in_first and not computer.first:
            message = f"machine {name}: the first network namespace is not the lab's here"
            raise LabError(message)
        self._before = first.taken(computer) if in_first else None
        own = [] if in_first else ["--net"]
        inside = ["sh", "-c", _INIT, name, computer.folder, *own]
        self._unshare = computer.start(["unshare", "--mount", *own, "--uts", "--ipc", "--pid", "--fork", "--mount-proc", *inside])
        if self._unshare.line(COMMAND_SECONDS) != "ready\n":
            message = f"machine {name} did not start:\n{self._unshare.end().stderr}"
            raise LabError(message)
        self.pid = int(computer.run(["cat", f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children"]).stdout.split()[0])
        self._install(backend)

    def _install(self, backend: str) -> None:
        """Put the lab's programs and the wanted iptables first on the machine's PATH."""
        self.must(f"cp -a {shlex.quote(_programs(self.computer.folder, backend))}/. /run/lab/bin")

    @property
    def environment(self) -> dict[str, str]:
        """Variables of every process on the machine."""
        return {
            "PATH": "/run/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
        }

    def argv(self, command: str, pod: str = "") -> list[str]:
        """How the test process starts a shell line here, or in a pod of this machine."""
        inside = ["ip", "netns", "exec", pod] if pod else []
        return [*ENTER, str(self.pid), "--", *inside, "sh", "-c", command]

    def run(self, command: str, pod: str = "", seconds: float = COMMAND_SECONDS, text: str = "") -> Ran:
        """Run a shell line; never raises for its exit status."""
        return self.computer.run(self.argv(command, pod), text=text, environment=self.environment, seconds=seconds * self.computer.slowness)

    def diagnose(self, argv: Sequence[str], seconds: float = COMMAND_SECONDS) -> Ran:
        """Run the program with some arguments; never raises for its exit status."""
        return self.computer.diagnose(self.pid, argv, environment=self.environment, seconds=seconds * self.computer.slowness)

    def must(self, command: str, pod: str = "", text: str = "") -> str:
        """Run shell lines that must succeed, the first failing one ends them; returns what they print."""
        result = self.run(f"set -e\n{command}", pod, text=text)
        if result.status:
            raise LabError(_told(command, f"{self.name}/{pod}" if pod else self.name, result))
        return result.stdout

    def serve(self, arguments: Sequence[str], pod: str = "") -> None:
        """Start the echo server and wait until it listens."""
        command = "exec serve " + shlex.join(arguments)
        server = self.computer.start(self.argv(command, pod), environment=self.environment)
        self._servers.append(server)
        if server.line(COMMAND_SECONDS) != "ready\n":
            message = f"on {self.name}: {command}\n{server.end().stderr}"
            raise LabError(message)

    def close(self) -> None:
        """End process 1 and with it everything here, save the control groups of containers: dockerd removes its own."""
        self.run("test ! -S /run/docker.sock || docker ps -aq | xargs -r docker rm -f")
        self._unshare.end()
        for server in self._servers:
            server.end()
        if self._before is not None:
            self._before.restore()


class Machines:
    """The machines of one lab and the wires between them."""

    def __init__(self, computer: Computer = HERE) -> None:
        self.computer = computer
        self._machines: dict[str, Machine] = {}
        self._ports = 0

    def start(self, name: str, backend: str = "legacy", *, in_first: bool = False) -> Machine:
        """Start a machine, in a network namespace of its own or in the kernel's first."""
        self._machines[name] = Machine(name, backend, self.computer, in_first=in_first)
        return self._machines[name]

    @property
    def desk(self) -> Machine:
        """A machine that sees none of the network, for diagnoses: always this computer's, which is faster than an emulated one."""
        if self.computer is HERE:
            return self["switch"]
        if "desk" not in self._machines:
            self._machines["desk"] = Machine("desk")
        return self["desk"]

    def __getitem__(self, name: str) -> Machine:
        return self._machines[name]

    def plug(self, machine: str, device: str, wire: str) -> None:
        """Plug a network card of a machine into a wire: a bridge of the machine ``switch``."""
        if "switch" not in self._machines:
            # The switch is no machine of the story: what crosses it must not meet netfilter.
            self.start("switch").must("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.ipv6.conf.all.disable_ipv6=1 || true")
        switch = self._machines["switch"]
        self._ports += 1
        port = f"port{self._ports}"
        # A real card has no peer; one whose index (the N of eth0@ifN) no device of a machine has comes nearest.
        index = 1000 + self._ports
        switch.must(f"ip link show {wire} >/dev/null 2>&1 || ip link add {wire} up type bridge")
        near = ["name", port, "index", str(index), "netns", str(switch.pid)]
        argv = ["ip", "link", "add", *near, "type", "veth", "peer", "name", device, "netns", str(self[machine].pid)]
        result = self.computer.run(argv)
        if result.status:
            raise LabError(_told(shlex.join(argv), "the test's own namespace", result))
        switch.must(f"ip link set {port} master {wire} up")

    def run_all(self, commands: Mapping[str, Sequence[str]]) -> None:
        """Run shell lines by place (``node1`` or ``node1/web``); each place's lines must succeed."""
        for place, lines in commands.items():
            name, _, pod = place.partition("/")
            self[name].must("\n".join(lines), pod)

    def close(self) -> None:
        """End all machines, the switch last."""
        for name in sorted(self._machines, key=lambda name: name == "switch"):
            self._machines[name].close()
        self._machines.clear()


def why_not() -> str:
    """Why no machine can be started here; "" if it can."""
    if sys.platform != "linux" or os.geteuid():
        return "needs root on Linux"
    tried = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()
