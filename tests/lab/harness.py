"""Runs one lab file: healthy, broken, mended and undone, on the real kernel."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.kube import objects
from tests.lab import vm
from tests.lab.machine import LabError, why_not
from tests.lab.scenario import DEBIAN
from tests.lab.topology import build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.machine import Machine, Machines
    from tests.lab.scenario import Scenario, Traffic

DIAGNOSE_SECONDS = 60.0
SETTLED = """
asked() { ip neigh show nud incomplete; for n in $(ls /run/netns); do ip -n $n neigh show nud incomplete; done; }
for turn in $(seq 40); do asked | grep -q . || break; sleep 0.1; done
"""
"""Shell lines that wait for the end of ARP and ND questions, 4 s at most: the kernel gives up after three, a second apart."""


def unmet(scenario: Scenario) -> str:
    """Why this machine cannot run a lab; "" if it can."""
    programs = {"ip", "unshare", "nsenter", "mount", "sysctl", *scenario.needs}
    missing = sorted(program for program in programs if shutil.which(program) is None)
    if missing:
        return f"not installed: {', '.join(missing)}"
    return why_not() or (vm.why_not() if scenario.kernel == DEBIAN else "")


@dataclass(frozen=True)
class Seen:
    """What one attempt saw."""

    sees: str
    """``connected``, ``timeout`` or an errno name."""
    source: str
    """Source address that the server saw; "" if it did not answer."""


@dataclass(frozen=True)
class Diagnosis:
    """One run of ``diagnose --format json``."""

    status: int
    report: Mapping[str, Any]
    told: str
    """What was run and printed, for the message of a failing test."""

    def causes(self) -> list[str]:
        """Ids of the root causes, best first."""
        return [f["rule"] for f in self.report["findings"] if f["standing"] == "root-cause"]


class Lab:
    """A scenario's machines and the state that they are in."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.state = ""
        self._machines: Machines | None = None
        self._broken: Diagnosis | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._bundles: list[Path] = []
        """What was collected since the lab was last changed."""

    @property
    def machines(self) -> Machines:
        """The running machines."""
        if self._machines is None:
            message = "no state of this lab was asked for yet"
            raise LabError(message)
        return self._machines

    def healthy(self) -> None:
        """Bring the lab to its healthy state, anew if something was done to it."""
        if self.state != "healthy":
            self.close()
            self._machines = build(self.scenario)
            self.state = "healthy"

    def broken(self) -> None:
        """Bring the lab to its broken state."""
        if self.state != "broken":
            self.healthy()
            self.change(self.scenario.breaks, "broken")

    def change(self, commands: Mapping[str, Sequence[str]], state: str) -> None:
        """Run shell lines by place and call what comes of it ``state``; without any the state stays what it is."""
        if not commands:
            return
        self._forget()
        self.state = "unknown"
        self.machines.run_all(commands)
        self._settle()
        self.state = state

    def _settle(self) -> None:
        """Wait until the kernel has given up the questions for neighbours that were asked before: whoever sends meanwhile shares their fate."""
        for name in self.scenario.nodes:
            self.machines[name].must(SETTLED)

    def apply(self, remedy: Mapping[str, Any]) -> None:
        """Break the lab anew and run a printed remedy on its node; the traffic must pass then."""
        self.broken()
        self.change({remedy["node"]: remedy["commands"]}, f"mended: {remedy['commands']}")
        self.expect(self.scenario.traffic, self.scenario.traffic.healthy, self.scenario.traffic.healthy_source)

    def attempt(self, traffic: Traffic) -> Seen:
        """Send the flow once."""
        name, _, pod = traffic.start.partition("/")
        arguments = shlex.join([traffic.protocol, traffic.to, str(traffic.port), str(traffic.timeout)])
        sees, source = self.machines[name].must(f"{traffic.via} probe {arguments}", pod).split()
        return Seen(sees, "" if source == "-" else source)

    def expect(self, traffic: Traffic, sees: str, source: str) -> None:
        """Send the flow; raises :class:`LabError` if its sender (or the server) sees something else."""
        seen = self.attempt(traffic)
        if seen.sees != sees or (source and seen.source != source):
            message = f"{self.scenario.name}, {self.state}: {traffic} should see {sees} {source}, saw {seen.sees} {seen.source}\n{self.describe()}"
            raise LabError(message)

    def describe(self) -> str:
        """The machines' routes and rules, for a failure message."""
        pods = 'for n in $(ls /run/netns); do echo "== $n"; ip -n $n -br addr; ip -n $n route; done'
        command = f"ip -br addr; ip route; ip neigh; iptables-save -c; {pods}"
        return "\n".join(f"=== {name}\n{self.machines[name].run(command).stdout}" for name in self.scenario.nodes)

    def collect(self, folder: Path) -> list[Path]:
        """Run the real collector on every machine that is evidence; one bundle each."""
        bundles = []
        for node in self.scenario.nodes.values():
            if not node.evidence:
                continue
            bundle = folder / node.name
            collected = self.machines[node.name].diagnose(["collect", "-o", str(bundle)])
            if collected.status:
                raise LabError(collected.stderr)
            bundles.append(bundle)
        if self.scenario.objects:
            bundles.append(objects.write({**self._objects(), "networkpolicies": self._policies()}, folder / "cluster"))
        return bundles

    def _objects(self) -> dict[str, list[dict[str, Any]]]:
        """The API's objects, with what kubectl patched on any of the cluster's nodes."""
        told = [self.machines[node.name].run("cat /run/lab/services").stdout for node in objects.members(self.scenario)]
        found = objects.of(self.scenario)
        for patch in sorted(map(json.loads, "".join(told).splitlines()), key=lambda patch: float(patch["at"])):
            for service in found["services"]:
                if (service["metadata"]["namespace"], service["metadata"]["name"]) == (patch["namespace"], patch["name"]):
                    service["spec"] |= patch["spec"]
        return found

    def _policies(self) -> list[dict[str, Any]]:
        """The network policies that the agents of the cluster's nodes have been given."""
        told = [self.machines[node.name].run("cat /run/lab/policies/*.json").stdout for node in objects.members(self.scenario)]
        found: list[dict[str, Any]] = []
        for text in told:
            at = 0
            while at < len(text):
                item, at = json.JSONDecoder().raw_decode(text, at)
                found.append(item)
        return found

    def diagnose(self, symptom: str, options: Sequence[str]) -> Diagnosis:
        """Collect everywhere, once for each state, then diagnose the bundles on one machine that sees none of the network."""
        if self._folder is None:
            folder = tempfile.TemporaryDirectory(prefix="noroute-lab-", dir=self.machines.computer.folder)
            self._bundles = self.collect(Path(folder.name))
            self._folder = folder
        argv = ["--symptom", symptom, *options, "--format", "json"]
        argv += [word for bundle in self._bundles for word in ("-b", str(bundle))]
        return self._run(argv, self.machines.desk)

    def _forget(self) -> None:
        """Remove what was collected: it holds no longer."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def diagnose_live(self, node: str) -> Diagnosis:
        """Diagnose on the machine itself, without a bundle."""
        argv = ["--symptom", self.scenario.symptom, *self.scenario.options, "--format", "json"]
        return self._run(argv, self.machines[node])

    def _run(self, argv: Sequence[str], machine: Machine) -> Diagnosis:
        result = machine.diagnose(argv, DIAGNOSE_SECONDS)
        told = f"diagnose {shlex.join(argv)}\nexit status {result.status}\n--- stdout\n{result.stdout}\n--- stderr\n{result.stderr}"
        try:
            report = json.loads(result.stdout)
        except ValueError as error:
            raise LabError(told) from error
        return Diagnosis(result.status, report, told)

    def diagnose_broken(self) -> Diagnosis:
        """The diagnosis of the broken state (made once)."""
        if self._broken is None:
            self.broken()
            self._broken = self.diagnose(self.scenario.symptom, self.scenario.options)
        return self._broken

    def close(self) -> None:
        """End the machines."""
        self._forget()
        if self._machines is not None:
            self._machines.close()
            self._machines = None
        self.state = ""
