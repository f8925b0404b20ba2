"""The process that lives in one network namespace: it sets it up, sends, listens, counts and collects."""

from __future__ import annotations

import base64
import ctypes
import errno
import fcntl
import hashlib
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collectors.live.namespaces import CLONE_NEWNET
from engine.model.nft.ruleset import COMPAT_TABLES

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from tests.fuzz.scenario import Probe, Stack

BASE_SYSCTLS = {
    "net.ipv6.conf.all.disable_ipv6": 1,
    "net.ipv6.conf.default.disable_ipv6": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.ip_forward": 0,
    # What redirects tell is not in the evidence.
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.conf.default.send_redirects": 0,
    # Rate limits would make the fifth ICMP error of a scenario silent.
    "net.ipv4.icmp_ratemask": 0,
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv6.icmp.ratelimit": 0,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.dad_transmits": 0,
    "net.ipv6.conf.default.router_solicitations": 0,
    # Multicast listeners report at once and once, before anything is counted.
    "net.ipv6.mld_qrv": 1,
    "net.ipv6.conf.default.mldv1_unsolicited_report_interval": 1,
    "net.ipv6.conf.default.mldv2_unsolicited_report_interval": 1,
    # No SYN-ACK is repeated into the next probe's counters.
    "net.ipv4.tcp_synack_retries": 0,
}
NEIGHBOURS = {"retrans_time_ms": 15, "proxy_delay": 0, "delay_first_probe_time": 3600}
"""Per device: neighbour failure after 45 ms instead of 3 s, proxies answer at once instead of within 0.8 s, and what was learned is not asked about
anew 5 s after it was used, amid another probe."""
NATIVE = "nft list ruleset"
_PR_SET_PDEATHSIG = 1
_IP_RECVERR = 11
_IP_PKTINFO = 8
_IP_TRANSPARENT = 19
_TCP_REPAIR = 19
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_DO = 10, 23, 2
_IPV6_RECVERR = 25
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, _IP_RECVERR), socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_RECVERR)}
_MTU_DISCOVER = {socket.AF_INET: (socket.IPPROTO_IP, _IP_MTU_DISCOVER), socket.AF_INET6: (socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER)}
_SIOCGIFFLAGS = 0x8913
_IFA_F_TENTATIVE = 0x40
_IFF_UP = 0x1
_IFF_RUNNING = 0x40
_HEADERS = {socket.AF_INET: 28, socket.AF_INET6: 48}
"""Octets of IP and UDP (or ICMP) headers."""
_COUNTED = re.compile(r"^(?:\[(\d+):\d+\] -A (\S+) ?(.*)|:(\S+) (\S+) \[(\d+):\d+\]|\*(\w+))$")


@dataclass(frozen=True, order=True, slots=True)
class Moved:
    """A rule or policy whose counter moved."""

    stack: str
    backend: str
    table: str
    chain: str
    number: int
    """Position in the chain from 1; 0 = the policy."""
    target: str

    def __str__(self) -> str:
        return f"{self.stack}: {self.backend} {self.table} {self.chain} {self.number or 'policy'} {self.target}"


def octets(family: int) -> int:
    """Size of probes that are not about sizes: that of a SYN with the usual options."""
    return 60 if family == 4 else 80


def _run(argv: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False)


