"""Which parser reads a file: by what it is called, and by what it looks like.

Content wins where the two disagree.  A file may hold several outputs one after another, with or without
headings (a shell prompt, ``=== ip route ===``): each becomes a :class:`Section` whose text keeps the file's line numbers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from collectors.margins import without_margins
from collectors.prompts import BANNER, PLACED, TAG, announced, host_of
from collectors.shells import NEW_CONTAINER, shell_at
from collectors.turns import TURN, asked_by_ssh, hostname, said, turn, unnamed

IGNORED: Final = "ignored"
"""Format of files that are known and hold nothing that becomes a fact."""

CNI_LISTING: Final = "cni_listing"
"""Format of ``ls /etc/cni/net.d``: the folder was seen as a whole."""

PARSERS: Final = {
    "iptables": "iptables:parse",
    "ipset": "ipset:parse",
    "sysctl": "sysctl:parse",
    "conntrack": "conntrack:parse",
    "nft": "nftables:parse",
    "modules": "modules:parse",
    "counters": "counters:parse",
    "ipvs": "ipvs:parse",
    "wireguard": "wireguard:parse",
    "xfrm": "xfrm:parse",
    "tc": "trafficcontrol:parse",
    "xtmonitor": "xtmonitor:parse",
    "cards": "cards:parse",
    "kernel_log": "kernellog:parse",
    "capture": "tcpdump:parse",
    "arping": "arping:parse",
    "options": "options:parse",
    "brport": "sysfs:parse",
    "ufw": "frontends:parse_ufw",
    "firewalld": "frontends:parse_firewalld",
    "link": "iplink:parse",
    "ifconfig": "ifconfig:parse",
    "route": "iproute:parse",
    "rule": "iprule:parse",
    "neigh": "ipneigh:parse",
    "fdb": "bridge:parse_fdb",
    "port": "bridge:parse_link",
    "brctl": "bridge:parse_brctl",
    "socket": "ss:parse",
    "lsof": "lsof:parse",
    "resolv": "resolv:parse",
    "hosts": "resolv:parse_hosts",
    "nsswitch": "resolv:parse_nsswitch",
    "corefile": "dnsserver:parse_corefile",
    "dnsmasq": "dnsserver:parse_dnsmasq",
    "kubelet": "resolv:parse_kubelet",
    "cni_leases": "cnifolders:parse_leases",
    "cni_plugins": "cnifolders:parse_plugins",
    "bgp": "bgp:parse",
    "component_log": "componentlog:parse",
    "cni": "cni:parse",
    "flannel": "flannel:parse",
    "docker": "docker:parse",
    "crictl": "crictl:parse",
    "kubernetes": "kubectl:parse",
    "host": "hostinfo:parse",
    "attempt": "attempts:parse",
}
"""Format → module and function below :mod:`collectors.parsers`."""

COMMANDS: Final = {
    "iptables": "",
    "ipset": "ipset list",
    "sysctl": "sysctl -a",
    "conntrack": "conntrack -L",
    "nft": "nft list ruleset",
    "modules": "lsmod",
    "ipvs": "ipvsadm -Ln",
    "wireguard": "wg show",
    "xtmonitor": "xtables-monitor --trace",
    "link": "ip address",
    "route": "ip route",
    "rule": "ip rule",
    "neigh": "ip neigh",
    "fdb": "bridge fdb show",
    "port": "bridge link",
    "brctl": "brctl show",
    "socket": "ss",
    "docker": "docker inspect",
}
"""Command line of a format, where neither name nor heading says more."""


class Hint(NamedTuple):
    """What a name or a heading says about an output."""

    format: str
    command: str = ""
    """The command line, as far as it could be put together."""
    exact: bool = True
    """The command line was read, not guessed from one word: what it restricts its output to can be relied on."""


class Section(NamedTuple):
    """One output inside a file."""

    format: str
    """One of :data:`PARSERS`, :data:`IGNORED`, or "" if nothing recognised it."""
    command: str
    text: str
    """The output; lines of the file that precede it are there as empty lines, so that line numbers hold."""
    line: int = 1
    """Where it begins."""
    netns: str = ""
    """Namespace or container that the command was run in, where its command line tells; "" = the one that the file belongs to."""
    host: str = ""
    """Host whose shell prompt stands above; "" = none."""


# --- names -------------------------------------------------------------------------------------------------------------

SUFFIXES: Final = re.compile(r"\.(?:txt|text|log|out|output|md|dump|stdout|json|ya?ml|lst|save|rules|\d)$", re.IGNORECASE)
IPTABLES: Final = re.compile(r"(ip6?tables)(?:[-_ .](legacy|nft))?(?:[-_ .](save))?(?![a-z])")
TABLES: Final = ("raw", "mangle", "nat", "filter", "security")

IP_OBJECTS: Final = (
    ("link", re.compile(r"l(?:i(?:n(?:ks?)?)?)?|a(?:d(?:dr(?:ess(?:es)?)?)?)?")),
    ("route", re.compile(r"r(?:o(?:u(?:t(?:es?)?)?)?)?")),
    ("rule", re.compile(r"ru(?:l(?:es?)?)?")),
    ("neigh", re.compile(r"n(?:e(?:i(?:gh(?:bou?rs?)?)?)?)?")),
    ("xfrm", re.compile(r"xfrm")),
    (IGNORED, re.compile(r"netns|maddress?|tunnel|nexthop|ntable|tuntap|vrf|mptcp|monitor|tcp_metrics")),
)
"""Objects of ``ip`` with their abbreviations; the first that fits wins, as in iproute2."""

WORDS: Final = {
    "nft": "nft",
    "nftables": "nft",
    "ruleset": "nft",
    "ipset": "ipset",
    "ipsets": "ipset",
    "conntrack": "conntrack",
    "sysctl": "sysctl",
    "sysctls": "sysctl",
    "ipvsadm": "ipvs",
    "ipvs": "ipvs",
    "wg": "wireguard",
    "ethtool": "cards",
    "dmesg": "kernel_log",
    "tcpdump": "capture",
    "syslog": "kernel_log",
    "ufw": "ufw",
    "wireguard": "wireguard",
    "lsmod": "modules",
    "modules": "modules",
    "nstat": "counters",
    "resolv": "resolv",
    "hosts": "hosts",
    "ifconfig": "ifconfig",
    "interfaces": "link",
    "addr": "link",
    "addrs": "link",
    "address": "link",
    "addresses": "link",
    "links": "link",
    "link": "link",
    "ipaddr": "link",
    "iplink": "link",
    "ipa": "link",
    "ipr": "route",
    "iproute": "route",
    "routes": "route",
    "route": "route",
    "routing": "route",
    "iprule": "rule",
    "iprules": "rule",
    "rules": "rule",
    "rule": "rule",
    "ipneigh": "neigh",
    "neigh": "neigh",
    "neighbors": "neigh",
    "neighbours": "neigh",
    "arp": "neigh",
    "fdb": "fdb",
    "bridge": "port",
    "brctl": "brctl",
    "ss": "socket",
    "netstat": "socket",
    "sockets": "socket",
    "lsof": "lsof",
    "listeners": "socket",
    "docker": "docker",
    "docker-compose": "docker",
    "podman": "docker",
    "nerdctl": "docker",
    "crictl": "crictl",
    "xfrm": "xfrm",
    "tc": "tc",
    "kubectl": "kubernetes",
    "calicoctl": "kubernetes",
    "pods": "kubernetes",
    "nodes": "kubernetes",
    "services": "kubernetes",
    "svc": "kubernetes",
    "endpoints": "kubernetes",
    "endpointslices": "kubernetes",
    "networkpolicies": "kubernetes",
    "ippools": "kubernetes",
    "configmaps": "kubernetes",
    "flannel": "flannel",
    "uname": "host",
    "hostname": "host",
    "hostnamectl": "host",
    "ping": "attempt",
    "curl": "attempt",
    "telnet": "attempt",
    "nc": "attempt",
    "ncat": "attempt",
    "nslookup": "attempt",
    "dig": "attempt",
    "getent": "attempt",
}
"""Words of file names that tell a format."""

KNOWN_FILES: Final = (
    (re.compile(r"(^|/|_)var[/_]lib[/_]cni[/_]networks(?:[/_]|$)"), "cni_leases"),
    (re.compile(r"(^|/)ls_(?:-\w+_)?(?:opt_cni_bin|usr_lib(?:exec)?_cni)(?:\.(?:txt|log|out))?$"), "cni_plugins"),
    (re.compile(r"(^|/)ls_(?:-\w+_)?etc_cni_net\.d(?:\.(?:txt|log|out))?$"), CNI_LISTING),
    (re.compile(r"(^|/|_)etc[/_]cni[/_]net\.d[/_][^/]*(?<!kube)(?:conf|\.json)[^/]*$"), "cni"),
    (re.compile(r"(^|/)(?:net\.d|cni)/[^/]*(?<!kube)(?:conf|\.json)[^/]*$"), "cni"),
    # Locks and kubeconfigs lie there too.
    (re.compile(r"(^|/|_)(?:etc[/_]cni[/_])?net\.d[/_]"), IGNORED),
    (re.compile(r"\.conflist(?:\.[\w.-]*)?$"), "cni"),
    (re.compile(r"(^|[/_-])subnet\.env$"), "flannel"),
    (re.compile(r"(^|[/_-])os-release$"), "host"),
    (re.compile(r"(^|[/_.-])resolv\.conf(?:\.txt)?$"), "resolv"),
    (re.compile(r"(^|/|_)nsswitch\.conf(?:\.txt)?$"), "nsswitch"),
    (re.compile(r"(^|[/_-])[Cc]orefile(?:\.txt)?$"), "corefile"),
    (re.compile(r"(^|[/_-])dnsmasq\.conf(?:\.txt)?$|(^|/|_)dnsmasq\.d[/_][^/]+$"), "dnsmasq"),
    (re.compile(r"(^|/|_)kubelet[/_]config\.ya?ml$"), "kubelet"),
    (re.compile(r"(^|/|etc_)hosts(?:\.txt)?$"), "hosts"),
    (re.compile(r"(^|/|etc_)hostname(?:\.txt)?$"), "host"),
    (re.compile(r"(^|/|_)proc[/_]sys[/_]net[/_]"), "sysctl"),
    (re.compile(r"(^|/)proc[/_]modules$"), "modules"),
    (re.compile(r"(^|/)xtables-monitor"), "xtmonitor"),
    (re.compile(r"(^|/)proc[/_]net[/_]nf_conntrack$"), "conntrack"),
    (re.compile(r"(^|/)proc[/_]net[/_]ip_vs$"), "ipvs"),
    (re.compile(r"(^|/|_)proc[/_]net[/_](?:snmp|netstat|softnet_stat|stat[/_]\w+)(?:\.txt)?$"), "counters"),
    (re.compile(r"(^|/)proc[/_]net[/_]|(^|/)etc/docker/|(^|/|_)daemon\.json$|(^|/|_)etc[/_]sysctl"), IGNORED),
    (re.compile(r"(^|/)(?:readme|notes?|netns)(?:\.\w+)?$", re.IGNORECASE), IGNORED),
)
"""Copied files, by their path or by that path written as a name."""

PROGRAMS: Final = (
    "ip",
    "tc",
    "ss",
    "nft",
    "ipset",
    "bridge",
    "brctl",
    "sysctl",
    "conntrack",
    "netstat",
    "lsof",
    "route",
    "arp",
    "ifconfig",
    "lsmod",
    "docker",
    "docker-compose",
    "podman",
    "nerdctl",
    "crictl",
    "kubectl",
    "uname",
    "hostname",
    "hostnamectl",
    "ls",
    "cat",
    "ipvsadm",
    "wg",
    "nstat",
    "ethtool",
    "dmesg",
    "tcpdump",
    "ufw",
    "ping",
    "curl",
    "telnet",
    "nc",
    "ncat",
    "nslookup",
    "dig",
    "getent",
)
"""Programs whose command lines are recognised (iptables apart)."""

ALIASES: Final = {"k": "kubectl", "oc": "kubectl", "microk8s.kubectl": "kubectl"}
"""Other words that people type for some of them."""


@lru_cache(maxsize=4096)
def from_name(path: str) -> Hint | None:
    """What a file's path tells; ``None`` if it tells nothing."""
    for pattern, format_name in KNOWN_FILES:
        if pattern.search(path):
            return Hint(format_name)
    base = path.rpartition("/")[2]
    name = SUFFIXES.sub("", SUFFIXES.sub("", base))
    if (inside := INSIDE.search(_spaced(name))) and (found := from_command(_spaced(name)[inside.start() :])):
        return found
    if match := IPTABLES.search(name.lower()):
        return Hint("iptables", iptables_command(name, match))
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
    lowered = [word.lower() for word in words]
    if (command := ip_command(name)) is not None:
        return command
    if "journalctl" in lowered:
        # The unit that it is of would pass for a program.
        return from_command(_spaced(name))
    for at, word in enumerate(lowered):
        if word == "sysctl" and base.endswith(".conf"):
            # What is configured, not what holds: no listing of the parameters.
            return Hint("sysctl", "cat sysctl.conf")
        if word in WORDS:
            return known_word(name, lowered, at)
    table = next((word for word in lowered if word in TABLES), "")
    return Hint("iptables", f"iptables -t {table}") if table else None


