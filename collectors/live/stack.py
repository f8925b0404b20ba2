"""What is read in each network namespace; every generator here runs in a thread that has entered it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from collectors.live.modules import Facility, facility
from collectors.live.run import Output, find, read_file, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collectors.live.options import CollectOptions

PROC_NET: Final = "/proc/thread-self/net"
"""Not /proc/net: that is the main thread's namespace."""


@dataclass(frozen=True, slots=True)
class Got:
    """One item as it was read."""

    command: str
    what: str
    output: Output = field(default_factory=Output)
    via: str = "command"
    skipped: str = ""
    file: str = ""
    """Path inside the stack's folder; "" = the command's file name."""


def everything(options: CollectOptions) -> Iterator[Got]:
    """All items of the namespace that the calling thread is in."""
    for part in PARTS:
        yield from part(options)


# --- netlink -----------------------------------------------------------------------------------------------------------

LISTINGS: Final = {
    "ip -d -s -j link": "links", "ip -j address": "addresses", "ip -j route show table all": "routes", "ip -j rule": "routing_rules",
    "ip -6 -j rule": "routing_rules", "ip -j neigh": "neighbors", "bridge -j fdb show": "fdb",
}
"""Command lines that rtnetlink answers, and the listing that each is."""


def rtnetlink(options: CollectOptions) -> Iterator[Got]:
    """Links, addresses, routes, rules, neighbours and fdb; by ``ip`` and ``bridge`` where pyroute2 cannot."""
    read = over_netlink(options)
    for command, what in LISTINGS.items():
        if command in read:
            yield Got(command, what, read[command], "netlink")
        else:
            yield program(command, what, options)


def over_netlink(options: CollectOptions) -> dict[str, Output]:
    """The listings that pyroute2 could read, by command line."""
    import time

    try:
        from pyroute2 import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError
    except ImportError:
        return {}
    from collectors.live import netlink

    read: dict[str, Output] = {}
    try:
        with IPRoute() as ipr:
            for command, reader in netlink.READERS.items():
                began = time.monotonic()
                try:
                    text = netlink.listing(reader(ipr))
                except netlink.TooManyRecords:
                    if find(command.partition(" ")[0]):
                        continue  # faster than Python by two orders of magnitude
                    text = netlink.listing(netlink.routes(ipr))
                except NetlinkError:
                    continue
                data = text.encode()
                read[command] = Output(data[: options.max_bytes], truncated=len(data) > options.max_bytes, seconds=time.monotonic() - began)
    except OSError:  # no netlink sockets in this sandbox
        return read
    return read


def program(command: str, what: str, options: CollectOptions) -> Got:
    """The output of a command line (words separated by blanks), or why there is none."""
    words = command.split()
    path = find(words[0])
    if path is None:
        return Got(command, what, skipped=f"{words[0]} is not installed")
    output = run([path, *words[1:]], timeout=options.timeout, max_bytes=options.max_bytes)
    if output.timed_out and not output.data:
        return Got(command, what, skipped=output.error)
    return Got(command, what, output)


# --- netfilter ---------------------------------------------------------------------------------------------------------


def netfilter(options: CollectOptions) -> Iterator[Got]:
    """The tables of both iptables backends and both families, then the native ruleset."""
    programs = [name for name in ("iptables-legacy-save", "iptables-nft-save") if find(name)]
    for prefix, names in (("iptables", "ip_tables_names"), ("ip6tables", "ip6_tables_names")):
        if not programs and find(f"{prefix}-save"):
            # One backend only, and it does not say which: releases before 1.8 have legacy alone.
            yield program(f"{prefix}-save -c", "netfilter", options)
            continue
        yield legacy_tables(prefix, names, options)
        yield nft_tables(f"{prefix}-nft-save -c", "netfilter", options)
    yield nft_tables("nft list ruleset", "netfilter", options)


def legacy_tables(prefix: str, names: str, options: CollectOptions) -> Got:
    """Legacy tables of one family.

    ``iptables -L`` and ``iptables-save -t`` make the kernel create the table that they ask for; the kernel's own list of
    tables tells without a question whether there is anything to ask.
    """
    command = f"{prefix}-legacy-save -c"
    try:
        with open(f"{PROC_NET}/{names}", encoding="ascii") as file:
            tables = file.read().split()
    except FileNotFoundError:  # ip_tables is not loaded
        tables = []
    except OSError as error:
        return Got(command, "netfilter", skipped=f"/proc/net/{names}: {os.strerror(error.errno or 0)}")
    if not tables:
        return Got(command, "netfilter", via="file")
    return program(command, "netfilter", options)


