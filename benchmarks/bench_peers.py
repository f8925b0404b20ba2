"""The same outputs read by noroute and by parsers that others publish: insights-core (Red Hat) and jc.

Times are of big files, losses of the recordings among the tests: how much of what the output says do the parsed items tell?  The peers are
installed into a virtual environment of their own for the time of the run; where that fails (no network), only noroute's figures are shown.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.big_node import SOCKETS, Size, host
from benchmarks.kube_proxy import save, services
from benchmarks.timing import seconds
from collectors.classify import from_command
from collectors.evidence import parser_of
from collectors.place import Place
from engine.facts import Fact, RuleLine, Source

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = Path(__file__).resolve().parent.parent
RECORDINGS = TOP / "tests" / "recordings"
REFUSALS = ("blackhole", "unreachable", "prohibit", "throw")

IPTABLES, ROUTE, SS = "iptables:IPTables", "ip:RouteDevices", "netstat:SsTULPN"
"""Parsers of insights-core."""


@dataclass(frozen=True, slots=True)
class Case:
    """One file and what it is asked for."""

    label: str
    command: str
    path: Path
    question: str
    holds: int
    """How many such items the output holds, counted by hand or by its lines."""
    peers: tuple[tuple[str, str], ...]
    """Peer and its parser for such outputs; a peer that has none is left out."""
    timed: bool = False


def facts(case: Case) -> list[Fact]:
    """What noroute makes of a file."""
    hint = from_command(case.command)
    parser = parser_of(hint.format) if hint else None
    return parser(Source("pasted", case.path.read_text(encoding="utf-8"), case.command), Place("node1", "host")) if parser else []


def rules(found: list[Fact]) -> list[RuleLine]:
    """All rules, each made."""
    return [rule for fact in found for chain in fact.get("chains", ()) for rule in chain.rules]


COUNTS: dict[str, Callable[[list[Fact]], int]] = {
    "rules": lambda found: len(rules(found)),
    "counters": lambda found: sum(rule.packets is not None for rule in rules(found)),
    "routes": lambda found: sum(fact.kind == "route" for fact in found),
    "refusals": lambda found: sum(fact.get("type") in REFUSALS for fact in found),
    "tables": lambda found: sum(fact.kind == "route" and fact.get("table", "main") != "main" for fact in found),
    "addresses": lambda found: sum(fact.kind == "address" for fact in found),
    "neighbors": lambda found: sum(fact.kind == "neighbor" for fact in found),
    "sockets": lambda found: sum(fact.kind == "socket" for fact in found),
}


def timed(folder: Path) -> list[Case]:
    """Big files."""
    outputs = dict(host(Size()))
    listening = SOCKETS.format(port=22) + "".join(SOCKETS.format(port=port).partition("\n")[2] for port in range(1024, 6023))
    listing = (RECORDINGS / "netfilter/iptables-legacy/filter-Lnvx").read_text(encoding="utf-8")
    texts = {"iptables-save": save(services(12_500)), "ss": listening, "list": listing}
    texts |= {name: outputs[name] for name in ("ip_route", "ip_addr")}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    count = texts["iptables-save"].count("\n-A ")
    insights = "insights-core"
    return [
        Case("iptables-save, 98,000 lines", "iptables-save", folder / "iptables-save", "rules", count, ((insights, IPTABLES),), timed=True),
        Case("iptables -nvxL, 170 rules", "iptables -nvxL --line-numbers", folder / "list", "rules", 170, (("jc", "iptables"),), timed=True),
        Case("ip route, 10,000 routes", "ip route", folder / "ip_route", "routes", 10_003, ((insights, ROUTE), ("jc", "ip_route")), timed=True),
        Case("ip addr, 1,000 devices", "ip addr", folder / "ip_addr", "addresses", 3, ((insights, "ip:IpAddr"),), timed=True),
        Case("ss -lntup, 5,000 sockets", "ss -lntup", folder / "ss", "sockets", 5_000, ((insights, SS), ("jc", "ss")), timed=True),
    ]


def lossy() -> list[Case]:
    """Recordings of real machines that hold what is easily lost."""
    tables, iproute = RECORDINGS / "netfilter/iptables-legacy", RECORDINGS / "iproute2"
    routes, every = iproute / "ip_route_show_table_all", "ip route show table all"
    of_tables = (("insights-core", IPTABLES), ("jc", "iptables"))
    of_routes = (("insights-core", ROUTE), ("jc", "ip_route"))
    count = sum(line.startswith("-A ") for line in lines(tables / "save"))
    refusals, told = (sum(line.startswith(REFUSALS) for line in lines(routes)), sum(" table " in line for line in lines(routes)))
    near, sockets = len(lines(iproute / "ip_neigh")), sum(line.startswith(("tcp", "udp")) for line in lines(iproute / "ss_-anp"))
    return [
        Case("iptables-save: rules", "iptables-save", tables / "save", "rules", count, of_tables),
        Case("iptables-save -c: rules", "iptables-save -c", tables / "save-c", "rules", count, of_tables),
        Case("iptables-save -c: counters", "iptables-save -c", tables / "save-c", "counters", count, of_tables),
        Case("ip route: blackhole, unreachable …", every, routes, "refusals", refusals, of_routes),
        Case("ip route: the table of a route", every, routes, "tables", told, of_routes),
        Case("ip neigh: entries", "ip neigh", iproute / "ip_neigh", "neighbors", near, (("insights-core", "ip:IpNeighShow"),)),
        Case("ss -anp: sockets of tcp and udp", "ss -anp", iproute / "ss_-anp", "sockets", sockets, (("jc", "ss"),)),
    ]


def lines(path: Path) -> list[str]:
    """Lines of a recording."""
    return path.read_text(encoding="utf-8").splitlines()


def install(folder: Path) -> Path | None:
    """Python of a virtual environment that has the peers; ``None`` if they cannot be had."""
    try:
        venv.create(folder, with_pip=True)
        python = folder / "bin" / "python"
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "insights-core", "jc"]
        done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"peers left out: {error}")
        return None
    if done.returncode:
        print(f"peers left out: {(done.stderr.strip() or 'pip failed').splitlines()[-1]}")
        return None
    return python


def asked(python: Path, cases: list[Case]) -> dict[tuple[str, str], list[Any]]:
    """Answers of the peers by peer and label."""
    keys = [(peer, case.label) for case in cases for peer, _ in case.peers]
    jobs = [[peer, parser, str(case.path), case.question] for case in cases for peer, parser in case.peers]
    driver = Path(__file__).with_name("peers_driver.py")
    done = subprocess.run([str(python), str(driver)], input=json.dumps(jobs), stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    return dict(zip(keys, json.loads(done.stdout), strict=True))


def result(case: str, value: float, unit: str, limit: float | None = None) -> None:
    """Print one result."""
    print(json.dumps({"case": case, "value": value, "unit": unit} | ({"limit": limit} if limit is not None else {})))


def compare(case: Case, answers: dict[tuple[str, str], list[Any]]) -> None:
    """Print what noroute and the peers make of one file."""
    count = COUNTS[case.question]
    if case.timed:
        result(f"{case.label}: noroute", seconds(lambda: facts(case), 3), "s")
    if case.timed and case.question == "rules":
        result(f"{case.label}: noroute, every rule made", seconds(lambda: count(facts(case)), 3), "s")
    result(f"{case.label}, lost: noroute", case.holds - count(facts(case)), f"of {case.holds}", 0)
    for peer, _ in case.peers:
        taken, counted = answers.get((peer, case.label), (None, None))
        if taken is None:
            print(f"{case.label}: {peer}: {counted or 'not installed'}")
        elif case.timed:
            result(f"{case.label}: {peer}", taken, "s")
        if counted is not None:
            lost = case.holds - counted if isinstance(counted, int) else case.holds
            result(f"{case.label}, lost: {peer}", lost, f"of {case.holds}")


def main() -> None:
    """Compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = [*timed(folder), *lossy()]
        python = install(folder / "venv")
        answers = asked(python, cases) if python else {}
        for case in cases:
            compare(case, answers)


if __name__ == "__main__":
    main()