def iptables_command(name: str, match: re.Match[str]) -> str:
    """The iptables command line that a file name stands for, options included."""
    program, backend, save = match.groups()
    words = [*filter(None, (program, backend, save))]
    command = "-".join(words)
    rest = name[match.end() :]
    table = next((table for table in TABLES if re.search(rf"(?<![a-z]){table}(?![a-z])", name.lower())), "")
    options = re.findall(r"(?<![A-Za-z])-?([A-Za-z]*[SLnvx][A-Za-z]*)(?![A-Za-z])", rest) if not save else []
    listed = next((word for word in options if re.fullmatch(r"[SLnvxZ]+", word)), "")
    return " ".join([command, *(["-t", table] if table else []), *([f"-{listed}"] if listed else [])])


INSIDE: Final = re.compile(
    r"(?:^|\s)(?:ip\s+netns\s+exec\s+(?P<exec>[\w.@-]+)|ip\s+(?:-\w+\s+)*?-n(?:etns)?\s+(?P<dash_n>[\w.@-]+)"
    r"|nsenter\s[^\n]*?(?:-t|--target)[ =]*(?P<pid>\d+)|nsenter\s[^\n]*?--net=\S*/(?P<handle>[\w.@-]+)"
    r"|(?:docker|podman|nerdctl)\s+(?:container\s+)?exec\s+(?:-u\s+\S+\s+|--?[\w=-]+\s+)*(?P<container>[\w.-]+)"
    r"|docker[ -]compose\s+(?:-\S+\s+)*exec\s+(?:--?\w+\s+)*(?P<service>[\w.-]+)"
    r"|(?:lxc|incus)\s+exec\s+(?P<machine>[\w.-]+)\s+--|lxc-attach\s+(?:-n\s+)?(?P<attached>[\w.-]+)\s+--"
    r"|(?:docker|podman|nerdctl)\s+(?:container\s+)?run\s+(?![^\n]*--net(?:work)?[ =]host\b)(?P<run>\S+(?:\s+\S+){0,29}?)"
    r"(?=\s+(?:ip|ifconfig|route|netstat|ss|cat|iptables|arp|sysctl|grep|ping6?|curl|wget|nc|telnet|nslookup|dig|getent|traceroute)\s)"
    r"|kubectl\s+(?:-n\s+\S+\s+)?exec\s+(?:-\w+\s+)*?(?:-n\s+\S+\s+)?(?:pods?/)?(?P<pod>[a-z0-9][\w.-]*))\s"
)
"""Command prefixes that lead into another network namespace."""