def nft_tables(command: str, what: str, options: CollectOptions) -> Got:
    """Tables of nf_tables, native or through iptables-nft."""
    return guarded(command, what, "nf_tables", options)


def guarded(command: str, what: str, module: str, options: CollectOptions) -> Got:
    """A program that would load ``module``: run only if that is there; nothing exists where it is not loaded."""
    state = facility(module)
    if state is Facility.ABSENT:
        return Got(command, what, via="file")
    if state is Facility.UNKNOWN:
        return Got(command, what, skipped=f"asking might load the kernel module {module}")
    return program(command, what, options)


def ipsets(options: CollectOptions) -> Iterator[Got]:
    """Address sets that rules refer to."""
    yield guarded("ipset save", "ipsets", "ip_set", options)


def virtual_services(options: CollectOptions) -> Iterator[Got]:
    """IPVS: by ``ipvsadm``, or as the kernel lists it (in hexadecimal) where that is missing."""
    if facility("ip_vs") is Facility.ABSENT:
        yield Got("ipvsadm -Ln", "ipvs", via="file")
    elif os.path.exists(f"{PROC_NET}/ip_vs") and not find("ipvsadm"):
        yield Got("cat /proc/net/ip_vs", "ipvs", read_file(f"{PROC_NET}/ip_vs", options.max_bytes), "file", file="files/proc/net/ip_vs")
    elif os.path.exists(f"{PROC_NET}/ip_vs"):
        yield program("ipvsadm -Ln", "ipvs", options)
        yield program("ipvsadm -L --timeout", "", options)


def wireguard(options: CollectOptions) -> Iterator[Got]:
    """Peers of WireGuard devices; ``wg show`` hides the private keys."""
    if facility("wireguard") is Facility.ABSENT:
        yield Got("wg show", "wireguard", via="file")
    elif os.path.isdir("/sys/module/wireguard"):
        yield program("wg show", "wireguard", options)


# --- IPsec and traffic control ---------------------------------------------------------------------------------------


KEYS: Final = frozenset({b"auth", b"auth-trunc", b"enc", b"aead", b"comp"})
"""First words of the lines of ``ip xfrm state`` that hold keys."""


def without_keys(listing: bytes) -> bytes:
    """A listing of states without the lines that hold keys."""
    return b"".join(line for line in listing.splitlines(keepends=True) if not KEYS.intersection(line.split(maxsplit=1)[:1]))


def transforms(options: CollectOptions) -> Iterator[Got]:
    """IPsec's policies and states; ``nokeys`` leaves the secrets where they are, and what an ``ip`` prints in spite of it is thrown away."""
    if os.path.exists(f"{PROC_NET}/xfrm_stat") or facility("xfrm_user") is Facility.PRESENT:
        yield guarded("ip xfrm policy", "xfrm_policies", "xfrm_user", options)
        got = guarded("ip xfrm state list nokeys", "xfrm_states", "xfrm_user", options)
        yield replace(got, output=replace(got.output, data=without_keys(got.output.data)))


FILTERED: Final = ("ingress", "clsact")
"""Kinds of qdiscs whose filters are listed; those of a classful one at a device's root mostly choose a class, and are not asked for."""
MAX_FILTERED: Final = 64


def queues(options: CollectOptions) -> Iterator[Got]:
    """Queueing disciplines, and the filters of the devices that have some; asking loads nothing."""
    got = program("tc -s qdisc show", "qdiscs", options)
    yield got
    found: list[str] = []
    for line in got.output.data.decode("utf-8", "replace").splitlines():
        words = line.split()
        if words[:1] == ["qdisc"] and "dev" in words[:-1] and words[1] in FILTERED:
            device = words[words.index("dev") + 1]
            found += [f"tc -s filter show dev {device} ingress", *([f"tc -s filter show dev {device} egress"] if words[1] == "clsact" else [])]
    for command in found[:MAX_FILTERED]:
        yield program(command, "", options)


# --- sysctls -----------------------------------------------------------------------------------------------------------

SECRETS: Final = frozenset({"stable_secret", "tcp_fastopen_key"})
"""Keys whose values are secrets, or are derived from one."""
OTHER_SYSCTLS: Final = ("kernel/hostname", "kernel/osrelease", "user/max_net_namespaces")