def _private_key(name: str) -> str:
    """A stack's key for WireGuard, the same in each run."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def _public_key(name: str) -> str:
    return _run(["wg", "pubkey"], _private_key(name)).stdout.strip()


def _program(line: str) -> tuple[str, ...]:
    """The program that takes a line."""
    return ("bridge",) if line.startswith("fdb ") else ("ip", "-6") if line.startswith("-6 ") else ("ip",)


class Helper:
    """Commands of the parent, carried out in a namespace of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        self.tcp: list[socket.socket] = []
        self.udp: list[socket.socket] = []
        self.echo: threading.Thread | None = None
        self.wake: tuple[socket.socket, socket.socket] | None = None
        self.counts: dict[Moved, int] = {}
        self.saves: list[str] = []

    # --- set up ---------------------------------------------------------------------------------------------------

    def fresh(self, early: dict[str, int]) -> int:
        """Leave the namespace for a new one; returns this process's id."""
        self.quiet()
        if self.libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self.counts, self.saves = {}, []
        self.sysctls({**BASE_SYSCTLS, **early})
        return os.getpid()

    def sysctls(self, values: dict[str, int]) -> list[str]:
        """Write parameters; returns those that the kernel refused."""
        refused = []
        for key, value in values.items():
            path = "/proc/sys/" + key.translate({ord("."): "/", ord("/"): "."})
            try:
                Path(path).write_text(str(value), encoding="ascii")
            except OSError as error:
                refused.append(f"{key}={value}: {error}")
        return refused

    def ip(self, lines: list[str]) -> list[str]:
        """Run ``ip -batch``; returns what the kernel refused."""
        refused = []
        for program, mine in groupby(lines, _program):
            batch = "\n".join(line.removeprefix("-6 ") for line in mine) + "\n"
            refused += _run([*program, "-force", "-batch", "-"], batch).stderr.splitlines()
        return refused

    def build(self, stack: Stack, late: dict[str, int]) -> list[str]:
        """Everything inside the namespace; returns what was refused."""
        refused = self.ip(["link set lo up", *stack.ip])
        refused += self.sysctls(late)
        for family in ("ipv4", "ipv6"):
            tables = [path.name.replace(".", "/") for path in Path(f"/proc/sys/net/{family}/neigh").iterdir()]
            self.sysctls({f"net.{family}.neigh.{name}.{key}": value for name in tables for key, value in NEIGHBOURS.items()})
        refused += self._devices(stack)
        if stack.ipset:
            refused += _run(["ipset", "restore"], "\n".join(stack.ipset) + "\n").stderr.splitlines()
        rulesets = {"iptables-legacy": stack.legacy, "iptables-nft": stack.nft, "ip6tables-legacy": stack.legacy6, "ip6tables-nft": stack.nft6}
        for program, lines in rulesets.items():
            if lines:
                result = _run([f"{program}-restore"], "\n".join(lines) + "\n")
                refused += [f"{program}-restore: {x}" for x in result.stderr.splitlines() if result.returncode]
                self.saves.append(f"{program}-save")
        if stack.native:
            refused += [f"nft -f: {line}" for line in _run(["nft", "-f", "-"], "\n".join(stack.native) + "\n").stderr.splitlines()]
            self.saves.append(NATIVE)
        self.listen(stack.listen)
        self.moved()
        return refused

    def _devices(self, stack: Stack) -> list[str]:
        """What devices and services need besides ``ip``; returns what was refused."""
        refused = []
        for line in stack.wireguard:
            device, *words = [_public_key(word[1:]) if word.startswith("@") else word for word in line.split()]
            argv = ["wg", "set", device, "private-key", "/dev/stdin", *words]
            refused += [f"wg: {told}" for told in _run(argv, _private_key(self.name)).stderr.splitlines()]
        if stack.ipvs:
            refused += [f"ipvsadm: {told}" for told in _run(["ipvsadm", "--restore"], "\n".join(stack.ipvs) + "\n").stderr.splitlines()]
        return refused

    # --- servers --------------------------------------------------------------------------------------------------

    def listen(self, wanted: list[list[Any]]) -> None:
        """Open listeners; UDP is echoed by a thread, TCP needs no help to be connected to."""
        for words, address, port in wanted:
            protocol, _, transparent = words.partition("+")
            kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
            family = _family(address)
            server = socket.socket(family, kind)
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if transparent:
                server.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
            try:
                server.bind((address, port))
            except OSError:
                server.close()  # no address to listen on in this scenario
                continue
            server.setblocking(False)
            if protocol == "tcp":
                server.listen(64)
                self.tcp.append(server)
            else:
                server.setsockopt(*_MTU_DISCOVER[family], _PMTUDISC_DO)
                if family == socket.AF_INET6:
                    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                else:
                    server.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
                self.udp.append(server)
        if self.udp:
            self.wake = socket.socketpair()
            self.echo = threading.Thread(target=self._echo, args=(list(self.udp), self.wake[1]), daemon=True)
            self.echo.start()

    @staticmethod
    def _echo(servers: list[socket.socket], wake: socket.socket) -> None:
        """Answer from the address that was asked, with the source that was seen."""
        while True:
            ready, _, _ = select.select([*servers, wake], [], [])
            if wake in ready:
                return
            for server in ready:
                with suppress(OSError):
                    asked, control, _, peer = server.recvmsg(65535, 256)
                    level, kind, info = control[0]
                    own = struct.pack("i4s4s", 0, info[4:8], b"\0\0\0\0")
                    if level == socket.IPPROTO_IPV6:
                        # A link-local address is of a device, any other of the machine.
                        own = info if info[:2] == b"\xfe\x80" else info[:16] + struct.pack("i", 0)
                    server.sendmsg([peer[0].ljust(len(asked)).encode()], [(level, kind, own)], 0, peer)

    def quiet(self) -> None:
        """Close all sockets."""
        if self.echo is not None and self.wake is not None:
            self.wake[0].send(b"x")
            self.echo.join()
            for end in self.wake:
                end.close()
        self.echo = self.wake = None
        for each in (*self.tcp, *self.udp):
            each.close()
        self.tcp, self.udp = [], []

    def accepted(self) -> list[str]:
        """Source addresses of the TCP connections since the last call."""
        found = []
        for server in self.tcp:
            with suppress(BlockingIOError):
                while True:
                    connection, peer = server.accept()
                    with connection:
                        # Without a packet, which would be counted with the next probe's.
                        connection.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
                    found.append(peer[0])
        return found

    def forget(self) -> None:
        """Forget neighbours and connections, so that all is as in the beginning."""
        _run(["ip", "neigh", "flush", "all"])
        _run(["conntrack", "-F"])
        self.forget_sizes()

    def forget_sizes(self) -> None:
        """Forget what is known of paths' MTUs: IPv6 keeps that through a flush by its parameter (``rt6_age_examine_exception``)."""
        self.sysctls({"net.ipv4.route.flush": 1})
        _run(["ip", "-6", "route", "flush", "cache"])

    # --- counters -------------------------------------------------------------------------------------------------

    def moved(self) -> list[Moved]:
        """Rules and policies whose counters moved since the last call."""
        now: dict[Moved, int] = {}
        for program in self.saves:
            if program == NATIVE:
                self._count_native(now)
            else:
                self._count(program, now)
        found = [what for what, value in now.items() if value > self.counts.get(what, 0)]
        self.counts = now
        return found

    def _count(self, program: str, now: dict[Moved, int]) -> None:
        backend, table = program.split("-")[1], ""
        numbers: dict[str, int] = {}
        for line in _run([program, "-c"]).stdout.splitlines():
            match = _COUNTED.match(line)
            if match is None:
                continue
            packets, chain, spec, base, policy, passed, begun = match.groups()
            if begun:
                table, numbers = begun, {}
            elif base:
                if policy != "-":
                    now[Moved(self.name, backend, table, base, 0, policy)] = int(passed)
            else:
                numbers[chain] = numbers.get(chain, 0) + 1
                target = re.search(r"-[jg] (\S+)", re.sub(r'"[^"]*"', "", spec))
                now[Moved(self.name, backend, table, chain, numbers[chain], target[1] if target else "")] = int(packets)

    def _count_native(self, now: dict[Moved, int]) -> None:
        """Rules of native tables by their ``counter``."""
        table = chain = ""
        number = 0
        for line in _run(NATIVE.split()).stdout.splitlines():
            words = line.split()
            if words[:1] == ["table"]:
                table = " ".join(words[1:3])
            elif words[:1] == ["chain"]:
                chain, number = words[1], 0
            elif words and words[0] not in {"type", "}"} and line.startswith("\t\t"):
                number += 1
                if "packets" in words and table.partition(" ")[2] not in COMPAT_TABLES:
                    now[Moved(self.name, "native", table, chain, number, words[-1].upper())] = int(words[words.index("packets") + 1])

    def after(self) -> tuple[list[Moved], list[str]]:
        """What happened here since the last call: moved counters, accepted connections."""
        accepted = self.accepted()
        return self.moved(), accepted

    # --- clients --------------------------------------------------------------------------------------------------

    def probe(self, probe: Probe, sport: int, seconds: float) -> tuple[str, str, str]:
        """What the client sees, the source address that it used, and the one that the (UDP) server saw."""
        family = _family(probe.dst)
        ping = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
        kinds = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "icmp": (socket.SOCK_RAW, ping)}
        inside = (probe.size or octets(6 if family == socket.AF_INET6 else 4)) - _HEADERS[family]
        with ExitStack() as stack:
            client = stack.enter_context(socket.socket(family, *kinds[probe.protocol]))
            client.setblocking(False)
            own = ""
            try:
                client.bind((probe.src, 0 if probe.protocol == "icmp" else sport))
                if probe.protocol != "udp":
                    client.setsockopt(*_RECVERR[family], 1)
                if probe.size:
                    client.setsockopt(*_MTU_DISCOVER[family], _PMTUDISC_DO)
                if probe.protocol == "tcp":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    # A soft error while the SYN is still being sent is only told with the first repetition; the error queue has it at once.
                    return self._connect(client, probe, seconds)
                if ping == socket.IPPROTO_ICMPV6 and probe.protocol == "icmp":
                    # As ping does: a connected socket would look its way up once more, with its source.
                    client.sendto(_echo_request(sport, family, inside), (probe.dst, 0))
                else:
                    client.connect((probe.dst, probe.port))
                    own = client.getsockname()[0]
                    client.send(_echo_request(sport, family, inside) if probe.protocol == "icmp" else b"?" * inside)
                answer = _answer(client, probe, sport, seconds)
            except TimeoutError:
                return "timeout", own, ""
            except OSError as error:
                return errno.errorcode.get(error.errno or 0, str(error)), own, ""
            return "connected", own, answer

    def _connect(self, client: socket.socket, probe: Probe, seconds: float) -> tuple[str, str, str]:
        number = client.connect_ex((probe.dst, probe.port))
        if number not in {0, errno.EINPROGRESS}:
            return errno.errorcode[number], "", ""
        own = client.getsockname()[0]
        poller = select.poll()
        poller.register(client, select.POLLOUT)
        events = poller.poll(seconds * 1000)
        if not events:
            return "timeout", own, ""
        # Errors may also be about the ACK that follows: then there is a peer.
        with suppress(OSError):
            client.getpeername()
            return "connected", own, ""
        number = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or _queued(client)
        return errno.errorcode.get(number, "timeout"), own, ""

    # --- evidence -------------------------------------------------------------------------------------------------

    def collect(self, processes: dict[str, int]) -> dict[str, tuple[dict[str, Any], bytes]]:
        """Files of this namespace, as the project's live collector reads them: path → manifest item, content."""
        from collectors.live import keep, stack
        from collectors.live.namespaces import Namespace
        from collectors.live.options import CollectOptions
        from collectors.live.sinks import MemorySink

        _settle()
        _run(["ip", "neigh", "flush", "all"])  # who announced itself meanwhile will not be remembered for long
        options = CollectOptions(node="node")
        host = self.name == "host"
        space = Namespace(self.name, f"/proc/{os.getpid()}/ns/net", 0, "" if host else f"ip netns exec {self.name}", 0 if host else os.getpid())
        sink = MemorySink()
        wanted: list[str] = [program for program in ("iptables-nft-save", "ip6tables-nft-save") if program in self.saves]
        items = []
        for part in (stack.rtnetlink, stack.ipsets, stack.virtual_services, stack.wireguard, stack.sysctls, stack.sockets):
            items += [keep(got, "node", space, sink) for got in part(options)]
        for program, names in (("iptables", "ip_tables_names"), ("ip6tables", "ip6_tables_names")):
            items.append(keep(stack.legacy_tables(program, names, options), "node", space, sink))
        listed = [f"{program} -c" for program in wanted] + [program for program in self.saves if program == NATIVE]
        items += [keep(stack.nft_tables(program, "netfilter", options), "node", space, sink) for program in listed]
        self._describe(space, processes, sink.files)
        by_file = {item.file: asdict(item) for item in items if item.file}
        return {path: (by_file.get(path, {}), data) for path, data in sink.files.items()}

    def _describe(self, space: Any, processes: dict[str, int], files: dict[str, bytes]) -> None:
        from collectors.live import about, encoded, folder_of

        with ExitStack() as stack:
            descriptors = {}
            for name, pid in processes.items():
                descriptors[name] = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
                stack.callback(os.close, descriptors[name])
            files[f"{folder_of('node', space)}/netns.json"] = encoded(about(space, descriptors))