def namespace_of(command: str) -> str:
    """The namespace that a command line was run in; "" if it does not tell (no space between the words of a name is needed)."""
    command = command[:MAX_COMMAND]
    match = INSIDE.search(_spaced(command))
    if match is None:
        return ""
    if match["run"]:
        named = re.search(r"--name[ =]([\w.-]+)", match["run"])
        return named[1] if named else NEW_CONTAINER
    return f"pid-{match['pid']}" if match["pid"] else str(next(value for value in match.groups() if value))


def _spaced(name: str) -> str:
    """A command line that may have been written as a file name."""
    return name if " " in name else re.sub(r"_+", " ", name)


def ip_command(name: str) -> Hint | None:
    """The command line of ``ip`` that a file name stands for: ``ip_-d_-j_link``, ``ip-addr``, ``ip r``, ``ip -6 route``."""
    spaced = re.sub(r"[_\s+]+", " ", name).strip()
    words = spaced.split()
    if len(words) == 1 or not re.search(r"(?<![A-Za-z])ip[46]?(?![A-Za-z0-9])", spaced.lower().replace("-", " ")):
        words = [part for part in re.split(r"[-\s]+", spaced) if part]
    lowered = [word.lower() for word in words]
    start = next((at for at in range(len(words) - 1, -1, -1) if re.fullmatch(r"ip[46]?", lowered[at])), None)
    if start is None:
        # "node1-ip -d link", "ip-addr show": the program is glued to something by a hyphen.
        parts = [part for part in re.split(r"[-\s]+", spaced) if part]
        start = next((at for at, part in enumerate(parts) if re.fullmatch(r"ip[46]?", part.lower())), None)
        if start is None:
            return None
        words, lowered = parts, [part.lower() for part in parts]
    options = [f"-{lowered[start][2]}"] if lowered[start] in {"ip4", "ip6"} else []
    return _ip_object(words, lowered, start + 1, options)


def _ip_object(words: list[str], lowered: list[str], at: int, options: list[str]) -> Hint | None:
    """The object that follows ``ip`` and its options."""
    while at < len(words):
        word = lowered[at].lstrip("-")
        plain = not lowered[at].startswith("-")
        if plain and (found := next((format_name for format_name, pattern in IP_OBJECTS if pattern.fullmatch(word)), None)):
            return Hint(found, " ".join(["ip", *options, *words[at:]]))
        if plain and not re.fullmatch(r"[46jdosp]|br|json|brief", word):
            return None
        options.append(f"-{word}")
        at += 1
    return None


def known_word(name: str, words: list[str], at: int) -> Hint:
    """What a name tells that holds one of :data:`WORDS`: the command line it begins with, or the usual one of its format."""
    format_name = WORDS[words[at]]
    spaced = re.sub(r"[_\s+]+", " ", name).strip().split()
    start = next((number for number, word in enumerate(spaced) if word.lower() in PROGRAMS), None)
    if start is not None:
        command = " ".join(spaced[start:])
        # One bare word may well stand for any of the program's listings.
        exact = len(spaced) > start + 1 or spaced[start] in {"lsmod", "uname", "hostname", "route", "arp", "ifconfig"}
        return (from_command(command) or Hint(format_name, command))._replace(exact=exact)
    if words[at] in {"route", "ifconfig", "arp", "netstat", "ss", "conntrack", "sysctl"} and len(words) > at + 1:
        # "route-n", "netstat-lntp": options are glued to the program.
        command = " ".join([words[at], *(f"-{word}" for word in re.split(r"[^A-Za-z]+", name)[at + 1 :] if 0 < len(word) <= 6)])
        return from_command(command) or Hint(format_name, command)
    usual = {"link": "ip link", "links": "ip link", "iplink": "ip link"}
    return Hint(format_name, usual.get(words[at], COMMANDS.get(format_name, "")), exact=False)


def _log_of(program: str, command: str) -> str:
    """The format of the log that a program shows: a unit's journal is that of a component; "" if it shows none."""
    if program == "journalctl":
        return "component_log" if re.search(r" (?:-\w*u|--unit|-t|--identifier)\b", command) else "kernel_log"
    logs = (program in {"tail", "head", "less", "grep"} and "/var/log/" in command) or command.startswith("docker info")
    return "kernel_log" if logs else ""


def from_command(command: str) -> Hint | None:
    """The format of a command line's output."""
    inside = INSIDE.search(command[:MAX_COMMAND])
    words = command[inside.end() if inside else 0 :].split()
    for at in range(len(words)):
        program = ALIASES.get(words[at], words[at].rpartition("/")[2])
        if IPTABLES.fullmatch(program):
            return Hint("iptables", command)
        if program == "ip" and (found := _ip_object(words, [word.lower() for word in words], at + 1, [])):
            return Hint(found.format, command)
        if format_name := _log_of(program, command):
            return Hint(format_name, command)
        if program == "firewall-cmd":
            return Hint("firewalld", command)
        if program == "grep" and any(word.startswith("/proc/sys/") for word in words[at:]):
            return Hint("sysctl", command)
        if program == "cat" and at + 1 < len(words):
            found = from_name(words[at + 1].lstrip("/"))
            return Hint(found.format, command) if found else None
        if format_name := _of_networks(program, command, words[at + 1 :]):
            return Hint(format_name, command)
        if program in PROGRAMS and program in WORDS:
            return Hint(_format_of(program, words[at + 1 :]), command)
    return None