def sysctls(options: CollectOptions) -> Iterator[Got]:
    """``sysctl -a`` of the net branch, read file by file."""
    import time

    began = time.monotonic()
    lines: list[str] = []
    size = 0
    for path in (*OTHER_SYSCTLS, *below("/proc/sys", "net")):
        value = sysctl_value(f"/proc/sys/{path}")
        if value is None:
            continue
        lines.extend(f"{sysctl_key(path)} = {line}\n" for line in value.split("\n"))
        size += len(lines[-1])
        if size > options.max_bytes:
            break
    data = "".join(lines).encode("utf-8", "replace")
    yield Got("sysctl -a", "sysctls", Output(data, truncated=size > options.max_bytes, seconds=time.monotonic() - began), "file")


def below(root: str, folder: str) -> Iterator[str]:
    """Relative paths of the files below ``root/folder``, sorted."""
    try:
        with os.scandir(f"{root}/{folder}") as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return
    for name, is_folder in found:
        if is_folder:
            yield from below(root, f"{folder}/{name}")
        elif name not in SECRETS:
            yield f"{folder}/{name}"


def sysctl_value(path: str) -> str | None:
    """A parameter's value; ``None`` if it cannot be read (write-only, or unset)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, 1 << 16).decode("utf-8", "replace").rstrip("\n")
    except OSError:
        return None
    finally:
        os.close(descriptor)


def sysctl_key(path: str) -> str:
    """``net/ipv4/conf/eth0.5/forwarding`` → ``net.ipv4.conf.eth0/5.forwarding``, as sysctl prints it."""
    return path.translate({ord("/"): ".", ord("."): "/"})


# --- sockets and connections -------------------------------------------------------------------------------------------

SS: Final = "ss -tuanpe"


def sockets(options: CollectOptions) -> Iterator[Got]:
    """TCP and UDP sockets: by ``ss``, or from /proc/net where ss would load its diag modules or is missing."""
    present = all(facility(module) is Facility.PRESENT for module in ("tcp_diag", "udp_diag"))
    if present and find("ss"):
        got = program(SS, "sockets", options)
        if got.output.exit_status == 0 and not got.skipped:
            yield got
            return
    from collectors.live.sockets import table

    yield Got("ss -tuanp", "sockets", table(PROC_NET, options.max_bytes), "file")


def connections(options: CollectOptions) -> Iterator[Got]:
    """Connection tracking entries."""
    command = "conntrack -L -o extended"
    if facility("nf_conntrack") is Facility.ABSENT:
        yield Got(command, "conntrack", via="file")
        return
    if facility("nf_conntrack_netlink") is Facility.PRESENT and find("conntrack"):
        yield program(command, "conntrack", options)
        # It lists one family at a time.
        yield program("conntrack -L -f ipv6 -o extended", "conntrack", options)
        return
    output = read_file(f"{PROC_NET}/nf_conntrack", options.max_bytes)
    if output.exit_status:
        yield Got(command, "conntrack", skipped="conntrack is not installed" if not find("conntrack") else "asking might load nf_conntrack_netlink")
    else:
        yield Got("cat /proc/net/nf_conntrack", "conntrack", output, "file", file="files/proc/net/nf_conntrack")


def counters(options: CollectOptions) -> Iterator[Got]:
    """The protocol counters of the namespace (drops that left no other trace)."""
    for name in ("snmp", "snmp6", "netstat", "softnet_stat", "stat/nf_conntrack", "stat/arp_cache", "stat/ndisc_cache"):
        output = read_file(f"{PROC_NET}/{name}", options.max_bytes)
        if not output.exit_status:
            yield Got(f"cat /proc/net/{name}", "", output, "file", file=f"files/proc/net/{name}")


TUNNELS: Final = ("flannel.", "vxlan", "cilium_vxlan", "antrea-tun")
"""Beginnings of the names of VXLAN devices."""
CARDS: Final = ("eth", "en", "bond")
MAX_CARDS: Final = 8


def offloads(options: CollectOptions) -> Iterator[Got]:
    """What cards do by themselves, where a VXLAN device leaves it to them."""
    lines = read_file(f"{PROC_NET}/dev", options.max_bytes).data.decode("ascii", "replace").splitlines()
    names = [name.strip() for name, colon, _ in (line.partition(":") for line in lines) if colon]
    tunnels = [name for name in names if name.startswith(TUNNELS)]
    if not tunnels or find("ethtool") is None:
        return
    for name in [*tunnels, *(name for name in names if name.startswith(CARDS))][:MAX_CARDS]:
        for option in ("-k", "-i"):
            yield program(f"ethtool {option} {name}", "", options)


PARTS: Final[tuple[Callable[[CollectOptions], Iterator[Got]], ...]] = (
    rtnetlink, netfilter, ipsets, virtual_services, wireguard, transforms, queues, sysctls, sockets, connections, counters, offloads,
)
"""In the order in which a person would look."""