def _settle(seconds: float = 0.1) -> None:
    """Wait until devices whose other end came up a moment ago are known to run (``linkwatch`` is a work queue), and have their IPv6 addresses."""
    limit = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        while any(_flags(asker, name) & (_IFF_UP | _IFF_RUNNING) == _IFF_UP for _, name in socket.if_nameindex()) and time.monotonic() < limit:
            time.sleep(0.002)
    limit += 5 * seconds
    while _tentative() and time.monotonic() < limit:
        time.sleep(0.002)


def _tentative() -> bool:
    """Whether an IPv6 address of a running device is not in use yet."""
    lines = (line.split() for line in Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines())
    return any(int(flags, 16) & _IFA_F_TENTATIVE for *_, flags, _ in lines)


def _flags(asker: socket.socket, name: str) -> int:
    answer = fcntl.ioctl(asker, _SIOCGIFFLAGS, struct.pack("16sH14x", name.encode(), 0))
    return int(struct.unpack_from("H", answer, 16)[0])


def _queued(client: socket.socket) -> int:
    """Errno of the first ICMP error in the error queue, 0 if there is none."""
    try:
        _, control, _, _ = client.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return 0
    for level, kind, data in control:
        if (level, kind) in _RECVERR.values():
            number: int = struct.unpack_from("=I", data)[0]
            return number
    return 0