def _of_networks(program: str, command: str, words: list[str]) -> str:
    """The format of a listing of one of CNI's folders, of BGP sessions, or of a look-up by ``host``; "" for any other command."""
    if program == "host" and words and command.startswith("host "):
        return "attempt"
    if program in {"birdcl", "birdc"} or (program == "calicoctl" and "status" in words):
        return "bgp"
    command = command.replace("_", "/") if program == "ls" else ""
    folders = (("cni/net.d", CNI_LISTING), ("var/lib/cni/networks", "cni_leases"), ("opt/cni", "cni_plugins"), ("usr/lib/cni", "cni_plugins"))
    return next((found for folder, found in (*folders, ("usr/libexec/cni", "cni_plugins")) if folder in command), "")


def _format_of(program: str, arguments: list[str]) -> str:
    """The format of a program with several: ``netstat -rn``, ``bridge fdb``, ``bridge link``."""
    if program == "netstat" and any(re.fullmatch(r"-[a-zA-Z]*r[a-zA-Z]*|--route", word) for word in arguments):
        return "route"
    if program == "bridge":
        # iproute2 takes abbreviations; "vlan" and "mdb" hold nothing that becomes a fact.
        word = next((word for word in arguments if not word.startswith("-")), "")
        return "fdb" if "fdb".startswith(word) else "port" if "link".startswith(word) else IGNORED
    if program == "conntrack" and any(re.fullmatch(r"-S|--stats", word) for word in arguments):
        return "counters"
    if program in {"netstat", "ss"} and arguments[-2:] == ["wc", "-l"]:
        return "counters"
    if program in {"netstat", "ss"} and any(re.fullmatch(r"-[a-zA-Z]*s|--statistics|--summary", word) for word in arguments):
        return "counters"
    # Bare names.
    if program == "ipset" and "-n" in arguments:
        return IGNORED
    if program in {"docker", "podman", "nerdctl", "docker-compose"} and not {"inspect", "ps", "port"} & set(arguments):
        return IGNORED
    return WORDS[program]


# --- content -----------------------------------------------------------------------------------------------------------

ADDRESS: Final = r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]*)"
MAC: Final = r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}"
STATES: Final = r"(?:REACHABLE|STALE|DELAY|PROBE|FAILED|INCOMPLETE|PERMANENT|NOARP)"
TCP_STATES: Final = r"(?:LISTEN|UNCONN|ESTAB|TIME-WAIT|CLOSE-WAIT|SYN-SENT|SYN-RECV|FIN-WAIT-[12]|LAST-ACK|CLOSING)"
OPTIONS: Final = r"(?:[ \t]+-[^ \t\n]+){0,6}"
IP_LINE: Final = (
    rf"ip{OPTIONS}(?:[ \t]+[^ \t\n-][^ \t\n]*{OPTIONS})?[ \t]+"
    r"(?:l|li|link|a|addr|address|r|ro|route|ru|rule|n|neigh|neighbou?r|xfrm|netns[ \t]+exec)\b"
)
THEN: Final = r"(?:[ \t]*(?:;|&&|\|\|)[^\n]{0,80})?"
"""Another command behind the first."""
OWN_LINE: Final = (
    rf"(?:{IP_LINE}|tcpdump[ \t]|ip6?tables(?:-legacy|-nft)?(?:-save)?\b|nft[ \t]+(?:-\w+[ \t]+){{0,4}}list\b|ipset[ \t]+(?:list|save|-[LS])|"
    r"ipvsadm[ \t]+-\w|wg[ \t]+show\b|tc[ \t]+(?:-\w+[ \t]+){0,4}(?:qdisc|filter)\b|ethtool[ \t]+-\w|dmesg\b|"
    r"sysctl[ \t]+-?\w|ss[ \t]+-\w|ss$|lsof[ \t]+-\w|"
    r"nstat\b|netstat[ \t]+-\w|route(?:[ \t]+-\w+)?$|"
    r"arp(?:[ \t]+-\w+)?$|ifconfig|bridge[ \t]+(?:-\w+[ \t]+){0,4}(?:fdb|link|vlan)|brctl[ \t]+show|conntrack[ \t]+-\w|"
    r"docker[ \t]+(?:network[ \t]+|compose[ \t]+)?(?:inspect|ps|port)\b|podman[ \t]+(?:network[ \t]+)?(?:inspect|ps|port)\b|docker-compose[ \t]+ps\b|"
    r"journalctl\b|ufw[ \t]+status|firewall-cmd[ \t]+--(?:list-all|zone)|docker[ \t]+info\b|(?:tail|head|less|grep)[ \t][^\n]{1,60}/var/log/|"
    r"grep[ \t][^\n]{1,40}[ \t]/proc/sys/|"
    r"crictl[ \t]+\w|(?:(?:microk8s[. ]|k3s )?kubectl|oc|k)(?:[ \t]+[^ \t\n]+){0,8}?[ \t]+(?:get|describe)\b|calicoctl[ \t]+(?:get|node)\b|birdcl?\b|"
    # One target, and no more words than ports: "# ping the database" is a remark.
    r"(?:ping6?|curl|nc|ncat|telnet|nslookup|dig)[ \t]+(?:[-+][^ \t\n]+[ \t]+(?:\d+[ \t]+)?){0,6}(?:@[\w.:-]+[ \t]+)?@?[\w:/.-]+"
    rf"(?:[ \t]+[\d@][\w.:]*)?{THEN}$|"
    rf"getent[ \t]+a?hosts(?:v[46])?[ \t]+[^ \t\n;|&]+{THEN}$|"
    r"ls[ \t][^\n]{0,40}/(?:etc/cni|var/lib/cni|opt/cni|usr/lib(?:exec)?/cni)\b|lsmod\b|uname\b|hostname\b|cat[ \t]+/)"
)
"""Command lines that may stand in a heading."""
GLYPH: Final = r"[\u00b1\u00bb\u03bb\u203a\u2190-\u2bff\ue000-\uf8ff]\ufe0f?"
"""A sign that shells' themes put into prompts."""
HEADING: Final = (
    # A shell prompt, a banner, "set -x" …
    rf"^[ \t]*(?:{TAG}(?:[\[(]?[\w.-]+@[^\n#$>]{{1,80}}[#$>]|\[[^\]\n]{{1,80}}\][#$])|[\w./~-]{{0,40}}[#$]|/[\w./-]{{0,40}}[ ][#$]|"
    # … a machine and a folder (root on Gentoo and Flatcar) …
    rf"{PLACED}[ \t]|"
    # … a prompt of a theme ("me@box ⚙ ~  ", "➜  ~ ", "~/src ❯ ", "❯ ") …
    rf"(?:(?:[\w.-]+@[\w.-]+|[~/][\w./~-]{{0,40}})[ \t]+)?(?:{GLYPH}[ \t]+){{1,3}}(?:[\w./~-]{{1,40}}[ \t]+)?|"
    # … none, before a command line that leads into a container …
    rf"(?=(?:sudo[ \t]+)?(?:docker|podman|nerdctl|kubectl|lxc|incus)[ \t]+exec[ \t])|"
    rf"[-=*#+>]{{1,80}}|\[?(?:cmd|command|output of|\$)\]?:?)[ \t]*[`'\"]?"
    r"(?:sudo[ \t]+|time[ \t]+)?"
    r"(?P<heading>(?:(?:nsenter|docker|docker-compose|podman|nerdctl|kubectl|lxc|incus|lxc-attach|ssh)[ \t][^\n]{1,160}?[ \t]['\"]?)?"
    rf"{OWN_LINE}[^\n]{{0,200}})$"
)
RANGE_OPTION: Final = r"--(?:cluster-cidr|service-cluster-ip-range|service-cidr|pod-network-cidr)"
"""Options by which a cluster is given its ranges."""
BARE_PROMPT: Final = (
    rf"^[ \t]*{TAG}(?:[\[(]?[\w.-]{{1,64}}@[^\n#$>]{{1,80}}[#$]|\[[^\]\n]{{1,80}}\][#$])"
    rf"(?:[ \t\r]*|[ \t](?![^\n]{{0,400}}{RANGE_OPTION})[^\n]{{0,400}})$"
    r"|^[ \t]*(?:/[\w./-]{0,40} [#$]|(?:ba)?sh-\d\.\d{1,2}[#$])(?:[ \t\r]*|[ \t][^\n]{0,400})$|^(?:exit|logout)[ \t\r]*$"
)
"""A prompt at which nothing was typed, or nothing whose output is of use: the output above ends there."""

