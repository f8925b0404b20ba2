"""Writes the hand-made recordings of the labs: what a person would type on each machine, healthy and broken.

Run as root: ``python -m tests.lab.record [SCENARIO]...``; results go to ``tests/recordings/labs``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.harness import Lab
from tests.lab.scenario import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.scenario import Scenario

LABS = Path(__file__).resolve().parent
RECORDINGS = LABS.parent / "recordings" / "labs"
EXAMPLES = LABS.parent.parent / "examples"

_KEYS = (
    r"^net\.(ipv4\.(ip_forward |conf\.[^.]+\.(rp_filter|forwarding|accept_local|route_localnet|proxy_arp|arp_ignore|src_valid_mark) )"
    r"|bridge\.bridge-nf-call-iptables)"
)
_SYSCTL = f"sysctl -a 2>/dev/null | grep -E '{_KEYS}' || true"
_CNI = {"etc_cni_net.d_": "/etc/cni/net.d/*", "run_flannel_": "/run/flannel/*"}

# File name → command, as different people do it.  A machine gets all lines, a pod those that its own namespace answers.
STYLES: dict[str, dict[str, str]] = {
    "plain": {
        "ip_addr.txt": "ip addr",
        "ip_-d_link.txt": "ip -d link",
        "ip_route.txt": "ip route",
        "ip_rule.txt": "ip rule",
        "ip_neigh.txt": "ip neigh",
        "bridge_fdb.txt": "bridge fdb",
        "iptables-save.txt": "iptables-save",
        "ipset_list.txt": "ipset list",
        "ss_-lntup.txt": "ss -lntup",
        "sysctl.txt": _SYSCTL,
    },
    "saved": {
        "ip_-d_-j_link": "ip -d -j link",
        "ip_-j_addr": "ip -j addr",
        "ip_route_show_table_all": "ip route show table all",
        "ip_-j_rule": "ip -j rule",
        "ip_-j_neigh": "ip -j neigh",
        "bridge_-j_fdb": "bridge -j fdb",
        "iptables-save_-c": "iptables-save -c",
        "ipset_save": "ipset save",
        "ss_-lntup": "ss -lntup",
        "sysctl_-a": _SYSCTL,
    },
    "listed": {
        "ip-o-addr.txt": "ip -o addr",
        "ip-o-link.txt": "ip -o link",
        "ip-route-table-all.txt": "ip route list table all",
        "iptables-filter.txt": "iptables -t filter -L -n -v --line-numbers",
        "iptables-nat.txt": "iptables -t nat -L -n -v --line-numbers",
        "netstat-lntup.txt": "netstat -lntup",
        "arp-n.txt": "arp -n",
        "bridge-link.txt": "bridge link",
        "sysctl-a.log": _SYSCTL,
    },
    "classic": {
        "ifconfig.txt": "ifconfig -a",
        "ip_-d_link.txt": "ip -d link show",
        "route_-n.txt": "route -n",
        "arp_-an.txt": "arp -an",
        "bridge_link_show.txt": "bridge link show",
        "bridge_fdb_show.txt": "bridge fdb show",
        "iptables_-S.txt": "iptables -S",
        "iptables_-t_nat_-S.txt": "iptables -t nat -S",
        "netstat_-lntp.txt": "netstat -lntp",
        "sysctl_-a.txt": _SYSCTL,
    },
    "terminal": {
        "": "ip a; ip -d l; ip r; ip rule; ip n; iptables-save; ss -lntp; sysctl net.ipv4.ip_forward net.ipv4.conf.all.rp_filter",
    },
}
# What README.md asks for.
STYLES["asked"] = {
    "ip_-d_-j_link": "ip -d -j link",
    "ip_-j_addr": "ip -j addr",
    "ip_route_show_table_all": "ip -4 route show table all",
    "ip_rule": "ip rule",
    "ip_neigh": "ip neigh",
    "bridge_fdb": "bridge fdb",
    "iptables-save_-c": "iptables-save -c",
    "sysctl_-a": _SYSCTL,
    "ss_-lntup": "ss -lntup",
}
STYLES["docker"] = {
    **STYLES["plain"],
    "docker_ps.txt": "docker ps -a --no-trunc",
    "docker_inspect.json": "docker inspect $(docker ps -aq)",
    "docker_network_inspect.json": "docker network inspect $(docker network ls -q)",
}
_MACHINE_ONLY = ("ipset", "bridge", "docker")


def _folder(place: str) -> str:
    node, _, pod = place.partition("/")
    return f"{node}/netns/{pod}" if pod else node


def _terminal(lab: Lab, place: str) -> str:
    """A session pasted from a terminal."""
    node, _, pod = place.partition("/")
    text = []
    for command in STYLES["terminal"][""].split("; "):
        shown = f"ip netns exec {pod} {command}" if pod else command
        text.append(f"[root@{node} ~]# {shown}\n{lab.machines[node].run(command, pod).stdout}")
    return "".join(text)


def write_place(lab: Lab, place: str, style: str, folder: Path) -> None:
    """Record one machine or pod."""
    node, _, pod = place.partition("/")
    folder.mkdir(parents=True, exist_ok=True)
    if style == "terminal":
        (folder / "session.txt").write_text(_terminal(lab, place))
        return
    for name, command in STYLES[style].items():
        if not (pod and command.startswith(_MACHINE_ONLY)):
            (folder / name).write_text(lab.machines[node].must(command, pod))
    for prefix, pattern in ({} if pod else _CNI).items():
        for path in lab.machines[node].run(f"ls {pattern}").stdout.split():
            (folder / (prefix + Path(path).name)).write_text(lab.machines[node].must(f"cat {path}"))


def states(lab: Lab) -> Iterator[str]:
    """Bring the lab to each of its states in turn, with the traffic seen in it once."""
    scenario = lab.scenario
    lab.healthy()
    lab.expect(scenario.traffic, scenario.traffic.healthy, scenario.traffic.healthy_source)
    yield "healthy"
    lab.broken()
    lab.expect(scenario.traffic, scenario.traffic.broken, scenario.traffic.broken_source)
    yield "broken"
    for each in scenario.look_alikes:
        if each.change or each.traffic != scenario.traffic:
            lab.healthy()
            lab.change(each.change, each.name)
            lab.expect(each.traffic, each.traffic.healthy, each.traffic.healthy_source)
            yield each.name


def record(scenario: Scenario) -> None:
    """Write the recordings of one scenario."""
    lab = Lab(scenario)
    shutil.rmtree(RECORDINGS / scenario.name, ignore_errors=True)
    try:
        for state in states(lab):
            for place, style in scenario.record.items():
                write_place(lab, place, style, RECORDINGS / scenario.name / state / _folder(place))
    finally:
        lab.close()
    if scenario.example:
        shutil.rmtree(EXAMPLES / scenario.name, ignore_errors=True)
        shutil.copytree(RECORDINGS / scenario.name / "broken", EXAMPLES / scenario.name)


def _row(scenario: Scenario) -> str:
    traffic = scenario.traffic
    flow = f"`{traffic.start}` → `{traffic.to}:{traffic.port}/{traffic.protocol}`"
    sees = traffic.broken + (f", server sees {traffic.broken_source}" if traffic.broken_source else "")
    alike = "; ".join(f"`{each.name}`" for each in scenario.look_alikes if each.change or each.traffic != traffic)
    symptom = f"{scenario.symptom} `{' '.join(scenario.options)}`"
    return f"| {scenario.name} | {symptom} | {flow} | {sees} | {scenario.id} on {scenario.finding_node} | {alike} |"


def readme(scenarios: list[Scenario]) -> str:
    """The table of all recordings."""
    rows = "\n".join(_row(scenario) for scenario in scenarios if scenario.record)
    return f"""# Recordings of the labs

`SCENARIO/STATE/NODE/…`, pods below `NODE/netns/POD/`: outputs of plain commands, as a person would save them, taken on the running kernel by
`python -m tests.lab.record`. `broken` must give the finding named here first; every other state (`healthy` and the look-alikes) must give none.

| scenario | symptom and options | flow | client sees | finding | look-alikes |
|---|---|---|---|---|---|
{rows}
"""


def main(names: list[str]) -> None:
    """Record the named scenarios, or all."""
    scenarios = [load(path) for path in sorted(LABS.glob("*.yaml"))]
    for scenario in scenarios:
        if scenario.record and (not names or scenario.name in names):
            record(scenario)
    (RECORDINGS / "README.md").write_text(readme(scenarios), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