def _about_an_answer(client: socket.socket) -> bool:
    """Whether an ICMP error speaks of an echo reply: a raw socket hears of those that its own host sent, ping passes over them."""
    try:
        data, _, _, _ = client.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return False
    return bool(data) and data[0] in {0, 129}


def _checksum(data: bytes) -> int:
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _echo_request(identifier: int, family: socket.AddressFamily, inside: int) -> bytes:
    """An echo request; the checksum of ICMPv6 is the kernel's affair."""
    body = struct.pack("!HH", identifier, 1) + b"f" * inside
    kind = 8 if family == socket.AF_INET else 128
    whole = struct.pack("!BBH", kind, 0, 0) + body
    return struct.pack("!BBH", kind, 0, _checksum(whole + b"\0" * (len(whole) % 2))) + body


def _answer(client: socket.socket, probe: Probe, sport: int, seconds: float) -> str:
    """Wait for the answer; raises ``TimeoutError`` or the socket's error."""
    limit = time.monotonic() + seconds
    while True:
        left = limit - time.monotonic()
        if left <= 0 or not select.select([client], [], [], left)[0]:
            raise TimeoutError
        try:
            data, peer = client.recvfrom(65535)
        except BlockingIOError:
            continue
        except OSError:
            if probe.protocol == "icmp" and _about_an_answer(client):
                continue
            raise
        if probe.protocol == "udp":
            return data.decode().strip()
        start, kind = (0, 129) if client.family == socket.AF_INET6 else (20, 0)
        if data[start] == kind and struct.unpack_from("!H", data, start + 4)[0] == sport and peer[0].partition("%")[0] == probe.dst:
            return ""


def serve(name: str, connection: Connection) -> None:
    """Carry out commands until the connection ends."""
    helper = Helper(name)
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            command, arguments = connection.recv()
            try:
                result = (True, getattr(helper, command)(*arguments))
            except Exception as error:  # noqa: BLE001  (the parent raises it)
                result = (False, f"{type(error).__name__}: {error}")
            connection.send(result)