STAMP: Final = r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |\d{4}-\d\d-\d\dT\S+ )"
"""How syslog and the journal begin a line."""

KLOG: Final = (
    rf"^(?:{STAMP}\S+ [\w.-]{{1,40}}\[\d+\]: |\S+ std(?:out|err) F )?"
    r"(?:[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{1,9} {1,7}\d+ [\w.-]+\.go:\d+\]|(?:time=\"[^\"\n]{10,40}\" )?level=(?:error|warning|fatal|info|debug) msg=\"?"
    r"|(?:DEBU|INFO|WARN|ERRO|FATA)\[\d[^\]\n]{3,40}\] "
    r"|(?:INFO|WARN|ERRO|FATA|DEBU): \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+ "
    r"|(?:[\w.-]{1,80} [\w.-]{1,60} )?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[(?:INFO|WARNING|ERROR|FATAL|PANIC)\]\[\d+\] )"
    r"|^[ \t]*(?:\S+ (?:\S+ )?)?\[(?:INFO|WARNING|ERROR|FATAL)\] (?:plugin/|CoreDNS|linux/)|^(?:CoreDNS-\d|\.:53[ \t\r]*$)"
    r"|^(?:The connection to the server \S+ was refused|Unable to connect to the server: )"
    r"|^(?:docker: |ERROR: for \S{1,80} +)?(?:Error response from daemon: |Cannot start service \S{1,80}: )[^\n]{0,600}?"
    r"(?:iptables failed: |[Pp]ool overlaps with other one|networks have overlapping IPv[46])"
    r"|^Network \S{1,50} overlaps with existing route |^Error: [^\n]{0,200}?(?:subnet \S{1,50} is already used on the host |netavark: )"
)
"""How the log lines of Kubernetes' components, containerd, calico and CoreDNS begin, and kubectl's and docker's complaints."""

SIGNATURES: Final = (
    ("ipvs", r"^IP Virtual Server version|^Timeout \(tcp tcpfin udp\):|^-[Aa] (?:-[tuf]|--sctp-service) \S+ "),
    ("wireguard", r"^interface: \S+[ \t\r]*$(?=\n  (?:public key|private key|listening port|fwmark): )"),
    (
        "iptables",
        (
            r"^\*(?:raw|mangle|nat|filter|security)[ \t\r]*$|^:\S+ (?:ACCEPT|DROP|-)(?: \[|[ \t\r]*$)|^-[PN] \S+|"
            r"^(?:\[\d+:\d+\] )?-A \S+ |^Chain \S+ \((?:policy|\d+ ref)|^# Generated by \S*ip6?tables"
        ),
    ),
    ("nft", r"^[ \t]*table (?:ip|ip6|inet|arp|bridge|netdev) \S+ \{|^[ \t]*chain [\w.-]+ \{[ \t\r]*$"),
    ("rule", r"^\d+:[ \t]+(?:not[ \t]+)?from\s"),
    ("xfrm", r"^src \S+ dst \S[^\n]*+(?=\n[ \t]+(?:dir|socket|proto) )"),
    ("tc", r"^qdisc [\w-]+ [0-9a-f]+: |^filter (?:\S+ ){0,3}protocol \S+ pref \d"),
    ("fdb", rf"^{MAC} d(?:ev|st) \S+"),
    ("brctl", r"^bridge name[ \t]+bridge id"),
    ("port", r"^\d+: \S+ .*\bstate (?:forwarding|disabled|blocking|listening|learning) priority \d+"),
    (
        "link",
        (
            r"^\d+: \S+: <[A-Z0-9_,-]*>|^\d+: \S+[ \t]+(?:inet6?|link)\S* |"
            r"^\S+[ \t]+(?:UP|DOWN|UNKNOWN|LOWERLAYERDOWN)[ \t]+(?:[0-9a-f.:]+[/:]|<|$)"
        ),
    ),
    ("ifconfig", r"^\S+: flags=\d+<|^\S+[ \t]+Link encap:"),
    ("neigh", rf"^{ADDRESS} dev \S+ .*\b{STATES}\b|^{ADDRESS} dev \S+ (?:lladdr|proxy)|^Address[ \t]+HWtype|^\S+ \({ADDRESS}\) at "),
    (
        "route",
        (
            rf"^(?:(?:unicast|local|broadcast|multicast|anycast|unreachable|blackhole|prohibit|throw) )?(?:default|{ADDRESS}(?:/\d+)?)[ \t]+"
            r"(?:via|dev|proto|nhid|scope|metric|nexthop|table|src|tos)\b"
            rf"|^(?:unreachable|blackhole|prohibit|throw) (?:default|{ADDRESS})|^(?:default|{ADDRESS}(?:/\d+)?)[ \t]*\\?$(?=\n[ \t]+nexthop)"
            r"|^Kernel IP(?:v6)? routing table|^Destination[ \t]+(?:Gateway|Next Hop)\s"
        ),
    ),
    ("ipset", r"^Name: \S+[ \t\r]*$(?=\n[ \t]*Type:)|^create \S+ (?:hash|bitmap|list):|^add \S+ \S+"),
    ("sysctl", r"^(?:net|kernel|fs|vm|user|dev|debug|abi|sunrpc|crypto)[./][\w./:@-]+[ \t]*=|^/proc/sys/net/[\w./@-]+:"),
    (
        "conntrack",
        (
            r"^(?:ipv[46][ \t]+\d+[ \t]+)?(?:tcp|udp|icmp|icmpv6|sctp|dccp|gre|udplite|unknown)[ \t]+\d+[ \t]+"
            r"(?:\d+[ \t]+)?(?:[A-Z_0-9]+[ \t]+)?src="
        ),
    ),
    (
        "socket",
        (
            rf"^(?:Netid[ \t]+)?State[ \t]+Recv-Q|^Proto[ \t]+Recv-Q|^Active Internet|^(?:tcp|udp)6?[ \t]+{TCP_STATES}[ \t]+\d+|"
            rf"^{TCP_STATES}[ \t]+\d+[ \t]+\d+\s|^(?:tcp|udp)6?[ \t]+\d+[ \t]+\d+[ \t]+\S+:\S+\s"
        ),
    ),
    (
        "xtmonitor",
        (
            r"^trace id [0-9a-f]+ (?:ip6?|inet|bridge|arp|netdev) \S+ \S+ (?:packet|rule|policy|verdict)\b|^PACKET: \d+ [0-9a-f]+ |"
            r"^ ?TRACE: \d+ [0-9a-f]+ \w+:|\bTRACE: \w+:\S+:(?:rule|policy|return):\d+ IN="
        ),
    ),
    (
        "counters",
        (
            r"^#kernel$|^(?:TcpExt|IpExt|Tcp|Ip):$|^(?:TcpExt|IpExt|Tcp|Ip): [A-Z]\w+ \w+|^TCP:[ \t]+\d+ \(estab \d+|"
            r"^sockets: used \d+$|^TCP: inuse \d+ orphan |"
            r"^cpu=\d+[ \t]+(?:found|searched)=\d+|^entries  ?(?:clashres|searched|allocs)|^[A-Z][A-Za-z0-9]{3,40} +\d+ +\d+\.\d$"
        ),
    ),
    ("cards", r"^Features for \S+:[ \t\r]*$|^driver: \S+[ \t\r]*$(?=\nversion:)"),
    (
        "kernel_log",
        (
            r"^[^\n]{0,100}[ \t]?[\w.@-]{1,40}: hw csum failure"
            rf"|^(?:\[[^\]\n]{{1,40}}\] |<\d+>|{STAMP}\S+ kernel: (?:\[ *[\d.]+\] )?)?(?:(?:nf|ip)_conntrack: (?:\w+: )?table full"
            r"|(?:neighbour: )?(?:\w+: )?[Nn]eighbou?r table overflow|(?:\w+: ){0,2}[Pp]ossible SYN flooding on port|(?:IPv4: )?martian source "
            r"|IPv6: [\w.@-]{1,20}: IPv6 duplicate address "
            r"|\[?[A-Za-z][\w :,/.-]{0,40}\]?:? *IN=\S* OUT=\S* |IN=\S* OUT=\S* (?:PHYS|MAC|SRC)\S*=)"
            r"|^[ \t]*\[(?:ERROR|WARNING) FileContent--proc-sys-net-"
            r"|^(?:> ?)?(?:WARNING: | *-+> \[Warning\] )(?:IPv4 forwarding|bridge-nf-call-iptables) is disabled"
            # Any line of dmesg but those of a packet's trace.
            r"|^\[ *\d{1,9}\.\d{6}\] (?![^\n]{0,80}TRACE: )"
        ),
    ),
    (
        "capture",
        (
            rf"^tcpdump: (?:verbose|listening)|^listening on \S+, link-type|"
            rf"^(?:\d{{4}}-\d\d-\d\d )?(?:\d\d:\d\d:\d\d|\d{{9,10}})\.\d{{6,9}} (?:[\w.@-]{{1,20}} +(?:In|Out|B|M|P) +)?"
            rf"(?:IP6? [^ \n]|ARP, |(?:{MAC} > {MAC}, )?ethertype )"
        ),
    ),
    ("arping", rf"^ARPING (?:\S+ from )?{ADDRESS}\b"),
    ("bgp", r"^Calico process is (?:not )?running|^\|[ \t]+PEER ADDRESS[ \t]+\||^name[ \t]+proto[ \t]+table[ \t]+state[ \t]+since"),
    ("brport", r"^/sys/\S{1,60}/net/[\w.@-]+/(?:brif/[\w.@-]+|brport/hairpin_mode)"),
    ("component_log", KLOG),
    (
        "options",
        (
            rf"^[ \t]*(?:- )?[\"']?{RANGE_OPTION}="
            r"|^[^\n]{0,200}\b(?:kube-apiserver|kube-controller-manager|kube-proxy|k3s|rke2|get\.(?:k3s|rke2)\.io|kubeadm(?= init\b)) "
            rf"[^\n]{{0,4000}}?{RANGE_OPTION}[= ][\"']?\d"
        ),
    ),
    ("ufw", r"^Status: (?:in)?active[ \t\r]*$"),
    ("firewalld", r"^[A-Za-z][\w-]*(?: \((?:active|default)[^)\n]*\))?[ \t\r]*$(?=\n  target: )"),
    ("lsof", r"^COMMAND +PID +(?:TID +)?(?:TASKCMD +)?USER +FD +TYPE +DEVICE "),
    ("modules", r"^Module[ \t]+Size[ \t]+Used by|^\w+ \d+ \d+ \S+ (?:Live|Loading|Unloading) 0x"),
    ("flannel", r"^FLANNEL_(?:NETWORK|SUBNET|MTU|IPMASQ|IPV6_NETWORK|IPV6_SUBNET)="),
    ("resolv", r"^nameserver[ \t]+\S+"),
    ("nsswitch", r"^hosts:[ \t]+(?:\w|\[)[^\n]*\b(?:files|dns|resolve)\b"),
    ("corefile", r"^(?:\.|[a-z0-9.-]+\.)(?::\d{1,5})?[ \t]+\{[ \t\r]*$"),
    ("hosts", r"^(?:127\.\d+\.\d+\.\d+|::1)[ \t]+[^\n]{0,200}localhost"),
    (
        "kubernetes",
        (
            r"^apiVersion:|^kind:[ \t]+[\"']?[A-Z]\w+[\"']?[ \t\r]*$(?=\n(?:apiVersion|metadata):)|"
            r"^(?:NAMESPACE[ \t]+)?NAME[ \t]+(?:READY|TYPE|STATUS|ENDPOINTS|ADDRESSTYPE|CLUSTER-IP|POD-SELECTOR|DESIRED|CIDR|ASN)\b|"
            r"^(?:NAMESPACE[ \t]+)?LAST SEEN[ \t]+TYPE\b|^[ \t]*Type[ \t]+Reason[ \t]+Age[ \t]+From[ \t]+Message\b|"
            r"^[ \t]*(?:Warning|Normal)[ \t]+[A-Z]\w+[ \t]+(?:\d+[smhdy]|<invalid>|<unknown>)\S*(?: \(x\d+ over [^)\n]*\))?[ \t]+[\w-]+|"
            r"^Name:[ \t]+\S+[ \t\r]*$(?=\n(?:Namespace|Roles|Labels|Generate Name|Created on|Priority|CreationTimestamp|Annotations|Selector):)"
        ),
    ),
    ("host", r"^Linux \S+ \d+\.\d+|^(?:PRETTY_NAME|VERSION_ID|ID_LIKE)=|^\s*Static hostname:"),
    (
        "attempt",
        (
            rf"^PING \S+ \({ADDRESS}\)|^ping: \S|^  % Total    % Received|^\*[ ]+(?:Trying|Host \S+ was resolved|Could not resolve)"
            rf"|^Connecting to \S+ \(\[?{ADDRESS}\]?:\d{{1,5}}\)[ \t\r]*$|^Connecting to [^\n|]{{1,300}}\|{ADDRESS}\|:\d"
            rf"|^Trying {ADDRESS}\.\.\.[ \t\r]*$|^telnet: \S|^nc: c|^Ncat: [A-Z]|^wget: [a-z]|^Connection to \S+ (?:\S+ )?\d+ port \[|^curl: \(\d+\) "
            r"|^; <<>> DiG |^;; (?:connection timed out|communications error|no servers could|reply from unexpected source)|^\*\* server can't find"
            rf"|^Server:[ \t]+{ADDRESS}[ \t\r]*$(?=\nAddress)|^[\w.-]+ has (?:IPv6 )?address {ADDRESS}|^Host \S+ not found: \d"
        ),
    ),
    (
        "docker",
        (
            r"^CONTAINER ID[ \t]+(?:IMAGE|NAMES)|^NETWORK ID[ \t]+NAME|^NAMES {2,}(?:IMAGE|STATUS|PORTS)\b|"
            r"^(?:IMAGE|STATUS|PORTS) {2,}[^\n]{0,80}NAMES\b|^NAME {2,}[A-Z ]{0,60}SERVICE\b|^ {0,40}Name {2,}Command {2,}State {2,}Ports\b"
        ),
    ),
)
"""Lines that only one format has."""

JSON_START: Final = r"^[ \t]*(?=\[\s*(?:[\[{\]]|$)|\{\s*(?:[\"}]|$))"

KEYS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("nft", frozenset({"nftables"})),
    ("kubernetes", frozenset({"apiVersion", "kind"})),
    ("cni", frozenset({"cniVersion"})),
    ("cni", frozenset({"plugins", "type"})),
    ("fdb", frozenset({"mac", "ifname"})),
    # The nested data of a bridge port hold the keys of a port as well.
    ("link", frozenset({"ifindex", "ifname", "operstate"})),
    ("port", frozenset({"ifname", "priority", "cost"})),
    ("link", frozenset({"ifindex", "ifname"})),
    ("rule", frozenset({"priority", "src"})),
    ("neigh", frozenset({"dst", "dev", "state"})),
    ("neigh", frozenset({"dst", "lladdr"})),
    ("route", frozenset({"dst", "flags"})),
    ("route", frozenset({"dst", "dev"})),
    ("docker", frozenset({"NetworkSettings"})),
    ("docker", frozenset({"Id", "Config"})),
    ("docker", frozenset({"Name", "Driver"})),
    ("docker", frozenset({"name", "driver", "id"})),
    ("docker", frozenset({"EndpointID", "IPAddress"})),
    ("docker", frozenset({"Id", "Image", "State"})),
    ("crictl", frozenset({"containerId"})),
    ("crictl", frozenset({"status", "info"})),
    ("crictl", frozenset({"items", "metadata"})),
    ("crictl", frozenset({"podSandboxId"})),
    ("crictl", frozenset({"containers"})),
    ("cni", frozenset({"type", "ipam"})),
    ("cni", frozenset({"type", "bridge"})),
    ("cni", frozenset({"type", "delegate"})),
    ("sysctl", frozenset({"net.ipv4.ip_forward"})),
)
"""Keys near the start of a JSON document that tell its format; the first set that is there wins."""

MAX_SECTIONS: Final = 400
"""Outputs that one file is cut into; a file that would give more is no person's."""
MAX_LARGE: Final = 20
"""The same for a file of more than :data:`LARGE` characters (every section costs a newline for each line before it)."""
LARGE: Final = 1 << 22
ATTEMPTS: Final = 16
"""JSON documents that may break off before such beginnings are taken for text."""
MAX_COMMAND: Final = 1000
"""Characters of a command line that are looked at."""

PEEK: Final = 16_384
"""Characters of a JSON document that are looked at."""

Mark = tuple[int, str, str]
"""Offset of a line, its format ("" for a heading that names none), and its command line if it is a heading."""


@lru_cache(maxsize=1)
def scanner() -> re.Pattern[str]:
    """One expression for all signatures and headings."""
    first = [f"(?P<heading_line>{HEADING})", f"(?P<turn>{TURN})", f"(?P<prompt>{BARE_PROMPT})", f"(?P<banner>{BANNER})", f"(?P<json>{JSON_START})"]
    groups = [*first, *(f"(?P<{name}>{pattern})" for name, pattern in SIGNATURES)]
    return re.compile("|".join(groups), re.MULTILINE)


_SET_HEADER: Final = r"(?:(?:Type|Revision|Header|Size in memory|References|Number of entries): [^\n]*+\n)*+"
_SET_MEMBER: Final = r"[0-9a-f][0-9a-f.:]*+(?:/[0-9]{1,3}+)?(?:[,-][^,\s]++){0,3}(?: (?:nomatch|timeout [0-9]++|packets [0-9]++ bytes [0-9]++))*+"


@lru_cache(maxsize=1)
def long_runs() -> dict[str, re.Pattern[str]]:
    """Lines that come by the hundred thousand and can begin nothing else; they are passed over at once."""
    counters = r"\[[0-9]{1,20}:[0-9]{1,20}\]"
    return {
        "iptables": re.compile(rf"(?:(?:{counters} )?-A \S[^\n]*+\n|:\S++ (?:ACCEPT|DROP|-) {counters}\n)++"),
        "ipset": re.compile(rf"(?:add \S++ \S[^\n]*+\n)++|{_SET_HEADER}Members:\n(?:{_SET_MEMBER}\n(?![ \t]+nexthop))*+"),
    }


def json_format(text: str, start: int = 0) -> str:
    """Format of the JSON document at ``start``; "" if its keys are not known."""
    keys = frozenset(re.findall(r'"([\w.-]+)"\s*:', text[start : start + PEEK]))
    return next((name for name, wanted in KEYS if wanted <= keys), "")


def sections(path: str, text: str, command: str = "") -> list[Section]:
    """The outputs that a file holds; one section of format "" if nothing recognises it.

    ``command`` is the command line that made it, where a manifest tells.
    """
    inside = "" if command else namespace_of(path.rpartition("/")[2])
    hint = (from_command(command) if command else None) or from_name(path)
    if hint and command:
        hint = Hint(hint.format, command)
    # A manifest is to be trusted, and so is a JSON document under a name that agrees: no need to look for more.
    sure = bool(command) or (path.endswith(".json") and hint is not None and json_format(text) == hint.format)
    if hint and (sure or hint.format in {IGNORED, CNI_LISTING, "cni", "kubelet", "cni_leases", "cni_plugins"} or not text or text.isspace()):
        return [Section(hint.format, hint.command, text, netns=inside)]
    text = without_margins(text, begins_output)
    marks = _said_turns(text, list(_marks(text, hint)))
    if all(kind in {"prompt", "banner", "turn"} for _, kind, _ in marks):
        return [Section(hint.format, hint.command, text, netns=inside)] if hint and _plausible(hint, text) else [Section("", command, text)]
    made = _cut(text, marks, hint)
    hosts = {section.host for section in made if section.host}
    # What precedes the only host's first prompt is that host's too, unless its shell was entered from another's.
    entered = any(kind == "turn" for _, kind, _ in marks)
    only = unnamed(made) if hosts and entered else hosts.pop() if len(hosts) == 1 else ""
    return [section._replace(netns=section.netns or inside, host=section.host or only) for section in made]


def begins_output(line: str) -> bool:
    """Whether a line begins an output, or is a command at a prompt."""
    match = scanner().match(line)
    return match is not None and match.lastgroup != "json"


def _plausible(hint: Hint, text: str) -> bool:
    """Whether a text without any known line may still be what its name says: programs' complaints, ``hostname``, an empty ``[]``."""
    return hint.format in {"host", "resolv", "hosts"} or text.count("\n") <= 3 or text.lstrip()[:1] in {"[", "{"}


def _marks(text: str, hint: Hint | None) -> list[Mark]:
    """Lines where an output may begin, in order."""
    found: list[Mark] = []
    at = broken = 0
    search = scanner().search
    runs = long_runs()
    most = MAX_SECTIONS if len(text) < LARGE else MAX_LARGE
    while len(found) < most and (match := search(text, at)):
        kind = match.lastgroup or ""
        if match["heading"]:
            found.append((match.start(), "heading", _heading_command(match["heading"])))
            at = match.end()
        elif kind == "json" and broken < ATTEMPTS:
            format_name = json_format(text, match.end()) or (hint.format if hint else "")
            at, whole = _json_end(text, match.end())
            broken += not whole
            found.append((match.start(), format_name, ""))
        else:
            again = found and found[-1][1] == kind and kind not in {"prompt", "turn"}
            again = again and not _restarts(kind, match[0], text, found[-1][0], match.start())
            if kind != "json" and not again:
                found.append((match.start(), kind, ""))
            at = _line_end(text, match.start())
            if kind in runs and (run := runs[kind].match(text, at)):
                at = run.end()
            if match[0].startswith(("apiVersion", "kind")):
                at = _yaml_end(text, at)
    return found


def _said_turns(text: str, marks: list[Mark]) -> list[Mark]:
    """The marks without lines that read as if they named a machine, but are alone in that and stand behind an output: a remark."""
    names = [said(text[offset : _line_end(text, offset)]) for offset, kind, _ in marks if kind == "turn"]
    if len(set(names)) != 1 or "ssh" in text or marks[0][1] == "turn":
        return marks
    return [mark for mark in marks if mark[1] != "turn"]


def _heading_command(heading: str) -> str:
    """The command line in a heading, without the banner's end; a quote that ends it stays where the line opened it."""
    plain = heading.strip()
    bare = plain.rstrip("=-*#`'\"<>: \t\r")
    closing = plain[len(bare) :][:1]
    return bare + closing if closing in {"'", '"'} and bare.count(closing) % 2 else bare


def _line_end(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1


def _json_end(text: str, at: int) -> tuple[int, bool]:
    """Where the JSON document at ``at`` ends, and whether it does; the line's end if it breaks off."""
    from json import JSONDecoder

    try:
        return JSONDecoder().raw_decode(text, at)[1], True
    except (ValueError, RecursionError):
        return _line_end(text, at), False


def _yaml_end(text: str, at: int) -> int:
    """Where a YAML document ends: at the next line that is neither indented nor a key, an item, a separator or a comment."""
    match = re.compile(r"^(?![ \t]|$|[A-Za-z][\w.-]*:(?:\s|$)|- |-$|---|\.\.\.|#)", re.MULTILINE).search(text, at)
    return match.start() if match else len(text)


def _restarts(kind: str, line: str, text: str, begun: int, at: int) -> bool:
    """Whether a listing of the same kind begins anew (``ip link`` and then ``ip addr``; ``ip rule`` and then ``ip -6 rule``)."""
    if kind == "link":
        return line.startswith("1: lo: <") and re.search(r"^1: lo: <", text[begun:at], re.MULTILINE) is not None
    return kind == "rule" and line.startswith("0:") and re.search(r"^0:", text[begun:at], re.MULTILINE) is not None


def _cut(text: str, marks: list[Mark], hint: Hint | None) -> list[Section]:
    """Cut a text at its marks; what precedes the first belongs to it."""
    made: list[Section] = []
    heading = Hint("")
    begin = 0
    host = within = announcer = once = ""
    entered: list[str] = []
    for number, (offset, kind, command) in enumerate(marks):
        end, following = (marks[number + 1][0], marks[number + 1][1]) if number + 1 < len(marks) else (len(text), "heading")
        if kind == "banner":
            announcer = announced(text[offset : _line_end(text, offset)])
            continue
        if kind == "turn":
            begin = _line_end(text, offset)
            heading, once, host = Hint(""), "", turn(text[offset:begin], host, entered)
            continue
        if kind in {"heading", "prompt"}:
            once = asked_by_ssh(command)
            heading = from_command(command.replace("'", " ") if once else command) or Hint("", command)
            begin = _line_end(text, offset)
            announcer = ""
            within, opened_on = shell_at(text, offset)
            # The prompt of a container's shell names the container, not the machine that it runs on.
            host = opened_on or ("" if within else host_of(text[offset:begin])) or host
            if kind == "prompt" and text[begin:end].strip():
                made.append(_section(text, "", "", begin, end)._replace(host=host))
            # An output of its format follows, or one of another format at once (a heading that announces too little): it takes these lines.
            if not heading.format or following == heading.format or (following not in {"heading", "prompt", "turn"} and not text[begin:end].strip()):
                continue
            host = (not once and hostname(heading.command, text[begin:end])) or host
            made.append(_inside(_section(text, heading.format, heading.command, begin, end), once or host, within))
            heading = Hint("")
            continue
        start = 0 if not number else begin if kind and heading.format == kind else offset
        typed = _command_for(kind, heading, hint, made)
        host = (kind == "host" and not once and not within and hostname(typed, text[start:end])) or host
        # What a loop tries may be announced as well: who tries it, is not.
        whose = once or (announcer if announcer and kind != "attempt" else host)
        made.append(_inside(_section(text, kind, typed, start, end), whose, within))
        # A heading speaks for the output that follows it, not for the ones after that.
        heading = Hint("")
    return made


def _inside(section: Section, host: str, within: str) -> Section:
    """A section under a prompt of a host, or of a shell inside a container."""
    return section._replace(host=host, netns=section.netns or within)


def _command_for(kind: str, heading: Hint, hint: Hint | None, before: list[Section]) -> str:
    """Command line of a section: of its heading, else of the file's name, else the usual one."""
    if heading.format == kind or (heading.command and not heading.format):
        return heading.command
    first = not any(section.format == kind for section in before)
    if hint and hint.format == kind and (first or kind not in {"rule", "link"}):
        return hint.command if hint.exact else ""
    if kind == "rule" and not first:
        return "ip -6 rule"
    # Without a name or heading: what the text shows must speak for itself.
    return ""


def _section(text: str, kind: str, command: str, start: int, end: int) -> Section:
    """A section whose lines keep their numbers."""
    line = text.count("\n", 0, start) + 1
    return Section(kind, command, "\n" * (line - 1) + text[start:end] if start else text[:end], line, namespace_of(command))
